//! Costs of a month so far, by whatever is asked, and where they are going.

use std::{collections::BTreeMap, str::FromStr};

use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    Charge, Month, RatingError, Usage,
    charge::{cost, payer, rate},
    month::time,
};
use crate::price::{
    PriceBook,
    exact::{TooLarge, gigabytes, sum},
};

/// What costs are added up by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The subscription that pays.
    Subscription,
    /// The resource group of the VNet that pays.
    ResourceGroup,
    /// The VNet that pays.
    Vnet,
    /// The link.
    Peering,
    /// The meter.
    Meter,
    /// The value of a tag of the VNet that pays; tags' names do not tell cases apart, as in Azure.
    Tag(String),
}

impl FromStr for By {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "subscription" => Ok(Self::Subscription),
            "resource-group" => Ok(Self::ResourceGroup),
            "vnet" => Ok(Self::Vnet),
            "peering" => Ok(Self::Peering),
            "meter" => Ok(Self::Meter),
            _ => match text.split_once(':') {
                Some(("tag", name)) if !name.is_empty() => Ok(Self::Tag(name.to_owned())),
                _ => {
                    Err("there are subscription, resource-group, vnet, peering, meter and tag:NAME")
                }
            },
        }
    }
}

impl By {
    fn name(&self, charge: &Charge) -> Result<Option<String>, RatingError> {
        let link = &charge.link;
        Ok(match self {
            Self::Subscription => Some(payer(link)?.subscription.to_owned()),
            Self::ResourceGroup => {
                let payer = payer(link)?;
                Some(format!("{}/{}", payer.subscription, payer.resource_group))
            }
            Self::Vnet => Some(link.vnet.clone()),
            Self::Peering => Some(link.id.clone()),
            Self::Meter => {
                let meter = charge.meter();
                Some(format!("{}, {}", meter.product(), meter.name()))
            }
            Self::Tag(name) => {
                let mut tags = link.tags.iter();
                tags.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
            }
        })
    }
}

/// Costs of a month so far. All are exact; only forecasts are rounded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Costs {
    /// The month.
    pub month: Month,
    /// When the forecast begins, RFC 3339; within the month.
    pub as_of: String,
    /// ISO 4217 code.
    pub currency: String,
    /// In the order of names; what has no name, e.g. no such tag, comes first.
    pub rows: Vec<Row>,
    /// GB (10⁹ bytes) that were charged; a byte counts once for each charge.
    pub quantity: Decimal,
    /// What all cost together.
    pub cost: Decimal,
    /// What it will be at the end of the month if it goes on like this (linear).
    pub forecast: Option<Decimal>,
}

/// Costs of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What it is the cost of; null if that has no name.
    pub name: Option<String>,
    /// GB (10⁹ bytes) that were charged.
    pub quantity: Decimal,
    /// Exact.
    pub cost: Decimal,
    /// Linear, rounded as an invoice line; null before the month has begun.
    pub forecast: Option<Decimal>,
}

/// Costs of one month. `now`, in seconds since 1970 (UTC), is only what the forecast begins with.
pub fn costs(
    month: Month,
    usage: Usage,
    book: &PriceBook,
    by: &By,
    now: i64,
) -> Result<Costs, RatingError> {
    let mut by_name: BTreeMap<Option<String>, (i128, Decimal)> = BTreeMap::new();
    for (charge, bytes) in rate(&usage.in_month(month), book)? {
        let total = by_name.entry(by.name(&charge)?).or_default();
        total.0 = total.0.checked_add(bytes).ok_or(TooLarge)?;
        total.1 = sum(total.1, cost(bytes, charge.unit_price)?)?;
    }
    let mut rows = Vec::new();
    let mut all = (0_i128, Decimal::ZERO);
    for (name, (bytes, cost)) in by_name {
        all = (all.0.checked_add(bytes).ok_or(TooLarge)?, sum(all.1, cost)?);
        let forecast = forecast(cost, month, now, book);
        rows.push(Row { name, quantity: gigabytes(bytes)?, cost, forecast });
    }
    Ok(Costs {
        month,
        as_of: time(now.clamp(month.start(), month.end())),
        currency: book.currency.code().to_owned(),
        rows,
        quantity: gigabytes(all.0)?,
        cost: all.1,
        forecast: forecast(all.1, month, now, book),
    })
}

/// As much for each second to come as for each second so far.
fn forecast(cost: Decimal, month: Month, now: i64, book: &PriceBook) -> Option<Decimal> {
    let elapsed = now.min(month.end()).checked_sub(month.start()).filter(|it| *it > 0)?;
    let length = Decimal::from(month.end() - month.start());
    let at_end = cost.checked_mul(length)?.checked_div(Decimal::from(elapsed))?;
    Some(book.round(at_end))
}
