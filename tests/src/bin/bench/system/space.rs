//! Network namespaces without names: whatever ends this process, they and all that is in them go with it.

use std::{
    fs::{self, File},
    io::Write as _,
    os::fd::AsRawFd as _,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use nix::{
    net::if_::if_nametoindex,
    sched::{CloneFlags, setns, unshare},
};
use vnetpeer_common::types::Mac;

/// A namespace.
#[derive(Clone, Debug)]
pub(super) struct Space(Arc<File>);

impl Space {
    /// An empty one, in which nothing happens by itself.
    pub(super) fn new() -> Result<Self> {
        let made = thread::scope(|scope| {
            let thread = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET)?;
                File::open("/proc/thread-self/ns/net")
            });
            thread.join().map_err(|_| anyhow!("the thread panicked"))
        })?;
        let space = Self(Arc::new(made.context("make a network namespace")?));
        space.run("ip link set lo up")?;
        for scope in ["all", "default"] {
            space.set(&format!("ipv6/conf/{scope}/disable_ipv6"), "1")?;
        }
        Ok(space)
    }

    /// The namespace that a file holds.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        Ok(Self(Arc::new(file)))
    }

    /// Runs `action` on a thread that is in the namespace, and so are processes that it starts.
    pub(super) fn within<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                setns(self.0.as_ref(), CloneFlags::CLONE_NEWNET).context("enter a namespace")?;
                action()
            });
            thread.join().map_err(|_| anyhow!("the thread panicked"))?
        })
    }

    /// Runs a command, words without quotes; returns what it prints.
    pub(super) fn run(&self, line: &str) -> Result<String> {
        self.run_on(line, "")
    }

    /// [`Self::run`] with something to read.
    pub(super) fn run_on(&self, line: &str, input: &str) -> Result<String> {
        self.within(|| {
            let mut words = line.split_whitespace();
            let mut command = Command::new(words.next().context("a command")?);
            command.args(words).stdin(Stdio::piped());
            let mut child = command
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .with_context(|| format!("start `{line}`"))?;
            if let Some(mut stdin) = child.stdin.take() {
                stdin.write_all(input.as_bytes()).context("hand over the input")?;
            }
            let output = child.wait_with_output().context("wait for a command")?;
            let error = String::from_utf8_lossy(&output.stderr);
            ensure!(output.status.success(), "`{line}`: {}", error.trim());
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        })
    }

    /// Sets a value below `/proc/sys/net`.
    pub(super) fn set(&self, name: &str, value: &str) -> Result<()> {
        let path = format!("/proc/sys/net/{name}");
        self.within(|| fs::write(&path, value).with_context(|| format!("write {path}")))
    }

    /// The number of an interface.
    pub(super) fn index(&self, interface: &str) -> Result<u32> {
        self.within(|| if_nametoindex(interface).with_context(|| format!("find {interface}")))
    }

    /// Lets an interface poll, or no longer. The other end takes redirected packets only then.
    pub(super) fn poll(&self, interface: &str, is_on: bool) -> Result<()> {
        let value = if is_on { "on" } else { "off" };
        self.run(&format!("ethtool -K {interface} gro {value}")).map(|_| ())
    }

    /// A veth pair.
    pub(super) fn cable(
        &self,
        (name, mac): (&str, Mac),
        other: &Self,
        (peer, peer_mac): (&str, Mac),
        mtu: u32,
    ) -> Result<()> {
        let far = format!("/proc/{}/fd/{}", std::process::id(), other.0.as_raw_fd());
        self.run(&format!(
            "ip link add name {name} address {mac} mtu {mtu} type veth \
             peer name {peer} address {peer_mac} mtu {mtu} netns {far}"
        ))?;
        for (space, interface) in [(self, name), (other, peer)] {
            space.run(&format!("ip link set dev {interface} up"))?;
        }
        Ok(())
    }
}
