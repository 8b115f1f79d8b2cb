//! What `journey check` writes, as a person, a pipeline and a code scanner get it from the command.

use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// A journey with a misspelt event in a list in flow style, another with a misspelt field in a condition, and the touchpoint of both.
const FLAWED: &str = r#"apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: welcome}
spec:
  entry: {triggers: [{event: signed-up}]}
  steps:
  - {name: wait, wait: {for: 1d, until: [{event: signd-up, next: done}]}}
  - {name: done, exit: {outcome: Completed}}
---
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: sort}
spec:
  entry: {triggers: [{event: signed-up}]}
  steps:
  - name: sort
    branch:
      cases:
      - when: "'ä' == 'ö' || entry.itms > 0"
        next: done
      otherwise: done
  - {name: done, exit: {outcome: Completed}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: signed-up}
spec:
  channel: Web
  inbound:
    event: user.signed-up
    customer: event.userId
    schema: {type: object, required: [items], properties: {userId: {type: string}, items: {type: integer}}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: web}
spec: {http: {auth: {secretRef: {name: web-key}}}}
"#;

/// Both put right, and a case that always holds instead: a warning.
fn warned() -> String {
    FLAWED
        .replace("signd-up", "signed-up")
        .replace("'ä' == 'ö' || entry.itms > 0", "entry.items > 0 || entry.items <= 0")
}

/// What the command answers to this text on its standard input: exit code, standard output.
fn asked(text: &str, args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_journey"))
        .args(["check", "-"])
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    command.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = command.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn people_see_the_line_what_is_wrong_in_it_and_what_to_do() {
    let (code, text) = asked(FLAWED, &[]);
    assert_eq!(code, Some(1));
    assert_eq!(
        text,
        r#"error[JNY020]: there is no touchpoint 'signd-up'
 --> -:7:50
  |
7 |   - {name: wait, wait: {for: 1d, until: [{event: signd-up, next: done}]}}
  |                                                  ^^^^^^^^ Journey welcome: spec.steps[0].wait.until[0].event
  |
  = help: did you mean signed-up?

error[JNY082]: 'entry' has no 'itms' in `'ä' == 'ö' || entry.itms > 0`
  --> -:19:36
   |
19 |       - when: "'ä' == 'ö' || entry.itms > 0"
   |                                    ^^^^ Journey sort: spec.steps[0].branch.cases[0].when
   |
   = help: did you mean items?

2 errors, 0 warnings; journey explain JNY020 says more
"#
    );
}

#[test]
fn the_exit_code_is_0_1_or_2() {
    assert_eq!(asked(FLAWED, &[]).0, Some(1));
    assert_eq!(asked(&warned(), &[]).0, Some(0));
    assert_eq!(asked(&warned(), &["--deny", "warnings"]).0, Some(1));
    let sound = warned().replace("entry.items > 0 || entry.items <= 0", "entry.items > 0");
    assert_eq!(
        asked(&sound, &["--deny", "warnings"]),
        (Some(0), "0 errors, 0 warnings\n".to_owned())
    );
    assert_eq!(asked("", &["no-such-folder"]).0, Some(2));
    assert_eq!(asked("", &["--format", "xml"]).0, Some(2));
}

#[test]
fn documents_of_other_namespaces_are_worlds_of_their_own() {
    let of = |namespace: &str| warned().replace("metadata: {", &format!("metadata: {{namespace: {namespace}, "));
    let (_, text) = asked(&format!("{}---\n{}", of("shop"), of("bank")), &["--format", "json"]);
    let found: Vec<Value> = serde_json::from_str(&text).unwrap();
    let codes: Vec<&Value> = found.iter().map(|one| &one["code"]).collect();
    assert_eq!(codes, ["JNY148", "JNY148"], "{text}");
    let (code, text) = asked(&format!("{}---\n{}", of("shop"), of("shop")), &["--format", "json"]);
    assert_eq!(code, Some(1));
    assert_eq!(text.matches("JNY015").count(), 4, "{text}");
}

#[track_caller]
fn valid(schema: &Value, value: &Value) {
    let schema = jsonschema::draft202012::new(schema).unwrap();
    let wrong: Vec<String> = schema
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{value:#}");
}

#[test]
fn json_has_the_shape_that_is_documented() {
    let schema = json!({
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "additionalProperties": false,
            "required": ["file", "line", "column", "endColumn", "severity", "code", "path", "message"],
            "properties": {
                "file": {"type": "string"},
                "line": {"type": "integer", "minimum": 1},
                "column": {"type": "integer", "minimum": 1},
                "endColumn": {"type": "integer", "minimum": 2},
                "severity": {"enum": ["Error", "Warning", "Note"]},
                "code": {"type": "string", "pattern": "^JNY[0-9]{3}$"},
                "object": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["kind", "name"],
                    "properties": {"kind": {"type": "string"}, "name": {"type": "string"}},
                },
                "path": {"type": "string"},
                "message": {"type": "string", "minLength": 1},
                "help": {"type": "string", "minLength": 1},
            },
        },
    });
    for text in [FLAWED, "spec: [", "kind: Jorney"] {
        let (_, written) = asked(text, &["--format", "json"]);
        valid(&schema, &serde_json::from_str(&written).unwrap());
    }
    assert_eq!(asked("", &["--format", "json"]), (Some(0), "[]\n".to_owned()));
}

#[test]
fn sarif_is_what_its_schema_allows_and_its_results_find_their_rules() {
    let schema = serde_json::from_str(include_str!("sarif.schema.json")).unwrap();
    for text in [FLAWED, &warned(), "spec: [", ""] {
        let (_, written) = asked(text, &["--format", "sarif"]);
        let log: Value = serde_json::from_str(&written).unwrap();
        valid(&schema, &log);
        let run = &log["runs"][0];
        for result in run["results"].as_array().unwrap() {
            let at = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][at]["id"], result["ruleId"]);
        }
        assert_eq!(run["results"].as_array().unwrap().is_empty(), text.is_empty());
    }
}

#[test]
fn github_marks_the_lines() {
    let (code, text) = asked(&warned(), &["--format", "github"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        text,
        "::warning file=-,line=19,col=15,endColumn=52,title=JNY148::Journey sort: spec.steps[0].branch.cases[0].when: \
         everybody takes this case: what stands below it, and otherwise, is never taken%0Amake it otherwise, or correct the condition\n"
    );
}
