//! `journey runner`: the process of one journey's Deployment.

use super::store_args::StoreArgs;
use crate::{
    channel::{self, Secrets},
    runner::{self, Options},
    status_server::{self, Status},
};
use std::{net::SocketAddr, path::PathBuf};
use tokio_util::sync::CancellationToken;

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
    #[arg(long, env = "JOURNEY_STATUS_ADDRESS", default_value = "0.0.0.0:9090")]
    status_address: SocketAddr,
    #[command(flatten)]
    store: StoreArgs,
}

pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Args { namespace, journey, secrets, status_address, store } = args;
    let keys = store.keys()?;
    let store = store.open(4).await?;
    let mut status = Status::default();
    let ready = status.flag("programs loaded and shards offered");
    let status = status_server::bind(status_address, status).await?;
    let secrets = Secrets::new(secrets);
    let options = Options {
        namespace,
        journey,
        keys,
        ready: Box::new(move |now| ready.set(now)),
        open: Box::new(move |spec, reads| channel::open(spec, &secrets, reads)),
    };
    let answering = tokio::spawn(status.serve(shutdown.clone()));
    runner::run(options, store, shutdown).await?;
    answering.await??;
    Ok(())
}
