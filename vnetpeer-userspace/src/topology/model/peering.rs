//! Peering objects, and what of two VNets they peer.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{PeeringIndex, ResourceId, Topology, Vnet, VnetIndex};

/// One directed peering object, A→B. The flags carry Azure's names.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "these are the properties of the ARM resource")]
pub struct Peering {
    /// Its ARM id.
    pub id: ResourceId,
    /// The VNet that owns the object.
    pub vnet: VnetIndex,
    /// The VNet that it points at.
    pub remote: VnetIndex,
    /// The object of the other side, if there is one.
    pub reverse: Option<PeeringIndex>,
    /// `allowVirtualNetworkAccess`.
    pub allow_virtual_network_access: bool,
    /// `allowForwardedTraffic`.
    pub allow_forwarded_traffic: bool,
    /// `allowGatewayTransit`.
    pub allow_gateway_transit: bool,
    /// `useRemoteGateways`.
    pub use_remote_gateways: bool,
    /// `doNotVerifyRemoteGateways`.
    pub do_not_verify_remote_gateways: bool,
    /// What of the two VNets is peered.
    pub scope: PeeringScope,
    /// `enableOnlyIPv6Peering`: of that, the IPv6 prefixes alone.
    pub enable_only_ipv6: bool,
    /// The connectivity configuration of a network manager that made it; `None`: the document.
    pub managed_by: Option<ResourceId>,
}

/// A peering object whose remote VNet is gone (AZ §1.4.8). It carries nothing, and its addresses stay
/// taken.
#[derive(Clone, Debug)]
pub struct OrphanPeering {
    /// Its ARM id.
    pub id: ResourceId,
    /// The VNet that owns the object.
    pub vnet: VnetIndex,
    /// What it says.
    pub properties: PeeringProperties,
}

/// What is written into a peering object, in ARM's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "these are the properties of the ARM resource")]
pub struct PeeringProperties {
    /// The ARM id of the VNet that it points at.
    pub remote_virtual_network: ResourceId,
    /// Whether the VNets may talk without a rule that says so.
    pub allow_virtual_network_access: bool,
    /// Whether packets from outside the peer's space are taken from it.
    pub allow_forwarded_traffic: bool,
    /// Whether the peer may use this VNet's gateway.
    pub allow_gateway_transit: bool,
    /// Whether this VNet uses the peer's gateway.
    pub use_remote_gateways: bool,
    /// Whether the peer's gateway need not be ready.
    pub do_not_verify_remote_gateways: bool,
    /// What of the two VNets is peered.
    pub scope: PeeringScope,
    /// Of that, the IPv6 prefixes alone.
    #[serde(rename = "enableOnlyIPv6Peering")]
    pub enable_only_ipv6: bool,
}

/// What of two VNets is peered (AZ §1.8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PeeringScope {
    /// `peerCompleteVnets`: the whole address spaces.
    #[default]
    Complete,
    /// Subnets by name.
    Subnets {
        /// `localSubnetNames`.
        local: Vec<String>,
        /// `remoteSubnetNames`.
        remote: Vec<String>,
    },
}

impl PeeringScope {
    /// `peerCompleteVnets`.
    pub const fn is_complete(&self) -> bool {
        matches!(self, Self::Complete)
    }

    /// `localSubnetNames`; none where the whole VNet is peered.
    pub fn local_subnets(&self) -> &[String] {
        match self {
            Self::Complete => &[],
            Self::Subnets { local, .. } => local,
        }
    }

    /// `remoteSubnetNames`; none where the whole VNet is peered.
    pub fn remote_subnets(&self) -> &[String] {
        match self {
            Self::Complete => &[],
            Self::Subnets { remote, .. } => remote,
        }
    }
}

impl Topology {
    /// What the document says about a peering. `None` if its remote VNet is not in the topology.
    pub fn peering_properties(&self, peering: &Peering) -> Option<PeeringProperties> {
        Some(PeeringProperties {
            remote_virtual_network: self.vnet(peering.remote)?.id.clone(),
            allow_virtual_network_access: peering.allow_virtual_network_access,
            allow_forwarded_traffic: peering.allow_forwarded_traffic,
            allow_gateway_transit: peering.allow_gateway_transit,
            use_remote_gateways: peering.use_remote_gateways,
            do_not_verify_remote_gateways: peering.do_not_verify_remote_gateways,
            scope: peering.scope.clone(),
            enable_only_ipv6: peering.enable_only_ipv6,
        })
    }

    /// `localVirtualNetworkAddressSpace`: what the peering's own VNet shares by it now.
    pub fn local_space(&self, peering: &Peering) -> Vec<IpNet> {
        self.space(peering, peering.vnet, peering.scope.local_subnets())
    }

    /// `remoteVirtualNetworkAddressSpace`: what its remote VNet shares by it now.
    pub fn remote_space(&self, peering: &Peering) -> Vec<IpNet> {
        self.space(peering, peering.remote, peering.scope.remote_subnets())
    }

    fn space(&self, peering: &Peering, vnet: VnetIndex, subnets: &[String]) -> Vec<IpNet> {
        let Some(vnet) = self.vnet(vnet) else { return Vec::new() };
        let mut space = if peering.scope.is_complete() {
            vnet.address_space.clone()
        } else {
            subnet_prefixes(vnet, subnets)
        };
        space.retain(|prefix| !peering.enable_only_ipv6 || prefix.addr().is_ipv6());
        space
    }

    /// Whether a peering is the side that a classic VNet does not have as an object. It exists because
    /// packets pass both ways; nobody wrote it, and no listing shows it.
    pub fn is_implicit(&self, peering: &Peering) -> bool {
        self.vnet(peering.vnet).is_some_and(|vnet| vnet.classic)
    }

    /// The peerings that somebody wrote.
    pub fn written_peerings(&self) -> impl Iterator<Item = &Peering> {
        self.peerings.iter().filter(|peering| !self.is_implicit(peering))
    }
}

/// The id of the implicit side of the peering `id` with a classic VNet.
pub fn implicit_side(id: &ResourceId) -> ResourceId {
    ResourceId::new(format!("{id}/implicitSide"))
}

fn subnet_prefixes(vnet: &Vnet, names: &[String]) -> Vec<IpNet> {
    let is_named = |id: &ResourceId| names.iter().any(|name| id.name().eq_ignore_ascii_case(name));
    let subnets = vnet.subnets.iter().filter(|subnet| is_named(&subnet.id));
    subnets.flat_map(|subnet| subnet.prefixes.iter().copied()).collect()
}
