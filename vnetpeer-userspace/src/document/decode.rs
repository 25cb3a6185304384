//! From the tree to the document's types. Decoding goes on after a mistake, so that one run finds
//! all of them: a value that cannot be decoded is reported and left out.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    code::Code,
    problem::{Finding, Findings},
    source::Span,
    tree::{Node, Value},
};

/// A type of the document.
pub(super) trait Decode: Sized {
    /// Takes a value that is not null. `None` if the value was reported.
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self>;
}

/// A type that is one string or boolean.
pub(super) trait Scalar: Sized {
    /// What is expected, for messages: "an address prefix such as 10.0.0.0/16".
    const EXPECTED: &'static str;

    /// Whether it is written as a string, so that quotes mend a number.
    const IS_TEXT: bool = true;

    /// Decodes the value.
    fn from_value(value: &Value) -> Result<Self, Refusal>;

    /// Its JSON Schema.
    fn schema() -> Schema {
        json_schema!({ "type": "string", "description": format!("Takes {}.", Self::EXPECTED) })
    }
}

/// Why a value is refused.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A list where a string belongs, and the like.
    Type,
    /// The right type, the wrong value.
    Value { code: Code, message: String, help: String },
}

/// A string or boolean and its place.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

impl<T: Scalar> Decode for Spanned<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let finding = match T::from_value(&node.value) {
            Ok(value) => return Some(Self { value, span: node.span }),
            Err(Refusal::Value { code, message, help }) => {
                Finding::error(code, node.span, message).help(help)
            }
            Err(Refusal::Type)
                if T::IS_TEXT && matches!(node.value, Value::Number(_) | Value::Bool(_)) =>
            {
                wrong_type(node, T::EXPECTED).help("put it in quotes")
            }
            Err(Refusal::Type) => wrong_type(node, T::EXPECTED),
        };
        findings.push(finding);
        None
    }
}

impl<T: Scalar> JsonSchema for Spanned<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::EXPECTED.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// A list of which every readable element is kept.
#[derive(Debug)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
    /// Whether an element was left out. What refers to the list's elements is then not judged.
    pub(super) incomplete: bool,
    pub(super) span: Span,
}

impl<T: Decode> Decode for List<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let Value::List(nodes) = &node.value else {
            findings.push(wrong_type(node, "a list"));
            return None;
        };
        let items: Vec<T> = nodes.iter().filter_map(|node| T::decode(node, findings)).collect();
        let incomplete = items.len() < nodes.len();
        Some(Self { items, incomplete, span: node.span })
    }
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = std::slice::Iter<'l, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

impl<T: JsonSchema> JsonSchema for List<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>() })
    }
}

/// `tags`: annotations by name.
#[derive(Debug, Default)]
pub(super) struct Tags(pub(super) BTreeMap<String, String>);

impl Decode for Tags {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let Value::Object(entries) = &node.value else {
            findings.push(wrong_type(node, "an object of strings"));
            return None;
        };
        let mut tags = BTreeMap::new();
        for (name, value) in entries {
            match (&name.value, &value.value) {
                (Value::Text(name), Value::Text(value)) => {
                    tags.insert(name.to_string(), value.to_string());
                }
                (_, Value::Text(_)) => findings.push(wrong_type(name, "a string")),
                _ => findings.push(wrong_type(value, "a string")),
            }
        }
        Some(Self(tags))
    }
}

impl JsonSchema for Tags {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Tags".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}

/// An element of a list that must be empty.
#[derive(Debug)]
pub(super) struct Anything;

impl Decode for Anything {
    fn decode(_: &Node, _: &mut Findings) -> Option<Self> {
        Some(Self)
    }
}

impl JsonSchema for Anything {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Anything".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        false.into()
    }
}

/// Reports a value of another type than the expected one.
pub(super) fn wrong_type(node: &Node, expected: &str) -> Finding {
    let found = node.value.kind();
    let message = format!("expected {expected}, found {found}");
    Finding::error(Code::InvalidPropertyType, node.span, message)
        .help(format!("write {expected} here"))
}
