//! [`object!`] is the one place where a type's properties are listed: the struct, its decoder and its
//! JSON Schema all come from that list.

use schemars::{Schema, transform::Transform};
use serde_json::{Value, json};

use super::fields::{FALSE_ACTS, Known, OneOf};

/// Adds to an object's schema what its struct does not say: the properties that may only be given as
/// unused, and those of which one is needed.
pub(super) struct Completed(pub(super) Known);

impl Transform for Completed {
    fn transform(&mut self, schema: &mut Schema) {
        let object = schema.ensure_object();
        match self.0.one_of {
            [] => {}
            [group] => {
                object.insert("anyOf".to_owned(), alternatives(group));
            }
            groups => {
                let all = groups.iter().map(|group| json!({ "anyOf": alternatives(group) }));
                object.insert("allOf".to_owned(), all.collect());
            }
        }
        let properties = object.entry("properties").or_insert_with(|| json!({}));
        for name in self.0.not_supported {
            if let Some(properties) = properties.as_object_mut() {
                let unused = if FALSE_ACTS.contains(name) {
                    json!([null, [], {}])
                } else {
                    json!([null, false, [], {}])
                };
                let schema = json!({ "description": "Not supported yet.", "enum": unused });
                properties.insert((*name).to_owned(), schema);
            }
        }
    }
}

/// The ways to give one of a group.
fn alternatives(group: &OneOf) -> Value {
    let required = group.names.iter().map(|name| json!({ "required": [name] }));
    let excuse = group.unless.map(
        |(name, words)| json!({ "properties": { name: { "enum": words } }, "required": [name] }),
    );
    required.chain(excuse).collect()
}

/// Declares an object of the document: every property is optional in the struct, because decoding
/// goes on without what cannot be decoded; `(required)` ones are reported when they are missing. What is
/// `kept` is no property: it is found out about the object, and known as long as the object is.
macro_rules! object {
    (
        $(#[$meta:meta])*
        struct $name:ident $(<$generic:ident>)? {
            $(
                $(#[$field_meta:meta])*
                $field:ident as $property:literal $(($required:ident))?: $type:ty,
            )*
        }
        $(kept: $kept:ident: $kept_type:ty,)?
        $(not_supported: [$($not_supported:literal),* $(,)?])?
        $(read_only: [$($read_only:literal),* $(,)?])?
        $(
            one_of: [$($one_of:literal),* $(,)?]
                $(unless $other:literal is [$($word:literal),* $(,)?])?
        )*
    ) => {
        #[derive(Debug, schemars::JsonSchema)]
        $(#[$meta])*
        #[schemars(deny_unknown_fields)]
        #[schemars(transform = $crate::document::object::Completed(Self::KNOWN))]
        pub(in crate::document) struct $name $(<$generic>)? {
            $(
                $(#[$field_meta])*
                #[schemars(rename = $property $(, $required)?)]
                pub(in crate::document) $field: Option<$type>,
            )*
            $(
                #[schemars(skip)]
                pub(in crate::document) $kept: $kept_type,
            )?
        }

        impl $(<$generic>)? $name $(<$generic>)? {
            const KNOWN: $crate::document::fields::Known = $crate::document::fields::Known {
                properties: &[$($property),*],
                not_supported: &[$($($not_supported),*)?],
                read_only: &[$($($read_only),*)?],
                one_of: &[$($crate::document::fields::OneOf {
                    names: &[$($one_of),*],
                    unless: $crate::document::object::unless!($($other [$($word),*])?),
                }),*],
            };
        }

        impl $(<$generic: $crate::document::decode::Decode>)?
            $crate::document::decode::Decode for $name $(<$generic>)?
        {
            fn decode(
                node: &$crate::document::tree::Node,
                findings: &mut $crate::document::problem::Findings,
            ) -> Option<Self> {
                #[allow(unused_variables, reason = "an object may have no properties")]
                let fields = $crate::document::fields::Fields::open(node, &Self::KNOWN, findings)?;
                Some(Self {
                    $($field: fields.get(
                        $property,
                        $crate::document::object::is_required!($($required)?),
                        findings,
                    ),)*
                    $($kept: <$kept_type>::default(),)?
                })
            }
        }
    };
}

macro_rules! is_required {
    () => {
        false
    };
    (required) => {
        true
    };
}

macro_rules! unless {
    () => {
        None
    };
    ($other:literal [$($word:literal),*]) => {
        Some(($other, &[$($word),*]))
    };
}

pub(super) use is_required;
pub(super) use object;
pub(super) use unless;
