//! `journey runner`: the process of one journey's Deployment.

use super::{store_args::StoreArgs, store_check};
use crate::{
    channel::{self, Secrets},
    runner::{self, Metrics, Options},
    status_server::{self, Flag, Status},
    store::Grade,
};
use prometheus_client::registry::Registry;
use std::{path::PathBuf, sync::Arc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Namespace of the journey
    #[arg(long, env = "JOURNEY_NAMESPACE")]
    namespace: String,
    /// Name of the journey
    #[arg(long, env = "JOURNEY_NAME")]
    journey: String,
    /// Folder with the adapters' Secrets, as SECRET/KEY
    #[arg(long, env = "JOURNEY_SECRETS", default_value = "/etc/journey/secrets")]
    secrets: PathBuf,
    /// Where /livez, /readyz and /metrics are answered
    #[arg(
        long,
        env = "JOURNEY_STATUS_ADDRESS",
        default_value = "0.0.0.0:9090",
        value_name = "ADDRESS"
    )]
    status_address: String,
    /// Regions that its pod was placed in and cannot leave; left out: it may be anywhere. Under a policy with residency it runs only where the
    /// policy's regions hold all of them
    #[arg(long, env = "JOURNEY_REGIONS", value_delimiter = ',')]
    regions: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
}

/// Connections to the database, unless a flag says otherwise: one for rounds, one that listens, and some to spare.
const CONNECTIONS: usize = 4;

/// A runner is idle most of the time, and there are many: memory in pages of 2 MB, which the allocator asks for, makes one that is idle take four
/// times as much for itself, and one at work faster by a few percent. So it takes them from when there is much to do. Where the kernel does not let
/// us, it always does.
fn huge_pages(take: bool) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(!take) {
        tracing::debug!(%error, "huge pages stay as they are");
    }
}

pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Args {
        namespace,
        journey,
        secrets,
        status_address,
        regions,
        store,
    } = args;
    let regions = regions.into_iter().filter(|region| !region.is_empty()).collect();
    huge_pages(false);
    let keys = store.keys()?;
    let store = store.open(keys.clone(), CONNECTIONS)?;
    store_check::tell_once(store.clone(), Grade::Unsafe);
    let ready = Flag::lowered("rounds");
    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let status = Status::new(registry).ready(ready.clone());
    let probes = tokio::spawn(status_server::serve(
        status_server::bind(&status_address).await?,
        status,
        shutdown.clone(),
    ));
    let secrets = Secrets::new(secrets);
    let options = Options {
        namespace,
        journey,
        keys,
        owner: Uuid::new_v4(),
        jitter: Arc::new(runner::jitter),
        divide: runner::DIVIDE,
        at_work: Box::new(|| huge_pages(true)),
        metrics,
        ready,
        open: Box::new(move |spec, reads| channel::open(spec, &secrets, reads)),
        regions: Some(regions),
        compiler: runner::programs::compile_all,
    };
    runner::run(options, store, shutdown).await?;
    probes.await??;
    Ok(())
}
