//! Who holds which shards. Joins and leaves of one journey are serial by an advisory lock, so leases change only under it; a round holds its
//! own leases FOR SHARE, so that none is taken from under it before it has committed.

use super::{program, sql};
use crate::{
    clock::Micros,
    keys::CustomerKey,
    store::{Lease, Result, rules},
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
    until: Micros,
}

pub(super) async fn join(
    client: &mut Object,
    namespace: &str,
    journey: &str,
    owner: Uuid,
    ttl: Duration,
) -> Result<Vec<Lease>> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    let those: [&(dyn ToSql + Sync); 2] = [&namespace, &journey];
    let there = "SELECT FROM journey WHERE namespace = $1 AND journey = $2 AND NOT stopped";
    if sql::maybe(&tx, there, &those).await?.is_none() {
        return Ok(Vec::new());
    }
    in_turn(&tx, namespace, journey).await?;
    let now = sql::now(&tx).await?;
    let until = now.saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX));
    let longest = rules::longest(now, ttl);
    let live = members(&tx, namespace, journey, owner, now, until, longest).await?;
    let share = rules::fair_share(owner, &live);
    let mut leases = leases(&tx, namespace, journey).await?;
    shorten(&tx, namespace, journey, &mut leases, until, longest).await?;

    let mut held: Vec<u8> = leases
        .iter()
        .filter(|(_, lease)| lease.owner == Some(owner))
        .map(|(shard, _)| *shard)
        .collect();
    own(&tx, namespace, journey, owner).await?;
    if held.len() > share {
        let busy = busy(&tx, namespace, journey).await?;
        held.sort_by_key(|shard| (!busy.contains(shard), *shard));
        give_back(&tx, namespace, journey, &held.split_off(share)).await?;
    }
    let late = leases
        .values()
        .any(|lease| lease.owner == Some(owner) && lease.until <= now);
    let free = leases.iter().filter(|(shard, lease)| {
        !held.contains(shard) && rules::may_be_taken(lease.owner.is_some(), lease.until <= now, late)
    });
    let free: Vec<u8> = if held.len() < share {
        free.map(|(shard, _)| *shard).collect()
    } else {
        Vec::new()
    };
    let mut mine: Vec<Lease> = held
        .iter()
        .map(|shard| Lease {
            shard: *shard,
            epoch: leases[shard].epoch,
        })
        .collect();
    for shard in unlocked(&tx, namespace, journey, &free)
        .await?
        .into_iter()
        .take(share - held.len())
    {
        mine.push(Lease {
            shard,
            epoch: leases[&shard].epoch + 1,
        });
    }
    mine.sort_unstable();
    let shards: Vec<i16> = mine.iter().map(|lease| i16::from(lease.shard)).collect();
    let epochs: Vec<i64> = mine.iter().map(|lease| lease.epoch).collect();
    sql::run(
        &tx,
        "UPDATE lease l SET owner = $3, until = $4, epoch = u.epoch FROM unnest($5::smallint[], $6::bigint[]) u (shard, epoch) \
         WHERE l.namespace = $1 AND l.journey = $2 AND l.shard = u.shard",
        &[&namespace, &journey, &owner, &until, &shards, &epochs],
    )
    .await?;
    tx.commit().await?;
    Ok(mine)
}

pub(super) async fn leave(client: &mut Object, namespace: &str, journey: &str, owner: Uuid) -> Result<()> {
    let tx = sql::begin(client).await?;
    in_turn(&tx, namespace, journey).await?;
    own(&tx, namespace, journey, owner).await?;
    let those: [&(dyn ToSql + Sync); 3] = [&namespace, &journey, &owner];
    sql::run(
        &tx,
        "DELETE FROM member WHERE namespace = $1 AND journey = $2 AND owner = $3",
        &those,
    )
    .await?;
    let free = "UPDATE lease SET owner = NULL, until = 0 WHERE namespace = $1 AND journey = $2 AND owner = $3";
    sql::run(&tx, free, &those).await?;
    tx.commit().await?;
    Ok(())
}

/// Leases that last until after `longest` last until `until` from now on, but those under which a round commits: their owner is there.
async fn shorten(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    journey: &str,
    leases: &mut BTreeMap<u8, LeaseRow>,
    until: Micros,
    longest: Micros,
) -> Result<()> {
    let long = leases.iter().filter(|(_, lease)| lease.until > longest);
    let long: Vec<u8> = long.map(|(shard, _)| *shard).collect();
    let long = unlocked(tx, namespace, journey, &long).await?;
    if long.is_empty() {
        return Ok(());
    }
    for shard in &long {
        leases.entry(*shard).and_modify(|lease| lease.until = until);
    }
    let shards: Vec<i16> = long.iter().map(|shard| i16::from(*shard)).collect();
    let shorter = "UPDATE lease SET until = $4 WHERE namespace = $1 AND journey = $2 AND shard = ANY($3)";
    sql::run(tx, shorter, &[&namespace, &journey, &shards, &until])
        .await
        .map(drop)
}

/// Registers the owner; gives all whose registration has not run out. None of them lasts until after `longest`.
async fn members(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    journey: &str,
    owner: Uuid,
    now: Micros,
    until: Micros,
    longest: Micros,
) -> Result<BTreeSet<Uuid>> {
    let gone = "DELETE FROM member WHERE namespace = $1 AND journey = $2 AND until <= $3";
    sql::run(tx, gone, &[&namespace, &journey, &now]).await?;
    let here = "INSERT INTO member (namespace, journey, owner, until) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (namespace, journey, owner) DO UPDATE SET until = excluded.until";
    sql::run(tx, here, &[&namespace, &journey, &owner, &until]).await?;
    let live = sql::rows(
        tx,
        "SELECT owner, until FROM member WHERE namespace = $1 AND journey = $2",
        &[&namespace, &journey],
    )
    .await?;
    if live.iter().any(|row| row.get::<_, Micros>(1) > longest) {
        let shorter = "UPDATE member SET until = $3 WHERE namespace = $1 AND journey = $2 AND until > $4";
        sql::run(tx, shorter, &[&namespace, &journey, &until, &longest]).await?;
    }
    Ok(live.iter().map(|row| row.get(0)).collect())
}

async fn leases(tx: &sql::Transaction<'_>, namespace: &str, journey: &str) -> Result<BTreeMap<u8, LeaseRow>> {
    let all = "SELECT shard, epoch, owner, until FROM lease WHERE namespace = $1 AND journey = $2";
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
                until: row.get(3),
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

async fn give_back(tx: &sql::Transaction<'_>, namespace: &str, journey: &str, shards: &[u8]) -> Result<()> {
    let shards: Vec<i16> = shards.iter().map(|shard| i16::from(*shard)).collect();
    let free = "UPDATE lease SET owner = NULL, until = 0 WHERE namespace = $1 AND journey = $2 AND shard = ANY($3)";
    sql::run(tx, free, &[&namespace, &journey, &shards]).await.map(drop)
}

/// Locks what the owner holds, in the order in which its rounds do.
async fn own(tx: &sql::Transaction<'_>, namespace: &str, journey: &str, owner: Uuid) -> Result<()> {
    let lock = "SELECT FROM lease WHERE namespace = $1 AND journey = $2 AND owner = $3 ORDER BY shard FOR UPDATE";
    sql::rows(tx, lock, &[&namespace, &journey, &owner]).await.map(drop)
}

/// Those that no round still commits under: a stalled owner must not stall the heartbeat of another.
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
