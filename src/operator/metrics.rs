//! What the operator counts of its own work. Names are `journey_operator_*`; labels are kinds and outcomes, nothing that grows.

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Metrics {
    /// Passes by kind and outcome (done, failed).
    passes: Family<[(&'static str, &'static str); 2], Counter>,
    seconds: Family<[(&'static str, &'static str); 1], Histogram>,
    /// Writes of a status: none at rest.
    pub status_writes: Counter,
    /// Units that wait for a turn, those that are looked at again after an interval among them.
    pub waiting: Gauge,
    /// 1 while this process leads.
    pub leading: Gauge,
}

impl Metrics {
    pub fn new(registry: &mut Registry) -> Self {
        let metrics = Self {
            passes: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.001, 2.0, 15))),
            status_writes: Counter::default(),
            waiting: Gauge::default(),
            leading: Gauge::default(),
        };
        let registry = registry.sub_registry_with_prefix("journey_operator");
        registry.register(
            "passes",
            "Passes over objects and namespaces, by kind and outcome",
            metrics.passes.clone(),
        );
        registry.register("pass_seconds", "Duration of passes, by kind", metrics.seconds.clone());
        registry.register(
            "status_writes",
            "Statuses written because something changed",
            metrics.status_writes.clone(),
        );
        registry.register(
            "waiting",
            "Objects and namespaces that wait for a turn",
            metrics.waiting.clone(),
        );
        registry.register("leading", "1 while this process leads", metrics.leading.clone());
        metrics
    }

    pub fn pass(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.passes.get_or_create(&[("kind", kind), ("outcome", outcome)]).inc();
        self.seconds
            .get_or_create(&[("kind", kind)])
            .observe(took.as_secs_f64());
    }
}
