//! `journey store check`: settings of the database that matter. The same is logged when a process starts, once: by the operator all of it, by
//! gateways and runners what is unsafe, for their role may have settings of its own.

use super::{Output, table::table};
use crate::{
    keys::Keys,
    store::{Finding, Grade, postgres::Postgres},
};
use anyhow::Context;
use serde_json::{Value, json};
use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

#[derive(Debug, clap::Args)]
pub struct StoreArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Looks at the database's settings as a role sees them, and says what is unsafe or could be better
    Check {
        /// The database: postgres://USER:PASSWORD@HOST/NAME?sslmode=verify-full
        #[arg(long, env = "JOURNEY_DATABASE_URL", hide_env_values = true, value_name = "URL")]
        database: String,
        /// PEM file with the CA of the database's certificate
        #[arg(long, env = "JOURNEY_DATABASE_CA", value_name = "FILE")]
        database_ca: Option<PathBuf>,
        #[arg(long, short, value_enum, default_value_t)]
        output: Output,
    },
}

/// Exit code 1: something is unsafe.
pub async fn run(args: StoreArgs) -> anyhow::Result<ExitCode> {
    let Command::Check {
        database,
        database_ca,
        output,
    } = args.command;
    let ca = database_ca.as_deref().filter(|file| file.exists());
    // Nothing is read that is sealed.
    let store = Postgres::connect(&database, ca, 1, Keys::ephemeral()).context("opening the store")?;
    let findings = store.findings().await?;
    write(&findings, output, &mut io::stdout().lock())?;
    let bad = findings.iter().any(|finding| finding.grade == Grade::Unsafe);
    Ok(if bad { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn write(findings: &[Finding], output: Output, out: &mut impl Write) -> io::Result<()> {
    match output {
        Output::Json => {
            let all: Vec<Value> = findings
                .iter()
                .map(|each| json!({"grade": each.grade.name(), "setting": each.setting, "value": each.value, "wanted": each.wanted, "why": each.why}))
                .collect();
            writeln!(out, "{:#}", Value::Array(all))
        }
        Output::Table if findings.is_empty() => writeln!(out, "All settings are as they should be."),
        Output::Table => {
            let cells = |each: &Finding| {
                vec![
                    each.grade.name().to_owned(),
                    each.setting.to_owned(),
                    each.value.clone(),
                    each.wanted.clone(),
                    each.why.to_owned(),
                ]
            };
            let rows: Vec<Vec<String>> = findings.iter().map(cells).collect();
            writeln!(out, "{}", table(&["GRADE", "SETTING", "VALUE", "WANTED", "WHY"], &rows))
        }
    }
}

/// While the database is away it is asked again.
const AGAIN: Duration = Duration::from_secs(15);

/// Logs a line for each finding of that grade or a graver one, once.
pub fn tell_once(store: Arc<Postgres>, least: Grade) {
    tokio::spawn(async move {
        let findings = loop {
            match store.findings().await {
                Ok(findings) => break findings,
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        };
        for Finding {
            grade,
            setting,
            value,
            wanted,
            why,
        } in findings.into_iter().filter(|finding| finding.grade <= least)
        {
            match grade {
                Grade::Unsafe => tracing::error!(setting, value, wanted, why, "the database is not safe as it is set"),
                Grade::Advice => tracing::warn!(setting, value, wanted, why, "the database could be set better"),
            }
        }
    });
}
