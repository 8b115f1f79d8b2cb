//! `cargo bench --bench decide`: what one decision of the policy costs, without reading anything: under one purpose, and under every rule there is,
//! with few and many messages that caps count. Each decision goes through all rules: the verdict is Send.

use jiff::tz::TimeZone;
use journey::{
    address::AddressKey,
    clock::{DAY, HOUR, MINUTE, Micros},
    policy::{
        Basis, Bounds, Cap, Confirmed, Consent, Contact, EffectivePolicy, Facts, Message, Period, Purpose, Quiet,
        QuietThen, QuietWhile, QuietZone, Residency, Verdict, decide,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    hint::black_box,
    time::{Duration, Instant},
};

/// 2026-06-01T12:00:00Z: midday where the customer is, too.
const NOW: Micros = 1_780_315_200_000_000;
/// How long each is measured.
const LENGTH: Duration = Duration::from_secs(1);

fn main() {
    let one = one_purpose();
    let all = every_rule();
    let base = measure("one purpose", &one, &contacts(0), None);
    for messages in [0, 10, 100] {
        let name = format!("every rule, {messages} messages within the caps");
        measure(&name, &all, &contacts(messages), Some(base));
    }
}

/// Gives the nanoseconds of one decision.
fn measure(name: &str, policy: &EffectivePolicy, contacts: &[Contact], base: Option<f64>) -> f64 {
    let zone = zone("Europe/Vienna");
    let address = AddressKey([1; 16]);
    let granted = Consent {
        confirmed: Confirmed::For(address),
        ..Consent::said(true, NOW - 30 * DAY)
    };
    let consents = ["marketing", "marketing@Email", "marketing@Sms", "news", "pause/news"];
    let consents = consents.map(|subject| (subject.to_owned(), granted)).into();
    let contacts: Vec<&Contact> = contacts.iter().collect();
    let holding = BTreeSet::new();
    let facts = Facts {
        consents: &consents,
        contacts: &contacts,
        zone: Some(&zone),
        holding: &holding,
        suspended: false,
        held_out: false,
        has_address: true,
        address: Some(address),
        suppressed: None,
        age: Some(40),
    };
    let message = Message {
        touchpoint: "offer",
        purpose: "marketing",
        channel: "Email",
        expires_at: Some(NOW + DAY),
    };
    let (mut n, began) = (0u64, Instant::now());
    while began.elapsed() < LENGTH {
        for _ in 0..1_000 {
            let verdict = decide(
                black_box(policy),
                black_box(&facts),
                black_box(&message),
                black_box(NOW),
            );
            assert_eq!(verdict, Verdict::Send);
        }
        n += 1_000;
    }
    let each = began.elapsed().as_nanos() as f64 / n as f64;
    let ratio = base
        .map(|base| format!(", {:.1} times one purpose", each / base))
        .unwrap_or_default();
    println!("{name:<44} {each:>7.0} ns a decision{ratio}");
    each
}

fn one_purpose() -> EffectivePolicy {
    EffectivePolicy {
        purposes: BTreeMap::from([("marketing".to_owned(), purpose(Basis::Contract))]),
        ..EffectivePolicy::default()
    }
}

fn every_rule() -> EffectivePolicy {
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    let night = |purposes, zone| Quiet {
        purposes,
        from: 21 * 60,
        to: 8 * 60,
        zone,
        then: QuietThen::Delay,
    };
    let fixed = |name| QuietZone::Fixed(zone(name));
    let cap = |purposes, channels, at_most, per| Cap {
        purposes,
        channels,
        at_most,
        per,
    };
    let condition = |text: &str, then| QuietWhile {
        condition: text.to_owned(),
        purposes: None,
        then,
    };
    EffectivePolicy {
        purposes: ["legal", "marketing", "news", "service"]
            .map(|name| (name.to_owned(), purpose(Basis::Consent)))
            .into(),
        quiet: vec![
            night(None, QuietZone::Customer),
            night(names(&["marketing"]), fixed("Europe/Vienna")),
            night(names(&["marketing", "news"]), fixed("UTC")),
            night(names(&["news"]), fixed("America/New_York")),
        ],
        quiet_while: vec![
            condition("customer.openComplaints > 0", QuietThen::Drop),
            condition("customer.openOrders > 3", QuietThen::Delay),
        ],
        caps: vec![
            cap(None, None, 1_000, Period::Day(QuietZone::Customer)),
            cap(None, names(&["Email", "Sms"]), 1_000, Period::Sliding(7 * DAY)),
            cap(
                names(&["marketing"]),
                names(&["Email"]),
                1_000,
                Period::Sliding(30 * DAY),
            ),
            cap(names(&["marketing", "news"]), None, 1_000, Period::Sliding(365 * DAY)),
        ],
        minimum_age: Some(16),
        bounds: Bounds {
            residency: Residency {
                regions: Some(["eu-central-1".to_owned()].into()),
                broken: false,
            },
            minimum_group: 10,
            ..Bounds::default()
        },
    }
}

fn purpose(basis: Basis) -> Purpose {
    Purpose {
        basis,
        expires: (basis == Basis::Consent).then_some(730 * DAY),
        confirm: match basis {
            Basis::Consent => BTreeSet::from(["please-confirm".to_owned()]),
            _ => BTreeSet::new(),
        },
        attributes: BTreeSet::new(),
    }
}

/// The last of them a minute ago, the one before an hour earlier, and so on.
fn contacts(n: i64) -> Vec<Contact> {
    let contact = |nth: i64| Contact {
        purpose: "marketing".to_owned(),
        channel: "Email".to_owned(),
        at: NOW - MINUTE - nth * HOUR,
    };
    (0..n).rev().map(contact).collect()
}

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}
