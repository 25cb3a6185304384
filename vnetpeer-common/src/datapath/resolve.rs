//! From the routes of a subnet to the NIC that a packet is handed to next.

use super::{Address, Headers, Tables};
use crate::{
    abi::{NextHop, next_hop_kind},
    reason::DropReason,
    types::{NextHopId, NicId, TableId, VnetId},
};

/// A NIC in the lower half and the number of the next hop that leads to it in the upper, or no NIC and
/// the number of a [`DropReason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Resolved(pub u64);

impl Resolved {
    #[inline(always)]
    const fn to(nic: NicId, by: NextHopId) -> Self {
        Self((by.0 as u64) << 32 | nic.0 as u64)
    }

    #[inline(always)]
    const fn refuse(reason: DropReason) -> Self {
        Self((reason.number() as u64) << 32)
    }

    /// The NIC and the next hop.
    #[inline(always)]
    pub(super) fn get(self) -> Result<(NicId, NextHopId), DropReason> {
        let (nic, upper) = ((self.0 & 0xffff_ffff) as u32, (self.0 >> 32) as u32);
        if nic == 0 {
            return Err(DropReason::from_number(upper).unwrap_or(DropReason::Unconfigured));
        }
        Ok((NicId(nic), NextHopId(upper)))
    }
}

/// Follows the effective routes in `table` for a packet of the NIC `sender` to `destination`. `flow` is a
/// hash of the packet's flow that is the same for both directions.
#[inline(always)]
pub fn resolve<T: Tables, A: Address>(
    tables: &T,
    table: TableId,
    sender: NicId,
    destination: A,
    flow: u32,
) -> Resolved {
    match follow(tables, table, sender, destination, flow) {
        Ok((nic, by)) => Resolved::to(nic, by),
        Err(reason) => Resolved::refuse(reason),
    }
}

#[inline(always)]
fn follow<T: Tables, A: Address>(
    tables: &T,
    table: TableId,
    sender: NicId,
    destination: A,
    flow: u32,
) -> Result<(NicId, NextHopId), DropReason> {
    let roots = tables.routes(table).ok_or(DropReason::Unconfigured)?;
    let route = destination.lookup_inline(tables, roots).ok_or(DropReason::NoRoute)?;
    let mut by = NextHopId(route);
    let mut next = tables.next_hop(by).ok_or(DropReason::Unconfigured)?;
    if next.kind == next_hop_kind::SPREAD {
        by = member(tables, next, flow).ok_or(DropReason::NextHopUnreachable)?;
        next = tables.next_hop(by).ok_or(DropReason::Unconfigured)?;
    }
    let target = match next.kind {
        next_hop_kind::VNET | next_hop_kind::CONNECTED_GROUP => {
            let vnet = tables.vnet(VnetId(next.target)).ok_or(DropReason::Unconfigured)?;
            let nic = destination.lookup_inline(tables, &vnet.endpoints).unwrap_or(0);
            if nic == 0 {
                return Err(DropReason::NoEndpoint);
            }
            NicId(nic)
        }
        // To its own address a NIC may send; as its own next hop it would be handed the packet again.
        next_hop_kind::NIC if next.target == sender.0 => return Err(DropReason::RouteLoop),
        next_hop_kind::NIC => NicId(next.target),
        next_hop_kind::NONE => return Err(DropReason::RouteNone),
        next_hop_kind::NO_UPLINK => return Err(DropReason::InternetUnavailable),
        _ => return Err(DropReason::NextHopUnreachable),
    };
    Ok((target, by))
}

/// The next hop of a spread one that takes a flow.
#[inline(always)]
fn member<T: Tables>(tables: &T, next: &NextHop, flow: u32) -> Option<NextHopId> {
    let slots = tables.node4(next.target)?;
    slots.children.get((flow & 0xff) as usize)?.as_leaf().map(NextHopId)
}

/// Odd numbers without structure (2^64 divided by the golden ratio, and a prime of xxHash).
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xc2b2_ae3d_27d4_eb4f];

#[inline(always)]
pub(super) fn mix(a: u64, b: u64) -> u32 {
    let mixed = a.wrapping_mul(MIX[0]) ^ b;
    // The upper half of the product depends on every bit of both; the shift breaks up counted ports.
    let folded = mixed ^ (mixed >> 32);
    let product = folded.wrapping_mul(MIX[1]);
    (product >> 32) as u32 ^ (product >> 48) as u32
}

/// A hash of the packet's flow in which both directions are alike.
#[inline(always)]
pub(super) fn flow_hash<A: Address>(headers: &Headers<A>) -> u32 {
    let ports = u32::from(headers.src_port) << 16 | u32::from(headers.dst_port);
    symmetric_hash(headers.src, headers.dst, ports, headers.protocol)
}

/// A hash of two addresses, two ports in halves of a word, and a protocol, that is the same from both sides.
#[inline(always)]
pub(super) fn symmetric_hash<A: Address>(one: A, other: A, ports: u32, protocol: u8) -> u32 {
    let (src, dst) = (u64::from(one.hash()), u64::from(other.hash()));
    let (from, to) = (u64::from(ports >> 16), u64::from(ports & 0xffff));
    let ports = (from + to) << 24 | (from ^ to) << 8 | u64::from(protocol);
    mix((src + dst) << 30 ^ (src ^ dst), ports)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::V4;

    fn headers(number: u32) -> Headers<V4> {
        Headers {
            src: V4::from_bits(0x0a01_0004 + number % 7),
            dst: V4::from_bits(0x0a02_0004 + number % 11),
            protocol: 6,
            fragment: 0,
            fragment_id: 0,
            kind: 0,
            src_port: 32_768 + (number & 0x3fff) as u16,
            dst_port: 443,
            transport: 34,
            len: 40,
        }
    }

    #[test]
    fn both_directions_of_a_flow_are_alike() {
        for number in 0..10_000 {
            let there = headers(number);
            let back = Headers {
                src: there.dst,
                dst: there.src,
                src_port: there.dst_port,
                dst_port: there.src_port,
                ..there
            };
            assert_eq!(flow_hash(&there), flow_hash(&back));
        }
    }

    #[test]
    fn flows_spread_over_all_slots() {
        let mut slots = [0_u32; 256];
        for number in 0..25_600 {
            slots[(flow_hash(&headers(number)) & 0xff) as usize] += 1;
        }
        assert!(slots.iter().all(|flows| (50..200).contains(flows)), "{slots:?}");
    }
}
