//! Flows: who may talk, decided once per connection and remembered.
//!
//! [`admit()`] asks the flow table, which is the truth, and judges the first packet of a flow by the
//! NIC's policies. [`cache`] remembers for a second at most what the whole path decided, so that the
//! packets between cost one lookup; it decides nothing itself.

mod admit;
pub(super) mod balance;
pub(super) mod cache;
pub(super) mod fragment;
mod judge;
mod live;
mod query;
pub(super) mod quote;

pub use admit::admit;
pub use balance::{Found, arrive, choose, floats, slot_of_turn, turn};
pub use fragment::keep_fragment;
pub use judge::{Case, classify};
pub use live::{LiveCached, LiveFlow, LiveTags, Opened};
pub use query::{Admission, FlowQuery, query_flags};
