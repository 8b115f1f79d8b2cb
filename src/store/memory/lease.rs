//! Who holds which shards.

use super::{Journey, LeaseRow, State};
use crate::{
    clock::Micros,
    keys::CustomerKey,
    store::{Beat, Hold, Lease, OutboxState, rules},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use uuid::Uuid;

/// `living` is the time by which registrations run.
pub(super) fn beat(state: &mut State, hold: &Hold, now: Micros, living: Micros, ttl: Duration) -> Beat {
    let space = state.namespaces.get_mut(&hold.namespace);
    let version = space.as_ref().map_or(0, |space| space.version);
    let journey = space.and_then(|space| space.journeys.get_mut(&hold.journey));
    Beat {
        now,
        version,
        waits: journey
            .as_ref()
            .is_some_and(|journey| !journey.inbox.is_empty() || !journey.news.is_empty()),
        ends: journey.as_ref().and_then(|journey| {
            let others = journey.members.iter().filter(|(owner, _)| **owner != hold.owner);
            let ends = others.map(|(_, until)| *until).filter(|until| *until > living);
            // By the clock that is told.
            ends.min().map(|until| until - living + now)
        }),
        holds: journey.is_some_and(|journey| journey.extend(hold, living, ttl)),
    }
}

impl Journey {
    /// Gives the leases of the owner, who lives, and whether the owner came late.
    pub(super) fn join(&mut self, owner: Uuid, now: Micros, ttl: Duration) -> (Vec<Lease>, BTreeSet<Uuid>, bool) {
        let until = until(now, ttl);
        let longest = rules::longest(now, ttl);
        for kept in self.members.values_mut().filter(|kept| **kept > longest) {
            *kept = until;
        }
        self.members.retain(|_, until| *until > now);
        self.policies.retain(|owner, _| self.members.contains_key(owner));
        let before = self.members.insert(owner, until);
        let live: BTreeSet<Uuid> = self.members.keys().copied().collect();
        let share = rules::fair_share(owner, &live);

        let busy = self.busy_shards();
        for shard in 0..CustomerKey::SHARDS {
            self.leases.entry(shard).or_default();
        }
        let mut held: Vec<u8> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.owner == Some(owner))
            .map(|(shard, _)| *shard)
            .collect();
        let late = before.is_none() && !held.is_empty();
        held.sort_by_key(|shard| (!busy.contains(shard), *shard));
        for shard in held.split_off(share.min(held.len())) {
            if let Some(lease) = self.leases.get_mut(&shard) {
                lease.owner = None;
            }
        }
        let mut room = share - held.len();
        let mut now_held = Vec::with_capacity(share);
        for (shard, lease) in &mut self.leases {
            let mine = lease.owner == Some(owner);
            if !mine && room > 0 && rules::may_be_taken(lease.owner, &live, late) {
                *lease = LeaseRow {
                    epoch: lease.epoch + 1,
                    owner: Some(owner),
                };
                room -= 1;
            } else if !mine {
                continue;
            }
            now_held.push(Lease {
                shard: *shard,
                epoch: lease.epoch,
            });
        }
        (now_held, live, late)
    }

    pub(super) fn leave(&mut self, owner: Uuid) {
        self.members.remove(&owner);
        self.policies.remove(&owner);
        for lease in self.leases.values_mut().filter(|lease| lease.owner == Some(owner)) {
            lease.owner = None;
        }
    }

    /// Whether every lease of the hold is still its owner's, under the epoch that it knows, and the registration lasts.
    pub(super) fn holds(&self, hold: &Hold, now: Micros) -> bool {
        let is_ours = |held: &Lease| {
            self.leases
                .get(&held.shard)
                .is_some_and(|lease| lease.owner == Some(hold.owner) && lease.epoch == held.epoch)
        };
        self.members.get(&hold.owner).is_some_and(|until| *until > now) && hold.shards.iter().all(is_ours)
    }

    /// Extends the registration, if it is not over; gives whether nothing of the hold has changed.
    fn extend(&mut self, hold: &Hold, now: Micros, ttl: Duration) -> bool {
        let longest = rules::longest(now, ttl);
        let lasts = self
            .members
            .iter()
            .filter(|(_, until)| (now + 1..=longest).contains(*until));
        let same = lasts.map(|(owner, _)| *owner).eq(hold.members.iter().copied());
        let kept = self.members.get_mut(&hold.owner).filter(|kept| **kept > now);
        kept.map(|kept| *kept = until(now, ttl)).is_some() && same
    }

    /// Shards with messages on their way: the last to be given back, because whoever takes them cannot know what became of those.
    fn busy_shards(&self) -> BTreeSet<u8> {
        let claimed = |row: &crate::store::OutboxRow| matches!(row.state, OutboxState::Claimed { .. });
        self.outbox
            .values()
            .flat_map(BTreeMap::values)
            .filter(|row| claimed(row))
            .map(|row| row.customer.shard())
            .collect()
    }
}

pub(super) fn until(now: Micros, ttl: Duration) -> Micros {
    now.saturating_add(Micros::try_from(ttl.as_micros()).unwrap_or(Micros::MAX))
}
