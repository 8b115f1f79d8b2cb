//! `journey bench`: what the data plane carries on this machine.

use crate::bench::{self, Order};
use std::{io::Write as _, process::ExitCode, time::Duration};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A database to measure in, of a role that may make the schema; what is measured with is taken out of it at the
    /// end: postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, env = "JOURNEY_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database: String,
    /// Seconds of each phase; the first fifth is not measured
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=3600))]
    seconds: u16,
    /// Customers between their event and their message, where as many are sent as go through
    #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u64).range(100..=100_000))]
    in_flight: u64,
    /// Requests of the adapter under way at a time
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    concurrency: u32,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// 0: done; 1: it could not be measured, or the books do not balance.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let order = Order {
        database: args.database,
        length: Duration::from_secs(args.seconds.into()),
        in_flight: args.in_flight,
        concurrency: args.concurrency,
    };
    let found = bench::run(&order, &|what| eprintln!("{what}")).await?;
    let text = match args.format {
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
