//! The datapath core over what one host's maps hold, as they were read.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use vnetpeer_common::{
    datapath::{Verdict, inbound, outbound},
    reason::DropReason,
    types::NicId,
};

use super::{flows::Flows, frame::Frame, image::Image, tables::HostTables};
use crate::topology::plan::RawMaps;

/// Where frames come in; any interface that no NIC has.
const INTERFACE: u32 = 1;

/// What becomes of a frame on one host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FrameEnd {
    /// The NIC with this number gets it.
    Delivered(u32),
    /// It goes to another host.
    Transmitted,
    /// It is dropped.
    #[serde(rename_all = "camelCase")]
    Dropped {
        /// Name of the reason.
        reason: String,
        /// Number of the NIC at whose side; 0 if it belongs to none.
        nic: u32,
    },
    /// Anything else, in words.
    Other(String),
}

impl FrameEnd {
    /// A drop; numbers of reasons that nobody knows are told as they are.
    pub fn dropped(reason: u32, nic: NicId) -> Self {
        let reason = DropReason::from_number(reason)
            .map_or_else(|| format!("#{reason}"), |reason| reason.name().to_owned());
        Self::Dropped { reason, nic: nic.0 }
    }
}

/// What one host's maps hold, and the flows that were opened over it.
#[derive(Debug)]
pub struct HostMaps {
    image: Image,
    flows: Flows,
}

impl HostMaps {
    /// No flow is open.
    pub fn new(raw: &RawMaps) -> Self {
        Self { image: Image::of(raw), flows: Flows::new() }
    }

    /// What becomes of a frame from a NIC or, without one, from the underlay.
    pub fn run(&mut self, nic: NicId, frame: &[u8]) -> FrameEnd {
        self.image.interfaces = HashMap::from([(INTERFACE, nic)]);
        let mut frame = Frame::new(&[frame]);
        let tables = HostTables::new(&self.image, &self.flows, true);
        let verdict = if nic.is_some() {
            outbound(&mut frame, &tables, INTERFACE)
        } else {
            inbound(&mut frame, &tables)
        };
        match (verdict, tables.dropped.get()) {
            (Verdict::Deliver(delivery), _) => FrameEnd::Delivered(delivery.nic.0),
            (Verdict::Transmit(_), _) => FrameEnd::Transmitted,
            (Verdict::Drop(_) | Verdict::Reply, Some(event)) => {
                FrameEnd::dropped(event.reason, event.nic)
            }
            (verdict, _) => FrameEnd::Other(format!("{verdict:?}")),
        }
    }
}
