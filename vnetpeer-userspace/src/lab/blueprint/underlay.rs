//! The hosts' interfaces to each other.

use super::{GRO, Record, Step, Topology, UNDERLAY_MTU, ethtool, ip};
use crate::{lab::record::HostRecord, topology::model::Host};

/// Frames leave at MTU size with complete checksums, as on a cable.
const WIRE: &[&str] = &["tx", "off", "tso", "off", "gso", "off", "gro", "on"];

const BRIDGE: &str = "backbone";

pub(super) fn add(topology: &Topology, record: &Record, steps: &mut Vec<Step>) {
    let hosts: Vec<(&Host, &HostRecord)> = topology.hosts.iter().zip(&record.hosts).collect();
    match (&record.backbone, hosts.as_slice()) {
        (None, [a, b]) => steps.push(cable(*a, *b)),
        (Some(backbone), _) => bridge(backbone, &hosts, steps),
        (None, _) => {}
    }
    for (host, at) in &hosts {
        steps.push(ip(&at.namespace, addresses(host, &topology.hosts)));
        let features = if topology.wire { WIRE } else { GRO };
        steps.push(ethtool(&at.namespace, &host.underlay_interface, features));
    }
}

fn cable(a: (&Host, &HostRecord), b: (&Host, &HostRecord)) -> Step {
    let line = format!(
        "link add name {} mtu {UNDERLAY_MTU} type veth peer name {} mtu {UNDERLAY_MTU} netns {}",
        a.0.underlay_interface, b.0.underlay_interface, b.1.namespace
    );
    ip(&a.1.namespace, vec![line])
}

fn bridge(backbone: &str, hosts: &[(&Host, &HostRecord)], steps: &mut Vec<Step>) {
    let off = (String::from("ipv6/conf/all/disable_ipv6"), "1");
    steps.push(Step::Sysctl { namespace: backbone.to_owned(), values: vec![off] });
    let mut lines = vec![
        // Without snooping, neighbour solicitations reach every host.
        format!("link add {BRIDGE} mtu {UNDERLAY_MTU} type bridge mcast_snooping 0"),
        format!("link set {BRIDGE} up"),
    ];
    for (port, (host, at)) in hosts.iter().enumerate() {
        let interface = &host.underlay_interface;
        let namespace = &at.namespace;
        lines.push(format!(
            "link add port{port} mtu {UNDERLAY_MTU} type veth \
             peer name {interface} mtu {UNDERLAY_MTU} netns {namespace}"
        ));
        lines.push(format!("link set port{port} master {BRIDGE} up"));
    }
    steps.push(ip(backbone, lines));
    for port in 0..hosts.len() {
        steps.push(ethtool(backbone, &format!("port{port}"), GRO));
    }
}

fn addresses(host: &Host, hosts: &[Host]) -> Vec<String> {
    let interface = &host.underlay_interface;
    let mut lines = vec![format!("link set dev {interface} up")];
    for address in &host.underlay_addresses {
        // An address that is still being checked for duplicates cannot be a route's source.
        let nodad = if address.is_ipv6() { " nodad" } else { "" };
        lines.push(format!("address add {address} dev {interface} noprefixroute{nodad}"));
    }
    let others = hosts.iter().filter(|other| other.name != host.name);
    for remote in others.flat_map(|other| &other.underlay_addresses) {
        let same_family = |own: &&std::net::IpAddr| own.is_ipv4() == remote.is_ipv4();
        if let Some(own) = host.underlay_addresses.iter().find(same_family) {
            lines.push(format!("route add {remote} dev {interface} src {own}"));
        }
    }
    lines
}
