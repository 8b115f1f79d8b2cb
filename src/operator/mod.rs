//! The operator: what is declared becomes programs in the store, runners and gateways in the cluster, and a status that tells the truth.
//! The one room that talks to the API server. It speaks to no customer and reads nothing personal.
//!
//! A change seen by a [`watch`] fills the [`cache`] and puts a [`mod@unit`] on the [`queue`]. A pass over a unit is five steps, a file each:
//! dereference (reads) → validate (pure) → build (pure: the whole desired objects) → apply → status. Every pass does all of them and nobody asks
//! why it was called, so drift is repaired by doing the same again. Units: [`journey`], [`policy`], the three other kinds ([`definition`]), and what the
//! objects of a [`namespace`] share. Mistakes in manifests become [`condition`]s; only what may pass by itself is an [`error`] and is tried again.

pub mod apply;
pub mod cache;
pub mod condition;
pub mod context;
pub mod definition;
pub mod error;
pub mod journey;
pub mod leader;
pub mod master;
pub mod metrics;
pub mod namespace;
pub mod pod;
pub mod policy;
pub mod queue;
pub mod rbac;
pub mod reason;
pub mod secrets;
pub mod status;
pub mod texts;
pub mod unit;
pub mod watch;

use crate::{
    api::{ChannelAdapter, CustomerProfile, Journey, PrivacyPolicy, Touchpoint},
    personal::Personal,
    store::{self, Store},
};
use cache::{Cache, Kept, Snapshots};
use context::{Context, Parts};
use error::Error;
use futures::{FutureExt as _, future::BoxFuture};
use k8s_openapi::{
    NamespaceResourceScope,
    api::{
        apps::v1::Deployment,
        core::v1::{ConfigMap, Service},
        policy::v1::PodDisruptionBudget,
    },
};
use kube::{
    Client, Resource,
    runtime::events::{Recorder, Reporter},
};
use metrics::Metrics;
use queue::{Next, Queue};
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use unit::{Declared, Kind, Unit, What};
use watch::{Health, Watches};

/// Name of the Lease of the leader.
pub const LEASE: &str = "journey-operator";
/// Changes that come together make one pass.
const TOGETHER: Duration = Duration::from_millis(100);
/// How soon a Secret that is missing is looked for again.
const SOON: Duration = Duration::from_secs(5);
/// How long a migration takes at most before conditions say that it is under way.
const QUIET_MIGRATION: Duration = Duration::from_secs(10);
/// The longest pause between attempts to bring the schema up to date.
const LONGEST_MIGRATION_PAUSE: Duration = Duration::from_secs(15);

/// How this operator is to run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its own namespace: of the Lease and the master keys.
    pub namespace: String,
    /// Its own name among its replicas, such as the pod's.
    pub identity: String,
    /// Namespaces whose journeys run; empty: all.
    pub watch: Vec<String>,
    /// The image of runners and gateways.
    pub image: String,
    /// Where runners and gateways find the store; it has a password in it.
    pub data_database: Personal<String>,
    /// The authority of the store's certificate, as PEM.
    pub database_ca: Option<String>,
    pub master_keys_secret: String,
    /// How often the numbers of a status may change.
    pub status_interval: Duration,
    pub gateway_replicas: i32,
    /// Passes at once.
    pub concurrency: usize,
}

/// Brings the store's schema up to date.
pub type Migrate = Box<dyn Fn() -> BoxFuture<'static, store::Result<()>> + Send + Sync>;

/// Why an operator ended other than being told to: the process is to end, and is started anew.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    #[error("the Lease was lost: another operator may lead")]
    LeaseLost,
    #[error("a watch ended")]
    WatchEnded,
    #[error(transparent)]
    Master(#[from] master::MasterError),
}

/// Stands by until it leads, then leads until `stop`.
pub async fn run(
    client: Client,
    settings: Settings,
    store: Arc<dyn Store>,
    migrate: Migrate,
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Ended> {
    let candidate = leader::Candidate::new(client.clone(), &settings.namespace, LEASE, &settings.identity);
    let standing = candidate.run(|| async {
        metrics.leading.set(1);
        tracing::info!("this operator leads");
        lead(client, settings, store, migrate, metrics.clone(), health, stop.clone()).await
    });
    tokio::select! {
        outcome = standing => outcome.unwrap_or(Err(Ended::LeaseLost)),
        // A leader ends by itself, with its passes; this is for those that stand by, and for a leader that takes too long.
        () = async { stop.cancelled().await; tokio::time::sleep(Duration::from_secs(20)).await } => Ok(()),
    }
}

async fn lead(
    client: Client,
    settings: Settings,
    store: Arc<dyn Store>,
    migrate: Migrate,
    metrics: Metrics,
    health: Health,
    stop: CancellationToken,
) -> Result<(), Ended> {
    let master = master::keys(&client, &settings.namespace, &settings.master_keys_secret).await?;
    let queue: Queue<Unit> = Queue::default();
    let mut watches = Watches {
        client: client.clone(),
        namespaces: settings.watch.clone(),
        health,
        tasks: JoinSet::new(),
    };
    // Set once everything is seen; until then changes need no turn, for everything will get one.
    let context: Arc<OnceLock<Arc<Context>>> = Arc::default();
    let cache = watch_all(&mut watches, &context);
    let reporter = Reporter {
        controller: LEASE.to_owned(),
        instance: Some(settings.identity.clone()),
    };
    let recorder = Recorder::new(client.clone(), reporter);
    let (told, migrated) = tokio::sync::watch::channel(Err("its schema is not up to date yet".to_owned()));
    let concurrency = settings.concurrency;
    let parts = Parts {
        client,
        cache,
        recorder,
        metrics,
        settings,
        master,
        queue: queue.clone(),
        store,
        migrated,
    };
    let made = Arc::new(Context::new(parts));

    let begin = async {
        made.cache.seen().await;
        // Nobody is told that the store is not ready while it is being made so, unless that takes long.
        let migrated = migrate_until_done(&migrate, &told).shared();
        let _or_told_then = tokio::time::timeout(QUIET_MIGRATION, migrated.clone()).await;
        context.get_or_init(|| Arc::clone(&made));
        made.cache
            .all_units()
            .into_iter()
            .for_each(|unit| queue.add(unit, Duration::ZERO));
        tracing::info!(units = queue.len(), "everything is seen");
        let work = |unit: Unit| pass(Arc::clone(&made), unit);
        let migrate = async {
            migrated.await;
            made.cache
                .all_units()
                .into_iter()
                .for_each(|unit| queue.add(unit, Duration::ZERO));
            std::future::pending::<()>().await;
        };
        tokio::select! { () = queue.run(concurrency, stop.clone(), work) => {}, () = migrate => {} }
    };
    tokio::select! {
        () = begin => Ok(()),
        () = stop_before(&stop, &context) => Ok(()),
        Some(_) = watches.tasks.join_next() => Err(Ended::WatchEnded),
    }
}

/// Told to stop before everything was seen: there is nothing to end.
async fn stop_before(stop: &CancellationToken, context: &OnceLock<Arc<Context>>) {
    stop.cancelled().await;
    if context.get().is_some() {
        std::future::pending::<()>().await;
    }
}

async fn migrate_until_done(migrate: &Migrate, told: &tokio::sync::watch::Sender<Result<(), String>>) {
    let mut pause = Duration::from_millis(500);
    while let Err(error) = migrate().await {
        tracing::warn!(%error, "the store's schema is not up to date; tried again");
        let _before = told.send_replace(Err(error.to_string()));
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_MIGRATION_PAUSE);
    }
    let _before = told.send_replace(Ok(()));
}

/// One pass, whatever the unit.
async fn pass(context: Arc<Context>, unit: Unit) -> Next {
    let began = Instant::now();
    let outcome = settle(&context, &unit).await;
    context
        .metrics
        .waiting
        .set(i64::try_from(context.queue.len()).unwrap_or(i64::MAX));
    let failed = outcome.as_ref().is_err_and(|error| !error.is_conflict());
    context
        .metrics
        .pass(unit.label(), if failed { "failed" } else { "done" }, began.elapsed());
    match outcome {
        Ok(next) => next,
        // Somebody else was faster, and the watch will show what they did.
        Err(error) if error.is_conflict() => Next::After(Duration::from_secs(1)),
        Err(error) => {
            tracing::warn!(%unit, %error, "a pass failed and is tried again");
            Next::Failed
        }
    }
}

async fn settle(context: &Arc<Context>, unit: &Unit) -> Result<Next, Error> {
    let namespace = &unit.namespace;
    texts::see(context, namespace).await?;
    match &unit.what {
        What::Namespace => namespace::settle(context, namespace).await,
        What::Object(kind, name) => match kind {
            Kind::Journey => journey::settle(context, namespace, name).await,
            Kind::Touchpoint => definition::settle::<Touchpoint>(context, namespace, name).await,
            Kind::ChannelAdapter => definition::settle::<ChannelAdapter>(context, namespace, name).await,
            Kind::PrivacyPolicy => policy::settle(context, namespace, name).await,
            Kind::CustomerProfile => definition::settle::<CustomerProfile>(context, namespace, name).await,
        },
    }
}

/// Starts every watch. A change of an object of ours concerns it and its namespace; a change of a journey, also those that listen for
/// its end; of anything else, also all that may name it. A change of what the operator made concerns its owners.
fn watch_all(watches: &mut Watches, context: &Arc<OnceLock<Arc<Context>>>) -> Cache {
    fn ours<K: Declared>(watches: &mut Watches, context: &Arc<OnceLock<Arc<Context>>>) -> Kept<cache::Guarded<K>> {
        let context = Arc::clone(context);
        watches.ours::<K>(move |meta| {
            let (Some(context), Some(namespace)) = (context.get(), meta.namespace.as_deref()) else {
                return;
            };
            context.cache.snapshots.forget(namespace);
            let itself = meta.name.as_deref().map(|name| Unit::object(K::KIND, namespace, name));
            let others = match K::KIND {
                // Messages of other journeys may offer to join it.
                Kind::Journey
                    if meta
                        .name
                        .as_deref()
                        .is_some_and(|name| texts::offers(context, namespace, name)) =>
                {
                    context.cache.units(namespace)
                }
                Kind::Journey => {
                    let listening = |name| context.cache.listening(namespace, name);
                    let mut others = meta.name.as_deref().map(listening).unwrap_or_default();
                    // They tell how many journeys they govern.
                    others.extend(context.cache.policy_units(namespace));
                    others
                }
                Kind::CustomerProfile | Kind::PrivacyPolicy | Kind::ChannelAdapter | Kind::Touchpoint => {
                    context.cache.units(namespace)
                }
            };
            let all = itself.into_iter().chain([Unit::namespace(namespace)]).chain(others);
            all.for_each(|unit| context.queue.add(unit, TOGETHER));
        })
    }
    fn made<K>(watches: &mut Watches, context: &Arc<OnceLock<Arc<Context>>>) -> Kept<K>
    where
        K: apply::Made + Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let context = Arc::clone(context);
        let labels = format!("{}={}", apply::MANAGED_BY, apply::MANAGER);
        watches.made::<K>(&labels, move |meta| {
            if let Some(context) = context.get() {
                apply::owners(meta)
                    .into_iter()
                    .for_each(|unit| context.queue.add(unit, TOGETHER));
            }
        })
    }
    let config_maps = {
        let context = Arc::clone(context);
        watches.seen::<ConfigMap>(move |meta| {
            let (Some(context), Some(namespace), Some(name)) =
                (context.get(), meta.namespace.as_deref(), meta.name.as_deref())
            else {
                return;
            };
            if texts::concerns(context, namespace, name) {
                let all = [Unit::namespace(namespace)]
                    .into_iter()
                    .chain(context.cache.units(namespace));
                all.for_each(|unit| context.queue.add(unit, TOGETHER));
            }
        })
    };
    Cache {
        config_maps,
        texts: texts::Texts::default(),
        journeys: ours::<Journey>(watches, context),
        touchpoints: ours::<Touchpoint>(watches, context),
        adapters: ours::<ChannelAdapter>(watches, context),
        policies: ours::<PrivacyPolicy>(watches, context),
        profiles: ours::<CustomerProfile>(watches, context),
        deployments: made::<Deployment>(watches, context),
        services: made::<Service>(watches, context),
        budgets: made::<PodDisruptionBudget>(watches, context),
        snapshots: Snapshots::default(),
    }
}
