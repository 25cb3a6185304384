//! The document as written: ARM's resources with ARM's property names, grouped, and the hosts that
//! Azure hides. Nothing here is judged beyond names and types of properties; `validate` does that.

mod gateway;
mod host;
mod load_balancer;
mod manager;
mod network;
mod nic;
mod permission;
mod route;
mod security;

pub(super) use gateway::{
    ConnectionProperties, GatewayIpConfigurationProperties, GatewayProperties,
    LocalNetworkGatewayProperties,
};
pub(super) use host::{Host, InternetUplink, PlacedGateway, PlacedNic};
pub(super) use load_balancer::{
    BackendPool, FrontendProperties, LoadBalancer, LoadBalancerProperties,
    LoadBalancingRuleProperties, ProbeProperties,
};
pub(super) use manager::{
    CommitProperties, Condition, ConnectivityProperties, Hub, ManagerProperties, ManagerScopes,
    NetworkGroupProperties, RuleCollectionProperties, SecurityAdminProperties,
    StaticMemberProperties,
};
pub(super) use network::{Peering, PeeringProperties, SubnetProperties, VnetProperties};
pub(super) use nic::{IpConfigurationProperties, NicProperties};
pub(super) use permission::{
    ManagementGroup, Principal, RoleAssignment, RoleAssignmentProperties, RoleDefinition,
    RolePermission, Subscription,
};
pub(super) use route::{RouteProperties, RouteTableProperties};
pub(super) use security::{
    AdminEndpoint, AdminRuleProperties, ApplicationGroupProperties, SecurityGroupProperties,
    SecurityRuleProperties, ServiceTag,
};

use super::{
    decode::{List, Spanned, Tags},
    names::KnownId,
    object::object,
    scalar::{Location, SubscriptionId},
};

object! {
    /// A whole deployment: virtual networks, what is in them, and the hosts that carry them.
    struct Document {
        /// The deployment's name and what holds for every resource unless it says otherwise.
        deployment as "deployment": Deployment,
        /// The virtual networks.
        virtual_networks as "virtualNetworks": List<Resource<VnetProperties>>,
        /// The peerings, one object per direction. Two VNets are connected if both objects exist.
        virtual_network_peerings as "virtualNetworkPeerings": List<Peering>,
        /// The network interfaces of workloads.
        network_interfaces as "networkInterfaces": List<Resource<NicProperties>>,
        /// The route tables.
        route_tables as "routeTables": List<Resource<RouteTableProperties>>,
        /// The network security groups. Their default rules are always there.
        network_security_groups as "networkSecurityGroups": List<Resource<SecurityGroupProperties>>,
        /// The application security groups. Network interfaces name those that they are members of.
        application_security_groups as "applicationSecurityGroups":
            List<Resource<ApplicationGroupProperties>>,
        /// Service tags besides those that are built in, for security rules.
        service_tags as "serviceTags": List<ServiceTag>,
        /// The network managers: what they connect, and rules that come before network security groups.
        network_managers as "networkManagers": List<Resource<ManagerProperties>>,
        /// The virtual network gateways, at most one in a VNet.
        virtual_network_gateways as "virtualNetworkGateways": List<Resource<GatewayProperties>>,
        /// The local network gateways: the sites that VPN gateways are connected with.
        local_network_gateways as "localNetworkGateways":
            List<Resource<LocalNetworkGatewayProperties>>,
        /// The connections of virtual network gateways.
        connections as "connections": List<Resource<ConnectionProperties>>,
        /// The internal load balancers.
        load_balancers as "loadBalancers": List<LoadBalancer>,
        /// The management groups, which hold subscriptions.
        management_groups as "managementGroups": List<ManagementGroup>,
        /// The subscriptions that are in another tenant than
        /// `00000000-0000-0000-0000-000000000001`, or in a management group.
        subscriptions as "subscriptions": List<Subscription>,
        /// The users, groups and service principals that can have roles.
        principals as "principals": List<Principal>,
        /// Roles besides those that are built in.
        role_definitions as "roleDefinitions": List<RoleDefinition>,
        /// Who has which role where. Without one, only root may use the agents' sockets.
        role_assignments as "roleAssignments": List<RoleAssignment>,
        /// The Linux hosts, and which of them carries which network interface and gateway.
        hosts as "hosts": List<Host>,
    }
}

object! {
    /// The deployment's name and what holds for every resource unless it says otherwise.
    struct Deployment {
        /// Name of the deployment. Default: `default`.
        name as "name": Spanned<String>,
        /// Default subscription. Default: `00000000-0000-0000-0000-000000000001`.
        subscription as "subscription": Spanned<SubscriptionId>,
        /// Default resource group. Default: `vnetpeer`.
        resource_group as "resourceGroup": Spanned<String>,
        /// Default region. Default: `westeurope`.
        location as "location": Spanned<Location>,
        /// Whether peers follow an address-space change without an explicit sync. Default: `true`.
        auto_sync as "autoSync": Spanned<bool>,
        /// Whether a lab joins its hosts by a backbone whose frames look as on a cable. Default:
        /// `false`.
        wire as "wire": Spanned<bool>,
    }
}

object! {
    /// An ARM resource.
    #[schemars(rename = "{P}Resource")]
    #[expect(clippy::struct_field_names, reason = "`resourceGroup` is what ARM calls it")]
    struct Resource<P> {
        /// The whole ARM id, instead of `name`, `subscription` and `resourceGroup`.
        id as "id": Spanned<String>,
        /// The resource's name.
        name as "name": Spanned<String>,
        /// Its subscription, if it is not the deployment's.
        subscription as "subscription": Spanned<SubscriptionId>,
        /// Its resource group, if it is not the deployment's.
        resource_group as "resourceGroup": Spanned<String>,
        /// Its region, if it is not the deployment's.
        location as "location": Spanned<Location>,
        /// Annotations; conditions of network groups ask for those of virtual networks.
        tags as "tags": Tags,
        /// The properties of its type.
        properties as "properties" (required): P,
    }
    kept: known_id: KnownId,
    not_supported: ["extendedLocation", "identity", "sku", "zones"]
    read_only: ["etag", "type"]
    one_of: ["name", "id"]
}

object! {
    /// A part of an ARM resource with a name of its own.
    #[schemars(rename = "{P}Child")]
    struct Child<P> {
        /// Its name, unique in the resource.
        name as "name" (required): Spanned<String>,
        /// The properties of its type.
        properties as "properties" (required): P,
    }
    kept: known_id: KnownId,
    read_only: ["etag", "id", "type"]
}

object! {
    /// A reference to another resource.
    struct Reference {
        /// The other's name if no other resource of its type has the same, `parent/child` for a
        /// subnet, or its whole ARM id.
        id as "id" (required): Spanned<String>,
    }
}
