//! A NIC whose outbound bandwidth is limited: its frames go into the queue first, and come in behind it as
//! if from the workload.

use vnetpeer_common::{reason::DropReason, types::Mac};

use super::{HOST1, HOST2, received, sent, tcp6, tunneled, udp4};
use crate::{
    case::{Case, Expected},
    packet::{Arp, Packet},
    world::{
        A_TO_B, B_TO_A, HOST2 as HOST2_ID, TENANT_A_VM1, TENANT_A_VM2, TENANT_B_VM1, TENANT_B_VM2,
        World,
    },
};

/// Both ends of the way through the queue.
const ENTERS: u32 = 130;
const LEAVES: u32 = 131;
/// Why the way into the queue is not tested in the kernel here.
const LOOPBACK: &str = "a test run comes in on the loopback device, which is no workload's own";

fn limit(world: &mut World) {
    world.nic_mut(&TENANT_A_VM1).shaper = ENTERS;
    world.interfaces.insert(LEAVES, TENANT_A_VM1.nic);
}

/// A frame on the workload's own interface: it goes into the queue as it is, and nothing is counted.
fn waits(name: &'static str, frame: Vec<u8>) -> Case {
    let case = Case::from_interface(name, TENANT_A_VM1.ifindex(), frame.clone()).with(limit);
    Case { expected: Expected::Shape(ENTERS), output: Some(frame), ..case }.host_only(LOOPBACK)
}

/// A frame behind the queue.
fn behind(name: &'static str, frame: &Packet) -> Case {
    Case::from_interface(name, LEAVES, frame.bytes()).with(limit)
}

/// The cases.
pub fn cases() -> Vec<Case> {
    let (vm, peer, remote) = (&TENANT_A_VM1, &TENANT_B_VM1, &TENANT_B_VM2);
    let packet = udp4(vm, peer);
    let bytes = packet.len();
    let request = Packet::arp(Arp::request(vm.mac, vm.v4, vm.gateway()));
    let request = request.between(vm.mac, Mac([0xff; 6]));
    let reply = Packet::arp(Arp::reply(Mac::ROUTER, vm.gateway(), vm.mac, vm.v4));
    let spoofed = udp4(vm, peer).between(TENANT_A_VM2.mac, Mac::ROUTER);
    let away = udp4(vm, remote);
    let away_bytes = away.len();
    vec![
        waits("shape: IPv4 waits", sent(vm, packet.clone()).bytes()),
        waits("shape: IPv6 waits", sent(vm, tcp6(vm, peer)).bytes()),
        waits("shape: so does ARP, in its order", request.bytes()),
        waits("shape: so does what will be dropped", spoofed.bytes()),
        waits("shape: so does noise", vec![0x5a; 9]),
        behind("shape: behind the queue it is delivered", &sent(vm, packet.clone()))
            .delivers(peer, &received(peer, packet.clone()))
            .egress(A_TO_B, 1, bytes)
            .ingress(B_TO_A, 1, bytes),
        behind("shape: or sent to another host", &sent(vm, away.clone()))
            .transmits(HOST2_ID, &tunneled((HOST1, HOST2), (vm, remote), away))
            .egress(A_TO_B, 1, away_bytes),
        behind("shape: or answered", &request).replies(&reply.between(Mac::ROUTER, vm.mac)),
        behind("shape: or dropped", &spoofed).drops(vm.slot(), DropReason::SourceMacSpoofed, bytes),
        Case::from_vm("shape: a neighbour does not wait", &TENANT_A_VM2, &{
            sent(&TENANT_A_VM2, udp4(&TENANT_A_VM2, vm))
        })
        .with(limit)
        .delivers(vm, &received(vm, udp4(&TENANT_A_VM2, vm))),
    ]
}
