//! Programs: what the operator puts and takes away.
//!
//! Two advisory locks order this against everybody else. Gateways and runners hold the namespace's shared while they write; whoever stops a
//! journey, forgets a revision or removes a namespace holds it exclusively for a moment, so that nobody writes by what he read before. The
//! journey's own lock keeps a removal and a new beginning of the same name apart; it is taken before the namespace's.

use super::{connection::UNHURRIED, sql};
use crate::store::{JourneyRow, NamespacePrograms, Result, StoreError, StoredJourney};
use deadpool_postgres::Object;
use std::collections::BTreeSet;
use tokio_postgres::types::ToSql;

/// Tables with rows of one journey, the bulk first; `journey` itself last, so that a removal that broke off is seen and done again.
const OF_A_JOURNEY: [&str; 14] = [
    "placed",
    "inbox",
    "outbox",
    "enrollment",
    "sighting",
    "sweep",
    "news",
    "message",
    "kpi",
    "pace",
    "lease",
    "member",
    "program",
    "journey",
];
const OF_A_NAMESPACE: [&str; 12] = [
    "alias",
    "contact",
    "consent",
    "customer",
    "event",
    "quarantine",
    "suppression",
    "import",
    "schedule",
    "forgotten",
    "member",
    "namespace",
];

pub(super) async fn put_settings(
    client: &mut Object,
    namespace: &str,
    body: &serde_json::Value,
) -> Result<Vec<String>> {
    let tx = sql::begin(client).await?;
    exclusive(&tx, namespace).await?;
    let known = sql::maybe(
        &tx,
        "SELECT settings FROM namespace WHERE namespace = $1",
        &[&namespace],
    )
    .await?;
    let known: Option<String> = known.and_then(|row| row.get(0));
    if known.map(|text| parse(&text)).transpose()?.as_ref() == Some(body) {
        return Ok(Vec::new());
    }
    changed(&tx, namespace).await?;
    sql::run(
        &tx,
        "UPDATE namespace SET settings = $2 WHERE namespace = $1",
        &[&namespace, &body.to_string()],
    )
    .await?;
    let journeys = sql::rows(&tx, "SELECT journey FROM journey WHERE namespace = $1", &[&namespace]).await?;
    tx.commit().await?;
    Ok(journeys.iter().map(|row| row.get(0)).collect())
}

/// Gives whether anything changed.
pub(super) async fn put_journey(client: &mut Object, namespace: &str, row: &JourneyRow) -> Result<bool> {
    let tx = sql::begin(client).await?;
    let (same, stopped) = stands(&tx, namespace, row).await?;
    if same && forgettable(&tx, namespace, &row.journey).await?.is_empty() {
        return Ok(false);
    }
    drop(tx);
    if stopped {
        remove_stopped(client, namespace, &row.journey).await?;
    }
    let tx = sql::begin(client).await?;
    alone(&tx, namespace, &row.journey).await?;
    exclusive(&tx, namespace).await?;
    let listens: Vec<&str> = row.listens.iter().map(String::as_str).collect();
    sql::run(
        &tx,
        "INSERT INTO program (namespace, journey, revision, suspended, listens, body) VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (namespace, journey, revision) DO UPDATE SET suspended = $4, listens = $5, body = $6",
        &[
            &namespace,
            &row.journey,
            &row.revision,
            &row.suspended,
            &listens,
            &row.body.to_string(),
        ],
    )
    .await?;
    sql::run(
        &tx,
        "INSERT INTO journey AS j (namespace, journey, current) VALUES ($1, $2, $3) ON CONFLICT (namespace, journey) DO UPDATE \
         SET previous = CASE WHEN j.current = $3 THEN j.previous ELSE j.current END, current = $3",
        &[&namespace, &row.journey, &row.revision],
    )
    .await?;
    let forgotten = forgettable(&tx, namespace, &row.journey).await?;
    let those: [&(dyn ToSql + Sync); 3] = [&namespace, &row.journey, &forgotten];
    sql::run(
        &tx,
        "DELETE FROM program WHERE namespace = $1 AND journey = $2 AND revision = ANY($3)",
        &those,
    )
    .await?;
    if same && forgotten.is_empty() {
        return Ok(false);
    }
    changed(&tx, namespace).await?;
    tx.commit().await?;
    Ok(true)
}

/// Whether the journey already is as `row` says, and whether it is stopped.
async fn stands(tx: &sql::Transaction<'_>, namespace: &str, row: &JourneyRow) -> Result<(bool, bool)> {
    let known = sql::maybe(
        tx,
        "SELECT j.stopped, j.current, p.suspended, p.listens, p.body FROM journey j \
         LEFT JOIN program p ON p.namespace = j.namespace AND p.journey = j.journey AND p.revision = j.current \
         WHERE j.namespace = $1 AND j.journey = $2",
        &[&namespace, &row.journey],
    )
    .await?;
    let Some(known) = known else { return Ok((false, false)) };
    let stopped: bool = known.get(0);
    let same = !stopped
        && known.get::<_, String>(1) == row.revision
        && known.get::<_, Option<bool>>(2) == Some(row.suspended)
        && known
            .get::<_, Option<Vec<String>>>(3)
            .is_some_and(|listens| listens.into_iter().collect::<BTreeSet<_>>() == row.listens)
        && known
            .get::<_, Option<String>>(4)
            .map(|body| parse(&body))
            .transpose()?
            .as_ref()
            == Some(&row.body);
    Ok((same, stopped))
}

/// Revisions that nobody walks; never the current one or the one before it, because runners may not have heard of the change.
async fn forgettable(tx: &sql::Transaction<'_>, namespace: &str, journey: &str) -> Result<Vec<String>> {
    let rows = sql::rows(
        tx,
        "SELECT p.revision FROM program p JOIN journey j USING (namespace, journey) \
         WHERE p.namespace = $1 AND p.journey = $2 AND p.revision <> j.current AND p.revision IS DISTINCT FROM j.previous \
         AND NOT EXISTS (SELECT FROM enrollment e WHERE e.namespace = $1 AND e.journey = $2 AND e.revision = p.revision AND e.active) \
         AND NOT EXISTS (SELECT FROM enrollment e WHERE e.namespace = $1 AND e.journey = $2 AND e.revision = p.revision \
             AND NOT e.active AND e.watch_until > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)",
        &[&namespace, &journey],
    )
    .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Gives whether there was something to stop.
pub(super) async fn stop_journey(client: &mut Object, namespace: &str, journey: &str) -> Result<bool> {
    let tx = sql::begin(client).await?;
    exclusive(&tx, namespace).await?;
    let those: [&(dyn ToSql + Sync); 2] = [&namespace, &journey];
    let stopped = "UPDATE journey SET stopped = true WHERE namespace = $1 AND journey = $2 AND NOT stopped";
    if sql::run(&tx, stopped, &those).await? == 0 {
        return Ok(false);
    }
    changed(&tx, namespace).await?;
    tx.commit().await?;
    Ok(true)
}

/// Stops it first: then nobody writes to it any more, and the bulk goes without holding anybody up.
pub(super) async fn remove_journey(client: &mut Object, namespace: &str, journey: &str) -> Result<()> {
    stop_journey(client, namespace, journey).await?;
    remove_stopped(client, namespace, journey).await
}

async fn remove_stopped(client: &mut Object, namespace: &str, journey: &str) -> Result<()> {
    let tx = sql::begin(client).await?;
    tx.batch_execute(UNHURRIED).await?;
    alone(&tx, namespace, journey).await?;
    let those: [&(dyn ToSql + Sync); 2] = [&namespace, &journey];
    let stopped = "SELECT FROM journey WHERE namespace = $1 AND journey = $2 AND stopped";
    if sql::maybe(&tx, stopped, &those).await?.is_none() {
        return Ok(());
    }
    for table in OF_A_JOURNEY {
        sql::run(
            &tx,
            &format!("DELETE FROM {table} WHERE namespace = $1 AND journey = $2"),
            &those,
        )
        .await?;
    }
    changed(&tx, namespace).await?;
    tx.commit().await?;
    Ok(())
}

pub(super) async fn remove_namespace(client: &mut Object, namespace: &str) -> Result<Vec<String>> {
    let tx = sql::begin(client).await?;
    tx.batch_execute(UNHURRIED).await?;
    let journeys = sql::rows(
        &tx,
        "SELECT journey FROM journey WHERE namespace = $1 ORDER BY journey",
        &[&namespace],
    )
    .await?;
    let journeys: Vec<String> = journeys.iter().map(|row| row.get(0)).collect();
    for journey in &journeys {
        alone(&tx, namespace, journey).await?;
    }
    exclusive(&tx, namespace).await?;
    for table in OF_A_JOURNEY.iter().chain(&OF_A_NAMESPACE) {
        sql::run(&tx, &format!("DELETE FROM {table} WHERE namespace = $1"), &[&namespace]).await?;
    }
    tx.commit().await?;
    Ok(journeys)
}

pub(super) async fn programs(client: &mut Object, namespace: &str, known: i64) -> Result<Option<NamespacePrograms>> {
    let version = "SELECT version, settings FROM namespace WHERE namespace = $1";
    let head = client.prepare_cached(version).await?;
    let now = client
        .query_opt(&head, &[&namespace])
        .await?
        .map_or(0, |row| row.get::<_, i64>(0));
    if now == known {
        return Ok(None);
    }
    let tx = sql::snapshot(client).await?;
    let Some(space) = sql::maybe(&tx, version, &[&namespace]).await? else {
        return Ok(Some(NamespacePrograms::default()));
    };
    let rows = sql::rows(
        &tx,
        "SELECT p.journey, p.revision, p.suspended, p.listens, p.body, p.revision = j.current, j.stopped \
         FROM program p JOIN journey j USING (namespace, journey) WHERE p.namespace = $1 \
         ORDER BY p.journey, p.revision = j.current DESC, p.revision",
        &[&namespace],
    )
    .await?;
    let journeys = rows.iter().map(|row| {
        Ok(StoredJourney {
            row: JourneyRow {
                journey: row.get(0),
                revision: row.get(1),
                suspended: row.get(2),
                listens: row.get::<_, Vec<String>>(3).into_iter().collect(),
                body: parse(row.get(4))?,
            },
            current: row.get(5),
            stopped: row.get(6),
        })
    });
    Ok(Some(NamespacePrograms {
        version: space.get(0),
        settings: space.get::<_, Option<&str>>(1).map(parse).transpose()?,
        journeys: journeys.collect::<Result<_>>()?,
    }))
}

fn parse(text: &str) -> Result<serde_json::Value> {
    serde_json::from_str(text).map_err(|error| StoreError::Unreadable(format!("a program: {error}").into()))
}

async fn changed(tx: &sql::Transaction<'_>, namespace: &str) -> Result<()> {
    let next = "INSERT INTO namespace (namespace, version) VALUES ($1, nextval('program_version')) \
                ON CONFLICT (namespace) DO UPDATE SET version = excluded.version";
    sql::run(tx, next, &[&namespace]).await.map(drop)
}

pub(super) const SHARED: &str = "SELECT pg_advisory_xact_lock_shared(1, hashtext($1))";

/// Held by gateways and runners while they write; see the module.
pub(super) async fn shared(tx: &sql::Transaction<'_>, namespace: &str) -> Result<()> {
    sql::rows(tx, SHARED, &[&namespace]).await.map(drop)
}

async fn exclusive(tx: &sql::Transaction<'_>, namespace: &str) -> Result<()> {
    sql::rows(tx, "SELECT pg_advisory_xact_lock(1, hashtext($1))", &[&namespace])
        .await
        .map(drop)
}

async fn alone(tx: &sql::Transaction<'_>, namespace: &str, journey: &str) -> Result<()> {
    sql::rows(
        tx,
        "SELECT pg_advisory_xact_lock(2, hashtext($1 || '/' || $2))",
        &[&namespace, &journey],
    )
    .await
    .map(drop)
}
