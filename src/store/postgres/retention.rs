//! Rotation and retention: days of the event log made ahead and dropped whole, and rows that are old deleted in batches. By the role that owns
//! the schema, one process at a time: an advisory lock is tried before each step, and whoever does not get it leaves the work to the other.
//!
//! Nothing here waits long for a lock, for whoever waits for the event log's makes everybody behind wait: what is not to be had within a second
//! is left to the next call.

use super::sql;
use crate::{
    clock::{DAY, HOUR, Micros},
    store::{Forgotten, Keep, Result, rules},
};
use deadpool_postgres::Object;

/// Partitions that are made ahead of today's: as long may an operator be away.
const AHEAD: i32 = 7;
/// Rows of one transaction.
const BATCH: i64 = 5_000;
/// Transactions of one call, at most.
const BATCHES: usize = 200;
const HASTE: &str =
    "SET LOCAL lock_timeout = '1s'; SET LOCAL statement_timeout = '600s'; SET LOCAL enable_seqscan = on";

/// None: another process is at it.
pub(super) async fn forget(client: &mut Object, keep: &Keep) -> Result<Option<Forgotten>> {
    let mut gone = Forgotten::default();
    let tx = sql::begin(client).await?;
    let now = sql::now(&tx).await?;
    drop(tx);
    let Some(days) = rotate(client, keep, now).await? else {
        return Ok(None);
    };
    gone.days = days;
    let enrollments = "NOT active AND watch_until < $1";
    let tables = [
        ("event_other", "accepted_at < $1", keep.events),
        ("message", "outcome IS NOT NULL AND at < $1", keep.messages),
        ("contact", "at < $1", keep.contacts),
        ("enrollment", enrollments, keep.enrollments),
        ("quarantine", "at < $1", keep.quarantine),
    ];
    let mut batches = BATCHES;
    for (table, old, kept) in tables {
        let rows = match table {
            "event_other" => &mut gone.events,
            "message" => &mut gone.messages,
            "contact" => &mut gone.contacts,
            "enrollment" => &mut gone.enrollments,
            _ => &mut gone.quarantine,
        };
        loop {
            let Some(deleted) = delete(client, table, old, now.saturating_sub(kept)).await? else {
                return Ok(None);
            };
            *rows += deleted;
            batches = batches.saturating_sub(1);
            if deleted < BATCH.unsigned_abs() || batches == 0 {
                break;
            }
        }
    }
    gone.more = batches == 0;
    let Some(counts) = by_the_day(client, now.saturating_sub(keep.hours)).await? else {
        return Ok(None);
    };
    gone.counts = counts;
    Ok(Some(gone))
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

async fn delete(client: &mut Object, table: &str, old: &str, before: Micros) -> Result<Option<u64>> {
    let Some(tx) = alone(client).await? else {
        return Ok(None);
    };
    let rows = format!(
        "DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT ctid FROM {table} WHERE {old} LIMIT {BATCH} FOR UPDATE SKIP LOCKED)) AND {old}"
    );
    let deleted = sql::run(&tx, &rows, &[&before]).await?;
    tx.commit().await?;
    Ok(Some(deleted))
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
