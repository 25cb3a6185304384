//! The oracle against the kernel's packet filter: every packet of random and of realistic rule sets
//! must fare the same, those of running connections included.

use std::{net::IpAddr, time::Instant};

use ipnet::IpNet;
use vnetpeer_tests::{
    kernel,
    random::{Random, seed},
    security::{
        Oracle, Probe, Tracker, Verdict,
        classbench::{Flavour, Headers, network_with},
        network::JUDGED,
        nftables::{Router, judges, ruleset},
        random::{Probes, Sets},
    },
};
use vnetpeer_userspace::topology::model::{Endpoints, SecurityRule, ServiceTag, Topology};

/// Rule sets from the random generator.
const SETS: usize = 150;
/// Packets at each of them.
const PACKETS: usize = 300;
/// Rules of the realistic sets.
const SIZES: [usize; 4] = [10, 100, 300, 1_000];

/// How the two judges compared.
#[derive(Debug, Default)]
struct Tally {
    allowed: usize,
    denied: usize,
    v4: usize,
    v6: usize,
    disagreements: Vec<String>,
}

impl Tally {
    fn packets(&self) -> usize {
        self.allowed + self.denied
    }

    /// Sends packets in their order through `nft` with the rules of `filtered`, and compares with what
    /// the oracle says by those of `judged`.
    fn compare(
        &mut self,
        router: &mut Router,
        filtered: &Topology,
        judged: &Topology,
        probes: &[Probe],
    ) {
        router.load(&ruleset(filtered), filtered.nics[JUDGED.0].disable_tcp_state_tracking);
        let arrived = router.send(probes);
        let mut tracker = Tracker::new(Oracle::new(judged));
        for (probe, arrived) in probes.iter().zip(arrived) {
            let verdict = tracker.next(JUDGED, probe);
            match verdict {
                Verdict::Allow => self.allowed += 1,
                Verdict::Deny => self.denied += 1,
            }
            match probe.source {
                IpAddr::V4(_) => self.v4 += 1,
                IpAddr::V6(_) => self.v6 += 1,
            }
            if arrived != (verdict == Verdict::Allow) {
                let judgement = Oracle::new(judged).judge(JUDGED, probe);
                self.disagreements.push(format!(
                    "{probe:?}: arrived {arrived}, oracle {verdict:?} ({judgement:?})"
                ));
            }
        }
    }

    /// No disagreement, and enough of everything.
    fn assert_equal(&self, packets: usize) {
        let shown = self.disagreements.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
        assert!(self.disagreements.is_empty(), "{}:\n{shown}", self.disagreements.len());
        assert!(self.packets() >= packets, "{self:?}");
        let rarest = [self.allowed, self.denied, self.v4, self.v6].into_iter().min();
        assert!(rarest >= Some(packets / 10), "{self:?}");
    }
}

/// Packets of conversations that the router can judge.
fn conversations(seed: u64, topology: &Topology, count: usize) -> Vec<Probe> {
    let mut probes = Probes::new(seed, topology);
    let mut packets = Vec::new();
    while packets.len() < count {
        let conversation = probes.conversation();
        if conversation.iter().all(judges) {
            packets.extend(conversation);
        }
    }
    packets
}

#[test]
fn random_sets() {
    if !kernel::available() {
        return;
    }
    let mut router = Router::new();
    let mut sets = Sets::new(seed());
    let mut tally = Tally::default();
    let begun = Instant::now();
    for _ in 0..SETS {
        let topology = sets.one();
        let packets = conversations(sets.random().next(), &topology, PACKETS);
        tally.compare(&mut router, &topology, &topology, &packets);
    }
    println!("{tally:?} in {:?}", begun.elapsed());
    tally.assert_equal(SETS * PACKETS);
}

#[test]
fn realistic_sets() {
    if !kernel::available() {
        return;
    }
    let mut router = Router::new();
    let mut random = Random::new(seed());
    let mut tally = Tally::default();
    let begun = Instant::now();
    for flavour in Flavour::ALL {
        for rules in SIZES {
            let topology = network_with(&mut random, flavour, rules);
            let mut headers = Headers::new(random.next(), &topology);
            let packets: Vec<Probe> =
                std::iter::repeat_with(|| headers.one()).filter(judges).take(1_000).collect();
            tally.compare(&mut router, &topology, &topology, &packets);
        }
    }
    println!("{tally:?} in {:?}", begun.elapsed());
    tally.assert_equal(Flavour::ALL.len() * SIZES.len() * 1_000);
}

/// What is wrong, and how to make it so.
type Mistake = (&'static str, fn(&mut Topology));

fn mistakes() -> [Mistake; 9] {
    [
        ("priorities reversed", |topology| {
            each_rule(topology, |rule| rule.priority = 4_200 - rule.priority);
        }),
        ("ports exchanged", |topology| {
            each_rule(topology, |rule| {
                std::mem::swap(&mut rule.source.ports, &mut rule.destination.ports);
            });
        }),
        ("addresses exchanged", |topology| {
            each_rule(topology, |rule| {
                std::mem::swap(&mut rule.source.endpoints, &mut rule.destination.endpoints);
            });
        }),
        ("a range ends one port early", |topology| {
            each_rule(topology, |rule| {
                for range in &mut rule.destination.ports {
                    *range = *range.start()..=range.end().saturating_sub(1).max(*range.start());
                }
            });
        }),
        ("prefixes one bit longer", |topology| {
            each_rule(topology, |rule| {
                for side in [&mut rule.source, &mut rule.destination] {
                    if let Endpoints::Prefixes(prefixes) = &mut side.endpoints {
                        for prefix in prefixes {
                            *prefix = longer(*prefix);
                        }
                    }
                }
            });
        }),
        ("tags of the platform like any other", |topology| {
            each_rule(topology, |rule| {
                for side in [&mut rule.source, &mut rule.destination] {
                    if let Endpoints::Tag(ServiceTag::Prefixes { platform, .. }) =
                        &mut side.endpoints
                    {
                        *platform = false;
                    }
                }
            });
        }),
        ("access to peers exchanged", |topology| {
            for peering in &mut topology.peerings {
                peering.allow_virtual_network_access ^= true;
            }
        }),
        ("without user-defined routes", |topology| {
            topology.vnets[0].subnets[0].route_table = None;
        }),
        ("without admin rules", |topology| topology.admin_rules.clear()),
    ]
}

/// Rules that are not the same rules: each must be noticed.
#[test]
fn mistakes_are_noticed() {
    if !kernel::available() {
        return;
    }
    let mut router = Router::new();
    let seed = seed();
    for (name, mistake) in mistakes() {
        let mut sets = Sets::new(seed);
        let noticed = (0..SETS).any(|_| {
            let topology = sets.one();
            let mut wrong = topology.clone();
            mistake(&mut wrong);
            let packets = conversations(sets.random().next(), &topology, PACKETS);
            let mut tally = Tally::default();
            tally.compare(&mut router, &wrong, &topology, &packets);
            !tally.disagreements.is_empty()
        });
        assert!(noticed, "{name}: nobody noticed");
    }
}

fn each_rule(topology: &mut Topology, mut change: impl FnMut(&mut SecurityRule)) {
    let groups = topology.security_groups.iter_mut().flat_map(|group| &mut group.rules);
    let admin = topology.admin_rules.iter_mut().flat_map(|collection| &mut collection.rules);
    groups.chain(admin).for_each(&mut change);
}

fn longer(prefix: IpNet) -> IpNet {
    IpNet::new(prefix.addr(), prefix.prefix_len() + 1).map_or(prefix, |longer| longer.trunc())
}
