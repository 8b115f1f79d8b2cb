//! What people do to messages by hand; see `store::by_hand`.

use super::State;
use crate::{
    clock::Micros,
    engine::state::Outcome,
    keys::{CustomerKey, MessageKey},
    kpi::Count,
    store::{After, Dropped, MessageRow, OutboxRow, Retried, by_hand},
};

pub(super) fn outbox(
    state: &State,
    namespace: &str,
    journey: &str,
    after: After<CustomerKey>,
    limit: u32,
) -> Vec<OutboxRow> {
    let journey = state
        .namespaces
        .get(namespace)
        .and_then(|space| space.journeys.get(journey));
    let rows = journey.into_iter().flat_map(|journey| &journey.outbox);
    let rows = rows.flat_map(|(customer, rows)| rows.iter().map(|(key, row)| ((*customer, *key), row)));
    let rows = rows.filter(|(place, _)| after.is_none_or(|after| *place > after));
    rows.take(limit as usize).map(|(_, row)| row.clone()).collect()
}

pub(super) fn failed(
    state: &State,
    namespace: &str,
    journey: &str,
    after: After<Micros>,
    limit: u32,
) -> Vec<MessageRow> {
    let messages = state.namespaces.get(namespace).into_iter();
    let messages = messages.flat_map(|space| space.messages.values());
    let failed = |row: &&MessageRow| {
        row.journey == journey
            && matches!(row.outcome, Some(Outcome::Failed(_)))
            && after.is_none_or(|after| (row.at, row.key) > after)
    };
    let mut rows: Vec<MessageRow> = messages.filter(failed).cloned().collect();
    rows.sort_by_key(|row| (row.at, row.key));
    rows.truncate(limit as usize);
    rows
}

pub(super) fn retry(state: &mut State, namespace: &str, journey: &str, key: MessageKey, now: Micros) -> Retried {
    let space = state.space(namespace);
    let Some(row) = space.failed.get(&key).cloned() else {
        return Retried::Gone;
    };
    let Some(message) = space.messages.get(&key).filter(|row| row.journey == journey) else {
        return Retried::Gone;
    };
    let Some(Outcome::Failed(reason)) = message.outcome.clone() else {
        return Retried::Gone;
    };
    let (touchpoint, at, customer) = (message.touchpoint.clone(), message.at, space.root(message.customer));
    let Some(of) = space.journeys.get_mut(journey).filter(|row| !row.stopped) else {
        return Retried::NoJourney;
    };
    let mut row = by_hand::again(row, &reason, now);
    row.customer = customer;
    let enrollments = of.enrollments.get_mut(&customer);
    if let Some(enrollment) = enrollments.and_then(|rows| rows.get_mut(&row.enrollment)) {
        let until = now.saturating_add(by_hand::READ_AGAIN);
        enrollment.watch_until = enrollment.watch_until.max(until);
    }
    of.outbox.entry(customer).or_default().insert(key, row);
    of.counts.add(Count::Failed { touchpoint, reason }.name(), at, -1);
    of.counts.0.retain(|_, n| *n != 0);
    space.failed.remove(&key);
    if let Some(message) = space.messages.get_mut(&key) {
        message.outcome = None;
    }
    Retried::Done
}

pub(super) fn drop_message(
    state: &mut State,
    namespace: &str,
    journey: &str,
    customer: CustomerKey,
    key: MessageKey,
    now: Micros,
) -> Dropped {
    let journeys = &mut state.space(namespace).journeys;
    let rows = journeys.get_mut(journey).and_then(|row| row.outbox.get_mut(&customer));
    let Some(row) = rows.and_then(|rows| rows.get_mut(&key)) else {
        return Dropped::Gone;
    };
    match by_hand::dropped(row.clone(), now) {
        Ok(dropped) => {
            *row = dropped;
            Dropped::Done
        }
        Err(why) => why,
    }
}
