//! Rotation and retention: days of the event log made ahead and dropped whole, and rows that are old deleted in batches. By the role that owns
//! the schema, one process at a time: an advisory lock is tried before each step, and whoever does not get it leaves the work to the other.
//!
//! Nothing here waits long for a lock, for whoever waits for the event log's makes everybody behind wait: what is not to be had within a second
//! is left to the next call.

use super::sql;
use crate::{
    clock::{DAY, HOUR, Micros},
    store::{Forgotten, Keep, Keeps, Result, Shorter, StoreError, rules},
};
use deadpool_postgres::Object;
use std::collections::BTreeMap;

/// Partitions that are made ahead of today's: as long may an operator be away.
const AHEAD: i32 = 7;
/// Rows of one transaction.
const BATCH: i64 = 5_000;
/// Transactions of one call, at most.
const BATCHES: usize = 200;
const HASTE: &str =
    "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '600s'; SET LOCAL enable_seqscan = on";

/// Rows that went, by namespace and kind.
type Removed = BTreeMap<(String, &'static str), i64>;

/// What is still to be done in one call, and what was done.
struct Run<'c> {
    client: &'c mut Object,
    now: Micros,
    batches: usize,
    removed: Removed,
}

/// Rows of every namespace that are older than may be: the kind, the table, and which they are.
const OLD: [(&str, &str, &str); 5] = [
    ("events", "event_other", "accepted_at < $1"),
    ("messages", "message", "outcome IS NOT NULL AND at < $1"),
    ("contacts", "contact", "at < $1"),
    ("enrollments", "enrollment", "NOT active AND watch_until < $1"),
    ("quarantine", "quarantine", "at < $1"),
];

/// The same of one namespace. An event counts by its day, and, where that was over when it came, by when it came; its place alone does not name it,
/// because the log is in parts.
const EVENTS_OF_ONE: &str = "WITH old AS (SELECT day, key FROM event WHERE namespace = $2 AND day < $3 AND accepted_at < $1 \
        LIMIT $4 FOR UPDATE SKIP LOCKED) \
    DELETE FROM event e USING old WHERE e.namespace = $2 AND e.day = old.day AND e.key = old.key";

/// None: another process is at it.
pub(super) async fn forget(client: &mut Object, keep: &Keep, shorter: &Shorter) -> Result<Option<Forgotten>> {
    let mut gone = Forgotten::default();
    let tx = sql::begin(client).await?;
    let now = sql::now(&tx).await?;
    drop(tx);
    let Some(days) = rotate(client, keep, now).await? else {
        return Ok(None);
    };
    gone.days = days;
    let mut run = Run {
        client,
        now,
        batches: BATCHES,
        removed: Removed::new(),
    };
    if run.everywhere(keep).await?.is_none() || run.by_policy(keep, shorter).await?.is_none() {
        return Ok(None);
    }
    for ((_, kind), rows) in &run.removed {
        *match *kind {
            "events" => &mut gone.events,
            "messages" => &mut gone.messages,
            "contacts" => &mut gone.contacts,
            "enrollments" => &mut gone.enrollments,
            _ => &mut gone.quarantine,
        } += rows.unsigned_abs();
    }
    gone.more = run.batches == 0;
    if run.write_down(!gone.more).await?.is_none() {
        return Ok(None);
    }
    let Some(counts) = by_the_day(client, now.saturating_sub(keep.hours)).await? else {
        return Ok(None);
    };
    gone.counts = counts;
    Ok(Some(gone))
}

impl Run<'_> {
    /// What is old by what holds for all namespaces.
    async fn everywhere(&mut self, keep: &Keep) -> Result<Option<()>> {
        for (kind, table, old) in OLD {
            let kept = match kind {
                "events" => keep.events,
                "messages" => keep.messages,
                "contacts" => keep.contacts,
                "enrollments" => keep.enrollments,
                _ => keep.quarantine,
            };
            let before = self.now.saturating_sub(kept);
            let rows = format!(
                "WITH gone AS (DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {old} LIMIT {BATCH} FOR UPDATE SKIP LOCKED)) \
                 AND {old} RETURNING namespace) SELECT namespace, count(*) FROM gone GROUP BY 1"
            );
            loop {
                let Some(tx) = alone(self.client).await? else {
                    return Ok(None);
                };
                let deleted = sql::rows(&tx, &rows, &[&before]).await?;
                tx.commit().await?;
                let deleted = deleted.iter().map(|row| (row.get(0), row.get(1)));
                if self.took(kind, deleted.collect()) {
                    break;
                }
            }
        }
        Ok(Some(()))
    }

    /// What is old by what one namespace's policies say, where that is shorter.
    async fn by_policy(&mut self, keep: &Keep, shorter: &Shorter) -> Result<Option<()>> {
        for (namespace, keeps) in shorter {
            let Keeps {
                events,
                messages,
                contacts,
                enrollments,
            } = *keeps;
            let spans = [
                ("events", events, keep.events),
                ("messages", messages, keep.messages),
                ("contacts", contacts, keep.contacts),
                ("enrollments", enrollments, keep.enrollments),
            ];
            for (kind, own, kept) in spans {
                let Some(own) = own.filter(|own| *own < kept) else {
                    continue;
                };
                let before = self.now.saturating_sub(own);
                loop {
                    let Some(tx) = alone(self.client).await? else {
                        return Ok(None);
                    };
                    let deleted = if kind == "events" {
                        let day = rules::day(before);
                        sql::run(&tx, EVENTS_OF_ONE, &[&before, namespace, &day, &BATCH]).await?
                    } else {
                        sql::run(&tx, &of_one(kind), &[&before, namespace]).await?
                    };
                    tx.commit().await?;
                    let deleted = i64::try_from(deleted).unwrap_or(i64::MAX);
                    if self.took(kind, vec![(namespace.clone(), deleted)]) {
                        break;
                    }
                }
            }
        }
        Ok(Some(()))
    }

    /// Adds a batch to what went; gives whether it was the last that this kind has, or this call makes.
    fn took(&mut self, kind: &'static str, deleted: Vec<(String, i64)>) -> bool {
        let rows: i64 = deleted.iter().map(|(_, rows)| rows).sum();
        for (namespace, rows) in deleted.into_iter().filter(|(_, rows)| *rows > 0) {
            *self.removed.entry((namespace, kind)).or_default() += rows;
        }
        if rows < BATCH {
            return true;
        }
        self.batches = self.batches.saturating_sub(1);
        self.batches == 0
    }

    /// What was removed, of each namespace that is known; and when, where nothing is `left`.
    async fn write_down(&mut self, through: bool) -> Result<Option<()>> {
        let Some(tx) = alone(self.client).await? else {
            return Ok(None);
        };
        let (namespaces, (kinds, removed)): (Vec<&str>, (Vec<&str>, Vec<i64>)) = self
            .removed
            .iter()
            .map(|((namespace, kind), rows)| (namespace.as_str(), (*kind, *rows)))
            .unzip();
        let added = "INSERT INTO forgotten AS f (namespace, kind, last_run, removed) \
            SELECT u.namespace, u.kind, 0, u.removed FROM unnest($1::text[], $2::text[], $3::bigint[]) u (namespace, kind, removed) ORDER BY 1, 2 \
            ON CONFLICT (namespace, kind) DO UPDATE SET removed = f.removed + excluded.removed";
        sql::run(&tx, added, &[&namespaces, &kinds, &removed]).await?;
        if through {
            let kinds: Vec<&str> = OLD.iter().map(|(kind, _, _)| *kind).collect();
            let ran = "INSERT INTO forgotten AS f (namespace, kind, last_run, removed) \
                SELECT n.namespace, k, $1, 0 FROM namespace n CROSS JOIN unnest($2::text[]) k ORDER BY 1, 2 \
                ON CONFLICT (namespace, kind) DO UPDATE SET last_run = excluded.last_run";
            sql::run(&tx, ran, &[&self.now, &kinds]).await?;
        }
        tx.commit().await?;
        Ok(Some(()))
    }
}

/// A batch of one namespace's old rows of a kind.
fn of_one(kind: &str) -> String {
    let found = OLD.iter().find(|(known, _, _)| *known == kind);
    let (_, table, old) = found.copied().unwrap_or(OLD[1]);
    format!(
        "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE namespace = $2 AND {old} LIMIT {BATCH} FOR UPDATE SKIP LOCKED)) \
         AND namespace = $2 AND {old}"
    )
}

pub(super) async fn all_settings(client: &mut Object) -> Result<BTreeMap<String, serde_json::Value>> {
    let tx = sql::begin(client).await?;
    let all = "SELECT namespace, settings FROM namespace WHERE settings IS NOT NULL";
    let rows = sql::rows(&tx, all, &[]).await?;
    let rows = rows.iter().map(|row| {
        let settings = serde_json::from_str(row.get(1))
            .map_err(|error| StoreError::Unreadable(format!("settings of a namespace: {error}").into()))?;
        Ok((row.get(0), settings))
    });
    rows.collect()
}

/// Makes partitions ahead, and drops those whose last day is over for so long. Gives how many it dropped.
async fn rotate(client: &mut Object, keep: &Keep, now: Micros) -> Result<Option<u64>> {
    let (today, kept) = (rules::day(now), i32::try_from(keep.events / DAY).unwrap_or(i32::MAX));
    let tx = sql::begin(client).await?;
    let there = sql::rows(
        &tx,
        "SELECT c.relname::text, substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO \\(''?(-?[0-9]+)''?\\)')::integer \
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'event'::regclass",
        &[],
    )
    .await?;
    drop(tx);
    let ends: Vec<(String, i32)> = there
        .iter()
        .filter_map(|row| Some((row.get(0), row.get::<_, Option<i32>>(1)?)))
        .collect();
    let last = ends.iter().map(|(_, end)| *end).max().unwrap_or(today);
    // Days before the first one ahead have none only when the operator was away: what came then is in event_other, and goes from there.
    for day in last.max(today)..=today.saturating_add(AHEAD) {
        let Some(tx) = alone(client).await? else {
            return Ok(None);
        };
        let name = format!("event_{}", named(day));
        tx.batch_execute(&format!(
            "CREATE TABLE {name} (LIKE event INCLUDING ALL); \
             ALTER TABLE event ATTACH PARTITION {name} FOR VALUES FROM ({day}) TO ({})",
            day.saturating_add(1)
        ))
        .await?;
        tx.commit().await?;
    }
    let mut dropped = 0;
    for (name, end) in ends {
        if end > today.saturating_sub(kept) {
            continue;
        }
        let Some(tx) = alone(client).await? else {
            return Ok(None);
        };
        tx.batch_execute(&format!("DROP TABLE {name}")).await?;
        tx.commit().await?;
        dropped += 1;
    }
    Ok(Some(dropped))
}

/// 20261201; a number that has no date is what it is.
fn named(day: i32) -> String {
    jiff::Timestamp::from_microsecond(i64::from(day).saturating_mul(DAY)).map_or_else(
        |_| day.to_string(),
        |at| at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%Y%m%d").to_string(),
    )
}

/// A transaction of whoever has the lock. None: another process has it.
async fn alone(client: &mut Object) -> Result<Option<sql::Transaction<'_>>> {
    let tx = sql::begin(client).await?;
    tx.batch_execute(HASTE).await?;
    let mine = sql::rows(&tx, "SELECT pg_try_advisory_xact_lock(5, 0)", &[]).await?;
    Ok(mine[0].get::<_, bool>(0).then_some(tx))
}

/// Adds counts of hours that are over for so long to the first hour of their day.
async fn by_the_day(client: &mut Object, before: Micros) -> Result<Option<u64>> {
    let Some(tx) = alone(client).await? else {
        return Ok(None);
    };
    // Whole days alone.
    let hour = before.div_euclid(DAY).saturating_mul(DAY / HOUR);
    let added = sql::rows(
        &tx,
        "WITH old AS (DELETE FROM kpi WHERE bucket < $1 AND bucket % 24 <> 0 RETURNING namespace, journey, part, name, bucket, n), \
         day AS (INSERT INTO kpi AS k (namespace, journey, part, name, bucket, n) \
             SELECT namespace, journey, part, name, bucket - bucket % 24, sum(n)::bigint FROM old GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5 \
             ON CONFLICT (namespace, journey, part, name, bucket) DO UPDATE SET n = k.n + excluded.n) \
         SELECT count(*) FROM old",
        &[&hour],
    )
    .await?;
    let added: i64 = added[0].get(0);
    tx.commit().await?;
    Ok(Some(added.unsigned_abs()))
}
