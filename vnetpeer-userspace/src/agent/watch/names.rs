//! Events with names in place of numbers.

use std::{collections::HashMap, fmt::Write as _, sync::Arc};

use jiff::Timestamp;
use nix::time::{ClockId, clock_gettime};
use vnetpeer_common::{
    abi::Event,
    reason::DropReason,
    types::{Addr, LinkId, NicId, VnetId},
    wire::protocol,
};

use crate::{
    agent::{
        api::{PacketStage, RouteName, RuleName, SeenPacket},
        deployment::Deployment,
        flow_list::RuleNames,
    },
    topology::{
        model::Nic,
        network::Network,
        routes::{EffectiveRoutes, effective_routes},
    },
};

/// Reasons that are found before a packet is routed.
const BEFORE_ROUTING: [DropReason; 3] =
    [DropReason::ProtocolBlocked, DropReason::PortReserved, DropReason::InterfaceUnknown];
/// The last reason of the headers.
const LAST_OF_HEADERS: DropReason = DropReason::DhcpServer;

/// What a NIC's number means.
struct NicName {
    id: String,
    vnet: Option<VnetId>,
    /// What its packets are routed by; nothing where the hosts know routes that the document does not have.
    routes: Option<Arc<EffectiveRoutes>>,
}

/// Names as one document has them.
pub(super) struct Names {
    host: String,
    deployment: Arc<Deployment>,
    nics: HashMap<NicId, NicName>,
    links: HashMap<LinkId, String>,
    rules: HashMap<u32, Option<RuleName>>,
}

impl Names {
    /// Names of a document.
    pub(super) fn new(host: &str, deployment: Arc<Deployment>) -> Self {
        let (topology, state) = (deployment.topology(), deployment.state());
        let mut tables = HashMap::new();
        let network = Network::new(topology, state).ok().filter(|_| topology.gateways.is_empty());
        let mut routes = |nic: &Nic| {
            let subnet = topology.subnet(nic.vnet, nic.subnet)?;
            let key = (nic.vnet, subnet.route_table);
            let of = || effective_routes(network.as_ref()?, key.0, key.1).map(Arc::new);
            tables.entry(key).or_insert_with(of).clone()
        };
        let nics = topology.nics.iter().filter_map(|nic| {
            let vnet = topology.vnet(nic.vnet).and_then(|it| state.vnet(&it.id));
            let name = NicName { id: nic.id.to_string(), vnet, routes: routes(nic) };
            Some((state.nic(&nic.id)?, name))
        });
        let nics = nics.collect();
        let links = topology.written_peerings();
        let links = links.filter_map(|it| Some((state.link(&it.id)?, it.id.to_string()))).collect();
        Self { host: host.to_owned(), nics, links, rules: HashMap::new(), deployment }
    }

    /// Whether these are the names of this document.
    pub(super) fn are_of(&self, deployment: &Arc<Deployment>) -> bool {
        Arc::ptr_eq(&self.deployment, deployment)
    }

    /// The VNet of a NIC.
    pub(super) fn vnet(&self, nic: NicId) -> Option<VnetId> {
        self.nics.get(&nic)?.vnet
    }

    fn nic(&self, nic: NicId) -> Option<String> {
        self.nics.get(&nic).map(|it| it.id.clone())
    }

    /// An event as it is told.
    pub(super) fn tell(&mut self, event: &Event, frame: &[u8], clock: Clock) -> SeenPacket {
        let stages = PacketStage::of(event.stages);
        let dropped = stages.contains(&PacketStage::Dropped);
        let reason = DropReason::from_number(event.reason);
        let has_ip = event.src != Addr::default() || event.dst != Addr::default();
        let has_ports = [protocol::TCP, protocol::UDP].contains(&event.protocol);
        let port = |port: u16| (has_ip && has_ports).then_some(port);
        let verdict = match (dropped, stages.contains(&PacketStage::Opened)) {
            (true, _) => "Dropped",
            (false, true) => "Allowed",
            (false, false) => "Passing",
        };
        SeenPacket {
            time: clock.wall(event.time),
            host: self.host.clone(),
            verdict: verdict.to_owned(),
            reason: dropped.then(|| {
                reason.map_or_else(|| format!("#{}", event.reason), |it| it.name().to_owned())
            }),
            network_interface: self.nic(event.nic),
            source_network_interface: self.nic(event.source_nic),
            peering: self.links.get(&event.link).cloned(),
            rule: self.rule(event),
            route: has_ip.then(|| self.route(event, reason)).flatten(),
            source_address: has_ip.then(|| event.src.to_string()),
            destination_address: has_ip.then(|| event.dst.to_string()),
            protocol: has_ip.then_some(event.protocol),
            source_port: port(event.src_port),
            destination_port: port(event.dst_port),
            bytes: event.len,
            frame_length: (event.frame_len != 0).then_some(event.frame_len),
            frame: (!frame.is_empty()).then(|| hex(frame)),
            stages,
        }
    }

    fn rule(&mut self, event: &Event) -> Option<RuleName> {
        let state = self.deployment.state();
        let name = || RuleNames::new(state).name(event.rule);
        self.rules.entry(event.rule.0).or_insert_with(name).clone()
    }

    fn route(&self, event: &Event, reason: Option<DropReason>) -> Option<RouteName> {
        let unrouted = |it: DropReason| it <= LAST_OF_HEADERS || BEFORE_ROUTING.contains(&it);
        if reason.is_some_and(unrouted) {
            return None;
        }
        let routes = self.nics.get(&event.source_nic)?.routes.as_ref()?;
        let route = routes.lookup(event.dst.into())?;
        Some(RouteName {
            next_hop_type: route.hop.type_name().to_owned(),
            address_prefix: route.prefix.to_string(),
            name: route.name,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What the monotonic clock means on the wall.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    offset: i128,
}

impl Clock {
    /// As of now.
    pub(super) fn read() -> Self {
        let of = |clock| {
            clock_gettime(clock)
                .map_or(0, |it| i128::from(it.tv_sec()) * 1_000_000_000 + i128::from(it.tv_nsec()))
        };
        Self { offset: of(ClockId::CLOCK_REALTIME) - of(ClockId::CLOCK_MONOTONIC) }
    }

    fn wall(self, monotonic: u64) -> String {
        let time = Timestamp::from_nanosecond(self.offset + i128::from(monotonic));
        time.map_or_else(|_| String::new(), |it| format!("{it:.6}"))
    }
}
