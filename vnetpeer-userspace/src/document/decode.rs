//! From the tree to the document's types. Decoding goes on after a mistake, so that one run finds
//! all of them: a value that cannot be decoded is reported and left out.

use std::{any::Any, borrow::Cow, collections::BTreeMap, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    code::Code,
    kept::Decoded,
    problem::{Finding, Findings},
    source::Span,
    tree::{Element, Node, Value},
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
    pub(super) items: Vec<Arc<T>>,
    /// Whether an element was left out. What refers to the list's elements is then not judged.
    pub(super) incomplete: bool,
    pub(super) span: Span,
}

impl<T: Decode + Any + Send + Sync> Decode for List<T> {
    fn decode(node: &Node, findings: &mut Findings) -> Option<Self> {
        let (len, items): (_, Vec<Arc<T>>) = match &node.value {
            Value::List(nodes) => {
                let items = nodes.iter().filter_map(|node| T::decode(node, findings).map(Arc::new));
                (nodes.len(), items.collect())
            }
            Value::Elements(elements) => {
                let items = elements.iter().filter_map(|it| decode_element(it, findings));
                (elements.len(), items.collect())
            }
            _ => {
                findings.push(wrong_type(node, "a list"));
                return None;
            }
        };
        let incomplete = items.len() < len;
        Some(Self { items, incomplete, span: node.span })
    }
}

/// An element that is known, or that is known from now on.
fn decode_element<T: Decode + Any + Send + Sync>(
    element: &Element<'_>,
    findings: &mut Findings,
) -> Option<Arc<T>> {
    let Some(node) = &element.node else {
        let known = element.slot.0.get().cloned();
        let known = known.and_then(|it| it.downcast::<T>().ok());
        if known.is_none() {
            // The way to a list says what its elements are.
            let node = Node { span: element.span, value: Value::Null };
            findings.push(wrong_type(&node, "an element of this list"));
        }
        return known;
    };
    let decoded = Arc::new(T::decode(node, findings)?);
    element.slot.0.set(Arc::<T>::clone(&decoded) as Decoded);
    Some(decoded)
}

impl<'l, T> IntoIterator for &'l List<T> {
    type Item = &'l T;
    type IntoIter = std::iter::Map<std::slice::Iter<'l, Arc<T>>, fn(&'l Arc<T>) -> &'l T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter().map(Arc::as_ref)
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
