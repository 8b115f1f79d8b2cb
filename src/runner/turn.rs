//! The pure heart of a round: what the store read, in; what it shall write and what may be handed over, out. No I/O, no clock.
//!
//! For each customer: claims of dead runners and outcomes of messages first, then due waits and events in the order of acceptance (a wait due at or before an event's
//! acceptance goes first), then messages whose time has come. Every message passes [`policy::decide`] here, in the transaction that claims it.

pub use super::claim::Claim;
use super::{claim::claim, dispatch::retries_unknown};
use crate::{
    clock::{Micros, SECOND},
    engine::{
        self,
        program::{Outbound, Program, Programs, StepAction},
        state::{About, Action, Customer, Enrollment, Input, Outcome},
    },
    keys::{CustomerKey, Keys, MessageKey},
    kpi::{Count, Counts},
    personal::Personal,
    policy::{self, Contact, Facts, HoldReason, SkipReason, Verdict},
    store::{CustomerTurn, EnrollmentRow, Fate, Hold, MessageRow, OutboxRow, OutboxState, Round, RoundCommit},
};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A message whose adapter is busy, or not to be opened, asks again after this.
const BUSY: Micros = SECOND / 5;
const NOT_OPEN: Micros = 5 * SECOND;
/// `why` of a message that may have been accepted and is tried again: its own contact is already counted.
pub const UNKNOWN: &str = "Unknown";

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    #[error("the content cannot be rendered")]
    Render,
}

/// What the process knows of its adapters when the round begins.
#[derive(Debug, Clone, Default)]
pub struct Adapters {
    pub open: BTreeMap<String, Adapter>,
}

#[derive(Debug, Clone, Copy)]
pub struct Adapter {
    pub needs_address: bool,
    /// Whether a message whose fate is unknown is tried again (unknownOutcome).
    pub retries_unknown: bool,
    /// Messages that its lane takes now.
    pub room: usize,
}

/// What a round runs by.
pub struct Turn<'a> {
    pub programs: &'a Programs,
    pub keys: &'a Keys,
    pub hold: &'a Hold,
    pub adapters: Adapters,
    /// Messages that this process has claimed and not yet heard of.
    pub in_flight: &'a BTreeSet<MessageKey>,
    /// Whether claims are rendered; only a simulation that hands nothing over goes without.
    pub render: bool,
    /// Whether [`Done::trace`] tells the round's way.
    pub trace: bool,
}

/// What a round gives.
#[derive(Debug, Default)]
pub struct Done {
    pub commit: RoundCommit,
    /// To be handed over once `commit` is committed, and only then.
    pub claims: Vec<Claim>,
    /// All that was counted, in its order and with whose it was: for simulations that show a customer's way.
    pub trace: Vec<Traced>,
}

/// Something that a round counted.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    pub customer: CustomerKey,
    /// Where it is known: of arrivals and of messages.
    pub enrollment: Option<i64>,
    pub count: Count,
    /// Of [`Count::Event`] the event's name.
    pub event: Option<String>,
}

impl Turn<'_> {
    pub fn take(&mut self, round: Round) -> Done {
        let mut done = Done::default();
        for customer in round.customers {
            Walk::new(self, customer, round.now, &mut done).walk();
        }
        done
    }

    fn epoch(&self, customer: CustomerKey) -> i64 {
        self.hold
            .shards
            .iter()
            .find(|lease| lease.shard == customer.shard())
            .map_or(0, |lease| lease.epoch)
    }
}

/// One customer's way through a round.
struct Walk<'a, 't> {
    turn: &'a mut Turn<'t>,
    done: &'a mut Done,
    now: Micros,
    key: CustomerKey,
    customer: Customer,
    attributes_changed: bool,
    consents: BTreeMap<String, policy::Consent>,
    contacts: Vec<Contact>,
    enrollments: Vec<Enrollment>,
    before: Vec<Enrollment>,
    outbox: BTreeMap<MessageKey, OutboxRow>,
    given: CustomerTurnRest,
    zone: Option<TimeZone>,
}

struct CustomerTurnRest {
    inbox: VecDeque<(i64, engine::Event)>,
    outcomes: Vec<crate::store::Handed>,
}

impl<'a, 't> Walk<'a, 't> {
    fn new(turn: &'a mut Turn<'t>, given: CustomerTurn, now: Micros, done: &'a mut Done) -> Self {
        let CustomerTurn {
            customer,
            contacts,
            enrollments,
            inbox,
            outbox,
            outcomes,
        } = given;
        let key = customer.key;
        let mut walk = Self {
            turn,
            done,
            now,
            key,
            customer: Customer {
                id: customer.id,
                attributes: customer.attributes,
            },
            attributes_changed: false,
            consents: customer.consents,
            contacts,
            before: enrollments.clone(),
            enrollments,
            outbox: outbox.into_iter().map(|row| (row.key, row)).collect(),
            given: CustomerTurnRest {
                inbox: inbox.into(),
                outcomes,
            },
            zone: None,
        };
        walk.see_zone();
        walk
    }

    fn walk(mut self) {
        // Before anything is claimed in this round: what is claimed now is no orphan.
        self.adopt_orphans();
        for handed in std::mem::take(&mut self.given.outcomes) {
            self.hear(handed.key, handed.fate);
        }
        // A customer's next event asks every message that quiet holds back once more.
        let stirred = !self.given.inbox.is_empty();
        while let Some((sequence, event)) = self.given.inbox.pop_front() {
            self.due_by(event.accepted_at);
            self.done.commit.consumed.push(sequence);
            self.apply(Input::Event { sequence, event });
        }
        self.due_by(self.now);
        self.ask_again(stirred);
        self.close();
    }

    /// What became of a message that this process handed over.
    fn hear(&mut self, key: MessageKey, fate: Fate) {
        // Heard before: the round that heard it committed, and the answer to the commit was lost.
        let Some(row) = self.outbox.get(&key).cloned() else {
            return;
        };
        match fate {
            Fate::Known(outcome) => {
                let outcome = certain(&row, outcome);
                if matches!(&outcome, Outcome::Failed(reason) if reason != OUTCOME_UNKNOWN) {
                    self.refund(&row);
                }
                self.settle(&row, outcome);
            }
            Fate::Retry { due, reason } => {
                let uncertain = row.uncertain || reason == UNKNOWN;
                if !uncertain {
                    self.refund(&row);
                }
                self.keep(OutboxRow {
                    uncertain,
                    state: OutboxState::Held { due, why: reason },
                    ..row
                });
            }
            Fate::Returned => self.unclaim(row),
        }
    }

    /// The claim is taken back, nothing was handed over: the message is asked about once more in this round.
    fn unclaim(&mut self, row: OutboxRow) {
        if !row.uncertain {
            self.refund(&row);
        }
        self.keep(OutboxRow {
            attempts: row.attempts.saturating_sub(1),
            state: OutboxState::Held {
                due: self.now,
                why: "Returned".into(),
            },
            ..row
        });
    }

    /// Claims of an owner that died, and claims of ours whose commit was answered by an error although it was made.
    fn adopt_orphans(&mut self) {
        let epoch = self.turn.epoch(self.key);
        for row in self.outbox.values().cloned().collect::<Vec<_>>() {
            let OutboxState::Claimed { epoch: claimed, at } = row.state else {
                continue;
            };
            let ours = self.turn.in_flight.contains(&row.key);
            if claimed == epoch {
                if !ours {
                    self.unclaim(row);
                }
                continue;
            }
            if ours {
                // The leases were lost and taken again, while the store was away: what becomes of the message is still heard here.
                self.keep(OutboxRow {
                    state: OutboxState::Claimed { epoch, at },
                    ..row
                });
            } else if self.retries_unknown(&row) {
                self.keep(OutboxRow {
                    uncertain: true,
                    state: OutboxState::Held {
                        due: self.now,
                        why: UNKNOWN.into(),
                    },
                    ..row
                });
            } else {
                self.settle(&row, Outcome::Failed(OUTCOME_UNKNOWN.into()));
            }
        }
    }

    fn retries_unknown(&self, row: &OutboxRow) -> bool {
        let Some((program, outbound)) = self.outbound(row) else {
            return false;
        };
        match self.turn.adapters.open.get(&outbound.adapter) {
            Some(adapter) => adapter.retries_unknown,
            // Its channel cannot be opened at present (a Secret is missing): what was declared for it holds all the same.
            None => program
                .adapters
                .get(&outbound.adapter)
                .is_some_and(|spec| retries_unknown(spec, spec.webhook.is_some())),
        }
    }

    /// Waits that end by `at`, the earliest first.
    fn due_by(&mut self, at: Micros) {
        if self.suspended() {
            return;
        }
        // Bounded: each turn ends a wait, and a wait begun now ends after now.
        for _ in 0..1000 {
            let due = self
                .enrollments
                .iter()
                // One whose revision does not compile any more stays where it is, and holds no other up.
                .filter(|e| self.turn.programs.revisions.contains_key(&e.revision))
                .filter_map(|e| e.due_at().map(|due| (due, e.ordinal)))
                .filter(|(due, _)| *due <= at.min(self.now))
                .min();
            let Some((_, enrollment)) = due else { return };
            self.apply(Input::Due { enrollment });
        }
    }

    /// Applies an input and all that follows from it.
    fn apply(&mut self, first: Input) {
        let mut inputs = VecDeque::from([first]);
        while let Some(input) = inputs.pop_front() {
            // What became of a message is a signal too, seen before its step is left: exits and goals take it, the next wait gets it.
            if let Some(news) = self.news(&input) {
                let turn = engine::apply(
                    self.turn.programs,
                    &mut self.enrollments,
                    &news,
                    &self.customer,
                    self.now,
                );
                // It was not accepted from outside: the books of events know nothing of it.
                self.act(turn.actions, &mut inputs);
            }
            let turn = engine::apply(
                self.turn.programs,
                &mut self.enrollments,
                &input,
                &self.customer,
                self.now,
            );
            if let Some(disposition) = turn.disposition {
                let event = match &input {
                    Input::Event { event, .. } => Some(event.name.as_str()),
                    Input::Due { .. } | Input::Outcome { .. } => None,
                };
                self.trace(None, &Count::Event(disposition), event);
                self.count(Count::Event(disposition), self.now);
            }
            self.act(turn.actions, &mut inputs);
        }
    }

    fn act(&mut self, actions: Vec<Action>, inputs: &mut VecDeque<Input>) {
        for action in actions {
            match action {
                Action::Send {
                    enrollment,
                    step,
                    occurrence,
                    touchpoint,
                    with,
                } => {
                    inputs.extend(self.request(enrollment, step, occurrence, touchpoint, with));
                }
                Action::Withdraw { enrollment } => self.withdraw(enrollment),
                Action::Set(attributes) => self.set(attributes),
                Action::Arrived { enrollment, step } => {
                    let count = Count::Step(step);
                    self.trace(Some(enrollment), &count, None);
                    self.count(count, self.now);
                }
                Action::Count { count, n, at } => {
                    self.trace(None, &count, None);
                    self.done.commit.counts.add(count.name(), at, n);
                }
            }
        }
    }

    /// TOUCHPOINT/sent, /skipped or /failed, where the revision of the enrollment listens for it.
    fn news(&self, input: &Input) -> Option<Input> {
        let Input::Outcome {
            enrollment,
            step,
            occurrence,
            outcome,
        } = input
        else {
            return None;
        };
        let ordinal = *enrollment;
        let enrollment = self.enrollments.iter().find(|e| e.ordinal == ordinal)?;
        let program = self.turn.programs.revisions.get(&enrollment.revision)?;
        let StepAction::Send { touchpoint, .. } = &program.step(step)?.action else {
            return None;
        };
        let (what, reason) = match outcome {
            Outcome::Sent => ("sent", None),
            Outcome::Skipped(reason) => ("skipped", Some(reason)),
            Outcome::Failed(reason) => ("failed", Some(reason)),
        };
        let name = format!("{touchpoint}/{what}");
        if !program.listens.contains(&name) {
            return None;
        }
        let key = MessageKey::of(
            &program.namespace,
            &program.journey,
            self.key,
            ordinal,
            step,
            *occurrence,
        );
        let about = About {
            journey: program.journey.clone(),
            enrollment: ordinal,
            step: step.clone(),
            occurrence: *occurrence,
        };
        let event = engine::Event {
            name,
            id: format!("{key}/{what}").into(),
            time: self.now,
            accepted_at: self.now,
            data: Personal::new(
                reason
                    .map(|reason| ("reason".to_owned(), reason.clone().into()))
                    .into_iter()
                    .collect(),
            ),
            profile: self.customer.attributes.clone(),
            about: Some(about),
        };
        // It opens nothing: no enrollment has this ordinal.
        Some(Input::Event { sequence: 0, event })
    }

    /// A step asks for a message: the policy is asked at once. Gives the outcome when it is known already.
    fn request(
        &mut self,
        enrollment: i64,
        step: String,
        occurrence: u32,
        touchpoint: String,
        with: Personal<engine::state::Properties>,
    ) -> Option<Input> {
        let revision = self
            .enrollments
            .iter()
            .find(|e| e.ordinal == enrollment)?
            .revision
            .clone();
        let program = self.turn.programs.revisions.get(&revision)?;
        let key = MessageKey::of(
            &program.namespace,
            &program.journey,
            self.key,
            enrollment,
            &step,
            occurrence,
        );
        let row = OutboxRow {
            key,
            customer: self.key,
            enrollment,
            revision,
            step,
            occurrence,
            touchpoint,
            with,
            requested_at: self.now,
            attempts: 0,
            uncertain: false,
            state: OutboxState::Held {
                due: self.now,
                why: "New".into(),
            },
        };
        self.outbox.insert(key, row.clone());
        self.ask(row)
    }

    /// Asks the policy, in this transaction. Gives the outcome as the engine's next input when the message is over.
    fn ask(&mut self, row: OutboxRow) -> Option<Input> {
        let Some((program, outbound)) = self.outbound(&row) else {
            // Its revision does not compile any more, or the journey has no program: the message waits for one.
            return self.hold(row, self.now + NOT_OPEN, "NoProgram");
        };
        let (program, outbound_name) = (program.clone(), outbound.touchpoint.clone());
        let outbound = &program.outbound[&outbound_name];
        let Some(adapter) = self.turn.adapters.open.get(&outbound.adapter).copied() else {
            return self.hold(row, self.now + NOT_OPEN, "NotOpen");
        };
        // An enrollment that ended while the message was with the channel needs it no more.
        let asks = |e: &&Enrollment| e.ordinal == row.enrollment && e.is_active();
        let Some(enrollment) = self.enrollments.iter().find(asks) else {
            return self.over(&row, Outcome::Skipped(SkipReason::Withdrawn.name().into()));
        };
        let to = engine::address(&program, outbound, enrollment, &self.customer, self.now);
        if row.uncertain {
            self.forget_contact(&row);
        }
        let (holding, faults) = engine::holding(&program, &self.customer, self.now);
        (0..faults).for_each(|_| self.count(Count::Fault, self.now));
        let facts = Facts {
            consents: &self.consents,
            contacts: &self.contacts,
            zone: self.zone.as_ref(),
            holding: &holding,
            suspended: self.suspended(),
            has_address: to.is_some() || !adapter.needs_address,
        };
        let message = policy::Message {
            purpose: &outbound.purpose,
            channel: &outbound.channel,
            expires_at: outbound.time_to_live.map(|ttl| row.requested_at.saturating_add(ttl)),
        };
        match policy::decide(&program.policy, &facts, &message, self.now) {
            Verdict::Skip(reason) => self.over(&row, Outcome::Skipped(reason.name().into())),
            Verdict::Hold { until, why } => self.hold(row, until.max(self.now + BUSY), why.name()),
            Verdict::Send if adapter.room == 0 => self.hold(row, self.now + BUSY, "Busy"),
            Verdict::Send => match claim(
                self.turn.render.then_some(self.turn.keys),
                &program,
                outbound,
                &row,
                &self.customer,
                to,
                self.now,
            ) {
                Ok(claim) => {
                    self.take(row, outbound, claim);
                    None
                }
                Err(TurnError::Render) => self.over(&row, Outcome::Failed("RenderFailed".into())),
            },
        }
    }

    fn take(&mut self, row: OutboxRow, outbound: &Outbound, claim: Claim) {
        if let Some(adapter) = self.turn.adapters.open.get_mut(&outbound.adapter) {
            adapter.room -= 1;
        }
        let contact = Contact {
            purpose: outbound.purpose.clone(),
            channel: outbound.channel.clone(),
            at: self.now,
        };
        self.contacts.push(contact.clone());
        self.done.commit.contacts_gone.retain(|(_, key)| *key != row.key);
        self.done.commit.contacts.push((self.key, row.key, contact));
        self.done.commit.messages.push(self.message(&row, Some(outbound), None));
        let epoch = self.turn.epoch(self.key);
        self.keep(OutboxRow {
            attempts: claim.attempt,
            state: OutboxState::Claimed { epoch, at: self.now },
            ..row
        });
        self.done.claims.push(claim);
    }

    fn hold(&mut self, row: OutboxRow, due: Micros, why: &str) -> Option<Input> {
        self.keep(OutboxRow {
            state: OutboxState::Held {
                due,
                why: why.to_owned(),
            },
            ..row
        });
        None
    }

    /// The message is over before it was handed over.
    fn over(&mut self, row: &OutboxRow, outcome: Outcome) -> Option<Input> {
        let outcome = certain(row, outcome);
        self.book(row, outcome.clone());
        Some(Input::Outcome {
            enrollment: row.enrollment,
            step: row.step.clone(),
            occurrence: row.occurrence,
            outcome,
        })
    }

    /// The message is over, and its enrollment hears of it.
    fn settle(&mut self, row: &OutboxRow, outcome: Outcome) {
        self.book(row, outcome.clone());
        self.apply(Input::Outcome {
            enrollment: row.enrollment,
            step: row.step.clone(),
            occurrence: row.occurrence,
            outcome,
        });
    }

    /// Writes a message's end into the books: one outcome, counted once.
    fn book(&mut self, row: &OutboxRow, outcome: Outcome) {
        self.outbox.remove(&row.key);
        self.done.commit.outbox.retain(|kept| kept.key != row.key);
        self.done.commit.outbox_gone.push((self.key, row.key));
        let touchpoint = row.touchpoint.clone();
        let count = match &outcome {
            Outcome::Sent => Count::Sent { touchpoint },
            Outcome::Skipped(reason) => Count::Skipped {
                touchpoint,
                reason: reason.clone(),
            },
            Outcome::Failed(reason) => Count::Failed {
                touchpoint,
                reason: reason.clone(),
            },
        };
        self.trace(Some(row.enrollment), &count, None);
        self.count(count, self.now);
        let outbound = self
            .outbound(row)
            .map(|(program, outbound)| (program.clone(), outbound.touchpoint.clone()));
        let message = match &outbound {
            Some((program, name)) => self.message(row, program.outbound.get(name), Some(outcome)),
            None => self.message(row, None, Some(outcome)),
        };
        self.done.commit.messages.retain(|written| written.key != row.key);
        self.done.commit.messages.push(message);
    }

    /// Whatever of this enrollment has not been handed over is not sent any more.
    fn withdraw(&mut self, enrollment: i64) {
        let waiting = self
            .outbox
            .values()
            .filter(|row| row.enrollment == enrollment && matches!(row.state, OutboxState::Held { .. }));
        for row in waiting.cloned().collect::<Vec<_>>() {
            // The enrollment has ended: it needs not hear of it.
            let _ended = self.over(&row, Outcome::Skipped(SkipReason::Withdrawn.name().into()));
        }
    }

    fn set(&mut self, changes: Personal<engine::state::Properties>) {
        for (name, value) in changes.into_inner() {
            if value.is_null() {
                self.customer.attributes.expose_mut().remove(&name);
            } else {
                self.customer.attributes.expose_mut().insert(name, value);
            }
        }
        self.attributes_changed = true;
        self.see_zone();
    }

    /// Messages whose time has come, and after an event those that quiet holds back.
    fn ask_again(&mut self, stirred: bool) {
        let asks = |row: &&OutboxRow| match &row.state {
            OutboxState::Held { due, why } => *due <= self.now || (stirred && HoldReason::is_quiet(why)),
            OutboxState::Claimed { .. } => false,
        };
        for row in self.outbox.values().filter(asks).cloned().collect::<Vec<_>>() {
            // Its enrollment may have ended meanwhile, and the message been withdrawn.
            if self.outbox.contains_key(&row.key)
                && let Some(input) = self.ask(row)
            {
                self.apply(input);
            }
        }
    }

    /// Gives what changed to the commit.
    fn close(self) {
        for enrollment in &self.enrollments {
            if self.before.iter().any(|before| before == enrollment) {
                continue;
            }
            let program = self.turn.programs.revisions.get(&enrollment.revision);
            let watch_until = program.map_or(Micros::MAX, |program| engine::watch_until(program, enrollment));
            self.done.commit.enrollments.push(EnrollmentRow {
                customer: self.key,
                enrollment: enrollment.clone(),
                watch_until,
            });
        }
        if self.attributes_changed {
            self.done
                .commit
                .attributes
                .push((self.key, self.customer.attributes.clone()));
        }
    }

    fn keep(&mut self, row: OutboxRow) {
        self.done.commit.outbox.retain(|kept| kept.key != row.key);
        self.done.commit.outbox.push(row.clone());
        self.outbox.insert(row.key, row);
    }

    /// Nobody was reached: the message's contact does not count.
    fn refund(&mut self, row: &OutboxRow) {
        self.forget_contact(row);
        self.done.commit.contacts_gone.push((self.key, row.key));
    }

    /// Takes one contact of this message's kind out of what caps see: it is its own.
    fn forget_contact(&mut self, row: &OutboxRow) {
        let Some((program, outbound)) = self.outbound(row) else {
            return;
        };
        let (purpose, channel) = (
            &program.outbound[&outbound.touchpoint].purpose,
            &program.outbound[&outbound.touchpoint].channel,
        );
        let own = self
            .contacts
            .iter()
            .rposition(|contact| contact.purpose == *purpose && contact.channel == *channel);
        if let Some(own) = own {
            self.contacts.remove(own);
        }
    }

    fn outbound(&self, row: &OutboxRow) -> Option<(&std::sync::Arc<Program>, &Outbound)> {
        let program = self.turn.programs.revisions.get(&row.revision)?;
        Some((program, program.outbound.get(&row.touchpoint)?))
    }

    fn message(&self, row: &OutboxRow, outbound: Option<&Outbound>, outcome: Option<Outcome>) -> MessageRow {
        let journey = self.turn.hold.journey.clone();
        MessageRow {
            key: row.key,
            journey,
            customer: self.key,
            enrollment: row.enrollment,
            step: row.step.clone(),
            occurrence: row.occurrence,
            touchpoint: row.touchpoint.clone(),
            purpose: outbound.map(|outbound| outbound.purpose.clone()).unwrap_or_default(),
            channel: outbound.map(|outbound| outbound.channel.clone()).unwrap_or_default(),
            at: self.now,
            outcome,
        }
    }

    fn suspended(&self) -> bool {
        self.turn
            .programs
            .current
            .as_ref()
            .is_none_or(|program| program.suspended)
    }

    fn see_zone(&mut self) {
        self.zone = self
            .turn
            .programs
            .current
            .as_ref()
            .and_then(|program| engine::zone_of(&program.profile, &self.customer));
    }

    fn trace(&mut self, enrollment: Option<i64>, count: &Count, event: Option<&str>) {
        if self.turn.trace {
            self.done.trace.push(Traced {
                customer: self.key,
                enrollment,
                count: count.clone(),
                event: event.map(str::to_owned),
            });
        }
    }

    fn count(&mut self, count: Count, at: Micros) {
        let counts: &mut Counts = &mut self.done.commit.counts;
        counts.add(count.name(), at, 1);
    }
}

/// Reason of a message whose fate cannot be known and is not tried again.
pub const OUTCOME_UNKNOWN: &str = "OutcomeUnknown";

/// What may be said of a message: one that may have been accepted before is not skipped or failed for certain.
fn certain(row: &OutboxRow, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Skipped(_) | Outcome::Failed(_) if row.uncertain => Outcome::Failed(OUTCOME_UNKNOWN.into()),
        Outcome::Sent | Outcome::Skipped(_) | Outcome::Failed(_) => outcome,
    }
}
