//! `vnetpeer doctor`.

use clap::Args;

use super::{
    Exit, Global, output,
    target::{Source, Target},
};
use crate::{
    agent::{api::AgentStatus, client::Client},
    doctor::{Diagnosis, Level, agents, host, kernel, process},
    lab::{self, Record, netns},
    topology::model::Topology,
};

#[derive(Args, Debug)]
#[command(
    after_help = "Exits with 1 if anything is an error.\n\nExamples:\n  vnetpeer doctor\n  vnetpeer doctor --lab \
                        quickstart -o json --query \"[?level!='ok']\"\n  vnetpeer doctor --host-only"
)]
pub(super) struct Arguments {
    /// Look at this machine only: no agent need run
    #[arg(long)]
    host_only: bool,
    /// Also look for what building vnetpeer needs
    #[arg(long)]
    build: bool,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let (mut of_agents, mut is_loaded) = (Vec::new(), false);
    if !arguments.host_only {
        let statuses = ask(&global.target, &mut of_agents).await;
        is_loaded = statuses.iter().any(|it| it.ready);
        of_agents.extend(statuses.iter().flat_map(agents::check));
        of_agents.extend(agents::together(&statuses));
        if is_loaded && let Ok(source) = Source::open(None, &global.target).await {
            let record = lab_of(&global.target);
            for status in &statuses {
                of_agents.extend(look(&source.topology, status, record.as_ref()));
            }
        }
    }
    let mut all = kernel::check(is_loaded);
    all.extend([process::capabilities(), process::clock()]);
    if arguments.build {
        all.extend(process::toolchain());
    }
    all.append(&mut of_agents);
    output::show(global, &all, |all| render(all))?;
    let worst = all.iter().map(|it| it.level).max();
    Ok(if worst == Some(Level::Error) { Exit::Failed } else { Exit::Done })
}

/// What the agents answer; those that do not are among the findings.
async fn ask(target: &Target, found: &mut Vec<Diagnosis>) -> Vec<AgentStatus> {
    let clients: Vec<Client> = match target.clients() {
        Ok(clients) => clients,
        Err(error) => {
            found.push(agents::unreachable("any socket", &format!("{error:#}")));
            return Vec::new();
        }
    };
    let mut statuses = Vec::new();
    for client in clients {
        match client.status().await {
            Ok(status) => statuses.push(status),
            Err(error) => {
                let socket = client.socket().display().to_string();
                found.push(agents::unreachable(&socket, &error.to_string()));
            }
        }
    }
    statuses
}

/// The lab whose agents are asked, if it is one.
fn lab_of(target: &Target) -> Option<Record> {
    target
        .is_lab()
        .then(|| lab::open(target.lab.as_deref()).ok())
        .flatten()
        .map(|it| it.record().clone())
}

/// Looks at a host's interfaces: in the namespace that a lab gave it, or in this one.
fn look(topology: &Topology, status: &AgentStatus, lab: Option<&Record>) -> Vec<Diagnosis> {
    let action = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map(|runtime| runtime.block_on(host::check(topology, status))).unwrap_or_default()
    };
    let host = lab.and_then(|lab| lab.hosts.iter().find(|host| host.name == status.host));
    match host {
        Some(host) => netns::within(&host.namespace, action).unwrap_or_else(|error| {
            let fix = "run as root: the namespaces of a lab are root's";
            vec![Diagnosis::warning("netlink", error.to_string(), fix).of(&status.host)]
        }),
        // A runtime of its own needs a thread of its own.
        None => std::thread::scope(|scope| scope.spawn(action).join().unwrap_or_default()),
    }
}

fn render(all: &[Diagnosis]) -> String {
    let rows = all.iter().map(|it| {
        let level = match it.level {
            Level::Ok => "ok",
            Level::Warning => "warning",
            Level::Error => "ERROR",
        };
        let host = it.host.clone().unwrap_or_else(|| "-".to_owned());
        let found = match &it.fix {
            Some(fix) => format!("{}\nfix: {fix}", it.found),
            None => it.found.clone(),
        };
        [level.to_owned(), host, it.check.to_owned(), found]
    });
    let count = |level| all.iter().filter(|it| it.level == level).count();
    format!(
        "{}\n\n{} ok, {} warnings, {} errors",
        output::table(["level", "host", "check", "found"], rows),
        count(Level::Ok),
        count(Level::Warning),
        count(Level::Error)
    )
}
