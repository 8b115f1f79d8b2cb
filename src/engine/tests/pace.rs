//! Who waits at the door, and what is asked when their turn has come.

use super::*;

const PACE: Option<Pace> = Some(Pace { at_most: 1, per: HOUR });

fn paced() -> Draft {
    Draft { pace: PACE, ..cart() }
}

fn keyed() -> Draft {
    Draft {
        keys: vec![("cart-updated", "event.cart"), ("order-placed", "event.cart")],
        ..paced()
    }
}

impl World {
    fn turn_comes(&mut self, enrollment: i64) {
        let turn = self.apply(&Input::Admit { enrollment });
        assert_eq!(turn.disposition, None, "the event is counted already");
    }
}

fn turned_away(why: Ignored) -> Count {
    Count::Admitted(Disposition::Ignored(why))
}

#[test]
fn who_asks_to_enter_waits_at_the_door_and_has_not_entered() {
    let mut world = World::new(paced());
    assert_eq!(world.hear("cart-updated", json!({"items": 2})), Disposition::Paced);
    assert_eq!(world.stands(), "at the door");
    assert!(world.actions.is_empty(), "nothing is counted but the event");
    world.pass(30 * DAY);
    assert_eq!(world.stands(), "at the door", "time alone lets nobody in");
}

#[test]
fn the_journey_begins_when_the_turn_comes() {
    let mut world = World::new(paced());
    world.hear("cart-updated", json!({"items": 2}));
    world.pass(DAY);
    world.turn_comes(1);
    let enrollment = &world.enrollments[0];
    assert_eq!(
        (enrollment.ordinal, enrollment.entries, enrollment.entered_at),
        (1, 1, START + DAY)
    );
    assert_eq!(enrollment.entry.expose()["items"], 2, "by the event that asked");
    assert_eq!(world.stands(), "waiting in pause");
    assert_eq!(world.counted(&Count::Entered), 1);
    assert_eq!(world.counted(&Count::Admitted(Disposition::Entered)), 1);
    world.turn_comes(1);
    assert_eq!(world.counted(&Count::Entered), 1, "a turn comes once");
}

#[test]
fn the_condition_is_asked_again_of_the_customer_as_they_are_then() {
    let mut world = World::new(Draft {
        triggers: vec![("cart-updated", "customer.points < 3")],
        ..paced()
    });
    world.customer.attributes = object(json!({"points": 2})).into();
    assert_eq!(world.hear("cart-updated", json!({"items": 2})), Disposition::Paced);
    world.customer.attributes = object(json!({"points": 3})).into();
    world.turn_comes(1);
    assert!(world.enrollments.is_empty());
    assert_eq!(world.counted(&turned_away(Ignored::WhenFalse)), 1);
    assert_eq!(world.counted(&Count::Entered), 0);
}

#[test]
fn an_exit_takes_who_waits_out_of_the_line() {
    let mut world = World::new(paced());
    world.hear("cart-updated", json!({"items": 2}));
    assert_eq!(
        world.hear("order-placed", json!({"total": 0.0})),
        ignored(Ignored::AlreadyIn)
    );
    assert_eq!(world.hear("order-placed", json!({"total": 9.0})), Disposition::Exited);
    assert!(world.enrollments.is_empty());
    assert_eq!(world.counted(&turned_away(Ignored::ExitHolds)), 1);
    assert_eq!(
        world.counted(&Count::Goal("bought".into())),
        0,
        "who has not entered reaches no goal"
    );
    assert_eq!(
        world.hear("cart-updated", json!({"items": 2})),
        Disposition::Paced,
        "and may ask again"
    );
}

#[test]
fn who_waits_under_a_key_does_not_wait_twice() {
    let mut world = World::new(keyed());
    let filled = |cart: &str| json!({"cart": cart, "items": 1});
    assert_eq!(world.hear("cart-updated", filled("a")), Disposition::Paced);
    assert_eq!(world.hear("cart-updated", filled("a")), ignored(Ignored::AlreadyIn));
    assert_eq!(world.hear("cart-updated", filled("b")), Disposition::Paced);
    world.turn_comes(1);
    world.turn_comes(3);
    let keys: Vec<_> = world
        .enrollments
        .iter()
        .map(|each| each.key.expose().as_str())
        .collect();
    assert_eq!(keys, ["a", "b"]);
    assert_eq!(world.counted(&Count::Entered), 2);
}

#[test]
fn nobody_s_turn_comes_while_the_journey_is_suspended_or_gone() {
    let mut world = World::new(paced());
    world.hear("cart-updated", json!({"items": 2}));
    let there = world.programs.clone();
    world.programs = programs(
        Draft {
            suspended: true,
            ..paced()
        }
        .compile(),
        [],
    );
    world.turn_comes(1);
    world.programs.current = None;
    world.turn_comes(1);
    assert_eq!(world.stands(), "at the door");
    world.programs = there;
    world.turn_comes(1);
    assert_eq!(world.stands(), "waiting in pause");
}

#[test]
fn who_waits_enters_the_revision_of_the_day() {
    let mut world = World::new(paced());
    world.hear("cart-updated", json!({"items": 2}));
    let newer = Draft {
        revision: "r2",
        ..cart()
    };
    let older = world.programs.current.take().unwrap();
    world.programs = programs(newer.compile(), []);
    world.programs.revisions.insert("r1".into(), older);
    world.turn_comes(1);
    assert_eq!(world.enrollments[0].revision, "r2");
}

#[test]
fn who_leaves_by_their_own_hand_is_out_of_the_line() {
    let mut world = World::new(paced());
    world.hear("cart-updated", json!({"items": 2}));
    world.customer.opted_out = true;
    assert_eq!(world.hear(super::super::state::LEFT, json!({})), Disposition::Exited);
    assert!(world.enrollments.is_empty(), "nobody waits any more");
    assert_eq!(
        world.counted(&turned_away(Ignored::OptedOut)),
        1,
        "paced = admitted + who waits"
    );
    assert_eq!(
        world.hear("cart-updated", json!({"items": 2})),
        ignored(Ignored::OptedOut)
    );
}
