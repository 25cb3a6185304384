//! A way between two workloads, and what goes over it.

use std::{
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use aya::{
    TestRun as _,
    programs::{TestRunAttrs, TestRunOptions},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use vnetpeer_common::types::Mac;
use vnetpeer_tests::packet::Packet;

use super::{programs::Programs, space::Space};
use crate::harness::{self, At};

/// What is measured for how long.
const PACKETS_FOR: Duration = Duration::from_millis(700);
const SECONDS: &str = "1";
/// Nothing takes longer than this, or it is ended.
const LIMIT: &str = "8";
/// Packets of one call of the source.
const CALL: u32 = 1 << 16;
const BATCH: u32 = 64;
/// Bytes of a packet's payload: with the headers 64.
const PAYLOAD: usize = 22;
const DISCARD: u16 = 9;
const PORT: &str = "11111";

/// A workload.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) space: Space,
    /// Its interface is `eth0`.
    pub(super) mac: Mac,
    pub(super) address: Ipv4Addr,
}

/// From one workload to another.
#[derive(Debug)]
pub(super) struct Way {
    from: End,
    to: End,
    /// Where the sender's frames go first.
    next: Mac,
    /// The hook of the programs on the way: what arrives is counted at the same.
    at: At,
    /// The other end of the sender's cable.
    entry: (Space, String),
    /// What does the forwarding, and where, for as long as this lives.
    _programs: Vec<Programs>,
    _hosts: Vec<Space>,
}

impl Way {
    /// A way on which programs of that hook forward; the sender's cable ends at `entry`.
    pub(super) fn new([from, to]: [End; 2], next: Mac, at: At, entry: (Space, String)) -> Self {
        Self { from, to, next, at, entry, _programs: Vec::new(), _hosts: Vec::new() }
    }

    /// With what belongs to it alone.
    pub(super) fn keeping(self, programs: Vec<Programs>, hosts: &[Space]) -> Self {
        Self { _programs: programs, _hosts: hosts.to_vec(), ..self }
    }

    /// Packets of 64 bytes that arrive in a second, in millions, where one CPU sends and forwards them.
    ///
    /// A veth takes the source's packets only while its other end polls, as XDP lets it do.
    pub(super) fn packets(&self, flows: u32) -> Result<f64> {
        let (space, interface) = &self.entry;
        if self.at == At::Xdp {
            return self.send(flows);
        }
        space.poll(interface, true)?;
        let rate = self.send(flows);
        space.poll(interface, false)?;
        rate
    }

    fn send(&self, flows: u32) -> Result<f64> {
        let frame = Packet::v4(self.from.address, self.to.address)
            .udp(10_001, DISCARD, PAYLOAD)
            .between(self.from.mac, self.next)
            .bytes();
        let sink = if self.at == At::Xdp { "sink_xdp" } else { "sink_tc" };
        let sink = Programs::load(0, 1, &[])?.attach(sink, &self.to.space, "eth0")?;
        let target = self.from.space.index("eth0")?;
        let mut source = Programs::load(target, flows, &frame)?;
        let (mut arrived, mut elapsed, mut sent) = (0, 0.0, 0_u64);
        self.from.space.within(|| {
            harness::pin()?;
            let source = source.source()?;
            let call = || {
                let attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
                let data_in = Some(frame.as_slice());
                let options =
                    TestRunOptions { data_in, repeat: CALL, attrs, ..TestRunOptions::new() };
                source.test_run(options).context("send packets")
            };
            // Flows become known, and the pools of pages full.
            call()?;
            let before = sink.arrived()?;
            let start = Instant::now();
            while start.elapsed() < PACKETS_FOR {
                call()?;
                sent += u64::from(CALL);
            }
            elapsed = start.elapsed().as_secs_f64();
            thread::sleep(Duration::from_millis(20));
            arrived = sink.arrived()? - before;
            Ok(())
        })?;
        ensure!(arrived > sent / 2, "only {arrived} of {sent} packets arrived");
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let rate = arrived as f64 / elapsed / 1e6;
        Ok(rate)
    }

    /// Gigabits of TCP payload that arrive in a second; both ends on any CPU.
    pub(super) fn stream(&self, streams: u32) -> Result<f64> {
        let address = self.to.address;
        let _server = self.serve(&format!("iperf3 -s -1 -B {address}"))?;
        let client = format!("timeout {LIMIT} iperf3 -c {address} -t {SECONDS} -P {streams} -J");
        let output = patiently(|| self.from.space.run(&client))?;
        let report: Value = serde_json::from_str(&output).context("iperf3 writes JSON")?;
        let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
        Ok(bits.context("iperf3 measured nothing")? / 1e9)
    }

    /// Microseconds of a request and its response by TCP, the middle one and the 99th percentile; both ends
    /// on one CPU.
    pub(super) fn round_trip(&self) -> Result<[f64; 2]> {
        let cpu = harness::cpu()?;
        let address = self.to.address;
        let at = format!("--tcp -i {address} -p {PORT}");
        let _server = self.serve(&format!("taskset -c {cpu} sockperf server {at}"))?;
        let client = format!(
            "taskset -c {cpu} timeout {LIMIT} sockperf ping-pong {at} -t {SECONDS} --full-rtt"
        );
        let output = patiently(|| self.from.space.run(&client))?;
        let percentile = |wanted: &str| -> Result<f64> {
            let line = output.lines().find(|line| line.contains(wanted));
            let line = line.with_context(|| format!("sockperf tells no {wanted}"))?;
            let value = line.rsplit([' ', '=']).next().unwrap_or_default();
            value.parse().with_context(|| format!("a number in `{line}`"))
        };
        Ok([percentile("percentile 50.000")?, percentile("percentile 99.000")?])
    }

    fn serve(&self, command: &str) -> Result<Server> {
        self.to.space.within(|| {
            let mut timeout = Command::new("timeout");
            timeout.arg(LIMIT).args(command.split_whitespace());
            timeout.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            Ok(Server(timeout.spawn().with_context(|| format!("start `{command}`"))?))
        })
    }
}

/// A server, ended with the scope: `timeout` hands the signal on.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.0.id()) {
            let _gone = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _gone = self.0.wait();
    }
}

/// A server needs a moment until it listens.
fn patiently<T>(mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..20 {
        thread::sleep(Duration::from_millis(100));
        match attempt() {
            Err(error) if is_refused(&error) => {}
            result => return result,
        }
    }
    bail!("the server does not listen")
}

fn is_refused(error: &anyhow::Error) -> bool {
    let text = error.to_string().to_lowercase();
    text.contains("refused") || text.contains("unable to connect")
}
