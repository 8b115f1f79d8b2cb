//! Hands claimed messages over: a lane an adapter, bounded in number, rate and concurrency, so that a slow provider slows only its own lane.

use super::{
    ask::{RESPONSE_INVALID, UNKNOWN},
    claim::Claim,
    turn::Adapter,
};
use crate::{
    api::channel_adapter::{ChannelAdapterSpec, UnknownOutcome},
    channel::{Channel, Reply},
    clock::{MINUTE, Micros, SECOND},
    engine::{Outcome, response::Response},
    store::{Fate, Handed, OUTCOME_UNKNOWN},
};
use futures::FutureExt as _;
use governor::{
    Quota, RateLimiter,
    clock::Clock as _,
    middleware::NoOpMiddleware,
    state::{InMemoryState, NotKeyed},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroU32,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::Instant,
};

/// A claim is handed over within this of the round that decided it, or given back and claimed anew: consent and caps are as of the claim. So no
/// provider is called later than a second after a withdrawal was committed that the claim could not know of.
const CLAIM_TTL: Duration = Duration::from_millis(800);
/// Requests under way at a time where the adapter says nothing.
const CONCURRENCY: usize = 8;
/// Claims that wait in a lane at most.
const QUEUE: usize = 2_048;
/// How often it is measured how many a lane hands over.
const MEASURE: Duration = Duration::from_millis(200);

/// Attempts where the adapter says nothing, and the first and the longest pause between them: 12 to 25 hours in all. An outage over night or
/// a wrong password is mended within that, and who should not be written to so late has a timeToLive.
const ATTEMPTS: u32 = 60;
const PAUSES: (Micros, Micros) = (SECOND, 30 * MINUTE);

/// An adapter's limits and retries, parsed.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub per_second: Option<NonZeroU32>,
    pub burst: Option<NonZeroU32>,
    pub concurrency: usize,
    pub attempts: u32,
    pub initial: Micros,
    pub max: Micros,
    pub retries_unknown: bool,
}

impl Limits {
    pub fn of(spec: &ChannelAdapterSpec, deduplicates: bool) -> Self {
        let positive = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok()).and_then(NonZeroU32::new);
        let limits = spec.limits.clone().unwrap_or_default();
        let retry = spec.retry.as_ref();
        Self {
            per_second: positive(limits.per_second),
            burst: positive(limits.burst),
            concurrency: positive(limits.concurrency).map_or(CONCURRENCY, |n| n.get() as usize),
            attempts: retry.map_or(ATTEMPTS, |retry| u32::try_from(retry.attempts).unwrap_or(1)),
            initial: retry
                .and_then(|retry| retry.initial.as_ref())
                .map_or(PAUSES.0, |initial| initial.micros()),
            max: retry
                .and_then(|retry| retry.max.as_ref())
                .map_or(PAUSES.1, |max| max.micros()),
            retries_unknown: retries_unknown(spec, deduplicates),
        }
    }

    /// Claims that may wait in a lane at most: no more than are handed over before they are too old, and few where the fate of those that wait
    /// when the process dies is unknown for good.
    fn queue(&self) -> usize {
        let rate = self.per_second.map_or(usize::MAX, |n| n.get() as usize);
        let most = if self.retries_unknown { QUEUE } else { self.concurrency };
        rate.clamp(1, most.max(1))
    }

    /// Claims that may wait in a lane that hands over so many a second: what it does in half of a claim's time, so that none grows old,
    /// and two for each request under way, so that it does not stand still.
    fn room(&self, per_second: f64) -> usize {
        let in_time = per_second * CLAIM_TTL.as_secs_f64() / 2.0;
        (in_time as usize).max(self.concurrency * 2).min(self.queue())
    }

    /// The pause after the attempt of that number: doubled each time, between half of it and all of it by chance (`jitter`, 0 to 1), so that
    /// messages that failed together do not come back together.
    pub fn pause(&self, attempt: u32, jitter: f64) -> Micros {
        let doubled = self
            .initial
            .saturating_mul(1i64.checked_shl(attempt.saturating_sub(1).min(40)).unwrap_or(i64::MAX))
            .min(self.max);
        doubled / 2 + (doubled as f64 / 2.0 * jitter) as Micros
    }
}

/// Whether a message that may or may not have been accepted is tried again.
pub fn retries_unknown(spec: &ChannelAdapterSpec, deduplicates: bool) -> bool {
    spec.unknown_outcome
        .map_or(deduplicates, |unknown| unknown == UnknownOutcome::Retry)
}

/// Where [`Limits::pause`] takes its chance from: 0 to 1.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// Chance from the same source as owners' ids: it only spreads retries.
pub fn jitter() -> f64 {
    let [high, low, ..] = uuid::Uuid::new_v4().into_bytes();
    f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX)
}

struct Lane {
    spec: ChannelAdapterSpec,
    queue: mpsc::Sender<(Claim, Instant)>,
    needs_address: bool,
    limits: Limits,
    pace: Pace,
}

/// How many claims a second a lane hands over.
struct Pace {
    handed: Arc<AtomicU64>,
    per_second: f64,
    measured: Instant,
    counted: u64,
}

impl Pace {
    fn new(handed: Arc<AtomicU64>) -> Self {
        Self {
            handed,
            per_second: 0.0,
            measured: Instant::now(),
            counted: 0,
        }
    }

    fn measure(&mut self) -> f64 {
        let elapsed = self.measured.elapsed();
        if elapsed >= MEASURE {
            let handed = self.handed.load(Ordering::Relaxed);
            self.per_second = (handed - self.counted) as f64 / elapsed.as_secs_f64();
            (self.measured, self.counted) = (Instant::now(), handed);
        }
        self.per_second
    }
}

/// The lanes of a runner, and where the fates of messages come back.
pub struct Lanes {
    lanes: BTreeMap<String, Lane>,
    /// The work of the lanes, and of those that were closed or replaced and still have a queue. It ends with this: a runner that is gone hands
    /// nothing over.
    work: JoinSet<()>,
    fates: mpsc::UnboundedSender<Handed>,
    jitter: Jitter,
}

impl Lanes {
    /// Fates come out of the receiver; there are never more of them than claims, which the lanes bound.
    pub fn new(jitter: Jitter) -> (Self, mpsc::UnboundedReceiver<Handed>) {
        let (fates, heard) = mpsc::unbounded_channel();
        (
            Self {
                lanes: BTreeMap::new(),
                work: JoinSet::new(),
                fates,
                jitter,
            },
            heard,
        )
    }

    pub fn is_open(&self, name: &str, spec: &ChannelAdapterSpec) -> bool {
        self.lanes.get(name).is_some_and(|lane| lane.spec == *spec)
    }

    /// Opens a lane, in the place of one of that name, whose queue is still worked off.
    pub fn open(&mut self, name: &str, spec: &ChannelAdapterSpec, channel: Arc<dyn Channel>) {
        let limits = Limits::of(spec, channel.deduplicates());
        let (queue, claims) = mpsc::channel(limits.queue());
        let needs_address = channel.needs_address();
        let handed = Arc::new(AtomicU64::new(0));
        while self.work.try_join_next().is_some() {}
        let jitter = self.jitter.clone();
        self.work.spawn(work(
            claims,
            channel,
            limits,
            jitter,
            handed.clone(),
            self.fates.clone(),
        ));
        let lane = Lane {
            spec: spec.clone(),
            queue,
            needs_address,
            limits,
            pace: Pace::new(handed),
        };
        self.lanes.insert(name.to_owned(), lane);
    }

    /// Closes the lanes that are not among `names`.
    pub fn keep(&mut self, names: &BTreeSet<String>) {
        self.lanes.retain(|name, _| names.contains(name));
    }

    pub fn state(&mut self) -> BTreeMap<String, Adapter> {
        let state = |lane: &mut Lane| {
            let waiting = lane.queue.max_capacity() - lane.queue.capacity();
            Adapter {
                needs_address: lane.needs_address,
                retries_unknown: lane.limits.retries_unknown,
                room: lane.limits.room(lane.pace.measure()).saturating_sub(waiting),
            }
        };
        let lanes = self.lanes.iter_mut();
        lanes.map(|(name, lane)| (name.clone(), state(lane))).collect()
    }

    /// Puts a claim that was decided at `decided` and is committed into its lane; when that is gone or full, the claim is given back.
    pub fn put(&self, claim: Claim, decided: Instant) {
        let returned = Handed {
            key: claim.key,
            customer: claim.customer,
            fate: Fate::Returned,
        };
        let taken = self
            .lanes
            .get(&claim.adapter)
            .is_some_and(|lane| lane.queue.try_send((claim, decided)).is_ok());
        if !taken {
            // The receiver lives as long as the pump, which calls this.
            let _pump_is_gone = self.fates.send(returned);
        }
    }

    /// Ends the lanes when their queues are worked off, or after `patience`.
    pub async fn drain(&mut self, patience: Duration) {
        self.lanes.clear();
        let ended = async { while self.work.join_next().await.is_some() {} };
        if tokio::time::timeout(patience, ended).await.is_err() {
            self.work.shutdown().await;
        }
    }
}

async fn work(
    mut claims: mpsc::Receiver<(Claim, Instant)>,
    channel: Arc<dyn Channel>,
    limits: Limits,
    jitter: Jitter,
    handed: Arc<AtomicU64>,
    fates: mpsc::UnboundedSender<Handed>,
) {
    let rate = limits.per_second.map(|n| rate(quota(n, limits.burst)));
    let under_way = Arc::new(Semaphore::new(limits.concurrency));
    let mut handing = JoinSet::new();
    while let Some((claim, decided)) = claims.recv().await {
        let Ok(permit) = under_way.clone().acquire_owned().await else {
            break;
        };
        let in_time = match &rate {
            Some(rate) => leave(rate, decided).await,
            None => true,
        };
        let (channel, jitter, handed, fates) = (channel.clone(), jitter.clone(), handed.clone(), fates.clone());
        handing.spawn(async move {
            let fate = if in_time {
                hand_over(&*channel, &claim, &limits, &jitter, decided).await
            } else {
                Fate::Returned
            };
            drop(permit);
            handed.fetch_add(1, Ordering::Relaxed);
            let _pump_is_gone = fates.send(Handed {
                key: claim.key,
                customer: claim.customer,
                fate,
            });
        });
        while handing.try_join_next().is_some() {}
    }
    while handing.join_next().await.is_some() {}
}

/// How fast claims leave a lane: by the runtime's time, as everything else in it goes.
type Rate = RateLimiter<NotKeyed, InMemoryState, Stopwatch, NoOpMiddleware<Duration>>;

struct Stopwatch(Instant);

impl governor::clock::Clock for Stopwatch {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

fn rate(quota: Quota) -> Rate {
    RateLimiter::direct_with_clock(quota, Stopwatch(Instant::now()))
}

fn quota(per_second: NonZeroU32, burst: Option<NonZeroU32>) -> Quota {
    Quota::per_second(per_second).allow_burst(burst.unwrap_or(per_second))
}

/// Waits for the rate's leave. False: the claim would be too old by then, and its place is left to a younger one.
async fn leave(rate: &Rate, decided: Instant) -> bool {
    while let Err(not_yet) = rate.check() {
        let wait = not_yet.wait_time_from(rate.clock().now());
        let left = CLAIM_TTL.saturating_sub(decided.elapsed());
        if wait > left {
            // Given back at once it would be claimed at once, and come here again, and again.
            tokio::time::sleep(left).await;
            return false;
        }
        tokio::time::sleep(wait).await;
    }
    true
}

async fn hand_over(channel: &dyn Channel, claim: &Claim, limits: &Limits, jitter: &Jitter, decided: Instant) -> Fate {
    if decided.elapsed() > CLAIM_TTL {
        return Fate::Returned;
    }
    // A defect in a channel must not leave the message on its way for ever.
    let handing = AssertUnwindSafe(channel.hand_over(&claim.message)).catch_unwind();
    let reply = handing.await.unwrap_or_else(|_| Reply::Unknown("panic".into()));
    let elapsed = Micros::try_from(decided.elapsed().as_micros()).unwrap_or(Micros::MAX);
    tell(&reply, claim, limits);
    fate(reply, claim, limits, elapsed, jitter())
}

/// Logs what is not as it should be; refusals are counted with their reasons.
fn tell(reply: &Reply, claim: &Claim, limits: &Limits) {
    match reply {
        Reply::Sent | Reply::Refused(_) => {}
        Reply::Answered(answer) => {
            let fits = |response: &Arc<Response>| response.keep(answer.expose()).is_some();
            if !claim.response.as_ref().is_none_or(fits) {
                tracing::warn!(adapter = claim.adapter, message = %claim.key, "the answer is not what the touchpoint's response asks for");
            }
        }
        Reply::TryLater { reason, .. } if claim.attempt >= limits.attempts => {
            tracing::warn!(adapter = claim.adapter, attempt = claim.attempt, reason, message = %claim.key, "given up");
        }
        Reply::TryLater { reason, .. } => {
            tracing::warn!(adapter = claim.adapter, attempt = claim.attempt, reason, message = %claim.key, "not accepted now; tried again");
        }
        Reply::Unknown(reason) => {
            tracing::warn!(adapter = claim.adapter, attempt = claim.attempt, reason, message = %claim.key, "its fate is unknown");
        }
    }
}

/// What a provider's word, `elapsed` after the claim, makes of the message. `jitter`, 0 to 1, spreads retries.
pub fn fate(reply: Reply, claim: &Claim, limits: &Limits, elapsed: Micros, jitter: f64) -> Fate {
    let again = |reason: &str, after: Micros| Fate::Retry {
        due: claim.at.saturating_add(elapsed).saturating_add(after),
        reason: reason.to_owned(),
    };
    let pause = limits.pause(claim.attempt, jitter);
    let last = claim.attempt >= limits.attempts;
    match reply {
        Reply::Sent => Fate::Known(Outcome::Sent),
        Reply::Answered(answer) => match &claim.response {
            None => Fate::Known(Outcome::Sent),
            Some(response) => match response.keep(answer.expose()) {
                Some(kept) => Fate::Answered(kept),
                None => Fate::Known(Outcome::Failed(RESPONSE_INVALID.into())),
            },
        },
        Reply::Refused(reason) => Fate::Known(Outcome::Failed(reason)),
        Reply::TryLater { .. } if last => Fate::Known(Outcome::Failed("GaveUp".into())),
        Reply::TryLater { reason: _, after } => {
            let asked = after
                .and_then(|after| Micros::try_from(after.as_micros()).ok())
                .unwrap_or_default();
            again("TryLater", pause.max(asked))
        }
        Reply::Unknown(_) if (limits.retries_unknown || claim.message.ends.is_some()) && !last => again(UNKNOWN, pause),
        Reply::Unknown(_) => Fate::Known(Outcome::Failed(OUTCOME_UNKNOWN.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HOUR;

    #[test]
    fn pauses_double_up_to_the_longest_one() {
        let limits = Limits {
            initial: 1_000,
            max: 5_000,
            ..Limits::of(&ChannelAdapterSpec::default(), true)
        };
        let full = |attempt| limits.pause(attempt, 1.0);
        assert_eq!(
            [full(1), full(2), full(3), full(4), full(60)],
            [1_000, 2_000, 4_000, 5_000, 5_000]
        );
        assert_eq!(limits.pause(2, 0.0), 1_000);
    }

    #[test]
    fn an_adapter_that_says_nothing_is_tried_for_half_a_day_at_least_and_little_more_than_a_day() {
        let limits = Limits::of(&ChannelAdapterSpec::default(), true);
        let hours = |jitter| {
            let all: Micros = (1..limits.attempts).map(|attempt| limits.pause(attempt, jitter)).sum();
            all / HOUR
        };
        assert_eq!((hours(0.0), hours(1.0)), (12, 24));
    }

    #[test]
    fn unknown_outcomes_are_tried_again_only_where_the_other_side_deduplicates() {
        assert!(Limits::of(&ChannelAdapterSpec::default(), true).retries_unknown);
        assert!(!Limits::of(&ChannelAdapterSpec::default(), false).retries_unknown);
        let told = ChannelAdapterSpec {
            unknown_outcome: Some(UnknownOutcome::Drop),
            ..ChannelAdapterSpec::default()
        };
        assert!(!Limits::of(&told, true).retries_unknown);
    }

    #[tokio::test]
    async fn a_claim_that_would_be_too_old_uses_up_no_place_of_the_rate() {
        let rate = rate(quota(NonZeroU32::MIN, None));
        let begun = Instant::now();
        assert!(leave(&rate, begun).await);
        for _ in 0..5 {
            assert!(!leave(&rate, begun - CLAIM_TTL).await);
        }
        tokio::time::sleep(Duration::from_secs(1) - CLAIM_TTL).await;
        assert!(
            leave(&rate, Instant::now()).await,
            "the next second's place is still there"
        );
    }

    #[test]
    fn a_lane_takes_no_more_than_it_hands_over_in_time() {
        let limits = |per_second| Limits {
            per_second: NonZeroU32::new(per_second),
            ..Limits::of(&ChannelAdapterSpec::default(), true)
        };
        let room = |limits: Limits, per_second| limits.room(per_second);
        assert_eq!(
            [
                room(limits(1), 1.0),
                room(limits(5), 5.0),
                room(limits(0), 0.0),
                room(limits(0), 400.0),
                room(limits(0), 1e6)
            ],
            [1, 5, 16, 160, QUEUE]
        );
        let unknown = Limits::of(&ChannelAdapterSpec::default(), false);
        assert_eq!(
            room(unknown, 1e6),
            CONCURRENCY,
            "what waits when the process dies is lost for good"
        );
    }
}
