//! An image of the kernel's maps that knows nothing of plans.

use super::*;
use crate::topology::{
    desired::{Hop, Peer},
    plan::RawMaps,
    trie::tests::lookup,
};
use vnetpeer_common::{
    abi::next_hop_kind,
    types::{BalancerId, PolicyId, TableId, VnetId, VtepId},
};

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Image {
    pub(super) ifaces: BTreeMap<u32, NicId>,
    pub(super) nics: BTreeMap<NicId, abi::Nic>,
    pub(super) vnets: BTreeMap<VnetId, abi::Vnet>,
    pub(super) routes: BTreeMap<TableId, abi::Roots>,
    pub(super) trie_v4: BTreeMap<u32, abi::Node4>,
    pub(super) trie_v6: BTreeMap<u32, abi::Node6>,
    pub(super) next_hops: BTreeMap<u32, abi::NextHop>,
    pub(super) links: BTreeMap<LinkId, abi::Link>,
    pub(super) relations: BTreeMap<abi::RelationKey, LinkId>,
    pub(super) balancers: BTreeMap<BalancerId, abi::Balancer>,
    pub(super) frontends: BTreeMap<abi::FrontendKey, BalancerId>,
    pub(super) vteps: BTreeMap<VtepId, abi::Vtep>,
    pub(super) vtep_addrs: BTreeMap<Addr, VtepId>,
    pub(super) nic_addrs: BTreeSet<abi::AddressKey>,
    pub(super) filters: BTreeMap<u32, abi::Filter>,
    pub(super) policies: BTreeMap<PolicyId, u32>,
    pub(super) classifiers: BTreeMap<u32, abi::Classifier>,
    pub(super) rows: BTreeMap<u32, abi::Row>,
    pub(super) config: abi::Config,
}

impl Image {
    pub(super) fn apply(&mut self, op: &Op) {
        match op.clone() {
            Op::SetNode4 { index, node } => drop(self.trie_v4.insert(index, *node)),
            Op::SetNode6 { index, node } => drop(self.trie_v6.insert(index, *node)),
            Op::SetNextHop { id, next_hop } => drop(self.next_hops.insert(id.0, next_hop)),
            Op::SetIface { ifindex, nic } => drop(self.ifaces.insert(ifindex, nic)),
            Op::SetNic { id, nic } => drop(self.nics.insert(id, nic)),
            Op::SetVnet { id, vnet } => drop(self.vnets.insert(id, vnet)),
            Op::SetRoutes { id, roots } => drop(self.routes.insert(id, roots)),
            Op::SetLink { id, link } => drop(self.links.insert(id, link)),
            Op::SetRelation { key, link } => drop(self.relations.insert(key, link)),
            Op::DeleteRelation { key } => drop(self.relations.remove(&key)),
            Op::SetBalancer { id, balancer } => drop(self.balancers.insert(id, balancer)),
            Op::SetFrontend { key, id } => drop(self.frontends.insert(key, id)),
            Op::DeleteFrontend { key } => drop(self.frontends.remove(&key)),
            Op::SetVtep { id, vtep } => drop(self.vteps.insert(id, vtep)),
            Op::SetVtepAddr { addr, id } => drop(self.vtep_addrs.insert(addr, id)),
            Op::DeleteVtepAddr { addr } => drop(self.vtep_addrs.remove(&addr)),
            Op::SetNicAddr { key } => assert!(self.nic_addrs.insert(key)),
            Op::DeleteNicAddr { key } => assert!(self.nic_addrs.remove(&key)),
            Op::SetRow { index, row } => drop(self.rows.insert(index, *row)),
            Op::SetClassifier { index, classifier } => {
                self.classifiers.insert(index, *classifier);
            }
            Op::SetPolicy { id, classifier } => drop(self.policies.insert(id, classifier)),
            Op::SetFilter { slot, filter } => drop(self.filters.insert(slot, filter)),
            Op::SetConfig { config } => self.config = config,
            Op::ZeroMeter { .. } | Op::ZeroDrops { .. } => {}
        }
    }

    /// As read back, entries of zeros included.
    pub(super) fn raw(&self) -> RawMaps {
        fn list<K: Copy, V: Copy>(map: &BTreeMap<K, V>) -> Vec<(K, V)> {
            map.iter().map(|(key, value)| (*key, *value)).collect()
        }
        RawMaps {
            ifaces: list(&self.ifaces),
            nics: list(&self.nics),
            vnets: list(&self.vnets),
            routes: list(&self.routes),
            trie_v4: list(&self.trie_v4),
            trie_v6: list(&self.trie_v6),
            // Whoever reads the maps back leaves out what is zero, a next hop of type None among it.
            next_hops: list(&self.next_hops)
                .into_iter()
                .filter(|(_, hop)| *hop != abi::NextHop::default())
                .collect(),
            links: list(&self.links),
            relations: list(&self.relations),
            balancers: list(&self.balancers),
            frontends: list(&self.frontends),
            vteps: list(&self.vteps),
            vtep_addrs: list(&self.vtep_addrs),
            nic_addrs: self.nic_addrs.iter().copied().collect(),
            filters: list(&self.filters),
            policies: list(&self.policies),
            classifiers: list(&self.classifiers),
            rows: list(&self.rows),
            config: self.config,
        }
    }

    pub(super) fn lookup(&self, roots: abi::Roots, addr: Addr) -> Option<u32> {
        match std::net::IpAddr::from(addr) {
            std::net::IpAddr::V4(ip) => {
                let address = u128::from(u32::from(ip)) << 96;
                lookup(|it| self.trie_v4.get(&it).copied(), roots.v4, address)
            }
            std::net::IpAddr::V6(ip) => {
                lookup(|it| self.trie_v6.get(&it).copied(), roots.v6, u128::from(ip))
            }
        }
    }

    /// The kernel holds what was desired: tables by lookups, everything else entry by entry.
    pub(super) fn check(&self, desired: &Desired) {
        let used = |it: &NicId| it.is_some();
        let ifaces = self.ifaces.iter().filter(|it| used(it.1));
        assert!(ifaces.eq(desired.ifaces.iter()));
        let nics = self.nics.iter().filter(|it| *it.1 != abi::Nic::default());
        assert!(nics.map(|(id, nic)| (*id, without_epoch(nic))).eq(desired.nics.clone()));
        self.check_policies(desired);
        assert_eq!(self.nic_addrs, desired.nic_addresses);
        assert_eq!(self.relations, desired.relations);
        assert_eq!(abi::Config { epoch: 0, ..self.config }, desired.config);
        assert_eq!(self.config.epoch % 2, 0, "the plan is finished");
        for (id, link) in &self.links {
            let wanted = desired.links.get(id).copied();
            assert!(wanted == Some(*link) || (wanted.is_none() && link.flags == 0));
        }
        let vteps = self.vteps.iter().filter(|it| *it.1 != abi::Vtep::default());
        assert!(vteps.eq(desired.vteps.iter()));
        assert_eq!(self.vtep_addrs.len(), desired.vteps.len());
        let hop = |it: u32| self.hop(it);
        for (id, roots) in &self.routes {
            match desired.routes.get(id) {
                Some(table) => self.check_table(*roots, &table.merged(), hop),
                None => assert_eq!(*roots, abi::Roots::default()),
            }
        }
        for (id, vnet) in &self.vnets {
            match desired.vnets.get(id) {
                Some(tables) => {
                    assert_eq!(vnet.flags != 0, tables.hosted);
                    self.check_table(vnet.endpoints, &tables.endpoints, NicId);
                    self.check_table(vnet.peers, &tables.peers.merged(), peer);
                    assert_eq!(vnet.region, tables.region);
                    assert_eq!(vnet.group_links, tables.group_links);
                }
                None => assert_eq!(*vnet, abi::Vnet::default()),
            }
        }
        assert!(desired.vnets.keys().all(|id| self.vnets.contains_key(id)));
        assert!(desired.routes.keys().all(|id| self.routes.contains_key(id)));
    }

    /// The next hop with this number as it was desired.
    fn hop(&self, number: u32) -> Hop {
        let hop = self.next_hops[&number];
        if hop.kind != next_hop_kind::SPREAD {
            return Hop::One(hop);
        }
        let slots = self.trie_v4[&hop.target].children.iter().filter_map(|slot| slot.as_leaf());
        let members: BTreeSet<abi::NextHop> = slots.map(|it| self.next_hops[&it]).collect();
        assert!(members.iter().all(|it| it.class == hop.class));
        let members = members.into_iter().map(|it| abi::NextHop { class: 0, ..it });
        Hop::Spread { class: hop.class, members: members.collect() }
    }

    fn check_table<T: PartialEq + Clone + std::fmt::Debug>(
        &self,
        roots: abi::Roots,
        table: &PrefixTable<T>,
        value: impl Fn(u32) -> T,
    ) {
        for probe in probes(table) {
            let expected = match probe {
                std::net::IpAddr::V4(ip) => {
                    let covering = table.v4.iter().filter(|(net, _)| net.contains(&ip));
                    covering.max_by_key(|(net, _)| net.prefix_len()).map(|it| it.1.clone())
                }
                std::net::IpAddr::V6(ip) => {
                    let covering = table.v6.iter().filter(|(net, _)| net.contains(&ip));
                    covering.max_by_key(|(net, _)| net.prefix_len()).map(|it| it.1.clone())
                }
            };
            assert_eq!(self.lookup(roots, Addr::from(probe)).map(&value), expected, "{probe}");
        }
    }

    pub(super) fn check_observed(&self, observed: &Observed) {
        let read = Observed::adopt(self.raw(), PoolCapacities::default());
        assert_eq!(read.ifaces, observed.ifaces);
        assert_eq!(read.nics, observed.nics);
        assert_eq!(read.vnets, observed.vnets);
        assert_eq!(read.routes, observed.routes);
        assert_eq!(read.links, observed.links);
        assert_eq!(read.balancers, observed.balancers);
        assert_eq!(read.frontends, observed.frontends);
        assert_eq!(read.vteps, observed.vteps);
        assert_eq!(read.vtep_addrs, observed.vtep_addrs);
        assert_eq!(read.trie_v4.used(), observed.trie_v4.used());
        assert_eq!(read.trie_v6.used(), observed.trie_v6.used());
        assert_eq!(read.next_hops.used(), observed.next_hops.used());
        assert_eq!(read.filters, observed.filters);
        assert_eq!(read.policies, observed.policies);
        assert_eq!(read.config, observed.config);
        assert_eq!(read.classifiers.used(), observed.classifiers.used());
        assert_eq!(read.rows.used(), observed.rows.used());
        let built = read.remember(observed).built;
        assert_eq!(built.len(), observed.built.len());
    }
}

fn without_epoch(nic: &abi::Nic) -> abi::Nic {
    abi::Nic { epoch: 0, ..*nic }
}

fn peer(leaf: u32) -> Peer {
    match (abi::member_of_group(leaf), leaf) {
        (vnet, _) if vnet.is_some() => Peer::Member(vnet),
        (_, 0) => Peer::Nobody,
        (_, link) => Peer::Link(LinkId(link)),
    }
}

/// Addresses at the edges of every prefix of a table.
fn probes<T>(table: &PrefixTable<T>) -> Vec<std::net::IpAddr> {
    let mut found = vec![[0; 4].into(), [8, 8, 8, 8].into(), [0_u16; 8].into()];
    for net in table.v4.keys() {
        let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
        let edges = [first.wrapping_sub(1), first, last, last.wrapping_add(1)];
        found.extend(edges.map(|it| std::net::IpAddr::V4(it.into())));
    }
    for net in table.v6.keys() {
        let (first, last) = (u128::from(net.network()), u128::from(net.broadcast()));
        let edges = [first.wrapping_sub(1), first, last, last.wrapping_add(1)];
        found.extend(edges.map(|it| std::net::IpAddr::V6(it.into())));
    }
    found
}
