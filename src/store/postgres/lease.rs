//! Who holds which shards. A lease is its owner's for as long as the owner's registration lasts (`member`), and longer while nobody takes it:
//! lease rows are written when shards change hands only. Joins and leaves of one journey are serial by an advisory lock, so leases change only
//! under it; a round holds its own leases FOR SHARE, so that none is taken from under it before it has committed. A heartbeat takes no lock but
//! that of its own registration.

use super::{program, sql};
use crate::{
    clock::Micros,
    keys::CustomerKey,
    store::{Beat, Hold, Lease, Result, StoreError, rules},
};
use deadpool_postgres::Object;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio_postgres::types::ToSql;
use uuid::Uuid;

struct LeaseRow {
    epoch: i64,
    owner: Option<Uuid>,
}

/// Gives the leases of the owner, who lives, and whether the owner came late.
pub(super) async fn join(
    client: &mut Object,
    namespace: &str,
    journey: &str,
    owner: Uuid,
    ttl: Duration,
) -> Result<(Vec<Lease>, BTreeSet<Uuid>, bool)> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    let those: [&(dyn ToSql + Sync); 2] = [&namespace, &journey];
    let there = "SELECT FROM journey WHERE namespace = $1 AND journey = $2 AND NOT stopped";
    if sql::maybe(&tx, there, &those).await?.is_none() {
        return Ok((Vec::new(), BTreeSet::new(), false));
    }
    in_turn(&tx, namespace, journey).await?;
    let (live, was_there) = members(&tx, namespace, journey, owner, ttl).await?;
    let share = rules::fair_share(owner, &live);
    let leases = leases(&tx, namespace, journey).await?;

    let mut held: Vec<u8> = leases
        .iter()
        .filter(|(_, lease)| lease.owner == Some(owner))
        .map(|(shard, _)| *shard)
        .collect();
    let late = !was_there && !held.is_empty();
    if held.len() > share {
        let busy = busy(&tx, namespace, journey).await?;
        held.sort_by_key(|shard| (!busy.contains(shard), *shard));
        give_back(&tx, namespace, journey, &held.split_off(share)).await?;
    }
    let free: Vec<u8> = if held.len() < share {
        let free = leases
            .iter()
            .filter(|(shard, lease)| !held.contains(shard) && rules::may_be_taken(lease.owner, &live, late));
        free.map(|(shard, _)| *shard).collect()
    } else {
        Vec::new()
    };
    let free = unlocked(&tx, namespace, journey, &free).await?;
    let taken = free.into_iter().take(share - held.len()).map(|shard| Lease {
        shard,
        epoch: leases[&shard].epoch + 1,
    });
    let taken: Vec<Lease> = taken.collect();
    take(&tx, namespace, journey, owner, &taken).await?;
    tx.commit().await?;
    let held = held.into_iter().map(|shard| Lease {
        shard,
        epoch: leases[&shard].epoch,
    });
    let mut mine: Vec<Lease> = held.chain(taken).collect();
    mine.sort_unstable();
    Ok((mine, live, late))
}

/// One statement, and so one transaction, of whose commit nobody waits for the disk: what is lost is a heartbeat. It tells how things stood
/// before it: of those who live, how many are known and last no longer than they may ([`rules::longest`]), how many there are, and when the first of
/// the others ends.
const BEAT: &str = "WITH c AS MATERIALIZED (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now, \
        set_config('synchronous_commit', 'off', true)), \
    b AS (UPDATE member m SET until = c.now + $4 FROM c \
        WHERE m.namespace = $1 AND m.journey = $2 AND m.owner = $3 AND m.until > c.now RETURNING m.owner) \
    SELECT c.now, EXISTS (SELECT FROM b), \
        (SELECT ARRAY[count(*) FILTER (WHERE m.until <= c.now + 2 * $4 AND m.owner = ANY($5)), count(*), min(m.until) FILTER (WHERE m.owner <> $3)] \
            FROM member m WHERE m.namespace = $1 AND m.journey = $2 AND m.until > c.now), \
        COALESCE((SELECT version FROM namespace WHERE namespace = $1), 0), \
        EXISTS (SELECT FROM inbox WHERE namespace = $1 AND journey = $2) OR EXISTS (SELECT FROM news WHERE namespace = $1 AND journey = $2) \
    FROM c";

pub(super) async fn beat(client: &mut Object, hold: &Hold, ttl: Duration) -> Result<Beat> {
    let statement = client.prepare_cached(BEAT).await?;
    let ttl = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX / 4);
    let members: Vec<Uuid> = hold.members.iter().copied().collect();
    let told = client
        .query_one(
            &statement,
            &[&hold.namespace, &hold.journey, &hold.owner, &ttl, &members],
        )
        .await?;
    let there: Vec<Option<i64>> = told.get(2);
    let [known, all, ends] = there[..] else {
        return Err(StoreError::Unavailable(
            "the database has no answer to a heartbeat".into(),
        ));
    };
    let many = i64::try_from(members.len()).ok();
    Ok(Beat {
        holds: told.get(1) && known == many && all == many,
        now: told.get(0),
        ends,
        version: told.get(3),
        waits: told.get(4),
    })
}

pub(super) async fn leave(client: &mut Object, namespace: &str, journey: &str, owner: Uuid) -> Result<()> {
    let tx = sql::begin(client).await?;
    in_turn(&tx, namespace, journey).await?;
    let those: [&(dyn ToSql + Sync); 3] = [&namespace, &journey, &owner];
    let lock = "SELECT FROM lease WHERE namespace = $1 AND journey = $2 AND owner = $3 ORDER BY shard FOR UPDATE";
    sql::rows(&tx, lock, &those).await?;
    sql::run(
        &tx,
        "DELETE FROM member WHERE namespace = $1 AND journey = $2 AND owner = $3",
        &those,
    )
    .await?;
    let free = "UPDATE lease SET owner = NULL WHERE namespace = $1 AND journey = $2 AND owner = $3";
    sql::run(&tx, free, &those).await?;
    tx.commit().await?;
    Ok(())
}

/// Registers the owner; gives all whose registration has not run out, and whether the owner's had not. None lasts until after
/// [`rules::longest`].
async fn members(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    journey: &str,
    owner: Uuid,
    ttl: Duration,
) -> Result<(BTreeSet<Uuid>, bool)> {
    let now = sql::now(tx).await?;
    let until = now.saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX));
    let longest = rules::longest(now, ttl);
    // Whoever beats at this instant has the row first and stays, or finds it gone.
    let gone = "DELETE FROM member WHERE namespace = $1 AND journey = $2 AND until <= $3";
    sql::run(tx, gone, &[&namespace, &journey, &now]).await?;
    let live = "SELECT owner, until FROM member WHERE namespace = $1 AND journey = $2";
    let live = sql::rows(tx, live, &[&namespace, &journey]).await?;
    let here = "INSERT INTO member (namespace, journey, owner, until) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (namespace, journey, owner) DO UPDATE SET until = excluded.until";
    sql::run(tx, here, &[&namespace, &journey, &owner, &until]).await?;
    if live.iter().any(|row| row.get::<_, Micros>(1) > longest) {
        let shorter = "UPDATE member SET until = $3 WHERE namespace = $1 AND journey = $2 AND until > $4";
        sql::run(tx, shorter, &[&namespace, &journey, &until, &longest]).await?;
    }
    let mut live: BTreeSet<Uuid> = live.iter().map(|row| row.get(0)).collect();
    let was_there = !live.insert(owner);
    Ok((live, was_there))
}

async fn leases(tx: &sql::Transaction<'_>, namespace: &str, journey: &str) -> Result<BTreeMap<u8, LeaseRow>> {
    let all = "SELECT shard, epoch, owner FROM lease WHERE namespace = $1 AND journey = $2";
    let mut rows = sql::rows(tx, all, &[&namespace, &journey]).await?;
    if rows.len() < usize::from(CustomerKey::SHARDS) {
        let make = "INSERT INTO lease (namespace, journey, shard) SELECT $1, $2, s FROM generate_series(0, $3::int - 1) s ON CONFLICT DO NOTHING";
        sql::run(tx, make, &[&namespace, &journey, &i32::from(CustomerKey::SHARDS)]).await?;
        rows = sql::rows(tx, all, &[&namespace, &journey]).await?;
    }
    let rows = rows.iter().map(|row| {
        (
            shard(row.get(0)),
            LeaseRow {
                epoch: row.get(1),
                owner: row.get(2),
            },
        )
    });
    Ok(rows.collect())
}

/// Shards with messages on their way: the last to be given back, because whoever takes them cannot know what became of those.
async fn busy(tx: &sql::Transaction<'_>, namespace: &str, journey: &str) -> Result<BTreeSet<u8>> {
    let claimed = "SELECT DISTINCT shard FROM outbox WHERE namespace = $1 AND journey = $2 AND epoch IS NOT NULL";
    Ok(sql::rows(tx, claimed, &[&namespace, &journey])
        .await?
        .iter()
        .map(|row| shard(row.get(0)))
        .collect())
}

/// Waits for the rounds that are under way there, in the order in which they lock.
async fn give_back(tx: &sql::Transaction<'_>, namespace: &str, journey: &str, shards: &[u8]) -> Result<()> {
    let shards: Vec<i16> = shards.iter().map(|shard| i16::from(*shard)).collect();
    let those: [&(dyn ToSql + Sync); 3] = [&namespace, &journey, &shards];
    let lock = "SELECT FROM lease WHERE namespace = $1 AND journey = $2 AND shard = ANY($3) ORDER BY shard FOR UPDATE";
    sql::rows(tx, lock, &those).await?;
    let free = "UPDATE lease SET owner = NULL WHERE namespace = $1 AND journey = $2 AND shard = ANY($3)";
    sql::run(tx, free, &those).await.map(drop)
}

async fn take(tx: &sql::Transaction<'_>, namespace: &str, journey: &str, owner: Uuid, leases: &[Lease]) -> Result<()> {
    if leases.is_empty() {
        return Ok(());
    }
    let shards: Vec<i16> = leases.iter().map(|lease| i16::from(lease.shard)).collect();
    let epochs: Vec<i64> = leases.iter().map(|lease| lease.epoch).collect();
    sql::run(
        tx,
        "UPDATE lease l SET owner = $3, epoch = u.epoch FROM unnest($4::smallint[], $5::bigint[]) u (shard, epoch) \
         WHERE l.namespace = $1 AND l.journey = $2 AND l.shard = u.shard",
        &[&namespace, &journey, &owner, &shards, &epochs],
    )
    .await
    .map(drop)
}

/// Those that no round still commits under: a stalled owner must not stall those who join.
async fn unlocked(tx: &sql::Transaction<'_>, namespace: &str, journey: &str, shards: &[u8]) -> Result<Vec<u8>> {
    if shards.is_empty() {
        return Ok(Vec::new());
    }
    let shards: Vec<i16> = shards.iter().map(|shard| i16::from(*shard)).collect();
    let lock = "SELECT shard FROM lease WHERE namespace = $1 AND journey = $2 AND shard = ANY($3) ORDER BY shard FOR UPDATE SKIP LOCKED";
    Ok(sql::rows(tx, lock, &[&namespace, &journey, &shards])
        .await?
        .iter()
        .map(|row| shard(row.get(0)))
        .collect())
}

async fn in_turn(tx: &sql::Transaction<'_>, namespace: &str, journey: &str) -> Result<()> {
    sql::rows(
        tx,
        "SELECT pg_advisory_xact_lock(3, hashtext($1 || '/' || $2))",
        &[&namespace, &journey],
    )
    .await
    .map(drop)
}

fn shard(column: i16) -> u8 {
    u8::try_from(column).unwrap_or(u8::MAX)
}
