//! What was found, for people.

use super::{each, mega, milli, percentiles};
use crate::{
    bench::{
        Books, Found, churn::Churn, events::Intake, idle::Idle, journeys::Phase, policy::Policy, takeover::Takeover,
        timers::Timers, usage::Cores,
    },
    store::postgres::measure::TableSize,
};
use std::collections::BTreeMap;

const CORES: &str = "   cores: gateway  runner  postgres   load   us each";
const LATENCIES: &str = "   p50 ms      p90      p99    p99.9     most";

pub fn text(found: &Found) -> String {
    let Found {
        intake,
        phases,
        takeover,
        timers,
        policy,
        churn,
        idle,
        books,
        gateway_bytes,
        runner_bytes,
        tables,
    } = found;
    let blocks = [
        of_intake(intake),
        of_phases(phases),
        takeover.iter().flat_map(of_takeover).collect(),
        timers.iter().flat_map(of_timers).collect(),
        policy.iter().flat_map(of_policy).collect(),
        churn.iter().flat_map(of_churn).collect(),
        idle.iter().flat_map(of_idle).collect(),
        of_tables(tables),
        vec![
            of_books(books),
            format!(
                "resident: gateway {:.0} MB, runner {:.0} MB",
                mega(*gateway_bytes),
                mega(*runner_bytes)
            ),
        ],
    ];
    let blocks = blocks.iter().filter(|block| !block.is_empty());
    let blocks = blocks.map(|lines| {
        lines
            .iter()
            .map(|line| line.trim_end().to_owned() + "\n")
            .collect::<String>()
    });
    blocks.collect::<Vec<_>>().join("\n")
}

fn of_intake(intake: &[Intake]) -> Vec<String> {
    let lines = intake.iter().map(|one| {
        let whose = if one.returning.is_some() { "known" } else { "new" };
        let name = format!("{} a request, {} senders, {whose}", one.batch, one.senders);
        format!(
            "{name:<36} {:>10.0} {}",
            one.per_second,
            of_cores(&one.cores, one.per_second)
        )
    });
    headed(format!("{:<36} accepted/s {CORES}", "EVENTS, nobody listens"), lines)
}

fn of_phases(phases: &[Phase]) -> Vec<String> {
    let lines = phases.iter().map(|phase| {
        let offered = phase.offered.map(|rate| format!("{rate:.0}")).unwrap_or_default();
        let latency = match percentiles(&phase.latency) {
            Some(latency) => latency.iter().map(|(_, ms)| format!("{ms:>9.1}")).collect(),
            None => " ".repeat(45),
        };
        format!(
            "{:<24} {offered:>9} {:>9.0} {latency} {}",
            phase.name,
            phase.per_second,
            of_cores(&phase.cores, phase.per_second)
        )
    });
    let head = format!("{:<24} offered/s    done/s {LATENCIES} {CORES}", "WHOLE JOURNEYS");
    headed(head, lines)
}

fn of_takeover(takeover: &Takeover) -> Vec<String> {
    let Takeover {
        rate,
        longest,
        shards,
        repeated,
    } = takeover;
    let each: Vec<String> = longest
        .iter()
        .map(|micros| format!("{:.2}", milli(*micros) / 1000.0))
        .collect();
    vec![
        format!("TAKEOVER, one of two runners killed at {rate} journeys a second, with {shards} of 64 shards"),
        format!(
            "longest that a customer waited for the message: {:.2} s at most ({})",
            milli(longest.iter().copied().max().unwrap_or_default()) / 1000.0,
            each.join(", ")
        ),
        format!("handed over once more under the same key: {repeated}"),
    ]
}

fn of_timers(timers: &Timers) -> Vec<String> {
    let Timers {
        parked,
        parked_per_second,
        runner_before,
        runner_parked,
        due,
        lateness,
        early,
        due_cores,
        drained,
        drained_per_second,
        drained_cores,
        behind,
    } = timers;
    let late: String = percentiles(lateness)
        .into_iter()
        .flatten()
        .map(|(name, ms)| format!(" {name} {ms:.1}"))
        .collect();
    vec![
        format!("TIMERS{:<52} {CORES}", ""),
        format!(
            "{parked} parked, {parked_per_second:.0}/s; runner resident {:.1} MB before, {:.1} MB with them",
            mega(*runner_before),
            mega(*runner_parked)
        ),
        format!(
            "{:<58} {}",
            format!("{due} due a second, each with a message"),
            of_cores(due_cores, *due as f64)
        ),
        format!("  late, in ms, to the message's arrival:{late}; too early: {early}"),
        format!(
            "{:<58} {}",
            format!("{drained} due at once: {drained_per_second:.0}/s go on"),
            of_cores(drained_cores, *drained_per_second)
        ),
        format!("  out of the order in which they were due: by {behind} customers at most"),
    ]
}

fn of_policy(policy: &Policy) -> Vec<String> {
    let head = format!("{:<24} one purpose  every rule  journeys/s", "POLICY");
    let turns = policy.turns.iter().enumerate();
    let turns =
        turns.map(|(nth, (plain, full))| format!("{:<24} {plain:>11.0} {full:>11.0}", format!("turn {}", nth + 1)));
    let ratio = format!("every rule to one purpose: {:.2}", policy.ratio());
    std::iter::once(head).chain(turns).chain([ratio]).collect()
}

fn of_churn(churn: &Churn) -> Vec<String> {
    let lines = churn.slices.iter().enumerate().map(|(nth, slice)| {
        format!(
            "{:<24} {:>9.0} {}",
            format!("{}: {:.0} s", nth + 1, slice.length.as_secs_f64()),
            slice.per_second,
            of_cores(&slice.cores, slice.per_second)
        )
    });
    let before: BTreeMap<&str, &TableSize> = churn.before.iter().map(|size| (size.table.as_str(), size)).collect();
    let grown = churn.after.iter().map(|size| {
        let before = before.get(size.table.as_str());
        let (bytes, rows) = before.map_or((0, 0), |size| (size.bytes + size.index_bytes, size.rows));
        format!(
            "{:<24} {:>9.1} MB -> {:>9.1} MB, rows {rows} -> {}",
            size.table,
            mega(bytes),
            mega(size.bytes + size.index_bytes),
            size.rows
        )
    });
    let ratio = format!("last slice to first: {:.2}", churn.ratio());
    let lines: Vec<String> = lines.chain([ratio]).chain(grown).collect();
    headed(format!("{:<24}    done/s {CORES}", "CHURN"), lines.into_iter())
}

fn of_idle(idle: &Idle) -> Vec<String> {
    let Idle {
        runners,
        postgres,
        runner,
        resident,
        own,
        transactions_per_second,
        statements_per_second,
        seconds,
    } = idle;
    let statements = match statements_per_second {
        Some(n) => format!("{n:.0} statements/s"),
        None => "statements are not counted (pg_stat_statements)".to_owned(),
    };
    vec![
        format!("IDLE, {runners} journeys with a runner each, over {seconds:.0} s"),
        format!(
            "PostgreSQL {:.1} % of a core, {transactions_per_second:.0} transactions/s, {statements}",
            postgres * 100.0
        ),
        format!(
            "a runner: {:.1} MB resident, {:.1} MB of them its own, {:.2} % of a core",
            mega(*resident),
            mega(*own),
            runner * 100.0 / (*runners).max(1) as f64
        ),
    ]
}

fn of_tables(tables: &[TableSize]) -> Vec<String> {
    let lines = tables.iter().map(|size| {
        let each = |bytes: u64| bytes as f64 / size.rows.max(1) as f64;
        format!(
            "{:<24} {:>10} {:>9.1} {:>9.1} {:>10.0} {:>10.0}",
            size.table,
            size.rows,
            mega(size.bytes),
            mega(size.index_bytes),
            each(size.bytes),
            each(size.index_bytes)
        )
    });
    let head = format!(
        "{:<24} {:>10} {:>9} {:>9} {:>10} {:>10}",
        "TABLES", "rows", "MB", "index MB", "bytes/row", "index/row"
    );
    headed(head, lines)
}

fn of_books(books: &Books) -> String {
    let Books {
        accepted,
        due,
        told,
        reached,
        repeated,
        again,
        completed,
    } = books;
    let verdict = if books.balance() {
        "they balance"
    } else {
        "THEY DO NOT BALANCE"
    };
    format!(
        "books: accepted {accepted}, due {due} of whom told {told}; reached {reached}, again {again}, repeated {repeated}, completed {completed}: {verdict}"
    )
}

fn headed(head: String, lines: impl Iterator<Item = String>) -> Vec<String> {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return lines;
    }
    [vec![head], lines].concat()
}

/// With what each took of the gateway, the runner and PostgreSQL together.
fn of_cores(cores: &Cores, per_second: f64) -> String {
    let [gateway, runner, postgres, _load] = each(cores, per_second);
    format!(
        "{:>17.2} {:>7.2} {:>9.2} {:>6.2} {:>9.0}",
        cores.gateway,
        cores.runner,
        cores.postgres,
        cores.load,
        gateway + runner + postgres
    )
}
