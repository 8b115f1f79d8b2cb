//! Who holds which shards.

use super::{Journey, LeaseRow};
use crate::{
    clock::Micros,
    keys::CustomerKey,
    store::{Hold, Lease, OutboxState, rules},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use uuid::Uuid;

impl Journey {
    pub(super) fn join(&mut self, owner: Uuid, now: Micros, ttl: Duration) -> Vec<Lease> {
        let until = now.saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX));
        let longest = rules::longest(now, ttl);
        let leases = self.leases.values_mut().map(|lease| &mut lease.until);
        for kept in self.members.values_mut().chain(leases).filter(|kept| **kept > longest) {
            *kept = until;
        }
        self.members.retain(|_, until| *until > now);
        self.members.insert(owner, until);
        let live: BTreeSet<Uuid> = self.members.keys().copied().collect();
        let share = rules::fair_share(owner, &live);

        let busy = self.busy_shards();
        for shard in 0..CustomerKey::SHARDS {
            self.leases.entry(shard).or_default();
        }
        let late = self
            .leases
            .values()
            .any(|lease| lease.owner == Some(owner) && lease.until <= now);
        let mut held: Vec<u8> = self
            .leases
            .iter()
            .filter(|(_, lease)| lease.owner == Some(owner))
            .map(|(shard, _)| *shard)
            .collect();
        held.sort_by_key(|shard| (!busy.contains(shard), *shard));
        for shard in held.split_off(share.min(held.len())) {
            if let Some(lease) = self.leases.get_mut(&shard) {
                *lease = LeaseRow {
                    epoch: lease.epoch,
                    owner: None,
                    until: 0,
                };
            }
        }
        let mut room = share - held.len();
        let mut now_held = Vec::with_capacity(share);
        for (shard, lease) in &mut self.leases {
            let mine = lease.owner == Some(owner);
            if !mine && room > 0 && rules::may_be_taken(lease.owner.is_some(), lease.until <= now, late) {
                *lease = LeaseRow {
                    epoch: lease.epoch + 1,
                    owner: Some(owner),
                    until,
                };
                room -= 1;
            } else if mine {
                lease.until = until;
            } else {
                continue;
            }
            now_held.push(Lease {
                shard: *shard,
                epoch: lease.epoch,
            });
        }
        now_held
    }

    pub(super) fn leave(&mut self, owner: Uuid) {
        self.members.remove(&owner);
        for lease in self.leases.values_mut().filter(|lease| lease.owner == Some(owner)) {
            *lease = LeaseRow {
                epoch: lease.epoch,
                owner: None,
                until: 0,
            };
        }
    }

    /// Whether every lease of the hold is still its owner's, under the epoch that it knows.
    pub(super) fn holds(&self, hold: &Hold, now: Micros) -> bool {
        hold.shards.iter().all(|held| {
            self.leases
                .get(&held.shard)
                .is_some_and(|lease| lease.owner == Some(hold.owner) && lease.epoch == held.epoch && lease.until > now)
        })
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
