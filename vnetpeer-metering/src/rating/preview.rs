//! What a path through the network will cost, before anything is sent.

use rust_decimal::Decimal;
use serde::Serialize;

use super::{
    RatingError,
    charge::{cost, payer},
};
use crate::{
    price::{
        Meter, PriceBook,
        exact::{gigabytes, sum},
    },
    record::{Direction, Link},
};

/// What bytes cost that take a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// In a sentence how often a byte is billed.
    pub summary: String,
    /// ISO 4217 code.
    pub currency: String,
    /// GB (10⁹ bytes) that are sent once.
    pub quantity: Decimal,
    /// In the order of the path.
    pub charges: Vec<PreviewCharge>,
    /// Their sum, exact.
    pub cost: Decimal,
}

/// What is charged at one meter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewCharge {
    /// The subscription that pays.
    pub subscription: String,
    /// ARM id of the VNet that pays.
    pub virtual_network: String,
    /// ARM id of the link.
    pub resource: String,
    /// E.g. `Virtual Network Peering`.
    pub product: &'static str,
    /// E.g. `Intra-Region Egress`.
    pub meter: Meter,
    /// Per GB, in the lowest tier.
    pub unit_price: Decimal,
    /// Exact.
    pub cost: Decimal,
}

/// What `bytes` cost that pass these meters, each a link and a direction, at a time in seconds since 1970
/// (UTC). Volumes are not known beforehand: the price is that of the lowest tier.
pub fn preview<'l>(
    meters: impl IntoIterator<Item = (&'l Link, Direction)>,
    bytes: u64,
    book: &PriceBook,
    at: i64,
) -> Result<Preview, RatingError> {
    let mut charges = Vec::new();
    let mut total = Decimal::ZERO;
    for (link, direction) in meters {
        let prices = book.prices(at, link, direction);
        let prices = prices.map_err(|error| RatingError::NoPrice(vec![error]))?;
        let unit_price = prices.tiers.first().map(|tier| tier.unit_price).unwrap_or_default();
        let cost = cost(i128::from(bytes), unit_price)?;
        total = sum(total, cost)?;
        let meter = Meter::of(link, direction);
        charges.push(PreviewCharge {
            subscription: payer(link)?.subscription.to_owned(),
            virtual_network: link.vnet.clone(),
            resource: link.id.clone(),
            product: meter.product(),
            meter,
            unit_price,
            cost,
        });
    }
    let summary = match charges.len() {
        0 => "this path bills nothing".to_owned(),
        1 => "this path bills each byte once".to_owned(),
        2 => "this path bills each byte twice".to_owned(),
        times => format!("this path bills each byte {times} times"),
    };
    Ok(Preview {
        summary,
        currency: book.currency.code().to_owned(),
        quantity: gigabytes(i128::from(bytes))?,
        charges,
        cost: total,
    })
}
