//! [`Packet`] for both hooks: the only pointer arithmetic of the project.
//!
//! Every access compares `data + offset + size` with `data_end` right before it, the form that the
//! verifier proves. Packet pointers are never subtracted, which would need `CAP_PERFMON`.

use core::hint::black_box;

use aya_ebpf::{
    bindings::{
        __sk_buff, BPF_F_ADJ_ROOM_DECAP_L3_IPV4, BPF_F_ADJ_ROOM_DECAP_L3_IPV6,
        BPF_F_ADJ_ROOM_ENCAP_L2_ETH, BPF_F_ADJ_ROOM_ENCAP_L3_IPV4, BPF_F_ADJ_ROOM_ENCAP_L3_IPV6,
        BPF_F_ADJ_ROOM_ENCAP_L4_UDP, BPF_F_ADJ_ROOM_FIXED_GSO, BPF_F_ADJ_ROOM_NO_CSUM_RESET,
        BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, xdp_action, xdp_md,
    },
    helpers::generated::{
        bpf_csum_update, bpf_l4_csum_replace, bpf_skb_adjust_room, bpf_skb_change_tail,
        bpf_skb_change_type, bpf_skb_pull_data, bpf_xdp_adjust_head, bpf_xdp_adjust_meta,
        bpf_xdp_adjust_tail, bpf_xdp_get_buff_len,
    },
    programs::{TcContext, XdpContext},
};
use vnetpeer_common::{
    datapath::{Change, Family, OFFSET_MAX, Packet, Sight},
    wire::{ETHERNET_LEN, U16, Wire, protocol},
};

use crate::helpers::{
    ADJUST_BEHIND_ETHERNET, EALREADY, ENCAP_L2_SHIFT, Note, PACKET_HOST, XDP_LEN_MAX,
};

/// The header at `address`, if it lies before `end`.
#[inline(always)]
fn within<T>(address: usize, end: usize) -> Option<*mut T> {
    if address + size_of::<T>() > end { None } else { Some(address as *mut T) }
}

/// A frame at the XDP hook.
pub(crate) struct XdpFrame {
    ctx: *mut xdp_md,
}

impl XdpFrame {
    #[inline(always)]
    pub(crate) fn new(ctx: XdpContext) -> Self {
        Self { ctx: ctx.ctx }
    }

    /// The context, for another program.
    #[inline(always)]
    pub(crate) const fn ctx(&self) -> *mut xdp_md {
        self.ctx
    }

    #[inline(always)]
    fn at<T>(&self, offset: usize) -> Option<*mut T> {
        // SAFETY: the context pointer is valid while the program runs.
        let (start, end) = unsafe { ((*self.ctx).data as usize, (*self.ctx).data_end as usize) };
        within(start + offset, end)
    }

    /// The verifier proves an access only if it is to the very pointer that was compared. Hiding the
    /// pointer keeps the compiler from computing it twice.
    #[inline(always)]
    fn at_variable<T>(&self, offset: usize) -> Option<*mut T> {
        // SAFETY: the context pointer is valid while the program runs.
        let (start, end) = unsafe { ((*self.ctx).data as usize, (*self.ctx).data_end as usize) };
        within(black_box(start + (offset & OFFSET_MAX)), end)
    }

    /// Lets the frame go up the stack of this interface with a note for the TC program behind.
    #[inline(always)]
    pub(crate) fn pass_with_note(&self, note: Note) -> u32 {
        // SAFETY: the helper checks the room; pointers are read again below.
        let moved = unsafe { bpf_xdp_adjust_meta(self.ctx, -(Note::LEN as i32)) };
        if moved != 0 {
            return xdp_action::XDP_ABORTED;
        }
        // SAFETY: the context pointer is valid while the program runs.
        let (meta, data) = unsafe { ((*self.ctx).data_meta as usize, (*self.ctx).data as usize) };
        if meta + Note::LEN > data {
            return xdp_action::XDP_ABORTED;
        }
        // SAFETY: the metadata area has this many bytes, checked above.
        unsafe { (meta as *mut Note).write_unaligned(note) };
        xdp_action::XDP_PASS
    }
}

impl Packet for XdpFrame {
    #[inline(always)]
    fn get<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { T::ALIGN_1 };
        // SAFETY: in bounds (`at`), aligned (1), valid for any bytes (`Pod`).
        self.at::<T>(offset).map(|header| unsafe { &*header })
    }

    #[inline(always)]
    fn get_at<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { T::ALIGN_1 };
        // SAFETY: as in `get`.
        self.at_variable::<T>(offset).map(|header| unsafe { &*header })
    }

    #[inline(always)]
    fn get_mut<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        const { T::ALIGN_1 };
        // SAFETY: as in `get`; `&mut self` keeps other references to the packet away.
        self.at::<T>(offset).map(|header| unsafe { &mut *header })
    }

    #[inline(always)]
    fn get_mut_at<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        const { T::ALIGN_1 };
        // SAFETY: as in `get_mut`.
        self.at_variable::<T>(offset).map(|header| unsafe { &mut *header })
    }

    #[inline(always)]
    fn change_checksum(&mut self, offset: usize, change: Change) -> Option<()> {
        let checksum = self.get_mut_at::<U16>(offset)?;
        *checksum = U16::new(change.apply(checksum.get()));
        Some(())
    }

    #[inline(always)]
    fn pull(&mut self, _len: usize) -> Option<()> {
        Some(())
    }

    #[inline(always)]
    fn covers(&self, len: usize) -> bool {
        if len > XDP_LEN_MAX {
            return false;
        }
        // SAFETY: the context pointer is valid while the program runs.
        let (start, end) = unsafe { ((*self.ctx).data as usize, (*self.ctx).data_end as usize) };
        // Hidden, or the compiler concludes from this comparison that later ones are needless, which
        // the verifier does not.
        black_box(start + (len & XDP_LEN_MAX)) <= end
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn gso_len(&self) -> u32 {
        0
    }

    #[inline(always)]
    fn has_vlan_tag(&self) -> bool {
        false
    }

    #[inline(always)]
    fn push_outer(&mut self, family: Family) -> Option<()> {
        // SAFETY: the helper checks the headroom; every later access reads the pointers again.
        let result = unsafe { bpf_xdp_adjust_head(self.ctx, -(family.outer_len() as i32)) };
        (result == 0).then_some(())
    }

    #[inline(always)]
    fn pull_outer(&mut self, outer: Family, _inner: Family) -> Option<()> {
        // SAFETY: as in `push_outer`.
        let result = unsafe { bpf_xdp_adjust_head(self.ctx, outer.outer_len() as i32) };
        (result == 0).then_some(())
    }

    #[inline(always)]
    fn reshape(&mut self, grow: usize, len: usize) -> Option<()> {
        // SAFETY: the helpers check the bounds; every later access reads the pointers again.
        let failed = unsafe {
            bpf_xdp_adjust_head(self.ctx, -(grow as i32)) != 0 || {
                let change = len as i64 - bpf_xdp_get_buff_len(self.ctx) as i64;
                bpf_xdp_adjust_tail(self.ctx, change as i32) != 0
            }
        };
        (!failed).then_some(())
    }

    #[inline(always)]
    fn witness(&self, sight: Sight) {
        crate::capture::vnp_witness_xdp(self.ctx, sight.what, sight.nics, sight.by);
    }
}

/// A packet at the TC hook; possibly a super-frame whose bytes lie apart.
pub(crate) struct TcFrame {
    skb: *mut __sk_buff,
}

impl TcFrame {
    #[inline(always)]
    pub(crate) fn new(ctx: TcContext) -> Self {
        Self { skb: ctx.skb.skb }
    }

    /// The context, for another program.
    #[inline(always)]
    pub(crate) const fn ctx(&self) -> *mut __sk_buff {
        self.skb
    }

    #[inline(always)]
    fn at<T>(&self, offset: usize) -> Option<*mut T> {
        // SAFETY: the context pointer is valid while the program runs.
        let (start, end) = unsafe { ((*self.skb).data as usize, (*self.skb).data_end as usize) };
        within(start + offset, end)
    }

    /// See [`XdpFrame::at_variable`].
    #[inline(always)]
    fn at_variable<T>(&self, offset: usize) -> Option<*mut T> {
        // SAFETY: the context pointer is valid while the program runs.
        let (start, end) = unsafe { ((*self.skb).data as usize, (*self.skb).data_end as usize) };
        within(black_box(start + (offset & OFFSET_MAX)), end)
    }

    /// The note of the XDP program, if there is one.
    #[inline(always)]
    pub(crate) fn note(&self) -> Option<Note> {
        // SAFETY: the context pointer is valid while the program runs.
        let (meta, data) = unsafe { ((*self.skb).data_meta as usize, (*self.skb).data as usize) };
        if meta + Note::LEN > data {
            return None;
        }
        // SAFETY: the metadata area has this many bytes, checked above; any bytes are valid.
        let note = unsafe { (meta as *const Note).read_unaligned() };
        note.is_ours().then_some(note)
    }

    /// Marks the packet as addressed to whoever receives it next. The receiving stack judges by this
    /// mark, which the previous interface set by its own MAC address.
    #[inline(always)]
    pub(crate) fn address_to_host(&self) {
        // SAFETY: the context pointer is valid while the program runs; any mark may become PACKET_HOST.
        unsafe {
            if (*self.skb).pkt_type != PACKET_HOST {
                bpf_skb_change_type(self.skb, PACKET_HOST);
            }
        }
    }

    #[inline(always)]
    fn adjust_room(&mut self, by: i32, flags: u64) -> i64 {
        // SAFETY: the helper checks the bounds; every later access reads the pointers again.
        unsafe { bpf_skb_adjust_room(self.skb, by, ADJUST_BEHIND_ETHERNET, flags) }
    }

    /// Whether the packet is a super-frame of something else than TCP over the given family.
    #[inline(always)]
    fn is_other_super_frame(&self, family: Family) -> bool {
        const IPV4_PROTOCOL: usize = ETHERNET_LEN + 9;
        const IPV6_NEXT_HEADER: usize = ETHERNET_LEN + 6;
        let (version, offset) = match family {
            Family::V4 => (4, IPV4_PROTOCOL),
            Family::V6 => (6, IPV6_NEXT_HEADER),
        };
        let same_family = self.get::<u8>(ETHERNET_LEN).is_some_and(|first| first >> 4 == version);
        let is_tcp = self.get::<u8>(offset).copied() == Some(protocol::TCP);
        self.gso_size() != 0 && !(same_family && is_tcp)
    }
}

impl Packet for TcFrame {
    #[inline(always)]
    fn get<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { T::ALIGN_1 };
        // SAFETY: in bounds (`at`), aligned (1), valid for any bytes (`Pod`).
        self.at::<T>(offset).map(|header| unsafe { &*header })
    }

    #[inline(always)]
    fn get_at<T: Wire>(&self, offset: usize) -> Option<&T> {
        const { T::ALIGN_1 };
        // SAFETY: as in `get`.
        self.at_variable::<T>(offset).map(|header| unsafe { &*header })
    }

    #[inline(always)]
    fn get_mut<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        const { T::ALIGN_1 };
        // SAFETY: as in `get`; `&mut self` keeps other references to the packet away.
        self.at::<T>(offset).map(|header| unsafe { &mut *header })
    }

    #[inline(always)]
    fn get_mut_at<T: Wire>(&mut self, offset: usize) -> Option<&mut T> {
        const { T::ALIGN_1 };
        // SAFETY: as in `get_mut`.
        self.at_variable::<T>(offset).map(|header| unsafe { &mut *header })
    }

    /// A partial checksum covers the pseudo header and not the port. The kernel knows which kind it is, and
    /// corrects a sum over the whole packet as if the header had a checksum of its own for the address,
    /// which IPv6 has not.
    #[inline(always)]
    fn change_checksum(&mut self, offset: usize, change: Change) -> Option<()> {
        const PORT_LEN: u64 = 2;
        let optional = if change.is_udp { u64::from(BPF_F_MARK_MANGLED_0) } else { 0 };
        let address = u64::from(change.address_difference().to_be());
        let [old, new] = change.port.map(|port| u64::from(port.to_be()));
        let pseudo = optional | u64::from(BPF_F_PSEUDO_HDR);
        // SAFETY: the helpers check the bounds; every later access reads the pointers again.
        let failed = unsafe {
            bpf_l4_csum_replace(self.skb, offset as u32, 0, address, pseudo) != 0
                || bpf_l4_csum_replace(self.skb, offset as u32, old, new, optional | PORT_LEN) != 0
        };
        if change.is_v6 {
            // SAFETY: as above. It fails where there is no such sum.
            unsafe { bpf_csum_update(self.skb, address as u32) };
        }
        (!failed).then_some(())
    }

    #[inline(always)]
    fn pull(&mut self, len: usize) -> Option<()> {
        // SAFETY: the context pointer is valid while the program runs.
        let (start, end) = unsafe { ((*self.skb).data as usize, (*self.skb).data_end as usize) };
        if start + len <= end {
            return Some(());
        }
        // SAFETY: the helper checks the length; every later access reads the pointers again.
        let result = unsafe { bpf_skb_pull_data(self.skb, len as u32) };
        (result == 0).then_some(())
    }

    #[inline(always)]
    fn covers(&self, len: usize) -> bool {
        // SAFETY: the context pointer is valid while the program runs.
        len <= unsafe { (*self.skb).len } as usize
    }

    #[inline(always)]
    fn gso_size(&self) -> u32 {
        // SAFETY: the context pointer is valid while the program runs.
        unsafe { (*self.skb).gso_size }
    }

    #[inline(always)]
    fn gso_len(&self) -> u32 {
        // SAFETY: the context pointer is valid while the program runs.
        unsafe { (*self.skb).len }
    }

    #[inline(always)]
    fn has_vlan_tag(&self) -> bool {
        // SAFETY: the context pointer is valid while the program runs.
        unsafe { (*self.skb).vlan_present != 0 }
    }

    /// A packet that came decapsulated from another namespace keeps the kernel's mark and inner header
    /// positions of its first journey, which the kernel refuses to set again. They are still right for a TCP
    /// super-frame and mean nothing for a single packet, so plain room does. For other super-frames they
    /// belong to a tunnel of the guest's own; and no packet can change its family without the kernel's help.
    #[inline(always)]
    fn push_outer(&mut self, family: Family) -> Option<()> {
        const KEEP: u64 = (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET) as u64;
        const TUNNEL: u64 = KEEP
            | (BPF_F_ADJ_ROOM_ENCAP_L4_UDP | BPF_F_ADJ_ROOM_ENCAP_L2_ETH) as u64
            | (ETHERNET_LEN as u64) << ENCAP_L2_SHIFT;
        let outer = match family {
            Family::V4 => BPF_F_ADJ_ROOM_ENCAP_L3_IPV4,
            Family::V6 => BPF_F_ADJ_ROOM_ENCAP_L3_IPV6,
        };
        let len = family.outer_len() as i32;
        match self.adjust_room(len, TUNNEL | u64::from(outer)) {
            0 => Some(()),
            EALREADY if !self.is_other_super_frame(family) => {
                (self.adjust_room(len, KEEP) == 0).then_some(())
            }
            _ => None,
        }
    }

    #[inline(always)]
    fn pull_outer(&mut self, outer: Family, inner: Family) -> Option<()> {
        const KEEP: u64 = (BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET) as u64;
        let inner = match inner {
            Family::V4 => BPF_F_ADJ_ROOM_DECAP_L3_IPV4,
            Family::V6 => BPF_F_ADJ_ROOM_DECAP_L3_IPV6,
        };
        let result = self.adjust_room(-(outer.outer_len() as i32), KEEP | u64::from(inner));
        (result == 0).then_some(())
    }

    #[inline(always)]
    fn reshape(&mut self, grow: usize, len: usize) -> Option<()> {
        // SAFETY: the helper checks the length; every later access reads the pointers again.
        let cut = unsafe { bpf_skb_change_tail(self.skb, (len - grow) as u32, 0) };
        (cut == 0 && self.adjust_room(grow as i32, 0) == 0).then_some(())
    }

    #[inline(always)]
    fn witness(&self, sight: Sight) {
        crate::capture::vnp_witness_tc(self.skb, sight.what, sight.nics, sight.by);
    }
}
