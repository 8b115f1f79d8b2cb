//! Signals without an event: what they compile to, what they watch, and what is said of those that cannot be meant.

use super::{mistakes::said, *};

const TRIGGER: &str = "    - {event: cart-updated, when: event.items > 0}\n    key: event.cartId\n";

/// The shop with other triggers, and a profile that derives.
fn shop(triggers: &str) -> Manifests {
    let text = SHOP
        .replace(TRIGGER, triggers)
        .replace(
            "    lastSeenAt: {type: timestamp}\n",
            "    lastSeenAt: {type: timestamp}\n    gone: {type: boolean, is: now - customer.lastSeenAt > days(9)}\n",
        )
        .replace("tier, points]", "tier, points, gone]")
        // Without the cart's event nothing is known of the cart.
        .replace("items: \"${entry.items}\"", "items: 1");
    read(&text)
}

#[test]
fn a_condition_is_watched_by_what_it_stands_on_and_named_by_what_it_says() {
    let gone = program(&shop("    - {when: customer.gone}\n"));
    assert!(gone.triggers[0].condition().is_some() && gone.triggers[0].event.is_none());
    let watches = |program: &Program| -> Vec<String> {
        let names = program.listens.iter().filter(|name| name.starts_with("customer."));
        names.cloned().collect()
    };
    assert_eq!(
        watches(&gone),
        ["customer.id", "customer.lastSeenAt"],
        "not by the derived one's own name"
    );
    assert_eq!(gone.condition_names.len(), 1);
    let (names, first_sight) = (gone.condition_names.clone(), gone.first_sight.clone());
    assert!(first_sight.is_some());

    let other = program(&shop("    - {when: customer.gone || customer.points > 3}\n"));
    assert_ne!(other.condition_names, names);
    assert_eq!(
        watches(&other),
        ["customer.id", "customer.lastSeenAt", "customer.points"]
    );

    // The same words over another profile: everybody is looked at again, and who held is known by the same name.
    let text = serde_json::to_string(&shop("    - {when: customer.gone}\n")).unwrap();
    let later = serde_json::from_str(&text.replace("days(9)", "days(10)")).unwrap();
    let later = program(&later);
    assert_eq!(later.condition_names, names);
    assert_ne!(later.first_sight, first_sight);

    let events = program(&read(SHOP));
    assert_eq!(
        (watches(&events), &events.first_sight),
        (vec![], &None),
        "who has no condition watches nothing"
    );
}

#[test]
fn waits_exits_and_goals_watch_too_but_see_nobody_for_the_first_time() {
    let text = SHOP
        .replace(
            "{event: complaint-filed, next: help}",
            "{when: customer.points > 3, next: done}",
        )
        .replace(
            "{name: emptied, event: cart-updated, when: event.items == 0,",
            "{name: emptied, when: steps.remind.count > 2 && customer.tier == 'gold',",
        );
    let program = program(&read(&text.replace(
        "with: {reason: \"Complaint: ${steps.listen.event.text}\"}",
        "with: {reason: none}",
    )));
    assert!(program.listens.contains("customer.points") && program.listens.contains("customer.tier"));
    assert!(!program.listens.contains("customer.id") && program.first_sight.is_none());
}

#[test]
fn what_cannot_be_meant_is_told() {
    let lines = |text: String| said(&read(&text));
    let has = |text: String, expected: &str| {
        let said = lines(text);
        assert!(said.iter().any(|line| line.contains(expected)), "{expected}: {said:#?}");
    };
    has(
        SHOP.replace(
            "{event: cart-updated, when: event.items > 0}",
            "{when: customer.points > 3}",
        ),
        "spec.entry.triggers[0].when: a condition has no event, and so no value for entry.key: nobody would enter",
    );
    has(
        SHOP.replace(
            "{event: cart-updated, when: event.items > 0}",
            "{when: event.items > 0}",
        ),
        "spec.entry.triggers[0].when: 'event' is not known here",
    );
    has(
        SHOP.replace(
            "{name: emptied, event: cart-updated, when: event.items == 0,",
            "{name: emptied,",
        ),
        "spec.exits[1]: a signal needs event, when, or both",
    );
    has(
        SHOP.replace(
            "{event: cart-updated, next: patience}",
            "{when: customer.points > 3, next: patience}",
        ),
        "spec.steps[0]: step 'patience' waits for a condition that leads back to it",
    );
    has(
        SHOP.replace(
            "{event: cart-updated, next: patience}",
            "{when: customer.mood > 3, next: tier}",
        ),
        "allows customer.mood",
    );
    // What the loop itself ends is no mistake.
    let counted = SHOP.replace(
        "{event: cart-updated, next: patience}",
        "{when: steps.patience.count < 3, next: patience}",
    );
    assert_eq!(lines(counted), [""; 0]);
    // Without an event nothing is known of the entry.
    let entry = shop("    - {event: cart-updated}\n    - {when: customer.gone}\n");
    assert!(journey(&entry, "abandoned-cart").is_ok());
    let text = serde_json::to_string(&entry)
        .unwrap()
        .replace("\"items\":1", "\"items\":\"${entry.items}\"");
    let said = said(&serde_json::from_str(&text).unwrap());
    assert!(
        said.iter().any(|line| line.contains("'entry.items' may be missing")),
        "{said:#?}"
    );
}
