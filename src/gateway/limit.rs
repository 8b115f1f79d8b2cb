//! How much is taken at a time. Everything beyond is refused at once with a word when to come again; nothing is queued without bound.

use super::{Gateway, refusal::Refusal};
use crate::{api::channel_adapter::Limits as AdapterLimits, compile::Source};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    DefaultDirectRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

const TWICE: NonZeroU32 = const { NonZeroU32::new(2).unwrap() };

#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body, unpacked.
    pub body: usize,
    /// Events of one request.
    pub batch: usize,
    /// Events a second from a source whose adapter names no limit; twice as many at once after a pause, and never fewer than one batch.
    pub events_per_second: NonZeroU32,
    /// Requests under way.
    pub requests: usize,
    /// Events that may wait in a journey's inbox; beyond it those that it listens for are refused.
    pub inbox: u32,
    /// News that may be on its way to everybody in a journey.
    pub news: u32,
    /// How often inboxes are looked at.
    pub look: Duration,
    /// Connections open.
    pub connections: usize,
    /// How long a client may take to send the headers of a request, also of the next one on a kept connection.
    pub header_timeout: Duration,
    /// How long requests under way may take to finish at shutdown.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: 1024 * 1024,
            batch: 1_000,
            events_per_second: const { NonZeroU32::new(20_000).unwrap() },
            requests: 512,
            inbox: 1_000_000,
            news: 100,
            look: Duration::from_secs(10),
            connections: 4_096,
            header_timeout: Duration::from_secs(15),
            grace: Duration::from_secs(20),
        }
    }
}

/// Counts who is inside.
#[derive(Debug)]
pub struct Gate {
    requests: Semaphore,
    /// By adapter.
    sources: RwLock<BTreeMap<String, Arc<SourceGate>>>,
}

/// What one source may bring, by its adapter's `limits` and else by the gateway's.
#[derive(Debug)]
struct SourceGate {
    allowance: Allowance,
    rate: DefaultDirectRateLimiter,
    inside: Arc<Semaphore>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Allowance {
    per_second: NonZeroU32,
    burst: NonZeroU32,
    concurrency: usize,
}

impl Allowance {
    fn of(source: &Source, limits: &Limits) -> Self {
        let given = source.limits.as_ref();
        let number = |of: fn(&AdapterLimits) -> Option<i32>| NonZeroU32::new(u32::try_from(of(given?)?).ok()?);
        let per_second = number(|limits| limits.per_second);
        let own = per_second.is_some();
        let per_second = per_second.unwrap_or(limits.events_per_second);
        // The gateway's own allowance lets any batch through; an adapter's is taken by its word.
        let batch = NonZeroU32::new(u32::try_from(limits.batch).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN);
        let usual = if own {
            per_second
        } else {
            per_second.saturating_mul(TWICE).max(batch)
        };
        let concurrency = number(|limits| limits.concurrency).map_or(limits.requests, |most| most.get() as usize);
        Self {
            per_second,
            burst: number(|limits| limits.burst).unwrap_or(usual),
            concurrency,
        }
    }
}

impl SourceGate {
    fn new(allowance: Allowance) -> Self {
        let quota = Quota::per_second(allowance.per_second).allow_burst(allowance.burst);
        let inside = Arc::new(Semaphore::new(allowance.concurrency));
        Self {
            allowance,
            rate: DefaultDirectRateLimiter::direct(quota),
            inside,
        }
    }
}

impl Gate {
    pub fn new(limits: &Limits) -> Self {
        Self {
            requests: Semaphore::new(limits.requests),
            sources: RwLock::default(),
        }
    }

    /// Takes over what the adapters say; a source whose limits are as before goes on counting where it was.
    pub fn adopt(&self, sources: &BTreeMap<String, Source>, limits: &Limits) {
        let mut known = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        *known = sources
            .iter()
            .map(|(adapter, source)| {
                let allowance = Allowance::of(source, limits);
                let same = known.get(adapter).filter(|gate| gate.allowance == allowance);
                (
                    adapter.clone(),
                    same.cloned().unwrap_or_else(|| Arc::new(SourceGate::new(allowance))),
                )
            })
            .collect();
    }

    /// Takes `events` off the source's allowance; the request is under way as long as the permit is held.
    pub fn take(&self, adapter: &str, events: usize) -> Result<Option<OwnedSemaphorePermit>, Refusal> {
        let gate = self
            .sources
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(adapter)
            .cloned();
        // A source that has just been removed: its key is refused from the next request on.
        let Some(gate) = gate else { return Ok(None) };
        let permit = Arc::clone(&gate.inside)
            .try_acquire_owned()
            .map_err(|_| Refusal::Busy)?;
        if let Some(events) = u32::try_from(events).ok().and_then(NonZeroU32::new) {
            match gate.rate.check_n(events) {
                Ok(Ok(())) => {}
                Ok(Err(not_until)) => {
                    return Err(Refusal::TooFast {
                        after: not_until.wait_time_from(DefaultClock::default().now()),
                    });
                }
                Err(_) => {
                    return Err(Refusal::TooLarge {
                        limit: gate.allowance.burst.get() as usize,
                        what: "events",
                    });
                }
            }
        }
        Ok(Some(permit))
    }
}

/// Lets a bounded number of requests in.
pub async fn admit(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    match gateway.gate.requests.try_acquire() {
        Ok(_inside) => next.run(request).await,
        Err(_) => {
            gateway.metrics.refused("", Refusal::Busy.name());
            Refusal::Busy.into_response()
        }
    }
}
