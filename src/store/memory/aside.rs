//! What rounds put aside, put back. Rows of this store always open, so it is events alone.

use super::State;
use crate::{
    engine::state::Disposition,
    kpi::Count,
    store::{Aside, PutBack, Quarantined},
};

/// Gives the journey that has something to do now, too.
pub(super) fn put_back(state: &mut State, namespace: &str, id: i64) -> (PutBack, Option<String>) {
    let sequence = state.sequence + 1;
    let space = state.space(namespace);
    let Some((row, counted)) = space.quarantine.get(&id) else {
        return (PutBack::Gone, None);
    };
    let Some((journey, reason, aside)) = Aside::read(row).filter(|_| !counted) else {
        return (PutBack::NotOfARound, None);
    };
    let at = row.at;
    let (customer, event) = match aside {
        Aside::Event { customer, event } => (space.root(customer), event),
        Aside::Enrollment { .. } => return (PutBack::Ended, None),
        Aside::Row { .. } => return (PutBack::NotOfARound, None),
    };
    let Some(row) = space.journeys.get_mut(&journey).filter(|row| !row.stopped) else {
        return (PutBack::NoJourney, None);
    };
    row.deliver(sequence, customer, event);
    let count = Count::Event(Disposition::Ignored(reason.ignored()));
    row.counts.add(count.name(), at, -1);
    row.counts.0.retain(|_, n| *n != 0);
    space.quarantine.remove(&id);
    state.sequence = sequence;
    (PutBack::Done, Some(journey))
}

pub(super) fn discard(state: &mut State, namespace: &str, id: i64) -> Option<Quarantined> {
    let gone = state.space(namespace).quarantine.remove(&id);
    gone.map(|(row, _)| row)
}
