//! What every pass is given: clients, cache, memories. One for the whole operator.

use super::{
    apply::Applied, cache::Cache, error::Error, metrics::Metrics, secrets::Secrets, status::Written, unit::Unit,
};
use crate::{keys::KEY_LEN, store::Store};
use kube::{Client, runtime::events::Recorder};
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{Mutex as AsyncMutex, watch};

/// How long one call to the API server may take, retries of the client included.
const CALL: Duration = Duration::from_secs(20);

pub struct Context {
    pub client: Client,
    pub cache: Cache,
    pub recorder: Recorder,
    pub metrics: Metrics,
    pub settings: super::Settings,
    pub master: MasterKeys,
    pub applied: Applied,
    pub written: Written,
    pub secrets: Secrets,
    pub numbers: super::journey::Numbers,
    pub stored: super::policy::Stored,
    pub grounds: super::namespace::Grounds,
    pub queue: super::queue::Queue<Unit>,
    store: Arc<dyn Store>,
    migrated: watch::Receiver<Result<(), String>>,
    locks: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

/// What the keys of all namespaces are derived from.
#[derive(Clone)]
pub struct MasterKeys {
    pub seal: [u8; KEY_LEN],
    pub mac: [u8; KEY_LEN],
}

/// What a [`Context`] is made of.
pub struct Parts {
    pub client: Client,
    pub cache: Cache,
    pub recorder: Recorder,
    pub metrics: Metrics,
    pub settings: super::Settings,
    pub master: MasterKeys,
    pub queue: super::queue::Queue<Unit>,
    pub store: Arc<dyn Store>,
    /// Whether the schema is as this version needs it; the store is not touched before.
    pub migrated: watch::Receiver<Result<(), String>>,
}

impl Context {
    pub fn new(parts: Parts) -> Self {
        let Parts {
            client,
            cache,
            recorder,
            metrics,
            settings,
            master,
            queue,
            store,
            migrated,
        } = parts;
        Self {
            client,
            cache,
            recorder,
            metrics,
            settings,
            master,
            queue,
            store,
            migrated,
            applied: Applied::default(),
            written: Written::default(),
            secrets: Secrets::default(),
            numbers: super::journey::Numbers::default(),
            stored: super::policy::Stored::default(),
            grounds: super::namespace::Grounds::default(),
            locks: Mutex::default(),
        }
    }

    /// The store, once its schema is ready.
    pub fn store(&self) -> Result<&dyn Store, Error> {
        match &*self.migrated.borrow() {
            Ok(()) => Ok(self.store.as_ref()),
            Err(reason) => Err(Error::NotMigrated(reason.clone())),
        }
    }

    /// Bounds a call to the API server in time.
    pub async fn call<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Error> {
        match tokio::time::timeout(CALL, call).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Error::Slow(CALL)),
        }
    }

    /// Held by whoever changes what a namespace's objects share.
    pub fn lock_of(&self, namespace: &str) -> Arc<AsyncMutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(locks.entry(namespace.to_owned()).or_default())
    }

    /// Nobody needs the namespace any more.
    pub fn forget_lock(&self, namespace: &str) {
        let mut locks = self.locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Somebody who holds it, or waits for it, keeps it.
        if locks.get(namespace).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            locks.remove(namespace);
        }
    }
}
