//! Measures one program on one frame, with the wrappers of `vnetpeer-bench`.

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, TestRun as _,
    maps::{Array, ProgramArray},
    programs::{Program, ProgramFd, SchedClassifier, TestRunOptions, Xdp},
};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::Pid,
};
use vnetpeer_tests::object;

use crate::worlds::Load;

/// Runs per measurement: enough that the mean of whole nanoseconds is one.
const REPEAT: u32 = 20_000;
/// Bytes of the frame that the wrapper restores.
const RESTORED: usize = 96;
/// `struct Template` in `vnetpeer-ebpf/src/bin/bench.rs`.
const TEMPLATE_LEN: usize = 24 + RESTORED;

/// How much slower than at best the empty program may be in a measurement that counts.
const DISTURBED: f64 = 1.15;
/// Measurements of which one must be undisturbed.
const ATTEMPTS: usize = 30;

/// The wrappers.
pub(crate) struct Harness {
    ebpf: Ebpf,
    /// Best times of the empty programs so far.
    best: [f64; 2],
}

/// One measurement.
pub(crate) struct Net {
    /// Nanoseconds per run.
    pub(crate) time: f64,
    /// The action of the last run.
    pub(crate) action: u32,
    /// Whether something else used the core meanwhile.
    pub(crate) disturbed: bool,
}

struct Raw {
    time: f64,
    action: u32,
}

/// At which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum At {
    /// XDP.
    Xdp,
    /// TC.
    Tc,
}

impl At {
    fn map(self) -> &'static str {
        if self == Self::Xdp { "NEXT_XDP" } else { "NEXT_TC" }
    }

    fn wrapper(self) -> &'static str {
        if self == Self::Xdp { "wrap_xdp" } else { "wrap_tc" }
    }
}

/// Keeps this process on the last CPU, where the least else runs.
pub(crate) fn pin() -> Result<()> {
    let cpus = std::thread::available_parallelism().context("count the CPUs")?.get();
    let mut set = CpuSet::new();
    set.set(cpus - 1).context("name the last CPU")?;
    sched_setaffinity(Pid::from_raw(0), &set).context("pin to the last CPU")
}

impl Harness {
    /// Loads the wrappers and the programs that do as little as can be.
    pub(crate) fn load() -> Result<Self> {
        let mut ebpf = Ebpf::load(&object::bench_programs()).context("load vnetpeer-bench")?;
        for (name, program) in ebpf.programs_mut() {
            match program {
                Program::Xdp(program) => Xdp::load(program),
                Program::SchedClassifier(program) => SchedClassifier::load(program),
                _ => continue,
            }
            .with_context(|| format!("load {name}"))?;
        }
        Ok(Self { ebpf, best: [f64::INFINITY; 2] })
    }

    /// One of the programs that do as little as can be.
    pub(crate) fn least(&self, at: At, name: &str) -> Result<ProgramFd> {
        let name = format!("{name}_{}", if at == At::Xdp { "xdp" } else { "tc" });
        fd(self.ebpf.program(&name).with_context(|| format!("no program {name}"))?)
    }

    /// Nanoseconds per run of `program` on `load`, net of the empty program.
    ///
    /// The empty program runs right before and right after. Where either run is slower than the best
    /// so far by more than [`DISTURBED`], something else used the core, and the measurement is
    /// repeated; the last of [`ATTEMPTS`] counts in any case.
    pub(crate) fn measure(&mut self, at: At, program: &ProgramFd, load: &Load) -> Result<Net> {
        let empty = self.least(at, "empty")?;
        let mut attempt = 0;
        loop {
            let before = self.raw(at, &empty, load)?;
            let time = self.raw(at, program, load)?;
            let after = self.raw(at, &empty, load)?;
            let best = &mut self.best[usize::from(at == At::Tc)];
            *best = best.min(before.time).min(after.time);
            attempt += 1;
            let disturbed = before.time.max(after.time) > *best * DISTURBED;
            if !disturbed || attempt == ATTEMPTS {
                let net = time.time - f64::midpoint(before.time, after.time);
                return Ok(Net { time: net, action: time.action, disturbed });
            }
        }
    }

    /// Nanoseconds per run of the wrapper and the empty program, at best.
    pub(crate) fn best(&self, at: At) -> f64 {
        self.best[usize::from(at == At::Tc)]
    }

    fn raw(&mut self, at: At, program: &ProgramFd, load: &Load) -> Result<Raw> {
        let map = self.ebpf.map_mut(at.map()).context("the map of programs")?;
        ProgramArray::try_from(map)?.set(0, program, 0)?;
        let map = self.ebpf.map_mut("TEMPLATE").context("the template")?;
        Array::<_, [u8; TEMPLATE_LEN]>::try_from(map)?.set(0, template(load), 0)?;
        let wrapper = self.ebpf.program(at.wrapper()).context("the wrapper")?;
        repeat(wrapper, &load.frame, REPEAT)
    }

    /// Nanoseconds per run of a program without wrapper on a packet that it makes shorter each time.
    pub(crate) fn measure_shrinking(&self, name: &str) -> Result<f64> {
        const RUNS: u32 = 50;
        let program = self.ebpf.program(name).with_context(|| format!("no program {name}"))?;
        let mut frame = vec![0; 3_400];
        frame[12] = 8;
        let mut times = Vec::new();
        for _ in 0..200 {
            times.push(repeat(program, &frame, RUNS)?.time);
        }
        Ok(crate::report::median(&times))
    }
}

/// The file descriptor of a loaded program.
pub(crate) fn fd(program: &Program) -> Result<ProgramFd> {
    Ok(program.fd().context("the program is loaded")?.try_clone()?)
}

fn repeat(program: &Program, frame: &[u8], repeat: u32) -> Result<Raw> {
    let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::new() };
    let result = match program {
        Program::Xdp(program) => program.test_run(options),
        Program::SchedClassifier(program) => program.test_run(options),
        _ => anyhow::bail!("a program of an unexpected type"),
    }
    .context("BPF_PROG_TEST_RUN")?;
    let nanoseconds = u32::try_from(result.duration.as_nanos()).context("a short duration")?;
    Ok(Raw { time: f64::from(nanoseconds), action: result.return_value })
}

fn template(load: &Load) -> [u8; TEMPLATE_LEN] {
    let mut bytes = Vec::with_capacity(TEMPLATE_LEN);
    bytes.extend(u32::try_from(load.frame.len()).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend(u32::from(load.count).to_ne_bytes());
    bytes.extend([0; 4]);
    for field in load.fields {
        bytes.extend(field.at.to_ne_bytes());
    }
    for field in load.fields {
        bytes.extend(field.base.to_ne_bytes());
    }
    bytes.extend(load.fields.map(|field| field.shift));
    bytes.extend(load.kind.to_ne_bytes());
    bytes.extend(&load.frame[..RESTORED]);
    bytes.try_into().expect("the template's length")
}
