//! What the tests of the API share: YAML documents on disk, the variants of this folder, and how they are made of their
//! bases.
//!
//! A variant is a `case` (its name), the `base` it changes (KIND/NAME in base.yaml), a JSON `patch` (RFC 6902: add, replace,
//! remove) or `repeat` (so many copies of a list's first item, named apart), and a part of the `message` that refuses it.
//! `update: true`: the base is there already, and the variant would change it.

use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// The documents of a YAML text.
pub fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The documents of our group in a file.
pub fn ours(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    documents(&text)
        .into_iter()
        .filter(|document| document["apiVersion"] == "journey.dev/v1alpha1")
        .collect()
}

/// The folder of this package.
pub fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every YAML file below `folder`, in order.
pub fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(yaml_files(&path));
        } else if path.extension().is_some_and(|end| end == "yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// What is accepted and what the variants are made of, by KIND/NAME.
pub fn bases() -> BTreeMap<String, Value> {
    let name = |d: &Value| {
        format!(
            "{}/{}",
            d["kind"].as_str().unwrap(),
            d["metadata"]["name"].as_str().unwrap()
        )
    };
    ours(&package().join("tests/rejected/base.yaml"))
        .into_iter()
        .map(|d| (name(&d), d))
        .collect()
}

/// A change of a base that must be refused.
pub struct Variant {
    pub name: String,
    /// KIND/NAME of the document it changes.
    pub base: String,
    pub document: Value,
    /// A part of what the API server says.
    pub message: String,
    /// The base is there already.
    pub update: bool,
}

/// Every variant of this folder.
pub fn variants() -> Vec<Variant> {
    let bases = bases();
    let mut variants = vec![];
    for file in yaml_files(&package().join("tests/rejected")) {
        if file.file_name().unwrap() == "base.yaml" {
            continue;
        }
        let cases: Vec<Value> = serde_saphyr::from_str(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for case in cases {
            let text = |field: &str| {
                case[field]
                    .as_str()
                    .unwrap_or_else(|| panic!("{field} is missing in {case}"))
            };
            let base = text("base").to_owned();
            let document = bases
                .get(&base)
                .unwrap_or_else(|| panic!("no base is called {base}"))
                .clone();
            variants.push(Variant {
                name: format!("{}: {}", file.file_stem().unwrap().display(), text("case")),
                document: repeated(patched(document, &case["patch"]), &case["repeat"]),
                message: text("message").to_owned(),
                update: case["update"] == true,
                base,
            });
        }
    }
    variants
}

fn patched(mut document: Value, patch: &Value) -> Value {
    for op in patch.as_array().into_iter().flatten() {
        let (parent, last) = op["path"].as_str().unwrap().rsplit_once('/').unwrap();
        let target = document
            .pointer_mut(parent)
            .unwrap_or_else(|| panic!("{parent} is not there: {op}"));
        match (target, op["op"].as_str().unwrap()) {
            (Value::Object(fields), "remove") => drop(fields.remove(last).unwrap_or_else(|| panic!("nothing at {op}"))),
            (Value::Object(fields), "add" | "replace") => drop(fields.insert(last.into(), op["value"].clone())),
            (Value::Array(items), "remove") => drop(items.remove(last.parse::<usize>().unwrap())),
            (Value::Array(items), "replace") => items[last.parse::<usize>().unwrap()] = op["value"].clone(),
            (target, op) => panic!("{op} leads into {target}"),
        }
    }
    document
}

fn repeated(mut document: Value, repeat: &Value) -> Value {
    let (Some(path), Some(times)) = (repeat["path"].as_str(), repeat["times"].as_u64()) else {
        return document;
    };
    let list = document.pointer_mut(path).unwrap();
    let copy = |number| {
        let mut item = list[0].clone();
        item["name"] = format!("{}-{number}", item["name"].as_str().unwrap()).into();
        item
    };
    let mut items: Vec<_> = (1..times).map(copy).collect();
    items.insert(0, list[0].clone());
    *list = items.into();
    document
}
