//! How long what is kept is kept, and what was forgotten.

use crate::clock::{DAY, Micros};
use std::collections::BTreeMap;

/// Times in microseconds. The defaults are those of docs/retention.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Events, and with them how long a repetition is known for one: by the day of the event's own time, or, where that was over already when it
    /// came, by its acceptance.
    pub events: Micros,
    /// What became of messages; links in older ones lead nowhere.
    pub messages: Micros,
    /// What caps count: no cap looks further back.
    pub contacts: Micros,
    /// Enrollments that have ended, once nobody watches them any more.
    pub enrollments: Micros,
    /// What was put aside.
    pub quarantine: Micros,
    /// Counts by the hour; older ones are by the day, for good.
    pub hours: Micros,
}

impl Default for Keep {
    fn default() -> Self {
        Self {
            events: 90 * DAY,
            messages: 400 * DAY,
            contacts: 800 * DAY,
            enrollments: 400 * DAY,
            quarantine: 90 * DAY,
            hours: 90 * DAY,
        }
    }
}

/// What a namespace shortens of [`Keep`]; None: nothing. Whatever is longer than that has no effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keeps {
    pub events: Option<Micros>,
    pub messages: Option<Micros>,
    pub contacts: Option<Micros>,
    pub enrollments: Option<Micros>,
}

/// By namespace.
pub type Shorter = BTreeMap<String, Keeps>;

/// That retention ran through in a namespace, and how many rows it has removed there so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    pub at: Micros,
    pub removed: i64,
}

/// Rows that went, and days of the event log that were dropped whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forgotten {
    pub days: u64,
    pub events: u64,
    pub messages: u64,
    pub contacts: u64,
    pub enrollments: u64,
    pub quarantine: u64,
    /// Rows of counts that were added to others.
    pub counts: u64,
    /// Whether more was left than one call takes: call again.
    pub more: bool,
}

impl Forgotten {
    /// By what they are called in metrics and logs.
    pub fn by_kind(&self) -> [(&'static str, u64); 7] {
        let Self {
            days,
            events,
            messages,
            contacts,
            enrollments,
            quarantine,
            counts,
            more: _,
        } = *self;
        [
            ("days", days),
            ("events", events),
            ("messages", messages),
            ("contacts", contacts),
            ("enrollments", enrollments),
            ("quarantine", quarantine),
            ("counts", counts),
        ]
    }
}
