//! Goals: what is reached, and what is counted of it for the KPIs. Everything of a goal is counted as of the enrollment's entry, so that a window
//! over entries finds the same customers in all of it; what is counted by buckets goes by the day, which keeps the counts few.

use super::{
    program::Goal,
    state::{Action, Event},
    walk::{Tally, Walk},
};
use crate::{
    clock::{DAY, Micros},
    kpi::{self, Count},
};

/// The largest value of a goal: sums of them stay within 64 bits, millionths within a double's precision.
const MOST_VALUE: f64 = 1e12;
const MILLION: i64 = 1_000_000;

/// Once per enrollment, within the time from its entry, wherever it stands and also when it has ended. Whether any was reached.
pub(super) fn reach(walk: &mut Walk<'_, '_, '_>, event: &Event) -> bool {
    let mut any = false;
    if walk.enrollment.is_merged() {
        return any;
    }
    let program = walk.program;
    let entered_at = walk.enrollment.entered_at;
    for goal in &program.goals {
        if walk.enrollment.goals.contains_key(&goal.name) || event.accepted_at > entered_at.saturating_add(goal.within)
        {
            continue;
        }
        if !(walk.matches(&goal.signal, event) && walk.is_enough(&goal.signal, Tally::Goal(&goal.name))) {
            continue;
        }
        book(walk, goal, Some(event), event.accepted_at);
        any = true;
    }
    any
}

/// Writes down that a goal was reached, by an event or because its condition holds.
pub(super) fn book(walk: &mut Walk<'_, '_, '_>, goal: &Goal, event: Option<&Event>, at: Micros) {
    let entered_at = walk.enrollment.entered_at;
    let sight = match event {
        Some(event) => walk.signal_sight(event),
        None => walk.step_sight(),
    };
    let value = goal.value.as_ref().map(|value| sight.number(value));
    walk.enrollment.matches.goals.remove(&goal.name);
    walk.enrollment.goals.insert(goal.name.clone(), at);

    let goal = || goal.name.clone();
    let (hour, day) = (entered_at, entered_at.div_euclid(DAY) * DAY);
    let took = kpi::bucket(kpi::seconds(at.saturating_sub(entered_at)));
    count(walk, Count::Goal(goal()), 1, hour);
    if walk.enrollment.held_out {
        count(walk, Count::HeldOutGoal(goal()), 1, hour);
    }
    count(
        walk,
        Count::GoalTime {
            goal: goal(),
            bucket: took,
        },
        1,
        day,
    );
    match value {
        None => {}
        Some(Ok(value)) if value.abs() <= MOST_VALUE => {
            let millionths = (value * MILLION as f64).round() as i64;
            let bucket = kpi::bucket(millionths);
            count(walk, Count::GoalValued(goal()), 1, hour);
            count(walk, Count::GoalUnits(goal()), millionths.div_euclid(MILLION), hour);
            count(
                walk,
                Count::GoalMillionths(goal()),
                millionths.rem_euclid(MILLION),
                hour,
            );
            count(walk, Count::GoalValue { goal: goal(), bucket }, 1, day);
        }
        // It is reached all the same, and its value is not known.
        Some(Ok(_) | Err(_)) => walk.round.count(Count::Fault),
    }
}

fn count(walk: &mut Walk<'_, '_, '_>, count: Count, n: i64, at: Micros) {
    if n != 0 {
        walk.round.actions.push(Action::Count { count, n, at });
    }
}
