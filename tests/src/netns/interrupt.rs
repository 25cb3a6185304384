//! Takes the labs of all tests down when the test run is interrupted or ended by its runner.
//!
//! `lab::up` listens for these signals, and from then on none of them ends the process by itself.

use std::{
    collections::BTreeSet,
    process,
    sync::{Mutex, MutexGuard, Once, PoisonError},
    thread,
};

use tokio::{
    runtime,
    signal::unix::{SignalKind, signal},
};
use vnetpeer_userspace::lab;

static LABS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static WATCHER: Once = Once::new();

/// What a shell reports of a command that SIGINT ended.
const INTERRUPTED: i32 = 130;

/// A lab that goes down with the test run, for as long as this lives.
#[derive(Debug)]
pub(super) struct Watched(String);

impl Watched {
    pub(super) fn new(lab: String) -> Self {
        labs().insert(lab.clone());
        WATCHER.call_once(|| _ = thread::spawn(watch));
        Self(lab)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        labs().remove(&self.0);
    }
}

fn labs() -> MutexGuard<'static, BTreeSet<String>> {
    LABS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).expect("a signal handler");
        let mut terminate = signal(SignalKind::terminate()).expect("a signal handler");
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        let names = labs().clone();
        for name in names {
            // One that is still being built ends itself on the same signal.
            if let Err(error) = lab::down(Some(&name)).await {
                eprintln!("{error}");
            }
        }
    });
    process::exit(INTERRUPTED);
}
