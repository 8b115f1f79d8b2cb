//! `journey outbox list|show|retry|drop`: messages of a journey that wait, are with their channels, or have failed.

use super::{Output, quarantine::second, store_args::Place, table::table};
use crate::{
    clock::Micros,
    engine::Outcome,
    keys::{CustomerKey, MessageKey},
    store::{Dropped, MessageRow, OUTCOME_UNKNOWN, OutboxRow, OutboxState, Retried, Store},
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub struct OutboxArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lists messages that wait or are with their channels, then those that failed, oldest first
    List {
        #[command(flatten)]
        which: Which,
        /// Rows at most
        #[arg(long, default_value = "100")]
        limit: usize,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        place: OfJourney,
    },
    /// Shows one message and, with --personal, what was asked for
    Show {
        key: String,
        /// Print the values too that its step gave: they may be personal data
        #[arg(long)]
        personal: bool,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        place: OfJourney,
    },
    /// Tries messages again that failed: the policy decides anew, under the same idempotency key
    Retry {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        key: Option<String>,
        /// All that failed
        #[arg(long)]
        all: bool,
        /// With --all: only those that failed for this reason
        #[arg(long, requires = "all")]
        reason: Option<String>,
        /// Those too whose fate is unknown: they may have gone out, and would go out twice
        #[arg(long)]
        may_send_twice: bool,
        #[command(flatten)]
        place: OfJourney,
    },
    /// Drops messages that wait: they are skipped, and their enrollments go on
    Drop {
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        key: Option<String>,
        /// All that wait
        #[arg(long)]
        all: bool,
        /// With --all: only those that wait for this reason
        #[arg(long, requires = "all")]
        reason: Option<String>,
        #[command(flatten)]
        place: OfJourney,
    },
}

#[derive(Debug, Clone, Default, clap::Args)]
struct Which {
    /// Only messages in this state
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those that wait or failed for this reason: QuietHours, TryLater, GaveUp, ...
    #[arg(long)]
    reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum State {
    /// It waits
    Held,
    /// It is with its channel
    Claimed,
    Failed,
}

#[derive(Debug, clap::Args)]
struct OfJourney {
    /// Name of the journey
    #[arg(long, env = "JOURNEY_NAME")]
    journey: String,
    #[command(flatten)]
    place: Place,
}

/// Rows read at a time.
const PAGE: u32 = 500;

/// Exit code 1: something was not found, or could not be done.
pub async fn run(args: OutboxArgs) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    match args.command {
        Command::List {
            which,
            limit,
            output,
            place,
        } => list(&Mail::open(place)?, &which, limit, output, out).await,
        Command::Show {
            key,
            personal,
            output,
            place,
        } => show(&Mail::open(place)?, read(&key)?, personal, output, out).await,
        Command::Retry {
            key,
            all: _,
            reason,
            may_send_twice,
            place,
        } => {
            let key = key.as_deref().map(read).transpose()?;
            retry(&Mail::open(place)?, key, reason, may_send_twice, out).await
        }
        Command::Drop {
            key,
            all: _,
            reason,
            place,
        } => {
            let key = key.as_deref().map(read).transpose()?;
            drop_some(&Mail::open(place)?, key, reason, out).await
        }
    }
}

fn read(key: &str) -> anyhow::Result<MessageKey> {
    MessageKey::read(key)
        .with_context(|| format!("{key} is no message's key: 32 hexadecimal digits, as list prints them"))
}

/// The messages of one journey.
struct Mail {
    store: std::sync::Arc<dyn Store>,
    namespace: String,
    journey: String,
}

/// A message, wherever it is.
struct Line {
    key: MessageKey,
    customer: CustomerKey,
    state: State,
    reason: String,
    /// When it is asked about again, was claimed, or failed.
    at: Micros,
    step: String,
    touchpoint: String,
    /// Of those that failed it is not known here.
    attempts: Option<u32>,
}

impl Line {
    fn of_outbox(row: &OutboxRow) -> Self {
        let (state, reason, at) = match &row.state {
            OutboxState::Held { due, why } => (State::Held, why.clone(), *due),
            OutboxState::Claimed { epoch: _, at } => (State::Claimed, String::new(), *at),
        };
        Self {
            key: row.key,
            customer: row.customer,
            state,
            reason,
            at,
            step: row.step.clone(),
            touchpoint: row.touchpoint.clone(),
            attempts: Some(row.attempts),
        }
    }

    fn of_failed(row: &MessageRow) -> Self {
        let reason = match &row.outcome {
            Some(Outcome::Failed(reason)) => reason.clone(),
            Some(Outcome::Sent | Outcome::Skipped(_)) | None => String::new(),
        };
        Self {
            key: row.key,
            customer: row.customer,
            state: State::Failed,
            reason,
            at: row.at,
            step: row.step.clone(),
            touchpoint: row.touchpoint.clone(),
            attempts: None,
        }
    }

    fn state(&self) -> &'static str {
        match self.state {
            State::Held => "held",
            State::Claimed => "claimed",
            State::Failed => "failed",
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.key.to_string(),
            self.state().to_owned(),
            self.reason.clone(),
            second(self.at),
            self.step.clone(),
            self.touchpoint.clone(),
            self.attempts.map(|n| n.to_string()).unwrap_or_default(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "key": self.key.to_string(),
            "customer": self.customer.to_string(),
            "state": self.state(),
            "reason": self.reason,
            "at": second(self.at),
            "step": self.step,
            "touchpoint": self.touchpoint,
            "attempts": self.attempts,
        })
    }
}

impl Which {
    fn takes(&self, line: &Line) -> bool {
        self.state.is_none_or(|state| line.state == state)
            && self.reason.as_ref().is_none_or(|reason| line.reason == *reason)
    }
}

impl Mail {
    fn open(of: OfJourney) -> anyhow::Result<Self> {
        let (namespace, _, store) = of.place.open()?;
        Ok(Self {
            store,
            namespace,
            journey: of.journey,
        })
    }

    /// Those that `which` takes, `limit` at most.
    async fn lines(&self, which: &Which, limit: usize) -> anyhow::Result<Vec<Line>> {
        let mut found = Vec::new();
        if which.state != Some(State::Failed) {
            let mut after = None;
            while found.len() < limit {
                let page = self.store.outbox(&self.namespace, &self.journey, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some((last.customer, last.key));
                found.extend(page.iter().map(Line::of_outbox).filter(|line| which.takes(line)));
            }
        }
        if which.state.is_none_or(|state| state == State::Failed) {
            let mut after = None;
            while found.len() < limit {
                let page = self.store.failed(&self.namespace, &self.journey, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some((last.at, last.key));
                found.extend(page.iter().map(Line::of_failed).filter(|line| which.takes(line)));
            }
        }
        found.truncate(limit);
        Ok(found)
    }

    /// One that waits or is with its channel.
    async fn waiting(&self, key: MessageKey) -> anyhow::Result<Option<OutboxRow>> {
        Ok(self.store.waiting(&self.namespace, &self.journey, key).await?)
    }

    /// One that failed.
    async fn failed(&self, key: MessageKey) -> anyhow::Result<Option<Line>> {
        let known = self.store.message(&self.namespace, key).await?;
        let known = known.filter(|row| row.journey == self.journey);
        let failed = known.filter(|row| matches!(row.outcome, Some(Outcome::Failed(_))));
        Ok(failed.as_ref().map(Line::of_failed))
    }
}

async fn list(
    mail: &Mail,
    which: &Which,
    limit: usize,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let lines = mail.lines(which, limit).await?;
    match output {
        Output::Json => {
            let all: Vec<Value> = lines.iter().map(Line::json).collect();
            writeln!(out, "{}", serde_json::to_string_pretty(&all)?)?;
        }
        Output::Table if lines.is_empty() => {
            let Mail { namespace, journey, .. } = mail;
            writeln!(
                out,
                "No such message of journey {namespace}/{journey} waits or has failed."
            )?;
        }
        Output::Table => {
            let rows: Vec<Vec<String>> = lines.iter().map(Line::cells).collect();
            let headings = ["KEY", "STATE", "REASON", "AT", "STEP", "TOUCHPOINT", "ATTEMPTS"];
            writeln!(out, "{}", table(&headings, &rows))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn show(
    mail: &Mail,
    key: MessageKey,
    personal: bool,
    output: Output,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let waiting = mail.waiting(key).await?;
    let mut shown = match &waiting {
        Some(row) => Line::of_outbox(row).json(),
        None => {
            let Some(failed) = mail.failed(key).await? else {
                bail!(
                    "no message {key} of journey {}/{} waits or has failed",
                    mail.namespace,
                    mail.journey
                );
            };
            failed.json()
        }
    };
    let with = waiting
        .filter(|_| personal)
        .map(|row| Value::Object(row.with.into_inner()));
    match output {
        Output::Json => {
            if let Some(with) = with {
                shown["with"] = with;
            }
            writeln!(out, "{}", serde_json::to_string_pretty(&shown)?)?;
        }
        Output::Table => {
            for (name, value) in shown.as_object().into_iter().flatten() {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                writeln!(out, "{:<12}{text}", format!("{name}:"))?;
            }
            match with {
                Some(with) => writeln!(out, "with:\n{}", serde_json::to_string_pretty(&with)?)?,
                None if personal => writeln!(out, "with:       of a message that failed it is kept sealed")?,
                None => writeln!(
                    out,
                    "with:       hidden, it may hold personal data; --personal shows it"
                )?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn retry(
    mail: &Mail,
    key: Option<MessageKey>,
    reason: Option<String>,
    may_send_twice: bool,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let lines = match key {
        Some(key) => mail.failed(key).await?.into_iter().collect(),
        None => {
            let state = Some(State::Failed);
            mail.lines(&Which { state, reason }, usize::MAX).await?
        }
    };
    let (mut again, mut left) = (0_u64, 0_u64);
    if let (Some(key), true) = (key, lines.is_empty()) {
        left += 1;
        writeln!(out, "{key}: no message of the journey that failed has this key")?;
    }
    for Line { key, reason, .. } in lines {
        if reason == OUTCOME_UNKNOWN && !may_send_twice {
            left += 1;
            writeln!(
                out,
                "{key}: may have gone out ({reason}); --may-send-twice tries it again all the same"
            )?;
            continue;
        }
        match mail.store.retry(&mail.namespace, &mail.journey, key).await? {
            Retried::Done => again += 1,
            Retried::Gone => {
                left += 1;
                writeln!(out, "{key}: what was asked for is not kept")?;
            }
            Retried::NoJourney => bail!("there is no journey {}/{}", mail.namespace, mail.journey),
        }
    }
    writeln!(out, "{again} to be tried again, {left} not")?;
    Ok(exit(left == 0))
}

async fn drop_some(
    mail: &Mail,
    key: Option<MessageKey>,
    reason: Option<String>,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let places: Vec<(CustomerKey, MessageKey)> = match key {
        Some(key) => mail
            .waiting(key)
            .await?
            .map(|row| (row.customer, key))
            .into_iter()
            .collect(),
        None => {
            let state = Some(State::Held);
            let lines = mail.lines(&Which { state, reason }, usize::MAX).await?;
            lines.into_iter().map(|line| (line.customer, line.key)).collect()
        }
    };
    let (mut dropped, mut left) = (0_u64, 0_u64);
    if let (Some(key), true) = (key, places.is_empty()) {
        left += 1;
        writeln!(out, "{key}: no message of the journey that waits has this key")?;
    }
    for (customer, key) in places {
        let done = mail
            .store
            .drop_message(&mail.namespace, &mail.journey, customer, key)
            .await?;
        let why = match done {
            Dropped::Done => {
                dropped += 1;
                continue;
            }
            Dropped::Gone => "has gone meanwhile",
            Dropped::Claimed => "is with its channel",
            Dropped::Ends => "tells that a message has ended, and must be told",
        };
        left += 1;
        writeln!(out, "{key}: {why}")?;
    }
    writeln!(out, "{dropped} dropped, {left} not")?;
    Ok(exit(left == 0))
}

fn exit(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
