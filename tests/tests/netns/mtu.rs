//! Packets larger than a path takes: the sender is told, and adapts.

use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, Transfer, transfer},
};

const BYTES: usize = 4 << 20;
/// More than the 1,500 bytes that pass between VNets.
const LARGE_MTU: u32 = 2_000;

/// Guests believe in a larger MTU than the path has. TCP between them works all the same, because
/// the virtual router's ICMP errors reach the sender.
#[tokio::test]
async fn a_sender_learns_the_path_mtu() {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up("mtu", &Spec::pair("tc", false).yaml()).await;
    let [red1, blue1, blue2] = ["red1", "blue1", "blue2"].map(|name| deployment.guest(name));
    for (host, guest) in [("host-a", &red1), ("host-a", &blue1), ("host-b", &blue2)] {
        let interface = interface(&deployment, &guest.name);
        deployment.on_host(host, &format!("ip link set {interface} mtu {LARGE_MTU}"));
        guest.run(&format!("ip link set eth0 mtu {LARGE_MTU}"));
        // Every segment is its own packet, or the errors would be about super-frames.
        guest.run("ethtool -K eth0 tso off gso off");
    }
    for to in [&blue1, &blue2] {
        for is_v4 in [true, false] {
            let address = to.address(is_v4);
            let before = deployment.dropped("host-a", "red1", "MtuExceeded").await;
            transfer(&red1, to, Transfer { bytes: BYTES, is_v4 });
            let after = deployment.dropped("host-a", "red1", "MtuExceeded").await;
            assert!(after > before, "something was too large for {address}");
            let route = red1.run(&format!("ip route get {address}"));
            assert!(route.contains("mtu 1500"), "{route}");
        }
    }
}

fn interface(deployment: &Deployment, nic: &str) -> String {
    let mut nics = deployment.lab.topology().nics.iter();
    nics.find(|it| it.id.name() == nic).expect("the NIC exists").interface.clone()
}
