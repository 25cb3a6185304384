//! The layout of every map, byte by byte, as a text that is kept: it may change only with
//! `ABI_VERSION`, which is part of the pin path.
//!
//! `VNETPEER_UPDATE_SNAPSHOT=1` writes the text anew.

use std::{env, fmt::Write as _, fs, mem::offset_of, path::PathBuf};

use aya_obj::{Object, maps::Map};
use vnetpeer_common::{
    abi::{
        ABI_VERSION, Action, AddressKey, Balancer, CACHE_WAYS, CacheTags, Cached4, Cached6,
        Classifier, Config, DROP_REASONS_MAX, DropCounter, Event, FRAGMENT_BUCKETS, Filter, Flow,
        FlowKey4, FlowKey6, FlowsEnded, FlowsOpened, Fragmented, FrontendKey, Link, Meter, NextHop,
        Nic, Node4, Node6, RULES_MAX, RelationKey, Roots, Row, RuleEntry, STAGES, StreamEnds,
        TRIE_FANOUT, Vnet, Vtep, Watch, address_class, balancer_flags, distribution, event_flags,
        filter_flags, link_flags, maps, next_hop_kind, next_program, nic_flags, protocol_class,
        stage, vnet_flags, vtep_flags,
    },
    reason::DropReason,
    types::RuleId,
};
use vnetpeer_tests::object;

/// Writes size and alignment of a type and the offset of each field.
macro_rules! layout {
    ($text:ident, $type:ident: $($field:ident)*) => {
        let _ = writeln!(
            $text,
            "{} size {} align {}",
            stringify!($type),
            size_of::<$type>(),
            align_of::<$type>()
        );
        $(let _ = writeln!($text, "  {:<16} {}", stringify!($field), offset_of!($type, $field));)*
        // Fails to compile when a field is added and not listed.
        let _ = |it: $type| { let $type { $($field: _),* } = it; };
    };
}

/// Writes the bits of a flag word or the values of a kind.
macro_rules! numbers {
    ($text:ident, $module:ident: $($name:ident)*) => {
        let _ = writeln!($text, "{}", stringify!($module));
        $(let _ = writeln!($text, "  {:<16} {:#x}", stringify!($name), $module::$name);)*
    };
}

fn types() -> String {
    let mut text = format!("ABI_VERSION {ABI_VERSION}\n\n");
    layout!(text, Config: vtep event_mask tick_rate epoch cache_mask reserved);
    layout!(
        text,
        Nic: flags vnet vtep table ifindex slot mac mtu ipv4 gateway_ipv4 ipv6 epoch shaper
    );
    layout!(text, Vnet: flags region group_links endpoints peers);
    layout!(text, Roots: v4 v6);
    layout!(text, Node4: children);
    layout!(text, Node6: prefix mask fallback word shift reserved children);
    layout!(text, NextHop: kind class target link reverse);
    layout!(text, Link: flags vnet remote reverse);
    layout!(text, RelationKey: vnet remote);
    layout!(text, FrontendKey: frontend port protocol reserved);
    layout!(
        text,
        Balancer: flags distribution frontend slots frontend_port backend_port reserved
    );
    layout!(text, Vtep: flags ifindex local remote src_mac dst_mac mtu reserved other reserved2);
    layout!(text, AddressKey: addr nic reserved);
    layout!(text, Meter: egress_packets egress_bytes ingress_packets ingress_bytes);
    layout!(text, DropCounter: packets bytes);
    layout!(
        text,
        Event: time nic source_nic reason link len protocol stages src_port dst_port flags rule src
        dst frame_len captured
    );
    layout!(text, StreamEnds: written reserved1 read reserved2);
    layout!(
        text,
        Watch: stages by_packet reasons nic vnet link reverse protocol port address mask snap
        reserved
    );
    numbers!(text, stage: DROPPED OPENED SENT ROUTED ENCAPSULATED DELIVERED);
    numbers!(text, event_flags: SAMPLED WATCHED);
    security_types(&mut text);
    text.push('\n');
    numbers!(
        text,
        nic_flags: PRESENT FORWARDING MORE_ADDRESSES DELIVER_PEER DELIVER_XDP GATEWAY FRONTEND BASIC
    );
    numbers!(text, balancer_flags: PRESENT FLOATING);
    numbers!(text, distribution: DEFAULT SOURCE_IP SOURCE_IP_PROTOCOL);
    numbers!(text, vnet_flags: HOSTED);
    numbers!(
        text,
        link_flags: CONNECTED ALLOW_ACCESS ALLOW_FORWARDED USE_REMOTE_GATEWAYS GLOBAL CONNECTED_GROUP
    );
    numbers!(text, vtep_flags: PRESENT RESOLVED IPV6 TRANSMIT_XDP);
    numbers!(text, next_hop_kind: NONE VNET NIC UNREACHABLE NO_UPLINK SPREAD CONNECTED_GROUP);
    let _ = writeln!(text, "TRIE_FANOUT {TRIE_FANOUT}\nDROP_REASONS_MAX {DROP_REASONS_MAX}\n");
    for reason in DropReason::ALL {
        let _ = writeln!(text, "reason {:>2} {}", reason.number(), reason.name());
    }
    text
}

/// Policies and flows.
fn security_types(text: &mut String) {
    layout!(text, Row: summary words);
    layout!(text, Classifier: source destination source_port destination_port kinds rules);
    layout!(
        text,
        Filter: outbound inbound flags generation idle_timeout flows_max half_open_max reserved
    );
    layout!(text, FlowKey4: local remote ports nic_protocol);
    layout!(text, FlowKey6: local remote ports nic_protocol);
    layout!(
        text,
        Flow: last_seen opened rules generation inbound protocol reserved replied closed_by_opener
        closed_by_other reset backend balancer
    );
    layout!(text, FlowsOpened: opened replied);
    layout!(text, FlowsEnded: ended half_open);
    layout!(text, Fragmented: src dst seen id ports protocol reserved);
    layout!(
        text,
        Action: epoch link computed reverse target via detail mac mtu flags source
    );
    layout!(text, Cached4: key action);
    layout!(text, Cached6: key action reserved);
    layout!(text, CacheTags: sets);
    numbers!(text, protocol_class: TCP UDP ICMP ESP AH OTHER COUNT);
    numbers!(text, address_class: NEITHER VIRTUAL_NETWORK INTERNET COUNT);
    numbers!(text, filter_flags: LOOSE_TCP);
    numbers!(text, next_program: OTHER IPV6);
    let rule = [RuleEntry::deny, RuleEntry::allow, RuleEntry::always_allow];
    for (name, entry) in ["deny", "allow", "always_allow"].into_iter().zip(rule) {
        let _ = writeln!(text, "rule {name:<13} {:#x}", entry(RuleId(1)).bits());
    }
    let _ = writeln!(
        text,
        "RULES_MAX {RULES_MAX} STAGES {STAGES} FRAGMENT_BUCKETS {FRAGMENT_BUCKETS} CACHE_WAYS \
         {CACHE_WAYS}"
    );
}

/// Whether the map holds the compiler's constants, which belong to one object and to no ABI.
fn is_constants(name: &str) -> bool {
    name.starts_with('.')
}

/// Type, key and value of each map in the object.
fn maps_of(object: &Object) -> String {
    let mut lines: Vec<String> = object
        .maps
        .iter()
        .filter(|(name, _)| !is_constants(name))
        .map(|(name, map): (&String, &Map)| {
            let (kind, key, value) = (map.map_type(), map.key_size(), map.value_size());
            format!("map {name:<12} type {kind:>2} key {key:>2} value {value:>4}\n")
        })
        .collect();
    lines.sort();
    lines.concat()
}

#[test]
fn layout_is_that_of_the_abi_version() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/map_abi.txt");
    let object = Object::parse(&object::programs()).unwrap();
    let now = format!("{}\n{}", types(), maps_of(&object));
    if env::var_os("VNETPEER_UPDATE_SNAPSHOT").is_some() {
        fs::write(&path, &now).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    let differs = now.lines().zip(kept.lines()).find(|(now, kept)| now != kept);
    assert!(
        now == kept,
        "the layout differs from {}: {differs:?}\nIf it must, raise ABI_VERSION and write the file \
         with VNETPEER_UPDATE_SNAPSHOT=1.",
        path.display()
    );
}

#[test]
fn names_fit_the_kernel_and_are_those_of_the_object() {
    let names = [
        maps::IFACES,
        maps::NICS,
        maps::VNETS,
        maps::ROUTES,
        maps::TRIE_V4,
        maps::TRIE_V6,
        maps::NEXT_HOPS,
        maps::LINKS,
        maps::RELATIONS,
        maps::FRONTENDS,
        maps::BALANCERS,
        maps::TURNS,
        maps::VTEPS,
        maps::VTEP_ADDRS,
        maps::NIC_ADDRS,
        maps::CONFIG,
        maps::METERS,
        maps::DROPS,
        maps::EVENTS,
        maps::EVENTS_LOST,
        maps::STREAM,
        maps::STREAM_ENDS,
        maps::WATCH,
        maps::CAPTURED,
        maps::FILTERS,
        maps::POLICIES,
        maps::CLASSIFIERS,
        maps::ROWS,
        maps::RULE_HITS,
        maps::FLOWS_V4,
        maps::FLOWS_V6,
        maps::FLOWS_OPENED,
        maps::FLOWS_ENDED,
        maps::CACHE_V4,
        maps::CACHE_V6,
        maps::CACHE_TAGS_V4,
        maps::CACHE_TAGS_V6,
        maps::FRAGMENTS,
        maps::NEXT_TC,
        maps::NEXT_XDP,
        maps::CLOCK,
        maps::SCRATCH,
    ];
    let object = Object::parse(&object::programs()).unwrap();
    for name in names {
        assert!(name.len() <= 15, "{name}: the kernel keeps 15 bytes");
        assert!(object.maps.contains_key(name), "{name} is not in the object");
    }
    assert_eq!(object.maps.keys().filter(|name| !is_constants(name)).count(), names.len());
}
