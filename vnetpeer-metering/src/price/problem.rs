//! What is wrong with a price file, all at once, with places and fixes.

use std::fmt;

use serde::Serialize;
use serde_saphyr::Location;

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line, from 1.
    pub line: u64,
    /// Column in characters, from 1.
    pub column: u64,
    /// What is wrong, in a sentence.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// All mistakes of a file, in the order of their places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problems {
    /// The file's name, as it was given.
    pub file: String,
    /// The mistakes.
    pub problems: Vec<Problem>,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, it) in self.problems.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            let (file, Problem { line, column, message, help }) = (&self.file, it);
            write!(f, "{line_break}{file}:{line}:{column}: {message}; {help}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Everything that was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Problem>);

impl Findings {
    pub(super) fn add(
        &mut self,
        at: Location,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let (message, help) = (message.into(), help.into());
        self.0.push(Problem { line: at.line(), column: at.column(), message, help });
    }

    /// The value if nothing was found.
    pub(super) fn or_value<T>(mut self, file: &str, value: T) -> Result<T, Problems> {
        if self.0.is_empty() {
            return Ok(value);
        }
        self.0.sort_by(|a, b| (a.line, a.column, &a.message).cmp(&(b.line, b.column, &b.message)));
        Err(Problems { file: file.to_owned(), problems: self.0 })
    }
}
