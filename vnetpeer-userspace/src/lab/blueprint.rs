//! What a lab is built of, as commands in an order; decides everything and does nothing.
//!
//! ```text
//!  vnp-L-NIC            vnp-L-HOST             (vnp-L-backbone)           vnp-L-HOST2
//!  eth0 ═══veth═══ nic-NIC    eth0 ═══veth═══ port ─ bridge ─ port ═══veth═══ eth0   …
//! ```
//!
//! Two hosts are joined by one veth pair, any other number by a bridge. Every address is a host
//! address with a route of its own, so that hosts of a document may have addresses of any range.

mod guest;
mod underlay;

use vnetpeer_common::types::Mac;

use super::{error::LabError, record::Record};
use crate::topology::{model::Topology, state::State};

/// Bytes that a document's largest packet gains on the underlay, rounded up: 1,500 and 70 for
/// VXLAN over IPv6.
const UNDERLAY_MTU: u32 = 1_600;
const GUEST_MTU: u32 = 1_500;

/// Largest super-frame of a guest. With the outer headers its length must still fit in 16 bits.
const GUEST_GSO_MAX_SIZE: u32 = 65_000;

/// The virtual router's link-local address, made of its MAC address as Azure's is.
const ROUTER_LINK_LOCAL: &str = "fe80::1234:5678:9abc";

/// One step of building.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Values below `/proc/sys/net`.
    Sysctl {
        /// Where.
        namespace: String,
        /// Paths and values.
        values: Vec<(String, &'static str)>,
    },
    /// Lines of `ip -batch`.
    Ip {
        /// Where.
        namespace: String,
        /// The lines.
        lines: Vec<String>,
    },
    /// Features of `ethtool -K`.
    Ethtool {
        /// Where.
        namespace: String,
        /// Of which interface.
        interface: String,
        /// Names and values.
        features: &'static [&'static str],
    },
}

/// A veth is handed redirected frames only if the other end polls, which GRO makes it do.
const GRO: &[&str] = &["gro", "on"];

/// All steps after the namespaces exist.
pub(super) fn steps(
    topology: &Topology,
    state: &State,
    record: &Record,
) -> Result<Vec<Step>, LabError> {
    let mut steps = Vec::new();
    for namespace in record.namespaces() {
        steps.push(quiet(namespace));
        steps.push(ip(namespace, vec!["link set lo up".to_owned()]));
    }
    underlay::add(topology, record, &mut steps);
    guest::add(topology, state, record, &mut steps)?;
    Ok(steps)
}

/// What holds for every interface of a lab: addresses are usable at once, nobody configures
/// themselves from advertisements, and packets are not refused for the way they come.
fn quiet(namespace: &str) -> Step {
    let mut values = Vec::new();
    for scope in ["all", "default"] {
        values.extend([
            (format!("ipv6/conf/{scope}/accept_dad"), "0"),
            (format!("ipv6/conf/{scope}/accept_ra"), "0"),
            (format!("ipv6/conf/{scope}/router_solicitations"), "0"),
            (format!("ipv4/conf/{scope}/rp_filter"), "0"),
            (format!("ipv4/conf/{scope}/send_redirects"), "0"),
        ]);
    }
    Step::Sysctl { namespace: namespace.to_owned(), values }
}

fn ip(namespace: &str, lines: Vec<String>) -> Step {
    Step::Ip { namespace: namespace.to_owned(), lines }
}

fn ethtool(namespace: &str, interface: &str, features: &'static [&'static str]) -> Step {
    let (namespace, interface) = (namespace.to_owned(), interface.to_owned());
    Step::Ethtool { namespace, interface, features }
}

/// A veth pair whose host end belongs to the virtual router: the frames that it hands out are
/// addressed to the interface, and the host has no address of its own there.
fn router_veth(host: &str, interface: &str, guest: &str, mac: Mac) -> [Step; 3] {
    let router = Mac::ROUTER;
    let add = format!(
        "link add {interface} address {router} mtu {GUEST_MTU} type veth \
         peer name eth0 address {mac} mtu {GUEST_MTU} netns {guest}"
    );
    let disable = (format!("ipv6/conf/{interface}/disable_ipv6"), "1");
    [
        ip(host, vec![add]),
        Step::Sysctl { namespace: host.to_owned(), values: vec![disable] },
        ip(host, vec![format!("link set {interface} up")]),
    ]
}
