//! Loads every program of an object and prints what the verifier counted: `verify OBJECT [--any-cost]`.
//!
//! Exits with failure if the kernel rejects a program or if one exceeds its budget, which is for the kernel of a
//! developer's machine: others count otherwise, and with `--any-cost` may.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use aya::programs::ProgramError;
use vnetpeer_tests::verifier::{self, Cost};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let path = std::env::args().nth(1).context("usage: verify OBJECT [--any-cost]")?;
    let any_cost = std::env::args().nth(2).is_some_and(|it| it == "--any-cost");
    let object = std::fs::read(&path).with_context(|| format!("read {path}"))?;
    println!(
        "{:<16} {:>12} {:>8} {:>10} {:>10}",
        "program", "verified", "stack", "xlated", "jited"
    );
    let mut fine = true;
    for (name, cost) in verifier::load_all(&object)? {
        match cost {
            Ok(cost) => fine &= report(&cost) || any_cost,
            Err(error) => {
                fine = false;
                print_rejection(&name, &error);
            }
        }
    }
    Ok(fine)
}

/// Prints one line; whether the program is within its budget.
fn report(cost: &Cost) -> bool {
    let Cost { name, verified, stack, translated, jited } = cost;
    let number = |value: &Option<u32>| value.map_or("-".to_owned(), |value| value.to_string());
    let (verified, translated) = (number(verified), number(translated));
    let excess = cost.excess();
    let mark = if excess.is_empty() { String::new() } else { format!("  {}", excess.join(", ")) };
    println!("{name:<16} {verified:>12} {stack:>8} {translated:>10} {jited:>10}{mark}");
    excess.is_empty()
}

fn print_rejection(name: &str, error: &ProgramError) {
    println!("{name:<16} rejected");
    if let ProgramError::LoadError { verifier_log, .. } = error {
        let log = verifier_log.to_string();
        let lines: Vec<&str> = log.lines().collect();
        for line in &lines[lines.len().saturating_sub(30)..] {
            println!("    {line}");
        }
    } else {
        println!("    {error}");
    }
}
