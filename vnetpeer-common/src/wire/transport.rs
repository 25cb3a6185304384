//! TCP (RFC 9293), UDP (RFC 768) and VXLAN (RFC 7348).

use bytemuck::{Pod, Zeroable};

use super::{U16, U32};

/// The first 4 bytes of TCP and UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Ports {
    /// Source port.
    pub src: U16,
    /// Destination port.
    pub dst: U16,
}

/// A TCP header without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Tcp {
    /// Ports.
    pub ports: Ports,
    /// Sequence number.
    pub sequence: U32,
    /// Acknowledgement number.
    pub acknowledgement: U32,
    /// Header length in 32-bit words in the upper 4 bits.
    pub data_offset: u8,
    /// Flags.
    pub flags: u8,
    /// Window.
    pub window: U16,
    /// Checksum.
    pub checksum: U16,
    /// Urgent pointer.
    pub urgent: U16,
}

impl Tcp {
    /// Header length in bytes as announced, options included.
    #[inline(always)]
    pub const fn header_len(&self) -> usize {
        ((self.data_offset >> 4) as usize) * 4
    }
}

/// Bits of [`Tcp::flags`].
pub mod tcp_flags {
    /// The sender will send no more.
    pub const FIN: u32 = 1;
    /// The connection opens.
    pub const SYN: u32 = 1 << 1;
    /// The connection is reset.
    pub const RST: u32 = 1 << 2;
    /// The acknowledgement number is valid.
    pub const ACK: u32 = 1 << 4;
    /// Of these, the first segment of a connection has [`SYN`] alone.
    pub const OPENING: u32 = FIN | SYN | RST | ACK;
    /// Flags that change the state of a connection.
    pub const SYN_FIN_RST: u32 = FIN | SYN | RST;
}

/// A UDP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Udp {
    /// Ports.
    pub ports: Ports,
    /// Header and payload, in bytes.
    pub len: U16,
    /// Checksum; 0 means none.
    pub checksum: U16,
}

/// A VXLAN header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C, packed)]
pub struct Vxlan {
    /// Flags in the highest byte; the rest is reserved.
    pub flags: U32,
    /// VNI in the upper 24 bits; the rest is reserved.
    pub vni: U32,
}

impl Vxlan {
    /// The one flag: the VNI is valid.
    pub const FLAG_VNI: u32 = 0x0800_0000;

    /// A header for `vni` (24 bits).
    #[inline(always)]
    pub const fn new(vni: u32) -> Self {
        Self { flags: U32::new(Self::FLAG_VNI), vni: U32::new(vni << 8) }
    }

    /// The VNI, if the flag says that it is valid. Reserved bits are ignored (RFC 7348 §5).
    #[inline(always)]
    pub const fn vni(&self) -> Option<u32> {
        if self.flags.get() & Self::FLAG_VNI != 0 { Some(self.vni.get() >> 8) } else { None }
    }
}

const _: () = assert!(size_of::<Tcp>() == 20 && size_of::<Udp>() == 8 && size_of::<Vxlan>() == 8);
