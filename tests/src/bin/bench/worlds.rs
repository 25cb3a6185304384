//! Networks of two sizes, and the frames that cross them.
//!
//! One machine of spoke A sends to a spoke whose machines live here, and to one whose machines live on
//! host 2 (IPv4 underlay) or host 3 (IPv6 underlay). The other spokes have one address prefix and one
//! machine per route, so that destinations which rotate over the routes use all of them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use vnetpeer_common::{
    abi::{
        Link, NextHop, Nic, RelationKey, address_class, link_flags, next_hop_kind, nic_flags,
        vtep_flags,
    },
    types::{LinkId, Mac, NicId, VnetId, VtepId},
};
use vnetpeer_tests::{
    cases::{HOST1, HOST1_OVER_V6, HOST2, HOST3, overlay_mac},
    packet::{Packet, Tunnel},
    world::{self, LINK_ALL, TABLE_A, TENANT_A, TENANT_A_VM1, VnetSpaces, World},
};

/// The machine that sends and receives.
pub(crate) const GUEST: world::Vm = TENANT_A_VM1;

/// A spoke with one prefix per route.
pub(crate) struct Spoke {
    pub(crate) vnet: VnetId,
    /// Second octet of the IPv4 prefixes, second group of the IPv6 ones.
    net: u8,
    /// Its machines' numbers start here; the low 16 bits count.
    first_nic: u32,
    pub(crate) host: VtepId,
    pub(crate) out: LinkId,
    back: LinkId,
}

/// Machines here.
pub(crate) const LOCAL: Spoke = Spoke {
    vnet: VnetId(100),
    net: 16,
    first_nic: 100,
    host: VtepId::NONE,
    out: LinkId(7),
    back: LinkId(8),
};
/// Machines on host 2.
pub(crate) const REMOTE: Spoke = Spoke {
    vnet: VnetId(101),
    net: 32,
    first_nic: 1_200,
    host: world::HOST2,
    out: LinkId(9),
    back: LinkId(10),
};
/// Machines on host 3.
pub(crate) const REMOTE_OVER_V6: Spoke = Spoke {
    vnet: VnetId(102),
    net: 48,
    first_nic: 2_300,
    host: world::HOST3,
    out: LinkId(11),
    back: LinkId(12),
};

/// Machines here, in the guest's own VNet: nothing meters what is sent to them, and all else is as with [`LOCAL`].
pub(crate) const WITHIN: Spoke = Spoke {
    vnet: TENANT_A,
    net: 64,
    first_nic: 3_400,
    host: VtepId::NONE,
    out: LinkId::NONE,
    back: LinkId::NONE,
};

/// A frame, and where it varies from run to run.
#[derive(Clone)]
pub(crate) struct Load {
    /// The first frame.
    pub(crate) frame: Vec<u8>,
    /// What varies.
    pub(crate) fields: [Field; 2],
    /// How many values the fields take.
    pub(crate) count: u32,
    /// Where the list of values starts, if they come from one: the lower half of each is for the first
    /// field.
    pub(crate) list: Option<u32>,
    /// How the kernel marked the packet when it came in.
    pub(crate) kind: u16,
    /// Bytes of payload of each segment of a super-frame; 0 for a single packet.
    pub(crate) gso_size: u32,
}

/// Bytes of payload of the packets whose size does not matter.
pub(crate) const PAYLOAD: usize = 64;

/// A 16-bit field of the frame that counts.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    /// Its offset.
    pub(crate) at: u16,
    /// Its first value.
    pub(crate) base: u16,
    /// It counts in steps of two to the power of this.
    pub(crate) shift: u8,
}

/// `PACKET_HOST`: addressed to the interface's own MAC address, as the outer frame is.
const PACKET_HOST: u16 = 0;
/// `PACKET_OTHERHOST`: addressed to another, as a guest's frame to the virtual router is.
const PACKET_OTHERHOST: u16 = 3;

impl Spoke {
    /// One address in each /29, the smallest subnet that Azure has.
    pub(crate) fn v4(&self, index: u16) -> Ipv4Addr {
        let [high, low] = (4 + (index << 3)).to_be_bytes();
        Ipv4Addr::new(10, self.net, high, low)
    }

    /// One address in each /64, the only subnet that Azure has.
    pub(crate) fn v6(&self, index: u16) -> Ipv6Addr {
        Ipv6Addr::new(0xfd00, u16::from(self.net), 0, index, 0, 0, 0, 4)
    }

    /// The field of an address at `at` that counts the prefixes.
    fn field(at: u16, v6: bool) -> Field {
        if v6 {
            Field { at: at + 6, base: 0, shift: 0 }
        } else {
            Field { at: at + 2, base: 4, shift: 3 }
        }
    }

    /// The NIC behind a route.
    pub(crate) fn nic(&self, index: u16) -> NicId {
        NicId(self.first_nic + u32::from(index))
    }

    fn add_to(&self, world: &mut World, count: u16) {
        // Spoke A's address space.
        let peers = ["10.1.0.0/16", "fd00:1::/48"]
            .map(|prefix| (prefix.parse().expect("a prefix"), self.back.0))
            .to_vec();
        let mut spaces = VnetSpaces { hosted: true, peers, ..VnetSpaces::default() };
        let next = NextHop {
            kind: next_hop_kind::VNET,
            class: address_class::VIRTUAL_NETWORK,
            target: self.vnet.0,
            link: self.out,
            reverse: self.back,
        };
        for index in 0..count {
            let id = self.nic(index);
            let (v4, v6) = (self.v4(index), self.v6(index));
            let prefixes: [IpNet; 2] = [
                Ipv4Net::new(v4, 29).expect("a length").trunc().into(),
                Ipv6Net::new(v6, 64).expect("a length").trunc().into(),
            ];
            for (prefix, address) in prefixes.into_iter().zip([IpAddr::from(v4), v6.into()]) {
                spaces.endpoints.extend([(prefix, 0), (address.into(), id.0)]);
                world.routes.entry(TABLE_A).or_default().push((prefix, next));
                if self.out.is_some() {
                    let peers = &mut world.vnets.get_mut(&TENANT_A).expect("spoke A").peers;
                    peers.push((prefix, self.out.0));
                }
            }
            let nic = Nic {
                flags: nic_flags::PRESENT | nic_flags::DELIVER_XDP,
                vnet: self.vnet,
                vtep: self.host,
                ifindex: 5_000 + id.0,
                mac: Mac([2, 0, 0, 0, 0, 9]),
                mtu: 1_500,
                ipv4: v4.octets(),
                ipv6: v6.octets(),
                ..Nic::default()
            };
            world.nics.insert(id, nic);
        }
        if self.vnet == TENANT_A {
            let own = world.vnets.get_mut(&TENANT_A).expect("spoke A");
            own.endpoints.extend(spaces.endpoints);
            return;
        }
        world.vnets.insert(self.vnet, spaces);
        peer(world, self.vnet, self.out, self.back);
    }

    /// The guest's packet to a machine of the spoke.
    pub(crate) fn to(&self, v6: bool, count: u16) -> Load {
        Load { count: count.into(), ..self.one_to(v6, |packet| packet.udp(40_000, 53, PAYLOAD)) }
    }

    /// The guest's packet to the first machine of the spoke, with this behind its IP header.
    pub(crate) fn one_to(&self, v6: bool, transport: impl FnOnce(Packet) -> Packet) -> Load {
        let packet =
            if v6 { Packet::v6(GUEST.v6, self.v6(0)) } else { Packet::v4(GUEST.v4, self.v4(0)) };
        let frame = transport(packet).between(GUEST.mac, Mac::ROUTER).bytes();
        let field = Self::field(if v6 { 38 } else { 30 }, v6);
        Load { fields: [field; 2], ..sent(frame) }
    }

    /// A packet of a machine of the spoke to the guest, as its host sends it. The overlay source and
    /// the inner source vary together.
    pub(crate) fn from(&self, v6: bool, count: u16) -> Load {
        Load { count: count.into(), ..self.one_from(v6, PAYLOAD) }
    }

    /// A packet of the first machine of the spoke to the guest, with so many bytes of payload.
    pub(crate) fn one_from(&self, v6: bool, payload: usize) -> Load {
        let packet =
            if v6 { Packet::v6(self.v6(0), GUEST.v6) } else { Packet::v4(self.v4(0), GUEST.v4) };
        let inner = packet
            .udp(53, 40_000, payload)
            .between(overlay_mac(self.nic(0)), overlay_mac(GUEST.nic));
        let over_v6 = self.host == world::HOST3;
        let (src, dst) = if over_v6 { (HOST3, HOST1_OVER_V6) } else { (HOST2, HOST1) };
        let frame = Tunnel::new(src, dst, TENANT_A.0).around(&inner.bytes()).bytes();
        let outer_len: u16 = if over_v6 { 70 } else { 50 };
        let source = Self::field(outer_len + if v6 { 22 } else { 26 }, v6);
        let base = u16::try_from(self.first_nic).expect("below 65,536");
        let nic = Field { at: outer_len + 10, base, shift: 0 };
        Load { fields: [source, nic], kind: PACKET_HOST, ..sent(frame) }
    }
}

/// A frame of the guest that is always the same.
pub(crate) fn sent(frame: Vec<u8>) -> Load {
    let unchanged = Field { at: 30, base: u16::from_be_bytes([frame[30], frame[31]]), shift: 0 };
    Load {
        frame,
        fields: [unchanged; 2],
        count: 1,
        list: None,
        kind: PACKET_OTHERHOST,
        gso_size: 0,
    }
}

/// Peers a virtual network with the guest's, as Azure does it: access allowed, forwarded traffic not.
pub(crate) fn peer(world: &mut World, vnet: VnetId, out: LinkId, back: LinkId) {
    let flags = LINK_ALL & !link_flags::ALLOW_FORWARDED;
    let (own, remote) = (TENANT_A, vnet);
    world.links.insert(out, Link { flags, vnet: own, remote, reverse: back });
    world.links.insert(back, Link { flags, vnet: remote, remote: own, reverse: out });
    world.relations.insert(RelationKey { vnet: own, remote }, out);
    world.relations.insert(RelationKey { vnet: remote, remote: own }, back);
}

/// What routes of type `None` cover.
const NOWHERE: [&str; 2] = ["203.0.113.0/24", "2001:db8:77::/48"];

/// The network with this many routes to each spoke.
pub(crate) fn world(routes: u16) -> World {
    let mut world = World::new();
    world.config.event_mask = 15;
    world.routes.clear();
    world.nic_mut(&GUEST).flags = nic_flags::PRESENT | nic_flags::DELIVER_XDP;
    world.vnets.get_mut(&TENANT_A).expect("spoke A").peers.clear();
    world.vtep_mut(world::HOST3).flags |= vtep_flags::TRANSMIT_XDP;
    world.vtep_mut(world::HOST2).mtu = 1_500;
    for spoke in [&LOCAL, &REMOTE, &REMOTE_OVER_V6, &WITHIN] {
        spoke.add_to(&mut world, routes);
    }
    for prefix in NOWHERE {
        world.add_route(TABLE_A, prefix, NextHop::default());
    }
    world
}

/// The guest's packet with another machine's address as its source.
pub(crate) fn spoofed(v6: bool) -> Load {
    let packet = if v6 {
        Packet::v6(LOCAL.v6(7), LOCAL.v6(0))
    } else {
        Packet::v4(LOCAL.v4(7), LOCAL.v4(0))
    };
    sent(packet.udp(40_000, 53, PAYLOAD).between(GUEST.mac, Mac::ROUTER).bytes())
}

/// The guest's packet to an address that no route covers, or that one of type `None` covers.
pub(crate) fn to_nowhere(v6: bool, by_route: bool) -> Load {
    let [v4_prefix, v6_prefix] = NOWHERE;
    let packet = if v6 {
        let prefix: Ipv6Net = v6_prefix.parse().expect("a prefix");
        let address =
            if by_route { prefix.addr() } else { Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 1) };
        Packet::v6(GUEST.v6, address)
    } else {
        let prefix: Ipv4Net = v4_prefix.parse().expect("a prefix");
        let address = if by_route { prefix.addr() } else { Ipv4Addr::new(198, 51, 100, 1) };
        Packet::v4(GUEST.v4, address)
    };
    sent(packet.udp(40_000, 53, PAYLOAD).between(GUEST.mac, Mac::ROUTER).bytes())
}
