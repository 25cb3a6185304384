//! One frame, the world that it meets, and what must come of it.
//!
//! A case is data: the same one runs on the core in host memory in both modes and through the loaded
//! programs. Counters that a case does not mention must not move.

use vnetpeer_common::{
    abi::{DropCounter, Meter},
    reason::DropReason,
    types::{LinkId, NicId, VtepId},
};

use crate::{
    counters::Counters,
    frame::Skb,
    packet::Packet,
    world::{Vm, World},
};

/// Where a frame comes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The interface of a workload, by index.
    Workload(u32),
    /// The underlay interface.
    Underlay,
}

/// What the frame is at its hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// Plain bytes: the same at both hooks.
    Both,
    /// Only XDP: the two hooks differ here, and another case tells what TC does.
    Xdp,
    /// Only TC, with what an skb has beside its bytes.
    Tc(Skb),
}

/// What must come of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Left to the host.
    Pass,
    /// Handed to this NIC.
    Deliver(NicId),
    /// Sent to this host.
    Transmit(VtepId),
    /// Sent into the queue of the NIC's limit first, behind this interface.
    Shape(u32),
    /// Answered.
    Reply,
    /// Dropped.
    Drop(DropReason),
}

/// A test case.
#[derive(Clone, Debug)]
pub struct Case {
    /// What it shows.
    pub name: &'static str,
    /// How the world differs from the fixed one.
    pub change: fn(&mut World),
    /// Where the frame comes in.
    pub place: Place,
    /// Frames that came in before, and where; nothing is demanded of them.
    pub before: Vec<(Place, Vec<u8>)>,
    /// The frame.
    pub input: Vec<u8>,
    /// At which hooks.
    pub hooks: Hooks,
    /// Why the kernel cannot run it as a test, if it cannot.
    pub host_only: Option<&'static str>,
    /// The verdict.
    pub expected: Expected,
    /// The frame afterwards; of a dropped one nothing is demanded.
    pub output: Option<Vec<u8>>,
    /// What was counted.
    pub counters: Counters,
    /// The link that the event of a drop names.
    pub link: Option<LinkId>,
}

impl Case {
    fn new(name: &'static str, place: Place, input: Vec<u8>) -> Self {
        Self {
            name,
            change: |_| {},
            place,
            before: Vec::new(),
            input,
            hooks: Hooks::Both,
            host_only: None,
            expected: Expected::Pass,
            output: None,
            counters: Counters::default(),
            link: None,
        }
    }

    /// A frame that a workload sends.
    pub fn from_vm(name: &'static str, vm: &Vm, input: &Packet) -> Self {
        Self::new(name, Place::Workload(vm.ifindex()), input.bytes())
    }

    /// Bytes that come in on a workload's interface.
    pub fn from_interface(name: &'static str, ifindex: u32, input: Vec<u8>) -> Self {
        Self::new(name, Place::Workload(ifindex), input)
    }

    /// A frame from the underlay.
    pub fn from_underlay(name: &'static str, input: &Packet) -> Self {
        Self::new(name, Place::Underlay, input.bytes())
    }

    /// Bytes from the underlay.
    pub fn from_underlay_bytes(name: &'static str, input: Vec<u8>) -> Self {
        Self::new(name, Place::Underlay, input)
    }

    /// In a world that differs.
    #[must_use]
    pub fn with(mut self, change: fn(&mut World)) -> Self {
        self.change = change;
        self
    }

    /// After this frame has come in at the same place.
    #[must_use]
    pub fn after(mut self, frame: &Packet) -> Self {
        self.before.push((self.place, frame.bytes()));
        self
    }

    /// After this machine has sent this packet.
    #[must_use]
    pub fn after_from(mut self, vm: &Vm, packet: Packet) -> Self {
        let frame = packet.between(vm.mac, vnetpeer_common::types::Mac::ROUTER);
        self.before.push((Place::Workload(vm.ifindex()), frame.bytes()));
        self
    }

    /// Only at the XDP hook.
    #[must_use]
    pub fn xdp_only(mut self) -> Self {
        self.hooks = Hooks::Xdp;
        self
    }

    /// Only at the TC hook.
    #[must_use]
    pub fn tc_only(mut self) -> Self {
        self.hooks = Hooks::Tc(Skb::default());
        self
    }

    /// A TCP super-frame, which only TC sees.
    #[must_use]
    pub fn gso(mut self, gso_size: u32) -> Self {
        self.hooks = Hooks::Tc(Skb { gso_size, ..Skb::default() });
        self
    }

    /// With a VLAN tag beside the frame, which only TC sees.
    #[must_use]
    pub fn vlan_beside(mut self) -> Self {
        self.hooks = Hooks::Tc(Skb { vlan_tag: true, ..Skb::default() });
        self.host_only("a test run cannot set a VLAN tag")
    }

    /// Not through the kernel's test runs, and why.
    #[must_use]
    pub fn host_only(mut self, reason: &'static str) -> Self {
        self.host_only = Some(reason);
        self
    }

    fn expect(mut self, expected: Expected, output: Option<Vec<u8>>) -> Self {
        self.expected = expected;
        self.output = output;
        self
    }

    /// Left to the host as it came.
    #[must_use]
    pub fn passes(self) -> Self {
        let unchanged = self.input.clone();
        self.expect(Expected::Pass, Some(unchanged))
    }

    /// Handed to a NIC, looking like this.
    #[must_use]
    pub fn delivers(self, vm: &Vm, output: &Packet) -> Self {
        self.expect(Expected::Deliver(vm.nic), Some(output.bytes()))
    }

    /// Sent to a host, looking like this but for the flow's hash.
    #[must_use]
    pub fn transmits(self, host: VtepId, output: &Packet) -> Self {
        self.expect(Expected::Transmit(host), Some(output.bytes()))
    }

    /// Answered with this.
    #[must_use]
    pub fn replies(self, output: &Packet) -> Self {
        self.expect(Expected::Reply, Some(output.bytes()))
    }

    /// Dropped, and counted in the row of `slot` with the bytes of its IP packet.
    #[must_use]
    pub fn drops(self, slot: u32, reason: DropReason, bytes: u64) -> Self {
        self.expect(Expected::Drop(reason), None).counts_drop(slot, reason, bytes)
    }

    /// Counted as a drop.
    #[must_use]
    pub fn counts_drop(mut self, slot: u32, reason: DropReason, bytes: u64) -> Self {
        self.counters.drops.insert((slot, reason), DropCounter { packets: 1, bytes });
        self
    }

    /// The event of the drop names this link.
    #[must_use]
    pub fn blames(mut self, link: LinkId) -> Self {
        self.link = Some(link);
        self
    }

    /// Metered as leaving over a link.
    #[must_use]
    pub fn egress(mut self, link: LinkId, packets: u64, bytes: u64) -> Self {
        let meter: &mut Meter = self.counters.meters.entry(link).or_default();
        (meter.egress_packets, meter.egress_bytes) = (packets, bytes);
        self
    }

    /// Metered as entering over a link.
    #[must_use]
    pub fn ingress(mut self, link: LinkId, packets: u64, bytes: u64) -> Self {
        let meter: &mut Meter = self.counters.meters.entry(link).or_default();
        (meter.ingress_packets, meter.ingress_bytes) = (packets, bytes);
        self
    }

    /// The world that the frame meets.
    pub fn world(&self) -> World {
        let mut world = World::new();
        (self.change)(&mut world);
        world
    }
}
