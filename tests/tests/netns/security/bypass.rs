//! Frames that are made to get past a group: none arrives, and each is counted under its reason.

mod frames;

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, GroupOf, Guest, RuleOf, Spec, Wire},
    packet::Packet,
};

use self::frames::{Attack, Family};

/// The port of UDP that is let in.
const OPEN: u16 = 4_000;
/// The port of TCP that is let in.
const OPEN_TCP: u16 = 4_001;
/// A rule names it with an empty list of sources.
const FROM_NOBODY: u16 = 4_002;
/// A rule names it with a group without members.
const FROM_EMPTY_GROUP: u16 = 4_003;
/// A rule names it with tag `VirtualNetwork`.
const FROM_NETWORK: u16 = 4_004;
/// No rule names it.
const CLOSED: u16 = 4_999;
/// How often each frame is sent.
const TIMES: usize = 5;

/// What the receivers let in.
fn group(nic: &'static str) -> GroupOf {
    let members = "sourceApplicationSecurityGroups: [{id: empty}]";
    let rules = vec![
        RuleOf::allow_in("open", "Udp", &OPEN.to_string()),
        RuleOf::allow_in("open-tcp", "Tcp", &OPEN_TCP.to_string()),
        RuleOf::allow_in("icmp", "Icmp", "*"),
        RuleOf::allow_in("nobody", "Udp", &FROM_NOBODY.to_string())
            .from("sourceAddressPrefixes: []"),
        RuleOf::allow_in("empty", "Udp", &FROM_EMPTY_GROUP.to_string()).from(members),
        RuleOf::allow_in("network", "Udp", &FROM_NETWORK.to_string())
            .from("sourceAddressPrefix: VirtualNetwork"),
        RuleOf::deny_all_in(),
    ];
    GroupOf::new(nic, rules)
}

fn document(spec: &Spec) -> String {
    let text = spec.yaml_with(&super::SERVERS.map(group));
    format!("{text}applicationSecurityGroups:\n  - {{name: empty, properties: {{}}}}\n")
}

/// A sender, and a receiver on some host.
struct Scene<'a> {
    deployment: &'a Deployment,
    from: Wire,
    to: Wire,
    receiver: &'a Guest,
    host: &'static str,
    family: Family,
}

impl<'a> Scene<'a> {
    fn new(deployment: &'a Deployment, receiver: &'a Guest, is_v4: bool) -> Self {
        let sender = deployment.guest("red1");
        let host = if receiver.name == "blue1" { "host-a" } else { "host-b" };
        Self {
            deployment,
            from: Wire::open(deployment, &sender),
            to: Wire::open(deployment, receiver),
            receiver,
            host,
            family: Family::new(&sender, receiver, is_v4),
        }
    }

    /// Packets of the sender that a reason dropped, at either end.
    async fn dropped(&self, reason: &str) -> u64 {
        let at_sender = self.deployment.dropped("host-a", "red1", reason).await;
        at_sender + self.deployment.dropped(self.host, &self.receiver.name, reason).await
    }

    /// The frames from the sender that arrive when these are sent.
    fn arrivals(&self, packets: &[Packet]) -> Vec<Vec<u8>> {
        for packet in packets {
            self.from.send(packet);
        }
        // Frames of one sender to one receiver arrive in their order.
        self.from.send(&self.family.packet().udp(1, OPEN, 11));
        let frames = self.to.receive_until(|frame| self.family.is_last(frame));
        frames.into_iter().filter(|frame| self.family.is_from_sender(frame)).collect()
    }

    async fn check(&self, attack: &Attack) {
        let what = format!("{} to {}, {:?}", attack.name, self.receiver.name, self.family);
        let before = self.arrivals(&attack.before).len();
        assert_eq!(before, attack.before.len(), "{what}: what comes before it");
        let counted = self.dropped(attack.reason).await;
        let packets = vec![attack.packet.clone(); TIMES];
        let arrived = self.arrivals(&packets);
        assert!(arrived.is_empty(), "{what}: {} arrived", arrived.len());
        let counted = self.dropped(attack.reason).await - counted;
        let drops = self.deployment.drops("host-a").await;
        assert_eq!(counted, TIMES as u64, "{what}: {} in {drops:?}", attack.reason);
    }
}

#[tokio::test]
async fn nothing_gets_past_a_group() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("s-bypass", &document(&Spec::pair("tc", false))).await;
    for receiver in super::SERVERS.map(|name| deployment.guest(name)) {
        for is_v4 in [true, false] {
            let scene = Scene::new(&deployment, &receiver, is_v4);
            for attack in frames::attacks(&scene.family) {
                scene.check(&attack).await;
            }
            let allowed = frames::allowed(&scene.family);
            let arrived = scene.arrivals(&allowed);
            assert_eq!(arrived.len(), allowed.len(), "what is allowed, {:?}", scene.family);
        }
    }
}

/// The tag follows the peering: without it, and without access, the rule lets in nobody.
#[tokio::test]
async fn a_tag_ends_with_its_peering() {
    if !kernel::available() {
        return;
    }
    let spec = Spec::pair("tc", false);
    let deployment = Deployment::up("s-tag", &document(&spec)).await;
    let closed = document(&spec).replace(
        "name: blue/to-red, properties: {",
        "name: blue/to-red, properties: {allowVirtualNetworkAccess: false, ",
    );
    assert!(closed.contains("allowVirtualNetworkAccess"));
    let guests = super::SERVERS.map(|name| deployment.guest(name));
    let pairs = || guests.iter().flat_map(|guest| [(guest, true), (guest, false)]);
    let scenes: Vec<Scene<'_>> =
        pairs().map(|(guest, is_v4)| Scene::new(&deployment, guest, is_v4)).collect();
    for scene in &scenes {
        assert_eq!(scene.arrivals(&[scene.family.packet().udp(2, FROM_NETWORK, 8)]).len(), 1);
    }
    deployment.apply(&closed);
    for scene in &scenes {
        let packet = scene.family.packet().udp(3, FROM_NETWORK, 8);
        let attack = Attack::new("no access", packet, "InboundRuleDenied");
        scene.check(&attack).await;
    }
    deployment.apply(&document(&Spec { peered: Vec::new(), ..spec }));
    for scene in &scenes {
        let reason = if scene.family.is_v4() { "RouteNone" } else { "InternetUnavailable" };
        let counted = scene.dropped(reason).await;
        scene.from.send(&scene.family.packet().udp(2, FROM_NETWORK, 8));
        scene.from.send(&scene.family.packet().udp(4, FROM_NETWORK, 8));
        assert_eq!(scene.dropped(reason).await - counted, 2, "{:?}", scene.family);
    }
}
