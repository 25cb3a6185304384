//! This host, and the other hosts as tunnel endpoints.

use bytemuck::{Pod, Zeroable};

use crate::types::{Addr, Mac, NicId, VtepId};

/// Settings of this host, one entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Config {
    /// This host's VTEP address of each family, or zeros: `[0]` IPv4 (mapped), `[1]` IPv6.
    pub vtep: [Addr; 2],
    /// A drop makes an event when the packets counted so far, ANDed with this, are 0.
    pub event_mask: u32,
    /// Jiffies per second.
    pub tick_rate: u32,
    /// The highest [`super::Nic::epoch`] given out so far.
    pub epoch: u32,
    /// Sets of the flow cache of each family and CPU, less one: a mask. `[0]` IPv4, `[1]` IPv6.
    pub cache_mask: [u32; 2],
    /// Zero.
    pub reserved: u32,
}

/// Bits of [`Vtep::flags`].
pub mod vtep_flags {
    /// The entry is in use.
    pub const PRESENT: u32 = 1;
    /// The MAC addresses are known; otherwise the kernel's neighbour table must be asked.
    pub const RESOLVED: u32 = 1 << 1;
    /// The underlay is IPv6.
    pub const IPV6: u32 = 1 << 2;
    /// The underlay interface takes frames that XDP redirects to it.
    pub const TRANSMIT_XDP: u32 = 1 << 3;
}

/// A remote host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Vtep {
    /// Bits of [`vtep_flags`].
    pub flags: u32,
    /// The underlay interface that leads there.
    pub ifindex: u32,
    /// Outer source address, this host's.
    pub local: Addr,
    /// Outer destination address, and the only outer source its packets may have.
    pub remote: Addr,
    /// Outer source MAC.
    pub src_mac: Mac,
    /// Outer destination MAC: the host's own or the underlay router's.
    pub dst_mac: Mac,
    /// Largest inner IP packet that fits the underlay after encapsulation, in bytes.
    pub mtu: u16,
    /// Zero.
    pub reserved: u16,
    /// The same host over an underlay of the other family; none if there is no such way.
    pub other: VtepId,
    /// Zero.
    pub reserved2: u32,
}

/// Key of the map of further NIC addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct AddressKey {
    /// One of the NIC's addresses.
    pub addr: Addr,
    /// The NIC.
    pub nic: NicId,
    /// Zero.
    pub reserved: u32,
}

impl AddressKey {
    /// The key of an address of a NIC.
    #[inline(always)]
    pub const fn new(nic: NicId, addr: Addr) -> Self {
        Self { addr, nic, reserved: 0 }
    }
}

const _: () = assert!(size_of::<Vtep>() == 64, "a VTEP is one cache line");
