//! The webhook's far end: takes each message, says when it arrived and whether it came twice.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hdrhistogram::Histogram;
use serde::Deserialize;
use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
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
    since: Arrived,
    ever: Books,
    /// The idempotency key of each customer's message, hashed; 0: none yet.
    who: Vec<u64>,
}

/// What arrived within a stretch of time.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub n: u64,
    /// From the instant by the plan, in microseconds.
    pub latency: Histogram<u64>,
    /// Before its instant.
    pub early: u64,
    /// The highest number of a customer so far.
    furthest: u64,
    /// By how many numbers a customer came after another whose number is higher, at most.
    pub behind: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Customers whose message arrived.
    pub reached: u64,
    /// Messages that arrived once more, under the same idempotency key.
    pub repeated: u64,
    /// Messages to somebody who had one, under another key.
    pub again: u64,
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
                since: Arrived {
                    n: 0,
                    latency,
                    early: 0,
                    furthest: 0,
                    behind: 0,
                },
                ever: Books::default(),
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
    pub fn take(&self) -> Arrived {
        let mut told = self.taken.told();
        let arrived = told.since.clone();
        let since = &mut told.since;
        since.latency.reset();
        (since.n, since.early, since.furthest, since.behind) = (0, 0, 0, 0);
        arrived
    }

    pub fn books(&self) -> Books {
        self.taken.told().ever
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

async fn take(State(taken): State<Arc<Taken>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let now = taken.now();
    let message = serde_json::from_slice::<Message<'_>>(&body).ok();
    let Some((number, at)) = message.and_then(|message| read_customer(message.data.customer)) else {
        return StatusCode::BAD_REQUEST;
    };
    let mut hasher = DefaultHasher::new();
    headers
        .get("idempotency-key")
        .map(|key| key.as_bytes())
        .hash(&mut hasher);
    let key = hasher.finish().max(1);
    let told = &mut *taken.told();
    let place = number as usize;
    if told.who.len() <= place {
        told.who.resize(place + 65_536, 0);
    }
    let (before, since) = (std::mem::replace(&mut told.who[place], key), &mut told.since);
    if before == 0 {
        told.ever.reached += 1;
        since.n += 1;
        since.latency.saturating_record(now.saturating_sub(at).max(1));
        since.early += u64::from(now < at);
        since.furthest = since.furthest.max(number);
        since.behind = since.behind.max(since.furthest - number);
    } else if before == key {
        told.ever.repeated += 1;
    } else {
        told.ever.again += 1;
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

    async fn tell(sink: &Sink, number: u64, key: &'static str) -> StatusCode {
        let headers = HeaderMap::from_iter([("idempotency-key".parse().unwrap(), key.parse().unwrap())]);
        let body = format!(r#"{{"data": {{"customer": "{}"}}}}"#, customer(number, 0));
        take(State(sink.taken.clone()), headers, Bytes::from(body)).await
    }

    #[tokio::test]
    async fn a_message_that_comes_twice_counts_once() {
        let sink = Sink::open().await.unwrap();
        for (number, key) in [(1, "a"), (200_000, "b"), (1, "a"), (200_000, "c")] {
            assert_eq!(tell(&sink, number, key).await, StatusCode::NO_CONTENT);
        }
        let nothing = Bytes::from_static(b"{}");
        assert_eq!(
            take(State(sink.taken.clone()), HeaderMap::new(), nothing).await,
            StatusCode::BAD_REQUEST
        );
        let books = Books {
            reached: 2,
            repeated: 1,
            again: 1,
        };
        assert_eq!(sink.books(), books);
        assert_eq!(sink.take().n, 2);
        assert_eq!((sink.take().n, sink.books()), (0, books));
    }

    #[tokio::test]
    async fn who_is_overtaken_is_behind_by_so_many() {
        let sink = Sink::open().await.unwrap();
        for number in [0, 1, 7, 3, 8] {
            tell(&sink, number, "a").await;
        }
        assert_eq!(sink.take().behind, 4);
        tell(&sink, 2, "a").await;
        assert_eq!(sink.take().behind, 0, "each stretch of time stands for itself");
    }
}
