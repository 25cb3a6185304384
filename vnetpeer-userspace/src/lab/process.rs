//! Processes of a lab: which ones are its own, and how they end.
//!
//! A process is known by its number and start time, so that a number that was given out anew is
//! left alone. Every process also carries the lab's id in its environment: what was started just
//! before a crash, and what a user left running in a NIC's namespace, is found by that.

use std::{
    fs,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// Name of the environment variable that carries the lab's id.
pub(super) const MARK: &str = "VNETPEER_LAB_ID";

/// How long a process may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the kernel may take to end a killed process. One that loads programs or changes interfaces ends only after
/// its system call, which waits for all CPUs, and on a busy machine for long.
const KILL_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);

/// One process, for as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since the machine did.
    pub start_time: u64,
}

impl Process {
    /// The process that has this number now.
    pub(super) fn of(pid: i32) -> Option<Self> {
        let (_, start_time) = stat(pid)?;
        Some(Self { pid, start_time })
    }

    /// Whether it still runs.
    pub fn is_alive(self) -> bool {
        stat(self.pid).is_some_and(|(state, start)| start == self.start_time && state != 'Z')
    }

    fn signal(self, signal: Signal) {
        if self.is_alive() {
            // That it ended meanwhile is what the signal is for.
            let _ = kill(Pid::from_raw(self.pid), signal);
        }
    }
}

/// State and start time of a process, from `/proc/PID/stat`.
fn stat(pid: i32) -> Option<(char, u64)> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name, in parentheses, may contain anything; what follows has no parentheses.
fn parse_stat(text: &str) -> Option<(char, u64)> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(18)?.parse().ok()?))
}

/// All processes that carry the lab's id.
pub(super) fn marked(id: &str) -> Vec<Process> {
    let mark = format!("{MARK}={id}");
    let carries = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    let own = std::process::id();
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &i32| u32::try_from(*pid) != Ok(own))
        .filter(carries)
        .filter_map(Process::of)
        .collect()
}

/// Ends processes, first by asking. Returns one that does not end.
pub(super) fn end(processes: &[Process], mut reap: impl FnMut()) -> Result<(), Process> {
    for (signal, patience) in [(Signal::SIGTERM, PATIENCE), (Signal::SIGKILL, KILL_PATIENCE)] {
        for process in processes {
            process.signal(signal);
        }
        let deadline = Instant::now() + patience;
        loop {
            reap();
            if !processes.iter().any(|process| process.is_alive()) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(POLL);
        }
    }
    processes.iter().find(|process| process.is_alive()).map_or(Ok(()), |process| Err(*process))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse() {
        let text = "42 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20 21";
        assert_eq!(parse_stat(text), Some(('S', 4711)));
        assert_eq!(parse_stat("42"), None);
    }

    #[test]
    fn a_process_is_known_by_its_start_time() {
        let own = Process::of(std::process::id().try_into().unwrap()).unwrap();
        assert!(own.is_alive());
        assert!(!Process { start_time: own.start_time + 1, ..own }.is_alive());
    }
}
