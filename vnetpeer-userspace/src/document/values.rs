//! A document as plain values, for commands that change one part of it and write it back.

use serde_json::{Map, Value as Json};

use super::{
    problem::{Findings, Problems},
    tree::{self, Node, Value},
};

/// Reads a document as values, without judging them. Aliases are written out, comments are lost.
pub fn values(source_name: &str, text: &str) -> Result<Json, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut findings = Findings::default();
    match tree::parse(text, &mut findings) {
        Some(node) => Ok(json(node)),
        None => Err(findings.into_problems(source_name, text)),
    }
}

fn json(node: Node<'_>) -> Json {
    match node.value {
        // No property of a document takes a number that is not whole.
        Value::Null | Value::Number(None) => Json::Null,
        Value::Bool(value) => value.into(),
        Value::Number(Some(value)) => value.into(),
        Value::Text(text) => text.into(),
        Value::List(items) => items.into_iter().map(json).collect(),
        Value::Elements(items) => items.into_iter().filter_map(|it| it.node).map(json).collect(),
        Value::Object(entries) => {
            let named = entries.into_iter().filter_map(|(key, value)| match key.value {
                Value::Text(name) => Some((name.into_owned(), json(value))),
                _ => None,
            });
            Json::Object(named.collect::<Map<_, _>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::values;
    use crate::document::load;

    /// Strings that YAML takes for something else without quotes, an alias, a comment, both families.
    const DOCUMENT: &str = r#"
deployment: {name: test}  # lost
virtualNetworks:
  - name: "no"
    tags: {on: "1.0", off: "0x10", empty: ""}
    properties: {addressSpace: &space {addressPrefixes: [10.0.0.0/16, "fd00::/48"]}}
  - name: other
    properties: {addressSpace: *space}
"#;

    #[test]
    fn a_document_that_is_written_back_means_the_same() {
        let text = serde_json::to_string_pretty(&values("a", DOCUMENT).unwrap()).unwrap();
        let (before, after) = (load("a", DOCUMENT).unwrap(), load("a", &text).unwrap());
        assert_eq!(format!("{:?}", before.topology), format!("{:?}", after.topology));
        assert_eq!(values("a", &text).unwrap(), values("a", DOCUMENT).unwrap());
    }

    #[test]
    fn a_syntax_error_is_told_with_its_place() {
        let problems = values("a.yaml", "deployment: {name: test\n").unwrap_err();
        assert!(problems.to_string().contains("a.yaml:"), "{problems}");
    }
}
