//! Rows that do not open: taken out of the tables that rounds read, kept whole in the quarantine, and put back from there.

use super::{
    alias,
    intake::{self, Delivery},
    program,
    seal::{self, Place},
    sql,
};
use crate::{
    engine::state::{Disposition, Ignored},
    keys::{CustomerKey, Keys},
    kpi::{Count, Counts},
    store::{Aside, AsideReason, Hold, PutBack, Quarantined, Result, UnreadableRow},
};
use deadpool_postgres::Object;
use std::collections::BTreeSet;

/// Tables of a journey whose rows hang on a customer.
const OF_A_CUSTOMER: [&str; 5] = ["inbox", "outbox", "placed", "enrollment", "sighting"];
/// Rows that are looked at to see whether the keys are the right ones.
const WITNESSES: i64 = 64;

/// Puts a row aside that a round could not read; of a customer's own row, which cannot be spared, all that hangs on it in this journey. Gives
/// whether something was: nothing is while no row of the namespace opens, for then it is the keys that are wrong, or while the leases are not ours.
pub(super) async fn put_aside(client: &mut Object, keys: &Keys, hold: &Hold, row: &UnreadableRow) -> Result<bool> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, &hold.namespace).await?;
    if !super::round::fence(&tx, hold).await? || !are_right(&tx, keys, &hold.namespace).await? {
        return Ok(false);
    }
    let taken = take(&tx, hold, row).await?;
    if taken.is_empty() {
        return Ok(false);
    }
    let now = sql::now(&tx).await?;
    let mut counts = Counts::default();
    let ignored = || Disposition::Ignored(Ignored::Unreadable);
    let mut rows = Vec::new();
    for (table, row) in taken {
        // An event that cannot be read may have been a look or a join: it counts as an event.
        if table == "inbox" {
            counts.add(Count::Event(ignored()).name(), now, 1);
        }
        if row["paced"] == true {
            counts.add(Count::Admitted(ignored()).name(), now, 1);
        }
        let detail = format!("a row of table {table} could not be read, or its customer's");
        let table = table.to_owned();
        rows.push(Aside::Row { table, row }.of_journey(&hold.journey, AsideReason::Unreadable, detail, now));
    }
    intake::put_aside(&tx, keys, &hold.namespace, &rows, false).await?;
    sql::count(&tx, &hold.namespace, &hold.journey, &counts).await?;
    tx.commit().await?;
    tracing::error!(
        journey = hold.journey,
        table = row.table,
        rows = rows.len(),
        "what cannot be read was put aside: journey quarantine list"
    );
    Ok(true)
}

/// Whether the round can go on without customers whose own rows do not open, who have come to it by a sweep or by news alone.
pub(super) async fn can_be_spared(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    hold: &Hold,
    customers: &BTreeSet<CustomerKey>,
) -> Result<bool> {
    let which: Vec<&[u8]> = customers.iter().map(|key| key.0.as_slice()).collect();
    for table in OF_A_CUSTOMER {
        let any = format!("SELECT FROM {table} WHERE namespace = $1 AND journey = $2 AND customer = ANY($3) LIMIT 1");
        if sql::maybe(tx, &any, &[&hold.namespace, &hold.journey, &which])
            .await?
            .is_some()
        {
            return Ok(false);
        }
    }
    are_right(tx, keys, &hold.namespace).await
}

/// Whether some customer's row opens. With the wrong keys none does.
async fn are_right(tx: &sql::Transaction<'_>, keys: &Keys, namespace: &str) -> Result<bool> {
    let some = "SELECT customer, sealed FROM customer WHERE namespace = $1 LIMIT $2";
    let rows = sql::rows(tx, some, &[&namespace, &WITNESSES]).await?;
    Ok(rows.iter().any(|row| {
        let key: &[u8] = row.get(0);
        let place = Place {
            table: "customer",
            key: &[namespace.as_bytes(), key],
        };
        seal::decrypts(keys, &place, row.get(1))
    }))
}

/// Takes rows out of their tables, as JSON.
async fn take(
    tx: &sql::Transaction<'_>,
    hold: &Hold,
    row: &UnreadableRow,
) -> Result<Vec<(&'static str, serde_json::Value)>> {
    let part = |at: usize| row.key.get(at).map(Vec::as_slice).unwrap_or_default();
    let number = |at: usize| i64::from_be_bytes(part(at).try_into().unwrap_or_default());
    let (journey, namespace) = (&hold.journey, &hold.namespace);
    match row.table {
        "inbox" => {
            let those = "journey = $2 AND seq = $3 AND shard >= 0";
            take_from(tx, "inbox", those, &[namespace, journey, &number(2)]).await
        }
        "news" => {
            let those = "journey = $2 AND seq = $3";
            take_from(tx, "news", those, &[namespace, journey, &number(2)]).await
        }
        "enrollment" => {
            let those = "journey = $2 AND customer = $3 AND ordinal = $4";
            take_from(tx, "enrollment", those, &[namespace, journey, &part(2), &number(3)]).await
        }
        "outbox" => {
            let those = "journey = $2 AND customer = $3 AND key = $4";
            take_from(tx, "outbox", those, &[namespace, journey, &part(2), &part(3)]).await
        }
        "placed" => {
            let those = "journey = $2 AND customer = $3 AND key = $4";
            take_from(tx, "placed", those, &[namespace, journey, &part(1), &part(2)]).await
        }
        "customer" => {
            let mut all = Vec::new();
            for table in OF_A_CUSTOMER {
                let those = "journey = $2 AND customer = $3";
                all.extend(take_from(tx, table, those, &[namespace, journey, &part(1)]).await?);
            }
            Ok(all)
        }
        _ => Ok(Vec::new()),
    }
}

async fn take_from(
    tx: &sql::Transaction<'_>,
    table: &'static str,
    those: &str,
    values: sql::Values<'_>,
) -> Result<Vec<(&'static str, serde_json::Value)>> {
    let take = format!("DELETE FROM {table} t WHERE namespace = $1 AND {those} RETURNING to_jsonb(t)::text");
    let rows = sql::rows(tx, &take, values).await?;
    rows.iter()
        .map(|row| Ok((table, serde_json::from_str(row.get(0)).map_err(|_| odd(table))?)))
        .collect()
}

fn odd(table: &str) -> crate::store::StoreError {
    crate::store::StoreError::Unreadable(format!("a row of table {table} is no JSON").into())
}

/// Gives the journey that has something to do now, too.
pub(super) async fn put_back(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    id: i64,
) -> Result<(PutBack, Option<String>)> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    let Some((row, counted)) = intake::take_out(&tx, keys, namespace, id).await? else {
        return Ok((PutBack::Gone, None));
    };
    let Some((journey, reason, aside)) = Aside::read(&row).filter(|_| !counted) else {
        return Ok((PutBack::NotOfARound, None));
    };
    let live = "SELECT FROM journey WHERE namespace = $1 AND journey = $2 AND NOT stopped";
    if sql::maybe(&tx, live, &[&namespace, &journey]).await?.is_none() {
        return Ok((PutBack::NoJourney, None));
    }
    let mut counts = Counts::default();
    let ignored = Disposition::Ignored(reason.ignored());
    match aside {
        Aside::Enrollment { .. } => return Ok((PutBack::Ended, None)),
        Aside::Event { customer, event } => {
            let roots = alias::roots(&tx, namespace, [customer]).await?;
            let customer = roots.get(&customer).copied().unwrap_or(customer);
            // Numbers of the inbox are taken under the customer's lock.
            let lock = "SELECT FROM customer WHERE namespace = $1 AND customer = $2 FOR UPDATE";
            sql::rows(&tx, lock, &[&namespace, &customer.0.as_slice()]).await?;
            let delivery = Delivery {
                journey: &journey,
                customer,
                event: &event,
            };
            intake::deliver(&tx, keys, namespace, &[delivery], Vec::new()).await?;
            counts.add(Count::Event(ignored).name(), row.at, -1);
        }
        Aside::Row { table, row: columns } => {
            let known = OF_A_CUSTOMER.iter().chain(&["news"]).find(|known| **known == table);
            let table = known.ok_or_else(|| odd(&table))?;
            let insert = format!(
                "INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, $1::text::jsonb) ON CONFLICT DO NOTHING"
            );
            sql::run(&tx, &insert, &[&columns.to_string()]).await?;
            if *table == "inbox" {
                counts.add(Count::Event(ignored).name(), row.at, -1);
            }
            if columns["paced"] == true {
                counts.add(Count::Admitted(ignored).name(), row.at, -1);
            }
        }
    }
    sql::count(&tx, namespace, &journey, &counts).await?;
    tx.commit().await?;
    Ok((PutBack::Done, Some(journey)))
}

pub(super) async fn discard(client: &mut Object, keys: &Keys, namespace: &str, id: i64) -> Result<Option<Quarantined>> {
    let tx = sql::begin(client).await?;
    let gone = intake::take_out(&tx, keys, namespace, id).await?;
    tx.commit().await?;
    Ok(gone.map(|(row, _)| row))
}
