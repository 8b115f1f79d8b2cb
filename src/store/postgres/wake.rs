//! Wake-ups: after a commit the gateway tells the runners of the journeys concerned. Only a hint: who waits also looks by itself.
//!
//! PostgreSQL's NOTIFY wakes every listening session of the database, so each process listens on one connection only, and tells the more rarely
//! the more runners there are, in a transaction of its own.

use super::{
    connection::{Connections, PATIENCE},
    measure,
};
use crate::store::Result;
use futures::{FutureExt as _, StreamExt as _, stream};
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, task::JoinHandle};
use tokio_postgres::AsyncMessage;

const CHANNEL: &str = "journey_wake";
/// Between two NOTIFY of this process: so long, and so much longer for each runner that is woken, whoever it is for.
const COALESCE: Duration = Duration::from_millis(1);
const EACH_RUNNER: Duration = Duration::from_micros(100);
const LONGEST: Duration = Duration::from_millis(50);
/// How long a count of the runners is believed.
const COUNTED: Duration = Duration::from_secs(5);
/// Between two tries to reach the database again.
const RETRY: Duration = Duration::from_secs(1);

/// The tasks begin at the first need and end with the store.
pub(super) struct Wake {
    connections: Arc<Connections>,
    bells: Arc<Bells>,
    pending: Arc<Pending>,
    listener: OnceLock<Task>,
    teller: OnceLock<Task>,
}

#[derive(Default)]
struct Bells(Mutex<HashMap<String, Arc<Notify>>>);

#[derive(Default)]
struct Pending {
    journeys: Mutex<BTreeSet<String>>,
    some: Notify,
}

/// A task that ends when its owner goes.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Wake {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        Self {
            connections,
            bells: Arc::default(),
            pending: Arc::default(),
            listener: OnceLock::new(),
            teller: OnceLock::new(),
        }
    }

    pub(super) async fn wait(&self, namespace: &str, journey: &str, timeout: Duration) -> bool {
        self.listener
            .get_or_init(|| Task(tokio::spawn(listen(self.connections.clone(), self.bells.clone()))));
        let bell = self.bells.of(&name(namespace, journey));
        tokio::time::timeout(timeout, bell.notified()).await.is_ok()
    }

    pub(super) fn tell(&self, namespace: &str, journeys: impl IntoIterator<Item = String>) {
        let names = journeys.into_iter().map(|journey| name(namespace, &journey));
        let mut pending = self.pending.journeys.lock().unwrap_or_else(PoisonError::into_inner);
        let before = pending.len();
        pending.extend(names);
        if pending.len() > before {
            self.teller
                .get_or_init(|| Task(tokio::spawn(tell(self.connections.clone(), self.pending.clone()))));
            self.pending.some.notify_one();
        }
    }
}

fn name(namespace: &str, journey: &str) -> String {
    format!("{namespace}/{journey}")
}

impl Bells {
    fn of(&self, name: &str) -> Arc<Notify> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.to_owned())
            .or_default()
            .clone()
    }

    /// Wakes those who wait, and the next one who comes to wait: the work may have come just before. Nobody here waits for other names.
    fn ring(&self, name: &str) {
        if let Some(bell) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name) {
            bell.notify_waiters();
            bell.notify_one();
        }
    }

    fn ring_all(&self) {
        let names: Vec<String> = self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .cloned()
            .collect();
        names.iter().for_each(|name| self.ring(name));
    }
}

async fn tell(connections: Arc<Connections>, pending: Arc<Pending>) {
    let (mut runners, mut counted) = (0, None::<Instant>);
    loop {
        pending.some.notified().await;
        let names: Vec<String> = std::mem::take(&mut *pending.journeys.lock().unwrap_or_else(PoisonError::into_inner))
            .into_iter()
            .collect();
        let count = counted.is_none_or(|at| at.elapsed() > COUNTED);
        match tokio::time::timeout(PATIENCE, notify(&connections, &names, count)).await {
            Ok(Ok(Some(found))) => (runners, counted) = (found, Some(Instant::now())),
            Ok(Ok(None)) | Err(_) => {}
            Ok(Err(error)) => tracing::debug!(%error, "runners were not woken; they look by themselves"),
        }
        tokio::time::sleep(
            COALESCE
                .saturating_add(EACH_RUNNER.saturating_mul(runners))
                .min(LONGEST),
        )
        .await;
    }
}

/// Gives how many runners there are, when that is asked.
async fn notify(connections: &Connections, names: &[String], count: bool) -> Result<Option<u32>> {
    let client = connections.lend().await?;
    let tell = "SELECT pg_notify($1, u.name) FROM unnest($2::text[]) u (name)";
    let statement = client.prepare_cached(tell).await?;
    client.query(&statement, &[&CHANNEL, &names]).await?;
    Ok(if count {
        Some(measure::runners(&client).await?)
    } else {
        None
    })
}

async fn listen(connections: Arc<Connections>, bells: Arc<Bells>) {
    loop {
        if let Err(error) = listen_once(&connections, &bells).await {
            tracing::debug!(%error, "not listening for wake-ups; trying again");
        }
        tokio::time::sleep(RETRY).await;
    }
}

async fn listen_once(connections: &Connections, bells: &Bells) -> std::result::Result<(), tokio_postgres::Error> {
    let (client, mut connection) = connections.config.connect(connections.tls.clone()).await?;
    let listening = client.batch_execute("LISTEN journey_wake");
    let mut messages = stream::poll_fn(move |context| connection.poll_message(context));
    let mut listening = std::pin::pin!(listening.fuse());
    loop {
        tokio::select! {
            begun = &mut listening => {
                begun?;
                // What came while nobody listened was not heard.
                bells.ring_all();
            }
            message = messages.next() => match message {
                Some(Ok(AsyncMessage::Notification(told))) => bells.ring(told.payload()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Ok(()),
            },
        }
    }
}
