//! Who runs in a namespace, and by which policies.

use std::collections::BTreeMap;

/// Those whose registration lasts, by the hash of the policies that they run by; None: they have not said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Running {
    /// By journey.
    pub runners: BTreeMap<String, Vec<Option<String>>>,
    pub gateways: Vec<Option<String>>,
}

impl Running {
    /// Of the registrations of a namespace; the gateway's journey is empty.
    pub(super) fn of(members: impl IntoIterator<Item = (String, Option<String>)>) -> Self {
        let mut running = Self::default();
        for (journey, policy) in members {
            if journey.is_empty() {
                running.gateways.push(policy);
            } else {
                running.runners.entry(journey).or_default().push(policy);
            }
        }
        running.gateways.sort();
        running.runners.values_mut().for_each(|all| all.sort());
        running
    }
}
