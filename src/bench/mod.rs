//! Load for the data plane, with real processes on loopback: a gateway and runners of this binary, the database that is named, and in this
//! process the senders and the webhook's far end. Latencies are taken from the instant at which an event was to be sent, so that a stall counts
//! for everybody whom it kept waiting (no coordinated omission).

mod churn;
mod client;
mod events;
mod idle;
mod journeys;
mod load;
mod policy;
mod report;
mod sink;
mod takeover;
mod timers;
mod usage;
mod world;

pub use report::{json, text};

use crate::store::postgres::measure::TableSize;
use churn::Churn;
use events::Intake;
use idle::Idle;
use journeys::Phase;
use load::Load;
use policy::Policy;
use sink::Sink;
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use takeover::Takeover;
use timers::Timers;
use tokio_util::sync::CancellationToken;
use usage::Cores;
use world::{JOURNEY, Role, TIMERS, World};

/// What can be measured, in the order in which it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Events that nobody listens to.
    Intake,
    /// Whole journeys, as many as go through.
    Journeys,
    /// How long they take below that.
    Latency,
    /// What becomes of the customers of a runner that is killed.
    Takeover,
    /// Customers who wait for a time.
    Timers,
    /// Whole journeys under a policy of every rule, beside one purpose.
    Policy,
    /// Whole journeys for a long time.
    Churn,
    /// Journeys to which nothing comes.
    Idle,
}

/// What is asked of a run.
#[derive(Debug, Clone)]
pub struct Order {
    /// postgres://, of a role that may make the schema.
    pub database: String,
    pub parts: BTreeSet<Part>,
    /// Of each phase, its first fifth is not measured.
    pub length: Duration,
    /// Customers between their event and their message, where as many are sent as go through.
    pub in_flight: u64,
    /// Adapter's requests under way at a time.
    pub concurrency: u32,
    /// Customers who wait for a time that does not come in this run; a fifth as many, a million at most, come due at once.
    pub timers: u64,
    /// Waits that end in a second, where their lateness is measured.
    pub due: u64,
    /// Runners that are killed, one after the other.
    pub kills: u32,
    /// Journeys that begin in a second meanwhile.
    pub rate: u64,
    /// How long journeys go on and on.
    pub churn: Duration,
    /// Journeys to which nothing comes, with a runner each.
    pub idle: usize,
}

/// What a run found.
#[derive(Debug)]
pub struct Found {
    pub intake: Vec<Intake>,
    pub phases: Vec<Phase>,
    pub takeover: Option<Takeover>,
    pub timers: Option<Timers>,
    pub policy: Option<Policy>,
    pub churn: Option<Churn>,
    pub idle: Option<Idle>,
    pub books: Books,
    pub gateway_bytes: u64,
    pub runner_bytes: u64,
    pub tables: Vec<TableSize>,
}

/// Everything together, once nothing is under way any more.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Events by which a journey begins.
    pub accepted: u64,
    /// Customers whose wait ended.
    pub due: u64,
    /// Those of them who get a message.
    pub told: u64,
    /// Customers whose message arrived.
    pub reached: u64,
    /// Messages that arrived once more under the same idempotency key, as they may after a runner was killed.
    pub repeated: u64,
    /// Messages that arrived once more under another key.
    pub again: u64,
    /// Enrollments that are Completed.
    pub completed: u64,
}

impl Books {
    pub fn balance(&self) -> bool {
        let Self {
            accepted,
            due,
            told,
            reached,
            repeated: _,
            again,
            completed,
        } = *self;
        accepted + told == reached && accepted + due == completed && again == 0
    }
}

#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    #[error("the store: {0}")]
    Store(#[from] crate::store::StoreError),
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
    #[error("the built-in manifests do not compile: {0}")]
    Manifests(String),
    #[error("{0} was not ready within {1:?}; the end of its log:\n{2}")]
    NotReady(String, Duration, String),
    #[error("the gateway: {0}")]
    Gateway(String),
    #[error("nothing moved for {0:?}, and there are still {1} of {2} customers {3}")]
    Stuck(Duration, u64, u64, &'static str),
    #[error("told to stop")]
    Stopped,
}

/// How long nothing may move while something is under way.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the parts that are asked for, and clears up also when told to stop. `tell` hears what is going on.
///
/// # Errors
/// The database is away, a process does not start, messages do not arrive, or it was told to stop.
pub async fn run(order: &Order, tell: &dyn Fn(&str), stop: CancellationToken) -> Result<Found, BenchError> {
    tell("starting a gateway and a runner");
    let sink = Arc::new(
        Sink::open()
            .await
            .map_err(|error| BenchError::Io("the far end", error))?,
    );
    let world = World::open(order, &sink.url).await?;
    let load = Load::new(&world.address, sink.clone());
    let mut bench = Bench {
        order,
        world,
        load,
        sink,
        tell,
        waits: (0, 0),
    };
    let found = tokio::select! {
        found = bench.measure() => found,
        () = stop.cancelled() => Err(BenchError::Stopped),
    };
    tell("taking out what was measured with");
    bench.world.close().await?;
    found
}

/// What every part is given.
struct Bench<'a> {
    order: &'a Order,
    world: World,
    load: Load,
    sink: Arc<Sink>,
    tell: &'a dyn Fn(&str),
    /// Customers whose wait ended, and those of them who get a message.
    waits: (u64, u64),
}

impl Bench<'_> {
    async fn measure(&mut self) -> Result<Found, BenchError> {
        let (mut intake, mut phases) = (Vec::new(), Vec::new());
        let (mut takeover, mut timers, mut policy, mut churn, mut idle) = (None, None, None, None, None);
        if self.asked(Part::Intake) {
            intake = events::measure(self).await?;
        }
        // Latencies are taken at parts of what goes through.
        if self.asked(Part::Journeys) || self.asked(Part::Latency) {
            phases = journeys::measure(self).await?;
        }
        let runner_bytes = resident(&self.world.runners);
        if self.asked(Part::Takeover) {
            takeover = Some(takeover::measure(self).await?);
        }
        if self.asked(Part::Timers) {
            timers = Some(timers::measure(self).await?);
        }
        if self.asked(Part::Policy) {
            policy = Some(policy::measure(self).await?);
        }
        if self.asked(Part::Churn) {
            churn = Some(churn::measure(self).await?);
        }
        let (gateway_bytes, tables) = (self.world.gateway.resident(), self.world.store.sizes().await?);
        let books = self.books().await?;
        if self.asked(Part::Idle) {
            idle = Some(idle::measure(self).await?);
        }
        Ok(Found {
            intake,
            phases,
            takeover,
            timers,
            policy,
            churn,
            idle,
            books,
            gateway_bytes,
            runner_bytes,
            tables,
        })
    }

    fn asked(&self, part: Part) -> bool {
        self.order.parts.contains(&part)
    }

    fn tell(&self, what: &str) {
        (self.tell)(what);
    }

    /// A first fifth that is not measured, then the rest: how many a second, and what it took of the processors.
    async fn window(&self, run: impl AsyncFn(Duration) -> Result<u64, BenchError>) -> Result<(f64, Cores), BenchError> {
        let length = self.order.length;
        let _warm = run(length / 5).await?;
        let (before, began) = (self.world.usage(&self.world.runners), Instant::now());
        let n = run(length - length / 5).await?;
        Ok((n as f64 / began.elapsed().as_secs_f64(), before.since()))
    }

    /// Until everybody is reached who is to be.
    async fn settled(&self) -> Result<(), BenchError> {
        let (mut moved, mut last) = (Instant::now(), 0);
        loop {
            let (asked, reached) = (self.load.asked(), self.sink.books().reached);
            if reached >= asked {
                return Ok(());
            }
            if reached > last {
                (moved, last) = (Instant::now(), reached);
            }
            if moved.elapsed() > PATIENCE {
                return Err(BenchError::Stuck(
                    PATIENCE,
                    asked - reached,
                    asked,
                    "without their message",
                ));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn books(&self) -> Result<Books, BenchError> {
        let (due, told) = self.waits;
        let accepted = self.load.started();
        let began = Instant::now();
        let completed = loop {
            let completed = self.world.completed(JOURNEY).await? + self.world.completed(TIMERS).await?;
            if completed >= accepted + due || began.elapsed() > PATIENCE {
                break completed;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let sink::Books {
            reached,
            repeated,
            again,
        } = self.sink.books();
        Ok(Books {
            accepted,
            due,
            told,
            reached,
            repeated,
            again,
            completed,
        })
    }
}

/// The middle of them; 0: there are none.
fn median(of: impl IntoIterator<Item = u64>) -> u64 {
    let mut all: Vec<u64> = of.into_iter().collect();
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Resident bytes of processes, the middle of them.
fn resident(roles: &[Role]) -> u64 {
    median(roles.iter().map(Role::resident))
}
