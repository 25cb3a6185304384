//! Internal load balancers.

use bytemuck::{Pod, Zeroable};

use crate::types::NicId;

/// Which packets to a frontend a load balancing rule takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct FrontendKey {
    /// The frontend.
    pub frontend: NicId,
    /// Destination port; 0 for HA ports.
    pub port: u16,
    /// IP protocol, TCP or UDP; 0 for HA ports: both, on every port.
    pub protocol: u8,
    /// Zero.
    pub reserved: u8,
}

impl FrontendKey {
    /// The rule for one port.
    #[inline(always)]
    pub const fn of_port(frontend: NicId, protocol: u8, port: u16) -> Self {
        Self { frontend, port, protocol, reserved: 0 }
    }

    /// The rule for HA ports.
    #[inline(always)]
    pub const fn of_all_ports(frontend: NicId) -> Self {
        Self::of_port(frontend, 0, 0)
    }
}

/// Bits of [`Balancer::flags`].
pub mod balancer_flags {
    /// The entry is in use.
    pub const PRESENT: u32 = 1;
    /// `enableFloatingIP`: packets reach the backend with the frontend's address and port.
    pub const FLOATING: u32 = 1 << 1;
}

/// Values of [`Balancer::distribution`]: what of a packet chooses the backend.
pub mod distribution {
    /// Both addresses and ports and the protocol.
    pub const DEFAULT: u32 = 0;
    /// Both addresses.
    pub const SOURCE_IP: u32 = 1;
    /// Both addresses and the protocol.
    pub const SOURCE_IP_PROTOCOL: u32 = 2;
}

/// A load balancing rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Pod, Zeroable)]
#[repr(C)]
pub struct Balancer {
    /// Bits of [`balancer_flags`].
    pub flags: u32,
    /// One of [`distribution`].
    pub distribution: u32,
    /// The frontend.
    pub frontend: NicId,
    /// A node of [`super::maps::TRIE_V4`] whose children are leaves with the numbers of backends' NICs, of
    /// which a hash of the packet chooses one; 0: there is no backend.
    pub slots: u32,
    /// Port of the frontend; 0 for HA ports.
    pub frontend_port: u16,
    /// Port of the backends; 0 for HA ports, which leave the port as it is.
    pub backend_port: u16,
    /// Zero.
    pub reserved: [u32; 3],
}

const _: () = assert!(size_of::<FrontendKey>() == 8 && size_of::<Balancer>() == 32);
