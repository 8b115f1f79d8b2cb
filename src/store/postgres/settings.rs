//! Settings of the database that this store stands or falls with, and what is found of them. docs/database.md has each with its reason.

use super::sql;
use crate::store::{Finding, Grade, Result};
use deadpool_postgres::Object;
use std::collections::BTreeMap;

const MEBI: f64 = 1_048_576.0;
const GIBI: f64 = 1_073_741_824.0;

/// What the database says, by name; sizes in bytes, times in seconds.
type Said = BTreeMap<String, String>;

/// Connections of each kind of process, one that listens among them, as they are unless a flag says otherwise.
const OF_AN_OPERATOR: i64 = 9;
const OF_A_GATEWAY: i64 = 9;
const OF_A_RUNNER: i64 = 5;

pub(super) async fn findings(client: &mut Object) -> Result<Vec<Finding>> {
    let tx = sql::begin(client).await?;
    // What this session sets for itself says nothing of others: reset_val is what the server, the database and the role say.
    let rows = sql::rows(
        &tx,
        "SELECT name, reset_val, coalesce(unit, '') FROM pg_settings WHERE name = ANY($1)",
        &[&NAMES.as_slice()],
    )
    .await?;
    let said = rows
        .iter()
        .map(|row| (row.get(0), plain(row.get(1), row.get(2))))
        .collect();
    let there = "SELECT to_regclass('journey.journey') IS NOT NULL";
    let needed = if sql::rows(&tx, there, &[]).await?[0].get(0) {
        let count =
            "SELECT (SELECT count(*) FROM journey.namespace), (SELECT count(*) FROM journey.journey WHERE NOT stopped)";
        let counts = sql::rows(&tx, count, &[]).await?;
        let (namespaces, journeys): (i64, i64) = (counts[0].get(0), counts[0].get(1));
        2 * OF_AN_OPERATOR + namespaces * OF_A_GATEWAY + journeys * OF_A_RUNNER
    } else {
        2 * OF_AN_OPERATOR
    };
    Ok(judge(&said, needed))
}

const NAMES: [&str; 12] = [
    "server_version_num",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "min_wal_size",
    "max_wal_size",
    "checkpoint_timeout",
    "wal_compression",
    "max_connections",
    "superuser_reserved_connections",
    "idle_in_transaction_session_timeout",
    "autovacuum",
];

/// A value without its unit: bytes or seconds.
fn plain(value: &str, unit: &str) -> String {
    let factor = match unit {
        "MB" => MEBI,
        "kB" => 1024.0,
        "8kB" => 8192.0,
        "ms" => 0.001,
        "min" => 60.0,
        _ => return value.to_owned(),
    };
    value
        .parse::<f64>()
        .map_or_else(|_| value.to_owned(), |number| (number * factor).to_string())
}

/// `needed`: connections of all processes that the rows tell of.
fn judge(said: &Said, needed: i64) -> Vec<Finding> {
    let text = |name: &str| said.get(name).map(String::as_str).unwrap_or_default();
    let number = |name: &str| text(name).parse::<f64>().unwrap_or_default();
    let mut findings = Vec::new();
    let mut find = |grade, setting: &'static str, value: String, wanted: String, why| {
        findings.push(Finding {
            grade,
            setting,
            value,
            wanted,
            why,
        });
    };
    if number("server_version_num") < 140_000.0 {
        let (value, wanted) = (text("server_version_num").to_owned(), "140000 or more".to_owned());
        find(
            Grade::Unsafe,
            "server_version_num",
            value,
            wanted,
            "older versions lack what the statements use",
        );
    }
    let unsafe_off = [
        ("fsync", "a crash of the machine loses and damages what was committed"),
        (
            "full_page_writes",
            "a crash of the machine leaves pages half written, and rows that cannot be read",
        ),
        (
            "synchronous_commit",
            "a crash of the server forgets claims of messages that went out: they go out twice, and accepted events are lost",
        ),
    ];
    for (setting, why) in unsafe_off {
        if text(setting) == "off" {
            find(Grade::Unsafe, setting, "off".to_owned(), "on".to_owned(), why);
        }
    }
    let sizes = [
        (
            "min_wal_size",
            5.0,
            "segments that are made anew must be zeroed: at 5,000 journeys a second the 99th percentile was 68 ms while they were, 12 ms with recycled ones; hold one checkpoint's worth",
        ),
        (
            "max_wal_size",
            8.0,
            "checkpoints come early under load, and each makes every page be written whole once more",
        ),
    ];
    for (setting, gibi, why) in sizes {
        if number(setting) < gibi * GIBI {
            let value = format!("{:.1} GB", number(setting) / GIBI);
            find(Grade::Advice, setting, value, format!("{gibi} GB or more"), why);
        }
    }
    if number("checkpoint_timeout") < 900.0 {
        let value = format!("{} s", number("checkpoint_timeout"));
        let why = "after a checkpoint every page is written whole once more: the 99th percentile doubles for some ten seconds";
        find(
            Grade::Advice,
            "checkpoint_timeout",
            value,
            "900 s or more".to_owned(),
            why,
        );
    }
    if text("wal_compression") == "off" {
        let why = "whole pages are most of what is written ahead";
        find(
            Grade::Advice,
            "wal_compression",
            "off".to_owned(),
            "lz4 (on before PostgreSQL 15)".to_owned(),
            why,
        );
    }
    if text("autovacuum") == "off" {
        let why = "inbox and outbox are queues: without it they grow, and every round reads what is long done";
        find(Grade::Unsafe, "autovacuum", "off".to_owned(), "on".to_owned(), why);
    }
    if number("idle_in_transaction_session_timeout") == 0.0 {
        let why = "this store sets its own; a session of somebody else that is forgotten within a transaction keeps dead rows in the queues";
        find(
            Grade::Advice,
            "idle_in_transaction_session_timeout",
            "none".to_owned(),
            "60 s, say".to_owned(),
            why,
        );
    }
    let free = number("max_connections") - number("superuser_reserved_connections");
    if free < needed as f64 {
        let why = "an operator takes 9, a gateway 9, a runner 5, unless database.connections and JOURNEY_DATABASE_CONNECTIONS say otherwise; this counts two operators, a gateway a namespace and a runner a journey";
        find(
            Grade::Advice,
            "max_connections",
            free.to_string(),
            format!("{needed} or more"),
            why,
        );
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Said {
        let all = [
            ("server_version_num", "150006"),
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_commit", "on"),
            ("min_wal_size", "5368709120"),
            ("max_wal_size", "8589934592"),
            ("checkpoint_timeout", "900"),
            ("wal_compression", "lz4"),
            ("max_connections", "200"),
            ("superuser_reserved_connections", "3"),
            ("idle_in_transaction_session_timeout", "60"),
            ("autovacuum", "on"),
        ];
        all.into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    #[test]
    fn each_setting_that_is_not_as_it_should_be_is_found_and_no_other() {
        assert_eq!(judge(&good(), 197), []);
        let wrong = [
            ("server_version_num", "130010", Grade::Unsafe),
            ("fsync", "off", Grade::Unsafe),
            ("full_page_writes", "off", Grade::Unsafe),
            ("synchronous_commit", "off", Grade::Unsafe),
            ("autovacuum", "off", Grade::Unsafe),
            ("min_wal_size", "83886080", Grade::Advice),
            ("max_wal_size", "1073741824", Grade::Advice),
            ("checkpoint_timeout", "300", Grade::Advice),
            ("wal_compression", "off", Grade::Advice),
            ("idle_in_transaction_session_timeout", "0", Grade::Advice),
            ("max_connections", "199", Grade::Advice),
        ];
        for (setting, value, grade) in wrong {
            let mut said = good();
            said.insert(setting.to_owned(), value.to_owned());
            let found: Vec<_> = judge(&said, 197)
                .iter()
                .map(|each| (each.setting, each.grade))
                .collect();
            assert_eq!(found, [(setting, grade)]);
        }
        for safe in ["local", "remote_write", "remote_apply"] {
            let mut said = good();
            said.insert("synchronous_commit".to_owned(), safe.to_owned());
            assert_eq!(judge(&said, 1), []);
        }
    }

    #[test]
    fn units_are_taken_away() {
        assert_eq!(plain("80", "MB"), "83886080");
        assert_eq!(plain("300", "s"), "300");
        assert_eq!(plain("4000", "ms"), "4");
        assert_eq!(plain("on", ""), "on");
    }
}
