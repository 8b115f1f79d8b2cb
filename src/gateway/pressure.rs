//! Journeys whose queues are full: events that they listen for are refused until they have caught up, so that what waits stays bounded. Looked
//! for every few seconds; what is not listened for by one of them is taken as ever.

use super::{Gateway, refusal::Refusal};
use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError, RwLock},
};
use tokio_util::sync::CancellationToken;

/// Journeys that are full, as far as is known.
#[derive(Debug, Default)]
pub struct Full(RwLock<BTreeSet<String>>);

impl Full {
    /// Refuses what a journey listens for that is full.
    pub fn check<'a>(&self, mut listeners: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
        let full = self.0.read().unwrap_or_else(PoisonError::into_inner);
        match listeners.find(|journey| full.contains(*journey)) {
            Some(journey) => Err(Refusal::Full {
                journey: journey.clone(),
            }),
            None => Ok(()),
        }
    }

    fn set(&self, now: BTreeSet<String>) {
        let mut full = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for journey in now.difference(&full) {
            tracing::warn!(
                journey,
                "its inbox is full: events that it listens for are refused until it has caught up"
            );
        }
        for journey in full.difference(&now) {
            tracing::info!(journey, "its inbox has room again");
        }
        *full = now;
    }
}

/// Looks until `stop`. While the store is away what was known holds.
pub async fn watch(gateway: Arc<Gateway>, stop: CancellationToken) {
    loop {
        let limits = &gateway.limits;
        if let Ok(full) = gateway
            .store
            .overfull(&gateway.namespace, limits.inbox, limits.news)
            .await
        {
            gateway.metrics.full(full.len());
            gateway.full.set(full);
        }
        tokio::select! {
            () = tokio::time::sleep(gateway.limits.look) => {}
            () = stop.cancelled() => return,
        }
    }
}
