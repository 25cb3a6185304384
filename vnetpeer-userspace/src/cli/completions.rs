//! `vnetpeer completions` and `vnetpeer man`.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, bail};
use clap::{Args, Command};
use clap_complete::{Shell, env::Shells};

use super::{Exit, commands, output};

/// Set by the scripts of shells that ask what may follow.
pub(super) const VARIABLE: &str = "COMPLETE";
const PROGRAM: &str = "vnetpeer";

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Args, Debug)]
pub(super) struct Manual {
    /// The command, such as `peering create`; the program as a whole unless given
    #[arg(conflicts_with = "out")]
    command: Vec<String>,
    /// Write the pages of all commands into this folder
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

/// The script that makes a shell ask this program.
pub(super) fn completions(arguments: &Arguments) -> anyhow::Result<Exit> {
    let shells = Shells::builtins();
    let name = arguments.shell.to_string();
    let shell = shells.completer(&name).with_context(|| format!("{name} cannot ask programs"))?;
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script)?;
    output::print_text(&String::from_utf8(script)?)?;
    Ok(Exit::Done)
}

/// The page of one command, or all pages.
pub(super) fn manual(arguments: &Manual) -> anyhow::Result<Exit> {
    let mut all = without_help(commands());
    all.build();
    if let Some(folder) = &arguments.out {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        clap_mangen::generate_to(all, folder)
            .with_context(|| format!("cannot write pages into {}", folder.display()))?;
        return Ok(Exit::Done);
    }
    let mut command = &all;
    for word in &arguments.command {
        let Some(below) = command.find_subcommand(word) else {
            bail!("there is no command `{}`; see `vnetpeer --help`", arguments.command.join(" "));
        };
        command = below;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    output::print_text(&String::from_utf8(page)?)?;
    Ok(Exit::Done)
}

/// Without the commands `help`, which would be as many pages again.
fn without_help(command: Command) -> Command {
    let mut command = command.disable_help_subcommand(true);
    let below: Vec<String> = command.get_subcommands().map(|it| it.get_name().to_owned()).collect();
    for name in below {
        command = command.mut_subcommand(name, without_help);
    }
    command
}
