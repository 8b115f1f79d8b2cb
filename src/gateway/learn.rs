//! What an event teaches of its customer: attributes by the touchpoint's expressions, consent by its rules; a change of consent is an event
//! of its own, which the store commits together with the one it follows from. Pure, and called inside the store's transaction with the
//! customer's row locked; it may be called again when the transaction is tried again.

use super::{attribute, change::Changes, hear, incoming::instant_text, view::View};
use crate::{
    clock::Micros,
    compile::Inbound,
    consent::Unreadable,
    engine::{Known, state::Properties},
    expression::{self, Fault, Record, Val, Value},
    keys::Keys,
    policy::{Consent, consent::by_channel},
    store::{Arrival, Customer},
};
use jiff::tz::TimeZone;
use serde_json::Value as Json;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Learns from the events of one transaction, and remembers what came of it.
pub struct Learning<'a> {
    view: &'a View,
    keys: &'a Keys,
    now: Micros,
    lessons: Mutex<BTreeMap<[u8; 16], Lesson>>,
}

/// What came of one event.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Lesson {
    /// Events that follow from it.
    pub followers: u64,
    /// Values that did not fit their attribute, and expressions that failed: the attribute was left as it was.
    pub left: u64,
    /// Signals of consent that could not be read.
    pub unreadable: Unreadable,
}

impl<'a> Learning<'a> {
    pub fn new(view: &'a View, keys: &'a Keys, now: Micros) -> Self {
        Self {
            view,
            keys,
            now,
            lessons: Mutex::default(),
        }
    }

    /// Changes the customer as the event's touchpoint says, and gives the events that follow. Of events of no inbound touchpoint
    /// only the signals that came with them are heard.
    pub fn learn(&self, arrival: &Arrival, customer: &mut Customer) -> Vec<Arrival> {
        let inbound = self.view.touchpoints.get(&arrival.name);
        if inbound.is_none() && arrival.said.is_empty() {
            return vec![];
        }
        let mut lesson = Lesson {
            unreadable: arrival.unreadable,
            ..Lesson::default()
        };
        let (id, attributes) = (customer.id.clone(), customer.attributes.clone());
        let before = Known {
            profile: &self.view.intake.profile,
            id: id.expose(),
            attributes: attributes.expose(),
            now: self.now,
        };
        let mut changes = Changes::default();
        if let Some(inbound) = inbound {
            self.teach_attributes(inbound, arrival, &before, customer, &mut lesson);
            self.teach_consent(inbound, arrival, &before, customer, &mut changes, &mut lesson);
        }
        for said in &arrival.said {
            changes.watch(customer, &hear::subject(said));
            hear::hear(customer, said, arrival.time, self.asks_confirmation(&said.purpose));
        }
        let made = changes.made(customer);
        let told = made
            .iter()
            .filter_map(|change| change.event(self.view, self.keys, arrival));
        let followers: Vec<Arrival> = told.collect();
        lesson.followers = followers.len() as u64;
        self.lessons
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(arrival.key, lesson);
        followers
    }

    /// Whether a yes to the purpose is to be confirmed.
    fn asks_confirmation(&self, purpose: &str) -> bool {
        self.view.intake.confirms.contains_key(purpose)
    }

    /// What came of all events together, once they are committed.
    pub fn outcome(self) -> Lesson {
        let lessons = self.lessons.into_inner().unwrap_or_else(PoisonError::into_inner);
        lessons.values().fold(Lesson::default(), |sum, lesson| Lesson {
            followers: sum.followers + lesson.followers,
            left: sum.left + lesson.left,
            unreadable: sum.unreadable.plus(lesson.unreadable),
        })
    }

    /// All expressions see the profile as it was before the event, also those after the first.
    fn teach_attributes(
        &self,
        inbound: &Inbound,
        arrival: &Arrival,
        before: &Known<'_>,
        customer: &mut Customer,
        lesson: &mut Lesson,
    ) {
        for (name, expression) in &inbound.attributes {
            let declared = before.profile.attributes.get(name);
            let Some(declared) = declared.filter(|declared| declared.is.is_none()) else {
                lesson.left += 1;
                continue;
            };
            let record = record(before, inbound, expression, arrival);
            match expression.eval(&record) {
                Ok(value) => match attribute::of_val(&declared.ty, &value) {
                    Some(value) => {
                        customer.attributes.expose_mut().insert(name.clone(), value);
                    }
                    None => lesson.left += 1,
                },
                // The event does not tell: nothing is learned, and nothing is wrong.
                Err(Fault::Missing) => {}
                Err(_) => lesson.left += 1,
            }
        }
    }

    fn teach_consent(
        &self,
        inbound: &Inbound,
        arrival: &Arrival,
        before: &Known<'_>,
        customer: &mut Customer,
        changes: &mut Changes,
        lesson: &mut Lesson,
    ) {
        for rule in &inbound.consent {
            if !self.view.intake.purposes.contains(&rule.purpose) {
                lesson.left += 1;
                continue;
            }
            let record = record(before, inbound, &rule.granted, arrival);
            let granted = match rule.granted.eval(&record) {
                Ok(Val::Bool(granted)) => granted,
                Err(Fault::Missing) => continue,
                Ok(_) | Err(_) => {
                    lesson.left += 1;
                    continue;
                }
            };
            let subject = match &rule.channel {
                Some(channel) => by_channel(&rule.purpose, channel),
                None => rule.purpose.clone(),
            };
            changes.watch(customer, &subject);
            let said = Consent::heard(granted, arrival.time, self.asks_confirmation(&rule.purpose));
            customer.hear_consent(&subject, said);
        }
    }
}

/// What an expression of the event's touchpoint sees: the event, and the customer before it.
fn record(before: &Known<'_>, inbound: &Inbound, expression: &expression::Program, arrival: &Arrival) -> Record {
    let zone = if expression.reads_zone() { before.zone() } else { None };
    let event = Event {
        id: arrival.id.expose(),
        time: arrival.time,
        data: arrival.data.expose(),
    };
    let customer = |path: &[String], ty: &expression::Type| before.value(path, ty);
    fill(
        inbound,
        expression,
        &event,
        customer,
        zone.unwrap_or(TimeZone::UTC),
        before.now,
    )
}

/// The record for an expression that sees only the event: whose it is.
pub fn record_of_event(
    inbound: &Inbound,
    expression: &expression::Program,
    id: &str,
    time: Micros,
    data: &Properties,
    now: Micros,
) -> Record {
    fill(
        inbound,
        expression,
        &Event { id, time, data },
        |_, _| Value::Missing,
        TimeZone::UTC,
        now,
    )
}

/// The event's envelope and its properties; the envelope stands before properties of the same name.
struct Event<'a> {
    id: &'a str,
    time: Micros,
    data: &'a Properties,
}

/// Only what the expression can read is looked up.
fn fill(
    inbound: &Inbound,
    expression: &expression::Program,
    event: &Event<'_>,
    customer: impl Fn(&[String], &expression::Type) -> Value,
    zone: TimeZone,
    now: Micros,
) -> Record {
    let mut slots = vec![Value::Missing; inbound.layout.paths().len()].into_boxed_slice();
    for slot in expression.reads() {
        let path = inbound.layout.path(*slot);
        let value = match path.segments.split_first() {
            Some((root, rest)) if root == "event" => event_value(event, rest, &path.ty),
            Some((root, rest)) if root == "customer" => customer(rest, &path.ty),
            Some(_) | None => Value::Missing,
        };
        if let Some(place) = slots.get_mut(usize::from(slot.0)) {
            *place = value;
        }
    }
    Record { slots, now, zone }
}

fn event_value(event: &Event<'_>, path: &[String], ty: &expression::Type) -> Value {
    match path {
        [name] if name == "id" => Value::Text(event.id.into()),
        [name] if name == "time" => match ty {
            expression::Type::Text(_) => Value::Text(instant_text(event.time).into()),
            _ => Value::Instant(event.time),
        },
        [] => Value::Missing,
        [name, rest @ ..] => {
            let found = rest.iter().try_fold(present(event.data.get(name)), |value, name| {
                value.map(|value| present(value.get(name)))
            });
            match (found.flatten(), ty) {
                (None, _) => Value::Missing,
                // has(event.cart): whether it is there is all that can be asked of an object.
                (Some(_), expression::Type::Object(_) | expression::Type::Opaque) => Value::Bool(true),
                (Some(value), ty) => Value::of(value, ty),
            }
        }
    }
}

/// Null is missing.
fn present(value: Option<&Json>) -> Option<&Json> {
    value.filter(|value| !value.is_null())
}
