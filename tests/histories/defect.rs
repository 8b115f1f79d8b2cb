//! Defects that a store or a runner might have, switched on to prove that the shadow finds them: a check that cannot fail is worth nothing.

use super::world::World;
use journey::{
    clock::SECOND,
    policy::Consent,
    store::{Arrival, DROPPED, Hold, OutboxState, Round, RoundCommit},
};
use std::borrow::Cow;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A round is committed whoever holds the shards by now.
    FenceIgnored,
    /// An event that is sent again is accepted again.
    DuplicateAccepted,
    /// A round is answered as committed, and was not: its claims are handed over all the same.
    CommitForgotten,
    /// What was heard of a message is not taken off the outbox, and heard again.
    OutcomeTwice,
    /// Rounds see events in another order.
    OrderReversed,
    /// Waits end up to two seconds early.
    TimerEarly,
    /// Rounds see a consent that was never given.
    ConsentInvented,
    /// Rounds do not see what the customer got before.
    ContactsForgotten,
    /// Claims of a dead process are never found.
    OrphansForgotten,
    /// What became of a customer's enrollment is not kept.
    EnrollmentForgotten,
    /// Rounds do not see that a message was dropped by hand.
    DropForgotten,
    /// Rounds do not see the news that comes with them.
    NewsForgotten,
    /// A claim of a dead process is sent again where nobody knows it by its key.
    SentAgain,
}

impl Defect {
    pub const ALL: [Self; 13] = [
        Self::FenceIgnored,
        Self::DuplicateAccepted,
        Self::CommitForgotten,
        Self::OutcomeTwice,
        Self::OrderReversed,
        Self::TimerEarly,
        Self::ConsentInvented,
        Self::ContactsForgotten,
        Self::OrphansForgotten,
        Self::EnrollmentForgotten,
        Self::DropForgotten,
        Self::NewsForgotten,
        Self::SentAgain,
    ];
}

fn is(world: &World, defect: Defect) -> bool {
    world.state().defect == Some(defect)
}

/// A defect shows now and then.
fn shows(world: &World, defect: Defect) -> bool {
    let mut state = world.state();
    state.defect == Some(defect) && state.chance.one_in(3)
}

pub fn of_batch<'a>(world: &World, batch: &'a [Arrival]) -> Cow<'a, [Arrival]> {
    if !is(world, Defect::DuplicateAccepted) {
        return Cow::Borrowed(batch);
    }
    let salt = world.state().chance.next().to_be_bytes();
    let mut batch = batch.to_vec();
    for arrival in &mut batch {
        arrival.key[..8].copy_from_slice(&salt);
    }
    Cow::Owned(batch)
}

/// The hold of whoever has the shards now, in place of one's own.
pub fn of_hold<'a>(world: &World, hold: &'a Hold) -> Cow<'a, Hold> {
    if !is(world, Defect::FenceIgnored) {
        return Cow::Borrowed(hold);
    }
    Cow::Owned(world.state().shadow.as_held_now(hold))
}

/// By how much the store's clock is ahead in this round; to be taken back after it.
pub fn of_clock(world: &World) -> i64 {
    if !shows(world, Defect::TimerEarly) {
        return 0;
    }
    world.clock.jump(2 * SECOND);
    2 * SECOND
}

pub fn of_round(world: &World, mut round: Round) -> Round {
    let Some(defect) = world.state().defect else {
        return round;
    };
    for turn in &mut round.customers {
        match defect {
            Defect::OrderReversed => turn.inbox.reverse(),
            Defect::ConsentInvented => {
                let granted = Consent::said(true, round.now);
                turn.customer.consents.insert("marketing".into(), granted);
            }
            Defect::ContactsForgotten => turn.contacts.clear(),
            Defect::OrphansForgotten => turn
                .outbox
                .retain(|row| matches!(row.state, OutboxState::Held { .. }) || !turn.outcomes.is_empty()),
            Defect::DropForgotten => {
                for row in &mut turn.outbox {
                    if let OutboxState::Held { why, .. } = &mut row.state
                        && why == DROPPED
                    {
                        "Busy".clone_into(why);
                    }
                }
            }
            Defect::NewsForgotten => turn.news = None,
            Defect::SentAgain => {
                for row in &mut turn.outbox {
                    // As if it were a claim whose commit was answered by an error.
                    if let OutboxState::Claimed { at, .. } = row.state {
                        row.state = OutboxState::Held {
                            due: at,
                            why: "Returned".into(),
                        };
                    }
                }
            }
            Defect::FenceIgnored
            | Defect::DuplicateAccepted
            | Defect::CommitForgotten
            | Defect::OutcomeTwice
            | Defect::TimerEarly
            | Defect::EnrollmentForgotten => {}
        }
    }
    round
}

pub fn of_commit(world: &World, mut commit: RoundCommit) -> RoundCommit {
    if shows(world, Defect::OutcomeTwice) {
        commit.outbox_gone.clear();
    }
    if shows(world, Defect::EnrollmentForgotten) {
        commit.enrollments.clear();
    }
    commit
}

pub fn forgets_commits(world: &World) -> bool {
    shows(world, Defect::CommitForgotten)
}
