//! What the policies of a namespace say of one journey, and a mark of it by which runners and gateways say what they run by.

use super::{JourneyManifest, Manifests, residency, selector};
use crate::{
    api::PrivacyPolicySpec,
    policy::{EffectivePolicy, merge},
};
use ring::digest;
use std::{collections::BTreeMap, fmt::Write as _};

/// The policies that select a journey of `pinned`, merged: what it may send, and what of it may be shown. Policies and adapters are those of
/// `settings`. None: there is no such journey.
pub fn policy(settings: &Manifests, pinned: &Manifests, journey: &str) -> Option<EffectivePolicy> {
    let manifest = pinned.journeys.get(journey)?;
    let mut merged = merge(
        &selecting(settings, manifest)
            .map(|(_, policy)| policy)
            .collect::<Vec<_>>(),
    );
    residency::mark(settings, pinned, manifest, &mut merged);
    Some(merged)
}

/// The policies that select a journey, by name.
pub fn selecting<'m>(
    settings: &'m Manifests,
    journey: &JourneyManifest,
) -> impl Iterator<Item = (&'m str, &'m PrivacyPolicySpec)> {
    let selects = |(_, policy): &(&String, &PrivacyPolicySpec)| {
        selector::selects(policy.journey_selector.as_ref(), &journey.labels)
    };
    let those = settings.policies.iter().filter(selects);
    those.map(|(name, policy)| (name.as_str(), policy))
}

/// A short hash of an effective policy: twelve hexadecimal digits. Whoever reads the same policies by the same version has the same; another
/// version may have another, because it may mean another thing by them.
pub fn policy_hash(policy: &EffectivePolicy) -> String {
    // Written out by its own Debug: no rule that comes later can be left out.
    hash(&format!("{policy:?}"))
}

/// A hash of all policies of a namespace and what they hang on: what a gateway answers by, whichever journeys there are.
pub fn policies_hash(settings: &Manifests) -> String {
    let processors: BTreeMap<&String, _> = settings
        .adapters
        .iter()
        .map(|(name, spec)| (name, &spec.processor))
        .collect();
    hash(&serde_json::json!([settings.policies, processors]).to_string())
}

/// One hash for several: of a journey alone, or where all are equal, its own.
pub fn joint_hash<'h>(hashes: impl IntoIterator<Item = (&'h str, &'h str)>) -> Option<String> {
    let all: Vec<(&str, &str)> = hashes.into_iter().collect();
    let (_, first) = all.first()?;
    if all.iter().all(|(_, hash)| hash == first) {
        return Some((*first).to_owned());
    }
    let lines: Vec<String> = all.iter().map(|(journey, hash)| format!("{journey}={hash}")).collect();
    Some(hash(&lines.join("\n")))
}

fn hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut short = String::with_capacity(12);
    for byte in &hash.as_ref()[..6] {
        let _never_fails = write!(short, "{byte:02x}");
    }
    short
}
