//! Two customers become one: what becomes of all that hangs on them.

use super::{bench::*, messages::contact};
use journey::{
    clock::{HOUR, SECOND},
    engine::{Outcome, state::MERGED},
    keys::CustomerKey,
    kpi::{IntakeCount, NotJoined},
    personal::Personal,
    store::{
        Arrival, Fate, Handed, Identifier, Imported, OutboxState, Receipt, RoundCommit, RoundRequest, RoundResult,
    },
};
use serde_json::json;
use std::{collections::BTreeMap, time::Duration};

const ANN: u8 = 1;
const VISITOR: u8 = 2;
const BOB: u8 = 3;

fn name(number: u8, anonymous: bool) -> Identifier {
    Identifier {
        key: person(number),
        id: Personal::new(format!("customer {}", person(number))),
        anonymous,
    }
}

async fn by(bench: &Bench, number: u64, customer: u8) -> Arrival {
    Arrival {
        anonymous: customer == VISITOR,
        ..bench.arrival(number, person(customer)).await
    }
}

/// Ann's event that says she was the visitor.
async fn says_who_she_is(bench: &Bench, number: u64) -> Arrival {
    Arrival {
        known_as: vec![name(VISITOR, true)],
        ..by(bench, number, ANN).await
    }
}

async fn counted(bench: &Bench, count: IntakeCount) -> i64 {
    bench.store.intake_counts(SHOP).await.unwrap().total(&count.name())
}

/// Who is there to be looked at, with the names and numbers of their inbox.
async fn inboxes(bench: &Bench) -> BTreeMap<CustomerKey, Vec<String>> {
    let hold = bench.join(owner(1)).await;
    let round = bench.look(&hold, &request()).await;
    let of = |event: &journey::engine::Event| match event.name.as_str() {
        MERGED => "joined".to_owned(),
        _ => event.data.expose()["number"].to_string(),
    };
    let turns = round.into_iter().flat_map(|round| round.customers);
    turns
        .map(|turn| {
            (
                turn.customer.key,
                turn.inbox.iter().map(|(_, event)| of(event)).collect(),
            )
        })
        .collect()
}

pub async fn events_of_either_name_reach_the_one_customer_in_order(bench: Bench) {
    let bench = bench.with_journey().await;
    bench
        .accept(&[by(&bench, 1, VISITOR).await, by(&bench, 2, ANN).await])
        .await;
    bench
        .accept(&[
            by(&bench, 3, VISITOR).await,
            says_who_she_is(&bench, 4).await,
            by(&bench, 5, VISITOR).await,
        ])
        .await;
    let mut click = by(&bench, 6, VISITOR).await;
    click.customer_id = None;
    assert_eq!(bench.accept(&[click]).await, [Receipt::Accepted], "an old link is hers");
    let numbers = ["1", "2", "3", "4", "5", "6"].map(str::to_owned).to_vec();
    assert_eq!(inboxes(&bench).await, BTreeMap::from([(person(ANN), numbers)]));
    assert_eq!(counted(&bench, IntakeCount::Joined).await, 1);
    bench.accept(&[says_who_she_is(&bench, 7).await]).await;
    assert_eq!(counted(&bench, IntakeCount::Joined).await, 1, "it is known already");
}

pub async fn who_nobody_knew_is_a_name_from_the_first_event_on(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.accept(&[says_who_she_is(&bench, 1).await]).await;
    bench.accept(&[by(&bench, 2, VISITOR).await]).await;
    let both = vec!["1".to_owned(), "2".to_owned()];
    assert_eq!(inboxes(&bench).await, BTreeMap::from([(person(ANN), both)]));
}

pub async fn names_of_a_chain_lead_to_the_last(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.accept(&[says_who_she_is(&bench, 1).await]).await;
    let moved = Arrival {
        known_as: vec![name(ANN, false)],
        ..by(&bench, 2, BOB).await
    };
    bench.accept(&[moved, by(&bench, 3, ANN).await]).await;
    bench.accept(&[by(&bench, 4, VISITOR).await]).await;
    let all = ["1", "2", "3", "4"].map(str::to_owned).to_vec();
    assert_eq!(inboxes(&bench).await, BTreeMap::from([(person(BOB), all)]));
}

pub async fn a_shared_device_joins_nobody_to_anybody(bench: Bench) {
    let bench = bench.with_journey().await;
    bench.accept(&[says_who_she_is(&bench, 1).await]).await;
    let other = Arrival {
        known_as: vec![name(VISITOR, true)],
        ..by(&bench, 2, BOB).await
    };
    assert_eq!(bench.accept(&[other]).await, [Receipt::Accepted]);
    let expected = [(person(ANN), vec!["1".to_owned()]), (person(BOB), vec!["2".to_owned()])];
    assert_eq!(inboxes(&bench).await, BTreeMap::from(expected));
    assert_eq!(
        counted(&bench, IntakeCount::NotJoined(NotJoined::TwoCustomers)).await,
        1
    );
}

pub async fn profiles_and_consents_become_one(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let of = |number: u8, attributes, consents: &[(&str, bool, i64)]| Imported {
        key: person(number),
        anonymous: number == VISITOR,
        id: Personal::new(format!("customer {number}")),
        attributes: properties(attributes),
        consents: consents
            .iter()
            .map(|(purpose, granted, at)| ((*purpose).to_owned(), consent(*granted, *at)))
            .collect(),
        evidence: [("news".to_owned(), Personal::new("a form".to_owned()))].into(),
    };
    let known = of(
        ANN,
        json!({"city": "Vienna"}),
        &[("offers", false, 1), ("both", true, 1)],
    );
    let visitor = of(
        VISITOR,
        json!({"city": "Linz", "size": 3}),
        &[("offers", true, 9), ("both", true, 9), ("news", true, 5)],
    );
    bench.store.import(SHOP, &[known, visitor], "file", 2).await.unwrap();
    bench.accept(&[says_who_she_is(&bench, 1).await]).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let ann = &round.customers[0].customer;
    assert_eq!((round.customers.len(), ann.key), (1, person(ANN)));
    assert_eq!(ann.attributes, properties(json!({"city": "Vienna", "size": 3})));
    let consents = [
        ("both".to_owned(), consent(true, 9)),
        ("news".to_owned(), consent(true, 5)),
        ("offers".to_owned(), consent(false, 9).over(None).unwrap()),
    ];
    assert_eq!(ann.consents, BTreeMap::from(consents), "of two the no wins");
    // An import by the old name is about her.
    let again = of(VISITOR, json!({"size": 4}), &[]);
    bench.store.import(SHOP, &[again], "other", 1).await.unwrap();
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(round.customers[0].customer.attributes.expose()["size"], 4);
}

pub async fn all_that_hangs_on_the_one_who_goes_moves(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let due = bench.now().await + SECOND;
    let held = OutboxState::Held {
        due: due + HOUR,
        why: "QuietHours".into(),
    };
    let of_visitor = RoundCommit {
        enrollments: vec![enrollment(person(VISITOR), 20, "r1", waiting(Some(due)))],
        outbox: vec![outbox(1, person(VISITOR), held.clone())],
        contacts: vec![(person(VISITOR), message_key(1), contact(9))],
        ..RoundCommit::default()
    };
    let of_ann = RoundCommit {
        enrollments: vec![enrollment(person(ANN), 10, "r1", waiting(None))],
        contacts: vec![(person(ANN), message_key(2), contact(8))],
        ..RoundCommit::default()
    };
    bench.accept(&[by(&bench, 90, VISITOR).await]).await;
    bench.write(&hold, person(ANN), of_ann).await;
    bench.write(&hold, person(VISITOR), of_visitor).await;
    bench.accept(&[says_who_she_is(&bench, 4).await]).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let turn = &round.customers[0];
    assert_eq!((round.customers.len(), turn.customer.key), (1, person(ANN)));
    let ordinals: Vec<i64> = turn.enrollments.iter().map(|each| each.ordinal).collect();
    assert_eq!(ordinals, [10, 20]);
    assert_eq!(
        turn.contacts,
        [(message_key(2), contact(8)), (message_key(1), contact(9))],
        "caps count both"
    );
    assert_eq!(turn.outbox, [outbox(1, person(ANN), held)]);
    assert_eq!(turn.inbox[0].1.name, MERGED, "before the event that says so");
    assert_eq!(turn.inbox.len(), 2);
    // The wait of the one who went is due for her.
    bench.round(&hold, consume).await;
    bench.pass(Duration::from_millis(1_100)).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(round.customers[0].customer.key, person(ANN));
    let backlog = bench.store.backlog(SHOP, WELCOME).await.unwrap();
    assert_eq!((backlog.active, backlog.outbox, backlog.overdue), (2, 1, 1));
}

pub async fn two_who_came_in_by_the_same_news_keep_both_enrollments(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let held = OutboxState::Held {
        due: i64::MAX,
        why: "QuietHours".into(),
    };
    for (n, who) in [(1, ANN), (2, VISITOR)] {
        bench.accept(&[by(&bench, 90 + u64::from(n), who).await]).await;
        let commit = RoundCommit {
            enrollments: vec![enrollment(person(who), 7, "r1", waiting(None))],
            outbox: vec![journey::store::OutboxRow {
                enrollment: 7,
                ..outbox(n, person(who), held.clone())
            }],
            ..RoundCommit::default()
        };
        bench.write(&hold, person(who), commit).await;
    }
    bench.accept(&[says_who_she_is(&bench, 4).await]).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let turn = &round.customers[0];
    let ordinals: Vec<i64> = turn.enrollments.iter().map(|each| each.ordinal).collect();
    assert_eq!((turn.customer.key, ordinals.len()), (person(ANN), 2));
    assert!(ordinals.contains(&7) && ordinals[0] != ordinals[1], "{ordinals:?}");
    let mut of: Vec<i64> = turn.outbox.iter().map(|row| row.enrollment).collect();
    of.sort_unstable();
    assert_eq!(of, ordinals, "each message is still its own enrollment's");
}

pub async fn a_journey_that_one_of_both_had_left_is_told(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let leave = |arrival: &Arrival, customer: &mut journey::store::Customer| {
        let no = consent(false, arrival.time);
        customer.hear_consent(&journey::store::choice_of(WELCOME), no);
        vec![]
    };
    // Ann is in the journey, and the visitor has left it and is in no more.
    bench.accept(&[by(&bench, 89, ANN).await]).await;
    let in_it = RoundCommit {
        enrollments: vec![enrollment(person(ANN), 10, "r1", waiting(None))],
        ..RoundCommit::default()
    };
    bench.write(&hold, person(ANN), in_it).await;
    let left = by(&bench, 90, VISITOR).await;
    bench.store.accept(SHOP, &[left], &leave).await.unwrap();
    while bench.round(&hold, consume).await != RoundResult::Idle {}
    bench.accept(&[says_who_she_is(&bench, 4).await]).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let turn = &round.customers[0];
    assert_eq!((round.customers.len(), turn.customer.key), (1, person(ANN)));
    assert!(turn.customer.has_left(WELCOME), "of two the no wins");
    assert_eq!(turn.inbox[0].1.name, MERGED);
    assert_eq!(turn.inbox.len(), 2);
}

pub async fn a_message_on_its_way_is_still_heard_of_under_the_new_name(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let claimed = |epoch| OutboxState::Claimed { epoch, at: 1 };
    let claims = RoundCommit {
        outbox: vec![outbox(1, person(VISITOR), claimed(hold.shards[0].epoch))],
        ..RoundCommit::default()
    };
    bench.accept(&[by(&bench, 90, VISITOR).await]).await;
    bench.write(&hold, person(VISITOR), claims).await;
    bench.accept(&[says_who_she_is(&bench, 4).await]).await;
    bench.round(&hold, consume).await;
    let sent = RoundRequest {
        outcomes: vec![Handed {
            key: message_key(1),
            customer: person(VISITOR),
            fate: Fate::Known(Outcome::Sent),
        }],
        ..request()
    };
    let round = bench.look(&hold, &sent).await.unwrap();
    let turn = &round.customers[0];
    assert_eq!(turn.customer.key, person(ANN));
    assert_eq!(
        turn.outbox,
        [outbox(1, person(ANN), claimed(-1))],
        "no lease's: an orphan where nobody knows of it"
    );
    assert_eq!(turn.outcomes.len(), 1);
    assert_eq!(turn.outcomes[0].customer, person(ANN));
}

pub async fn joins_and_events_of_both_at_once_lose_nothing(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..4_u64 {
        let store = bench.elsewhere();
        tasks.spawn(async move {
            for n in 0..20_u64 {
                let number = 100 * (lane + 1) + n;
                let who = if lane % 2 == 0 { VISITOR } else { ANN };
                let known_as = if lane == 1 && n == 7 {
                    vec![name(VISITOR, true)]
                } else {
                    vec![]
                };
                let arrival = Arrival {
                    anonymous: who == VISITOR,
                    known_as,
                    ..arrival(number, person(who), now)
                };
                let receipts = store.accept(SHOP, &[arrival], &|_, _| vec![]).await.unwrap();
                assert_eq!(receipts, [Receipt::Accepted]);
            }
        });
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut idle = false;
    while !(tasks.is_empty() && idle) {
        while let Some(done) = tasks.try_join_next() {
            done.unwrap();
        }
        let result = bench.round(&hold, |round| {
            for (_, event) in round.customers.iter().flat_map(|turn| &turn.inbox) {
                if event.name != MERGED {
                    assert!(
                        seen.insert(event.data.expose()["number"].as_u64().unwrap()),
                        "each once"
                    );
                }
            }
            consume(round)
        });
        idle = result.await == RoundResult::Idle;
    }
    assert_eq!(seen.len(), 80);
    assert_eq!(bench.store.backlog(SHOP, WELCOME).await.unwrap().inbox, 0);
    let mut last = by(&bench, 999, VISITOR).await;
    last.customer_id = None;
    bench.accept(&[last]).await;
    assert_eq!(inboxes(&bench).await.keys().copied().collect::<Vec<_>>(), [person(ANN)]);
}
