//! Writes what a namespace's objects share: to the store and to the API server.

use super::{
    build::{self, GATEWAY, Gateway},
    dereference::Facts,
};
use crate::{
    compile,
    keys::{self, Keys},
    operator::{
        apply::{self, MANAGED_BY, MANAGER},
        context::Context,
        error::Error,
        pod::STORE_SECRET,
        secrets::Found,
    },
};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, Patch, PatchParams},
};
use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// How long the Secret is believed to be as it was seen.
const SECRET_GOOD_FOR: Duration = Duration::from_secs(5);
/// Settings are put again after this long, for a store that was set back to a backup.
const SETTINGS_GOOD_FOR: Duration = Duration::from_secs(600);

/// What runners and gateway stand on.
#[derive(Debug, Clone)]
pub struct Ground {
    pub has_ca: bool,
    /// A keyed mark of the store's address, which pods read only once.
    mark: String,
}

impl Ground {
    /// Changes when pods must be made anew: another address of the store, other Secrets or new versions of them.
    pub fn checksum(&self, secrets: &Found) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.mark, &secrets.versions).hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

/// By namespace: when the Secret was seen right, and which settings were put when.
#[derive(Debug, Default)]
pub struct Grounds(Mutex<HashMap<String, Known>>);

#[derive(Debug, Default, Clone, Copy)]
struct Known {
    secret: Option<Instant>,
    settings: Option<(u64, Instant)>,
}

impl Grounds {
    fn get(&self, namespace: &str) -> Known {
        self.lock().get(namespace).copied().unwrap_or_default()
    }

    fn change(&self, namespace: &str, change: impl FnOnce(&mut Known)) {
        change(self.lock().entry(namespace.to_owned()).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Sees to it that the Secret is there.
pub async fn prepare(context: &Context, namespace: &str) -> Result<Ground, Error> {
    let lock = context.lock_of(namespace);
    let _held = lock.lock().await;
    if context
        .grounds
        .get(namespace)
        .secret
        .is_none_or(|at| at.elapsed() > SECRET_GOOD_FOR)
    {
        keep_secret(context, namespace).await?;
        context
            .grounds
            .change(namespace, |known| known.secret = Some(Instant::now()));
    }
    Ok(ground(context, namespace))
}

/// Sees to it that the store has the settings as they are now: programs stand on them.
pub async fn put_settings(context: &Context, namespace: &str) -> Result<(), Error> {
    let lock = context.lock_of(namespace);
    let _held = lock.lock().await;
    // Taken under the lock: of two that come with different settings the later must not write the earlier ones.
    let snapshot = context.cache.snapshot(namespace);
    let settings = serde_json::to_value(compile::settings(&snapshot.manifests))?;
    let mut hasher = DefaultHasher::new();
    settings.to_string().hash(&mut hasher);
    let mark = hasher.finish();
    let known = context.grounds.get(namespace).settings;
    if known.is_none_or(|(put, at)| put != mark || at.elapsed() > SETTINGS_GOOD_FOR) {
        context.store()?.put_settings(namespace, &settings).await?;
        context
            .grounds
            .change(namespace, |known| known.settings = Some((mark, Instant::now())));
    }
    Ok(())
}

fn ground(context: &Context, namespace: &str) -> Ground {
    let settings = &context.settings;
    let derive = |master| keys::derive(master, namespace);
    let keys = Keys::new(&derive(&context.master.seal), &derive(&context.master.mac));
    let address = format!(
        "{}\n{}",
        settings.data_database.expose(),
        settings.database_ca.as_deref().unwrap_or_default()
    );
    let mark = keys
        .sign(address.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ground {
        has_ca: settings.database_ca.is_some(),
        mark,
    }
}

/// Read before it is written: what is right is left alone.
async fn keep_secret(context: &Context, namespace: &str) -> Result<(), Error> {
    let desired = build::store_secret(namespace, &context.settings, &context.master);
    let api = Api::<Secret>::namespaced(context.client.clone(), namespace);
    let live = context.call(api.get_opt(STORE_SECRET)).await?;
    let right = live.is_some_and(|live| {
        let labels = desired
            .metadata
            .labels
            .iter()
            .flatten()
            .all(|(key, value)| live.labels().get(key) == Some(value));
        labels && live.data == desired.data
    });
    if !right {
        context
            .call(api.patch(
                STORE_SECRET,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(&desired),
            ))
            .await?;
    }
    Ok(())
}

pub async fn gateway(context: &Context, facts: &Facts, gateway: Option<Gateway>) -> Result<(), Error> {
    let delete = DeleteParams::background();
    let Some(Gateway {
        deployment,
        service,
        budget,
    }) = gateway
    else {
        apply::remove(context, facts.deployment.as_ref(), &delete).await?;
        apply::remove(context, facts.service.as_ref(), &delete).await?;
        return apply::remove(context, facts.budget.as_ref(), &delete).await;
    };
    apply::apply(context, &deployment, facts.deployment.as_ref()).await?;
    apply::apply(context, &service, facts.service.as_ref()).await?;
    match budget {
        Some(budget) => apply::apply(context, &budget, facts.budget.as_ref()).await.map(drop),
        None => apply::remove(context, facts.budget.as_ref(), &delete).await,
    }
}

/// Nothing is left that needs it: the Secret goes, and the gateway where nobody else has cleaned it up.
pub async fn clear(context: &Arc<Context>, namespace: &str) -> Result<(), Error> {
    {
        let lock = context.lock_of(namespace);
        let _held = lock.lock().await;
        // A journey may have come while we waited.
        if !context.cache.snapshot(namespace).is_empty() {
            return Ok(());
        }
        let delete = DeleteParams::background();
        let cache = &context.cache;
        apply::remove(context, cache.deployments.get(namespace, GATEWAY).as_ref(), &delete).await?;
        apply::remove(context, cache.services.get(namespace, GATEWAY).as_ref(), &delete).await?;
        apply::remove(context, cache.budgets.get(namespace, GATEWAY).as_ref(), &delete).await?;
        let api = Api::<Secret>::namespaced(context.client.clone(), namespace);
        let live = context.call(api.get_opt(STORE_SECRET)).await?;
        if live.is_some_and(|live| live.labels().get(MANAGED_BY).map(String::as_str) == Some(MANAGER)) {
            match context.call(api.delete(STORE_SECRET, &delete)).await {
                Ok(_) => {}
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        context.grounds.lock().remove(namespace);
    }
    context.cache.snapshots.forget(namespace);
    context.forget_lock(namespace);
    Ok(())
}
