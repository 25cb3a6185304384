//! `POST /v1/trace`: frames through the kernel's programs, and by its maps, without sending them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Json, extract::State};
use vnetpeer_common::types::NicId;

use super::{Context, Failure};
use crate::{
    agent::{
        api::{TraceOutcome, TraceReply, TraceRequest},
        task::chain,
    },
    dataplane::live::{Live, LiveError},
    simulate::HostMaps,
    topology::plan::RawMaps,
};

/// How often a trace is tried that a change of the document came into.
const TRIES: u32 = 5;

/// The programs that frames are tried on. They are loaded for the first frame, which takes the kernel seconds, and
/// stay.
pub(super) struct Bench {
    pin_dir: PathBuf,
    live: Mutex<Option<Live>>,
}

impl Bench {
    /// Beside what is pinned there.
    pub(super) fn new(pin_dir: PathBuf) -> Self {
        Self { pin_dir, live: Mutex::new(None) }
    }

    fn run(&self, request: &TraceRequest) -> Result<TraceReply, LiveError> {
        let mut place = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        let mut live = match place.take() {
            Some(live) => live,
            None => Live::open(&self.pin_dir)?,
        };
        let reply = run(&mut live, request);
        *place = Some(live);
        reply
    }
}

pub(super) async fn trace(
    State(context): State<Context>,
    Json(request): Json<TraceRequest>,
) -> Result<Json<TraceReply>, Failure> {
    let bench = Arc::clone(&context.bench);
    let ran = tokio::task::spawn_blocking(move || bench.run(&request));
    let reply = ran.await.map_err(Failure::internal)?;
    reply.map(Json).map_err(|error| Failure::internal(chain(&error)))
}

/// While a document comes into force, programs and maps are looked at in different states, so it is done again.
fn run(live: &mut Live, request: &TraceRequest) -> Result<TraceReply, LiveError> {
    let mut tries = TRIES;
    loop {
        live.forget()?;
        let raw = live.read()?;
        let reply = follow(live, &raw, request)?;
        tries -= 1;
        if tries == 0 || live.is_unchanged(&raw)? {
            return Ok(reply);
        }
    }
}

fn follow(live: &mut Live, raw: &RawMaps, request: &TraceRequest) -> Result<TraceReply, LiveError> {
    let mut maps = HostMaps::new(raw);
    let mut outcomes = Vec::with_capacity(request.frames.len());
    for frame in &request.frames {
        let nic = frame.nic.map_or(NicId::NONE, NicId);
        let ran = live.run(raw, nic, &frame.bytes)?;
        let maps = maps.run(nic, &frame.bytes);
        outcomes.push(TraceOutcome { programs: ran.end, maps, bytes: ran.frame });
    }
    Ok(TraceReply { outcomes })
}
