//! Who may use whom. The rooms of src/ are kept apart by reading their sources: a breach names the file, the line and the rule.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// A room (a path below src/), what its sources must not mention, and why.
struct Rule {
    rooms: &'static [&'static str],
    never: &'static [&'static str],
    why: &'static str,
}

const PURE: &[&str] = &[
    "address.rs",
    "expression",
    "template",
    "consent",
    "engine",
    "policy",
    "kpi",
    "graph",
    "survey",
];

const RULES: &[Rule] = &[
    Rule {
        rooms: PURE,
        never: &[
            "tokio",
            "kube::",
            "k8s_openapi",
            "tokio_postgres",
            "deadpool",
            "axum",
            "reqwest",
            "lettre",
            "uuid::",
            "std::fs",
            "std::net",
            "std::env",
        ],
        why: "pure rooms have no I/O, no cluster, no database and no randomness",
    },
    Rule {
        rooms: &[
            "expression",
            "template",
            "consent",
            "engine",
            "policy",
            "kpi",
            "compile",
            "graph",
        ],
        never: &[
            "crate::store",
            "crate::channel",
            "crate::gateway",
            "crate::runner",
            "crate::operator",
            "crate::keys",
            "clock::now",
            "SystemClock",
            "Instant::now",
            "Timestamp::now",
        ],
        why: "what decides knows neither who carries it out nor what time it is",
    },
    Rule {
        rooms: &["compile"],
        never: &[
            "tokio",
            "tokio_postgres",
            "axum",
            "reqwest",
            "lettre",
            "std::fs",
            "kube::Client",
            "kube::Api",
        ],
        why: "the compiler takes values and gives values",
    },
    Rule {
        rooms: &[
            "store",
            "channel",
            "gateway",
            "runner",
            "simulate",
            "bench",
            "link.rs",
            "keys.rs",
            "status_server.rs",
        ],
        never: &["kube::", "k8s_openapi", "crate::operator"],
        why: "only the operator knows Kubernetes",
    },
    Rule {
        rooms: &["store"],
        never: &["crate::channel", "crate::gateway", "crate::runner"],
        why: "the store knows nobody who uses it",
    },
    Rule {
        rooms: &["channel"],
        never: &["crate::store", "crate::policy", "crate::gateway", "crate::runner"],
        why: "a channel hands over what it is given",
    },
    Rule {
        rooms: &["simulate"],
        never: &[
            "tokio",
            "tokio_postgres",
            "store::postgres",
            "axum",
            "reqwest",
            "lettre",
            "std::fs",
            "std::net",
            "std::env",
            "Uuid::new_v4",
            "SystemClock",
            "clock::now",
            "Instant::now",
            "Keys::ephemeral",
        ],
        why: "a simulation is a function of its input: no I/O, no clock but its own, no randomness but the seed",
    },
    Rule {
        rooms: &["gateway"],
        never: &["crate::channel", "crate::runner", "crate::policy::decide"],
        why: "the gateway takes in and never sends",
    },
    Rule {
        rooms: &[
            "api",
            "expression",
            "template",
            "consent",
            "engine",
            "policy",
            "kpi",
            "compile",
            "graph",
            "store",
            "channel",
            "gateway",
            "runner",
            "simulate",
            "bench",
            "operator",
        ],
        never: &["crate::cli", "anyhow", "clap::"],
        why: "nobody imports the command line, and errors are enums below it",
    },
    Rule {
        rooms: &[
            "api",
            "expression",
            "template",
            "consent",
            "engine",
            "policy",
            "kpi",
            "compile",
            "graph",
            "store",
            "channel",
            "gateway",
            "runner",
            "simulate",
            "bench",
            "operator",
            "cli",
        ],
        never: &["Timestamp::now", "SystemTime::now", "Zoned::now"],
        why: "the time is read in clock.rs only",
    },
];

/// The choke point: who may hand a message to a channel.
const HANDS_OVER: &[&str] = &["src/runner/dispatch.rs", "src/cli/send_test.rs"];

#[test]
fn every_room_keeps_to_its_rules() {
    let mut breaches = Vec::new();
    for rule in RULES {
        for room in rule.rooms {
            let root = Path::new("src").join(room);
            let files = sources(&root);
            assert!(!files.is_empty(), "the rule for {room} watches nothing");
            for file in files {
                for (line, text) in code(&file) {
                    breaches.extend(
                        rule.never
                            .iter()
                            .filter(|word| mentions(&text, word))
                            .map(|word| format!("{}:{line}: {word}: {}", file.display(), rule.why)),
                    );
                }
            }
        }
    }
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn only_the_dispatcher_and_send_test_hand_messages_over() {
    let calls: Vec<String> = sources(Path::new("src"))
        .iter()
        .filter(|file| !file.starts_with("src/channel") && !HANDS_OVER.iter().any(|allowed| file.ends_with(allowed)))
        .flat_map(|file| {
            code(file)
                .into_iter()
                .filter(|(_, text)| text.contains(".hand_over("))
                .map(|(line, _)| format!("{}:{line}", file.display()))
        })
        .collect();
    assert!(
        calls.is_empty(),
        "a message is handed over outside the choke point: {calls:?}"
    );
}

/// A word, not the end of another: `tokio` in `tokio::spawn`, not in `my_tokio`.
fn mentions(text: &str, word: &str) -> bool {
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The lines of a file that are code: no comments, and nothing from `#[cfg(test)]` on, which stands last in a file.
fn code(file: &Path) -> Vec<(usize, String)> {
    let text = fs::read_to_string(file).unwrap();
    if file.file_name().is_some_and(|name| name == "tests.rs")
        || file.components().any(|part| part.as_os_str() == "tests")
    {
        return Vec::new();
    }
    let lines = text
        .lines()
        .enumerate()
        .take_while(|(_, line)| !line.contains("#[cfg(test)]"));
    lines
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(n, line)| (n + 1, line.to_owned()))
        .collect()
}

fn sources(root: &Path) -> Vec<PathBuf> {
    if root.is_file() {
        return vec![root.to_owned()];
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}
