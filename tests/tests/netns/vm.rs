//! A virtual machine behind a tap device: the test is the machine.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use vnetpeer_common::types::Mac;
use vnetpeer_tests::{
    kernel,
    netns::{Deployment, Spec, Tap, until},
    packet::{Arp, Packet, checksum_of},
};
use vnetpeer_userspace::topology::compile::guest_mac;

const DATAGRAMS: usize = 50;
const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 3, 1, 4);
const BROADCAST: Mac = Mac([0xff; 6]);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 3, 1, 1);

/// The answer to an echo request for the machine.
fn echo_reply(own: Mac, frame: &[u8]) -> Option<Vec<u8>> {
    let is_echo = frame.get(..6)? == own.0
        && frame.get(12..14)? == [0x08, 0x00]
        && *frame.get(23)? == 1
        && *frame.get(34)? == 8;
    if !is_echo {
        return None;
    }
    let mut reply =
        [&Mac::ROUTER.0, &own.0, &frame[12..26], &frame[30..34], &frame[26..30]].concat();
    let mut message = frame[34..].to_vec();
    message[0] = 0;
    message[2..4].fill(0);
    let checksum = checksum_of(&[&message]);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    reply.extend(message);
    Some(reply)
}

#[tokio::test]
async fn a_tap_takes_a_guests_place() {
    if !kernel::available() {
        return;
    }
    // The lab's veth gives way to a tap of the same name, as if a machine was plugged in.
    let deployment = Deployment::up("tap", &Spec::pair("auto", false).yaml()).await;
    let [red1, red2] = ["red1", "red2"].map(|name| deployment.guest(name));
    let topology = deployment.lab.topology();
    let blue1 = topology.nics.iter().find(|nic| nic.id.name() == "blue1").expect("the NIC");
    let own = guest_mac(blue1, deployment.lab.state().nic(&blue1.id).expect("a number"));
    let host = deployment.lab.host_namespace("host-a").expect("the host");
    let interface = &blue1.interface;
    deployment.on_host("host-a", &format!("ip link delete {interface}"));
    deployment.on_host("host-a", &format!("ip tuntap add dev {interface} mode tap"));
    let mut tap = Tap::open(host, interface);
    deployment.on_host("host-a", &format!("ip link set {interface} up"));
    until("the agent follows", async || {
        let status = deployment.agent("host-a").status().await.expect("the agent answers");
        let mut interfaces = status.interfaces.iter();
        interfaces.any(|it| it.name == *interface && it.mode == "xdp" && !it.programs.is_empty())
    })
    .await;

    let request = Packet::arp(Arp::request(own, ADDRESS, GATEWAY));
    tap.send(&request.between(own, BROADCAST).bytes());
    let reply = std::iter::from_fn(|| tap.receive()).find(|frame| frame[12..14] == [0x08, 0x06]);
    let reply = reply.expect("the router answers ARP");
    assert_eq!(reply[..6], own.0);
    assert_eq!(reply[22..28], Mac::ROUTER.0);
    assert_eq!(reply[28..32], GATEWAY.octets());

    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let sockets = [&red1, &red2].map(|guest| guest.udp(guest.address(true)));
    let targets = sockets.each_ref().map(|socket| socket.local_addr().expect("an address"));
    let machine = thread::spawn(move || {
        for target in targets {
            let IpAddr::V4(to) = target.ip() else { continue };
            let datagram = Packet::v4(ADDRESS, to).udp(9999, target.port(), 4);
            let frame = datagram.between(own, Mac::ROUTER).bytes();
            (0..DATAGRAMS).for_each(|_| tap.send(&frame));
        }
        while !stopped.load(Ordering::Relaxed) {
            if let Some(reply) = tap.receive().and_then(|frame| echo_reply(own, &frame)) {
                tap.send(&reply);
            }
        }
    });
    for socket in &sockets {
        let arrived = (0..DATAGRAMS).take_while(|_| socket.recv(&mut [0; 64]).is_ok()).count();
        assert_eq!(arrived, DATAGRAMS, "from the machine to {:?}", socket.local_addr());
    }
    for guest in [&red1, &red2] {
        assert!(guest.pings(IpAddr::V4(ADDRESS)), "{} to the machine", guest.name);
    }
    stop.store(true, Ordering::Relaxed);
    machine.join().expect("the machine");
}
