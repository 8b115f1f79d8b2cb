//! Customers who wait for a time: what a runner keeps of them (nothing), how late they go on when so many are due a second, and how many a
//! second go on when many are due at once. They are written as rounds leave them, because waiting for so many events to be taken in would
//! measure the gateway; from then on everything is the product's.

use super::{
    Bench, BenchError, PATIENCE,
    sink::customer,
    usage::Cores,
    world::{Role, TIMERS},
};
use crate::{
    clock::{self, DAY, Micros},
    engine::{
        self,
        state::{Enrollment, Matches, Properties, Standing, StepResult},
    },
    personal::Personal,
    store::{EnrollmentRow, postgres::measure::Parked},
};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

#[derive(Debug)]
pub struct Timers {
    /// Customers who wait for a time that does not come.
    pub parked: u64,
    pub parked_per_second: f64,
    /// Of the runner before they were there, and with them.
    pub runner_before: u64,
    pub runner_parked: u64,
    /// Waits that ended in a second, by the plan.
    pub due: u64,
    /// From the instant at which a wait was to end to the arrival of the message that follows it, in microseconds.
    pub lateness: Histogram<u64>,
    /// Messages that arrived before the wait was to end.
    pub early: u64,
    pub due_cores: Cores,
    /// Waits that were over at once.
    pub drained: u64,
    pub drained_per_second: f64,
    pub drained_cores: Cores,
    /// By how many customers somebody went on after another who was due later, at most.
    pub behind: u64,
}

/// Rows of one transaction.
const BATCH: u64 = 2_000;
/// Transactions under way at a time.
const WRITERS: u64 = 2;
/// Of those who are due at once, one in so many gets a message, so that it is seen in which order they go on.
const TOLD: u64 = 100;

pub async fn measure(bench: &mut Bench<'_>) -> Result<Timers, BenchError> {
    let mut runner = bench.world.start(&[TIMERS.to_owned()]).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let runner_before = super::resident(&runner);
    let parked = bench.order.timers;
    bench.tell(&format!("parking {parked} customers"));
    let began = Instant::now();
    let year = 365 * DAY / i64::try_from(parked).unwrap_or(i64::MAX).max(1);
    let tomorrow = clock::now() + DAY;
    park(bench, parked, |n| (tomorrow + year * n, 0, false)).await?;
    let parked_per_second = parked as f64 / began.elapsed().as_secs_f64();
    tokio::time::sleep(Duration::from_secs(3)).await;
    let runner_parked = super::resident(&runner);

    let (due, (late, due_cores)) = (bench.order.due, due(bench, &runner).await?);
    // Killed with nothing under way; those who come due find nobody until the next one starts.
    runner.clear();
    let drained = (parked / 5).clamp(1_000, 1_000_000);
    let (drained_per_second, behind, drained_cores) = drain(bench, drained).await?;
    Ok(Timers {
        parked,
        parked_per_second,
        runner_before,
        runner_parked,
        due,
        lateness: late.latency,
        early: late.early,
        due_cores,
        drained,
        drained_per_second,
        drained_cores,
        behind,
    })
}

/// So many due a second for the length of a phase, each with a message.
async fn due(bench: &mut Bench<'_>, runner: &[Role]) -> Result<(super::sink::Arrived, Cores), BenchError> {
    let (rate, length) = (bench.order.due.max(1), bench.order.length);
    let n = (rate as f64 * length.as_secs_f64()) as u64;
    bench.tell(&format!("{rate} waits end in a second"));
    bench.load.expect(n);
    bench.waits = (bench.waits.0 + n, bench.waits.1 + n);
    // Time to write them: none is due before.
    let ahead = 2_000_000 + i64::try_from(n).unwrap_or_default() * 200;
    let (start, sink_start) = (clock::now() + ahead, bench.sink.now() + ahead.unsigned_abs());
    let _before = bench.sink.take();
    park(bench, n, |nth| {
        let after = nth * 1_000_000 / i64::try_from(rate).unwrap_or(i64::MAX);
        (start + after, sink_start + after.unsigned_abs(), true)
    })
    .await?;
    let late = clock::now() - start;
    if late > 0 {
        bench.tell(&format!(
            "writing them took {late} us too long: the first were due before they were there"
        ));
    }
    tokio::time::sleep(Duration::from_micros((-late).max(0).unsigned_abs())).await;
    let before = bench.world.usage(runner);
    tokio::time::sleep(length).await;
    let cores = before.since();
    bench.settled().await?;
    let arrived = bench.sink.take();
    // A message that has arrived may be one that the runner does not know to have: it is not to be killed before.
    gone_on(bench, bench.waits.0).await?;
    Ok((arrived, cores))
}

/// So many due at once, before the runner starts: how many a second go on, how far out of order, and what that takes of the processors.
async fn drain(bench: &mut Bench<'_>, n: u64) -> Result<(f64, u64, Cores), BenchError> {
    bench.tell(&format!("{n} waits are over at once"));
    let told = n.div_ceil(TOLD);
    bench.load.expect(told);
    bench.waits = (bench.waits.0 + n, bench.waits.1 + told);
    let start = clock::now() - i64::try_from(n).unwrap_or_default();
    let _before = bench.sink.take();
    let told_of = i64::try_from(TOLD).unwrap_or(i64::MAX);
    park(bench, n, |nth| (start + nth, 0, nth % told_of == 0)).await?;
    let done_before = bench.waits.0 - n;
    let runner = bench.world.start(&[TIMERS.to_owned()]).await?;
    let before = bench.world.usage(&runner);
    // Measured from when the first are seen to have gone on: before that the shards were the killed one's.
    let (mut first, mut last, mut moved) = (None, 0, Instant::now());
    let per_second = loop {
        let done = bench.world.completed(TIMERS).await?.saturating_sub(done_before);
        if done > last {
            (last, moved) = (done, Instant::now());
            first.get_or_insert((moved, done));
        }
        if done >= n {
            let (at, seen) = first.unwrap_or((moved, 0));
            break (n - seen) as f64 / at.elapsed().as_secs_f64().max(0.001);
        }
        if moved.elapsed() > PATIENCE {
            return Err(BenchError::Stuck(PATIENCE, n - done, n, "whose wait is over"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let cores = before.since();
    bench.settled().await?;
    Ok((per_second, bench.sink.take().behind, cores))
}

/// Until so many have gone on.
async fn gone_on(bench: &Bench<'_>, wanted: u64) -> Result<(), BenchError> {
    let began = Instant::now();
    loop {
        let done = bench.world.completed(TIMERS).await?;
        if done >= wanted {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(BenchError::Stuck(PATIENCE, wanted - done, wanted, "whose wait is over"));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Writes `n` customers who wait. `of` says of each when the wait ends, by the store's clock and by the sink's, and whether a message follows.
async fn park(bench: &Bench<'_>, n: u64, of: impl Fn(i64) -> (Micros, u64, bool) + Sync) -> Result<(), BenchError> {
    let (first, next) = (bench.load.numbers(n), AtomicU64::new(0));
    let world = &bench.world;
    let writer = async || -> Result<(), BenchError> {
        loop {
            let from = next.fetch_add(BATCH, Ordering::Relaxed);
            if from >= n {
                return Ok(());
            }
            let rows = (from..n.min(from + BATCH)).map(|nth| {
                let (until, at, told) = of(i64::try_from(nth).unwrap_or(i64::MAX));
                waiting(bench, first + nth, at, until, told)
            });
            let rows: Vec<Parked> = rows.collect();
            world.store.park(&world.namespace, TIMERS, &rows).await?;
        }
    };
    try_join_all((0..WRITERS).map(|_| writer())).await?;
    Ok(())
}

/// A customer in the journey's wait, as a round leaves them.
fn waiting(bench: &Bench<'_>, number: u64, at: u64, until: Micros, told: bool) -> Parked {
    let (world, since) = (&bench.world, clock::now());
    let id = customer(number, at);
    let entry =
        json!({"userId": id, "kind": i32::from(told), "id": format!("e{number}"), "time": "2026-01-01T00:00:00Z"});
    let entry: Properties = entry.as_object().cloned().unwrap_or_default();
    let enrollment = Enrollment {
        ordinal: i64::try_from(number).unwrap_or(i64::MAX) + 1,
        key: Personal::default(),
        revision: world.waiting.revision.clone(),
        entered_at: since,
        entries: 1,
        entry: entry.into(),
        held_out: false,
        standing: Standing::Waiting {
            step: "rest".into(),
            since,
            until: Some(until),
        },
        steps: BTreeMap::from([(
            "rest".to_owned(),
            StepResult {
                count: 1,
                at: since,
                ..StepResult::default()
            },
        )]),
        goals: BTreeMap::new(),
        kept: Vec::new(),
        arrivals: 0,
        look_at: None,
        matches: Matches::default(),
        hops: 0,
    };
    Parked {
        row: EnrollmentRow {
            customer: world.keys.customer(&world.namespace, "userId", &id),
            watch_until: engine::watch_until(&world.waiting, &enrollment),
            enrollment,
        },
        id: id.into(),
    }
}
