//! What persists between applies: the number and GUID of every resource, and of every peering its
//! state and the remote address space as last synced.
//!
//! [`advance`] decides all of it from the state before and the topology, and from nothing else, so
//! that every host of a deployment comes to the same numbers, and the same step taken twice changes
//! nothing. It must not look at hosts' facts or at what the kernel holds.

mod keys;
mod peering;
mod policies;
mod space;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vnetpeer_common::{
    abi::capacity,
    types::{LinkId, NicId, TableId, VnetId, VtepId},
};

use self::{
    keys::other_way,
    space::{Exhausted, Return},
};
pub use self::{
    keys::{PolicyKey, RuleKey, TableKey},
    peering::{PeeringRecord, PeeringState, PeeringSyncLevel},
    space::{Assigned, Retired, Space},
};
use super::model::{ResourceId, Topology};

/// Version of the JSON form. Version 1 had no policies and no rules.
pub const STATE_SCHEMA_VERSION: u32 = 2;

/// The oldest version that is still read.
const STATE_SCHEMA_OLDEST: u32 = 1;

/// VNIs have 24 bits (RFC 7348 §5).
const VNI_LIMIT: u32 = 1 << 24;

/// Namespace of the GUIDs that are derived from ARM ids.
const GUID_NAMESPACE: Uuid = Uuid::from_u128(0x8f1d_93b2_5c0e_5a63_9d2b_76e4_0a1c_44f7);

/// Which numbers ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumberSpace {
    /// Virtual networks.
    Vnet,
    /// NICs and uplinks.
    Nic,
    /// Peerings.
    Link,
    /// Tables of effective routes.
    Table,
    /// Hosts.
    Vtep,
    /// Rows of drop counters on one host.
    DropSlot,
    /// Security groups and collections of security admin rules, counted once per direction.
    Policy,
    /// Security rules, default rules among them.
    Rule,
}

impl fmt::Display for NumberSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vnet => "virtual network",
            Self::Nic => "network interface",
            Self::Link => "peering",
            Self::Table => "route table",
            Self::Vtep => "host",
            Self::DropSlot => "drop counter",
            Self::Policy => "policy",
            Self::Rule => "security rule",
        })
    }
}

/// Why a state cannot advance or be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// More resources than numbers.
    #[error("no {space} number is left: the maps hold {limit}")]
    Exhausted {
        /// Which numbers.
        space: NumberSpace,
        /// How many there are.
        limit: u32,
    },
    /// Two VNets would claim the same addresses towards a third.
    #[error("{second} of {other} overlaps {first} of {owner}; sync the peering whose copy is old")]
    SpacesOverlap {
        /// The larger prefix.
        first: IpNet,
        /// The VNet or peering that claims it.
        owner: ResourceId,
        /// The prefix inside it.
        second: IpNet,
        /// The VNet or peering that claims that one.
        other: ResourceId,
    },
    /// There is no such peering.
    #[error("there is no peering {id}")]
    PeeringUnknown {
        /// The id asked for.
        id: ResourceId,
    },
    /// The topology refers to an element that it does not have.
    #[error("{id} refers to something that the topology does not have")]
    Dangling {
        /// The resource that refers.
        id: ResourceId,
    },
    /// The JSON form has another version.
    #[error("the state has schema version {found}, this program reads {expected}")]
    SchemaVersion {
        /// The version found.
        found: u32,
        /// The version that this program reads.
        expected: u32,
    },
    /// The JSON form cannot be read or written.
    #[error("the state is no valid JSON of its schema")]
    Json(#[from] serde_json::Error),
}

/// Numbers, GUIDs and peering states of a deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    schema_version: u32,
    vnets: Space<ResourceId>,
    nics: Space<ResourceId>,
    links: Space<ResourceId>,
    tables: Space<TableKey>,
    vteps: Space<String>,
    slots: BTreeMap<String, Space<ResourceId>>,
    peerings: BTreeMap<ResourceId, PeeringRecord>,
    #[serde(default)]
    policies: Space<PolicyKey>,
    #[serde(default)]
    rules: Space<RuleKey>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            schema_version: STATE_SCHEMA_VERSION,
            vnets: Space::default(),
            nics: Space::default(),
            links: Space::default(),
            tables: Space::default(),
            vteps: Space::default(),
            slots: BTreeMap::new(),
            peerings: BTreeMap::new(),
            policies: Space::default(),
            rules: Space::default(),
        }
    }
}

impl State {
    /// Reads the JSON form, of this version or an older one.
    pub fn from_json(text: &str) -> Result<Self, StateError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Header {
            schema_version: u32,
        }
        let Header { schema_version: found } = serde_json::from_str(text)?;
        if !(STATE_SCHEMA_OLDEST..=STATE_SCHEMA_VERSION).contains(&found) {
            return Err(StateError::SchemaVersion { found, expected: STATE_SCHEMA_VERSION });
        }
        let state: Self = serde_json::from_str(text)?;
        Ok(Self { schema_version: STATE_SCHEMA_VERSION, ..state })
    }

    /// Writes the JSON form.
    pub fn to_json(&self) -> Result<String, StateError> {
        Ok(serde_json::to_string_pretty(self)?)
    }

    /// Numbers of virtual networks; they are the VNIs.
    pub fn vnets(&self) -> &Space<ResourceId> {
        &self.vnets
    }

    /// Numbers of NICs and uplinks.
    pub fn nics(&self) -> &Space<ResourceId> {
        &self.nics
    }

    /// Numbers of peerings; meters are indexed by them.
    pub fn links(&self) -> &Space<ResourceId> {
        &self.links
    }

    /// Numbers of tables of effective routes.
    pub fn tables(&self) -> &Space<TableKey> {
        &self.tables
    }

    /// Numbers of hosts, by name.
    pub fn vteps(&self) -> &Space<String> {
        &self.vteps
    }

    /// The number of a virtual network.
    pub fn vnet(&self, id: &ResourceId) -> Option<VnetId> {
        self.vnets.get(id).map(|it| VnetId(it.number))
    }

    /// The number of a NIC or an uplink.
    pub fn nic(&self, id: &ResourceId) -> Option<NicId> {
        self.nics.get(id).map(|it| NicId(it.number))
    }

    /// The number of a peering.
    pub fn link(&self, id: &ResourceId) -> Option<LinkId> {
        self.links.get(id).map(|it| LinkId(it.number))
    }

    /// The number of a table of effective routes.
    pub fn table(&self, key: &TableKey) -> Option<TableId> {
        self.tables.get(key).map(|it| TableId(it.number))
    }

    /// The number of a host.
    pub fn vtep(&self, host: &str) -> Option<VtepId> {
        self.vteps.get(&host.to_owned()).map(|it| VtepId(it.number))
    }

    /// The number of the host's second entry, for an underlay of the other family.
    pub fn other_vtep(&self, host: &str) -> Option<VtepId> {
        self.vteps.get(&other_way(host)).map(|it| VtepId(it.number))
    }

    /// The row of drop counters that a NIC or an uplink has on its host.
    pub fn slot(&self, host: &str, nic: &ResourceId) -> Option<u32> {
        self.slots.get(host)?.get(nic).map(|it| it.number)
    }

    /// What a peering object carries.
    pub fn peering(&self, id: &ResourceId) -> Option<&PeeringRecord> {
        self.peerings.get(id)
    }

    /// `resourceGuid` of a virtual network, a NIC or an uplink.
    pub fn resource_guid(&self, id: &ResourceId) -> Option<Uuid> {
        let assigned = self.vnets.get(id).or_else(|| self.nics.get(id))?;
        Some(guid(id, assigned.incarnation))
    }
}

fn guid(id: &ResourceId, incarnation: u32) -> Uuid {
    let name = format!("{}#{incarnation}", id.as_str().to_ascii_lowercase());
    Uuid::new_v5(&GUID_NAMESPACE, name.as_bytes())
}

/// The state after `topology` was applied to `state`.
pub fn advance(state: &State, topology: &Topology) -> Result<State, StateError> {
    let mut next = state.clone();
    let vnets = topology.vnets.iter().map(|vnet| (vnet.id.clone(), Uuid::nil())).collect();
    step(&mut next.vnets, &vnets, capacity::VNETS.min(VNI_LIMIT), NumberSpace::Vnet)?;
    let guids: Vec<Uuid> = topology
        .vnets
        .iter()
        .map(|vnet| next.resource_guid(&vnet.id).unwrap_or_default())
        .collect();
    let guid_of = |index: usize| guids.get(index).copied().unwrap_or_default();

    let uplinks = topology.hosts.iter().flat_map(|host| &host.uplinks);
    let nics = topology
        .nics
        .iter()
        .map(|nic| (nic.id.clone(), guid_of(nic.vnet.0)))
        .chain(uplinks.map(|uplink| (uplink.id.clone(), guid_of(uplink.vnet.0))))
        .collect();
    step(&mut next.nics, &nics, capacity::NICS, NumberSpace::Nic)?;

    let pairs: Vec<Uuid> = topology
        .peerings
        .iter()
        .map(|it| guid_of(it.vnet.0).as_u128() ^ guid_of(it.remote.0).as_u128())
        .map(Uuid::from_u128)
        .collect();
    let peerings = topology.peerings.iter().zip(&pairs);
    let links = peerings.map(|(peering, pair)| (peering.id.clone(), *pair)).collect();
    step(&mut next.links, &links, capacity::LINKS, NumberSpace::Link)?;
    next.peerings = peering::advance(&state.peerings, topology, &pairs)?;

    again(&mut next.tables, &table_keys(topology), capacity::ROUTES, NumberSpace::Table)?;
    let hosts = topology.hosts.iter().flat_map(|host| [host.name.clone(), other_way(&host.name)]);
    let hosts = hosts.map(|name| (name, Uuid::nil())).collect();
    again(&mut next.vteps, &hosts, capacity::VTEPS, NumberSpace::Vtep)?;
    advance_slots(&mut next.slots, topology)?;
    let (policies, rules) = policies::wanted(topology);
    again(&mut next.policies, &policies, policies::LIMIT, NumberSpace::Policy)?;
    again(&mut next.rules, &rules, capacity::RULES, NumberSpace::Rule)?;
    Ok(next)
}

/// The state after the peering `id` was synced: its copy of the remote space becomes current. On an
/// object whose copy is current this succeeds and changes nothing, as in Azure.
pub fn sync(state: &State, topology: &Topology, id: &ResourceId) -> Result<State, StateError> {
    let mut next = state.clone();
    peering::sync(&mut next.peerings, topology, id)?;
    Ok(next)
}

fn step<K: Ord + Clone>(
    space: &mut Space<K>,
    wanted: &BTreeMap<K, Uuid>,
    limit: u32,
    name: NumberSpace,
) -> Result<(), StateError> {
    let exhausted = |Exhausted| StateError::Exhausted { space: name, limit: limit - 1 };
    space.advance(wanted, limit, Return::AsNew).map_err(exhausted)
}

fn again<K: Ord + Clone>(
    space: &mut Space<K>,
    wanted: &BTreeMap<K, Uuid>,
    limit: u32,
    name: NumberSpace,
) -> Result<(), StateError> {
    let exhausted = |Exhausted| StateError::Exhausted { space: name, limit: limit - 1 };
    space.advance(wanted, limit, Return::AsBefore).map_err(exhausted)
}

/// Every VNet has a table of system routes (uplinks use it), and one per route table in use.
fn table_keys(topology: &Topology) -> BTreeMap<TableKey, Uuid> {
    let mut keys = BTreeMap::new();
    for vnet in &topology.vnets {
        let attached = vnet.subnets.iter().filter_map(|subnet| subnet.route_table);
        let tables = attached.filter_map(|index| topology.route_table(index));
        let tables = tables.map(|table| Some(table.id.clone()));
        for route_table in tables.chain([None]) {
            keys.insert(TableKey { vnet: vnet.id.clone(), route_table }, Uuid::nil());
        }
    }
    keys
}

/// A NIC keeps its row as long as it stays on its host.
fn advance_slots(
    slots: &mut BTreeMap<String, Space<ResourceId>>,
    topology: &Topology,
) -> Result<(), StateError> {
    let mut wanted: BTreeMap<String, BTreeMap<ResourceId, Uuid>> =
        slots.keys().map(|host| (host.clone(), BTreeMap::new())).collect();
    for host in &topology.hosts {
        let uplinks = host.uplinks.iter().map(|uplink| (uplink.id.clone(), Uuid::nil()));
        wanted.entry(host.name.clone()).or_default().extend(uplinks);
    }
    for nic in &topology.nics {
        let dangling = || StateError::Dangling { id: nic.id.clone() };
        let host = topology.host(nic.host).ok_or_else(dangling)?;
        wanted.entry(host.name.clone()).or_default().insert(nic.id.clone(), Uuid::nil());
    }
    for (host, nics) in wanted {
        let space = slots.entry(host).or_default();
        again(space, &nics, capacity::DROP_SLOTS, NumberSpace::DropSlot)?;
    }
    Ok(())
}
