//! Where each problem of a document mostly comes from, and what to do about it.

use super::said;
use crate::document::Code;

said! { Code:
    FileNotReadable
        "a wrong path, or a file that only others may read"
        "correct the path given with -f, or the file's mode"
    InvalidSyntax
        "indentation, an unclosed bracket or quote, or a document of absurd size"
        "correct the text at the place that is shown"
    UnknownProperty
        "a slip of the pen, or a property of another resource or API version"
        "write the property that is suggested, or take it out"
    DuplicateProperty
        "two halves of one object were put together"
        "keep one of them"
    MissingProperty
        "an object that is not finished"
        "add the property"
    ConflictingProperties
        "singular and plural of one property, such as addressPrefix and addressPrefixes"
        "keep one of them"
    InvalidPropertyType
        "a missing or superfluous dash, or a number where a text belongs"
        "write the type that is named; docs/schema has all of them"
    InvalidPropertyValue
        "a slip of the pen, or a value of another API version"
        "write one of the values that are named"
    ReadOnlyProperty
        "an answer of Azure was taken as the document"
        "take the property out"
    NotSupportedYet
        "a template for Azure uses more than vnetpeer has"
        "take the property out; docs/azure.md says what is there"
    InvalidResourceName
        "spaces, a leading dash, or more than 80 characters"
        "use letters, digits, dots, dashes and underscores, with a letter or digit first"
    InvalidResourceId
        "an id of another type of resource, or one with a missing segment"
        "write the short name, or the whole ARM id of the type that is named"
    DuplicateResource
        "an object was copied and not renamed"
        "give one of them another name"
    InvalidResourceReference
        "a slip of the pen, a resource that was removed or never added, or one in another region"
        "add the resource, or correct the reference"
    AmbiguousResourceReference
        "resources of several subscriptions or resource groups have this name"
        "write the whole ARM id"
    ParentResourceNotFound
        "the virtual network was removed or renamed, and its peering was not"
        "add the virtual network, or remove the peering"
    LimitExceeded
        "the deployment is larger than Azure lets it be"
        "spread it over more resources; docs/azure.md has the limits"
    InvalidAddressPrefixFormat
        "a missing length, or an address range that is no prefix"
        "write ADDRESS/LENGTH, such as 10.0.0.0/16 or fd00::/48"
    InvalidCIDRNotation
        "the address has bits beyond the length"
        "write the prefix that is suggested, or a longer one"
    AddressPrefixNotAllowed
        "multicast, loopback, link-local, or a prefix that is too short or too long"
        "choose a private range"
    AddressPrefixesOverlap
        "a prefix was added that another one covers"
        "remove the smaller one"
    NetcfgInvalidSubnet
        "the virtual network's address space was changed, or the prefix belongs to another one"
        "widen the address space, or choose a prefix inside it"
    NetcfgSubnetRangesOverlap
        "a subnet was given a range that another one has"
        "choose a free range for one of them"
    InvalidSubnetPrefixLength
        "an IPv4 subnet has /2 to /29, an IPv6 subnet exactly /64"
        "choose such a length"
    PrivateIPAddressNotInSubnet
        "the NIC was moved to another subnet and kept its address"
        "choose an address of the subnet, or leave it out"
    PrivateIPAddressInReservedRange
        "the first four addresses of a subnet and the last one of an IPv4 subnet are Azure's"
        "choose another address; .4 is the first"
    PrincipalNotFound
        "a slip of the pen, or a user of another tenant that is no guest"
        "add it to `principals`, or make it a guest of the tenant"
    RoleDefinitionDoesNotExist
        "a slip of the pen, or a custom role that was not declared"
        "use a role that `vnetpeer role list` shows, or declare it in roleDefinitions"
    RoleDefinitionWithSameNameExists
        "a custom role has the name of another one, or of a built-in one"
        "rename it"
    RoleAssignmentExists
        "an assignment was written twice"
        "remove one of them"
    RoleAssignmentScopeNotAssignableToRoleDefinition
        "the role's assignableScopes are narrower than the assignment's scope"
        "widen assignableScopes, or narrow the assignment's scope"
    PrivateIPAddressIsAllocated
        "two NICs, or a NIC and a frontend, were given the same address"
        "give one of them another address, or leave it out for a dynamic one"
    SubnetIsFull
        "more NICs than addresses; five addresses of an IPv4 subnet are Azure's"
        "widen the subnet, or use another one"
    IpAddressVersionMismatch
        "privateIPAddressVersion does not fit the address or the subnet"
        "correct privateIPAddressVersion"
    IpConfigurationsInDifferentSubnets
        "a NIC is in one subnet, as in Azure"
        "name the same subnet in all of them, or use two NICs"
    PrimaryIpConfigurationRequired
        "none or several of a NIC's ipConfigurations are marked as primary"
        "set primary on exactly one of them"
    InvalidMacAddress
        "a multicast address, 12-34-56-78-9a-bc, or the address of another NIC"
        "choose another one, or leave it out"
    VnetCannotPeerWithItself
        "remoteVirtualNetwork names the peering's own virtual network"
        "name the other one"
    VnetAddressSpacesOverlap
        "both virtual networks were given the same range"
        "give one of them another address space; peering needs disjoint ones"
    VnetAddressSpaceOverlapsWithAlreadyPeeredVnet
        "two peers of one virtual network claim the same addresses, or an old copy still does"
        "change one address space, sync the peering whose copy is old, or delete one that is Disconnected"
    AnotherPeeringAlreadyReferencesRemoteVnet
        "a peering was copied, or a network manager already makes one"
        "change the one that is there instead"
    PeeringSidesDiffer
        "one side peers complete virtual networks and the other subnets, or other subnets"
        "write peerCompleteVnets and the subnet names alike on both sides, local and remote exchanged"
    ClassicVnetCannotOwnPeering
        "a classic virtual network takes no peering object of its own"
        "write the peering in the Resource Manager virtual network only"
    RouteConflict
        "a route was copied and its prefix not changed"
        "keep one of them"
    InvalidNextHopIpAddress
        "only VirtualAppliance takes an address, and it must be of the prefix's family"
        "add, remove or correct nextHopIpAddress"
    SecurityRuleConflict
        "a rule was copied and its priority not changed"
        "give one of them another priority"
    SecurityRuleInvalidPriority
        "rules of groups have 100 to 4096, security admin rules 1 to 4096"
        "choose a priority in the range"
    SecurityRuleInvalidAddressPrefix
        "a slip of the pen in a service tag, or a tag that vnetpeer does not have"
        "write a prefix, an address, `*`, VirtualNetwork, Internet, AzureLoadBalancer or a tag of serviceTags"
    SecurityRuleInvalidPortRange
        "a reversed range, a number above 65535, or a name"
        "write a port such as 443, a range such as 8000-8080, or `*`"
    SecurityRuleParameterContainsUnsupportedValue
        "plural properties take prefixes, and some tags only stand on one side of a rule"
        "write the tag or `*` in the singular property, or a rule of its own"
    SecurityRuleParameterContainsInvalidPortRanges
        "plural properties take ports and ranges"
        "write `*` in the singular property"
    AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet
        "source and destination groups have NICs of different virtual networks"
        "use address prefixes for one side"
    ApplicationSecurityGroupInSeveralVnets
        "the first NIC of a group decides about its virtual network"
        "use one group for each virtual network"
    VnetInSeveralRuleCollections
        "the scopes of two network managers overlap"
        "take the virtual network out of one of the network groups"
    ClassicVnetNotManaged
        "network managers know Resource Manager virtual networks only"
        "take it out of the group"
    VnetNotInNetworkManagerScope
        "its subscription is not in networkManagerScopes"
        "add the subscription to the scopes, or take the virtual network out"
    NetworkManagerScopeAccessMissing
        "the network manager was made for another type of configuration"
        "add the type to networkManagerScopeAccesses"
    CommitConflict
        "a commit replaces what was committed before to the region, so two contradict each other"
        "put all configurations into one commit"
    HubNotInTargetLocations
        "spokes of other regions get peerings whose hub side is not made"
        "commit the configuration to the hub's region too"
    PeeringDeletedByNetworkManager
        "deleteExistingPeering takes away peerings that were made by hand"
        "remove the peering from the document, or set deleteExistingPeering to False"
    PeeringIsEnforced
        "peeringEnforcement keeps everybody else from changing what the configuration makes"
        "remove the peering from the document, or set peeringEnforcement to Unenforced"
    ConnectedGroupAddressOverlap
        "connectedGroupAddressOverlap is Disallowed, and two members would have the same addresses"
        "change one address space, take a member out, or allow overlaps"
    NetworkInterfaceNotPlaced
        "a NIC was added and no host was given it"
        "name it in the interfaces of a host"
    NetworkInterfacePlacedTwice
        "a NIC was moved to another host and not removed from the first"
        "name it once"
    InvalidUnderlayAddress
        "two hosts with one address, or a multicast, loopback or unspecified address"
        "give every host an address of its own that the others reach"
    NoCommonUnderlayFamily
        "one host has an IPv4 underlay address only, the other IPv6 only"
        "give one of them addresses of both families"
    InterfaceInUse
        "two NICs, or a NIC and the underlay, on one interface"
        "give each of them an interface of its own"
    DuplicateUplink
        "an uplink was written twice"
        "remove one of them"
    ForwardedTrafficNotTaken
        "the other side's peering of subnets has no allowForwardedTraffic, so what an appliance forwards is lost"
        "set allowForwardedTraffic on the side that receives"
    RemoteVnetHasNoGateways
        "the gateway was removed, or the flag is set on the wrong side"
        "create a gateway in the remote virtual network, or turn useRemoteGateways off"
    AnotherPeeringAlreadyUsesRemoteGateways
        "a virtual network uses one remote gateway at most"
        "turn useRemoteGateways off on one of the peerings"
    VnetWithGatewayCannotUseRemoteGateways
        "a virtual network with a gateway uses that one"
        "turn useRemoteGateways off, or remove the own gateway"
    GatewayTransitFlagsConflict
        "both flags were set on one object"
        "set allowGatewayTransit on the gateway's side, useRemoteGateways on the other"
    RemotePeeringDoesNotAllowGatewayTransit
        "the gateway's side was not told to lend it"
        "set allowGatewayTransit on the remote virtual network's peering"
    GatewaySkuNotSupported
        "the SKU has no BGP, no such type, or is no longer made"
        "choose one of the SKUs that are named"
    GatewaySubnetRequired
        "Azure puts gateways into the subnet of this name only"
        "add a subnet named GatewaySubnet and use it"
    NetworkInterfaceInGatewaySubnet
        "the subnet is the gateway's alone"
        "move the NIC to another subnet"
    NetworkSecurityGroupCannotBeAttachedToGatewaySubnet
        "Azure refuses groups there, since they would cut the gateway off"
        "take networkSecurityGroup off the subnet"
    RouteTableNotAllowedOnGatewaySubnet
        "a route for 0.0.0.0/0, or one that takes the gateway's own routes away"
        "remove that route, or turn disableBgpRoutePropagation off"
    InvalidConnection
        "an Azure gateway is missing at one end, or the types of the ends differ"
        "correct connectionType or the ends"
    InvalidNextHopType
        "the route's own subnet is the gateway's, or the gateway is of another kind"
        "choose another next hop type"
    RulesUseSameFrontendPortProtocolAndFrontendIP
        "a rule was copied and its frontend port not changed"
        "give one of them another port, protocol or frontend"
    RulesUseSameBackendPortProtocolAndPool
        "the answers of the two could not be told apart"
        "use another backend port, or set enableFloatingIP"
    RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig
        "two load balancers have a backend in common and send it the same port"
        "use another backend port, or set enableFloatingIP"
    DifferentSkuLoadBalancersNotAllowed
        "a NIC is in a pool of a Basic and of a Standard load balancer"
        "use one SKU for both"
    InvalidLoadBalancingRule
        "HA ports need SKU Standard and port 0 on both sides, and each SKU has protocols and ports of its own"
        "write what the message asks for"
    BackendHasNoAddressOfFamily
        "a member has no ipConfiguration of the frontend's family, so it gets nothing of that rule"
        "give the NIC an address of that family"
    ConnectionNotConnected
        "a connection of two virtual networks is an object of both"
        "declare the connection of the other gateway too"
    RouteLoop
        "the appliance's own subnet has the route that leads to it"
        "put the appliance into a subnet whose route table does not lead to it"
    NextHopNotReachable
        "the next hop's address is in no virtual network that the subnet's own one reaches directly"
        "name an appliance of this virtual network or of a directly peered one"
    NextHopDoesNotForward
        "the NIC that has the next hop's address has no enableIPForwarding"
        "set enableIPForwarding on it, or correct the route's next hop"
}
