//! The registry of codes and what the sources make of it.

use super::*;
use std::{collections::BTreeMap, fs, path::Path};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/diagnostics.md");

/// Codes that stand in several places because several places find the same mistake.
const SEVERAL_PLACES: &[&str] = &[
    // Names in `with`, in `set` and in the profile, by different ways.
    "KeyWasRewritten",
    // A touchpoint's own purpose, and the one whose consent it brings.
    "UnknownPurpose",
    // Of events, and of answers.
    "SchemaInvalid",
    // Hours and zones of quiet, of caps and of waits.
    "NotATimeOfDay",
    "UnknownZone",
];

/// `JOURNEY_UPDATE=1 cargo test` writes the file anew.
#[test]
fn the_document_explains_every_code() {
    if std::env::var_os("JOURNEY_UPDATE").is_some() {
        fs::write(DOCUMENT, document()).unwrap();
    }
    assert_eq!(
        fs::read_to_string(DOCUMENT).unwrap(),
        document(),
        "JOURNEY_UPDATE=1 cargo test writes it anew"
    );
}

#[test]
fn every_code_is_told_in_one_place_and_explained_in_full() {
    let mut places: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let named = regex::Regex::new(r"(?:^|[^:])\bCode::([A-Z][A-Za-z]+)\b").unwrap();
    for file in sources(&root) {
        let source = fs::read_to_string(&file).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        for found in named.captures_iter(code) {
            if let Some(known) = Code::ALL.iter().find(|known| known.name() == &found[1]) {
                places.entry(known.name()).or_default().push(file.display().to_string());
            }
        }
    }
    for code in Code::ALL {
        let at = places.get(code.name()).map_or(&[][..], Vec::as_slice);
        assert!(!at.is_empty(), "{code} {} is told by nothing", code.name());
        assert!(
            at.len() == 1 || SEVERAL_PLACES.contains(&code.name()),
            "{code} {} is used for several things: {at:?}",
            code.name()
        );
        for text in [code.title(), code.why(), code.bad(), code.good()] {
            assert!(!text.trim().is_empty(), "{code} is not explained");
        }
        assert!(
            code.why().ends_with('.'),
            "{code}: the explanation is made of sentences"
        );
        assert_ne!(code.bad(), code.good(), "{code}");
    }
}

#[test]
fn codes_are_in_order_and_told_apart() {
    let ids: Vec<&str> = Code::ALL.iter().map(|code| code.id()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    assert!(
        ids.iter()
            .all(|id| id.len() == 6 && id.starts_with("JNY") && id[3..].bytes().all(|b| b.is_ascii_digit()))
    );
    let titles: BTreeSet<&str> = Code::ALL.iter().map(|code| code.title()).collect();
    assert_eq!(titles.len(), Code::ALL.len(), "two codes have the same title");
    assert_eq!(Code::of("jny020"), Some(Code::UnknownEvent));
    assert_eq!(Code::of("JNY000"), None);
}

/// Where codes are told: everywhere but in the rooms that have codes of their own, and in the registry.
fn sources(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let skipped = ["expression", "template", "tests", "code.rs"];
        if skipped.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") {
            all.push(path);
        }
    }
    all
}
