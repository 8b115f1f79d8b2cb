//! What the store keeps and gives back. Everything personal is sealed in PostgreSQL.

use super::{
    placed::{Ending as EndOf, Placed},
    rules,
};
use crate::{
    clock::Micros,
    consent::{Said, Unreadable},
    engine::{
        program::Pace,
        state::{About, Ending, Enrollment, Event, Outcome, Properties, Sighting, blank},
    },
    keys::{AddressKey, CustomerKey, MessageKey},
    kpi::Counts,
    personal::Personal,
    policy::{Consent, Contact, Suppression},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};
use uuid::Uuid;

/// A revision of a journey as the operator puts it.
#[derive(Debug, Clone, PartialEq)]
pub struct JourneyRow {
    pub journey: String,
    pub revision: String,
    pub suspended: bool,
    /// Names of events that reach it, and customer.NAME for attributes whose change does (customer.id: a customer who is new): the index by
    /// which a journey that does not listen costs nothing.
    pub listens: BTreeSet<String>,
    /// The journey and the touchpoints it uses (`compile::Manifests`), pinned with the revision.
    pub body: serde_json::Value,
}

/// All that runners and the gateway of a namespace run by.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NamespacePrograms {
    /// Grows with every change.
    pub version: i64,
    /// None: never put.
    pub settings: Option<serde_json::Value>,
    /// Current revision first within a journey.
    pub journeys: Vec<StoredJourney>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StoredJourney {
    pub row: JourneyRow,
    pub current: bool,
    /// Deletion has begun: nobody enters, nothing is sent.
    pub stopped: bool,
}

/// A customer with all that an event may change, locked.
#[derive(Debug, Clone, PartialEq)]
pub struct Customer {
    pub key: CustomerKey,
    /// The identifier's own value, for `customer.id`.
    pub id: Personal<String>,
    /// Whether they are known by anonymous ids only.
    pub anonymous: bool,
    pub attributes: Personal<Properties>,
    /// By subject ([`crate::policy::consent::subject`]).
    pub consents: BTreeMap<String, Consent>,
}

/// Under which subject a customer's choice about a journey is kept among the consents: joining is a yes, leaving a no. No purpose can be
/// called so, so no event, import or policy speaks of it; and of two customers who become one the no holds.
pub fn choice_of(journey: &str) -> String {
    format!("journey/{journey}")
}

/// The journey of such a subject; None: it is a purpose.
pub fn journey_of(subject: &str) -> Option<&str> {
    subject.strip_prefix("journey/")
}

impl Customer {
    /// Whether they left the journey by their own hand and have not joined it since.
    pub fn has_left(&self, journey: &str) -> bool {
        self.consents
            .get(&choice_of(journey))
            .is_some_and(|choice| !choice.is_granted())
    }

    /// The one rule of consent: the later signal holds, and of two at the same instant the stricter. Returns whether it changed anything.
    pub fn hear_consent(&mut self, subject: &str, heard: Consent) -> bool {
        let holds = heard.over(self.consents.get(subject));
        if let Some(holds) = holds {
            self.consents.insert(subject.to_owned(), holds);
        }
        holds.is_some()
    }
}

/// An event on its way in.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Keyed hash of source and id ([`crate::keys::Keys::event`]): what duplicates are found by, together with the day of `time`.
    pub key: [u8; 16],
    pub id: Personal<String>,
    /// What signals call it.
    pub name: String,
    pub customer: CustomerKey,
    /// For a customer never seen before; None: only known customers (events about messages).
    pub customer_id: Option<Personal<String>>,
    /// Whether `customer` is an anonymous id.
    pub anonymous: bool,
    /// Others who are the same customer from this event on, 8 at most.
    pub known_as: Vec<Identifier>,
    /// By its own word; the store caps it at its acceptance.
    pub time: Micros,
    pub data: Personal<Properties>,
    /// What signals that came with it say of consent.
    pub said: Vec<Said>,
    /// Signals that could not be read.
    pub unreadable: Unreadable,
    pub about: Option<About>,
    /// Journeys that listen for it.
    pub listeners: Vec<String>,
    /// An address that gets nothing from this event on.
    pub suppresses: Option<Suppressed>,
}

/// An address on the suppression list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    pub address: AddressKey,
    pub why: Suppression,
    /// What put it there: an adapter, a file, a command; without personal data.
    pub source: String,
    pub at: Micros,
}

impl Arrival {
    /// What we tell of a customer who is known: without data, about no message, and heard by nobody yet.
    pub fn of_known(key: [u8; 16], id: String, name: String, customer: CustomerKey, time: Micros) -> Self {
        Self {
            key,
            id: id.into(),
            name,
            customer,
            customer_id: None,
            anonymous: false,
            known_as: vec![],
            time,
            data: Properties::new().into(),
            said: vec![],
            unreadable: Unreadable::default(),
            about: None,
            listeners: vec![],
            suppresses: None,
        }
    }
}

/// A name of a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Identifier {
    pub key: CustomerKey,
    pub id: Personal<String>,
    pub anonymous: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receipt {
    Accepted,
    /// It was accepted before; nothing happened now.
    Duplicate,
    /// `customer_id` was None and the customer is not known; nothing happened.
    UnknownCustomer,
}

/// An event put aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quarantined {
    /// One of a documented set: it becomes a metric label.
    pub reason: String,
    /// What was wrong, where, and what to do; without personal data.
    pub detail: String,
    /// The adapter it came by.
    pub source: String,
    pub at: Micros,
    /// The event as it came, as JSON.
    pub event: Personal<serde_json::Value>,
}

/// A customer read from an import file.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    pub key: CustomerKey,
    /// Whether `key` is an anonymous id.
    pub anonymous: bool,
    pub id: Personal<String>,
    pub attributes: Personal<Properties>,
    pub consents: BTreeMap<String, Consent>,
    /// Where the consents come from (a form, a notice, a file), kept as evidence, sealed.
    pub evidence: BTreeMap<String, Personal<String>>,
}

/// Shards that a runner holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    pub namespace: String,
    pub journey: String,
    pub owner: Uuid,
    pub shards: Vec<Lease>,
    /// The owners who live, this one among them: the shards are divided between them. Empty: there is nothing to hold.
    pub members: BTreeSet<Uuid>,
    /// Whether the registration was over when the owner came and found its shards again. So may the others' be: they are to have time to come
    /// back before it takes theirs.
    pub late: bool,
}

impl Hold {
    /// Whether the owner has its fair share: then heartbeats do until one tells of a change.
    pub fn is_settled(&self) -> bool {
        self.shards.len() == rules::fair_share(self.owner, &self.members)
    }
}

/// What a heartbeat tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beat {
    /// Whether the hold is still the owner's, and divided between the same owners; else they join again.
    pub holds: bool,
    /// The store's clock.
    pub now: Micros,
    /// When the first of the other owners' registrations is over, unless that one beats: what it held is free then.
    pub ends: Option<Micros>,
    /// The version of the namespace's programs.
    pub version: i64,
    /// Whether the journey's inbox has anything, in any shard, or there is news: whoever was not woken looks.
    pub waits: bool,
}

/// What time brings next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// The store's clock.
    pub now: Micros,
    /// It may be over already: then it came meanwhile, or the round could not work on it. None: time brings nothing.
    pub due: Option<Micros>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lease {
    pub shard: u8,
    /// Grows with every taking over; a commit under an older epoch writes nothing.
    pub epoch: i64,
}

#[derive(Debug, Clone, Default)]
pub struct RoundRequest {
    /// Customers at most; those of `outcomes` are in the round even beyond it.
    pub limit: u32,
    pub room: Room,
    /// How far back contacts are read, the longest period of any cap.
    pub contacts_within: Micros,
    /// Outcomes of messages handed over since the last round; their customers are in this one.
    pub outcomes: Vec<Handed>,
    /// Messages claimed by this process and still on their way: not to be taken for orphans.
    pub in_flight: BTreeSet<MessageKey>,
    /// Revisions that do not compile: nothing can be done for waits on them, and looking at them would keep others waiting.
    pub stuck: BTreeSet<String>,
    /// Whether those who wait at the door by entry.pace may come in; None: nobody may, the journey has no program or is suspended.
    pub admissions: Option<Admissions>,
    pub scope: Scope,
    /// Events of smaller numbers are not looked for but by [`Scope::All`]: those that were there are gone, and stepping over what is left of them
    /// until the database cleans up would cost more than all else that a round looks for.
    pub events_from: i64,
    /// How far back claims are looked for that nobody works on: rounds before have found those that are older. Those of older epochs are looked
    /// for whenever they were made.
    pub claims_within: Micros,
    /// Whether triggers without an event are looked at: then sightings are read, and those that are due are to be done.
    pub looks: bool,
    /// Visits of every customer that go on in this round.
    pub sweeps: Vec<SweepRequest>,
    /// Customers of one round at most to whom news comes, beyond the round's own limit; 0: news waits.
    pub news: u32,
    /// How the journey stands as far as is known; None: whichever way it stands.
    pub current: Option<Current>,
    /// Where a customer may be sent to.
    pub addresses: AddressesOf,
    /// Where `current` is said: all revisions that are known. Another one may have come and gone again as the current one meanwhile, and those
    /// who entered by it cannot be moved without it.
    pub revisions: BTreeSet<String>,
}

impl RoundRequest {
    /// The smallest number of an event that the round looks for.
    pub(super) fn first_number(&self) -> i64 {
        match self.scope {
            Scope::All => i64::MIN,
            Scope::AtHand | Scope::Due => self.events_from,
        }
    }
}

/// Gives every address that a message to a customer may go to.
pub type Addresses = dyn Fn(&CustomerTurn, Micros) -> Vec<AddressKey> + Send + Sync;

/// What a round looks for on the suppression list; None: for nothing.
#[derive(Clone, Default)]
pub struct AddressesOf(pub Option<Arc<Addresses>>);

impl AddressesOf {
    /// Of all these customers.
    pub(super) fn all(&self, turns: &[CustomerTurn], now: Micros) -> BTreeSet<AddressKey> {
        let Some(of) = &self.0 else {
            return BTreeSet::new();
        };
        turns.iter().flat_map(|turn| of(turn, now)).collect()
    }
}

impl fmt::Debug for AddressesOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AddressesOf({})", self.0.is_some())
    }
}

/// How far a round looks for whom there is something to do. Each looks for what the one before it does, and more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Outcomes, events and visits: enough right after a round that looked further.
    AtHand,
    /// What time brings, too: waits, holds, looks, what stays, the door.
    Due,
    /// And what only faults leave behind: claims that nobody works on, and events whose acceptance took so long that rounds went past their number.
    #[default]
    All,
}

/// Held messages that a round looks at, by the lane that they wait for: of each lane those that have waited longest, and no more than it has room
/// for. Looking at more would only put them off, and what one lane cannot take would keep those of another waiting. Those that are over
/// ([`OutboxRow::over_at`]) are looked at whatever the room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Room {
    /// By adapter.
    pub lanes: BTreeMap<String, u32>,
    /// Of those that wait for none of these lanes. None: all of them.
    pub others: Option<u32>,
}

impl Room {
    /// Whether there is any for a message that waits for this adapter's lane.
    pub fn has_any(&self, adapter: &str) -> bool {
        self.lanes.get(adapter).copied().or(self.others) != Some(0)
    }
}

/// How a journey stands: the revision that customers enter, and whether it is suspended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    pub revision: String,
    pub suspended: bool,
}

/// Something that happened to no customer in particular. It comes to everybody in each journey that listens.
#[derive(Debug, Clone, PartialEq)]
pub struct News {
    /// What duplicates are found by, of events and news together.
    pub key: [u8; 16],
    pub id: Personal<String>,
    /// What signals call it: the inbound touchpoint.
    pub name: String,
    /// When it happened by its own word.
    pub time: Micros,
    pub data: Personal<Properties>,
    /// Journeys that listen.
    pub listeners: Vec<String>,
}

/// What a schedule says of a stretch of time.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tick {
    /// What is due, with the instant of the schedule as its time.
    pub news: Option<News>,
    pub next: Option<Micros>,
}

/// A visit of every customer of the namespace, once each: a shard at a time in the order of keys, from where it stopped, whoever holds the
/// shard. A customer who is made meanwhile may be visited or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepRequest {
    /// What it is for; several may be under way in one journey.
    pub sweep: String,
    /// Another version than the last one begins anew, with everybody.
    pub version: String,
    /// Customers of one round at most, beyond the round's own limit.
    pub limit: u32,
}

/// How fast those at the door are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admissions {
    /// All at once: the journey has no pace any more.
    Unpaced,
    Paced(Pace),
}

/// What became of a claimed message.
#[derive(Debug, Clone, PartialEq)]
pub struct Handed {
    pub key: MessageKey,
    pub customer: CustomerKey,
    pub fate: Fate,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It is over.
    Known(Outcome),
    /// It is sent, and this is kept of what the provider answered.
    Answered(Personal<Properties>),
    /// Definitely not accepted by the provider: asked of the policy again at `due`.
    Retry { due: Micros, reason: String },
    /// The claim was too old when its turn came, nothing was handed over: claimed anew.
    Returned,
}

/// What is to be done, as of one instant, every customer locked.
#[derive(Debug, Clone)]
pub struct Round {
    /// The store's clock.
    pub now: Micros,
    pub customers: Vec<CustomerTurn>,
    /// What was looked for on the suppression list ([`RoundRequest::addresses`]): every address that was, and why it gets nothing, if so.
    pub suppressed: BTreeMap<AddressKey, Option<Suppression>>,
    /// The smallest number of an event that was found waiting, of anybody in the shards: what was accepted under smaller ones is done, or was not
    /// committed yet, or not looked for. None: none was found.
    pub first_event: Option<i64>,
}

#[derive(Debug, Clone)]
pub struct CustomerTurn {
    pub customer: Customer,
    /// Sent within `contacts_within`, in any journey of the namespace, each with its message; in the order of time.
    pub contacts: Vec<(MessageKey, Contact)>,
    /// Active ones, and ended ones that are still watched ([`EnrollmentRow::watch_until`]); by ordinal.
    pub enrollments: Vec<Enrollment>,
    /// In the order of acceptance, with the sequence number; the first 100.
    pub inbox: Vec<(i64, Event)>,
    /// All of this customer's messages in this journey whose fate is not known.
    pub outbox: Vec<OutboxRow>,
    pub outcomes: Vec<Handed>,
    /// What this journey has said to the customer that stays.
    pub placed: Vec<Placed>,
    /// Ordinals of those at the door whose turn has come: there is a place for each, and who waits longer has one too.
    pub admit: Vec<i64>,
    /// What triggers last saw; blank where the round does not look.
    pub sighting: Sighting,
    /// Names of sweeps that have come to this customer.
    pub swept: Vec<String>,
    /// A sequence number that no event has, for an enrollment that a look of this turn opens. None: neither time nor a sweep asks for one.
    pub look: Option<i64>,
    /// News that has come to this customer, accepted now as far as they are concerned, with the number of an enrollment that it opens.
    pub news: Option<(i64, Event)>,
}

impl CustomerTurn {
    /// A customer of whom nothing is to be done.
    pub fn of(customer: Customer) -> Self {
        Self {
            customer,
            contacts: Vec::new(),
            enrollments: Vec::new(),
            inbox: Vec::new(),
            outbox: Vec::new(),
            outcomes: Vec::new(),
            placed: Vec::new(),
            admit: Vec::new(),
            sighting: Sighting::default(),
            swept: Vec::new(),
            look: None,
            news: None,
        }
    }
}

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboxRow {
    pub key: MessageKey,
    pub customer: CustomerKey,
    pub enrollment: i64,
    pub revision: String,
    pub step: String,
    pub occurrence: u32,
    pub touchpoint: String,
    #[serde(default, skip_serializing_if = "blank")]
    pub with: Personal<Properties>,
    /// When the step was reached: timeToLive counts from here.
    pub requested_at: Micros,
    /// Whose lane it waits for; empty: not known.
    #[serde(default, skip_serializing_if = "blank")]
    pub adapter: String,
    /// From then on it needs no room to be looked at: its time to live is over, or it is not to go out.
    #[serde(default, skip_serializing_if = "blank")]
    pub over_at: Option<Micros>,
    /// Hand-overs tried.
    #[serde(default, skip_serializing_if = "blank")]
    pub attempts: u32,
    /// Whether one of them may have been accepted: from then on only Sent is certain, and its contact counts: as of the last of them.
    #[serde(default, skip_serializing_if = "blank")]
    pub uncertain: bool,
    /// It is no message but the telling that one has ended: no policy is asked, and no step waits for it.
    #[serde(default, skip_serializing_if = "blank")]
    pub ends: Option<Box<EndOf>>,
    /// It had failed, and is tried again by hand: its enrollment has gone on, and may have ended.
    #[serde(default, skip_serializing_if = "blank")]
    pub again: bool,
    pub state: OutboxState,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutboxState {
    /// Asked of the policy (again) at `due`; `why` is QuietHours, Suspended, Busy, or the reason of a retry.
    Held { due: Micros, why: String },
    /// Handed over, or about to be, by the owner of `epoch`. Under an older epoch than the lease's it is an orphan: its owner died with it.
    Claimed { epoch: i64, at: Micros },
}

/// What became of a message, and what links in it lead back to. Written at the claim, completed by the outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageRow {
    pub key: MessageKey,
    pub journey: String,
    pub customer: CustomerKey,
    pub enrollment: i64,
    pub step: String,
    pub occurrence: u32,
    pub touchpoint: String,
    pub purpose: String,
    pub channel: String,
    /// When it was claimed, or skipped.
    pub at: Micros,
    /// Where it went; None: the channel knows the customer by itself, or it is not known here, and what was written before stays.
    pub address: Option<AddressKey>,
    pub outcome: Option<Outcome>,
}

/// An enrollment to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct EnrollmentRow {
    pub customer: CustomerKey,
    pub enrollment: Enrollment,
    /// Until when it is read although it has ended (goals, cooldown, max); i64::MAX: for ever.
    pub watch_until: Micros,
}

/// An enrollment that has ended in this round: the journeys that listen for `journey/NAME` hear of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedRow {
    pub customer: CustomerKey,
    pub enrollment: i64,
    pub outcome: Ending,
    /// See [`Event::hops`]; those of the event that tells of it.
    pub hops: u32,
}

/// What a round writes, all or nothing. Only of customers that are in the round: they are locked.
#[derive(Debug, Clone, Default)]
pub struct RoundCommit {
    /// Inbox rows that are done.
    pub consumed: Vec<i64>,
    pub enrollments: Vec<EnrollmentRow>,
    pub ended: Vec<EndedRow>,
    /// Enrollments that are none any more: they waited at the door, and were turned away.
    pub enrollments_gone: Vec<(CustomerKey, i64)>,
    /// How many of [`CustomerTurn::admit`] came in; the others' places are free again.
    pub admitted: u32,
    /// What triggers saw, in place of the last sighting; a blank one is forgotten.
    pub sightings: Vec<(CustomerKey, Sighting)>,
    /// Whole attribute sets of customers whose attributes changed. Journeys that watch what changed are told.
    pub attributes: Vec<(CustomerKey, Personal<Properties>)>,
    /// Of those whose attributes changed, [`Event::hops`] of what tells of it; who is not in it: 0.
    pub hops: BTreeMap<CustomerKey, u32>,
    pub outbox: Vec<OutboxRow>,
    /// Messages that leave the outbox; what is in `outbox` too leaves it.
    pub outbox_gone: Vec<(CustomerKey, MessageKey)>,
    pub messages: Vec<MessageRow>,
    /// Of messages that failed, what was asked for: kept, so that they can be tried again by hand.
    pub failed: Vec<OutboxRow>,
    /// Contacts made by claims; one a message key.
    pub contacts: Vec<(CustomerKey, MessageKey, Contact)>,
    /// Claims that came to nothing for certain: their contacts do not count. What is in `contacts` too is a new claim, and counts.
    pub contacts_gone: Vec<(CustomerKey, MessageKey)>,
    /// What stays from now on, or is to be looked at at another time.
    pub placed: Vec<Placed>,
    /// What stays no longer; what is in `placed` too leaves it.
    pub placed_gone: Vec<(CustomerKey, MessageKey)>,
    pub counts: Counts,
    /// Events that this journey could not apply (a defect): put aside, consumed. Intake counts know them as accepted.
    pub quarantined: Vec<Quarantined>,
}

impl Backlog {
    /// Counted up to this and one more: what is more is so much anyway that its number matters little, and counting it costs.
    pub const MOST: i64 = 100_000;
}

impl RoundCommit {
    /// With what is to be written of another customer.
    pub fn add(&mut self, other: Self) {
        let Self {
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
        } = other;
        self.consumed.extend(consumed);
        self.enrollments.extend(enrollments);
        self.ended.extend(ended);
        self.enrollments_gone.extend(enrollments_gone);
        self.admitted += admitted;
        self.sightings.extend(sightings);
        self.attributes.extend(attributes);
        self.hops.extend(hops);
        self.outbox.extend(outbox);
        self.outbox_gone.extend(outbox_gone);
        self.messages.extend(messages);
        self.failed.extend(failed);
        self.contacts.extend(contacts);
        self.contacts_gone.extend(contacts_gone);
        self.placed.extend(placed);
        self.placed_gone.extend(placed_gone);
        for (count, n) in counts.0 {
            *self.counts.0.entry(count).or_default() += n;
        }
        self.quarantined.extend(quarantined);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoundResult {
    /// Nothing was to be done.
    Idle,
    /// Committed; `full` when the limit was reached and more may wait.
    Committed { full: bool },
    /// The leases are not ours any more, or the journey is stopped or gone; nothing was written.
    Fenced,
    /// The journey does not stand as [`RoundRequest::current`] says (suspended, or another revision), or has revisions that are not known: read the programs again; or rows that
    /// could not be read were put aside. Nothing else was written.
    Changed,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    pub active: i64,
    pub inbox: i64,
    /// Messages due, held or claimed.
    pub outbox: i64,
    /// Wait ends that are overdue.
    pub overdue: i64,
    /// Customers at the door, whose turn by entry.pace has not come.
    pub paced: i64,
    /// News that has not come to everybody yet.
    pub news: i64,
    /// For how long what is overdue the longest is: a wait's end, or a message that is held.
    pub oldest: Micros,
}
