//! Who should reach whom, by following effective routes from NIC to NIC.
//!
//! A packet leaves a NIC by its subnet's effective routes, enters the next NIC if the relation of
//! the two VNets lets it, and goes on from there if that NIC is not its destination but forwards.
//! A connection works if the way there and the way back do. This reads the same effective routes as
//! the compiler: it shows whether the packets follow them, not whether they are right.
//!
//! One of several appliances is chosen by a hash that is not known here, so every one of them is tried. A
//! gateway hands what is for another one's side to that one, past all hosts.
//!
//! Every NIC on the way judges the request when it sends and when it receives it. What it let in, it
//! lets out again in answer, and the other way round.

mod groups;
mod policies;

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;
use vnetpeer_common::types::{LinkId, NicId};

use self::policies::Policies;
pub use self::policies::{Packet, services};
use crate::topology::{
    model::{Direction, GatewayIndex, Nic, NicIndex, RouteTableIndex, Topology, VnetIndex},
    network::{Network, NetworkError, NumberedPeering},
    routes::{
        Appliance, EffectiveRoutes, RouteHop, RouteSource, advertised, connected_gateways,
        effective_routes,
    },
    state::State,
};

/// NICs that a packet may pass before it counts as lost in a loop.
const HOPS_MAX: usize = 16;

/// What should happen to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The NIC that should receive it.
    pub receiver: Option<NicIndex>,
    /// Whether its answer should come back.
    pub is_answered: bool,
}

impl Expectation {
    /// The NIC whose answer should come.
    pub fn answering(&self) -> Option<NicIndex> {
        self.receiver.filter(|_| self.is_answered)
    }
}

/// Follows packets through a network.
#[derive(Debug)]
pub struct Paths<'a> {
    network: Network<'a>,
    routes: HashMap<(VnetIndex, Option<RouteTableIndex>), EffectiveRoutes>,
    indices: HashMap<NicId, NicIndex>,
    policies: Policies,
    /// By gateway's NIC: the NICs of those that it is connected with, and what they advertise.
    gateways: HashMap<NicIndex, Vec<(NicIndex, BTreeSet<IpNet>)>>,
}

/// The NICs that a packet passes, and whether it leaves or enters them.
type Passed = Vec<(NicIndex, Direction)>;

/// A hop from one NIC to the next.
struct Hop {
    target: NicIndex,
    /// Whether the VNets let each other in (`allowVirtualNetworkAccess`).
    access: bool,
}

/// Which of several appliances every hop takes.
#[derive(Clone, Copy, Debug, Default)]
struct Choice {
    /// Its place among those that can be reached, counted round.
    wanted: usize,
    /// The most that there were to choose from.
    seen: usize,
}

impl<'a> Paths<'a> {
    /// Prepares a network.
    pub fn new(topology: &'a Topology, state: &'a State) -> Result<Self, NetworkError> {
        let network = Network::new(topology, state)?;
        let mut routes = HashMap::new();
        for vnet in network.vnets() {
            let tables = vnet.vnet.subnets.iter().map(|subnet| subnet.route_table);
            for table in tables.chain([None]) {
                if let Some(effective) = effective_routes(&network, vnet.index, table) {
                    routes.insert((vnet.index, table), effective);
                }
            }
        }
        let nics = topology.nics.iter().enumerate();
        let indices =
            nics.filter_map(|(index, nic)| Some((state.nic(&nic.id)?, NicIndex(index)))).collect();
        let policies = Policies::new(&network)?;
        let gateways = gateways(&network);
        Ok(Self { network, routes, indices, policies, gateways })
    }

    /// What should happen to a request that NIC `from` sends from an address of its own. `None` if that
    /// depends on the appliance that the flow takes.
    pub fn expect(&self, from: NicIndex, request: &Packet) -> Option<Expectation> {
        let mut expected = None;
        let mut there = Choice::default();
        while there.wanted <= there.seen.saturating_sub(1) {
            let mut way = Passed::new();
            let receiver = self.follow(from, request, None, &mut way, &mut there);
            let mut back = Choice::default();
            while back.wanted <= back.seen.saturating_sub(1) {
                let returns_to = receiver.and_then(|nic| {
                    let passed = &mut Passed::new();
                    self.follow(nic, &request.answer(), Some(&way), passed, &mut back)
                });
                let one = Expectation { receiver, is_answered: returns_to == Some(from) };
                if *expected.get_or_insert(one) != one {
                    return None;
                }
                back.wanted += 1;
            }
            there.wanted += 1;
        }
        expected
    }

    /// The NIC that a packet ends at, if it is not dropped. An answer comes with what its request
    /// passed.
    fn follow(
        &self,
        from: NicIndex,
        packet: &Packet,
        answered: Option<&Passed>,
        passed: &mut Passed,
        choice: &mut Choice,
    ) -> Option<NicIndex> {
        let mut at = from;
        for _ in 0..HOPS_MAX {
            let nic = self.network.topology.nic(at)?;
            // The guest's own stack takes what is for it.
            if nic.addresses.contains(&packet.destination) {
                return Some(at);
            }
            if at != from && !nic.enable_ip_forwarding {
                return None;
            }
            if let Some(other) = self.connected(at, packet.destination) {
                at = other;
                continue;
            }
            let hop = self.next(nic, packet.destination, choice)?;
            let target = self.network.topology.nic(hop.target)?;
            let access = self.admits(target, nic, packet.source)?;
            for (nic, direction, access) in
                [(at, Direction::Outbound, hop.access), (hop.target, Direction::Inbound, access)]
            {
                if !self.passes(nic, direction, access, packet, answered) {
                    return None;
                }
                passed.push((nic, direction));
            }
            at = hop.target;
        }
        None
    }

    /// Whether a NIC lets a packet out or in. Without access only a group's rule can.
    fn passes(
        &self,
        nic: NicIndex,
        direction: Direction,
        access: bool,
        packet: &Packet,
        answered: Option<&Passed>,
    ) -> bool {
        if !access && !self.policies.has_group(nic) {
            return false;
        }
        let request = match direction {
            Direction::Outbound => (nic, Direction::Inbound),
            Direction::Inbound => (nic, Direction::Outbound),
        };
        answered.is_some_and(|passed| passed.contains(&request))
            || self.policies.pass(nic, direction, packet, answered.is_some())
    }

    /// The NIC that the effective routes of `nic` hand a packet to.
    fn next(&self, nic: &Nic, destination: IpAddr, choice: &mut Choice) -> Option<Hop> {
        let subnet = self.network.topology.subnet(nic.vnet, nic.subnet)?;
        let routes = self.routes.get(&(nic.vnet, subnet.route_table))?;
        let mut access = true;
        let route = routes.lookup(destination)?;
        let id = match &route.hop {
            RouteHop::VnetLocal => self.network.owner(nic.vnet, destination)?.id,
            RouteHop::Peering { link, .. } => {
                let peering = self.own_peering(nic.vnet, *link).filter(|it| it.connected)?;
                access = peering.peering.allow_virtual_network_access;
                self.network.owner(peering.peering.remote, destination)?.id
            }
            RouteHop::ConnectedGroup { vnet } => {
                let is_reached = groups::reaches(&self.network, nic.vnet, *vnet, destination);
                self.network.owner(*vnet, destination).filter(|_| is_reached)?.id
            }
            RouteHop::Appliance { resolved, .. } | RouteHop::Gateway { resolved, .. } => {
                let appliance = resolved.as_ref().ok()?;
                access = self.lets_out(nic, appliance)?;
                appliance.nic
            }
            RouteHop::Appliances(_) | RouteHop::Balanced { .. } => {
                let live = several(&route.hop);
                choice.seen = choice.seen.max(live.len());
                let appliance = live.get(choice.wanted.checked_rem(live.len())?)?;
                access = self.lets_out(nic, appliance)?;
                appliance.nic
            }
            RouteHop::Internet | RouteHop::None => return None,
        };
        Some(Hop { target: self.indices.get(&id).copied()?, access })
    }

    /// The gateway that a gateway hands a packet to past all hosts: what the VNet and its peers have stays
    /// with them.
    fn connected(&self, at: NicIndex, destination: IpAddr) -> Option<NicIndex> {
        let others = self.gateways.get(&at)?;
        let nic = self.network.topology.nic(at)?;
        let route = self.routes.get(&(nic.vnet, None))?.lookup(destination)?;
        let is_foreign = route.source == RouteSource::VirtualNetworkGateway;
        let has = |prefixes: &BTreeSet<IpNet>| prefixes.contains(&route.prefix);
        others.iter().find(|(_, it)| is_foreign && has(it)).map(|(other, _)| *other)
    }

    /// Whether the VNet of `nic` has access to that of an appliance; `None` if they are not connected.
    fn lets_out(&self, nic: &Nic, appliance: &Appliance) -> Option<bool> {
        if !appliance.link.is_some() {
            return Some(true);
        }
        let peering = self.own_peering(nic.vnet, appliance.link)?;
        peering.connected.then_some(peering.peering.allow_virtual_network_access)
    }

    fn own_peering(&self, vnet: VnetIndex, link: LinkId) -> Option<NumberedPeering<'a>> {
        let peerings = &self.network.vnet(vnet)?.peerings;
        peerings.iter().find(|peering| peering.link == link).copied()
    }

    /// Whether `target` has access to NIC `from`; `None` if it takes no packet with that source from
    /// there.
    fn admits(&self, target: &Nic, from: &Nic, source: IpAddr) -> Option<bool> {
        if target.vnet == from.vnet {
            return Some(true);
        }
        let vnet = self.network.vnet(target.vnet)?;
        let mut peerings = vnet.peerings.iter();
        let towards = peerings.find(|it| it.peering.remote == from.vnet && it.connected);
        let Some(towards) = towards else {
            return groups::reaches(&self.network, target.vnet, from.vnet, source).then_some(true);
        };
        let is_peer = || towards.space().iter().any(|prefix| prefix.contains(&source));
        let is_gateway =
            || towards.peering.use_remote_gateways && self.network.topology.is_gateway(&from.id);
        let takes = towards.takes_forwarded() || is_peer() || is_gateway();
        takes.then_some(towards.peering.allow_virtual_network_access)
    }
}

/// The appliances of which a route takes one.
fn several(hop: &RouteHop) -> Vec<&Appliance> {
    match hop {
        RouteHop::Appliances(members) => {
            members.iter().filter_map(|(_, it)| it.as_ref().ok()).collect()
        }
        RouteHop::Balanced { members, .. } => members.iter().flatten().collect(),
        _ => Vec::new(),
    }
}

/// Whom every gateway is connected with.
fn gateways(network: &Network<'_>) -> HashMap<NicIndex, Vec<(NicIndex, BTreeSet<IpNet>)>> {
    let gateways = network.topology.gateways.iter().enumerate();
    let connected = gateways.map(|(index, gateway)| {
        let others = connected_gateways(network, GatewayIndex(index)).into_iter();
        let others = others.filter_map(|other| {
            let nic = network.topology.gateway(other)?.nic;
            Some((nic, advertised(network, other)))
        });
        (gateway.nic, others.collect())
    });
    connected.collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        document,
        lab::probe::{PORT, Protocol},
        topology::state::advance,
    };

    /// Whether a NIC of an example reaches another, by name, at the first address of a family.
    fn reached_by(service: (Protocol, u16), example: &str, from: &str, to: &str) -> bool {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let topology = document::read(&folder.join(example)).unwrap().topology;
        let state = advance(&State::default(), &topology).unwrap();
        let paths = Paths::new(&topology, &state).unwrap();
        let find = |name| topology.nics.iter().position(|nic| nic.id.name() == name).unwrap();
        let (from, to) = (NicIndex(find(from)), NicIndex(find(to)));
        let address = |nic: NicIndex| topology.nics[nic.0].addresses[0];
        let (protocol, port) = service;
        let request = Packet::request(protocol, port, address(from), address(to));
        paths.expect(from, &request).unwrap().answering() == Some(to)
    }

    fn reached(example: &str, from: &str, to: &str) -> bool {
        reached_by((Protocol::Udp, PORT), example, from, to)
    }

    #[test]
    fn peering_is_not_transitive_and_same_addresses_do_not_mix() {
        let file = "quickstart.yaml";
        assert!(reached(file, "hub-vm1", "hub-vm2"));
        assert!(reached(file, "spoke1-vm1", "hub-vm2"));
        assert!(reached(file, "foreign-vm1", "foreign-vm2"));
        assert!(!reached(file, "spoke1-vm1", "spoke2-vm1"));
        assert!(!reached(file, "hub-vm1", "foreign-vm2"));
        assert!(!reached(file, "spoke1-vm1", "foreign-vm2"));
    }

    #[test]
    fn an_appliance_joins_spokes() {
        assert!(reached("service-chain.yaml", "spoke1-vm", "spoke2-vm"));
        assert!(reached("service-chain.yaml", "spoke2-vm2", "spoke1-vm"));
    }

    #[test]
    fn gateways_join_what_they_are_connected_with() {
        let file = "hub-gateway.yaml";
        // The spokes by routes to the gateway, the branch by its connection with the hub.
        assert!(reached(file, "spoke1-vm", "spoke2-vm"));
        assert!(reached(file, "spoke1-vm", "branch-vm"));
        assert!(reached(file, "branch-vm", "spoke2-vm"));
        assert!(reached(file, "hub-vm", "branch-vm"));
        assert!(reached(file, "spoke2-vm", "branch-gateway"));
        // No routes of the gateway, and no UDR.
        assert!(!reached(file, "isolated-vm", "branch-vm"));
        assert!(!reached(file, "isolated-vm", "spoke1-vm"));
        assert!(reached(file, "isolated-vm", "hub-vm"));
    }

    #[test]
    fn rules_decide_about_requests_and_not_about_answers() {
        let tcp =
            |port, from, to| reached_by((Protocol::Tcp, port), "security-groups.yaml", from, to);
        // `db1` may send nothing, and answers.
        assert!(tcp(5432, "app1", "db1"));
        assert!(tcp(8080, "web1", "app1"));
        assert!(!tcp(5432, "db1", "app1"));
        assert!(!tcp(5432, "web1", "db1"));
        assert!(!tcp(5433, "app1", "db1"));
        assert!(!tcp(8080, "app1", "web1"));
        let udp = (Protocol::Udp, 8080);
        assert!(!reached_by(udp, "security-groups.yaml", "web1", "app1"));
        let echo = (Protocol::Icmp, 0);
        assert!(reached_by(echo, "security-groups.yaml", "web1", "web2"));
        assert!(!reached_by(echo, "security-groups.yaml", "web1", "db1"));
    }

    #[test]
    fn single_ports_of_rules_are_tried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let read = |name| document::read(&folder.join(name)).unwrap().topology;
        let own = [(Protocol::Tcp, PORT), (Protocol::Udp, PORT), (Protocol::Icmp, 0)];
        assert_eq!(services(&read("quickstart.yaml")), own);
        let named = [23, 80, 443, 3389, 5432, 8080, 9100].map(|port| (Protocol::Tcp, port));
        assert_eq!(services(&read("security-groups.yaml")), [&own[..], &named[..]].concat());
    }
}
