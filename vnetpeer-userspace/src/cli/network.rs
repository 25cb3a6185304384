//! `list` and `show` of virtual networks, subnets, NICs, peerings and route tables, in ARM's shapes.

mod route_table;

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{
    Exit, Global,
    listing::Listing,
    named::Unknown,
    output::{self, Rows, join},
    peering,
    target::Source,
};
use crate::topology::{
    compile::guest_mac,
    model::SecurityGroupIndex,
    network::{Network, NumberedNic, NumberedVnet},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// List all of them
    List {
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        listing: Listing,
    },
    /// Show one with all its properties
    Show {
        /// Its name or ARM id
        name: String,
        #[command(flatten)]
        from: From,
    },
}

impl Command {
    /// What is read.
    pub(super) const fn from(&self) -> &From {
        match self {
            Self::List { from, .. } | Self::Show { from, .. } => from,
        }
    }
}

#[derive(Args, Debug)]
pub(super) struct From {
    /// Read this document instead of what is in force
    #[arg(short, long, value_name = "FILE")]
    pub(super) file: Option<PathBuf>,
}

/// Which resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Vnet,
    Subnet,
    Nic,
    Peering,
    RouteTable,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Vnet => "virtual network",
            Self::Subnet => "subnet",
            Self::Nic => "network interface",
            Self::Peering => "peering",
            Self::RouteTable => "route table",
        }
    }
}

pub(super) async fn run(kind: Kind, command: &Command, global: &Global) -> anyhow::Result<Exit> {
    let source = Source::open(command.from().file.as_deref(), &global.target).await?;
    let network = source.network()?;
    let all = resources(kind, &network);
    match command {
        Command::List { listing, .. } => listing.print(global, all, |all| rows(kind, all))?,
        Command::Show { name, .. } => {
            let Some(found) = all.iter().find(|it| is_named(it, name)) else {
                let known = all.iter().filter_map(|it| it.get("name")).filter_map(Value::as_str);
                bail!(Unknown::new(kind.word(), name, known));
            };
            output::show_whole(global, found)?;
        }
    }
    Ok(Exit::Done)
}

pub(super) fn is_named(resource: &Value, name: &str) -> bool {
    let is = |key: &str| {
        resource.get(key).and_then(Value::as_str).is_some_and(|it| it.eq_ignore_ascii_case(name))
    };
    is("name") || is("id")
}

/// All resources of a kind, in ARM's shapes.
pub(super) fn resources(kind: Kind, network: &Network<'_>) -> Vec<Value> {
    let vnets = network.vnets().iter();
    match kind {
        Kind::Vnet => vnets.map(|it| vnet(network, it)).collect(),
        Kind::Subnet => vnets.flat_map(|it| subnets(network, it)).collect(),
        Kind::Nic => vnets.flat_map(|it| it.nics.iter().map(|at| nic(network, at))).collect(),
        Kind::Peering => peering::render::all(network),
        Kind::RouteTable => route_table::all(network.topology),
    }
}

fn vnet(network: &Network<'_>, it: &NumberedVnet<'_>) -> Value {
    let topology = network.topology;
    let written = it.peerings.iter().map(|it| it.peering).filter(|it| !topology.is_implicit(it));
    let orphans = topology.orphans.iter().filter(|orphan| orphan.vnet == it.index);
    let peerings = written.map(|it| &it.id).chain(orphans.map(|it| &it.id));
    let peerings: Vec<Value> = peerings.map(|id| json!({ "id": id })).collect();
    json!({
        "name": it.vnet.id.name(),
        "id": it.vnet.id,
        "location": it.vnet.location,
        "tags": it.vnet.tags,
        "vni": it.id.0,
        "properties": {
            "addressSpace": { "addressPrefixes": it.vnet.address_space },
            "subnets": it.vnet.subnets.iter().map(|subnet| json!({ "id": subnet.id })).collect::<Vec<_>>(),
            "flowTimeoutInMinutes": it.vnet.flow_timeout_minutes,
            "virtualNetworkPeerings": peerings,
        }
    })
}

fn subnets(network: &Network<'_>, it: &NumberedVnet<'_>) -> Vec<Value> {
    let route_table = |index: Option<_>| {
        index
            .and_then(|index| network.topology.route_table(index))
            .map(|table| json!({ "id": table.id }))
    };
    it.vnet
        .subnets
        .iter()
        .map(|subnet| {
            json!({
                "name": format!("{}/{}", it.vnet.id.name(), subnet.id.name()),
                "id": subnet.id,
                "properties": {
                    "addressPrefixes": subnet.prefixes,
                    "routeTable": route_table(subnet.route_table),
                    "networkSecurityGroup": security_group(network, subnet.security_group),
                }
            })
        })
        .collect()
}

fn security_group(network: &Network<'_>, index: Option<SecurityGroupIndex>) -> Option<Value> {
    let group = network.topology.security_group(index?)?;
    Some(json!({ "id": group.id }))
}

fn nic(network: &Network<'_>, it: &NumberedNic<'_>) -> Value {
    let nic = it.nic;
    let subnet = network.topology.subnet(nic.vnet, nic.subnet).map(|subnet| &subnet.id);
    let all = &network.topology.application_security_groups;
    let groups = nic.application_security_groups.iter().filter_map(|index| all.get(index.0));
    let groups: Vec<Value> = groups.map(|it| json!({ "id": it.id })).collect();
    let configurations: Vec<Value> = nic
        .addresses
        .iter()
        .map(|address| {
            json!({
                "privateIPAddress": address,
                "subnet": { "id": subnet },
                "applicationSecurityGroups": groups,
            })
        })
        .collect();
    json!({
        "name": nic.id.name(),
        "id": nic.id,
        "number": it.id.0,
        "host": network.topology.host(nic.host).map(|host| &host.name),
        "interface": nic.interface,
        "outboundBandwidthMbps": nic.outbound_bits_per_second.map(|it| it / 1_000_000),
        "properties": {
            "macAddress": guest_mac(nic, it.id).to_string(),
            "enableIPForwarding": nic.enable_ip_forwarding,
            "disableTcpStateTracking": nic.disable_tcp_state_tracking,
            "networkSecurityGroup": security_group(network, nic.security_group),
            "ipConfigurations": configurations,
        }
    })
}

/// Resources of a kind in columns.
pub(super) fn table(kind: Kind, all: &[Value]) -> String {
    rows(kind, all).to_string()
}

fn rows(kind: Kind, all: &[Value]) -> Rows {
    match kind {
        Kind::Vnet => vnet_rows(all),
        Kind::Subnet => subnet_rows(all),
        Kind::Nic => nic_rows(all),
        Kind::Peering => peering_rows(all),
        Kind::RouteTable => route_table::rows(all),
    }
}

fn vnet_rows(all: &[Value]) -> Rows {
    let header = ["name", "location", "vni", "address space", "peerings"];
    let row = |it: &Value| {
        let peerings = it.pointer("/properties/virtualNetworkPeerings").and_then(Value::as_array);
        [
            text(it, "/name"),
            text(it, "/location"),
            text(it, "/vni"),
            text(it, "/properties/addressSpace/addressPrefixes"),
            peerings.map_or(0, Vec::len).to_string(),
        ]
    };
    output::rows(header, all.iter().map(row))
}

fn subnet_rows(all: &[Value]) -> Rows {
    let header = ["name", "address prefixes", "route table", "security group"];
    let row = |it: &Value| {
        [
            text(it, "/name"),
            text(it, "/properties/addressPrefixes"),
            short(it, "/properties/routeTable/id"),
            short(it, "/properties/networkSecurityGroup/id"),
        ]
    };
    output::rows(header, all.iter().map(row))
}

fn nic_rows(all: &[Value]) -> Rows {
    let header = [
        "name",
        "host",
        "interface",
        "addresses",
        "mac",
        "ip forwarding",
        "mbit/s out",
        "security group",
    ];
    let row = |it: &Value| {
        let configurations = it.pointer("/properties/ipConfigurations").and_then(Value::as_array);
        let configurations = configurations.into_iter().flatten();
        [
            text(it, "/name"),
            text(it, "/host"),
            text(it, "/interface"),
            join(configurations.map(|it| text(it, "/privateIPAddress"))),
            text(it, "/properties/macAddress"),
            text(it, "/properties/enableIPForwarding"),
            text(it, "/outboundBandwidthMbps"),
            short(it, "/properties/networkSecurityGroup/id"),
        ]
    };
    output::rows(header, all.iter().map(row))
}

fn peering_rows(all: &[Value]) -> Rows {
    let header = [
        "name",
        "to",
        "state",
        "sync level",
        "access",
        "forwarded",
        "managed by",
        "remote address space",
    ];
    let row = |it: &Value| {
        [
            text(it, "/name"),
            short(it, "/properties/remoteVirtualNetwork/id"),
            text(it, "/properties/peeringState"),
            text(it, "/properties/peeringSyncLevel"),
            text(it, "/properties/allowVirtualNetworkAccess"),
            text(it, "/properties/allowForwardedTraffic"),
            short(it, "/managedBy"),
            text(it, "/properties/remoteAddressSpace/addressPrefixes"),
        ]
    };
    output::rows(header, all.iter().map(row))
}

/// The last segment of the ARM id at a JSON pointer.
fn short(value: &Value, pointer: &str) -> String {
    output::short(&text(value, pointer)).to_owned()
}

/// The value at a JSON pointer for a cell: lists joined, null empty.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(it)) => it.clone(),
        Some(Value::Array(items)) => join(items.iter().map(|it| it.as_str().unwrap_or_default())),
        Some(it) => it.to_string(),
    }
}
