//! Reads what the gateway is made from. Cached, but for the Secrets.

use super::build::GATEWAY;
use crate::{
    compile,
    operator::{
        cache::Snapshot,
        context::Context,
        error::Error,
        secrets::{self, Found},
    },
};
use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Service, policy::v1::PodDisruptionBudget},
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::Resource;
use std::{collections::BTreeSet, sync::Arc};

/// A namespace as of one instant.
pub struct Facts {
    pub namespace: String,
    /// Adapters by which events come in: the gateway is theirs and goes with the last of them.
    pub owners: Vec<OwnerReference>,
    pub secrets: Found,
    /// Where the gateway may run; None: anywhere.
    pub regions: Option<BTreeSet<String>>,
    pub deployment: Option<Arc<Deployment>>,
    pub service: Option<Arc<Service>>,
    pub budget: Option<Arc<PodDisruptionBudget>>,
}

pub async fn read(context: &Context, namespace: &str, snapshot: Arc<Snapshot>) -> Result<Facts, Error> {
    let owner = |name: &String| {
        let adapter = context.cache.adapters.get(namespace, name)?;
        adapter.0.as_ref().ok()?.owner_ref(&())
    };
    // Not those that messages go out by: the pod that faces the internet holds no login of a provider.
    let refs = compile::secrets(&snapshot.manifests, None);
    Ok(Facts {
        namespace: namespace.to_owned(),
        regions: compile::gateway_regions(&snapshot.manifests),
        owners: snapshot.doors().filter_map(owner).collect(),
        secrets: secrets::find(context, namespace, refs).await?,
        deployment: context.cache.deployments.get(namespace, GATEWAY),
        service: context.cache.services.get(namespace, GATEWAY),
        budget: context.cache.budgets.get(namespace, GATEWAY),
    })
}
