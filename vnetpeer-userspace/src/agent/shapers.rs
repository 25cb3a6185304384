//! The limits of this host's NICs: which queues there should be, and which there are.
//!
//! A queue is made before the maps name it and removed after nothing does any more, and only when it is
//! empty. One that cannot be made or changed leaves the NIC as it was: cutting it off would be worse than
//! a limit that is not kept for a while, as long as the status says so.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rtnetlink::Handle;
use tokio::time::sleep;

use super::{api::LimitStatus, task::chain};
use crate::{
    dataplane::{
        probe::ProbeError,
        shaper::{self, Shaper, ShaperError, Shapers},
    },
    topology::{
        facts::{HostFacts, ShaperFacts},
        model::{Nic, Topology},
    },
};

/// After a failure, how long nothing is tried. What is tried changes interfaces, and these changes alone
/// would be reason enough for the next pass.
const RETRY: Duration = Duration::from_secs(1);
/// How long to wait until a queue that is not used any more is empty, and between two looks.
const DRAIN: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(5);

/// See the module.
#[derive(Debug)]
pub(super) struct Limits {
    owner: PathBuf,
    /// Queues as of the last look, by the index of the NIC's interface.
    found: Shapers,
    status: Vec<LimitStatus>,
    failed: BTreeMap<u32, (String, Instant)>,
}

impl Limits {
    /// Nothing is looked at yet.
    pub(super) fn new(owner: &Path) -> Self {
        Self {
            owner: owner.to_owned(),
            found: Shapers::new(),
            status: Vec::new(),
            failed: BTreeMap::new(),
        }
    }

    /// Makes and changes queues as the topology wants them, and adds them to the facts.
    pub(super) async fn prepare(
        &mut self,
        handle: &Handle,
        topology: &Topology,
        host: &str,
        facts: &mut HostFacts,
    ) -> Result<(), ProbeError> {
        self.found = shaper::list(handle, &self.owner).await?;
        self.status.clear();
        for (nic, limit) in limited(topology, host) {
            let Some(interface) = facts.interfaces.get(&nic.interface) else { continue };
            let (ifindex, mtu) = (interface.ifindex, interface.mtu_bytes);
            if let Err(error) = self.set(handle, ifindex, limit, mtu).await {
                tracing::warn!(nic = %nic.id, error, "the limit is not kept");
            }
            self.status.push(LimitStatus {
                network_interface: nic.id.to_string(),
                outbound_bits_per_second: limit,
                interface: self.found.get(&ifindex).map(|it| it.name.clone()),
                last_error: self.failed.get(&ifindex).map(|(error, _)| error.clone()),
            });
        }
        let wanted: Vec<&str> =
            limited(topology, host).map(|(nic, _)| nic.interface.as_str()).collect();
        for (name, interface) in &mut facts.interfaces {
            interface.shaper = self.found.get(&interface.ifindex).map(|it| ShaperFacts {
                enters: it.enters,
                leaves: it.leaves,
                in_use: it.passes() && wanted.contains(&name.as_str()),
            });
        }
        self.open_others(handle, facts).await;
        Ok(())
    }

    /// The queue of one interface. `Err` if it is not as it should be, at the time of a failure only.
    async fn set(
        &mut self,
        handle: &Handle,
        ifindex: u32,
        limit: u64,
        mtu: u16,
    ) -> Result<(), String> {
        if self.found.get(&ifindex).is_some_and(|it| it.keeps(limit, mtu)) {
            self.failed.remove(&ifindex);
            return Ok(());
        }
        if self.failed.get(&ifindex).is_some_and(|(_, at)| at.elapsed() < RETRY) {
            return Ok(());
        }
        match shaper::ensure(handle, &self.owner, ifindex, limit, mtu).await {
            Ok(shaper) => {
                self.failed.remove(&ifindex);
                self.found.insert(ifindex, shaper);
                Ok(())
            }
            Err(error) => {
                let error = chain(&error);
                if let Ok(now) = shaper::list(handle, &self.owner).await {
                    self.found = now;
                }
                self.failed.insert(ifindex, (error.clone(), Instant::now()));
                Err(error)
            }
        }
    }

    /// What waits where nothing enters any more is let out at once.
    async fn open_others(&self, handle: &Handle, facts: &HostFacts) {
        for shaper in self.unused(facts) {
            if let Err(error) = shaper::open(handle, shaper).await {
                tracing::debug!(shaper = shaper.name, error = chain(&error), "cannot open it");
            }
        }
    }

    fn unused<'a>(&'a self, facts: &'a HostFacts) -> impl Iterator<Item = &'a Shaper> {
        let in_use = |shaper: &Shaper| {
            let all = facts.interfaces.values().filter_map(|it| it.shaper);
            all.into_iter().any(|it| it.in_use && it.enters == shaper.enters)
        };
        self.found.values().filter(move |shaper| !in_use(shaper))
    }

    /// Removes the queues that nothing names any more. Returns whether there were any.
    pub(super) async fn clean(
        &mut self,
        handle: &Handle,
        facts: &HostFacts,
    ) -> Result<bool, ShaperError> {
        let unused: Vec<Shaper> = self.unused(facts).cloned().collect();
        if unused.is_empty() {
            return Ok(false);
        }
        self.drain(handle, &unused).await;
        for shaper in &unused {
            shaper::remove(handle, shaper).await?;
        }
        self.found.retain(|_, it| !unused.contains(it));
        Ok(true)
    }

    /// Waits until these are empty, and for what just came out of them.
    async fn drain(&self, handle: &Handle, unused: &[Shaper]) {
        let end = Instant::now() + DRAIN;
        loop {
            sleep(PAUSE).await;
            let Ok(now) = shaper::list(handle, &self.owner).await else { return };
            let is_empty = |it: &Shaper| {
                now.values().find(|now| now.enters == it.enters).is_none_or(Shaper::is_empty)
            };
            if unused.iter().all(is_empty) || Instant::now() >= end {
                break;
            }
        }
        sleep(PAUSE).await;
    }

    /// Whether the host has the queues that it should have, as of now.
    pub(super) async fn hold(
        &self,
        handle: &Handle,
        topology: &Topology,
        host: &str,
        facts: &HostFacts,
    ) -> bool {
        let Ok(now) = shaper::list(handle, &self.owner).await else { return true };
        limited(topology, host).all(|(nic, limit)| {
            facts.interfaces.get(&nic.interface).is_none_or(|it| {
                now.get(&it.ifindex).is_some_and(|shaper| shaper.keeps(limit, it.mtu_bytes))
            })
        })
    }

    /// Name and index of every interface that frames come in on behind a queue.
    pub(super) fn exits(&self) -> impl Iterator<Item = (String, u32)> {
        self.found.values().map(|it| (it.exit(), it.leaves))
    }

    /// What limits there are.
    pub(super) fn status(&self) -> &[LimitStatus] {
        &self.status
    }
}

/// NICs of a host that have limits.
fn limited<'a>(topology: &'a Topology, host: &'a str) -> impl Iterator<Item = (&'a Nic, u64)> {
    let is_here = move |nic: &&Nic| topology.host(nic.host).is_some_and(|it| it.name == host);
    let here = topology.nics.iter().filter(is_here);
    here.filter_map(|nic| Some((nic, nic.outbound_bits_per_second?)))
}
