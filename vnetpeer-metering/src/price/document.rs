//! A price file as it is written. Numbers are kept as text until they are decimals.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_saphyr::Spanned;

/// What peering costs, and who sends the invoice to whom.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    /// ISO 4217 code of all prices, e.g. `USD`.
    #[schemars(with = "String")]
    pub(super) currency: Spanned<String>,
    /// How the lines of an invoice are rounded. Nothing else is.
    #[serde(default)]
    pub(super) rounding: Rounding,
    /// Who pays.
    pub(super) billing_account: BillingAccount,
    /// Who asks for the money.
    #[schemars(with = "String")]
    pub(super) invoice_issuer: Spanned<String>,
    /// Prices, each for a time.
    #[schemars(with = "Vec<SheetDocument>")]
    pub(super) price_sheets: Vec<Spanned<SheetDocument>>,
}

/// How the lines of an invoice are rounded.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Rounding {
    /// Digits after the point, at most 9; those of the currency unless given.
    #[schemars(with = "Option<u32>", range(min = 0, max = 9))]
    pub(super) decimals: Option<Spanned<u32>>,
    /// What becomes of an amount in the middle.
    #[serde(default)]
    pub(super) mode: RoundingMode,
}

/// What becomes of an amount in the middle between two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum RoundingMode {
    /// The one whose last digit is even.
    #[default]
    HalfEven,
    /// The one that is farther from zero.
    HalfUp,
}

/// Who pays.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BillingAccount {
    /// Its id.
    #[schemars(with = "String")]
    pub(super) id: Spanned<String>,
    /// Its name.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
}

/// The prices of a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SheetDocument {
    /// A name of its own, for invoices.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// The first day, `YYYY-MM-DD` (UTC).
    #[schemars(with = "String", regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub(super) effective_from: Spanned<String>,
    /// The day after the last one; unless given until the next sheet begins, or for ever.
    #[schemars(with = "Option<String>", regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub(super) effective_to: Option<Spanned<String>>,
    /// Which regions are in which billing zone.
    #[serde(default)]
    pub(super) billing_zones: Vec<Zone>,
    /// Prices between VNets of one region.
    #[serde(default)]
    #[schemars(with = "Vec<IntraRegion>")]
    pub(super) intra_region: Vec<Spanned<IntraRegion>>,
    /// Prices between VNets of different regions, by the billing zone of the VNet that pays.
    #[serde(default)]
    pub(super) inter_region: Vec<InterRegion>,
}

/// A billing zone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Zone {
    /// Its name.
    #[schemars(with = "String")]
    pub(super) name: Spanned<String>,
    /// Its regions, e.g. `westeurope`.
    #[schemars(with = "Vec<String>")]
    pub(super) regions: Vec<Spanned<String>>,
}

/// Prices within some regions.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct IntraRegion {
    /// The regions; all that no other entry names unless given.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) regions: Option<Vec<Spanned<String>>>,
    /// Per GB that leaves a VNet.
    #[schemars(with = "Number")]
    pub(super) egress: Spanned<String>,
    /// Per GB that enters a VNet.
    #[schemars(with = "Number")]
    pub(super) ingress: Spanned<String>,
    /// Other prices for larger volumes.
    #[serde(default)]
    pub(super) tiers: Vec<Tier>,
}

/// Prices in a billing zone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct InterRegion {
    /// The zone.
    #[schemars(with = "String")]
    pub(super) zone: Spanned<String>,
    /// Per GB that leaves a VNet.
    #[schemars(with = "Number")]
    pub(super) egress: Spanned<String>,
    /// Per GB that enters a VNet.
    #[schemars(with = "Number")]
    pub(super) ingress: Spanned<String>,
    /// Other prices for larger volumes.
    #[serde(default)]
    pub(super) tiers: Vec<Tier>,
}

/// Prices of what a subscription uses of one meter in a month over a volume. What is below keeps its price.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Tier {
    /// The volume in GB (10⁹ bytes).
    #[schemars(with = "Number")]
    pub(super) above: Spanned<String>,
    /// Per GB that leaves a VNet.
    #[schemars(with = "Number")]
    pub(super) egress: Spanned<String>,
    /// Per GB that enters a VNet.
    #[schemars(with = "Number")]
    pub(super) ingress: Spanned<String>,
}

/// Describes numbers in the schema: exact as text and as a number, because they are never read as floats.
struct Number;

impl JsonSchema for Number {
    fn schema_name() -> Cow<'static, str> {
        "Number".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Not negative, with at most 9 digits after the point.",
            "type": ["number", "string"],
            "minimum": 0,
            "pattern": r"^\d+(\.\d{1,9})?$",
        })
    }
}
