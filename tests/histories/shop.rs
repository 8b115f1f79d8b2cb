//! What histories are played in: small real journeys, compiled once by the real compiler.

use journey::{
    clock::Micros,
    compile::{self, Manifests, Severity},
    gateway::View,
    runner::programs::{self, Loaded},
    store::{self, JourneyRow, NamespacePrograms, StoredJourney},
};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex},
};

pub const NAMESPACE: &str = "shop";
/// The journey that customers enter by an event.
pub const CART: &str = "cart";
/// The one that begins where the other ends.
pub const AFTER: &str = "after";
/// At most so many marketing messages in such a period.
pub const CAP: (usize, Micros) = (2, 30_000_000);
/// At most so many customers enter in such a period, where there is a pace.
pub const PACE: (usize, Micros) = (2, 8_000_000);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Everybody enters once.
    Once,
    /// Once for each cart.
    Keyed,
    /// A second journey begins where the first ends.
    Chain,
    /// A few at a time.
    Paced,
    /// By what is known of the customer, not by an event.
    Condition,
}

pub struct Shop {
    pub shape: Shape,
    /// Whether the provider knows a message by its key, and unknown ones are sent again.
    pub deduplicates: bool,
    pub journeys: Vec<&'static str>,
    /// Two sets, which differ in how fast an adapter may send.
    pub settings: [Value; 2],
    /// The rows of the journeys; of the second set the first wait is longer.
    pub revisions: [Vec<JourneyRow>; 2],
    pub view: View,
}

impl Shop {
    /// How long the first wait is, in a revision.
    pub fn patience(&self, revision: &str) -> Micros {
        let first = self.revisions[0].iter().any(|row| row.revision == revision);
        if first { 3_000_000 } else { 5_000_000 }
    }
}

pub static SHOPS: LazyLock<Vec<Shop>> = LazyLock::new(|| {
    use Shape::{Chain, Condition, Keyed, Once, Paced};
    let shapes = [Once, Keyed, Chain, Paced, Condition];
    let both = |shape| [true, false].map(|deduplicates| shop(shape, deduplicates));
    shapes.into_iter().flat_map(both).collect()
});

/// [`programs::compile_all`], once for each way in which a journey stands: runners start by the hundred thousand.
pub fn compiled(stored: &NamespacePrograms, journey: &str) -> store::Result<Loaded> {
    type Known = BTreeMap<(String, String, Vec<(String, bool, bool, bool)>), Loaded>;
    static KNOWN: Mutex<Known> = Mutex::new(Known::new());
    let rows = stored.journeys.iter().filter(|stored| stored.row.journey == journey);
    let rows = rows.map(|stored| {
        let row = &stored.row;
        (row.revision.clone(), row.suspended, stored.current, stored.stopped)
    });
    // Of the settings only the adapter differs from shop to shop.
    let settings = stored.settings.as_ref();
    let adapter = settings.and_then(|settings| settings.pointer("/adapters/out"));
    let key = (
        journey.to_owned(),
        adapter.map(ToString::to_string).unwrap_or_default(),
        rows.collect(),
    );
    let known = KNOWN.lock().unwrap().get(&key).cloned();
    let loaded = match known {
        Some(loaded) => loaded,
        None => {
            let loaded = programs::compile_all(stored, journey)?;
            KNOWN.lock().unwrap().insert(key, loaded.clone());
            loaded
        }
    };
    Ok(Loaded {
        version: stored.version,
        ..loaded
    })
}

fn shop(shape: Shape, deduplicates: bool) -> Shop {
    let manifests = |patience: &str, limits: &str| {
        let mut manifests = Manifests {
            namespace: NAMESPACE.into(),
            ..Manifests::default()
        };
        let yaml = yaml(shape, deduplicates, patience, limits);
        manifests.read(&yaml, "histories.yaml").unwrap();
        let mut wrong = compile::intake(&manifests).1;
        wrong.retain(|one| one.severity == Severity::Error);
        assert!(wrong.is_empty(), "{wrong:#?}");
        manifests
    };
    let journeys: Vec<&'static str> = match shape {
        Shape::Chain => vec![CART, AFTER],
        Shape::Once | Shape::Keyed | Shape::Paced | Shape::Condition => vec![CART],
    };
    let rows = |patience: &str| -> Vec<JourneyRow> {
        let manifests = manifests(patience, "");
        let row = |name: &&str| {
            let compiled = compile::journey(&manifests, name).unwrap_or_else(|errors| panic!("{errors:#?}"));
            programs::row(&manifests, &compiled.program).unwrap()
        };
        journeys.iter().map(row).collect()
    };
    let settings = |limits: &str| serde_json::to_value(compile::settings(&manifests("3s", limits))).unwrap();
    let revisions = [rows("3s"), rows("5s")];
    let settings = [settings(""), settings("limits: {perSecond: 3, concurrency: 2}")];
    let stored = NamespacePrograms {
        version: 1,
        settings: Some(settings[0].clone()),
        journeys: revisions[0]
            .iter()
            .map(|row| StoredJourney {
                row: row.clone(),
                current: true,
                stopped: false,
            })
            .collect(),
    };
    Shop {
        shape,
        deduplicates,
        journeys,
        view: View::of_programs(&stored).unwrap(),
        settings,
        revisions,
    }
}

fn yaml(shape: Shape, deduplicates: bool, patience: &str, limits: &str) -> String {
    let entry = match shape {
        Shape::Once | Shape::Chain => {
            "{triggers: [{event: cart-updated}, {event: visited}], reentry: {max: 1}}".to_owned()
        }
        Shape::Keyed => {
            "{triggers: [{event: cart-updated}, {event: visited}], key: event.cart, reentry: {max: 1}}".to_owned()
        }
        Shape::Paced => {
            let (most, per) = (PACE.0, PACE.1 / 1_000_000);
            format!(
                "{{triggers: [{{event: cart-updated}}, {{event: visited}}], reentry: {{max: 1}}, pace: {{atMost: {most}, per: {per}s}}}}"
            )
        }
        Shape::Condition => "{triggers: [{when: customer.points >= 5}], reentry: {cooldown: 4s}}".to_owned(),
    };
    let unknown = if deduplicates { "Retry" } else { "Drop" };
    let (most, per) = (CAP.0, CAP.1 / 1_000_000);
    let after = if shape == Shape::Chain { THANKS } else { "" };
    format!(
        r#"
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {{name: cart}}
spec:
  entry: {entry}
  steps:
  - {{name: patience, wait: {{for: {patience}}}}}
  - {{name: remind, send: {{touchpoint: reminder, otherwise: missed}}}}
  - {{name: listen, wait: {{for: 4s, until: [{{event: page-seen, next: again}}]}}, next: done}}
  - {{name: again, send: {{touchpoint: followup, otherwise: done}}}}
  - {{name: done, exit: {{outcome: Completed}}}}
  - {{name: missed, exit: {{outcome: Failed}}}}
  exits:
  - {{name: ordered, event: order-placed, outcome: Converted}}
  goals:
  - {{name: bought, side: Business, event: order-placed, within: 2h}}
---
{after}
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {{name: out}}
spec:
  webhook: {{url: "https://provider.example/messages"}}
  retry: {{attempts: 5, initial: 1s, max: 3s}}
  unknownOutcome: {unknown}
  {limits}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {{name: shop}}
spec:
  purposes:
  - {{name: marketing, basis: Consent, attributes: [email, cart, points]}}
  - {{name: service, basis: Contract, attributes: [email]}}
  caps:
  - {{purposes: [marketing], atMost: {most}, per: {per}s}}
---
{COMMON}"#
    )
}

const THANKS: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: after}
spec:
  entry: {triggers: [{event: journey/cart}]}
  steps:
  - {name: breath, wait: {for: 1s}}
  - {name: thank, send: {touchpoint: thanks}}
  - {name: done, exit: {outcome: Completed}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: thanks}
spec:
  channel: Email
  outbound: {adapter: out, purpose: service, to: "${customer.email}", content: {subject: Thanks, text: Thanks}}
---
"#;

const COMMON: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: cart-updated}
spec:
  channel: Web
  inbound:
    event: cart.updated
    customer: event.userId
    attributes: {email: "${event.email}", cart: "${event.cart}", points: "${event.points}"}
    consent: [{purpose: marketing, granted: event.newsletter, notice: n1}]
    schema: {type: object, required: [userId], properties: {userId: {type: string}, email: {type: string}, cart: {type: string}, points: {type: integer}, newsletter: {type: boolean}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: visited}
spec:
  channel: Web
  inbound:
    event: visited
    customer: event.anonymousId
    attributes: {email: "${event.email}", cart: "${event.cart}"}
    consent: [{purpose: marketing, granted: event.newsletter, notice: n1}]
    schema: {type: object, required: [anonymousId], properties: {anonymousId: {type: string}, email: {type: string}, cart: {type: string}, newsletter: {type: boolean}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: signed-in}
spec:
  channel: Web
  inbound:
    event: signed.in
    customer: event.userId
    alsoKnownAs: [event.anonymousId]
    schema: {type: object, required: [userId, anonymousId], properties: {userId: {type: string}, anonymousId: {type: string}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: consented}
spec:
  channel: Web
  inbound:
    event: consented
    customer: event.userId
    consent: [{purpose: marketing, granted: event.newsletter, notice: n1}]
    schema: {type: object, required: [userId], properties: {userId: {type: string}, newsletter: {type: boolean}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: order-placed}
spec:
  channel: Web
  inbound:
    event: order.placed
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: page-seen}
spec:
  channel: Web
  inbound:
    event: page.seen
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: reminder}
spec:
  channel: Email
  outbound: {adapter: out, purpose: marketing, to: "${customer.email}", content: {subject: Your cart, text: "{{ customer.cart }}"}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: followup}
spec:
  channel: Email
  outbound: {adapter: out, purpose: marketing, to: "${customer.email}", content: {subject: Still there, text: "{{ customer.cart }}"}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: web}
spec: {http: {auth: {secretRef: {name: web-write-key}}}}
---
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec:
  attributes:
    email: {type: string, personal: true}
    cart: {type: string}
    points: {type: integer, default: 0}
"#;
