//! A real host's maps of a hub with many spokes and of a mesh: packets between sampled pairs, of which it is
//! known who reaches whom.
//!
//! `VNETPEER_TEST_SCALE=full` takes 1,000 VNets and 10,000 pairs of each kind.
#![expect(clippy::expect_used, reason = "a test that cannot go on panics, with the place where")]

use std::{collections::BTreeMap, env, fs, path::PathBuf, process};

use aya::EbpfLoader;
use vnetpeer_common::{
    abi::{ABI_VERSION, Nic, maps},
    types::{NicId, TableId},
};
use vnetpeer_tests::{
    kernel, object,
    random::Random,
    scale::{Deployment, HOSTS, Host, PACKET_BYTES},
};
use vnetpeer_userspace::{
    dataplane::{Dataplane, maps::MapTooSmall},
    topology::desired::{Desired, SharedTable},
};

/// VNets, and pairs that reach each other and pairs that do not.
fn size() -> (usize, usize) {
    let full = env::var("VNETPEER_TEST_SCALE").is_ok_and(|value| value == "full");
    if full { (1_000, 10_000) } else { (120, 400) }
}

/// Sends a packet for every pair, and looks at both meters before and after.
fn check(deployment: &Deployment, wanted: usize) {
    let mut host = Host::load(*deployment).expect("the host has it");
    let mut random = Random::new(3);
    let (mut passed, mut dropped) = (0, 0);
    while passed < wanted || dropped < wanted {
        // Half of the pairs have the first VNet in them, which is the hub.
        let mut ends = [random.below(deployment.vnets()), random.below(deployment.vnets())];
        if random.below(2) == 0 {
            ends[random.below(2)] = 0;
        }
        let [from, to] = ends;
        let count = if deployment.reaches(from, to) { &mut passed } else { &mut dropped };
        if *count == wanted {
            continue;
        }
        *count += 1;
        let target = (to, random.below(HOSTS.len()));
        if from == to && target.1 == 0 {
            continue;
        }
        let links = host.links(from, to).ok().filter(|_| from != to);
        let read = |host: &Host| {
            links.map(|it| it.map(|link| host.metered(link).expect("the host has it")))
        };
        let before = read(&host);
        let port = u16::try_from(1_024 + random.below(60_000)).expect("the host has it");
        let found = host.send(from, target, port).expect("the host has it");
        assert_eq!(
            found,
            host.expected(from, target).expect("the host has it"),
            "{from} → {target:?}"
        );
        let (Some(before), Some(after)) = (before, read(&host)) else { continue };
        let (sent, received) = (found.is_some(), found.is_some() && target.1 == 0);
        let one = |is: bool| if is { [1, PACKET_BYTES] } else { [0, 0] };
        let difference = |at: usize| [0, 1, 2, 3].map(|field| after[at][field] - before[at][field]);
        let egress = difference(0);
        assert_eq!(egress[..2], one(sent), "egress of {from} → {target:?}");
        let ingress = difference(1);
        assert_eq!(ingress[2..], one(received), "ingress of {from} → {target:?}");
        assert_eq!((&egress[2..], &ingress[..2]), (&[0, 0][..], &[0, 0][..]));
    }
    println!("{passed} pairs reach each other, {dropped} do not");
}

#[test]
fn spokes_reach_the_hub_and_no_other_spoke() {
    if kernel::available() {
        let (vnets, pairs) = size();
        check(&Deployment::hub(vnets), pairs);
    }
}

#[test]
fn members_of_a_mesh_reach_each_other_and_no_other_vnet() {
    if kernel::available() {
        let (vnets, pairs) = size();
        check(&Deployment { outside: vnets / 50, ..Deployment::mesh(vnets) }, pairs);
    }
}

#[test]
fn maps_that_an_earlier_version_made_smaller_are_told_before_anything_is_written() {
    if !kernel::available() {
        return;
    }
    let pins = PathBuf::from(format!("/sys/fs/bpf/vnetpeer-small-{}", process::id()));
    let map_dir = pins.join(format!("v{ABI_VERSION}/maps"));
    fs::create_dir_all(&map_dir).expect("a pin directory");
    let mut earlier = EbpfLoader::new();
    for name in [maps::NICS, maps::ROUTES] {
        earlier.map_pin_path(name, map_dir.join(name)).map_max_entries(name, 8);
    }
    let earlier = earlier.load(&object::programs()).expect("the object");
    let dataplane = Dataplane::open(&pins).expect("the dataplane");
    let fits = |nic: u32, table: u32| {
        let nics = BTreeMap::from([(NicId(nic), Nic::default())]);
        let routes = BTreeMap::from([(TableId(table), SharedTable::default())]);
        dataplane.maps.hold(&Desired { nics, routes, ..Desired::default() })
    };
    let found = [fits(7, 7), fits(8, 7), fits(7, 9)];
    let read = dataplane.maps.read_back().map(|raw| raw.nics.len());
    let told = dataplane.maps.map_capacities().get(maps::NICS).copied();
    drop((earlier, dataplane));
    Dataplane::remove(&pins).expect("the pins");
    let small = |map, number| Err(MapTooSmall { map, capacity: 8, number });
    assert_eq!(found, [Ok(()), small(maps::NICS, 8), small(maps::ROUTES, 9)]);
    assert_eq!((read.expect("the maps are read"), told), (0, Some(8)));
}
