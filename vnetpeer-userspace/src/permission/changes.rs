//! What a new document does, as actions on resources.
//!
//! Documents are compared as they are written, entry by entry: a part that nothing here knows is a part of
//! the deployment itself, which only its owners may change. What follows for other resources without a word
//! of theirs being changed, a dynamic address for instance, is found by comparing the networks.

mod hosts;
mod ids;
mod links;
mod peerings;
mod rights;
mod sections;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::ids::Ids;
use super::{access::Access, scope};
use crate::topology::{
    diff::{Action, difference},
    model::ResourceId,
    network::Network,
    state::PeeringWrite,
};

/// What changes the deployment itself: its name, its defaults, its service tags.
pub const DEPLOYMENT_WRITE: &str = "Vnetpeer.Deployments/deployments/write";
/// What only assignments at the root cover.
pub const ROOT: &str = "/";

/// A document and what it comes to.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    /// The document as values.
    pub values: &'a Value,
    /// The network.
    pub network: &'a Network<'a>,
}

/// Everything that is done by putting `new` in force after `old`, and by writes of peering objects that the
/// documents do not show.
pub fn accesses(old: &Side<'_>, new: &Side<'_>, writes: &[PeeringWrite]) -> Vec<Access> {
    let (before, after) = (Ids::of(old.values), Ids::of(new.values));
    let mut found = Found::default();
    sections::compare(old.values, new.values, (&before, &after), &mut found);
    hosts::compare(old.values, new.values, (&before, &after), &mut found);
    rights::compare(old.network.topology, new.network.topology, &mut found);
    peerings::add(old, new, writes, &mut found);
    follow(old, new, &mut found);
    found.into_accesses()
}

/// What was found so far: of one action on one resource all links together.
#[derive(Default)]
struct Found {
    accesses: BTreeMap<(String, String), Access>,
    /// Resources of which something is done, in lower case.
    touched: BTreeSet<String>,
}

impl Found {
    fn add(&mut self, access: Access) {
        self.touched.insert(access.id.to_ascii_lowercase());
        let key = (access.action.to_ascii_lowercase(), access.id.to_ascii_lowercase());
        match self.accesses.get_mut(&key) {
            Some(known) => {
                for link in access.links {
                    if !known.links.contains(&link) {
                        known.links.push(link);
                    }
                }
            }
            None => _ = self.accesses.insert(key, access),
        }
    }

    fn touches(&self, id: &str) -> bool {
        self.touched.contains(&id.to_ascii_lowercase())
    }

    /// Whether something is done of a part of a resource.
    fn touches_part_of(&self, id: &str) -> bool {
        let within = format!("{}/", id.to_ascii_lowercase());
        self.touched.range(within.clone()..).next().is_some_and(|it| it.starts_with(&within))
    }

    /// In the order of the resources.
    fn into_accesses(self) -> Vec<Access> {
        let mut all: Vec<Access> = self.accesses.into_values().collect();
        all.sort_by(|a, b| (&a.id, &a.action).cmp(&(&b.id, &b.action)));
        all
    }
}

/// Resources that change because of others. Peering objects are judged by what is written into them; what
/// becomes of their states and copies is nobody's doing.
fn follow(old: &Side<'_>, new: &Side<'_>, found: &mut Found) {
    for change in difference(old.network, new.network).resources {
        if change.kind == "virtualNetworkPeering" || found.touches(&change.id) {
            continue;
        }
        let parent = parent(&change.id).is_some_and(|it| found.touches(it));
        match change.kind {
            "host" => found.add(Access::new(hosts::WRITE, hosts::id(&change.id))),
            "uplink" => {
                found
                    .add(Access::new(hosts::WRITE, hosts::id(ResourceId::new(&*change.id).name())));
            }
            // What is made or removed with the resource that it is a part of.
            _ if parent && change.action != Action::Change => {}
            // Its parts change; what is its own was compared before.
            _ if change.action == Action::Change && found.touches_part_of(&change.id) => {}
            _ => {
                let verb = if change.action == Action::Delete { "delete" } else { "write" };
                found.add(Access::new(action_of(&change.id, verb), change.id));
            }
        }
    }
}

/// The resource that another is a part of.
fn parent(id: &str) -> Option<&str> {
    let end = id.rmatch_indices('/').nth(1)?.0;
    id.get(..end)
}

/// `PROVIDER/TYPE/VERB` of a resource by its ARM id.
pub fn action_of(id: &str, verb: &str) -> String {
    match resource_type(id) {
        Some(kind) => format!("{kind}/{verb}"),
        None if scope::subscription(id).is_some() => {
            format!("Microsoft.Resources/subscriptions/{verb}")
        }
        None => DEPLOYMENT_WRITE.to_owned(),
    }
}

/// `PROVIDER/TYPE` of a resource by its ARM id: that behind the last `providers`.
fn resource_type(id: &str) -> Option<String> {
    let segments: Vec<&str> = id.trim_start_matches('/').split('/').collect();
    let at = segments.iter().rposition(|it| it.eq_ignore_ascii_case("providers"))?;
    let mut kind = (*segments.get(at + 1)?).to_owned();
    for word in segments.get(at + 2..)?.iter().step_by(2) {
        kind.push('/');
        kind.push_str(word);
    }
    Some(kind)
}
