//! What netlink tells about this host: interfaces, the way to the other hosts, and changes of either.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, UdpSocket},
};

use futures_util::TryStreamExt;
use rtnetlink::{
    Handle, RouteMessageBuilder,
    packet_route::{
        link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage},
        neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage},
        route::{RouteAddress, RouteAttribute},
    },
};
use vnetpeer_common::types::Mac;

use crate::topology::{
    facts::{Delivery, Hook, HostFacts, InterfaceFacts, VtepFacts},
    model::{HookMode, Host, Nic, Topology, common_underlay},
};

/// The discard service (RFC 863): a datagram to it makes the kernel resolve a neighbour.
const DISCARD_PORT: u16 = 9;

/// Netlink could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The request failed.
    #[error("netlink request failed")]
    Netlink(#[from] rtnetlink::Error),
    /// The topology has no such host.
    #[error("the topology has no host `{name}`")]
    HostUnknown {
        /// The name.
        name: String,
    },
}

/// An interface as netlink shows it.
#[derive(Clone, Debug)]
struct Interface {
    ifindex: u32,
    mac: Mac,
    mtu: u16,
    kind: Option<InfoKind>,
    peer_elsewhere: bool,
    has_carrier: bool,
}

/// Reads everything that `compile` must know about the host named `name`; of the network only which of its
/// own NICs are down. `no_xdp` lists interfaces that turned out to have no native XDP.
pub async fn facts(
    handle: &Handle,
    topology: &Topology,
    name: &str,
    no_xdp: &BTreeSet<String>,
) -> Result<HostFacts, ProbeError> {
    let host = topology.hosts.iter().position(|host| host.name == name);
    let unknown = || ProbeError::HostUnknown { name: name.to_owned() };
    let (index, host) =
        host.and_then(|index| Some((index, topology.hosts.get(index)?))).ok_or_else(unknown)?;
    let interfaces = interfaces(handle).await?;
    let neighbours = neighbours(handle).await?;
    let mut facts = HostFacts::default();
    let here = topology.nics.iter().filter(|nic| nic.host.0 == index);
    let is_down = |nic: &&Nic| !interfaces.get(&nic.interface).is_some_and(|it| it.has_carrier);
    facts.network.down = here.filter(is_down).map(|nic| nic.id.clone()).collect();
    for (interface, mode) in wanted(topology, host, index) {
        if let Some(found) = interfaces.get(interface) {
            let allowed = !no_xdp.contains(interface);
            facts.interfaces.insert(interface.to_owned(), interface_facts(found, mode, allowed));
        }
    }
    let underlay = interfaces.get(&host.underlay_interface);
    let hook = facts.interfaces.get(&host.underlay_interface).map(|it| it.hook);
    for remote in topology.hosts.iter().filter(|remote| remote.name != name) {
        let Some((underlay, hook)) = underlay.zip(hook) else { break };
        let mut ways = Vec::new();
        for (local, address) in common_underlay(host, remote) {
            let next_hop = next_hop(handle, address).await?.unwrap_or(address);
            let mac = neighbours.get(&(underlay.ifindex, next_hop)).copied();
            if mac.is_none() {
                solicit(local, address);
            }
            ways.push(vtep_facts(local, address, underlay, hook, mac));
        }
        facts.vteps.insert(remote.name.clone(), ways);
    }
    Ok(facts)
}

/// The host's interfaces that programs go on, with the mode that the document asks for. On a
/// wire-like backbone the underlay is handled as the real interface that it stands for.
fn wanted<'a>(topology: &'a Topology, host: &'a Host, index: usize) -> Vec<(&'a str, HookMode)> {
    let underlay_mode = match host.underlay_mode {
        HookMode::Auto if topology.wire => HookMode::Xdp,
        mode => mode,
    };
    let mut wanted = vec![(host.underlay_interface.as_str(), underlay_mode)];
    let nics = topology.nics.iter().filter(|nic| nic.host.0 == index);
    // XDP has no queue in which packets could wait.
    let mode = |nic: &Nic| match nic.outbound_bits_per_second {
        Some(_) => HookMode::Tc,
        None => nic.mode,
    };
    wanted.extend(nics.map(|nic| (nic.interface.as_str(), mode(nic))));
    wanted.extend(host.uplinks.iter().map(|uplink| (uplink.interface.as_str(), HookMode::Auto)));
    wanted
}

fn interface_facts(found: &Interface, mode: HookMode, xdp_allowed: bool) -> InterfaceFacts {
    let xdp = match mode {
        HookMode::Tc => false,
        HookMode::Xdp => true,
        HookMode::Auto => matches!(found.kind, None | Some(InfoKind::Tun)),
    };
    let delivery = match found.kind {
        Some(InfoKind::Veth) if found.peer_elsewhere => Delivery::Peer,
        _ => Delivery::Transmit,
    };
    let hook = if xdp && xdp_allowed { Hook::Xdp } else { Hook::Tc };
    InterfaceFacts { ifindex: found.ifindex, mtu_bytes: found.mtu, delivery, hook, shaper: None }
}

fn vtep_facts(
    local: IpAddr,
    remote: IpAddr,
    underlay: &Interface,
    hook: Hook,
    dst_mac: Option<Mac>,
) -> VtepFacts {
    VtepFacts {
        local,
        remote,
        ifindex: underlay.ifindex,
        src_mac: underlay.mac,
        dst_mac,
        underlay_mtu_bytes: underlay.mtu,
        transmit_xdp: hook == Hook::Xdp,
    }
}

/// Makes the kernel look for a neighbour. Failing is fine: the first packet will do the same.
fn solicit(local: IpAddr, remote: IpAddr) {
    let sent =
        UdpSocket::bind((local, 0)).and_then(|socket| socket.send_to(&[], (remote, DISCARD_PORT)));
    if let Err(error) = sent {
        tracing::debug!(%remote, %error, "cannot solicit the neighbour");
    }
}

async fn interfaces(handle: &Handle) -> Result<BTreeMap<String, Interface>, ProbeError> {
    let links: Vec<LinkMessage> = handle.link().get().execute().try_collect().await?;
    Ok(links.iter().filter_map(interface).collect())
}

fn interface(link: &LinkMessage) -> Option<(String, Interface)> {
    let mut name = None;
    let mut found = Interface {
        ifindex: link.header.index,
        mac: Mac::default(),
        mtu: 0,
        kind: None,
        peer_elsewhere: false,
        has_carrier: link.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
    };
    for attribute in &link.attributes {
        match attribute {
            LinkAttribute::IfName(it) => name = Some(it.clone()),
            LinkAttribute::Mtu(mtu) => found.mtu = u16::try_from(*mtu).unwrap_or(u16::MAX),
            LinkAttribute::Address(bytes) => found.mac = mac(bytes).unwrap_or_default(),
            LinkAttribute::LinkNetNsId(_) => found.peer_elsewhere = true,
            LinkAttribute::LinkInfo(infos) => {
                found.kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind.clone()),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    Some((name?, found))
}

fn mac(bytes: &[u8]) -> Option<Mac> {
    bytes.try_into().ok().map(Mac)
}

async fn neighbours(handle: &Handle) -> Result<BTreeMap<(u32, IpAddr), Mac>, ProbeError> {
    let all: Vec<NeighbourMessage> = handle.neighbours().get().execute().try_collect().await?;
    Ok(all.iter().filter_map(neighbour).collect())
}

fn neighbour(message: &NeighbourMessage) -> Option<((u32, IpAddr), Mac)> {
    let (mut address, mut found) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                address = Some(IpAddr::V4(*v4));
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                address = Some(IpAddr::V6(*v6));
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => found = mac(bytes),
            _ => {}
        }
    }
    Some(((message.header.ifindex, address?), found?))
}

/// The gateway towards an address; `None` if it is on the link or has no route.
async fn next_hop(handle: &Handle, address: IpAddr) -> Result<Option<IpAddr>, ProbeError> {
    let request = match address {
        IpAddr::V4(v4) => {
            RouteMessageBuilder::<std::net::Ipv4Addr>::new().destination_prefix(v4, 32).build()
        }
        IpAddr::V6(v6) => {
            RouteMessageBuilder::<std::net::Ipv6Addr>::new().destination_prefix(v6, 128).build()
        }
    };
    let mut routes = handle.route().get(request).execute();
    let Ok(Some(route)) = routes.try_next().await else { return Ok(None) };
    Ok(route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Gateway(RouteAddress::Inet(v4)) => Some(IpAddr::V4(*v4)),
        RouteAttribute::Gateway(RouteAddress::Inet6(v6)) => Some(IpAddr::V6(*v6)),
        _ => None,
    }))
}
