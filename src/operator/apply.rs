//! Desired objects reach the API server: by server-side apply, with the fields that the operator means and no others, and only when they or
//! the live object have changed since.

use super::{
    context::Context,
    error::Error,
    unit::{Kind, Unit},
};
use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{
    Api, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use std::{
    collections::HashMap,
    fmt::Debug,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
};

/// Owns the fields that the operator applies.
pub const MANAGER: &str = "journey-operator";
/// On everything that the operator makes; its watches select by it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// What an object of the cluster must be for the operator to make it.
pub trait Made:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Made for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

/// By kind, namespace and name: marks of what was desired, and of the live object right after.
type Marks = HashMap<(String, String, String), (u64, u64)>;

/// What was applied last: (desired, the live object right after). While both are the same, nothing is sent.
#[derive(Debug, Default)]
pub struct Applied(Mutex<Marks>);

impl Applied {
    fn is(&self, key: &(String, String, String), marks: (u64, u64)) -> bool {
        self.lock().get(key) == Some(&marks)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Makes the live object as desired. Returns whether something had to be sent.
pub async fn apply<K: Made>(context: &Context, desired: &K, live: Option<&Arc<K>>) -> Result<bool, Error> {
    let (namespace, name) = (desired.namespace().unwrap_or_default(), desired.name_any());
    let key = key::<K>(&namespace, &name);
    let wanted = mark(desired);
    if let Some(live) = live
        && context.applied.is(&key, (wanted, mark(live.as_ref())))
    {
        return Ok(false);
    }
    let api = Api::<K>::namespaced(context.client.clone(), &namespace);
    let made = context
        .call(api.patch(&name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(desired)))
        .await?;
    context.applied.lock().insert(key, (wanted, mark(&made)));
    Ok(true)
}

/// Deletes what is desired no more, and only what the operator made. What is gone already is fine.
pub async fn remove<K: Made>(context: &Context, live: Option<&Arc<K>>, how: &DeleteParams) -> Result<(), Error> {
    let Some(live) = live else { return Ok(()) };
    if live.labels().get(MANAGED_BY).map(String::as_str) != Some(MANAGER) {
        return Ok(());
    }
    let (namespace, name) = (live.namespace().unwrap_or_default(), live.name_any());
    context.applied.lock().remove(&key::<K>(&namespace, &name));
    if live.meta().deletion_timestamp.is_some() {
        return Ok(());
    }
    let api = Api::<K>::namespaced(context.client.clone(), &namespace);
    match context.call(api.delete(&name, how)).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

fn key<K: Made>(namespace: &str, name: &str) -> (String, String, String) {
    (K::kind(&()).into_owned(), namespace.to_owned(), name.to_owned())
}

/// A mark of all that can drift: not the status, nor what the server and its controllers write with every change.
fn mark<K: Serialize>(object: &K) -> u64 {
    let mut value = serde_json::to_value(object).unwrap_or(Value::Null);
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in ["resourceVersion", "managedFields", "generation"] {
                metadata.remove(field);
            }
            if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
                annotations.remove("deployment.kubernetes.io/revision");
                if annotations.is_empty() {
                    metadata.remove("annotations");
                }
            }
        }
    }
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

/// The units that a made object belongs to, by its owners: what its change concerns.
pub fn owners(meta: &ObjectMeta) -> Vec<Unit> {
    let Some(namespace) = meta.namespace.as_deref() else {
        return Vec::new();
    };
    let owners = meta.owner_references.as_deref().unwrap_or_default();
    let owned = owners.iter().filter_map(|owner| match owner.kind.as_str() {
        "Journey" => Some(Unit::object(Kind::Journey, namespace, &owner.name)),
        "ChannelAdapter" => Some(Unit::object(Kind::ChannelAdapter, namespace, &owner.name)),
        _ => None,
    });
    let mut units: Vec<Unit> = owned.collect();
    if owners.iter().all(|owner| owner.kind != "Journey") {
        units.push(Unit::namespace(namespace));
    }
    units
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStatus};

    #[test]
    fn an_edit_is_drift_and_a_status_is_none() {
        let live = Deployment {
            spec: Some(DeploymentSpec {
                replicas: Some(1),
                ..DeploymentSpec::default()
            }),
            ..Deployment::default()
        };
        let mut started = live.clone();
        started.status = Some(DeploymentStatus {
            ready_replicas: Some(1),
            ..DeploymentStatus::default()
        });
        started.metadata.resource_version = Some("9".into());
        started.metadata.annotations = Some([("deployment.kubernetes.io/revision".to_owned(), "1".to_owned())].into());
        assert_eq!(mark(&live), mark(&started));
        let mut edited = live.clone();
        edited.spec = Some(DeploymentSpec {
            replicas: Some(0),
            ..DeploymentSpec::default()
        });
        assert_ne!(mark(&live), mark(&edited));
        let mut labelled = live.clone();
        labelled.metadata.labels = Some([(MANAGED_BY.to_owned(), "someone".to_owned())].into());
        assert_ne!(mark(&live), mark(&labelled));
    }
}
