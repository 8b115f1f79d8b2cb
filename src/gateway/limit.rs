//! How much is taken at a time. Everything beyond is refused at once with a word when to come again; nothing is queued without bound.

use super::{Gateway, refusal::Refusal};
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::{
    DefaultKeyedRateLimiter, Quota,
    clock::{Clock, DefaultClock},
};
use std::{num::NonZeroU32, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of a body, unpacked.
    pub body: usize,
    /// Events of one request.
    pub batch: usize,
    /// Events a second from one source; twice as many at once after a pause, and never fewer than one batch.
    pub events_per_second: NonZeroU32,
    /// Requests under way.
    pub requests: usize,
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
    rates: DefaultKeyedRateLimiter<String>,
    batch: u32,
}

impl Gate {
    pub fn new(limits: &Limits) -> Self {
        let batch = u32::try_from(limits.batch).unwrap_or(u32::MAX);
        let burst = limits.events_per_second.get().saturating_mul(2).max(batch);
        let quota = Quota::per_second(limits.events_per_second);
        let quota = NonZeroU32::new(burst).map_or(quota, |burst| quota.allow_burst(burst));
        Self { requests: Semaphore::new(limits.requests), rates: DefaultKeyedRateLimiter::keyed(quota), batch }
    }

    /// Takes `events` off the source's allowance. Sources are adapters, so the map is as small as their number.
    pub fn take(&self, adapter: &str, events: usize) -> Result<(), Refusal> {
        let Some(events) = u32::try_from(events).ok().and_then(NonZeroU32::new) else { return Ok(()) };
        match self.rates.check_key_n(&adapter.to_owned(), events) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_until)) => Err(Refusal::TooFast { after: not_until.wait_time_from(DefaultClock::default().now()) }),
            Err(_) => Err(Refusal::TooLarge { limit: self.batch as usize, what: "events" }),
        }
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
