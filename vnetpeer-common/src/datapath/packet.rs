//! Access to the bytes of one frame.

use super::{Change, Family, Sight};
use crate::wire::Wire;

/// Bound of offsets that depend on the packet, as a mask that the verifier can follow: room for
/// Ethernet, IPv6 and its extension headers.
pub const OFFSET_MAX: usize = 0x7ff;

/// One frame: bounds-checked reads and writes of fixed-size headers, and changes at its head.
///
/// There is deliberately no slice of the packet: the verifier can prove an access only if the bound
/// is compared with the packet's end at that place. Methods that move the head take `&mut self`, so
/// a reference from [`Packet::get_mut`] cannot be used across them.
pub trait Packet {
    /// The header at `offset` bytes from the start of the frame; `None` if it does not fit.
    ///
    /// A reference and not a copy: a copy of a type with alignment 1 may land on the stack of a BPF
    /// program, where the verifier refuses misaligned access.
    fn get<T: Wire>(&self, offset: usize) -> Option<&T>;

    /// As [`Packet::get`] at an offset that depends on the packet, up to [`OFFSET_MAX`]. It costs a
    /// little more than an offset that the compiler knows.
    fn get_at<T: Wire>(&self, offset: usize) -> Option<&T>;

    /// A header in place.
    fn get_mut<T: Wire>(&mut self, offset: usize) -> Option<&mut T>;

    /// A header in place at an offset that depends on the packet.
    fn get_mut_at<T: Wire>(&mut self, offset: usize) -> Option<&mut T>;

    /// Corrects the checksum at `offset` of TCP or UDP for a change of what it covers. Where the kernel or
    /// the hardware is still to complete it, what is there is corrected so that it comes out right.
    fn change_checksum(&mut self, offset: usize, change: Change) -> Option<()>;

    /// Makes the first `len` bytes readable where they may lie apart (TC); `None` if the frame is
    /// shorter.
    fn pull(&mut self, len: usize) -> Option<()>;

    /// Whether the frame has at least `len` bytes.
    fn covers(&self, len: usize) -> bool;

    /// Payload bytes of each segment if the frame is a super-frame, else 0.
    fn gso_size(&self) -> u32;

    /// Bytes of the frame if it is a super-frame. Otherwise the IP header tells the length, and this
    /// is not asked.
    fn gso_len(&self) -> u32;

    /// Whether a VLAN tag travels beside the frame.
    fn has_vlan_tag(&self) -> bool;

    /// Opens room for the outer headers. Afterwards the frame starts with the outer Ethernet header
    /// and the inner one follows [`Family::outer_len`] bytes later; the content of both is undefined.
    fn push_outer(&mut self, family: Family) -> Option<()>;

    /// Removes the outer headers of family `outer`, under which a packet of family `inner` lies.
    /// Afterwards the frame starts with the inner Ethernet header, whose content is undefined.
    fn pull_outer(&mut self, outer: Family, inner: Family) -> Option<()>;

    /// Opens `grow` bytes between the Ethernet header and what follows, and cuts the frame to `len`
    /// bytes afterwards. The content of the Ethernet header and of the room is undefined.
    fn reshape(&mut self, grow: usize, len: usize) -> Option<()>;

    /// Shows the frame to whoever watches, if the packet is one that they want ([`super::witness`]). The frame
    /// stays as it is.
    fn witness(&self, _sight: Sight) {}
}
