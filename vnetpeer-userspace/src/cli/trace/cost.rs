//! What a path costs.

use std::{fmt::Write as _, path::Path};

use jiff::Timestamp;
use serde::Serialize;
use vnetpeer_metering::rating::preview::Preview;

use crate::{
    cli::{
        meter::prices,
        output::{self, short},
        target::Source,
    },
    simulate::trace::{Trace, TraceWay},
    topology::meters,
};

/// What the price is said for.
const GIGABYTE: u64 = 1_000_000_000;

/// A trace with its price.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Priced {
    #[serde(flatten)]
    pub(super) trace: Trace,
    /// Of a GB on each way; null unless prices were given.
    cost: Option<Costs>,
}

/// What a GB costs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Costs {
    /// On the way of the request.
    request: Preview,
    /// On the way of the answer; null if there is none.
    answer: Option<Preview>,
}

impl Priced {
    /// With today's prices of a file.
    pub(super) fn new(trace: Trace, source: &Source, book: Option<&Path>) -> anyhow::Result<Self> {
        let Some(book) = book else { return Ok(Self { trace, cost: None }) };
        let (book, now) = (prices(book)?, Timestamp::now().as_second());
        let (topology, state) = (&source.topology, &source.state);
        let of = |way: &TraceWay| {
            let billed = way.hops.iter().flat_map(|hop| &hop.billed);
            let links = billed.filter_map(|it| Some((state.link(&it.link)?, it.direction)));
            meters::cost(topology, state, links, GIGABYTE, &book, now)
        };
        let request = of(&trace.request)?;
        let answer = trace.answer.as_ref().map(of).transpose()?;
        Ok(Self { trace, cost: Some(Costs { request, answer }) })
    }

    /// As a person reads it.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        let Some(Costs { request, answer }) = &self.cost else { return text };
        let answer = answer.iter().map(|it| ("answer", it));
        for (name, preview) in [("request", request)].into_iter().chain(answer) {
            let Preview { summary, currency, quantity, charges, cost } = preview;
            let _ = write!(text, "\n{name}: {summary}; {quantity} GB cost {cost} {currency}\n");
            let rows = charges.iter().map(|it| {
                [
                    short(&it.virtual_network).to_owned(),
                    short(&it.resource).to_owned(),
                    it.meter.name().to_owned(),
                    it.unit_price.to_string(),
                ]
            });
            if !charges.is_empty() {
                let _ =
                    writeln!(text, "{}", output::table(["pays", "link", "meter", "per gb"], rows));
            }
        }
        text
    }
}
