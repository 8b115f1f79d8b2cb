//! `journey gateway`: serves a namespace's events, links and pages until it is told to stop.

use super::{store_args::StoreArgs, store_check};
use crate::{
    clock::SystemClock,
    gateway::{self, Limits, Metrics, Options},
    status_server::{self, Flag, Status},
    store::Grade,
};
use prometheus_client::registry::Registry;
use std::{num::NonZeroU32, path::PathBuf, sync::Arc};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub struct GatewayArgs {
    /// The namespace whose events it takes
    #[arg(long, env = "JOURNEY_NAMESPACE")]
    namespace: String,
    /// Where customers and SDKs reach it
    #[arg(long, env = "JOURNEY_LISTEN", default_value = "0.0.0.0:8080", value_name = "ADDRESS")]
    listen: String,
    /// Where probes and Prometheus reach it
    #[arg(
        long,
        env = "JOURNEY_STATUS_ADDRESS",
        default_value = "0.0.0.0:9090",
        value_name = "ADDRESS"
    )]
    status_address: String,
    /// Folder with the adapters' secrets: SECRETNAME/KEY
    #[arg(
        long,
        env = "JOURNEY_SECRETS",
        default_value = "/etc/journey/secrets",
        value_name = "DIR"
    )]
    secrets: PathBuf,
    /// Events a second that one source may send; more are refused with 429
    #[arg(long, env = "JOURNEY_EVENTS_PER_SECOND", default_value = "20000", value_name = "N")]
    events_per_second: NonZeroU32,
    /// Requests under way at a time; more are refused with 503
    #[arg(long, env = "JOURNEY_REQUESTS", default_value = "512", value_name = "N")]
    requests: usize,
    /// Events that may wait in a journey's inbox; beyond it those that it listens for are refused with 503
    #[arg(long, env = "JOURNEY_INBOX", default_value = "1000000", value_name = "N")]
    inbox: u32,
    #[command(flatten)]
    store: StoreArgs,
}

/// Connections to the database, unless a flag says otherwise.
const CONNECTIONS: usize = 8;

pub async fn run(args: GatewayArgs, shutdown: CancellationToken) -> anyhow::Result<()> {
    let GatewayArgs {
        namespace,
        listen,
        status_address,
        secrets,
        events_per_second,
        requests,
        inbox,
        store,
    } = args;
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let (programs, reachable) = (Flag::lowered("programs"), Flag::lowered("store"));
    let status = Status::new(registry).ready(programs.clone()).ready(reachable.clone());
    let probes = tokio::spawn(status_server::serve(
        status_server::bind(&status_address).await?,
        status,
        shutdown.clone(),
    ));

    let listener = status_server::bind(&listen).await?;
    let keys = store.keys()?;
    let store = store.open(keys.clone(), CONNECTIONS)?;
    store_check::tell_once(store.clone(), Grade::Unsafe);
    tracing::info!(namespace, listen, "the gateway listens");
    let limits = Limits {
        events_per_second,
        requests,
        inbox,
        ..Limits::default()
    };
    let options = Options {
        clock: Arc::new(SystemClock),
        namespace,
        listener,
        secrets,
        limits,
        metrics,
        programs,
        reachable,
    };
    let served = gateway::serve(options, store, keys, shutdown.clone()).await;
    shutdown.cancel();
    probes.await??;
    Ok(served?)
}
