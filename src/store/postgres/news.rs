//! News: kept for each journey that listens, brought to every customer a shard at a time, and then forgotten.

use super::{
    intake::{self, SealedEvent},
    look::{self, Progress},
    program,
    seal::{self, Place},
    sql,
};
use crate::{
    clock::Micros,
    engine::Event,
    keys::{CustomerKey, Keys},
    store::{Due, Hold, News, Receipt, Result, SweepRequest, rules},
};
use deadpool_postgres::Object;
use std::collections::{BTreeMap, BTreeSet};

/// Gives the receipts, and the journeys that have something to do now.
pub(super) async fn announce(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    all: &[News],
) -> Result<(Vec<Receipt>, BTreeSet<String>)> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    let now = sql::now(&tx).await?;
    let announced = put(&tx, keys, namespace, all, now).await?;
    tx.commit().await?;
    Ok(announced)
}

/// Up to when each schedule was seen to is in a row that is locked while it is asked, so that whoever comes second finds nothing due. Gives when
/// the next one comes, and the journeys that have something to do now.
pub(super) async fn strike(
    client: &mut Object,
    keys: &Keys,
    namespace: &str,
    schedules: &BTreeMap<String, String>,
    due: Due<'_>,
) -> Result<(Option<Micros>, BTreeSet<String>)> {
    let tx = sql::begin(client).await?;
    program::shared(&tx, namespace).await?;
    let (touchpoints, rules): (Vec<&str>, Vec<&str>) = schedules
        .iter()
        .map(|(name, rule)| (name.as_str(), rule.as_str()))
        .unzip();
    let begun = sql::now(&tx).await?;
    sql::run(
        &tx,
        "INSERT INTO schedule (namespace, touchpoint, rule, since) SELECT $1, u.touchpoint, u.rule, $4 \
         FROM unnest($2::text[], $3::text[]) u (touchpoint, rule) ORDER BY u.touchpoint ON CONFLICT (namespace, touchpoint) DO NOTHING",
        &[&namespace, &touchpoints, &rules, &begun],
    )
    .await?;
    let known = "SELECT touchpoint, rule, since FROM schedule WHERE namespace = $1 ORDER BY touchpoint FOR UPDATE";
    let known = sql::rows(&tx, known, &[&namespace]).await?;
    let now = sql::now(&tx).await?;
    let (mut struck, mut next) = (Vec::new(), None);
    for row in &known {
        let (touchpoint, known_rule, mut since): (String, String, Micros) = (row.get(0), row.get(1), row.get(2));
        let Some(rule) = schedules.get(&touchpoint) else {
            let gone = "DELETE FROM schedule WHERE namespace = $1 AND touchpoint = $2";
            sql::run(&tx, gone, &[&namespace, &touchpoint]).await?;
            continue;
        };
        if *rule != known_rule {
            since = now;
        }
        let tick = due(&touchpoint, since, now);
        next = tick.next.into_iter().chain(next).min();
        if let Some(news) = tick.news {
            since = news.time;
            struck.push(news);
        }
        if *rule != known_rule || since != row.get::<_, Micros>(2) {
            let seen = "UPDATE schedule SET rule = $3, since = $4 WHERE namespace = $1 AND touchpoint = $2";
            sql::run(&tx, seen, &[&namespace, &touchpoint, rule, &since]).await?;
        }
    }
    let (_, woken) = put(&tx, keys, namespace, &struck, now).await?;
    tx.commit().await?;
    Ok((next, woken))
}

async fn put(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    all: &[News],
    now: Micros,
) -> Result<(Vec<Receipt>, BTreeSet<String>)> {
    let (mut receipts, mut woken) = (Vec::with_capacity(all.len()), BTreeSet::new());
    // In the order of their keys, so that two transactions with the same news do not wait for each other in a circle.
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|n| (rules::day(all[*n].time.min(now)), all[*n].key));
    let mut fresh = BTreeSet::new();
    for n in order {
        if append(tx, keys, namespace, &all[n], now).await? {
            fresh.insert(n);
        }
    }
    for (n, news) in all.iter().enumerate() {
        if !fresh.contains(&n) {
            receipts.push(Receipt::Duplicate);
            continue;
        }
        woken.extend(keep(tx, keys, namespace, news, now).await?);
        receipts.push(Receipt::Accepted);
    }
    sql::count(tx, namespace, "", &rules::tally(&receipts, 0, 0, now)).await?;
    Ok((receipts, woken))
}

/// Whether it is new.
async fn append(tx: &sql::Transaction<'_>, keys: &Keys, namespace: &str, news: &News, now: Micros) -> Result<bool> {
    let time = news.time.min(now);
    let day = rules::day(time);
    let place = Place {
        table: "event",
        key: &[namespace.as_bytes(), &day.to_be_bytes(), &news.key],
    };
    let content = SealedEvent {
        id: &news.id,
        data: &news.data,
    };
    let sealed = seal::seal(keys, &place, &content)?;
    let (nobody, key): (&[u8], &[u8]) = (&[], &news.key);
    let made = sql::run(
        tx,
        "INSERT INTO event (namespace, day, key, customer, name, at, accepted_at, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
         ON CONFLICT (namespace, day, key) DO NOTHING",
        &[
            &namespace,
            &day,
            &key,
            &nobody,
            &news.name,
            &time,
            &now,
            &sealed,
        ],
    )
    .await?;
    Ok(made > 0)
}

/// A row for each journey that listens, exists and is not stopped, which stays so until the transaction ends; gives their names.
async fn keep(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    namespace: &str,
    news: &News,
    now: Micros,
) -> Result<Vec<String>> {
    let live =
        "SELECT journey FROM journey WHERE namespace = $1 AND journey = ANY($2) AND NOT stopped ORDER BY journey";
    let live = sql::rows(tx, live, &[&namespace, &news.listeners]).await?;
    let live: Vec<String> = live.iter().map(|row| row.get(0)).collect();
    let event = rules::news(news, now);
    for (journey, number) in live.iter().zip(intake::numbers(tx, live.len()).await?) {
        let sealed = seal::seal(
            keys,
            &place(&[namespace.as_bytes(), journey.as_bytes(), &number.to_be_bytes()]),
            &event,
        )?;
        sql::run(
            tx,
            "INSERT INTO news (namespace, journey, seq, sealed) VALUES ($1, $2, $3, $4)",
            &[&namespace, journey, &number, &sealed],
        )
        .await?;
    }
    Ok(live)
}

fn place<'a>(key: &'a [&'a [u8]]) -> Place<'a> {
    Place { table: "news", key }
}

/// News and to whom it comes next.
pub(super) struct Told {
    sequence: i64,
    pub(super) event: Event,
    pub(super) customers: Vec<CustomerKey>,
}

/// The first news that has not come to everybody in the shards that are held. None: there is none.
pub(super) async fn next(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    hold: &Hold,
    shards: &[i16],
    limit: u32,
) -> Result<Option<(Told, Vec<Progress>)>> {
    let open = sql::maybe(
        tx,
        "SELECT n.seq, n.sealed FROM news n WHERE n.namespace = $1 AND n.journey = $2 AND EXISTS \
         (SELECT FROM unnest($3::smallint[]) l (shard) WHERE NOT EXISTS (SELECT FROM sweep s WHERE s.namespace = $1 AND s.journey = $2 \
          AND s.sweep = 'news/' || n.seq AND s.shard = l.shard AND s.done)) ORDER BY n.seq LIMIT 1",
        &[&hold.namespace, &hold.journey, &shards],
    )
    .await?;
    let Some(open) = open else { return Ok(None) };
    let sequence: i64 = open.get(0);
    let key: [&[u8]; 3] = [
        hold.namespace.as_bytes(),
        hold.journey.as_bytes(),
        &sequence.to_be_bytes(),
    ];
    let event: Event = seal::open(keys, &place(&key), open.get(1))?;
    let request = SweepRequest {
        sweep: rules::news_sweep(sequence),
        version: String::new(),
        limit,
    };
    let step = look::sweep(tx, hold, shards, &request).await?;
    Ok(step.map(|(customers, progress)| {
        let told = Told {
            sequence,
            event,
            customers,
        };
        (told, progress)
    }))
}

impl Told {
    /// Writes how far it has come; when that is everybody, it is forgotten. Whoever finishes a shard locks the news, so that the last one sees
    /// what all the others have written.
    pub(super) async fn keep(&self, tx: &sql::Transaction<'_>, hold: &Hold, progress: &[Progress]) -> Result<()> {
        let this: [&(dyn tokio_postgres::types::ToSql + Sync); 3] = [&hold.namespace, &hold.journey, &self.sequence];
        let done = progress.iter().any(|step| step.done);
        if done {
            let lock = "SELECT FROM news WHERE namespace = $1 AND journey = $2 AND seq = $3 FOR UPDATE";
            sql::run(tx, lock, &this).await?;
        }
        look::keep_progress(tx, hold, progress).await?;
        if !done {
            return Ok(());
        }
        let everybody = i64::from(CustomerKey::SHARDS);
        let told = "DELETE FROM news WHERE namespace = $1 AND journey = $2 AND seq = $3 AND $4 = \
                    (SELECT count(*) FROM sweep WHERE namespace = $1 AND journey = $2 AND sweep = $5 AND done)";
        let name = rules::news_sweep(self.sequence);
        let gone = sql::run(
            tx,
            told,
            &[&hold.namespace, &hold.journey, &self.sequence, &everybody, &name],
        )
        .await?;
        if gone > 0 {
            let over = "DELETE FROM sweep WHERE namespace = $1 AND journey = $2 AND sweep = $3";
            sql::run(tx, over, &[&hold.namespace, &hold.journey, &name]).await?;
        }
        Ok(())
    }
}
