//! `journey suppression add|remove|show|list|import`: addresses that get nothing. Only their keyed hashes are kept, so the list tells nobody's address.

use super::{Output, quarantine::second, store_args::Place, table::table};
use crate::{
    clock,
    keys::{AddressKey, Keys},
    policy::Suppression,
    store::{Store, Suppressed},
};
use anyhow::{Context, bail};
use serde_json::{Value, json};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

#[derive(Debug, clap::Args)]
pub struct SuppressionArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Lets an address get nothing from now on, whoever's it is
    Add {
        /// A mailbox, a telephone number, or whatever the channel takes; `-`: read it from standard input, so that no shell remembers it
        address: String,
        #[arg(long, value_enum, default_value_t)]
        why: Why,
        /// Where this comes from, such as a ticket; without personal data
        #[arg(long, default_value = "by hand")]
        source: String,
        #[command(flatten)]
        place: Place,
    },
    /// Takes an address off the list
    Remove {
        /// As `add` takes it
        address: String,
        #[command(flatten)]
        place: Place,
    },
    /// Says whether an address is on the list, and why
    Show {
        /// As `add` takes it
        address: String,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        place: Place,
    },
    /// Lists what is there: hashes, reasons and times
    List {
        /// Rows at most
        #[arg(long, default_value = "100")]
        limit: usize,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
        #[command(flatten)]
        place: Place,
    },
    /// Reads a file with an address a line, such as the list of the provider before
    Import {
        file: PathBuf,
        #[arg(long, value_enum, default_value_t)]
        why: Why,
        /// Where the file comes from; without personal data
        #[arg(long)]
        source: String,
        #[command(flatten)]
        place: Place,
    },
}

/// Why an address gets nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Why {
    /// Its owner complained or objected: nothing that rests on consent, or that they may object to
    #[default]
    Objected,
    /// It does not exist or takes nothing: nothing at all
    Undeliverable,
}

impl Why {
    fn suppression(self) -> Suppression {
        match self {
            Self::Objected => Suppression::Objected,
            Self::Undeliverable => Suppression::Undeliverable,
        }
    }
}

/// Rows read or written at a time.
const PAGE: usize = 1_000;
/// Bytes of a line: no address is as long.
const LINE: usize = 2_048;

/// Exit code 1: the address is not on the list, or lines of the file were left out.
pub async fn run(args: SuppressionArgs) -> anyhow::Result<ExitCode> {
    let out = &mut io::stdout().lock();
    match args.command {
        Command::Add {
            address,
            why,
            source,
            place,
        } => {
            let list = List::open(place)?;
            let row = list.row(&given(address)?, why, &source);
            list.store.suppress(&list.namespace, std::slice::from_ref(&row)).await?;
            writeln!(out, "{} gets nothing: {}", row.address, row.why.name())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Remove { address, place } => {
            let list = List::open(place)?;
            let address = list.address(&given(address)?);
            if list.store.unsuppress(&list.namespace, address).await? {
                writeln!(out, "{address} is off the list")?;
                return Ok(ExitCode::SUCCESS);
            }
            writeln!(out, "{address} was not on the list")?;
            Ok(ExitCode::FAILURE)
        }
        Command::Show { address, output, place } => {
            let list = List::open(place)?;
            show(&list, list.address(&given(address)?), output, out).await
        }
        Command::List { limit, output, place } => list_all(&List::open(place)?, limit, output, out).await,
        Command::Import {
            file,
            why,
            source,
            place,
        } => import(&List::open(place)?, &file, why, &source, out).await,
    }
}

struct List {
    namespace: String,
    keys: Keys,
    store: Arc<dyn Store>,
}

impl List {
    fn open(place: Place) -> anyhow::Result<Self> {
        let (namespace, keys, store) = place.open()?;
        Ok(Self { namespace, keys, store })
    }

    fn address(&self, written: &str) -> AddressKey {
        self.keys.address(&self.namespace, written)
    }

    fn row(&self, written: &str, why: Why, source: &str) -> Suppressed {
        Suppressed {
            address: self.address(written),
            why: why.suppression(),
            source: source.to_owned(),
            at: clock::now(),
        }
    }
}

/// The address, from standard input where the argument says so.
fn given(argument: String) -> anyhow::Result<String> {
    let address = if argument == "-" {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).context("reading the address")?;
        line
    } else {
        argument
    };
    if address.trim().is_empty() {
        bail!("the address is empty");
    }
    Ok(address)
}

async fn show(list: &List, address: AddressKey, output: Output, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    // The one behind the one before it is the one, if it is there.
    let before = u128::from_be_bytes(address.0).checked_sub(1);
    let before = before.map(|before| AddressKey(before.to_be_bytes()));
    let found = list.store.suppressed(&list.namespace, before, 1).await?;
    let found = found.into_iter().find(|row| row.address == address);
    match (&found, output) {
        (Some(row), Output::Table) => {
            let (why, at) = (row.why.name(), second(row.at));
            writeln!(out, "{address} gets nothing: {why}, since {at}, by {}", row.source)?;
        }
        (None, Output::Table) => writeln!(out, "{address} is not on the list")?,
        (found, Output::Json) => writeln!(out, "{:#}", found.as_ref().map_or(Value::Null, json_of))?,
    }
    Ok(if found.is_some() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn list_all(list: &List, limit: usize, output: Output, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut rows: Vec<Suppressed> = Vec::new();
    while rows.len() < limit {
        let page = u32::try_from(PAGE.min(limit - rows.len()))?;
        let after = rows.last().map(|row| row.address);
        let found = list.store.suppressed(&list.namespace, after, page).await?;
        let last = found.len() < page as usize;
        rows.extend(found);
        if last {
            break;
        }
    }
    match output {
        Output::Json => {
            let all: Vec<Value> = rows.iter().map(json_of).collect();
            writeln!(out, "{:#}", Value::from(all))?;
        }
        Output::Table if rows.is_empty() => writeln!(out, "no address is suppressed")?,
        Output::Table => {
            let lines = rows.iter().map(|row| {
                vec![
                    row.address.to_string(),
                    row.why.name().to_owned(),
                    second(row.at),
                    row.source.clone(),
                ]
            });
            let lines: Vec<_> = lines.collect();
            writeln!(out, "{}", table(&["ADDRESS (HASH)", "WHY", "SINCE", "SOURCE"], &lines))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn json_of(row: &Suppressed) -> Value {
    json!({
        "address": row.address.to_string(),
        "why": row.why.name(),
        "at": second(row.at),
        "source": row.source,
    })
}

/// Lines that are blank or begin with # are passed over; what is too long to be an address is told by its line and left out.
async fn import(list: &List, file: &Path, why: Why, source: &str, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let reader = BufReader::new(File::open(file).with_context(|| format!("opening {}", file.display()))?);
    let (mut taken, mut left, mut page) = (0usize, 0usize, Vec::with_capacity(PAGE));
    for (n, line) in reader.lines().enumerate() {
        let line = line.with_context(|| format!("{}, line {}", file.display(), n + 1))?;
        let address = line.trim().trim_start_matches('\u{feff}').trim_matches('"');
        if address.is_empty() || address.starts_with('#') {
            continue;
        }
        if address.len() > LINE {
            left += 1;
            eprintln!("{}, line {}: longer than {LINE} bytes, left out", file.display(), n + 1);
            continue;
        }
        taken += 1;
        page.push(list.row(address, why, source));
        if page.len() == PAGE {
            list.store.suppress(&list.namespace, &page).await?;
            page.clear();
        }
    }
    list.store.suppress(&list.namespace, &page).await?;
    writeln!(out, "{taken} addresses suppressed, {left} lines left out")?;
    Ok(if left == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
