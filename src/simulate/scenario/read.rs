//! Finds the scenarios of a YAML text. A mistake has its line, and says what to write instead.

use super::format::Scenario;
use crate::{
    compile::{self, Lines},
    expression::diagnostic::did_you_mean,
};
use regex::Regex;
use serde_json::Value;
use std::{fmt, sync::LazyLock};

/// Bytes of one text.
const SIZE: usize = 16 << 20;

/// A scenario and where it stands.
#[derive(Debug, Clone)]
pub struct Found {
    pub file: String,
    pub line: usize,
    pub lines: Lines,
    pub scenario: Scenario,
}

/// What is wrong with a scenario's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    pub file: String,
    pub line: usize,
    pub message: String,
    pub help: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            message,
            help,
        } = self;
        write!(f, "{file}:{line}: {message}")?;
        match help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// All scenarios of a text, and what is wrong with those that cannot be read.
pub fn read(text: &str, file: &str) -> (Vec<Found>, Vec<Mistake>) {
    let (mut found, mut mistakes) = (vec![], vec![]);
    let mut tell = |line: usize, message: String, help: Option<String>| {
        mistakes.push(Mistake {
            file: file.to_owned(),
            line,
            message,
            help,
        });
    };
    if text.len() > SIZE {
        tell(1, format!("more than {SIZE} bytes"), None);
        return (found, mistakes);
    }
    for (first, document) in compile::documents(text) {
        if !compile::is_scenario(document) {
            continue;
        }
        match serde_saphyr::from_str_with_options::<Scenario>(document, compile::yaml_options()) {
            Ok(scenario) => {
                let lines = Lines::of(document, first);
                match empty(&scenario) {
                    Some((path, message, help)) => tell(lines.at(&path), message, Some(help)),
                    None => found.push(Found {
                        file: file.to_owned(),
                        line: lines.at("scenario"),
                        lines,
                        scenario,
                    }),
                }
            }
            Err(error) => {
                let line = error.location().map_or(1, |at| at.line() as usize).max(1);
                let (message, help) = worded(&error.to_string());
                tell(first + line - 1, message, help);
            }
        }
    }
    (found, mistakes)
}

/// What a scenario must say for it to test anything.
fn empty(scenario: &Scenario) -> Option<(String, String, String)> {
    if scenario.scenario.trim().is_empty() {
        return Some((
            "scenario".into(),
            "the scenario has no name".into(),
            "say in one sentence what happens".into(),
        ));
    }
    for (n, moment) in scenario.timeline.iter().enumerate() {
        if moment.at.is_some() && moment.after.is_some() {
            return Some((
                format!("timeline[{n}].after"),
                "a moment has at or after, not both".into(),
                "`at` counts from the start, `after` from the moment before".into(),
            ));
        }
    }
    if !scenario
        .timeline
        .iter()
        .any(|moment| moment.expect.is_some() || moment.becomes.is_some())
    {
        return Some((
            "timeline".into(),
            "nothing is expected: this scenario cannot fail".into(),
            "add an `expect` to a moment of the timeline".into(),
        ));
    }
    None
}

static UNKNOWN: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("unknown (?:field|variant) `([^`]*)`, expected (?:one of )?(.*)").expect("a fixed pattern")
});
static PLACE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r" at line \d+, column \d+").expect("a fixed pattern"));

/// The first line of what the parser says, without its own place, and what was meant.
fn worded(error: &str) -> (String, Option<String>) {
    let line = error.lines().next().unwrap_or(error);
    let line = PLACE.replace_all(line.strip_prefix("error: ").unwrap_or(line), "");
    let help = UNKNOWN.captures(&line).and_then(|unknown| {
        let (word, known) = (unknown.get(1)?.as_str(), unknown.get(2)?.as_str());
        let known = known.split([',', ' ']).map(|name| name.trim_matches('`'));
        did_you_mean(word, known.filter(|name| !name.is_empty())).map(|meant| format!("did you mean {meant}?"))
    });
    (line.into_owned(), help)
}

/// A value as a person writes it in YAML.
pub fn written(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
