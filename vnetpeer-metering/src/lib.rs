//! What the meters of the datapath counted, as something that can be billed: readings become records,
//! records get prices, and both are exported. Nothing here knows the kernel or the network's document.

pub mod export;
pub mod ledger;
pub mod merge;
pub mod price;
pub mod rating;
pub mod reading;
pub mod record;
mod window;
