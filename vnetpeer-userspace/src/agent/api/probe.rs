//! Health of backends, in [`super::AgentStatus`].

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// A backend of this host as a health probe sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProbeStatus {
    /// ARM id of the probe.
    pub probe: String,
    /// ARM id of the NIC.
    pub network_interface: String,
    /// The address that is asked.
    pub address: IpAddr,
    /// `Up`, `Down`, or `Unknown` before the first answer; only `Up` takes new flows.
    pub state: String,
    /// Seconds since it is so.
    pub age_seconds: u64,
    /// Why the last question had no good answer; null if it had one.
    pub last_error: Option<String>,
}
