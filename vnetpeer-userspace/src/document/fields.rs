//! The properties of one object: which of them it may have, and what is wrong with the others.

use super::{
    code::Code,
    decode::{Decode, wrong_type},
    problem::{Finding, Findings},
    source::Span,
    suggest::closest,
    tree::{Node, Value},
};

/// Properties that are not supported and mean something when they are `false`.
pub(super) const FALSE_ACTS: [&str; 1] = ["defaultOutboundAccess"];

/// The properties that a type knows.
pub(super) struct Known {
    pub(super) properties: &'static [&'static str],
    /// Azure has them, vnetpeer cannot act on them yet.
    pub(super) not_supported: &'static [&'static str],
    /// Azure computes them.
    pub(super) read_only: &'static [&'static str],
    /// Of each group, one must be given.
    pub(super) one_of: &'static [OneOf],
}

/// Properties of which one must be given.
pub(super) struct OneOf {
    pub(super) names: &'static [&'static str],
    /// Another property, and its values with which none of them is needed.
    pub(super) unless: Option<(&'static str, &'static [&'static str])>,
}

impl Known {
    /// The property that an unknown name probably means.
    fn meant(&self, name: &str) -> Option<&'static str> {
        let all = [self.properties, self.not_supported].concat();
        if all.contains(&name) || self.read_only.contains(&name) {
            return None;
        }
        closest(name, &all)
    }
}

/// The properties of one object while they are decoded.
pub(super) struct Fields<'n> {
    node: &'n Node<'n>,
    entries: &'n [(Node<'n>, Node<'n>)],
    known: &'static Known,
}

impl<'n> Fields<'n> {
    /// Opens an object and judges the names of its properties.
    pub(super) fn open(
        node: &'n Node<'n>,
        known: &'static Known,
        findings: &mut Findings,
    ) -> Option<Self> {
        let Value::Object(entries) = &node.value else {
            findings.push(wrong_type(node, "an object"));
            return None;
        };
        for (index, (key, value)) in entries.iter().enumerate() {
            let Value::Text(name) = &key.value else {
                findings.push(wrong_type(key, "a property name"));
                continue;
            };
            let earlier = entries.iter().take(index).find(|(earlier, _)| is_named(earlier, name));
            if let Some((first, _)) = earlier {
                findings.push(duplicate_property(name, key.span, first.span));
            } else if let Some(finding) = judge_name(name, key, value, known) {
                findings.push(finding);
            }
        }
        let fields = Self { node, entries, known };
        for group in known.one_of.iter().filter(|group| fields.lacks(group)) {
            findings.extend(fields.missing(group.names));
        }
        Some(fields)
    }

    /// The value of a property; null is as good as nothing.
    pub(super) fn get<T: Decode>(
        &self,
        name: &str,
        required: bool,
        findings: &mut Findings,
    ) -> Option<T> {
        match self.entry(name) {
            Some((_, value)) if !matches!(value.value, Value::Null) => T::decode(value, findings),
            _ => {
                if required {
                    findings.extend(self.missing(&[name]));
                }
                None
            }
        }
    }

    fn entry(&self, name: &str) -> Option<&'n (Node<'n>, Node<'n>)> {
        self.entries.iter().find(|(key, _)| is_named(key, name))
    }

    fn is_given(&self, name: &str) -> bool {
        self.entry(name).is_some_and(|(_, value)| !matches!(value.value, Value::Null))
    }

    /// Whether one of the group is needed and none is given.
    fn lacks(&self, group: &OneOf) -> bool {
        let excused = group.unless.is_some_and(|(name, words)| {
            let value = self.entry(name).map(|(_, value)| &value.value);
            matches!(value, Some(Value::Text(text)) if words.contains(&text.as_ref()))
        });
        !excused && !group.names.iter().any(|name| self.is_given(name))
    }

    /// Reports that none of `names` is given, unless one is there but misspelt, which is reported.
    fn missing(&self, names: &[&str]) -> Option<Finding> {
        let misspelt = self.entries.iter().any(|(key, _)| match &key.value {
            Value::Text(text) => self.known.meant(text).is_some_and(|it| names.contains(&it)),
            _ => false,
        });
        if misspelt {
            return None;
        }
        let name = names.first()?;
        let empty = names.iter().find_map(|name| self.entry(name)).map(|(key, _)| key.span);
        let own_name = self.entry("name").map(|(_, value)| value.span);
        let span = empty.or(own_name).unwrap_or(self.node.span);
        let message = format!("property `{name}` is missing");
        let finding = Finding::error(Code::MissingProperty, span, message);
        Some(finding.help(format!("add `{name}` with a value")))
    }
}

fn is_named(key: &Node, name: &str) -> bool {
    matches!(&key.value, Value::Text(text) if text == name)
}

fn judge_name(name: &str, key: &Node, value: &Node, known: &Known) -> Option<Finding> {
    if known.properties.contains(&name) {
        return None;
    }
    if known.not_supported.contains(&name) {
        return (!is_inert(name, &value.value)).then(|| {
            Finding::error(Code::NotSupportedYet, key.span, format!("not supported yet: {name}"))
                .help(format!(
                    "remove `{name}`: vnetpeer does not act on it, and ignoring it would mislead"
                ))
        });
    }
    if known.read_only.contains(&name) {
        return Some(
            Finding::error(
                Code::ReadOnlyProperty,
                key.span,
                format!("`{name}` cannot be declared"),
            )
            .help(format!("remove `{name}`: it is computed")),
        );
    }
    let help = match known.meant(name) {
        Some(similar) => format!("did you mean `{similar}`?"),
        None if known.properties.is_empty() => "remove it: nothing is known here".to_owned(),
        None => format!("remove it; known here: {}", known.properties.join(", ")),
    };
    let finding =
        Finding::error(Code::UnknownProperty, key.span, format!("unknown property `{name}`"));
    Some(finding.help(help))
}

/// Whether a property that is not supported says only that it is not used.
fn is_inert(name: &str, value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(false) => !FALSE_ACTS.contains(&name),
        Value::List(items) => items.is_empty(),
        Value::Elements(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::Text(_) => false,
    }
}

fn duplicate_property(name: &str, span: Span, first: Span) -> Finding {
    Finding::error(Code::DuplicateProperty, span, format!("property `{name}` is given twice"))
        .help("remove one of them; elements of a list begin with `- `")
        .note(first, "first here")
}
