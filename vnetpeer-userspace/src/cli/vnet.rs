//! `vnetpeer vnet`.

use clap::Subcommand;
use ipnet::IpNet;
use serde_json::Value;

use super::{Exit, Global, draft::Draft, network, output};
use crate::{agent::rollout::roll_out, topology::network::Network};

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
        let change = draft.finish()?;
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
            output::print(global.output, vnet, |_| network::table(network::Kind::Vnet, &shown))?;
        }
    }
    Ok(Exit::Done)
}
