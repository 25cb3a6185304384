//! What the core decided. The programs turn it into an action.

use crate::{reason::DropReason, types::NicId};

/// What to do with the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Leave it to the host: not vnetpeer's (underlay interfaces), or for a packet socket of the agent
    /// (what answers a health probe).
    Pass,
    /// Hand it to a workload of this host.
    Deliver(Delivery),
    /// It is encapsulated: send it to another host.
    Transmit(Transmission),
    /// The NIC's limit comes first: send it, as it is, out of this interface.
    Shape {
        /// The NIC's [`crate::abi::Nic::shaper`].
        ifindex: u32,
    },
    /// It is an answer: send it back out of the workload's interface.
    Reply,
    /// Drop it. It is counted already.
    Drop(DropReason),
}

/// How to hand a frame to a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The receiving NIC.
    pub nic: NicId,
    /// The interface before it.
    pub ifindex: u32,
    /// The NIC's [`crate::abi::nic_flags`].
    pub flags: u32,
}

/// How to send a frame to another host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transmission {
    /// The underlay interface.
    pub ifindex: u32,
    /// The remote host's [`crate::abi::vtep_flags`].
    pub flags: u32,
}
