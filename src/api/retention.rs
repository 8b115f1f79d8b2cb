//! How long data is kept, and from how many on it is told.

use super::text::Span;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// How long data of the namespace is kept at most (GDPR article 5(1)(e): storage limitation). Whole days, from 1d to 36500d. A policy only
/// shortens what the operator's flags allow, for the whole namespace, whatever journeys it selects; of several policies the shortest of each.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.events) || has(self.enrollments) || has(self.messages) || has(self.contacts)")
    .message("retention names at least one of events, enrollments, messages, contacts"))]
pub struct Retention {
    /// Events, by the day that they name. A repetition is known for one as long as the event is kept.
    pub events: Option<Span>,
    /// Enrollments that have ended, once goals, cooldown and reentry.max look at them no more.
    pub enrollments: Option<Span>,
    /// What became of messages; receipts of older ones, and clicks on their links, are told of nobody.
    pub messages: Option<Span>,
    /// What caps count: at least the period of the longest cap.
    pub contacts: Option<Span>,
}

/// From how many customers on figures are told.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Reporting {
    /// A KPI over fewer customers is not told in status and metrics, and counts of fewer customers are left out of status.population; greater
    /// counts are rounded down to its multiples, so that no two of them tell of fewer by their difference. 1: all are told.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub minimum_group: i32,
}
