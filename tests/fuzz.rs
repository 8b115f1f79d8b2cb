//! Hostile manifests: examples changed at random, from a seed. Whatever comes, the compiler says what is wrong, and neither panics nor hangs.
//!
//! A few hundred cases with every `cargo test`; `make fuzz` goes on for two minutes, `make soak` for an hour. A failure prints the seed of its
//! case: JOURNEY_FUZZ_SEED=n runs that one alone.

use journey::{
    clock::{Clock as _, SECOND, SystemClock},
    compile::{self, Manifests},
};
use serde_json::Value;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

/// Seconds that one case may take before it counts as one that hangs: a thousand times what any takes.
const HANGS: i64 = 60;
/// Cases of a run that has no time given.
const CASES: u64 = 150;

#[test]
fn whatever_comes_the_compiler_answers() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let texts = examples();
    if let Some(seed) = number("JOURNEY_FUZZ_SEED") {
        return compile(&case(&texts, seed));
    }
    let seconds = number("JOURNEY_FUZZ_SECONDS");
    let started = SystemClock.now();
    let end = seconds.map(|seconds| started + i64::try_from(seconds).unwrap() * SECOND);
    // Each timed run sees other cases; the short one is always the same.
    let first = if end.is_some() { started.unsigned_abs() } else { 0 };
    let mut done = 0;
    while end.map_or(done < CASES, |end| SystemClock.now() < end) {
        let seed = first.wrapping_add(done);
        let text = case(&texts, seed);
        let before = SystemClock.now();
        let answered = catch_unwind(AssertUnwindSafe(|| compile(&text))).is_ok();
        if !answered || SystemClock.now() - before > HANGS * SECOND {
            panic!("JOURNEY_FUZZ_SEED={seed} cargo test --test fuzz");
        }
        done += 1;
    }
    println!("{done} cases");
}

/// The way of `journey check`.
fn compile(text: &str) {
    let (documents, errors) = compile::objects(text, "fuzz.yaml");
    for error in &errors {
        assert!(error.line >= 1 && error.column >= 1, "{error}");
    }
    let mut manifests = Manifests::default();
    for document in documents {
        let lines = compile::Lines::of(document.text, document.first);
        let _spot = lines.spot("spec", None);
        let _new = document.into(&mut manifests);
    }
    for diagnostic in compile::check(&manifests) {
        let _said = diagnostic.to_string();
    }
}

/// Every object of the examples, and the shop of the compiler's own tests.
fn examples() -> Vec<String> {
    let mut all = vec![];
    let mut open = vec![
        Path::new("examples").to_owned(),
        Path::new("src/compile/tests").to_owned(),
    ];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|end| end == "yaml") {
            all.push(std::fs::read_to_string(&path).unwrap());
        }
    }
    all.sort();
    assert!(all.len() > 5, "the examples are read");
    all
}

/// What is put where something else stood.
const NASTY: [&str; 28] = [
    "",
    "null",
    "-1",
    "99999999999999999999",
    "1e400",
    "true",
    "\u{0}",
    "\u{feff}x",
    "ä\u{301}💥",
    "[1, [2, [3]]]",
    "{a: {a: {a: 1}}}",
    "no",
    "${",
    "${${}}",
    "$${customer.id}",
    "${customer.points / 0}",
    "customer.tier == 'gold' && customer.tier == 'none'",
    "event.items > 9223372036854775807 - 1",
    "((((((((((((((((((((((((((((((((((((((((1))))))))))))))))))))))))))))))))))))))))",
    "'a'.matches('(((a{100}){100}){100}){100}')",
    "customer.tags.exists(x, x.matches('(a+)+$'))",
    "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!true",
    "{% for i in range(1000000000) %}{{ i }}{% endfor %}",
    "{{ customer['x' ~ 'y'] }}",
    "{% if a %}{% if a %}{% if a %}{% if a %}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "99999d",
    "00:00",
];

/// One case: the same for the same seed.
fn case(texts: &[String], seed: u64) -> String {
    let mut chance = Chance(seed);
    let mut text: String = (0..1 + chance.below(3))
        .map(|_| format!("{}\n---\n", texts[chance.below(texts.len())]))
        .collect();
    if chance.below(2) == 0 {
        let mut documents: Vec<Value> = text
            .split("\n---\n")
            .filter_map(|document| serde_saphyr::from_str::<Option<Value>>(document).ok()?)
            .collect();
        for _ in 0..1 + chance.below(8) {
            let n = documents.len();
            if n > 0 {
                let donor = documents[chance.below(n)].clone();
                change(&mut documents[chance.below(n)], &donor, &mut chance, 0);
            }
        }
        // JSON is YAML.
        return documents.iter().map(|document| format!("{document}\n---\n")).collect();
    }
    for _ in 0..1 + chance.below(6) {
        text = scribbled(&text, &mut chance);
    }
    text
}

/// Changes something at a random place of the tree.
fn change(value: &mut Value, donor: &Value, chance: &mut Chance, depth: usize) {
    let deeper = depth < 12 && chance.below(8) != 0;
    match value {
        Value::Object(fields) if deeper && !fields.is_empty() => {
            let name = fields
                .keys()
                .nth(chance.below(fields.len()))
                .cloned()
                .unwrap_or_default();
            match chance.below(12) {
                0 => {
                    fields.remove(&name);
                }
                1 => {
                    let moved = fields.remove(&name).unwrap_or_default();
                    fields.insert(NASTY[chance.below(NASTY.len())].to_owned(), moved);
                }
                _ => change(&mut fields[&name], donor, chance, depth + 1),
            }
        }
        Value::Array(items) if deeper && !items.is_empty() => {
            let at = chance.below(items.len());
            match chance.below(8) {
                0 => drop(items.remove(at)),
                1 => items.extend(std::iter::repeat_n(items[at].clone(), 1 + chance.below(40))),
                _ => change(&mut items[at], donor, chance, depth + 1),
            }
        }
        _ => {
            *value = match chance.below(4) {
                0 => part(donor, chance),
                1 => Value::from(chance.next() as i64),
                2 => Value::String(NASTY[chance.below(NASTY.len())].repeat(1 + chance.below(3))),
                _ => serde_saphyr::from_str(NASTY[chance.below(NASTY.len())]).unwrap_or_default(),
            }
        }
    }
}

/// Some part of another object.
fn part(of: &Value, chance: &mut Chance) -> Value {
    let mut at = of;
    for _ in 0..chance.below(6) {
        at = match at {
            Value::Object(fields) if !fields.is_empty() => {
                fields.values().nth(chance.below(fields.len())).unwrap_or(of)
            }
            Value::Array(items) if !items.is_empty() => &items[chance.below(items.len())],
            _ => break,
        };
    }
    at.clone()
}

/// Changes a few characters or lines.
fn scribbled(text: &str, chance: &mut Chance) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return NASTY[chance.below(NASTY.len())].to_owned();
    }
    let at = chance.below(lines.len());
    match chance.below(6) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[chance.below(lines.len())].clone()),
        2 => lines[at].insert_str(0, &" ".repeat(1 + chance.below(6))),
        3 => {
            let line = lines[at].clone();
            let keep = line.split_once(':').map_or("", |(name, _)| name);
            lines[at] = format!("{keep}: {}", NASTY[chance.below(NASTY.len())]);
        }
        4 => {
            let mut characters: Vec<char> = lines[at].chars().collect();
            if !characters.is_empty() {
                let n = chance.below(characters.len());
                characters[n] =
                    ['{', '}', '[', ']', '"', '\'', '&', '*', '!', '|', '>', '#', '\t', 'ß'][chance.below(14)];
            }
            lines[at] = characters.into_iter().collect();
        }
        _ => lines[at] = lines[at].repeat(1 + chance.below(3)),
    }
    lines.join("\n")
}

/// SplitMix64 (Steele, Lea, Flood 2014): a seed, and the same numbers ever after.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }
}

#[path = "fuzz/hostile.rs"]
mod hostile;
