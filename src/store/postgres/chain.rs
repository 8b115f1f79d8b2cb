//! What follows from the end of an enrollment: the journeys that listen for it hear of it, in the transaction that ended it. The customer is
//! locked, so the order of his inboxes is the order of acceptance here too.

use super::{
    intake::{self, Customers, Delivery},
    sql,
};
use crate::{
    clock::Micros,
    engine::state::Event,
    keys::{CustomerKey, Keys},
    kpi::{Counts, IntakeCount},
    store::{Arrival, Customer, Hold, Result, RoundCommit, rules},
};
use std::collections::{BTreeMap, BTreeSet};

/// Journeys that listen for the ends that the commit brings.
pub(super) async fn listeners(tx: &sql::Transaction<'_>, hold: &Hold, commit: &RoundCommit) -> Result<Vec<String>> {
    if commit.ended.is_empty() {
        return Ok(Vec::new());
    }
    let name = rules::ending_name(&hold.journey);
    let listening = "SELECT DISTINCT p.journey FROM program p JOIN journey j USING (namespace, journey) \
                     WHERE p.namespace = $1 AND NOT j.stopped AND $2 = ANY(p.listens) ORDER BY p.journey";
    let rows = sql::rows(tx, listening, &[&hold.namespace, &name]).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Gives the journeys that have something to do now. `known`: the customers as they were before the commit.
pub(super) async fn tell(
    tx: &sql::Transaction<'_>,
    keys: &Keys,
    hold: &Hold,
    known: &Customers,
    commit: &RoundCommit,
    listeners: Vec<String>,
    now: Micros,
) -> Result<BTreeSet<String>> {
    if listeners.is_empty() {
        return Ok(BTreeSet::new());
    }
    let changed: BTreeMap<CustomerKey, _> = commit.attributes.iter().map(|(key, set)| (*key, set)).collect();
    let told: Vec<(Arrival, Event)> = commit
        .ended
        .iter()
        .filter_map(|row| {
            let before = known.get(&row.customer)?;
            let after = Customer {
                attributes: changed
                    .get(&row.customer)
                    .map_or(&before.attributes, |set| *set)
                    .clone(),
                ..before.clone()
            };
            Some(rules::ending(hold, row, &after, &listeners, now))
        })
        .collect();
    let arrivals: Vec<&Arrival> = told.iter().map(|(arrival, _)| arrival).collect();
    let fresh = intake::append(tx, keys, &hold.namespace, &arrivals, now).await?;
    let fresh = told
        .iter()
        .filter(|(arrival, _)| fresh.contains(&(rules::day(arrival.time), arrival.key)));
    let deliveries: Vec<Delivery<'_>> = fresh
        .clone()
        .flat_map(|(arrival, event)| {
            arrival.listeners.iter().map(|journey| Delivery {
                journey,
                customer: arrival.customer,
                event,
            })
        })
        .collect();
    intake::deliver(tx, keys, &hold.namespace, &deliveries, Vec::new()).await?;
    let mut counts = Counts::default();
    counts.add(
        IntakeCount::Followed.name(),
        now,
        i64::try_from(fresh.count()).unwrap_or(i64::MAX),
    );
    sql::count(tx, &hold.namespace, "", &counts).await?;
    Ok(listeners.into_iter().collect())
}
