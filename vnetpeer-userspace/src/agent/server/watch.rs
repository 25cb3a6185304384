//! Live packets, line by line.

use std::{convert::Infallible, sync::Arc};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse as _, Response},
};
use futures_util::stream;
use tokio::sync::mpsc;

use super::Failure;
use crate::{
    agent::{
        api::WatchRequest,
        task::chain,
        watch::{Hub, WatchError},
    },
    explanation::ErrorCode,
};

/// Packets without their bytes.
pub(super) async fn observe(
    State(hub): State<Arc<Hub>>,
    Json(request): Json<WatchRequest>,
) -> Result<Response, Failure> {
    capture(State(hub), Json(WatchRequest { snap: 0, ..request })).await
}

/// Packets with the first bytes of their frames.
pub(super) async fn capture(
    State(hub): State<Arc<Hub>>,
    Json(request): Json<WatchRequest>,
) -> Result<Response, Failure> {
    let lines = hub.watch(&request).await.map_err(|error| match error {
        WatchError::Unknown(error) => {
            Failure::bad_request(ErrorCode::UnknownName, error.to_string())
        }
        error @ WatchError::Map(_) => Failure::internal(chain(&error)),
    })?;
    let next = |mut lines: mpsc::Receiver<Bytes>| async move {
        lines.recv().await.map(|chunk| (Ok::<_, Infallible>(chunk), lines))
    };
    let body = Body::from_stream(stream::unfold(lines, next));
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}
