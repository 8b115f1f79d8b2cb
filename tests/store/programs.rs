//! Programs, stopping and removing.

use super::bench::*;
use journey::store::{Backlog, OutboxState, RoundCommit, RoundResult};
use serde_json::json;

async fn version(bench: &Bench) -> i64 {
    bench
        .store
        .programs(SHOP, -1)
        .await
        .unwrap()
        .map_or(-1, |programs| programs.version)
}

/// The revisions of `welcome` as they come, and whether each is current.
async fn revisions(bench: &Bench) -> Vec<(String, bool)> {
    let programs = bench.store.programs(SHOP, -1).await.unwrap().unwrap();
    programs
        .journeys
        .into_iter()
        .map(|stored| (stored.row.revision, stored.current))
        .collect()
}

pub async fn a_namespace_never_written_has_version_0(bench: Bench) {
    assert_eq!(bench.store.programs(SHOP, 0).await.unwrap(), None);
    let programs = bench.store.programs(SHOP, 7).await.unwrap().unwrap();
    assert_eq!(
        (programs.version, programs.settings, programs.journeys.len()),
        (0, None, 0)
    );
}

pub async fn putting_the_same_again_changes_no_version(bench: Bench) {
    bench
        .store
        .put_settings(SHOP, &json!({"profile": {"age": 1.5}}))
        .await
        .unwrap();
    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    let before = version(&bench).await;
    assert!(before > 0);
    bench
        .store
        .put_settings(SHOP, &json!({"profile": {"age": 1.5}}))
        .await
        .unwrap();
    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    assert_eq!(version(&bench).await, before);
    assert_eq!(bench.store.programs(SHOP, before).await.unwrap(), None);
    let programs = bench.store.programs(SHOP, 0).await.unwrap().unwrap();
    assert_eq!(programs.settings, Some(json!({"profile": {"age": 1.5}})));
    assert_eq!(programs.journeys[0].row, revision(WELCOME, "r1"));
}

pub async fn settings_and_suspension_change_the_version(bench: Bench) {
    bench.store.put_settings(SHOP, &json!({"a": 1})).await.unwrap();
    let first = version(&bench).await;
    bench.store.put_settings(SHOP, &json!({"a": 2})).await.unwrap();
    let second = version(&bench).await;
    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    let third = version(&bench).await;
    let mut suspended = revision(WELCOME, "r1");
    suspended.suspended = true;
    bench.store.put_journey(SHOP, &suspended).await.unwrap();
    let fourth = version(&bench).await;
    assert!(
        first < second && second < third && third < fourth,
        "{first} {second} {third} {fourth}"
    );
    assert!(
        bench.store.programs(SHOP, third).await.unwrap().unwrap().journeys[0]
            .row
            .suspended
    );
}

pub async fn the_current_revision_comes_first_and_can_go_back(bench: Bench) {
    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    bench.store.put_journey(SHOP, &revision(WELCOME, "r2")).await.unwrap();
    assert_eq!(
        revisions(&bench).await,
        [("r2".to_owned(), true), ("r1".to_owned(), false)]
    );
    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    assert_eq!(
        revisions(&bench).await,
        [("r1".to_owned(), true), ("r2".to_owned(), false)]
    );
}

pub async fn a_revision_stays_while_somebody_walks_it(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let walks = RoundCommit {
        enrollments: vec![enrollment(person(1), 1, "r1", waiting(None))],
        ..Default::default()
    };
    bench.write(&hold, person(1), walks).await;
    for next in ["r2", "r3", "r4"] {
        bench.store.put_journey(SHOP, &revision(WELCOME, next)).await.unwrap();
    }
    let expected = ["r4", "r1", "r3"].map(|revision| (revision.to_owned(), revision == "r4"));
    assert_eq!(
        revisions(&bench).await,
        expected,
        "r2 goes: nobody walks it; r3 may still be what runners know"
    );

    let mut watched = enrollment(person(1), 1, "r1", ended(2));
    watched.watch_until = i64::MAX;
    bench
        .write(
            &hold,
            person(1),
            RoundCommit {
                enrollments: vec![watched.clone()],
                ..Default::default()
            },
        )
        .await;
    bench.store.put_journey(SHOP, &revision(WELCOME, "r4")).await.unwrap();
    assert_eq!(revisions(&bench).await, expected, "its goals may still be reached");

    watched.watch_until = 3;
    bench
        .write(
            &hold,
            person(1),
            RoundCommit {
                enrollments: vec![watched],
                ..Default::default()
            },
        )
        .await;
    bench.store.put_journey(SHOP, &revision(WELCOME, "r4")).await.unwrap();
    assert_eq!(
        revisions(&bench).await,
        ["r4", "r3"].map(|revision| (revision.to_owned(), revision == "r4"))
    );
}

pub async fn a_stopped_journey_gets_nothing_and_does_nothing(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let (first, second) = (bench.arrival(1, person(1)).await, bench.arrival(2, person(1)).await);
    bench.accept(&[first]).await;
    let before = version(&bench).await;
    bench.store.stop_journey(SHOP, WELCOME).await.unwrap();
    assert!(version(&bench).await > before);
    assert!(bench.store.programs(SHOP, -1).await.unwrap().unwrap().journeys[0].stopped);
    bench.accept(&[second]).await;
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().inbox, 1);
    assert_eq!(
        bench.round(&hold, |_| panic!("nothing may be done")).await,
        RoundResult::Fenced
    );
    assert!(bench.join(owner(1)).await.shards.is_empty());
    bench.store.stop_journey(SHOP, "unknown").await.unwrap();
}

/// Fills every table of a journey.
async fn fill(bench: &Bench) {
    let hold = bench.join(owner(1)).await;
    let mut counts = journey::kpi::Counts::default();
    counts.add("entered".into(), bench.now().await, 1);
    let commit = RoundCommit {
        enrollments: vec![enrollment(person(1), 1, "r1", waiting(None))],
        outbox: vec![outbox(
            1,
            person(1),
            OutboxState::Held {
                due: i64::MAX,
                why: "QuietHours".into(),
            },
        )],
        messages: vec![super::messages::message(1, person(1), None)],
        counts,
        ..Default::default()
    };
    bench.write(&hold, person(1), commit).await;
    let waits = bench.arrival(77, person(1)).await;
    bench.accept(&[waits]).await;
    assert_eq!(
        bench.store.backlog(SHOP, WELCOME).await.unwrap(),
        Backlog {
            active: 1,
            inbox: 1,
            outbox: 1,
            overdue: 0,
            paced: 0,
            ..Default::default()
        }
    );
}

async fn assert_empty(bench: &Bench) {
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap(), Backlog::default());
    assert!(bench.store.counts(SHOP, WELCOME).await.unwrap().0.is_empty());
    assert_eq!(bench.store.message(SHOP, message_key(1)).await.unwrap(), None);
}

pub async fn a_stopped_journey_put_again_starts_empty(bench: Bench) {
    let bench = bench.with_journey().await;
    fill(&bench).await;
    bench.store.stop_journey(SHOP, WELCOME).await.unwrap();
    bench.store.put_journey(SHOP, &revision(WELCOME, "r2")).await.unwrap();
    assert_empty(&bench).await;
    assert_eq!(revisions(&bench).await, [("r2".to_owned(), true)]);
    assert_eq!(bench.join(owner(2)).await.shards.len(), 64);
}

pub async fn a_removed_journey_leaves_nothing_and_starts_empty(bench: Bench) {
    let bench = bench.with_journey().await;
    fill(&bench).await;
    let (before, hold) = (version(&bench).await, bench.join(owner(1)).await);
    bench.store.remove_journey(SHOP, WELCOME).await.unwrap();
    assert!(version(&bench).await > before);
    assert!(revisions(&bench).await.is_empty());
    assert_empty(&bench).await;
    assert_eq!(
        bench.round(&hold, |_| panic!("nothing may be done")).await,
        RoundResult::Fenced
    );
    let late = bench.arrival(3, person(1)).await;
    bench.accept(&[late]).await;
    bench.store.remove_journey(SHOP, WELCOME).await.unwrap();

    let bench = bench.with_journey().await;
    assert_empty(&bench).await;
    assert_eq!(bench.join(owner(2)).await.shards[0].epoch, 1);
}

pub async fn a_removed_namespace_leaves_nothing_and_others_whole(bench: Bench) {
    let bench = bench.with_journey().await;
    fill(&bench).await;
    bench.store.put_journey("bank", &revision(WELCOME, "r1")).await.unwrap();
    let event = bench.arrival(1, person(1)).await;
    bench
        .store
        .accept("bank", std::slice::from_ref(&event), &|_, _| vec![])
        .await
        .unwrap();
    bench.accept(std::slice::from_ref(&event)).await;
    let before = version(&bench).await;

    bench.store.remove_namespace(SHOP).await.unwrap();
    assert_eq!(bench.store.programs(SHOP, 0).await.unwrap(), None);
    assert!(bench.store.programs(SHOP, before).await.unwrap().is_some());
    assert_empty(&bench).await;
    assert!(bench.store.intake_counts(SHOP).await.unwrap().0.is_empty());
    assert_eq!(
        bench.accept(&[event]).await,
        [journey::store::Receipt::Accepted],
        "its events are forgotten too"
    );
    assert_eq!(bench.store.backlog("bank", WELCOME).await.unwrap().inbox, 1);

    bench.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
    assert!(version(&bench).await > before, "no version is used twice");
}
