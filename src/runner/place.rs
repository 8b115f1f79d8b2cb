//! What stays of what was said: cards in a slot, memberships that a webhook keeps. It ends when its time is over, its enrollment has ended, or
//! consent has; then the journey is told (TOUCHPOINT/ended), and so is the adapter where it has an `end`.
//!
//! The telling of an end is a row of the outbox like a message: claimed, handed over by its adapter's lane, tried again. No policy is asked, for
//! it takes back what was said; and it is told at least once, whatever the adapter does with messages whose fate is unknown.

use super::{
    ask::{BUSY, NOT_OPEN, RESPONSE_INVALID},
    claim::{Claim, claim_end},
    turn::Walk,
};
use crate::{
    clock::{DAY, Micros},
    engine::{
        self,
        program::{Outbound, Program},
        state::{About, Enrollment, Event, Input, Outcome},
    },
    expression::Fault,
    kpi::Count,
    personal::Personal,
    policy,
    store::{Fate, OUTCOME_UNKNOWN, OutboxRow, OutboxState, Placed, placed},
};
use std::{collections::VecDeque, sync::Arc};

/// How often what stays is asked of the policy, which may have changed; a change of consent is looked at at once.
const RECHECK: Micros = DAY;
/// How long the telling of an end waits for an adapter that is not there.
const PATIENCE: Micros = 7 * DAY;

/// Why something stays no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    /// `lasts` is over.
    Lasted,
    JourneyEnded,
    ConsentEnded,
    /// Its fate could not be known: what may be there is taken back.
    OutcomeUnknown,
}

impl Over {
    fn name(self) -> &'static str {
        match self {
            Self::Lasted => "Lasted",
            Self::JourneyEnded => "JourneyEnded",
            Self::ConsentEnded => "ConsentEnded",
            Self::OutcomeUnknown => OUTCOME_UNKNOWN,
        }
    }
}

impl Walk<'_, '_> {
    /// A message that stays is claimed: it is remembered as it goes out, so that its end names what was sent.
    ///
    /// # Errors
    /// The journey's priority cannot be computed.
    pub(super) fn stay(
        &mut self,
        program: &Program,
        outbound: &Outbound,
        row: &OutboxRow,
        claim: &Claim,
    ) -> Result<(), Fault> {
        let Some(stay) = &outbound.stay else {
            return Ok(());
        };
        // It is no part of a revision: what the journey says now holds.
        let current = self.turn.programs.current.as_deref().unwrap_or(program);
        let priority = engine::priority(current, &self.customer, self.now)?;
        self.put(Placed {
            key: row.key,
            customer: self.key,
            enrollment: row.enrollment,
            revision: row.revision.clone(),
            step: row.step.clone(),
            occurrence: row.occurrence,
            touchpoint: row.touchpoint.clone(),
            purpose: outbound.purpose.clone(),
            channel: outbound.channel.clone(),
            adapter: outbound.adapter.clone(),
            slot: stay.slot.clone(),
            priority,
            at: self.now,
            pending: true,
            until: stay.lasts.map(|lasts| self.now.saturating_add(lasts)),
            due_at: self.now.saturating_add(RECHECK),
            to: claim.message.to.clone(),
            with: row.with.clone(),
            content: claim.message.content.clone(),
        });
        Ok(())
    }

    fn put(&mut self, row: Placed) {
        self.placed.retain(|placed| placed.key != row.key);
        self.done.commit.placed.retain(|placed| placed.key != row.key);
        self.done.commit.placed.push(row.clone());
        self.placed.push(row);
    }

    fn take_out(&mut self, row: &Placed) {
        self.placed.retain(|placed| placed.key != row.key);
        self.done.commit.placed.retain(|placed| placed.key != row.key);
        self.done.commit.placed_gone.push((self.key, row.key));
    }

    /// What became of a message that would stay: it does from now on, or it does not.
    pub(super) fn stayed(&mut self, row: &OutboxRow, outcome: &Outcome) {
        let Some(placed) = self
            .placed
            .iter()
            .find(|placed| placed.key == row.key && placed.pending)
        else {
            return;
        };
        let placed = placed.clone();
        match outcome {
            Outcome::Sent => {
                // Said anew by the same enrollment it takes the place of the one before, whose end nobody is told.
                let before = |other: &&Placed| {
                    other.enrollment == placed.enrollment
                        && other.touchpoint == placed.touchpoint
                        && other.key != placed.key
                };
                for other in self.placed.iter().filter(before).cloned().collect::<Vec<_>>() {
                    self.take_out(&other);
                }
                // It lasts from now on, not from when it was claimed.
                let waited = self.now.saturating_sub(placed.at);
                let until = placed.until.map(|until| until.saturating_add(waited));
                let due_at = self.look_at(&placed, until).unwrap_or(self.now);
                self.put(Placed {
                    pending: false,
                    until,
                    due_at,
                    ..placed
                });
            }
            Outcome::Failed(reason) if reason == OUTCOME_UNKNOWN || reason == RESPONSE_INVALID => {
                self.end(&placed, Over::OutcomeUnknown);
            }
            Outcome::Failed(_) | Outcome::Skipped(_) => self.take_out(&placed),
        }
    }

    /// Takes out what is over. What follows may place and end more.
    pub(super) fn end_stays(&mut self) {
        // Bounded: each turn takes one out or puts its look off, and a step places few.
        for _ in 0..10_000 {
            let now = self.now;
            let found = self.placed.iter().find_map(|placed| match self.judge(placed) {
                Some(Err(over)) => Some((placed.clone(), Err(over))),
                Some(Ok(due_at)) if placed.due_at <= now => Some((placed.clone(), Ok(due_at))),
                Some(Ok(_)) | None => None,
            });
            match found {
                Some((placed, Err(over))) => self.end(&placed, over),
                Some((placed, Ok(due_at))) => self.put(Placed { due_at, ..placed }),
                None => return,
            }
        }
    }

    /// Whether it is over, or when it is to be looked at again; None: it is not known to stay yet.
    fn judge(&self, placed: &Placed) -> Option<Result<Micros, Over>> {
        if placed.pending {
            let under_way = self.outbox.contains_key(&placed.key);
            // The outcome decides. Without one nobody will ever tell what became of it.
            return Some(if under_way {
                Ok(self.now.saturating_add(RECHECK))
            } else {
                Err(Over::OutcomeUnknown)
            });
        }
        let lives = |each: &&Enrollment| each.ordinal == placed.enrollment && each.is_active();
        if placed.until.is_some_and(|until| until <= self.now) {
            return Some(Err(Over::Lasted));
        }
        if self.customer.opted_out || !self.enrollments.iter().any(|each| lives(&each)) {
            return Some(Err(Over::JourneyEnded));
        }
        Some(self.look_at(placed, placed.until).ok_or(Over::ConsentEnded))
    }

    /// When it is to be looked at again; None: it may not stay.
    fn look_at(&self, placed: &Placed, until: Option<Micros>) -> Option<Micros> {
        let again = self.now.saturating_add(RECHECK);
        let Some(program) = self.program_of(&placed.revision) else {
            // Nobody can say what the policy is; no slot shows it meanwhile.
            return Some(
                until
                    .map_or(again, |until| until.min(again))
                    .min(self.now + 12 * NOT_OPEN),
            );
        };
        let may = policy::may_stay(
            &program.policy,
            &self.consents,
            &placed.purpose,
            &placed.channel,
            self.now,
        )
        .ok()?;
        [until, may].into_iter().flatten().chain([again]).min()
    }

    /// Policies and adapters hold as of now, so any revision knows them.
    fn program_of(&self, revision: &str) -> Option<&Arc<Program>> {
        let programs = self.turn.programs;
        programs.current.as_ref().or_else(|| programs.revisions.get(revision))
    }

    fn end(&mut self, placed: &Placed, over: Over) {
        self.take_out(placed);
        let (touchpoint, reason) = (placed.touchpoint.clone(), over.name().to_owned());
        let count = Count::StayEnded { touchpoint, reason };
        self.trace(Some(placed.enrollment), &count, None);
        self.count(count, self.now);
        self.ask_to_end(placed);
        if over != Over::OutcomeUnknown
            && let Some(event) = self.ended(placed, over)
        {
            self.hear_of(event);
        }
    }

    /// The adapter is to be told, unless another message of the kind still stays: it is one membership.
    fn ask_to_end(&mut self, placed: &Placed) {
        let spec = self
            .turn
            .programs
            .current
            .iter()
            .chain(self.turn.programs.revisions.values());
        let spec = spec.filter_map(|program| program.adapters.get(&placed.adapter)).next();
        let told = spec
            .and_then(|spec| spec.webhook.as_ref())
            .is_some_and(|webhook| webhook.end.is_some());
        let stays = |other: &Placed| other.touchpoint == placed.touchpoint && other.adapter == placed.adapter;
        if !told || self.placed.iter().any(stays) {
            return;
        }
        let row = OutboxRow {
            key: placed.key.of_end(),
            customer: self.key,
            enrollment: placed.enrollment,
            revision: placed.revision.clone(),
            step: placed.step.clone(),
            occurrence: placed.occurrence,
            touchpoint: placed.touchpoint.clone(),
            with: placed.with.clone(),
            requested_at: self.now,
            adapter: placed.adapter.clone(),
            over_at: None,
            attempts: 0,
            again: false,
            uncertain: false,
            ends: Some(Box::new(placed::Ending {
                message: placed.key,
                purpose: placed.purpose.clone(),
                adapter: placed.adapter.clone(),
                to: placed.to.clone(),
                content: placed.content.clone(),
            })),
            state: OutboxState::Held {
                due: self.now,
                why: "New".into(),
            },
        };
        self.outbox.insert(row.key, row.clone());
        self.tell_end(row);
    }

    /// Claims the telling of an end, where its lane has room.
    pub(super) fn tell_end(&mut self, row: OutboxRow) {
        let Some(ends) = row.ends.clone() else { return };
        let Some(adapter) = self.turn.adapters.open.get_mut(&ends.adapter) else {
            if self.now.saturating_sub(row.requested_at) > PATIENCE {
                return self.end_is_over(&row, Err("NotOpen"));
            }
            let _nobody_waits = self.hold(row, self.now + NOT_OPEN, "NotOpen");
            return;
        };
        if adapter.room == 0 {
            let _nobody_waits = self.hold(row, self.now + BUSY, "Busy");
            return;
        }
        adapter.room -= 1;
        let hold = self.turn.hold;
        let claim = claim_end(&hold.namespace, &hold.journey, &row, &ends, &self.customer, self.now);
        self.put_claim(row, claim);
    }

    /// What came of telling an end.
    pub(super) fn hear_end(&mut self, row: OutboxRow, fate: Fate) {
        match fate {
            Fate::Known(Outcome::Sent) | Fate::Answered(_) => self.end_is_over(&row, Ok(())),
            Fate::Known(Outcome::Failed(reason) | Outcome::Skipped(reason)) => self.end_is_over(&row, Err(&reason)),
            Fate::Retry { due, reason } => self.keep(OutboxRow {
                state: OutboxState::Held { due, why: reason },
                ..row
            }),
            Fate::Returned => self.unclaim(row),
        }
    }

    fn end_is_over(&mut self, row: &OutboxRow, came: Result<(), &str>) {
        self.leave_outbox(row.key);
        let touchpoint = row.touchpoint.clone();
        let count = match came {
            Ok(()) => Count::EndTold { touchpoint },
            Err(reason) => Count::EndFailed {
                touchpoint,
                reason: reason.to_owned(),
            },
        };
        self.trace(Some(row.enrollment), &count, None);
        self.count(count, self.now);
    }

    /// A message is about to go out of whose kind an end is still to be told: told later it would end the new one. One that waits is dropped; one
    /// under way is waited for. Gives when to ask again.
    pub(super) fn supersede_end(&mut self, row: &OutboxRow) -> Option<Micros> {
        let of_kind = |other: &&OutboxRow| other.ends.is_some() && other.touchpoint == row.touchpoint;
        let ends: Vec<OutboxRow> = self.outbox.values().filter(of_kind).cloned().collect();
        if ends.iter().any(|row| matches!(row.state, OutboxState::Claimed { .. })) {
            return Some(self.now + BUSY);
        }
        for row in ends {
            self.end_is_over(&row, Err("Renewed"));
        }
        None
    }

    /// TOUCHPOINT/ended, where the enrollment's revision listens for it.
    fn ended(&self, placed: &Placed, over: Over) -> Option<Event> {
        let enrollment = self.enrollments.iter().find(|each| each.ordinal == placed.enrollment)?;
        let program = self.turn.programs.revisions.get(&enrollment.revision)?;
        let name = format!("{}/ended", placed.touchpoint);
        let reason = [("reason".to_owned(), over.name().into())];
        program.listens.contains(&name).then(|| Event {
            id: format!("{}/ended", placed.key).into(),
            name,
            time: self.now,
            accepted_at: self.now,
            data: Personal::new(reason.into_iter().collect()),
            profile: self.customer.attributes.clone(),
            about: Some(About {
                journey: program.journey.clone(),
                enrollment: placed.enrollment,
                step: placed.step.clone(),
                occurrence: placed.occurrence,
            }),
            hops: enrollment.hops,
        })
    }

    /// An event that nobody accepted from outside.
    fn hear_of(&mut self, event: Event) {
        // It opens nothing: no enrollment has this ordinal.
        let input = Input::Event { sequence: 0, event };
        let mut inputs = VecDeque::new();
        self.apply_uncounted(&input, &mut inputs);
        for input in inputs {
            self.apply(input);
        }
    }
}
