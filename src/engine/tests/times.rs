//! Signals that take several matches.

use super::*;

const COUNTED: Disposition = Disposition::Ignored(Ignored::Counted);

fn world(steps: Vec<(&'static str, Do, &'static str)>) -> World {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps,
        ..Draft::default()
    });
    assert_eq!(world.hear("go", json!({"items": 1})), Disposition::Entered);
    world
}

#[test]
fn a_wait_ends_by_the_match_that_makes_them_enough() {
    let mut world = world(vec![
        (
            "rest",
            Do::Wait(Some(DAY), vec![("3 x ping", "event.items > 1", "many")]),
            "",
        ),
        ("timeout", Do::Exit(Ending::Completed), ""),
        ("many", Do::Exit(Ending::Converted), ""),
    ]);
    assert_eq!(world.hear("ping", json!({"items": 2})), COUNTED);
    assert_eq!(
        world.hear("ping", json!({"items": 1})),
        ignored(Ignored::AlreadyIn),
        "no match"
    );
    assert_eq!(world.hear("ping", json!({"items": 3})), COUNTED);
    assert_eq!(world.stands(), "waiting in rest");
    assert_eq!(world.hear("ping", json!({"items": 4})), Disposition::Advanced);
    assert_eq!(world.stands(), "Converted");
    assert_eq!(
        world.result("rest").event.expose()["items"],
        4,
        "the last one is the event of the step"
    );
}

#[test]
fn a_wait_that_starts_anew_counts_anew() {
    let until = vec![("2 x ping", "", "out"), ("go-on", "", "rest")];
    let mut world = world(vec![
        ("rest", Do::Wait(None, until), ""),
        ("out", Do::Exit(Ending::Completed), ""),
    ]);
    assert_eq!(world.hear("ping", json!({"items": 1})), COUNTED);
    assert_eq!(world.hear("go-on", json!({"items": 1})), Disposition::Advanced);
    assert_eq!(
        world.hear("ping", json!({"items": 1})),
        COUNTED,
        "the first since it began"
    );
    assert_eq!(world.hear("ping", json!({"items": 1})), Disposition::Advanced);
}

#[test]
fn every_signal_of_a_wait_counts_for_itself_and_the_upper_goes_first() {
    let until = vec![("2 x ping", "event.items > 5", "large"), ("3 x ping", "", "any")];
    let steps = || {
        vec![
            ("rest", Do::Wait(None, until.clone()), ""),
            ("large", Do::Exit(Ending::Converted), ""),
            ("any", Do::Exit(Ending::Completed), ""),
        ]
    };
    for (items, ending) in [
        ([1, 1, 9], "Completed"),
        ([9, 1, 1], "Completed"),
        ([1, 9, 9], "Converted"),
    ] {
        let mut world = world(steps());
        for n in items {
            world.hear("ping", json!({"items": n}));
        }
        assert_eq!(world.stands(), ending, "{items:?}");
    }
}

#[test]
fn exits_and_goals_count_since_the_entry_wherever_the_customer_stands() {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![
            ("rest", Do::Wait(None, vec![("on", "", "more")]), ""),
            ("more", Do::Wait(None, vec![]), ""),
        ],
        exits: vec![("2 x go", "", Ending::Disqualified)],
        goals: vec![("loyal", "3 x order-placed", "", DAY)],
        ..Draft::default()
    });
    assert_eq!(
        world.hear("go", json!({"items": 1})),
        Disposition::Entered,
        "the event that opened it never counts"
    );
    assert_eq!(world.hear("order-placed", json!({"items": 1})), COUNTED);
    assert_eq!(world.hear("on", json!({"items": 1})), Disposition::Advanced);
    assert_eq!(world.hear("order-placed", json!({"items": 1})), COUNTED);
    assert_eq!(world.hear("go", json!({"items": 1})), COUNTED);
    assert_eq!(world.hear("go", json!({"items": 1})), Disposition::Exited);
    assert_eq!(
        world.hear("order-placed", json!({"items": 1})),
        Disposition::GoalOnly,
        "also after the exit"
    );
    assert_eq!(world.counted(&Count::Goal("loyal".into())), 1);
    assert_eq!(
        world.enrollments[0].matches,
        Matches::default(),
        "what is over is not kept"
    );
    assert_eq!(world.hear("order-placed", json!({"items": 1})), ignored(Ignored::NotIn));
}

#[test]
fn a_goal_out_of_time_counts_no_more() {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![("rest", Do::Wait(None, vec![]), "")],
        goals: vec![("loyal", "2 x order-placed", "", HOUR)],
        ..Draft::default()
    });
    world.hear("go", json!({"items": 1}));
    assert_eq!(world.hear("order-placed", json!({"items": 1})), COUNTED);
    world.pass(2 * HOUR);
    assert_eq!(
        world.hear("order-placed", json!({"items": 1})),
        ignored(Ignored::AlreadyIn)
    );
    assert!(world.enrollments[0].goals.is_empty());
}

#[test]
fn what_became_of_a_message_while_it_was_sent_counts_for_the_next_wait() {
    let mut world = world(vec![
        ("mail", Do::Send("mail", vec![], ""), ""),
        ("look", Do::Wait(None, vec![("2 x mail/clicked", "", "out")]), ""),
        ("out", Do::Exit(Ending::Completed), ""),
    ]);
    assert_eq!(
        world.hear_about("mail/clicked", "mail", json!({"items": 1})),
        Disposition::Kept
    );
    world.outcome(Outcome::Sent);
    assert_eq!(world.stands(), "waiting in look");
    assert_eq!(
        world.hear_about("mail/clicked", "mail", json!({"items": 1})),
        Disposition::Advanced
    );
    assert_eq!(world.stands(), "Completed");
}

#[test]
fn matches_survive_a_restart_and_rows_of_before_have_none() {
    let mut world = world(vec![
        ("rest", Do::Wait(None, vec![("3 x ping", "", "out")]), ""),
        ("out", Do::Exit(Ending::Completed), ""),
    ]);
    let old = serde_json::to_value(&world.enrollments[0]).unwrap();
    assert_eq!(
        old.get("matches"),
        None,
        "a row without counts is as it was before there were any"
    );
    world.hear("ping", json!({"items": 1}));
    world.hear("ping", json!({"items": 1}));
    let row = serde_json::to_string(&world.enrollments[0]).unwrap();
    world.enrollments[0] = serde_json::from_str(&row).unwrap();
    assert_eq!(world.hear("ping", json!({"items": 1})), Disposition::Advanced);
    assert_eq!(
        serde_json::from_value::<Enrollment>(old).unwrap().matches,
        Matches::default()
    );
}
