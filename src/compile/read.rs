//! YAML into manifests, with what kubectl would refuse refused in words. Each document is read twice: as YAML 1.2 and with the booleans of
//! YAML 1.1, which kubectl and Helm read; where the two differ is a trap (`trap`).

use super::{Code, JourneyManifest, Manifests, Object, ParseError, lines::Lines, report::instead, trap::traps};
use crate::api::{
    ChannelAdapterSpec, PrivacyPolicySpec, TouchpointSpec,
    customer_profile::CustomerProfileSpec,
    shape::{Fault, FaultKind, faults},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use std::collections::BTreeMap;

const GROUP: &str = "journey.dev/";
const VERSION: &str = "journey.dev/v1alpha1";
/// Bytes of one text.
const SIZE: usize = 16 << 20;

/// Mistakes told of one object.
const MISTAKES: usize = 20;
/// Mistakes after which the rest of a file is not read.
const MISTAKES_OF_A_FILE: usize = 500;

/// What is wrong with the shape of an object.
type Judge = fn(&Value) -> Vec<Fault>;

/// One object of a text.
#[derive(Debug)]
pub struct Document<'t> {
    pub object: Object,
    /// metadata.namespace, where it is given.
    pub namespace: Option<String>,
    /// The document as it is written, and its first line in the text.
    pub text: &'t str,
    pub first: usize,
    spec: Spec,
}

#[derive(Debug)]
enum Spec {
    Journey(JourneyManifest),
    Touchpoint(TouchpointSpec),
    Adapter(ChannelAdapterSpec),
    Policy(PrivacyPolicySpec),
    Profile(CustomerProfileSpec),
    /// Texts that messages may include.
    ConfigMap(BTreeMap<String, String>),
}

impl Document<'_> {
    /// Puts it among `manifests`. False: its name was there, and is replaced.
    pub fn into(self, manifests: &mut Manifests) -> bool {
        let name = self.object.name;
        match self.spec {
            Spec::Journey(spec) => manifests.journeys.insert(name, spec).is_none(),
            Spec::Touchpoint(spec) => manifests.touchpoints.insert(name, spec).is_none(),
            Spec::Adapter(spec) => manifests.adapters.insert(name, spec).is_none(),
            Spec::Policy(spec) => manifests.policies.insert(name, spec).is_none(),
            Spec::Profile(spec) => manifests.profiles.insert(name, spec).is_none(),
            Spec::ConfigMap(texts) => manifests.config_maps.insert(name, texts).is_none(),
        }
    }
}

/// Adds the documents of `text`, which must have the shape that the API server takes.
pub fn read(manifests: &mut Manifests, text: &str, origin: &str) -> Result<(), Vec<ParseError>> {
    read_judged(manifests, text, origin, faults)
}

/// The same with another judge of shapes.
pub fn read_judged(manifests: &mut Manifests, text: &str, origin: &str, judge: Judge) -> Result<(), Vec<ParseError>> {
    let (documents, mut errors) = objects_judged(text, origin, judge);
    for document in documents {
        let twice = given_twice(&document, origin, None);
        if !document.into(manifests) {
            errors.push(twice);
        }
    }
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// The objects of `text`, and what could not be read. Documents of other groups are passed over.
pub fn objects<'t>(text: &'t str, origin: &str) -> (Vec<Document<'t>>, Vec<ParseError>) {
    objects_judged(text, origin, faults)
}

fn objects_judged<'t>(text: &'t str, origin: &str, judge: Judge) -> (Vec<Document<'t>>, Vec<ParseError>) {
    let (mut all, mut errors) = (vec![], vec![]);
    if text.len() > SIZE {
        let mistake = mistake(Code::FileTooLarge, 1, format!("more than {SIZE} bytes"));
        errors.push(mistake.in_file(origin, 1));
        return (all, errors);
    }
    for (first, document) in documents(text)
        .into_iter()
        .filter(|(_, document)| !is_scenario(document))
    {
        match one(document, first, judge) {
            Ok(document) => all.extend(document),
            Err(mistakes) => errors.extend(mistakes.into_iter().map(|mistake| mistake.in_file(origin, first))),
        }
        // Nobody reads more, and what follows is most likely wrong in the same way.
        if errors.len() >= MISTAKES_OF_A_FILE {
            break;
        }
    }
    (all, errors)
}

/// `before`: the file of the first, where it is another.
pub fn given_twice(document: &Document<'_>, origin: &str, before: Option<&str>) -> ParseError {
    let Object { kind, name } = &document.object;
    let elsewhere = before.map(|file| format!(", first in {file}")).unwrap_or_default();
    let spot = Lines::of(document.text, 1).spot("metadata.name", None);
    let mistake = mistake(
        Code::GivenTwice,
        spot.line,
        format!("{kind} {name} is given twice{elsewhere}"),
    );
    Mistake {
        column: spot.column,
        length: spot.length,
        ..mistake
    }
    .in_file(origin, document.first)
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

/// What is wrong in a line of a document, from 1.
pub(super) struct Mistake {
    code: Code,
    line: usize,
    column: usize,
    length: usize,
    /// Boxed: it is seldom there, and errors travel.
    object: Option<Box<Object>>,
    path: String,
    message: String,
    help: Option<String>,
}

pub(super) fn mistake(code: Code, line: usize, message: String) -> Mistake {
    Mistake {
        code,
        line,
        column: 1,
        length: 1,
        object: None,
        path: String::new(),
        message,
        help: None,
    }
}

impl Mistake {
    /// Where in its line, in characters from 1.
    pub(super) fn at(self, column: usize, length: usize) -> Self {
        Self { column, length, ..self }
    }

    fn in_file(self, origin: &str, first: usize) -> ParseError {
        let Self {
            code,
            line,
            column,
            length,
            object,
            path,
            message,
            help,
        } = self;
        ParseError {
            origin: origin.into(),
            line: first + line - 1,
            column,
            length,
            code,
            object: object.map(|object| *object),
            path,
            message,
            help,
        }
    }
}

const KINDS: [&str; 5] = [
    "Journey",
    "Touchpoint",
    "ChannelAdapter",
    "PrivacyPolicy",
    "CustomerProfile",
];

/// The object of one document; None: it is empty, or of another group.
fn one(document: &str, first: usize, judge: Judge) -> Result<Option<Document<'_>>, Vec<Mistake>> {
    let wrong = |code, line, message: String| vec![mistake(code, line, message)];
    let object = parse(document, true).map_err(|mistake| vec![mistake])?;
    if object.is_null() {
        return Ok(None);
    }
    let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
    if version.is_empty() || kind.is_empty() {
        let message = "apiVersion and kind are missing: this is no Kubernetes object";
        return Err(wrong(Code::NotAnObject, 1, message.into()));
    }
    if kind == "List" {
        let message = "a List is not read: divide the objects by lines of ---";
        return Err(wrong(Code::ListNotRead, 1, message.into()));
    }
    if version == "v1" && kind == "ConfigMap" {
        return config_map(document, first, &object).map_err(|mistake| vec![mistake]);
    }
    if !version.starts_with(GROUP) {
        return Ok(None);
    }
    if version != VERSION {
        let message = format!("apiVersion {version} is not known; write {VERSION}");
        return Err(wrong(Code::UnknownVersion, line_of(document, "apiVersion"), message));
    }
    if !KINDS.contains(&kind) {
        let message = format!("there is no kind {kind}; {}", instead(kind, KINDS, "kinds are"));
        return Err(wrong(Code::UnknownKind, line_of(document, "kind"), message));
    }
    parse(document, false)
        .and_then(|loose| traps(document, &object, &loose))
        .map_err(|mistake| vec![mistake])?;
    let name = text(&object["metadata"]["name"]);
    if name.is_empty() {
        let message = format!("this {kind} has no metadata.name");
        return Err(wrong(Code::NoName, line_of(document, "metadata"), message));
    }
    let of = Object {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    let faults = judge(&object);
    if !faults.is_empty() {
        let lines = Lines::of(document, 1);
        let told = |fault: Fault| {
            let spot = match fault.kind {
                FaultKind::UnknownField => lines.name(&fault.path),
                FaultKind::WrongType | FaultKind::Missing | FaultKind::Rule => lines.spot(&fault.path, None),
            };
            Mistake {
                code: shape(fault.kind),
                line: spot.line,
                column: spot.column,
                length: spot.length,
                object: Some(Box::new(of.clone())),
                path: fault.path,
                message: fault.message,
                help: fault.help,
            }
        };
        return Err(faults.into_iter().take(MISTAKES).map(told).collect());
    }
    let namespace = namespace(&object);
    let spec = match kind {
        "Journey" => Spec::Journey(JourneyManifest {
            labels: labels(&object).map_err(|error| vec![unread(line_of(document, "labels"), error)])?,
            spec: spec(document, &object)?,
        }),
        "Touchpoint" => Spec::Touchpoint(spec(document, &object)?),
        "ChannelAdapter" => Spec::Adapter(spec(document, &object)?),
        "PrivacyPolicy" => Spec::Policy(spec(document, &object)?),
        _ => Spec::Profile(spec(document, &object)?),
    };
    Ok(Some(Document {
        namespace,
        object: of,
        text: document,
        first,
        spec,
    }))
}

fn shape(kind: FaultKind) -> Code {
    match kind {
        FaultKind::UnknownField => Code::UnknownField,
        FaultKind::WrongType => Code::WrongFieldType,
        FaultKind::Missing => Code::FieldMissing,
        FaultKind::Rule => Code::RuleBroken,
    }
}

/// A ConfigMap without a name is made by somebody else (a generator, a template), and no touchpoint can name it.
fn config_map<'t>(document: &'t str, first: usize, object: &Value) -> Result<Option<Document<'t>>, Mistake> {
    let name = text(&object["metadata"]["name"]);
    if name.is_empty() {
        return Ok(None);
    }
    let mut texts = BTreeMap::new();
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        let Some(text) = value.as_str() else {
            let line = Lines::of(document, 1).at(&format!("data.{key}"));
            let message = format!("ConfigMap {name}: data.{key}: entries of a ConfigMap are texts: put it in quotes");
            return Err(mistake(Code::ConfigMapText, line, message));
        };
        texts.insert(key.clone(), text.to_owned());
    }
    Ok(Some(Document {
        object: Object {
            kind: "ConfigMap".to_owned(),
            name: name.to_owned(),
        },
        namespace: namespace(object),
        text: document,
        first,
        spec: Spec::ConfigMap(texts),
    }))
}

/// metadata.namespace, where it is given.
fn namespace(object: &Value) -> Option<String> {
    Some(text(&object["metadata"]["namespace"]))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
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

fn parse(document: &str, strict_booleans: bool) -> Result<Value, Mistake> {
    match serde_saphyr::from_str_with_options::<Option<Value>>(document, options(strict_booleans)) {
        Ok(value) => Ok(value.unwrap_or_default()),
        Err(error) => {
            let at = error
                .location()
                .map(|location| (location.line() as usize, location.column() as usize));
            let (line, column) = at.unwrap_or((1, 1));
            Err(Mistake {
                column: column.max(1),
                ..mistake(Code::NotYaml, line.max(1), error.to_string())
            })
        }
    }
}

/// What the judge of shapes lets through and the types do not take.
fn unread(line: usize, message: String) -> Mistake {
    mistake(Code::SpecUnread, line, message)
}

fn spec<T: DeserializeOwned>(document: &str, object: &Value) -> Result<T, Vec<Mistake>> {
    let spec = object
        .get("spec")
        .cloned()
        .ok_or_else(|| vec![unread(1, "spec is missing".to_owned())])?;
    serde_json::from_value(spec).map_err(|error| vec![unread(line_of(document, "spec"), format!("spec: {error}"))])
}

/// The line at which a top-level field stands.
fn line_of(document: &str, field: &str) -> usize {
    line_where(document, |line| line.trim_start().starts_with(field))
}

fn line_where(document: &str, holds: impl Fn(&str) -> bool) -> usize {
    document.lines().position(holds).map_or(1, |n| n + 1)
}
