//! Usage that nobody loses: reads the counters of links into the ledger (`vnetpeer-metering`).
//!
//! - [`sampler`]: reads every few seconds, at the end of every hour, and when the document changed.
//! - `abandoned`: the last reading of counters that another version of the agent left.
//! - [`metrics`]: the same counters for Prometheus.
//!
//! The kernel counts a link from the moment that it is in `LINKS`, and its meter is set to zero just
//! before. So the ledger hears of it before that ([`Meters::prepare`]): what an agent that was killed
//! left is known to the next one. The agent's task and the sampler take turns.

mod abandoned;
pub mod metrics;
pub mod sampler;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::{
    sys::time::TimeValLike as _,
    time::{ClockId, clock_gettime},
};
use tokio::sync::Notify;
use uuid::Uuid;
use vnetpeer_common::{abi::Meter, types::LinkId};
use vnetpeer_metering::{
    ledger::{Ledger, LedgerError, Report, Standing},
    reading::{Counts, Moment, Numbered, Reading, Source, Traffic},
    record::{Cut, Link, Record},
};

use crate::{
    dataplane::{Dataplane, LoadError, counters, maps::MapOpError},
    topology::{meters, model::Topology, state::State},
};

/// The ledger's file in the state directory.
const FILE_NAME: &str = "ledger.redb";
/// Identifies a boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why usage is not recorded as it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeterError {
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The counters.
    #[error(transparent)]
    Map(#[from] MapOpError),
    /// The counters cannot be opened.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A clock, the boot's id or a directory.
    #[error("cannot read {what}")]
    Io {
        /// What.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Programs of another version still count.
    #[error(
        "programs of another version are still attached by {path}; take them off, so that their meters can be read for the last time: `rm -r {path}`"
    )]
    StillAttached {
        /// Where their links are pinned.
        path: PathBuf,
    },
}

/// What went wrong so far.
#[derive(Clone, Debug, Default)]
struct Health {
    failures: u64,
    resets: u64,
    lost: u64,
    last_error: Option<String>,
}

/// The links of the document in force, and which of them the kernel has.
#[derive(Clone, Default)]
struct Links {
    named: Arc<BTreeMap<u32, Link>>,
    /// Those of peerings over which a spoke uses the hub's gateway, or lets it be used.
    transit: Arc<BTreeSet<u32>>,
    in_force: Arc<BTreeSet<u32>>,
}

/// See the module.
pub struct Meters {
    ledger: Mutex<Ledger>,
    counters: counters::Meters,
    drops: counters::Drops,
    source: Source,
    links: Mutex<Links>,
    health: Mutex<Health>,
    wake: Notify,
}

impl Meters {
    /// Opens the ledger of a host, and reads what another version of the agent has left under `pin_dir`.
    /// `keep_days` is how long usage is kept.
    pub fn open(
        host: &str,
        state_dir: &Path,
        pin_dir: &Path,
        keep_days: u32,
        dataplane: &Dataplane,
    ) -> Result<Self, MeterError> {
        let failed = |source| MeterError::Io { what: "the state directory", source };
        fs::create_dir_all(state_dir).map_err(failed)?;
        let mut ledger = Ledger::open(&state_dir.join(FILE_NAME), host, keep_days)?;
        let counters = counters::Meters::open(dataplane)?;
        let source = Source { boot: boot_id()?, map: counters.id() };
        if let Some(map) = ledger.abandons(source) {
            abandoned::read(&mut ledger, Source { map, ..source }, pin_dir)?;
        }
        Ok(Self {
            ledger: Mutex::new(ledger),
            drops: counters::Drops::open(dataplane)?,
            counters,
            source,
            links: Mutex::default(),
            health: Mutex::default(),
            wake: Notify::new(),
        })
    }

    /// What the document says of its links from now on.
    pub fn name(&self, topology: &Topology, state: &State) {
        let mut links = lock(&self.links);
        links.named = Arc::new(meters::links(topology, state));
        links.transit = Arc::new(meters::transit(topology, state));
    }

    /// Before a plan is executed: the ledger must know the links that it puts in force, and read the
    /// meters that it sets to zero.
    pub fn prepare(
        &self,
        installed: &BTreeSet<u32>,
        wanted: impl Iterator<Item = LinkId>,
        cleared: &BTreeSet<u32>,
    ) -> Result<(), MeterError> {
        let named = Arc::clone(&lock(&self.links).named);
        let wanted: Vec<Numbered> = numbered(&named, wanted.map(|id| id.0));
        let mut ledger = lock(&self.ledger);
        if !ledger.must_prepare(&wanted, cleared) {
            return Ok(());
        }
        let numbers = wanted.iter().map(|it| it.number);
        let counts = self.counts(&mut ledger.numbers(), numbers)?;
        let reading = Reading { moment: now()?, source: self.source, counts: &counts, installed };
        let report = ledger.prepare(&reading, &wanted, cleared)?;
        self.note(&report);
        Ok(())
    }

    /// After a plan was executed: these links are in force.
    pub fn in_force(&self, links: impl Iterator<Item = LinkId>) {
        lock(&self.links).in_force = Arc::new(links.map(|id| id.0).collect());
    }

    /// Has the sampler read now.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Reads the counters into the ledger.
    pub fn sample(&self) -> Result<(), MeterError> {
        self.told(self.try_sample())
    }

    fn try_sample(&self) -> Result<(), MeterError> {
        let mut ledger = lock(&self.ledger);
        let Links { named, in_force, .. } = lock(&self.links).clone();
        let links = numbered(&named, in_force.iter().copied());
        let counts = self.counts(&mut ledger.numbers(), in_force.iter().copied())?;
        let (moment, installed) = (now()?, &*in_force);
        let reading = Reading { moment, source: self.source, counts: &counts, installed };
        let report = ledger.follow(&reading, &links)?;
        self.note(&report);
        Ok(())
    }

    /// Reads all counters for the last time, after the programs were taken off.
    pub fn finish(&self) -> Result<(), MeterError> {
        let mut ledger = lock(&self.ledger);
        let counts = self.counts(&mut ledger.numbers(), std::iter::empty())?;
        let installed = BTreeSet::new();
        let (moment, source) = (now()?, self.source);
        let reading = Reading { moment, source, counts: &counts, installed: &installed };
        ledger.finish(&reading, Cut::Link)?;
        Ok(())
    }

    /// What was used from `since` to before `until` (seconds since 1970), up to now.
    pub fn usage(&self, since: i64, until: i64) -> Result<Vec<Record>, MeterError> {
        self.sample()?;
        Ok(lock(&self.ledger).records(since, until)?)
    }

    /// The counters of these numbers and of `more`.
    fn counts(
        &self,
        numbers: &mut BTreeSet<u32>,
        more: impl Iterator<Item = u32>,
    ) -> Result<BTreeMap<u32, Counts>, MapOpError> {
        numbers.extend(more);
        let meters = self.counters.read(numbers)?;
        Ok(meters.into_iter().map(|(number, meter)| (number, counts(&meter))).collect())
    }

    fn note(&self, report: &Report) {
        for it in &report.resets {
            let (id, before, after) = (&it.link.id, it.before, it.after);
            tracing::error!(
                link = id,
                ?before,
                ?after,
                "a meter was lower than before: somebody cleared it; what it counted since its last reading is lost"
            );
        }
        if report.lost != 0 {
            tracing::warn!(
                links = report.lost,
                "meters began anew; what they counted after their last reading is lost"
            );
        }
        let mut health = lock(&self.health);
        health.resets += report.resets.len() as u64;
        health.lost += report.lost as u64;
    }

    /// A failure that lasts is told once.
    fn told<T>(&self, result: Result<T, MeterError>) -> Result<T, MeterError> {
        let mut health = lock(&self.health);
        match &result {
            Ok(_) => health.last_error = None,
            Err(error) => {
                health.failures += 1;
                let error = super::task::chain(error);
                if health.last_error.as_ref() != Some(&error) {
                    tracing::error!(%error, "usage is not recorded; the meters count on");
                    health.last_error = Some(error);
                }
            }
        }
        result
    }

    fn standing(&self) -> Result<(Standing, BTreeMap<Uuid, i64>), MeterError> {
        let ledger = lock(&self.ledger);
        Ok((ledger.standing()?, ledger.created()))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn numbered(named: &BTreeMap<u32, Link>, numbers: impl Iterator<Item = u32>) -> Vec<Numbered> {
    let one = |number| Some(Numbered { number, link: named.get(&number)?.clone() });
    numbers.filter_map(one).collect()
}

fn counts(meter: &Meter) -> Counts {
    Counts {
        egress: Traffic { packets: meter.egress_packets, bytes: meter.egress_bytes },
        ingress: Traffic { packets: meter.ingress_packets, bytes: meter.ingress_bytes },
    }
}

fn boot_id() -> Result<Uuid, MeterError> {
    let failed = |source| MeterError::Io { what: BOOT_ID, source };
    let text = fs::read_to_string(BOOT_ID).map_err(failed)?;
    text.trim().parse().map_err(|error| failed(io::Error::other(error)))
}

/// Both clocks.
fn now() -> Result<Moment, MeterError> {
    let read = |clock| {
        let time = clock_gettime(clock).map_err(io::Error::from);
        time.map_err(|source| MeterError::Io { what: "the clocks", source })
    };
    let wall_ms = read(ClockId::CLOCK_REALTIME)?.num_milliseconds();
    let boot_ms = u64::try_from(read(ClockId::CLOCK_BOOTTIME)?.num_milliseconds()).unwrap_or(0);
    Ok(Moment { wall_ms, boot_ms })
}
