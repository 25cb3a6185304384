//! What the two address families do differently. The path is compiled once for each.

use super::{
    Admission, Case, FlowQuery, Headers, LiveCached, LiveFlow, LiveTags, Opened, Packet, Replace,
    Resolved, Tables,
    flow::quote::{Quote, pulled},
    lookup4, lookup6, parse, resolve,
};
use crate::{
    abi::{Flow, FlowKey4, FlowKey6, Nic, Roots, RuleEntry},
    types::{Addr, NicId, TableId, V4, V6},
    wire::{
        ETHERNET_LEN, Ipv4, Ipv6, ROUTER_LINK_LOCAL, ethertype, icmp_type, icmpv6_type, protocol,
    },
};

/// Where health probes come from over IPv4; over IPv6 it is the virtual router's own address.
const PROBER_V4: V4 = V4::new([168, 63, 129, 16]);

/// An address of one family.
pub trait Address: Copy + PartialEq + Into<Addr> + Replace {
    /// Ethernet type of the family's packets.
    const ETHERTYPE: u16;
    /// Whether this is IPv6.
    const IS_V6: bool = Self::ETHERTYPE == ethertype::IPV6;
    /// UDP source port of a DHCP server (RFC 2131, RFC 8415).
    const DHCP_SERVER: u16;
    /// IP protocol of the family's ICMP.
    const ICMP: u8;
    /// Where the transport header is in a frame without options and extension headers.
    const TRANSPORT: usize;
    /// Key of a flow.
    type Key: Copy + PartialEq;

    /// The NIC's first address of this family, zeros if it has none.
    fn primary(nic: &Nic) -> Self;

    /// Whether the address is all zeros.
    fn is_unspecified(self) -> bool;

    /// Whether the address is multicast or the limited broadcast address.
    fn is_group(self) -> bool;

    /// Whether the address is link-local, which no router forwards (RFC 3927 §2.7, RFC 4291 §2.5.6).
    fn is_link_local(self) -> bool;

    /// Whether health probes come from the address.
    fn is_prober(self) -> bool;

    /// Longest prefix match in a pair of tries.
    fn lookup<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32>;

    /// The same, never by a call.
    fn lookup_inline<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32>;

    /// Follows effective routes to the NIC that a packet is handed to, see [`resolve()`].
    fn resolve<T: Tables>(self, tables: &T, table: TableId, sender: NicId, flow: u32) -> Resolved;

    /// 32 bits of the address that differ between neighbours.
    fn hash(self) -> u32;

    /// Whether an ICMP message of this type asks for an answer, so that it opens a flow.
    fn is_request(kind: u32) -> bool;

    /// Whether an ICMP message of this type is an error, which quotes the packet that it is about.
    fn is_error(kind: u32) -> bool;

    /// The IP header that an ICMP error quotes at `at`, without extension headers and of no later
    /// fragment.
    fn quote<P: Packet>(p: &mut P, at: usize) -> Option<Quote<Self>>;

    /// Parses a whole TCP segment or UDP datagram without options and extension headers, and nothing
    /// else.
    fn plain<P: Packet>(p: &P) -> Option<Headers<Self>>;

    /// Lowers the hop limit of a packet by one; `None` if that would make it zero.
    fn lower_hop_limit<P: Packet>(p: &mut P) -> Option<()>;

    /// Key of a flow; ports and NIC as in [`FlowKey4`].
    fn key(local: Self, remote: Self, ports: u32, nic_protocol: u32) -> Self::Key;

    /// Hash of a key for the flow cache.
    fn key_hash(key: &Self::Key) -> u32;

    /// Looks a flow up.
    fn flow<T: Tables>(tables: &T, key: Self::Key) -> Option<&LiveFlow>;

    /// Keeps a flow that is not there yet.
    fn open_flow<T: Tables>(tables: &T, key: Self::Key, flow: Flow) -> Opened;

    /// An entry of a set of the flow cache.
    fn cached<T: Tables>(tables: &T, set: u32, way: u32) -> Option<&LiveCached<Self::Key>>;

    /// Tags of a set of the flow cache, and of its neighbours.
    fn tags<T: Tables>(tables: &T, set: u32) -> Option<&LiveTags>;

    /// Asks the flow table.
    fn admit<T: Tables>(tables: &T, query: &FlowQuery<Self>) -> Admission;

    /// Keeps what a first fragment tells about the others.
    fn keep_fragment<T: Tables>(tables: &T, query: &FlowQuery<Self>, id: u32);

    /// Asks a policy.
    fn classify<T: Tables>(
        tables: &T,
        index: u32,
        query: &FlowQuery<Self>,
        case: Case,
    ) -> RuleEntry;
}

impl Address for V4 {
    const ETHERTYPE: u16 = ethertype::IPV4;
    const DHCP_SERVER: u16 = 67;
    const ICMP: u8 = protocol::ICMP;
    const TRANSPORT: usize = ETHERNET_LEN + Ipv4::LEN;
    type Key = FlowKey4;

    #[inline(always)]
    fn primary(nic: &Nic) -> Self {
        Self::new(nic.ipv4)
    }

    #[inline(always)]
    fn is_unspecified(self) -> bool {
        self == Self::UNSPECIFIED
    }

    #[inline(always)]
    fn is_group(self) -> bool {
        self.bits() >> 28 == 0xe || self.bits() == u32::MAX
    }

    #[inline(always)]
    fn is_link_local(self) -> bool {
        self.bits() >> 16 == 0xa9fe
    }

    #[inline(always)]
    fn is_prober(self) -> bool {
        self == PROBER_V4
    }

    #[inline(always)]
    fn lookup<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32> {
        lookup4(tables, roots.v4, self)
    }

    #[inline(always)]
    fn lookup_inline<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32> {
        lookup4(tables, roots.v4, self)
    }

    #[inline(always)]
    fn resolve<T: Tables>(self, tables: &T, table: TableId, sender: NicId, flow: u32) -> Resolved {
        resolve(tables, table, sender, self, flow)
    }

    #[inline(always)]
    fn hash(self) -> u32 {
        self.bits()
    }

    #[inline(always)]
    fn is_request(kind: u32) -> bool {
        matches!(
            (kind & 0xff) as u8,
            icmp_type::ECHO
                | icmp_type::TIMESTAMP
                | icmp_type::INFORMATION
                | icmp_type::ADDRESS_MASK
        )
    }

    #[inline(always)]
    fn is_error(kind: u32) -> bool {
        matches!(
            (kind & 0xff) as u8,
            icmp_type::DESTINATION_UNREACHABLE
                | icmp_type::SOURCE_QUENCH
                | icmp_type::TIME_EXCEEDED
                | icmp_type::PARAMETER_PROBLEM
        )
    }

    #[inline(always)]
    fn quote<P: Packet>(p: &mut P, at: usize) -> Option<Quote<Self>> {
        let ip = pulled::<Ipv4, P>(p, at)?;
        let whole =
            ip.version_ihl >> 4 == 4 && ip.header_len() >= Ipv4::LEN && !ip.is_later_fragment();
        whole.then_some(Quote {
            src: ip.src,
            dst: ip.dst,
            protocol: ip.protocol,
            transport: at + ip.header_len(),
        })
    }

    #[inline(always)]
    fn plain<P: Packet>(p: &P) -> Option<Headers<Self>> {
        parse::plain_v4(p)
    }

    #[inline(always)]
    fn lower_hop_limit<P: Packet>(p: &mut P) -> Option<()> {
        p.get_mut::<Ipv4>(ETHERNET_LEN)?.lower_ttl()
    }

    #[inline(always)]
    fn key(local: Self, remote: Self, ports: u32, nic_protocol: u32) -> FlowKey4 {
        FlowKey4 { local: local.wire(), remote: remote.wire(), ports, nic_protocol }
    }

    #[inline(always)]
    fn key_hash(key: &FlowKey4) -> u32 {
        let addresses = u64::from(key.local) << 32 | u64::from(key.remote);
        resolve::mix(addresses, u64::from(key.ports) << 32 | u64::from(key.nic_protocol))
    }

    #[inline(always)]
    fn flow<T: Tables>(tables: &T, key: FlowKey4) -> Option<&LiveFlow> {
        tables.flow4(key)
    }

    #[inline(always)]
    fn open_flow<T: Tables>(tables: &T, key: FlowKey4, flow: Flow) -> Opened {
        tables.open_flow4(key, flow)
    }

    #[inline(always)]
    fn cached<T: Tables>(tables: &T, set: u32, way: u32) -> Option<&LiveCached<FlowKey4>> {
        tables.cached4(set, way)
    }

    #[inline(always)]
    fn tags<T: Tables>(tables: &T, set: u32) -> Option<&LiveTags> {
        tables.tags4(set)
    }

    #[inline(always)]
    fn admit<T: Tables>(tables: &T, query: &FlowQuery<Self>) -> Admission {
        tables.admit4(query)
    }

    #[inline(always)]
    fn keep_fragment<T: Tables>(tables: &T, query: &FlowQuery<Self>, id: u32) {
        tables.keep_fragment4(query, id);
    }

    #[inline(always)]
    fn classify<T: Tables>(
        tables: &T,
        index: u32,
        query: &FlowQuery<Self>,
        case: Case,
    ) -> RuleEntry {
        tables.classify4(index, query, case)
    }
}

impl Address for V6 {
    const ETHERTYPE: u16 = ethertype::IPV6;
    const DHCP_SERVER: u16 = 547;
    const ICMP: u8 = protocol::ICMPV6;
    const TRANSPORT: usize = ETHERNET_LEN + Ipv6::LEN;
    type Key = FlowKey6;

    #[inline(always)]
    fn primary(nic: &Nic) -> Self {
        Self::new(nic.ipv6)
    }

    #[inline(always)]
    fn is_unspecified(self) -> bool {
        self == Self::UNSPECIFIED
    }

    #[inline(always)]
    fn is_group(self) -> bool {
        self.halves()[0] >> 56 == 0xff
    }

    #[inline(always)]
    fn is_link_local(self) -> bool {
        Self::is_link_local(self)
    }

    #[inline(always)]
    fn is_prober(self) -> bool {
        self == ROUTER_LINK_LOCAL
    }

    #[inline(always)]
    fn lookup<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32> {
        tables.lookup6(roots.v6, self)
    }

    #[inline(always)]
    fn lookup_inline<T: Tables>(self, tables: &T, roots: &Roots) -> Option<u32> {
        lookup6(tables, roots.v6, self)
    }

    #[inline(always)]
    fn resolve<T: Tables>(self, tables: &T, table: TableId, sender: NicId, flow: u32) -> Resolved {
        tables.resolve6(table, sender, self, flow)
    }

    #[inline(always)]
    fn hash(self) -> u32 {
        let [high, low] = self.halves();
        let half = high ^ low;
        (half >> 32) as u32 ^ (half & 0xffff_ffff) as u32
    }

    #[inline(always)]
    fn is_request(kind: u32) -> bool {
        kind == u32::from(icmpv6_type::ECHO)
    }

    #[inline(always)]
    fn is_error(kind: u32) -> bool {
        (icmpv6_type::DESTINATION_UNREACHABLE..=icmpv6_type::PARAMETER_PROBLEM)
            .contains(&((kind & 0xff) as u8))
    }

    #[inline(always)]
    fn quote<P: Packet>(p: &mut P, at: usize) -> Option<Quote<Self>> {
        let ip = pulled::<Ipv6, P>(p, at)?;
        (ip.version_class_flow.get() >> 28 == 6).then_some(Quote {
            src: ip.src,
            dst: ip.dst,
            protocol: ip.next_header,
            transport: at + Ipv6::LEN,
        })
    }

    #[inline(always)]
    fn plain<P: Packet>(p: &P) -> Option<Headers<Self>> {
        parse::plain_v6(p)
    }

    #[inline(always)]
    fn lower_hop_limit<P: Packet>(p: &mut P) -> Option<()> {
        p.get_mut::<Ipv6>(ETHERNET_LEN)?.lower_hop_limit()
    }

    #[inline(always)]
    fn key(local: Self, remote: Self, ports: u32, nic_protocol: u32) -> FlowKey6 {
        FlowKey6 { local: local.into(), remote: remote.into(), ports, nic_protocol }
    }

    #[inline(always)]
    fn key_hash(key: &FlowKey6) -> u32 {
        let [local, remote] = [key.local.words(), key.remote.words()];
        let high = local[0] ^ remote[0].rotate_left(32);
        let low = local[1] ^ remote[1].rotate_left(29);
        let rest = u64::from(key.ports) << 32 | u64::from(key.nic_protocol);
        resolve::mix(high ^ low.rotate_left(17), rest ^ low)
    }

    #[inline(always)]
    fn flow<T: Tables>(tables: &T, key: FlowKey6) -> Option<&LiveFlow> {
        tables.flow6(key)
    }

    #[inline(always)]
    fn open_flow<T: Tables>(tables: &T, key: FlowKey6, flow: Flow) -> Opened {
        tables.open_flow6(key, flow)
    }

    #[inline(always)]
    fn cached<T: Tables>(tables: &T, set: u32, way: u32) -> Option<&LiveCached<FlowKey6>> {
        tables.cached6(set, way)
    }

    #[inline(always)]
    fn tags<T: Tables>(tables: &T, set: u32) -> Option<&LiveTags> {
        tables.tags6(set)
    }

    #[inline(always)]
    fn admit<T: Tables>(tables: &T, query: &FlowQuery<Self>) -> Admission {
        tables.admit6(query)
    }

    #[inline(always)]
    fn keep_fragment<T: Tables>(tables: &T, query: &FlowQuery<Self>, id: u32) {
        tables.keep_fragment6(query, id);
    }

    #[inline(always)]
    fn classify<T: Tables>(
        tables: &T,
        index: u32,
        query: &FlowQuery<Self>,
        case: Case,
    ) -> RuleEntry {
        tables.classify6(index, query, case)
    }
}
