//! Journeys to which nothing comes, with a runner each: what they cost by being there.

use super::{Bench, BenchError, world::Role};
use std::time::Instant;

#[derive(Debug)]
pub struct Idle {
    pub runners: usize,
    /// PostgreSQL, in processors.
    pub postgres: f64,
    /// All runners together, in processors.
    pub runner: f64,
    /// Of a runner, the middle of them.
    pub resident: u64,
    /// Of these, what it has for itself.
    pub own: u64,
    pub transactions_per_second: f64,
    /// None: the server does not count them.
    pub statements_per_second: Option<f64>,
    pub seconds: f64,
}

/// Phases that pass before anything is measured, and while it is.
const SETTLE: u32 = 1;
const MEASURE: u32 = 3;

pub async fn measure(bench: &mut Bench<'_>) -> Result<Idle, BenchError> {
    let n = bench.order.idle;
    bench.tell(&format!("starting {n} runners of journeys to which nothing comes"));
    let names = bench.world.put_idle(n).await?;
    let runners = bench.world.start(&names).await?;
    tokio::time::sleep(bench.order.length * SETTLE).await;
    bench.tell("doing nothing");
    let (usage, work, began) = (
        bench.world.usage(&runners),
        bench.world.store.work().await?,
        Instant::now(),
    );
    tokio::time::sleep(bench.order.length * MEASURE).await;
    let (cores, later, seconds) = (
        usage.since(),
        bench.world.store.work().await?,
        began.elapsed().as_secs_f64(),
    );
    let statements = work.statements.zip(later.statements);
    Ok(Idle {
        runners: n,
        postgres: cores.postgres,
        runner: cores.runner,
        resident: super::resident(&runners),
        own: super::median(runners.iter().map(Role::own)),
        transactions_per_second: later.transactions.saturating_sub(work.transactions) as f64 / seconds,
        statements_per_second: statements.map(|(before, after)| after.saturating_sub(before) as f64 / seconds),
        seconds,
    })
}
