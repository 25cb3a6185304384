//! `vnetpeer network-manager`: network managers, what they deploy, and commits.

mod status;

use clap::{Args, Subcommand, ValueEnum};
use jiff::{Timestamp, Unit};
use serde_json::{Value, json};

use super::{
    Exit, Global,
    draft::Draft,
    listing::Listing,
    named::{self, is_named},
    network::{self, From, Kind, text},
    output::{self, Rows, join, short},
    target::Source,
};
use crate::{
    agent::{api::DeploymentView, rollout::roll_out},
    arm,
    topology::model::{self, NetworkManager, ResourceId, Topology},
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Show(network::Command),
    /// Deploy configurations in regions; what was deployed there before and is not named ends
    #[command(
        after_help = "Changes the newest document that the agents have, judges it as a whole and \
                            puts it in force on all hosts. The document in force is written anew, \
                            without comments; no file of yours is touched, and applying one again \
                            undoes what it does not say."
    )]
    Commit(Commit),
    /// Show what is deployed in each region, and how far it is in force on the hosts
    DeploymentStatus(status::Arguments),
    /// List the connectivity configurations that are deployed, by region
    ListActiveConnectivity {
        /// Only of the network manager with this name or ARM id
        #[arg(long, value_name = "NAME")]
        network_manager: Option<String>,
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        listing: Listing,
    },
    /// List the connectivity configurations that connect a virtual network
    ListEffectiveConnectivity {
        /// The virtual network's name or ARM id
        vnet: String,
        #[command(flatten)]
        from: From,
        #[command(flatten)]
        listing: Listing,
    },
}

#[derive(Args, Debug)]
pub(super) struct Commit {
    /// The network manager's name or ARM id
    name: String,
    /// The kind of configurations
    #[arg(long = "commit-type", value_enum)]
    kind: Type,
    /// The regions
    #[arg(long, value_name = "REGION", num_args = 1.., required = true)]
    target_locations: Vec<String>,
    /// The configurations: names or ARM ids
    #[arg(long, value_name = "NAME", num_args = 1.., required_unless_present = "none")]
    configuration_ids: Vec<String>,
    /// Deploy none: end what is deployed there
    #[arg(long, conflicts_with = "configuration_ids")]
    none: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
enum Type {
    Connectivity,
    SecurityAdmin,
}

impl Type {
    const fn commit_type(self) -> model::CommitType {
        match self {
            Self::Connectivity => model::CommitType::Connectivity,
            Self::SecurityAdmin => model::CommitType::SecurityAdmin,
        }
    }
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    let from = match command {
        Command::Commit(arguments) => return commit(arguments, global).await,
        Command::DeploymentStatus(arguments) => return status::run(arguments, global).await,
        Command::Show(command) => {
            return network::run(Kind::NetworkManager, command, global).await;
        }
        Command::ListActiveConnectivity { from, .. }
        | Command::ListEffectiveConnectivity { from, .. } => from,
    };
    let source = Source::open(from.file.as_deref(), &global.target).await?;
    let topology = &source.topology;
    match command {
        Command::ListActiveConnectivity { network_manager, listing, .. } => {
            let chosen = network_manager.as_ref().map(|name| find(topology, name)).transpose()?;
            let managers = topology.network_managers.iter();
            let managers = managers.filter(|it| chosen.is_none_or(|chosen| chosen.id == it.id));
            let all = managers.flat_map(|it| arm::active(topology, it)).collect();
            listing.print(global, all, configurations)?;
        }
        Command::ListEffectiveConnectivity { vnet, listing, .. } => {
            let all = arm::effective(topology, find_vnet(topology, vnet)?);
            listing.print(global, all, configurations)?;
        }
        Command::Show(_) | Command::Commit(_) | Command::DeploymentStatus(_) => {}
    }
    Ok(Exit::Done)
}

/// The network manager with this name or ARM id.
fn find<'t>(topology: &'t Topology, name: &str) -> anyhow::Result<&'t NetworkManager> {
    let all = &topology.network_managers;
    let is_meant = |it: &NetworkManager| is_named(&it.id, name);
    named::only("network manager", name, all, is_meant, |it| Some(it.id.name()))
}

fn find_vnet(topology: &Topology, name: &str) -> anyhow::Result<model::VnetIndex> {
    let (index, _) = named::find("virtual network", name, &topology.vnets, |it| &it.id)?;
    Ok(model::VnetIndex(index))
}

async fn commit(arguments: &Commit, global: &Global) -> anyhow::Result<Exit> {
    let mut outcome = None;
    roll_out(&global.target.clients()?, |newest| {
        let (id, change) = change(arguments, newest)?;
        let proposal = change.proposal.clone();
        outcome = Some((id, change));
        Ok::<_, anyhow::Error>(Some(proposal))
    })
    .await?;
    if let Some((id, change)) = outcome {
        let managers = change.topology.network_managers.iter();
        let mut shown: Vec<Value> =
            managers.filter(|it| it.id == id).flat_map(status::rows).collect();
        shown.retain(|it| text(it, "/deploymentType") == format!("{:?}", arguments.kind));
        output::show(global, &shown, |shown| status::table(shown).to_string())?;
    }
    Ok(Exit::Done)
}

/// The manager's id, and what the commit makes of the deployment.
fn change(
    arguments: &Commit,
    newest: DeploymentView,
) -> anyhow::Result<(ResourceId, super::draft::Change)> {
    let mut draft = Draft::open(newest)?;
    let manager = find(&draft.topology, &arguments.name)?.id.clone();
    let now = Timestamp::now().round(Unit::Second)?;
    draft.commit(
        &manager,
        &json!({
            "commitType": format!("{:?}", arguments.kind.commit_type()),
            "targetLocations": arguments.target_locations,
            "configurationIds": arguments.configuration_ids,
            "commitTime": now.to_string(),
        }),
    )?;
    Ok((manager, draft.finish()?))
}

/// Network managers in columns.
pub(super) fn rows(all: &[Value]) -> Rows {
    let count = |it: &Value, pointer: &str| {
        it.pointer(pointer).and_then(Value::as_array).map_or(0, Vec::len).to_string()
    };
    output::rows(
        ["name", "location", "accesses", "groups", "connectivity", "security admin", "commits"],
        all.iter().map(|it| {
            [
                text(it, "/name"),
                text(it, "/location"),
                text(it, "/properties/networkManagerScopeAccesses"),
                count(it, "/properties/networkGroups"),
                count(it, "/properties/connectivityConfigurations"),
                count(it, "/properties/securityAdminConfigurations"),
                count(it, "/properties/commits"),
            ]
        }),
    )
}

fn configurations(all: &[Value]) -> Rows {
    output::rows(
        ["name", "topology", "hub", "groups", "region", "committed"],
        all.iter().map(|it| {
            let list = |pointer: &str, key: &str| {
                let items = it.pointer(pointer).and_then(Value::as_array);
                join(items.into_iter().flatten().map(|it| short(&text(it, key)).to_owned()))
            };
            [
                short(&text(it, "/id")).to_owned(),
                text(it, "/properties/connectivityTopology"),
                list("/properties/hubs", "/resourceId"),
                list("/configurationGroups", "/id"),
                text(it, "/region"),
                text(it, "/commitTime"),
            ]
        }),
    )
}
