//! Usage and metrics: what the meters tell, beside the task.

use std::time::Duration;

use axum::{
    Json,
    extract::{Query, State},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::{task::spawn_blocking, time::timeout};

use super::{Context, Failure, ask};
use crate::agent::{
    meter::{MeterError, metrics},
    task::{Command, chain},
};

/// How long the task may take to say how it is; a pass may take longer, and the counters do not wait.
const PATIENCE: Duration = Duration::from_millis(500);

/// `GET /v1/usage`: which records to tell, by a time that their windows have a part in. The answer is a list of
/// [`vnetpeer_metering::record::Record`], up to now.
#[derive(Debug, Deserialize)]
pub(super) struct UsageQuery {
    /// From then on, seconds since 1970; all from the first unless given.
    since: Option<i64>,
    /// Before then; all to the last unless given.
    until: Option<i64>,
}

pub(super) async fn usage(
    State(context): State<Context>,
    Query(query): Query<UsageQuery>,
) -> Result<Response, Failure> {
    let meters = context.meters;
    let since = query.since.unwrap_or(0);
    let until = query.until.unwrap_or(i64::MAX);
    let records = beside(move || meters.usage(since, until)).await?;
    Ok(Json(records).into_response())
}

pub(super) async fn metrics(State(context): State<Context>) -> Result<Response, Failure> {
    let status = timeout(PATIENCE, ask(&context, Command::Status)).await;
    let status = status.ok().and_then(Result::ok).and_then(Result::ok);
    let meters = context.meters;
    let page = beside(move || meters.metrics(status.as_ref())).await?;
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], page).into_response())
}

/// Runs what waits for the kernel or the disk.
async fn beside<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, MeterError> + Send + 'static,
) -> Result<T, Failure> {
    match spawn_blocking(act).await {
        Ok(result) => result.map_err(|error| Failure::internal(chain(&error))),
        Err(error) => Err(Failure::internal(error)),
    }
}
