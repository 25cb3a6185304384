//! Sizes that a deployment may reach: 1,000 VNets with 1,000 routes each.

use super::*;
use crate::topology::{desired::VnetTables, testing::Random};
use ipnet::Ipv4Net;
use vnetpeer_common::types::{TableId, VnetId};

/// The mix of lengths that the routes of the published measurements have.
fn random_routes(random: &mut Random, count: usize) -> PrefixTable<abi::NextHop> {
    let mut table = PrefixTable::default();
    while table.v4.len() < count {
        let len = [20, 22, 24, 24, 24, 24, 26, 28][random.below(8)];
        let address = 10 << 24 | u32::try_from(random.next() & 0x00ff_ffff).unwrap();
        let target = u32::try_from(random.below(1_000)).unwrap() + 1;
        let hop = abi::NextHop { kind: 1, target, ..abi::NextHop::default() };
        table.v4.insert(Ipv4Net::new(address.into(), len).unwrap().trunc(), hop);
    }
    table
}

fn desired(vnets: u32, routes: usize) -> Desired {
    let mut random = Random(7);
    let mut desired = Desired::default();
    for number in 1..=vnets {
        desired.routes.insert(TableId(number), random_routes(&mut random, routes));
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
    table.v4.insert("10.77.77.77/32".parse().unwrap(), hop);
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
