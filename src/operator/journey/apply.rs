//! Writes a journey's program to the store, and its runner to the API server.

use super::{
    FINALIZER,
    build::Runner,
    dereference::{self, Facts},
    validate::Judged,
};
use crate::{
    api::Journey,
    operator::{apply, context::Context, error::Error, namespace::put_settings},
    runner,
    store::JourneyRow,
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use serde_json::json;

/// Which revision customers walk.
pub enum Programmed {
    /// That of the present spec.
    Now { revision: String },
    /// The present spec cannot be used; this one goes on.
    LastGood { row: JourneyRow },
    /// The present spec cannot be used, and none ever could.
    Never,
    /// The store did not take it; the revision is the one that was reported last.
    StoreDown { error: Error, revision: Option<String> },
}

/// Puts the finalizer on, before anything is in the store that would have to be cleaned. Returns the journey as it is then.
pub async fn keep_finalizer(context: &Context, journey: &Journey) -> Result<Journey, Error> {
    let known = journey.finalizers();
    if known.iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(journey.clone());
    }
    let finalizers: Vec<&str> = known.iter().map(String::as_str).chain([FINALIZER]).collect();
    let api = Api::<Journey>::namespaced(context.client.clone(), &journey.namespace().unwrap_or_default());
    // The version makes it a compare-and-swap: nobody else's finalizer is lost.
    let patch = json!({"metadata": {"resourceVersion": journey.metadata.resource_version, "finalizers": finalizers}});
    let patched = context
        .call(api.patch(&journey.name_any(), &PatchParams::default(), &Patch::Merge(&patch)))
        .await?;
    Ok(patched)
}

/// Puts the present spec into the store where it may be used, and finds out what runs where it may not.
///
/// # Errors
/// Those of the API server. Those of the store are a part of the answer: they are told before they are tried again.
pub async fn program(context: &Context, facts: &Facts, judged: &Judged) -> Result<Programmed, Error> {
    match try_program(context, facts, judged).await {
        Err(error) if error.is_store() => {
            let status = facts.journey.status.as_ref();
            let revision = status.and_then(|status| status.revision.as_ref()?.stable.clone());
            Ok(Programmed::StoreDown { error, revision })
        }
        other => other,
    }
}

async fn try_program(context: &Context, facts: &Facts, judged: &Judged) -> Result<Programmed, Error> {
    put_settings(context, &facts.namespace).await?;
    if let Some(compiled) = judged.compiled.as_ref().filter(|_| judged.runs()) {
        let row = runner::programs::row(&facts.snapshot.manifests, &compiled.program)?;
        context.store()?.put_journey(&facts.namespace, &row).await?;
        return Ok(Programmed::Now { revision: row.revision });
    }
    let Some(mut row) = dereference::last_good(context, &facts.namespace, &facts.name).await? else {
        return Ok(Programmed::Never);
    };
    // Whoever suspends a journey must not be kept from it by a mistake elsewhere in the spec.
    if row.suspended != facts.journey.spec.suspend {
        row.suspended = facts.journey.spec.suspend;
        context.store()?.put_journey(&facts.namespace, &row).await?;
    }
    Ok(Programmed::LastGood { row })
}

pub async fn runner(context: &Context, facts: &Facts, runner: Runner) -> Result<(), Error> {
    apply::apply(context, &runner.deployment, facts.deployment.as_ref()).await?;
    match runner.budget {
        Some(budget) => apply::apply(context, &budget, facts.budget.as_ref()).await.map(drop),
        None => apply::remove(context, facts.budget.as_ref(), &DeleteParams::background()).await,
    }
}
