//! What a message says, and when a condition keeps it back.

use super::*;
use journey::{
    engine::state::{About, JOINED, LEFT},
    link,
    store::choice_of,
};

/// The journey's manifests with `from` replaced by `to`, which must be there once.
fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(MANIFESTS.to_owned(), |yaml, (from, to)| {
        assert_eq!(yaml.matches(from).count(), 1, "{from} is there once");
        yaml.replace(from, to)
    })
}

fn content(claim: &Claim, field: &str) -> String {
    claim.message.content[field].expose().clone()
}

async fn teach(world: &mut World, user: &str, name: &'static str, value: Value) {
    let learn = move |_: &Arrival, customer: &mut Customer| {
        customer.attributes.expose_mut().insert(name.to_owned(), value.clone());
        vec![]
    };
    world.event_with(user, "cart-updated", cart(user), &learn).await;
    world.round(vec![]).await;
}

#[tokio::test]
async fn a_customer_reads_each_field_in_the_closest_language_that_there_is() {
    let yaml = changed(&[
        (
            "  zone: customer.timezone\n",
            "  zone: customer.timezone\n  locale: customer.language\n",
        ),
        (
            "    points: {type: integer",
            "    language: {type: string}\n    points: {type: integer",
        ),
        (
            "    timeToLive: 20h",
            "    timeToLive: 20h\n    translations:\n      de: {subject: \"{{ customer.firstName }}, Korb {{ with.cart }}\", text: Er wartet.}\n      de-AT: {text: Er wartet no.}",
        ),
    ]);
    let mut world = World::of(&yaml).await;
    for (user, language, subject, text) in [
        ("u1", json!("de_AT"), "Ada, Korb c1", "Er wartet no."),
        ("u2", json!("de-CH"), "Ada, Korb c1", "Er wartet."),
        ("u3", json!("fr"), "Ada, cart c1", "It waits: "),
        ("u4", json!(null), "Ada, cart c1", "It waits: "),
        ("u5", json!("no language"), "Ada, cart c1", "It waits: "),
    ] {
        world.import(user, Some(true)).await;
        teach(&mut world, user, "language", language).await;
        world.later(HOUR).await;
        let claim = world.answer(Fate::Known(Outcome::Sent)).await;
        assert_eq!(content(&claim, "subject"), subject, "{user}");
        assert!(content(&claim, "text").starts_with(text), "{user}");
        world.claims.clear();
    }
}

#[tokio::test]
async fn while_a_condition_holds_nothing_is_sent_and_the_next_event_asks_again() {
    let yaml = |then: &str| {
        changed(&[
            (
                "  quiet: [{purposes: [marketing], hours",
                &format!(
                    "  quiet: [{{purposes: [marketing], while: customer.complaints > 0, then: {then}}}, {{purposes: [marketing], hours"
                ),
            ),
            (
                "    points: {type: integer",
                "    complaints: {type: integer, default: 0}\n    points: {type: integer",
            ),
        ])
    };
    let mut world = World::of(&yaml("Drop")).await;
    world.import("u1", Some(true)).await;
    teach(&mut world, "u1", "complaints", json!(1)).await;
    world.later(HOUR).await;
    assert_eq!(world.count("skipped:reminder:QuietWhile").await, 1);
    world.the_books_balance().await;

    let mut world = World::of(&yaml("Delay")).await;
    world.import("u1", Some(true)).await;
    teach(&mut world, "u1", "complaints", json!(1)).await;
    world.later(HOUR).await;
    world.later(16 * MINUTE).await;
    assert!(world.claims.is_empty(), "it is asked about again, and held again");
    teach(&mut world, "u1", "complaints", json!(0)).await;
    assert_eq!(world.claims.len(), 1, "the event that ends the condition lets it out");

    // Where no event of the journey tells, time does.
    let mut world = World::of(&yaml("Delay")).await;
    world.import("u1", Some(true)).await;
    teach(&mut world, "u1", "complaints", json!(1)).await;
    world.later(HOUR).await;
    let calm = Imported {
        attributes: Personal::new(json!({"complaints": 0}).as_object().unwrap().clone()),
        key: world.key("u1"),
        anonymous: false,
        id: "u1".to_owned().into(),
        consents: BTreeMap::new(),
        evidence: BTreeMap::new(),
    };
    world.store.import(NS, &[calm], "calm", 1).await.unwrap();
    world.later(14 * MINUTE).await;
    assert!(world.claims.is_empty());
    world.later(2 * MINUTE).await;
    assert_eq!(world.claims.len(), 1);
    world.the_books_balance().await;
}

/// The customer's own hand, as the gateway's page writes it.
async fn choose(world: &mut World, user: &str, joins: bool) {
    let at = world.clock_now();
    let learn = move |_: &Arrival, customer: &mut Customer| {
        customer.hear_consent(&choice_of("cart"), Consent::said(joins, at));
        vec![]
    };
    let name = if joins { JOINED } else { LEFT };
    world.event_with(user, name, json!({}), &learn).await;
}

#[tokio::test]
async fn who_leaves_by_a_link_of_a_message_gets_no_more_of_it_whatever_comes_until_they_join() {
    let yaml = changed(&[
        (
            "key: event.cartId}",
            "reentry: {max: 9}}\n  choice: {title: Carts, join: true, leave: true}",
        ),
        (
            "{{ link('https://shop.example/cart') }}",
            "{{ leave_link() }} {{ join_link('cart') }}",
        ),
        (
            "{cart: \"${entry.cartId}\"}, otherwise: missed}}\n  - {name: again",
            "{cart: one}, otherwise: missed}}\n  - {name: again",
        ),
        (
            "again, send: {touchpoint: reminder, with: {cart: \"${entry.cartId}\"}",
            "again, send: {touchpoint: reminder, with: {cart: two}",
        ),
    ]);
    let mut world = World::of(&yaml).await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    let claim = world.answer(Fate::Known(Outcome::Sent)).await;
    let text = content(&claim, "text");
    let links: Vec<&str> = text.split_whitespace().filter(|word| word.contains("/c/")).collect();
    let tokens = links.iter().map(|link| link.rsplit('/').next().unwrap());
    let chosen: Vec<_> = tokens
        .filter_map(|token| link::read_choice(&world.keys, NS, token))
        .collect();
    assert_eq!(
        chosen
            .iter()
            .map(|one| (one.journey.as_str(), one.joins, one.customer))
            .collect::<Vec<_>>(),
        [("cart", false, world.key("u1")), ("cart", true, world.key("u1"))]
    );

    // The second message is claimed already; a third event comes in the same round as the leave, and before it.
    world.claims.clear();
    world.event("u1", "cart-updated", cart("u1")).await;
    choose(&mut world, "u1", false).await;
    world.round(vec![]).await;
    assert_eq!(world.count("ended:OptedOut").await, 1);
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    assert_eq!(world.count("event:ignored:OptedOut").await, 1);

    // Neither an import that says yes to everything nor another process brings them back.
    world.import("u1", Some(true)).await;
    world.take_over().await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    assert_eq!(world.count("event:ignored:OptedOut").await, 2);

    world.later(MINUTE).await;
    choose(&mut world, "u1", true).await;
    world.round(vec![]).await;
    assert_eq!(
        (world.count("entered").await, world.count("event:entered").await),
        (2, 2)
    );
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_message_that_waits_is_withdrawn_when_its_customer_leaves() {
    let yaml = changed(&[(
        "key: event.cartId}",
        "key: event.cartId}\n  choice: {title: Carts, leave: true}",
    )]);
    let mut world = World::of(&yaml).await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.room = 0;
    world.later(HOUR).await;
    choose(&mut world, "u1", false).await;
    world.room = 100;
    world.later(MINUTE).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:Withdrawn").await, 1);
    // A wait that is due before the event that leaves asks for a message in the same round: it does not go out either.
    world.import("u2", Some(true)).await;
    world.event("u2", "cart-updated", cart("u2")).await;
    world.round(vec![]).await;
    world.clock.advance(2 * HOUR);
    choose(&mut world, "u2", false).await;
    world.round(vec![]).await;
    assert!(world.claims.is_empty());
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_survey_asks_by_mail_and_its_answer_moves_the_customer_on() {
    let yaml = changed(&[
        (
            "    content: {subject: \"{{ customer.firstName }}, cart {{ with.cart }}\", text: \"It waits: {{ link('https://shop.example/cart') }}\"}\n",
            "    survey: {questions: [{name: why, kind: Text, ask: \"Why?\"}, {name: score, kind: NPS, ask: \"Would you recommend us?\"}]}\n    translations: {de: {why: \"Warum?\"}}\n",
        ),
        (
            "  zone: customer.timezone\n",
            "  zone: customer.timezone\n  locale: customer.language\n",
        ),
        (
            "    points: {type: integer",
            "    language: {type: string, default: de-AT}\n    points: {type: integer",
        ),
        (
            "  - {name: again, send: {touchpoint: reminder, with: {cart: \"${entry.cartId}\"}, otherwise: missed}}\n",
            "  - {name: again, wait: {for: 7d, until: [{event: reminder/answered, when: event.score <= 6, next: missed}, {event: reminder/answered, next: thanks}]}}\n",
        ),
    ]);
    for (answer, ending) in [
        (json!({"score": 3, "why": "slow"}), "ended:Failed"),
        (json!({"score": 9}), "ended:Completed"),
        (json!({"why": "it is fine"}), "ended:Completed"),
    ] {
        let mut world = World::of(&yaml).await;
        world.import("u1", Some(true)).await;
        world.event("u1", "cart-updated", cart("u1")).await;
        world.round(vec![]).await;
        world.later(HOUR).await;
        let claim = world.answer(Fate::Known(Outcome::Sent)).await;
        assert_eq!(content(&claim, "subject"), "Warum?");
        let html = content(&claim, "html");
        assert!(
            html.contains("q=score&amp;a=10\"") && html.contains("Abmelden"),
            "{html}"
        );
        let page = content(&claim, "link");
        let token = page.rsplit('/').next().unwrap().split('?').next().unwrap();
        let asked = link::read_survey(&world.keys, NS, token).unwrap();
        assert_eq!((asked.message, asked.touchpoint.as_str()), (claim.key, "reminder"));

        let message = world.store.message(NS, claim.key).await.unwrap().unwrap();
        let arrival = Arrival {
            key: world.keys.event(NS, "answered", "1"),
            id: "1".to_owned().into(),
            name: "reminder/answered".into(),
            customer: message.customer,
            customer_id: None,
            anonymous: false,
            known_as: vec![],
            time: world.clock_now(),
            data: Personal::new(answer.as_object().unwrap().clone()),
            said: vec![],
            unreadable: Default::default(),
            about: Some(About {
                journey: message.journey,
                enrollment: message.enrollment,
                step: message.step,
                occurrence: message.occurrence,
            }),
            suppresses: None,
            listeners: vec!["cart".into()],
        };
        world.store.accept(NS, &[arrival], &|_, _| vec![]).await.unwrap();
        world.round(vec![]).await;
        assert_eq!(world.count(ending).await, 1, "{answer}");
    }
}
