//! Who holds which shards.

use super::bench::*;
use journey::store::{OutboxState, RoundCommit, RoundRequest, RoundResult};
use std::{collections::BTreeSet, time::Duration};

const SHORT: Duration = Duration::from_millis(400);

pub async fn shards_are_divided_fairly_as_owners_come_and_go(bench: Bench) {
    let bench = bench.with_journey().await;
    assert_eq!(bench.join(owner(1)).await.shards.len(), 64);
    assert_eq!(
        bench.join(owner(2)).await.shards.len(),
        0,
        "the first has not given any back yet"
    );
    assert_eq!(bench.join(owner(1)).await.shards.len(), 32);
    assert_eq!(bench.join(owner(2)).await.shards.len(), 32);
    for _ in 0..3 {
        for number in 1..=3 {
            bench.join(owner(number)).await;
        }
    }
    let mut all = BTreeSet::new();
    for (number, share) in [(1, 22), (2, 21), (3, 21)] {
        let hold = bench.join(owner(number)).await;
        assert_eq!(hold.shards.len(), share);
        all.extend(hold.shards.iter().map(|lease| lease.shard));
    }
    assert_eq!(all.len(), 64, "each shard has one owner");

    bench.store.leave(SHOP, WELCOME, owner(1)).await.unwrap();
    bench.store.leave(SHOP, WELCOME, owner(3)).await.unwrap();
    assert_eq!(
        bench.join(owner(2)).await.shards.len(),
        64,
        "what is given back is free at once"
    );
}

pub async fn a_crashed_owner_is_taken_over_and_cannot_write_any_more(bench: Bench) {
    let bench = bench.with_journey().await;
    let zombie = bench.store.join(SHOP, WELCOME, owner(1), SHORT).await.unwrap();
    let epoch = zombie.shards[1].epoch;
    let claimed = outbox(
        1,
        person(1),
        OutboxState::Claimed {
            epoch,
            at: bench.now().await,
        },
    );
    bench
        .write(
            &zombie,
            person(1),
            RoundCommit {
                outbox: vec![claimed],
                ..Default::default()
            },
        )
        .await;
    let event = bench.arrival(1, person(1)).await;
    bench.accept(&[event]).await;

    assert_eq!(bench.join(owner(2)).await.shards.len(), 0);
    bench.pass(SHORT + Duration::from_millis(50)).await;
    assert_eq!(
        bench.round(&zombie, |_| panic!("its lease is over")).await,
        RoundResult::Fenced
    );
    let heir = bench.join(owner(2)).await;
    assert_eq!(heir.shards.len(), 64);
    assert!(heir.shards.iter().all(|lease| lease.epoch == epoch + 1));
    assert_eq!(
        bench.round(&zombie, |_| panic!("it is not the holder")).await,
        RoundResult::Fenced
    );

    let round = bench.look(&heir, &request()).await.unwrap();
    assert_eq!(round.customers[0].inbox.len(), 1, "the zombie consumed nothing");
    assert_eq!(round.customers[0].outbox.len(), 1, "what it had claimed is seen");

    bench.join(owner(1)).await;
    bench.join(owner(2)).await;
    let back = bench.join(owner(1)).await;
    assert_eq!(back.shards.len(), 32);
    assert!(back.shards.iter().all(|lease| lease.epoch == epoch + 2));
    assert_eq!(
        bench.round(&heir, |_| panic!("a part of it is gone")).await,
        RoundResult::Fenced
    );
}

pub async fn after_an_outage_everyone_finds_his_own_shards_again(bench: Bench) {
    let bench = bench.with_journey().await;
    let join = async |number| bench.store.join(SHOP, WELCOME, owner(number), SHORT).await.unwrap();
    for number in [1, 2, 1] {
        join(number).await;
    }
    let (second, first) = (join(2).await, join(1).await);
    assert_eq!((first.shards.len(), second.shards.len()), (32, 32));
    bench.pass(SHORT + Duration::from_millis(50)).await;
    let back = join(1).await;
    assert_eq!(
        back.shards, first.shards,
        "he was away himself: perhaps so was the other"
    );
    assert!(back.late && !first.late);
    assert_eq!(join(2).await.shards, second.shards);

    bench.pass(SHORT + Duration::from_millis(50)).await;
    assert_eq!(join(1).await.shards, first.shards);
    assert_eq!(join(1).await.shards.len(), 64, "the other did not come");
}

pub async fn an_epoch_grows_with_every_taking_over(bench: Bench) {
    let bench = bench.with_journey().await;
    let first = bench.join(owner(1)).await;
    let again = bench.join(owner(1)).await;
    assert_eq!(first, again, "a heartbeat takes nothing over");
    bench.store.leave(SHOP, WELCOME, owner(1)).await.unwrap();
    assert_eq!(
        bench.round(&again, |_| panic!("it has left")).await,
        RoundResult::Fenced
    );
    let back = bench.join(owner(1)).await;
    assert!(back.shards.iter().all(|lease| lease.epoch == 2));

    // Shards with messages on their way are given back last.
    let busy = outbox(
        1,
        person(0),
        OutboxState::Claimed {
            epoch: 2,
            at: bench.now().await,
        },
    );
    bench
        .write(
            &back,
            person(0),
            RoundCommit {
                outbox: vec![busy],
                ..Default::default()
            },
        )
        .await;
    bench.join(owner(2)).await;
    let kept = bench.join(owner(1)).await;
    assert!(kept.shards.len() == 32 && kept.shards.iter().any(|lease| lease.shard == 0));
    let in_flight = RoundRequest {
        in_flight: BTreeSet::from([message_key(1)]),
        ..request()
    };
    assert!(bench.look(&kept, &in_flight).await.is_none(), "and not taken for lost");
}

pub async fn nobody_holds_shards_of_a_journey_that_is_not_there(bench: Bench) {
    let hold = bench.join(owner(1)).await;
    assert!(hold.shards.is_empty());
    assert_eq!(
        bench.round(&hold, |_| panic!("there is nothing")).await,
        RoundResult::Fenced
    );
    bench.store.leave(SHOP, WELCOME, owner(1)).await.unwrap();
}

pub async fn a_lease_that_a_clock_gave_which_was_set_back_does_not_outlast_others(bench: Bench) {
    let bench = bench.with_journey().await;
    let hour_ahead = Duration::from_secs(3_600) + SHORT;
    let dead = bench.store.join(SHOP, WELCOME, owner(1), hour_ahead).await.unwrap();
    assert_eq!(dead.shards.len(), 64);
    let join = async |number| bench.store.join(SHOP, WELCOME, owner(number), SHORT).await.unwrap();
    assert_eq!(join(2).await.shards.len(), 0, "its owner may be there");
    bench.pass(SHORT + Duration::from_millis(50)).await;
    assert_eq!(
        join(2).await.shards.len(),
        64,
        "neither the leases nor the registration last an hour"
    );
}
