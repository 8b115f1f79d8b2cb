//! What is counted of a goal.

use super::*;

fn world(goal: &'static str) -> World {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![("rest", Do::Wait(None, vec![]), "")],
        goals: vec![(goal, "order-placed", "", 30 * DAY)],
        ..Draft::default()
    });
    world.hear("go", json!({"items": 1}));
    world
}

/// Of the counts that a goal made: name, number, and how long after the entry's day began.
fn figures(world: &World) -> Vec<(String, i64, Micros)> {
    let counted = world.actions.iter().filter_map(|action| match action {
        Action::Count { count, n, at } => Some((count.name(), *n, *at - START.div_euclid(DAY) * DAY)),
        Action::Send { .. }
        | Action::Withdraw { .. }
        | Action::Set { .. }
        | Action::Arrived { .. }
        | Action::Sighted(_) => None,
    });
    counted
        .filter(|(name, ..)| name.starts_with("goal") || name == "fault")
        .collect()
}

#[test]
fn a_goal_counts_its_time_by_the_day_of_the_entry() {
    let mut world = world("bought");
    world.pass(2 * DAY + 90 * MINUTE);
    assert_eq!(world.hear("order-placed", json!({"items": 1})), Disposition::GoalOnly);
    let bucket = crate::kpi::bucket(2 * 86_400 + 5_400);
    assert_eq!(
        figures(&world),
        [
            ("goal:bought".into(), 1, 10 * HOUR),
            (format!("goal-time:bought:{bucket}"), 1, 0),
        ]
    );
    world.hear("order-placed", json!({"items": 1}));
    assert_eq!(figures(&world).len(), 2, "once per enrollment");
}

#[test]
fn a_value_is_counted_in_units_and_millionths() {
    for (total, units, millionths) in [(49.9, 49, 900_000), (-0.25, -1, 750_000), (3.0, 3, 0)] {
        let mut world = world("bought = has(event.total) ? event.total : 0.0");
        world.hear("order-placed", json!({"items": 1, "total": total}));
        let of = |name: &str| {
            figures(&world)
                .iter()
                .filter(|(each, ..)| each == name)
                .map(|(_, n, _)| *n)
                .sum::<i64>()
        };
        assert_eq!((of("goal:bought"), of("goal-valued:bought")), (1, 1));
        assert_eq!(
            (of("goal-units:bought"), of("goal-millionths:bought")),
            (units, millionths),
            "{total}"
        );
        let bucket = crate::kpi::bucket(units * 1_000_000 + millionths);
        assert_eq!(of(&format!("goal-value:bought:{bucket}")), 1);
    }
}

#[test]
fn a_value_that_is_not_known_leaves_the_goal_reached() {
    for goal in ["bought = 1 / (event.items - 1)", "bought = 1e13"] {
        let mut world = world(goal);
        assert_eq!(world.hear("order-placed", json!({"items": 1})), Disposition::GoalOnly);
        let names: Vec<String> = figures(&world).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["goal:bought", "goal-time:bought:0", "fault"], "{goal}");
    }
}
