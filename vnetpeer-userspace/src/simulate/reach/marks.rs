//! Prefixes by which rules and routes tell addresses apart. Addresses in the same ones fare alike.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
    sync::Arc,
};

use ipnet::IpNet;

use crate::topology::{
    model::{ConnectionRemote, Endpoints, Nic, RuleSide, ServiceTag, Topology},
    network::Network,
};

/// Prefixes, found by the addresses in them.
#[derive(Debug, Default)]
struct Prefixes {
    all: HashSet<IpNet>,
    lengths: BTreeSet<(bool, u8)>,
}

impl Prefixes {
    fn extend<'a>(&mut self, prefixes: impl IntoIterator<Item = &'a IpNet>) {
        for prefix in prefixes.into_iter().map(IpNet::trunc) {
            self.lengths.insert((prefix.addr().is_ipv4(), prefix.prefix_len()));
            self.all.insert(prefix);
        }
    }

    fn around(&self, address: IpAddr) -> Vec<IpNet> {
        let lengths = self.lengths.iter().filter(|(v4, _)| *v4 == address.is_ipv4());
        let prefixes = lengths.filter_map(|(_, len)| Some(IpNet::new(address, *len).ok()?.trunc()));
        prefixes.filter(|prefix| self.all.contains(prefix)).collect()
    }
}

/// The prefixes of one network.
#[derive(Debug, Default)]
pub(super) struct Marks {
    rules: Prefixes,
    routes: Prefixes,
    carriers: HashMap<IpAddr, BTreeSet<usize>>,
}

impl Marks {
    pub(super) fn new(network: &Network<'_>) -> Self {
        let mut marks = Self::default();
        let topology = network.topology;
        let groups = topology.security_groups.iter().flat_map(|group| &group.rules);
        let rules = groups.chain(topology.admin_rules.iter().flat_map(|admin| &admin.rules));
        for side in rules.flat_map(|rule| [&rule.source, &rule.destination]) {
            marks.rules.extend(of_side(side));
        }
        for route in topology.route_tables.iter().flat_map(|table| &table.routes) {
            marks.routes.extend([&route.prefix]);
        }
        for peering in &topology.peerings {
            let record = network.state.peering(&peering.id);
            let space = record.into_iter().flat_map(|record| &record.remote_address_space);
            marks.routes.extend(space);
        }
        // Members of the same connected groups have the same prefixes.
        let joined = network.vnets().iter().filter_map(|vnet| vnet.joined.as_ref());
        let joined: HashMap<_, _> = joined.map(|it| (Arc::as_ptr(it), it)).collect();
        for (prefix, _) in joined.values().flat_map(|it| it.owners().iter()) {
            marks.routes.extend([&prefix]);
        }
        let connections = topology.gateways.iter().flat_map(|gateway| &gateway.connections);
        for connection in connections {
            if let ConnectionRemote::LocalNetwork(prefixes) = &connection.remote {
                marks.routes.extend(prefixes);
            }
        }
        marks.routes.extend(network.facts.learned.values().flatten());
        for (number, carriers) in carriers(topology).into_iter().enumerate() {
            for carrier in carriers {
                marks.carriers.entry(carrier).or_default().insert(number);
            }
        }
        marks
    }

    /// What rules know of an address of a NIC, or of an address that no NIC has.
    pub(super) fn of_rules(&self, address: IpAddr, nic: Option<&Nic>) -> RuleMarks {
        let mut groups: Vec<usize> = nic
            .into_iter()
            .flat_map(|nic| nic.application_security_groups.iter().map(|group| group.0))
            .collect();
        groups.sort_unstable();
        (self.rules.around(address), groups)
    }

    /// What routes know of an address.
    pub(super) fn of_routes(&self, address: IpAddr) -> RouteMarks {
        let carries = self.carriers.get(&address).into_iter().flatten().copied().collect();
        (self.routes.around(address), carries)
    }
}

/// Addresses that carry what is sent to others, in sets of those that carry the same: appliances of a route, and
/// members of a backend pool. What is for a carrier itself has arrived where the packets to its neighbours are still to
/// be forwarded.
fn carriers(topology: &Topology) -> BTreeSet<BTreeSet<IpAddr>> {
    let routes = topology.route_tables.iter().flat_map(|table| &table.routes);
    let appliances = routes.map(|route| route.next_hop.appliances().iter().copied().collect());
    let pools = topology.load_balancers.iter().flat_map(|balancer| &balancer.pools);
    let backends = pools.map(|pool| pool.members.iter().map(|it| it.address).collect());
    appliances.chain(backends).collect()
}

/// Prefixes around an address, and the application security groups of its NIC.
pub(super) type RuleMarks = (Vec<IpNet>, Vec<usize>);

/// Prefixes around an address, and numbers of the sets in which it carries for others.
pub(super) type RouteMarks = (Vec<IpNet>, Vec<usize>);

fn of_side(side: &RuleSide) -> &[IpNet] {
    match &side.endpoints {
        Endpoints::Prefixes(prefixes) | Endpoints::Tag(ServiceTag::Prefixes { prefixes, .. }) => {
            prefixes
        }
        Endpoints::Any | Endpoints::Tag(_) | Endpoints::Groups(_) => &[],
    }
}

/// Numbers for equal marks.
#[derive(Debug, Default)]
pub(super) struct Interned(HashMap<RuleMarks, u32>);

impl Interned {
    pub(super) fn number(&mut self, marks: RuleMarks) -> u32 {
        let next = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        *self.0.entry(marks).or_insert(next)
    }
}
