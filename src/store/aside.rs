//! What rounds put aside, as rows of the quarantine: so that one customer's event, enrollment or row holds up nobody else, and nothing is lost.
//! Intake counts know such events as accepted; the journey's own counts know them as ignored for the reason.

use super::Quarantined;
use crate::{
    clock::Micros,
    engine::state::{Enrollment, Event, Ignored},
    keys::CustomerKey,
};
use serde::{Deserialize, Serialize};

/// Why; docs/reasons.md has each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AsideReason {
    /// A turn with it panicked: a defect of ours.
    Panicked,
    /// It does not open or does not parse: another key or another version wrote it, or it was damaged.
    Unreadable,
}

impl AsideReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Panicked => "Panicked",
            Self::Unreadable => "Unreadable",
        }
    }

    /// What the journey's counts call an event that was put aside.
    pub fn ignored(self) -> Ignored {
        match self {
            Self::Panicked => Ignored::Panicked,
            Self::Unreadable => Ignored::Unreadable,
        }
    }
}

/// What was put aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Aside {
    Event {
        customer: CustomerKey,
        event: Event,
    },
    /// As it was before it ended as Failed.
    Enrollment {
        customer: CustomerKey,
        enrollment: Enrollment,
    },
    /// A row as the database has it.
    Row {
        table: String,
        row: serde_json::Value,
    },
}

impl Aside {
    /// `detail` names no customer.
    pub fn of_journey(self, journey: &str, reason: AsideReason, detail: String, at: Micros) -> Quarantined {
        Quarantined {
            reason: reason.name().to_owned(),
            detail,
            source: format!("{OF_JOURNEY}{journey}"),
            at,
            // Strings and numbers under names: it always is JSON.
            event: serde_json::to_value(self).unwrap_or_default().into(),
        }
    }

    /// With its journey and its reason. None: it was not put aside by a round.
    pub fn read(row: &Quarantined) -> Option<(String, AsideReason, Self)> {
        let journey = row.source.strip_prefix(OF_JOURNEY)?.to_owned();
        let reasons = [AsideReason::Panicked, AsideReason::Unreadable];
        let reason = reasons.into_iter().find(|reason| reason.name() == row.reason)?;
        let aside = serde_json::from_value(row.event.expose().clone()).ok()?;
        Some((journey, reason, aside))
    }
}

/// What the source of such a row begins with; no adapter's name has a slash.
const OF_JOURNEY: &str = "journey/";

/// What became of a row that was to be put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutBack {
    /// The journey's next round looks at it.
    Done,
    /// No such row is in the quarantine.
    Gone,
    /// No round put it aside: the gateway did.
    NotOfARound,
    /// Its journey is not there, or is stopped.
    NoJourney,
    /// It is an enrollment, which has ended: it is kept to be looked at.
    Ended,
}
