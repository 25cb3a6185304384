//! Management groups, subscriptions, principals, roles and role assignments.

use super::super::{
    decode::{List, Spanned},
    object::object,
    scalar::{ActionPattern, Guid, PrincipalWord, RoleKind, Scope, SubscriptionId, UnixId},
};

object! {
    /// A management group: holds subscriptions and other management groups.
    struct ManagementGroup {
        /// Its name, which no other management group has.
        name as "name" (required): Spanned<String>,
        /// The management group that it is in. Default: none.
        parent as "parent": Spanned<String>,
    }
}

object! {
    /// A subscription.
    #[expect(clippy::struct_field_names, reason = "`subscriptionId` is what ARM calls it")]
    struct Subscription {
        /// Its GUID.
        subscription_id as "subscriptionId" (required): Spanned<SubscriptionId>,
        /// The tenant that it trusts. Default: `00000000-0000-0000-0000-000000000001`.
        tenant_id as "tenantId": Spanned<Guid>,
        /// The management group that it is in. Default: none.
        management_group as "managementGroup": Spanned<String>,
    }
}

object! {
    /// A user, a group or a service principal, and who acts as it.
    #[expect(clippy::struct_field_names, reason = "`type` is a word of the language")]
    struct Principal {
        /// Its name, which no other principal has.
        name as "name" (required): Spanned<String>,
        /// Its id in its directory. Default: made from its name.
        object_id as "objectId": Spanned<Guid>,
        /// The tenants that know it: its own first, then those in which it is a guest. Default:
        /// `00000000-0000-0000-0000-000000000001`.
        tenants as "tenants": List<Spanned<Guid>>,
        /// What it is. Default: `User`.
        principal_type as "type": Spanned<PrincipalWord>,
        /// Names of the members of a group.
        members as "members": List<Spanned<String>>,
        /// Numbers of the unix users that act as it, not 0.
        uids as "uids": List<Spanned<UnixId>>,
        /// Numbers of the unix groups whose members act as it, not 0.
        gids as "gids": List<Spanned<UnixId>>,
    }
}

object! {
    /// A role that is not built in.
    struct RoleDefinition {
        /// The last part of its id, a GUID. Default: made from `roleName`.
        name as "name": Spanned<Guid>,
        /// What it permits and where.
        properties as "properties" (required): RoleDefinitionProperties,
    }
    read_only: ["id"]
}

object! {
    /// Properties of a role.
    struct RoleDefinitionProperties {
        /// Its name, which no other role has.
        role_name as "roleName" (required): Spanned<String>,
        /// What it is for.
        description as "description": Spanned<String>,
        /// `CustomRole`.
        #[expect(dead_code, reason = "there is one value only")]
        kind as "type": Spanned<RoleKind>,
        /// What it permits: everything that one of them does.
        permissions as "permissions" (required): List<RolePermission>,
        /// Where it can be assigned: there and below.
        assignable_scopes as "assignableScopes" (required): List<Spanned<Scope>>,
    }
    read_only: ["createdBy", "createdOn", "updatedBy", "updatedOn"]
}

object! {
    /// Actions that a role permits.
    struct RolePermission {
        /// Actions; `*` stands for any text.
        actions as "actions" (required): List<Spanned<ActionPattern>>,
        /// Actions that are taken out of `actions`, and of nothing else.
        not_actions as "notActions": List<Spanned<ActionPattern>>,
    }
    not_supported: ["dataActions", "notDataActions"]
}

object! {
    /// A role of a principal at a scope and everywhere below it.
    struct RoleAssignment {
        /// The last part of its id, a GUID. Default: made from the properties.
        name as "name": Spanned<Guid>,
        /// Who has which role where.
        properties as "properties" (required): RoleAssignmentProperties,
    }
    read_only: ["id", "type"]
}

object! {
    /// Properties of a role assignment.
    struct RoleAssignmentProperties {
        /// The principal's name.
        principal as "principal": Spanned<String>,
        /// The principal's `objectId`, instead of its name.
        principal_id as "principalId": Spanned<Guid>,
        /// The role: its name, its GUID or its ARM id.
        role_definition_id as "roleDefinitionId" (required): Spanned<String>,
        /// `/`, or the ARM id of a management group, a subscription, a resource group, a host or a resource.
        scope as "scope" (required): Spanned<Scope>,
    }
    not_supported: ["condition", "conditionVersion", "delegatedManagedIdentityResourceId"]
    read_only: ["createdBy", "createdOn", "principalType", "updatedBy", "updatedOn"]
    one_of: ["principal", "principalId"]
}
