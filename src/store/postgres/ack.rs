//! By which policies runners and gateways run: told in their registrations. Written when it changes; a gateway's also now and then, so that one that
//! died is forgotten.

use super::sql;
use crate::{
    clock::Micros,
    store::{Ran, Result, Running, rules},
};
use deadpool_postgres::Object;
use std::time::Duration;
use uuid::Uuid;

pub(super) async fn acknowledge(
    client: &mut Object,
    namespace: &str,
    journey: &str,
    owner: Uuid,
    policy: &str,
) -> Result<()> {
    let tx = sql::begin(client).await?;
    let told = "UPDATE member SET policy = $4 WHERE namespace = $1 AND journey = $2 AND owner = $3 AND policy IS DISTINCT FROM $4";
    sql::run(&tx, told, &[&namespace, &journey, &owner, &policy]).await?;
    tx.commit().await
}

pub(super) async fn attend(
    client: &mut Object,
    namespace: &str,
    owner: Uuid,
    policy: &str,
    ttl: Duration,
) -> Result<()> {
    let tx = sql::begin(client).await?;
    let now = sql::now(&tx).await?;
    let until = now.saturating_add(i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX));
    let over =
        "DELETE FROM member WHERE namespace = $1 AND journey = '' AND owner <> $2 AND (until <= $3 OR until > $4)";
    sql::run(&tx, over, &[&namespace, &owner, &now, &rules::longest(now, ttl)]).await?;
    let here = "INSERT INTO member (namespace, journey, owner, until, policy) VALUES ($1, '', $2, $3, $4) \
                ON CONFLICT (namespace, journey, owner) DO UPDATE SET until = excluded.until, policy = excluded.policy";
    sql::run(&tx, here, &[&namespace, &owner, &until, &policy]).await?;
    tx.commit().await
}

pub(super) async fn depart(client: &mut Object, namespace: &str, owner: Uuid) -> Result<()> {
    let tx = sql::begin(client).await?;
    let gone = "DELETE FROM member WHERE namespace = $1 AND journey = '' AND owner = $2";
    sql::run(&tx, gone, &[&namespace, &owner]).await?;
    tx.commit().await
}

pub(super) async fn running(client: &mut Object, namespace: &str) -> Result<Running> {
    let tx = sql::begin(client).await?;
    let now = sql::now(&tx).await?;
    let all = "SELECT journey, policy FROM member WHERE namespace = $1 AND until > $2";
    let rows = sql::rows(&tx, all, &[&namespace, &now]).await?;
    Ok(Running::of(rows.iter().map(|row| (row.get(0), row.get(1)))))
}

pub(super) async fn retained(client: &mut Object, namespace: &str) -> Result<Option<Ran>> {
    let tx = sql::begin(client).await?;
    let all = "SELECT max(NULLIF(last_run, 0)), sum(removed)::bigint FROM forgotten WHERE namespace = $1";
    let row = sql::rows(&tx, all, &[&namespace]).await?;
    let at: Option<Micros> = row[0].get(0);
    Ok(at.map(|at| Ran {
        at,
        removed: row[0].get::<_, Option<i64>>(1).unwrap_or(0),
    }))
}
