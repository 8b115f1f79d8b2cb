//! What people do to messages by hand; see `store::by_hand`.

use super::{
    alias, commit, intake, program,
    seal::{self, Place},
    sql,
};
use crate::{
    clock::Micros,
    engine::state::Outcome,
    keys::{CustomerKey, Keys, MessageKey},
    kpi::{Count, Counts},
    store::{After, Dropped, Hold, MessageRow, OutboxRow, Result, Retried, by_hand},
};
use deadpool_postgres::Object;
use std::collections::BTreeMap;

pub(super) async fn outbox(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    journey: &str,
    after: After<CustomerKey>,
    limit: u32,
) -> Result<Vec<OutboxRow>> {
    let tx = sql::begin(client).await?;
    let (customer, key) = after.map_or((vec![], vec![]), |(customer, key)| {
        (customer.0.to_vec(), key.0.to_vec())
    });
    let rows = sql::rows(
        &tx,
        "SELECT customer, key, sealed FROM outbox WHERE namespace = $1 AND journey = $2 AND (customer, key) > ($3, $4) \
         ORDER BY customer, key LIMIT $5",
        &[&namespace, &journey, &customer, &key, &i64::from(limit)],
    )
    .await?;
    rows.iter()
        .map(|row| open_outbox(keys, namespace, journey, row.get(0), row.get(1), row.get(2)))
        .collect()
}

/// No index begins with a message's key: this reads the journey's part of the primary key, and of the table the one row.
pub(super) async fn waiting(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    journey: &str,
    key: MessageKey,
) -> Result<Option<OutboxRow>> {
    let tx = sql::begin(client).await?;
    let one = "SELECT customer, sealed FROM outbox WHERE namespace = $1 AND journey = $2 AND key = $3";
    let found = sql::maybe(&tx, one, &[&namespace, &journey, &key.0.as_slice()]).await?;
    found
        .map(|row| open_outbox(keys, namespace, journey, row.get(0), &key.0, row.get(1)))
        .transpose()
}

fn open_outbox(
    keys: &Keys,
    namespace: &str,
    journey: &str,
    customer: &[u8],
    key: &[u8],
    sealed: &[u8],
) -> Result<OutboxRow> {
    let place = Place {
        table: "outbox",
        key: &[namespace.as_bytes(), journey.as_bytes(), customer, key],
    };
    seal::open(keys, &place, sealed)
}

pub(super) async fn failed(
    client: &mut Object,
    namespace: &str,
    journey: &str,
    after: After<Micros>,
    limit: u32,
) -> Result<Vec<MessageRow>> {
    let tx = sql::begin(client).await?;
    let (at, key) = after.map_or((i64::MIN, vec![]), |(at, key)| (at, key.0.to_vec()));
    let page = format!(
        "SELECT {} FROM message WHERE namespace = $1 AND journey = $2 AND outcome = 'Failed' AND (at, key) > ($3, $4) \
         ORDER BY at, key LIMIT $5",
        intake::MESSAGE
    );
    let rows = sql::rows(&tx, &page, &[&namespace, &journey, &at, &key, &i64::from(limit)]).await?;
    rows.iter().map(intake::message_row).collect()
}

/// Keeps messages that failed as they were asked for.
pub(super) async fn keep(tx: &sql::Transaction<'_>, keys: &Keys, namespace: &str, rows: &[OutboxRow]) -> Result<()> {
    let rows: BTreeMap<MessageKey, &OutboxRow> = rows.iter().map(|row| (row.key, row)).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let messages: Vec<&[u8]> = rows.keys().map(|key| key.0.as_slice()).collect();
    let sealed = rows
        .values()
        .map(|row| seal::seal(keys, &place(&[namespace.as_bytes(), &row.key.0]), row));
    let sealed: Vec<Vec<u8>> = sealed.collect::<Result<_>>()?;
    sql::run(
        tx,
        "UPDATE message m SET sealed = u.sealed FROM unnest($2::bytea[], $3::bytea[]) u (key, sealed) \
         WHERE m.namespace = $1 AND m.key = u.key",
        &[&namespace, &messages, &sealed],
    )
    .await
    .map(drop)
}

fn place<'a>(key: &'a [&'a [u8]; 2]) -> Place<'a> {
    Place { table: "message", key }
}

pub(super) async fn retry(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    journey: &str,
    key: MessageKey,
) -> Result<Retried> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    let one = format!(
        "SELECT {}, sealed FROM message WHERE namespace = $1 AND key = $2 AND journey = $3 AND outcome = 'Failed' \
         AND sealed IS NOT NULL",
        intake::MESSAGE
    );
    let those: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&namespace, &key.0.as_slice(), &journey];
    let Some(found) = sql::maybe(&tx, &one, &those).await? else {
        return Ok(Retried::Gone);
    };
    let live = "SELECT FROM journey WHERE namespace = $1 AND journey = $2 AND NOT stopped";
    if sql::maybe(&tx, live, &[&namespace, &journey]).await?.is_none() {
        return Ok(Retried::NoJourney);
    }
    let known = intake::message_row(&found)?;
    let roots = alias::roots(&tx, namespace, [known.customer]).await?;
    let customer = roots.get(&known.customer).copied().unwrap_or(known.customer);
    lock(&tx, namespace, customer).await?;
    // Somebody else may have done it, before the lock was ours.
    let Some(found) = sql::maybe(&tx, &one, &those).await? else {
        return Ok(Retried::Gone);
    };
    let known = intake::message_row(&found)?;
    let Some(Outcome::Failed(reason)) = known.outcome else {
        return Ok(Retried::Gone);
    };
    let row: OutboxRow = seal::open(keys, &place(&[namespace.as_bytes(), &key.0]), found.get("sealed"))?;
    let now = sql::now(&tx).await?;
    let mut row = by_hand::again(row, &reason, now);
    row.customer = customer;
    let touchpoint = known.touchpoint;
    let forget = "UPDATE message SET outcome = NULL, reason = NULL, sealed = NULL WHERE namespace = $1 AND key = $2";
    sql::run(&tx, forget, &[&namespace, &key.0.as_slice()]).await?;
    sql::run(
        &tx,
        "UPDATE enrollment SET watch_until = greatest(watch_until, $5) \
         WHERE namespace = $1 AND journey = $2 AND customer = $3 AND ordinal = $4",
        &[
            &namespace,
            &journey,
            &customer.0.as_slice(),
            &row.enrollment,
            &now.saturating_add(by_hand::READ_AGAIN),
        ],
    )
    .await?;
    commit::put_outbox(&tx, keys, &of(namespace, journey), &[row], &[]).await?;
    let mut counts = Counts::default();
    counts.add(Count::Failed { touchpoint, reason }.name(), known.at, -1);
    sql::count(&tx, namespace, journey, &counts).await?;
    tx.commit().await?;
    Ok(Retried::Done)
}

pub(super) async fn drop_message(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    journey: &str,
    customer: CustomerKey,
    key: MessageKey,
) -> Result<Dropped> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    lock(&tx, namespace, customer).await?;
    let (who, which) = (customer.0.as_slice(), key.0.as_slice());
    let one = "SELECT sealed FROM outbox WHERE namespace = $1 AND journey = $2 AND customer = $3 AND key = $4";
    let Some(found) = sql::maybe(&tx, one, &[&namespace, &journey, &who, &which]).await? else {
        return Ok(Dropped::Gone);
    };
    let row = open_outbox(keys, namespace, journey, who, which, found.get(0))?;
    let now = sql::now(&tx).await?;
    let row = match by_hand::dropped(row, now) {
        Ok(row) => row,
        Err(why) => return Ok(why),
    };
    commit::put_outbox(&tx, keys, &of(namespace, journey), &[row], &[]).await?;
    tx.commit().await?;
    Ok(Dropped::Done)
}

async fn lock(tx: &sql::Transaction<'_>, namespace: &str, customer: CustomerKey) -> Result<()> {
    let lock = "SELECT FROM customer WHERE namespace = $1 AND customer = $2 FOR UPDATE";
    sql::rows(tx, lock, &[&namespace, &customer.0.as_slice()])
        .await
        .map(drop)
}

/// A hold of nothing, for what writes rows of a journey.
pub(super) fn of(namespace: &str, journey: &str) -> Hold {
    Hold {
        namespace: namespace.to_owned(),
        journey: journey.to_owned(),
        owner: uuid::Uuid::nil(),
        shards: vec![],
        members: Default::default(),
        late: false,
    }
}
