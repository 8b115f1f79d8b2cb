//! Reads all that a journey's pass needs. Cached, but for Secrets, and for the last good revision, which the store keeps.

use super::{apply::Programmed, validate::Judged};
use crate::{
    api::Journey,
    compile::Manifests,
    operator::{
        cache::Snapshot,
        context::Context,
        error::Error,
        secrets::{self, Found, Use},
    },
    store::JourneyRow,
};
use k8s_openapi::api::{apps::v1::Deployment, policy::v1::PodDisruptionBudget};
use std::{collections::BTreeSet, sync::Arc};

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
    let secrets = secrets::find(context, namespace, &uses(&snapshot.manifests, name)).await?;
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
            secrets::find(context, &facts.namespace, &uses(&manifests, &facts.name)).await.map(Some)
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
    let current = programs.journeys.into_iter().find(|stored| stored.row.journey == journey && stored.current && !stored.stopped);
    Ok(current.map(|stored| stored.row))
}

/// A revision on the namespace as it is now. One that an earlier version wrote and this one cannot read is drawn without its own Secrets.
fn last_manifests(now: &Manifests, row: &JourneyRow) -> Manifests {
    match serde_json::from_value::<Manifests>(row.body.clone()) {
        Ok(pinned) => now.clone().with(pinned),
        Err(_) => now.clone(),
    }
}

/// Secrets of the adapters that a journey's sends go by.
fn uses(manifests: &Manifests, journey: &str) -> Vec<Use> {
    let steps = manifests.journeys.get(journey).into_iter().flat_map(|journey| &journey.spec.steps);
    let adapters: BTreeSet<&str> = steps
        .filter_map(|step| manifests.touchpoints.get(step.send.as_ref()?.touchpoint.as_str()))
        .filter_map(|touchpoint| Some(touchpoint.outbound.as_ref()?.adapter.as_str()))
        .collect();
    let of = |name| manifests.adapters.get(name).map(|spec| secrets::used(name, spec)).unwrap_or_default();
    adapters.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_runner_gets_the_secrets_of_the_adapters_it_sends_by_and_no_others() {
        let manifests: Manifests = serde_json::from_value(json!({
            "namespace": "shop",
            "journeys": {"cart": {"spec": {"entry": {"triggers": [{"event": "cart"}]}, "steps": [{"name": "a", "send": {"touchpoint": "hello"}}]}}},
            "touchpoints": {"hello": {"channel": "Email", "outbound": {"adapter": "mail", "purpose": "news", "content": {"text": "hi"}}}},
            "adapters": {
                "mail": {"smtp": {"host": "h", "from": "a@b.example", "credentials": {"secretRef": {"name": "mail-login"}}}},
                "web": {"http": {"auth": {"secretRef": {"name": "web-key"}}}}
            }
        }))
        .unwrap();
        let named: Vec<_> = uses(&manifests, "cart").into_iter().map(|used| used.secret).collect();
        assert_eq!(named, ["mail-login"]);
        assert!(uses(&manifests, "nobody").is_empty());
    }
}
