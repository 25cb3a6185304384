//! Hosts, their interfaces, and where network interfaces live.

use super::{expect, loaded};
use crate::document::Code;

#[test]
fn every_nic_lives_on_one_host() {
    expect(&[("[{name: web1}]", "[]")], &[(Code::NetworkInterfaceNotPlaced, "web1")]);
    expect(
        &[("{name: web1}", "{name: web1}, {name: nva}")],
        &[(Code::NetworkInterfacePlacedTwice, "nva")],
    );
    // One mistake: the name is wrong, so the network interface seems to be nowhere.
    expect(&[("{name: web1}", "{name: web2}")], &[(Code::InvalidResourceReference, "web2")]);
}

#[test]
fn document_without_hosts_is_one_mistake() {
    let text = super::BASE.split("hosts:").next().unwrap();
    let seen: Vec<Code> = super::mistakes(text).into_iter().map(|(code, _)| code).collect();
    assert_eq!(seen, [Code::NetworkInterfaceNotPlaced]);
}

#[test]
fn underlay_addresses() {
    expect(&[("192.0.2.2", "192.0.2.1")], &[(Code::InvalidUnderlayAddress, "192.0.2.1")]);
    expect(
        &[("[192.0.2.2]", "[192.0.2.2, 192.0.2.3]")],
        &[(Code::InvalidUnderlayAddress, "192.0.2.3")],
    );
    expect(&[("[192.0.2.2]", "[]")], &[(Code::MissingProperty, "[]")]);
    for bad in [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "169.254.0.1",
        "\"::1\"",
        "\"fe80::1\"",
        "\"ff02::1\"",
    ] {
        let with = format!("[192.0.2.1, {bad}]");
        let changes = [("[192.0.2.1, \"2001:db8::1\"]", with.as_str())];
        let seen = super::mistakes(&super::changed(&changes));
        assert!(seen.contains(&(Code::InvalidUnderlayAddress, bad.to_owned())), "{bad}: {seen:?}");
    }
}

#[test]
fn every_two_hosts_share_a_family() {
    expect(
        &[("[192.0.2.1, \"2001:db8::1\"]", "[\"2001:db8::1\"]")],
        &[(Code::NoCommonUnderlayFamily, "host-a")],
    );
}

#[test]
fn host_names() {
    expect(&[("- name: host-b", "- name: host-a")], &[(Code::DuplicateResource, "host-a")]);
    expect(&[("- name: host-b", "- name: host b")], &[(Code::InvalidResourceName, "host b")]);
}

#[test]
fn interface_names() {
    let long = "interface-number-16";
    expect(
        &[("interface: tap0", &format!("interface: {long}"))],
        &[(Code::InvalidPropertyValue, long)],
    );
    expect(&[("interface: tap0", "interface: ta/p")], &[(Code::InvalidPropertyValue, "ta/p")]);
    expect(&[("interface: tap0", "interface: lo")], &[(Code::InvalidPropertyValue, "lo")]);
    expect(&[("interface: tap0", "interface: eth0")], &[(Code::InterfaceInUse, "eth0")]);
    expect(
        &[("interface: tap0", "interface: tap0, mode: fast")],
        &[(Code::InvalidPropertyValue, "fast")],
    );
}

#[test]
fn interface_name_is_made_from_the_nics_name() {
    let rename = |name: &str| -> String {
        let changes = [
            ("- name: web1", format!("- name: {name}")),
            ("{name: web1}", format!("{{name: {name}}}")),
        ];
        let changes = changes.each_ref().map(|(from, to)| (*from, to.as_str()));
        loaded(&changes).topology.nics[0].interface.clone()
    };
    assert_eq!(rename("web1"), "web1");
    assert_eq!(rename("exactly-15-long"), "exactly-15-long");
    let long = rename("one-that-is-too-long");
    assert!(long.starts_with("one-that-i-") && long.len() == 15, "{long}");
    assert_ne!(long, rename("one-that-is-too-long-as-well"));
    // Names that the host needs for something else.
    for taken in ["eth0", "lo"] {
        let name = rename(taken);
        assert!(name != taken && name.starts_with(taken), "{name}");
    }
}

#[test]
fn same_name_on_one_host_gives_two_interfaces() {
    let twin = "  - name: web1
    resourceGroup: second
    properties:
      ipConfigurations: [{name: ipv4, properties: {subnet: {id: hub/web}}}]
routeTables:";
    let id = |group: &str| {
        format!(
            "{{name: /subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/{group}/providers/Microsoft.Network/networkInterfaces/web1}}"
        )
    };
    let placed = format!("{}, {}", id("vnetpeer"), id("second"));
    let loaded = loaded(&[("routeTables:", twin), ("{name: web1}", &placed)]);
    let nics = &loaded.topology.nics;
    assert_ne!(nics[0].interface, nics[2].interface);
    assert!(nics[0].interface.starts_with("web1-") && nics[2].interface.starts_with("web1-"));
}

#[test]
fn outbound_bandwidth() {
    let placed = |more: &str| format!("{{name: web1{more}}}");
    let limit = |more: &str| {
        let loaded = loaded(&[("{name: web1}", &placed(more))]);
        loaded.topology.nics[0].outbound_bits_per_second
    };
    assert_eq!(limit(""), None);
    assert_eq!(limit(", outboundBandwidthMbps: 1"), Some(1_000_000));
    assert_eq!(limit(", outboundBandwidthMbps: 400000, mode: tc"), Some(400_000_000_000));
    for bad in ["0", "400001", "-1", "1.5"] {
        let text = placed(&format!(", outboundBandwidthMbps: {bad}"));
        expect(&[("{name: web1}", &text)], &[(Code::InvalidPropertyValue, bad)]);
    }
    // XDP cannot let packets wait.
    let text = placed(", mode: xdp, outboundBandwidthMbps: 500");
    expect(&[("{name: web1}", &text)], &[(Code::ConflictingProperties, "500")]);
}

#[test]
fn uplinks() {
    let host = "networkInterfaces: [{name: web1}]";
    let with = |uplinks: &str| format!("{host}\n    internetUplinks: [{uplinks}]");
    let one = "{virtualNetwork: hub, interface: wan0, macAddress: 00-0D-3A-00-00-01}";
    let loaded = loaded(&[(host, &with(one))]);
    let uplink = &loaded.topology.hosts[0].uplinks[0];
    assert_eq!((uplink.vnet.0, uplink.interface.as_str()), (0, "wan0"));
    assert!(uplink.id.as_str().ends_with("/virtualNetworks/hub/internetUplinks/host-a"));

    let two = one.replace("wan0", "wan1");
    expect(&[(host, &with(&format!("{one}, {two}")))], &[(Code::DuplicateUplink, "hub")]);
    expect(
        &[(host, &with(&one.replace("hub", "hup")))],
        &[(Code::InvalidResourceReference, "hup")],
    );
    expect(&[(host, &with(&one.replace("wan0", "eth0")))], &[(Code::InterfaceInUse, "eth0")]);
    let nameless = "{virtualNetwork: hub, interface: wan0}";
    expect(&[(host, &with(nameless))], &[(Code::MissingProperty, nameless)]);
}
