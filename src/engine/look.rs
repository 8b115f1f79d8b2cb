//! Conditions: signals without an event. Somebody is looked at when attributes that a condition reads have changed, when the instant has
//! come from which time may change it, and when a journey sees a customer for the first time; in between nothing is asked.
//!
//! An exit, a goal and a wait notice a condition as soon as it holds, also when it already does: on arrival at a step, and at each look. A
//! trigger fires when its condition becomes true: what held at the last look is kept beside the enrollments ([`Sighting`]), because the
//! customer may be in none.

use super::{
    apply::{Reached, admit_by, pass_due, program_of, turn_away},
    entry, goal,
    program::{Program, Programs, Step, StepAction},
    sight::Sight,
    state::{Action, Disposition, Enrollment, Event, Ignored, Look, Properties, Sighting, Standing},
    walk::{Move, Round, Walk, standing_at},
};
use crate::{clock::Micros, expression, personal::Personal};

/// What events are called that tell of nothing but a look. No touchpoint has this name.
pub const CHANGED: &str = "customer/changed";

/// The look that time, or the first sight of a customer, brings: as of now.
pub fn looked(attributes: &Personal<Properties>, now: Micros) -> Event {
    Event {
        name: CHANGED.into(),
        id: Personal::default(),
        time: now,
        accepted_at: now,
        data: Personal::default(),
        profile: attributes.clone(),
        about: None,
        hops: 0,
    }
}

/// Looks at a customer. Enrollments are looked at when attributes have changed (time wakes each of them by its own due time); triggers of
/// the current program always.
pub(super) fn look(
    programs: &Programs,
    enrollments: &mut Vec<Enrollment>,
    sequence: i64,
    look: &Look,
    round: &mut Round<'_>,
) -> Disposition {
    let event = &look.event;
    pass_due(programs, enrollments, event.accepted_at, round);
    let mut did: Option<Disposition> = None;
    let mut reached = Reached::default();
    let mut turned_away = Vec::new();
    for enrollment in enrollments.iter_mut().filter(|each| each.ordinal != sequence) {
        let was_active = enrollment.is_active();
        reached
            .active
            .extend(was_active.then(|| enrollment.key.expose().clone()));
        let Some(program) = program_of(programs, enrollment) else {
            reached.lost |= was_active;
            continue;
        };
        if look.changed {
            let ordinal = enrollment.ordinal;
            let effect = if enrollment.is_paced() {
                // Who waits at the door is in no step, and has reached no goal.
                let exits = entry::exit_holds(program, enrollment, event, round);
                exits.then(|| {
                    turned_away.push(ordinal);
                    Disposition::Exited
                })
            } else {
                Walk::new(program, enrollment, round).look(Some(event))
            };
            did = match (did, effect) {
                (Some(before), Some(now)) => Some(before.min(now)),
                (before, now) => before.or(now),
            };
        }
    }
    turn_away(enrollments, &turned_away, round);
    let became = match &programs.current {
        Some(current) => sight_triggers(current, look, round),
        None => Err(Ignored::NoProgram),
    };
    let admission = became.and_then(|()| admit_by(programs, enrollments, sequence, event, &reached, round));
    match admission {
        Ok(came) => did.map_or(came, |did| did.min(came)),
        Err(why) => did.unwrap_or(Disposition::Ignored(why)),
    }
}

/// What of the triggers' conditions holds now, to be remembered; whether one of them has become true.
fn sight_triggers(program: &Program, look: &Look, round: &mut Round<'_>) -> Result<(), Ignored> {
    if program.conditions().next().is_none() {
        return Err(Ignored::Unchanged);
    }
    let mut seen = Sighting::default();
    let mut became = false;
    for (name, when) in program.conditions() {
        let sight = Sight::of_trigger(program, round.customer_id, &look.event, round.now);
        let holds = sight.holds(Some(when));
        let next = sight.next_change(when);
        if round.judge(holds) {
            became |= !look.held.contains(name);
            seen.held.insert(name.to_owned());
        }
        seen.look_at = seen.look_at.into_iter().chain(next).min();
    }
    round.actions.push(Action::Sighted(seen));
    became.then_some(()).ok_or(Ignored::Unchanged)
}

impl<'a> Walk<'a, '_, '_> {
    /// Goals, exits and the present wait, as of the change that `event` tells of; without one, as of now.
    pub fn look(&mut self, event: Option<&Event>) -> Option<Disposition> {
        self.enrollment.look_at = None;
        let goal = self.reach_conditions(event).then_some(Disposition::GoalOnly);
        if !self.enrollment.is_active() {
            return goal;
        }
        if let Some(outcome) = self.exit_by_condition(event) {
            self.exit(outcome);
            return Some(Disposition::Exited);
        }
        if event.is_some_and(|event| event.hops > entry::MOST_HOPS) {
            let too_long = Disposition::Ignored(Ignored::ChainTooLong);
            return goal.or(self.condition_met(event).is_some().then_some(too_long));
        }
        if let Some(moved) = self.offer_conditions(event) {
            // Nothing but time has come: a new row begins.
            self.enrollment.hops = event.map_or(0, |event| event.hops);
            self.go(moved);
            return Some(Disposition::Advanced);
        }
        goal
    }

    /// On arrival at a step: goals are counted; the outcome of an exit that holds.
    pub fn notice(&mut self) -> Option<super::state::Ending> {
        self.reach_conditions(None);
        self.exit_by_condition(None)
    }

    /// The first condition of the present wait that holds leads on.
    pub fn offer_conditions(&mut self, event: Option<&Event>) -> Option<Move> {
        let (step, next) = self.condition_met(event)?;
        self.enrollment.steps.entry(step.name.clone()).or_default().event = Personal::default();
        Some(Move::Go(Some(next)))
    }

    fn condition_met(&mut self, event: Option<&Event>) -> Option<(&'a Step, usize)> {
        if !matches!(self.enrollment.standing, Standing::Waiting { .. }) {
            return None;
        }
        let program = self.program;
        let step = &program.steps[standing_at(program, self.enrollment)?];
        let StepAction::Wait { until, .. } = &step.action else {
            return None;
        };
        for until in until {
            if let Some(when) = until.signal.condition()
                && self.holds(when, event)
            {
                return Some((step, until.next));
            }
        }
        None
    }

    fn exit_by_condition(&mut self, event: Option<&Event>) -> Option<super::state::Ending> {
        let program = self.program;
        for rule in &program.exits {
            if let Some(when) = rule.signal.condition()
                && self.holds(when, event)
            {
                return Some(rule.outcome);
            }
        }
        None
    }

    /// Once per enrollment, within the time from its entry; whether one was reached.
    fn reach_conditions(&mut self, event: Option<&Event>) -> bool {
        let program = self.program;
        let at = event.map_or(self.round.now, |event| event.accepted_at);
        let entered_at = self.enrollment.entered_at;
        let mut any = false;
        for goal in &program.goals {
            let Some(when) = goal.signal.condition() else { continue };
            if self.enrollment.goals.contains_key(&goal.name) || at > entered_at.saturating_add(goal.within) {
                continue;
            }
            if self.holds(when, event) {
                goal::book(self, goal, event, at);
                any = true;
            }
        }
        any
    }

    fn holds(&mut self, when: &expression::Program, event: Option<&Event>) -> bool {
        let sight = match event {
            Some(event) => self.signal_sight(event),
            None => self.step_sight(),
        };
        let holds = sight.holds(Some(when));
        self.round.judge(holds)
    }
}

/// Sets when each enrollment is to be looked at because time may change a condition. One whose look is overdue keeps it: what has changed
/// since has not been seen yet.
pub(super) fn plan_looks(programs: &Programs, enrollments: &mut [Enrollment], round: &Round<'_>) {
    for enrollment in enrollments {
        if enrollment.look_at.is_some_and(|at| at <= round.now) {
            continue;
        }
        // Who waits at the door is asked when the turn comes.
        if enrollment.is_paced() {
            enrollment.look_at = None;
        } else if let Some(program) = program_of(programs, enrollment) {
            enrollment.look_at = next_look(program, enrollment, round);
        }
    }
}

fn next_look(program: &Program, enrollment: &Enrollment, round: &Round<'_>) -> Option<Micros> {
    let sight = Sight::of_step(program, enrollment, round.customer_id, &round.attributes, round.now);
    let next = |when: &expression::Program| sight.next_change(when);
    let open = program
        .goals
        .iter()
        .filter(|goal| !enrollment.goals.contains_key(&goal.name));
    let goals = open.filter_map(|goal| {
        let at = next(goal.signal.condition()?)?;
        (at <= enrollment.entered_at.saturating_add(goal.within)).then_some(at)
    });
    if !enrollment.is_active() {
        return goals.min();
    }
    let exits = program.exits.iter().filter_map(|rule| next(rule.signal.condition()?));
    let waits = match standing_at(program, enrollment).map(|at| &program.steps[at].action) {
        Some(StepAction::Wait { until, .. }) => until.as_slice(),
        Some(_) | None => &[],
    };
    let waits = waits.iter().filter_map(|until| next(until.signal.condition()?));
    goals.chain(exits).chain(waits).min()
}
