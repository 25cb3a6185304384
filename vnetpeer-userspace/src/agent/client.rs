//! The other side of an agent's socket.

use std::{
    io,
    path::{Path, PathBuf},
};

use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1,
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;

use super::api::{
    AgentStatus, ApplyReply, ApplyRequest, DeploymentView, DropRecord, ErrorReply, FlowList,
    FlowQuery, HeldDocument, LinkMeter, NicDrops, PrepareReply, RuleHits,
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

    /// Drops by NIC and reason on the agent's host.
    pub async fn drops(&self) -> Result<Vec<NicDrops>, ClientError> {
        self.get("/v1/drops").await
    }

    /// Flows on the agent's host.
    pub async fn flows(&self, query: &FlowQuery) -> Result<FlowList, ClientError> {
        self.call(Method::POST, "/v1/flows", Some(query)).await
    }

    /// How often each rule decided on the agent's host.
    pub async fn rule_hits(&self) -> Result<Vec<RuleHits>, ClientError> {
        self.get("/v1/rule-hits").await
    }

    /// The newest sampled drops.
    pub async fn events(&self) -> Result<Vec<DropRecord>, ClientError> {
        self.get("/v1/events").await
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
        let refusal = serde_json::from_slice(&answer).unwrap_or_else(|_| ErrorReply {
            code: status.to_string(),
            message: String::from_utf8_lossy(&answer).into_owned(),
            details: std::collections::BTreeMap::new(),
        });
        Err(ClientError::Refused(refusal))
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let http = |source| ClientError::Http { path: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(|source| ClientError::Connect { path: self.socket.clone(), source })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
        let connection = tokio::spawn(connection);
        let mut request = Request::new(Full::new(Bytes::from(body)));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap_or_default();
        let headers = request.headers_mut();
        headers.insert(HOST, hyper::header::HeaderValue::from_static("vnetpeer"));
        headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status();
        let body = response.into_body().collect().await.map_err(http)?.to_bytes();
        connection.abort();
        Ok((status, body))
    }
}
