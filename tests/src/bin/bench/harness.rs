//! Measures one program on one frame, with the wrappers of `vnetpeer-bench`.

use std::{
    fs::File,
    os::fd::{AsFd as _, AsRawFd as _, RawFd},
};

use anyhow::{Context as _, Result};
use aya::{
    Ebpf, EbpfLoader, TestRun as _,
    maps::{Array, Map, MapData, ProgramArray},
    programs::{Program, ProgramFd, SchedClassifier, TestRunOptions, Xdp, XdpMode},
};
use nix::{
    sched::{CloneFlags, CpuSet, sched_setaffinity, unshare},
    unistd::Pid,
};
use vnetpeer_common::abi::{CACHE_WAYS, capacity};
use vnetpeer_tests::{kernel::super_frame, object};

use crate::worlds::Load;

/// Runs per measurement: enough that the mean of whole nanoseconds is one.
pub(crate) const REPEAT: u32 = 20_000;
/// Bytes of the frame that the wrapper restores.
const RESTORED: usize = 96;
/// `struct Template` in `vnetpeer-ebpf/src/bin/bench.rs`.
const TEMPLATE_LEN: usize = 32 + RESTORED;

/// How much slower than at best the empty program may be in a measurement that counts.
const DISTURBED: f64 = 1.15;
/// Measurements of which one must be undisturbed.
pub(crate) const ATTEMPTS: usize = 30;

/// The wrappers.
pub(crate) struct Harness {
    ebpf: Ebpf,
    /// Best times of the empty programs so far, with computed values and with lists.
    best: [[f64; 2]; 2],
    /// Values in the map of lists.
    listed: u32,
    /// The arrays of the wrappers: the kernel empties an array with its last descriptor.
    arrays: Vec<ProgramArray<MapData>>,
    /// Descriptors of the programs in the wrappers.
    installed: [RawFd; 2],
    _namespaces: Vec<File>,
}

/// How a program is measured.
pub(crate) struct Way<'a> {
    /// At which hook.
    pub(crate) at: At,
    /// The program.
    pub(crate) program: &'a ProgramFd,
    /// Its packets.
    pub(crate) load: &'a Load,
    /// Runs of one pass.
    pub(crate) repeat: u32,
    /// Passes, of which the mean counts.
    pub(crate) passes: u32,
    /// Measurements of which one must be undisturbed.
    pub(crate) attempts: usize,
}

/// One measurement.
#[derive(Clone, Copy)]
pub(crate) struct Net {
    /// Nanoseconds per run.
    pub(crate) time: f64,
    /// The action of the last run.
    pub(crate) action: u32,
    /// Whether something else used the core meanwhile.
    pub(crate) disturbed: bool,
}

/// One pass.
pub(crate) struct Raw {
    /// Nanoseconds per run, the wrapper included.
    pub(crate) time: f64,
    /// The action of the last run.
    pub(crate) action: u32,
}

/// At which hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum At {
    /// XDP.
    Xdp,
    /// TC.
    Tc,
}

impl At {
    fn name(self) -> &'static str {
        if self == Self::Xdp { "xdp" } else { "tc" }
    }
}

/// The last CPU, where the least else runs.
pub(crate) fn cpu() -> Result<usize> {
    let cpus = aya::util::nr_cpus().map_err(|(_, error)| error).context("count the CPUs")?;
    Ok(cpus - 1)
}

/// Keeps this thread on that CPU.
pub(crate) fn pin() -> Result<()> {
    pin_to(cpu()?)
}

/// Keeps this thread on a CPU.
pub(crate) fn pin_to(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).context("name a CPU")?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("pin to CPU {cpu}"))
}

impl Harness {
    /// Loads the wrappers and the programs that do as little as can be.
    pub(crate) fn load() -> Result<Self> {
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error).context("count the CPUs")?;
        let entries = u32::try_from(cpus).context("a number of CPUs")? * CACHE_WAYS;
        let mut ebpf = EbpfLoader::new()
            .map_max_entries("SKETCH_CACHE", entries * capacity::CACHE_SETS_V4)
            .load(&object::bench_programs())
            .context("load vnetpeer-bench")?;
        for (name, program) in ebpf.programs_mut() {
            match program {
                Program::Xdp(program) => Xdp::load(program),
                Program::SchedClassifier(program) => SchedClassifier::load(program),
                _ => continue,
            }
            .with_context(|| format!("load {name}"))?;
        }
        let namespaces = attach(&mut ebpf)?;
        let mut arrays = Vec::new();
        for at in [At::Xdp, At::Tc] {
            let hook = at.name();
            let empty = fd(ebpf.program(&format!("empty_{hook}")).context("the empty program")?)?;
            for array in ["EMPTY", "NEXT"] {
                let name = format!("{array}_{}", hook.to_uppercase());
                let map = ebpf.take_map(&name).with_context(|| format!("no map {name}"))?;
                let mut array = ProgramArray::try_from(map)?;
                array.set(0, &empty, 0)?;
                arrays.push(array);
            }
        }
        Ok(Self {
            ebpf,
            best: [[f64::INFINITY; 2]; 2],
            listed: 0,
            arrays,
            installed: [-1; 2],
            _namespaces: namespaces,
        })
    }

    /// The maps beside the wrappers.
    pub(crate) fn map_mut(&mut self, name: &str) -> Result<&mut Map> {
        self.ebpf.map_mut(name).with_context(|| format!("no map {name}"))
    }

    /// Keeps a list of values that packets take, and returns where it starts.
    pub(crate) fn keep_list(&mut self, values: &[u32]) -> Result<u32> {
        let first = self.listed;
        let mut lists = Array::<_, u32>::try_from(self.map_mut("LISTS")?)?;
        for (index, value) in (first..).zip(values) {
            lists.set(index, value, 0).context("keep a list")?;
        }
        self.listed += u32::try_from(values.len()).context("a short list")?;
        Ok(first)
    }

    /// One of the programs that do as little as can be.
    pub(crate) fn least(&self, at: At, name: &str) -> Result<ProgramFd> {
        let name = format!("{name}_{}", at.name());
        fd(self.ebpf.program(&name).with_context(|| format!("no program {name}"))?)
    }

    /// Nanoseconds per run of `program` on `load`, net of the empty program. What the program remembers of
    /// a packet it remembers of all before the measurement starts.
    pub(crate) fn measure(&mut self, at: At, program: &ProgramFd, load: &Load) -> Result<Net> {
        // Computed values are not each of them once in one pass.
        let warm = load.count * 4;
        let way = Way { at, program, load, repeat: REPEAT, passes: 1, attempts: ATTEMPTS };
        self.measure_after(&way, |harness| harness.raw(at, program, load, warm).map(|_| ()))
    }

    /// As [`Self::measure`], with a preparation before each pass.
    ///
    /// The empty program runs right before and right after. Where either run is slower than the best
    /// so far by more than [`DISTURBED`], something else used the core, and the measurement is
    /// repeated; the last of all attempts counts in any case.
    pub(crate) fn measure_after(
        &mut self,
        way: &Way<'_>,
        mut prepare: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<Net> {
        self.install(way.at, way.program)?;
        let mut attempt = 0;
        loop {
            let before = self.empty(way.at, way.load)?;
            let (mut sum, mut action) = (0.0, 0);
            for _ in 0..way.passes {
                prepare(self)?;
                let pass = self.raw(way.at, way.program, way.load, way.repeat)?;
                sum += pass.time;
                action = pass.action;
            }
            let after = self.empty(way.at, way.load)?;
            let best = self.best_mut(way.at, way.load.list.is_some());
            *best = best.min(before).min(after);
            attempt += 1;
            let disturbed = before.max(after) > *best * DISTURBED;
            if !disturbed || attempt >= way.attempts {
                let time = sum / f64::from(way.passes);
                let net = time - f64::midpoint(before, after);
                return Ok(Net { time: net, action, disturbed });
            }
        }
    }

    fn best_mut(&mut self, at: At, listed: bool) -> &mut f64 {
        &mut self.best[usize::from(at == At::Tc)][usize::from(listed)]
    }

    /// Nanoseconds per run of the wrapper and the empty program, at best.
    pub(crate) fn best(&self, at: At, listed: bool) -> f64 {
        self.best[usize::from(at == At::Tc)][usize::from(listed)]
    }

    /// Puts a program into the wrapper of its hook, unless it is there.
    fn install(&mut self, at: At, program: &ProgramFd) -> Result<()> {
        let hook = usize::from(at == At::Tc);
        let descriptor = program.as_fd().as_raw_fd();
        if self.installed[hook] != descriptor {
            self.arrays[2 * hook + 1].set(0, program, 0).context("install a program")?;
            self.installed[hook] = descriptor;
        }
        Ok(())
    }

    /// One pass, the wrapper included.
    pub(crate) fn raw(
        &mut self,
        at: At,
        program: &ProgramFd,
        load: &Load,
        runs: u32,
    ) -> Result<Raw> {
        self.install(at, program)?;
        self.run(&format!("wrap_{}", at.name()), load, runs)
    }

    /// Nanoseconds per run of the wrapper and the empty program.
    fn empty(&mut self, at: At, load: &Load) -> Result<f64> {
        Ok(self.run(&format!("wrap_empty_{}", at.name()), load, REPEAT)?.time)
    }

    fn run(&mut self, wrapper: &str, load: &Load, runs: u32) -> Result<Raw> {
        let template = template(load);
        Array::<_, [u8; TEMPLATE_LEN]>::try_from(self.map_mut("TEMPLATE")?)?.set(0, template, 0)?;
        repeat(self.ebpf.program(wrapper).context("the wrapper")?, &load.frame, load.gso_size, runs)
    }

    /// Nanoseconds per run of a program without wrapper on a packet that it makes shorter each time.
    pub(crate) fn measure_shrinking(&self, name: &str) -> Result<f64> {
        const RUNS: u32 = 50;
        let program = self.ebpf.program(name).with_context(|| format!("no program {name}"))?;
        let mut frame = vec![0; 3_400];
        frame[12] = 8;
        let mut times = Vec::new();
        for _ in 0..200 {
            times.push(repeat(program, &frame, 0, RUNS)?.time);
        }
        Ok(crate::report::median(&times))
    }
}

/// Attaches the XDP wrappers, each to the loopback device of a network namespace of its own, which is
/// down. Otherwise the kernel would announce and forget a program around every test run, which takes
/// milliseconds, and whatever else runs meanwhile would empty the caches.
fn attach(ebpf: &mut Ebpf) -> Result<Vec<File>> {
    let mut namespaces = Vec::new();
    for name in ["wrap_xdp", "wrap_empty_xdp"] {
        unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
        namespaces.push(File::open("/proc/thread-self/ns/net").context("keep the namespace")?);
        let program = ebpf.program_mut(name).with_context(|| format!("no program {name}"))?;
        <&mut Xdp>::try_from(program)?.attach("lo", XdpMode::Skb).context("attach a wrapper")?;
    }
    Ok(namespaces)
}

/// The file descriptor of a loaded program.
pub(crate) fn fd(program: &Program) -> Result<ProgramFd> {
    Ok(program.fd().context("the program is loaded")?.try_clone()?)
}

fn repeat(program: &Program, frame: &[u8], gso_size: u32, repeat: u32) -> Result<Raw> {
    let context = super_frame(gso_size);
    let options = TestRunOptions {
        data_in: Some(frame),
        ctx_in: (gso_size != 0).then_some(&context[..]),
        repeat,
        ..TestRunOptions::new()
    };
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
    bytes.extend(load.count.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(load.list.unwrap_or(0).to_ne_bytes());
    for field in load.fields {
        bytes.extend(field.at.to_ne_bytes());
    }
    for field in load.fields {
        bytes.extend(field.base.to_ne_bytes());
    }
    bytes.extend(load.fields.map(|field| field.shift));
    bytes.extend(load.kind.to_ne_bytes());
    bytes.extend(u32::from(load.list.is_some()).to_ne_bytes());
    bytes.extend(load.frame.iter().take(RESTORED));
    bytes.resize(TEMPLATE_LEN, 0);
    bytes.try_into().expect("the template's length")
}
