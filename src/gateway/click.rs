//! GET /l/TOKEN: counts a click on a link in a message and leads on to where the message wanted. The link works also when the store is down.

use super::{Gateway, page, receipt, view::View};
use crate::{
    clock,
    engine::state::Properties,
    keys::{Keys, MessageKey},
    link,
    store::{Arrival, MessageRow, Receipt, StoreError},
};
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use url::Url;

/// Clicks that are being recorded at a time, those that wait for the store among them.
const RECORDING: usize = 1_000;
/// How long a customer waits for the click to be recorded before being led on; the recording goes on.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often recording is tried while the store is away, with a pause that doubles up to half a minute: about five minutes.
const TRIES: u32 = 15;

#[derive(Debug, Deserialize)]
pub struct Target {
    #[serde(default)]
    to: String,
}

/// Bounds what is being recorded; at shutdown the last ones are waited for.
#[derive(Debug)]
pub struct Recorder(Arc<Semaphore>);

impl Default for Recorder {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(RECORDING)))
    }
}

impl Recorder {
    /// Waits a moment for the clicks that are being recorded.
    pub async fn drain(&self) {
        let all = self.0.acquire_many(u32::try_from(RECORDING).unwrap_or(u32::MAX));
        if tokio::time::timeout(Duration::from_secs(5), all).await.is_err() {
            tracing::warn!("clicks that the store could not take are lost");
        }
    }
}

/// Redirects to the link's target, and records the click unless a program followed the link ahead of its reader.
pub async fn follow(
    State(gateway): State<Arc<Gateway>>,
    method: Method,
    Path(token): Path<String>,
    Query(Target { to }): Query<Target>,
    headers: HeaderMap,
) -> Response {
    let Some(message) = link::read_tracked(&gateway.keys, &gateway.namespace, &token, &to) else {
        return page::unknown_link();
    };
    // What the MAC covers is a web address; in its canonical form it is fit for a header.
    let Some(location) = Url::parse(&to)
        .ok()
        .and_then(|url| HeaderValue::from_str(url.as_str()).ok())
    else {
        return page::unknown_link();
    };
    if method != Method::HEAD && !is_prefetch(&headers) {
        record_soon(&gateway, message, to).await;
    }
    let headers = [
        (header::LOCATION, location),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            header::HeaderName::from_static("x-robots-tag"),
            HeaderValue::from_static("noindex"),
        ),
    ];
    (StatusCode::FOUND, headers).into_response()
}

/// Browsers and mail programs say so when they load a page that nobody has asked for yet.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["sec-purpose", "purpose", "x-purpose", "x-moz"]
        .iter()
        .filter_map(|name| headers.get(*name)?.to_str().ok())
        .any(|value| {
            let value = value.to_ascii_lowercase();
            ["prefetch", "prerender", "preview"]
                .iter()
                .any(|word| value.contains(word))
        })
}

async fn record_soon(gateway: &Arc<Gateway>, message: MessageKey, to: String) {
    let Ok(permit) = Arc::clone(&gateway.clicks.0).try_acquire_owned() else {
        gateway.metrics.click_lost();
        return;
    };
    let recorder = Arc::clone(gateway);
    let recording = tokio::spawn(async move {
        record(&recorder, message, &to, recorder.clock.now()).await;
        drop(permit);
    });
    // Whoever clicked is led on in any case.
    let _late = tokio::time::timeout(PATIENCE, recording).await;
}

async fn record(gateway: &Gateway, message: MessageKey, to: &str, now: clock::Micros) {
    let mut pause = Duration::from_millis(200);
    for _ in 0..TRIES {
        match try_record(gateway, message, to, now).await {
            Ok(()) => return,
            Err(StoreError::Unavailable(_)) => {
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(Duration::from_secs(30));
            }
            Err(StoreError::Unreadable(error)) => {
                tracing::error!("a click cannot be recorded: {error}");
                break;
            }
        }
    }
    gateway.metrics.click_lost();
}

async fn try_record(gateway: &Gateway, key: MessageKey, to: &str, now: clock::Micros) -> Result<(), StoreError> {
    // The journey may be gone, and its messages with it: then there is nobody to tell.
    let Some(message) = gateway.store.message(&gateway.namespace, key).await? else {
        return Ok(());
    };
    let id = format!("{}/{to}", now.div_euclid(clock::MINUTE));
    let data = [("url".to_owned(), serde_json::Value::from(to))].into_iter().collect();
    let arrival = of_message(&gateway.view(), &gateway.keys, &message, "clicked", &id, data, now);
    let receipts = gateway
        .store
        .accept(&gateway.namespace, &[arrival], &|_, _| vec![])
        .await?;
    match receipts.first().copied().unwrap_or(Receipt::UnknownCustomer) {
        Receipt::Accepted => gateway.metrics.received("link", "accepted", "", 1),
        Receipt::Duplicate => gateway.metrics.received("link", "duplicate", "", 1),
        // Everything of this customer was deleted.
        Receipt::UnknownCustomer => {}
    }
    Ok(())
}

/// What a message became: the event TOUCHPOINT/WHAT. `id` tells two of a message apart: several clicks on one link within a minute are one,
/// because impatience and scanners repeat themselves.
pub fn of_message(
    view: &View,
    keys: &Keys,
    message: &MessageRow,
    what: &str,
    id: &str,
    data: Properties,
    now: clock::Micros,
) -> Arrival {
    let name = format!("{}/{what}", message.touchpoint);
    let id = format!("{}/{id}", message.key);
    let (about, listeners) = receipt::about(view, message, &name);
    let key = keys.event(&view.intake.namespace, what, &id);
    Arrival {
        data: data.into(),
        about: Some(about),
        listeners,
        ..Arrival::of_known(key, id, name, message.customer, now)
    }
}
