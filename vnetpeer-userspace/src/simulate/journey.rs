//! What became of a packet.

use vnetpeer_common::{
    reason::DropReason,
    types::{LinkId, NicId, RuleId},
};
use vnetpeer_metering::record::Direction;

/// The way of one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// From NIC to NIC, in order. More than one where appliances forward it.
    pub hops: Vec<Hop>,
    /// The hop on which it was dropped, as far as it got; `to` is none.
    pub unfinished: Option<Hop>,
    /// How it ended.
    pub end: End,
}

/// From one NIC to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The NIC that sent it.
    pub from: NicId,
    /// The NIC that it was handed to.
    pub to: NicId,
    /// The peering over which it left the sender's VNet; none inside a VNet.
    pub egress: LinkId,
    /// The peering over which it entered the receiver's VNet.
    pub ingress: LinkId,
    /// The rules that allowed it, the sender's first. Packets of a known flow are not judged.
    pub rules: Vec<RuleId>,
    /// Whether the NICs are on different hosts.
    pub tunneled: bool,
}

/// How a packet ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was handed to the NIC that has its destination address.
    Delivered(NicId),
    /// It left the virtual networks by an uplink or a gateway.
    Left(NicId),
    /// It was dropped.
    Dropped(Drop),
    /// An appliance got it when its hops were used up.
    HopsExhausted(NicId),
    /// The virtual router kept it, or no host has the address to which it was sent on the underlay.
    Lost(NicId),
}

/// A drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drop {
    /// The NIC that sent the packet on its last hop.
    pub sender: NicId,
    /// The NIC at whose side it was dropped.
    pub nic: NicId,
    /// Why.
    pub reason: DropReason,
    /// The peering that decided, or none.
    pub link: LinkId,
    /// The security rule that denied it, or none.
    pub rule: RuleId,
}

impl Journey {
    /// The NIC that received it at its destination address.
    pub fn delivered(&self) -> Option<NicId> {
        match self.end {
            End::Delivered(nic) => Some(nic),
            _ => None,
        }
    }

    /// The meters that the packet moved on its hops, in order, for
    /// [`meters::cost`](crate::topology::meters::cost): egress of the link over which it left a VNet, ingress of
    /// the one over which it entered the next.
    pub fn meters(&self) -> impl Iterator<Item = (LinkId, Direction)> {
        let of_hop =
            |hop: &Hop| [(hop.egress, Direction::Egress), (hop.ingress, Direction::Ingress)];
        self.hops.iter().flat_map(of_hop).filter(|(link, _)| link.is_some())
    }
}

/// A request and what answered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// The NIC that asked.
    pub from: NicId,
    /// The way of the request.
    pub request: Journey,
    /// The way of the answer, if the request was delivered.
    pub answer: Option<Journey>,
}

impl Exchange {
    /// Whether the answer came back.
    pub fn is_complete(&self) -> bool {
        self.answer.as_ref().and_then(Journey::delivered) == Some(self.from)
    }

    /// How it ended: the request if that was not delivered, else the answer.
    pub fn end(&self) -> End {
        self.answer.as_ref().map_or(self.request.end, |answer| answer.end)
    }
}
