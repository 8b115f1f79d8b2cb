//! A bounded work queue of keys: each is worked on by one worker at a time, when its time comes, and after a failure later and later.
//!
//! kube's Controller keeps such a queue for one kind; here one queue holds all kinds and the namespaces themselves, so that bounds, backoff and
//! metrics hold for the whole operator, and a success resets what a failure has grown.

use std::{
    collections::{BTreeSet, HashMap, hash_map::DefaultHasher},
    fmt::Debug,
    future::Future,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// The first pause after a failure; doubled after each, to at most [`LONGEST_PAUSE`], with up to a quarter more as jitter.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What becomes of a key after it was worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing until somebody asks.
    Rest,
    /// Again after this time, or when somebody asks.
    After(Duration),
    /// It failed: again after a pause that grows with each failure in a row.
    Failed,
}

/// Keys waiting for their time. Cheap to clone; all clones are one queue.
#[derive(Debug)]
pub struct Queue<K> {
    state: Arc<Mutex<State<K>>>,
    changed: Arc<Notify>,
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            changed: Arc::clone(&self.changed),
        }
    }
}

#[derive(Debug)]
struct State<K> {
    due: BTreeSet<(Instant, K)>,
    when: HashMap<K, Instant>,
    /// Being worked on; the instant is that of the next turn, when somebody asked for one meanwhile.
    running: HashMap<K, Option<Instant>>,
    failures: HashMap<K, u32>,
}

impl<K: Clone + Ord + Hash + Debug + Send + 'static> Default for Queue<K> {
    fn default() -> Self {
        let state = State {
            due: BTreeSet::new(),
            when: HashMap::new(),
            running: HashMap::new(),
            failures: HashMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            changed: Arc::new(Notify::new()),
        }
    }
}

impl<K: Clone + Ord + Hash + Debug + Send + 'static> Queue<K> {
    /// Asks for a turn after `delay`. Of several wishes the earliest holds; a key that is being worked on gets another turn afterwards.
    pub fn add(&self, key: K, delay: Duration) {
        let at = Instant::now() + delay;
        let mut state = self.lock();
        if let Some(again) = state.running.get_mut(&key) {
            *again = Some(again.map_or(at, |other| other.min(at)));
            return;
        }
        state.schedule(key, at);
        drop(state);
        self.changed.notify_one();
    }

    /// Keys that wait, those being worked on left out.
    pub fn len(&self) -> usize {
        self.lock().when.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Works on keys, at most `concurrency` at once, until `stop`; then waits for those under way. A panic of the work is a failure of its key.
    pub async fn run<F, W>(&self, concurrency: usize, stop: CancellationToken, work: W)
    where
        F: Future<Output = Next> + Send + 'static,
        W: Fn(K) -> F,
    {
        let mut working: JoinSet<Next> = JoinSet::new();
        let mut keys: HashMap<tokio::task::Id, K> = HashMap::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = working.join_next_with_id(), if !working.is_empty() => {
                    let (id, next) = match ended {
                        Ok((id, next)) => (id, next),
                        Err(error) => {
                            tracing::error!(%error, "a pass broke off");
                            (error.id(), Next::Failed)
                        }
                    };
                    if let Some(key) = keys.remove(&id) {
                        self.done(key, next);
                    }
                }
                key = self.next(), if working.len() < concurrency => {
                    let task = working.spawn(work(key.clone()));
                    keys.insert(task.id(), key);
                }
            }
        }
        while working.join_next().await.is_some() {}
    }

    /// The next key whose time has come.
    async fn next(&self) -> K {
        loop {
            let first = {
                let mut state = self.lock();
                match state.due.first().cloned() {
                    Some((at, key)) if at <= Instant::now() => {
                        state.due.pop_first();
                        state.when.remove(&key);
                        state.running.insert(key.clone(), None);
                        return key;
                    }
                    Some((at, _)) => Some(at),
                    None => None,
                }
            };
            match first {
                Some(at) => tokio::select! { () = sleep_until(at) => {}, () = self.changed.notified() => {} },
                None => self.changed.notified().await,
            }
        }
    }

    fn done(&self, key: K, next: Next) {
        let mut state = self.lock();
        let asked = state.running.remove(&key).flatten();
        let wish = match next {
            Next::Rest => {
                state.failures.remove(&key);
                None
            }
            Next::After(delay) => {
                state.failures.remove(&key);
                Some(Instant::now() + delay)
            }
            Next::Failed => {
                let failures = state.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                Some(Instant::now() + pause(&key, *failures))
            }
        };
        if let Some(at) = [asked, wish].into_iter().flatten().min() {
            state.schedule(key, at);
        }
        drop(state);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        // Every change of the state is complete before the lock is given back, so a panic elsewhere leaves it whole.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<K: Clone + Ord + Hash> State<K> {
    fn schedule(&mut self, key: K, at: Instant) {
        if let Some(&known) = self.when.get(&key) {
            if known <= at {
                return;
            }
            self.due.remove(&(known, key.clone()));
        }
        self.when.insert(key.clone(), at);
        self.due.insert((at, key));
    }
}

/// The pause after so many failures in a row; the jitter depends on the key, so that what failed together does not come back together.
fn pause<K: Hash>(key: &K, failures: u32) -> Duration {
    let base = FIRST_PAUSE
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(LONGEST_PAUSE);
    let mut hasher = DefaultHasher::new();
    (key, failures).hash(&mut hasher);
    base + base.mul_f64((hasher.finish() % 1024) as f64 / 4096.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test(start_paused = true)]
    async fn a_key_asked_for_many_times_gets_one_turn() {
        let queue = Queue::default();
        for _ in 0..10 {
            queue.add("a", Duration::from_millis(200));
        }
        assert_eq!(queue.len(), 1);
        assert_eq!(queue.next().await, "a");
        assert!(queue.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_earliest_wish_holds() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add("a", Duration::from_secs(60));
        queue.add("a", Duration::from_secs(1));
        queue.add("a", Duration::from_secs(30));
        assert_eq!(queue.next().await, "a");
        assert_eq!(start.elapsed().as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_asked_for_while_worked_on_gets_another_turn_and_never_two_workers() {
        let queue = Queue::default();
        queue.add("a", Duration::ZERO);
        let key = queue.next().await;
        queue.add("a", Duration::ZERO);
        assert!(queue.is_empty(), "nobody else may take it");
        queue.done(key, Next::Rest);
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_wait_longer_each_time_and_a_success_forgets_them() {
        let queue: Queue<&str> = Queue::default();
        let mut waits = Vec::new();
        queue.add("a", Duration::ZERO);
        for _ in 0..5 {
            let start = Instant::now();
            let key = queue.next().await;
            waits.push(start.elapsed());
            queue.done(key, Next::Failed);
        }
        assert!(waits[1..].windows(2).all(|pair| pair[0] < pair[1]), "{waits:?}");
        let key = queue.next().await;
        queue.done(key, Next::After(Duration::ZERO));
        let key = queue.next().await;
        queue.done(key, Next::Failed);
        let start = Instant::now();
        queue.next().await;
        assert!(start.elapsed() < FIRST_PAUSE * 2);
        assert!(pause(&"a", 1_000) <= LONGEST_PAUSE * 5 / 4);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_workers_than_allowed_and_a_panic_is_a_failure_of_its_own_key() {
        let queue: Queue<usize> = Queue::default();
        for key in 0..20 {
            queue.add(key, Duration::ZERO);
        }
        let (now, most, ended) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicUsize::new(0)),
        );
        let stop = CancellationToken::new();
        let counters = (Arc::clone(&now), Arc::clone(&most), Arc::clone(&ended), stop.clone());
        queue
            .run(3, stop.clone(), move |key| {
                let (now, most, ended, stop) = counters.clone();
                async move {
                    most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    now.fetch_sub(1, Ordering::SeqCst);
                    if ended.fetch_add(1, Ordering::SeqCst) == 20 {
                        stop.cancel();
                    }
                    assert_ne!(key, 7, "this one panics, and is tried again");
                    Next::Rest
                }
            })
            .await;
        assert_eq!(most.load(Ordering::SeqCst), 3);
    }
}
