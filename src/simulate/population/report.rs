//! A tally for people and for programs. What is written depends on the tally alone: the same seed, the same bytes.

use super::{
    behaviour,
    run::Order,
    tally::{Difference, ENTRY, JourneyTally, STILL, Tally, channels, days},
};
use crate::{
    clock::DAY,
    engine::Program,
    expression::time::{show_duration, show_instant},
    kpi::{self, Counts, KpiSpec, Measure},
};
use serde_json::{Value, json};
use std::sync::Arc;

/// Cells of the longest bar.
const BAR: u64 = 30;

/// For people.
pub fn text(tally: &Tally, order: &Order, programs: &[Arc<Program>]) -> String {
    let mut out = format!("{}\n", heading(tally, order));
    for (name, journey) in &tally.journeys {
        out.push_str(&format!("\nJOURNEY {name}\n"));
        let program = programs.iter().find(|program| program.journey == *name);
        let rows = funnel(journey, program.map(|program| &**program));
        let most = rows.iter().map(|row| row.1).max().unwrap_or_default().max(1);
        let width = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or_default();
        for (label, n) in &rows {
            let entered = journey.count("entered").max(1);
            let bar = "█".repeat(
                usize::try_from(u64::try_from(*n).unwrap_or(0) * BAR / u64::try_from(most).unwrap_or(1)).unwrap_or(0),
            );
            out.push_str(&format!(
                "  {label:<width$}  {:>12}  {:>6}  {bar}\n",
                thousands(*n),
                share(*n, entered)
            ));
        }
        let mut list = |title: &str, rows: Vec<(String, i64)>| {
            if !rows.is_empty() {
                let rows: Vec<String> = rows
                    .iter()
                    .map(|(name, n)| format!("{name} {}", thousands(*n)))
                    .collect();
                out.push_str(&format!("  {title:<10} {}\n", rows.join(", ")));
            }
        };
        let owned = |all: std::collections::BTreeMap<&str, i64>| {
            all.into_iter()
                .map(|(name, n)| (name.to_owned(), n))
                .collect::<Vec<_>>()
        };
        list(
            "messages",
            journey
                .channels
                .iter()
                .map(|(channel, n)| (channel.clone(), i64::try_from(*n).unwrap_or(i64::MAX)))
                .collect(),
        );
        list("skipped", owned(journey.reasons("skipped:")));
        list("failed", owned(journey.reasons("failed:")));
        list("ignored", owned(journey.counts_of("event:ignored:")));
        list("goals", owned(journey.counts_of("goal:")));
        for (spec, measure) in measures(journey, program.map(|program| &**program)) {
            out.push_str(&format!("  KPI {:<16} {}\n", spec.name, estimate(spec, &measure)));
        }
    }
    let per_day = by_day(tally, order);
    for (channel, counts) in &per_day {
        let most = counts.iter().max().copied().unwrap_or_default();
        out.push_str(&format!(
            "\n{channel} by day: {} in all, {} on the busiest\n  {}\n",
            thousands(counts.iter().sum::<u64>().try_into().unwrap_or(i64::MAX)),
            thousands(most.try_into().unwrap_or(i64::MAX)),
            sparkline(counts)
        ));
    }
    out.push_str(&format!("\nevents: {}\n", intake(tally)));
    out
}

/// For programs.
pub fn json(tally: &Tally, order: &Order, programs: &[Arc<Program>]) -> Value {
    let journeys: serde_json::Map<String, Value> = tally
        .journeys
        .iter()
        .map(|(name, journey)| {
            let program = programs.iter().find(|program| program.journey == *name).map(|program| &**program);
            let kpis: Vec<Value> = measures(journey, program)
                .into_iter()
                .map(|(spec, measure)| json!({"name": spec.name, "value": measure.value, "low": measure.low, "high": measure.high, "sample": measure.sample}))
                .collect();
            let funnel: Vec<Value> = funnel(journey, program).into_iter().map(|(name, n)| json!({"name": name, "count": n})).collect();
            let flows: Vec<Value> = journey.flows.iter().map(|((from, to), n)| json!({"from": from, "to": to, "count": n})).collect();
            let of = json!({"customers": journey.reached, "funnel": funnel, "flows": flows, "channels": journey.channels,
                "skipped": journey.reasons("skipped:"), "failed": journey.reasons("failed:"), "kpis": kpis, "counts": journey.counts});
            (name.clone(), of)
        })
        .collect();
    let messages: Vec<Value> = tally
        .messages
        .iter()
        .map(|((day, channel), n)| json!({"day": date(*day), "channel": channel, "count": n}))
        .collect();
    json!({"customers": tally.customers, "start": show_instant(order.start), "length": show_duration(order.length), "seed": order.seed,
        "events": tally.intake, "messages": messages, "journeys": journeys})
}

/// What a change does, for people.
pub fn compared(difference: &Difference, order: &Order, programs: &[Arc<Program>]) -> String {
    let Difference {
        old,
        new,
        differ,
        more_messages,
        fewer_messages,
        examples,
    } = difference;
    let counted = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let all = counted(new.customers).max(1);
    let mut out = format!("{}\n\n", heading(new, order));
    out.push_str(&format!(
        "{} customers fare differently ({}); {} get more messages, {} fewer\n",
        thousands(counted(*differ)),
        share(counted(*differ), all),
        thousands(counted(*more_messages)),
        thousands(counted(*fewer_messages))
    ));
    let names: std::collections::BTreeSet<&String> = old.journeys.keys().chain(new.journeys.keys()).collect();
    let none = JourneyTally::default();
    for name in names {
        let (before, after) = (
            old.journeys.get(name).unwrap_or(&none),
            new.journeys.get(name).unwrap_or(&none),
        );
        let program = programs
            .iter()
            .find(|program| program.journey == *name)
            .map(|program| &**program);
        out.push_str(&format!(
            "\nJOURNEY {name}\n  {:<32} {:>12} {:>12} {:>12}\n",
            "", "old", "new", "change"
        ));
        let mut labels: Vec<String> = funnel(after, program).into_iter().map(|(label, _)| label).collect();
        for (label, _) in funnel(before, None) {
            if !labels.contains(&label) {
                labels.push(label);
            }
        }
        let was = funnel(before, None);
        let is = funnel(after, program);
        let of =
            |rows: &[(String, i64)], label: &str| rows.iter().find(|(known, _)| known == label).map_or(0, |(_, n)| *n);
        let mut line = |label: &str, before: i64, after: i64| {
            let change = if before == after {
                "=".to_owned()
            } else {
                format!("{:+}", after - before)
            };
            out.push_str(&format!(
                "  {label:<32} {:>12} {:>12} {change:>12}\n",
                thousands(before),
                thousands(after)
            ));
        };
        for label in &labels {
            line(label, of(&was, label), of(&is, label));
        }
        for (prefix, title) in [("skipped:", "skipped"), ("failed:", "failed"), ("goal:", "goal")] {
            let (a, b) = (before.reasons(prefix), after.reasons(prefix));
            let reasons: std::collections::BTreeSet<&&str> = a.keys().chain(b.keys()).collect();
            for reason in reasons {
                line(
                    &format!("{title}: {reason}"),
                    a.get(*reason).copied().unwrap_or(0),
                    b.get(*reason).copied().unwrap_or(0),
                );
            }
        }
        let channels: std::collections::BTreeSet<&String> =
            before.channels.keys().chain(after.channels.keys()).collect();
        for channel in channels {
            let of = |tally: &JourneyTally| counted(tally.channels.get(channel).copied().unwrap_or_default());
            line(&format!("messages: {channel}"), of(before), of(after));
        }
        let was = measures(before, program);
        for (spec, measure) in measures(after, program) {
            let before = was
                .iter()
                .find(|(known, _)| known.name == spec.name)
                .map_or_else(|| "unknown".into(), |(_, measure)| estimate(spec, measure));
            out.push_str(&format!(
                "  KPI {}: {before} -> {}\n",
                spec.name,
                estimate(spec, &measure)
            ));
        }
    }
    if !examples.is_empty() {
        out.push_str("\nfor example\n");
        for example in examples {
            out.push_str(&format!(
                "  c-{}\n    old: {}\n    new: {}\n",
                example.customer,
                or_nothing(&example.old),
                or_nothing(&example.new)
            ));
        }
    }
    out
}

fn or_nothing(way: &str) -> &str {
    if way.is_empty() { "nothing" } else { way }
}

pub fn heading(tally: &Tally, order: &Order) -> String {
    format!(
        "{} customers, {} from {}, seed {}",
        thousands(i64::try_from(tally.customers).unwrap_or(i64::MAX)),
        show_duration(order.length),
        show_instant(order.start).unwrap_or_default(),
        order.seed
    )
}

/// Entered, each step in the order of the list, and the ends.
pub fn funnel(journey: &JourneyTally, program: Option<&Program>) -> Vec<(String, i64)> {
    let mut rows = vec![("entered".to_owned(), journey.count("entered"))];
    let arrivals = journey.counts_of("step:");
    let listed: Vec<String> = program.map_or_else(Vec::new, |program| {
        behaviour::steps(program).map(str::to_owned).collect()
    });
    for name in &listed {
        rows.push((name.clone(), arrivals.get(name.as_str()).copied().unwrap_or_default()));
    }
    for (name, n) in &arrivals {
        if !listed.iter().any(|known| known == name) {
            rows.push(((*name).to_owned(), *n));
        }
    }
    let mut ended = 0;
    for (name, n) in journey.counts_of("ended:") {
        rows.push((format!("ended {name}"), n));
        ended += n;
    }
    rows.push(("still in".to_owned(), journey.count("entered") - ended));
    rows
}

/// KPIs over everybody who entered, with their intervals.
pub fn measures<'p>(journey: &JourneyTally, program: Option<&'p Program>) -> Vec<(&'p KpiSpec, Measure)> {
    let Some(program) = program else { return vec![] };
    // All in one hour: the whole run is the window.
    let counts = Counts(journey.counts.iter().map(|(name, n)| ((name.clone(), 0), *n)).collect());
    program
        .kpis
        .iter()
        .map(|spec| (spec, kpi::measure(&counts, spec, 0)))
        .collect()
}

/// In the unit of the measure, as status writes it. A total has no interval.
pub fn estimate(spec: &KpiSpec, measure: &Measure) -> String {
    let show = |value: f64| kpi::show(spec.statistic, value);
    let value = measure.value.map_or_else(|| "unknown".into(), show);
    let interval = match (measure.low, measure.high) {
        (Some(low), Some(high)) => format!(" ({} to {})", show(low), show(high)),
        _ => String::new(),
    };
    format!("{value}{interval} of {}", thousands(measure.sample))
}

/// Messages of each channel on each day of the run.
pub fn by_day(tally: &Tally, order: &Order) -> Vec<(String, Vec<u64>)> {
    channels(tally)
        .into_iter()
        .map(|channel| {
            let of = |day: i64| {
                tally
                    .messages
                    .get(&(day, channel.to_owned()))
                    .copied()
                    .unwrap_or_default()
            };
            (channel.to_owned(), days(order.start, order.length).map(of).collect())
        })
        .collect()
}

pub fn intake(tally: &Tally) -> String {
    let all: Vec<String> = tally
        .intake
        .iter()
        .map(|(name, n)| format!("{name} {}", thousands(*n)))
        .collect();
    if all.is_empty() { "none".into() } else { all.join(", ") }
}

/// At most a hundred signs: days are put together where there are more.
fn sparkline(counts: &[u64]) -> String {
    let together = counts.len().div_ceil(100).max(1);
    let sums: Vec<u64> = counts.chunks(together).map(|days| days.iter().sum()).collect();
    let most = sums.iter().max().copied().unwrap_or_default().max(1);
    let signs = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    sums.iter()
        .map(|n| signs[usize::try_from((n * 8).div_ceil(most)).unwrap_or(8).min(8)])
        .collect()
}

pub fn date(day: i64) -> String {
    show_instant(day * DAY).map_or_else(String::new, |text| {
        text.split('T').next().unwrap_or_default().to_owned()
    })
}

/// 12,345
pub fn thousands(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if n < 0 { format!("-{out}") } else { out }
}

pub fn share(n: i64, of: i64) -> String {
    if of == 0 {
        "0%".into()
    } else {
        kpi::percent(n as f64 / of as f64)
    }
}

/// What an end is called in a picture.
pub fn place(name: &str) -> &str {
    match name {
        ENTRY => "entered",
        STILL => "still in",
        name => name,
    }
}
