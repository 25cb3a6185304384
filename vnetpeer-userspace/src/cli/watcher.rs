//! `vnetpeer next-hop` and `vnetpeer ip-flow-verify`: Network Watcher's answers, without a packet.

mod diagnostic;

use std::{net::IpAddr, path::PathBuf, str::FromStr};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use vnetpeer_common::wire::protocol;

pub(super) use self::diagnostic::{Diagnostic, diagnostic};
use super::{
    Exit, Global,
    output::{self, join},
    target::Source,
};
use crate::topology::{
    effective_security::effective_name,
    flow_verify::{Packet, Stage, verify},
    model::{Direction, Nic},
    routes::{RouteSource, RouteState, effective_routes},
};

/// What Azure says instead of a route table's id.
const SYSTEM_ROUTE: &str = "System Route";

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vnetpeer next-hop spoke1-vm1 10.0.1.4\n  \
                        vnetpeer next-hop spoke1-vm1 10.0.1.4 -f examples/service-chain.yaml -o json")]
pub(super) struct NextHop {
    /// The NIC that sends: its name or ARM id
    nic: String,
    /// Where to
    destination: IpAddr,
    /// Read this document instead of what is in force
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Azure's answer to `nextHop`.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct NextHopResult {
    next_hop_type: String,
    next_hop_ip_address: Option<String>,
    route_table_id: String,
    /// Ours: the prefix of the route.
    address_prefix: Option<String>,
}

pub(super) async fn next_hop(arguments: &NextHop, global: &Global) -> anyhow::Result<Exit> {
    let source = Source::open(arguments.file.as_deref(), &global.target).await?;
    let result = find_next_hop(&source, &arguments.nic, arguments.destination)?;
    output::show(global, &result, |it| {
        output::table(
            ["next hop type", "next hop ip", "address prefix", "route table"],
            [[
                it.next_hop_type.clone(),
                it.next_hop_ip_address.clone().unwrap_or_default(),
                it.address_prefix.clone().unwrap_or_default(),
                output::short(&it.route_table_id).to_owned(),
            ]],
        )
    })?;
    Ok(Exit::Done)
}

fn find_next_hop(source: &Source, name: &str, to: IpAddr) -> anyhow::Result<NextHopResult> {
    let nic = source.nic(name)?;
    let network = source.network()?;
    let topology = &source.topology;
    let table = topology.subnet(nic.vnet, nic.subnet).and_then(|subnet| subnet.route_table);
    let routes = effective_routes(&network, nic.vnet, table).context("the NIC has no routes")?;
    let active = routes.to_azure().into_iter().filter(|it| it.state == RouteState::Active);
    let covering = active.filter_map(|route| {
        let around = route.address_prefix.iter().filter(|prefix| prefix.contains(&to));
        around.max_by_key(|prefix| prefix.prefix_len()).copied().map(|prefix| (prefix, route))
    });
    let Some((prefix, route)) = covering.max_by_key(|(prefix, _)| prefix.prefix_len()) else {
        return Ok(NextHopResult {
            next_hop_type: "None".to_owned(),
            next_hop_ip_address: None,
            route_table_id: SYSTEM_ROUTE.to_owned(),
            address_prefix: None,
        });
    };
    let by_user = table.filter(|_| route.source == RouteSource::User);
    let table = by_user.and_then(|index| topology.route_table(index));
    Ok(NextHopResult {
        next_hop_type: route.next_hop_type,
        next_hop_ip_address: Some(join(route.next_hop_ip_address)).filter(|it| !it.is_empty()),
        route_table_id: table.map_or_else(|| SYSTEM_ROUTE.to_owned(), |it| it.id.to_string()),
        address_prefix: Some(prefix.to_string()),
    })
}

#[derive(Args, Debug)]
#[command(after_help = "Exits with 3 if the packet is denied.\n\nExample:\n  \
                        vnetpeer ip-flow-verify web-vm --direction inbound --protocol tcp --local :443 \
                        --remote 10.1.0.4:50000")]
pub(super) struct IpFlowVerify {
    #[command(flatten)]
    asked: Asked,
}

/// A packet as one NIC sees it.
#[derive(Args, Debug)]
struct Asked {
    /// The NIC: its name or ARM id
    nic: String,
    /// Seen from the NIC
    #[arg(long, value_enum, ignore_case = true)]
    direction: Way,
    /// Protocol
    #[arg(long, value_enum, ignore_case = true)]
    protocol: Protocol,
    /// The NIC's side: `ADDRESS:PORT` or `[ADDRESS]:PORT`; without address the NIC's first of the other
    /// side's family, with `*` any client's port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = ":*")]
    local: Side,
    /// The other side: `ADDRESS:PORT` or `[ADDRESS]:PORT`, with `*` any client's port
    #[arg(long, value_name = "ADDRESS:PORT")]
    remote: Side,
    /// Read this document instead of what is in force
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Way {
    Inbound,
    Outbound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Tcp,
    Udp,
    /// The ports say nothing
    Icmp,
}

/// A port that clients take where `*` is written.
const CLIENT_PORT: u16 = 50_000;

/// One side of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Side {
    address: Option<IpAddr>,
    port: u16,
}

impl FromStr for Side {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let how = || format!("`{text}` is not ADDRESS:PORT, such as 10.0.1.4:443 or [fd00::4]:*");
        let (address, port) = text.rsplit_once(':').ok_or_else(how)?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        let address = match address {
            "" => None,
            address => Some(address.parse().map_err(|_| how())?),
        };
        let port = if port == "*" { CLIENT_PORT } else { port.parse().map_err(|_| how())? };
        Ok(Self { address, port })
    }
}

/// Azure's answer to `ipFlowVerify`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FlowResult {
    access: &'static str,
    rule_name: Option<String>,
    /// Ours: everything that was asked, in order.
    evaluated: Vec<Stage>,
}

pub(super) async fn ip_flow_verify(
    arguments: &IpFlowVerify,
    global: &Global,
) -> anyhow::Result<Exit> {
    let arguments = &arguments.asked;
    let source = Source::open(arguments.file.as_deref(), &global.target).await?;
    let nic = source.nic(&arguments.nic)?;
    let mut verdict = verify(&source.network()?, nic, &packet(nic, arguments)?)?;
    for name in verdict.stages.iter_mut().filter_map(|it| it.rule_name.as_mut()) {
        *name = effective_name(name).to_owned();
    }
    let allows = verdict.allows();
    let result = FlowResult {
        access: if allows { "Allow" } else { "Deny" },
        rule_name: verdict.stages.last().and_then(|it| it.rule_name.clone()),
        evaluated: verdict.stages,
    };
    output::show(global, &result, render)?;
    Ok(if allows { Exit::Done } else { Exit::Denied })
}

fn packet(nic: &Nic, arguments: &Asked) -> anyhow::Result<Packet> {
    let Asked { local, remote, .. } = arguments;
    let Some(to) = remote.address else { bail!("--remote needs an address") };
    let own = || nic.addresses.iter().copied().find(|it| it.is_ipv4() == to.is_ipv4());
    let Some(from) = local.address.or_else(own) else {
        bail!("`{}` has no address of the family of {to}", arguments.nic);
    };
    if from.is_ipv4() != to.is_ipv4() {
        bail!("{from} and {to} are of different families");
    }
    let protocol = match (arguments.protocol, to.is_ipv4()) {
        (Protocol::Tcp, _) => protocol::TCP,
        (Protocol::Udp, _) => protocol::UDP,
        (Protocol::Icmp, true) => protocol::ICMP,
        (Protocol::Icmp, false) => protocol::ICMPV6,
    };
    let direction = match arguments.direction {
        Way::Inbound => Direction::Inbound,
        Way::Outbound => Direction::Outbound,
    };
    let (local_port, remote_port) = (local.port, remote.port);
    Ok(Packet { direction, protocol, local: from, local_port, remote: to, remote_port })
}

fn render(result: &FlowResult) -> String {
    let rule = result.rule_name.as_deref().unwrap_or("nothing judges it");
    let stages = output::table(
        ["evaluated", "rule", "access"],
        result.evaluated.iter().map(|it| {
            let rule = it.rule_name.clone().unwrap_or_else(|| "(none is about it)".to_owned());
            [it.applied_by.name().to_owned(), rule, format!("{:?}", it.access)]
        }),
    );
    format!("{}: {rule}\n\n{stages}", result.access)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_read_in_both_families() {
        let side = |text: &str| text.parse::<Side>();
        let ip = |text: &str| Some(text.parse().unwrap());
        assert_eq!(side("10.0.0.4:443"), Ok(Side { address: ip("10.0.0.4"), port: 443 }));
        assert_eq!(side("[fd00::4]:53"), Ok(Side { address: ip("fd00::4"), port: 53 }));
        assert_eq!(side(":*"), Ok(Side { address: None, port: CLIENT_PORT }));
        for text in ["10.0.0.4", "10.0.0:1", "10.0.0.4:x", "10.0.0.4:70000", ""] {
            assert!(side(text).is_err(), "{text}");
        }
    }
}
