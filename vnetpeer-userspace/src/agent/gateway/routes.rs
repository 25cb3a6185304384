//! Routes of a gateway's network namespace: which were learned, which are ours, and what to change.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use futures_util::TryStreamExt as _;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rtnetlink::{
    Handle, RouteMessageBuilder,
    packet_route::route::{
        RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteProtocol,
        RouteType,
    },
};
use vnetpeer_common::wire::ROUTER_LINK_LOCAL;

/// Marks routes of this program in `rtm_protocol` of rtnetlink(7), where no other program is known to
/// use it: `ip route show proto 86`.
pub const PROTOCOL: u8 = 86;

/// Metric of our routes: in the way of no other program's, and before what daemons use (BIRD 32, FRR
/// 20), so that a prefix that is also learned leads to the virtual network, as in Azure.
pub const METRIC: u32 = 6;

/// Whose routes count as learned, by `rtm_protocol`: static, gated, zebra, bird, xorp, babel, openr, bgp,
/// isis, ospf, rip, nhrp, eigrp, and FRR's zstatic and openfabric. Not what the kernel (2), `ip route`
/// without a protocol (boot, 3), router advertisements (9) and DHCP (16) add.
const LEARNED: [u8; 15] = [4, 8, 11, 12, 14, 42, 99, 186, 187, 188, 189, 191, 192, 196, 197];

/// Prefixes that mean something to one link or host only.
const LINK_ONLY: [IpNet; 6] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(224, 0, 0, 0), 4)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8)),
];

/// A unicast route of the main table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KernelRoute {
    /// Destination.
    pub(super) prefix: IpNet,
    /// `rtm_protocol`.
    pub(super) protocol: u8,
    /// The kernel's priority.
    pub(super) metric: u32,
    /// The next hop's address, if there is one next hop with an address.
    pub(super) gateway: Option<IpAddr>,
    /// Interfaces of its next hops.
    pub(super) interfaces: Vec<u32>,
}

impl KernelRoute {
    /// Whether a routing daemon knows the prefix from elsewhere than the interface `nic`.
    fn is_learned(&self, nic: u32) -> bool {
        LEARNED.contains(&self.protocol)
            && self.interfaces.iter().any(|it| *it != nic)
            && !LINK_ONLY.iter().any(|it| it.contains(&self.prefix))
    }

    fn is_ours(&self, nic: u32) -> bool {
        self.protocol == PROTOCOL && self.interfaces == [nic]
    }
}

/// The virtual router as next hop of the interface `nic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Router {
    /// The interface.
    pub(super) nic: u32,
    /// Its IPv4 address in the NIC's subnet.
    pub(super) v4: Option<Ipv4Addr>,
}

impl Router {
    /// The route to a prefix; `None` where the virtual router has no address of the family.
    fn route(self, prefix: IpNet) -> Option<KernelRoute> {
        let gateway = match prefix {
            IpNet::V4(_) => IpAddr::V4(self.v4?),
            IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from(ROUTER_LINK_LOCAL.octets())),
        };
        Some(KernelRoute {
            prefix,
            protocol: PROTOCOL,
            metric: METRIC,
            gateway: Some(gateway),
            interfaces: vec![self.nic],
        })
    }
}

/// A change of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A prefix that we have no route to.
    Add(KernelRoute),
    /// Another way to a prefix that we have a route to.
    Replace(KernelRoute),
    /// A route of ours that nobody wants.
    Remove(KernelRoute),
}

/// What a namespace holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    routes: Vec<KernelRoute>,
}

impl Table {
    #[cfg(test)]
    pub(super) fn of(routes: Vec<KernelRoute>) -> Self {
        Self { routes }
    }

    /// Reads the main tables of both families.
    pub(super) async fn read(handle: &Handle) -> Result<Self, rtnetlink::Error> {
        let mut routes = Vec::new();
        for request in [
            RouteMessageBuilder::<Ipv4Addr>::new().build(),
            RouteMessageBuilder::<Ipv6Addr>::new().build(),
        ] {
            let all: Vec<RouteMessage> =
                handle.route().get(request).execute().try_collect().await?;
            routes.extend(all.iter().filter_map(parse));
        }
        Ok(Self { routes })
    }

    /// Prefixes that routing daemons learned elsewhere than from the interface `nic`.
    pub(super) fn learned(&self, nic: u32) -> BTreeSet<IpNet> {
        self.routes.iter().filter(|it| it.is_learned(nic)).map(|it| it.prefix).collect()
    }

    /// What makes our routes those to `prefixes`. New ones come first.
    pub(super) fn changes(&self, prefixes: &BTreeSet<IpNet>, router: Router) -> Vec<Change> {
        let wanted: BTreeMap<IpNet, KernelRoute> =
            prefixes.iter().filter_map(|it| Some((*it, router.route(*it)?))).collect();
        let ours = || self.routes.iter().filter(|it| it.is_ours(router.nic));
        let mut changes = Vec::new();
        for route in wanted.values().filter(|it| !ours().any(|our| our == *it)) {
            let held = ours().any(|our| our.prefix == route.prefix && our.metric == route.metric);
            let change = if held { Change::Replace } else { Change::Add };
            changes.push(change(route.clone()));
        }
        let is_superfluous =
            |our: &&KernelRoute| wanted.get(&our.prefix).is_none_or(|it| it.metric != our.metric);
        changes.extend(ours().filter(is_superfluous).cloned().map(Change::Remove));
        changes
    }
}

impl Change {
    /// Makes the change. A route of somebody else with the same prefix and metric is left alone, and
    /// that is an error.
    pub(super) async fn execute(&self, handle: &Handle) -> Result<(), rtnetlink::Error> {
        let routes = handle.route();
        match self {
            Self::Add(route) => routes.add(message(route)).execute().await,
            Self::Replace(route) => routes.add(message(route)).replace().execute().await,
            Self::Remove(route) => routes.del(message(route)).execute().await,
        }
    }

    /// The destination that it is about.
    pub(super) fn prefix(&self) -> IpNet {
        let (Self::Add(route) | Self::Replace(route) | Self::Remove(route)) = self;
        route.prefix
    }
}

fn parse(message: &RouteMessage) -> Option<KernelRoute> {
    let header = &message.header;
    let is_main = header.table == RouteHeader::RT_TABLE_MAIN;
    if !is_main || header.kind != RouteType::Unicast || header.flags.contains(RouteFlags::Cloned) {
        return None;
    }
    let (mut destination, mut gateway, mut metric, mut interfaces) = (None, None, 0, Vec::new());
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(it) => destination = address(it),
            RouteAttribute::Gateway(it) => gateway = address(it),
            RouteAttribute::Priority(it) => metric = *it,
            RouteAttribute::Oif(it) => interfaces.push(*it),
            RouteAttribute::MultiPath(hops) => {
                interfaces.extend(hops.iter().map(|hop| hop.interface_index));
            }
            _ => {}
        }
    }
    let anywhere = match header.address_family {
        rtnetlink::packet_route::AddressFamily::Inet => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        rtnetlink::packet_route::AddressFamily::Inet6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        _ => return None,
    };
    let prefix = IpNet::new(destination.unwrap_or(anywhere), header.destination_prefix_length);
    Some(KernelRoute {
        prefix: prefix.ok()?.trunc(),
        protocol: header.protocol.into(),
        metric,
        gateway,
        interfaces,
    })
}

fn address(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(it) => Some(IpAddr::V4(*it)),
        RouteAddress::Inet6(it) => Some(IpAddr::V6(*it)),
        _ => None,
    }
}

fn message(route: &KernelRoute) -> RouteMessage {
    let mut message = match route.prefix {
        IpNet::V4(net) => RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .build(),
        IpNet::V6(net) => RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(net.network(), net.prefix_len())
            .build(),
    };
    message.header.protocol = RouteProtocol::from(route.protocol);
    message.attributes.push(RouteAttribute::Priority(route.metric));
    message.attributes.extend(route.interfaces.iter().map(|it| RouteAttribute::Oif(*it)));
    match route.gateway {
        Some(IpAddr::V4(it)) => {
            // The virtual router is on the link even where the interface's own prefix says nothing of it.
            message.header.flags = RouteFlags::Onlink;
            message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet(it)));
        }
        Some(IpAddr::V6(it)) => {
            message.attributes.push(RouteAttribute::Gateway(RouteAddress::Inet6(it)));
        }
        None => {}
    }
    message
}
