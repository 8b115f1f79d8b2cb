//! Two customers became one while both were in the journey: per key the older enrollment stays.

use super::{
    apply,
    state::{Action, Disposition, Ending, Enrollment, Ignored},
    walk::{Round, take_out},
};
use crate::kpi::Count;
use std::collections::BTreeMap;

/// Of several active enrollments under one key the oldest stays; who is in stays before who waits at the door. The others end as Merged: that
/// is counted, and nothing else is (no goal, no exit); what they have not handed over is not sent any more. Who waited at the door is turned
/// away. The one that stays has entered as often as both, and is held out if either was. Where one of the two had left the journey by their own
/// hand, both are out.
pub(super) fn join(enrollments: &mut Vec<Enrollment>, round: &mut Round<'_>) {
    if round.opted_out {
        let _nobody_sent_it = apply::leave(enrollments, round);
        return;
    }
    let mut by_age: Vec<usize> = (0..enrollments.len())
        .filter(|at| enrollments[*at].is_active())
        .collect();
    by_age.sort_by_key(|at| {
        let each = &enrollments[*at];
        (each.is_paced(), each.entered_at, each.ordinal)
    });
    // By key, the place of the one that stays.
    let mut staying: BTreeMap<String, usize> = BTreeMap::new();
    let mut turned_away = Vec::new();
    for at in by_age {
        let Some(oldest) = staying.get(enrollments[at].key.expose()).copied() else {
            staying.insert(enrollments[at].key.expose().clone(), at);
            continue;
        };
        let other = &mut enrollments[at];
        if other.is_paced() {
            turned_away.push(other.ordinal);
            round.count(Count::Admitted(Disposition::Ignored(Ignored::AlreadyIn)));
            continue;
        }
        take_out(other, Ending::Merged, round);
        let (entries, held_out) = (other.entries, other.held_out);
        let oldest = &mut enrollments[oldest];
        oldest.entries = oldest.entries.saturating_add(entries);
        if held_out && !oldest.held_out {
            oldest.held_out = true;
            round.actions.push(Action::Count {
                count: Count::HeldOut,
                n: 1,
                at: oldest.entered_at,
            });
        }
    }
    enrollments.retain(|each| !turned_away.contains(&each.ordinal));
}
