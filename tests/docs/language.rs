//! The examples of docs/language.md: each section's, with what stands around them (base.yaml), is a namespace that `journey check` finds no
//! error in. Parts of objects are made whole: a list of steps, or fields of a journey's spec, are those of a journey of which nothing else is
//! said; a step that is led to and not there is an exit.

use journey::{
    api::status::JourneyStatus,
    compile::{self, Manifests, Severity},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

type Objects = BTreeMap<(String, String), Value>;

#[test]
fn every_example_of_the_language_compiles() {
    let text = fs::read_to_string("docs/language.md").unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for section in text.split("\n## ").skip(1) {
        let title = section.lines().next().unwrap_or_default();
        let blocks = examples(section);
        assert!(!blocks.is_empty(), "'{title}' has no example");
        seen += blocks.len();
        let mut objects = base();
        blocks.iter().for_each(|block| add(block, &mut objects));
        wrong.extend(errors(&objects).into_iter().map(|error| format!("{title}: {error}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(
        seen,
        text.matches("```yaml").count(),
        "each example belongs to a section"
    );
}

#[test]
fn an_example_with_a_mistake_is_found() {
    let mistakes = [
        "entry:\n  triggers: [{event: never-heard-of}]",
        "- name: tone\n  split:\n    arms: [{name: a, weight: 70, next: one}, {name: b, weight: 40, next: two}]",
        "kind: Touchpoint\nspec: {channel: Email, outbound: {adapter: nowhere, purpose: service}}",
        "kind: CustomerProfile\nspec: {attributes: {lapsed: {type: boolean, is: customer.nothing > 3}}}",
    ];
    for mistake in mistakes {
        let mut objects = base();
        add(mistake, &mut objects);
        assert!(!errors(&objects).is_empty(), "{mistake}");
    }
}

/// Its blocks of YAML, without what all lines are indented by.
fn examples(section: &str) -> Vec<String> {
    let blocks = section.split("```yaml\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("\n```").next().unwrap_or_default());
    blocks
        .map(|block| {
            let full = block.lines().filter(|line| !line.trim().is_empty());
            let indent = full.map(|line| line.len() - line.trim_start().len()).min().unwrap_or(0);
            let lines = block.lines().map(|line| line.get(indent..).unwrap_or_default());
            lines.collect::<Vec<_>>().join("\n")
        })
        .collect()
}

fn base() -> Objects {
    let mut objects = Objects::new();
    for document in include_str!("base.yaml").split("\n---\n") {
        put(parse(document), &mut objects);
    }
    objects
}

fn parse(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

fn put(object: Value, objects: &mut Objects) {
    let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    objects.insert((of(&object["kind"]), of(&object["metadata"]["name"])), object);
}

/// Adds what a block says, made whole.
fn add(block: &str, objects: &mut Objects) {
    for document in block.split("\n---\n").map(parse) {
        match document {
            Value::Array(steps) => journey(json!({"steps": steps}), "snippet", objects),
            Value::Object(fields) if fields.contains_key("kind") => object(&Value::Object(fields), objects),
            Value::Object(fields) if fields.contains_key("status") => {
                let status = fields["status"].clone();
                let read: JourneyStatus = serde_json::from_value(status.clone()).expect("a status of a journey");
                let again = serde_json::to_value(read).unwrap();
                assert_eq!(again["kpis"], status["kpis"], "every field of it is one that there is");
            }
            Value::Object(fields) if fields.contains_key("inbound") || fields.contains_key("outbound") => {
                let mut spec = fields;
                spec.insert("channel".into(), "Web".into());
                object(&json!({"kind": "Touchpoint", "spec": spec}), objects);
            }
            Value::Object(mut fields) => {
                let spec = fields.remove("spec").unwrap_or(Value::Object(fields));
                journey(spec, "snippet", objects);
            }
            other => panic!("{other} is no part of an object"),
        }
    }
}

fn object(given: &Value, objects: &mut Objects) {
    let kind = given["kind"].as_str().unwrap();
    let usual = match kind {
        "CustomerProfile" | "PrivacyPolicy" => "shop",
        _ => "snippet",
    };
    let name = given["metadata"]["name"].as_str().unwrap_or(usual).to_owned();
    if kind == "Journey" {
        return journey(given["spec"].clone(), &name, objects);
    }
    let known = objects.remove(&(kind.to_owned(), name.clone()));
    let mut whole = json!({"apiVersion": "journey.dev/v1alpha1", "kind": kind, "metadata": {"name": name}});
    if let Some(known) = known.filter(|_| usual == "shop") {
        merge(&mut whole, &known);
    }
    merge(&mut whole, given);
    put(whole, objects);
}

/// What the fields say of a journey that sends a reminder, goes through the steps and ends.
fn journey(fields: Value, name: &str, objects: &mut Objects) {
    let key = ("Journey".to_owned(), name.to_owned());
    let known = objects
        .remove(&key)
        .map_or_else(|| json!({}), |known| known["spec"].clone());
    let mut spec = known.as_object().cloned().unwrap_or_default();
    spec.extend(fields.as_object().cloned().expect("fields of a spec"));
    let joins = spec.get("choice").is_some_and(|choice| choice["join"] == true);
    if !joins {
        let entry = || json!({"triggers": [{"event": "cart-updated"}]});
        spec.entry("entry").or_insert_with(entry);
    }
    let goals = || json!([{"name": "bought", "side": "Customer", "event": "order-placed", "within": "7d", "value": "event.total"}]);
    spec.entry("goals").or_insert_with(goals);
    let begins = json!({"name": "begin", "send": {"touchpoint": "cart-reminder"}});
    let mut steps = spec
        .remove("steps")
        .and_then(|steps| steps.as_array().cloned())
        .unwrap_or_default();
    steps.retain(|step| step["name"] != "begin");
    steps.insert(0, begins);
    let mut led = Vec::new();
    steps.iter().for_each(|step| leads(step, &mut led));
    for name in led {
        if steps.iter().all(|step| step["name"] != *name) {
            steps.push(json!({"name": name, "exit": {"outcome": "Completed"}}));
        }
    }
    spec.insert("steps".into(), steps.into());
    let whole =
        json!({"apiVersion": "journey.dev/v1alpha1", "kind": "Journey", "metadata": {"name": name}, "spec": spec});
    put(whole, objects);
}

/// Names of the steps that `next` and `otherwise` lead to.
fn leads(value: &Value, led: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(step) if name == "next" || name == "otherwise" => led.push(step.clone()),
                    other => leads(other, led),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leads(item, led)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Fields by name, items of a list by their `name`; what is given last holds.
fn merge(into: &mut Value, given: &Value) {
    match (into, given) {
        (Value::Object(into), Value::Object(given)) => {
            for (name, value) in given {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(given)) if given.iter().all(|item| item["name"].is_string()) => {
            for item in given {
                match into.iter_mut().find(|known| known["name"] == item["name"]) {
                    Some(known) => merge(known, item),
                    None => into.push(item.clone()),
                }
            }
        }
        (into, given) => *into = given.clone(),
    }
}

fn errors(objects: &Objects) -> Vec<String> {
    let mut manifests = Manifests::default();
    for object in objects.values() {
        let origin = object["metadata"]["name"].as_str().unwrap_or_default();
        if let Err(errors) = manifests.read(&object.to_string(), origin) {
            return errors.iter().map(ToString::to_string).collect();
        }
    }
    let found = compile::check(&manifests);
    let errors = found.iter().filter(|found| found.severity == Severity::Error);
    errors.map(ToString::to_string).collect()
}
