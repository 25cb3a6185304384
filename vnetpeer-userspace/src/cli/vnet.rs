//! `vnetpeer vnet`.

use std::collections::BTreeSet;

use anyhow::bail;
use clap::Subcommand;
use ipnet::IpNet;
use serde_json::Value;

use super::{Exit, Global, draft::Draft, network, output};
use crate::{
    agent::rollout::roll_out,
    topology::{
        model::{ResourceId, Topology},
        network::Network,
    },
};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Show(network::Command),
    /// Give a virtual network another address space
    #[command(after_help = "Peers follow at once, or with `deployment.autoSync: false` after \
                            `vnetpeer peering sync`. The document in force is written anew, without \
                            comments; no file of yours is touched, and applying one again undoes \
                            what it does not say.")]
    Update {
        /// Its name or ARM id
        name: String,
        /// All its prefixes, IPv4 and IPv6
        #[arg(long, value_name = "PREFIX", num_args = 1.., required = true)]
        address_prefixes: Vec<IpNet>,
    },
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    let (name, prefixes) = match command {
        Command::Show(command) => {
            return network::run(network::Kind::Vnet, command, global).await;
        }
        Command::Update { name, address_prefixes } => (name, address_prefixes),
    };
    let mut outcome = None;
    roll_out(&global.target.clients()?, |newest| {
        let mut draft = Draft::open(newest)?;
        let id = draft.vnet(name, "ResourceNotFound")?.id.clone();
        draft.set_address_prefixes(&id, prefixes)?;
        let before = members(&draft.topology);
        let change = draft.finish()?;
        check_connected(&before, &members(&change.topology))?;
        let proposal = change.proposal.clone();
        outcome = Some((id, change));
        Ok::<_, anyhow::Error>(Some(proposal))
    })
    .await?;
    if let Some((id, change)) = outcome {
        let network = Network::new(&change.topology, &change.state)?;
        let mut shown = network::resources(network::Kind::Vnet, &network);
        shown.retain(|it| it.get("id").and_then(Value::as_str) == Some(id.as_str()));
        if let Some(vnet) = shown.first() {
            output::show(global, vnet, |_| network::table(network::Kind::Vnet, &shown))?;
        }
    }
    Ok(Exit::Done)
}

/// The members of every connected group.
fn members(topology: &Topology) -> BTreeSet<(ResourceId, ResourceId)> {
    let groups = topology.connected_groups.iter();
    let members = groups.flat_map(|group| group.members.iter().map(move |it| (group, *it)));
    members
        .filter_map(|(group, it)| Some((group.id.clone(), topology.vnet(it)?.id.clone())))
        .collect()
}

/// A connected group that disallows overlaps leaves VNets out: no change of addresses may do that.
fn check_connected(
    before: &BTreeSet<(ResourceId, ResourceId)>,
    after: &BTreeSet<(ResourceId, ResourceId)>,
) -> anyhow::Result<()> {
    let Some((group, vnet)) = before.difference(after).next() else { return Ok(()) };
    bail!(
        "ConnectedGroupAddressOverlap: with these prefixes virtual network {} would leave connected group \
         {}, which disallows overlaps; choose others, or take the virtual network from its network group",
        vnet.name(),
        group
    )
}
