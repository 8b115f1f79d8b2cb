//! Documents that list what the sources have: a name that is missing in one of them, or is there no more, is named here.

#[path = "docs/language.rs"]
mod language;

use regex::Regex;
use std::{collections::BTreeSet, fs, path::Path};

type Names = BTreeSet<String>;

#[test]
fn every_reason_is_documented_and_every_documented_reason_exists() {
    let doc = fs::read_to_string("docs/reasons.md").unwrap();
    let section = |title: &str| -> Names {
        let from = doc.find(&format!("\n## {title}:")).expect(title);
        let rest = &doc[from + 1..];
        let text = rest.find("\n## ").map_or(rest, |end| &rest[..end]);
        first_cells(text)
    };
    let exactly = [
        ("Ignored", variants("src/engine/state.rs", "Ignored")),
        ("Skipped", variants("src/policy/mod.rs", "SkipReason")),
        ("Quarantined", {
            let of_rounds = variants("src/store/aside.rs", "AsideReason");
            let of_the_gateway = variants("src/gateway/offer.rs", "Reason");
            of_the_gateway.union(&of_rounds).cloned().collect()
        }),
        ("Refused", variants("src/gateway/refusal.rs", "Refusal")),
        ("Not joined", variants("src/kpi/count.rs", "NotJoined")),
    ];
    for (title, names) in exactly {
        assert_eq!(section(title), names, "docs/reasons.md, {title}");
    }

    // Words of runner and channels, which stand in their sources as literals; `Smtp{code}` is a word with a number.
    let (held, failed) = (section("Held"), section("Failed"));
    let documented: Names = held.union(&failed).cloned().collect();
    let mut said = variants("src/policy/mod.rs", "HoldReason");
    for file in [
        "src/runner/turn.rs",
        "src/runner/ask.rs",
        "src/runner/poison.rs",
        "src/store/by_hand.rs",
        "src/runner/dispatch.rs",
        "src/channel",
    ] {
        said.extend(words(Path::new(file)));
    }
    let undocumented: Vec<_> = said.difference(&documented).collect();
    assert!(undocumented.is_empty(), "docs/reasons.md lacks {undocumented:?}");
    said.extend(variants("src/expression/tree.rs", "Fault"));
    let faults: Vec<_> = variants("src/expression/tree.rs", "Fault")
        .difference(&failed)
        .cloned()
        .collect();
    assert!(faults.is_empty(), "docs/reasons.md lacks the faults {faults:?}");
    let stale: Vec<_> = documented.difference(&said).collect();
    assert!(stale.is_empty(), "docs/reasons.md has {stale:?}, and nothing says so");
}

#[test]
fn every_direct_dependency_has_a_line() {
    let manifest = fs::read_to_string("Cargo.toml").unwrap();
    let doc = fs::read_to_string("docs/dependencies.md").unwrap();
    let sections = manifest
        .split("\n[")
        .filter(|section| section.starts_with("dependencies]") || section.starts_with("dev-dependencies]"));
    let names: Vec<&str> = sections
        .flat_map(str::lines)
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .filter(|name| !name.starts_with('#'))
        .collect();
    assert!(names.len() > 30, "{names:?}");
    let named: Names = Regex::new(r"[a-z0-9_-]+")
        .unwrap()
        .find_iter(&doc)
        .map(|word| word.as_str().to_owned())
        .collect();
    let missing: Vec<_> = names.iter().filter(|name| !named.contains(**name)).collect();
    assert!(missing.is_empty(), "docs/dependencies.md lacks {missing:?}");
}

/// What the rows of the tables in `text` begin with; `Smtp...` as `Smtp`.
fn first_cells(text: &str) -> Names {
    let cell = Regex::new(r"(?m)^\| ([A-Z][A-Za-z0-9]*)(\.\.\.)? \|").unwrap();
    cell.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// The variants of a public enum.
fn variants(file: &str, name: &str) -> Names {
    let source = fs::read_to_string(file).unwrap();
    let from = source.find(&format!("pub enum {name} {{")).expect(name);
    let body = &source[from..][..source[from..].find("\n}").expect(name)];
    let variant = Regex::new(r"(?m)^    ([A-Z][A-Za-z0-9]*)").unwrap();
    variant.captures_iter(body).map(|found| found[1].to_owned()).collect()
}

/// Literals of one capitalised word, perhaps with something computed behind it, in the code of a file or folder.
fn words(path: &Path) -> Names {
    if path.is_dir() {
        return fs::read_dir(path)
            .unwrap()
            .flat_map(|entry| words(&entry.unwrap().path()))
            .collect();
    }
    let source = fs::read_to_string(path).unwrap();
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let word = Regex::new(r#""((?:[A-Z][a-z]+[0-9]*)+)(?:\{[^"]*)?""#).unwrap();
    word.captures_iter(code).map(|found| found[1].to_owned()).collect()
}
