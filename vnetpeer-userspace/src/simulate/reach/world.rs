//! One of the two networks, ready for packets: with stand-ins in the subnets that need them.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::IpNet;
use vnetpeer_common::types::NicId;

use super::{
    ReachError,
    guards::{GuardId, Guards},
    marks::Interned,
    places::{Places, Side},
};
use crate::{
    simulate,
    topology::{
        model::{
            HookMode, Host, HostIndex, Nic, NicIndex, ResourceId, SubnetIndex, Topology, VnetIndex,
        },
        state::{State, advance},
    },
};

/// Azure keeps the first four addresses of a subnet, so the fifth is the first of a NIC.
const FIRST_NIC_ADDRESS: u32 = 4;
/// Addresses that are tried for a stand-in.
const TRIES: u32 = 4_096;
/// The last segment of a stand-in's id. No document can name it.
pub(super) const STAND_IN: &str = "stand-in NIC";
/// Stand-ins on one host, which has room for a few more NICs.
const PER_HOST: usize = 1_000;

/// A network in which places have NICs and addresses.
pub(super) struct World {
    pub(super) topology: Topology,
    pub(super) state: State,
    pub(super) network: simulate::Network,
    pub(super) guards: Guards,
    guard_of: HashMap<NicId, GuardId>,
    /// By place: the first two of its NICs that this network has.
    seats: Vec<Vec<Seat>>,
}

/// A NIC that stands for others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seat {
    pub(super) nic: NicId,
    /// Its first address of each family, with the number of the marks that rules set there.
    addresses: [Option<(IpAddr, u32)>; 2],
}

impl Seat {
    /// Its address of a family.
    pub(super) fn address(&self, is_v4: bool) -> Option<(IpAddr, u32)> {
        let [v4, v6] = self.addresses;
        if is_v4 { v4 } else { v6 }
    }
}

impl World {
    pub(super) fn new(side: &Side<'_>, places: &Places) -> Result<Self, ReachError> {
        let mut topology = side.network.topology.clone();
        let stand_ins = add_stand_ins(&mut topology, places);
        let state = advance(side.network.state, &topology)?;
        let network = simulate::Network::new(&topology, &state, &side.network.facts)?;
        let guards = Guards::new(&topology);
        let mut guard_of = HashMap::new();
        let mut by_id: HashMap<&ResourceId, NicIndex> = HashMap::new();
        for (index, nic) in topology.nics.iter().enumerate() {
            by_id.insert(&nic.id, NicIndex(index));
            if let Some(id) = state.nic(&nic.id) {
                guard_of.insert(id, guards.of(NicIndex(index)));
            }
        }
        let mut interned = Interned::default();
        let mut seat = |index: NicIndex| {
            let nic = topology.nic(index)?;
            let addresses = [true, false].map(|v4| {
                let address = nic.addresses.iter().copied().find(|it| it.is_ipv4() == v4)?;
                Some((address, interned.number(side.marks.of_rules(address, Some(nic)))))
            });
            Some(Seat { nic: state.nic(&nic.id)?, addresses })
        };
        let mut seats = Vec::with_capacity(places.places.len());
        for (index, place) in places.places.iter().enumerate() {
            let members = place.members.iter().filter_map(|id| by_id.get(id).copied());
            let nics = members.chain(stand_ins.get(&index).copied()).take(2);
            seats.push(nics.filter_map(&mut seat).collect());
        }
        Ok(Self { topology, state, network, guards, guard_of, seats })
    }

    /// The NICs that stand for a place here, two at most.
    pub(super) fn seats(&self, place: usize) -> &[Seat] {
        self.seats.get(place).map_or(&[], Vec::as_slice)
    }

    /// What judges a NIC.
    pub(super) fn guard(&self, nic: NicId) -> GuardId {
        self.guard_of.get(&nic).copied().unwrap_or_default()
    }
}

/// Adds a NIC to every place that has none, on hosts of their own; the result is by place.
fn add_stand_ins(topology: &mut Topology, places: &Places) -> HashMap<usize, NicIndex> {
    let mut taken: HashSet<IpAddr> = named_next_hops(topology).collect();
    taken.extend(topology.nics.iter().flat_map(|nic| &nic.addresses));
    let mut subnets: HashMap<ResourceId, (VnetIndex, SubnetIndex)> = HashMap::new();
    for (vnet_index, vnet) in topology.vnets.iter().enumerate() {
        for (index, subnet) in vnet.subnets.iter().enumerate() {
            subnets.insert(subnet.id.clone(), (VnetIndex(vnet_index), SubnetIndex(index)));
        }
    }
    let mut added = HashMap::new();
    let empty = places.places.iter().enumerate().filter(|(_, place)| place.members.is_empty());
    for (index, place) in empty {
        let Some(of) = places.subnets.get(place.subnet) else { continue };
        let Some((vnet, subnet)) = subnets.get(&of.id).copied() else { continue };
        let prefixes = topology.subnet(vnet, subnet).map(|it| it.prefixes.clone());
        let prefixes = prefixes.unwrap_or_default();
        let addresses: Vec<IpAddr> =
            prefixes.iter().filter_map(|prefix| free_address(*prefix, &taken)).collect();
        if addresses.is_empty() {
            continue;
        }
        let host = stand_in_host(topology, added.len() / PER_HOST);
        added.insert(index, NicIndex(topology.nics.len()));
        topology.nics.push(Nic {
            id: ResourceId::new(format!("{}/{STAND_IN}", of.id)),
            vnet,
            subnet,
            addresses,
            enable_ip_forwarding: false,
            security_group: None,
            application_security_groups: Vec::new(),
            disable_tcp_state_tracking: false,
            mac: None,
            outbound_bits_per_second: None,
            host,
            interface: format!("stand-in{index}"),
            mode: HookMode::Tc,
        });
    }
    added
}

/// Addresses at which an appliance would come to be if a NIC had them.
fn named_next_hops(topology: &Topology) -> impl Iterator<Item = IpAddr> {
    let routes = topology.route_tables.iter().flat_map(|table| &table.routes);
    routes.flat_map(|route| route.next_hop.appliances()).copied()
}

fn free_address(prefix: IpNet, taken: &HashSet<IpAddr>) -> Option<IpAddr> {
    let candidates = (FIRST_NIC_ADDRESS..TRIES).map(|number| match prefix {
        IpNet::V4(net) => {
            let number = number & u32::from(net.hostmask());
            IpAddr::V4((u32::from(net.network()) | number).into())
        }
        IpNet::V6(net) => {
            let number = u128::from(number) & u128::from(net.hostmask());
            IpAddr::V6((u128::from(net.network()) | number).into())
        }
    });
    candidates.into_iter().find(|address| !taken.contains(address))
}

/// The stand-ins' host of a number. No document can name it, and its addresses are nobody's: reserved
/// ones, and the discard prefix (RFC 6666).
fn stand_in_host(topology: &mut Topology, number: usize) -> HostIndex {
    let name = format!("stand-ins {number}");
    if let Some(known) = topology.hosts.iter().position(|host| host.name == name) {
        return HostIndex(known);
    }
    let last = u16::try_from(number + 1).unwrap_or(u16::MAX);
    let [high, low] = last.to_be_bytes();
    topology.hosts.push(Host {
        name,
        underlay_interface: "eth0".to_owned(),
        underlay_addresses: vec![
            Ipv4Addr::new(240, 0, high, low).into(),
            Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, last).into(),
        ],
        underlay_mode: HookMode::Tc,
        uplinks: Vec::new(),
    });
    HostIndex(topology.hosts.len() - 1)
}
