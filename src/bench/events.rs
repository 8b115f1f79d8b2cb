//! Events that nobody listens to: what taking them in costs, by the size of requests, from new customers and from known ones.

use super::{Bench, BenchError, load::Shape, usage::Cores};

#[derive(Debug)]
pub struct Intake {
    pub batch: usize,
    pub senders: usize,
    /// Customers whom the gateway knows already, over and over again; None: each event is of a new one.
    pub returning: Option<u64>,
    pub per_second: f64,
    pub cores: Cores,
}

/// One event a request comes from many: websites and apps send so.
const SHAPES: [(usize, usize); 4] = [(1, 256), (10, 64), (100, 16), (1000, 4)];
/// Shapes that are measured with returning customers, too.
const RETURNING: [(usize, usize); 2] = [(1, 256), (100, 16)];
const POOL: u64 = 20_000;

pub async fn measure(bench: &Bench<'_>) -> Result<Vec<Intake>, BenchError> {
    let mut intake = Vec::new();
    for (batch, senders) in SHAPES {
        bench.tell(&format!("events of new customers, {batch} a request"));
        let shape = Shape { batch, senders };
        let (per_second, cores) = bench
            .window(async |length| bench.load.note(shape, length).await)
            .await?;
        intake.push(Intake {
            batch,
            senders,
            returning: None,
            per_second,
            cores,
        });
    }
    let first = bench.load.meet(POOL).await?;
    for (batch, senders) in RETURNING {
        bench.tell(&format!("events of {POOL} known customers, {batch} a request"));
        let shape = Shape { batch, senders };
        let (per_second, cores) = bench
            .window(async |length| bench.load.note_again(shape, first, POOL, length).await)
            .await?;
        intake.push(Intake {
            batch,
            senders,
            returning: Some(POOL),
            per_second,
            cores,
        });
    }
    Ok(intake)
}
