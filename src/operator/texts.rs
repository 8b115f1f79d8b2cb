//! Texts that messages include: the data of the ConfigMaps that touchpoints name, and of no others. All ConfigMaps are watched by their
//! metadata alone, which costs little; the few that are named are read when their version is new.

use super::{context::Context, error::Error};
use crate::compile;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, ResourceExt, core::PartialObjectMeta};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard},
};

/// What is watched of a ConfigMap.
pub type Seen = PartialObjectMeta<ConfigMap>;

/// A ConfigMap's version, and its entries that are text.
type Read = (String, Arc<BTreeMap<String, String>>);

/// What was read, by namespace and name.
#[derive(Default)]
pub struct Texts(Mutex<HashMap<(String, String), Read>>);

impl Texts {
    /// The entries of a ConfigMap as they were last read.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<BTreeMap<String, String>>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock().get(&key).map(|(_, texts)| Arc::clone(texts))
    }

    fn version(&self, namespace: &str, name: &str) -> Option<String> {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock().get(&key).map(|(version, _)| version.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Read>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Sees to it that the snapshot of the namespace has the texts as they are now.
pub async fn see(context: &Context, namespace: &str) -> Result<(), Error> {
    let snapshot = context.cache.snapshot(namespace);
    let named: BTreeSet<&str> = compile::config_maps_named(&snapshot.manifests).collect();
    let texts = &context.cache.texts;
    let mut changed = false;
    for name in &named {
        let now = context.cache.config_maps.get(namespace, name);
        let version = now.as_ref().and_then(|seen| seen.resource_version());
        let known = texts.version(namespace, name);
        if known == version {
            continue;
        }
        let read = match &version {
            None => None,
            Some(_) => {
                let api = Api::<ConfigMap>::namespaced(context.client.clone(), namespace);
                context.call(api.get_opt(name)).await?
            }
        };
        let key = (namespace.to_owned(), (*name).to_owned());
        match read {
            Some(read) => {
                let version = read.resource_version().unwrap_or_default();
                let entries: BTreeMap<String, String> = read.data.unwrap_or_default();
                let _before = texts.lock().insert(key, (version, Arc::new(entries)));
            }
            None => drop(texts.lock().remove(&key)),
        }
        changed = true;
    }
    // What no touchpoint names any more is not kept.
    texts
        .lock()
        .retain(|(of, name), _| of != namespace || named.contains(name.as_str()));
    if changed {
        context.cache.snapshots.forget(namespace);
    }
    Ok(())
}

/// Whether any touchpoint of the namespace includes from this ConfigMap.
pub fn concerns(context: &Context, namespace: &str, name: &str) -> bool {
    let snapshot = context.cache.snapshot(namespace);
    compile::config_maps_named(&snapshot.manifests).any(|named| named == name)
}

/// Whether a message of the namespace may offer to join this journey.
pub fn offers(context: &Context, namespace: &str, journey: &str) -> bool {
    let snapshot = context.cache.snapshot(namespace);
    let manifests = &snapshot.manifests;
    let offers = |text: &str| text.contains("join_link") && text.contains(journey);
    let outbound = manifests.touchpoints.values().filter_map(|spec| spec.outbound.as_ref());
    let templates = outbound.flat_map(|spec| {
        let translated = spec
            .translations
            .iter()
            .flatten()
            .flat_map(|(_, fields)| fields.values());
        spec.content.values().chain(translated)
    });
    let included = manifests.config_maps.values().flat_map(BTreeMap::values);
    templates.map(|template| template.as_str()).any(offers) || included.map(String::as_str).any(offers)
}
