//! Rows that cannot be read: whoever they are of, nobody else waits for them, nothing is lost, and with the wrong keys nothing is touched.

use super::bench::*;
use super::postgres::connect;
use journey::{
    clock::SECOND,
    keys::Keys,
    store::{OutboxState, PutBack, RoundCommit, RoundResult, Store, StoreError, SweepRequest, postgres::Postgres},
};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Person 1 has an event, a wait and a message that are due, and a card; person 2 an event.
async fn shop() -> (Bench, journey::store::Hold) {
    let bench = Bench::postgres().await.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let due = bench.now().await - SECOND;
    let commit = RoundCommit {
        enrollments: vec![enrollment(person(1), 4, "r1", waiting(Some(due)))],
        outbox: vec![outbox(
            1,
            person(1),
            OutboxState::Held {
                due,
                why: "TryLater".into(),
            },
        )],
        placed: vec![placed(2, person(1), due)],
        ..RoundCommit::default()
    };
    bench.write(&hold, person(1), commit).await;
    let events = [bench.arrival(1, person(1)).await, bench.arrival(2, person(2)).await];
    bench.accept(&events).await;
    (bench, hold)
}

/// Whom rounds see until nothing changes any more.
async fn seen(bench: &Bench, hold: &journey::store::Hold) -> BTreeSet<u8> {
    let mut seen = BTreeSet::new();
    for _ in 0..10 {
        let result = bench.round(hold, |round| {
            seen.extend(round.customers.iter().map(|turn| turn.customer.key.0[0]));
            RoundCommit::default()
        });
        if result.await != RoundResult::Changed {
            break;
        }
    }
    seen
}

async fn run(bench: &Bench, sql: &str) -> u64 {
    connect(bench.url()).await.execute(sql, &[]).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_row_of_each_table_stands_aside_and_comes_back_mended() {
    for table in ["inbox", "enrollment", "outbox", "placed"] {
        let (bench, hold) = shop().await;
        let one = r"customer = '\x01010101010101010101010101010101'";
        let flip = "sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)";
        assert_eq!(
            run(&bench, &format!("UPDATE journey.{table} SET {flip} WHERE {one}")).await,
            1
        );
        assert_eq!(seen(&bench, &hold).await, BTreeSet::from([1, 2]), "{table}");
        let counts = bench.store.counts(SHOP, WELCOME).await.unwrap();
        let events = i64::from(table == "inbox");
        assert_eq!(counts.total("event:ignored:Unreadable"), events, "{table}");
        let aside = bench.store.quarantined(SHOP, 0, 10).await.unwrap();
        let [(id, row)] = aside.as_slice() else {
            panic!("{table}: {aside:?}")
        };
        assert_eq!(
            (row.reason.as_str(), row.source.as_str()),
            ("Unreadable", "journey/welcome")
        );
        assert!(row.detail.contains(table), "{}", row.detail);

        // Put back unmended it stands aside again; mended it is there as it was.
        assert_eq!(bench.store.put_back(SHOP, *id).await.unwrap(), PutBack::Done);
        seen(&bench, &hold).await;
        let (id, _) = bench.store.quarantined(SHOP, 0, 10).await.unwrap()[0].clone();
        assert_eq!(bench.store.put_back(SHOP, id).await.unwrap(), PutBack::Done);
        assert_eq!(
            run(&bench, &format!("UPDATE journey.{table} SET {flip} WHERE {one}")).await,
            1
        );
        let round = bench.look(&hold, &request()).await.unwrap();
        let turn = &round.customers[0];
        let rows = [
            turn.inbox.len(),
            turn.enrollments.len(),
            turn.outbox.len(),
            turn.placed.len(),
        ];
        assert_eq!(rows, [1, 1, 1, 1], "{table}");
        let counts = bench.store.counts(SHOP, WELCOME).await.unwrap();
        assert_eq!(counts.total("event:ignored:Unreadable"), 0, "{table}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whose_own_row_is_damaged_stands_aside_with_all_that_hangs_on_it() {
    let (bench, hold) = shop().await;
    let one = r"customer = '\x01010101010101010101010101010101'";
    let flip =
        format!("UPDATE journey.customer SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1) WHERE {one}");
    assert_eq!(run(&bench, &flip).await, 1);
    assert_eq!(seen(&bench, &hold).await, BTreeSet::from([2]));
    let aside = bench.store.quarantined(SHOP, 0, 10).await.unwrap();
    assert_eq!(
        aside.len(),
        4,
        "an event, a message, a card and an enrollment: {aside:?}"
    );

    // A visit of everybody passes by, and comes to its end.
    let mut request = request();
    request.sweeps = vec![SweepRequest {
        sweep: "all".into(),
        version: "1".into(),
        limit: 10,
    }];
    let mut visited = BTreeSet::new();
    for _ in 0..100 {
        let result = bench.round_with(&hold, &request, |round| {
            let swept = round.customers.iter().filter(|turn| !turn.swept.is_empty());
            visited.extend(swept.map(|turn| turn.customer.key.0[0]));
            consume(round)
        });
        if result.await == RoundResult::Idle {
            break;
        }
    }
    assert_eq!(visited, BTreeSet::from([2]));

    assert_eq!(run(&bench, &flip).await, 1);
    for (id, _) in aside {
        assert_eq!(bench.store.put_back(SHOP, id).await.unwrap(), PutBack::Done);
    }
    let round = bench.look(&hold, &self::request()).await.unwrap();
    let turn = &round.customers[0];
    let rows = [
        turn.inbox.len(),
        turn.enrollments.len(),
        turn.outbox.len(),
        turn.placed.len(),
    ];
    assert_eq!(rows, [1, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_the_wrong_keys_nothing_is_put_aside() {
    let (bench, _) = shop().await;
    let stranger = Postgres::connect(bench.url(), None, 2, Keys::ephemeral()).unwrap();
    stranger.leave(SHOP, WELCOME, owner(1)).await.unwrap();
    let hold = stranger.join(SHOP, WELCOME, Uuid::from_u128(9), TTL).await.unwrap();
    let mut sweeping = request();
    sweeping.sweeps = vec![SweepRequest {
        sweep: "all".into(),
        version: "1".into(),
        limit: 10,
    }];
    for request in [request(), sweeping] {
        let refused = stranger.round(&hold, &request, &mut |_| RoundCommit::default()).await;
        assert!(matches!(refused, Err(StoreError::Unreadable(_))), "{refused:?}");
    }
    let client = connect(bench.url()).await;
    let rows = "SELECT (SELECT count(*) FROM journey.inbox), (SELECT count(*) FROM journey.quarantine)";
    let row = client.query_one(rows, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 0));
}
