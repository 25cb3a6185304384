//! Values that name things: ids, MAC addresses, IP addresses of either family.

mod addr;
mod ids;
mod mac;

pub use addr::{Addr, V4, V6};
pub use ids::{BalancerId, LinkId, NextHopId, NicId, PolicyId, RuleId, TableId, VnetId, VtepId};
pub use mac::{Mac, WireMac};
