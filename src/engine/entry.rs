//! Who may come in (again), and how long one who has left must be remembered for that.

use super::{
    chance,
    program::{ExitRule, Program},
    sight::Sight,
    state::{Enrollment, Event, Ignored, Standing},
    walk::{Round, Walk, enroll},
};
use crate::{
    clock::{DAY, Micros},
    kpi::Count,
};

/// Events accepted in time are counted for goals even when they are applied this much later, say after an outage.
const LATE: Micros = DAY;

/// Journeys in a row that are entered without a wait: journeys that open each other must not go round for ever.
const MOST_HOPS: u32 = 10;

/// How long after it ended an enrollment counts towards reentry.max. Bounded, because as long as it is read its revision is kept too.
const COUNTED: Micros = 730 * DAY;

/// Until when an enrollment is to be read although it has ended, in microseconds: for goals, cooldown and reentry.max. `i64::MAX`: as long as
/// it is active. `program` is the enrollment's own revision.
pub fn watch_until(program: &Program, enrollment: &Enrollment) -> Micros {
    let Standing::Ended { at, .. } = enrollment.standing else {
        return Micros::MAX;
    };
    let open = program
        .goals
        .iter()
        .filter(|goal| !enrollment.goals.contains_key(&goal.name));
    let goals = open.map(|goal| enrollment.entered_at.saturating_add(goal.within).saturating_add(LATE));
    let cooldown = program.reentry.cooldown.map(|cooldown| at.saturating_add(cooldown));
    let counted = program.reentry.max.map(|_| at.saturating_add(COUNTED));
    goals.chain(cooldown).chain(counted).fold(at, Micros::max)
}

/// A customer at the door: a trigger took the event, and nobody is in under the key.
pub(super) struct Admission<'a> {
    pub program: &'a Program,
    pub sequence: i64,
    pub event: &'a Event,
    pub key: String,
}

pub(super) fn admit(
    asked: Admission<'_>,
    enrollments: &mut Vec<Enrollment>,
    round: &mut Round<'_>,
) -> Result<(), Ignored> {
    let Admission {
        program,
        sequence,
        event,
        key,
    } = asked;
    if enrollments.iter().any(|each| each.ordinal == sequence) {
        return Err(Ignored::AlreadyIn);
    }
    if round.opted_out {
        return Err(Ignored::OptedOut);
    }
    if program.suspended {
        return Err(Ignored::Suspended);
    }
    if event.hops > MOST_HOPS {
        return Err(Ignored::ChainTooLong);
    }
    let last = enrollments
        .iter()
        .filter(|each| *each.key.expose() == key)
        .max_by_key(|each| each.ordinal);
    let entries = last.map_or(0, |last| last.entries);
    let left_at = last.and_then(|last| match last.standing {
        Standing::Ended { at, .. } => Some(at),
        Standing::Waiting { .. } | Standing::Sending { .. } => None,
    });
    let held_out = program
        .holdout
        .as_ref()
        .is_some_and(|holdout| chance::is_held_out(holdout, round.customer));
    let mut enrollment = enroll(
        program,
        sequence,
        key,
        entries.saturating_add(1),
        event,
        held_out,
        round.now,
    );
    let sight = Sight::of_signal(program, &enrollment, round.customer_id, event, round.now);
    // The event that opens an enrollment never counts in it: an exit that takes several matches has none yet.
    let at_once = |rule: &&ExitRule| rule.signal.times <= 1 && rule.signal.event == event.name;
    for rule in program.exits.iter().filter(at_once) {
        let holds = sight.holds(rule.signal.when.as_ref());
        if round.judge(holds) {
            return Err(Ignored::ExitHolds);
        }
    }
    if left_at
        .zip(program.reentry.cooldown)
        .is_some_and(|(at, cooldown)| round.now < at.saturating_add(cooldown))
    {
        return Err(Ignored::Cooldown);
    }
    if program.reentry.max.is_some_and(|max| entries >= max) {
        return Err(Ignored::MaxEntries);
    }
    round.count(Count::Entered);
    if held_out {
        round.count(Count::HeldOut);
    }
    Walk::new(program, &mut enrollment, round).begin();
    enrollments.push(enrollment);
    Ok(())
}
