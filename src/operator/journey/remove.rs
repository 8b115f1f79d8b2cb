//! A journey goes: it stops at once, then its runner goes, then its rows, then the finalizer. Each pass does what is left to do.

use super::{FINALIZER, dereference::runner_name};
use crate::{
    api::Journey,
    clock,
    operator::{
        apply,
        cache::Guarded,
        condition::{Truth, Verdict, conditions},
        context::Context,
        error::Error,
        queue::Next,
        reason::{Reason, Subject},
        status,
        unit::{Kind, Unit},
    },
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Api,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;
use std::time::Duration;

/// How long the runner's pods may take to go: their grace period, and some more. Then the rows go without waiting (the store writes nothing
/// for a journey that is stopped).
const PATIENCE: clock::Micros = 45 * clock::SECOND;
/// How soon to look again; the Deployment's own end wakes the pass earlier.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub async fn settle(context: &Context, namespace: &str, name: &str, meta: &ObjectMeta) -> Result<Next, Error> {
    let finalizers = meta.finalizers.as_deref().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(Next::Rest);
    }
    // The runner goes even while the store is down: it is the API server's to end.
    let runner = context.cache.deployments.get(namespace, &runner_name(name));
    let stopped = match context.store() {
        Ok(store) => store.stop_journey(namespace, name).await.map_err(Error::from),
        Err(error) => Err(error),
    };
    apply::remove(context, runner.as_ref(), &DeleteParams::foreground()).await?;
    if let Err(error) = stopped {
        tell(context, namespace, name, meta, &error).await?;
        return Err(error);
    }
    let began = meta.deletion_timestamp.as_ref().map_or(0, |at| at.0.as_microsecond());
    if runner.is_some() && clock::now() - began < PATIENCE {
        return Ok(Next::After(LOOK_AGAIN));
    }
    context.store()?.remove_journey(namespace, name).await?;

    let others: Vec<&String> = finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    let patch = json!({"metadata": {"resourceVersion": meta.resource_version, "finalizers": others}});
    let api = Api::<Guarded<Journey>>::namespaced(context.client.clone(), namespace);
    match context
        .call(api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)))
        .await
    {
        Ok(_) => Ok(Next::Rest),
        Err(error) if error.is_not_found() => Ok(Next::Rest),
        // Somebody changed it meanwhile: the watch will show it.
        Err(error) if error.is_conflict() => Ok(Next::After(Duration::from_secs(1))),
        Err(error) => Err(error),
    }
}

/// Why the object is still there.
async fn tell(context: &Context, namespace: &str, name: &str, meta: &ObjectMeta, error: &Error) -> Result<(), Error> {
    let unit = Unit::object(Kind::Journey, namespace, name);
    let Some(object) = context.cache.journeys.get(namespace, name) else {
        return Ok(());
    };
    let Ok(journey) = &object.0 else { return Ok(()) };
    let before = status::before(context, &unit, journey);
    let message = format!(
        "the journey goes once the store is cleaned of it: {error}. When the store is gone for good, remove the finalizer: \
         kubectl -n {namespace} patch journey {name} --type=json -p '[{{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}}]'"
    );
    let verdicts = [
        Verdict::new(
            Subject::Ready,
            Truth::False,
            Reason::Deleting,
            "the journey is being deleted",
        ),
        Verdict::new(
            Subject::Programmed,
            Truth::False,
            Reason::StoreUnavailable,
            message.clone(),
        ),
        Verdict::new(Subject::Reconciling, Truth::True, Reason::Deleting, message),
    ];
    let conditions = conditions(&before.conditions, &verdicts, meta.generation, clock::now());
    let mut told = journey.status.clone().unwrap_or_default();
    told.observed_generation = meta.generation;
    told.conditions = conditions.clone();
    status::write::<Journey>(context, &unit, meta, &before, serde_json::to_value(told)?, &conditions).await
}
