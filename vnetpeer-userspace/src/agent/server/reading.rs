//! What somebody may ask who cannot read the whole document: its serial, their own permissions, the records
//! of what they may read.

use axum::{
    Extension, Json,
    extract::{ConnectInfo, State},
    response::{IntoResponse as _, Response},
};

use super::{Context, Failure, ask, guard::Guard};
use crate::{
    agent::{
        access::{AUDIT_READ, explained, find, permission_of, require, rights},
        api::{AuditQuery, Head, PermissionQuery},
        audit::{self, Record},
        peer::Peer,
        task::{Command, chain},
    },
    arm::{self, Kind},
    permission::{
        arm::{assignment, definition},
        changes::ROOT,
        decide::Rights,
        roles::built_in,
    },
    topology::{
        facts::NetworkFacts,
        model::{RoleAssignment, RoleDefinition},
        network::Network,
    },
};

/// What a write begins with.
pub(super) async fn head(State(guard): State<Guard>) -> Response {
    let deployment = guard.deployment();
    Json(Head {
        host: guard.host.clone(),
        serial: deployment.serial(),
        state_digest: deployment.state_digest(),
    })
    .into_response()
}

/// Resources in ARM's shape. The guard leaves out what the peer may not read.
pub(super) async fn resources(
    State(context): State<Context>,
    Extension(guard): Extension<Guard>,
    Json(kind): Json<Kind>,
) -> Result<Response, Failure> {
    let facts = match kind {
        Kind::Gateway => ask(&context, Command::Deployment).await?.facts,
        // The others are as the document has them: nobody waits for the task.
        _ => NetworkFacts::default(),
    };
    let deployment = guard.deployment();
    let network = Network::new(deployment.topology(), deployment.state());
    let network = network.map_err(|error| Failure::internal(chain(&error)))?.with_facts(&facts);
    Ok(Json(arm::resources(kind, &network)).into_response())
}

/// Whether a principal may do something, and why. Everybody may ask about themselves; about others who may
/// read role assignments there.
pub(super) async fn permission(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(query): Json<PermissionQuery>,
) -> Result<Response, Failure> {
    const READ: &str = "Microsoft.Authorization/roleAssignments/read";
    let deployment = guard.deployment();
    let permissions = &deployment.topology().permissions;
    let own = rights(permissions, &peer);
    let Some(name) = &query.principal else {
        return Ok(Json(explained(&own, &query)).into_response());
    };
    let index = find(permissions, name);
    if !index.is_some_and(|it| own.caller().principals.contains(&it)) {
        require(&own, READ, &query.scope).map_err(|denial| guard.refuse(&own, &denial))?;
    }
    let reply = permission_of(permissions, &query)
        .map_err(|unknown| Failure::unknown_principal(&unknown))?;
    Ok(Json(reply).into_response())
}

/// The roles that are built in, and those of the document that can be assigned where the peer may read.
pub(super) async fn roles(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Response {
    const READ: &str = "Microsoft.Authorization/roleDefinitions/read";
    let deployment = guard.deployment();
    let permissions = &deployment.topology().permissions;
    let rights = rights(permissions, &peer);
    let known = built_in().iter().map(|it| definition(it, true));
    let may_read =
        |it: &&RoleDefinition| it.assignable_scopes.iter().any(|scope| rights.may(READ, scope));
    let custom = permissions.custom_roles.iter().filter(may_read);
    let all: Vec<_> = known.chain(custom.map(|it| definition(it, false))).collect();
    Json(all).into_response()
}

/// The assignments that the peer may read, and its own.
pub(super) async fn assignments(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Response {
    const READ: &str = "Microsoft.Authorization/roleAssignments/read";
    let deployment = guard.deployment();
    let permissions = &deployment.topology().permissions;
    let rights = rights(permissions, &peer);
    let is_visible = |it: &&RoleAssignment| {
        rights.caller().principals.contains(&it.principal) || rights.may(READ, &it.id)
    };
    let visible = permissions.assignments.iter().filter(is_visible);
    let all: Vec<_> = visible.filter_map(|it| assignment(permissions, it)).collect();
    Json(all).into_response()
}

/// Records about resources whose records the peer may read.
pub(super) async fn audit(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(query): Json<AuditQuery>,
) -> Result<Response, Failure> {
    let deployment = guard.deployment();
    let rights = rights(&deployment.topology().permissions, &peer);
    let log = guard.audit.clone();
    let read = tokio::task::spawn_blocking(move || audit::read(log.directory())).await;
    let mut records =
        read.map_err(Failure::internal)?.map_err(|error| Failure::internal(chain(&error)))?;
    records.retain(|it| query.takes(it) && may_read(&rights, it));
    let skip = query.last.map_or(0, |last| records.len().saturating_sub(last));
    records.drain(..skip);
    Ok(Json(records).into_response())
}

fn may_read(rights: &Rights<'_>, record: &Record) -> bool {
    rights.may(AUDIT_READ, &record.event.resource)
}

/// Whether the log is whole.
pub(super) async fn verify(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Result<Response, Failure> {
    let deployment = guard.deployment();
    let rights = rights(&deployment.topology().permissions, &peer);
    require(&rights, AUDIT_READ, ROOT).map_err(|denial| guard.refuse(&rights, &denial))?;
    let (log, host) = (guard.audit.clone(), guard.host.clone());
    let read = tokio::task::spawn_blocking(move || audit::verify(log.directory(), &host)).await;
    let report =
        read.map_err(Failure::internal)?.map_err(|error| Failure::internal(chain(&error)))?;
    Ok(Json(report).into_response())
}
