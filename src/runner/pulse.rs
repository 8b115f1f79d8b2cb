//! When a runner does what: its heartbeats, and its rounds, which an idle one has no more of than time and the safety net ask for.

use crate::{
    clock::{Micros, SECOND},
    store::{Beat, Hold, Next, Scope},
};
use std::time::Duration;
use tokio::time::Instant;

/// How long a lease lasts without a heartbeat: what a takeover waits for.
pub(super) const LEASE: Duration = Duration::from_secs(5);
/// Between heartbeats of a runner at work, and of one that rests: whoever takes an idle one's place loses nothing by it.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(1);
const IDLE_HEARTBEAT: Duration = Duration::from_secs(3);
/// How soon who has not got his share comes again; and who came late, for whom it is longer than any pause after an error of the store, so that
/// whoever lived through an outage is back before others take his shards for free.
const UNSETTLED: Duration = Duration::from_millis(250);
const LATE: Duration = Duration::from_millis(1_500);
/// How often what time brings is looked for where rounds follow each other quickly, and how long it must be quiet before a runner rests for longer.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// How often what faults leave behind is looked for where there are rounds; and how far back claims are that nobody works on, but once a minute.
const SEARCH: Duration = Duration::from_secs(5);
const CLAIMS: Micros = 60 * SECOND;
/// How soon a round is repeated that left what it could not work on, and a fifth of it while messages are under way.
const POLL: Duration = Duration::from_secs(1);
/// The safety net below wake-ups and what a heartbeat sees: how often it is asked anew what is due next, and how often there is a round whatever
/// is due.
const ASK: Duration = Duration::from_secs(30);
const ROUND: Duration = Duration::from_secs(60);

/// What is to come next; None: now.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    beat: Option<Instant>,
    round: Option<Instant>,
    ask: Option<Instant>,
    /// Whether there was a round since the last heartbeat.
    worked: bool,
    /// What that round waits for, by the store's clock.
    due: Option<Micros>,
    /// When the last round that looked for what time brings began; None: the next one does.
    looked: Option<Instant>,
    /// The same of the last one that looked for what faults leave behind.
    searched: Option<Instant>,
    /// The same of the last one for which claims may be as old as they like.
    searched_far: Option<Instant>,
}

impl Pulse {
    pub(super) fn beats(&self) -> bool {
        self.beat.is_none_or(|at| at <= Instant::now())
    }

    pub(super) fn has_round(&self) -> bool {
        self.round.is_none_or(|at| at <= Instant::now())
    }

    /// How far the next round looks: no further than at hand where one has just done so.
    pub(super) fn scope(&self) -> Scope {
        if self.searched.is_none_or(|at| at.elapsed() >= SEARCH) {
            Scope::All
        } else if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            Scope::Due
        } else {
            Scope::AtHand
        }
    }

    /// Whether it is time to ask anew what is due next.
    pub(super) fn asks(&self) -> bool {
        self.ask.is_none_or(|at| at <= Instant::now())
    }

    /// For how long there is nothing to do.
    pub(super) fn rest(&self) -> Duration {
        let next = self.beat.zip(self.round).map(|(beat, round)| beat.min(round));
        let next = next.zip(self.ask).map(|(next, ask)| next.min(ask));
        next.map_or(Duration::ZERO, |at| at.saturating_duration_since(Instant::now()))
    }

    /// For how long it is until the next heartbeat.
    pub(super) fn until_beat(&self) -> Duration {
        let beat = self.beat.unwrap_or_else(Instant::now);
        beat.saturating_duration_since(Instant::now())
    }

    /// A heartbeat that began then was answered. When another owner's registration ends, the next one finds its shards free.
    pub(super) fn beaten(&mut self, began: Instant, told: &Beat) {
        let worked = std::mem::take(&mut self.worked);
        let next = began + if worked { HEARTBEAT } else { IDLE_HEARTBEAT };
        let ends = told.ends.map(|ends| Instant::now() + span(ends, told.now));
        self.beat = Some(ends.map_or(next, |ends| next.min(ends)));
        if told.waits {
            self.wake();
        }
        // The store's clock may have been set since.
        if let Some((due, round)) = self.due.zip(self.round) {
            self.round = Some(round.min(Instant::now() + span(due, told.now)));
        }
    }

    /// An owner that began to join then has this now. One that has its share beats; others come again soon, for what others give back or
    /// leave behind.
    pub(super) fn joined(&mut self, began: Instant, hold: &Hold) {
        let next = match (hold.is_settled(), hold.late) {
            (true, _) => HEARTBEAT,
            (false, true) => LATE,
            (false, false) => UNSETTLED,
        };
        self.beat = Some(began + next);
    }

    /// The leases may not be as they were.
    pub(super) fn doubt(&mut self) {
        self.beat = None;
    }

    /// There may be something to do.
    pub(super) fn wake(&mut self) {
        self.round = None;
    }

    /// Gives how far back it looks for claims that nobody works on, if it looks for any.
    pub(super) fn begins_round(&mut self, scope: Scope) -> Micros {
        self.worked = true;
        self.round = None;
        let now = Instant::now();
        if scope >= Scope::Due {
            self.looked = Some(now);
        }
        if scope == Scope::All {
            self.searched = Some(now);
            if self.searched_far.is_none_or(|at| at.elapsed() >= ROUND) {
                self.searched_far = Some(now);
                return Micros::MAX;
            }
        }
        CLAIMS
    }

    /// The next round looks for what time brings, whenever the last one did.
    pub(super) fn look_again(&mut self) {
        self.looked = None;
    }

    /// The next round looks for everything.
    pub(super) fn search_again(&mut self) {
        (self.searched, self.searched_far) = (None, None);
    }

    /// Nothing comes, and this is what time brings next.
    pub(super) fn quiet(&mut self, next: &Next, under_way: bool) {
        let now = Instant::now();
        let poll = if under_way { POLL / 5 } else { POLL };
        let looked = self.looked.unwrap_or(now);
        let due = next.due.map(|due| {
            let left = Duration::from_micros(next.now.saturating_sub(due).max(0).cast_unsigned()) > now - looked;
            if left {
                // What was due when the last round looked it could not work on, or not find: the store's clock may have been set.
                self.searched_far = None;
                now + poll
            } else {
                now + span(due, next.now)
            }
        });
        let latest = if under_way { now + poll } else { looked + ROUND };
        self.due = next.due;
        self.ask = Some(now + ASK);
        self.round = Some(due.map_or(latest, |due| due.min(latest)));
    }
}

/// From `now` until `then`, both by the store's clock. No more than it takes to come to look again.
fn span(then: Micros, now: Micros) -> Duration {
    Duration::from_micros(then.saturating_sub(now).max(0).cast_unsigned()).min(ROUND)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One that has looked a little while ago, and beats in a second.
    async fn pulse() -> Pulse {
        let mut pulse = Pulse::default();
        pulse.begins_round(Scope::All);
        tokio::time::advance(Duration::from_millis(30)).await;
        pulse.beaten(Instant::now(), &quiet_beat());
        pulse
    }

    fn quiet_beat() -> Beat {
        Beat {
            holds: true,
            now: 0,
            ends: None,
            version: 1,
            waits: false,
        }
    }

    fn due(due: Micros) -> Next {
        Next { now: 0, due: Some(due) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_comes_when_something_is_due_and_no_later_than_the_safety_net() {
        let mut pulse = pulse().await;
        assert!(pulse.has_round(), "nobody has said what is due");
        pulse.quiet(&due(300_000), false);
        assert_eq!(pulse.rest(), Duration::from_millis(300));
        pulse.quiet(&due(3_600 * SECOND), false);
        assert_eq!(pulse.rest(), HEARTBEAT, "it has worked");
        pulse.beaten(Instant::now(), &quiet_beat());
        assert_eq!(pulse.rest(), IDLE_HEARTBEAT);
        tokio::time::advance(ASK).await;
        assert!(pulse.asks() && !pulse.has_round());
        pulse.quiet(&due(3_600 * SECOND), false);
        assert!(!pulse.asks());
        tokio::time::advance(ROUND - ASK - Duration::from_millis(31)).await;
        assert!(!pulse.has_round());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(pulse.has_round());
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_round_left_is_tried_again_after_a_while_and_what_came_since_at_once() {
        let mut pulse = pulse().await;
        // It looked 30 ms ago.
        pulse.quiet(&due(-29_000), false);
        assert!(pulse.has_round(), "it came due since");
        pulse.quiet(&due(-31_000), false);
        assert_eq!(pulse.rest(), POLL);
        pulse.quiet(&due(-31_000), true);
        assert_eq!(pulse.rest(), POLL / 5, "a lane may have room again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_heartbeat_follows_the_stores_clock_and_the_end_of_anothers_registration() {
        let mut pulse = pulse().await;
        pulse.quiet(&due(10 * SECOND), false);
        let mut told = Beat {
            holds: true,
            now: 9 * SECOND,
            ends: Some(9 * SECOND + 400_000),
            version: 1,
            waits: false,
        };
        pulse.beaten(Instant::now(), &told);
        assert_eq!(pulse.rest(), Duration::from_millis(400), "the next beat");
        told.ends = None;
        pulse.beaten(Instant::now(), &told);
        assert!(!pulse.has_round());
        tokio::time::advance(HEARTBEAT).await;
        assert!(pulse.has_round(), "the store's clock went forward");
        pulse.quiet(&due(10 * SECOND), false);
        told.waits = true;
        pulse.beaten(Instant::now(), &told);
        assert!(pulse.has_round(), "nobody was woken");
    }
}
