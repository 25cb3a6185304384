//! Text to a tree of values that know their places. Takes YAML, and JSON as the part of YAML that it
//! is. Judges nothing but syntax and size.

mod quick;

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Error, Spanned, options::MergeKeyPolicy};

use super::{
    code::Code,
    kept::{Keeper, Kept, Slot},
    problem::{Finding, Findings},
    source::Span,
};

/// Largest number of values in a document: 100,000 NICs with all their properties fit several times.
const NODES_MAX: usize = 20_000_000;

/// Largest number of values that aliases may add.
const ALIASED_NODES_MAX: usize = 100_000;

/// Deepest nesting; no document needs half of it. Reading recurses, and must not exhaust the stack of
/// a thread.
const DEPTH_MAX: usize = 32;

/// A value and its place.
#[derive(Debug, PartialEq)]
pub(super) struct Node<'t> {
    pub(super) span: Span,
    pub(super) value: Value<'t>,
}

/// What a value can be.
#[derive(Debug, PartialEq)]
pub(super) enum Value<'t> {
    Null,
    Bool(bool),
    /// The number, if it is a whole one of 64 bits.
    Number(Option<i64>),
    Text(Cow<'t, str>),
    List(Vec<Node<'t>>),
    /// A list of which some elements may be known.
    Elements(Vec<Element<'t>>),
    Object(Vec<(Node<'t>, Node<'t>)>),
}

/// An element of a long list.
#[derive(Debug, PartialEq)]
pub(super) struct Element<'t> {
    pub(super) span: Span,
    /// `None` if it is known what it was decoded to.
    pub(super) node: Option<Node<'t>>,
    /// What it is decoded to.
    pub(super) slot: SlotOf<'t>,
}

/// A slot; two trees are the same whatever they were decoded to.
pub(super) struct SlotOf<'t>(pub(super) Slot<'t>);

impl fmt::Debug for SlotOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.get().is_some() { "decoded" } else { "new" })
    }
}

impl PartialEq for SlotOf<'_> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Value<'_> {
    /// The kind of value, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) | Self::Elements(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads `text`. `None` after a syntax error, which is in `findings`.
pub(super) fn parse<'t>(text: &'t str, findings: &mut Findings) -> Option<Node<'t>> {
    quick::parse(text).or_else(|| parse_any(text, findings))
}

/// The same; elements that `before` knows are not read again. What is unusual is read without it.
pub(super) fn parse_after<'t>(
    before: &'t Kept,
    text: &'t str,
    findings: &mut Findings,
) -> (Option<Node<'t>>, Option<Keeper<'t>>) {
    match quick::parse_after(before, text) {
        Some((node, keeper)) => (Some(node), Some(keeper)),
        None => (parse_any(text, findings), None),
    }
}

/// Reads all of YAML.
fn parse_any(text: &str, findings: &mut Findings) -> Option<Node<'static>> {
    let options = serde_saphyr::options! {
        // Only `true` and `false` are booleans; `no` stays a string.
        strict_booleans: true,
        // The decoder reports duplicates itself, all of them.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // JSON has no `<<`, so it is an unknown property like any other.
        merge_keys: MergeKeyPolicy::AsOrdinary,
        with_snippet: false,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIASED_NODES_MAX },
        budget: serde_saphyr::budget! {
            max_events: NODES_MAX * 2,
            max_nodes: NODES_MAX,
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
        },
    };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(raw) => Some(node(text, raw)),
        Err(error) => {
            findings.push(syntax_finding(text, &error));
            None
        }
    }
}

fn syntax_finding(text: &str, error: &Error) -> Finding {
    let (offset, end) = error.location().map_or((0, 0), |location| {
        // Without byte information the parser counts characters.
        let characters = usize::try_from(location.span().offset()).unwrap_or(usize::MAX);
        let mut rest = text.char_indices().skip(characters).map(|(offset, _)| offset);
        let offset = rest.next().unwrap_or(text.len());
        (offset, rest.next().unwrap_or(text.len()))
    });
    let sentence = error.without_snippet().to_string();
    let message = sentence.split(" at line ").next().unwrap_or(&sentence);
    let (message, help) = match error.without_snippet() {
        Error::MultipleDocuments { .. } => {
            ("more than one YAML document".to_owned(), "keep one document per file: remove `---`")
        }
        Error::Budget { .. } => (
            format!("the document exceeds a limit of the parser: {message}"),
            "nest less deeply, and write values out instead of repeating aliases",
        ),
        _ => (
            message.to_owned(),
            "correct the YAML or JSON syntax here or on the lines just before; a string with \
             special characters needs quotes",
        ),
    };
    let span = Span { offset, len: end.saturating_sub(offset) };
    Finding::error(Code::InvalidSyntax, span, message).help(help)
}

/// The same tree as serde builds it.
enum Raw {
    Null,
    Bool(bool),
    Number(Option<i64>),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Object(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

fn node(text: &str, raw: Spanned<Raw>) -> Node<'static> {
    let place = raw.referenced.span();
    let bytes = |value: Option<u64>| value.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
    let mut span = Span { offset: bytes(place.byte_offset()), len: bytes(place.byte_len()) };
    let value = match raw.value {
        Raw::Null => Value::Null,
        Raw::Bool(value) => Value::Bool(value),
        Raw::Number(value) => Value::Number(value),
        Raw::Text(value) => Value::Text(value.into()),
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(text, item)).collect()),
        Raw::Object(entries) => {
            let entries = entries.into_iter();
            Value::Object(entries.map(|(k, v)| (node(text, k), node(text, v))).collect())
        }
    };
    // The parser gives only the beginning of a collection.
    let last = match &value {
        Value::List(items) => items.last().map(|item| item.span.end()),
        Value::Object(entries) => entries.last().map(|(_, item)| item.span.end()),
        _ => None,
    };
    let end = last.unwrap_or(span.end()).max(span.end());
    span.len = closed(text, span.offset, end) - span.offset;
    Node { span, value }
}

/// `end`, or the end of the closing bracket if a bracket opens at `start`.
fn closed(text: &str, start: usize, end: usize) -> usize {
    let bracket = match text.as_bytes().get(start) {
        Some(b'[') => ']',
        Some(b'{') => '}',
        _ => return end,
    };
    text.get(end..).and_then(|rest| rest.find(bracket)).map_or(end, |offset| end + offset + 1)
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML or JSON value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(Some(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(i64::try_from(value).ok()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Raw, E> {
        Ok(Raw::Number(i64::try_from(value).ok()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Raw, E> {
        Ok(Raw::Number(i64::try_from(value).ok()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Number(None))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Object(entries))
    }
}
