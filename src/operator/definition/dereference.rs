//! Reads what a definition is judged by: its namespace, and the Secrets that an adapter names.

use crate::{
    compile,
    operator::{
        cache::Snapshot,
        context::Context,
        error::Error,
        namespace::GATEWAY,
        secrets::{self, Found},
        unit::{Declared, Kind},
    },
};
use std::sync::Arc;

pub struct Facts {
    pub name: String,
    pub snapshot: Arc<Snapshot>,
    pub secrets: Found,
    /// Of an adapter by which events come in: whether a gateway is ready to take them. None: it needs none.
    pub gateway_ready: Option<bool>,
}

pub async fn read<K: Declared>(context: &Context, namespace: &str, name: &str) -> Result<Facts, Error> {
    let snapshot = context.cache.snapshot(namespace);
    let adapter = match K::KIND {
        Kind::ChannelAdapter => snapshot.manifests.adapters.get(name),
        Kind::CustomerProfile | Kind::PrivacyPolicy | Kind::Touchpoint | Kind::Journey => None,
    };
    let refs = adapter.map(|spec| compile::secrets_of(name, spec)).unwrap_or_default();
    let ready = || {
        let gateway = context.cache.deployments.get(namespace, GATEWAY);
        gateway
            .and_then(|gateway| gateway.status.as_ref()?.ready_replicas)
            .is_some_and(|ready| ready > 0)
    };
    let gateway_ready = adapter.is_some_and(|spec| spec.http.is_some()).then(ready);
    let secrets = secrets::find(context, namespace, refs).await?;
    Ok(Facts {
        name: name.to_owned(),
        secrets,
        gateway_ready,
        snapshot,
    })
}
