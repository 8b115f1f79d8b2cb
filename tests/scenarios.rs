//! The golden scenarios: every construct of the language, told as stories in tests/scenarios/ and beside the examples, played by the same code
//! as `journey test`.

use journey::{cli, simulate::scenario};
use std::path::PathBuf;

fn play(paths: &[&str]) -> (Vec<scenario::Outcome>, Vec<scenario::Mistake>) {
    let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
    cli::test::test(&paths, &[]).unwrap()
}

#[test]
fn every_golden_scenario_passes() {
    let (outcomes, mistakes) = play(&["tests/scenarios", "examples"]);
    let failed = outcomes.iter().any(|outcome| !outcome.failures.is_empty());
    if failed || !mistakes.is_empty() {
        let failed: Vec<_> = outcomes
            .into_iter()
            .filter(|outcome| !outcome.failures.is_empty())
            .collect();
        panic!("\n{}", scenario::text(&failed, &mistakes, false));
    }
    assert!(outcomes.len() >= 60, "{} scenarios", outcomes.len());
}

/// Plays a text as if it stood in a file.
fn play_text(text: &str) -> (Vec<scenario::Outcome>, Vec<scenario::Mistake>) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.scenario.yaml");
    std::fs::write(&file, text).unwrap();
    let (mut outcomes, mut mistakes) = cli::test::test(&[file], &[]).unwrap();
    outcomes.iter_mut().for_each(|outcome| outcome.file = "a".into());
    mistakes.iter_mut().for_each(|mistake| mistake.file = "a".into());
    (outcomes, mistakes)
}

const JOURNEY: &str = r#"apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: pause}
spec:
  entry: {triggers: [{event: started}]}
  steps:
  - {name: wait, wait: {for: 1h}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: started}
spec: {channel: Web, inbound: {event: page.started, customer: event.userId}}
---
"#;

#[test]
fn a_scenario_that_fails_tells_what_was_expected_and_what_happened() {
    let (outcomes, mistakes) = play_text(&format!(
        "{JOURNEY}scenario: it waits for ever\ntimeline:\n- {{event: page.started, customer: ada}}\n- at: 2h\n  expect:\n    customers:\n      ada: {{stands: wait}}\n    counts: {{entered: 2}}\n"
    ));
    assert_eq!(mistakes, []);
    let text = scenario::text(&outcomes, &mistakes, false);
    for part in [
        "FAIL  a:14 it waits for ever",
        "a:20 +2h (2026-03-02T12:00:00Z) timeline[1].expect.customers.ada.stands",
        "- wait",
        "+ nowhere: it ended Completed",
        "+0s  2026-03-02T10:00:00Z  event started: entered",
        "+1h  2026-03-02T11:00:00Z    ended: Completed",
        "a:21 +2h (2026-03-02T12:00:00Z) timeline[1].expect.counts.entered",
        "1 scenario, 1 failed",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    let json = scenario::json(&outcomes, &mistakes, true);
    assert_eq!(json["scenarios"][0]["passed"], false);
    assert_eq!(json["scenarios"][0]["failures"][0]["line"], 20);
    let junit = scenario::junit(&outcomes, &mistakes);
    assert!(
        junit.contains("<testsuites name=\"journey test\" tests=\"1\" failures=\"1\" errors=\"0\">"),
        "{junit}"
    );
    assert!(
        junit.contains("<failure message=\"timeline[1].expect.customers.ada.stands\">"),
        "{junit}"
    );
}

#[test]
fn a_mistake_in_a_scenario_has_its_line_and_a_hint() {
    for (text, says) in [
        (
            "scenario: a\ntimelin:\n- {expect: {}}\n",
            "a:2: unknown field `timelin`",
        ),
        ("scenario: a\ntimelin:\n- {expect: {}}\n", "did you mean timeline?"),
        (
            "scenario: a\ntimeline: []\n",
            "a:2: nothing is expected: this scenario cannot fail",
        ),
        (
            "scenario: a\ntimeline:\n- {at: 1h, after: 2h, expect: {}}\n",
            "a:3: a moment has at or after, not both",
        ),
        (
            "scenario: a\ntimeline:\n- expect: {messages: []}\n",
            "a:1: there is no Journey to test",
        ),
    ] {
        let (_, mistakes) = play_text(text);
        let told: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        assert!(told.iter().any(|one| one.contains(says)), "{says} is not in {told:?}");
    }
    for (timeline, line, says) in [
        ("- {at: soon, expect: {}}", 16, "write a duration since the start"),
        (
            "- {at: 2h}\n- {at: 1h, expect: {}}",
            17,
            "moments stand in the order of time",
        ),
        (
            "- {event: started, customer: ada, expect: {}}",
            16,
            "is called page.started by those who send it",
        ),
        (
            "- {event: page.startd, customer: ada, expect: {}}",
            16,
            "did you mean page.started?",
        ),
        (
            "- {event: mail/clicked, customer: ada, expect: {}}",
            16,
            "nobody has heard of customer 'ada'",
        ),
        (
            "- {event: mail/bouncd, customer: ada, expect: {}}",
            16,
            "did you mean bounced?",
        ),
        (
            "- {event: mail/sent, customer: ada, expect: {}}",
            16,
            "say by answers what providers answer",
        ),
        (
            "- {expect: {customers: {ada: {stands: wait}}}}",
            16,
            "nobody has heard of customer 'ada'",
        ),
        (
            "- {answers: {mail: sent}, expect: {}}",
            16,
            "there is no outbound touchpoint 'mail'",
        ),
        (
            "- {expect: {kpis: {conversion: {sample: 1}}}}",
            16,
            "has no KPI 'conversion'",
        ),
    ] {
        let (outcomes, mistakes) = play_text(&format!("{JOURNEY}scenario: a\ntimeline:\n{timeline}\n"));
        assert_eq!(mistakes, []);
        let text = scenario::text(&outcomes, &mistakes, false);
        assert!(
            text.contains(says) && text.contains(&format!("a:{line} ")),
            "{says} is not in\n{text}"
        );
    }
}

#[test]
fn the_schema_for_editors_is_the_one_of_the_types() {
    let kept = std::fs::read_to_string("schemas/scenario.schema.json").unwrap();
    let made = serde_json::to_string_pretty(&scenario::schema()).unwrap() + "\n";
    assert!(
        kept == made,
        "run: journey test --schema > schemas/scenario.schema.json"
    );
}
