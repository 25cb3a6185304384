//! One look at all agents.

use anyhow::Context as _;
use futures_util::future::join_all;
use tokio::time::Instant;

use crate::{
    agent::{
        api::{AgentStatus, LinkMeter, NicDrops},
        client::{Client, ClientError},
    },
    cli::meter,
};

/// What the agents said.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    /// When.
    pub(super) at: Instant,
    /// Links, summed over the hosts.
    pub(super) meters: Vec<LinkMeter>,
    /// Drops of all hosts.
    pub(super) drops: Vec<NicDrops>,
    /// The hosts, as far as their status may be read.
    pub(super) statuses: Vec<AgentStatus>,
    /// Why some hosts said nothing.
    pub(super) errors: Vec<String>,
}

impl Sample {
    /// Asks all agents at the same time; an error if none answers.
    pub(super) async fn take(clients: &[Client]) -> anyhow::Result<Self> {
        let answers = join_all(clients.iter().map(|client| async move {
            let (meters, drops) = (client.meters().await?, client.drops().await?);
            // Who may read links and NICs need not be allowed to read hosts.
            let status = match client.status().await {
                Err(error) if error.is_denied() => None,
                status => Some(status?),
            };
            Ok::<_, ClientError>((meters, drops, status))
        }))
        .await;
        let (mut hosts, mut drops, mut statuses, mut errors) = (vec![], vec![], vec![], vec![]);
        let mut first = None;
        for answer in answers {
            match answer {
                Ok((of_meters, of_drops, status)) => {
                    hosts.push(of_meters);
                    drops.extend(of_drops);
                    statuses.extend(status);
                }
                Err(error) => {
                    errors.push(error.to_string());
                    first = first.or(Some(error));
                }
            }
        }
        if let Some(error) = first.filter(|_| hosts.is_empty()) {
            return Err(error).context("no agent says what it counts");
        }
        Ok(Self { at: Instant::now(), meters: meter::sum(hosts), drops, statuses, errors })
    }
}
