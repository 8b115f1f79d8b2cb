//! Windows of local time, against a clock on the wall and by hand across changes of the clocks.

use super::super::window::{WindowZone, Windows};
use super::*;
use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;

fn zone(name: &str) -> TimeZone {
    crate::expression::time::zone(name).unwrap()
}

fn at(text: &str) -> Micros {
    text.parse::<Timestamp>().unwrap().as_microsecond()
}

fn windows(days: u8, hours: Option<(u16, u16)>) -> Windows {
    Windows {
        days,
        hours,
        zone: WindowZone::Customer,
    }
}

const WORKDAYS: u8 = 0b001_1111;
const OFFICE: Option<(u16, u16)> = Some((9 * 60, 17 * 60));

#[test]
fn only_time_inside_counts_and_the_end_lies_inside() {
    let vienna = zone("Europe/Vienna");
    let office = windows(WORKDAYS, OFFICE);
    for (now, length, end) in [
        ("2026-03-02T10:00:00+01:00", 2 * HOUR, "2026-03-02T12:00:00+01:00"),
        // An hour is left on Monday, the other counts on Tuesday.
        ("2026-03-02T16:00:00+01:00", 2 * HOUR, "2026-03-03T10:00:00+01:00"),
        // Exactly to the closing, which lies outside: the next opening.
        ("2026-03-02T16:00:00+01:00", HOUR, "2026-03-03T09:00:00+01:00"),
        ("2026-03-06T16:00:00+01:00", HOUR, "2026-03-09T09:00:00+01:00"),
        ("2026-03-07T12:00:00+01:00", HOUR, "2026-03-09T10:00:00+01:00"),
        ("2026-03-02T05:00:00+01:00", 40 * HOUR, "2026-03-09T09:00:00+01:00"),
    ] {
        assert_eq!(office.after(at(now), length, &vienna), Some(at(end)), "{now} {length}");
    }
    assert_eq!(
        office.first_inside(at("2026-03-07T12:00:00+01:00"), &vienna),
        Some(at("2026-03-09T09:00:00+01:00"))
    );
    assert!(office.contain(at("2026-03-02T09:00:00+01:00"), &vienna));
    assert!(!office.contain(at("2026-03-02T17:00:00+01:00"), &vienna));
}

#[test]
fn a_window_over_midnight_belongs_to_the_day_it_opens_on() {
    let friday_night = windows(0b001_0000, Some((22 * 60, 2 * 60)));
    let utc = TimeZone::UTC;
    assert!(friday_night.contain(at("2026-03-06T23:00:00Z"), &utc));
    assert!(friday_night.contain(at("2026-03-07T01:59:00Z"), &utc));
    assert!(!friday_night.contain(at("2026-03-07T02:00:00Z"), &utc));
    assert!(
        !friday_night.contain(at("2026-03-06T01:00:00Z"), &utc),
        "Thursday night"
    );
    assert_eq!(
        friday_night.after(at("2026-03-07T01:00:00Z"), 2 * HOUR, &utc),
        Some(at("2026-03-13T23:00:00Z"))
    );
}

#[test]
fn a_gap_moves_forward_and_an_overlap_takes_the_first() {
    let vienna = zone("Europe/Vienna");
    // 2026-03-29: from 02:00 to 03:00 there is no time. 02:30 is 03:30.
    let early = windows(Windows::EVERY_DAY, Some((2 * 60 + 30, 4 * 60)));
    let night = at("2026-03-29T00:00:00+01:00");
    assert_eq!(
        early.first_inside(night, &vienna),
        Some(at("2026-03-29T03:30:00+02:00"))
    );
    assert_eq!(
        early.after(night, HOUR, &vienna),
        Some(at("2026-03-30T03:00:00+02:00")),
        "half an hour on that day"
    );
    // Opens and closes in the gap: moved as a whole, and one that would close before it opens is not there.
    let within = windows(Windows::EVERY_DAY, Some((2 * 60 + 15, 2 * 60 + 45)));
    assert_eq!(
        within.first_inside(night, &vienna),
        Some(at("2026-03-29T03:15:00+02:00"))
    );
    let gone = windows(Windows::EVERY_DAY, Some((2 * 60 + 30, 3 * 60)));
    assert_eq!(gone.first_inside(night, &vienna), Some(at("2026-03-30T02:30:00+02:00")));
    // 2026-10-25: the hour from 02:00 comes twice. The first opens, and the first closes.
    let overlap = at("2026-10-25T00:00:00+02:00");
    assert_eq!(
        early.first_inside(overlap, &vienna),
        Some(at("2026-10-25T02:30:00+02:00"))
    );
    assert_eq!(
        early.after(overlap, 2 * HOUR, &vienna),
        Some(at("2026-10-25T03:30:00+01:00")),
        "two and a half hours are open"
    );
    let closes = windows(Windows::EVERY_DAY, Some((60, 2 * 60 + 30)));
    assert!(
        !closes.contain(at("2026-10-25T02:15:00+01:00"), &vienna),
        "the second 02:15"
    );
    assert!(closes.contain(at("2026-10-25T02:15:00+02:00"), &vienna));
    // A day of 23 hours and one of 25.
    let sundays = windows(0b100_0000, None);
    assert_eq!(
        sundays.after(night, 23 * HOUR, &vienna),
        Some(at("2026-04-05T00:00:00+02:00"))
    );
    assert_eq!(
        sundays.after(overlap, 24 * HOUR, &vienna),
        Some(at("2026-10-25T23:00:00+01:00"))
    );
}

#[test]
fn windows_that_a_gap_pushes_into_each_other_count_once() {
    let vienna = zone("Europe/Vienna");
    // Closes at 02:30 of the next day, opens at 03:00: on the day of the gap the one before closes at 03:30.
    let long = windows(Windows::EVERY_DAY, Some((3 * 60, 2 * 60 + 30)));
    let now = at("2026-03-29T01:00:00+01:00");
    assert_eq!(
        long.after(now, 24 * HOUR, &vienna),
        Some(now + 24 * HOUR),
        "that night nothing is closed"
    );
    assert_eq!(
        long.after(now, 24 * HOUR + HOUR / 2, &vienna),
        Some(now + 25 * HOUR),
        "the next one is"
    );
}

#[test]
fn a_window_that_never_comes_is_told() {
    let rare = windows(1, Some((0, 1)));
    assert_eq!(rare.minutes_a_week(), 1);
    assert_eq!(
        rare.after(START, 600 * MINUTE, &TimeZone::UTC),
        None,
        "eleven years are not enough"
    );
    assert_eq!(windows(WORKDAYS, OFFICE).minutes_a_week(), 5 * 480);
    assert_eq!(windows(Windows::EVERY_DAY, Some((1320, 120))).minutes_a_week(), 7 * 240);
}

/// What a clock on the wall says, away from changes of the clocks.
fn on_the_wall(windows: &Windows, at: Micros, zone: &TimeZone) -> bool {
    let there = Timestamp::from_microsecond(at).unwrap().to_zoned(zone.clone());
    let minute = i64::from(there.hour()) * 60 + i64::from(there.minute());
    let open = |days_ago: i64| {
        let day = (there.weekday().to_monday_zero_offset() as i64 - days_ago).rem_euclid(7);
        windows.days & 1 << day != 0
    };
    match windows.hours {
        None => open(0),
        Some((from, to)) if from < to => open(0) && (i64::from(from)..i64::from(to)).contains(&minute),
        Some((from, to)) => (open(0) && minute >= i64::from(from)) || (open(1) && minute < i64::from(to)),
    }
}

const ZONES: [&str; 6] = [
    "UTC",
    "Europe/Vienna",
    "America/New_York",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
];
/// Every offset and every change of it is a multiple of this, and so is all that is made up here.
const QUARTER: Micros = 15 * MINUTE;

prop_compose! {
    fn any_windows()(days in 1u8..128, hours in prop::option::of((0u16..96, 1u16..96))) -> Windows {
        windows(days, hours.map(|(from, length)| (from * 15, (from + length) % 96 * 15)))
    }
}

/// In 2026, or in December 2011, when Apia left out a day.
fn any_instant() -> impl Strategy<Value = Micros> {
    let from = |text: &str, days: i64| {
        let begin = at(text);
        (0..days * 96).prop_map(move |quarters| begin + quarters * QUARTER)
    };
    prop_oneof![3 => from("2026-01-01T00:00:00Z", 365), 1 => from("2011-12-20T00:00:00Z", 20)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn an_end_lies_inside_and_as_much_has_counted_as_was_asked(
        windows in any_windows(), now in any_instant(), quarters in 1i64..400, name in prop::sample::select(ZONES.to_vec())
    ) {
        let zone = zone(name);
        let length = quarters.min(windows.minutes_a_week() * 2 / 15) * QUARTER;
        let end = windows.after(now, length, &zone).unwrap();
        prop_assert!(windows.contain(end, &zone), "it never ends outside");
        let step = usize::try_from(QUARTER).unwrap();
        let inside = (now..end).step_by(step).filter(|at| windows.contain(*at, &zone)).count();
        prop_assert_eq!(i64::try_from(inside).unwrap() * QUARTER, length);
    }

    #[test]
    fn away_from_changes_of_the_clocks_a_window_is_what_the_wall_says(
        windows in any_windows(), now in any_instant(), name in prop::sample::select(ZONES.to_vec())
    ) {
        let zone = zone(name);
        let near = Timestamp::from_microsecond(now - 3 * DAY).unwrap();
        let change = zone.following(near).next().map(|change| change.timestamp().as_microsecond());
        prop_assume!(change.is_none_or(|change| change > now + 3 * DAY));
        prop_assert_eq!(windows.contain(now, &zone), on_the_wall(&windows, now, &zone));
        let first = windows.first_inside(now, &zone).unwrap();
        prop_assert!(first >= now && windows.contain(first, &zone));
        prop_assert!(first == now || !on_the_wall(&windows, first - 1, &zone));
    }
}
