//! The invoice of a month. Its lines are the only thing that is rounded; its total is the sum of what the
//! lines say.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    Month, RatingError, Usage,
    charge::{Charge, cost, payer, rate},
};
use crate::{
    price::{
        Meter, PriceBook, RoundingMode,
        exact::{gigabytes, sum},
    },
    record::{Direction, LinkKind},
};

/// The invoice of a month.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invoice {
    /// The month.
    pub month: Month,
    /// ISO 4217 code.
    pub currency: String,
    /// Id of who pays.
    pub billing_account_id: String,
    /// Name of who pays.
    pub billing_account_name: String,
    /// Who asks for the money.
    pub invoice_issuer: String,
    /// How lines are rounded, in words.
    pub rounding: String,
    /// By subscription, VNet, link, direction and price.
    pub lines: Vec<Line>,
    /// Sum of the lines' amounts for each subscription.
    pub subscriptions: Vec<Subtotal>,
    /// Sum of the lines' exact costs.
    pub cost: Decimal,
    /// Sum of the lines' amounts: what is to be paid.
    pub amount: Decimal,
}

/// What is asked for one link, direction and price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// What is billed.
    #[serde(flatten)]
    pub item: Item,
    /// What the link carried.
    #[serde(serialize_with = "as_text")]
    pub bytes: i128,
    /// The same in GB (10⁹ bytes), exact.
    pub quantity: Decimal,
    /// Quantity times unit price, exact.
    pub cost: Decimal,
    /// The cost, rounded.
    pub amount: Decimal,
}

/// What a line is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Id of the subscription that pays.
    pub subscription: String,
    /// Resource group of the VNet.
    pub resource_group: String,
    /// ARM id of the VNet that pays.
    pub virtual_network: String,
    /// ARM id of the link.
    pub resource: String,
    /// Tells links apart that had the same id one after the other.
    pub resource_guid: Uuid,
    /// What kind of link.
    pub kind: LinkKind,
    /// Which way, as the VNet sees it.
    pub direction: Direction,
    /// E.g. `Virtual Network Peering`.
    pub product: &'static str,
    /// E.g. `Intra-Region Egress`.
    pub meter: Meter,
    /// Region of the VNet that pays.
    pub region: String,
    /// The region, or for what crosses regions the billing zone, whose price it is.
    pub price_area: String,
    /// The price sheet.
    pub price_sheet: String,
    /// GB of the month from which on the price holds.
    pub tier_above: Decimal,
    /// Per GB.
    pub unit_price: Decimal,
}

/// What a subscription pays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subtotal {
    /// Its id.
    pub subscription: String,
    /// Exact.
    pub cost: Decimal,
    /// Sum of the rounded lines.
    pub amount: Decimal,
}

/// The invoice for the usage of one month.
pub fn invoice(month: Month, usage: Usage, book: &PriceBook) -> Result<Invoice, RatingError> {
    of_charges(month, &rate(&usage.in_month(month), book)?, book)
}

/// The invoice for what has been priced, which is all of one month.
pub(crate) fn of_charges(
    month: Month,
    charges: &BTreeMap<Charge, i128>,
    book: &PriceBook,
) -> Result<Invoice, RatingError> {
    let mut items: BTreeMap<Item, i128> = BTreeMap::new();
    for (charge, bytes) in charges {
        let total = items.entry(Item::of(charge)?).or_default();
        *total = total.checked_add(*bytes).ok_or(crate::price::exact::TooLarge)?;
    }
    let mut lines = Vec::new();
    for (item, bytes) in items {
        let cost = cost(bytes, item.unit_price)?;
        let quantity = gigabytes(bytes)?;
        lines.push(Line { item, bytes, quantity, cost, amount: book.round(cost) });
    }
    let mut subscriptions: Vec<Subtotal> = Vec::new();
    let mut total = Subtotal {
        subscription: String::new(),
        cost: Decimal::ZERO,
        amount: book.round(Decimal::ZERO),
    };
    for line in &lines {
        let subscription = &line.item.subscription;
        if subscriptions.last().is_none_or(|it| it.subscription != *subscription) {
            let subscription = subscription.clone();
            let (cost, amount) = (Decimal::ZERO, book.round(Decimal::ZERO));
            subscriptions.push(Subtotal { subscription, cost, amount });
        }
        for subtotal in subscriptions.last_mut().into_iter().chain([&mut total]) {
            subtotal.cost = sum(subtotal.cost, line.cost)?;
            subtotal.amount = book.round(sum(subtotal.amount, line.amount)?);
        }
    }
    Ok(Invoice {
        month,
        currency: book.currency.code().to_owned(),
        billing_account_id: book.billing_account_id.clone(),
        billing_account_name: book.billing_account_name.clone(),
        invoice_issuer: book.invoice_issuer.clone(),
        rounding: rounding(book),
        lines,
        subscriptions,
        cost: total.cost,
        amount: total.amount,
    })
}

impl Item {
    pub(crate) fn of(charge: &Charge) -> Result<Self, RatingError> {
        let link = &charge.link;
        let payer = payer(link)?;
        Ok(Self {
            subscription: payer.subscription.to_owned(),
            resource_group: payer.resource_group.to_owned(),
            virtual_network: link.vnet.clone(),
            resource: link.id.clone(),
            resource_guid: link.guid,
            kind: link.kind,
            direction: charge.direction,
            product: charge.meter().product(),
            meter: charge.meter(),
            region: link.region.clone(),
            price_area: charge.area.clone(),
            price_sheet: charge.sheet.clone(),
            tier_above: gigabytes(i128::try_from(charge.tier).unwrap_or(i128::MAX))?,
            unit_price: charge.unit_price,
        })
    }
}

fn rounding(book: &PriceBook) -> String {
    let mode = match book.rounding {
        RoundingMode::HalfEven => "to the even digit",
        RoundingMode::HalfUp => "away from zero",
    };
    format!("each line to {} decimals, a half {mode}; nothing else is rounded", book.decimals)
}

/// Numbers over 2⁵³ are text in JSON: readers that know only floats would change them.
fn as_text<S: serde::Serializer>(bytes: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(bytes)
}

impl Invoice {
    /// The lines as CSV (RFC 4180) with a header.
    pub fn to_csv(&self) -> Result<String, csv::Error> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        csv.write_record(COLUMNS)?;
        for line in &self.lines {
            let item = &line.item;
            csv.write_record([
                &self.month.to_string(),
                &item.subscription,
                &item.resource_group,
                &item.virtual_network,
                &item.resource,
                &item.resource_guid.to_string(),
                &format!("{:?}", item.kind),
                &format!("{:?}", item.direction),
                item.product,
                item.meter.name(),
                &item.region,
                &item.price_area,
                &item.price_sheet,
                &item.tier_above.to_string(),
                &line.bytes.to_string(),
                &line.quantity.to_string(),
                "GB",
                &item.unit_price.to_string(),
                &line.cost.to_string(),
                &line.amount.to_string(),
                &self.currency,
            ])?;
        }
        let bytes = csv.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

const COLUMNS: [&str; 21] = [
    "Month",
    "SubscriptionId",
    "ResourceGroup",
    "VirtualNetwork",
    "ResourceId",
    "ResourceGuid",
    "Kind",
    "Direction",
    "Product",
    "MeterName",
    "ResourceLocation",
    "PriceArea",
    "PriceSheet",
    "TierAboveGB",
    "Bytes",
    "Quantity",
    "UnitOfMeasure",
    "UnitPrice",
    "Cost",
    "Amount",
    "BillingCurrency",
];
