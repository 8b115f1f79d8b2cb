//! What each step does.

use super::*;

/// Enters by `go` and walks the steps.
fn walked(steps: Vec<(&'static str, Do, &'static str)>) -> World {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps,
        ..Draft::default()
    });
    assert_eq!(
        world.hear("go", json!({"items": 3, "tags": ["x", "y"]})),
        Disposition::Entered
    );
    world
}

#[test]
fn the_end_of_the_list_is_completed() {
    let world = walked(vec![]);
    assert_eq!(world.stands(), "Completed");
    assert_eq!(
        (
            world.counted(&Count::Entered),
            world.counted(&Count::Ended(Ending::Completed))
        ),
        (1, 1)
    );
}

#[test]
fn a_wait_ends_by_time_from_its_arrival() {
    let mut world = walked(vec![
        ("rest", Do::Wait(Some(DAY), vec![]), ""),
        ("more", Do::Wait(Some(HOUR), vec![]), ""),
    ]);
    world.pass(DAY - 1);
    assert_eq!(world.stands(), "waiting in rest");
    world.pass(1);
    assert_eq!(world.enrollments[0].due_at(), Some(START + DAY + HOUR));
    world.pass(HOUR);
    assert_eq!(world.stands(), "Completed");
}

#[test]
fn a_wait_without_time_waits_for_its_signal() {
    let mut world = walked(vec![
        ("rest", Do::Wait(None, vec![("ping", "event.items > 1", "done")]), ""),
        ("done", Do::Exit(Ending::Converted), ""),
    ]);
    world.pass(1_000 * DAY);
    assert_eq!(world.hear("ping", json!({"items": 1})), ignored(Ignored::AlreadyIn));
    assert_eq!(world.hear("ping", json!({"items": 2})), Disposition::Advanced);
    assert_eq!(world.stands(), "Converted");
    assert_eq!(world.result("rest").event.expose()["items"], 2);
}

#[test]
fn of_two_signals_the_first_in_the_list_decides() {
    let until = vec![("ping", "event.items > 1", "many"), ("ping", "", "any")];
    let steps = |until| {
        vec![
            ("rest", Do::Wait(None, until), ""),
            ("many", Do::Exit(Ending::Converted), ""),
            ("any", Do::Exit(Ending::Disqualified), ""),
        ]
    };
    for (items, outcome) in [(2, "Converted"), (1, "Disqualified")] {
        let mut world = walked(steps(until.clone()));
        world.hear("ping", json!({"items": items}));
        assert_eq!(world.stands(), outcome);
    }
}

#[test]
fn a_wait_that_leads_to_itself_starts_again() {
    let mut world = walked(vec![("rest", Do::Wait(Some(HOUR), vec![("ping", "", "rest")]), "")]);
    world.pass(30 * MINUTE);
    world.hear("ping", json!({}));
    assert_eq!(world.enrollments[0].due_at(), Some(START + 90 * MINUTE));
    assert_eq!(world.result("rest").count, 2);
    world.pass(HOUR);
    assert_eq!(world.stands(), "Completed");
    assert!(
        world.result("rest").event.expose().is_empty(),
        "time ended it, and no event"
    );
}

#[test]
fn a_send_is_left_only_when_its_outcome_is_known() {
    let steps = || {
        vec![
            (
                "mail",
                Do::Send("mail", vec![("n", "entry.items + 1"), ("gone", "entry.cart")], "plan-b"),
                "",
            ),
            ("fine", Do::Exit(Ending::Converted), ""),
            ("plan-b", Do::Exit(Ending::Disqualified), ""),
        ]
    };
    let outcomes = [
        (Outcome::Sent, "Converted", "Sent", None),
        (
            Outcome::Skipped("NoConsent".into()),
            "Disqualified",
            "Skipped",
            Some("NoConsent"),
        ),
        (
            Outcome::Failed("OutcomeUnknown".into()),
            "Disqualified",
            "Failed",
            Some("OutcomeUnknown"),
        ),
    ];
    for (outcome, ended, name, reason) in outcomes {
        let mut world = walked(steps());
        assert_eq!(world.sends(), [("mail", json!({"n": 4}))]);
        assert_eq!(
            world.counted(&Count::Requested {
                touchpoint: "mail".into()
            }),
            1
        );
        world.pass(100 * DAY);
        assert_eq!(world.stands(), "sending mail");
        world.outcome(outcome);
        assert_eq!(world.stands(), ended);
        let result = world.result("mail");
        assert_eq!(
            (
                result.outcome.as_deref(),
                result.reason.as_deref(),
                result.touchpoint.as_deref()
            ),
            (Some(name), reason, Some("mail"))
        );
    }
}

#[test]
fn without_otherwise_a_skipped_send_goes_on_as_well() {
    let mut world = walked(vec![
        ("mail", Do::Send("mail", vec![], ""), ""),
        ("fine", Do::Exit(Ending::Converted), ""),
    ]);
    world.outcome(Outcome::Skipped("Capped".into()));
    assert_eq!(world.stands(), "Converted");
}

#[test]
fn an_outcome_of_another_occurrence_moves_nobody() {
    let mut world = walked(vec![("mail", Do::Send("mail", vec![], ""), "")]);
    for (enrollment, step, occurrence) in [(1, "mail", 2), (1, "other", 1), (7, "mail", 1)] {
        let turn = world.apply(&Input::Outcome {
            enrollment,
            step: step.into(),
            occurrence,
            touchpoint: "mail".into(),
            outcome: Outcome::Sent,
            response: Default::default(),
        });
        assert_eq!((turn.actions, world.stands()), (vec![], "sending mail".to_owned()));
    }
}

#[test]
fn a_value_that_cannot_be_made_fails_the_message_and_balances_the_books() {
    let world = walked(vec![
        (
            "mail",
            Do::Send("mail", vec![("n", "10 / (has(entry.cart) ? 1 : 0)")], "plan-b"),
            "",
        ),
        ("fine", Do::Exit(Ending::Converted), ""),
        ("plan-b", Do::Exit(Ending::Disqualified), ""),
    ]);
    assert_eq!((world.stands().as_str(), world.sends()), ("Disqualified", vec![]));
    assert_eq!(world.result("mail").reason.as_deref(), Some("DividedByZero"));
    assert_eq!(
        world.counted(&Count::Requested {
            touchpoint: "mail".into()
        }),
        1
    );
    assert_eq!(
        world.counted(&Count::Failed {
            touchpoint: "mail".into(),
            reason: "DividedByZero".into()
        }),
        1
    );
}

#[test]
fn a_branch_takes_the_first_case_that_holds() {
    let steps = |first, second| {
        vec![
            ("which", Do::Branch(vec![(first, "a"), (second, "b")], "c"), ""),
            ("a", Do::Exit(Ending::Converted), ""),
            ("b", Do::Exit(Ending::Disqualified), ""),
            ("c", Do::Exit(Ending::Completed), ""),
        ]
    };
    assert_eq!(walked(steps("entry.items > 1", "true")).stands(), "Converted");
    assert_eq!(walked(steps("entry.items > 5", "true")).stands(), "Disqualified");
    assert_eq!(
        walked(steps("entry.items > 5", "customer.points > 0")).stands(),
        "Completed",
        "unknown points hold nothing"
    );
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_false_and_counted() {
    let world = walked(vec![
        (
            "which",
            Do::Branch(vec![("1 / (entry.items - 3) > 0", "bad")], "good"),
            "",
        ),
        ("bad", Do::Exit(Ending::Failed), ""),
        ("good", Do::Exit(Ending::Completed), ""),
    ]);
    assert_eq!(
        (world.stands().as_str(), world.counted(&Count::Fault)),
        ("Completed", 1)
    );
}

#[test]
fn what_is_set_is_seen_by_later_steps_of_the_same_turn() {
    let world = walked(vec![
        (
            "count",
            Do::Set(vec![("points", "entry.items * 10"), ("tier", "customer.tier + '!'")]),
            "",
        ),
        (
            "again",
            Do::Set(vec![("points", "(has(customer.points) ? customer.points : 0) + 1")]),
            "",
        ),
        (
            "which",
            Do::Branch(
                vec![("customer.points == 31 && customer.tier == 'none!'", "right")],
                "wrong",
            ),
            "",
        ),
        ("right", Do::Exit(Ending::Converted), ""),
        ("wrong", Do::Exit(Ending::Failed), ""),
    ]);
    assert_eq!(world.stands(), "Converted");
    assert_eq!(world.customer.attributes.expose()["points"], 31);
}

#[test]
fn a_missing_value_leaves_its_attribute_unchanged() {
    let world = walked(vec![(
        "learn",
        Do::Set(vec![("email", "entry.cart"), ("tier", "'gold'")]),
        "",
    )]);
    let sets: Vec<_> = world
        .actions
        .iter()
        .filter_map(|action| {
            if let Action::Set { attributes, .. } = action {
                Some(attributes.expose().clone())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(sets, [object(json!({"tier": "gold"}))]);
    assert_eq!(world.customer.attributes.expose()["email"], "ada@example.com");
}

#[test]
fn a_set_that_fails_changes_nothing_and_says_why() {
    let world = walked(vec![(
        "learn",
        Do::Set(vec![("tier", "'gold'"), ("points", "1 / (has(entry.cart) ? 1 : 0)")]),
        "",
    )]);
    assert!(!world.customer.attributes.expose().contains_key("tier"));
    assert_eq!(
        (
            world.result("learn").outcome.as_deref(),
            world.result("learn").reason.as_deref()
        ),
        (Some("Failed"), Some("DividedByZero"))
    );
    assert_eq!(
        (world.stands().as_str(), world.counted(&Count::Fault)),
        ("Completed", 1)
    );
}

#[test]
fn a_loop_without_a_wait_fails_after_a_hundred_steps() {
    let world = walked(vec![
        ("a", Do::Set(vec![("tier", "'x'")]), ""),
        ("b", Do::Branch(vec![("true", "a")], "a"), ""),
    ]);
    assert_eq!(world.stands(), "Failed");
    assert_eq!(
        world.enrollments[0]
            .steps
            .values()
            .map(|result| result.count)
            .sum::<u32>(),
        100
    );
    assert!(
        world.enrollments[0]
            .steps
            .values()
            .any(|result| result.reason.as_deref() == Some("TooManySteps"))
    );
    assert_eq!(world.counted(&Count::Ended(Ending::Failed)), 1);
}

#[test]
fn a_send_that_is_skipped_at_once_and_leads_back_to_itself_fails_too() {
    let mut world = walked(vec![("mail", Do::Send("mail", vec![], "mail"), "")]);
    let mut asked = 0;
    while world.enrollments[0].is_active() && asked < 1_000 {
        world.outcome(Outcome::Skipped("NoConsent".into()));
        asked += 1;
    }
    assert_eq!((world.stands().as_str(), asked), ("Failed", 100));
    assert_eq!(world.result("mail").reason.as_deref(), Some("TooManySteps"));
}

#[test]
fn a_send_that_is_tried_again_as_time_passes_may_be_tried_for_ever() {
    let mut world = walked(vec![("mail", Do::Send("mail", vec![], "mail"), "")]);
    for _ in 0..300 {
        world.pass(MINUTE);
        world.outcome(Outcome::Skipped("Capped".into()));
    }
    assert_eq!(
        (world.stands().as_str(), world.result("mail").count),
        ("sending mail", 301)
    );
}

#[test]
fn many_events_of_one_instant_are_many_inputs() {
    let mut world = walked(vec![("rest", Do::Wait(Some(HOUR), vec![("ping", "", "rest")]), "")]);
    for _ in 0..300 {
        assert_eq!(world.hear("ping", json!({})), Disposition::Advanced);
    }
    assert_eq!(world.stands(), "waiting in rest");
}

#[test]
fn exactly_a_hundred_steps_are_allowed() {
    let world = walked(vec![
        ("a", Do::Set(vec![("tier", "'x'")]), ""),
        ("b", Do::Branch(vec![("steps.a.count < 50", "a")], "end"), ""),
        ("end", Do::Exit(Ending::Completed), ""),
    ]);
    assert_eq!(world.stands(), "Failed", "the exit would have been the 101st");
    let world = walked(vec![
        ("a", Do::Set(vec![("tier", "'x'")]), ""),
        ("b", Do::Branch(vec![("steps.a.count < 49", "a")], "c"), ""),
        ("c", Do::Set(vec![("tier", "'y'")]), ""),
        ("end", Do::Exit(Ending::Completed), ""),
    ]);
    assert_eq!(world.stands(), "Completed");
}

#[test]
fn the_whole_story_of_an_abandoned_cart() {
    let mut world = World::new(cart());
    world.hear("cart-updated", json!({"items": 1, "address": {"city": "Graz"}}));
    world.pass(50 * MINUTE);
    world.hear("cart-updated", json!({"items": 2}));
    world.pass(50 * MINUTE);
    assert_eq!(world.stands(), "waiting in pause");
    world.pass(10 * MINUTE);
    assert_eq!(world.sends(), [("remind", json!({"city": "Graz"}))]);
    world.outcome(Outcome::Sent);
    world.pass(HOUR);
    assert_eq!(
        world.hear_about("mail/clicked", "remind", json!({})),
        Disposition::Advanced
    );
    assert_eq!(world.stands(), "Completed");
    assert_eq!(
        world.hear("order-placed", json!({"total": 20.0})),
        Disposition::GoalOnly
    );
    assert_eq!(world.hear("cart-updated", json!({"items": 1})), Disposition::Entered);
}

/// Round and round through a split, an hour each time.
fn round_a_split(arms: Vec<(&'static str, u8, &'static str)>) -> Draft {
    Draft {
        triggers: vec![("go", "")],
        steps: vec![
            ("tone", Do::Split(arms), ""),
            ("warm", Do::Wait(Some(HOUR), vec![]), "tone"),
            ("plain", Do::Wait(Some(HOUR), vec![]), "tone"),
        ],
        ..Draft::default()
    }
}

#[test]
fn a_customer_keeps_the_arm_that_was_drawn_whatever_the_weights_become() {
    let mut world = World::new(round_a_split(vec![("warm", 50, "warm"), ("plain", 50, "plain")]));
    world.hear("go", json!({"items": 1}));
    let arm = world.result("tone").arm.clone().unwrap();
    assert_eq!(world.stands(), format!("waiting in {arm}"));
    let against = match arm.as_str() {
        "warm" => vec![("warm", 0, "warm"), ("plain", 100, "plain")],
        _ => vec![("warm", 100, "warm"), ("plain", 0, "plain")],
    };
    world.programs = programs(round_a_split(against).compile(), []);
    world.pass(3 * HOUR);
    assert_eq!(world.result("tone").arm.as_ref(), Some(&arm));
    assert_eq!(world.result("tone").count, 4);
    let counted = Count::Arm {
        step: "tone".into(),
        arm,
    };
    assert_eq!(world.counted(&counted), 4, "each arrival counts");
}

#[test]
fn who_stood_in_an_arm_that_is_gone_draws_anew() {
    let mut world = World::new(round_a_split(vec![("old", 100, "warm"), ("plain", 0, "plain")]));
    world.hear("go", json!({"items": 1}));
    assert_eq!(world.result("tone").arm.as_deref(), Some("old"));
    world.programs = programs(
        round_a_split(vec![("new", 100, "plain"), ("plain", 0, "plain")]).compile(),
        [],
    );
    world.pass(HOUR);
    assert_eq!(world.result("tone").arm.as_deref(), Some("new"));
    assert_eq!(world.stands(), "waiting in plain");
}

#[test]
fn the_same_customer_draws_the_same_arm_in_every_enrollment_and_others_draw_others() {
    let drawn = |customer: [u8; 16]| {
        let mut world = World::new(round_a_split(vec![("warm", 50, "warm"), ("plain", 50, "plain")]));
        world.customer.key = customer;
        world.hear("go", json!({"items": 1}));
        world.result("tone").arm.clone().unwrap()
    };
    let all: Vec<String> = (0..32).map(|n| drawn([n; 16])).collect();
    let again: Vec<String> = (0..32).map(|n| drawn([n; 16])).collect();
    assert_eq!(all, again);
    assert!(all.contains(&"warm".to_owned()) && all.contains(&"plain".to_owned()));
}

#[test]
fn what_the_provider_answered_is_there_after_a_message_that_was_sent() {
    let steps = || {
        vec![
            ("ask", Do::Send("mail", vec![], ""), ""),
            (
                "look",
                Do::Branch(vec![("steps.ask.response.ticket == 'T1'", "known")], "unknown"),
                "",
            ),
            ("known", Do::Exit(Ending::Converted), ""),
            ("unknown", Do::Exit(Ending::Disqualified), ""),
        ]
    };
    let mut world = walked(steps());
    world.outcome(Outcome::Sent);
    assert_eq!(world.stands(), "Converted");
    let mut world = walked(steps());
    world.outcome(Outcome::Failed("ResponseInvalid".into()));
    assert_eq!(world.stands(), "Disqualified");
    assert!(world.result("ask").response.expose().is_empty());
}
