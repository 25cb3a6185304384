//! The project's own commands: `cargo xtask <command>`.
//!
//! One file per command. Nothing here depends on the project's other crates, so that these
//! commands work while those do not compile: everything else is a process that is spawned.

mod bench;
mod build;
mod ci;
mod pktgen;
mod run;
mod setup;
mod shell;
mod test;
mod tidy;
mod verify;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds, tests, measures and runs vnetpeer.
#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures the datapath, or only the benchmarks whose name contains NAME.
    Bench(bench::Args),
    /// Builds the BPF object, then everything that runs in user space.
    Build(build::Args),
    /// Runs every check that a change must pass.
    Ci,
    /// Sends packets with the kernel's packet generator, and says how many.
    Pktgen(pktgen::Args),
    /// Brings a deployment up in network namespaces on this machine and watches it.
    Run(run::Args),
    /// Finds or installs the eBPF toolchain and the tools that tests use.
    Setup,
    /// Runs all tests, or only those whose path contains FILTER.
    Test(test::Args),
    /// Checks the style rules that neither rustfmt nor clippy knows.
    Tidy,
    /// Loads every program into the kernel; prints its instructions and stack, checks its budget.
    Verify,
    /// Runs the checks on other kernels, each in an emulated machine.
    Vm(vm::Args),
}

fn main() -> ExitCode {
    match dispatch(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command) -> Result<()> {
    match command {
        Command::Bench(args) => bench::run(&args),
        Command::Build(args) => build::run(&args),
        Command::Ci => ci::run(),
        Command::Pktgen(args) => pktgen::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Setup => setup::run(),
        Command::Test(args) => test::run(&args),
        Command::Tidy => tidy::run(),
        Command::Verify => verify::run(),
        Command::Vm(args) => vm::run(&args),
    }
}
