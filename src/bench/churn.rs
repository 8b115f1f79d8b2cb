//! Whole journeys for a long time, as many as go through: whether throughput holds while rows come and go, and what the tables grow to.

use super::{Bench, BenchError, journeys::FLOOD, usage::Cores};
use crate::store::postgres::measure::TableSize;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Churn {
    pub slices: Vec<Slice>,
    pub before: Vec<TableSize>,
    pub after: Vec<TableSize>,
}

#[derive(Debug)]
pub struct Slice {
    pub length: Duration,
    pub per_second: f64,
    pub cores: Cores,
}

impl Churn {
    /// Of the last slice to the first.
    pub fn ratio(&self) -> f64 {
        match (self.slices.first(), self.slices.last()) {
            (Some(first), Some(last)) if first.per_second > 0.0 => last.per_second / first.per_second,
            _ => 0.0,
        }
    }
}

/// Stretches that throughput is told of, at most.
const SLICES: u32 = 30;

pub async fn measure(bench: &Bench<'_>) -> Result<Churn, BenchError> {
    let (order, whole) = (bench.order, bench.order.churn);
    let slice = (whole / SLICES).max(order.length);
    let n = (whole.as_secs_f64() / slice.as_secs_f64()).round().max(2.0) as u32;
    let before = bench.world.store.sizes().await?;
    bench.tell("whole journeys, as many as go through, for a while that is not measured");
    bench.load.start(FLOOD, order.length / 5, order.in_flight).await?;
    let mut slices = Vec::new();
    for nth in 1..=n {
        bench.tell(&format!("whole journeys, {nth} of {n} times {} s", slice.as_secs()));
        let _before = bench.sink.take();
        let (before, began) = (bench.world.usage(&bench.world.runners), Instant::now());
        bench.load.start(FLOOD, slice, order.in_flight).await?;
        let (arrived, length) = (bench.sink.take().n, began.elapsed());
        slices.push(Slice {
            length,
            per_second: arrived as f64 / length.as_secs_f64(),
            cores: before.since(),
        });
    }
    bench.settled().await?;
    Ok(Churn {
        slices,
        before,
        after: bench.world.store.sizes().await?,
    })
}
