//! JSON Schemas of the five kinds for editors (the YAML language server and others), made of the CRDs. `journey schema` prints them and
//! schemas/ carries them. They say more than a CRD, so that a slip is underlined while it is typed: unknown fields and null are refused,
//! and rules that are patterns have become patterns. Rules over several fields have no form in a schema; they stand in the descriptions.

use super::crds;
use serde_json::{Map, Value, json};

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";
const GROUP: &str = "journey.dev";

/// Name and text of each file: one for each kind, and `all.json`, which finds the kind of each document by its apiVersion and kind and
/// leaves documents of others alone.
pub fn schema_files() -> Vec<(String, String)> {
    let kinds = kinds();
    let mut all: Vec<(String, Value)> = vec![("all.json".into(), whole(&kinds, |kind| json!(file(kind))))];
    all.extend(kinds.iter().map(|(kind, schema)| (file(kind), schema.clone())));
    all.into_iter().map(|(name, schema)| (name, text(&schema))).collect()
}

/// The schema of all kinds that needs no other file.
pub fn schema() -> String {
    let kinds = kinds();
    let mut all = whole(&kinds, |kind| json!(format!("#/definitions/{kind}")));
    let own = kinds.into_iter().map(|(kind, mut schema)| {
        let fields = schema.as_object_mut();
        // One document has one dialect, said at its top.
        fields.map(|fields| fields.shift_remove("$schema"));
        (kind, schema)
    });
    all["definitions"] = own.collect::<Map<_, _>>().into();
    text(&all)
}

fn file(kind: &str) -> String {
    format!("{}.json", kind.to_lowercase())
}

fn text(schema: &Value) -> String {
    format!("{schema:#}\n")
}

/// Each kind with its schema.
fn kinds() -> Vec<(String, Value)> {
    crds()
        .into_iter()
        .map(|(_, crd)| {
            let version = &crd["spec"]["versions"][0];
            let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default().to_owned();
            let version_name = version["name"].as_str().unwrap_or_default();
            let schema = of_kind(&kind, version_name, &version["schema"]["openAPIV3Schema"]);
            (kind, schema)
        })
        .collect()
}

fn of_kind(kind: &str, version: &str, crd: &Value) -> Value {
    let mut metadata = converted(&json!({
        "description": "Name, labels and what else Kubernetes keeps of every object.", "type": "object", "required": ["name"],
        "properties": {
            "name": {"description": "What others call this object; unique among those of its kind in the namespace.", "type": "string", "minLength": 1, "maxLength": 253},
            "namespace": {"description": "Left out: that of kubectl.", "type": "string"},
            "labels": {"description": "Names to values; policies select journeys by them.", "type": "object", "additionalProperties": {"type": "string"}},
            "annotations": {"description": "Names to values for tools.", "type": "object", "additionalProperties": {"type": "string"}},
        },
    }));
    // The server writes more there.
    metadata["additionalProperties"] = json!(true);
    json!({
        "$schema": DRAFT,
        "title": kind,
        "description": crd["description"],
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"description": "The group and version of the kinds of journey-operator.", "const": format!("{GROUP}/{version}")},
            "kind": {"const": kind},
            "metadata": metadata,
            "spec": converted(&crd["properties"]["spec"]),
            "status": {"description": "Written by the operator.", "type": "object"},
        },
        "additionalProperties": false,
    })
}

/// Each document judged by the schema of its kind.
fn whole(kinds: &[(String, Value)], of: impl Fn(&str) -> Value) -> Value {
    let ours = json!({"apiVersion": {"type": "string", "pattern": format!("^{}/", GROUP.replace('.', "\\."))}});
    let mut rules: Vec<Value> = kinds
        .iter()
        .map(|(kind, _)| {
            let mut says = ours.clone();
            says["kind"] = json!({"const": kind});
            json!({"if": {"required": ["apiVersion", "kind"], "properties": says}, "then": {"$ref": of(kind)}})
        })
        .collect();
    let names: Vec<&String> = kinds.iter().map(|(kind, _)| kind).collect();
    rules.push(json!({
        "if": {"required": ["apiVersion"], "properties": ours},
        "then": {"required": ["kind"], "properties": {"kind": {"enum": names}}},
    }));
    json!({
        "$schema": DRAFT,
        "title": "journey-operator",
        "description": "The kinds of journey.dev, each by its own schema; objects of other groups are not judged.",
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
        },
        "allOf": rules,
    })
}

/// A schema of a CRD in the words of JSON Schema.
fn converted(schema: &Value) -> Value {
    let Some(fields) = schema.as_object() else {
        return schema.clone();
    };
    let mut out = Map::new();
    let open = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    for (name, value) in fields {
        match name.as_str() {
            "properties" => {
                let below = value.as_object().into_iter().flatten();
                let below: Map<String, Value> = below.map(|(name, field)| (name.clone(), converted(field))).collect();
                out.insert(name.clone(), below.into());
            }
            "items" | "additionalProperties" => {
                out.insert(name.clone(), converted(value));
            }
            // Null is left out of schemas: a value is there or missing. Numbers' formats are Kubernetes' own.
            "nullable" | "format" => {}
            other if other.starts_with("x-kubernetes-") => {}
            _ => {
                out.insert(name.clone(), value.clone());
            }
        }
    }
    rules(fields, &mut out);
    if out.contains_key("properties") && !open && !out.contains_key("additionalProperties") {
        out.insert("additionalProperties".into(), json!(false));
    }
    out.into()
}

/// CEL rules: one that is a pattern becomes one, with its message; the messages of others end the description.
fn rules(crd: &Map<String, Value>, out: &mut Map<String, Value>) {
    for rule in crd
        .get("x-kubernetes-validations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let (source, message) = (rule["rule"].as_str().unwrap_or_default(), rule["message"].as_str());
        if let Some(pattern) = pattern_of(source)
            && !out.contains_key("pattern")
        {
            out.insert("pattern".into(), pattern.into());
            out.extend(message.map(|message| ("patternErrorMessage".to_owned(), message.into())));
        } else if let Some(message) = message
            && let Some(Value::String(description)) = out.get_mut("description")
        {
            let end = if description.ends_with('.') { "" } else { "." };
            *description = format!("{description}{end} Rule: {message}.");
        }
    }
}

/// The pattern of `self.matches('PATTERN')`, freed from the quotes of CEL.
pub(super) fn pattern_of(rule: &str) -> Option<String> {
    let quoted = rule.strip_prefix("self.matches('")?.strip_suffix("')")?;
    (!quoted.contains('\'')).then(|| quoted.replace("\\\\", "\\"))
}
