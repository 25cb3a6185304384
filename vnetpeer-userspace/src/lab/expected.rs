//! Who should reach whom, by following effective routes from NIC to NIC.
//!
//! A packet leaves a NIC by its subnet's effective routes, enters the next NIC if the relation of
//! the two VNets lets it, and goes on from there if that NIC is not its destination but forwards.
//! A connection works if the way there and the way back do. This reads the same effective routes as
//! the compiler: it shows whether the packets follow them, not whether they are right.

use std::{collections::HashMap, net::IpAddr};

use vnetpeer_common::types::{LinkId, NicId};

use crate::topology::{
    model::{Nic, NicIndex, RouteTableIndex, Topology, VnetIndex},
    network::{Network, NetworkError, NumberedPeering},
    routes::{EffectiveRoutes, RouteHop, effective_routes},
    state::State,
};

/// NICs that a packet may pass before it counts as lost in a loop.
const HOPS_MAX: usize = 16;

/// What should happen to a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// The NIC that should receive it.
    pub receiver: Option<NicIndex>,
    /// Whether its answer should come back.
    pub is_answered: bool,
}

impl Expectation {
    /// The NIC whose answer should come.
    pub fn answering(&self) -> Option<NicIndex> {
        self.receiver.filter(|_| self.is_answered)
    }
}

/// Follows packets through a network.
#[derive(Debug)]
pub struct Paths<'a> {
    network: Network<'a>,
    routes: HashMap<(VnetIndex, Option<RouteTableIndex>), EffectiveRoutes>,
    indices: HashMap<NicId, NicIndex>,
}

impl<'a> Paths<'a> {
    /// Prepares a network.
    pub fn new(topology: &'a Topology, state: &'a State) -> Result<Self, NetworkError> {
        let network = Network::new(topology, state)?;
        let mut routes = HashMap::new();
        for vnet in network.vnets() {
            let tables = vnet.vnet.subnets.iter().map(|subnet| subnet.route_table);
            for table in tables {
                if let Some(effective) = effective_routes(&network, vnet.index, table) {
                    routes.insert((vnet.index, table), effective);
                }
            }
        }
        let nics = topology.nics.iter().enumerate();
        let indices =
            nics.filter_map(|(index, nic)| Some((state.nic(&nic.id)?, NicIndex(index)))).collect();
        Ok(Self { network, routes, indices })
    }

    /// What should happen to a request from `source`, an address of NIC `from`, to `destination`.
    pub fn expect(&self, from: NicIndex, source: IpAddr, destination: IpAddr) -> Expectation {
        let receiver = self.follow(from, source, destination);
        let returns_to = receiver.and_then(|nic| self.follow(nic, destination, source));
        Expectation { receiver, is_answered: returns_to == Some(from) }
    }

    /// The NIC that a packet ends at, if it is not dropped.
    fn follow(&self, from: NicIndex, source: IpAddr, destination: IpAddr) -> Option<NicIndex> {
        let mut at = from;
        for _ in 0..HOPS_MAX {
            let nic = self.network.topology.nic(at)?;
            // The guest's own stack takes what is for it.
            if nic.addresses.contains(&destination) {
                return Some(at);
            }
            if at != from && !nic.enable_ip_forwarding {
                return None;
            }
            let next = self.next(nic, destination)?;
            let target = self.network.topology.nic(next)?;
            if !self.admits(target, nic.vnet, source) {
                return None;
            }
            at = next;
        }
        None
    }

    /// The NIC that the effective routes of `nic` hand a packet to.
    fn next(&self, nic: &Nic, destination: IpAddr) -> Option<NicIndex> {
        let subnet = self.network.topology.subnet(nic.vnet, nic.subnet)?;
        let routes = self.routes.get(&(nic.vnet, subnet.route_table))?;
        let id = match routes.lookup(destination)?.hop {
            RouteHop::VnetLocal => self.network.owner(nic.vnet, destination)?.id,
            RouteHop::Peering { link, .. } => {
                let peering = self.own_peering(nic.vnet, link).filter(may_use)?;
                self.network.owner(peering.peering.remote, destination)?.id
            }
            RouteHop::Appliance { resolved: Ok(appliance), .. } => {
                if appliance.link.is_some() {
                    self.own_peering(nic.vnet, appliance.link).filter(may_use)?;
                }
                appliance.nic
            }
            RouteHop::Appliance { resolved: Err(_), .. } | RouteHop::Internet | RouteHop::None => {
                return None;
            }
        };
        self.indices.get(&id).copied()
    }

    fn own_peering(&self, vnet: VnetIndex, link: LinkId) -> Option<NumberedPeering<'a>> {
        let peerings = &self.network.vnet(vnet)?.peerings;
        peerings.iter().find(|peering| peering.link == link).copied()
    }

    /// Whether `target` takes a packet with that source from a NIC of VNet `from`.
    fn admits(&self, target: &Nic, from: VnetIndex, source: IpAddr) -> bool {
        if target.vnet == from {
            return true;
        }
        let Some(vnet) = self.network.vnet(target.vnet) else { return false };
        let towards = vnet.peerings.iter().find(|it| it.peering.remote == from && may_use(it));
        towards.is_some_and(|it| {
            it.peering.allow_forwarded_traffic
                || it.space().iter().any(|prefix| prefix.contains(&source))
        })
    }
}

fn may_use(peering: &NumberedPeering<'_>) -> bool {
    peering.connected && peering.peering.allow_virtual_network_access
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{document, topology::state::advance};

    /// Which NICs of an example reach which, by name.
    fn reached(example: &str, from: &str, to: &str) -> bool {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let topology = document::read(&folder.join(example)).unwrap().topology;
        let state = advance(&State::default(), &topology).unwrap();
        let paths = Paths::new(&topology, &state).unwrap();
        let find = |name| topology.nics.iter().position(|nic| nic.id.name() == name).unwrap();
        let (from, to) = (NicIndex(find(from)), NicIndex(find(to)));
        let address = |nic: NicIndex| topology.nics[nic.0].addresses[0];
        paths.expect(from, address(from), address(to)).answering() == Some(to)
    }

    #[test]
    fn peering_is_not_transitive_and_same_addresses_do_not_mix() {
        let file = "quickstart.yaml";
        assert!(reached(file, "hub-vm1", "hub-vm2"));
        assert!(reached(file, "spoke1-vm1", "hub-vm2"));
        assert!(reached(file, "foreign-vm1", "foreign-vm2"));
        assert!(!reached(file, "spoke1-vm1", "spoke2-vm1"));
        assert!(!reached(file, "hub-vm1", "foreign-vm2"));
        assert!(!reached(file, "spoke1-vm1", "foreign-vm2"));
    }

    #[test]
    fn an_appliance_joins_spokes() {
        assert!(reached("service-chain.yaml", "spoke1-vm", "spoke2-vm"));
        assert!(reached("service-chain.yaml", "spoke2-vm2", "spoke1-vm"));
    }
}
