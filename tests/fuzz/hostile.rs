//! Manifests that are made to be too much: `journey check` answers each of them in a process that may have little memory and little time.

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

/// Address space of the process, in KiB: a fraction of what a bomb would need.
const MEMORY: usize = 1_500_000;
/// Seconds of processor time after which the kernel ends it. What a sound 16 MiB file takes in a debug build, several times.
const SECONDS: usize = 120;

/// Exit code and standard output; a process that is ended by a signal has no code.
fn check(text: &str) -> (Option<i32>, String) {
    let mut command = Command::new("sh")
        .args([
            "-c",
            "ulimit -v \"$1\" && ulimit -t \"$2\" && exec \"$3\" check --format json -",
            "sh",
        ])
        .args([&MEMORY.to_string(), &SECONDS.to_string(), env!("CARGO_BIN_EXE_journey")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = command.stdin.take().unwrap();
    let text = text.to_owned();
    // It may end before it has read all.
    let writer = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = command.wait_with_output().unwrap();
    writer.join().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

const MEGABYTES: usize = 10_000_000;

/// A journey whose first step is this, with what it listens to.
fn journey(step: &str) -> String {
    format!(
        "{}---\napiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {{name: j}}\nspec:\n  entry: {{triggers: [{{event: e}}]}}\n  steps:\n  - {{name: a, {step}}}\n",
        touchpoint("{type: object, properties: {u: {type: string}}}")
    )
}

fn touchpoint(schema: &str) -> String {
    format!(
        "apiVersion: journey.dev/v1alpha1\nkind: Touchpoint\nmetadata: {{name: e}}\nspec: {{channel: Web, inbound: {{event: e.e, customer: event.u, schema: {schema}}}}}\n"
    )
}

fn letter(text: &str) -> String {
    format!(
        "apiVersion: journey.dev/v1alpha1\nkind: PrivacyPolicy\nmetadata: {{name: p}}\nspec: {{purposes: [{{name: service, basis: Contract}}]}}\n---\n\
         apiVersion: journey.dev/v1alpha1\nkind: ChannelAdapter\nmetadata: {{name: log}}\nspec: {{log: {{}}}}\n---\n\
         apiVersion: journey.dev/v1alpha1\nkind: Touchpoint\nmetadata: {{name: letter}}\nspec:\n  channel: App\n  outbound: {{adapter: log, purpose: service, content: {{text: \"{text}\"}}}}\n"
    )
}

fn branch(when: &str) -> String {
    journey(&format!(
        "branch: {{cases: [{{when: \"{when}\", next: a}}], otherwise: a}}"
    ))
}

/// Aliases that would make ten to the power of nine items.
fn aliases() -> String {
    let mut text = String::from("a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (name, before) in ('b'..='i').zip('a'..) {
        let ten = vec![format!("*{before}"); 10].join(", ");
        writeln!(text, "{name}: &{name} [{ten}]").unwrap();
    }
    text
}

#[test]
fn what_is_too_much_is_refused_in_bounded_time_and_memory() {
    let cases = [
        ("an expression of 10 MB", branch(&"n".repeat(MEGABYTES)), "JNY014"),
        (
            "an expression of 10 MB of sums",
            branch(&"1+".repeat(MEGABYTES / 2)),
            "JNY014",
        ),
        ("deep brackets", branch(&"(".repeat(2_000)), "JNY08"),
        (
            "a regular expression that explodes",
            branch("'a'.matches('(((((a{90}){90}){90}){90}){90})')"),
            "JNY08",
        ),
        (
            "a regular expression of 3,000 alternatives",
            branch(&format!("'a'.matches('{}')", "(a|b)*".repeat(500))),
            "",
        ),
        ("a text of 10 MB", letter(&"x".repeat(MEGABYTES)), "JNY014"),
        (
            "a name of 10 MB",
            journey(&format!("next: {}, wait: {{for: 1h}}", "n".repeat(MEGABYTES))),
            "JNY014",
        ),
        (
            "a field of 10 MB",
            journey(&format!("{}: 1", "n".repeat(MEGABYTES))),
            "JNY",
        ),
        (
            "a template without end",
            letter("{% for i in range(1000000000) %}{% for j in range(1000000000) %}x{% endfor %}{% endfor %}"),
            "",
        ),
        ("a template of open tags", letter(&"{% if 1 %}".repeat(9_000)), "JNY10"),
        ("a million documents", "---\n".repeat(1_000_000), ""),
        (
            "a million objects that are none",
            "a: 1\n---\n".repeat(200_000),
            "JNY003",
        ),
        ("lists in lists", format!("spec: {}", "[".repeat(MEGABYTES)), "JNY001"),
        ("maps in maps", format!("spec: {}", "{a: ".repeat(1_000_000)), "JNY001"),
        ("aliases of aliases", aliases(), "JNY001"),
        ("a file of more than 16 MiB", "#".repeat(17 << 20), "JNY002"),
        (
            "a schema that is deep",
            touchpoint(&format!(
                "{}{{}}{}",
                "{type: object, properties: {a: ".repeat(300),
                "}}".repeat(300)
            )),
            "JNY",
        ),
        (
            "a schema whose pattern explodes",
            touchpoint("{type: object, properties: {u: {type: string, pattern: '^((((a{99}){99}){99}){99})$'}}}"),
            "JNY070",
        ),
        (
            "ten thousand steps",
            {
                let steps: String = (0..10_000)
                    .map(|n| format!("  - {{name: s{n}, wait: {{for: 1h}}}}\n"))
                    .collect();
                format!("{}{steps}", journey("wait: {for: 1h}"))
            },
            "JNY014",
        ),
    ];
    let mut wrong = vec![];
    for (what, text, code) in cases {
        let (exit, said) = check(&text);
        let answered = matches!(exit, Some(0 | 1)) && (exit == Some(1)) == said.contains("\"Error\"");
        // What is said of what is too long is not too long itself.
        if !answered || !said.contains(code) || said.len() > 2_000_000 {
            wrong.push(format!(
                "{what}: {exit:?} {}",
                said.chars().take(600).collect::<String>()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
