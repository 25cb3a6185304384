//! `vnetpeer run`: the agent.

use std::{io::IsTerminal as _, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use super::{Exit, Global, explain};
use crate::{
    agent::{
        self, AgentError, DEFAULT_PIN_DIR, DEFAULT_SOCKET, DEFAULT_STATE_DIR, Settings, exchange,
    },
    dataplane::LoadOptions,
    topology::model::ResourceId,
};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The topology document, YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
    /// Which of the document's hosts this is
    #[arg(long, value_name = "NAME")]
    host: String,
    /// Where numbers and the document in force are kept
    #[arg(long, value_name = "DIR", default_value = DEFAULT_STATE_DIR)]
    state_dir: PathBuf,
    /// Where maps and links are pinned, on a bpf file system
    #[arg(long, value_name = "DIR", default_value = DEFAULT_PIN_DIR)]
    pin_dir: PathBuf,
    /// Take the dataplane off when stopped; otherwise packets flow on without the agent
    #[arg(long)]
    detach_on_exit: bool,
    /// IPv4 flows of all NICs, half as many IPv6 flows, when the maps are first made
    #[arg(long, value_name = "N", default_value_t = LoadOptions::default().flows_v4,
        value_parser = clap::value_parser!(u32).range(1_024..=16_777_216))]
    flows: u32,
    /// Sets of the IPv4 flow cache for each CPU, half as many of the IPv6 one, when the maps are first
    /// made: 128 bytes each, rounded up to a power of two
    #[arg(long, value_name = "N", default_value_t = LoadOptions::default().cache_sets[0],
        value_parser = clap::value_parser!(u32).range(2..=4_194_304))]
    flow_cache_sets: u32,
    /// The port on the underlay addresses that the agents of a deployment ask each other on; the same on
    /// all hosts
    #[arg(long, value_name = "PORT", default_value_t = exchange::DEFAULT_PORT,
        value_parser = clap::value_parser!(u16).range(1..))]
    exchange_port: u16,
    /// Seconds between two readings of the meters into the ledger
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
        value_parser = clap::value_parser!(u64).range(1..=3_600))]
    meter_interval: u64,
    /// How many days of usage the ledger keeps
    #[arg(long, value_name = "DAYS", default_value_t = 90,
        value_parser = clap::value_parser!(u32).range(2..=3_660))]
    meter_keep_days: u32,
    /// Also answer Prometheus (`/metrics`) on this address, for instance 127.0.0.1:9478; the socket always
    /// does
    #[arg(long, value_name = "ADDRESS:PORT", env = "VNETPEER_METRICS")]
    metrics: Option<SocketAddr>,
    /// The network namespace of a gateway's routing daemon, instead of what the document says (repeat
    /// it for several gateways)
    #[arg(long, value_name = "ID=PATH", value_parser = gateway_namespace)]
    gateway_namespace: Vec<(ResourceId, PathBuf)>,
    /// How to log, to standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Lines for people
    Text,
    /// One JSON object per line
    Json,
}

pub(super) async fn run(arguments: Arguments, global: &Global) -> anyhow::Result<Exit> {
    start_log(arguments.log_format);
    let socket = global.target.socket.first().cloned();
    let settings = Settings {
        file: arguments.file,
        host: arguments.host,
        socket: socket.unwrap_or_else(|| DEFAULT_SOCKET.into()),
        state_dir: arguments.state_dir,
        pin_dir: arguments.pin_dir,
        detach_on_exit: arguments.detach_on_exit,
        sizes: LoadOptions {
            flows_v4: arguments.flows,
            flows_v6: arguments.flows / 2,
            cache_sets: [arguments.flow_cache_sets, arguments.flow_cache_sets / 2],
        },
        exchange_port: arguments.exchange_port,
        meter_interval: Duration::from_secs(arguments.meter_interval),
        meter_keep_days: arguments.meter_keep_days,
        metrics: arguments.metrics,
        gateway_namespaces: arguments.gateway_namespace.into_iter().collect(),
    };
    match agent::run(&settings).await {
        Ok(()) => Ok(Exit::Done),
        Err(AgentError::Document(problems)) => {
            explain::tell(&problems);
            Ok(Exit::Failed)
        }
        Err(error) => Err(error.into()),
    }
}

fn gateway_namespace(text: &str) -> Result<(ResourceId, PathBuf), String> {
    let (id, path) = text.split_once('=').ok_or("write ID=PATH")?;
    Ok((ResourceId::new(id), path.into()))
}

/// `RUST_LOG` chooses what is logged; `info` unless set.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.with_target(false).init(),
        LogFormat::Json => log.json().init(),
    }
}
