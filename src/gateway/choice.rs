//! What a customer may do with a journey by their own hand: leave it, join it. /c/TOKEN is the page behind the links in messages: GET shows
//! it and changes nothing, because mail programs and scanners follow links; POST acts. POST /v1/choices is the same for apps.
//!
//! The choice is kept with the customer as a consent to `journey/NAME`: the later word holds, of two at once the no, no import can speak of
//! it, and it outlives the journey.

use super::{Gateway, body, cloudevents, page, refusal::Refusal, write_key};
use crate::{
    clock::{self, Micros},
    engine::state::{JOINED, LEFT},
    keys::{ANONYMOUS, CustomerKey},
    link::{self, Chosen},
    markup::escape,
    personal::Personal,
    policy::Consent,
    store::{Arrival, Customer, Receipt, StoreError, choice_of},
    words::Words,
};
use axum::{
    Json,
    body::{Body, to_bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Bytes of the form.
const FORM_LIMIT: usize = 16 * 1024;
/// Bytes of an identifier and of its kind.
const IDENTIFIER_LIMIT: usize = 1024;

#[derive(Debug, Default, Deserialize)]
pub struct In {
    lang: Option<String>,
}

/// GET: asks.
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(within): Query<In>,
    headers: HeaderMap,
) -> Response {
    let Some(chosen) = link::read_choice(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let locale = page::locale(within.lang.as_deref(), &headers);
    question(&gateway, &chosen, Words::of(locale.as_deref()))
}

/// POST: acts.
pub async fn act(
    State(gateway): State<Arc<Gateway>>,
    Path(token): Path<String>,
    Query(within): Query<In>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(chosen) = link::read_choice(&gateway.keys, &gateway.namespace, &token) else {
        return page::unknown_link();
    };
    let locale = page::locale(within.lang.as_deref(), &headers);
    let words = Words::of(locale.as_deref());
    let meant = format!("choice={}", word(chosen.joins));
    let said = to_bytes(body, FORM_LIMIT).await.unwrap_or_default();
    if said != meant.as_bytes() || !is_open(&gateway, &chosen) {
        return question(&gateway, &chosen, words);
    }
    // To the second: leaving again after joining is a new event, and a POST that is sent again is not.
    let at = clock::now().div_euclid(clock::SECOND);
    let id = format!("{}/{}/{at}", chosen.message, word(chosen.joins));
    let choice = Choice {
        journey: &chosen.journey,
        joins: chosen.joins,
        customer: chosen.customer,
        customer_id: None,
        anonymous: false,
        source: "choice",
        id,
    };
    match choose(&gateway, choice).await {
        Ok(receipt) => {
            told(&gateway, "link", receipt);
            done(&title(&gateway, &chosen.journey, words), chosen.joins, words)
        }
        Err(error) => {
            tracing::error!("a choice was not kept: {error}");
            gateway.metrics.refused("link", Refusal::Unavailable.name());
            page::try_later(words)
        }
    }
}

/// POST /v1/choices: `{"journey": NAME, "choice": "leave" or "join", "customer": {"userId": ID}}`, with the write key of an adapter that is
/// not public; 200 once it is committed.
pub async fn call(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, body: Body) -> Response {
    let (adapter, taken) = take(&gateway, &headers, body).await;
    match taken {
        Ok(receipt) => {
            told(&gateway, &adapter, receipt);
            Json(json!({"success": true})).into_response()
        }
        Err(refusal) => {
            gateway.metrics.refused(&adapter, refusal.name());
            refusal.into_response()
        }
    }
}

/// The adapter, as far as it is known, and what came of it.
async fn take(gateway: &Gateway, headers: &HeaderMap, body: Body) -> (String, Result<Receipt, Refusal>) {
    let adapter = write_key::presented(headers)
        .ok_or(Refusal::NoKey)
        .and_then(|key| gateway.write_keys().adapter(&gateway.keys, &key).map(str::to_owned));
    let adapter = match adapter {
        Ok(adapter) => adapter,
        Err(refusal) => return (String::new(), Err(refusal)),
    };
    let taken = take_from(gateway, &adapter, headers, body).await;
    (adapter, taken)
}

async fn take_from(gateway: &Gateway, adapter: &str, headers: &HeaderMap, body: Body) -> Result<Receipt, Refusal> {
    let view = gateway.view();
    if view.intake.sources.get(adapter).is_none_or(|source| source.public) {
        return Err(Refusal::PublicKey);
    }
    let bytes = body::read(headers, body, &gateway.limits).await?;
    let _inside = gateway.gate.take(adapter, 1)?;
    let Value::Object(members) = cloudevents::json(&bytes)? else {
        return Err(Refusal::Malformed("a choice is a JSON object".into()));
    };
    let (journey, joins, kind, identifier) = read(&members).map_err(|what| Refusal::Malformed(what.into()))?;
    let offered = view
        .intake
        .choices
        .get(journey)
        .is_some_and(|choice| if joins { choice.join } else { choice.leave });
    if !offered {
        return Err(Refusal::NotOffered);
    }
    let customer = gateway.keys.customer(&gateway.namespace, kind, identifier);
    let id = format!(
        "{customer}/{journey}/{}/{}",
        word(joins),
        clock::now().div_euclid(clock::SECOND)
    );
    let choice = Choice {
        journey,
        joins,
        customer,
        // Who says no before we know them is met by it: the no is kept.
        customer_id: Some(identifier.to_owned().into()),
        anonymous: kind == ANONYMOUS,
        source: adapter,
        id,
    };
    choose(gateway, choice).await.map_err(|error| match error {
        StoreError::Unavailable(_) => Refusal::Unavailable,
        StoreError::Unreadable(error) => {
            tracing::error!("a choice cannot be kept: {error}");
            Refusal::Broken
        }
    })
}

/// The journey, whether it is to be joined, and the customer by the kind of the identifier and its value.
fn read(members: &Map<String, Value>) -> Result<(&str, bool, &str, &str), &'static str> {
    let journey = members.get("journey").and_then(Value::as_str);
    let joins = match members.get("choice").and_then(Value::as_str) {
        Some("join") => true,
        Some("leave") => false,
        Some(_) | None => return Err("choice is \"join\" or \"leave\""),
    };
    let identifier = members.get("customer").and_then(Value::as_object).and_then(|customer| {
        let mut identifiers = customer.iter();
        match (identifiers.next(), identifiers.next()) {
            (Some((kind, value)), None) => Some((kind.as_str(), value.as_str()?)),
            (Some(_), Some(_)) | (None, _) => None,
        }
    });
    let fits = |text: &str| !text.trim().is_empty() && text.len() <= IDENTIFIER_LIMIT;
    match (journey, identifier) {
        (None, _) => Err("journey is the name of a Journey"),
        (Some(journey), Some((kind, value))) if fits(kind) && fits(value) => Ok((journey, joins, kind, value)),
        (Some(_), Some(_) | None) => Err("customer has one identifier, such as {\"userId\": \"u1\"}"),
    }
}

/// What somebody chose.
struct Choice<'a> {
    journey: &'a str,
    joins: bool,
    customer: CustomerKey,
    customer_id: Option<Personal<String>>,
    /// Whether that is an anonymous id.
    anonymous: bool,
    source: &'a str,
    /// The same for a request that is sent again.
    id: String,
}

/// The event that tells a journey of a customer's choice.
pub fn chosen_by(journey: &str, joins: bool, customer: CustomerKey, key: [u8; 16], id: String, now: Micros) -> Arrival {
    let name = if joins { JOINED } else { LEFT };
    Arrival {
        listeners: vec![journey.to_owned()],
        ..Arrival::of_known(key, id, name.to_owned(), customer, now)
    }
}

/// The choice is a consent to the journey.
pub fn learn_choice(journey: &str, joins: bool, arrival: &Arrival, customer: &mut Customer) {
    let subject = choice_of(journey);
    let known = customer.consents.get(&subject).map_or(i64::MIN, |consent| consent.at);
    let said = Consent::said(joins, arrival.time.max(known.saturating_add(1)));
    customer.hear_consent(&subject, said);
}

/// What the customer says now is the latest word, also when a clock elsewhere is ahead. The event reaches that journey alone.
async fn choose(gateway: &Gateway, choice: Choice<'_>) -> Result<Receipt, StoreError> {
    let Choice {
        journey,
        joins,
        customer,
        customer_id,
        anonymous,
        source,
        id,
    } = choice;
    let key = gateway.keys.event(&gateway.namespace, source, &id);
    let arrival = Arrival {
        customer_id,
        anonymous,
        ..chosen_by(journey, joins, customer, key, id, clock::now())
    };
    let learn = |arrival: &Arrival, customer: &mut Customer| {
        learn_choice(journey, joins, arrival, customer);
        vec![]
    };
    let receipts = gateway.store.accept(&gateway.namespace, &[arrival], &learn).await?;
    Ok(receipts.first().copied().unwrap_or(Receipt::UnknownCustomer))
}

fn told(gateway: &Gateway, source: &str, receipt: Receipt) {
    match receipt {
        Receipt::Accepted => gateway.metrics.received(source, "accepted", "", 1),
        Receipt::Duplicate => gateway.metrics.received(source, "duplicate", "", 1),
        // Everything of this customer was deleted, or it was a test: there is nobody who could be in the journey.
        Receipt::UnknownCustomer => {}
    }
}

fn word(joins: bool) -> &'static str {
    if joins { "join" } else { "leave" }
}

/// Who was offered to leave may leave, whatever has become of the journey; joining needs one that is open.
fn is_open(gateway: &Gateway, chosen: &Chosen) -> bool {
    !chosen.joins
        || gateway
            .view()
            .intake
            .choices
            .get(&chosen.journey)
            .is_some_and(|choice| choice.join)
}

/// What customers call the journey.
fn title(gateway: &Gateway, journey: &str, words: &Words) -> String {
    let view = gateway.view();
    view.intake
        .choices
        .get(journey)
        .map_or_else(|| words.this_series.to_owned(), |choice| choice.title.to_string())
}

fn question(gateway: &Gateway, chosen: &Chosen, words: &Words) -> Response {
    if !is_open(gateway, chosen) {
        let body = format!("<h1>{}</h1><p>{}</p>", words.not_open_title, words.not_open);
        return page::show(StatusCode::GONE, words.tag, words.not_open_title, &body);
    }
    let (heading, [before, after], button) = if chosen.joins {
        (words.join_title, words.join_ask, words.join)
    } else {
        (words.leave_title, words.leave_ask, words.leave)
    };
    let body = format!(
        "<h1>{heading}</h1><p>{before}<strong>{title}</strong>{after}</p><form method=\"post\"><input type=\"hidden\" name=\"choice\" \
value=\"{choice}\"><button type=\"submit\">{button}</button></form><p>{note}</p>",
        title = escape(&title(gateway, &chosen.journey, words)),
        choice = word(chosen.joins),
        note = words.nothing_changes_yet
    );
    page::show(StatusCode::OK, words.tag, heading, &body)
}

fn done(title: &str, joins: bool, words: &Words) -> Response {
    let (heading, [before, after]) = if joins {
        (words.joined_title, words.joined)
    } else {
        (words.left_title, words.left)
    };
    let title = escape(title);
    let body = format!("<h1>{heading}</h1><p role=\"status\">{before}<strong>{title}</strong>{after}</p>");
    page::show(StatusCode::OK, words.tag, heading, &body)
}
