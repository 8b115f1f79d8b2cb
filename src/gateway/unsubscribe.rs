//! /u/TOKEN: a customer withdraws consent. GET shows a page and changes nothing, because mail programs and scanners follow links; POST
//! withdraws: the page's button, and the one-click POST that RFC 8058 lets a mail provider send on its reader's behalf.

use super::{Gateway, page, refusal::Refusal, view::View};
use crate::{
    clock,
    engine::state::Properties,
    keys::Keys,
    link::{self, Leave},
    policy::Consent,
    store::{Arrival, Customer, Receipt, StoreError},
    words::Words,
};
use axum::{
    body::{Body, to_bytes},
    extract::{Path, Query, State},
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;
use std::sync::Arc;

/// Bytes of the form.
const FORM_LIMIT: usize = 16 * 1024;

#[derive(Debug, Default, Deserialize)]
pub struct In {
    lang: Option<String>,
}

/// GET: asks. The link itself says what it withdraws, so that this works whatever has become of the message, the journey or the store.
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(within): Query<In>,
    headers: HeaderMap,
) -> Response {
    let locale = page::locale(within.lang.as_deref(), &headers);
    let words = Words::of(locale.as_deref());
    match link::read_unsubscribe(&gateway.keys, &gateway.namespace, &token) {
        Some(leave) => page::ask(&leave.purpose, &gentler(&gateway, &leave, words), words),
        None => page::unknown_link(),
    }
}

/// The preference centre beside this page, wherever the gateway is reached.
fn gentler(gateway: &Gateway, leave: &Leave, words: &Words) -> String {
    let page = link::preferences(&gateway.keys, "..", &gateway.namespace, leave.customer);
    link::in_language(&page, Some(words.tag))
}

/// POST: withdraws. The body is `List-Unsubscribe=One-Click` (RFC 8058, 3.2), as a form or as multipart.
pub async fn withdraw(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(within): Query<In>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(leave) = link::read_unsubscribe(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let locale = page::locale(within.lang.as_deref(), &headers);
    let words = Words::of(locale.as_deref());
    let gentler = gentler(&gateway, &leave, words);
    let meant = to_bytes(body, FORM_LIMIT).await.is_ok_and(|body| says_one_click(&body));
    if !meant {
        return page::ask(&leave.purpose, &gentler, words);
    }
    match withdraw_for(&gateway, &leave).await {
        Ok(receipt) => {
            tell(&gateway, receipt);
            page::withdrawn(&leave.purpose, &gentler, words)
        }
        Err(error) => {
            tracing::error!("a withdrawal of consent was not kept: {error}");
            gateway.metrics.refused("link", Refusal::Unavailable.name());
            page::try_later(words)
        }
    }
}

fn tell(gateway: &Gateway, receipt: Receipt) {
    match receipt {
        Receipt::Accepted => gateway.metrics.received("link", "accepted", "", 1),
        Receipt::Duplicate => gateway.metrics.received("link", "duplicate", "", 1),
        // Everything of this customer was deleted, or it was a test: there is no consent, and unknown is a no.
        Receipt::UnknownCustomer => {}
    }
}

fn says_one_click(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body).to_ascii_lowercase();
    body.contains("list-unsubscribe") && body.contains("one-click")
}

/// Withdraws.
async fn withdraw_for(gateway: &Gateway, leave: &Leave) -> Result<Receipt, StoreError> {
    let arrival = withdrawal(&gateway.view(), &gateway.keys, leave, gateway.clock.now());
    let learn = |arrival: &Arrival, customer: &mut Customer| {
        learn_withdrawal(&leave.purpose, arrival, customer);
        vec![]
    };
    let receipts = gateway.store.accept(&gateway.namespace, &[arrival], &learn).await?;
    Ok(receipts.first().copied().unwrap_or(Receipt::UnknownCustomer))
}

/// The event of a withdrawal by link.
pub fn withdrawal(view: &View, keys: &Keys, leave: &Leave, now: clock::Micros) -> Arrival {
    let name = "consent/withdrawn";
    // To the second: a withdrawal after a new consent is a new event, and a POST that is sent again is not.
    let id = format!("{}/{}", leave.message, now.div_euclid(clock::SECOND));
    let purpose = ("purpose".to_owned(), serde_json::Value::from(leave.purpose.as_str()));
    let key = keys.event(&view.intake.namespace, "unsubscribe", &id);
    Arrival {
        data: Properties::from_iter([purpose]).into(),
        listeners: view.listening(name),
        ..Arrival::of_known(key, id, name.to_owned(), leave.customer, now)
    }
}

/// What the customer says now is the latest word, also when a clock elsewhere is ahead.
pub fn learn_withdrawal(purpose: &str, arrival: &Arrival, customer: &mut Customer) {
    let known = customer.consents.get(purpose).map_or(i64::MIN, |consent| consent.at);
    customer.hear_consent(purpose, Consent::said(false, arrival.time.max(known)));
}
