//! Watches: each fills a store of the cache and tells the queue whom a change concerns. What changes nobody's work (a status that we wrote
//! ourselves) wakes nobody.

use super::{
    cache::{Guarded, Kept},
    unit::Declared,
};
use crate::clock::{self, Micros};
use futures::StreamExt;
use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Client, Resource,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        reflector::{self, ObjectRef, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use serde::de::DeserializeOwned;
use std::{
    collections::{HashMap, HashSet, hash_map::DefaultHasher},
    fmt::Debug,
    hash::{Hash, Hasher},
    pin::pin,
    sync::{Arc, Mutex},
};
use tokio::task::JoinSet;

/// A watch that has failed for this long is dead: /livez says so, and the process is started anew.
pub const DEAD_AFTER: Micros = 5 * clock::MINUTE;

/// How the watches are. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<HashMap<String, Option<Micros>>>>);

impl Health {
    fn good(&self, watch: &str) {
        self.set(watch, |since| *since = None);
    }

    fn bad(&self, watch: &str) {
        self.set(watch, |since| {
            since.get_or_insert_with(clock::now);
        });
    }

    fn set(&self, watch: &str, change: impl FnOnce(&mut Option<Micros>)) {
        let mut watches = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(watches.entry(watch.to_owned()).or_default());
    }

    /// The watches that have been failing for too long.
    pub fn dead(&self, now: Micros) -> Vec<String> {
        let watches = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let long = |since: &Option<Micros>| since.is_some_and(|since| now - since > DEAD_AFTER);
        watches
            .iter()
            .filter(|(_, since)| long(since))
            .map(|(name, _)| name.clone())
            .collect()
    }
}

/// What is watched: where, and in whose name.
pub struct Watches {
    pub client: Client,
    /// Empty: all namespaces.
    pub namespaces: Vec<String>,
    pub health: Health,
    /// They end only when the process does; one that ends earlier ends it.
    pub tasks: JoinSet<()>,
}

impl Watches {
    /// Watches one of our kinds. `changed` hears of objects whose spec, labels, finalizers or deletion changed, or that came or went.
    pub fn ours<K: Declared>(&mut self, changed: impl Fn(&ObjectMeta) + Clone + Send + 'static) -> Kept<Guarded<K>> {
        self.start::<Guarded<K>>(watcher::Config::default(), declared_part, changed)
    }

    /// Watches what the operator made, by its label. `changed` hears of every change, also of the status.
    pub fn made<K>(&mut self, labels: &str, changed: impl Fn(&ObjectMeta) + Clone + Send + 'static) -> Kept<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        self.start::<K>(watcher::Config::default().labels(labels), every_part, changed)
    }

    /// Watches objects of others by their metadata alone. `changed` hears of every change.
    pub fn seen<K>(&mut self, changed: impl Fn(&ObjectMeta) + Clone + Send + 'static) -> Kept<PartialObjectMeta<K>>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Send + Sync + 'static,
    {
        self.start::<PartialObjectMeta<K>>(watcher::Config::default(), every_part, changed)
    }

    fn start<K>(
        &mut self,
        config: watcher::Config,
        part: fn(&ObjectMeta) -> u64,
        changed: impl Fn(&ObjectMeta) + Clone + Send + 'static,
    ) -> Kept<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + Debug
            + DeserializeOwned
            + Send
            + Sync
            + 'static,
    {
        let kind = K::kind(&()).into_owned();
        let apis: Vec<(String, Api<K>)> = if self.namespaces.is_empty() {
            vec![(kind, Api::all(self.client.clone()))]
        } else {
            let of = |namespace: &String| {
                (
                    format!("{kind} in {namespace}"),
                    Api::namespaced(self.client.clone(), namespace),
                )
            };
            self.namespaces.iter().map(of).collect()
        };
        let mut stores = Vec::new();
        for (name, api) in apis {
            let (store, writer) = reflector::store();
            stores.push(store);
            let (config, health, changed) = (config.clone(), self.health.clone(), changed.clone());
            self.tasks
                .spawn(async move { follow(&name, api, config, writer, &health, part, changed).await });
        }
        Kept::new(stores)
    }
}

/// What of one of our objects makes work. A deletion counts the generation up, but not where finalizers are all that keeps the object.
fn declared_part(meta: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    (meta.uid.as_deref(), meta.generation, meta.deletion_timestamp.is_some()).hash(&mut hasher);
    (&meta.labels, &meta.finalizers).hash(&mut hasher);
    hasher.finish()
}

fn every_part(meta: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    (meta.uid.as_deref(), meta.resource_version.as_deref()).hash(&mut hasher);
    hasher.finish()
}

async fn follow<K>(
    name: &str,
    api: Api<K>,
    config: watcher::Config,
    mut writer: Writer<K>,
    health: &Health,
    part: fn(&ObjectMeta) -> u64,
    changed: impl Fn(&ObjectMeta),
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    // Who is known, with the part that makes work; who came up in the present listing; whom to speak of once the store shows it.
    let mut known: HashMap<ObjectRef<K>, (u64, ObjectMeta)> = HashMap::new();
    let mut listed: HashSet<ObjectRef<K>> = HashSet::new();
    let mut news: Vec<ObjectMeta> = Vec::new();
    let clean = |object: &mut K| {
        let meta = object.meta_mut();
        meta.managed_fields = None;
        // kubectl keeps a whole object in it.
        if let Some(annotations) = &mut meta.annotations {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    };
    let mut events = pin!(watcher(api, config).default_backoff().modify(clean));
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                health.bad(name);
                tracing::warn!(watch = name, %error, "a watch failed and is tried again");
                continue;
            }
        };
        writer.apply_watcher_event(&event);
        match event {
            // Comes before the listing has been answered: no sign of health.
            Event::Init => listed.clear(),
            Event::InitApply(object) => {
                health.good(name);
                let key = ObjectRef::from_obj(&object);
                news.extend(changed_part(&mut known, &key, object.meta(), part));
                listed.insert(key);
            }
            Event::InitDone => {
                health.good(name);
                known.retain(|key, (_, meta)| {
                    let stays = listed.contains(key);
                    if !stays {
                        news.push(meta.clone());
                    }
                    stays
                });
                news.drain(..).for_each(|meta| changed(&meta));
                listed.clear();
            }
            Event::Apply(object) => {
                health.good(name);
                let key = ObjectRef::from_obj(&object);
                if let Some(meta) = changed_part(&mut known, &key, object.meta(), part) {
                    changed(&meta);
                }
            }
            Event::Delete(object) => {
                health.good(name);
                known.remove(&ObjectRef::from_obj(&object));
                changed(object.meta());
            }
        }
    }
}

fn changed_part<K: Resource<DynamicType = ()>>(
    known: &mut HashMap<ObjectRef<K>, (u64, ObjectMeta)>,
    key: &ObjectRef<K>,
    meta: &ObjectMeta,
    part: fn(&ObjectMeta) -> u64,
) -> Option<ObjectMeta> {
    let now = part(meta);
    if known.get(key).is_some_and(|(before, _)| *before == now) {
        return None;
    }
    // Names and owners are all that is needed to say whom it concerns.
    let brief = ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        owner_references: meta.owner_references.clone(),
        labels: meta.labels.clone(),
        ..ObjectMeta::default()
    };
    known.insert(key.clone(), (now, brief.clone()));
    Some(brief)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_our_own_makes_no_work_and_a_new_label_does() {
        let seen = ObjectMeta {
            generation: Some(3),
            resource_version: Some("7".into()),
            ..ObjectMeta::default()
        };
        let written = ObjectMeta {
            resource_version: Some("8".into()),
            ..seen.clone()
        };
        assert_eq!(declared_part(&seen), declared_part(&written));
        assert_ne!(every_part(&seen), every_part(&written));
        let labelled = ObjectMeta {
            labels: Some([("team".to_owned(), "growth".to_owned())].into()),
            ..seen.clone()
        };
        assert_ne!(declared_part(&seen), declared_part(&labelled));
    }

    #[test]
    fn a_watch_is_dead_only_after_failing_for_long_without_a_word() {
        let health = Health::default();
        health.bad("Journey");
        let now = clock::now();
        assert!(health.dead(now).is_empty());
        assert_eq!(health.dead(now + DEAD_AFTER + clock::SECOND), ["Journey"]);
        health.good("Journey");
        assert!(health.dead(now + DEAD_AFTER + clock::SECOND).is_empty());
    }
}
