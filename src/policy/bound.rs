//! Rules about data rather than messages: how long it is kept, where it may be processed, and from how many customers on it is told.

use crate::{api::PrivacyPolicySpec, clock::Micros};
use std::collections::BTreeSet;

/// Together with others the strictest of each: see [`Bounds::with`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bounds {
    pub retention: Retention,
    pub residency: Residency,
    /// A figure of fewer customers is not told; 0 and 1: all are.
    pub minimum_group: u32,
}

/// How long is kept at most what is no longer needed; None: the policies do not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    pub events: Option<Micros>,
    pub enrollments: Option<Micros>,
    pub messages: Option<Micros>,
    pub contacts: Option<Micros>,
}

/// Where data may be processed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Residency {
    /// None: anywhere. Empty: nowhere, because the policies have no region in common.
    pub regions: Option<BTreeSet<String>>,
    /// Whether something by which the journey would send is not known to be in those regions. Found by the compiler, which knows the adapters.
    pub broken: bool,
}

impl Residency {
    /// Whether anything may be sent.
    pub fn holds(&self) -> bool {
        !self.broken && self.regions.as_ref().is_none_or(|regions| !regions.is_empty())
    }
}

impl Bounds {
    /// What one policy says.
    pub fn of(policy: &PrivacyPolicySpec) -> Self {
        let regions = policy.residency.as_ref().map(|residency| {
            let names = residency.regions.iter().map(|region| region.as_str().to_owned());
            names.collect()
        });
        let group = policy.reporting.as_ref().map_or(0, |reporting| reporting.minimum_group);
        Self {
            retention: policy.retention.as_ref().map_or_else(Retention::default, Retention::of),
            residency: Residency { regions, broken: false },
            minimum_group: u32::try_from(group).unwrap_or(0),
        }
    }

    /// Both: the shortest retention of each kind, the regions that both name, the greater group.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        let Self {
            retention,
            residency: Residency { regions, broken },
            minimum_group,
        } = other;
        let regions = match (self.residency.regions, regions) {
            (Some(ours), Some(theirs)) => Some(ours.intersection(&theirs).cloned().collect()),
            (ours, theirs) => ours.or(theirs),
        };
        Self {
            retention: self.retention.with(retention),
            residency: Residency {
                regions,
                broken: self.residency.broken || broken,
            },
            minimum_group: self.minimum_group.max(minimum_group),
        }
    }
}

impl Retention {
    fn of(spec: &crate::api::retention::Retention) -> Self {
        let crate::api::retention::Retention {
            events,
            enrollments,
            messages,
            contacts,
        } = spec;
        // A span that cannot be read is zero, and refused by the compiler: nothing is deleted for its sake.
        let span =
            |span: &Option<crate::api::text::Span>| span.as_ref().map(|span| span.micros()).filter(|span| *span > 0);
        Self {
            events: span(events),
            enrollments: span(enrollments),
            messages: span(messages),
            contacts: span(contacts),
        }
    }

    fn with(self, other: Self) -> Self {
        let shorter = |ours: Option<Micros>, theirs: Option<Micros>| [ours, theirs].into_iter().flatten().min();
        Self {
            events: shorter(self.events, other.events),
            enrollments: shorter(self.enrollments, other.enrollments),
            messages: shorter(self.messages, other.messages),
            contacts: shorter(self.contacts, other.contacts),
        }
    }
}
