//! Azure's page about a code.

/// Where Azure's documentation is.
macro_rules! learn {
    ($path:literal) => {
        concat!("https://learn.microsoft.com/azure/", $path)
    };
}

/// Pages, and the codes that they are about.
pub(super) const PAGES: &[(&str, &[&str])] = &[
    (
        learn!("virtual-network/virtual-network-peering-overview"),
        &[
            "ClassicVnetCannotOwnPeering",
            "NoRelation",
            "PeeringDisconnected",
            "PeeringInitiated",
            "PeeringMissing",
            "PeeringNotConnected",
            "PeeringNotTransitive",
        ],
    ),
    (
        learn!("virtual-network/virtual-network-manage-peering"),
        &[
            "AnotherPeeringAlreadyReferencesRemoteVnet",
            "ChangingRemoteVirtualNetworkNotAllowed",
            "ForwardedTrafficDenied",
            "ForwardedTrafficNotTaken",
            "RemotePeeringIsDisconnected",
            "VirtualNetworkAccessDenied",
            "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
            "VnetAddressSpacesOverlap",
            "VnetCannotPeerWithItself",
        ],
    ),
    (
        learn!("virtual-network/update-virtual-network-peering-address-space"),
        &["PeeringNotSynced", "VnetAddressSpaceCannotChangeDueToPeerings"],
    ),
    (
        learn!("virtual-network/how-to-configure-subnet-peering"),
        &[
            "ChangingPeerCompleteVnetsNotAllowed",
            "PeeringOnlyIpv6",
            "PeeringSidesDiffer",
            "PeeringSubnetOmitted",
        ],
    ),
    (
        learn!("vpn-gateway/vpn-gateway-peering-gateway-transit"),
        &[
            "AnotherPeeringAlreadyUsesRemoteGateways",
            "GatewayMissing",
            "GatewayTransitFlagsConflict",
            "GatewayTransitNotAllowed",
            "RemoteGatewayNotUsed",
            "RemotePeeringDoesNotAllowGatewayTransit",
            "RemoteVnetHasNoGateways",
            "VnetWithGatewayCannotUseRemoteGateways",
        ],
    ),
    (
        learn!("vpn-gateway/vpn-gateway-about-vpn-gateway-settings"),
        &[
            "GatewaySkuNotSupported",
            "GatewaySubnetRequired",
            "InvalidConnection",
            "NetworkInterfaceInGatewaySubnet",
            "NetworkSecurityGroupCannotBeAttachedToGatewaySubnet",
            "RouteTableNotAllowedOnGatewaySubnet",
        ],
    ),
    (
        learn!("virtual-network/virtual-networks-udr-overview"),
        &[
            "AsymmetricPath",
            "ForwardingDisabled",
            "GatewayRoutePreferred",
            "GatewayRoutesDisabled",
            "InvalidNextHopIpAddress",
            "InvalidNextHopType",
            "LongerPrefixMatched",
            "NextHopDoesNotForward",
            "NextHopNotInReach",
            "NextHopNotReachable",
            "NextHopUnreachable",
            "NextHopWithoutNic",
            "NoReturnRoute",
            "NoRoute",
            "PeeringRoutesDisabled",
            "RouteConflict",
            "RouteLoop",
            "RouteNone",
            "SystemRoutePreferred",
            "UserRoutePreferred",
        ],
    ),
    (
        learn!("virtual-network/network-security-groups-overview"),
        &[
            "InboundRuleDenied",
            "OutboundRuleDenied",
            "SecurityRuleConflict",
            "SecurityRuleInvalidAddressPrefix",
            "SecurityRuleInvalidPortRange",
            "SecurityRuleInvalidPriority",
            "SecurityRuleParameterContainsInvalidPortRanges",
            "SecurityRuleParameterContainsUnsupportedValue",
        ],
    ),
    (
        learn!("virtual-network/application-security-groups"),
        &[
            "AllApplicationSecurityGroupsInSecurityRuleMustBeFromSameVnet",
            "ApplicationSecurityGroupInSeveralVnets",
        ],
    ),
    (
        learn!("virtual-network-manager/concept-security-admins"),
        &["AdminRuleDenied", "VnetInSeveralRuleCollections"],
    ),
    (
        learn!("virtual-network-manager/concept-connectivity-configuration"),
        &[
            "ClassicVnetNotManaged",
            "ConnectedGroupAddressOverlap",
            "GroupPrefixOverlap",
            "PeeringDeletedByNetworkManager",
            "PeeringIsEnforced",
            "PeeringIsManaged",
        ],
    ),
    (
        learn!("virtual-network-manager/concept-deployments"),
        &["CommitConflict", "HubNotInTargetLocations"],
    ),
    (
        learn!("virtual-network-manager/concept-network-manager-scope"),
        &["NetworkManagerScopeAccessMissing", "VnetNotInNetworkManagerScope"],
    ),
    (
        learn!("load-balancer/load-balancer-overview"),
        &[
            "DifferentSkuLoadBalancersNotAllowed",
            "LoadBalancerLoop",
            "LoadBalancerNoRule",
            "LoadBalancerProtocol",
        ],
    ),
    (
        learn!("load-balancer/load-balancer-multivip-overview"),
        &[
            "InvalidLoadBalancingRule",
            "RulesOfSameLoadBalancerTypeUseSameBackendPortProtocolAndIPConfig",
            "RulesUseSameBackendPortProtocolAndPool",
            "RulesUseSameFrontendPortProtocolAndFrontendIP",
        ],
    ),
    (learn!("load-balancer/load-balancer-ha-ports-overview"), &["NextHopNoHaPorts"]),
    (
        learn!("load-balancer/load-balancer-custom-probe-overview"),
        &["LoadBalancerNoBackend", "NextHopNoHealthyMember"],
    ),
    (
        learn!("virtual-network/virtual-networks-faq"),
        &[
            "AddressPrefixNotAllowed",
            "GroupDestination",
            "InvalidSubnetPrefixLength",
            "LoadBalancerNotGlobal",
            "NextHopBasicOverGlobalPeering",
            "PrivateIPAddressInReservedRange",
            "ProtocolBlocked",
        ],
    ),
    (
        learn!("virtual-network/ip-services/private-ip-addresses"),
        &["PrivateIPAddressIsAllocated", "PrivateIPAddressNotInSubnet", "SubnetIsFull"],
    ),
    (learn!("virtual-network/virtual-machine-network-throughput"), &["FlowQuotaReached"]),
    (learn!("virtual-network/how-to-virtual-machine-mtu"), &["MtuExceeded"]),
    (
        learn!("azure-resource-manager/management/azure-subscription-service-limits"),
        &["LimitExceeded"],
    ),
    (
        learn!("azure-resource-manager/management/resource-name-rules"),
        &["InvalidResourceId", "InvalidResourceName"],
    ),
    (
        learn!("role-based-access-control/troubleshooting"),
        &[
            "AuthorizationFailed",
            "InvalidAuthenticationTokenTenant",
            "LinkedAuthorizationFailed",
            "PrincipalNotFound",
            "RoleAssignmentExists",
        ],
    ),
    (
        learn!("role-based-access-control/custom-roles"),
        &[
            "RoleAssignmentScopeNotAssignableToRoleDefinition",
            "RoleDefinitionDoesNotExist",
            "RoleDefinitionWithSameNameExists",
        ],
    ),
];

/// Azure's page about a code.
pub(super) fn of(code: &str) -> Option<&'static str> {
    PAGES.iter().find(|(_, codes)| codes.contains(&code)).map(|(page, _)| *page)
}
