//! How well the kernel's wall clock is kept.

use std::{io, time::Duration};

use super::sys;

/// What the kernel says of its clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discipline {
    /// Whether somebody keeps it.
    pub is_synchronized: bool,
    /// How far it is off at most.
    pub error_max: Duration,
}

/// Asks adjtimex(2).
pub fn discipline() -> io::Result<Discipline> {
    let (is_synchronized, microseconds) = sys::clock_state()?;
    Ok(Discipline { is_synchronized, error_max: Duration::from_micros(microseconds) })
}
