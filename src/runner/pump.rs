//! The loop of a runner: keep the leases, keep the programs, run rounds, hand the claims to the lanes, and stop cleanly.

use super::{
    addresses,
    claim::Claim,
    dispatch::{Jitter, Lanes},
    floor::Floor,
    metrics::Metrics,
    programs::{self, Loaded},
    pulse::{HEARTBEAT, LEASE, LOOK, Pulse},
    region,
    turn::{Adapters, Turn},
};
use crate::{
    api::channel_adapter::ChannelAdapterSpec,
    channel::{Channel, OpenError, Reads},
    clock::Micros,
    keys::{Keys, MessageKey},
    kpi::Counts,
    status_server::Flag,
    store::{Handed, Hold, Round, RoundRequest, RoundResult, Scope, Store, StoreError},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often the store is asked for programs where there are none. Else each heartbeat tells whether there are newer ones, and of a suspension
/// or a new revision the next round tells at once.
pub(super) const REFRESH: Duration = Duration::from_secs(1);
/// Customers of one round, at most.
const ROUND: u32 = 500;
/// Customers of a round from which on the next one is divided, in production.
pub const DIVIDE: usize = 100;
/// How long a stopping runner waits for messages under way.
const PATIENCE: Duration = Duration::from_secs(20);
/// Pause after an error of the store: doubled from the first to the second.
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
    /// Customers of a round from which on the next one is divided in two that run side by side: [`DIVIDE`].
    pub divide: usize,
    /// Told when there begins to be so much to do.
    pub at_work: Box<dyn Fn() + Send + Sync>,
    /// How channels are opened: [`crate::channel::open`], or what `journey dev` sends mail to.
    pub open: ChannelOpener,
    /// Regions that this process was placed in and cannot leave; empty: it may be anywhere. None: nobody asks, as in `journey dev`.
    pub regions: Option<BTreeSet<String>>,
    /// [`programs::compile_all`], or where runners start by the thousand one that remembers what it gave.
    pub compiler: programs::Compiler,
}

pub type ChannelOpener = Box<dyn Fn(&ChannelAdapterSpec, Reads) -> Result<Arc<dyn Channel>, OpenError> + Send + Sync>;

/// Runs until `shutdown`; then takes nothing new, waits for what is under way, writes its outcomes and gives the shards back. The same while the
/// policies name other regions than those that this process was placed in.
pub async fn run(mut options: Options, store: Arc<dyn Store>, shutdown: CancellationToken) -> Result<(), RunnerError> {
    while !shutdown.is_cancelled() {
        let mut pump = Pump::new(options, Arc::clone(&store));
        pump.work(&shutdown).await;
        options = pump.stop().await;
        if !shutdown.is_cancelled() {
            region::stand_aside(&options, &*store, &shutdown).await;
        }
    }
    Ok(())
}

/// What one round comes to, if it is committed.
#[derive(Default)]
struct Done {
    visited: usize,
    /// Outcomes that the store knew.
    heard: BTreeSet<MessageKey>,
    /// With the instant at which they were decided.
    claims: Vec<(Claim, Instant)>,
    counts: Counts,
    /// The number of the first event that waited.
    first_event: Option<i64>,
}

/// What ends a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// Its time, or the order to stop.
    Nothing,
    /// What became of a message came back from a lane.
    Outcome,
    /// There may be work.
    Work,
}

/// Every second shard, so that both have as much.
fn halves(hold: &Hold) -> [Hold; 2] {
    let half = |of: usize| Hold {
        shards: hold.shards.iter().copied().skip(of).step_by(2).collect(),
        ..hold.clone()
    };
    [half(0), half(1)]
}

/// Of the results of two halves the greater one says what comes next.
fn urgency(result: &RoundResult) -> u8 {
    match result {
        RoundResult::Idle => 0,
        RoundResult::Committed { full: false } => 1,
        RoundResult::Committed { full: true } => 2,
        RoundResult::Changed => 3,
        RoundResult::Fenced => 4,
    }
}

struct Pump {
    options: Options,
    store: Arc<dyn Store>,
    lanes: Lanes,
    fates: mpsc::UnboundedReceiver<Handed>,
    loaded: Loaded,
    /// None: there may be newer ones.
    refreshed: Option<Instant>,
    /// Whether the policies name other regions than those that this process was placed in.
    misplaced: bool,
    hold: Option<Hold>,
    /// The policies that this registration has said it runs by.
    acknowledged: Option<String>,
    /// Whether a round was told that the hold is not what it was.
    doubtful: bool,
    pulse: Pulse,
    /// Heard of, but not committed yet.
    outcomes: Vec<Handed>,
    in_flight: BTreeSet<MessageKey>,
    floor: Floor,
    /// The part of a divided round that gets what cannot be divided: each in turn.
    favoured: usize,
    /// Whether the last round had so much to do that two side by side are better.
    busy: bool,
    back_off: Duration,
    draining: bool,
}

impl Pump {
    fn new(options: Options, store: Arc<dyn Store>) -> Self {
        let (lanes, fates) = Lanes::new(options.jitter.clone());
        Self {
            store,
            lanes,
            fates,
            loaded: Loaded::default(),
            refreshed: None,
            misplaced: false,
            hold: None,
            acknowledged: None,
            doubtful: false,
            pulse: Pulse::default(),
            outcomes: Vec::new(),
            in_flight: BTreeSet::new(),
            floor: Floor::lowest(),
            favoured: 0,
            busy: false,
            back_off: BACK_OFF.0,
            draining: false,
            options,
        }
    }

    /// Until `shutdown`, or until it may not run where it is.
    async fn work(&mut self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() && !self.misplaced {
            if let Err(error) = self.turn_once(shutdown).await {
                tracing::warn!(%error, "the round did not happen; it is tried again");
                self.options.ready.down("the store is away");
                let pause = self.back_off;
                self.back_off = (pause * 2).min(BACK_OFF.1);
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => {}
                    () = tokio::time::sleep(pause) => {}
                }
            } else {
                self.back_off = BACK_OFF.0;
            }
        }
    }

    async fn turn_once(&mut self, shutdown: &CancellationToken) -> Result<(), StoreError> {
        self.refresh().await?;
        if !self.loaded.alive {
            self.give_back().await?;
            self.options.ready.up();
            if self.rest(REFRESH, shutdown).await == Came::Work {
                self.refreshed = None;
            }
            return Ok(());
        }
        if !self.loaded.may_run_in(self.options.regions.as_ref()) {
            self.misplaced = true;
            return Ok(());
        }
        self.beat().await?;
        self.acknowledge().await?;
        self.options.ready.up();
        if self.refreshed.is_none() {
            return Ok(());
        }
        let Some(hold) = self.hold.clone().filter(|hold| !hold.shards.is_empty()) else {
            // Every shard is somebody else's: ready to take over.
            self.rest(self.pulse.until_beat(), shutdown).await;
            return Ok(());
        };
        if self.outcomes.is_empty() && self.fates.is_empty() && !self.pulse.has_round() {
            if self.pulse.asks() {
                return self.ask(&hold).await;
            }
            self.rest(self.pulse.rest(), shutdown).await;
            return Ok(());
        }
        match self.rounds(&hold, self.pulse.scope()).await? {
            RoundResult::Committed { full: true } => {}
            RoundResult::Committed { full: false } | RoundResult::Idle => {
                if !self.gather(shutdown).await {
                    self.ask(&hold).await?;
                }
            }
            RoundResult::Fenced => {
                self.doubt();
                tokio::time::sleep(BACK_OFF.0).await;
            }
            RoundResult::Changed => self.refreshed = None,
        }
        Ok(())
    }

    async fn refresh(&mut self) -> Result<(), StoreError> {
        if self
            .refreshed
            .is_some_and(|at| self.loaded.alive || at.elapsed() < REFRESH)
        {
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
            self.pulse.wake();
        }
        self.open_lanes();
        self.refreshed = Some(Instant::now());
        Ok(())
    }

    /// An adapter that could not be opened is tried again; its messages wait.
    fn open_lanes(&mut self) {
        if programs::open_lanes(&mut self.lanes, &self.loaded.programs, &self.options.open) {
            self.pulse.wake();
        }
    }

    /// A heartbeat, when it is time; and where it tells of a change, or not everybody has a fair share yet, the shards are divided anew.
    async fn beat(&mut self) -> Result<(), StoreError> {
        if !self.pulse.beats() {
            return Ok(());
        }
        let began = Instant::now();
        let sure = self.hold.as_ref().filter(|hold| !self.doubtful && hold.is_settled());
        if let Some(hold) = sure {
            let told = self.store.beat(hold, LEASE).await?;
            if told.version != self.loaded.version {
                self.refreshed = None;
            }
            if told.holds {
                self.pulse.beaten(began, &told);
                self.open_lanes();
                return Ok(());
            }
        }
        let Options {
            namespace,
            journey,
            owner,
            ..
        } = &self.options;
        // Until it is answered: it may have given shards that no heartbeat would tell of.
        self.doubtful = true;
        let hold = self.store.join(namespace, journey, *owner, LEASE).await?;
        self.pulse.joined(began, &hold);
        self.acknowledged = None;
        self.doubtful = false;
        let before = self.hold.as_ref().map(|held| &held.shards);
        if before != Some(&hold.shards) {
            tracing::info!(shards = hold.shards.len(), "shards held");
            // What is there in those that are new is not known.
            self.pulse.wake();
            self.pulse.search_again();
            self.floor = Floor::lowest();
        }
        self.hold = Some(hold);
        // A heartbeat would have told whether there are newer programs.
        self.refreshed = None;
        Ok(())
    }

    /// Says by which policies it runs, once for each registration and change. What is loaded holds from the next round on.
    async fn acknowledge(&mut self) -> Result<(), StoreError> {
        if self.refreshed.is_none() || self.acknowledged == self.loaded.policy {
            return Ok(());
        }
        if let Some(policy) = &self.loaded.policy {
            let Options {
                namespace,
                journey,
                owner,
                ..
            } = &self.options;
            self.store.acknowledge(namespace, journey, *owner, policy).await?;
        }
        self.acknowledged = self.loaded.policy.clone();
        Ok(())
    }

    /// The leases or the journey are not what they were.
    fn doubt(&mut self) {
        self.doubtful = true;
        self.pulse.doubt();
        self.refreshed = None;
    }

    /// After a round that left nothing: until there is reason for the next one, or (false) nothing came for a while. A round of few costs nearly as
    /// much as one of many. So what became of messages waits for new work or the end of this, because no customer waits for it as they wait for
    /// a message.
    async fn gather(&mut self, shutdown: &CancellationToken) -> bool {
        let (until, mut some) = (Instant::now() + LOOK, !self.fates.is_empty());
        while Instant::now() < until && !shutdown.is_cancelled() {
            match self
                .rest(until.saturating_duration_since(Instant::now()), shutdown)
                .await
            {
                Came::Nothing => break,
                Came::Outcome => some = true,
                Came::Work => return true,
            }
        }
        some
    }

    /// Nothing comes any more: asks what time brings next.
    async fn ask(&mut self, hold: &Hold) -> Result<(), StoreError> {
        let adapters = programs::adapters(&mut self.lanes);
        let request = self.request(Scope::All, Micros::MAX, Vec::new(), &adapters);
        let next = self.store.due_next(hold, &request).await?;
        self.pulse.quiet(&next, !self.in_flight.is_empty());
        Ok(())
    }

    /// A round of all shards, or, where there is much to do, one of each half of them side by side: while one waits for the store the other is at
    /// work. Gives the result that asks for most.
    async fn rounds(&mut self, hold: &Hold, scope: Scope) -> Result<RoundResult, StoreError> {
        while let Ok(handed) = self.fates.try_recv() {
            self.outcomes.push(handed);
        }
        let claims_within = self.pulse.begins_round(scope);
        let whole = !self.busy || hold.shards.len() < 2;
        let holds = if whole {
            vec![hold.clone()]
        } else {
            halves(hold).to_vec()
        };
        self.favoured = (self.favoured + 1) % holds.len();
        let adapters = programs::adapters(&mut self.lanes);
        let outcomes = std::mem::take(&mut self.outcomes);
        let one = async |part: usize| {
            let own = |handed: &&Handed| {
                holds[part]
                    .shards
                    .iter()
                    .any(|lease| lease.shard == handed.customer.shard())
            };
            let outcomes = outcomes.iter().filter(|handed| whole || own(handed)).cloned().collect();
            let adapters = self.share(&adapters, part, holds.len());
            let request = self.request(scope, claims_within, outcomes, &adapters);
            self.round(&holds[part], request, adapters).await
        };
        let done = if whole {
            vec![one(0).await]
        } else {
            let (first, second) = tokio::join!(biased; one(0), one(1));
            vec![first, second]
        };
        self.take_in(done, outcomes, whole, scope)
    }

    /// What a part of a round may claim: its share of what the lanes have room for.
    fn share(&self, adapters: &Adapters, part: usize, parts: usize) -> Adapters {
        let mut share = adapters.clone();
        for adapter in share.open.values_mut() {
            adapter.room = if self.draining {
                0
            } else {
                (adapter.room + (part + self.favoured) % parts) / parts
            };
        }
        share
    }

    /// Held messages whose lane is not open, or not known, are looked at when everything is.
    fn request(&self, scope: Scope, claims_within: Micros, outcomes: Vec<Handed>, adapters: &Adapters) -> RoundRequest {
        let (others, in_flight) = if scope == Scope::All {
            (if self.draining { 0 } else { ROUND }, self.in_flight.clone())
        } else {
            (0, BTreeSet::new())
        };
        RoundRequest {
            limit: ROUND,
            room: programs::room(&self.loaded.programs, adapters, others),
            contacts_within: self.loaded.programs.longest_cap(),
            addresses: addresses::looked_for(&self.loaded.programs, &self.options.keys),
            outcomes,
            in_flight,
            stuck: self.loaded.stuck.clone(),
            admissions: programs::admissions(&self.loaded.programs).filter(|_| !self.draining),
            looks: programs::looks(&self.loaded.programs),
            sweeps: programs::sweeps(&self.loaded.programs, !self.draining),
            news: programs::news(&self.loaded.programs, !self.draining),
            current: self.loaded.current.clone(),
            revisions: self.loaded.revisions(),
            scope,
            events_from: self.floor.number(),
            claims_within,
        }
    }

    async fn round(
        &self,
        hold: &Hold,
        request: RoundRequest,
        adapters: Adapters,
    ) -> Result<(RoundResult, Done), StoreError> {
        let mut done = Done::default();
        let mut turn = Turn {
            programs: &self.loaded.programs,
            keys: &self.options.keys,
            hold,
            adapters,
            in_flight: &self.in_flight,
            suppressed: BTreeMap::new(),
            render: true,
            trace: false,
            nets: true,
        };
        let work = &mut |round: Round| {
            // Not when the answer to the commit comes: it may come late, and consent and caps are as of now.
            let decided = Instant::now();
            done.visited = round.customers.len();
            done.first_event = round.first_event;
            let heard = round.customers.iter().flat_map(|customer| &customer.outcomes);
            done.heard = heard.map(|handed| handed.key).collect();
            let turned = turn.take(round);
            done.claims = turned.claims.into_iter().map(|claim| (claim, decided)).collect();
            done.counts = turned.commit.counts.clone();
            turned.commit
        };
        let result = self.store.round(hold, &request, work).await?;
        Ok((result, done))
    }

    /// What came of the rounds: claims go to the lanes; outcomes that were not written are kept.
    fn take_in(
        &mut self,
        done: Vec<Result<(RoundResult, Done), StoreError>>,
        outcomes: Vec<Handed>,
        whole: bool,
        scope: Scope,
    ) -> Result<RoundResult, StoreError> {
        let (mut heard, mut results, mut failed) = (BTreeSet::new(), Vec::new(), None);
        let (mut visited, mut claims, mut first_event) = (0, Vec::new(), None);
        for done in done {
            let (result, done) = match done {
                Ok(done) => done,
                Err(error) => {
                    failed = Some(error);
                    continue;
                }
            };
            results.push(result);
            if let RoundResult::Committed { .. } = result {
                visited += done.visited;
                first_event = first_event.into_iter().chain(done.first_event).min();
                heard.extend(done.heard);
                self.options.metrics.add(&self.options.journey, &done.counts);
                claims.extend(done.claims);
            }
        }
        let written = failed.is_none()
            && results
                .iter()
                .all(|result| matches!(result, RoundResult::Committed { .. } | RoundResult::Idle));
        if let Some(first) = first_event.filter(|_| written) {
            self.floor.found(first);
        }
        for handed in outcomes {
            // What a round of all shards did not want to hear was no news: of messages that others have taken over. A half may not know it: its
            // customer may have become another, of the other half.
            if heard.contains(&handed.key) || (whole && written) {
                self.in_flight.remove(&handed.key);
            } else {
                self.outcomes.push(handed);
            }
        }
        // After what was heard: a claim that was given back may have been claimed anew by the round that heard it.
        for (claim, decided) in claims {
            self.in_flight.insert(claim.key);
            self.lanes.put(claim, decided);
        }
        let result = results.iter().copied().max_by_key(urgency).unwrap_or(RoundResult::Idle);
        let was_busy = self.busy;
        self.busy = written && self.outcomes.is_empty() && visited >= self.options.divide;
        if self.busy && !was_busy {
            (self.options.at_work)();
        }
        if !written || (scope >= Scope::Due && result == (RoundResult::Committed { full: true })) {
            self.pulse.look_again();
        }
        failed.map_or(Ok(result), Err)
    }

    /// Until something comes, or for so long.
    async fn rest(&mut self, nap: Duration, shutdown: &CancellationToken) -> Came {
        let Options { namespace, journey, .. } = &self.options;
        // In this order, so that the same happens in each run of a simulation.
        tokio::select! {
            biased;
            () = shutdown.cancelled() => Came::Nothing,
            handed = self.fates.recv() => {
                self.outcomes.extend(handed);
                Came::Outcome
            }
            woken = self.store.wait(namespace, journey, nap) => {
                if !woken {
                    return Came::Nothing;
                }
                self.pulse.wake();
                Came::Work
            }
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
    async fn stop(mut self) -> Options {
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
        self.options
    }

    /// A heartbeat, so that the leases last, and a round.
    async fn write_outcomes(&mut self) -> Result<(), StoreError> {
        self.beat().await?;
        let Some(hold) = self.hold.clone().filter(|hold| !hold.shards.is_empty()) else {
            return Ok(());
        };
        match self.rounds(&hold, Scope::All).await? {
            RoundResult::Committed { .. } | RoundResult::Idle => {}
            // Some shards may be others' now, or a revision gone or new: what is still ours is written all the same.
            RoundResult::Fenced | RoundResult::Changed => {
                self.doubt();
                self.refresh().await?;
                tokio::time::sleep(BACK_OFF.0).await;
            }
        }
        Ok(())
    }
}
