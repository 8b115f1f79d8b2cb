//! A gateway over real HTTP on 127.0.0.1, the in-memory store behind it, and a small shop of manifests compiled as in production.
#![allow(dead_code, reason = "each test binary uses its own part")]

use journey::{
    clock::SystemClock,
    compile::{self, Manifests},
    engine::state::Event,
    gateway::{self, Limits, Metrics, Options},
    keys::Keys,
    status_server::Flag,
    store::{Customer, JourneyRow, MessageRow, RoundCommit, RoundRequest, Store, memory::Memory},
};
use prometheus_client::{encoding::text::encode, registry::Registry};
use serde_json::Value;
use std::{
    fs,
    sync::{Arc, Once},
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub const NAMESPACE: &str = "shop";

pub const MANIFESTS: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec:
  attributes:
    email: {type: string, personal: true}
    tier: {type: string, values: [none, silver, gold], default: none}
    visits: {type: integer, default: 0}
    score: {type: number}
    lastSeenAt: {type: timestamp}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: shop}
spec:
  preferences: {pause: [7d, 12h]}
  purposes:
  - {name: marketing, basis: Consent, attributes: [email, visits, tier]}
  - {name: service, basis: Contract, attributes: [email]}
  - {name: club, basis: Consent, confirm: {touchpoint: please-confirm}, attributes: [email]}
  - name: advertising
    basis: Consent
    signals: {categories: [Advertising, DataSharing], tcf: {purposes: [1, 3, 4], vendor: 755}, gpp: [Sale, Sharing], gpc: true}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: web}
spec:
  http:
    auth: {secretRef: {name: web-key, key: key}}
    publicUrl: https://events.shop.example
    origins: [https://shop.example]
    public: true
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: core}
spec:
  http: {auth: {secretRef: {name: core-key}}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: slow}
spec:
  http: {auth: {secretRef: {name: slow-key, key: key}}}
  limits: {perSecond: 1, burst: 2}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: mail}
spec: {log: {}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: page-viewed}
spec:
  channel: Web
  inbound:
    event: page.viewed
    customer: event.userId
    schema:
      type: object
      required: [userId]
      properties: {userId: {type: string}, page: {type: string, maxLength: 20}, newsletter: {type: boolean}, tier: {type: string}}
    attributes: {visits: "${customer.visits + 1}", lastSeenAt: "${event.time}", tier: "${event.tier}"}
    consent: [{purpose: marketing, granted: event.newsletter, notice: signup-2026-03}]
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: club-joined}
spec:
  channel: Web
  inbound:
    event: club.joined
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}, club: {type: boolean}}}
    consent: [{purpose: club, granted: event.club}]
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: please-confirm}
spec: {channel: Email, outbound: {adapter: mail, purpose: club, to: "${customer.email}", content: {text: "{{ confirm_link() }}"}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: order-placed}
spec:
  channel: Web
  inbound:
    event: order.placed
    from: [core]
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}, total: {type: number}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: identified}
spec:
  channel: Web
  inbound:
    event: identify
    customer: event.userId
    schema: {type: object, properties: {userId: {type: string}, email: {type: string}}}
    attributes: {email: "${event.email}"}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: fair-opened}
spec: {channel: Store, inbound: {event: fair.opened, schema: {type: object, properties: {country: {type: string}}}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: browsed}
spec:
  channel: Web
  inbound: {event: browsed, customer: event.anonymousId, attributes: {visits: "${customer.visits + 1}"}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: signed-up}
spec:
  channel: Web
  inbound:
    event: signed.up
    customer: event.userId
    alsoKnownAs: [event.anonymousId, event.formerId]
    schema: {type: object, properties: {userId: {type: string}, formerId: {type: string}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: sms-received}
spec:
  channel: Sms
  inbound:
    event: sms.received
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}, body: {type: string}}}
    reply: {text: event.body}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: newsletter}
spec:
  channel: Email
  outbound: {adapter: mail, purpose: marketing, content: {text: "Hello, read {{ link('https://shop.example/news?a=1&b=2') }}"}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: site}
spec: {inApp: {}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: hero}
spec:
  channel: Web
  outbound: {adapter: site, purpose: marketing, slot: home, lasts: 7d, content: {title: Welcome back, out: "{{ unsubscribe_link() }}"}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: how-was-it}
spec:
  channel: Email
  outbound:
    adapter: mail
    purpose: service
    survey:
      questions:
      - {name: score, kind: CSAT, ask: "How happy are you?"}
      - {name: why, kind: Text, ask: "Why?"}
      - {name: found, kind: Choice, ask: "How did you find us?", options: [Friends, "Search & <more>"]}
    translations: {de: {score: "Wie zufrieden sind Sie?"}}
---
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: readers}
spec:
  description: Send the newsletter to those who look around.
  entry: {triggers: [{event: page-viewed}, {event: browsed}, {event: signed-up}, {event: sms-received, when: event.keyword != 'Help'}]}
  steps:
  - {name: mail, send: {touchpoint: newsletter}}
  - {name: show, send: {touchpoint: hero}}
  - {name: seen, wait: {for: 1d, until: [{event: hero/shown, next: listen}, {event: hero/dismissed, next: listen}, {event: hero/ended, next: listen}]}}
  - {name: listen, wait: {for: 1d, until: [{event: newsletter/clicked, next: done}, {event: newsletter/bounced, next: done}]}}
  - {name: ask, send: {touchpoint: how-was-it}}
  - {name: hear, wait: {for: 1d, until: [{event: how-was-it/answered, next: done}]}}
  - {name: done, exit: {outcome: Completed}}
  exits:
  - {name: bought, event: order-placed, outcome: Converted}
  - {name: fair, event: fair-opened, outcome: Disqualified}
  - {name: left, event: consent/withdrawn, outcome: Disqualified}
---
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: tips}
spec:
  description: What customers join and leave by their own hand.
  choice: {title: A tip & a joke, join: true, leave: true}
  steps:
  - {name: week, wait: {for: 7d}}
---
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: welcome}
spec:
  description: Greets whoever has subscribed.
  entry: {triggers: [{event: consent/granted}]}
  steps:
  - {name: done, exit: {outcome: Completed}}
"#;

/// A running gateway; stopped at the end of the test.
pub struct Shop {
    pub store: Arc<dyn Store>,
    pub keys: Keys,
    pub url: String,
    pub http: reqwest::Client,
    pub registry: Registry,
    pub secrets: tempfile::TempDir,
    pub reachable: Flag,
    shutdown: CancellationToken,
    serving: Option<JoinHandle<Result<(), gateway::GatewayError>>>,
}

impl Shop {
    pub async fn open() -> Self {
        Self::with(
            Arc::new(Memory::new(Arc::new(SystemClock))),
            Keys::ephemeral(),
            Limits::default(),
        )
        .await
    }

    pub async fn with(store: Arc<dyn Store>, keys: Keys, limits: Limits) -> Self {
        let secrets = tempfile::tempdir().unwrap();
        for (file, key) in [
            ("web-key/key", "web-write-key"),
            ("core-key/key", "core-write-key\n"),
            ("slow-key/key", "slow-write-key"),
        ] {
            let path = secrets.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, key).unwrap();
        }
        put(store.as_ref()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut registry = Registry::default();
        let (programs, reachable) = (Flag::lowered("programs"), Flag::lowered("store"));
        let options = Options {
            clock: Arc::new(SystemClock),
            namespace: NAMESPACE.into(),
            listener,
            secrets: secrets.path().to_owned(),
            limits,
            metrics: Metrics::register(&mut registry),
            programs: programs.clone(),
            reachable: reachable.clone(),
        };
        let shutdown = CancellationToken::new();
        let serving = tokio::spawn(gateway::serve(
            options,
            Arc::clone(&store),
            keys.clone(),
            shutdown.clone(),
        ));
        eventually(|| programs.is_up()).await;
        Self {
            store,
            keys,
            url,
            http: client(),
            registry,
            secrets,
            reachable,
            shutdown,
            serving: Some(serving),
        }
    }

    /// Posts JSON with a bearer key.
    pub async fn post(&self, path: &str, key: &str, content_type: &str, body: &Value) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(key)
            .header("content-type", content_type);
        answer(request.body(body.to_string())).await
    }

    /// One structured CloudEvent.
    pub async fn event(&self, key: &str, event: Value) -> (u16, Value) {
        self.post("/v1/events", key, "application/cloudevents+json", &event)
            .await
    }

    pub fn metrics(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    /// What has arrived for a journey since the last call, with the customer as of now.
    pub async fn arrived(&self, journey: &str) -> Vec<(Event, Customer)> {
        self.round(journey, vec![]).await
    }

    /// As [`Shop::arrived`], and notes messages as sent.
    pub async fn round(&self, journey: &str, messages: Vec<MessageRow>) -> Vec<(Event, Customer)> {
        let owner = Uuid::new_v4();
        let hold = self
            .store
            .join(NAMESPACE, journey, owner, Duration::from_secs(60))
            .await
            .unwrap();
        let mut found = vec![];
        let mut messages = Some(messages);
        let request = RoundRequest {
            limit: 1000,
            ..RoundRequest::default()
        };
        self.store
            .round(&hold, &request, &mut |round| {
                let mut commit = RoundCommit {
                    messages: messages.take().unwrap_or_default(),
                    ..RoundCommit::default()
                };
                for turn in round.customers {
                    for (sequence, event) in turn.inbox {
                        commit.consumed.push(sequence);
                        found.push((event, turn.customer.clone()));
                    }
                }
                commit
            })
            .await
            .unwrap();
        self.store.leave(NAMESPACE, journey, owner).await.unwrap();
        found
    }

    /// As [`Shop::arrived`], and places cards.
    pub async fn place(&self, journey: &str, messages: Vec<MessageRow>, placed: Vec<journey::store::Placed>) {
        let hold = self
            .store
            .join(NAMESPACE, journey, Uuid::new_v4(), Duration::from_secs(60))
            .await
            .unwrap();
        let mut written = Some((messages, placed));
        let request = RoundRequest {
            limit: 1000,
            ..RoundRequest::default()
        };
        let mut write = |_| {
            let (messages, placed) = written.take().unwrap_or_default();
            RoundCommit {
                messages,
                placed,
                ..RoundCommit::default()
            }
        };
        self.store.round(&hold, &request, &mut write).await.unwrap();
        self.store.leave(NAMESPACE, journey, hold.owner).await.unwrap();
    }

    /// Stops as SIGTERM would, and tells whether everything ended well.
    pub async fn stop(&mut self) {
        self.shutdown.cancel();
        self.serving.take().unwrap().await.unwrap().unwrap();
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

/// Puts the manifests as the operator does.
pub async fn put(store: &dyn Store) {
    let mut manifests = Manifests {
        namespace: NAMESPACE.into(),
        ..Manifests::default()
    };
    manifests.read(MANIFESTS, "shop.yaml").unwrap();
    let settings = serde_json::to_value(compile::settings(&manifests)).unwrap();
    for journey in manifests.journeys.keys() {
        let program = compile::journey(&manifests, journey).unwrap().program;
        let row = JourneyRow {
            journey: journey.clone(),
            revision: program.revision,
            suspended: false,
            listens: program.listens,
            body: serde_json::to_value(compile::pinned(&manifests, journey)).unwrap(),
        };
        store.put_journey(NAMESPACE, &row).await.unwrap();
    }
    store.put_settings(NAMESPACE, &settings).await.unwrap();
}

/// Redirects are answers to be looked at, not to be followed.
pub fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _installed = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap()
}

pub async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub async fn eventually(mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it did not come about within ten seconds");
}
