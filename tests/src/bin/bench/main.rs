//! `bench [NAME] [--json FILE] [--rounds NUMBER] [--cpu-time] [--graphs FOLDER [--from FILE]]`: measures what
//! the name selects, all by default, or draws what an earlier run has written. `--cpu-time` is for `scale/…`
//! on a machine that does other work too.
//!
//! Prints a table, and writes a list of `{name, unit, median, min, max, rounds, floor, baseline}` if
//! asked to. `docs/benchmarks.md` tells the method and what the numbers are not.

#![expect(clippy::expect_used, reason = "a benchmark whose own constants are wrong cannot go on")]

mod datapath;
mod flat;
mod graphs;
mod harness;
mod instance;
mod observe;
mod policy;
mod report;
mod routes;
mod scale;
mod scrape;
mod system;
mod worlds;

use std::{env, fs, path::Path, process::ExitCode};

use anyhow::{Context as _, Result, bail};

use self::report::Row;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What was asked for.
#[derive(Default)]
struct Arguments {
    name: Option<String>,
    json: Option<String>,
    rounds: Option<usize>,
    graphs: Option<String>,
    from: Option<String>,
    cpu_time: bool,
}

fn arguments() -> Result<Arguments> {
    const USAGE: &str = "usage: bench [NAME] [--json FILE] [--rounds NUMBER] [--cpu-time] \
                         [--graphs FOLDER [--from FILE]]";
    let mut found = Arguments::default();
    let mut arguments = env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => found.json = Some(arguments.next().context("--json needs a file")?),
            "--graphs" => found.graphs = Some(arguments.next().context("--graphs needs a folder")?),
            "--from" => found.from = Some(arguments.next().context("--from needs a file")?),
            "--cpu-time" => found.cpu_time = true,
            "--rounds" => {
                let number = arguments.next().context("--rounds needs a number")?;
                found.rounds = Some(number.parse().context("--rounds needs a number")?);
            }
            _ if found.name.is_none() && !argument.starts_with('-') => found.name = Some(argument),
            _ => bail!(USAGE),
        }
    }
    if found.from.is_some() && found.graphs.is_none() {
        bail!("--from needs --graphs; {USAGE}");
    }
    Ok(found)
}

fn run() -> Result<()> {
    let arguments = arguments()?;
    let graphs = |json: &str| {
        let folder = arguments.graphs.as_ref();
        folder.map_or(Ok(()), |folder| graphs::draw(json, Path::new(folder)))
    };
    if let Some(path) = &arguments.from {
        return graphs(&fs::read_to_string(path).with_context(|| format!("read {path}"))?);
    }
    let rows = measure(&arguments)?;
    if rows.is_empty() {
        bail!("no benchmark has that in its name");
    }
    print!("{}", report::table(&rows));
    let json = report::json(&rows);
    if let Some(path) = &arguments.json {
        fs::write(path, &json).with_context(|| format!("write {path}"))?;
    }
    graphs(&json)
}

/// Runs what has that in its name.
fn measure(arguments: &Arguments) -> Result<Vec<Row>> {
    let (name, rounds) = (arguments.name.as_deref().unwrap_or(""), arguments.rounds);
    let clock = if arguments.cpu_time { scale::Clock::Cpu } else { scale::Clock::Wall };
    // Before the others, which keep this process on one CPU and in namespaces of their own.
    let mut rows = system::run(name, rounds.unwrap_or(system::ROUNDS))?;
    rows.extend(system::flood::run(name, rounds.unwrap_or(system::flood::ROUNDS))?);
    rows.extend(scale::run(name, rounds.unwrap_or(scale::ROUNDS), clock)?);
    rows.extend(scrape::run(name, rounds.unwrap_or(scrape::ROUNDS))?);
    rows.extend(routes::run(name, rounds.unwrap_or(routes::ROUNDS))?);
    // The others prepare the kernel before they look at the name.
    if ["metering", "routes", "scale", "system"].iter().any(|other| name.starts_with(other)) {
        return Ok(rows);
    }
    rows.extend(observe::run(name, rounds.unwrap_or(observe::ROUNDS))?);
    if !name.starts_with("observe") {
        rows.extend(datapath::run(name, rounds.unwrap_or(datapath::ROUNDS))?);
        rows.extend(flat::run(name, rounds.unwrap_or(flat::ROUNDS))?);
        rows.extend(policy::run(name, rounds.unwrap_or(policy::ROUNDS))?);
    }
    Ok(rows)
}
