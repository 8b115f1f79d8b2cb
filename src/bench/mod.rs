//! Load for the data plane, with real processes on loopback: a gateway and a runner of this binary, the database that is named, and in this
//! process the senders and the webhook's far end. Latencies are taken from the instant at which an event was to be sent, so that a stall counts
//! for everybody whom it kept waiting (no coordinated omission).

mod load;
mod report;
mod sink;
mod usage;
mod world;

pub use report::{json, text};

use hdrhistogram::Histogram;
use load::Load;
use sink::Sink;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use usage::{Cores, Usage};
use world::World;

/// What is asked of a run.
#[derive(Debug, Clone)]
pub struct Order {
    /// postgres://, of a role that may make the schema.
    pub database: String,
    /// Of each phase, its first fifth is not measured.
    pub length: Duration,
    /// Customers between their event and their message, where as many are sent as go through.
    pub in_flight: u64,
    /// Adapter's requests under way at a time.
    pub concurrency: u32,
}

/// What a run found.
#[derive(Debug)]
pub struct Found {
    pub intake: Vec<Intake>,
    pub phases: Vec<Phase>,
    pub books: Books,
    pub gateway_bytes: u64,
    pub runner_bytes: u64,
}

/// Events that nobody listens to.
#[derive(Debug)]
pub struct Intake {
    pub batch: usize,
    pub senders: usize,
    pub per_second: f64,
    pub cores: Cores,
}

/// Whole journeys: an event, an entry, a branch, a message to a webhook, an exit.
#[derive(Debug)]
pub struct Phase {
    pub name: String,
    /// Events a second by the plan; None: as many as go through.
    pub offered: Option<f64>,
    pub per_second: f64,
    /// From the event's instant by the plan to the arrival of its message, in microseconds.
    pub latency: Histogram<u64>,
    pub cores: Cores,
}

/// Everything together, once nothing is under way any more.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    pub accepted: u64,
    /// Customers whose message arrived.
    pub reached: u64,
    /// Messages that arrived once more.
    pub again: u64,
    /// Enrollments that are Completed.
    pub completed: u64,
}

impl Books {
    pub fn balance(&self) -> bool {
        let Self {
            accepted,
            reached,
            again,
            completed,
        } = *self;
        accepted == reached && accepted == completed && again == 0
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("the store: {0}")]
    Store(#[from] crate::store::StoreError),
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    #[error("the built-in manifests do not compile: {0}")]
    Manifests(String),
    #[error("{0} was not ready within 30 s; the end of its log:\n{1}")]
    NotReady(&'static str, String),
    #[error("the gateway: {0}")]
    Gateway(String),
    #[error("after {0:?} there are still {1} of {2} customers without their message")]
    Stuck(Duration, u64, u64),
}

/// How long what is under way at the end may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Parts of the greatest throughput at which latencies are taken, in per cent.
const LOADS: [u32; 3] = [10, 50, 80];

/// Runs every phase. `tell` hears what is going on.
///
/// # Errors
/// The database is away, a process does not start, or messages do not arrive.
pub async fn run(order: &Order, tell: &dyn Fn(&str)) -> Result<Found, BenchError> {
    tell("starting a gateway and a runner");
    let sink = Arc::new(
        Sink::open()
            .await
            .map_err(|error| BenchError::Io("the far end", error))?,
    );
    let world = World::open(order, &sink.url).await?;
    let load = Load::new(&world, sink.clone());
    let found = measure(order, &world, &load, &sink, tell).await;
    world.close().await?;
    found
}

async fn measure(
    order: &Order,
    world: &World,
    load: &Load<'_>,
    sink: &Sink,
    tell: &dyn Fn(&str),
) -> Result<Found, BenchError> {
    let mut intake = Vec::new();
    for (batch, senders) in [(1, 16), (10, 8), (100, 4), (1000, 2)] {
        tell(&format!("events, {batch} a request"));
        let (per_second, cores) = window(order.length, world, async |length| {
            load.flood("bench.noted", batch, senders, length, u64::MAX).await
        })
        .await?;
        intake.push(Intake {
            batch,
            senders,
            per_second,
            cores,
        });
    }
    let mut accepted = 0;
    let mut phases = Vec::new();
    tell("whole journeys, as many as go through");
    let mut most = phase("as many as go through", None, order, world, sink, async |length| {
        load.flood("bench.started", 100, 4, length, order.in_flight).await
    })
    .await?;
    accepted += most.1;
    let greatest = most.0.per_second;
    // Who waits for a place has no plan: how long a message took says how many were under way, and nothing else.
    most.0.latency.reset();
    phases.push(most.0);
    settled(sink, accepted).await?;
    for percent in LOADS {
        let rate = greatest * f64::from(percent) / 100.0;
        tell(&format!("whole journeys, {rate:.0} a second"));
        let name = format!("{percent} % of that");
        let (found, sent) = phase(&name, Some(rate), order, world, sink, async |length| {
            load.planned(rate, length).await
        })
        .await?;
        accepted += sent;
        phases.push(found);
        settled(sink, accepted).await?;
    }
    let completed = world.completed(accepted, PATIENCE).await?;
    let (reached, again) = sink.books();
    Ok(Found {
        intake,
        phases,
        books: Books {
            accepted,
            reached,
            again,
            completed,
        },
        gateway_bytes: world.gateway.resident(),
        runner_bytes: world.runner.resident(),
    })
}

/// A first fifth that is not measured, then the rest: how many a second, and what it took of the processors.
async fn window(
    length: Duration,
    world: &World,
    run: impl AsyncFn(Duration) -> Result<u64, BenchError>,
) -> Result<(f64, Cores), BenchError> {
    let _warm = run(length / 5).await?;
    let (before, began) = (Usage::of(world), Instant::now());
    let n = run(length - length / 5).await?;
    Ok((n as f64 / began.elapsed().as_secs_f64(), before.since(world)))
}

async fn phase(
    name: &str,
    offered: Option<f64>,
    order: &Order,
    world: &World,
    sink: &Sink,
    run: impl AsyncFn(Duration) -> Result<u64, BenchError>,
) -> Result<(Phase, u64), BenchError> {
    let warm = run(order.length / 5).await?;
    let _before = sink.take();
    let (before, began) = (Usage::of(world), Instant::now());
    let sent = run(order.length - order.length / 5).await?;
    let (arrived, latency) = sink.take();
    let phase = Phase {
        name: name.to_owned(),
        offered,
        per_second: arrived as f64 / began.elapsed().as_secs_f64(),
        latency,
        cores: before.since(world),
    };
    Ok((phase, warm + sent))
}

/// Until every message of `accepted` customers has arrived.
async fn settled(sink: &Sink, accepted: u64) -> Result<(), BenchError> {
    let began = Instant::now();
    loop {
        let (reached, _) = sink.books();
        if reached >= accepted {
            return Ok(());
        }
        if began.elapsed() > PATIENCE {
            return Err(BenchError::Stuck(PATIENCE, accepted - reached, accepted));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
