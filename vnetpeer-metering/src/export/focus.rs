//! Rows of cost in the columns of FOCUS 1.2, the specification of cost data.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde_json::json;

use crate::{
    price::{
        PriceBook,
        exact::{gigabytes, product, sum},
    },
    rating::{
        Charge, Month, RatingError,
        invoice::{Invoice, Item, Line, of_charges},
        time,
    },
    record::LinkKind,
};

/// Seconds of an hour.
const HOUR: i64 = 3_600;

/// What the rows of a file have in common.
pub(super) struct Context<'b> {
    pub(super) book: &'b PriceBook,
    /// The month of the usage.
    pub(super) month: Month,
    /// The month in which it is billed; another one for a correction.
    pub(super) billed_in: Month,
    /// The invoice; none as long as there is none.
    pub(super) invoice_id: Option<String>,
    pub(super) is_correction: bool,
}

/// What a row is about.
struct Row<'r> {
    context: &'r Context<'r>,
    item: Item,
    /// Begin and end, seconds since 1970 (UTC).
    period: (i64, i64),
    cost: Decimal,
    /// The usage; none for what rounding adds or takes.
    usage: Option<Usage<'r>>,
}

struct Usage<'r> {
    charge: &'r Charge,
    bytes: i128,
    quantity: Decimal,
}

/// A file with its sums.
pub(super) struct Focus {
    pub(super) csv: Vec<u8>,
    pub(super) rows: usize,
    pub(super) bytes: i128,
    pub(super) cost: Decimal,
    pub(super) amount: Decimal,
}

/// The rows of charges as CSV. Once there is an invoice, its rounding has rows of its own, so that the
/// rows of an invoice add up to its amount.
pub(super) fn to_csv(
    charges: &BTreeMap<Charge, i128>,
    context: &Context<'_>,
) -> Result<Focus, super::ExportError> {
    let invoice = of_charges(context.month, charges, context.book)?;
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record(COLUMNS.iter().map(|(name, _)| name))?;
    let (mut rows, mut bytes) = (0, 0_i128);
    for (charge, of_charge) in charges {
        let row = usage_row(charge, *of_charge, context)?;
        csv.write_record(COLUMNS.iter().map(|(_, value)| value(&row)))?;
        rows += 1;
        bytes = bytes.saturating_add(*of_charge);
    }
    if context.invoice_id.is_some() {
        for row in rounding_rows(&invoice, context)? {
            csv.write_record(COLUMNS.iter().map(|(_, value)| value(&row)))?;
            rows += 1;
        }
    }
    let csv = csv.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok(Focus { csv, rows, bytes, cost: invoice.cost, amount: invoice.amount })
}

fn usage_row<'r>(
    charge: &'r Charge,
    bytes: i128,
    context: &'r Context<'r>,
) -> Result<Row<'r>, RatingError> {
    let quantity = gigabytes(bytes)?;
    Ok(Row {
        context,
        item: Item::of(charge)?,
        period: (charge.hour, charge.hour + HOUR),
        cost: product(quantity, charge.unit_price)?,
        usage: Some(Usage { charge, bytes, quantity }),
    })
}

fn rounding_rows<'r>(
    invoice: &Invoice,
    context: &'r Context<'r>,
) -> Result<Vec<Row<'r>>, RatingError> {
    let mut rows = Vec::new();
    for Line { item, cost, amount, .. } in &invoice.lines {
        let cost = sum(*amount, -cost)?;
        if !cost.is_zero() {
            let period = (context.month.start(), context.month.end());
            rows.push(Row { context, item: item.clone(), period, cost, usage: None });
        }
    }
    Ok(rows)
}

impl Row<'_> {
    fn cost(&self) -> String {
        self.cost.normalize().to_string()
    }

    /// What only rows of usage have.
    fn of_usage(&self, value: impl FnOnce(&Usage<'_>) -> String) -> String {
        self.usage.as_ref().map(value).unwrap_or_default()
    }

    fn unit_price(&self) -> String {
        self.of_usage(|it| it.charge.unit_price.to_string())
    }

    fn quantity(&self) -> String {
        self.of_usage(|it| it.quantity.to_string())
    }

    fn description(&self) -> String {
        let Item { product, meter, price_area, .. } = &self.item;
        let of = format!("{product}, {}, {price_area}", meter.name());
        if self.usage.is_some() { of } else { format!("Rounding of the invoice line: {of}") }
    }

    fn sku(&self) -> String {
        format!("{}/{}", self.item.product, self.item.meter.name()).replace(' ', "-").to_lowercase()
    }

    fn sku_price(&self) -> String {
        let Item { price_sheet, price_area, tier_above, .. } = &self.item;
        format!("{}/{price_sheet}/{price_area}/{tier_above}", self.sku()).replace(' ', "-")
    }

    fn price_details(&self) -> String {
        let Item { price_sheet, price_area, tier_above, .. } = &self.item;
        json!({
            "x_PriceArea": price_area,
            "x_PriceSheet": price_sheet,
            "x_TierAboveGB": tier_above.to_string(),
        })
        .to_string()
    }

    fn resource_type(&self) -> String {
        match self.item.kind {
            LinkKind::Peering => "Virtual Network Peering".to_owned(),
            LinkKind::ConnectedGroup => "Connected Group".to_owned(),
        }
    }

    fn remote(&self, which: fn(&Charge) -> Option<&String>) -> String {
        self.of_usage(|it| which(it.charge).cloned().unwrap_or_default())
    }
}

type Column = (&'static str, fn(&Row<'_>) -> String);

/// In the order of the specification; own columns after them. What is null is empty.
const COLUMNS: [Column; 65] = [
    ("AvailabilityZone", |_| String::new()),
    ("BilledCost", |row| row.cost()),
    ("BillingAccountId", |row| row.context.book.billing_account_id.clone()),
    ("BillingAccountName", |row| row.context.book.billing_account_name.clone()),
    ("BillingAccountType", |_| "Billing Account".to_owned()),
    ("BillingCurrency", |row| row.context.book.currency.code().to_owned()),
    ("BillingPeriodEnd", |row| time(row.context.billed_in.end())),
    ("BillingPeriodStart", |row| time(row.context.billed_in.start())),
    ("CapacityReservationId", |_| String::new()),
    ("CapacityReservationStatus", |_| String::new()),
    ("ChargeCategory", |row| if row.usage.is_some() { "Usage" } else { "Adjustment" }.to_owned()),
    ("ChargeClass", |row| if row.context.is_correction { "Correction" } else { "" }.to_owned()),
    ("ChargeDescription", |row| row.description()),
    ("ChargeFrequency", |row| {
        if row.usage.is_some() { "Usage-Based" } else { "One-Time" }.to_owned()
    }),
    ("ChargePeriodEnd", |row| time(row.period.1)),
    ("ChargePeriodStart", |row| time(row.period.0)),
    ("CommitmentDiscountCategory", |_| String::new()),
    ("CommitmentDiscountId", |_| String::new()),
    ("CommitmentDiscountName", |_| String::new()),
    ("CommitmentDiscountQuantity", |_| String::new()),
    ("CommitmentDiscountStatus", |_| String::new()),
    ("CommitmentDiscountType", |_| String::new()),
    ("CommitmentDiscountUnit", |_| String::new()),
    ("ConsumedQuantity", |row| row.quantity()),
    ("ConsumedUnit", |row| row.of_usage(|_| "GB".to_owned())),
    ("ContractedCost", |row| row.cost()),
    ("ContractedUnitPrice", |row| row.unit_price()),
    ("EffectiveCost", |row| row.cost()),
    ("InvoiceId", |row| row.context.invoice_id.clone().unwrap_or_default()),
    ("InvoiceIssuerName", |row| row.context.book.invoice_issuer.clone()),
    ("ListCost", |row| row.cost()),
    ("ListUnitPrice", |row| row.unit_price()),
    ("PricingCategory", |row| row.of_usage(|_| "Standard".to_owned())),
    ("PricingCurrency", |row| row.context.book.currency.code().to_owned()),
    ("PricingCurrencyContractedUnitPrice", |row| row.unit_price()),
    ("PricingCurrencyEffectiveCost", |row| row.cost()),
    ("PricingCurrencyListUnitPrice", |row| row.unit_price()),
    ("PricingQuantity", |row| row.quantity()),
    ("PricingUnit", |row| row.of_usage(|_| "GB".to_owned())),
    ("ProviderName", |row| row.context.book.invoice_issuer.clone()),
    ("PublisherName", |_| "vnetpeer".to_owned()),
    ("RegionId", |row| row.item.region.clone()),
    ("RegionName", |row| row.item.region.clone()),
    ("ResourceId", |row| row.item.resource.clone()),
    ("ResourceName", |row| row.item.resource.rsplit('/').next().unwrap_or_default().to_owned()),
    ("ResourceType", |row| row.resource_type()),
    ("ServiceCategory", |_| "Networking".to_owned()),
    ("ServiceName", |_| "Virtual Network".to_owned()),
    ("ServiceSubcategory", |_| "Network Connectivity".to_owned()),
    ("SkuId", |row| row.of_usage(|_| row.sku())),
    ("SkuMeter", |row| row.of_usage(|_| row.item.meter.name().to_owned())),
    ("SkuPriceDetails", |row| row.of_usage(|_| row.price_details())),
    ("SkuPriceId", |row| row.of_usage(|_| row.sku_price())),
    ("SubAccountId", |row| row.item.subscription.clone()),
    ("SubAccountName", |row| row.item.subscription.clone()),
    ("SubAccountType", |_| "Subscription".to_owned()),
    ("Tags", |row| {
        row.of_usage(|it| serde_json::to_string(&it.charge.link.tags).unwrap_or_default())
    }),
    ("x_RawBytes", |row| row.of_usage(|it| it.bytes.to_string())),
    ("x_Direction", |row| format!("{:?}", row.item.direction)),
    ("x_ResourceGuid", |row| row.item.resource_guid.to_string()),
    ("x_ResourceGroup", |row| row.item.resource_group.clone()),
    ("x_VirtualNetworkId", |row| row.item.virtual_network.clone()),
    ("x_RemoteVirtualNetworkId", |row| row.remote(|it| it.link.remote_vnet.as_ref())),
    ("x_RemoteRegionId", |row| row.remote(|it| it.link.remote_region.as_ref())),
    ("x_Product", |row| row.item.product.to_owned()),
];
