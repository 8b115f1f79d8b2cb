//! What the engine takes and gives: events, customers, enrollments, actions. Plain values that the store can keep.

use crate::{clock::Micros, personal::Personal};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Attributes of a customer, or properties of an event, by name. Missing and null are the same.
pub type Properties = Map<String, Value>;

/// Nothing, which a row need not say: most fields of most rows are so.
pub fn blank<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A customer as the expressions see them.
#[derive(Debug, Clone)]
pub struct Customer {
    /// The pseudonym, the same on every replica: what chance depends on.
    pub key: [u8; 16],
    /// The identifier's own value, `customer.id`.
    pub id: Personal<String>,
    pub attributes: Personal<Properties>,
    /// Whether they left this journey by their own hand and have not joined it since.
    pub opted_out: bool,
}

/// What the customer's own hand does, as events of the journey that it concerns; no trigger, wait, exit or goal can name them.
pub const JOINED: &str = "choice/joined";
pub const LEFT: &str = "choice/left";

/// An event that nobody sent: from here on the inbox is that of a customer who was two before.
pub const MERGED: &str = "customer/merged";

/// An accepted event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// What signals call it: the inbound touchpoint's name, TOUCHPOINT/clicked, consent/withdrawn.
    pub name: String,
    /// The producer's id, unique within its source.
    pub id: Personal<String>,
    /// When it happened by its own word, at most `accepted_at`.
    pub time: Micros,
    pub accepted_at: Micros,
    /// The properties, userId and anonymousId among them.
    #[serde(default, skip_serializing_if = "blank")]
    pub data: Personal<Properties>,
    /// The customer's attributes as of its acceptance, after what it taught: what signals see.
    #[serde(default, skip_serializing_if = "blank")]
    pub profile: Personal<Properties>,
    /// The message it tells of: such an event reaches only the enrollment that sent it.
    #[serde(default, skip_serializing_if = "blank")]
    pub about: Option<About>,
    /// How many journeys in a row, each moved by the end of the one before or by what it set, and passed without a wait, have led to it; 0: it
    /// came from outside.
    #[serde(default, skip_serializing_if = "blank")]
    pub hops: u32,
}

/// Which message an event tells of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub journey: String,
    pub enrollment: i64,
    pub step: String,
    pub occurrence: u32,
}

/// One customer's passage through one journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Enrollment {
    /// The sequence number of the event that opened it: unique within (journey, customer), and grows.
    pub ordinal: i64,
    /// The value of entry.key; empty where the journey names none.
    #[serde(default, skip_serializing_if = "blank")]
    pub key: Personal<String>,
    pub revision: String,
    pub entered_at: Micros,
    /// How often this (customer, key) has entered, this time included.
    pub entries: u32,
    /// The entering event's properties, with id and time.
    #[serde(default, skip_serializing_if = "blank")]
    pub entry: Personal<Properties>,
    /// Whether the customer was held out when they entered: they stay on that side of the comparison.
    #[serde(default, skip_serializing_if = "blank")]
    pub held_out: bool,
    pub standing: Standing,
    #[serde(default, skip_serializing_if = "blank")]
    pub steps: BTreeMap<String, StepResult>,
    /// Goals reached, with the instant.
    #[serde(default, skip_serializing_if = "blank")]
    pub goals: BTreeMap<String, Micros>,
    /// What became of messages while nobody waited for it: offered to the next wait, the oldest first, 32 at most.
    #[serde(default, skip_serializing_if = "blank")]
    pub kept: Vec<Event>,
    /// Arrivals at steps that one input led to, up to where it stands: what stops a loop of sends that are skipped at once.
    #[serde(default, skip_serializing_if = "blank")]
    pub arrivals: u32,
    /// When time may change a condition that an exit, a goal or the present wait asks for.
    #[serde(default, skip_serializing_if = "blank")]
    pub look_at: Option<Micros>,
    /// What signals that take several matches have had so far.
    #[serde(default, skip_serializing_if = "blank")]
    pub matches: Matches,
    /// Those of the event that last moved it; 0 once time has passed in a wait.
    #[serde(default, skip_serializing_if = "blank")]
    pub hops: u32,
}

/// Matches of signals with `times`, as long as they are not enough.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Matches {
    /// Of the present wait, by the place in its `until`; a wait that begins has none.
    #[serde(default, skip_serializing_if = "blank")]
    pub wait: BTreeMap<usize, u32>,
    /// Since the entry, by the name of the exit.
    #[serde(default, skip_serializing_if = "blank")]
    pub exits: BTreeMap<String, u32>,
    /// Since the entry, by the name of the goal.
    #[serde(default, skip_serializing_if = "blank")]
    pub goals: BTreeMap<String, u32>,
}

/// Where an enrollment stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Standing {
    /// In a wait, since then and until then at the latest.
    Waiting {
        step: String,
        since: Micros,
        until: Option<Micros>,
    },
    /// In a send whose outcome is not known yet.
    Sending {
        step: String,
        since: Micros,
        occurrence: u32,
    },
    Ended {
        outcome: Ending,
        at: Micros,
    },
    /// At the door: nobody has entered yet, and the turn by entry.pace has not come. The event that asks to enter is kept, so that it is
    /// judged once more when it has.
    Paced {
        event: Box<Event>,
    },
}

impl Enrollment {
    pub fn is_active(&self) -> bool {
        !matches!(self.standing, Standing::Ended { .. })
    }

    /// Whether it came to the end of its steps, and no exit or choice took the customer out.
    pub fn has_walked_through(&self) -> bool {
        match self.standing {
            Standing::Ended { outcome, .. } => match outcome {
                Ending::Completed | Ending::Failed => true,
                Ending::Converted | Ending::Disqualified | Ending::OptedOut | Ending::Merged => false,
            },
            Standing::Waiting { .. } | Standing::Sending { .. } | Standing::Paced { .. } => false,
        }
    }

    /// Whether it ended because the customer had an older one: what it would reach, that one reaches.
    pub fn is_merged(&self) -> bool {
        let merged = Ending::Merged;
        matches!(self.standing, Standing::Ended { outcome, .. } if outcome == merged)
    }

    /// Whether it waits at the door, by entry.pace.
    pub fn is_paced(&self) -> bool {
        matches!(self.standing, Standing::Paced { .. })
    }

    /// When time alone may move it on: its wait is over, or a condition may have changed.
    pub fn due_at(&self) -> Option<Micros> {
        self.wait_ends().into_iter().chain(self.look_at).min()
    }

    /// When its wait is over.
    pub fn wait_ends(&self) -> Option<Micros> {
        match &self.standing {
            Standing::Waiting { until, .. } => *until,
            Standing::Sending { .. } | Standing::Ended { .. } | Standing::Paced { .. } => None,
        }
    }
}

/// How a journey ended for a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ending {
    Completed,
    Converted,
    Disqualified,
    Failed,
    /// The customer left by their own hand: no step or exit can say so.
    OptedOut,
    /// Two customers became one, and the other's enrollment was the older.
    Merged,
}

impl Ending {
    /// Those that other journeys are told of, by `journey/NAME`: who was merged is in the journey still.
    pub const TOLD: [Self; 5] = [
        Self::Completed,
        Self::Converted,
        Self::Disqualified,
        Self::Failed,
        Self::OptedOut,
    ];

    /// What counters and statuses call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Completed => "Completed",
            Self::Converted => "Converted",
            Self::Disqualified => "Disqualified",
            Self::Failed => "Failed",
            Self::OptedOut => "OptedOut",
            Self::Merged => "Merged",
        }
    }
}

/// What expressions read as steps.NAME.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepResult {
    /// Arrivals at the step, the present one included.
    pub count: u32,
    /// The last arrival.
    pub at: Micros,
    /// Sent, Skipped or Failed: of the last send that is over.
    #[serde(default, skip_serializing_if = "blank")]
    pub outcome: Option<String>,
    #[serde(default, skip_serializing_if = "blank")]
    pub reason: Option<String>,
    /// What the last send that is over was sent, or would have been, by.
    #[serde(default, skip_serializing_if = "blank")]
    pub touchpoint: Option<String>,
    /// What the provider answered to the last send, as far as the touchpoint's `response` keeps it; empty unless it is Sent.
    #[serde(default, skip_serializing_if = "blank")]
    pub response: Personal<Properties>,
    /// The arm that a split gave: kept as long as the split has it.
    #[serde(default, skip_serializing_if = "blank")]
    pub arm: Option<String>,
    /// Properties of the event that ended the last wait; empty when time did.
    #[serde(default, skip_serializing_if = "blank")]
    pub event: Personal<Properties>,
}

/// What happens to the enrollments of one customer.
#[derive(Debug, Clone)]
#[allow(
    clippy::large_enum_variant,
    reason = "one at a time, by reference; events are the usual case"
)]
pub enum Input {
    /// An accepted event; `sequence` becomes the ordinal of an enrollment that it opens.
    Event { sequence: i64, event: Event },
    /// News that has come to this customer: it does what an event does, and is counted apart.
    News { sequence: i64, event: Event },
    /// The customer was two before ([`MERGED`]): of two enrollments under one key the older stays.
    Merged,
    /// The time at which a wait ends, or a condition may change, has come.
    Due { enrollment: i64 },
    /// The turn of one who waits at the door has come.
    Admit { enrollment: i64 },
    /// The customer is to be looked at; `sequence` becomes the ordinal of an enrollment that this opens.
    Look { sequence: i64, look: Look },
    /// What became of a message of this enrollment.
    Outcome {
        enrollment: i64,
        step: String,
        occurrence: u32,
        /// The one of the step's candidates that it was.
        touchpoint: String,
        outcome: Outcome,
        /// What is kept of the provider's answer; empty where nothing is.
        response: Personal<Properties>,
    },
}

/// Why a customer is looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// With the attributes as they are to be seen ([`super::look::looked`], or what the store told of a change).
    pub event: Event,
    /// Whether attributes have changed: then enrollments are looked at too.
    pub changed: bool,
    /// Triggers' conditions that held at the last look.
    pub held: BTreeSet<String>,
}

/// What was last seen of a customer by a journey's triggers that name no event.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Names of the conditions that held: each must have been false before it can let the customer in again.
    pub held: BTreeSet<String>,
    /// When time may change one of them.
    pub look_at: Option<Micros>,
}

impl Sighting {
    /// As of a customer never looked at.
    pub fn is_blank(&self) -> bool {
        self.held.is_empty() && self.look_at.is_none()
    }
}

/// What became of a message, for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Sent,
    /// The policy or the lack of an address kept it back; the reason is one of a documented set.
    Skipped(String),
    /// The channel refused it, or its fate cannot be known (OutcomeUnknown).
    Failed(String),
}

/// What the runner has to do. Nothing has happened yet.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Choose among the step's candidates ([`super::candidates`]), ask the policy, then hand over; the outcome comes back as
    /// [`Input::Outcome`]. It is counted as requested by `touchpoint`, the first candidate, until another is chosen.
    Send {
        enrollment: i64,
        step: String,
        occurrence: u32,
        touchpoint: String,
        with: Personal<Properties>,
    },
    /// Whatever of this enrollment has not been handed over is not sent any more.
    Withdraw { enrollment: i64 },
    /// Change attributes of the customer; null removes. Later inputs of the same turn see it.
    Set {
        attributes: Personal<Properties>,
        /// See [`Event::hops`], of the enrollment whose step it is.
        hops: u32,
    },
    /// The enrollment arrived at a step: counted by the runner.
    Arrived { enrollment: i64, step: String },
    /// Remember this of the customer, in place of the last sighting.
    Sighted(Sighting),
    /// Add `n` to a count, in the hour of `at`.
    Count {
        count: crate::kpi::Count,
        n: i64,
        at: Micros,
    },
}

/// What an input did.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    pub actions: Vec<Action>,
    /// Of an event and of a look: what it did in this journey. None for other inputs.
    pub disposition: Option<Disposition>,
}

/// What an event did in a journey; each accepted event has exactly one in each listening journey, so that the books balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    Exited,
    Advanced,
    Entered,
    /// It would open an enrollment, whose turn by entry.pace has not come: what comes of that is counted apart (`Count::Admitted`).
    Paced,
    /// It was kept for a later wait of the enrollment that it tells of.
    Kept,
    GoalOnly,
    Ignored(Ignored),
}

/// Why an event did nothing; docs/reasons.md has each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ignored {
    /// A signal that takes several matches (`times`) has counted it, and they are not enough yet.
    Counted,
    /// A look: no condition that was asked for has become true.
    Unchanged,
    /// Enrolled already, and no wait, exit or goal takes it.
    AlreadyIn,
    /// Nobody is enrolled, and no trigger takes it.
    NotIn,
    /// A trigger's `when` does not hold.
    WhenFalse,
    /// The event has no value for entry.key.
    NoKey,
    /// An exit already holds at entry.
    ExitHolds,
    /// Inside reentry.cooldown.
    Cooldown,
    /// reentry.max is used up.
    MaxEntries,
    /// The customer left the journey by their own hand, and has not joined it since.
    OptedOut,
    Suspended,
    /// Ten journeys in a row have led here, each opened by the end of the one before, and nobody waited.
    ChainTooLong,
    /// The journey has no current program.
    NoProgram,
    /// The turn with it panicked: a defect. The engine does not say so, the runner does, and puts the event aside.
    Panicked,
    /// It could not be read. The store says so, and puts it aside.
    Unreadable,
}

impl Ignored {
    /// What counters call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counted => "Counted",
            Self::Unchanged => "Unchanged",
            Self::AlreadyIn => "AlreadyIn",
            Self::NotIn => "NotIn",
            Self::WhenFalse => "WhenFalse",
            Self::NoKey => "NoKey",
            Self::ExitHolds => "ExitHolds",
            Self::Cooldown => "Cooldown",
            Self::MaxEntries => "MaxEntries",
            Self::OptedOut => "OptedOut",
            Self::Suspended => "Suspended",
            Self::ChainTooLong => "ChainTooLong",
            Self::NoProgram => "NoProgram",
            Self::Panicked => "Panicked",
            Self::Unreadable => "Unreadable",
        }
    }
}
