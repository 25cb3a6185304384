//! `vnetpeer explain`: what a code means, where it comes from and what helps.

use anyhow::bail;
use clap::Args;

use super::{Exit, Global, output};
use crate::explanation::{self, Explanation};

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  vnetpeer explain NoRoute\n  vnetpeer explain --list\n  \
                  vnetpeer explain --list -o json")]
pub(super) struct Arguments {
    /// The code, in any case of letters
    #[arg(required_unless_present = "list")]
    code: Option<String>,
    /// List all codes
    #[arg(long, conflicts_with = "code")]
    list: bool,
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let Some(code) = &arguments.code else {
        let all: Vec<Explanation> = explanation::all().collect();
        output::show(global, &all, |all| {
            output::table(
                ["code", "kind", "meaning"],
                all.iter().map(|it| {
                    [it.code.to_owned(), format!("{:?}", it.kind), it.meaning.to_owned()]
                }),
            )
        })?;
        return Ok(Exit::Done);
    };
    let Some(found) = explanation::find(code) else {
        bail!("there is no code `{code}`; `vnetpeer explain --list` shows all");
    };
    output::show(global, &found, |it| {
        format!(
            "{} ({:?})\n  meaning  {}\n  cause    {}\n  fix      {}",
            it.code, it.kind, it.meaning, it.cause, it.fix
        )
    })?;
    Ok(Exit::Done)
}
