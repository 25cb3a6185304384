//! Sizes that a deployment may reach: 1,000 VNets with 1,000 routes each.

use super::*;
use crate::topology::{
    desired::{Hop, VnetTables},
    model::{Access, Endpoints, RuleProtocol, SecurityGroup, SecurityGroupIndex},
    testing::{
        Random, nic,
        security::{group, rule},
    },
};
use ipnet::Ipv4Net;
use vnetpeer_common::types::{TableId, VnetId};

/// The mix of lengths that the routes of the published measurements have.
fn random_routes(random: &mut Random, count: usize) -> PrefixTable<Hop> {
    let mut table = PrefixTable::default();
    while table.v4.len() < count {
        let len = [20, 22, 24, 24, 24, 24, 26, 28][random.below(8)];
        let address = 10 << 24 | u32::try_from(random.next() & 0x00ff_ffff).unwrap();
        let target = u32::try_from(random.below(1_000)).unwrap() + 1;
        let hop = abi::NextHop { kind: 1, target, ..abi::NextHop::default() };
        table.v4.insert(Ipv4Net::new(address.into(), len).unwrap().trunc(), Hop::One(hop));
    }
    table
}

fn desired(vnets: u32, routes: usize) -> Desired {
    let mut random = Random(7);
    let mut desired = Desired::default();
    for number in 1..=vnets {
        desired.routes.insert(TableId(number), random_routes(&mut random, routes).into());
        let mut tables = VnetTables { hosted: true, ..VnetTables::default() };
        let [_, _, a, b] = number.to_be_bytes();
        let net = Ipv4Net::new([10, a, b, 0].into(), 24).unwrap();
        tables.endpoints.v4.insert(net, NicId::NONE);
        desired.vnets.insert(VnetId(number), tables);
    }
    desired
}

#[test]
fn a_change_of_one_route_among_many_tables_writes_a_few_nodes() {
    let mut desired = desired(20, 200);
    let capacities = PoolCapacities { trie_v4: 100_000, ..PoolCapacities::default() };
    let first = plan(&desired, &Observed::empty(capacities)).unwrap();
    let hop = abi::NextHop { kind: 1, target: 5, ..abi::NextHop::default() };
    let table = desired.routes.get_mut(&TableId(7)).unwrap();
    table.own.v4.insert("10.77.77.77/32".parse().unwrap(), Hop::One(hop));
    let second = plan(&desired, &first.next).unwrap();
    assert!((2..=6).contains(&second.ops.len()), "{:?}", second.ops);
}

/// Takes seconds and gigabytes without optimisation; `cargo xtask bench` measures the same.
#[test]
#[cfg(not(debug_assertions))]
fn a_million_routes_are_planned_in_seconds() {
    let desired = desired(1_000, 1_000);
    let capacities = PoolCapacities { trie_v4: 2_000_000, ..PoolCapacities::default() };
    let start = std::time::Instant::now();
    let first = plan(&desired, &Observed::empty(capacities)).unwrap();
    let built = start.elapsed();
    let nodes = first.next.trie_v4.used();
    let again = plan(&desired, &first.next).unwrap();
    let both = start.elapsed();
    println!("{nodes} nodes in {built:?}, the same again in {:?}", both - built);
    assert!(again.ops.is_empty());
    assert!(built.as_secs() < 20, "{built:?}");
}

/// A group of 1,000 rules with four prefixes each.
fn large_group(name: &str, random: &mut Random) -> SecurityGroup {
    let rules = (0..1_000_u16).map(|number| {
        let mut it = rule(&format!("r{number}"), 100 + number, Access::Allow);
        let prefix = |random: &mut Random| {
            let len = [16, 20, 24, 24, 28, 32][random.below(6)];
            let address = 10 << 24 | u32::try_from(random.next() & 0x00ff_ffff).unwrap();
            Ipv4Net::new(address.into(), len).unwrap().trunc().into()
        };
        it.source.endpoints = Endpoints::Prefixes((0..4).map(|_| prefix(random)).collect());
        let port = u16::try_from(random.below(40_000)).unwrap();
        it.destination.ports = vec![port..=port + 10];
        it.protocol = RuleProtocol::Tcp;
        it
    });
    group(name, rules.collect())
}

/// One VNet with a large group on its subnet and so many NICs in it.
fn large_topology(nics: usize) -> Topology {
    let mut topology = hub_and_spokes();
    topology.nics.clear();
    for number in 0..nics {
        let address = format!("10.0.{}.{}", number / 200, 10 + number % 200);
        topology.nics.push(nic(&format!("n{number}"), 0, 0, &[&address]));
    }
    topology.security_groups.push(large_group("large", &mut Random(5)));
    topology.vnets[0].subnets[0].security_group = Some(SecurityGroupIndex(0));
    topology
}

#[test]
fn a_changed_rule_of_a_large_group_costs_nothing_per_nic() {
    let mut topology = large_topology(50);
    let capacities = PoolCapacities::default();
    let mut agent = Agent { observed: Observed::empty(capacities), ..Agent::default() };
    let first = agent.compile(&topology, 0, &facts(&topology, 0)).unwrap();
    agent.execute(first, |_, _| ());
    topology.security_groups[0].rules[500].access = Access::Deny;
    let second = agent.compile(&topology, 0, &facts(&topology, 0)).unwrap();
    let ops = plan(&second, &agent.observed).unwrap().ops;
    let kinds = matches!(ops.as_slice(), [Op::SetClassifier { .. }, Op::SetPolicy { .. }]);
    assert!(kinds, "another access only: {} operations", ops.len());
    topology.security_groups[0].rules[500].destination.ports = vec![22..=22];
    let third = agent.compile(&topology, 0, &facts(&topology, 0)).unwrap();
    let ops = plan(&third, &agent.observed).unwrap().ops;
    assert!(ops.len() < 40, "{} operations", ops.len());
    assert!(!ops.iter().any(|op| matches!(op, Op::SetNic { .. } | Op::SetFilter { .. })));
}

/// Prints what it takes; the times mean something only with `--release`.
#[test]
fn a_thousand_nics_with_a_thousand_rules() {
    let mut topology = large_topology(1_000);
    let mut agent = Agent::default();
    let facts = facts(&topology, 0);
    let clock = std::time::Instant::now;
    let start = clock();
    agent.state = advance(&agent.state, &topology).unwrap();
    let numbered = start.elapsed();
    let compiled = |agent: &mut Agent, topology: &Topology| {
        let start = clock();
        let desired = agent.compile(topology, 0, &facts).unwrap();
        println!("advance and compile: {:?}", start.elapsed());
        desired
    };
    println!("advance: {numbered:?}");
    let desired = compiled(&mut agent, &topology);
    let timed = |desired: &Desired, observed: &Observed| {
        let start = clock();
        let plan = plan(desired, observed).unwrap();
        println!("plan: {:?}, {} operations", start.elapsed(), plan.ops.len());
        plan.next
    };
    let first = timed(&desired, &agent.observed);
    println!(
        "{} rows, {} + {} nodes",
        first.rows.used(),
        first.trie_v4.used(),
        first.trie_v6.used()
    );
    timed(&desired, &first);
    topology.security_groups[0].rules[500].destination.ports = vec![22..=22];
    let desired = compiled(&mut agent, &topology);
    timed(&desired, &first);
    topology.security_groups[0].flush_connection = true;
    let desired = compiled(&mut agent, &topology);
    timed(&desired, &first);
    let mut alone = large_topology(1);
    alone.security_groups.push(large_group("other", &mut Random(6)));
    alone.nics[0].security_group = Some(SecurityGroupIndex(1));
    let desired = compiled(&mut agent, &alone);
    let empty =
        timed(&Desired { policies: BTreeMap::new(), ..desired.clone() }, &Observed::default());
    println!("two policies in each direction:");
    timed(&desired, &empty);
}
