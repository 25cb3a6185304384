//! The lists of resources, and everything that is none.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    super::access::Access,
    DEPLOYMENT_WRITE, Found, ROOT, action_of,
    ids::{Ids, SECTIONS, Section, entries, text},
    links,
};

/// Parts of the document that are looked at elsewhere.
const ELSEWHERE: [&str; 7] = [
    "virtualNetworkPeerings",
    "hosts",
    "managementGroups",
    "subscriptions",
    "principals",
    "roleDefinitions",
    "roleAssignments",
];

pub(super) fn compare(old: &Value, new: &Value, ids: (&Ids, &Ids), found: &mut Found) {
    for section in &SECTIONS {
        resources(section, old, new, ids, found);
    }
    let names = |it: &Value| it.as_object().into_iter().flat_map(Map::keys).cloned().collect();
    let (before, after): (BTreeSet<String>, BTreeSet<String>) = (names(old), names(new));
    for name in before.union(&after) {
        let is_list = SECTIONS.iter().any(|it| it.name == name) || ELSEWHERE.contains(&&**name);
        if !is_list && given(old, name) != given(new, name) {
            found.add(Access::new(DEPLOYMENT_WRITE, ROOT));
        }
    }
}

/// A property; one that is null is as good as none.
fn given<'v>(value: &'v Value, name: &str) -> Option<&'v Value> {
    value.get(name).filter(|it| !it.is_null())
}

fn resources(section: &Section, old: &Value, new: &Value, ids: (&Ids, &Ids), found: &mut Found) {
    let (before, after) = (by_id(section, old, ids.0), by_id(section, new, ids.1));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        match (before.get(key), after.get(key)) {
            (Some((id, _)), None) => {
                found.add(Access::new(action(section, id, "delete", ids.0), id));
            }
            (None, Some((id, entry))) => {
                let mut access = Access::new(action(section, id, "write", ids.1), id);
                links::add(entry, ids.1, &mut access);
                found.add(access);
            }
            (Some((_, old)), Some((id, new))) if old != new => {
                changed(section, id, (old, new), ids.1, found);
            }
            _ => {}
        }
    }
}

/// A resource with other properties. Its parts have actions of their own.
fn changed(
    section: &Section,
    id: &str,
    (old, new): (&Value, &Value),
    ids: &Ids,
    found: &mut Found,
) {
    let rest = |it: &Value| {
        let mut it = it.clone();
        let properties = it.get_mut("properties").and_then(Value::as_object_mut);
        if let (Some(properties), Some(part)) = (properties, section.part) {
            properties.remove(part);
        }
        it
    };
    let whole = rest(new);
    if rest(old) != whole {
        let mut access = Access::new(action(section, id, "write", ids), id);
        links::add(&whole, ids, &mut access);
        found.add(access);
    }
    let Some(part) = section.part else { return };
    let parts = |it: &Value| -> BTreeMap<String, Value> {
        let properties = it.get("properties").unwrap_or(&Value::Null);
        let named = entries(properties, part)
            .filter_map(|it| Some((text(it, "name")?.to_ascii_lowercase(), it.clone())));
        named.collect()
    };
    let (before, after) = (parts(old), parts(new));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        let entry = new.or(old);
        let name = entry.and_then(|it| text(it, "name")).unwrap_or(key);
        let id = format!("{id}/{part}/{name}");
        let verb = if new.is_some() { "write" } else { "delete" };
        if old != new {
            let mut access = Access::new(action(section, &id, verb, ids), &id);
            if let Some(new) = new {
                links::add(new, ids, &mut access);
            }
            found.add(access);
        }
    }
}

/// A classic VNet has actions of its own provider.
fn action(section: &Section, id: &str, verb: &str, ids: &Ids) -> String {
    let action = action_of(id, verb);
    if section.name != "virtualNetworks" {
        return action;
    }
    action.replacen("Microsoft.Network", ids.provider(id), 1)
}

fn by_id<'v>(
    section: &Section,
    document: &'v Value,
    ids: &Ids,
) -> BTreeMap<String, (String, &'v Value)> {
    let named = entries(document, section.name).filter_map(|entry| {
        let id = ids.entry(section, entry)?;
        Some((id.to_ascii_lowercase(), (id, entry)))
    });
    named.collect()
}
