//! What stays: in slots, and with adapters that are told of its end.

use super::{bench::*, messages::message};
use journey::{
    clock::HOUR,
    engine::state::Outcome,
    keys::CustomerKey,
    personal::Personal,
    policy::Consent,
    store::{Arrival, Customer, Identifier, InSlot, Placed, RoundCommit},
};

fn places(rows: Vec<Placed>) -> RoundCommit {
    let messages = rows
        .iter()
        .map(|row| message(row.key.0[0], row.customer, Some(Outcome::Sent)));
    RoundCommit {
        messages: messages.collect(),
        placed: rows,
        ..RoundCommit::default()
    }
}

async fn in_slot(bench: &Bench, customer: CustomerKey) -> Vec<Placed> {
    let found: Option<InSlot> = bench.store.slot(SHOP, customer, SLOT).await.unwrap();
    let mut rows: Vec<Placed> = found.unwrap().placed.into_iter().map(|(_, row)| row).collect();
    rows.sort_by_key(|row| row.key);
    rows
}

pub async fn a_slot_holds_what_was_placed_until_it_is_taken_out(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    assert_eq!(bench.store.slot(SHOP, person(1), SLOT).await.unwrap(), None, "nobody");
    let due = bench.now().await + HOUR;
    let elsewhere = Placed {
        slot: Some("till".into()),
        ..placed(3, person(1), due)
    };
    let kept = Placed {
        slot: None,
        ..placed(4, person(1), due)
    };
    let both = vec![placed(1, person(1), due), placed(2, person(1), due), elsewhere, kept];
    bench.write(&hold, person(1), places(both)).await;
    bench.write(&hold, person(2), RoundCommit::default()).await;
    assert_eq!(
        in_slot(&bench, person(1)).await,
        [placed(1, person(1), due), placed(2, person(1), due)]
    );
    assert!(in_slot(&bench, person(2)).await.is_empty());
    let found = bench.store.slot(SHOP, person(1), "till").await.unwrap().unwrap();
    assert_eq!(found.placed[0].0, WELCOME);
    // All of the customer's come with them, in slots or not.
    let event = bench.arrival(77, person(1)).await;
    bench.accept(&[event]).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(round.customers[0].placed.len(), 4);
    let out = RoundCommit {
        placed_gone: vec![(person(1), message_key(1))],
        ..RoundCommit::default()
    };
    bench.write(&hold, person(1), out).await;
    assert_eq!(in_slot(&bench, person(1)).await, [placed(2, person(1), due)]);
}

pub async fn what_was_dismissed_stays_and_is_not_given_again(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let due = bench.now().await + HOUR;
    bench
        .write(&hold, person(1), places(vec![placed(1, person(1), due)]))
        .await;
    bench.store.dismiss(SHOP, message_key(1)).await.unwrap();
    assert!(in_slot(&bench, person(1)).await.is_empty());
    // A look that puts the next one off does not bring it back.
    bench
        .write(&hold, person(1), places(vec![placed(1, person(1), due + 1)]))
        .await;
    assert!(in_slot(&bench, person(1)).await.is_empty());
    let event = bench.arrival(77, person(1)).await;
    bench.accept(&[event]).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(round.customers[0].placed, [placed(1, person(1), due + 1)]);
    // Of a message that nobody knows there is nothing to dismiss.
    bench.store.dismiss(SHOP, message_key(200)).await.unwrap();
}

pub async fn what_stays_is_looked_at_when_it_is_due_and_when_consent_changes(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let now = bench.now().await;
    bench
        .write(&hold, person(1), places(vec![placed(1, person(1), now - 1)]))
        .await;
    bench
        .write(&hold, person(2), places(vec![placed(2, person(2), now + HOUR)]))
        .await;
    let seen = |round: Option<journey::store::Round>| -> Vec<CustomerKey> {
        let turns = round.map(|round| round.customers).unwrap_or_default();
        turns.iter().map(|turn| turn.customer.key).collect()
    };
    assert_eq!(seen(bench.look(&hold, &request()).await), [person(1)]);
    bench
        .write(&hold, person(1), places(vec![placed(1, person(1), now + HOUR)]))
        .await;
    assert_eq!(seen(bench.look(&hold, &request()).await), []);
    // Nobody listens for the event that withdraws it.
    let says_no = Arrival {
        listeners: vec![],
        ..bench.arrival(50, person(2)).await
    };
    let no = Consent::said(false, now);
    let learn = |_: &Arrival, customer: &mut Customer| {
        customer.hear_consent("news", no);
        vec![]
    };
    bench.store.accept(SHOP, &[says_no], &learn).await.unwrap();
    let found = bench.store.slot(SHOP, person(2), SLOT).await.unwrap().unwrap();
    assert_eq!(
        found.consents.get("news").copied(),
        no.over(None),
        "the slot knows with the commit"
    );
    assert_eq!(seen(bench.look(&hold, &request()).await), [person(2)]);
}

pub async fn what_stays_moves_to_the_one_who_stays(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let due = bench.now().await + HOUR;
    let anonymous = Arrival {
        anonymous: true,
        ..bench.arrival(1, person(2)).await
    };
    bench.accept(&[anonymous]).await;
    let enrolled = RoundCommit {
        enrollments: vec![enrollment(person(2), 1, "r1", waiting(None))],
        ..places(vec![placed(1, person(2), due), placed(2, person(2), due)])
    };
    bench.write(&hold, person(2), enrolled).await;
    bench.store.dismiss(SHOP, message_key(2)).await.unwrap();
    let known_as = Identifier {
        key: person(2),
        id: Personal::new("visitor".to_owned()),
        anonymous: true,
    };
    let says = Arrival {
        known_as: vec![known_as],
        ..bench.arrival(9, person(1)).await
    };
    bench.accept(&[says]).await;
    // By either name.
    for name in [person(1), person(2)] {
        let rows = in_slot(&bench, name).await;
        assert_eq!(
            (rows.len(), rows[0].key, rows[0].customer),
            (1, message_key(1), person(1))
        );
    }
    let round = bench.look(&hold, &request()).await.unwrap();
    let turn = &round.customers[0];
    assert_eq!((turn.customer.key, turn.placed.len()), (person(1), 2));
    bench.store.dismiss(SHOP, message_key(1)).await.unwrap();
    assert!(
        in_slot(&bench, person(1)).await.is_empty(),
        "the message knows the name of before"
    );
}

pub async fn a_removed_journey_leaves_nothing_in_a_slot(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let due = bench.now().await + HOUR;
    bench
        .write(&hold, person(1), places(vec![placed(1, person(1), due)]))
        .await;
    bench.store.stop_journey(SHOP, WELCOME).await.unwrap();
    bench.store.remove_journey(SHOP, WELCOME).await.unwrap();
    assert!(in_slot(&bench, person(1)).await.is_empty());
}
