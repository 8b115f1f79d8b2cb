//! What site and app ask of the slots: what is in one for a customer (POST /v1/slots/SLOT), and what became of it there (POST
//! /v1/placed/TOKEN/shown, dismissed, clicked). Asked by POST, so that nobody's identifier stands in an address, which proxies log.
//!
//! Who may ask: a key that is not public, for any customer; a public key, which everyone knows, only for an anonymous id, which its browser
//! alone knows, or with a pass that a server has asked for with its own key (POST /v1/passes). Whether a message may still be shown is asked of
//! policy and consent at every reading, in one instant of the store.

use super::{Gateway, body, click, cloudevents, refusal::Refusal, view::View, write_key};
use crate::{
    clock::{HOUR, MINUTE, Micros, SECOND},
    engine::state::{Outcome, Properties},
    expression::{Type, Val},
    keys::{ANONYMOUS, CustomerKey},
    link,
    policy::may_stay,
    store::{InSlot, Placed, StoreError, choice_of},
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};
use std::{cmp::Reverse, sync::Arc};

/// How long a pass holds.
const PASS: Micros = HOUR;
/// Bytes of an identifier and of the name of its kind.
const ID_LIMIT: usize = 512;
/// Bytes of an address that was clicked.
const URL_LIMIT: usize = 2_048;
/// What site and app may tell of a message.
pub const TELLS: [&str; 3] = ["shown", "dismissed", "clicked"];

/// POST /v1/slots/SLOT with `{"customer": {"anonymousId": ID}}` or `{"pass": PASS}`: the message to show, or null.
pub async fn ask(
    State(gateway): State<Arc<Gateway>>,
    Path(slot): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut adapter = String::new();
    let found = async {
        let asked = open(&gateway, &headers, body, &mut adapter).await?;
        let customer = whose(&gateway, &adapter, &asked)?;
        let found = gateway.store.slot(&gateway.namespace, customer, &slot).await;
        let found = found.map_err(refusal)?;
        Ok(found.and_then(|found| highest(&gateway.view(), found, gateway.clock.now())))
    };
    let told = |placed: Placed| told(&gateway, &placed);
    let found = found.await;
    answer(
        &gateway,
        &adapter,
        found.map(|placed| json!({"message": placed.map(told)})),
    )
}

/// POST /v1/passes with `{"customer": {"userId": ID}}`, by a key that is not public: a pass for the browser of that customer.
pub async fn pass(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, body: Body) -> Response {
    let mut adapter = String::new();
    let made = async {
        let asked = open(&gateway, &headers, body, &mut adapter).await?;
        if is_public(&gateway, &adapter) {
            return Err(Refusal::PublicKey);
        }
        let customer = whose(&gateway, &adapter, &asked)?;
        let until = gateway.clock.now().saturating_add(PASS);
        let pass = link::pass(&gateway.keys, &gateway.namespace, customer, until);
        Ok(json!({"pass": pass, "seconds": PASS / SECOND}))
    };
    let made = made.await;
    answer(&gateway, &adapter, made)
}

/// POST /v1/placed/TOKEN/shown, dismissed or clicked: an event about the message, once (a click on one address once a minute).
pub async fn tell(
    State(gateway): State<Arc<Gateway>>,
    Path((token, became)): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let mut adapter = String::new();
    let heard = async {
        let said = open(&gateway, &headers, body, &mut adapter).await?;
        hear(&gateway, &adapter, &token, &became, &said).await?;
        Ok(json!({"success": true}))
    };
    let heard = heard.await;
    answer(&gateway, &adapter, heard)
}

async fn hear(
    gateway: &Gateway,
    adapter: &str,
    token: &str,
    became: &str,
    said: &Map<String, Value>,
) -> Result<(), Refusal> {
    let message = link::read_placed(&gateway.keys, &gateway.namespace, token)
        .ok_or_else(|| Refusal::Malformed("the token is none that a slot of this namespace gave".into()))?;
    if !TELLS.contains(&became) {
        return Err(Refusal::Malformed("it was shown, dismissed or clicked".into()));
    }
    let Some(row) = gateway
        .store
        .message(&gateway.namespace, message)
        .await
        .map_err(refusal)?
    else {
        // The journey is gone, and its messages with it: there is nobody to tell.
        return Ok(());
    };
    if row.outcome != Some(Outcome::Sent) {
        return Ok(());
    }
    let now = gateway.clock.now();
    let url = said
        .get("url")
        .and_then(Value::as_str)
        .filter(|url| url.len() <= URL_LIMIT);
    let mut data = Properties::new();
    let id = if became == "clicked" {
        let url = url.unwrap_or_default();
        data.insert("url".into(), url.into());
        format!("{}/{url}", now.div_euclid(MINUTE))
    } else {
        "once".into()
    };
    if became == "dismissed" {
        // First of all: a card that was dismissed is not shown again, whatever becomes of telling its journey.
        let done = gateway.store.dismiss(&gateway.namespace, message).await;
        done.map_err(refusal)?;
    }
    let arrival = click::of_message(&gateway.view(), &gateway.keys, &row, became, &id, data, now);
    let taken = gateway
        .store
        .accept(&gateway.namespace, &[arrival], &|_, _| vec![])
        .await;
    for receipt in taken.map_err(refusal)? {
        match receipt {
            crate::store::Receipt::Accepted => gateway.metrics.received(adapter, "accepted", "", 1),
            crate::store::Receipt::Duplicate => gateway.metrics.received(adapter, "duplicate", "", 1),
            crate::store::Receipt::UnknownCustomer => {}
        }
    }
    Ok(())
}

/// Who asks, and what: a JSON object.
async fn open(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
    adapter: &mut String,
) -> Result<Map<String, Value>, Refusal> {
    let key = write_key::presented(headers).ok_or(Refusal::NoKey)?;
    *adapter = gateway.write_keys().adapter(&gateway.keys, &key)?.to_owned();
    let bytes = body::read(headers, body, &gateway.limits).await?;
    let _inside = gateway.gate.take(adapter, 1)?;
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    match cloudevents::json(&bytes)? {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(Refusal::Malformed("the body is a JSON object".into()))
        }
    }
}

/// A source that is not known any more counts as public.
fn is_public(gateway: &Gateway, adapter: &str) -> bool {
    let view = gateway.view();
    view.intake.sources.get(adapter).is_none_or(|source| source.public)
}

fn whose(gateway: &Gateway, adapter: &str, asked: &Map<String, Value>) -> Result<CustomerKey, Refusal> {
    let what = "name one customer: {\"customer\": {\"anonymousId\": \"...\"}} or {\"pass\": \"...\"}";
    match (asked.get("customer"), asked.get("pass")) {
        (None, Some(Value::String(pass))) => {
            link::read_pass(&gateway.keys, &gateway.namespace, pass, gateway.clock.now())
                .ok_or_else(|| Refusal::Malformed("the pass is over, or none: ask for a new one".into()))
        }
        (Some(Value::Object(customer)), None) => {
            let mut identifiers = customer.iter();
            let (Some((kind, Value::String(id))), None) = (identifiers.next(), identifiers.next()) else {
                return Err(Refusal::Malformed(what.into()));
            };
            if id.trim().is_empty() || id.len() > ID_LIMIT || kind.len() > ID_LIMIT {
                return Err(Refusal::Malformed(format!("an identifier has 1 to {ID_LIMIT} bytes")));
            }
            if kind != ANONYMOUS && is_public(gateway, adapter) {
                return Err(Refusal::PublicKey);
            }
            Ok(gateway.keys.customer(&gateway.namespace, kind, id))
        }
        _ => Err(Refusal::Malformed(what.into())),
    }
}

/// Of what may be shown now the highest priority, of equals the older. What may not is not shown, whatever still holds it: its time is over,
/// consent has ended, the customer has left its journey, or the journey is suspended, stopped or has no policy.
pub fn highest(view: &View, found: InSlot, now: Micros) -> Option<Placed> {
    let InSlot { consents, placed } = found;
    let may_show = |(journey, placed): &(String, Placed)| {
        let shows = view.shows.get(journey);
        let allowed =
            shows.is_some_and(|policy| may_stay(policy, &consents, &placed.purpose, &placed.channel, now).is_ok());
        let has_left = consents
            .get(&choice_of(journey))
            .is_some_and(|choice| !choice.is_granted());
        allowed && !has_left && !placed.pending && placed.until.is_none_or(|until| until > now)
    };
    let shown = placed.into_iter().filter(may_show).map(|(_, placed)| placed);
    shown.min_by_key(|placed| (Reverse(placed.priority), placed.at, placed.key))
}

fn told(gateway: &Gateway, placed: &Placed) -> Value {
    let content: Map<String, Value> = placed
        .content
        .iter()
        .map(|(field, text)| (field.clone(), text.expose().as_str().into()))
        .collect();
    let instant = |until| Val::Instant(until).to_json(&Type::Instant).ok();
    let until = placed.until.and_then(instant);
    json!({
        "token": link::placed(&gateway.keys, &gateway.namespace, placed.key),
        "touchpoint": placed.touchpoint,
        "content": content,
        "until": until,
    })
}

fn refusal(error: StoreError) -> Refusal {
    match error {
        StoreError::Unavailable(_) => Refusal::Unavailable,
        StoreError::Unreadable(error) => {
            tracing::error!("what a slot holds cannot be read: {error}");
            Refusal::Broken
        }
    }
}

fn answer(gateway: &Gateway, adapter: &str, what: Result<Value, Refusal>) -> Response {
    match what {
        Ok(body) => ([(CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(body)).into_response(),
        Err(refusal) => {
            gateway.metrics.refused(adapter, refusal.name());
            refusal.into_response()
        }
    }
}
