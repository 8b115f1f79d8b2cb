//! The senders: as many as go through, or by a plan.

use super::{
    BenchError,
    sink::{Sink, customer},
    world::{WRITE_KEY, World},
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

/// Events of one request where they come by a plan, at most.
const BATCH: u64 = 1_000;
/// Requests under way at a time where they come by a plan.
const SENDERS: usize = 8;
/// What a refused sender waits, where it is not told how long.
const PAUSE: Duration = Duration::from_millis(100);

pub struct Load<'w> {
    world: &'w World,
    sink: Arc<Sink>,
    /// Customers so far; nobody comes twice.
    customers: AtomicU64,
}

/// The gateway's answer.
#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    #[serde(default)]
    quarantined: u64,
}

impl<'w> Load<'w> {
    pub fn new(world: &'w World, sink: Arc<Sink>) -> Self {
        Self {
            world,
            sink,
            customers: AtomicU64::new(0),
        }
    }

    /// As many as go through, and how many were accepted; with at most `in_flight` customers whose message has not arrived.
    pub async fn flood(
        &self,
        event: &str,
        batch: usize,
        senders: usize,
        length: Duration,
        in_flight: u64,
    ) -> Result<u64, BenchError> {
        let end = self.sink.now() + micros(length);
        let size = batch as u64;
        let (under_way, reached) = (AtomicU64::new(0), self.sink.books().0);
        let sender = async || -> Result<u64, BenchError> {
            let mut all = 0;
            while self.sink.now() < end {
                if in_flight != u64::MAX {
                    let arrived = self.sink.books().0 - reached;
                    if under_way.load(Ordering::Relaxed) + size > arrived + in_flight {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                        continue;
                    }
                    under_way.fetch_add(size, Ordering::Relaxed);
                }
                let now = self.sink.now();
                let first = self.customers.fetch_add(size, Ordering::Relaxed);
                all += self.send(event, (first..first + size).map(|n| (n, now))).await?;
            }
            Ok(all)
        };
        Ok(try_join_all((0..senders).map(|_| sender())).await?.iter().sum())
    }

    /// One event each 1/`rate` s, in requests of what is due when a sender is free.
    pub async fn planned(&self, rate: f64, length: Duration) -> Result<u64, BenchError> {
        let began = self.sink.now();
        let most = (rate * length.as_secs_f64()) as u64;
        let first = self.customers.fetch_add(most, Ordering::Relaxed);
        let taken = AtomicU64::new(0);
        let at = |n: u64| began + (n as f64 * 1e6 / rate) as u64;
        let sender = async || -> Result<u64, BenchError> {
            let mut all = 0;
            loop {
                let elapsed = self.sink.now() - began;
                let due = ((elapsed as f64 * rate / 1e6) as u64 + 1).min(most);
                let mine = taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                    (taken < due).then(|| due.min(taken + BATCH))
                });
                match mine {
                    Ok(from) => {
                        let plan = (from..due.min(from + BATCH)).map(|n| (first + n, at(n)));
                        all += self.send("bench.started", plan).await?;
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

    /// One request, sent again until it is taken; gives how many events were accepted.
    async fn send(&self, event: &str, customers: impl Iterator<Item = (u64, u64)>) -> Result<u64, BenchError> {
        let mut body = String::from("[");
        for (number, at) in customers {
            let comma = if body.len() > 1 { "," } else { "" };
            let whose = customer(number, at);
            // Writing into a String cannot fail.
            let _written = write!(
                body,
                r#"{comma}{{"specversion":"1.0","id":"e{number}","source":"/bench","type":"{event}","data":{{"userId":"{whose}","kind":{}}}}}"#,
                number % 2
            );
        }
        body.push(']');
        loop {
            let request = self.world.http.post(&self.world.url).bearer_auth(WRITE_KEY);
            let request = request.header("content-type", "application/cloudevents-batch+json");
            let response = request.body(body.clone()).send().await;
            let response = response.map_err(|error| BenchError::Gateway(error.without_url().to_string()))?;
            let status = response.status().as_u16();
            let after = response.headers().get("retry-after");
            let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
            let text = response.text().await.unwrap_or_default();
            match status {
                200 | 202 => {
                    let answer: Answer = serde_json::from_str(&text)
                        .map_err(|error| BenchError::Gateway(format!("its answer is not read: {error}")))?;
                    if answer.quarantined > 0 {
                        return Err(BenchError::Gateway(format!("it put events aside: {text}")));
                    }
                    return Ok(answer.accepted);
                }
                429 | 503 => tokio::time::sleep(after.map_or(PAUSE, Duration::from_secs)).await,
                _ => return Err(BenchError::Gateway(format!("{status} {text}"))),
            }
        }
    }
}

fn micros(length: Duration) -> u64 {
    u64::try_from(length.as_micros()).unwrap_or(u64::MAX)
}
