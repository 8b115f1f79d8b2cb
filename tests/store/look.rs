//! Conditions: who is told of a change, what is remembered of a look, and a visit of every customer.

use super::bench::*;
use journey::{
    clock::{HOUR, Micros},
    engine::CHANGED,
    keys::CustomerKey,
    kpi::Counts,
    store::{Imported, JourneyRow, Round, RoundCommit, RoundRequest, RoundResult, Sighting, SweepRequest},
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const WATCHER: &str = "watcher";

impl Bench {
    /// `welcome`, and a journey that watches points and hears of new customers, but of no event.
    async fn with_watcher(self) -> Self {
        let bench = self.with_journey().await;
        let row = JourneyRow {
            listens: ["customer.points", "customer.id"].map(str::to_owned).into(),
            ..revision(WATCHER, "r1")
        };
        bench.store.put_journey(SHOP, &row).await.unwrap();
        bench
    }

    async fn watch(&self) -> journey::store::Hold {
        self.store.join(SHOP, WATCHER, owner(9), TTL).await.unwrap()
    }

    /// What the watcher has been told, each with the profile it was told with; taken out of its inbox.
    async fn told(&self) -> Vec<Value> {
        let hold = self.watch().await;
        let mut told = vec![];
        let result = self.round(&hold, |round| {
            for (_, event) in round.customers.iter().flat_map(|turn| &turn.inbox) {
                assert_eq!(event.name, CHANGED);
                told.push(Value::Object(event.profile.expose().clone()));
            }
            consume(round)
        });
        assert_ne!(result.await, RoundResult::Fenced);
        told
    }

    async fn changed(&self) -> i64 {
        self.store.intake_counts(SHOP).await.unwrap().total("changed")
    }

    async fn bring(&self, user: u8, attributes: Value) {
        let imported = Imported {
            key: person(user),
            anonymous: false,
            id: format!("user {user}").into(),
            attributes: properties(attributes),
            consents: BTreeMap::new(),
            evidence: BTreeMap::new(),
        };
        self.store.import(SHOP, &[imported], "file", 1).await.unwrap();
    }
}

pub async fn a_change_is_told_to_those_who_watch_it_next_after_its_event(bench: Bench) {
    let bench = bench.with_watcher().await;
    let teach = |points: Value| {
        move |_: &journey::store::Arrival, customer: &mut journey::store::Customer| {
            customer.attributes.expose_mut().insert("points".into(), points.clone());
            customer.attributes.expose_mut().insert("mood".into(), json!(1));
            vec![]
        }
    };
    let (one, two, three) = (
        bench.arrival(1, person(1)).await,
        bench.arrival(2, person(1)).await,
        bench.arrival(3, person(1)).await,
    );
    bench
        .store
        .accept(SHOP, std::slice::from_ref(&one), &teach(json!(1)))
        .await
        .unwrap();
    bench.store.accept(SHOP, &[one, two], &teach(json!(2))).await.unwrap();
    bench.store.accept(SHOP, &[three], &teach(json!(2))).await.unwrap();
    assert_eq!(
        bench.told().await,
        [json!({"points": 1, "mood": 1}), json!({"points": 2, "mood": 1})],
        "duplicates, and what stays as it was, tell nothing"
    );
    assert_eq!(bench.changed().await, 2);
    assert_eq!(bench.store.intake_counts(SHOP).await.unwrap().total("accepted"), 3);
    let hold = bench.join(owner(1)).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let names: Vec<&str> = round.customers[0]
        .inbox
        .iter()
        .map(|(_, event)| event.name.as_str())
        .collect();
    assert_eq!(names, ["order-placed"; 3], "who does not watch hears the events alone");
}

pub async fn a_new_customer_and_an_import_are_told_and_what_nobody_watches_is_not(bench: Bench) {
    let bench = bench.with_watcher().await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;
    assert_eq!(bench.told().await, [json!({})], "nobody knew the customer");
    bench.bring(2, json!({"mood": 3})).await;
    bench.bring(2, json!({"mood": 4})).await;
    bench.bring(2, json!({"points": 5})).await;
    bench.bring(2, json!({"points": 5})).await;
    bench.bring(2, json!({"points": null})).await;
    assert_eq!(
        bench.told().await,
        [json!({"mood": 3}), json!({"mood": 4, "points": 5}), json!({"mood": 4})]
    );
    bench.store.stop_journey(SHOP, WATCHER).await.unwrap();
    bench.bring(3, json!({"points": 5})).await;
    assert_eq!(bench.changed().await, 4);
}

pub async fn what_another_journey_sets_is_told_in_the_same_commit(bench: Bench) {
    let bench = bench.with_watcher().await;
    let hold = bench.join(owner(1)).await;
    let set = |points: i64| RoundCommit {
        attributes: vec![(person(1), properties(json!({"points": points})))],
        ..RoundCommit::default()
    };
    bench.write(&hold, person(1), set(7)).await;
    assert_eq!(bench.told().await, [json!({}), json!({"points": 7})]);
    bench.write(&hold, person(1), set(7)).await;
    assert_eq!(bench.told().await, [] as [Value; 0]);
    assert_eq!(bench.changed().await, 2);
}

fn looking() -> RoundRequest {
    RoundRequest {
        looks: true,
        ..request()
    }
}

fn seen(held: &[&str], look_at: Option<Micros>) -> Sighting {
    Sighting {
        held: held.iter().map(|name| (*name).to_owned()).collect(),
        look_at,
    }
}

pub async fn a_sighting_comes_back_when_it_is_due_and_is_forgotten_when_it_is_blank(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let remember = |sighting: Sighting| RoundCommit {
        sightings: vec![(person(1), sighting)],
        ..RoundCommit::default()
    };
    bench
        .write(&hold, person(1), remember(seen(&["a"], Some(now + HOUR))))
        .await;
    assert!(bench.look(&hold, &looking()).await.is_none(), "its time has not come");
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;
    let turn = bench.look(&hold, &looking()).await.unwrap().customers.remove(0);
    assert_eq!((turn.sighting, turn.look), (seen(&["a"], Some(now + HOUR)), None));
    let turn = bench.look(&hold, &request()).await.unwrap().customers.remove(0);
    assert_eq!(turn.sighting, Sighting::default(), "who does not look does not see");
    bench.round(&hold, consume).await;

    bench
        .write(&hold, person(1), remember(seen(&["a", "b"], Some(now))))
        .await;
    let suspended = JourneyRow {
        suspended: true,
        ..revision(WELCOME, "r1")
    };
    bench.store.put_journey(SHOP, &suspended).await.unwrap();
    assert!(
        bench.look(&hold, &looking()).await.is_none(),
        "nobody is looked at while it is suspended"
    );
    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    assert!(bench.look(&hold, &request()).await.is_none());
    let first = bench.look(&hold, &looking()).await.unwrap().customers.remove(0);
    assert_eq!(first.sighting, seen(&["a", "b"], Some(now)));
    let second = bench.look(&hold, &looking()).await.unwrap().customers.remove(0);
    assert!(
        second.look >= first.look && first.look.is_some(),
        "a number for what it opens"
    );

    let result = bench
        .round_with(&hold, &looking(), |_| remember(Sighting::default()))
        .await;
    assert_eq!(result, RoundResult::Committed { full: false });
    assert!(bench.look(&hold, &looking()).await.is_none());
    bench.write(&hold, person(1), remember(seen(&["a"], Some(now)))).await;
    bench.store.remove_journey(SHOP, WELCOME).await.unwrap();
    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    let hold = bench.join(owner(1)).await;
    assert!(
        bench.look(&hold, &looking()).await.is_none(),
        "a new journey has seen nobody"
    );
}

fn sweeping(version: &str, limit: u32) -> RoundRequest {
    RoundRequest {
        sweeps: vec![SweepRequest {
            sweep: "first-sight".into(),
            version: version.into(),
            limit,
        }],
        ..looking()
    }
}

impl Bench {
    /// Rounds until there is nothing more to do; whom the sweep came to, in order.
    async fn sweep(&self, hold: &journey::store::Hold, request: &RoundRequest, rounds: usize) -> Vec<CustomerKey> {
        let mut came = vec![];
        self.rounds_until_idle(hold, request, rounds, |round: Round| {
            for turn in round.customers.iter().filter(|turn| !turn.swept.is_empty()) {
                assert_eq!(turn.swept, ["first-sight"]);
                assert!(turn.look.is_some());
                came.push(turn.customer.key);
            }
            consume(round)
        })
        .await;
        came
    }
}

pub async fn a_sweep_comes_to_everybody_once_and_goes_on_where_it_stopped(bench: Bench) {
    let bench = bench.with_journey().await;
    let mut all: BTreeSet<CustomerKey> = BTreeSet::new();
    for user in [1, 2, 65, 129, 193, 192, 191, 64, 63, 255, 0] {
        for end in [0, 7] {
            let mut key = person(user);
            key.0[15] = end;
            let event = bench.arrival(u64::from(user) * 10 + u64::from(end), key).await;
            bench.accept(&[event]).await;
            all.insert(key);
        }
    }
    let hold = bench.join(owner(1)).await;
    while bench.round(&hold, consume).await != RoundResult::Idle {}
    let before = bench.sweep(&hold, &sweeping("v1", 3), 4).await;
    assert!(
        !before.is_empty() && before.len() < all.len(),
        "bounded: {}",
        before.len()
    );
    // Another process goes on.
    bench.store.leave(SHOP, WELCOME, owner(1)).await.unwrap();
    let hold = bench.join(owner(2)).await;
    let after = bench.sweep(&hold, &sweeping("v1", 3), 200).await;
    let came: Vec<CustomerKey> = before.iter().chain(&after).copied().collect();
    assert_eq!(came.len(), all.len(), "each once");
    assert_eq!(came.into_iter().collect::<BTreeSet<_>>(), all);
    assert_eq!(bench.sweep(&hold, &sweeping("v1", 3), 200).await, [], "it is over");
    let again = bench.sweep(&hold, &sweeping("v2", 100), 200).await;
    assert_eq!(again.len(), all.len(), "another version comes to everybody anew");
}

pub async fn a_sweep_keeps_to_the_shards_that_are_held_and_is_fenced(bench: Bench) {
    let bench = bench.with_journey().await;
    for user in 0..64 {
        bench.bring(user, json!({})).await;
    }
    let (first, second) = (bench.join(owner(1)).await, bench.join(owner(2)).await);
    let first = {
        drop(first);
        bench.join(owner(1)).await
    };
    assert_eq!(second.shards.len(), 0, "all were taken");
    let second = bench.join(owner(2)).await;
    let one = bench.sweep(&first, &sweeping("v1", 10), 200).await;
    let two = bench.sweep(&second, &sweeping("v1", 10), 200).await;
    assert_eq!((one.len(), two.len()), (32, 32));
    let stale = journey::store::Hold {
        shards: first
            .shards
            .iter()
            .map(|lease| journey::store::Lease {
                epoch: lease.epoch + 1,
                ..*lease
            })
            .collect(),
        ..first
    };
    let mut calls = 0;
    let request = sweeping("v2", 10);
    let result = bench.round_with(&stale, &request, |round| {
        calls += 1;
        consume(round)
    });
    let result = result.await;
    assert_eq!((result, calls), (RoundResult::Fenced, 0));
}

pub async fn who_has_ended_and_is_watched_no_more_holds_nobody_up(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let mut row = enrollment(person(1), 5, "r1", ended(1));
    row.enrollment.look_at = Some(now);
    row.watch_until = now + HOUR;
    let commit = |row: &journey::store::EnrollmentRow| RoundCommit {
        enrollments: vec![row.clone()],
        counts: Counts::default(),
        ..RoundCommit::default()
    };
    bench.write(&hold, person(1), commit(&row)).await;
    assert!(
        bench.look(&hold, &request()).await.is_some(),
        "a goal may be reached by time"
    );
    row.watch_until = now - HOUR;
    bench.write(&hold, person(1), commit(&row)).await;
    let mut one = request();
    one.limit = 1;
    bench.pass(Duration::from_millis(1)).await;
    assert!(bench.look(&hold, &one).await.is_none());
}

pub async fn two_who_become_one_are_seen_as_one(bench: Bench) {
    let bench = bench.with_watcher().await;
    let (ann, visitor) = (person(1), person(2));
    bench.bring(1, json!({"points": 1})).await;
    bench.bring(2, json!({"points": 1, "mood": 3})).await;
    bench.told().await;
    let hold = bench.watch().await;
    let later = bench.now().await + HOUR;
    for (key, held, look_at) in [(ann, "a", Some(later)), (visitor, "b", Some(later - 1))] {
        let seen = Sighting {
            held: [held.to_owned()].into(),
            look_at,
        };
        let commit = RoundCommit {
            sightings: vec![(key, seen)],
            ..RoundCommit::default()
        };
        bench.bring(if key == ann { 1 } else { 2 }, json!({"points": 2})).await;
        bench.write(&hold, key, commit).await;
    }
    while !bench.told().await.is_empty() {}
    let before = bench.changed().await;
    let mut says = bench.arrival(4, ann).await;
    says.known_as = vec![journey::store::Identifier {
        key: visitor,
        id: "visitor".to_owned().into(),
        anonymous: false,
    }];
    bench.accept(&[says]).await;
    assert_eq!(
        bench.changed().await,
        before,
        "both had these points, and nobody watches the mood"
    );
    bench.bring(2, json!({"points": 3})).await;
    let round = bench.look(&hold, &looking()).await.unwrap();
    let turn = &round.customers[0];
    assert_eq!((round.customers.len(), turn.customer.key), (1, ann));
    assert_eq!(
        turn.sighting,
        Sighting {
            held: ["a".to_owned(), "b".to_owned()].into(),
            look_at: Some(later - 1),
        },
        "what held for either does not become true"
    );
    assert_eq!(bench.told().await, [json!({"points": 3, "mood": 3})]);

    // Whose points are others now is looked at, also where it is the one who went.
    bench.bring(3, json!({"points": 9})).await;
    bench.told().await;
    let mut says = bench.arrival(5, ann).await;
    says.known_as = vec![journey::store::Identifier {
        key: person(3),
        id: "other".to_owned().into(),
        anonymous: false,
    }];
    bench.accept(&[says]).await;
    assert_eq!(bench.told().await, [json!({"points": 3, "mood": 3})]);
}

pub async fn the_length_of_a_chain_goes_along_with_what_changed(bench: Bench) {
    let bench = bench.with_journey().await;
    let mut watching = revision("watching", "r1");
    watching.listens = ["customer.points".to_owned()].into();
    bench.store.put_journey(SHOP, &watching).await.unwrap();
    let hold = bench.join(owner(1)).await;
    bench.accept(&[bench.arrival(1, person(1)).await]).await;
    let result = bench.round(&hold, |round| RoundCommit {
        attributes: vec![(person(1), properties(json!({"points": 3})))],
        hops: BTreeMap::from([(person(1), 4)]),
        ..consume(round)
    });
    assert_ne!(result.await, RoundResult::Fenced);
    let theirs = bench
        .store
        .join(SHOP, "watching", owner(2), std::time::Duration::from_secs(5));
    let theirs = theirs.await.unwrap();
    let mut hops = Vec::new();
    let result = bench.round(&theirs, |round| {
        let events = round.customers.iter().flat_map(|turn| &turn.inbox);
        hops.extend(events.map(|(_, event)| event.hops));
        consume(round)
    });
    assert_ne!(result.await, RoundResult::Fenced);
    assert_eq!(hops, [4]);
}
