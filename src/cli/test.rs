//! `journey test PATH...`: scenarios, users' own tests of their journeys, in virtual time. No cluster, no database, no clock.

use super::check::{scenario_files, yaml_files};
use crate::{
    compile::Manifests,
    simulate::scenario::{self, Found, Mistake, Outcome},
};
use anyhow::Context as _;
use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or folders; of a folder every *.scenario.yaml at any depth
    #[arg(required_unless_present = "schema")]
    paths: Vec<PathBuf>,
    /// Only scenarios whose name, file or tags have this text; may be repeated
    #[arg(long, value_name = "TEXT")]
    only: Vec<String>,
    /// Tell what happened, also of scenarios that pass
    #[arg(long)]
    trace: bool,
    /// How the outcome is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print the JSON Schema of the format, for editors, and do nothing else
    #[arg(long)]
    schema: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON object
    Json,
    /// JUnit's XML
    Junit,
}

/// 0: all passed; 1: some failed; 2: something cannot be read, or nothing was found.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    if args.schema {
        writeln!(out, "{}", serde_json::to_string_pretty(&scenario::schema())?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (outcomes, mistakes) = match test(&args.paths, &args.only) {
        Ok(tested) => tested,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    match args.format {
        Format::Text => write!(out, "{}", scenario::text(&outcomes, &mistakes, args.trace))?,
        Format::Json => writeln!(
            out,
            "{}",
            serde_json::to_string_pretty(&scenario::json(&outcomes, &mistakes, args.trace))?
        )?,
        Format::Junit => write!(out, "{}", scenario::junit(&outcomes, &mistakes))?,
    }
    if !mistakes.is_empty() {
        return Ok(ExitCode::from(2));
    }
    if outcomes.is_empty() {
        eprintln!(
            "error: no scenario was found; a scenario is a YAML document with `scenario:`, in a file *.scenario.yaml"
        );
        return Ok(ExitCode::from(2));
    }
    let failed = outcomes.iter().any(|outcome| !outcome.failures.is_empty());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Plays the scenarios of the paths, in the order of files and documents.
pub fn test(paths: &[PathBuf], only: &[String]) -> anyhow::Result<(Vec<Outcome>, Vec<Mistake>)> {
    let (mut outcomes, mut mistakes) = (Vec::new(), Vec::new());
    let mut shelf = Shelf::default();
    for file in scenario_files(paths)? {
        let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let (found, wrong) = scenario::read(&text, &file.display().to_string());
        mistakes.extend(wrong);
        for one in found.iter().filter(|one| is_asked_for(one, only)) {
            match shelf.manifests(&file, &text, one) {
                Ok(manifests) => {
                    let folder = file.parent().unwrap_or(Path::new(".")).to_owned();
                    let mut more = |path: &str| shelf.read(&folder.join(path)).map_err(|error| format!("{error:#}"));
                    outcomes.push(scenario::play(one, &manifests, &mut more));
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    Ok((outcomes, mistakes))
}

fn is_asked_for(one: &Found, only: &[String]) -> bool {
    let has = |text: &String| {
        one.scenario.scenario.contains(text.as_str())
            || one.file.contains(text.as_str())
            || one.scenario.tags.iter().any(|tag| tag == text)
    };
    only.is_empty() || only.iter().any(has)
}

/// Manifests by path: many scenarios speak of the same.
#[derive(Default)]
struct Shelf(BTreeMap<PathBuf, Manifests>);

impl Shelf {
    /// Those that the scenario names, and those in its own file.
    fn manifests(&mut self, file: &Path, text: &str, found: &Found) -> Result<Manifests, Mistake> {
        let mistake = |path: &str, message: String| Mistake {
            file: found.file.clone(),
            line: found.lines.at(path),
            message,
            help: None,
        };
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut all = Manifests::default();
        for (n, path) in found.scenario.manifests.0.iter().enumerate() {
            let own = self
                .read(&folder.join(path))
                .map_err(|error| mistake(&format!("manifests[{n}]"), format!("{error:#}")))?;
            all = all.with(own);
        }
        let mut own = Manifests::default();
        own.read(text, &found.file).map_err(|errors| {
            let first = errors.into_iter().next();
            let (line, message) = first.map_or((1, String::new()), |first| (first.line, first.message));
            Mistake {
                file: found.file.clone(),
                line,
                message,
                help: None,
            }
        })?;
        let all = all.with(own);
        if all.journeys.is_empty() {
            return Err(Mistake {
                help: Some(
                    "name files or folders in manifests:, relative to this file, or write manifests into it".into(),
                ),
                ..mistake("manifests", "there is no Journey to test".into())
            });
        }
        Ok(all)
    }

    /// A file, or the files of a folder.
    fn read(&mut self, path: &Path) -> anyhow::Result<Manifests> {
        if let Some(known) = self.0.get(path) {
            return Ok(known.clone());
        }
        anyhow::ensure!(path.exists(), "there is no file or folder {}", path.display());
        let mut manifests = Manifests::default();
        for file in yaml_files(std::slice::from_ref(&path.to_owned()))? {
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let read = manifests.read(&text, &file.display().to_string());
            read.map_err(|errors| {
                let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("{}", all.join("\n"))
            })?;
        }
        self.0.insert(path.to_owned(), manifests.clone());
        Ok(manifests)
    }
}
