//! Waits that end by an instant or inside windows.

use super::super::window::{WindowZone, Windows};
use super::*;
use jiff::tz::TimeZone;

/// From 9 to 17 on workdays; the tests begin on a Monday at 10:00 UTC.
fn office() -> Windows {
    Windows {
        days: 0b001_1111,
        hours: Some((9 * 60, 17 * 60)),
        zone: WindowZone::Fixed(TimeZone::UTC),
    }
}

fn world(wait: Do) -> World {
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![
            ("rest", wait, ""),
            ("over", Do::Exit(Ending::Completed), ""),
            ("other", Do::Exit(Ending::Converted), ""),
        ],
        ..Draft::default()
    });
    assert_eq!(world.hear("go", json!({"items": 1})), Disposition::Entered);
    world
}

fn due(world: &World) -> Micros {
    world.enrollments[0].due_at().expect("a wait with an end") - START
}

#[test]
fn an_instant_is_asked_for_on_arrival_and_one_in_the_past_does_not_wait() {
    let mut later = world(Do::At(
        "entry.time + duration('90m')",
        None,
        vec![("ping", "", "other")],
    ));
    assert_eq!(due(&later), 90 * MINUTE);
    assert_eq!(
        later.hear("ping", json!({"items": 1})),
        Disposition::Advanced,
        "a signal comes first"
    );
    assert_eq!(later.stands(), "Converted");
    let mut late = world(Do::At("entry.time + duration('90m')", None, vec![]));
    late.pass(89 * MINUTE);
    assert_eq!(late.stands(), "waiting in rest");
    late.pass(MINUTE);
    assert_eq!(late.stands(), "Completed");
    for past in ["entry.time", "entry.time - duration('1h')"] {
        assert_eq!(world(Do::At(past, None, vec![])).stands(), "Completed", "{past}");
    }
}

#[test]
fn an_instant_that_cannot_be_computed_fails_the_step_and_goes_on() {
    let world = world(Do::At("entry.time + days(1 / (entry.items - 1))", None, vec![]));
    assert_eq!(world.stands(), "Completed");
    assert_eq!(world.result("rest").outcome.as_deref(), Some("Failed"));
    assert_eq!(world.result("rest").reason.as_deref(), Some("DividedByZero"));
    assert_eq!(world.counted(&Count::Fault), 1);
}

#[test]
fn a_loop_of_instants_in_the_past_ends() {
    let world = World::new(Draft {
        triggers: vec![("go", "")],
        steps: vec![("rest", Do::At("entry.time", None, vec![]), "rest")],
        ..Draft::default()
    });
    let mut world = world;
    world.hear("go", json!({"items": 1}));
    assert_eq!(world.stands(), "Failed");
    assert_eq!(world.result("rest").reason.as_deref(), Some("TooManySteps"));
}

#[test]
fn only_time_inside_windows_counts_and_an_instant_outside_waits_for_the_next() {
    assert_eq!(due(&world(Do::During(2 * HOUR, office(), vec![]))), 2 * HOUR);
    assert_eq!(
        due(&world(Do::During(8 * HOUR, office(), vec![]))),
        24 * HOUR,
        "seven hours are left of Monday"
    );
    // 17:00 is outside already: Tuesday at nine.
    let at = |source, end| assert_eq!(due(&world(Do::At(source, Some(office()), vec![]))), end, "{source}");
    at("entry.time + duration('7h')", 23 * HOUR);
    at("entry.time + duration('6h')", 6 * HOUR);
    assert_eq!(
        world(Do::At("entry.time - duration('1h')", Some(office()), vec![])).stands(),
        "Completed"
    );
}

#[test]
fn the_clock_is_the_customers_and_utc_where_it_is_not_known() {
    let theirs = || Windows {
        zone: WindowZone::Customer,
        ..office()
    };
    let mut world = World::new(Draft {
        triggers: vec![("go", "")],
        keys: vec![("go", "event.cart")],
        steps: vec![("rest", Do::During(HOUR, theirs(), vec![]), "")],
        ..Draft::default()
    });
    world.hear("go", json!({"items": 1, "cart": "a"}));
    // 10:00 in London is 19:00 in Tokyo: from nine on Tuesday there, midnight here.
    world.customer.attributes = object(json!({"timezone": "Asia/Tokyo"})).into();
    world.hear("go", json!({"items": 1, "cart": "b"}));
    let ends: Vec<Micros> = world
        .enrollments
        .iter()
        .map(|each| each.due_at().unwrap() - START)
        .collect();
    assert_eq!(ends, [HOUR, 15 * HOUR]);
}

#[test]
fn a_wait_that_is_looked_at_late_ends_when_a_window_opens_again() {
    let mut world = world(Do::During(7 * HOUR - MINUTE, office(), vec![("ping", "", "other")]));
    let Standing::Waiting { since, .. } = world.enrollments[0].standing else {
        panic!("it waits")
    };
    world.now = START + 9 * HOUR;
    let ordinal = world.enrollments[0].ordinal;
    world.apply(&Input::Due { enrollment: ordinal });
    assert_eq!((world.stands().as_str(), due(&world)), ("waiting in rest", 23 * HOUR));
    assert!(matches!(world.enrollments[0].standing, Standing::Waiting { since: still, .. } if still == since));
    world.pass(14 * HOUR);
    assert_eq!(world.stands(), "Completed");
}

#[test]
fn a_wait_that_leads_to_itself_starts_anew() {
    let mut world = world(Do::During(2 * HOUR, office(), vec![("ping", "", "rest")]));
    world.pass(HOUR);
    assert_eq!(world.hear("ping", json!({"items": 1})), Disposition::Advanced);
    assert_eq!(due(&world), 3 * HOUR);
    assert_eq!(world.result("rest").count, 2);
}
