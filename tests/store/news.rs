//! News: kept once, brought to every customer once, in the order of acceptance, whoever holds the shards; and then forgotten.

use super::bench::*;
use journey::{
    clock::SECOND,
    keys::CustomerKey,
    personal::Personal,
    store::{News, Receipt, Round, RoundRequest, RoundResult, Tick},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

const USERS: [u8; 9] = [1, 2, 65, 129, 192, 191, 64, 255, 0];

fn hearing(limit: u32) -> RoundRequest {
    RoundRequest {
        news: limit,
        ..request()
    }
}

impl Bench {
    async fn announce(&self, number: u64) -> Receipt {
        let news = News {
            key: u128::from(number).to_be_bytes(),
            id: Personal::new(format!("news-{number}")),
            name: "fair-opened".into(),
            time: self.now().await,
            data: properties(json!({"number": number})),
            listeners: vec![WELCOME.into(), "not-there".into()],
        };
        let receipts = self.store.announce(SHOP, &[news]).await.unwrap();
        assert_eq!(receipts.len(), 1);
        receipts[0]
    }

    /// Nine customers, whose own events are done.
    async fn with_customers(self) -> Self {
        for user in USERS {
            let event = self.arrival(u64::from(user) + 1_000, person(user)).await;
            self.accept(&[event]).await;
        }
        let hold = self.join(owner(1)).await;
        while self.round(&hold, consume).await != RoundResult::Idle {}
        self.store.leave(SHOP, WELCOME, owner(1)).await.unwrap();
        self
    }

    /// Rounds until there is nothing more to do, `rounds` at most; who heard which news, in order.
    async fn hear(&self, hold: &journey::store::Hold, limit: u32, rounds: usize) -> Vec<(CustomerKey, i64)> {
        let mut heard = vec![];
        self.rounds_until_idle(hold, &hearing(limit), rounds, |round: Round| {
            for turn in &round.customers {
                let Some((number, event)) = &turn.news else { continue };
                assert_eq!((event.name.as_str(), event.accepted_at), ("fair-opened", round.now));
                assert_eq!(event.profile, turn.customer.attributes, "the customer as they are now");
                assert!(*number > 0 && event.time <= round.now);
                heard.push((turn.customer.key, event.data.expose()["number"].as_i64().unwrap()));
            }
            consume(round)
        })
        .await;
        heard
    }
}

pub async fn news_comes_to_everybody_once_in_the_order_of_acceptance_and_is_forgotten(bench: Bench) {
    let bench = bench.with_journey().await.with_customers().await;
    let all: BTreeSet<CustomerKey> = USERS.map(person).into();
    assert_eq!(bench.announce(1).await, Receipt::Accepted);
    assert_eq!(bench.announce(2).await, Receipt::Accepted);
    assert_eq!(bench.announce(1).await, Receipt::Duplicate);
    let counts = bench.store.intake_counts(SHOP).await.unwrap();
    assert_eq!((counts.total("accepted"), counts.total("duplicate")), (11, 1));

    let hold = bench.join(owner(1)).await;
    assert_eq!(bench.hear(&hold, 0, 5).await, [], "news waits");
    let before = bench.hear(&hold, 4, 2).await;
    assert_eq!(before.len(), 8, "as many a round as are asked for");
    // Another process goes on.
    bench.store.leave(SHOP, WELCOME, owner(1)).await.unwrap();
    let hold = bench.join(owner(2)).await;
    let after = bench.hear(&hold, 3, 500).await;
    let mut of: BTreeMap<CustomerKey, Vec<i64>> = BTreeMap::new();
    for (customer, number) in before.into_iter().chain(after) {
        of.entry(customer).or_default().push(number);
    }
    assert_eq!(of.keys().copied().collect::<BTreeSet<_>>(), all);
    assert!(of.values().all(|heard| *heard == [1, 2]), "{of:?}");
    // It is forgotten, and not even somebody new hears it.
    let event = bench.arrival(1, person(9)).await;
    bench.accept(&[event]).await;
    assert_eq!(bench.hear(&hold, 100, 500).await, []);
    assert_eq!(bench.announce(2).await, Receipt::Duplicate, "for ever");
}

pub async fn runners_bring_news_to_their_own_shards_and_the_last_one_forgets_it(bench: Bench) {
    let bench = bench.with_journey().await.with_customers().await;
    bench.join(owner(1)).await;
    bench.join(owner(2)).await;
    let (first, second) = (bench.join(owner(1)).await, bench.join(owner(2)).await);
    assert_eq!((first.shards.len(), second.shards.len()), (32, 32));
    bench.announce(1).await;
    let one = bench.hear(&first, 100, 500).await;
    bench.announce(2).await;
    let two = bench.hear(&second, 100, 500).await;
    let own = |hold: &journey::store::Hold, heard: &[(CustomerKey, i64)]| {
        let held = |customer: &CustomerKey| hold.shards.iter().any(|lease| lease.shard == customer.shard());
        heard.iter().all(|(customer, _)| held(customer))
    };
    assert!(own(&first, &one) && own(&second, &two));
    let more = bench.hear(&first, 100, 500).await;
    assert!(own(&first, &more) && more.iter().all(|(_, number)| *number == 2));
    assert_eq!(one.len() + two.len() + more.len(), 2 * USERS.len());
    // The shards change hands, and nobody hears it again.
    bench.store.leave(SHOP, WELCOME, owner(1)).await.unwrap();
    let all = bench.join(owner(2)).await;
    assert_eq!(all.shards.len(), 64);
    assert_eq!(bench.hear(&all, 100, 500).await, []);
}

pub async fn a_round_that_is_not_committed_has_told_nobody(bench: Bench) {
    let bench = bench.with_journey().await.with_customers().await;
    bench.announce(1).await;
    let hold = bench.join(owner(1)).await;
    let stale = journey::store::Hold {
        shards: hold
            .shards
            .iter()
            .map(|lease| journey::store::Lease {
                epoch: lease.epoch + 1,
                ..*lease
            })
            .collect(),
        ..hold.clone()
    };
    let fenced = bench.round_with(&stale, &hearing(100), consume).await;
    assert_eq!(fenced, RoundResult::Fenced);
    // Somebody would enter a revision that is gone.
    let result = bench
        .round_with(&hold, &hearing(100), |round: Round| journey::store::RoundCommit {
            enrollments: vec![enrollment(round.customers[0].customer.key, 1, "gone", waiting(None))],
            ..consume(round)
        })
        .await;
    assert_eq!(result, RoundResult::Fenced);
    assert_eq!(bench.hear(&hold, 100, 500).await.len(), USERS.len());
}

pub async fn a_journey_that_is_stopped_hears_no_news_and_one_put_again_none_of_before(bench: Bench) {
    let bench = bench.with_journey().await.with_customers().await;
    bench.announce(1).await;
    bench.store.stop_journey(SHOP, WELCOME).await.unwrap();
    bench.announce(2).await;
    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    let hold = bench.join(owner(1)).await;
    assert_eq!(bench.hear(&hold, 100, 500).await, []);
}

/// A rule that comes at every whole second after the first one it was asked of.
fn every_second(since: i64, now: i64) -> Tick {
    let second = |at: i64| at.div_euclid(SECOND);
    let at = second(now) * SECOND;
    Tick {
        news: (second(now) > second(since)).then(|| News {
            key: u128::from(at.unsigned_abs()).to_be_bytes(),
            id: Personal::new(format!("tick/{at}")),
            name: "fair-opened".into(),
            time: at,
            data: properties(json!({"number": at})),
            listeners: vec![WELCOME.into()],
        }),
        next: Some(at + SECOND),
    }
}

pub async fn a_schedule_begins_now_and_comes_once_whoever_asks(bench: Bench) {
    let bench = bench.with_journey().await.with_customers().await;
    let rules = |rule: &str| BTreeMap::from([("tick".to_owned(), rule.to_owned())]);
    let due = |touchpoint: &str, since: i64, now: i64| {
        assert_eq!(touchpoint, "tick");
        assert!(since <= now);
        every_second(since, now)
    };
    let before = bench.now().await;
    let next = bench.store.strike(SHOP, &rules("a"), &due).await.unwrap().unwrap();
    assert!(next > before && next <= bench.now().await + SECOND);
    let accepted = async || bench.store.intake_counts(SHOP).await.unwrap().total("accepted") - 9;
    assert_eq!(accepted().await, 0, "it begins now");
    bench.pass(Duration::from_millis(1_100)).await;
    let elsewhere = bench.elsewhere();
    let all = rules("a");
    let (one, two) = tokio::join!(bench.store.strike(SHOP, &all, &due), elsewhere.strike(SHOP, &all, &due));
    assert!(one.unwrap() > Some(next) || two.unwrap() > Some(next));
    let first = accepted().await;
    assert!((1..=2).contains(&first), "each instant once: {first}");
    // What came while nobody asked is asked for together; another rule, and one that was gone, begins anew.
    bench.pass(Duration::from_millis(2_100)).await;
    bench.store.strike(SHOP, &rules("a"), &due).await.unwrap();
    assert_eq!(accepted().await, first + 1);
    bench.pass(Duration::from_millis(1_100)).await;
    bench.store.strike(SHOP, &rules("b"), &due).await.unwrap();
    assert_eq!(accepted().await, first + 1);
    assert_eq!(bench.store.strike(SHOP, &BTreeMap::new(), &due).await.unwrap(), None);
    bench.pass(Duration::from_millis(1_100)).await;
    bench.store.strike(SHOP, &rules("b"), &due).await.unwrap();
    assert_eq!(accepted().await, first + 1);

    let hold = bench.join(owner(1)).await;
    let heard = bench.hear(&hold, 100, 500).await;
    assert_eq!(
        i64::try_from(heard.len()).unwrap(),
        9 * (first + 1),
        "it comes to everybody"
    );
}
