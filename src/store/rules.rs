//! The rules that both stores follow to the letter. Pure: whoever keeps the rows calls them with rows in hand.

use super::{Arrival, Customer, CustomerTurn, EndedRow, Hold, Learn, News, Receipt, RoundCommit, RoundRequest};
use crate::{
    clock::{DAY, Micros, SECOND},
    engine::{
        self,
        program::Pace,
        state::{Enrollment, Event, MERGED, Properties},
    },
    keys::{CustomerKey, MessageKey},
    kpi::{Counts, IntakeCount},
    personal::Personal,
};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use uuid::Uuid;

/// Inbox rows of one customer that one round takes; the rest follows in the next ones, in order.
pub const INBOX_PER_CUSTOMER: usize = 100;

/// A claim of the present epoch that its process does not know of (the answer to a commit was lost) is an orphan after this. A process runs one
/// round at a time and knows all its claims, so this only spares the looking.
pub const ORPHAN_AFTER: Micros = 5 * SECOND;

/// While somebody waits at a door with a pace, time gives places: this often a round looks whether there is one.
pub const AT_THE_DOOR: Micros = SECOND;

/// Places at the door that one round looks at; what is left is the next one's.
pub const DOOR: u32 = 1_000;

/// Admissions of one stretch of the period count together from its end on, so that the books of a pace have a thousand rows at most and are
/// never too generous.
pub fn pace_mark(now: Micros, pace: Pace) -> Micros {
    let stretch = (pace.per / 1_000).max(1);
    now.div_euclid(stretch).saturating_add(1).saturating_mul(stretch)
}

/// Admissions until then do not count any more.
pub fn pace_since(now: Micros, pace: Pace) -> Micros {
    now.saturating_sub(pace.per)
}

/// The day of an event, in days since 1970: with its key what duplicates are found by.
pub fn day(time: Micros) -> i32 {
    i32::try_from(time.div_euclid(DAY)).unwrap_or(if time < 0 { i32::MIN } else { i32::MAX })
}

/// The arrival with a time that is not after `now`: nobody brings news from the future.
pub fn capped(arrival: &Arrival, now: Micros) -> Cow<'_, Arrival> {
    if arrival.time <= now {
        Cow::Borrowed(arrival)
    } else {
        Cow::Owned(Arrival {
            time: now,
            ..arrival.clone()
        })
    }
}

/// Lets `learn` change the customer, and holds it to the rule of consent: it can add to what is known, not take it back. Gives what
/// follows from the event: of the same customer, and not from the future either.
pub fn teach(learn: Learn<'_>, arrival: &Arrival, customer: &mut Customer, now: Micros) -> Vec<Arrival> {
    let known = customer.consents.clone();
    let (key, id) = (customer.key, customer.id.clone());
    let mut followers = learn(arrival, customer);
    let heard = std::mem::replace(&mut customer.consents, known);
    for (purpose, consent) in heard {
        customer.hear_consent(&purpose, consent);
    }
    customer.key = key;
    customer.id = id;
    for follower in &mut followers {
        follower.customer = key;
        follower.time = follower.time.min(now);
    }
    followers
}

/// The event as journeys see it: with the profile as of its acceptance.
pub fn event(arrival: &Arrival, customer: &Customer, accepted_at: Micros) -> Event {
    Event {
        name: arrival.name.clone(),
        id: arrival.id.clone(),
        time: arrival.time,
        accepted_at,
        data: arrival.data.clone(),
        profile: customer.attributes.clone(),
        about: arrival.about.clone(),
        hops: 0,
    }
}

/// What signals call the end of an enrollment of this journey.
pub fn ending_name(journey: &str) -> String {
    format!("journey/{journey}")
}

/// The end of an enrollment as an event: what is appended, and what journeys see. It is as unique as the enrollment.
pub fn ending(hold: &Hold, row: &EndedRow, customer: &Customer, listeners: &[String], now: Micros) -> (Arrival, Event) {
    // No message has an empty step: the end of an enrollment is keyed apart from all of them.
    let key = MessageKey::of(&hold.namespace, &hold.journey, row.customer, row.enrollment, "", 0);
    let data = [("outcome", row.outcome.name()), ("journey", hold.journey.as_str())];
    let name = ending_name(&hold.journey);
    let arrival = Arrival {
        data: data
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect::<Properties>()
            .into(),
        listeners: listeners.to_vec(),
        ..Arrival::of_known(key.0, key.to_string(), name, row.customer, now)
    };
    let event = Event {
        hops: row.hops,
        ..event(&arrival, customer, now)
    };
    (arrival, event)
}

/// What changed about a customer, as journeys watch it: customer.NAME for each attribute, and customer.id of one who is new (`before` is
/// None).
pub fn changes(before: Option<&Properties>, after: &Properties) -> BTreeSet<String> {
    // The usual case: the event taught nothing, and both are one value.
    if before.is_some_and(|before| std::ptr::eq(before, after)) {
        return BTreeSet::new();
    }
    let none = Properties::new();
    let known = before.unwrap_or(&none);
    fn value<'a>(of: &'a Properties, name: &str) -> Option<&'a serde_json::Value> {
        of.get(name).filter(|value| !value.is_null())
    }
    let names = known.keys().chain(after.keys());
    names
        .filter(|name| value(known, name) != value(after, name))
        .map(|name| format!("customer.{name}"))
        .chain(before.is_none().then(|| "customer.id".to_owned()))
        .collect()
}

/// News as it is kept: nobody's profile is in it.
pub fn news(news: &News, accepted_at: Micros) -> Event {
    Event {
        name: news.name.clone(),
        id: news.id.clone(),
        time: news.time.min(accepted_at),
        accepted_at,
        data: news.data.clone(),
        profile: Personal::default(),
        about: None,
        hops: 0,
    }
}

/// News as it comes to a customer: as if it were accepted now, of the customer as they are now.
pub fn told(news: &Event, customer: &Customer, now: Micros) -> Event {
    Event {
        accepted_at: now,
        profile: customer.attributes.clone(),
        ..news.clone()
    }
}

/// What the visit that brings this news to everybody is called.
pub fn news_sweep(sequence: i64) -> String {
    format!("news/{sequence}")
}

/// What tells a journey that a customer is to be looked at; `hops`: see [`Event::hops`].
pub fn look(customer: &Customer, hops: u32, now: Micros) -> Event {
    Event {
        hops,
        ..engine::looked(&customer.attributes, now)
    }
}

/// Those who watch one of these names.
pub fn watching<'a>(
    watchers: &'a BTreeMap<String, BTreeSet<String>>,
    names: &'a BTreeSet<String>,
) -> impl Iterator<Item = &'a String> {
    watchers
        .iter()
        .filter(|(_, watches)| !watches.is_disjoint(names))
        .map(|(journey, _)| journey)
}

/// Where the keys of a shard lie: from the first on, up to the second. (The shard is the first byte modulo 64.)
pub fn ranges(shard: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
    let firsts = (shard..=u8::MAX).step_by(usize::from(CustomerKey::SHARDS));
    let end = |first: u8| {
        first
            .checked_add(1)
            .map_or_else(|| vec![u8::MAX; 17], |next| vec![next])
    };
    firsts.map(|first| (vec![first], end(first))).collect()
}

/// What tells a journey, in its inbox, that its customer was two before.
pub fn merged(now: Micros) -> Event {
    Event {
        name: MERGED.into(),
        id: Personal::default(),
        time: now,
        accepted_at: now,
        data: Personal::default(),
        profile: Personal::default(),
        about: None,
        hops: 0,
    }
}

/// A customer never seen before.
pub fn met(key: CustomerKey, id: Personal<String>, anonymous: bool) -> Customer {
    Customer {
        key,
        id,
        anonymous,
        attributes: Personal::default(),
        consents: BTreeMap::new(),
    }
}

/// What the intake counts of a batch: received events by their receipts, and what followed from them and what changed apart.
pub fn tally(receipts: &[Receipt], followed: usize, changed: usize, now: Micros) -> Counts {
    let mut counts = Counts::default();
    let mut add = |count: IntakeCount, n: usize| {
        if n > 0 {
            counts.add(count.name(), now, i64::try_from(n).unwrap_or(i64::MAX));
        }
    };
    let many = |which: Receipt| receipts.iter().filter(|receipt| **receipt == which).count();
    add(IntakeCount::Accepted, many(Receipt::Accepted));
    add(IntakeCount::Duplicate, many(Receipt::Duplicate));
    add(IntakeCount::Followed, followed);
    add(IntakeCount::Changed, changed);
    counts
}

/// What an import does to attributes: each replaces the one of its name, null removes it, the others stay.
pub fn import_attributes(known: &mut Properties, imported: &Properties) {
    for (name, value) in imported {
        if value.is_null() {
            known.remove(name);
        } else {
            known.insert(name.clone(), value.clone());
        }
    }
}

/// Shards that `owner` may hold: an equal part, and one of the remainder for those first in order.
pub fn fair_share(owner: Uuid, live: &BTreeSet<Uuid>) -> usize {
    let all = usize::from(CustomerKey::SHARDS);
    let rank = live.iter().take_while(|other| **other < owner).count();
    let owners = live.len().max(1);
    all / owners + usize::from(rank < all % owners)
}

/// A registration that lasts until after this was given by a clock that has been set back since: from now on it lasts as long as one
/// that is given now, or nobody could take over from its owner until that clock's time comes again.
pub fn longest(now: Micros, ttl: Duration) -> Micros {
    let ttl = Micros::try_from(ttl.as_micros()).unwrap_or(Micros::MAX);
    now.saturating_add(ttl.saturating_mul(2))
}

/// Whether a shard may be taken: it is given back, or its owner's registration is over. One who is `late` himself, who has shards and was not
/// registered any more when he came, was kept away by something that may have kept the others away too: until he comes again he takes nothing
/// from them.
pub fn may_be_taken(owner: Option<Uuid>, live: &BTreeSet<Uuid>, late: bool) -> bool {
    owner.is_none_or(|owner| !live.contains(&owner) && !late)
}

/// Chooses at most `limit` customers: all of `first`, then one of each source in turn, so that no source starves another.
/// Gives them in key order, the order in which everybody locks, and whether somebody was left out.
pub fn choose(
    first: BTreeSet<CustomerKey>,
    sources: &[Vec<CustomerKey>],
    limit: usize,
) -> (BTreeSet<CustomerKey>, bool) {
    let mut chosen = first;
    for turn in 0..sources.iter().map(Vec::len).max().unwrap_or(0) {
        for customer in sources.iter().filter_map(|source| source.get(turn)) {
            if chosen.contains(customer) {
                continue;
            }
            if chosen.len() >= limit {
                return (chosen, true);
            }
            chosen.insert(*customer);
        }
    }
    (chosen, false)
}

/// How many rows of each of the shards are read to find the first `limit` of them all: customers spread over shards, so twice a shard's share
/// has them nearly always, and where it has not the next round goes on.
pub fn of_each_shard(limit: i64, shards: usize) -> i64 {
    let shards = i64::try_from(shards).unwrap_or(i64::MAX).max(1);
    limit.min(2 * limit / shards + 16)
}

/// Whether there is anything to do for the customer, now that the row is locked: somebody else may have done it meanwhile.
pub fn has_work(turn: &CustomerTurn, now: Micros) -> bool {
    let due = |enrollment: &Enrollment| enrollment.due_at().is_some_and(|due| due <= now);
    !turn.inbox.is_empty()
        || !turn.outcomes.is_empty()
        || !turn.outbox.is_empty()
        || !turn.admit.is_empty()
        || turn.enrollments.iter().any(due)
        || turn.placed.iter().any(|placed| placed.due_at <= now)
        || turn.look.is_some()
        || turn.news.is_some()
}

/// Of those whose turn has come, who still waits now that the row is locked.
pub fn still_at_door(enrollments: &[Enrollment], come: impl Iterator<Item = i64>) -> Vec<i64> {
    let waits = |ordinal: &i64| {
        let is = |each: &Enrollment| each.ordinal == *ordinal && each.is_paced();
        enrollments.iter().any(is)
    };
    come.filter(waits).collect()
}

/// Whether a turn may leave more to do: it took as much as it may.
pub fn leaves_more(turn: &CustomerTurn) -> bool {
    turn.inbox.len() == INBOX_PER_CUSTOMER || !turn.admit.is_empty()
}

/// Whether somebody came to the door for whom there may be a place at once.
pub fn opens_the_door(request: &RoundRequest, commit: &RoundCommit) -> bool {
    request.admissions.is_some() && commit.enrollments.iter().any(|row| row.enrollment.is_paced())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HOUR;

    #[test]
    fn shares_differ_by_one_at_most_and_leave_no_shard_over() {
        for owners in 1..=70_u128 {
            let live: BTreeSet<Uuid> = (1..=owners).map(Uuid::from_u128).collect();
            let shares: Vec<usize> = live.iter().map(|owner| fair_share(*owner, &live)).collect();
            assert_eq!(shares.iter().sum::<usize>(), 64);
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1);
        }
    }

    #[test]
    fn what_is_let_in_counts_for_the_whole_period_and_hardly_longer() {
        for per in [1, 999, 1_000, HOUR, 30 * DAY] {
            let pace = Pace { at_most: 1, per };
            for now in [0, 1, HOUR - 1, HOUR, 7 * DAY + 123_456] {
                let mark = pace_mark(now, pace);
                assert!(mark > pace_since(now + per - 1, pace), "{now} {per}: it still counts");
                assert!(
                    mark <= pace_since(now + per + per / 1_000 + 1, pace),
                    "{now} {per}: it is over"
                );
            }
        }
    }

    #[test]
    fn the_ranges_of_a_shard_hold_its_keys_and_no_others() {
        for first in 0..=u8::MAX {
            for rest in [0, u8::MAX] {
                let mut key = CustomerKey([rest; 16]);
                key.0[0] = first;
                let inside = |shard: u8| {
                    ranges(shard)
                        .iter()
                        .any(|(low, high)| key.0.as_slice() >= low.as_slice() && key.0.as_slice() < high.as_slice())
                };
                let shards: Vec<u8> = (0..CustomerKey::SHARDS).filter(|shard| inside(*shard)).collect();
                assert_eq!(shards, [key.shard()]);
            }
        }
    }

    #[test]
    fn a_flood_of_one_kind_does_not_starve_another() {
        let key = |n: u8| CustomerKey([n; 16]);
        let flood: Vec<CustomerKey> = (0..100).map(key).collect();
        let (chosen, left) = choose(BTreeSet::new(), &[flood, vec![key(200)]], 10);
        assert!(chosen.contains(&key(200)));
        assert_eq!((chosen.len(), left), (10, true));
    }
}
