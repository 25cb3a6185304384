//! The stable code of every problem. Where Azure has a code for the same mistake, it is Azure's.

use std::fmt;

use serde::Serialize;

/// What kind of mistake a problem is. Scripts may rely on these names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
pub enum Code {
    /// The file cannot be read.
    FileNotReadable,
    /// The text is neither YAML nor JSON, or exceeds a limit of the parser.
    InvalidSyntax,
    /// No such property here.
    UnknownProperty,
    /// The same property twice in one object.
    DuplicateProperty,
    /// A property without which the object means nothing.
    MissingProperty,
    /// Two properties that exclude each other.
    ConflictingProperties,
    /// A list where a string belongs, and the like.
    InvalidPropertyType,
    /// The right type, but not one of the values that are possible.
    InvalidPropertyValue,
    /// Azure computes this property; it cannot be declared.
    ReadOnlyProperty,
    /// Azure has it, vnetpeer does not do it yet.
    NotSupportedYet,
    /// A name that breaks Azure's naming rules.
    InvalidResourceName,
    /// An ARM id that is malformed or of another resource type.
    InvalidResourceId,
    /// Two resources with the same ARM id.
    DuplicateResource,
    /// A reference to a resource that is not in the document, or is in another region.
    InvalidResourceReference,
    /// A short name that several resources have.
    AmbiguousResourceReference,
    /// The VNet that should own a peering is not in the document.
    ParentResourceNotFound,
    /// More of something than Azure allows.
    LimitExceeded,
    /// Not an address prefix in CIDR notation.
    InvalidAddressPrefixFormat,
    /// An address prefix with host bits.
    InvalidCIDRNotation,
    /// A range that a VNet may not have.
    AddressPrefixNotAllowed,
    /// Two prefixes of one address space overlap.
    AddressPrefixesOverlap,
    /// A subnet outside its VNet's address space.
    NetcfgInvalidSubnet,
    /// Two subnets overlap.
    NetcfgSubnetRangesOverlap,
    /// A subnet that is too small or too large.
    InvalidSubnetPrefixLength,
    /// An address outside the NIC's subnet.
    PrivateIPAddressNotInSubnet,
    /// An address that Azure keeps for itself in every subnet.
    PrivateIPAddressInReservedRange,
    /// A principal that is not in the document, or that a tenant does not know.
    PrincipalNotFound,
    /// A role that is neither built in nor in the document.
    RoleDefinitionDoesNotExist,
    /// Two roles with one name.
    RoleDefinitionWithSameNameExists,
    /// The same role of the same principal at the same scope, twice.
    RoleAssignmentExists,
    /// A custom role at a scope that is not below its assignable scopes.
    RoleAssignmentScopeNotAssignableToRoleDefinition,
    /// Two ipConfigurations with the same address.
    PrivateIPAddressIsAllocated,
    /// No free address for a dynamic ipConfiguration.
    SubnetIsFull,
    /// An address of the other family than stated.
    IpAddressVersionMismatch,
    /// The ipConfigurations of one NIC name several subnets.
    IpConfigurationsInDifferentSubnets,
    /// Not exactly one primary ipConfiguration.
    PrimaryIpConfigurationRequired,
    /// A group address, the virtual router's, or one that is taken.
    InvalidMacAddress,
    /// A peering whose remote VNet is its own.
    VnetCannotPeerWithItself,
    /// Two peered VNets share addresses.
    VnetAddressSpacesOverlap,
    /// Two VNets that are peered with the same third VNet share addresses.
    VnetAddressSpaceOverlapsWithAlreadyPeeredVnet,
    /// A second peering of the same VNet with the same remote.
    AnotherPeeringAlreadyReferencesRemoteVnet,
    /// The two objects of a pair do not peer the same.
    PeeringSidesDiffer,
    /// A peering object in a classic VNet, or between two of them.
    ClassicVnetCannotOwnPeering,
    /// Two routes of one table have the same prefix.
    RouteConflict,
    /// `nextHopIpAddress` missing, superfluous, or of the wrong family.
    InvalidNextHopIpAddress,
    /// Two rules of one group and direction have the same priority.
    SecurityRuleConflict,
    /// A priority out of range.
    SecurityRuleInvalidPriority,
    /// Neither an address prefix, an address, `*` nor a known service tag.
    SecurityRuleInvalidAddressPrefix,
    /// Neither a port, a range of ports nor `*`.
    SecurityRuleInvalidPortRange,
    /// A service tag or `*` where only address prefixes may be, or one that may not be there.
    SecurityRuleParameterContainsUnsupportedValue,
    /// `*` in a list of port ranges.
    SecurityRuleParameterContainsInvalidPortRanges,
    /// The application security groups of one rule have their members in several VNets.
    AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet,
    /// The members of one application security group are in several VNets.
    ApplicationSecurityGroupInSeveralVnets,
    /// A VNet to which security admin rules of two network managers apply.
    VnetInSeveralRuleCollections,
    /// A classic VNet as hub or as a member of a network group.
    ClassicVnetNotManaged,
    /// A VNet that a network manager does not manage.
    VnetNotInNetworkManagerScope,
    /// A commit of a type that `networkManagerScopeAccesses` does not have.
    NetworkManagerScopeAccessMissing,
    /// Two commits of one type to one region, or several security admin configurations in one.
    CommitConflict,
    /// Warning: a configuration whose hub is in a region that it is not committed to.
    HubNotInTargetLocations,
    /// Warning: a peering that a configuration with `deleteExistingPeering` deletes.
    PeeringDeletedByNetworkManager,
    /// A peering that differs from what a configuration makes and enforces.
    PeeringIsEnforced,
    /// A VNet or a peering that would bring the same addresses twice to a connected group that
    /// disallows it.
    ConnectedGroupAddressOverlap,
    /// A NIC that no host carries.
    NetworkInterfaceNotPlaced,
    /// A NIC that is placed more than once.
    NetworkInterfacePlacedTwice,
    /// Underlay addresses that cannot work.
    InvalidUnderlayAddress,
    /// Two hosts that share no address family.
    NoCommonUnderlayFamily,
    /// Two uses of one interface of a host.
    InterfaceInUse,
    /// Two uplinks of one VNet on one host.
    DuplicateUplink,
    /// Warning: a subnet peering takes no forwarded traffic.
    ForwardedTrafficNotTaken,
    /// `useRemoteGateways` towards a VNet without a gateway.
    RemoteVnetHasNoGateways,
    /// A second peering of a VNet with `useRemoteGateways`.
    AnotherPeeringAlreadyUsesRemoteGateways,
    /// `useRemoteGateways` in a VNet with a gateway of its own.
    VnetWithGatewayCannotUseRemoteGateways,
    /// `allowGatewayTransit` and `useRemoteGateways` in one peering.
    GatewayTransitFlagsConflict,
    /// `useRemoteGateways` without `allowGatewayTransit` on the other side.
    RemotePeeringDoesNotAllowGatewayTransit,
    /// A gateway whose SKU cannot do what is asked of it.
    GatewaySkuNotSupported,
    /// A gateway in a subnet of another name than `GatewaySubnet`.
    GatewaySubnetRequired,
    /// A NIC in `GatewaySubnet`.
    NetworkInterfaceInGatewaySubnet,
    /// A network security group on `GatewaySubnet`.
    NetworkSecurityGroupCannotBeAttachedToGatewaySubnet,
    /// A route table on `GatewaySubnet` with which the gateway would not work.
    RouteTableNotAllowedOnGatewaySubnet,
    /// A connection whose ends do not fit its type, or each other.
    InvalidConnection,
    /// `VirtualNetworkGateway` where the gateway cannot be a next hop.
    InvalidNextHopType,
    /// Two rules of a load balancer take the same packets.
    RulesUseSameFrontendPortProtocolAndFrontendIP,
    /// Two rules of a load balancer without floating IP lead to the same port of the same members.
    RulesUseSameBackendPortProtocolAndPool,
    /// The same, of two load balancers.
    RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig,
    /// A member of load balancers of both SKUs.
    DifferentSkuLoadBalancersNotAllowed,
    /// A rule that a load balancer cannot have, by its SKU or by its other properties.
    InvalidLoadBalancingRule,
    /// Warning: a member of a pool has no address of the family of a rule's frontend.
    BackendHasNoAddressOfFamily,
    /// Warning: a connection between two VNets that only one of them has.
    ConnectionNotConnected,
    /// Warning: routes lead packets back to where they were.
    RouteLoop,
    /// Warning: packets to this next hop are lost.
    NextHopNotReachable,
    /// Warning: this next hop does not forward.
    NextHopDoesNotForward,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
