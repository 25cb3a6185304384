//! What security admin rules and network security groups say about the first packet of a flow: rule
//! after rule, in the order of evaluation.

use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

use crate::{
    lab::probe::{PORT, Protocol},
    topology::{
        effective_security::RoutedTags,
        model::{
            Access, AdminRulesIndex, Direction, NicIndex, PortRange, RouteTableIndex, RuleProtocol,
            SecurityGroupIndex, SecurityRule, Topology, VnetIndex,
        },
        network::{Network, NetworkError},
        policy::{Matched, Policy, PolicyRule, Resolver},
    },
};

/// Source port of every request. Clients take any port above 32,767, so that a rule which tells those
/// apart is not judged rightly.
const CLIENT_PORT: u16 = 49_152;

/// Ports that are tried because rules name them: no more than this.
const NAMED_MAX: usize = 12;

/// The first packet of a request, or of its answer.
#[derive(Clone, Copy, Debug)]
pub struct Packet {
    /// Protocol.
    pub protocol: Protocol,
    /// Source address.
    pub source: IpAddr,
    /// Source port; 0 for ICMP.
    pub source_port: u16,
    /// Destination address.
    pub destination: IpAddr,
    /// Destination port; 0 for ICMP.
    pub destination_port: u16,
}

impl Packet {
    /// A request to a port; for ICMP, which has none, the port is 0.
    pub fn request(protocol: Protocol, port: u16, source: IpAddr, destination: IpAddr) -> Self {
        let source_port = if protocol == Protocol::Icmp { 0 } else { CLIENT_PORT };
        Self { protocol, source, source_port, destination, destination_port: port }
    }

    /// What answers it.
    pub(super) fn answer(self) -> Self {
        Self {
            source: self.destination,
            source_port: self.destination_port,
            destination: self.source,
            destination_port: self.source_port,
            ..self
        }
    }
}

/// What to try at every address: the port of the lab's own servers, and single ports that rules name,
/// the lowest of them.
pub fn services(topology: &Topology) -> Vec<(Protocol, u16)> {
    let groups = topology.security_groups.iter().flat_map(|group| &group.rules);
    let rules = groups.chain(topology.admin_rules.iter().flat_map(|admin| &admin.rules));
    let named: BTreeSet<(Protocol, u16)> = rules.flat_map(named).collect();
    let own = Protocol::ALL.map(|it| (it, if it == Protocol::Icmp { 0 } else { PORT }));
    let is_other = |it: &(Protocol, u16)| !own.contains(it);
    own.into_iter().chain(named.into_iter().filter(is_other).take(NAMED_MAX)).collect()
}

fn named(rule: &SecurityRule) -> impl Iterator<Item = (Protocol, u16)> {
    let protocols: &[Protocol] = match rule.protocol {
        RuleProtocol::Any => &[Protocol::Tcp, Protocol::Udp],
        RuleProtocol::Tcp => &[Protocol::Tcp],
        RuleProtocol::Udp => &[Protocol::Udp],
        RuleProtocol::Icmp | RuleProtocol::Esp | RuleProtocol::Ah => &[],
    };
    let single = rule.destination.ports.iter().filter(|range| range.start() == range.end());
    let ports = single.map(|range| *range.start()).filter(|port| *port != 0);
    ports.flat_map(|port| protocols.iter().map(move |protocol| (*protocol, port)))
}

/// What judges each NIC.
#[derive(Debug)]
pub(super) struct Policies {
    /// In the order of the topology.
    nics: Vec<Guard>,
}

/// What judges one NIC.
#[derive(Debug)]
struct Guard {
    /// Security admin rules of its VNet.
    admin: Option<AdminRulesIndex>,
    /// The groups, that of the subnet first.
    groups: Vec<SecurityGroupIndex>,
    /// Policies in the order in which they are asked.
    outbound: Vec<Arc<Policy>>,
    inbound: Vec<Arc<Policy>>,
    tags: Arc<RoutedTags>,
}

impl Policies {
    pub(super) fn new(network: &Network<'_>) -> Result<Self, NetworkError> {
        let mut maker = Maker {
            network,
            resolver: Resolver::new(network.topology, network.state),
            groups: HashMap::new(),
            tags: HashMap::new(),
        };
        let count = network.topology.nics.len();
        let nics = (0..count).map(|index| maker.guard(NicIndex(index)));
        Ok(Self { nics: nics.collect::<Result<_, _>>()? })
    }

    /// Whether a network security group judges what a NIC sends and receives.
    pub(super) fn has_group(&self, nic: NicIndex) -> bool {
        self.nics.get(nic.0).is_some_and(|guard| !guard.groups.is_empty())
    }

    /// Whether a packet that belongs to no flow passes a NIC. `is_answer` says that it answers a
    /// request which took another way.
    pub(super) fn pass(
        &self,
        nic: NicIndex,
        direction: Direction,
        packet: &Packet,
        is_answer: bool,
    ) -> bool {
        let Some(guard) = self.nics.get(nic.0) else { return false };
        let is_filtered = guard.admin.is_some() || !guard.groups.is_empty();
        // An echo reply opens no flow.
        if is_filtered && is_answer && packet.protocol == Protocol::Icmp {
            return false;
        }
        let policies = match direction {
            Direction::Outbound => &guard.outbound,
            Direction::Inbound => &guard.inbound,
        };
        for (index, policy) in policies.iter().enumerate() {
            let mut rules = policy.rules.iter();
            let decides = rules.find(|rule| guard.matches(rule, packet));
            let is_admin = guard.admin.is_some() && index == 0;
            match decides.map(|rule| rule.access) {
                Some(Access::Allow) => {}
                Some(Access::AlwaysAllow) => return true,
                // Security admin rules need not say anything; a group's last rule matches all.
                None if is_admin => {}
                Some(Access::Deny) | None => return false,
            }
        }
        true
    }
}

impl Guard {
    fn matches(&self, rule: &PolicyRule, packet: &Packet) -> bool {
        protocol_matches(rule, packet)
            && self.contains(&rule.source, packet.source)
            && self.contains(&rule.destination, packet.destination)
    }

    fn contains(&self, end: &Matched, address: IpAddr) -> bool {
        match end {
            Matched::Any => true,
            Matched::Prefixes(prefixes) => prefixes.iter().any(|it| it.contains(&address)),
            Matched::VirtualNetwork => self.in_virtual_network(address),
            Matched::VirtualNetworkIn(prefixes) => {
                prefixes.iter().any(|it| it.contains(&address)) && self.in_virtual_network(address)
            }
            Matched::Internet => self.tags.internet.iter().any(|it| it.contains(&address)),
        }
    }

    fn in_virtual_network(&self, address: IpAddr) -> bool {
        self.tags.virtual_network.iter().any(|it| it.contains(&address))
    }
}

/// A rule for any protocol that names ports is one for TCP and UDP.
fn protocol_matches(rule: &PolicyRule, packet: &Packet) -> bool {
    let is_any = |ports: &[PortRange]| ports.contains(&(0..=u16::MAX));
    let holds = |ports: &[PortRange], port: u16| ports.iter().any(|range| range.contains(&port));
    let ports = holds(&rule.source_ports, packet.source_port)
        && holds(&rule.destination_ports, packet.destination_port);
    match (rule.protocol, packet.protocol) {
        (RuleProtocol::Any, Protocol::Icmp) => {
            is_any(&rule.source_ports) && is_any(&rule.destination_ports)
        }
        (RuleProtocol::Icmp, Protocol::Icmp) => true,
        (RuleProtocol::Any | RuleProtocol::Tcp, Protocol::Tcp)
        | (RuleProtocol::Any | RuleProtocol::Udp, Protocol::Udp) => ports,
        _ => false,
    }
}

/// Makes guards; what several NICs share is made once.
struct Maker<'a> {
    network: &'a Network<'a>,
    resolver: Resolver<'a>,
    groups: HashMap<(SecurityGroupIndex, Direction), Arc<Policy>>,
    tags: HashMap<(VnetIndex, Option<RouteTableIndex>), Arc<RoutedTags>>,
}

impl Maker<'_> {
    fn guard(&mut self, index: NicIndex) -> Result<Guard, NetworkError> {
        let topology = self.network.topology;
        let nic = topology.nic(index);
        let vnet = nic.map_or(VnetIndex(usize::MAX), |nic| nic.vnet);
        let subnet = nic.and_then(|nic| topology.subnet(nic.vnet, nic.subnet));
        let around = subnet.and_then(|subnet| subnet.security_group);
        let own = nic.and_then(|nic| nic.security_group);
        let groups: Vec<SecurityGroupIndex> = around.into_iter().chain(own).collect();
        let table = subnet.and_then(|subnet| subnet.route_table);
        let mut admin = topology.admin_rules.iter();
        let admin = admin.position(|it| it.vnets.contains(&vnet) && !it.rules.is_empty());
        let is_gateway = nic.is_some_and(|nic| topology.is_gateway(&nic.id));
        let admin = admin.filter(|_| !is_gateway).map(AdminRulesIndex);
        let (mut inbound, mut outbound) = (Vec::new(), Vec::new());
        if let Some(admin) = admin {
            inbound.push(Arc::new(self.resolver.admin_rules(admin, Direction::Inbound)?));
            outbound.push(Arc::new(self.resolver.admin_rules(admin, Direction::Outbound)?));
        }
        for group in &groups {
            inbound.push(self.group(*group, Direction::Inbound)?);
        }
        for group in groups.iter().rev() {
            outbound.push(self.group(*group, Direction::Outbound)?);
        }
        let network = self.network;
        let tags = self.tags.entry((vnet, table));
        let tags = tags.or_insert_with(|| Arc::new(RoutedTags::of(network, vnet, table)));
        Ok(Guard { admin, groups, outbound, inbound, tags: Arc::clone(tags) })
    }

    fn group(
        &mut self,
        index: SecurityGroupIndex,
        direction: Direction,
    ) -> Result<Arc<Policy>, NetworkError> {
        if let Some(known) = self.groups.get(&(index, direction)) {
            return Ok(Arc::clone(known));
        }
        let policy = Arc::new(self.resolver.group(index, direction)?);
        self.groups.insert((index, direction), Arc::clone(&policy));
        Ok(policy)
    }
}
