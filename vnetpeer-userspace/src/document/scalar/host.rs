//! What hosts say of network interfaces.

use schemars::{Schema, json_schema};

use super::{refusal, rule::number};
use crate::document::{
    code::Code,
    decode::{Refusal, Scalar},
    tree::Value,
};

number! {
    /// `outboundBandwidthMbps` of a placed network interface.
    OutboundBandwidth: u32 = 1..=400_000, "a number of Mbit/s from 1 to 400000", InvalidPropertyValue
}

impl OutboundBandwidth {
    const BITS: u64 = 1_000_000;

    /// The same in bits per second.
    pub(in crate::document) fn bits_per_second(self) -> u64 {
        u64::from(self.0) * Self::BITS
    }
}
