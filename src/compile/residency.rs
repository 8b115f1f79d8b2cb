//! Whether a journey keeps to the regions of its policies: all who process what it sends are there, and the namespace has a place in them for
//! what its journeys share.

use super::{Code, JourneyManifest, Manifests, policy::selecting, report::Report};
use crate::policy::{EffectivePolicy, merge};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Where a journey's data may be processed, and what keeps it from being sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Residency {
    /// None: anywhere. Runners are to run there.
    pub regions: Option<BTreeSet<String>>,
    /// Empty: it keeps to them.
    pub breaches: Vec<Breach>,
}

/// Why a journey does not keep to its regions.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Breach {
    /// The policies that select the journey name none together; or those of the whole namespace do not, which has one gateway for all.
    NoCommonRegion { policies: Vec<String> },
    /// The adapter does not say who processes what it hands over.
    NoProcessor { adapter: String },
    /// The processor works elsewhere, too.
    Elsewhere { adapter: String, regions: BTreeSet<String> },
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommonRegion { policies } => {
                write!(f, "the policies {} have no region in common", policies.join(", "))
            }
            Self::NoProcessor { adapter } => {
                write!(
                    f,
                    "adapter '{adapter}' does not say who processes what it hands over, and where"
                )
            }
            Self::Elsewhere { adapter, regions } => {
                write!(
                    f,
                    "the processor of adapter '{adapter}' also works in {}",
                    list(regions)
                )
            }
        }
    }
}

/// Names in a line.
pub fn list(regions: &BTreeSet<String>) -> String {
    regions.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Of a journey of `manifests`; None: there is none of this name.
pub fn residency(manifests: &Manifests, journey: &str) -> Option<Residency> {
    let merged = super::policy(manifests, manifests, journey)?;
    let manifest = manifests.journeys.get(journey)?;
    Some(Residency {
        breaches: breaches(manifests, manifests, manifest, &merged),
        regions: merged.bounds.residency.regions,
    })
}

/// Where the gateway may run, which takes in the data of all journeys of the namespace: what all policies name. None: anywhere. Empty: nowhere.
pub fn gateway_regions(manifests: &Manifests) -> Option<BTreeSet<String>> {
    let all: Vec<_> = manifests.policies.values().collect();
    merge(&all).bounds.residency.regions
}

/// Writes into a journey's policy whether it keeps to its regions.
pub fn mark(settings: &Manifests, pinned: &Manifests, journey: &JourneyManifest, merged: &mut EffectivePolicy) {
    merged.bounds.residency.broken = !breaches(settings, pinned, journey, merged).is_empty();
}

/// Tells of each breach where it stands in the journey. Warnings: the journey compiles, and skips what it would send.
pub fn lint<'j>(
    report: &mut Report,
    manifests: &Manifests,
    journey: &str,
    sends: impl Iterator<Item = (String, &'j str)>,
) {
    let Some(Residency { breaches, .. }) = residency(manifests, journey) else {
        return;
    };
    let mut first: BTreeMap<&str, String> = BTreeMap::new();
    for (path, touchpoint) in sends {
        if let Some(adapter) = adapter_of(manifests, touchpoint) {
            first.entry(adapter).or_insert(path);
        }
    }
    let at = |adapter: &str| first.get(adapter).cloned().unwrap_or_else(|| "spec.steps".to_owned());
    for breach in &breaches {
        let message = format!("nothing is sent: {breach}");
        match breach {
            Breach::NoCommonRegion { .. } => report.warning(
                Code::NoCommonRegion,
                "spec",
                message,
                "name a region in all of them, or give journeys of other regions a namespace of their own".to_owned(),
            ),
            Breach::NoProcessor { adapter } => report.warning(
                Code::ProcessorUnknown,
                at(adapter),
                message,
                "give the ChannelAdapter a processor with name and regions".to_owned(),
            ),
            Breach::Elsewhere { adapter, .. } => report.warning(
                Code::ProcessorElsewhere,
                at(adapter),
                message,
                "send by an adapter whose processor stays in the regions of the PrivacyPolicy".to_owned(),
            ),
        }
    }
}

fn breaches(
    settings: &Manifests,
    pinned: &Manifests,
    journey: &JourneyManifest,
    merged: &EffectivePolicy,
) -> Vec<Breach> {
    let Some(regions) = &merged.bounds.residency.regions else {
        return Vec::new();
    };
    let naming = |policies: &mut dyn Iterator<Item = (&str, &crate::api::PrivacyPolicySpec)>| {
        let those = policies.filter(|(_, policy)| policy.residency.is_some());
        those.map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    if regions.is_empty() {
        let policies = naming(&mut selecting(settings, journey));
        return vec![Breach::NoCommonRegion { policies }];
    }
    let mut found = Vec::new();
    if gateway_regions(settings).is_some_and(|regions| regions.is_empty()) {
        let all = settings.policies.iter().map(|(name, policy)| (name.as_str(), policy));
        let policies = naming(&mut { all });
        found.push(Breach::NoCommonRegion { policies });
    }
    let sent = journey.spec.steps.iter().filter_map(|step| step.send.as_ref());
    let sent = sent.flat_map(|send| send.touchpoints());
    let adapters: BTreeSet<&str> = sent.filter_map(|name| adapter_of(pinned, name.as_str())).collect();
    for name in adapters {
        let Some(adapter) = settings.adapters.get(name) else {
            continue;
        };
        // What these do stays with the gateway and the runner, which run in the regions.
        if adapter.in_app.is_some() || adapter.log.is_some() {
            continue;
        }
        let Some(processor) = &adapter.processor else {
            found.push(Breach::NoProcessor {
                adapter: name.to_owned(),
            });
            continue;
        };
        let elsewhere = processor.regions.iter().map(|region| region.as_str().to_owned());
        let elsewhere: BTreeSet<String> = elsewhere.filter(|region| !regions.contains(region)).collect();
        if !elsewhere.is_empty() {
            found.push(Breach::Elsewhere {
                adapter: name.to_owned(),
                regions: elsewhere,
            });
        }
    }
    found
}

fn adapter_of<'m>(manifests: &'m Manifests, touchpoint: &str) -> Option<&'m str> {
    let outbound = manifests.touchpoints.get(touchpoint)?.outbound.as_ref()?;
    Some(outbound.adapter.as_str())
}
