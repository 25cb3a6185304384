//! A topology joined with its numbers: what routes, compilation and differences read.
//!
//! Everything that one resource refers to is looked up here once; nothing is decided but who is
//! `Connected` with whom.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use ipnet::IpNet;
use vnetpeer_common::types::{LinkId, NicId, TableId, VnetId};

use super::{
    balancing::NumberedFrontend,
    facts::NetworkFacts,
    model::{
        Gateway, GatewayIndex, HostIndex, LoadBalancer, Nic, NicIndex, Peering, PeeringIndex,
        ResourceId, RouteTableIndex, Topology, Uplink, Vnet, VnetIndex,
    },
    routes::Joined,
    state::{PeeringRecord, PeeringState, State, TableKey, group_link_ids},
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
    /// The frontends of its load balancers.
    pub frontends: Vec<NumberedFrontend<'a>>,
    /// The number of its region.
    pub region: u32,
    /// Its links that meter connected groups; none if it is in none.
    pub group_links: [LinkId; 2],
    /// What it reaches over connected groups.
    pub joined: Option<Arc<Joined>>,
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
    /// Made when the first address is looked up: most networks have no appliance.
    owners: OnceLock<HashMap<(VnetIndex, IpAddr), NicIndex>>,
    /// By the index of a peering: its place in the VNet that owns it.
    places: Vec<usize>,
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
            owners: OnceLock::new(),
            places: Vec::with_capacity(topology.peerings.len()),
        };
        let (mut numbers, mut regions) = (state.vnets().in_order(), HashMap::new());
        for (index, vnet) in topology.vnets.iter().enumerate() {
            let id = numbers.number(&vnet.id).map(VnetId).ok_or_else(|| not_numbered(&vnet.id))?;
            let region = *regions
                .entry(vnet.location.as_str())
                .or_insert_with(|| state.region(&vnet.region()));
            let region = region.ok_or_else(|| not_numbered(&vnet.id))?;
            network.vnets.push(NumberedVnet {
                vnet,
                index: VnetIndex(index),
                id,
                peerings: Vec::new(),
                nics: Vec::new(),
                uplinks: Vec::new(),
                gateway: None,
                frontends: Vec::new(),
                region,
                group_links: [LinkId::NONE; 2],
                joined: None,
            });
            network.add_tables(VnetIndex(index), vnet)?;
        }
        let mut numbers = state.nics().in_order();
        for nic in &topology.nics {
            let id = numbers.number(&nic.id).ok_or_else(|| not_numbered(&nic.id))?;
            network.add_nic(nic, NicId(id))?;
        }
        for (index, gateway) in topology.gateways.iter().enumerate() {
            network.add_gateway(GatewayIndex(index), gateway)?;
        }
        for balancer in &topology.load_balancers {
            network.add_load_balancer(balancer)?;
        }
        for (index, host) in topology.hosts.iter().enumerate() {
            for uplink in &host.uplinks {
                network.add_uplink(HostIndex(index), uplink)?;
            }
        }
        for (index, peering) in topology.peerings.iter().enumerate() {
            network.add_peering(PeeringIndex(index), peering)?;
        }
        network.add_groups()?;
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
        let index = *self.owners.get_or_init(|| self.find_owners()).get(&(vnet, address))?;
        let nic = self.topology.nic(index)?;
        Some(NumberedNic { nic, id: self.state.nic(&nic.id)? })
    }

    fn find_owners(&self) -> HashMap<(VnetIndex, IpAddr), NicIndex> {
        let nics = self.topology.nics.iter().enumerate();
        let owners = nics.flat_map(|(index, nic)| {
            nic.addresses.iter().map(move |address| ((nic.vnet, *address), NicIndex(index)))
        });
        owners.collect()
    }

    /// The peering at `index`.
    pub fn peering(&self, index: PeeringIndex) -> Option<&NumberedPeering<'a>> {
        let vnet = self.vnet(self.topology.peering(index)?.vnet)?;
        vnet.peerings.get(*self.places.get(index.0)?)
    }

    /// The frontend of a virtual network that has an address.
    pub fn frontend(&self, vnet: VnetIndex, address: IpAddr) -> Option<NumberedFrontend<'a>> {
        let frontends = &self.vnet(vnet)?.frontends;
        frontends.iter().find(|it| it.frontend.address == address).copied()
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

    fn add_nic(&mut self, nic: &'a Nic, id: NicId) -> Result<(), NetworkError> {
        let vnet = self.vnets.get_mut(nic.vnet.0).ok_or_else(|| dangling(&nic.id))?;
        vnet.nics.push(NumberedNic { nic, id });
        Ok(())
    }

    fn add_gateway(&mut self, index: GatewayIndex, it: &'a Gateway) -> Result<(), NetworkError> {
        let nic = self.topology.nic(it.nic).ok_or_else(|| dangling(&it.id))?;
        let id = self.state.nic(&nic.id).ok_or_else(|| not_numbered(&nic.id))?;
        let vnet = self.vnets.get_mut(it.vnet.0).ok_or_else(|| dangling(&it.id))?;
        vnet.gateway = Some(NumberedGateway { gateway: it, index, nic: NumberedNic { nic, id } });
        Ok(())
    }

    fn add_load_balancer(&mut self, balancer: &'a LoadBalancer) -> Result<(), NetworkError> {
        let vnet = self.vnets.get_mut(balancer.vnet.0).ok_or_else(|| dangling(&balancer.id))?;
        for (index, frontend) in balancer.frontends.iter().enumerate() {
            let id = self.state.nic(&frontend.id).ok_or_else(|| not_numbered(&frontend.id))?;
            vnet.frontends.push(NumberedFrontend { frontend, index, balancer, id });
        }
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
        let (region, remote) = (remote.region, remote.id);
        let vnet = self.vnets.get_mut(it.vnet.0).ok_or_else(|| dangling(&it.id))?;
        self.places.push(vnet.peerings.len());
        vnet.peerings.push(NumberedPeering {
            peering: it,
            index,
            record: own,
            link: link(&it.id)?,
            reverse,
            remote,
            connected,
            global: region != vnet.region,
        });
        Ok(())
    }

    /// Needs to know all peerings. Members of the same connected groups share what they reach.
    fn add_groups(&mut self) -> Result<(), NetworkError> {
        let mut groups: BTreeMap<VnetIndex, Vec<usize>> = BTreeMap::new();
        for (number, group) in self.topology.connected_groups.iter().enumerate() {
            for member in &group.members {
                groups.entry(*member).or_default().push(number);
            }
        }
        let mut joined: BTreeMap<Vec<usize>, Arc<Joined>> = BTreeMap::new();
        for set in groups.values() {
            if !joined.contains_key(set) {
                let all = set.iter().filter_map(|it| self.topology.connected_groups.get(*it));
                let members = all.flat_map(|group| &group.members).copied().collect();
                joined.insert(set.clone(), Arc::new(Joined::new(members, &self.vnets)));
            }
        }
        for (member, set) in groups {
            let state = self.state;
            let Some(vnet) = self.vnets.get_mut(member.0) else { continue };
            let link = |id: ResourceId| state.link(&id).ok_or_else(|| not_numbered(&id));
            let [regional, global] = group_link_ids(&vnet.vnet.id).map(link);
            vnet.group_links = [regional?, global?];
            vnet.joined = joined.get(&set).cloned();
        }
        Ok(())
    }
}

fn not_numbered(id: &ResourceId) -> NetworkError {
    NetworkError::NotNumbered { id: id.to_string() }
}

fn dangling(id: &ResourceId) -> NetworkError {
    NetworkError::Dangling { id: id.clone() }
}
