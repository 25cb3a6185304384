//! `policy/control/…`: user space with one security group of 1,000 rules on 1,000 NICs of one host, and
//! how soon a changed rule is in force.

use std::{fmt::Write as _, fs, path::Path, time::Instant};

use anyhow::{Context as _, Result, ensure};
use vnetpeer_common::abi;
use vnetpeer_userspace::{
    dataplane::Dataplane,
    document,
    topology::{
        compile::compile,
        facts::{Delivery, Hook, HostFacts, InterfaceFacts},
        model::Topology,
        plan::{Observed, Op, plan},
        state::{self, State},
    },
};

use crate::report::Row;

/// How often everything is done.
const ROUNDS: usize = 5;
const NICS: usize = 1_000;
const RULES: usize = 1_000;
const HOST: &str = "host-a";
const PREFIX: &str = "policy/control/";

/// Names, units and one value per round.
#[derive(Default)]
struct Results(Vec<Row>);

impl Results {
    fn add(&mut self, name: &str, unit: &'static str, value: f64) {
        let name = format!("{PREFIX}{name}");
        match self.0.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(value),
            None => self.0.push(Row::new(name, unit, vec![value])),
        }
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|row| row.name.strip_prefix(PREFIX) == Some(name))
    }

    /// Adds the milliseconds that a step takes.
    fn time<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        let start = Instant::now();
        let result = step().with_context(|| name.to_owned())?;
        self.add(name, "ms", start.elapsed().as_secs_f64() * 1e3);
        Ok(result)
    }
}

/// Runs all of it if `filter` selects it.
pub(crate) fn run(filter: &str) -> Result<Vec<Row>> {
    if !PREFIX.contains(filter) && !filter.starts_with(PREFIX) {
        return Ok(Vec::new());
    }
    let pins = format!("/sys/fs/bpf/vnetpeer-bench-{}", std::process::id());
    let mut results = Results::default();
    let mut done = Ok(());
    for _ in 0..ROUNDS {
        done = done.and_then(|()| round(&mut results, Path::new(&pins)));
    }
    done.map(|()| results.0)
}

/// Builds everything once, then changes a rule.
fn round(results: &mut Results, pins: &Path) -> Result<()> {
    let mut dataplane = Dataplane::open(pins)?;
    let finished = steps(results, &mut dataplane);
    drop(dataplane);
    Dataplane::remove(pins).context("remove the pins")?;
    finished
}

fn steps(results: &mut Results, dataplane: &mut Dataplane) -> Result<()> {
    let facts = facts(dataplane);
    let observed = Observed::empty(dataplane.maps.capacities());
    let before = resident()?;
    let text = text(443);
    let topology = results.time("first/read", || read(&text))?;
    let (state, desired) = results.time("first/compile", || {
        let state = state::advance(&State::default(), &topology)?;
        let desired = compile(&topology, &state, HOST, &facts)?;
        Ok((state, desired))
    })?;
    let first = results.time("first/plan", || Ok(plan(&desired, &observed)?))?;
    results.time("first/load", || execute(dataplane, &first.ops))?;
    results.add("first/operations", "ops", count(first.ops.len()));
    results.add("first/map-content", "KiB", count(bytes(&first.ops)) / 1_024.0);
    if !results.has("first/resident") {
        // Later rounds use the memory that this one gave back.
        results.add("first/resident", "KiB", count(resident()?.saturating_sub(before)));
    }

    let text = self::text(444);
    let start = Instant::now();
    let topology = results.time("change/read", || read(&text))?;
    let desired = results.time("change/compile", || {
        let state = state::advance(&state, &topology)?;
        Ok(compile(&topology, &state, HOST, &facts)?)
    })?;
    let second = results.time("change/plan", || Ok(plan(&desired, &first.next)?))?;
    let at = second.ops.iter().position(|op| matches!(op, Op::SetPolicy { .. }));
    let at = at.context("the change puts a policy in force")?;
    results.time("change/in-force", || execute(dataplane, &second.ops[..=at]))?;
    results.add("change/total", "ms", start.elapsed().as_secs_f64() * 1e3);
    results.time("change/rest", || execute(dataplane, &second.ops[at + 1..]))?;
    results.add("change/operations", "ops", count(second.ops.len()));
    let again = plan(&desired, &second.next)?;
    ensure!(again.ops.is_empty(), "a plan for what is there already has operations");
    Ok(())
}

fn execute(dataplane: &mut Dataplane, ops: &[Op]) -> Result<()> {
    ops.iter().try_for_each(|op| Ok(dataplane.maps.execute(op)?))
}

fn read(text: &str) -> Result<Topology> {
    match document::load("bench.yaml", text) {
        Ok(loaded) => Ok(loaded.topology),
        Err(problems) => anyhow::bail!("the document has problems: {problems:?}"),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
const fn count(number: usize) -> f64 {
    number as f64
}

/// Bytes of what operations write into maps of routes and policies.
fn bytes(ops: &[Op]) -> usize {
    let of = |op: &Op| match op {
        Op::SetNode4 { .. } => size_of::<abi::Node4>(),
        Op::SetNode6 { .. } => size_of::<abi::Node6>(),
        Op::SetRow { .. } => size_of::<abi::Row>(),
        Op::SetClassifier { .. } => size_of::<abi::Classifier>(),
        Op::SetFilter { .. } => size_of::<abi::Filter>(),
        Op::SetNic { .. } => size_of::<abi::Nic>(),
        _ => 0,
    };
    ops.iter().map(of).sum()
}

/// KiB of memory that this process has.
fn resident() -> Result<usize> {
    let text = fs::read_to_string("/proc/self/status").context("read the process's status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?;
    Ok(number.parse()?)
}

fn facts(dataplane: &Dataplane) -> HostFacts {
    let interface = |number: usize| InterfaceFacts {
        ifindex: u32::try_from(1_000 + number).unwrap_or(0),
        mtu_bytes: 1_500,
        delivery: Delivery::Transmit,
        hook: Hook::Xdp,
        shaper: None,
    };
    HostFacts {
        interfaces: (0..NICS).map(|number| (format!("vm{number}"), interface(number))).collect(),
        datapath: dataplane.facts,
        ..HostFacts::default()
    }
}

/// A document with one VNet, in which all NICs have one group. Rule 500 is for port `port`.
pub(crate) fn text(port: u16) -> String {
    let mut text = "deployment: {name: bench}\nvirtualNetworks:\n  - name: red\n    properties:\n      \
                    addressSpace: {addressPrefixes: [10.1.0.0/16]}\n      subnets:\n        - name: \
                    red\n          properties: {addressPrefixes: [10.1.0.0/20]}\n\
                    networkSecurityGroups:\n  - name: large\n    properties:\n      securityRules:\n"
        .to_owned();
    for number in 0..RULES {
        let port = if number == RULES / 2 { usize::from(port) } else { 1_000 + number };
        let _ = writeln!(
            text,
            "        - {{name: r{number}, properties: {{priority: {}, direction: Inbound, access: \
             Allow, protocol: Tcp, sourceAddressPrefixes: [10.{}.{}.0/24, 172.16.{}.{}/32], \
             sourcePortRange: \"*\", destinationAddressPrefix: \"*\", destinationPortRange: \
             \"{port}\"}}}}",
            100 + number,
            100 + number / 256,
            number % 256,
            number / 256,
            number % 256,
        );
    }
    text.push_str("networkInterfaces:\n");
    for number in 0..NICS {
        let (high, low) = (number / 250, number % 250 + 4);
        let _ = writeln!(
            text,
            "  - {{name: nic{number}, properties: {{networkSecurityGroup: {{id: large}}, \
             ipConfigurations: [{{name: v4, properties: {{subnet: {{id: red}}, privateIPAddress: \
             10.1.{high}.{low}}}}}]}}}}"
        );
    }
    let _ = writeln!(
        text,
        "hosts:\n  - name: {HOST}\n    underlay: {{interface: eth0, addresses: [192.0.2.1]}}\n    \
         networkInterfaces:"
    );
    for number in 0..NICS {
        let _ = writeln!(text, "      - {{name: nic{number}, interface: vm{number}}}");
    }
    text
}
