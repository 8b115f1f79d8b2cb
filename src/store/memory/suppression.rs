//! Addresses that get nothing.

use super::Namespace;
use crate::{keys::AddressKey, policy::Suppression, store::Suppressed};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound::{Excluded, Unbounded},
};

impl Namespace {
    /// What nobody can deliver to stays so whatever else is said of it.
    pub(super) fn suppress<'a>(&mut self, rows: impl IntoIterator<Item = &'a Suppressed>) {
        for row in rows {
            let known = self.suppressions.entry(row.address).or_insert_with(|| row.clone());
            if row.why < known.why {
                *known = row.clone();
            }
        }
    }

    pub(super) fn suppressed(&self, after: Option<AddressKey>, limit: u32) -> Vec<Suppressed> {
        let behind = (after.map_or(Unbounded, Excluded), Unbounded);
        let rows = self.suppressions.range(behind).map(|(_, row)| row.clone());
        rows.take(limit as usize).collect()
    }

    /// What each of these addresses gets nothing for.
    pub(super) fn suppressions_of(&self, addresses: BTreeSet<AddressKey>) -> BTreeMap<AddressKey, Option<Suppression>> {
        addresses
            .into_iter()
            .map(|address| (address, self.suppressions.get(&address).map(|row| row.why)))
            .collect()
    }
}
