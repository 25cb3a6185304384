//! Fields of entries: by name in conditions and orders.

use std::{cmp::Ordering, collections::BTreeSet, fmt};

use serde_json::Value;

/// A field of an entry: names separated by dots. `properties` and `id` need not be written:
/// `peeringState` is `properties.peeringState`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field(String);

impl Field {
    /// The value in an entry.
    fn get<'a>(&self, entry: &'a Value) -> Option<&'a Value> {
        let inside =
            |from: &'a Value| self.0.split('.').try_fold(from, |at, name| member(at, name));
        inside(entry).or_else(|| inside(entry.get("properties")?))
    }

    /// Whether an entry has it.
    pub(super) fn is_in(&self, entry: &Value) -> bool {
        self.get(entry).is_some()
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A member of an object, whatever the case of its name.
fn member<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let members = value.as_object()?;
    members.get(name).or_else(|| {
        members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

/// The names that entries have.
pub(super) fn known_fields<'a>(entries: impl Iterator<Item = &'a Value>) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for entry in entries.filter_map(Value::as_object) {
        known.extend(entry.keys().filter(|it| *it != "properties").cloned());
        let properties = entry.get("properties").and_then(Value::as_object);
        known.extend(properties.into_iter().flat_map(|it| it.keys().cloned()));
    }
    known
}

/// A field must have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Condition {
    field: Field,
    /// The parts between stars.
    pattern: Vec<String>,
}

impl Condition {
    /// Reads `FIELD=VALUE`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (field, value) = text
            .split_once('=')
            .filter(|(field, _)| !field.trim().is_empty())
            .ok_or("write FIELD=VALUE, such as `location=westeurope` or `name=spoke*`")?;
        let pattern = value.to_ascii_lowercase().split('*').map(str::to_owned).collect();
        Ok(Self { field: Field(field.trim().to_owned()), pattern })
    }

    pub(super) fn field(&self) -> &Field {
        &self.field
    }

    /// Whether an entry meets it. A list meets it by one of its elements, a reference by its whole id or
    /// by its last segment.
    pub(super) fn holds(&self, entry: &Value) -> bool {
        self.field.get(entry).is_some_and(|value| self.matches(value))
    }

    fn matches(&self, value: &Value) -> bool {
        match value {
            Value::Array(items) => items.iter().any(|it| self.matches(it)),
            Value::Object(members) => members.values().any(|it| self.matches(it)),
            Value::Null => self.matches_text("null"),
            Value::String(text) => {
                self.matches_text(text)
                    || text.rsplit('/').next().is_some_and(|it| self.matches_text(it))
            }
            Value::Bool(_) | Value::Number(_) => self.matches_text(&value.to_string()),
        }
    }

    fn matches_text(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        let [first, middle @ .., last] = self.pattern.as_slice() else {
            return self.pattern.first().is_some_and(|whole| *whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some((_, after)) = rest.split_once(part.as_str()) else { return false };
            rest = after;
        }
        rest.ends_with(last.as_str())
    }
}

/// By which field entries are sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SortKey {
    field: Field,
    descending: bool,
}

impl SortKey {
    /// Reads `FIELD` or `-FIELD`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (descending, field) = match text.strip_prefix('-') {
            Some(field) => (true, field),
            None => (false, text),
        };
        if field.is_empty() {
            return Err("write the name of a field, such as `name` or `-egressBytes`".to_owned());
        }
        Ok(Self { field: Field(field.to_owned()), descending })
    }

    pub(super) fn field(&self) -> &Field {
        &self.field
    }

    /// Entries without the field come last in either order.
    pub(super) fn compare(&self, a: &Value, b: &Value) -> Ordering {
        match (self.field.get(a), self.field.get(b)) {
            (Some(a), Some(b)) if self.descending => natural(b, a),
            (Some(a), Some(b)) => natural(a, b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

/// Numbers by value, texts with the numbers in them by value: `spoke2` before `spoke10`.
fn natural(a: &Value, b: &Value) -> Ordering {
    if let (Some(a), Some(b)) = (a.as_u64(), b.as_u64()) {
        return a.cmp(&b);
    }
    if let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) {
        return a.total_cmp(&b);
    }
    let (a, b) = (text_of(a), text_of(b));
    parts(&a).cmp(parts(&b)).then_with(|| a.cmp(&b))
}

fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.to_ascii_lowercase(),
        other => other.to_string().to_ascii_lowercase(),
    }
}

/// A part of a text: digits without leading zeros, the longer ones greater, or one other character.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Number(usize, &'a str),
    Other(char),
}

fn parts(mut text: &str) -> impl Iterator<Item = Part<'_>> {
    std::iter::from_fn(move || {
        let first = text.chars().next()?;
        if !first.is_ascii_digit() {
            text = text.get(first.len_utf8()..)?;
            return Some(Part::Other(first));
        }
        let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
        let (digits, rest) = text.split_at_checked(end)?;
        text = rest;
        let digits = digits.trim_start_matches('0');
        Some(Part::Number(digits.len(), digits))
    })
}
