//! When running flows are judged again.

use super::*;
use crate::topology::{
    model::{Access, SecurityGroupIndex},
    testing::security::{admin, group, rule},
};
use vnetpeer_common::types::PolicyId;

/// The hub's subnet and the NIC in spoke1 have a group each.
fn guarded() -> Topology {
    let mut topology = hub_and_spokes();
    topology.security_groups = vec![
        group("hub", vec![rule("one", 100, Access::Allow)]),
        group("web", vec![rule("one", 100, Access::Allow)]),
    ];
    topology.vnets[0].subnets[0].security_group = Some(SecurityGroupIndex(0));
    topology.nics[1].security_group = Some(SecurityGroupIndex(1));
    topology
}

/// Applies a topology; operations, and the generations of the NICs of the hub and of spoke1.
fn apply(agent: &mut Agent, topology: &Topology) -> (Vec<Op>, [u32; 2]) {
    let mut ops = Vec::new();
    agent.step(topology, |_, op| ops.extend(op.cloned()));
    agent.image.check(&agent.desired);
    let generation = |nic: usize| {
        let slot = agent.state.slot("host0", &topology.nics[nic].id).unwrap();
        agent.image.filters[&slot].generation
    };
    (ops, [generation(0), generation(1)])
}

fn nics(ops: &[Op]) -> usize {
    ops.iter().filter(|op| matches!(op, Op::SetNic { .. })).count()
}

#[test]
fn a_changed_rule_concerns_no_nic_unless_the_group_flushes() {
    let mut topology = guarded();
    let mut agent = Agent::default();
    let (_, first) = apply(&mut agent, &topology);
    topology.security_groups[1].rules[0].access = Access::Deny;
    let (ops, second) = apply(&mut agent, &topology);
    assert_eq!(second, first);
    assert!(ops.len() <= 3, "rows, a classifier and a policy: {ops:?}");
    assert!(matches!(ops.last(), Some(Op::SetPolicy { .. })));

    topology.security_groups[1].flush_connection = true;
    let (ops, third) = apply(&mut agent, &topology);
    assert_eq!(third[0], first[0]);
    assert_ne!(third[1], first[1], "switched on");
    assert_eq!(nics(&ops), 2, "spoke1 and its neighbour: {ops:?}");

    topology.security_groups[1].rules[0].access = Access::Allow;
    let (ops, fourth) = apply(&mut agent, &topology);
    assert_ne!(fourth[1], third[1], "changed");
    let at = |test: fn(&Op) -> bool| ops.iter().position(test).unwrap();
    assert!(
        at(|op| matches!(op, Op::SetPolicy { .. })) < at(|op| matches!(op, Op::SetFilter { .. }))
    );
    assert!(at(|op| matches!(op, Op::SetFilter { .. })) < at(|op| matches!(op, Op::SetNic { .. })));

    topology.security_groups[1].flush_connection = false;
    let (ops, fifth) = apply(&mut agent, &topology);
    assert_eq!((ops, fifth), (vec![], fourth), "switched off");
}

#[test]
fn a_group_that_flushes_is_attached_and_admin_rules_change() {
    let mut topology = guarded();
    topology.security_groups[1].flush_connection = true;
    topology.nics[1].security_group = None;
    let mut agent = Agent::default();
    let (_, first) = apply(&mut agent, &topology);
    topology.nics[1].security_group = Some(SecurityGroupIndex(1));
    let (_, second) = apply(&mut agent, &topology);
    assert_ne!(second[1], first[1], "attached");
    topology.admin_rules.push(admin("admin", &[1], vec![rule("one", 1, Access::Allow)]));
    let (_, third) = apply(&mut agent, &topology);
    assert_eq!(third[0], second[0]);
    assert_ne!(third[1], second[1], "admin rules");
    topology.admin_rules[0].rules[0].access = Access::AlwaysAllow;
    let (_, fourth) = apply(&mut agent, &topology);
    assert_ne!(fourth[1], third[1], "other admin rules");
    topology.admin_rules.clear();
    let (_, fifth) = apply(&mut agent, &topology);
    assert_ne!(fifth[1], fourth[1], "no admin rules");
}

#[test]
fn a_restart_judges_nothing_again_unless_a_plan_was_not_finished() {
    let mut topology = guarded();
    topology.security_groups[1].flush_connection = true;
    let mut agent = Agent::default();
    apply(&mut agent, &topology);
    let adopted = Observed::adopt(agent.image.raw(), PoolCapacities::default());
    assert_eq!(plan(&agent.desired, &adopted).unwrap().ops, vec![]);

    topology.security_groups[1].rules[0].access = Access::Deny;
    let desired = agent.compile(&topology, 0, &facts(&topology, 0)).unwrap();
    let ops = plan(&desired, &agent.observed).unwrap().ops;
    let switched = ops.iter().position(|op| matches!(op, Op::SetPolicy { .. })).unwrap();
    for stop in [switched + 1, ops.len() - 1, ops.len()] {
        let mut image = agent.image.clone();
        ops[..stop].iter().for_each(|op| image.apply(op));
        let adopted = Observed::adopt(image.raw(), PoolCapacities::default());
        let rest = plan(&desired, &adopted).unwrap().ops;
        for op in &rest {
            image.apply(op);
        }
        assert_eq!(rest.is_empty(), stop == ops.len());
        image.check(&desired);
        for (id, nic) in image.nics.iter().filter(|(_, nic)| !nic.vtep.is_some()) {
            assert_ne!(nic.epoch, agent.image.nics[id].epoch);
        }
        let slot = agent.state.slot("host0", &topology.nics[1].id).unwrap();
        assert_ne!(image.filters[&slot].generation, agent.image.filters[&slot].generation);
    }
}

#[test]
fn two_policies_of_one_nic_that_change_close_it_meanwhile() {
    let mut topology = guarded();
    topology.vnets[1].subnets[0].security_group = Some(SecurityGroupIndex(0));
    let mut agent = Agent::default();
    apply(&mut agent, &topology);
    topology.security_groups[0].rules[0].access = Access::Deny;
    let (ops, _) = apply(&mut agent, &topology);
    let filters = |ops: &[Op]| ops.iter().filter(|op| matches!(op, Op::SetFilter { .. })).count();
    assert_eq!(filters(&ops), 0, "one policy");
    topology.security_groups[0].rules[0].access = Access::Allow;
    topology.security_groups[1].rules[0].access = Access::Deny;
    let (ops, _) = apply(&mut agent, &topology);
    assert_eq!(filters(&ops), 2, "closed and opened: {ops:?}");
}

#[test]
fn a_policy_that_stays_is_not_compiled_again() {
    let mut topology = guarded();
    let mut agent = Agent::default();
    apply(&mut agent, &topology);
    let before = agent.observed.built.clone();
    topology.security_groups[0].rules[0].access = Access::Deny;
    apply(&mut agent, &topology);
    let same = |id: &PolicyId| std::sync::Arc::ptr_eq(&before[id], &agent.observed.built[id]);
    let kept = before.keys().filter(|id| same(id)).count();
    assert_eq!((before.len(), kept), (4, 3));
}

#[test]
fn too_many_rules_are_an_error_that_names_the_policy() {
    let mut topology = guarded();
    let many = (0..1_020).map(|it| rule(&format!("r{it}"), 100 + it, Access::Allow)).collect();
    topology.security_groups[1].rules = many;
    let mut agent = Agent::default();
    let desired = agent.compile(&topology, 0, &facts(&topology, 0)).unwrap();
    let error = plan(&desired, &Observed::default()).unwrap_err();
    assert!(matches!(error, PlanError::TooManyRules { rules: 1_025, .. }), "{error}");
}
