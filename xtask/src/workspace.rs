//! Places in the work tree, and how cargo is asked for the crates that run on the host.

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// Every crate but the kernel side, which builds for the BPF target only.
///
/// All steps select the same crates: another selection means other features of shared
/// dependencies, and those would be compiled once more.
pub(crate) const HOST_CRATES: [&str; 3] = ["--workspace", "--exclude", "vnetpeer-ebpf"];

/// The root of the work tree.
pub(crate) fn root() -> PathBuf {
    // What cargo says now comes before what it said when this was compiled: two work trees that
    // share a target folder share this program.
    let manifest = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    manifest.parent().map_or_else(|| manifest.clone(), Path::to_owned)
}

/// The BPF object that user space embeds. Its place is fixed, whatever cargo's target folder is.
pub(crate) fn object() -> PathBuf {
    root().join("target/bpf/vnetpeer.o")
}

/// A program that cargo built for the host, in the `debug` or `release` folder.
pub(crate) fn binary(folder: &str, name: &str) -> Result<PathBuf> {
    // This program itself lies in `<target>/debug`, wherever the user's settings put that.
    let this = env::current_exe().context("find cargo's target folder")?;
    let target = this.ancestors().nth(2).context("find cargo's target folder")?;
    Ok(target.join(folder).join(name))
}

/// The cargo that runs this command, in the root of the work tree.
pub(crate) fn cargo() -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}
