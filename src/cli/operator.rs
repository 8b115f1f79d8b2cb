//! `journey operator`: flags and environment become the operator's settings; ends with the process's signals.

use crate::{
    clock,
    keys::Keys,
    operator::{self, Settings, metrics::Metrics, rbac, watch::Health},
    personal::Personal,
    store::postgres::Postgres,
};
use anyhow::Context as _;
use clap::Args;
use prometheus_client::registry::Registry;
use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

#[derive(Debug, Args)]
pub struct Operator {
    /// The operator's own namespace, of its Lease and the master keys.
    #[arg(long, env = "POD_NAMESPACE", default_value = "journey-system")]
    namespace: String,
    /// A namespace whose journeys run; may be repeated. Left out: all namespaces.
    #[arg(long = "watch", env = "JOURNEY_WATCH", value_delimiter = ',')]
    watch: Vec<String>,
    /// The image of runners and gateways.
    #[arg(long, env = "JOURNEY_IMAGE", required_unless_present = "print_rbac", default_value_if("print_rbac", "true", ""))]
    image: Option<String>,
    /// PostgreSQL with the role that owns the schema: postgres://ROLE:PASSWORD@HOST:PORT/DATABASE?sslmode=require
    #[arg(long, env = "JOURNEY_DATABASE_URL", hide_env_values = true, required_unless_present = "print_rbac")]
    database: Option<String>,
    /// File with the PEM of the authority that signed PostgreSQL's certificate. Left out: the authorities of the system.
    #[arg(long, env = "JOURNEY_DATABASE_CA")]
    database_ca: Option<PathBuf>,
    /// Connections to PostgreSQL at most.
    #[arg(long, env = "JOURNEY_DATABASE_CONNECTIONS", default_value_t = 8)]
    database_connections: usize,
    /// PostgreSQL for runners and gateways, with a role that cannot change the schema. Left out: that of --database.
    #[arg(long, env = "JOURNEY_DATA_DATABASE_URL", hide_env_values = true)]
    data_database: Option<String>,
    /// The Secret with the master keys, in the operator's namespace; made when it is absent, never changed.
    #[arg(long, default_value = "journey-keys")]
    master_keys_secret: String,
    /// How often the numbers of a status may change: 60s, or less for a demonstration.
    #[arg(long, default_value = "60s", value_parser = seconds)]
    status_interval: Duration,
    /// Pods of each namespace's gateway.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=64))]
    gateway_replicas: i32,
    /// Objects that are worked on at once.
    #[arg(long, default_value_t = 8, value_parser = concurrency)]
    concurrency: usize,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "JOURNEY_STATUS_ADDRESS", default_value = "0.0.0.0:9090")]
    status_address: SocketAddr,
    /// Prints the rights that the operator needs in each watched namespace, as the rules of a role, and ends.
    #[arg(long)]
    print_rbac: bool,
}

/// Runs until SIGTERM or SIGINT, or until it may not go on.
pub async fn run(flags: Operator) -> anyhow::Result<()> {
    if flags.print_rbac {
        print!("{}", rbac::print(&rbac::watched()));
        return Ok(());
    }
    let image = flags.image.context("--image names the image of runners and gateways")?;
    let database = flags.database.context("--database says where PostgreSQL is")?;
    let database_ca = match &flags.database_ca {
        Some(path) => Some(std::fs::read_to_string(path).with_context(|| format!("--database-ca {}", path.display()))?),
        None => None,
    };
    // The operator reads nothing that is sealed: it needs no namespace's keys.
    let keys = Keys::ephemeral();
    let store = Arc::new(Postgres::connect(&database, database_ca.as_deref(), flags.database_connections, keys)?);
    let settings = Settings {
        identity: identity(),
        namespace: flags.namespace,
        watch: flags.watch.into_iter().filter(|namespace| !namespace.is_empty()).collect(),
        image,
        data_database: Personal::new(flags.data_database.filter(|url| !url.is_empty()).unwrap_or(database)),
        database_ca,
        master_keys_secret: flags.master_keys_secret,
        status_interval: flags.status_interval,
        gateway_replicas: flags.gateway_replicas,
        concurrency: flags.concurrency,
    };

    let mut registry = Registry::default();
    let metrics = Metrics::new(&mut registry);
    let health = Health::default();
    let stop = stop_on_signals()?;
    let migrating = Arc::clone(&store);
    let migrate: operator::Migrate = Box::new(move || {
        let store = Arc::clone(&migrating);
        Box::pin(async move { store.migrate().await })
    });
    let client = client().await?;
    let watched = health.clone();
    let status = serve(flags.status_address, registry, move || watched.dead(clock::now()));
    tokio::select! {
        ended = operator::run(client, settings, store, migrate, metrics, health, stop) => Ok(ended?),
        served = status => served,
    }
}

/// Bounded in time: the client's own retries would keep a call for minutes.
async fn client() -> anyhow::Result<kube::Client> {
    let mut config = kube::Config::infer().await.context("no cluster: neither a kubeconfig nor a service account was found")?;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(kube::Client::try_from(config)?)
}

/// The pod's name and something of the process's own: a pod that restarts is another candidate.
fn identity() -> String {
    let pod = std::env::var("POD_NAME").unwrap_or_else(|_| "journey-operator".to_owned());
    format!("{pod}_{}", uuid::Uuid::new_v4())
}

fn stop_on_signals() -> anyhow::Result<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
        told.cancel();
    });
    Ok(stop)
}

/// Probes and metrics.
async fn serve(
    address: SocketAddr,
    registry: Registry,
    dead: impl Fn() -> Vec<String> + Clone + Send + Sync + 'static,
) -> anyhow::Result<()> {
    use axum::{Router, http::StatusCode, routing::get};
    let registry = Arc::new(registry);
    let live = move || {
        let dead = dead();
        async move {
            if dead.is_empty() {
                (StatusCode::OK, "ok".to_owned())
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, format!("watches that fail: {}", dead.join(", ")))
            }
        }
    };
    let metrics = move || {
        let mut text = String::new();
        let written = prometheus_client::encoding::text::encode(&mut text, &registry);
        async move {
            match written {
                Ok(()) => (StatusCode::OK, text),
                Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
            }
        }
    };
    let app = Router::new()
        .route("/livez", get(live))
        .route("/readyz", get(|| async { "ok" }))
        .route("/metrics", get(metrics));
    let listener = tokio::net::TcpListener::bind(address).await.with_context(|| format!("--status-address {address}"))?;
    axum::serve(listener, app).await?;
    Ok(())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| "a duration is written like 60s or 5m".to_owned())?;
    let seconds = match unit {
        "s" | "" => number,
        "m" => number.saturating_mul(60),
        _ => return Err("a duration is written like 60s or 5m".to_owned()),
    };
    if (1..=3_600).contains(&seconds) { Ok(Duration::from_secs(seconds)) } else { Err("from 1s to 60m".to_owned()) }
}

fn concurrency(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| (1..=256).contains(n)).ok_or_else(|| "from 1 to 256".to_owned())
}
