//! What a namespace knows: the attributes of its customers and the fields of its events, as types for expressions.

use super::{
    Code, Diagnostic, Manifests,
    report::{Report, instead},
};
use crate::{
    api::{
        journey::Choice,
        touchpoint::{Inbound, Outbound},
    },
    consent::Keyword,
    engine::{program::Profile, state::Ending},
    expression::{Field, Type},
};
use std::sync::Arc;

/// Levels of a JSON Schema that have types.
const SCHEMA_DEPTH: usize = 8;

/// What became of a message, as signals name it.
pub const BECAME: [&str; 12] = [
    "sent",
    "skipped",
    "failed",
    "delivered",
    "bounced",
    "opened",
    "clicked",
    "replied",
    "complained",
    "shown",
    "dismissed",
    "ended",
];
const CONSENT: [&str; 4] = ["granted", "pending", "paused", "withdrawn"];

/// The property of a reply that says which word it is.
pub const KEYWORD: &str = "keyword";

#[derive(Debug)]
pub struct World<'m> {
    pub manifests: &'m Manifests,
    pub profile: Arc<Profile>,
    /// `customer`, the root.
    pub customer: Field,
    /// Whether a customer's zone may be unknown, by a profile that is sound.
    pub zone_may_be_missing: bool,
    /// What is wrong with the profile.
    pub found: Vec<Diagnostic>,
}

pub fn field(name: &str, ty: Type, may_be_missing: bool) -> Field {
    Field {
        name: name.into(),
        ty,
        may_be_missing,
    }
}

pub fn values<'a>(all: impl IntoIterator<Item = &'a str>) -> Type {
    Type::Text(Some(all.into_iter().map(Into::into).collect()))
}

impl<'m> World<'m> {
    pub fn of(manifests: &'m Manifests) -> Self {
        let mut fields = vec![field("id", Type::TEXT, false)];
        let (mut profile, mut found) = (Profile::default(), vec![]);
        let mut zone_may_be_missing = manifests.profiles.len() < 2;
        if manifests.profiles.len() > 1 {
            for name in manifests.profiles.keys() {
                let mut report = Report::new("CustomerProfile", name);
                let others: Vec<&str> = manifests
                    .profiles
                    .keys()
                    .filter(|other| *other != name)
                    .map(String::as_str)
                    .collect();
                let message = format!(
                    "a namespace has one CustomerProfile, this has {} too: none holds",
                    others.join(", ")
                );
                report.error(
                    Code::SeveralProfiles,
                    "metadata.name",
                    message,
                    "delete all but one".to_owned(),
                );
                found.append(&mut report.found);
            }
        } else if let Some((name, spec)) = manifests.profiles.iter().next() {
            let mut report = Report::new("CustomerProfile", name);
            let compiled = super::profile::compile(&mut report, spec);
            (profile, fields, zone_may_be_missing) = (compiled.profile, compiled.fields, compiled.zone_may_be_missing);
            found = report.found;
        }
        Self {
            manifests,
            profile: Arc::new(profile),
            customer: field("customer", Type::object(fields), false),
            zone_may_be_missing,
            found,
        }
    }

    /// What customers may do with a journey by their own hand; None: nothing, or there is no such journey.
    pub fn choice(&self, journey: &str) -> Option<&'m Choice> {
        match self.manifests.journeys.get(journey) {
            Some(manifest) => manifest.spec.choice.as_ref(),
            None => self.manifests.choices.get(journey),
        }
    }

    pub fn inbound(&self, touchpoint: &str) -> Option<&'m Inbound> {
        self.manifests.touchpoints.get(touchpoint)?.inbound.as_ref()
    }

    pub fn outbound(&self, touchpoint: &str) -> Option<&'m Outbound> {
        self.manifests.touchpoints.get(touchpoint)?.outbound.as_ref()
    }

    fn names(&self, inbound: bool) -> impl Iterator<Item = &'m str> + Clone {
        self.manifests
            .touchpoints
            .iter()
            .filter(move |(_, spec)| spec.inbound.is_some() == inbound)
            .map(|(name, _)| name.as_str())
    }

    /// The fields of the event that a signal names. None: there is no such event.
    pub fn event(&self, name: &str) -> Option<Vec<Field>> {
        let mut fields = vec![field("id", Type::TEXT, false), field("time", Type::Instant, false)];
        match name.split_once('/') {
            None => {
                let inbound = self.inbound(name)?;
                if inbound.reply.is_some() {
                    fields.push(field(KEYWORD, values(Keyword::ALL.map(Keyword::name)), true));
                }
                let own = match inbound
                    .schema
                    .as_ref()
                    .map(|schema| Type::of_schema(schema, SCHEMA_DEPTH).0)
                {
                    Some(Type::Object(own)) => own.to_vec(),
                    _ => vec![],
                };
                // The envelope says id and time, and the gateway the keyword; a property so named does not replace them.
                let ours: Vec<String> = fields.iter().map(|of| of.name.clone()).collect();
                let identifiers = ["userId", "anonymousId"].map(|name| field(name, Type::TEXT, true));
                fields.extend(
                    identifiers
                        .into_iter()
                        .filter(|of| own.iter().all(|own| own.name != of.name)),
                );
                fields.extend(own.into_iter().filter(|of| !ours.contains(&of.name)));
            }
            Some(("consent", what)) if CONSENT.contains(&what) => {
                let purposes: Vec<&str> = self
                    .manifests
                    .policies
                    .values()
                    .flat_map(|policy| &policy.purposes)
                    .map(|purpose| purpose.name.as_str())
                    .collect();
                // The channel that it is about; missing: all of them.
                fields.push(field("channel", Type::TEXT, true));
                fields.push(field(
                    "purpose",
                    if purposes.is_empty() {
                        Type::TEXT
                    } else {
                        values(purposes)
                    },
                    false,
                ));
            }
            Some(("journey", name)) => {
                if !self.manifests.journeys.contains_key(name) && !self.manifests.chained.contains(name) {
                    return None;
                }
                fields.push(field("outcome", values(Ending::TOLD.map(Ending::name)), false));
                fields.push(field("journey", values([name]), false));
            }
            Some((touchpoint, "answered")) => {
                let survey = self.outbound(touchpoint)?.survey.as_ref()?;
                fields.extend(survey.questions.iter().map(super::survey::field));
            }
            Some((touchpoint, became)) if BECAME.contains(&became) => {
                self.outbound(touchpoint)?;
                fields.push(field("reason", Type::TEXT, true));
                match became {
                    "clicked" => fields.push(field("url", Type::TEXT, false)),
                    "bounced" => fields.push(field("kind", values(["Hard", "Soft"]), true)),
                    "replied" => fields.push(field("text", Type::TEXT, true)),
                    _ => {}
                }
            }
            Some(_) => return None,
        }
        Some(fields)
    }

    /// Why there is no event of this name, and what to write.
    pub fn no_event(&self, name: &str) -> (String, String) {
        let (base, became) = name
            .split_once('/')
            .map_or((name, None), |(base, became)| (base, Some(became)));
        match became {
            Some(name) if base == "journey" => (
                format!("there is no journey '{name}'"),
                instead(
                    name,
                    self.manifests.journeys.keys().map(String::as_str),
                    "make it, or name one that is there",
                ),
            ),
            Some(_) if base == "consent" => (
                format!("there is no event '{name}'"),
                "write consent/granted, consent/pending, consent/paused or consent/withdrawn".into(),
            ),
            None if self.outbound(base).is_some() => (
                format!("touchpoint '{base}' is outbound: nothing comes in by it"),
                format!(
                    "name what became of the message: {}",
                    BECAME.map(|became| format!("{base}/{became}")).join(", ")
                ),
            ),
            None => (
                format!("there is no touchpoint '{base}'"),
                instead(base, self.names(true), "make a Touchpoint with inbound"),
            ),
            Some(_) if self.inbound(base).is_some() => (
                format!("touchpoint '{base}' is inbound: no message is sent by it"),
                format!("write {base}"),
            ),
            Some(_) if self.outbound(base).is_none() => (
                format!("there is no touchpoint '{base}'"),
                instead(base, self.names(false), "make a Touchpoint with outbound"),
            ),
            Some("answered") => (
                format!("'{base}' is no survey: nobody answers it"),
                "give it survey instead of content".into(),
            ),
            Some(_) => (
                format!("there is no event '{name}'"),
                format!("write {}", BECAME.map(|became| format!("{base}/{became}")).join(", ")),
            ),
        }
    }

    /// Why this touchpoint cannot be sent, and what to write.
    pub fn not_outbound(&self, name: &str) -> (String, String) {
        if self.inbound(name).is_some() {
            (
                format!("touchpoint '{name}' is inbound: it cannot be sent"),
                "send a Touchpoint with outbound".into(),
            )
        } else {
            (
                format!("there is no touchpoint '{name}'"),
                instead(name, self.names(false), "make a Touchpoint with outbound"),
            )
        }
    }

    /// The touchpoint of whose message the event tells; None: it tells of something else.
    pub fn message_of(event: &str) -> Option<&str> {
        let (base, _) = event.split_once('/')?;
        (base != "consent" && base != "journey").then_some(base)
    }

    /// What several events have in common, as one field; what only some have may be missing. None in the list: no event at all.
    pub fn union(&self, name: &str, events: &[Option<&str>]) -> Field {
        let all: Vec<Option<Vec<Field>>> = events
            .iter()
            .map(|event| event.and_then(|event| self.event(event)))
            .collect();
        common(name, &all)
    }

    /// The fields that a touchpoint keeps of its provider's answers; None: it keeps none.
    pub fn response(&self, touchpoint: &str) -> Option<Vec<Field>> {
        match Type::of_schema(self.outbound(touchpoint)?.response.as_ref()?, SCHEMA_DEPTH).0 {
            Type::Object(fields) => Some(fields.to_vec()),
            _ => Some(vec![]),
        }
    }

    pub fn attribute_names(&self) -> impl Iterator<Item = &str> + Clone {
        self.profile.attributes.keys().map(String::as_str)
    }
}

/// What several sets of fields have in common, as one field; what only some have may be missing. None in the list: no fields at all.
pub fn common(name: &str, all: &[Option<Vec<Field>>]) -> Field {
    let mut fields: Vec<Field> = vec![];
    for one in all.iter().flatten().flatten() {
        match fields.iter_mut().find(|known| known.name == one.name) {
            Some(known) => {
                known.may_be_missing |= one.may_be_missing;
                if known.ty.fits(&one.ty) {
                    if known.ty != one.ty {
                        known.ty = Type::TEXT;
                    }
                } else {
                    known.ty = Type::Opaque;
                }
            }
            None => fields.push(one.clone()),
        }
    }
    for field in &mut fields {
        let lacks = |event: &Option<Vec<Field>>| event.iter().flatten().all(|one| one.name != field.name);
        field.may_be_missing |= all.iter().any(lacks);
    }
    field(
        name,
        Type::object(fields),
        all.is_empty() || all.iter().any(Option::is_none),
    )
}

pub fn yaml_keys() -> String {
    "YAML reads an unquoted y, yes or on as true, n, no or off as false: choose another name, or quote it".into()
}
