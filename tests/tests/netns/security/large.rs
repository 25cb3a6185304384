//! What does not fit one packet: fragments that are allowed, and the virtual router's errors.

use std::net::SocketAddr;

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, GroupOf, RuleOf, Spec, Transfer, transfer},
};

use super::SERVERS;

const OPEN: u16 = 4_000;
const DATAGRAM: usize = 4_000;
const TIMES: usize = 20;
const BYTES: usize = 4 << 20;
/// More than the 1,500 bytes that pass between VNets.
const LARGE_MTU: u32 = 2_000;

/// Datagrams of several fragments there, and of several fragments back, which need no rule.
#[tokio::test]
async fn fragments_pass_like_whole_datagrams() {
    if !kernel::available() {
        return;
    }
    let allow = || RuleOf::allow_in("open", "Udp", &OPEN.to_string());
    let server = |nic| GroupOf::new(nic, vec![allow(), RuleOf::deny_all_in()]);
    let [blue1, blue2] = SERVERS.map(server);
    let client = GroupOf::new("red1", vec![RuleOf::deny_all_in()]);
    let document = Spec::pair("tc", false).yaml_with(&[client, blue1, blue2]);
    let deployment = Deployment::up("s-large", &document).await;
    let red1 = deployment.guest("red1");
    for server in SERVERS.map(|name| deployment.guest(name)) {
        for is_v4 in [true, false] {
            let at = SocketAddr::new(server.address(is_v4), OPEN);
            let (ours, theirs) = (red1.udp(red1.address(is_v4)), server.udp_at(at));
            let mut buffer = [0; 2 * DATAGRAM];
            for number in 0..TIMES {
                let sent = vec![u8::try_from(number).expect("a small number"); DATAGRAM];
                ours.send_to(&sent, at).expect("the interface takes it");
                let (length, from) = theirs.recv_from(&mut buffer).expect("all fragments");
                assert_eq!(buffer[..length], sent, "to {at}");
                theirs.send_to(&sent, from).expect("the interface takes it");
                let length = ours.recv(&mut buffer).expect("all fragments of the answer");
                assert_eq!(buffer[..length], sent, "from {at}");
            }
        }
    }
    for (host, nic) in [("host-a", "red1"), ("host-a", "blue1"), ("host-b", "blue2")] {
        for reason in ["FragmentWithoutFirst", "FragmentInvalid"] {
            assert_eq!(deployment.dropped(host, nic, reason).await, 0, "{reason} at {nic}");
        }
    }
}

/// A guest learns the path's MTU from the virtual router, though its group lets in nothing.
#[tokio::test]
async fn the_path_mtu_is_told_behind_a_closed_group() {
    if !kernel::available() {
        return;
    }
    let client = GroupOf::new("red1", vec![RuleOf::deny_all_in()]);
    let document = Spec::pair("tc", false).yaml_with(&[client]);
    let deployment = Deployment::up("s-mtu", &document).await;
    let red1 = deployment.guest("red1");
    let guests = SERVERS.map(|name| deployment.guest(name));
    let others = guests.iter().zip(["host-a", "host-b"]);
    for (guest, host) in others.chain([(&red1, "host-a")]) {
        let mut nics = deployment.lab.topology().nics.iter();
        let nic = nics.find(|nic| nic.id.name() == guest.name).expect("the NIC exists");
        deployment.on_host(host, &format!("ip link set {} mtu {LARGE_MTU}", nic.interface));
        guest.run(&format!("ip link set eth0 mtu {LARGE_MTU}"));
        // Every segment is its own packet, or the errors would be about super-frames.
        guest.run("ethtool -K eth0 tso off gso off");
    }
    for to in &guests {
        for is_v4 in [true, false] {
            let before = deployment.dropped("host-a", "red1", "MtuExceeded").await;
            transfer(&red1, to, Transfer { bytes: BYTES, is_v4 });
            let after = deployment.dropped("host-a", "red1", "MtuExceeded").await;
            assert!(after > before, "something was too large for {}", to.address(is_v4));
            let route = red1.run(&format!("ip route get {}", to.address(is_v4)));
            assert!(route.contains("mtu 1500"), "{route}");
        }
    }
}
