//! Somebody who may do nothing must not fill the disk with records of it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Denials of one user that are recorded in [`WINDOW`].
const PER_WINDOW: u32 = 60;
const WINDOW: Duration = Duration::from_mins(1);
/// Users that are told apart; all others count together.
const USERS_MAX: usize = 256;
/// Stands for all others: nobody has this number.
const OTHERS: u32 = u32::MAX;

#[derive(Debug, Default)]
pub(super) struct Limiter(HashMap<u32, Window>);

#[derive(Debug)]
struct Window {
    begin: Instant,
    recorded: u32,
    suppressed: u64,
}

impl Limiter {
    /// Whether a denial is to be recorded, and how many were not before it.
    pub(super) fn admit(&mut self, uid: u32, now: Instant) -> Option<u64> {
        let is_new = !self.0.contains_key(&uid) && self.0.len() >= USERS_MAX;
        let uid = if is_new { OTHERS } else { uid };
        let window = self.0.entry(uid).or_insert(Window { begin: now, recorded: 0, suppressed: 0 });
        if now.duration_since(window.begin) >= WINDOW {
            window.begin = now;
            window.recorded = 0;
        }
        if window.recorded >= PER_WINDOW {
            window.suppressed += 1;
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_of_one_user_are_bounded_and_the_rest_is_counted() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        let recorded = (0..100).filter(|_| limiter.admit(1000, now).is_some()).count();
        assert_eq!(recorded, 60);
        assert_eq!(limiter.admit(1001, now), Some(0), "another user is not concerned");
        assert_eq!(limiter.admit(1000, now + WINDOW), Some(40));
        assert_eq!(limiter.admit(1000, now + WINDOW), Some(0));
    }

    #[test]
    fn many_users_count_together() {
        let (mut limiter, now) = (Limiter::default(), Instant::now());
        let recorded = (0..10_000).filter(|uid| limiter.admit(*uid, now).is_some()).count();
        assert_eq!(recorded, USERS_MAX + 60);
    }
}
