//! What holds for any frame, any address and any table, on the core in host memory.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use vnetpeer_common::{
    checksum,
    datapath::{Address as _, Verdict, lookup4, lookup6},
    types::{Mac, NicId, V4, V6},
};
use vnetpeer_tests::{
    case::Place,
    cases::{HOST1, HOST2, overlay, overlay_mac},
    frame::{Hook, Skb},
    packet::{Packet, Tunnel, checksum_of},
    random::{Frames, seed},
    run::{self, source_port},
    tables::HostTables,
    world::{
        Image, Nodes, Prefixes, TENANT_A_VM1, TENANT_A_VM3, TENANT_B_VM1, TENANT_B_VM2, World,
        linear_scan,
    },
};

/// Runs a property on inputs that follow from the seed of this run.
fn check<S: Strategy>(cases: u32, strategy: &S, property: impl Fn(S::Value) -> Outcome) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed().to_le_bytes());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let outcome = TestRunner::new_with_rng(config, random).run(strategy, property);
    assert!(outcome.is_ok(), "{outcome:?}");
}

type Outcome = Result<(), TestCaseError>;

fn tables() -> HostTables {
    HostTables::new(World::new().image())
}

#[test]
fn any_bytes_are_handled() {
    let tables = tables();
    let hooks = prop_oneof![
        Just(Hook::Xdp),
        (0..3_000_u32, any::<bool>(), 0..80_usize).prop_map(|(gso_size, vlan_tag, linear)| {
            Hook::Tc(Skb { gso_size, vlan_tag, linear: Some(linear) })
        }),
    ];
    let places = prop_oneof![
        Just(Place::Underlay),
        (100..120_u32).prop_map(Place::Workload),
        any::<u32>().prop_map(Place::Workload),
    ];
    let frames = prop::collection::vec(any::<u8>(), 0..200);
    check(20_000, &(hooks, places, frames), |(hook, place, frame)| {
        let run = run::host(&tables, place, hook, &frame);
        let dropped: u64 = run.counters.drops.values().map(|it| it.packets).sum();
        let is_drop = matches!(run.verdict, Verdict::Drop(_));
        prop_assert!(dropped == u64::from(is_drop) || run.verdict == Verdict::Reply);
        Ok(())
    });
}

/// Frames with structure reach what noise does not: every hook, linear or not.
#[test]
fn changed_frames_are_handled_alike_however_they_lie_in_memory() {
    let tables = tables();
    let mut frames = Frames::new(seed());
    for _ in 0..20_000 {
        let (place, bytes) = frames.next(9_000);
        let gso_size = *frames.random().pick(&[0, 0, 1, 1_400]);
        let whole = Skb { gso_size, ..Skb::default() };
        let linear = 14 + frames.random().below(80);
        let apart = Skb { linear: Some(linear), ..whole };
        let one = run::host(&tables, place, Hook::Tc(whole), &bytes);
        let other = run::host(&tables, place, Hook::Tc(apart), &bytes);
        assert_eq!(one.verdict, other.verdict, "{place:?} {linear} {bytes:02x?}");
        assert_eq!(one.bytes, other.bytes, "{place:?} {linear} {bytes:02x?}");
        assert_eq!(one.counters.meters, other.counters.meters, "{place:?} {bytes:02x?}");
    }
}

#[test]
fn decapsulation_undoes_encapsulation() {
    let tables = tables();
    let (from, to) = (TENANT_A_VM1, TENANT_B_VM2);
    // Host 2 as it would see the packet: the other end of the same world.
    let there = HostTables::new(mirrored());
    check(2_000, &(any::<bool>(), any::<u16>(), any::<u16>(), 0..1_300_usize), |input| {
        let (v6, src, dst, len) = input;
        let packet = if v6 { Packet::v6(from.v6, to.v6) } else { Packet::v4(from.v4, to.v4) };
        let src = if matches!(src, 67 | 547) { 1 } else { src };
        let packet = packet.udp(src, dst, len);
        let sent = packet.clone().between(from.mac, Mac::ROUTER).bytes();
        for hook in [Hook::Xdp, Hook::Tc(Skb::default())] {
            let out = run::host(&tables, Place::Workload(from.ifindex()), hook, &sent);
            prop_assert!(matches!(out.verdict, Verdict::Transmit(_)), "{:?}", out.verdict);
            let back = run::host(&there, Place::Underlay, hook, &out.bytes);
            prop_assert!(matches!(back.verdict, Verdict::Deliver(_)), "{:?}", back.verdict);
            let expected = packet.clone().between(Mac::ROUTER, to.mac).bytes();
            prop_assert_eq!(&back.bytes, &expected);
            let egress: u64 = out.counters.meters.values().map(|it| it.egress_bytes).sum();
            let ingress: u64 = back.counters.meters.values().map(|it| it.ingress_bytes).sum();
            prop_assert_eq!((egress, ingress), (packet.len(), packet.len()));
        }
        Ok(())
    });
}

/// The maps of host 2: its machine is local there, this host's is remote.
fn mirrored() -> Image {
    use vnetpeer_tests::world;
    let mut there = World::new();
    let here = there.vteps[&world::HOST2];
    there.config.vtep[0] = here.remote;
    let vtep = there.vtep_mut(world::HOST2);
    (vtep.local, vtep.remote) = (here.remote, here.local);
    there.nic_mut(&TENANT_A_VM1).vtep = world::HOST2;
    let nic = there.nic_mut(&TENANT_B_VM2);
    (nic.vtep, nic.mac) = (vnetpeer_common::types::VtepId::NONE, TENANT_B_VM2.mac);
    (nic.ifindex, nic.mtu) = (7, 1_500);
    there.image()
}

#[test]
fn incremental_checksum_is_the_recomputed_one() {
    let input = (prop::collection::vec(any::<u8>(), 20), 1..5_usize, any::<u32>());
    check(20_000, &input, |(mut bytes, word, new)| {
        bytes[..2].fill(0);
        let before = checksum_of(&[&bytes]);
        let at = 4 * word;
        let old = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        bytes[at..at + 4].copy_from_slice(&new.to_be_bytes());
        let halves = |word: u32| (word >> 16) + (word & 0xffff);
        let updated = checksum::update(before, halves(old), halves(new));
        let recomputed = checksum_of(&[&bytes]);
        // Zero has two forms in ones' complement (RFC 1624 §3); bytes that are all zero have one.
        let equal = updated == recomputed || updated == 0 && recomputed == 0xffff;
        prop_assert!(equal, "{updated:04x} {recomputed:04x}");
        Ok(())
    });
}

#[test]
fn ipv4_lookup_is_a_linear_scan() {
    let prefix = (any::<u32>(), 0..=32_u8, 0..1_000_u32).prop_map(|(bits, len, value)| {
        // Few distinct bytes, so that prefixes nest.
        (IpNet::from(Ipv4Net::new((bits & 0x0303_0303).into(), len).unwrap().trunc()), value)
    });
    check(300, &prop::collection::vec(prefix, 0..40), |prefixes| {
        let prefixes = distinct(prefixes);
        let mut nodes = Nodes::default();
        let root = nodes.add(&prefixes).v4;
        let tables = over(nodes);
        for probe in probes(&prefixes) {
            let IpAddr::V4(address) = probe else { continue };
            let found = lookup4(&tables, root, V4::new(address.octets()));
            prop_assert_eq!(found, linear_scan(&prefixes, probe), "{}", probe);
        }
        Ok(())
    });
}

#[test]
fn ipv6_lookup_is_a_linear_scan() {
    const FEW: u128 = 0x0103_0000_0003_0001_0000_0300_0001_0003;
    let prefix = (any::<u128>(), 0..=128_u8, 0..1_000_u32).prop_map(|(bits, len, value)| {
        (IpNet::from(Ipv6Net::new((bits & FEW).into(), len).unwrap().trunc()), value)
    });
    check(300, &prop::collection::vec(prefix, 0..40), |prefixes| {
        let prefixes = distinct(prefixes);
        let mut nodes = Nodes::default();
        let root = nodes.add(&prefixes).v6;
        let tables = over(nodes);
        for probe in probes(&prefixes) {
            let IpAddr::V6(address) = probe else { continue };
            let found = lookup6(&tables, root, V6::new(address.octets()));
            prop_assert_eq!(found, linear_scan(&prefixes, probe), "{}", probe);
        }
        Ok(())
    });
}

/// One value per prefix.
fn distinct(prefixes: Prefixes) -> Prefixes {
    let map: std::collections::BTreeMap<IpNet, u32> = prefixes.into_iter().collect();
    map.into_iter().collect()
}

/// First and last address of each prefix, and their neighbours outside.
fn probes(prefixes: &Prefixes) -> Vec<IpAddr> {
    let mut probes = Vec::new();
    for (prefix, _) in prefixes {
        match prefix {
            IpNet::V4(net) => {
                let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                let all = [first, last, first.wrapping_sub(1), last.wrapping_add(1)];
                probes.extend(all.map(|bits| IpAddr::from(Ipv4Addr::from_bits(bits))));
            }
            IpNet::V6(net) => {
                let (first, last) = (net.network().to_bits(), net.broadcast().to_bits());
                let all = [first, last, first.wrapping_sub(1), last.wrapping_add(1)];
                probes.extend(all.map(|bits| IpAddr::from(Ipv6Addr::from_bits(bits))));
            }
        }
    }
    probes
}

fn over(nodes: Nodes) -> HostTables {
    HostTables::new(Image {
        trie_v4: (0..).zip(nodes.v4).collect(),
        trie_v6: (0..).zip(nodes.v6).collect(),
        ..Image::default()
    })
}

#[test]
fn source_ports_spread_flows_and_keep_them() {
    let tables = tables();
    let port = |packet: Packet| {
        let sent = packet.between(TENANT_A_VM1.mac, Mac::ROUTER).bytes();
        let place = Place::Workload(TENANT_A_VM1.ifindex());
        source_port(&run::host(&tables, place, Hook::Xdp, &sent).bytes)
    };
    let packet = |src| Packet::v4(TENANT_A_VM1.v4, TENANT_A_VM3.v4).udp(src, 53, 100);
    let ports: std::collections::BTreeSet<u16> =
        (1_000..3_000).map(|src| port(packet(src))).collect();
    assert!(ports.len() > 1_500, "{} ports for 2,000 flows", ports.len());
    assert!(ports.iter().all(|port| *port >= 49_152));
    // All parts of a datagram take one path, whether they show its ports or not.
    let first = packet(4_000).ip4(|ip| {
        ip.fragment = 0x2000;
        ip.part = Some(0..48);
    });
    let last = packet(4_000).ip4(|ip| {
        ip.fragment = 6;
        ip.part = Some(48..108);
    });
    assert_eq!(port(first), port(last));
    let v6 = || Packet::v6(TENANT_A_VM1.v6, TENANT_A_VM3.v6).udp(4_000, 53, 48);
    let (first, last) = (v6().ip6(|ip| ip.fragment(1)), v6().ip6(|ip| ip.fragment(0x30)));
    assert_eq!(port(first), port(last));
}

#[test]
fn usual_packets_need_no_hash_lookup() {
    let tables = tables();
    let (a, b) = (TENANT_A_VM1, TENANT_B_VM1);
    let sent = Packet::v4(a.v4, b.v4).udp(1, 2, 3).between(a.mac, Mac::ROUTER).bytes();
    let inner = Packet::v4(TENANT_A_VM3.v4, a.v4).udp(1, 2, 3);
    let inner = overlay(&TENANT_A_VM3, &a, inner).bytes();
    let received = Tunnel::new(HOST2, HOST1, a.vnet.0).around(&inner).bytes();
    let _sent = run::host(&tables, Place::Workload(a.ifindex()), Hook::Xdp, &sent);
    let _received = run::host(&tables, Place::Underlay, Hook::Xdp, &received);
    assert_eq!(tables.hash_lookups(), 0);
}

#[test]
fn overlay_addresses_are_those_of_the_tests() {
    for id in [1, 0x0103, 0x0102_0304, u32::MAX] {
        assert_eq!(Mac::overlay(NicId(id)), overlay_mac(NicId(id)));
    }
}

/// Flows that differ in one field only, as those of one client to one server do, must not share sets.
#[test]
fn flows_that_differ_little_spread_over_the_cache() {
    const SETS: u32 = 4_096;
    let v4 = |octets: [u8; 4]| V4::new(octets);
    let local = |n: u32| n << 16;
    let v6 = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        V6::new([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d])
    };
    let here = v4([10, 1, 0, 4]);
    let spread = |hash: &dyn Fn(u32) -> u32| {
        let sets: std::collections::BTreeSet<u32> =
            (0..SETS).map(|n| hash(n) & (SETS - 1)).collect();
        sets.len()
    };
    let key = |remote: V4, ports, nic| V4::key_hash(&V4::key(here, remote, ports, nic));
    let key6 = |remote: V6, ports| V6::key_hash(&V6::key(v6(1), remote, ports, 0x106));
    let fields: [(&str, usize); 6] = [
        ("local ports", spread(&|n| key(here, local(n) + 443, 0x106))),
        ("remote ports", spread(&|n| key(here, local(443) + n, 0x106))),
        ("remote addresses", spread(&|n| key(V4::from_bits(n), 443, 0x106))),
        ("NICs", spread(&|n| key(here, 443, n << 8 | 6))),
        ("local ports, IPv6", spread(&|n| key6(v6(2), local(n) + 443))),
        ("remote addresses, IPv6", spread(&|n| key6(v6(n), 443))),
    ];
    for (name, sets) in fields {
        // Random ones would take 63 % of the sets.
        assert!(sets > 2_300, "{name}: {sets} of {SETS} sets");
    }
}
