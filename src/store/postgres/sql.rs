//! Transactions, and statements prepared once a connection.
//!
//! What does not wait for an answer before it is sent together: statements that are joined in one future (`try_join!` with `biased`, so in
//! their order) go out in one flight and are carried out one after the other, each with a snapshot of its own. So BEGIN costs no wait, and a
//! transaction waits as often as it must know something, not as often as it says something.

use crate::{
    clock::Micros,
    keys::CustomerKey,
    kpi::Counts,
    store::{Backlog, Result},
};
use deadpool_postgres::Object;
use futures::{FutureExt as _, future::BoxFuture};
use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    task::Poll,
};
use tokio_postgres::{Error, Row, Statement, types::ToSql};

pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A transaction; one that is dropped is rolled back.
pub(super) struct Transaction<'c> {
    client: &'c Object,
    /// The answer to BEGIN, which nobody has waited for.
    begun: Mutex<Option<BoxFuture<'c, std::result::Result<(), Error>>>>,
    done: bool,
}

/// Begins one; BEGIN goes out at once, and what comes next goes out right behind it.
pub(super) async fn begin(client: &mut Object) -> Result<Transaction<'_>> {
    start(client, "BEGIN").await
}

/// A transaction that reads, all of it as of one instant.
pub(super) async fn snapshot(client: &mut Object) -> Result<Transaction<'_>> {
    start(client, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await
}

async fn start<'c>(client: &'c mut Object, how: &'static str) -> Result<Transaction<'c>> {
    let client: &'c Object = client;
    let mut begun = client.batch_execute(how).boxed();
    // It is sent when it is first polled.
    let begun = match futures::poll!(&mut begun) {
        Poll::Ready(answer) => {
            answer?;
            None
        }
        Poll::Pending => Some(begun),
    };
    Ok(Transaction {
        client,
        begun: Mutex::new(begun),
        done: false,
    })
}

impl Transaction<'_> {
    pub(super) async fn commit(mut self) -> Result<()> {
        let begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(begun) = begun {
            begun.await?;
        }
        self.done = true;
        Ok(self.client.batch_execute("COMMIT").await?)
    }

    pub(super) async fn batch_execute(&self, sql: &str) -> Result<()> {
        Ok(self.client.batch_execute(sql).await?)
    }

    async fn prepare(&self, sql: &str) -> Result<Statement> {
        Ok(self.client.prepare_cached(sql).await?)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.done {
            // It is sent; whoever uses the connection next comes after it.
            let _answer_comes_later = self.client.batch_execute("ROLLBACK").now_or_never();
        }
    }
}

/// Prepares statements whose order matters: of those that are joined, one that is not prepared yet would be overtaken by one that is.
pub(super) async fn prepare(tx: &Transaction<'_>, statements: &[&str]) -> Result<()> {
    for sql in statements {
        tx.prepare(sql).await?;
    }
    Ok(())
}

pub(super) async fn rows(tx: &Transaction<'_>, sql: &str, values: Values<'_>) -> Result<Vec<Row>> {
    let statement = tx.prepare(sql).await?;
    Ok(tx.client.query(&statement, values).await?)
}

pub(super) async fn maybe(tx: &Transaction<'_>, sql: &str, values: Values<'_>) -> Result<Option<Row>> {
    let statement = tx.prepare(sql).await?;
    Ok(tx.client.query_opt(&statement, values).await?)
}

/// Gives the rows changed.
pub(super) async fn run(tx: &Transaction<'_>, sql: &str, values: Values<'_>) -> Result<u64> {
    let statement = tx.prepare(sql).await?;
    Ok(tx.client.execute(&statement, values).await?)
}

pub(super) const NOW: &str = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/// The database's clock now, not as of the transaction's beginning: locks may have taken their time.
pub(super) async fn now(tx: &Transaction<'_>) -> Result<Micros> {
    Ok(rows(tx, NOW, &[]).await?[0].get(0))
}

/// Adds to counts. The part is the connection's own, so that connections do not wait for each other; within it rows go in one order.
pub(super) async fn count(tx: &Transaction<'_>, namespace: &str, journey: &str, counts: &Counts) -> Result<()> {
    if counts.0.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = counts.0.keys().map(|(name, _)| super::seal::text(name)).collect();
    let buckets: Vec<i64> = counts.0.keys().map(|(_, bucket)| *bucket).collect();
    let ns: Vec<i64> = counts.0.values().copied().collect();
    run(
        tx,
        "INSERT INTO kpi AS k (namespace, journey, part, name, bucket, n) \
         SELECT $1, $2, (pg_backend_pid() % 64)::smallint, u.name, u.bucket, sum(u.n)::bigint \
         FROM unnest($3::text[], $4::bigint[], $5::bigint[]) u (name, bucket, n) GROUP BY u.name, u.bucket ORDER BY u.name, u.bucket \
         ON CONFLICT (namespace, journey, part, name, bucket) DO UPDATE SET n = k.n + excluded.n",
        &[&namespace, &journey, &names, &buckets, &ns],
    )
    .await
    .map(drop)
}

pub(super) async fn counts(tx: &Transaction<'_>, namespace: &str, journey: &str) -> Result<Counts> {
    let sum = "SELECT name, bucket, sum(n)::bigint FROM kpi WHERE namespace = $1 AND journey = $2 GROUP BY name, bucket HAVING sum(n) <> 0";
    let rows = rows(tx, sum, &[&namespace, &journey]).await?;
    Ok(Counts(
        rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect(),
    ))
}

pub(super) async fn backlog(tx: &Transaction<'_>, namespace: &str, journey: &str) -> Result<Backlog> {
    let counts = rows(
        tx,
        "SELECT (SELECT count(*) FROM (SELECT FROM enrollment WHERE namespace = $1 AND journey = $2 AND active LIMIT $4) r), \
         (SELECT count(*) FROM (SELECT FROM inbox WHERE namespace = $1 AND journey = $2 LIMIT $4) r), \
         (SELECT count(*) FROM (SELECT FROM outbox WHERE namespace = $1 AND journey = $2 LIMIT $4) r), \
         (SELECT count(*) FROM (SELECT FROM enrollment WHERE namespace = $1 AND journey = $2 AND shard = ANY($3) AND due_at IS NOT NULL \
             AND due_at <= n.now LIMIT $4) r), \
         (SELECT count(*) FROM (SELECT FROM enrollment WHERE namespace = $1 AND journey = $2 AND paced LIMIT $4) r), \
         (SELECT count(*) FROM (SELECT FROM news WHERE namespace = $1 AND journey = $2 LIMIT $4) r), \
         greatest(0, n.now - least( \
             (SELECT min(d.due_at) FROM unnest($3::smallint[]) s (shard) CROSS JOIN LATERAL (SELECT due_at FROM enrollment \
                 WHERE namespace = $1 AND journey = $2 AND shard = s.shard AND due_at IS NOT NULL AND due_at <= n.now \
                 AND (active OR watch_until > n.now) ORDER BY due_at LIMIT 1) d), \
             (SELECT min(d.due_at) FROM unnest($3::smallint[]) s (shard) CROSS JOIN LATERAL (SELECT due_at FROM outbox \
                 WHERE namespace = $1 AND journey = $2 AND shard = s.shard AND due_at IS NOT NULL ORDER BY due_at LIMIT 1) d))) \
         FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) n",
        &[
            &namespace,
            &journey,
            &(0..i16::from(CustomerKey::SHARDS)).collect::<Vec<i16>>(),
            &(Backlog::MOST + 1),
        ],
    )
    .await?;
    let row = &counts[0];
    let paced: i64 = row.get(4);
    Ok(Backlog {
        active: row.get::<_, i64>(0) - paced,
        inbox: row.get(1),
        outbox: row.get(2),
        overdue: row.get(3),
        paced,
        news: row.get(5),
        oldest: row.get::<_, Option<i64>>(6).unwrap_or_default(),
    })
}

pub(super) async fn overfull(tx: &Transaction<'_>, namespace: &str, inbox: u32, news: u32) -> Result<BTreeSet<String>> {
    let full = rows(
        tx,
        "SELECT j.journey FROM journey j WHERE j.namespace = $1 AND NOT j.stopped \
         AND (EXISTS (SELECT FROM inbox i WHERE i.namespace = $1 AND i.journey = j.journey OFFSET $2 LIMIT 1) \
           OR EXISTS (SELECT FROM news n WHERE n.namespace = $1 AND n.journey = j.journey OFFSET $3 LIMIT 1))",
        &[&namespace, &i64::from(inbox), &i64::from(news)],
    )
    .await?;
    Ok(full.iter().map(|row| row.get(0)).collect())
}
