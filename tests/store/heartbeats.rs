//! What a heartbeat keeps and tells, and when time brings something to do.

use super::bench::*;
use journey::{
    clock::SECOND,
    engine::{
        program::Pace,
        state::{Event, Standing},
    },
    keys::CustomerKey,
    personal::Personal,
    store::{
        Admissions, Beat, Current, Hold, News, OutboxState, Room, RoundCommit, RoundRequest, RoundResult, Sighting,
    },
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const SHORT: Duration = Duration::from_millis(400);

impl Bench {
    async fn beat(&self, hold: &Hold) -> Beat {
        self.store.beat(hold, TTL).await.unwrap()
    }

    /// Two owners with half of the shards each, for `ttl`.
    async fn two(&self, ttl: [Duration; 2]) -> [Hold; 2] {
        let join = async |n: usize| {
            let owner = owner(n as u128 + 1);
            self.store.join(SHOP, WELCOME, owner, ttl[n]).await.unwrap()
        };
        for n in [0, 1, 0] {
            join(n).await;
        }
        let (second, first) = (join(1).await, join(0).await);
        assert!(first.is_settled() && second.is_settled());
        [first, second]
    }
}

pub async fn a_heartbeat_of_one_to_whom_nothing_comes_tells_of_nothing(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    assert!(hold.is_settled());
    let version = bench.store.programs(SHOP, 0).await.unwrap().unwrap().version;
    let told = bench.beat(&hold).await;
    assert!((told.now - bench.now().await).abs() < 20 * SECOND);
    let quiet = Beat {
        holds: true,
        now: told.now,
        ends: None,
        version,
        waits: false,
    };
    assert_eq!(told, quiet);
    assert_eq!(bench.round(&hold, consume).await, RoundResult::Idle);
}

pub async fn heartbeats_keep_the_shards_for_as_long_as_they_come(bench: Bench) {
    const LONG: Duration = Duration::from_secs(4);
    let bench = bench.with_journey().await;
    let hold = bench.store.join(SHOP, WELCOME, owner(1), LONG).await.unwrap();
    bench.pass(Duration::from_millis(2_500)).await;
    assert!(bench.store.beat(&hold, LONG).await.unwrap().holds);
    bench.pass(Duration::from_millis(2_500)).await;
    assert_eq!(bench.round(&hold, consume).await, RoundResult::Idle);
    assert_eq!(bench.join(owner(2)).await.shards.len(), 0);
}

pub async fn a_heartbeat_that_comes_too_late_extends_nothing(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.store.join(SHOP, WELCOME, owner(1), SHORT).await.unwrap();
    bench.pass(SHORT + Duration::from_millis(50)).await;
    assert!(!bench.beat(&hold).await.holds);
    assert_eq!(
        bench
            .round(&hold, |_| panic!("nobody took the shards, but they are not its own"))
            .await,
        RoundResult::Fenced
    );
    let again = bench.join(owner(1)).await;
    assert_eq!(again.shards, hold.shards, "nobody took them: under the same epochs");
    assert!(bench.beat(&again).await.holds);
    assert_eq!(bench.round(&again, consume).await, RoundResult::Idle);
}

pub async fn a_heartbeat_tells_when_owners_come_and_go(bench: Bench) {
    let bench = bench.with_journey().await;
    let alone = bench.join(owner(1)).await;
    let other = bench.join(owner(2)).await;
    assert!(!other.is_settled(), "its share is not free yet");
    assert!(!bench.beat(&alone).await.holds, "somebody came");
    let [first, second] = bench.two([TTL, TTL]).await;
    for hold in [&first, &second] {
        let told = bench.beat(hold).await;
        assert!(told.holds);
        let left = told.ends.unwrap() - told.now;
        assert!(
            left > 0 && left <= 30 * SECOND,
            "when the other's registration ends: {left}"
        );
    }
    bench.store.leave(SHOP, WELCOME, owner(2)).await.unwrap();
    let told = bench.beat(&first).await;
    assert_eq!((told.holds, told.ends), (false, None), "the other left");
    assert_eq!(bench.join(owner(1)).await.shards.len(), 64);

    let [first, second] = bench.two([TTL, SHORT]).await;
    bench.pass(SHORT + Duration::from_millis(50)).await;
    let told = bench.beat(&first).await;
    assert_eq!((told.holds, told.ends), (false, None), "the other is dead");
    assert!(!bench.beat(&second).await.holds);
}

pub async fn a_heartbeat_tells_of_a_registration_that_lasts_too_long(bench: Bench) {
    let bench = bench.with_journey().await;
    let hour = Duration::from_secs(3_600);
    let [first, _] = bench.two([TTL, hour]).await;
    assert!(bench.store.beat(&first, hour).await.unwrap().holds);
    assert!(
        !bench.beat(&first).await.holds,
        "a clock that was set back gave it to the other"
    );
    bench.join(owner(1)).await;
    assert!(bench.beat(&first).await.holds, "it lasts no longer than any");
}

pub async fn a_heartbeat_tells_of_programs_and_of_what_nobody_was_woken_for(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let before = bench.beat(&hold).await;
    bench.store.put_settings(SHOP, &json!({"adapters": 1})).await.unwrap();
    let settings = bench.beat(&hold).await;
    assert!(settings.version > before.version && settings.holds);
    bench.store.stop_journey(SHOP, WELCOME).await.unwrap();
    assert!(bench.beat(&hold).await.version > settings.version);
    bench.store.remove_namespace(SHOP).await.unwrap();
    let gone = bench.beat(&hold).await;
    assert_eq!((gone.version, gone.holds), (0, false));

    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;
    assert!(bench.beat(&hold).await.waits);
    bench.round(&hold, consume).await;
    assert!(!bench.beat(&hold).await.waits);
    let news = News {
        key: [7; 16],
        id: Personal::new("news".into()),
        name: "fair-opened".into(),
        time: bench.now().await,
        data: properties(json!({})),
        listeners: vec![WELCOME.into()],
    };
    bench.store.announce(SHOP, &[news]).await.unwrap();
    assert!(bench.beat(&hold).await.waits);
}

/// Due then, as far as the request goes; None: nothing is.
async fn next(bench: &Bench, hold: &Hold, request: &RoundRequest) -> Option<i64> {
    let next = bench.store.due_next(hold, request).await.unwrap();
    assert!((next.now - bench.now().await).abs() < 20 * SECOND);
    next.due
}

fn without(hold: &Hold, customer: CustomerKey) -> Hold {
    let others = hold.shards.iter().filter(|lease| lease.shard != customer.shard());
    Hold {
        shards: others.copied().collect(),
        ..hold.clone()
    }
}

pub async fn the_first_wait_that_ends_is_due_next(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    assert_eq!(next(&bench, &hold, &request()).await, None);
    let then = bench.now().await + 3_600 * SECOND;
    let mut over = enrollment(person(3), 3, "r1", waiting(Some(then - 9)));
    over.enrollment.standing = ended(1);
    let rows = vec![
        enrollment(person(1), 1, "r1", waiting(Some(then + 5))),
        enrollment(person(2), 2, "r1", waiting(Some(then))),
        over,
        enrollment(person(4), 4, "r1", waiting(None)),
    ];
    let commit = RoundCommit {
        enrollments: rows,
        ..RoundCommit::default()
    };
    // One event each, so that all are in the round.
    for number in [1, 2, 3, 4] {
        let event = bench.arrival(u64::from(number), person(number)).await;
        bench.accept(&[event]).await;
    }
    bench
        .round(&hold, |round| RoundCommit {
            consumed: sequences(&round),
            ..commit.clone()
        })
        .await;
    assert_eq!(next(&bench, &hold, &request()).await, Some(then));
    assert_eq!(
        next(&bench, &without(&hold, person(2)), &request()).await,
        Some(then + 5)
    );
    let stuck = RoundRequest {
        stuck: BTreeSet::from(["r1".to_owned()]),
        ..request()
    };
    assert_eq!(next(&bench, &hold, &stuck).await, None);
    let suspended = RoundRequest {
        current: Some(Current {
            revision: "r1".into(),
            suspended: true,
        }),
        ..request()
    };
    assert_eq!(next(&bench, &hold, &suspended).await, None);
}

pub async fn messages_what_stays_and_sightings_are_due_next(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let commit = |outbox, placed, look_at| RoundCommit {
        outbox,
        placed,
        sightings: vec![(
            person(1),
            Sighting {
                held: BTreeSet::from(["rich".to_owned()]),
                look_at,
            },
        )],
        ..RoundCommit::default()
    };
    let held = |due| {
        let why = "QuietHours".into();
        outbox(1, person(1), OutboxState::Held { due, why })
    };
    let looks = RoundRequest {
        looks: true,
        ..request()
    };
    let hour = 3_600 * SECOND;
    let first = commit(
        vec![held(now + hour)],
        vec![placed(2, person(1), now + 2 * hour)],
        Some(now + hour / 2),
    );
    bench.write(&hold, person(1), first).await;
    assert_eq!(next(&bench, &hold, &looks).await, Some(now + hour / 2));
    assert_eq!(next(&bench, &hold, &request()).await, Some(now + hour), "nobody looks");
    let no_room = RoundRequest {
        room: Room {
            lanes: BTreeMap::new(),
            others: Some(0),
        },
        ..request()
    };
    assert_eq!(next(&bench, &hold, &no_room).await, Some(now + 2 * hour));
    let full = |room| RoundRequest {
        room: Room {
            lanes: BTreeMap::from([("mail".to_owned(), room)]),
            others: None,
        },
        ..request()
    };
    assert_eq!(next(&bench, &hold, &full(0)).await, Some(now + 2 * hour));
    assert_eq!(next(&bench, &hold, &full(1)).await, Some(now + hour));
    assert_eq!(next(&bench, &without(&hold, person(1)), &looks).await, None);

    // A claim is an orphan after five seconds, unless somebody knows of it.
    let epoch = hold.shards[0].epoch;
    let claimed = outbox(1, person(1), OutboxState::Claimed { epoch, at: now });
    bench.write(&hold, person(1), commit(vec![claimed], vec![], None)).await;
    assert_eq!(next(&bench, &hold, &request()).await, Some(now + 5 * SECOND));
    let known = RoundRequest {
        in_flight: BTreeSet::from([message_key(1)]),
        ..request()
    };
    assert_eq!(next(&bench, &hold, &known).await, Some(now + 2 * hour));
    let (due, again) = (now - SECOND, bench.look(&hold, &request()).await.is_some());
    assert!(!again, "its time has not come");
    bench
        .write(&hold, person(1), commit(vec![held(due)], vec![], None))
        .await;
    assert_eq!(next(&bench, &hold, &request()).await, Some(due), "it is over");
    assert_eq!(next(&bench, &hold, &full(0)).await, Some(now + 2 * hour));
    let mut over = held(due);
    over.over_at = Some(due + 9);
    bench.write(&hold, person(1), commit(vec![over], vec![], None)).await;
    assert_eq!(next(&bench, &hold, &full(0)).await, Some(due + 9), "it needs no room");
}

pub async fn who_waits_at_the_door_is_looked_at_every_second(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let at_door = |event: &Event| {
        let event = Box::new(event.clone());
        enrollment(person(1), 1, "r1", Standing::Paced { event })
    };
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;
    bench
        .round(&hold, |round| RoundCommit {
            consumed: sequences(&round),
            enrollments: vec![at_door(&round.customers[0].inbox[0].1)],
            ..RoundCommit::default()
        })
        .await;
    let pace = Pace {
        at_most: 1,
        per: SECOND,
    };
    let paced = RoundRequest {
        admissions: Some(Admissions::Paced(pace)),
        ..request()
    };
    let told = bench.store.due_next(&hold, &paced).await.unwrap();
    assert_eq!(told.due, Some(told.now + SECOND));
    assert_eq!(next(&bench, &hold, &request()).await, None, "nobody is let in");
    assert_eq!(next(&bench, &without(&hold, person(1)), &paced).await, None);
}
