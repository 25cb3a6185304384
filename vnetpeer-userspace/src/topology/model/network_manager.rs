//! Network managers as declared, and what of them is deployed (AZ §6).

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ResourceId, Topology, VnetIndex};

/// What a network manager may deploy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ScopeAccess {
    /// Connectivity configurations.
    Connectivity,
    /// Security admin configurations.
    SecurityAdmin,
}

/// The kind of configurations that a commit deploys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum CommitType {
    /// Connectivity configurations.
    Connectivity,
    /// Security admin configurations.
    SecurityAdmin,
}

/// `connectivityTopology`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum ConnectivityTopology {
    /// Peerings between a hub and each spoke.
    HubAndSpoke,
    /// A connected group of all members.
    Mesh,
}

/// A network manager.
#[derive(Clone, Debug)]
pub struct NetworkManager {
    /// Its ARM id.
    pub id: ResourceId,
    /// Its region.
    pub location: String,
    /// Names of the management groups whose VNets it manages.
    pub management_groups: Vec<String>,
    /// GUIDs of the subscriptions whose VNets it manages.
    pub subscriptions: Vec<String>,
    /// What it may deploy.
    pub accesses: Vec<ScopeAccess>,
    /// The most VNets of one of its connected groups.
    pub connected_group_vnet_limit: usize,
    /// The most connected groups that one of its VNets is in.
    pub connected_groups_per_vnet_limit: usize,
    /// Its network groups.
    pub groups: Vec<NetworkGroup>,
    /// Its connectivity configurations.
    pub connectivity: Vec<ConnectivityConfiguration>,
    /// Its security admin configurations.
    pub security_admin: Vec<SecurityAdminConfiguration>,
    /// What is deployed where. Of each type, at most one names a region.
    pub commits: Vec<Commit>,
}

/// VNets that a network manager treats alike.
#[derive(Clone, Debug)]
pub struct NetworkGroup {
    /// Its ARM id.
    pub id: ResourceId,
    /// Names of the static members, and the VNets that they stand for.
    pub static_members: Vec<(String, VnetIndex)>,
    /// Which VNets are members besides.
    pub conditions: Option<Condition>,
    /// All members, in the order of the topology.
    pub members: Vec<VnetIndex>,
}

/// A connectivity configuration.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "these are the properties of the ARM resource")]
pub struct ConnectivityConfiguration {
    /// Its ARM id.
    pub id: ResourceId,
    /// What it makes of its groups.
    pub topology: ConnectivityTopology,
    /// The hub; none for a mesh.
    pub hub: Option<VnetIndex>,
    /// Whether a mesh joins regions.
    pub is_global: bool,
    /// The groups that it connects.
    pub groups: Vec<ConnectivityGroup>,
    /// `deleteExistingPeering`.
    pub delete_existing_peering: bool,
    /// `connectedGroupAddressOverlap` is `Disallowed`.
    pub disallow_overlap: bool,
    /// `peeringEnforcement` is `Enforced`.
    pub enforced: bool,
    /// The spokes or members of a mesh that it is in force for, without the hub.
    pub deployed: Vec<VnetIndex>,
}

/// A network group in a connectivity configuration.
#[derive(Clone, Debug)]
pub struct ConnectivityGroup {
    /// Index into [`NetworkManager::groups`].
    pub group: usize,
    /// Whether the spokes use the gateway of the hub.
    pub use_hub_gateway: bool,
    /// Whether the spokes are connected across regions.
    pub is_global: bool,
    /// Whether the members of the group reach each other without the hub.
    pub directly_connected: bool,
}

/// A security admin configuration.
#[derive(Clone, Debug)]
pub struct SecurityAdminConfiguration {
    /// Its ARM id.
    pub id: ResourceId,
    /// Its collections: the ARM id, indices into [`NetworkManager::groups`], how many rules.
    pub collections: Vec<(ResourceId, Vec<usize>, usize)>,
}

/// What a network manager deploys in some regions.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its ARM id.
    pub id: ResourceId,
    /// The kind of configurations.
    pub commit_type: CommitType,
    /// The regions.
    pub locations: Vec<String>,
    /// ARM ids of the configurations.
    pub configurations: Vec<ResourceId>,
    /// When it was made, if somebody wrote that down.
    pub commit_time: Option<String>,
}

impl NetworkManager {
    /// The configurations of a type that are deployed in a region.
    pub fn deployed_in(&self, commit_type: CommitType, location: &str) -> &[ResourceId] {
        let mut commits = self.commits.iter().filter(|it| it.commit_type == commit_type);
        let commit = commits.find(|it| it.locations.iter().any(|at| at == location));
        commit.map_or(&[], |it| &it.configurations)
    }

    /// Where a configuration is deployed.
    pub fn locations_of<'m>(&'m self, id: &'m ResourceId) -> impl Iterator<Item = &'m str> {
        let commits = self.commits.iter().filter(|it| it.configurations.contains(id));
        commits.flat_map(|it| it.locations.iter().map(String::as_str))
    }

    /// Whether its scope is a management group's, which is higher than a subscription's.
    pub fn is_of_management_group(&self) -> bool {
        !self.management_groups.is_empty()
    }
}

impl ConnectivityConfiguration {
    /// Whether it connects two VNets.
    pub fn connects(&self, one: VnetIndex, other: VnetIndex) -> bool {
        let has = |vnet: VnetIndex| self.deployed.contains(&vnet);
        match self.hub {
            Some(hub) => (one == hub && has(other)) || (other == hub && has(one)),
            None => has(one) && has(other),
        }
    }
}

impl Topology {
    /// The deployed configuration that lets nobody change peerings between two VNets.
    pub fn enforcing(&self, one: VnetIndex, other: VnetIndex) -> Option<&ResourceId> {
        let all = self.network_managers.iter().flat_map(|it| &it.connectivity);
        let mut enforced = all.filter(|it| it.enforced);
        enforced.find(|it| it.connects(one, other)).map(|it| &it.id)
    }
}

/// A condition on a VNet. Texts are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Condition {
    /// All of them hold.
    All {
        /// Which.
        #[serde(rename = "allOf")]
        all_of: Vec<Condition>,
    },
    /// At least one of them holds.
    Any {
        /// Which.
        #[serde(rename = "anyOf")]
        any_of: Vec<Condition>,
    },
    /// A field compares so.
    Field {
        /// What is compared.
        field: ConditionField,
        /// With what, and how.
        #[serde(flatten)]
        comparison: Comparison,
    },
}

/// What of a VNet a condition compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum ConditionField {
    /// The name.
    Name,
    /// The region.
    Location,
    /// The name of the resource group.
    ResourceGroup,
    /// The GUID of the subscription.
    Subscription,
    /// The value of the tag with this name.
    Tag(String),
}

impl From<ConditionField> for String {
    fn from(field: ConditionField) -> Self {
        match field {
            ConditionField::Name => "name".to_owned(),
            ConditionField::Location => "location".to_owned(),
            ConditionField::ResourceGroup => "resourceGroup".to_owned(),
            ConditionField::Subscription => "subscription".to_owned(),
            ConditionField::Tag(name) => format!("tags['{name}']"),
        }
    }
}

/// A comparison. All but `In`, `Equals`, `Like`, `Contains` and `Exists` hold for a tag that is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Comparison {
    /// It is this.
    Equals(String),
    /// It is not this.
    NotEquals(String),
    /// It is this, where `*` stands for any characters.
    Like(String),
    /// It is not this, where `*` stands for any characters.
    NotLike(String),
    /// This is a part of it.
    Contains(String),
    /// This is no part of it.
    NotContains(String),
    /// It is one of these.
    In(Vec<String>),
    /// It is none of these.
    NotIn(Vec<String>),
    /// Whether it is there.
    Exists(bool),
}

/// What conditions are asked about.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'v> {
    /// The VNet's ARM id.
    pub id: &'v ResourceId,
    /// Its region.
    pub location: &'v str,
    /// Its tags by name.
    pub tags: &'v BTreeMap<String, String>,
}

impl Condition {
    /// Whether it holds for a VNet.
    pub fn holds(&self, vnet: Candidate<'_>) -> bool {
        match self {
            Self::All { all_of } => all_of.iter().all(|it| it.holds(vnet)),
            Self::Any { any_of } => any_of.iter().any(|it| it.holds(vnet)),
            Self::Field { field, comparison } => comparison.holds(vnet.value(field)),
        }
    }
}

impl<'v> Candidate<'v> {
    fn value(&self, field: &ConditionField) -> Option<&'v str> {
        let segment = |place: usize| self.id.as_str().split('/').nth(place);
        match field {
            ConditionField::Name => Some(self.id.name()),
            ConditionField::Location => Some(self.location),
            ConditionField::Subscription => segment(2),
            ConditionField::ResourceGroup => segment(4),
            ConditionField::Tag(name) => {
                let mut tags = self.tags.iter().filter(|(tag, _)| tag.eq_ignore_ascii_case(name));
                tags.next().map(|(_, value)| value.as_str())
            }
        }
    }
}

impl Comparison {
    fn holds(&self, value: Option<&str>) -> bool {
        let folded = value.map(str::to_lowercase);
        let value = folded.as_deref();
        let is = |text: &String| value == Some(text.to_lowercase().as_str());
        let has = |text: &String| value.is_some_and(|it| it.contains(&text.to_lowercase()));
        let fits = |text: &String| value.is_some_and(|it| is_like(it, &text.to_lowercase()));
        match self {
            Self::Equals(text) => is(text),
            Self::NotEquals(text) => !is(text),
            Self::Like(text) => fits(text),
            Self::NotLike(text) => !fits(text),
            Self::Contains(text) => has(text),
            Self::NotContains(text) => !has(text),
            Self::In(texts) => texts.iter().any(is),
            Self::NotIn(texts) => !texts.iter().any(is),
            Self::Exists(expected) => value.is_some() == *expected,
        }
    }
}

/// Whether a text is what a pattern with `*` says.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return text == pattern };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = left.split_once(part) else { return false };
        left = after;
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "/subscriptions/s/resourceGroups/Shop/providers/Microsoft.Network/virtualNetworks/prod-web-1";

    fn holds(field: ConditionField, comparison: Comparison) -> bool {
        let tags = BTreeMap::from([("Env".to_owned(), "Prod".to_owned())]);
        let id = ResourceId::new(ID);
        let vnet = Candidate { id: &id, location: "westeurope", tags: &tags };
        Condition::Field { field, comparison }.holds(vnet)
    }

    #[test]
    fn fields_compare_without_regard_to_case() {
        use Comparison::{
            Contains, Equals, Exists, In, Like, NotContains, NotEquals, NotIn, NotLike,
        };
        use ConditionField::{Location, Name, ResourceGroup, Subscription, Tag};
        let text = str::to_owned;
        let tag = || Tag(text("env"));
        assert!(holds(Name, Equals(text("PROD-web-1"))));
        assert!(!holds(Name, Equals(text("prod"))));
        assert!(holds(Name, Contains(text("WEB"))));
        assert!(!holds(Name, NotContains(text("web"))));
        assert!(holds(Location, In(vec![text("x"), text("westeurope")])));
        assert!(!holds(Location, NotIn(vec![text("westeurope")])));
        assert!(holds(ResourceGroup, Equals(text("shop"))));
        assert!(holds(Subscription, NotEquals(text("t"))));
        assert!(holds(tag(), Equals(text("prod"))));
        assert!(holds(tag(), Exists(true)) && !holds(tag(), Exists(false)));
        assert!(holds(Name, Like(text("prod-*-1"))) && holds(Name, Like(text("*web*"))));
        assert!(!holds(Name, Like(text("prod-*-2"))) && holds(Name, NotLike(text("web*"))));
        assert!(!holds(Name, Like(text("prod-web-1*1"))), "parts do not overlap");
    }

    #[test]
    fn a_tag_that_is_missing_equals_nothing() {
        let missing = || ConditionField::Tag("owner".to_owned());
        assert!(!holds(missing(), Comparison::Equals("prod".to_owned())));
        assert!(!holds(missing(), Comparison::Contains("p".to_owned())));
        assert!(holds(missing(), Comparison::NotEquals("prod".to_owned())));
        assert!(holds(missing(), Comparison::Exists(false)));
    }
}
