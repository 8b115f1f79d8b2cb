//! One input, all enrollments of one customer: who is reached, in which order, and what the event is said to have done.

use super::{
    entry::{self, Admission},
    goal, join,
    look::{self, plan_looks},
    program::{Program, Programs},
    sight::Sight,
    state::{Customer, Disposition, Ending, Enrollment, Event, Ignored, Input, LEFT, Standing, Turn},
    walk::{Coming, MOST_KEPT, Round, Tally, Told, Walk, standing_at, stay, take_out},
};
use crate::{clock::Micros, kpi::Count};
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// Applies one input to all enrollments of one customer in one journey. Changes them in place, appends new ones, gives what is to be done.
///
/// - `enrollments` holds the active ones and the ended ones still watched ([`super::watch_until`]), by ordinal.
/// - `customer` is the customer as of now; signals see the event's own profile instead.
/// - `now` is the store's clock in microseconds: durations run on it.
///
/// Inputs come in the order of acceptance. A wait that was due at or before an event's acceptance ends before the event is looked at, whether
/// or not its [`Input::Due`] came first. An input for an enrollment that is not there, has ended or stands elsewhere does nothing.
pub fn apply(
    programs: &Programs,
    enrollments: &mut Vec<Enrollment>,
    input: &Input,
    customer: &Customer,
    now: Micros,
) -> Turn {
    let mut round = Round::new(customer, now);
    let disposition = match input {
        Input::Event { sequence, event } | Input::News { sequence, event } => {
            Some(hear(programs, enrollments, *sequence, event, &mut round))
        }
        Input::Due { enrollment } => {
            if let Some(enrollment) = enrollments.iter_mut().find(|each| each.ordinal == *enrollment) {
                pass_time(programs, enrollment, &mut round);
            }
            None
        }
        Input::Merged => {
            join::join(enrollments, &mut round);
            None
        }
        Input::Admit { enrollment } => {
            if let Some(current) = &programs.current {
                entry::let_in(current, enrollments, *enrollment, &mut round);
            }
            None
        }
        Input::Look { sequence, look } => Some(look::look(programs, enrollments, *sequence, look, &mut round)),
        Input::Outcome {
            enrollment,
            step,
            occurrence,
            touchpoint,
            outcome,
            response,
        } => {
            let told = Told {
                touchpoint,
                outcome,
                response,
            };
            if let Some(enrollment) = enrollments.iter_mut().find(|each| each.ordinal == *enrollment) {
                learn_outcome(programs, enrollment, step, *occurrence, told, &mut round);
            }
            None
        }
    };
    plan_looks(programs, enrollments, &round);
    Turn {
        actions: round.actions,
        disposition,
    }
}

/// The program an enrollment walks by: its own revision, as long as it knows the step at which the enrollment stands. Who waits at the
/// door will walk by the current one.
pub(super) fn program_of<'p>(programs: &'p Programs, enrollment: &Enrollment) -> Option<&'p Program> {
    if enrollment.is_paced() {
        let current = programs.current.as_ref();
        return current
            .or_else(|| programs.revisions.get(&enrollment.revision))
            .map(AsRef::as_ref);
    }
    let program = programs.revisions.get(&enrollment.revision)?;
    (!enrollment.is_active() || standing_at(program, enrollment).is_some()).then_some(program)
}

/// What is due by then, in its order: a wait may be over, and a condition may hold that it did not before.
pub(super) fn pass_due(programs: &Programs, enrollments: &mut [Enrollment], by: Micros, round: &mut Round<'_>) {
    let due = |each: &&mut Enrollment| each.due_at().is_some_and(|due| due <= by);
    for enrollment in enrollments.iter_mut().filter(due) {
        // A look is planned again for later than now, so the second time is the wait's end.
        pass_time(programs, enrollment, round);
        if enrollment.due_at().is_some_and(|due| due <= by) {
            pass_time(programs, enrollment, round);
        }
    }
}

fn pass_time(programs: &Programs, enrollment: &mut Enrollment, round: &mut Round<'_>) {
    let suspended = programs.current.as_ref().is_some_and(|current| current.suspended);
    if suspended || enrollment.due_at().is_none_or(|due| due > round.now) {
        return;
    }
    let looks = enrollment
        .look_at
        .is_some_and(|look| enrollment.wait_ends().is_none_or(|end| look <= end));
    match program_of(programs, enrollment) {
        Some(program) if looks => {
            if let Some(did) = Walk::new(program, enrollment, round).look(None) {
                round.count(Count::Noticed(did));
            }
        }
        Some(program) => Walk::new(program, enrollment, round).time(),
        None => stay(enrollment, Coming::Time, round.now),
    }
}

fn learn_outcome(
    programs: &Programs,
    enrollment: &mut Enrollment,
    step: &str,
    occurrence: u32,
    told: Told<'_>,
    round: &mut Round<'_>,
) {
    let expected = match &enrollment.standing {
        Standing::Sending {
            step: at,
            occurrence: times,
            ..
        } => at == step && *times == occurrence,
        Standing::Waiting { .. } | Standing::Ended { .. } | Standing::Paced { .. } => false,
    };
    if !expected {
        return;
    }
    match program_of(programs, enrollment) {
        Some(program) => Walk::new(program, enrollment, round).outcome(told),
        None => stay(enrollment, Coming::Outcome(told), round.now),
    }
}

/// Exits, waits, triggers; goals in any case. Of all that the event did, what stands first in [`Disposition`] is said of it.
fn hear(
    programs: &Programs,
    enrollments: &mut Vec<Enrollment>,
    sequence: i64,
    event: &Event,
    round: &mut Round<'_>,
) -> Disposition {
    pass_due(programs, enrollments, event.accepted_at, round);
    if event.name == LEFT {
        return leave(enrollments, round);
    }
    let mut keys = Keys::default();
    let mut did: Option<Disposition> = None;
    let mut reached = Reached::default();
    let mut turned_away = Vec::new();
    for enrollment in enrollments.iter_mut().filter(|each| each.ordinal != sequence) {
        if event
            .about
            .as_ref()
            .is_some_and(|about| about.enrollment != enrollment.ordinal)
        {
            continue;
        }
        let was_active = enrollment.is_active();
        let Some(program) = program_of(programs, enrollment) else {
            reached.lost |= was_active;
            reached
                .active
                .extend(was_active.then(|| enrollment.key.expose().clone()));
            continue;
        };
        if !concerns(program, enrollment, event, &mut keys, round) {
            continue;
        }
        reached
            .active
            .extend(was_active.then(|| enrollment.key.expose().clone()));
        let ordinal = enrollment.ordinal;
        let walk = Walk::new(program, enrollment, round);
        let effect = if walk.enrollment.is_paced() {
            let exits = entry::exit_holds(walk.program, walk.enrollment, event, walk.round);
            exits.then(|| {
                turned_away.push(ordinal);
                Disposition::Exited
            })
        } else {
            touch(walk, event)
        };
        did = match (did, effect) {
            (Some(before), Some(now)) => Some(before.min(now)),
            (before, now) => before.or(now),
        };
    }
    turn_away(enrollments, &turned_away, round);
    let admission = admit(programs, enrollments, sequence, event, &reached, &mut keys, round);
    match admission {
        Ok(came) => did.map_or(came, |did| did.min(came)),
        Err(why) => did.unwrap_or(Disposition::Ignored(why)),
    }
}

/// Those at the door for whom an exit holds wait no longer.
pub(super) fn turn_away(enrollments: &mut Vec<Enrollment>, ordinals: &[i64], round: &mut Round<'_>) {
    for ordinal in ordinals {
        enrollments.retain(|each| each.ordinal != *ordinal);
        round.count(Count::Admitted(Disposition::Ignored(Ignored::ExitHolds)));
    }
}

/// The customer's own hand takes them out at once, wherever they stand, also where the program is not there or the journey is suspended, and
/// out of the line at the door.
pub(super) fn leave(enrollments: &mut Vec<Enrollment>, round: &mut Round<'_>) -> Disposition {
    let mut any = false;
    for enrollment in enrollments.iter_mut().filter(|each| each.is_active()) {
        if enrollment.is_paced() {
            round.count(Count::Admitted(Disposition::Ignored(Ignored::OptedOut)));
        } else {
            take_out(enrollment, Ending::OptedOut, round);
        }
        any = true;
    }
    enrollments.retain(|each| !each.is_paced());
    if any {
        Disposition::Exited
    } else {
        Disposition::Ignored(Ignored::NotIn)
    }
}

/// Who was there before the event, among those it reached.
#[derive(Default)]
pub(super) struct Reached {
    /// Keys of those that were active.
    pub active: Vec<String>,
    /// Whether the program of one of them is not there.
    pub lost: bool,
}

/// Keys of one event by revision: each is evaluated once.
#[derive(Default)]
pub(super) struct Keys(BTreeMap<String, Option<String>>);

impl Keys {
    /// The event's value of entry.key; None: it has none.
    pub(super) fn of(&mut self, program: &Program, event: &Event, round: &mut Round<'_>) -> Option<String> {
        let key = program.keys.get(&event.name)?;
        if let Some(known) = self.0.get(&program.revision) {
            return known.clone();
        }
        let value = Sight::of_trigger(program, round.customer_id, event, round.now).value(key);
        let key = match value {
            Ok(Json::String(text)) => Some(text).filter(|text| !text.is_empty()),
            Ok(Json::Number(number)) => Some(number.to_string()),
            Ok(Json::Bool(truth)) => Some(truth.to_string()),
            Ok(Json::Null | Json::Array(_) | Json::Object(_)) | Err(crate::expression::Fault::Missing) => None,
            Err(_) => {
                round.count(Count::Fault);
                None
            }
        };
        self.0.insert(program.revision.clone(), key.clone());
        key
    }
}

/// An event about a message reaches the enrollment that sent it; one with the key's value that key; any other all of the customer's.
fn concerns(program: &Program, enrollment: &Enrollment, event: &Event, keys: &mut Keys, round: &mut Round<'_>) -> bool {
    match &event.about {
        Some(about) => about.journey == program.journey && about.enrollment == enrollment.ordinal,
        None => {
            !program.keyed
                || keys
                    .of(program, event, round)
                    .is_none_or(|key| key == *enrollment.key.expose())
        }
    }
}

fn touch(mut walk: Walk<'_, '_, '_>, event: &Event) -> Option<Disposition> {
    // Goals come first so that they see the steps as the event found them.
    let goal = goal::reach(&mut walk, event).then_some(Disposition::GoalOnly);
    let counted = |walk: &Walk<'_, '_, '_>| walk.counted.then_some(Disposition::Ignored(Ignored::Counted));
    if !walk.enrollment.is_active() {
        return goal.or(counted(&walk));
    }
    let program = walk.program;
    for rule in &program.exits {
        if walk.matches(&rule.signal, event) && walk.is_enough(&rule.signal, Tally::Exit(&rule.name)) {
            walk.enrollment.hops = event.hops;
            walk.exit(rule.outcome);
            return Some(Disposition::Exited);
        }
    }
    if walk.signal(event) {
        return Some(Disposition::Advanced);
    }
    if event.about.is_some()
        && walk.is_sending()
        && program.awaits(&event.name)
        && walk.enrollment.kept.len() < MOST_KEPT
    {
        walk.enrollment.kept.push(event.clone());
        return Some(Disposition::Kept);
    }
    goal.or(counted(&walk))
}

/// Lets the customer in where a trigger of the current program takes the event. An event that found somebody in under the key never enters
/// that key, whatever it did there: it exits or enters, never both.
fn admit(
    programs: &Programs,
    enrollments: &mut Vec<Enrollment>,
    sequence: i64,
    event: &Event,
    reached: &Reached,
    keys: &mut Keys,
    round: &mut Round<'_>,
) -> Result<Disposition, Ignored> {
    let otherwise = |why| match (reached.lost, reached.active.is_empty()) {
        (true, _) => Ignored::NoProgram,
        (false, false) => Ignored::AlreadyIn,
        (false, true) => why,
    };
    if event.about.is_some() {
        return Err(otherwise(Ignored::NotIn));
    }
    let Some(current) = &programs.current else {
        return Err(otherwise(Ignored::NoProgram));
    };
    entry::opens(current, event, round).map_err(otherwise)?;
    let key = if current.keyed {
        keys.of(current, event, round).ok_or(Ignored::NoKey)?
    } else {
        String::new()
    };
    if reached.active.iter().any(|active| !current.keyed || *active == key) {
        return Err(otherwise(Ignored::AlreadyIn));
    }
    let admission = Admission {
        program: current,
        sequence,
        event,
        key,
    };
    entry::admit(admission, enrollments, round)
}

/// Lets the customer in because a trigger's condition has become true. There is no event, and so no key: the compiler asks for none.
pub(super) fn admit_by(
    programs: &Programs,
    enrollments: &mut Vec<Enrollment>,
    sequence: i64,
    event: &Event,
    reached: &Reached,
    round: &mut Round<'_>,
) -> Result<Disposition, Ignored> {
    let current = programs.current.as_ref().ok_or(Ignored::NoProgram)?;
    if reached.lost {
        return Err(Ignored::NoProgram);
    }
    if current.keyed {
        return Err(Ignored::NoKey);
    }
    if !reached.active.is_empty() {
        return Err(Ignored::AlreadyIn);
    }
    let admission = Admission {
        program: current,
        sequence,
        event,
        key: String::new(),
    };
    entry::admit(admission, enrollments, round)
}
