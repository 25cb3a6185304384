//! Plans executed on an image of the kernel's maps, one operation at a time.

mod flush;
mod image;
mod model;
mod policies;
mod scale;
mod shapers;

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use vnetpeer_common::{
    abi::{self, link_flags, nic_flags},
    types::{Addr, LinkId, NicId},
};

use self::{
    image::Image,
    model::{Flow, flows, verdict},
};
use super::{Observed, Op, PlanError, PoolCapacities, plan, tables::KnownTables};
use crate::topology::{
    compile::compile,
    desired::{Desired, PrefixTable},
    facts::HostFacts,
    model::Topology,
    state::{State, advance},
    testing::{Random, facts, hub_and_spokes, random_topology},
};

/// One host through a series of topologies.
#[derive(Default)]
struct Agent {
    state: State,
    observed: Observed,
    image: Image,
    desired: Desired,
}

impl Agent {
    fn compile(&mut self, topology: &Topology, host: usize, facts: &HostFacts) -> Option<Desired> {
        // A space that was never synced may overlap another one; such a step is refused.
        self.state = advance(&self.state, topology).ok()?;
        Some(compile(topology, &self.state, &topology.hosts[host].name, facts).unwrap())
    }

    /// Plans, executes, and compares the kernel with what the plan promised.
    fn execute(&mut self, desired: Desired, mut watch: impl FnMut(&Image, Option<&Op>)) {
        let plan = plan(&desired, &self.observed).unwrap();
        let known = KnownTables::default();
        let whole = super::plan(&desired, &Observed { known, ..self.observed.clone() }).unwrap();
        assert!(plan.ops == whole.ops && plan.next == whole.next, "what is known changes nothing");
        watch(&self.image, None);
        for op in &plan.ops {
            self.image.apply(op);
            watch(&self.image, Some(op));
        }
        self.observed = plan.next;
        self.desired = desired;
    }

    fn step(&mut self, topology: &Topology, watch: impl FnMut(&Image, Option<&Op>)) {
        if let Some(desired) = self.compile(topology, 0, &facts(topology, 0)) {
            self.execute(desired, watch);
        }
    }
}

fn series(seed: u64, steps: u64) -> impl Iterator<Item = Topology> {
    (0..steps).map(move |step| random_topology(seed.wrapping_mul(31).wrapping_add(step)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_maps_are_as_desired_and_a_second_plan_is_empty(seed: u64) {
        let mut agent = Agent::default();
        for topology in series(seed, 4) {
            agent.step(&topology, |_, _| ());
            agent.image.check(&agent.desired);
            agent.image.check_observed(&agent.observed);
            let again = plan(&agent.desired, &agent.observed).unwrap();
            prop_assert_eq!(again.ops, vec![]);
            prop_assert!(again.next == agent.observed);
        }
    }

    #[test]
    fn every_beginning_of_a_plan_is_safe(seed: u64) {
        let mut agent = Agent::default();
        for topology in series(seed, 4) {
            let Some(desired) = agent.compile(&topology, 0, &facts(&topology, 0)) else { continue };
            check_safety(&mut agent, desired);
        }
    }

    #[test]
    fn an_agent_that_stopped_anywhere_goes_on(seed: u64, stop in 0_usize..200) {
        let mut agent = Agent::default();
        for topology in series(seed, 3) {
            let Some(desired) = agent.compile(&topology, 0, &facts(&topology, 0)) else { continue };
            let start = agent.image.clone();
            let ops = plan(&desired, &agent.observed).unwrap().ops;
            for op in ops.iter().take(stop) {
                agent.image.apply(op);
            }
            agent.observed = Observed::adopt(agent.image.raw(), PoolCapacities::default());
            check_safety(&mut agent, desired);
            agent.image.check(&agent.desired);
            check_epochs(&start, &agent.image);
            let adopted = Observed::adopt(agent.image.raw(), PoolCapacities::default());
            prop_assert_eq!(plan(&agent.desired, &adopted).unwrap().ops, vec![]);
        }
    }

    #[test]
    fn all_hosts_and_all_runs_agree(seed: u64) {
        let (mut one, mut two) = (State::default(), State::default());
        for topology in series(seed, 3) {
            let Ok(next) = advance(&one, &topology) else { continue };
            one = next;
            two = advance(&two, &topology).unwrap();
            prop_assert!(one == two);
            prop_assert!(advance(&one, &topology).unwrap() == one);
            prop_assert!(State::from_json(&one.to_json().unwrap()).unwrap() == one);
            for host in &topology.hosts {
                let facts = facts(&topology, 0);
                let a = compile(&topology, &one, &host.name, &facts).unwrap();
                let b = compile(&topology, &two, &host.name, &facts).unwrap();
                prop_assert!(a == b);
            }
        }
    }
}

/// Executes a plan and looks at every flow after every operation: its verdict is the old one or the
/// new one or, if these differ, a drop.
fn check_safety(agent: &mut Agent, desired: Desired) {
    let before = agent.image.clone();
    let mut after = before.clone();
    for op in plan(&desired, &agent.observed).unwrap().ops {
        after.apply(&op);
    }
    let mut flows = flows(&before);
    flows.extend(model::flows(&after));
    let expected: Vec<(Flow, _, _)> = flows
        .into_iter()
        .map(|flow| {
            let (old, new) = (verdict(&before, &flow), verdict(&after, &flow));
            (flow, old, new)
        })
        .collect();
    let mut random = Random(u64::from(before.config.epoch));
    let mut judged = before.judged(&mut random, 6);
    judged.extend(after.judged(&mut random, 6));
    let judged: Vec<_> =
        judged.into_iter().map(|it| (it, before.judge(&it), after.judge(&it))).collect();
    check_epochs(&before, &after);
    let in_use = Observed::adopt(before.raw(), PoolCapacities::default());
    agent.execute(desired, |image, op| match op {
        Some(Op::SetNode4 { index, .. }) => assert!(!in_use.trie_v4.is_used(*index)),
        Some(Op::SetNode6 { index, .. }) => assert!(!in_use.trie_v6.is_used(*index)),
        Some(Op::SetRow { index, .. }) => assert!(!in_use.rows.is_used(*index)),
        Some(Op::SetClassifier { index, .. }) => assert!(!in_use.classifiers.is_used(*index)),
        Some(Op::SetNextHop { id, .. }) => assert!(!in_use.next_hops.is_used(id.0)),
        _ => {
            let relevant = matches!(
                op,
                Some(
                    Op::SetPolicy { .. }
                        | Op::SetFilter { .. }
                        | Op::SetNic { .. }
                        | Op::SetRoutes { .. }
                )
            );
            for (it, old, new) in judged.iter().filter(|_| relevant) {
                let Some(now) = image.judge(it) else { continue };
                let fine = if now {
                    *old == Some(true) || *new == Some(true)
                } else {
                    *old != Some(true) || *new != Some(true) || image.is_closed(it)
                };
                assert!(fine, "{it:?}: {old:?} → {now} → {new:?} at {op:?}");
            }
            for (flow, old, new) in &expected {
                let now = verdict(image, flow);
                let exempt = waits(image, flow) || moves(&before, &after, flow);
                let drop = now.is_drop() && (old != new || exempt);
                let fine = drop
                    || now.outcome() == old.outcome()
                    || now.outcome() == new.outcome()
                    || now.is_moved(*old)
                    || now.is_moved(*new);
                assert!(fine, "{flow:?}: {old:?} → {now:?} → {new:?} at {op:?}");
            }
        }
    });
}

/// A local NIC whose packets fare differently has another epoch.
fn check_epochs(before: &Image, after: &Image) {
    let mut flows = flows(before);
    flows.extend(model::flows(after));
    for flow in flows {
        if verdict(before, &flow).outcome() == verdict(after, &flow).outcome() {
            continue;
        }
        let (Flow::Out { nic: id, .. } | Flow::In { target: id, .. }) = flow;
        let local = |image: &Image| image.nics.get(&id).filter(|it| !it.vtep.is_some()).copied();
        if let (Some(old), Some(new)) = (local(before), local(after)) {
            assert_ne!(old.epoch, new.epoch, "{flow:?}");
        }
    }
}

/// Whether the flow's sender is in a VNet that changes its region or its links of connected groups.
fn moves(before: &Image, after: &Image, flow: &Flow) -> bool {
    let (Flow::Out { nic, .. } | Flow::In { nic, .. }) = flow;
    let links = |image: &Image| {
        let vnet = image.vnets.get(&image.nics.get(nic)?.vnet)?;
        Some((vnet.region, vnet.group_links))
    };
    links(before) != links(after)
}

/// Whether the flow's sender is one of the NICs that swap tables.
fn waits(image: &Image, flow: &Flow) -> bool {
    let Flow::Out { nic, .. } = flow else { return false };
    image.nics.get(nic).is_some_and(|nic| !nic.table.is_some())
}

fn applied(topology: &Topology) -> Agent {
    let mut agent = Agent::default();
    agent.step(topology, |_, _| ());
    agent
}

#[test]
fn an_unrelated_peering_touches_nothing_of_the_others() {
    let mut topology = hub_and_spokes();
    topology.vnets.push(crate::topology::testing::vnet("other", &["10.9.0.0/16"]));
    let mut agent = applied(&topology);
    let hub = agent.state.vnet(&topology.vnets[0].id).unwrap();
    topology.peer(2, 3);
    let desired = agent.compile(&topology, 0, &facts(&topology, 0)).unwrap();
    let plan = plan(&desired, &agent.observed).unwrap();
    assert!(plan.ops.is_empty(), "spoke2 and other have no NIC here: {:?}", plan.ops);
    assert!(agent.observed.vnets.contains_key(&hub));
}

#[test]
fn a_new_route_writes_its_path_and_one_root() {
    let mut topology = hub_and_spokes();
    let mut agent = applied(&topology);
    topology.vnets[1].address_space.push(crate::topology::testing::net("10.7.0.0/16"));
    topology.auto_sync = true;
    agent.state = advance(&agent.state, &topology).unwrap();
    let desired = compile(&topology, &agent.state, "host0", &facts(&topology, 0)).unwrap();
    let ops = plan(&desired, &agent.observed).unwrap().ops;
    let roots = ops.iter().filter(|op| matches!(op, Op::SetRoutes { .. })).count();
    let vnets = ops.iter().filter(|op| matches!(op, Op::SetVnet { .. })).count();
    let nodes = ops.iter().filter(|op| matches!(op, Op::SetNode4 { .. })).count();
    let nics = ops.iter().filter(|op| matches!(op, Op::SetNic { .. })).count();
    assert_eq!((roots, vnets), (2, 2), "tables of hub and spoke1; {ops:#?}");
    assert!(nodes <= 8, "{nodes} nodes");
    assert_eq!(nics, 2, "epochs of the local NICs in hub and spoke1");
    assert_eq!(ops.len(), roots + vnets + nodes + nics + 2, "the epoch, before and after");
}

#[test]
fn a_removed_peering_is_cut_first_and_a_recreated_one_gets_a_clean_meter() {
    let mut topology = hub_and_spokes();
    let mut agent = applied(&topology);
    let link = agent.state.link(&topology.peerings[0].id).unwrap();
    let peerings = topology.peerings.clone();
    topology.peerings.clear();
    topology.peer(0, 2);
    let mut first = None;
    agent.step(&topology, |_, op| {
        let marker = matches!(op, Some(Op::SetConfig { .. }));
        first = first.clone().or(op.filter(|_| !marker).cloned());
    });
    assert!(matches!(first, Some(Op::SetIface { .. } | Op::SetLink { .. })), "{first:?}");
    let parked = agent.observed.links[&link];
    assert_eq!(parked.flags, 0);
    topology.peerings = peerings;
    let mut ops = Vec::new();
    agent.step(&topology, |_, op| ops.extend(op.cloned()));
    let new = agent.state.link(&topology.peerings[0].id).unwrap();
    assert_ne!(new, link);
    let zero = ops.iter().position(|op| *op == Op::ZeroMeter { id: new });
    let set = ops.iter().position(|op| matches!(op, Op::SetLink { id, .. } if *id == new));
    assert!(zero.is_some() && zero < set, "{ops:?}");
    assert!(!ops.contains(&Op::ZeroMeter { id: link }));
}

#[test]
fn full_maps_are_an_error_that_names_the_map() {
    let topology = hub_and_spokes();
    let mut agent = Agent::default();
    let desired = agent.compile(&topology, 0, &facts(&topology, 0)).unwrap();
    let small = PoolCapacities { trie_v6: 3, ..PoolCapacities::default() };
    let error = plan(&desired, &Observed::empty(small)).unwrap_err();
    assert_eq!(error, PlanError::Exhausted { map: "TRIE_V6", capacity: 3 });
}
