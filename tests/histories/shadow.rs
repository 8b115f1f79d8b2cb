//! What an observer outside knows of a history, and what follows from it: who must have got a message, who may have, who must not; which
//! event is still to be processed; who holds which shard. It takes note at the effect of each call, and holds everything against its rules.

use super::{
    shop::{AFTER, CAP, CART, PACE, Shape, Shop},
    world::Process,
};
use journey::{
    channel::{Message, Reply},
    clock::Micros,
    engine::{
        CHANGED,
        state::{Ending, MERGED, Outcome, Standing},
    },
    keys::{CustomerKey, MessageKey},
    store::{Arrival, Hold, Lease, OutboxRow, OutboxState, Receipt, Round, RoundCommit},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};
use tokio::time::Instant;
use uuid::Uuid;

/// A claim is handed over within this.
const CLAIM_TTL: Duration = Duration::from_millis(2_001);
/// Attempts that the adapter makes.
const ATTEMPTS: usize = 5;

pub struct Shadow {
    pub(super) shop: &'static Shop,
    violation: Option<String>,
    /// Accepted events, in the order of acceptance.
    pub(super) log: Vec<Accepted>,
    seen: HashMap<String, usize>,
    pub(super) duplicates: i64,
    pub(super) people: BTreeMap<CustomerKey, Person>,
    roots: BTreeMap<CustomerKey, CustomerKey>,
    pub(super) lives: BTreeMap<&'static str, Life>,
    leases: BTreeMap<(String, u8), Held>,
    pub(super) messages: BTreeMap<MessageKey, Told>,
    /// By id.
    pub(super) news: BTreeMap<String, Announced>,
    /// Whether the store's clock went back.
    pub(super) went_back: bool,
}

pub struct Accepted {
    pub name: String,
    /// Whose it was when it was accepted.
    pub of: CustomerKey,
    pub cart: Option<String>,
    /// Whether the first journey was there to hear it.
    pub heard: bool,
}

/// News, and to whom it came of those whom there were.
pub struct Announced {
    pub heard: bool,
    pub everybody: BTreeSet<CustomerKey>,
    pub came: BTreeSet<CustomerKey>,
}

#[derive(Debug, Clone, Default)]
pub struct Person {
    pub consent: Option<(bool, Micros)>,
    /// The first event that brought a yes.
    pub first_yes: Option<usize>,
    pub ever_no: bool,
    pub cart: Option<String>,
    pub orders: Vec<usize>,
    /// They were two.
    pub merged: bool,
}

/// A journey from when it is made to when it is removed.
#[derive(Default)]
pub struct Life {
    pub alive: bool,
    pub suspended_ever: bool,
    pub restarted: bool,
    /// Events that it has to process, and those that it has.
    pub pending: BTreeSet<usize>,
    pub processed: i64,
    /// Ends of the other journey that it is told of, and those that it has heard of.
    pub told: i64,
    heard: BTreeSet<String>,
    last: BTreeMap<CustomerKey, usize>,
    /// By ordinal.
    pub entered: BTreeMap<i64, Entered>,
}

pub struct Entered {
    pub at: Micros,
    pub customer: CustomerKey,
    pub key: String,
    pub revision: String,
    /// The event that opened it, or the last that was accepted before.
    pub event: usize,
    pub ended: bool,
}

#[derive(Clone, Copy)]
struct Held {
    owner: Uuid,
    epoch: i64,
    until: Micros,
}

/// All that is known of a message.
#[derive(Default)]
pub struct Told {
    pub journey: String,
    pub customer: Option<CustomerKey>,
    pub enrollment: i64,
    pub touchpoint: String,
    pub claims: Vec<Claimed>,
    pub attempts: Vec<Attempt>,
    /// The claims by which the provider took it.
    pub taken: Vec<Micros>,
    uncertain: bool,
    pub over: Option<Outcome>,
    /// What was done to it by hand.
    retried: bool,
    dropped: bool,
}

pub struct Claimed {
    process: u64,
    epoch: i64,
    at: Micros,
    decided: Instant,
    says: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    UnderWay,
    Unknown,
    TryLater,
    Refused,
    Sent,
}

impl Shadow {
    pub fn new(shop: &'static Shop) -> Self {
        Self {
            shop,
            violation: None,
            log: Vec::new(),
            seen: HashMap::new(),
            duplicates: 0,
            people: BTreeMap::new(),
            roots: BTreeMap::new(),
            lives: BTreeMap::new(),
            leases: BTreeMap::new(),
            messages: BTreeMap::new(),
            news: BTreeMap::new(),
            went_back: false,
        }
    }

    /// The first thing that is not as it should be stands for all that follow from it.
    pub fn violated(&mut self, what: impl FnOnce() -> String) {
        self.violation.get_or_insert_with(what);
    }

    pub fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    pub fn root(&self, mut key: CustomerKey) -> CustomerKey {
        while let Some(stays) = self.roots.get(&key) {
            key = *stays;
        }
        key
    }

    // ── the operator ──

    pub fn put(&mut self, journey: &'static str, suspended: bool) {
        let life = self.lives.entry(journey).or_default();
        if !life.alive {
            let restarted = life.restarted;
            *life = Life {
                alive: true,
                restarted,
                ..Life::default()
            };
        }
        life.suspended_ever |= suspended;
    }

    pub fn stopped(&mut self, journey: &'static str) {
        let life = self.lives.entry(journey).or_default();
        (life.alive, life.restarted) = (false, true);
        self.leases.retain(|(name, _), _| name != journey);
    }

    // ── people ──

    pub fn retried(&mut self, key: MessageKey) {
        let told = self.messages.entry(key).or_default();
        told.uncertain |= told.over == Some(Outcome::Failed("OutcomeUnknown".into()));
        told.over = None;
        (told.retried, told.dropped) = (true, false);
    }

    pub fn dropped(&mut self, key: MessageKey) {
        self.messages.entry(key).or_default().dropped = true;
    }

    // ── news ──

    pub fn announced(&mut self, id: String) {
        let announced = Announced {
            heard: self.lives.get(CART).is_some_and(|life| life.alive),
            everybody: self.people.keys().copied().collect(),
            came: BTreeSet::new(),
        };
        self.news.insert(id, announced);
    }

    fn hear_news(&mut self, round: &Round) {
        for turn in &round.customers {
            let Some((_, event)) = &turn.news else { continue };
            let id = event.id.expose();
            let customer = turn.customer.key;
            let Some(news) = self.news.get_mut(id) else {
                self.violated(|| format!("nobody has announced {id}"));
                return;
            };
            if !news.came.insert(customer) {
                self.violated(|| format!("news {id} came to {customer} twice"));
            }
        }
    }

    // ── the gateway ──

    pub fn accepted(&mut self, batch: &[Arrival], receipts: &[Receipt], now: Micros) {
        for (arrival, receipt) in batch.iter().zip(receipts) {
            let id = arrival.id.expose();
            let is_new = !self.seen.contains_key(id);
            if (*receipt == Receipt::Accepted) != is_new {
                self.violated(|| format!("event {id} is new: {is_new}, and was answered {receipt:?}"));
            }
            if is_new {
                self.hear(arrival, now);
            } else {
                self.duplicates += 1;
            }
        }
    }

    fn hear(&mut self, arrival: &Arrival, now: Micros) {
        let own = self.root(arrival.customer);
        self.people.entry(own).or_default();
        let own = match arrival.known_as.first() {
            Some(other) => self.join(own, arrival.anonymous, other.key),
            None => own,
        };
        let data = arrival.data.expose();
        let index = self.log.len();
        let Some(person) = self.people.get_mut(&own) else {
            return;
        };
        let cart = data.get("cart").and_then(|cart| cart.as_str()).map(str::to_owned);
        if let Some(cart) = &cart {
            person.cart = Some(cart.clone());
        }
        if let Some(granted) = data.get("newsletter").and_then(serde_json::Value::as_bool) {
            let at = arrival.time.min(now);
            let holds = person
                .consent
                .is_none_or(|(known, known_at)| at > known_at || (at == known_at && known && !granted));
            if holds {
                person.consent = Some((granted, at));
                person.ever_no |= !granted;
                person.first_yes = person.first_yes.or(granted.then_some(index));
            }
        }
        if arrival.name == "order-placed" {
            person.orders.push(index);
        }
        let mut heard = false;
        for journey in &arrival.listeners {
            if let Some(life) = self.lives.get_mut(journey.as_str()).filter(|life| life.alive) {
                life.pending.insert(index);
                heard |= journey == CART;
            }
        }
        self.seen.insert(arrival.id.expose().clone(), index);
        self.log.push(Accepted {
            name: arrival.name.clone(),
            of: own,
            cart,
            heard,
        });
    }

    /// Two names of one customer: the one that is no anonymous id stays, and of two consents the no.
    fn join(&mut self, own: CustomerKey, own_is_anonymous: bool, other: CustomerKey) -> CustomerKey {
        let root = self.root(other);
        if root == own {
            return own;
        }
        // Here `other` is always an anonymous id; if it is somebody's already, it joins nobody.
        if root != other && !own_is_anonymous {
            return own;
        }
        let gone = self.people.remove(&root);
        self.roots.insert(root, own);
        let Some(person) = self.people.get_mut(&own) else {
            return own;
        };
        if let Some(gone) = gone {
            person.merged = true;
            person.cart = person.cart.take().or(gone.cart);
            person.consent = match (person.consent, gone.consent) {
                (Some((one, at)), Some((two, later))) => Some((one && two, at.max(later))),
                (one, two) => one.or(two),
            };
            person.ever_no |= gone.ever_no;
            person.orders.extend(gone.orders);
        }
        own
    }

    // ── leases ──

    pub fn joined(&mut self, hold: &Hold, now: Micros, ttl: Duration) {
        let ttl = Micros::try_from(ttl.as_micros()).unwrap();
        let until = now + ttl;
        for (_, known) in self
            .leases
            .iter_mut()
            .filter(|((journey, _), _)| *journey == hold.journey)
        {
            // What was given by a clock that has been set back since lasts from now on as long as what is given now.
            if known.until > now + 2 * ttl {
                known.until = until;
            }
            // And what is over when somebody joins stays so, wherever the clock is set then.
            if known.until <= now {
                known.until = Micros::MIN;
            }
        }
        let before: Vec<u8> = self.shards_of(&hold.journey, hold.owner);
        for shard in before {
            if hold.shards.iter().all(|lease| lease.shard != shard) {
                self.leases.remove(&(hold.journey.clone(), shard));
            }
        }
        for Lease { shard, epoch } in &hold.shards {
            let known = self.leases.get(&(hold.journey.clone(), *shard)).copied();
            if let Some(known) = known {
                let took = known.owner != hold.owner;
                if took && known.until > now {
                    self.violated(|| format!("shard {shard} was taken from an owner whose lease was not over"));
                }
                if took && *epoch <= known.epoch {
                    self.violated(|| format!("shard {shard} was taken under epoch {epoch}, no later than before"));
                }
            }
            self.leases.insert(
                (hold.journey.clone(), *shard),
                Held {
                    owner: hold.owner,
                    epoch: *epoch,
                    until,
                },
            );
        }
    }

    /// A heartbeat extends what is not over.
    pub fn beaten(&mut self, hold: &Hold, now: Micros, ttl: Duration) {
        let until = now + Micros::try_from(ttl.as_micros()).unwrap();
        let of_hold = self
            .leases
            .iter_mut()
            .filter(|((journey, _), _)| *journey == hold.journey);
        let held = of_hold.map(|(_, held)| held);
        for held in held.filter(|held| held.owner == hold.owner && held.until > now) {
            held.until = until;
        }
    }

    pub fn left(&mut self, journey: &str, owner: Uuid) {
        self.leases
            .retain(|(name, _), held| name != journey || held.owner != owner);
    }

    fn shards_of(&self, journey: &str, owner: Uuid) -> Vec<u8> {
        let own = self
            .leases
            .iter()
            .filter(|((name, _), held)| name == journey && held.owner == owner);
        own.map(|((_, shard), _)| *shard).collect()
    }

    pub fn shards_held_by(&self, owners: &BTreeSet<Uuid>) -> usize {
        self.leases.values().filter(|held| owners.contains(&held.owner)).count()
    }

    /// For the defect that ignores fences: the same shards as whoever holds them holds them. A round has one owner: that of the first.
    pub fn as_held_now(&self, hold: &Hold) -> Hold {
        let held = |lease: &Lease| self.leases.get(&(hold.journey.clone(), lease.shard)).copied();
        let Some(owner) = hold.shards.iter().find_map(held).map(|held| held.owner) else {
            return hold.clone();
        };
        let shards = hold.shards.iter().filter_map(|lease| {
            let held = held(lease).filter(|held| held.owner == owner)?;
            Some(Lease {
                shard: lease.shard,
                epoch: held.epoch,
            })
        });
        Hold {
            owner,
            shards: shards.collect(),
            ..hold.clone()
        }
    }

    // ── rounds ──

    pub fn committed(&mut self, process: &Process, hold: &Hold, round: &Round, commit: &RoundCommit, now: Micros) {
        self.check_fence(hold, now);
        let name = process.journey;
        if self.lives.get(name).is_none_or(|life| !life.alive) {
            self.violated(|| format!("a round of {name}, which is stopped, was committed"));
            return;
        }
        self.consume(name, round, commit);
        self.hear_news(round);
        self.enroll(name, commit, now);
        for row in &commit.outbox {
            self.see_outbox(process, hold, round, row, now);
        }
        for row in &commit.messages {
            if let Some(outcome) = &row.outcome {
                // What the same round claimed and took back counted for a cap until then.
                let taken_back = commit.messages.iter().filter(|other| {
                    let withdrawn = Outcome::Skipped("Withdrawn".into());
                    other.customer == row.customer && other.outcome.as_ref() == Some(&withdrawn)
                });
                self.check_cap(row.key, row.customer, outcome, taken_back.count(), now);
                self.end(process, hold, row.key, row.customer, outcome);
                let told = self.messages.entry(row.key).or_default();
                told.enrollment = row.enrollment;
                told.touchpoint.clone_from(&row.touchpoint);
                name.clone_into(&mut told.journey);
                told.customer = Some(row.customer);
            }
        }
    }

    fn check_fence(&mut self, hold: &Hold, now: Micros) {
        for Lease { shard, epoch } in &hold.shards {
            let held = self.leases.get(&(hold.journey.clone(), *shard));
            let ours = held.is_some_and(|held| held.owner == hold.owner && held.epoch == *epoch && held.until > now);
            if !ours {
                self.violated(|| format!("a round was committed by who had lost shard {shard} of epoch {epoch}"));
                return;
            }
        }
    }

    fn consume(&mut self, name: &'static str, round: &Round, commit: &RoundCommit) {
        for turn in &round.customers {
            for (sequence, event) in &turn.inbox {
                if !commit.consumed.contains(sequence) || event.name == MERGED || event.name == CHANGED {
                    continue;
                }
                let id = event.id.expose();
                let Some(life) = self.lives.get_mut(name) else { return };
                if event.name.starts_with("journey/") {
                    if !life.heard.insert(id.clone()) {
                        self.violated(|| format!("the end {id} was heard twice by {name}"));
                    }
                    continue;
                }
                let Some(index) = self.seen.get(id).copied().filter(|index| life.pending.remove(index)) else {
                    self.violated(|| format!("event {id} was processed by {name}, which had it not to process"));
                    continue;
                };
                life.processed += 1;
                let of = self.log[index].of;
                let before = life.last.insert(of, index);
                if before.is_some_and(|before| before > index) {
                    self.violated(|| format!("event {id} was processed by {name} after one that was accepted later"));
                }
            }
        }
    }

    fn enroll(&mut self, name: &'static str, commit: &RoundCommit, now: Micros) {
        for row in &commit.enrollments {
            let enrollment = &row.enrollment;
            if enrollment.is_paced() {
                continue;
            }
            let opened_by = enrollment.entry.expose().get("id").and_then(|id| id.as_str());
            let event = opened_by.and_then(|id| self.seen.get(id).copied());
            // By a condition they came in after the last of them.
            let event = event.unwrap_or(self.log.len().saturating_sub(1));
            let customer = self.root(row.customer);
            let Some(life) = self.lives.get_mut(name) else { return };
            let ended = match enrollment.standing {
                Standing::Ended { outcome, .. } => Some(outcome),
                Standing::Waiting { .. } | Standing::Sending { .. } | Standing::Paced { .. } => None,
            };
            let known = life.entered.get_mut(&enrollment.ordinal);
            let is_new = known.is_none();
            let had_ended = match known {
                Some(known) => std::mem::replace(&mut known.ended, ended.is_some()),
                None => {
                    let key = enrollment.key.expose().clone();
                    let entered = Entered {
                        at: now,
                        customer,
                        key,
                        revision: enrollment.revision.clone(),
                        event,
                        ended: ended.is_some(),
                    };
                    life.entered.insert(enrollment.ordinal, entered);
                    false
                }
            };
            if had_ended && ended.is_none() {
                self.violated(|| format!("enrollment {} of {name} goes on after its end", enrollment.ordinal));
            }
            let ends = ended.filter(|outcome| !had_ended && *outcome != Ending::Merged);
            if name == CART
                && ends.is_some()
                && let Some(after) = self.lives.get_mut(AFTER).filter(|life| life.alive)
            {
                after.told += 1;
            }
            if is_new && name == CART {
                self.check_entry(enrollment.ordinal, now);
            }
        }
    }

    /// Nobody enters twice where they may once, nor more at a time than the pace says.
    fn check_entry(&mut self, ordinal: i64, now: Micros) {
        let shape = self.shop.shape;
        let life = &self.lives[CART];
        let entered = &life.entered[&ordinal];
        let alike = life
            .entered
            .values()
            .filter(|one| one.customer == entered.customer && one.key == entered.key);
        let alike = alike.count();
        let merged = self.people.get(&entered.customer).is_some_and(|person| person.merged);
        if shape != Shape::Condition && alike > 1 && !merged {
            self.violated(|| format!("enrollment {ordinal}: its customer entered {alike} times"));
        }
        let life = &self.lives[CART];
        let of_late = life.entered.values().filter(|one| one.at > now - PACE.1).count();
        if shape == Shape::Paced && of_late > PACE.0 && !self.went_back {
            self.violated(|| format!("enrollment {ordinal} is the {of_late}th within the period of the pace"));
        }
    }

    fn see_outbox(&mut self, process: &Process, hold: &Hold, round: &Round, row: &OutboxRow, now: Micros) {
        if row.uncertain && self.messages.get(&row.key).is_some_and(|told| !told.uncertain) {
            self.check_cause(process, hold, row.key, row.customer);
        }
        let told = self.messages.entry(row.key).or_default();
        told.uncertain |= row.uncertain;
        told.enrollment = row.enrollment;
        told.touchpoint.clone_from(&row.touchpoint);
        process.journey.clone_into(&mut told.journey);
        told.customer = Some(row.customer);
        let OutboxState::Claimed { epoch, at } = row.state else {
            return;
        };
        if at != round.now {
            // It is ours still, under another epoch.
            if let Some(claim) = told.claims.last_mut() {
                claim.epoch = epoch;
            }
            return;
        }
        let says = self.check_claim(process.journey, row, now);
        let told = self.messages.entry(row.key).or_default();
        told.claims.push(Claimed {
            process: process.id,
            epoch,
            at: now,
            decided: Instant::now(),
            says,
        });
    }

    /// Whether the message may go out now; and what it must say.
    fn check_claim(&mut self, name: &'static str, row: &OutboxRow, now: Micros) -> Option<String> {
        if name != CART {
            return None;
        }
        let key = row.key;
        if self.messages.get(&key).is_some_and(|told| told.over.is_some()) {
            self.violated(|| format!("message {key} was claimed though it was over"));
        }
        let by_hand = |is: fn(&Told) -> bool| self.messages.get(&key).is_some_and(is);
        let (retried, dropped) = (by_hand(|told| told.retried), by_hand(|told| told.dropped));
        if dropped {
            self.violated(|| format!("message {key} was claimed though it was dropped by hand"));
        }
        let customer = self.root(row.customer);
        let person = self.people.get(&customer).cloned().unwrap_or_default();
        if person.consent.is_none_or(|(granted, _)| !granted) {
            self.violated(|| format!("message {key} was claimed for a customer who has not consented"));
        }
        let entered = self.lives[CART].entered.get(&row.enrollment);
        // One that joins what was two may have been numbered anew.
        let Some(entered) = entered.filter(|_| !person.merged) else {
            return person.cart;
        };
        let (event, at) = (entered.event, entered.at);
        let patience = self.shop.patience(&entered.revision);
        // Tried again by hand it may go out after its enrollment has ended by itself: then nothing takes it out any more.
        if !retried && person.orders.iter().any(|order| *order > event) {
            self.violated(|| format!("message {key} was claimed after an exit took its customer out"));
        }
        // It was asked for when its wait was over; since then the clock may have been set back.
        let asked = row.requested_at.max(now);
        if row.touchpoint == "reminder" && asked < at + patience {
            self.violated(|| format!("message {key} was claimed {} us before its time", at + patience - asked));
        }
        person.cart
    }

    fn end(&mut self, process: &Process, hold: &Hold, key: MessageKey, customer: CustomerKey, outcome: &Outcome) {
        let told = self.messages.entry(key).or_default();
        let (was_uncertain, dropped) = (told.uncertain, told.dropped);
        if let Some(before) = told.over.replace(outcome.clone()) {
            self.violated(|| format!("message {key} ended twice: {before:?}, {outcome:?}"));
        }
        let person = self.people.get(&self.root(customer)).cloned().unwrap_or_default();
        match outcome {
            Outcome::Skipped(reason) if reason == "NoConsent" => {
                if person.consent.is_some_and(|(granted, _)| granted) {
                    self.violated(|| format!("message {key} was skipped for want of a consent that was given"));
                }
            }
            Outcome::Failed(reason) if reason == "OutcomeUnknown" => {
                if !was_uncertain {
                    self.check_cause(process, hold, key, customer);
                }
            }
            Outcome::Skipped(reason) if reason == "Dropped" && dropped => {}
            Outcome::Skipped(reason) if ["Withdrawn", "Capped"].contains(&reason.as_str()) => {}
            Outcome::Failed(reason) if ["Http410", "GaveUp"].contains(&reason.as_str()) => {}
            Outcome::Sent => {}
            Outcome::Skipped(_) | Outcome::Failed(_) => {
                self.violated(|| format!("message {key} ended as {outcome:?}, for which there was no reason"));
            }
        }
    }

    /// A cap keeps back only what is too much.
    fn check_cap(&mut self, key: MessageKey, customer: CustomerKey, outcome: &Outcome, taken_back: usize, now: Micros) {
        if *outcome != Outcome::Skipped("Capped".into()) || self.went_back {
            return;
        }
        let customer = self.root(customer);
        let others = self.messages.iter().filter(|(other, _)| **other != key);
        let contacts = others.filter(|(_, told)| {
            let theirs = told.customer.is_some_and(|of| self.root(of) == customer);
            let late = told.claims.last().is_some_and(|claim| claim.at > now - CAP.1);
            theirs && late && told.journey == CART
        });
        let contacts = contacts.count() + taken_back;
        if contacts < CAP.0 {
            self.violated(|| format!("message {key} was skipped by a cap after {contacts} others"));
        }
    }

    /// What became of a message is unknown only where a provider did not say, or where its claim was under way when its shard changed hands.
    fn check_cause(&mut self, process: &Process, hold: &Hold, key: MessageKey, customer: CustomerKey) {
        let merged = self.people.get(&self.root(customer)).is_none_or(|person| person.merged);
        let epoch = hold.shards.iter().find(|lease| lease.shard == customer.shard());
        let told = self.messages.get(&key);
        let lost = told
            .and_then(|told| told.claims.last())
            .is_none_or(|claim| claim.process != process.id || epoch.is_none_or(|lease| lease.epoch != claim.epoch));
        let unsaid = told.is_some_and(|told| told.attempts.contains(&Attempt::Unknown));
        if !(merged || lost || unsaid) {
            self.violated(|| format!("what became of message {key} is said to be unknown, and is known"));
        }
    }

    // ── the provider ──

    pub fn handing(&mut self, process: &Process, message: &Message, now: Instant) {
        let key = message.key;
        let Some(told) = self.messages.get_mut(&key) else {
            self.violated(|| format!("message {key} was handed over without a claim"));
            return;
        };
        let again = told.attempts.last().is_some_and(|last| match last {
            Attempt::TryLater => false,
            Attempt::Refused => !told.retried,
            Attempt::UnderWay | Attempt::Unknown | Attempt::Sent => true,
        });
        let claim = told.claims.iter().rev().find(|claim| claim.process == process.id);
        let (late, says) = match claim {
            Some(claim) => (
                now.duration_since(claim.decided) > CLAIM_TTL && !process.froze_since(claim.decided),
                claim.says.clone(),
            ),
            None => {
                self.violated(|| format!("message {key} was handed over by a process that had not claimed it"));
                return;
            }
        };
        told.attempts.push(Attempt::UnderWay);
        if late {
            self.violated(|| format!("message {key} was handed over more than two seconds after its claim"));
        }
        if says.is_some() && message.text("text") != says {
            self.violated(|| format!("message {key} does not say what was known of its customer at its claim"));
        }
        if again && !self.shop.deduplicates {
            self.violated(|| format!("message {key} was handed over again, and may have been taken before"));
        }
    }

    pub fn taken(&mut self, process: &Process, message: &Message) {
        let Some(told) = self.messages.get_mut(&message.key) else {
            return;
        };
        let claim = told.claims.iter().rev().find(|claim| claim.process == process.id);
        told.taken.extend(claim.map(|claim| claim.at));
    }

    pub fn answered(&mut self, key: MessageKey, reply: &Reply) {
        let attempt = match reply {
            Reply::Sent | Reply::Answered(_) => Attempt::Sent,
            Reply::Refused(_) => Attempt::Refused,
            Reply::TryLater { .. } => Attempt::TryLater,
            Reply::Unknown(_) => Attempt::Unknown,
        };
        let Some(told) = self.messages.get_mut(&key) else {
            return;
        };
        if let Some(last) = told.attempts.iter_mut().rev().find(|one| **one == Attempt::UnderWay) {
            *last = attempt;
        }
    }
}

impl Told {
    /// Whether it may have come to nothing although the provider would have taken it in the end.
    pub fn may_be_lost(&self, shop: &Shop) -> bool {
        if self.retried || self.dropped {
            return true;
        }
        match &self.over {
            Some(Outcome::Skipped(reason)) => reason == "Capped",
            Some(Outcome::Failed(reason)) if reason == "OutcomeUnknown" => {
                !shop.deduplicates
                    || self.claims.len() >= ATTEMPTS
                    || self.attempts.contains(&Attempt::Refused)
                    || shop.shape == Shape::Keyed
            }
            Some(Outcome::Failed(reason)) if reason == "GaveUp" => self.claims.len() >= ATTEMPTS,
            Some(Outcome::Failed(_)) => self.attempts.contains(&Attempt::Refused),
            Some(Outcome::Sent) | None => false,
        }
    }
}
