//! What the gateway and the import write.

use super::{Namespace, State};
use crate::{
    clock::Micros,
    kpi::IntakeCount,
    store::{Arrival, Customer, Imported, Learn, Quarantined, Receipt, rules},
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
    let mut followed = 0;

    for arrival in batch {
        let arrival = rules::capped(arrival, now);
        let known = customers
            .get(&arrival.customer)
            .or_else(|| space.customers.get(&arrival.customer))
            .cloned();
        let met = arrival.customer_id.clone().map(|id| Customer {
            key: arrival.customer,
            id,
            attributes: Default::default(),
            consents: BTreeMap::new(),
        });
        let Some(mut customer) = known.or(met) else {
            receipts.push(Receipt::UnknownCustomer);
            continue;
        };
        let mut is_new = |arrival: &Arrival| {
            let mark = (rules::day(arrival.time), arrival.key);
            !space.seen.contains(&mark) && seen.insert(mark)
        };
        if !is_new(&arrival) {
            receipts.push(Receipt::Duplicate);
            continue;
        }
        let mut followers = rules::teach(learn, &arrival, &mut customer, now);
        followers.retain(is_new);
        followed += followers.len();
        for arrival in std::iter::once(&*arrival).chain(&followers) {
            let event = rules::event(arrival, &customer, now);
            let live: BTreeSet<&String> = arrival
                .listeners
                .iter()
                .filter(|name| space.journeys.get(*name).is_some_and(|journey| !journey.stopped))
                .collect();
            for journey in live {
                sequence += 1;
                events.push((journey.clone(), sequence, arrival.customer, event.clone()));
                woken.insert(journey.clone());
            }
        }
        customers.insert(arrival.customer, customer);
        receipts.push(Receipt::Accepted);
    }

    let counts = rules::tally(&receipts, followed, now);
    for ((name, hour), n) in counts.0 {
        *space.intake.0.entry((name, hour)).or_default() += n;
    }
    space.seen.extend(seen);
    space.customers.extend(customers);
    for (journey, sequence, customer, event) in events {
        if let Some(journey) = space.journeys.get_mut(&journey) {
            journey.inbox.insert(sequence, customer);
            journey.inbox_of.entry(customer).or_default().insert(sequence, event);
        }
    }
    state.sequence = sequence;
    (receipts, woken)
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

pub(super) fn import(space: &mut Namespace, customers: &[Imported], file: &str, rows: u64) {
    for imported in customers {
        let customer = space.customers.entry(imported.key).or_insert_with(|| Customer {
            key: imported.key,
            id: imported.id.clone(),
            attributes: Default::default(),
            consents: BTreeMap::new(),
        });
        rules::import_attributes(customer.attributes.expose_mut(), imported.attributes.expose());
        for (purpose, consent) in &imported.consents {
            if customer.hear_consent(purpose, *consent)
                && let Some(evidence) = imported.evidence.get(purpose)
            {
                space.evidence.insert((imported.key, purpose.clone()), evidence.clone());
            }
        }
    }
    let read = space.imports.entry(file.to_owned()).or_default();
    *read = rows.max(*read);
}
