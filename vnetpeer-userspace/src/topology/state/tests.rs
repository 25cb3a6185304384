//! Numbers, GUIDs and peering states over series of topologies.

use super::{PeeringState::*, PeeringSyncLevel::*, *};
use crate::topology::{
    model::{Access, Direction, SecurityGroupIndex},
    testing::{
        Random, hub_and_spokes, net, nic,
        security::{admin, group, rule},
        vnet,
    },
};
use vnetpeer_common::types::PolicyId;

fn after(state: &State, topology: &Topology) -> State {
    let next = advance(state, topology).unwrap();
    assert_eq!(advance(&next, topology).unwrap(), next, "advancing twice is advancing once");
    next
}

fn levels(state: &State, topology: &Topology) -> Vec<(PeeringState, PeeringSyncLevel)> {
    let records = topology.peerings.iter().map(|it| state.peering(&it.id).unwrap());
    records.map(|it| (it.peering_state, it.peering_sync_level)).collect()
}

#[test]
fn numbers_start_at_one_and_do_not_depend_on_the_order_of_the_document() {
    let mut topology = hub_and_spokes();
    let state = after(&State::default(), &topology);
    let numbers: Vec<u32> = topology.vnets.iter().map(|it| state.vnet(&it.id).unwrap().0).collect();
    assert_eq!(numbers, [1, 2, 3]);
    topology.hosts.reverse();
    topology.nics.iter_mut().for_each(|it| it.host.0 = 1 - it.host.0);
    topology.nics.reverse();
    assert_eq!(after(&State::default(), &topology), state);
}

#[test]
fn a_recreated_resource_is_another_one() {
    let mut topology = hub_and_spokes();
    let first = after(&State::default(), &topology);
    let nic = topology.nics.remove(1);
    let id = nic.id.clone();
    let without = after(&first, &topology);
    assert_eq!(without.nic(&id), None);
    assert_eq!(without.nics().retired().next().map(|it| &it.key), Some(&id));
    topology.nics.push(nic);
    let again = after(&without, &topology);
    assert_ne!(again.nic(&id), first.nic(&id));
    assert_ne!(again.resource_guid(&id), first.resource_guid(&id));
    assert_eq!(again.nics().get(&id).unwrap().incarnation, 2);
    assert_eq!(again.slot("host0", &id), first.slot("host0", &id), "a row of counters is not");
}

#[test]
fn a_nic_in_another_vnet_is_another_nic_and_one_on_another_host_is_not() {
    let mut topology = hub_and_spokes();
    let first = after(&State::default(), &topology);
    let id = topology.nics[1].id.clone();
    topology.nics[1].host.0 = 1;
    let moved = after(&first, &topology);
    assert_eq!(moved.nic(&id), first.nic(&id));
    assert_eq!((moved.slot("host0", &id), moved.slot("host1", &id)), (None, Some(2)));
    topology.nics[1].vnet.0 = 2;
    assert_ne!(after(&moved, &topology).nic(&id), first.nic(&id));
}

#[test]
fn retired_numbers_are_used_again_only_when_none_is_left_and_oldest_first() {
    let keys = |names: &[&str]| -> BTreeMap<Cow<'static, String>, Uuid> {
        names.iter().map(|it| (Cow::Owned((*it).to_owned()), Uuid::nil())).collect()
    };
    let mut space = Space::<String>::default();
    let number = |space: &Space<String>, key: &str| space.get(&key.to_owned()).unwrap().number;
    space.advance(keys(&["a", "b"]).into_iter(), 4, Return::AsNew).unwrap();
    space.advance(keys(&["b"]).into_iter(), 4, Return::AsNew).unwrap();
    space.advance(keys(&["b", "c"]).into_iter(), 4, Return::AsNew).unwrap();
    assert_eq!(number(&space, "c"), 3, "1 is retired, 3 is fresh");
    space.advance(keys(&["c"]).into_iter(), 4, Return::AsNew).unwrap();
    space.advance(keys(&["a", "c"]).into_iter(), 4, Return::AsNew).unwrap();
    assert_eq!(number(&space, "a"), 1, "the oldest");
    assert_eq!(space.get(&"a".to_owned()).unwrap().incarnation, 2);
    let mut full = space.clone();
    let error = full.advance(keys(&["a", "d", "e"]).into_iter(), 4, Return::AsNew);
    assert_eq!(error, Err(Exhausted), "only 2 was retired before this step");
    space.advance(keys(&["a", "d"]).into_iter(), 4, Return::AsNew).unwrap();
    assert_eq!(number(&space, "d"), 2);
}

proptest::proptest! {
    #[test]
    fn who_stays_keeps_the_number_and_nobody_else_has_it(
        steps in proptest::collection::vec(
            proptest::collection::btree_map("[a-f]", 0_u128..2, 0..6), 1..6,
        )
    ) {
        let mut space = Space::<String>::default();
        for wanted in steps {
            let before = space.clone();
            let wanted: BTreeMap<String, Uuid> =
                wanted.into_iter().map(|(key, it)| (key, Uuid::from_u128(it))).collect();
            let borrowed = wanted.iter().map(|(key, it)| (Cow::Borrowed(key), *it));
            space.advance(borrowed, 100, Return::AsNew).unwrap();
            let live: BTreeMap<String, Uuid> =
                space.live().map(|(key, it)| (key.clone(), it.anchor)).collect();
            assert_eq!(live, wanted);
            let numbers: BTreeSet<u32> = space.live().map(|(_, it)| it.number).collect();
            assert_eq!(numbers.len(), wanted.len());
            for (key, old) in before.live() {
                let stays = wanted.get(key) == Some(&old.anchor);
                assert_eq!(space.get(key) == Some(old), stays);
                let retired = space.retired().any(|it| it.number == old.number);
                assert_eq!(retired, !stays);
            }
        }
    }
}

/// So many keys in some order, some of them more than once; their anchors change now and then.
fn random_keys(random: &mut Random, wanted: &mut Vec<(String, Uuid)>) {
    let anchor = |key: &str, it: usize| (key.to_owned(), Uuid::from_u128(it as u128));
    for _ in 0..=random.below(3) {
        let key = format!("k{}", random.below(300));
        match random.below(6) {
            0 => wanted.retain(|(it, _)| *it != key),
            1 => {
                let first = random.below(wanted.len().max(1));
                wanted.rotate_left(first);
            }
            2 => {
                let to = random.below(3);
                wanted
                    .iter_mut()
                    .filter(|(it, _)| *it == key)
                    .for_each(|it| *it = anchor(&key, to));
            }
            _ => {
                let known = wanted.iter().find(|(it, _)| *it == key).map(|(_, it)| *it);
                let place = random.below(wanted.len() + 1);
                wanted.insert(place, (key.clone(), known.unwrap_or_else(|| anchor(&key, 0).1)));
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn what_was_wanted_before_changes_no_number(seed: u64) {
        let mut random = Random(seed);
        let mut wanted: Vec<_> = (0..200).map(|it| (format!("k{it}"), Uuid::nil())).collect();
        let mut space = Space::<String>::default();
        for _ in 0..20 {
            random_keys(&mut random, &mut wanted);
            let policy = [Return::AsNew, Return::AsBefore][random.below(2)];
            let json = serde_json::to_string(&space).unwrap();
            let mut read: Space<String> = serde_json::from_str(&json).unwrap();
            proptest::prop_assert_eq!(&read, &space);
            for space in [&mut space, &mut read] {
                let borrowed = wanted.iter().map(|(key, it)| (Cow::Borrowed(key), *it));
                space.advance(borrowed, 1_000, policy).unwrap();
            }
            proptest::prop_assert_eq!(&read, &space);
            let live: BTreeMap<_, _> = space.live().map(|(key, it)| (key.clone(), it.anchor)).collect();
            proptest::prop_assert_eq!(live, wanted.iter().cloned().collect());
            for (key, assigned) in space.live() {
                proptest::prop_assert_eq!(space.get(key), Some(assigned));
            }
            let mut numbers = space.in_order();
            for (key, _) in &wanted {
                // Whoever does not ask in order is given the same.
                let other = &wanted[random.below(wanted.len())].0;
                for key in [key, other].into_iter().take(1 + random.below(2)) {
                    let number = space.get(key).map(|it| it.number);
                    proptest::prop_assert_eq!(numbers.number(key), number);
                }
            }
        }
    }
}

#[test]
fn exhaustion_names_the_space() {
    let mut topology = hub_and_spokes();
    topology.nics = (0..1024).map(|it| nic(&format!("n{it}"), 0, 0, &["10.0.0.4"])).collect();
    let error = advance(&State::default(), &topology).unwrap_err();
    assert_eq!(error.to_string(), "no drop counter number is left: the maps hold 1023");
}

#[test]
fn a_peering_connects_when_both_sides_exist_and_disconnects_when_one_goes() {
    let mut topology = hub_and_spokes();
    topology.peerings.clear();
    topology.peer_one_way(0, 1);
    let one = after(&State::default(), &topology);
    assert_eq!(levels(&one, &topology), [(Initiated, RemoteNotInSync)]);
    topology.peer_one_way(1, 0);
    let two = after(&one, &topology);
    assert_eq!(levels(&two, &topology), [(Connected, FullyInSync); 2]);
    let guids = topology.vnets[..2].iter().map(|it| two.resource_guid(&it.id).unwrap().as_u128());
    let both = guids.fold(0, |all, it| all ^ it);
    for peering in &topology.peerings {
        assert_eq!(two.peering(&peering.id).unwrap().resource_guid.as_u128(), both);
    }
    let gone = topology.peerings.pop().unwrap();
    topology.peerings[0].reverse = None;
    let three = after(&two, &topology);
    assert_eq!(levels(&three, &topology), [(Disconnected, RemoteNotInSync)]);
    topology.peerings[0].reverse = gone.reverse.map(|_| crate::topology::model::PeeringIndex(1));
    topology.peerings.push(gone);
    let four = after(&three, &topology);
    assert_eq!(levels(&four, &topology), [(Connected, FullyInSync); 2]);
    assert_eq!(four.link(&topology.peerings[0].id), two.link(&topology.peerings[0].id));
    assert_ne!(four.link(&topology.peerings[1].id), two.link(&topology.peerings[1].id));
}

#[test]
fn a_resize_waits_for_the_sync_of_the_side_whose_copy_is_old() {
    let mut topology = hub_and_spokes();
    topology.peerings.truncate(2);
    let (hub, spoke) = (topology.peerings[0].id.clone(), topology.peerings[1].id.clone());
    let before = after(&State::default(), &topology);
    topology.vnets[1].address_space.push(net("10.7.0.0/16"));
    let resized = after(&before, &topology);
    assert_eq!(
        levels(&resized, &topology),
        [(Connected, LocalNotInSync), (Connected, RemoteNotInSync)]
    );
    assert_eq!(resized.peering(&hub).unwrap().remote_address_space.len(), 2);
    let sync =
        |id: &ResourceId| operate(&resized, &topology, &PeeringWrite::Sync(id.clone())).unwrap();
    assert_eq!(sync(&spoke), resized, "the wrong side");
    let synced = sync(&hub);
    assert_eq!(levels(&synced, &topology), [(Connected, FullyInSync); 2]);
    assert_eq!(synced.peering(&hub).unwrap().remote_address_space.len(), 3);
    assert_eq!(after(&synced, &topology), synced);
    topology.auto_sync = true;
    assert_eq!(after(&resized, &topology), synced, "auto_sync does the same");
    topology.auto_sync = false;
    topology.vnets[0].address_space.pop();
    let both = after(&resized, &topology);
    assert_eq!(levels(&both, &topology), [(Connected, LocalAndRemoteNotInSync); 2]);
}

#[test]
fn a_space_that_was_given_to_another_peer_must_be_synced_first() {
    let mut topology = hub_and_spokes();
    let before = after(&State::default(), &topology);
    topology.vnets[1].address_space[0] = net("10.7.0.0/16");
    topology.vnets.push(vnet("late", &["10.1.0.0/16"]));
    topology.peer(0, 3);
    let error = advance(&before, &topology).unwrap_err();
    assert!(matches!(error, StateError::SpacesOverlap { .. }), "{error}");
    topology.auto_sync = true;
    after(&before, &topology);
}

#[test]
fn the_json_form_reads_back_and_refuses_another_version() {
    let state = after(&State::default(), &hub_and_spokes());
    let json = state.to_json().unwrap();
    assert_eq!(State::from_json(&json).unwrap(), state);
    let version = |version: u32| format!("\"schemaVersion\": {version}");
    let next = STATE_SCHEMA_VERSION + 1;
    let newer = json.replacen(&version(STATE_SCHEMA_VERSION), &version(next), 1);
    let error = State::from_json(&newer).unwrap_err();
    assert!(matches!(error, StateError::SchemaVersion { found, .. } if found == next));
}

#[test]
fn ids_that_differ_only_in_case_are_the_same_resource() {
    let mut topology = hub_and_spokes();
    let state = after(&State::default(), &topology);
    let id = topology.vnets[1].id.clone();
    topology.vnets[1].id = ResourceId::new(id.as_str().to_ascii_uppercase());
    let next = after(&state, &topology);
    assert_eq!(next.vnet(&topology.vnets[1].id), state.vnet(&id));
    assert_eq!(next.resource_guid(&topology.vnets[1].id), state.resource_guid(&id));
}

/// A topology whose hub has a group, with one more group that nothing uses.
fn with_groups() -> Topology {
    let mut topology = hub_and_spokes();
    let rules = vec![rule("web", 100, Access::Allow), rule("ssh", 110, Access::Deny)];
    topology.security_groups = vec![group("unused", vec![]), group("hub", rules)];
    topology.vnets[0].subnets[0].security_group = Some(SecurityGroupIndex(1));
    topology.admin_rules.push(admin("admin", &[0], vec![rule("first", 1, Access::Deny)]));
    topology
}

#[test]
fn policies_and_rules_in_use_have_numbers_and_names() {
    let topology = with_groups();
    let state = after(&State::default(), &topology);
    let key = |id: &ResourceId, direction| PolicyKey { group: id.clone(), direction };
    let hub = key(&topology.security_groups[1].id, Direction::Inbound);
    let unused = key(&topology.security_groups[0].id, Direction::Inbound);
    assert_eq!(state.policy(&unused), None);
    let policy = state.policy(&hub).unwrap();
    assert_eq!(state.policy_key(policy), Some(hub.clone()));
    for name in ["securityRules/web", "defaultSecurityRules/DenyAllInBound"] {
        let rule = state.rule(&hub, name).unwrap();
        assert_eq!(state.rule_name(rule), Some((hub.clone(), name.to_owned())));
    }
    let outbound = key(&topology.security_groups[1].id, Direction::Outbound);
    assert_eq!(state.rule(&outbound, "securityRules/web"), None);
    assert!(state.rule(&outbound, "defaultSecurityRules/AllowInternetOutBound").is_some());
    let admin = key(&topology.admin_rules[0].id, Direction::Inbound);
    assert!(state.rule(&admin, "securityAdminRules/first").is_some());
    assert_eq!(State::from_json(&state.to_json().unwrap()).unwrap(), state);
    assert_eq!(state.policy_key(PolicyId(99)), None);
}

#[test]
fn a_rule_that_is_gone_keeps_its_number_and_its_name() {
    let mut topology = with_groups();
    let first = after(&State::default(), &topology);
    let group = topology.security_groups[1].id.clone();
    let hub = PolicyKey { group, direction: Direction::Inbound };
    let ssh = first.rule(&hub, "securityRules/ssh").unwrap();
    topology.security_groups[1].rules.pop();
    topology.security_groups[1].rules.push(rule("new", 120, Access::Allow));
    let second = after(&first, &topology);
    assert_eq!(second.rule(&hub, "securityRules/ssh"), None);
    assert_ne!(second.rule(&hub, "securityRules/new"), Some(ssh));
    assert_eq!(second.rule_name(ssh), Some((hub.clone(), "securityRules/ssh".to_owned())));
    topology.vnets[0].subnets[0].security_group = None;
    let third = after(&second, &topology);
    assert_eq!(third.policy(&hub), None);
    topology.vnets[0].subnets[0].security_group = Some(SecurityGroupIndex(1));
    let fourth = after(&third, &topology);
    assert_eq!(fourth.policy(&hub), first.policy(&hub), "the same policy again");
}

#[test]
fn a_state_without_policies_reads_and_gets_them() {
    let topology = with_groups();
    let state = after(&State::default(), &topology);
    let mut json: serde_json::Value = serde_json::from_str(&state.to_json().unwrap()).unwrap();
    let fields = json.as_object_mut().unwrap();
    fields.insert("schemaVersion".into(), 1.into());
    fields.remove("policies");
    fields.remove("rules");
    let old = State::from_json(&json.to_string()).unwrap();
    assert_eq!(old.vnets(), state.vnets());
    assert_eq!(after(&old, &topology), state);
}
