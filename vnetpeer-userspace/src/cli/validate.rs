//! `vnetpeer validate`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{
    Exit, explain,
    output::{self, Format},
};
use crate::document::{self, Problems};

#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// The topology document, YAML or JSON
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,
}

#[derive(Serialize)]
struct Report<'a> {
    valid: bool,
    problems: &'a Problems,
}

pub(super) fn run(arguments: &Arguments, format: Format) -> anyhow::Result<Exit> {
    let loaded = document::read(&arguments.file);
    let (valid, problems) = match &loaded {
        Ok(loaded) => (true, &loaded.warnings),
        Err(problems) => (false, problems),
    };
    if format == Format::Table {
        if !problems.is_empty() {
            explain::tell(problems);
        }
        if let Ok(loaded) = &loaded {
            let it = &loaded.topology;
            output::print_text(&format!(
                "{} is valid: {} virtual networks, {} peerings, {} NICs, {} hosts",
                arguments.file.display(),
                it.vnets.len(),
                it.peerings.len(),
                it.nics.len(),
                it.hosts.len()
            ))?;
        }
    } else {
        output::print(format, &Report { valid, problems }, |_| String::new())?;
    }
    Ok(if valid { Exit::Done } else { Exit::Failed })
}
