//! `cargo xtask run`: a deployment in network namespaces of this machine.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    build::{self, Host},
    setup, shell, workspace,
};

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Prove the deployment once, print what was seen and take it down.
    #[arg(long)]
    once: bool,
    /// The topology document; the quickstart unless given.
    #[arg(short, long)]
    file: Option<PathBuf>,
}

/// Builds everything and becomes the lab.
pub(crate) fn run(args: &Args) -> Result<()> {
    prepare()?;
    // The lab takes its namespaces down when it is interrupted, and nothing may end before it.
    match shell::replace(&mut lab(args)?)? {}
}

/// Runs the quickstart once and returns.
pub(crate) fn once() -> Result<()> {
    prepare()?;
    shell::run(&mut lab(&Args { once: true, file: None })?)
}

fn prepare() -> Result<()> {
    setup::for_kernel()?;
    build::all(Host::Release)
}

fn lab(args: &Args) -> Result<Command> {
    let quickstart = || workspace::root().join("examples/quickstart.yaml");
    let mut command = Command::new(workspace::binary("release", "vnetpeer")?);
    command.args(["lab", "run", "-f"]).arg(args.file.clone().unwrap_or_else(quickstart));
    if args.once {
        command.arg("--once");
    }
    Ok(command)
}
