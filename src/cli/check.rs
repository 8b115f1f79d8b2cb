//! `journey check`: what the API server and the operator would say of YAML files, without either.

use crate::compile::{self, Code, Diagnostic, Lines, Manifests, Object, ParseError, Severity};
use anyhow::Context as _;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Levels of folders that are looked into.
const DEPTH: usize = 16;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or folders of YAML; - is standard input
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// How what is found is written
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One line each, for people
    Text,
    /// One JSON array, for machines
    Json,
}

/// One thing that is wrong, in a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    pub severity: Severity,
    pub code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    pub path: String,
    pub message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// 0: no errors (there may be warnings); 1: errors; 2: the paths cannot be read.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let findings = match check(&args.paths) {
        Ok(findings) => findings,
        Err(error) => {
            eprintln!("error: {error:#}");
            return Ok(ExitCode::from(2));
        }
    };
    let mut out = std::io::stdout().lock();
    match args.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&findings)?)?,
        Format::Text => {
            for finding in &findings {
                writeln!(out, "{finding}")?;
            }
            let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
            let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
            let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
            writeln!(out, "{}, {}", counted(errors, "error"), counted(warnings, "warning"))?;
        }
    }
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        f.write_str(match self.severity {
            Severity::Error => ": error",
            Severity::Warning => ": warning",
            Severity::Note => ": note",
        })?;
        write!(f, "[{}]", self.code)?;
        if let Some(object) = &self.object {
            write!(f, ": {} {}", object.kind, object.name)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// The file of each object, and the lines in it.
type Places = BTreeMap<Object, (String, Lines)>;

/// What is wrong with the files of these paths, taken together. What cannot be read is told first and alone.
pub fn check(paths: &[PathBuf]) -> anyhow::Result<Vec<Finding>> {
    let mut findings = vec![];
    let mut manifests = Manifests {
        namespace: "default".into(),
        ..Manifests::default()
    };
    let mut places: Places = BTreeMap::new();
    let texts = texts(paths)?;
    for (file, text) in &texts {
        let (documents, errors) = compile::objects(text, file);
        findings.extend(errors.into_iter().map(unreadable));
        for document in documents {
            if let Some((first, _)) = places.get(&document.object) {
                findings.push(unreadable(compile::given_twice(&document, file, Some(first))));
            }
            let lines = Lines::of(document.text, document.first);
            places.insert(document.object.clone(), (file.clone(), lines));
            document.into(&mut manifests);
        }
    }
    // What could not be read would be missed by all that name it.
    if !findings.is_empty() {
        return Ok(findings);
    }
    let mut found: Vec<Diagnostic> = vec![];
    for object in objects(&manifests) {
        found.extend(compile::object(&manifests, &object));
    }
    // What a touchpoint lacks under the policies of one journey only is told by that journey.
    for name in manifests.journeys.keys() {
        let more = match compile::journey(&manifests, name) {
            Ok(compiled) => compiled.warnings,
            Err(more) => more,
        };
        for diagnostic in more {
            if !found.contains(&diagnostic) {
                found.push(diagnostic);
            }
        }
    }
    findings.extend(found.into_iter().map(|diagnostic| placed(&places, diagnostic)));
    Ok(findings)
}

fn unreadable(error: ParseError) -> Finding {
    Finding {
        file: error.origin,
        line: Some(error.line),
        severity: error.code.severity(),
        code: error.code,
        object: error.object,
        path: error.path,
        message: error.message,
        help: error.help,
    }
}

fn placed(places: &Places, diagnostic: Diagnostic) -> Finding {
    let Diagnostic {
        code,
        severity,
        object,
        path,
        part,
        message,
        help,
    } = diagnostic;
    let (file, line) = match places.get(&object) {
        Some((file, lines)) => (file.clone(), Some(lines.spot(&path, part.as_ref()).line)),
        None => (String::new(), None),
    };
    Finding {
        file,
        line,
        severity,
        code,
        object: Some(object),
        path,
        message,
        help,
    }
}

fn objects(manifests: &Manifests) -> Vec<Object> {
    let Manifests {
        namespace: _,
        journeys,
        touchpoints,
        adapters,
        policies,
        profiles,
        // Only a touchpoint gives their texts a meaning, and is told what is wrong with them.
        config_maps: _,
        chained: _,
        choices: _,
    } = manifests;
    let of = |kind: &'static str, name: &String| Object {
        kind: kind.into(),
        name: name.clone(),
    };
    let mut all = vec![];
    all.extend(profiles.keys().map(|name| of("CustomerProfile", name)));
    all.extend(policies.keys().map(|name| of("PrivacyPolicy", name)));
    all.extend(adapters.keys().map(|name| of("ChannelAdapter", name)));
    all.extend(touchpoints.keys().map(|name| of("Touchpoint", name)));
    all.extend(journeys.keys().map(|name| of("Journey", name)));
    all
}

/// Name and text of each file.
pub fn texts(paths: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let mut all = vec![];
    for path in paths {
        if path.as_os_str() == "-" {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .context("cannot read standard input")?;
            all.push(("-".to_owned(), text));
            continue;
        }
        for file in yaml_files(std::slice::from_ref(path))? {
            let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            all.push((file.display().to_string(), text));
        }
    }
    Ok(all)
}

/// The files of these paths in order: files as they are, folders by their .yaml and .yml files at any depth. Kustomizations, and the
/// patches that they name, are no objects.
pub fn yaml_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    files(paths, &|path| {
        let kustomization = path.file_stem().is_some_and(|name| name == "kustomization");
        !kustomization && !is_story(path, &[".scenario", ".behaviour"])
    })
}

/// Files of scenarios: those that are named, and of folders those called *.scenario.yaml at any depth.
pub fn scenario_files(paths: &[PathBuf]) -> anyhow::Result<Vec<PathBuf>> {
    files(paths, &|path| is_story(path, &[".scenario"]))
}

/// Scenarios and behaviours are for `journey test` and `journey simulate`: they are no objects.
fn is_story(path: &Path, kinds: &[&str]) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy());
    stem.is_some_and(|stem| kinds.iter().any(|kind| stem.ends_with(kind)))
}

fn files(paths: &[PathBuf], wanted: &dyn Fn(&Path) -> bool) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = vec![];
    for path in paths {
        if path.is_dir() {
            look_into(path, DEPTH, wanted, &mut files)?
        } else {
            files.push(path.clone())
        }
    }
    Ok(files)
}

fn look_into(
    folder: &Path,
    depth: usize,
    wanted: &dyn Fn(&Path) -> bool,
    files: &mut Vec<PathBuf>,
) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden && depth > 0 {
            look_into(&path, depth - 1, wanted, files)?;
        } else if wanted(&path) && !hidden && path.extension().is_some_and(|end| end == "yaml" || end == "yml") {
            files.push(path);
        }
    }
    Ok(())
}
