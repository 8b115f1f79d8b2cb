//! What expressions see: fills the slots that an expression reads from the event, the enrollment and the customer.
//!
//! The roots are `event` (inside signals), `entry`, `steps`, `customer` and `now`. Of the event and the entry the envelope's `id` and `time`
//! stand before properties of the same name. What is null, absent, or not of its type is missing; an attribute nobody knows is its default.

use super::{
    known::{Known, dig_in, known, present},
    program::{Outbound, Priority, Profile, Program},
    state::{Customer, Enrollment, Event, Properties, StepResult},
};
use crate::{
    clock::Micros,
    expression::{self, Fault, Layout, ReadPath, Record, Type, Val, Value},
};
use jiff::tz::TimeZone;
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};

/// The customer's IANA zone by the profile's rule, with the rules of the bundled tz database, so that every replica agrees.
/// None: the profile has no rule, its value is missing, or it is no IANA zone.
pub fn zone_of(profile: &Profile, customer: &Customer) -> Option<TimeZone> {
    let known = Known {
        profile,
        id: customer.id.expose(),
        attributes: customer.attributes.expose(),
        // No rule reads the time.
        now: 0,
    };
    known.zone()
}

/// The customer's language tag by the profile's rule, as it is written; None: the profile has no rule, or its value is missing.
pub fn locale_of(profile: &Profile, customer: &Customer) -> Option<String> {
    let known = Known {
        profile,
        id: customer.id.expose(),
        attributes: customer.attributes.expose(),
        // No rule reads the time.
        now: 0,
    };
    known.locale().filter(|tag| !tag.trim().is_empty())
}

/// The customer's age in whole years by the profile's rule; None: the profile has no rule, or its value is missing.
pub fn age_of(profile: &Profile, customer: &Customer, now: Micros) -> Option<u32> {
    let known = Known {
        profile,
        id: customer.id.expose(),
        attributes: customer.attributes.expose(),
        now,
    };
    known.age()
}

/// The address to which `outbound` goes; None: nothing is known, it is blank, or the expression failed: skipped NoAddress.
pub fn address(
    program: &Program,
    outbound: &Outbound,
    customer_id: &str,
    attributes: &Properties,
    now: Micros,
) -> Option<String> {
    let to = outbound.to.as_ref()?;
    let sight = Sight::of_attributes(program, customer_id, attributes, now);
    match sight.value(to).ok()? {
        Json::String(text) => Some(text).filter(|text| !text.trim().is_empty()),
        Json::Number(number) => Some(number.to_string()),
        Json::Null | Json::Bool(_) | Json::Array(_) | Json::Object(_) => None,
    }
}

/// The conditions of the policy's quiet that hold for the customer now, and how many could not be judged: those do not hold.
pub fn holding(program: &Program, customer: &Customer, now: Micros) -> (BTreeSet<String>, usize) {
    let sight = Sight::of_customer(program, customer, now);
    let (mut holding, mut faults) = (BTreeSet::new(), 0);
    for (source, condition) in &program.quiet_while {
        match sight.holds(Some(condition)) {
            Ok(true) => drop(holding.insert(source.clone())),
            Ok(false) => {}
            Err(_) => faults += 1,
        }
    }
    (holding, faults)
}

/// The journey's priority for this customer, 0 to 100; a number beyond is the nearest of them.
///
/// # Errors
/// It cannot be computed.
pub fn priority(program: &Program, customer: &Customer, now: Micros) -> Result<u8, Fault> {
    let of = match &program.priority {
        Priority::Fixed(number) => return Ok((*number).min(100)),
        Priority::Of(of) => of,
    };
    let sight = Sight::of_customer(program, customer, now);
    let number = sight.value(of)?.as_f64().ok_or(Fault::Missing)?;
    Ok(number.round().clamp(0.0, 100.0) as u8)
}

/// The properties of an event with its envelope, as `entry` and `steps.NAME.event` keep them.
pub(super) fn properties(event: &Event) -> Properties {
    let mut all = event.data.expose().clone();
    all.insert("id".into(), Json::String(event.id.expose().clone()));
    // Only an instant beyond the year 9999 has no text: then the time is not known.
    all.insert(
        "time".into(),
        Val::Instant(event.time).to_json(&Type::Instant).unwrap_or_default(),
    );
    all
}

/// Everything that one evaluation may look at.
pub(super) struct Sight<'a> {
    layout: &'a Layout,
    known: Known<'a>,
    event: Option<&'a Event>,
    entry: Option<&'a Properties>,
    /// The program whose steps have a result, be it a count of zero, and what is recorded of them.
    steps: Option<(&'a Program, &'a BTreeMap<String, StepResult>)>,
}

impl<'a> Sight<'a> {
    /// What no enrollment asks sees the customer alone.
    pub fn of_customer(program: &'a Program, customer: &'a Customer, now: Micros) -> Self {
        Self::of_attributes(program, customer.id.expose(), customer.attributes.expose(), now)
    }

    fn of_attributes(program: &'a Program, customer_id: &'a str, attributes: &'a Properties, now: Micros) -> Self {
        Self {
            layout: &program.layout,
            known: Known {
                profile: &program.profile,
                id: customer_id,
                attributes,
                now,
            },
            event: None,
            entry: None,
            steps: None,
        }
    }

    /// A signal of an enrollment sees the customer as of the event's acceptance.
    pub fn of_signal(
        program: &'a Program,
        enrollment: &'a Enrollment,
        customer_id: &'a str,
        event: &'a Event,
        now: Micros,
    ) -> Self {
        Self {
            event: Some(event),
            ..Self::of_step(program, enrollment, customer_id, event.profile.expose(), now)
        }
    }

    /// A step sees the customer as now.
    pub fn of_step(
        program: &'a Program,
        enrollment: &'a Enrollment,
        customer_id: &'a str,
        attributes: &'a Properties,
        now: Micros,
    ) -> Self {
        Self {
            layout: &program.layout,
            known: Known {
                profile: &program.profile,
                id: customer_id,
                attributes,
                now,
            },
            event: None,
            entry: Some(enrollment.entry.expose()),
            steps: Some((program, &enrollment.steps)),
        }
    }

    /// A trigger and a key see the event and the customer as of its acceptance: there is no entry yet.
    pub fn of_trigger(program: &'a Program, customer_id: &'a str, event: &'a Event, now: Micros) -> Self {
        Self {
            layout: &program.layout,
            known: Known {
                profile: &program.profile,
                id: customer_id,
                attributes: event.profile.expose(),
                now,
            },
            event: Some(event),
            entry: None,
            steps: None,
        }
    }

    /// A condition; none always holds. What is missing makes it false; other faults are the caller's to count.
    pub fn holds(&self, when: Option<&expression::Program>) -> Result<bool, Fault> {
        when.map_or(Ok(true), |when| when.holds(&self.record(when)))
    }

    /// When time may change the value: by itself, or through a derived attribute that it reads. None: never.
    pub fn next_change(&self, expression: &expression::Program) -> Option<Micros> {
        let paths = expression.reads().iter().map(|slot| self.layout.path(*slot));
        let derived = paths
            .filter(|path| path.segments.first().is_some_and(|root| root == "customer"))
            .filter_map(|path| self.known.next_change(path.segments.get(1)?));
        let own = if expression.reads_now() {
            expression.next_change(&self.record(expression))
        } else {
            None
        };
        derived.chain(own).min()
    }

    /// The value as JSON; never null.
    pub fn value(&self, expression: &expression::Program) -> Result<Json, Fault> {
        expression.eval_json(&self.record(expression))
    }

    /// The instant that an expression of that type gives.
    pub fn instant(&self, expression: &expression::Program) -> Result<Micros, Fault> {
        match expression.eval(&self.record(expression))? {
            Val::Instant(at) => Ok(at),
            Val::Bool(_)
            | Val::Int(_)
            | Val::Number(_)
            | Val::Text(_)
            | Val::Duration(_)
            | Val::List(_)
            | Val::Object(_) => Err(Fault::Contradiction),
        }
    }

    /// The number that an expression of that type gives.
    pub fn number(&self, expression: &expression::Program) -> Result<f64, Fault> {
        match expression.eval(&self.record(expression))? {
            Val::Number(number) => Ok(number),
            Val::Int(number) => Ok(number as f64),
            Val::Bool(_) | Val::Text(_) | Val::Instant(_) | Val::Duration(_) | Val::List(_) | Val::Object(_) => {
                Err(Fault::Contradiction)
            }
        }
    }

    /// Only what the expression can read is looked up: a condition over two paths of a journey with a hundred costs two.
    fn record(&self, expression: &expression::Program) -> Record {
        let mut slots = vec![Value::Missing; self.layout.paths().len()].into_boxed_slice();
        for slot in expression.reads() {
            if let Some(value) = slots.get_mut(usize::from(slot.0)) {
                *value = self.find(self.layout.path(*slot));
            }
        }
        let zone = if expression.reads_zone() {
            self.known.zone()
        } else {
            None
        };
        Record {
            slots,
            now: self.known.now,
            zone: zone.unwrap_or(TimeZone::UTC),
        }
    }

    fn find(&self, path: &ReadPath) -> Value {
        let Some((root, rest)) = path.segments.split_first() else {
            return Value::Missing;
        };
        match root.as_str() {
            "customer" => self.known.value(rest, &path.ty),
            "event" => self
                .event
                .map_or(Value::Missing, |event| event_value(event, rest, &path.ty)),
            "entry" => self.entry.map_or(Value::Missing, |entry| dig(entry, rest, &path.ty)),
            "steps" => self.steps.map_or(Value::Missing, |(program, steps)| {
                step_value(program, steps, rest, &path.ty)
            }),
            _ => Value::Missing,
        }
    }
}

fn event_value(event: &Event, path: &[String], ty: &Type) -> Value {
    match path {
        [name] if name == "id" => Value::Text(event.id.expose().as_str().into()),
        [name] if name == "time" => Value::Instant(event.time),
        _ => dig(event.data.expose(), path, ty),
    }
}

fn step_value(program: &Program, steps: &BTreeMap<String, StepResult>, path: &[String], ty: &Type) -> Value {
    let [name, rest @ ..] = path else { return present(ty) };
    let text = |text: &Option<String>| text.as_deref().map_or(Value::Missing, |text| Value::Text(text.into()));
    match (steps.get(name), rest) {
        (None, [field]) if field == "count" && program.step(name).is_some() => Value::Int(0),
        (None, _) => Value::Missing,
        (Some(_), []) => present(ty),
        (Some(result), [field, deeper @ ..]) => match (field.as_str(), deeper) {
            ("count", []) => Value::Int(result.count.into()),
            ("at", []) => Value::Instant(result.at),
            ("outcome", []) => text(&result.outcome),
            ("reason", []) => text(&result.reason),
            ("touchpoint", []) => text(&result.touchpoint),
            ("arm", []) => text(&result.arm),
            ("response", []) if result.response.expose().is_empty() => Value::Missing,
            ("response", deeper) => dig(result.response.expose(), deeper, ty),
            ("event", []) if result.event.expose().is_empty() => Value::Missing,
            ("event", deeper) => dig(result.event.expose(), deeper, ty),
            _ => Value::Missing,
        },
    }
}

fn dig(properties: &Properties, path: &[String], ty: &Type) -> Value {
    match path {
        [] => present(ty),
        [name, rest @ ..] => known(properties, name).map_or(Value::Missing, |value| dig_in(value, rest, ty)),
    }
}
