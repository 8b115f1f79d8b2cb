//! /k/TOKEN: a customer confirms a consent (double opt-in). GET shows a page and changes nothing, because mail programs and scanners follow
//! links; POST confirms what is still pending, for the address that the message went to.

use super::{Gateway, change::Changes, page, refusal::Refusal, view::View};
use crate::{
    clock::Micros,
    keys::Keys,
    link::{self, Confirm},
    markup::escape,
    policy::Consent,
    store::{Arrival, Customer, Receipt, StoreError},
    words::Words,
};
use axum::{
    body::{Body, to_bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of the form.
const FORM_LIMIT: usize = 16 * 1024;
/// What the page's button says.
const MEANT: &[u8] = b"confirm=yes";

#[derive(Debug, Default, Deserialize)]
pub struct In {
    lang: Option<String>,
}

/// GET: asks. The link itself says what it confirms, so that this works whatever has become of the journey or the store.
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(within): Query<In>,
    headers: HeaderMap,
) -> Response {
    let locale = page::locale(within.lang.as_deref(), &headers);
    let words = Words::of(locale.as_deref());
    match link::read_confirm(&gateway.keys, &gateway.namespace, &token) {
        Some(confirm) => question(&gateway.view(), &confirm, words),
        None => page::unknown_link(),
    }
}

/// POST: confirms.
pub async fn act(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(within): Query<In>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(confirm) = link::read_confirm(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let locale = page::locale(within.lang.as_deref(), &headers);
    let words = Words::of(locale.as_deref());
    let view = gateway.view();
    let meant = to_bytes(body, FORM_LIMIT).await.is_ok_and(|said| said == MEANT);
    if !meant {
        return question(&view, &confirm, words);
    }
    match confirm_for(&gateway, &view, &confirm).await {
        Ok((receipt, done)) => {
            if receipt == Receipt::Accepted {
                gateway.metrics.received("link", "accepted", "", 1);
            }
            told(done, words)
        }
        Err(error) => {
            tracing::error!("a confirmation of consent was not kept: {error}");
            gateway.metrics.refused("link", Refusal::Unavailable.name());
            page::try_later(words)
        }
    }
}

/// What a link did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Confirmed,
    /// It had been confirmed for this address before, and is.
    Before,
    /// It was withdrawn or asked for anew since, or everything of the customer was deleted.
    Nothing,
}

async fn confirm_for(gateway: &Gateway, view: &View, confirm: &Confirm) -> Result<(Receipt, Done), StoreError> {
    let arrival = confirmation(&gateway.keys, &gateway.namespace, confirm, gateway.clock.now());
    let done = Mutex::new(Done::Nothing);
    let learn = |arrival: &Arrival, customer: &mut Customer| {
        let (what, followers) = learn_confirmation(view, &gateway.keys, confirm, arrival, customer);
        *done.lock().unwrap_or_else(PoisonError::into_inner) = what;
        followers
    };
    let receipts = gateway.store.accept(&gateway.namespace, &[arrival], &learn).await?;
    let receipt = receipts.first().copied().unwrap_or(Receipt::UnknownCustomer);
    Ok((receipt, done.into_inner().unwrap_or_else(PoisonError::into_inner)))
}

/// The event of a link that was followed; each time is one, for what it did is another question.
pub fn confirmation(keys: &Keys, namespace: &str, confirm: &Confirm, now: Micros) -> Arrival {
    let id = format!("{}/{}/{}/{now}", confirm.customer, confirm.touchpoint, confirm.made);
    let key = keys.event(namespace, "confirm", &id);
    Arrival::of_known(key, id, "consent/confirmed".to_owned(), confirm.customer, now)
}

/// Grants what is pending and confirmed by this touchpoint's link, and tells the journeys that listen for consent/granted.
pub fn learn_confirmation(
    view: &View,
    keys: &Keys,
    confirm: &Confirm,
    arrival: &Arrival,
    customer: &mut Customer,
) -> (Done, Vec<Arrival>) {
    let (mut done, mut changes) = (Done::Nothing, Changes::default());
    let confirms = view.intake.confirms.iter();
    for (purpose, _) in confirms.filter(|(_, by)| by.contains(&confirm.touchpoint)) {
        // By the purpose as a whole, or by channel: whatever of it is pending.
        let of = |subject: &String| subject == purpose || subject.starts_with(&format!("{purpose}@"));
        for subject in customer
            .consents
            .keys()
            .filter(|subject| of(subject))
            .cloned()
            .collect::<Vec<_>>()
        {
            let known = customer.consents.get(&subject).copied();
            match Consent::confirmed(known.as_ref(), confirm.made, confirm.address, arrival.time) {
                Some(granted) => {
                    changes.watch(customer, &subject);
                    customer.hear_consent(&subject, granted);
                    done = Done::Confirmed;
                }
                None if known.is_some_and(|known| known.is_confirmed_for(confirm.address)) && done == Done::Nothing => {
                    done = Done::Before;
                }
                None => {}
            }
        }
    }
    let made = changes.made(customer);
    let followers = made.iter().filter_map(|change| change.event(view, keys, arrival));
    (done, followers.collect())
}

/// The purposes that the link confirms, by name.
fn purposes(view: &View, confirm: &Confirm) -> Vec<String> {
    let all = view.intake.confirms.iter();
    let those = all.filter(|(_, by)| by.contains(&confirm.touchpoint));
    those.map(|(purpose, _)| purpose.clone()).collect()
}

fn question(view: &View, confirm: &Confirm, words: &Words) -> Response {
    let purposes: Vec<String> = purposes(view, confirm)
        .iter()
        .map(|purpose| format!("<strong>{}</strong>", escape(purpose)))
        .collect();
    let [before, after] = words.confirm_ask;
    let body = format!(
        "<h1>{heading}</h1><p>{before}{what}{after}</p><form method=\"post\"><input type=\"hidden\" name=\"confirm\" value=\"yes\">\
<button type=\"submit\">{button}</button></form><p>{note}</p>",
        heading = words.confirm_title,
        what = purposes.join(", "),
        button = words.confirm,
        note = words.nothing_changes_yet,
    );
    page::show(StatusCode::OK, words.tag, words.confirm_title, &body)
}

fn told(done: Done, words: &Words) -> Response {
    let (status, heading, text) = match done {
        Done::Confirmed => (StatusCode::OK, words.confirmed_title, words.confirmed),
        Done::Before => (StatusCode::OK, words.confirmed_title, words.confirmed_before),
        Done::Nothing => (StatusCode::GONE, words.confirm_over_title, words.confirm_over),
    };
    let body = format!("<h1>{heading}</h1><p role=\"status\">{text}</p>");
    page::show(status, words.tag, heading, &body)
}
