//! `--query`: a part of what a command shows, chosen by a `JMESPath` expression as in Azure's CLI.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::output::Rows;

/// A compiled expression (<https://jmespath.org/specification.html>).
#[derive(Clone, Debug)]
pub(super) struct Query(jmespath::Expression<'static>);

impl Query {
    /// Compiles an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        jmespath::compile(text).map(Self).map_err(|error| error.to_string())
    }

    /// What it chooses of a value.
    pub(super) fn apply(&self, value: Value) -> anyhow::Result<Value> {
        let found = match self.0.search(value) {
            Ok(found) => found,
            Err(error) => bail!("--query: {error}"),
        };
        serde_json::to_value(&*found).context("--query")
    }
}

/// Columns and rows of what a query found. A list of objects has their members as columns, a list of lists
/// has no names for them; anything else is one cell.
pub(super) fn columns(found: &Value) -> Rows {
    let rows: Vec<&Value> = match found {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        other => vec![other],
    };
    let mut header: Vec<String> = Vec::new();
    for members in rows.iter().filter_map(|it| it.as_object()) {
        for key in members.keys().filter(|key| !header.contains(key)).cloned().collect::<Vec<_>>() {
            header.push(key);
        }
    }
    let cells = |row: &&Value| match row {
        Value::Array(items) => items.iter().map(cell).collect(),
        Value::Object(members) => {
            header.iter().map(|key| members.get(key).map(cell).unwrap_or_default()).collect()
        }
        other => vec![cell(other)],
    };
    let rows = rows.iter().map(cells).collect();
    Rows { header, rows }
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(query: &str) -> Value {
        let value = json!([
            { "name": "hub", "vni": 1, "properties": { "prefixes": ["10.0.0.0/16"] } },
            { "name": "spoke", "vni": 2, "properties": { "prefixes": ["10.1.0.0/16", "fd00::/48"] } },
        ]);
        Query::parse(query).unwrap().apply(value).unwrap()
    }

    #[test]
    fn expressions_choose_as_in_azures_cli() {
        assert_eq!(found("[].name"), json!(["hub", "spoke"]));
        assert_eq!(found("[?vni > `1`].name | [0]"), json!("spoke"));
        assert_eq!(found("length(@)"), json!(2));
        assert_eq!(found("[].{n: name, p: properties.prefixes[0]}")[1]["p"], json!("10.1.0.0/16"));
    }

    #[test]
    fn objects_become_columns() {
        let table = columns(&found("[].{name: name, prefixes: properties.prefixes}"));
        assert_eq!(table.header, ["name", "prefixes"]);
        assert_eq!(table.rows[1], ["spoke", "10.1.0.0/16, fd00::/48"]);
        assert_eq!(columns(&found("[].name")).rows, [["hub"], ["spoke"]]);
        assert_eq!(columns(&found("[].[name, vni]")).rows[1], ["spoke", "2"]);
        assert!(columns(&Value::Null).rows.is_empty());
    }

    #[test]
    fn a_wrong_expression_says_where() {
        let error = Query::parse("[?name").unwrap_err();
        assert!(error.contains("[?name"), "{error}");
    }
}
