//! As much of JSON Schema as the document's schema uses, read naively and apart from the decoder.

use serde_json::{Map, Value, json};

/// Judges values by a schema.
pub(crate) struct Validator {
    root: Value,
}

impl Validator {
    pub(crate) fn new(root: Value) -> Self {
        Self { root }
    }

    /// What is wrong with a document; empty if nothing is.
    pub(crate) fn errors(&self, value: &Value) -> Vec<String> {
        let mut errors = Vec::new();
        self.judge(&self.root, value, "document", &mut errors);
        errors
    }

    /// For each property of the schema a document that has it, with an empty object, list or string
    /// as its value.
    pub(crate) fn documents(&self) -> Vec<(String, Value)> {
        let mut documents = Vec::new();
        self.collect(&self.root, &|value| value, &mut Vec::new(), &mut documents);
        documents
    }

    /// `around` are the schemas that this one is in: one that is in itself is read once.
    fn collect<'s>(
        &'s self,
        schema: &'s Value,
        wrap: &dyn Fn(Value) -> Value,
        around: &mut Vec<&'s Value>,
        documents: &mut Vec<(String, Value)>,
    ) {
        let schema = self.resolve(schema);
        if around.iter().any(|it| std::ptr::eq(*it, schema)) {
            return;
        }
        around.push(schema);
        if let Some(items) = schema.get("items") {
            self.collect(items, &|value| wrap(json!([value])), around, documents);
        }
        for (name, property) in object(schema.get("properties")) {
            let with = |value: Value| wrap(json!({ name: value }));
            documents.push((name.clone(), with(json!([]))));
            self.collect(property, &with, around, documents);
        }
        around.pop();
    }

    /// Follows `$ref` and looks through "or null".
    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = path.strip_prefix('#').expect("references are local");
            return self.resolve(self.root.pointer(pointer).expect("references resolve"));
        }
        let alternatives = schema.get("anyOf").and_then(Value::as_array);
        let real = alternatives.and_then(|list| list.iter().find(|one| one.get("$ref").is_some()));
        real.map_or(schema, |real| self.resolve(real))
    }

    fn judge(&self, schema: &Value, value: &Value, place: &str, errors: &mut Vec<String>) {
        if schema == &Value::Bool(false) {
            errors.push(format!("{place}: nothing is allowed here"));
        }
        if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
            let pointer = path.strip_prefix('#').expect("references are local");
            let target = self.root.pointer(pointer).expect("references resolve");
            self.judge(target, value, place, errors);
        }
        if let Some(alternatives) = schema.get("anyOf").and_then(Value::as_array) {
            let tries: Vec<Vec<String>> = alternatives
                .iter()
                .map(|alternative| {
                    let mut errors = Vec::new();
                    self.judge(alternative, value, place, &mut errors);
                    errors
                })
                .collect();
            if !tries.iter().any(Vec::is_empty) {
                errors.extend(tries.into_iter().next().unwrap_or_default());
            }
        }
        for part in schema.get("allOf").map_or(&[][..], array) {
            self.judge(part, value, place, errors);
        }
        if let Some(types) = schema.get("type") {
            let named = |kind: &str| types == kind || array(types).iter().any(|one| one == kind);
            let integer = value.is_i64() && named("integer");
            if !named(kind_of(value)) && !integer {
                errors.push(format!("{place}: {} is not {types}", kind_of(value)));
                return;
            }
        }
        if let Some(words) = schema.get("enum")
            && !array(words).contains(value)
        {
            errors.push(format!("{place}: {value} is not one of {words}"));
        }
        if let Some(number) = value.as_i64() {
            let bound = |name: &str| schema.get(name).and_then(Value::as_i64);
            let low = bound("minimum").is_some_and(|least| number < least);
            let high = bound("maximum").is_some_and(|greatest| number > greatest);
            if low || high {
                errors.push(format!("{place}: {number} is out of range"));
            }
        }
        self.judge_object(schema, value, place, errors);
        if let (Some(items), Value::Array(values)) = (schema.get("items"), value) {
            for (index, value) in values.iter().enumerate() {
                self.judge(items, value, &format!("{place}[{index}]"), errors);
            }
        }
    }

    fn judge_object(&self, schema: &Value, value: &Value, place: &str, errors: &mut Vec<String>) {
        let Value::Object(entries) = value else { return };
        for name in schema.get("required").map_or(&[][..], array) {
            if !entries.contains_key(name.as_str().expect("names are strings")) {
                errors.push(format!("{place}: {name} is missing"));
            }
        }
        let properties = schema.get("properties");
        let closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        for (name, value) in entries {
            match properties.and_then(|properties| properties.get(name)) {
                Some(property) => {
                    self.judge(property, value, &format!("{place}.{name}"), errors);
                }
                None if closed => errors.push(format!("{place}: {name} is not known")),
                None => {}
            }
        }
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn object(value: Option<&Value>) -> Vec<(&String, &Value)> {
    value.and_then(Value::as_object).map(Map::iter).into_iter().flatten().collect()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
