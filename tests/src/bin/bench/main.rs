//! `bench [NAME] [--json FILE] [--rounds NUMBER] [--cpu-time]`: measures what the name selects, all by
//! default. `--cpu-time` is for `scale/…` on a machine that does other work too.
//!
//! Prints a table, and writes a list of `{name, unit, median, min, max, rounds, floor, baseline}` if
//! asked to. `docs/benchmarks.md` tells the method and what the numbers are not.

#![expect(clippy::expect_used, reason = "a benchmark whose own constants are wrong cannot go on")]

mod datapath;
mod harness;
mod instance;
mod observe;
mod policy;
mod report;
mod scale;
mod scrape;
mod system;
mod worlds;

use std::{env, fs, process::ExitCode};

use anyhow::{Context as _, Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    const USAGE: &str = "usage: bench [NAME] [--json FILE] [--rounds NUMBER] [--cpu-time]";
    let (mut name, mut json, mut rounds) = (None, None, None);
    let mut clock = scale::Clock::Wall;
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => json = Some(arguments.next().context("--json needs a file")?),
            "--cpu-time" => clock = scale::Clock::Cpu,
            "--rounds" => {
                let number = arguments.next().context("--rounds needs a number")?;
                rounds = Some(number.parse().context("--rounds needs a number")?);
            }
            _ if name.is_none() && !argument.starts_with('-') => name = Some(argument),
            _ => bail!(USAGE),
        }
    }
    let name = name.as_deref().unwrap_or("");
    // Before the others, which keep this process on one CPU and in namespaces of their own.
    let mut rows = system::run(name, rounds.unwrap_or(system::ROUNDS))?;
    rows.extend(scale::run(name, rounds.unwrap_or(scale::ROUNDS), clock)?);
    rows.extend(scrape::run(name, rounds.unwrap_or(scrape::ROUNDS))?);
    // The others prepare the kernel before they look at the name.
    if !["metering", "scale", "system"].iter().any(|other| name.starts_with(other)) {
        rows.extend(observe::run(name, rounds.unwrap_or(observe::ROUNDS))?);
    }
    if !["metering", "observe", "scale", "system"].iter().any(|other| name.starts_with(other)) {
        rows.extend(datapath::run(name, rounds.unwrap_or(datapath::ROUNDS))?);
        rows.extend(policy::run(name, rounds.unwrap_or(policy::ROUNDS))?);
    }
    if rows.is_empty() {
        bail!("no benchmark has that in its name");
    }
    print!("{}", report::table(&rows));
    if let Some(path) = json {
        fs::write(&path, report::json(&rows)).with_context(|| format!("write {path}"))?;
    }
    Ok(())
}
