//! Two runners share a journey under load, and one of them is killed (SIGKILL), again and again: how long its customers wait for their
//! messages. Who is to be sent a message right after the kill waits until somebody else has the shard and has worked off what came meanwhile:
//! the longest latency since the kill is that time.

use super::{Bench, BenchError, PATIENCE, world::JOURNEY};
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Takeover {
    /// Journeys that began in a second.
    pub rate: u64,
    /// Of each kill, the longest that a customer's message took, in microseconds.
    pub longest: Vec<u64>,
    /// Shards that the killed one held.
    pub shards: u64,
    /// Messages that were handed over once more, under the same idempotency key.
    pub repeated: u64,
}

/// Load before a kill, and after it: twice what a lease lasts, and more.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(12);

pub async fn measure(bench: &mut Bench<'_>) -> Result<Takeover, BenchError> {
    let (kills, rate) = (bench.order.kills, bench.order.rate);
    let before = bench.sink.books().repeated;
    let (mut longest, mut shards) = (Vec::new(), 0);
    for n in 1..=kills {
        let more = bench.world.start(&[JOURNEY.to_owned()]).await?;
        bench.world.runners.extend(more);
        shards = shared(bench).await?;
        bench.tell(&format!("killing one of two runners, {n} of {kills}"));
        // The older one, so that each has been a killed one's heir.
        let killed = bench.world.runners.remove(0);
        let (load, sink) = (&bench.load, &bench.sink);
        let killing = async move {
            tokio::time::sleep(BEFORE).await;
            let _before = sink.take();
            drop(killed);
        };
        let (sent, ()) = tokio::join!(load.planned(rate as f64, BEFORE + AFTER), killing);
        sent?;
        bench.settled().await?;
        longest.push(bench.sink.take().latency.max());
    }
    Ok(Takeover {
        rate,
        longest,
        shards,
        repeated: bench.sink.books().repeated - before,
    })
}

/// Until both have half of the shards each; gives how many that is.
async fn shared(bench: &Bench<'_>) -> Result<u64, BenchError> {
    let began = Instant::now();
    loop {
        let held = bench.world.store.shards_held(&bench.world.namespace, JOURNEY).await?;
        if let [one, other] = held[..]
            && one == other
        {
            return Ok(one);
        }
        if began.elapsed() > PATIENCE {
            let log = format!("shards are held so: {held:?}");
            return Err(BenchError::NotReady("the second runner".into(), PATIENCE, log));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
