//! The stable code of every problem. Where Azure has a code for the same mistake, it is Azure's.

use std::fmt;

use serde::Serialize;

/// Declares the codes with their meanings in one place.
macro_rules! problem_codes {
    ($($name:ident $meaning:literal)*) => {
        /// What kind of mistake a problem is. Scripts may rely on these names.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[non_exhaustive]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The name, as shown to people and in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What is wrong, in a few words.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$name => $meaning,)* }
            }
        }
    };
}

problem_codes! {
    FileNotReadable "the file cannot be read"
    InvalidSyntax "the text is neither YAML nor JSON, or exceeds a limit of the parser"
    UnknownProperty "no such property here"
    DuplicateProperty "the same property twice in one object"
    MissingProperty "a property without which the object means nothing"
    ConflictingProperties "two properties that exclude each other"
    InvalidPropertyType "a list where a string belongs, and the like"
    InvalidPropertyValue "the right type, but not one of the values that are possible"
    ReadOnlyProperty "Azure computes this property; it cannot be declared"
    NotSupportedYet "Azure has it, vnetpeer does not do it yet"
    InvalidResourceName "a name that breaks Azure's naming rules"
    InvalidResourceId "an ARM id that is malformed or of another resource type"
    DuplicateResource "two resources with the same ARM id"
    InvalidResourceReference "a reference to a resource that is not in the document, or is in another region"
    AmbiguousResourceReference "a short name that several resources have"
    ParentResourceNotFound "the VNet that should own a peering is not in the document"
    LimitExceeded "more of something than Azure allows"
    InvalidAddressPrefixFormat "not an address prefix in CIDR notation"
    InvalidCIDRNotation "an address prefix with host bits"
    AddressPrefixNotAllowed "a range that a VNet may not have"
    AddressPrefixesOverlap "two prefixes of one address space overlap"
    NetcfgInvalidSubnet "a subnet outside its VNet's address space"
    NetcfgSubnetRangesOverlap "two subnets overlap"
    InvalidSubnetPrefixLength "a subnet that is too small or too large"
    PrivateIPAddressNotInSubnet "an address outside the NIC's subnet"
    PrivateIPAddressInReservedRange "an address that Azure keeps for itself in every subnet"
    PrincipalNotFound "a principal that is not in the document, or that a tenant does not know"
    RoleDefinitionDoesNotExist "a role that is neither built in nor in the document"
    RoleDefinitionWithSameNameExists "two roles with one name"
    RoleAssignmentExists "the same role of the same principal at the same scope, twice"
    RoleAssignmentScopeNotAssignableToRoleDefinition
        "a custom role at a scope that is not below its assignable scopes"
    PrivateIPAddressIsAllocated "two ipConfigurations with the same address"
    SubnetIsFull "no free address for a dynamic ipConfiguration"
    IpAddressVersionMismatch "an address of the other family than stated"
    IpConfigurationsInDifferentSubnets "the ipConfigurations of one NIC name several subnets"
    PrimaryIpConfigurationRequired "not exactly one primary ipConfiguration"
    InvalidMacAddress "a group address, the virtual router's, or one that is taken"
    VnetCannotPeerWithItself "a peering whose remote VNet is its own"
    VnetAddressSpacesOverlap "two peered VNets share addresses"
    VnetAddressSpaceOverlapsWithAlreadyPeeredVnet
        "two VNets that are peered with the same third VNet share addresses"
    AnotherPeeringAlreadyReferencesRemoteVnet "a second peering of the same VNet with the same remote"
    PeeringSidesDiffer "the two objects of a pair do not peer the same"
    ClassicVnetCannotOwnPeering "a peering object in a classic VNet, or between two of them"
    RouteConflict "two routes of one table have the same prefix"
    InvalidNextHopIpAddress "`nextHopIpAddress` missing, superfluous, or of the wrong family"
    SecurityRuleConflict "two rules of one group and direction have the same priority"
    SecurityRuleInvalidPriority "a priority out of range"
    SecurityRuleInvalidAddressPrefix "neither an address prefix, an address, `*` nor a known service tag"
    SecurityRuleInvalidPortRange "neither a port, a range of ports nor `*`"
    SecurityRuleParameterContainsUnsupportedValue
        "a service tag or `*` where only address prefixes may be, or one that may not be there"
    SecurityRuleParameterContainsInvalidPortRanges "`*` in a list of port ranges"
    AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet
        "the application security groups of one rule have their members in several VNets"
    ApplicationSecurityGroupInSeveralVnets
        "the members of one application security group are in several VNets"
    VnetInSeveralRuleCollections "a VNet to which security admin rules of two network managers apply"
    ClassicVnetNotManaged "a classic VNet as hub or as a member of a network group"
    VnetNotInNetworkManagerScope "a VNet that a network manager does not manage"
    NetworkManagerScopeAccessMissing "a commit of a type that `networkManagerScopeAccesses` does not have"
    CommitConflict "two commits of one type to one region, or several security admin configurations in one"
    HubNotInTargetLocations "a configuration whose hub is in a region that it is not committed to"
    PeeringDeletedByNetworkManager "a peering that a configuration with `deleteExistingPeering` deletes"
    PeeringIsEnforced "a peering that differs from what a configuration makes and enforces"
    ConnectedGroupAddressOverlap
        "a VNet or a peering that would bring the same addresses twice to a connected group that disallows it"
    NetworkInterfaceNotPlaced "a NIC that no host carries"
    NetworkInterfacePlacedTwice "a NIC that is placed more than once"
    InvalidUnderlayAddress "underlay addresses that cannot work"
    NoCommonUnderlayFamily "two hosts that share no address family"
    InterfaceInUse "two uses of one interface of a host"
    DuplicateUplink "two uplinks of one VNet on one host"
    ForwardedTrafficNotTaken "a subnet peering takes no forwarded traffic"
    RemoteVnetHasNoGateways "`useRemoteGateways` towards a VNet without a gateway"
    AnotherPeeringAlreadyUsesRemoteGateways "a second peering of a VNet with `useRemoteGateways`"
    VnetWithGatewayCannotUseRemoteGateways "`useRemoteGateways` in a VNet with a gateway of its own"
    GatewayTransitFlagsConflict "`allowGatewayTransit` and `useRemoteGateways` in one peering"
    RemotePeeringDoesNotAllowGatewayTransit
        "`useRemoteGateways` without `allowGatewayTransit` on the other side"
    GatewaySkuNotSupported "a gateway whose SKU cannot do what is asked of it"
    GatewaySubnetRequired "a gateway in a subnet of another name than `GatewaySubnet`"
    NetworkInterfaceInGatewaySubnet "a NIC in `GatewaySubnet`"
    NetworkSecurityGroupCannotBeAttachedToGatewaySubnet "a network security group on `GatewaySubnet`"
    RouteTableNotAllowedOnGatewaySubnet
        "a route table on `GatewaySubnet` with which the gateway would not work"
    InvalidConnection "a connection whose ends do not fit its type, or each other"
    InvalidNextHopType "`VirtualNetworkGateway` where the gateway cannot be a next hop"
    RulesUseSameFrontendPortProtocolAndFrontendIP "two rules of a load balancer take the same packets"
    RulesUseSameBackendPortProtocolAndPool
        "two rules of a load balancer without floating IP lead to the same port of the same members"
    RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig "the same, of two load balancers"
    DifferentSkuLoadBalancersNotAllowed "a member of load balancers of both SKUs"
    InvalidLoadBalancingRule "a rule that a load balancer cannot have, by its SKU or by its other properties"
    BackendHasNoAddressOfFamily "a member of a pool has no address of the family of a rule's frontend"
    ConnectionNotConnected "a connection between two VNets that only one of them has"
    RouteLoop "routes lead packets back to where they were"
    NextHopNotReachable "packets to this next hop are lost"
    NextHopDoesNotForward "this next hop does not forward"
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
