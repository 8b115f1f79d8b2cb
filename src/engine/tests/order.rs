//! Exits first, then waits, then triggers; goals always.

use super::*;

fn in_the_pause() -> World {
    let mut world = World::new(cart());
    assert_eq!(world.hear("cart-updated", json!({"items": 1})), Disposition::Entered);
    world
}

fn sending() -> World {
    let mut world = in_the_pause();
    world.pass(HOUR);
    assert_eq!(world.stands(), "sending remind");
    world
}

#[test]
fn an_exit_comes_before_a_wait_for_the_same_event() {
    let mut world = World::new(Draft {
        exits: vec![("cart-updated", "event.items == 0", Ending::Disqualified)],
        ..cart()
    });
    world.hear("cart-updated", json!({"items": 1}));
    assert_eq!(world.hear("cart-updated", json!({"items": 2})), Disposition::Advanced);
    assert_eq!(world.hear("cart-updated", json!({"items": 0})), Disposition::Exited);
    assert_eq!(world.stands(), "Disqualified");
    assert_eq!(world.counted(&Count::Ended(Ending::Disqualified)), 1);
}

#[test]
fn the_first_exit_that_holds_names_the_outcome() {
    let exits = vec![
        ("order-placed", "event.total > 100.0", Ending::Completed),
        ("order-placed", "", Ending::Converted),
    ];
    for (total, outcome) in [(200.0, "Completed"), (5.0, "Converted")] {
        let mut world = World::new(Draft {
            exits: exits.clone(),
            ..cart()
        });
        world.hear("cart-updated", json!({"items": 1}));
        world.hear("order-placed", json!({"total": total}));
        assert_eq!(world.stands(), outcome);
    }
}

#[test]
fn an_exit_takes_a_message_back_that_has_not_gone() {
    let mut world = sending();
    assert_eq!(world.hear("order-placed", json!({"total": 1.0})), Disposition::Exited);
    assert_eq!((world.stands().as_str(), world.withdrawals()), ("Converted", 1));
    let after = world.enrollments.clone();
    let late = Input::Outcome {
        enrollment: 1,
        step: "remind".into(),
        occurrence: 1,
        outcome: Outcome::Sent,
    };
    assert_eq!(
        world.apply(&late),
        Turn {
            actions: vec![],
            disposition: None
        },
        "the outcome of a message in flight moves nobody"
    );
    assert_eq!(world.enrollments, after);
}

#[test]
fn while_a_message_is_on_its_way_only_exits_and_goals_look() {
    let mut world = sending();
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1})),
        ignored(Ignored::AlreadyIn)
    );
    assert_eq!(world.hear("order-placed", json!({"total": 0.0})), Disposition::GoalOnly);
    assert_eq!(world.stands(), "sending remind");
}

#[test]
fn a_click_that_comes_before_the_outcome_is_kept_for_the_next_wait() {
    let mut world = sending();
    assert_eq!(world.hear_about("mail/clicked", "remind", json!({})), Disposition::Kept);
    world.outcome(Outcome::Sent);
    assert_eq!(world.stands(), "Completed");
    assert_eq!(world.customer.attributes.expose()["tier"], "clicked");
    assert_eq!(world.result("look").event.expose()["id"], "e2");
}

#[test]
fn what_no_wait_listens_to_is_not_kept() {
    let mut world = sending();
    assert_eq!(
        world.hear_about("mail/sent", "remind", json!({})),
        ignored(Ignored::AlreadyIn)
    );
    assert!(world.enrollments[0].kept.is_empty());
}

#[test]
fn a_wait_takes_the_oldest_kept_event_and_leaves_the_later_ones_to_the_next_wait() {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![
            ("ask", Do::Send("mail", vec![], ""), ""),
            (
                "first",
                Do::Wait(Some(DAY), vec![("mail/clicked", "event.items == 2", "second")]),
                "leave",
            ),
            (
                "second",
                Do::Wait(
                    Some(DAY),
                    vec![
                        ("mail/clicked", "event.items == 1", "wrong"),
                        ("mail/clicked", "event.items == 3", "leave"),
                    ],
                ),
                "leave",
            ),
            ("wrong", Do::Exit(Ending::Failed), ""),
            ("leave", Do::Exit(Ending::Converted), ""),
        ],
        ..Draft::default()
    });
    world.hear("go", json!({}));
    for items in [1, 2, 3] {
        assert_eq!(
            world.hear_about("mail/clicked", "ask", json!({"items": items})),
            Disposition::Kept
        );
    }
    world.outcome(Outcome::Sent);
    assert_eq!(world.stands(), "Converted");
    assert_eq!(world.result("second").event.expose()["items"], 3);
}

#[test]
fn no_more_than_thirty_two_are_kept() {
    let mut world = sending();
    for _ in 0..32 {
        assert_eq!(world.hear_about("mail/clicked", "remind", json!({})), Disposition::Kept);
    }
    assert_eq!(
        world.hear_about("mail/clicked", "remind", json!({})),
        ignored(Ignored::AlreadyIn)
    );
    assert_eq!(world.enrollments[0].kept.len(), 32);
}

#[test]
fn what_became_of_a_message_reaches_only_the_enrollment_that_sent_it() {
    let mut world = World::new(Draft {
        keys: vec![("go", "event.cart")],
        triggers: vec![("go", "")],
        steps: vec![
            ("look", Do::Wait(None, vec![("mail/clicked", "", "done")]), ""),
            ("done", Do::Exit(Ending::Completed), ""),
        ],
        goals: vec![("clicked", "mail/clicked", "", DAY)],
        ..Draft::default()
    });
    world.hear("go", json!({"cart": "a"}));
    world.hear("go", json!({"cart": "b"}));
    assert_eq!(
        world.hear_about("mail/clicked", "look", json!({})),
        Disposition::Advanced
    );
    assert_eq!(
        world.enrollments.iter().map(stands).collect::<Vec<_>>(),
        ["Completed", "waiting in look"]
    );
    assert_eq!(world.counted(&Count::Goal("clicked".into())), 1);

    let about = About {
        journey: "another".into(),
        enrollment: 2,
        step: "look".into(),
        occurrence: 1,
    };
    let foreign = Event {
        about: Some(about),
        ..world.event_of("mail/clicked", json!({}))
    };
    assert_eq!(world.take_event(foreign), ignored(Ignored::NotIn));
}

#[test]
fn a_goal_counts_once_in_the_hour_of_the_entry() {
    let mut world = in_the_pause();
    world.pass(30 * MINUTE);
    assert_eq!(world.hear("order-placed", json!({"total": 0.0})), Disposition::GoalOnly);
    assert_eq!(
        world.hear("order-placed", json!({"total": 0.0})),
        ignored(Ignored::AlreadyIn)
    );
    let goals: Vec<_> = world
        .actions
        .iter()
        .filter(|action| {
            matches!(
                action,
                Action::Count {
                    count: Count::Goal(_),
                    ..
                }
            )
        })
        .collect();
    assert_eq!(
        goals,
        [&Action::Count {
            n: 1,
            count: Count::Goal("bought".into()),
            at: START
        }]
    );
    assert_eq!(world.enrollments[0].goals["bought"], START + 30 * MINUTE);
}

#[test]
fn a_goal_counts_after_the_exit_too_but_not_after_its_time() {
    for (after, disposition) in [(7 * DAY, Disposition::GoalOnly), (7 * DAY + 1, ignored(Ignored::NotIn))] {
        let mut world = World::new(Draft {
            exits: vec![("unsubscribed", "", Ending::Disqualified)],
            ..cart()
        });
        world.hear("cart-updated", json!({"items": 1}));
        world.hear("unsubscribed", json!({}));
        world.pass(after);
        assert_eq!(world.hear("order-placed", json!({"total": 1.0})), disposition);
    }
}

#[test]
fn the_event_that_exits_reaches_its_goal_as_well() {
    let mut world = in_the_pause();
    assert_eq!(world.hear("order-placed", json!({"total": 1.0})), Disposition::Exited);
    assert_eq!(world.counted(&Count::Goal("bought".into())), 1);
}

#[test]
fn a_timer_due_before_an_events_acceptance_goes_first() {
    let mut world = in_the_pause();
    world.now += HOUR;
    // The event would have restarted the pause; but the pause was over by then.
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1})),
        ignored(Ignored::AlreadyIn)
    );
    assert_eq!(world.stands(), "sending remind");
}

#[test]
fn a_timer_that_is_not_due_does_nothing() {
    let mut world = in_the_pause();
    world.now += HOUR - 1;
    let before = world.enrollments.clone();
    world.apply(&Input::Due { enrollment: 1 });
    world.apply(&Input::Due { enrollment: 99 });
    assert_eq!(world.enrollments, before);
}

#[test]
fn suspended_timers_wait_while_exits_and_goals_count() {
    let suspended = || Draft {
        suspended: true,
        ..cart()
    };
    let mut world = in_the_pause();
    world.programs = programs(suspended().compile(), []);
    world.pass(2 * HOUR);
    assert_eq!(world.stands(), "waiting in pause");
    assert_eq!(world.hear("order-placed", json!({"total": 0.0})), Disposition::GoalOnly);
    assert_eq!(
        world.stands(),
        "waiting in pause",
        "an overdue timer waits for the event as well"
    );
    assert_eq!(
        world.hear("cart-updated", json!({"items": 1})),
        Disposition::Advanced,
        "a wait's signals still move"
    );
    assert_eq!(world.hear("order-placed", json!({"total": 1.0})), Disposition::Exited);
}

#[test]
fn overdue_timers_fire_when_the_journey_is_resumed() {
    let mut world = in_the_pause();
    let running = world.programs.clone();
    world.programs = programs(
        Draft {
            suspended: true,
            ..cart()
        }
        .compile(),
        [],
    );
    world.pass(3 * HOUR);
    world.programs = running;
    world.pass(0);
    assert_eq!(world.stands(), "sending remind");
}

#[test]
fn an_enrollment_stays_on_its_revision_while_others_enter_the_current_one() {
    let mut world = World::new(Draft {
        keys: vec![("cart-updated", "event.cart")],
        ..cart()
    });
    world.hear("cart-updated", json!({"items": 1, "cart": "a"}));
    let old = Draft {
        keys: vec![("cart-updated", "event.cart")],
        ..cart()
    }
    .compile();
    let new = Draft {
        revision: "r2",
        keys: vec![("cart-updated", "event.cart")],
        triggers: vec![("cart-updated", "")],
        steps: vec![("rest", Do::Wait(None, vec![]), "")],
        ..Draft::default()
    };
    world.programs = programs(new.compile(), [old]);
    world.hear("cart-updated", json!({"items": 1, "cart": "b"}));
    world.pass(HOUR);
    assert_eq!(
        world.enrollments.iter().map(stands).collect::<Vec<_>>(),
        ["sending remind", "waiting in rest"]
    );
    assert_eq!(
        world
            .enrollments
            .iter()
            .map(|each| each.revision.as_str())
            .collect::<Vec<_>>(),
        ["r1", "r2"]
    );
}

#[test]
fn an_enrollment_whose_revision_is_away_is_not_lost() {
    let mut world = sending();
    let there = std::mem::take(&mut world.programs);
    assert_eq!(
        world.hear("order-placed", json!({"total": 1.0})),
        ignored(Ignored::NoProgram)
    );
    assert_eq!(world.stands(), "sending remind");
    world.outcome(Outcome::Skipped("NoConsent".into()));
    assert_eq!(
        world.result("remind").reason.as_deref(),
        Some("NoConsent"),
        "the outcome comes only once, so it is recorded"
    );
    assert!(
        world.enrollments[0].due_at().is_some_and(|due| due > world.now),
        "and followed when the program is there"
    );
    world.now += 10 * MINUTE;
    world.apply(&Input::Due { enrollment: 1 });
    assert!(
        world.enrollments[0].due_at().is_some_and(|due| due > world.now),
        "looked at again later, not at once"
    );
    world.programs = there;
    world.pass(MINUTE);
    assert_eq!(world.stands(), "waiting in look");
}
