//! Whether a peer may put a document in force: everything that the document does is judged against the
//! permissions of the one in force, and recorded before anything happens.

use super::{ApplyError, Task};
use crate::{
    agent::{
        access::{DEPLOYMENT_APPLY, denied, deployment_id, event, rights},
        api::ApplyRequest,
        audit::Event,
        deployment::{Deployment, DeploymentError},
        peer::Peer,
    },
    document::values,
    permission::{
        access::{Access, Verdict},
        changes::{DEPLOYMENT_WRITE, ROOT, Side, accesses},
        decide::Rights,
    },
    topology::network::Network,
};

/// Documents of root that are larger are recorded as one write of the deployment: to compare them would take
/// longer than to put them in force.
const COMPARED_BYTES_MAX: usize = 1 << 20;

impl Task {
    /// Refuses what the peer may not do; nothing of the document is in force then. What it may do is on
    /// disk when this returns.
    pub(super) fn authorize(
        &self,
        peer: &Peer,
        request: &ApplyRequest,
        next: &Deployment,
        request_id: &str,
    ) -> Result<(), ApplyError> {
        let rights = rights(&self.deployment.topology().permissions, peer);
        let is_owner = rights.caller().is_owner;
        let size = self.deployment.document().len() + next.document().len();
        let accesses = if is_owner && size > COMPARED_BYTES_MAX {
            Vec::new()
        } else {
            self.changes(request, next)?
        };
        let (mut events, mut denials) = (Vec::new(), Vec::new());
        for access in &accesses {
            match access.check(&rights) {
                Verdict::Allowed(grants) => {
                    let assignments = grants.into_iter().filter_map(|it| it.assignment).collect();
                    let event = event(&rights, request_id, &access.action, &access.id);
                    events.push(Event { assignments, ..event });
                }
                Verdict::Denied(denial) => denials.push(denial),
            }
        }
        // The same document again, perhaps with other comments, by somebody whom the deployment knows.
        if accesses.is_empty() && !is_owner && rights.caller().principals.is_empty() {
            let write = Access::new(DEPLOYMENT_WRITE, ROOT);
            if let Verdict::Denied(denial) = write.check(&rights) {
                denials.push(denial);
            }
        }
        if !denials.is_empty() {
            let events = denials.iter().map(|it| denied(&rights, request_id, it)).collect();
            self.audit.append(events).map_err(ApplyError::NotRecorded)?;
            return Err(ApplyError::Denied(denials));
        }
        if events.is_empty() {
            events.push(event(&rights, request_id, DEPLOYMENT_WRITE, ROOT));
        }
        self.audit.append(events).map_err(ApplyError::NotRecorded)
    }

    /// What the document does.
    fn changes(
        &self,
        request: &ApplyRequest,
        next: &Deployment,
    ) -> Result<Vec<Access>, ApplyError> {
        let read = |it: &Deployment| {
            values(it.source(), it.document())
                .map_err(|problems| DeploymentError::Document(Box::new(problems)))
        };
        let (old_values, new_values) = (read(&self.deployment)?, read(next)?);
        let old = Network::new(self.deployment.topology(), self.deployment.state())?;
        let new = Network::new(next.topology(), next.state())?;
        let old = Side { values: &old_values, network: &old };
        let new = Side { values: &new_values, network: &new };
        Ok(accesses(&old, &new, &request.operations))
    }

    /// What somebody who is not root sends along must be what this host has: numbers and states are not
    /// theirs to write.
    pub(super) fn check_base(&self, peer: &Peer, request: &ApplyRequest) -> Result<(), ApplyError> {
        let own = &self.deployment;
        let is_base = request.base.as_ref().is_none_or(|it| it == own.state());
        let is_next = request.serial.is_none_or(|it| it == own.serial() + 1);
        if peer.uid == 0 || (is_base && is_next) {
            return Ok(());
        }
        Err(ApplyError::BaseDiffers { host: self.host.clone() })
    }

    /// Records what became of a document that was allowed. It was recorded before, so a full disk is only
    /// reported.
    pub(super) fn record_outcome(&self, peer: &Peer, request_id: &str, code: Option<&str>) {
        let topology = self.deployment.topology();
        let rights: Rights<'_> = rights(&topology.permissions, peer);
        let id = deployment_id(&topology.name);
        let event = event(&rights, request_id, DEPLOYMENT_APPLY, &id);
        let event = Event { code: code.map(str::to_owned), ..event };
        if let Err(error) = self.audit.append(vec![event]) {
            tracing::error!(%error, "cannot record what became of a document");
        }
    }
}
