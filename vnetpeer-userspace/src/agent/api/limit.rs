//! Limits of NICs.

use serde::{Deserialize, Serialize};

/// How much a NIC of this host may send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LimitStatus {
    /// ARM id of the NIC.
    pub network_interface: String,
    /// Bits of IP packets per second.
    pub outbound_bits_per_second: u64,
    /// The interface whose queue keeps the limit; null if there is none.
    pub interface: Option<String>,
    /// Why the limit is not kept; null if it is.
    pub last_error: Option<String>,
}
