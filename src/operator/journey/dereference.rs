//! Reads all that a journey's pass needs. Cached, but for Secrets, and for the last good revision, which the store keeps.

use super::{apply::Programmed, validate::Judged};
use crate::{
    api::Journey,
    compile::{self, Manifests},
    operator::{
        cache::Snapshot,
        context::Context,
        error::Error,
        secrets::{self, Found},
    },
    store::JourneyRow,
};
use k8s_openapi::api::{apps::v1::Deployment, policy::v1::PodDisruptionBudget};
use std::sync::Arc;

/// A journey and its surroundings as of one instant.
pub struct Facts {
    pub journey: Journey,
    pub namespace: String,
    pub name: String,
    pub snapshot: Arc<Snapshot>,
    /// Secrets of the adapters that the present spec sends by.
    pub secrets: Found,
    pub deployment: Option<Arc<Deployment>>,
    pub budget: Option<Arc<PodDisruptionBudget>>,
}

pub async fn read(context: &Context, journey: Journey, namespace: &str, name: &str) -> Result<Facts, Error> {
    let snapshot = context.cache.snapshot(namespace);
    let secrets = secrets::find(context, namespace, compile::secrets(&snapshot.manifests, Some(name))).await?;
    let runner = runner_name(name);
    Ok(Facts {
        journey,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        secrets,
        deployment: context.cache.deployments.get(namespace, &runner),
        budget: context.cache.budgets.get(namespace, &runner),
        snapshot,
    })
}

/// The Deployment of a journey.
pub fn runner_name(journey: &str) -> String {
    format!("{journey}-runner")
}

/// What the runner's pods are drawn from; None: nothing runs, or it is not known what should, and what there is stays as it is.
pub async fn runner(
    context: &Context,
    facts: &Facts,
    judged: &Judged,
    programmed: &Programmed,
) -> Result<Option<Found>, Error> {
    match programmed {
        Programmed::Now { .. } => Ok(Some(facts.secrets.clone())),
        Programmed::LastGood { row } => {
            let manifests = last_manifests(&facts.snapshot.manifests, row);
            let refs = compile::secrets(&manifests, Some(&facts.name));
            secrets::find(context, &facts.namespace, refs).await.map(Some)
        }
        // A revision is in the store, and the present spec would be the next: its pods can still be kept.
        Programmed::StoreDown { revision: Some(_), .. } if judged.runs() => Ok(Some(facts.secrets.clone())),
        Programmed::StoreDown { .. } | Programmed::Never => Ok(None),
    }
}

/// The revision that is current in the store; None: none ever was.
pub async fn last_good(context: &Context, namespace: &str, journey: &str) -> Result<Option<JourneyRow>, Error> {
    // No namespace ever has the version -1: everything comes.
    let programs = context.store()?.programs(namespace, -1).await?.unwrap_or_default();
    let current = programs
        .journeys
        .into_iter()
        .find(|stored| stored.row.journey == journey && stored.current && !stored.stopped);
    Ok(current.map(|stored| stored.row))
}

/// A revision on the namespace as it is now. One that an earlier version wrote and this one cannot read is drawn without its own Secrets.
fn last_manifests(now: &Manifests, row: &JourneyRow) -> Manifests {
    match serde_json::from_value::<Manifests>(row.body.clone()) {
        Ok(pinned) => now.clone().with(pinned),
        Err(_) => now.clone(),
    }
}
