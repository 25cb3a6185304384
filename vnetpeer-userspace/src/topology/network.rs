//! A topology joined with its numbers: what routes, compilation and differences read.
//!
//! Everything that one resource refers to is looked up here once; nothing is decided but who is
//! `Connected` with whom.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use ipnet::IpNet;
use vnetpeer_common::types::{LinkId, NicId, TableId, VnetId};

use super::{
    facts::NetworkFacts,
    model::{
        Gateway, GatewayIndex, HostIndex, Nic, NicIndex, Peering, PeeringIndex, ResourceId,
        RouteTableIndex, Topology, Uplink, Vnet, VnetIndex,
    },
    state::{PeeringRecord, PeeringState, State, TableKey},
};

/// Why a topology and a state, or a host, do not belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// The state was not advanced to this topology.
    #[error("{id} has no number yet: the state is older than the topology")]
    NotNumbered {
        /// The resource, or a host's name.
        id: String,
    },
    /// The topology refers to an element that it does not have.
    #[error("{id} refers to something that the topology does not have")]
    Dangling {
        /// The resource that refers.
        id: ResourceId,
    },
    /// The topology has no host of that name.
    #[error("the topology has no host named {name}")]
    HostUnknown {
        /// The name asked for.
        name: String,
    },
}

/// A peering with its numbers, as seen by the VNet that owns it.
#[derive(Clone, Copy, Debug)]
pub struct NumberedPeering<'a> {
    /// The object.
    pub peering: &'a Peering,
    /// Its index in the topology.
    pub index: PeeringIndex,
    /// What the state says about it.
    pub record: &'a PeeringRecord,
    /// Its number.
    pub link: LinkId,
    /// The number of the other side's object; none if there is none.
    pub reverse: LinkId,
    /// The number of the VNet that it points at.
    pub remote: VnetId,
    /// Whether both sides are `Connected`.
    pub connected: bool,
    /// Whether the VNets are in different regions.
    pub global: bool,
}

impl NumberedPeering<'_> {
    /// The remote space that routes follow: as last synced, and nothing unless `Connected`.
    pub fn space(&self) -> &[IpNet] {
        if self.connected { &self.record.remote_address_space } else { &[] }
    }

    /// Whether it takes packets from outside that space. A subnet peering never does: they could come
    /// from subnets of the remote VNet that are not peered (AZ §1.8.5).
    pub const fn takes_forwarded(&self) -> bool {
        self.peering.allow_forwarded_traffic && self.peering.scope.is_complete()
    }
}

/// A way to the Internet with its numbers.
#[derive(Clone, Copy, Debug)]
pub struct NumberedUplink<'a> {
    /// The uplink.
    pub uplink: &'a Uplink,
    /// The host that has it.
    pub host: HostIndex,
    /// Its number.
    pub id: NicId,
}

/// A NIC with its number.
#[derive(Clone, Copy, Debug)]
pub struct NumberedNic<'a> {
    /// The NIC.
    pub nic: &'a Nic,
    /// Its number.
    pub id: NicId,
}

/// A virtual network gateway with its number.
#[derive(Clone, Copy, Debug)]
pub struct NumberedGateway<'a> {
    /// The gateway.
    pub gateway: &'a Gateway,
    /// Its index in the topology.
    pub index: GatewayIndex,
    /// The NIC that stands for it.
    pub nic: NumberedNic<'a>,
}

/// A virtual network with its numbers and everything in it.
#[derive(Clone, Debug)]
pub struct NumberedVnet<'a> {
    /// The virtual network.
    pub vnet: &'a Vnet,
    /// Its index in the topology.
    pub index: VnetIndex,
    /// Its number.
    pub id: VnetId,
    /// Its peering objects.
    pub peerings: Vec<NumberedPeering<'a>>,
    /// Its NICs.
    pub nics: Vec<NumberedNic<'a>>,
    /// Its ways to the Internet, in the order of the hosts.
    pub uplinks: Vec<NumberedUplink<'a>>,
    /// Its own gateway.
    pub gateway: Option<NumberedGateway<'a>>,
}

/// A topology joined with its numbers.
#[derive(Clone, Debug)]
pub struct Network<'a> {
    /// The topology.
    pub topology: &'a Topology,
    /// The state, advanced to the topology.
    pub state: &'a State,
    /// What is known besides.
    pub facts: NetworkFacts,
    vnets: Vec<NumberedVnet<'a>>,
    tables: BTreeMap<(VnetIndex, Option<RouteTableIndex>), TableId>,
    owners: HashMap<(VnetIndex, IpAddr), NicIndex>,
}

impl<'a> Network<'a> {
    /// Joins the two.
    pub fn new(topology: &'a Topology, state: &'a State) -> Result<Self, NetworkError> {
        let mut network = Self {
            topology,
            state,
            facts: NetworkFacts::default(),
            vnets: Vec::with_capacity(topology.vnets.len()),
            tables: BTreeMap::new(),
            owners: HashMap::new(),
        };
        for (index, vnet) in topology.vnets.iter().enumerate() {
            let id = state.vnet(&vnet.id).ok_or_else(|| not_numbered(&vnet.id))?;
            network.vnets.push(NumberedVnet {
                vnet,
                index: VnetIndex(index),
                id,
                peerings: Vec::new(),
                nics: Vec::new(),
                uplinks: Vec::new(),
                gateway: None,
            });
            network.add_tables(VnetIndex(index), vnet)?;
        }
        for (index, nic) in topology.nics.iter().enumerate() {
            network.add_nic(NicIndex(index), nic)?;
        }
        for (index, gateway) in topology.gateways.iter().enumerate() {
            network.add_gateway(GatewayIndex(index), gateway)?;
        }
        for (index, host) in topology.hosts.iter().enumerate() {
            for uplink in &host.uplinks {
                network.add_uplink(HostIndex(index), uplink)?;
            }
        }
        for (index, peering) in topology.peerings.iter().enumerate() {
            network.add_peering(PeeringIndex(index), peering)?;
        }
        Ok(network)
    }

    /// The same network with what is known besides the document.
    #[must_use]
    pub fn with_facts(self, facts: &NetworkFacts) -> Self {
        Self { facts: facts.clone(), ..self }
    }

    /// All virtual networks, in the order of the topology.
    pub fn vnets(&self) -> &[NumberedVnet<'a>] {
        &self.vnets
    }

    /// The virtual network at `index`.
    pub fn vnet(&self, index: VnetIndex) -> Option<&NumberedVnet<'a>> {
        self.vnets.get(index.0)
    }

    /// The NIC of a virtual network that has an address.
    pub fn owner(&self, vnet: VnetIndex, address: IpAddr) -> Option<NumberedNic<'a>> {
        let index = *self.owners.get(&(vnet, address))?;
        let nic = self.topology.nic(index)?;
        Some(NumberedNic { nic, id: self.state.nic(&nic.id)? })
    }

    /// The table of effective routes of subnets with this route table.
    pub fn table(&self, vnet: VnetIndex, table: Option<RouteTableIndex>) -> Option<TableId> {
        self.tables.get(&(vnet, table)).copied()
    }

    /// All tables of one virtual network.
    pub fn tables(
        &self,
        vnet: VnetIndex,
    ) -> impl Iterator<Item = (Option<RouteTableIndex>, TableId)> {
        let from = (vnet, None);
        let tables = self.tables.range(from..).take_while(move |((owner, _), _)| *owner == vnet);
        tables.map(|((_, table), id)| (*table, *id))
    }

    /// The host named `name`.
    pub fn host(&self, name: &str) -> Result<HostIndex, NetworkError> {
        let position = self.topology.hosts.iter().position(|host| host.name == name);
        let unknown = || NetworkError::HostUnknown { name: name.to_owned() };
        position.map(HostIndex).ok_or_else(unknown)
    }

    fn add_tables(&mut self, index: VnetIndex, vnet: &Vnet) -> Result<(), NetworkError> {
        let attached = vnet.subnets.iter().map(|subnet| subnet.route_table);
        for table in attached.chain([None]) {
            let route_table = match table {
                Some(table) => {
                    let table = self.topology.route_table(table);
                    Some(table.ok_or_else(|| dangling(&vnet.id))?.id.clone())
                }
                None => None,
            };
            let key = TableKey { vnet: vnet.id.clone(), route_table };
            let id = self.state.table(&key).ok_or_else(|| not_numbered(&vnet.id))?;
            self.tables.insert((index, table), id);
        }
        Ok(())
    }

    fn add_nic(&mut self, index: NicIndex, nic: &'a Nic) -> Result<(), NetworkError> {
        let id = self.state.nic(&nic.id).ok_or_else(|| not_numbered(&nic.id))?;
        let vnet = self.vnets.get_mut(nic.vnet.0).ok_or_else(|| dangling(&nic.id))?;
        vnet.nics.push(NumberedNic { nic, id });
        for address in &nic.addresses {
            self.owners.insert((nic.vnet, *address), index);
        }
        Ok(())
    }

    fn add_gateway(&mut self, index: GatewayIndex, it: &'a Gateway) -> Result<(), NetworkError> {
        let nic = self.topology.nic(it.nic).ok_or_else(|| dangling(&it.id))?;
        let id = self.state.nic(&nic.id).ok_or_else(|| not_numbered(&nic.id))?;
        let vnet = self.vnets.get_mut(it.vnet.0).ok_or_else(|| dangling(&it.id))?;
        vnet.gateway = Some(NumberedGateway { gateway: it, index, nic: NumberedNic { nic, id } });
        Ok(())
    }

    fn add_uplink(&mut self, host: HostIndex, uplink: &'a Uplink) -> Result<(), NetworkError> {
        let id = self.state.nic(&uplink.id).ok_or_else(|| not_numbered(&uplink.id))?;
        let vnet = self.vnets.get_mut(uplink.vnet.0).ok_or_else(|| dangling(&uplink.id))?;
        vnet.uplinks.push(NumberedUplink { uplink, host, id });
        Ok(())
    }

    fn add_peering(&mut self, index: PeeringIndex, it: &'a Peering) -> Result<(), NetworkError> {
        let state = self.state;
        let record = |id: &ResourceId| state.peering(id).ok_or_else(|| not_numbered(id));
        let link = |id: &ResourceId| state.link(id).ok_or_else(|| not_numbered(id));
        let own = record(&it.id)?;
        let remote = self.vnets.get(it.remote.0).ok_or_else(|| dangling(&it.id))?;
        let (reverse, connected) = match it.reverse {
            Some(other) => {
                let other = self.topology.peering(other).ok_or_else(|| dangling(&it.id))?;
                let states = [own.peering_state, record(&other.id)?.peering_state];
                (link(&other.id)?, states == [PeeringState::Connected; 2])
            }
            None => (LinkId::NONE, false),
        };
        let region = region(&remote.vnet.location);
        let remote = remote.id;
        let vnet = self.vnets.get_mut(it.vnet.0).ok_or_else(|| dangling(&it.id))?;
        vnet.peerings.push(NumberedPeering {
            peering: it,
            index,
            record: own,
            link: link(&it.id)?,
            reverse,
            remote,
            connected,
            global: region != self::region(&vnet.vnet.location),
        });
        Ok(())
    }
}

/// A region's name for comparison: `West Europe` is `westeurope`.
fn region(location: &str) -> String {
    location.chars().filter(|it| !it.is_whitespace()).map(|it| it.to_ascii_lowercase()).collect()
}

fn not_numbered(id: &ResourceId) -> NetworkError {
    NetworkError::NotNumbered { id: id.to_string() }
}

fn dangling(id: &ResourceId) -> NetworkError {
    NetworkError::Dangling { id: id.clone() }
}
