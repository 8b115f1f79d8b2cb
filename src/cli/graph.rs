//! `journey graph`: journeys as pictures.

use crate::{
    cli::check,
    compile::{Manifests, ParseError},
    graph,
};
use anyhow::Context as _;
use std::{
    io::{ErrorKind, Write as _},
    path::PathBuf,
    process::ExitCode,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files or folders of YAML with the journey and its touchpoints; - is standard input
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// The journey to draw; needed where there are several
    #[arg(long, value_name = "NAME")]
    pub journey: Option<String>,
    /// What is written: text for Markdown pages, for Graphviz, or a picture
    #[arg(long, value_enum, default_value_t = Format::Mermaid)]
    pub format: Format,
    /// Write into this file instead of to standard output
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Mermaid, for Markdown
    Mermaid,
    /// The language of Graphviz
    Dot,
    /// A picture for browsers, light or dark as the reader's system is
    Svg,
}

/// 0: drawn; 1: what was read is wrong, or the picture cannot be written; 2: called wrongly.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let picture = match draw(args) {
        Ok(picture) => picture,
        Err(error) => {
            let wrong_call = matches!(
                error,
                Error::Paths(_) | Error::None | Error::Several(_) | Error::Unknown { .. }
            );
            eprintln!("error: {error}");
            return Ok(if wrong_call {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            });
        }
    };
    match &args.output {
        Some(file) => std::fs::write(file, picture).with_context(|| format!("cannot write {}", file.display()))?,
        // A reader that has seen enough is no failure.
        None => match std::io::stdout().lock().write_all(picture.as_bytes()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            written => written.context("cannot write to standard output")?,
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0:#}")]
    Paths(anyhow::Error),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nerror: "))]
    Unreadable(Vec<ParseError>),
    #[error("there is no Journey in these files")]
    None,
    #[error("there are several journeys: choose one with --journey: {}", .0.join(", "))]
    Several(Vec<String>),
    #[error("there is no journey {name}: there are {}", there.join(", "))]
    Unknown { name: String, there: Vec<String> },
    #[error(transparent)]
    Layout(#[from] graph::Unplaceable),
}

/// The picture as text.
pub fn draw(args: &Args) -> Result<String, Error> {
    let mut manifests = Manifests::default();
    let mut mistakes = vec![];
    for (file, text) in check::texts(&args.paths).map_err(Error::Paths)? {
        mistakes.extend(manifests.read(&text, &file).err().into_iter().flatten());
    }
    if !mistakes.is_empty() {
        return Err(Error::Unreadable(mistakes));
    }
    let names = || manifests.journeys.keys().cloned().collect::<Vec<_>>();
    let name = match (&args.journey, names().as_slice()) {
        (_, []) => return Err(Error::None),
        (Some(name), _) => name.clone(),
        (None, [only]) => only.clone(),
        (None, several) => return Err(Error::Several(several.to_vec())),
    };
    let Some(journey) = manifests.journeys.get(&name) else {
        return Err(Error::Unknown { name, there: names() });
    };
    let chart = graph::chart(&name, &journey.spec, &manifests.touchpoints);
    Ok(match args.format {
        Format::Mermaid => graph::mermaid(&chart),
        Format::Dot => graph::dot(&chart),
        Format::Svg => graph::svg(&chart)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(paths: &[&str], journey: Option<&str>, format: Format) -> Args {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        Args {
            paths: paths.iter().map(|path| root.join(path)).collect(),
            journey: journey.map(str::to_owned),
            format,
            output: None,
        }
    }

    #[test]
    fn the_only_journey_of_a_folder_is_drawn_in_the_format_asked_for() {
        let of = |format| draw(&args(&["examples/abandoned-cart/base"], None, format)).unwrap();
        assert!(of(Format::Mermaid).starts_with("flowchart TD\n"));
        assert!(of(Format::Dot).starts_with("digraph \"abandoned-cart\" {\n"));
        assert!(of(Format::Svg).starts_with("<svg "));
    }

    #[test]
    fn of_several_journeys_one_is_chosen_by_name() {
        let two = [
            "examples/abandoned-cart/base/journey.yaml",
            "examples/onboarding/base/journey.yaml",
        ];
        let of = |name| draw(&args(&two, name, Format::Mermaid)).map_err(|error| error.to_string());
        assert!(of(Some("onboarding")).unwrap().contains("accTitle: Journey onboarding"));
        assert_eq!(
            of(None).unwrap_err(),
            "there are several journeys: choose one with --journey: abandoned-cart, onboarding"
        );
        assert_eq!(
            of(Some("other")).unwrap_err(),
            "there is no journey other: there are abandoned-cart, onboarding"
        );
    }

    #[test]
    fn a_wrong_call_and_a_wrong_file_end_differently() {
        let code = |paths: &[&str]| run(&args(paths, None, Format::Mermaid)).unwrap();
        assert_eq!(code(&["no-such-folder"]), ExitCode::from(2));
        assert_eq!(
            code(&["examples/abandoned-cart/base/touchpoints.yaml"]),
            ExitCode::from(2)
        );
        assert_eq!(code(&["tests/rejected/steps.yaml"]), ExitCode::FAILURE);
    }

    #[test]
    fn a_picture_goes_into_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cart.svg");
        let mut args = args(&["examples/abandoned-cart/base"], None, Format::Svg);
        args.output = Some(file.clone());
        assert_eq!(run(&args).unwrap(), ExitCode::SUCCESS);
        assert!(std::fs::read_to_string(file).unwrap().ends_with("</svg>\n"));
    }
}
