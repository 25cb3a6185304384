//! The other side of an agent's socket.

use std::{
    io,
    path::{Path, PathBuf},
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::{net::UnixStream, task::JoinHandle};
use vnetpeer_metering::record as usage;

mod lines;

pub use self::lines::Lines;
use super::audit::{self, Report};
use crate::{arm::Kind, permission::access::is_denial};

use super::api::{
    AgentStatus, ApplyReply, ApplyRequest, AuditQuery, DeploymentView, DropRecord, ErrorReply,
    FlowList, FlowQuery, Head, HeldDocument, LinkMeter, NicDrops, NicQuery, PermissionQuery,
    PermissionReply, PrepareReply, RuleHits, TraceReply, TraceRequest, WatchRequest,
};

/// Why an agent gave no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody answers.
    #[error(
        "no agent answers on {path}; is it running? `vnetpeer run` starts one, `vnetpeer lab list` shows labs"
    )]
    Connect {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke.
    #[error("the agent on {path} ended the conversation")]
    Http {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: hyper::Error,
    },
    /// The answer makes no sense.
    #[error("the agent on {path} speaks another version")]
    Format {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The agent refused.
    #[error("{}", .0.message)]
    Refused(ErrorReply),
}

impl ClientError {
    /// Whether an agent denied something, or the kernel the connection to it.
    pub fn is_denied(&self) -> bool {
        let by_kernel = matches!(self, Self::Connect { source, .. }
            if source.kind() == io::ErrorKind::PermissionDenied);
        by_kernel || self.denial().is_some()
    }

    /// The answer of an agent that denied something.
    pub fn denial(&self) -> Option<&ErrorReply> {
        match self {
            Self::Refused(reply) if is_denial(&reply.code) => Some(reply),
            _ => None,
        }
    }
}

/// A client of one agent.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// A client of the agent on `socket`; nothing is sent yet.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The agent's socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// How the agent is.
    pub async fn status(&self) -> Result<AgentStatus, ClientError> {
        self.get("/v1/status").await
    }

    /// Meters of all links as counted on the agent's host.
    pub async fn meters(&self) -> Result<Vec<LinkMeter>, ClientError> {
        self.get("/v1/meters").await
    }

    /// What the links of the agent's host carried from `since` to before `until` (seconds since 1970). The
    /// agent reads its meters first, so this is up to now; records of windows that go on are open.
    pub async fn usage(&self, since: i64, until: i64) -> Result<Vec<usage::Record>, ClientError> {
        self.get(&format!("/v1/usage?since={since}&until={until}")).await
    }

    /// The page for Prometheus.
    pub async fn metrics(&self) -> Result<String, ClientError> {
        let (_, page) = self.exchange(Method::GET, "/metrics", Vec::new()).await?;
        Ok(String::from_utf8_lossy(&page).into_owned())
    }

    /// Drops by NIC and reason on the agent's host.
    pub async fn drops(&self) -> Result<Vec<NicDrops>, ClientError> {
        self.get("/v1/drops").await
    }

    /// Flows on the agent's host.
    pub async fn flows(&self, query: &FlowQuery) -> Result<FlowList, ClientError> {
        self.call(Method::POST, "/v1/flows", Some(query)).await
    }

    /// What the programs of the agent's host make of frames; nothing is sent, counted or kept.
    pub async fn trace(&self, request: &TraceRequest) -> Result<TraceReply, ClientError> {
        self.call(Method::POST, "/v1/trace", Some(request)).await
    }

    /// How often each rule decided on the agent's host.
    pub async fn rule_hits(&self) -> Result<Vec<RuleHits>, ClientError> {
        self.get("/v1/rule-hits").await
    }

    /// The newest sampled drops.
    pub async fn events(&self) -> Result<Vec<DropRecord>, ClientError> {
        self.get("/v1/events").await
    }

    /// Live packets, with the first bytes of their frames if some are asked for.
    pub async fn watch(&self, request: &WatchRequest) -> Result<Lines, ClientError> {
        let path = if request.snap == 0 { "/v1/observe" } else { "/v1/capture" };
        let format = |source| ClientError::Format { path: self.socket.clone(), source };
        let body = serde_json::to_vec(request).map_err(format)?;
        let (response, connection) = self.open(Method::POST, path, body).await?;
        let (status, lines) =
            (response.status(), Lines::new(self.socket.clone(), response.into_body(), connection));
        if status.is_success() { Ok(lines) } else { Err(refusal(status, &lines.rest().await?)) }
    }

    /// Resources in ARM's shape, as many of them as may be read.
    pub async fn resources(&self, kind: Kind) -> Result<Vec<Value>, ClientError> {
        self.call(Method::POST, "/v1/resources", Some(&kind)).await
    }

    /// What is in force.
    pub async fn deployment(&self) -> Result<DeploymentView, ClientError> {
        self.get("/v1/deployment").await
    }

    /// Puts a document in force on the agent's host.
    pub async fn apply(&self, request: &ApplyRequest) -> Result<ApplyReply, ClientError> {
        self.call(Method::POST, "/v1/apply", Some(request)).await
    }

    /// Has the agent judge a document and hold it, so that it can be put in force on all hosts or
    /// on none.
    pub async fn prepare(&self, request: &ApplyRequest) -> Result<PrepareReply, ClientError> {
        self.call(Method::POST, "/v1/prepare", Some(request)).await
    }

    /// Puts in force what the agent holds.
    pub async fn commit(&self, held: HeldDocument) -> Result<ApplyReply, ClientError> {
        self.call(Method::POST, "/v1/commit", Some(&held)).await
    }

    /// Lets the agent forget what it holds.
    pub async fn abandon(&self, held: HeldDocument) -> Result<(), ClientError> {
        self.call(Method::POST, "/v1/abandon", Some(&held)).await
    }

    /// What a write begins with, for those who cannot read the whole deployment.
    pub async fn head(&self) -> Result<Head, ClientError> {
        self.get("/v1/head").await
    }

    /// Whether somebody may do something.
    pub async fn permission(
        &self,
        query: &PermissionQuery,
    ) -> Result<PermissionReply, ClientError> {
        self.call(Method::POST, "/v1/permissions", Some(query)).await
    }

    /// The effective routes of a NIC, as Azure tells them.
    pub async fn effective_routes(&self, query: &NicQuery) -> Result<Value, ClientError> {
        self.call(Method::POST, "/v1/effective-routes", Some(query)).await
    }

    /// The effective security rules of a NIC, as Azure tells them.
    pub async fn effective_groups(&self, query: &NicQuery) -> Result<Value, ClientError> {
        self.call(Method::POST, "/v1/effective-nsg", Some(query)).await
    }

    /// The roles, in ARM's shape.
    pub async fn roles(&self) -> Result<Vec<Value>, ClientError> {
        self.get("/v1/roles").await
    }

    /// The role assignments, in ARM's shape.
    pub async fn role_assignments(&self) -> Result<Vec<Value>, ClientError> {
        self.get("/v1/role-assignments").await
    }

    /// Records of the host's audit log.
    pub async fn audit(&self, query: &AuditQuery) -> Result<Vec<audit::Record>, ClientError> {
        self.call(Method::POST, "/v1/audit", Some(query)).await
    }

    /// Whether the host's audit log is whole.
    pub async fn verify_audit(&self) -> Result<Report, ClientError> {
        self.get("/v1/audit/verify").await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.call(Method::GET, path, None::<&()>).await
    }

    async fn call<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Result<T, ClientError> {
        let format = |source| ClientError::Format { path: self.socket.clone(), source };
        let body = match body {
            Some(body) => serde_json::to_vec(body).map_err(format)?,
            None => Vec::new(),
        };
        let (status, answer) = self.exchange(method, path, body).await?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(format);
        }
        Err(refusal(status, &answer))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let (response, connection) = self.open(method, path, body).await?;
        let (status, socket) = (response.status(), self.socket.clone());
        let rest = Lines::new(socket, response.into_body(), connection).rest().await?;
        Ok((status, rest))
    }

    /// Sends a request; the answer is still to be read, as long as the connection runs.
    async fn open(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(Response<Incoming>, JoinHandle<()>), ClientError> {
        let http = |source| ClientError::Http { path: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Connect { path: self.socket.clone(), source })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
        // What goes wrong is seen by those who read the answer.
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(HOST, hyper::header::HeaderValue::from_static("vnetpeer"));
        headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        let response = sender.send_request(request).await.map_err(http)?;
        Ok((response, connection))
    }
}

/// An answer that is no success.
fn refusal(status: StatusCode, answer: &[u8]) -> ClientError {
    ClientError::Refused(serde_json::from_slice(answer).unwrap_or_else(|_| ErrorReply {
        code: status.to_string(),
        message: String::from_utf8_lossy(answer).into_owned(),
        details: std::collections::BTreeMap::new(),
    }))
}
