//! What a policy costs: whole journeys, as many as go through, under one purpose and under a policy of every rule, by turns.

use super::{Bench, BenchError, journeys, world::Rules};
use std::time::Duration;

#[derive(Debug)]
pub struct Policy {
    /// Journeys a second under one purpose and under every rule, one turn after the other.
    pub turns: Vec<(f64, f64)>,
}

impl Policy {
    /// Of what goes through under every rule to what does under one purpose, all turns together.
    pub fn ratio(&self) -> f64 {
        let sum = |of: fn(&(f64, f64)) -> f64| self.turns.iter().map(of).sum::<f64>();
        let plain = sum(|(plain, _)| *plain);
        if plain > 0.0 {
            sum(|(_, full)| *full) / plain
        } else {
            0.0
        }
    }
}

/// By turns, because what else the machine does changes with time.
const TURNS: usize = 4;
/// A heartbeat tells a runner of new programs, every third second at least.
const LOADED: Duration = Duration::from_secs(4);

pub async fn measure(bench: &Bench<'_>) -> Result<Policy, BenchError> {
    let mut turns = Vec::new();
    for nth in 1..=TURNS {
        bench.tell(&format!(
            "whole journeys under one purpose, then under every rule, {nth} of {TURNS}"
        ));
        turns.push((under(bench, Rules::Plain).await?, under(bench, Rules::Full).await?));
    }
    bench.world.rule(bench.order, &bench.sink.url, Rules::Plain).await?;
    Ok(Policy { turns })
}

async fn under(bench: &Bench<'_>, rules: Rules) -> Result<f64, BenchError> {
    bench.world.rule(bench.order, &bench.sink.url, rules).await?;
    tokio::time::sleep(LOADED).await;
    Ok(journeys::flood(bench).await?.per_second)
}
