//! `vnetpeer completions` and `vnetpeer man`.

use std::io;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Exit, output};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn completions(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "vnetpeer", &mut script);
    output::print_text(&String::from_utf8(script)?)?;
    Ok(Exit::Done)
}

pub(super) fn manual() -> anyhow::Result<Exit> {
    let mut page = Vec::new();
    render_manual(&mut page)?;
    output::print_text(&String::from_utf8(page)?)?;
    Ok(Exit::Done)
}

/// The page of the program, then one section for every command.
fn render_manual(page: &mut Vec<u8>) -> io::Result<()> {
    let command = Cli::command();
    clap_mangen::Man::new(command.clone()).render(page)?;
    for subcommand in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        let man = clap_mangen::Man::new(subcommand.clone());
        man.render_name_section(page)?;
        man.render_synopsis_section(page)?;
        man.render_options_section(page)?;
        if subcommand.has_subcommands() {
            man.render_subcommands_section(page)?;
        }
    }
    Ok(())
}
