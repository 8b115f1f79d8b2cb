//! JSON Schemas of events: compiled once, to validators that are bounded whatever they are given.

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

/// Bytes of a schema, and of the automaton of one pattern in it.
const SIZE: usize = 64 * 1024;
const PATTERN_MEMORY: usize = 1 << 20;

/// A schema of draft 2020-12 for an object, or why it is none.
pub fn compile(schema: &Value) -> Result<Validator, (String, Option<String>)> {
    if schema.to_string().len() > SIZE {
        return Err((format!("more than {SIZE} bytes"), None));
    }
    if schema["type"] != "object" {
        return Err((
            "the data of an event is an object".into(),
            Some("write type: object".into()),
        ));
    }
    if let Some(address) = remote(schema) {
        return Err((
            format!("'{address}' is not read: a schema stands alone"),
            Some("write it out under $defs".into()),
        ));
    }
    // The engine of the crate `regex`: linear in the text, whatever the pattern.
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .with_pattern_options(
            PatternOptions::regex()
                .size_limit(PATTERN_MEMORY)
                .dfa_size_limit(PATTERN_MEMORY),
        )
        .build(schema)
        .map_err(|error| {
            let at = error.instance_path().to_string();
            let types = "a type is string, integer, number, boolean, object, array or null";
            let help = at.ends_with("/type").then(|| types.to_owned());
            (format!("{error} at {}", place(&at)), help)
        })
}

fn place(pointer: &str) -> &str {
    if pointer.is_empty() { "the top" } else { pointer }
}

/// The first reference that leads out of the schema.
fn remote(schema: &Value) -> Option<&str> {
    match schema {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match (name.as_str(), value) {
            ("$ref" | "$dynamicRef" | "$schema" | "$id", Value::String(address)) => {
                let known = address.starts_with('#')
                    || (name == "$schema" && address.starts_with("https://json-schema.org/draft/2020-12/schema"));
                (!known).then_some(address.as_str())
            }
            (_, value) => remote(value),
        }),
        Value::Array(items) => items.iter().find_map(remote),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_is_held_to_its_schema() {
        let schema = compile(&json!({"type": "object", "required": ["at"], "properties": {"at": {"type": "string", "format": "date-time"}}})).unwrap();
        assert!(schema.is_valid(&json!({"at": "2026-03-01T09:00:00Z"})));
        assert!(!schema.is_valid(&json!({"at": "yesterday"})));
        assert!(!schema.is_valid(&json!({})));
    }

    #[test]
    fn what_is_no_schema_or_reads_from_elsewhere_is_refused() {
        for (schema, part) in [
            (
                json!({"type": "object", "properties": {"a": {"type": "strin"}}}),
                "strin",
            ),
            (json!({"type": "object", "required": "a"}), "/required"),
            (json!({"type": "array"}), "an object"),
            (
                json!({"type": "object", "properties": {"a": {"$ref": "https://evil.example/s"}}}),
                "stands alone",
            ),
            (
                json!({"type": "object", "properties": {"a": {"$ref": "file:///etc/passwd"}}}),
                "stands alone",
            ),
            (
                json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}),
                "(",
            ),
            (
                json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "((a{1000}){1000}){1000}"}}}),
                "a{1000}",
            ),
        ] {
            let (message, _) = compile(&schema).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_pattern_that_would_take_for_ever_elsewhere_is_quick() {
        let schema =
            compile(&json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "^(a+)+$"}}})).unwrap();
        assert!(!schema.is_valid(&json!({"a": format!("{}b", "a".repeat(20_000))})));
    }
}
