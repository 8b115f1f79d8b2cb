//! Offers what was put aside once more, by the same way as new events: for `journey quarantine replay`, after a touchpoint was mended.

use super::{
    incoming::{Broken, Incoming},
    learn::Learning,
    offer::{Offer, offer},
    receipt,
    view::View,
};
use crate::{
    clock,
    keys::Keys,
    store::{PutBack, Quarantined, Receipt, Store, StoreError},
};
use serde_json::Value;

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    Accepted,
    Duplicate,
    /// It is in the quarantine again, with a new id.
    Quarantined {
        reason: String,
        detail: String,
    },
    /// Somebody else took it out.
    Gone,
    /// A round had put it aside, and the journey has it again.
    PutBack,
    /// The journey from which a round put it aside is not there.
    NoJourney,
    /// It is an enrollment that has ended.
    Ended,
}

/// Takes a row out of the quarantine and offers it. If the store fails in between, the row is put back.
pub async fn replay(
    store: &dyn Store,
    keys: &Keys,
    namespace: &str,
    view: &View,
    id: i64,
) -> Result<Replayed, StoreError> {
    match store.put_back(namespace, id).await? {
        PutBack::Done => return Ok(Replayed::PutBack),
        PutBack::Gone => return Ok(Replayed::Gone),
        PutBack::NoJourney => return Ok(Replayed::NoJourney),
        PutBack::Ended => return Ok(Replayed::Ended),
        PutBack::NotOfARound => {}
    }
    let Some(row) = store.release(namespace, id).await? else {
        return Ok(Replayed::Gone);
    };
    let result = offer_again(store, keys, namespace, view, &row).await;
    if result.is_err() {
        store.quarantine(namespace, std::slice::from_ref(&row)).await?;
    }
    result
}

async fn offer_again(
    store: &dyn Store,
    keys: &Keys,
    namespace: &str,
    view: &View,
    row: &Quarantined,
) -> Result<Replayed, StoreError> {
    let read = match row.event.expose() {
        Value::Object(event) => Incoming::read(event),
        _ => Err("an event is a JSON object".to_owned()),
    };
    let offered = read.map_err(|detail| Broken {
        detail,
        event: row.event.clone(),
    });
    let messages = receipt::messages(store, namespace, std::slice::from_ref(&offered)).await?;
    match offer(view, keys, &row.source, offered, &messages, clock::now()) {
        Offer::Arrival(arrival) => {
            let learning = Learning::new(view, keys, clock::now());
            let receipts = store
                .accept(namespace, &[*arrival], &|arrival, customer| {
                    learning.learn(arrival, customer)
                })
                .await?;
            Ok(replayed(receipts.first()))
        }
        Offer::News(news) => {
            let receipts = store.announce(namespace, std::slice::from_ref(&news)).await?;
            Ok(replayed(receipts.first()))
        }
        Offer::Aside(_, aside) => {
            store.quarantine(namespace, std::slice::from_ref(&aside)).await?;
            Ok(Replayed::Quarantined {
                reason: aside.reason,
                detail: aside.detail,
            })
        }
    }
}

fn replayed(receipt: Option<&Receipt>) -> Replayed {
    match receipt {
        Some(Receipt::Duplicate) => Replayed::Duplicate,
        Some(Receipt::Accepted | Receipt::UnknownCustomer) | None => Replayed::Accepted,
    }
}
