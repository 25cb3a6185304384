//! A small fixed network as the maps of one host, and how to change it for one case.

mod balancer;
mod image;
mod network;
mod policy;
mod trie;

pub use self::{
    balancer::Member,
    image::{Image, open_filter},
    network::{
        A_TO_B, A_TO_HUB, A_UPLINK, B_TO_A, B_TO_HUB, FOREIGN, FOREIGN_VM1, FOREIGN_VM2, HOST1_V4,
        HOST1_V6, HOST2, HOST2_V4, HOST3, HOST3_V6, HUB, HUB_NVA, HUB_NVA2, HUB_TO_A, HUB_TO_B,
        HUB_VM1, LINK_ALL, OFFSHORE, OFFSHORE_VM1, TABLE_A, TABLE_A_CHAIN, TABLE_B, TABLE_FOREIGN,
        TABLE_HUB, TENANT_A, TENANT_A_VM1, TENANT_A_VM2, TENANT_A_VM3, TENANT_A_VM4, TENANT_B,
        TENANT_B_VM1, TENANT_B_VM2, TENANT_B_VM3, UNKNOWN_HOST_V4, Vm, host_mac,
    },
    policy::{Policy, Rule, Side},
    trie::{Nodes, Prefixes, everything, linear_scan},
};

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use vnetpeer_common::{
    abi::{
        AddressKey, Balancer, Config, Filter, FrontendKey, Link, NextHop, Nic, RelationKey, Vtep,
        address_class, next_hop_kind,
    },
    types::{Addr, BalancerId, LinkId, NextHopId, NicId, PolicyId, TableId, VnetId, VtepId},
};

use crate::capacity;

/// The trie node whose children are the members of a spread next hop.
const SPREAD_NODE: u32 = capacity::TRIE_V4 - 1;

/// What the maps of one host should say, with prefixes in place of tries.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Settings of the host.
    pub config: Config,
    /// Interfaces of workloads.
    pub interfaces: BTreeMap<u32, NicId>,
    /// NICs, local and remote.
    pub nics: BTreeMap<NicId, Nic>,
    /// Further addresses of NICs.
    pub addresses: BTreeSet<AddressKey>,
    /// Virtual networks.
    pub vnets: BTreeMap<VnetId, VnetSpaces>,
    /// Effective routes; values are next hops.
    pub routes: BTreeMap<TableId, Vec<(IpNet, NextHop)>>,
    /// Next hops that a spread one names, see [`World::spread_over`].
    pub spread: Vec<NextHop>,
    /// Links.
    pub links: BTreeMap<LinkId, Link>,
    /// Which link a VNet has towards another.
    pub relations: BTreeMap<RelationKey, LinkId>,
    /// Load balancing rules, see [`World::balance`].
    pub balancers: BTreeMap<BalancerId, Balancer>,
    /// Backends by the node that holds a rule's slots.
    pub slots: BTreeMap<u32, Vec<NicId>>,
    /// Which packets they take.
    pub frontends: BTreeMap<FrontendKey, BalancerId>,
    /// Remote hosts.
    pub vteps: BTreeMap<VtepId, Vtep>,
    /// Remote hosts by address.
    pub vtep_addresses: BTreeMap<Addr, VtepId>,
    /// What judges NICs, by slot; a local NIC that is missing here has no policies.
    pub filters: BTreeMap<u32, Filter>,
    /// Policies that filters name.
    pub policies: BTreeMap<PolicyId, Policy>,
}

/// A virtual network's own and its peers' address spaces.
#[derive(Clone, Debug, Default)]
pub struct VnetSpaces {
    /// Whether a NIC of it lives here.
    pub hosted: bool,
    /// As [`vnetpeer_common::abi::Vnet::region`].
    pub region: u32,
    /// As [`vnetpeer_common::abi::Vnet::group_links`].
    pub group_links: [LinkId; 2],
    /// Own space: value 0, and NIC ids for single addresses.
    pub endpoints: Prefixes,
    /// Peers' spaces: values are link ids.
    pub peers: Prefixes,
}

impl World {
    /// Changes the flags of a link.
    pub fn set_link(&mut self, link: LinkId, flags: u32) {
        self.links.get_mut(&link).expect("a link of the network").flags = flags;
    }

    /// A NIC's entry.
    pub fn nic_mut(&mut self, vm: &Vm) -> &mut Nic {
        self.nics.get_mut(&vm.nic).expect("a NIC of the network")
    }

    /// A remote host's entry.
    pub fn vtep_mut(&mut self, host: VtepId) -> &mut Vtep {
        self.vteps.get_mut(&host).expect("a host of the network")
    }

    /// Gives a table one more route.
    pub fn add_route(&mut self, table: TableId, prefix: &str, next: NextHop) {
        let prefix: IpNet = prefix.parse().expect("a prefix");
        let routes = self.routes.get_mut(&table).expect("a table of the network");
        routes.retain(|(other, _)| *other != prefix);
        routes.push((prefix, next));
    }

    /// A next hop that spreads flows evenly over `members`; a world has at most one.
    pub fn spread_over(&mut self, members: &[NextHop]) -> NextHop {
        self.spread = members.to_vec();
        NextHop {
            kind: next_hop_kind::SPREAD,
            class: address_class::VIRTUAL_NETWORK,
            target: SPREAD_NODE,
            ..NextHop::default()
        }
    }

    /// The contents of the maps.
    pub fn image(&self) -> Image {
        Image::new(self)
    }

    /// Ids of the next hops, in the order of first use.
    fn next_hops(&self) -> BTreeMap<NextHop, NextHopId> {
        let distinct: BTreeSet<NextHop> = self
            .routes
            .values()
            .flatten()
            .map(|(_, next)| *next)
            .chain(self.spread.clone())
            .collect();
        distinct.into_iter().zip((1..).map(NextHopId)).collect()
    }
}
