//! Who waits at the door of a journey with a pace, and whose turn has come: one row of places for all runners of the journey, looked at and
//! written under a lock of its own, which stands between the leases and the customers in the order of locks.

use super::{seal, sql};
use crate::{
    clock::Micros,
    engine::program::Pace,
    keys::CustomerKey,
    store::{Admissions, Hold, Result, rules},
};
use std::collections::BTreeMap;

/// Customers whose turn has come, with the ordinals.
pub(super) type Turns = BTreeMap<CustomerKey, Vec<i64>>;

/// `waits`: customers at the door of the held shards, as far as a round can take them. Holds the lock of the places when it gives any.
pub(super) async fn turns(
    tx: &sql::Transaction<'_>,
    hold: &Hold,
    admissions: Option<Admissions>,
    waits: Vec<(CustomerKey, i64)>,
    now: Micros,
) -> Result<Turns> {
    let mine = match admissions {
        None => Vec::new(),
        Some(_) if waits.is_empty() => Vec::new(),
        Some(Admissions::Unpaced) => waits,
        // Nobody makes room but time: where there is none without the lock there is none with it.
        Some(Admissions::Paced(pace)) if places(tx, hold, pace, now).await? == 0 => Vec::new(),
        Some(Admissions::Paced(pace)) => {
            lock(tx, hold).await?;
            let places = places(tx, hold, pace, sql::now(tx).await?).await?;
            let first = first(tx, hold, places.min(i64::from(rules::DOOR))).await?;
            let held = |(customer, _): &(CustomerKey, i64)| {
                let shard = customer.shard();
                hold.shards.iter().any(|lease| lease.shard == shard)
            };
            first.into_iter().filter(held).collect()
        }
    };
    let mut turns = Turns::new();
    for (customer, ordinal) in mine {
        turns.entry(customer).or_default().push(ordinal);
    }
    Ok(turns)
}

/// Writes down how many came in.
pub(super) async fn book(
    tx: &sql::Transaction<'_>,
    hold: &Hold,
    admissions: Option<Admissions>,
    admitted: u32,
) -> Result<()> {
    let Some(Admissions::Paced(pace)) = admissions else {
        return Ok(());
    };
    if admitted == 0 {
        return Ok(());
    }
    let now = sql::now(tx).await?;
    let (mark, since) = (rules::pace_mark(now, pace), rules::pace_since(now, pace));
    sql::run(
        tx,
        "INSERT INTO pace AS p (namespace, journey, at, n) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (namespace, journey, at) DO UPDATE SET n = p.n + excluded.n",
        &[&hold.namespace, &hold.journey, &mark, &i64::from(admitted)],
    )
    .await?;
    let over = "DELETE FROM pace WHERE namespace = $1 AND journey = $2 AND at <= $3";
    sql::run(tx, over, &[&hold.namespace, &hold.journey, &since])
        .await
        .map(drop)
}

async fn places(tx: &sql::Transaction<'_>, hold: &Hold, pace: Pace, now: Micros) -> Result<i64> {
    let taken = sql::rows(
        tx,
        "SELECT coalesce(sum(n), 0)::bigint FROM pace WHERE namespace = $1 AND journey = $2 AND at > $3",
        &[&hold.namespace, &hold.journey, &rules::pace_since(now, pace)],
    )
    .await?;
    Ok((i64::from(pace.at_most) - taken[0].get::<_, i64>(0)).max(0))
}

/// Those who wait longest, in any shard.
async fn first(tx: &sql::Transaction<'_>, hold: &Hold, limit: i64) -> Result<Vec<(CustomerKey, i64)>> {
    let rows = sql::rows(
        tx,
        "SELECT customer, ordinal FROM enrollment WHERE namespace = $1 AND journey = $2 AND paced ORDER BY ordinal LIMIT $3",
        &[&hold.namespace, &hold.journey, &limit],
    )
    .await?;
    rows.iter()
        .map(|row| Ok((seal::customer_key(row.get(0))?, row.get(1))))
        .collect()
}

async fn lock(tx: &sql::Transaction<'_>, hold: &Hold) -> Result<()> {
    sql::rows(
        tx,
        "SELECT pg_advisory_xact_lock(4, hashtext($1 || '/' || $2))",
        &[&hold.namespace, &hold.journey],
    )
    .await
    .map(drop)
}
