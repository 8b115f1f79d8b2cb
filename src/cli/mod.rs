//! The command line: argv to the rooms. The one place that knows clap and anyhow.

pub mod bench;
pub mod check;
pub mod crds;
pub mod dev;
pub mod explain;
pub mod gateway;
pub mod graph;
pub mod import;
pub mod operator;
pub mod outbox;
pub mod quarantine;
mod retention;
pub mod runner;
pub mod schema;
pub mod send_test;
pub mod simulate;
pub mod store_args;
pub mod store_check;
pub mod suppression;
mod table;
pub mod test;

use clap::{Parser, Subcommand, ValueEnum};
use std::{io::IsTerminal, path::PathBuf, process::ExitCode};
use tokio_util::sync::CancellationToken;

/// Customer journeys as Kubernetes resources.
#[derive(Debug, Parser)]
#[command(name = "journey", version, about, propagate_version = true)]
struct Cli {
    /// How log lines are written, to standard error; what is written is chosen by RUST_LOG (default: info)
    #[arg(long, global = true, env = "JOURNEY_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Text,
    Json,
}

/// How a command writes what it lists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator: validate, compile, deploy, report
    Operator(operator::Args),
    /// Take events in and answer links, for one namespace
    Gateway(gateway::GatewayArgs),
    /// Move the customers of one journey and speak for it
    Runner(runner::Args),
    /// Run a folder of YAML in this process: no cluster, no database
    Dev(dev::Args),
    /// Check YAML as the API server and the operator would
    Check(check::Args),
    /// Play scenarios, tests of journeys told as stories, in virtual time
    Test(test::Args),
    /// Draw a journey: Mermaid, DOT or SVG
    Graph(graph::Args),
    /// Let a population, or recorded events, go through the journeys in virtual time
    Simulate(Box<simulate::Args>),
    /// Explain a code that check or a condition names
    Explain(explain::Args),
    /// Print the CustomResourceDefinitions
    Crds {
        /// Write one file a kind into this folder instead
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Print the JSON Schema of all kinds, for editors
    Schema {
        /// Write one file a kind into this folder instead, and all.json over them
        #[arg(long, value_name = "DIR")]
        output: Option<PathBuf>,
    },
    /// Read data from files into the store
    Import(import::ImportArgs),
    /// Events that were put aside: list, show, replay, drop
    Quarantine(quarantine::QuarantineArgs),
    /// Messages of a journey that wait or have failed: list, show, retry, drop
    Outbox(outbox::OutboxArgs),
    /// Addresses that get nothing: add, remove, show, list, import
    Suppression(suppression::SuppressionArgs),
    /// The database of the store: check its settings
    Store(store_check::StoreArgs),
    /// Measure what the data plane carries on this machine, with real processes
    Bench(bench::Args),
    /// Render a touchpoint with sample data and send it through its real adapter, outside every count
    SendTest(send_test::Args),
}

/// Runs the command. 0: done; 1: it found or met something wrong; 2: it was called wrongly.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.log_format);
    crate::panics::tell_without_personal_data();
    // Every TLS connection of the process uses this one provider; it is only there already when a test was first.
    let _already = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Operator(args) => operator::run(args, until_told()).await.map(done),
        Command::Gateway(args) => gateway::run(args, until_told()).await.map(done),
        Command::Runner(args) => runner::run(args, until_told()).await.map(done),
        Command::Dev(args) => dev::run(args, until_told()).await.map(done),
        Command::Check(args) => check::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Graph(args) => graph::run(&args),
        Command::Simulate(args) => simulate::run(*args).await,
        Command::Explain(args) => explain::run(&args),
        Command::Crds { output } => crds::run(output.as_deref()).map(done),
        Command::Schema { output } => schema::run(output.as_deref()).map(done),
        Command::Import(command) => import::run(command).await,
        Command::Quarantine(command) => quarantine::run(command).await,
        Command::Outbox(command) => outbox::run(command).await,
        Command::Suppression(command) => suppression::run(command).await,
        Command::Store(command) => store_check::run(command).await,
        Command::Bench(args) => bench::run(args, until_told()).await,
        Command::SendTest(args) => send_test::run(args).await,
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

fn log_to_stderr(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().init(),
    }
}

/// Cancelled at the first SIGTERM or SIGINT; the second SIGINT ends the process at once.
fn until_told() -> CancellationToken {
    let token = CancellationToken::new();
    let told = token.clone();
    tokio::spawn(async move {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! { _ = terminate.recv() => {}, _ = tokio::signal::ctrl_c() => {} }
            }
            Err(_) => {
                let _interrupted = tokio::signal::ctrl_c().await;
            }
        }
        tracing::info!("stopping");
        told.cancel();
        let _again = tokio::signal::ctrl_c().await;
        std::process::exit(130);
    });
    token
}
