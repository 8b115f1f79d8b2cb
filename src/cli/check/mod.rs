//! `journey check`: what the API server and the operator would say of YAML files, without either.

mod files;
mod github;
mod sarif;
mod text;

pub use files::{scenario_files, texts, yaml_files};

use crate::compile::{self, Code, Diagnostic, Document, Lines, Manifests, Object, ParseError, Severity, Spot};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or folders of YAML; - is standard input
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// How what is found is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// What else than errors makes the exit code 1
    #[arg(long, value_enum)]
    pub deny: Option<Deny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// With the lines in question, for people; in colour on a terminal, unless NO_COLOR is set
    Text,
    /// One JSON array
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Workflow commands of GitHub Actions: annotations on the lines
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Deny {
    /// Warnings too
    Warnings,
}

/// One thing that is wrong, in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters; `end_column` is the first one after it.
    pub column: usize,
    pub end_column: usize,
    pub severity: Severity,
    pub code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    pub path: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// The line as it is written.
    #[serde(skip)]
    pub source: Option<String>,
}

/// 0: nothing that is denied; 1: errors, or what else is denied; 2: the paths cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = match check(&args.paths) {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    let stdout = std::io::stdout();
    let colour = stdout.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
    let written = match args.format {
        Format::Text => text::write(&findings, colour),
        Format::Json => serde_json::to_string_pretty(&findings)? + "\n",
        Format::Sarif => serde_json::to_string_pretty(&sarif::log(&findings))? + "\n",
        Format::Github => github::write(&findings),
    };
    stdout.lock().write_all(written.as_bytes())?;
    let denied = |finding: &Finding| match finding.severity {
        Severity::Error => true,
        Severity::Warning => args.deny == Some(Deny::Warnings),
        Severity::Note => false,
    };
    Ok(if findings.iter().any(denied) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// On one line, for logs.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            column,
            code,
            ..
        } = self;
        write!(
            f,
            "{file}:{line}:{column}: {}[{code}]: {}",
            self.severity.name(),
            self.place()
        )?;
        f.write_str(&self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

impl Finding {
    /// `Journey cart: spec.steps[2].send: `, as far as it is known.
    fn place(&self) -> String {
        let object = self.object.iter().map(|of| format!("{} {}: ", of.kind, of.name));
        let path = (!self.path.is_empty()).then(|| format!("{}: ", self.path));
        object.chain(path).collect()
    }
}

/// The objects of one namespace, and where each stands.
#[derive(Default)]
struct Namespace<'t> {
    manifests: Manifests,
    places: BTreeMap<Object, Place<'t>>,
}

struct Place<'t> {
    file: &'t str,
    text: &'t str,
    first: usize,
}

/// What is wrong with the files of these paths, taken together; each namespace is a world of its own, and so are the objects that name none.
/// What cannot be read is told first and alone: it would be missed by all that name it.
pub fn check(paths: &[PathBuf]) -> anyhow::Result<Vec<Finding>> {
    let texts = files::texts(paths)?;
    let mut namespaces: BTreeMap<Option<String>, Namespace<'_>> = BTreeMap::new();
    let mut findings = vec![];
    for ((file, text), (documents, errors)) in texts.iter().zip(read(&texts)) {
        findings.extend(errors.into_iter().map(|error| unreadable(error, text)));
        for document in documents {
            let namespace = namespaces.entry(document.namespace.clone()).or_default();
            if let Some(error) = namespace.take(document, file) {
                findings.push(unreadable(error, text));
            }
        }
    }
    if findings.is_empty() {
        for (name, namespace) in &mut namespaces {
            namespace.manifests.namespace = name.clone().unwrap_or_else(|| "default".to_owned());
            findings.extend(namespace.judge());
        }
    }
    findings.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Ok(findings)
}

/// The stack of a thread that reads: what a process begins with, because documents may be deep.
const STACK: usize = 8 << 20;

type Read<'t> = (Vec<Document<'t>>, Vec<ParseError>);

/// What stands in each text; several at a time, because to read YAML takes most of the time of a check.
fn read(texts: &[(String, String)]) -> Vec<Read<'_>> {
    fn all(texts: &[(String, String)]) -> Vec<Read<'_>> {
        let each = texts.iter().map(|(file, text)| compile::objects(text, file));
        each.collect()
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = texts.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let started = texts.chunks(share).map(|texts| {
            let thread = std::thread::Builder::new().stack_size(STACK);
            // Where no thread is to be had, this one reads.
            match thread.spawn_scoped(scope, move || all(texts)) {
                Ok(thread) => Ok(thread),
                Err(_) => Err(all(texts)),
            }
        });
        let started: Vec<_> = started.collect();
        let finished = started.into_iter().map(|thread| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(read) => read,
        });
        finished.flatten().collect()
    })
}

impl<'t> Namespace<'t> {
    fn take(&mut self, document: Document<'t>, file: &'t str) -> Option<ParseError> {
        let place = Place {
            file,
            text: document.text,
            first: document.first,
        };
        let before = self.places.get(&document.object);
        let twice = before
            .map(|before| compile::given_twice(&document, file, Some(before.file).filter(|first| *first != file)));
        self.places.insert(document.object.clone(), place);
        document.into(&mut self.manifests);
        twice
    }

    fn judge(&self) -> Vec<Finding> {
        let found = compile::check(&self.manifests);
        // Lines are looked for where something is wrong only: most objects have nothing to tell.
        let mut lines: BTreeMap<&Object, Lines> = BTreeMap::new();
        for diagnostic in &found {
            if let Some((object, place)) = self.places.get_key_value(&diagnostic.object) {
                lines
                    .entry(object)
                    .or_insert_with(|| Lines::of(place.text, place.first));
            }
        }
        let placed = |diagnostic: Diagnostic| {
            let file = self.places.get(&diagnostic.object).map_or("", |place| place.file);
            let lines = lines.get(&diagnostic.object);
            placed(file, lines, diagnostic)
        };
        found.into_iter().map(placed).collect()
    }
}

fn unreadable(error: ParseError, text: &str) -> Finding {
    let source = text.lines().nth(error.line - 1).map(str::to_owned);
    Finding {
        file: error.origin,
        line: error.line,
        column: error.column,
        end_column: error.column + error.length,
        severity: error.code.severity(),
        code: error.code,
        object: error.object,
        path: error.path,
        message: error.message,
        help: error.help,
        source,
    }
}

fn placed(file: &str, lines: Option<&Lines>, diagnostic: Diagnostic) -> Finding {
    let Diagnostic {
        code,
        severity,
        object,
        path,
        part,
        message,
        help,
    } = diagnostic;
    let nowhere = Spot {
        line: 1,
        column: 1,
        length: 1,
    };
    let spot = lines.map_or(nowhere, |lines| lines.spot(&path, part.as_ref()));
    Finding {
        file: file.to_owned(),
        line: spot.line,
        column: spot.column,
        end_column: spot.column + spot.length,
        severity,
        code,
        source: lines.and_then(|lines| lines.text(spot.line)).map(str::to_owned),
        object: Some(object),
        path,
        message,
        help,
    }
}
