//! YAML into manifests, with what kubectl would refuse refused in words. Each document is read twice: as YAML 1.2 and with the booleans of
//! YAML 1.1, which kubectl and Helm read; where the two differ is a trap.

use super::{JourneyManifest, Manifests, Object, ParseError, lines::Lines, report::instead};
use crate::api::shape::{Fault, faults};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

const GROUP: &str = "journey.dev/";
const VERSION: &str = "journey.dev/v1alpha1";
/// Bytes of one text.
const SIZE: usize = 16 << 20;

/// Mistakes told of one object.
const MISTAKES: usize = 20;

/// What is wrong with the shape of an object.
type Judge = fn(&Value) -> Vec<Fault>;

/// Adds the documents of `text`, which must have the shape that the API server takes.
pub fn read(manifests: &mut Manifests, text: &str, origin: &str) -> Result<(), Vec<ParseError>> {
    read_judged(manifests, text, origin, faults)
}

/// The same with another judge of shapes.
pub fn read_judged(manifests: &mut Manifests, text: &str, origin: &str, judge: Judge) -> Result<(), Vec<ParseError>> {
    let mut errors = vec![];
    let mut tell = |(line, message): Mistake| {
        errors.push(ParseError {
            origin: origin.into(),
            line,
            message,
        });
    };
    if text.len() > SIZE {
        tell((1, format!("more than {SIZE} bytes")));
    } else {
        for (first, document) in documents(text)
            .into_iter()
            .filter(|(_, document)| !is_scenario(document))
        {
            let mistakes = add(manifests, document, judge).err();
            for (line, message) in mistakes.into_iter().flatten() {
                tell((first + line - 1, message));
            }
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The documents with the number of their first line. kubectl divides the same way, before it reads YAML.
pub fn documents(text: &str) -> Vec<(usize, &str)> {
    let (mut all, mut start, mut first, mut at) = (vec![], 0, 1, 0);
    for (n, line) in text.split_inclusive('\n').enumerate() {
        if line.starts_with("---") && line[3..].chars().next().is_none_or(char::is_whitespace) {
            all.push((first, &text[start..at]));
            (start, first) = (at + line.len(), n + 2);
        }
        at += line.len();
    }
    all.push((first, &text[start..]));
    all
}

/// A line of the document, from 1, and what is wrong in it.
type Mistake = (usize, String);

const KINDS: [&str; 5] = [
    "Journey",
    "Touchpoint",
    "ChannelAdapter",
    "PrivacyPolicy",
    "CustomerProfile",
];

fn add(manifests: &mut Manifests, document: &str, judge: Judge) -> Result<(), Vec<Mistake>> {
    let one = |line, message: String| vec![(line, message)];
    let object = parse(document, true).map_err(|mistake| vec![mistake])?;
    if object.is_null() {
        return Ok(());
    }
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    if version.is_empty() || kind.is_empty() {
        return Err(one(
            1,
            "apiVersion and kind are missing: this is no Kubernetes object".into(),
        ));
    }
    if kind == "List" {
        return Err(one(1, "a List is not read: divide the objects by lines of ---".into()));
    }
    if version == "v1" && kind == "ConfigMap" {
        return config_map(manifests, document, &object);
    }
    if !version.starts_with(GROUP) {
        return Ok(());
    }
    if version != VERSION {
        let message = format!("apiVersion {version} is not known; write {VERSION}");
        return Err(one(line_of(document, "apiVersion"), message));
    }
    if !KINDS.contains(&kind) {
        let message = format!("there is no kind {kind}; {}", instead(kind, KINDS, "kinds are"));
        return Err(one(line_of(document, "kind"), message));
    }
    let told = |mistake| vec![mistake];
    parse(document, false)
        .and_then(|loose| traps(document, &object, &loose))
        .map_err(told)?;
    let name = text(&object["metadata"]["name"]);
    if name.is_empty() {
        let message = format!("this {kind} has no metadata.name");
        return Err(one(line_of(document, "metadata"), message));
    }
    let faults = judge(&object);
    if !faults.is_empty() {
        let lines = Lines::of(document, 1);
        let told = |fault: Fault| (lines.at(&fault.path), format!("{kind} {name}: {fault}"));
        return Err(faults.into_iter().take(MISTAKES).map(told).collect());
    }
    let taken = match kind {
        "Journey" => {
            let manifest = JourneyManifest {
                labels: labels(&object).map_err(|error| one(line_of(document, "labels"), error))?,
                spec: spec(document, &object)?,
            };
            manifests.journeys.insert(name.into(), manifest).is_some()
        }
        "Touchpoint" => manifests
            .touchpoints
            .insert(name.into(), spec(document, &object)?)
            .is_some(),
        "ChannelAdapter" => manifests
            .adapters
            .insert(name.into(), spec(document, &object)?)
            .is_some(),
        "PrivacyPolicy" => manifests
            .policies
            .insert(name.into(), spec(document, &object)?)
            .is_some(),
        _ => manifests
            .profiles
            .insert(name.into(), spec(document, &object)?)
            .is_some(),
    };
    if taken {
        return Err(one(
            line_of(document, "metadata"),
            format!("{kind} {name} is given twice"),
        ));
    }
    Ok(())
}

/// A ConfigMap without a name is made by somebody else (a generator, a template), and no touchpoint can name it.
fn config_map(manifests: &mut Manifests, document: &str, object: &Value) -> Result<(), Vec<Mistake>> {
    let name = text(&object["metadata"]["name"]);
    if name.is_empty() {
        return Ok(());
    }
    let mut texts = BTreeMap::new();
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        let Some(text) = value.as_str() else {
            let line = Lines::of(document, 1).at(&format!("data.{key}"));
            let message = format!("ConfigMap {name}: data.{key}: entries of a ConfigMap are texts: put it in quotes");
            return Err(vec![(line, message)]);
        };
        texts.insert(key.clone(), text.to_owned());
    }
    if manifests.config_maps.insert(name.into(), texts).is_some() {
        return Err(vec![(
            line_of(document, "metadata"),
            format!("ConfigMap {name} is given twice"),
        )]);
    }
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn labels(object: &Value) -> Result<BTreeMap<String, String>, String> {
    match &object["metadata"]["labels"] {
        Value::Null => Ok(BTreeMap::new()),
        labels => BTreeMap::deserialize(labels).map_err(|error| format!("metadata.labels: {error}")),
    }
}

/// How YAML is read: 1.2, or with the booleans of 1.1.
pub fn options(strict_booleans: bool) -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: strict_booleans, legacy_octal_numbers: true, with_snippet: false }
}

/// How YAML is read where nobody asks kubectl: 1.2.
pub fn yaml_options() -> serde_saphyr::Options {
    options(true)
}

/// Whether a document is a scenario of `journey test`: it has the field at its top. Those are no manifests.
pub fn is_scenario(document: &str) -> bool {
    document.lines().any(|line| line.starts_with("scenario:"))
}

/// Where the fields of each object of `text` stand.
pub fn lines(yaml: &str) -> BTreeMap<Object, Lines> {
    let one = |(first, document)| {
        let object = parse(document, true).ok()?;
        let of = Object {
            kind: text(&object["kind"]).to_owned(),
            name: text(&object["metadata"]["name"]).to_owned(),
        };
        Some((of, Lines::of(document, first)))
    };
    documents(yaml).into_iter().filter_map(one).collect()
}

fn parse(document: &str, strict_booleans: bool) -> Result<Value, Mistake> {
    match serde_saphyr::from_str_with_options::<Option<Value>>(document, options(strict_booleans)) {
        Ok(value) => Ok(value.unwrap_or_default()),
        Err(error) => {
            let line = error.location().map_or(1, |location| location.line() as usize);
            Err((line.max(1), error.to_string()))
        }
    }
}

fn spec<T: DeserializeOwned>(document: &str, object: &Value) -> Result<T, Vec<Mistake>> {
    let spec = object
        .get("spec")
        .cloned()
        .ok_or_else(|| vec![(1, "spec is missing".to_owned())])?;
    serde_json::from_value(spec).map_err(|error| vec![(line_of(document, "spec"), format!("spec: {error}"))])
}

/// Words that YAML 1.1 takes for a boolean and YAML 1.2 for a text.
const WORDS: [&str; 6] = ["y", "yes", "on", "n", "no", "off"];

/// What kubectl would read otherwise than it is meant.
fn traps(document: &str, strict: &Value, loose: &Value) -> Result<(), Mistake> {
    let read_as = |word: &str| {
        if ["y", "yes", "on"].contains(&word.to_lowercase().as_str()) {
            "true"
        } else {
            "false"
        }
    };
    if let Some((path, word)) = trap(strict, loose, String::new()) {
        let line = line_where(document, |line| words(line).any(|one| one == word));
        return Err((
            line,
            format!(
                "{path}: kubectl reads an unquoted {word} as {}; quote it",
                read_as(&word)
            ),
        ));
    }
    for (n, line) in document.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default();
        for (key, rest) in line
            .split(['{', ','])
            .filter_map(|part| part.trim_start().trim_start_matches("- ").split_once(':'))
        {
            if WORDS.contains(&key.trim().to_lowercase().as_str())
                && (rest.is_empty() || rest.starts_with(' '))
                && is_key(strict, key.trim())
            {
                return Err((
                    n + 1,
                    format!(
                        "kubectl reads the key {} as {}; quote it, or choose another name",
                        key.trim(),
                        read_as(key.trim())
                    ),
                ));
            }
        }
    }
    // A tag: `when: !customer.vip` arrives as an empty text.
    for (n, line) in document.lines().enumerate() {
        if let Some((key, value)) = line.split_once(": !")
            && !value.starts_with('!')
            && !key.contains(['"', '\'', '#', '`'])
            && value.starts_with(|c: char| c.is_ascii_alphabetic() || c == '(')
            && loses(strict)
        {
            return Err((
                n + 1,
                format!(
                    "YAML takes !{} for a tag and loses it: put the expression in quotes",
                    value.split([' ', ',', '}']).next().unwrap_or_default()
                ),
            ));
        }
    }
    Ok(())
}

/// Where the one reading has a boolean and the other a text.
fn trap(strict: &Value, loose: &Value, path: String) -> Option<(String, String)> {
    match (strict, loose) {
        (Value::String(word), Value::Bool(_)) => Some((path, word.clone())),
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(name, value)| {
            let path = if path.is_empty() {
                name.clone()
            } else {
                format!("{path}.{name}")
            };
            trap(value, b.get(name)?, path)
        }),
        (Value::Array(a), Value::Array(b)) => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(n, (a, b))| trap(a, b, format!("{path}[{n}]"))),
        _ => None,
    }
}

fn is_key(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(key, value)| key == name || is_key(value, name)),
        Value::Array(items) => items.iter().any(|item| is_key(item, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Whether some value is nothing, as a tag without a value is.
fn loses(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.values().any(loses),
        Value::Array(items) => items.iter().any(loses),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split([' ', ',', '[', ']', '{', '}', ':']).map(str::trim)
}

/// The line at which a top-level field stands.
fn line_of(document: &str, field: &str) -> usize {
    line_where(document, |line| line.trim_start().starts_with(field))
}

fn line_where(document: &str, holds: impl Fn(&str) -> bool) -> usize {
    document.lines().position(holds).map_or(1, |n| n + 1)
}
