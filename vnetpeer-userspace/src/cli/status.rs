//! `vnetpeer status`.

use std::{fmt::Write as _, time::Duration};

use clap::Args;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::{
    Exit, Global,
    output::{self, join, short},
};
use crate::agent::{
    api::AgentStatus,
    client::{Client, ClientError},
};

/// Between two looks of `--wait`.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Wait until every agent is ready
    #[arg(long)]
    wait: bool,
    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "wait")]
    timeout: u64,
}

/// One agent: how it is, or why it does not answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    socket: String,
    status: Option<AgentStatus>,
    error: Option<String>,
    #[serde(skip)]
    is_denied: bool,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let clients = global.target.clients()?;
    let end = Instant::now() + Duration::from_secs(arguments.timeout);
    let mut answers = ask(&clients).await;
    while arguments.wait && !all_ready(&answers) {
        if Instant::now() >= end {
            output::show(global, &answers, |it| render(it))?;
            return Ok(Exit::TimedOut);
        }
        sleep(PAUSE).await;
        answers = ask(&clients).await;
    }
    output::show(global, &answers, |it| render(it))?;
    if let Some(error) = answers.iter().filter(|it| it.is_denied).find_map(|it| it.error.as_ref()) {
        eprintln!("error: {error}");
        return Ok(Exit::Denied);
    }
    Ok(if all_ready(&answers) { Exit::Done } else { Exit::Drift })
}

async fn ask(clients: &[Client]) -> Vec<Answer> {
    let mut answers = Vec::new();
    for client in clients {
        let result = client.status().await;
        let error = result.as_ref().err().map(ToString::to_string);
        let socket = client.socket().display().to_string();
        let is_denied = result.as_ref().err().is_some_and(ClientError::is_denied);
        answers.push(Answer { socket, status: result.ok(), error, is_denied });
    }
    answers
}

/// Ready, with nothing missing, and of one mind about the numbers.
fn all_ready(answers: &[Answer]) -> bool {
    let first = answers.first().and_then(|it| it.status.as_ref()).map(|it| &it.state_digest);
    answers.iter().all(|answer| {
        answer.status.as_ref().is_some_and(|status| {
            status.ready
                && status.missing_interfaces.is_empty()
                && Some(&status.state_digest) == first
        })
    })
}

fn render(answers: &[Answer]) -> String {
    let mut text = String::new();
    for answer in answers {
        match (&answer.status, &answer.error) {
            (Some(status), _) => render_one(&mut text, status),
            (None, Some(error)) => {
                let _ = writeln!(text, "{error}");
            }
            (None, None) => {}
        }
        text.push('\n');
    }
    text
}

fn render_one(text: &mut String, status: &AgentStatus) {
    let ready = if status.ready { "ready" } else { "NOT READY" };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{}: {ready}, deployment {} serial {}, version {}, ABI {}",
        status.host, status.deployment, status.serial, status.version, status.abi_version
    );
    let _ = writeln!(text, "  numbers {}, pinned in {}", status.state_digest, status.pin_directory);
    for interface in &status.interfaces {
        let _ = writeln!(
            text,
            "  {:<8} {:<15} #{:<4} {:<3} {}",
            interface.role,
            interface.name,
            interface.ifindex,
            interface.mode,
            join(&interface.programs)
        );
    }
    if !status.missing_interfaces.is_empty() {
        let _ = writeln!(text, "  missing interfaces: {}", join(&status.missing_interfaces));
    }
    for vtep in &status.vteps {
        let how = if vtep.resolved { "resolved" } else { "by the kernel's neighbour table" };
        let _ = writeln!(text, "  host {} at {}: {how}", vtep.host, vtep.address);
    }
    for limit in &status.limits {
        let by = limit.interface.as_ref().map_or_else(String::new, |it| format!(" by {it}"));
        let why = limit.last_error.as_ref().map_or_else(String::new, |it| format!(": {it}"));
        let _ = writeln!(
            text,
            "  limit of {}: {} Mbit/s{by}{why}",
            short(&limit.network_interface),
            limit.outbound_bits_per_second / 1_000_000
        );
    }
    render_exchange(text, status);
    let fill = status.maps.iter().map(|it| format!("{} {}/{}", it.name, it.used, it.capacity));
    let _ = writeln!(text, "  maps: {}", join(fill));
    for nic in status.flows.iter().filter(|it| it.flows != 0) {
        let limit = |it: Option<u32>| it.map_or_else(String::new, |it| format!("/{it}"));
        let _ = writeln!(
            text,
            "  flows of {}: {}{}, without a reply {}{}",
            short(&nic.network_interface),
            nic.flows,
            limit(nic.flows_max),
            nic.half_open,
            limit(nic.half_open_max)
        );
    }
    let _ = writeln!(
        text,
        "  drift mended: {}, drop events lost: {}",
        status.drift_mended, status.events_lost
    );
    if let Some(error) = &status.last_error {
        let _ = writeln!(text, "  last error: {error}");
    }
}

/// What the other hosts said, and what the gateways here exchange with their daemons.
fn render_exchange(text: &mut String, status: &AgentStatus) {
    for peer in &status.peers {
        let age = peer
            .age_seconds
            .map_or_else(|| "never since the agent started".to_owned(), |it| format!("{it} s ago"));
        let why = peer.last_error.as_ref().map_or_else(String::new, |it| format!(": {it}"));
        let _ = writeln!(text, "  heard of {} {age}{why}", peer.host);
    }
    for gateway in &status.gateways {
        let _ = writeln!(
            text,
            "  gateway {}: {} prefixes learned, {} advertised in {}",
            short(&gateway.gateway),
            gateway.learned,
            gateway.advertised,
            gateway.network_namespace
        );
        if let Some(error) = &gateway.last_error {
            let _ = writeln!(text, "    {error}");
        }
    }
}
