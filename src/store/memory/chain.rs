//! What follows from the end of an enrollment: the journeys that listen for it hear of it at once.

use super::Namespace;
use crate::{
    clock::Micros,
    kpi::IntakeCount,
    store::{EndedRow, Hold, rules},
};
use std::collections::BTreeSet;

/// Gives the journeys that have something to do now. The commit's attributes are written already.
pub(super) fn tell(
    space: &mut Namespace,
    sequence: &mut i64,
    hold: &Hold,
    ended: &[EndedRow],
    now: Micros,
) -> BTreeSet<String> {
    let name = rules::ending_name(&hold.journey);
    let listening = space
        .journeys
        .iter()
        .filter(|(_, journey)| !journey.stopped && journey.revisions.values().any(|row| row.listens.contains(&name)));
    let listeners: Vec<String> = listening.map(|(name, _)| name.clone()).collect();
    if listeners.is_empty() {
        return BTreeSet::new();
    }
    for row in ended {
        let Some(customer) = space.customers.get(&row.customer) else {
            continue;
        };
        let (arrival, event) = rules::ending(hold, row, customer, &listeners, now);
        if !space.seen.insert((rules::day(arrival.time), arrival.key)) {
            continue;
        }
        space.intake.add(IntakeCount::Followed.name(), now, 1);
        for name in &listeners {
            if let Some(journey) = space.journeys.get_mut(name) {
                *sequence += 1;
                journey.inbox.insert(*sequence, row.customer);
                let inbox = journey.inbox_of.entry(row.customer).or_default();
                inbox.insert(*sequence, event.clone());
            }
        }
    }
    listeners.into_iter().collect()
}
