//! One pass from document to kernel: facts → compile → plan → operations → attachments.
//!
//! Level-triggered: a pass starts from what the kernel holds and ends where the document says,
//! whatever happened before. Programs go on an interface only after the maps are filled, so at first
//! start nothing is forwarded before policy is in place.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::{
    api::{InterfaceStatus, LimitStatus, MapStatus, VtepStatus},
    meter::{MeterError, Meters},
    shapers::Limits,
};
use crate::{
    dataplane::{
        Dataplane,
        attach::{AttachError, Attachment, Role},
        maps::{MapOpError, MapTooSmall},
        probe::{self, ProbeError},
        shaper::ShaperError,
    },
    topology::{
        compile::compile,
        desired::Desired,
        facts::{Hook, HostFacts, NetworkFacts, VtepFacts},
        model::{ResourceId, Topology},
        network::NetworkError,
        plan::{Observed, Op, PlanError, plan},
        state::State,
    },
};
use rtnetlink::Handle;

/// Passes until every interface has a hook that its driver supports; each pass may find one without.
const PASSES_MAX: usize = 1_024;

/// Why a pass failed. The next one starts from what the kernel then holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReconcileError {
    /// The host cannot be probed.
    #[error("cannot probe the host")]
    Probe(#[from] ProbeError),
    /// The topology lacks something.
    #[error("cannot compile the topology")]
    Compile(#[from] NetworkError),
    /// The tables do not fit.
    #[error("the tables do not fit the maps")]
    Plan(#[from] PlanError),
    /// The numbers do not fit.
    #[error("the deployment does not fit the maps")]
    Small(#[from] MapTooSmall),
    /// A map operation failed.
    #[error("the kernel refused an operation")]
    Map(#[from] MapOpError),
    /// A program could not be attached.
    #[error("a program is not where it should be")]
    Attach(#[from] AttachError),
    /// Usage cannot be recorded: what would be carried is not carried.
    #[error("the usage of a link cannot be recorded")]
    Meter(#[from] MeterError),
    /// A queue that limits nobody any more could not be removed.
    #[error("a queue is where it should not be")]
    Shaper(#[from] ShaperError),
    /// A limit is not kept.
    #[error("the limit of {nic} is not kept: {error}")]
    Limit {
        /// The NIC.
        nic: String,
        /// Why.
        error: String,
    },
}

/// The dataplane and what is known about it.
pub struct Reconciler {
    dataplane: Dataplane,
    host: String,
    observed: Observed,
    attached: BTreeSet<Attachment>,
    no_xdp: BTreeSet<String>,
    desired: Desired,
    facts: HostFacts,
    down: BTreeSet<ResourceId>,
    limits: Limits,
    meters: Option<Arc<Meters>>,
}

impl Reconciler {
    /// Takes over a dataplane as it is. `pin_dir` is where it is pinned.
    pub fn new(dataplane: Dataplane, host: String, pin_dir: &Path) -> Result<Self, ReconcileError> {
        let observed = observe(&dataplane)?;
        Ok(Self {
            dataplane,
            host,
            observed,
            attached: BTreeSet::new(),
            no_xdp: BTreeSet::new(),
            desired: Desired::default(),
            facts: HostFacts::default(),
            down: BTreeSet::new(),
            limits: Limits::new(pin_dir),
            meters: None,
        })
    }

    /// Has usage recorded.
    #[must_use]
    pub fn with_meters(self, meters: Arc<Meters>) -> Self {
        Self { meters: Some(meters), ..self }
    }

    /// Who records usage.
    pub fn meters(&self) -> Option<&Arc<Meters>> {
        self.meters.as_ref()
    }

    /// Puts a topology in force and returns how many map operations it took. `network` tells what is known
    /// of the network, given which NICs of this host are down.
    pub async fn run(
        &mut self,
        netlink: &Handle,
        topology: &Topology,
        state: &State,
        network: impl Fn(&BTreeSet<ResourceId>) -> NetworkFacts,
    ) -> Result<usize, ReconcileError> {
        let mut operations = 0;
        for _ in 0..PASSES_MAX {
            let mut facts = probe::facts(netlink, topology, &self.host, &self.no_xdp).await?;
            facts.datapath = self.dataplane.facts;
            let down = facts.network.down;
            facts.network = network(&down);
            self.limits.prepare(netlink, topology, &self.host, &mut facts).await?;
            self.attach_exits()?;
            let desired = compile(topology, state, &self.host, &facts)?;
            operations += self.execute(&desired)?;
            if let Some(meters) = &self.meters {
                meters.in_force(desired.links.keys().copied());
            }
            self.desired = desired;
            self.facts = facts;
            self.down = down;
            match self.attach(topology) {
                Ok(()) if self.limits.clean(netlink, &self.facts).await? => {}
                Ok(()) => break,
                Err(AttachError::NoNativeXdp { interface }) => {
                    tracing::warn!(interface, "no native XDP; TC handles the interface");
                    self.no_xdp.insert(interface);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(operations)
    }

    /// Compares the kernel with what it should hold, and mends it. Returns what was wrong.
    pub fn check(&mut self) -> Result<usize, ReconcileError> {
        let observed = observe(&self.dataplane)?.remember(&self.observed);
        let plan = plan(&self.desired, &observed)?;
        let drift = plan.ops.len();
        if drift != 0 {
            tracing::debug!(operations = ?plan.ops, "the maps differ from the document");
            self.observed = observed;
            self.execute(&self.desired.clone())?;
        }
        Ok(drift)
    }

    fn execute(&mut self, desired: &Desired) -> Result<usize, ReconcileError> {
        self.dataplane.maps.hold(desired)?;
        let plan = plan(desired, &self.observed)?;
        if let Some(meters) = &self.meters {
            let installed = self.observed.links.keys().map(|id| id.0).collect();
            meters.prepare(&installed, desired.links.keys().copied(), &cleared(&plan.ops))?;
        }
        for op in &plan.ops {
            if let Err(error) = self.dataplane.maps.execute(op) {
                self.observed = observe(&self.dataplane)?.remember(&self.observed);
                return Err(error.into());
            }
        }
        self.observed = plan.next;
        Ok(plan.ops.iter().filter(|op| !matches!(op, Op::ZeroMeter { .. })).count())
    }

    fn attach(&mut self, topology: &Topology) -> Result<(), AttachError> {
        let wanted = self.wanted(topology);
        for attachment in &wanted {
            if !self.attached.contains(attachment) {
                self.dataplane.attach(attachment)?;
                self.attached.insert(attachment.clone());
            }
        }
        self.dataplane.detach_others(&wanted)?;
        self.attached = wanted;
        Ok(())
    }

    /// The one exception to programs after maps: nothing comes in behind a queue before the maps name it,
    /// and what comes then must find the program.
    fn attach_exits(&mut self) -> Result<(), AttachError> {
        for exit in self.exits() {
            if !self.attached.contains(&exit) {
                self.dataplane.attach(&exit)?;
                self.attached.insert(exit);
            }
        }
        Ok(())
    }

    fn exits(&self) -> Vec<Attachment> {
        let exits = self.limits.exits();
        exits
            .map(|(name, ifindex)| Attachment::new(ifindex, &name, Role::Shaper, Hook::Tc))
            .collect()
    }

    fn wanted(&self, topology: &Topology) -> BTreeSet<Attachment> {
        let underlay = topology.hosts.iter().find(|host| host.name == self.host);
        let underlay = underlay.map(|host| host.underlay_interface.as_str());
        self.facts
            .interfaces
            .iter()
            .map(|(name, facts)| {
                let is_underlay = Some(name.as_str()) == underlay;
                let role = if is_underlay { Role::Underlay } else { Role::Workload };
                Attachment::new(facts.ifindex, name, role, facts.hook)
            })
            .chain(self.exits())
            .collect()
    }

    /// The dataplane, for counters.
    pub fn dataplane(&self) -> &Dataplane {
        &self.dataplane
    }

    /// The dataplane, to take the event ring.
    pub fn dataplane_mut(&mut self) -> &mut Dataplane {
        &mut self.dataplane
    }

    /// What the maps hold, unless the last pass failed.
    pub fn desired(&self) -> &Desired {
        &self.desired
    }

    /// What was known of the network in the last pass.
    pub fn network_facts(&self) -> &NetworkFacts {
        &self.facts.network
    }

    /// NICs of this host that were down in the last pass.
    pub fn down(&self) -> &BTreeSet<ResourceId> {
        &self.down
    }

    /// Interfaces and their programs.
    pub fn interfaces(&self) -> Vec<InterfaceStatus> {
        let status = |it: &Attachment| InterfaceStatus {
            name: it.name.clone(),
            ifindex: it.ifindex,
            role: match it.role {
                Role::Workload => "workload",
                Role::Shaper => "shaper",
                Role::Underlay => "underlay",
            }
            .to_owned(),
            mode: if it.xdp { "xdp" } else { "tc" }.to_owned(),
            programs: it
                .xdp_program()
                .into_iter()
                .chain([it.tc_program()])
                .map(str::to_owned)
                .collect(),
        };
        self.attached.iter().map(status).collect()
    }

    /// The limits of this host's NICs.
    pub fn limits(&self) -> &[LimitStatus] {
        self.limits.status()
    }

    /// A limit that is not kept.
    pub fn broken_limit(&self) -> Option<ReconcileError> {
        self.limits().iter().find_map(|it| {
            let (nic, error) = (it.network_interface.clone(), it.last_error.clone()?);
            Some(ReconcileError::Limit { nic, error })
        })
    }

    /// Whether the host still limits its NICs as it should.
    pub async fn keeps_limits(&self, netlink: &Handle, topology: &Topology) -> bool {
        self.limits.hold(netlink, topology, &self.host, &self.facts).await
    }

    /// Interfaces of the document that the host does not have.
    pub fn missing_interfaces(&self) -> &[String] {
        &self.desired.missing_interfaces
    }

    /// The other hosts.
    pub fn vteps(&self) -> Vec<VtepStatus> {
        let status = |host: &str, facts: &VtepFacts| VtepStatus {
            host: host.to_owned(),
            address: facts.remote.to_string(),
            resolved: facts.dst_mac.is_some(),
        };
        let hosts = self.facts.vteps.iter();
        hosts.flat_map(|(host, ways)| ways.iter().map(|facts| status(host, facts))).collect()
    }

    /// Fill of the maps.
    pub fn maps(&self) -> Vec<MapStatus> {
        let observed = &self.observed;
        let used: BTreeMap<&str, usize> = BTreeMap::from([
            ("NICS", observed.nics.len()),
            ("VNETS", observed.vnets.len()),
            ("ROUTES", observed.routes.len()),
            ("TRIE_V4", observed.trie_v4.used()),
            ("TRIE_V6", observed.trie_v6.used()),
            ("NEXT_HOPS", observed.next_hops.used()),
            ("LINKS", observed.links.len()),
            ("VTEPS", observed.vteps.len()),
            ("POLICIES", observed.policies.len()),
            ("CLASSIFIERS", observed.classifiers.used()),
            ("ROWS", observed.rows.used()),
        ]);
        let capacities = self.dataplane.maps.map_capacities();
        capacities
            .into_iter()
            .map(|(name, capacity)| MapStatus {
                name: name.to_owned(),
                used: used.get(name).map_or(0, |used| *used as u64),
                capacity: u64::from(capacity),
            })
            .collect()
    }
}

/// Numbers of the meters that a plan sets to zero.
fn cleared(ops: &[Op]) -> BTreeSet<u32> {
    let one = |op: &Op| if let Op::ZeroMeter { id } = op { Some(id.0) } else { None };
    ops.iter().filter_map(one).collect()
}

fn observe(dataplane: &Dataplane) -> Result<Observed, ReconcileError> {
    let raw = dataplane.maps.read_back()?;
    Ok(Observed::adopt(raw, dataplane.maps.capacities()))
}
