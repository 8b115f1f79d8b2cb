//! What a runner does where little or nothing comes: it rests, and time finds it in its place.

use super::{
    chance::Chance,
    crew::Crew,
    line::Line,
    play::bring,
    shop::{CART, NAMESPACE, SHOPS, Shape, Shop, compiled},
    world::{Mixture, Process, World},
};
use journey::{
    channel::OpenError,
    clock::{Clock as _, SECOND},
    consent::Signals,
    engine::state::Outcome,
    gateway::Incoming,
    runner::{self, Metrics, Options},
    simulate,
    status_server::Flag,
    store::Store as _,
};
use prometheus_client::registry::Registry;
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// A world in which nothing goes wrong, in virtual time.
fn quietly(shape: Shape, test: impl AsyncFnOnce(Arc<World>)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let shop: &Shop = SHOPS.iter().find(|shop| shop.shape == shape).unwrap();
        let nothing = Mixture {
            calls: 0,
            of_calls: vec![],
            of_answers: vec![],
            slow: 0,
        };
        let world = World::new(shop, Chance::of(1), nothing, None, false);
        world.calm();
        world.memory.put_settings(NAMESPACE, &shop.settings[0]).await.unwrap();
        for (journey, row) in shop.journeys.iter().zip(&shop.revisions[0]) {
            world.memory.put_journey(NAMESPACE, row).await.unwrap();
            world.state().shadow.put(journey, false);
        }
        test(world.clone()).await;
        assert_eq!(world.state().shadow.violation(), None);
    });
}

fn hire(world: &Arc<World>, runners: usize) -> Crew {
    let mut crew = Crew::new(world.clone(), Chance::of(2));
    (0..runners).for_each(|_| crew.hire(CART));
    crew
}

async fn seconds(n: u64) {
    tokio::time::sleep(Duration::from_secs(n)).await;
}

/// Calls of the store, by name, while that many seconds pass.
async fn calls_in(world: &World, n: u64) -> BTreeMap<&'static str, u64> {
    world.state().calls.clear();
    seconds(n).await;
    std::mem::take(&mut world.state().calls)
}

async fn customer_comes(world: &Arc<World>, user: &str) {
    let line = Line {
        world: world.clone(),
        process: Process::new(0, "", &mut Chance::of(3)),
    };
    let data = json!({"userId": user, "email": "u@customer.example", "cart": "c1", "newsletter": true});
    let event = Incoming {
        id: user.to_owned().into(),
        source: "site".to_owned().into(),
        name: "cart.updated".into(),
        time: None,
        data: data.as_object().unwrap().clone().into(),
        signals: Signals::default(),
    };
    assert!(bring(&line, &[event]).await);
}

#[test]
fn a_runner_to_which_nothing_comes_beats_and_does_little_else() {
    quietly(Shape::Once, async |world| {
        let _crew = hire(&world, 1);
        seconds(5).await;
        let calls = calls_in(&world, 60).await;
        let of = |name| calls.get(name).copied().unwrap_or_default();
        assert!((19..=22).contains(&of("beat")), "{calls:?}");
        assert_eq!(of("round"), 1, "one a minute, whatever happens: {calls:?}");
        assert!((2..=3).contains(&of("due_next")), "{calls:?}");
        assert_eq!(calls.len(), 3, "and nothing else: {calls:?}");
    });
}

#[test]
fn two_runners_that_share_a_journey_settle_and_only_beat() {
    quietly(Shape::Once, async |world| {
        let _crew = hire(&world, 2);
        seconds(10).await;
        let calls = calls_in(&world, 60).await;
        let of = |name| calls.get(name).copied().unwrap_or_default();
        assert!((38..=44).contains(&of("beat")), "{calls:?}");
        assert_eq!(of("join"), 0, "{calls:?}");
        assert!(of("round") <= 2, "{calls:?}");
    });
}

#[test]
fn a_wait_ends_at_its_instant_and_nobody_is_woken_for_it() {
    quietly(Shape::Once, async |world| {
        let _crew = hire(&world, 1);
        seconds(20).await;
        let mut latest = 0;
        for n in 0..20 {
            // Never at the same distance from a heartbeat.
            tokio::time::sleep(Duration::from_millis(3_137)).await;
            let came = world.clock.now();
            customer_comes(&world, &format!("u{n}")).await;
            let mut lasted = 0;
            while world.state().shadow.messages.len() <= n {
                tokio::time::sleep(Duration::from_millis(1)).await;
                lasted = world.clock.now() - came;
                assert!(lasted < 10 * SECOND, "the message does not come");
            }
            assert!(lasted >= 3 * SECOND, "early: {lasted} us");
            latest = latest.max(lasted - 3 * SECOND);
        }
        assert!(latest < SECOND / 20, "late by {latest} us");
        seconds(5).await;
        let mut state = world.state();
        let sent = |told: &super::shadow::Told| told.over == Some(Outcome::Sent);
        assert!(state.shadow.messages.values().all(sent));
        state.calls.clear();
    });
}

#[test]
fn the_shards_of_a_runner_that_dies_are_taken_when_its_registration_ends() {
    quietly(Shape::Once, async |world| {
        let mut crew = hire(&world, 2);
        seconds(10).await;
        for _ in 0..5 {
            crew.crash_one();
            let died = world.clock.now();
            let taken = loop {
                tokio::time::sleep(Duration::from_millis(5)).await;
                // Another one starts soon in the place of the one that died.
                if world.state().shadow.shards_held_by(&crew.owners()) == 64 {
                    break world.clock.now();
                }
                assert!(world.clock.now() - died < 10 * SECOND, "nobody takes over");
            };
            assert!(taken - died < 5_300_000, "after {} us", taken - died);
            seconds(20).await;
        }
    });
}

#[test]
fn what_is_due_and_cannot_be_worked_on_makes_no_runner_spin() {
    // Messages of an adapter that cannot be opened.
    quietly(Shape::Once, async |world| {
        let process = Process::new(7, CART, &mut Chance::of(4));
        let line = Line {
            world: world.clone(),
            process: process.clone(),
        };
        let stop = CancellationToken::new();
        let options = Options {
            namespace: NAMESPACE.into(),
            journey: CART.into(),
            keys: simulate::keys(),
            owner: process.owner,
            jitter: Arc::new(|| 0.5),
            divide: runner::DIVIDE,
            at_work: Box::new(|| {}),
            ready: Flag::lowered("rounds"),
            metrics: Metrics::register(&mut Registry::default()),
            open: Box::new(|_, _| Err(OpenError::Client("it is not there".into()))),
            regions: None,
            compiler: compiled,
        };
        let runs = tokio::spawn(runner::run(options, Arc::new(line), stop.clone()));
        for user in ["u1", "u2", "u3"] {
            customer_comes(&world, user).await;
        }
        seconds(10).await;
        let calls = calls_in(&world, 60).await;
        let of = |name| calls.get(name).copied().unwrap_or_default();
        assert!(of("round") <= 120, "{calls:?}");
        assert!(of("due_next") <= of("round"), "{calls:?}");
        stop.cancel();
        runs.await.unwrap().unwrap();
    });
    // Waits of a journey that is suspended.
    quietly(Shape::Once, async |world| {
        let _crew = hire(&world, 1);
        customer_comes(&world, "u1").await;
        seconds(1).await;
        let row = journey::store::JourneyRow {
            suspended: true,
            ..world.shop.revisions[0][0].clone()
        };
        world.memory.put_journey(NAMESPACE, &row).await.unwrap();
        seconds(10).await;
        let calls = calls_in(&world, 60).await;
        let of = |name| calls.get(name).copied().unwrap_or_default();
        assert!(of("round") <= 2, "{calls:?}");
    });
}

#[test]
fn a_runner_stands_aside_while_the_policies_name_other_regions_than_its_own() {
    quietly(Shape::Once, async |world| {
        let process = Process::new(7, CART, &mut Chance::of(4));
        let line = Line {
            world: world.clone(),
            process: process.clone(),
        };
        let (stop, ready) = (CancellationToken::new(), Flag::lowered("rounds"));
        let options = Options {
            namespace: NAMESPACE.into(),
            journey: CART.into(),
            keys: simulate::keys(),
            owner: process.owner,
            jitter: Arc::new(|| 0.5),
            divide: runner::DIVIDE,
            at_work: Box::new(|| {}),
            ready,
            metrics: Metrics::register(&mut Registry::default()),
            open: Box::new(|_, _| Err(OpenError::Client("it is not there".into()))),
            regions: Some(["us-1".to_owned()].into()),
            compiler: runner::programs::compile_all,
        };
        let runs = tokio::spawn(runner::run(options, Arc::new(line), stop.clone()));
        let said = async || {
            seconds(10).await;
            let mut running = world.memory.running(NAMESPACE).await.unwrap();
            running.runners.remove(CART).unwrap_or_default()
        };
        let policy = async |regions: &[&str]| {
            let mut settings = world.shop.settings[0].clone();
            for policy in settings["policies"].as_object_mut().unwrap().values_mut() {
                policy["residency"] = json!({"regions": regions});
            }
            world.memory.put_settings(NAMESPACE, &settings).await.unwrap();
        };
        let before = said().await;
        assert!(matches!(&before[..], [Some(_)]), "it says what it runs by: {before:?}");
        policy(&["eu-1"]).await;
        assert_eq!(said().await, [], "it holds nothing where it may not run");
        let calls = calls_in(&world, 60).await;
        assert_eq!(
            calls.keys().collect::<Vec<_>>(),
            [&"programs"],
            "it waits to be replaced: {calls:?}"
        );
        policy(&["eu-1", "us-1"]).await;
        let after = said().await;
        assert!(matches!(&after[..], [Some(_)]), "it comes back: {after:?}");
        assert_ne!(before, after, "by other policies");
        stop.cancel();
        runs.await.unwrap().unwrap();
    });
}
