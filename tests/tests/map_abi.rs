//! The layout of every map, byte by byte, as a text that is kept: it may change only with
//! `ABI_VERSION`, which is part of the pin path.
//!
//! `VNETPEER_UPDATE_SNAPSHOT=1` writes the text anew.

use std::{env, fmt::Write as _, fs, mem::offset_of, path::PathBuf};

use aya_obj::{Object, maps::Map};
use vnetpeer_common::{
    abi::{
        ABI_VERSION, AddressKey, Config, DROP_REASONS_MAX, DropCounter, DropEvent, Link, Meter,
        NextHop, Nic, Node4, Node6, RelationKey, Roots, TRIE_FANOUT, Vnet, Vtep, link_flags, maps,
        next_hop_kind, nic_flags, vnet_flags, vtep_flags,
    },
    reason::DropReason,
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
    layout!(text, Config: vtep event_mask reserved);
    layout!(text, Nic: flags vnet vtep table ifindex slot mac mtu ipv4 gateway_ipv4 ipv6 reserved);
    layout!(text, Vnet: flags reserved endpoints peers);
    layout!(text, Roots: v4 v6);
    layout!(text, Node4: children);
    layout!(text, Node6: prefix mask fallback word shift reserved children);
    layout!(text, NextHop: kind target link reverse);
    layout!(text, Link: flags vnet remote reverse);
    layout!(text, RelationKey: vnet remote);
    layout!(text, Vtep: flags ifindex local remote src_mac dst_mac mtu reserved other reserved2);
    layout!(text, AddressKey: addr nic reserved);
    layout!(text, Meter: egress_packets egress_bytes ingress_packets ingress_bytes);
    layout!(text, DropCounter: packets bytes);
    layout!(
        text,
        DropEvent: jiffies nic source_nic reason link len protocol reserved src_port dst_port
        reserved2 src dst
    );
    text.push('\n');
    numbers!(text, nic_flags: PRESENT FORWARDING MORE_ADDRESSES DELIVER_PEER DELIVER_XDP);
    numbers!(text, vnet_flags: HOSTED);
    numbers!(text, link_flags: CONNECTED ALLOW_ACCESS ALLOW_FORWARDED);
    numbers!(text, vtep_flags: PRESENT RESOLVED IPV6 TRANSMIT_XDP);
    numbers!(text, next_hop_kind: NONE VNET NIC UNREACHABLE NO_UPLINK);
    let _ = writeln!(text, "TRIE_FANOUT {TRIE_FANOUT}\nDROP_REASONS_MAX {DROP_REASONS_MAX}\n");
    for reason in DropReason::ALL {
        let _ = writeln!(text, "reason {:>2} {}", reason.number(), reason.name());
    }
    text
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
        maps::VTEPS,
        maps::VTEP_ADDRS,
        maps::NIC_ADDRS,
        maps::CONFIG,
        maps::METERS,
        maps::DROPS,
        maps::EVENTS,
        maps::EVENTS_LOST,
    ];
    let object = Object::parse(&object::programs()).unwrap();
    for name in names {
        assert!(name.len() <= 15, "{name}: the kernel keeps 15 bytes");
        assert!(object.maps.contains_key(name), "{name} is not in the object");
    }
    assert_eq!(object.maps.keys().filter(|name| !is_constants(name)).count(), names.len());
}
