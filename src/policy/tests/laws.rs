//! Laws of merging and deciding, for any policies and customers.

use super::*;
use proptest::prelude::*;

fn purpose_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["marketing", "service", "news"])
}

fn names(of: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<&'static str>>> {
    prop::option::of(prop::sample::subsequence(of, 1..=of.len()))
}

const CONDITIONS: &[&str] = &["customer.open > 0", "customer.upset"];

fn any_policy() -> impl Strategy<Value = PrivacyPolicySpec> {
    const PURPOSES: &[&str] = &["marketing", "service", "news"];
    let basis = prop::sample::select(vec![
        "Consent",
        "Contract",
        "LegalObligation",
        "VitalInterests",
        "PublicTask",
        "LegitimateInterest",
    ]);
    let attributes = prop::sample::subsequence(&["email", "age", "city"][..], 0..=3);
    let purposes = prop::collection::btree_map(purpose_name(), (basis, prop::option::of(1..20u32), attributes), 1..=3);
    let hour = || (0..24u32, prop::sample::select(vec![0u32, 30])).prop_map(|(h, m)| format!("{h:02}:{m:02}"));
    let zone = prop::sample::select(vec!["Customer", "UTC", "Europe/Vienna", "Asia/Kathmandu"]);
    let then = || prop::sample::select(vec!["Delay", "Drop"]);
    let hours = (names(PURPOSES), hour(), hour(), zone, then()).prop_map(|(purposes, from, to, zone, then)| {
        json!({"purposes": purposes, "hours": {"from": from, "to": to, "zone": zone}, "then": then})
    });
    let condition = (names(PURPOSES), prop::sample::select(CONDITIONS.to_vec()), then())
        .prop_map(|(purposes, condition, then)| json!({"purposes": purposes, "while": condition, "then": then}));
    let quiet = prop_oneof![2 => hours, 1 => condition];
    let cap = (names(PURPOSES), names(&["Email", "Sms"]), 0..4u32, 1..8u32);
    let rules = (
        purposes,
        prop::collection::vec(quiet, 0..3),
        prop::collection::vec(cap, 0..3),
        any_bounds(),
    );
    rules.prop_map(|(purposes, quiet, caps, bounds)| {
        let purposes: Vec<_> = purposes
            .into_iter()
            .map(|(name, (basis, expires, attributes))| {
                let expires = expires.filter(|_| basis == "Consent").map(|days| format!("{days}d"));
                json!({"name": name, "basis": basis, "expires": expires, "attributes": attributes})
            })
            .collect();
        let caps: Vec<_> = caps
            .into_iter()
            .map(|(purposes, channels, at_most, days)| json!({"purposes": purposes, "channels": channels, "atMost": at_most, "per": format!("{days}d")}))
            .collect();
        let mut policy = json!({"purposes": purposes, "quiet": quiet, "caps": caps});
        let bounds = bounds.as_object().cloned().unwrap_or_default();
        policy.as_object_mut().unwrap().extend(bounds.into_iter().filter(|(_, rule)| !rule.is_null()));
        spec(policy)
    })
}

/// Retention, residency and reporting.
fn any_bounds() -> impl Strategy<Value = serde_json::Value> {
    let days = || prop::option::of(1..400u32).prop_map(|days| days.map(|days| format!("{days}d")));
    let retention = (days(), days(), days(), days()).prop_map(|(events, enrollments, messages, contacts)| {
        json!({"events": events, "enrollments": enrollments, "messages": messages, "contacts": contacts})
    });
    let regions = prop::sample::subsequence(&["eu-central-1", "eu-west-1", "us-east-1"][..], 1..=3);
    let rules = (
        prop::option::weighted(0.5, retention),
        prop::option::weighted(0.3, regions),
        prop::option::weighted(0.5, 1..50u32),
    );
    rules.prop_map(|(retention, regions, group)| {
        let residency = regions.map(|regions| json!({"regions": regions}));
        let reporting = group.map(|group| json!({"minimumGroup": group}));
        json!({"retention": retention, "residency": residency, "reporting": reporting})
    })
}

fn any_customer() -> impl Strategy<Value = Known> {
    let consent = (prop::bool::ANY, 0..30i64).prop_map(|(granted, days)| Consent::said(granted, at(NOON) - days * DAY));
    let consents = prop::collection::btree_map(purpose_name().prop_map(str::to_owned), consent, 0..=3);
    let contact = (purpose_name(), prop::sample::select(vec!["Email", "Sms"]), 0..200i64);
    let zone_name = prop::option::of(prop::sample::select(vec![
        "Europe/Vienna",
        "America/New_York",
        "Asia/Tokyo",
    ]));
    (
        consents,
        prop::collection::vec(contact, 0..4),
        zone_name,
        prop::sample::subsequence(CONDITIONS, 0..=CONDITIONS.len()),
        prop::bool::weighted(0.9),
    )
        .prop_map(|(consents, contacts, zone_name, holding, has_address)| {
            let contacts = contacts.into_iter().map(|(purpose, channel, hours)| Contact {
                purpose: purpose.into(),
                channel: channel.into(),
                at: at(NOON) - hours * HOUR,
            });
            Known {
                consents,
                contacts: contacts.collect(),
                zone: zone_name.map(zone),
                holding: holding.into_iter().map(str::to_owned).collect(),
                suspended: false,
                held_out: false,
                has_address,
            }
        })
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let zone = self.zone.as_ref().and_then(TimeZone::iana_name);
        write!(
            f,
            "{:?} {:?} {zone:?} {:?} address {}",
            self.consents, self.contacts, self.holding, self.has_address
        )
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn merging_is_commutative_associative_and_idempotent(a in any_policy(), b in any_policy(), c in any_policy()) {
        prop_assert_eq!(merge(&[&a, &b]), merge(&[&b, &a]));
        prop_assert_eq!(merge(&[&a, &a]), merge(&[&a]));
        let all = merge(&[&a, &b, &c]);
        for order in [[&a, &c, &b], [&b, &a, &c], [&b, &c, &a], [&c, &a, &b], [&c, &b, &a]] {
            prop_assert_eq!(&merge(&order), &all);
        }
        prop_assert_eq!(merge(&[&a, &b, &c, &b, &a]), all);
    }

    #[test]
    fn a_further_policy_never_sends_more(
        a in any_policy(),
        b in any_policy(),
        known in any_customer(),
        purpose in purpose_name(),
        channel in prop::sample::select(vec!["Email", "Sms"]),
        minutes in 0..2880i64,
    ) {
        let now = at(NOON) + minutes * MINUTE;
        let message = Message { touchpoint: "mail", purpose, channel, expires_at: None };
        let both = known.ask(&merge(&[&a, &b]), &message, now);
        if both == Verdict::Send {
            prop_assert_eq!(known.ask(&merge(&[&a]), &message, now), Verdict::Send);
            prop_assert_eq!(known.ask(&merge(&[&b]), &message, now), Verdict::Send);
        }
    }

    #[test]
    fn a_further_policy_never_shows_more_and_what_goes_out_may_stay(
        a in any_policy(),
        b in any_policy(),
        known in any_customer(),
        purpose in purpose_name(),
        minutes in 0..2880i64,
    ) {
        let now = at(NOON) + minutes * MINUTE;
        let (one, both) = (merge(&[&a]), merge(&[&a, &b]));
        let stays = |policy| may_stay(policy, &known.consents, purpose, "Web", now);
        if let Ok(until) = stays(&both) {
            let alone = stays(&one);
            prop_assert!(alone.is_ok_and(|alone| alone.is_none_or(|alone| until.is_some_and(|until| until <= alone))));
            // Up to then, and no longer.
            if let Some(until) = until {
                prop_assert!(until > now);
                prop_assert!(may_stay(&both, &known.consents, purpose, "Web", until - 1).is_ok());
                prop_assert!(may_stay(&both, &known.consents, purpose, "Web", until).is_err());
            }
        }
        let message = Message { touchpoint: "mail", purpose, channel: "Web", expires_at: None };
        if known.ask(&one, &message, now) == Verdict::Send {
            prop_assert!(stays(&one).is_ok());
        }
    }

    #[test]
    fn a_further_policy_never_keeps_longer_opens_no_region_and_tells_of_no_smaller_group(a in any_policy(), b in any_policy()) {
        let (one, both) = (merge(&[&a]).bounds, merge(&[&a, &b]).bounds);
        let shorter = |both: Option<Micros>, one: Option<Micros>| one.is_none_or(|one| both.is_some_and(|both| both <= one));
        let kept = |of: &Bounds| {
            let Retention { events, enrollments, messages, contacts } = of.retention;
            [events, enrollments, messages, contacts]
        };
        prop_assert!(kept(&both).into_iter().zip(kept(&one)).all(|(both, one)| shorter(both, one)));
        let regions = both.residency.regions.as_ref();
        prop_assert!(one.residency.regions.is_none_or(|one| regions.is_some_and(|both| both.is_subset(&one))));
        prop_assert!(both.minimum_group >= one.minimum_group);
    }

    #[test]
    fn nothing_is_sent_or_shown_where_residency_is_broken(a in any_policy(), known in any_customer(), purpose in purpose_name()) {
        let mut policy = merge(&[&a]);
        policy.bounds.residency.broken = true;
        let message = Message { touchpoint: "mail", purpose, channel: "Email", expires_at: None };
        let no = if policy.purposes.contains_key(purpose) { SkipReason::Residency } else { SkipReason::NoPolicy };
        prop_assert_eq!(known.ask(&policy, &message, at(NOON)), Verdict::Skip(no));
        prop_assert_eq!(may_stay(&policy, &known.consents, purpose, "Email", at(NOON)), Err(no));
    }

    #[test]
    fn a_hold_ends_later_and_then_the_window_is_over(a in any_policy(), known in any_customer(), purpose in purpose_name(), minutes in 0..525_600i64) {
        let mut now = at("2026-01-01T00:00:00Z") + minutes * MINUTE;
        let policy = merge(&[&a]);
        let message = Message { touchpoint: "mail", purpose, channel: "Email", expires_at: None };
        // Two windows may hand a message on to each other for ever; one never holds longer than a day.
        if let Verdict::Hold { until, .. } = known.ask(&policy, &message, now) {
            prop_assert!(until > now && until - now <= 26 * HOUR);
            now = until;
            // Nor does one promise an end where a condition holds.
            let (windows, conditions) = (policy.quiet.len(), policy.quiet_while.len());
            if windows == 1 && conditions == 0 {
                let still = matches!(known.ask(&policy, &message, now), Verdict::Hold { .. });
                prop_assert!(!still, "held again at its end");
            }
        }
    }

    #[test]
    fn who_is_held_out_never_gets_more(
        a in any_policy(),
        known in any_customer(),
        purpose in purpose_name(),
        channel in prop::sample::select(vec!["Email", "Sms"]),
        minutes in 0..2880i64,
    ) {
        let now = at(NOON) + minutes * MINUTE;
        let policy = merge(&[&a]);
        let message = Message { touchpoint: "mail", purpose, channel, expires_at: None };
        let others = known.ask(&policy, &message, now);
        let held_out = Known { held_out: true, ..known }.ask(&policy, &message, now);
        prop_assert!(held_out == others || held_out == Verdict::Skip(SkipReason::Holdout));
    }
}
