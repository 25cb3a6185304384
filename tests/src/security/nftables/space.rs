//! A network namespace without a name: it goes when the last file that holds it is closed, and so
//! whatever ends the test.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd as _,
    process::{self, Command},
    thread,
};

use nix::sched::{CloneFlags, setns, unshare};

/// A namespace.
#[derive(Debug)]
pub(super) struct Space(File);

impl Space {
    /// A new one.
    pub(super) fn new() -> Self {
        let open = || -> io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        };
        let file = thread::scope(|scope| scope.spawn(open).join()).expect("a thread");
        Self(file.expect("a new network namespace"))
    }

    /// Its name for `ip`, as long as this lives.
    pub(super) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd())
    }

    /// Runs `action` on a thread that is in the namespace.
    pub(super) fn within<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        let enter = || {
            setns(&self.0, CloneFlags::CLONE_NEWNET).expect("enter the namespace");
            action()
        };
        let ended = thread::scope(|scope| scope.spawn(enter).join());
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Runs a command, words without quotes; it must succeed. Returns what it wrote.
    pub(super) fn run(&self, command: &str) -> String {
        let mut words = command.split_whitespace();
        let mut process = Command::new(words.next().expect("a command"));
        process.args(words);
        let output = self.within(|| process.output()).expect("run");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "`{command}`: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Sets a variable of `/proc/sys/net`.
    pub(super) fn set(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/net/{name}");
        let write = || std::fs::write(&path, value);
        self.within(write).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
}
