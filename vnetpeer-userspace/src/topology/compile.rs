//! What the maps of one host should hold: (topology, state, host, facts) → [`Desired`].
//!
//! A host is given only what its NICs can reach and what can reach them: the VNets that have a NIC
//! or an uplink here, the VNets that are `Connected` with those, and the members of their connected groups. A direct sender to a local NIC
//! is always in one of these, also behind an appliance. Which routes a subnet has is decided in
//! [`routes`](super::routes), in which order maps change in [`plan`](super::plan).

mod balancers;
mod classes;
mod filters;
mod groups;
mod nics;
#[cfg(test)]
mod tests;
mod vteps;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;
use vnetpeer_common::{
    abi::{self, link_flags, next_hop_kind},
    types::{Addr, LinkId, NicId, VnetId, VtepId},
};

use self::{classes::TagPrefixes, filters::Filters, groups::Groups};
pub use self::{nics::guest_mac, vteps::outer_headers_len};
use super::{
    balancing::questions,
    desired::{Desired, Hop, PrefixTable, SharedTable, VnetTables},
    facts::{DatapathFacts, HostFacts},
    model::{Host, HostIndex, ResourceId, Topology, VnetIndex},
    network::{Network, NetworkError, NumberedPeering, NumberedVnet},
    routes::{Appliance, Route, RouteHop, RouteSource, effective_routes},
    service_tags,
    state::State,
};

/// One drop in this many makes an event, less one: a mask.
const EVENT_MASK: u32 = 15;

/// Compiles the maps of the host named `host`.
pub fn compile(
    topology: &Topology,
    state: &State,
    host: &str,
    facts: &HostFacts,
) -> Result<Desired, NetworkError> {
    let network = Network::new(topology, state)?.with_facts(&facts.network);
    let index = network.host(host)?;
    let unknown = || NetworkError::HostUnknown { name: host.to_owned() };
    let host = topology.host(index).ok_or_else(unknown)?;
    let mut compiler = Compiler {
        network: &network,
        index,
        host,
        facts,
        filters: Filters::new(topology, state),
        groups: Groups::default(),
        probed: questions(topology).into_iter().map(|it| &it.nic.id).collect(),
        desired: Desired { config: config(host, &facts.datapath), ..Desired::default() },
        remote_hosts: BTreeMap::new(),
    };
    compiler.run()?;
    let Compiler { filters, mut desired, .. } = compiler;
    desired.policies = filters.resolve(&mut desired.flushing)?;
    Ok(desired)
}

struct Compiler<'a> {
    network: &'a Network<'a>,
    index: HostIndex,
    host: &'a Host,
    facts: &'a HostFacts,
    filters: Filters<'a>,
    groups: Groups,
    /// NICs that health probes ask.
    probed: HashSet<&'a ResourceId>,
    desired: Desired,
    /// Hosts that have a NIC in reach, with their numbers.
    remote_hosts: BTreeMap<HostIndex, VtepId>,
}

impl Compiler<'_> {
    fn run(&mut self) -> Result<(), NetworkError> {
        let network = self.network;
        let hosted: BTreeSet<VnetIndex> =
            network.vnets().iter().filter(|it| self.hosts(it)).map(|it| it.index).collect();
        let mut reached = hosted.clone();
        for vnet in hosted.iter().filter_map(|index| network.vnet(*index)) {
            let connected = vnet.peerings.iter().filter(|peering| peering.connected);
            reached.extend(connected.map(|peering| peering.peering.remote));
        }
        reached.extend(self.joined(&hosted));
        for vnet in reached.iter().filter_map(|index| network.vnet(*index)) {
            let is_hosted = hosted.contains(&vnet.index);
            let tables = self.vnet_tables(vnet, is_hosted);
            self.desired.vnets.insert(vnet.id, tables);
            self.add_group_links(vnet);
            self.add_nics(vnet)?;
            self.add_frontends(vnet)?;
            if is_hosted {
                self.add_routes(vnet);
                self.add_links(vnet);
            }
        }
        self.desired.missing_interfaces.sort_unstable();
        self.add_vteps()
    }

    /// The members of the connected groups of VNets.
    fn joined(&self, vnets: &BTreeSet<VnetIndex>) -> BTreeSet<VnetIndex> {
        let network = self.network;
        let joined = vnets.iter().filter_map(|index| network.vnet(*index)?.joined.as_ref());
        let joined: HashMap<_, _> = joined.map(|it| (Arc::as_ptr(it), it)).collect();
        joined.values().flat_map(|it| it.members()).copied().collect()
    }

    /// Whether a NIC or an uplink of the VNet lives here, its interface present or not.
    fn hosts(&self, vnet: &NumberedVnet<'_>) -> bool {
        vnet.nics.iter().any(|it| it.nic.host == self.index)
            || vnet.uplinks.iter().any(|it| it.host == self.index)
    }

    fn add_routes(&mut self, vnet: &NumberedVnet<'_>) {
        let network = self.network;
        let uplink = self.uplink(vnet);
        for (table, id) in network.tables(vnet.index) {
            let Some(routes) = effective_routes(network, vnet.index, table) else { continue };
            let mut prefixes = PrefixTable::default();
            for route in routes.active() {
                prefixes.insert(route.prefix, hop(route, vnet, uplink));
            }
            let tags = service_tags::without_groups(network, vnet, table);
            let table = match &routes.group {
                None => SharedTable::from(TagPrefixes::new(tags).classify(&prefixes)),
                Some(group) => {
                    let mut own = PrefixTable::default();
                    for net in tags {
                        own.insert(net, ());
                    }
                    self.groups.routes(network, group, &prefixes, &own)
                }
            };
            self.desired.routes.insert(id, table);
        }
    }

    /// Who lives where in the VNet, and, if it has NICs here, whose space is whose around it.
    fn vnet_tables(&mut self, vnet: &NumberedVnet<'_>, hosted: bool) -> VnetTables {
        let mut endpoints = PrefixTable::default();
        for prefix in &vnet.vnet.address_space {
            endpoints.insert(*prefix, NicId::NONE);
        }
        for it in &vnet.nics {
            for address in &it.nic.addresses {
                endpoints.insert(IpNet::from(*address), it.id);
            }
        }
        for it in &vnet.frontends {
            endpoints.insert(IpNet::from(it.frontend.address), it.id);
        }
        let peers = if hosted {
            self.groups.peers(self.network, vnet, groups::links(&vnet.peerings))
        } else {
            SharedTable::default()
        };
        let (region, group_links) = (vnet.region, vnet.group_links);
        VnetTables { hosted, endpoints, peers, region, group_links }
    }

    /// The links that meter what a VNet exchanges over its connected groups.
    fn add_group_links(&mut self, vnet: &NumberedVnet<'_>) {
        let flags = link_flags::CONNECTED | link_flags::ALLOW_ACCESS | link_flags::CONNECTED_GROUP;
        for (id, scope) in vnet.group_links.into_iter().zip([0, link_flags::GLOBAL]) {
            let (remote, reverse) = (VnetId::NONE, LinkId::NONE);
            let link = abi::Link { flags: flags | scope, vnet: vnet.id, remote, reverse };
            if id.is_some() {
                self.desired.links.insert(id, link);
            }
        }
    }

    /// This host's uplink for the VNet, else the first host's that has one.
    fn uplink(&self, vnet: &NumberedVnet<'_>) -> Option<NicId> {
        let own = vnet.uplinks.iter().find(|it| it.host == self.index);
        own.or(vnet.uplinks.first()).map(|it| it.id)
    }

    /// The VNet's peering objects and those that point back, with the relations that they make.
    fn add_links(&mut self, vnet: &NumberedVnet<'_>) {
        let network = self.network;
        for peering in &vnet.peerings {
            self.add_link(vnet.id, peering);
            let back = peering.peering.reverse.and_then(|index| network.peering(index));
            if let Some(back) = back {
                self.add_link(peering.remote, back);
            }
        }
    }

    fn add_link(&mut self, vnet: VnetId, peering: &NumberedPeering<'_>) {
        let remote = peering.remote;
        let link = abi::Link { flags: flags(peering), vnet, remote, reverse: peering.reverse };
        self.desired.links.insert(peering.link, link);
        self.desired.relations.insert(abi::RelationKey { vnet, remote }, peering.link);
    }
}

fn flags(peering: &NumberedPeering<'_>) -> u32 {
    let bits = [
        (peering.connected, link_flags::CONNECTED),
        (peering.peering.allow_virtual_network_access, link_flags::ALLOW_ACCESS),
        (peering.takes_forwarded(), link_flags::ALLOW_FORWARDED),
        (peering.peering.use_remote_gateways, link_flags::USE_REMOTE_GATEWAYS),
        (peering.global, link_flags::GLOBAL),
    ];
    bits.into_iter().filter(|(set, _)| *set).fold(0, |flags, (_, bit)| flags | bit)
}

fn hop(route: &Route, vnet: &NumberedVnet<'_>, uplink: Option<NicId>) -> Hop {
    let is_shared = vnet.joined.is_some() && route.source == RouteSource::Default;
    let nowhere = |kind: u16| abi::NextHop { kind, ..abi::NextHop::default() };
    let local = |kind, target| abi::NextHop { kind, target, ..abi::NextHop::default() };
    Hop::One(match &route.hop {
        RouteHop::VnetLocal if is_shared => groups::own_hop(vnet),
        RouteHop::VnetLocal => local(next_hop_kind::VNET, vnet.id.0),
        RouteHop::Internet => match uplink {
            Some(nic) => local(next_hop_kind::NIC, nic.0),
            None => nowhere(next_hop_kind::NO_UPLINK),
        },
        // Which are in no list of single routes.
        RouteHop::None | RouteHop::ConnectedGroup { .. } => nowhere(next_hop_kind::NONE),
        RouteHop::Peering { remote, link, reverse, .. } => abi::NextHop {
            kind: next_hop_kind::VNET,
            class: 0,
            target: remote.0,
            link: *link,
            reverse: *reverse,
        },
        RouteHop::Appliance { resolved: Ok(it), .. }
        | RouteHop::Gateway { resolved: Ok(it), .. } => appliance(it),
        RouteHop::Appliance { resolved: Err(_), .. }
        | RouteHop::Gateway { resolved: Err(_), .. } => nowhere(next_hop_kind::UNREACHABLE),
        RouteHop::Appliances(members) => return spread(members.iter().flat_map(|(_, it)| it)),
        RouteHop::Balanced { members, .. } => return spread(members.iter().flatten()),
    })
}

fn appliance(it: &Appliance) -> abi::NextHop {
    abi::NextHop {
        kind: next_hop_kind::NIC,
        class: 0,
        target: it.nic.0,
        link: it.link,
        reverse: it.reverse,
    }
}

/// Those of several appliances that can be reached.
fn spread<'a>(members: impl Iterator<Item = &'a Appliance>) -> Hop {
    let mut hops: Vec<_> = members.map(appliance).collect();
    hops.sort_unstable();
    hops.dedup();
    if hops.is_empty() {
        let kind = next_hop_kind::UNREACHABLE;
        return Hop::One(abi::NextHop { kind, ..abi::NextHop::default() });
    }
    Hop::Spread { class: 0, members: hops.into() }
}

fn config(host: &Host, datapath: &DatapathFacts) -> abi::Config {
    let of = |v4: bool| {
        let address = host.underlay_addresses.iter().find(|address| address.is_ipv4() == v4);
        address.map_or_else(Addr::default, |address| Addr::from(*address))
    };
    abi::Config {
        vtep: [of(true), of(false)],
        event_mask: EVENT_MASK,
        tick_rate: datapath.tick_rate,
        cache_mask: datapath.cache_sets.map(|sets| sets.saturating_sub(1)),
        ..abi::Config::default()
    }
}

/// Groups addresses: the first of each family, and the others.
fn split_addresses(addresses: &[IpAddr]) -> ([u8; 4], [u8; 16], Vec<IpAddr>) {
    let (mut ipv4, mut ipv6, mut more) = (None, None, Vec::new());
    for address in addresses {
        match address {
            IpAddr::V4(v4) if ipv4.is_none() => ipv4 = Some(v4.octets()),
            IpAddr::V6(v6) if ipv6.is_none() => ipv6 = Some(v6.octets()),
            _ => more.push(*address),
        }
    }
    (ipv4.unwrap_or_default(), ipv6.unwrap_or_default(), more)
}
