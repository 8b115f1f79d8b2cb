//! Who waits at the door of a journey with a pace, and when their turn comes.

use super::bench::*;
use journey::{
    clock::{HOUR, SECOND},
    engine::{
        program::Pace,
        state::{Event, Standing},
    },
    store::{Admissions, EnrollmentRow, Hold, Round, RoundCommit, RoundRequest, RoundResult},
};
use std::time::Duration;

fn at_pace(at_most: u32, per: i64) -> RoundRequest {
    RoundRequest {
        admissions: Some(Admissions::Paced(Pace { at_most, per })),
        ..request()
    }
}

fn at_door(customer: journey::keys::CustomerKey, ordinal: i64, event: &Event) -> EnrollmentRow {
    let event = Box::new(event.clone());
    enrollment(customer, ordinal, "r1", Standing::Paced { event })
}

/// What a runner would do: events put customers at the door, and whoever's turn has come is let in.
fn door_keeper(round: Round, seen: &mut Vec<u8>) -> RoundCommit {
    let mut commit = RoundCommit {
        consumed: sequences(&round),
        ..RoundCommit::default()
    };
    for turn in &round.customers {
        let key = turn.customer.key;
        let come = turn.inbox.iter().map(|(ordinal, event)| at_door(key, *ordinal, event));
        commit.enrollments.extend(come);
        for ordinal in &turn.admit {
            let waits = turn
                .enrollments
                .iter()
                .any(|each| each.ordinal == *ordinal && each.is_paced());
            assert!(waits, "whose turn has come waits");
            commit.enrollments.push(enrollment(key, *ordinal, "r1", waiting(None)));
            commit.admitted += 1;
            seen.push(key.0[0]);
        }
    }
    commit
}

/// Rounds until nothing is left to do now; gives who came in, in order of key within a round.
async fn rounds(bench: &Bench, hold: &Hold, request: &RoundRequest) -> Vec<u8> {
    let mut seen = Vec::new();
    for _ in 0..50 {
        let result = bench
            .round_with(hold, request, |round| door_keeper(round, &mut seen))
            .await;
        if result != (RoundResult::Committed { full: true }) {
            return seen;
        }
    }
    panic!("the door never comes to rest");
}

async fn come(bench: &Bench, people: impl IntoIterator<Item = u8>) {
    for number in people {
        let event = bench.arrival(u64::from(number), person(number)).await;
        bench.accept(&[event]).await;
    }
}

pub async fn at_the_door_everyone_waits_for_a_place_in_the_order_of_acceptance(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let pace = at_pace(2, 2 * SECOND);
    come(&bench, [50, 40, 30, 20, 10]).await;
    let mut first = rounds(&bench, &hold, &pace).await;
    first.sort_unstable();
    assert_eq!(first, [40, 50], "those who came first");
    let backlog = bench.store.backlog(SHOP, WELCOME).await.unwrap();
    assert_eq!((backlog.paced, backlog.active, backlog.inbox), (3, 2, 0));
    assert!(rounds(&bench, &hold, &pace).await.is_empty(), "there is no place");
    bench.pass(Duration::from_millis(2_200)).await;
    let mut second = rounds(&bench, &hold, &pace).await;
    second.sort_unstable();
    assert_eq!(second, [20, 30]);
    bench.pass(Duration::from_millis(2_200)).await;
    assert_eq!(rounds(&bench, &hold, &pace).await, [10]);
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().paced, 0);
}

pub async fn runners_share_the_places_of_a_journey(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.join(owner(1)).await;
    bench.join(owner(2)).await;
    let (one, two) = (bench.join(owner(1)).await, bench.join(owner(2)).await);
    let pace = at_pace(20, HOUR);
    let of = |hold: &Hold| hold.shards.iter().map(|lease| lease.shard).collect::<Vec<_>>();
    let (mine, theirs) = (of(&one), of(&two));
    come(&bench, mine.iter().zip(&theirs).flat_map(|(one, two)| [*one, *two])).await;
    let nobody = request();
    tokio::join!(rounds(&bench, &one, &nobody), rounds(&bench, &two, &nobody));
    let (mut seen, mut others) = (Vec::new(), Vec::new());
    for _ in 0..5 {
        let (one, two) = tokio::join!(rounds(&bench, &one, &pace), rounds(&bench, &two, &pace));
        seen.extend(one);
        others.extend(two);
    }
    seen.sort_unstable();
    others.sort_unstable();
    assert_eq!(
        (seen.as_slice(), others.as_slice()),
        (&mine[..10], &theirs[..10]),
        "twenty, those who came first"
    );
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().paced, 44);
    // Who takes over finds no place either.
    bench.store.leave(SHOP, WELCOME, owner(2)).await.unwrap();
    let all = bench.join(owner(1)).await;
    assert_eq!(all.shards.len(), 64);
    assert!(rounds(&bench, &all, &pace).await.is_empty());
}

pub async fn places_are_for_those_who_wait_longest_in_any_shard(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.join(owner(1)).await;
    bench.join(owner(2)).await;
    let (one, two) = (bench.join(owner(1)).await, bench.join(owner(2)).await);
    let of = |hold: &Hold| hold.shards.iter().map(|lease| lease.shard).collect::<Vec<_>>();
    let (mine, theirs) = (of(&one), of(&two));
    come(&bench, [theirs[0], theirs[1], mine[0]]).await;
    let nobody = request();
    rounds(&bench, &one, &nobody).await;
    rounds(&bench, &two, &nobody).await;
    assert!(
        rounds(&bench, &one, &at_pace(2, HOUR)).await.is_empty(),
        "both places are others'"
    );
    assert_eq!(rounds(&bench, &two, &at_pace(2, HOUR)).await.len(), 2);
    assert_eq!(
        rounds(&bench, &one, &at_pace(3, HOUR)).await,
        [mine[0]],
        "the pace was raised"
    );
}

pub async fn nobody_comes_in_where_the_runner_lets_nobody_in(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    come(&bench, [1, 2]).await;
    assert!(rounds(&bench, &hold, &request()).await.is_empty());
    let mut row = revision(WELCOME, "r1");
    row.suspended = true;
    bench.store.put_journey(SHOP, &row).await.unwrap();
    assert!(
        rounds(&bench, &hold, &at_pace(9, HOUR)).await.is_empty(),
        "it is suspended"
    );
    row.suspended = false;
    bench.store.put_journey(SHOP, &row).await.unwrap();
    let unpaced = RoundRequest {
        admissions: Some(Admissions::Unpaced),
        ..request()
    };
    assert_eq!(
        rounds(&bench, &hold, &unpaced).await.len(),
        2,
        "the pace was taken away"
    );
}

pub async fn who_is_turned_away_is_gone_and_takes_no_place(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    come(&bench, [1, 2]).await;
    rounds(&bench, &hold, &request()).await;
    let pace = at_pace(1, HOUR);
    let turned_away = bench.round_with(&hold, &pace, |round| {
        let turn = &round.customers[0];
        assert_eq!((round.customers.len(), turn.customer.key), (1, person(1)));
        RoundCommit {
            enrollments_gone: turn.admit.iter().map(|ordinal| (person(1), *ordinal)).collect(),
            ..RoundCommit::default()
        }
    });
    assert_eq!(turned_away.await, RoundResult::Committed { full: true });
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().paced, 1);
    assert_eq!(rounds(&bench, &hold, &pace).await, [2]);
}
