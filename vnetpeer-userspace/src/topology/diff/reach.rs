//! Which subnet reaches which: a packet is followed from subnet to subnet by effective routes,
//! through the appliances that they name.
//!
//! A subnet stands for all of its addresses by one: the first that a NIC could have. A route that
//! covers only a part of a subnet is therefore seen only if it covers that address. Every subnet is
//! taken to have NICs; an appliance has the NIC that the topology says.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Serialize;
use vnetpeer_common::types::{NicId, VnetId};

use crate::topology::{
    model::{Nic, ResourceId, RouteTableIndex, VnetIndex},
    network::{Network, NumberedPeering, NumberedVnet},
    routes::{RouteHop, effective_routes},
};

/// Appliances that a packet may pass on its way; more is a loop.
const HOPS_MAX: usize = 8;

/// Azure keeps the first four addresses of a subnet, so the fifth is the first of a NIC.
const FIRST_NIC_ADDRESS: u32 = 4;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Family {
    /// IPv4.
    IPv4,
    /// IPv6.
    IPv6,
}

/// A subnet that can send to another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SubnetPair {
    /// The sender.
    pub source: ResourceId,
    /// The receiver.
    pub destination: ResourceId,
    /// The family in which it can.
    pub family: Family,
}

/// All pairs of different subnets of which the first reaches the second.
pub fn reachable(network: &Network<'_>) -> BTreeSet<SubnetPair> {
    let reach = Reach::new(network);
    let mut found = BTreeSet::new();
    for source in &reach.subnets {
        for destination in reach.candidates(source) {
            let same_family = source.address.is_ipv4() == destination.address.is_ipv4();
            if same_family && source.id != destination.id && reach.reaches(source, destination) {
                let v4 = source.address.is_ipv4();
                found.insert(SubnetPair {
                    source: source.id.clone(),
                    destination: destination.id.clone(),
                    family: if v4 { Family::IPv4 } else { Family::IPv6 },
                });
            }
        }
    }
    found
}

/// A subnet in one family.
struct Place<'a> {
    id: &'a ResourceId,
    vnet: VnetIndex,
    table: Option<RouteTableIndex>,
    address: IpAddr,
}

/// Active routes by prefix.
struct Table {
    hops: HashMap<IpNet, RouteHop>,
    lengths: BTreeSet<(bool, u8)>,
    has_appliances: bool,
}

struct Reach<'a> {
    network: &'a Network<'a>,
    subnets: Vec<Place<'a>>,
    by_vnet: BTreeMap<VnetIndex, Vec<usize>>,
    tables: BTreeMap<(VnetIndex, Option<RouteTableIndex>), Table>,
    vnets: HashMap<VnetId, VnetIndex>,
    nics: HashMap<NicId, &'a Nic>,
}

impl<'a> Reach<'a> {
    fn new(network: &'a Network<'a>) -> Self {
        let mut reach = Self {
            network,
            subnets: Vec::new(),
            by_vnet: BTreeMap::new(),
            tables: BTreeMap::new(),
            vnets: HashMap::new(),
            nics: HashMap::new(),
        };
        for vnet in network.vnets() {
            reach.vnets.insert(vnet.id, vnet.index);
            reach.nics.extend(vnet.nics.iter().map(|it| (it.id, it.nic)));
            for (table, _) in network.tables(vnet.index) {
                if let Some(routes) = effective_routes(network, vnet.index, table) {
                    let hops = routes.active().map(|route| (route.prefix, route.hop.clone()));
                    reach.tables.insert((vnet.index, table), Table::new(hops.collect()));
                }
            }
            for subnet in &vnet.vnet.subnets {
                for prefix in &subnet.prefixes {
                    reach.by_vnet.entry(vnet.index).or_default().push(reach.subnets.len());
                    reach.subnets.push(Place {
                        id: &subnet.id,
                        vnet: vnet.index,
                        table: subnet.route_table,
                        address: representative(*prefix),
                    });
                }
            }
        }
        reach
    }

    /// Subnets that a route of the source's table can lead to: those of its VNet and of its peers,
    /// and all if there is an appliance.
    fn candidates(&self, source: &Place<'_>) -> Vec<&Place<'a>> {
        let table = self.tables.get(&(source.vnet, source.table));
        if table.is_some_and(|table| table.has_appliances) {
            return self.subnets.iter().collect();
        }
        let own = self.network.vnet(source.vnet);
        let peers = own.into_iter().flat_map(|vnet| &vnet.peerings);
        let peers = peers.filter(|peering| peering.connected).map(|it| it.peering.remote);
        let vnets = peers.chain([source.vnet]).filter_map(|vnet| self.by_vnet.get(&vnet));
        vnets.flatten().filter_map(|index| self.subnets.get(*index)).collect()
    }

    fn reaches(&self, source: &Place<'_>, destination: &Place<'_>) -> bool {
        let mut at = (source.vnet, source.table);
        for _ in 0..HOPS_MAX {
            let hop = self.tables.get(&at).and_then(|table| table.lookup(destination.address));
            let (target, appliance) = match hop {
                Some(RouteHop::VnetLocal) => (at.0, None),
                Some(RouteHop::Peering { remote, .. }) => match self.vnets.get(&remote) {
                    Some(vnet) => (*vnet, None),
                    None => return false,
                },
                Some(
                    RouteHop::Appliance { resolved: Ok(appliance), .. }
                    | RouteHop::Gateway { resolved: Ok(appliance), .. },
                ) => {
                    match self.nics.get(&appliance.nic) {
                        Some(nic) => (nic.vnet, Some(*nic)),
                        None => return false,
                    }
                }
                _ => return false,
            };
            if target != at.0 && !self.admits(at.0, target, source.address) {
                return false;
            }
            let Some(nic) = appliance else { return target == destination.vnet };
            let subnet = self.network.topology.subnet(nic.vnet, nic.subnet);
            if !nic.enable_ip_forwarding {
                return false;
            }
            at = (nic.vnet, subnet.and_then(|subnet| subnet.route_table));
        }
        false
    }

    /// Whether a packet from `source` may cross from one VNet into another.
    fn admits(&self, from: VnetIndex, to: VnetIndex, source: IpAddr) -> bool {
        let find = |own: VnetIndex, remote: VnetIndex| -> Option<&NumberedPeering<'_>> {
            let vnet: &NumberedVnet<'_> = self.network.vnet(own)?;
            vnet.peerings.iter().find(|it| it.peering.remote == remote)
        };
        let (Some(out), Some(into)) = (find(from, to), find(to, from)) else { return false };
        let own = into.space().iter().any(|prefix| prefix.contains(&source));
        out.connected
            && out.peering.allow_virtual_network_access
            && into.peering.allow_virtual_network_access
            && (own || into.peering.allow_forwarded_traffic)
    }
}

impl Table {
    fn new(hops: HashMap<IpNet, RouteHop>) -> Self {
        let lengths = hops.keys().map(|net| (net.addr().is_ipv4(), net.prefix_len())).collect();
        let has_appliances = hops.values().any(|hop| matches!(hop, RouteHop::Appliance { .. }));
        Self { hops, lengths, has_appliances }
    }

    fn lookup(&self, address: IpAddr) -> Option<RouteHop> {
        let lengths = self.lengths.iter().rev().filter(|(v4, _)| *v4 == address.is_ipv4());
        let mut prefixes = lengths.filter_map(|(_, len)| IpNet::new(address, *len).ok());
        prefixes.find_map(|prefix| self.hops.get(&prefix.trunc()).cloned())
    }
}

fn representative(prefix: IpNet) -> IpAddr {
    match prefix {
        IpNet::V4(net) => {
            let first = u32::from(net.network());
            let host = FIRST_NIC_ADDRESS & u32::from(net.hostmask());
            IpAddr::V4((first | host).into())
        }
        IpNet::V6(net) => {
            let first = u128::from(net.network());
            let host = u128::from(FIRST_NIC_ADDRESS) & u128::from(net.hostmask());
            IpAddr::V6((first | host).into())
        }
    }
}
