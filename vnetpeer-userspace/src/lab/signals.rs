//! The signals that end a lab in an orderly way.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::error::LabError;

/// Interrupt, termination and hang-up. From here on none of them ends the process by itself.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    pub(super) fn new() -> Result<Self, LabError> {
        let listen = |kind| signal(kind).map_err(LabError::io("wait for", "signals"));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for one of them.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
