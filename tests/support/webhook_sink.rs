//! The far end of a webhook: a real HTTP server that notes what it is handed, and is as slow and as unreliable as it is told to be.
#![allow(dead_code, reason = "each test binary uses its own part")]

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// How the far end behaves, in per cent of its requests.
#[derive(Debug, Clone, Default)]
pub struct Manners {
    /// Milliseconds before each answer.
    pub answers_within: Range<u64>,
    /// Takes the message and answers 500: nobody can know whether it was taken.
    pub breaks_after: u64,
    /// Refuses for now with 503, and takes nothing.
    pub refuses: u64,
}

pub struct WebhookSink {
    pub url: String,
    taken: Arc<Taken>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Taken {
    manners: Mutex<Manners>,
    seed: u64,
    requests: AtomicUsize,
    under_way: AtomicUsize,
    /// By idempotency key: the customer, and how often it came.
    messages: Mutex<BTreeMap<String, (String, usize)>>,
    /// When each message came for the first time, and for whom.
    arrivals: Mutex<Vec<(Instant, String)>>,
    /// When each request came, be it taken or refused, and for whom.
    calls: Mutex<Vec<(Instant, String)>>,
}

impl WebhookSink {
    pub async fn open(seed: u64, manners: Manners) -> Self {
        let taken = Arc::new(Taken {
            manners: Mutex::new(manners),
            seed,
            ..Taken::default()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/messages", listener.local_addr().unwrap());
        let router = Router::new().route("/messages", post(take)).with_state(taken.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, taken, serving }
    }

    /// By idempotency key: the customer, and how often it was taken.
    pub fn messages(&self) -> BTreeMap<String, (String, usize)> {
        self.taken
            .messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// When each message came for the first time, and for whom, in the order of arrival.
    pub fn arrivals(&self) -> Vec<(Instant, String)> {
        self.taken
            .arrivals
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// When each request came, be it taken or refused, and for whom.
    pub fn calls(&self) -> Vec<(Instant, String)> {
        self.taken.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From the next request on.
    pub fn behave(&self, manners: Manners) {
        *self.taken.manners.lock().unwrap_or_else(PoisonError::into_inner) = manners;
    }

    /// Requests that are being answered.
    pub fn under_way(&self) -> usize {
        self.taken.under_way.load(Ordering::SeqCst)
    }
}

impl Drop for WebhookSink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn take(State(taken): State<Arc<Taken>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    // A caller that dies takes its request's task with it: the count is kept right all the same.
    let _here = UnderWay::new(&taken.under_way);
    let number = taken.requests.fetch_add(1, Ordering::SeqCst);
    let chance = spread(taken.seed ^ number as u64);
    let Manners {
        answers_within,
        breaks_after,
        refuses,
    } = taken.manners.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let event: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let customer = event["data"]["customer"].as_str().unwrap().to_owned();
    let called = (Instant::now(), customer.clone());
    taken.calls.lock().unwrap_or_else(PoisonError::into_inner).push(called);
    if chance % 100 < refuses {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    note(&taken, key, customer);
    let width = answers_within.end.saturating_sub(answers_within.start).max(1);
    tokio::time::sleep(Duration::from_millis(answers_within.start + (chance >> 16) % width)).await;
    if (chance >> 8) % 100 < breaks_after {
        StatusCode::INTERNAL_SERVER_ERROR
    } else {
        StatusCode::NO_CONTENT
    }
}

fn note(taken: &Taken, key: String, customer: String) {
    let mut messages = taken.messages.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, times) = messages.entry(key).or_insert_with(|| (customer.clone(), 0));
    *times += 1;
    if *times == 1 {
        let mut arrivals = taken.arrivals.lock().unwrap_or_else(PoisonError::into_inner);
        arrivals.push((Instant::now(), customer));
    }
}

struct UnderWay<'a>(&'a AtomicUsize);

impl<'a> UnderWay<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): equal seeds, equal behaviour.
pub fn spread(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
