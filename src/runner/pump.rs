//! The loop of a runner: keep the leases, keep the programs, run rounds, hand the claims to the lanes, and stop cleanly.

use super::{
    claim::Claim,
    dispatch::{Jitter, Lanes},
    metrics::Metrics,
    programs::{self, Loaded},
    turn::Turn,
};
use crate::{
    api::channel_adapter::ChannelAdapterSpec,
    channel::{Channel, OpenError, Reads},
    keys::{Keys, MessageKey},
    kpi::Counts,
    status_server::Flag,
    store::{Handed, Hold, Round, RoundRequest, RoundResult, Store, StoreError},
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a lease lasts without a heartbeat: what a takeover waits for.
const LEASE: Duration = Duration::from_secs(5);
const HEARTBEAT: Duration = Duration::from_millis(1500);
/// How often the store is asked for newer programs. Of a suspension or a new revision the next round tells at once.
const REFRESH: Duration = Duration::from_secs(1);
/// The safety net below wake-ups.
const POLL: Duration = Duration::from_secs(1);
/// Customers of one round, at most.
const ROUND: u32 = 200;
/// How long a stopping runner waits for messages under way.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause after an error of the store: doubled from the first to the second. Shorter than a heartbeat, so that whoever lived through an outage
/// is back before others take its shards for free.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a runner needs to know of the world.
pub struct Options {
    pub namespace: String,
    pub journey: String,
    pub keys: Keys,
    /// Who holds the leases: another one at each start, so that nothing of a process that died is taken for its own.
    pub owner: Uuid,
    /// What spreads retries: [`super::jitter`].
    pub jitter: Jitter,
    /// Up while rounds happen.
    pub ready: Flag,
    pub metrics: Metrics,
    /// How channels are opened: [`crate::channel::open`], or what `journey dev` sends mail to.
    pub open: ChannelOpener,
    /// [`programs::compile_all`], or where runners start by the thousand one that remembers what it gave.
    pub compiler: programs::Compiler,
}

pub type ChannelOpener = Box<dyn Fn(&ChannelAdapterSpec, Reads) -> Result<Arc<dyn Channel>, OpenError> + Send + Sync>;

/// Runs until `shutdown`; then takes nothing new, waits for what is under way, writes its outcomes and gives the shards back.
pub async fn run(options: Options, store: Arc<dyn Store>, shutdown: CancellationToken) -> Result<(), RunnerError> {
    let (lanes, fates) = Lanes::new(options.jitter.clone());
    let mut pump = Pump {
        store,
        lanes,
        fates,
        loaded: Loaded::default(),
        refreshed: None,
        hold: None,
        beaten: None,
        outcomes: Vec::new(),
        in_flight: BTreeSet::new(),
        back_off: BACK_OFF.0,
        draining: false,
        options,
    };
    while !shutdown.is_cancelled() {
        if let Err(error) = pump.turn_once(&shutdown).await {
            tracing::warn!(%error, "the round did not happen; it is tried again");
            pump.options.ready.down("the store is away");
            let pause = pump.back_off;
            pump.back_off = (pause * 2).min(BACK_OFF.1);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        } else {
            pump.back_off = BACK_OFF.0;
        }
    }
    pump.stop().await;
    Ok(())
}

struct Pump {
    options: Options,
    store: Arc<dyn Store>,
    lanes: Lanes,
    fates: mpsc::UnboundedReceiver<Handed>,
    loaded: Loaded,
    refreshed: Option<Instant>,
    hold: Option<Hold>,
    beaten: Option<Instant>,
    /// Heard of, but not committed yet.
    outcomes: Vec<Handed>,
    in_flight: BTreeSet<MessageKey>,
    back_off: Duration,
    draining: bool,
}

impl Pump {
    async fn turn_once(&mut self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        self.refresh().await?;
        if !self.loaded.alive {
            self.give_back().await?;
            self.options.ready.up();
            self.rest(shutdown).await;
            return Ok(());
        }
        self.beat().await?;
        let Some(hold) = self.hold.clone().filter(|hold| !hold.shards.is_empty()) else {
            // Every shard is somebody else's: ready to take over.
            self.options.ready.up();
            self.rest(shutdown).await;
            return Ok(());
        };
        self.options.ready.up();
        match self.round(&hold).await? {
            RoundResult::Committed { full: true } => {}
            RoundResult::Committed { full: false } | RoundResult::Idle => {
                if self.fates.is_empty() {
                    self.rest(shutdown).await;
                }
            }
            RoundResult::Fenced => {
                self.beaten = None;
                self.refreshed = None;
                tokio::time::sleep(BACK_OFF.0).await;
            }
            RoundResult::Changed => self.refreshed = None,
        }
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), StoreError> {
        if self.refreshed.is_some_and(|at| at.elapsed() < REFRESH) {
            return Ok(());
        }
        let Options {
            namespace,
            journey,
            compiler,
            ..
        } = &self.options;
        let known = self.loaded.version;
        if let Some(loaded) = programs::load(&*self.store, namespace, journey, known, *compiler).await? {
            let revision = loaded.programs.current.as_ref().map(|program| program.revision.clone());
            tracing::info!(
                version = loaded.version,
                revision,
                revisions = loaded.programs.revisions.len(),
                "programs loaded"
            );
            self.loaded = loaded;
        }
        programs::open_lanes(&mut self.lanes, &self.loaded.programs, &self.options.open);
        self.refreshed = Some(Instant::now());
        Ok(())
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        if self.beaten.is_some_and(|at| at.elapsed() < HEARTBEAT) {
            return Ok(());
        }
        let Options {
            namespace,
            journey,
            owner,
            ..
        } = &self.options;
        let hold = self.store.join(namespace, journey, *owner, LEASE).await?;
        if self
            .hold
            .as_ref()
            .is_none_or(|held| held.shards.len() != hold.shards.len())
        {
            tracing::info!(shards = hold.shards.len(), "shards held");
        }
        self.hold = Some(hold);
        self.beaten = Some(Instant::now());
        Ok(())
    }

    async fn round(&mut self, hold: &Hold) -> Result<RoundResult, StoreError> {
        while let Ok(handed) = self.fates.try_recv() {
            self.outcomes.push(handed);
        }
        let mut adapters = programs::adapters(&self.lanes);
        if self.draining {
            adapters.open.values_mut().for_each(|adapter| adapter.room = 0);
        }
        let room: usize = adapters.open.values().map(|adapter| adapter.room).sum();
        let request = RoundRequest {
            limit: ROUND,
            messages: Some(u32::try_from(room).unwrap_or(ROUND)),
            contacts_within: self.loaded.programs.longest_cap(),
            outcomes: self.outcomes.clone(),
            in_flight: self.in_flight.clone(),
            stuck: self.loaded.stuck.clone(),
            admissions: programs::admissions(&self.loaded.programs).filter(|_| !self.draining),
            looks: programs::looks(&self.loaded.programs),
            sweeps: programs::sweeps(&self.loaded.programs, !self.draining),
            news: programs::news(&self.loaded.programs, !self.draining),
            current: self.loaded.current.clone(),
        };
        let mut claims: Vec<Claim> = Vec::new();
        let mut counts = Counts::default();
        let mut turn = Turn {
            programs: &self.loaded.programs,
            keys: &self.options.keys,
            hold,
            adapters,
            in_flight: &self.in_flight,
            render: true,
            trace: false,
            nets: true,
        };
        let mut decided = Instant::now();
        let result = self
            .store
            .round(hold, &request, &mut |round: Round| {
                // Not when the answer to the commit comes: it may come late, and consent and caps are as of now.
                decided = Instant::now();
                let done = turn.take(round);
                claims = done.claims;
                counts = done.commit.counts.clone();
                done.commit
            })
            .await?;
        match result {
            // Idle: the outcomes were no news, of messages that others have taken over.
            RoundResult::Committed { .. } | RoundResult::Idle => {
                for handed in self.outcomes.drain(..) {
                    self.in_flight.remove(&handed.key);
                }
            }
            RoundResult::Fenced | RoundResult::Changed => return Ok(result),
        }
        self.options.metrics.add(&self.options.journey, &counts);
        for claim in claims {
            self.in_flight.insert(claim.key);
            self.lanes.put(claim, decided);
        }
        Ok(result)
    }

    /// Until there may be work, something came back from a lane, or it is time for a heartbeat.
    async fn rest(&mut self, shutdown: &CancellationToken) {
        let Options { namespace, journey, .. } = &self.options;
        let nap = if self.in_flight.is_empty() { POLL } else { POLL / 5 };
        // In this order, so that the same happens in each run of a simulation.
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            handed = self.fates.recv() => self.outcomes.extend(handed),
            () = self.store.wait(namespace, journey, nap) => {}
        }
    }

    async fn give_back(&mut self) -> Result<(), StoreError> {
        if self.hold.take().is_some() {
            let Options {
                namespace,
                journey,
                owner,
                ..
            } = &self.options;
            self.store.leave(namespace, journey, *owner).await?;
        }
        Ok(())
    }

    /// Waits for what is under way, writes what became of it, gives the shards back. What cannot be written is left to whoever takes over.
    async fn stop(mut self) {
        self.draining = true;
        let deadline = Instant::now() + PATIENCE;
        while !self.in_flight.is_empty() && Instant::now() < deadline {
            if self.outcomes.is_empty() && self.fates.is_empty() {
                let heard = tokio::time::timeout_at(deadline.min(Instant::now() + HEARTBEAT), self.fates.recv()).await;
                self.outcomes.extend(heard.ok().flatten());
            }
            if let Err(error) = self.write_outcomes().await {
                tracing::warn!(%error, "what became of messages is not written yet");
                tokio::time::sleep(BACK_OFF.0).await;
            } else if self.hold.as_ref().is_none_or(|hold| hold.shards.is_empty()) {
                break;
            }
        }
        self.lanes.drain(Duration::from_millis(100)).await;
        if let Err(error) = self.give_back().await {
            tracing::warn!(%error, "the shards could not be given back; they are free when the lease is over");
        }
    }

    /// A heartbeat, so that the leases last, and a round.
    async fn write_outcomes(&mut self) -> Result<(), StoreError> {
        self.beat().await?;
        let Some(hold) = self.hold.clone().filter(|hold| !hold.shards.is_empty()) else {
            return Ok(());
        };
        match self.round(&hold).await? {
            RoundResult::Committed { .. } | RoundResult::Idle => {}
            // Some shards may be others' now, or a revision gone or new: what is still ours is written all the same.
            RoundResult::Fenced | RoundResult::Changed => {
                self.beaten = None;
                self.refreshed = None;
                self.refresh().await?;
                tokio::time::sleep(BACK_OFF.0).await;
            }
        }
        Ok(())
    }
}
