//! The way in: events over HTTP, clicks on tracked links, withdrawals of consent.
//!
//! An event's way, a file a step: `receive` (who calls, how much) → `cloudevents` or `segment` (what the bytes say) → `offer` (which
//! touchpoint, is it allowed, whose is it: an arrival or a reason to put it aside) → `commit` (many requests, one transaction; `learn` and
//! `hear` are its pure part) → the answer, only now. `schedule` brings what happens by the clock. `click`, `unsubscribe`, `confirm`, `preferences`, `choice` and `survey` serve the links in messages, `slots` what site and app show. `view` keeps what all of it runs by: the
//! namespace's compiled programs, refreshed from the store every second.
//!
//! Knows no Kubernetes, no journey's inside and no channel. Journeys learn of events through inbox rows in the store, nothing else.

mod attribute;
mod body;
mod change;
mod choice;
mod click;
mod cloudevents;
mod commit;
mod confirm;
mod cors;
mod hear;
mod incoming;
mod learn;
mod limit;
mod metrics;
mod offer;
mod page;
mod preferences;
mod pressure;
mod receipt;
mod receive;
mod refusal;
mod replay;
mod schedule;
mod segment;
mod server;
mod signals;
mod slots;
mod survey;
mod unsubscribe;
mod view;
mod write_key;

pub use attribute::{of_json, of_text};
pub use choice::{chosen_by, learn_choice};
pub use click::of_message;
pub use confirm::{confirmation, learn_confirmation};
pub use incoming::{Broken, Incoming};
pub use learn::Learning;
pub use limit::Limits;
pub use metrics::Metrics;
pub use offer::{Offer, Reason, offer};
pub use receipt::{BECAME as RECEIPTS, TYPE as RECEIPT, messages as of_receipts};
pub use refusal::Refusal;
pub use replay::{Replayed, replay};
pub use schedule::strike;
pub use slots::{TELLS, highest};
pub use unsubscribe::{learn_withdrawal, withdrawal};
pub use view::{View, read_settings};

use crate::{clock::Clock, keys::Keys, status_server::Flag, store::Store};
use axum::{
    Router, middleware,
    routing::{get, post},
};
use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    #[error("the gateway's socket failed: {0}")]
    Socket(#[from] std::io::Error),
    #[error("a task of the gateway ended unexpectedly: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// What a gateway needs to know besides its store and keys.
#[derive(Debug)]
pub struct Options {
    pub namespace: String,
    /// Where it listens; already bound, so that a port taken by another is an error at the start.
    pub listener: TcpListener,
    /// Adapters' secrets, mounted as SECRETNAME/KEY.
    pub secrets: PathBuf,
    pub limits: Limits,
    pub metrics: Metrics,
    /// The machine's, but where time is virtual.
    pub clock: Arc<dyn Clock>,
    /// Set once programs are there to answer by.
    pub programs: Flag,
    /// Set while the store answers.
    pub reachable: Flag,
}

/// What all requests share.
pub struct Gateway {
    namespace: String,
    store: Arc<dyn Store>,
    keys: Keys,
    view: RwLock<Arc<View>>,
    write_keys: RwLock<Arc<write_key::WriteKeys>>,
    limits: Limits,
    gate: limit::Gate,
    queue: commit::Queue,
    full: pressure::Full,
    clicks: click::Recorder,
    metrics: Metrics,
    clock: Arc<dyn Clock>,
}

impl Gateway {
    /// A gateway that knows no programs yet, and the groups that its committers take; [`Gateway::adopt`] gives it some.
    fn new(
        namespace: &str,
        store: Arc<dyn Store>,
        keys: Keys,
        limits: Limits,
        metrics: Metrics,
        clock: Arc<dyn Clock>,
    ) -> (Arc<Self>, commit::Groups) {
        let (queue, groups) = commit::queue(metrics.clone());
        let gateway = Self {
            namespace: namespace.to_owned(),
            store,
            keys,
            view: RwLock::default(),
            write_keys: RwLock::default(),
            gate: limit::Gate::new(&limits),
            limits,
            queue,
            full: pressure::Full::default(),
            clicks: click::Recorder::default(),
            metrics,
            clock,
        };
        (Arc::new(gateway), groups)
    }

    /// The programs as of now; requests under way keep the ones they began with.
    fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn adopt(&self, view: View) {
        self.metrics.programs(view.version);
        self.gate.adopt(&view.intake.sources, &self.limits);
        *self.view.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(view);
    }

    fn write_keys(&self) -> Arc<write_key::WriteKeys> {
        Arc::clone(&self.write_keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves a namespace until `shutdown`; then takes no new connections, finishes the requests under way and commits what they brought.
pub async fn serve(
    options: Options,
    store: Arc<dyn Store>,
    keys: Keys,
    shutdown: CancellationToken,
) -> Result<(), GatewayError> {
    let Options {
        namespace,
        listener,
        secrets,
        limits,
        metrics,
        clock,
        programs,
        reachable,
    } = options;
    let (gateway, groups) = Gateway::new(&namespace, store, keys, limits, metrics, clock);

    let refreshing = shutdown.child_token();
    let mut tasks = JoinSet::new();
    tasks.spawn(view::refresh(
        Arc::clone(&gateway),
        secrets,
        programs,
        reachable,
        refreshing,
    ));
    tasks.spawn(pressure::watch(Arc::clone(&gateway), shutdown.child_token()));
    tasks.spawn(schedule::run(Arc::clone(&gateway), shutdown.child_token()));
    // Committers end by themselves, after the last ticket, once they are told that no more come.
    let no_more = CancellationToken::new();
    for _ in 0..commit::COMMITTERS {
        tasks.spawn(commit::commit(Arc::clone(&gateway), groups.clone(), no_more.clone()));
    }

    let served = server::run(listener, router(Arc::clone(&gateway)), &gateway.limits, &shutdown).await;
    gateway.clicks.drain().await;
    no_more.cancel();
    shutdown.cancel();
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(served?)
}

/// All routes. Segment's short paths are those that its browser SDK calls.
fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/v1/events", post(receive::cloud_events))
        .route("/v1/batch", post(receive::segment_batch))
        .route("/v1/b", post(receive::segment_batch))
        .route("/v1/choices", post(choice::call))
        .route("/v1/slots/{slot}", post(slots::ask))
        .route("/v1/passes", post(slots::pass))
        .route("/v1/placed/{token}/{became}", post(slots::tell))
        .route("/v1/{call}", post(receive::segment_call))
        .route("/l/{token}", get(click::follow))
        .route("/c/{token}", get(choice::ask).post(choice::act))
        .route("/k/{token}", get(confirm::ask).post(confirm::act))
        .route("/p/{token}", get(preferences::ask).post(preferences::act))
        .route("/s/{token}", get(survey::ask).post(survey::answer))
        .route("/u/{token}", get(unsubscribe::ask).post(unsubscribe::withdraw))
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), limit::admit))
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), cors::answer))
        .layer(middleware::from_fn_with_state(Arc::clone(&gateway), metrics::measure))
        .layer(tower_http::catch_panic::CatchPanicLayer::new())
        .with_state(gateway)
}
