//! Who is to be looked at: whose attributes changed, whom time may have changed, and whom a sweep has come to.

use super::{
    intake::{self, Delivery},
    seal, sql,
};
use crate::{
    clock::Micros,
    engine::Event,
    keys::{CustomerKey, Keys},
    kpi::{Counts, IntakeCount},
    store::{Customer, Hold, Result, Sighting, StoreError, SweepRequest, rules},
};
use std::collections::{BTreeMap, BTreeSet};

/// Journeys that exist and are not stopped, with what they watch of these names.
pub(super) async fn watchers(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    if names.is_empty() {
        return Ok(all);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let rows = sql::rows(
        tx,
        "SELECT j.journey, p.listens FROM program p JOIN journey j USING (namespace, journey) \
         WHERE p.namespace = $1 AND p.listens && $2 AND NOT j.stopped",
        &[&namespace, &names],
    )
    .await?;
    for row in &rows {
        let listens: Vec<String> = row.get(1);
        all.entry(row.get(0)).or_default().extend(listens);
    }
    Ok(all)
}

/// A customer of whom something changed.
pub(super) struct Changed<'a> {
    pub(super) customer: &'a Customer,
    pub(super) names: BTreeSet<String>,
    /// See [`Event::hops`].
    pub(super) hops: u32,
}

/// Tells those who watch, each in an inbox row, and counts it. Gives the journeys that have something to do now. The customers are locked.
pub(super) async fn tell(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    changed: &[Changed<'_>],
    now: Micros,
) -> Result<BTreeSet<String>> {
    let names = changed
        .iter()
        .flat_map(|changed| changed.names.iter().cloned())
        .collect();
    let watchers = watchers(tx, namespace, &names).await?;
    let looks: Vec<(&Changed<'_>, Event)> = changed
        .iter()
        .map(|changed| (changed, rules::look(changed.customer, changed.hops, now)))
        .collect();
    let deliveries: Vec<Delivery<'_>> = looks
        .iter()
        .flat_map(|(changed, event)| {
            rules::watching(&watchers, &changed.names).map(|journey| Delivery {
                journey,
                customer: changed.customer.key,
                event,
            })
        })
        .collect();
    intake::deliver(tx, keys, namespace, &deliveries, Vec::new()).await?;
    let mut counts = Counts::default();
    if !deliveries.is_empty() {
        let many = i64::try_from(deliveries.len()).unwrap_or(i64::MAX);
        counts.add(IntakeCount::Changed.name(), now, many);
    }
    sql::count(tx, namespace, "", &counts).await?;
    Ok(deliveries
        .into_iter()
        .map(|delivery| delivery.journey.clone())
        .collect())
}

/// How far a sweep has come in a shard, to be written with what its customers bring.
pub(super) struct Progress {
    sweep: String,
    version: String,
    shard: i16,
    after: Vec<u8>,
    pub(super) done: bool,
}

/// Customers that a sweep comes to next, in the shards that are held, one after the other until as many are found as are asked for. None: it
/// is done there.
pub(super) async fn sweep(
    tx: &sql::Transaction<'_>,
    hold: &Hold,
    shards: &[i16],
    request: &SweepRequest,
) -> Result<Option<(Vec<CustomerKey>, Vec<Progress>)>> {
    let open = sql::rows(
        tx,
        "SELECT l.shard, CASE WHEN s.version = $5 THEN s.after ELSE ''::bytea END FROM unnest($3::smallint[]) l (shard) \
         LEFT JOIN sweep s ON s.namespace = $1 AND s.journey = $2 AND s.sweep = $4 AND s.shard = l.shard \
         WHERE s.version IS DISTINCT FROM $5 OR NOT s.done ORDER BY l.shard",
        &[&hold.namespace, &hold.journey, &shards, &request.sweep, &request.version],
    )
    .await?;
    let (mut all, mut progress, mut room) = (Vec::new(), Vec::new(), request.limit as usize);
    for open in &open {
        if room == 0 {
            break;
        }
        let (shard, after): (i16, Option<Vec<u8>>) = (open.get(0), open.get(1));
        let after = after.unwrap_or_default();
        let (low, high): (Vec<Vec<u8>>, Vec<Vec<u8>>) =
            rules::ranges(u8::try_from(shard).unwrap_or(0)).into_iter().unzip();
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let rows = sql::rows(
        tx,
        "SELECT c.customer FROM unnest($2::bytea[], $3::bytea[]) r (low, high) CROSS JOIN LATERAL \
         (SELECT customer FROM customer WHERE namespace = $1 AND customer >= r.low AND customer < r.high AND customer > $4 \
          ORDER BY customer LIMIT $5) c ORDER BY c.customer LIMIT $5",
        &[&hold.namespace, &low, &high, &after, &limit],
    )
    .await?;
        let found: Vec<CustomerKey> = rows
            .iter()
            .map(|row| seal::customer_key(row.get(0)))
            .collect::<Result<_>>()?;
        progress.push(Progress {
            sweep: request.sweep.clone(),
            version: request.version.clone(),
            shard,
            after: found.last().map_or(after, |last| last.0.to_vec()),
            done: found.len() < room,
        });
        room -= found.len();
        all.extend(found);
    }
    Ok((!progress.is_empty()).then_some((all, progress)))
}

pub(super) async fn keep_progress(tx: &sql::Transaction<'_>, hold: &Hold, progress: &[Progress]) -> Result<()> {
    for one in progress {
        sql::run(
            tx,
            "INSERT INTO sweep (namespace, journey, sweep, shard, version, after, done) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (namespace, journey, sweep, shard) DO UPDATE SET version = $5, after = $6, done = $7",
            &[
                &hold.namespace,
                &hold.journey,
                &one.sweep,
                &one.shard,
                &one.version,
                &one.after,
                &one.done,
            ],
        )
        .await?;
    }
    Ok(())
}

pub(super) async fn sightings(
    tx: &sql::Transaction<'_>,
    hold: &Hold,
    which: &[&[u8]],
) -> Result<Vec<(CustomerKey, Sighting)>> {
    let rows = sql::rows(
        tx,
        "SELECT s.* FROM unnest($3::bytea[]) u (customer) CROSS JOIN LATERAL \
         (SELECT customer, held, look_at FROM sighting WHERE namespace = $1 AND journey = $2 AND customer = u.customer OFFSET 0) s",
        &[&hold.namespace, &hold.journey, &which],
    )
    .await?;
    let of = |row: &tokio_postgres::Row| {
        let held: Vec<String> = row.get(1);
        Ok((
            seal::customer_key(row.get(0))?,
            Sighting {
                held: held.into_iter().collect(),
                look_at: row.get(2),
            },
        ))
    };
    rows.iter().map(of).collect()
}

/// One that is blank is forgotten.
pub(super) async fn put_sightings(
    tx: &sql::Transaction<'_>,
    hold: &Hold,
    rows: &[(CustomerKey, Sighting)],
) -> Result<()> {
    let rows: BTreeMap<CustomerKey, &Sighting> =
        rows.iter().map(|(customer, sighting)| (*customer, sighting)).collect();
    let (blank, kept): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, sighting)| sighting.is_blank());
    if !blank.is_empty() {
        let gone: Vec<&[u8]> = blank.iter().map(|(customer, _)| customer.0.as_slice()).collect();
        let forget = "DELETE FROM sighting WHERE namespace = $1 AND journey = $2 AND customer = ANY($3)";
        sql::run(tx, forget, &[&hold.namespace, &hold.journey, &gone]).await?;
    }
    if kept.is_empty() {
        return Ok(());
    }
    let customers: Vec<&[u8]> = kept.iter().map(|(customer, _)| customer.0.as_slice()).collect();
    let shards: Vec<i16> = kept.iter().map(|(customer, _)| i16::from(customer.shard())).collect();
    let looks: Vec<Option<i64>> = kept.iter().map(|(_, sighting)| sighting.look_at).collect();
    // PostgreSQL has no arrays of arrays that differ in length.
    let held = kept.iter().map(|(_, sighting)| serde_json::to_string(&sighting.held));
    let held: Vec<String> = held
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| StoreError::Unreadable(error.to_string().into()))?;
    sql::run(
        tx,
        "INSERT INTO sighting (namespace, journey, customer, shard, look_at, held) \
         SELECT $1, $2, u.customer, u.shard, u.look_at, ARRAY(SELECT jsonb_array_elements_text(u.held::jsonb)) \
         FROM unnest($3::bytea[], $4::smallint[], $5::bigint[], $6::text[]) u (customer, shard, look_at, held) \
         ON CONFLICT (namespace, journey, customer) DO UPDATE SET look_at = excluded.look_at, held = excluded.held",
        &[&hold.namespace, &hold.journey, &customers, &shards, &looks, &held],
    )
    .await
    .map(drop)
}
