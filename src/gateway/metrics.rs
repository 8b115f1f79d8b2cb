//! What the gateway counts for Prometheus. Labels are bounded: adapters, documented results and reasons, routes.

use super::Gateway;
use crate::consent::Unreadable;
use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use std::{sync::Arc, time::Instant};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Received {
    /// An adapter, `link`, or empty while nobody knows whose request it is.
    source: String,
    /// accepted, duplicate, quarantined, refused.
    result: &'static str,
    /// Of quarantined and refused ones.
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Unread {
    /// categories, tcf, gpp.
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

/// Cheap to clone: all clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    received: Family<Received, Counter>,
    durations: Family<Answered, Histogram, fn() -> Histogram>,
    queue: Gauge,
    full: Gauge,
    programs: Gauge,
    followed: Counter,
    left: Counter,
    unreadable: Family<Unread, Counter>,
    clicks_lost: Counter,
}

/// From half a millisecond to ten seconds.
fn seconds() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ])
}

impl Metrics {
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            received: Family::default(),
            durations: Family::new_with_constructor(seconds),
            queue: Gauge::default(),
            full: Gauge::default(),
            programs: Gauge::default(),
            followed: Counter::default(),
            left: Counter::default(),
            unreadable: Family::default(),
            clicks_lost: Counter::default(),
        };
        registry.register(
            "journey_events_received",
            "Events by source, result and reason; a refused request counts once",
            metrics.received.clone(),
        );
        registry.register(
            "journey_events_followed",
            "Events that followed from accepted ones, such as consent/granted, for the journeys that listen",
            metrics.followed.clone(),
        );
        registry.register(
            "journey_gateway_request_duration_seconds",
            "Time to the answer",
            metrics.durations.clone(),
        );
        registry.register(
            "journey_gateway_queue_depth",
            "Requests that wait for a commit",
            metrics.queue.clone(),
        );
        registry.register(
            "journey_gateway_full_journeys",
            "Journeys with so many events waiting that those they listen for are refused",
            metrics.full.clone(),
        );
        registry.register(
            "journey_program_version",
            "Version of the programs that are answered by",
            metrics.programs.clone(),
        );
        registry.register(
            "journey_attributes_left_unchanged",
            "Values from events that did not fit their attribute or could not be computed",
            metrics.left.clone(),
        );
        registry.register(
            "journey_signals_unreadable",
            "Consent signals of others that could not be read, by kind; nothing was learned from them",
            metrics.unreadable.clone(),
        );
        registry.register(
            "journey_clicks_lost",
            "Clicks that led on but could not be recorded",
            metrics.clicks_lost.clone(),
        );
        metrics
    }

    pub fn received(&self, source: &str, result: &'static str, reason: &'static str, events: u64) {
        if events > 0 {
            self.received
                .get_or_create(&Received {
                    source: source.to_owned(),
                    result,
                    reason,
                })
                .inc_by(events);
        }
    }

    pub fn refused(&self, source: &str, reason: &'static str) {
        self.received(source, "refused", reason, 1);
    }

    pub fn queued(&self, requests: usize) {
        self.queue.set(i64::try_from(requests).unwrap_or(i64::MAX));
    }

    pub fn full(&self, journeys: usize) {
        self.full.set(i64::try_from(journeys).unwrap_or(i64::MAX));
    }

    pub fn programs(&self, version: i64) {
        self.programs.set(version);
    }

    pub fn followed(&self, events: u64) {
        self.followed.inc_by(events);
    }

    pub fn left(&self, values: u64) {
        self.left.inc_by(values);
    }

    pub fn unreadable(&self, signals: Unreadable) {
        for (kind, many) in signals.kinds() {
            if many > 0 {
                self.unreadable.get_or_create(&Unread { kind }).inc_by(many);
            }
        }
    }

    pub fn click_lost(&self) {
        self.clicks_lost.inc();
    }
}

/// Measures every request by its route, never by its path: tokens are in it.
pub async fn measure(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("other", MatchedPath::as_str)
        .to_owned();
    let begun = Instant::now();
    let response = next.run(request).await;
    let answered = Answered {
        route,
        status: response.status().as_u16(),
    };
    gateway
        .metrics
        .durations
        .get_or_create(&answered)
        .observe(begun.elapsed().as_secs_f64());
    response
}
