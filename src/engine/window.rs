//! Windows of local time, which `wait.during` names: which instants lie inside, and when a length of time that counts only inside is over.
//!
//! A window opens on each of its days at `from` and closes at `to`, on the next day where `to` is not after `from`; the instant of its closing
//! lies outside. A time of day that a change of the clocks leaves out moves forward by the gap, of one that comes twice the first counts (the
//! `compatible` resolution of RFC 9557 and jiff). So a window may be empty for a day, or overlap the next one: what two windows share counts once.

use crate::clock::Micros;
use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time},
    tz::TimeZone,
};

/// Days looked at for one wait, eleven years: the compiler refuses what would need more than ten.
const MOST_DAYS: i32 = 11 * 366;
/// A day's window may close on the next one, and a gap of a whole day moves it on once more.
const DAYS_BEFORE: i32 = 3;

/// Where a wait's time counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// Bit 0 is Monday. A window belongs to the day on which it opens.
    pub days: u8,
    /// Minutes since midnight, each below 1440; None: the whole day.
    pub hours: Option<(u16, u16)>,
    pub zone: WindowZone,
}

/// Whose clock it is.
#[derive(Debug, Clone, PartialEq)]
pub enum WindowZone {
    /// The customer's; of one whose zone is not known UTC.
    Customer,
    Fixed(TimeZone),
}

impl Windows {
    pub const EVERY_DAY: u8 = 0x7f;

    /// Minutes that are open in a week without a change of the clocks.
    pub fn minutes_a_week(&self) -> i64 {
        let a_day = match self.hours {
            None => 1440,
            Some((from, to)) => (i64::from(to) - i64::from(from) - 1).rem_euclid(1440) + 1,
        };
        a_day * i64::from((self.days & Self::EVERY_DAY).count_ones())
    }

    /// Whether the instant lies inside a window.
    pub fn contain(&self, at: Micros, zone: &TimeZone) -> bool {
        self.first_inside(at, zone) == Some(at)
    }

    /// The first instant from `at` on that lies inside a window. None: there is none in eleven years.
    pub fn first_inside(&self, at: Micros, zone: &TimeZone) -> Option<Micros> {
        self.from(at, zone).next().map(|(open, _)| open.max(at))
    }

    /// The first instant inside a window by which `length` has passed inside windows since `now`. None: not in eleven years.
    pub fn after(&self, now: Micros, length: Micros, zone: &TimeZone) -> Option<Micros> {
        let (mut left, mut seen) = (length, now);
        for (open, close) in self.from(now, zone) {
            let open = open.max(seen);
            if close <= open {
                continue;
            }
            if left < close - open {
                return Some(open + left);
            }
            left -= close - open;
            seen = close;
        }
        None
    }

    /// Windows that close after `at`, by their days.
    fn from(&self, at: Micros, zone: &TimeZone) -> impl Iterator<Item = (Micros, Micros)> {
        let today = Timestamp::from_microsecond(at)
            .ok()
            .map(|at| at.to_zoned(zone.clone()).date());
        let days = (-DAYS_BEFORE..MOST_DAYS).map_while(move |n| today?.checked_add(n.days()).ok());
        days.filter(|date| self.days & 1 << date.weekday().to_monday_zero_offset() != 0)
            .filter_map(|date| self.of(date, zone))
            .filter(move |(open, close)| open < close && *close > at)
    }

    fn of(&self, date: Date, zone: &TimeZone) -> Option<(Micros, Micros)> {
        let instant = |date: Date, minutes: u16| {
            let time = Time::new(i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?, 0, 0).ok()?;
            let there = date.to_datetime(time).to_zoned(zone.clone()).ok()?;
            Some(there.timestamp().as_microsecond())
        };
        let (from, to) = self.hours.unwrap_or((0, 0));
        let closes = if to > from { date } else { date.tomorrow().ok()? };
        Some((instant(date, from)?, instant(closes, to)?))
    }
}
