//! `cargo xtask ci`: the one definition of what a change must pass.
//!
//! Steps that answer soonest come first. The BPF object is built before anything compiles user
//! space, which embeds it. All host steps use the same profile and crates, so each dependency
//! is compiled once for checking and once for running; only the last step optimises.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{
    build::{self, Host},
    run, setup, shell, test, tidy, verify,
    workspace::{self, HOST_CRATES},
};

struct Step {
    name: &'static str,
    action: fn() -> Result<Outcome>,
}

enum Outcome {
    Passed,
    Skipped(&'static str),
}

const STEPS: [Step; 13] = [
    Step { name: "fmt", action: || passed(fmt()) },
    Step { name: "tidy", action: || passed(tidy::run()) },
    Step { name: "typos", action: typos },
    Step { name: "setup", action: || passed(setup::run()) },
    Step { name: "build-bpf", action: || passed(build::object()) },
    Step { name: "clippy-bpf", action: || passed(build::clippy_object()) },
    Step { name: "clippy", action: || passed(clippy()) },
    Step { name: "doc", action: || passed(doc()) },
    Step { name: "deny", action: deny },
    Step { name: "build", action: || passed(build::all(Host::Debug)) },
    Step { name: "verify", action: || passed(verify::run()) },
    Step { name: "test", action: || passed(test::all()) },
    Step { name: "run-once", action: || passed(run::once()) },
];

/// Runs the steps in order, up to the first that fails, and says what each took.
pub(crate) fn run() -> Result<()> {
    let start = Instant::now();
    let mut summary = Vec::new();
    let mut failure = Ok(());
    for step in &STEPS {
        println!("\n=== {} ===", step.name);
        let step_start = Instant::now();
        let result = (step.action)();
        let word = match &result {
            Ok(Outcome::Passed) => "passed".to_owned(),
            Ok(Outcome::Skipped(reason)) => format!("SKIPPED: {reason}"),
            Err(_) => "FAILED".to_owned(),
        };
        summary.push(format!("{:<10} {:>8}  {word}", step.name, seconds(step_start.elapsed())));
        println!("=== {} {word} after {} ===", step.name, seconds(step_start.elapsed()));
        if let Err(error) = result {
            failure = Err(error).context(step.name);
            break;
        }
    }
    println!("\n=== summary ===");
    summary.extend(STEPS[summary.len()..].iter().map(|step| format!("{:<10} not run", step.name)));
    println!("{}\n{:<10} {:>8}", summary.join("\n"), "total", seconds(start.elapsed()));
    failure
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn passed(result: Result<()>) -> Result<Outcome> {
    result.map(|()| Outcome::Passed)
}

fn fmt() -> Result<()> {
    shell::run(workspace::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    let mut clippy = workspace::cargo();
    clippy.arg("clippy").args(HOST_CRATES).args(["--all-targets", "--", "-D", "warnings"]);
    shell::run(&mut clippy)
}

fn doc() -> Result<()> {
    let mut doc = workspace::cargo();
    doc.arg("doc").args(HOST_CRATES).args(["--no-deps", "--document-private-items"]);
    shell::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Both checkers below take longer to build than all other steps together: they run where they
/// are installed, which the hosted workflow sees to.
fn deny() -> Result<Outcome> {
    if shell::find("cargo-deny").is_none() {
        return Ok(Outcome::Skipped("cargo-deny is not installed"));
    }
    let mut deny = workspace::cargo();
    passed(shell::run(deny.args(["deny", "check", "bans", "licenses", "sources"])))
}

fn typos() -> Result<Outcome> {
    if shell::find("typos").is_none() {
        return Ok(Outcome::Skipped("typos is not installed"));
    }
    passed(shell::run(std::process::Command::new("typos").current_dir(workspace::root())))
}
