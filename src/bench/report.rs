//! What was found, for people and for programs.

use super::{Found, Phase, usage::Cores};
use serde_json::{Value, json};
use std::fmt::Write as _;

const PERCENTILES: [(&str, f64); 4] = [("p50", 50.0), ("p90", 90.0), ("p99", 99.0), ("p99.9", 99.9)];

pub fn text(found: &Found) -> String {
    let mut out = String::new();
    // Writing into a String cannot fail.
    let mut line = |text: String| {
        let _written = writeln!(out, "{}", text.trim_end());
    };
    let cores = |cores: &Cores| {
        format!(
            "{:>8.2} {:>7.2} {:>9.2} {:>6.2}",
            cores.gateway, cores.runner, cores.postgres, cores.load
        )
    };
    line(format!(
        "{:<24} {:>9}     cores: gateway  runner  postgres   load",
        "EVENTS, nobody listens", "accepted/s"
    ));
    for one in &found.intake {
        let name = format!("{} a request, {} senders", one.batch, one.senders);
        line(format!(
            "{name:<24} {:>9.0}            {}",
            one.per_second,
            cores(&one.cores)
        ));
    }
    line(String::new());
    line(format!(
        "{:<24} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8} {:>8}  cores: gateway  runner  postgres   load",
        "WHOLE JOURNEYS", "offered/s", "done/s", "p50 ms", "p90", "p99", "p99.9", "most"
    ));
    for phase in &found.phases {
        let offered = phase.offered.map(|rate| format!("{rate:.0}")).unwrap_or_default();
        let latency: String = percentiles(phase).iter().map(|(_, ms)| format!(" {ms:>8.1}")).collect();
        let latency = if phase.latency.is_empty() {
            " ".repeat(45)
        } else {
            latency
        };
        line(format!(
            "{:<24} {offered:>9} {:>9.0} {latency} {}",
            phase.name,
            phase.per_second,
            cores(&phase.cores)
        ));
    }
    let books = found.books;
    line(String::new());
    line(format!(
        "books: accepted {}, reached {}, reached again {}, completed {}: {}",
        books.accepted,
        books.reached,
        books.again,
        books.completed,
        if books.balance() {
            "they balance"
        } else {
            "THEY DO NOT BALANCE"
        }
    ));
    line(format!(
        "resident at the end: gateway {:.0} MB, runner {:.0} MB",
        mega(found.gateway_bytes),
        mega(found.runner_bytes)
    ));
    out
}

pub fn json(found: &Found) -> Value {
    let cores = |cores: &Cores| json!({"gateway": cores.gateway, "runner": cores.runner, "postgres": cores.postgres, "load": cores.load});
    let intake = found.intake.iter().map(|one| {
        json!({"batch": one.batch, "senders": one.senders, "acceptedPerSecond": one.per_second, "cores": cores(&one.cores)})
    });
    let phases = found.phases.iter().map(|phase| {
        let latency: serde_json::Map<String, Value> = percentiles(phase)
            .into_iter()
            .map(|(name, ms)| (name.to_owned(), ms.into()))
            .collect();
        let latency = if phase.latency.is_empty() {
            Value::Null
        } else {
            latency.into()
        };
        json!({"name": phase.name, "offeredPerSecond": phase.offered, "donePerSecond": phase.per_second,
            "latencyMilliseconds": latency, "cores": cores(&phase.cores)})
    });
    let books = found.books;
    json!({
        "events": intake.collect::<Vec<_>>(),
        "journeys": phases.collect::<Vec<_>>(),
        "books": {"accepted": books.accepted, "reached": books.reached, "again": books.again,
            "completed": books.completed, "balance": books.balance()},
        "residentBytes": {"gateway": found.gateway_bytes, "runner": found.runner_bytes},
    })
}

fn percentiles(phase: &Phase) -> Vec<(&'static str, f64)> {
    let ms = |micros: u64| micros as f64 / 1000.0;
    let at = PERCENTILES.map(|(name, part)| (name, ms(phase.latency.value_at_percentile(part))));
    at.into_iter().chain([("most", ms(phase.latency.max()))]).collect()
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
