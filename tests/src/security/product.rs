//! The product under the judges' eyes: what it makes of a network with groups, and the frames that
//! show what its programs do with a packet.
//!
//! The NIC [`JUDGED`] is alone on the first host, beside an uplink; everybody else is on the second.
//! A packet that it sends comes in on its interface. One that it receives comes out of a tunnel if a NIC
//! of the other host has its source address, and from the uplink else. Machines with the addresses that
//! the packets name are added, since what nobody has is refused for that before any rule is asked.

mod image;

use std::{collections::BTreeSet, net::IpAddr};

use vnetpeer_common::{reason::DropReason, types::Mac};
use vnetpeer_userspace::topology::{
    compile::{compile, guest_mac},
    facts::{Delivery, FlowLimits, Hook, HostFacts, InterfaceFacts, VtepFacts},
    model::{Direction, HookMode, HostIndex, Nic, SubnetIndex, Topology, Uplink, VnetIndex},
    plan::{Observed, Op, PoolCapacities, plan},
    state::{State, advance},
};

use super::{
    frame,
    network::{self, JUDGED},
    oracle::Verdict,
    probe::{Probe, Upper},
};
use crate::{
    capacity,
    case::Place,
    cases::overlay_mac,
    packet::{Packet, Tunnel},
    world::Image,
};

/// Interfaces of the first host.
const JUDGED_INTERFACE: u32 = 10;
const UPLINK_INTERFACE: u32 = 11;
/// The router behind the uplink.
const UPLINK_MAC: Mac = Mac([2, 0, 0, 0, 9, 9]);
const UPLINK: &str = "wan0";
/// Underlay addresses of the hosts, with MAC addresses.
const HOST_MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 8, 1]), Mac([2, 0, 0, 0, 8, 2])];

/// A network as the first host's maps hold it.
#[derive(Debug)]
pub struct Product {
    topology: Topology,
    state: State,
    image: Image,
}

impl Product {
    /// Compiles a network that was [`furnish`]ed.
    pub fn new(topology: &Topology) -> Self {
        let state = advance(&State::default(), topology).expect("numbers for all");
        let host = &topology.hosts[0].name;
        let desired = compile(topology, &state, host, &facts(topology)).expect("a network");
        let plan =
            plan(&desired, &Observed::empty(capacities())).expect("maps that are large enough");
        Self { topology: topology.clone(), state, image: image_of(&plan.ops) }
    }

    /// What the maps hold.
    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The frame of a packet, and where it comes in.
    pub fn frame(&self, probe: &Probe, number: u32) -> (Place, Vec<u8>) {
        let packet = frame::of(probe, number);
        let nic = &self.topology.nics[JUDGED.0];
        if probe.direction == Direction::Outbound {
            let mac = guest_mac(nic, self.state.nic(&nic.id).expect("a number"));
            let frame = packet.between(mac, Mac::ROUTER).bytes();
            return (Place::Workload(JUDGED_INTERFACE), frame);
        }
        if let Some(from) = self.elsewhere(probe.source) {
            return (Place::Underlay, self.tunneled(from, packet));
        }
        let frame = packet.between(UPLINK_MAC, Mac::ROUTER).bytes();
        (Place::Workload(UPLINK_INTERFACE), frame)
    }

    /// The NIC of the other host that has an address and can talk to the judged one.
    fn elsewhere(&self, address: IpAddr) -> Option<&Nic> {
        let own = self.topology.nics[JUDGED.0].vnet;
        let peered = |vnet: VnetIndex| {
            let mut peerings = self.topology.peerings.iter();
            peerings.any(|it| it.vnet == own && it.remote == vnet && it.reverse.is_some())
        };
        let mut nics = self.topology.nics.iter().skip(1);
        nics.find(|nic| nic.addresses.contains(&address) && (nic.vnet == own || peered(nic.vnet)))
    }

    fn tunneled(&self, from: &Nic, packet: Packet) -> Vec<u8> {
        let to = &self.topology.nics[JUDGED.0];
        let number = |nic: &Nic| self.state.nic(&nic.id).expect("a number");
        let inner = packet.between(overlay_mac(number(from)), overlay_mac(number(to)));
        let vnet = &self.topology.vnets[to.vnet.0].id;
        let vni = self.state.vnet(vnet).expect("a number").0;
        let end = |host: usize| (HOST_MACS[host], self.topology.hosts[host].underlay_addresses[0]);
        Tunnel::new(end(1), end(0), vni).around(&inner.bytes()).bytes()
    }
}

/// What operations make of empty maps. Every drop makes an event, which names the reason.
pub fn image_of(ops: &[Op]) -> Image {
    let mut image = Image::default();
    for op in ops {
        image::execute(&mut image, op);
    }
    for config in image.config.values_mut() {
        config.event_mask = 0;
        config.cache_mask = [capacity::CACHE_SETS - 1; 2];
    }
    image
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was dropped.
    Dropped(DropReason),
    /// It was handed to the NIC behind an interface of this host.
    Delivered(u32),
    /// It was sent to another host.
    Transmitted,
}

/// What the judged NIC's rules said about a packet of this fate: `None` if they were not asked, or if
/// the packet was refused for something else.
pub fn verdict(direction: Direction, fate: Fate) -> Option<Verdict> {
    match fate {
        Fate::Delivered(JUDGED_INTERFACE) => Some(Verdict::Allow),
        // What only passes by is not the NIC's.
        _ if direction == Direction::Inbound && !matches!(fate, Fate::Dropped(_)) => None,
        Fate::Delivered(_) | Fate::Transmitted => Some(Verdict::Allow),
        Fate::Dropped(
            DropReason::AdminRuleDenied
            | DropReason::OutboundRuleDenied
            | DropReason::InboundRuleDenied
            | DropReason::TcpWithoutFlow
            | DropReason::IcmpWithoutFlow,
        ) => Some(Verdict::Deny),
        Fate::Dropped(_) => None,
    }
}

/// Whether the product judges a packet of a furnished network as the oracle does. A first segment without
/// SYN passes an appliance that sees one direction of a connection only, what a NIC sends to itself it
/// also receives, and a packet from an address to itself has no direction.
pub fn compares(topology: &Topology, probe: &Probe) -> bool {
    let own = &topology.nics[JUDGED.0].addresses;
    let is_tcp = matches!(probe.upper, Upper::Tcp { .. });
    (own.contains(&probe.local()) || !is_tcp)
        && !own.contains(&probe.remote())
        && probe.source != probe.destination
}

/// Whether there is a machine at both ends of a packet, as far as these are in a virtual network.
pub fn reaches(topology: &Topology, probe: &Probe) -> bool {
    let own = &topology.nics[JUDGED.0].addresses;
    let spaces = topology.vnets.iter().flat_map(|vnet| &vnet.address_space);
    let is_inside = spaces.into_iter().any(|prefix| prefix.contains(&probe.remote()));
    let mut nics = topology.nics.iter();
    (probe.direction == Direction::Outbound || own.contains(&probe.local()))
        && (!is_inside || nics.any(|nic| nic.addresses.contains(&probe.remote())))
}

/// Makes a network one in which most of the packets reach the judged NIC's rules.
pub fn furnish(topology: &mut Topology, probes: &[Probe]) {
    topology.hosts[0].uplinks = vec![Uplink {
        id: network::resource("internetUplinks", UPLINK),
        vnet: VnetIndex(0),
        interface: UPLINK.to_owned(),
        mac: UPLINK_MAC,
    }];
    for nic in topology.nics.iter_mut().skip(1) {
        nic.host = HostIndex(1);
    }
    if topology.nics[JUDGED.0].enable_ip_forwarding {
        let inbound = probes.iter().filter(|probe| probe.direction == Direction::Inbound);
        let further = missing(topology, 0, inbound.map(Probe::local));
        topology.nics[JUDGED.0].addresses.extend(further);
    }
    for vnet in 0..topology.vnets.len() {
        let addresses = missing(topology, vnet, probes.iter().map(Probe::remote));
        if !addresses.is_empty() {
            topology.nics.push(crowd(vnet, addresses));
        }
    }
}

/// Those of the addresses that are in the space of a virtual network and that no NIC has.
fn missing(
    topology: &Topology,
    vnet: usize,
    addresses: impl Iterator<Item = IpAddr>,
) -> BTreeSet<IpAddr> {
    let space = &topology.vnets[vnet].address_space;
    let known: BTreeSet<IpAddr> =
        topology.nics.iter().flat_map(|nic| nic.addresses.iter().copied()).collect();
    addresses
        .filter(|it| space.iter().any(|prefix| prefix.contains(it)) && !known.contains(it))
        .collect()
}

/// A machine with many addresses.
fn crowd(vnet: usize, addresses: BTreeSet<IpAddr>) -> Nic {
    Nic {
        id: network::resource("networkInterfaces", &format!("crowd{vnet}")),
        vnet: VnetIndex(vnet),
        subnet: SubnetIndex(0),
        addresses: addresses.into_iter().collect(),
        enable_ip_forwarding: false,
        security_group: None,
        application_security_groups: Vec::new(),
        disable_tcp_state_tracking: false,
        mac: None,
        outbound_bits_per_second: None,
        host: HostIndex(1),
        interface: format!("vm-crowd{vnet}"),
        mode: HookMode::Tc,
    }
}

/// The pools of the maps in tests.
pub fn capacities() -> PoolCapacities {
    PoolCapacities {
        trie_v4: capacity::TRIE_V4,
        trie_v6: capacity::TRIE_V6,
        next_hops: capacity::NEXT_HOPS,
        classifiers: capacity::CLASSIFIERS,
        rows: capacity::ROWS,
    }
}

fn facts(topology: &Topology) -> HostFacts {
    let interface = |ifindex| InterfaceFacts {
        ifindex,
        mtu_bytes: 1_500,
        delivery: Delivery::Transmit,
        hook: Hook::Tc,
        shaper: None,
    };
    let judged = topology.nics[JUDGED.0].interface.clone();
    let mut facts = HostFacts::default();
    facts.interfaces.insert(judged, interface(JUDGED_INTERFACE));
    facts.interfaces.insert(UPLINK.to_owned(), interface(UPLINK_INTERFACE));
    let [local, remote] = [0, 1].map(|host| topology.hosts[host].underlay_addresses[0]);
    let way = VtepFacts {
        local,
        remote,
        ifindex: 2,
        src_mac: HOST_MACS[0],
        dst_mac: Some(HOST_MACS[1]),
        underlay_mtu_bytes: 1_600,
        transmit_xdp: true,
    };
    facts.vteps.insert(topology.hosts[1].name.clone(), vec![way]);
    facts.datapath.flow_limits = FlowLimits {
        flows_per_nic: capacity::FLOWS,
        half_open_per_nic: capacity::FLOWS,
        flows_per_uplink: capacity::FLOWS,
        half_open_per_uplink: capacity::FLOWS,
    };
    facts
}
