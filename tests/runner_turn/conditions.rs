//! Signals without an event: what lets customers in, and when.

use super::*;
use journey::clock::DAY;

/// Who was not seen for three days comes in by time alone.
fn lapsed() -> String {
    MANIFESTS
        .replace(
            "triggers: [{event: cart-updated, when: event.items > 0}], key: event.cartId",
            "triggers: [{when: customer.lapsed}]",
        )
        .replace("cart: \"${entry.cartId}\"", "cart: none")
        .replace(
            "points: {type: integer, default: 0}",
            "points: {type: integer, default: 0}\n    seen: {type: timestamp}\n    lapsed: {type: boolean, is: now - customer.seen > days(3)}",
        )
        .replace("timezone, points]", "timezone, points, lapsed]")
}

fn seen(at: Micros) -> Value {
    let at = journey::expression::time::show_instant(at).unwrap();
    json!({"seen": at})
}

impl World {
    async fn bring(&self, user: &str, attributes: Value) {
        let imported = Imported {
            key: self.key(user),
            anonymous: false,
            id: user.to_owned().into(),
            attributes: Personal::new(attributes.as_object().unwrap().clone()),
            consents: BTreeMap::new(),
            evidence: BTreeMap::new(),
        };
        self.store.import(NS, &[imported], user, 1).await.unwrap();
    }

    /// Rounds until there is nothing to do.
    async fn rest(&mut self) {
        for _ in 0..200 {
            if self.round(vec![]).await == RoundResult::Idle {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// What the store told this journey of changes is what the journey has counted of them.
    async fn the_changes_balance(&self) {
        let (counts, intake) = (
            self.store.counts(NS, "cart").await.unwrap(),
            self.store.intake_counts(NS).await.unwrap(),
        );
        assert_eq!(counts.total_of("changed:"), intake.total("changed"), "{counts:#?}");
        self.the_books_balance().await;
    }
}

#[tokio::test]
async fn a_condition_looks_at_everybody_once_and_then_at_the_instant_at_which_time_makes_it_true() {
    let mut world = World::of(&lapsed()).await;
    for (user, days) in [("old", 5), ("new", 0)] {
        let at = world.clock_now() - days * DAY;
        world.bring(user, seen(at)).await;
    }
    world.rest().await;
    assert_eq!(
        world.count("entered").await,
        1,
        "the first sight of who is gone already"
    );
    world.the_changes_balance().await;

    let start = world.clock_now();
    world.clock.advance(3 * DAY);
    world.rest().await;
    assert_eq!(world.count("entered").await, 1, "not yet");
    world.clock.advance(1);
    world.rest().await;
    assert_eq!(world.count("entered").await, 2);
    assert_eq!(world.count("noticed:entered").await, 1, "time brought the second");

    // Seen again, it is false; three days later it becomes true once more.
    world.bring("new", seen(start + 3 * DAY + 1)).await;
    world.rest().await;
    world.clock.advance(4 * DAY);
    world.rest().await;
    assert_eq!(world.count("entered").await, 3);
    world.the_changes_balance().await;
}

#[tokio::test]
async fn a_new_journey_looks_at_all_who_are_there_and_a_changed_condition_does_so_anew() {
    let mut world = World::new().await;
    for user in 0..120 {
        let at = world.clock_now() - (user % 6) * DAY;
        world.bring(&format!("u{user}"), seen(at)).await;
    }
    world.rest().await;
    assert_eq!(world.count("entered").await, 0);
    world.put(&lapsed()).await;
    world.rest().await;
    assert_eq!(
        world.count("entered").await,
        40,
        "four and five days ago, and no event told of them"
    );
    assert_eq!(world.count("noticed:entered").await, 40);
    world.rest().await;
    assert_eq!(world.count("entered").await, 40, "once");
    world.put(&lapsed().replace("days(3)", "days(1)")).await;
    world.rest().await;
    assert_eq!(
        world.count("entered").await,
        80,
        "two and three days ago; who held before holds on"
    );
    world.the_changes_balance().await;
}

#[tokio::test]
async fn a_suspended_journey_does_not_spend_the_first_sight_of_anybody() {
    let mut world = World::new().await;
    world.bring("u1", seen(START - 9 * DAY)).await;
    world
        .put(&lapsed().replace("spec:\n  entry:", "spec:\n  suspend: true\n  entry:"))
        .await;
    world.rest().await;
    assert_eq!(
        world.count("entered").await + world.count("noticed:ignored:Suspended").await,
        0
    );
    world.put(&lapsed()).await;
    world.rest().await;
    assert_eq!(world.count("entered").await, 1);
}

#[tokio::test]
async fn a_takeover_forgets_no_look() {
    let mut world = World::of(&lapsed()).await;
    world.bring("u1", seen(world.clock_now())).await;
    world.rest().await;
    world.take_over().await;
    world.clock.advance(4 * DAY);
    world.rest().await;
    assert_eq!(world.count("entered").await, 1);
}

#[tokio::test]
async fn a_set_is_told_to_the_conditions_of_the_same_journey() {
    let yaml = MANIFESTS
        .replace(
            "- {name: thanks,",
            "- {name: calm, wait: {for: 9d, until: [{when: customer.points > 15, next: done}]}}\n  - {name: thanks,",
        )
        .replace(
            "exits: [{",
            "exits: [{name: rich, when: customer.points > 25, outcome: Disqualified}, {",
        );
    let mut world = World::of(&yaml).await;
    world.import("u1", Some(true)).await;
    for cart in ["a", "b", "c"] {
        let data = json!({"userId": "u1", "cartId": cart, "items": 1});
        world.event("u1", "cart-updated", data).await;
    }
    world.rest().await;
    world.bring("u1", json!({"points": 20})).await;
    world.rest().await;
    assert_eq!(world.count("step:calm").await, 0, "nobody waits there yet");
    world.bring("u1", json!({"points": 30})).await;
    world.rest().await;
    assert_eq!(
        world.count("ended:Disqualified").await,
        3,
        "the change reaches every enrollment"
    );
    assert_eq!(world.count("changed:exited").await, 1);
    world.the_changes_balance().await;
}
