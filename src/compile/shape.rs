//! The shape of a spec by the CustomResourceDefinitions that the API server checks it with: types, bounds, patterns, and names there are
//! none of. The rules in CEL are run by the command line, which knows kube.

use super::report::instead;
use crate::api;
use jsonschema::Validator;
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::OnceLock};

/// Mistakes reported for one object.
const MISTAKES: usize = 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// `spec.steps[0].wait.for`
    pub path: String,
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

struct Kind {
    schema: Value,
    validator: Validator,
}

/// By kind. The schemas are ours and never change while the process runs.
fn kinds() -> &'static BTreeMap<String, Kind> {
    static KINDS: OnceLock<BTreeMap<String, Kind>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let all = api::crds().into_iter().filter_map(|(_, mut crd)| {
            let kind = crd["spec"]["names"]["kind"].as_str()?.to_owned();
            let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"].take();
            let validator = jsonschema::draft202012::new(&schema).ok()?;
            Some((kind, Kind { schema, validator }))
        });
        all.collect()
    })
}

/// What the API server would say of the types, bounds and names in a spec.
pub fn mistakes(kind: &str, spec: &Value) -> Vec<Mistake> {
    let Some(kind) = kinds().get(kind) else { return vec![] };
    let mut found = vec![];
    unknown(&kind.schema, spec, "spec", &mut found);
    let spec = without_nulls(spec);
    found.extend(kind.validator.iter_errors(&spec).map(|error| Mistake {
        path: path(&error.instance_path().to_string()),
        message: error.to_string(),
    }));
    found.truncate(MISTAKES);
    found
}

/// Fields that the schema has not: the API server would drop them, kubectl refuses them.
fn unknown(schema: &Value, value: &Value, path: &str, found: &mut Vec<Mistake>) {
    if schema["x-kubernetes-preserve-unknown-fields"] == true {
        return;
    }
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{path}.{name}");
                if let Some(below) = schema["properties"].get(name) {
                    unknown(below, value, &path, found);
                } else if schema["additionalProperties"].is_object() {
                    unknown(&schema["additionalProperties"], value, &path, found);
                } else if let Some(known) = schema["properties"].as_object() {
                    let known: Vec<&str> = known.keys().map(String::as_str).collect();
                    found.push(Mistake {
                        path,
                        message: format!(
                            "there is no field '{name}'; {}",
                            instead(name, known, "see kubectl explain")
                        ),
                    });
                }
            }
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(n, item)| unknown(&schema["items"], item, &format!("{path}[{n}]"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// OpenAPI says `nullable` where JSON Schema would say null; a null is the same as nothing.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// `/steps/0/wait` as `spec.steps[0].wait`.
fn path(pointer: &str) -> String {
    pointer.split('/').skip(1).fold("spec".to_owned(), |path, part| {
        if part.bytes().all(|c| c.is_ascii_digit()) && !part.is_empty() {
            format!("{path}[{part}]")
        } else {
            format!("{path}.{part}")
        }
    })
}
