//! What the operator counts of its own work. Names are `journey_operator_*`; labels are kinds, outcomes, and the journeys and
//! KPIs that there are.

use crate::{
    clock::SECOND,
    kpi::{KpiSpec, Measure},
    store::Backlog,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::Duration,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KpiLabels {
    namespace: String,
    journey: String,
    kpi: String,
    /// value, low, high or sample.
    figure: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BacklogLabels {
    namespace: String,
    journey: String,
    /// active, inbox, outbox, overdue, paced, news.
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct JourneyLabels {
    namespace: String,
    journey: String,
}

/// What is shown of each journey, by namespace and name.
type KnownKpis = HashMap<(String, String), Vec<KpiLabels>>;

#[derive(Clone, Debug)]
pub struct Metrics {
    /// Passes by kind and outcome (done, failed).
    passes: Family<[(&'static str, &'static str); 2], Counter>,
    seconds: Family<[(&'static str, &'static str); 1], Histogram>,
    /// What the KPIs say, in the unit of their targets: fractions, numbers, seconds. As many as the journeys name.
    kpis: Family<KpiLabels, Gauge<f64, AtomicU64>>,
    known_kpis: Arc<Mutex<KnownKpis>>,
    backlog: Family<BacklogLabels, Gauge>,
    oldest: Family<JourneyLabels, Gauge<f64, AtomicU64>>,
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
            kpis: Family::default(),
            known_kpis: Arc::default(),
            backlog: Family::default(),
            oldest: Family::default(),
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
            "kpi",
            "KPIs as last measured, in the unit of their targets (fraction, number, seconds): value, low and high of the 95 % interval, sample",
            metrics.kpis.clone(),
        );
        registry.register(
            "backlog",
            "Rows of a journey by kind: active enrollments, inbox, outbox, overdue waits, paced (at the door), news; counted up to 100,001 each",
            metrics.backlog.clone(),
        );
        registry.register(
            "backlog_oldest_seconds",
            "For how long the wait or message of a journey is due that is overdue the longest; 0: none is",
            metrics.oldest.clone(),
        );
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

    pub fn backlog(&self, namespace: &str, journey: &str, backlog: &Backlog) {
        for (kind, n) in by_kind(backlog) {
            self.backlog.get_or_create(&of_kind(namespace, journey, kind)).set(n);
        }
        let of = of_journey(namespace, journey);
        self.oldest
            .get_or_create(&of)
            .set(backlog.oldest as f64 / SECOND as f64);
    }

    /// The journey is gone.
    pub fn forget_backlog(&self, namespace: &str, journey: &str) {
        for (kind, _) in by_kind(&Backlog::default()) {
            self.backlog.remove(&of_kind(namespace, journey, kind));
        }
        self.oldest.remove(&of_journey(namespace, journey));
    }

    /// The KPIs of a journey as they are now; those of before that are not among them are gone.
    pub fn kpis(&self, namespace: &str, journey: &str, measured: &[(&KpiSpec, Measure)]) {
        let mut labels = Vec::new();
        for (spec, measure) in measured {
            let figures = [
                ("value", measure.value),
                ("low", measure.low),
                ("high", measure.high),
                ("sample", Some(measure.sample as f64)),
            ];
            for (figure, value) in figures {
                let Some(value) = value else { continue };
                let of = KpiLabels {
                    namespace: namespace.to_owned(),
                    journey: journey.to_owned(),
                    kpi: spec.name.clone(),
                    figure,
                };
                self.kpis.get_or_create(&of).set(value);
                labels.push(of);
            }
        }
        let mut known = self.known_kpis.lock().unwrap_or_else(PoisonError::into_inner);
        let journey = (namespace.to_owned(), journey.to_owned());
        let before = if labels.is_empty() {
            known.remove(&journey)
        } else {
            known.insert(journey, labels.clone())
        };
        for gone in before.into_iter().flatten().filter(|of| !labels.contains(of)) {
            self.kpis.remove(&gone);
        }
    }

    pub fn pass(&self, kind: &'static str, outcome: &'static str, took: Duration) {
        self.passes.get_or_create(&[("kind", kind), ("outcome", outcome)]).inc();
        self.seconds
            .get_or_create(&[("kind", kind)])
            .observe(took.as_secs_f64());
    }
}

fn by_kind(backlog: &Backlog) -> [(&'static str, i64); 6] {
    let Backlog {
        active,
        inbox,
        outbox,
        overdue,
        paced,
        news,
        oldest: _,
    } = *backlog;
    [
        ("active", active),
        ("inbox", inbox),
        ("outbox", outbox),
        ("overdue", overdue),
        ("paced", paced),
        ("news", news),
    ]
}

fn of_kind(namespace: &str, journey: &str, kind: &'static str) -> BacklogLabels {
    BacklogLabels {
        namespace: namespace.to_owned(),
        journey: journey.to_owned(),
        kind,
    }
}

fn of_journey(namespace: &str, journey: &str) -> JourneyLabels {
    JourneyLabels {
        namespace: namespace.to_owned(),
        journey: journey.to_owned(),
    }
}
