//! `vnetpeer meter export`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use vnetpeer_metering::{
    export::{self, Outcome, Request, export},
    rating::Month,
};

use super::{
    Exit, Global,
    usage::{Usage, prices},
};
use crate::cli::output;

/// Seconds of an hour.
const HOUR: i64 = 3_600;

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vnetpeer meter export --format csv --out /var/lib/usage\n  \
                        vnetpeer meter export --format focus --out /var/lib/usage --prices prices.yaml")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    usage: Usage,
    /// What the rows are
    #[arg(long, value_enum)]
    format: Format,
    /// The folder; each format and billing month has its own in it
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The first billing month, YYYY-MM (UTC)
    #[arg(long, value_name = "MONTH")]
    from: Option<Month>,
    /// The last billing month
    #[arg(long, value_name = "MONTH")]
    to: Option<Month>,
    /// The prices; needed for format focus
    #[arg(long, value_name = "FILE", env = "VNETPEER_PRICES", required_if_eq("format", "focus"))]
    prices: Option<PathBuf>,
    /// A month is closed so many hours after its end; what comes later is a correction
    #[arg(long, value_name = "HOURS", default_value_t = 72,
        value_parser = clap::value_parser!(i64).range(0..=8_760))]
    grace_hours: i64,
}

/// What the rows are and how they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A usage record each, CSV
    Csv,
    /// A usage record each, Parquet
    Parquet,
    /// A charge for each link, direction and hour: CSV with the columns of FOCUS 1.2
    Focus,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let Arguments { usage, from, to, .. } = arguments;
    let book = arguments.prices.as_deref().map(prices).transpose()?;
    let since = from.map_or(0, Month::start);
    let until = to.map_or(i64::MAX, Month::end);
    let records = usage.read(global, since, until).await?;
    let request = Request {
        folder: &arguments.out,
        format: match arguments.format {
            Format::Csv => export::Format::Csv,
            Format::Parquet => export::Format::Parquet,
            Format::Focus => export::Format::Focus,
        },
        prices: book.as_ref(),
        from: *from,
        to: *to,
        now: usage.now(),
        grace: arguments.grace_hours * HOUR,
    };
    let outcomes = export(&records, &request)?;
    output::show(global, &outcomes, |outcomes| render(outcomes))?;
    Ok(Exit::Done)
}

fn render(outcomes: &[Outcome]) -> String {
    output::table(
        ["month", "state", "action", "records", "rows", "bytes", "cost", "folder"],
        outcomes.iter().map(|it| {
            let manifest = &it.manifest;
            [
                it.month.to_string(),
                format!("{:?}", manifest.state),
                format!("{:?}", it.action),
                manifest.records.to_string(),
                manifest.rows.to_string(),
                manifest.bytes.clone(),
                manifest.cost.clone().unwrap_or_default(),
                it.folder.display().to_string(),
            ]
        }),
    )
}
