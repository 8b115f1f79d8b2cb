//! What the API server would say of an object's shape, without an API server: unknown fields, types, bounds, patterns and
//! the CEL rules of its CRD. `journey check` and `journey dev` read manifests through it; meaning is judged by `compile`.

use super::{ChannelAdapter, CustomerProfile, Journey, PrivacyPolicy, Touchpoint, crds, editor::pattern_of};
use crate::expression::diagnostic::did_you_mean;
use kube::core::cel::{CompiledSchema, compile_schema, validate_compiled};
use regex::Regex;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, sync::OnceLock};

/// One thing that the API server would refuse an object for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: FaultKind,
    /// Where in the object: `spec.steps[2].wait.for`.
    pub path: String,
    /// As the API server words it.
    pub message: String,
    /// What to do, where the message alone does not say it.
    pub help: Option<String>,
}

/// What the API server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    UnknownField,
    WrongType,
    /// A required field.
    Missing,
    /// A bound, a pattern, or one of the CRD's CEL rules.
    Rule,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// What is wrong with the shape of an object of group journey.dev, as strict validation would find it at its creation;
/// empty when it would be taken. Rules that compare with the object before (a touchpoint keeps its direction) need that
/// object and are the server's alone.
pub fn faults(object: &Value) -> Vec<Fault> {
    let Some(kind) = object["kind"].as_str().and_then(|kind| kinds().get(kind)) else {
        return vec![fault(
            "kind",
            format!("{} is no kind of group journey.dev", object["kind"]),
        )];
    };
    let mut found = vec![];
    if object["metadata"]["name"].as_str().is_none_or(str::is_empty) {
        found.push(fault("metadata.name", "Required value".into()));
    }
    look(&object["spec"], &kind.schema["properties"]["spec"], "spec", &mut found);
    let others = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    found.extend(
        others
            .filter(|name| !known.contains(name))
            .map(|name| unknown(name, name, known)),
    );
    // The rules speak of fields: they make sense of an object only when its fields are what they should be.
    if found.is_empty() {
        found = rules(object, kind);
    }
    found
}

/// What is known of one kind.
struct Kind {
    schema: Value,
    /// Without the rules that are a pattern alone: CEL compiles a pattern each time it is asked, and they are half of all.
    rules: CompiledSchema,
}

/// Each kind, made once: it is asked for with every object, and to compile the rules takes far longer than to ask them.
fn kinds() -> &'static BTreeMap<String, Kind> {
    static KINDS: OnceLock<BTreeMap<String, Kind>> = OnceLock::new();
    KINDS.get_or_init(|| {
        let of = |crd: &Value| {
            let name = crd["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            let schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
            let rules = compile_schema(&without_patterns(&schema));
            (name, Kind { schema, rules })
        };
        crds().iter().map(|(_, crd)| of(crd)).collect()
    })
}

fn without_patterns(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let kept = fields.iter().map(|(name, field)| match field {
                Value::Array(rules) if name == RULES => {
                    let rules = rules.iter().filter(|rule| rule_pattern(rule).is_none());
                    (name.clone(), rules.cloned().collect())
                }
                field => (name.clone(), without_patterns(field)),
            });
            Value::Object(kept.collect())
        }
        Value::Array(items) => items.iter().map(without_patterns).collect(),
        scalar => scalar.clone(),
    }
}

const RULES: &str = "x-kubernetes-validations";

/// The pattern that a rule is. A rule that speaks of another field is none.
fn rule_pattern(rule: &Value) -> Option<String> {
    let alone =
        rule.get("fieldPath").is_none() && rule.get("messageExpression").is_none() && rule["message"].is_string();
    alone.then(|| pattern_of(rule["rule"].as_str()?)).flatten()
}

/// The rules that are a pattern.
fn patterns(value: &Value, schema: &Value, path: &str, found: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let field = schema["properties"]
                    .get(name)
                    .unwrap_or(&schema["additionalProperties"]);
                patterns(value, field, &format!("{path}.{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                patterns(item, &schema["items"], &format!("{path}[{index}]"), found);
            }
        }
        Value::String(text) => {
            for rule in schema[RULES].as_array().into_iter().flatten() {
                if let Some(source) = rule_pattern(rule)
                    && !pattern(&source).is_some_and(|pattern| pattern.is_match(text))
                {
                    found.push(fault(path, rule["message"].as_str().unwrap_or_default().to_owned()));
                }
            }
        }
        Value::Number(_) | Value::Bool(_) | Value::Null => {}
    }
}

/// A pattern of one of the schemas; None: it is none.
fn pattern(source: &str) -> Option<&'static Regex> {
    static PATTERNS: OnceLock<BTreeMap<String, Regex>> = OnceLock::new();
    fn collect(schema: &Value, all: &mut BTreeMap<String, Regex>) {
        match schema {
            Value::Object(fields) => {
                let rules = schema[RULES].as_array().into_iter().flatten().filter_map(rule_pattern);
                for source in schema["pattern"].as_str().map(str::to_owned).into_iter().chain(rules) {
                    if let Ok(pattern) = Regex::new(&source) {
                        all.insert(source, pattern);
                    }
                }
                fields.values().for_each(|field| collect(field, all));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, all)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let patterns = PATTERNS.get_or_init(|| {
        let mut all = BTreeMap::new();
        kinds().values().for_each(|kind| collect(&kind.schema, &mut all));
        all
    });
    patterns.get(source)
}

fn fault(path: &str, message: String) -> Fault {
    Fault {
        kind: FaultKind::Rule,
        path: path.to_owned(),
        message,
        help: None,
    }
}

/// `known`: the fields that may stand there.
fn unknown<'a>(path: &str, name: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Fault {
    let help = did_you_mean(name, known.clone()).map(|meant| format!("did you mean {meant}?"));
    Fault {
        kind: FaultKind::UnknownField,
        help: help.or_else(|| listed(known)),
        ..fault(path, format!("unknown field \"{path}\""))
    }
}

/// The fields that there are, where they can be taken in at a glance.
fn listed<'a>(known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let known: Vec<_> = known.into_iter().take(16).collect();
    (!known.is_empty() && known.len() < 16).then(|| format!("its fields are {}", known.join(", ")))
}

fn fields(schema: &Value) -> impl Iterator<Item = &str> + Clone {
    schema["properties"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
}

/// What to write where something of another type stands.
fn right_type(value: &Value, schema: &Value, expected: &str) -> Option<String> {
    match (expected, value) {
        // What the text must look like tells more than that it is one: for: 60.
        ("string", Value::Number(_) | Value::Bool(_)) => {
            let rule = schema["x-kubernetes-validations"][0]["message"].as_str();
            Some(rule.map_or_else(|| format!("put it in quotes: \"{value}\""), str::to_owned))
        }
        ("integer" | "number" | "boolean", Value::String(_)) => Some("take the quotes away".to_owned()),
        ("object", _) => listed(fields(schema)),
        ("array", _) => Some("write a list: [...], or lines that begin with -".to_owned()),
        _ => None,
    }
}

fn look(value: &Value, schema: &Value, path: &str, found: &mut Vec<Fault>) {
    if value.is_null() && schema["nullable"] == true {
        return;
    }
    let Some(expected) = schema["type"].as_str() else {
        return; // a scalar of any type
    };
    if !is_a(value, expected) {
        let message = format!("Invalid value: \"{}\": must be of type {expected}", type_of(value));
        found.push(Fault {
            kind: FaultKind::WrongType,
            help: right_type(value, schema, expected),
            ..fault(path, message)
        });
        return;
    }
    match value {
        Value::Object(fields) => look_into(fields, schema, path, found),
        Value::Array(items) => {
            count(items.len(), schema, ["minItems", "maxItems"], "items", path, found);
            for (index, item) in items.iter().enumerate() {
                look(item, &schema["items"], &format!("{path}[{index}]"), found);
                if schema["x-kubernetes-list-type"] == "set" && items[..index].contains(item) {
                    found.push(fault(&format!("{path}[{index}]"), format!("Duplicate value: {item}")));
                }
            }
        }
        Value::String(text) => look_at_text(text, schema, path, found),
        Value::Number(number) => look_at_number(number.as_f64().unwrap_or(f64::NAN), schema, path, found),
        Value::Bool(_) | Value::Null => {}
    }
}

fn look_into(fields: &serde_json::Map<String, Value>, schema: &Value, path: &str, found: &mut Vec<Fault>) {
    count(
        fields.len(),
        schema,
        ["minProperties", "maxProperties"],
        "properties",
        path,
        found,
    );
    for name in schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if !fields.contains_key(name) {
            found.push(Fault {
                kind: FaultKind::Missing,
                ..fault(&format!("{path}.{name}"), "Required value".into())
            });
        }
    }
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(field), _) | (None, Some(field)) => look(value, field, &path, found),
            (None, None) if schema["x-kubernetes-preserve-unknown-fields"] == true => {}
            (None, None) => found.push(unknown(&path, name, self::fields(schema))),
        }
    }
}

fn look_at_text(text: &str, schema: &Value, path: &str, found: &mut Vec<Fault>) {
    // A rule of the same string says it in better words when the string is empty.
    let told = schema["x-kubernetes-validations"].is_array();
    let length = text.chars().count() as u64;
    if schema["maxLength"].as_u64().is_some_and(|most| length > most) {
        found.push(fault(
            path,
            format!("Too long: may not be more than {} characters", schema["maxLength"]),
        ));
    }
    if !told && schema["minLength"].as_u64().is_some_and(|least| length < least) {
        found.push(fault(
            path,
            format!("should be at least {} chars long", schema["minLength"]),
        ));
    }
    if let Some(source) = schema["pattern"].as_str()
        && !pattern(source).is_some_and(|pattern| pattern.is_match(text))
    {
        found.push(fault(path, format!("{path} in body should match '{source}'")));
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.iter().any(|value| value == text)
    {
        let values: Vec<_> = values.iter().map(Value::to_string).collect();
        found.push(fault(
            path,
            format!("Unsupported value: {text:?}: supported values: {}", values.join(", ")),
        ));
    }
}

fn look_at_number(number: f64, schema: &Value, path: &str, found: &mut Vec<Fault>) {
    if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
        found.push(fault(
            path,
            format!("{path} in body should be greater than or equal to {least}"),
        ));
    }
    if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
        found.push(fault(
            path,
            format!("{path} in body should be less than or equal to {most}"),
        ));
    }
}

fn count(size: usize, schema: &Value, bounds: [&str; 2], what: &str, path: &str, found: &mut Vec<Fault>) {
    let [least, most] = bounds.map(|bound| schema[bound].as_u64());
    if let Some(least) = least.filter(|least| (size as u64) < *least) {
        found.push(fault(
            path,
            format!("{path} in body should have at least {least} {what}"),
        ));
    }
    if let Some(most) = most.filter(|most| (size as u64) > *most) {
        found.push(fault(
            path,
            format!("Too many: {size}: must have at most {most} {what}"),
        ));
    }
}

fn is_a(value: &Value, expected: &str) -> bool {
    match expected {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        expected => type_of(value) == expected,
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The CEL rules of the CRD, asked about the object as its type reads it.
fn rules(object: &Value, kind: &Kind) -> Vec<Fault> {
    let read = match object["kind"].as_str().unwrap_or_default() {
        "Journey" => reread::<Journey>(object),
        "Touchpoint" => reread::<Touchpoint>(object),
        "ChannelAdapter" => reread::<ChannelAdapter>(object),
        "CustomerProfile" => reread::<CustomerProfile>(object),
        "PrivacyPolicy" => reread::<PrivacyPolicy>(object),
        kind => return vec![fault("kind", format!("{kind} is no kind of group journey.dev"))],
    };
    let read = match read {
        Ok(read) => read,
        Err(error) => return vec![fault("spec", error.to_string())],
    };
    let mut found = vec![];
    patterns(&read["spec"], &kind.schema["properties"]["spec"], "spec", &mut found);
    let broken = validate_compiled(&kind.rules, &read, None).err();
    let broken = broken.map(|errors| errors.into_vec()).unwrap_or_default();
    let faults = broken.into_iter();
    found.extend(faults.map(|rule| fault(rule.field_path.trim_start_matches('.'), rule.message)));
    found
}

fn reread<K: Serialize + DeserializeOwned>(object: &Value) -> serde_json::Result<Value> {
    serde_json::to_value(serde_json::from_value::<K>(object.clone())?)
}
