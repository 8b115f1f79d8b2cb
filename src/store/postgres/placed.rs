//! What stays: in slots, and with webhooks.

use super::{
    alias, customers,
    seal::{self, Place},
    sql,
};
use crate::{
    clock::Micros,
    keys::{CustomerKey, Keys, MessageKey},
    policy::Consent,
    store::{Hold, InSlot, Placed, Result},
};
use deadpool_postgres::Object;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

/// From a row of customer, key, due_at and sealed.
pub(super) fn read(keys: &Keys, namespace: &str, row: &Row) -> Result<Placed> {
    let (customer, key): (&[u8], &[u8]) = (row.get(0), row.get(1));
    let place = Place {
        table: "placed",
        key: &[namespace.as_bytes(), customer, key],
    };
    let placed: Placed = seal::open(keys, &place, row.get(3))?;
    Ok(Placed {
        due_at: row.get(2),
        ..placed
    })
}

fn seal_row(keys: &Keys, namespace: &str, row: &Placed) -> Result<Vec<u8>> {
    let place = Place {
        table: "placed",
        key: &[namespace.as_bytes(), &row.customer.0, &row.key.0],
    };
    seal::seal(keys, &place, row)
}

pub(super) async fn write(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    hold: &Hold,
    rows: &[Placed],
    gone: &[(CustomerKey, MessageKey)],
) -> Result<()> {
    let rows: BTreeMap<(CustomerKey, MessageKey), &Placed> =
        rows.iter().map(|row| ((row.customer, row.key), row)).collect();
    if !rows.is_empty() {
        let customers: Vec<&[u8]> = rows.values().map(|row| row.customer.0.as_slice()).collect();
        let messages: Vec<&[u8]> = rows.values().map(|row| row.key.0.as_slice()).collect();
        let shards: Vec<i16> = rows.values().map(|row| i16::from(row.customer.shard())).collect();
        let slots: Vec<Option<&str>> = rows.values().map(|row| row.slot.as_deref()).collect();
        let due: Vec<i64> = rows.values().map(|row| row.due_at).collect();
        let sealed = rows.values().map(|row| seal_row(keys, &hold.namespace, row));
        let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
        sql::run(
            tx,
            "INSERT INTO placed (namespace, journey, customer, key, shard, slot, due_at, sealed) \
             SELECT $1, $2, u.* FROM unnest($3::bytea[], $4::bytea[], $5::smallint[], $6::text[], $7::bigint[], $8::bytea[]) \
                 u (customer, key, shard, slot, due_at, sealed) \
             ON CONFLICT (namespace, customer, key) DO UPDATE SET slot = excluded.slot, due_at = excluded.due_at, sealed = excluded.sealed",
            &[&hold.namespace, &hold.journey, &customers, &messages, &shards, &slots, &due, &sealed],
        )
        .await?;
    }
    if !gone.is_empty() {
        let customers: Vec<&[u8]> = gone.iter().map(|(customer, _)| customer.0.as_slice()).collect();
        let messages: Vec<&[u8]> = gone.iter().map(|(_, key)| key.0.as_slice()).collect();
        sql::run(
            tx,
            "DELETE FROM placed WHERE ctid = ANY(ARRAY(SELECT p.ctid FROM unnest($2::bytea[], $3::bytea[]) u (customer, key) CROSS JOIN LATERAL \
             (SELECT ctid FROM placed WHERE namespace = $1 AND customer = u.customer AND key = u.key OFFSET 0) p))",
            &[&hold.namespace, &customers, &messages],
        )
        .await?;
    }
    Ok(())
}

/// What stays of customers whose consents changed, who are locked, is to be looked at; gives the journeys that have any.
pub(super) async fn look_again(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    customers: &[CustomerKey],
    now: Micros,
) -> Result<BTreeSet<String>> {
    if customers.is_empty() {
        return Ok(BTreeSet::new());
    }
    let customers: Vec<&[u8]> = customers.iter().map(|key| key.0.as_slice()).collect();
    let rows = sql::rows(
        tx,
        "UPDATE placed SET due_at = least(due_at, $3) WHERE namespace = $1 AND customer = ANY($2) RETURNING journey",
        &[&namespace, &customers, &now],
    )
    .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What stays of the one who goes, both locked; gives the journeys that have any.
pub(super) async fn move_rows(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    gone: &[u8],
    with: impl Fn(&str, Placed) -> Placed,
) -> Result<BTreeSet<String>> {
    let all = "SELECT customer, key, due_at, sealed, journey FROM placed WHERE namespace = $1 AND customer = $2";
    let rows = sql::rows(tx, all, &[&namespace, &gone]).await?;
    for row in &rows {
        let placed = with(row.get(4), read(keys, namespace, row)?);
        let sealed = seal_row(keys, namespace, &placed)?;
        let (stays, shard) = (placed.customer.0.as_slice(), i16::from(placed.customer.shard()));
        sql::run(
            tx,
            "UPDATE placed SET customer = $4, shard = $5, due_at = $6, sealed = $7 \
             WHERE namespace = $1 AND customer = $2 AND key = $3",
            &[
                &namespace,
                &gone,
                &row.get::<_, &[u8]>(1),
                &stays,
                &shard,
                &placed.due_at,
                &sealed,
            ],
        )
        .await?;
    }
    Ok(rows.iter().map(|row| row.get(4)).collect())
}

pub(super) async fn slot(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    name: CustomerKey,
    slot: &str,
) -> Result<Option<InSlot>> {
    // One instant for all of it: no card beside a consent of another moment.
    let tx = sql::snapshot(client).await?;
    let Some((customer, consents)) = said(&tx, namespace, name).await? else {
        return Ok(None);
    };
    let which = customer.0.as_slice();
    let rows = sql::rows(
        &tx,
        "SELECT customer, key, due_at, sealed, journey FROM placed \
         WHERE namespace = $1 AND customer = $2 AND slot = $3 AND NOT dismissed",
        &[&namespace, &which, &slot],
    )
    .await?;
    let placed = rows.iter().map(|row| Ok((row.get(4), read(keys, namespace, row)?)));
    Ok(Some(InSlot {
        consents,
        placed: placed.collect::<Result<_>>()?,
    }))
}

pub(super) async fn consents(
    client: &mut Object,
    namespace: &str,
    name: CustomerKey,
) -> Result<Option<BTreeMap<String, Consent>>> {
    let tx = sql::snapshot(client).await?;
    Ok(said(&tx, namespace, name).await?.map(|(_, consents)| consents))
}

/// Who it is by this name, and what they have said of consent; None: nobody knows them.
async fn said(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    name: CustomerKey,
) -> Result<Option<(CustomerKey, BTreeMap<String, Consent>)>> {
    let roots = alias::roots(tx, namespace, [name]).await?;
    let customer = roots.get(&name).copied().unwrap_or(name);
    let which = customer.0.as_slice();
    let there = "SELECT FROM customer WHERE namespace = $1 AND customer = $2";
    if sql::maybe(tx, there, &[&namespace, &which]).await?.is_none() {
        return Ok(None);
    }
    let consents =
        "SELECT purpose, granted, at, state, confirmed, until FROM consent WHERE namespace = $1 AND customer = $2";
    let consents = sql::rows(tx, consents, &[&namespace, &which]).await?;
    let consents = consents.iter().map(|row| Ok((row.get(0), customers::consent(row, 1)?)));
    Ok(Some((customer, consents.collect::<Result<_>>()?)))
}

pub(super) async fn dismiss(client: &mut Object, namespace: &str, message: MessageKey) -> Result<()> {
    let tx = sql::begin(client).await?;
    // The message knows its customer by the name of then.
    sql::run(
        &tx,
        "UPDATE placed p SET dismissed = true FROM message m LEFT JOIN alias a ON a.namespace = m.namespace AND a.alias = m.customer \
         WHERE m.namespace = $1 AND m.key = $2 AND p.namespace = m.namespace AND p.customer = coalesce(a.customer, m.customer) AND p.key = m.key",
        &[&namespace, &message.0.as_slice()],
    )
    .await?;
    tx.commit().await?;
    Ok(())
}
