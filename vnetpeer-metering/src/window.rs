//! Where windows are cut: at every hour of the wall clock, and where that clock was set.
//!
//! Time goes by the clock that nobody sets. The wall clock is expected to have gone the same way; if it
//! has not, it was set, and windows before and after do not know of each other.

use serde::{Deserialize, Serialize};

use crate::{
    reading::{Moment, Source},
    record::Cut,
};

const HOUR_MS: i64 = 3_600_000;
/// A wall clock that is off by more than this, and by more than [`SLEW`] of the time since the last
/// reading, was set.
const STEP_MS: u64 = 1_000;
/// The part of the time by which a wall clock may be slewed: the kernel allows half of it.
const SLEW: u64 = 1_000;
/// A reading this long after the end of an hour still is the last of that hour.
const TIMELY_MS: i64 = 5_000;

/// The last reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) moment: Moment,
    pub(crate) source: Source,
    /// Begin of the hour that all open windows are in, milliseconds since 1970.
    pub(crate) hour_ms: i64,
}

/// One end of all windows and the begin of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Boundary {
    /// Whether what was counted since the last reading belongs to the windows that end.
    pub(crate) is_timely: bool,
    pub(crate) end: Moment,
    pub(crate) ended_by: Cut,
    pub(crate) begin: Moment,
    pub(crate) begun_by: Cut,
}

/// Begin of the hour.
pub(crate) const fn hour_of(wall_ms: i64) -> i64 {
    wall_ms - wall_ms.rem_euclid(HOUR_MS)
}

/// What a reading in the same boot does to the windows; `None`: they go on.
pub(crate) fn turn(last: &Last, now: Moment) -> Option<Boundary> {
    let elapsed = now.boot_ms.saturating_sub(last.moment.boot_ms);
    let before = last.moment.wall_ms;
    let expected = before.saturating_add_unsigned(elapsed);
    let was_set = now.wall_ms.abs_diff(expected) > STEP_MS + elapsed / SLEW;
    // The time that the windows that are open would call it.
    let theirs = if was_set { expected } else { now.wall_ms.max(before) };
    let hour_end = last.hour_ms + HOUR_MS;
    if !was_set && theirs < hour_end {
        return None;
    }
    let is_timely = theirs < hour_end + TIMELY_MS;
    let end = if is_timely { after(last.moment, theirs.min(hour_end)) } else { last.moment };
    let begin = if was_set {
        now
    } else {
        let wall_ms = hour_of(theirs);
        let since = u64::try_from(now.wall_ms - wall_ms).unwrap_or(0);
        let boot_ms = now.boot_ms.saturating_sub(since).max(last.moment.boot_ms);
        Moment { wall_ms, boot_ms }
    };
    let cut = if was_set { Cut::ClockStep } else { Cut::Hour };
    Some(Boundary { is_timely, end, ended_by: cut, begin, begun_by: cut })
}

/// The moment that a wall clock which nobody sets calls `wall_ms`.
fn after(moment: Moment, wall_ms: i64) -> Moment {
    let since = u64::try_from(wall_ms - moment.wall_ms).unwrap_or(0);
    Moment { wall_ms: wall_ms.max(moment.wall_ms), boot_ms: moment.boot_ms + since }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_700_000_000_000 - 1_700_000_000_000 % HOUR_MS;

    fn last(wall_ms: i64) -> Last {
        let moment = Moment { wall_ms, boot_ms: 500_000 };
        Last { moment, source: Source::default(), hour_ms: hour_of(wall_ms) }
    }

    fn now(wall_ms: i64, elapsed: u64) -> Moment {
        Moment { wall_ms, boot_ms: 500_000 + elapsed }
    }

    #[test]
    fn a_reading_within_the_hour_cuts_nothing() {
        assert_eq!(turn(&last(NOON), now(NOON + 10_000, 10_000)), None);
        // Slewed, and late without crossing the hour.
        assert_eq!(turn(&last(NOON), now(NOON + 10_400, 10_000)), None);
        assert_eq!(turn(&last(NOON), now(NOON + 1_801_000, 1_800_000)), None);
        assert_eq!(turn(&last(NOON + 100), now(NOON, 0)), None);
    }

    #[test]
    fn a_reading_soon_after_the_hour_is_its_last() {
        let end = NOON + HOUR_MS;
        let boundary = turn(&last(end - 9_000), now(end + 1_000, 10_000)).unwrap();
        assert!(boundary.is_timely);
        assert_eq!((boundary.end, boundary.begin), (now(end, 9_000), now(end, 9_000)));
        assert_eq!((boundary.ended_by, boundary.begun_by), (Cut::Hour, Cut::Hour));
    }

    #[test]
    fn a_reading_long_after_the_hour_belongs_to_its_own() {
        let end = NOON + HOUR_MS;
        let boundary = turn(&last(end - 60_000), now(end + 4_000_000, 4_060_000)).unwrap();
        assert!(!boundary.is_timely);
        assert_eq!(boundary.end, last(end - 60_000).moment);
        assert_eq!(boundary.begin, now(end + HOUR_MS, 60_000 + 3_600_000));
    }

    #[test]
    fn a_clock_that_was_set_cuts_windows_on_its_own_time() {
        for set in [NOON + 2 * HOUR_MS, NOON - HOUR_MS, NOON + 20_000] {
            let boundary = turn(&last(NOON + 5_000), now(set, 10_000)).unwrap();
            assert!(boundary.is_timely);
            assert_eq!(boundary.end, now(NOON + 15_000, 10_000));
            assert_eq!(boundary.begin, now(set, 10_000));
            assert_eq!(boundary.begun_by, Cut::ClockStep);
        }
    }

    #[test]
    fn a_window_ends_with_its_hour_also_when_the_clock_was_set() {
        let end = NOON + HOUR_MS;
        let boundary = turn(&last(end - 2_000), now(NOON, 4_000)).unwrap();
        assert!(boundary.is_timely);
        assert_eq!(boundary.end, now(end, 2_000));
    }
}
