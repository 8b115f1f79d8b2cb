//! Many requests, one transaction: while a commit is under way the next group gathers, 1,000 events at most, and each request is answered
//! after its own group's commit. There is no timer: a lone event is committed at once. Several commits are under way at a time only when much is
//! waiting, because a transaction of few events costs nearly as much as one of many.

use super::{Gateway, learn::Learning, metrics::Metrics, refusal::Refusal, view::View};
use crate::store::{Arrival, Quarantined, Receipt, StoreError};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Groups under way at a time: while some commit or wait for the disk others are made ready.
pub const COMMITTERS: usize = 3;
/// Events of one transaction; a single request's batch is never divided.
const GROUP: usize = 1_000;
/// Events that do not wait for the commit that is under way.
const MANY: usize = 100;
/// Requests that may wait for a group.
const QUEUE: usize = 1_024;
/// How long a request waits for its commit; what is committed later is found to be a duplicate when it is sent again.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request's share of a group.
#[derive(Debug)]
struct Ticket {
    arrivals: Vec<Arrival>,
    aside: Vec<Quarantined>,
    answer: oneshot::Sender<Result<Vec<Receipt>, Refusal>>,
}

impl Ticket {
    fn len(&self) -> usize {
        self.arrivals.len() + self.aside.len()
    }
}

/// Where requests hand in what they brought.
#[derive(Debug)]
pub struct Queue {
    tickets: mpsc::Sender<Ticket>,
    metrics: Metrics,
}

/// Where committers take groups from; one at a time gathers.
#[derive(Debug, Clone)]
pub struct Groups {
    gathering: Arc<Mutex<Gathering>>,
    commits: Arc<Commits>,
}

#[derive(Debug)]
struct Gathering {
    tickets: mpsc::Receiver<Ticket>,
    /// It did not fit into the group before.
    next: Option<Ticket>,
}

/// How many are under way.
#[derive(Debug, Default)]
struct Commits {
    under_way: AtomicUsize,
    ended: Notify,
}

/// A commit that is under way, until this is dropped.
struct UnderWay(Arc<Commits>);

impl UnderWay {
    fn new(commits: &Arc<Commits>) -> Self {
        commits.under_way.fetch_add(1, Ordering::Relaxed);
        Self(commits.clone())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
        self.0.ended.notify_one();
    }
}

pub fn queue(metrics: Metrics) -> (Queue, Groups) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (
        Queue {
            tickets: sender,
            metrics,
        },
        Groups {
            gathering: Arc::new(Mutex::new(Gathering {
                tickets: receiver,
                next: None,
            })),
            commits: Arc::default(),
        },
    )
}

impl Queue {
    /// Hands in a request's events and waits for their commit. Receipts in the order of `arrivals`.
    pub async fn commit(&self, arrivals: Vec<Arrival>, aside: Vec<Quarantined>) -> Result<Vec<Receipt>, Refusal> {
        let (answer, committed) = oneshot::channel();
        self.tickets
            .try_send(Ticket {
                arrivals,
                aside,
                answer,
            })
            .map_err(|_| Refusal::Busy)?;
        self.metrics
            .queued(self.tickets.max_capacity() - self.tickets.capacity());
        match tokio::time::timeout(PATIENCE, committed).await {
            Ok(Ok(receipts)) => receipts,
            Ok(Err(_)) | Err(_) => Err(Refusal::Unavailable),
        }
    }
}

impl Groups {
    /// The next group, and its commit; None: the last ticket is taken and `no_more` come.
    async fn gather(&self, no_more: &CancellationToken) -> Option<(Vec<Ticket>, UnderWay)> {
        let mut gathering = self.gathering.lock().await;
        let first = match gathering.next.take() {
            Some(ticket) => ticket,
            None => tokio::select! {
                biased;
                ticket = gathering.tickets.recv() => ticket?,
                () = no_more.cancelled() => gathering.tickets.try_recv().ok()?,
            },
        };
        let (mut group, mut events) = (Vec::new(), first.len());
        group.push(first);
        while events < GROUP {
            let ticket = match gathering.tickets.try_recv() {
                Ok(ticket) => ticket,
                Err(_) if events >= MANY || self.commits.under_way.load(Ordering::Relaxed) == 0 => break,
                Err(_) => tokio::select! {
                    biased;
                    Some(ticket) = gathering.tickets.recv() => ticket,
                    () = self.commits.ended.notified() => continue,
                },
            };
            if events + ticket.len() > GROUP {
                gathering.next = Some(ticket);
                break;
            }
            events += ticket.len();
            group.push(ticket);
        }
        Some((group, UnderWay::new(&self.commits)))
    }
}

/// Commits groups until there are no more.
pub async fn commit(gateway: Arc<Gateway>, groups: Groups, no_more: CancellationToken) {
    while let Some((group, _under_way)) = groups.gather(&no_more).await {
        commit_group(&gateway, group).await;
    }
}

async fn commit_group(gateway: &Gateway, group: Vec<Ticket>) {
    let view = gateway.view();
    match accept(gateway, &view, &group).await {
        Ok(receipts) => answer(gateway, group, receipts).await,
        Err(StoreError::Unavailable(error)) => {
            tracing::warn!("a group was not committed: {error}");
            for ticket in group {
                let _gone = ticket.answer.send(Err(Refusal::Unavailable));
            }
        }
        // One customer's row cannot be read: it must not hold up the requests of others.
        Err(StoreError::Unreadable(error)) => {
            tracing::error!("the store cannot read a row that an event touches: {error}");
            for ticket in group {
                let alone = [ticket];
                let result = accept(gateway, &view, &alone).await;
                let [ticket] = alone;
                match result {
                    Ok(receipts) => answer(gateway, vec![ticket], receipts).await,
                    Err(StoreError::Unavailable(_)) => drop(ticket.answer.send(Err(Refusal::Unavailable))),
                    Err(StoreError::Unreadable(_)) => drop(ticket.answer.send(Err(Refusal::Broken))),
                }
            }
        }
    }
}

/// One transaction for the arrivals of all tickets.
async fn accept(gateway: &Gateway, view: &View, group: &[Ticket]) -> Result<Vec<Receipt>, StoreError> {
    let batch: Vec<Arrival> = group
        .iter()
        .flat_map(|ticket| ticket.arrivals.iter().cloned())
        .collect();
    if batch.is_empty() {
        return Ok(vec![]);
    }
    let learning = Learning::new(view, &gateway.keys, gateway.clock.now());
    let receipts = gateway
        .store
        .accept(&gateway.namespace, &batch, &|arrival, customer| {
            learning.learn(arrival, customer)
        })
        .await?;
    let outcome = learning.outcome();
    gateway.metrics.left(outcome.left);
    gateway.metrics.unreadable(outcome.unreadable);
    gateway.metrics.followed(outcome.followers);
    Ok(receipts)
}

/// Puts aside what is to be put aside, and answers. Last, so that a request that is sent again finds its events accepted once.
async fn answer(gateway: &Gateway, group: Vec<Ticket>, receipts: Vec<Receipt>) {
    let aside: Vec<Quarantined> = group.iter().flat_map(|ticket| ticket.aside.iter().cloned()).collect();
    let kept = if aside.is_empty() {
        Ok(())
    } else {
        gateway.store.quarantine(&gateway.namespace, &aside).await
    };
    if let Err(error) = &kept {
        tracing::warn!("events were not put aside: {error}");
    }
    let mut receipts = receipts.into_iter();
    for Ticket {
        arrivals,
        aside,
        answer,
    } in group
    {
        let own: Vec<Receipt> = receipts.by_ref().take(arrivals.len()).collect();
        let answered = if kept.is_err() && !aside.is_empty() {
            Err(Refusal::Unavailable)
        } else {
            Ok(own)
        };
        // Who asked may have gone; what is committed stays.
        let _gone = answer.send(answered);
    }
}
