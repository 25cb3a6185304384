//! The guests: NICs, and what plays the Internet.

use std::net::IpAddr;

use vnetpeer_common::types::Mac;

use super::{
    GUEST_GSO_MAX_SIZE, LabError, ROUTER_LINK_LOCAL, Record, State, Step, Topology, ethtool, ip,
    router_veth,
};
use crate::{
    lab::record::GuestRecord,
    topology::{
        compile::guest_mac,
        model::{HookMode, Nic, ResourceId, Subnet, Vnet},
        network::NetworkError,
    },
};

/// XDP sees frames as the guest hands them over: a checksum left to the hardware would be sent as
/// it is. And what XDP redirects to the guest is polled for there.
const XDP_GUEST: &[&str] = &["tx", "off", "gro", "on"];

/// Stands for the next hop towards the VNet in the namespace that plays the Internet.
const UPLINK_NEXT_HOP: &str = "169.254.0.1";

pub(super) fn add(
    topology: &Topology,
    state: &State,
    record: &Record,
    steps: &mut Vec<Step>,
) -> Result<(), LabError> {
    for (nic, guest) in topology.nics.iter().zip(&record.nics) {
        add_nic(topology, state, record, nic, guest, steps)?;
    }
    let uplinks = topology.hosts.iter().zip(&record.hosts);
    let uplinks = uplinks.flat_map(|(host, at)| host.uplinks.iter().map(move |it| (it, at)));
    for (index, ((uplink, at), guest)) in uplinks.zip(&record.uplinks).enumerate() {
        let vnet = topology.vnet(uplink.vnet).ok_or_else(|| dangling(&uplink.id))?;
        let (host, wan) = (at.namespace.as_str(), guest.namespace.as_str());
        steps.extend(router_veth(host, &uplink.interface, wan, uplink.mac));
        steps.push(ip(wan, internet(vnet, index)));
        steps.push(forwarding(wan));
    }
    Ok(())
}

fn add_nic(
    topology: &Topology,
    state: &State,
    record: &Record,
    nic: &Nic,
    guest: &GuestRecord,
    steps: &mut Vec<Step>,
) -> Result<(), LabError> {
    let host = record.hosts.get(nic.host.0).ok_or_else(|| dangling(&nic.id))?;
    let subnet = topology.subnet(nic.vnet, nic.subnet).ok_or_else(|| dangling(&nic.id))?;
    let not_numbered = || NetworkError::NotNumbered { id: nic.id.to_string() };
    let mac = guest_mac(nic, state.nic(&nic.id).ok_or_else(not_numbered)?);
    let (host, guest) = (host.namespace.as_str(), guest.namespace.as_str());
    steps.extend(router_veth(host, &nic.interface, guest, mac));
    steps.push(ip(guest, inside(nic, subnet)));
    if nic.enable_ip_forwarding {
        steps.push(forwarding(guest));
    }
    if nic.mode == HookMode::Xdp {
        steps.push(ethtool(guest, "eth0", XDP_GUEST));
    }
    Ok(())
}

fn dangling(id: &ResourceId) -> NetworkError {
    NetworkError::Dangling { id: id.clone() }
}

fn inside(nic: &Nic, subnet: &Subnet) -> Vec<String> {
    let mut lines = vec![format!("link set eth0 gso_max_size {GUEST_GSO_MAX_SIZE} up")];
    for address in &nic.addresses {
        let prefix = subnet.prefixes.iter().find(|prefix| prefix.contains(address));
        let length =
            prefix.map_or(if address.is_ipv4() { 32 } else { 128 }, ipnet::IpNet::prefix_len);
        let nodad = if address.is_ipv6() { " nodad" } else { "" };
        lines.push(format!("address add {address}/{length} dev eth0{nodad}"));
    }
    if let Some(gateway) =
        subnet.gateway_ipv4().filter(|_| nic.addresses.iter().any(IpAddr::is_ipv4))
    {
        lines.push(format!("route add default via {gateway} dev eth0"));
    }
    if nic.addresses.iter().any(IpAddr::is_ipv6) {
        lines.push(format!("route add default via {ROUTER_LINK_LOCAL} dev eth0"));
    }
    lines
}

fn forwarding(namespace: &str) -> Step {
    let values =
        vec![("ipv4/ip_forward".to_owned(), "1"), ("ipv6/conf/all/forwarding".to_owned(), "1")];
    Step::Sysctl { namespace: namespace.to_owned(), values }
}

/// The Internet, as far as a lab has one: a documentation address of each family, and the way back
/// to the VNet. The virtual router needs no asking for its MAC address.
fn internet(vnet: &Vnet, index: usize) -> Vec<String> {
    let router = Mac::ROUTER;
    let mut lines = vec![
        format!("link set eth0 gso_max_size {GUEST_GSO_MAX_SIZE} up"),
        format!("address add 203.0.113.{}/32 dev lo", index % 254 + 1),
        format!("address add 2001:db8:ffff::{:x}/128 dev lo nodad", index + 1),
        format!("neighbour add {UPLINK_NEXT_HOP} lladdr {router} dev eth0 nud permanent"),
        format!("neighbour add {ROUTER_LINK_LOCAL} lladdr {router} dev eth0 nud permanent"),
    ];
    for prefix in &vnet.address_space {
        let (via, onlink) = match prefix {
            ipnet::IpNet::V4(_) => (UPLINK_NEXT_HOP, " onlink"),
            ipnet::IpNet::V6(_) => (ROUTER_LINK_LOCAL, ""),
        };
        lines.push(format!("route add {prefix} via {via} dev eth0{onlink}"));
    }
    lines
}
