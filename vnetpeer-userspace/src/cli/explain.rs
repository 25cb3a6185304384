//! `vnetpeer explain`: what a code means, where it comes from and what helps.

use clap::Args;

use super::{Exit, Global, listing::Listing, output};
use crate::{
    document::{Problems, Severity, Style},
    explanation::{self, Explanation},
};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  vnetpeer explain NoRoute\n  vnetpeer explain --list\n  \
                        vnetpeer explain --list --filter kind=problem -o json")]
pub(super) struct Arguments {
    /// The code, in any case of letters
    #[arg(required_unless_present = "list")]
    code: Option<String>,
    /// List all codes
    #[arg(long, conflicts_with = "code")]
    list: bool,
    #[command(flatten)]
    listing: Listing,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let Some(code) = &arguments.code else {
        let all: Vec<Explanation> = explanation::all().collect();
        arguments.listing.print(global, all, |all| {
            output::rows(
                ["code", "kind", "meaning"],
                all.iter().map(|it| {
                    [it.code.to_owned(), format!("{:?}", it.kind), it.meaning.to_owned()]
                }),
            )
        })?;
        return Ok(Exit::Done);
    };
    let Some(found) = explanation::find(code) else {
        let hint = explanation::similar(code).map_or_else(
            || "`vnetpeer explain --list` shows all".to_owned(),
            |meant| format!("did you mean `{meant}`?"),
        );
        eprintln!("error: there is no code `{code}`; {hint}");
        return Ok(Exit::Usage);
    };
    output::show(global, &found, render)?;
    Ok(Exit::Done)
}

fn render(it: &Explanation) -> String {
    let azure = it.azure.map(|page| format!("\n  azure    {page}")).unwrap_or_default();
    format!(
        "{} ({:?})\n  meaning  {}\n  cause    {}\n  fix      {}{azure}",
        it.code, it.kind, it.meaning, it.cause, it.fix
    )
}

/// Draws the problems of a document on standard error, and says where there is more about the first.
pub(super) fn tell(problems: &Problems) {
    eprint!("{}", problems.render(Style::for_stderr()));
    if let Some(first) = problems.iter().find(|it| it.severity == Severity::Error) {
        eprintln!("{}", hint(first.code.name()));
    }
}

/// Where there is more about a code.
pub(super) fn hint(code: &str) -> String {
    format!("more: vnetpeer explain {code}")
}
