//! Waits: how long, until which instant, in which windows, and the signals that end them.

use super::Compiler;
use crate::{
    api::step::{Day, During, Wait},
    clock::{MINUTE, Micros},
    compile::{
        Code,
        touchpoint::scope,
        value::{cel, span},
    },
    engine::{
        program::{StepAction, Until, WaitEnd},
        window::{WindowZone, Windows},
    },
    expression::{self, Field, OnMissing, Place, Type, time},
};

/// Weeks that a wait with windows may take, ten years.
const MOST_WEEKS: i64 = 520;

impl Compiler<'_> {
    pub(super) fn wait(&mut self, path: &str, wait: &Wait, roots: &[&Field]) -> Option<StepAction> {
        let path = format!("{path}.wait");
        if wait.for_.is_none() && wait.at.is_none() && wait.until.is_none() {
            self.report
                .error(Code::EmptyWait, &path, "a wait needs for, at or until", None);
        }
        let ends = match (&wait.for_, &wait.at) {
            (Some(_), Some(_)) => {
                let help = "a length counts from the arrival, an instant is at: choose one".to_owned();
                self.report
                    .error(Code::ForAndAt, &path, "a wait has for or at, not both", help);
                return None;
            }
            (Some(text), None) => Some(WaitEnd::After(span(&mut self.report, &format!("{path}.for"), text)?)),
            (None, Some(at)) => Some(WaitEnd::At(self.instant(&format!("{path}.at"), at.as_str(), roots)?)),
            (None, None) => None,
        };
        let during = match &wait.during {
            Some(during) => Some(self.during(&format!("{path}.during"), during, ends.as_ref())?),
            None => None,
        };
        let mut until = vec![];
        for (n, of) in wait.until.iter().flatten().enumerate() {
            let path = format!("{path}.until[{n}]");
            let signal = self.signal(&path, &of.signal, roots);
            let next = self.index(&format!("{path}.next"), &of.next);
            if let (Some(signal), Some(next)) = (signal, next) {
                self.own_message(&path, signal.event.as_deref());
                until.push(Until { signal, next });
            }
        }
        Some(StepAction::Wait { ends, during, until })
    }

    fn instant(&mut self, path: &str, source: &str, roots: &[&Field]) -> Option<expression::Program> {
        let scope = scope(roots);
        let place = Place {
            scope: &scope,
            wants: Some(Type::Instant),
            missing: OnMissing::Refuse,
        };
        let program = cel(&mut self.report, path, source, &place, &mut self.layout)?;
        self.note(path, &program);
        Some(program)
    }

    fn during(&mut self, path: &str, during: &During, ends: Option<&WaitEnd>) -> Option<Windows> {
        let hours = match (&during.from, &during.to) {
            (None, None) => None,
            (Some(from), Some(to)) => {
                let (from, to) = (
                    self.time_of_day(&format!("{path}.from"), from.as_str()),
                    self.time_of_day(&format!("{path}.to"), to.as_str()),
                );
                let (from, to) = from.zip(to)?;
                if from == to {
                    let help = "leave both out for the whole day".to_owned();
                    self.report
                        .error(Code::EmptyWindow, format!("{path}.to"), "from and to must differ", help);
                    return None;
                }
                Some((from, to))
            }
            (Some(_), None) | (None, Some(_)) => {
                let help = "give both, or neither for the whole day".to_owned();
                self.report
                    .error(Code::HalfWindow, path, "from and to come together", help);
                return None;
            }
        };
        let days = during
            .days
            .iter()
            .flatten()
            .fold(0, |days, day| days | 1 << place_of(*day));
        if days == 0 && hours.is_none() {
            let help = "name days, or from and to".to_owned();
            self.report.error(Code::NoWindow, path, "during names no time", help);
            return None;
        }
        let windows = Windows {
            days: if days == 0 { Windows::EVERY_DAY } else { days },
            hours,
            zone: self.window_zone(&format!("{path}.zone"), during.zone.as_str())?,
        };
        match ends {
            None => {
                let help = "during says which time counts: add for or at".to_owned();
                self.report
                    .error(Code::WindowsAlone, path, "during needs for or at", help);
                None
            }
            Some(WaitEnd::After(length)) if too_long(*length, &windows) => {
                let message = format!(
                    "the windows are open for {} minutes a week: the wait would take more than ten years",
                    windows.minutes_a_week()
                );
                self.report.error(
                    Code::WindowsTooShort,
                    path,
                    message,
                    "open them longer, or wait less".to_owned(),
                );
                None
            }
            Some(WaitEnd::After(_) | WaitEnd::At(_)) => Some(windows),
        }
    }

    fn time_of_day(&mut self, path: &str, text: &str) -> Option<u16> {
        let found = time::time_of_day(text).map(time::TimeOfDay::minutes);
        if found.is_none() {
            let help = "write it like \"08:00\"".to_owned();
            self.report
                .error(Code::NotATimeOfDay, path, format!("'{text}' is no time of day"), help);
        }
        found
    }

    fn window_zone(&mut self, path: &str, name: &str) -> Option<WindowZone> {
        if name == "Customer" {
            if self.world.zone_may_be_missing {
                self.report.warning(
                    Code::WindowWithoutZone,
                    path,
                    "a customer's zone may not be known, and then these are hours of UTC",
                    "let the CustomerProfile's zone always have a value, or name a zone here".to_owned(),
                );
            }
            return Some(WindowZone::Customer);
        }
        let zone = time::zone(name);
        if zone.is_none() {
            let help = "name an IANA zone such as Europe/Vienna".to_owned();
            self.report
                .error(Code::UnknownZone, path, format!("there is no time zone '{name}'"), help);
        }
        zone.map(WindowZone::Fixed)
    }
}

fn too_long(length: Micros, windows: &Windows) -> bool {
    length / (windows.minutes_a_week() * MINUTE) > MOST_WEEKS
}

/// From Monday.
fn place_of(day: Day) -> u8 {
    match day {
        Day::Mon => 0,
        Day::Tue => 1,
        Day::Wed => 2,
        Day::Thu => 3,
        Day::Fri => 4,
        Day::Sat => 5,
        Day::Sun => 6,
    }
}
