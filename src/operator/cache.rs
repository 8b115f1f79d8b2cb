//! What the watches have seen, by namespace: reads cost nothing and reach no further than memory.
//!
//! Filled by `watch`, read by every dereference step. Objects that cannot be parsed are here too, so that they can be told so.

use super::{
    texts::{Seen, Texts},
    unit::{Declared, Kind, Unit},
};
use crate::{
    api::{ChannelAdapter, CustomerProfile, Journey, PrivacyPolicy, Touchpoint},
    compile::{self, JourneyManifest, Manifests},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{apps::v1::Deployment, core::v1::Service, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Resource, ResourceExt,
    core::DeserializeGuard,
    runtime::reflector::{ObjectRef, Store},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    sync::{Arc, Mutex},
};

/// One kind, from one watch over all namespaces or one for each.
#[derive(Clone)]
pub struct Kept<K: Resource<DynamicType = ()> + 'static> {
    stores: Vec<Store<K>>,
}

impl<K> Kept<K>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + 'static,
    K::DynamicType: Hash + Eq,
{
    pub fn new(stores: Vec<Store<K>>) -> Self {
        Self { stores }
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let key = ObjectRef::new(name).within(namespace);
        self.stores.iter().find_map(|store| store.get(&key))
    }

    pub fn all(&self) -> Vec<Arc<K>> {
        self.stores.iter().flat_map(Store::state).collect()
    }

    /// Returns when every watch has listed what there is.
    pub async fn seen(&self) {
        for store in &self.stores {
            // A watch that ended ends the operator elsewhere.
            let _ = store.wait_until_ready().await;
        }
    }

    pub fn within(&self, namespace: &str) -> Vec<Arc<K>> {
        let here = |object: &K| object.meta().namespace.as_deref() == Some(namespace);
        self.stores.iter().flat_map(|store| store.state_filter(here)).collect()
    }
}

/// An object of ours that may not parse.
pub type Guarded<K> = DeserializeGuard<K>;

/// Everything that is watched.
pub struct Cache {
    pub journeys: Kept<Guarded<Journey>>,
    pub touchpoints: Kept<Guarded<Touchpoint>>,
    pub adapters: Kept<Guarded<ChannelAdapter>>,
    pub policies: Kept<Guarded<PrivacyPolicy>>,
    pub profiles: Kept<Guarded<CustomerProfile>>,
    pub deployments: Kept<Deployment>,
    pub services: Kept<Service>,
    pub budgets: Kept<PodDisruptionBudget>,
    /// Their metadata alone.
    pub config_maps: Kept<Seen>,
    /// The entries of those that touchpoints include from.
    pub texts: Texts,
    /// Manifests by namespace, until something in it changes.
    pub snapshots: Snapshots,
}

/// Where one kind is kept.
pub trait Stocked: Declared {
    fn kept(cache: &Cache) -> &Kept<Guarded<Self>>;
}

macro_rules! stocked {
    ($($kind:ident: $field:ident),*) => {$(
        impl Stocked for $kind {
            fn kept(cache: &Cache) -> &Kept<Guarded<Self>> {
                &cache.$field
            }
        }
    )*};
}

stocked!(Journey: journeys, Touchpoint: touchpoints, ChannelAdapter: adapters, PrivacyPolicy: policies, CustomerProfile: profiles);

/// A namespace as of one instant.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Without objects that are being deleted, that do not parse, and without profiles beside the oldest.
    pub manifests: Manifests,
    /// Profiles beside the oldest: a namespace has one.
    pub later_profiles: Vec<String>,
    /// Journeys there are, those being deleted and those that do not parse among them.
    pub journeys: usize,
}

impl Snapshot {
    /// Names of the adapters by which events come in.
    pub fn doors(&self) -> impl Iterator<Item = &String> {
        self.manifests
            .adapters
            .iter()
            .filter(|(_, spec)| spec.http.is_some())
            .map(|(name, _)| name)
    }

    /// Whether the namespace needs what its objects share.
    pub fn in_use(&self) -> bool {
        !self.manifests.journeys.is_empty() || self.doors().next().is_some()
    }

    /// Whether nothing is left that could need it: journeys on their way out still do.
    pub fn is_empty(&self) -> bool {
        self.journeys == 0 && self.doors().next().is_none()
    }
}

#[derive(Default)]
pub struct Snapshots(Mutex<HashMap<String, Arc<Snapshot>>>);

impl Snapshots {
    /// Something in the namespace has changed.
    pub fn forget(&self, namespace: &str) {
        self.lock().remove(namespace);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Snapshot>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Cache {
    /// The namespace's objects as the compiler takes them.
    pub fn snapshot(&self, namespace: &str) -> Arc<Snapshot> {
        // Held while it is made: a change that comes meanwhile waits, and then forgets what was made without it.
        let mut known = self.snapshots.lock();
        let made = known
            .entry(namespace.to_owned())
            .or_insert_with(|| Arc::new(self.read(namespace)));
        Arc::clone(made)
    }

    fn read(&self, namespace: &str) -> Snapshot {
        let journeys = self.journeys.within(namespace);
        let mut profiles = alive(&self.profiles, namespace);
        profiles.sort_by_key(|profile| (profile.creation_timestamp(), profile.name_any()));
        let mut profiles = profiles.into_iter();
        let manifests = Manifests {
            namespace: namespace.to_owned(),
            journeys: named(alive(&self.journeys, namespace), |journey| JourneyManifest {
                labels: journey.metadata.labels.unwrap_or_default(),
                spec: journey.spec,
            }),
            touchpoints: named(alive(&self.touchpoints, namespace), |touchpoint| touchpoint.spec),
            adapters: named(alive(&self.adapters, namespace), |adapter| adapter.spec),
            policies: named(alive(&self.policies, namespace), |policy| policy.spec),
            profiles: named(profiles.next().into_iter().collect(), |profile| profile.spec),
            ..Manifests::default()
        };
        let texts = |name: &str| Some((name.to_owned(), (*self.texts.get(namespace, name)?).clone()));
        let config_maps = compile::config_maps_named(&manifests).filter_map(texts).collect();
        let manifests = Manifests {
            config_maps,
            ..manifests
        };
        Snapshot {
            manifests,
            later_profiles: profiles.map(|profile| profile.name_any()).collect(),
            journeys: journeys.len(),
        }
    }

    /// Every object of ours in the namespace.
    pub fn units(&self, namespace: &str) -> Vec<Unit> {
        self.each_unit(&|meta| meta.namespace.as_deref() == Some(namespace))
    }

    /// Journeys that listen for the end of this one: whether they compile hangs on whether it is there.
    pub fn listening(&self, namespace: &str, journey: &str) -> Vec<Unit> {
        let listens = |other: &Journey| compile::chained(&other.spec).any(|name| name == journey);
        let others = self.journeys.within(namespace);
        let others = others.iter().filter_map(|other| other.0.as_ref().ok());
        others
            .filter(|other| listens(other))
            .map(|other| Unit::object(Kind::Journey, namespace, &other.name_any()))
            .collect()
    }

    /// The policies of the namespace.
    pub fn policy_units(&self, namespace: &str) -> Vec<Unit> {
        let policies = self.policies.within(namespace);
        let unit =
            |policy: &Arc<Guarded<PrivacyPolicy>>| Unit::object(Kind::PrivacyPolicy, namespace, &policy.name_any());
        policies.iter().map(unit).collect()
    }

    /// Every object of ours, and every namespace with any of them or with something that was made for them.
    pub fn all_units(&self) -> Vec<Unit> {
        let mut units = self.each_unit(&|_| true);
        let made = self.deployments.all().into_iter().filter_map(|made| made.namespace());
        let namespaces: BTreeSet<String> = units.iter().map(|unit| unit.namespace.clone()).chain(made).collect();
        units.extend(namespaces.iter().map(|namespace| Unit::namespace(namespace)));
        units
    }

    fn each_unit(&self, wanted: &dyn Fn(&ObjectMeta) -> bool) -> Vec<Unit> {
        fn of<K: Stocked>(cache: &Cache, wanted: &dyn Fn(&ObjectMeta) -> bool) -> Vec<Unit> {
            let unit = |object: &Arc<Guarded<K>>| {
                Unit::object(K::KIND, &object.namespace().unwrap_or_default(), &object.name_any())
            };
            K::kept(cache)
                .all()
                .iter()
                .filter(|object| wanted(object.meta()))
                .map(unit)
                .collect()
        }
        let mut units = of::<CustomerProfile>(self, wanted);
        units.extend(of::<PrivacyPolicy>(self, wanted));
        units.extend(of::<ChannelAdapter>(self, wanted));
        units.extend(of::<Touchpoint>(self, wanted));
        units.extend(of::<Journey>(self, wanted));
        units
    }

    /// Returns when everything that is watched has been listed.
    pub async fn seen(&self) {
        self.journeys.seen().await;
        self.touchpoints.seen().await;
        self.adapters.seen().await;
        self.policies.seen().await;
        self.profiles.seen().await;
        self.deployments.seen().await;
        self.services.seen().await;
        self.budgets.seen().await;
        self.config_maps.seen().await;
    }
}

fn alive<K: Declared>(kept: &Kept<Guarded<K>>, namespace: &str) -> Vec<K> {
    let there = |object: &Arc<Guarded<K>>| match &object.0 {
        Ok(object) if object.meta().deletion_timestamp.is_none() => Some(object.clone()),
        Ok(_) | Err(_) => None,
    };
    kept.within(namespace).iter().filter_map(there).collect()
}

fn named<K: Declared, T>(objects: Vec<K>, take: impl Fn(K) -> T) -> BTreeMap<String, T> {
    objects
        .into_iter()
        .map(|object| (object.name_any(), take(object)))
        .collect()
}
