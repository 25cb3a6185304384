//! `list` and `show` of resources in ARM's shapes, as far as their reader may read them.

mod route_table;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{
    Exit, Global, gateway,
    listing::Listing,
    load_balancer, named, network_manager, nsg,
    output::{self, Rows, join},
    target::Source,
};
pub(super) use crate::arm::{Kind, resources};

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

pub(super) async fn run(kind: Kind, command: &Command, global: &Global) -> anyhow::Result<Exit> {
    print(kind, command, read(kind, command.from(), global).await?, global)
}

/// All resources of a kind that may be read.
pub(super) async fn read(kind: Kind, from: &From, global: &Global) -> anyhow::Result<Vec<Value>> {
    Ok(match &from.file {
        Some(file) => resources(kind, &Source::from_file(file)?.network()?),
        // As in Azure, a list has what its reader may read.
        None => global.target.newest().await?.resources(kind).await?,
    })
}

/// Prints all that were read, or the one that was asked for.
pub(super) fn print(
    kind: Kind,
    command: &Command,
    all: Vec<Value>,
    global: &Global,
) -> anyhow::Result<Exit> {
    match command {
        Command::List { listing, .. } => listing.print(global, all, |all| rows(kind, all))?,
        Command::Show { name, .. } => output::show_whole(global, find(kind, &all, name)?)?,
    }
    Ok(Exit::Done)
}

/// The one with this name or ARM id.
pub(super) fn find<'v>(kind: Kind, all: &'v [Value], name: &str) -> anyhow::Result<&'v Value> {
    let name_of = |it: &'v Value| it.get("name").and_then(Value::as_str);
    named::only(kind.word(), name, all, |it| is_named(it, name), name_of)
}

fn is_named(resource: &Value, name: &str) -> bool {
    let is = |key: &str| {
        resource.get(key).and_then(Value::as_str).is_some_and(|it| it.eq_ignore_ascii_case(name))
    };
    is("name") || is("id")
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
        Kind::SecurityGroup => nsg::rows(all),
        Kind::Gateway => gateway::rows(all),
        Kind::LoadBalancer => load_balancer::rows(all),
        Kind::NetworkManager => network_manager::rows(all),
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
