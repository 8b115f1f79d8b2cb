//! What customers do by their own hand: they leave at once and stay out, and join without an event.

use super::{
    super::state::{JOINED, LEFT},
    *,
};

fn open() -> Draft {
    Draft {
        joinable: true,
        ..cart()
    }
}

/// The customer's hand, as the store has it once the event is accepted.
fn choose(world: &mut World, name: &str) -> Disposition {
    world.customer.opted_out = name == LEFT;
    world.hear(name, json!({}))
}

#[test]
fn who_leaves_is_out_at_once_and_stays_out_until_they_join() {
    let mut world = World::new(open());
    world.hear("cart-updated", json!({"items": 2}));
    assert_eq!(choose(&mut world, LEFT), Disposition::Exited);
    assert_eq!((world.stands().as_str(), world.withdrawals()), ("OptedOut", 1));
    assert_eq!(world.counted(&Count::Ended(Ending::OptedOut)), 1);
    assert_eq!(
        world.hear("cart-updated", json!({"items": 2})),
        ignored(Ignored::OptedOut)
    );
    assert_eq!(choose(&mut world, LEFT), ignored(Ignored::NotIn), "once is enough");

    assert_eq!(choose(&mut world, JOINED), Disposition::Entered);
    assert_eq!(
        world.enrollments[1].entry.expose().len(),
        2,
        "id and time, and nothing else"
    );
    assert_eq!(choose(&mut world, JOINED), ignored(Ignored::AlreadyIn));
    choose(&mut world, LEFT);
    choose(&mut world, JOINED);
    assert_eq!(world.enrollments.len(), 3);
}

#[test]
fn who_leaves_before_they_came_never_comes_in() {
    let mut world = World::new(open());
    assert_eq!(choose(&mut world, LEFT), ignored(Ignored::NotIn));
    assert_eq!(
        world.hear("cart-updated", json!({"items": 2})),
        ignored(Ignored::OptedOut)
    );
}

#[test]
fn a_message_that_has_not_gone_out_is_withdrawn() {
    let mut world = World::new(open());
    world.hear("cart-updated", json!({"items": 2}));
    world.pass(HOUR);
    assert!(world.stands().starts_with("sending"));
    assert_eq!(choose(&mut world, LEFT), Disposition::Exited);
    assert_eq!((world.stands().as_str(), world.withdrawals()), ("OptedOut", 1));
}

#[test]
fn leaving_needs_no_program_and_no_running_journey() {
    let mut world = World::new(Draft {
        suspended: true,
        ..open()
    });
    assert_eq!(choose(&mut world, JOINED), ignored(Ignored::Suspended));
    let mut world = World::new(open());
    choose(&mut world, JOINED);
    world.programs = Programs::default();
    assert_eq!(choose(&mut world, LEFT), Disposition::Exited);
    assert_eq!(world.stands(), "OptedOut");
}

#[test]
fn a_journey_that_is_not_open_to_customers_is_not_joined() {
    let mut world = World::new(cart());
    assert_eq!(choose(&mut world, JOINED), ignored(Ignored::NotIn));
    assert_eq!(choose(&mut world, LEFT), ignored(Ignored::NotIn));
}

#[test]
fn the_rules_of_coming_again_hold_for_those_who_join() {
    let mut world = World::new(Draft {
        reentry: Reentry {
            cooldown: Some(DAY),
            max: Some(2),
        },
        ..open()
    });
    choose(&mut world, JOINED);
    choose(&mut world, LEFT);
    assert_eq!(choose(&mut world, JOINED), ignored(Ignored::Cooldown));
    world.pass(DAY);
    assert_eq!(choose(&mut world, JOINED), Disposition::Entered);
    choose(&mut world, LEFT);
    world.pass(DAY);
    assert_eq!(choose(&mut world, JOINED), ignored(Ignored::MaxEntries));
}
