//! The store of record: the trait, and what it keeps. Two stores implement it, in memory and PostgreSQL; one contract suite holds both.
//!
//! The gateway writes by [`Store::accept`], the runner by [`Store::round`]; each is one transaction whose pure part is a function that the
//! caller gives. Whoever changes a customer holds that customer's row lock, so events, consent, caps and attributes of one customer are serial.
//! Knows no Kubernetes, no channel, no HTTP.

mod ack;
mod aside;
mod by_hand;
mod finding;
mod join;
pub mod memory;
pub mod placed;
pub mod postgres;
mod retention;
pub mod row;
mod rules;

pub use crate::engine::state::Sighting;
pub use ack::Running;
pub use aside::{Aside, AsideReason, PutBack};
pub use by_hand::{After, DROPPED, Dropped, OUTCOME_UNKNOWN, RETRIED, Retried};
pub use finding::{Finding, Grade};
pub use placed::{InSlot, Placed};
pub use retention::{Forgotten, Keep, Keeps, Ran, Shorter};
pub use row::*;

use crate::{
    clock::Micros,
    keys::{AddressKey, CustomerKey, MessageKey},
    kpi::Counts,
    policy::Consent,
};
use async_trait::async_trait;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use uuid::Uuid;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The store cannot be reached or did not commit; try again later, nothing has happened.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// A row does not open or does not parse: another key, or another version wrote it.
    #[error("the store holds a row that cannot be read: {0}")]
    Unreadable(Unreadable),
}

/// What cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Unreadable {
    /// Without personal data.
    pub what: String,
    /// Which row it is, where it is one.
    pub row: Option<UnreadableRow>,
}

/// A row by its table and the parts of its key, pseudonyms among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    pub table: &'static str,
    pub key: Vec<Vec<u8>>,
}

impl From<String> for Unreadable {
    fn from(what: String) -> Self {
        Self { what, row: None }
    }
}

impl From<&str> for Unreadable {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

pub type Result<T> = std::result::Result<T, StoreError>;

/// What a gateway gives to [`Store::accept`] to learn from each event: called inside the transaction with the customer's row locked, in the
/// order of the batch, only for events that are new. Changes the row's attributes and consents in place, and gives the events that follow
/// from this one (`consent/granted`), of the same customer. A follower's key is made from its event's, so that it is as new as that is.
pub type Learn<'a> = &'a (dyn Fn(&Arrival, &mut Customer) -> Vec<Arrival> + Send + Sync);

/// What a clock gives to [`Store::strike`]: of the schedule of a touchpoint, what is due after the first instant up to the second, and when it
/// comes next.
pub type Due<'a> = &'a (dyn Fn(&str, Micros, Micros) -> Tick + Send + Sync);

/// What a runner gives to [`Store::round`]: called once inside the transaction with every row locked; returns what to write.
pub type Work<'a> = &'a mut (dyn FnMut(Round) -> RoundCommit + Send);

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Ok when the store can commit.
    async fn ping(&self) -> Result<()>;
    /// The store's own clock: what durations run on.
    async fn now(&self) -> Result<Micros>;

    // ── programs: written by the operator (or dev), read by gateways and runners ──
    /// Replaces what the namespace's runners and gateway share (profile, policies, adapters, inbound touchpoints).
    async fn put_settings(&self, namespace: &str, body: &serde_json::Value) -> Result<()>;
    /// Makes `row.revision` the current one of its journey. The one before it stays, and earlier ones while somebody walks them. Idempotent;
    /// changes no version when nothing changed. A journey that was stopped is on its way out: put again it is a new one and starts empty.
    async fn put_journey(&self, namespace: &str, row: &JourneyRow) -> Result<()>;
    /// From now on nobody enters and nothing is sent: the first half of a deletion.
    async fn stop_journey(&self, namespace: &str, journey: &str) -> Result<()>;
    /// Deletes everything of a journey (programs, enrollments, inbox, outbox, messages, leases, counts). Contacts stay: caps go on counting
    /// what the customer received; and so does who left it by their own hand.
    async fn remove_journey(&self, namespace: &str, journey: &str) -> Result<()>;
    /// Deletes everything of a namespace, customers and events too.
    async fn remove_namespace(&self, namespace: &str) -> Result<()>;
    /// The namespace's programs, when their version is not `known`; None: nothing has changed. A never-written namespace has version 0;
    /// no version is ever used twice.
    async fn programs(&self, namespace: &str, known: i64) -> Result<Option<NamespacePrograms>>;

    // ── the gateway ──
    /// One transaction: finds duplicates by (namespace, day, event key), lets `learn` change the customers, appends the events, keeps
    /// profiles and consents, gives each listening journey that exists and is not stopped an inbox row, counts accepted and duplicate.
    /// Receipts in the order of the batch. `learn` is given the arrival with its time capped. Whatever it does to consents, they obey
    /// [`Customer::hear_consent`], and none is forgotten. Addresses that an event suppresses are on the list with it.
    ///
    /// What follows from an event is committed with it: it is appended and delivered next after its event, with the profile that the event
    /// left. Nobody learns from it. It has no receipt and was not received: accepted and duplicate say nothing of it, it is counted as
    /// followed. A follower whose key is known already is left out.
    ///
    /// Journeys that watch an attribute which an event changed (`customer.NAME` among what they listen to; `customer.id` for a customer who
    /// is new) are told of it next after the event, by `customer/changed` with the profile that the event left. Nobody sent that either: it
    /// is counted as changed, once for each journey told.
    ///
    /// Whoever the event is about is looked for by all their names: an identifier that was joined to a customer is that customer's, for good.
    /// Those that `known_as` names become one with its customer before `learn` is called, by the rules of [`join`]: profiles and consents are
    /// merged, and everything else of the other (enrollments, inbox, messages on their way, contacts) becomes the one's, in the same
    /// transaction. Journeys in which both were get an inbox row [`crate::engine::state::MERGED`] before all others of this call.
    async fn accept(&self, namespace: &str, batch: &[Arrival], learn: Learn<'_>) -> Result<Vec<Receipt>>;
    /// One transaction: finds duplicates as [`Store::accept`] does, appends the news, gives each listening journey that exists and is not
    /// stopped a row from which [`Store::round`] brings it to every customer, counts accepted and duplicate. Receipts in the order of `news`.
    async fn announce(&self, namespace: &str, news: &[News]) -> Result<Vec<Receipt>>;
    /// One transaction for what happens by the clock: `schedules` are all there are, by touchpoint, with their rules. Of each that is known with
    /// this rule `due` is asked, with the instant up to which it was seen to and now, what is due and when it comes next; what is due is
    /// announced, and seen to. One that is new, or has another rule, begins now; one that is not named is forgotten. So each instant is
    /// announced once, whoever asks, and what came due while nobody asked is asked for together. Gives when the next one comes.
    async fn strike(
        &self,
        namespace: &str,
        schedules: &BTreeMap<String, String>,
        due: Due<'_>,
    ) -> Result<Option<Micros>>;
    /// Puts events aside with their reasons and counts them.
    async fn quarantine(&self, namespace: &str, rows: &[Quarantined]) -> Result<()>;
    /// Oldest first, after the id `after` (0: from the start), at most `limit`.
    async fn quarantined(&self, namespace: &str, after: i64, limit: u32) -> Result<Vec<(i64, Quarantined)>>;
    /// Removes a row from the quarantine, and takes it back from the count of its reason: it is about to be offered anew. (Rows that a round
    /// put aside were accepted, and stay counted so.)
    async fn release(&self, namespace: &str, id: i64) -> Result<Option<Quarantined>>;
    /// Puts back what a round put aside (see [`Aside`]): an event into the journey's inbox, behind what is there, under its customer's name of now; a
    /// row as it was. It leaves the quarantine, and the journey's count of its reason. Nothing happens to what the gateway put aside.
    async fn put_back(&self, namespace: &str, id: i64) -> Result<PutBack>;
    /// Forgets a row of the quarantine for good; its count stays. None: it is not there.
    async fn discard(&self, namespace: &str, id: i64) -> Result<Option<Quarantined>>;
    /// Gateway counts (accepted, duplicate, quarantined:REASON, followed, changed) by name and hour.
    async fn intake_counts(&self, namespace: &str) -> Result<Counts>;
    /// A message by its key, whether its outcome is known or not.
    async fn message(&self, namespace: &str, key: MessageKey) -> Result<Option<MessageRow>>;

    // ── messages by hand ──
    /// Messages of a journey that wait or are with their channels, by customer and key, `limit` of those behind `after`.
    async fn outbox(
        &self,
        namespace: &str,
        journey: &str,
        after: After<CustomerKey>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>>;
    /// One of those, by its key alone.
    async fn waiting(&self, namespace: &str, journey: &str, key: MessageKey) -> Result<Option<OutboxRow>>;
    /// Those that failed, by when and key, `limit` of those behind `after`.
    async fn failed(&self, namespace: &str, journey: &str, after: After<Micros>, limit: u32)
    -> Result<Vec<MessageRow>>;
    /// Lets a message that failed wait again, due now, under the same key; the journey's count of its failure is taken back. Its enrollment, which
    /// may have ended, is read for a while.
    async fn retry(&self, namespace: &str, journey: &str, key: MessageKey) -> Result<Retried>;
    /// Marks a message that waits, so that the next round skips it, and its enrollment hears of that.
    async fn drop_message(
        &self,
        namespace: &str,
        journey: &str,
        customer: CustomerKey,
        key: MessageKey,
    ) -> Result<Dropped>;

    // ── slots ──
    /// What `slot` holds for a customer, by any of their names; None: nobody knows the customer. As of one instant: of a withdrawal that is
    /// committed it knows.
    async fn slot(&self, namespace: &str, customer: CustomerKey, slot: &str) -> Result<Option<InSlot>>;
    /// What a customer has said of consent, by any of their names; None: nobody knows the customer.
    async fn consents(&self, namespace: &str, customer: CustomerKey) -> Result<Option<BTreeMap<String, Consent>>>;
    /// The customer does not want to see the message any more: no slot gives it again. It stays until it ends by itself.
    async fn dismiss(&self, namespace: &str, message: MessageKey) -> Result<()>;

    // ── suppression ──
    /// Puts addresses on the suppression list. One that is there stays as it is, but that nobody can deliver to it is the wider word.
    async fn suppress(&self, namespace: &str, rows: &[Suppressed]) -> Result<()>;
    /// Takes an address off the list; whether it was there.
    async fn unsuppress(&self, namespace: &str, address: AddressKey) -> Result<bool>;
    /// What is on the list, in the order of addresses, `limit` of those behind `after`.
    async fn suppressed(&self, namespace: &str, after: Option<AddressKey>, limit: u32) -> Result<Vec<Suppressed>>;

    // ── import ──
    /// Upserts customers: each attribute replaces the one of its name, null removes it, the others stay; consents obey
    /// [`Customer::hear_consent`], and the evidence of those that hold is kept. Journeys that watch what changed are told. Remembers that
    /// `file` has been read up to `rows`.
    async fn import(&self, namespace: &str, customers: &[Imported], file: &str, rows: u64) -> Result<()>;
    /// Rows of `file` (a hash of its contents) that earlier calls have read.
    async fn import_progress(&self, namespace: &str, file: &str) -> Result<u64>;

    // ── the runner ──
    /// Registers `owner` for `ttl`, gives back surplus shards, takes free ones and those of owners whose registration is over, up to the fair
    /// share of the live owners (epoch + 1 on each take). A lease is its owner's for as long as the registration lasts, and longer while nobody takes it. Who
    /// comes so late that his own registration is over takes from others at his next coming only: after an outage everyone finds his own
    /// again. Shards with messages on their way are given back last. Returns every shard now held: none while the journey is stopped or not
    /// there, and then nothing is written.
    async fn join(&self, namespace: &str, journey: &str, owner: Uuid, ttl: Duration) -> Result<Hold>;
    /// Heartbeat of an owner who has joined: extends the registration for `ttl` if it is not over, and tells how things stand. Of all that a
    /// runner does it is the cheapest, so that one to whom nothing comes needs little else. It may be lost in a crash of the store.
    async fn beat(&self, hold: &Hold, ttl: Duration) -> Result<Beat>;
    /// Gives all shards back at once.
    async fn leave(&self, namespace: &str, journey: &str, owner: Uuid) -> Result<()>;
    /// One transaction: reads what is to be done in the held shards, calls `work`, writes its result. Fenced: when any held shard has
    /// another owner or epoch, or the lease is over, or somebody would enter a revision that is gone (read the programs again), nothing is
    /// written and `Fenced` is returned. When nothing is to be done `work` is not called. `Changed`: nothing was written either, because the
    /// journey does not stand as the request says; so a suspension or a new revision holds in every round from its commit on.
    ///
    /// To be done are: outcomes of messages that are still claimed, in held shards (others are left to whoever holds the shard now: repeating
    /// an outcome does no harm); inbox rows, in the order of acceptance; overdue waits, unless the current revision is suspended; held
    /// messages that are due; orphans: claims of an older epoch, and claims of the present one that are not in `in_flight` and older than
    /// 5 s, because the answer to their commit was lost; messages that stay and are to be looked at ([`Placed::due_at`]): all of a customer whose
    /// consents changed are, from the commit on that changed them; where the request looks, sightings whose time has come, unless the current revision
    /// is suspended; those whom a sweep of the request comes to, whose progress is written with what they bring; those to
    /// whom news comes next, the same way: a customer hears all news once, in the order of its acceptance, whoever holds the shard, and who
    /// is made while it goes round hears it or not; it is forgotten when all shards have it; and those at the door whose turn has come, in the order of acceptance: of those who
    /// wait in any shard the first, as many as the pace has places for. Never more are let in than `at_most` in any stretch of time that is
    /// `per` long, whoever holds the shards (places are kept to a thousandth of the period, and come back that much late at most).
    ///
    /// Of an enrollment that ended the other journeys that listen for `journey/NAME`, exist and are not stopped get an inbox row in the same
    /// transaction, with the profile that the round left. The event is appended and counted as followed, once; where nobody listens there is none.
    async fn round(&self, hold: &Hold, request: &RoundRequest, work: Work<'_>) -> Result<RoundResult>;
    /// When time alone gives a round with this request something to do in these shards: a wait ends, a held message asks again, what stays is to
    /// be looked at, time may change a condition, and where nothing of the request is in flight a claim becomes an orphan. What the request leaves
    /// out (suspended, stuck, no room for messages) is left out here. While somebody waits at a door with a pace it is a second from now.
    async fn due_next(&self, hold: &Hold, request: &RoundRequest) -> Result<Next>;
    /// Returns true when there may be work for this journey, false after `timeout`.
    async fn wait(&self, namespace: &str, journey: &str, timeout: Duration) -> bool;

    // ── who runs by which policies ──
    /// The owner of a registration runs by the policies of this hash. Nothing happens where nobody is registered so; who joins anew says it anew.
    async fn acknowledge(&self, namespace: &str, journey: &str, owner: Uuid, policy: &str) -> Result<()>;
    /// Registers a gateway for `ttl`, which answers by the policies of this hash.
    async fn attend(&self, namespace: &str, owner: Uuid, policy: &str, ttl: Duration) -> Result<()>;
    /// Ends the registration of a gateway.
    async fn depart(&self, namespace: &str, owner: Uuid) -> Result<()>;
    /// Whose registrations last, and what they run by.
    async fn running(&self, namespace: &str) -> Result<Running>;
    /// That retention ran in a namespace; None: it never did.
    async fn retained(&self, namespace: &str) -> Result<Option<Ran>>;

    // ── reading how it goes ──
    async fn counts(&self, namespace: &str, journey: &str) -> Result<Counts>;
    /// Rows now: active enrollments, those at the door, inbox rows, due or held messages, news; each counted up to one more than [`Backlog::MOST`].
    async fn backlog(&self, namespace: &str, journey: &str) -> Result<Backlog>;
    /// Journeys, not stopped, with more inbox rows or more news than so many.
    async fn overfull(&self, namespace: &str, inbox: u32, news: u32) -> Result<BTreeSet<String>>;
}
