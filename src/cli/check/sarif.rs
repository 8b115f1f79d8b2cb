//! SARIF 2.1.0 (OASIS): what code scanning reads.

use super::Finding;
use crate::compile::{Code, explain};
use serde_json::{Value, json};
use std::{collections::BTreeSet, fmt::Write as _};

pub fn log(findings: &[Finding]) -> Value {
    // Only what is told has to be explained.
    let codes: Vec<Code> = findings
        .iter()
        .map(|finding| finding.code)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &codes)).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {
                "driver": {
                    "name": "journey check",
                    "version": env!("CARGO_PKG_VERSION"),
                    "rules": codes.iter().map(|code| rule(*code)).collect::<Vec<_>>(),
                },
            },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: Code) -> Value {
    json!({
        "id": code.id(),
        "name": code.name(),
        "shortDescription": {"text": code.title()},
        "fullDescription": {"text": code.why()},
        "help": {"text": explain(code)},
        "defaultConfiguration": {"level": code.severity().name()},
        "properties": {"class": code.class().name()},
    })
}

fn result(finding: &Finding, codes: &[Code]) -> Value {
    let help = finding.help.iter().map(|help| format!("\n{help}")).collect::<String>();
    let mut region = json!({
        "startLine": finding.line,
        "startColumn": finding.column,
        "endColumn": finding.end_column,
    });
    if let Some(source) = &finding.source {
        region["snippet"] = json!({"text": source});
    }
    let mut location = json!({
        "physicalLocation": {"artifactLocation": {"uri": uri(&finding.file)}, "region": region},
    });
    if let Some(object) = &finding.object {
        let name = format!("{}/{}/{}", object.kind, object.name, finding.path);
        location["logicalLocations"] = json!([{"fullyQualifiedName": name, "kind": "object"}]);
    }
    json!({
        "ruleId": finding.code.id(),
        "ruleIndex": codes.iter().position(|code| *code == finding.code),
        "level": finding.severity.name(),
        "message": {"text": format!("{}{help}", finding.message)},
        "locations": [location],
    })
}

/// A path as a URI reference (RFC 3986).
fn uri(path: &str) -> String {
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => out.push(char::from(byte)),
            _ => {
                let _written = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}
