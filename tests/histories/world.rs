//! What the processes of a history share: the store in memory, its clock, chance, and what the shadow knows.

use super::{chance::Chance, defect::Defect, shadow::Shadow, shop::Shop};
use journey::{
    clock::{Clock, Micros},
    store::memory::Memory,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

/// Monday, 2 March 2026, 10:00 UTC.
const START: Micros = 1_772_445_600_000_000;

/// The store's clock: it goes with virtual time, and jumps when it is told to.
#[derive(Debug)]
pub struct StoreClock {
    since: Instant,
    ahead: AtomicI64,
}

impl StoreClock {
    pub fn jump(&self, by: Micros) {
        self.ahead.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Micros {
        let passed = Micros::try_from(self.since.elapsed().as_micros()).unwrap();
        START + passed + self.ahead.load(Ordering::Relaxed)
    }
}

/// How much goes wrong, and what: another mixture in each history.
#[derive(Debug, Clone)]
pub struct Mixture {
    /// Of a thousand calls of the store.
    pub calls: u64,
    pub of_calls: Vec<(u64, Fault)>,
    pub of_answers: Vec<(u64, Provider)>,
    /// Delays of calls where nothing goes wrong, in milliseconds.
    pub slow: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and nothing has happened.
    Refused,
    /// It happens, and the answer is lost.
    AnswerLost,
    /// It happens late.
    Late,
    /// The answer comes late.
    AnswerLate,
    /// The process dies before it happens.
    CrashBefore,
    /// The process dies before it hears of it.
    CrashAfter,
    /// The process freezes before it happens, or before it hears of it.
    FreezeBefore,
    FreezeAfter,
    /// The process is cut off from the store for a while.
    Cut,
}

/// What a provider does with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    Takes,
    TakesSlowly,
    Refuses,
    TryLater,
    /// The connection breaks, after it has taken the message or before.
    TakesAndBreaks,
    Breaks,
    /// The process dies before the message is taken, or after.
    CrashBefore,
    CrashAfter,
    Freeze,
}

pub struct State {
    pub chance: Chance,
    /// None: nothing goes wrong any more.
    pub mixture: Option<Mixture>,
    /// Nobody reaches the store until then.
    pub outage: Option<Instant>,
    pub shadow: Shadow,
    pub defect: Option<Defect>,
    /// Calls of the store, by name.
    pub calls: BTreeMap<&'static str, u64>,
    trace: Option<Vec<String>>,
}

pub struct World {
    pub shop: &'static Shop,
    pub memory: Memory,
    pub clock: Arc<StoreClock>,
    pub state: Mutex<State>,
}

impl World {
    pub fn new(
        shop: &'static Shop,
        chance: Chance,
        mixture: Mixture,
        defect: Option<Defect>,
        traced: bool,
    ) -> Arc<Self> {
        let clock = Arc::new(StoreClock {
            since: Instant::now(),
            ahead: AtomicI64::new(0),
        });
        Arc::new(Self {
            shop,
            memory: Memory::new(clock.clone()),
            clock,
            state: Mutex::new(State {
                chance,
                mixture: Some(mixture),
                outage: None,
                shadow: Shadow::new(shop),
                defect,
                calls: BTreeMap::new(),
                trace: traced.then(Vec::new),
            }),
        })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Writes a line into the trace, where there is one.
    pub fn tell(&self, line: impl FnOnce() -> String) {
        let mut state = self.state();
        if state.trace.is_some() {
            let passed = self.clock.since.elapsed();
            let ahead = self.clock.ahead.load(Ordering::Relaxed);
            let line = line();
            let line = match ahead {
                0 => format!("{:9.3} {line}", passed.as_secs_f64()),
                ahead => format!("{:9.3} ({ahead:+} us) {line}", passed.as_secs_f64()),
            };
            state.trace.as_mut().unwrap().push(line);
        }
    }

    pub fn take_trace(&self) -> Vec<String> {
        self.state().trace.take().unwrap_or_default()
    }

    /// Nothing goes wrong from now on.
    pub fn calm(&self) {
        let mut state = self.state();
        state.mixture = None;
        state.outage = None;
    }
}

/// A process of a history: a runner from its start to its end, or a gateway.
pub struct Process {
    pub id: u64,
    pub journey: &'static str,
    pub owner: Uuid,
    pub crash: Notify,
    dead: AtomicBool,
    halted: Mutex<Halted>,
}

#[derive(Default)]
struct Halted {
    frozen: Option<Instant>,
    cut: Option<Instant>,
    /// When it was frozen last, up to when.
    thawed: Option<Instant>,
}

impl Process {
    pub fn new(id: u64, journey: &'static str, chance: &mut Chance) -> Arc<Self> {
        Arc::new(Self {
            id,
            journey,
            owner: Uuid::from_u64_pair(chance.next(), id),
            crash: Notify::new(),
            dead: AtomicBool::new(false),
            halted: Mutex::default(),
        })
    }

    pub fn die(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.crash.notify_one();
    }

    pub fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    /// It does nothing until then.
    pub fn freeze(&self, long: Duration) {
        let until = Instant::now() + long;
        let mut halted = self.halted.lock().unwrap();
        halted.frozen = Some(until);
        halted.thawed = Some(until);
    }

    pub fn cut(&self, long: Duration) {
        self.halted.lock().unwrap().cut = Some(Instant::now() + long);
    }

    pub fn heal(&self) {
        let mut halted = self.halted.lock().unwrap();
        (halted.frozen, halted.cut) = (None, None);
        if halted.thawed.is_some_and(|thawed| thawed > Instant::now()) {
            halted.thawed = Some(Instant::now());
        }
    }

    pub fn is_cut(&self) -> bool {
        self.halted
            .lock()
            .unwrap()
            .cut
            .is_some_and(|until| until > Instant::now())
    }

    /// Whether it was frozen at some time after `since`, or is.
    pub fn froze_since(&self, since: Instant) -> bool {
        self.halted.lock().unwrap().thawed.is_some_and(|thawed| thawed >= since)
    }

    /// Passes when the process moves; never, when it is dead.
    pub async fn gate(&self) {
        loop {
            if self.is_dead() {
                std::future::pending::<()>().await;
            }
            let frozen = self.halted.lock().unwrap().frozen;
            match frozen.filter(|until| *until > Instant::now()) {
                // In small steps, for it may thaw sooner.
                Some(until) => tokio::time::sleep_until(until.min(Instant::now() + Duration::from_millis(500))).await,
                None => return,
            }
        }
    }

    pub fn name(&self) -> String {
        if self.journey.is_empty() {
            format!("gateway {}", self.id)
        } else {
            format!("runner {} of {}", self.id, self.journey)
        }
    }
}
