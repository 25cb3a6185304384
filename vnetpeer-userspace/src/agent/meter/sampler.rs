//! Reads the counters every few seconds, at the end of every hour, and when the document changed.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{task::spawn_blocking, time::sleep};

use super::Meters;

const HOUR_MS: u128 = 3_600_000;
/// This long after the end of an hour, it is over by all clocks.
const AFTER_HOUR: Duration = Duration::from_millis(10);

/// Samples for as long as the agent runs. Failures are told by [`Meters::sample`].
pub async fn run(meters: Arc<Meters>, interval: Duration) {
    loop {
        let this = Arc::clone(&meters);
        if spawn_blocking(move || this.sample()).await.is_err() {
            tracing::error!("a reading of the meters was ended");
        }
        tokio::select! {
            () = sleep(interval.min(until_hour())) => {}
            () = meters.wake.notified() => {}
        }
    }
}

/// Until the hour of the wall clock ends.
fn until_hour() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let left = u64::try_from(HOUR_MS - since % HOUR_MS).unwrap_or(1);
    Duration::from_millis(left) + AFTER_HOUR
}
