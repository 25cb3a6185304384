//! `vnetpeer meter cost`, `meter invoice` and `meter reconcile`.

use std::path::PathBuf;

use clap::Args;
use vnetpeer_metering::{
    rating::{
        Month, Usage as RatedUsage,
        cost::{By, Costs, costs},
        invoice::{Invoice, invoice},
        reconcile::{Comparison, Counter, Reconciliation, reconcile},
    },
    record::Direction,
};

use super::{
    Exit, Global,
    usage::{Usage, prices},
};
use crate::{
    agent::api::LinkMeter,
    cli::output::{self, print_text, short},
};

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vnetpeer meter cost --prices prices.yaml\n  \
                        vnetpeer meter cost --prices prices.yaml --by tag:team --month 2026-11")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    usage: Usage,
    /// The prices
    #[arg(long, value_name = "FILE", env = "VNETPEER_PRICES")]
    prices: PathBuf,
    /// What to add up by: subscription, resource-group, vnet, peering, meter or tag:NAME
    #[arg(long, value_name = "WHAT", default_value = "vnet")]
    by: By,
    /// The billing month, YYYY-MM (UTC); the current one unless given
    #[arg(long, value_name = "MONTH")]
    month: Option<Month>,
}

pub(super) async fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<Exit> {
    let Arguments { usage, by, month, .. } = arguments;
    let (book, month) = (prices(&arguments.prices)?, usage.month(*month)?);
    let records = usage.read(global, month.start(), month.end()).await?;
    let costs = costs(month, RatedUsage::of(&records), &book, by, usage.now())?;
    output::show(global, &costs, render)?;
    Ok(Exit::Done)
}

/// Nothing before the month has begun.
fn forecast(amount: Option<impl ToString>) -> String {
    amount.map_or_else(String::new, |it| it.to_string())
}

fn render(costs: &Costs) -> String {
    let rows = costs.rows.iter().map(|row| {
        [
            row.name.clone().unwrap_or_else(|| "(none)".to_owned()),
            row.quantity.to_string(),
            row.cost.to_string(),
            forecast(row.forecast),
        ]
    });
    let total = [
        "total".to_owned(),
        costs.quantity.to_string(),
        costs.cost.to_string(),
        forecast(costs.forecast),
    ];
    let table = output::table(
        ["name", "charged gb", &format!("cost ({})", costs.currency), "forecast (linear)"],
        rows.chain([total]),
    );
    let Costs { month, as_of, .. } = costs;
    format!(
        "{table}\n\n{month}, forecast as of {as_of}; costs are exact, and an invoice rounds its lines"
    )
}

#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  vnetpeer meter invoice --prices prices.yaml --month 2026-11\n  \
                        vnetpeer meter invoice --prices prices.yaml --csv > invoice.csv"
)]
pub(in crate::cli) struct InvoiceArguments {
    #[command(flatten)]
    usage: Usage,
    /// The prices
    #[arg(long, value_name = "FILE", env = "VNETPEER_PRICES")]
    prices: PathBuf,
    /// The billing month, YYYY-MM (UTC); the current one unless given
    #[arg(long, value_name = "MONTH")]
    month: Option<Month>,
    /// Print the lines as CSV
    #[arg(long, conflicts_with = "output")]
    csv: bool,
}

pub(super) async fn run_invoice(
    arguments: &InvoiceArguments,
    global: &Global,
) -> anyhow::Result<Exit> {
    let usage = &arguments.usage;
    let (book, month) = (prices(&arguments.prices)?, usage.month(arguments.month)?);
    let records = usage.read(global, month.start(), month.end()).await?;
    let invoice = invoice(month, RatedUsage::of(&records), &book)?;
    if arguments.csv {
        print_text(&invoice.to_csv()?)?;
    } else {
        output::show(global, &invoice, render_invoice)?;
    }
    Ok(Exit::Done)
}

fn render_invoice(invoice: &Invoice) -> String {
    let table = output::table(
        ["subscription", "vnet", "link", "meter", "price of", "gb", "per gb", "cost", "amount"],
        invoice.lines.iter().map(|line| {
            let item = &line.item;
            [
                item.subscription.clone(),
                short(&item.virtual_network).to_owned(),
                short(&item.resource).to_owned(),
                item.meter.name().to_owned(),
                item.price_area.clone(),
                line.quantity.to_string(),
                item.unit_price.to_string(),
                line.cost.to_string(),
                line.amount.to_string(),
            ]
        }),
    );
    let totals: Vec<String> = invoice
        .subscriptions
        .iter()
        .map(|it| format!("subscription {}: {} {}", it.subscription, it.amount, invoice.currency))
        .collect();
    let Invoice { month, amount, currency, rounding, billing_account_name, .. } = invoice;
    let subscriptions = totals.join("\n");
    format!(
        "{table}\n\n{subscriptions}\n\
         {billing_account_name} pays {amount} {currency} for {month}, rounded {rounding}"
    )
}

#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vnetpeer meter reconcile --prices prices.yaml")]
pub(in crate::cli) struct ReconcileArguments {
    /// Compare with the invoices by these prices, too
    #[arg(long, value_name = "FILE", env = "VNETPEER_PRICES")]
    prices: Option<PathBuf>,
}

pub(super) async fn run_reconcile(
    arguments: &ReconcileArguments,
    global: &Global,
) -> anyhow::Result<Exit> {
    let book = arguments.prices.as_deref().map(prices).transpose()?;
    let (mut counters, mut records) = (Vec::new(), Vec::new());
    for client in global.target.clients()? {
        let host = client.status().await?.host;
        // Counters count on while records are read, which must lie between.
        let before = client.meters().await?;
        records.extend(client.usage(0, i64::MAX).await?);
        counters.extend(between(&host, &before, &client.meters().await?));
    }
    let outcome = reconcile(&counters, &records, book.as_ref())?;
    output::show(global, &outcome, render_reconciliation)?;
    Ok(if outcome.agree { Exit::Done } else { Exit::Failed })
}

/// The counters of links that were there both times.
fn between(host: &str, before: &[LinkMeter], after: &[LinkMeter]) -> Vec<Counter> {
    let mut counters = Vec::new();
    for last in after {
        let Some(first) = before.iter().find(|it| it.peering == last.peering) else { continue };
        for (direction, before, after) in [
            (Direction::Egress, first.egress_bytes, last.egress_bytes),
            (Direction::Ingress, first.ingress_bytes, last.ingress_bytes),
        ] {
            let (host, resource) = (host.to_owned(), last.peering.clone());
            counters.push(Counter { host, resource, direction, before, after });
        }
    }
    counters
}

fn render_reconciliation(outcome: &Reconciliation) -> String {
    let compared = outcome.compared;
    if outcome.agree {
        return format!(
            "{compared} figures compared: counters, records and invoices agree to the byte"
        );
    }
    let row = |it: &Comparison| {
        [
            it.with.to_owned(),
            it.of.clone(),
            short(&it.resource).to_owned(),
            format!("{:?}", it.direction),
            it.records.clone(),
            it.other.clone(),
            it.difference.clone(),
        ]
    };
    let table = output::table(
        ["records and", "of", "link", "direction", "recorded bytes", "other bytes", "difference"],
        outcome.differences.iter().map(row),
    );
    let differ = outcome.differences.len();
    format!("{table}\n\n{differ} of {compared} figures differ")
}
