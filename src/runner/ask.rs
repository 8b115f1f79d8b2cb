//! A message on its way through a round: asked for, asked of the policy, claimed, held, or over; and its line in the books. The one place
//! where [`policy::decide`] is asked, in the transaction that claims what it lets through.

use super::{
    claim::{Claim, claim},
    poison::{PANICKED, net},
    turn::{TurnError, Walk},
};
use crate::{
    clock::{Micros, SECOND},
    engine::{
        self,
        program::{Outbound, Program},
        state::{Enrollment, Input, Outcome, Properties},
    },
    keys::{AddressKey, MessageKey},
    kpi::Count,
    personal::Personal,
    policy::{self, Contact, Facts, HoldReason, SkipReason, Verdict},
    store::{DROPPED, MessageRow, OUTCOME_UNKNOWN, OutboxRow, OutboxState},
};
use std::collections::BTreeSet;

/// A message whose adapter is busy, or not to be opened, asks again after this.
pub(super) const BUSY: Micros = SECOND / 5;
pub(super) const NOT_OPEN: Micros = 5 * SECOND;
/// `why` of a message that may have been accepted and is tried again. It reaches the customer now, if not before: so caps are asked as of now,
/// where its own contact of before does not count against it, and the contact moves to now.
pub const UNKNOWN: &str = "Unknown";
/// Reason of a message that was taken, and whose answer is not what was asked for.
pub const RESPONSE_INVALID: &str = "ResponseInvalid";

impl Walk<'_, '_> {
    /// A step asks for a message: the policy is asked at once. Gives the outcome when it is known already.
    pub(super) fn request(
        &mut self,
        enrollment: i64,
        step: String,
        occurrence: u32,
        touchpoint: String,
        with: Personal<Properties>,
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
            adapter: String::new(),
            over_at: None,
            attempts: 0,
            again: false,
            uncertain: false,
            ends: None,
            state: OutboxState::Held {
                due: self.now,
                why: "New".into(),
            },
        };
        self.outbox.insert(key, row.clone());
        self.ask(row)
    }

    /// Chooses among the step's candidates by the whole policy, in this transaction: the first that may go now, else the first that is only
    /// held, else the first. Gives the outcome as the engine's next input when the message is over.
    pub(super) fn ask(&mut self, row: OutboxRow) -> Option<Input> {
        if row.ends.is_some() {
            self.tell_end(row);
            return None;
        }
        if matches!(&row.state, OutboxState::Held { why, .. } if why == DROPPED) {
            return self.over(&row, Outcome::Skipped(SkipReason::Dropped.name().into()));
        }
        let row = self.by_a_program(row);
        let program = self.turn.programs.revisions.get(&row.revision).cloned();
        let Some(program) = program.filter(|program| program.outbound.contains_key(&row.touchpoint)) else {
            // Its revision does not compile any more, or the journey has no program: the message waits for one.
            return self.hold(row, self.now + NOT_OPEN, "NoProgram");
        };
        // An enrollment that ended while the message was with the channel needs it no more; nor does a customer who has left by their own
        // hand, though the event that says so is still to come.
        let is_in = |e: &Enrollment| e.is_active() || (row.again && e.has_walked_through());
        let asks = |e: &&Enrollment| e.ordinal == row.enrollment && is_in(e) && !self.customer.opted_out;
        let Some(enrollment) = self.enrollments.iter().find(asks) else {
            return self.over(&row, Outcome::Skipped(SkipReason::Withdrawn.name().into()));
        };
        let order: Vec<String> = if row.uncertain {
            // It may have gone out by this one: by another it would go out twice.
            vec![row.touchpoint.clone()]
        } else {
            let found = net(self.turn.nets, || {
                engine::candidates(&program, &row.step, enrollment, &self.customer, self.now)
            });
            match found {
                Err(_) => return self.over(&row, Outcome::Failed(PANICKED.into())),
                Ok(Ok(found)) => {
                    let order = found.order.into_iter().map(str::to_owned).collect();
                    (0..found.faults).for_each(|_| self.count(Count::Fault, self.now));
                    order
                }
                Ok(Err(fault)) => return self.over(&row, Outcome::Failed(fault.name().into())),
            }
        };
        let holding = net(self.turn.nets, || engine::holding(&program, &self.customer, self.now));
        let Ok((holding, faults)) = holding else {
            return self.over(&row, Outcome::Failed(PANICKED.into()));
        };
        (0..faults).for_each(|_| self.count(Count::Fault, self.now));
        let (mut held, mut skipped) = (None, None);
        for touchpoint in order {
            let Some(outbound) = program.outbound.get(&touchpoint) else {
                continue;
            };
            let verdict = net(self.turn.nets, || self.verdict(&program, outbound, &row, &holding));
            let Ok(verdict) = verdict else {
                let row = self.by(row, &touchpoint);
                return self.over(&row, Outcome::Failed(PANICKED.into()));
            };
            match verdict {
                Asked::Send(to, address) => {
                    let row = self.by(row, &touchpoint);
                    return self.send(&program, outbound, row, to, address);
                }
                Asked::Hold(until, why) => {
                    held.get_or_insert((touchpoint, until, why));
                }
                Asked::Skip(reason) => {
                    skipped.get_or_insert((touchpoint, reason));
                }
            }
        }
        match (held, skipped) {
            (Some((touchpoint, until, why)), _) => {
                let row = self.by(row, &touchpoint);
                self.hold(row, until, why)
            }
            (None, Some((touchpoint, reason))) => {
                let row = self.by(row, &touchpoint);
                self.over(&row, Outcome::Skipped(reason.name().into()))
            }
            (None, None) => self.over(&row, Outcome::Skipped(SkipReason::NoCandidate.name().into())),
        }
    }

    /// Tried again by hand it may have outlived its revision: then it goes by the current one.
    fn by_a_program(&self, row: OutboxRow) -> OutboxRow {
        let gone = row.again && !self.turn.programs.revisions.contains_key(&row.revision);
        match self.turn.programs.current.as_ref().filter(|_| gone) {
            None => row,
            Some(current) => OutboxRow {
                revision: current.revision.clone(),
                ..row
            },
        }
    }

    /// Whether the message may go by this touchpoint, now.
    fn verdict(&self, program: &Program, outbound: &Outbound, row: &OutboxRow, holding: &BTreeSet<String>) -> Asked {
        // What the gateway shows is handed to no channel, and the gateway knows the customer by itself.
        let in_slot = outbound.stay.as_ref().is_some_and(|stay| stay.slot.is_some());
        let adapter = self.turn.adapters.open.get(&outbound.adapter);
        let needs_address = !in_slot && adapter.is_some_and(|adapter| adapter.needs_address);
        let enrollment = self.enrollments.iter().find(|e| e.ordinal == row.enrollment);
        let to = enrollment.and_then(|_| self.address(program, outbound));
        let address = to.as_deref().map(|to| self.turn.keys.address(&program.namespace, to));
        let suppressed = match address.map(|address| self.turn.suppressed.get(&address)) {
            None => None,
            Some(Some(known)) => *known,
            // A step of this round has changed the address: the next one looks for it.
            Some(None) => return Asked::Hold(self.now + BUSY, "NewAddress"),
        };
        let others = self.contacts.iter().filter(|(message, _)| *message != row.key);
        let contacts: Vec<&Contact> = others.map(|(_, contact)| contact).collect();
        let facts = Facts {
            consents: &self.consents,
            contacts: &contacts,
            zone: self.zone.as_ref(),
            holding,
            suspended: self.suspended(),
            held_out: enrollment.is_some_and(|enrollment| enrollment.held_out),
            has_address: to.is_some() || !needs_address,
            address,
            suppressed,
            age: self.age(program),
        };
        let message = policy::Message {
            touchpoint: &outbound.touchpoint,
            purpose: &outbound.purpose,
            channel: &outbound.channel,
            expires_at: expires_at(outbound, row),
        };
        match policy::decide(&program.policy, &facts, &message, self.now) {
            Verdict::Skip(reason) => Asked::Skip(reason),
            Verdict::Hold { until, why } => Asked::Hold(until.max(self.now + BUSY), why.name()),
            // It waits as long as it may: its time to live and its consent end meanwhile.
            Verdict::Send if !in_slot && adapter.is_none() => Asked::Hold(self.now + NOT_OPEN, "NotOpen"),
            Verdict::Send => Asked::Send(to, address),
        }
    }

    fn address(&self, program: &Program, outbound: &Outbound) -> Option<String> {
        let (id, attributes) = (self.customer.id.expose(), self.customer.attributes.expose());
        engine::address(program, outbound, id, attributes, self.now)
    }

    /// In whole years, where the policy asks for it.
    fn age(&self, program: &Program) -> Option<u32> {
        program.policy.minimum_age?;
        engine::age_of(&program.profile, &self.customer, self.now)
    }

    /// The policy lets it through: it is claimed, where its lane has room.
    fn send(
        &mut self,
        program: &Program,
        outbound: &Outbound,
        row: OutboxRow,
        to: Option<String>,
        address: Option<AddressKey>,
    ) -> Option<Input> {
        if let Some(busy) = self.supersede_end(&row) {
            return self.hold(row, busy, "Busy");
        }
        let in_slot = outbound.stay.as_ref().is_some_and(|stay| stay.slot.is_some());
        let adapter = self.turn.adapters.open.get(&outbound.adapter);
        if !in_slot && adapter.is_none_or(|adapter| adapter.room == 0) {
            return self.hold(row, self.now + BUSY, "Busy");
        }
        let keys = self.turn.render.then_some(self.turn.keys);
        let claimed = net(self.turn.nets, || {
            claim(keys, program, outbound, &row, &self.customer, to, self.now)
        });
        match claimed.unwrap_or(Err(TurnError::Panicked)) {
            Ok(claim) => match net(self.turn.nets, || self.stay(program, outbound, &row, &claim)) {
                Err(_) => self.over(&row, Outcome::Failed(PANICKED.into())),
                Ok(Err(fault)) => self.over(&row, Outcome::Failed(fault.name().into())),
                Ok(Ok(())) if in_slot => {
                    self.contact(&row, outbound);
                    self.done.shown.extend(self.turn.trace.then_some(claim));
                    self.over(&row, Outcome::Sent)
                }
                Ok(Ok(())) => {
                    self.take(row, outbound, claim, address);
                    None
                }
            },
            Err(TurnError::Render) => self.over(&row, Outcome::Failed("RenderFailed".into())),
            Err(TurnError::Panicked) => self.over(&row, Outcome::Failed(PANICKED.into())),
        }
    }

    /// The message goes by this touchpoint from now on, and is counted as requested by it: one request, one outcome.
    fn by(&mut self, row: OutboxRow, touchpoint: &str) -> OutboxRow {
        if row.touchpoint == touchpoint {
            return row;
        }
        let name = |touchpoint: &str| {
            let touchpoint = touchpoint.to_owned();
            Count::Requested { touchpoint }.name()
        };
        let counts = &mut self.done.commit.counts;
        counts.add(name(&row.touchpoint), row.requested_at, -1);
        counts.add(name(touchpoint), row.requested_at, 1);
        OutboxRow {
            touchpoint: touchpoint.to_owned(),
            ..row
        }
    }

    fn take(&mut self, row: OutboxRow, outbound: &Outbound, claim: Claim, address: Option<AddressKey>) {
        if let Some(adapter) = self.turn.adapters.open.get_mut(&outbound.adapter) {
            adapter.room -= 1;
        }
        self.contact(&row, outbound);
        let message = MessageRow {
            address,
            ..self.message(&row, Some(outbound), None)
        };
        self.done.commit.messages.push(message);
        self.put_claim(row, claim);
    }

    /// It is handed over once this round is committed.
    pub(super) fn put_claim(&mut self, row: OutboxRow, claim: Claim) {
        let epoch = self.turn.epoch(self.key);
        self.keep(OutboxRow {
            attempts: claim.attempt,
            state: OutboxState::Claimed { epoch, at: self.now },
            ..row
        });
        self.done.claims.push(claim);
    }

    /// What caps count.
    fn contact(&mut self, row: &OutboxRow, outbound: &Outbound) {
        let contact = Contact {
            purpose: outbound.purpose.clone(),
            channel: outbound.channel.clone(),
            at: self.now,
        };
        self.contacts.retain(|(message, _)| *message != row.key);
        self.contacts.push((row.key, contact.clone()));
        self.done.commit.contacts_gone.retain(|(_, key)| *key != row.key);
        self.done.commit.contacts.push((self.key, row.key, contact));
    }

    pub(super) fn hold(&mut self, row: OutboxRow, due: Micros, why: &str) -> Option<Input> {
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
        Some(told(row, outcome, Personal::default()))
    }

    /// The message is over, and its enrollment hears of it.
    pub(super) fn settle(&mut self, row: &OutboxRow, outcome: Outcome, response: Personal<Properties>) {
        self.book(row, outcome.clone());
        self.apply(told(row, outcome, response));
    }

    /// Writes a message's end into the books: one outcome, counted once.
    fn book(&mut self, row: &OutboxRow, outcome: Outcome) {
        self.leave_outbox(row.key);
        self.stayed(row, &outcome);
        if let Outcome::Failed(_) = outcome {
            self.done.commit.failed.push(row.clone());
        }
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

    pub(super) fn leave_outbox(&mut self, key: MessageKey) {
        self.outbox.remove(&key);
        self.done.commit.outbox.retain(|kept| kept.key != key);
        self.done.commit.outbox_gone.push((self.key, key));
    }

    /// Whatever of this enrollment has not been handed over is not sent any more.
    pub(super) fn withdraw(&mut self, enrollment: i64) {
        let of = |row: &&OutboxRow| row.enrollment == enrollment && row.ends.is_none();
        for row in self.outbox.values().filter(of).cloned().collect::<Vec<_>>() {
            let waits = matches!(row.state, OutboxState::Held { .. });
            if waits || self.take_back(&row) {
                // The enrollment has ended: it needs not hear of it.
                let _ended = self.over(&row, Outcome::Skipped(SkipReason::Withdrawn.name().into()));
            }
        }
    }

    /// A claim of this very round is handed over by nobody yet: it becomes none. Whether it is one.
    fn take_back(&mut self, row: &OutboxRow) -> bool {
        let Some(at) = self.done.claims.iter().position(|claim| claim.key == row.key) else {
            return false;
        };
        let claim = self.done.claims.remove(at);
        if let Some(adapter) = self.turn.adapters.open.get_mut(&claim.adapter) {
            adapter.room = adapter.room.saturating_add(1);
        }
        // One that may have been accepted before goes on counting.
        if !row.uncertain {
            self.refund(row);
            self.done.commit.contacts.retain(|(_, key, _)| *key != row.key);
        }
        true
    }

    /// Messages whose time has come, and after an event those that quiet holds back.
    pub(super) fn ask_again(&mut self, stirred: bool) {
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

    pub(super) fn keep(&mut self, row: OutboxRow) {
        let row = self.in_its_lane(row);
        self.done.commit.outbox.retain(|kept| kept.key != row.key);
        self.done.commit.outbox.push(row.clone());
        self.outbox.insert(row.key, row);
    }

    /// The message with the lane it waits for. One whose program is away waits for the one it waited for before.
    fn in_its_lane(&self, row: OutboxRow) -> OutboxRow {
        let (adapter, over_at) = match (&row.ends, self.outbound(&row)) {
            (Some(ends), _) => (ends.adapter.clone(), None),
            (None, Some((_, outbound))) => {
                // The instant itself is still in time.
                let over_at = expires_at(outbound, &row).map(|end| end.saturating_add(1));
                (outbound.adapter.clone(), over_at)
            }
            (None, None) => return row,
        };
        OutboxRow {
            adapter,
            over_at,
            ..row
        }
    }

    /// Nobody was reached: the message's contact does not count.
    pub(super) fn refund(&mut self, row: &OutboxRow) {
        self.contacts.retain(|(message, _)| *message != row.key);
        self.done.commit.contacts_gone.push((self.key, row.key));
    }

    pub(super) fn outbound(&self, row: &OutboxRow) -> Option<(&std::sync::Arc<Program>, &Outbound)> {
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
            address: None,
            outcome,
        }
    }
}

fn expires_at(outbound: &Outbound, row: &OutboxRow) -> Option<Micros> {
    let ttl = outbound.time_to_live?;
    Some(row.requested_at.saturating_add(ttl))
}

/// What the policy says of one candidate.
enum Asked {
    /// To this address, if there is one, and what it is known by.
    Send(Option<String>, Option<AddressKey>),
    Hold(Micros, &'static str),
    Skip(SkipReason),
}

fn told(row: &OutboxRow, outcome: Outcome, response: Personal<Properties>) -> Input {
    Input::Outcome {
        enrollment: row.enrollment,
        step: row.step.clone(),
        occurrence: row.occurrence,
        touchpoint: row.touchpoint.clone(),
        outcome,
        response,
    }
}

/// What may be said of a message: one that may have been accepted before is not skipped or failed for certain.
pub(super) fn certain(row: &OutboxRow, outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Skipped(_) | Outcome::Failed(_) if row.uncertain => Outcome::Failed(OUTCOME_UNKNOWN.into()),
        Outcome::Sent | Outcome::Skipped(_) | Outcome::Failed(_) => outcome,
    }
}
