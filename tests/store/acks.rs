//! Who says by which policies he runs.

use super::bench::*;
use journey::store::{Ran, Running};
use std::{collections::BTreeMap, time::Duration};

const SHORT: Duration = Duration::from_millis(400);

async fn runners(bench: &Bench) -> Vec<Option<String>> {
    let Running { mut runners, .. } = bench.store.running(SHOP).await.unwrap();
    runners.remove(WELCOME).unwrap_or_default()
}

fn said(hashes: &[&str]) -> Vec<Option<String>> {
    hashes.iter().map(|hash| Some((*hash).to_owned())).collect()
}

pub async fn nobody_runs_where_nobody_is_registered(bench: Bench) {
    assert_eq!(bench.store.running(SHOP).await.unwrap(), Running::default());
    assert_eq!(bench.store.retained(SHOP).await.unwrap(), None::<Ran>);
}

pub async fn a_runner_says_what_it_runs_by_until_it_leaves(bench: Bench) {
    let bench = bench.with_journey().await;
    let say = async |n: u128, hash: &str| bench.store.acknowledge(SHOP, WELCOME, owner(n), hash).await.unwrap();
    say(1, "a").await;
    assert_eq!(runners(&bench).await, [], "who is not registered says nothing");
    bench.join(owner(1)).await;
    bench.join(owner(2)).await;
    assert_eq!(runners(&bench).await, [None, None]);
    say(1, "a").await;
    say(2, "a").await;
    say(2, "b").await;
    assert_eq!(runners(&bench).await, said(&["a", "b"]));
    let hold = bench.join(owner(1)).await;
    bench.store.beat(&hold, TTL).await.unwrap();
    assert_eq!(
        runners(&bench).await,
        said(&["a", "b"]),
        "it lasts as long as the registration"
    );
    bench.store.leave(SHOP, WELCOME, owner(2)).await.unwrap();
    assert_eq!(runners(&bench).await, said(&["a"]));
    bench.join(owner(2)).await;
    assert_eq!(
        runners(&bench).await,
        [None, Some("a".to_owned())],
        "who comes back says it anew"
    );
    assert_eq!(bench.store.running("elsewhere").await.unwrap(), Running::default());
}

pub async fn a_gateway_is_there_for_as_long_as_it_says_so(bench: Bench) {
    let bench = bench.with_journey().await;
    let attend = async |n: u128, hash: &str, ttl| bench.store.attend(SHOP, owner(n), hash, ttl).await.unwrap();
    attend(1, "a", TTL).await;
    attend(2, "a", SHORT).await;
    attend(1, "b", TTL).await;
    let running = bench.store.running(SHOP).await.unwrap();
    assert_eq!(
        (running.gateways, running.runners),
        (said(&["a", "b"]), BTreeMap::new())
    );
    bench.pass(SHORT + Duration::from_millis(50)).await;
    assert_eq!(bench.store.running(SHOP).await.unwrap().gateways, said(&["b"]));
    bench.store.depart(SHOP, owner(1)).await.unwrap();
    assert_eq!(bench.store.running(SHOP).await.unwrap(), Running::default());
    // It is nobody's registration but its own.
    assert!(bench.join(owner(1)).await.is_settled());
}

pub async fn a_removed_namespace_is_run_by_nobody(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.store.attend(SHOP, owner(1), "a", TTL).await.unwrap();
    bench.join(owner(2)).await;
    bench.store.remove_namespace(SHOP).await.unwrap();
    assert_eq!(bench.store.running(SHOP).await.unwrap(), Running::default());
}
