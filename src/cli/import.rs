//! `journey import customers FILE`: attributes and consents of customers who are known already, so that somebody can be mailed on the
//! first day. Reads CSV or JSON lines in batches, goes on where an earlier run stopped, and keeps bad rows aside by line and reason.

mod row;
mod rows;

use super::store_args::StoreArgs;
use crate::{
    clock, compile,
    gateway::read_settings,
    keys::Keys,
    store::{Imported, Store, StoreError},
};
use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use ring::digest;
use row::Rules;
use rows::{Format, Rows};
use serde_json::json;
use std::{
    fs::{File, OpenOptions},
    io::{self, BufReader, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

#[derive(Debug, clap::Args)]
pub struct ImportArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Attributes, identifiers and consents of customers, from CSV with a header or JSON lines
    Customers(CustomersArgs),
}

#[derive(Debug, clap::Args)]
struct CustomersArgs {
    #[command(flatten)]
    how: How,
    #[arg(long, env = "JOURNEY_NAMESPACE")]
    namespace: String,
    #[command(flatten)]
    store: StoreArgs,
}

#[derive(Debug, clap::Args)]
struct How {
    /// The file, or - for standard input
    file: PathBuf,
    /// csv or jsonl; left out: by the file's name, else by its first character
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Kind of the identifier: the column or member of this name is whose row it is
    #[arg(long, default_value = "userId", value_name = "KIND")]
    identifier: String,
    /// A CSV column that is passed over; may be repeated
    #[arg(long, value_name = "COLUMN")]
    skip: Vec<String>,
    /// Where consents come from, for rows that do not say it themselves (GDPR article 7(1))
    #[arg(long, value_name = "TEXT")]
    evidence: Option<String>,
    /// Where bad rows are told of, as JSON lines; left out: FILE.rejected.jsonl, or standard error with -
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
}

/// Rows of one transaction.
const BATCH: usize = 500;
/// How often a batch is tried while the store is away, two seconds apart.
const TRIES: u32 = 15;

/// Exit code 1: some rows were bad.
pub async fn run(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let What::Customers(args) = args.what;
    let keys = args.store.keys()?;
    let store = args.store.open(keys.clone(), 2)?;
    let summary = customers(store.as_ref(), &keys, &args.namespace, &args.how).await?;
    eprintln!("{summary}");
    Ok(if summary.rejected == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The customers of a file, with everything as the command leaves it out: what `journey dev` begins with.
pub async fn file(store: &dyn Store, keys: &Keys, namespace: &str, file: &Path) -> anyhow::Result<()> {
    let how = How {
        file: file.to_owned(),
        format: None,
        identifier: "userId".into(),
        skip: vec![],
        evidence: None,
        rejected: None,
    };
    let summary = customers(store, keys, namespace, &how).await?;
    eprintln!("{summary}");
    Ok(())
}

/// What a run did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Summary {
    imported: u64,
    rejected: u64,
    /// Rows that an earlier run of the same file has read.
    skipped: u64,
    told_in: Option<PathBuf>,
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} customers imported, {} rows rejected",
            self.imported, self.rejected
        )?;
        if let (Some(file), 1..) = (&self.told_in, self.rejected) {
            write!(f, " (see {})", file.display())?;
        }
        if self.skipped > 0 {
            write!(f, "; {} rows had been read by an earlier run", self.skipped)?;
        }
        Ok(())
    }
}

async fn customers(store: &dyn Store, keys: &Keys, namespace: &str, args: &How) -> anyhow::Result<Summary> {
    let source = Source::open(&args.file)?;
    let rules = rules(store, namespace, args).await?;
    let mut rows = Rows::open(source.reader, args.format.or(source.format), &rules)?;
    let mut rejected = Rejected::open(args, source.is_stdin)?;
    let progress = Progress::new(source.length);

    let mut summary = Summary {
        skipped: store.import_progress(namespace, &source.hash).await?,
        ..Summary::default()
    };
    for _ in 0..summary.skipped {
        if rows.next_row()?.is_none() {
            break;
        }
    }
    let mut done = summary.skipped;
    loop {
        let (mut batch, mut read) = (Vec::with_capacity(BATCH), 0);
        let mut bad = Vec::new();
        while read < BATCH {
            let Some((line, row)) = rows.next_row()? else { break };
            read += 1;
            match row {
                Ok(customer) => batch.push(customer.imported(keys, namespace, &args.identifier)),
                Err(reason) => bad.push((line, reason)),
            }
        }
        if read == 0 {
            break;
        }
        done += read as u64;
        keep(store, namespace, &batch, &source.hash, done).await?;
        rejected.tell(&bad)?;
        summary.imported += batch.len() as u64;
        summary.rejected += bad.len() as u64;
        progress.at(rows.position(), done);
    }
    progress.end();
    summary.told_in = rejected.path;
    Ok(summary)
}

/// What rows may say, from the namespace's profile and policies.
async fn rules(store: &dyn Store, namespace: &str, args: &How) -> anyhow::Result<Rules> {
    let programs = store
        .programs(namespace, -1)
        .await?
        .context("the store gave no programs")?;
    if programs.settings.is_none() {
        bail!(
            "namespace {namespace} has no programs in the store: is the operator running, and is a CustomerProfile applied?"
        );
    }
    let manifests = read_settings(&programs).context("the namespace's settings cannot be read")?;
    let (intake, _) = compile::intake(&manifests);
    Ok(Rules {
        identifier: args.identifier.clone(),
        skip: args.skip.clone(),
        evidence: args.evidence.clone(),
        profile: intake.profile,
        purposes: intake.purposes,
        confirms: intake.confirms.into_keys().collect(),
        now: clock::now(),
    })
}

/// One batch, tried again while the store is away; what is committed stays.
async fn keep(store: &dyn Store, namespace: &str, batch: &[Imported], file: &str, done: u64) -> anyhow::Result<()> {
    for _ in 1..TRIES {
        match store.import(namespace, batch, file, done).await {
            Err(StoreError::Unavailable(_)) => tokio::time::sleep(Duration::from_secs(2)).await,
            kept => return kept.context("the batch was not kept"),
        }
    }
    store
        .import(namespace, batch, file, done)
        .await
        .context("the store is away; run the same command again and it goes on from here")
}

/// The file, opened, with the hash by which an earlier run is found.
struct Source {
    reader: Box<dyn Read + Send>,
    hash: String,
    format: Option<Format>,
    /// Bytes; None: nobody knows.
    length: Option<u64>,
    is_stdin: bool,
}

impl Source {
    fn open(file: &Path) -> anyhow::Result<Self> {
        if file == Path::new("-") {
            // What is read from a pipe cannot be read twice: a run of its own.
            let hash = format!("stdin-{}", clock::now());
            return Ok(Self {
                reader: Box::new(io::stdin()),
                hash,
                format: None,
                length: None,
                is_stdin: true,
            });
        }
        let open = || File::open(file).with_context(|| format!("cannot read {}", file.display()));
        let (hash, length) = hash(open()?)?;
        let format = file
            .extension()
            .and_then(|of| of.to_str())
            .and_then(Format::of_extension);
        Ok(Self {
            reader: Box::new(open()?),
            hash,
            format,
            length: Some(length),
            is_stdin: false,
        })
    }
}

fn hash(file: File) -> io::Result<(String, u64)> {
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut context, mut buffer, mut length) = (digest::Context::new(&digest::SHA256), vec![0; 1 << 16], 0);
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            n => {
                context.update(&buffer[..n]);
                length += n as u64;
            }
        }
    }
    Ok((
        context
            .finish()
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        length,
    ))
}

/// Where bad rows are told of.
struct Rejected {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Rejected {
    fn open(args: &How, is_stdin: bool) -> anyhow::Result<Self> {
        let path = match (&args.rejected, is_stdin) {
            (Some(path), _) => Some(path.clone()),
            (None, true) => None,
            (None, false) => {
                let mut name = args.file.clone().into_os_string();
                name.push(".rejected.jsonl");
                Some(name.into())
            }
        };
        Ok(Self { path, file: None })
    }

    /// Lines and reasons, never a value. The file is made with the first bad row, and added to by a run that goes on.
    fn tell(&mut self, bad: &[(u64, String)]) -> anyhow::Result<()> {
        for (line, reason) in bad {
            let told = json!({"line": line, "reason": reason});
            match &self.path {
                None => eprintln!("{told}"),
                Some(path) => {
                    if self.file.is_none() {
                        let opened = OpenOptions::new().create(true).append(true).open(path);
                        self.file = Some(opened.with_context(|| format!("cannot write {}", path.display()))?);
                    }
                    if let Some(file) = &mut self.file {
                        writeln!(file, "{told}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A bar on a terminal, a line every few seconds elsewhere.
struct Progress {
    bar: Option<ProgressBar>,
    length: Option<u64>,
    told: std::cell::Cell<Instant>,
}

impl Progress {
    fn new(length: Option<u64>) -> Self {
        let bar = io::stderr().is_terminal().then(|| match length {
            Some(length) => {
                let style = ProgressStyle::with_template("{bar:40} {percent:>3} %  {msg}  {eta} left");
                let bar = ProgressBar::new(length);
                style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
            }
            None => ProgressBar::new_spinner(),
        });
        Self {
            bar,
            length,
            told: std::cell::Cell::new(Instant::now()),
        }
    }

    fn at(&self, bytes: u64, rows: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(format!("{rows} rows"));
        } else if self.told.get().elapsed() > Duration::from_secs(5) {
            self.told.set(Instant::now());
            match self.length.filter(|length| *length > 0) {
                Some(length) => eprintln!("{rows} rows, {} %", bytes * 100 / length),
                None => eprintln!("{rows} rows"),
            }
        }
    }

    fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests;
