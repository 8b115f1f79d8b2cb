//! What only the store in PostgreSQL promises: sealed columns, a schema that the data role cannot change, TLS, and coming back.

#[path = "store/bench.rs"]
#[allow(dead_code)]
mod bench;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "store/unreadable.rs"]
mod unreadable;

use bench::*;
use journey::{
    engine::state::Event,
    keys::Keys,
    personal::Personal,
    policy::Suppression,
    store::{Imported, OutboxState, Quarantined, RoundCommit, Store, StoreError, Suppressed, postgres::Postgres},
};
use postgres::{Server, connect};
use serde_json::json;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// What must not be found in any table: each is a value that a customer would call personal.
const PERSONAL: [&str; 12] = [
    "card-secret",
    "to-secret",
    "told-secret",
    "ada@example.com",
    "Via Roma 7",
    "order-4711",
    "profile-secret",
    "entry-secret",
    "with-secret",
    "form-of-1815",
    "put-aside-secret",
    "set-secret",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_table_holds_personal_data_in_plain() {
    let bench = Bench::postgres().await.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let mut row = enrollment(person(1), 1, "r1", waiting(None));
    row.enrollment.key = Personal::new("entry-secret".into());
    row.enrollment.kept = vec![Event {
        name: "reminder/clicked".into(),
        id: Personal::new("order-4711".into()),
        time: 1,
        accepted_at: 1,
        data: properties(json!({"street": "Via Roma 7"})),
        profile: properties(json!({})),
        about: None,
        hops: 0,
    }];
    let mut message = outbox(
        1,
        person(1),
        OutboxState::Held {
            due: i64::MAX,
            why: "QuietHours".into(),
        },
    );
    message.with = properties(json!({"name": "with-secret"}));
    let aside = Quarantined {
        reason: "SchemaMismatch".into(),
        detail: "data.total".into(),
        source: "web".into(),
        at: 1,
        event: Personal::new(json!({"email": "put-aside-secret"})),
    };
    let ends = journey::store::placed::Ending {
        message: message_key(9),
        purpose: "news".into(),
        adapter: "dsp".into(),
        to: Some(Personal::new("to-secret".into())),
        content: BTreeMap::from([("text".to_owned(), Personal::new("told-secret".into()))]),
    };
    let telling = journey::store::OutboxRow {
        ends: Some(Box::new(ends)),
        ..outbox(8, person(1), message.state.clone())
    };
    let mut card = placed(9, person(1), i64::MAX);
    card.to = Some(Personal::new("to-secret".into()));
    card.with = properties(json!({"name": "with-secret"}));
    card.content.insert("text".into(), Personal::new("card-secret".into()));
    let commit = RoundCommit {
        enrollments: vec![row],
        placed: vec![card],
        outbox: vec![message, telling],
        attributes: vec![(person(1), properties(json!({"word": "set-secret"})))],
        quarantined: vec![aside.clone()],
        ..Default::default()
    };
    bench.write(&hold, person(1), commit).await;
    bench.store.quarantine(SHOP, &[aside]).await.unwrap();
    let customer = Imported {
        key: person(2),
        anonymous: false,
        id: Personal::new("ada@example.com".into()),
        attributes: properties(json!({"street": "Via Roma 7"})),
        consents: BTreeMap::from([("news".to_owned(), consent(true, 1))]),
        evidence: BTreeMap::from([("news".to_owned(), Personal::new("form-of-1815".into()))]),
    };
    bench.store.import(SHOP, &[customer], "file", 1).await.unwrap();
    let mut event = bench.arrival(1, person(3)).await;
    event.id = Personal::new("order-4711".into());
    event.customer_id = Some(Personal::new("ada@example.com".into()));
    event.data = properties(json!({"street": "Via Roma 7"}));
    let learn = |_: &_, customer: &mut journey::store::Customer| {
        customer.attributes = properties(json!({"word": "profile-secret"}));
        vec![]
    };
    bench.store.accept(SHOP, &[event], &learn).await.unwrap();
    let suppressed = Suppressed {
        address: Keys::ephemeral().address(SHOP, "ada@example.com"),
        why: Suppression::Objected,
        source: "a provider".into(),
        at: 1,
    };
    bench.store.suppress(SHOP, &[suppressed]).await.unwrap();

    let client = connect(bench.url()).await;
    let tables = client
        .query(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'journey'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition",
            &[],
        )
        .await
        .unwrap();
    assert!(tables.len() > 15);
    let mut empty: Vec<String> = vec![];
    for table in tables.iter().map(|row| row.get::<_, String>(0)) {
        let rows = client
            .query(&format!("SELECT row_to_json(t)::text FROM journey.{table} t"), &[])
            .await
            .unwrap();
        empty.extend(rows.is_empty().then(|| table.clone()));
        for row in rows.iter().map(|row| row.get::<_, String>(0)) {
            for secret in PERSONAL {
                let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
                assert!(!row.contains(secret) && !row.contains(&hex), "{table} holds {secret}");
            }
        }
    }
    // These hold pseudonyms, names and times alone; the events of news are sealed as those of the event table are.
    for table in empty {
        let nothing_personal = [
            "alias",
            "contact",
            "forgotten",
            "member",
            "message",
            "news",
            "pace",
            "schedule",
            "sighting",
            "sweep",
        ];
        assert!(
            nothing_personal.contains(&table.as_str()),
            "{table} was not looked into"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_another_key_nothing_opens() {
    let bench = Bench::postgres().await.with_journey().await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(std::slice::from_ref(&event)).await;
    let stranger = Postgres::connect(bench.url(), None, 2, Keys::ephemeral()).unwrap();
    let refused = stranger.accept(SHOP, &[event], &|_, _| vec![]).await;
    assert!(matches!(refused, Err(StoreError::Unreadable(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_is_away_is_unavailable_within_seconds_and_used_again_when_it_is_back() {
    let server = Server::start();
    let url = server.url(&server.database().await);
    let store = Postgres::connect(&url, None, 4, Keys::ephemeral()).unwrap();
    let event = arrival(1, person(1), 1);
    let early = store
        .accept(SHOP, std::slice::from_ref(&event), &|_, _| vec![])
        .await
        .unwrap_err();
    assert!(early.to_string().contains("schema is not there yet"), "{early}");
    store.migrate().await.unwrap();
    store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    let hold = store
        .join(SHOP, WELCOME, owner(1), Duration::from_secs(120))
        .await
        .unwrap();
    store.wait(SHOP, WELCOME, Duration::from_millis(200)).await;

    server.stop();
    for _ in 0..6 {
        let begun = Instant::now();
        let refused = store.accept(SHOP, std::slice::from_ref(&event), &|_, _| vec![]).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        assert!(matches!(store.ping().await, Err(StoreError::Unavailable(_))));
        assert!(matches!(
            store.round(&hold, &request(), &mut |_| panic!("no work")).await,
            Err(StoreError::Unavailable(_))
        ));
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    store.wait(SHOP, WELCOME, Duration::from_millis(10)).await;
    let fresh = Postgres::connect(&url, None, 4, Keys::ephemeral()).unwrap();
    assert!(
        matches!(fresh.ping().await, Err(StoreError::Unavailable(_))),
        "it can be made while the database is away"
    );

    server.start_again();
    let mut tries = 0;
    while store.ping().await.is_err() {
        tries += 1;
        assert!(tries < 20, "it is back, and stays unused");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(
        store.accept(SHOP, &[event], &|_, _| vec![]).await.unwrap(),
        [journey::store::Receipt::Accepted]
    );
    let (gateway, begun) = (
        Postgres::connect(&url, None, 2, Keys::ephemeral()).unwrap(),
        Instant::now(),
    );
    let comes = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        gateway
            .accept(SHOP, &[arrival(2, person(2), 1)], &|_, _| vec![])
            .await
            .unwrap();
    };
    let heard = async {
        store.wait(SHOP, WELCOME, Duration::from_millis(1500)).await;
        store.wait(SHOP, WELCOME, Duration::from_secs(30)).await;
        store.wait(SHOP, WELCOME, Duration::from_secs(30)).await;
    };
    tokio::join!(comes, heard);
    assert!(begun.elapsed() < Duration::from_secs(25), "it listens again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_session_holds_nobody_up_for_ever() {
    let bench = Bench::postgres().await.with_journey().await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(std::slice::from_ref(&event)).await;
    let foreign = connect(bench.url()).await;
    foreign
        .batch_execute("BEGIN; SELECT * FROM journey.customer FOR UPDATE")
        .await
        .unwrap();
    let begun = Instant::now();
    let next = arrival(2, person(1), 1);
    let refused = bench
        .store
        .accept(SHOP, std::slice::from_ref(&next), &|_, _| vec![])
        .await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(15));
    foreign.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(bench.accept(&[next]).await, [journey::store::Receipt::Accepted]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrating_twice_and_at_once_does_it_once() {
    let server = Server::shared();
    let url = server.url(&server.database().await);
    let stores: Vec<Postgres> = (0..4)
        .map(|_| Postgres::connect(&url, None, 1, Keys::ephemeral()).unwrap())
        .collect();
    let all = futures::future::join_all(stores.iter().map(Postgres::migrate)).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let client = connect(&url).await;
    let applied = client
        .query("SELECT version FROM journey.migration", &[])
        .await
        .unwrap();
    let migrations = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/store/migrations")).unwrap();
    assert_eq!(applied.len(), migrations.count());

    client
        .execute("UPDATE journey.migration SET checksum = 'another'", &[])
        .await
        .unwrap();
    let refused = stores[0].migrate().await;
    assert!(matches!(refused, Err(StoreError::Unreadable(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_data_role_works_and_cannot_change_the_schema() {
    // A server of its own: roles belong to the whole server.
    let server = Server::start();
    let database = server.database().await;
    let admin = connect(&server.url(&database)).await;
    admin
        .batch_execute("CREATE ROLE journey_data LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        .await
        .unwrap();
    let (keys, url) = (Keys::ephemeral(), server.url_of("journey_data", &database));
    let data = Postgres::connect(&url, None, 2, keys.clone()).unwrap();
    assert!(
        matches!(data.migrate().await, Err(StoreError::Unavailable(_))),
        "it makes no schema"
    );
    let owner_store = Postgres::connect(&server.url(&database), None, 2, keys).unwrap();
    owner_store.migrate().await.unwrap();
    owner_store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();

    data.accept(SHOP, &[arrival(1, person(1), 1)], &|_, _| vec![])
        .await
        .unwrap();
    let hold = data.join(SHOP, WELCOME, owner(1), TTL).await.unwrap();
    let result = data.round(&hold, &request(), &mut consume).await.unwrap();
    assert_eq!(result, journey::store::RoundResult::Committed { full: false });
    data.stop_journey(SHOP, WELCOME).await.unwrap();

    let client = connect(&url).await;
    for forbidden in [
        "DROP TABLE journey.customer",
        "ALTER TABLE journey.customer ADD COLUMN x text",
        "CREATE TABLE journey.mine (x text)",
        "TRUNCATE journey.customer",
        "DELETE FROM journey.migration",
        "CREATE SCHEMA mine",
    ] {
        assert!(client.batch_execute(forbidden).await.is_err(), "{forbidden}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_used_and_verified_as_the_url_asks() {
    let server = Server::with_tls();
    let (ca, stranger) = (server.ca(), Server::with_tls());
    let works = async |host: &str, mode: &str, ca: Option<&std::path::Path>| {
        let url = format!("postgres://postgres@{host}:{}/postgres?sslmode={mode}", server.port);
        let store = Postgres::connect(&url, ca, 1, Keys::ephemeral()).unwrap();
        store.ping().await.map_err(|error| error.to_string())
    };
    works("127.0.0.1", "disable", None).await.unwrap();
    works("127.0.0.1", "require", None).await.unwrap();
    works("127.0.0.1", "prefer", Some(&ca)).await.unwrap();
    works("127.0.0.1", "require", Some(&ca)).await.unwrap();
    works("127.0.0.1", "verify-ca", Some(&ca)).await.unwrap();
    works("localhost", "verify-full", Some(&ca)).await.unwrap();
    assert!(
        works("127.0.0.1", "verify-full", Some(&ca))
            .await
            .unwrap_err()
            .contains("certificate"),
        "it is not its name"
    );
    for mode in ["require", "verify-ca", "verify-full"] {
        assert!(
            works("localhost", mode, Some(&stranger.ca())).await.is_err(),
            "another CA, {mode}"
        );
    }
    assert!(
        works("localhost", "verify-full", None).await.is_err(),
        "the system does not know the CA"
    );
    let plain = Server::shared();
    let url = format!("postgres://postgres@127.0.0.1:{}/postgres?sslmode=require", plain.port);
    let refused = Postgres::connect(&url, None, 1, Keys::ephemeral())
        .unwrap()
        .ping()
        .await;
    assert!(
        matches!(refused, Err(StoreError::Unavailable(_))),
        "no TLS, no connection"
    );
    assert!(
        Postgres::connect(
            &url,
            Some(std::path::Path::new("/nowhere/ca.crt")),
            1,
            Keys::ephemeral()
        )
        .is_err()
    );
}
