//! Every request is checked here before it is answered: as whom the peer acts, and what that may read. What
//! nothing here names is for root only. Writes of documents are judged by the task.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request, State, connect_info::Connected},
    middleware::Next,
    response::{IntoResponse as _, Response},
    serve::IncomingStream,
};
use serde_json::Value;
use tokio::{net::UnixListener, sync::watch};

use super::Failure;
use crate::{
    agent::{
        access::{
            DEPLOYMENT_READ, HOST_READ, METER_READ, NIC_READ, PACKET_CAPTURE, denied, host_id,
            require, rights,
        },
        audit::Log,
        deployment::Deployment,
        peer::Peer,
    },
    permission::{
        access::Denial,
        changes::{ROOT, action_of},
        decide::Rights,
    },
};

/// Answers are not larger than the memory that they were made in.
const ANSWER_BYTES_MAX: usize = usize::MAX;

/// What decides about requests.
#[derive(Clone)]
pub struct Guard {
    in_force: watch::Receiver<Arc<Deployment>>,
    /// Where denials are recorded.
    pub(super) audit: Arc<Log>,
    /// The host's name.
    pub(super) host: String,
}

impl Guard {
    /// A guard that goes by the permissions of the document in force.
    pub fn new(in_force: watch::Receiver<Arc<Deployment>>, audit: Arc<Log>, host: String) -> Self {
        Self { in_force, audit, host }
    }

    /// The document in force.
    pub(super) fn deployment(&self) -> Arc<Deployment> {
        Arc::clone(&self.in_force.borrow())
    }

    /// Records a denial; what cannot be recorded is denied all the same.
    pub(super) fn refuse(&self, rights: &Rights<'_>, denial: &Denial) -> Failure {
        let request_id = self.audit.request_id();
        if let Err(error) = self.audit.append_denial(denied(rights, &request_id, denial)) {
            tracing::error!(%error, "cannot record that something was denied");
        }
        Failure::denied(std::slice::from_ref(denial))
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self::of(stream.io()).unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot tell who opened a connection");
            Self::UNKNOWN
        })
    }
}

/// What an answer takes.
enum Rule {
    /// An action on a resource.
    Needs(&'static str, String),
    /// A principal; the rest is judged where the request is understood.
    Principal,
    /// Of a list, or of the list that is a member of the answer, the entries whose resource may be read. It
    /// is at a JSON pointer; an entry that names none is of the host.
    Entries { list: Option<&'static str>, id: &'static str, action: Option<&'static str> },
    /// Root.
    Owner,
}

fn rule(path: &str, host: &str) -> Rule {
    let entries = |id, action| Rule::Entries { list: None, id, action };
    match path {
        "/v1/status" | "/v1/events" | "/v1/observe" => Rule::Needs(HOST_READ, host_id(host)),
        "/v1/capture" => Rule::Needs(PACKET_CAPTURE, host_id(host)),
        "/v1/deployment" => Rule::Needs(DEPLOYMENT_READ, ROOT.to_owned()),
        "/v1/meters" => entries("/peering", Some(METER_READ)),
        "/v1/drops" => entries("/networkInterface", Some(NIC_READ)),
        "/v1/rule-hits" => entries("/group", None),
        "/v1/resources" => entries("/id", None),
        "/v1/usage" => entries("/link/id", None),
        "/v1/flows" => {
            Rule::Entries { list: Some("flows"), id: "/networkInterface", action: Some(NIC_READ) }
        }
        "/v1/apply"
        | "/v1/prepare"
        | "/v1/commit"
        | "/v1/abandon"
        | "/v1/head"
        | "/v1/permissions"
        | "/v1/roles"
        | "/v1/role-assignments"
        | "/v1/audit"
        | "/v1/audit/verify"
        | "/v1/effective-routes"
        | "/v1/effective-nsg" => Rule::Principal,
        _ => Rule::Owner,
    }
}

/// Lets a request pass, or answers it with what is missing.
pub(super) async fn check(
    State(guard): State<Guard>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    if peer.uid == 0 {
        return next.run(request).await;
    }
    let deployment = guard.deployment();
    let rights = rights(&deployment.topology().permissions, &peer);
    let path = request.uri().path().to_owned();
    let rule = rule(&path, &guard.host);
    let has_principal = !rights.caller().principals.is_empty();
    let (action, id) = match &rule {
        Rule::Needs(action, id) => (*action, id.as_str()),
        Rule::Principal | Rule::Entries { .. } if has_principal => ("", ""),
        Rule::Principal | Rule::Entries { .. } | Rule::Owner => (DEPLOYMENT_READ, ROOT),
    };
    let allowed = match &rule {
        Rule::Owner => Err(Denial::owner_only(&rights, &path)),
        _ if action.is_empty() => Ok(()),
        _ => require(&rights, action, id),
    };
    if let Err(denial) = allowed {
        return guard.refuse(&rights, &denial).into_response();
    }
    let answer = next.run(request).await;
    match rule {
        Rule::Entries { list, id, action } if answer.status().is_success() => {
            let keep = |entry: &Value| may_read(&rights, entry, id, action, &guard.host);
            let may = |id: &str| rights.may(&action_of(id, "read"), id);
            filtered(answer, list, keep, may)
                .await
                .unwrap_or_else(axum::response::IntoResponse::into_response)
        }
        _ => answer,
    }
}

fn may_read(
    rights: &Rights<'_>,
    entry: &Value,
    pointer: &str,
    action: Option<&str>,
    host: &str,
) -> bool {
    match entry.pointer(pointer).and_then(Value::as_str) {
        Some(id) => match action {
            Some(action) => rights.may(action, id),
            None => rights.may(&action_of(id, "read"), id),
        },
        None => rights.may(HOST_READ, &host_id(host)),
    }
}

/// Leaves out of all lists within an entry what names a resource that may not be read, and is no part of the
/// entry. The entry's own properties are its own, also where they name another resource.
fn prune(value: &mut Value, entry: &str, may: &impl Fn(&str) -> bool) {
    match value {
        Value::Object(object) => {
            for it in object.values_mut() {
                prune(it, entry, may);
            }
        }
        Value::Array(items) => {
            items.retain(|it| named(it).all(|id| is_within(id, entry) || may(id)));
            for it in items {
                prune(it, entry, may);
            }
        }
        _ => {}
    }
}

/// The resources that an element of a list names: a member of a pool or a group names itself and another.
fn named(element: &Value) -> impl Iterator<Item = &str> {
    const POINTERS: [&str; 5] =
        ["", "/id", "/networkInterface/id", "/resourceId", "/properties/resourceId"];
    let texts = POINTERS.iter().filter_map(|it| element.pointer(it)?.as_str());
    texts.filter(|it| it.starts_with("/subscriptions/") && it.contains("/providers/"))
}

/// Whether a resource is another or a part of it.
fn is_within(id: &str, of: &str) -> bool {
    let begin = id.get(..of.len()).is_some_and(|it| it.eq_ignore_ascii_case(of));
    begin && id.get(of.len()..).is_some_and(|it| it.is_empty() || it.starts_with('/'))
}

/// An answer with the entries of its list that are kept, and of what they name what may be read.
async fn filtered(
    answer: Response,
    list: Option<&str>,
    keep: impl Fn(&Value) -> bool,
    may: impl Fn(&str) -> bool,
) -> Result<Response, Failure> {
    let (mut parts, body) = answer.into_parts();
    let bytes = to_bytes(body, ANSWER_BYTES_MAX).await.map_err(Failure::internal)?;
    let mut value: Value = serde_json::from_slice(&bytes).map_err(Failure::internal)?;
    let entries = match list {
        Some(list) => value.get_mut(list),
        None => Some(&mut value),
    };
    let mut left = 0;
    if let Some(entries) = entries.and_then(Value::as_array_mut) {
        entries.retain(keep);
        for entry in entries.iter_mut() {
            // Others than resources have no lists of resources.
            if let Some(id) = entry.get("id").and_then(Value::as_str).map(str::to_owned) {
                prune(entry, &id, &may);
            }
        }
        left = entries.len();
    }
    // How many there are besides is not theirs to know.
    if let Some(matching) = value.get_mut("matching") {
        *matching = left.into();
    }
    let bytes = serde_json::to_vec(&value).map_err(Failure::internal)?;
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
