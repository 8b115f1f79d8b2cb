//! When a wait ends by time: a length, an instant, and windows in which time counts.

use super::{
    known::Known,
    program::{Step, WaitEnd},
    state::Standing,
    walk::{Move, Walk},
    window::{WindowZone, Windows},
};
use crate::{clock::Micros, kpi::Count, personal::Personal};
use jiff::tz::TimeZone;

impl Walk<'_, '_, '_> {
    /// On arrival: stands until the time has come, or goes on at once where it has come already.
    pub(super) fn begin_wait(&mut self, step: &Step, ends: Option<&WaitEnd>, during: Option<&Windows>) -> Move {
        let now = self.round.now;
        let until = match ends {
            None => None,
            Some(WaitEnd::After(length)) => Some(match during {
                None => now.saturating_add(*length),
                // Beyond the calendar's end: nobody waits so long.
                Some(windows) => windows.after(now, *length, &self.zone(windows)).unwrap_or(Micros::MAX),
            }),
            Some(WaitEnd::At(at)) => match self.step_sight().instant(at) {
                Ok(at) => {
                    let at = at.max(now);
                    let end = match during {
                        None => at,
                        Some(windows) => windows.first_inside(at, &self.zone(windows)).unwrap_or(Micros::MAX),
                    };
                    if end <= now {
                        self.result(step).event = Personal::default();
                        return Move::Go(step.next);
                    }
                    Some(end)
                }
                Err(fault) => {
                    let result = self.result(step);
                    result.outcome = Some("Failed".into());
                    result.reason = Some(fault.name().into());
                    result.event = Personal::default();
                    self.round.count(Count::Fault);
                    return Move::Go(step.next);
                }
            },
        };
        Move::Stand(Standing::Waiting {
            step: step.name.clone(),
            since: now,
            until,
        })
    }

    /// When the time has come. It may be looked at late, after an outage or a suspension: then the wait ends when a window opens again.
    pub(super) fn end_wait(&mut self, step: &Step, during: Option<&Windows>) -> Move {
        let now = self.round.now;
        if let Some(windows) = during
            && let Standing::Waiting { since, .. } = self.enrollment.standing
            && let Some(open) = windows.first_inside(now, &self.zone(windows))
            && open > now
        {
            return Move::Stand(Standing::Waiting {
                step: step.name.clone(),
                since,
                until: Some(open),
            });
        }
        self.result(step).event = Personal::default();
        self.enrollment.hops = 0;
        Move::Go(step.next)
    }

    fn zone(&self, windows: &Windows) -> TimeZone {
        match &windows.zone {
            WindowZone::Fixed(zone) => zone.clone(),
            WindowZone::Customer => {
                let known = Known {
                    profile: &self.program.profile,
                    id: self.round.customer_id,
                    attributes: &self.round.attributes,
                    now: self.round.now,
                };
                known.zone().unwrap_or(TimeZone::UTC)
            }
        }
    }
}
