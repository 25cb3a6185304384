//! Hosts, and what is placed on them. Azure hides hosts; here they are resources of the root.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    super::access::Access,
    Found, action_of,
    ids::{Ids, entries, text},
};

/// What changes a host.
pub(super) const WRITE: &str = "Vnetpeer.Hosts/hosts/write";
const DELETE: &str = "Vnetpeer.Hosts/hosts/delete";
/// What puts a network interface behind an interface of a host.
const JOIN: &str = "Vnetpeer.Hosts/hosts/join/action";

/// Lists of a host's entry and the types of what they place.
const PLACED: [(&str, &str); 2] =
    [("networkInterfaces", "networkInterfaces"), ("gateways", "virtualNetworkGateways")];

/// The id of a host.
pub(super) fn id(name: &str) -> String {
    format!("/providers/Vnetpeer.Hosts/hosts/{name}")
}

pub(super) fn compare(old: &Value, new: &Value, ids: (&Ids, &Ids), found: &mut Found) {
    let (before, after) = (hosts(old), hosts(new));
    let names: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for name in names {
        match (before.get(name), after.get(name)) {
            (Some(_), None) => found.add(Access::new(DELETE, id(name))),
            (old, Some(new)) if old.map(|it| rest(it)) != Some(rest(new)) => {
                found.add(Access::new(WRITE, id(name)));
            }
            _ => {}
        }
    }
    let (before, after) = (placed(&before, ids.0), placed(&after, ids.1));
    for (resource, (host, entry)) in &after {
        let is_same = before.get(resource).is_some_and(|(was, old)| was == host && old == entry);
        if !is_same {
            let write = Access::new(action_of(resource, "write"), resource);
            found.add(write.linked(JOIN, id(host)));
        }
    }
}

fn hosts(document: &Value) -> BTreeMap<&str, &Value> {
    entries(document, "hosts").filter_map(|it| Some((text(it, "name")?, it))).collect()
}

/// A host without what is placed on it.
fn rest(host: &Value) -> Value {
    let mut host = host.clone();
    if let Some(members) = host.as_object_mut() {
        for (list, _) in PLACED {
            members.remove(list);
        }
    }
    host
}

/// Where each resource is and how, by its id.
fn placed<'v>(
    hosts: &BTreeMap<&'v str, &'v Value>,
    ids: &Ids,
) -> BTreeMap<String, (&'v str, &'v Value)> {
    let mut all = BTreeMap::new();
    for (host, entry) in hosts {
        for (list, kind) in PLACED {
            for placed in entries(entry, list) {
                if let Some(name) = text(placed, "name") {
                    all.insert(ids.resolve(kind, name), (*host, placed));
                }
            }
        }
    }
    all
}
