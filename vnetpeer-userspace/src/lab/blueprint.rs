//! What a lab is built of, as commands in an order; decides everything and does nothing.
//!
//! ```text
//!  vnp-L-NIC            vnp-L-HOST             (vnp-L-backbone)           vnp-L-HOST2
//!  eth0 ═══veth═══ nic-NIC    eth0 ═══veth═══ port ─ bridge ─ port ═══veth═══ eth0   …
//! ```
//!
//! Two hosts are joined by one veth pair, any other number by a bridge. Every address is a host
//! address with a route of its own, so that hosts of a document may have addresses of any range.

mod gateway;
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
    gateway::add(topology, state, record, &mut steps)?;
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
/// addressed to the interface, and the host has no address of its own there. Without `name` and `dev`
/// an interface called `a` would be taken for `address`.
fn router_veth(host: &str, interface: &str, guest: &str, mac: Mac) -> [Step; 3] {
    let router = Mac::ROUTER;
    let add = format!(
        "link add name {interface} address {router} mtu {GUEST_MTU} type veth \
         peer name eth0 address {mac} mtu {GUEST_MTU} netns {guest}"
    );
    let disable = (format!("ipv6/conf/{interface}/disable_ipv6"), "1");
    [
        ip(host, vec![add]),
        Step::Sysctl { namespace: host.to_owned(), values: vec![disable] },
        ip(host, vec![format!("link set dev {interface} up")]),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{document, topology::state::advance};

    /// All lines and settings for an example, each after its namespace.
    fn lines(example: &str) -> Vec<String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(example);
        let topology = document::read(&file).unwrap().topology;
        let state = advance(&State::default(), &topology).unwrap();
        let record = Record::planned("lab", &file, &topology).unwrap();
        let steps = steps(&topology, &state, &record).unwrap();
        let text = |step| match step {
            Step::Ip { namespace, lines } => {
                lines.iter().map(|line| format!("{namespace}: {line}")).collect::<Vec<_>>()
            }
            Step::Sysctl { namespace, values } => {
                values.iter().map(|(path, value)| format!("{namespace}: {path}={value}")).collect()
            }
            Step::Ethtool { namespace, interface, features } => {
                vec![format!("{namespace}: {interface} {}", features.join(" "))]
            }
        };
        steps.into_iter().flat_map(text).collect()
    }

    #[test]
    fn two_hosts_have_a_cable_and_guests_the_virtual_router() {
        let lines = lines("quickstart.yaml");
        for expected in [
            "vnp-lab-host-a: link add name eth0 mtu 1600 type veth peer name eth0 mtu 1600 netns vnp-lab-host-b",
            "vnp-lab-host-a: address add 192.0.2.1 dev eth0 noprefixroute",
            "vnp-lab-host-a: route add 192.0.2.2 dev eth0 src 192.0.2.1",
            "vnp-lab-host-a: eth0 gro on",
            "vnp-lab-host-a: ipv6/conf/hub-vm1/disable_ipv6=1",
            "vnp-lab-hub-vm1: address add 10.0.1.4/24 dev eth0",
            "vnp-lab-hub-vm1: address add fd00:10:0:1::4/64 dev eth0 nodad",
            "vnp-lab-hub-vm1: route add default via 10.0.1.1 dev eth0",
            "vnp-lab-hub-vm1: route add default via fe80::1234:5678:9abc dev eth0",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}\n{}", lines.join("\n"));
        }
        assert!(!lines.iter().any(|line| line.contains("backbone") || line.contains("forward")));
    }

    #[test]
    fn three_hosts_have_a_bridge_and_families_in_common() {
        let lines = lines("dual-stack.yaml");
        let has = |text: &str| lines.iter().any(|line| line.contains(text));
        assert!(has("vnp-lab-backbone: link set port2 master backbone up"));
        assert!(has("vnp-lab-host-b: route add 2001:db8::1 dev eth0 src 2001:db8::2"));
        assert!(!has("vnp-lab-host-b: route add 192.0.2.1"));
        assert!(!has("vnp-lab-modern: route add default via 1"));
    }

    #[test]
    fn gateways_have_cables_and_answer_for_their_sites() {
        let lines = lines("hub-gateway.yaml");
        for expected in [
            "vnp-lab-hub-gateway: ipv4/ip_forward=1",
            "vnp-lab-hub-gateway: address add 192.168.0.1/32 dev lo",
            "vnp-lab-hub-gateway: address add fd00:c0::1/128 dev lo nodad",
            "vnp-lab-hub-gateway: link add name gateway1 address 02:00:00:00:00:01 type veth peer name gateway0 address 02:00:00:00:00:02 netns vnp-lab-branch-gateway",
            "vnp-lab-hub-gateway: route add 10.9.0.0/16 via 169.254.0.1 dev gateway1 onlink src 10.0.0.4",
            "vnp-lab-branch-gateway: route add 10.1.0.0/16 via 169.254.0.1 dev gateway0 onlink src 10.9.0.4",
            "vnp-lab-branch-gateway: route add fd00:12::/48 via fe80::1234:5678:9abc dev gateway0 src fd00:19::4",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}\n{}", lines.join("\n"));
        }
        let cables = lines.iter().filter(|line| line.contains("peer name gateway"));
        assert_eq!(cables.count(), 1);
    }

    #[test]
    fn an_appliance_forwards() {
        let lines = lines("service-chain.yaml");
        let forwards: Vec<&String> =
            lines.iter().filter(|it| it.contains("ip_forward=1")).collect();
        assert_eq!(forwards, ["vnp-lab-nva: ipv4/ip_forward=1"]);
    }
}
