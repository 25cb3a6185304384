//! Who may do what: roles, scopes and the checks that Azure links to an action. No input or output, and no
//! clock.
//!
//! ```text
//! unix user ─caller─▶ Caller ┐
//! old and new document ─changes─▶ Access ─┴─check─▶ Verdict
//! ```
//!
//! - [`caller`]: which principals a unix user and its groups act as.
//! - [`decide`](mod@decide): one action on one resource.
//! - [`access`]: an action with what Azure links to it, and Azure's words if it is denied.
//! - [`changes`]: what a new document does, as such actions.
//! - [`arm`]: roles and assignments in ARM's shape.
//! - [`roles`]: the roles that are built in; [`pattern`]: `*` in actions; [`scope`]: what is below what.

pub mod access;
pub mod arm;
pub mod caller;
pub mod changes;
pub mod decide;
pub mod pattern;
pub mod roles;
pub mod scope;
#[cfg(test)]
mod tests;
