//! What people do to messages by hand (`journey outbox`): one that failed is tried again, one that is held is dropped. Both mark the row, and the
//! journey's next round does the rest: it asks the policy, moves the enrollment on, and keeps the books.

use super::{OutboxRow, OutboxState};
use crate::{
    clock::{DAY, Micros},
    keys::MessageKey,
};

/// `why` of a message that is tried again, and of one that is not to go out.
pub const RETRIED: &str = "Retried";
pub const DROPPED: &str = "Dropped";
/// Reason of a message whose fate cannot be known and is not tried again by itself.
pub const OUTCOME_UNKNOWN: &str = "OutcomeUnknown";
/// An enrollment that has ended is read for so long once a message of it is tried again.
pub(super) const READ_AGAIN: Micros = 7 * DAY;

/// What a page of messages begins behind: by customer and key where they wait, by time and key where they have failed.
pub type After<T> = Option<(T, MessageKey)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retried {
    /// It is held, and due now; it is counted as failed no more.
    Done,
    /// No message of the journey that failed and was kept has this key.
    Gone,
    /// Its journey is not there, or is stopped.
    NoJourney,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// The next round skips it.
    Done,
    /// No message of the customer that waits has this key.
    Gone,
    /// It is with its channel: what becomes of it is heard.
    Claimed,
    /// It tells that a message has ended, which must be told.
    Ends,
}

/// The message that failed for `reason`, once more: with as many attempts as a new one has.
pub(super) fn again(row: OutboxRow, reason: &str, now: Micros) -> OutboxRow {
    OutboxRow {
        attempts: 0,
        uncertain: row.uncertain || reason == OUTCOME_UNKNOWN,
        again: true,
        // The next round knows better.
        over_at: None,
        state: OutboxState::Held {
            due: now,
            why: RETRIED.to_owned(),
        },
        ..row
    }
}

/// The message so that the next round skips it.
///
/// # Errors
/// Why it cannot be dropped.
pub(super) fn dropped(row: OutboxRow, now: Micros) -> Result<OutboxRow, Dropped> {
    match row.state {
        OutboxState::Claimed { .. } => Err(Dropped::Claimed),
        OutboxState::Held { .. } if row.ends.is_some() => Err(Dropped::Ends),
        OutboxState::Held { .. } => Ok(OutboxRow {
            over_at: Some(now),
            state: OutboxState::Held {
                due: now,
                why: DROPPED.to_owned(),
            },
            ..row
        }),
    }
}
