//! The documents.

use std::{fmt::Write as _, net::Ipv4Addr};

use vnetpeer_userspace::{
    document::{self, Kept},
    topology::model::Topology,
};

/// The host that is looked at.
pub const HOST: &str = "host-a";

/// One NIC of every VNet is on each of these.
pub const HOSTS: [&str; 10] = [
    HOST, "host-b", "host-c", "host-d", "host-e", "host-f", "host-g", "host-h", "host-i", "host-j",
];

/// VNets of a region: a subscription has no more in one.
pub(super) const REGION: usize = 1_000;

/// The regions, in this order.
const REGIONS: [&str; 10] = [
    "westeurope",
    "northeurope",
    "eastus",
    "eastus2",
    "westus2",
    "uksouth",
    "francecentral",
    "swedencentral",
    "italynorth",
    "japaneast",
];

/// How the VNets are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The first one is peered with all others.
    Hub,
    /// All are in one connected group.
    Mesh,
}

/// VNets of which each has a NIC on every host.
#[derive(Clone, Copy, Debug)]
pub struct Deployment {
    /// How they are joined.
    pub shape: Shape,
    /// How many are.
    pub joined: usize,
    /// How many more there are, joined with nobody.
    pub outside: usize,
    /// One with a second prefix.
    pub resized: Option<usize>,
    /// Whether every region has hosts of its own, and a mesh of its own.
    pub regional: bool,
}

impl Deployment {
    /// A hub with so many spokes.
    pub const fn hub(spokes: usize) -> Self {
        Self { shape: Shape::Hub, ..Self::mesh(spokes + 1) }
    }

    /// A mesh of so many VNets.
    pub const fn mesh(vnets: usize) -> Self {
        Self { shape: Shape::Mesh, joined: vnets, outside: 0, resized: None, regional: false }
    }

    /// So many VNets in meshes of a region each, 10,000 at most.
    pub const fn meshes(vnets: usize) -> Self {
        Self { regional: true, ..Self::mesh(vnets) }
    }

    fn region(number: usize) -> &'static str {
        REGIONS.get(number / REGION).copied().expect("few VNets")
    }

    /// The name of a host of a VNet.
    fn host(&self, number: usize, host: usize) -> String {
        let name = HOSTS.get(host).expect("few hosts");
        match number / REGION {
            region if self.regional && region > 0 => format!("{name}-{region}"),
            _ => (*name).to_owned(),
        }
    }

    /// Whether NICs of two VNets reach each other.
    pub fn reaches(&self, from: usize, to: usize) -> bool {
        let joined = from < self.joined && to < self.joined;
        let by_shape = match self.shape {
            Shape::Mesh => !self.regional || from / REGION == to / REGION,
            Shape::Hub => from == 0 || to == 0,
        };
        from == to || joined && by_shape
    }

    /// How many VNets there are.
    pub const fn vnets(&self) -> usize {
        self.joined + self.outside
    }

    /// The document.
    pub fn text(&self) -> String {
        let mut text = "deployment: {name: scale}\nvirtualNetworks:\n".to_owned();
        for number in 0..self.vnets() {
            let (high, low) = (number / 256, number % 256);
            let region = Self::region(number);
            let more = if self.resized == Some(number) { ", 10.200.0.0/16" } else { "" };
            let _ = writeln!(
                text,
                "  - name: {}\n    location: {region}\n    properties:\n      addressSpace: {{addressPrefixes: \
                 [10.{high}.{low}.0/24{more}]}}\n      subnets:\n        - name: own\n          \
                 properties: {{addressPrefixes: [10.{high}.{low}.0/26]}}",
                name(number)
            );
        }
        self.add_manager(&mut text);
        self.add_nics(&mut text);
        text
    }

    /// A network manager joins them: a VNet has 500 peerings of the document, and a hub of a manager 1,000.
    fn add_manager(&self, text: &mut String) {
        let first = usize::from(self.shape == Shape::Hub);
        text.push_str(
            "networkManagers:\n  - name: central\n    properties:\n      networkManagerScopes: \
             {subscriptions: [/subscriptions/00000000-0000-0000-0000-000000000001]}\n      \
             networkManagerScopeAccesses: [Connectivity]\n      connectedGroupVnetLimit: 3000\n      \
             networkGroups:\n        - name: all\n          properties:\n            staticMembers:\n",
        );
        for number in first..self.joined {
            let _ = writeln!(
                text,
                "              - {{name: m{number}, properties: {{resourceId: {}}}}}",
                name(number)
            );
        }
        let (topology, group) = match self.shape {
            Shape::Mesh => ("Mesh", "DirectlyConnected"),
            Shape::Hub => ("HubAndSpoke", "None"),
        };
        let _ = writeln!(
            text,
            "      connectivityConfigurations:\n        - name: joined\n          properties:\n            \
             connectivityTopology: {topology}"
        );
        let mut of_group = "";
        if self.shape == Shape::Hub {
            let hub = name(0);
            let _ = writeln!(
                text,
                "            hubs: [{{resourceId: {hub}, resourceType: \
                 Microsoft.Network/virtualNetworks}}]"
            );
            of_group = ", isGlobal: \"True\"";
        } else if !self.regional {
            text.push_str("            isGlobal: \"True\"\n");
        }
        let _ = writeln!(
            text,
            "            appliesToGroups: [{{networkGroupId: all, groupConnectivity: {group}{of_group}}}]\n      \
             commits:\n        - {{name: now, properties: {{commitType: \
             Connectivity, targetLocations: [{}], configurationIds: [joined]}}}}",
            REGIONS.join(", ")
        );
    }

    fn add_nics(&self, text: &mut String) {
        text.push_str("networkInterfaces:\n");
        for number in 0..self.vnets() {
            for host in 0..HOSTS.len() {
                let _ = writeln!(
                    text,
                    "  - name: {}\n    properties:\n      ipConfigurations:\n        - \
                     name: v4\n          properties:\n            subnet: {{id: {}/own}}\n            \
                     privateIPAddress: {}",
                    nic(number, host),
                    name(number),
                    address(number, host)
                );
            }
        }
        text.push_str("hosts:\n");
        let size = if self.regional { REGION } else { self.vnets() };
        let first_of_hosts = (0..self.vnets()).step_by(size);
        let hosts =
            first_of_hosts.flat_map(|first| (0..HOSTS.len()).map(move |host| (first, host)));
        for (place, (first, host)) in hosts.enumerate() {
            let _ = writeln!(
                text,
                "  - name: {}\n    underlay: {{interface: eth0, addresses: [192.0.2.{}]}}\n    \
                 networkInterfaces:",
                self.host(first, host),
                place + 1
            );
            for number in first..self.vnets().min(first + size) {
                let _ = writeln!(
                    text,
                    "      - {{name: {}, interface: vm{number}}}",
                    nic(number, host)
                );
            }
        }
    }
}

/// What a document says, read after another one.
pub fn read_after(before: &Kept, text: &str) -> Result<(Topology, Kept), String> {
    match document::load_after(before, "scale.yaml", text) {
        Ok((loaded, kept)) => Ok((loaded.topology, kept)),
        Err(problems) => Err(problems.to_string()),
    }
}

/// What a document says.
pub fn read(text: &str) -> Result<Topology, String> {
    match document::load("scale.yaml", text) {
        Ok(loaded) => Ok(loaded.topology),
        Err(problems) => Err(problems.to_string()),
    }
}

/// The VNet of a number.
pub(super) fn name(number: usize) -> String {
    format!("vnet-{number}")
}

/// The NIC of a VNet on a host.
pub(super) fn nic(number: usize, host: usize) -> String {
    format!("nic-{number}-{host}")
}

/// The address of the NIC of a VNet on a host.
pub fn address(number: usize, host: usize) -> Ipv4Addr {
    let octet = |value: usize| u8::try_from(value).expect("few VNets and hosts");
    Ipv4Addr::new(10, octet(number / 256), octet(number % 256), octet(host + 4))
}
