//! Prices as data: sheets for times, regions, billing zones and volumes. A [`PriceBook`] has passed all
//! rules, so what is left to go wrong in rating is usage that it has no price for.

mod document;
pub mod exact;
mod problem;
mod read;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};
use serde::{Serialize, Serializer};
use serde_json::Value;

pub use self::{
    document::RoundingMode,
    problem::{Problem, Problems},
};
use crate::record::{Direction, Link};

/// What is counted, in Azure's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter {
    /// Whether it is of VNets in different regions.
    pub global: bool,
    /// Which way.
    pub direction: Direction,
}

impl Meter {
    /// The meter of what a link carries.
    pub const fn of(link: &Link, direction: Direction) -> Self {
        Self { global: link.global, direction }
    }

    /// E.g. `Virtual Network Peering`.
    pub const fn product(self) -> &'static str {
        if self.global { "Global Virtual Network Peering" } else { "Virtual Network Peering" }
    }

    /// E.g. `Intra-Region Egress`.
    pub const fn name(self) -> &'static str {
        match (self.global, self.direction) {
            (false, Direction::Ingress) => "Intra-Region Ingress",
            (false, Direction::Egress) => "Intra-Region Egress",
            (true, Direction::Ingress) => "Inter-Region Ingress",
            (true, Direction::Egress) => "Inter-Region Egress",
        }
    }
}

impl Serialize for Meter {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Prices of all times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceBook {
    /// Of all prices.
    pub currency: Currency,
    /// Digits after the point that an invoice line has.
    pub decimals: u32,
    /// How an invoice line is rounded.
    pub rounding: RoundingMode,
    /// Id of who pays.
    pub billing_account_id: String,
    /// Name of who pays.
    pub billing_account_name: String,
    /// Who asks for the money.
    pub invoice_issuer: String,
    /// In the order of their times, which neither overlap nor leave a gap.
    sheets: Vec<Sheet>,
    /// As it was read, for who must be able to do the sums again.
    text: String,
}

/// Prices of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sheet {
    name: String,
    /// Seconds since 1970 (UTC).
    from: i64,
    /// Exclusive; none: for ever.
    to: Option<i64>,
    /// The zone of each region.
    zones: BTreeMap<String, String>,
    /// By region.
    intra_region: BTreeMap<String, Rates>,
    /// Of all other regions.
    elsewhere: Option<Rates>,
    /// By zone.
    inter_region: BTreeMap<String, Rates>,
}

/// Prices of one place.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rates {
    egress: Vec<Tier>,
    ingress: Vec<Tier>,
}

/// A price from a volume on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Bytes of a subscription, meter and area in a month that have other prices.
    pub above: u128,
    /// Per GB.
    pub unit_price: Decimal,
}

/// What usage is priced by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices<'p> {
    /// The name of the sheet.
    pub sheet: &'p str,
    /// The region, or for what crosses regions the billing zone, whose price it is.
    pub area: &'p str,
    /// From the lowest volume, which is 0, up.
    pub tiers: &'p [Tier],
}

/// There is no price for some usage. Nothing is ever free for want of a price.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum NoPrice {
    /// No sheet for the time.
    #[error(
        "no price sheet is in force at {at}; add one to priceSheets or mend its effectiveFrom and \
         effectiveTo"
    )]
    Time {
        /// The time, RFC 3339.
        at: String,
    },
    /// No zone for the region.
    #[error(
        "region `{region}` is in no billing zone of price sheet `{sheet}`; add it to the regions of \
         one of its billingZones"
    )]
    Zone {
        /// The region.
        region: String,
        /// The sheet.
        sheet: String,
    },
    /// No price within the region.
    #[error(
        "price sheet `{sheet}` has no price within region `{region}`; add an entry for it to \
         intraRegion, or one without regions for all others"
    )]
    Region {
        /// The region.
        region: String,
        /// The sheet.
        sheet: String,
    },
}

impl PriceBook {
    /// Reads prices, YAML or JSON. `file` names them in messages.
    pub fn read(file: &str, text: &str) -> Result<Self, Problems> {
        read::read(file, text)
    }

    /// JSON Schema (draft 2020-12) of the file.
    pub fn schema() -> Value {
        let mut schema = schemars::schema_for!(document::Document);
        schema.insert("title".to_owned(), "vnetpeer price file".into());
        schema.to_value()
    }

    /// The file's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the VNet of a link pays at a time, in seconds since 1970 (UTC).
    pub fn prices<'p>(
        &'p self,
        at: i64,
        link: &'p Link,
        direction: Direction,
    ) -> Result<Prices<'p>, NoPrice> {
        let in_force = |sheet: &&Sheet| sheet.from <= at && sheet.to.is_none_or(|to| at < to);
        let sheet = self.sheets.iter().find(in_force);
        let sheet = sheet.ok_or_else(|| NoPrice::Time { at: crate::rating::time(at) })?;
        let region = link.region.as_str();
        let (area, rates) = if link.global { sheet.zone(region) } else { sheet.region(region) }?;
        let tiers = match direction {
            Direction::Egress => &rates.egress,
            Direction::Ingress => &rates.ingress,
        };
        Ok(Prices { sheet: &sheet.name, area, tiers })
    }

    /// As it stands on an invoice line.
    pub fn round(&self, cost: Decimal) -> Decimal {
        let strategy = match self.rounding {
            RoundingMode::HalfEven => RoundingStrategy::MidpointNearestEven,
            RoundingMode::HalfUp => RoundingStrategy::MidpointAwayFromZero,
        };
        let mut rounded = cost.round_dp_with_strategy(self.decimals, strategy);
        rounded.rescale(self.decimals);
        rounded
    }
}

impl Sheet {
    fn zone(&self, region: &str) -> Result<(&str, &Rates), NoPrice> {
        let unknown = || NoPrice::Zone { region: region.to_owned(), sheet: self.name.clone() };
        let zone = self.zones.get(region).ok_or_else(unknown)?;
        let (zone, rates) = self.inter_region.get_key_value(zone).ok_or_else(unknown)?;
        Ok((zone, rates))
    }

    fn region<'s>(&'s self, region: &'s str) -> Result<(&'s str, &'s Rates), NoPrice> {
        let unknown = || NoPrice::Region { region: region.to_owned(), sheet: self.name.clone() };
        let rates = self.intra_region.get(region).or(self.elsewhere.as_ref());
        Ok((region, rates.ok_or_else(unknown)?))
    }
}
