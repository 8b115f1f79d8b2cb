//! Reads what a policy is judged by: its namespace, what the store has of it, and who runs there.

use crate::{
    compile::{self, Manifests},
    operator::{cache::Snapshot, context::Context, error::Error, namespace::GATEWAY},
    store::{NamespacePrograms, Ran, Running},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub struct Facts {
    pub name: String,
    pub snapshot: Arc<Snapshot>,
    /// Journeys that the policy selects, with the hash of what all policies say of each.
    pub governed: BTreeMap<String, String>,
    /// What the store knows; Err: it does not answer.
    pub seen: Result<Seen, String>,
    /// Pods that are ready, by journey, as Deployments say.
    pub ready_runners: BTreeMap<String, usize>,
    pub ready_gateways: usize,
}

pub struct Seen {
    pub stored: Arc<Hashes>,
    pub running: Running,
    pub ran: Option<Ran>,
}

/// What runners and gateways should run by, as the store has it.
#[derive(Debug, Default)]
pub struct Hashes {
    pub version: i64,
    /// Of all policies of the namespace: the gateway's.
    pub all: String,
    /// By journey, of those that run.
    pub journeys: BTreeMap<String, String>,
}

/// By namespace, until its programs change.
#[derive(Debug, Default)]
pub struct Stored(Mutex<HashMap<String, Arc<Hashes>>>);

impl Stored {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Hashes>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub async fn read(context: &Context, namespace: &str, name: &str) -> Facts {
    let snapshot = context.cache.snapshot(namespace);
    let manifests = &snapshot.manifests;
    let selected = manifests.journeys.iter().filter(|(_, journey)| {
        let mut selecting = compile::selecting(manifests, journey);
        selecting.any(|(policy, _)| policy == name)
    });
    let hashed = selected.filter_map(|(journey, _)| {
        let policy = compile::policy(manifests, manifests, journey)?;
        Some((journey.clone(), compile::policy_hash(&policy)))
    });
    let governed: BTreeMap<String, String> = hashed.collect();
    let ready = |deployment: &str| {
        let deployment = context.cache.deployments.get(namespace, deployment);
        let ready = deployment.and_then(|deployment| deployment.status.as_ref()?.ready_replicas);
        usize::try_from(ready.unwrap_or(0)).unwrap_or(0)
    };
    let ready_runners = governed.keys().map(|journey| {
        let runner = crate::operator::journey::runner_name(journey);
        (journey.clone(), ready(&runner))
    });
    Facts {
        name: name.to_owned(),
        ready_runners: ready_runners.collect(),
        ready_gateways: ready(GATEWAY),
        seen: see(context, namespace).await.map_err(|error| error.to_string()),
        governed,
        snapshot,
    }
}

async fn see(context: &Context, namespace: &str) -> Result<Seen, Error> {
    let store = context.store()?;
    let known = context.stored.lock().get(namespace).cloned();
    // No namespace ever has the version -1: everything comes.
    let version = known.as_ref().map_or(-1, |known| known.version);
    let stored = match (store.programs(namespace, version).await?, known) {
        (None, Some(known)) => known,
        (programs, _) => {
            let hashes = Arc::new(hashes(&programs.unwrap_or_default()));
            context.stored.lock().insert(namespace.to_owned(), Arc::clone(&hashes));
            hashes
        }
    };
    Ok(Seen {
        stored,
        running: store.running(namespace).await?,
        ran: store.retained(namespace).await?,
    })
}

/// What cannot be read is not there: whoever runs by it says another hash, or none.
fn hashes(programs: &NamespacePrograms) -> Hashes {
    let read = |body: &serde_json::Value| serde_json::from_value::<Manifests>(body.clone()).ok();
    let settings = programs.settings.as_ref().and_then(read).unwrap_or_default();
    let current = programs
        .journeys
        .iter()
        .filter(|stored| stored.current && !stored.stopped);
    let hashed = current.filter_map(|stored| {
        let journey = &stored.row.journey;
        let policy = compile::policy(&settings, &read(&stored.row.body)?, journey)?;
        Some((journey.clone(), compile::policy_hash(&policy)))
    });
    Hashes {
        version: programs.version,
        all: compile::policies_hash(&settings),
        journeys: hashed.collect(),
    }
}
