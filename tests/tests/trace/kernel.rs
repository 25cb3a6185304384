//! The hosts of a topology as loaded programs, and packets that go from one to the other.

use std::net::IpAddr;

use vnetpeer_common::{reason::DropReason, types::Mac};
use vnetpeer_tests::{
    capacity,
    kernel::{Action, Kernel, Program},
    packet::Packet,
    security::product,
};
use vnetpeer_userspace::{
    simulate::{self, Protocol},
    topology::{
        compile::{compile, guest_mac},
        facts::{Delivery, FlowLimits, Hook, HostFacts, InterfaceFacts, VtepFacts},
        model::{Nic, Topology},
        plan::{Observed, plan},
        state::State,
    },
};

const UNDERLAY: u32 = 2;
const FIRST_INTERFACE: u32 = 10;
const HOP_LIMIT: u8 = 64;
const SYN: u8 = 0x02;
const SYN_ACK: u8 = 0x12;

/// How a packet ends in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The NIC with its destination address got it.
    Delivered(String),
    /// A program dropped it.
    Dropped(&'static str),
    /// Anything else.
    Other(String),
}

/// Both hosts.
pub(crate) struct Hosts {
    kernels: [Kernel; 2],
}

impl Hosts {
    /// Loads the programs twice.
    pub(crate) fn load() -> Self {
        Self { kernels: [Kernel::load(), Kernel::load()] }
    }

    /// Gives both hosts what their agents would.
    pub(crate) fn fill(&mut self, topology: &Topology, state: &State) {
        for (index, kernel) in self.kernels.iter_mut().enumerate() {
            let facts = facts(topology, index);
            let desired = compile(topology, state, &topology.hosts[index].name, &facts);
            let desired = desired.expect("a network");
            let plan = plan(&desired, &Observed::empty(product::capacities()));
            kernel.fill(&product::image_of(&plan.expect("maps that are large enough").ops));
        }
    }

    /// Sends a packet from a NIC; guests forward what is not theirs.
    pub(crate) fn send(
        &mut self,
        topology: &Topology,
        state: &State,
        from: &Nic,
        packet: &simulate::Packet,
    ) -> End {
        let mut at = from;
        for hop_limit in (1..=HOP_LIMIT).rev() {
            let mac = guest_mac(at, state.nic(&at.id).expect("a number"));
            let ifindex = match self.hand_over(at, topology, &frame(packet, mac, hop_limit)) {
                Ok(ifindex) => ifindex,
                Err(end) => return end,
            };
            let Some(next) = topology.nics.get((ifindex - FIRST_INTERFACE) as usize) else {
                return End::Other(format!("interface {ifindex}"));
            };
            if next.addresses.contains(&packet.destination) {
                return End::Delivered(next.id.name().to_owned());
            }
            at = next;
        }
        End::Other("in a circle".to_owned())
    }

    /// Takes a frame to the interface of the next NIC.
    fn hand_over(&mut self, at: &Nic, topology: &Topology, frame: &[u8]) -> Result<u32, End> {
        let host = at.host.0;
        let place = topology.nics.iter().position(|nic| nic.id == at.id).expect("a NIC");
        let ifindex = FIRST_INTERFACE + u32::try_from(place).expect("few NICs");
        let (action, bytes) = self.run(host, Some(ifindex), Program::XdpOut, frame)?;
        match action {
            Action::PassWithNote(1, ifindex, _) => Ok(ifindex),
            Action::PassWithNote(2, UNDERLAY, _) => {
                match self.run(1 - host, None, Program::XdpIn, &bytes)?.0 {
                    Action::PassWithNote(1, ifindex, _) => Ok(ifindex),
                    other => Err(End::Other(format!("{other:?}"))),
                }
            }
            other => Err(End::Other(format!("{other:?}"))),
        }
    }

    fn run(
        &mut self,
        host: usize,
        ifindex: Option<u32>,
        program: Program,
        frame: &[u8],
    ) -> Result<(Action, Vec<u8>), End> {
        let kernel = &mut self.kernels[host];
        kernel.stand_on(ifindex);
        let outcome = kernel.run(program, frame, 0).expect("a test run");
        let dropped = kernel.take_events().last().map(|event| event.reason);
        match dropped.and_then(DropReason::from_number) {
            Some(reason) => Err(End::Dropped(reason.name())),
            None => Ok((outcome.action, outcome.bytes)),
        }
    }
}

/// The frame that a guest makes of a packet.
fn frame(packet: &simulate::Packet, guest: Mac, hop_limit: u8) -> Vec<u8> {
    let made = match (packet.source, packet.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            Packet::v4(source, destination).ip4(|ip| ip.ttl = hop_limit)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Packet::v6(source, destination).ip6(|ip| ip.hop_limit = hop_limit)
        }
        _ => panic!("two families"),
    };
    let (from, to) = (packet.source_port, packet.destination_port);
    let flags = if packet.is_answer { SYN_ACK } else { SYN };
    let made = match packet.protocol {
        Protocol::Tcp => made.tcp_flags(from, to, flags, 0),
        _ => made.udp(from, to, 0),
    };
    made.between(guest, Mac::ROUTER).bytes()
}

fn facts(topology: &Topology, host: usize) -> HostFacts {
    let mut facts = HostFacts::default();
    let nics = topology.nics.iter().zip(FIRST_INTERFACE..);
    facts.interfaces = nics
        .filter(|(nic, _)| nic.host.0 == host)
        .map(|(nic, ifindex)| {
            let (delivery, hook) = (Delivery::Transmit, Hook::Tc);
            let it = InterfaceFacts { ifindex, mtu_bytes: 1_500, delivery, hook, shaper: None };
            (nic.interface.clone(), it)
        })
        .collect();
    let mac = |host: usize| Mac([2, 0, 0, 0, 8, u8::try_from(host).expect("two hosts")]);
    let other = &topology.hosts[1 - host];
    let ways = topology.hosts[host].underlay_addresses.iter().zip(&other.underlay_addresses);
    let ways = ways.map(|(local, remote)| VtepFacts {
        local: *local,
        remote: *remote,
        ifindex: UNDERLAY,
        src_mac: mac(host),
        dst_mac: Some(mac(1 - host)),
        underlay_mtu_bytes: 1_600,
        transmit_xdp: false,
    });
    facts.vteps.insert(other.name.clone(), ways.collect());
    facts.datapath.flow_limits = FlowLimits {
        flows_per_nic: capacity::FLOWS,
        half_open_per_nic: capacity::FLOWS,
        flows_per_uplink: capacity::FLOWS,
        half_open_per_uplink: capacity::FLOWS,
    };
    facts
}
