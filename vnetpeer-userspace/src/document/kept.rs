//! What is kept of a document that was read, for the next one: elements of its long lists as they were
//! decoded, and where they were written.
//!
//! An element that is written as before, in the same list, is not read again. It keeps the places that it
//! was decoded with, so places are numbers of their own: every document has a range of them that no
//! document before it had, and [`Places`] leads from them to the text at hand.

use std::{any::Any, cell::OnceCell, collections::BTreeMap, fmt, rc::Rc, sync::Arc};

use super::source::Span;

/// How many elements ahead one is sought that is written as before.
const AHEAD: usize = 8;

/// An element of a list as it was decoded.
pub(super) type Decoded = Arc<dyn Any + Send + Sync>;

/// What is kept of a document. The first one is read after an empty one.
#[derive(Default)]
pub struct Kept {
    text: String,
    /// Where the places of the next document begin.
    next_place: usize,
    /// In the order of the text; one that holds others comes before them.
    elements: Vec<Element<Decoded>>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("elements", &self.elements.len()).finish_non_exhaustive()
    }
}

/// An element of a list in a text.
#[derive(Clone)]
pub(super) struct Element<D> {
    pub(super) context: Context,
    /// Where it begins in the text, and where what comes after it begins.
    start: usize,
    end: usize,
    /// How long it is itself.
    len: usize,
    /// The place of its beginning when it was decoded.
    place: usize,
    /// How many of those that follow are inside it.
    inside: usize,
    decoded: D,
}

/// What reading an element depends on besides its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Context {
    /// The names of the properties that lead to the list, as a hash.
    pub(super) path: u64,
    /// How deep it is.
    pub(super) depth: usize,
    /// The column of its text.
    pub(super) column: usize,
}

/// What an element is decoded to.
#[derive(Clone)]
pub(super) enum Slot<'k> {
    /// As before.
    Known(&'k Decoded),
    /// Where it is to be put when it is decoded.
    New(Rc<OnceCell<Decoded>>),
}

impl Default for Slot<'_> {
    fn default() -> Self {
        Self::New(Rc::default())
    }
}

impl Slot<'_> {
    pub(super) fn get(&self) -> Option<&Decoded> {
        match self {
            Self::Known(decoded) => Some(decoded),
            Self::New(cell) => cell.get(),
        }
    }

    /// Notes what a new element was decoded to; nothing else decodes it.
    pub(super) fn set(&self, decoded: Decoded) {
        if let Self::New(cell) = self {
            drop(cell.set(decoded));
        }
    }
}

/// The elements of a text while it is read.
pub(super) struct Keeper<'k> {
    before: &'k Kept,
    /// The first element of the document before that can come next.
    next: usize,
    elements: Vec<Element<Slot<'k>>>,
}

impl<'k> Keeper<'k> {
    pub(super) fn new(before: &'k Kept) -> Self {
        Self { before, next: 0, elements: Vec::with_capacity(before.elements.len()) }
    }

    /// The place of the beginning of the text.
    pub(super) fn first_place(&self) -> usize {
        self.before.next_place
    }

    /// The text that an element at `start` of `text` has, if one that is expected is written there.
    pub(super) fn find(&self, context: Context, text: &str, start: usize) -> Option<Found<'k>> {
        let rest = text.get(start..)?;
        let mut at = self.next;
        let siblings = std::iter::from_fn(|| {
            let element = self.before.elements.get(at)?;
            at += 1 + element.inside;
            Some(at - 1 - element.inside)
        });
        let candidates = (self.next..).take(AHEAD).chain(siblings.take(AHEAD));
        for index in candidates {
            let Some(element) = self.before.elements.get(index) else { continue };
            let written = self.before.text.get(element.start..element.end)?;
            if element.context == context && rest.starts_with(written) {
                return Some(Found { index, written, len: element.len });
            }
        }
        None
    }

    /// Notes that an element was found at `start`.
    pub(super) fn reuse(&mut self, found: &Found<'_>, start: usize) -> Slot<'k> {
        let before = self.before;
        let Some(element) = before.elements.get(found.index) else { return Slot::default() };
        let after = found.index + 1 + element.inside;
        let all = before.elements.get(found.index..after).unwrap_or_default();
        let moved = all.iter().map(|it| Element {
            context: it.context,
            start: start + it.start - element.start,
            end: start + it.end - element.start,
            len: it.len,
            place: it.place,
            inside: it.inside,
            decoded: Slot::Known(&it.decoded),
        });
        self.elements.extend(moved);
        self.next = after;
        Slot::Known(&element.decoded)
    }

    /// Notes that an element begins, and returns its number.
    pub(super) fn begin(&mut self, context: Context, start: usize) -> usize {
        let (place, inside) = (self.first_place() + start, 0);
        let decoded = Slot::default();
        self.elements.push(Element { context, start, end: start, len: 0, place, inside, decoded });
        self.elements.len() - 1
    }

    /// Notes where what comes after an element begins, and how long it is itself.
    pub(super) fn end(&mut self, number: usize, end: usize, len: usize) -> Slot<'k> {
        let inside = self.elements.len().saturating_sub(number + 1);
        let Some(element) = self.elements.get_mut(number) else { return Slot::default() };
        (element.end, element.len, element.inside) = (end, len, inside);
        element.decoded.clone()
    }

    /// Where everything is in the text.
    pub(super) fn places(&self) -> Places {
        let moved = self.elements.iter().map(|it| (it.place, (it.end - it.start, it.start)));
        Places { first: self.first_place(), moved: moved.collect() }
    }

    /// What to keep of a text in which all is well.
    pub(super) fn finish(self, text: &str) -> Kept {
        let next_place = self.first_place() + text.len() + 1;
        let decoded = |it: Element<Slot<'_>>| {
            Some(Element {
                decoded: Arc::clone(it.decoded.get()?),
                context: it.context,
                start: it.start,
                end: it.end,
                len: it.len,
                place: it.place,
                inside: it.inside,
            })
        };
        let elements: Option<Vec<_>> = self.elements.into_iter().map(decoded).collect();
        Kept { text: text.to_owned(), next_place, elements: elements.unwrap_or_default() }
    }
}

/// An element that is written as before.
pub(super) struct Found<'k> {
    index: usize,
    pub(super) written: &'k str,
    /// How long it is itself.
    pub(super) len: usize,
}

/// Leads from places to a text.
#[derive(Debug, Default)]
pub(super) struct Places {
    first: usize,
    /// The place of an element → how long it is, and where it is now.
    moved: BTreeMap<usize, (usize, usize)>,
}

impl Places {
    /// The part of the text that a span means.
    pub(super) fn find(&self, span: Span) -> Span {
        let before = self.moved.range(..=span.offset).rev();
        let around = before.map(|(place, it)| (span.offset - place, it));
        let around = around.into_iter().find(|(within, (len, _))| within <= len);
        let offset = around.map_or_else(
            || span.offset.saturating_sub(self.first),
            |(within, (_, start))| start + within,
        );
        Span { offset, ..span }
    }
}
