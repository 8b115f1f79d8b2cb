//! What is sound is told nothing of: false warnings teach people to look away.

use journey::{
    cli::check::{check, scenario_files, yaml_files},
    compile::Severity,
};
use std::path::PathBuf;

/// Warnings that the golden scenarios earn on purpose, each of them true: file, code.
const EARNED: &[(&str, &str)] = &[
    ("chains.scenario.yaml", "JNY146"),
    ("policy.scenario.yaml", "JNY126"),
    ("policy.scenario.yaml", "JNY155"),
    ("receipts.scenario.yaml", "JNY145"),
    ("time.scenario.yaml", "JNY145"),
];

#[test]
fn the_golden_scenarios_are_free_of_errors_and_earn_their_warnings() {
    for file in scenario_files(&[PathBuf::from("tests/scenarios")]).unwrap() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for finding in check(&[file]).unwrap() {
            let code = finding.code.id();
            assert_ne!(finding.severity, Severity::Error, "{finding}");
            // Most of these namespaces are without adapters: their events come from the story.
            let earned = code == "JNY151" || EARNED.contains(&(name.as_str(), code));
            assert!(earned, "{finding}");
        }
    }
}

#[test]
fn the_examples_have_nothing_to_tell() {
    let examples = std::fs::read_dir("examples")
        .unwrap()
        .map(|entry| entry.unwrap().path());
    for example in examples.filter(|path| path.is_dir()) {
        assert!(!yaml_files(std::slice::from_ref(&example)).unwrap().is_empty());
        let found = check(std::slice::from_ref(&example)).unwrap();
        let told: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert!(told.is_empty(), "{told:#?}");
    }
}
