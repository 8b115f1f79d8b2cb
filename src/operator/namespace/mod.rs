//! What the objects of a namespace share: the settings in the store, the Secret journey-store, and the gateway where events come in.
//!
//! Journeys ask for the first two before their own turn ([`prepare`], [`put_settings`]); the gateway is kept by the namespace's own turn ([`settle`]).

mod apply;
mod build;
mod dereference;

pub use apply::{Ground, Grounds, prepare, put_settings};
pub use build::{GATEWAY, budget, labels, meta};

use super::{context::Context, error::Error, queue::Next};
use std::{sync::Arc, time::Duration};

/// The Secret is not watched (that would ask for the right to read all Secrets): it is looked after this often.
const AGAIN: Duration = Duration::from_secs(60);

/// One pass over a namespace.
pub async fn settle(context: &Arc<Context>, namespace: &str) -> Result<Next, Error> {
    let snapshot = context.cache.snapshot(namespace);
    if snapshot.is_empty() {
        apply::clear(context, namespace).await?;
        return Ok(Next::Rest);
    }
    if !snapshot.in_use() {
        // Journeys on their way out need what there is, and nothing new.
        return Ok(Next::After(AGAIN));
    }
    let ground = match prepare(context, namespace).await {
        Err(error) if error.is_namespace_ending() => return Ok(Next::Rest),
        other => other?,
    };
    let facts = dereference::read(context, namespace, snapshot).await?;
    let gateway = build::gateway(&facts, &ground, &context.settings);
    apply::gateway(context, &facts, gateway).await?;
    // Last, so that a store that is down keeps no gateway from being repaired.
    put_settings(context, namespace).await?;
    // A Secret that is missing may come: it changes the pods.
    Ok(Next::After(if facts.secrets.missing.is_empty() {
        AGAIN
    } else {
        super::SOON
    }))
}
