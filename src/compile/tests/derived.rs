//! Derived attributes: what they give, what they stand on, and who may name them.

use super::*;
use crate::{
    engine::{Known, state::Properties},
    expression::{Type, Value},
};
use serde_json::{Value as Json, json};

const LAST: &str = "    lastSeenAt: {type: timestamp}\n";
/// 2026-03-02T10:00:00Z.
const NOW: i64 = 1_772_445_600 * 1_000_000;

/// The shop, with these attributes too.
fn with(attributes: &[&str]) -> Manifests {
    let more: String = attributes.iter().map(|line| format!("    {line}\n")).collect();
    changed(LAST, &format!("{LAST}{more}"))
}

fn said(manifests: &Manifests) -> Vec<String> {
    let shop = Object {
        kind: "CustomerProfile".into(),
        name: "shop".into(),
    };
    let found = object(manifests, &shop);
    found
        .iter()
        .map(|one| format!("{}: {}", one.path, one.message))
        .collect()
}

fn view(manifests: &Manifests, attributes: Json) -> Properties {
    let Json::Object(attributes) = attributes else {
        panic!("an object")
    };
    let (intake, _) = intake(manifests);
    let known = Known {
        profile: &intake.profile,
        id: "u1",
        attributes: &attributes,
        now: NOW,
    };
    known.view(|_| true)
}

#[test]
fn a_derived_attribute_follows_from_others_from_defaults_and_from_now() {
    let shop = with(&[
        "lapsed: {type: boolean, is: now - customer.lastSeenAt > days(30)}",
        "rank: {type: integer, is: 'customer.tier == \"gold\" ? 100 + customer.points : customer.points'}",
        "great: {type: boolean, is: customer.rank > 100 && !customer.lapsed}",
        "greeting: {type: string, is: '\"Dear \" + customer.firstName'}",
    ]);
    assert_eq!(said(&shop), [""; 0]);
    let known = view(
        &shop,
        json!({"tier": "gold", "points": 5, "lastSeenAt": "2026-03-01T00:00:00Z"}),
    );
    assert_eq!(
        [&known["lapsed"], &known["rank"], &known["great"], &known["greeting"]],
        [&json!(false), &json!(105), &json!(true), &json!("Dear there")]
    );
    let known = view(&shop, json!({"points": 2, "lastSeenAt": "2026-01-01T00:00:00Z"}));
    assert_eq!(
        [&known["lapsed"], &known["rank"], &known["great"]],
        [&json!(true), &json!(2), &json!(false)]
    );
    // Over a missing value a boolean is false, and what the store has under its name does not count.
    assert_eq!(view(&shop, json!({"lapsed": true}))["lapsed"], json!(false));
}

#[test]
fn a_fault_is_passed_on_and_a_text_that_is_none_of_the_values_is_missing() {
    let shop = with(&[
        "share: {type: integer, is: 100 / customer.points}",
        "level: {type: string, values: [low, high], is: 'customer.points > 5 ? \"high\" : string(customer.points)'}",
    ]);
    let (intake, _) = intake(&shop);
    let attributes = Properties::new();
    let known = Known {
        profile: &intake.profile,
        id: "u1",
        attributes: &attributes,
        now: NOW,
    };
    let share = known.value(&["share".into()], &Type::Int);
    assert_eq!(share, Value::Fault(crate::expression::Fault::DividedByZero));
    assert_eq!(known.value(&["level".into()], &Type::TEXT), Value::Missing);
    assert_eq!(view(&shop, json!({"points": 9}))["level"], "high");
}

#[test]
fn a_circle_is_told_with_its_names_and_makes_nothing() {
    let shop = with(&[
        "a: {type: boolean, is: customer.b}",
        "b: {type: boolean, is: customer.c || customer.vip}",
        "c: {type: boolean, is: customer.a}",
        "above: {type: boolean, is: '!customer.a'}",
    ]);
    let circle = "customer.a reads customer.b reads customer.c reads customer.a";
    assert_eq!(
        said(&shop),
        [format!("spec.attributes.a.is: it follows from itself: {circle}")]
    );
    assert!(!view(&shop, json!({"vip": true})).contains_key("above"));

    let own = with(&["a: {type: integer, is: customer.a + 1}"]);
    assert_eq!(
        said(&own),
        ["spec.attributes.a.is: it follows from itself: customer.a reads customer.a"]
    );
}

#[test]
fn the_zone_may_read_what_is_derived_but_not_what_reads_the_zone_or_the_time() {
    let zoned = |zone: &str, attribute: &str| {
        let shop = with(&[attribute]);
        let text = serde_json::to_string(&shop).unwrap();
        let text = text.replace("\"zone\":\"customer.timezone\"", &format!("\"zone\":\"{zone}\""));
        serde_json::from_str::<Manifests>(&text).unwrap()
    };
    let home = "home: {type: string, is: 'has(customer.timezone) ? customer.timezone : \"Europe/Vienna\"'}";
    let shop = zoned("customer.home", home);
    assert_eq!(said(&shop), [""; 0]);
    let (intake, _) = intake(&shop);
    let nobody = Properties::new();
    let known = Known {
        profile: &intake.profile,
        id: "",
        attributes: &nobody,
        now: NOW,
    };
    assert_eq!(known.zone_name().as_deref(), Some("Europe/Vienna"));

    let circle = zoned(
        "customer.home",
        "home: {type: string, is: 'daysBetween(now, now) > 0 ? \"UTC\" : \"UTC\"'}",
    );
    assert_eq!(
        said(&circle),
        ["spec.attributes.home.is: it follows from itself: customer.home reads zone reads customer.home"]
    );
    let moment = zoned(
        "customer.home",
        "home: {type: string, is: 'now > timestamp(\"2026-01-01T00:00:00Z\") ? \"UTC\" : \"Asia/Tokyo\"'}",
    );
    assert_eq!(
        said(&moment),
        [
            "spec.zone: a zone is the customer's and not the moment's: it cannot read customer.home, which follows from now"
        ]
    );
}

#[test]
fn what_is_derived_has_a_type_no_default_and_a_bounded_depth() {
    for (attribute, expected) in [
        (
            "x: {type: boolean, is: customer.points}",
            "spec.attributes.x.is: a boolean is needed here, this is an integer",
        ),
        (
            "x: {type: integer, is: customer.age + 1}",
            "spec.attributes.x.is: 'customer.age' may be missing",
        ),
        (
            "x: {type: boolean, is: event.items > 0}",
            "spec.attributes.x.is: 'event' is not known here",
        ),
        (
            "x: {type: boolean, is: customer.vip, default: true}",
            "spec.attributes.x.default: a derived attribute has no default: is gives its value",
        ),
    ] {
        let said = said(&with(&[attribute]));
        assert!(said.iter().any(|line| line.starts_with(expected)), "{said:?}");
    }
    let chain: Vec<String> = (1..=18)
        .map(|n| format!("x{n}: {{type: integer, is: customer.x{} + 1}}", n - 1))
        .chain(["x0: {type: integer, is: customer.points}".to_owned()])
        .collect();
    let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
    assert_eq!(
        said(&with(&chain)),
        [17, 18].map(|n| format!("spec.attributes.x{n}.is: it stands on {n} other derived attributes"))
    );
}

#[test]
fn a_purpose_that_allows_it_allows_it_without_what_it_reads() {
    let shop = |allowed: &str, when: &str| {
        let text = SHOP
            .replace(
                LAST,
                &format!("{LAST}    recent: {{type: boolean, is: has(customer.age) && customer.age < 30}}\n"),
            )
            .replace(
                "attributes: [email, firstName, tier, points]",
                &format!("attributes: [email, firstName, tier, points{allowed}]"),
            )
            .replace("customer.tier == 'gold'", when);
        read(&text)
    };
    assert!(journey(&shop(", recent", "customer.recent"), "abandoned-cart").is_ok());
    for (allowed, when, denied) in [
        ("", "customer.recent", "customer.recent"),
        (", recent", "customer.age > 3", "customer.age"),
    ] {
        let found = journey(&shop(allowed, when), "abandoned-cart").unwrap_err();
        assert!(
            found
                .iter()
                .any(|one| one.code.class() == Class::Policy && one.message.contains(denied)),
            "{found:#?}"
        );
    }
}

#[test]
fn nothing_assigns_it() {
    let told = "customer.points is derived: only its `is` in the CustomerProfile gives it a value";
    let shop = changed(
        "points: {type: integer, default: 0}",
        "points: {type: integer, is: '3'}",
    );
    let found = journey(&shop, "abandoned-cart").unwrap_err();
    assert!(
        found
            .iter()
            .any(|one| one.path == "spec.steps[4].set.points" && one.message == told),
        "{found:#?}"
    );

    let shop = changed(LAST, "    lastSeenAt: {type: timestamp, is: now}\n");
    let (_, found) = intake(&shop);
    assert!(
        found
            .iter()
            .any(|one| one.path == "spec.inbound.attributes.lastSeenAt" && one.message.contains("is derived")),
        "{found:#?}"
    );
}

#[test]
fn what_says_more_than_yes_or_no_of_something_personal_is_personal() {
    let shop = with(&[
        "greeting: {type: string, is: '\"Dear \" + customer.firstName'}",
        "shout: {type: string, is: customer.greeting.upperAscii()}",
        "known: {type: boolean, is: has(customer.email)}",
        "rank: {type: integer, is: customer.points}",
    ]);
    let (intake, _) = intake(&shop);
    let personal = |name: &str| intake.profile.attributes[name].personal;
    assert_eq!(
        ["greeting", "shout", "known", "rank"].map(personal),
        [true, true, false, false]
    );
}
