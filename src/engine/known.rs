//! What is known of a customer, as expressions and templates see it: the attributes, the profile's defaults for those nobody knows, and
//! what follows from them (`is`). The one place that answers `customer.NAME`.

use super::{
    program::{Derived, OfCustomer, Profile},
    state::Properties,
};
use crate::{
    clock::Micros,
    expression::{Fault, Record, Type, Val, Value, time},
};
use jiff::tz::TimeZone;
use serde_json::Value as Json;

/// A customer as of `now`. Attributes that the profile does not declare are not there.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    pub profile: &'a Profile,
    /// The identifier's own value, `customer.id`.
    pub id: &'a str,
    pub attributes: &'a Properties,
    pub now: Micros,
}

impl Known<'_> {
    /// What stands at `path` below `customer`, read as `ty`.
    pub fn value(&self, path: &[String], ty: &Type) -> Value {
        match path {
            [name] if name == "id" => Value::Text(self.id.into()),
            [name, rest @ ..] => match self.derived(name) {
                Some(derived) => self.derive(name, derived),
                None => self.base(name).map_or(Value::Missing, |value| dig_in(value, rest, ty)),
            },
            [] => present(ty),
        }
    }

    /// All that is known by name, or of it what is `wanted`.
    pub fn view(&self, wanted: impl Fn(&str) -> bool) -> Properties {
        let names = self.profile.attributes.iter().filter(|(name, _)| wanted(name));
        let known = names.filter_map(|(name, attribute)| {
            let value = match &attribute.is {
                Some(derived) => self
                    .derive(name, derived)
                    .read()
                    .and_then(|value| value.to_json(&attribute.ty))
                    .ok()?,
                None => self.base(name)?.clone(),
            };
            Some((name.clone(), value))
        });
        known.collect()
    }

    /// The customer's IANA zone by the profile's rule, with the rules of the bundled tz database, so that every replica agrees.
    /// None: the profile has no rule, its value is missing, or it is no IANA zone.
    pub fn zone(&self) -> Option<TimeZone> {
        time::zone(&self.zone_name()?)
    }

    /// What the profile's rule for the zone gives, be it a zone or none.
    pub fn zone_name(&self) -> Option<String> {
        self.text(self.profile.zone.as_ref()?)
    }

    /// What the profile's rule for the language gives.
    pub fn locale(&self) -> Option<String> {
        self.text(self.profile.locale.as_ref()?)
    }

    /// The customer's age in whole years; None: the profile has no rule, its value is missing, or it is no age.
    pub fn age(&self) -> Option<u32> {
        let rule = self.profile.age.as_ref()?;
        let zone = rule.program.reads_zone().then(|| self.zone()).flatten();
        let record = self.record_of(rule, zone.unwrap_or(TimeZone::UTC));
        match rule.program.eval(&record).ok()? {
            Val::Int(age) => u32::try_from(age).ok(),
            Val::Bool(_)
            | Val::Number(_)
            | Val::Text(_)
            | Val::Instant(_)
            | Val::Duration(_)
            | Val::List(_)
            | Val::Object(_) => None,
        }
    }

    fn record_of(&self, rule: &OfCustomer, zone: TimeZone) -> Record {
        Record::fill_with(&rule.layout, self.now, zone, |path| match path.segments.split_first() {
            Some((root, rest)) if root == "customer" => self.value(rest, &path.ty),
            Some(_) | None => Value::Missing,
        })
    }

    /// A text that the profile tells of a customer; None: it is missing. It is a property of the customer and not of the moment: the compiler
    /// refuses a rule that reads the time.
    fn text(&self, rule: &OfCustomer) -> Option<String> {
        let record = self.record_of(rule, TimeZone::UTC);
        match rule.program.eval(&record).ok()? {
            Val::Text(text) => Some(text.into_owned()),
            Val::Bool(_)
            | Val::Int(_)
            | Val::Number(_)
            | Val::Instant(_)
            | Val::Duration(_)
            | Val::List(_)
            | Val::Object(_) => None,
        }
    }

    /// When time may change a derived attribute. None: never, or it is not derived.
    pub(super) fn next_change(&self, name: &str) -> Option<Micros> {
        let derived = self.derived(name)?;
        let mut made: Vec<(&str, Value)> = Vec::with_capacity(derived.stands_on.len());
        let mut next = None;
        let below = derived.stands_on.iter().map(String::as_str);
        for name in below.chain([name]) {
            let derived = self.derived(name)?;
            let timed = derived.program.as_ref().filter(|program| program.reads_now());
            let own = timed.and_then(|program| program.next_change(&self.record(derived, &made)));
            next = own.into_iter().chain(next).min();
            made.push((name, self.evaluate(name, derived, &made)));
        }
        next
    }

    /// What the store knows, or the default.
    fn base(&self, name: &str) -> Option<&Json> {
        let attribute = self.profile.attributes.get(name)?;
        known(self.attributes, name).or(attribute.default.as_ref())
    }

    fn derived(&self, name: &str) -> Option<&Derived> {
        self.profile.attributes.get(name)?.is.as_ref()
    }

    /// First what it stands on, each once, so that the work is bounded however they read each other.
    fn derive(&self, name: &str, derived: &Derived) -> Value {
        let mut made: Vec<(&str, Value)> = Vec::with_capacity(derived.stands_on.len());
        for below in &derived.stands_on {
            let value = self
                .derived(below)
                .map_or(Value::Missing, |derived| self.evaluate(below, derived, &made));
            made.push((below, value));
        }
        self.evaluate(name, derived, &made)
    }

    fn evaluate(&self, name: &str, derived: &Derived, made: &[(&str, Value)]) -> Value {
        let (Some(program), Some(attribute)) = (&derived.program, self.profile.attributes.get(name)) else {
            return Value::Missing;
        };
        let record = self.record(derived, made);
        let value = match program.eval(&record) {
            Ok(value) => Value::from(value),
            Err(Fault::Missing) if attribute.ty == Type::Bool => Value::Bool(false),
            Err(Fault::Missing) => Value::Missing,
            Err(fault) => Value::Fault(fault),
        };
        match (&attribute.ty, &value) {
            (Type::Text(Some(values)), Value::Text(text)) if !values.iter().any(|one| **one == **text) => {
                Value::Missing
            }
            _ => value,
        }
    }

    fn record(&self, derived: &Derived, made: &[(&str, Value)]) -> Record {
        let layout = &self.profile.layout;
        let mut slots = vec![Value::Missing; layout.paths().len()].into_boxed_slice();
        let program = derived.program.as_ref();
        for slot in program.map_or(&[][..], |program| program.reads()) {
            let path = layout.path(*slot);
            let value = match path.segments.get(1..) {
                Some([name]) => match made.iter().find(|(below, _)| below == name) {
                    Some((_, value)) => value.clone(),
                    None if name == "id" => Value::Text(self.id.into()),
                    None => self
                        .base(name)
                        .map_or(Value::Missing, |value| Value::of(value, &path.ty)),
                },
                Some(_) | None => Value::Missing,
            };
            if let Some(place) = slots.get_mut(usize::from(slot.0)) {
                *place = value;
            }
        }
        let reads_zone = program.is_some_and(|program| program.reads_zone());
        Record {
            slots,
            now: self.now,
            zone: reads_zone.then(|| self.zone()).flatten().unwrap_or(TimeZone::UTC),
        }
    }
}

/// What is null is not known.
pub(super) fn known<'a>(properties: &'a Properties, name: &str) -> Option<&'a Json> {
    properties.get(name).filter(|value| !value.is_null())
}

pub(super) fn dig_in(value: &Json, path: &[String], ty: &Type) -> Value {
    path.iter()
        .try_fold(value, |value, name| {
            value.as_object().and_then(|object| known(object, name))
        })
        .map_or(Value::Missing, |value| {
            match ty {
                // has(event.cart): whether it is there is all that can be asked of an object.
                Type::Object(_) | Type::Opaque => Value::Bool(true),
                Type::Bool
                | Type::Int
                | Type::Number
                | Type::Text(_)
                | Type::Instant
                | Type::Duration
                | Type::List(_) => Value::of(value, ty),
            }
        })
}

/// A whole root or step: it can be tested with has(), not read.
pub(super) fn present(ty: &Type) -> Value {
    match ty {
        Type::Object(_) | Type::Opaque => Value::Bool(true),
        Type::Bool | Type::Int | Type::Number | Type::Text(_) | Type::Instant | Type::Duration | Type::List(_) => {
            Value::Missing
        }
    }
}
