//! What a round is given, and what becomes of what it gives.

use super::{bench::*, messages::contact};
use journey::{
    clock::{HOUR, SECOND},
    engine::state::{Ending, Event},
    keys::CustomerKey,
    kpi::Counts,
    personal::Personal,
    store::{
        Aside, AsideReason, Backlog, Current, EndedRow, Hold, JourneyRow, OutboxState, PutBack, Quarantined,
        RoundCommit, RoundRequest, RoundResult, Scope,
    },
};
use serde_json::json;
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

pub async fn nothing_to_do_does_not_call_work(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    assert_eq!(
        bench.round(&hold, |_| panic!("there is nothing to do")).await,
        RoundResult::Idle
    );
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;
    assert_eq!(
        bench.round(&hold, consume).await,
        RoundResult::Committed { full: false }
    );
    assert_eq!(
        bench.round(&hold, |_| panic!("there is nothing left")).await,
        RoundResult::Idle
    );
}

pub async fn a_round_sees_all_of_a_customer_and_writes_all_or_nothing(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let held = OutboxState::Held {
        due: i64::MAX,
        why: "Retry".into(),
    };
    let (first, second) = (
        enrollment(person(1), 4, "r1", waiting(Some(i64::MAX))),
        enrollment(person(1), 3, "r1", waiting(None)),
    );
    let commit = RoundCommit {
        enrollments: vec![first.clone(), second.clone()],
        attributes: vec![(person(1), properties(json!({"vip": true, "share": 0.1})))],
        outbox: vec![outbox(1, person(1), held.clone())],
        contacts: vec![(person(1), message_key(1), contact(9))],
        ..Default::default()
    };
    bench.write(&hold, person(1), commit).await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;

    let round = bench.look(&hold, &request()).await.unwrap();
    assert!((round.now - bench.now().await).abs() < 60 * SECOND);
    let turn = &round.customers[0];
    assert_eq!(turn.enrollments, [second.enrollment, first.enrollment], "by ordinal");
    assert_eq!(turn.customer.attributes, properties(json!({"vip": true, "share": 0.1})));
    assert_eq!(turn.outbox, [outbox(1, person(1), held)]);
    assert_eq!(turn.contacts, [(message_key(1), contact(9))]);
    assert_eq!(turn.inbox.len(), 1);

    // A work that panics writes nothing and blocks nobody.
    let failed = {
        let (store, hold) = (bench.elsewhere(), hold.clone());
        tokio::spawn(async move {
            store
                .round(&hold, &request(), &mut |_| panic!("a defect, on purpose"))
                .await
        })
    };
    assert!(failed.await.is_err());
    assert_eq!(
        bench.round(&hold, consume).await,
        RoundResult::Committed { full: false }
    );
}

pub async fn a_round_reads_only_its_own_shards(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.join(owner(1)).await;
    bench.join(owner(2)).await;
    let (one, two) = (bench.join(owner(1)).await, bench.join(owner(2)).await);
    for number in 0..64 {
        let event = bench.arrival(u64::from(number), person(number)).await;
        bench.accept(&[event]).await;
    }
    let mut seen = BTreeSet::new();
    for hold in [&one, &two] {
        let shards: BTreeSet<u8> = hold.shards.iter().map(|lease| lease.shard).collect();
        bench
            .round(hold, |round| {
                assert!(
                    round
                        .customers
                        .iter()
                        .all(|turn| shards.contains(&turn.customer.key.shard()))
                );
                assert!(round.customers.is_sorted_by_key(|turn| turn.customer.key));
                seen.extend(round.customers.iter().map(|turn| turn.customer.key));
                consume(round)
            })
            .await;
    }
    assert_eq!(seen.len(), 64);
}

pub async fn a_wait_is_due_when_its_time_has_come_and_not_while_suspended(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let due = bench.now().await + SECOND;
    let rows = [(1, Some(due)), (2, Some(due + HOUR)), (3, None)];
    for (number, until) in rows {
        let waits = vec![enrollment(person(number), 1, "r1", waiting(until))];
        bench
            .write(
                &hold,
                person(number),
                RoundCommit {
                    enrollments: waits,
                    ..Default::default()
                },
            )
            .await;
    }
    assert!(bench.look(&hold, &request()).await.is_none());
    assert_eq!(
        bench.store.backlog(SHOP, WELCOME).await.unwrap(),
        Backlog {
            active: 3,
            ..Default::default()
        }
    );
    bench.pass(Duration::from_millis(1100)).await;
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().overdue, 1);

    let mut row = revision(WELCOME, "r1");
    row.suspended = true;
    bench.store.put_journey(SHOP, &row).await.unwrap();
    assert!(bench.look(&hold, &request()).await.is_none(), "timers wait");
    let event = bench.arrival(1, person(2)).await;
    bench.accept(&[event]).await;
    assert!(bench.look(&hold, &request()).await.is_some(), "events do not");
    bench.round(&hold, consume).await;
    row.suspended = false;
    bench.store.put_journey(SHOP, &row).await.unwrap();

    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(
        round.customers.iter().map(|turn| turn.customer.key).collect::<Vec<_>>(),
        [person(1)]
    );
    assert!(round.now >= due);
    let moved_on = enrollment(person(1), 1, "r1", waiting(Some(due + HOUR)));
    bench
        .round(&hold, |_| RoundCommit {
            enrollments: vec![moved_on.clone()],
            ..Default::default()
        })
        .await;
    assert!(bench.look(&hold, &request()).await.is_none());
}

pub async fn those_due_go_on_in_the_order_of_their_instants_though_one_shard_has_the_most(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    // Forty of the first shard are due first, the others after them.
    let customer = |nth: u8| {
        let mut key = [nth; 16];
        key[0] = nth.saturating_sub(39);
        CustomerKey(key)
    };
    let mut batch = Vec::new();
    for nth in 0..90 {
        batch.push(bench.arrival(u64::from(nth), customer(nth)).await);
    }
    bench.accept(&batch).await;
    let wait = |until| move |key| enrollment(key, 1, "r1", waiting(until));
    bench
        .round(&hold, |round| RoundCommit {
            consumed: sequences(&round),
            enrollments: (0..90)
                .map(|nth| wait(Some(i64::from(nth) + 1))(customer(nth)))
                .collect(),
            ..Default::default()
        })
        .await;
    let few = RoundRequest { limit: 40, ..request() };
    let (mut latest, mut seen, mut result) = (0, 0, RoundResult::Committed { full: true });
    while result == (RoundResult::Committed { full: true }) {
        result = bench
            .round_with(&hold, &few, |round| {
                let due = round.customers.iter().filter_map(|turn| turn.enrollments[0].due_at());
                let due: BTreeSet<_> = due.collect();
                assert!(due.first() > Some(&latest), "{due:?} after {latest}");
                latest = *due.last().unwrap();
                seen += due.len();
                let moved_on = round.customers.iter().map(|turn| wait(None)(turn.customer.key));
                RoundCommit {
                    enrollments: moved_on.collect(),
                    ..Default::default()
                }
            })
            .await;
    }
    assert_eq!((seen, latest), (90, 90));
}

pub async fn a_limit_is_kept_and_no_kind_of_work_starves_another(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let due = vec![enrollment(person(60), 1, "r1", waiting(Some(1)))];
    bench
        .write(
            &hold,
            person(60),
            RoundCommit {
                enrollments: due,
                ..Default::default()
            },
        )
        .await;
    let held = vec![outbox(
        1,
        person(61),
        OutboxState::Held {
            due: 1,
            why: "Retry".into(),
        },
    )];
    bench
        .write(
            &hold,
            person(61),
            RoundCommit {
                outbox: held,
                ..Default::default()
            },
        )
        .await;
    for number in 0..50 {
        let event = bench.arrival(u64::from(number), person(number)).await;
        bench.accept(&[event]).await;
    }
    let few = RoundRequest { limit: 10, ..request() };
    let (mut rounds, mut firsts) = (0, BTreeSet::new());
    loop {
        let result = bench.round_with(&hold, &few, |round| {
            assert!(round.customers.len() <= 10);
            if rounds == 0 {
                firsts.extend(round.customers.iter().map(|turn| turn.customer.key));
            }
            let calm = enrollment(person(60), 1, "r1", waiting(None));
            let gone = vec![(person(61), message_key(1))];
            RoundCommit {
                consumed: sequences(&round),
                enrollments: vec![calm],
                outbox_gone: gone,
                ..Default::default()
            }
        });
        match result.await {
            RoundResult::Committed { full } => assert_eq!(full, rounds < 5, "round {rounds}"),
            RoundResult::Idle => break,
            RoundResult::Fenced | RoundResult::Changed => panic!("the lease holds"),
        }
        rounds += 1;
    }
    assert_eq!(rounds, 6, "52 customers, ten at a time");
    assert!(firsts.contains(&person(60)) && firsts.contains(&person(61)));
    assert!(
        (0..8).all(|number| firsts.contains(&person(number))),
        "the oldest events first"
    );
}

pub async fn waits_on_a_revision_that_does_not_compile_starve_no_other(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    // As many as a round takes, and longer overdue than the one who can be moved.
    for number in 1..=10 {
        let enrollments = vec![enrollment(person(number), 1, "r1", waiting(Some(i64::from(number))))];
        let commit = RoundCommit {
            enrollments,
            ..Default::default()
        };
        bench.write(&hold, person(number), commit).await;
    }
    bench.store.put_journey(SHOP, &revision(WELCOME, "r2")).await.unwrap();
    let enrollments = vec![enrollment(person(60), 1, "r2", waiting(Some(1_000)))];
    let commit = RoundCommit {
        enrollments,
        ..Default::default()
    };
    bench.write(&hold, person(60), commit).await;

    let few = |stuck: &[&str]| RoundRequest {
        limit: 10,
        stuck: stuck.iter().map(|revision| (*revision).to_owned()).collect(),
        ..request()
    };
    let chosen = async |request: &RoundRequest| -> Vec<_> {
        let round = bench.look(&hold, request).await.unwrap();
        round.customers.iter().map(|turn| turn.customer.key).collect()
    };
    assert!(!chosen(&few(&[])).await.contains(&person(60)), "the oldest first");
    assert_eq!(chosen(&few(&["r1"])).await, [person(60)]);
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().overdue, 11);
}

pub async fn a_long_inbox_of_one_customer_comes_in_parts_in_order(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let mut batch = Vec::new();
    for number in 0..250 {
        batch.push(bench.arrival(number, person(1)).await);
    }
    bench.accept(&batch).await;
    let (mut seen, mut parts) = (Vec::new(), Vec::new());
    loop {
        let result = bench.round(&hold, |round| {
            parts.push(round.customers[0].inbox.len());
            seen.extend(
                round.customers[0]
                    .inbox
                    .iter()
                    .map(|(_, event)| event.data.expose()["number"].as_u64().unwrap()),
            );
            consume(round)
        });
        match result.await {
            RoundResult::Committed { full } => assert_eq!(full, parts.len() < 3),
            RoundResult::Idle => break,
            RoundResult::Fenced | RoundResult::Changed => panic!("the lease holds"),
        }
    }
    assert_eq!(parts, [100, 100, 50]);
    assert_eq!(seen, (0..250).collect::<Vec<_>>());
}

pub async fn an_ended_enrollment_is_read_while_it_is_watched(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let row = |ordinal, watch_until| journey::store::EnrollmentRow {
        watch_until,
        ..enrollment(person(1), ordinal, "r1", ended(5))
    };
    let now = bench.now().await;
    let rows = vec![row(1, i64::MAX), row(2, now - 1), row(3, now + HOUR), row(4, 0)];
    bench
        .write(
            &hold,
            person(1),
            RoundCommit {
                enrollments: rows,
                ..Default::default()
            },
        )
        .await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(
        round.customers[0]
            .enrollments
            .iter()
            .map(|row| row.ordinal)
            .collect::<Vec<_>>(),
        [1, 3]
    );
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().active, 0);
}

pub async fn nobody_enters_a_revision_that_is_gone(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;
    let entered = vec![enrollment(person(1), 1, "r0", waiting(None))];
    let result = bench.round(&hold, |round| RoundCommit {
        consumed: sequences(&round),
        enrollments: entered.clone(),
        ..Default::default()
    });
    assert_eq!(result.await, RoundResult::Fenced);
    assert_eq!(
        bench.store.backlog(SHOP, WELCOME).await.unwrap(),
        Backlog {
            inbox: 1,
            ..Default::default()
        }
    );
}

pub async fn counts_add_up(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    for number in 0..3 {
        let mut counts = Counts::default();
        counts.add("entered".into(), 7 * HOUR, 2);
        counts.add("goal:paid".into(), 8 * HOUR + number, 1);
        bench
            .write(
                &hold,
                person(1),
                RoundCommit {
                    counts,
                    ..Default::default()
                },
            )
            .await;
    }
    let counts = bench.elsewhere().counts(SHOP, WELCOME).await.unwrap();
    let expected = [(("entered".to_owned(), 7), 6), (("goal:paid".to_owned(), 8), 3)];
    assert_eq!(counts.0.into_iter().collect::<Vec<_>>(), expected);
    assert!(bench.store.counts(SHOP, "unknown").await.unwrap().0.is_empty());
}

pub async fn a_backlog_says_how_much_waits(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let commit = RoundCommit {
        enrollments: vec![
            enrollment(person(1), 1, "r1", waiting(Some(now - 1))),
            enrollment(person(1), 2, "r1", waiting(Some(now + HOUR))),
            enrollment(person(1), 3, "r1", ended(now)),
        ],
        outbox: vec![
            outbox(
                1,
                person(1),
                OutboxState::Held {
                    due: now + HOUR,
                    why: "Busy".into(),
                },
            ),
            outbox(2, person(1), OutboxState::Claimed { epoch: 1, at: now }),
        ],
        ..Default::default()
    };
    bench.write(&hold, person(1), commit).await;
    let event = bench.arrival(1, person(2)).await;
    bench.accept(&[event]).await;
    let backlog = bench.store.backlog(SHOP, WELCOME).await.unwrap();
    assert_eq!(
        backlog,
        Backlog {
            active: 2,
            inbox: 1,
            outbox: 2,
            overdue: 1,
            paced: 0,
            news: 0,
            oldest: backlog.oldest,
        }
    );
    bench.store.ping().await.unwrap();
}

pub async fn a_backlog_is_counted_so_far_and_tells_the_oldest(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let held = |due| OutboxState::Held {
        due,
        why: "Busy".into(),
    };
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().oldest, 0);
    let mut unwatched = enrollment(person(3), 1, "r1", ended(1));
    unwatched.enrollment.look_at = Some(1);
    let commit = RoundCommit {
        enrollments: vec![enrollment(person(1), 1, "r1", waiting(Some(now - HOUR))), unwatched],
        outbox: vec![
            outbox(1, person(1), held(now - 2 * HOUR)),
            outbox(2, person(1), OutboxState::Claimed { epoch: 1, at: 1 }),
        ],
        ..Default::default()
    };
    bench.write(&hold, person(1), commit).await;
    let oldest = bench.store.backlog(SHOP, WELCOME).await.unwrap().oldest;
    assert!((2 * HOUR..3 * HOUR).contains(&oldest), "{oldest}");
    let commit = RoundCommit {
        outbox: vec![outbox(1, person(1), held(now + HOUR))],
        ..Default::default()
    };
    bench.write(&hold, person(1), commit).await;
    let oldest = bench.store.backlog(SHOP, WELCOME).await.unwrap().oldest;
    assert!((HOUR..2 * HOUR).contains(&oldest), "{oldest}");
}

pub async fn a_journey_with_more_waiting_than_so_much_is_overfull(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.store.put_journey(SHOP, &revision("other", "r1")).await.unwrap();
    for number in 0..3 {
        let event = bench.arrival(number, person(1)).await;
        bench.accept(&[event]).await;
    }
    let full = |inbox, news| bench.store.overfull(SHOP, inbox, news);
    assert!(full(3, 0).await.unwrap().is_empty());
    assert_eq!(full(2, 0).await.unwrap(), BTreeSet::from([WELCOME.to_owned()]));
    let news = journey::store::News {
        key: [1; 16],
        id: Personal::new("1".into()),
        name: "fair-opened".into(),
        time: 1,
        data: Personal::default(),
        listeners: vec!["other".into()],
    };
    bench.store.announce(SHOP, &[news]).await.unwrap();
    assert_eq!(full(3, 0).await.unwrap(), BTreeSet::from(["other".to_owned()]));
    assert_eq!(bench.store.backlog(SHOP, "other").await.unwrap().news, 1);
    bench.store.stop_journey(SHOP, "other").await.unwrap();
    assert!(full(3, 0).await.unwrap().is_empty());
}

pub async fn what_a_round_put_aside_is_put_back_into_its_journey(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;
    let (mut came, mut at) = (None, 0);
    let aside = |customer, event: Event, at| {
        Aside::Event { customer, event }.of_journey(WELCOME, AsideReason::Panicked, "at engine.rs:1".into(), at)
    };
    let ignored = "event:ignored:Panicked";
    let result = bench.round(&hold, |round| {
        let (_, event) = round.customers[0].inbox[0].clone();
        (came, at) = (Some(event.clone()), round.now);
        let mut counts = Counts::default();
        counts.add(ignored.into(), round.now, 1);
        let quarantined = vec![aside(person(1), event, round.now)];
        let consumed = sequences(&round);
        RoundCommit {
            consumed,
            counts,
            quarantined,
            ..RoundCommit::default()
        }
    });
    assert!(matches!(result.await, RoundResult::Committed { .. }));
    assert_eq!(bench.store.counts(SHOP, WELCOME).await.unwrap().total(ignored), 1);
    let (id, row) = bench.store.quarantined(SHOP, 0, 10).await.unwrap()[0].clone();
    assert_eq!(
        Aside::read(&row).map(|(journey, reason, _)| (journey, reason)),
        Some((WELCOME.into(), AsideReason::Panicked))
    );

    // Behind what has come meanwhile; whatever gave it is counted when it comes again.
    let event = bench.arrival(2, person(1)).await;
    bench.accept(&[event]).await;
    assert_eq!(bench.store.put_back(SHOP, id).await.unwrap(), PutBack::Done);
    assert_eq!(bench.store.put_back(SHOP, id).await.unwrap(), PutBack::Gone);
    assert_eq!(bench.store.counts(SHOP, WELCOME).await.unwrap().total(ignored), 0);
    let round = bench.look(&hold, &request()).await.unwrap();
    let inbox = &round.customers[0].inbox;
    assert_eq!((inbox.len(), &inbox[1].1), (2, &came.clone().unwrap()));

    // What the gateway put aside is its own; what is dropped stays counted.
    let own = Quarantined {
        reason: "NoTouchpoint".into(),
        source: "web".into(),
        ..row.clone()
    };
    bench.store.quarantine(SHOP, &[own]).await.unwrap();
    let (id, _) = bench.store.quarantined(SHOP, 0, 10).await.unwrap()[0].clone();
    assert_eq!(bench.store.put_back(SHOP, id).await.unwrap(), PutBack::NotOfARound);
    assert_eq!(
        bench.store.discard(SHOP, id).await.unwrap().map(|row| row.source),
        Some("web".into())
    );
    assert_eq!(bench.store.discard(SHOP, id).await.unwrap(), None);
    assert_eq!(
        bench
            .store
            .intake_counts(SHOP)
            .await
            .unwrap()
            .total("quarantined:NoTouchpoint"),
        1
    );

    // Of a journey that is gone nothing is put back.
    bench
        .round(&hold, |round| RoundCommit {
            quarantined: vec![aside(person(1), came.clone().unwrap(), at)],
            ..consume(round)
        })
        .await;
    bench.store.stop_journey(SHOP, WELCOME).await.unwrap();
    let (id, _) = bench.store.quarantined(SHOP, 0, 10).await.unwrap()[0].clone();
    assert_eq!(bench.store.put_back(SHOP, id).await.unwrap(), PutBack::NoJourney);
    assert_eq!(bench.store.quarantined(SHOP, 0, 10).await.unwrap().len(), 1, "it stays");
}

pub async fn events_that_a_journey_could_not_apply_are_put_aside(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let row = Quarantined {
        reason: "EngineFault".into(),
        detail: "step remind".into(),
        source: WELCOME.into(),
        at: 5 * HOUR,
        event: Personal::new(json!({"id": "1"})),
    };
    bench
        .write(
            &hold,
            person(1),
            RoundCommit {
                quarantined: vec![row.clone()],
                ..Default::default()
            },
        )
        .await;
    let (id, aside) = bench.store.quarantined(SHOP, 0, 10).await.unwrap().remove(0);
    assert_eq!(aside, row);
    assert_eq!(bench.store.release(SHOP, id).await.unwrap(), Some(row));
    let counts = bench.store.intake_counts(SHOP).await.unwrap();
    assert_eq!(
        (counts.total("accepted"), counts.total_of("quarantined:")),
        (1, 0),
        "it was accepted, and stays so"
    );
}

pub async fn waiting_ends_when_there_is_work_or_time_is_over(bench: Bench) {
    let bench = bench.with_journey().await;
    let short = Duration::from_millis(100);
    let mut quiet = false;
    for _ in 0..50 {
        let begun = Instant::now();
        bench.store.wait(SHOP, WELCOME, short).await;
        quiet |= begun.elapsed() >= short;
    }
    assert!(quiet, "nothing happens, and it returns at once for ever");

    let event = bench.arrival(1, person(1)).await;
    let gateway = bench.elsewhere();
    let long = Duration::from_secs(20);
    let begun = Instant::now();
    let comes = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        gateway.accept(SHOP, &[event], &|_, _| vec![]).await.unwrap();
    };
    tokio::join!(bench.store.wait(SHOP, WELCOME, long), comes);
    assert!(begun.elapsed() < long, "an event woke it");
}

pub async fn the_end_of_an_enrollment_is_told_to_those_who_listen(bench: Bench) {
    let bench = bench.with_journey().await;
    let listening = |name: &str| JourneyRow {
        listens: BTreeSet::from(["journey/welcome".to_owned()]),
        ..revision(name, "r1")
    };
    for name in ["gone", "next"] {
        bench.store.put_journey(SHOP, &listening(name)).await.unwrap();
    }
    bench.store.stop_journey(SHOP, "gone").await.unwrap();
    bench.store.put_journey(SHOP, &revision("deaf", "r1")).await.unwrap();
    let hold = bench.join(owner(1)).await;
    let commit = RoundCommit {
        enrollments: vec![enrollment(person(1), 7, "r1", ended(9))],
        ended: vec![EndedRow {
            customer: person(1),
            enrollment: 7,
            outcome: Ending::Converted,
            hops: 3,
        }],
        attributes: vec![(person(1), properties(json!({"vip": true})))],
        ..Default::default()
    };
    bench.write(&hold, person(1), commit.clone()).await;
    // Said once more, after an answer that was lost: it is the same event.
    bench.write(&hold, person(1), commit).await;

    let next = bench.store.join(SHOP, "next", owner(2), TTL).await.unwrap();
    let round = bench.look(&next, &request()).await.unwrap();
    let inbox = &round.customers[0].inbox;
    assert_eq!(inbox.len(), 1);
    let event = &inbox[0].1;
    assert_eq!(
        (event.name.as_str(), event.hops, &event.about),
        ("journey/welcome", 3, &None)
    );
    assert_eq!(
        event.data,
        properties(json!({"outcome": "Converted", "journey": "welcome"}))
    );
    assert_eq!(event.profile, properties(json!({"vip": true})), "as the round left it");
    for name in ["deaf", "gone", WELCOME] {
        assert_eq!(bench.store.backlog(SHOP, name).await.unwrap().inbox, 0, "{name}");
    }
    let intake = bench.store.intake_counts(SHOP).await.unwrap();
    assert_eq!((intake.total("accepted"), intake.total("followed")), (2, 1));
    let result = bench.store.round(&next, &request(), &mut consume).await.unwrap();
    assert_eq!(result, RoundResult::Committed { full: false });
}

pub async fn a_round_is_told_that_the_journey_stands_otherwise(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    bench.accept(&[bench.arrival(1, person(1)).await]).await;
    let mut revisions = BTreeSet::from(["r1".to_owned()]);
    let knows = |revision: &str, suspended, revisions: &BTreeSet<String>| RoundRequest {
        revisions: revisions.clone(),
        current: Some(Current {
            revision: revision.into(),
            suspended,
        }),
        ..request()
    };
    let ask = async |request: &RoundRequest| {
        let mut calls = 0;
        let result = bench.round_with(&hold, request, |_| {
            calls += 1;
            RoundCommit::default()
        });
        (result.await, calls)
    };
    let untouched = (RoundResult::Changed, 0);
    assert_eq!(
        ask(&knows("r1", true, &revisions)).await,
        untouched,
        "it is not suspended"
    );
    assert_eq!(
        ask(&knows("r0", false, &revisions)).await,
        untouched,
        "another revision"
    );
    assert_eq!(ask(&knows("r1", false, &revisions)).await.1, 1);
    let mut suspended = revision(WELCOME, "r1");
    suspended.suspended = true;
    bench.store.put_journey(SHOP, &suspended).await.unwrap();
    assert_eq!(
        ask(&knows("r1", false, &revisions)).await,
        untouched,
        "it is suspended now"
    );
    assert_eq!(ask(&knows("r1", true, &revisions)).await.1, 1, "who knows goes on");
    bench.store.put_journey(SHOP, &revision(WELCOME, "r2")).await.unwrap();
    assert_eq!(ask(&knows("r1", true, &revisions)).await, untouched, "a new revision");
    assert_eq!(
        ask(&knows("r2", false, &revisions)).await,
        untouched,
        "and it is not known"
    );
    revisions.insert("r2".to_owned());
    assert_eq!(ask(&knows("r2", false, &revisions)).await.1, 1);
    bench.store.put_journey(SHOP, &revision(WELCOME, "r3")).await.unwrap();
    bench.store.put_journey(SHOP, &revision(WELCOME, "r2")).await.unwrap();
    let back = ask(&knows("r2", false, &revisions)).await;
    assert_eq!(back, untouched, "another was the current one for a while");
    assert_eq!(ask(&request()).await.1, 1, "who does not say is not asked");
    bench.store.stop_journey(SHOP, WELCOME).await.unwrap();
    assert_eq!(ask(&knows("r2", false, &revisions)).await, (RoundResult::Fenced, 0));
}

pub async fn a_brief_round_leaves_out_what_time_brings(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let commit = RoundCommit {
        enrollments: vec![enrollment(person(1), 1, "r1", waiting(Some(1_000)))],
        ..Default::default()
    };
    bench.write(&hold, person(1), commit).await;
    let event = bench.arrival(2, person(2)).await;
    bench.accept(&[event]).await;
    let brief = RoundRequest {
        scope: Scope::AtHand,
        ..request()
    };
    let chosen = async |request: &RoundRequest| -> Vec<_> {
        let round = bench.look(&hold, request).await.unwrap();
        round.customers.iter().map(|turn| turn.customer.key).collect()
    };
    assert_eq!(chosen(&brief).await, [person(2)], "whose event waits");
    assert_eq!(
        chosen(&request()).await,
        [person(1), person(2)],
        "and whose wait is over"
    );
}

pub async fn events_below_a_number_are_seen_by_a_round_of_all(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    bench.accept_of_each(4).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let numbers = sequences(&round);
    assert_eq!(round.first_event, Some(numbers[0]));
    let seen = async |scope, events_from| {
        let request = RoundRequest {
            scope,
            events_from,
            ..request()
        };
        let round = bench.look(&hold, &request).await;
        round.map(|round| (sequences(&round), round.first_event))
    };
    let last = Some((numbers[2..].to_vec(), Some(numbers[2])));
    for scope in [Scope::AtHand, Scope::Due] {
        assert_eq!(seen(scope, numbers[2]).await, last);
        assert_eq!(seen(scope, numbers[3] + 1).await, None, "nothing is there");
    }
    assert_eq!(
        seen(Scope::All, numbers[2]).await,
        Some((numbers.clone(), Some(numbers[0])))
    );
}

pub async fn halves_of_a_hold_run_rounds_of_their_own(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    bench.accept_of_each(20).await;
    let half = |odd: u8| Hold {
        shards: hold
            .shards
            .iter()
            .copied()
            .filter(|lease| lease.shard % 2 == odd)
            .collect(),
        ..hold.clone()
    };
    let mut seen = BTreeSet::new();
    for odd in [0, 1] {
        let round = bench.look(&half(odd), &request()).await;
        for turn in round.iter().flat_map(|round| &round.customers) {
            assert_eq!(turn.customer.key.shard() % 2, odd);
            assert!(seen.insert(turn.customer.key), "each is of one half");
        }
    }
    assert_eq!(seen.len(), 20);
}

pub async fn what_one_round_writes_and_takes_back_is_not_there(bench: Bench) {
    let held = |customer, number, due| {
        let why = "Retry".into();
        outbox(number, customer, OutboxState::Held { due, why })
    };
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let first = RoundCommit {
        enrollments: vec![enrollment(person(1), 1, "r1", waiting(None))],
        outbox: vec![held(person(1), 1, 1_000)],
        ..Default::default()
    };
    bench.write(&hold, person(1), first).await;
    // Changed and gone in one commit, new and gone in one commit: gone holds.
    let both = RoundCommit {
        enrollments: vec![
            enrollment(person(1), 1, "r1", waiting(Some(5))),
            enrollment(person(1), 2, "r1", waiting(Some(5))),
        ],
        enrollments_gone: vec![(person(1), 1), (person(1), 2)],
        outbox: vec![held(person(1), 1, 2_000), held(person(1), 2, 2_000)],
        outbox_gone: vec![(person(1), message_key(1)), (person(1), message_key(2))],
        ..Default::default()
    };
    bench.write(&hold, person(1), both).await;
    let event = bench.arrival(9, person(1)).await;
    bench.accept(&[event]).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    assert!(round.customers[0].enrollments.is_empty() && round.customers[0].outbox.is_empty());
}
