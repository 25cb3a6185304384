//! Charges: usage with its price.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;

use super::{Month, usage::Usage};
use crate::{
    price::{
        Meter, NoPrice, PriceBook,
        exact::{self, TooLarge},
    },
    record::{Direction, Link},
};

/// Messages name so many things that have no price; the rest is counted.
const NAMED_MAX: usize = 20;

/// What usage of one hour at one price is billed as.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Charge {
    /// Begin of the hour, seconds since 1970 (UTC).
    pub hour: i64,
    /// The link, whose VNet pays.
    pub link: Link,
    /// Which way, as the VNet sees it.
    pub direction: Direction,
    /// The region, or for what crosses regions the billing zone, whose price it is.
    pub area: String,
    /// The name of the price sheet.
    pub sheet: String,
    /// Bytes in the month from which on the price holds.
    pub tier: u128,
    /// Price per GB.
    pub unit_price: Decimal,
}

impl Charge {
    /// The meter.
    pub const fn meter(&self) -> Meter {
        Meter::of(&self.link, self.direction)
    }
}

/// Usage that cannot be billed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RatingError {
    /// Some usage has no price.
    #[error("{}", lines(.0))]
    NoPrice(Vec<NoPrice>),
    /// An ARM id without subscription: nobody would pay.
    #[error(
        "`{vnet}` names no subscription that could pay; its ARM id begins with /subscriptions/"
    )]
    NoSubscription {
        /// The VNet.
        vnet: String,
    },
    /// A time that no calendar has.
    #[error("a record begins at second {0} since 1970, which is in no month")]
    NoMonth(i64),
    /// Numbers that are too large.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}

fn lines(problems: &[NoPrice]) -> String {
    let mut lines: Vec<String> = problems.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    if problems.len() > NAMED_MAX {
        lines.push(format!("and {} more without a price", problems.len() - NAMED_MAX));
    }
    lines.join("\n")
}

/// What volumes are counted by.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Volume<'u> {
    month: Month,
    subscription: &'u str,
    meter: Meter,
    area: &'u str,
}

/// Bytes of each charge. Usage fills the tiers of its month in the order of time; within an hour in the
/// order of links. All usage without a price is told at once.
pub fn rate(usage: &Usage, book: &PriceBook) -> Result<BTreeMap<Charge, i128>, RatingError> {
    let mut volumes: BTreeMap<Volume<'_>, u128> = BTreeMap::new();
    let mut charges = BTreeMap::new();
    let mut without = BTreeSet::new();
    for (cell, bytes) in usage.iter() {
        let month = Month::of(cell.hour).ok_or(RatingError::NoMonth(cell.hour))?;
        let prices = match book.prices(cell.hour, &cell.link, cell.direction) {
            Ok(prices) => prices,
            Err(error) => {
                without.insert(error);
                continue;
            }
        };
        let payer = payer(&cell.link)?;
        let meter = Meter::of(&cell.link, cell.direction);
        let volume = Volume { month, subscription: payer.subscription, meter, area: prices.area };
        let used = volumes.entry(volume).or_default();
        let end = used.checked_add(bytes).ok_or(TooLarge)?;
        let ends = prices.tiers.iter().skip(1).map(|it| it.above).chain([u128::MAX]);
        for (tier, tier_end) in prices.tiers.iter().zip(ends) {
            let part = end.min(tier_end).saturating_sub(tier.above.max(*used));
            if part == 0 {
                continue;
            }
            let charge = Charge {
                hour: cell.hour,
                link: cell.link.clone(),
                direction: cell.direction,
                area: prices.area.to_owned(),
                sheet: prices.sheet.to_owned(),
                tier: tier.above,
                unit_price: tier.unit_price,
            };
            charges.insert(charge, i128::try_from(part).map_err(|_| TooLarge)?);
        }
        *used = end;
    }
    if without.is_empty() {
        return Ok(charges);
    }
    let by_kind: BTreeSet<NoPrice> = without.into_iter().map(whole_day).collect();
    Err(RatingError::NoPrice(by_kind.into_iter().collect()))
}

/// Hours without a sheet, told by their day.
fn whole_day(problem: NoPrice) -> NoPrice {
    match problem {
        NoPrice::Time { at } => {
            NoPrice::Time { at: at.split('T').next().unwrap_or_default().to_owned() }
        }
        other => other,
    }
}

/// What bytes cost at a price: exact.
pub(super) fn cost(bytes: i128, unit_price: Decimal) -> Result<Decimal, TooLarge> {
    exact::product(exact::gigabytes(bytes)?, unit_price)
}

/// Who pays for a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Payer<'l> {
    pub(crate) subscription: &'l str,
    pub(crate) resource_group: &'l str,
}

/// From the ARM id of the link's VNet.
pub(crate) fn payer(link: &Link) -> Result<Payer<'_>, RatingError> {
    let after = |word: &str| {
        let mut segments = link.vnet.split('/').skip_while(|it| !it.eq_ignore_ascii_case(word));
        segments.nth(1).filter(|it| !it.is_empty())
    };
    let unknown = || RatingError::NoSubscription { vnet: link.vnet.clone() };
    let subscription = after("subscriptions").ok_or_else(unknown)?;
    Ok(Payer { subscription, resource_group: after("resourceGroups").unwrap_or_default() })
}
