//! When time brings a runner something to do.

use super::Journey;
use crate::{
    clock::Micros,
    keys::CustomerKey,
    store::{Admissions, Hold, OutboxState, RoundRequest, rules},
};
use std::collections::{BTreeMap, BTreeSet};

impl Journey {
    pub(super) fn due_next(&self, hold: &Hold, request: &RoundRequest, now: Micros) -> Option<Micros> {
        let shards: BTreeMap<u8, i64> = hold.shards.iter().map(|lease| (lease.shard, lease.epoch)).collect();
        let held = |customer: &CustomerKey| shards.contains_key(&customer.shard());
        let moves = request.current.as_ref().is_none_or(|current| !current.suspended);
        let wait = || {
            let all = self.due.iter().filter(|(_, customer, _)| held(customer));
            let mut movable = all.filter(|(_, customer, ordinal)| {
                let row = self.enrollments.get(customer).and_then(|rows| rows.get(ordinal));
                row.is_some_and(|row| {
                    let read = row.enrollment.is_active() || row.watch_until > now;
                    read && !request.stuck.contains(&row.enrollment.revision)
                })
            });
            movable.next().map(|(due, ..)| *due)
        };
        let look = || {
            let mut all = self.looks.iter().filter(|(_, customer)| held(customer));
            all.next().map(|(due, _)| *due)
        };
        let messages = self.outbox.values().flat_map(BTreeMap::values);
        let messages = messages.filter(|row| held(&row.customer));
        let message = messages.filter_map(|row| match row.state {
            OutboxState::Held { due, .. } => {
                let over = row.over_at.filter(|_| due <= now);
                request.room.has_any(&row.adapter).then_some(due).or(over)
            }
            OutboxState::Claimed { epoch, at } => request.in_flight.is_empty().then(|| {
                let lost = shards
                    .get(&row.customer.shard())
                    .is_some_and(|current| epoch < *current);
                if lost {
                    at
                } else {
                    at.saturating_add(rules::ORPHAN_AFTER)
                }
            }),
        });
        let at_door: BTreeSet<u8> = self.door.iter().map(|(_, customer)| customer.shard()).collect();
        let paced = moves
            && matches!(request.admissions, Some(Admissions::Paced(_)))
            && at_door.iter().any(|shard| shards.contains_key(shard));
        let stays = self.placed.dues().find(|(_, customer)| held(customer));
        [
            moves.then(wait).flatten(),
            (moves && request.looks).then(look).flatten(),
            message.min(),
            stays.map(|(due, _)| due),
            paced.then(|| now.saturating_add(rules::AT_THE_DOOR)),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
