//! Documents, and the codes that they are refused or warned about with.

use vnetpeer_tests::azure::Document;
use vnetpeer_userspace::document::{self, Severity};

use super::run;

mod addresses;
mod balancers;
mod gateways;
mod managers;
mod peerings;

/// A document and every problem that it has.
pub(crate) struct ErrorCase {
    pub(crate) rule: &'static str,
    pub(crate) name: &'static str,
    document: fn() -> Document,
    /// Codes and parts of the messages, in the order of their places.
    problems: &'static [Problem],
}

/// What is expected of a problem.
enum Problem {
    /// It makes the document invalid.
    Error(&'static str, &'static str),
    /// It does not.
    Warning(&'static str, &'static str),
}

impl ErrorCase {
    const fn new(
        rule: &'static str,
        name: &'static str,
        document: fn() -> Document,
        problems: &'static [Problem],
    ) -> Self {
        Self { rule, name, document, problems }
    }
}

/// All cases.
pub(crate) fn all() -> impl Iterator<Item = &'static ErrorCase> {
    let tables = [
        peerings::PROPERTIES,
        peerings::PAIRS,
        peerings::SUBNETS,
        addresses::VNETS,
        addresses::ROUTES,
        addresses::GROUPS,
        gateways::CASES,
        balancers::CASES,
        managers::CASES,
    ];
    tables.into_iter().flatten()
}

fn check(case: &ErrorCase) -> Result<(), String> {
    let loaded = document::load("azure.json", &(case.document)().text());
    let problems = match &loaded {
        Ok(loaded) => &loaded.warnings,
        Err(problems) => problems,
    };
    let mut seen = problems.iter();
    let differs = || Err(format!("{} problems expected, seen:\n{problems}", case.problems.len()));
    if problems.len() != case.problems.len() {
        return differs();
    }
    for expected in case.problems {
        let (severity, code, part) = match expected {
            Problem::Error(code, part) => (Severity::Error, code, part),
            Problem::Warning(code, part) => (Severity::Warning, code, part),
        };
        let it = seen.next().expect("as many");
        if it.severity != severity || it.code.to_string() != *code || !it.message.contains(part) {
            return Err(format!("{severity:?} {code}: {part} expected, seen:\n{problems}"));
        }
        if it.help.is_empty() {
            return Err(format!("{code} has no fix"));
        }
    }
    Ok(())
}

#[test]
fn mistakes_have_azures_codes() {
    run(all(), |case| (case.rule, case.name), check);
}
