//! What the preference centre offers, by what the policies of the namespace say together.

use super::Manifests;
use crate::{api::privacy_policy::Basis, clock::Micros};
use std::collections::BTreeMap;

/// A purpose to which a customer can say no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offered {
    /// Whether it needs a yes: its basis is Consent in some policy. Else it goes without, until the customer objects.
    pub needs_yes: bool,
}

/// The purposes that it shows.
pub fn offered(manifests: &Manifests) -> BTreeMap<String, Offered> {
    let mut all: BTreeMap<String, Offered> = BTreeMap::new();
    for purpose in manifests.policies.values().flat_map(|policy| &policy.purposes) {
        let needs_yes = match purpose.basis {
            Basis::Consent => true,
            Basis::LegitimateInterest | Basis::PublicTask => false,
            Basis::Contract | Basis::LegalObligation | Basis::VitalInterests => continue,
        };
        let offered = all.entry(purpose.name.to_string()).or_insert(Offered { needs_yes });
        offered.needs_yes |= needs_yes;
    }
    all
}

/// For how long a purpose may be paused: whatever any policy offers, the shortest first. A pause only ever sends less.
pub fn pauses(manifests: &Manifests) -> BTreeMap<Micros, String> {
    let offers = manifests
        .policies
        .values()
        .filter_map(|policy| policy.preferences.as_ref());
    let spans = offers.flat_map(|offer| offer.pause.iter().flatten());
    spans.map(|span| (span.micros(), span.to_string())).collect()
}
