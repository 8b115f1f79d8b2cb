//! When values change: exact instants where they can be computed, and for random expressions that nothing changes before.

use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use crate::expression::{Field, Layout, OnMissing, Place, Program, Record, Scope, Type, Value, compile, time};
use jiff::tz::TimeZone;
use proptest::prelude::*;

/// 2026-03-02T10:20:30Z, a Monday.
const NOW: i64 = (1_772_445_600 + 20 * 60 + 30) * 1_000_000;

fn scope() -> Scope {
    let field = |name: &str, ty| Field {
        name: name.into(),
        ty,
        may_be_missing: true,
    };
    let customer = Type::object(vec![
        field("at", Type::Instant),
        field("other", Type::Instant),
        field("n", Type::Int),
        field("gone", Type::Instant),
        field("times", Type::List(Box::new(Type::Instant))),
    ]);
    Scope {
        roots: vec![Field {
            name: "customer".into(),
            ty: customer,
            may_be_missing: false,
        }],
    }
}

fn program(source: &str) -> (Program, Layout) {
    let mut layout = Layout::default();
    let scope = scope();
    let place = Place {
        scope: &scope,
        wants: None,
        missing: OnMissing::False,
    };
    let program = compile(source, &place, &mut layout).unwrap_or_else(|found| panic!("{source}: {found:?}"));
    (program, layout)
}

/// A customer with these attributes, at `now`.
fn record(layout: &Layout, at: i64, other: i64, n: i64, zone: &str, now: i64) -> Record {
    let zone = time::zone(zone).unwrap_or(TimeZone::UTC);
    Record::fill_with(layout, now, zone, |path| match path.segments[1].as_str() {
        "at" => Value::Instant(at),
        "other" => Value::Instant(other),
        "n" => Value::Int(n),
        "times" => Value::List([Value::Instant(at), Value::Instant(other)].into()),
        _ => Value::Missing,
    })
}

/// After how long the value may change, for a customer whose `at` is a day ago and whose `other` is in a day; -1: never.
fn after(source: &str) -> i64 {
    let (program, layout) = program(source);
    let record = record(&layout, NOW - DAY, NOW + DAY, 3, "Europe/Vienna", NOW);
    program.next_change(&record).map_or(-1, |at| at - NOW)
}

#[test]
fn comparisons_with_now_are_solved_to_the_microsecond() {
    for (source, expected) in [
        ("now - customer.at > days(3)", 2 * DAY + 1),
        ("now - customer.at >= days(3)", 2 * DAY),
        ("now - customer.at == days(3)", 2 * DAY),
        ("now - customer.at != days(1)", 1),
        ("now - customer.at <= days(1)", 1),
        ("now - customer.at > duration('1h')", -1),
        ("customer.other < now", DAY + 1),
        ("customer.other - now < duration('1h')", DAY - HOUR + 1),
        ("now + days(1) >= customer.other + duration('1h')", HOUR),
        ("now - now == duration('0s')", -1),
        ("now < now + days(1)", -1),
        ("-(customer.at - now) > days(3)", 2 * DAY + 1),
        // Twice as fast.
        ("(now - customer.at) + (now - customer.at) > days(4)", DAY + 1),
        ("customer.n > 3", -1),
        ("customer.gone < now", -1),
    ] {
        assert_eq!(after(source), expected, "{source}");
    }
}

#[test]
fn what_decides_is_what_counts() {
    for (source, expected) in [
        ("customer.n == 3 || now > customer.other", -1),
        ("customer.n == 4 || now > customer.other", DAY + 1),
        ("customer.n == 4 && now > customer.other", -1),
        ("customer.n == 3 && now > customer.other", DAY + 1),
        ("now < customer.other || now < customer.other + days(1)", 2 * DAY),
        ("now > customer.other ? customer.n : 7", DAY + 1),
        ("!(now > customer.other)", DAY + 1),
        ("customer.times.exists(t, t > now)", DAY),
        ("customer.times.all(t, now - t < days(2))", DAY),
        ("has(customer.gone) && now > customer.other", -1),
    ] {
        assert_eq!(after(source), expected, "{source}");
    }
}

#[test]
fn the_calendar_changes_at_its_midnights_and_named_times() {
    let to_midnight = |zone_hours: i64| DAY - (10 * HOUR + 20 * MINUTE + 30 * SECOND) - zone_hours * HOUR;
    for (source, expected) in [
        ("daysBetween(customer.at, now) >= 2", to_midnight(1)),
        ("daysBetween(now, customer.other) == 1", to_midnight(1)),
        ("daysBetween(now + days(1), customer.other)", to_midnight(1)),
        ("now.getDayOfWeek() == 1", to_midnight(0)),
        ("now.getDate('Asia/Tokyo') == 2", to_midnight(9)),
        ("now.getHours()", 39 * MINUTE + 30 * SECOND),
        ("now.getMinutes()", 30 * SECOND),
        ("now.getSeconds()", SECOND),
        ("now.getMonth()", to_midnight(0) + 29 * DAY),
        ("now.getFullYear()", to_midnight(0) + (31 - 2 + 275) * DAY),
        // 10:20:30Z is 11:20:30 in Vienna; the next 09:00 is at 08:00Z.
        (
            "nextTime('09:00') - now < duration('1h')",
            20 * HOUR + 39 * MINUTE + 30 * SECOND + 1,
        ),
        ("nextTime('09:00')", 21 * HOUR + 39 * MINUTE + 30 * SECOND),
        (
            "nextTime('09:00') > customer.other",
            21 * HOUR + 39 * MINUTE + 30 * SECOND,
        ),
        ("(now - customer.at).getHours() > 30", HOUR),
        ("(customer.other - now).getHours()", 1),
        ("(customer.other + days(1) - now).getHours() < 48", 1),
    ] {
        assert_eq!(after(source), expected, "{source}");
    }
    // Where the clocks of the zone change, it is looked at then.
    let (program, layout) = program("now.getHours('Europe/Vienna') == 1");
    let before = time::instant("2026-03-29T00:30:00Z").unwrap();
    let record = record(&layout, 0, 0, 0, "UTC", before);
    assert_eq!(program.next_change(&record), time::instant("2026-03-29T01:00:00Z"));
}

#[test]
fn what_cannot_be_computed_is_looked_at_each_minute() {
    for source in [
        "string(now) == 'x'",
        "now in [customer.at]",
        "now + days(1)",
        "size(string(now)) > 4",
    ] {
        assert_eq!(after(source), MINUTE, "{source}");
    }
}

fn instant() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        3 => Just("now".to_owned()),
        2 => Just("customer.at".to_owned()),
        1 => Just("customer.other".to_owned()),
        1 => Just("customer.gone".to_owned()),
        1 => Just("nextTime('09:30', 'Mon,Thu')".to_owned()),
        1 => Just("nextTime('02:30')".to_owned()),
    ];
    let length = prop::sample::select(vec!["days(1)", "duration('90m')", "days(-3)", "duration('36h')"]);
    (leaf, prop::option::of(length))
        .prop_map(|(leaf, length)| length.map_or(leaf.clone(), |length| format!("({leaf} + {length})")))
        .boxed()
}

fn length() -> BoxedStrategy<String> {
    let constant = prop::sample::select(vec!["days(2)", "duration('50h')", "duration('-7h')"]).prop_map(str::to_owned);
    let between = (instant(), instant()).prop_map(|(a, b)| format!("({a} - {b})"));
    let sum = (between.clone(), constant.clone()).prop_map(|(a, b)| format!("({a} + {b})"));
    prop_oneof![1 => constant, 3 => between.clone(), 1 => sum, 1 => between.prop_map(|a| format!("(-{a})"))].boxed()
}

fn number() -> BoxedStrategy<String> {
    let zoned = |part: &'static str| instant().prop_map(move |at| format!("{at}.{part}('Europe/Vienna')"));
    prop_oneof![
        Just("customer.n".to_owned()),
        zoned("getHours"),
        zoned("getMinutes"),
        zoned("getDate"),
        zoned("getDayOfWeek"),
        zoned("getMonth"),
        length().prop_map(|length| format!("{length}.getHours()")),
        length().prop_map(|length| format!("{length}.getMinutes()")),
        (instant(), instant()).prop_map(|(a, b)| format!("daysBetween({a}, {b})")),
        length().prop_map(|length| format!("(100 / {length}.getHours())")),
    ]
    .boxed()
}

fn condition() -> BoxedStrategy<String> {
    let op = || prop::sample::select(vec!["<", "<=", ">", ">=", "==", "!="]);
    let leaf = prop_oneof![
        (instant(), op(), instant()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (length(), op(), length()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
        (number(), op(), -3..30i64).prop_map(|(a, op, n)| format!("({a} {op} {n})")),
        Just("customer.times.exists(t, now - t > days(1))".to_owned()),
        Just("has(customer.gone)".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            inner.clone().prop_map(|a| format!("!{a}")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
        ]
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    /// From one change to the next nothing happens in between: at samples, at the last microsecond, and around each boundary.
    #[test]
    fn until_the_next_change_the_value_is_what_it_is_now(
        source in condition(),
        start in (-40 * DAY..40 * DAY),
        at in -3 * DAY..3 * DAY,
        n in -2..5i64,
        zone in prop::sample::select(vec!["Europe/Vienna", "UTC", "America/New_York", "Asia/Kathmandu"]),
        samples in prop::collection::vec(0.0..1.0f64, 12),
    ) {
        let (program, layout) = program(&source);
        // Around the change to summer time, and on whole hours now and then.
        let mut now = time::instant("2026-03-29T01:00:00Z").unwrap() + start;
        if n == 0 {
            now -= now.rem_euclid(HOUR);
        }
        let at = now + if n == 1 { 0 } else { at };
        let record = |now: i64| record(&layout, at, at + DAY, n, zone, now);
        for _ in 0..8 {
            let value = program.holds(&record(now));
            let Some(next) = program.next_change(&record(now)) else {
                for days in [1, 30, 400] {
                    prop_assert_eq!(program.holds(&record(now + days * DAY)), value, "{} never changes", source);
                }
                break;
            };
            prop_assert!(next > now);
            let span = (next - now) as f64;
            let inside = samples.iter().map(|part| now + (span * part) as i64);
            for then in inside.chain([next - 1]) {
                prop_assert_eq!(program.holds(&record(then)), value, "{} at {}, {} before {}", source, then, next - then, next);
            }
            now = next;
        }
    }
}
