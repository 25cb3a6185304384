//! The document's JSON Schema, for editors and for programs that write documents.

use serde_json::Value;

use super::types::Document;

/// JSON Schema (draft 2020-12) of the document, made from the same types that read it.
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Document);
    schema.insert("title".to_owned(), "vnetpeer topology document".into());
    schema.to_value()
}
