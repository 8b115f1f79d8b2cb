//! Who gets a message, and who does not.

mod laws;

use super::*;
use crate::{
    api::privacy_policy::PrivacyPolicySpec,
    clock::{DAY, HOUR, MINUTE},
};
use jiff::{
    Timestamp,
    tz::{TimeZone, TimeZoneDatabase},
};
use serde_json::json;

fn at(text: &str) -> Micros {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn spec(spec: serde_json::Value) -> PrivacyPolicySpec {
    serde_json::from_value(spec).unwrap()
}

/// What is known of a customer who may get everything.
struct Known {
    consents: BTreeMap<String, Consent>,
    contacts: Vec<Contact>,
    zone: Option<TimeZone>,
    holding: BTreeSet<String>,
    suspended: bool,
    held_out: bool,
    has_address: bool,
}

impl Known {
    fn new() -> Self {
        let consents = BTreeMap::from([("marketing".to_owned(), Consent::said(true, 0))]);
        Self {
            consents,
            contacts: vec![],
            zone: Some(TimeZone::UTC),
            holding: BTreeSet::new(),
            suspended: false,
            held_out: false,
            has_address: true,
        }
    }

    fn consent(granted: bool, at: Micros) -> Self {
        Self {
            consents: BTreeMap::from([("marketing".to_owned(), Consent::said(granted, at))]),
            ..Self::new()
        }
    }

    fn contacted(mut self, purpose: &str, channel: &str, at: Micros) -> Self {
        self.contacts.push(Contact {
            purpose: purpose.into(),
            channel: channel.into(),
            at,
        });
        self
    }

    fn ask(&self, policy: &EffectivePolicy, message: &Message<'_>, now: Micros) -> Verdict {
        let Self {
            consents,
            contacts,
            zone,
            holding,
            suspended,
            held_out,
            has_address,
        } = self;
        let contacts: Vec<&Contact> = contacts.iter().collect();
        decide(
            policy,
            &Facts {
                consents,
                contacts: &contacts,
                zone: zone.as_ref(),
                holding,
                suspended: *suspended,
                held_out: *held_out,
                has_address: *has_address,
                address: None,
                suppressed: None,
                age: None,
            },
            message,
            now,
        )
    }
}

const NOON: &str = "2026-03-02T12:00:00Z";

fn mail() -> Message<'static> {
    Message {
        touchpoint: "mail",
        purpose: "marketing",
        channel: "Email",
        expires_at: None,
    }
}

fn with(basis: &str, rest: serde_json::Value) -> EffectivePolicy {
    let mut policy = json!({"purposes": [{"name": "marketing", "basis": basis}]});
    policy
        .as_object_mut()
        .unwrap()
        .extend(rest.as_object().unwrap().clone());
    merge(&[&spec(policy)])
}

fn held(until: &str) -> Verdict {
    Verdict::Hold {
        until: at(until),
        why: HoldReason::QuietHours,
    }
}

#[test]
fn while_a_condition_holds_a_message_is_dropped_or_asked_about_again() {
    let quiet = |then: &str| {
        with(
            "Consent",
            json!({"quiet": [{"while": "customer.open > 0", "then": then}]}),
        )
    };
    let upset = || Known {
        holding: ["customer.open > 0".to_owned()].into(),
        ..Known::new()
    };
    let ask = |known: &Known, policy: &EffectivePolicy| known.ask(policy, &mail(), at(NOON));
    assert_eq!(ask(&upset(), &quiet("Drop")), Verdict::Skip(SkipReason::QuietWhile));
    let until = |until| Verdict::Hold {
        until,
        why: HoldReason::QuietWhile,
    };
    assert_eq!(ask(&upset(), &quiet("Delay")), until(at("2026-03-02T12:15:00Z")));
    assert_eq!(ask(&Known::new(), &quiet("Drop")), Verdict::Send);
    assert_eq!(ask(&Known::new(), &quiet("Delay")), Verdict::Send);
    let other = with(
        "Consent",
        json!({"quiet": [{"purposes": ["news"], "while": "customer.open > 0", "then": "Drop"}]}),
    );
    assert_eq!(ask(&upset(), &other), Verdict::Send);
    // It is over before it would be asked about again: then it is asked about at its end.
    let short = Message {
        expires_at: Some(at(NOON) + MINUTE),
        ..mail()
    };
    assert_eq!(
        upset().ask(&quiet("Delay"), &short, at(NOON)),
        until(at(NOON) + MINUTE + 1)
    );
    // The clock knows an end, the condition does not: the later of both is asked for; what drops does so at once.
    let both = |then: &str| {
        with(
            "Consent",
            json!({"quiet": [{"hours": {"from": "11:00", "to": "14:00", "zone": "UTC"}, "then": "Delay"},
                {"while": "customer.open > 0", "then": then}]}),
        )
    };
    assert_eq!(ask(&upset(), &both("Delay")), held("2026-03-02T14:00:00Z"));
    assert_eq!(ask(&upset(), &both("Drop")), Verdict::Skip(SkipReason::QuietWhile));
}

#[test]
fn consent_fails_closed() {
    let policy = with("Consent", json!({}));
    let nothing_known = Known {
        consents: BTreeMap::new(),
        ..Known::new()
    };
    assert_eq!(
        nothing_known.ask(&policy, &mail(), at(NOON)),
        Verdict::Skip(SkipReason::NoConsent)
    );
    assert_eq!(
        Known::consent(false, 0).ask(&policy, &mail(), at(NOON)),
        Verdict::Skip(SkipReason::NoConsent)
    );
    assert_eq!(Known::consent(true, 0).ask(&policy, &mail(), at(NOON)), Verdict::Send);
    let for_another = Known {
        consents: BTreeMap::from([("service".into(), Consent::said(true, 0))]),
        ..Known::new()
    };
    assert_eq!(
        for_another.ask(&policy, &mail(), at(NOON)),
        Verdict::Skip(SkipReason::NoConsent)
    );
}

#[test]
fn consent_expires() {
    let policy = merge(&[&spec(
        json!({"purposes": [{"name": "marketing", "basis": "Consent", "expires": "10d"}]}),
    )]);
    let given = at(NOON);
    assert_eq!(
        Known::consent(true, given).ask(&policy, &mail(), given + 10 * DAY - 1),
        Verdict::Send
    );
    assert_eq!(
        Known::consent(true, given).ask(&policy, &mail(), given + 10 * DAY),
        Verdict::Skip(SkipReason::ConsentExpired)
    );
}

#[test]
fn other_bases_need_no_consent_but_an_objection_counts_where_one_may_object() {
    let unknown = Known {
        consents: BTreeMap::new(),
        ..Known::new()
    };
    for (basis, objected) in [
        ("LegitimateInterest", Verdict::Skip(SkipReason::NoConsent)),
        ("PublicTask", Verdict::Skip(SkipReason::NoConsent)),
        ("Contract", Verdict::Send),
        ("LegalObligation", Verdict::Send),
        ("VitalInterests", Verdict::Send),
    ] {
        let policy = with(basis, json!({}));
        assert_eq!(unknown.ask(&policy, &mail(), at(NOON)), Verdict::Send, "{basis}");
        assert_eq!(
            Known::consent(false, 0).ask(&policy, &mail(), at(NOON)),
            objected,
            "{basis}"
        );
    }
}

#[test]
fn a_purpose_that_no_policy_names_is_not_allowed() {
    let policy = with("Contract", json!({}));
    let other = Message {
        touchpoint: "mail",
        purpose: "other",
        ..mail()
    };
    assert_eq!(
        Known::new().ask(&policy, &other, at(NOON)),
        Verdict::Skip(SkipReason::NoPolicy)
    );
    assert_eq!(
        Known::new().ask(&merge(&[]), &mail(), at(NOON)),
        Verdict::Skip(SkipReason::NoPolicy)
    );
}

#[test]
fn no_address_no_message() {
    let known = Known {
        has_address: false,
        ..Known::new()
    };
    assert_eq!(
        known.ask(&with("Contract", json!({})), &mail(), at(NOON)),
        Verdict::Skip(SkipReason::NoAddress)
    );
}

#[test]
fn a_suspended_journey_holds_whatever_else_is_true() {
    let known = Known {
        suspended: true,
        has_address: false,
        ..Known::new()
    };
    let stale = Message {
        expires_at: Some(0),
        ..mail()
    };
    let held = Verdict::Hold {
        until: at(NOON) + MINUTE,
        why: HoldReason::Suspended,
    };
    assert_eq!(known.ask(&merge(&[]), &stale, at(NOON)), held);
}

#[test]
fn what_is_stale_is_not_sent() {
    let policy = with("Consent", json!({}));
    let message = Message {
        expires_at: Some(at(NOON)),
        ..mail()
    };
    assert_eq!(Known::new().ask(&policy, &message, at(NOON)), Verdict::Send);
    assert_eq!(
        Known::new().ask(&policy, &message, at(NOON) + 1),
        Verdict::Skip(SkipReason::Expired)
    );
}

fn night(zone: &str, then: &str) -> EffectivePolicy {
    with(
        "Consent",
        json!({"quiet": [{"purposes": ["marketing"], "hours": {"from": "21:00", "to": "08:00", "zone": zone}, "then": then}]}),
    )
}

#[test]
fn a_quiet_night_holds_until_its_end_in_the_customers_zone() {
    let known = Known {
        zone: Some(zone("Europe/Vienna")),
        ..Known::new()
    };
    for (now, verdict) in [
        ("2026-03-02T19:59:59Z", Verdict::Send),
        ("2026-03-02T20:00:00Z", held("2026-03-03T07:00:00Z")),
        ("2026-03-03T03:00:00Z", held("2026-03-03T07:00:00Z")),
        ("2026-03-03T06:59:59.999999Z", held("2026-03-03T07:00:00Z")),
        ("2026-03-03T07:00:00Z", Verdict::Send),
    ] {
        assert_eq!(
            known.ask(&night("Customer", "Delay"), &mail(), at(now)),
            verdict,
            "{now}"
        );
    }
    assert_eq!(
        known.ask(&night("Asia/Tokyo", "Delay"), &mail(), at("2026-03-02T13:00:00Z")),
        held("2026-03-02T23:00:00Z")
    );
}

#[test]
fn quiet_hours_that_drop_skip() {
    assert_eq!(
        Known::new().ask(&night("UTC", "Drop"), &mail(), at("2026-03-02T22:00:00Z")),
        Verdict::Skip(SkipReason::QuietHours)
    );
    assert_eq!(
        Known::new().ask(&night("UTC", "Drop"), &mail(), at(NOON)),
        Verdict::Send
    );
}

#[test]
fn quiet_hours_are_for_their_purposes() {
    let policy = merge(&[&spec(json!({
        "purposes": [{"name": "marketing", "basis": "Consent"}, {"name": "service", "basis": "Contract"}],
        "quiet": [{"purposes": ["marketing"], "hours": {"from": "21:00", "to": "08:00", "zone": "UTC"}, "then": "Drop"}]
    }))]);
    let service = Message {
        touchpoint: "mail",
        purpose: "service",
        ..mail()
    };
    assert_eq!(
        Known::new().ask(&policy, &service, at("2026-03-02T22:00:00Z")),
        Verdict::Send
    );
}

#[test]
fn a_hold_beyond_time_to_live_is_a_skip() {
    let tonight = at("2026-03-02T22:00:00Z");
    let message = |hours: i64| Message {
        expires_at: Some(tonight + hours * HOUR),
        ..mail()
    };
    assert_eq!(
        Known::new().ask(&night("UTC", "Delay"), &message(9), tonight),
        Verdict::Skip(SkipReason::Expired)
    );
    assert_eq!(
        Known::new().ask(&night("UTC", "Delay"), &message(10), tonight),
        held("2026-03-03T08:00:00Z")
    );
}

#[test]
fn of_several_windows_the_last_end_holds_and_a_drop_wins() {
    let windows = |second: &str| {
        with(
            "Consent",
            json!({"quiet": [
                {"hours": {"from": "21:00", "to": "08:00", "zone": "UTC"}, "then": "Delay"},
                {"hours": {"from": "22:00", "to": "10:00", "zone": "UTC"}, "then": second}
            ]}),
        )
    };
    let tonight = at("2026-03-02T23:00:00Z");
    assert_eq!(
        Known::new().ask(&windows("Delay"), &mail(), tonight),
        held("2026-03-03T10:00:00Z")
    );
    assert_eq!(
        Known::new().ask(&windows("Drop"), &mail(), tonight),
        Verdict::Skip(SkipReason::QuietHours)
    );
}

fn window(from: &str, to: &str) -> EffectivePolicy {
    with(
        "Consent",
        json!({"quiet": [{"hours": {"from": from, "to": to, "zone": "Europe/Vienna"}, "then": "Delay"}]}),
    )
}

#[test]
fn a_night_that_loses_an_hour_ends_by_the_clock_on_the_wall() {
    // On 2026-03-29 clocks in Vienna go from 02:00 to 03:00, at 01:00 UTC.
    let night = at("2026-03-28T22:00:00Z");
    assert_eq!(
        Known::new().ask(&window("21:00", "08:00"), &mail(), night),
        held("2026-03-29T06:00:00Z")
    );
    assert_eq!(
        Known::new().ask(&window("21:00", "02:30"), &mail(), night),
        held("2026-03-29T01:00:00Z"),
        "02:30 does not come"
    );
}

#[test]
fn a_night_that_repeats_an_hour_is_quiet_twice() {
    // On 2026-10-25 clocks in Vienna go from 03:00 back to 02:00, at 01:00 UTC.
    let night = at("2026-10-24T22:00:00Z");
    assert_eq!(
        Known::new().ask(&window("21:00", "08:00"), &mail(), night),
        held("2026-10-25T07:00:00Z")
    );
    let early = window("21:00", "02:30");
    assert_eq!(Known::new().ask(&early, &mail(), night), held("2026-10-25T00:30:00Z"));
    assert_eq!(
        Known::new().ask(&early, &mail(), at("2026-10-25T00:45:00Z")),
        Verdict::Send
    );
    assert_eq!(
        Known::new().ask(&early, &mail(), at("2026-10-25T01:10:00Z")),
        held("2026-10-25T01:30:00Z")
    );
}

#[test]
fn of_an_unknown_zone_a_night_has_no_end() {
    let known = Known {
        zone: None,
        ..Known::new()
    };
    for hour in 0..24 {
        let now = at("2026-03-02T00:00:00Z") + hour * HOUR;
        assert_eq!(
            known.ask(&night("Customer", "Delay"), &mail(), now),
            Verdict::Skip(SkipReason::QuietHours),
            "somewhere it is night"
        );
    }
    assert_eq!(
        known.ask(&night("UTC", "Delay"), &mail(), at(NOON)),
        Verdict::Send,
        "a fixed zone asks for no customer's"
    );
}

#[test]
fn of_an_unknown_zone_a_moment_is_held_until_it_is_over_everywhere() {
    let known = Known {
        zone: None,
        ..Known::new()
    };
    let policy = with(
        "Consent",
        json!({"quiet": [{"hours": {"from": "12:00", "to": "12:05", "zone": "Customer"}, "then": "Delay"}]}),
    );
    assert_eq!(
        known.ask(&policy, &mail(), at("2026-03-02T07:16:00Z")),
        held("2026-03-02T07:20:00Z")
    );
    assert_eq!(known.ask(&policy, &mail(), at("2026-03-02T07:20:00Z")), Verdict::Send);
}

#[test]
fn a_cap_counts_what_it_names_in_a_sliding_period() {
    let policy = with(
        "Consent",
        json!({"caps": [{"purposes": ["marketing"], "channels": ["Email"], "atMost": 2, "per": "7d"}]}),
    );
    let now = at(NOON);
    let once = || Known::new().contacted("marketing", "Email", now - DAY);
    assert_eq!(once().ask(&policy, &mail(), now), Verdict::Send);
    assert_eq!(
        once()
            .contacted("marketing", "Sms", now - DAY)
            .ask(&policy, &mail(), now),
        Verdict::Send
    );
    assert_eq!(
        once()
            .contacted("service", "Email", now - DAY)
            .ask(&policy, &mail(), now),
        Verdict::Send
    );
    assert_eq!(
        once()
            .contacted("marketing", "Email", now - 7 * DAY)
            .ask(&policy, &mail(), now),
        Verdict::Send
    );
    let full = once().contacted("marketing", "Email", now - 7 * DAY + 1);
    assert_eq!(full.ask(&policy, &mail(), now), Verdict::Skip(SkipReason::Capped));
    assert_eq!(
        full.ask(
            &policy,
            &Message {
                channel: "Sms",
                ..mail()
            },
            now
        ),
        Verdict::Send
    );
}

#[test]
fn a_cap_of_none_lets_nothing_through_and_one_without_names_counts_all() {
    let none = with("Consent", json!({"caps": [{"atMost": 0, "per": "1d"}]}));
    assert_eq!(
        Known::new().ask(&none, &mail(), at(NOON)),
        Verdict::Skip(SkipReason::Capped)
    );
    let all = with("Consent", json!({"caps": [{"atMost": 1, "per": "1d"}]}));
    let known = Known::new().contacted("service", "Push", at(NOON) - HOUR);
    assert_eq!(known.ask(&all, &mail(), at(NOON)), Verdict::Skip(SkipReason::Capped));
}

#[test]
fn of_several_policies_the_strictest_of_each_rule_holds() {
    let a = spec(json!({
        "purposes": [
            {"name": "marketing", "basis": "LegitimateInterest", "attributes": ["email", "age"]},
            {"name": "service", "basis": "Contract"}
        ],
        "caps": [{"atMost": 3, "per": "7d"}]
    }));
    let b = spec(json!({
        "purposes": [{"name": "marketing", "basis": "Consent", "expires": "10d", "attributes": ["email", "city"]}],
        "quiet": [{"hours": {"from": "21:00", "to": "08:00"}, "then": "Delay"}],
        "caps": [{"atMost": 1, "per": "1d"}]
    }));
    let merged = merge(&[&a, &b]);
    let marketing = Purpose {
        basis: Basis::Consent,
        confirm: BTreeSet::new(),
        expires: Some(10 * DAY),
        attributes: ["email".to_owned()].into(),
    };
    assert_eq!(
        merged.purposes,
        BTreeMap::from([("marketing".to_owned(), marketing)]),
        "service is not what both agree on"
    );
    assert_eq!((merged.quiet.len(), merged.caps.len()), (1, 2));
}

#[test]
fn who_is_held_out_gets_what_is_owed_and_nothing_else() {
    for (basis, held_out) in [
        ("Consent", Verdict::Skip(SkipReason::Holdout)),
        ("LegitimateInterest", Verdict::Skip(SkipReason::Holdout)),
        ("Contract", Verdict::Send),
        ("LegalObligation", Verdict::Send),
        ("VitalInterests", Verdict::Send),
        ("PublicTask", Verdict::Send),
    ] {
        let policy = merge(&[&spec(
            json!({"purposes": [{"name": "marketing", "basis": basis, "attributes": []}]}),
        )]);
        let known = Known {
            held_out: true,
            ..Known::new()
        };
        assert_eq!(known.ask(&policy, &mail(), at(NOON)), held_out, "{basis}");
    }
    let policy = merge(&[&spec(
        json!({"purposes": [{"name": "marketing", "basis": "Consent", "attributes": []}]}),
    )]);
    let refused = Known {
        held_out: true,
        ..Known::consent(false, 0)
    };
    assert_eq!(
        refused.ask(&policy, &mail(), at(NOON)),
        Verdict::Skip(SkipReason::NoConsent),
        "a no comes first"
    );
}
