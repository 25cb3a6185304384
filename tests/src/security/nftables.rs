//! The same groups in another implementation: the kernel's packet filter `nft` with its connection
//! tracking, in the middle of three network namespaces.
//!
//! ```text
//! peer ── router: nft, hook forward ── vm
//! ```
//!
//! A packet that the NIC receives is sent at `peer` and arrives at `vm` or does not; one that it sends
//! takes the other way. Every packet is accounted for: it arrived, or the ruleset counted that it
//! refused it.

mod router;
mod ruleset;
mod space;

use std::net::IpAddr;

pub use self::{router::Router, ruleset::ruleset};
use super::probe::{Probe, Upper};

/// Whether the router is a judge of this packet. It does not forward what has no business on a link, and
/// it reads an authentication header of IPv6 as one that precedes the protocol.
pub fn judges(probe: &Probe) -> bool {
    let is_v6_authentication = probe.upper == Upper::Other(51) && probe.source.is_ipv6();
    [probe.source, probe.destination].into_iter().all(is_forwarded)
        && probe.source != probe.destination
        && !is_v6_authentication
}

fn is_forwarded(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first != 0 && first != 127 && first < 224
        }
        IpAddr::V6(address) => {
            let first = address.segments()[0];
            first != 0 && first & 0xffc0 != 0xfe80 && first < 0xff00
        }
    }
}
