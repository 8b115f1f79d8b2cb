//! Rotation and retention of the store in PostgreSQL.

#[path = "store/bench.rs"]
#[allow(dead_code)]
mod bench;
#[path = "support/postgres.rs"]
mod postgres;

use bench::*;
use journey::{
    clock::{DAY, HOUR, Micros},
    keys::Keys,
    store::{Forgotten, Keep, Keeps, Receipt, Shorter, Store, postgres::Postgres},
};
use postgres::{Server, connect};
use std::{collections::BTreeSet, fs};

async fn store() -> (Postgres, tokio_postgres::Client, String) {
    let server = Server::shared();
    let url = server.url(&server.database().await);
    let store = Postgres::connect(&url, None, 2, Keys::ephemeral()).unwrap();
    store.migrate().await.unwrap();
    (store, connect(&url).await, url)
}

async fn one(client: &tokio_postgres::Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn days(client: &tokio_postgres::Client) -> BTreeSet<String> {
    let all = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'journey.event'::regclass";
    client
        .query(all, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_there_before_stays_and_the_version_before_goes_on() {
    let server = Server::shared();
    let client = connect(&server.url(&server.database().await)).await;
    client
        .batch_execute("CREATE SCHEMA journey; SET search_path = journey")
        .await
        .unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let insert = "INSERT INTO event (namespace, day, key, customer, name, at, accepted_at, sealed) \
                  SELECT 'shop', d, decode(lpad(to_hex(d), 32, '0'), 'hex'), '', 'order', 0, 0, '' \
                  FROM unnest($1::integer[]) d ORDER BY 1 ON CONFLICT (namespace, day, key) DO NOTHING RETURNING day, key";
    let today = i32::try_from(
        one(
            &client,
            "SELECT floor(extract(epoch FROM clock_timestamp()) / 86400)::bigint",
        )
        .await,
    )
    .unwrap();
    for file in files {
        let sql = fs::read_to_string(&file).unwrap();
        if file.to_string_lossy().contains("0009") {
            let rows = client.query(insert, &[&vec![0, 10_000, today]]).await.unwrap();
            assert_eq!(rows.len(), 3);
        }
        client.batch_execute(&sql).await.unwrap();
    }
    // The statement of before finds what was there before, and takes what comes.
    let rows = client
        .query(insert, &[&vec![0, 10_000, today, today + 1, -5]])
        .await
        .unwrap();
    let fresh: BTreeSet<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(fresh, BTreeSet::from([-5, today + 1]));
    assert_eq!(one(&client, "SELECT count(*) FROM event_before").await, 4);
    assert_eq!(one(&client, "SELECT count(*) FROM event_other").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_are_made_ahead_and_dropped_whole() {
    let (store, client, _) = store().await;
    assert_eq!(
        store.forget(&Keep::default(), &Shorter::new()).await.unwrap(),
        Some(Forgotten::default())
    );
    let made = days(&client).await;
    assert_eq!(made.len(), 2 + 7, "before, other, and a week ahead: {made:?}");
    assert_eq!(
        store.forget(&Keep::default(), &Shorter::new()).await.unwrap(),
        Some(Forgotten::default())
    );
    assert_eq!(days(&client).await, made, "nothing is made twice");

    // A hundred days go by for the partition of before, and one of ten days ago is there.
    let today = one(
        &client,
        "SELECT floor(extract(epoch FROM clock_timestamp()) / 86400)::bigint",
    )
    .await;
    client
        .batch_execute(&format!(
            "ALTER TABLE journey.event DETACH PARTITION journey.event_before; \
             ALTER TABLE journey.event ATTACH PARTITION journey.event_before FOR VALUES FROM (MINVALUE) TO ({}); \
             CREATE TABLE journey.event_ten PARTITION OF journey.event FOR VALUES FROM ({}) TO ({})",
            today - 90,
            today - 10,
            today - 9
        ))
        .await
        .unwrap();
    let event = |number, ago: i64| arrival(number, person(1), (today - ago) * DAY + HOUR);
    let batch = [event(1, 95), event(2, 10), event(3, 50)];
    let accept = || store.accept(SHOP, &batch, &|_, _| vec![]);
    assert_eq!(accept().await.unwrap(), [Receipt::Accepted; 3]);
    let gone = store.forget(&Keep::default(), &Shorter::new()).await.unwrap().unwrap();
    assert_eq!((gone.days, gone.events), (1, 0));
    assert!(!days(&client).await.contains("journey.event_before"));
    // The repetition of one whose day is gone is new, once, and then found by when it came.
    let again = [Receipt::Accepted, Receipt::Duplicate, Receipt::Duplicate];
    assert_eq!(accept().await.unwrap(), again);
    assert_eq!(accept().await.unwrap(), [Receipt::Duplicate; 3]);
    assert_eq!(one(&client, "SELECT count(*) FROM journey.event_other").await, 2);
    client
        .execute(
            "UPDATE journey.event_other SET accepted_at = accepted_at - 91 * 86400000000",
            &[],
        )
        .await
        .unwrap();
    let gone = store.forget(&Keep::default(), &Shorter::new()).await.unwrap().unwrap();
    assert_eq!((gone.days, gone.events), (0, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_and_nothing_else() {
    let (store, client, _) = store().await;
    let now: Micros = store.now().await.unwrap();
    let (old, young) = (now - 401 * DAY, now - 399 * DAY);
    for (number, at) in [(1, old), (2, young)] {
        let row = format!(
            "INSERT INTO journey.message SELECT 'shop', decode(repeat('0{number}', 16), 'hex'), 'welcome', '', 1, 's', 1, 't', 'p', 'c', {at}, 'Sent'; \
             INSERT INTO journey.message SELECT 'shop', decode(repeat('1{number}', 16), 'hex'), 'welcome', '', 1, 's', 1, 't', 'p', 'c', {at}, NULL; \
             INSERT INTO journey.contact SELECT 'shop', '', decode(repeat('0{number}', 16), 'hex'), 'p', 'c', {at} - 400 * 86400000000; \
             INSERT INTO journey.quarantine SELECT 'shop', {number}, 'r', 'd', 's', {at} + 310 * 86400000000, true, ''; \
             INSERT INTO journey.enrollment SELECT 'shop', 'welcome', '', {number}, 0, 'r', false, NULL, {at}, ''; \
             INSERT INTO journey.enrollment SELECT 'shop', 'welcome', '', 1{number}, 0, 'r', true, NULL, {at}, ''"
        );
        client.batch_execute(&row).await.unwrap();
    }
    let hour = (now - 91 * DAY).div_euclid(DAY) * 24;
    for (part, bucket) in [(0, hour + 1), (0, hour + 23), (0, hour), (1, hour + 2), (0, now / HOUR)] {
        let row = format!("INSERT INTO journey.kpi VALUES ('shop', 'welcome', {part}, 'entered', {bucket}, 5)");
        client.execute(&row, &[]).await.unwrap();
    }
    let gone = store.forget(&Keep::default(), &Shorter::new()).await.unwrap().unwrap();
    let expected = Forgotten {
        messages: 1,
        contacts: 1,
        enrollments: 1,
        quarantine: 1,
        counts: 3,
        ..Forgotten::default()
    };
    assert_eq!(gone, expected);
    assert_eq!(
        store.forget(&Keep::default(), &Shorter::new()).await.unwrap(),
        Some(Forgotten::default())
    );
    assert_eq!(
        one(&client, "SELECT count(*) FROM journey.message").await,
        3,
        "what is on its way stays"
    );
    let counts = store.counts(SHOP, WELCOME).await.unwrap();
    assert_eq!(counts.total("entered"), 25);
    assert_eq!(counts.0.len(), 2, "a day and this hour: {counts:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_forgets_at_a_time_and_a_batch_after_the_other() {
    let (store, client, url) = store().await;
    client
        .batch_execute(
            "INSERT INTO journey.message SELECT 'shop', decode(lpad(to_hex(n), 32, '0'), 'hex'), 'welcome', '', 1, 's', 1, 't', 'p', 'c', n, 'Sent' \
             FROM generate_series(1, 12000) n",
        )
        .await
        .unwrap();
    let other = connect(&url).await;
    other
        .batch_execute("BEGIN; SELECT pg_advisory_xact_lock(5, 0)")
        .await
        .unwrap();
    assert_eq!(store.forget(&Keep::default(), &Shorter::new()).await.unwrap(), None);
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(
        store
            .forget(&Keep::default(), &Shorter::new())
            .await
            .unwrap()
            .unwrap()
            .messages,
        12_000
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_shortens_what_is_kept_of_its_namespace_and_what_went_is_written_down() {
    let (store, client, _) = store().await;
    assert_eq!(store.retained(SHOP).await.unwrap(), None);
    for namespace in ["shop", "bank"] {
        store
            .put_settings(namespace, &serde_json::json!({"of": namespace}))
            .await
            .unwrap();
    }
    assert_eq!(store.all_settings().await.unwrap()["bank"]["of"], "bank");
    let now: Micros = store.now().await.unwrap();
    let today = now.div_euclid(DAY);
    store.forget(&Keep::default(), &Shorter::new()).await.unwrap();
    let ran = store.retained(SHOP).await.unwrap().unwrap();
    assert!(ran.at >= now && ran.removed == 0, "{ran:?}");

    for namespace in ["shop", "bank"] {
        for (number, ago) in [(1, 20 * DAY), (2, 5 * DAY)] {
            let at = now - ago;
            let row = format!(
                "INSERT INTO journey.message SELECT '{namespace}', decode(repeat('0{number}', 16), 'hex'), 'welcome', '', 1, 's', 1, 't', 'p', 'c', {at}, 'Sent'; \
                 INSERT INTO journey.contact SELECT '{namespace}', '', decode(repeat('0{number}', 16), 'hex'), 'p', 'c', {at}; \
                 INSERT INTO journey.enrollment SELECT '{namespace}', 'welcome', '', {number}, 0, 'r', false, NULL, {at}, ''"
            );
            client.batch_execute(&row).await.unwrap();
        }
        // Of 20 days ago and of 5; and one that came today and names a day long ago.
        for (number, day, accepted) in [
            (1, today - 20, now - 20 * DAY),
            (2, today - 5, now - 5 * DAY),
            (3, today - 20, now),
        ] {
            let row = format!(
                "INSERT INTO journey.event (namespace, day, key, customer, name, at, accepted_at, sealed) \
                 VALUES ('{namespace}', {day}, decode(repeat('0{number}', 16), 'hex'), '', 'order', 0, {accepted}, '')"
            );
            client.execute(&row, &[]).await.unwrap();
        }
    }
    let ten = Some(10 * DAY);
    let keeps = Keeps {
        events: ten,
        messages: ten,
        contacts: None,
        // Longer than what holds for all: without effect.
        enrollments: Some(4_000 * DAY),
    };
    let shorter = Shorter::from([("shop".to_owned(), keeps)]);
    let gone = store.forget(&Keep::default(), &shorter).await.unwrap().unwrap();
    assert_eq!(
        (gone.events, gone.messages, gone.contacts, gone.enrollments),
        (1, 1, 0, 0)
    );
    let left = async |table: &str, namespace: &str| {
        let count = format!("SELECT count(*) FROM journey.{table} WHERE namespace = '{namespace}'");
        one(&client, &count).await
    };
    assert_eq!((left("event", "shop").await, left("event", "bank").await), (2, 3));
    assert_eq!((left("message", "shop").await, left("message", "bank").await), (1, 2));
    let ran = store.retained(SHOP).await.unwrap().unwrap();
    assert!(ran.at > now && ran.removed == 2, "{ran:?}");
    assert_eq!(store.retained("bank").await.unwrap().unwrap().removed, 0);

    let all = Keep {
        enrollments: 10 * DAY,
        ..Keep::default()
    };
    let gone = store.forget(&all, &Shorter::new()).await.unwrap().unwrap();
    assert_eq!(gone.enrollments, 2);
    assert_eq!(
        store.retained("bank").await.unwrap().unwrap().removed,
        1,
        "what holds for all is written down for each"
    );
    store.remove_namespace("bank").await.unwrap();
    assert_eq!(store.retained("bank").await.unwrap(), None);
}
