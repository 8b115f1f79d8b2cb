//! The store in memory: for `journey dev`, simulations and tests. One mutex, so everything is serial; nothing survives the process.

mod ack;
mod aside;
mod by_hand;
mod chain;
mod due;
mod intake;
mod join;
mod lease;
mod placed;
mod round;
mod stepping;
mod suppression;

use lease::until;

use super::{
    Admissions, After, Arrival, Backlog, Beat, Customer, Dropped, Due, EnrollmentRow, Hold, Imported, InSlot,
    JourneyRow, Learn, MessageRow, NamespacePrograms, News, Next, OutboxRow, OutboxState, PutBack, Quarantined, Ran,
    Receipt, Result, Retried, RoundRequest, RoundResult, Running, Sighting, Store, StoredJourney, Suppressed, Work,
};
use crate::{
    clock::{Clock, Micros},
    engine::state::Event,
    keys::{AddressKey, CustomerKey, MessageKey},
    kpi::Counts,
    personal::Personal,
    policy::{Consent, Contact},
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use uuid::Uuid;

/// See the module.
pub struct Memory {
    clock: Arc<dyn Clock>,
    /// Leases say which process lives: where time is a hand's, they run by the machine's.
    lease_clock: Arc<dyn Clock>,
    state: Mutex<State>,
    bells: Mutex<HashMap<(String, String), Arc<Notify>>>,
}

#[derive(Default)]
struct State {
    namespaces: HashMap<String, Namespace>,
    /// Never goes back, so that a namespace made again is not taken for the old one.
    version: i64,
    sequence: i64,
}

#[derive(Default)]
struct Namespace {
    version: i64,
    settings: Option<serde_json::Value>,
    journeys: BTreeMap<String, Journey>,
    /// In the order of keys, which sweeps follow.
    customers: BTreeMap<CustomerKey, Customer>,
    /// By touchpoint.
    schedules: BTreeMap<String, ScheduleRow>,
    /// Names that were joined to a customer, and the other way round.
    aliases: HashMap<CustomerKey, CustomerKey>,
    names: HashMap<CustomerKey, BTreeSet<CustomerKey>>,
    evidence: HashMap<(CustomerKey, String), Personal<String>>,
    contacts: HashMap<CustomerKey, BTreeMap<MessageKey, Contact>>,
    seen: HashSet<(i32, [u8; 16])>,
    /// With whether it was counted: only what the gateway put aside is.
    quarantine: BTreeMap<i64, (Quarantined, bool)>,
    intake: Counts,
    messages: HashMap<MessageKey, MessageRow>,
    /// Of messages that failed, what was asked for.
    failed: HashMap<MessageKey, OutboxRow>,
    imports: HashMap<String, u64>,
    suppressions: BTreeMap<AddressKey, Suppressed>,
    /// Until when a gateway's registration lasts, and by which policies it answers.
    gateways: BTreeMap<Uuid, (Micros, String)>,
}

#[derive(Default)]
struct Journey {
    stopped: bool,
    current: String,
    previous: Option<String>,
    revisions: BTreeMap<String, JourneyRow>,
    enrollments: HashMap<CustomerKey, BTreeMap<i64, EnrollmentRow>>,
    due: BTreeSet<(Micros, CustomerKey, i64)>,
    /// Who waits at the door, in the order of acceptance.
    door: BTreeSet<(i64, CustomerKey)>,
    /// How many came in of late, by `rules::pace_mark`.
    admitted: BTreeMap<Micros, u32>,
    /// How customers were let in when a round last wrote anything.
    admissions: Option<Admissions>,
    sightings: HashMap<CustomerKey, Sighting>,
    looks: BTreeSet<(Micros, CustomerKey)>,
    /// By sweep and shard.
    sweeps: BTreeMap<(String, u8), SweepRow>,
    /// In the order of acceptance, until it has come to everybody.
    news: BTreeMap<i64, Event>,
    /// In the order of acceptance; the events lie in `inbox_of`.
    inbox: BTreeMap<i64, CustomerKey>,
    inbox_of: HashMap<CustomerKey, BTreeMap<i64, Event>>,
    outbox: BTreeMap<CustomerKey, BTreeMap<MessageKey, OutboxRow>>,
    placed: placed::Places,
    leases: BTreeMap<u8, LeaseRow>,
    /// Until when an owner's registration lasts, and with it its leases.
    members: BTreeMap<Uuid, Micros>,
    /// By which policies they run.
    policies: BTreeMap<Uuid, String>,
    counts: Counts,
}

/// Up to when a schedule was seen to, and when it comes next.
#[derive(Debug, Clone, Default)]
struct ScheduleRow {
    rule: String,
    since: Micros,
    next: Option<Micros>,
}

/// How far a sweep has come in a shard.
#[derive(Debug, Clone, Default)]
struct SweepRow {
    version: String,
    after: Option<CustomerKey>,
    done: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct LeaseRow {
    epoch: i64,
    owner: Option<Uuid>,
}

impl Memory {
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self::with_lease_clock(clock.clone(), clock)
    }

    /// With a clock of its own for leases: processes that live through a virtual year keep them.
    pub fn with_lease_clock(clock: Arc<dyn Clock>, lease_clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            lease_clock,
            state: Mutex::default(),
            bells: Mutex::default(),
        }
    }

    /// A caller's function that panics leaves the state as it was: everything is computed first and written afterwards.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bell(&self, namespace: &str, journey: &str) -> Arc<Notify> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells
            .entry((namespace.to_owned(), journey.to_owned()))
            .or_default()
            .clone()
    }

    /// Wakes those who wait, and the next one who comes to wait: the work may have come just before.
    fn wake(&self, namespace: &str, journeys: impl IntoIterator<Item = String>) {
        for journey in journeys {
            let bell = self.bell(namespace, &journey);
            bell.notify_waiters();
            bell.notify_one();
        }
    }
}

impl State {
    fn space(&mut self, namespace: &str) -> &mut Namespace {
        self.namespaces.entry(namespace.to_owned()).or_default()
    }

    fn changed(&mut self, namespace: &str) {
        self.version += 1;
        let version = self.version;
        self.space(namespace).version = version;
    }

    fn put_journey(&mut self, namespace: &str, row: &JourneyRow, now: Micros) -> bool {
        let space = self.space(namespace);
        let stopped = space.journeys.get(&row.journey).is_some_and(|journey| journey.stopped);
        if stopped {
            space.remove_journey(&row.journey);
        }
        let journey = space.journeys.entry(row.journey.clone()).or_default();
        let mut changed = journey.revisions.insert(row.revision.clone(), row.clone()).as_ref() != Some(row);
        if journey.current != row.revision {
            let before = std::mem::replace(&mut journey.current, row.revision.clone());
            journey.previous = (!before.is_empty()).then_some(before);
            changed = true;
        }
        changed |= journey.forget_revisions(now);
        if changed {
            self.changed(namespace);
        }
        changed
    }
}

impl Namespace {
    fn remove_journey(&mut self, journey: &str) {
        self.journeys.remove(journey);
        self.messages.retain(|_, message| message.journey != journey);
        self.failed.retain(|key, _| self.messages.contains_key(key));
    }
}

impl Journey {
    /// Drops revisions that nobody walks; the current one and the one before it stay, because runners may not have heard of the change.
    fn forget_revisions(&mut self, now: Micros) -> bool {
        let walked: BTreeSet<String> = self
            .enrollments
            .values()
            .flat_map(BTreeMap::values)
            .filter(|row| row.enrollment.is_active() || row.watch_until > now)
            .map(|row| row.enrollment.revision.clone())
            .collect();
        let (before, current, previous) = (self.revisions.len(), &self.current, &self.previous);
        self.revisions.retain(|revision, _| {
            revision == current || Some(revision) == previous.as_ref() || walked.contains(revision)
        });
        self.revisions.len() != before
    }
}

#[async_trait]
impl Store for Memory {
    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn now(&self) -> Result<Micros> {
        Ok(self.clock.now())
    }

    async fn put_settings(&self, namespace: &str, body: &serde_json::Value) -> Result<()> {
        let journeys: Vec<String> = {
            let mut state = self.state();
            let space = state.space(namespace);
            if space.settings.as_ref() == Some(body) {
                return Ok(());
            }
            space.settings = Some(body.clone());
            let journeys = space.journeys.keys().cloned().collect();
            state.changed(namespace);
            journeys
        };
        self.wake(namespace, journeys);
        Ok(())
    }

    async fn put_journey(&self, namespace: &str, row: &JourneyRow) -> Result<()> {
        let changed = self.state().put_journey(namespace, row, self.clock.now());
        if changed {
            self.wake(namespace, [row.journey.clone()]);
        }
        Ok(())
    }

    async fn stop_journey(&self, namespace: &str, journey: &str) -> Result<()> {
        {
            let mut state = self.state();
            match state
                .namespaces
                .get_mut(namespace)
                .and_then(|space| space.journeys.get_mut(journey))
            {
                Some(row) if !row.stopped => row.stopped = true,
                Some(_) | None => return Ok(()),
            }
            state.changed(namespace);
        }
        self.wake(namespace, [journey.to_owned()]);
        Ok(())
    }

    async fn remove_journey(&self, namespace: &str, journey: &str) -> Result<()> {
        {
            let mut state = self.state();
            let known = state
                .namespaces
                .get_mut(namespace)
                .filter(|space| space.journeys.contains_key(journey));
            let Some(space) = known else { return Ok(()) };
            space.remove_journey(journey);
            state.changed(namespace);
        }
        self.wake(namespace, [journey.to_owned()]);
        Ok(())
    }

    async fn remove_namespace(&self, namespace: &str) -> Result<()> {
        let gone = self.state().namespaces.remove(namespace);
        self.wake(namespace, gone.into_iter().flat_map(|space| space.journeys.into_keys()));
        Ok(())
    }

    async fn programs(&self, namespace: &str, known: i64) -> Result<Option<NamespacePrograms>> {
        let state = self.state();
        let space = state.namespaces.get(namespace);
        let version = space.map_or(0, |space| space.version);
        if version == known {
            return Ok(None);
        }
        let Some(space) = space else {
            return Ok(Some(NamespacePrograms::default()));
        };
        let mut journeys = Vec::new();
        for journey in space.journeys.values() {
            let mut rows: Vec<StoredJourney> = journey
                .revisions
                .values()
                .map(|row| StoredJourney {
                    row: row.clone(),
                    current: row.revision == journey.current,
                    stopped: journey.stopped,
                })
                .collect();
            rows.sort_by_key(|row| !row.current);
            journeys.extend(rows);
        }
        Ok(Some(NamespacePrograms {
            version,
            settings: space.settings.clone(),
            journeys,
        }))
    }

    async fn accept(&self, namespace: &str, batch: &[Arrival], learn: Learn<'_>) -> Result<Vec<Receipt>> {
        let (receipts, woken) = intake::accept(&mut self.state(), namespace, batch, learn, self.clock.now());
        self.wake(namespace, woken);
        Ok(receipts)
    }

    async fn announce(&self, namespace: &str, news: &[News]) -> Result<Vec<Receipt>> {
        let (receipts, woken) = intake::announce(&mut self.state(), namespace, news, self.clock.now());
        self.wake(namespace, woken);
        Ok(receipts)
    }

    async fn strike(
        &self,
        namespace: &str,
        schedules: &BTreeMap<String, String>,
        due: Due<'_>,
    ) -> Result<Option<Micros>> {
        let (next, woken) = intake::strike(&mut self.state(), namespace, schedules, due, self.clock.now());
        self.wake(namespace, woken);
        Ok(next)
    }

    async fn quarantine(&self, namespace: &str, rows: &[Quarantined]) -> Result<()> {
        intake::quarantine(&mut self.state(), namespace, rows);
        Ok(())
    }

    async fn quarantined(&self, namespace: &str, after: i64, limit: u32) -> Result<Vec<(i64, Quarantined)>> {
        let state = self.state();
        let rows = state.namespaces.get(namespace).map(|space| {
            let newer = space.quarantine.range(after.saturating_add(1)..).take(limit as usize);
            newer.map(|(id, (row, _))| (*id, row.clone())).collect()
        });
        Ok(rows.unwrap_or_default())
    }

    async fn release(&self, namespace: &str, id: i64) -> Result<Option<Quarantined>> {
        Ok(intake::release(&mut self.state(), namespace, id))
    }

    async fn put_back(&self, namespace: &str, id: i64) -> Result<PutBack> {
        let (done, woken) = aside::put_back(&mut self.state(), namespace, id);
        self.wake(namespace, woken);
        Ok(done)
    }

    async fn discard(&self, namespace: &str, id: i64) -> Result<Option<Quarantined>> {
        Ok(aside::discard(&mut self.state(), namespace, id))
    }

    async fn intake_counts(&self, namespace: &str) -> Result<Counts> {
        Ok(self
            .state()
            .namespaces
            .get(namespace)
            .map(|space| space.intake.clone())
            .unwrap_or_default())
    }

    async fn message(&self, namespace: &str, key: MessageKey) -> Result<Option<MessageRow>> {
        Ok(self
            .state()
            .namespaces
            .get(namespace)
            .and_then(|space| space.messages.get(&key).cloned()))
    }

    async fn outbox(
        &self,
        namespace: &str,
        journey: &str,
        after: After<CustomerKey>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>> {
        Ok(by_hand::outbox(&self.state(), namespace, journey, after, limit))
    }

    async fn waiting(&self, namespace: &str, journey: &str, key: MessageKey) -> Result<Option<OutboxRow>> {
        let rows = by_hand::outbox(&self.state(), namespace, journey, None, u32::MAX);
        Ok(rows.into_iter().find(|row| row.key == key))
    }

    async fn failed(
        &self,
        namespace: &str,
        journey: &str,
        after: After<Micros>,
        limit: u32,
    ) -> Result<Vec<MessageRow>> {
        Ok(by_hand::failed(&self.state(), namespace, journey, after, limit))
    }

    async fn retry(&self, namespace: &str, journey: &str, key: MessageKey) -> Result<Retried> {
        let done = by_hand::retry(&mut self.state(), namespace, journey, key, self.clock.now());
        self.wake(namespace, [journey.to_owned()]);
        Ok(done)
    }

    async fn drop_message(
        &self,
        namespace: &str,
        journey: &str,
        customer: CustomerKey,
        key: MessageKey,
    ) -> Result<Dropped> {
        let done = by_hand::drop_message(&mut self.state(), namespace, journey, customer, key, self.clock.now());
        self.wake(namespace, [journey.to_owned()]);
        Ok(done)
    }

    async fn slot(&self, namespace: &str, customer: CustomerKey, slot: &str) -> Result<Option<InSlot>> {
        Ok(self.slot_at_once(namespace, customer, slot))
    }

    async fn consents(&self, namespace: &str, customer: CustomerKey) -> Result<Option<BTreeMap<String, Consent>>> {
        let state = self.state();
        let space = state.namespaces.get(namespace);
        Ok(space.and_then(|space| Some(space.customers.get(&space.root(customer))?.consents.clone())))
    }

    async fn dismiss(&self, namespace: &str, message: MessageKey) -> Result<()> {
        self.dismiss_at_once(namespace, message);
        Ok(())
    }

    async fn suppress(&self, namespace: &str, rows: &[Suppressed]) -> Result<()> {
        self.state().space(namespace).suppress(rows);
        Ok(())
    }

    async fn unsuppress(&self, namespace: &str, address: AddressKey) -> Result<bool> {
        Ok(self.state().space(namespace).suppressions.remove(&address).is_some())
    }

    async fn suppressed(&self, namespace: &str, after: Option<AddressKey>, limit: u32) -> Result<Vec<Suppressed>> {
        let state = self.state();
        Ok(state
            .namespaces
            .get(namespace)
            .map_or(vec![], |space| space.suppressed(after, limit)))
    }

    async fn import(&self, namespace: &str, customers: &[Imported], file: &str, rows: u64) -> Result<()> {
        let woken = intake::import(&mut self.state(), namespace, customers, file, rows, self.clock.now());
        self.wake(namespace, woken);
        Ok(())
    }

    async fn import_progress(&self, namespace: &str, file: &str) -> Result<u64> {
        Ok(self
            .state()
            .namespaces
            .get(namespace)
            .and_then(|space| space.imports.get(file).copied())
            .unwrap_or(0))
    }

    async fn join(&self, namespace: &str, journey: &str, owner: Uuid, ttl: Duration) -> Result<Hold> {
        let (now, mut state) = (self.lease_clock.now(), self.state());
        let row = state
            .namespaces
            .get_mut(namespace)
            .and_then(|space| space.journeys.get_mut(journey));
        let (shards, members, late) = row
            .filter(|row| !row.stopped)
            .map(|row| row.join(owner, now, ttl))
            .unwrap_or_default();
        Ok(Hold {
            namespace: namespace.to_owned(),
            journey: journey.to_owned(),
            owner,
            shards,
            members,
            late,
        })
    }

    async fn beat(&self, hold: &Hold, ttl: Duration) -> Result<Beat> {
        let (now, living) = (self.clock.now(), self.lease_clock.now());
        Ok(lease::beat(&mut self.state(), hold, now, living, ttl))
    }

    async fn leave(&self, namespace: &str, journey: &str, owner: Uuid) -> Result<()> {
        let mut state = self.state();
        if let Some(row) = state
            .namespaces
            .get_mut(namespace)
            .and_then(|space| space.journeys.get_mut(journey))
        {
            row.leave(owner);
        }
        Ok(())
    }

    async fn round(&self, hold: &Hold, request: &RoundRequest, work: Work<'_>) -> Result<RoundResult> {
        let (now, living) = (self.clock.now(), self.lease_clock.now());
        let (result, woken) = round::round(&mut self.state(), hold, request, work, now, living);
        self.wake(&hold.namespace, woken);
        Ok(result)
    }

    async fn due_next(&self, hold: &Hold, request: &RoundRequest) -> Result<Next> {
        let (now, state) = (self.clock.now(), self.state());
        let space = state.namespaces.get(&hold.namespace);
        let journey = space.and_then(|space| space.journeys.get(&hold.journey));
        Ok(Next {
            now,
            due: journey.and_then(|journey| journey.due_next(hold, request, now)),
        })
    }

    async fn wait(&self, namespace: &str, journey: &str, timeout: Duration) -> bool {
        let bell = self.bell(namespace, journey);
        tokio::time::timeout(timeout, bell.notified()).await.is_ok()
    }

    async fn acknowledge(&self, namespace: &str, journey: &str, owner: Uuid, policy: &str) -> Result<()> {
        if let Some(space) = self.state().namespaces.get_mut(namespace) {
            space.acknowledge(journey, owner, policy);
        }
        Ok(())
    }

    async fn attend(&self, namespace: &str, owner: Uuid, policy: &str, ttl: Duration) -> Result<()> {
        let now = self.lease_clock.now();
        self.state().space(namespace).attend(owner, policy, now, ttl);
        Ok(())
    }

    async fn depart(&self, namespace: &str, owner: Uuid) -> Result<()> {
        if let Some(space) = self.state().namespaces.get_mut(namespace) {
            space.gateways.remove(&owner);
        }
        Ok(())
    }

    async fn running(&self, namespace: &str) -> Result<Running> {
        let now = self.lease_clock.now();
        let state = self.state();
        let space = state.namespaces.get(namespace);
        Ok(space.map(|space| space.running(now)).unwrap_or_default())
    }

    async fn retained(&self, _namespace: &str) -> Result<Option<Ran>> {
        // It keeps everything until the process ends.
        Ok(None)
    }

    async fn counts(&self, namespace: &str, journey: &str) -> Result<Counts> {
        let state = self.state();
        let row = state
            .namespaces
            .get(namespace)
            .and_then(|space| space.journeys.get(journey));
        Ok(row.map(|row| row.counts.clone()).unwrap_or_default())
    }

    async fn backlog(&self, namespace: &str, journey: &str) -> Result<Backlog> {
        let (now, state) = (self.clock.now(), self.state());
        let Some(row) = state
            .namespaces
            .get(namespace)
            .and_then(|space| space.journeys.get(journey))
        else {
            return Ok(Backlog::default());
        };
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX).min(Backlog::MOST + 1);
        let overdue = row.due.range(..=(now, CustomerKey([u8::MAX; 16]), i64::MAX));
        let wait = overdue.clone().find_map(|(due, customer, ordinal)| {
            let row = row.enrollments.get(customer)?.get(ordinal)?;
            (row.enrollment.is_active() || row.watch_until > now).then_some(*due)
        });
        let held = row.outbox.values().flat_map(BTreeMap::values);
        let held = held.filter_map(|row| match row.state {
            OutboxState::Held { due, .. } => Some(due),
            OutboxState::Claimed { .. } => None,
        });
        let oldest = wait.into_iter().chain(held).min().unwrap_or(now);
        Ok(Backlog {
            active: count(
                row.enrollments
                    .values()
                    .flat_map(BTreeMap::values)
                    .filter(|row| row.enrollment.is_active() && !row.enrollment.is_paced())
                    .count(),
            ),
            inbox: count(row.inbox.len()),
            outbox: count(row.outbox.values().map(BTreeMap::len).sum()),
            overdue: count(overdue.count()),
            paced: count(row.door.len()),
            news: count(row.news.len()),
            oldest: now.saturating_sub(oldest).max(0),
        })
    }

    async fn overfull(&self, namespace: &str, inbox: u32, news: u32) -> Result<BTreeSet<String>> {
        let state = self.state();
        let journeys = state.namespaces.get(namespace).into_iter();
        let full = |(_, row): &(&String, &Journey)| {
            !row.stopped && (row.inbox.len() > inbox as usize || row.news.len() > news as usize)
        };
        let journeys = journeys.flat_map(|space| space.journeys.iter().filter(full));
        Ok(journeys.map(|(name, _)| name.clone()).collect())
    }
}
