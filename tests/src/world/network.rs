//! The fixed network, by the roles of its members.
//!
//! ```text
//!   TENANT_A 10.1.0.0/16 ──peered── TENANT_B 10.2.0.0/16      FOREIGN 10.1.0.0/16 (no peering)
//!        └────── peered ── HUB 10.0.0.0/16 ── peered ──┘      OFFSHORE 10.5.0.0/16 (not hosted here)
//! ```
//!
//! This host is host 1. `TENANT_A_VM2` is in a subnet whose routes lead to `TENANT_B` through the
//! hub's appliance. Host 2 is reached over IPv4 with a small MTU, host 3 over IPv6 with a large one.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use vnetpeer_common::{
    abi::{
        AddressKey, Config, Link, NextHop, Nic, RelationKey, Vtep, address_class, link_flags,
        next_hop_kind, nic_flags, vtep_flags,
    },
    types::{Addr, LinkId, Mac, NicId, TableId, VnetId, VtepId},
};

use super::{VnetSpaces, World, everything};

/// A NIC with the addresses that its guest knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vm {
    /// Its number.
    pub nic: NicId,
    /// Its network.
    pub vnet: VnetId,
    /// The guest's MAC address.
    pub mac: Mac,
    /// First IPv4 address.
    pub v4: Ipv4Addr,
    /// First IPv6 address.
    pub v6: Ipv6Addr,
    /// The host that has it, none for this host.
    pub host: VtepId,
    /// Its subnet's routes.
    pub table: TableId,
    /// Flags beyond `PRESENT`.
    pub flags: u32,
    /// MTU.
    pub mtu: u16,
}

impl Vm {
    const fn new(nic: u32, vnet: VnetId, net: u8, host: u8, table: TableId) -> Self {
        let mac = Mac([0x02, 0x0d, 0x3a, 0, 0, (nic & 0xff) as u8]);
        let v4 = Ipv4Addr::new(10, net, 0, host);
        let v6 = Ipv6Addr::new(0xfd00, net as u16, 0, 0, 0, 0, 0, host as u16);
        let (nic, none) = (NicId(nic), VtepId::NONE);
        Self { nic, vnet, mac, v4, v6, host: none, table, flags: 0, mtu: 1500 }
    }

    const fn with(self, flags: u32) -> Self {
        Self { flags, ..self }
    }

    const fn mtu(self, mtu: u16) -> Self {
        Self { mtu, ..self }
    }

    const fn on(self, host: VtepId) -> Self {
        Self { host, mtu: 0, ..self }
    }

    /// The interface before it on this host.
    pub const fn ifindex(&self) -> u32 {
        100 + self.nic.0
    }

    /// Its row of drop counters.
    pub const fn slot(&self) -> u32 {
        self.nic.0
    }

    /// The virtual router in its subnet.
    pub fn gateway(&self) -> Ipv4Addr {
        let [a, b, c, _] = self.v4.octets();
        Ipv4Addr::new(a, b, c, 1)
    }

    fn entry(&self) -> Nic {
        let common = Nic {
            flags: nic_flags::PRESENT,
            vnet: self.vnet,
            vtep: self.host,
            ipv4: self.v4.octets(),
            ipv6: self.v6.octets(),
            ..Nic::default()
        };
        if self.host.is_some() {
            return common;
        }
        Nic {
            flags: nic_flags::PRESENT | self.flags,
            table: self.table,
            ifindex: self.ifindex(),
            slot: self.slot(),
            mac: self.mac,
            mtu: self.mtu,
            gateway_ipv4: self.gateway().octets(),
            ..common
        }
    }
}

/// Spoke A.
pub const TENANT_A: VnetId = VnetId(10);
/// Spoke B.
pub const TENANT_B: VnetId = VnetId(0x1234);
/// The hub.
pub const HUB: VnetId = VnetId(30);
/// Another customer's network with spoke A's addresses.
pub const FOREIGN: VnetId = VnetId(40);
/// A network that has no NIC on this host.
pub const OFFSHORE: VnetId = VnetId(60);

/// Routes of spoke A.
pub const TABLE_A: TableId = TableId(1);
/// Routes of a subnet of spoke A, to spoke B through the appliance.
pub const TABLE_A_CHAIN: TableId = TableId(2);
/// Routes of spoke B.
pub const TABLE_B: TableId = TableId(3);
/// Routes of the hub.
pub const TABLE_HUB: TableId = TableId(4);
/// Routes of the foreign network.
pub const TABLE_FOREIGN: TableId = TableId(5);

/// Host 2, IPv4 underlay, inner MTU 1450.
pub const HOST2: VtepId = VtepId(2);
/// Host 3, IPv6 underlay, inner MTU 8930.
pub const HOST3: VtepId = VtepId(3);
/// This host's IPv4 endpoint.
pub const HOST1_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// This host's IPv6 endpoint.
pub const HOST1_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// Host 2's endpoint.
pub const HOST2_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// Host 3's endpoint.
pub const HOST3_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 3);
/// An address that is no host of the deployment.
pub const UNKNOWN_HOST_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 99);

/// Spoke A, here, with further addresses, delivered into its namespace.
pub const TENANT_A_VM1: Vm =
    Vm::new(1, TENANT_A, 1, 4, TABLE_A).with(nic_flags::MORE_ADDRESSES | nic_flags::DELIVER_PEER);
/// Spoke A, here, jumbo frames, routes through the appliance.
pub const TENANT_A_VM2: Vm = Vm::new(2, TENANT_A, 1, 5, TABLE_A_CHAIN).mtu(9000);
/// Spoke A, on host 2.
pub const TENANT_A_VM3: Vm = Vm::new(0x0103, TENANT_A, 1, 6, TABLE_A).on(HOST2);
/// Spoke A, on host 3.
pub const TENANT_A_VM4: Vm = Vm::new(4, TENANT_A, 1, 7, TABLE_A).on(HOST3);
/// Spoke B, here, jumbo frames, in XDP mode.
pub const TENANT_B_VM1: Vm =
    Vm::new(5, TENANT_B, 2, 4, TABLE_B).with(nic_flags::DELIVER_XDP).mtu(9000);
/// Spoke B, on host 2.
pub const TENANT_B_VM2: Vm = Vm::new(0x0206, TENANT_B, 2, 5, TABLE_B).on(HOST2);
/// Spoke B, on host 3.
pub const TENANT_B_VM3: Vm = Vm::new(7, TENANT_B, 2, 6, TABLE_B).on(HOST3);
/// The hub's appliance, here.
pub const HUB_NVA: Vm = Vm::new(8, HUB, 0, 4, TABLE_HUB).with(nic_flags::FORWARDING).mtu(9000);
/// The hub's other appliance, on host 2.
pub const HUB_NVA2: Vm = Vm::new(9, HUB, 0, 5, TABLE_HUB).on(HOST2);
/// An ordinary machine of the hub, here.
pub const HUB_VM1: Vm = Vm::new(10, HUB, 0, 6, TABLE_HUB);
/// The foreign machine with `TENANT_A_VM1`'s addresses, here.
pub const FOREIGN_VM1: Vm = Vm::new(11, FOREIGN, 1, 4, TABLE_FOREIGN);
/// The foreign machine with `TENANT_A_VM2`'s addresses, on host 2.
pub const FOREIGN_VM2: Vm = Vm::new(12, FOREIGN, 1, 5, TABLE_FOREIGN).on(HOST2);
/// A machine of the network that is not hosted here, on host 2.
pub const OFFSHORE_VM1: Vm = Vm::new(13, OFFSHORE, 5, 4, TABLE_FOREIGN).on(HOST2);
/// Spoke A's uplink to the Internet, here. It has no addresses of its own.
pub const A_UPLINK: Vm = Vm {
    v4: Ipv4Addr::UNSPECIFIED,
    v6: Ipv6Addr::UNSPECIFIED,
    ..Vm::new(14, TENANT_A, 1, 0, TABLE_A).with(nic_flags::FORWARDING)
};

const ALL: [Vm; 14] = [
    TENANT_A_VM1,
    TENANT_A_VM2,
    TENANT_A_VM3,
    TENANT_A_VM4,
    TENANT_B_VM1,
    TENANT_B_VM2,
    TENANT_B_VM3,
    HUB_NVA,
    HUB_NVA2,
    HUB_VM1,
    FOREIGN_VM1,
    FOREIGN_VM2,
    OFFSHORE_VM1,
    A_UPLINK,
];

/// Spoke A's peering object towards spoke B.
pub const A_TO_B: LinkId = LinkId(1);
/// Spoke B's towards spoke A.
pub const B_TO_A: LinkId = LinkId(2);
/// Spoke A's towards the hub.
pub const A_TO_HUB: LinkId = LinkId(3);
/// The hub's towards spoke A.
pub const HUB_TO_A: LinkId = LinkId(4);
/// Spoke B's towards the hub.
pub const B_TO_HUB: LinkId = LinkId(5);
/// The hub's towards spoke B.
pub const HUB_TO_B: LinkId = LinkId(6);

/// All flags of a link.
pub const LINK_ALL: u32 =
    link_flags::CONNECTED | link_flags::ALLOW_ACCESS | link_flags::ALLOW_FORWARDED;
const LINK_OPEN: u32 = link_flags::CONNECTED | link_flags::ALLOW_ACCESS;

/// Id, flags, owner, peer, the other side's id.
const LINKS: [(LinkId, u32, VnetId, VnetId, LinkId); 6] = [
    (A_TO_B, LINK_OPEN, TENANT_A, TENANT_B, B_TO_A),
    (B_TO_A, LINK_OPEN, TENANT_B, TENANT_A, A_TO_B),
    (A_TO_HUB, LINK_ALL, TENANT_A, HUB, HUB_TO_A),
    (HUB_TO_A, LINK_OPEN, HUB, TENANT_A, A_TO_HUB),
    (B_TO_HUB, LINK_ALL, TENANT_B, HUB, HUB_TO_B),
    (HUB_TO_B, LINK_OPEN, HUB, TENANT_B, B_TO_HUB),
];

/// Second byte of the IPv4 space, second group of the IPv6 space.
const SPACES: [(VnetId, u8); 5] =
    [(TENANT_A, 1), (TENANT_B, 2), (HUB, 0), (FOREIGN, 1), (OFFSHORE, 5)];

/// The MAC address of a host's underlay interface.
pub const fn host_mac(host: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0xee, host])
}

impl World {
    /// The network as it is unless a case changes it.
    pub fn new() -> Self {
        let mut world = Self {
            config: Config {
                vtep: [Addr::v4(HOST1_V4.octets()), Addr::v6(HOST1_V6.octets())],
                ..Config::default()
            },
            ..Self::default()
        };
        for vm in ALL {
            world.nics.insert(vm.nic, vm.entry());
            if !vm.host.is_some() {
                world.interfaces.insert(vm.ifindex(), vm.nic);
            }
        }
        for address in [Addr::v4([10, 1, 0, 14]), Addr::v6(more_v6().octets())] {
            world.addresses.insert(AddressKey::new(TENANT_A_VM1.nic, address));
        }
        for (id, flags, vnet, remote, reverse) in LINKS {
            world.links.insert(id, Link { flags, vnet, remote, reverse });
            world.relations.insert(RelationKey { vnet, remote }, id);
        }
        world.vnets = SPACES.into_iter().map(|(id, net)| (id, spaces(id, net))).collect();
        world.routes = routes();
        world.add_hosts();
        world
    }

    fn add_hosts(&mut self) {
        let known = vtep_flags::PRESENT | vtep_flags::RESOLVED;
        let host2 = Vtep {
            flags: known | vtep_flags::TRANSMIT_XDP,
            ifindex: 202,
            local: Addr::v4(HOST1_V4.octets()),
            remote: Addr::v4(HOST2_V4.octets()),
            src_mac: host_mac(1),
            dst_mac: host_mac(2),
            mtu: 1450,
            ..Vtep::default()
        };
        let host3 = Vtep {
            flags: known | vtep_flags::IPV6,
            ifindex: 203,
            local: Addr::v6(HOST1_V6.octets()),
            remote: Addr::v6(HOST3_V6.octets()),
            dst_mac: host_mac(3),
            mtu: 8930,
            ..host2
        };
        for (id, host) in [(HOST2, host2), (HOST3, host3)] {
            self.vteps.insert(id, host);
            self.vtep_addresses.insert(host.remote, id);
        }
    }
}

/// A further address of `TENANT_A_VM1`.
fn more_v6() -> Ipv6Addr {
    Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 14)
}

/// The address spaces of the network with this number.
fn space(net: u8) -> [ipnet::IpNet; 2] {
    let v4 = ipnet::Ipv4Net::new(Ipv4Addr::new(10, net, 0, 0), 16).expect("a length");
    let v6 = Ipv6Addr::new(0xfd00, u16::from(net), 0, 0, 0, 0, 0, 0);
    [v4.into(), ipnet::Ipv6Net::new(v6, 48).expect("a length").into()]
}

fn spaces(id: VnetId, net: u8) -> VnetSpaces {
    let mut endpoints: Vec<(ipnet::IpNet, u32)> = space(net).map(|it| (it, 0)).to_vec();
    for vm in ALL.iter().filter(|vm| vm.vnet == id && **vm != A_UPLINK) {
        endpoints.push((IpAddr::from(vm.v4).into(), vm.nic.0));
        endpoints.push((IpAddr::from(vm.v6).into(), vm.nic.0));
    }
    if id == TENANT_A {
        endpoints.push((IpAddr::from([10, 1, 0, 14]).into(), TENANT_A_VM1.nic.0));
        endpoints.push((IpAddr::from(more_v6()).into(), TENANT_A_VM1.nic.0));
    }
    let number = |remote| SPACES.iter().find(|(id, _)| *id == remote).map_or(0, |(_, net)| *net);
    let own = LINKS.iter().filter(|(_, _, vnet, ..)| *vnet == id);
    let peers =
        own.flat_map(|(link, _, _, remote, _)| space(number(*remote)).map(|it| (it, link.0)));
    let peers = peers.collect();
    VnetSpaces { hosted: id != OFFSHORE, endpoints, peers, ..VnetSpaces::default() }
}

fn routes() -> BTreeMap<TableId, Vec<(ipnet::IpNet, NextHop)>> {
    let vnet = |id: VnetId, link, reverse| NextHop {
        kind: next_hop_kind::VNET,
        class: address_class::VIRTUAL_NETWORK,
        target: id.0,
        link,
        reverse,
    };
    let own = |id| vnet(id, LinkId::NONE, LinkId::NONE);
    let appliance = NextHop {
        kind: next_hop_kind::NIC,
        class: address_class::VIRTUAL_NETWORK,
        target: HUB_NVA.nic.0,
        link: A_TO_HUB,
        reverse: HUB_TO_A,
    };
    let uplink = NextHop {
        kind: next_hop_kind::NIC,
        class: address_class::INTERNET,
        target: A_UPLINK.nic.0,
        ..NextHop::default()
    };
    let nowhere = |kind| NextHop { kind, ..NextHop::default() };
    let hub = vnet(HUB, A_TO_HUB, HUB_TO_A);
    let by_number = |routes: &[(u8, NextHop)]| {
        routes.iter().flat_map(|(net, next)| space(*net).map(|it| (it, *next))).collect()
    };
    let mut table_a: Vec<_> = by_number(&[
        (1, own(TENANT_A)),
        (2, vnet(TENANT_B, A_TO_B, B_TO_A)),
        (0, hub),
        (100, nowhere(next_hop_kind::NONE)),
        (101, nowhere(next_hop_kind::UNREACHABLE)),
        (102, nowhere(next_hop_kind::NO_UPLINK)),
    ]);
    table_a.extend([(everything(false), uplink), (everything(true), uplink)]);
    BTreeMap::from([
        (TABLE_A, table_a),
        (TABLE_A_CHAIN, by_number(&[(1, own(TENANT_A)), (0, hub), (2, appliance)])),
        (
            TABLE_B,
            by_number(&[
                (2, own(TENANT_B)),
                (1, vnet(TENANT_A, B_TO_A, A_TO_B)),
                (0, vnet(HUB, B_TO_HUB, HUB_TO_B)),
            ]),
        ),
        (
            TABLE_HUB,
            by_number(&[
                (0, own(HUB)),
                (1, vnet(TENANT_A, HUB_TO_A, A_TO_HUB)),
                (2, vnet(TENANT_B, HUB_TO_B, B_TO_HUB)),
            ]),
        ),
        (TABLE_FOREIGN, by_number(&[(1, own(FOREIGN))])),
    ])
}
