//! Labs with real agents: 100 NICs on the first host, 100 peerings, and 200 rules before every NIC.

use std::{fmt::Write as _, net::IpAddr};

use anyhow::{Context as _, Result, bail};
use vnetpeer_common::types::Mac;
use vnetpeer_tests::netns::Deployment;
use vnetpeer_userspace::{lab::netns, topology::compile::guest_mac};

use super::{
    space::Space,
    way::{Direction, End, Way},
};
use crate::harness::At;

/// VNets that the first one is peered with; each has one NIC.
const PEERS: usize = 100;
/// NICs of the peers up to here are on the first host, which has two of the first VNet.
const HERE: usize = 98;
const RULES: usize = 200;

/// A sender, and receivers: in its own VNet and in a peered one on its host, and on the other host.
pub(super) const SENDER: &str = "vm1";
pub(super) const LOCAL: &str = "vm2";
pub(super) const PEERED: &str = "p1";
pub(super) const REMOTE: &str = "p100";

/// Builds a lab.
pub(super) async fn up(at: At, wire: bool) -> Deployment {
    let name = format!("bench-{}", if wire { "wire" } else { hook(at) });
    Deployment::up(&name, &document(at, wire)).await
}

/// From the sender to another NIC, and back.
pub(super) fn way(deployment: &Deployment, at: At, to: &str) -> Result<Way> {
    let sender = Place::find(deployment, SENDER)?;
    let receiver = Place::find(deployment, to)?;
    Ok(Way::new([sender.direction(&receiver), receiver.direction(&sender)], at))
}

/// A workload, and where its cable ends.
struct Place {
    end: End,
    entry: (Space, String),
}

impl Place {
    fn find(deployment: &Deployment, name: &str) -> Result<Self> {
        let lab = &deployment.lab;
        let topology = lab.topology();
        let nic = topology.nics.iter().find(|nic| nic.id.name() == name);
        let nic = nic.with_context(|| format!("no NIC {name}"))?;
        let number = lab.state().nic(&nic.id).with_context(|| format!("no number for {name}"))?;
        let Some(IpAddr::V4(address)) = nic.addresses.first().copied() else {
            bail!("{name} has no IPv4 address")
        };
        let space = Space::open(&netns::path(lab.nic_namespace(name)?))?;
        let host = topology.hosts.get(nic.host.0).context("a NIC on no host")?;
        let host = Space::open(&netns::path(lab.host_namespace(&host.name)?))?;
        Ok(Self {
            end: End { space, mac: guest_mac(nic, number), address },
            entry: (host, nic.interface.clone()),
        })
    }

    fn direction(&self, to: &Self) -> Direction {
        let (from, to, entry) = (self.end.clone(), to.end.clone(), self.entry.clone());
        Direction { from, to, next: Mac::ROUTER, entry }
    }
}

fn hook(at: At) -> &'static str {
    if at == At::Xdp { "xdp" } else { "tc" }
}

fn document(at: At, wire: bool) -> String {
    let mut text = format!("deployment: {{name: bench, wire: {wire}}}\nvirtualNetworks:\n");
    for vnet in 0..=PEERS {
        let _ = writeln!(
            text,
            "  - {{name: v{vnet}, properties: {{addressSpace: {{addressPrefixes: [10.{vnet}.0.0/16]}}, \
             subnets: [{{name: s, properties: {{addressPrefix: 10.{vnet}.1.0/24, \
             networkSecurityGroup: {{id: rules}}}}}}]}}}}"
        );
    }
    text.push_str("virtualNetworkPeerings:\n");
    for peer in 1..=PEERS {
        for (from, to) in [(0, peer), (peer, 0)] {
            let _ = writeln!(
                text,
                "  - {{name: v{from}/to-v{to}, properties: {{remoteVirtualNetwork: {{id: v{to}}}}}}}"
            );
        }
    }
    text.push_str(
        "networkSecurityGroups:\n  - name: rules\n    properties:\n      securityRules:\n",
    );
    for rule in 0..RULES {
        let direction = if rule % 2 == 0 { "Inbound" } else { "Outbound" };
        let _ = writeln!(
            text,
            "        - {{name: r{rule}, properties: {{priority: {}, direction: {direction}, access: Deny, \
             protocol: Tcp, sourceAddressPrefix: 172.16.{rule}.0/24, sourcePortRange: \"*\", \
             destinationAddressPrefix: \"*\", destinationPortRange: \"{}\"}}}}",
            100 + rule,
            20_000 + rule
        );
    }
    text.push_str("networkInterfaces:\n");
    let nics = [(SENDER.to_owned(), 0, 4), (LOCAL.to_owned(), 0, 5)];
    let peers = (1..=PEERS).map(|peer| (format!("p{peer}"), peer, 4));
    for (name, vnet, last) in nics.into_iter().chain(peers) {
        let _ = writeln!(
            text,
            "  - {{name: {name}, properties: {{ipConfigurations: [{{name: v4, properties: \
             {{subnet: {{id: v{vnet}/s}}, privateIPAddress: 10.{vnet}.1.{last}}}}}]}}}}"
        );
    }
    let underlay = if at == At::Xdp { "xdp" } else { "auto" };
    let here = [SENDER.to_owned(), LOCAL.to_owned()].into_iter();
    let here = here.chain((1..=HERE).map(|peer| format!("p{peer}"))).collect::<Vec<_>>();
    let there = (HERE + 1..=PEERS).map(|peer| format!("p{peer}")).collect::<Vec<_>>();
    text.push_str("hosts:\n");
    for (number, nics) in (1..).zip([here, there]) {
        let _ = writeln!(
            text,
            "  - name: host-{number}\n    underlay: {{interface: eth0, addresses: [192.0.2.{number}], \
             mode: {underlay}}}\n    networkInterfaces:"
        );
        for nic in nics {
            let _ = writeln!(text, "      - {{name: {nic}, mode: {}}}", hook(at));
        }
    }
    text
}
