//! What the policies of a namespace say of one journey.

use super::{JourneyManifest, Manifests, selector};
use crate::policy::{EffectivePolicy, merge};

/// The policies that select the journey, merged: what it may send, and what of it may be shown.
pub fn policy(manifests: &Manifests, journey: &JourneyManifest) -> EffectivePolicy {
    let selects =
        |policy: &&crate::api::PrivacyPolicySpec| selector::selects(policy.journey_selector.as_ref(), &journey.labels);
    merge(&manifests.policies.values().filter(selects).collect::<Vec<_>>())
}
