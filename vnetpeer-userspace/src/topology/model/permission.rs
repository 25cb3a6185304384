//! Who may do what where: management groups, subscriptions, principals, roles and their assignments.

use uuid::Uuid;

/// The tenant of every subscription and principal that does not name another.
pub const DEFAULT_TENANT: Uuid = Uuid::from_u128(0x0000_0000_0000_0000_0000_0000_0000_0001);

/// Everything that decides what a principal may do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Permissions {
    /// The management groups; a group's parent is among them, and no group is its own ancestor.
    pub management_groups: Vec<ManagementGroup>,
    /// The subscriptions that the document describes. Others are in [`DEFAULT_TENANT`], in no management
    /// group.
    pub subscriptions: Vec<Subscription>,
    /// The users, groups and service principals.
    pub principals: Vec<Principal>,
    /// The roles that the document defines, beside those that are built in.
    pub custom_roles: Vec<RoleDefinition>,
    /// Who has which role where.
    pub assignments: Vec<RoleAssignment>,
}

impl Permissions {
    /// The principal at `index`.
    pub fn principal(&self, index: PrincipalIndex) -> Option<&Principal> {
        self.principals.get(index.0)
    }

    /// The tenant of a subscription, whatever the case of its id.
    pub fn tenant(&self, subscription: &str) -> Uuid {
        self.subscription(subscription).map_or(DEFAULT_TENANT, |it| it.tenant)
    }

    /// A subscription that the document describes.
    pub fn subscription(&self, id: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|it| it.id.eq_ignore_ascii_case(id))
    }

    /// A management group by its name.
    pub fn management_group(&self, name: &str) -> Option<&ManagementGroup> {
        self.management_groups.iter().find(|it| it.name.eq_ignore_ascii_case(name))
    }
}

/// A management group: holds subscriptions and other management groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagementGroup {
    /// Its name, which no other group has.
    pub name: String,
    /// The group that it is in; `None`: directly below `/`.
    pub parent: Option<String>,
}

/// A subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Its GUID.
    pub id: String,
    /// The tenant that it trusts.
    pub tenant: Uuid,
    /// The management group that it is in; `None`: directly below `/`.
    pub management_group: Option<String>,
}

/// Index into [`Permissions::principals`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrincipalIndex(pub usize);

/// `principalType` of an assignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum PrincipalType {
    /// A person.
    User,
    /// Several principals.
    Group,
    /// A program.
    ServicePrincipal,
}

/// Somebody who can have a role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Its name, which no other principal has.
    pub name: String,
    /// Its id in its directory.
    pub object_id: Uuid,
    /// The tenants that know it: its own first, then those in which it is a guest; never empty.
    pub tenants: Vec<Uuid>,
    /// What it is.
    pub principal_type: PrincipalType,
    /// The members of a group; no group contains itself.
    pub members: Vec<PrincipalIndex>,
    /// Unix users that act as it. No user acts as two principals.
    pub uids: Vec<u32>,
    /// Unix groups whose members act as it. No group acts as two principals.
    pub gids: Vec<u32>,
}

/// A role: actions that it permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleDefinition {
    /// The last part of its id.
    pub guid: Uuid,
    /// `roleName`, which no other role has.
    pub name: String,
    /// `description`.
    pub description: String,
    /// What it permits: everything that one of them does.
    pub permissions: Vec<RolePermission>,
    /// Where it can be assigned: there and below.
    pub assignable_scopes: Vec<String>,
}

impl RoleDefinition {
    /// Its ARM id at the root, as assignments name it.
    pub fn id(&self) -> String {
        format!("/providers/Microsoft.Authorization/roleDefinitions/{}", self.guid)
    }
}

/// Actions that a role permits less those that it does not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RolePermission {
    /// `actions`; `*` stands for any text.
    pub actions: Vec<String>,
    /// `notActions`: taken out of `actions`, and out of nothing else.
    pub not_actions: Vec<String>,
}

/// What an assignment gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RoleIndex {
    /// One of the roles that are built in.
    BuiltIn(usize),
    /// Index into [`Permissions::custom_roles`].
    Custom(usize),
}

/// A role of a principal at a scope and below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleAssignment {
    /// Its ARM id: the scope's, and a GUID of its own.
    pub id: String,
    /// Who.
    pub principal: PrincipalIndex,
    /// Which role.
    pub role: RoleIndex,
    /// Where: `/`, or the id of a management group, a subscription, a resource group, a host or a resource.
    pub scope: String,
}
