//! What becomes of somebody whose turn panics: a defect of ours in what runs for everybody (the engine, an expression, a template, the policy)
//! must not stop the round of two hundred others, nor come again with every round.
//!
//! The turn is pure: the same rows panic again, so nothing is tried twice. Nets are spread as near as may be: where a message is decided and
//! rendered (it fails as Panicked, and its enrollment goes on), where an input is applied (an event goes to the quarantine; what cannot be left
//! out, a wait's end or an outcome, ends its enrollment as Failed), and around the whole turn of a customer, of whom all that was to be done now
//! is then put aside.

use super::turn::{Done, Turn, Walk};
use crate::{
    clock::{HOUR, Micros},
    engine::{
        self,
        state::{Disposition, Ending, Enrollment, Ignored, Input, MERGED, Outcome, Standing},
    },
    kpi::Count,
    panics::{self, Panicked},
    store::{
        Aside, AsideReason, CustomerTurn, EndedRow, EnrollmentRow, Fate, MessageRow, OUTCOME_UNKNOWN, OutboxRow,
        OutboxState, Placed, Sighting,
    },
};
use std::collections::BTreeSet;

/// Reason of a message whose turn panicked.
pub const PANICKED: &str = "Panicked";
/// What panicked by the clock alone is looked at again after this.
const AGAIN: Micros = HOUR;
const IGNORED: Disposition = Disposition::Ignored(Ignored::Panicked);

/// Runs `work` in a net, where the turn has nets.
pub(super) fn net<T>(spread: bool, work: impl FnOnce() -> T) -> Result<T, Panicked> {
    if spread { panics::caught(work) } else { Ok(work()) }
}

/// One customer's turn, whatever comes.
pub(super) fn walk(turn: &mut Turn<'_>, given: CustomerTurn, now: Micros) -> Done {
    if !turn.nets {
        return walk_on(turn, given, now);
    }
    let kept = given.clone();
    // Places in lanes that the turn had taken are free again in the next round.
    panics::caught(|| walk_on(turn, given, now)).unwrap_or_else(|fell| put_all_aside(turn, kept, now, &fell))
}

fn walk_on(turn: &mut Turn<'_>, given: CustomerTurn, now: Micros) -> Done {
    let mut done = Done::default();
    Walk::new(turn, given, now, &mut done).walk();
    done
}

impl Walk<'_, '_> {
    /// What is caught of the engine leaves the enrollments as they were.
    pub(super) fn in_engine(&mut self, input: &Input) -> Result<engine::state::Turn, Panicked> {
        // Before the first one they are as the turn was given them.
        let safe = self.moved.then(|| self.enrollments.clone());
        self.moved = true;
        let applied = net(self.turn.nets, || {
            engine::apply(
                self.turn.programs,
                &mut self.enrollments,
                input,
                &self.customer,
                self.now,
            )
        });
        applied.inspect_err(|_| self.enrollments = safe.unwrap_or_else(|| self.before.clone()))
    }

    /// The engine panicked over it.
    pub(super) fn put_input_aside(&mut self, input: Input, fell: &Panicked) {
        let count = match input {
            Input::Event { sequence: _, event } => {
                let name = event.name.clone();
                let aside = Aside::Event {
                    customer: self.key,
                    event,
                };
                let detail = format!("event {name} panicked at {}", fell.place);
                quarantine(self.done, self.turn, aside, detail, self.now);
                let count = Count::Event(IGNORED);
                self.trace(None, &count, Some(&name));
                return self.count(count, self.now);
            }
            Input::Look { look, .. } => {
                if self.sighting.look_at.is_some_and(|at| at <= self.now) {
                    self.sighting.look_at = Some(self.now.saturating_add(AGAIN));
                }
                let told = look.changed;
                if told {
                    Count::Changed(IGNORED)
                } else {
                    Count::Noticed(IGNORED)
                }
            }
            Input::News { .. } => Count::News(IGNORED),
            Input::Admit { enrollment } => {
                self.enrollments.retain(|each| each.ordinal != enrollment);
                Count::Admitted(IGNORED)
            }
            Input::Due { enrollment } | Input::Outcome { enrollment, .. } => return self.fail(enrollment, fell),
            // Two enrollments stay where one could.
            Input::Merged => return,
        };
        self.trace(None, &count, None);
        self.count(count, self.now);
    }

    /// Ends an enrollment that cannot be moved any more.
    fn fail(&mut self, ordinal: i64, fell: &Panicked) {
        let now = self.now;
        let found = self.enrollments.iter_mut().find(|each| each.ordinal == ordinal);
        let Some(enrollment) = found.filter(|each| each.is_active()) else {
            return;
        };
        let before = enrollment.clone();
        end(enrollment, now);
        let detail = format!("an enrollment at {} panicked at {}", stands_at(&before), fell.place);
        let aside = Aside::Enrollment {
            customer: self.key,
            enrollment: before,
        };
        quarantine(self.done, self.turn, aside, detail, now);
        self.count(Count::Ended(Ending::Failed), now);
        self.withdraw(ordinal);
    }
}

/// What a panic puts aside.
fn quarantine(done: &mut Done, turn: &Turn<'_>, aside: Aside, detail: String, now: Micros) {
    let row = aside.of_journey(&turn.hold.journey, AsideReason::Panicked, detail, now);
    done.commit.quarantined.push(row);
}

fn end(enrollment: &mut Enrollment, now: Micros) {
    enrollment.standing = Standing::Ended {
        outcome: Ending::Failed,
        at: now,
    };
    enrollment.kept.clear();
    enrollment.matches = Default::default();
    enrollment.look_at = None;
}

fn stands_at(enrollment: &Enrollment) -> String {
    match &enrollment.standing {
        Standing::Waiting { step, .. } | Standing::Sending { step, .. } => format!("step {step}"),
        Standing::Paced { .. } => "the door".to_owned(),
        Standing::Ended { .. } => "its end".to_owned(),
    }
}

/// The turn panicked outside of the finer nets. Whatever of the customer was to be done now is put aside, by as little code as may be; what
/// waits for a later time stays as it is.
fn put_all_aside(turn: &Turn<'_>, given: CustomerTurn, now: Micros, fell: &Panicked) -> Done {
    let CustomerTurn {
        customer,
        contacts: _,
        enrollments,
        inbox,
        outbox,
        outcomes,
        placed,
        admit,
        sighting,
        swept: _,
        look: _,
        news,
    } = given;
    let mut blunt = Blunt {
        turn,
        now,
        fell,
        customer: customer.key,
        done: Done::default(),
    };
    for (sequence, event) in inbox {
        blunt.done.commit.consumed.push(sequence);
        if event.name == engine::CHANGED {
            blunt.count(Count::Changed(IGNORED));
        } else if event.name != MERGED {
            let detail = format!("a turn with event {} panicked at {}", event.name, fell.place);
            let customer = customer.key;
            quarantine(&mut blunt.done, turn, Aside::Event { customer, event }, detail, now);
            blunt.count(Count::Event(IGNORED));
        }
    }
    if news.is_some() {
        blunt.count(Count::News(IGNORED));
    }
    for ordinal in admit {
        blunt.done.commit.enrollments_gone.push((customer.key, ordinal));
        blunt.count(Count::Admitted(IGNORED));
    }
    if sighting.look_at.is_some_and(|at| at <= now) {
        let look_at = Some(now.saturating_add(AGAIN));
        let later = Sighting { look_at, ..sighting };
        blunt.done.commit.sightings.push((customer.key, later));
    }
    let mut concerned: BTreeSet<i64> = BTreeSet::new();
    for row in outbox {
        let fate = outcomes.iter().find(|handed| handed.key == row.key);
        let fate = fate.map(|handed| &handed.fate);
        let enrollment = row.enrollment;
        if blunt.message(row, fate) {
            concerned.insert(enrollment);
        }
    }
    for row in placed.into_iter().filter(|row| row.due_at <= now) {
        let due_at = now.saturating_add(AGAIN);
        blunt.done.commit.placed.push(Placed { due_at, ..row });
    }
    let due = |each: &Enrollment| each.due_at().is_some_and(|due| due <= now);
    for enrollment in enrollments {
        let moves = due(&enrollment) || concerned.contains(&enrollment.ordinal);
        if moves && enrollment.is_active() && !enrollment.is_paced() {
            blunt.fail(enrollment);
        } else if due(&enrollment) {
            // It has ended, and is looked at for nothing any more.
            let look_at = None;
            blunt.write(Enrollment { look_at, ..enrollment });
        }
    }
    blunt.done
}

struct Blunt<'a, 't> {
    turn: &'a Turn<'t>,
    now: Micros,
    fell: &'a Panicked,
    customer: crate::keys::CustomerKey,
    done: Done,
}

impl Blunt<'_, '_> {
    /// Gives whether the message is over, so that its enrollment would have to hear of it.
    fn message(&mut self, row: OutboxRow, fate: Option<&Fate>) -> bool {
        let outcome = match (&row.state, fate) {
            (_, Some(Fate::Known(outcome))) => outcome.clone(),
            (_, Some(Fate::Answered(_))) => Outcome::Sent,
            (_, Some(Fate::Retry { .. } | Fate::Returned)) => failed(&row),
            (OutboxState::Held { due, .. }, None) if *due <= self.now => failed(&row),
            (OutboxState::Held { .. }, None) => return false,
            (OutboxState::Claimed { epoch, .. }, None) => {
                if *epoch == self.turn.epoch(self.customer) || self.turn.in_flight.contains(&row.key) {
                    return false;
                }
                Outcome::Failed(OUTCOME_UNKNOWN.to_owned())
            }
        };
        self.done.commit.outbox_gone.push((self.customer, row.key));
        let touchpoint = row.touchpoint.clone();
        if row.ends.is_some() {
            self.count(match outcome {
                Outcome::Sent => Count::EndTold { touchpoint },
                Outcome::Skipped(reason) | Outcome::Failed(reason) => Count::EndFailed { touchpoint, reason },
            });
            return false;
        }
        self.count(match outcome.clone() {
            Outcome::Sent => Count::Sent { touchpoint },
            Outcome::Skipped(reason) => Count::Skipped { touchpoint, reason },
            Outcome::Failed(reason) => Count::Failed { touchpoint, reason },
        });
        if let Outcome::Failed(_) = outcome {
            self.done.commit.failed.push(row.clone());
        }
        let program = self.turn.programs.revisions.get(&row.revision);
        let outbound = program.and_then(|program| program.outbound.get(&row.touchpoint));
        self.done.commit.messages.push(MessageRow {
            key: row.key,
            journey: self.turn.hold.journey.clone(),
            customer: self.customer,
            enrollment: row.enrollment,
            step: row.step,
            occurrence: row.occurrence,
            touchpoint: row.touchpoint,
            purpose: outbound.map(|outbound| outbound.purpose.clone()).unwrap_or_default(),
            channel: outbound.map(|outbound| outbound.channel.clone()).unwrap_or_default(),
            at: self.now,
            address: None,
            outcome: Some(outcome),
        });
        true
    }

    fn fail(&mut self, enrollment: Enrollment) {
        let detail = format!(
            "a turn with an enrollment at {} panicked at {}",
            stands_at(&enrollment),
            self.fell.place
        );
        let mut ended = enrollment.clone();
        end(&mut ended, self.now);
        self.done.commit.ended.push(EndedRow {
            customer: self.customer,
            enrollment: ended.ordinal,
            outcome: Ending::Failed,
            hops: ended.hops.saturating_add(1),
        });
        self.write(ended);
        self.count(Count::Ended(Ending::Failed));
        let customer = self.customer;
        let aside = Aside::Enrollment { customer, enrollment };
        quarantine(&mut self.done, self.turn, aside, detail, self.now);
    }

    fn write(&mut self, enrollment: Enrollment) {
        let program = self.turn.programs.revisions.get(&enrollment.revision);
        let watch_until = program.map_or(Micros::MAX, |program| engine::watch_until(program, &enrollment));
        self.done.commit.enrollments.push(EnrollmentRow {
            customer: self.customer,
            enrollment,
            watch_until,
        });
    }

    fn count(&mut self, count: Count) {
        self.done.commit.counts.add(count.name(), self.now, 1);
    }
}

/// What may have been accepted before is not known to have failed.
fn failed(row: &OutboxRow) -> Outcome {
    Outcome::Failed(if row.uncertain { OUTCOME_UNKNOWN } else { PANICKED }.to_owned())
}

#[cfg(test)]
mod tests;
