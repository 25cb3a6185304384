//! A frame in host memory, as XDP sees it: the head moves over the bytes before it.

use std::net::IpAddr;

use vnetpeer_common::{
    datapath::{Change, Family, OFFSET_MAX, Packet},
    types::{Addr, Mac},
    wire::{ETHERNET_LEN, Ethernet, Ipv4, Ipv6, Ports, U16, Wire, ethertype, protocol},
};

/// Bytes before a frame, more than the outer headers take.
const HEADROOM: usize = 96;

/// One frame.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// Unused bytes, then the frame.
    memory: Vec<u8>,
    start: usize,
}

impl Frame {
    /// A frame of these parts.
    pub(super) fn new(parts: &[&[u8]]) -> Self {
        let mut memory = vec![0; HEADROOM];
        for part in parts {
            memory.extend_from_slice(part);
        }
        Self { memory, start: HEADROOM }
    }

    fn ethertype(&self) -> u16 {
        self.get::<Ethernet>(0).map_or(0, |ethernet| ethernet.ethertype.get())
    }

    /// Where the packet right behind the Ethernet header goes.
    pub(super) fn destination(&self) -> Option<IpAddr> {
        let address: Addr = match self.ethertype() {
            ethertype::IPV4 => self.get::<Ipv4>(ETHERNET_LEN)?.dst.into(),
            ethertype::IPV6 => self.get::<Ipv6>(ETHERNET_LEN)?.dst.into(),
            _ => return None,
        };
        Some(address.into())
    }

    /// Its destination port, if it is TCP or UDP right behind an IP header without options.
    pub(super) fn destination_port(&self) -> Option<u16> {
        let (number, header) = match self.ethertype() {
            ethertype::IPV4 => (self.get::<Ipv4>(ETHERNET_LEN)?.protocol, size_of::<Ipv4>()),
            _ => (self.get::<Ipv6>(ETHERNET_LEN)?.next_header, size_of::<Ipv6>()),
        };
        let has_ports = matches!(number, protocol::TCP | protocol::UDP);
        let ports = self.get::<Ports>(ETHERNET_LEN + header).filter(|_| has_ports)?;
        Some(ports.dst.get())
    }

    /// Forwards the packet as a guest does: with a hop less, back to the virtual router. `None` if its
    /// hops are used up.
    pub(super) fn forward(&mut self, guest: Mac) -> Option<()> {
        match self.ethertype() {
            ethertype::IPV4 => self.get_mut::<Ipv4>(ETHERNET_LEN)?.lower_ttl()?,
            _ => self.get_mut::<Ipv6>(ETHERNET_LEN)?.lower_hop_limit()?,
        }
        let ethernet = self.get_mut::<Ethernet>(0)?;
        ethernet.dst = Mac::ROUTER.into();
        ethernet.src = guest.into();
        Some(())
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..).unwrap_or_default()
    }

    fn len(&self) -> usize {
        self.memory.len().saturating_sub(self.start)
    }

    fn range(&self, offset: usize, size: usize) -> Option<std::ops::Range<usize>> {
        let from = self.start.checked_add(offset)?;
        Some(from..from.checked_add(size)?)
    }
}

impl Packet for Frame {
    fn get<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { T::ALIGN_1 };
        let bytes = self.memory.get(self.range(offset, size_of::<T>())?)?;
        bytemuck::try_from_bytes(bytes).ok()
    }

    fn get_at<T: Wire>(&self, offset: usize) -> Option<&T> {
        self.get(offset & OFFSET_MAX)
    }

    fn get_mut<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        const { T::ALIGN_1 };
        let range = self.range(offset, size_of::<T>())?;
        bytemuck::try_from_bytes_mut(self.memory.get_mut(range)?).ok()
    }

    fn get_mut_at<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        self.get_mut(offset & OFFSET_MAX)
    }

    fn change_checksum(&mut self, offset: usize, change: Change) -> Option<()> {
        let checksum = self.get_mut_at::<U16>(offset)?;
        *checksum = U16::new(change.apply(checksum.get()));
        Some(())
    }

    fn pull(&mut self, _len: usize) -> Option<()> {
        Some(())
    }

    fn covers(&self, len: usize) -> bool {
        len <= self.len()
    }

    fn gso_size(&self) -> u32 {
        0
    }

    fn gso_len(&self) -> u32 {
        u32::try_from(self.len()).unwrap_or(u32::MAX)
    }

    fn has_vlan_tag(&self) -> bool {
        false
    }

    fn push_outer(&mut self, family: Family) -> Option<()> {
        self.start = self.start.checked_sub(family.outer_len())?;
        Some(())
    }

    fn pull_outer(&mut self, outer: Family, _inner: Family) -> Option<()> {
        let start = self.start.checked_add(outer.outer_len())?;
        if start + ETHERNET_LEN > self.memory.len() {
            return None;
        }
        self.start = start;
        Some(())
    }

    fn reshape(&mut self, grow: usize, len: usize) -> Option<()> {
        let start = self.start.checked_sub(grow)?;
        let end = start.checked_add(len).filter(|end| *end <= self.memory.len())?;
        self.start = start;
        self.memory.truncate(end);
        Some(())
    }
}
