//! What a runner shows to Prometheus: the counts of its commits. Names and reasons come from the journey and from documented sets, never
//! from a customer.

use crate::kpi::{Count, Counts};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    journey: String,
    kind: String,
    /// The touchpoint, step or goal; empty where the kind has none.
    name: String,
    reason: String,
}

#[derive(Debug, Clone)]
pub struct Metrics {
    counts: Family<Labels, Counter>,
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let counts = Family::default();
        registry.register(
            "journey_runner",
            "What committed rounds counted: event (reason), changed (reason), noticed (reason), news (reason), admitted (reason), entered, ended (reason), step, arm (of a split, in reason), goal, held-out, held-out-goal, requested, sent, skipped, failed, stay-ended (reason), end-told, end-failed (reason); \
             requested = sent + skipped + failed + on their way",
            counts.clone(),
        );
        Self { counts }
    }

    pub fn add(&self, journey: &str, counts: &Counts) {
        // Sums and buckets are no numbers of events; the operator shows the KPIs that are made of them. A request that another touchpoint of its
        // `oneOf` took over later is taken back in the store; a counter only grows.
        for ((name, _), n) in counts
            .0
            .iter()
            .filter(|((name, _), n)| **n > 0 && !Count::is_figure(name))
        {
            self.counts
                .get_or_create(&labels(journey, name))
                .inc_by(u64::try_from(*n).unwrap_or_default());
        }
    }
}

/// `skipped:reminder:NoConsent` has a name and a reason, `arm:tone:warm` a step and its arm, `ended:Completed` and `event:ignored:NotIn` a reason (`admitted:entered` too), `goal:bought` a name.
fn labels(journey: &str, count: &str) -> Labels {
    let (kind, rest) = count.split_once(':').unwrap_or((count, ""));
    let (name, reason) = match kind {
        "event" | "changed" | "noticed" | "news" | "ended" | "admitted" => ("", rest),
        _ => rest.split_once(':').unwrap_or((rest, "")),
    };
    Labels {
        journey: journey.to_owned(),
        kind: kind.to_owned(),
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_becomes_labels_of_bounded_kinds() {
        let of = |count| {
            let labels = labels("cart", count);
            [labels.kind, labels.name, labels.reason]
        };
        assert_eq!(of("skipped:reminder:NoConsent"), ["skipped", "reminder", "NoConsent"]);
        assert_eq!(of("event:ignored:NotIn"), ["event", "", "ignored:NotIn"]);
        assert_eq!(of("arm:tone:warm"), ["arm", "tone", "warm"]);
        assert_eq!(of("admitted:ignored:WhenFalse"), ["admitted", "", "ignored:WhenFalse"]);
        assert_eq!(of("goal:bought"), ["goal", "bought", ""]);
        assert_eq!(of("entered"), ["entered", "", ""]);
    }
}
