//! The agent's side of the socket.

use std::fmt::Display;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tokio::{
    net::UnixListener,
    sync::{mpsc, oneshot},
};

use super::{
    api::{ANOTHER_OPERATION_IN_PROGRESS, ApplyRequest, ErrorReply, FlowQuery, HeldDocument},
    deployment::DeploymentError,
    task::{ApplyError, Command, chain},
};

#[derive(Clone)]
struct Context {
    commands: mpsc::Sender<Command>,
}

/// Answers requests until the task ends.
pub async fn serve(listener: UnixListener, commands: mpsc::Sender<Command>) {
    let router = Router::new()
        .route("/v1/status", get(status))
        .route("/v1/meters", get(meters))
        .route("/v1/drops", get(drops))
        .route("/v1/events", get(events))
        .route("/v1/flows", post(flows))
        .route("/v1/rule-hits", get(rule_hits))
        .route("/v1/deployment", get(deployment))
        .route("/v1/apply", post(apply))
        .route("/v1/prepare", post(prepare))
        .route("/v1/commit", post(commit))
        .route("/v1/abandon", post(abandon))
        .with_state(Context { commands });
    if let Err(error) = axum::serve(listener, router).await {
        tracing::error!(%error, "the socket is closed");
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
        Self { status, code: "InternalError", message: error.to_string() }
    }
}

impl From<ApplyError> for Failure {
    fn from(error: ApplyError) -> Self {
        let (status, code, message) = match error {
            ApplyError::Deployment(DeploymentError::Document(problems)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "InvalidDocument", problems.to_string())
            }
            ApplyError::Deployment(DeploymentError::State(error)) => {
                let code = error.code().unwrap_or("InvalidState");
                (StatusCode::BAD_REQUEST, code, chain(&error))
            }
            error @ (ApplyError::InProgress { .. } | ApplyError::TicketUnknown { .. }) => {
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
    Json(request): Json<ApplyRequest>,
) -> Result<Response, Failure> {
    let result = ask(&context, |reply| Command::Apply(Box::new(request), reply)).await?;
    Ok(Json(result?).into_response())
}

async fn prepare(
    State(context): State<Context>,
    Json(request): Json<ApplyRequest>,
) -> Result<Response, Failure> {
    let result = ask(&context, |reply| Command::Prepare(Box::new(request), reply)).await?;
    Ok(Json(result?).into_response())
}

async fn commit(
    State(context): State<Context>,
    Json(held): Json<HeldDocument>,
) -> Result<Response, Failure> {
    let result = ask(&context, |reply| Command::Commit(held, reply)).await?;
    Ok(Json(result?).into_response())
}

async fn abandon(
    State(context): State<Context>,
    Json(held): Json<HeldDocument>,
) -> Result<Response, Failure> {
    ask(&context, |reply| Command::Abandon(held, reply)).await?;
    Ok(Json(()).into_response())
}
