//! Network managers: groups of virtual networks, what connects and filters them, and what is deployed.

use super::{
    super::{
        decode::{List, Spanned},
        object::object,
        scalar::{
            AddressOverlap, CommitTime, ConnectedGroupVnets, ConnectedGroupsOfVnet, Description,
            Flag, GroupConnectivity, HubType, IntentPolicy, Location, ManagementGroupScope,
            MemberType, PeeringEnforcement, PrivateEndpointsScale, SubscriptionScope,
        },
    },
    Child,
    security::AdminRuleProperties,
};
use crate::topology::model::{CommitType, ConditionField, ConnectivityTopology, ScopeAccess};

object! {
    /// Properties of a network manager. Its parts are children of it in ARM.
    #[schemars(rename = "NetworkManager")]
    struct ManagerProperties {
        /// What it is for.
        #[expect(dead_code, reason = "decoding checks it, and nothing else has a use for it")]
        description as "description": Spanned<Description>,
        /// Whose virtual networks it manages.
        network_manager_scopes as "networkManagerScopes" (required): ManagerScopes,
        /// What it may deploy. Default: all that there is.
        network_manager_scope_accesses as "networkManagerScopeAccesses":
            List<Spanned<ScopeAccess>>,
        /// The most VNets of one of its connected groups. Not a property of Azure's, where it is a
        /// feature of the subscription. Default: 250.
        connected_group_vnet_limit as "connectedGroupVnetLimit": Spanned<ConnectedGroupVnets>,
        /// The most connected groups that one of its VNets is in. Not a property of Azure's, where it
        /// is raised on request. Default: 2.
        connected_groups_per_vnet_limit as "connectedGroupsPerVnetLimit":
            Spanned<ConnectedGroupsOfVnet>,
        /// Its network groups.
        network_groups as "networkGroups": List<Child<NetworkGroupProperties>>,
        /// Its connectivity configurations. None has an effect before it is committed.
        connectivity_configurations as "connectivityConfigurations":
            List<Child<ConnectivityProperties>>,
        /// Its security admin configurations. None has an effect before it is committed.
        security_admin_configurations as "securityAdminConfigurations":
            List<Child<SecurityAdminProperties>>,
        /// What is deployed where: for each region and type, the configurations that one of these lists.
        commits as "commits": List<Child<CommitProperties>>,
    }
    not_supported: [
        "ipamPools", "routingConfigurations", "scopeConnections", "securityUserConfigurations",
        "verifierWorkspaces",
    ]
    read_only: ["provisioningState", "resourceGuid"]
}

object! {
    /// Whose virtual networks a network manager manages.
    struct ManagerScopes {
        /// Management groups by their ARM ids. Each has all subscriptions of the manager's tenant.
        management_groups as "managementGroups": List<Spanned<ManagementGroupScope>>,
        /// Subscriptions, as `/subscriptions/<guid>`.
        subscriptions as "subscriptions": List<Spanned<SubscriptionScope>>,
    }
    read_only: ["crossTenantScopes"]
    one_of: ["managementGroups", "subscriptions"]
}

object! {
    /// Properties of a network group.
    #[schemars(rename = "NetworkGroup")]
    struct NetworkGroupProperties {
        /// What it is for.
        #[expect(dead_code, reason = "decoding checks it, and nothing else has a use for it")]
        description as "description": Spanned<Description>,
        /// What its members are. Default: `VirtualNetwork`.
        #[expect(dead_code, reason = "decoding checks it: there is one kind of members")]
        member_type as "memberType": Spanned<MemberType>,
        /// The members that are named one by one.
        static_members as "staticMembers": List<Child<StaticMemberProperties>>,
        /// Which virtual networks of the manager's scope are members besides. Not a property of Azure's,
        /// where a policy says it in the same words.
        conditions as "conditions": Condition,
    }
    read_only: ["provisioningState", "resourceGuid"]
}

object! {
    /// Properties of a static member.
    #[schemars(rename = "StaticMember")]
    struct StaticMemberProperties {
        /// The virtual network: its name or its ARM id.
        resource_id as "resourceId" (required): Spanned<String>,
    }
    read_only: ["provisioningState", "region"]
}

object! {
    /// A condition on a virtual network: `allOf` or `anyOf`, or a field with one comparison. Texts are
    /// compared without regard to case, as in Azure Policy.
    #[schemars(rename = "NetworkGroupCondition")]
    struct Condition {
        /// All of these hold.
        all_of as "allOf": List<Condition>,
        /// At least one of these holds.
        any_of as "anyOf": List<Condition>,
        /// What is compared: `name`, `location`, `resourceGroup`, `subscription`, or a tag as `tags.NAME`
        /// or `tags['NAME']`.
        field as "field": Spanned<ConditionField>,
        /// It is this.
        equals as "equals": Spanned<String>,
        /// It is not this; also if there is no such tag.
        not_equals as "notEquals": Spanned<String>,
        /// It is this, where `*` stands for any characters.
        like as "like": Spanned<String>,
        /// It is not this, where `*` stands for any characters.
        not_like as "notLike": Spanned<String>,
        /// This is a part of it.
        contains as "contains": Spanned<String>,
        /// This is no part of it.
        not_contains as "notContains": Spanned<String>,
        /// It is one of these.
        is_in as "in": List<Spanned<String>>,
        /// It is none of these.
        not_in as "notIn": List<Spanned<String>>,
        /// Whether there is such a tag.
        exists as "exists": Spanned<bool>,
    }
    one_of: ["field", "allOf", "anyOf"]
}

object! {
    /// Properties of a connectivity configuration.
    #[schemars(rename = "ConnectivityConfiguration")]
    struct ConnectivityProperties {
        /// What it is for.
        #[expect(dead_code, reason = "decoding checks it, and nothing else has a use for it")]
        description as "description": Spanned<Description>,
        /// What it makes of its groups.
        connectivity_topology as "connectivityTopology" (required): Spanned<ConnectivityTopology>,
        /// The hub; none for a mesh.
        hubs as "hubs": List<Hub>,
        /// Whether a mesh joins VNets of different regions. Default: `"False"`.
        is_global as "isGlobal": Spanned<Flag>,
        /// The network groups that it connects.
        applies_to_groups as "appliesToGroups" (required): List<ConnectedGroupItem>,
        /// Whether it removes peerings of its members that it does not ask for. Default: `"False"`.
        delete_existing_peering as "deleteExistingPeering": Spanned<Flag>,
        /// How it deals with overlaps and with what others write.
        connectivity_capabilities as "connectivityCapabilities": ConnectivityCapabilities,
    }
    read_only: ["provisioningState", "resourceGuid"]
}

object! {
    /// The hub of a connectivity configuration.
    struct Hub {
        /// The virtual network: its name or its ARM id.
        resource_id as "resourceId" (required): Spanned<String>,
        /// What it is.
        #[expect(dead_code, reason = "decoding checks it: there is one kind of hubs")]
        resource_type as "resourceType": Spanned<HubType>,
    }
}

object! {
    /// A network group in a connectivity configuration.
    #[schemars(rename = "ConnectivityGroup")]
    struct ConnectedGroupItem {
        /// The group: its name or its ARM id.
        network_group_id as "networkGroupId" (required): Spanned<String>,
        /// Whether the spokes use the gateway of the hub. Default: `"False"`.
        use_hub_gateway as "useHubGateway": Spanned<Flag>,
        /// Whether the spokes are connected across regions. Default: `"False"`.
        is_global as "isGlobal": Spanned<Flag>,
        /// Whether the spokes of this group reach each other without the hub. Default: `None`.
        group_connectivity as "groupConnectivity": Spanned<GroupConnectivity>,
    }
}

object! {
    /// How a connectivity configuration deals with overlaps and with what others write.
    struct ConnectivityCapabilities {
        /// Must be `Standard`: there are no private endpoints.
        #[expect(dead_code, reason = "decoding checks it: there are no private endpoints")]
        private_endpoints_scale as "connectedGroupPrivateEndpointsScale":
            Spanned<PrivateEndpointsScale>,
        /// Whether members of a connected group may have the same addresses. Default: `Allowed`.
        address_overlap as "connectedGroupAddressOverlap": Spanned<AddressOverlap>,
        /// Whether peerings between its members are what it says and nothing else. Default:
        /// `Unenforced`.
        peering_enforcement as "peeringEnforcement": Spanned<PeeringEnforcement>,
    }
}

object! {
    /// Properties of a security admin configuration.
    #[schemars(rename = "SecurityAdminConfiguration")]
    struct SecurityAdminProperties {
        /// What it is for.
        #[expect(dead_code, reason = "decoding checks it, and nothing else has a use for it")]
        description as "description": Spanned<Description>,
        /// Its rules, in collections.
        rule_collections as "ruleCollections" (required): List<Child<RuleCollectionProperties>>,
        /// Must be `None` or empty: there are no services with a network intent policy.
        #[expect(dead_code, reason = "decoding checks it: there are no such services")]
        intent_policies as "applyOnNetworkIntentPolicyBasedServices": List<Spanned<IntentPolicy>>,
    }
    not_supported: ["networkGroupAddressSpaceAggregationOption"]
    read_only: ["provisioningState", "resourceGuid"]
}

object! {
    /// Properties of a collection of security admin rules.
    #[schemars(rename = "SecurityAdminRuleCollection")]
    struct RuleCollectionProperties {
        /// What it is for.
        #[expect(dead_code, reason = "decoding checks it, and nothing else has a use for it")]
        description as "description": Spanned<Description>,
        /// The network groups whose VNets the rules apply to.
        applies_to_groups as "appliesToGroups" (required): List<GroupItem>,
        /// The rules; in each direction no two have the same priority.
        rules as "rules" (required): List<Child<AdminRuleProperties>>,
    }
    read_only: ["provisioningState", "resourceGuid"]
}

object! {
    /// A network group that rules apply to.
    #[schemars(rename = "SecurityAdminGroup")]
    struct GroupItem {
        /// The group: its name or its ARM id.
        network_group_id as "networkGroupId" (required): Spanned<String>,
    }
}

object! {
    /// Properties of a commit: what is deployed in some regions.
    #[schemars(rename = "NetworkManagerCommit")]
    struct CommitProperties {
        /// The kind of configurations.
        commit_type as "commitType" (required): Spanned<CommitType>,
        /// The regions.
        target_locations as "targetLocations" (required): List<Spanned<Location>>,
        /// The configurations: names or ARM ids; an empty list deploys none.
        configuration_ids as "configurationIds": List<Spanned<String>>,
        /// When it was made, such as `2026-01-31T12:00:00Z`: listings show it. Not a property of
        /// Azure's, which knows.
        commit_time as "commitTime": Spanned<CommitTime>,
    }
    read_only: ["provisioningState"]
}
