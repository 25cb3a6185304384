//! What usage costs. Records become usage by the hour, usage gets prices, and what was priced is told as
//! an invoice, as costs by whatever is asked, and as a forecast.

mod charge;
pub mod cost;
pub mod invoice;
mod month;
pub mod preview;
pub mod reconcile;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod usage;

pub(crate) use self::charge::payer;
pub use self::{
    charge::{Charge, RatingError, rate},
    month::{Month, time},
    usage::{Cell, Usage},
};
