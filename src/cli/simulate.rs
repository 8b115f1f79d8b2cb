//! `journey simulate PATH`: a population, or a recorded file of events, through the journeys in virtual time.

use super::{check::yaml_files, import};
use crate::{
    clock::{DAY, Micros},
    compile::Manifests,
    engine::Program,
    expression::time::{duration, instant},
    simulate::{
        self, NAMESPACE, SimulateError, World,
        population::{self, Behaviour, Order, PopulationError, Recorded},
    },
};
use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    io::{IsTerminal as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

/// 2026-01-01T00:00:00Z
const START: &str = "2026-01-01T00:00:00Z";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or folders with the YAML of a namespace
    #[arg(required_unless_present_any = ["schema", "compare"])]
    paths: Vec<PathBuf>,
    /// Customers
    #[arg(long, default_value_t = 10_000)]
    customers: u64,
    /// Days that are simulated
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// The same seed gives the same bytes
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// When it begins
    #[arg(long, value_name = "INSTANT", default_value = START)]
    start: String,
    /// How customers behave, a YAML file; left out: made up from schemas, samples and values. With --events only
    /// what providers answer is of use
    #[arg(long, value_name = "FILE")]
    behaviour: Option<PathBuf>,
    /// Recorded events instead of a population: JSON lines of CloudEvents, with `adapter` as an extension
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    events: Option<PathBuf>,
    /// Customers who are known before the first recorded event (CSV or JSON lines)
    #[arg(long, value_name = "FILE", requires = "events")]
    import: Option<PathBuf>,
    /// Write the messages of recorded events here, as JSON lines
    #[arg(long, value_name = "FILE", requires = "events")]
    messages: Option<PathBuf>,
    /// What a change does: the same customers by the old files and by the new ones
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with = "paths")]
    compare: Option<Vec<PathBuf>>,
    /// Write a report with pictures here, one self-contained file
    #[arg(long, value_name = "FILE", conflicts_with = "compare")]
    report: Option<PathBuf>,
    /// Threads; what comes of it does not depend on them. Left out: as many as there are cores
    #[arg(long)]
    threads: Option<usize>,
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print the JSON Schema of a behaviour, for editors, and do nothing else
    #[arg(long)]
    schema: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// 0: done; 1: the manifests do not compile; 2: something cannot be read.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    if args.schema {
        println!("{}", serde_json::to_string_pretty(&population::schema())?);
        return Ok(ExitCode::SUCCESS);
    }
    match simulated(&args).await {
        Ok(text) => {
            std::io::stdout().lock().write_all(text.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(PopulationError::Simulate(SimulateError::Manifests(found))) = error.downcast_ref() {
                found.iter().for_each(|one| eprintln!("  {one}"));
                return Ok(ExitCode::FAILURE);
            }
            Ok(ExitCode::from(2))
        }
    }
}

async fn simulated(args: &Args) -> anyhow::Result<String> {
    let start =
        instant(&args.start).with_context(|| format!("--start {}: write an instant such as {START}", args.start))?;
    let order = Order {
        customers: args.customers,
        start,
        length: Micros::from(args.days) * DAY,
        seed: args.seed,
        threads: args
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
    };
    let behaviour = match &args.behaviour {
        Some(file) => read_behaviour(file)?,
        None => Behaviour::default(),
    };
    if let Some([old, new]) = args.compare.as_deref() {
        let (old, new) = (read(std::slice::from_ref(old))?, read(std::slice::from_ref(new))?);
        let bar = progress(order.customers);
        let difference = population::compare(&old, &new, &behaviour, &order, &|n| bar.inc(n))?;
        bar.finish_and_clear();
        return Ok(population::compared(&difference, &order, &programs(&new, start)?));
    }
    let manifests = read(&args.paths)?;
    let (tally, order) = match &args.events {
        Some(file) => recorded(args, file, &manifests, &behaviour, order).await?,
        None => {
            let bar = progress(order.customers);
            let tally = population::run(&manifests, &behaviour, &order, &|n| bar.inc(n))?;
            bar.finish_and_clear();
            (tally, order)
        }
    };
    let programs = programs(&manifests, start)?;
    if let Some(file) = &args.report {
        let page = population::page(&tally, &order, &programs);
        std::fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(match args.format {
        Format::Text => population::text(&tally, &order, &programs),
        Format::Json => serde_json::to_string_pretty(&population::json(&tally, &order, &programs))? + "\n",
    })
}

/// Events of a file: it begins with the first of them.
async fn recorded(
    args: &Args,
    file: &Path,
    manifests: &Manifests,
    behaviour: &Behaviour,
    order: Order,
) -> anyhow::Result<(population::Tally, Order)> {
    let responses = population::responses(behaviour, manifests).map_err(PopulationError::Behaviour)?;
    let events = read_events(file)?;
    let start = events.first().map_or(order.start, |first| first.at);
    let mut world = population::world(manifests, start).map_err(PopulationError::Simulate)?;
    if let Some(customers) = &args.import {
        import::file(world.store(), &simulate::keys(), NAMESPACE, customers).await?;
    }
    let bar = progress(events.len() as u64);
    let tally = population::replay(&mut world, &events, start + order.length, &responses, &|n| bar.inc(n))
        .map_err(PopulationError::Simulate)?;
    bar.finish_and_clear();
    if let Some(out) = &args.messages {
        write_messages(out, &population::messages(world.store(), NAMESPACE))?;
    }
    Ok((tally, Order { start, ..order }))
}

/// The events of a file, in the order of time.
pub fn read_events(file: &Path) -> anyhow::Result<Vec<Recorded>> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    population::read_events(&text).map_err(|errors| {
        let all: Vec<String> = errors
            .iter()
            .take(20)
            .map(|(line, error)| format!("{}:{line}: {error}", file.display()))
            .collect();
        anyhow::anyhow!("{}", all.join("\n"))
    })
}

pub fn write_messages(file: &Path, messages: &[population::Sent]) -> anyhow::Result<()> {
    let mut text = String::new();
    for message in messages {
        text.push_str(&serde_json::to_string(message)?);
        text.push('\n');
    }
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// A duration or an instant after `now`.
pub fn later(text: &str, now: Micros) -> Option<Micros> {
    instant(text)
        .or_else(|| duration(text).map(|length| now.saturating_add(length)))
        .filter(|at| *at >= now)
}

fn programs(manifests: &Manifests, start: Micros) -> anyhow::Result<Vec<Arc<Program>>> {
    let world: World = population::world(manifests, start).map_err(PopulationError::Simulate)?;
    Ok(world
        .journeys()
        .iter()
        .filter_map(|journey| world.programs(journey)?.current.clone())
        .collect())
}

fn read(paths: &[PathBuf]) -> anyhow::Result<Manifests> {
    let mut manifests = Manifests::default();
    let mut wrong = Vec::new();
    for file in yaml_files(paths)? {
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        if let Err(errors) = manifests.read(&text, &file.display().to_string()) {
            wrong.extend(errors.iter().map(ToString::to_string));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    if manifests.journeys.is_empty() {
        bail!("there is no Journey to simulate");
    }
    Ok(manifests)
}

fn read_behaviour(file: &Path) -> anyhow::Result<Behaviour> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    serde_saphyr::from_str_with_options(&text, crate::compile::yaml_options())
        .map_err(|error| anyhow::anyhow!("{}: {error}", file.display()))
}

/// On a terminal only.
fn progress(length: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len}, {per_sec}, {eta} left");
    let bar = ProgressBar::new(length);
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
