//! The text of a document and places in it.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// Bytes of the source text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) offset: usize,
    pub(super) len: usize,
}

impl Span {
    pub(super) fn end(self) -> usize {
        self.offset.saturating_add(self.len)
    }

    /// The part of the span on its first line, cut to what `text` has: a label over many lines
    /// hides more than it shows.
    pub(super) fn first_line(self, text: &str) -> Self {
        let start = text.floor_char_boundary(self.offset.min(text.len()));
        let end = text.floor_char_boundary(self.end().clamp(start, text.len()));
        let line = text.get(start..end).and_then(|part| part.lines().next()).unwrap_or("");
        Self { offset: start, len: line.trim_end().len() }
    }
}

/// A document's file. Not miette's own type for it, which draws everything between two labels even
/// if they are thousands of lines apart.
#[derive(Debug)]
pub(super) struct Source {
    pub(super) file: String,
    pub(super) text: String,
}

impl Source {
    /// A part of the text that is longer than this is not drawn: it is not for people to read.
    const PART_BYTES_MAX: usize = 2_000;

    /// How much is drawn of a very long line before and after the span.
    const WINDOW_BYTES: usize = 50;

    /// The span and a little of its own line around it.
    fn window<'a>(
        &'a self,
        span: &SourceSpan,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let text = self.text.as_str();
        let place = text.read_span(span, 0, 0)?;
        let before = text.get(..span.offset()).unwrap_or("");
        let line = before.rfind('\n').map_or(0, |offset| offset + 1);
        let start = span.offset().saturating_sub(Self::WINDOW_BYTES).max(line);
        let start = text.ceil_char_boundary(start);
        let after = text.get(span.offset()..).unwrap_or("");
        let end = span.offset() + after.find('\n').unwrap_or(after.len());
        let end = end.min(span.offset() + span.len() + Self::WINDOW_BYTES);
        let end = text.floor_char_boundary(end);
        let skipped = text.get(start..span.offset()).map_or(0, |part| part.chars().count());
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            text.get(start..end).unwrap_or("").as_bytes(),
            (start, end.saturating_sub(start)).into(),
            place.line(),
            place.column().saturating_sub(skipped),
            1,
        )))
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let part = self.text.read_span(span, lines_before, lines_after)?;
        if part.data().len() > Self::PART_BYTES_MAX {
            return self.window(span);
        }
        Ok(Box::new(MietteSpanContents::new_named(
            self.file.clone(),
            part.data(),
            *part.span(),
            part.line(),
            part.column(),
            part.data().split(|byte| *byte == b'\n').count(),
        )))
    }
}

/// Where each line begins.
pub(super) struct LineIndex(Vec<usize>);

impl LineIndex {
    pub(super) fn new(text: &str) -> Self {
        let breaks = text.match_indices('\n').map(|(offset, _)| offset + 1);
        Self(std::iter::once(0).chain(breaks).collect())
    }

    /// Line and column, both counted from 1, the column in characters.
    pub(super) fn place(&self, text: &str, offset: usize) -> (usize, usize) {
        let line = self.0.partition_point(|start| *start <= offset);
        let start = line.checked_sub(1).and_then(|index| self.0.get(index)).copied().unwrap_or(0);
        let column = text.get(start..offset).map_or(0, |before| before.chars().count());
        (line, column + 1)
    }
}
