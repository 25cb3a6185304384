//! The life of a peering's two objects by commands, as Azure has it.

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Guest, Spec},
};

use super::{level, property, sorted, without_auto_sync};

const MAKE: &str = "peering create red/to-blue --remote-vnet blue";
const MAKE_OTHER: &str = "peering create blue/to-red --remote-vnet red";

/// Everybody of `red` and everybody of `blue`.
struct Parties {
    red: Vec<Guest>,
    blue: Vec<Guest>,
}

impl Parties {
    fn of(deployment: &Deployment) -> Self {
        let all = |names: [&str; 2]| names.map(|name| deployment.guest(name)).to_vec();
        Self { red: all(["red1", "red2"]), blue: all(["blue1", "blue2"]) }
    }

    /// Every pair of both families, each way.
    fn each(&self, mut check: impl FnMut(&Guest, &Guest, bool) -> bool) -> bool {
        let pairs = self.red.iter().flat_map(|red| self.blue.iter().map(move |blue| (red, blue)));
        let pairs: Vec<_> = pairs.flat_map(|(red, blue)| [(red, blue), (blue, red)]).collect();
        pairs.into_iter().all(|(from, to)| [true, false].into_iter().all(|v4| check(from, to, v4)))
    }

    fn assert_pass(&self) {
        assert!(self.each(|from, to, v4| from.pings(to.address(v4))));
    }

    /// All at once: each takes a second.
    fn assert_nothing_passes(&self) {
        std::thread::scope(|scope| {
            let mut asked = Vec::new();
            self.each(|from, to, v4| {
                let (from, address) = (from.clone(), to.address(v4));
                asked.push(scope.spawn(move || (from.pings_in_vain(address), from.name, address)));
                true
            });
            for asked in asked {
                let (in_vain, name, address) = asked.join().expect("an answer");
                assert!(in_vain, "{name} reaches {address}");
            }
        });
    }
}

fn assert_level(deployment: &Deployment, name: &str, state: &str, level_is: &str) {
    assert_eq!(level(deployment, name), (state.to_owned(), level_is.to_owned()), "{name}");
}

async fn lab(test: &str) -> Option<Deployment> {
    if !kernel::available() {
        return None;
    }
    let spec = Spec { peered: Vec::new(), ..Spec::pair("tc", false) };
    Some(Deployment::up(test, &without_auto_sync(&spec)).await)
}

#[tokio::test]
async fn packets_pass_while_both_objects_are_connected() {
    let Some(deployment) = lab("p-states").await else { return };
    let parties = Parties::of(&deployment);
    let made = deployment.ask(MAKE);
    assert_eq!(property(&made, "peeringState"), "Initiated");
    assert_level(&deployment, "red/to-blue", "Initiated", "RemoteNotInSync");
    parties.assert_nothing_passes();

    let made = deployment.ask(MAKE_OTHER);
    assert_eq!(property(&made, "remoteAddressSpace"), "10.1.0.0/16 fd00:1::/48");
    assert_eq!(property(&made, "localAddressSpace"), "10.3.0.0/16 fd00:3::/48");
    let first = deployment.ask("peering show red/to-blue");
    assert_eq!(property(&made, "resourceGuid"), property(&first, "resourceGuid"));
    for name in ["red/to-blue", "blue/to-red"] {
        assert_level(&deployment, name, "Connected", "FullyInSync");
    }
    parties.assert_pass();

    deployment.ask("peering update red/to-blue --allow-vnet-access false");
    parties.assert_nothing_passes();
    deployment.ask("peering update red/to-blue --allow-vnet-access");
    parties.assert_pass();

    deployment.ask("peering delete blue/to-red");
    assert_level(&deployment, "red/to-blue", "Disconnected", "RemoteNotInSync");
    parties.assert_nothing_passes();
    let deleted = deployment.ask("peering delete blue/to-red");
    assert_eq!(deleted["deleted"].as_array().map(Vec::len), Some(0), "it was not there");
}

#[tokio::test]
async fn a_disconnected_object_must_be_written_before_the_other_is_made_again() {
    let Some(deployment) = lab("p-again").await else { return };
    let parties = Parties::of(&deployment);
    deployment.ask(&format!("{MAKE} --both"));
    assert_level(&deployment, "blue/blue-to-red", "Connected", "FullyInSync");
    deployment.ask("peering delete blue/blue-to-red");

    let serial = deployment.agent("host-b").status().await.expect("the agent answers").serial;
    let refusal = deployment.refused(MAKE_OTHER);
    assert!(refusal.contains("RemotePeeringIsDisconnected"), "{refusal}");
    let after = deployment.agent("host-b").status().await.expect("the agent answers").serial;
    assert_eq!(serial, after, "nothing was changed");
    assert!(deployment.ask("peering list").as_array().is_some_and(|all| all.len() == 1));
    parties.assert_nothing_passes();

    let written = deployment.ask("peering update red/to-blue");
    assert_eq!(property(&written, "peeringState"), "Initiated");
    deployment.ask(MAKE_OTHER);
    assert_level(&deployment, "red/to-blue", "Connected", "FullyInSync");
    parties.assert_pass();

    deployment.ask("peering delete red/to-blue --both");
    assert!(deployment.ask("peering list").as_array().is_some_and(Vec::is_empty));
    parties.assert_nothing_passes();
    deployment.ask(MAKE);
    deployment.ask(MAKE_OTHER);
    parties.assert_pass();
}

#[tokio::test]
async fn a_peer_follows_a_resize_when_its_own_object_is_synced() {
    let Some(deployment) = lab("p-sync").await else { return };
    deployment.ask(&format!("{MAKE} --both"));
    let old = sorted(["10.3.0.0/16", "fd00:3::/48"].into_iter());
    let new = sorted(["10.3.0.0/16", "10.30.0.0/16", "fd00:3::/48", "fd00:30::/48"].into_iter());
    let copy = || property(&deployment.ask("peering show red/to-blue"), "remoteAddressSpace");
    deployment.ask(&format!("vnet update blue --address-prefixes {new}"));
    assert_level(&deployment, "red/to-blue", "Connected", "LocalNotInSync");
    assert_level(&deployment, "blue/blue-to-red", "Connected", "RemoteNotInSync");
    assert_eq!(copy(), old);

    deployment.ask("peering sync blue/blue-to-red");
    assert_eq!(copy(), old, "the copy of the other side is the old one");
    deployment.ask("peering update red/to-blue --allow-forwarded-traffic");
    assert_eq!(copy(), old, "an ordinary write does not sync");
    deployment.ask("vnet update red --address-prefixes 10.1.0.0/16 fd00:1::/48 10.11.0.0/16");
    for name in ["red/to-blue", "blue/blue-to-red"] {
        assert_level(&deployment, name, "Connected", "LocalAndRemoteNotInSync");
    }
    deployment.ask("peering sync red/to-blue");
    assert_eq!(copy(), new);
    assert_level(&deployment, "red/to-blue", "Connected", "RemoteNotInSync");
    deployment.ask("peering sync red/to-blue --both");
    for name in ["red/to-blue", "blue/blue-to-red"] {
        assert_level(&deployment, name, "Connected", "FullyInSync");
    }
}

#[tokio::test]
async fn a_refused_command_names_azures_code_and_changes_nothing() {
    let Some(deployment) = lab("p-refused").await else { return };
    deployment.ask(&format!("{MAKE} --both"));
    let before = deployment.ask("peering list");
    let serial = deployment.agent("host-a").status().await.expect("the agent answers").serial;
    for (command, code) in [
        (
            "peering create red/to-blue --remote-vnet green",
            "ChangingRemoteVirtualNetworkNotAllowed",
        ),
        ("peering create red/more --remote-vnet blue", "AnotherPeeringAlreadyReferencesRemoteVnet"),
        ("peering create red/self --remote-vnet red", "VnetCannotPeerWithItself"),
        ("peering create red/gone --remote-vnet yellow", "InvalidResourceReference"),
        ("peering create yellow/to-red --remote-vnet red", "ParentResourceNotFound"),
        ("peering create to-red --remote-vnet red", "InvalidResourceName"),
        ("peering update red/to-green", "ResourceNotFound"),
        ("peering sync red/to-green", "ResourceNotFound"),
        (
            "vnet update red --address-prefixes 10.1.0.0/16 10.3.9.0/24 fd00:1::/48",
            "VnetAddressSpacesOverlap",
        ),
        ("vnet update red --address-prefixes 10.7.0.0/16 fd00:1::/48", "NetcfgInvalidSubnet"),
    ] {
        let refusal = deployment.refused(command);
        assert!(refusal.contains(code), "`{command}`: {refusal}");
    }
    deployment.ask("peering delete red/never-was");
    assert_eq!(deployment.ask("peering list"), before);
    let after = deployment.agent("host-a").status().await.expect("the agent answers").serial;
    assert_eq!(serial, after);
}
