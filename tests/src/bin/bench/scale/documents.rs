//! A hub and its spokes.

use std::fmt::Write as _;

/// The host that is compiled.
pub(super) const HOST: &str = "host-a";

/// One NIC of every VNet is on each of these.
const HOSTS: [&str; 10] = [
    HOST, "host-b", "host-c", "host-d", "host-e", "host-f", "host-g", "host-h", "host-i", "host-j",
];

/// A VNet that is peered with `spokes` others, each with a NIC on every host.
#[derive(Clone, Copy)]
pub(super) struct Hub {
    pub(super) spokes: usize,
    /// A spoke with a second prefix.
    pub(super) resized: Option<usize>,
}

impl Hub {
    /// The document.
    pub(super) fn text(self) -> String {
        let mut text = "deployment: {name: bench}\nvirtualNetworks:\n".to_owned();
        for number in 0..=self.spokes {
            let (high, low) = (number / 256, number % 256);
            let more = if self.resized == Some(number) { ", 10.200.0.0/16" } else { "" };
            let _ = writeln!(
                text,
                "  - name: {}\n    properties:\n      addressSpace: {{addressPrefixes: \
                 [10.{high}.{low}.0/24{more}]}}\n      subnets:\n        - name: own\n          \
                 properties: {{addressPrefixes: [10.{high}.{low}.0/26]}}",
                name(number)
            );
        }
        text.push_str("virtualNetworkPeerings:\n");
        for number in 1..=self.spokes {
            for (from, to) in [(0, number), (number, 0)] {
                let _ = writeln!(
                    text,
                    "  - name: {}/to-{to}\n    properties:\n      remoteVirtualNetwork: {{id: {to}}}\n      \
                     allowForwardedTraffic: true",
                    name(from),
                    to = name(to)
                );
            }
        }
        text.push_str("networkInterfaces:\n");
        for number in 0..=self.spokes {
            for host in 0..HOSTS.len() {
                let (high, low) = (number / 256, number % 256);
                let _ = writeln!(
                    text,
                    "  - name: nic-{number}-{host}\n    properties:\n      ipConfigurations:\n        - \
                     name: v4\n          properties:\n            subnet: {{id: {}/own}}\n            \
                     privateIPAddress: 10.{high}.{low}.{}",
                    name(number),
                    host + 4
                );
            }
        }
        text.push_str("hosts:\n");
        for (host, host_name) in HOSTS.iter().enumerate() {
            let _ = writeln!(
                text,
                "  - name: {host_name}\n    underlay: {{interface: eth0, addresses: [192.0.2.{}]}}\n    \
                 networkInterfaces:",
                host + 1
            );
            for number in 0..=self.spokes {
                let _ =
                    writeln!(text, "      - {{name: nic-{number}-{host}, interface: vm{number}}}");
            }
        }
        text
    }
}

fn name(number: usize) -> String {
    if number == 0 { "hub".to_owned() } else { format!("spoke-{number}") }
}
