//! Messages on their way: held, claimed, orphaned, told of; and the contacts they make.

use super::bench::*;
use journey::{
    clock::{HOUR, Micros, SECOND},
    engine::state::Outcome,
    keys::CustomerKey,
    policy::Contact,
    store::{Fate, Handed, MessageRow, OutboxRow, OutboxState, Room, RoundCommit, RoundRequest, Scope},
};
use std::collections::BTreeSet;

pub fn message(number: u8, customer: CustomerKey, outcome: Option<Outcome>) -> MessageRow {
    MessageRow {
        key: message_key(number),
        journey: WELCOME.into(),
        customer,
        enrollment: 1,
        step: "remind".into(),
        occurrence: 1,
        touchpoint: "reminder".into(),
        purpose: "news".into(),
        channel: "Email".into(),
        at: 9,
        address: None,
        outcome,
    }
}

pub fn contact(at: Micros) -> Contact {
    Contact {
        purpose: "news".into(),
        channel: "Email".into(),
        at,
    }
}

fn handed(number: u8, customer: CustomerKey, fate: Fate) -> Handed {
    Handed {
        key: message_key(number),
        customer,
        fate,
    }
}

pub async fn only_as_many_held_messages_are_looked_at_as_there_is_room_for(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    for number in 1..=5 {
        let held = OutboxState::Held {
            due: now - Micros::from(number),
            why: "Busy".into(),
        };
        let commit = RoundCommit {
            outbox: vec![outbox(number, person(number), held)],
            ..Default::default()
        };
        bench.write(&hold, person(number), commit).await;
    }
    let room = |messages| RoundRequest {
        room: of_lanes(&[("mail", messages)], Some(0)),
        ..request()
    };
    assert!(bench.look(&hold, &room(0)).await.is_none(), "the lanes are full");
    let round = bench.look(&hold, &room(2)).await.unwrap();
    let seen: BTreeSet<CustomerKey> = round.customers.iter().map(|turn| turn.customer.key).collect();
    assert_eq!(seen, BTreeSet::from([person(4), person(5)]), "who has waited longest");
    assert_eq!(bench.look(&hold, &room(9)).await.unwrap().customers.len(), 5);
}

fn of_lanes(lanes: &[(&str, u32)], others: Option<u32>) -> Room {
    let lanes = lanes.iter().map(|(adapter, most)| ((*adapter).to_owned(), *most));
    Room {
        lanes: lanes.collect(),
        others,
    }
}

pub async fn held_messages_of_one_lane_keep_none_of_another_waiting(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let held = |number, adapter: &str, waits: Micros, over_at| OutboxRow {
        adapter: adapter.into(),
        over_at,
        ..outbox(
            number,
            person(number),
            OutboxState::Held {
                due: now - waits,
                why: "Busy".into(),
            },
        )
    };
    let dead = (1..=30).map(|number| held(number, "dead", 1_000 - Micros::from(number), None));
    let others = [
        held(40, "mail", 3, None),
        held(41, "mail", 2, None),
        held(42, "shut", 9, None),
        // Since yesterday from before anybody wrote down which lane it waits for.
        held(43, "", 9, None),
        // One whose time to live is over, and one that may take an hour yet.
        held(44, "dead", 5, Some(now - 1)),
        held(45, "dead", 5, Some(now + HOUR)),
        // It is over, but asked about again later.
        held(46, "dead", -HOUR, Some(now - 1)),
    ];
    for row in dead.chain(others) {
        let commit = RoundCommit {
            outbox: vec![row.clone()],
            ..Default::default()
        };
        bench.write(&hold, row.customer, commit).await;
    }
    let seen = async |limit, lanes: &[(&str, u32)], others| {
        let request = RoundRequest {
            limit,
            room: of_lanes(lanes, others),
            ..request()
        };
        let round = bench.look(&hold, &request).await;
        let turns = round.map(|round| round.customers).unwrap_or_default();
        turns
            .iter()
            .map(|turn| turn.customer.key)
            .collect::<BTreeSet<CustomerKey>>()
    };
    let are = |numbers: &[u8]| numbers.iter().copied().map(person).collect::<BTreeSet<CustomerKey>>();
    assert_eq!(
        seen(100, &[("dead", 3), ("mail", 1)], Some(0)).await,
        are(&[1, 2, 3, 40, 44]),
        "of each lane who has waited longest; and who is over"
    );
    assert_eq!(
        seen(100, &[("dead", 0), ("mail", 9)], Some(0)).await,
        are(&[40, 41, 44]),
        "a lane without room"
    );
    assert_eq!(
        seen(100, &[("dead", 0), ("mail", 0)], Some(9)).await,
        are(&[42, 43, 44]),
        "what waits for no lane that is named"
    );
    assert_eq!(
        seen(100, &[], Some(1)).await.len(),
        2,
        "of those so many, and who is over"
    );
    let few = seen(6, &[("dead", 30), ("mail", 9)], Some(0)).await;
    assert_eq!(few.len(), 6);
    assert!(few.is_superset(&are(&[40, 41])), "lanes take turns: {few:?}");
    assert_eq!(seen(100, &[], None).await.len(), 30 + 6, "whoever is due");
}

pub async fn held_messages_come_when_they_are_due(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let held = |due| OutboxState::Held {
        due,
        why: "QuietHours".into(),
    };
    let rows = vec![
        outbox(1, person(1), held(now - 1)),
        outbox(2, person(1), held(now + HOUR)),
    ];
    bench
        .write(
            &hold,
            person(1),
            RoundCommit {
                outbox: rows,
                ..Default::default()
            },
        )
        .await;
    let later = vec![outbox(3, person(2), held(now + HOUR))];
    bench
        .write(
            &hold,
            person(2),
            RoundCommit {
                outbox: later,
                ..Default::default()
            },
        )
        .await;
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(round.customers.len(), 1);
    assert_eq!(round.customers[0].outbox.len(), 2, "all of the customer's");
    let gone = vec![(person(1), message_key(1)), (person(1), message_key(2))];
    bench
        .round(&hold, |_| RoundCommit {
            outbox_gone: gone.clone(),
            ..Default::default()
        })
        .await;
    assert!(bench.look(&hold, &request()).await.is_none());
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().outbox, 1);
}

pub async fn claims_of_a_lost_epoch_and_lost_commits_are_orphans(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let claimed = |at| OutboxState::Claimed { epoch: 1, at };
    for (number, at) in [(1, now), (2, now - 31 * SECOND), (3, now - 31 * SECOND)] {
        let rows = vec![outbox(number, person(number), claimed(at))];
        bench
            .write(
                &hold,
                person(number),
                RoundCommit {
                    outbox: rows,
                    ..Default::default()
                },
            )
            .await;
    }
    let orphans = |round: Option<journey::store::Round>| {
        let turns = round.map(|round| round.customers).unwrap_or_default();
        turns.iter().map(|turn| turn.customer.key).collect::<Vec<_>>()
    };
    let knows_two = RoundRequest {
        in_flight: BTreeSet::from([message_key(2)]),
        ..request()
    };
    assert_eq!(
        orphans(bench.look(&hold, &knows_two).await),
        [person(3)],
        "the answer to its commit was lost"
    );
    assert_eq!(orphans(bench.look(&hold, &request()).await), [person(2), person(3)]);
    let due = RoundRequest {
        scope: Scope::Due,
        ..request()
    };
    assert_eq!(
        orphans(bench.look(&hold, &due).await),
        [],
        "not looked for in each round"
    );
    let knows_two = RoundRequest {
        claims_within: 30 * SECOND,
        ..knows_two
    };
    assert_eq!(
        orphans(bench.look(&hold, &knows_two).await),
        [],
        "it was looked for before"
    );
    bench.store.leave(SHOP, WELCOME, owner(1)).await.unwrap();
    let hold = bench.join(owner(2)).await;
    assert_eq!(
        orphans(bench.look(&hold, &knows_two).await),
        [person(1), person(2), person(3)],
        "their owner is gone"
    );
}

pub async fn outcomes_are_told_once_and_only_to_the_holder(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let claimed = OutboxState::Claimed {
        epoch: 1,
        at: bench.now().await,
    };
    for number in [1, 40] {
        let rows = vec![outbox(number, person(number), claimed.clone())];
        bench
            .write(
                &hold,
                person(number),
                RoundCommit {
                    outbox: rows,
                    ..Default::default()
                },
            )
            .await;
    }
    let sent = |number| handed(number, person(number), Fate::Known(Outcome::Sent));
    let told = RoundRequest {
        limit: 1,
        outcomes: vec![sent(1), sent(40), sent(7)],
        ..request()
    };
    let round = bench.look(&hold, &told).await.unwrap();
    assert_eq!(
        round.customers.len(),
        2,
        "outcomes are in it whatever the limit; unknown messages are not"
    );
    assert_eq!(round.customers[0].outcomes, [sent(1)]);
    let gone = vec![(person(1), message_key(1))];
    bench
        .round_with(&hold, &told, |_| RoundCommit {
            outbox_gone: gone.clone(),
            ..Default::default()
        })
        .await;
    let again = bench.look(&hold, &told).await.unwrap();
    assert_eq!(again.customers.len(), 1, "what is booked is not told again");

    bench.join(owner(2)).await;
    let kept = bench.join(owner(1)).await;
    let lost = RoundRequest {
        outcomes: vec![sent(40)],
        ..request()
    };
    let (kept_40, seen) = (
        kept.shards.iter().any(|lease| lease.shard == 40),
        bench.look(&kept, &lost).await,
    );
    assert_eq!(seen.is_some(), kept_40, "only who holds the shard is told");
}

pub async fn contacts_count_across_journeys_until_they_are_taken_back(bench: Bench) {
    const LATE: Micros = HOUR;
    let bench = bench.with_journey().await;
    bench
        .store
        .put_journey(SHOP, &revision("win-back", "r1"))
        .await
        .unwrap();
    let hold = bench.join(owner(1)).await;
    let contacts = vec![
        (person(1), message_key(2), contact(LATE)),
        (person(1), message_key(1), contact(10)),
    ];
    bench
        .write(
            &hold,
            person(1),
            RoundCommit {
                contacts,
                ..Default::default()
            },
        )
        .await;

    let other = bench.store.join(SHOP, "win-back", owner(2), TTL).await.unwrap();
    let mut event = bench.arrival(1, person(1)).await;
    event.listeners = vec!["win-back".into(), "win-back".into(), "unknown".into()];
    bench.accept(&[event]).await;
    let seen = bench.look(&other, &request()).await.unwrap().customers.remove(0);
    assert_eq!(
        (seen.contacts, seen.inbox.len()),
        (vec![(message_key(1), contact(10)), (message_key(2), contact(LATE))], 1)
    );
    // A minute before the later one; the clock goes on meanwhile, but not by a minute.
    let now = bench.store.now().await.unwrap();
    let recent = RoundRequest {
        contacts_within: now - LATE + 60 * SECOND,
        ..request()
    };
    assert_eq!(
        bench.look(&other, &recent).await.unwrap().customers[0].contacts,
        [(message_key(2), contact(LATE))]
    );

    let commit = RoundCommit {
        contacts_gone: vec![(person(1), message_key(1)), (person(1), message_key(2))],
        contacts: vec![(person(1), message_key(2), contact(30))],
        ..Default::default()
    };
    bench.write(&hold, person(1), commit).await;
    assert_eq!(
        bench.look(&other, &request()).await.unwrap().customers[0].contacts,
        [(message_key(2), contact(30))],
        "one a message key"
    );
    bench.store.remove_journey(SHOP, WELCOME).await.unwrap();
    assert_eq!(
        bench.look(&other, &request()).await.unwrap().customers[0].contacts,
        [(message_key(2), contact(30))],
        "the customer still had it"
    );
}

pub async fn messages_are_found_by_their_key(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    for outcome in [
        None,
        Some(Outcome::Sent),
        Some(Outcome::Failed("550 no such user".into())),
        Some(Outcome::Skipped("Capped".into())),
    ] {
        let row = message(1, person(1), outcome);
        bench
            .write(
                &hold,
                person(1),
                RoundCommit {
                    messages: vec![row.clone()],
                    ..Default::default()
                },
            )
            .await;
        assert_eq!(bench.store.message(SHOP, message_key(1)).await.unwrap(), Some(row));
    }
    assert_eq!(bench.store.message(SHOP, message_key(2)).await.unwrap(), None);
    assert_eq!(bench.store.message("bank", message_key(1)).await.unwrap(), None);
}
