//! Completions that know names: shells ask the program itself, and it asks the agents, or reads the document
//! that the command line names. A shell that waits is worse than one that does not know, so it is given up
//! soon, and errors are nothing to complete.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Command;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use serde_json::Value;
use tokio::time::timeout;

use super::target::{Source, Target};
use crate::{
    arm::{Kind, resources},
    explanation, lab,
    topology::model::Topology,
};

/// How long a shell waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// What an argument names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Resource(Kind),
    Host,
    Role,
    Principal,
    Lab,
    Code,
    Reason,
}

use Kind::{
    Gateway, LoadBalancer, NetworkManager, Nic, Peering, RouteTable, SecurityGroup, Subnet, Vnet,
};
use Of::Resource;

/// Arguments by command and id.
const ARGUMENTS: &[(&str, &str, Of)] = &[
    ("", "lab", Of::Lab),
    ("run", "host", Of::Host),
    ("lab down", "name", Of::Lab),
    ("lab exec", "nic", Resource(Nic)),
    ("vnet show", "name", Resource(Vnet)),
    ("vnet update", "name", Resource(Vnet)),
    ("subnet show", "name", Resource(Subnet)),
    ("nic show", "name", Resource(Nic)),
    ("nic effective-routes", "nic", Resource(Nic)),
    ("nic effective-nsg", "nic", Resource(Nic)),
    ("nic diagnostic", "nic", Resource(Nic)),
    ("peering show", "name", Resource(Peering)),
    ("peering create", "remote_vnet", Resource(Vnet)),
    ("peering update", "name", Resource(Peering)),
    ("peering delete", "name", Resource(Peering)),
    ("peering sync", "name", Resource(Peering)),
    ("network-manager show", "name", Resource(NetworkManager)),
    ("network-manager commit", "name", Resource(NetworkManager)),
    ("network-manager list-active-connectivity", "network_manager", Resource(NetworkManager)),
    ("network-manager list-effective-connectivity", "vnet", Resource(Vnet)),
    ("route-table show", "name", Resource(RouteTable)),
    ("gateway show", "name", Resource(Gateway)),
    ("load-balancer show", "name", Resource(LoadBalancer)),
    ("load-balancer health", "name", Resource(LoadBalancer)),
    ("nsg show", "name", Resource(SecurityGroup)),
    ("next-hop", "nic", Resource(Nic)),
    ("ip-flow-verify", "nic", Resource(Nic)),
    ("trace", "from", Resource(Nic)),
    ("trace", "to", Resource(Nic)),
    ("connectivity-check", "from", Resource(Nic)),
    ("connectivity-check", "to", Resource(Nic)),
    ("flows", "nic", Resource(Nic)),
    ("observe", "nic", Resource(Nic)),
    ("observe", "vnet", Resource(Vnet)),
    ("observe", "peering", Resource(Peering)),
    ("observe", "reason", Of::Reason),
    ("capture", "nic", Resource(Nic)),
    ("capture", "vnet", Resource(Vnet)),
    ("capture", "peering", Resource(Peering)),
    ("capture", "reason", Of::Reason),
    ("explain", "code", Of::Code),
    ("role show", "name", Of::Role),
    ("permission check", "principal", Of::Principal),
];

/// A command whose arguments know names, and all below it; `path` is its name without the program's.
pub(super) fn add(mut command: Command, path: &str) -> Command {
    // In place: an argument that is changed on its own becomes the last one of the command.
    command = command.mut_args(|arg| {
        let of = ARGUMENTS.iter().find(|(it, id, _)| *it == path && arg.get_id() == *id);
        let Some((.., of)) = of else { return arg };
        arg.add(ArgValueCandidates::new(move || candidates(*of)))
    });
    let below: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    for name in below {
        let path = format!("{path} {name}");
        command = command.mut_subcommand(&name, |it| add(it, path.trim_start()));
    }
    command
}

fn candidates(of: Of) -> Vec<CompletionCandidate> {
    if of == Of::Code || of == Of::Reason {
        let of_kind =
            |it: &explanation::Explanation| of == Of::Code || it.kind == explanation::Kind::Drop;
        let all = explanation::all().filter(of_kind);
        return all
            .map(|it| CompletionCandidate::new(it.code).help(Some(it.meaning.into())))
            .collect();
    }
    names(of).into_iter().map(CompletionCandidate::new).collect()
}

fn names(of: Of) -> Vec<String> {
    if of == Of::Lab {
        let labs = lab::list().unwrap_or_default();
        return labs.into_iter().map(|it| it.name).collect();
    }
    let words: Vec<OsString> = std::env::args_os().collect();
    let file = option(&words, &["-f", "--file"]).map(PathBuf::from);
    let socket = option(&words, &["--socket"]).or_else(|| std::env::var_os("VNETPEER_SOCKET"));
    let target = Target {
        lab: option(&words, &["--lab"]).and_then(|it| it.into_string().ok()),
        socket: socket.into_iter().map(PathBuf::from).collect(),
    };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let found = async { timeout(PATIENCE, find(of, file.as_deref(), &target)).await };
    runtime.block_on(found).map(Result::unwrap_or_default).unwrap_or_default()
}

/// The value of an option of the command line that is being written.
fn option(words: &[OsString], names: &[&str]) -> Option<OsString> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if names.iter().any(|it| word == it) {
            return words.next().cloned();
        }
        let text = word.to_str().unwrap_or_default();
        let glued = names.iter().find_map(|it| text.strip_prefix(it)?.strip_prefix('='));
        if let Some(value) = glued {
            return Some(value.into());
        }
    }
    None
}

async fn find(of: Of, file: Option<&Path>, target: &Target) -> anyhow::Result<Vec<String>> {
    if let (Resource(kind), None) = (of, file) {
        return Ok(of_resources(&target.newest().await?.resources(kind).await?));
    }
    let source = Source::open(file, target).await?;
    Ok(match of {
        Resource(kind) => of_resources(&resources(kind, &source.network()?)),
        of => of_topology(of, &source.topology),
    })
}

fn of_resources(all: &[Value]) -> Vec<String> {
    let names = all.iter().filter_map(|it| it.get("name")).filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

fn of_topology(of: Of, topology: &Topology) -> Vec<String> {
    let names = |ids: &mut dyn Iterator<Item = &str>| ids.map(str::to_owned).collect();
    match of {
        Of::Host => names(&mut topology.hosts.iter().map(|it| it.name.as_str())),
        Of::Principal => {
            names(&mut topology.permissions.principals.iter().map(|it| it.name.as_str()))
        }
        Of::Role => {
            let known = crate::permission::roles::built_in().iter();
            let own = &topology.permissions.custom_roles;
            names(&mut known.chain(own).map(|it| it.name.as_str()))
        }
        Resource(_) | Of::Lab | Of::Code | Of::Reason => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_is_there() {
        let all = super::super::commands();
        for (path, id, _) in ARGUMENTS {
            let found = path.split_whitespace().try_fold(&all, |at, it| at.find_subcommand(it));
            let command = found.unwrap_or_else(|| panic!("there is no command `{path}`"));
            assert!(command.get_arguments().any(|it| it.get_id() == id), "`{path}` has no `{id}`");
        }
    }

    #[test]
    fn options_are_found_in_what_is_written() {
        let words = |line: &str| line.split(' ').map(OsString::from).collect::<Vec<_>>();
        let of = |line: &str| option(&words(line), &["-f", "--file"]);
        assert_eq!(of("vnetpeer nic show -f a.yaml x"), Some("a.yaml".into()));
        assert_eq!(of("vnetpeer nic show --file=a.yaml x"), Some("a.yaml".into()));
        assert_eq!(of("vnetpeer nic show x"), None);
    }
}
