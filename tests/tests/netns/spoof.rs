//! What must not get through: 0 delivered, and each counted under its own reason.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use vnetpeer_common::types::{Mac, NicId};
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Drops, Guest, Spec},
    packet::Packet,
};
use vnetpeer_userspace::lab::netns;

const DATAGRAMS: u64 = 50;
/// More than any test sends.
const ENOUGH: u64 = 1_000;
const VXLAN_PORT: u16 = 4789;

/// How many datagrams arrive at a socket of `to` when `send` has sent to it.
fn delivered(to: &UdpSocket) -> u64 {
    let mut buffer = [0; 64];
    (0..ENOUGH).take_while(|_| to.recv(&mut buffer).is_ok()).count() as u64
}

fn send_from(guest: &Guest, source: IpAddr, to: SocketAddr) {
    let socket = guest.udp(source);
    for _ in 0..DATAGRAMS {
        socket.send_to(b"spoof", to).expect("the interface takes the datagram");
    }
}

/// The router's addresses, which a guest that pretends to be another could not resolve.
fn know_the_router(guest: &Guest) {
    for router in ["10.1.1.1", "fe80::1234:5678:9abc"] {
        let neighbour = format!("{router} lladdr {} dev eth0 nud permanent", Mac::ROUTER);
        guest.run(&format!("ip neighbour replace {neighbour}"));
    }
}

async fn check_guest(test: &str, mode: &'static str, wire: bool) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &Spec::pair(mode, wire).yaml()).await;
    let [red1, blue1, blue2] = ["red1", "blue1", "blue2"].map(|name| deployment.guest(name));
    know_the_router(&red1);
    red1.run("ip address add 10.1.1.77/32 dev eth0");
    red1.run("ip address add fd00:1:0:1::77/128 dev eth0 nodad");
    for (receiver, is_v4) in [(&blue1, true), (&blue2, true), (&blue1, false), (&blue2, false)] {
        let socket = receiver.udp(receiver.address(is_v4));
        let to = socket.local_addr().expect("an address");
        let before = deployment.dropped("host-a", "red1", "SourceAddressSpoofed").await;
        let spoofed = if is_v4 { "10.1.1.77" } else { "fd00:1:0:1::77" };
        send_from(&red1, spoofed.parse().expect("an address"), to);
        assert_eq!(delivered(&socket), 0, "from {spoofed} to {to}");
        let after = deployment.dropped("host-a", "red1", "SourceAddressSpoofed").await;
        assert_eq!(after - before, DATAGRAMS, "from {spoofed} to {to}");
        send_from(&red1, red1.address(is_v4), to);
        assert_eq!(delivered(&socket), DATAGRAMS, "the NIC's own address to {to}");
    }

    let socket = blue2.udp(blue2.address(true));
    let to = socket.local_addr().expect("an address");
    red1.run("ip link set eth0 address 02:00:00:00:00:99");
    know_the_router(&red1);
    let before = deployment.dropped("host-a", "red1", "SourceMacSpoofed").await;
    send_from(&red1, red1.address(true), to);
    assert_eq!(delivered(&socket), 0, "from another MAC address");
    let after = deployment.dropped("host-a", "red1", "SourceMacSpoofed").await;
    // The guest's own chatter has the wrong address too.
    assert!(after - before >= DATAGRAMS, "{before} to {after}");
}

#[tokio::test]
async fn a_guest_cannot_spoof() {
    check_guest("spoof", "tc", false).await;
}

#[tokio::test]
async fn a_guest_cannot_spoof_with_xdp() {
    check_guest("spoof-x", "xdp", true).await;
}

/// A VXLAN datagram with a UDP datagram in it.
struct Tunnelled {
    vni: u32,
    source_mac: Mac,
    target_mac: Mac,
    source: Ipv4Addr,
    target: Ipv4Addr,
    port: u16,
}

impl Tunnelled {
    fn bytes(&self) -> Vec<u8> {
        let inner = Packet::v4(self.source, self.target).udp(7777, self.port, 6);
        let mut bytes = vec![0x08, 0, 0, 0];
        bytes.extend((self.vni << 8).to_be_bytes());
        bytes.extend(inner.between(self.source_mac, self.target_mac).bytes());
        bytes
    }
}

/// Sends VXLAN from `host-b` to `host-a`.
fn tunnel(deployment: &Deployment, outer: &str, packet: &Tunnelled) {
    let namespace = deployment.lab.host_namespace("host-b").expect("the host");
    let outer: IpAddr = outer.parse().expect("an address");
    let socket = netns::within(namespace, || UdpSocket::bind(SocketAddr::new(outer, 0)));
    let socket = socket.expect("enter").expect("bind");
    for _ in 0..DATAGRAMS {
        let to = (Ipv4Addr::new(192, 0, 2, 1), VXLAN_PORT);
        socket.send_to(&packet.bytes(), to).expect("the underlay takes the datagram");
    }
}

async fn check_tunnels(test: &str, wire: bool) {
    if !kernel::available() {
        return;
    }
    let deployment = Deployment::up(test, &Spec::pair("tc", wire).yaml()).await;
    deployment.on_host("host-b", "ip address add 192.0.2.99/32 dev eth0");
    let lab = &deployment.lab;
    let mac = |name: &str| {
        let nic = lab.topology().nics.iter().find(|nic| nic.id.name() == name);
        Mac::overlay(lab.state().nic(&nic.expect("the NIC").id).expect("a number"))
    };
    let vni = |name: &str| {
        let vnet = lab.topology().vnets.iter().find(|vnet| vnet.id.name() == name);
        lab.state().vnet(&vnet.expect("the VNet").id).expect("a number").0
    };
    let blue1 = deployment.guest("blue1");
    let socket = blue1.udp(blue1.address(true));
    let genuine = || Tunnelled {
        vni: vni("blue"),
        source_mac: mac("red2"),
        target_mac: mac("blue1"),
        source: Ipv4Addr::new(10, 1, 1, 5),
        target: Ipv4Addr::new(10, 3, 1, 4),
        port: socket.local_addr().expect("an address").port(),
    };
    // Otherwise it could be that nothing gets through because the packet is wrong.
    tunnel(&deployment, "192.0.2.2", &genuine());
    let arrived = delivered(&socket);
    assert_eq!(arrived, DATAGRAMS, "the genuine one: {:?}", deployment.drops("host-a").await);

    let unknown = Mac::overlay(NicId(60_000));
    let guest_mac = Mac([0x02, 0, 0, 0, 0, 1]);
    let cases = [
        ("192.0.2.99", "VtepUnknown", genuine()),
        ("192.0.2.2", "SourceNicElsewhere", Tunnelled { source_mac: mac("red1"), ..genuine() }),
        ("192.0.2.2", "SourceNicUnknown", Tunnelled { source_mac: unknown, ..genuine() }),
        ("192.0.2.2", "SourceNicUnknown", Tunnelled { source_mac: guest_mac, ..genuine() }),
        ("192.0.2.2", "VniNotHosted", Tunnelled { vni: vni("green"), ..genuine() }),
        ("192.0.2.2", "VniMismatch", Tunnelled { vni: vni("red"), ..genuine() }),
        ("192.0.2.2", "NicNotHosted", Tunnelled { target_mac: mac("blue2"), ..genuine() }),
        ("192.0.2.2", "NicNotHosted", Tunnelled { target_mac: unknown, ..genuine() }),
    ];
    for (outer, reason, packet) in cases {
        let before = deployment.drops("host-a").await;
        tunnel(&deployment, outer, &packet);
        assert_eq!(delivered(&socket), 0, "{reason}");
        let after = deployment.drops("host-a").await;
        let count = |drops: &Drops, reason: &str| -> u64 {
            drops.iter().filter(|((_, it), _)| it == reason).map(|(_, count)| count).sum()
        };
        assert_eq!(count(&after, reason) - count(&before, reason), DATAGRAMS, "{reason}");
    }
}

#[tokio::test]
async fn foreign_tunnels_are_refused() {
    check_tunnels("tunnel", false).await;
}

#[tokio::test]
async fn foreign_tunnels_are_refused_on_a_wire() {
    check_tunnels("tunnel-w", true).await;
}
