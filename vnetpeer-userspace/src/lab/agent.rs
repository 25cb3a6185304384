//! The agents of a lab: one process per host, in the host's namespace and in a session of its own,
//! so that they outlive the command that started them.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use super::{
    error::LabError,
    netns,
    process::{MARK, Process},
    record::{GuestRecord, HostRecord, Record},
};
use crate::agent::client::Client;

/// How long an agent may take until its programs are attached. The kernel verifies them for some three
/// seconds of a CPU, which is a multiple of that on a busy host.
const READY_WITHIN: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
const TAIL_LINES: usize = 20;
/// In the ARM ids of gateways, which their NICs have too.
const GATEWAY_TYPE: &str = "/virtualnetworkgateways/";

/// Starts the agent of a host. `setsid` and `nsenter` replace themselves by it.
pub(super) fn start(
    program: &Path,
    record: &Record,
    host: &HostRecord,
) -> Result<(Child, Option<Process>), LabError> {
    let log = host.log();
    let open = File::options().create(true).append(true).open(&log);
    let output = open.map_err(LabError::io("open", &log))?;
    let errors = output.try_clone().map_err(LabError::io("open", &log))?;
    let mut command = Command::new("setsid");
    command
        .arg("nsenter")
        .arg(format!("--net={}", netns::path(&host.namespace).display()))
        .arg(program)
        .args(["run", "-f"])
        .arg(record.document())
        .args(["--host", &host.name])
        .arg("--socket")
        .arg(host.socket())
        .arg("--state-dir")
        .arg(host.folder.join("state"))
        .arg("--pin-dir")
        .arg(&host.pins)
        .args(gateway_namespaces(record))
        .env(MARK, &record.id)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors);
    let spawned = command.spawn();
    let line = || format!("{} run --host {}", program.display(), host.name);
    let child = spawned.map_err(|source| LabError::Spawn { command: line(), source })?;
    let process = i32::try_from(child.id()).ok().and_then(Process::of);
    Ok((child, process))
}

/// A gateway's routing daemon runs where its NIC is. An agent passes over gateways of other hosts.
fn gateway_namespaces(record: &Record) -> Vec<String> {
    let is_gateway = |it: &&GuestRecord| it.id.as_str().to_ascii_lowercase().contains(GATEWAY_TYPE);
    let argument = |it: &GuestRecord| {
        format!("--gateway-namespace={}={}", it.id, netns::path(&it.namespace).display())
    };
    record.nics.iter().filter(is_gateway).map(argument).collect()
}

/// Waits until the agent answers that its programs are attached.
pub(super) async fn ready(host: &HostRecord, child: &mut Child) -> Result<(), LabError> {
    let client = Client::new(host.socket());
    let deadline = Instant::now() + READY_WITHIN;
    let log = host.log();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let status = tokio::time::timeout(left, client.status()).await;
        if matches!(status, Ok(Ok(status)) if status.ready) {
            return Ok(());
        }
        let name = host.name.clone();
        if let Ok(Some(status)) = child.try_wait() {
            let tail = tail(&log);
            return Err(LabError::AgentEnded { host: name, status, log, tail });
        }
        if left.is_zero() {
            let seconds = READY_WITHIN.as_secs();
            let tail = tail(&log);
            return Err(LabError::AgentNotReady { host: name, seconds, log, tail });
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The last lines of a log.
fn tail(log: &PathBuf) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    if last.is_empty() { "(empty)".to_owned() } else { last.join("\n") }
}
