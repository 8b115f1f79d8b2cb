//! Addresses that get nothing.

use super::{seal, sql};
use crate::{
    clock::Micros,
    keys::AddressKey,
    policy::Suppression,
    store::{Result, StoreError, Suppressed},
};
use deadpool_postgres::Object;
use std::collections::{BTreeMap, BTreeSet};
use tokio_postgres::Row;

/// In the order of addresses, so that two who suppress the same wait for each other one way. What nobody can deliver to stays so whatever else is
/// said of it.
const PUT: &str = "INSERT INTO suppression AS s (namespace, address, why, source, at) \
    SELECT $1, u.* FROM unnest($2::bytea[], $3::text[], $4::text[], $5::bigint[]) u (address, why, source, at) ORDER BY u.address \
    ON CONFLICT (namespace, address) DO UPDATE SET why = excluded.why, source = excluded.source, at = excluded.at \
    WHERE s.why = 'Objected' AND excluded.why = 'Undeliverable'";

pub(super) async fn put(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    rows: impl Iterator<Item = &Suppressed>,
) -> Result<()> {
    let mut all: BTreeMap<AddressKey, &Suppressed> = BTreeMap::new();
    for row in rows {
        let known = all.entry(row.address).or_insert(row);
        if row.why < known.why {
            *known = row;
        }
    }
    if all.is_empty() {
        return Ok(());
    }
    let addresses: Vec<&[u8]> = all.keys().map(|address| address.0.as_slice()).collect();
    let whys: Vec<&str> = all.values().map(|row| row.why.name()).collect();
    let sources: Vec<String> = all.values().map(|row| seal::text(&row.source)).collect();
    let times: Vec<i64> = all.values().map(|row| row.at).collect();
    sql::run(tx, PUT, &[&namespace, &addresses, &whys, &sources, &times])
        .await
        .map(drop)
}

pub(super) async fn suppress(client: &mut Object, namespace: &str, rows: &[Suppressed]) -> Result<()> {
    let tx = sql::begin(client).await?;
    put(&tx, namespace, rows.iter()).await?;
    tx.commit().await?;
    Ok(())
}

pub(super) async fn release(client: &mut Object, namespace: &str, address: AddressKey) -> Result<bool> {
    let tx = sql::begin(client).await?;
    let gone = "DELETE FROM suppression WHERE namespace = $1 AND address = $2";
    let gone = sql::run(&tx, gone, &[&namespace, &address.0.as_slice()]).await?;
    tx.commit().await?;
    Ok(gone > 0)
}

pub(super) async fn list(
    client: &mut Object,
    namespace: &str,
    after: Option<AddressKey>,
    limit: u32,
) -> Result<Vec<Suppressed>> {
    let tx = sql::begin(client).await?;
    let after = after.map_or(vec![], |address| address.0.to_vec());
    let rows = sql::rows(
        &tx,
        "SELECT address, why, source, at FROM suppression WHERE namespace = $1 AND address > $2 ORDER BY address LIMIT $3",
        &[&namespace, &after, &i64::from(limit)],
    )
    .await?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<Suppressed> {
    Ok(Suppressed {
        address: AddressKey(seal::sixteen(row.get(0))?),
        why: why(row.get(1)),
        source: row.get(2),
        at: row.get::<_, Micros>(3),
    })
}

/// What this version does not know is the wider of both.
fn why(name: &str) -> Suppression {
    Suppression::named(name).unwrap_or(Suppression::Undeliverable)
}

/// Whether there is any: mostly there is none, and nothing more is asked.
pub(super) async fn any(tx: &sql::Transaction<'_>, namespace: &str) -> Result<bool> {
    let any = "SELECT EXISTS (SELECT FROM suppression WHERE namespace = $1)";
    let row = sql::rows(tx, any, &[&namespace]).await?;
    row.first()
        .map(|row| row.get(0))
        .ok_or_else(|| StoreError::Unavailable("EXISTS gave no row".into()))
}

/// What each of these addresses gets nothing for.
pub(super) async fn of(
    tx: &sql::Transaction<'_>,
    namespace: &str,
    addresses: BTreeSet<AddressKey>,
    any: bool,
) -> Result<BTreeMap<AddressKey, Option<Suppression>>> {
    let mut found: BTreeMap<AddressKey, Option<Suppression>> =
        addresses.into_iter().map(|address| (address, None)).collect();
    if !any || found.is_empty() {
        return Ok(found);
    }
    let asked: Vec<&[u8]> = found.keys().map(|address| address.0.as_slice()).collect();
    let rows = sql::rows(
        tx,
        "SELECT s.address, s.why FROM unnest($2::bytea[]) u (address) CROSS JOIN LATERAL \
         (SELECT address, why FROM suppression WHERE namespace = $1 AND address = u.address OFFSET 0) s",
        &[&namespace, &asked],
    )
    .await?;
    for row in &rows {
        found.insert(AddressKey(seal::sixteen(row.get(0))?), Some(why(row.get(1))));
    }
    Ok(found)
}
