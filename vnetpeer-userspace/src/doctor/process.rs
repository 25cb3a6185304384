//! What the caller may do, the clock, and what building needs.

use std::{env, fs, path::PathBuf};

use super::Diagnosis;
use crate::dataplane::clock;

const CHECK_CAPABILITIES: &str = "capabilities";
const CHECK_CLOCK: &str = "clock";
const CHECK_TOOLCHAIN: &str = "toolchain";

/// What an agent needs: number, name, what for.
const CAPABILITIES: [(u32, &str, &str); 3] = [
    (12, "CAP_NET_ADMIN", "attaches programs and reads routes"),
    (39, "CAP_BPF", "loads programs and makes maps"),
    (21, "CAP_SYS_ADMIN", "mounts bpffs, enters namespaces of gateways and labs"),
];

/// What building needs.
const TOOLS: [&str; 3] = ["cargo", "rustc", "bpf-linker"];

/// Whether this process could be an agent.
pub fn capabilities() -> Diagnosis {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let Some(effective) = effective.and_then(|it| u64::from_str_radix(it.trim(), 16).ok()) else {
        return Diagnosis::warning(
            CHECK_CAPABILITIES,
            "/proc/self/status cannot be read",
            "mount /proc",
        );
    };
    let missing = CAPABILITIES.iter().filter(|(number, ..)| effective >> number & 1 == 0);
    let missing: Vec<String> = missing.map(|(_, name, what)| format!("{name} ({what})")).collect();
    if missing.is_empty() {
        return Diagnosis::ok(CHECK_CAPABILITIES, "this process may run an agent");
    }
    Diagnosis::error(
        CHECK_CAPABILITIES,
        format!("this process lacks {}", missing.join(", ")),
        "run as root, or add them to AmbientCapabilities= and CapabilityBoundingSet= of the unit",
    )
}

/// Usage is recorded in windows of the wall clock.
pub fn clock() -> Diagnosis {
    match clock::discipline() {
        Ok(it) if it.is_synchronized => {
            let milliseconds = it.error_max.as_millis();
            let found = format!("synchronized, {milliseconds} ms off at most");
            Diagnosis::ok(CHECK_CLOCK, found)
        }
        Ok(_) => Diagnosis::warning(
            CHECK_CLOCK,
            "the kernel's clock is not synchronized: windows of usage, audit records and hosts may disagree",
            "run chrony or systemd-timesyncd; let them slew the clock, since a step moves usage between windows",
        ),
        Err(error) => Diagnosis::warning(
            CHECK_CLOCK,
            format!("the kernel does not tell: {error}"),
            "run as root",
        ),
    }
}

/// Whether the programs can be built here.
pub fn toolchain() -> Vec<Diagnosis> {
    TOOLS
        .iter()
        .map(|tool| match which(tool) {
            Some(path) => Diagnosis::ok(CHECK_TOOLCHAIN, path.display().to_string()),
            None => Diagnosis::error(
                CHECK_TOOLCHAIN,
                format!("{tool} is not in PATH and not in ~/.cargo/bin"),
                "cargo xtask setup, and https://rustup.rs if there is no cargo",
            ),
        })
        .collect()
}

fn which(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo = env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo/bin"));
    let mut places = env::split_paths(&path).chain(cargo).map(|folder| folder.join(tool));
    places.find(|path| path.is_file())
}
