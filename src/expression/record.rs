//! The values an expression reads: one slot for each path that any expression of the journey reads, and no others.
use crate::expression::types::Type;
use serde_json::Value as Json;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot(pub u16);

/// Shared by all expressions of one journey; grows as they compile.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    paths: Vec<ReadPath>,
}

/// `customer.points`, or for has(event.cart) the object itself: then the slot only says whether it is there.
#[derive(Debug, Clone)]
pub struct ReadPath {
    pub segments: Vec<String>,
    pub ty: Type,
}

impl ReadPath {
    pub fn name(&self) -> String {
        self.segments.join(".")
    }
}

impl Layout {
    /// None: more paths than slots (65,536).
    pub fn slot(&mut self, segments: &[String], ty: &Type) -> Option<Slot> {
        let at = self
            .paths
            .iter()
            .position(|p| p.segments == segments)
            .unwrap_or_else(|| {
                self.paths.push(ReadPath {
                    segments: segments.to_vec(),
                    ty: ty.clone(),
                });
                self.paths.len() - 1
            });
        u16::try_from(at).ok().map(Slot)
    }
    pub fn path(&self, slot: Slot) -> &ReadPath {
        &self.paths[usize::from(slot.0)]
    }
    pub fn paths(&self) -> &[ReadPath] {
        &self.paths
    }
}

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Missing,
    Bool(bool),
    Int(i64),
    Number(f64),
    Text(Arc<str>),
    /// Microseconds since 1970, as Postgres keeps them.
    Instant(i64),
    /// Microseconds.
    Duration(i64),
    List(Arc<[Value]>),
    /// The fields in the order of the type.
    Object(Arc<[Value]>),
}

/// Everything an evaluation depends on. The same record gives the same result.
#[derive(Debug, Clone)]
pub struct Record {
    pub slots: Box<[Value]>,
    /// Microseconds since 1970.
    pub now: i64,
    pub zone: jiff::tz::TimeZone,
}

impl Record {
    /// `find` gives the JSON at a path. What is null, absent, or not of its type is missing (the rim has validated it).
    pub fn fill<'j>(
        layout: &Layout,
        now: i64,
        zone: jiff::tz::TimeZone,
        find: impl Fn(&[String]) -> Option<&'j Json>,
    ) -> Record {
        let slots = layout
            .paths
            .iter()
            .map(|p| find(&p.segments).map_or(Value::Missing, |json| Value::of(json, &p.ty)))
            .collect();
        Record { slots, now, zone }
    }
}

impl Value {
    pub fn of(json: &Json, ty: &Type) -> Value {
        let read = match ty {
            Type::Bool => json.as_bool().map(Value::Bool),
            Type::Int => json
                .as_i64()
                .or_else(|| {
                    json.as_f64()
                        .filter(|n| n.fract() == 0.0 && n.abs() < 9e15)
                        .map(|n| n as i64)
                })
                .map(Value::Int),
            Type::Number => json.as_f64().map(Value::Number),
            Type::Text(_) => json.as_str().map(|s| Value::Text(s.into())),
            Type::Instant => json
                .as_str()
                .and_then(crate::expression::time::instant)
                .map(Value::Instant),
            Type::Duration => json
                .as_str()
                .and_then(crate::expression::time::duration)
                .map(Value::Duration),
            Type::List(of) => json
                .as_array()
                .map(|items| Value::List(items.iter().map(|i| Value::of(i, of)).collect())),
            Type::Object(fields) => json.as_object().map(|o| {
                Value::Object(
                    fields
                        .iter()
                        .map(|f| o.get(&f.name).map_or(Value::Missing, |j| Value::of(j, &f.ty)))
                        .collect(),
                )
            }),
            Type::Opaque => (!json.is_null()).then_some(Value::Bool(true)),
        };
        read.unwrap_or(Value::Missing)
    }
}
