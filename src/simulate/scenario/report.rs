//! What came of scenarios: for people, for programs, and for build servers.

use super::{Outcome, read::Mistake};
use crate::markup::escape;
use serde_json::{Value, json};

/// For people. `trace` tells what happened also where all went well.
pub fn text(outcomes: &[Outcome], mistakes: &[Mistake], trace: bool) -> String {
    let mut out = String::new();
    for mistake in mistakes {
        out.push_str(&format!("ERROR {mistake}\n"));
    }
    for outcome in outcomes {
        let word = if outcome.failures.is_empty() { "ok   " } else { "FAIL " };
        out.push_str(&format!("{word} {}:{} {}\n", outcome.file, outcome.line, outcome.name));
        for failure in &outcome.failures {
            out.push_str(&format!(
                "      {}:{} {} {}\n",
                outcome.file, failure.line, failure.when, failure.what
            ));
            for line in failure.diff.iter().flat_map(|line| line.lines()) {
                out.push_str(&format!("        {line}\n"));
            }
            if let Some(help) = &failure.help {
                out.push_str(&format!("        {help}\n"));
            }
        }
        let story = match outcome.failures.iter().find(|failure| !failure.trace.is_empty()) {
            _ if trace => Some(&outcome.trace),
            Some(failure) => Some(&failure.trace),
            None => None,
        };
        if let Some(story) = story.filter(|story| !story.is_empty()) {
            out.push_str("      what happened\n");
            for line in story {
                out.push_str(&format!("        {line}\n"));
            }
        }
    }
    let failed = outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).count();
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    out.push_str(&counted(outcomes.len(), "scenario"));
    out.push_str(&format!(", {failed} failed"));
    if !mistakes.is_empty() {
        out.push_str(&format!(", {}", counted(mistakes.len(), "mistake")));
    }
    out.push('\n');
    out
}

/// One object, for programs.
pub fn json(outcomes: &[Outcome], mistakes: &[Mistake], trace: bool) -> Value {
    let scenarios: Vec<Value> = outcomes
        .iter()
        .map(|outcome| {
            let failures: Vec<Value> = outcome
                .failures
                .iter()
                .map(|failure| {
                    json!({"line": failure.line, "when": failure.when, "what": failure.what, "diff": failure.diff,
                        "help": failure.help, "trace": failure.trace})
                })
                .collect();
            let mut one = json!({"file": outcome.file, "line": outcome.line, "scenario": outcome.name,
                "passed": failures.is_empty(), "failures": failures});
            if trace {
                one["trace"] = json!(outcome.trace);
            }
            one
        })
        .collect();
    let mistakes: Vec<Value> = mistakes
        .iter()
        .map(|one| json!({"file": one.file, "line": one.line, "message": one.message, "help": one.help}))
        .collect();
    json!({"scenarios": scenarios, "mistakes": mistakes})
}

/// JUnit's XML as build servers read it: a suite a file, a case a scenario.
pub fn junit(outcomes: &[Outcome], mistakes: &[Mistake]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let failed = outcomes.iter().filter(|outcome| !outcome.failures.is_empty()).count();
    out.push_str(&format!(
        "<testsuites name=\"journey test\" tests=\"{}\" failures=\"{failed}\" errors=\"{}\">\n",
        outcomes.len() + mistakes.len(),
        mistakes.len()
    ));
    let mut files: Vec<&str> = outcomes.iter().map(|outcome| outcome.file.as_str()).collect();
    files.extend(mistakes.iter().map(|mistake| mistake.file.as_str()));
    files.sort_unstable();
    files.dedup();
    for file in files {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.file == file).collect();
        let wrong: Vec<&Mistake> = mistakes.iter().filter(|mistake| mistake.file == file).collect();
        let failed = own.iter().filter(|outcome| !outcome.failures.is_empty()).count();
        out.push_str(&format!(
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"{}\">\n",
            escape(file),
            own.len() + wrong.len(),
            wrong.len()
        ));
        for outcome in own {
            out.push_str(&format!(
                "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{}\"",
                escape(file),
                escape(&outcome.name),
                escape(file),
                outcome.line
            ));
            if outcome.failures.is_empty() {
                out.push_str("/>\n");
                continue;
            }
            out.push_str(">\n");
            for failure in &outcome.failures {
                let mut body = format!("{file}:{} {} {}\n", failure.line, failure.when, failure.what);
                for line in failure.diff.iter().chain(&failure.help).chain(&failure.trace) {
                    body.push_str(&format!("{line}\n"));
                }
                out.push_str(&format!(
                    "      <failure message=\"{}\">{}</failure>\n",
                    escape(&failure.what),
                    escape(&body)
                ));
            }
            out.push_str("    </testcase>\n");
        }
        for mistake in wrong {
            out.push_str(&format!(
                "    <testcase classname=\"{0}\" name=\"{0}:{1}\" file=\"{0}\" line=\"{1}\">\n      <error message=\"{2}\"/>\n    </testcase>\n",
                escape(file),
                mistake.line,
                escape(&mistake.to_string())
            ));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}
