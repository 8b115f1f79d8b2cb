//! What people do to messages by hand: retry and drop.

use super::{bench::*, messages::message};
use journey::{
    clock::HOUR,
    engine::Outcome,
    kpi::Counts,
    store::{DROPPED, Dropped, OutboxState, RETRIED, Retried, RoundCommit},
};

const FAILED: &str = "failed:reminder:GaveUp";

/// Message 1 of person 1 has failed, message 2 waits, message 3 is with its channel.
async fn mail(bench: Bench) -> (Bench, journey::store::Hold) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let held = |due| OutboxState::Held {
        due,
        why: "QuietHours".into(),
    };
    let (epoch, at) = (hold.shards[0].epoch, now);
    let mut counts = Counts::default();
    counts.add(FAILED.into(), 9, 1);
    let mut over = enrollment(person(1), 1, "r1", ended(1));
    over.watch_until = 0;
    let commit = RoundCommit {
        enrollments: vec![over],
        outbox: vec![
            outbox(2, person(1), held(now + HOUR)),
            outbox(3, person(1), OutboxState::Claimed { epoch, at }),
        ],
        messages: vec![message(1, person(1), Some(Outcome::Failed("GaveUp".into())))],
        failed: vec![journey::store::OutboxRow {
            attempts: 60,
            ..outbox(1, person(1), held(0))
        }],
        counts,
        ..RoundCommit::default()
    };
    bench.write(&hold, person(1), commit).await;
    (bench, hold)
}

pub async fn a_message_that_waits_is_found_by_its_key(bench: Bench) {
    let (bench, _) = mail(bench).await;
    let find = async |journey, number| {
        let found = bench.store.waiting(SHOP, journey, message_key(number)).await.unwrap();
        found.map(|row| (row.customer, row.key))
    };
    for number in [2, 3] {
        assert_eq!(find(WELCOME, number).await, Some((person(1), message_key(number))));
        assert_eq!(find("other", number).await, None);
    }
    assert_eq!(find(WELCOME, 1).await, None, "it has failed");
}

pub async fn a_message_that_failed_waits_again_under_its_key(bench: Bench) {
    let (bench, hold) = mail(bench).await;
    let failed = bench.store.failed(SHOP, WELCOME, None, 10).await.unwrap();
    assert_eq!(failed, [message(1, person(1), Some(Outcome::Failed("GaveUp".into())))]);
    let after = Some((failed[0].at, failed[0].key));
    assert!(bench.store.failed(SHOP, WELCOME, after, 10).await.unwrap().is_empty());
    assert!(bench.store.failed(SHOP, "other", None, 10).await.unwrap().is_empty());

    assert_eq!(
        bench.store.retry(SHOP, "other", message_key(1)).await.unwrap(),
        Retried::Gone
    );
    assert_eq!(
        bench.store.retry(SHOP, WELCOME, message_key(2)).await.unwrap(),
        Retried::Gone
    );
    assert_eq!(
        bench.store.retry(SHOP, WELCOME, message_key(1)).await.unwrap(),
        Retried::Done
    );
    assert_eq!(
        bench.store.retry(SHOP, WELCOME, message_key(1)).await.unwrap(),
        Retried::Gone,
        "once"
    );
    assert!(bench.store.failed(SHOP, WELCOME, None, 10).await.unwrap().is_empty());
    assert_eq!(
        bench.store.counts(SHOP, WELCOME).await.unwrap().total(FAILED),
        0,
        "taken back"
    );
    let known = bench.store.message(SHOP, message_key(1)).await.unwrap().unwrap();
    assert_eq!(known.outcome, None);

    // It is due, and its enrollment is read though it was watched no more.
    let round = bench.look(&hold, &request()).await.unwrap();
    let turn = &round.customers[0];
    assert_eq!(turn.enrollments.len(), 1);
    let row = turn.outbox.iter().find(|row| row.key == message_key(1)).unwrap();
    assert_eq!((row.attempts, row.again, row.uncertain), (0, true, false));
    assert!(matches!(&row.state, OutboxState::Held { due, why } if *due <= round.now && why == RETRIED));
}

pub async fn a_message_whose_fate_is_unknown_is_uncertain_when_it_is_tried_again(bench: Bench) {
    let (bench, hold) = mail(bench).await;
    let unknown = Outcome::Failed("OutcomeUnknown".into());
    let commit = RoundCommit {
        messages: vec![message(4, person(1), Some(unknown))],
        failed: vec![outbox(4, person(1), OutboxState::Claimed { epoch: 1, at: 1 })],
        ..RoundCommit::default()
    };
    bench.write(&hold, person(1), commit).await;
    assert_eq!(
        bench.store.retry(SHOP, WELCOME, message_key(4)).await.unwrap(),
        Retried::Done
    );
    let rows = bench.store.outbox(SHOP, WELCOME, None, 10).await.unwrap();
    assert!(rows.iter().any(|row| row.key == message_key(4) && row.uncertain));
    bench.store.stop_journey(SHOP, WELCOME).await.unwrap();
    assert_eq!(
        bench.store.retry(SHOP, WELCOME, message_key(1)).await.unwrap(),
        Retried::NoJourney
    );
}

pub async fn only_a_message_that_waits_is_dropped(bench: Bench) {
    let (bench, hold) = mail(bench).await;
    let rows = bench.store.outbox(SHOP, WELCOME, None, 1).await.unwrap();
    assert_eq!(rows[0].key, message_key(2));
    let after = Some((person(1), message_key(2)));
    let rows = bench.store.outbox(SHOP, WELCOME, after, 10).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.key).collect::<Vec<_>>(), [message_key(3)]);

    let drop = |n| bench.store.drop_message(SHOP, WELCOME, person(1), message_key(n));
    assert_eq!(drop(1).await.unwrap(), Dropped::Gone);
    assert_eq!(drop(3).await.unwrap(), Dropped::Claimed);
    assert_eq!(drop(2).await.unwrap(), Dropped::Done);
    let round = bench.look(&hold, &request()).await.unwrap();
    let row = round.customers[0]
        .outbox
        .iter()
        .find(|row| row.key == message_key(2))
        .unwrap();
    assert!(matches!(&row.state, OutboxState::Held { due, why } if *due <= round.now && why == DROPPED));
}
