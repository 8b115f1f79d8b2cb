//! `journey bench`: what the data plane carries on this machine.

use crate::{
    bench::{self, Order, Part},
    clock::{DAY, SECOND},
    expression::time::duration,
};
use std::{collections::BTreeSet, io::Write as _, process::ExitCode, time::Duration};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A database to measure in, of a role that may make the schema; what is measured with is taken out of it at the
    /// end: postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, env = "JOURNEY_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database: String,
    /// What is measured
    #[arg(long, value_enum, value_delimiter = ',', default_value = "intake,journeys,latency")]
    phases: Vec<Asked>,
    /// Seconds of each phase; the first fifth is not measured
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=3600))]
    seconds: u16,
    /// Customers between their event and their message, where as many are sent as go through
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=100_000))]
    in_flight: u64,
    /// Requests of the adapter under way at a time
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: u32,
    /// timers: customers who wait for a time that does not come; a fifth as many are due at once
    #[arg(long, default_value_t = 300_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    timers: u64,
    /// timers: waits that end in a second where their lateness is measured
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    due: u64,
    /// takeover: runners that are killed, one after the other
    #[arg(long, default_value_t = 4, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    kills: u32,
    /// takeover: journeys that begin in a second meanwhile
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// churn: how long journeys go on and on: 30m
    #[arg(long, default_value = "3m", value_name = "DURATION", value_parser = length)]
    churn: Duration,
    /// idle: journeys to which nothing comes, with a runner each
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=2000))]
    idle_journeys: u16,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Asked {
    /// Events that nobody listens to, accepted a second by the size of requests
    Intake,
    /// Whole journeys a second, as many as go through
    Journeys,
    /// From event to message, at 10, 50 and 80 % of that
    Latency,
    /// How long customers wait when their runner is killed
    Takeover,
    /// Customers who wait for a time: memory, lateness, how many go on a second
    Timers,
    /// Whole journeys under a policy of every rule, and under one purpose, by turns
    Policy,
    /// Whole journeys for a long time: whether throughput holds
    Churn,
    /// What journeys cost to which nothing comes
    Idle,
    /// All of them
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// 0: done; 1: it could not be measured, or the books do not balance.
pub async fn run(args: Args, stop: CancellationToken) -> anyhow::Result<ExitCode> {
    let Args {
        database,
        phases,
        seconds,
        in_flight,
        concurrency,
        timers,
        due,
        kills,
        rate,
        churn,
        idle_journeys,
        format,
    } = args;
    let order = Order {
        database,
        parts: parts(&phases),
        length: Duration::from_secs(seconds.into()),
        in_flight,
        concurrency,
        timers,
        due,
        kills,
        rate,
        churn,
        idle: idle_journeys.into(),
    };
    let found = bench::run(&order, &|what| eprintln!("{what}"), stop).await?;
    let text = match format {
        Format::Text => bench::text(&found),
        Format::Json => serde_json::to_string_pretty(&bench::json(&found))? + "\n",
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if found.books.balance() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn parts(asked: &[Asked]) -> BTreeSet<Part> {
    const ALL: [(Asked, Part); 8] = [
        (Asked::Intake, Part::Intake),
        (Asked::Journeys, Part::Journeys),
        (Asked::Latency, Part::Latency),
        (Asked::Takeover, Part::Takeover),
        (Asked::Timers, Part::Timers),
        (Asked::Policy, Part::Policy),
        (Asked::Churn, Part::Churn),
        (Asked::Idle, Part::Idle),
    ];
    let those = ALL
        .iter()
        .filter(|(name, _)| asked.contains(name) || asked.contains(&Asked::All));
    those.map(|(_, part)| *part).collect()
}

fn length(text: &str) -> Result<Duration, String> {
    let length = duration(text).ok_or("a duration is written like 30m or 90s")?;
    if (2 * SECOND..=DAY).contains(&length) {
        Ok(Duration::from_micros(length.unsigned_abs()))
    } else {
        Err("from 2s to 24h".to_owned())
    }
}
