//! One gateway: a task that keeps its network namespace as it should be and reports what was learned.
//!
//! Level-triggered: whatever changed, it reads both tables, mends our routes and reports.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use futures_util::TryStreamExt as _;
use ipnet::IpNet;
use rtnetlink::{
    Handle,
    packet_route::address::{AddressAttribute, AddressMessage},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, interval, sleep},
};

use super::{
    namespace::Channel,
    routes::{Router, Table},
};
use crate::agent::task::chain;

/// Changes of routes come in bursts; this long after the first, the tables are read once.
const DEBOUNCE: Duration = Duration::from_millis(10);
/// How often a namespace that cannot be entered is tried, and one that was entered is looked after.
const RETRY: Duration = Duration::from_secs(1);
/// How often the tables are read although nothing was heard.
const CHECK: Duration = Duration::from_mins(1);

/// What a gateway's namespace should be like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wanted {
    /// The file that the namespace is at.
    pub namespace: PathBuf,
    /// Addresses of the gateway's NIC; its interface is the one that has one of them.
    pub addresses: Vec<IpAddr>,
    /// The virtual router in the NIC's subnet.
    pub router: Option<Ipv4Addr>,
    /// What the routing daemon should tell others.
    pub advertised: BTreeSet<IpNet>,
    /// How many prefixes may be learned.
    pub learned_max: usize,
}

/// What a gateway's namespace is like.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether the tables were read since the gateway is known.
    pub is_read: bool,
    /// What was learned, up to the limit.
    pub learned: BTreeSet<IpNet>,
    /// What more was learned.
    pub refused: usize,
    /// Why the namespace is not as it should be.
    pub error: Option<String>,
}

impl Report {
    fn failed(error: String) -> Self {
        Self { is_read: true, error: Some(error), ..Self::default() }
    }
}

/// Keeps a namespace until nothing is wanted of it any more, then takes our routes out, first those that
/// `last` names. When `wanted` is dropped, they stay: the agent is stopping.
pub(super) async fn speak(
    mut last: Wanted,
    mut wanted: watch::Receiver<Option<Wanted>>,
    report: watch::Sender<Report>,
    changed: mpsc::Sender<()>,
) {
    let mut speaker = Speaker { report, changed };
    loop {
        let now = wanted.borrow_and_update().clone();
        if now.as_ref().is_none_or(|it| it.namespace != last.namespace) {
            clear(&last).await;
        }
        let Some(now) = now else { return };
        match Channel::open(&now.namespace).await {
            Ok(channel) => match speaker.keep(channel, now, &mut wanted).await {
                Some(kept) => last = kept,
                None => return,
            },
            Err(error) => {
                let path = now.namespace.display();
                let error = format!("cannot enter the network namespace {path}: {error}");
                speaker.report(Report::failed(error));
                last = now;
                tokio::select! {
                    changed = wanted.changed() => if changed.is_err() { return },
                    () = sleep(RETRY) => {}
                }
            }
        }
    }
}

struct Speaker {
    report: watch::Sender<Report>,
    changed: mpsc::Sender<()>,
}

impl Speaker {
    /// Keeps one namespace for as long as it is there and wanted, and says what was wanted of it last;
    /// `None` when the agent stops.
    async fn keep(
        &mut self,
        mut channel: Channel,
        mut now: Wanted,
        wanted: &mut watch::Receiver<Option<Wanted>>,
    ) -> Option<Wanted> {
        let mut look = interval(RETRY);
        loop {
            channel.forget_changes();
            let read = Instant::now();
            let report = self.mend(&channel.handle, &now).await;
            let has_failed = report.error.is_some();
            self.report(report);
            loop {
                tokio::select! {
                    changed = channel.changed() => {
                        if changed.is_none() {
                            return Some(now);
                        }
                        sleep(DEBOUNCE).await;
                        break;
                    }
                    changed = wanted.changed() => {
                        changed.ok()?;
                        match wanted.borrow_and_update().clone() {
                            Some(next) if next.namespace == now.namespace => now = next,
                            _ => return Some(now),
                        }
                        break;
                    }
                    _ = look.tick() => {
                        if !channel.is_at(&now.namespace) {
                            return Some(now);
                        }
                        if has_failed || read.elapsed() > CHECK {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// One look at the namespace, and what it takes to make it as it should be.
    async fn mend(&self, handle: &Handle, wanted: &Wanted) -> Report {
        match self.try_mend(handle, wanted).await {
            Ok(report) => report,
            // What was learned stays: the tables may be as they were.
            Err(error) => {
                Report { error: Some(chain(&error)), is_read: true, ..self.report.borrow().clone() }
            }
        }
    }

    async fn try_mend(&self, handle: &Handle, wanted: &Wanted) -> Result<Report, rtnetlink::Error> {
        let Some(nic) = interface(handle, &wanted.addresses).await? else {
            let addresses: Vec<String> = wanted.addresses.iter().map(IpAddr::to_string).collect();
            let addresses = addresses.join(" or ");
            return Ok(Report::failed(format!(
                "no interface of the network namespace has address {addresses}"
            )));
        };
        let table = Table::read(handle).await?;
        let all = table.learned(nic);
        let learned = limit(&self.report.borrow().learned, &all, wanted.learned_max);
        let refused = all.len() - learned.len();
        let mut error = (refused != 0).then(|| {
            let max = wanted.learned_max;
            format!("{refused} of {} learned prefixes are refused; {max} are the limit", all.len())
        });
        let router = Router { nic, v4: wanted.router };
        for change in table.changes(&wanted.advertised, router) {
            if let Err(failed) = change.execute(handle).await {
                error = Some(format!("cannot advertise {}: {}", change.prefix(), chain(&failed)));
            }
        }
        Ok(Report { is_read: true, learned, refused, error })
    }

    fn report(&self, report: Report) {
        let is_new = self.report.send_if_modified(|old| {
            if report.error != old.error
                && let Some(error) = &report.error
            {
                tracing::warn!(%error, "a gateway is not as it should be");
            }
            let is_new = *old != report;
            *old = report;
            is_new
        });
        if is_new {
            // One signal waiting is as good as many.
            let _ = self.changed.try_send(());
        }
    }
}

/// At most `max` of all prefixes. Those that were there before stay, so that what comes too much does not
/// push out what is in use.
pub(super) fn limit(
    before: &BTreeSet<IpNet>,
    all: &BTreeSet<IpNet>,
    max: usize,
) -> BTreeSet<IpNet> {
    let kept = all.intersection(before);
    kept.chain(all.difference(before)).take(max).copied().collect()
}

/// Takes all routes of ours out of a namespace, if it is still there.
async fn clear(last: &Wanted) {
    let path = last.namespace.display();
    let channel = match Channel::open(&last.namespace).await {
        Ok(channel) => channel,
        Err(error) => {
            tracing::debug!(%path, %error, "no namespace to withdraw routes from");
            return;
        }
    };
    let handle = &channel.handle;
    let cleared = async {
        let Some(nic) = interface(handle, &last.addresses).await? else { return Ok(()) };
        let table = Table::read(handle).await?;
        for change in table.changes(&BTreeSet::new(), Router { nic, v4: None }) {
            change.execute(handle).await?;
        }
        Ok::<(), rtnetlink::Error>(())
    };
    if let Err(error) = cleared.await {
        tracing::warn!(%path, %error, "cannot withdraw the routes of a gateway");
    }
}

/// The interface that has one of the addresses.
async fn interface(handle: &Handle, addresses: &[IpAddr]) -> Result<Option<u32>, rtnetlink::Error> {
    let all: Vec<AddressMessage> = handle.address().get().execute().try_collect().await?;
    let is_it = |message: &&AddressMessage| {
        message.attributes.iter().any(|attribute| match attribute {
            AddressAttribute::Address(it) | AddressAttribute::Local(it) => addresses.contains(it),
            _ => false,
        })
    };
    Ok(all.iter().find(is_it).map(|it| it.header.index))
}
