//! `vnetpeer trace` and `vnetpeer connectivity-check`: what becomes of a packet and of its answer, and why.

mod cost;
mod latency;
mod live;

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context as _, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::{cost::Priced, live::Live};
use super::{Exit, Global, output, target::Source};
use crate::{
    simulate::{
        self, Packet, Protocol,
        trace::{Check, Found, Trace, TraceWay, Tracer, Verdict, check},
    },
    topology::model::Nic,
};

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with 0 if the answer comes back, with 3 if a security rule denies the packet or \
                        its answer, with 4 if either is lost otherwise."
)]
pub(super) struct Arguments {
    /// The NIC that sends: its name or ARM id
    from: String,
    /// Where to: an address, or a NIC's name or ARM id
    to: String,
    /// Protocol
    #[arg(long, value_enum, ignore_case = true, default_value_t = Carried::Tcp)]
    protocol: Carried,
    /// Destination port of TCP and UDP
    #[arg(long, default_value_t = 443)]
    port: u16,
    /// Source port; one that clients take unless given
    #[arg(long)]
    source_port: Option<u16>,
    /// Source address, if not the NIC's first of the destination's family
    #[arg(long, value_name = "ADDRESS")]
    source: Option<IpAddr>,
    /// Bytes behind the transport header
    #[arg(long, default_value_t = 0)]
    payload: u16,
    /// IPv6 where a NIC has both families
    #[arg(short = '6', long)]
    ipv6: bool,
    /// Read this document instead of what is in force
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Say what a GB costs that goes this way, by these prices
    #[arg(long, value_name = "PRICES")]
    cost: Option<PathBuf>,
}

/// What the packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Carried {
    Tcp,
    Udp,
    /// An echo request
    Icmp,
}

impl From<Carried> for Protocol {
    fn from(carried: Carried) -> Self {
        match carried {
            Carried::Tcp => Self::Tcp,
            Carried::Udp => Self::Udp,
            Carried::Icmp => Self::Icmp,
        }
    }
}

/// `vnetpeer trace`.
#[derive(Args, Debug)]
pub(super) struct TraceArguments {
    #[command(flatten)]
    asked: Arguments,
    /// Also run the packet through the programs and maps of the hosts' kernels; needs root. Nothing is sent, counted
    /// or kept
    #[arg(long, conflicts_with = "file")]
    live: bool,
}

/// A trace, and what the hosts say.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    priced: Priced,
    /// Null unless they were asked.
    live: Option<Live>,
}

pub(super) async fn run(arguments: &TraceArguments, global: &Global) -> anyhow::Result<Exit> {
    let asked = &arguments.asked;
    let source = Source::open(asked.file.as_deref(), &global.target).await?;
    let (trace, _) = find(&source, asked)?;
    let live = if arguments.live {
        let simulated = simulate::Network::new(&source.topology, &source.state, &source.facts)?;
        let nic = source.nic(&asked.from)?;
        let packet = packet(&source, nic, asked)?;
        Some(live::live(&source, &global.target, &simulated, (nic, &packet), &trace).await?)
    } else {
        None
    };
    let exit = match &live {
        Some(live) if !live.agrees() => Exit::Failed,
        _ => exit(&trace),
    };
    let priced = Priced::new(trace, &source, asked.cost.as_deref())?;
    output::show(global, &Shown { priced, live }, |it| {
        let live = it.live.as_ref().map_or_else(String::new, Live::text);
        format!("{}{}{live}", render(&it.priced.trace), it.priced.text())
    })?;
    Ok(exit)
}

/// `vnetpeer connectivity-check`.
#[derive(Args, Debug)]
pub(super) struct CheckArguments {
    #[command(flatten)]
    asked: Arguments,
    /// Real probes that are sent between guests of a lab; nothing is sent with --file and between real hosts
    #[arg(long, value_name = "NUMBER", default_value_t = 5, value_parser = clap::value_parser!(u16).range(0..=100))]
    probes: u16,
}

pub(super) async fn connectivity_check(
    arguments: &CheckArguments,
    global: &Global,
) -> anyhow::Result<Exit> {
    let asked = &arguments.asked;
    let source = Source::open(asked.file.as_deref(), &global.target).await?;
    let (trace, mut check) = find(&source, asked)?;
    if asked.file.is_none() && arguments.probes != 0 {
        let packet = packet(&source, source.nic(&asked.from)?, asked)?;
        check =
            latency::measure(&source, global, (&trace, &packet), check, arguments.probes).await?;
    }
    output::show(global, &check, render_check)?;
    Ok(match check.connection_status {
        status if status == trace.verdict => exit(&trace),
        Verdict::Disconnected => Exit::Unreachable,
        _ => Exit::Failed,
    })
}

fn exit(trace: &Trace) -> Exit {
    let is_denied = |it: &Found| it.context.contains_key("RuleName");
    match trace.verdict {
        Verdict::Connected | Verdict::Degraded => Exit::Done,
        Verdict::Disconnected if trace.findings.iter().any(is_denied) => Exit::Denied,
        Verdict::Disconnected => Exit::Unreachable,
    }
}

/// The trace that was asked for, and the same in Azure's shape.
fn find(source: &Source, arguments: &Arguments) -> anyhow::Result<(Trace, Check)> {
    let network = source.network()?;
    let simulated = simulate::Network::new(&source.topology, &source.state, &source.facts)?;
    let nic = source.nic(&arguments.from)?;
    let packet = packet(source, nic, arguments)?;
    let tracer = Tracer::new(&network, &simulated);
    let trace = tracer.trace(nic, &packet)?;
    let check = check(&tracer, &trace);
    Ok((trace, check))
}

fn packet(source: &Source, from: &Nic, arguments: &Arguments) -> anyhow::Result<Packet> {
    let to: IpAddr = if let Ok(address) = arguments.to.parse() {
        address
    } else {
        let nic = source.nic(&arguments.to)?;
        let has = |it: &&IpAddr| it.is_ipv4() != arguments.ipv6;
        let found = nic.addresses.iter().find(has).or(nic.addresses.first());
        *found.context("the NIC has no address")?
    };
    let own = || from.addresses.iter().copied().find(|it| it.is_ipv4() == to.is_ipv4());
    let Some(address) = arguments.source.or_else(own) else {
        bail!("`{}` has no address of the family of {to}", arguments.from);
    };
    if address.is_ipv4() != to.is_ipv4() {
        bail!("{address} and {to} are of different families");
    }
    let packet = Packet::request(arguments.protocol.into(), address, to, arguments.port);
    let source_port = arguments.source_port.unwrap_or(packet.source_port);
    Ok(Packet { source_port, payload: arguments.payload, ..packet })
}

fn render(trace: &Trace) -> String {
    let mut text = String::new();
    let it = &trace.packet;
    let from = SocketAddr::new(it.source_address, it.source_port);
    let to = SocketAddr::new(it.destination_address, it.destination_port);
    let _ = writeln!(text, "{:?} {from} → {to}: {:?}", it.protocol, trace.verdict);
    let _ = writeln!(text, "{}", trace.summary);
    render_way(&mut text, "request", &trace.request);
    if let Some(answer) = &trace.answer {
        render_way(&mut text, "answer", answer);
    }
    let findings = trace.findings.iter();
    render_findings(&mut text, findings.map(|it| (it.code, it.message.as_str(), it.fix)));
    text
}

fn render_way(text: &mut String, name: &str, way: &TraceWay) {
    for hop in &way.hops {
        let host = |host: &Option<String>| {
            host.as_ref().map_or(String::new(), |host| format!(" on {host}"))
        };
        let to = hop.to.as_ref().map_or("nobody", |it| it.name());
        let _ = writeln!(
            text,
            "\n{name}: {}{} → {to}{}",
            hop.from.name(),
            host(&hop.from_host),
            host(&hop.to_host)
        );
        for stage in &hop.stages {
            let mark = stage.code.map_or(String::new(), |code| format!("  ✗ {code}"));
            let _ = writeln!(text, "  {:<15} {}{mark}", stage.stage.title(), stage.text);
            for lost in stage.route.iter().flat_map(|it| &it.lost) {
                let _ =
                    writeln!(text, "  {:<15}   not {}: {}", "", lost.route.text(), lost.lost_by);
            }
        }
        for billed in &hop.billed {
            let direction = format!("{:?}", billed.direction).to_lowercase();
            let (link, bytes) = (billed.link.name(), billed.bytes);
            let _ = writeln!(text, "  {:<15} {link} {direction}, {bytes} bytes", "billed");
        }
    }
}

fn render_findings<'a>(
    text: &mut String,
    findings: impl Iterator<Item = (&'a str, &'a str, &'a str)>,
) {
    for (code, message, fix) in findings {
        let _ = write!(text, "\n{code}: {message}\n  fix: {fix}\n");
    }
}

fn render_check(check: &Check) -> String {
    let mut text = format!("{:?}: {}\n\n", check.connection_status, check.summary);
    let hops = check.hops.iter().map(|hop| {
        let name = output::short(hop.resource_id.as_str()).to_owned();
        let issues = output::join(hop.issues.iter().map(|it| it.finding.code));
        [hop.id.clone(), hop.kind.to_owned(), name, hop.address.clone(), issues]
    });
    text.push_str(&output::table(["hop", "type", "resource", "address", "issues"], hops));
    text.push('\n');
    text.push('\n');
    text.push_str(&latency::text(check));
    let issues = check.hops.iter().flat_map(|hop| &hop.issues).map(|it| &it.finding);
    render_findings(&mut text, issues.map(|it| (it.code, it.message.as_str(), it.fix)));
    text
}
