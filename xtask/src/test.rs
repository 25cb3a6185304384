//! `cargo xtask test`: all tests, or one area of them.

use std::{env, path::Path, process::Command};

use anyhow::Result;

use crate::{
    build::{self, Host},
    setup, shell,
    workspace::{self, HOST_CRATES},
};

/// The variable from which random tests take their seed.
const SEED: &str = "TEST_SEED";

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only tests whose path contains this, for example `metering`.
    filter: Option<String>,
    /// Further options of the test runner, after `--`.
    #[arg(last = true)]
    extra: Vec<String>,
}

/// Builds everything and runs the tests that the arguments select.
pub(crate) fn run(args: &Args) -> Result<()> {
    if shell::is_root() {
        setup::for_kernel()?;
    } else {
        println!("not root: tests that load programs or build namespaces skip themselves");
    }
    let judge = setup::for_focus()?;
    if judge.is_none() {
        println!("SKIPPED: FOCUS exports are not judged, because Python 3.12 is not here");
    }
    // Tests that spawn `vnetpeer` take the program that this leaves in the target folder.
    build::all(Host::Debug)?;
    if shell::find("cargo-nextest").is_some() {
        with_nextest(args, judge.as_deref())
    } else {
        with_cargo(args, judge.as_deref())
    }
}

/// Runs everything, as CI does.
pub(crate) fn all() -> Result<()> {
    run(&Args { filter: None, extra: Vec::new() })
}

fn with_nextest(args: &Args, judge: Option<&Path>) -> Result<()> {
    if args.filter.is_none() {
        // nextest does not run the examples in documentation. They come first, so that its
        // own summary, which tells how many tests ran, is what closes the output.
        shell::run(workspace::cargo().args(["test", "--doc", "--quiet"]).args(HOST_CRATES))?;
    }
    let mut nextest = workspace::cargo();
    nextest.args(["nextest", "run"]).args(HOST_CRATES).args(&args.filter).args(&args.extra);
    shell::run(seeded(judged_by(judge, require_kernel(&mut nextest))))
}

fn with_cargo(args: &Args, judge: Option<&Path>) -> Result<()> {
    let mut test = workspace::cargo();
    test.arg("test").args(HOST_CRATES).args(&args.filter).arg("--").args(&args.extra);
    // As the nextest configuration does: several deployments at once fit on a small machine,
    // one for every core does not.
    test.env("RUST_TEST_THREADS", "2");
    shell::run(seeded(judged_by(judge, require_kernel(&mut test))))
}

/// Root can do all that the kernel tests need, so there a test that skips itself has failed.
fn require_kernel(command: &mut Command) -> &mut Command {
    if shell::is_root() {
        command.env("VNETPEER_REQUIRE_KERNEL", "1");
    }
    command
}

/// Random tests of one state of the files draw the same wherever they run, so that what passed passes again; each
/// commit draws anew. Whoever wants other draws sets `TEST_SEED`.
fn seeded(command: &mut Command) -> &mut Command {
    if env::var_os(SEED).is_none()
        && let Some(seed) = seed_of_files()
    {
        command.env(SEED, seed.to_string());
    }
    command
}

/// The first digits of the last commit's tree; `None` where this is no clone.
fn seed_of_files() -> Option<u64> {
    let mut git = Command::new("git");
    git.current_dir(workspace::root()).args(["rev-parse", "HEAD^{tree}"]);
    let tree = shell::capture(&mut git).ok()?;
    u64::from_str_radix(tree.get(..8)?, 16).ok()
}

/// Tells the tests of FOCUS exports where their judge is.
fn judged_by<'c>(judge: Option<&Path>, command: &'c mut Command) -> &'c mut Command {
    if let Some(judge) = judge {
        command.env("VNETPEER_FOCUS_VALIDATOR", judge);
    }
    command
}
