//! Any documents and writes in any order keep what must hold.

use proptest::prelude::*;
use uuid::Uuid;

use super::{
    super::{PeeringState::*, PeeringSyncLevel::*, PeeringWrite, machine::Machine, operations},
    level,
};
use crate::topology::{
    model::{
        OrphanPeering, PeeringIndex, PeeringScope, ResourceId, Topology, VnetIndex, implicit_side,
    },
    network::Network,
    state::{State, advance, operate},
    testing::{Random, vnet},
};

/// A document of a small universe: VNets come and go and grow, sides of peerings and what they peer
/// change, one VNet is sometimes classic.
fn document(random: &mut Random) -> Topology {
    let mut topology = Topology { auto_sync: random.percent(50), ..Topology::default() };
    let present: Vec<usize> = (0..4).filter(|_| random.percent(80)).collect();
    for number in &present {
        let mut space = vec![format!("10.{number}.0.0/16"), format!("fd00:{number}::/48")];
        if random.percent(40) {
            space.push(format!("10.{}.0.0/16", number + 100));
        }
        let space: Vec<&str> = space.iter().map(String::as_str).collect();
        let mut it = vnet(&format!("v{number}"), &space);
        it.classic = *number == 3 && random.percent(50);
        topology.vnets.push(it);
    }
    for (a, first) in present.iter().enumerate() {
        for second in (0..4).filter(|it| it != first) {
            match present.iter().position(|it| *it == second) {
                Some(b) if a < b => {
                    add_pair(random, &mut topology, (a, b), (first + second) % 3 == 0);
                }
                None if random.percent(60) => add_orphan(&mut topology, a, second),
                Some(_) | None => {}
            }
        }
    }
    topology
}

fn add_pair(random: &mut Random, topology: &mut Topology, (a, b): (usize, usize), partly: bool) {
    let only_ipv6 = random.percent(30);
    for (from, to) in [(a, b), (b, a)] {
        if topology.vnets[from].classic || !random.percent(75) {
            continue;
        }
        let index = topology.peer_one_way(from, to);
        let name = |vnet: usize| vec![topology.vnets[vnet].id.name().to_owned()];
        let (local, remote) = (name(from), name(to));
        let classic = topology.vnets[to].classic;
        let peering = &mut topology.peerings[index];
        peering.enable_only_ipv6 = only_ipv6;
        if partly && !classic {
            peering.scope = PeeringScope::Subnets { local, remote };
        }
        if classic {
            let id = implicit_side(&peering.id);
            let side = topology.peer_one_way(to, from);
            topology.peerings[side].id = id;
            topology.peerings[side].enable_only_ipv6 = only_ipv6;
        }
    }
}

fn add_orphan(topology: &mut Topology, from: usize, remote: usize) {
    let whole = vnet(&format!("v{remote}"), &["10.99.0.0/16"]);
    let mut with =
        Topology { vnets: vec![topology.vnets[from].clone(), whole], ..Topology::default() };
    if with.vnets[0].classic {
        return;
    }
    with.peer_one_way(0, 1);
    let peering = &with.peerings[0];
    let properties = with.peering_properties(peering).unwrap();
    topology.orphans.push(OrphanPeering {
        id: peering.id.clone(),
        vnet: VnetIndex(from),
        properties,
    });
}

/// What holds after every step.
fn check(state: &State, topology: &Topology) {
    let record = |index: PeeringIndex| state.peering(&topology.peering(index).unwrap().id);
    let network = Network::new(topology, state).unwrap();
    for (index, peering) in topology.peerings.iter().enumerate() {
        let own = record(PeeringIndex(index)).unwrap();
        let other = peering.reverse.and_then(record);
        let local = [LocalNotInSync, LocalAndRemoteNotInSync].contains(&own.peering_sync_level);
        if own.peering_state == Connected {
            let other = other.expect("nothing is connected with nothing");
            assert_eq!(other.peering_state, Connected);
            assert_eq!(other.resource_guid, own.resource_guid);
            assert_eq!(own.local_address_space, other.remote_address_space);
            assert!(!topology.auto_sync || own.peering_sync_level == FullyInSync);
            let remote =
                [RemoteNotInSync, LocalAndRemoteNotInSync].contains(&other.peering_sync_level);
            assert_eq!(local, remote, "the levels of both sides mirror each other");
        }
        let vnet = network.vnet(peering.vnet).unwrap();
        let numbered = vnet.peerings.iter().find(|it| it.index == PeeringIndex(index)).unwrap();
        assert_eq!(numbered.connected, own.peering_state == Connected);
        assert!(numbered.connected || numbered.space().is_empty());
    }
    for orphan in &topology.orphans {
        assert_eq!(level(state, &orphan.id), (Disconnected, RemoteNotInSync));
    }
    let all = topology.peerings.len() + topology.orphans.len();
    assert_eq!((state.peerings.len(), state.links().live().count()), (all, all));
    assert_eq!(operations(state, topology), []);
    assert_eq!(advance(state, topology).unwrap(), *state);
}

/// The operations one by one lead to the same records.
fn check_operations(before: &State, topology: &Topology, after: &State) {
    let guids: Vec<Uuid> =
        topology.vnets.iter().map(|it| after.resource_guid(&it.id).unwrap()).collect();
    let mut machine = Machine::new(before.peerings.clone(), topology, &guids);
    for operation in operations(before, topology) {
        machine.apply(&[operation]).unwrap();
    }
    assert_eq!(machine.finish().unwrap(), after.peerings);
}

fn random_write(random: &mut Random, state: &State, topology: &Topology) -> Option<PeeringWrite> {
    let known: Vec<&ResourceId> = state.peerings.keys().collect();
    let written: Vec<&ResourceId> = topology.written_peerings().map(|it| &it.id).collect();
    let pick = |random: &mut Random, from: &[&ResourceId]| {
        (!from.is_empty()).then(|| from[random.below(from.len())].clone())
    };
    match random.below(4) {
        0 => pick(random, &written).map(PeeringWrite::Put),
        1 => pick(random, &written).map(PeeringWrite::Sync),
        2 => pick(random, &known).map(PeeringWrite::Delete),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn documents_and_writes_in_any_order_keep_what_must_hold(seed: u64) {
        let mut random = Random(seed);
        let mut state = State::default();
        for _ in 0..12 {
            let mut topology = document(&mut random);
            topology.orphans.retain(|it| state.peering(&it.id).is_some());
            match random_write(&mut random, &state, &topology) {
                Some(write) => {
                    if let Ok(next) = operate(&state, &topology, &write) {
                        check(&next, &topology);
                        state = next;
                    }
                }
                None => {
                    if let Ok(next) = advance(&state, &topology) {
                        check_operations(&state, &topology, &next);
                        check(&next, &topology);
                        state = next;
                    }
                }
            }
        }
    }
}
