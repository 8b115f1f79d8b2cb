//! A row of an import, judged: whose it is, what is known, what was consented to. A reason names columns and rules, never a value.

use crate::{
    clock::Micros,
    engine::{program::Profile, state::Properties},
    gateway::{of_json, of_text},
    keys::Keys,
    personal::Personal,
    policy::{
        Confirmed, Consent,
        consent::{Subject, subject},
    },
    store::Imported,
};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Bytes of an identifier, and of a consent's evidence.
const IDENTIFIER_LIMIT: usize = 512;
const EVIDENCE_LIMIT: usize = 4096;

/// What rows may say.
#[derive(Debug)]
pub struct Rules {
    pub identifier: String,
    pub skip: Vec<String>,
    /// For consents that tell none themselves.
    pub evidence: Option<String>,
    pub profile: Arc<Profile>,
    pub purposes: BTreeSet<String>,
    /// Purposes whose consent is to be confirmed: one that was not, elsewhere, is pending.
    pub confirms: BTreeSet<String>,
    pub now: Micros,
}

/// A customer as a row tells.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerRow {
    id: Personal<String>,
    attributes: Personal<Properties>,
    consents: BTreeMap<String, Consent>,
    evidence: BTreeMap<String, Personal<String>>,
}

impl CustomerRow {
    pub fn imported(self, keys: &Keys, namespace: &str, kind: &str) -> Imported {
        let Self {
            id,
            attributes,
            consents,
            evidence,
        } = self;
        Imported {
            key: keys.customer(namespace, kind, id.expose()),
            anonymous: kind == crate::keys::ANONYMOUS,
            id,
            attributes,
            consents,
            evidence,
        }
    }
}

/// What a column of a CSV file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Column {
    Identifier,
    Attribute(String),
    Granted(String),
    Confirmed(String),
    GrantedAt(String),
    Evidence(String),
    Skipped,
}

impl Rules {
    /// The columns of a header; the error names those that are not known.
    pub fn columns<'h>(&self, header: impl Iterator<Item = &'h str>) -> Result<Vec<Column>, String> {
        let (mut columns, mut unknown) = (Vec::new(), Vec::new());
        for name in header.map(|name| name.trim().trim_start_matches('\u{feff}')) {
            match self.column(name) {
                Some(Column::Attribute(name)) if self.is_derived(&name) => {
                    return Err(format!(
                        "the column {name} is a derived attribute, which the CustomerProfile's `is` gives; pass over it with --skip"
                    ));
                }
                Some(column) if column != Column::Skipped && columns.contains(&column) => {
                    return Err(format!("the column {name} is there twice"));
                }
                Some(column) => columns.push(column),
                None => unknown.push(name),
            }
        }
        if !unknown.is_empty() {
            return Err(format!(
                "columns that are neither attributes of the CustomerProfile nor consent.PURPOSE of a PrivacyPolicy: {}; rename them, declare \
them, or pass over them with --skip",
                unknown.join(", ")
            ));
        }
        if !columns.contains(&Column::Identifier) {
            return Err(format!(
                "no column is called {}; --identifier names the column that says whose row it is",
                self.identifier
            ));
        }
        Ok(columns)
    }

    fn column(&self, name: &str) -> Option<Column> {
        if self.skip.iter().any(|skip| skip == name) {
            return Some(Column::Skipped);
        }
        if name == self.identifier {
            return Some(Column::Identifier);
        }
        if let Some(consent) = name.strip_prefix("consent.") {
            let of = |purpose: &str, column: fn(String) -> Column| {
                self.is_subject(purpose).then(|| column(purpose.to_owned()))
            };
            return of(consent, Column::Granted)
                .or_else(|| of(consent.strip_suffix(".confirmed")?, Column::Confirmed))
                .or_else(|| of(consent.strip_suffix(".at")?, Column::GrantedAt))
                .or_else(|| of(consent.strip_suffix(".evidence")?, Column::Evidence));
        }
        self.profile
            .attributes
            .contains_key(name)
            .then(|| Column::Attribute(name.to_owned()))
    }

    /// Whether it is a purpose, or a purpose by one channel (`marketing@Sms`).
    fn is_subject(&self, text: &str) -> bool {
        match subject(text) {
            Subject::Purpose(purpose) | Subject::ByChannel { purpose, .. } => self.purposes.contains(purpose),
            Subject::Journey(_) | Subject::Pause(_) | Subject::Platform(_) => false,
        }
    }

    fn asks_confirmation(&self, text: &str) -> bool {
        match subject(text) {
            Subject::Purpose(purpose) | Subject::ByChannel { purpose, .. } => self.confirms.contains(purpose),
            Subject::Journey(_) | Subject::Pause(_) | Subject::Platform(_) => false,
        }
    }

    fn is_derived(&self, name: &str) -> bool {
        self.profile.attributes.get(name).is_some_and(|of| of.is.is_some())
    }

    /// A row of a CSV file; an empty field tells nothing.
    pub fn of_fields<'f>(
        &self,
        columns: &[Column],
        fields: impl Iterator<Item = &'f str>,
    ) -> Result<CustomerRow, String> {
        let (mut id, mut attributes) = (None, Properties::new());
        let mut told: BTreeMap<&str, Told<'_>> = BTreeMap::new();
        for (column, field) in columns.iter().zip(fields).filter(|(_, field)| !field.trim().is_empty()) {
            match column {
                Column::Identifier => id = Some(field.trim()),
                Column::Attribute(name) => {
                    attributes.insert(name.clone(), self.attribute(name, |ty| of_text(ty, field))?);
                }
                Column::Granted(purpose) => {
                    let granted = match field.trim().to_ascii_lowercase().as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(format!("consent.{purpose} must be true or false")),
                    };
                    told.entry(purpose).or_default().granted = Some(granted);
                }
                Column::Confirmed(purpose) => {
                    told.entry(purpose).or_default().confirmed = match field.trim().to_ascii_lowercase().as_str() {
                        "true" => true,
                        "false" => false,
                        _ => return Err(format!("consent.{purpose}.confirmed must be true or false")),
                    };
                }
                Column::GrantedAt(purpose) => told.entry(purpose).or_default().at = Some(field.trim()),
                Column::Evidence(purpose) => told.entry(purpose).or_default().evidence = Some(field.trim()),
                Column::Skipped => {}
            }
        }
        self.row(id, attributes, told)
    }

    /// A line of JSON: `{"userId": .., "attributes": {..}, "consents": {"PURPOSE": {"granted": .., "confirmed": .., "at": .., "evidence": ..}}}`.
    pub fn of_object(&self, object: &Map<String, Value>) -> Result<CustomerRow, String> {
        for name in object.keys() {
            if *name != self.identifier && name != "attributes" && name != "consents" && !self.skip.contains(name) {
                return Err(format!("a member besides {}, attributes and consents", self.identifier));
            }
        }
        let id = match object.get(&self.identifier) {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) => Some(id.as_str()),
            Some(_) => return Err(format!("{} must be a string", self.identifier)),
        };
        let mut attributes = Properties::new();
        for (name, value) in members(object, "attributes")?.into_iter().flatten() {
            let value = if value.is_null() && !self.is_derived(name) {
                Value::Null
            } else {
                self.attribute(name, |ty| of_json(ty, value))?
            };
            attributes.insert(name.clone(), value);
        }
        let mut told: BTreeMap<&str, Told<'_>> = BTreeMap::new();
        for (purpose, consent) in members(object, "consents")?.into_iter().flatten() {
            if !self.is_subject(purpose) {
                return Err("consents names a purpose that no PrivacyPolicy has".into());
            }
            let text = |name: &str| match &consent[name] {
                Value::Null => Ok(None),
                Value::String(text) => Ok(Some(text.as_str())),
                _ => Err(format!("consents.{purpose}.{name} must be a string")),
            };
            let confirmed = match &consent["confirmed"] {
                Value::Null => false,
                Value::Bool(confirmed) => *confirmed,
                _ => return Err(format!("consents.{purpose}.confirmed must be true or false")),
            };
            let granted = consent["granted"].as_bool();
            if granted.is_none() {
                return Err(format!("consents.{purpose}.granted must be true or false"));
            }
            told.insert(
                purpose,
                Told {
                    granted,
                    confirmed,
                    at: text("at")?,
                    evidence: text("evidence")?,
                },
            );
        }
        self.row(id, attributes, told)
    }

    fn row(
        &self,
        id: Option<&str>,
        attributes: Properties,
        told: BTreeMap<&str, Told<'_>>,
    ) -> Result<CustomerRow, String> {
        let id = id
            .filter(|id| !id.trim().is_empty())
            .ok_or_else(|| format!("{} is missing", self.identifier))?;
        if id.len() > IDENTIFIER_LIMIT {
            return Err(format!("{} is longer than {IDENTIFIER_LIMIT} bytes", self.identifier));
        }
        let (mut consents, mut evidence) = (BTreeMap::new(), BTreeMap::new());
        for (
            purpose,
            Told {
                granted,
                at,
                evidence: rests_on,
                confirmed,
            },
        ) in told
        {
            let granted = granted.ok_or_else(|| format!("consent.{purpose} is missing, though more is told of it"))?;
            let at = at.ok_or_else(|| format!("consent.{purpose}.at is missing: when it was given or withdrawn"))?;
            let at = at
                .parse::<jiff::Timestamp>()
                .map_err(|_| format!("consent.{purpose}.at must be an RFC 3339 timestamp"))?;
            if at.as_microsecond() > self.now {
                return Err(format!("consent.{purpose}.at is in the future"));
            }
            match rests_on.or(self.evidence.as_deref()) {
                Some(text) if text.len() > EVIDENCE_LIMIT => {
                    return Err(format!(
                        "consent.{purpose}.evidence is longer than {EVIDENCE_LIMIT} bytes"
                    ));
                }
                Some(text) => {
                    evidence.insert(purpose.to_owned(), text.to_owned().into());
                }
                None if granted => {
                    return Err(format!(
                        "consent.{purpose}.evidence is missing: where it was given (GDPR article 7(1)); or use --evidence"
                    ));
                }
                None => {}
            }
            let asks_confirmation = self.asks_confirmation(purpose);
            let said = Consent::heard(granted, at.as_microsecond(), asks_confirmation && !confirmed);
            let confirmed = if granted && confirmed {
                Confirmed::Elsewhere
            } else {
                Confirmed::Not
            };
            consents.insert(purpose.to_owned(), Consent { confirmed, ..said });
        }
        Ok(CustomerRow {
            id: id.to_owned().into(),
            attributes: attributes.into(),
            consents,
            evidence,
        })
    }

    fn attribute(
        &self,
        name: &str,
        read: impl FnOnce(&crate::expression::Type) -> Option<Value>,
    ) -> Result<Value, String> {
        let declared = self
            .profile
            .attributes
            .get(name)
            .ok_or("attributes has a name that the CustomerProfile does not declare")?;
        if declared.is.is_some() {
            return Err(format!(
                "{name} is derived: it follows from other attributes and cannot be imported"
            ));
        }
        read(&declared.ty).ok_or_else(|| format!("{name} does not fit its type, {:#}", declared.ty))
    }
}

/// What a row tells of one purpose.
#[derive(Debug, Default)]
struct Told<'a> {
    granted: Option<bool>,
    /// Whether it was confirmed where it comes from (double opt-in).
    confirmed: bool,
    at: Option<&'a str>,
    evidence: Option<&'a str>,
}

fn members<'o>(object: &'o Map<String, Value>, name: &str) -> Result<Option<&'o Map<String, Value>>, String> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(members)) => Ok(Some(members)),
        Some(_) => Err(format!("{name} must be an object")),
    }
}
