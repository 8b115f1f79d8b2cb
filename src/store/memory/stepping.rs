//! What a hand that moves the clock must know: whether there is anything to do now, when there is next, and how the rows stand. For
//! simulations, scenarios and `journey dev --clock virtual`; a runner asks none of this.

use super::{Journey, Memory, Namespace, round};
use crate::{
    clock::Micros,
    engine::state::Enrollment,
    keys::{CustomerKey, MessageKey},
    kpi::Counts,
    store::{
        Arrival, Customer, Due, Hold, Imported, Learn, MessageRow, News, OutboxRow, OutboxState, Receipt, RoundRequest,
        RoundResult, Work,
    },
};
use std::collections::BTreeMap;

impl Memory {
    /// [`super::Store::accept`] without a runtime; nobody waits who would have to be woken.
    pub fn accept_at_once(&self, namespace: &str, batch: &[Arrival], learn: Learn<'_>) -> Vec<Receipt> {
        super::intake::accept(&mut self.state(), namespace, batch, learn, self.clock.now()).0
    }

    /// [`super::Store::announce`] without a runtime.
    pub fn announce_at_once(&self, namespace: &str, news: &[News]) -> Vec<Receipt> {
        super::intake::announce(&mut self.state(), namespace, news, self.clock.now()).0
    }

    /// [`super::Store::strike`] without a runtime.
    pub fn strike_at_once(
        &self,
        namespace: &str,
        schedules: &BTreeMap<String, String>,
        due: Due<'_>,
    ) -> Option<Micros> {
        super::intake::strike(&mut self.state(), namespace, schedules, due, self.clock.now()).0
    }

    /// Whether a schedule has come that nobody has seen to.
    pub fn strikes(&self, namespace: &str) -> bool {
        let now = self.clock.now();
        self.of(namespace, |space| {
            space
                .schedules
                .values()
                .any(|row| row.next.is_some_and(|next| next <= now))
        })
        .unwrap_or(false)
    }

    /// [`super::Store::round`] without a runtime.
    pub fn round_at_once(&self, hold: &Hold, request: &RoundRequest, work: Work<'_>) -> RoundResult {
        let (now, living) = (self.clock.now(), self.lease_clock.now());
        round::round(&mut self.state(), hold, request, work, now, living).0
    }

    /// [`super::Store::import`] without a runtime.
    pub fn import_at_once(&self, namespace: &str, customers: &[Imported]) {
        super::intake::import(&mut self.state(), namespace, customers, "", 0, self.clock.now());
    }

    /// Whether a round of some journey would find something to do as of now. Messages under way are waited for, not worked on.
    pub fn has_work(&self, namespace: &str) -> bool {
        if self.strikes(namespace) {
            return true;
        }
        let now = self.clock.now();
        self.of(namespace, |space| {
            space.journeys.values().any(|journey| {
                let waits = !journey.inbox.is_empty() || !journey.news.is_empty();
                !journey.stopped && (waits || journey.instants().any(|due| due <= now))
            })
        })
        .unwrap_or(false)
    }

    /// The first instant after now at which there is something to do: a wait ends, a condition may change, a held message asks again, there is
    /// a place at the door.
    pub fn next_due(&self, namespace: &str) -> Option<Micros> {
        let now = self.clock.now();
        self.of(namespace, |space| {
            let journeys = space.journeys.values().filter(|journey| !journey.stopped);
            let schedules = space.schedules.values().filter_map(|row| row.next);
            let schedules = schedules.filter(|next| *next > now);
            journeys
                .flat_map(|journey| journey.instants_after(now))
                .chain(schedules)
                .min()
        })
        .flatten()
    }

    /// Messages claimed and not yet heard of.
    pub fn under_way(&self, namespace: &str) -> usize {
        self.of(namespace, |space| {
            let rows = space.journeys.values().flat_map(|journey| journey.outbox.values());
            rows.flat_map(BTreeMap::values)
                .filter(|row| matches!(row.state, OutboxState::Claimed { .. }))
                .count()
        })
        .unwrap_or_default()
    }

    /// The customer that a name is of by now.
    pub fn whose(&self, namespace: &str, name: CustomerKey) -> CustomerKey {
        self.of(namespace, |space| space.root(name)).unwrap_or(name)
    }

    /// By any of their names.
    pub fn customer(&self, namespace: &str, key: CustomerKey) -> Option<Customer> {
        self.of(namespace, |space| space.customers.get(&space.root(key)).cloned())
            .flatten()
    }

    /// All that are kept of a customer, by any of their names, in a journey, ended ones too, by ordinal.
    pub fn enrollments(&self, namespace: &str, journey: &str, key: CustomerKey) -> Vec<Enrollment> {
        self.of(namespace, |space| {
            let rows = space
                .journeys
                .get(journey)
                .and_then(|journey| journey.enrollments.get(&space.root(key)));
            rows.into_iter()
                .flat_map(BTreeMap::values)
                .map(|row| row.enrollment.clone())
                .collect()
        })
        .unwrap_or_default()
    }

    /// Messages on their way, with their journeys.
    pub fn outbox(&self, namespace: &str) -> Vec<(String, OutboxRow)> {
        self.of(namespace, |space| {
            let of = |(name, journey): (&String, &Journey)| {
                let rows = journey.outbox.values().flat_map(BTreeMap::values);
                rows.map(|row| (name.clone(), row.clone())).collect::<Vec<_>>()
            };
            space.journeys.iter().flat_map(of).collect()
        })
        .unwrap_or_default()
    }

    pub fn message_row(&self, namespace: &str, key: MessageKey) -> Option<MessageRow> {
        self.of(namespace, |space| space.messages.get(&key).cloned()).flatten()
    }

    /// Every message there was, by instant, customer and key.
    pub fn messages(&self, namespace: &str) -> Vec<MessageRow> {
        let mut rows: Vec<MessageRow> = self
            .of(namespace, |space| space.messages.values().cloned().collect())
            .unwrap_or_default();
        rows.sort_by_key(|row| (row.at, row.customer, row.key));
        rows
    }

    pub fn counts_now(&self, namespace: &str, journey: &str) -> Counts {
        self.of(namespace, |space| {
            space.journeys.get(journey).map(|journey| journey.counts.clone())
        })
        .flatten()
        .unwrap_or_default()
    }

    pub fn intake_counts_now(&self, namespace: &str) -> Counts {
        self.of(namespace, |space| space.intake.clone()).unwrap_or_default()
    }

    /// The gateway's counts, which begin anew.
    pub fn take_intake_counts(&self, namespace: &str) -> Counts {
        let mut state = self.state();
        state
            .namespaces
            .get_mut(namespace)
            .map(|space| std::mem::take(&mut space.intake))
            .unwrap_or_default()
    }

    /// Nobody was ever here: programs and leases stay.
    pub fn forget_customers(&self, namespace: &str) {
        let mut state = self.state();
        state.sequence = 0;
        let Some(space) = state.namespaces.get_mut(namespace) else {
            return;
        };
        let Namespace {
            version: _,
            settings: _,
            journeys,
            customers,
            schedules,
            aliases,
            names,
            evidence,
            contacts,
            seen,
            quarantine,
            intake,
            messages,
            failed,
            imports,
            suppressions,
            gateways: _,
        } = space;
        customers.clear();
        schedules.clear();
        aliases.clear();
        names.clear();
        evidence.clear();
        contacts.clear();
        seen.clear();
        quarantine.clear();
        *intake = Counts::default();
        messages.clear();
        failed.clear();
        imports.clear();
        suppressions.clear();
        for journey in journeys.values_mut() {
            let Journey {
                stopped: _,
                current: _,
                previous: _,
                revisions: _,
                enrollments,
                due,
                door,
                admitted,
                admissions: _,
                sightings,
                looks,
                sweeps,
                news,
                inbox,
                inbox_of,
                outbox,
                placed,
                leases: _,
                members: _,
                policies: _,
                counts,
            } = journey;
            enrollments.clear();
            due.clear();
            door.clear();
            admitted.clear();
            sightings.clear();
            looks.clear();
            sweeps.clear();
            news.clear();
            inbox.clear();
            inbox_of.clear();
            outbox.clear();
            *placed = Default::default();
            *counts = Counts::default();
        }
    }

    /// Wakes every runner of the namespace: the clock was moved.
    pub fn ring(&self, namespace: &str) {
        let journeys = self.of(namespace, |space| space.journeys.keys().cloned().collect::<Vec<_>>());
        self.wake(namespace, journeys.unwrap_or_default());
    }

    fn of<T>(&self, namespace: &str, read: impl FnOnce(&Namespace) -> T) -> Option<T> {
        self.state().namespaces.get(namespace).map(read)
    }
}

impl Journey {
    /// When time alone gives something to do. Overdue waits of a suspended journey stay.
    fn instants(&self) -> impl Iterator<Item = Micros> {
        self.instants_after(Micros::MIN)
    }

    fn instants_after(&self, now: Micros) -> impl Iterator<Item = Micros> {
        let suspended = self.revisions.get(&self.current).is_some_and(|row| row.suspended);
        let last = (now, CustomerKey([u8::MAX; 16]), i64::MAX);
        let wait = self.due.range(last..).map(|(due, _, _)| *due).find(|due| *due > now);
        let after = (now, CustomerKey([u8::MAX; 16]));
        let look = self.looks.range(after..).map(|(due, _)| *due).find(|due| *due > now);
        let held = self
            .outbox
            .values()
            .flat_map(BTreeMap::values)
            .filter_map(|row| match row.state {
                OutboxState::Held { due, .. } => Some(due),
                OutboxState::Claimed { .. } => None,
            });
        let placed = self.placed.instants().find(|at| *at > now || now == Micros::MIN);
        // Micros::MIN is now as well, where everything is asked for.
        let place = self.place_at().filter(|at| *at > now || now == Micros::MIN);
        wait.into_iter()
            .chain(look)
            .chain(place)
            .filter(move |_| !suspended)
            .chain(placed)
            .chain(held.filter(move |due| *due > now).min())
    }
}
