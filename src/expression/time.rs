//! Instants, durations and calendar questions. No clock: `now` and the zone are arguments. The zone's rules come from the bundled tz database.
use jiff::{
    Timestamp, ToSpan,
    civil::{Time, Weekday},
    tz::TimeZone,
};

pub const DAY: i64 = 86_400_000_000;

/// RFC 3339; an offset is required.
pub fn instant(text: &str) -> Option<i64> {
    (text.len() <= 64)
        .then(|| text.parse::<Timestamp>().ok())
        .flatten()
        .map(Timestamp::as_microsecond)
}

/// As everywhere in the language: 90s 15m 36h 14d 1d12h, and CEL's 1.5h, 500ms.
pub fn duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = text.strip_prefix('-').map_or((false, text), |r| (true, r));
    let mut total = 0f64;
    if rest.is_empty() || rest.len() > 32 {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .map_or(rest.len(), |n| digits + n);
        total += number
            * match &rest[digits..unit_end] {
                "ms" => 1e3,
                "s" => 1e6,
                "m" => 6e7,
                "h" => 3.6e9,
                "d" => DAY as f64,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    (total < 9e17).then_some(if negative { -(total as i64) } else { total as i64 })
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeOfDay(Time);

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weekdays(u8);

impl Weekdays {
    pub const ALL: Weekdays = Weekdays(0x7f);
}

/// `09:00`, 00:00 to 23:59.
pub fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let (h, m) = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
    Time::new(h.parse().ok()?, m.parse().ok()?, 0, 0).ok().map(TimeOfDay)
}

/// `Mon,Tue`.
pub fn weekdays(text: &str) -> Option<Weekdays> {
    let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    text.split(',')
        .try_fold(0, |all, day| {
            names.iter().position(|n| *n == day.trim()).map(|n| all | 1 << n)
        })
        .map(Weekdays)
}

/// The first instant strictly after `now` at which a clock in `zone` shows `at` on one of `days`. In a gap later, in an overlap the first.
pub fn next_time(now: i64, zone: &TimeZone, at: TimeOfDay, days: Weekdays) -> Option<i64> {
    let now = Timestamp::from_microsecond(now).ok()?;
    let today = now.to_zoned(zone.clone()).date();
    (0..=8)
        .filter_map(|n| today.checked_add(n.days()).ok())
        .filter(|d| days.0 & 1 << d.weekday().to_monday_zero_offset() != 0)
        .filter_map(|d| d.to_datetime(at.0).to_zoned(zone.clone()).ok())
        .map(|z| z.timestamp())
        .find(|t| *t > now)
        .map(Timestamp::as_microsecond)
}

/// How often midnight passed in `zone` from `a` to `b`; negative if `b` is earlier.
pub fn days_between(a: i64, b: i64, zone: &TimeZone) -> Option<i64> {
    let day = |t| {
        Timestamp::from_microsecond(t)
            .ok()
            .map(|t| t.to_zoned(zone.clone()).date())
    };
    Some(i64::from(day(a)?.until(day(b)?).ok()?.get_days()))
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Part {
    Year,
    Month,
    Date,
    Weekday,
    Hour,
    Minute,
}

/// CEL's numbering: months and weekdays from 0, Sunday first.
pub fn part(t: i64, zone: &TimeZone, part: Part) -> Option<i64> {
    let z = Timestamp::from_microsecond(t).ok()?.to_zoned(zone.clone());
    Some(match part {
        Part::Year => z.year().into(),
        Part::Month => i64::from(z.month()) - 1,
        Part::Date => z.day().into(),
        Part::Weekday => z.weekday().since(Weekday::Sunday).into(),
        Part::Hour => z.hour().into(),
        Part::Minute => z.minute().into(),
    })
}

pub fn show(t: i64) -> Option<String> {
    Timestamp::from_microsecond(t).ok().map(|t| t.to_string())
}
