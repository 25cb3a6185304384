//! The kernel: its version, its BPF, and memory for maps.

use std::{fs, path::Path};

use aya::util::KernelVersion;
use nix::unistd::{SysconfVar, sysconf};

use super::Diagnosis;
use crate::dataplane::{features, load};

const CHECK_VERSION: &str = "kernel version";
const CHECK_BPF: &str = "kernel BPF";
const CHECK_BPFFS: &str = "bpffs";
const CHECK_BTF: &str = "BTF";
const CHECK_MEMORY: &str = "memory";
/// Maps of default capacity: MiB of one host, and MiB more for each CPU.
const MAPS_MIB: u64 = 130;
const MAPS_MIB_PER_CPU: u64 = 22;

/// Everything about the kernel. `is_loaded`: an agent has its programs and maps in force here.
pub fn check(is_loaded: bool) -> Vec<Diagnosis> {
    let mut all = vec![version(), btf(), bpffs()];
    all.extend(bpf());
    if !is_loaded {
        all.push(memory());
    }
    all
}

fn version() -> Diagnosis {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let release = format!("Linux {}", release.trim());
    let fix = "run Linux 6.12 or newer";
    match KernelVersion::current() {
        Ok(it) if it < KernelVersion::new(6, 12, 0) => {
            let found = format!("{release}: older verifiers refuse most of the programs");
            Diagnosis::error(CHECK_VERSION, found, fix)
        }
        Ok(_) => Diagnosis::ok(CHECK_VERSION, format!("{release}: TC programs attach by tcx")),
        Err(error) => Diagnosis::warning(CHECK_VERSION, error.to_string(), fix),
    }
}

/// Programs carry BTF, which the kernel takes by itself; its own helps those who look at maps.
fn btf() -> Diagnosis {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        return Diagnosis::ok(CHECK_BTF, "the kernel has its own types");
    }
    let found = "no /sys/kernel/btf/vmlinux: bpftool shows maps without types";
    Diagnosis::warning(CHECK_BTF, found, "use a kernel with CONFIG_DEBUG_INFO_BTF=y")
}

fn bpffs() -> Diagnosis {
    let at = load::BPFFS;
    if load::is_bpffs_mounted() {
        return Diagnosis::ok(CHECK_BPFFS, format!("{at} is mounted"));
    }
    let fix = format!("mount -t bpf bpf {at}; an agent with CAP_SYS_ADMIN does it by itself");
    Diagnosis::warning(CHECK_BPFFS, format!("{at} is no BPF file system"), fix)
}

/// What the programs use, tried one by one on the verifier.
fn bpf() -> Vec<Diagnosis> {
    match features::missing() {
        Ok(missing) if missing.is_empty() => {
            let found = "program types, map types and helpers are there";
            vec![Diagnosis::ok(CHECK_BPF, found)]
        }
        Ok(missing) => vec![Diagnosis::error(
            CHECK_BPF,
            format!("the kernel lacks {}", missing.join(", ")),
            "use a kernel with CONFIG_BPF_SYSCALL, CONFIG_NET_CLS_BPF and CONFIG_NET_SCH_INGRESS",
        )],
        Err(error) => {
            let found = format!("the kernel does not let BPF be tried: {error}");
            vec![Diagnosis::error(
                CHECK_BPF,
                found,
                "run as root, or with CAP_BPF and CAP_NET_ADMIN",
            )]
        }
    }
}

/// Whether maps of default capacity would fit.
fn memory() -> Diagnosis {
    let cpus = sysconf(SysconfVar::_NPROCESSORS_CONF).ok().flatten().unwrap_or(1);
    let needed = MAPS_MIB + MAPS_MIB_PER_CPU * u64::try_from(cpus).unwrap_or(1);
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = available.and_then(|it| it.split_whitespace().next()?.parse::<u64>().ok());
    match kib.map(|it| it >> 10) {
        Some(mib) if mib < needed => Diagnosis::error(
            CHECK_MEMORY,
            format!("{mib} MiB are free, and maps take about {needed} MiB"),
            "make room, or start the agent with smaller maps (vnetpeer run --help)",
        ),
        Some(mib) => {
            let found = format!("{mib} MiB are free for about {needed} MiB of maps");
            Diagnosis::ok(CHECK_MEMORY, found)
        }
        None => Diagnosis::warning(CHECK_MEMORY, "/proc/meminfo cannot be read", "mount /proc"),
    }
}
