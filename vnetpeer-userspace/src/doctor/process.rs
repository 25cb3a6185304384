//! What the caller may do, the clock, and what building needs.

use std::{env, fs, io, path::PathBuf};

use super::Diagnosis;
use crate::dataplane::clock::{self, Discipline};

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
    judge_clock(clock::discipline())
}

/// Never an error: packets do not need the time.
fn judge_clock(discipline: io::Result<Discipline>) -> Diagnosis {
    match discipline {
        Ok(it) if it.is_synchronized => {
            let milliseconds = it.error_max.as_millis();
            let found = format!("synchronized, {milliseconds} ms off at most");
            Diagnosis::ok(CHECK_CLOCK, found)
        }
        Ok(_) => Diagnosis::warning(
            CHECK_CLOCK,
            "the kernel's clock is not synchronized: windows of usage, audit records and hosts may disagree",
            "`apt-get install chrony`, or `timedatectl set-ntp true`; let it slew the clock, since a step moves usage between \
             windows",
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_clock_that_nobody_keeps_is_a_warning_with_a_fix() {
        let of = |is_synchronized| Discipline {
            is_synchronized,
            error_max: Duration::from_micros(12_345),
        };
        let kept = judge_clock(Ok(of(true)));
        assert_eq!((kept.level, kept.fix), (Level::Ok, None));
        assert_eq!(kept.found, "synchronized, 12 ms off at most");
        let free = judge_clock(Ok(of(false)));
        let fix = free.fix.unwrap_or_default();
        assert_eq!(free.level, Level::Warning);
        assert!(fix.contains("chrony") && fix.contains("timedatectl set-ntp true"), "{fix}");
        let silent = judge_clock(Err(io::ErrorKind::PermissionDenied.into()));
        assert_eq!((silent.level, silent.fix.is_some()), (Level::Warning, true));
    }
}
