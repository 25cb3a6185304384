//! A document on all hosts of a deployment, or on none: first every agent judges it and holds it, then
//! all put it in force.
//!
//! Two rollouts at the same time do not lose one another's changes. What an agent holds keeps the other
//! away, and an agent that has got a newer document than the rollout began with refuses; whoever is
//! refused begins again with the newest.

use std::time::{Duration, SystemTime};

use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

use super::{
    api::{ANOTHER_OPERATION_IN_PROGRESS, ApplyReply, ApplyRequest, DeploymentView, HeldDocument},
    client::{Client, ClientError},
};
use crate::topology::state::{PeeringWrite, State};

/// How long a rollout waits for others to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// A pause before the next attempt is this long at least, and up to twice as long.
const PAUSE_MS: u32 = 25;

/// Why a document is not in force on all hosts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RolloutError {
    /// No host has an agent.
    #[error("the lab has no agent")]
    NoAgent,
    /// An agent does not tell what it has.
    #[error(transparent)]
    Unknown(#[from] ClientError),
    /// Others changed the deployment all the time.
    #[error(
        "{ANOTHER_OPERATION_IN_PROGRESS}: another command is changing the deployment; nothing was \
         changed by this one, try again"
    )]
    InProgress,
    /// Some of it is not permitted, so no host has it.
    #[error("{0}")]
    Denied(String),
    /// An agent refused it, so no host has it.
    #[error("nothing was changed:\n{}", .0.join("\n"))]
    Refused(Vec<String>),
    /// Some hosts have it and some do not.
    #[error("not in force everywhere; apply it again once this is mended:\n{}", .0.join("\n"))]
    Incomplete(Vec<String>),
}

/// What should be in force.
#[derive(Clone, Debug)]
pub struct Proposal {
    /// Name of the document, for messages.
    pub source: String,
    /// The document.
    pub document: String,
    /// What all hosts continue from.
    pub base: Option<State>,
    /// The writes of peering objects that the document comes from, in their order; none: it is written
    /// whole.
    pub operations: Vec<PeeringWrite>,
}

/// The newest deployment that an agent has. Agents must give out the same numbers, so everybody
/// continues from it.
pub async fn newest(clients: &[Client]) -> Result<DeploymentView, RolloutError> {
    let mut newest: Option<DeploymentView> = None;
    for view in join_all(clients.iter().map(Client::deployment)).await {
        let view = view?;
        if newest.as_ref().is_none_or(|it| view.serial > it.serial) {
            newest = Some(view);
        }
    }
    newest.ok_or(RolloutError::NoAgent)
}

/// Puts a whole document in force on all hosts. It can be done by those too who cannot read what is in
/// force: then every host continues from what it has itself.
pub async fn roll_out_whole(
    clients: &[Client],
    source: &str,
    document: &str,
) -> Result<Vec<ApplyReply>, RolloutError> {
    let proposal = |base| Proposal {
        source: source.to_owned(),
        document: document.to_owned(),
        base,
        operations: Vec::new(),
    };
    match roll_out(clients, |newest| Ok(Some(proposal(Some(newest.state))))).await {
        Err(RolloutError::Unknown(error)) if error.denial().is_some() => {}
        result => return result,
    }
    let mut serial = 0;
    for head in join_all(clients.iter().map(Client::head)).await {
        serial = serial.max(head?.serial);
    }
    attempt(clients, &request(proposal(None), serial)).await
}

/// Puts in force on all hosts what `propose` makes of the newest deployment; nothing if it has nothing
/// to change. It is asked again if another rollout came first.
pub async fn roll_out<E: From<RolloutError>>(
    clients: &[Client],
    mut propose: impl FnMut(DeploymentView) -> Result<Option<Proposal>, E>,
) -> Result<Vec<ApplyReply>, E> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let newest = newest(clients).await?;
        let serial = newest.serial;
        let Some(proposal) = propose(newest)? else { return Ok(Vec::new()) };
        match attempt(clients, &request(proposal, serial)).await {
            Err(RolloutError::InProgress) if Instant::now() < deadline => pause().await,
            result => return Ok(result?),
        }
    }
}

fn request(proposal: Proposal, serial: u64) -> ApplyRequest {
    ApplyRequest {
        source: proposal.source,
        document: proposal.document,
        base: proposal.base,
        serial: Some(serial + 1),
        expected_serial: Some(serial),
        operations: proposal.operations,
    }
}

/// Two rollouts that met must not meet again and again.
async fn pause() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let more = now.subsec_micros() % PAUSE_MS;
    sleep(Duration::from_millis(u64::from(PAUSE_MS + more))).await;
}

async fn attempt(
    clients: &[Client],
    request: &ApplyRequest,
) -> Result<Vec<ApplyReply>, RolloutError> {
    let answers = join_all(clients.iter().map(|it| it.prepare(request))).await;
    let mut held = Vec::new();
    let mut failures = Vec::new();
    for (client, answer) in clients.iter().zip(answers) {
        match answer {
            Ok(reply) => held.push((client, HeldDocument { ticket: reply.ticket })),
            Err(error) => failures.push((client, error)),
        }
    }
    if failures.is_empty() {
        return commit(held).await;
    }
    // An agent that cannot be told forgets what it holds after a while.
    let _ = join_all(held.iter().map(|(client, held)| client.abandon(*held))).await;
    // All hosts have the same permissions, so one of them tells what is denied.
    if let Some(denial) = failures.iter().find_map(|(_, error)| error.denial()) {
        return Err(RolloutError::Denied(denial.message.clone()));
    }
    let only_busy = failures.iter().all(|(_, error)| is_in_progress(error));
    Err(if only_busy { RolloutError::InProgress } else { RolloutError::Refused(lines(failures)) })
}

async fn commit(held: Vec<(&Client, HeldDocument)>) -> Result<Vec<ApplyReply>, RolloutError> {
    let answers = join_all(held.iter().map(|(client, held)| client.commit(*held))).await;
    let mut replies = Vec::new();
    let mut failures = Vec::new();
    for ((client, _), answer) in held.into_iter().zip(answers) {
        match answer {
            Ok(reply) => replies.push(reply),
            Err(error) => failures.push((client, error)),
        }
    }
    if failures.is_empty() { Ok(replies) } else { Err(RolloutError::Incomplete(lines(failures))) }
}

fn is_in_progress(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused(reply) if reply.code == ANOTHER_OPERATION_IN_PROGRESS)
}

fn lines(failures: Vec<(&Client, ClientError)>) -> Vec<String> {
    let line =
        |(client, error): (&Client, ClientError)| format!("{}: {error}", client.socket().display());
    failures.into_iter().map(line).collect()
}
