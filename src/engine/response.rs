//! What is kept of a provider's answer: the fields that the touchpoint's schema names, and only of an answer that fits it.

use super::state::Properties;
use crate::personal::Personal;
use serde_json::Value as Json;

/// Bytes of what is kept of one answer, as JSON: it travels with the enrollment.
pub const LIMIT: usize = 16 * 1024;

/// A touchpoint's `response`, compiled.
#[derive(Debug)]
pub struct Response {
    validator: jsonschema::Validator,
    schema: Json,
}

impl Response {
    /// `validator` is the one of `schema`.
    pub fn new(schema: Json, validator: jsonschema::Validator) -> Self {
        Self { validator, schema }
    }

    /// What is kept of `answer`; None: it breaks the schema, or what it names is more than [`LIMIT`] bytes.
    pub fn keep(&self, answer: &Json) -> Option<Personal<Properties>> {
        if !self.validator.is_valid(answer) {
            return None;
        }
        match named(&self.schema, answer) {
            Json::Object(kept) if serde_json::to_string(&kept).is_ok_and(|text| text.len() <= LIMIT) => {
                Some(Personal::new(kept))
            }
            _ => None,
        }
    }
}

/// The value without what its schema does not name. Missing and null are the same.
fn named(schema: &Json, value: &Json) -> Json {
    match value {
        Json::Object(fields) => {
            let known = schema["properties"].as_object();
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            let kept = kept.filter_map(|(name, value)| Some((name.clone(), named(known?.get(name)?, value))));
            Json::Object(kept.collect())
        }
        Json::Array(items) => Json::Array(items.iter().map(|item| named(&schema["items"], item)).collect()),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => value.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn response(schema: Json) -> Response {
        Response::new(schema.clone(), jsonschema::validator_for(&schema).unwrap())
    }

    #[test]
    fn only_what_the_schema_names_is_kept_however_deep() {
        let response = response(json!({"type": "object", "required": ["ticket"], "properties": {
            "ticket": {"type": "string"},
            "agent": {"type": "object", "properties": {"id": {"type": "string"}}},
            "tags": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            "note": {"type": ["string", "null"]},
        }}));
        let answer = json!({"ticket": "T1", "secret": 1, "agent": {"id": "a", "phone": "1"}, "tags": [{"n": 1, "x": 2}], "note": null});
        assert_eq!(
            Json::Object(response.keep(&answer).unwrap().into_inner()),
            json!({"ticket": "T1", "agent": {"id": "a"}, "tags": [{"n": 1}]})
        );
    }

    #[test]
    fn what_breaks_the_schema_or_is_too_long_is_not_kept() {
        let response =
            response(json!({"type": "object", "required": ["ticket"], "properties": {"ticket": {"type": "string"}}}));
        for answer in [
            json!(null),
            json!([]),
            json!({}),
            json!({"ticket": 1}),
            json!({"ticket": "x".repeat(LIMIT)}),
        ] {
            assert!(response.keep(&answer).is_none());
        }
        let long_elsewhere = json!({"ticket": "T1", "log": "x".repeat(LIMIT)});
        assert!(
            response.keep(&long_elsewhere).is_some(),
            "what is not kept does not count"
        );
    }
}
