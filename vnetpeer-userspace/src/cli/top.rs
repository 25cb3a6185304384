//! `vnetpeer top`: what the network carries now. A screen in a terminal, else one report.

mod report;
mod sample;
mod screen;
mod terminal;
#[cfg(test)]
pub(super) mod tests;

use std::{io::IsTerminal as _, time::Duration};

use anyhow::bail;
use clap::Args;
use tokio::time::sleep;

use self::{report::Report, sample::Sample, screen::Tab};
use super::{
    Exit, Global,
    output::{self, Format},
};

#[derive(Args, Debug)]
#[command(
    after_help = "Keys: Tab, arrows or 1 to 4 choose what is shown, s the column to sort by, r the other way round, \
                  up and down scroll, q ends. Without a terminal, with --once, -o or --query one report is \
                  printed.\n\nExamples:\n  vnetpeer top\n  vnetpeer top --once\n  \
                  vnetpeer top --once --interval 10 -o json"
)]
pub(super) struct Arguments {
    /// Print one report and end
    #[arg(long)]
    once: bool,
    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    interval: f64,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let interval = Duration::try_from_secs_f64(arguments.interval).unwrap_or_default();
    if interval.is_zero() {
        bail!("--interval must be a number of seconds above 0");
    }
    let clients = global.target.clients()?;
    let before = Sample::take(&clients).await?;
    let is_table = global.output == Format::Table && global.query.is_none();
    if is_table && !arguments.once && std::io::stdout().is_terminal() {
        return terminal::run(&clients, before, interval).await;
    }
    sleep(interval).await;
    let report = Report::new(&before, &Sample::take(&clients).await?);
    output::show(global, &report, render)?;
    Ok(Exit::Done)
}

/// All tabs, one below the other.
fn render(report: &Report) -> String {
    let part = |tab: &Tab| {
        let rows = report.rows(*tab).into_iter();
        let rows = rows.map(|row| row.iter().map(ToString::to_string).collect()).collect();
        let header = tab.header().iter().map(|it| (*it).to_owned()).collect();
        format!("{}\n{}", tab.title(), output::Rows { header, rows })
    };
    Tab::ALL.iter().map(part).collect::<Vec<_>>().join("\n\n")
}
