//! When a quiet window ends. Quiet is what the clock on the wall says: an hour that a change of the clocks repeats is quiet twice, one that it
//! leaves out is not there to be quiet.
//!
//! Of a customer whose zone is not known it is quiet whenever it is quiet anywhere: at one of the offsets from UTC-12:00 to UTC+14:00 that
//! zones have or could have, in steps of a quarter of an hour. They span more than a day, so a window of a quarter of an hour or more is on
//! somewhere at every instant: such a silence has no end.

use super::{Quiet, QuietZone};
use crate::clock::{DAY, MINUTE, Micros};
use jiff::{
    Timestamp,
    tz::{Offset, TimeZone},
};

/// Whether it is quiet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Silence {
    None,
    /// Until this instant, which is outside and after the one that was asked about.
    Until(Micros),
    /// No end is to be seen.
    Endless,
}

/// Whether `window` is on at `now` for a customer in `zone`.
pub(super) fn silence(window: &Quiet, zone: Option<&TimeZone>, now: Micros) -> Silence {
    match (&window.zone, zone) {
        (QuietZone::Fixed(zone), _) | (QuietZone::Customer, Some(zone)) => silence_in(window, zone, now),
        (QuietZone::Customer, None) => silence_anywhere(window, now),
    }
}

/// Changes of a zone's offset within one window; there are two a year at most, and never two in a day.
const MOST_CHANGES: usize = 8;

fn silence_in(window: &Quiet, zone: &TimeZone, now: Micros) -> Silence {
    let Ok(mut at) = Timestamp::from_microsecond(now) else { return Silence::Endless };
    // Between two changes of the offset the wall clock runs evenly, so the window ends by its own end or at a change.
    for _ in 0..MOST_CHANGES {
        let from = at.as_microsecond();
        let end = match silence_at(window, zone.to_offset(at), from) {
            Silence::Until(end) => end,
            Silence::None if from == now => return Silence::None,
            Silence::None => return Silence::Until(from),
            Silence::Endless => return Silence::Endless,
        };
        let change = zone.following(at).next().map(|change| change.timestamp()).filter(|change| change.as_microsecond() < end);
        match change {
            Some(change) => at = change,
            None => return Silence::Until(end),
        }
    }
    Silence::Endless
}

fn silence_anywhere(window: &Quiet, now: Micros) -> Silence {
    const QUARTERS: std::ops::RangeInclusive<i32> = -12 * 4..=14 * 4;
    let latest = |at: Micros| {
        QUARTERS.filter_map(|quarter| Offset::from_seconds(quarter * 15 * 60).ok()).map(|offset| silence_at(window, offset, at)).fold(
            Silence::None,
            |silence, here| match (silence, here) {
                (Silence::Endless, _) | (_, Silence::Endless) => Silence::Endless,
                (Silence::None, other) | (other, Silence::None) => other,
                (Silence::Until(a), Silence::Until(b)) => Silence::Until(a.max(b)),
            },
        )
    };
    let mut silence = latest(now);
    for _ in 0..MOST_CHANGES {
        let Silence::Until(end) = silence else { return silence };
        match latest(end) {
            Silence::None => return Silence::Until(end),
            Silence::Until(later) if later - now < DAY => silence = Silence::Until(later),
            Silence::Until(_) | Silence::Endless => return Silence::Endless,
        }
    }
    Silence::Endless
}

/// At one offset, which does not change.
fn silence_at(window: &Quiet, offset: Offset, now: Micros) -> Silence {
    let (from, to) = (Micros::from(window.from) * MINUTE, Micros::from(window.to) * MINUTE);
    let local = (now + Micros::from(offset.seconds()) * 1_000_000).rem_euclid(DAY);
    let on = match from.cmp(&to) {
        // The CRD refuses such a window; if it comes all the same it is the whole day.
        std::cmp::Ordering::Equal => return Silence::Endless,
        std::cmp::Ordering::Less => (from..to).contains(&local),
        std::cmp::Ordering::Greater => local >= from || local < to,
    };
    if on { Silence::Until(now + (to - local).rem_euclid(DAY)) } else { Silence::None }
}
