//! Billing months: those of the calendar, in UTC.

use std::{fmt, str::FromStr};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Serialize, Serializer};

/// A billing month.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    first_day: Date,
}

impl Month {
    /// The month of a time, in seconds since 1970 (UTC); none for times that no calendar has.
    pub fn of(seconds: i64) -> Option<Self> {
        let date = Timestamp::from_second(seconds).ok()?.to_zoned(TimeZone::UTC).date();
        let month = Self { first_day: date.first_of_month() };
        // Both ends must be times, too.
        begin(month.first_day)?;
        begin(month.next()?.first_day)?;
        Some(month)
    }

    /// The month after it.
    pub fn next(self) -> Option<Self> {
        let first_day = self.first_day.last_of_month().tomorrow().ok()?;
        Some(Self { first_day })
    }

    /// Its first second, since 1970 (UTC).
    pub fn start(self) -> i64 {
        begin(self.first_day).unwrap_or_default()
    }

    /// The first second after it.
    pub fn end(self) -> i64 {
        self.next().map_or(i64::MAX, Self::start)
    }
}

fn begin(date: Date) -> Option<i64> {
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.first_day.year(), self.first_day.month())
    }
}

impl FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let problem = "write a month as YYYY-MM";
        let is_month = text.len() == "2026-01".len() && text.is_ascii();
        let date = format!("{text}-01").parse::<Date>().ok().filter(|_| is_month);
        let month = date.and_then(begin).and_then(Self::of);
        month.ok_or(problem)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time in RFC 3339; only its number if no calendar has it.
pub fn time(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |it| it.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let month: Month = "2028-02".parse().unwrap();
        assert_eq!(month.to_string(), "2028-02");
        assert_eq!(time(month.start()), "2028-02-01T00:00:00Z");
        assert_eq!(time(month.end()), "2028-03-01T00:00:00Z");
        assert_eq!(Month::of(month.end() - 1), Some(month));
        assert_eq!(Month::of(month.end()), month.next());
    }

    #[test]
    fn what_is_no_month_is_refused() {
        for text in ["", "2026", "2026-13", "2026-1", "2026-01-01", "26-01-0", "é26-01"] {
            assert!(text.parse::<Month>().is_err(), "{text}");
        }
        assert_eq!(Month::of(i64::MAX), None);
        assert_eq!(Month::of(i64::MIN), None);
        assert_eq!(time(i64::MAX), i64::MAX.to_string());
    }
}
