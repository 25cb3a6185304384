//! Load balancers and connected groups in a world.

use std::collections::BTreeMap;

use vnetpeer_common::{
    abi::{
        Balancer, Entry, FrontendKey, Link, NextHop, Nic, Node4, TRIE_FANOUT, address_class,
        balancer_flags, group_member, link_flags, next_hop_kind, nic_flags,
    },
    types::{BalancerId, LinkId, NicId, TableId, VnetId},
};

use super::{Vm, World};
use crate::capacity;

/// The first of the nodes that hold slots, downwards.
const SLOTS_NODE: u32 = capacity::TRIE_V4 - 2;

impl World {
    /// A frontend with the addresses of `vm`, which is no machine.
    pub fn add_frontend(&mut self, vm: &Vm) {
        let flags = nic_flags::PRESENT | nic_flags::FRONTEND | vm.flags;
        let (vnet, ipv4, ipv6) = (vm.vnet, vm.v4.octets(), vm.v6.octets());
        self.nics.insert(vm.nic, Nic { flags, vnet, ipv4, ipv6, ..Nic::default() });
        let spaces = self.vnets.get_mut(&vm.vnet).expect("a network of the world");
        spaces.endpoints.push((std::net::IpAddr::from(vm.v4).into(), vm.nic.0));
        spaces.endpoints.push((std::net::IpAddr::from(vm.v6).into(), vm.nic.0));
    }

    /// A load balancing rule. Slots are dealt out in turn.
    pub fn balance(&mut self, key: FrontendKey, rule: Balancer, members: &[NicId]) {
        let number = u32::try_from(self.balancers.len()).expect("a few rules");
        let slots = if members.is_empty() { 0 } else { SLOTS_NODE - number };
        if slots != 0 {
            self.slots.insert(slots, members.to_vec());
        }
        let id = BalancerId(number + 1);
        let flags = rule.flags | balancer_flags::PRESENT;
        self.balancers.insert(id, Balancer { flags, frontend: key.frontend, slots, ..rule });
        self.frontends.insert(key, id);
    }

    /// The nodes of the rules' slots.
    pub(super) fn slot_nodes(&self) -> BTreeMap<u32, Node4> {
        let node = |members: &Vec<NicId>| {
            let leaf = |slot: usize| Entry::leaf(members[slot % members.len()].0);
            Node4 { children: std::array::from_fn::<Entry, TRIE_FANOUT, _>(leaf) }
        };
        self.slots.iter().map(|(index, members)| (*index, node(members))).collect()
    }

    /// Joins networks, each with the link by which it meters its region and the one for others, with the table
    /// of its routes and its prefixes.
    pub fn connect_group(&mut self, members: &[Member]) {
        for member in members {
            let flags =
                link_flags::CONNECTED | link_flags::ALLOW_ACCESS | link_flags::CONNECTED_GROUP;
            for (link, global) in member.links.into_iter().zip([0, link_flags::GLOBAL]) {
                let flags = flags | global;
                let link_entry = Link { flags, vnet: member.vnet, ..Link::default() };
                self.links.insert(link, link_entry);
            }
            let spaces = self.vnets.get_mut(&member.vnet).expect("a network of the world");
            (spaces.region, spaces.group_links) = (member.region, member.links);
            for prefix in members.iter().flat_map(|it| it.prefixes.map(|text| (it, text))) {
                let leaf = group_member(prefix.0.vnet);
                let net: ipnet::IpNet = prefix.1.parse().expect("a prefix");
                spaces.peers.retain(|(other, _)| *other != net);
                spaces.peers.push((net, leaf));
            }
            for other in members {
                let next = NextHop {
                    kind: next_hop_kind::CONNECTED_GROUP,
                    class: address_class::VIRTUAL_NETWORK,
                    target: other.vnet.0,
                    ..NextHop::default()
                };
                for prefix in other.prefixes {
                    self.add_route(member.table, prefix, next);
                }
            }
        }
    }
}

/// A network in a connected group.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// The network.
    pub vnet: VnetId,
    /// Its region.
    pub region: u32,
    /// [`vnetpeer_common::abi::Vnet::group_links`].
    pub links: [LinkId; 2],
    /// Its routes.
    pub table: TableId,
    /// Its address space.
    pub prefixes: [&'static str; 2],
}
