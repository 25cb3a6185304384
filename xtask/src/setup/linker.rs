//! `bpf-linker`, which turns rustc's bitcode into a BPF object.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::apt::Apt;
use crate::{shell, workspace};

/// The release that the project is built with.
pub(super) const VERSION: &str = "0.12.0";

/// The LLVM that the linker is built on: it reads bitcode of this and of older versions.
pub(super) const LLVM_MAJOR: u32 = 22;

const LLVM_PREFIX: &str = "/usr/lib/llvm-22";

/// What the linker is built with, and the LLVM library that it loads when it runs.
const PACKAGES: [&str; 4] = ["llvm-22-dev", "libpolly-22-dev", "zlib1g-dev", "libzstd-dev"];

/// Installs the linker unless it is there and runs; returns its path.
pub(super) fn ensure(apt: &mut Apt) -> Result<PathBuf> {
    if let Some(linker) = find() {
        return Ok(linker);
    }
    println!("installing bpf-linker {VERSION} on LLVM {LLVM_MAJOR}");
    apt.install(&PACKAGES)?;
    // A linker that was built earlier runs again once its LLVM library is back.
    if let Some(linker) = find() {
        return Ok(linker);
    }
    let mut install = install_command();
    shell::run(&mut install)?;
    find().with_context(|| {
        let line = shell::line(&install);
        format!("bpf-linker {VERSION} does not run; install it anew: {line} --force")
    })
}

fn install_command() -> Command {
    let mut install = workspace::cargo();
    install
        .args(["install", "bpf-linker", "--version", VERSION, "--locked"])
        .args(["--no-default-features", "--features", "llvm-22"])
        .env("LLVM_PREFIX", LLVM_PREFIX);
    install
}

fn find() -> Option<PathBuf> {
    let installed = cargo_home().map(|home| home.join("bin/bpf-linker"));
    installed.into_iter().chain(shell::find("bpf-linker")).find(|linker| runs(linker))
}

fn runs(linker: &Path) -> bool {
    let version = shell::capture(Command::new(linker).arg("--version"));
    version.is_ok_and(|text| text == format!("bpf-linker {VERSION}"))
}

fn cargo_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}
