//! Documents of tests, in a shorter form than YAML.

use std::fmt::Write as _;

/// A NIC: name, VNet, last part of its addresses, host, mode.
#[derive(Clone, Copy, Debug)]
pub struct NicOf(pub &'static str, pub &'static str, pub u8, pub &'static str, pub &'static str);

/// A deployment of VNets `red`, `green` and `blue`, which have `10.1.0.0/16`, `10.2.0.0/16` and
/// `10.3.0.0/16`, likewise `fd00:1::/48` and so on, with one subnet each.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Whether the backbone is wire-like.
    pub wire: bool,
    /// The NICs.
    pub nics: Vec<NicOf>,
    /// Pairs of VNets that are peered both ways.
    pub peered: Vec<(&'static str, &'static str)>,
}

const VNETS: [&str; 3] = ["red", "green", "blue"];
const HOSTS: [&str; 2] = ["host-a", "host-b"];

impl Spec {
    /// Red and blue on two hosts, peered: `red1`, `blue1` on the first, `red2`, `blue2` on the other.
    pub fn pair(mode: &'static str, wire: bool) -> Self {
        Self {
            wire,
            nics: vec![
                NicOf("red1", "red", 4, "host-a", mode),
                NicOf("blue1", "blue", 4, "host-a", mode),
                NicOf("red2", "red", 5, "host-b", mode),
                NicOf("blue2", "blue", 5, "host-b", mode),
            ],
            peered: vec![("red", "blue")],
        }
    }

    /// The document.
    pub fn yaml(&self) -> String {
        let mut text =
            format!("deployment: {{name: test, wire: {}}}\nvirtualNetworks:\n", self.wire);
        for (number, name) in (1..).zip(VNETS) {
            let _ = writeln!(
                text,
                "  - name: {name}\n    properties:\n      addressSpace: {{addressPrefixes: \
                 [10.{number}.0.0/16, \"fd00:{number}::/48\"]}}\n      subnets:\n        - name: \
                 {name}\n          properties: {{addressPrefixes: [10.{number}.1.0/24, \
                 \"fd00:{number}:0:1::/64\"]}}"
            );
        }
        text.push_str("virtualNetworkPeerings:\n");
        for (a, b) in &self.peered {
            for (from, to) in [(a, b), (b, a)] {
                let _ = writeln!(
                    text,
                    "  - {{name: {from}/to-{to}, properties: {{remoteVirtualNetwork: {{id: {to}}}}}}}"
                );
            }
        }
        text.push_str("networkInterfaces:\n");
        for NicOf(name, vnet, last, ..) in &self.nics {
            let number = VNETS.iter().position(|it| it == vnet).expect("a VNet") + 1;
            let _ = writeln!(text, "  - name: {name}\n    properties:\n      ipConfigurations:");
            for (family, address) in [
                ("v4", format!("10.{number}.1.{last}")),
                ("v6", format!("fd00:{number}:0:1::{last}")),
            ] {
                let _ = writeln!(
                    text,
                    "        - {{name: {family}, properties: {{subnet: {{id: {vnet}}}, \
                     privateIPAddress: \"{address}\"}}}}"
                );
            }
        }
        text.push_str("hosts:\n");
        for (number, host) in (1..).zip(HOSTS) {
            let _ = writeln!(
                text,
                "  - name: {host}\n    underlay: {{interface: eth0, addresses: [192.0.2.{number}, \
                 \"2001:db8::{number}\"]}}\n    networkInterfaces:"
            );
            for NicOf(name, _, _, _, mode) in self.nics.iter().filter(|nic| nic.3 == host) {
                let _ = writeln!(text, "      - {{name: {name}, mode: {mode}}}");
            }
        }
        text
    }
}
