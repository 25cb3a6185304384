//! The validated network. What `document::load` returns has passed every rule, so the steps after it
//! never meet an invalid state: indices point at existing elements, prefixes do not overlap, names
//! are unique.

mod connected_group;
mod gateway;
mod load_balancer;
mod network_manager;
mod peering;
mod permission;
mod resource_id;
mod route;
mod security;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use vnetpeer_common::types::Mac;

pub use self::connected_group::ConnectedGroup;
pub use self::gateway::{Connection, ConnectionRemote, Gateway, GatewayIndex, GatewayType};
pub use self::load_balancer::{
    BackendMember, BackendPool, BalancedProtocol, Frontend, LoadBalancer, LoadBalancerSku,
    LoadBalancingRule, LoadDistribution, Probe, ProbeProtocol,
};
pub use self::network_manager::{
    Candidate, Commit, CommitType, Comparison, Condition, ConditionField,
    ConnectivityConfiguration, ConnectivityGroup, ConnectivityTopology, NetworkGroup,
    NetworkManager, ScopeAccess, SecurityAdminConfiguration,
};
pub use self::peering::{OrphanPeering, Peering, PeeringProperties, PeeringScope, implicit_side};
pub use self::permission::{
    DEFAULT_TENANT, ManagementGroup, Permissions, Principal, PrincipalIndex, PrincipalType,
    RoleAssignment, RoleDefinition, RoleIndex, RolePermission, Subscription,
};
pub use self::resource_id::ResourceId;
pub(crate) use self::resource_id::folded_hash;
pub use self::route::{Route, RouteNextHop, RouteTable};
pub use self::security::{
    Access, AdminRules, AdminRulesIndex, ApplicationSecurityGroup, ApplicationSecurityGroupIndex,
    Direction, Endpoints, PortRange, RuleProtocol, RuleSide, SecurityGroup, SecurityGroupIndex,
    SecurityRule, ServiceTag,
};

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
    /// The peering objects whose remote VNet is gone.
    pub orphans: Vec<OrphanPeering>,
    /// The network managers, those of a higher scope first.
    pub network_managers: Vec<NetworkManager>,
    /// The connected groups that network managers deployed.
    pub connected_groups: Vec<ConnectedGroup>,
    /// The virtual network gateways.
    pub gateways: Vec<Gateway>,
    /// The internal load balancers.
    pub load_balancers: Vec<LoadBalancer>,
    /// The route tables.
    pub route_tables: Vec<RouteTable>,
    /// The network security groups.
    pub security_groups: Vec<SecurityGroup>,
    /// The application security groups.
    pub application_security_groups: Vec<ApplicationSecurityGroup>,
    /// The security admin rules.
    pub admin_rules: Vec<AdminRules>,
    /// Who may do what.
    pub permissions: Permissions,
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
    /// Its tags by name.
    pub tags: BTreeMap<String, String>,
    /// Its address space; prefixes of one family do not overlap.
    pub address_space: Vec<IpNet>,
    /// Its subnets, each inside the address space.
    pub subnets: Vec<Subnet>,
    /// Whether it is of the classic deployment model: no peering object can be made in it.
    pub classic: bool,
    /// `flowTimeoutInMinutes` (4 to 30); `None`: Azure's default of 4.
    pub flow_timeout_minutes: Option<u8>,
}

impl Vnet {
    /// Its region's name for comparison: `West Europe` is `westeurope`.
    pub fn region(&self) -> String {
        let letters = self.location.chars().filter(|it| !it.is_whitespace());
        letters.map(|it| it.to_ascii_lowercase()).collect()
    }
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
    /// Bits per second that it may send, counted in IP packets as on the wire after segmentation;
    /// `None`: as many as it can.
    pub outbound_bits_per_second: Option<u64>,
    /// The host that it lives on.
    pub host: HostIndex,
    /// The interface on that host behind which it sits.
    pub interface: String,
    /// The hook on that interface.
    pub mode: HookMode,
}
