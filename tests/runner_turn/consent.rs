//! Who gets nothing: by what they said, by their address, by their age.

use super::*;
use journey::policy::{Confirmed, Suppression};
use journey::store::Suppressed;

/// The journey's manifests with `from` replaced by `to`, which must be there once.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(MANIFESTS.matches(from).count(), 1, "{from} is there once");
    MANIFESTS.replace(from, to)
}

/// The purpose is confirmed by the link in the reminder itself.
fn confirmed_by_the_reminder() -> String {
    changed("basis: Consent,", "basis: Consent, confirm: {touchpoint: reminder},")
        .replace("text: \"It waits: ", "text: \"Confirm: {{ confirm_link() }} It waits: ")
}

async fn say(world: &mut World, user: &str, subject: &'static str, consent: Consent) {
    let learn = move |_: &Arrival, customer: &mut Customer| {
        customer.hear_consent(subject, consent);
        vec![]
    };
    world.event_with(user, "consent/withdrawn", json!({}), &learn).await;
    world.round(vec![]).await;
}

/// Until the reminder is asked for.
async fn up_to_the_reminder(world: &mut World, user: &str) {
    world.event(user, "cart-updated", cart(user)).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
}

fn suppressed(world: &World, address: &str, why: Suppression) -> Suppressed {
    Suppressed {
        address: world.keys.address(NS, address),
        why,
        source: "a test".into(),
        at: 0,
    }
}

#[tokio::test]
async fn a_suppressed_address_gets_nothing_however_it_is_written_and_whoever_has_it() {
    let mut world = World::new().await;
    world.import("ada", Some(true)).await;
    world.import("bob", Some(true)).await;
    let row = suppressed(&world, "ADA+shoes@Example.COM", Suppression::Objected);
    world.store.suppress(NS, &[row]).await.unwrap();
    for user in ["ada", "bob"] {
        up_to_the_reminder(&mut world, user).await;
    }
    assert_eq!(world.claims.len(), 1);
    assert_eq!(world.claims[0].customer, world.key("bob"));
    assert_eq!(world.count("skipped:reminder:Suppressed").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn what_is_owed_goes_to_who_objected_but_to_nobody_who_cannot_be_reached() {
    let yaml = changed("basis: Consent,", "basis: Contract,");
    let mut world = World::of(&yaml).await;
    let rows = [
        suppressed(&world, "ada@example.com", Suppression::Objected),
        suppressed(&world, "bob@example.com", Suppression::Undeliverable),
    ];
    world.store.suppress(NS, &rows).await.unwrap();
    for user in ["ada", "bob"] {
        world.import(user, None).await;
        up_to_the_reminder(&mut world, user).await;
    }
    assert_eq!(world.claims.len(), 1);
    assert_eq!(world.claims[0].customer, world.key("ada"));
    assert_eq!(world.count("skipped:reminder:Suppressed").await, 1);
}

#[tokio::test]
async fn an_address_that_is_suppressed_between_two_messages_gets_the_first_only() {
    let mut world = World::new().await;
    world.import("ada", Some(true)).await;
    up_to_the_reminder(&mut world, "ada").await;
    let claim = world.claims[0].clone();
    let message = world.store.message(NS, claim.key).await.unwrap().unwrap();
    let address = message.address.expect("where it went is kept, as a hash");
    assert_eq!(address, world.keys.address(NS, "ada@example.com"));
    let row = Suppressed {
        address,
        ..suppressed(&world, "", Suppression::Undeliverable)
    };
    world.store.suppress(NS, &[row]).await.unwrap();
    world.answer(SENT).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:Suppressed").await, 1);
    let kept = world.store.message(NS, claim.key).await.unwrap().unwrap();
    assert_eq!(kept.address, Some(address), "the outcome leaves it");
}

#[tokio::test]
async fn pending_consent_brings_the_confirmation_and_nothing_else() {
    let elsewhere = changed(
        "basis: Consent,",
        "basis: Consent, confirm: {touchpoint: please-confirm},",
    );
    let elsewhere = format!(
        "{elsewhere}---\napiVersion: journey.dev/v1alpha1\nkind: Touchpoint\nmetadata: {{name: please-confirm}}\nspec:\n  channel: Email\n  outbound: \
{{adapter: mail, purpose: marketing, to: \"${{customer.email}}\", content: {{subject: Confirm, text: \"{{{{ confirm_link() }}}}\"}}}}\n"
    );
    for (yaml, claims) in [(elsewhere, 0), (confirmed_by_the_reminder(), 1)] {
        let mut world = World::of(&yaml).await;
        world.import("ada", None).await;
        say(&mut world, "ada", "marketing", Consent::heard(true, START, true)).await;
        up_to_the_reminder(&mut world, "ada").await;
        assert_eq!(world.claims.len(), claims);
        assert_eq!(world.count("skipped:reminder:Unconfirmed").await, 1 - claims as i64);
        if let Some(claim) = world.claims.first() {
            let text = claim.message.text("text").unwrap();
            assert!(text.contains("https://events.shop.example/k/"), "{text}");
        }
    }
}

#[tokio::test]
async fn a_confirmation_is_for_the_address_that_confirmed() {
    let yaml = changed(
        "basis: Consent,",
        "basis: Consent, confirm: {touchpoint: please-confirm},",
    );
    let yaml = format!(
        "{yaml}---\napiVersion: journey.dev/v1alpha1\nkind: Touchpoint\nmetadata: {{name: please-confirm}}\nspec:\n  channel: Email\n  outbound: \
{{adapter: mail, purpose: marketing, to: \"${{customer.email}}\", content: {{subject: Confirm, text: \"{{{{ confirm_link() }}}}\"}}}}\n"
    );
    let mut world = World::of(&yaml).await;
    let address = |world: &World, written: &str| Confirmed::For(world.keys.address(NS, written));
    let said = [
        ("ada", address(&world, "Ada@example.com"), 1),
        ("bob", address(&world, "old@example.com"), 0),
        ("eve", address(&world, "+43123456789"), 1),
        ("joe", Confirmed::Elsewhere, 1),
        ("sue", Confirmed::Not, 0),
    ];
    for (user, confirmed, goes) in said {
        world.import(user, None).await;
        let consent = Consent {
            confirmed,
            ..Consent::said(true, START)
        };
        say(&mut world, user, "marketing", consent).await;
        up_to_the_reminder(&mut world, user).await;
        assert_eq!(world.claims.len(), goes, "{user}");
        world.claims.clear();
    }
    assert_eq!(world.count("skipped:reminder:Unconfirmed").await, 2);
}

#[tokio::test]
async fn a_no_to_the_channel_outlives_a_later_yes_to_the_purpose() {
    let mut world = World::new().await;
    world.import("ada", Some(true)).await;
    say(&mut world, "ada", "marketing@Email", Consent::said(false, START)).await;
    say(&mut world, "ada", "marketing", Consent::said(true, START + SECOND)).await;
    up_to_the_reminder(&mut world, "ada").await;
    assert_eq!(world.count("skipped:reminder:NoConsent").await, 1);
    assert!(world.claims.is_empty());
}

#[tokio::test]
async fn who_has_paused_a_purpose_gets_nothing_of_it_until_the_pause_is_over() {
    let mut world = World::new().await;
    for (user, pause, goes) in [("ada", HOUR / 2, 1), ("bob", 2 * HOUR, 0)] {
        world.import(user, Some(true)).await;
        let pause = Consent {
            until: Some(world.clock_now() + pause),
            ..Consent::said(false, world.clock_now())
        };
        say(&mut world, user, "pause/marketing", pause).await;
        up_to_the_reminder(&mut world, user).await;
        assert_eq!(world.claims.len(), goes, "{user}");
        world.claims.clear();
    }
    assert_eq!(world.count("skipped:reminder:Paused").await, 1);
}

#[tokio::test]
async fn consent_that_expires_during_a_wait_of_thirty_days_sends_nothing() {
    let yaml =
        changed("wait: {for: 1h,", "wait: {for: 30d,").replace("basis: Consent,", "basis: Consent, expires: 20d,");
    let mut world = World::of(&yaml).await;
    world.import("ada", Some(true)).await;
    world.event("ada", "cart-updated", cart("ada")).await;
    world.round(vec![]).await;
    world.later(30 * 24 * HOUR).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:ConsentExpired").await, 1);
}

#[tokio::test]
async fn a_withdrawal_in_the_pause_before_another_try_ends_the_message() {
    let mut world = World::new().await;
    world.import("ada", Some(true)).await;
    up_to_the_reminder(&mut world, "ada").await;
    let due = world.clock_now() + 10 * MINUTE;
    let reason = "Http503".to_owned();
    world.answer(Fate::Retry { due, reason }).await;
    let said = Consent::said(false, world.clock_now());
    say(&mut world, "ada", "marketing", said).await;
    world.later(HOUR).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:NoConsent").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn who_is_too_young_or_of_unknown_age_gets_nothing_that_rests_on_their_word() {
    let yaml = changed(
        "  zone: customer.timezone\n",
        "  zone: customer.timezone\n  age: customer.age\n",
    )
    .replace(
        "    points: {type: integer",
        "    age: {type: integer}\n    points: {type: integer",
    )
    .replace(
        "  purposes: [{name: marketing",
        "  minimumAge: 16\n  purposes: [{name: marketing",
    );
    let mut world = World::of(&yaml).await;
    for (user, age, goes) in [
        ("ada", json!(16), 1),
        ("bob", json!(15), 0),
        ("eve", json!(null), 0),
        ("joe", json!(-3), 0),
    ] {
        world.import(user, Some(true)).await;
        let learn = move |_: &Arrival, customer: &mut Customer| {
            customer.attributes.expose_mut().insert("age".to_owned(), age.clone());
            vec![]
        };
        world.event_with(user, "cart-updated", cart(user), &learn).await;
        world.round(vec![]).await;
        world.later(HOUR).await;
        assert_eq!(world.claims.len(), goes, "{user}");
        world.claims.clear();
    }
    assert_eq!(world.count("skipped:reminder:MinimumAge").await, 3);
}

#[tokio::test]
async fn a_policy_that_goes_while_messages_wait_takes_them_with_it() {
    let mut world = World::new().await;
    world.import("ada", Some(true)).await;
    // 20:30 in Vienna: the message is held over night.
    world.clock.set(START + 9 * HOUR + 30 * MINUTE);
    up_to_the_reminder(&mut world, "ada").await;
    assert!(world.claims.is_empty());
    let policy = MANIFESTS.rfind("---").unwrap();
    // Without a policy the journey does not compile any more; its program stays, and what it may send is what all policies say: nothing.
    let mut manifests = Manifests {
        namespace: NS.into(),
        ..Manifests::default()
    };
    manifests.read(&MANIFESTS[..policy], "test").unwrap();
    let settings = serde_json::to_value(compile::settings(&manifests)).unwrap();
    world.store.put_settings(NS, &settings).await.unwrap();
    world.later(12 * HOUR).await;
    assert!(world.claims.is_empty(), "no policy means no message");
    assert_eq!(world.count("sent:reminder").await, 0);
}
