//! `cargo xtask build`: the BPF object, then the crates that run on the host.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    setup::{self, BpfTools},
    shell,
    workspace::{self, HOST_CRATES},
};

/// Flags of the BPF build.
///
/// Full debug information is what BTF is made from, and the verifier's messages and bpftool
/// read that. Misaligned loads are allowed because headers are byte arrays in Rust: without
/// the feature every field is loaded byte by byte, a third more instructions.
const RUSTFLAGS: &str = "-C debuginfo=2 -C link-arg=--btf \
                         -C link-arg=--cpu-features=+allows-misaligned-mem-access";

/// Variables of the calling cargo and rustup that would choose another compiler or its
/// libraries for the BPF build.
const INHERITED: [&str; 6] = [
    "CARGO",
    "CARGO_ENCODED_RUSTFLAGS",
    "LD_LIBRARY_PATH",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTUP_TOOLCHAIN",
];

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Optimise the host's programs as well; the BPF object always is.
    #[arg(long)]
    release: bool,
}

/// Which host crates are built, and how.
#[derive(Clone, Copy)]
pub(crate) enum Host {
    /// All crates, for development and tests.
    Debug,
    /// The `vnetpeer` program, optimised.
    Release,
    /// The `vnetpeer` program and the benchmarks, optimised.
    Benchmarks,
}

impl Host {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Debug => &HOST_CRATES,
            Self::Release => &["--release", "--package", "vnetpeer-userspace"],
            Self::Benchmarks => {
                &["--release", "--package", "vnetpeer-userspace", "--package", "vnetpeer-tests"]
            }
        }
    }
}

/// Builds what the arguments ask for.
pub(crate) fn run(args: &Args) -> Result<()> {
    all(if args.release { Host::Release } else { Host::Debug })
}

/// Builds the BPF object and then the host crates, one of which embeds it.
pub(crate) fn all(crates: Host) -> Result<()> {
    object()?;
    shell::run(workspace::cargo().arg("build").args(crates.arguments()))
}

/// Builds the BPF object.
pub(crate) fn object() -> Result<()> {
    let tools = setup::for_build()?;
    let mut build = Command::new(tools.toolchain.program("cargo"));
    shell::run(for_bpf(build.arg("build"), &tools))?;
    let object = workspace::object();
    let output = object.with_file_name("bpfel-unknown-none/release/vnetpeer-ebpf");
    copy_if_changed(&output, &object)
}

/// Runs clippy on the BPF crate as it is built for its target; any warning is an error.
pub(crate) fn clippy_object() -> Result<()> {
    let tools = setup::for_build()?;
    // The program itself and not `cargo clippy`: cargo would look in its own home first, and
    // find rustup's clippy for another toolchain there.
    let mut clippy = Command::new(setup::for_clippy(&tools.toolchain)?);
    for_bpf(clippy.arg("clippy"), &tools).env("CARGO", tools.toolchain.program("cargo"));
    shell::run(clippy.args(["--", "-D", "warnings"]))
}

/// Adds to a cargo command all that selects the BPF crate, target and compiler.
fn for_bpf<'a>(command: &'a mut Command, tools: &BpfTools) -> &'a mut Command {
    for variable in INHERITED {
        command.env_remove(variable);
    }
    command
        .current_dir(workspace::root())
        .args(["--package", "vnetpeer-ebpf", "--release", "--target", "bpfel-unknown-none"])
        .args(["-Zbuild-std=core", "--target-dir", "target/bpf"])
        .env("CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER", &tools.linker)
        .env("RUSTC", tools.toolchain.program("rustc"))
        // Lets a stable compiler take the unstable option above.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", RUSTFLAGS)
}

/// Leaves an equal file alone, so that user space, which embeds it, is not built again.
fn copy_if_changed(from: &Path, to: &Path) -> Result<()> {
    let new = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    // A rename is atomic: a build that runs meanwhile embeds the old object or the new one.
    let partial = to.with_extension("partial");
    fs::write(&partial, new).with_context(|| format!("write {}", partial.display()))?;
    fs::rename(&partial, to).with_context(|| format!("replace {}", to.display()))
}
