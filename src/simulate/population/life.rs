//! The lives of some customers in one world: what they do, what comes of it, what they do then.

use super::{
    behaviour::{Plan, When},
    chance::Chance,
    run::Order,
    tally::{Life, Tally, Ways, live},
};
use crate::{
    channel::Reply,
    clock::{DAY, Micros},
    consent::Signals,
    engine::state::Properties,
    gateway::{self, Incoming},
    keys::{ANONYMOUS, CustomerKey},
    personal::Personal,
    policy::{Confirmed, Consent},
    simulate::{Answer, Handing, Provider, SimulateError, World},
    store::{Imported, MessageRow},
};
use serde_json::Value;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    ops::Range,
    sync::Arc,
};

/// Something that is going to happen.
struct Coming {
    at: Micros,
    number: u64,
    what: What,
}

enum What {
    /// The customer, by place, which act, and the data of the event that it follows.
    Act(usize, usize, Option<Arc<Properties>>),
    Reaction(Box<MessageRow>, String, Properties),
}

impl PartialEq for Coming {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl Eq for Coming {}

impl PartialOrd for Coming {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Coming {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

/// Who plays the customers and the providers.
struct Players<'p> {
    plan: &'p Plan,
    chances: Vec<Chance>,
    places: HashMap<CustomerKey, usize>,
    /// The number of the customer at the first place.
    first: u64,
    /// Messages that a customer got, by touchpoint.
    got: HashMap<(usize, u64), u64>,
    agenda: BinaryHeap<Reverse<Coming>>,
    number: u64,
}

impl Players<'_> {
    fn plan(&mut self, at: Micros, what: What) {
        self.number += 1;
        self.agenda.push(Reverse(Coming {
            at,
            number: self.number,
            what,
        }));
    }
}

impl Provider for Players<'_> {
    fn answer(&mut self, message: &Handing<'_>) -> Answer {
        // Nobody reacts to the end of a message.
        let place = self.places.get(&message.row.customer).copied();
        let place = place.filter(|_| message.claim.message.ends.is_none());
        let (Some(fates), Some(place)) = (self.plan.messages.get(&message.row.touchpoint), place) else {
            return Answer::sent();
        };
        let kind = Chance::kind(&message.row.touchpoint);
        let got = self.got.entry((place, kind)).or_default();
        *got += 1;
        let mut chance = self.chances[place].fork(kind, *got);
        let mut drawn = chance.unit();
        for (reason, probability) in &fates.failed {
            if drawn < *probability {
                return Answer {
                    reply: Reply::Refused(reason.clone()),
                    after: 0,
                };
            }
            drawn -= probability;
        }
        let number = self.first + place as u64;
        let mut reactions = Vec::new();
        for (what, probability, delay, data) in &fates.reactions {
            if chance.happens(*probability) {
                let delay = chance.delay(*delay);
                let data = data
                    .iter()
                    .map(|(name, draw)| (name.clone(), draw.value(&mut chance, number, *got, message.now)));
                reactions.push((delay, what.clone(), data.collect()));
            }
        }
        let response = fates
            .response
            .as_ref()
            .map(|draw| draw.value(&mut chance, number, *got, message.now));
        for (after, what, data) in reactions {
            let row = Box::new(message.row.clone());
            self.plan(message.now.saturating_add(after), What::Reaction(row, what, data));
        }
        Answer {
            reply: response.map_or(Reply::Sent, |response| Reply::Answered(response.into())),
            after: 0,
        }
    }
}

/// What is asked of the lives.
pub struct Wanted<'a> {
    pub tally: &'a mut Tally,
    /// One a customer, where lives are to be compared.
    pub lives: Option<&'a mut Vec<Life>>,
    /// Whether lives are told in words.
    pub words: bool,
}

/// Lets customers live from the start to the end of the order, in a wiped world.
pub fn lives(
    world: &mut World,
    plan: &Plan,
    order: &Order,
    journeys: &[String],
    customers: Range<u64>,
    mut wanted: Wanted<'_>,
) -> Result<(), SimulateError> {
    let alone = customers.end - customers.start == 1;
    world.reset(order.start);
    let mut players = Players {
        plan,
        chances: customers.clone().map(|n| Chance::of(order.seed, n)).collect(),
        places: HashMap::new(),
        first: customers.start,
        got: HashMap::new(),
        agenda: BinaryHeap::new(),
        number: 0,
    };
    let keys: Vec<Vec<CustomerKey>> = customers
        .clone()
        .enumerate()
        .map(|(place, n)| be_born(world, &mut players, order, place, n))
        .collect();
    if let ([keys], true) = (keys.as_slice(), alone) {
        world.hold_only(keys);
    }
    let mut occurrences = vec![vec![0u64; plan.acts.len()]; keys.len()];
    let mut ways = Ways::default();
    let mut grown: Vec<Life> = vec![Life::default(); if wanted.lives.is_some() { keys.len() } else { 0 }];
    let end = order.start + order.length;
    loop {
        world.settle(&mut players)?;
        let happenings = world.happenings();
        wanted.tally.take(&happenings, &mut ways);
        if wanted.lives.is_some() {
            tell_lives(&mut grown, &happenings, &players, wanted.words);
        }
        let next = players.agenda.peek().map(|Reverse(coming)| coming.at);
        let due = world.next_due();
        let Some(at) = [next, due].into_iter().flatten().min().filter(|at| *at < end) else {
            break;
        };
        world.set(at);
        while players.agenda.peek().is_some_and(|Reverse(coming)| coming.at <= at) {
            let Some(Reverse(coming)) = players.agenda.pop() else {
                break;
            };
            match coming.what {
                What::Act(place, act, follows) => {
                    occurrences[place][act] += 1;
                    let n = customers.start + place as u64;
                    let number = occurrences[place][act];
                    let event = incoming(&mut players, (place, n), (act, follows.as_deref()), number, at);
                    world.bring(&plan.acts[act].adapter, event);
                }
                What::Reaction(row, what, data) => {
                    players.number += 1;
                    let id = format!("{}", players.number);
                    // A card that is not there cannot be seen, let alone pressed.
                    if world.is_in_sight(&row) == Some(false) {
                        continue;
                    }
                    if what == "confirmed" {
                        let _by_nothing_to_confirm = world.confirm(&row);
                        continue;
                    }
                    if what == "dismissed" {
                        world.dismiss(&row);
                    }
                    world.tell_of(&row, &what, &id, data);
                }
            }
        }
    }
    for keys in &keys {
        let ones: BTreeSet<CustomerKey> = keys.iter().map(|key| world.whose(*key)).collect();
        for whose in ones {
            wanted.tally.end(world, whose, journeys, &ways);
        }
    }
    wanted.tally.customers += keys.len() as u64;
    for (journey, counts) in world.sums() {
        let tally = wanted.tally.journeys.entry(journey).or_default();
        for ((name, _), n) in counts.0 {
            *tally.counts.entry(name).or_default() += n;
        }
    }
    for ((name, _), n) in world.store().take_intake_counts(world.namespace()).0 {
        *wanted.tally.intake.entry(name).or_default() += n;
    }
    if let Some(lives) = wanted.lives.take() {
        lives.append(&mut grown);
    }
    Ok(())
}

fn tell_lives(grown: &mut [Life], happenings: &[crate::simulate::Happening], players: &Players<'_>, words: bool) {
    for one in happenings {
        if let Some(life) = players
            .places
            .get(&one.customer)
            .and_then(|place| grown.get_mut(*place))
        {
            live(life, std::slice::from_ref(one), words);
        }
    }
}

/// Makes the customer known, and plans what it does first. Gives its keys, one for each kind of identifier that events know it by.
fn be_born(world: &World, players: &mut Players<'_>, order: &Order, place: usize, n: u64) -> Vec<CustomerKey> {
    let id = format!("c-{n}");
    let identifiers: BTreeSet<&str> = players
        .plan
        .acts
        .iter()
        .filter_map(|act| act.identifier.as_deref())
        .collect();
    // Where all that happens is news, a condition or a schedule, somebody must be there all the same.
    let named = if identifiers.is_empty() {
        BTreeSet::from(["userId"])
    } else {
        identifiers
    };
    let keys: Vec<CustomerKey> = named.iter().map(|identifier| world.key(identifier, &id)).collect();
    let mut chance = players.chances[place].fork(u64::MAX, 0);
    let mut attributes = Properties::new();
    for (name, ty, draw) in &players.plan.attributes {
        let drawn: Value = draw.value(&mut chance, n, 0, order.start);
        // What does not fit its type is not known of this customer.
        if let Some(value) = gateway::of_json(ty, &drawn) {
            attributes.insert(name.clone(), value);
        }
    }
    let mut consents = BTreeMap::new();
    for (purpose, share) in &players.plan.consents {
        if chance.happens(*share) {
            consents.insert(
                purpose.clone(),
                Consent {
                    confirmed: Confirmed::Elsewhere,
                    ..Consent::said(true, order.start - 30 * DAY)
                },
            );
        }
    }
    let imported: Vec<Imported> = named
        .iter()
        .zip(&keys)
        .map(|(identifier, key)| Imported {
            key: *key,
            anonymous: *identifier == ANONYMOUS,
            id: id.clone().into(),
            attributes: Personal::new(attributes.clone()),
            consents: consents.clone(),
            evidence: BTreeMap::new(),
        })
        .collect();
    world.import(&imported);
    for key in &keys {
        players.places.insert(*key, place);
    }
    for (act, of) in players.plan.acts.iter().enumerate() {
        // News is nobody's act: it happens once, by the chance of the first.
        if of.identifier.is_none() && place > 0 {
            continue;
        }
        let mut chance = players.chances[place].fork(act as u64, 0);
        let first = match of.when {
            When::Once => i64::try_from(chance.below(order.length.unsigned_abs())).unwrap_or_default(),
            When::Every(mean) => chance.delay(mean),
            When::After { .. } => continue,
        };
        players.plan(order.start + first, What::Act(place, act, None));
    }
    keys
}

/// The event of an act, and what follows from it is planned.
fn incoming(
    players: &mut Players<'_>,
    (place, n): (usize, u64),
    (act, follows): (usize, Option<&Properties>),
    occurrence: u64,
    now: Micros,
) -> Incoming {
    let of = &players.plan.acts[act];
    let mut data = Properties::new();
    let whose = of
        .identifier
        .clone()
        .map(|name| (name, Value::String(format!("c-{n}"))));
    data.extend(whose);
    let mut chance = players.chances[place].fork(act as u64, occurrence);
    for (name, draw) in &of.data {
        let drawn = draw.value(&mut chance, n, occurrence, now);
        // The order of a cart names that cart.
        let same = follows
            .filter(|_| of.keys.contains(name))
            .and_then(|data| data.get(name));
        data.insert(name.clone(), same.cloned().unwrap_or(drawn));
    }
    let mut next = Vec::new();
    if let When::Every(mean) = of.when {
        next.push((place, act, chance.delay(mean), None));
    }
    let told = (!of.followed_by.is_empty()).then(|| Arc::new(data.clone()));
    // What follows from news is everybody's own.
    let followers = match of.identifier {
        Some(_) => place..place + 1,
        None => 0..players.chances.len(),
    };
    for other in followers {
        let mut own = players.chances[other].fork(act as u64, occurrence);
        let chance = if other == place { &mut chance } else { &mut own };
        for follower in &of.followed_by {
            if let When::After {
                chance: probability,
                delay,
            } = players.plan.acts[*follower].when
                && chance.happens(probability)
            {
                next.push((other, *follower, chance.delay(delay), told.clone()));
            }
        }
    }
    for (place, act, after, follows) in next {
        players.plan(now.saturating_add(after), What::Act(place, act, follows));
    }
    Incoming {
        id: format!("{n}-{act}-{occurrence}").into(),
        source: "population".to_owned().into(),
        name: of.event.clone(),
        time: None,
        data: Personal::new(data),
        signals: Signals::default(),
    }
}
