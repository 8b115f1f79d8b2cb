//! What a runner's round does to customers and messages: the real compiler, engine, policy and in-memory store; only the clock and the
//! channel's answers are the test's own.

#[path = "runner_turn/conditions.rs"]
mod conditions;
#[path = "runner_turn/consent.rs"]
mod consent;
#[path = "runner_turn/content.rs"]
mod content;

use journey::{
    clock::{HOUR, MINUTE, ManualClock, Micros, SECOND},
    compile::{self, Manifests},
    engine::Outcome,
    keys::{CustomerKey, Keys},
    personal::Personal,
    policy::Consent,
    runner::{
        programs,
        turn::{Adapter, Adapters, Claim, Turn},
    },
    store::{
        Arrival, Customer, Fate, Handed, Hold, Imported, JourneyRow, NamespacePrograms, Room, RoundRequest,
        RoundResult, Scope, Store, memory::Memory,
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// 2026-03-02T10:00:00Z, a Monday in no quiet hour of Europe/Vienna.
const START: Micros = 1_772_445_600 * SECOND;
const NS: &str = "shop";

const MANIFESTS: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: cart}
spec:
  entry: {triggers: [{event: cart-updated, when: event.items > 0}], key: event.cartId}
  steps:
  - {name: patience, wait: {for: 1h, until: [{event: cart-updated, next: patience}]}}
  - {name: remind, send: {touchpoint: reminder, with: {cart: "${entry.cartId}"}, otherwise: missed}}
  - {name: again, send: {touchpoint: reminder, with: {cart: "${entry.cartId}"}, otherwise: missed}}
  - {name: thanks, set: {points: "${customer.points + 10}"}}
  - {name: done, exit: {outcome: Completed}}
  - {name: missed, exit: {outcome: Failed}}
  exits: [{name: ordered, event: order-placed, outcome: Converted}]
  goals: [{name: bought, side: Customer, event: order-placed, within: 7d}]
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: cart-updated}
spec:
  channel: Web
  inbound:
    event: cart.updated
    customer: event.userId
    schema: {type: object, required: [userId, cartId, items], properties: {userId: {type: string}, cartId: {type: string}, items: {type: integer}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: order-placed}
spec:
  channel: Web
  inbound:
    event: order.placed
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}, cartId: {type: string}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: reminder}
spec:
  channel: Email
  outbound:
    adapter: mail
    purpose: marketing
    to: ${customer.email}
    content: {subject: "{{ customer.firstName }}, cart {{ with.cart }}", text: "It waits: {{ link('https://shop.example/cart') }}"}
    timeToLive: 20h
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: mail}
spec: {smtp: {host: smtp.example, from: "Shop <hello@shop.example>"}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: web}
spec: {http: {auth: {secretRef: {name: web-write-key, key: key}}, publicUrl: "https://events.shop.example"}}
---
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec:
  zone: customer.timezone
  attributes:
    email: {type: string, personal: true}
    firstName: {type: string, personal: true, default: there}
    timezone: {type: string, default: Europe/Vienna}
    points: {type: integer, default: 0}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: shop}
spec:
  purposes: [{name: marketing, basis: Consent, attributes: [email, firstName, timezone, points]}]
  quiet: [{purposes: [marketing], hours: {from: "21:00", to: "08:00"}, then: Delay}]
  caps: [{purposes: [marketing], atMost: 2, per: 1d}]
"#;

struct World {
    store: Memory,
    clock: Arc<ManualClock>,
    keys: Keys,
    hold: Hold,
    retries_unknown: bool,
    room: usize,
    /// Adapters whose lanes have no room.
    full: BTreeSet<String>,
    /// Whether rounds look at what the lanes have room for, as those of a runner do, and at how many others; None: at whatever is due.
    asks: Option<u32>,
    /// Whether the adapter's channel could be opened.
    open: bool,
    claims: Vec<Claim>,
    in_flight: BTreeSet<journey::keys::MessageKey>,
    /// What the runner has read of the programs; None: it reads them before each round.
    knows: Option<NamespacePrograms>,
    events: u32,
}

impl World {
    async fn new() -> Self {
        Self::of(MANIFESTS).await
    }

    async fn of(yaml: &str) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let store = Memory::new(clock.clone());
        let mut world = Self {
            store,
            clock,
            keys: Keys::ephemeral(),
            hold: Hold {
                namespace: NS.into(),
                journey: "cart".into(),
                owner: Uuid::new_v4(),
                shards: vec![],
                members: BTreeSet::new(),
                late: false,
            },
            retries_unknown: false,
            room: 100,
            full: BTreeSet::new(),
            asks: None,
            open: true,
            claims: vec![],
            in_flight: BTreeSet::new(),
            knows: None,
            events: 0,
        };
        world.put(yaml).await;
        world.take_over().await;
        world
    }

    async fn put(&mut self, yaml: &str) {
        let mut manifests = Manifests {
            namespace: NS.into(),
            ..Manifests::default()
        };
        manifests.read(yaml, "test").unwrap();
        let compiled = compile::journey(&manifests, "cart").unwrap();
        self.store
            .put_settings(NS, &serde_json::to_value(compile::settings(&manifests)).unwrap())
            .await
            .unwrap();
        let row = JourneyRow {
            journey: "cart".into(),
            revision: compile::revision(&manifests, "cart"),
            suspended: compiled.program.suspended,
            listens: compiled.program.listens,
            body: serde_json::to_value(compile::pinned(&manifests, "cart")).unwrap(),
        };
        self.store.put_journey(NS, &row).await.unwrap();
    }

    /// Another process takes all shards, as after a kill -9: nothing of the old one's memory is left.
    async fn take_over(&mut self) {
        self.clock.advance(10 * SECOND);
        self.hold = self
            .store
            .join(NS, "cart", Uuid::new_v4(), Duration::from_secs(5))
            .await
            .unwrap();
        self.in_flight.clear();
        self.claims.clear();
    }

    fn key(&self, user: &str) -> CustomerKey {
        self.keys.customer(NS, "userId", user)
    }

    async fn import(&self, user: &str, granted: Option<bool>) {
        let attributes = json!({"email": format!("{user}@example.com"), "firstName": "Ada"});
        let imported = Imported {
            key: self.key(user),
            anonymous: false,
            id: user.to_owned().into(),
            attributes: Personal::new(attributes.as_object().unwrap().clone()),
            consents: granted
                .map(|granted| ("marketing".to_owned(), Consent::said(granted, START - HOUR)))
                .into_iter()
                .collect(),
            evidence: BTreeMap::new(),
        };
        self.store.import(NS, &[imported], user, 1).await.unwrap();
    }

    async fn event(&mut self, user: &str, name: &str, data: Value) {
        self.event_with(user, name, data, &|_, _| vec![]).await;
    }

    async fn event_with(&mut self, user: &str, name: &str, data: Value, learn: journey::store::Learn<'_>) {
        self.events += 1;
        let id = format!("event-{}", self.events);
        let arrival = Arrival {
            key: self.keys.event(NS, "test", &id),
            id: id.into(),
            name: name.into(),
            customer: self.key(user),
            customer_id: Some(user.to_owned().into()),
            anonymous: false,
            known_as: vec![],
            time: self.clock_now(),
            data: Personal::new(data.as_object().unwrap().clone()),
            said: vec![],
            unreadable: Default::default(),
            about: None,
            listeners: vec!["cart".into()],
            suppresses: None,
        };
        self.store.accept(NS, &[arrival], learn).await.unwrap();
    }

    fn clock_now(&self) -> Micros {
        use journey::clock::Clock;
        self.clock.now()
    }

    /// One round with the outcomes given; claims are remembered.
    async fn round(&mut self, outcomes: Vec<Handed>) -> RoundResult {
        self.hold = self
            .store
            .join(NS, "cart", self.hold.owner, Duration::from_secs(5))
            .await
            .unwrap();
        let stored = match &self.knows {
            Some(stored) => stored.clone(),
            None => self.store.programs(NS, -1).await.unwrap().unwrap(),
        };
        let loaded = programs::compile_all(&stored, "cart").unwrap();
        let adapter = Adapter {
            needs_address: true,
            retries_unknown: self.retries_unknown,
            room: self.room,
        };
        let names = loaded.programs.revisions.values().filter(|_| self.open);
        let names = names.flat_map(|program| program.adapters.keys());
        let adapter = |name: &String| Adapter {
            room: if self.full.contains(name) { 0 } else { adapter.room },
            ..adapter
        };
        let adapters = Adapters {
            open: names.map(|name| (name.clone(), adapter(name))).collect(),
        };
        let room = |others| programs::room(&loaded.programs, &adapters, others);
        let request = RoundRequest {
            limit: 100,
            room: self.asks.map_or_else(Room::default, room),
            contacts_within: i64::MAX,
            addresses: journey::runner::looked_for(&loaded.programs, &self.keys),
            outcomes: outcomes.clone(),
            in_flight: self.in_flight.clone(),
            stuck: loaded.stuck.clone(),
            admissions: programs::admissions(&loaded.programs),
            looks: programs::looks(&loaded.programs),
            sweeps: programs::sweeps(&loaded.programs, true),
            news: programs::news(&loaded.programs, true),
            current: loaded.current.clone(),
            revisions: loaded.revisions(),
            scope: Scope::All,
            events_from: i64::MIN,
            claims_within: Micros::MAX,
        };
        let in_flight = self.in_flight.clone();
        let mut turn = Turn {
            programs: &loaded.programs,
            keys: &self.keys,
            hold: &self.hold,
            adapters,
            in_flight: &in_flight,
            suppressed: BTreeMap::new(),
            render: true,
            trace: false,
            nets: false,
        };
        let mut claims = Vec::new();
        let result = self
            .store
            .round(&self.hold, &request, &mut |round| {
                let done = turn.take(round);
                claims = done.claims;
                done.commit
            })
            .await
            .unwrap();
        if let RoundResult::Committed { .. } = result {
            outcomes.iter().for_each(|handed| {
                self.in_flight.remove(&handed.key);
            });
            self.in_flight.extend(claims.iter().map(|claim| claim.key));
            self.claims.extend(claims);
        }
        result
    }

    async fn later(&mut self, by: Micros) {
        self.clock.advance(by);
        self.round(vec![]).await;
    }

    /// The channel's answer to the oldest claim.
    async fn answer(&mut self, fate: Fate) -> Claim {
        let claim = self.claims.remove(0);
        self.round(vec![Handed {
            key: claim.key,
            customer: claim.customer,
            fate,
        }])
        .await;
        claim
    }

    async fn count(&self, name: &str) -> i64 {
        self.store.counts(NS, "cart").await.unwrap().total(name)
    }

    /// Every accepted event has one disposition, every message asked for one outcome or is on its way.
    async fn the_books_balance(&self) {
        let counts = self.store.counts(NS, "cart").await.unwrap();
        let backlog = self.store.backlog(NS, "cart").await.unwrap();
        assert_eq!(
            counts.total_of("event:") + backlog.inbox,
            i64::from(self.events),
            "{counts:#?}"
        );
        let ended = counts.total_of("sent:") + counts.total_of("skipped:") + counts.total_of("failed:");
        assert_eq!(counts.total_of("requested:"), ended + backlog.outbox, "{counts:#?}");
        assert_eq!(
            counts.total("entered"),
            counts.total_of("ended:") + backlog.active,
            "{counts:#?}"
        );
        assert_eq!(
            counts.total("event:paced"),
            counts.total_of("admitted:") + backlog.paced,
            "{counts:#?}"
        );
    }
}

fn cart(user: &str) -> Value {
    json!({"userId": user, "cartId": "c1", "items": 2})
}

const SENT: Fate = Fate::Known(Outcome::Sent);

#[tokio::test]
async fn a_customer_who_never_consented_gets_nothing_and_is_counted() {
    let mut world = World::new().await;
    world.import("u1", None).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:NoConsent").await, 1);
    assert_eq!(
        world.count("ended:Failed").await,
        1,
        "the step's otherwise leads to `missed`"
    );
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_customer_who_consented_gets_the_mail_rendered_and_moves_on_once_it_is_sent() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR - SECOND).await;
    assert!(world.claims.is_empty(), "a timer is never early");
    world.later(SECOND).await;
    let claim = world.answer(SENT).await;
    assert_eq!(claim.message.text("subject").unwrap(), "Ada, cart c1");
    assert!(
        claim
            .message
            .text("text")
            .unwrap()
            .contains("https://events.shop.example/l/")
    );
    assert!(
        claim.message.unsubscribe.is_some(),
        "a consent purpose carries the unsubscribe page"
    );
    assert_eq!(
        world.claims.len(),
        1,
        "the second step speaks only after the first one's outcome"
    );
    world.answer(SENT).await;
    assert_eq!(world.count("ended:Completed").await, 1);
    assert_eq!(world.count("sent:reminder").await, 2);
    world.the_books_balance().await;
}

#[tokio::test]
async fn withdrawal_before_the_claim_wins() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    let withdrawn = Consent::said(false, world.clock_now());
    world
        .event_with(
            "u1",
            "consent/withdrawn",
            json!({"purpose": "marketing"}),
            &|_, customer: &mut Customer| {
                customer.hear_consent("marketing", withdrawn);
                vec![]
            },
        )
        .await;
    world.later(HOUR).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:NoConsent").await, 1);
}

#[tokio::test]
async fn quiet_hours_hold_a_message_until_they_end_and_an_exit_withdraws_it() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.import("u2", Some(true)).await;
    // 20:30 in Vienna: the wait of an hour ends inside the quiet hours.
    world.clock.set(START + 9 * HOUR + 30 * MINUTE);
    for user in ["u1", "u2"] {
        world.event(user, "cart-updated", cart(user)).await;
    }
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert!(world.claims.is_empty());
    world
        .event("u2", "order-placed", json!({"userId": "u2", "cartId": "c1"}))
        .await;
    world.round(vec![]).await;
    assert_eq!(world.count("skipped:reminder:Withdrawn").await, 1);
    assert_eq!(world.count("goal:bought").await, 1);
    world.later(9 * HOUR).await;
    assert!(world.claims.is_empty(), "06:30 in Vienna is quiet");
    world.later(90 * MINUTE).await;
    assert_eq!(world.claims.len(), 1, "08:00 in Vienna is not");
    assert_eq!(world.claims[0].customer, world.key("u1"));
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_cap_counts_across_enrollments_and_a_definite_failure_is_refunded() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    for cart in ["a", "b"] {
        world
            .event(
                "u1",
                "cart-updated",
                json!({"userId": "u1", "cartId": cart, "items": 1}),
            )
            .await;
    }
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(world.claims.len(), 2, "two a day are allowed");
    world.answer(Fate::Known(Outcome::Failed("Http404".into()))).await;
    world.answer(SENT).await;
    // The failure gave its place back: the enrollment whose mail was sent takes it for its second step.
    assert_eq!(world.claims.len(), 1);
    world.answer(SENT).await;
    assert_eq!(world.count("failed:reminder:Http404").await, 1);
    assert_eq!(world.count("skipped:reminder:Capped").await, 0);
    world
        .event("u1", "cart-updated", json!({"userId": "u1", "cartId": "c", "items": 1}))
        .await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:Capped").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn what_a_dead_runner_had_claimed_is_unknown_where_the_channel_cannot_deduplicate() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(world.claims.len(), 1);
    world.take_over().await;
    world.round(vec![]).await;
    assert!(world.claims.is_empty(), "it may have gone out: it is not sent twice");
    assert_eq!(world.count("failed:reminder:OutcomeUnknown").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn what_a_dead_runner_had_claimed_goes_out_again_under_the_same_key_where_the_channel_deduplicates() {
    let mut world = World::new().await;
    world.retries_unknown = true;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    let first = world.claims[0].key;
    world.take_over().await;
    world.round(vec![]).await;
    assert_eq!(world.claims.iter().map(|claim| claim.key).collect::<Vec<_>>(), [first]);
    world.answer(SENT).await;
    assert_eq!(world.count("sent:reminder").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_process_that_lost_its_leases_and_took_them_again_still_hears_what_became_of_its_messages() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    // The store was away for longer than a lease, and somebody else had the shards for a moment, without a round.
    world.clock.advance(10 * SECOND);
    let (other, own) = (Uuid::new_v4(), world.hold.owner);
    world
        .store
        .join(NS, "cart", other, Duration::from_secs(5))
        .await
        .unwrap();
    world.store.leave(NS, "cart", other).await.unwrap();
    let before = world.hold.shards[0].epoch;
    world.hold = world.store.join(NS, "cart", own, Duration::from_secs(5)).await.unwrap();
    assert!(world.hold.shards[0].epoch > before);
    world.round(vec![]).await;
    assert_eq!(world.count("failed:reminder:OutcomeUnknown").await, 0);
    world.answer(SENT).await;
    assert_eq!(world.count("sent:reminder").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn what_may_have_been_accepted_once_is_never_counted_as_skipped() {
    let mut world = World::new().await;
    world.retries_unknown = true;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    world.take_over().await;
    world.round(vec![]).await;
    // The second try waited too long in its lane; before the third the customer withdraws.
    let withdrawn = Consent::said(false, world.clock_now());
    world
        .event_with(
            "u1",
            "consent/withdrawn",
            json!({"purpose": "marketing"}),
            &|_, customer: &mut Customer| {
                customer.hear_consent("marketing", withdrawn);
                Vec::new()
            },
        )
        .await;
    world.answer(Fate::Returned).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:NoConsent").await, 0);
    assert_eq!(world.count("failed:reminder:OutcomeUnknown").await, 1);
    world.the_books_balance().await;
}

/// A message that was claimed a cap's period before now, and nobody has heard of it since.
async fn lost_a_period_ago() -> (World, Claim) {
    let mut world = World::of(&MANIFESTS.replace("timeToLive: 20h", "timeToLive: 3d")).await;
    world.retries_unknown = true;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", in_cart("a")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    let lost = world.claims[0].clone();
    world.clock.advance(24 * HOUR);
    (world, lost)
}

fn in_cart(cart: &str) -> Value {
    json!({"userId": "u1", "cartId": cart, "items": 1})
}

#[tokio::test]
async fn what_is_tried_again_after_the_caps_period_is_a_contact_of_now() {
    let (mut world, lost) = lost_a_period_ago().await;
    world.take_over().await;
    world.round(vec![]).await;
    assert_eq!(world.answer(SENT).await.key, lost.key);
    // Two a day are allowed: it is one of them, and its enrollment's next message the other.
    assert_eq!(world.claims.len(), 1);
    world.event("u1", "cart-updated", in_cart("b")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(world.count("skipped:reminder:Capped").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn what_is_tried_again_takes_no_other_messages_contact_for_its_own() {
    let (mut world, lost) = lost_a_period_ago().await;
    for cart in ["b", "c"] {
        world.event("u1", "cart-updated", in_cart(cart)).await;
    }
    // It is under way still, as far as its process knows; the two others use the cap up.
    world.round(vec![]).await;
    world.clock.advance(HOUR);
    world.claims.clear();
    world.round(vec![]).await;
    assert_eq!(world.claims.len(), 2);
    world.take_over().await;
    world.round(vec![]).await;
    let claimed: BTreeSet<_> = world.claims.iter().map(|claim| claim.key).collect();
    assert_eq!(claimed.len(), 2, "all three are in doubt, and two a day are allowed");
    assert!(!claimed.contains(&lost.key), "the two count already, and go first");
    assert_eq!(world.count("failed:reminder:OutcomeUnknown").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_round_that_comes_late_hands_nothing_over_to_a_customer_who_has_ordered_since() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    // The wait is over, nobody looks, and the order comes in: one round finds both.
    world.clock.set(START + HOUR + MINUTE);
    world.event("u1", "order-placed", json!({"userId": "u1"})).await;
    world.round(vec![]).await;
    assert_eq!(world.count("ended:Converted").await, 1);
    assert!(world.claims.is_empty(), "the message has not been handed over yet");
    assert_eq!(world.count("skipped:reminder:Withdrawn").await, 1);
    world.the_books_balance().await;
    // It did not count for the cap: two a day are allowed.
    for cart in ["b", "c"] {
        let event = json!({"userId": "u1", "cartId": cart, "items": 1});
        world.event("u1", "cart-updated", event).await;
    }
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(world.claims.len(), 2);
}

#[tokio::test]
async fn a_message_that_comes_back_from_the_channel_after_its_customer_has_left_is_withdrawn() {
    for fate in [
        Fate::Returned,
        Fate::Retry {
            due: START,
            reason: "TryLater".into(),
        },
    ] {
        // A goal that is still open: the ended enrollment goes on being watched.
        let watched = MANIFESTS.replace(
            "side: Customer, event: order-placed",
            "side: Customer, event: cart-updated, when: event.items > 99",
        );
        let mut world = World::of(&watched).await;
        world.import("u1", Some(true)).await;
        world.event("u1", "cart-updated", cart("u1")).await;
        world.round(vec![]).await;
        world.later(HOUR).await;
        world.event("u1", "order-placed", json!({"userId": "u1"})).await;
        world.round(vec![]).await;
        assert_eq!(world.count("ended:Converted").await, 1);
        world.answer(fate).await;
        assert!(world.claims.is_empty(), "nobody reminds a customer who has ordered");
        assert_eq!(world.count("skipped:reminder:Withdrawn").await, 1);
        world.the_books_balance().await;
    }
}

#[tokio::test]
async fn what_is_declared_for_unknown_fates_holds_while_the_channel_cannot_be_opened() {
    let webhook = MANIFESTS.replace(
        r#"smtp: {host: smtp.example, from: "Shop <hello@shop.example>"}"#,
        r#"webhook: {url: "https://desk.example/in", auth: {bearer: {secretRef: {name: desk}}}}"#,
    );
    let mut world = World::of(&webhook).await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    let first = world.claims[0].key;
    world.take_over().await;
    world.open = false;
    world.round(vec![]).await;
    assert_eq!(world.count("failed:reminder:OutcomeUnknown").await, 0);
    world.open = true;
    world.later(MINUTE).await;
    assert_eq!(world.claims.iter().map(|claim| claim.key).collect::<Vec<_>>(), [first]);
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_message_that_was_not_accepted_is_asked_of_the_policy_again_before_its_next_try() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    let due = world.clock_now() + MINUTE;
    world
        .answer(Fate::Retry {
            due,
            reason: "TryLater".into(),
        })
        .await;
    assert!(world.claims.is_empty());
    let withdrawn = Consent::said(false, world.clock_now());
    world
        .event_with(
            "u1",
            "consent/withdrawn",
            json!({"purpose": "marketing"}),
            &|_, customer: &mut Customer| {
                customer.hear_consent("marketing", withdrawn);
                vec![]
            },
        )
        .await;
    world.later(MINUTE).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:NoConsent").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_full_lane_holds_messages_back_without_losing_them() {
    let mut world = World::new().await;
    world.room = 0;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert!(world.claims.is_empty());
    world.room = 1;
    world.later(SECOND).await;
    assert_eq!(world.claims.len(), 1);
}

/// Customers with points are written to by mail, the others get a push.
fn by_two_adapters() -> String {
    MANIFESTS.replace(
        "{touchpoint: reminder, with: {cart: \"${entry.cartId}\"}, otherwise: missed}}\n  - {name: again",
        "{oneOf: [{touchpoint: reminder, when: customer.points > 0}, {touchpoint: push}], with: {cart: \"${entry.cartId}\"}, otherwise: missed}}\n  - {name: again",
    ) + r#"---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: push}
spec: {channel: Push, outbound: {adapter: phone, purpose: marketing, to: "${customer.email}", content: {text: hi}}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: phone}
spec: {log: {}}
"#
}

#[tokio::test]
async fn what_waits_for_a_dead_lane_keeps_no_other_lane_waiting() {
    let mut world = World::of(&by_two_adapters()).await;
    world.asks = Some(0);
    world.full = ["mail", "phone"].map(str::to_owned).into();
    for n in 0..300 {
        let user = format!("push-{n}");
        world.import(&user, Some(true)).await;
        world.event(&user, "cart-updated", cart(&user)).await;
    }
    world.import("mail", Some(true)).await;
    let points = |_: &Arrival, customer: &mut Customer| {
        customer.attributes.expose_mut().insert("points".into(), json!(1));
        vec![]
    };
    world.event_with("mail", "cart-updated", cart("mail"), &points).await;
    let full = RoundResult::Committed { full: true };
    while world.round(vec![]).await == full {}
    world.clock.advance(HOUR);
    while world.round(vec![]).await == full {}
    assert_eq!((world.claims.len(), world.count("requested:push").await), (0, 300));
    // Every push has been due for longer than the mail, and there is room for one message, of mail.
    world.full.remove("mail");
    world.room = 1;
    world.later(SECOND).await;
    let claimed: Vec<&str> = world.claims.iter().map(|claim| claim.adapter.as_str()).collect();
    assert_eq!(claimed, ["mail"], "by the first round");
    world.answer(SENT).await;
    assert_eq!(world.count("sent:reminder").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn time_to_live_ends_a_message_whose_lane_is_full_or_shut() {
    for open in [true, false] {
        let mut world = World::new().await;
        world.asks = Some(0);
        world.full = ["mail".to_owned()].into();
        world.import("u1", Some(true)).await;
        world.event("u1", "cart-updated", cart("u1")).await;
        world.round(vec![]).await;
        world.later(HOUR).await;
        world.open = open;
        world.later(20 * HOUR).await;
        assert_eq!(world.count("skipped:reminder:Expired").await, 0, "it is in time still");
        world.later(MINUTE).await;
        assert_eq!(world.count("skipped:reminder:Expired").await, 1, "open: {open}");
        world.the_books_balance().await;
    }
}

#[tokio::test]
async fn a_message_dropped_by_hand_needs_no_room_to_be_over() {
    let mut world = World::new().await;
    world.asks = Some(0);
    world.full = ["mail".to_owned()].into();
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    let waits = Store::outbox(&world.store, NS, "cart", None, 1)
        .await
        .unwrap()
        .remove(0);
    let dropped = world.store.drop_message(NS, "cart", waits.customer, waits.key).await;
    assert_eq!(dropped.unwrap(), journey::store::Dropped::Done);
    world.later(SECOND).await;
    assert_eq!(world.count("skipped:reminder:Dropped").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn what_waits_for_no_open_lane_is_looked_at_among_the_others() {
    let mut world = World::new().await;
    world.asks = Some(0);
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.open = false;
    world.later(HOUR).await;
    world.clock.advance(MINUTE);
    assert_eq!(world.round(vec![]).await, RoundResult::Idle);
    world.asks = Some(1);
    assert_eq!(
        world.round(vec![]).await,
        RoundResult::Committed { full: true },
        "there may be more"
    );
    world.asks = Some(0);
    world.open = true;
    world.later(MINUTE).await;
    assert_eq!(world.claims.len(), 1);
    world.answer(SENT).await;
    assert_eq!(world.count("sent:reminder").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_suspended_journey_lets_nobody_in_and_sends_nothing_but_counts_goals() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.import("u2", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world
        .put(&MANIFESTS.replace("spec:\n  entry:", "spec:\n  suspend: true\n  entry:"))
        .await;
    world.event("u2", "cart-updated", cart("u2")).await;
    world.later(2 * HOUR).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("event:ignored:Suspended").await, 1);
    world
        .event("u1", "order-placed", json!({"userId": "u1", "cartId": "c1"}))
        .await;
    world.round(vec![]).await;
    assert_eq!(world.count("ended:Converted").await, 1);
    assert_eq!(world.count("goal:bought").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_suspension_holds_from_its_commit_on_whatever_the_runner_has_read() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.knows = world.store.programs(NS, -1).await.unwrap();
    let suspended = MANIFESTS.replace("spec:\n  entry:", "spec:\n  suspend: true\n  entry:");
    world.put(&suspended).await;
    world.clock.advance(2 * HOUR);
    assert_eq!(world.round(vec![]).await, RoundResult::Changed);
    assert!(world.claims.is_empty(), "the reminder was due, and is not sent");
    world.knows = None;
    assert_eq!(world.round(vec![]).await, RoundResult::Idle);
    world.knows = world.store.programs(NS, -1).await.unwrap();
    world.put(MANIFESTS).await;
    assert_eq!(world.round(vec![]).await, RoundResult::Changed);
    world.knows = None;
    world.round(vec![]).await;
    assert_eq!(world.claims.len(), 1, "it is sent when the pause is over");

    world.knows = world.store.programs(NS, -1).await.unwrap();
    world.put(&MANIFESTS.replace("for: 1h", "for: 2h")).await;
    let claim = world.claims.remove(0);
    let told = Handed {
        key: claim.key,
        customer: claim.customer,
        fate: SENT,
    };
    assert_eq!(world.round(vec![told.clone()]).await, RoundResult::Changed);
    world.knows = None;
    world.round(vec![told]).await;
    assert_eq!(
        world.claims.len(),
        1,
        "what became of the message is not lost, and the next goes out"
    );
    world.the_books_balance().await;
}

#[tokio::test]
async fn attributes_set_by_a_step_are_kept() {
    let mut world = World::new().await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    world.answer(SENT).await;
    world.answer(SENT).await;
    let seen = std::sync::Mutex::new(Value::Null);
    world
        .event_with(
            "u1",
            "order-placed",
            json!({"userId": "u1"}),
            &|_, customer: &mut Customer| {
                *seen.lock().unwrap() = customer.attributes.expose().get("points").cloned().unwrap_or_default();
                vec![]
            },
        )
        .await;
    assert_eq!(*seen.lock().unwrap(), json!(10));
}

#[tokio::test]
async fn what_became_of_a_message_is_a_signal_for_the_wait_behind_it() {
    let listening = MANIFESTS
        .replace("otherwise: missed}}\n  - {name: again", "otherwise: listen}}\n  - {name: listen, wait: {for: 1h, until: [{event: reminder/skipped, next: missed}]}}\n  - {name: again");
    let mut world = World::of(&listening).await;
    world.import("u1", None).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(world.count("skipped:reminder:NoConsent").await, 1);
    assert_eq!(
        world.count("ended:Failed").await,
        1,
        "the wait was ended by the news at once"
    );
    world.the_books_balance().await;
}

/// The journey tells by push or mail, whatever it may, or by the desk; pushes are a purpose of their own.
fn choosing() -> String {
    let of = |name: &str, channel: &str, adapter: &str, purpose: &str| {
        format!(
            "---\napiVersion: journey.dev/v1alpha1\nkind: Touchpoint\nmetadata: {{name: {name}}}\nspec: {{channel: {channel}, outbound: {{adapter: {adapter}, purpose: {purpose}, to: \"${{customer.email}}\", content: {{text: hi}}}}}}\n"
        )
    };
    MANIFESTS
        .replace(
            "{touchpoint: reminder, with: {cart: \"${entry.cartId}\"}, otherwise: missed}}\n  - {name: again",
            "{oneOf: [{touchpoint: reminder, score: customer.points}, {touchpoint: push, score: '5'}, {touchpoint: call, when: customer.points > 100}], with: {cart: \"${entry.cartId}\"}, otherwise: missed}}\n  - {name: look, branch: {cases: [{when: \"steps.remind.touchpoint == 'push'\", next: done}], otherwise: again}}\n  - {name: again",
        )
        .replace("purposes: [{name: marketing", "purposes: [{name: phone, basis: Consent, attributes: [email]}, {name: marketing")
        + &of("push", "Push", "nowhere", "phone")
        + &of("call", "Voice", "nowhere", "phone")
        + "---\napiVersion: journey.dev/v1alpha1\nkind: ChannelAdapter\nmetadata: {name: nowhere}\nspec: {log: {}}\n"
}

impl World {
    async fn consents(&mut self, purpose: &'static str, granted: bool) {
        let at = self.clock_now();
        let name = if granted {
            "consent/granted"
        } else {
            "consent/withdrawn"
        };
        self.event_with(
            "u1",
            name,
            json!({"purpose": purpose}),
            &|_, customer: &mut Customer| {
                customer.hear_consent(purpose, Consent::said(granted, at));
                vec![]
            },
        )
        .await;
    }
}

#[tokio::test]
async fn of_several_candidates_the_first_goes_that_the_whole_policy_lets_through() {
    let mut world = World::of(&choosing()).await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    // The push has the higher score, and there is no consent to it.
    assert_eq!(world.claims[0].message.touchpoint, "reminder");
    assert_eq!(
        (
            world.count("requested:reminder").await,
            world.count("requested:push").await
        ),
        (1, 0)
    );
    assert_eq!(
        world.count("skipped:push:NoConsent").await,
        0,
        "the send is not skipped"
    );
    world.the_books_balance().await;
    world.answer(SENT).await;
    assert_eq!(world.claims.len(), 1, "it went by mail: on to the next mail");

    let mut world = World::of(&choosing()).await;
    world.import("u1", Some(true)).await;
    world.consents("phone", true).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(world.claims[0].message.touchpoint, "push");
    world.answer(SENT).await;
    assert_eq!(
        world.count("ended:Completed").await,
        1,
        "steps.remind.touchpoint says which"
    );
    assert_eq!(
        (world.count("requested:push").await, world.count("sent:push").await),
        (1, 1)
    );
    world.the_books_balance().await;
}

#[tokio::test]
async fn where_all_candidates_are_skipped_the_reason_is_the_first_ones() {
    let mut world = World::of(&choosing()).await;
    world.import("u1", Some(false)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(world.count("skipped:push:NoConsent").await, 1);
    assert_eq!(world.count("ended:Failed").await, 1);
    world.the_books_balance().await;

    let nobody = choosing()
        .replace(
            "{touchpoint: reminder, score: customer.points}, {touchpoint: push, score: '5'}, ",
            "",
        )
        .replace("== 'push'", "== 'call'");
    let mut world = World::of(&nobody).await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(world.count("skipped:call:NoCandidate").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn what_is_only_held_waits_and_chooses_anew_when_it_is_asked_again() {
    let mut world = World::of(&choosing()).await;
    world.import("u1", Some(true)).await;
    // 20:30 in Vienna: mail is quiet when the hour is over, and there is no consent to pushes.
    world.clock.set(START + 9 * HOUR + 30 * MINUTE);
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("requested:reminder").await, 1);
    world.the_books_balance().await;
    // The customer allows pushes, which have no quiet hours: the held message is asked again and goes by push.
    world.consents("phone", true).await;
    world.round(vec![]).await;
    assert_eq!(world.claims[0].message.touchpoint, "push");
    assert_eq!(
        (
            world.count("requested:reminder").await,
            world.count("requested:push").await
        ),
        (0, 1)
    );
    world.the_books_balance().await;
    world.answer(SENT).await;
    assert_eq!(world.count("sent:push").await, 1);
    world.the_books_balance().await;
}

#[tokio::test]
async fn what_may_have_gone_out_by_one_candidate_goes_by_no_other() {
    let mut world = World::of(&choosing()).await;
    world.retries_unknown = true;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    let first = world.claims[0].clone();
    world.take_over().await;
    world.consents("phone", true).await;
    world.round(vec![]).await;
    assert_eq!(world.claims[0].key, first.key);
    assert_eq!(world.claims[0].message.touchpoint, "reminder");
    world.answer(SENT).await;
    world.the_books_balance().await;
}

/// The mail goes to a webhook whose ticket the next message reads.
fn answering() -> String {
    MANIFESTS
        .replace(
            r#"smtp: {host: smtp.example, from: "Shop <hello@shop.example>"}"#,
            r#"webhook: {url: "https://desk.example/in"}"#,
        )
        .replace(
            "timeToLive: 20h",
            "timeToLive: 20h\n    response: {type: object, required: [ticket], properties: {ticket: {type: string}}}",
        )
        .replace(
            "{name: again, send: {touchpoint: reminder, with: {cart: \"${entry.cartId}\"}",
            "{name: again, send: {touchpoint: reminder, with: {cart: \"${steps.remind.response.ticket}\"}",
        )
}

#[tokio::test]
async fn what_the_provider_answered_is_read_by_later_steps() {
    let mut world = World::of(&answering()).await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    let claim = world.claims[0].clone();
    assert!(claim.message.wants_answer);
    let kept = claim
        .response
        .unwrap()
        .keep(&json!({"ticket": "T1", "agent": "Bob"}))
        .unwrap();
    assert_eq!(*kept.expose(), *json!({"ticket": "T1"}).as_object().unwrap());
    world.answer(Fate::Answered(kept)).await;
    assert_eq!(world.count("sent:reminder").await, 1);
    assert_eq!(world.claims[0].message.text("subject").unwrap(), "Ada, cart T1");
    world.the_books_balance().await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_a_failure_that_counts_for_caps() {
    let mut world = World::of(&answering().replace("atMost: 2", "atMost: 1")).await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    world
        .answer(Fate::Known(Outcome::Failed("ResponseInvalid".into())))
        .await;
    assert_eq!(world.count("failed:reminder:ResponseInvalid").await, 1);
    assert_eq!(world.count("ended:Failed").await, 1);
    world
        .event(
            "u1",
            "cart-updated",
            json!({"userId": "u1", "cartId": "c2", "items": 1}),
        )
        .await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert_eq!(
        world.count("skipped:reminder:Capped").await,
        1,
        "it was taken all the same"
    );
    world.the_books_balance().await;
}

#[tokio::test]
async fn who_is_held_out_walks_on_without_messages_and_is_counted_apart() {
    let held_out = MANIFESTS.replace("spec:\n  entry:", "spec:\n  holdout: {percent: '100%'}\n  entry:");
    let mut world = World::of(&held_out).await;
    world.import("u1", Some(true)).await;
    world.event("u1", "cart-updated", cart("u1")).await;
    world.round(vec![]).await;
    world.later(HOUR).await;
    assert!(world.claims.is_empty());
    assert_eq!(world.count("skipped:reminder:Holdout").await, 1);
    assert_eq!((world.count("entered").await, world.count("held-out").await), (1, 1));
    world.event("u1", "order-placed", json!({"userId": "u1"})).await;
    world.round(vec![]).await;
    assert_eq!(
        (
            world.count("goal:bought").await,
            world.count("held-out-goal:bought").await
        ),
        (1, 1)
    );
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_paced_journey_lets_customers_in_by_turn_and_asks_again() {
    let paced = MANIFESTS.replace("key: event.cartId}", "key: event.cartId, pace: {atMost: 2, per: 1h}}");
    let mut world = World::of(&paced).await;
    for user in ["u1", "u2", "u3", "u4", "u5"] {
        world.import(user, Some(true)).await;
        world.event(user, "cart-updated", cart(user)).await;
    }
    while world.round(vec![]).await == (RoundResult::Committed { full: true }) {}
    assert_eq!(world.count("event:paced").await, 5);
    assert_eq!(world.count("admitted:entered").await, 2);
    assert_eq!(world.store.backlog(NS, "cart").await.unwrap().paced, 3);
    world.the_books_balance().await;

    // The third buys while waiting, and the place goes to the fourth; nothing is sent to who never was in.
    world.event("u3", "order-placed", json!({"userId": "u3"})).await;
    world.round(vec![]).await;
    assert_eq!(world.count("admitted:ignored:ExitHolds").await, 1);
    assert_eq!(world.count("event:exited").await, 1);
    world.take_over().await;
    world.later(HOUR).await;
    while world.round(vec![]).await == (RoundResult::Committed { full: true }) {}
    assert_eq!(
        world.count("admitted:entered").await,
        4,
        "another process goes on where the first stopped"
    );
    assert_eq!(
        world.claims.len(),
        2,
        "an hour after they came in, the first two are reminded"
    );
    world.later(HOUR + MINUTE).await;
    assert_eq!(world.count("entered").await, 4);
    assert_eq!(world.store.backlog(NS, "cart").await.unwrap().paced, 0);
    world.the_books_balance().await;
}

#[tokio::test]
async fn who_waits_at_the_door_comes_in_when_the_pace_is_taken_away() {
    let paced = MANIFESTS.replace("key: event.cartId}", "key: event.cartId, pace: {atMost: 1, per: 7d}}");
    let mut world = World::of(&paced).await;
    for user in ["u1", "u2", "u3"] {
        world.event(user, "cart-updated", cart(user)).await;
    }
    while world.round(vec![]).await == (RoundResult::Committed { full: true }) {}
    assert_eq!(world.count("entered").await, 1);
    world.put(MANIFESTS).await;
    while world.round(vec![]).await == (RoundResult::Committed { full: true }) {}
    assert_eq!(world.count("entered").await, 3);
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_message_that_failed_goes_out_when_it_is_tried_again_by_hand() {
    let mut world = World::new().await;
    world.import("ann", Some(true)).await;
    world.event("ann", "cart-updated", cart("ann")).await;
    world.later(0).await;
    world.later(HOUR).await;
    let gave_up = |_: &Claim| Fate::Known(Outcome::Failed("GaveUp".into()));
    let claim = world.answer(gave_up(&world.claims[0])).await;
    world.the_books_balance().await;
    assert_eq!(world.count("ended:Failed").await, 1, "send.otherwise led to an exit");
    assert_eq!(world.count("failed:reminder:GaveUp").await, 1);

    let retried = world.store.retry(NS, "cart", claim.key).await.unwrap();
    assert_eq!(retried, journey::store::Retried::Done);
    world.the_books_balance().await;
    world.round(vec![]).await;
    assert_eq!(world.claims[0].key, claim.key, "the same key");
    assert_eq!(world.claims[0].attempt, 1, "and all the attempts of a new one");
    world.answer(Fate::Known(Outcome::Sent)).await;
    assert_eq!(
        (
            world.count("sent:reminder").await,
            world.count("failed:reminder:GaveUp").await
        ),
        (1, 0)
    );
    assert_eq!(
        world.count("ended:Failed").await,
        1,
        "its enrollment does not hear of it"
    );
    world.the_books_balance().await;
}

#[tokio::test]
async fn a_message_tried_again_asks_for_consent_and_goes_to_nobody_whom_an_exit_took_out() {
    let mut world = World::new().await;
    for (user, leaves) in [("ann", false), ("bob", true)] {
        world.import(user, Some(true)).await;
        world.event(user, "cart-updated", cart(user)).await;
        world.later(0).await;
        world.later(HOUR).await;
        if leaves {
            // The order comes while the message is under way.
            world.event(user, "order-placed", cart(user)).await;
            world.round(vec![]).await;
        }
        let claim = world.answer(Fate::Known(Outcome::Failed("GaveUp".into()))).await;
        world.import(user, (!leaves).then_some(false)).await;
        world.clock.advance(SECOND);
        let retried = world.store.retry(NS, "cart", claim.key).await.unwrap();
        assert_eq!(retried, journey::store::Retried::Done);
        world.round(vec![]).await;
        assert!(world.claims.is_empty());
        world.the_books_balance().await;
    }
    assert_eq!(world.count("skipped:reminder:NoConsent").await, 1);
    assert_eq!(world.count("skipped:reminder:Withdrawn").await, 1);
}

#[tokio::test]
async fn a_message_dropped_by_hand_is_skipped_and_its_enrollment_goes_on() {
    let mut world = World::new().await;
    world.room = 0;
    world.import("ann", Some(true)).await;
    world.event("ann", "cart-updated", cart("ann")).await;
    world.later(0).await;
    world.later(HOUR).await;
    let row = world.store.outbox(NS).remove(0).1;
    let dropped = world
        .store
        .drop_message(NS, "cart", row.customer, row.key)
        .await
        .unwrap();
    assert_eq!(dropped, journey::store::Dropped::Done);
    world.round(vec![]).await;
    assert_eq!(world.count("skipped:reminder:Dropped").await, 1);
    assert_eq!(world.count("ended:Failed").await, 1, "send.otherwise");
    world.the_books_balance().await;
}
