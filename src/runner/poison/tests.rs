//! A defect is put at every place where one is caught, one after the other: whoever is hit, the books balance, nobody else notices, and
//! nothing comes again and again.

use super::*;
use crate::{
    clock::{DAY, MINUTE, ManualClock, SECOND},
    compile::{self, Manifests},
    keys::{CustomerKey, Keys},
    panics::trip,
    runner::{
        programs,
        turn::{Adapter, Adapters, Claim},
    },
    store::{
        Arrival, Fate, Handed, Hold, Imported, JourneyRow, PutBack, RoundRequest, RoundResult, Store, memory::Memory,
    },
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

const NS: &str = "shop";
const MANIFESTS: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: cart}
spec:
  entry: {triggers: [{event: cart-updated}]}
  steps:
  - {name: patience, wait: {for: 1h, until: [{event: cart-updated, next: patience}]}}
  - {name: remind, send: {touchpoint: reminder}}
  - {name: thanks, set: {points: "${customer.points + 10}"}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: cart-updated}
spec:
  channel: Web
  inbound: {event: cart.updated, customer: event.userId, schema: {type: object, required: [userId], properties: {userId: {type: string}}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: reminder}
spec:
  channel: Email
  outbound: {adapter: mail, purpose: service, to: "${customer.email}", content: {subject: "It waits", text: "{{ customer.email }}"}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: mail}
spec: {smtp: {host: smtp.example, from: "hello@shop.example"}}
---
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec: {attributes: {email: {type: string, personal: true}, points: {type: integer, default: 0}}}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: shop}
spec: {purposes: [{name: service, basis: Contract, attributes: [email, points]}]}
"#;

struct World {
    store: Memory,
    clock: Arc<ManualClock>,
    keys: Keys,
    hold: Hold,
    claims: Vec<Claim>,
    in_flight: BTreeSet<crate::keys::MessageKey>,
    events: u32,
}

impl World {
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::at(20_000 * DAY));
        let store = Memory::new(clock.clone());
        let mut manifests = Manifests {
            namespace: NS.into(),
            ..Manifests::default()
        };
        manifests.read(MANIFESTS, "test").unwrap();
        let compiled = compile::journey(&manifests, "cart").unwrap();
        let settings = serde_json::to_value(compile::settings(&manifests)).unwrap();
        store.put_settings(NS, &settings).await.unwrap();
        let row = JourneyRow {
            journey: "cart".into(),
            revision: compile::revision(&manifests, "cart"),
            suspended: false,
            listens: compiled.program.listens,
            body: serde_json::to_value(compile::pinned(&manifests, "cart")).unwrap(),
        };
        store.put_journey(NS, &row).await.unwrap();
        let forever = Duration::from_secs(1_000_000);
        let hold = store.join(NS, "cart", Uuid::from_u128(1), forever).await.unwrap();
        Self {
            store,
            clock,
            keys: Keys::ephemeral(),
            hold,
            claims: vec![],
            in_flight: BTreeSet::new(),
            events: 0,
        }
    }

    fn key(&self, user: &str) -> CustomerKey {
        self.keys.customer(NS, "userId", user)
    }

    async fn come(&mut self, user: &str) {
        let imported = Imported {
            key: self.key(user),
            anonymous: false,
            id: user.to_owned().into(),
            attributes: crate::personal::Personal::new(
                json!({"email": format!("{user}@example.com")})
                    .as_object()
                    .unwrap()
                    .clone(),
            ),
            consents: BTreeMap::new(),
            evidence: BTreeMap::new(),
        };
        self.store.import(NS, &[imported], user, 1).await.unwrap();
        self.events += 1;
        let now = self.store.now().await.unwrap();
        let mut arrival = Arrival::of_known(
            u128::from(self.events).to_be_bytes(),
            self.events.to_string(),
            "cart-updated".into(),
            self.key(user),
            now,
        );
        arrival.listeners = vec!["cart".into()];
        self.store.accept(NS, &[arrival], &|_, _| vec![]).await.unwrap();
    }

    async fn round(&mut self, outcomes: Vec<Handed>) -> RoundResult {
        let stored = self.store.programs(NS, -1).await.unwrap().unwrap();
        let loaded = programs::compile_all(&stored, "cart").unwrap();
        let adapter = Adapter {
            needs_address: true,
            retries_unknown: false,
            room: 100,
        };
        let request = RoundRequest {
            limit: 100,
            contacts_within: i64::MAX,
            addresses: crate::runner::looked_for(&loaded.programs, &self.keys),
            outcomes: outcomes.clone(),
            in_flight: self.in_flight.clone(),
            current: loaded.current.clone(),
            revisions: loaded.revisions(),
            ..RoundRequest::default()
        };
        let in_flight = self.in_flight.clone();
        let mut turn = Turn {
            programs: &loaded.programs,
            keys: &self.keys,
            hold: &self.hold,
            adapters: Adapters {
                open: BTreeMap::from([("mail".to_owned(), adapter)]),
            },
            in_flight: &in_flight,
            suppressed: BTreeMap::new(),
            render: true,
            trace: false,
            nets: true,
        };
        let mut claims = vec![];
        let result = self
            .store
            .round(&self.hold, &request, &mut |round| {
                let done = turn.take(round);
                claims = done.claims;
                done.commit
            })
            .await
            .unwrap();
        outcomes.iter().for_each(|handed| {
            self.in_flight.remove(&handed.key);
        });
        self.in_flight.extend(claims.iter().map(|claim| claim.key));
        self.claims.extend(claims);
        result
    }

    /// Rounds until nothing is to be done now: bounded, for whatever panics must not come again and again.
    async fn rest(&mut self) {
        for _ in 0..4 {
            let handed = std::mem::take(&mut self.claims);
            let outcomes = handed.iter().map(|claim| Handed {
                key: claim.key,
                customer: claim.customer,
                fate: Fate::Known(Outcome::Sent),
            });
            if self.round(outcomes.collect()).await == RoundResult::Idle {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// Two customers come in, are waited for and written to, at the same instants.
    async fn story(&mut self) {
        self.come("ann").await;
        self.come("bob").await;
        self.rest().await;
        self.clock.advance(10 * MINUTE);
        self.come("ann").await;
        self.come("bob").await;
        self.rest().await;
        self.clock.advance(HOUR + SECOND);
        self.rest().await;
    }

    async fn books(&self) {
        let counts = self.store.counts(NS, "cart").await.unwrap();
        let backlog = self.store.backlog(NS, "cart").await.unwrap();
        assert_eq!(backlog.inbox + backlog.outbox + backlog.overdue, 0, "{backlog:?}");
        assert_eq!(counts.total_of("event:"), i64::from(self.events), "{counts:#?}");
        let over = counts.total_of("sent:") + counts.total_of("skipped:") + counts.total_of("failed:");
        assert_eq!(counts.total_of("requested:"), over, "{counts:#?}");
        assert_eq!(
            counts.total("entered"),
            counts.total_of("ended:") + backlog.active,
            "{counts:#?}"
        );
    }
}

#[tokio::test(flavor = "current_thread")]
async fn wherever_one_turn_panics_the_others_go_on_and_the_books_balance() {
    let mut places = 0;
    let (mut kinds, mut put_back) = (BTreeSet::new(), 0);
    for place in 0.. {
        let mut world = World::new().await;
        trip::after(place);
        world.story().await;
        if !trip::came() {
            break;
        }
        places += 1;
        world.books().await;
        let counts = world.store.counts(NS, "cart").await.unwrap();
        assert!(
            counts.total("ended:Completed") >= 1,
            "{place}: the other one: {counts:#?}"
        );
        let hit = counts.total("event:ignored:Panicked") + counts.total("failed:reminder:Panicked");
        let failed = counts.total("ended:Failed");
        assert!(hit + failed >= 1, "{place}: {counts:#?}");
        let aside = world.store.quarantined(NS, 0, 10).await.unwrap();
        let events = counts.total("event:ignored:Panicked");
        assert_eq!(aside.len() as i64, events + failed, "{place}: {aside:?}");
        for (id, row) in aside {
            assert_eq!((row.reason.as_str(), row.source.as_str()), ("Panicked", "journey/cart"));
            assert!(
                !row.detail.contains("ann") && !row.detail.contains("bob"),
                "{}",
                row.detail
            );
            let is_event = row.detail.contains("event");
            kinds.insert(is_event);
            let done = world.store.put_back(NS, id).await.unwrap();
            assert_eq!(done, if is_event { PutBack::Done } else { PutBack::Ended });
            put_back += i32::from(is_event);
        }
        // The cause is mended: what was put aside has the effect that it would have had.
        world.rest().await;
        world.clock.advance(HOUR + SECOND);
        world.rest().await;
        world.books().await;
        let counts = world.store.counts(NS, "cart").await.unwrap();
        assert_eq!(counts.total("event:ignored:Panicked"), 0, "{place}: {counts:#?}");
    }
    assert!(places > 20, "{places}");
    assert!(put_back > 5, "{put_back}");
    assert_eq!(kinds.len(), 2, "events and enrollments were put aside");
}
