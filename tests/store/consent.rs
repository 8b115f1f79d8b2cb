//! What consents say besides yes and no, and addresses that get nothing.

use super::bench::*;
use journey::{
    keys::AddressKey,
    policy::{Confirmed, Consent, ConsentState, Suppression},
    store::{AddressesOf, Arrival, Customer, RoundRequest, Suppressed},
};
use std::{collections::BTreeMap, sync::Arc};

const ADDRESS: AddressKey = AddressKey([7; 16]);
const OTHER: AddressKey = AddressKey([8; 16]);

fn suppressed(address: AddressKey, why: Suppression, at: i64) -> Suppressed {
    Suppressed {
        address,
        why,
        source: "a test".into(),
        at,
    }
}

pub async fn a_consent_keeps_its_state_its_confirmation_and_its_end(bench: Bench) {
    let bench = bench.with_journey().await;
    let all = BTreeMap::from([
        ("denied".to_owned(), Consent::said(false, 10)),
        ("pending".to_owned(), Consent::heard(true, 10, true)),
        ("granted@Email".to_owned(), Consent::said(true, 10)),
        (
            "confirmed".to_owned(),
            Consent {
                confirmed: Confirmed::For(ADDRESS),
                ..Consent::said(true, 10)
            },
        ),
        (
            "elsewhere".to_owned(),
            Consent {
                confirmed: Confirmed::Elsewhere,
                ..Consent::said(true, 10)
            },
        ),
        (
            "pause/news".to_owned(),
            Consent {
                until: Some(99),
                ..Consent::said(false, 10)
            },
        ),
    ]);
    let say = |_: &Arrival, customer: &mut Customer| {
        for (subject, consent) in &all {
            customer.hear_consent(subject, *consent);
        }
        vec![]
    };
    let event = bench.arrival(1, person(1)).await;
    bench.store.accept(SHOP, &[event], &say).await.unwrap();
    let hold = bench.join(owner(1)).await;
    let round = bench.look(&hold, &request()).await.unwrap();
    let known = &round.customers[0].customer.consents;
    let mut expected = all.clone();
    for subject in ["denied", "pause/news"] {
        expected.get_mut(subject).unwrap().state = ConsentState::Denied;
    }
    assert_eq!(known, &expected);

    // A no forgets the confirmation.
    let withdraw = |_: &Arrival, customer: &mut Customer| {
        customer.hear_consent("confirmed", Consent::said(false, 11));
        vec![]
    };
    let event = bench.arrival(2, person(1)).await;
    bench.store.accept(SHOP, &[event], &withdraw).await.unwrap();
    let round = bench.look(&hold, &request()).await.unwrap();
    assert_eq!(
        round.customers[0].customer.consents["confirmed"],
        Consent::said(false, 11)
    );
}

pub async fn a_round_knows_what_is_suppressed_when_it_decides(bench: Bench) {
    let bench = bench.with_journey().await;
    let hold = bench.join(owner(1)).await;
    let asks = || RoundRequest {
        addresses: AddressesOf(Some(Arc::new(|_, _| vec![ADDRESS, OTHER]))),
        ..request()
    };
    let event = bench.arrival(1, person(1)).await;
    bench.store.accept(SHOP, &[event], &|_, _| vec![]).await.unwrap();
    let round = bench.look(&hold, &asks()).await.unwrap();
    assert_eq!(round.suppressed, BTreeMap::from([(ADDRESS, None), (OTHER, None)]));

    // With an event that says so, in one commit; and only if it is no duplicate.
    let event = Arrival {
        suppresses: Some(suppressed(ADDRESS, Suppression::Objected, 5)),
        ..bench.arrival(2, person(1)).await
    };
    let twice = [event.clone(), event];
    bench.store.accept(SHOP, &twice, &|_, _| vec![]).await.unwrap();
    let again = Arrival {
        suppresses: Some(suppressed(OTHER, Suppression::Objected, 5)),
        ..bench.arrival(2, person(1)).await
    };
    bench.store.accept(SHOP, &[again], &|_, _| vec![]).await.unwrap();
    let round = bench.look(&hold, &asks()).await.unwrap();
    let known = BTreeMap::from([(ADDRESS, Some(Suppression::Objected)), (OTHER, None)]);
    assert_eq!(round.suppressed, known);
    let none = bench.look(&hold, &request()).await.unwrap();
    assert!(none.suppressed.is_empty(), "nothing was asked for");
}

pub async fn the_suppression_list_is_read_in_pages_widened_and_taken_back(bench: Bench) {
    let bench = bench.with_journey().await;
    let store = &bench.store;
    let first = [
        suppressed(OTHER, Suppression::Objected, 2),
        suppressed(ADDRESS, Suppression::Undeliverable, 1),
    ];
    store.suppress(SHOP, &first).await.unwrap();
    let ordered = [first[1].clone(), first[0].clone()];
    assert_eq!(store.suppressed(SHOP, None, 10).await.unwrap(), ordered);
    assert_eq!(store.suppressed(SHOP, None, 1).await.unwrap(), ordered[..1]);
    assert_eq!(store.suppressed(SHOP, Some(ADDRESS), 10).await.unwrap(), ordered[1..]);
    assert_eq!(store.suppressed("elsewhere", None, 10).await.unwrap(), []);

    // What is there stays as it is, but that nobody can deliver to it is the wider word; within one call too.
    let more = [
        suppressed(ADDRESS, Suppression::Objected, 9),
        suppressed(OTHER, Suppression::Objected, 9),
        suppressed(OTHER, Suppression::Undeliverable, 8),
    ];
    store.suppress(SHOP, &more).await.unwrap();
    let widened = [ordered[0].clone(), more[2].clone()];
    assert_eq!(store.suppressed(SHOP, None, 10).await.unwrap(), widened);

    assert!(store.unsuppress(SHOP, ADDRESS).await.unwrap());
    assert!(!store.unsuppress(SHOP, ADDRESS).await.unwrap());
    assert_eq!(store.suppressed(SHOP, None, 10).await.unwrap(), widened[1..]);
    store.remove_namespace(SHOP).await.unwrap();
    assert_eq!(store.suppressed(SHOP, None, 10).await.unwrap(), []);
}
