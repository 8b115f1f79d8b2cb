//! Who comes in, and who does not.

use super::*;

fn keyed() -> Draft {
    Draft {
        keys: vec![("cart-updated", "event.cart"), ("order-placed", "event.cart")],
        ..cart()
    }
}

fn filled(cart: &str) -> Json {
    json!({"cart": cart, "items": 1})
}

#[test]
fn a_trigger_opens_an_enrollment_named_by_the_event() {
    let mut world = World::new(cart());
    assert_eq!(world.hear("cart-updated", json!({"items": 2})), Disposition::Entered);
    let enrollment = &world.enrollments[0];
    assert_eq!(
        (enrollment.ordinal, enrollment.entries, enrollment.entered_at),
        (1, 1, START)
    );
    assert_eq!(enrollment.entry.expose()["items"], 2);
    assert_eq!(enrollment.entry.expose()["id"], "e1");
    assert_eq!(enrollment.entry.expose()["time"], "2026-03-02T10:00:00Z");
    assert_eq!(
        enrollment.standing,
        Standing::Waiting {
            step: "pause".into(),
            since: START,
            until: Some(START + HOUR)
        }
    );
    assert_eq!(
        (
            world.counted(&Count::Entered),
            world.counted(&Count::Step("pause".into()))
        ),
        (1, 1)
    );
}

#[test]
fn what_no_trigger_takes_is_ignored_with_the_reason() {
    let mut world = World::new(cart());
    assert_eq!(
        world.hear("cart-updated", json!({"items": 0})),
        ignored(Ignored::WhenFalse)
    );
    assert_eq!(
        world.hear("cart-updated", json!({})),
        ignored(Ignored::WhenFalse),
        "what is missing is no"
    );
    assert_eq!(
        world.hear("order-placed", json!({"total": 1.0})),
        ignored(Ignored::NotIn)
    );
    assert!(world.enrollments.is_empty());
    assert!(world.actions.is_empty());
}

#[test]
fn one_enrollment_at_a_time_without_a_key() {
    let mut world = World::new(Draft {
        triggers: vec![("signed-up", "")],
        ..cart()
    });
    assert_eq!(world.hear("signed-up", json!({})), Disposition::Entered);
    assert_eq!(world.hear("signed-up", json!({})), ignored(Ignored::AlreadyIn));
    assert_eq!(
        world.hear("looked", json!({})),
        ignored(Ignored::AlreadyIn),
        "nobody takes it, and somebody is in"
    );
    assert_eq!(world.enrollments.len(), 1);
}

#[test]
fn one_enrollment_for_each_key() {
    let mut world = World::new(keyed());
    assert_eq!(world.hear("cart-updated", filled("a")), Disposition::Entered);
    assert_eq!(world.hear("cart-updated", filled("b")), Disposition::Entered);
    assert_eq!(
        world.hear("cart-updated", filled("a")),
        Disposition::Advanced,
        "the wait is restarted by its own cart alone"
    );
    assert_eq!(
        world
            .enrollments
            .iter()
            .map(|each| each.key.expose().as_str())
            .collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert_eq!(
        world
            .enrollments
            .iter()
            .map(|each| each.steps["pause"].count)
            .collect::<Vec<_>>(),
        [2, 1]
    );
}

#[test]
fn an_event_with_the_key_reaches_that_enrollment_and_one_without_reaches_all() {
    let mut world = World::new(keyed());
    world.hear("cart-updated", filled("a"));
    world.hear("cart-updated", filled("b"));
    assert_eq!(
        world.hear("order-placed", json!({"cart": "b", "total": 5.0})),
        Disposition::Exited
    );
    assert_eq!(
        world.enrollments.iter().map(stands).collect::<Vec<_>>(),
        ["waiting in pause", "Converted"]
    );
    world.hear("cart-updated", filled("c"));
    assert_eq!(world.hear("order-placed", json!({"total": 5.0})), Disposition::Exited);
    assert_eq!(
        world.enrollments.iter().map(stands).collect::<Vec<_>>(),
        ["Converted", "Converted", "Converted"]
    );
}

#[test]
fn no_value_for_the_key_opens_nothing() {
    let mut world = World::new(keyed());
    assert_eq!(world.hear("cart-updated", json!({"items": 1})), ignored(Ignored::NoKey));
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1, "cart": null})),
        ignored(Ignored::NoKey)
    );
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1, "cart": ""})),
        ignored(Ignored::NoKey)
    );
    assert!(world.enrollments.is_empty());
}

#[test]
fn a_key_may_be_a_number() {
    let mut world = World::new(Draft {
        keys: vec![("cart-updated", "event.items")],
        ..cart()
    });
    world.hear("cart-updated", json!({"items": 7}));
    assert_eq!(world.enrollments[0].key.expose(), "7");
}

#[test]
fn an_exit_that_holds_at_entry_keeps_the_customer_out() {
    let mut world = World::new(Draft {
        exits: vec![("cart-updated", "event.total > 100.0", Ending::Disqualified)],
        ..cart()
    });
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1, "total": 200.0})),
        ignored(Ignored::ExitHolds)
    );
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1, "total": 10.0})),
        Disposition::Entered
    );
}

#[test]
fn the_opening_event_counts_for_nothing_else_in_its_enrollment() {
    let mut world = World::new(Draft {
        triggers: vec![("order-placed", "")],
        exits: vec![],
        steps: vec![
            ("again", Do::Wait(None, vec![("order-placed", "", "done")]), ""),
            ("done", Do::Exit(Ending::Completed), ""),
        ],
        ..cart()
    });
    assert_eq!(world.hear("order-placed", json!({})), Disposition::Entered);
    assert_eq!(world.stands(), "waiting in again");
    assert!(world.enrollments[0].goals.is_empty());
    assert_eq!(world.hear("order-placed", json!({})), Disposition::Advanced);
    assert!(world.enrollments[0].goals.contains_key("bought"));
}

#[test]
fn the_same_event_again_does_nothing() {
    let mut world = World::new(Draft {
        exits: vec![("cart-updated", "event.items == 1", Ending::Failed)],
        ..cart()
    });
    let event = world.event_of("cart-updated", json!({"items": 2}));
    let input = Input::Event { sequence: 1, event };
    assert_eq!(world.apply(&input).disposition, Some(Disposition::Entered));
    let before = world.enrollments.clone();
    let again = world.apply(&input);
    assert_eq!(
        (again.disposition, again.actions),
        (Some(ignored(Ignored::AlreadyIn)), vec![])
    );
    assert_eq!(world.enrollments, before);
}

#[test]
fn an_event_exits_or_enters_never_both() {
    let mut world = World::new(Draft {
        triggers: vec![("order-placed", "")],
        exits: vec![("order-placed", "event.total > 0.0", Ending::Converted)],
        ..cart()
    });
    assert_eq!(world.hear("order-placed", json!({"total": 0.0})), Disposition::Entered);
    assert_eq!(world.hear("order-placed", json!({"total": 9.0})), Disposition::Exited);
    assert_eq!(world.enrollments.len(), 1);
}

#[test]
fn an_event_that_walks_the_customer_out_does_not_let_them_in_again() {
    let mut world = World::new(Draft {
        triggers: vec![("ping", "")],
        steps: vec![
            ("wait", Do::Wait(None, vec![("ping", "", "done")]), ""),
            ("done", Do::Exit(Ending::Completed), ""),
        ],
        ..Draft::default()
    });
    assert_eq!(world.hear("ping", json!({})), Disposition::Entered);
    assert_eq!(world.hear("ping", json!({})), Disposition::Advanced);
    assert_eq!((world.enrollments.len(), world.stands()), (1, "Completed".to_owned()));
    assert_eq!(world.hear("ping", json!({})), Disposition::Entered);
}

#[test]
fn reentry_waits_for_the_cooldown_and_ends_with_the_maximum() {
    let reentry = Reentry {
        cooldown: Some(DAY),
        max: Some(2),
    };
    let mut world = World::new(Draft { reentry, ..cart() });
    world.hear("cart-updated", json!({"items": 1}));
    world.hear("order-placed", json!({"total": 1.0}));
    world.pass(DAY - 1);
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1})),
        ignored(Ignored::Cooldown)
    );
    world.pass(1);
    assert_eq!(world.hear("cart-updated", json!({"items": 1})), Disposition::Entered);
    assert_eq!(world.enrollments[1].entries, 2);
    world.hear("order-placed", json!({"total": 1.0}));
    world.pass(30 * DAY);
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1})),
        ignored(Ignored::MaxEntries)
    );
}

#[test]
fn the_maximum_is_counted_for_each_key() {
    let mut world = World::new(Draft {
        reentry: Reentry {
            cooldown: None,
            max: Some(1),
        },
        ..keyed()
    });
    world.hear("cart-updated", filled("a"));
    world.hear("order-placed", json!({"cart": "a", "total": 1.0}));
    assert_eq!(world.hear("cart-updated", filled("a")), ignored(Ignored::MaxEntries));
    assert_eq!(world.hear("cart-updated", filled("b")), Disposition::Entered);
}

#[test]
fn nobody_enters_a_suspended_journey_and_nobody_one_without_a_program() {
    let mut world = World::new(Draft {
        suspended: true,
        ..cart()
    });
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1})),
        ignored(Ignored::Suspended)
    );
    assert_eq!(
        world.hear("cart-updated", json!({"items": 0})),
        ignored(Ignored::WhenFalse)
    );
    world.programs.current = None;
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1})),
        ignored(Ignored::NoProgram)
    );
}

#[test]
fn an_event_about_a_message_opens_nothing() {
    let mut world = World::new(Draft {
        triggers: vec![("mail/clicked", "")],
        ..cart()
    });
    assert_eq!(
        world.hear_about("mail/clicked", "remind", json!({})),
        ignored(Ignored::NotIn)
    );
}

#[test]
fn what_has_ended_is_watched_as_long_as_it_can_matter() {
    let watched = |reentry, goals| {
        let mut world = World::new(Draft {
            reentry,
            goals,
            ..cart()
        });
        world.hear("cart-updated", json!({"items": 1}));
        let program = world.programs.current.clone().unwrap();
        assert_eq!(
            super::super::watch_until(&program, &world.enrollments[0]),
            Micros::MAX,
            "who is in is always read"
        );
        world.hear("order-placed", json!({"total": 1.0}));
        super::super::watch_until(&program, &world.enrollments[0])
    };
    let cooldown = Reentry {
        cooldown: Some(30 * DAY),
        max: None,
    };
    assert_eq!(watched(Reentry::default(), vec![]), START, "nothing to wait for");
    assert_eq!(
        watched(Reentry::default(), vec![("bought", "order-placed", "", 7 * DAY)]),
        START,
        "its goal is reached"
    );
    assert!(watched(Reentry::default(), vec![("back", "returned", "", 7 * DAY)]) >= START + 7 * DAY);
    assert_eq!(watched(cooldown, vec![]), START + 30 * DAY);
    assert_eq!(
        watched(
            Reentry {
                max: Some(3),
                ..cooldown
            },
            vec![]
        ),
        START + 730 * DAY,
        "not for ever: its revision is kept as long"
    );
}

#[test]
fn who_is_held_out_walks_and_is_counted_on_their_side_also_when_the_holdout_changes() {
    let everyone = |share| {
        let holdout = Holdout {
            salt: "holdout:shop/journey:cart".into(),
            share,
        };
        Draft {
            holdout: Some(holdout),
            ..cart()
        }
    };
    let mut world = World::new(everyone(1_000_000));
    world.hear("cart-updated", json!({"items": 1}));
    assert!(world.enrollments[0].held_out);
    assert_eq!((world.counted(&Count::Entered), world.counted(&Count::HeldOut)), (1, 1));
    world.pass(HOUR);
    assert_eq!(
        world.stands(),
        "sending remind",
        "what they do not get is the policy's to say"
    );
    world.programs = programs(everyone(0).compile(), []);
    world.hear("order-placed", json!({"items": 1, "total": 5.0}));
    let goals = [Count::Goal("bought".into()), Count::HeldOutGoal("bought".into())];
    assert_eq!(goals.map(|goal| world.counted(&goal)), [1, 1]);

    let mut world = World::new(everyone(0));
    world.hear("cart-updated", json!({"items": 1}));
    assert!(!world.enrollments[0].held_out);
    world.hear("order-placed", json!({"items": 1, "total": 5.0}));
    assert_eq!(world.counted(&Count::HeldOut), 0);
    assert_eq!(world.counted(&Count::HeldOutGoal("bought".into())), 0);
}
