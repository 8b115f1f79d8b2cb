//! Two customers become one: who stays, and what of the other's is kept. Pure; both stores follow it to the letter.
//!
//! An identifier that is joined to a customer is another name of theirs, for good: the other's pseudonym resolves to the one that stays. A name
//! that is no anonymous id stands for a person, so two persons become one only where a trusted source names both; an anonymous id that is
//! somebody's already (a shared device) joins nobody to anybody.

use super::{Customer, OutboxRow, OutboxState, Placed, Sighting, journey_of, rules};
use crate::{
    clock::Micros,
    engine::state::Properties,
    keys::CustomerKey,
    kpi::{Counts, IntakeCount, NotJoined},
    personal::Personal,
    policy::Consent,
};
use std::collections::{BTreeMap, BTreeSet};

/// Names of one customer, at most.
pub const MOST_NAMES: i64 = 256;
/// An epoch that no lease has: a claim that moves to another shard is its new owner's to find, as that of a process that died.
const NO_EPOCH: i64 = -1;

/// Who goes, and who stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Join {
    pub gone: CustomerKey,
    pub stays: CustomerKey,
}

/// What an event says of `own`, its customer, and `other`, whom it names too (by an anonymous id or not). None: they are one already.
/// Who is known by a name stays before who is not; of two alike the event's own customer.
pub fn decide(own: &Customer, other: &Customer, by_anonymous_id: bool) -> Result<Option<Join>, NotJoined> {
    if own.key == other.key {
        return Ok(None);
    }
    let (gone, stays) = match (own.anonymous, other.anonymous) {
        (_, true) => (other.key, own.key),
        (true, false) => (own.key, other.key),
        (false, false) if by_anonymous_id => return Err(NotJoined::TwoCustomers),
        (false, false) => (other.key, own.key),
    };
    Ok(Some(Join { gone, stays }))
}

/// Gives `stays` what only `gone` had: a value of the one that stays wins over the other's, what is missing is filled. Of two consents the no
/// wins, as of the later of both: no signal that was heard before brings a yes back.
pub fn merge(stays: &mut Customer, gone: &Customer) {
    for (name, value) in gone.attributes.expose() {
        let known = stays
            .attributes
            .expose()
            .get(name)
            .is_some_and(|known| !known.is_null());
        if !known {
            stays.attributes.expose_mut().insert(name.clone(), value.clone());
        }
    }
    for (purpose, theirs) in &gone.consents {
        let both = match stays.consents.get(purpose) {
            None => *theirs,
            Some(own) => Consent::of_both(own, theirs),
        };
        stays.consents.insert(purpose.clone(), both);
    }
}

/// Journeys that a customer has left by their own hand, by what the consents of both say: who is in one is out.
pub fn left(customer: &Customer) -> BTreeSet<String> {
    let of = |(subject, consent): (&String, &Consent)| {
        let journey = journey_of(subject).filter(|_| !consent.is_granted())?;
        Some(journey.to_owned())
    };
    customer.consents.iter().filter_map(of).collect()
}

/// New numbers for enrollments of the one who goes: two who heard the same news have enrollments of the same number. (What is said of their
/// messages later reaches the one that stays, which is in the journey for the same news.)
pub type Renumbered = BTreeMap<i64, i64>;

/// A message of the one who goes, as the other's.
pub fn move_to(mut row: OutboxRow, to: CustomerKey, renumbered: &Renumbered) -> OutboxRow {
    row.enrollment = renumbered.get(&row.enrollment).copied().unwrap_or(row.enrollment);
    if let OutboxState::Claimed { epoch: _, at } = row.state {
        row.state = OutboxState::Claimed { epoch: NO_EPOCH, at };
    }
    OutboxRow { customer: to, ..row }
}

/// What stays of the one who goes, as the other's; looked at at once, for of two consents the no holds.
pub fn place_with(mut row: Placed, to: CustomerKey, renumbered: &Renumbered) -> Placed {
    row.enrollment = renumbered.get(&row.enrollment).copied().unwrap_or(row.enrollment);
    Placed {
        customer: to,
        due_at: Micros::MIN,
        ..row
    }
}

/// What was known of each, by key; None: nothing, nobody had heard of them.
pub type Known = BTreeMap<CustomerKey, Option<Personal<Properties>>>;

/// What is known of those whom an event names, before it is heard: `made` are those who came with this batch, and are met once.
pub fn known(
    joins: &Joins,
    names: impl Iterator<Item = CustomerKey>,
    customers: &BTreeMap<CustomerKey, Customer>,
    made: &mut BTreeSet<CustomerKey>,
) -> Known {
    names
        .map(|name| joins.root(name))
        .map(|key| {
            let is_new = made.remove(&key);
            let attributes = customers.get(&key).filter(|_| !is_new);
            (key, attributes.map(|customer| customer.attributes.clone()))
        })
        .collect()
}

/// What an event changed about its customer ([`rules::changes`]): for those who became one with them it is the other's profile from now on.
pub fn changes(joins: &Joins, known: &Known, customer: &Customer) -> BTreeSet<String> {
    known
        .iter()
        .filter(|(key, _)| joins.root(**key) == customer.key)
        // Whom nobody had heard of, and who is but a name now, has changed nothing.
        .filter(|(key, attributes)| **key == customer.key || attributes.is_some())
        .flat_map(|(_, attributes)| {
            let before = attributes.as_ref().map(|attributes| attributes.expose());
            rules::changes(before, customer.attributes.expose())
        })
        .collect()
}

/// Of what triggers saw of two customers: what held for either does not become true.
pub fn sighted(own: Sighting, theirs: Sighting) -> Sighting {
    Sighting {
        held: own.held.into_iter().chain(theirs.held).collect(),
        look_at: own.look_at.into_iter().chain(theirs.look_at).min(),
    }
}

/// Who is who, while a batch joins customers: the joins so far, in order.
#[derive(Debug, Default)]
pub struct Joins {
    pub all: Vec<Join>,
    by_gone: BTreeMap<CustomerKey, CustomerKey>,
    not: Vec<NotJoined>,
}

impl Joins {
    /// The customer that `key` is by now.
    pub fn root(&self, mut key: CustomerKey) -> CustomerKey {
        while let Some(stays) = self.by_gone.get(&key) {
            key = *stays;
        }
        key
    }

    /// Joins those whom an event names to its customer, both among `customers`; `names` counts what each is known by besides. Gives the
    /// customer whom the event is about from now on.
    pub fn hear(
        &mut self,
        own: CustomerKey,
        known_as: &[super::Identifier],
        customers: &mut BTreeMap<CustomerKey, Customer>,
        names: &mut BTreeMap<CustomerKey, i64>,
    ) -> CustomerKey {
        let mut own = self.root(own);
        for other in known_as {
            let (Some(one), Some(two)) = (customers.get(&own), customers.get(&self.root(other.key))) else {
                continue;
            };
            let Join { gone, stays } = match decide(one, two, other.anonymous) {
                Ok(Some(join)) => join,
                Ok(None) => continue,
                Err(why) => {
                    self.not.push(why);
                    continue;
                }
            };
            let both = [gone, stays].map(|key| names.get(&key).copied().unwrap_or(0));
            if both[0] + both[1] + 1 > MOST_NAMES {
                self.not.push(NotJoined::TooManyNames);
                continue;
            }
            let Some(gone_row) = customers.remove(&gone) else {
                continue;
            };
            if let Some(row) = customers.get_mut(&stays) {
                merge(row, &gone_row);
            }
            names.insert(stays, both[0] + both[1] + 1);
            self.by_gone.insert(gone, stays);
            self.all.push(Join { gone, stays });
            own = stays;
        }
        own
    }

    /// What the intake counts.
    pub fn tally(&self, counts: &mut Counts, now: crate::clock::Micros) {
        for _ in &self.all {
            counts.add(IntakeCount::Joined.name(), now, 1);
        }
        for why in &self.not {
            counts.add(IntakeCount::NotJoined(*why).name(), now, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::personal::Personal;
    use serde_json::json;

    fn customer(n: u8, anonymous: bool) -> Customer {
        Customer {
            key: CustomerKey([n; 16]),
            id: Personal::new(format!("c{n}")),
            anonymous,
            attributes: Personal::default(),
            consents: BTreeMap::new(),
        }
    }

    fn consent(granted: bool, at: i64) -> Consent {
        Consent::said(granted, at)
    }

    #[test]
    fn who_is_known_stays_and_an_anonymous_id_never_joins_two_persons() {
        let [ann, bob] = [1, 2].map(|n| customer(n, false));
        let [here, there] = [3, 4].map(|n| customer(n, true));
        let goes = |own: &Customer, other: &Customer, by_anonymous_id| {
            decide(own, other, by_anonymous_id).map(|join| join.map(|join| (join.gone.0[0], join.stays.0[0])))
        };
        assert_eq!(goes(&ann, &here, true), Ok(Some((3, 1))));
        assert_eq!(goes(&here, &ann, false), Ok(Some((3, 1))));
        assert_eq!(goes(&here, &there, true), Ok(Some((4, 3))));
        assert_eq!(goes(&ann, &ann, true), Ok(None));
        assert_eq!(goes(&ann, &bob, true), Err(NotJoined::TwoCustomers), "a shared device");
        assert_eq!(goes(&ann, &bob, false), Ok(Some((2, 1))), "a trusted source names both");
    }

    #[test]
    fn the_one_that_stays_knows_better_and_learns_what_it_did_not_know() {
        let (mut ann, mut visitor) = (customer(1, false), customer(2, true));
        ann.attributes = Personal::new(json!({"city": "Vienna", "size": null}).as_object().unwrap().clone());
        visitor.attributes = Personal::new(
            json!({"city": "Linz", "size": 3, "seen": true})
                .as_object()
                .unwrap()
                .clone(),
        );
        merge(&mut ann, &visitor);
        let merged = json!({"city": "Vienna", "size": 3, "seen": true});
        assert_eq!(serde_json::Value::Object(ann.attributes.expose().clone()), merged);
    }

    #[test]
    fn of_two_consents_the_no_wins_and_an_earlier_yes_does_not_come_back() {
        for (own, theirs, both) in [
            (Some(consent(true, 1)), None, consent(true, 1)),
            (None, Some(consent(true, 2)), consent(true, 2)),
            (Some(consent(true, 1)), Some(consent(true, 2)), consent(true, 2)),
            (Some(consent(false, 1)), Some(consent(true, 2)), consent(false, 2)),
            (Some(consent(true, 2)), Some(consent(false, 1)), consent(false, 2)),
        ] {
            let (mut ann, mut visitor) = (customer(1, false), customer(2, true));
            ann.consents.extend(own.map(|own| ("news".to_owned(), own)));
            visitor
                .consents
                .extend(theirs.map(|theirs| ("news".to_owned(), theirs)));
            merge(&mut ann, &visitor);
            assert_eq!(ann.consents["news"], both);
            ann.hear_consent("news", consent(true, 2));
            assert_eq!(
                ann.consents["news"].is_granted(),
                both.is_granted(),
                "a signal of then changes nothing"
            );
        }
    }
}
