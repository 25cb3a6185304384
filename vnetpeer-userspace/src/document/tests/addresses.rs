//! Network interfaces and their addresses.

use super::{expect, loaded};
use crate::document::Code;

const NVA: &str = "{subnet: {id: app}, privateIPAddress: 10.1.1.4}";
const WEB6: &str = "{subnet: {id: hub/web}, privateIPAddress: \"fd00:10:0:1::4\"}";

#[test]
fn addresses_must_be_in_the_subnet() {
    expect(
        &[("privateIPAddress: 10.0.1.4", "privateIPAddress: 10.0.2.4")],
        &[(Code::PrivateIPAddressNotInSubnet, "10.0.2.4")],
    );
    expect(
        &[("privateIPAddress: 10.0.1.4", "privateIPAddress: 10.0.1.4/24")],
        &[(Code::InvalidPropertyValue, "10.0.1.4/24")],
    );
    expect(
        &[
            (WEB6, "{subnet: {id: hub/db}, privateIPAddress: \"fd00:10:0:1::4\"}"),
            (
                "{subnet: {id: hub/web}, privateIPAddress: 10.0.1.4}",
                "{subnet: {id: hub/db}, privateIPAddress: 10.0.2.4}",
            ),
        ],
        &[(Code::PrivateIPAddressNotInSubnet, "\"fd00:10:0:1::4\"")],
    );
}

#[test]
fn reserved_addresses() {
    for host in [0, 1, 2, 3, 255] {
        let address = format!("10.0.1.{host}");
        let with = format!("privateIPAddress: {address}");
        expect(
            &[("privateIPAddress: 10.0.1.4", &with)],
            &[(Code::PrivateIPAddressInReservedRange, &address)],
        );
    }
    for address in ["\"fd00:10:0:1::\"", "\"fd00:10:0:1::3\""] {
        expect(
            &[("\"fd00:10:0:1::4\"", address)],
            &[(Code::PrivateIPAddressInReservedRange, address)],
        );
    }
    // IPv6 has no broadcast address.
    expect(&[("fd00:10:0:1::4", "fd00:10:0:1:ffff:ffff:ffff:ffff")], &[]);
}

#[test]
fn taken_addresses() {
    let second = format!(
        "{WEB6}\n        - name: again\n          properties: {{subnet: {{id: hub/web}}, privateIPAddress: 10.0.1.4}}"
    );
    expect(&[(WEB6, &second)], &[(Code::PrivateIPAddressIsAllocated, "10.0.1.4")]);
}

#[test]
fn versions_and_allocation_methods() {
    let with = |more: &str| format!("{{subnet: {{id: app}}, privateIPAddress: 10.1.1.4, {more}}}");
    expect(&[(NVA, &with("privateIPAddressVersion: IPv4"))], &[]);
    expect(
        &[(NVA, &with("privateIPAddressVersion: IPv6"))],
        &[(Code::IpAddressVersionMismatch, "10.1.1.4"), (Code::NextHopNotReachable, "10.1.1.4")],
    );
    expect(
        &[(NVA, &with("privateIPAddressVersion: ipv4"))],
        &[(Code::InvalidPropertyValue, "ipv4")],
    );
    expect(&[(NVA, &with("privateIPAllocationMethod: Static"))], &[]);
    expect(
        &[(NVA, "{subnet: {id: app}, privateIPAllocationMethod: Static}")],
        &[(Code::MissingProperty, "Static"), (Code::NextHopNotReachable, "10.1.1.4")],
    );
}

#[test]
fn dynamic_addresses_are_the_next_free_ones_in_document_order() {
    let three = "{subnet: {id: hub/web}}
        - name: second
          properties: {subnet: {id: hub/web}, privateIPAllocationMethod: Dynamic}
        - name: third
          properties: {subnet: {id: hub/web}, privateIPAddress: 10.0.1.5}
        - name: fourth
          properties: {subnet: {id: hub/web}, privateIPAddressVersion: IPv6}";
    let loaded = loaded(&[("{subnet: {id: hub/web}, privateIPAddress: 10.0.1.4}", three)]);
    let seen: Vec<String> =
        loaded.topology.nics[0].addresses.iter().map(ToString::to_string).collect();
    // .5 is given to the third, so the second gets the next one.
    assert_eq!(seen, ["10.0.1.4", "10.0.1.6", "10.0.1.5", "fd00:10:0:1::5", "fd00:10:0:1::4"]);
}

#[test]
fn full_subnet() {
    let more = |count: usize| -> String {
        (0..count)
            .map(|index| format!("\n        - name: more{index}\n          properties: {{subnet: {{id: hub/db}}}}"))
            .collect::<Vec<_>>()
            .concat()
    };
    let first = "{subnet: {id: hub/db}}";
    let web4 = "{subnet: {id: hub/web}, privateIPAddress: 10.0.1.4}";
    let web6 = format!("\n        - name: ipv6\n          properties: {WEB6}");
    // A /29 has three usable addresses.
    expect(&[(web4, first), (&web6, &more(2))], &[]);
    expect(&[(web4, first), (&web6, &more(3))], &[(Code::SubnetIsFull, "more2")]);
}

#[test]
fn configurations_of_one_nic() {
    expect(
        &[(WEB6, "{subnet: {id: hub/db}}")],
        &[(Code::IpConfigurationsInDifferentSubnets, "hub/db")],
    );
    expect(&[("- name: ipv6", "- name: IPv4")], &[(Code::DuplicateResource, "IPv4")]);
    let none = format!("ipConfigurations:\n        - name: ipv4\n          properties: {NVA}");
    expect(
        &[(&none, "ipConfigurations: []")],
        &[(Code::MissingProperty, "[]"), (Code::NextHopNotReachable, "10.1.1.4")],
    );
}

#[test]
fn exactly_one_primary() {
    let v4 = "privateIPAddress: 10.0.1.4}";
    let v6 = "privateIPAddress: \"fd00:10:0:1::4\"}";
    let with = |text: &str, primary: bool| text.replace('}', &format!(", primary: {primary}}}"));
    expect(
        &[(v4, &with(v4, true)), (v6, &with(v6, true))],
        &[(Code::PrimaryIpConfigurationRequired, "true")],
    );
    expect(
        &[(v4, &with(v4, false)), (v6, &with(v6, false))],
        &[(Code::PrimaryIpConfigurationRequired, "web1")],
    );
    let loaded = loaded(&[(v6, &with(v6, true))]);
    let first = loaded.topology.nics[0].addresses[0];
    assert!(first.is_ipv6(), "the primary address comes first, not {first}");
}

#[test]
fn mac_addresses() {
    let with = |mac: &str| format!("enableIPForwarding: true\n      macAddress: \"{mac}\"");
    for good in ["00-0D-3A-12-34-56", "00:0d:3a:12:34:56", "000D3A123456"] {
        let loaded = loaded(&[("enableIPForwarding: true", &with(good))]);
        let mac = loaded.topology.nics[1].mac.map(|mac| mac.to_string());
        assert_eq!(mac.as_deref(), Some("00:0d:3a:12:34:56"));
    }
    for bad in ["00-0D-3A-12-34", "00-0D:3A-12-34-56", "00-0D-3A-12-34-5G", "+0-0D-3A-12-34-56"] {
        expect(
            &[("enableIPForwarding: true", &with(bad))],
            &[(Code::InvalidPropertyValue, &format!("\"{bad}\""))],
        );
    }
    for bad in ["01-00-5e-00-00-01", "00-00-00-00-00-00", "12:34:56:78:9a:bc"] {
        expect(
            &[("enableIPForwarding: true", &with(bad))],
            &[(Code::InvalidMacAddress, &format!("\"{bad}\""))],
        );
    }
}

#[test]
fn mac_address_is_unique_in_its_vnet() {
    let mac = "macAddress: 00-0D-3A-12-34-56";
    let spoke = format!("enableIPForwarding: true\n      {mac}");
    let twin = format!(
        "  - name: twin
    properties:
      {mac}
      ipConfigurations: [{{name: ipv4, properties: {{subnet: {{id: app}}}}}}]
routeTables:"
    );
    expect(
        &[
            ("enableIPForwarding: true", &spoke),
            ("routeTables:", &twin),
            ("{name: web1}", "{name: web1}, {name: twin}"),
        ],
        &[(Code::InvalidMacAddress, "00-0D-3A-12-34-56")],
    );
}
