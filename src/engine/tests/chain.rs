//! Journeys in a row: how far an event has come, and that there is an end to it.

use super::*;

fn draft(steps: Vec<(&'static str, Do, &'static str)>) -> World {
    World::new(Draft {
        triggers: vec![("journey/other", "")],
        steps,
        ..Draft::default()
    })
}

fn end_of(world: &World, hops: u32) -> Event {
    Event {
        hops,
        ..world.event_of("journey/other", json!({"items": 1, "outcome": "Completed"}))
    }
}

#[test]
fn ten_journeys_in_a_row_are_entered_and_no_more() {
    let mut world = draft(vec![("out", Do::Exit(Ending::Completed), "")]);
    let event = end_of(&world, 10);
    assert_eq!(world.take_event(event), Disposition::Entered);
    assert_eq!(world.enrollments[0].hops, 10);
    let event = end_of(&world, 11);
    assert_eq!(world.take_event(event), ignored(Ignored::ChainTooLong));
    let event = end_of(&world, 0);
    assert_eq!(world.take_event(event), Disposition::Entered);
}

#[test]
fn time_that_passes_in_a_wait_begins_a_new_row() {
    let mut world = draft(vec![
        ("rest", Do::Wait(Some(HOUR), vec![("ping", "", "out")]), ""),
        ("out", Do::Exit(Ending::Completed), ""),
    ]);
    let event = end_of(&world, 7);
    world.take_event(event);
    assert_eq!(world.enrollments[0].hops, 7);
    world.pass(HOUR);
    assert_eq!((world.stands().as_str(), world.enrollments[0].hops), ("Completed", 0));
}

#[test]
fn a_signal_brings_its_own_row_and_an_instant_in_the_past_none() {
    let mut world = draft(vec![
        ("past", Do::At("entry.time", None, vec![]), ""),
        ("rest", Do::Wait(None, vec![("journey/other", "", "out")]), ""),
        ("out", Do::Exit(Ending::Completed), ""),
    ]);
    let event = end_of(&world, 4);
    world.take_event(event);
    assert_eq!(
        (world.stands().as_str(), world.enrollments[0].hops),
        ("waiting in rest", 4)
    );
    let event = end_of(&world, 9);
    assert_eq!(world.take_event(event), Disposition::Advanced);
    assert_eq!(world.enrollments[0].hops, 9);
}

#[test]
fn what_a_chain_of_ten_has_set_is_noticed_by_exits_and_by_nothing_else() {
    let rich = "customer.points > 3";
    let world = |draft: Draft| {
        let mut world = World::new(draft);
        let event = world.event_of("cart-updated", json!({"items": 1}));
        world.take_event(event);
        world.customer.attributes = object(json!({"points": 5})).into();
        world
    };
    let waits = || {
        vec![
            ("rest", Do::Wait(Some(DAY), vec![("", rich, "out")]), ""),
            ("out", Do::Wait(Some(DAY), vec![]), ""),
        ]
    };
    let told = |world: &mut World, hops| {
        world.sequence += 1;
        let event = Event {
            hops,
            ..looked(&world.customer.attributes, world.now)
        };
        let look = Look {
            event,
            changed: true,
            held: world.sighting.held.clone(),
        };
        let sequence = world.sequence;
        world.apply(&Input::Look { sequence, look }).disposition
    };
    let entry = || vec![("cart-updated", "event.items > 0")];
    let of_waits = || Draft {
        triggers: entry(),
        steps: waits(),
        ..Draft::default()
    };
    let mut waiting = world(of_waits());
    assert_eq!(told(&mut waiting, 11), Some(ignored(Ignored::ChainTooLong)));
    assert!(waiting.stands().contains("rest"), "{}", waiting.stands());
    assert_eq!(told(&mut waiting, 10), Some(Disposition::Advanced));
    assert_eq!(waiting.enrollments[0].hops, 10, "what it sets now is the eleventh");

    let exits = vec![("", rich, Ending::Converted)];
    let mut leaving = world(Draft { exits, ..of_waits() });
    assert_eq!(told(&mut leaving, 11), Some(Disposition::Exited));
}
