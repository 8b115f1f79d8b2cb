//! Two customers become one while both are in the journey.

use super::*;

fn keyed() -> Draft {
    Draft {
        keys: vec![("cart-updated", "event.cart"), ("order-placed", "event.cart")],
        ..cart()
    }
}

/// One customer's passage with cart a, and another's an hour later: what the store gives once they are one.
fn two_of_a(draft: Draft) -> World {
    let mut world = World::new(draft);
    world.hear("cart-updated", json!({"cart": "a", "items": 1}));
    world.now += MINUTE;
    world.hear("cart-updated", json!({"cart": "b", "items": 1}));
    world.enrollments[1].key = "a".to_owned().into();
    world
}

impl World {
    fn join(&mut self) {
        let turn = self.apply(&Input::Merged);
        assert_eq!(turn.disposition, None, "nobody sent it");
    }
}

#[test]
fn the_older_enrollment_stays_and_the_other_ends_merged() {
    let mut world = two_of_a(keyed());
    world.join();
    assert_eq!(world.stands(), "waiting in pause");
    assert_eq!(stands(&world.enrollments[1]), "Merged");
    assert_eq!(world.counted(&Count::Ended(Ending::Merged)), 1);
    assert_eq!(world.withdrawals(), 1, "what it has not handed over is not sent");
    world.join();
    assert_eq!(world.counted(&Count::Ended(Ending::Merged)), 1, "twice is as once");
}

#[test]
fn age_is_of_the_entry_and_not_of_the_ordinal() {
    let mut world = two_of_a(keyed());
    world.enrollments[0].entered_at = world.now + 1;
    world.join();
    assert_eq!(world.stands(), "Merged");
    assert_eq!(stands(&world.enrollments[1]), "waiting in pause");
}

#[test]
fn enrollments_under_different_keys_both_stay() {
    let mut world = two_of_a(keyed());
    world.enrollments[1].key = "b".to_owned().into();
    world.join();
    assert!(world.enrollments.iter().all(Enrollment::is_active));
}

#[test]
fn a_goal_counts_once_for_the_one_customer() {
    let mut world = two_of_a(keyed());
    world.join();
    let order = world.hear("order-placed", json!({"cart": "a", "total": 5.0}));
    assert_eq!(order, Disposition::Exited);
    assert_eq!(world.counted(&Count::Goal("bought".into())), 1);
    assert_eq!(world.counted(&Count::Ended(Ending::Converted)), 1);
}

#[test]
fn who_waits_at_the_door_gives_way_to_who_is_in() {
    let paced = Draft {
        pace: Some(Pace { at_most: 1, per: HOUR }),
        ..keyed()
    };
    let mut world = two_of_a(paced);
    world.apply(&Input::Admit { enrollment: 2 });
    world.enrollments[1].key = "a".to_owned().into();
    assert!(world.enrollments[0].is_paced());
    world.join();
    assert_eq!(
        world.enrollments.iter().map(|each| each.ordinal).collect::<Vec<_>>(),
        [2]
    );
    assert_eq!(world.stands(), "waiting in pause");
    let away = Count::Admitted(Disposition::Ignored(Ignored::AlreadyIn));
    assert_eq!(world.counted(&away), 1);
    assert_eq!(world.counted(&Count::Ended(Ending::Merged)), 0, "it had not entered");
}

#[test]
fn entries_of_both_add_up_and_a_merged_one_starts_no_cooldown() {
    let mut world = two_of_a(Draft {
        reentry: Reentry {
            cooldown: Some(HOUR),
            max: Some(2),
        },
        ..keyed()
    });
    world.join();
    assert_eq!(world.enrollments[0].entries, 2);
    let left = world.hear("order-placed", json!({"cart": "a", "total": 5.0}));
    assert_eq!(left, Disposition::Exited);
    let filled = json!({"cart": "a", "items": 1});
    assert_eq!(world.hear("cart-updated", filled.clone()), ignored(Ignored::Cooldown));
    world.now += HOUR;
    assert_eq!(world.hear("cart-updated", filled), ignored(Ignored::MaxEntries));
}

#[test]
fn the_one_that_stays_is_held_out_if_either_was() {
    for (older, newer) in [(false, true), (true, false), (false, false)] {
        let mut world = two_of_a(keyed());
        world.enrollments[0].held_out = older;
        world.enrollments[1].held_out = newer;
        world.join();
        assert_eq!(world.enrollments[0].held_out, older || newer);
        assert_eq!(
            world.counted(&Count::HeldOut),
            usize::from(newer && !older),
            "it is on the side of those who are held out from now on"
        );
    }
}

#[test]
fn who_left_by_their_own_hand_is_out_as_one_customer_too() {
    let mut world = two_of_a(keyed());
    world.customer.opted_out = true;
    world.join();
    assert!(world.enrollments.iter().all(|each| stands(each) == "OptedOut"));
    assert_eq!(world.counted(&Count::Ended(Ending::Merged)), 0);
    assert_eq!(world.counted(&Count::Ended(Ending::OptedOut)), 2);
}
