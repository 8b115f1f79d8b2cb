//! `journey operator`: flags and environment become the operator's settings; ends with the process's signals.

use super::{
    retention::{self, RetentionArgs},
    store_check,
};
use crate::{
    clock,
    expression::time::duration,
    keys::Keys,
    operator::{self, Settings, metrics::Metrics, rbac, watch::Health},
    personal::Personal,
    status_server::{self, Flag, Status},
    store::{Grade, postgres::Postgres},
};
use anyhow::Context as _;
use prometheus_client::registry::Registry;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The operator's own namespace, of its Lease and the master keys.
    #[arg(long, env = "POD_NAMESPACE", default_value = "journey-system")]
    namespace: String,
    /// A namespace whose journeys run; may be repeated. Left out: all namespaces.
    #[arg(long = "watch", env = "JOURNEY_WATCH", value_delimiter = ',')]
    watch: Vec<String>,
    /// The image of runners and gateways.
    #[arg(
        long,
        env = "JOURNEY_IMAGE",
        required_unless_present = "print_rbac",
        default_value_if("print_rbac", "true", "")
    )]
    image: Option<String>,
    /// PostgreSQL with the role that owns the schema: postgres://ROLE:PASSWORD@HOST:PORT/DATABASE?sslmode=require
    #[arg(
        long,
        env = "JOURNEY_DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "print_rbac"
    )]
    database: Option<String>,
    /// File with the PEM of the authority that signed PostgreSQL's certificate. Left out: the authorities of the system.
    #[arg(long, env = "JOURNEY_DATABASE_CA")]
    database_ca: Option<PathBuf>,
    /// Connections to PostgreSQL at most.
    #[arg(long, env = "JOURNEY_DATABASE_CONNECTIONS", default_value_t = 8)]
    database_connections: usize,
    /// A standby that the numbers of statuses are read from, with a role that may read. Left out, and while it is away: that of --database.
    #[arg(long, env = "JOURNEY_DATABASE_READ_URL", hide_env_values = true)]
    database_read: Option<String>,
    /// PostgreSQL for runners and gateways, with a role that cannot change the schema. Left out: that of --database.
    #[arg(long, env = "JOURNEY_DATA_DATABASE_URL", hide_env_values = true)]
    data_database: Option<String>,
    /// The Secret with the master keys, in the operator's namespace; made when it is absent, never changed.
    #[arg(long, default_value = "journey-keys")]
    master_keys_secret: String,
    /// How often the numbers of a status may change: 60s, or less for a demonstration.
    #[arg(long, default_value = "60s", value_parser = interval)]
    status_interval: Duration,
    /// Pods of each namespace's gateway.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=64))]
    gateway_replicas: i32,
    /// Objects that are worked on at once.
    #[arg(long, default_value_t = 8, value_parser = concurrency)]
    concurrency: usize,
    /// Where /livez, /readyz and /metrics are served.
    #[arg(long, env = "JOURNEY_STATUS_ADDRESS", default_value = "0.0.0.0:9090")]
    status_address: String,
    #[command(flatten)]
    retention: RetentionArgs,
    /// Prints the rights that the operator needs in each watched namespace, as the rules of a role, and ends.
    #[arg(long)]
    print_rbac: bool,
}

/// Runs until `stop`, or until it may not go on.
pub async fn run(flags: Args, stop: CancellationToken) -> anyhow::Result<()> {
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
    let (ca, connections) = (flags.database_ca.as_deref(), flags.database_connections);
    let mut store = Postgres::connect(&database, ca, connections, keys)?;
    if let Some(standby) = flags.database_read.filter(|url| !url.is_empty()) {
        store = store
            .with_standby(&standby, ca, connections)
            .context("--database-read")?;
    }
    let store = Arc::new(store);
    store_check::tell_once(Arc::clone(&store), Grade::Advice);
    let settings = Settings {
        identity: identity(),
        namespace: flags.namespace,
        watch: flags
            .watch
            .into_iter()
            .filter(|namespace| !namespace.is_empty())
            .collect(),
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
    let forgotten = retention::look_after(
        Arc::clone(&store),
        flags.retention.keep(),
        retention::Rows::register(&mut registry),
    );
    let health = Health::default();
    let migrating = Arc::clone(&store);
    let migrate: operator::Migrate = Box::new(move || {
        let store = Arc::clone(&migrating);
        Box::pin(async move { store.migrate().await })
    });
    let client = client().await?;
    // Who stands by is ready, too: it has nothing to do but to take over.
    let (watches, started) = (Flag::raised("watches"), Flag::raised("started"));
    let status = Status::new(registry).live(watches.clone()).ready(started);
    let probes = status_server::serve(status_server::bind(&flags.status_address).await?, status, stop.clone());
    let looked_after = look_after(health.clone(), watches);
    tokio::select! {
        ended = operator::run(client, settings, store, migrate, metrics, health, stop) => Ok(ended?),
        // It ends at once when told to; the operator may take longer.
        served = async { let served = probes.await; if served.is_ok() { std::future::pending::<()>().await } served } => Ok(served?),
        () = looked_after => Ok(()),
        () = forgotten => Ok(()),
    }
}

/// Lowers the flag while a watch is dead.
async fn look_after(health: Health, watches: Flag) {
    loop {
        let dead = health.dead(clock::now());
        if dead.is_empty() {
            watches.up();
        } else {
            watches.down(format!("these fail: {}", dead.join(", ")));
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

/// Bounded in time: the client's own retries would keep a call for minutes.
async fn client() -> anyhow::Result<kube::Client> {
    let mut config = kube::Config::infer()
        .await
        .context("no cluster: neither a kubeconfig nor a service account was found")?;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(kube::Client::try_from(config)?)
}

/// The pod's name and something of the process's own: a pod that restarts is another candidate.
fn identity() -> String {
    let pod = std::env::var("POD_NAME").unwrap_or_else(|_| "journey-operator".to_owned());
    format!("{pod}_{}", uuid::Uuid::new_v4())
}

fn interval(text: &str) -> Result<Duration, String> {
    let length = duration(text).ok_or("a duration is written like 60s or 5m")?;
    if (clock::SECOND..=clock::HOUR).contains(&length) {
        Ok(Duration::from_micros(length.unsigned_abs()))
    } else {
        Err("from 1s to 60m".to_owned())
    }
}

fn concurrency(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=256).contains(n))
        .ok_or_else(|| "from 1 to 256".to_owned())
}
