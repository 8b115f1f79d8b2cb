//! `journey check` on files, as a person or a pipeline runs it.

use journey::cli::check::{Args, Finding, Format, check, run};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn said(paths: &[PathBuf]) -> Vec<String> {
    check(paths).unwrap().iter().map(Finding::to_string).collect()
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

fn within(folder: &Path, lines: Vec<String>) -> Vec<String> {
    lines
        .iter()
        .map(|line| line.replace(&format!("{}/", folder.display()), ""))
        .collect()
}

#[test]
fn the_examples_are_sound() {
    for example in ["abandoned-cart/base", "onboarding/base", "shop", "bank"] {
        assert_eq!(
            said(&[package().join("examples").join(example)]),
            [] as [&str; 0],
            "{example}"
        );
    }
}

#[test]
fn a_mistake_is_told_with_file_object_path_and_what_to_do() {
    let example = package().join("examples/abandoned-cart/base");
    let names = [
        "adapters.yaml",
        "customer-profile.yaml",
        "journey.yaml",
        "privacy-policy.yaml",
        "touchpoints.yaml",
    ];
    let texts = names.map(|name| std::fs::read_to_string(example.join(name)).unwrap());
    let broken: Vec<(&str, String)> = names
        .iter()
        .zip(texts)
        .map(|(name, text)| {
            (
                *name,
                text.replace("touchpoint: service-desk", "touchpoint: servce-desk"),
            )
        })
        .collect();
    let files: Vec<(&str, &str)> = broken.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let folder = folder(&files);
    let line = 1 + broken[2]
        .1
        .lines()
        .position(|line| line.contains("servce-desk"))
        .unwrap();
    assert_eq!(
        within(folder.path(), said(&[folder.path().to_owned()])),
        [format!(
            "journey.yaml:{line}:19: error[JNY021]: Journey abandoned-cart: spec.steps[6].send.touchpoint: there is no touchpoint 'servce-desk'; did you mean service-desk?"
        )]
    );
    let args = |format| Args {
        paths: vec![folder.path().to_owned()],
        format,
        deny: None,
    };
    assert_eq!(run(&args(Format::Text)).unwrap(), ExitCode::FAILURE);
    assert_eq!(run(&args(Format::Json)).unwrap(), ExitCode::FAILURE);
}

#[test]
fn folders_are_looked_into_and_what_is_no_object_of_ours_is_passed_over() {
    let profile = "apiVersion: journey.dev/v1alpha1\nkind: CustomerProfile\nmetadata: {name: p}\nspec: {attributes: {a: {type: string}}}\n";
    let sound = folder(&[
        ("deep/er/profile.yml", profile),
        ("kustomization.yaml", "resources: [deep]\n"),
        ("secret.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"),
        ("README.md", "apiVersion: [\n"),
        (".git/config.yaml", "apiVersion: [\n"),
    ]);
    assert_eq!(said(&[sound.path().to_owned()]), [] as [&str; 0]);
    assert_eq!(
        run(&Args {
            paths: vec![sound.path().to_owned()],
            format: Format::Text,
            deny: None,
        })
        .unwrap(),
        ExitCode::SUCCESS
    );

    let twice = folder(&[("a.yaml", profile), ("b.yaml", profile)]);
    let lines = within(twice.path(), said(&[twice.path().to_owned()]));
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("b.yaml:3:18: error[JNY015]: CustomerProfile p is given twice, first in "),
        "{lines:?}"
    );
}

#[test]
fn what_the_api_server_would_refuse_is_told_with_the_line() {
    let text = "apiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {name: j}\nspec:\n  entry: {triggers: [{event: e}]}\n  steps:\n  - name: a\n    wait: {for: 1 hour}\n";
    let folder = folder(&[("j.yaml", text)]);
    let lines = within(folder.path(), said(&[folder.path().to_owned()]));
    assert_eq!(
        lines,
        [
            "j.yaml:8:17: error[JNY014]: Journey j: spec.steps[0].wait.for: a duration is written like 90s, 15m, 36h, 14d or 1d12h, and is not zero"
        ]
    );
}

#[test]
fn a_shape_that_is_refused_comes_with_what_to_write() {
    let text = "apiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {name: j}\nspec:\n  entry: {triggers: [{event: e}]}\n  owner: me\n  steps:\n  - name: a\n    wiat: {for: 1h}\n  - name: b\n    wait: {for: 60}\n  - name: c\n    exit: Completed\n  kpis: {}\n";
    let folder = folder(&[("j.yaml", text)]);
    assert_eq!(
        within(folder.path(), said(&[folder.path().to_owned()])),
        [
            "j.yaml:6:3: error[JNY011]: Journey j: spec.owner: unknown field \"spec.owner\"; did you mean owners?",
            "j.yaml:9:5: error[JNY011]: Journey j: spec.steps[0].wiat: unknown field \"spec.steps[0].wiat\"; did you mean wait?",
            "j.yaml:11:17: error[JNY012]: Journey j: spec.steps[1].wait.for: Invalid value: \"integer\": must be of type string; \
             a duration is written like 90s, 15m, 36h, 14d or 1d12h, and is not zero",
            "j.yaml:13:11: error[JNY012]: Journey j: spec.steps[2].exit: Invalid value: \"string\": must be of type object; its fields are outcome",
            "j.yaml:14:3: error[JNY012]: Journey j: spec.kpis: Invalid value: \"object\": must be of type array; \
             write a list: [...], or lines that begin with -",
        ]
    );
}

#[test]
fn a_path_that_is_not_there_is_a_wrong_call() {
    let args = Args {
        paths: vec![package().join("no-such-folder")],
        format: Format::Text,
        deny: None,
    };
    assert_eq!(run(&args).unwrap(), ExitCode::from(2));
}

#[path = "check/formats.rs"]
mod formats;
#[path = "check/soundness.rs"]
mod soundness;
