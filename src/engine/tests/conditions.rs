//! Signals without an event: when they are noticed, by what, and that they are noticed once.

use super::*;

/// Who has more than three points waits for more than five.
fn points() -> Draft {
    Draft {
        triggers: vec![("", "customer.points > 3")],
        steps: vec![
            (
                "look",
                Do::Wait(Some(DAY), vec![("", "customer.points > 5", "rich")]),
                "done",
            ),
            ("rich", Do::Exit(Ending::Converted), ""),
            ("done", Do::Exit(Ending::Completed), ""),
        ],
        ..Draft::default()
    }
}

fn seen_at(at: Micros) -> Json {
    let seen = Type::Instant;
    json!({"seen": expression::Val::Instant(at).to_json(&seen).unwrap()})
}

#[test]
fn a_trigger_fires_when_its_condition_becomes_true_and_not_again_before_it_was_false() {
    let mut world = World::new(points());
    assert_eq!(world.learn(json!({"points": 3})), ignored(Ignored::Unchanged));
    assert_eq!(world.learn(json!({"points": 4})), Disposition::Entered);
    assert_eq!(world.stands(), "waiting in look");
    assert_eq!(
        world.enrollments[0].entry.expose(),
        &Properties::new(),
        "no event opened it"
    );
    world.pass(2 * DAY);
    assert_eq!(world.stands(), "Completed");
    assert_eq!(
        world.learn(json!({"points": 5})),
        ignored(Ignored::Unchanged),
        "it held all the time"
    );
    assert_eq!(world.learn(json!({"points": 0})), ignored(Ignored::Unchanged));
    assert!(world.sighting.is_blank(), "nothing is to be remembered");
    assert_eq!(world.learn(json!({"points": 4})), Disposition::Entered);
    assert_eq!(world.counted(&Count::Entered), 2);
}

#[test]
fn the_first_sight_of_a_customer_counts_as_becoming() {
    let mut world = World::new(points());
    world.customer.attributes = object(json!({"points": 9})).into();
    assert_eq!(world.look(false), Disposition::Entered);
    assert_eq!(world.stands(), "Converted", "the wait's condition holds already");
    assert_eq!(world.look(false), ignored(Ignored::Unchanged));
}

#[test]
fn a_trigger_that_fires_in_vain_has_fired() {
    let mut world = World::new(Draft {
        suspended: true,
        ..points()
    });
    assert_eq!(world.learn(json!({"points": 4})), ignored(Ignored::Suspended));
    world.programs = programs(points().compile(), []);
    assert_eq!(world.learn(json!({"points": 5})), ignored(Ignored::Unchanged));
    world.learn(json!({"points": 1}));
    assert_eq!(world.learn(json!({"points": 4})), Disposition::Entered);
    world.learn(json!({"points": 1}));
    assert_eq!(world.learn(json!({"points": 4})), ignored(Ignored::AlreadyIn));

    let mut world = World::new(Draft {
        reentry: Reentry {
            max: Some(1),
            cooldown: None,
        },
        exits: vec![("", "customer.vip", Ending::Disqualified)],
        ..points()
    });
    assert_eq!(
        world.learn(json!({"points": 4, "vip": true})),
        ignored(Ignored::ExitHolds)
    );
    world.learn(json!({"points": 1, "vip": false}));
    assert_eq!(world.learn(json!({"points": 4})), Disposition::Entered);
    assert_eq!(world.learn(json!({"vip": true})), Disposition::Exited);
    world.learn(json!({"points": 1, "vip": false}));
    assert_eq!(world.learn(json!({"points": 4})), ignored(Ignored::MaxEntries));
}

#[test]
fn time_fires_a_trigger_at_the_instant_at_which_it_becomes_true() {
    let mut world = World::new(Draft {
        triggers: vec![("", "now - customer.seen > days(3)")],
        steps: vec![("wait", Do::Wait(Some(DAY), vec![]), "")],
        ..Draft::default()
    });
    assert_eq!(world.learn(seen_at(START)), ignored(Ignored::Unchanged));
    assert_eq!(world.sighting.look_at, Some(START + 3 * DAY + 1));
    world.pass(3 * DAY);
    assert!(world.enrollments.is_empty());
    world.pass(1);
    assert_eq!(world.enrollments[0].entered_at, START + 3 * DAY + 1);
    assert_eq!(world.sighting.look_at, None, "time changes it no more");
    // Seen again: it is false, and becomes true once more.
    world.pass(2 * DAY);
    let now = world.now;
    assert_eq!(world.learn(seen_at(now)), ignored(Ignored::Unchanged));
    world.pass(4 * DAY);
    assert_eq!(world.counted(&Count::Entered), 2);
}

#[test]
fn an_exit_is_noticed_wherever_the_customer_stands_and_before_a_step_does_anything() {
    let draft = |exit| Draft {
        triggers: vec![("go", "")],
        steps: vec![
            ("first", Do::Send("mail", vec![], ""), ""),
            (
                "count",
                Do::Set(vec![("points", "has(steps.first.count) ? steps.first.count * 9 : 0")]),
                "",
            ),
            ("second", Do::Send("mail", vec![], ""), "first"),
        ],
        exits: vec![("", exit, Ending::Disqualified)],
        ..Draft::default()
    };
    let mut world = World::new(draft("customer.points > 3"));
    world.hear("go", json!({}));
    assert_eq!(
        world.learn(json!({"points": 4})),
        Disposition::Exited,
        "while a message is on its way"
    );
    assert_eq!((world.withdrawals(), world.stands()), (1, "Disqualified".to_owned()));

    let mut world = World::new(draft("customer.points == 9"));
    world.hear("go", json!({}));
    world.outcome(Outcome::Sent);
    assert_eq!(
        world.stands(),
        "Disqualified",
        "what a step sets is seen before the next one"
    );
    assert_eq!(world.sends().len(), 1);

    let mut world = World::new(draft("steps.first.count > 2"));
    world.hear("go", json!({}));
    for _ in 0..4 {
        world.outcome(Outcome::Sent);
    }
    assert_eq!(world.stands(), "Disqualified");
    assert_eq!(
        world.sends().len(),
        4,
        "the fifth is not asked for: the exit is looked at on arrival"
    );
}

#[test]
fn a_wait_is_ended_by_time_through_a_condition_and_its_result_has_no_event() {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![
            (
                "listen",
                Do::Wait(
                    Some(5 * DAY),
                    vec![("", "now - customer.seen >= days(2)", "gone"), ("ping", "", "there")],
                ),
                "there",
            ),
            (
                "gone",
                Do::Branch(vec![("has(steps.listen.event)", "there")], "lost"),
                "",
            ),
            ("lost", Do::Exit(Ending::Disqualified), ""),
            ("there", Do::Exit(Ending::Completed), ""),
        ],
        ..Draft::default()
    });
    world.customer.attributes = object(seen_at(START)).into();
    world.hear("go", json!({}));
    assert_eq!(world.enrollments[0].due_at(), Some(START + 2 * DAY));
    world.pass(DAY);
    // Seen again a day later: the look is put off.
    let now = world.now;
    assert_eq!(world.learn(seen_at(now)), ignored(Ignored::Unchanged));
    assert_eq!(world.enrollments[0].due_at(), Some(START + 3 * DAY));
    world.pass(2 * DAY);
    assert_eq!(world.stands(), "Disqualified");
    assert_eq!(world.counted(&Count::Noticed(Disposition::Advanced)), 1);
}

#[test]
fn a_goal_is_reached_once_within_its_time_also_after_the_exit_and_also_by_time() {
    let draft = |within| Draft {
        triggers: vec![("go", "")],
        steps: vec![("done", Do::Exit(Ending::Completed), "")],
        goals: vec![
            ("rich", "", "customer.points > 5", within),
            ("late", "", "now - customer.seen > days(1)", within),
        ],
        ..Draft::default()
    };
    let reached = |world: &World, name: &str| world.counted(&Count::Goal(name.into()));
    let mut world = World::new(draft(2 * DAY));
    world.customer.attributes = object(seen_at(START)).into();
    world.hear("go", json!({}));
    assert_eq!(
        world.enrollments[0].due_at(),
        Some(START + DAY + 1),
        "it has ended, and is looked at"
    );
    world.pass(2 * DAY);
    assert_eq!(reached(&world, "late"), 1);
    assert_eq!(world.learn(json!({"points": 6})), Disposition::GoalOnly);
    assert_eq!(world.learn(json!({"points": 7})), ignored(Ignored::Unchanged));
    assert_eq!(reached(&world, "rich"), 1);

    let mut world = World::new(draft(12 * HOUR));
    world.customer.attributes = object(seen_at(START)).into();
    world.customer.attributes.expose_mut().insert("points".into(), json!(9));
    world.hear("go", json!({}));
    assert_eq!(reached(&world, "rich"), 1, "it holds already");
    assert_eq!(world.enrollments[0].due_at(), None, "too late for the other");
    world.pass(3 * DAY);
    assert_eq!(reached(&world, "late"), 0);
}

#[test]
fn who_is_taken_out_by_a_change_does_not_come_in_by_it() {
    let mut world = World::new(Draft {
        exits: vec![("", "customer.points > 5", Ending::Converted)],
        ..points()
    });
    world.learn(json!({"points": 4}));
    world.programs = programs(
        Draft {
            triggers: vec![("", "customer.points > 6")],
            revision: "r2",
            ..points()
        }
        .compile(),
        [Draft {
            exits: vec![("", "customer.points > 5", Ending::Converted)],
            ..points()
        }
        .compile()],
    );
    assert_eq!(world.learn(json!({"points": 7})), Disposition::Exited);
    assert_eq!(world.enrollments.len(), 1);
    assert!(
        world.sighting.held.contains("customer.points > 6"),
        "and the new condition has been seen to hold"
    );
}

#[test]
fn a_look_that_time_owes_waits_for_a_program_that_is_away() {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![
            (
                "listen",
                Do::Wait(None, vec![("", "now - customer.seen >= days(2)", "gone")]),
                "",
            ),
            ("gone", Do::Exit(Ending::Disqualified), ""),
        ],
        ..Draft::default()
    });
    world.customer.attributes = object(seen_at(START)).into();
    world.hear("go", json!({}));
    let there = std::mem::take(&mut world.programs.revisions);
    world.pass(3 * DAY);
    assert_eq!(world.stands(), "waiting in listen");
    world.programs.revisions = there;
    world.pass(MINUTE);
    assert_eq!(world.stands(), "Disqualified");
}

#[test]
fn a_condition_brings_to_the_door_of_a_paced_journey_and_is_asked_again_when_the_turn_comes() {
    let paced = || Draft {
        pace: Some(Pace { at_most: 1, per: HOUR }),
        exits: vec![("", "customer.vip", Ending::Disqualified)],
        ..points()
    };
    let mut world = World::new(paced());
    assert_eq!(world.learn(json!({"points": 4})), Disposition::Paced);
    assert_eq!(
        world.enrollments[0].due_at(),
        None,
        "nobody looks at who waits at the door"
    );
    assert_eq!(world.learn(json!({"points": 5})), ignored(Ignored::Unchanged));
    world.apply(&Input::Admit { enrollment: 1 });
    assert_eq!(world.stands(), "waiting in look");
    assert_eq!(world.enrollments[0].entry.expose(), &Properties::new());

    let turned_away = |why| Count::Admitted(Disposition::Ignored(why));
    let mut world = World::new(paced());
    world.learn(json!({"points": 4}));
    world.learn(json!({"points": 1}));
    world.apply(&Input::Admit { enrollment: 1 });
    assert!(world.enrollments.is_empty());
    assert_eq!(world.counted(&turned_away(Ignored::WhenFalse)), 1);

    let mut world = World::new(paced());
    world.learn(json!({"points": 4}));
    assert_eq!(
        world.learn(json!({"vip": true})),
        Disposition::Exited,
        "an exit holds for who waits"
    );
    assert!(world.enrollments.is_empty());
    assert_eq!(world.counted(&turned_away(Ignored::ExitHolds)), 1);
}
