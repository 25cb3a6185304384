//! The agent's side of the socket.

mod effective;
mod guard;
mod reading;
mod trace;
mod usage;
mod watch;

use std::{fmt::Display, path::PathBuf, sync::Arc};

use axum::{
    Extension, Json, Router,
    extract::{ConnectInfo, DefaultBodyLimit, State},
    http::StatusCode,
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{mpsc, oneshot},
};

use super::{
    access::{UnknownPrincipal, told},
    api::{ANOTHER_OPERATION_IN_PROGRESS, ApplyRequest, ErrorReply, FlowQuery, HeldDocument},
    deployment::DeploymentError,
    meter::Meters,
    peer::Peer,
    task::{ApplyError, Command, chain},
    watch::Hub,
};
use crate::{
    document::Code,
    explanation::ErrorCode,
    permission::access::{AUTHORIZATION_FAILED, Denial, INVALID_AUTHENTICATION_TOKEN_TENANT},
};
pub use guard::Guard;

/// Longest request that carries a document: 10,000 VNets with 100,000 NICs are 23 MB of YAML, and JSON escapes every
/// line break and quote of it.
const DOCUMENT_REQUEST_BYTES_MAX: usize = 128 << 20;

/// Who answers.
#[derive(Clone)]
pub struct Context {
    commands: mpsc::Sender<Command>,
    meters: Arc<Meters>,
    bench: Arc<trace::Bench>,
}

impl Context {
    /// The task, the meters, and where maps are pinned.
    pub fn new(commands: mpsc::Sender<Command>, meters: Arc<Meters>, pin_dir: PathBuf) -> Self {
        Self { commands, meters, bench: Arc::new(trace::Bench::new(pin_dir)) }
    }
}

/// Answers requests until the task ends, as far as the guard lets them pass.
pub async fn serve(listener: UnixListener, context: Context, hub: Arc<Hub>, guard: Guard) {
    let watching = Router::new()
        .route("/v1/observe", post(watch::observe))
        .route("/v1/capture", post(watch::capture))
        .with_state(hub);
    let reading = Router::new()
        .route("/v1/head", get(reading::head))
        .route("/v1/permissions", post(reading::permission))
        .route("/v1/roles", get(reading::roles))
        .route("/v1/role-assignments", get(reading::assignments))
        .route("/v1/audit", post(reading::audit))
        .route("/v1/audit/verify", get(reading::verify))
        .with_state(guard.clone());
    let documents = DefaultBodyLimit::max(DOCUMENT_REQUEST_BYTES_MAX);
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/meters", get(meters))
        .route("/v1/usage", get(usage::usage))
        .route("/metrics", get(usage::metrics))
        .route("/v1/drops", get(drops))
        .route("/v1/events", get(events))
        .route("/v1/flows", post(flows))
        .route("/v1/trace", post(trace::trace))
        .route("/v1/rule-hits", get(rule_hits))
        .route("/v1/deployment", get(deployment))
        .route("/v1/resources", post(reading::resources))
        .route("/v1/effective-routes", post(effective::routes))
        .route("/v1/effective-nsg", post(effective::groups))
        .route("/v1/apply", post(apply).layer(documents))
        .route("/v1/prepare", post(prepare).layer(documents))
        .route("/v1/commit", post(commit))
        .route("/v1/abandon", post(abandon))
        .with_state(context)
        .merge(reading)
        .merge(watching)
        .layer(Extension(guard.clone()))
        .layer(from_fn_with_state(guard, guard::check));
    let service = router.into_make_service_with_connect_info::<Peer>();
    if let Err(error) = axum::serve(listener, service).await {
        tracing::error!(%error, "the socket is closed");
    }
}

/// Answers Prometheus and nobody else.
pub async fn serve_metrics(listener: TcpListener, context: Context) {
    let router = Router::new().route("/metrics", get(usage::metrics)).with_state(context);
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "metrics are no longer served");
    }
}

/// A failed request.
struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Failure {
    fn internal(error: impl Display) -> Self {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        Self { status, code: ErrorCode::InternalError.name(), message: error.to_string() }
    }

    fn bad_request(code: ErrorCode, message: String) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code: code.name(), message }
    }

    fn unknown_principal(error: &UnknownPrincipal) -> Self {
        let (status, code) = (StatusCode::BAD_REQUEST, Code::PrincipalNotFound.name());
        Self { status, code, message: error.to_string() }
    }

    fn denied(denials: &[Denial]) -> Self {
        let code = denials.first().map_or(AUTHORIZATION_FAILED, |it| it.code);
        let status = match code {
            INVALID_AUTHENTICATION_TOKEN_TENANT => StatusCode::UNAUTHORIZED,
            _ => StatusCode::FORBIDDEN,
        };
        Self { status, code, message: told(denials) }
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        let (status, code, message) = match error {
            ApplyError::Deployment(DeploymentError::Document(problems)) => {
                let code = ErrorCode::InvalidDocument.name();
                (StatusCode::UNPROCESSABLE_ENTITY, code, problems.to_string())
            }
            ApplyError::Deployment(DeploymentError::State(error)) => {
                let code = error.code().unwrap_or(ErrorCode::InvalidState.name());
                (StatusCode::BAD_REQUEST, code, chain(&error))
            }
            ApplyError::Denied(denials) => return Self::denied(&denials),
            error @ ApplyError::NotRecorded(_) => {
                let code = ErrorCode::AuditLogNotWritten.name();
                (StatusCode::INSUFFICIENT_STORAGE, code, chain(&error))
            }
            error @ (ApplyError::InProgress { .. }
            | ApplyError::TicketUnknown { .. }
            | ApplyError::BaseDiffers { .. }) => {
                (StatusCode::CONFLICT, ANOTHER_OPERATION_IN_PROGRESS, chain(&error))
            }
            error => return Self::internal(chain(&error)),
        };
        Self { status, code, message }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = ErrorReply {
            code: self.code.to_owned(),
            message: self.message,
            details: std::collections::BTreeMap::new(),
        };
        (self.status, Json(body)).into_response()
    }
}

/// Sends a command and waits for its answer.
async fn ask<T>(
    context: &Context,
    command: impl FnOnce(oneshot::Sender<T>) -> Command,
) -> Result<T, Failure> {
    let (sender, receiver) = oneshot::channel();
    let stopping = || Failure::internal("the agent is stopping");
    context.commands.send(command(sender)).await.map_err(|_| stopping())?;
    receiver.await.map_err(|_| stopping())
}

async fn status(State(context): State<Context>) -> Result<Response, Failure> {
    let status = ask(&context, Command::Status).await?;
    status.map(|it| Json(it).into_response()).map_err(|error| Failure::internal(chain(&error)))
}

async fn meters(State(context): State<Context>) -> Result<Response, Failure> {
    let meters = ask(&context, Command::Meters).await?;
    meters.map(|it| Json(it).into_response()).map_err(|error| Failure::internal(chain(&error)))
}

async fn drops(State(context): State<Context>) -> Result<Response, Failure> {
    let drops = ask(&context, Command::Drops).await?;
    drops.map(|it| Json(it).into_response()).map_err(|error| Failure::internal(chain(&error)))
}

async fn events(State(context): State<Context>) -> Result<Response, Failure> {
    Ok(Json(ask(&context, Command::Events).await?).into_response())
}

async fn flows(
    State(context): State<Context>,
    Json(query): Json<FlowQuery>,
) -> Result<Response, Failure> {
    let flows = ask(&context, |reply| Command::Flows(query, reply)).await?;
    flows.map(|it| Json(it).into_response()).map_err(|error| Failure::internal(chain(&error)))
}

async fn rule_hits(State(context): State<Context>) -> Result<Response, Failure> {
    let hits = ask(&context, Command::RuleHits).await?;
    hits.map(|it| Json(it).into_response()).map_err(|error| Failure::internal(chain(&error)))
}

async fn deployment(State(context): State<Context>) -> Result<Response, Failure> {
    Ok(Json(ask(&context, Command::Deployment).await?).into_response())
}

async fn apply(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<ApplyRequest>,
) -> Result<Response, Failure> {
    let result = ask(&context, |reply| Command::Apply(Box::new(request), peer, reply)).await?;
    Ok(Json(result?).into_response())
}

async fn prepare(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(request): Json<ApplyRequest>,
) -> Result<Response, Failure> {
    let result = ask(&context, |reply| Command::Prepare(Box::new(request), peer, reply)).await?;
    Ok(Json(result?).into_response())
}

async fn commit(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(held): Json<HeldDocument>,
) -> Result<Response, Failure> {
    let result = ask(&context, |reply| Command::Commit(held, peer, reply)).await?;
    Ok(Json(result?).into_response())
}

async fn abandon(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Json(held): Json<HeldDocument>,
) -> Result<Response, Failure> {
    ask(&context, |reply| Command::Abandon(held, peer, reply)).await?;
    Ok(Json(()).into_response())
}
