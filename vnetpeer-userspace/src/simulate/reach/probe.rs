//! Traffic from one place to another, found by sending packets.
//!
//! First one packet goes without rules: it shows the way there and back, or that there is none. If no NIC on
//! it has policies, that decides. Otherwise a packet is sent for ICMP and for every range of ports that the
//! policies on the way tell apart. Its result holds for all addresses that rules do not tell apart, over
//! ways on which the same policies judge, and is kept for those.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use vnetpeer_common::{abi::next_hop_kind, types::NicId};

use super::{
    guards::{Edges, GuardId},
    traffic::Traffic,
    world::{Seat, World},
};
use crate::simulate::{Exchange, Journey, Packet, Protocol, Session};

/// Clients that are tried where the next hop depends on the flow. With two appliances, all of them take
/// the same one in one of two thousand million cases.
const CLIENTS: u16 = 32;
/// The port of the packet that shows the way; nothing is special about it.
const PORT: u16 = 7_007;

/// Finds the traffic of one network.
pub(super) struct Prober<'a> {
    world: &'a World,
    with_rules: Session<'a>,
    without_rules: Session<'a>,
    known: HashMap<Case, Arc<Traffic>>,
    none: Arc<Traffic>,
    all: Arc<Traffic>,
}

/// From where to where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    pub(super) from: NicId,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// Numbers of the marks that rules set at both addresses.
    marks: [u32; 2],
    to: NicId,
}

impl Pair {
    /// From one NIC to another, in one family.
    pub(super) fn new(from: &Seat, to: &Seat, is_v4: bool) -> Option<Self> {
        let (source, first) = from.address(is_v4)?;
        let (destination, second) = to.address(is_v4)?;
        Some(Self { from: from.nic, source, destination, marks: [first, second], to: to.nic })
    }

    /// A request from one of its clients.
    pub(super) fn request(&self, protocol: Protocol, port: u16, client: u16) -> Packet {
        Packet::request(protocol, self.source, self.destination, port).of_client(client)
    }
}

/// All that the judgement of a way depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Case {
    is_v4: bool,
    marks: [u32; 2],
    steps: Vec<Step>,
}

/// A NIC with policies that a packet leaves or enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct Step {
    guard: GuardId,
    /// Which of the NICs on the way it is, in the order in which they are met.
    which: usize,
    is_end: bool,
    is_inbound: bool,
    is_answer: bool,
    has_access: bool,
    /// What its subnet's routes say of the two addresses.
    classes: [u16; 2],
}

impl<'a> Prober<'a> {
    pub(super) fn new(world: &'a World) -> Self {
        Self {
            world,
            with_rules: Session::new(&world.network),
            without_rules: Session::new(&world.network).without_rules(),
            known: HashMap::new(),
            none: Arc::default(),
            all: Arc::new(Traffic::all()),
        }
    }

    /// What gets from one place to another, with its answers.
    pub(super) fn traffic(&mut self, pair: &Pair) -> Arc<Traffic> {
        let session = &self.without_rules;
        if !session.leads_to_nic(pair.from, pair.destination) {
            return Arc::clone(&self.none);
        }
        let way = session.exchange(pair.from, &pair.request(Protocol::Udp, PORT, 0));
        if self.spreads(&way, pair) {
            return self.spread(pair);
        }
        if !way.is_complete() {
            return Arc::clone(&self.none);
        }
        let steps = self.steps(&way, pair);
        if steps.is_empty() {
            return Arc::clone(&self.all);
        }
        let mut edges = Edges::default();
        for own in steps.iter().filter_map(|step| self.world.guards.edges(step.guard)) {
            edges.extend(own);
        }
        let case = Case { is_v4: pair.source.is_ipv4(), marks: pair.marks, steps };
        if let Some(known) = self.known.get(&case) {
            return Arc::clone(known);
        }
        let found = Arc::new(self.judge(pair, &edges, 1));
        self.known.insert(case, Arc::clone(&found));
        found
    }

    /// One request that does not get an answer although it is of this traffic.
    pub(super) fn failure(&self, pair: &Pair, traffic: &Traffic) -> Option<Exchange> {
        let tcp = traffic.tcp.ranges().map(|range| (Protocol::Tcp, range));
        let udp = traffic.udp.ranges().map(|range| (Protocol::Udp, range));
        let icmp = traffic.icmp.then_some((Protocol::Icmp, 1..=1));
        let all = tcp.chain(udp).chain(icmp);
        let requests = all.flat_map(|(protocol, mut range)| {
            let port = range.find(|port| *port != 0).unwrap_or_default();
            (0..CLIENTS).map(move |client| (protocol, port, client))
        });
        let mut tried = requests.take(usize::from(4 * CLIENTS)).map(|(protocol, port, client)| {
            self.with_rules.exchange(pair.from, &pair.request(protocol, port, client))
        });
        tried.find(|exchange| !exchange.is_complete())
    }

    /// Tries everything that the edges tell apart, each from so many clients.
    fn judge(&self, pair: &Pair, edges: &Edges, clients: u16) -> Traffic {
        let passes = |protocol, port| {
            (0..clients).all(|client| {
                let request = pair.request(protocol, port, client);
                self.with_rules.exchange(pair.from, &request).is_complete()
            })
        };
        let mut found = Traffic { icmp: passes(Protocol::Icmp, 0), ..Traffic::default() };
        for (range, _) in edges.tcp().filter(|(_, port)| passes(Protocol::Tcp, *port)) {
            found.tcp.push(&range);
        }
        for (range, _) in edges.udp().filter(|(_, port)| passes(Protocol::Udp, *port)) {
            found.udp.push(&range);
        }
        found
    }

    /// What passes whichever of several appliances a flow takes.
    fn spread(&self, pair: &Pair) -> Arc<Traffic> {
        let mut edges = Edges::default();
        let mut is_guarded = false;
        for client in 0..CLIENTS {
            let request = pair.request(Protocol::Udp, PORT, client);
            let way = self.without_rules.exchange(pair.from, &request);
            if !way.is_complete() {
                return Arc::clone(&self.none);
            }
            for step in self.steps(&way, pair) {
                is_guarded = true;
                if let Some(own) = self.world.guards.edges(step.guard) {
                    edges.extend(own);
                }
            }
        }
        if is_guarded { Arc::new(self.judge(pair, &edges, CLIENTS)) } else { Arc::clone(&self.all) }
    }

    /// Whether a next hop on the way depends on the flow.
    fn spreads(&self, way: &Exchange, pair: &Pair) -> bool {
        let is_spread = |from: NicId, address: IpAddr| {
            let next = self.without_rules.next_hop(from, address);
            next.is_some_and(|next| next.kind == next_hop_kind::SPREAD)
        };
        let on_way = |journey: &Journey, address: IpAddr| {
            journey.hops.iter().any(|hop| is_spread(hop.from, address))
        };
        is_spread(pair.from, pair.destination)
            || on_way(&way.request, pair.destination)
            || way.answer.as_ref().is_some_and(|answer| {
                is_spread(pair.to, pair.source) || on_way(answer, pair.source)
            })
    }

    /// The NICs with policies on the way, in order.
    fn steps(&self, way: &Exchange, pair: &Pair) -> Vec<Step> {
        let mut met = Vec::new();
        let mut steps = Vec::new();
        let journeys = [(false, Some(&way.request)), (true, way.answer.as_ref())];
        let journeys = journeys.into_iter().filter_map(|(is, journey)| Some((is, journey?)));
        for (is_answer, journey) in journeys {
            for hop in &journey.hops {
                for (nic, link, is_inbound) in
                    [(hop.from, hop.egress, false), (hop.to, hop.ingress, true)]
                {
                    let guard = self.world.guard(nic);
                    if !guard.is_some() {
                        continue;
                    }
                    let known = met.iter().position(|it| *it == nic);
                    let which = known.unwrap_or(met.len());
                    if known.is_none() {
                        met.push(nic);
                    }
                    let class = |address| {
                        self.without_rules.next_hop(nic, address).map_or(0, |next| next.class)
                    };
                    steps.push(Step {
                        guard,
                        which,
                        is_end: nic == pair.from || nic == pair.to,
                        is_inbound,
                        is_answer,
                        has_access: self.world.network.has_access(nic, link),
                        classes: [class(pair.source), class(pair.destination)],
                    });
                }
            }
        }
        steps
    }
}
