//! The pure heart of a round: what the store read, in; what it shall write and what may be handed over, out. No I/O, no clock.
//!
//! For each customer: claims of dead runners and outcomes of messages first, then due waits and events in the order of acceptance (a wait due at or before an event's
//! acceptance goes first), then messages whose time has come. What becomes of a message within the round is in `ask`: every one passes the
//! policy there, in the transaction that claims it.

pub use super::claim::Claim;
use super::{
    ask::{RESPONSE_INVALID, UNKNOWN, certain},
    dispatch::retries_unknown,
    poison,
};
use crate::{
    clock::Micros,
    engine::{
        self,
        program::Programs,
        state::{
            About, Action, Customer, Disposition, Ending, Enrollment, Ignored, Input, Look, MERGED, Outcome, Standing,
        },
    },
    keys::{AddressKey, CustomerKey, Keys, MessageKey},
    kpi::{Count, Counts},
    personal::Personal,
    policy::{self, Contact},
    store::{
        CustomerTurn, EndedRow, EnrollmentRow, Fate, Hold, OUTCOME_UNKNOWN, OutboxRow, OutboxState, Placed, Round,
        RoundCommit, Sighting,
    },
};
use jiff::tz::TimeZone;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    #[error("the content cannot be rendered")]
    Render,
    #[error("making the message panicked")]
    Panicked,
}

/// The sweep that looks at every customer once, for the triggers that have no event.
pub const FIRST_SIGHT: &str = "first-sight";

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
    /// What the round has looked for on the suppression list.
    pub suppressed: BTreeMap<AddressKey, Option<policy::Suppression>>,
    /// Whether claims are rendered; only a simulation that hands nothing over goes without.
    pub render: bool,
    /// Whether [`Done::trace`] tells the round's way.
    pub trace: bool,
    /// Whether a panic is caught and puts aside what caused it. A simulation goes without, so that a defect is seen.
    pub nets: bool,
}

/// What a round gives.
#[derive(Debug, Default)]
pub struct Done {
    pub commit: RoundCommit,
    /// To be handed over once `commit` is committed, and only then.
    pub claims: Vec<Claim>,
    /// What went into a slot, where the round is traced: nobody hands it over.
    pub shown: Vec<Claim>,
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
    pub fn take(&mut self, mut round: Round) -> Done {
        let mut done = Done::default();
        // Whose message has waited longest comes first, and newcomers last: the lanes' room is theirs in that order.
        round.customers.sort_by_key(waiting_since);
        self.suppressed = round.suppressed;
        for customer in round.customers {
            done.add(poison::walk(self, customer, round.now));
        }
        done
    }

    pub(super) fn epoch(&self, customer: CustomerKey) -> i64 {
        self.hold
            .shards
            .iter()
            .find(|lease| lease.shard == customer.shard())
            .map_or(0, |lease| lease.epoch)
    }
}

impl Done {
    /// With what another customer's turn gave.
    fn add(&mut self, other: Self) {
        let Self {
            commit,
            claims,
            shown,
            trace,
        } = other;
        self.commit.add(commit);
        self.claims.extend(claims);
        self.shown.extend(shown);
        self.trace.extend(trace);
    }
}

/// When the first of the customer's held messages was or is due.
fn waiting_since(turn: &CustomerTurn) -> Micros {
    let due = turn.outbox.iter().filter_map(|row| match row.state {
        OutboxState::Held { due, .. } => Some(due),
        OutboxState::Claimed { .. } => None,
    });
    due.min().unwrap_or(Micros::MAX)
}

/// One customer's way through a round.
pub(super) struct Walk<'a, 't> {
    pub(super) turn: &'a mut Turn<'t>,
    pub(super) done: &'a mut Done,
    pub(super) now: Micros,
    pub(super) key: CustomerKey,
    pub(super) customer: Customer,
    attributes_changed: bool,
    /// See [`engine::Event::hops`], of the look that tells of what steps have set.
    hops: u32,
    pub(super) consents: BTreeMap<String, policy::Consent>,
    pub(super) contacts: Vec<(MessageKey, Contact)>,
    pub(super) enrollments: Vec<Enrollment>,
    pub(super) before: Vec<Enrollment>,
    /// Whether the engine has been asked yet.
    pub(super) moved: bool,
    pub(super) outbox: BTreeMap<MessageKey, OutboxRow>,
    /// What stays of what was said.
    pub(super) placed: Vec<Placed>,
    /// What the triggers last saw, and what they saw when the round began.
    pub(super) sighting: Sighting,
    sighted_before: Sighting,
    given: CustomerTurnRest,
    pub(super) zone: Option<TimeZone>,
}

struct CustomerTurnRest {
    inbox: VecDeque<(i64, engine::Event)>,
    outcomes: Vec<crate::store::Handed>,
    admit: Vec<i64>,
    swept: Vec<String>,
    look: Option<i64>,
    news: Option<(i64, engine::Event)>,
}

impl<'a, 't> Walk<'a, 't> {
    pub(super) fn new(turn: &'a mut Turn<'t>, given: CustomerTurn, now: Micros, done: &'a mut Done) -> Self {
        let CustomerTurn {
            customer,
            contacts,
            enrollments,
            inbox,
            outbox,
            outcomes,
            placed,
            admit,
            sighting,
            swept,
            look,
            news,
        } = given;
        let key = customer.key;
        let opted_out = customer.has_left(&turn.hold.journey);
        let mut walk = Self {
            turn,
            done,
            now,
            key,
            customer: Customer {
                key: key.0,
                id: customer.id,
                attributes: customer.attributes,
                opted_out,
            },
            attributes_changed: false,
            hops: 0,
            consents: customer.consents,
            contacts,
            before: enrollments.clone(),
            moved: false,
            enrollments,
            outbox: outbox.into_iter().map(|row| (row.key, row)).collect(),
            placed,
            given: CustomerTurnRest {
                inbox: inbox.into(),
                outcomes,
                admit,
                swept,
                look,
                news,
            },
            sighted_before: sighting.clone(),
            sighting,
            zone: None,
        };
        walk.see_zone();
        walk
    }

    pub(super) fn walk(mut self) {
        // Before anything is claimed in this round: what is claimed now is no orphan.
        self.adopt_orphans();
        for handed in std::mem::take(&mut self.given.outcomes) {
            self.hear(handed.key, handed.fate);
        }
        // A customer's next event asks every message that quiet holds back once more.
        let stirred = !self.given.inbox.is_empty() || self.given.news.is_some();
        while let Some((sequence, event)) = self.given.inbox.pop_front() {
            self.due_by(event.accepted_at);
            self.done.commit.consumed.push(sequence);
            if event.name == engine::CHANGED {
                self.look(sequence, event, true);
            } else if event.name == MERGED {
                // Nobody sent it: the books of events know nothing of it.
                self.apply(Input::Merged);
            } else {
                self.apply(Input::Event { sequence, event });
            }
        }
        self.due_by(self.now);
        if self.given.swept.iter().any(|sweep| sweep == FIRST_SIGHT) {
            self.look_now();
        }
        if let Some((sequence, event)) = self.given.news.take() {
            self.apply(Input::News { sequence, event });
        }
        self.let_in();
        self.ask_again(stirred);
        self.end_stays();
        self.close();
    }

    /// What became of a message that this process handed over.
    fn hear(&mut self, key: MessageKey, fate: Fate) {
        // Heard before: the round that heard it committed, and the answer to the commit was lost.
        let Some(row) = self.outbox.get(&key).cloned() else {
            return;
        };
        if row.ends.is_some() {
            return self.hear_end(row, fate);
        }
        match fate {
            Fate::Known(outcome) => {
                let outcome = certain(&row, outcome);
                // What was taken, whatever was answered, has reached the customer.
                if matches!(&outcome, Outcome::Failed(reason) if reason != OUTCOME_UNKNOWN && reason != RESPONSE_INVALID)
                {
                    self.refund(&row);
                }
                self.settle(&row, outcome, Personal::default());
            }
            Fate::Answered(response) => self.settle(&row, Outcome::Sent, response),
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
    pub(super) fn unclaim(&mut self, row: OutboxRow) {
        if !row.uncertain && row.ends.is_none() {
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
            } else if row.ends.is_some() || self.retries_unknown(&row) {
                self.keep(OutboxRow {
                    uncertain: true,
                    state: OutboxState::Held {
                        due: self.now,
                        why: UNKNOWN.into(),
                    },
                    ..row
                });
            } else {
                self.settle(&row, Outcome::Failed(OUTCOME_UNKNOWN.into()), Personal::default());
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

    /// Looks at the customer as of now: time may have changed what the triggers ask for, or nobody has looked yet.
    fn look_now(&mut self) {
        if let Some(sequence) = self.given.look {
            let event = engine::looked(&self.customer.attributes, self.now);
            self.look(sequence, event, false);
        }
    }

    fn look(&mut self, sequence: i64, event: engine::Event, changed: bool) {
        let held = self.sighting.held.clone();
        let look = Look { event, changed, held };
        self.apply(Input::Look { sequence, look });
    }

    /// Waits that end and conditions that time may have changed by `at`, the earliest first.
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
            let look = self.given.look.and(self.sighting.look_at);
            match (due, look.filter(|look| *look <= at.min(self.now))) {
                (due, Some(look)) if due.is_none_or(|(due, _)| look <= due) && self.has_conditions() => self.look_now(),
                (Some((_, enrollment)), _) => self.apply(Input::Due { enrollment }),
                (None, _) => return,
            }
        }
    }

    /// Those at the door whose turn has come; after the events, of which one may have taken them out.
    fn let_in(&mut self) {
        for ordinal in std::mem::take(&mut self.given.admit) {
            self.apply(Input::Admit { enrollment: ordinal });
            let is_in = |each: &Enrollment| each.ordinal == ordinal && !each.is_paced();
            self.done.commit.admitted += u32::from(self.enrollments.iter().any(is_in));
        }
    }

    /// Applies an input and all that follows from it.
    pub(super) fn apply(&mut self, first: Input) {
        let mut inputs = VecDeque::from([first]);
        while let Some(input) = inputs.pop_front() {
            // What became of a message is a signal too, seen before its step is left: exits and goals take it, the next wait gets it.
            if let Some(news) = self.news(&input) {
                self.apply_uncounted(&news, &mut inputs);
            }
            let turn = match self.in_engine(&input) {
                Ok(turn) => turn,
                Err(fell) => {
                    self.put_input_aside(input, &fell);
                    continue;
                }
            };
            let counted = match (turn.disposition, &input) {
                (Some(did), Input::Look { look, .. }) if look.changed => Some((Count::Changed(did), None)),
                (None | Some(Disposition::Ignored(Ignored::Unchanged)), Input::Look { .. }) | (None, _) => None,
                (Some(did), Input::Look { .. }) => Some((Count::Noticed(did), None)),
                (Some(did), Input::Event { event, .. }) => Some((Count::Event(did), Some(event.name.as_str()))),
                (Some(did), Input::News { event, .. }) => Some((Count::News(did), Some(event.name.as_str()))),
                (Some(did), Input::Merged | Input::Due { .. } | Input::Admit { .. } | Input::Outcome { .. }) => {
                    Some((Count::Event(did), None))
                }
            };
            if let Some((count, event)) = counted {
                self.trace(None, &count, event);
                self.count(count, self.now);
            }
            self.act(turn.actions, &mut inputs);
        }
    }

    /// Applies what was not accepted from outside: the books of events know nothing of it.
    pub(super) fn apply_uncounted(&mut self, input: &Input, inputs: &mut VecDeque<Input>) {
        // What became of a message is told here as well as by the outcome itself, which is what matters.
        if let Ok(turn) = self.in_engine(input) {
            self.act(turn.actions, inputs);
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
                Action::Set { attributes, hops } => {
                    self.hops = self.hops.max(hops.saturating_add(1));
                    self.set(attributes);
                }
                Action::Arrived { enrollment, step } => {
                    let count = Count::Step(step);
                    self.trace(Some(enrollment), &count, None);
                    self.count(count, self.now);
                }
                Action::Count { count, n, at } => {
                    self.trace(None, &count, None);
                    self.done.commit.counts.add(count.name(), at, n);
                }
                Action::Sighted(sighting) => self.sighting = sighting,
            }
        }
    }

    /// TOUCHPOINT/sent, /skipped or /failed, where the revision of the enrollment listens for it.
    fn news(&self, input: &Input) -> Option<Input> {
        let Input::Outcome {
            enrollment,
            step,
            occurrence,
            touchpoint,
            outcome,
            response: _,
        } = input
        else {
            return None;
        };
        let ordinal = *enrollment;
        let enrollment = self.enrollments.iter().find(|e| e.ordinal == ordinal)?;
        let program = self.turn.programs.revisions.get(&enrollment.revision)?;
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
            // What becomes of its own message is no news from outside.
            hops: self.enrollments.iter().find(|e| e.ordinal == ordinal)?.hops,
        };
        // It opens nothing: no enrollment has this ordinal.
        Some(Input::Event { sequence: 0, event })
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

    /// Gives what changed to the commit.
    fn close(self) {
        for gone in &self.before {
            if self.enrollments.iter().all(|each| each.ordinal != gone.ordinal) {
                self.done.commit.enrollments_gone.push((self.key, gone.ordinal));
            }
        }
        for enrollment in self.enrollments {
            if self.before.contains(&enrollment) {
                continue;
            }
            // Who was merged is in the journey still: no other journey hears that it has ended.
            if let Standing::Ended { outcome, .. } = enrollment.standing
                && outcome != Ending::Merged
            {
                let had_ended = |before: &Enrollment| before.ordinal == enrollment.ordinal && !before.is_active();
                if !self.before.iter().any(had_ended) {
                    self.done.commit.ended.push(EndedRow {
                        customer: self.key,
                        enrollment: enrollment.ordinal,
                        outcome,
                        hops: enrollment.hops.saturating_add(1),
                    });
                }
            }
            let program = self.turn.programs.revisions.get(&enrollment.revision);
            let watch_until = program.map_or(Micros::MAX, |program| engine::watch_until(program, &enrollment));
            self.done.commit.enrollments.push(EnrollmentRow {
                customer: self.key,
                enrollment,
                watch_until,
            });
        }
        if self.sighting != self.sighted_before {
            self.done.commit.sightings.push((self.key, self.sighting.clone()));
        }
        if self.attributes_changed {
            self.done.commit.hops.insert(self.key, self.hops);
            self.done
                .commit
                .attributes
                .push((self.key, self.customer.attributes.clone()));
        }
    }

    /// Whether a trigger of the current program has no event.
    fn has_conditions(&self) -> bool {
        let current = self.turn.programs.current.as_ref();
        current.is_some_and(|program| program.conditions().next().is_some())
    }

    pub(super) fn suspended(&self) -> bool {
        self.turn
            .programs
            .current
            .as_ref()
            .is_none_or(|program| program.suspended)
    }

    pub(super) fn see_zone(&mut self) {
        self.zone = self
            .turn
            .programs
            .current
            .as_ref()
            .and_then(|program| engine::zone_of(&program.profile, &self.customer));
    }

    pub(super) fn trace(&mut self, enrollment: Option<i64>, count: &Count, event: Option<&str>) {
        if self.turn.trace {
            self.done.trace.push(Traced {
                customer: self.key,
                enrollment,
                count: count.clone(),
                event: event.map(str::to_owned),
            });
        }
    }

    pub(super) fn count(&mut self, count: Count, at: Micros) {
        let counts: &mut Counts = &mut self.done.commit.counts;
        counts.add(count.name(), at, 1);
    }
}
