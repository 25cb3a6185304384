//! A kernel `vxlan` device plays a remote host: RFC 7348 both ways, with nothing of ours on its side.
//!
//! It needs to know what the overlay's MAC addresses mean: they name NICs, and its own address is the
//! one of the NIC that it plays.

use std::net::IpAddr;

use vnetpeer_common::types::Mac;
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Guest, NicOf, Spec, Transfer, transfer},
};

const BYTES: usize = 16 << 20;

fn overlay(deployment: &Deployment, nic: &str) -> Mac {
    let mut nics = deployment.lab.topology().nics.iter();
    let nic = nics.find(|it| it.id.name() == nic).expect("the NIC exists");
    Mac::overlay(deployment.lab.state().nic(&nic.id).expect("a number"))
}

fn vni(deployment: &Deployment, vnet: &str) -> u32 {
    let mut vnets = deployment.lab.topology().vnets.iter();
    let vnet = vnets.find(|it| it.id.name() == vnet).expect("the VNet exists");
    deployment.lab.state().vnet(&vnet.id).expect("a number").0
}

/// Sets up the device on `host-b`; it plays `red2`.
fn kernel_host(deployment: &Deployment, remote: &str, local: &str) -> Guest {
    let played = deployment.guest("red2");
    let (v4, v6) = (played.address(true), played.address(false));
    let run = |command: &str| _ = deployment.on_host("host-b", command);
    let own = vni(deployment, "red");
    run(&format!("ip link add vx0 type vxlan id {own} dstport 4789 local {local} nolearning"));
    run(&format!("ip link set vx0 address {} mtu 1500 up", overlay(deployment, "red2")));
    run(&format!("ip address add {v4}/24 dev vx0"));
    run(&format!("ip address add {v6}/64 dev vx0 nodad"));
    for (nic, vnet) in [("red1", "red"), ("blue1", "blue")] {
        let (mac, vni) = (overlay(deployment, nic), vni(deployment, vnet));
        // A packet's VNI is the one of the network that it enters.
        run(&format!("bridge fdb add {mac} dev vx0 dst {remote} vni {vni} self permanent"));
        for is_v4 in [true, false] {
            let address = deployment.guest(nic).address(is_v4);
            let length = if is_v4 { 32 } else { 128 };
            run(&format!("ip neighbour replace {address} lladdr {mac} dev vx0 nud permanent"));
            run(&format!(
                "ip route replace {address}/{length} dev vx0 src {}",
                if is_v4 { v4 } else { v6 }
            ));
        }
    }
    let namespace = deployment.lab.host_namespace("host-b").expect("the host").to_owned();
    Guest { name: "kernel".to_owned(), namespace, addresses: vec![v4, v6] }
}

async fn check(test: &str, mode: &'static str, wire: bool, outer_v4: bool) {
    if !kernel::available() {
        return;
    }
    let spec = Spec {
        wire,
        nics: vec![
            NicOf("red1", "red", 4, "host-a", mode),
            NicOf("blue1", "blue", 4, "host-a", mode),
            NicOf("red2", "red", 5, "host-b", mode),
        ],
        peered: vec![("red", "blue")],
    };
    // A vxlan device speaks one family; ours takes the family of the packet if the other host has it.
    let both = "[192.0.2.2, \"2001:db8::2\"]";
    let (one, remote, local) = if outer_v4 {
        ("[192.0.2.2]", "192.0.2.1", "192.0.2.2")
    } else {
        ("[\"2001:db8::2\"]", "2001:db8::1", "2001:db8::2 udp6zerocsumrx udp6zerocsumtx")
    };
    assert!(spec.yaml().contains(both));
    let document = spec.yaml().replace(both, one);
    let deployment = Deployment::up_with(test, &document, &["host-b"]).await;
    let foreign = kernel_host(&deployment, remote, local);
    for name in ["red1", "blue1"] {
        let ours = deployment.guest(name);
        for is_v4 in [true, false] {
            let (here, there): (IpAddr, IpAddr) = (ours.address(is_v4), foreign.address(is_v4));
            assert!(ours.pings(there), "{name} to {there}");
            assert!(foreign.pings(here), "{here} from the kernel");
            transfer(&ours, &foreign, Transfer { bytes: BYTES, is_v4 });
            transfer(&foreign, &ours, Transfer { bytes: BYTES, is_v4 });
        }
    }
}

#[tokio::test]
async fn kernel_vxlan_over_ipv4() {
    check("vx4", "tc", false, true).await;
}

#[tokio::test]
async fn kernel_vxlan_over_ipv4_on_a_wire() {
    check("vx4-w", "tc", true, true).await;
}

#[tokio::test]
async fn kernel_vxlan_over_ipv4_with_xdp() {
    check("vx4-x", "xdp", true, true).await;
}

#[tokio::test]
async fn kernel_vxlan_over_ipv6() {
    check("vx6", "tc", false, false).await;
}
