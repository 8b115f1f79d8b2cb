//! One sound shop; each test changes one thing and looks at what is said of it.

mod bounds;
mod codes;
mod conditions;
mod content;
mod derived;
mod lints;
mod mistakes;
mod reading;
mod sends;
mod signals;

use super::*;
use crate::{
    clock::{DAY, HOUR},
    engine::program::{StepAction, WaitEnd},
    kpi::{KpiSpec, Statistic, Target},
};
use std::collections::BTreeSet;

const SHOP: &str = include_str!("shop.yaml");

fn read(text: &str) -> Manifests {
    let mut manifests = Manifests {
        namespace: "shop".into(),
        ..Manifests::default()
    };
    // Shapes that the API server refuses are read here: what is compiled may have come another way.
    if let Err(errors) = super::read::read_judged(&mut manifests, text, "shop.yaml", |_| vec![]) {
        panic!("{errors:#?}");
    }
    manifests
}

/// The shop with `from` replaced by `to`, which must be there once.
fn changed(from: &str, to: &str) -> Manifests {
    assert_eq!(SHOP.matches(from).count(), 1, "{from} is in the shop once");
    read(&SHOP.replace(from, to))
}

fn program(manifests: &Manifests) -> Program {
    journey(manifests, "abandoned-cart")
        .unwrap_or_else(|found| panic!("{found:#?}"))
        .program
}

#[test]
fn a_sound_journey_compiles_without_a_word() {
    Manifests::default().read(SHOP, "shop.yaml").unwrap();
    let shop = read(SHOP);
    assert_eq!(journey(&shop, "abandoned-cart").unwrap().warnings, []);
    let kinds = [
        "CustomerProfile",
        "PrivacyPolicy",
        "ChannelAdapter",
        "ChannelAdapter",
        "ChannelAdapter",
        "Touchpoint",
        "Touchpoint",
        "Touchpoint",
    ];
    let names = [
        "shop",
        "shop",
        "mail",
        "desk",
        "web",
        "cart-updated",
        "cart-reminder",
        "service-desk",
    ];
    for (kind, name) in kinds.into_iter().zip(names) {
        assert_eq!(
            object(
                &shop,
                &Object {
                    kind: kind.into(),
                    name: name.into()
                }
            ),
            [],
            "{kind} {name}"
        );
    }
    assert_eq!(intake(&shop).1, []);
}

#[test]
fn a_program_says_all_that_the_engine_and_the_dispatcher_need() {
    let program = program(&read(SHOP));
    assert_eq!(
        (program.namespace.as_str(), program.journey.as_str()),
        ("shop", "abandoned-cart")
    );
    assert_eq!(
        program.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(),
        ["patience", "tier", "remind", "listen", "thank", "help", "done"]
    );
    assert_eq!(
        program.steps.iter().map(|step| step.next).collect::<Vec<_>>(),
        [Some(1), Some(2), Some(3), Some(6), Some(6), Some(6), None]
    );
    assert!(
        matches!(&program.steps[0].action, StepAction::Wait { ends: Some(WaitEnd::After(HOUR)), during: None, until } if until[0].next == 0)
    );
    assert!(
        matches!(&program.steps[2].action, StepAction::Send { candidates, otherwise: Some(6), .. } if candidates[0].touchpoint == "cart-reminder")
    );
    assert_eq!((program.reentry.cooldown, program.reentry.max), (Some(DAY), Some(3)));
    let listens: Vec<&str> = program.listens.iter().map(String::as_str).collect();
    assert_eq!(
        listens,
        [
            "cart-reminder/clicked",
            "cart-updated",
            "complaint-filed",
            "order-placed"
        ]
    );
    assert!(program.keyed);
    // The complaint has no cart, so it reaches all of the customer's enrollments.
    assert_eq!(
        program.keys.keys().collect::<Vec<_>>(),
        ["cart-updated", "order-placed"]
    );
    assert_eq!(
        program.outbound.keys().collect::<Vec<_>>(),
        ["cart-reminder", "service-desk"]
    );
    assert_eq!(program.outbound["cart-reminder"].time_to_live, Some(12 * HOUR));
    assert_eq!(program.adapters.keys().collect::<Vec<_>>(), ["desk", "mail"]);
    assert_eq!(program.public_url.as_deref(), Some("https://events.shop.example"));
    assert_eq!(
        program.kpis,
        [KpiSpec {
            name: "conversion".into(),
            goal: "bought".into(),
            statistic: Statistic::Rate,
            valued: false,
            window: 28 * DAY,
            minimum_sample: Some(200),
            target: Some(Target::AtLeast(0.08))
        }]
    );
    assert_eq!(program.policy.purposes.len(), 2);
    assert_eq!(program.goals[0].within, 7 * DAY);
    assert!(!program.suspended);
}

#[test]
fn the_gateway_learns_who_may_bring_what() {
    let (intake, found) = intake(&read(SHOP));
    assert_eq!(found, []);
    assert_eq!(
        intake.inbound.keys().collect::<Vec<_>>(),
        ["cart.updated", "complaint.filed", "order.placed"]
    );
    let cart = &intake.inbound["cart.updated"];
    assert_eq!(
        (cart.touchpoint.as_str(), cart.identifier.as_str()),
        ("cart-updated", "userId")
    );
    assert_eq!(cart.from, Some(["backend", "web"].map(str::to_owned).into()));
    assert_eq!(intake.inbound["complaint.filed"].from, None);
    assert_eq!((cart.attributes.len(), cart.consent.len()), (1, 1));
    assert!(
        cart.schema
            .as_ref()
            .unwrap()
            .is_valid(&serde_json::json!({"cartId": "c", "items": 1}))
    );
    assert_eq!(intake.sources["backend"].key_file, "backend-key/key");
    assert_eq!(intake.sources["web"].key_file, "web-key/key");
    assert!(intake.sources["web"].public && intake.sources.len() == 2);
    assert_eq!(intake.purposes, ["marketing", "service"].map(str::to_owned).into());
}

#[test]
fn one_bad_touchpoint_does_not_stop_the_others() {
    let (intake, found) = intake(&changed(
        "customer: event.userId\n    schema: {type: object, required: [text]",
        "customer: event.usrId\n    schema: {type: object, required: [text]",
    ));
    assert_eq!(
        intake.inbound.keys().collect::<Vec<_>>(),
        ["cart.updated", "order.placed"]
    );
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].object.name.as_str(), found[0].path.as_str()),
        ("complaint-filed", "spec.inbound.customer")
    );
}

#[test]
fn a_revision_changes_with_what_customers_walk_and_with_nothing_else() {
    let revision = |manifests: &Manifests| super::revision(manifests, "abandoned-cart");
    let before = revision(&read(SHOP));
    assert!(
        before.len() == 5 && before.chars().all(|c| "bcdfghjklmnpqrstvwxz2456789".contains(c)),
        "{before}"
    );
    for (from, to) in [
        ("for: 1h", "for: 2h"),
        ("cooldown: 24h", "cooldown: 12h"),
        ("when: event.items == 0", "when: event.items < 1"),
        ("your cart is waiting", "come back"),
        ("note: {type: string}", "note: {type: integer}"),
    ] {
        assert_ne!(revision(&changed(from, to)), before, "{to}");
    }
    for (from, to) in [
        (
            "labels: {team: growth}}\nspec:",
            "labels: {team: growth, x: z}}\nspec:\n  suspend: true\n  runner: {replicas: 3}",
        ),
        ("window: 28d", "window: 7d"),
        ("within: 7d", "within: 6d"),
        ("per: 7d", "per: 1d"),
        ("timeout: 10s", "timeout: 9s"),
        ("age: {type: integer}", "age: {type: number}"),
        (
            "required: [cartId, items]\n      properties:\n        userId: {type: string}\n        cartId: {type: string}",
            "required: [cartId, items]\n      properties:\n        cartId: {type: string}\n        userId: {type: string}",
        ),
    ] {
        assert_eq!(revision(&changed(from, to)), before, "{to}");
    }
}

#[test]
fn a_revision_is_kept_with_the_touchpoints_it_uses_and_compiles_on_the_settings_of_now() {
    let shop = read(SHOP);
    let kept = pinned(&shop, "abandoned-cart");
    assert_eq!(kept.touchpoints.len(), 5);
    assert!(kept.adapters.is_empty() && kept.policies.is_empty() && kept.profiles.is_empty());
    let now = settings(&changed("for: 1h", "for: 2h"));
    assert!(now.journeys.is_empty());
    let both = now.with(kept);
    assert_eq!(program(&both).revision, revision(&shop, "abandoned-cart"));
    // As the store keeps it.
    let stored: Manifests = serde_json::from_value(serde_json::to_value(&both).unwrap()).unwrap();
    assert_eq!(stored, both);
}

#[test]
fn secrets_are_named_with_the_place_that_names_them() {
    let shop = read(SHOP);
    let all = |journey| {
        secrets(&shop, journey)
            .into_iter()
            .map(|of| format!("{}/{} {} {}", of.name, of.key, of.adapter, of.path))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        all(Some("abandoned-cart")),
        [
            "desk/token desk spec.webhook.auth.bearer.secretRef",
            "mail-ca/ca.crt mail spec.smtp.ca.secretRef",
            "mail-login/password mail spec.smtp.credentials.secretRef",
            "mail-login/username mail spec.smtp.credentials.secretRef",
        ]
    );
    assert_eq!(
        all(None),
        [
            "backend-key/key backend spec.http.auth.secretRef",
            "web-key/key web spec.http.auth.secretRef"
        ]
    );
    assert_eq!(all(Some("gone")), [] as [&str; 0]);
}

#[test]
fn the_public_url_is_that_of_a_public_adapter_first() {
    let named = |text: &str| {
        public_url(&read(&SHOP.replace(
            "backend-key, key: key}}}",
            &format!("backend-key, key: key}}}}{text}}}"),
        )))
    };
    assert_eq!(named("").as_deref(), Some("https://events.shop.example"));
    assert_eq!(
        named(", publicUrl: https://a.example").as_deref(),
        Some("https://events.shop.example")
    );
    let without = read(&SHOP.replace(" publicUrl: \"https://events.shop.example/\",", ""));
    assert_eq!(public_url(&without), None);
}

#[test]
fn a_journey_that_sends_nothing_may_read_what_any_purpose_of_its_policies_allows() {
    let text = "\n---\napiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {name: score, labels: {team: growth}}\nspec:\n  entry: {triggers: [{event: order-placed}]}\n  steps:\n  - {name: add, set: {points: \"${customer.points + 1}\"}}\n";
    assert!(journey(&read(&format!("{SHOP}{text}")), "score").is_ok());
}

#[test]
fn a_policy_that_does_not_select_the_journey_allows_it_nothing() {
    let found = journey(
        &changed("labels: {team: growth}}", "labels: {team: service}}"),
        "abandoned-cart",
    )
    .unwrap_err();
    let messages: BTreeSet<&str> = found.iter().map(|one| one.message.as_str()).collect();
    assert!(
        messages.contains("no PrivacyPolicy selects this journey: it may send nothing"),
        "{messages:?}"
    );
    assert!(found.iter().all(|one| one.code.class() == Class::Policy), "{found:?}");
}

#[test]
fn the_largest_journey_compiles() {
    let steps: String = (0..200)
        .map(|n| {
            let cases: String = (0..10)
                .map(|m| {
                    format!(
                        "{{when: \"steps.s{n}.count > {m}\", next: s{}}}, ",
                        (n * 7 + m * 13) % 200
                    )
                })
                .collect();
            match n % 2 {
                0 => format!("  - {{name: s{n}, wait: {{for: 1h}}}}\n"),
                _ => format!(
                    "  - {{name: s{n}, branch: {{cases: [{cases}], otherwise: s{}}}}}\n",
                    (n + 1) % 200
                ),
            }
        })
        .collect();
    let start = SHOP.find("  steps:\n").unwrap();
    let end = SHOP.find("  exits:\n").unwrap();
    let shop = read(&format!("{}  steps:\n{steps}{}", &SHOP[..start], &SHOP[end..]));
    let found = match journey(&shop, "abandoned-cart") {
        Ok(compiled) => return assert_eq!(compiled.program.steps.len(), 200),
        Err(found) => found,
    };
    assert!(found.iter().all(|one| one.code.class() == Class::Flow), "{found:#?}");
}
