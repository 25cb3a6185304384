//! Packets on the datapath core in host memory, over the maps that the hosts' agents would fill.

use std::net::IpAddr;

use vnetpeer_common::types::NicId;
use vnetpeer_tests::azure::{PacketCase, Probe, Verdict, packets};
use vnetpeer_userspace::{
    simulate::{End, Exchange, Network, Packet, Protocol, Session},
    topology::{facts::NetworkFacts, model::Topology, state::State},
};

use super::{id, load, run, state};

const HTTPS: u16 = 443;

/// One network and what its numbers mean.
struct World {
    topology: Topology,
    state: State,
    network: Network,
}

impl World {
    fn new(case: &PacketCase) -> Result<Self, String> {
        let loaded = load(&(case.document)())?;
        let state = state(&loaded)?;
        let mut facts = NetworkFacts::default();
        for (gateway, prefix) in case.learned {
            let gateway = facts.learned.entry(id("virtualNetworkGateways", gateway)).or_default();
            gateway.insert(prefix.parse().expect("a prefix"));
        }
        let network = Network::new(&loaded.topology, &state, &facts);
        let network = network.map_err(|error| error.to_string())?;
        Ok(Self { topology: loaded.topology, state, network })
    }

    fn nic(&self, name: &str) -> NicId {
        let mut nics = self.topology.nics.iter();
        let nic = nics.find(|it| it.id.name() == name).expect("the NIC exists");
        self.state.nic(&nic.id).expect("a number")
    }

    fn address(&self, name: &str, is_v4: bool) -> IpAddr {
        let mut nics = self.topology.nics.iter();
        let nic = nics.find(|it| it.id.name() == name).expect("the NIC exists");
        let mut addresses = nic.addresses.iter().copied();
        addresses.find(|it| it.is_ipv4() == is_v4).expect("an address")
    }

    fn name(&self, nic: NicId) -> &str {
        self.network.nic(nic).map_or("?", |id| id.name())
    }

    /// The NICs that the request passed before its end.
    fn passed(&self, exchange: &Exchange) -> Vec<&str> {
        let hops = exchange.request.hops.iter().map(|hop| self.name(hop.to));
        let mut passed: Vec<&str> = hops.collect();
        if exchange.request.delivered().is_some() {
            passed.pop();
        }
        passed
    }

    fn dropped(&self, end: End) -> Option<(&str, &'static str)> {
        match end {
            End::Dropped(drop) => Some((self.name(drop.nic), drop.reason.name())),
            _ => None,
        }
    }
}

fn check(case: &PacketCase) -> Result<(), String> {
    let world = World::new(case)?;
    for probe in case.probes {
        for is_v4 in probe.families() {
            for protocol in [Protocol::Icmp, Protocol::Tcp, Protocol::Udp] {
                judge(&world, probe, *is_v4, protocol)?;
            }
        }
    }
    Ok(())
}

fn judge(world: &World, probe: &Probe, is_v4: bool, protocol: Protocol) -> Result<(), String> {
    let source = world.address(probe.from, is_v4);
    let target = probe.to.address(is_v4, |name, is_v4| world.address(name, is_v4));
    let session = Session::new(&world.network);
    let request = Packet::request(protocol, source, target, HTTPS);
    let exchange = session.exchange(world.nic(probe.from), &request);
    let passed = world.passed(&exchange);
    let dropped = world.dropped(exchange.request.end);
    let no_route = if is_v4 { "RouteNone" } else { "InternetUnavailable" };
    let holds = match probe.verdict {
        Verdict::Direct => exchange.is_complete() && passed.is_empty(),
        Verdict::Via(nics) => exchange.is_complete() && passed == nics,
        Verdict::ViaOneOf(nics) => {
            exchange.is_complete() && matches!(passed.as_slice(), [one] if nics.contains(one))
        }
        Verdict::HandedTo(nic) => passed.contains(&nic),
        Verdict::NoRoute => dropped == Some((probe.from, no_route)),
        Verdict::Dropped(nic, reason) => dropped == Some((nic, reason)),
        Verdict::AnswerDropped(nic, reason) => {
            let end = exchange.answer.as_ref().and_then(|it| world.dropped(it.end));
            end == Some((nic, reason))
        }
    };
    let end = exchange.end();
    let seen = world.dropped(end).map_or_else(|| format!("{end:?}"), |it| format!("{it:?}"));
    let complete = exchange.is_complete();
    holds.then_some(()).ok_or_else(|| {
        format!(
            "{} to {target} by {protocol:?}: {:?} expected, it passed {passed:?}, answered: \
             {complete}, end {seen}",
            probe.from, probe.verdict
        )
    })
}

#[test]
fn packets_meet_their_fate() {
    run(packets::all(), |case| (case.rule, case.name), check);
}
