//! The values an expression reads: one slot for each path that any expression of the journey reads, and no others. The engine fills a
//! [`Record`] from what it knows; evaluation sees nothing else.

use super::types::Type;
use super::value::Value;
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::fmt;

/// A place in a [`Record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u16);

/// Which path stands in which slot. One for all expressions that are evaluated on the same record; it grows as they compile.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    paths: Vec<ReadPath>,
    /// The same path may be read at several types: `event.total` is a number in one signal and a text in another.
    index: HashMap<Vec<String>, Vec<Slot>>,
}

/// `customer.points`, as it is read.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadPath {
    /// The names from the root on, as they are written in JSON.
    pub segments: Vec<String>,
    /// What the value must be, else it is missing. An object (of has(event.cart)) has no fields here: only its presence counts.
    pub ty: Type,
}

impl Layout {
    /// The slot of a path, a new one if it has none at this type. None: there are more paths than slots (65,536).
    pub(super) fn slot(&mut self, segments: &[String], ty: &Type) -> Option<Slot> {
        let known = self.index.get(segments).map_or(&[][..], Vec::as_slice);
        if let Some(slot) = known.iter().find(|slot| self.path(**slot).ty.fits(ty)) {
            return Some(*slot);
        }
        let slot = u16::try_from(self.paths.len()).ok().map(Slot)?;
        let segments = segments.to_vec();
        self.index.entry(segments.clone()).or_default().push(slot);
        self.paths.push(ReadPath {
            segments,
            ty: ty.clone(),
        });
        Some(slot)
    }

    /// What stands in `slot`, which must be of this layout.
    pub fn path(&self, slot: Slot) -> &ReadPath {
        &self.paths[usize::from(slot.0)]
    }

    /// All paths, in the order of their slots.
    pub fn paths(&self) -> &[ReadPath] {
        &self.paths
    }
}

/// Everything an evaluation depends on. The same record gives the same result.
#[derive(Clone)]
pub struct Record {
    /// One value for each path of the layout, in its order.
    pub slots: Box<[Value]>,
    /// Microseconds since 1970, UTC.
    pub now: i64,
    /// The customer's zone, for nextTime() and daysBetween(); UTC where it is not known.
    pub zone: TimeZone,
}

impl Record {
    /// Fills the record with what `find` has for each path ([`Value::of`] reads JSON). It must give a value of the path's type or [`Value::Missing`]; another type makes the evaluation a [`super::Fault::Contradiction`].
    pub fn fill_with(layout: &Layout, now: i64, zone: TimeZone, find: impl FnMut(&ReadPath) -> Value) -> Record {
        let slots = layout.paths.iter().map(find).collect();
        Record { slots, now, zone }
    }
}

/// Attributes and events are personal: only their number is told.
impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("slots", &self.slots.len())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// A path as an expression writes it. Two different paths are never written alike.
pub(super) fn written(segments: &[String]) -> String {
    let mut out = String::new();
    for (at, name) in segments.iter().enumerate() {
        if at == 0 {
            out.push_str(name)
        } else {
            push_member(&mut out, name)
        }
    }
    out
}

/// Appends `.name`, or `['name']` where the name is none that can stand after a dot.
pub(super) fn push_member(path: &mut String, name: &str) {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain {
        path.push('.');
        path.push_str(name);
    } else {
        path.push_str("['");
        path.push_str(&name.replace('\\', "\\\\").replace('\'', "\\'"));
        path.push_str("']");
    }
}
