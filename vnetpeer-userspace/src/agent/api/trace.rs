//! Frames that an agent follows through its host without sending them.

use serde::{Deserialize, Serialize};

use crate::simulate::FrameEnd;

/// `POST /v1/trace`: frames in their order. Flows that one opens are known to those after it, and to nobody else.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceRequest {
    /// The frames.
    pub frames: Vec<TraceFrame>,
}

/// One frame.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceFrame {
    /// Number of the NIC of this host that sends it; null: it comes from the underlay.
    pub nic: Option<u32>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// Answer to [`TraceRequest`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceReply {
    /// One for each frame.
    pub outcomes: Vec<TraceOutcome>,
}

/// What becomes of a frame on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceOutcome {
    /// By the programs in the kernel.
    pub programs: FrameEnd,
    /// By the datapath core in user space, over what the kernel's maps hold.
    pub maps: FrameEnd,
    /// The frame as the programs left it.
    pub bytes: Vec<u8>,
}
