//! New documents: judged, held, put in force.
//!
//! A document that several hosts get is judged by all of them before the first puts it in force. What
//! an agent holds meanwhile keeps other writes away, so that none of them is made from what is about to
//! change.

use std::sync::Arc;

use tokio::{
    task::spawn_blocking,
    time::{Duration, Instant},
};

use super::{ApplyError, Task, chain};
use crate::{
    agent::{
        api::{ApplyReply, ApplyRequest, HeldDocument, PrepareReply},
        deployment::Deployment,
        peer::Peer,
    },
    explanation::ErrorCode,
};

/// How long a held document keeps others away: longer than all hosts take to judge one. A sender that
/// died meanwhile is then forgotten.
const HOLD: Duration = Duration::from_secs(30);

/// At most one document that was judged and is not in force yet.
#[derive(Default)]
pub(super) struct Held {
    document: Option<(HeldDocument, Judged, Instant)>,
    tickets: u64,
}

/// A document that was judged, and for whom.
pub(super) struct Judged {
    next: Deployment,
    uid: u32,
    request_id: String,
}

impl Held {
    fn put(&mut self, next: Judged) -> u64 {
        self.tickets += 1;
        let held = HeldDocument { ticket: self.tickets };
        self.document = Some((held, next, Instant::now() + HOLD));
        self.tickets
    }

    /// Takes the document of a ticket, also if it is overdue: nobody came in between. Only who brought it
    /// gets it.
    pub(super) fn take(&mut self, held: HeldDocument, peer: &Peer) -> Option<Judged> {
        let is_meant = |(it, judged, _): &mut (HeldDocument, Judged, _)| {
            it.ticket == held.ticket && judged.uid == peer.uid
        };
        self.document.take_if(is_meant).map(|(_, next, _)| next)
    }

    fn keeps_others_away(&self) -> bool {
        self.document.as_ref().is_some_and(|(.., until)| Instant::now() < *until)
    }
}

impl Task {
    /// Judges a document and holds it.
    pub(super) fn prepare(
        &mut self,
        request: &ApplyRequest,
        peer: &Peer,
    ) -> Result<PrepareReply, ApplyError> {
        let next = self.judge(request, peer)?;
        Ok(PrepareReply { host: self.host.clone(), ticket: self.held.put(next) })
    }

    /// Puts in force what is held.
    pub(super) async fn commit(
        &mut self,
        held: HeldDocument,
        peer: &Peer,
    ) -> Result<ApplyReply, ApplyError> {
        let unknown = || ApplyError::TicketUnknown { host: self.host.clone() };
        let next = self.held.take(held, peer).ok_or_else(unknown)?;
        self.put_judged_in_force(next, peer).await
    }

    /// Both at once.
    pub(super) async fn apply(
        &mut self,
        request: &ApplyRequest,
        peer: &Peer,
    ) -> Result<ApplyReply, ApplyError> {
        let next = self.judge(request, peer)?;
        self.put_judged_in_force(next, peer).await
    }

    /// Puts in force what was judged, and records what became of it.
    async fn put_judged_in_force(
        &mut self,
        judged: Judged,
        peer: &Peer,
    ) -> Result<ApplyReply, ApplyError> {
        let result = self.put_in_force(judged.next).await;
        let code = result.as_ref().err().map(|_| ErrorCode::InternalError.name());
        self.record_outcome(peer, &judged.request_id, code);
        result
    }

    /// The deployment that a document leads to.
    fn judge(&self, request: &ApplyRequest, peer: &Peer) -> Result<Judged, ApplyError> {
        let is_newer = request.expected_serial.is_some_and(|it| self.deployment.serial() > it);
        if is_newer || self.held.keeps_others_away() {
            return Err(ApplyError::InProgress { host: self.host.clone() });
        }
        self.check_base(peer, request)?;
        let next = self.deployment.next(request)?;
        let request_id = self.audit.request_id();
        self.authorize(peer, request, &next, &request_id)?;
        Ok(Judged { next, uid: peer.uid, request_id })
    }

    /// The numbers are where the next agent finds them before the kernel sees them; the disk has them
    /// when the sender gets its answer.
    async fn put_in_force(&mut self, next: Deployment) -> Result<ApplyReply, ApplyError> {
        next.stage()?;
        let next = Arc::new(next);
        self.deployment = Arc::clone(&next);
        self.in_force.send_replace(Arc::clone(&next));
        self.open_socket();
        let persisted = spawn_blocking(move || next.persist());
        self.name_links();
        let result = self.pass().await;
        if let Some(meters) = self.reconciler.meters() {
            meters.wake();
        }
        match &result {
            Ok(operations) => {
                self.last_error = None;
                tracing::info!(serial = self.deployment.serial(), operations, "applied a document");
            }
            Err(error) => self.last_error = Some(chain(error)),
        }
        persisted.await??;
        let operations = result?;
        if let Some(error) = self.reconciler.broken_limit() {
            return Err(error.into());
        }
        Ok(ApplyReply {
            host: self.host.clone(),
            serial: self.deployment.serial(),
            operations,
            state_digest: self.deployment.state_digest(),
        })
    }
}
