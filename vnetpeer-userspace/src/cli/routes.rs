//! `vnetpeer nic effective-routes`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::{
    Exit, Global, exit_of,
    output::{self, join},
    target::Source,
};
use crate::agent::api::NicQuery;
use crate::topology::routes::{EffectiveRoute, effective_routes};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The NIC's name or ARM id
    nic: String,
    /// Read this document instead of what is in force
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Azure's answer to `effectiveRouteTable`.
#[derive(Serialize)]
pub(super) struct EffectiveRouteTable {
    value: Vec<EffectiveRoute>,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let source = match Source::open(arguments.file.as_deref(), &global.target).await {
        Err(error) if exit_of(&error) == Exit::Denied => {
            let query = NicQuery { network_interface: arguments.nic.clone() };
            let table = global.target.first()?.effective_routes(&query).await?;
            output::show_whole(global, &table)?;
            return Ok(Exit::Done);
        }
        source => source?,
    };
    let table = of_nic(&source, &arguments.nic)?;
    output::show(global, &table, render)?;
    Ok(Exit::Done)
}

/// The effective routes of a NIC, which are those of its subnet.
pub(super) fn of_nic(source: &Source, name: &str) -> anyhow::Result<EffectiveRouteTable> {
    let nic = source.nic(name)?;
    let network = source.network()?;
    let table = source.topology.subnet(nic.vnet, nic.subnet).and_then(|subnet| subnet.route_table);
    let Some(routes) = effective_routes(&network, nic.vnet, table) else {
        bail!("`{name}` has no virtual network");
    };
    Ok(EffectiveRouteTable { value: routes.to_azure() })
}

pub(super) fn render(table: &EffectiveRouteTable) -> String {
    output::table(
        ["source", "state", "address prefix", "next hop type", "next hop ip", "user route name"],
        table.value.iter().map(|route| {
            [
                format!("{:?}", route.source),
                format!("{:?}", route.state),
                join(&route.address_prefix),
                route.next_hop_type.clone(),
                join(&route.next_hop_ip_address),
                route.name.clone().unwrap_or_default(),
            ]
        }),
    )
}
