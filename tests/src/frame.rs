//! A frame in host memory as either hook sees it.
//!
//! The frame does what the kernel does: in XDP mode the head moves over the bytes before it, in TC
//! mode `bpf_skb_adjust_room` opens and closes room behind the Ethernet header, and only the first
//! bytes are readable until they are pulled.

use bytemuck::{from_bytes, from_bytes_mut};
use vnetpeer_common::{
    datapath::{Change, Family, OFFSET_MAX, Packet},
    wire::{ETHERNET_LEN, U16, Wire},
};

/// Bytes before a frame that XDP may move its head into: `XDP_PACKET_HEADROOM` less what the kernel
/// keeps there for itself.
const XDP_HEADROOM: usize = 256 - 40;
/// Largest offset that an XDP program compares with the end of the frame.
const XDP_LEN_MAX: usize = 0x3fff;

/// At which hook a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// XDP.
    Xdp,
    /// TC.
    Tc(Skb),
}

/// What an skb has beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skb {
    /// Payload bytes per segment of a TCP super-frame, else 0.
    pub gso_size: u32,
    /// Whether a VLAN tag travels beside the frame.
    pub vlan_tag: bool,
    /// Bytes in the linear part, as the least; the rest must be pulled to be read. `None`: all.
    pub linear: Option<usize>,
}

/// A frame.
#[derive(Clone, Debug)]
pub struct Frame {
    hook: Hook,
    /// Unused bytes, then the frame.
    memory: Vec<u8>,
    start: usize,
    linear: usize,
}

impl Frame {
    /// A frame with these bytes.
    pub fn new(hook: Hook, bytes: &[u8]) -> Self {
        let memory = [&[0; XDP_HEADROOM], bytes].concat();
        let linear = match hook {
            Hook::Tc(Skb { linear: Some(linear), .. }) => linear.min(bytes.len()),
            _ => bytes.len(),
        };
        Self { hook, memory, start: XDP_HEADROOM, linear }
    }

    /// The bytes as they are now.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }

    fn range(&self, offset: usize, size: usize) -> Option<std::ops::Range<usize>> {
        let end = offset.checked_add(size)?;
        (end <= self.linear).then(|| self.start + offset..self.start + end)
    }

    fn gso(&self) -> u32 {
        match self.hook {
            Hook::Tc(skb) => skb.gso_size,
            Hook::Xdp => 0,
        }
    }

    /// `bpf_xdp_adjust_head`, which leaves an Ethernet header at least.
    fn move_head(&mut self, by: isize) -> Option<()> {
        let start = self.start.checked_add_signed(by)?;
        if start + ETHERNET_LEN > self.memory.len() {
            return None;
        }
        self.start = start;
        self.linear = self.len();
        Some(())
    }

    /// `bpf_skb_adjust_room` that grows: the Ethernet header moves to the front, zeros follow it.
    fn open_room(&mut self, len: usize) {
        let at = self.start + ETHERNET_LEN;
        self.memory.splice(at..at, vec![0; len]);
        self.linear += len;
    }

    /// `bpf_skb_adjust_room` that shrinks, and must leave an IP header of `least` bytes.
    fn close_room(&mut self, len: usize, least: usize) -> Option<()> {
        if self.len() < ETHERNET_LEN + len + least {
            return None;
        }
        let at = self.start + ETHERNET_LEN;
        self.linear = self.linear.max(ETHERNET_LEN + len) - len;
        self.memory.drain(at..at + len);
        Some(())
    }
}

impl Packet for Frame {
    fn get<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { T::ALIGN_1 };
        self.range(offset, size_of::<T>()).map(|range| from_bytes(&self.memory[range]))
    }

    fn get_at<T: Wire>(&self, offset: usize) -> Option<&T> {
        self.get(offset & OFFSET_MAX)
    }

    fn get_mut<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        const { T::ALIGN_1 };
        self.range(offset, size_of::<T>()).map(|range| from_bytes_mut(&mut self.memory[range]))
    }

    fn get_mut_at<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        self.get_mut(offset & OFFSET_MAX)
    }

    fn change_checksum(&mut self, offset: usize, change: Change) -> Option<()> {
        let checksum = self.get_mut_at::<U16>(offset)?;
        *checksum = U16::new(change.apply(checksum.get()));
        Some(())
    }

    fn pull(&mut self, len: usize) -> Option<()> {
        if self.hook == Hook::Xdp {
            return Some(());
        }
        if len > self.len() {
            return None;
        }
        self.linear = self.linear.max(len);
        Some(())
    }

    fn covers(&self, len: usize) -> bool {
        len <= self.len() && (self.hook != Hook::Xdp || len <= XDP_LEN_MAX)
    }

    fn gso_size(&self) -> u32 {
        self.gso()
    }

    fn gso_len(&self) -> u32 {
        u32::try_from(self.len()).expect("a frame's length")
    }

    fn has_vlan_tag(&self) -> bool {
        matches!(self.hook, Hook::Tc(Skb { vlan_tag: true, .. }))
    }

    fn push_outer(&mut self, family: Family) -> Option<()> {
        let len = family.outer_len();
        match self.hook {
            Hook::Xdp => self.move_head(-isize::try_from(len).ok()?),
            Hook::Tc(_) => {
                self.open_room(len);
                Some(())
            }
        }
    }

    fn pull_outer(&mut self, outer: Family, inner: Family) -> Option<()> {
        let len = outer.outer_len();
        match (self.hook, inner) {
            (Hook::Xdp, _) => self.move_head(isize::try_from(len).ok()?),
            (Hook::Tc(_), Family::V4) => self.close_room(len, 20),
            (Hook::Tc(_), Family::V6) => self.close_room(len, 40),
        }
    }

    fn reshape(&mut self, grow: usize, len: usize) -> Option<()> {
        match &mut self.hook {
            Hook::Xdp => {
                self.move_head(-isize::try_from(grow).ok()?)?;
                if len > self.len() {
                    return None;
                }
                self.memory.truncate(self.start + len);
                self.linear = len;
            }
            Hook::Tc(skb) => {
                // `bpf_skb_change_tail` makes all of it linear and ends the super-frame.
                skb.gso_size = 0;
                let cut = len - grow;
                self.memory.resize(self.start + cut, 0);
                self.linear = cut;
                self.open_room(grow);
            }
        }
        Some(())
    }
}
