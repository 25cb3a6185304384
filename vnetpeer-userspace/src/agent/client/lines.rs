//! An answer that is read piece by piece.

use std::path::PathBuf;

use http_body_util::BodyExt as _;
use hyper::body::{Bytes, Incoming};
use tokio::task::JoinHandle;

use super::ClientError;
use crate::agent::api::WatchLine;

/// The lines of an answer, as they come.
#[derive(Debug)]
pub struct Lines {
    socket: PathBuf,
    body: Incoming,
    connection: JoinHandle<()>,
    buffer: Vec<u8>,
    /// How much of the buffer was told.
    start: usize,
}

impl Lines {
    pub(super) fn new(socket: PathBuf, body: Incoming, connection: JoinHandle<()>) -> Self {
        Self { socket, body, connection, buffer: Vec::new(), start: 0 }
    }

    /// The next line; `None` when the agent has ended.
    pub async fn next(&mut self) -> Result<Option<WatchLine>, ClientError> {
        loop {
            let rest = self.buffer.get(self.start..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.get(..end).unwrap_or_default();
                let format = |source| ClientError::Format { path: self.socket.clone(), source };
                let line = serde_json::from_slice(line).map_err(format)?;
                self.start += end + 1;
                return Ok(Some(line));
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame = frame.map_err(|source| self.broken(source))?;
            if let Some(data) = frame.data_ref() {
                self.buffer.extend_from_slice(data);
            }
        }
    }

    /// Everything that is left, as it is.
    pub(super) async fn rest(mut self) -> Result<Bytes, ClientError> {
        let collected = (&mut self.body).collect().await;
        Ok(collected.map_err(|source| self.broken(source))?.to_bytes())
    }

    fn broken(&self, source: hyper::Error) -> ClientError {
        ClientError::Http { path: self.socket.clone(), source }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.connection.abort();
    }
}
