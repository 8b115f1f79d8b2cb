//! Accepting, learning, consent, quarantine and import.

use super::bench::*;
use journey::{
    clock::{DAY, HOUR},
    personal::Personal,
    store::{Arrival, Customer, Imported, Quarantined, Receipt, RoundCommit, RoundResult},
};
use serde_json::json;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Counts events in an attribute: each change depends on the one before.
fn count_up(_: &Arrival, customer: &mut Customer) -> Vec<Arrival> {
    let seen = customer
        .attributes
        .expose()
        .get("seen")
        .and_then(|seen| seen.as_i64())
        .unwrap_or(0);
    customer.attributes.expose_mut().insert("seen".into(), json!(seen + 1));
    vec![]
}

pub async fn an_event_is_accepted_once_whatever_batch_brings_it(bench: Bench) {
    let bench = bench.with_journey().await;
    let (one, two) = (bench.arrival(1, person(1)).await, bench.arrival(2, person(2)).await);
    assert_eq!(
        bench.accept(&[one.clone(), two.clone(), one.clone()]).await,
        [Receipt::Accepted, Receipt::Accepted, Receipt::Duplicate]
    );
    let three = bench.arrival(3, person(1)).await;
    assert_eq!(
        bench.accept(&[two, three, one]).await,
        [Receipt::Duplicate, Receipt::Accepted, Receipt::Duplicate]
    );
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().inbox, 3);
    let counts = bench.store.intake_counts(SHOP).await.unwrap();
    assert_eq!((counts.total("accepted"), counts.total("duplicate")), (3, 3));
    assert!(bench.accept(&[]).await.is_empty());
}

pub async fn the_same_key_on_another_day_is_another_event(bench: Bench) {
    let mut event = bench.arrival(1, person(1)).await;
    event.time = 20_000 * DAY + 23 * HOUR;
    assert_eq!(bench.accept(&[event.clone()]).await, [Receipt::Accepted]);
    event.time = 20_000 * DAY;
    assert_eq!(bench.accept(&[event.clone()]).await, [Receipt::Duplicate]);
    event.time = 20_001 * DAY;
    assert_eq!(bench.accept(&[event]).await, [Receipt::Accepted]);
}

pub async fn an_event_from_the_future_happened_now(bench: Bench) {
    let bench = bench.with_journey().await;
    let mut event = bench.arrival(1, person(1)).await;
    event.time += 365 * DAY;
    let before = bench.now().await;
    let learned = AtomicU64::new(0);
    let learn = |arrival: &Arrival, customer: &mut Customer| {
        learned.store(arrival.time as u64, Ordering::SeqCst);
        customer.hear_consent("news", consent(true, arrival.time));
        vec![]
    };
    bench.store.accept(SHOP, &[event], &learn).await.unwrap();
    let hold = bench.join(owner(1)).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let seen = &round.customers[0].inbox[0].1;
    assert!(before <= seen.time && seen.time <= bench.now().await);
    assert_eq!(seen.time, seen.accepted_at);
    assert_eq!(learned.load(Ordering::SeqCst) as i64, seen.time);
    assert_eq!(round.customers[0].customer.consents["news"], consent(true, seen.time));
}

pub async fn an_unknown_customer_without_an_id_is_refused(bench: Bench) {
    let bench = bench.with_journey().await;
    let mut click = bench.arrival(1, person(1)).await;
    click.customer_id = None;
    assert_eq!(bench.accept(&[click.clone()]).await, [Receipt::UnknownCustomer]);
    assert!(bench.store.intake_counts(SHOP).await.unwrap().0.is_empty());
    let order = bench.arrival(2, person(1)).await;
    assert_eq!(
        bench.accept(&[order, click]).await,
        [Receipt::Accepted, Receipt::Accepted],
        "nothing had happened"
    );
}

pub async fn learning_sees_what_earlier_events_taught(bench: Bench) {
    let bench = bench.with_journey().await;
    let batch = [
        bench.arrival(1, person(1)).await,
        bench.arrival(2, person(1)).await,
        bench.arrival(1, person(1)).await,
    ];
    bench.store.accept(SHOP, &batch, &count_up).await.unwrap();
    let hold = bench.join(owner(1)).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let turn = &round.customers[0];
    let profiles: Vec<_> = turn
        .inbox
        .iter()
        .map(|(_, event)| event.profile.expose()["seen"].clone())
        .collect();
    assert_eq!(profiles, [json!(1), json!(2)], "a duplicate teaches nothing");
    assert_eq!(turn.customer.attributes, properties(json!({"seen": 2})));
    assert_eq!(turn.customer.id.expose(), &format!("customer {}", person(1)));
    assert_eq!(turn.inbox[1].1.data, properties(json!({"number": 2})));
    assert_eq!(turn.inbox[1].1.id.expose(), "event-2");
}

pub async fn the_later_consent_holds_and_of_two_at_once_the_no(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    // Forces what it says: the store itself must hold the rule.
    let said = [
        (true, 50, true),
        (true, 40, true),
        (false, 50, false),
        (true, 50, false),
        (false, 45, false),
        (true, 51, true),
        (false, 51, false),
    ];
    for (number, (granted, at, holds)) in (1..).zip(said) {
        let event = bench.arrival(number, person(1)).await;
        let force = |_: &Arrival, customer: &mut Customer| {
            customer.consents = BTreeMap::from([("news".to_owned(), consent(granted, at))]);
            vec![]
        };
        bench.store.accept(SHOP, &[event], &force).await.unwrap();
        let mut granted = None;
        bench
            .round(&hold, |round| {
                granted = Some(round.customers[0].customer.consents["news"].is_granted());
                consume(round)
            })
            .await;
        assert_eq!(granted, Some(holds), "after event {number}");
    }
    let event = bench.arrival(100, person(1)).await;
    bench
        .store
        .accept(SHOP, &[event], &|_, customer| {
            customer.consents.clear();
            vec![]
        })
        .await
        .unwrap();
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(
        round.customers[0].customer.consents["news"],
        consent(false, 51),
        "nothing takes it back"
    );
}

/// As a gateway that hears of consent: one event follows for the journeys `listeners`.
fn hear(listeners: &[&str]) -> impl Fn(&Arrival, &mut Customer) -> Vec<Arrival> + Send + Sync + use<> {
    let listeners: Vec<String> = listeners.iter().map(|name| (*name).to_owned()).collect();
    move |arrival, customer| {
        count_up(arrival, customer);
        let mut key = arrival.key;
        key[0] ^= 0xff;
        vec![Arrival {
            key,
            name: "consent/granted".into(),
            // The store knows whose it is and what time it is; it takes nobody's word for that.
            customer: person(63),
            customer_id: None,
            anonymous: false,
            known_as: vec![],
            time: arrival.time + 365 * DAY,
            data: properties(json!({"purpose": "news"})),
            listeners: listeners.clone(),
            ..arrival.clone()
        }]
    }
}

pub async fn what_follows_from_an_event_is_committed_with_it(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.store.put_journey(SHOP, &revision("letter", "r1")).await.unwrap();
    let batch = [
        bench.arrival(1, person(1)).await,
        bench.arrival(2, person(1)).await,
        bench.arrival(3, person(2)).await,
    ];
    let learn = hear(&[WELCOME, "letter", "nobody"]);
    assert_eq!(
        bench.store.accept(SHOP, &batch, &learn).await.unwrap(),
        [Receipt::Accepted; 3],
        "followers have no receipts"
    );
    let hold = bench.join(owner(1)).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let heard: Vec<_> = round.customers[0]
        .inbox
        .iter()
        .map(|(_, event)| (event.name.as_str(), event.profile.expose()["seen"].as_i64().unwrap()))
        .collect();
    assert_eq!(
        heard,
        [
            ("order-placed", 1),
            ("consent/granted", 1),
            ("order-placed", 2),
            ("consent/granted", 2)
        ],
        "each next after its event, with the profile that it left"
    );
    let follower = &round.customers[0].inbox[1].1;
    assert_eq!(follower.data, properties(json!({"purpose": "news"})));
    assert!(follower.time <= follower.accepted_at);
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().inbox, 6);
    assert_eq!(bench.store.backlog(SHOP, "letter").await.unwrap().inbox, 3);
}

pub async fn the_books_of_what_was_received_know_nothing_of_what_followed(bench: Bench) {
    let bench = bench.with_journey().await;
    let (one, two) = (bench.arrival(1, person(1)).await, bench.arrival(2, person(2)).await);
    let learn = hear(&[WELCOME]);
    let batch = [one.clone(), two.clone(), one.clone()];
    bench.store.accept(SHOP, &batch, &learn).await.unwrap();
    bench.store.accept(SHOP, &[two, one], &learn).await.unwrap();
    let counts = bench.store.intake_counts(SHOP).await.unwrap();
    let totals = ["accepted", "duplicate", "followed"].map(|name| counts.total(name));
    assert_eq!(totals, [2, 3, 2], "five were received; a duplicate has no followers");
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().inbox, 4);
}

pub async fn a_follower_that_is_known_already_is_left_out(bench: Bench) {
    let bench = bench.with_journey().await;
    let batch = [bench.arrival(1, person(1)).await, bench.arrival(2, person(1)).await];
    let learn = |arrival: &Arrival, _: &mut Customer| {
        let name = "consent/granted".to_owned();
        vec![Arrival {
            key: [9; 16],
            name,
            ..arrival.clone()
        }]
    };
    bench.store.accept(SHOP, &batch, &learn).await.unwrap();
    let again = [bench.arrival(3, person(1)).await];
    bench.store.accept(SHOP, &again, &learn).await.unwrap();
    let counts = bench.store.intake_counts(SHOP).await.unwrap();
    assert_eq!((counts.total("accepted"), counts.total("followed")), (3, 1));
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().inbox, 4);
}

pub async fn namespaces_do_not_see_each_other(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.store.put_journey("bank", &revision(WELCOME, "r1")).await.unwrap();
    let event = bench.arrival(1, person(1)).await;
    bench
        .store
        .accept(SHOP, std::slice::from_ref(&event), &count_up)
        .await
        .unwrap();
    assert_eq!(
        bench.store.accept("bank", &[event], &count_up).await.unwrap(),
        [Receipt::Accepted]
    );
    let hold = bench.store.join("bank", WELCOME, owner(1), TTL).await.unwrap();
    assert_eq!(hold.shards.len(), 64);
    assert_eq!(bench.join(owner(2)).await.shards.len(), 64);
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(round.customers.len(), 1);
    assert_eq!(round.customers[0].customer.attributes, properties(json!({"seen": 1})));
    assert_eq!(bench.store.intake_counts("bank").await.unwrap().total("accepted"), 1);
}

/// What a runner does after a round.
async fn rest(bench: &Bench, result: RoundResult) {
    match result {
        RoundResult::Idle => {
            bench.store.wait(SHOP, WELCOME, Duration::from_millis(5)).await;
        }
        RoundResult::Committed { .. } => tokio::task::yield_now().await,
        RoundResult::Fenced | RoundResult::Changed => panic!("the lease holds"),
    }
}

/// Four gateways' batches at once, over the same customers in opposite orders.
async fn accept_at_once(bench: &Bench, customers: u8, batches: u64, size: u64) {
    let mut gateways = Vec::new();
    for gateway in 0..4_u64 {
        let (store, now) = (bench.elsewhere(), bench.now().await);
        gateways.push(tokio::spawn(async move {
            for batch in 0..batches {
                let first = (gateway * batches + batch) * size;
                let arrivals = (first..first + size).map(|number| {
                    let turn = if gateway % 2 == 0 { number } else { u64::MAX - number };
                    arrival(number, person((turn % u64::from(customers)) as u8), now)
                });
                store
                    .accept(SHOP, &arrivals.collect::<Vec<_>>(), &count_up)
                    .await
                    .unwrap();
            }
        }));
    }
    for gateway in gateways {
        gateway.await.unwrap();
    }
}

pub async fn events_of_one_customer_keep_the_order_of_acceptance_under_concurrency(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let runner = async {
        let mut seen: BTreeMap<_, Vec<i64>> = BTreeMap::new();
        while seen.values().map(Vec::len).sum::<usize>() < 4 * 20 * 10 {
            let result = bench.round(&hold, |round| {
                for turn in &round.customers {
                    let counted = turn
                        .inbox
                        .iter()
                        .map(|(_, event)| event.profile.expose()["seen"].as_i64().unwrap());
                    seen.entry(turn.customer.key).or_default().extend(counted);
                }
                consume(round)
            });
            rest(&bench, result.await).await;
        }
        seen
    };
    let (seen, ()) = tokio::join!(runner, accept_at_once(&bench, 7, 20, 10));
    for counted in seen.values() {
        assert_eq!(*counted, (1..=counted.len() as i64).collect::<Vec<_>>());
    }
}

pub async fn accepting_and_rounds_lose_no_attribute_change(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let (mut done, all) = (0, 4 * 20 * 10);
    let runner = async {
        while done < all {
            let result = bench
                .round(&hold, |round| {
                    let changed = round.customers.iter().map(|turn| {
                        let mut attributes = turn.customer.attributes.clone();
                        let count = attributes
                            .expose()
                            .get("done")
                            .and_then(|done| done.as_i64())
                            .unwrap_or(0);
                        attributes
                            .expose_mut()
                            .insert("done".into(), json!(count + turn.inbox.len() as i64));
                        (turn.customer.key, attributes)
                    });
                    let commit = RoundCommit {
                        attributes: changed.collect(),
                        ..Default::default()
                    };
                    done += sequences(&round).len();
                    RoundCommit {
                        consumed: sequences(&round),
                        ..commit
                    }
                })
                .await;
            rest(&bench, result).await;
        }
    };
    tokio::join!(runner, accept_at_once(&bench, 5, 20, 10));
    let (mut seen, mut done) = (0, 0);
    for number in 0..5 {
        let event = bench.arrival(1_000_000 + u64::from(number), person(number)).await;
        bench.accept(&[event]).await;
    }
    for turn in &bench.look(&hold, &request()).await.unwrap().customers {
        let attributes = turn.customer.attributes.expose();
        seen += attributes["seen"].as_u64().unwrap();
        done += attributes["done"].as_u64().unwrap();
    }
    assert_eq!((seen, done), (all as u64, all as u64));
}

pub async fn opposite_batches_do_not_block_each_other(bench: Bench) {
    let bench = bench.with_journey().await;
    accept_at_once(&bench, 60, 15, 40).await;
    let counts = bench.store.intake_counts(SHOP).await.unwrap();
    assert_eq!((counts.total("accepted"), counts.total("duplicate")), (4 * 15 * 40, 0));
}

fn put_aside(reason: &str) -> Quarantined {
    Quarantined {
        reason: reason.into(),
        detail: "data.total: \0 is not a number".into(),
        source: "web".into(),
        at: 5 * HOUR,
        event: Personal::new(json!({"total": "a lot"})),
    }
}

pub async fn quarantined_events_are_counted_until_they_are_released(bench: Bench) {
    bench
        .store
        .quarantine(
            SHOP,
            &[
                put_aside("SchemaMismatch"),
                put_aside("NoTouchpoint"),
                put_aside("SchemaMismatch"),
            ],
        )
        .await
        .unwrap();
    let rows = bench.store.quarantined(SHOP, 0, 10).await.unwrap();
    assert_eq!(
        rows.iter().map(|(_, row)| row.reason.as_str()).collect::<Vec<_>>(),
        ["SchemaMismatch", "NoTouchpoint", "SchemaMismatch"]
    );
    assert!(rows.is_sorted_by_key(|(id, _)| *id));
    let page = bench.store.quarantined(SHOP, rows[0].0, 1).await.unwrap();
    assert_eq!(page, [rows[1].clone()]);
    assert_eq!(
        bench
            .store
            .intake_counts(SHOP)
            .await
            .unwrap()
            .since("quarantined:SchemaMismatch", 5),
        2
    );

    let released = bench.store.release(SHOP, rows[0].0).await.unwrap().unwrap();
    assert_eq!(released.event.expose(), &json!({"total": "a lot"}));
    assert_eq!(bench.store.release(SHOP, rows[0].0).await.unwrap(), None);
    assert_eq!(bench.store.release("bank", rows[1].0).await.unwrap(), None);
    assert_eq!(bench.store.quarantined(SHOP, 0, 10).await.unwrap().len(), 2);
    let counts = bench.store.intake_counts(SHOP).await.unwrap();
    assert_eq!(
        (
            counts.total("quarantined:SchemaMismatch"),
            counts.total("quarantined:NoTouchpoint")
        ),
        (1, 1)
    );
}

fn imported(attributes: serde_json::Value, granted: bool, at: i64) -> Imported {
    Imported {
        key: person(1),
        anonymous: false,
        id: Personal::new("ada".into()),
        attributes: properties(attributes),
        consents: BTreeMap::from([("news".to_owned(), consent(granted, at))]),
        evidence: BTreeMap::from([("news".to_owned(), Personal::new("form 3".to_owned()))]),
    }
}

pub async fn an_import_goes_on_where_it_stopped(bench: Bench) {
    assert_eq!(bench.store.import_progress(SHOP, "file").await.unwrap(), 0);
    bench
        .store
        .import(SHOP, &[imported(json!({}), true, 1)], "file", 500)
        .await
        .unwrap();
    bench.store.import(SHOP, &[], "file", 1000).await.unwrap();
    bench.store.import(SHOP, &[], "file", 500).await.unwrap();
    assert_eq!(bench.elsewhere().import_progress(SHOP, "file").await.unwrap(), 1000);
    assert_eq!(bench.store.import_progress(SHOP, "other file").await.unwrap(), 0);
}

pub async fn an_import_replaces_by_name_and_obeys_consent(bench: Bench) {
    let bench = bench.with_journey().await;
    let first = imported(json!({"city": "Turin", "plan": "free", "age": 36}), true, 50);
    bench.store.import(SHOP, &[first], "file", 1).await.unwrap();
    let again = [
        imported(json!({"plan": "pro"}), false, 40),
        imported(json!({"age": null}), true, 45),
    ];
    bench.store.import(SHOP, &again, "file", 3).await.unwrap();
    let mut event = bench.arrival(1, person(1)).await;
    event.customer_id = None;
    assert_eq!(
        bench.accept(&[event]).await,
        [Receipt::Accepted],
        "an imported customer is known"
    );
    let hold = bench.join(owner(1)).await;
    let customer = bench
        .look(&hold, &request())
        .await
        .unwrap()
        .customers
        .remove(0)
        .customer;
    assert_eq!(customer.attributes, properties(json!({"city": "Turin", "plan": "pro"})));
    assert_eq!(
        (customer.id.expose().as_str(), customer.consents["news"]),
        ("ada", consent(true, 50))
    );
    let calls = Arc::new(Mutex::new(0));
    let count = calls.clone();
    bench
        .store
        .accept(SHOP, &[], &move |_, _| {
            *count.lock().unwrap() += 1;
            vec![]
        })
        .await
        .unwrap();
    assert_eq!(*calls.lock().unwrap(), 0);
}
