//! What is known of one backend: its answers in a row, and what counts since when.

use tokio::time::{Duration, Instant};

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Record {
    /// What counts; `None` before the first answer.
    healthy: Option<bool>,
    /// Since when.
    since: Instant,
    /// Answers in a row that say the opposite.
    against: u32,
    /// When to ask next; `None` while an answer is awaited.
    pub(super) due: Option<Instant>,
    /// Why the last question had no good answer; `None` if it had one.
    pub(super) error: Option<String>,
}

impl Record {
    /// Somebody new, or somebody of whom `healthy` was known before this agent started.
    pub(super) fn new(healthy: Option<bool>) -> Self {
        let now = Instant::now();
        Self { healthy, since: now, against: 0, due: Some(now), error: None }
    }

    /// Whether the backend takes flows. Nobody does before the first good answer.
    pub(super) fn is_healthy(&self) -> bool {
        self.healthy == Some(true)
    }

    /// Whether it was asked already, now or before the agent started.
    pub(super) fn is_known(&self) -> bool {
        self.healthy.is_some()
    }

    /// How long what counts has been so.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Notes an answer; the next one is due at `due`. As many as `threshold` in a row change what counts;
    /// the first one decides alone. Returns whether the backend begins or ceases to take flows.
    pub(super) fn note(
        &mut self,
        answer: Result<(), String>,
        threshold: u32,
        due: Instant,
    ) -> bool {
        let good = answer.is_ok();
        let before = self.is_healthy();
        self.error = answer.err();
        self.due = Some(due);
        self.against = match self.healthy {
            Some(healthy) if healthy != good => self.against.saturating_add(1),
            _ => 0,
        };
        if self.healthy.is_none() || self.against >= threshold {
            self.healthy = Some(good);
            self.since = Instant::now();
            self.against = 0;
        }
        before != self.is_healthy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes answers and returns what counted after each.
    fn counted(before: Option<bool>, threshold: u32, answers: &str) -> String {
        let mut record = Record::new(before);
        let note = |answer| {
            let answer = if answer == '+' { Ok(()) } else { Err("no".to_owned()) };
            record.note(answer, threshold, Instant::now());
            if record.is_healthy() { '+' } else { '-' }
        };
        answers.chars().map(note).collect()
    }

    #[test]
    fn a_number_of_answers_in_a_row_changes_what_counts() {
        for (before, threshold, answers, expected) in [
            (None, 2, "+", "+"),
            (None, 2, "-++", "--+"),
            (Some(true), 2, "-+--+++", "+++--++"),
            (Some(true), 1, "-+-", "-+-"),
            (Some(false), 3, "++-+++", "-----+"),
        ] {
            assert_eq!(counted(before, threshold, answers), expected, "{answers}");
        }
    }
}
