//! Senders as SDKs are: batches, sent again with the same ids until they are taken.

use super::{
    chance::Chance,
    world::{WRITE_KEY, World, customer},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// Events of one request.
const BATCH: usize = 10;
const SENDERS: usize = 4;
/// A sender that is not heard for so long has found a lasting fault.
const PATIENCE: Duration = Duration::from_secs(45);

/// What the senders met with.
#[derive(Debug, Clone, Copy, Default)]
pub struct Met {
    /// Requests answered 202 or 200.
    pub taken: usize,
    /// Requests answered 503 with a Retry-After.
    pub refused: usize,
    /// Requests without an answer.
    pub broken: usize,
    /// Events told to be duplicates: taken before, and the answer was lost.
    pub duplicate: u64,
}

/// When each customer's first event was sent: nothing can have happened to them before.
pub type FirstSent = Arc<Mutex<BTreeMap<String, Instant>>>;

pub struct Traffic {
    senders: JoinSet<Met>,
    pub events: usize,
    pub first_sent: FirstSent,
    /// Refusals so far.
    pub refused: Arc<AtomicUsize>,
}

impl Traffic {
    /// Two events for each customer, in no order, over about `lasting`.
    pub fn start(world: &World, chance: &mut Chance, lasting: Duration) -> Self {
        let events = world.customers * 2;
        let mut numbers: Vec<usize> = (0..events).collect();
        chance.shuffle(&mut numbers);
        let batches: Vec<Vec<usize>> = numbers.chunks(BATCH).map(<[usize]>::to_vec).collect();
        let pause = lasting * u32::try_from(SENDERS).unwrap() / u32::try_from(batches.len().max(1)).unwrap();
        let waiting = Arc::new(Mutex::new(batches));
        let (first_sent, refused) = (FirstSent::default(), Arc::<AtomicUsize>::default());
        let mut senders = JoinSet::new();
        for _ in 0..SENDERS {
            let sender = Sender {
                http: world.http.clone(),
                url: world.url.clone(),
                customers: world.customers,
                first_sent: first_sent.clone(),
                refused: refused.clone(),
            };
            let waiting = waiting.clone();
            senders.spawn(async move {
                let mut met = Met::default();
                loop {
                    let next = waiting.lock().unwrap().pop();
                    let Some(batch) = next else { return met };
                    sender.deliver(&batch, &mut met).await;
                    tokio::time::sleep(pause).await;
                }
            });
        }
        Self {
            senders,
            events,
            first_sent,
            refused,
        }
    }

    /// Until the last event is taken.
    pub async fn end(mut self) -> Met {
        let mut all = Met::default();
        while let Some(met) = self.senders.join_next().await {
            let Met {
                taken,
                refused,
                broken,
                duplicate,
            } = met.expect("a sender was refused for good");
            all.taken += taken;
            all.refused += refused;
            all.broken += broken;
            all.duplicate += duplicate;
        }
        all
    }
}

struct Sender {
    http: reqwest::Client,
    url: String,
    customers: usize,
    first_sent: FirstSent,
    refused: Arc<AtomicUsize>,
}

impl Sender {
    async fn deliver(&self, batch: &[usize], met: &mut Met) {
        for n in batch {
            let mut sent = self.first_sent.lock().unwrap();
            sent.entry(customer(n % self.customers)).or_insert_with(Instant::now);
        }
        // Half of them speak CloudEvents, half Segment's protocol.
        let (path, kind, body) = if batch[0].is_multiple_of(2) {
            (
                "/v1/events",
                "application/cloudevents-batch+json",
                self.cloud_events(batch),
            )
        } else {
            ("/v1/batch", "application/json", self.segment(batch))
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "a batch was not taken within {PATIENCE:?}");
            let request = self.http.post(format!("{}{path}", self.url)).bearer_auth(WRITE_KEY);
            match request.header("content-type", kind).body(body.to_string()).send().await {
                Err(_) => met.broken += 1,
                Ok(response) => {
                    let status = response.status().as_u16();
                    let after = response.headers().contains_key("retry-after");
                    let Ok(text) = response.text().await else {
                        met.broken += 1;
                        continue;
                    };
                    match status {
                        200 | 202 => {
                            let told: Value = serde_json::from_str(&text).unwrap();
                            met.taken += 1;
                            met.duplicate += told["duplicate"].as_u64().unwrap_or_default();
                            assert_eq!(told["quarantined"].as_u64().unwrap_or_default(), 0, "{text}");
                            return;
                        }
                        503 => {
                            assert!(after, "a refusal says when to come again: {text}");
                            met.refused += 1;
                            self.refused.fetch_add(1, Ordering::Relaxed);
                        }
                        _ => panic!("an SDK would throw these events away: {status} {text}"),
                    }
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn cloud_events(&self, batch: &[usize]) -> Value {
        let event = |n: &usize| {
            json!({"specversion": "1.0", "id": format!("e-{n}"), "source": "/site", "type": "cart.updated",
                   "data": {"userId": customer(n % self.customers)}})
        };
        batch.iter().map(event).collect()
    }

    fn segment(&self, batch: &[usize]) -> Value {
        let call = |n: &usize| {
            json!({"type": "track", "event": "cart.updated", "messageId": format!("e-{n}"), "userId": customer(n % self.customers),
                   "properties": {}})
        };
        json!({"batch": batch.iter().map(call).collect::<Vec<_>>()})
    }
}
