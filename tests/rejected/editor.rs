//! The schemas for editors judge as the API server does, as far as a schema can: no false alarm, and a slip is underlined.

use super::rejected::{bases, ours, package, variants, yaml_files};
use journey::api;
use serde_json::{Value, json};

fn combined() -> jsonschema::Validator {
    let schema: Value = serde_json::from_str(&api::schema()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn the_schemas_on_disk_are_those_of_the_types() {
    let files = api::schema_files();
    for (name, text) in &files {
        let written = std::fs::read_to_string(package().join("schemas").join(name)).unwrap_or_default();
        assert!(
            written == *text,
            "schemas/{name} is not current: run `cargo run -- schema --output schemas`"
        );
    }
    // Of what is no kind, such as a scenario, the schema is called NAME.schema.json.
    let there = std::fs::read_dir(package().join("schemas")).unwrap();
    let stale: Vec<String> = there
        .map(|file| file.unwrap().file_name().display().to_string())
        .filter(|name| !name.ends_with(".schema.json") && files.iter().all(|(ours, _)| ours != name))
        .collect();
    assert!(stale.is_empty(), "no kind asks for {stale:?} in schemas");
}

#[test]
fn what_the_api_server_takes_is_not_underlined() {
    let schema = combined();
    let mut documents: Vec<Value> = bases().into_values().collect();
    for file in yaml_files(&package().join("examples")) {
        documents.extend(ours(&file));
    }
    assert!(documents.len() > 35, "only {} documents found", documents.len());
    for document in documents {
        let said: Vec<String> = schema.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(
            said.is_empty(),
            "{} {}: {said:?}",
            document["kind"],
            document["metadata"]["name"]
        );
    }
    // Objects of others stand in the same files.
    assert!(
        schema.is_valid(&json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {}}))
    );
    assert!(schema.is_valid(&json!({"resources": ["journey.yaml"]})));
}

/// What the API server refuses by a schema alone, the editor underlines.
#[test]
fn unknown_fields_wrong_types_and_broken_patterns_are_underlined() {
    let schema = combined();
    let by_schema = [
        "unknown field",
        "must be of type",
        "should match",
        "Unsupported value",
        "Required value",
        "should be at least",
        "should be less than or equal to",
        "a duration is written like",
        "a percentage is written like",
        "a time of day is written",
    ];
    let mut judged = 0;
    for variant in variants().iter().filter(|variant| !variant.update) {
        if by_schema.iter().any(|word| variant.message.contains(word)) {
            judged += 1;
            assert!(
                !schema.is_valid(&variant.document),
                "{} is not underlined",
                variant.name
            );
        }
    }
    assert!(judged > 50, "only {judged} variants say what a schema can say");
}

#[test]
fn a_kind_that_does_not_exist_is_underlined() {
    let object =
        |kind: &str| json!({"apiVersion": "journey.dev/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": {}});
    let said: Vec<String> = combined()
        .iter_errors(&object("Jurney"))
        .map(|error| error.to_string())
        .collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("Touchpoint"), "{said:?}");
}
