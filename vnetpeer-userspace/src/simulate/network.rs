//! The hosts of a deployment with the maps that their agents would fill.

use std::{collections::HashMap, net::IpAddr};

use ipnet::IpNet;
use vnetpeer_common::types::{Mac, NicId};

use super::{facts, image::Image};
use crate::topology::{
    compile::{compile, guest_mac},
    facts::{HostFacts, NetworkFacts},
    model::{BackendPool, HostIndex, Nic, ResourceId, Topology},
    network::NetworkError,
    plan::{Observed, PlanError, PoolCapacities, plan},
    state::State,
};

/// Room for any deployment; a host's agent says if its own maps are too small.
const POOLS: PoolCapacities = PoolCapacities {
    trie_v4: 1 << 24,
    trie_v6: 1 << 24,
    next_hops: 1 << 24,
    classifiers: 1 << 20,
    rows: 1 << 24,
};

/// Why a deployment cannot be simulated.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimulateError {
    /// Topology and state do not belong together.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A host's maps cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// The hosts of a deployment.
#[derive(Debug)]
pub struct Network {
    hosts: Vec<Image>,
    by_underlay: HashMap<IpAddr, usize>,
    nics: HashMap<NicId, Attached>,
}

/// A NIC or an uplink where it is attached.
#[derive(Debug)]
pub(super) struct Attached {
    pub(super) id: ResourceId,
    pub(super) host: usize,
    /// The interface on that host.
    pub(super) ifindex: u32,
    /// What frames from it have as their source.
    pub(super) mac: Mac,
    pub(super) kind: Kind,
}

/// What is behind an interface.
#[derive(Debug)]
pub(super) enum Kind {
    /// A guest with these addresses. What is not for them it forwards, if it may.
    Guest(Vec<IpAddr>),
    /// A virtual network gateway: what is for its VNet or a peer it forwards, the rest leaves.
    Gateway {
        /// Its addresses.
        addresses: Vec<IpAddr>,
        /// The address spaces around it.
        inside: Vec<IpNet>,
    },
    /// The Internet.
    Uplink,
}

/// Where a packet stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At its destination.
    Delivered,
    /// At an uplink or a gateway, by which it leaves.
    Left,
}

/// What a packet is to whoever it was handed to.
pub(super) enum Taken {
    /// It is there.
    Own,
    /// It is to be forwarded.
    Foreign,
    /// It leaves the virtual networks.
    Outside,
}

impl Kind {
    /// What becomes of a packet to this address.
    pub(super) fn take(&self, destination: IpAddr) -> Taken {
        match self {
            Self::Guest(addresses) | Self::Gateway { addresses, .. }
                if addresses.contains(&destination) =>
            {
                Taken::Own
            }
            Self::Guest(_) => Taken::Foreign,
            Self::Gateway { inside, .. } if inside.iter().any(|it| it.contains(&destination)) => {
                Taken::Foreign
            }
            Self::Gateway { .. } | Self::Uplink => Taken::Outside,
        }
    }
}

impl Network {
    /// Compiles every host. `state` is advanced to `topology`.
    pub fn new(
        topology: &Topology,
        state: &State,
        known: &NetworkFacts,
    ) -> Result<Self, SimulateError> {
        let mut network =
            Self { hosts: Vec::new(), by_underlay: HashMap::new(), nics: HashMap::new() };
        for (index, host) in topology.hosts.iter().enumerate() {
            let facts = facts::of_host(topology, HostIndex(index), known);
            let desired = compile(topology, state, &host.name, &facts)?;
            let plan = plan(&desired, &Observed::empty(POOLS))?;
            network.hosts.push(Image::new(&plan.ops));
            network.attach(topology, state, HostIndex(index), &facts)?;
            let addresses = host.underlay_addresses.iter().map(|address| (*address, index));
            network.by_underlay.extend(addresses);
        }
        Ok(network)
    }

    fn attach(
        &mut self,
        topology: &Topology,
        state: &State,
        host: HostIndex,
        facts: &HostFacts,
    ) -> Result<(), NetworkError> {
        let number = |id: &ResourceId| {
            state.nic(id).ok_or_else(|| NetworkError::NotNumbered { id: id.to_string() })
        };
        let ifindex = |name: &String| facts.interfaces.get(name).map_or(0, |it| it.ifindex);
        for nic in topology.nics.iter().filter(|nic| nic.host == host) {
            let id = number(&nic.id)?;
            let attached = Attached {
                id: nic.id.clone(),
                host: host.0,
                ifindex: ifindex(&nic.interface),
                mac: guest_mac(nic, id),
                kind: kind(topology, nic),
            };
            self.nics.insert(id, attached);
        }
        for uplink in topology.host(host).into_iter().flat_map(|host| &host.uplinks) {
            let attached = Attached {
                id: uplink.id.clone(),
                host: host.0,
                ifindex: ifindex(&uplink.interface),
                mac: uplink.mac,
                kind: Kind::Uplink,
            };
            self.nics.insert(number(&uplink.id)?, attached);
        }
        Ok(())
    }

    /// The ARM id of a NIC or an uplink.
    pub fn nic(&self, id: NicId) -> Option<&ResourceId> {
        self.nics.get(&id).map(|attached| &attached.id)
    }

    /// The MAC address of the guest behind a NIC.
    pub fn mac(&self, id: NicId) -> Option<Mac> {
        self.nics.get(&id).map(|attached| attached.mac)
    }

    /// The host of a NIC, by its place in the topology.
    pub fn host_of(&self, id: NicId) -> Option<usize> {
        self.nics.get(&id).map(|attached| attached.host)
    }

    /// Whether a packet to an address stops at a NIC that got it; `None`: it is forwarded.
    pub fn stop(&self, id: NicId, destination: IpAddr) -> Option<Stop> {
        match self.nics.get(&id)?.kind.take(destination) {
            Taken::Own => Some(Stop::Delivered),
            Taken::Outside => Some(Stop::Left),
            Taken::Foreign => None,
        }
    }

    pub(super) fn attached(&self, id: NicId) -> Option<&Attached> {
        self.nics.get(&id)
    }

    pub(super) fn image(&self, host: usize) -> Option<&Image> {
        self.hosts.get(host)
    }

    /// The host with an underlay address.
    pub fn host_at(&self, address: IpAddr) -> Option<usize> {
        self.by_underlay.get(&address).copied()
    }
}

fn kind(topology: &Topology, nic: &Nic) -> Kind {
    let mut addresses = nic.addresses.clone();
    addresses.extend(floating_addresses(topology, nic));
    let Some(gateway) = topology.gateways.iter().find(|gateway| gateway.id == nic.id) else {
        return Kind::Guest(addresses);
    };
    let peers = topology.peerings.iter().filter(|peering| peering.vnet == gateway.vnet);
    let vnets = peers.map(|peering| peering.remote).chain([gateway.vnet]);
    let spaces = vnets.filter_map(|vnet| topology.vnet(vnet)).map(|vnet| &vnet.address_space);
    Kind::Gateway { addresses, inside: spaces.flatten().copied().collect() }
}

/// The frontends that a backend answers for itself, as a guest behind rules with floating IP is set up to.
fn floating_addresses<'a>(
    topology: &'a Topology,
    nic: &'a Nic,
) -> impl Iterator<Item = IpAddr> + 'a {
    let is_member = |pool: &BackendPool| {
        let mut nics = pool.members.iter().filter_map(|it| topology.nic(it.nic));
        nics.any(|it| it.id == nic.id)
    };
    topology.load_balancers.iter().flat_map(move |balancer| {
        let floating = balancer.rules.iter().filter(|rule| rule.floating_ip);
        let own = floating.filter(move |rule| balancer.pools.get(rule.pool).is_some_and(is_member));
        own.filter_map(|rule| Some(balancer.frontends.get(rule.frontend)?.address))
    })
}
