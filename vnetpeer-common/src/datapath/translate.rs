//! What a backend's host changes in packets between a frontend and its backend: one address, one port and
//! their checksums. Lengths stay as they are.

use super::{Address, Admission, FlowQuery, Found, Headers, Packet, Tables};
use crate::{
    abi::Nic,
    checksum,
    reason::DropReason,
    types::{BalancerId, NicId, V4, V6},
    wire::{ETHERNET_LEN, Ipv4, Ipv6, Ports, U16, protocol},
};

/// Where the checksum is in a header.
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

/// What of a packet's head was changed, for the checksum of TCP or UDP.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// Sum of the 16-bit words of the address before and after.
    pub address: [u32; 2],
    /// The port before and after.
    pub port: [u16; 2],
    /// Whether the packet is IPv6.
    pub is_v6: bool,
    /// Whether the transport is UDP, of which a checksum of 0 says that there is none.
    pub is_udp: bool,
}

impl Change {
    /// What the change of address adds to a sum.
    #[inline(always)]
    pub const fn address_difference(&self) -> u16 {
        let [old, new] = self.address;
        checksum::fold((!checksum::fold(old)) as u32 + checksum::fold(new) as u32)
    }

    /// The checksum after the change.
    #[inline(always)]
    pub const fn apply(&self, checksum: u16) -> u16 {
        if self.is_udp && checksum == 0 {
            return 0;
        }
        let old = self.address[0] + self.port[0] as u32;
        let new = self.address[1] + self.port[1] as u32;
        let updated = checksum::update(checksum, old, new);
        if self.is_udp && updated == 0 { 0xffff } else { updated }
    }
}

/// Which address and port of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Those of its sender.
    Source,
    /// Those of its receiver.
    Destination,
}

/// An address that can be changed in a packet.
pub trait Replace: Sized {
    /// Sum of its 16-bit words.
    fn sum(self) -> u32;

    /// Puts the address into a packet behind an Ethernet header, and returns the one that was there.
    fn replace<P: Packet>(self, p: &mut P, side: Side) -> Option<Self>;

    /// The source and the destination of a packet behind an Ethernet header, once more: IPv6 addresses are
    /// read again, since there is no room to keep them while policies are asked.
    fn ends<P: Packet>(p: &P, kept: (Self, Self)) -> Option<(Self, Self)>;

    /// See [`super::floats`].
    fn floats<T: Tables>(tables: &T, query: &FlowQuery<Self>) -> u32;

    /// See [`super::choose`].
    fn choose<T: Tables>(tables: &T, query: &FlowQuery<Self>, kept: NicId) -> Found;

    /// See [`super::arrive`].
    fn arrive<T: Tables>(tables: &T, query: &mut FlowQuery<Self>) -> Found;

    /// Asks the flow table about the packet that was last asked about, after [`super::turn`].
    fn readmit<T: Tables>(
        tables: &T,
        query: &mut FlowQuery<Self>,
        id: NicId,
        flags: u32,
        translated_by: BalancerId,
    ) -> Admission;
}

impl Replace for V4 {
    #[inline(always)]
    fn sum(self) -> u32 {
        Self::sum(self)
    }

    #[inline(always)]
    fn replace<P: Packet>(self, p: &mut P, side: Side) -> Option<Self> {
        let ip = p.get_mut::<Ipv4>(ETHERNET_LEN)?;
        let old = if side == Side::Source { ip.src } else { ip.dst };
        ip.checksum = U16::new(checksum::update(ip.checksum.get(), old.sum(), self.sum()));
        if side == Side::Source {
            ip.src = self;
        } else {
            ip.dst = self;
        }
        Some(old)
    }

    #[inline(always)]
    fn floats<T: Tables>(tables: &T, query: &FlowQuery<Self>) -> u32 {
        tables.floats4(query)
    }

    #[inline(always)]
    fn ends<P: Packet>(_p: &P, kept: (Self, Self)) -> Option<(Self, Self)> {
        Some(kept)
    }

    #[inline(always)]
    fn choose<T: Tables>(tables: &T, query: &FlowQuery<Self>, kept: NicId) -> Found {
        tables.choose4(query, kept)
    }

    #[inline(always)]
    fn arrive<T: Tables>(tables: &T, query: &mut FlowQuery<Self>) -> Found {
        tables.arrive4(query)
    }

    #[inline(always)]
    fn readmit<T: Tables>(
        tables: &T,
        query: &mut FlowQuery<Self>,
        id: NicId,
        flags: u32,
        translated_by: BalancerId,
    ) -> Admission {
        tables.readmit4(query, id, flags, translated_by)
    }
}

impl Replace for V6 {
    #[inline(always)]
    fn sum(self) -> u32 {
        Self::sum(self)
    }

    #[inline(always)]
    fn replace<P: Packet>(self, p: &mut P, side: Side) -> Option<Self> {
        let ip = p.get_mut::<Ipv6>(ETHERNET_LEN)?;
        if side == Side::Source {
            Some(core::mem::replace(&mut ip.src, self))
        } else {
            Some(core::mem::replace(&mut ip.dst, self))
        }
    }

    #[inline(always)]
    fn floats<T: Tables>(tables: &T, query: &FlowQuery<Self>) -> u32 {
        tables.floats6(query)
    }

    #[inline(always)]
    fn ends<P: Packet>(p: &P, _kept: (Self, Self)) -> Option<(Self, Self)> {
        p.get::<Ipv6>(ETHERNET_LEN).map(|ip| (ip.src, ip.dst))
    }

    #[inline(always)]
    fn choose<T: Tables>(tables: &T, query: &FlowQuery<Self>, kept: NicId) -> Found {
        tables.choose6(query, kept)
    }

    #[inline(always)]
    fn arrive<T: Tables>(tables: &T, query: &mut FlowQuery<Self>) -> Found {
        tables.arrive6(query)
    }

    #[inline(always)]
    fn readmit<T: Tables>(
        tables: &T,
        query: &mut FlowQuery<Self>,
        id: NicId,
        flags: u32,
        translated_by: BalancerId,
    ) -> Admission {
        tables.readmit6(query, id, flags, translated_by)
    }
}

/// Addresses a packet for a frontend to the backend `nic`.
#[inline(always)]
pub(super) fn to_backend<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    headers: &Headers<A>,
    nic: &Nic,
    rule: BalancerId,
) -> Result<(), DropReason> {
    let rule = tables.balancer(rule).ok_or(DropReason::Unconfigured)?;
    rewrite(p, headers, Side::Destination, A::primary(nic), rule.backend_port)
        .ok_or(DropReason::Malformed)
}

/// Lets a backend's answer come from the frontend.
#[inline(always)]
pub(super) fn from_backend<P: Packet, T: Tables, A: Address>(
    p: &mut P,
    tables: &T,
    headers: &Headers<A>,
    rule: BalancerId,
) -> Result<(), DropReason> {
    let rule = tables.balancer(rule).ok_or(DropReason::Unconfigured)?;
    let frontend = tables.nic(rule.frontend).ok_or(DropReason::Unconfigured)?;
    rewrite(p, headers, Side::Source, A::primary(frontend), rule.frontend_port)
        .ok_or(DropReason::Malformed)
}

/// Puts another address and port into a packet; port 0 leaves the port. A later fragment has none.
#[inline(always)]
fn rewrite<P: Packet, A: Address>(
    p: &mut P,
    headers: &Headers<A>,
    side: Side,
    address: A,
    port: u16,
) -> Option<()> {
    let old = address.replace(p, side)?;
    if headers.is_later_fragment() {
        return Some(());
    }
    let ports = p.get_mut_at::<Ports>(headers.transport)?;
    let place = if side == Side::Source { &mut ports.src } else { &mut ports.dst };
    let old_port = place.get();
    let port = if port == 0 { old_port } else { port };
    *place = U16::new(port);
    let is_udp = headers.protocol == protocol::UDP;
    let at = headers.transport + if is_udp { UDP_CHECKSUM } else { TCP_CHECKSUM };
    let change = Change {
        address: [old.sum(), address.sum()],
        port: [old_port, port],
        is_v6: A::IS_V6,
        is_udp,
    };
    p.change_checksum(at, change)
}
