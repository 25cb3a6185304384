//! `cargo xtask vm`: other kernels than this machine's, each in a virtual machine that has nothing but the
//! checks: whether its verifier takes every program, and whether the packet generator sends.
//!
//! The machine is emulated, so nothing is said of speed, and a kernel takes minutes.

mod image;

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use self::image::{Content, Image};
use crate::{
    build::{self, Host},
    setup, shell, workspace,
};

/// The oldest kernel that the programs are made for.
const KERNELS: [&str; 1] = ["linux-image-6.12-cloud-amd64"];
/// How lines begin that say how a check ended.
const RESULT: &str = "RESULT ";
/// Checks that must have run.
const CHECKS: [&str; 3] = ["verify", "pktgen", "received"];

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Debian packages of the kernels.
    #[arg(long = "kernel", value_name = "PACKAGE", default_values_t = KERNELS.map(str::to_owned))]
    kernels: Vec<String>,
    /// Seconds that a machine may take.
    #[arg(long, default_value_t = 1_200)]
    seconds: u32,
}

/// Builds everything, then runs the checks on each kernel.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::for_vm()?;
    build::all(Host::Benchmarks)?;
    let programs = [
        workspace::binary("release", "vnetpeer")?,
        workspace::binary("release", "verify")?,
        std::env::current_exe().context("find this program")?,
    ];
    let mut failed = Vec::new();
    for package in &args.kernels {
        let content = Content { package, programs: &programs, object: &workspace::object() };
        let folder = Folder::make()?;
        let image = Image::make(&folder.0, &content)?;
        let results = boot(&image, args.seconds).with_context(|| package.clone())?;
        println!("{package}: {}", results.join(", "));
        failed.extend(failures(&results).into_iter().map(|it| format!("{package}: {it}")));
    }
    ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}

/// What did not end well, or did not run.
fn failures(results: &[String]) -> Vec<String> {
    let missing = CHECKS.iter().filter(|check| {
        !results.iter().any(|it| it.split_once(' ').is_some_and(|(name, _)| name == **check))
    });
    let bad = results.iter().filter(|it| !it.ends_with(" 0")).cloned();
    bad.chain(missing.map(|check| format!("{check} did not run"))).collect()
}

/// Starts a machine, shows what it says, and returns how its checks ended.
fn boot(image: &Image, seconds: u32) -> Result<Vec<String>> {
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &seconds.to_string(), "qemu-system-x86_64"])
        .args(["-machine", "q35,accel=tcg", "-cpu", "max", "-m", "1024", "-smp", "1"])
        .args(["-nodefaults", "-display", "none", "-serial", "stdio", "-no-reboot"])
        .arg("-kernel")
        .arg(&image.kernel)
        .arg("-initrd")
        .arg(&image.memory)
        .args(["-append", "console=ttyS0 panic=-1 quiet"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    eprintln!("$ {}", shell::line(&command));
    let mut machine = Machine(command.spawn().context("start `timeout qemu-system-x86_64`")?);
    let output = machine.0.stdout.take().context("what the machine says")?;
    let mut results = Vec::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("read what the machine says")?;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        println!("  {line}");
        results.extend(line.strip_prefix(RESULT).map(str::to_owned));
    }
    let status = machine.0.wait().context("wait for the machine")?;
    if !status.success() {
        bail!("the machine did not end by itself in {seconds} s: {status}; {}", results.join(", "));
    }
    Ok(results)
}

/// A machine that ends with this. `timeout` takes it down if this process is killed.
struct Machine(Child);

impl Drop for Machine {
    fn drop(&mut self) {
        // `timeout` hands the signal on; a killed one could not.
        let pid = self.0.id().to_string();
        if self.0.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _gone = Command::new("kill").arg(pid).status();
            let _gone = self.0.wait();
        }
    }
}

/// A folder that is removed with this.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self> {
        let mut make = Command::new("mktemp");
        let path = shell::capture(make.args(["-d", "-t", "vnetpeer-vm.XXXXXX"]))?;
        Ok(Self(Path::new(&path).to_owned()))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::failures;

    #[test]
    fn a_check_that_did_not_run_failed() {
        let results =
            |lines: &[&str]| failures(&lines.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(results(&["verify 0", "pktgen 0", "received 0", "doctor 0"]), [""; 0]);
        assert_eq!(results(&["verify 1", "pktgen 0", "received 0"]), ["verify 1"]);
        assert_eq!(results(&["verify 0", "received 0"]), ["pktgen did not run"]);
    }
}
