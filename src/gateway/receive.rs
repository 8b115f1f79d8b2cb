//! The endpoints that take events: who calls, how much, and what became of it. The answer is given after the commit.

use super::{
    Gateway, body, cloudevents,
    incoming::Offered,
    offer::{Offer, offer},
    receipt,
    refusal::Refusal,
    segment::{self, Call},
    signals, write_key,
};
use crate::store::{Arrival, News, Quarantined, Receipt, StoreError};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What became of a request's events.
#[derive(Debug, Default, Serialize)]
pub struct Taken {
    pub accepted: u64,
    pub duplicate: u64,
    pub quarantined: u64,
    /// In the order of the request.
    pub results: Vec<EventResult>,
}

#[derive(Debug, Serialize)]
pub struct EventResult {
    pub result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// POST /v1/events: CloudEvents; 202 once they are committed or put aside.
pub async fn cloud_events(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, body: Body) -> Response {
    let taken = async {
        let key = write_key::presented(&headers).ok_or(Refusal::NoKey)?;
        let adapter = gateway.write_keys().adapter(&gateway.keys, &key)?.to_owned();
        let read = async {
            let bytes = body::read(&headers, body, &gateway.limits).await?;
            let mut brought = cloudevents::read(&headers, &bytes)?;
            signals::of_browser(&gateway.view(), &adapter, &headers, &mut brought.events);
            take(&gateway, &adapter, brought.events).await
        };
        read.await.map_err(|refusal| Refused::from((adapter, refusal)))
    };
    match taken.await {
        Ok(taken) => (StatusCode::ACCEPTED, Json(taken)).into_response(),
        Err(refused) => refuse(&gateway, refused),
    }
}

/// POST /v1/track and its like: one Segment call; 200 once it is committed or put aside.
pub async fn segment_call(
    State(gateway): State<Arc<Gateway>>,
    Path(call): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let Some(call) = Call::named(&call) else {
        return refuse(&gateway, Refused::from(Refusal::NoSuchCall));
    };
    let read = |members: &Map<String, Value>| {
        let incoming = segment::read(call, members, gateway.clock.now()).map_err(Refusal::Malformed)?;
        Ok(vec![Ok(incoming)])
    };
    segment(&gateway, &headers, body, read).await
}

/// POST /v1/batch: many Segment calls at once.
pub async fn segment_batch(State(gateway): State<Arc<Gateway>>, headers: HeaderMap, body: Body) -> Response {
    segment(&gateway, &headers, body, |members| {
        segment::read_batch(members, gateway.clock.now())
    })
    .await
}

async fn segment(
    gateway: &Gateway,
    headers: &HeaderMap,
    body: Body,
    read: impl FnOnce(&Map<String, Value>) -> Result<Vec<Offered>, Refusal>,
) -> Response {
    let taken = async {
        let write_keys = gateway.write_keys();
        // Whose key is in a header is known before the body is read.
        let known = write_key::presented(headers)
            .map(|key| write_keys.adapter(&gateway.keys, &key))
            .transpose()?;
        let bytes = body::read(headers, body, &gateway.limits)
            .await
            .map_err(|refusal| Refused::from((known.unwrap_or_default(), refusal)))?;
        let Value::Object(members) =
            cloudevents::json(&bytes).map_err(|refusal| Refused::from((known.unwrap_or_default(), refusal)))?
        else {
            return Err(Refused::from(Refusal::Malformed(
                "a Segment call is a JSON object".into(),
            )));
        };
        let adapter = match (known, members.get("writeKey").and_then(Value::as_str)) {
            (Some(adapter), _) => adapter,
            (None, Some(key)) => write_keys.adapter(&gateway.keys, key)?,
            (None, None) => return Err(Refusal::NoKey.into()),
        };
        let read = async {
            let mut events = read(&members)?;
            signals::of_browser(&gateway.view(), adapter, headers, &mut events);
            take(gateway, adapter, events).await
        };
        read.await.map_err(|refusal| Refused::from((adapter, refusal)))
    };
    match taken.await {
        Ok(_) => Json(json!({"success": true})).into_response(),
        Err(refused) => refuse(gateway, refused),
    }
}

/// A refusal, and whose request it was as far as it is known.
struct Refused {
    adapter: String,
    refusal: Refusal,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            adapter: String::new(),
            refusal,
        }
    }
}

impl<T: Into<String>> From<(T, Refusal)> for Refused {
    fn from((adapter, refusal): (T, Refusal)) -> Self {
        Self {
            adapter: adapter.into(),
            refusal,
        }
    }
}

fn refuse(gateway: &Gateway, refused: Refused) -> Response {
    let Refused { adapter, refusal } = refused;
    gateway.metrics.refused(&adapter, refusal.name());
    refusal.into_response()
}

/// Judges what an adapter brought, commits it, and tells what became of each event.
pub async fn take(gateway: &Gateway, adapter: &str, events: Vec<Offered>) -> Result<Taken, Refusal> {
    if events.len() > gateway.limits.batch {
        return Err(Refusal::TooLarge {
            limit: gateway.limits.batch,
            what: "events",
        });
    }
    let _inside = gateway.gate.take(adapter, events.len())?;
    let view = gateway.view();
    let now = gateway.clock.now();
    let (mut arrivals, mut aside): (Vec<Arrival>, Vec<Quarantined>) = (vec![], vec![]);
    let mut news: Vec<News> = vec![];
    let mut outlook = Vec::with_capacity(events.len());
    let messages = receipt::messages(&*gateway.store, &gateway.namespace, &events)
        .await
        .map_err(|error| match error {
            StoreError::Unavailable(_) => Refusal::Unavailable,
            StoreError::Unreadable(error) => {
                tracing::error!("a message that a receipt names cannot be read: {error}");
                Refusal::Broken
            }
        })?;
    for event in events {
        match offer(&view, &gateway.keys, adapter, event, &messages, now) {
            Offer::Arrival(arrival) => {
                outlook.push(Outlook::Arrival);
                arrivals.push(*arrival);
            }
            Offer::News(one) => {
                outlook.push(Outlook::News);
                news.push(*one);
            }
            Offer::Aside(reason, row) => {
                outlook.push(Outlook::Aside(reason, row.detail.clone()));
                aside.push(*row);
            }
        }
    }
    let of_arrivals = arrivals.iter().flat_map(|arrival| &arrival.listeners);
    gateway
        .full
        .check(of_arrivals.chain(news.iter().flat_map(|news| &news.listeners)))?;
    let receipts = if arrivals.is_empty() && aside.is_empty() {
        vec![]
    } else {
        gateway.queue.commit(arrivals, aside).await?
    };
    let told = if news.is_empty() {
        vec![]
    } else {
        announce(gateway, &news).await?
    };
    Ok(tell(gateway, adapter, outlook, receipts, told))
}

/// News is rare, and so has a transaction of its own: after that of the request's other events, so that a request that is sent again finds
/// all that was committed to be duplicates.
async fn announce(gateway: &Gateway, news: &[News]) -> Result<Vec<Receipt>, Refusal> {
    let announced = gateway.store.announce(&gateway.namespace, news).await;
    announced.map_err(|error| match error {
        StoreError::Unavailable(error) => {
            tracing::warn!("news was not committed: {error}");
            Refusal::Unavailable
        }
        StoreError::Unreadable(error) => {
            tracing::error!("news cannot be kept: {error}");
            Refusal::Broken
        }
    })
}

/// What is to become of an event: its result is the next receipt of its kind, or known already.
enum Outlook {
    Arrival,
    News,
    Aside(super::offer::Reason, String),
}

fn tell(gateway: &Gateway, adapter: &str, outlook: Vec<Outlook>, receipts: Vec<Receipt>, told: Vec<Receipt>) -> Taken {
    let mut taken = Taken::default();
    let (mut receipts, mut told) = (receipts.into_iter(), told.into_iter());
    let became = |receipt: Option<Receipt>| match receipt {
        Some(Receipt::Duplicate) => "duplicate",
        // An arrival that names its customer makes one; the store has no other word for it.
        Some(Receipt::Accepted | Receipt::UnknownCustomer) | None => "accepted",
    };
    for expected in outlook {
        let (result, reason, detail) = match expected {
            Outlook::Aside(reason, detail) => ("quarantined", reason.name(), Some(detail)),
            Outlook::Arrival => (became(receipts.next()), "", None),
            Outlook::News => (became(told.next()), "", None),
        };
        match result {
            "quarantined" => taken.quarantined += 1,
            "duplicate" => taken.duplicate += 1,
            _ => taken.accepted += 1,
        }
        gateway.metrics.received(adapter, result, reason, 1);
        taken.results.push(EventResult {
            result,
            reason: (!reason.is_empty()).then_some(reason),
            detail,
        });
    }
    taken
}
