//! What is counted, and what a count is called in the store and in metrics. Every event and message ends in exactly one count.

use crate::{
    clock::{HOUR, Micros},
    engine::state::{Disposition, Ending},
};
use std::collections::BTreeMap;

/// A count of one journey.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Count {
    /// What an accepted event did: sums to the events accepted for this journey.
    Event(Disposition),
    /// What became of an event that was [`Disposition::Paced`]: entered, or ignored for a reason. paced = admitted + who waits now.
    Admitted(Disposition),
    /// What a look at a customer whose attributes had changed did: sums to the changes told to this journey.
    Changed(Disposition),
    /// What a look that time or the first sight of a customer brought did, where it did something or a trigger fired in vain.
    Noticed(Disposition),
    /// What news did when it came to a customer: sums to those it has come to.
    News(Disposition),
    /// Enrollments begun.
    Entered,
    /// Enrollments ended, by outcome.
    Ended(Ending),
    /// A goal reached, in the hour of the ENTRY of the enrollment that reached it.
    Goal(String),
    /// By which time a goal was reached, in buckets of seconds since the entry; of the day (UTC) of the entry.
    GoalTime {
        goal: String,
        bucket: i16,
    },
    /// A goal reached with a value that is known; the sum of the values is in units and millionths. In the hour of the entry.
    GoalValued(String),
    GoalUnits(String),
    GoalMillionths(String),
    /// The value, in buckets of millionths; of the day (UTC) of the entry.
    GoalValue {
        goal: String,
        bucket: i16,
    },
    /// Enrollments begun of customers who are held out; they count as entered too.
    HeldOut,
    /// A goal that such an enrollment reached; it counts as a goal too.
    HeldOutGoal(String),
    /// Arrivals at a step.
    Step(String),
    /// Arrivals at a split, by the arm that they took.
    Arm {
        step: String,
        arm: String,
    },
    /// Messages that a step asked for: requested = sent + skipped + failed + pending.
    Requested {
        touchpoint: String,
    },
    Sent {
        touchpoint: String,
    },
    Skipped {
        touchpoint: String,
        reason: String,
    },
    Failed {
        touchpoint: String,
        reason: String,
    },
    /// What a slot or a webhook kept of a message stays no longer, for a reason.
    StayEnded {
        touchpoint: String,
        reason: String,
    },
    /// The adapter's `end` was called.
    EndTold {
        touchpoint: String,
    },
    /// It was called in vain.
    EndFailed {
        touchpoint: String,
        reason: String,
    },
    /// An expression that could not be evaluated (overflow, division by zero, too costly) and was taken as false.
    Fault,
}

impl Count {
    /// `kind` or `kind:detail` or `kind:detail:reason`; stable, kept in the store.
    pub fn name(&self) -> String {
        match self {
            Self::Event(disposition) => format!("event:{}", disposition.name()),
            Self::Admitted(disposition) => format!("admitted:{}", disposition.name()),
            Self::Changed(disposition) => format!("changed:{}", disposition.name()),
            Self::Noticed(disposition) => format!("noticed:{}", disposition.name()),
            Self::News(disposition) => format!("news:{}", disposition.name()),
            Self::Entered => "entered".into(),
            Self::Ended(ending) => format!("ended:{}", ending.name()),
            Self::Goal(name) => format!("goal:{name}"),
            Self::GoalTime { goal, bucket } => format!("{}{bucket}", Self::goal_times(goal)),
            Self::GoalValued(goal) => format!("{FIGURE}valued:{goal}"),
            Self::GoalUnits(goal) => format!("{FIGURE}units:{goal}"),
            Self::GoalMillionths(goal) => format!("{FIGURE}millionths:{goal}"),
            Self::GoalValue { goal, bucket } => format!("{}{bucket}", Self::goal_values(goal)),
            Self::HeldOut => "held-out".into(),
            Self::HeldOutGoal(name) => format!("held-out-goal:{name}"),
            Self::Step(name) => format!("step:{name}"),
            Self::Arm { step, arm } => format!("arm:{step}:{arm}"),
            Self::Requested { touchpoint } => format!("requested:{touchpoint}"),
            Self::Sent { touchpoint } => format!("sent:{touchpoint}"),
            Self::Skipped { touchpoint, reason } => format!("skipped:{touchpoint}:{reason}"),
            Self::Failed { touchpoint, reason } => format!("failed:{touchpoint}:{reason}"),
            Self::StayEnded { touchpoint, reason } => format!("stay-ended:{touchpoint}:{reason}"),
            Self::EndTold { touchpoint } => format!("end-told:{touchpoint}"),
            Self::EndFailed { touchpoint, reason } => format!("end-failed:{touchpoint}:{reason}"),
            Self::Fault => "fault".into(),
        }
    }

    /// What the names of a goal's times begin with; a bucket follows.
    pub fn goal_times(goal: &str) -> String {
        format!("{FIGURE}time:{goal}:")
    }

    /// The same of its values.
    pub fn goal_values(goal: &str) -> String {
        format!("{FIGURE}value:{goal}:")
    }

    /// Whether a count of this name is not a number of events but a part of a KPI's figure (a sum, a bucket).
    pub fn is_figure(name: &str) -> bool {
        name.starts_with(FIGURE)
    }
}

/// Names of what is not a number of events begin so.
const FIGURE: &str = "goal-";

/// A count of the gateway: received = accepted + duplicate + quarantined, and the events kept are accepted + followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IntakeCount {
    Accepted,
    Duplicate,
    Quarantined {
        reason: String,
    },
    /// Looks at customers whose attributes changed, one for each journey whose conditions read them: nobody sent them.
    Changed,
    /// What followed from accepted events (`consent/granted`): journeys get it, but nobody sent it.
    Followed,
    /// Two customers became one, as an accepted event said.
    Joined,
    /// They did not, for a reason: the event counts as accepted all the same.
    NotJoined(NotJoined),
}

impl IntakeCount {
    pub fn name(&self) -> String {
        match self {
            Self::Accepted => "accepted".into(),
            Self::Duplicate => "duplicate".into(),
            Self::Quarantined { reason } => format!("quarantined:{reason}"),
            Self::Changed => "changed".into(),
            Self::Followed => "followed".into(),
            Self::Joined => "joined".into(),
            Self::NotJoined(why) => format!("not-joined:{}", why.name()),
        }
    }
}

/// Why two customers stay two although an event says that they are one; docs/reasons.md has each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotJoined {
    /// The anonymous id belongs to somebody who is known by another name.
    TwoCustomers,
    /// One customer has so many identifiers already.
    TooManyNames,
}

impl NotJoined {
    /// What counters call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TwoCustomers => "TwoCustomers",
            Self::TooManyNames => "TooManyNames",
        }
    }
}

impl Disposition {
    /// What counters call it: `ignored:AlreadyIn`.
    pub fn name(self) -> String {
        match self {
            Self::Exited => "exited".into(),
            Self::Advanced => "advanced".into(),
            Self::Entered => "entered".into(),
            Self::Paced => "paced".into(),
            Self::Kept => "kept".into(),
            Self::GoalOnly => "goal-only".into(),
            Self::Ignored(why) => format!("ignored:{}", why.name()),
        }
    }
}

/// Counts of one journey by name and hour.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<(String, i64), i64>);

impl Counts {
    /// Hours since 1970.
    pub fn bucket(at: Micros) -> i64 {
        at.div_euclid(HOUR)
    }

    pub fn add(&mut self, name: String, at: Micros, n: i64) {
        *self.0.entry((name, Self::bucket(at))).or_default() += n;
    }

    /// The sum over all hours.
    pub fn total(&self, name: &str) -> i64 {
        self.since(name, i64::MIN)
    }

    /// The sum over the hours from `bucket` on.
    pub fn since(&self, name: &str, bucket: i64) -> i64 {
        self.0
            .range((name.to_owned(), bucket)..=(name.to_owned(), i64::MAX))
            .map(|(_, n)| n)
            .sum()
    }

    /// Buckets of a histogram whose counts' names begin so, over the hours from `since` on.
    pub fn buckets<'a>(&'a self, prefix: &'a str, since: i64) -> impl Iterator<Item = (i16, i64)> + 'a {
        self.0
            .range((prefix.to_owned(), i64::MIN)..)
            .take_while(move |((name, _), _)| name.starts_with(prefix))
            .filter(move |((_, hour), _)| *hour >= since)
            .filter_map(move |((name, _), n)| Some((name.strip_prefix(prefix)?.parse().ok()?, *n)))
    }

    /// The sum over all names that begin so.
    pub fn total_of(&self, prefix: &str) -> i64 {
        self.0
            .range((prefix.to_owned(), i64::MIN)..)
            .take_while(|((name, _), _)| name.starts_with(prefix))
            .map(|(_, n)| n)
            .sum()
    }
}
