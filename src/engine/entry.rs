//! Who may come in (again), and how long one who has left must be remembered for that.

use super::{
    apply::Keys,
    chance,
    look::CHANGED,
    program::{ExitRule, Program},
    sight::Sight,
    state::{Disposition, Ending, Enrollment, Event, Ignored, JOINED, Standing},
    walk::{Round, Walk, enroll},
};
use crate::{
    clock::{DAY, Micros},
    kpi::Count,
    personal::Personal,
};

/// Events accepted in time are counted for goals even when they are applied this much later, say after an outage.
const LATE: Micros = DAY;

/// Journeys in a row that are entered without a wait: journeys that open each other must not go round for ever.
pub(super) const MOST_HOPS: u32 = 10;

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
    if enrollment.is_merged() {
        return counted.unwrap_or(at);
    }
    goals.chain(cooldown).chain(counted).fold(at, Micros::max)
}

/// A customer at the door: a trigger took the event, and nobody is in under the key.
pub(super) struct Admission<'a> {
    pub program: &'a Program,
    pub sequence: i64,
    pub event: &'a Event,
    pub key: String,
}

/// Lets in who may, or puts them at the door where the journey has a pace.
pub(super) fn admit(
    asked: Admission<'_>,
    enrollments: &mut Vec<Enrollment>,
    round: &mut Round<'_>,
) -> Result<Disposition, Ignored> {
    let mut enrollment = ask(&asked, enrollments, round)?;
    if asked.program.pace.is_some() {
        // The profile is left out: the customer is asked about as they are when their turn comes.
        let event = Event {
            profile: Default::default(),
            ..asked.event.clone()
        };
        enrollment.standing = Standing::Paced { event: Box::new(event) };
        enrollments.push(enrollment);
        return Ok(Disposition::Paced);
    }
    begin(asked.program, enrollment, enrollments, round);
    Ok(Disposition::Entered)
}

/// The turn of one who waits at the door has come. Everything is asked again, of the current program and of the customer as now: who may
/// not enter any more is gone, and the place is free for the next. While the journey is suspended nobody's turn comes.
pub(super) fn let_in(program: &Program, enrollments: &mut Vec<Enrollment>, ordinal: i64, round: &mut Round<'_>) {
    let Some(at) = enrollments.iter().position(|each| each.ordinal == ordinal) else {
        return;
    };
    let Standing::Paced { event } = &enrollments[at].standing else {
        return;
    };
    if program.suspended {
        return;
    }
    let event = Event {
        profile: Personal::new(round.attributes.clone().into_owned()),
        ..(**event).clone()
    };
    enrollments.remove(at);
    let came = let_in_now(program, enrollments, ordinal, &event, round);
    round.count(Count::Admitted(match came {
        Ok(()) => Disposition::Entered,
        Err(why) => Disposition::Ignored(why),
    }));
}

fn let_in_now(
    program: &Program,
    enrollments: &mut Vec<Enrollment>,
    sequence: i64,
    event: &Event,
    round: &mut Round<'_>,
) -> Result<(), Ignored> {
    opens(program, event, round)?;
    let key = if program.keyed {
        Keys::default().of(program, event, round).ok_or(Ignored::NoKey)?
    } else {
        String::new()
    };
    let is_in = |each: &Enrollment| each.is_active() && (!program.keyed || *each.key.expose() == key);
    if enrollments.iter().any(is_in) {
        return Err(Ignored::AlreadyIn);
    }
    let asked = Admission {
        program,
        sequence,
        event,
        key,
    };
    let enrollment = ask(&asked, enrollments, round)?;
    begin(program, enrollment, enrollments, round);
    // They stay in the order of their ordinals, and this one is older than who came after it.
    enrollments.sort_by_key(|each| each.ordinal);
    Ok(())
}

/// Whether a trigger takes the event. Nothing is asked of who comes by their own hand but that the journey is open to them.
pub(super) fn opens(program: &Program, event: &Event, round: &mut Round<'_>) -> Result<(), Ignored> {
    if event.name == JOINED {
        return program.joinable.then_some(()).ok_or(Ignored::NotIn);
    }
    if event.name == CHANGED {
        return condition_opens(program, event, round);
    }
    let mut triggers = program
        .triggers
        .iter()
        .filter(|trigger| trigger.hears(&event.name))
        .peekable();
    if triggers.peek().is_none() {
        return Err(Ignored::NotIn);
    }
    let sight = Sight::of_trigger(program, round.customer_id, event, round.now);
    let holds = triggers.any(|trigger| {
        let holds = sight.holds(trigger.when.as_ref());
        round.judge(holds)
    });
    holds.then_some(()).ok_or(Ignored::WhenFalse)
}

/// Who came to the door because a condition had become true may come in while one holds.
fn condition_opens(program: &Program, event: &Event, round: &mut Round<'_>) -> Result<(), Ignored> {
    let mut conditions = program.conditions().peekable();
    if conditions.peek().is_none() {
        return Err(Ignored::NotIn);
    }
    let sight = Sight::of_trigger(program, round.customer_id, event, round.now);
    let holds = conditions.any(|(_, when)| {
        let holds = sight.holds(Some(when));
        round.judge(holds)
    });
    holds.then_some(()).ok_or(Ignored::WhenFalse)
}

/// Whether an exit of the program takes the event of one who is not in yet: one that takes several matches has none before the entry.
pub(super) fn exit_holds(program: &Program, enrollment: &Enrollment, event: &Event, round: &mut Round<'_>) -> bool {
    let sight = Sight::of_signal(program, enrollment, round.customer_id, event, round.now);
    let at_once = |rule: &&ExitRule| {
        rule.signal.times <= 1 && (rule.signal.hears(&event.name) || rule.signal.condition().is_some())
    };
    let mut exits = program.exits.iter().filter(at_once);
    exits.any(|rule| {
        let holds = sight.holds(rule.signal.when.as_ref());
        round.judge(holds)
    })
}

/// Whether they may enter; then the enrollment at the door of its first step.
fn ask(asked: &Admission<'_>, enrollments: &[Enrollment], round: &mut Round<'_>) -> Result<Enrollment, Ignored> {
    let Admission {
        program,
        sequence,
        event,
        key,
    } = asked;
    if enrollments.iter().any(|each| each.ordinal == *sequence) {
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
    // Of a customer who was two before there are two series of entries: they add up, as far as they are remembered.
    let of_key = || {
        enrollments
            .iter()
            .filter(|each| each.key.expose() == key && !each.is_paced())
    };
    let counted = of_key().map(|each| each.entries).max().unwrap_or(0);
    let entries = counted.max(u32::try_from(of_key().count()).unwrap_or(u32::MAX));
    let left_at = of_key()
        .filter_map(|each| match each.standing {
            Standing::Ended { outcome, at } => (outcome != Ending::Merged).then_some(at),
            Standing::Waiting { .. } | Standing::Sending { .. } | Standing::Paced { .. } => None,
        })
        .max();
    let held_out = program
        .holdout
        .as_ref()
        .is_some_and(|holdout| chance::is_held_out(holdout, round.customer));
    let enrollment = enroll(
        program,
        *sequence,
        key.clone(),
        entries.saturating_add(1),
        event,
        held_out,
        round.now,
    );
    if exit_holds(program, &enrollment, event, round) {
        return Err(Ignored::ExitHolds);
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
    Ok(enrollment)
}

fn begin(program: &Program, mut enrollment: Enrollment, enrollments: &mut Vec<Enrollment>, round: &mut Round<'_>) {
    round.count(Count::Entered);
    if enrollment.held_out {
        round.count(Count::HeldOut);
    }
    Walk::new(program, &mut enrollment, round).begin();
    enrollments.push(enrollment);
}
