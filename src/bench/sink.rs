//! The webhook's far end: takes each message, says when it arrived and whether it came twice.

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// A minute in microseconds: what takes longer counts as that.
const LONGEST: u64 = 60_000_000;

pub struct Sink {
    pub url: String,
    taken: Arc<Taken>,
    serving: JoinHandle<()>,
}

/// Customers are numbered, and named by number and by the instant, in microseconds since `began`, at which their event was to be sent.
struct Taken {
    began: Instant,
    told: Mutex<Told>,
}

struct Told {
    latency: Histogram<u64>,
    arrived: u64,
    reached: u64,
    again: u64,
    /// A bit a customer.
    who: Vec<u64>,
}

#[derive(Deserialize)]
struct Message<'m> {
    #[serde(borrow)]
    data: Data<'m>,
}

#[derive(Deserialize)]
struct Data<'m> {
    customer: &'m str,
}

pub fn customer(number: u64, at: u64) -> String {
    format!("b{number}-{at}")
}

fn read_customer(name: &str) -> Option<(u64, u64)> {
    let (number, at) = name.strip_prefix('b')?.split_once('-')?;
    Some((number.parse().ok()?, at.parse().ok()?))
}

impl Sink {
    pub async fn open() -> std::io::Result<Self> {
        let latency = Histogram::new_with_bounds(1, LONGEST, 3).map_err(std::io::Error::other)?;
        let taken = Arc::new(Taken {
            began: Instant::now(),
            told: Mutex::new(Told {
                latency,
                arrived: 0,
                reached: 0,
                again: 0,
                who: Vec::new(),
            }),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/messages", listener.local_addr()?);
        let router = Router::new().route("/messages", post(take)).with_state(taken.clone());
        let serving = tokio::spawn(async move {
            // It serves until it is dropped.
            let _ended = axum::serve(listener, router).await;
        });
        Ok(Self { url, taken, serving })
    }

    /// Microseconds since it was opened.
    pub fn now(&self) -> u64 {
        self.taken.now()
    }

    /// What arrived since this was asked last.
    pub fn take(&self) -> (u64, Histogram<u64>) {
        let mut told = self.taken.told();
        let latency = told.latency.clone();
        told.latency.reset();
        (std::mem::take(&mut told.arrived), latency)
    }

    /// Customers who were reached, and messages that came once more.
    pub fn books(&self) -> (u64, u64) {
        let told = self.taken.told();
        (told.reached, told.again)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Taken {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn take(State(taken): State<Arc<Taken>>, body: Bytes) -> StatusCode {
    let now = taken.now();
    let message = serde_json::from_slice::<Message<'_>>(&body).ok();
    let Some((number, at)) = message.and_then(|message| read_customer(message.data.customer)) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut told = taken.told();
    let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
    if told.who.len() <= word {
        told.who.resize(word + 1024, 0);
    }
    if told.who[word] & bit == 0 {
        told.who[word] |= bit;
        told.reached += 1;
        told.arrived += 1;
        told.latency.saturating_record(now.saturating_sub(at).max(1));
    } else {
        told.again += 1;
    }
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_customer_s_name_says_who_and_when() {
        assert_eq!(read_customer(&customer(70, 1_234)), Some((70, 1_234)));
        assert_eq!(read_customer("ada"), None);
    }

    #[tokio::test]
    async fn a_message_that_comes_twice_counts_once() {
        let sink = Sink::open().await.unwrap();
        let body = |n| Bytes::from(format!(r#"{{"data": {{"customer": "{}"}}}}"#, customer(n, 0)));
        for n in [1, 200_000, 1] {
            assert_eq!(take(State(sink.taken.clone()), body(n)).await, StatusCode::NO_CONTENT);
        }
        let nothing = Bytes::from_static(b"{}");
        assert_eq!(take(State(sink.taken.clone()), nothing).await, StatusCode::BAD_REQUEST);
        assert_eq!(sink.books(), (2, 1));
        assert_eq!(sink.take().0, 2);
        assert_eq!((sink.take().0, sink.books()), (0, (2, 1)));
    }
}
