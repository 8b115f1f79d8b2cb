//! The senders: as many as go through, or by a plan.

use super::{
    BenchError,
    client::Client,
    sink::{Sink, customer},
    world::WRITE_KEY,
};
use futures::future::try_join_all;
use serde::Deserialize;
use std::{
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// What begins a journey.
pub const STARTED: &str = "bench.started";
/// What nobody listens to.
pub const NOTED: &str = "bench.noted";
/// Events of one request where they come by a plan, at most.
const BATCH: u64 = 1_000;
/// Requests under way at a time where they come by a plan.
const SENDERS: usize = 8;
/// What a refused sender waits, where it is not told how long.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Load {
    /// HOST:PORT of the gateway.
    gateway: String,
    sink: Arc<Sink>,
    /// Numbers given to customers so far; nobody has two.
    customers: AtomicU64,
    /// Events so far that no journey listens to, for their ids.
    noted: AtomicU64,
    /// Events by which a journey begins that were accepted.
    started: AtomicU64,
    /// Customers whose message has arrived or is to arrive.
    asked: AtomicU64,
}

/// How many are sent at once.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Events of a request.
    pub batch: usize,
    /// Requests under way at a time.
    pub senders: usize,
}

/// The gateway's answer.
#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    #[serde(default)]
    quarantined: u64,
}

/// One event: its number, its customer's, and the instant by the plan.
struct Sent {
    id: u64,
    customer: u64,
    at: u64,
}

impl Load {
    pub fn new(gateway: &str, sink: Arc<Sink>) -> Self {
        Self {
            gateway: gateway.to_owned(),
            sink,
            customers: AtomicU64::new(0),
            noted: AtomicU64::new(0),
            started: AtomicU64::new(0),
            asked: AtomicU64::new(0),
        }
    }

    /// Customers whose journey began.
    pub fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// `n` customers are to be reached whom no event of these senders leads there.
    pub fn expect(&self, n: u64) {
        self.asked.fetch_add(n, Ordering::Relaxed);
    }

    /// Customers who are to be reached, or were.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Numbers for `n` customers, the first of them.
    pub fn numbers(&self, n: u64) -> u64 {
        self.customers.fetch_add(n, Ordering::Relaxed)
    }

    /// Events that nobody listens to, as many as go through, of new customers; gives how many were accepted.
    pub async fn note(&self, shape: Shape, length: Duration) -> Result<u64, BenchError> {
        self.flood(NOTED, shape, length, async |size| {
            let first = self.numbers(size);
            Some((first..first + size).map(|n| Sent {
                id: n,
                customer: n,
                at: 0,
            }))
        })
        .await
    }

    /// The same of the `pool` customers from `first` on, again and again.
    pub async fn note_again(&self, shape: Shape, first: u64, pool: u64, length: Duration) -> Result<u64, BenchError> {
        self.flood(NOTED, shape, length, async |size| {
            let from = self.noted.fetch_add(size, Ordering::Relaxed);
            // Spread over the pool, so that no request has one customer twice; the ids are those of no new customer.
            Some((from..from + size).map(move |n| Sent {
                id: (1 << 62) + n,
                customer: first + n % pool,
                at: 0,
            }))
        })
        .await
    }

    /// Makes the customers of a pool known.
    pub async fn meet(&self, pool: u64) -> Result<u64, BenchError> {
        let first = self.numbers(pool);
        let mut client = self.client();
        for from in (first..first + pool).step_by(BATCH as usize) {
            let those = (from..(first + pool).min(from + BATCH)).map(|n| Sent {
                id: n,
                customer: n,
                at: 0,
            });
            self.send(&mut client, NOTED, those).await?;
        }
        Ok(first)
    }

    /// Events by which journeys begin, as many as go through, with at most `in_flight` customers whose message has not arrived.
    pub async fn start(&self, shape: Shape, length: Duration, in_flight: u64) -> Result<u64, BenchError> {
        self.flood(STARTED, shape, length, async |size| {
            if self.asked.load(Ordering::Relaxed) + size > self.sink.books().reached + in_flight {
                tokio::time::sleep(Duration::from_millis(1)).await;
                return None;
            }
            self.asked.fetch_add(size, Ordering::Relaxed);
            let now = self.sink.now();
            let first = self.numbers(size);
            Some((first..first + size).map(move |n| Sent {
                id: n,
                customer: n,
                at: now,
            }))
        })
        .await
    }

    /// Journeys begin each 1/`rate` s, in requests of what is due when a sender is free.
    pub async fn planned(&self, rate: f64, length: Duration) -> Result<u64, BenchError> {
        let began = self.sink.now();
        let most = (rate * length.as_secs_f64()) as u64;
        let first = self.numbers(most);
        let taken = AtomicU64::new(0);
        let at = |n: u64| began + (n as f64 * 1e6 / rate) as u64;
        let sender = async || -> Result<u64, BenchError> {
            let (mut client, mut all) = (self.client(), 0);
            loop {
                let elapsed = self.sink.now() - began;
                let due = ((elapsed as f64 * rate / 1e6) as u64 + 1).min(most);
                let mine = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                    (taken < due).then(|| due.min(taken + BATCH))
                });
                match mine {
                    Ok(from) => {
                        self.asked.fetch_add(due.min(from + BATCH) - from, Ordering::Relaxed);
                        let plan = (from..due.min(from + BATCH)).map(|n| Sent {
                            id: first + n,
                            customer: first + n,
                            at: at(n),
                        });
                        all += self.send(&mut client, STARTED, plan).await?;
                    }
                    Err(taken) if taken >= most => return Ok(all),
                    Err(taken) => {
                        let wait = at(taken).saturating_sub(self.sink.now());
                        tokio::time::sleep(Duration::from_micros(wait.max(100))).await;
                    }
                }
            }
        };
        Ok(try_join_all((0..SENDERS).map(|_| sender())).await?.iter().sum())
    }

    /// `next` gives the events of a request, or has waited for a moment.
    async fn flood<I: Iterator<Item = Sent>>(
        &self,
        event: &str,
        shape: Shape,
        length: Duration,
        next: impl AsyncFn(u64) -> Option<I>,
    ) -> Result<u64, BenchError> {
        let end = self.sink.now() + micros(length);
        let sender = async || -> Result<u64, BenchError> {
            let (mut client, mut all) = (self.client(), 0);
            while self.sink.now() < end {
                if let Some(those) = next(shape.batch as u64).await {
                    all += self.send(&mut client, event, those).await?;
                }
            }
            Ok(all)
        };
        Ok(try_join_all((0..shape.senders).map(|_| sender())).await?.iter().sum())
    }

    fn client(&self) -> Client {
        Client::new(&self.gateway, "/v1/events", WRITE_KEY)
    }

    /// One request, sent again until it is taken; gives how many events were accepted.
    async fn send(
        &self,
        client: &mut Client,
        event: &str,
        those: impl Iterator<Item = Sent>,
    ) -> Result<u64, BenchError> {
        let mut body = String::from("[");
        for Sent {
            id,
            customer: number,
            at,
        } in those
        {
            let comma = if body.len() > 1 { "," } else { "" };
            let whose = customer(number, at);
            // Writing into a String cannot fail.
            let _written = write!(
                body,
                r#"{comma}{{"specversion":"1.0","id":"e{id}","source":"/bench","type":"{event}","data":{{"userId":"{whose}","kind":{}}}}}"#,
                number % 2
            );
        }
        body.push(']');
        loop {
            let answer = client.post("application/cloudevents-batch+json", body.clone()).await?;
            let text = || String::from_utf8_lossy(&answer.body).into_owned();
            match answer.status {
                200 | 202 => {
                    let counts: Answer = serde_json::from_slice(&answer.body)
                        .map_err(|error| BenchError::Gateway(format!("its answer is not read: {error}")))?;
                    if counts.quarantined > 0 {
                        return Err(BenchError::Gateway(format!("it put events aside: {}", text())));
                    }
                    if event == STARTED {
                        self.started.fetch_add(counts.accepted, Ordering::Relaxed);
                    }
                    return Ok(counts.accepted);
                }
                // 429 says that it goes by an allowance, which would then be what is measured: an error.
                503 => tokio::time::sleep(answer.retry_after.map_or(PAUSE, Duration::from_secs)).await,
                status => return Err(BenchError::Gateway(format!("{status} {}", text()))),
            }
        }
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
