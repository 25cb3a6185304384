//! A way between two workloads, and what goes over it.

use std::{
    net::Ipv4Addr,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
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
/// By then both directions send.
const TOGETHER_AFTER: Duration = Duration::from_millis(400);
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
/// No NIC has it.
const NOBODY: Ipv4Addr = Ipv4Addr::new(10, 0, 1, 99);

/// A workload.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) space: Space,
    /// Its interface is `eth0`.
    pub(super) mac: Mac,
    pub(super) address: Ipv4Addr,
}

/// One of the two directions between two workloads.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    pub(super) from: End,
    pub(super) to: End,
    /// Where the sender's frames go first.
    pub(super) next: Mac,
    /// The other end of the sender's cable.
    pub(super) entry: (Space, String),
}

impl Direction {
    /// Sends packets from a CPU for as long as `goes_on` says, which is told how many were sent.
    fn emit(
        &self,
        flows: u32,
        cpu: usize,
        mut goes_on: impl FnMut(u64) -> Result<bool> + Send,
    ) -> Result<()> {
        let frame = Packet::v4(self.from.address, self.to.address)
            .udp(10_001, DISCARD, PAYLOAD)
            .between(self.from.mac, self.next)
            .bytes();
        let target = self.from.space.index("eth0")?;
        let mut source = Programs::load(target, flows, &frame)?;
        self.from.space.within(|| {
            harness::pin_to(cpu)?;
            let source = source.source()?;
            let mut sent = 0;
            while goes_on(sent)? {
                let attrs = TestRunAttrs::new().xdp_live_frames(BATCH);
                let data_in = Some(frame.as_slice());
                let options =
                    TestRunOptions { data_in, repeat: CALL, attrs, ..TestRunOptions::new() };
                source.test_run(options).context("send packets")?;
                sent += u64::from(CALL);
            }
            Ok(())
        })
    }
}

/// From one workload to another.
#[derive(Debug)]
pub(super) struct Way {
    /// There, and back.
    directions: [Direction; 2],
    /// The hook of the programs on the way: what arrives is counted at the same.
    at: At,
    /// What does the forwarding, and where, for as long as this lives.
    _programs: Vec<Programs>,
    _hosts: Vec<Space>,
}

impl Way {
    /// A way on which programs of that hook forward.
    pub(super) fn new(directions: [Direction; 2], at: At) -> Self {
        Self { directions, at, _programs: Vec::new(), _hosts: Vec::new() }
    }

    /// With what belongs to it alone.
    pub(super) fn keeping(self, programs: Vec<Programs>, hosts: &[Space]) -> Self {
        Self { _programs: programs, _hosts: hosts.to_vec(), ..self }
    }

    /// Packets of 64 bytes that arrive in a second, in millions, where one CPU sends and forwards them.
    pub(super) fn packets(&self, flows: u32) -> Result<f64> {
        let [there, _] = &self.directions;
        self.polling(|| self.send(there, flows, harness::cpu()?, Instant::now()))
    }

    /// The same in both directions at once, where each has a CPU of its own.
    pub(super) fn packets_both_ways(&self, flows: u32) -> Result<f64> {
        let [there, back] = &self.directions;
        let cpu = harness::cpu()?;
        let other = cpu.checked_sub(1).context("the machine has only one CPU")?;
        self.polling(|| {
            let start = Instant::now() + TOGETHER_AFTER;
            thread::scope(|scope| {
                let back = scope.spawn(|| self.send(back, flows, other, start));
                let there = self.send(there, flows, cpu, start)?;
                Ok(there + back.join().map_err(|_| anyhow!("the thread panicked"))??)
            })
        })
    }

    /// A veth takes the source's packets only while its other end polls, as XDP lets it do.
    fn polling<T>(&self, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let poll = |is_on| {
            let mut entries = self.directions.iter().map(|it| &it.entry);
            entries.try_for_each(|(space, interface)| space.poll(interface, is_on))
        };
        if self.at == At::Xdp {
            return run();
        }
        poll(true)?;
        let result = run();
        poll(false)?;
        result
    }

    /// Sends packets of 64 bytes that claim another source address, none of which arrives; returns how many
    /// and how many seconds it took.
    pub(super) fn spoof(&self) -> Result<(u64, f64)> {
        let [there, _] = &self.directions;
        let mut stranger = there.clone();
        stranger.from.address = NOBODY;
        self.polling(|| {
            let (mut sent, mut elapsed, mut start) = (0, Duration::ZERO, None);
            stranger.emit(1, harness::cpu()?, |count| {
                (sent, elapsed) = (count, start.get_or_insert_with(Instant::now).elapsed());
                Ok(elapsed < PACKETS_FOR)
            })?;
            Ok((sent, elapsed.as_secs_f64()))
        })
    }

    /// What arrives from `start` on, or from when the flows are known; a CPU that sends meanwhile is a busy one.
    fn send(&self, way: &Direction, flows: u32, cpu: usize, start: Instant) -> Result<f64> {
        let sink = if self.at == At::Xdp { "sink_xdp" } else { "sink_tc" };
        let sink = Programs::load(0, 1, &[])?.attach(sink, &way.to.space, "eth0")?;
        let (mut first, mut sent, mut elapsed) = (None, 0, Duration::ZERO);
        way.emit(flows, cpu, |count| {
            // Flows become known, and the pools of pages full.
            if count == 0 || Instant::now() < start {
                return Ok(true);
            }
            let (arrived, before, start) = match first {
                Some(it) => it,
                None => (sink.arrived()?, count, Instant::now()),
            };
            first = Some((arrived, before, start));
            (sent, elapsed) = (count - before, start.elapsed());
            Ok(elapsed < PACKETS_FOR)
        })?;
        thread::sleep(Duration::from_millis(20));
        let (before, ..) = first.context("nothing was sent")?;
        let arrived = sink.arrived()? - before;
        ensure!(arrived > sent / 2, "only {arrived} of {sent} packets arrived");
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let rate = arrived as f64 / elapsed.as_secs_f64() / 1e6;
        Ok(rate)
    }

    /// Gigabits of TCP payload that arrive in a second; both ends on any CPU.
    pub(super) fn stream(&self, streams: u32) -> Result<f64> {
        let [Direction { from, to, .. }, _] = &self.directions;
        let address = to.address;
        let _server = self.serve(&format!("iperf3 -s -1 -B {address}"))?;
        let client = format!("timeout {LIMIT} iperf3 -c {address} -t {SECONDS} -P {streams} -J");
        let output = patiently(|| from.space.run(&client))?;
        let report: Value = serde_json::from_str(&output).context("iperf3 writes JSON")?;
        let bits = report["end"]["sum_received"]["bits_per_second"].as_f64();
        Ok(bits.context("iperf3 measured nothing")? / 1e9)
    }

    /// Microseconds of a request and its response by TCP, the middle one and the 99th percentile; both ends
    /// on one CPU.
    pub(super) fn round_trip(&self) -> Result<[f64; 2]> {
        let cpu = harness::cpu()?;
        let [Direction { from, to, .. }, _] = &self.directions;
        let address = to.address;
        let at = format!("--tcp -i {address} -p {PORT}");
        let _server = self.serve(&format!("taskset -c {cpu} sockperf server {at}"))?;
        let client = format!(
            "taskset -c {cpu} timeout {LIMIT} sockperf ping-pong {at} -t {SECONDS} --full-rtt"
        );
        let output = patiently(|| from.space.run(&client))?;
        let percentile = |wanted: &str| -> Result<f64> {
            let line = output.lines().find(|line| line.contains(wanted));
            let line = line.with_context(|| format!("sockperf tells no {wanted}"))?;
            let value = line.rsplit([' ', '=']).next().unwrap_or_default();
            value.parse().with_context(|| format!("a number in `{line}`"))
        };
        Ok([percentile("percentile 50.000")?, percentile("percentile 99.000")?])
    }

    fn serve(&self, command: &str) -> Result<Server> {
        self.directions[0].to.space.within(|| {
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
