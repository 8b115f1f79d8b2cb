//! The way of one enrollment through its program: the one exhaustive match over (what the step does, what comes to it).
//!
//! A step is arrived at, and some steps are stood in until a signal, the time or an outcome moves on. Every move is an arrival at the next
//! step; a hundred arrivals for one input are a loop without a wait, and end the enrollment as Failed: TooManySteps.

use super::{
    chance,
    look::CHANGED,
    program::{Program, Signal, Step, StepAction},
    send::{after_send, record},
    sight::{Sight, properties},
    state::{Action, Customer, Ending, Enrollment, Event, Matches, Outcome, Properties, Standing, StepResult},
};
use crate::{
    clock::{MINUTE, Micros},
    expression,
    kpi::Count,
    personal::Personal,
};
use serde_json::Value as Json;
use std::{borrow::Cow, collections::BTreeMap};

/// Arrivals at steps for one input.
pub(super) const MOST_STEPS: u32 = 100;
/// Events kept for the next wait.
pub(super) const MOST_KEPT: usize = 32;
/// How long an enrollment whose program is not there waits before it is looked at again.
const NO_PROGRAM_RETRY: Micros = MINUTE;

/// What all enrollments of one turn share.
pub(super) struct Round<'a> {
    /// The customer's pseudonym.
    pub customer: &'a [u8; 16],
    pub customer_id: &'a str,
    /// The customer's attributes as now, with what this turn has set.
    pub attributes: Cow<'a, Properties>,
    pub opted_out: bool,
    pub now: Micros,
    pub actions: Vec<Action>,
}

impl<'a> Round<'a> {
    pub fn new(customer: &'a Customer, now: Micros) -> Self {
        Self {
            customer: &customer.key,
            customer_id: customer.id.expose(),
            attributes: Cow::Borrowed(customer.attributes.expose()),
            opted_out: customer.opted_out,
            now,
            actions: Vec::new(),
        }
    }

    pub fn count(&mut self, count: Count) {
        self.actions.push(Action::Count {
            count,
            n: 1,
            at: self.now,
        });
    }

    /// Whether a condition holds; a fault is counted and is a no.
    pub fn judge(&mut self, judgement: Result<bool, expression::Fault>) -> bool {
        judgement.unwrap_or_else(|_| {
            self.count(Count::Fault);
            false
        })
    }

    fn set(&mut self, changes: Properties, hops: u32) {
        let attributes = self.attributes.to_mut();
        for (name, value) in &changes {
            attributes.insert(name.clone(), value.clone());
        }
        self.actions.push(Action::Set {
            attributes: Personal::new(changes),
            hops,
        });
    }
}

/// What comes to a step.
#[derive(Clone, Copy)]
pub(super) enum Coming<'e> {
    Arrival,
    Signal(&'e Event),
    Time,
    Outcome(Told<'e>),
}

/// What is told of a message.
#[derive(Clone, Copy)]
pub(super) struct Told<'e> {
    pub touchpoint: &'e str,
    pub outcome: &'e Outcome,
    pub response: &'e Personal<Properties>,
}

/// What a step makes of it.
pub(super) enum Move {
    /// Nothing: the enrollment stands where it stood.
    Stay,
    /// It stands here from now on.
    Stand(Standing),
    /// On to this step; none: the list is over.
    Go(Option<usize>),
    End(Ending),
}

/// Whose matches are counted.
pub(super) enum Tally<'n> {
    /// Of the present wait, the signal at this place in `until`.
    Wait(usize),
    Exit(&'n str),
    Goal(&'n str),
}

/// One enrollment, and the program it walks by.
pub(super) struct Walk<'a, 'r, 'c> {
    pub program: &'a Program,
    pub enrollment: &'a mut Enrollment,
    pub round: &'r mut Round<'c>,
    /// Whether a signal that takes several matches has counted one.
    pub counted: bool,
}

impl<'a, 'r, 'c> Walk<'a, 'r, 'c> {
    pub fn new(program: &'a Program, enrollment: &'a mut Enrollment, round: &'r mut Round<'c>) -> Self {
        Self {
            program,
            enrollment,
            round,
            counted: false,
        }
    }
}

impl Walk<'_, '_, '_> {
    /// Goes in at the first step.
    pub fn begin(&mut self) {
        self.follow(Move::Go(Some(0)), 0);
    }

    /// Moves on because a condition of the present wait holds.
    pub fn go(&mut self, moved: Move) {
        self.follow(moved, 0);
    }

    /// Takes a signal to the step that the enrollment stands at; whether it moved.
    pub fn signal(&mut self, event: &Event) -> bool {
        self.offer(Coming::Signal(event))
    }

    /// The time has come, at which the wait ends.
    pub fn time(&mut self) {
        self.offer(Coming::Time);
    }

    pub fn outcome(&mut self, told: Told<'_>) {
        self.offer(Coming::Outcome(told));
    }

    /// Takes the customer out: what has not been handed over is not sent any more.
    pub fn exit(&mut self, outcome: Ending) {
        take_out(self.enrollment, outcome, self.round);
    }

    /// Whether it stands at a send: then it takes no signals.
    pub fn is_sending(&self) -> bool {
        standing_at(self.program, self.enrollment)
            .is_some_and(|at| matches!(self.program.steps[at].action, StepAction::Send { .. }))
    }

    fn offer(&mut self, coming: Coming<'_>) -> bool {
        let Some(at) = standing_at(self.program, self.enrollment) else {
            return false;
        };
        let arrivals = self.arrivals_before(coming);
        match self.step(at, coming) {
            Move::Stay => false,
            moved @ (Move::Stand(_) | Move::Go(_) | Move::End(_)) => {
                self.follow(moved, arrivals);
                true
            }
        }
    }

    /// An outcome of the very instant that asked for the message (the policy said no) is still the same input: else a send whose `otherwise`
    /// leads back to it would go round for ever.
    fn arrivals_before(&self, coming: Coming<'_>) -> u32 {
        match (&self.enrollment.standing, coming) {
            (Standing::Sending { since, .. }, Coming::Outcome(_)) if *since == self.round.now => {
                self.enrollment.arrivals
            }
            (
                Standing::Waiting { .. } | Standing::Sending { .. } | Standing::Ended { .. } | Standing::Paced { .. },
                _,
            ) => 0,
        }
    }

    /// Moves on until the enrollment stands or has ended; `arrivals` have gone before for the same input.
    fn follow(&mut self, mut next: Move, mut arrivals: u32) {
        loop {
            next = match next {
                Move::Stay => return,
                Move::End(outcome) => return self.end(outcome),
                Move::Stand(standing) => {
                    self.enrollment.standing = standing;
                    self.enrollment.arrivals = arrivals;
                    match self.offer_kept().or_else(|| self.offer_conditions(None)) {
                        Some(moved) => moved,
                        None => return,
                    }
                }
                Move::Go(to) => match to.filter(|at| *at < self.program.steps.len()) {
                    None => Move::End(self.notice().unwrap_or(Ending::Completed)),
                    Some(at) if arrivals == MOST_STEPS => {
                        let name = &self.program.steps[at].name;
                        let result = self.enrollment.steps.entry(name.clone()).or_default();
                        result.outcome = Some("Failed".into());
                        result.reason = Some("TooManySteps".into());
                        Move::End(Ending::Failed)
                    }
                    Some(at) => {
                        arrivals += 1;
                        self.arrive(at)
                    }
                },
            };
        }
    }

    /// On arrival at a wait, what became of messages in the meantime is looked at first, the oldest first. What this wait does not take is
    /// gone, as if it had come while the customer waited here; what came after the event that moved on is kept for the wait after.
    fn offer_kept(&mut self) -> Option<Move> {
        if !matches!(self.enrollment.standing, Standing::Waiting { .. }) {
            return None;
        }
        let at = standing_at(self.program, self.enrollment)?;
        let mut kept = std::mem::take(&mut self.enrollment.kept).into_iter();
        while let Some(event) = kept.next() {
            match self.step(at, Coming::Signal(&event)) {
                Move::Stay => {}
                moved @ (Move::Stand(_) | Move::Go(_) | Move::End(_)) => {
                    self.enrollment.kept = kept.collect();
                    return Some(moved);
                }
            }
        }
        None
    }

    fn arrive(&mut self, at: usize) -> Move {
        let name = &self.program.steps[at].name;
        let now = self.round.now;
        let result = self.enrollment.steps.entry(name.clone()).or_default();
        result.count = result.count.saturating_add(1);
        result.at = now;
        self.enrollment.matches.wait.clear();
        self.round.actions.push(Action::Arrived {
            enrollment: self.enrollment.ordinal,
            step: name.clone(),
        });
        match self.notice() {
            Some(outcome) => Move::End(outcome),
            None => self.step(at, Coming::Arrival),
        }
    }

    /// What the step does with what comes to it. Nobody stands in a split, a branch, a set or an exit, so nothing but an arrival comes to them.
    fn step(&mut self, at: usize, coming: Coming<'_>) -> Move {
        let program = self.program;
        let step = &program.steps[at];
        match (&step.action, coming) {
            (StepAction::Wait { ends, during, .. }, Coming::Arrival) => {
                self.begin_wait(step, ends.as_ref(), during.as_ref())
            }
            (StepAction::Wait { until, .. }, Coming::Signal(event)) => {
                for (place, until) in until.iter().enumerate() {
                    if self.matches(&until.signal, event) && self.is_enough(&until.signal, Tally::Wait(place)) {
                        self.result(step).event = Personal::new(properties(event));
                        self.enrollment.hops = event.hops;
                        return Move::Go(Some(until.next));
                    }
                }
                Move::Stay
            }
            (StepAction::Wait { during, .. }, Coming::Time) => self.end_wait(step, during.as_ref()),
            (StepAction::Wait { .. }, Coming::Outcome(_)) => Move::Stay,
            (
                StepAction::Send {
                    candidates,
                    with,
                    otherwise,
                },
                Coming::Arrival,
            ) => self.request(step, candidates, with, *otherwise),
            (StepAction::Send { otherwise, .. }, Coming::Outcome(told)) => {
                record(self.result(step), told);
                Move::Go(after_send(step, *otherwise, matches!(told.outcome, Outcome::Sent)))
            }
            // The outcome came while the program was away and is recorded: it only has to be followed.
            (StepAction::Send { otherwise, .. }, Coming::Time) => {
                let sent = self.result(step).outcome.as_deref() == Some("Sent");
                Move::Go(after_send(step, *otherwise, sent))
            }
            (StepAction::Send { .. }, Coming::Signal(_)) => Move::Stay,
            (StepAction::Split { salt, arms }, Coming::Arrival) => {
                let known = self.result(step).arm.as_ref();
                let kept = known.and_then(|name| arms.iter().find(|arm| arm.name == *name));
                let Some(arm) = kept.or_else(|| chance::arm(arms, salt, self.round.customer)) else {
                    return Move::Go(step.next);
                };
                self.result(step).arm = Some(arm.name.clone());
                self.round.count(Count::Arm {
                    step: step.name.clone(),
                    arm: arm.name.clone(),
                });
                Move::Go(Some(arm.next))
            }
            (StepAction::Branch { cases, otherwise }, Coming::Arrival) => {
                for (when, next) in cases {
                    let holds = self.step_sight().holds(Some(when));
                    if self.round.judge(holds) {
                        return Move::Go(Some(*next));
                    }
                }
                Move::Go(Some(*otherwise))
            }
            (StepAction::Set(attributes), Coming::Arrival) => {
                match self.values(attributes) {
                    Ok(changes) => {
                        let result = self.result(step);
                        result.outcome = None;
                        result.reason = None;
                        if !changes.is_empty() {
                            self.round.set(changes, self.enrollment.hops);
                        }
                    }
                    Err(fault) => {
                        let result = self.result(step);
                        result.outcome = Some("Failed".into());
                        result.reason = Some(fault.name().into());
                        self.round.count(Count::Fault);
                    }
                }
                Move::Go(step.next)
            }
            (StepAction::Exit(outcome), Coming::Arrival) => Move::End(*outcome),
            (
                StepAction::Split { .. } | StepAction::Branch { .. } | StepAction::Set(_) | StepAction::Exit(_),
                Coming::Signal(_) | Coming::Time | Coming::Outcome(_),
            ) => Move::Stay,
        }
    }

    /// Whether the event is what the signal notices.
    pub fn matches(&mut self, signal: &Signal, event: &Event) -> bool {
        if !signal.hears(&event.name) {
            return false;
        }
        let holds = self.signal_sight(event).holds(signal.when.as_ref());
        self.round.judge(holds)
    }

    /// One match more: whether there are as many as the signal takes.
    pub fn is_enough(&mut self, signal: &Signal, tally: Tally<'_>) -> bool {
        if signal.times <= 1 {
            return true;
        }
        let matches = &mut self.enrollment.matches;
        let so_far = match tally {
            Tally::Wait(place) => matches.wait.entry(place).or_default(),
            Tally::Exit(name) => matches.exits.entry(name.to_owned()).or_default(),
            Tally::Goal(name) => matches.goals.entry(name.to_owned()).or_default(),
        };
        *so_far = so_far.saturating_add(1);
        self.counted = true;
        *so_far >= signal.times
    }

    /// All or none; what is missing is left out.
    pub(super) fn values(
        &self,
        expressions: &[(String, expression::Program)],
    ) -> Result<Properties, expression::Fault> {
        let sight = self.step_sight();
        let mut values = Properties::new();
        for (name, expression) in expressions {
            match sight.value(expression) {
                Ok(Json::Null) | Err(expression::Fault::Missing) => {}
                Ok(value) => {
                    values.insert(name.clone(), value);
                }
                Err(fault) => return Err(fault),
            }
        }
        Ok(values)
    }

    fn end(&mut self, outcome: Ending) {
        end(self.enrollment, outcome, self.round);
    }

    pub(super) fn result(&mut self, step: &Step) -> &mut StepResult {
        self.enrollment.steps.entry(step.name.clone()).or_default()
    }

    pub fn signal_sight<'s>(&'s self, event: &'s Event) -> Sight<'s> {
        Sight::of_signal(
            self.program,
            self.enrollment,
            self.round.customer_id,
            event,
            self.round.now,
        )
    }

    pub(super) fn step_sight(&self) -> Sight<'_> {
        Sight::of_step(
            self.program,
            self.enrollment,
            self.round.customer_id,
            &self.round.attributes,
            self.round.now,
        )
    }
}

/// Takes a customer out, whether or not the program is there: what has not been handed over is not sent any more.
pub(super) fn take_out(enrollment: &mut Enrollment, outcome: Ending, round: &mut Round<'_>) {
    round.actions.push(Action::Withdraw {
        enrollment: enrollment.ordinal,
    });
    end(enrollment, outcome, round);
}

fn end(enrollment: &mut Enrollment, outcome: Ending, round: &mut Round<'_>) {
    enrollment.standing = Standing::Ended { outcome, at: round.now };
    enrollment.kept.clear();
    enrollment.matches.wait.clear();
    enrollment.matches.exits.clear();
    round.count(Count::Ended(outcome));
}

/// An enrollment whose program is not there stays where it is. The outcome of its message is recorded all the same, since it comes only once;
/// what follows from it waits for the program.
pub(super) fn stay(enrollment: &mut Enrollment, coming: Coming<'_>, now: Micros) {
    let again = Some(now.saturating_add(NO_PROGRAM_RETRY));
    if enrollment.look_at.is_some_and(|at| at <= now) {
        enrollment.look_at = again;
    }
    match (&mut enrollment.standing, coming) {
        (Standing::Waiting { until, .. }, Coming::Time) if until.is_none_or(|end| end <= now) => *until = again,
        (Standing::Waiting { .. }, Coming::Time) => {}
        (Standing::Sending { step, since, .. }, Coming::Outcome(told)) => {
            let (step, since) = (std::mem::take(step), *since);
            record(enrollment.steps.entry(step.clone()).or_default(), told);
            enrollment.standing = Standing::Waiting {
                step,
                since,
                until: again,
            };
        }
        (Standing::Waiting { .. }, Coming::Arrival | Coming::Signal(_) | Coming::Outcome(_))
        | (Standing::Sending { .. }, Coming::Arrival | Coming::Signal(_) | Coming::Time)
        | (Standing::Ended { .. } | Standing::Paced { .. }, _) => {}
    }
}

/// The index of the step at which it stands; None: it has ended, or the program has no such step.
pub(super) fn standing_at(program: &Program, enrollment: &Enrollment) -> Option<usize> {
    match &enrollment.standing {
        Standing::Waiting { step, .. } | Standing::Sending { step, .. } => {
            program.steps.iter().position(|each| each.name == *step)
        }
        Standing::Ended { .. } | Standing::Paced { .. } => None,
    }
}

/// A new enrollment at the door of the first step.
pub(super) fn enroll(
    program: &Program,
    ordinal: i64,
    key: String,
    entries: u32,
    event: &Event,
    held_out: bool,
    now: Micros,
) -> Enrollment {
    Enrollment {
        ordinal,
        key: Personal::new(key),
        revision: program.revision.clone(),
        entered_at: now,
        entries,
        entry: if event.name == CHANGED {
            Personal::default()
        } else {
            Personal::new(properties(event))
        },
        held_out,
        standing: Standing::Waiting {
            step: program.steps.first().map(|step| step.name.clone()).unwrap_or_default(),
            since: now,
            until: None,
        },
        steps: BTreeMap::new(),
        goals: BTreeMap::new(),
        kept: Vec::new(),
        arrivals: 0,
        look_at: None,
        matches: Matches::default(),
        hops: event.hops,
    }
}
