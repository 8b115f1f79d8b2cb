//! The contract by example, without a cluster: what is right is read without loss and keeps the rules of its CRD, and the
//! CRDs on disk are those of the types.

mod rejected;

use journey::api::{self, ChannelAdapter, CustomerProfile, Journey, PrivacyPolicy, Touchpoint};
use rejected::{bases, ours, package, yaml_files};
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
        let again = read(&document).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut losses = vec![];
        lost(&document, &again, "", &mut losses);
        assert!(losses.is_empty(), "{name}: {losses:#?}");
    }
}

/// What the types read, written again; or why they refuse.
fn read(document: &Value) -> Result<Value, String> {
    fn through<K: DeserializeOwned + Serialize>(
        document: &Value,
        rules: impl Fn(&K) -> Result<(), kube::core::cel::ValidationErrors>,
    ) -> Result<Value, String> {
        let object: K = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
        rules(&object).map_err(|errors| errors.to_string())?;
        serde_json::to_value(object).map_err(|error| error.to_string())
    }
    match document["kind"].as_str().unwrap_or_default() {
        "Journey" => through(document, Journey::validate_cel),
        "Touchpoint" => through(document, Touchpoint::validate_cel),
        "ChannelAdapter" => through(document, ChannelAdapter::validate_cel),
        "CustomerProfile" => through(document, CustomerProfile::validate_cel),
        "PrivacyPolicy" => through(document, PrivacyPolicy::validate_cel),
        other => Err(format!("{other} is no kind of ours")),
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
