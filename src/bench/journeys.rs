//! Whole journeys: an event, an entry, a branch, a message to a webhook, an exit. As many as go through, and how long they take below that.

use super::{Bench, BenchError, Part, load::Shape, usage::Cores};
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Phase {
    pub name: String,
    /// Events a second by the plan; None: as many as go through.
    pub offered: Option<f64>,
    pub per_second: f64,
    /// From the event's instant by the plan to the arrival of its message, in microseconds; empty where there is no plan.
    pub latency: Histogram<u64>,
    pub cores: Cores,
}

/// How journeys are begun where as many are as go through.
pub const FLOOD: Shape = Shape { batch: 100, senders: 4 };
/// Parts of the greatest throughput at which latencies are taken, in per cent.
const LOADS: [u32; 3] = [10, 50, 80];

pub async fn measure(bench: &Bench<'_>) -> Result<Vec<Phase>, BenchError> {
    bench.tell("whole journeys, as many as go through");
    let most = flood(bench).await?;
    let greatest = most.per_second;
    let mut phases = vec![most];
    for percent in LOADS.into_iter().filter(|_| bench.asked(Part::Latency)) {
        let rate = greatest * f64::from(percent) / 100.0;
        bench.tell(&format!("whole journeys, {rate:.0} a second"));
        let name = format!("{percent} % of that");
        let found = phase(bench, &name, Some(rate), async |length| {
            bench.load.planned(rate, length).await
        })
        .await?;
        phases.push(found);
        bench.settled().await?;
    }
    Ok(phases)
}

/// As many as go through.
pub async fn flood(bench: &Bench<'_>) -> Result<Phase, BenchError> {
    let in_flight = bench.order.in_flight;
    let mut most = phase(bench, "as many as go through", None, async |length| {
        bench.load.start(FLOOD, length, in_flight).await
    })
    .await?;
    // Who waits for a place has no plan: how long a message took says how many were under way, and nothing else.
    most.latency.reset();
    bench.settled().await?;
    Ok(most)
}

async fn phase(
    bench: &Bench<'_>,
    name: &str,
    offered: Option<f64>,
    run: impl AsyncFn(Duration) -> Result<u64, BenchError>,
) -> Result<Phase, BenchError> {
    let length = bench.order.length;
    run(length / 5).await?;
    let _before = bench.sink.take();
    let (before, began) = (bench.world.usage(&bench.world.runners), Instant::now());
    run(length - length / 5).await?;
    let arrived = bench.sink.take();
    Ok(Phase {
        name: name.to_owned(),
        offered,
        per_second: arrived.n as f64 / began.elapsed().as_secs_f64(),
        latency: arrived.latency,
        cores: before.since(),
    })
}
