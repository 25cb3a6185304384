//! What is wrong with a document, with places and fixes: collected while it is read, then shown all
//! at once, to people (miette) and to programs (JSON).

use std::{
    fmt,
    io::{IsTerminal, stderr},
    sync::Arc,
};

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, SourceCode};
use serde::Serialize;

use super::{
    code::Code,
    kept::Places,
    source::{LineIndex, Source, Span},
};

/// Whether a document with this problem can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but it hardly does what was meant.
    Warning,
}

/// A problem before it is bound to its file.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    code: Code,
    severity: Severity,
    message: String,
    help: String,
    span: Span,
    notes: Vec<(Span, String)>,
}

impl Finding {
    pub(super) fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        let severity = Severity::Error;
        let (message, help) = (message.into(), String::new());
        Self { code, severity, message, help, span, notes: Vec::new() }
    }

    pub(super) fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, span, message) }
    }

    /// What to do about it.
    pub(super) fn help(self, help: impl Into<String>) -> Self {
        Self { help: help.into(), ..self }
    }

    /// Another place that has to do with it.
    pub(super) fn note(mut self, span: Span, text: impl Into<String>) -> Self {
        self.notes.push((span, text.into()));
        self
    }
}

/// Everything that was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.0.extend(findings);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Leads from places to the text.
    pub(super) fn relocate(&mut self, places: &Places) {
        for finding in &mut self.0 {
            finding.span = places.find(finding.span);
            for (span, _) in &mut finding.notes {
                *span = places.find(*span);
            }
        }
    }

    /// Binds the findings to their file, in the order of their places.
    pub(super) fn into_problems(mut self, file: &str, text: &str) -> Problems {
        if self.0.is_empty() {
            return Problems(Vec::new());
        }
        self.0.sort_by_key(|finding| (finding.span.offset, finding.code));
        let source = Arc::new(Source { file: file.to_owned(), text: text.to_owned() });
        let lines = LineIndex::new(text);
        let problems = self.0.into_iter().map(|finding| {
            let span = finding.span.first_line(text);
            let (line, column) = lines.place(text, span.offset);
            let notes = finding.notes.into_iter();
            Problem {
                code: finding.code,
                severity: finding.severity,
                message: finding.message,
                file: file.to_owned(),
                line,
                column,
                text: text.get(span.offset..span.end()).unwrap_or("").to_owned(),
                help: finding.help,
                span,
                notes: notes.map(|(span, note)| (span.first_line(text), note)).collect(),
                source: Arc::clone(&source),
            }
        });
        Problems(problems.collect())
    }
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// What kind of mistake.
    pub code: Code,
    /// Whether the document can be used all the same.
    pub severity: Severity,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The file's name, as it was given.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The text at that place.
    pub text: String,
    /// What to do about it.
    pub help: String,
    #[serde(skip)]
    span: Span,
    #[serde(skip)]
    notes: Vec<(Span, String)>,
    #[serde(skip)]
    source: Arc<Source>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.help.is_empty()).then(|| Box::new(&self.help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        // A file that could not be read has no text to show.
        (!self.source.text.is_empty()).then_some(&*self.source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        // Among several places it must be plain which one is meant.
        let text = (!self.notes.is_empty()).then(|| "here".to_owned());
        let here = LabeledSpan::new_primary_with_span(text, (self.span.offset, self.span.len));
        let notes = self.notes.iter().map(|(span, note)| {
            LabeledSpan::new_with_span(Some(note.clone()), (span.offset, span.len))
        });
        Some(Box::new(std::iter::once(here).chain(notes)))
    }
}

/// How problems are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Colours and box-drawing characters.
    Fancy,
    /// ASCII without colours.
    Plain,
}

impl Style {
    /// Fancy if standard error is a terminal and nobody asked for no colours.
    pub fn for_stderr() -> Self {
        let colours = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        if colours && stderr().is_terminal() { Self::Fancy } else { Self::Plain }
    }

    fn theme(self) -> GraphicalTheme {
        match self {
            Self::Fancy => GraphicalTheme::unicode(),
            Self::Plain => GraphicalTheme::none(),
        }
    }
}

/// All problems of a document, in the order of their places.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Columns after which messages are wrapped.
    const WIDTH_COLUMNS: usize = 100;

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Everything for a person to read: each problem with its place and fix, and a last line that
    /// counts them.
    pub fn render(&self, style: Style) -> String {
        let handler = GraphicalReportHandler::new_themed(style.theme())
            .with_width(Self::WIDTH_COLUMNS)
            .with_links(false);
        let mut out = String::new();
        for problem in &self.0 {
            let mut drawn = String::new();
            // Writing to a String cannot fail; a source that cannot be drawn leaves the sentence.
            if handler.render_report(&mut drawn, problem).is_err() {
                drawn.clone_from(&problem.message);
            }
            for line in drawn.lines() {
                out.push_str(line.trim_end());
                out.push('\n');
            }
            out.push('\n');
        }
        out.push_str(&self.count());
        out.push('\n');
        out
    }

    fn count(&self) -> String {
        let warnings = self.iter().filter(|one| one.severity == Severity::Warning).count();
        let errors = self.len() - warnings;
        let plural = |count: usize, noun: &str| {
            format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
        };
        let counts = match (errors, warnings) {
            (_, 0) => plural(errors, "error"),
            (0, _) => plural(warnings, "warning"),
            _ => format!("{}, {}", plural(errors, "error"), plural(warnings, "warning")),
        };
        match self.0.first() {
            Some(first) => format!("{}: {counts}", first.file),
            None => counts,
        }
    }
}

impl<'p> IntoIterator for &'p Problems {
    type Item = &'p Problem;
    type IntoIter = std::slice::Iter<'p, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render(Style::Plain).trim_end())
    }
}

impl std::error::Error for Problems {}
