//! Names that were joined: who is who, and what becomes of the rows of the one who goes.

use super::Namespace;
use crate::{
    keys::CustomerKey,
    store::{
        Identifier, RoundRequest, Sighting,
        join::{Join, Renumbered},
    },
};
use std::{borrow::Cow, collections::BTreeSet};

/// Journeys that a join is about.
#[derive(Default)]
pub(super) struct Met {
    /// It is to be told: both were in it, or one of them is in it and the other had left it.
    pub told: BTreeSet<String>,
    /// It has rows of the one who went.
    pub touched: BTreeSet<String>,
}

impl Namespace {
    /// The customer that this name is of.
    pub(super) fn root(&self, key: CustomerKey) -> CustomerKey {
        self.aliases.get(&key).copied().unwrap_or(key)
    }

    pub(super) fn resolved(&self, identifier: &Identifier) -> Identifier {
        Identifier {
            key: self.root(identifier.key),
            ..identifier.clone()
        }
    }

    /// Outcomes of messages that were claimed under another name.
    pub(super) fn by_root<'r>(&self, request: &'r RoundRequest) -> Cow<'r, RoundRequest> {
        if request
            .outcomes
            .iter()
            .all(|handed| !self.aliases.contains_key(&handed.customer))
        {
            return Cow::Borrowed(request);
        }
        let mut request = request.clone();
        for handed in &mut request.outcomes {
            handed.customer = self.root(handed.customer);
        }
        Cow::Owned(request)
    }

    /// Gives all that hangs on the one who goes to the one who stays; their profiles are merged already.
    /// `left`: the journeys that the one customer has left by their own hand.
    pub(super) fn join(&mut self, Join { gone, stays }: Join, left: &BTreeSet<String>, sequence: &mut i64) -> Met {
        self.customers.remove(&gone);
        let mut names = self.names.remove(&gone).unwrap_or_default();
        names.insert(gone);
        self.aliases.extend(names.iter().map(|name| (*name, stays)));
        self.names.entry(stays).or_default().extend(names);
        let contacts = self.contacts.remove(&gone).unwrap_or_default();
        self.contacts.entry(stays).or_default().extend(contacts);
        let evidence: Vec<_> = self.evidence.keys().filter(|(key, _)| *key == gone).cloned().collect();
        for place in evidence {
            if let Some(rests_on) = self.evidence.remove(&place) {
                self.evidence.entry((stays, place.1)).or_insert(rests_on);
            }
        }
        let mut met = Met::default();
        for (name, journey) in &mut self.journeys {
            let has = |key| journey.enrollments.contains_key(key);
            let told = if left.contains(name) {
                has(&gone) || has(&stays)
            } else {
                has(&gone) && has(&stays)
            };
            if journey.move_rows(gone, stays, sequence) {
                met.touched.insert(name.clone());
            }
            if told && !journey.stopped {
                met.told.insert(name.clone());
            }
        }
        met
    }
}

impl super::Journey {
    /// Whether there was anything.
    fn move_rows(&mut self, gone: CustomerKey, stays: CustomerKey, sequence: &mut i64) -> bool {
        let enrollments = self.enrollments.remove(&gone).unwrap_or_default();
        let inbox = self.inbox_of.remove(&gone).unwrap_or_default();
        let outbox = self.outbox.remove(&gone).unwrap_or_default();
        let mut any = !(enrollments.is_empty() && inbox.is_empty() && outbox.is_empty());
        let mut renumbered = Renumbered::new();
        for (ordinal, mut row) in enrollments {
            if self
                .enrollments
                .get(&stays)
                .is_some_and(|rows| rows.contains_key(&ordinal))
            {
                *sequence += 1;
                row.enrollment.ordinal = *sequence;
                renumbered.insert(ordinal, *sequence);
            }
            if let Some(due) = row.enrollment.due_at() {
                self.due.remove(&(due, gone, ordinal));
            }
            self.door.remove(&(ordinal, gone));
            row.customer = stays;
            self.put_enrollment(row);
        }
        if let Some(theirs) = self.sightings.get(&gone).cloned() {
            self.put_sighting(gone, Sighting::default());
            let own = self.sightings.get(&stays).cloned().unwrap_or_default();
            self.put_sighting(stays, crate::store::join::sighted(own, theirs));
            any = true;
        }
        for (sequence, event) in inbox {
            self.inbox.insert(sequence, stays);
            self.inbox_of.entry(stays).or_default().insert(sequence, event);
        }
        for (key, row) in outbox {
            let row = crate::store::join::move_to(row, stays, &renumbered);
            self.outbox.entry(stays).or_default().insert(key, row);
        }
        any |= self.placed.move_rows(gone, stays, &renumbered);
        any
    }
}
