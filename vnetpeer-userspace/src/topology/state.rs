//! What persists between applies: the number and GUID of every resource, and of every peering its
//! state and the remote address space as last synced.
//!
//! [`advance`] decides all of it from the state before and the topology, and from nothing else, so
//! that every host of a deployment comes to the same numbers, and the same step taken twice changes
//! nothing. It must not look at hosts' facts or at what the kernel holds.

mod error;
mod keys;
mod peering;
mod policies;
mod space;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    hash::Hash,
};

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vnetpeer_common::{
    abi::capacity,
    types::{BalancerId, LinkId, NicId, TableId, VnetId, VtepId},
};

pub use self::{
    error::{NumberSpace, StateError},
    keys::{PolicyKey, RuleKey, TableKey},
    peering::{
        PeeringAction, PeeringOperation, PeeringRecord, PeeringState, PeeringSyncLevel,
        PeeringWrite, operations,
    },
    policies::RuleNumbers,
    space::{Assigned, Retired, Space},
};
use self::{
    keys::other_way,
    policies::Policies,
    space::{Exhausted, Return},
};
#[cfg(doc)]
use super::model::Vnet;
use super::model::{ResourceId, Topology};

/// Version of the JSON form. Version 1 had no policies and no rules, version 2 not what was written into
/// peerings and not their local address spaces, version 3 no regions, no links of connected
/// groups and no load balancing rules.
pub const STATE_SCHEMA_VERSION: u32 = 4;

/// The oldest version that is still read.
const STATE_SCHEMA_OLDEST: u32 = 1;

/// Numbers of regions stay below this.
const REGION_LIMIT: u32 = 1 << 16;

/// VNIs have 24 bits (RFC 7348 §5).
const VNI_LIMIT: u32 = 1 << 24;

/// Namespace of the GUIDs that are derived from ARM ids.
const GUID_NAMESPACE: Uuid = Uuid::from_u128(0x8f1d_93b2_5c0e_5a63_9d2b_76e4_0a1c_44f7);

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
    #[serde(default)]
    regions: Space<String>,
    #[serde(default)]
    balancers: Space<ResourceId>,
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
            regions: Space::default(),
            balancers: Space::default(),
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

    /// Numbers of NICs, uplinks and frontends.
    pub fn nics(&self) -> &Space<ResourceId> {
        &self.nics
    }

    /// Numbers of peerings, and of what meters connected groups; meters are indexed by them.
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

    /// The number of a NIC, an uplink or a frontend.
    pub fn nic(&self, id: &ResourceId) -> Option<NicId> {
        self.nics.get(id).map(|it| NicId(it.number))
    }

    /// The number of a peering, or of one of [`group_link_ids`].
    pub fn link(&self, id: &ResourceId) -> Option<LinkId> {
        self.links.get(id).map(|it| LinkId(it.number))
    }

    /// The number of a region, by [`Vnet::region`].
    pub fn region(&self, name: &str) -> Option<u32> {
        self.regions.get(&name.to_owned()).map(|it| it.number)
    }

    /// The number of a load balancing rule.
    pub fn balancer(&self, id: &ResourceId) -> Option<BalancerId> {
        self.balancers.get(id).map(|it| BalancerId(it.number))
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

    /// A GUID of the meters of a link that no earlier link of the same name had, nor the other side's.
    pub fn meter_guid(&self, id: &ResourceId) -> Option<Uuid> {
        self.links.get(id).map(|it| guid(id, it.incarnation))
    }
}

/// The ids of the two links that meter what a VNet exchanges over its connected groups: with members in its
/// own region, and with those in others.
pub fn group_link_ids(vnet: &ResourceId) -> [ResourceId; 2] {
    ["regional", "global"].map(|scope| ResourceId::new(format!("{vnet}/connectedGroups/{scope}")))
}

fn guid(id: &ResourceId, incarnation: u32) -> Uuid {
    let name = format!("{}#{incarnation}", id.as_str().to_ascii_lowercase());
    Uuid::new_v5(&GUID_NAMESPACE, name.as_bytes())
}

/// The state after `topology` was applied to `state`.
pub fn advance(state: &State, topology: &Topology) -> Result<State, StateError> {
    after(state, topology, None)
}

/// The state after one peering object was written. `topology` is the document after the write; what
/// else is new in it is applied as well.
pub fn operate(
    state: &State,
    topology: &Topology,
    write: &PeeringWrite,
) -> Result<State, StateError> {
    after(state, topology, Some(write))
}

fn after(
    state: &State,
    topology: &Topology,
    write: Option<&PeeringWrite>,
) -> Result<State, StateError> {
    let mut next = State { schema_version: STATE_SCHEMA_VERSION, ..state.clone() };
    let vnets = topology.vnets.iter().map(|vnet| (Cow::Borrowed(&vnet.id), Uuid::nil()));
    step(&mut next.vnets, vnets, capacity::VNETS.min(VNI_LIMIT), NumberSpace::Vnet)?;
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
        .map(|nic| (Cow::Borrowed(&nic.id), guid_of(nic.vnet.0)))
        .chain(uplinks.map(|uplink| (Cow::Borrowed(&uplink.id), guid_of(uplink.vnet.0))))
        .chain(topology.load_balancers.iter().flat_map(|balancer| {
            let guid = guid_of(balancer.vnet.0);
            balancer.frontends.iter().map(move |it| (Cow::Borrowed(&it.id), guid))
        }));
    step(&mut next.nics, nics, capacity::NICS, NumberSpace::Nic)?;

    next.peerings = peering::advance(&state.peerings, topology, &guids, write)?;
    let links =
        next.peerings.iter().map(|(id, record)| (Cow::Owned(id.clone()), record.resource_guid));
    let members = topology.group_members();
    let members = members.iter().filter_map(|index| Some((topology.vnet(*index)?, index.0)));
    let of_groups = members.flat_map(|(vnet, index)| {
        group_link_ids(&vnet.id).map(|id| (Cow::Owned(id), guid_of(index)))
    });
    step(&mut next.links, links.chain(of_groups), capacity::LINKS, NumberSpace::Link)?;
    let regions = topology.vnets.iter().map(|vnet| (Cow::Owned(vnet.region()), Uuid::nil()));
    again(&mut next.regions, regions, REGION_LIMIT, NumberSpace::Region)?;

    let rules = topology.load_balancers.iter().flat_map(|balancer| &balancer.rules);
    let rules = rules.map(|rule| (Cow::Borrowed(&rule.id), Uuid::nil()));
    again(&mut next.balancers, rules, capacity::BALANCERS, NumberSpace::Balancer)?;
    again(&mut next.tables, table_keys(topology), capacity::ROUTES, NumberSpace::Table)?;
    let hosts = topology.hosts.iter().flat_map(|host| [host.name.clone(), other_way(&host.name)]);
    let hosts = hosts.map(|name| (Cow::Owned(name), Uuid::nil()));
    again(&mut next.vteps, hosts, capacity::VTEPS, NumberSpace::Vtep)?;
    advance_slots(&mut next.slots, topology)?;
    let policies = Policies::new(topology);
    again(&mut next.policies, policies.keys(), policies::LIMIT, NumberSpace::Policy)?;
    if !policies.are_numbered(state) {
        again(&mut next.rules, policies.rules(), capacity::RULES, NumberSpace::Rule)?;
    }
    Ok(next)
}

fn step<'k, K: Ord + Hash + Clone + 'k>(
    space: &mut Space<K>,
    wanted: impl Iterator<Item = (Cow<'k, K>, Uuid)>,
    limit: u32,
    name: NumberSpace,
) -> Result<(), StateError> {
    let exhausted = |Exhausted| StateError::Exhausted { space: name, limit: limit - 1 };
    space.advance(wanted, limit, Return::AsNew).map_err(exhausted)
}

fn again<'k, K: Ord + Hash + Clone + 'k>(
    space: &mut Space<K>,
    wanted: impl Iterator<Item = (Cow<'k, K>, Uuid)>,
    limit: u32,
    name: NumberSpace,
) -> Result<(), StateError> {
    let exhausted = |Exhausted| StateError::Exhausted { space: name, limit: limit - 1 };
    space.advance(wanted, limit, Return::AsBefore).map_err(exhausted)
}

/// Every VNet has a table of system routes (uplinks use it), and one per route table in use.
fn table_keys(topology: &Topology) -> impl Iterator<Item = (Cow<'_, TableKey>, Uuid)> {
    topology.vnets.iter().flat_map(move |vnet| {
        let attached = vnet.subnets.iter().filter_map(|subnet| subnet.route_table);
        let tables = attached.filter_map(move |index| topology.route_table(index));
        let tables = tables.map(|table| Some(table.id.clone())).chain([None]);
        tables
            .map(move |route_table| TableKey { vnet: vnet.id.clone(), route_table })
            .map(|key| (Cow::Owned(key), Uuid::nil()))
    })
}

/// A NIC keeps its row as long as it stays on its host.
fn advance_slots(
    slots: &mut BTreeMap<String, Space<ResourceId>>,
    topology: &Topology,
) -> Result<(), StateError> {
    let mut wanted: Vec<Vec<&ResourceId>> = Vec::new();
    for host in &topology.hosts {
        wanted.push(host.uplinks.iter().map(|uplink| &uplink.id).collect());
    }
    for nic in &topology.nics {
        let dangling = || StateError::Dangling { id: nic.id.clone() };
        wanted.get_mut(nic.host.0).ok_or_else(dangling)?.push(&nic.id);
    }
    let names: BTreeSet<&str> = topology.hosts.iter().map(|host| host.name.as_str()).collect();
    let gone: Vec<String> =
        slots.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
    let hosts = topology.hosts.iter().map(|host| host.name.clone()).zip(wanted);
    for (host, nics) in hosts.chain(gone.into_iter().map(|host| (host, Vec::new()))) {
        let nics = nics.into_iter().map(|id| (Cow::Borrowed(id), Uuid::nil()));
        let space = slots.entry(host).or_default();
        again(space, nics, capacity::DROP_SLOTS, NumberSpace::DropSlot)?;
    }
    Ok(())
}
