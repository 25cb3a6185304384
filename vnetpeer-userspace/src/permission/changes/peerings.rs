//! Peering objects: what is written into them, and what Azure asks for on the other VNet.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    super::access::Access,
    Found, Side,
    ids::{Ids, entries, text},
};
use crate::topology::state::{PeeringAction, PeeringWrite, operations};

const WRITE: &str = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/write";
const DELETE: &str = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings/delete";

pub(super) fn add(old: &Side<'_>, new: &Side<'_>, writes: &[PeeringWrite], found: &mut Found) {
    let (before, after) = (Ids::of(old.values), Ids::of(new.values));
    let (was, is) = (by_id(old.values, &before), by_id(new.values, &after));
    let keys: BTreeSet<_> = was.keys().chain(is.keys()).collect();
    for key in keys {
        match (was.get(key), is.get(key)) {
            (Some((id, _)), None) => found.add(Access::new(DELETE, id)),
            (old, Some((id, entry))) if old.map(|it| it.1) != Some(entry) => {
                found.add(write(id, entry, &after));
            }
            _ => {}
        }
    }
    // The same document can be written again: it takes a `Disconnected` object back to `Initiated`. What
    // the deployment syncs by itself is nobody's doing.
    let managed = new.network.topology.peerings.iter().filter(|it| it.managed_by.is_some());
    let managed: BTreeSet<_> = managed.map(|it| &it.id).collect();
    let derived = operations(old.network.state, new.network.topology);
    let derived = derived.iter().filter(|it| {
        !matches!(it.action, PeeringAction::Sync | PeeringAction::Delete)
            && !managed.contains(&it.id)
    });
    let written = writes.iter().filter_map(|it| match it {
        PeeringWrite::Put(id) | PeeringWrite::Sync(id) => Some(id),
        PeeringWrite::Delete(_) => None,
    });
    for id in derived.map(|it| &it.id).chain(written) {
        if let Some((id, entry)) = is.get(&id.as_str().to_ascii_lowercase()) {
            found.add(write(id, entry, &after));
        }
    }
    for write in writes {
        if let PeeringWrite::Delete(id) = write {
            found.add(Access::new(DELETE, id.as_str()));
        }
    }
}

/// A write of one side: on its own VNet the write, on the other VNet the right to be peered with.
fn write(id: &str, entry: &Value, ids: &Ids) -> Access {
    let access = Access::new(WRITE, id);
    let remote = entry.pointer("/properties/remoteVirtualNetwork/id").and_then(Value::as_str);
    match remote {
        Some(remote) => {
            let remote = ids.resolve("virtualNetworks", remote);
            access.linked(format!("{}/virtualNetworks/peer/action", ids.provider(&remote)), remote)
        }
        None => access,
    }
}

fn by_id<'v>(document: &'v Value, ids: &Ids) -> BTreeMap<String, (String, &'v Value)> {
    let named = entries(document, "virtualNetworkPeerings")
        .filter(|it| text(it, "id").or(text(it, "name")).is_some())
        .filter_map(|it| {
            let id = ids.peering(it)?;
            Some((id.to_ascii_lowercase(), (id, it)))
        });
    named.collect()
}
