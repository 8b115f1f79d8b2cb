//! `journey quarantine list|show|replay`: events that were put aside, why, and once more after the cause is mended.

use super::store_args::StoreArgs;
use crate::{
    clock::Micros,
    gateway::{Replayed, View, replay},
    keys::Keys,
    store::{Quarantined, Store},
};
use anyhow::{Context, bail};
use std::{
    io::{self, Write},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists what was put aside, oldest first
    List {
        /// Only with this reason: Malformed, NoTouchpoint, NotFrom, SchemaViolation, NoCustomer, ...
        #[arg(long)]
        reason: Option<String>,
        /// Rows at most
        #[arg(long, default_value = "100")]
        limit: usize,
        #[command(flatten)]
        place: Place,
    },
    /// Shows one event's reason and, with --personal, the event itself
    Show {
        id: i64,
        /// Print the event too: it may hold personal data
        #[arg(long)]
        personal: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Offers events again by the same checks as new ones
    Replay {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        id: Option<i64>,
        /// All of them
        #[arg(long)]
        all: bool,
        /// With --all: only those with this reason
        #[arg(long, requires = "all")]
        reason: Option<String>,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, clap::Args)]
struct Place {
    #[arg(long, env = "JOURNEY_NAMESPACE")]
    namespace: String,
    #[command(flatten)]
    store: StoreArgs,
}

impl Place {
    async fn open(self) -> anyhow::Result<(String, Keys, std::sync::Arc<dyn Store>)> {
        let keys = self.store.keys()?;
        let store = self.store.open(keys.clone(), 2)?;
        Ok((self.namespace, keys, store))
    }
}

/// Rows read at a time.
const PAGE: u32 = 500;

/// Exit code 1: not found, or what was replayed is in the quarantine again.
pub async fn run(args: QuarantineArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { reason, limit, place } => {
            let (namespace, _, store) = place.open().await?;
            list(store.as_ref(), &namespace, reason.as_deref(), limit, &mut io::stdout().lock()).await
        }
        Command::Show { id, personal, place } => {
            let (namespace, _, store) = place.open().await?;
            show(store.as_ref(), &namespace, id, personal, &mut io::stdout().lock()).await
        }
        Command::Replay { id, all: _, reason, place } => {
            let (namespace, keys, store) = place.open().await?;
            replay_some(store.as_ref(), &keys, &namespace, id, reason.as_deref(), &mut io::stdout().lock()).await
        }
    }
}

/// Rows after `after`, oldest first, with this reason.
async fn rows(store: &dyn Store, namespace: &str, reason: Option<&str>, limit: usize) -> anyhow::Result<Vec<(i64, Quarantined)>> {
    let (mut found, mut after) = (Vec::new(), 0);
    while found.len() < limit {
        let page = store.quarantined(namespace, after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        found.extend(page.into_iter().filter(|(_, row)| reason.is_none_or(|reason| row.reason == reason)));
    }
    found.truncate(limit);
    Ok(found)
}

async fn list(store: &dyn Store, namespace: &str, reason: Option<&str>, limit: usize, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let rows = rows(store, namespace, reason, limit).await?;
    if rows.is_empty() {
        writeln!(out, "Nothing is in the quarantine of namespace {namespace}.")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{:<8} {:<20} {:<16} {:<16} DETAIL", "ID", "AT", "SOURCE", "REASON")?;
    for (id, Quarantined { reason, detail, source, at, event: _ }) in rows {
        writeln!(out, "{id:<8} {:<20} {source:<16} {reason:<16} {detail}", second(at))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(store: &dyn Store, namespace: &str, id: i64, personal: bool, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let Some((_, row)) = store.quarantined(namespace, id - 1, 1).await?.into_iter().find(|(found, _)| *found == id) else {
        bail!("nothing with the id {id} is in the quarantine of namespace {namespace}");
    };
    let Quarantined { reason, detail, source, at, event } = row;
    writeln!(out, "id:      {id}\nat:      {}\nsource:  {source}\nreason:  {reason}\ndetail:  {detail}", second(at))?;
    if personal {
        writeln!(out, "event:\n{}", serde_json::to_string_pretty(event.expose())?)?;
    } else {
        writeln!(out, "event:   hidden, it may hold personal data; --personal shows it")?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn replay_some(
    store: &dyn Store,
    keys: &Keys,
    namespace: &str,
    id: Option<i64>,
    reason: Option<&str>,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let programs = store.programs(namespace, -1).await?.context("the store gave no programs")?;
    if programs.settings.is_none() {
        bail!("namespace {namespace} has no programs in the store: is the operator running, and are Touchpoints applied?");
    }
    let view = View::of_programs(&programs).context("the namespace's programs cannot be read")?;
    // What fails again gets a new id: the ids are read before the first replay.
    let ids = match id {
        Some(id) => vec![id],
        None => rows(store, namespace, reason, usize::MAX).await?.into_iter().map(|(id, _)| id).collect(),
    };
    let (mut accepted, mut duplicate, mut again, mut gone) = (0_u64, 0_u64, 0_u64, 0_u64);
    for id in ids {
        match replay(store, keys, namespace, &view, id).await? {
            Replayed::Accepted => accepted += 1,
            Replayed::Duplicate => duplicate += 1,
            Replayed::Quarantined { reason, detail } => {
                again += 1;
                writeln!(out, "{id}: {reason} again: {detail}")?;
            }
            Replayed::Gone => {
                gone += 1;
                writeln!(out, "{id}: is not in the quarantine")?;
            }
        }
    }
    writeln!(out, "{accepted} accepted, {duplicate} were accepted before, {again} put aside again, {gone} not found")?;
    Ok(if again + gone == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn second(at: Micros) -> String {
    jiff::Timestamp::from_second(at.div_euclid(crate::clock::SECOND)).map(|at| at.to_string()).unwrap_or_default()
}
