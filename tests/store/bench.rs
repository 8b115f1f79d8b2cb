//! What the contract's tests stand on: a store, a way to let time pass, and short names for what they put in.

use super::postgres::Server;
use async_trait::async_trait;
use journey::{
    clock::{Clock, ManualClock, Micros, SystemClock},
    engine::state::{Ending, Enrollment, Standing},
    keys::{CustomerKey, Keys, MessageKey},
    personal::Personal,
    policy::Consent,
    store::{
        AddressesOf, Arrival, EnrollmentRow, Hold, JourneyRow, OutboxRow, OutboxState, Placed, Room, Round,
        RoundCommit, RoundRequest, RoundResult, Scope, Store, memory::Memory, postgres::Postgres,
    },
};
use serde_json::{Map, Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

pub const SHOP: &str = "shop";
pub const WELCOME: &str = "welcome";
pub const TTL: Duration = Duration::from_secs(30);

/// A store, in one of its two kinds.
pub struct Bench {
    pub store: Arc<dyn Store>,
    time: Arc<dyn Time>,
    url: Option<String>,
    keys: Keys,
}

#[async_trait]
trait Time: Send + Sync {
    async fn pass(&self, span: Duration);
}

struct ByHand(Arc<ManualClock>);

#[async_trait]
impl Time for ByHand {
    async fn pass(&self, span: Duration) {
        self.0.advance(i64::try_from(span.as_micros()).unwrap());
    }
}

#[async_trait]
impl Time for SystemClock {
    async fn pass(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

impl Bench {
    pub async fn memory() -> Self {
        let clock = Arc::new(ManualClock::at(SystemClock.now()));
        Self {
            store: Arc::new(Memory::new(clock.clone())),
            time: Arc::new(ByHand(clock)),
            url: None,
            keys: Keys::ephemeral(),
        }
    }

    pub async fn postgres() -> Self {
        let server = Server::shared();
        let (url, keys) = (server.url(&server.database().await), Keys::ephemeral());
        let store = Postgres::connect(&url, None, 6, keys.clone()).unwrap();
        store.migrate().await.unwrap();
        Self {
            store: Arc::new(store),
            time: Arc::new(SystemClock),
            url: Some(url),
            keys,
        }
    }

    /// Where the database is.
    pub fn url(&self) -> &str {
        self.url.as_deref().unwrap()
    }

    /// The same store as another process has it.
    pub fn elsewhere(&self) -> Arc<dyn Store> {
        match &self.url {
            Some(url) => Arc::new(Postgres::connect(url, None, 6, self.keys.clone()).unwrap()),
            None => self.store.clone(),
        }
    }

    pub async fn pass(&self, span: Duration) {
        self.time.pass(span).await;
    }

    pub async fn now(&self) -> Micros {
        self.store.now().await.unwrap()
    }

    /// The journey `welcome` with one revision.
    pub async fn with_journey(self) -> Self {
        self.store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
        self
    }

    pub async fn accept(&self, batch: &[Arrival]) -> Vec<journey::store::Receipt> {
        self.store.accept(SHOP, batch, &|_, _| vec![]).await.unwrap()
    }

    /// An arrival of now that `welcome` listens for.
    pub async fn arrival(&self, number: u64, customer: CustomerKey) -> Arrival {
        arrival(number, customer, self.now().await)
    }

    /// An event of each of the first `n` persons, accepted one after the other.
    pub async fn accept_of_each(&self, n: u8) {
        for number in 1..=n {
            let event = self.arrival(u64::from(number), person(number)).await;
            self.accept(&[event]).await;
        }
    }

    pub async fn join(&self, owner: Uuid) -> Hold {
        self.store.join(SHOP, WELCOME, owner, TTL).await.unwrap()
    }

    /// A round that takes 100 customers.
    pub async fn round(&self, hold: &Hold, work: impl FnMut(Round) -> RoundCommit + Send) -> RoundResult {
        self.round_with(hold, &request(), work).await
    }

    pub async fn round_with(
        &self,
        hold: &Hold,
        request: &RoundRequest,
        mut work: impl FnMut(Round) -> RoundCommit + Send,
    ) -> RoundResult {
        self.store.round(hold, request, &mut work).await.unwrap()
    }

    /// Rounds until there is nothing more to do, `rounds` at most.
    pub async fn rounds_until_idle(
        &self,
        hold: &Hold,
        request: &RoundRequest,
        rounds: usize,
        mut work: impl FnMut(Round) -> RoundCommit + Send,
    ) {
        for _ in 0..rounds {
            match self.round_with(hold, request, &mut work).await {
                RoundResult::Committed { .. } => {}
                RoundResult::Idle => return,
                RoundResult::Fenced | RoundResult::Changed => panic!("fenced"),
            }
        }
    }

    /// What a round sees, and writes nothing of.
    pub async fn look(&self, hold: &Hold, request: &RoundRequest) -> Option<Round> {
        let mut seen = None;
        let result = self.round_with(hold, request, |round| {
            seen = Some(round);
            RoundCommit::default()
        });
        assert_ne!(result.await, RoundResult::Fenced);
        seen
    }

    /// Puts rows in by a round: an event for `customer` makes it happen.
    pub async fn write(&self, hold: &Hold, customer: CustomerKey, commit: RoundCommit) {
        let number = u64::from_be_bytes(Uuid::new_v4().as_bytes()[..8].try_into().unwrap());
        let event = self.arrival(number, customer).await;
        self.accept(&[event]).await;
        let result = self.round(hold, |round| RoundCommit {
            consumed: sequences(&round),
            ..commit.clone()
        });
        assert!(matches!(result.await, RoundResult::Committed { .. }));
    }
}

pub fn owner(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

/// In shard `number` (below 64).
pub fn person(number: u8) -> CustomerKey {
    CustomerKey([number; 16])
}

pub fn message_key(number: u8) -> MessageKey {
    MessageKey([number; 16])
}

pub fn properties(value: Value) -> Personal<Map<String, Value>> {
    Personal::new(value.as_object().unwrap().clone())
}

pub fn revision(journey: &str, revision: &str) -> JourneyRow {
    JourneyRow {
        journey: journey.into(),
        revision: revision.into(),
        suspended: false,
        listens: BTreeSet::from(["order-placed".to_owned()]),
        body: json!({"journey": journey, "revision": revision}),
    }
}

pub fn arrival(number: u64, customer: CustomerKey, time: Micros) -> Arrival {
    Arrival {
        key: u128::from(number).to_be_bytes(),
        id: Personal::new(format!("event-{number}")),
        name: "order-placed".into(),
        customer,
        customer_id: Some(Personal::new(format!("customer {customer}"))),
        anonymous: false,
        known_as: vec![],
        time,
        data: properties(json!({"number": number})),
        said: vec![],
        unreadable: Default::default(),
        about: None,
        listeners: vec![WELCOME.into()],
        suppresses: None,
    }
}

pub fn request() -> RoundRequest {
    RoundRequest {
        limit: 100,
        room: Room::default(),
        contacts_within: i64::MAX,
        addresses: AddressesOf::default(),
        outcomes: vec![],
        in_flight: BTreeSet::new(),
        stuck: BTreeSet::new(),
        admissions: None,
        looks: false,
        sweeps: vec![],
        news: 0,
        current: None,
        revisions: BTreeSet::new(),
        scope: Scope::All,
        events_from: i64::MIN,
        claims_within: Micros::MAX,
    }
}

pub fn consent(granted: bool, at: Micros) -> Consent {
    Consent::said(granted, at)
}

pub fn sequences(round: &Round) -> Vec<i64> {
    round
        .customers
        .iter()
        .flat_map(|turn| &turn.inbox)
        .map(|(sequence, _)| *sequence)
        .collect()
}

/// Consumes what came, nothing else.
pub fn consume(round: Round) -> RoundCommit {
    RoundCommit {
        consumed: sequences(&round),
        ..RoundCommit::default()
    }
}

pub fn enrollment(customer: CustomerKey, ordinal: i64, revision: &str, standing: Standing) -> EnrollmentRow {
    EnrollmentRow {
        customer,
        enrollment: Enrollment {
            ordinal,
            key: Personal::new("cart 7".into()),
            revision: revision.into(),
            entered_at: 1,
            entries: 1,
            entry: properties(json!({"cart": 7})),
            held_out: false,
            standing,
            steps: BTreeMap::new(),
            goals: BTreeMap::new(),
            kept: vec![],
            arrivals: 0,
            look_at: None,
            matches: Default::default(),
            hops: 0,
        },
        watch_until: 0,
    }
}

pub fn waiting(until: Option<Micros>) -> Standing {
    Standing::Waiting {
        step: "calm".into(),
        since: 1,
        until,
    }
}

pub fn ended(at: Micros) -> Standing {
    Standing::Ended {
        outcome: Ending::Completed,
        at,
    }
}

pub fn outbox(number: u8, customer: CustomerKey, state: OutboxState) -> OutboxRow {
    OutboxRow {
        key: message_key(number),
        customer,
        enrollment: 1,
        revision: "r1".into(),
        step: "remind".into(),
        occurrence: 1,
        touchpoint: "reminder".into(),
        with: properties(json!({"name": "Ada"})),
        requested_at: 1,
        adapter: "mail".into(),
        over_at: None,
        attempts: 0,
        again: false,
        uncertain: false,
        ends: None,
        state,
    }
}

pub const SLOT: &str = "home";

/// A card in [`SLOT`].
pub fn placed(number: u8, customer: CustomerKey, due_at: Micros) -> Placed {
    Placed {
        key: message_key(number),
        customer,
        enrollment: 1,
        revision: "r1".into(),
        step: "remind".into(),
        occurrence: 1,
        touchpoint: "card".into(),
        purpose: "news".into(),
        channel: "InApp".into(),
        adapter: "site".into(),
        slot: Some(SLOT.into()),
        priority: 50,
        at: 9,
        pending: false,
        until: Some(i64::MAX),
        due_at,
        to: None,
        with: Personal::default(),
        content: BTreeMap::from([("title".to_owned(), Personal::new("Hello".to_owned()))]),
    }
}
