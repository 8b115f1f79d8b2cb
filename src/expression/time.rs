//! Instants, durations and calendar questions. There is no clock: `now` and the zone are arguments. The rules of the zones come from the
//! tz database that is bundled with the program, so that every replica and every machine answers alike.

use crate::clock::{DAY, HOUR, MINUTE, SECOND};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan, Unit};

/// Each unit once, the larger first, in microseconds.
const UNITS: [(&str, i64); 5] = [("d", DAY), ("h", HOUR), ("m", MINUTE), ("s", SECOND), ("ms", 1_000)];

/// A zone by its IANA name, from the bundled database. None: there is none of this name.
pub fn zone(name: &str) -> Option<TimeZone> {
    if name.len() > 64 {
        None
    } else {
        TimeZoneDatabase::bundled().get(name).ok()
    }
}

/// RFC 3339, with the offset it requires, to microseconds since 1970. From year -9999 to 9999-12-30T22:00Z.
pub fn instant(text: &str) -> Option<i64> {
    if text.len() > 64 {
        None
    } else {
        text.parse::<Timestamp>().ok().map(Timestamp::as_microsecond)
    }
}

/// RFC 3339 in UTC with as many decimals as the instant has. None: outside the years that [`instant`] reads.
pub fn show_instant(at: i64) -> Option<String> {
    Timestamp::from_microsecond(at).ok().map(|at| at.to_string())
}

/// A duration to microseconds: `90s`, `15m`, `36h`, `14d`, `1d12h`, and as CEL has them `1.5h`, `500ms`, `-2h`. Units go from large to
/// small, each at most once. None: something else, or over 292,000 years.
pub fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    if rest.is_empty() || rest.len() > 32 {
        return None;
    }
    let mut total = 0i128;
    let mut smaller = &UNITS[..];
    while !rest.is_empty() {
        let number = &rest[..rest.find(|c: char| !c.is_ascii_digit() && c != '.')?];
        rest = &rest[number.len()..];
        let name = &rest[..rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len())];
        rest = &rest[name.len()..];
        let at = smaller.iter().position(|(unit, _)| *unit == name)?;
        total += decimal(number)?.checked_mul(smaller[at].1.into())? / MILLIONTHS;
        smaller = &smaller[at + 1..];
    }
    i64::try_from(sign * total).ok()
}

/// A duration as [`duration`] reads it, in the largest units that fit: `1d12h`, `1.5s`, `0s`.
pub fn show_duration(length: i64) -> String {
    if length == 0 {
        return "0s".to_owned();
    }
    let mut out = if length < 0 { "-".to_owned() } else { String::new() };
    let mut rest = length.unsigned_abs();
    for (name, unit) in &UNITS[..3] {
        let unit = unit.unsigned_abs();
        if rest >= unit {
            out.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if rest > 0 {
        let seconds = format!("{}.{:06}", rest / 1_000_000, rest % 1_000_000);
        out.push_str(seconds.trim_end_matches('0').trim_end_matches('.'));
        out.push('s');
    }
    out
}

const MILLIONTHS: i128 = 1_000_000;

/// `1.5` in millionths. Digits beyond the sixth decimal are cut.
fn decimal(text: &str) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || whole.len() > 19 || fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some(whole.parse::<i128>().ok()? * MILLIONTHS + fraction.parse::<i128>().ok()?)
}

/// A time of day on a wall clock, to the minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeOfDay(Time);

impl TimeOfDay {
    /// Since midnight, 0 to 1439.
    pub fn minutes(self) -> u16 {
        u16::from(self.0.hour().unsigned_abs()) * 60 + u16::from(self.0.minute().unsigned_abs())
    }
}

/// Some days of the week; bit 0 is Monday.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weekdays(u8);

impl Weekdays {
    pub const ALL: Weekdays = Weekdays(0x7f);
}

/// `09:00`, from `00:00` to `23:59`.
pub fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let two_digits = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        if digits { part.parse::<i8>().ok() } else { None }
    };
    let (hour, minute) = text.split_once(':')?;
    Time::new(two_digits(hour)?, two_digits(minute)?, 0, 0)
        .ok()
        .map(TimeOfDay)
}

/// `Mon,Tue`.
pub fn weekdays(text: &str) -> Option<Weekdays> {
    let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let bit = |day: &str| names.iter().position(|name| *name == day.trim()).map(|at| 1 << at);
    text.split(',')
        .try_fold(0, |all, day| Some(all | bit(day)?))
        .map(Weekdays)
}

/// The first instant strictly after `now` at which a clock in `zone` shows `at` on one of `days`. A time in a gap moves forward by the
/// gap, of a time that comes twice the first counts. None: beyond the calendar's end.
pub fn next_time(now: i64, zone: &TimeZone, at: TimeOfDay, days: Weekdays) -> Option<i64> {
    let now = Timestamp::from_microsecond(now).ok()?;
    let today = now.to_zoned(zone.clone()).date();
    // Eight days on is the same weekday again where today's time has passed; one more covers a day that a zone has skipped.
    (0..=8)
        .filter_map(|n| today.checked_add(n.days()).ok())
        .filter(|date| days.0 & 1 << date.weekday().to_monday_zero_offset() != 0)
        .filter_map(|date| date.to_datetime(at.0).to_zoned(zone.clone()).ok())
        .map(|there| there.timestamp())
        .find(|there| *there > now)
        .map(Timestamp::as_microsecond)
}

/// How often midnight passed in `zone` from `a` to `b`; negative if `b` is earlier. None: outside the calendar.
pub fn days_between(a: i64, b: i64, zone: &TimeZone) -> Option<i64> {
    let day = |at| {
        Timestamp::from_microsecond(at)
            .ok()
            .map(|at| at.to_zoned(zone.clone()).date())
    };
    Some(i64::from(day(a)?.until(day(b)?).ok()?.get_days()))
}

/// A part of a timestamp on a wall clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    Year,
    Month,
    Date,
    Weekday,
    Hour,
    Minute,
    Second,
}

/// In CEL's numbering: months and weekdays from 0, Sunday first; dates from 1. None: outside the calendar.
pub fn part(at: i64, zone: &TimeZone, part: Part) -> Option<i64> {
    let there = Timestamp::from_microsecond(at).ok()?.to_zoned(zone.clone());
    Some(match part {
        Part::Year => there.year().into(),
        Part::Month => i64::from(there.month()) - 1,
        Part::Date => there.day().into(),
        Part::Weekday => there.weekday().since(Weekday::Sunday).into(),
        Part::Hour => there.hour().into(),
        Part::Minute => there.minute().into(),
        Part::Second => there.second().into(),
    })
}

/// The first instant after `at` at which this part of a wall clock in `zone` may be another one: where the part begins anew, or the zone's
/// offset changes. None: at the calendar's end.
pub fn next_part(at: i64, zone: &TimeZone, part: Part) -> Option<i64> {
    let now = Timestamp::from_microsecond(at).ok()?;
    let there = now.to_zoned(zone.clone()).datetime();
    let of_day = there
        .time()
        .since(Time::midnight())
        .ok()?
        .total(Unit::Microsecond)
        .ok()? as i64;
    // By the clock as it goes until the offset changes.
    let rest_of = |unit: i64| at.checked_add(unit - of_day.rem_euclid(unit));
    let first_of = |date: Date| {
        let first = date.to_zoned(zone.clone()).ok()?.timestamp().as_microsecond();
        Some(if first > at { first } else { rest_of(DAY)? })
    };
    let begins = match part {
        Part::Year => first_of(there.date().first_of_year().checked_add(1.year()).ok()?)?,
        Part::Month => first_of(there.date().first_of_month().checked_add(1.month()).ok()?)?,
        Part::Date | Part::Weekday => rest_of(DAY)?,
        Part::Hour => rest_of(HOUR)?,
        Part::Minute => rest_of(MINUTE)?,
        Part::Second => rest_of(SECOND)?,
    };
    let shift = zone
        .following(now)
        .next()
        .map(|shift| shift.timestamp().as_microsecond());
    Some(
        shift
            .filter(|shift| *shift > at)
            .map_or(begins, |shift| begins.min(shift)),
    )
}
