//! What the generators make is worth comparing: every kind of rule decides somewhere, and nothing
//! decides nearly everything.

use std::collections::BTreeMap;

use vnetpeer_tests::{
    random::{Random, seed},
    security::{
        Level, Oracle, Probe, Verdict,
        classbench::{Flavour, Headers, network_with},
        network::JUDGED,
        random::{Probes, Sets},
    },
};
use vnetpeer_userspace::topology::model::Access;

const SETS: usize = 300;
const PACKETS: usize = 100;

/// Which kind of rule decided, and what.
fn kinds(oracle: &Oracle, probe: &Probe) -> Vec<String> {
    let judgement = oracle.judge(JUDGED, probe);
    let stages = judgement.stages.iter().map(|stage| {
        let rule = match (&stage.rule, stage.level) {
            (None, _) => "none",
            (Some(_), Level::Admin) => "own",
            (Some(name), _) => name.strip_prefix("defaultSecurityRules/").unwrap_or("own"),
        };
        format!("{:?} {rule} {:?}", stage.level, stage.access)
    });
    stages.collect()
}

#[test]
fn every_kind_of_rule_decides() {
    let mut sets = Sets::new(seed());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..SETS {
        let topology = sets.one();
        let oracle = Oracle::new(&topology);
        let mut probes = Probes::new(sets.random().next(), &topology);
        for _ in 0..PACKETS {
            let probe = probes.first();
            for kind in kinds(&oracle, &probe) {
                *counts.entry(kind).or_default() += 1;
            }
        }
    }
    println!("{counts:#?}");
    let mut expected = vec![
        format!("Admin none {:?}", Access::Allow),
        format!("Admin own {:?}", Access::Allow),
        format!("Admin own {:?}", Access::Deny),
        format!("Admin own {:?}", Access::AlwaysAllow),
    ];
    for level in [Level::Subnet, Level::Nic] {
        expected.extend([
            format!("{level:?} own Allow"),
            format!("{level:?} own Deny"),
            format!("{level:?} none Allow"),
            format!("{level:?} AllowVnetInBound Allow"),
            format!("{level:?} AllowVnetOutBound Allow"),
            format!("{level:?} AllowInternetOutBound Allow"),
            format!("{level:?} DefaultInboundDenyAll Deny"),
            format!("{level:?} DefaultOutboundDenyAll Deny"),
        ]);
    }
    for kind in &expected {
        let count = counts.get(kind).copied().unwrap_or_default();
        assert!(count >= SETS * PACKETS / 1_000, "{kind}: {count}");
    }
    // The load balancer is the platform, which no default rule is for.
    assert_eq!(counts.len(), expected.len(), "{counts:?}");
}

#[test]
fn the_same_seed_makes_the_same_sets() {
    let (mut one, mut other) = (Sets::new(7), Sets::new(7));
    for _ in 0..10 {
        let (topology, again) = (one.one(), other.one());
        assert_eq!(format!("{topology:?}"), format!("{again:?}"));
        let (mut probes, mut again) = (Probes::new(1, &topology), Probes::new(1, &again));
        for _ in 0..100 {
            assert_eq!(probes.conversation(), again.conversation());
        }
    }
}

/// Most packets meet a rule of the list, and both verdicts are frequent.
#[test]
fn lists_are_like_real_ones() {
    let mut random = Random::new(seed());
    for flavour in Flavour::ALL {
        for size in [10, 100, 1_000] {
            let topology = network_with(&mut random, flavour, size);
            assert_eq!(topology.security_groups[0].rules.len(), size);
            let oracle = Oracle::new(&topology);
            let mut headers = Headers::new(random.next(), &topology);
            let mut deciding: BTreeMap<Option<String>, usize> = BTreeMap::new();
            let mut denied = 0;
            for _ in 0..2_000 {
                let judgement = oracle.judge(JUDGED, &headers.one());
                denied += usize::from(judgement.verdict == Verdict::Deny);
                *deciding.entry(judgement.stages[0].rule.clone()).or_default() += 1;
            }
            println!("{} {size}: {} rules decide, {denied} denied", flavour.name(), deciding.len());
            assert!(deciding.len() > size / 8, "{} of {size} decide", deciding.len());
            assert!((40..1_960).contains(&denied), "{denied} of 2,000 denied");
        }
    }
}
