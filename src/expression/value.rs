//! What expressions read and give: values that are kept, and values that an evaluation lends out. Also their JSON, which the store
//! and the templates speak. Knows types, nothing of expressions.

use super::time;
use super::tree::Fault;
use super::types::Type;
use serde_json::{Map, Number, Value as Json};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

/// A value that is kept: in a [`super::Record`], or as a literal of a program. Cheap to clone.
///
/// It may be personal; it belongs in no log.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Absent, null, or not of its type.
    Missing,
    /// It could not be computed: whoever reads it fails so too.
    Fault(Fault),
    Bool(bool),
    Int(i64),
    /// Finite.
    Number(f64),
    Text(Arc<str>),
    /// Microseconds since 1970, UTC, as PostgreSQL keeps them.
    Instant(i64),
    /// Microseconds.
    Duration(i64),
    List(Arc<[Value]>),
    /// The fields in the order of the type.
    Object(Arc<[Value]>),
}

/// What an evaluation gives: texts and lists are borrowed from the record or the program where nothing new was made.
#[derive(Debug, Clone)]
pub enum Val<'a> {
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(Cow<'a, str>),
    /// Microseconds since 1970, UTC.
    Instant(i64),
    /// Microseconds.
    Duration(i64),
    List(&'a [Value]),
    Object(&'a [Value]),
}

impl Value {
    /// Reads JSON as `ty`. What is null or not of the type is missing, since the rim has validated what came in.
    ///
    /// A timestamp is RFC 3339 with an offset, a duration is our text (`1d12h`), a whole number such as `3.0` is an integer. For
    /// `Type::Opaque` only presence is kept.
    pub fn of(json: &Json, ty: &Type) -> Value {
        let read = match ty {
            Type::Bool => json.as_bool().map(Value::Bool),
            Type::Int => json.as_i64().or_else(|| json.as_f64().and_then(whole)).map(Value::Int),
            Type::Number => json.as_f64().filter(|n| n.is_finite()).map(Value::Number),
            Type::Text(_) => json.as_str().map(|text| Value::Text(text.into())),
            Type::Instant => json.as_str().and_then(time::instant).map(Value::Instant),
            Type::Duration => json.as_str().and_then(time::duration).map(Value::Duration),
            Type::List(of) => json
                .as_array()
                .map(|items| Value::List(items.iter().map(|item| Value::of(item, of)).collect())),
            Type::Object(fields) => json.as_object().map(|object| {
                let field = |name: &str, ty: &Type| object.get(name).map_or(Value::Missing, |json| Value::of(json, ty));
                Value::Object(fields.iter().map(|f| field(&f.name, &f.ty)).collect())
            }),
            Type::Opaque => (!json.is_null()).then_some(Value::Bool(true)),
        };
        read.unwrap_or(Value::Missing)
    }

    /// The value lent out.
    ///
    /// # Errors
    /// [`Fault::Missing`] where there is none.
    pub fn read(&self) -> Result<Val<'_>, Fault> {
        Ok(match self {
            Value::Missing => return Err(Fault::Missing),
            Value::Fault(fault) => return Err(*fault),
            Value::Bool(b) => Val::Bool(*b),
            Value::Int(n) => Val::Int(*n),
            Value::Number(n) => Val::Number(*n),
            Value::Text(text) => Val::Text(Cow::Borrowed(text)),
            Value::Instant(at) => Val::Instant(*at),
            Value::Duration(length) => Val::Duration(*length),
            Value::List(items) => Val::List(items),
            Value::Object(fields) => Val::Object(fields),
        })
    }
}

impl From<Val<'_>> for Value {
    /// The value kept, texts and lists copied.
    fn from(value: Val<'_>) -> Value {
        match value {
            Val::Bool(b) => Value::Bool(b),
            Val::Int(n) => Value::Int(n),
            Val::Number(n) => Value::Number(n),
            Val::Text(text) => Value::Text(text.as_ref().into()),
            Val::Instant(at) => Value::Instant(at),
            Val::Duration(length) => Value::Duration(length),
            Val::List(items) => Value::List(items.into()),
            Val::Object(fields) => Value::Object(fields.into()),
        }
    }
}

impl Val<'_> {
    /// The value as JSON, for attributes that are stored and for what content reads from `with`; [`Value::of`] reads it back.
    ///
    /// A timestamp is RFC 3339 in UTC with as many decimals as it has (at most microseconds), a duration our text (`1d12h`). `ty` names
    /// the fields of objects: those that are missing are left out, a missing item of a list is null.
    ///
    /// # Errors
    /// [`Fault::NotATime`] for an instant outside the years -9999 to 9999, [`Fault::Contradiction`] where `ty` is not the value's.
    pub fn to_json(&self, ty: &Type) -> Result<Json, Fault> {
        let inner = |value: &Value, ty: &Type| match value.read() {
            Ok(value) => value.to_json(ty).map(Some),
            Err(Fault::Missing) => Ok(None),
            Err(fault) => Err(fault),
        };
        Ok(match (self, ty) {
            (Val::Bool(b), _) => Json::Bool(*b),
            (Val::Int(n), _) => Json::from(*n),
            (Val::Number(n), _) => Json::Number(Number::from_f64(*n).ok_or(Fault::Overflow)?),
            (Val::Text(_) | Val::Instant(_) | Val::Duration(_), _) => Json::String(self.show()?),
            (Val::List(items), Type::List(of)) => {
                let items = items.iter().map(|item| Ok(inner(item, of)?.unwrap_or(Json::Null)));
                Json::Array(items.collect::<Result<_, Fault>>()?)
            }
            (Val::Object(values), Type::Object(fields)) if values.len() == fields.len() => {
                let mut object = Map::new();
                for (value, field) in values.iter().zip(fields.iter()) {
                    if let Some(json) = inner(value, &field.ty)? {
                        object.insert(field.name.clone(), json);
                    }
                }
                Json::Object(object)
            }
            (Val::List(_) | Val::Object(_), _) => return Err(Fault::Contradiction),
        })
    }

    /// How it stands inside a text: `3`, `0.5`, `true`, `2026-11-22T09:00:00Z`, `1d12h`.
    pub(super) fn show(&self) -> Result<String, Fault> {
        Ok(match self {
            Val::Bool(b) => b.to_string(),
            Val::Int(n) => n.to_string(),
            Val::Number(n) => n.to_string(),
            Val::Text(text) => text.to_string(),
            Val::Instant(at) => time::show_instant(*at).ok_or(Fault::NotATime)?,
            Val::Duration(length) => time::show_duration(*length),
            Val::List(_) | Val::Object(_) => return Err(Fault::Contradiction),
        })
    }

    /// None: they are of different types, or lists or objects, which have no order.
    pub(super) fn compare(&self, other: &Val) -> Option<Ordering> {
        match (self, other) {
            (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
            (Val::Int(a), Val::Int(b)) | (Val::Instant(a), Val::Instant(b)) | (Val::Duration(a), Val::Duration(b)) => {
                Some(a.cmp(b))
            }
            (Val::Number(a), Val::Number(b)) => a.partial_cmp(b),
            (Val::Text(a), Val::Text(b)) => Some(a.cmp(b)),
            _ => None,
        }
    }
}

/// Whole and small enough to have come from an integer unharmed.
fn whole(n: f64) -> Option<i64> {
    (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64)
}
