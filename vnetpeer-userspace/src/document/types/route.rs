//! Route tables.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    super::{
        decode::{List, Spanned},
        object::object,
        scalar::{DisablePeeringRoute, NextHopType},
    },
    Child,
};

object! {
    /// Properties of a route table.
    #[schemars(rename = "RouteTable")]
    struct RouteTableProperties {
        /// The user-defined routes; no two have the same prefix.
        routes as "routes": List<Child<RouteProperties>>,
        /// Whether the table's subnets are left without routes of gateways. Default: `false`.
        disable_bgp_route_propagation as "disableBgpRoutePropagation": Spanned<bool>,
        /// `All`: the table's subnets get no system routes to peers. Default: `None`.
        disable_peering_route as "disablePeeringRoute": Spanned<DisablePeeringRoute>,
    }
    read_only: ["provisioningState", "resourceGuid", "subnets"]
}

object! {
    /// Properties of a user-defined route.
    #[schemars(rename = "Route")]
    struct RouteProperties {
        /// Destination.
        address_prefix as "addressPrefix" (required): Spanned<IpNet>,
        /// Where packets go.
        next_hop_type as "nextHopType" (required): Spanned<NextHopType>,
        /// With `VirtualAppliance`, and only then: the appliance's address.
        next_hop_ip_address as "nextHopIpAddress": Spanned<IpAddr>,
        /// With `VirtualApplianceEcmp`, and only then: the appliances.
        next_hop as "nextHop": RouteNextHopEcmp,
    }
    read_only: ["hasBgpOverride", "provisioningState"]
}

object! {
    /// Several appliances; each flow takes one of those that can be reached.
    struct RouteNextHopEcmp {
        /// Their addresses, 2 to 64.
        next_hop_ip_addresses as "nextHopIpAddresses" (required): List<Spanned<IpAddr>>,
    }
}
