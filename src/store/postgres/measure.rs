//! What is measured of a whole database: how many runners it wakes, and, for `journey bench` only, many waiting customers at once, who holds a
//! journey's shards, and how large everything is.

use super::{
    Postgres, by_hand,
    commit::{self, RowsAt},
    connection::{LONG_PATIENCE, PATIENCE, UNHURRIED, settle},
    customers, sql,
};
use crate::{
    keys::Keys,
    personal::Personal,
    store::{EnrollmentRow, Result},
};
use deadpool_postgres::Object;

/// A customer who is nowhere yet, and the enrollment that is to be found as if rounds had left it.
pub struct Parked {
    pub id: Personal<String>,
    pub row: EnrollmentRow,
}

/// What a table takes, partitions included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    pub table: String,
    pub rows: u64,
    /// Of the table itself, values kept outside of it included.
    pub bytes: u64,
    pub index_bytes: u64,
}

/// What the server did so far in this database.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    pub transactions: u64,
    /// None: the server does not count them (pg_stat_statements).
    pub statements: Option<u64>,
    /// The session that says this, by its process.
    pub session: u32,
}

impl Postgres {
    /// Writes customers with an enrollment each, and wakes the journey; none of them may be known. Not durable before the next commit that is.
    pub async fn park(&self, namespace: &str, journey: &str, parked: &[Parked]) -> Result<()> {
        on!(self, LONG_PATIENCE, client => write_parked(client, &self.keys, namespace, journey, parked))?;
        self.wake.tell(namespace, [journey.to_owned()]);
        Ok(())
    }

    /// Shards of a journey by their owners who live.
    pub async fn shards_held(&self, namespace: &str, journey: &str) -> Result<Vec<u64>> {
        on!(self, PATIENCE, client => async {
            let tx = sql::begin(client).await?;
            let held = "SELECT count(*) FROM lease JOIN member m USING (namespace, journey, owner) WHERE namespace = $1 AND journey = $2 \
                        AND m.until > (extract(epoch FROM clock_timestamp()) * 1000000)::bigint GROUP BY owner";
            let rows = sql::rows(&tx, held, &[&namespace, &journey]).await?;
            Ok(rows.iter().map(|row| natural(row.get(0))).collect())
        })
    }

    /// Every table with rows, of all namespaces, the largest first. Counts all rows.
    pub async fn sizes(&self) -> Result<Vec<TableSize>> {
        on!(self, LONG_PATIENCE, client => async {
            let tx = sql::begin(client).await?;
            tx.batch_execute(UNHURRIED).await?;
            tx.batch_execute("SET LOCAL enable_seqscan = on").await?;
            sizes(&tx).await
        })
    }

    pub async fn work(&self) -> Result<Work> {
        on!(self, PATIENCE, client => async {
            let tx = sql::begin(client).await?;
            work(&tx).await
        })
    }
}

/// Runners of all namespaces that live or were seen last: every NOTIFY wakes them all.
pub(super) async fn runners(client: &Object) -> Result<u32> {
    let statement = client
        .prepare_cached("SELECT count(*) FROM member WHERE journey <> ''")
        .await?;
    let counted: i64 = client.query_one(&statement, &[]).await?.get(0);
    Ok(u32::try_from(counted).unwrap_or(u32::MAX))
}

async fn write_parked(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    journey: &str,
    parked: &[Parked],
) -> Result<()> {
    let tx = sql::begin(client).await?;
    tx.batch_execute("SET LOCAL synchronous_commit = off").await?;
    let whom = parked.iter().map(|one| (one.row.customer, Some((&one.id, false))));
    if customers::meet(&tx, keys, namespace, &whom.collect()).await?.is_none() {
        return Err(customers::busy());
    }
    let rows: Vec<EnrollmentRow> = parked.iter().map(|one| one.row.clone()).collect();
    let hold = by_hand::of(namespace, journey);
    commit::put_enrollments(&tx, keys, &hold, &RowsAt::default(), &rows, &[]).await?;
    tx.commit().await
}

async fn work(tx: &sql::Transaction<'_>) -> Result<Work> {
    let done =
        "SELECT xact_commit + xact_rollback, pg_backend_pid() FROM pg_stat_database WHERE datname = current_database()";
    let done = sql::rows(tx, done, &[]).await?;
    let counts = "SELECT to_regclass('public.pg_stat_statements') IS NOT NULL \
                  AND current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'";
    let statements = if sql::rows(tx, counts, &[]).await?[0].get(0) {
        let all = "SELECT COALESCE(sum(s.calls), 0)::bigint FROM public.pg_stat_statements s \
                   JOIN pg_database d ON d.oid = s.dbid WHERE d.datname = current_database()";
        Some(natural(sql::rows(tx, all, &[]).await?[0].get(0)))
    } else {
        None
    };
    Ok(Work {
        transactions: natural(done[0].get(0)),
        statements,
        session: done[0].get::<_, i32>(1).unsigned_abs(),
    })
}

async fn sizes(tx: &sql::Transaction<'_>) -> Result<Vec<TableSize>> {
    // What is partitioned has no bytes of its own; a partition says what it is of.
    let bytes = "SELECT COALESCE(pg_partition_root(c.oid), c.oid)::regclass::text, sum(pg_table_size(c.oid))::bigint, \
                     sum(pg_indexes_size(c.oid))::bigint \
                 FROM pg_class c WHERE c.relnamespace = 'journey'::regnamespace AND c.relkind IN ('r', 'p') GROUP BY 1 ORDER BY 2 DESC, 1";
    let mut sizes = Vec::new();
    for row in sql::rows(tx, bytes, &[]).await? {
        let table: String = row.get(0);
        // The name comes from the catalog, as an identifier is to be written.
        let rows = &sql::rows(tx, &format!("SELECT count(*) FROM {table}"), &[]).await?[0];
        sizes.push(TableSize {
            rows: natural(rows.get(0)),
            bytes: natural(row.get(1)),
            index_bytes: natural(row.get(2)),
            table,
        });
    }
    sizes.retain(|size| size.rows > 0);
    Ok(sizes)
}

fn natural(n: i64) -> u64 {
    u64::try_from(n).unwrap_or_default()
}
