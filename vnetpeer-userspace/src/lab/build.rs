//! Builds a lab from its blueprint, and removes one by its record.

use std::{
    path::{Path, PathBuf},
    process::Child,
};

use super::{
    agent, blueprint,
    blueprint::Step,
    command::Runner,
    error::LabError,
    netns, process,
    record::{self, Record},
};
use crate::topology::{model::Topology, state::State};

/// Below this are the settings of the namespace that one is in.
const SYSCTL: &str = "/proc/sys/net";

/// A process that a killed command had just started is not marked yet when it is looked for. It is in
/// the next round, unless its namespace is gone by then and it fails.
const ROUNDS_MAX: usize = 3;

/// The agents that this process started, to be reaped.
pub(super) type Children = Vec<Child>;

/// Creates the namespaces and everything in them but the agents.
pub(super) async fn network(
    topology: &Topology,
    state: &State,
    record: &Record,
) -> Result<(), LabError> {
    let steps = blueprint::steps(topology, state, record)?;
    let runner = Runner { id: &record.id };
    for namespace in record.namespaces() {
        netns::create(namespace)?;
    }
    for step in steps {
        match step {
            Step::Sysctl { namespace, values } => sysctl(&namespace, &values)?,
            Step::Ip { namespace, lines } => runner.ip(&namespace, &lines).await?,
            Step::Ethtool { namespace, interface, features } => {
                runner.ethtool(&namespace, &interface, features).await?;
            }
        }
    }
    Ok(())
}

/// Starts the agents of all hosts that have one, then waits for all of them.
pub(super) async fn agents(
    program: &Path,
    record: &mut Record,
    children: &mut Children,
) -> Result<(), LabError> {
    let hosts = 0..record.hosts.len();
    let mut started = Vec::new();
    for index in hosts {
        if record.hosts.get(index).is_some_and(|host| host.has_agent) {
            started.push((index, start(program, record, index, children)?));
        }
    }
    for (host, child) in started {
        if let (Some(host), Some(child)) = (record.hosts.get(host), children.get_mut(child)) {
            agent::ready(host, child).await?;
        }
    }
    Ok(())
}

/// Starts the agent of one host; returns which child it is.
pub(super) fn start(
    program: &Path,
    record: &mut Record,
    index: usize,
    children: &mut Children,
) -> Result<usize, LabError> {
    let (child, process) = match record.hosts.get(index) {
        Some(host) => agent::start(program, record, host)?,
        None => return Ok(children.len()),
    };
    children.push(child);
    if let Some(host) = record.hosts.get_mut(index) {
        host.agent = process;
    }
    record.write()?;
    Ok(children.len() - 1)
}

fn sysctl(namespace: &str, values: &[(String, &str)]) -> Result<(), LabError> {
    netns::within(namespace, || {
        for (path, value) in values {
            let path = PathBuf::from(SYSCTL).join(path);
            std::fs::write(&path, value).map_err(LabError::io("write", &path))?;
        }
        Ok(())
    })?
}

/// Removes everything that the record names. What is gone already is no error, so that this can be
/// done again after it was interrupted.
pub(super) fn remove(record: &Record, children: &mut Children) -> Result<(), LabError> {
    for _ in 0..ROUNDS_MAX {
        end_processes(record, children)?;
        record::remove_tree(&record.pins)?;
        record::remove_pin_root();
        for namespace in record.namespaces() {
            if netns::path(namespace).exists() {
                remove_namespace(namespace)?;
            }
        }
        if is_gone(record) {
            break;
        }
    }
    record.remove()
}

fn is_gone(record: &Record) -> bool {
    process::marked(&record.id).is_empty()
        && !record.namespaces().any(|namespace| netns::path(namespace).exists())
}

fn end_processes(record: &Record, children: &mut Children) -> Result<(), LabError> {
    let mut processes = process::marked(&record.id);
    processes.extend(record.hosts.iter().filter_map(|host| host.agent));
    processes.sort_unstable();
    processes.dedup();
    process::end(&processes, || children.retain_mut(|child| matches!(child.try_wait(), Ok(None))))
        .map_err(|left| LabError::ProcessRemains { lab: record.name.clone(), pid: left.pid })
}

fn remove_namespace(namespace: &str) -> Result<(), LabError> {
    let line = || format!("ip netns delete {namespace}");
    let output = std::process::Command::new("ip").args(["netns", "delete", namespace]).output();
    let output = output.map_err(|source| LabError::Spawn { command: line(), source })?;
    if output.status.success() || !netns::path(namespace).exists() {
        return Ok(());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(LabError::Command { command: line(), stderr })
}
