//! One round of a runner.

use super::{Journey, Namespace, State, SweepRow, chain, intake};
use crate::{
    clock::Micros,
    engine::state::Event,
    keys::CustomerKey,
    store::{
        Admissions, Current, CustomerTurn, EnrollmentRow, Handed, Hold, MessageRow, OutboxRow, OutboxState, Room,
        Round, RoundCommit, RoundRequest, RoundResult, Scope, Sighting, SweepRequest, Work, rules,
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    ops::Bound::{Excluded, Included, Unbounded},
};

/// `living` is the time by which leases run. Gives the journeys, too, that have something to do because of it.
pub(super) fn round(
    state: &mut State,
    hold: &Hold,
    request: &RoundRequest,
    work: Work<'_>,
    now: Micros,
    living: Micros,
) -> (RoundResult, BTreeSet<String>) {
    let fenced = || (RoundResult::Fenced, BTreeSet::new());
    let mut sequence = state.sequence;
    let Some(space) = state.namespaces.get(&hold.namespace) else {
        return fenced();
    };
    let Some(journey) = space
        .journeys
        .get(&hold.journey)
        .filter(|journey| !journey.stopped && journey.holds(hold, living))
    else {
        return fenced();
    };
    let mut revisions = journey.revisions.keys();
    let is_known =
        request.current == journey.standing() && revisions.all(|revision| request.revisions.contains(revision));
    if request.current.is_some() && !is_known {
        return (RoundResult::Changed, BTreeSet::new());
    }
    let request = &*space.by_root(request);
    let mut outcomes = journey.outcomes(hold, request);
    let sweeps = sweep(space, journey, hold, request);
    let news = news(space, journey, hold, request);
    let steps = || sweeps.iter().chain(news.iter().flat_map(|(_, steps)| steps));
    let first = outcomes.keys().copied();
    let first = first.chain(steps().flat_map(|sweep| sweep.found.iter().copied()));
    let door = journey.turns_at_door(hold, request, now);
    let (chosen, left) = journey.choose(hold, request, first.collect(), &door, now);
    let first_event = journey.waiting(hold, request).next().map(|(number, _)| *number);
    let mut full = left || steps().next().is_some();
    let mut customers = Vec::with_capacity(chosen.len());
    for key in chosen {
        let handed = outcomes.remove(&key).unwrap_or_default();
        let Some(mut turn) = space.turn(journey, key, now.saturating_sub(request.contacts_within), handed, now) else {
            continue;
        };
        let comes = door.get(&key).into_iter().flatten().copied();
        turn.admit = rules::still_at_door(&turn.enrollments, comes);
        let came = sweeps.iter().filter(|sweep| sweep.found.contains(&key));
        turn.swept = came.map(|sweep| sweep.request.sweep.clone()).collect();
        if request.looks {
            turn.sighting = journey.sightings.get(&key).cloned().unwrap_or_default();
        }
        if !turn.swept.is_empty() || turn.sighting.look_at.is_some_and(|at| at <= now) {
            sequence += 1;
            turn.look = Some(sequence);
        }
        let comes = |steps: &[Sweep]| steps.iter().any(|step| step.found.contains(&key));
        if let Some((event, _)) = news.as_ref().filter(|(_, steps)| comes(steps)) {
            sequence += 1;
            turn.news = Some((sequence, rules::told(event, &turn.customer, now)));
        }
        if rules::has_work(&turn, now) {
            full |= rules::leaves_more(&turn);
            customers.push(turn);
        }
    }
    if customers.is_empty() && steps().next().is_none() {
        return (RoundResult::Idle, BTreeSet::new());
    }
    // Who walks a revision that is gone already may walk it to its end.
    let walked: BTreeSet<String> = customers
        .iter()
        .flat_map(|turn| &turn.enrollments)
        .map(|enrollment| &enrollment.revision)
        .filter(|revision| !journey.revisions.contains_key(*revision))
        .cloned()
        .collect();
    let commit = if customers.is_empty() {
        RoundCommit::default()
    } else {
        let suppressed = space.suppressions_of(request.addresses.all(&customers, now));
        work(Round {
            now,
            customers,
            suppressed,
            first_event,
        })
    };
    let there = |revision: &String| journey.revisions.contains_key(revision) || walked.contains(revision);
    if !commit.enrollments.iter().all(|row| there(&row.enrollment.revision)) {
        return fenced();
    }
    full |= rules::opens_the_door(request, &commit);
    let steps = sweeps.into_iter().chain(news.into_iter().flat_map(|(_, steps)| steps));
    let progress: Vec<((String, u8), SweepRow)> = steps.map(Sweep::progress).collect();
    state.sequence = sequence;
    let woken = write(state, hold, request.admissions, commit, now);
    let journey = state.space(&hold.namespace).journeys.get_mut(&hold.journey);
    if let Some(journey) = journey {
        journey.sweeps.extend(progress);
        journey.forget_news();
    }
    (RoundResult::Committed { full }, woken)
}

/// A step of a sweep: those it comes to in one shard.
struct Sweep {
    request: SweepRequest,
    shard: u8,
    after: Option<CustomerKey>,
    found: Vec<CustomerKey>,
}

impl Sweep {
    fn progress(self) -> ((String, u8), SweepRow) {
        let row = SweepRow {
            version: self.request.version.clone(),
            done: self.found.len() < self.request.limit as usize,
            after: self.found.last().copied().or(self.after),
        };
        ((self.request.sweep, self.shard), row)
    }
}

/// The next step of each sweep that is not done in the shards that are held.
fn sweep(space: &Namespace, journey: &Journey, hold: &Hold, request: &RoundRequest) -> Vec<Sweep> {
    let steps = |request: &SweepRequest| steps(space, journey, hold, request);
    request.sweeps.iter().flat_map(steps).collect()
}

/// The first news that has not come to everybody in the shards that are held, and to whom it comes next.
fn news(space: &Namespace, journey: &Journey, hold: &Hold, request: &RoundRequest) -> Option<(Event, Vec<Sweep>)> {
    let mut all = journey.news.iter().filter(|_| request.news > 0);
    all.find_map(|(sequence, event)| {
        let request = SweepRequest {
            sweep: rules::news_sweep(*sequence),
            version: String::new(),
            limit: request.news,
        };
        let steps = steps(space, journey, hold, &request);
        (!steps.is_empty()).then(|| (event.clone(), steps))
    })
}

/// A shard after the other, until as many are found as are asked for.
fn steps(space: &Namespace, journey: &Journey, hold: &Hold, request: &SweepRequest) -> Vec<Sweep> {
    let (mut steps, mut room) = (Vec::new(), request.limit);
    for shard in hold.shards.iter().map(|lease| lease.shard) {
        let known = journey.sweeps.get(&(request.sweep.clone(), shard));
        let known = known.filter(|row| row.version == request.version);
        if room == 0 || known.is_some_and(|row| row.done) {
            continue;
        }
        let after = known.and_then(|row| row.after);
        let from = after.map_or(Unbounded, Excluded);
        let mut found = Vec::new();
        for first in (shard..=u8::MAX).step_by(usize::from(CustomerKey::SHARDS)) {
            let (mut low, mut high) = (CustomerKey([0; 16]), CustomerKey([u8::MAX; 16]));
            (low.0[0], high.0[0]) = (first, first);
            if after.is_some_and(|after| after >= high) {
                continue;
            }
            let low = if after.is_some_and(|after| after > low) {
                from
            } else {
                Included(low)
            };
            let keys = space.customers.range((low, Included(high))).map(|(key, _)| *key);
            let left = (room as usize).saturating_sub(found.len());
            found.extend(keys.take(left));
        }
        let step = Sweep {
            request: SweepRequest {
                limit: room,
                ..request.clone()
            },
            shard,
            after,
            found,
        };
        room = room.saturating_sub(u32::try_from(step.found.len()).unwrap_or(u32::MAX));
        steps.push(step);
    }
    steps
}

impl Journey {
    fn standing(&self) -> Option<Current> {
        self.revisions.get(&self.current).map(|row| Current {
            revision: row.revision.clone(),
            suspended: row.suspended,
        })
    }

    /// Outcomes that are news: of messages that are still claimed, in shards that are held.
    fn outcomes(&self, hold: &Hold, request: &RoundRequest) -> HashMap<CustomerKey, Vec<Handed>> {
        let mut by_customer: HashMap<CustomerKey, Vec<Handed>> = HashMap::new();
        if request.outcomes.is_empty() {
            return by_customer;
        }
        let shards: BTreeSet<u8> = hold.shards.iter().map(|lease| lease.shard).collect();
        for handed in request
            .outcomes
            .iter()
            .filter(|handed| shards.contains(&handed.customer.shard()))
        {
            let row = self.outbox.get(&handed.customer).and_then(|rows| rows.get(&handed.key));
            if row.is_some_and(|row| matches!(row.state, OutboxState::Claimed { .. })) {
                by_customer.entry(handed.customer).or_default().push(handed.clone());
            }
        }
        by_customer
    }

    /// Events that wait and that a round looks at, in the order of acceptance.
    fn waiting<'a>(
        &'a self,
        hold: &'a Hold,
        request: &RoundRequest,
    ) -> impl Iterator<Item = (&'a i64, &'a CustomerKey)> {
        let held = |customer: &CustomerKey| hold.shards.iter().any(|lease| lease.shard == customer.shard());
        self.inbox
            .range(request.first_number()..)
            .filter(move |(_, customer)| held(customer))
    }

    fn choose(
        &self,
        hold: &Hold,
        request: &RoundRequest,
        first: BTreeSet<CustomerKey>,
        door: &BTreeMap<CustomerKey, Vec<i64>>,
        now: Micros,
    ) -> (BTreeSet<CustomerKey>, bool) {
        let limit = request.limit as usize;
        let epochs: BTreeMap<u8, i64> = hold.shards.iter().map(|lease| (lease.shard, lease.epoch)).collect();
        let held = |customer: &CustomerKey| epochs.contains_key(&customer.shard());
        let waiting = self.waiting(hold, request).map(|(_, customer)| *customer);
        let inbox = distinct(waiting, limit + 1);
        if request.scope == Scope::AtHand {
            return rules::choose(first, &[inbox], limit);
        }
        let suspended = self.revisions.get(&self.current).is_some_and(|row| row.suspended);
        let due = if suspended {
            Vec::new()
        } else {
            let overdue = self.due.range(..=(now, CustomerKey([u8::MAX; 16]), i64::MAX));
            // Who has ended and is not watched any more is not read, and so not looked at.
            let movable = |(_, customer, ordinal): &&(Micros, CustomerKey, i64)| {
                let row = self.enrollments.get(customer).and_then(|rows| rows.get(ordinal));
                row.is_some_and(|row| {
                    let read = row.enrollment.is_active() || row.watch_until > now;
                    read && !request.stuck.contains(&row.enrollment.revision)
                })
            };
            let overdue = overdue.filter(movable).map(|(_, customer, _)| *customer);
            distinct(overdue.filter(held), limit + 1)
        };
        let looks = if request.looks && !suspended {
            let overdue = self.looks.range(..=(now, CustomerKey([u8::MAX; 16])));
            distinct(overdue.map(|(_, customer)| *customer).filter(held), limit + 1)
        } else {
            Vec::new()
        };
        let rows = || {
            let all = self.outbox.values().flat_map(BTreeMap::values);
            all.filter(|row| held(&row.customer))
        };
        let (messages, cut) = messages(rows(), &request.room, limit, now);
        let lost = |row: &&OutboxRow| match row.state {
            OutboxState::Held { .. } => false,
            OutboxState::Claimed { epoch, at } => {
                let current = epochs.get(&row.customer.shard()).copied().unwrap_or(i64::MIN);
                epoch < current
                    || (epoch == current
                        && !request.in_flight.contains(&row.key)
                        && (rules::ORPHAN_AFTER..=request.claims_within).contains(&(now - at)))
            }
        };
        let lost = rows().filter(|_| request.scope == Scope::All).filter(lost);
        let orphans = distinct(lost.map(|row| row.customer), limit + 1);
        let placed = distinct(self.placed.overdue(now).filter(held), limit + 1);
        let sources = [inbox, due, looks, orphans, placed, door.keys().copied().collect()];
        let sources: Vec<Vec<CustomerKey>> = sources.into_iter().chain(messages).collect();
        let (chosen, left) = rules::choose(first, &sources, limit);
        (chosen, left || cut)
    }

    /// Whose turn at the door has come, with the ordinals.
    fn turns_at_door(&self, hold: &Hold, request: &RoundRequest, now: Micros) -> BTreeMap<CustomerKey, Vec<i64>> {
        let suspended = self.revisions.get(&self.current).is_some_and(|row| row.suspended);
        let places = match request.admissions.filter(|_| !suspended && request.scope >= Scope::Due) {
            None => 0,
            Some(Admissions::Unpaced) => rules::DOOR,
            Some(Admissions::Paced(pace)) => {
                let late = (Excluded(rules::pace_since(now, pace)), Unbounded);
                let taken = self.admitted.range(late).map(|(_, n)| n).sum();
                pace.at_most.saturating_sub(taken).min(rules::DOOR)
            }
        };
        // Places are for those who wait longest, in any shard; without a pace everybody has one.
        let unpaced = request.admissions == Some(Admissions::Unpaced);
        let held = |customer: &CustomerKey| hold.shards.iter().any(|lease| lease.shard == customer.shard());
        let waits = self.door.iter().filter(|(_, customer)| !unpaced || held(customer));
        let mut turns: BTreeMap<CustomerKey, Vec<i64>> = BTreeMap::new();
        for (ordinal, customer) in waits.take(places as usize).filter(|(_, customer)| held(customer)) {
            turns.entry(*customer).or_default().push(*ordinal);
        }
        turns
    }

    /// When there is a place for somebody at the door, as far as is known; an instant that is long past: now.
    pub(super) fn place_at(&self) -> Option<Micros> {
        self.door.first()?;
        let Admissions::Paced(pace) = self.admissions? else {
            return Some(Micros::MIN);
        };
        let mut taken: u32 = self.admitted.values().sum();
        if taken < pace.at_most {
            return Some(Micros::MIN);
        }
        self.admitted.iter().find_map(|(at, n)| {
            taken -= n;
            (taken < pace.at_most).then(|| at.saturating_add(pace.per))
        })
    }

    fn admit(&mut self, admissions: Option<Admissions>, admitted: u32, now: Micros) {
        self.admissions = admissions;
        if let Some(Admissions::Paced(pace)) = admissions.filter(|_| admitted > 0) {
            *self.admitted.entry(rules::pace_mark(now, pace)).or_default() += admitted;
            self.admitted.retain(|at, _| *at > rules::pace_since(now, pace));
        }
    }

    fn remove_enrollment(&mut self, customer: CustomerKey, ordinal: i64) {
        let Some(rows) = self.enrollments.get_mut(&customer) else {
            return;
        };
        if let Some(due) = rows.remove(&ordinal).and_then(|row| row.enrollment.due_at()) {
            self.due.remove(&(due, customer, ordinal));
        }
        if rows.is_empty() {
            self.enrollments.remove(&customer);
        }
        self.door.remove(&(ordinal, customer));
    }

    pub(super) fn put_enrollment(&mut self, row: EnrollmentRow) {
        let (customer, ordinal) = (row.customer, row.enrollment.ordinal);
        if let Some(due) = row.enrollment.due_at() {
            self.due.insert((due, customer, ordinal));
        }
        if row.enrollment.is_paced() {
            self.door.insert((ordinal, customer));
        } else {
            self.door.remove(&(ordinal, customer));
        }
        let due = row.enrollment.due_at();
        let before = self
            .enrollments
            .entry(customer)
            .or_default()
            .insert(ordinal, row)
            .and_then(|row| row.enrollment.due_at());
        if let Some(before) = before.filter(|before| Some(*before) != due) {
            self.due.remove(&(before, customer, ordinal));
        }
    }

    /// What has come to everybody.
    fn forget_news(&mut self) {
        let told = |sweeps: &BTreeMap<(String, u8), SweepRow>, sequence: i64| {
            let name = rules::news_sweep(sequence);
            (0..CustomerKey::SHARDS).all(|shard| sweeps.get(&(name.clone(), shard)).is_some_and(|row| row.done))
        };
        let Some(first) = self
            .news
            .keys()
            .next()
            .copied()
            .filter(|first| told(&self.sweeps, *first))
        else {
            return;
        };
        self.news.remove(&first);
        let name = rules::news_sweep(first);
        self.sweeps.retain(|(sweep, _), _| *sweep != name);
    }

    pub(super) fn put_sighting(&mut self, customer: CustomerKey, sighting: Sighting) {
        let look_at = sighting.look_at;
        let before = if sighting.is_blank() {
            self.sightings.remove(&customer)
        } else {
            self.sightings.insert(customer, sighting)
        };
        if let Some(before) = before.and_then(|before| before.look_at) {
            self.looks.remove(&(before, customer));
        }
        self.looks.extend(look_at.map(|at| (at, customer)));
    }

    fn consume(&mut self, sequence: i64) {
        let Some(customer) = self.inbox.remove(&sequence) else {
            return;
        };
        if let Some(rows) = self.inbox_of.get_mut(&customer) {
            rows.remove(&sequence);
            if rows.is_empty() {
                self.inbox_of.remove(&customer);
            }
        }
    }
}

/// The first `limit` different customers.
fn distinct(customers: impl Iterator<Item = CustomerKey>, limit: usize) -> Vec<CustomerKey> {
    let mut seen = BTreeSet::new();
    customers
        .filter(|customer| seen.insert(*customer))
        .take(limit)
        .collect()
}

/// Customers with held messages that are due, by what they wait for: of each lane as many as it has room for, and those that are over; and
/// whether a lane may have more.
fn messages<'a>(
    rows: impl Iterator<Item = &'a OutboxRow>,
    room: &Room,
    limit: usize,
    now: Micros,
) -> (Vec<Vec<CustomerKey>>, bool) {
    let mut waiting: BTreeMap<Option<&str>, Vec<(Micros, CustomerKey)>> = BTreeMap::new();
    let mut over = Vec::new();
    for row in rows {
        let OutboxState::Held { due, .. } = row.state else {
            continue;
        };
        if due > now {
            continue;
        }
        let lane = Some(row.adapter.as_str()).filter(|name| room.lanes.contains_key(*name));
        waiting.entry(lane).or_default().push((due, row.customer));
        over.extend(row.over_at.filter(|at| *at <= now).map(|at| (at, row.customer)));
    }
    let mut cut = false;
    let mut customers = Vec::new();
    let mut first = |mut rows: Vec<(Micros, CustomerKey)>, most: usize| {
        rows.sort_unstable();
        cut |= most > 0 && rows.len() >= most;
        customers.push(distinct(
            rows.into_iter().take(most).map(|(_, customer)| customer),
            limit + 1,
        ));
    };
    for (lane, rows) in waiting {
        let most = lane.map_or(room.others, |name| room.lanes.get(name).copied());
        first(rows, most.map_or(usize::MAX, |most| most as usize));
    }
    first(over, usize::MAX);
    (customers, cut)
}

impl Namespace {
    fn turn(
        &self,
        journey: &Journey,
        key: CustomerKey,
        contacts_since: Micros,
        outcomes: Vec<Handed>,
        now: Micros,
    ) -> Option<CustomerTurn> {
        let rows = journey.enrollments.get(&key).into_iter().flat_map(BTreeMap::values);
        let inbox = journey
            .inbox_of
            .get(&key)
            .into_iter()
            .flatten()
            .take(rules::INBOX_PER_CUSTOMER);
        let mut contacts: Vec<_> = self
            .contacts
            .get(&key)
            .into_iter()
            .flatten()
            .map(|(message, contact)| (*message, contact.clone()))
            .collect();
        contacts.retain(|(_, contact)| contact.at >= contacts_since);
        contacts.sort_by_key(|(_, contact)| contact.at);
        Some(CustomerTurn {
            customer: self.customers.get(&key)?.clone(),
            contacts,
            enrollments: rows
                .filter(|row| row.enrollment.is_active() || row.watch_until > now)
                .map(|row| row.enrollment.clone())
                .collect(),
            inbox: inbox.map(|(sequence, event)| (*sequence, event.clone())).collect(),
            outbox: journey
                .outbox
                .get(&key)
                .into_iter()
                .flat_map(BTreeMap::values)
                .cloned()
                .collect(),
            outcomes,
            placed: journey.placed.of(key).map(|(row, _)| row.clone()).collect(),
            admit: Vec::new(),
            sighting: Sighting::default(),
            swept: Vec::new(),
            look: None,
            news: None,
        })
    }
}

/// Gives the journeys that were told of what followed from it.
fn write(
    state: &mut State,
    hold: &Hold,
    admissions: Option<Admissions>,
    commit: RoundCommit,
    now: Micros,
) -> BTreeSet<String> {
    let RoundCommit {
        consumed,
        enrollments,
        ended,
        enrollments_gone,
        admitted,
        sightings,
        attributes,
        hops,
        outbox,
        outbox_gone,
        messages,
        failed,
        contacts,
        contacts_gone,
        placed,
        placed_gone,
        counts,
        quarantined,
    } = commit;
    let space = state.space(&hold.namespace);
    let mut before = Vec::new();
    for (customer, attributes) in attributes {
        if let Some(row) = space.customers.get_mut(&customer) {
            before.push((customer, std::mem::replace(&mut row.attributes, attributes)));
        }
    }
    for (customer, key) in contacts_gone {
        if let Some(rows) = space.contacts.get_mut(&customer) {
            rows.remove(&key);
        }
    }
    for (customer, key, contact) in contacts {
        space.contacts.entry(customer).or_default().insert(key, contact);
    }
    for row in messages {
        let known = space.messages.get(&row.key).and_then(|known| known.address);
        let address = row.address.or(known);
        space.messages.insert(row.key, MessageRow { address, ..row });
    }
    space.failed.extend(failed.into_iter().map(|row| (row.key, row)));
    let journey = space.journeys.entry(hold.journey.clone()).or_default();
    consumed.into_iter().for_each(|sequence| journey.consume(sequence));
    enrollments.into_iter().for_each(|row| journey.put_enrollment(row));
    for (customer, ordinal) in enrollments_gone {
        journey.remove_enrollment(customer, ordinal);
    }
    journey.admit(admissions, admitted, now);
    for (customer, sighting) in sightings {
        journey.put_sighting(customer, sighting);
    }
    for row in outbox {
        journey.outbox.entry(row.customer).or_default().insert(row.key, row);
    }
    for (customer, key) in outbox_gone {
        if let Some(rows) = journey.outbox.get_mut(&customer) {
            rows.remove(&key);
            if rows.is_empty() {
                journey.outbox.remove(&customer);
            }
        }
    }
    placed.into_iter().for_each(|row| journey.placed.put(row));
    for (customer, key) in placed_gone {
        journey.placed.remove(customer, key);
    }
    for ((name, bucket), n) in counts.0 {
        *journey.counts.0.entry((name, bucket)).or_default() += n;
    }
    for row in quarantined {
        intake::put_aside(state, &hold.namespace, row, false);
    }
    let mut woken: BTreeSet<String> = BTreeSet::new();
    for (customer, before) in before {
        woken.extend(intake::tell(
            state,
            &hold.namespace,
            customer,
            Some(before.expose()),
            hops.get(&customer).copied().unwrap_or_default(),
            now,
        ));
    }
    let mut sequence = state.sequence;
    woken.extend(chain::tell(
        state.space(&hold.namespace),
        &mut sequence,
        hold,
        &ended,
        now,
    ));
    state.sequence = sequence;
    woken
}
