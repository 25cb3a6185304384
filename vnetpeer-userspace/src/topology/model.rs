//! The validated network. What `document::load` returns has passed every rule, so the steps after it
//! never meet an invalid state: indices point at existing elements, prefixes do not overlap, names
//! are unique.

mod gateway;
mod security;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use vnetpeer_common::types::Mac;

pub use self::gateway::{Connection, ConnectionRemote, Gateway, GatewayIndex, GatewayType};
pub use self::security::{
    Access, AdminRules, AdminRulesIndex, ApplicationSecurityGroup, ApplicationSecurityGroupIndex,
    Direction, Endpoints, PortRange, RuleProtocol, RuleSide, SecurityGroup, SecurityGroupIndex,
    SecurityRule, ServiceTag,
};

/// An ARM resource id in its canonical spelling. Two ids are equal if they differ only in case.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResourceId(String);

impl ResourceId {
    /// Takes an id that starts with `/subscriptions/`.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The last segment: the resource's own name.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    fn folded(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for ResourceId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceId {}

impl PartialOrd for ResourceId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ResourceId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        // Ids of one deployment are alike for most of their length; what is the same byte for byte need
        // not be folded.
        let alike = self.0.bytes().zip(other.0.bytes()).take_while(|(a, b)| a == b).count();
        self.folded().skip(alike).cmp(other.folded().skip(alike))
    }
}

impl std::hash::Hash for ResourceId {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.folded().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xff);
    }
}

impl fmt::Display for ResourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Index into [`Topology::vnets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VnetIndex(pub usize);

/// Index into [`Vnet::subnets`] of one VNet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubnetIndex(pub usize);

/// Index into [`Topology::nics`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NicIndex(pub usize);

/// Index into [`Topology::peerings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeeringIndex(pub usize);

/// Index into [`Topology::route_tables`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteTableIndex(pub usize);

/// Index into [`Topology::hosts`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostIndex(pub usize);

/// A whole deployment.
#[derive(Clone, Debug, Default)]
pub struct Topology {
    /// Name of the deployment.
    pub name: String,
    /// Whether peers follow an address-space change without an explicit sync.
    pub auto_sync: bool,
    /// Whether the lab joins the hosts by a backbone whose frames look as on a cable.
    pub wire: bool,
    /// The Linux hosts.
    pub hosts: Vec<Host>,
    /// The virtual networks.
    pub vnets: Vec<Vnet>,
    /// The network interfaces of workloads.
    pub nics: Vec<Nic>,
    /// The peering objects, one per direction.
    pub peerings: Vec<Peering>,
    /// The virtual network gateways.
    pub gateways: Vec<Gateway>,
    /// The route tables.
    pub route_tables: Vec<RouteTable>,
    /// The network security groups.
    pub security_groups: Vec<SecurityGroup>,
    /// The application security groups.
    pub application_security_groups: Vec<ApplicationSecurityGroup>,
    /// The security admin rules.
    pub admin_rules: Vec<AdminRules>,
}

impl Topology {
    /// The virtual network at `index`.
    pub fn vnet(&self, index: VnetIndex) -> Option<&Vnet> {
        self.vnets.get(index.0)
    }

    /// The subnet at `index` of a virtual network.
    pub fn subnet(&self, vnet: VnetIndex, index: SubnetIndex) -> Option<&Subnet> {
        self.vnet(vnet)?.subnets.get(index.0)
    }

    /// The NIC at `index`.
    pub fn nic(&self, index: NicIndex) -> Option<&Nic> {
        self.nics.get(index.0)
    }

    /// The peering at `index`.
    pub fn peering(&self, index: PeeringIndex) -> Option<&Peering> {
        self.peerings.get(index.0)
    }

    /// The route table at `index`.
    pub fn route_table(&self, index: RouteTableIndex) -> Option<&RouteTable> {
        self.route_tables.get(index.0)
    }

    /// The virtual network gateway at `index`.
    pub fn gateway(&self, index: GatewayIndex) -> Option<&Gateway> {
        self.gateways.get(index.0)
    }

    /// The network security group at `index`.
    pub fn security_group(&self, index: SecurityGroupIndex) -> Option<&SecurityGroup> {
        self.security_groups.get(index.0)
    }

    /// The host at `index`.
    pub fn host(&self, index: HostIndex) -> Option<&Host> {
        self.hosts.get(index.0)
    }
}

/// Which kind of program handles an interface.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum HookMode {
    /// Chosen by the kind of interface (see `docs/operations.md`).
    #[default]
    Auto,
    /// TC, tcx ingress.
    Tc,
    /// XDP, with TC behind it for what XDP cannot deliver.
    Xdp,
}

/// A Linux host that carries workloads.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name in the document.
    pub name: String,
    /// The interface to the other hosts.
    pub underlay_interface: String,
    /// The host's tunnel endpoint addresses, at most one of each family.
    pub underlay_addresses: Vec<IpAddr>,
    /// The hook on the underlay interface.
    pub underlay_mode: HookMode,
    /// Ways to the Internet, at most one per VNet.
    pub uplinks: Vec<Uplink>,
}

/// Pairs of underlay addresses of one family (ours, theirs), IPv4 first.
pub fn common_underlay(ours: &Host, theirs: &Host) -> Vec<(IpAddr, IpAddr)> {
    let of = |host: &Host, v4: bool| {
        host.underlay_addresses.iter().copied().find(|address| address.is_ipv4() == v4)
    };
    [true, false].into_iter().filter_map(|v4| of(ours, v4).zip(of(theirs, v4))).collect()
}

/// An interface of a host that leads to the Internet for one VNet. Address translation behind it is
/// the operator's.
#[derive(Clone, Debug)]
pub struct Uplink {
    /// Id under which the uplink is numbered like a NIC.
    pub id: ResourceId,
    /// The VNet whose Internet routes use it.
    pub vnet: VnetIndex,
    /// The interface on the host.
    pub interface: String,
    /// MAC address of the router behind the interface.
    pub mac: Mac,
}

/// A virtual network.
#[derive(Clone, Debug)]
pub struct Vnet {
    /// Its ARM id.
    pub id: ResourceId,
    /// Azure region.
    pub location: String,
    /// Its address space; prefixes of one family do not overlap.
    pub address_space: Vec<IpNet>,
    /// Its subnets, each inside the address space.
    pub subnets: Vec<Subnet>,
    /// Whether it is of the classic deployment model: no peering object can be made in it.
    pub classic: bool,
    /// `flowTimeoutInMinutes` (4 to 30); `None`: Azure's default of 4.
    pub flow_timeout_minutes: Option<u8>,
}

/// A subnet.
#[derive(Clone, Debug)]
pub struct Subnet {
    /// Its ARM id.
    pub id: ResourceId,
    /// At most one prefix of each family.
    pub prefixes: Vec<IpNet>,
    /// The route table that is attached to it.
    pub route_table: Option<RouteTableIndex>,
    /// The network security group that is attached to it.
    pub security_group: Option<SecurityGroupIndex>,
}

impl Subnet {
    /// The virtual router's IPv4 address in this subnet: the first after the network address.
    pub fn gateway_ipv4(&self) -> Option<Ipv4Addr> {
        self.prefixes.iter().find_map(|prefix| match prefix {
            IpNet::V4(net) => Some(Ipv4Addr::from(u32::from(net.network()).wrapping_add(1))),
            IpNet::V6(_) => None,
        })
    }
}

/// The network interface of a workload.
#[derive(Clone, Debug)]
pub struct Nic {
    /// Its ARM id.
    pub id: ResourceId,
    /// Its VNet.
    pub vnet: VnetIndex,
    /// Its subnet in that VNet.
    pub subnet: SubnetIndex,
    /// Its addresses, the primary one of each family first; never empty.
    pub addresses: Vec<IpAddr>,
    /// `enableIPForwarding`.
    pub enable_ip_forwarding: bool,
    /// The network security group that is attached to it.
    pub security_group: Option<SecurityGroupIndex>,
    /// The application security groups that it is a member of.
    pub application_security_groups: Vec<ApplicationSecurityGroupIndex>,
    /// `disableTcpStateTracking`.
    pub disable_tcp_state_tracking: bool,
    /// The guest's MAC address if the document fixes it.
    pub mac: Option<Mac>,
    /// The host that it lives on.
    pub host: HostIndex,
    /// The interface on that host behind which it sits.
    pub interface: String,
    /// The hook on that interface.
    pub mode: HookMode,
}

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
}

/// What of two VNets is peered (AZ §1.8).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PeeringScope {
    /// `peerCompleteVnets`: the whole address spaces.
    #[default]
    Complete,
    /// Subnets by name; a name that no subnet has stands for nothing yet.
    Subnets {
        /// `localSubnetNames`.
        local: Vec<String>,
        /// `remoteSubnetNames`.
        remote: Vec<String>,
    },
}

/// A route table.
#[derive(Clone, Debug)]
pub struct RouteTable {
    /// Its ARM id.
    pub id: ResourceId,
    /// User-defined routes; prefixes are unique.
    pub routes: Vec<Route>,
    /// `disableBgpRoutePropagation`.
    pub disable_bgp_route_propagation: bool,
    /// `disablePeeringRoute` is `All`: the table's subnets get no system routes to peers.
    pub disable_peering_routes: bool,
}

/// A user-defined route.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name in the table.
    pub name: String,
    /// Destination.
    pub prefix: IpNet,
    /// Where it leads.
    pub next_hop: RouteNextHop,
}

/// `nextHopType` of a user-defined route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteNextHop {
    /// `VnetLocal`.
    VnetLocal,
    /// `Internet`.
    Internet,
    /// `None`: drop.
    None,
    /// `VirtualAppliance` with its `nextHopIpAddress`.
    VirtualAppliance(IpAddr),
    /// `VirtualApplianceEcmp` with its 2 to 64 `nextHopIpAddresses`.
    VirtualApplianceEcmp(Vec<IpAddr>),
    /// `VirtualNetworkGateway`: the VNet's own VPN gateway, or the one that it uses remotely.
    VirtualNetworkGateway,
}
