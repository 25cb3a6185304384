//! The document in force while a command changes one part of it.
//!
//! What is written back is the parsed document as JSON: same meaning, without comments. The user's own
//! file is not touched.

mod commit;

use anyhow::{Context as _, bail};
use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::named::{Unknown, is_named};
use crate::{
    agent::{api::DeploymentView, rollout::Proposal},
    document::{self, Problems, Severity},
    topology::{
        model::{ResourceId, Topology, Vnet},
        state::{PeeringWrite, State, advance, operate},
    },
};

/// Added to the name of a document that is not what the file says any more.
const CHANGED: &str = " (changed by commands)";
const PEERINGS: &str = "virtualNetworkPeerings";

/// See the module.
pub(super) struct Draft {
    source: String,
    values: Value,
    /// What the document means.
    pub(super) topology: Topology,
    /// What the hosts continue from.
    base: State,
    /// Writes of peering objects, in their order.
    writes: Vec<PeeringWrite>,
}

/// A changed document and what it comes to.
#[derive(Debug)]
pub(super) struct Change {
    /// What the hosts get.
    pub(super) proposal: Proposal,
    /// What the document means.
    pub(super) topology: Topology,
    /// What the hosts come to.
    pub(super) state: State,
}

impl Draft {
    /// Begins with what is in force.
    pub(super) fn open(view: DeploymentView) -> anyhow::Result<Self> {
        let loaded = document::load(&view.source, &view.document).map_err(|it| told(&it))?;
        let values = document::values(&view.source, &view.document).map_err(|it| told(&it))?;
        let source = view.source.strip_suffix(CHANGED).unwrap_or(&view.source);
        Ok(Self {
            source: format!("{source}{CHANGED}"),
            values,
            topology: loaded.topology,
            base: view.state,
            writes: Vec::new(),
        })
    }

    /// The VNet with this name or ARM id. `code` is Azure's for one that is not there.
    pub(super) fn vnet(&self, name: &str, code: &str) -> anyhow::Result<&Vnet> {
        let vnets = &self.topology.vnets;
        let mut found = vnets.iter().filter(|it| is_named(&it.id, name));
        match (found.next(), found.next()) {
            (Some(vnet), None) => Ok(vnet),
            (Some(_), Some(_)) => bail!(
                "AmbiguousResourceReference: several virtual networks are named `{name}`; give the \
                 ARM id"
            ),
            (None, _) => {
                let known = vnets.iter().map(|it| it.id.name());
                bail!("{code}: {}", Unknown::new("virtual network", name, known))
            }
        }
    }

    /// The properties of a peering object as written; `None` if there is no such object.
    pub(super) fn peering(&self, id: &ResourceId) -> Option<&Map<String, Value>> {
        let place = self.place(id)?;
        self.values.get(PEERINGS)?.get(place)?.get("properties")?.as_object()
    }

    /// Writes a peering object with these properties.
    pub(super) fn put_peering(
        &mut self,
        id: &ResourceId,
        properties: Map<String, Value>,
    ) -> anyhow::Result<()> {
        let place = self.place(id);
        let list = self.list(PEERINGS)?;
        match place.and_then(|place| list.get_mut(place)).and_then(Value::as_object_mut) {
            Some(object) => _ = object.insert("properties".to_owned(), properties.into()),
            None => list.push(json!({ "id": id, "properties": properties })),
        }
        self.writes.push(PeeringWrite::Put(id.clone()));
        Ok(())
    }

    /// Removes a peering object; whether it was there.
    pub(super) fn delete_peering(&mut self, id: &ResourceId) -> anyhow::Result<bool> {
        let Some(place) = self.place(id) else { return Ok(false) };
        self.list(PEERINGS)?.remove(place);
        self.writes.push(PeeringWrite::Delete(id.clone()));
        Ok(true)
    }

    /// Makes a peering object's copy of the remote space current.
    pub(super) fn sync_peering(&mut self, id: &ResourceId) {
        self.writes.push(PeeringWrite::Sync(id.clone()));
    }

    /// Adds a commit to a network manager. It takes its regions from the other commits of its type.
    pub(super) fn commit(
        &mut self,
        manager: &ResourceId,
        properties: &Value,
    ) -> anyhow::Result<()> {
        let found = commit::manager(self.list("networkManagers")?, manager.as_str());
        let found = found.and_then(|it| it.get_mut("properties")).and_then(Value::as_object_mut);
        let found = found.with_context(|| format!("{manager} is not in the document"))?;
        let commits = found.entry("commits").or_insert_with(|| json!([]));
        if commits.is_null() {
            *commits = json!([]);
        }
        commit::add(commits.as_array_mut().context("commits is not a list")?, properties);
        Ok(())
    }

    /// Gives a VNet another address space.
    pub(super) fn set_address_prefixes(
        &mut self,
        id: &ResourceId,
        prefixes: &[IpNet],
    ) -> anyhow::Result<()> {
        let place = self.topology.vnets.iter().position(|it| it.id == *id);
        let list = self.list("virtualNetworks")?;
        let vnet = place.and_then(|place| list.get_mut(place));
        let vnet = vnet.with_context(|| format!("{id} is not in the document"))?;
        let properties = vnet.get_mut("properties").and_then(Value::as_object_mut);
        let properties = properties.with_context(|| format!("{id} has no properties"))?;
        let space = properties.entry("addressSpace").or_insert_with(|| json!({}));
        if let Some(space) = space.as_object_mut() {
            space.insert("addressPrefixes".to_owned(), json!(prefixes));
        }
        Ok(())
    }

    /// Judges the whole document with its changes, and the writes one after the other.
    pub(super) fn finish(self) -> anyhow::Result<Change> {
        let document = serde_json::to_string_pretty(&self.values)?;
        let topology = document::load(&self.source, &document).map_err(|it| told(&it))?.topology;
        let base = self.base;
        let operations: Vec<PeeringWrite> =
            self.writes.into_iter().map(|write| made_again(write, &topology)).collect();
        let mut writes = operations.iter();
        let state = match writes.next() {
            Some(first) => {
                let state = operate(&base, &topology, first)?;
                writes.try_fold(state, |state, write| operate(&state, &topology, write))?
            }
            None => advance(&base, &topology)?,
        };
        let proposal = Proposal { source: self.source, document, base: Some(base), operations };
        Ok(Change { proposal, topology, state })
    }

    /// A list of the document, made if it is not there.
    fn list(&mut self, name: &str) -> anyhow::Result<&mut Vec<Value>> {
        let root = self.values.as_object_mut().context("the document is not an object")?;
        let list = root.entry(name).or_insert_with(|| json!([]));
        if list.is_null() {
            *list = json!([]);
        }
        list.as_array_mut().with_context(|| format!("{name} is not a list"))
    }

    /// Where a peering object is in its list.
    fn place(&self, id: &ResourceId) -> Option<usize> {
        let list = self.values.get(PEERINGS)?.as_array()?;
        list.iter().position(|entry| is_entry_of(entry, id.as_str()))
    }
}

/// An object that was deleted and that a network manager makes in its place is written.
fn made_again(write: PeeringWrite, topology: &Topology) -> PeeringWrite {
    match write {
        PeeringWrite::Delete(id) if topology.peerings.iter().any(|it| it.id == id) => {
            PeeringWrite::Put(id)
        }
        write => write,
    }
}

/// Whether an entry is the object with this ARM id. An entry that says less than an id is unambiguous:
/// the document is valid.
fn is_entry_of(entry: &Value, id: &str) -> bool {
    let is = |key: &str, value: &str| {
        entry.get(key).and_then(Value::as_str).is_none_or(|it| it.eq_ignore_ascii_case(value))
    };
    if entry.get("id").is_some() {
        return is("id", id);
    }
    let segments: Vec<&str> = id.split('/').collect();
    match segments.as_slice() {
        ["", _, subscription, _, group, _, _, _, vnet, _, name] => {
            let name = format!("{vnet}/{name}");
            entry.get("name").is_some()
                && is("name", &name)
                && is("subscription", subscription)
                && is("resourceGroup", group)
        }
        _ => false,
    }
}

/// What is wrong with a changed document: its places mean nothing to who did not write it.
fn told(problems: &Problems) -> anyhow::Error {
    let errors = problems.iter().filter(|it| it.severity == Severity::Error);
    let lines = errors.map(|it| format!("{}: {}; {}", it.code, it.message, it.help));
    anyhow::anyhow!("{}", lines.collect::<Vec<_>>().join("\n"))
}
