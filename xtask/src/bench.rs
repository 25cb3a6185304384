//! `cargo xtask bench`: measurements on loaded programs and whole deployments.

use std::{path::PathBuf, process::Command};

use anyhow::Result;

use crate::{
    build::{self, Host},
    setup, shell, workspace,
};

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only benchmarks whose name contains this.
    name: Option<String>,
    /// Also write the results to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Interleaved rounds, of which the median counts.
    #[arg(long, value_name = "NUMBER")]
    rounds: Option<u32>,
    /// Also draw graphs into this folder.
    #[arg(long, value_name = "FOLDER")]
    graphs: Option<PathBuf>,
    /// Measure nothing, and draw what an earlier run wrote with --json.
    #[arg(long, value_name = "FILE", requires = "graphs")]
    from: Option<PathBuf>,
}

/// Builds everything optimised and becomes the benchmark program.
pub(crate) fn run(args: &Args) -> Result<()> {
    setup::for_kernel()?;
    build::all(Host::Benchmarks)?;
    let mut bench = Command::new(workspace::binary("release", "bench")?);
    bench.args(&args.name);
    for (option, path) in
        [("--json", &args.json), ("--graphs", &args.graphs), ("--from", &args.from)]
    {
        if let Some(path) = path {
            bench.arg(option).arg(path);
        }
    }
    if let Some(rounds) = args.rounds {
        bench.arg("--rounds").arg(rounds.to_string());
    }
    match shell::replace(&mut bench)? {}
}
