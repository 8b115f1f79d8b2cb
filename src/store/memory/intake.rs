//! What the gateway and the import write.

use super::{Journey, Namespace, State};
use crate::{
    clock::Micros,
    engine::state::{Event, Properties},
    keys::CustomerKey,
    kpi::IntakeCount,
    personal::Personal,
    store::{
        Arrival, Customer, Due, Identifier, Imported, Learn, News, Quarantined, Receipt,
        join::{self, Joins},
        placed::consents_changed,
        rules,
    },
};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// Gives the receipts, and the journeys that have something to do now.
pub(super) fn accept(
    state: &mut State,
    namespace: &str,
    batch: &[Arrival],
    learn: Learn<'_>,
    now: Micros,
) -> (Vec<Receipt>, BTreeSet<String>) {
    let mut sequence = state.sequence;
    let space = state.space(namespace);
    let mut customers: BTreeMap<_, Customer> = BTreeMap::new();
    let mut seen = HashSet::new();
    let (mut receipts, mut events, mut woken) = (Vec::with_capacity(batch.len()), Vec::new(), BTreeSet::new());
    let (mut followed, mut changed) = (0, 0);
    let mut suppresses = Vec::new();
    let mut made = BTreeSet::new();
    let (mut joins, mut names) = (Joins::default(), BTreeMap::new());

    for arrival in batch {
        let arrival = rules::capped(arrival, now);
        let own = joins.root(space.root(arrival.customer));
        let is_known = customers.contains_key(&own) || space.customers.contains_key(&own);
        if !is_known && arrival.customer_id.is_none() {
            receipts.push(Receipt::UnknownCustomer);
            continue;
        }
        let mut is_new = |arrival: &Arrival| {
            let mark = (rules::day(arrival.time), arrival.key);
            !space.seen.contains(&mark) && seen.insert(mark)
        };
        if !is_new(&arrival) {
            receipts.push(Receipt::Duplicate);
            continue;
        }
        let mut bring = |key: CustomerKey, id: Option<&Personal<String>>, anonymous: bool| {
            if customers.contains_key(&key) {
                return;
            }
            if let Some(known) = space.customers.get(&key) {
                customers.insert(key, known.clone());
            } else if let Some(id) = id {
                made.insert(key);
                customers.insert(key, rules::met(key, id.clone(), anonymous));
            }
        };
        bring(own, arrival.customer_id.as_ref(), arrival.anonymous);
        for other in &arrival.known_as {
            let root = joins.root(space.root(other.key));
            bring(root, Some(&other.id), other.anonymous);
            for key in [own, root] {
                let known_by = || space.names.get(&key).map_or(0, BTreeSet::len);
                names
                    .entry(key)
                    .or_insert_with(|| i64::try_from(known_by()).unwrap_or(i64::MAX));
            }
        }
        let known_as: Vec<Identifier> = arrival.known_as.iter().map(|other| space.resolved(other)).collect();
        let all = std::iter::once(own).chain(known_as.iter().map(|other| other.key));
        let known = join::known(&joins, all, &customers, &mut made);
        let own = joins.hear(own, &known_as, &mut customers, &mut names);
        let Some(customer) = customers.get_mut(&own) else {
            continue;
        };
        suppresses.extend(arrival.suppresses.clone());
        let mut followers = rules::teach(learn, &arrival, customer, now);
        followers.retain(is_new);
        followed += followers.len();
        let changes = join::changes(&joins, &known, customer);
        for (at, arrival) in std::iter::once(&*arrival).chain(&followers).enumerate() {
            let event = rules::event(arrival, customer, now);
            let live: BTreeSet<&String> = arrival
                .listeners
                .iter()
                .filter(|name| space.journeys.get(*name).is_some_and(|journey| !journey.stopped))
                .collect();
            for journey in live {
                events.push((journey.clone(), own, event.clone()));
            }
            if at == 0 {
                for journey in space.watching(&changes) {
                    changed += 1;
                    events.push((journey.clone(), own, rules::look(customer, 0, now)));
                }
            }
        }
        receipts.push(Receipt::Accepted);
    }

    let mut counts = rules::tally(&receipts, followed, changed, now);
    joins.tally(&mut counts, now);
    for ((name, hour), n) in counts.0 {
        *space.intake.0.entry((name, hour)).or_default() += n;
    }
    space.seen.extend(seen);
    space.suppress(&suppresses);
    let agreed: Vec<CustomerKey> = customers
        .iter()
        .filter(|(key, customer)| consents_changed(space.customers.get(key), customer))
        .map(|(key, _)| *key)
        .collect();
    space.customers.extend(customers);
    for customer in agreed {
        woken.extend(space.look_at_placed(customer, now));
    }
    let mut joined = BTreeSet::new();
    for join in &joins.all {
        let stays = joins.root(join.stays);
        let left = space.customers.get(&stays).map(join::left).unwrap_or_default();
        let met = space.join(*join, &left, &mut sequence);
        woken.extend(met.touched);
        joined.extend(met.told.into_iter().map(|journey| (journey, stays)));
    }
    let joined = joined
        .into_iter()
        .map(|(journey, key)| (journey, key, rules::merged(now)));
    for (journey, customer, event) in joined.chain(events) {
        sequence += 1;
        let customer = joins.root(customer);
        if let Some(row) = space.journeys.get_mut(&journey) {
            row.deliver(sequence, customer, event);
        }
        woken.insert(journey);
    }
    state.sequence = sequence;
    (receipts, woken)
}

/// Gives the receipts, and the journeys that have something to do now.
pub(super) fn announce(
    state: &mut State,
    namespace: &str,
    all: &[News],
    now: Micros,
) -> (Vec<Receipt>, BTreeSet<String>) {
    let mut sequence = state.sequence;
    let space = state.space(namespace);
    let (mut receipts, mut woken) = (Vec::with_capacity(all.len()), BTreeSet::new());
    for news in all {
        let event = rules::news(news, now);
        if !space.seen.insert((rules::day(event.time), news.key)) {
            receipts.push(Receipt::Duplicate);
            continue;
        }
        for name in news.listeners.iter().collect::<BTreeSet<_>>() {
            if let Some(journey) = space.journeys.get_mut(name).filter(|journey| !journey.stopped) {
                sequence += 1;
                journey.news.insert(sequence, event.clone());
                woken.insert(name.clone());
            }
        }
        receipts.push(Receipt::Accepted);
    }
    for ((name, hour), n) in rules::tally(&receipts, 0, 0, now).0 {
        *space.intake.0.entry((name, hour)).or_default() += n;
    }
    state.sequence = sequence;
    (receipts, woken)
}

/// Gives when the next schedule comes, and the journeys that have something to do now.
pub(super) fn strike(
    state: &mut State,
    namespace: &str,
    schedules: &BTreeMap<String, String>,
    due: Due<'_>,
    now: Micros,
) -> (Option<Micros>, BTreeSet<String>) {
    let space = state.space(namespace);
    space
        .schedules
        .retain(|touchpoint, _| schedules.contains_key(touchpoint));
    let mut struck = Vec::new();
    for (touchpoint, rule) in schedules {
        let row = space.schedules.entry(touchpoint.clone()).or_default();
        if row.rule != *rule {
            (row.rule, row.since) = (rule.clone(), now);
        }
        let tick = due(touchpoint, row.since, now);
        row.next = tick.next;
        if let Some(news) = tick.news {
            row.since = news.time;
            struck.push(news);
        }
    }
    let next = space.schedules.values().filter_map(|row| row.next).min();
    (next, announce(state, namespace, &struck, now).1)
}

impl Journey {
    pub(super) fn deliver(&mut self, sequence: i64, customer: CustomerKey, event: Event) {
        self.inbox.insert(sequence, customer);
        self.inbox_of.entry(customer).or_default().insert(sequence, event);
    }
}

impl Namespace {
    /// Journeys that exist and are not stopped, and listen to one of these changes.
    fn watching(&self, changes: &BTreeSet<String>) -> impl Iterator<Item = &String> {
        let listens = |journey: &Journey| {
            let mut names = journey.revisions.values().flat_map(|row| &row.listens);
            names.any(|name| changes.contains(name))
        };
        let live = self.journeys.iter().filter(|(_, journey)| !journey.stopped);
        live.filter(move |(_, journey)| !changes.is_empty() && listens(journey))
            .map(|(name, _)| name)
    }
}

/// Tells those who watch what changed of a customer, and gives them.
pub(super) fn tell(
    state: &mut State,
    namespace: &str,
    customer: CustomerKey,
    before: Option<&Properties>,
    hops: u32,
    now: Micros,
) -> BTreeSet<String> {
    let mut sequence = state.sequence;
    let space = state.space(namespace);
    let Some(known) = space.customers.get(&customer).cloned() else {
        return BTreeSet::new();
    };
    let changes = rules::changes(before, known.attributes.expose());
    let told: BTreeSet<String> = space.watching(&changes).cloned().collect();
    for name in &told {
        sequence += 1;
        if let Some(journey) = space.journeys.get_mut(name) {
            journey.deliver(sequence, customer, rules::look(&known, hops, now));
        }
        space.intake.add(IntakeCount::Changed.name(), now, 1);
    }
    state.sequence = sequence;
    told
}

pub(super) fn quarantine(state: &mut State, namespace: &str, rows: &[Quarantined]) {
    for row in rows {
        put_aside(state, namespace, row.clone(), true);
        let name = IntakeCount::Quarantined {
            reason: row.reason.clone(),
        }
        .name();
        state.space(namespace).intake.add(name, row.at, 1);
    }
}

pub(super) fn put_aside(state: &mut State, namespace: &str, row: Quarantined, counted: bool) {
    state.sequence += 1;
    let id = state.sequence;
    state.space(namespace).quarantine.insert(id, (row, counted));
}

pub(super) fn release(state: &mut State, namespace: &str, id: i64) -> Option<Quarantined> {
    let space = state.namespaces.get_mut(namespace)?;
    let (row, counted) = space.quarantine.remove(&id)?;
    if counted {
        space.intake.add(
            IntakeCount::Quarantined {
                reason: row.reason.clone(),
            }
            .name(),
            row.at,
            -1,
        );
        space.intake.0.retain(|_, n| *n != 0);
    }
    Some(row)
}

pub(super) fn import(
    state: &mut State,
    namespace: &str,
    customers: &[Imported],
    file: &str,
    rows: u64,
    now: Micros,
) -> BTreeSet<String> {
    let mut woken = BTreeSet::new();
    for imported in customers {
        let space = state.space(namespace);
        let key = space.root(imported.key);
        let before = space.customers.get(&key).map(|known| known.attributes.clone());
        let met = || rules::met(key, imported.id.clone(), imported.anonymous);
        let customer = space.customers.entry(key).or_insert_with(met);
        rules::import_attributes(customer.attributes.expose_mut(), imported.attributes.expose());
        for (purpose, consent) in &imported.consents {
            if customer.hear_consent(purpose, *consent)
                && let Some(evidence) = imported.evidence.get(purpose)
            {
                space.evidence.insert((key, purpose.clone()), evidence.clone());
            }
        }
        if !imported.consents.is_empty() {
            woken.extend(space.look_at_placed(key, now));
        }
        let before = before.as_ref().map(|before| before.expose());
        woken.extend(tell(state, namespace, key, before, 0, now));
    }
    let space = state.space(namespace);
    let read = space.imports.entry(file.to_owned()).or_default();
    *read = rows.max(*read);
    woken
}
