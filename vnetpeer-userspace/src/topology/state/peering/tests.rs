//! Peering objects through writes and documents.

mod random;

use vnetpeer_common::abi::link_flags;

use super::{PeeringAction::*, PeeringState::*, PeeringSyncLevel::*, *};
use crate::topology::{
    compile::compile,
    model::{OrphanPeering, PeeringScope, Subnet, VnetIndex, implicit_side},
    network::Network,
    routes::{RouteHop, effective_routes},
    state::{advance, operate},
    testing::{facts, hub_and_spokes, ip, net, resource, vnet},
};

fn start(topology: &Topology) -> State {
    advance(&State::default(), topology).unwrap()
}

fn put(state: &State, topology: &Topology, index: usize) -> Result<State, StateError> {
    operate(state, topology, &PeeringWrite::Put(topology.peerings[index].id.clone()))
}

fn level(state: &State, id: &ResourceId) -> (PeeringState, PeeringSyncLevel) {
    let record = state.peering(id).unwrap();
    (record.peering_state, record.peering_sync_level)
}

fn levels(state: &State, topology: &Topology) -> Vec<(PeeringState, PeeringSyncLevel)> {
    topology.peerings.iter().map(|it| level(state, &it.id)).collect()
}

fn actions(state: &State, topology: &Topology) -> Vec<(PeeringAction, String)> {
    let all = operations(state, topology).into_iter();
    all.map(|it| (it.action, it.id.name().to_owned())).collect()
}

/// The hub and its first spoke with both sides, one side, or none.
fn pair(sides: usize) -> Topology {
    let mut topology = hub_and_spokes();
    topology.peerings.truncate(sides);
    if let [only] = topology.peerings.as_mut_slice() {
        only.reverse = None;
    }
    topology
}

/// The topology without a VNet; peerings that point at it stay without their remote.
fn without_vnet(mut topology: Topology, index: usize) -> Topology {
    let all = topology.clone();
    let gone = |vnet: VnetIndex| vnet.0 == index;
    let moved = |vnet: VnetIndex| VnetIndex(vnet.0 - usize::from(vnet.0 > index));
    topology.vnets.remove(index);
    topology.nics.retain(|it| !gone(it.vnet));
    topology.nics.iter_mut().for_each(|it| it.vnet = moved(it.vnet));
    topology.peerings.clear();
    for peering in &all.peerings {
        if gone(peering.remote) {
            topology.orphans.push(OrphanPeering {
                id: peering.id.clone(),
                vnet: moved(peering.vnet),
                properties: all.peering_properties(peering).unwrap(),
            });
        } else if !gone(peering.vnet) {
            topology.peer_one_way(moved(peering.vnet).0, moved(peering.remote).0);
        }
    }
    topology
}

#[test]
fn the_first_object_waits_and_the_second_connects_both() {
    let (none, one, two) = (pair(0), pair(1), pair(2));
    let first = put(&start(&none), &one, 0).unwrap();
    assert_eq!(levels(&first, &one), [(Initiated, RemoteNotInSync)]);
    let second = put(&first, &two, 1).unwrap();
    assert_eq!(levels(&second, &two), [(Connected, FullyInSync); 2]);
    assert_eq!(put(&second, &two, 0).unwrap(), second, "a write without change");
}

#[test]
fn the_other_side_of_a_deleted_object_must_be_written_before_it_comes_back() {
    let (one, two) = (pair(1), pair(2));
    let gone = two.peerings[1].id.clone();
    let deleted = operate(&start(&two), &one, &PeeringWrite::Delete(gone.clone())).unwrap();
    assert_eq!(levels(&deleted, &one), [(Disconnected, RemoteNotInSync)]);
    let error = put(&deleted, &two, 1).unwrap_err();
    assert_eq!(error.code(), Some("RemotePeeringIsDisconnected"));
    assert!(error.to_string().contains(two.peerings[0].id.as_str()), "{error}");
    let reset = put(&deleted, &one, 0).unwrap();
    assert_eq!(levels(&reset, &one), [(Initiated, RemoteNotInSync)]);
    let again = put(&reset, &two, 1).unwrap();
    assert_eq!(levels(&again, &two), [(Connected, FullyInSync); 2]);
    let absent = operate(&deleted, &one, &PeeringWrite::Delete(gone)).unwrap();
    assert_eq!(absent, deleted, "nothing is left to delete");
    let declared = PeeringWrite::Delete(two.peerings[0].id.clone());
    assert!(matches!(operate(&deleted, &one, &declared), Err(StateError::StillDeclared { .. })));
}

#[test]
fn a_document_with_both_sides_resets_the_one_that_is_left() {
    let (one, two) = (pair(1), pair(2));
    let lost = advance(&start(&two), &one).unwrap();
    let expected = [(Reset, "to-spoke1".to_owned()), (Create, "to-hub".to_owned())];
    assert_eq!(actions(&lost, &two), expected);
    assert_eq!(levels(&advance(&lost, &two).unwrap(), &two), [(Connected, FullyInSync); 2]);
}

#[test]
fn a_write_without_sync_does_not_sync() {
    let mut two = pair(2);
    let before = start(&two);
    two.vnets[1].address_space.push(net("10.7.0.0/16"));
    let resized = advance(&before, &two).unwrap();
    assert_eq!(put(&resized, &two, 0).unwrap(), resized);
    let record = |state: &State, index: usize| state.peering(&two.peerings[index].id).cloned();
    let (hub, spoke) = (record(&resized, 0).unwrap(), record(&resized, 1).unwrap());
    assert_eq!(hub.remote_address_space.len(), 2, "routes follow the copy");
    assert_eq!(spoke.local_address_space, hub.remote_address_space, "as the hub knows it");
    assert_eq!(actions(&resized, &two), []);
    two.auto_sync = true;
    assert_eq!(actions(&resized, &two), [(Sync, "to-spoke1".to_owned())]);
    let synced = advance(&resized, &two).unwrap();
    let spoke = synced.peering(&two.peerings[1].id).unwrap();
    assert_eq!(spoke.local_address_space.len(), 3);
}

#[test]
fn what_a_peering_points_at_cannot_change() {
    let two = pair(2);
    let state = start(&two);
    let mut other = pair(0);
    other.peer(0, 2);
    other.peerings[0].id = two.peerings[0].id.clone();
    let expect = |result: Result<State, StateError>| {
        let error = result.unwrap_err();
        assert_eq!(error.code(), Some("ChangingRemoteVirtualNetworkNotAllowed"), "{error}");
    };
    expect(advance(&state, &other));
    expect(put(&state, &other, 0));
    other.peerings[0].id = ResourceId::new(format!("{}-2", two.peerings[0].id));
    let renamed = advance(&state, &other).unwrap();
    assert_eq!(levels(&renamed, &other), [(Connected, FullyInSync); 2]);
    let mut partly = two.clone();
    for peering in &mut partly.peerings {
        let names = |vnet: VnetIndex| vec![two.vnets[vnet.0].id.name().to_owned()];
        let (local, remote) = (names(peering.vnet), names(peering.remote));
        peering.scope = PeeringScope::Subnets { local, remote };
    }
    let error = advance(&state, &partly).unwrap_err();
    assert_eq!(error.code(), Some("ChangingPeerCompleteVnetsNotAllowed"));
}

#[test]
fn changed_properties_are_an_update_and_a_new_name_is_another_object() {
    let mut two = pair(2);
    let state = start(&two);
    two.peerings[0].allow_forwarded_traffic = true;
    assert_eq!(actions(&state, &two), [(Update, "to-spoke1".to_owned())]);
    two.peerings[0].id = ResourceId::new(format!("{}-2", two.peerings[0].id));
    let expected = [(Delete, "to-spoke1"), (Reset, "to-hub"), (Create, "to-spoke1-2")];
    assert_eq!(actions(&state, &two), expected.map(|(it, name)| (it, name.to_owned())));
    assert_eq!(levels(&advance(&state, &two).unwrap(), &two), [(Connected, FullyInSync); 2]);
}

#[test]
fn a_peering_outlives_its_remote_vnet_and_keeps_its_number() {
    let two = pair(2);
    let before = start(&two);
    let id = two.peerings[1].id.clone();
    let alone = without_vnet(two.clone(), 0);
    let lost = advance(&before, &alone).unwrap();
    assert_eq!(level(&lost, &id), (Disconnected, RemoteNotInSync));
    assert_eq!(lost.link(&id), before.link(&id));
    let network = Network::new(&alone, &lost).unwrap();
    assert!(network.vnets()[0].peerings.is_empty());
    assert_eq!(lost.peering(&id).unwrap().remote_address_space.len(), 2);
    let error = advance(&State::default(), &alone).unwrap_err();
    assert_eq!(error.code(), Some("InvalidResourceReference"));
    let error = operate(&lost, &alone, &PeeringWrite::Put(id.clone())).unwrap_err();
    assert_eq!(error.code(), Some("InvalidResourceReference"));
    // A VNet of the same name is another one.
    let mut again = pair(2);
    again.peerings.remove(0);
    again.peerings[0].reverse = None;
    let recreated = advance(&lost, &again).unwrap();
    assert_eq!(level(&recreated, &id).0, Disconnected);
    assert_eq!(recreated.link(&id), before.link(&id));
    let both = advance(&recreated, &two).unwrap();
    assert_eq!(levels(&both, &two), [(Connected, FullyInSync); 2]);
    assert_ne!(
        both.peering(&id).unwrap().resource_guid,
        before.peering(&id).unwrap().resource_guid
    );
    assert_ne!(both.link(&id), before.link(&id));
}

#[test]
fn addresses_of_a_vnet_that_is_gone_stay_taken_until_its_peering_is_deleted() {
    let mut alone = without_vnet(pair(2), 0);
    let lost = advance(&start(&pair(2)), &alone).unwrap();
    alone.vnets.push(vnet("late", &["10.0.0.0/17"]));
    advance(&lost, &alone).unwrap();
    alone.peer_one_way(0, 2);
    let error = advance(&lost, &alone).unwrap_err();
    assert_eq!(error.code(), Some("VnetAddressSpaceOverlapsWithAlreadyPeeredVnet"));
    alone.orphans.clear();
    advance(&lost, &alone).unwrap();
}

/// The spoke is classic: the hub has the only object.
fn classic() -> Topology {
    let mut topology = pair(2);
    topology.vnets[1].classic = true;
    topology.peerings[1].id = implicit_side(&topology.peerings[0].id);
    topology
}

#[test]
fn a_classic_vnet_is_connected_by_one_object() {
    let (mut topology, none) = (classic(), pair(0));
    assert_eq!(actions(&State::default(), &topology), [(Create, "to-spoke1".to_owned())]);
    let state = put(&start(&none), &topology, 0).unwrap();
    assert_eq!(levels(&state, &topology), [(Connected, FullyInSync); 2]);
    assert!(Network::new(&topology, &state).unwrap().vnets()[1].peerings[0].connected);
    topology.vnets[0].address_space.push(net("10.8.0.0/16"));
    for auto_sync in [false, true] {
        topology.auto_sync = auto_sync;
        let error = advance(&state, &topology).unwrap_err();
        assert_eq!(error.code(), Some("VnetAddressSpaceCannotChangeDueToPeerings"));
    }
    let mut without = none;
    without.vnets[1].classic = true;
    let deleted = advance(&state, &without).unwrap();
    assert!(deleted.peerings.is_empty());
    assert_eq!(levels(&advance(&deleted, &topology).unwrap(), &topology).len(), 2);
}

#[test]
fn subnet_peering_copies_the_prefixes_of_the_named_subnets() {
    let mut topology = pair(2);
    for peering in &mut topology.peerings {
        let names = |vnet: VnetIndex| vec![topology.vnets[vnet.0].id.name().to_uppercase()];
        let (local, remote) = (names(peering.vnet), names(peering.remote));
        peering.scope = PeeringScope::Subnets { local, remote };
    }
    let state = start(&topology);
    let record = state.peering(&topology.peerings[0].id).unwrap();
    assert_eq!(record.remote_address_space, [net("10.1.0.0/24"), net("fd00:1::/64")]);
    assert_eq!(record.local_address_space, [net("10.0.0.0/24"), net("fd00::/64")]);
    for peering in &mut topology.peerings {
        peering.enable_only_ipv6 = true;
    }
    let narrowed = advance(&state, &topology).unwrap();
    assert_eq!(levels(&narrowed, &topology), [(Connected, LocalAndRemoteNotInSync); 2]);
    topology.auto_sync = true;
    let synced = advance(&narrowed, &topology).unwrap();
    let record = synced.peering(&topology.peerings[0].id).unwrap();
    assert_eq!(record.remote_address_space, [net("fd00:1::/64")]);
}

/// Hub and spoke are peered by their first subnets, and both have another one.
fn by_subnets() -> Topology {
    let mut topology = pair(2);
    for (index, prefix) in ["10.0.9.0/24", "10.1.9.0/24"].into_iter().enumerate() {
        topology.vnets[index].subnets.push(Subnet {
            id: resource("virtualNetworks/default/subnets", "unnamed"),
            prefixes: vec![net(prefix)],
            route_table: None,
            security_group: None,
        });
    }
    for peering in &mut topology.peerings {
        let name = |vnet: VnetIndex| vec![topology.vnets[vnet.0].id.name().to_owned()];
        let (local, remote) = (name(peering.vnet), name(peering.remote));
        peering.scope = PeeringScope::Subnets { local, remote };
        peering.allow_forwarded_traffic = true;
    }
    topology
}

#[test]
fn a_subnet_that_is_not_peered_has_the_route_and_is_not_let_in() {
    let topology = by_subnets();
    let state = start(&topology);
    let network = Network::new(&topology, &state).unwrap();
    let routes = effective_routes(&network, VnetIndex(1), None).unwrap();
    let hop = |address: &str| routes.lookup(ip(address)).map(|route| route.hop.clone());
    assert!(matches!(hop("10.0.0.4"), Some(RouteHop::Peering { .. })), "a peered subnet");
    assert_eq!(hop("10.0.9.4"), Some(RouteHop::None), "another one of the same VNet");
    let desired = compile(&topology, &state, "host0", &facts(&topology, 0)).unwrap();
    let hub = state.vnet(&topology.vnets[0].id).unwrap();
    let link = state.link(&topology.peerings[0].id).unwrap();
    let takes: Vec<_> = desired.vnets[&hub].peers.own.v4.keys().map(ToString::to_string).collect();
    assert_eq!(takes, ["10.1.0.0/24"]);
    let flags = desired.links[&link].flags;
    assert_eq!(flags & link_flags::ALLOW_FORWARDED, 0, "whatever the document says");
    assert_ne!(flags & link_flags::CONNECTED, 0);
}

#[test]
fn an_older_state_is_read_and_gets_what_it_lacks() {
    let two = pair(2);
    let state = start(&two);
    let mut json: serde_json::Value = serde_json::from_str(&state.to_json().unwrap()).unwrap();
    json["schemaVersion"] = 2.into();
    for record in json["peerings"].as_object_mut().unwrap().values_mut() {
        let record = record.as_object_mut().unwrap();
        assert!(record.remove("written").is_some() && record.remove("localAddressSpace").is_some());
    }
    let old = State::from_json(&json.to_string()).unwrap();
    assert_eq!(advance(&old, &two).unwrap(), state);
}
