//! What stays: in slots, and with webhooks.

use super::{Memory, Namespace};
use crate::{
    clock::Micros,
    keys::{CustomerKey, MessageKey},
    store::{InSlot, Placed, join::Renumbered},
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What stays of one journey.
#[derive(Default)]
pub(super) struct Places {
    /// With whether the customer dismissed it.
    rows: HashMap<CustomerKey, BTreeMap<MessageKey, (Placed, bool)>>,
    due: BTreeSet<(Micros, CustomerKey, MessageKey)>,
}

impl Places {
    pub(super) fn of(&self, customer: CustomerKey) -> impl Iterator<Item = &(Placed, bool)> {
        self.rows.get(&customer).into_iter().flat_map(BTreeMap::values)
    }

    /// Whose are to be looked at by now, the longest due first.
    pub(super) fn overdue(&self, now: Micros) -> impl Iterator<Item = CustomerKey> {
        let all = self
            .due
            .range(..=(now, CustomerKey([u8::MAX; 16]), MessageKey([u8::MAX; 16])));
        all.map(|(_, customer, _)| *customer)
    }

    pub(super) fn instants(&self) -> impl Iterator<Item = Micros> {
        self.dues().map(|(at, _)| at)
    }

    /// When whose are to be looked at, the longest due first.
    pub(super) fn dues(&self) -> impl Iterator<Item = (Micros, CustomerKey)> {
        self.due.iter().map(|(at, customer, _)| (*at, *customer))
    }

    pub(super) fn put(&mut self, row: Placed) {
        let was = self.remove(row.customer, row.key);
        self.due.insert((row.due_at, row.customer, row.key));
        let dismissed = was.is_some_and(|(_, dismissed)| dismissed);
        let rows = self.rows.entry(row.customer).or_default();
        rows.insert(row.key, (row, dismissed));
    }

    pub(super) fn remove(&mut self, customer: CustomerKey, key: MessageKey) -> Option<(Placed, bool)> {
        let rows = self.rows.get_mut(&customer)?;
        let was = rows.remove(&key);
        if rows.is_empty() {
            self.rows.remove(&customer);
        }
        if let Some((row, _)) = &was {
            self.due.remove(&(row.due_at, customer, key));
        }
        was
    }

    /// Whether there was anything.
    pub(super) fn look_again(&mut self, customer: CustomerKey, now: Micros) -> bool {
        let rows: Vec<Placed> = self.of(customer).map(|(row, _)| row.clone()).collect();
        let any = !rows.is_empty();
        for row in rows {
            let due_at = row.due_at.min(now);
            self.put(Placed { due_at, ..row });
        }
        any
    }

    /// Whether there was anything.
    pub(super) fn move_rows(&mut self, gone: CustomerKey, stays: CustomerKey, renumbered: &Renumbered) -> bool {
        let keys: Vec<MessageKey> = self.of(gone).map(|(row, _)| row.key).collect();
        for key in &keys {
            if let Some((row, dismissed)) = self.remove(gone, *key) {
                self.put(crate::store::join::place_with(row, stays, renumbered));
                self.dismiss(stays, *key, dismissed);
            }
        }
        !keys.is_empty()
    }

    fn dismiss(&mut self, customer: CustomerKey, key: MessageKey, now: bool) {
        if let Some((_, dismissed)) = self.rows.get_mut(&customer).and_then(|rows| rows.get_mut(&key)) {
            *dismissed = now;
        }
    }
}

impl Namespace {
    /// What stays of a customer whose consents changed is to be looked at; gives the journeys that have any.
    pub(super) fn look_at_placed(&mut self, customer: CustomerKey, now: Micros) -> BTreeSet<String> {
        let journeys = self.journeys.iter_mut();
        let has = journeys.filter_map(|(name, journey)| journey.placed.look_again(customer, now).then(|| name.clone()));
        has.collect()
    }
}

impl Memory {
    /// [`crate::store::Store::slot`] without a runtime.
    pub fn slot_at_once(&self, namespace: &str, customer: CustomerKey, slot: &str) -> Option<InSlot> {
        let state = self.state();
        let space = state.namespaces.get(namespace)?;
        let customer = space.root(customer);
        let consents = space.customers.get(&customer)?.consents.clone();
        let mut placed = Vec::new();
        for (name, journey) in &space.journeys {
            let in_slot = journey.placed.of(customer);
            let in_slot = in_slot.filter(|(row, dismissed)| row.slot.as_deref() == Some(slot) && !dismissed);
            placed.extend(in_slot.map(|(row, _)| (name.clone(), row.clone())));
        }
        Some(InSlot { consents, placed })
    }

    /// [`crate::store::Store::dismiss`] without a runtime.
    pub fn dismiss_at_once(&self, namespace: &str, message: MessageKey) {
        let mut state = self.state();
        let space = state.space(namespace);
        let Some(row) = space.messages.get(&message) else {
            return;
        };
        let (journey, customer) = (row.journey.clone(), space.root(row.customer));
        if let Some(journey) = space.journeys.get_mut(&journey) {
            journey.placed.dismiss(customer, message, true);
        }
    }

    /// Slots that hold something for a customer, by any of their names.
    pub fn slots(&self, namespace: &str, customer: CustomerKey) -> BTreeSet<String> {
        let state = self.state();
        let Some(space) = state.namespaces.get(namespace) else {
            return BTreeSet::new();
        };
        let customer = space.root(customer);
        let placed = space.journeys.values().flat_map(|journey| journey.placed.of(customer));
        placed.filter_map(|(row, _)| row.slot.clone()).collect()
    }
}
