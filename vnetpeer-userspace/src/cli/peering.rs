//! `vnetpeer peering`: one side of a peering is made, changed, removed or synced, as in Azure.

mod flags;
mod managed;
#[cfg(test)]
mod tests;

use anyhow::bail;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::{flags::Flags, managed::Write};
use super::{
    Exit, Global,
    draft::{Change, Draft},
    network, output,
};
use crate::{
    agent::{api::DeploymentView, rollout::roll_out},
    topology::{
        model::{ResourceId, Topology},
        network::Network,
    },
};

/// What every command that changes something does.
const HOW: &str = "Changes the newest document that the agents have, judges it as a whole and puts it \
                   in force on all hosts; when the command returns, it is. The document in force is \
                   written anew, without comments; no file of yours is touched, and applying one \
                   again undoes what it does not say.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    #[command(flatten)]
    Show(network::Command),
    /// Make one side of a peering. Packets pass when both VNets have one
    #[command(after_help = HOW)]
    Create {
        #[command(flatten)]
        side: Side,
        /// The VNet to peer with: its name or ARM id
        #[arg(long, value_name = "VNET")]
        remote_vnet: String,
        #[command(flatten)]
        flags: Flags,
    },
    /// Change properties of one side; takes a Disconnected one back to Initiated
    #[command(after_help = HOW)]
    Update {
        #[command(flatten)]
        side: Side,
        #[command(flatten)]
        flags: Flags,
    },
    /// Remove one side; the other becomes Disconnected, and no packet passes any more
    #[command(after_help = HOW)]
    Delete(Side),
    /// Take over the remote VNet's present address space
    #[command(after_help = HOW)]
    Sync(Side),
}

#[derive(Args, Debug)]
pub(super) struct Side {
    /// VNET/PEERING, or the peering's ARM id
    name: String,
    /// Do the same to the other side. A side that it makes is named REMOTE-to-VNET, has subnet names
    /// the other way round, and lets this side use its gateway if this side wants to
    #[arg(long)]
    both: bool,
}

pub(super) async fn run(command: &Command, global: &Global) -> anyhow::Result<Exit> {
    if let Command::Show(command) = command {
        return network::run(network::Kind::Peering, command, global).await;
    }
    let mut outcome = None;
    roll_out(&global.target.clients()?, |newest| {
        let (ids, change) = change(command, newest)?;
        let proposal = (!ids.is_empty()).then(|| change.proposal.clone());
        outcome = Some((ids, change));
        Ok::<_, anyhow::Error>(proposal)
    })
    .await?;
    if let Some((ids, change)) = outcome {
        print(command, &ids, &change, global)?;
    }
    Ok(Exit::Done)
}

/// The ids of the objects that a command is about, and what it makes of the deployment.
fn change(command: &Command, newest: DeploymentView) -> anyhow::Result<(Vec<ResourceId>, Change)> {
    let mut draft = Draft::open(newest)?;
    let ids = match command {
        Command::Show(_) => Vec::new(),
        Command::Create { side, remote_vnet, flags } => {
            create(&mut draft, side, remote_vnet, flags)?
        }
        Command::Update { side, flags } => update(&mut draft, side, flags)?,
        Command::Delete(side) => delete(&mut draft, side)?,
        Command::Sync(side) => sync(&mut draft, side)?,
    };
    Ok((ids, draft.finish()?))
}

fn create(
    draft: &mut Draft,
    side: &Side,
    remote: &str,
    flags: &Flags,
) -> anyhow::Result<Vec<ResourceId>> {
    let id = id(draft, &side.name)?;
    let remote = draft.vnet(remote, "InvalidResourceReference")?.id.clone();
    let mut ids = vec![id.clone()];
    if let Some(before) = points_at(&draft.topology, &id)
        && *before != remote
    {
        bail!(
            "ChangingRemoteVirtualNetworkNotAllowed: {} points at {}; delete it first, or choose \
             another name",
            id.name(),
            before.name()
        );
    }
    managed::check_create(&draft.topology, &id, &parent(&id), &remote)?;
    if side.both {
        let own = parent(&id);
        let other = find(&draft.topology, &remote, &own);
        let other = other.unwrap_or_else(|| {
            let name = format!("{}-to-{}", remote.name(), own.name());
            ResourceId::new(format!("{remote}/virtualNetworkPeerings/{name}"))
        });
        draft.put_peering(&other, flags.mirrored().properties(&own))?;
        ids.push(other);
    }
    draft.put_peering(&id, flags.properties(&remote))?;
    Ok(ids)
}

fn update(draft: &mut Draft, side: &Side, flags: &Flags) -> anyhow::Result<Vec<ResourceId>> {
    let ids = sides(draft, side)?;
    for id in &ids {
        managed::check(&draft.topology, id, Write::Update)?;
    }
    let all = [flags.clone(), flags.mirrored()];
    // The other side first: it may have to let this one use its gateway.
    for (id, flags) in ids.iter().zip(&all).rev() {
        let managed = || managed::declared(&draft.topology, id);
        let Some(mut properties) = draft.peering(id).cloned().or_else(managed) else { continue };
        flags.set(&mut properties);
        draft.put_peering(id, properties)?;
    }
    Ok(ids)
}

/// As in Azure, a peering that is not there has been deleted.
fn delete(draft: &mut Draft, side: &Side) -> anyhow::Result<Vec<ResourceId>> {
    let id = id(draft, &side.name)?;
    let is_there = points_at(&draft.topology, &id).is_some();
    let ids = if side.both && is_there { sides(draft, side)? } else { vec![id] };
    let mut deleted = Vec::new();
    for id in ids {
        managed::check(&draft.topology, &id, Write::Delete)?;
        if draft.delete_peering(&id)? {
            deleted.push(id);
        }
    }
    Ok(deleted)
}

fn sync(draft: &mut Draft, side: &Side) -> anyhow::Result<Vec<ResourceId>> {
    let ids = sides(draft, side)?;
    for id in &ids {
        managed::check(&draft.topology, id, Write::Sync)?;
        draft.sync_peering(id);
    }
    Ok(ids)
}

/// This side, which must be there, and with `--both` the other, which must be there too.
fn sides(draft: &Draft, side: &Side) -> anyhow::Result<Vec<ResourceId>> {
    let id = id(draft, &side.name)?;
    let Some(remote) = points_at(&draft.topology, &id) else {
        bail!("ResourceNotFound: there is no peering `{}`", side.name);
    };
    let mut ids = vec![id.clone()];
    if side.both {
        let other = find(&draft.topology, remote, &parent(&id));
        let Some(other) = other else {
            bail!(
                "ResourceNotFound: {} has no peering with {}; leave out --both",
                remote.name(),
                parent(&id).name()
            );
        };
        ids.push(other);
    }
    Ok(ids)
}

/// The ARM id of a peering that is there or will be; its VNet must be there.
fn id(draft: &Draft, name: &str) -> anyhow::Result<ResourceId> {
    const PARENT: &str = "ParentResourceNotFound";
    let segments: Vec<&str> = name.split('/').collect();
    let (vnet, own) = match segments.as_slice() {
        [vnet, own] => (draft.vnet(vnet, PARENT)?, *own),
        ["", _, _, _, _, _, _, _, _, _, own] => {
            (draft.vnet(parent(&ResourceId::new(name)).as_str(), PARENT)?, *own)
        }
        _ => bail!(
            "InvalidResourceName: `{name}` does not say whose peering it is; write VNET/PEERING"
        ),
    };
    Ok(ResourceId::new(format!("{}/virtualNetworkPeerings/{own}", vnet.id)))
}

/// The VNet that a peering object is a part of.
fn parent(id: &ResourceId) -> ResourceId {
    let end = id.as_str().rmatch_indices('/').nth(1).map_or(0, |(offset, _)| offset);
    ResourceId::new(id.as_str().get(..end).unwrap_or_default())
}

/// The VNet that a peering object points at.
fn points_at<'t>(topology: &'t Topology, id: &ResourceId) -> Option<&'t ResourceId> {
    let peering = topology.peerings.iter().find(|it| it.id == *id)?;
    topology.vnet(peering.remote).map(|vnet| &vnet.id)
}

/// The peering object of one VNet with another.
fn find(topology: &Topology, of: &ResourceId, with: &ResourceId) -> Option<ResourceId> {
    let is = |index, id: &ResourceId| topology.vnet(index).is_some_and(|vnet| vnet.id == *id);
    let mut written = topology.written_peerings();
    written.find(|it| is(it.vnet, of) && is(it.remote, with)).map(|it| it.id.clone())
}

/// One object as it is, both in a list; what was deleted by name.
fn print(
    command: &Command,
    ids: &[ResourceId],
    change: &Change,
    global: &Global,
) -> anyhow::Result<()> {
    if let Command::Delete(_) = command {
        let deleted = json!({ "deleted": ids });
        return output::show(global, &deleted, |_| match ids {
            [] => "there is no such peering".to_owned(),
            ids => format!("deleted {}", output::join(ids.iter().map(full_name))),
        });
    }
    let network = Network::new(&change.topology, &change.state)?;
    let all = network::resources(network::Kind::Peering, &network);
    let is = |value: &Value, id: &ResourceId| {
        value.get("id").and_then(Value::as_str).is_some_and(|it| it == id.as_str())
    };
    let shown: Vec<Value> =
        ids.iter().filter_map(|id| all.iter().find(|it| is(it, id)).cloned()).collect();
    let table = || network::table(network::Kind::Peering, &shown);
    match shown.as_slice() {
        [one] => output::show(global, one, |_| table()),
        both => output::show(global, &both, |_| table()),
    }
}

/// `VNET/PEERING`.
fn full_name(id: &ResourceId) -> String {
    format!("{}/{}", parent(id).name(), id.name())
}
