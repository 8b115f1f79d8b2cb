//! /u/TOKEN: a customer withdraws consent. GET shows a page and changes nothing, because mail programs and scanners follow links; POST
//! withdraws: the page's button, and the one-click POST that RFC 8058 lets a mail provider send on its reader's behalf.

use super::{Gateway, page, refusal::Refusal};
use crate::{
    clock,
    link,
    policy::Consent,
    store::{Arrival, MessageRow, StoreError},
};
use axum::{
    body::{Body, to_bytes},
    extract::{Path, State},
    response::Response,
};
use std::sync::Arc;

/// Bytes of the form.
const FORM_LIMIT: usize = 16 * 1024;

/// GET: asks.
pub async fn ask(State(gateway): State<Arc<Gateway>>, Path(token): Path<String>) -> Response {
    let Some(key) = link::read_unsubscribe(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    match gateway.store.message(&gateway.namespace, key).await {
        Ok(Some(message)) => page::ask(Some(&message.purpose)),
        Ok(None) => page::unknown_link(),
        // The question can be asked without the store; the answer needs it.
        Err(_) => page::ask(None),
    }
}

/// POST: withdraws. The body is `List-Unsubscribe=One-Click` (RFC 8058, 3.2), as a form or as multipart.
pub async fn withdraw(State(gateway): State<Arc<Gateway>>, Path(token): Path<String>, body: Body) -> Response {
    let Some(key) = link::read_unsubscribe(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let meant = to_bytes(body, FORM_LIMIT).await.is_ok_and(|body| says_one_click(&body));
    let result = match gateway.store.message(&gateway.namespace, key).await {
        Ok(Some(message)) if meant => withdraw_for(&gateway, message).await,
        Ok(Some(message)) => return page::ask(Some(&message.purpose)),
        Ok(None) => return page::unknown_link(),
        Err(error) => Err(error),
    };
    match result {
        Ok(purpose) => {
            gateway.metrics.received("link", "accepted", "", 1);
            page::withdrawn(&purpose)
        }
        Err(error) => {
            tracing::error!("a withdrawal of consent was not kept: {error}");
            gateway.metrics.refused("link", Refusal::Unavailable.name());
            page::try_later()
        }
    }
}

fn says_one_click(body: &[u8]) -> bool {
    let body = String::from_utf8_lossy(body).to_ascii_lowercase();
    body.contains("list-unsubscribe") && body.contains("one-click")
}

/// Withdraws the consent to the message's purpose. What the customer says now is the latest word, also when a clock elsewhere is ahead.
async fn withdraw_for(gateway: &Gateway, message: MessageRow) -> Result<String, StoreError> {
    let name = "consent/withdrawn";
    let now = clock::now();
    // To the second: a withdrawal after a new consent is a new event, and a POST that is sent again is not.
    let id = format!("{}/{}", message.key, now.div_euclid(clock::SECOND));
    let arrival = Arrival {
        key: gateway.keys.event(&gateway.namespace, "unsubscribe", &id),
        id: id.into(),
        name: name.to_owned(),
        customer: message.customer,
        customer_id: None,
        time: now,
        data: [("purpose".to_owned(), serde_json::Value::from(message.purpose.as_str()))]
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into(),
        about: None,
        listeners: gateway.view().listening(name),
    };
    let purpose = message.purpose;
    let learn = |arrival: &Arrival, customer: &mut crate::store::Customer| {
        let known = customer.consents.get(&purpose).map_or(i64::MIN, |consent| consent.at);
        customer.hear_consent(&purpose, Consent { granted: false, at: arrival.time.max(known) });
    };
    gateway.store.accept(&gateway.namespace, &[arrival], &learn).await?;
    Ok(purpose)
}
