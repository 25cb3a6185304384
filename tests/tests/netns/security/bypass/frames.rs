//! The frames, by what they try.

use std::net::IpAddr;

use vnetpeer_tests::{
    netns::Guest,
    packet::{Packet, Transport},
};

use super::{CLOSED, FROM_EMPTY_GROUP, FROM_NOBODY, OPEN, OPEN_TCP};

const MORE_V4: u16 = 0x2000;
const TCP: u8 = 6;
const UDP: u8 = 17;
const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const DESTINATION_OPTIONS: u8 = 60;
const SYN: u8 = 0x02;
const VXLAN: u16 = 4_789;

/// A frame that must not arrive.
#[derive(Clone)]
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// Frames before it that do arrive.
    pub(super) before: Vec<Packet>,
    pub(super) packet: Packet,
    /// Why it is dropped.
    pub(super) reason: &'static str,
}

impl Attack {
    pub(super) fn new(name: &'static str, packet: Packet, reason: &'static str) -> Self {
        Self { name, before: Vec::new(), packet, reason }
    }

    fn after(mut self, packet: Packet) -> Self {
        self.before.push(packet);
        self
    }
}

/// Sender and receiver in one address family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Family {
    source: IpAddr,
    target: IpAddr,
}

impl Family {
    pub(super) fn new(sender: &Guest, receiver: &Guest, is_v4: bool) -> Self {
        Self { source: sender.address(is_v4), target: receiver.address(is_v4) }
    }

    pub(super) fn is_v4(self) -> bool {
        self.source.is_ipv4()
    }

    /// A packet from the sender to the receiver.
    pub(super) fn packet(self) -> Packet {
        packet(self.source, self.target)
    }

    /// A fragment at an offset in units of eight bytes, more to come or not.
    fn fragment(self, id: u16, offset: u16, more: bool, protocol: u8, bytes: Vec<u8>) -> Packet {
        let packet = self.packet().transport(Transport::Raw { protocol, bytes });
        if self.is_v4() {
            return packet.ip4(|ip| {
                ip.id = id;
                ip.fragment = offset | if more { MORE_V4 } else { 0 };
            });
        }
        packet.ip6(|ip| {
            ip.fragment(offset << 3 | u16::from(more));
            if let Some((_, bytes)) = ip.extensions.last_mut() {
                bytes[5..7].copy_from_slice(&id.to_be_bytes());
            }
        })
    }

    /// Whether a frame is the one that is sent at last, see `Scene::arrivals`.
    pub(super) fn is_last(self, frame: &[u8]) -> bool {
        let ip = if self.is_v4() { 20 } else { 40 };
        let udp = [1_u16.to_be_bytes(), OPEN.to_be_bytes()].concat();
        self.is_from_sender(frame) && frame.get(14 + ip..18 + ip) == Some(&udp)
    }

    pub(super) fn is_from_sender(self, frame: &[u8]) -> bool {
        match self.source {
            IpAddr::V4(source) => {
                frame.get(12..14) == Some(&[8, 0]) && frame.get(26..30) == Some(&source.octets())
            }
            IpAddr::V6(source) => {
                frame.get(12..14) == Some(&[0x86, 0xdd])
                    && frame.get(22..38) == Some(&source.octets())
            }
        }
    }
}

fn packet(source: IpAddr, target: IpAddr) -> Packet {
    match (source, target) {
        (IpAddr::V4(source), IpAddr::V4(target)) => Packet::v4(source, target),
        (IpAddr::V6(source), IpAddr::V6(target)) => Packet::v6(source, target),
        (source, target) => panic!("{source} and {target}"),
    }
}

/// A transport header's first bytes: ports, then whatever.
fn ports(destination: u16, len: usize) -> Vec<u8> {
    let ports = [2_000_u16.to_be_bytes(), destination.to_be_bytes()].concat();
    ports.into_iter().chain([0x50; 64]).take(len).collect()
}

/// A TCP header that opens a connection, and some bytes.
fn syn(destination: u16) -> Vec<u8> {
    let mut bytes = ports(destination, 24);
    bytes[13] = SYN;
    bytes
}

/// What must not arrive.
pub(super) fn attacks(family: &Family) -> Vec<Attack> {
    let mut all = [fragments(*family), segments(*family), errors(*family), rules(*family)].concat();
    all.extend(if family.is_v4() { options_v4(*family) } else { extensions(*family) });
    all
}

fn fragments(family: Family) -> Vec<Attack> {
    let first = family.fragment(31, 0, true, TCP, syn(OPEN_TCP));
    let (invalid, without) = ("FragmentInvalid", "FragmentWithoutFirst");
    let later = |id, protocol| family.fragment(id, 3, false, protocol, vec![7; 16]);
    let closed = family.fragment(34, 0, true, UDP, ports(CLOSED, 24));
    vec![
        Attack::new("a later UDP fragment alone", later(21, UDP), without),
        Attack::new("a later TCP fragment alone", later(22, TCP), without),
        Attack::new(
            "a UDP header of four bytes",
            family.fragment(23, 0, true, UDP, ports(OPEN, 4)),
            invalid,
        ),
        Attack::new(
            "a TCP header without flags",
            family.fragment(24, 0, true, TCP, ports(OPEN_TCP, 8)),
            invalid,
        ),
        Attack::new(
            "a fragment over the TCP flags",
            family.fragment(31, 1, true, TCP, vec![SYN; 24]),
            invalid,
        )
        .after(first),
        Attack::new("a first fragment to a closed port", closed, "InboundRuleDenied"),
    ]
}

fn segments(family: Family) -> Vec<Attack> {
    let cases = [("ACK", 0x10), ("PSH ACK", 0x18), ("SYN ACK", 0x12), ("FIN", 0x11), ("RST", 0x04)];
    let numbered = (3_000..).zip(cases);
    numbered
        .map(|(port, (name, flags))| {
            let packet = family.packet().tcp_flags(port, OPEN_TCP, flags, 8);
            Attack::new(name, packet, "TcpWithoutFlow")
        })
        .collect()
}

/// Errors about packets that the receiver never sent, and an answer to no request.
fn errors(family: Family) -> Vec<Attack> {
    let Family { source, target } = family;
    let quoted = |packet: Packet| -> Vec<u8> {
        packet.network_bytes().into_iter().take(if family.is_v4() { 28 } else { 48 }).collect()
    };
    let udp = quoted(packet(target, source).udp(5_000, 53, 32));
    let own = quoted(packet(source, target).udp(5_000, OPEN, 32));
    let (unreachable, too_big, reply) =
        if family.is_v4() { ((3, 3), (3, 4), 0) } else { ((1, 4), (2, 0), 129) };
    let error =
        |(kind, code): (u8, u8), quote: &[u8]| family.packet().icmp_error(kind, code, quote);
    let reason = "IcmpWithoutFlow";
    vec![
        Attack::new("an error about no flow", error(unreachable, &udp), reason),
        Attack::new("too big, about no flow", error(too_big, &udp), reason),
        Attack::new("an error about an own packet", error(unreachable, &own), reason),
        Attack::new("an error with half a quote", error(unreachable, &udp[..12]), reason),
        Attack::new("an echo reply", family.packet().icmp(reply, 0, 77), reason),
    ]
}

fn rules(family: Family) -> Vec<Attack> {
    let udp = |port| family.packet().udp(2_001, port, 8);
    let denied = "InboundRuleDenied";
    // What a tunnel between hosts would carry, to the receiver's host.
    let inner = [&[8, 0, 0, 0, 0, 0, 1, 0][..], &udp(OPEN).bytes()].concat();
    let host = if family.is_v4() { "192.0.2.2" } else { "2001:db8::2" };
    let outer = packet(family.source, host.parse().expect("an address"));
    let tunnel = outer.transport(Transport::Udp {
        src: 49_152,
        dst: VXLAN,
        payload: inner,
        no_checksum: family.is_v4(),
    });
    vec![
        Attack::new("a closed port", udp(CLOSED), denied),
        Attack::new("an empty list of sources", udp(FROM_NOBODY), denied),
        Attack::new("a group without members", udp(FROM_EMPTY_GROUP), denied),
        Attack::new(
            "a SYN to a port of UDP",
            family.packet().tcp_flags(2_002, OPEN, SYN, 0),
            denied,
        ),
        Attack::new("VXLAN to a host", tunnel, "InternetUnavailable"),
    ]
}

fn options_v4(family: Family) -> Vec<Attack> {
    let packet = family.packet().udp(2_003, CLOSED, 8).ip4(|ip| ip.options = vec![1; 40]);
    vec![Attack::new("a closed port behind options", packet, "InboundRuleDenied")]
}

/// Chains of extension headers before a closed port.
fn extensions(family: Family) -> Vec<Attack> {
    let closed = || family.packet().udp(2_004, CLOSED, 8);
    let chain = |kinds: &[(u8, usize)]| {
        closed().ip6(|ip| kinds.iter().for_each(|(kind, len)| ip.options(*kind, *len)))
    };
    let denied = "InboundRuleDenied";
    vec![
        Attack::new("hop-by-hop options", chain(&[(HOP_BY_HOP, 8)]), denied),
        Attack::new(
            "three extension headers",
            chain(&[(HOP_BY_HOP, 16), (ROUTING, 24), (DESTINATION_OPTIONS, 64)]),
            denied,
        ),
        Attack::new(
            "more extension headers than are walked",
            chain(&[(DESTINATION_OPTIONS, 8); 12]),
            "Ipv6ExtensionsTooMany",
        ),
        Attack::new(
            "a fragment header of a whole packet",
            closed().ip6(|ip| ip.fragment(0)),
            denied,
        ),
        Attack::new("an authentication header", closed().ip6(|ip| ip.authentication(24)), denied),
    ]
}

/// What is of the same kind and allowed.
pub(super) fn allowed(family: &Family) -> Vec<Packet> {
    let whole = |port| family.packet().udp(port, OPEN, 8);
    let mut all = vec![
        family.fragment(41, 0, true, UDP, ports(OPEN, 24)),
        family.fragment(41, 3, false, UDP, vec![7; 16]),
        family.fragment(42, 0, true, TCP, syn(OPEN_TCP)),
        family.fragment(42, 3, false, TCP, vec![7; 16]),
        family.packet().tcp_flags(2_005, OPEN_TCP, SYN, 0),
        family.packet().tcp_flags(2_005, OPEN_TCP, 0x18, 8),
        family.packet().ping(16),
        whole(2_006),
    ];
    if family.is_v4() {
        all.push(whole(2_007).ip4(|ip| ip.options = vec![1; 40]));
    } else {
        all.push(whole(2_008).ip6(|ip| {
            ip.options(HOP_BY_HOP, 16);
            ip.options(DESTINATION_OPTIONS, 64);
        }));
        all.push(whole(2_009).ip6(|ip| ip.fragment(0)));
    }
    all
}
