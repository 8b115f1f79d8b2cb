//! The contract by example, without a cluster: what is right is read without loss and keeps the rules of its CRD, and the
//! CRDs on disk are those of the types.

#[path = "rejected/editor.rs"]
mod editor;
mod rejected;

use journey::api::{self, ChannelAdapter, CustomerProfile, Journey, PrivacyPolicy, Touchpoint, shape::faults};
use rejected::{bases, ours, package, variants, yaml_files};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

#[test]
fn the_crds_on_disk_and_in_the_chart_are_those_of_the_types() {
    for folder in ["crds", "charts/journey-operator/files/crds"] {
        let files = api::crd_files();
        for (name, yaml) in &files {
            let path = package().join(folder).join(name);
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                written == *yaml,
                "{folder}/{name} is not current: run `cargo run -- crds --output {folder}`"
            );
        }
        let mut there: Vec<_> = yaml_files(&package().join(folder))
            .iter()
            .map(|p| p.file_name().unwrap().display().to_string())
            .collect();
        let mut ours: Vec<_> = files.into_iter().map(|(name, _)| name).collect();
        there.sort();
        ours.sort();
        assert_eq!(there, ours, "{folder} holds a file that no kind asks for");
    }
}

#[test]
fn every_document_is_read_without_loss_and_keeps_the_rules() {
    let mut documents: Vec<_> = bases().into_iter().collect();
    for file in yaml_files(&package().join("examples")) {
        documents.extend(
            ours(&file)
                .into_iter()
                .map(|document| (file.display().to_string(), document)),
        );
    }
    assert!(documents.len() > 35, "only {} documents found", documents.len());
    for (origin, document) in documents {
        let name = format!("{origin} {} {}", document["kind"], document["metadata"]["name"]);
        let found = faults(&document);
        assert!(found.is_empty(), "{name}: {found:#?}");
        let again = read(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut losses = vec![];
        lost(&document, &again, "", &mut losses);
        assert!(losses.is_empty(), "{name}: {losses:#?}");
    }
}

/// What the types read, written again.
fn read(document: &Value) -> Result<Value, String> {
    fn through<K: DeserializeOwned + Serialize>(document: &Value) -> Result<Value, String> {
        let object: K = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
        serde_json::to_value(object).map_err(|error| error.to_string())
    }
    match document["kind"].as_str().unwrap_or_default() {
        "Journey" => through::<Journey>(document),
        "Touchpoint" => through::<Touchpoint>(document),
        "ChannelAdapter" => through::<ChannelAdapter>(document),
        "CustomerProfile" => through::<CustomerProfile>(document),
        "PrivacyPolicy" => through::<PrivacyPolicy>(document),
        other => Err(format!("{other} is no kind of ours")),
    }
}

#[test]
fn every_variant_is_refused_without_a_server_in_the_words_of_a_server() {
    let variants: Vec<_> = variants().into_iter().filter(|variant| !variant.update).collect();
    assert!(variants.len() > 150, "only {} variants found", variants.len());
    let mut other = vec![];
    for variant in variants {
        let said: Vec<_> = faults(&variant.document).iter().map(ToString::to_string).collect();
        if !said.iter().any(|said| said.contains(&variant.message)) {
            other.push(format!("{}: {said:?}, not {:?}", variant.name, variant.message));
        }
    }
    assert!(other.is_empty(), "{} differ:\n{}", other.len(), other.join("\n"));
}

#[test]
fn a_touchpoint_keeps_its_direction() {
    let bases = bases();
    let changes: Vec<_> = variants().into_iter().filter(|variant| variant.update).collect();
    assert!(!changes.is_empty(), "no variant changes an object");
    for change in changes {
        let [before, after] = [&bases[&change.base], &change.document]
            .map(|document| serde_json::from_value::<Touchpoint>(document.clone()).unwrap());
        let said = after.validate_cel_update(&before).unwrap_err().to_string();
        assert!(said.contains(&change.message), "{}: {said}", change.name);
    }
}

/// Paths of `before` that `after` lacks or changes; defaults may be added.
fn lost(before: &Value, after: &Value, path: &str, out: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => a
            .iter()
            .for_each(|(k, v)| lost(v, b.get(k).unwrap_or(&Value::Null), &format!("{path}/{k}"), out)),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .for_each(|(i, (x, y))| lost(x, y, &format!("{path}/{i}"), out)),
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{path}: {a} became {b}")),
    }
}
