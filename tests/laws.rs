//! Laws of whole journeys: for any valid program, any policies and any stream of events, with the real compiler, engine, policy and in-memory
//! store. What is true of the state machine alone is in src/engine/tests/laws.rs, what is true of one verdict in src/policy/tests/laws.rs.
//!
//! - Nothing panics; whoever is in a journey has ended, or waits for something that is recorded.
//! - The same round gives the same: what is written and what is handed over.
//! - A further policy never sends more: whatever goes out would have been let through by each policy alone; and where a journey's way does not
//!   depend on what became of its messages, and neither caps nor delays move them, what goes out with it went out without it. (Beyond that no
//!   such law is possible: a message that is skipped leaves its place under a cap to another, and `otherwise` may lead to one.)

use journey::{
    clock::{Clock as _, HOUR, MINUTE, ManualClock, Micros, SECOND},
    compile::{self, Manifests},
    engine::{
        Outcome, Program, Programs,
        program::StepAction,
        state::{Enrollment, Standing},
    },
    keys::{CustomerKey, Keys, MessageKey},
    personal::Personal,
    policy::{self, Consent, Contact, EffectivePolicy, Facts, Verdict},
    runner::{
        programs,
        turn::{Adapter, Adapters, Claim, Done, Turn},
    },
    store::{
        Arrival, CustomerTurn, Fate, Handed, Hold, Imported, JourneyRow, OutboxRow, OutboxState, RoundRequest,
        RoundResult, Store, memory::Memory,
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// 2026-03-02T10:00:00Z.
const START: Micros = 1_772_445_600 * SECOND;
const NS: &str = "shop";
const JOURNEY: &str = "walk";
const STEPS: usize = 6;
const EVENTS: [&str; 3] = ["go", "ping", "order"];
/// Purpose and channel of what is sent.
const MESSAGES: [(&str, &str, &str); 3] = [
    ("mail", "marketing", "Email"),
    ("sms", "marketing", "Sms"),
    ("notice", "service", "Email"),
];
const QUIET: &str = "customer.open > 0";

// ── what is drawn ──

/// A journey, its policies and what happens.
#[derive(Debug, Clone)]
struct Case {
    spec: Value,
    policies: [Value; 2],
    happenings: Vec<Happening>,
}

#[derive(Debug, Clone)]
enum Happening {
    Event {
        name: &'static str,
        items: i64,
        customer: u8,
    },
    Consent {
        granted: bool,
        customer: u8,
    },
    /// Complaints are open, or none is.
    Open {
        open: i64,
        customer: u8,
    },
    Pass(i64),
    /// What became of the oldest message on its way.
    Answer(Fate),
}

fn step_name(n: usize) -> String {
    if n < STEPS { format!("s{n}") } else { "end".into() }
}

/// A step at place `n`. Only a wait leads back, so that every way ends or waits.
fn step(n: usize, free: bool) -> BoxedStrategy<Value> {
    let ahead = move || (n + 1..=STEPS).prop_map(step_name);
    let anywhere = || (0..=STEPS).prop_map(step_name);
    let name = step_name(n);
    let touchpoint = || prop::sample::select(MESSAGES.map(|(name, ..)| name).to_vec());
    let heard: Vec<&str> = if free {
        vec!["ping", "order", "mail/clicked", "sms/sent"]
    } else {
        EVENTS[1..].to_vec()
    };
    let signal = || {
        prop_oneof![
            3 => prop::sample::select(heard.clone()).prop_map(|event| json!({"event": event})),
            1 => Just(json!({"event": "ping", "when": "event.items > 1", "times": 2})),
            1 => Just(json!({"when": "customer.points > 3"})),
        ]
    };
    // A condition leads ahead only: one that still holds would go round.
    let until = prop::collection::vec((signal(), anywhere(), ahead()), 0..3).prop_map(|all| {
        let with_next = all.into_iter().map(|(mut signal, anywhere, ahead)| {
            let next = if signal["event"].is_null() { ahead } else { anywhere };
            signal["next"] = next.into();
            signal
        });
        with_next.collect::<Vec<_>>()
    });
    let length = prop::sample::select(vec!["30m", "3h", "2d"]);
    let wait = (length, until, prop::bool::ANY, anywhere()).prop_map({
        let name = name.clone();
        move |(length, until, lone, next)| {
            let mut wait = json!({"for": length});
            if !until.is_empty() {
                if lone {
                    wait = json!({});
                }
                wait["until"] = until.into();
            }
            json!({"name": name, "wait": wait, "next": next})
        }
    });
    let send = (touchpoint(), ahead(), prop::option::of(ahead()), prop::bool::ANY).prop_map({
        let name = name.clone();
        move |(touchpoint, next, otherwise, several)| {
            let mut send = json!({"touchpoint": touchpoint});
            if several && free {
                send = json!({"oneOf": [{"touchpoint": "sms", "when": "customer.points > 1"}, {"touchpoint": "mail", "score": "customer.points"}]});
            }
            if let Some(otherwise) = otherwise.filter(|_| free) {
                send["otherwise"] = otherwise.into();
            }
            json!({"name": name, "send": send, "next": next})
        }
    });
    let branch = (ahead(), ahead(), prop::sample::select(vec!["customer.points > 2", "customer.open > 0", "1 / customer.points > 0"])).prop_map({
        let name = name.clone();
        move |(one, other, when)| json!({"name": name, "branch": {"cases": [{"when": when, "next": one}], "otherwise": other}})
    });
    let set = ahead().prop_map({
        let name = name.clone();
        move |next| json!({"name": name, "set": {"points": "${customer.points + 1}"}, "next": next})
    });
    let split = (ahead(), ahead(), 1..100u8).prop_map({
        let name = name.clone();
        move |(one, other, weight)| json!({"name": name, "split": {"arms": [{"name": "a", "weight": weight, "next": one}, {"name": "b", "weight": 100 - weight, "next": other}]}})
    });
    let exit = Just(json!({"name": name, "exit": {"outcome": "Disqualified"}}));
    prop_oneof![4 => wait, 6 => send, 1 => branch, 1 => set, 1 => split, 1 => exit].boxed()
}

/// `free`: the journey's way may depend on what became of its messages.
fn journey(free: bool) -> impl Strategy<Value = Value> {
    let steps: Vec<_> = (0..STEPS).map(|n| step(n, free)).collect();
    let exits = prop::option::of(prop::sample::select(vec![
        json!({"name": "out", "event": "order", "outcome": "Converted"}),
        json!({"name": "out", "event": "ping", "times": 3, "outcome": "Disqualified"}),
        json!({"name": "out", "when": "customer.points > 5", "outcome": "Converted"}),
    ]));
    let entry = prop::sample::select(vec![
        json!({"triggers": [{"event": "go"}]}),
        json!({"triggers": [{"event": "go", "when": "event.items > 0"}, {"when": "customer.points > 4"}]}),
        json!({"triggers": [{"event": "go"}], "reentry": {"cooldown": "2h", "max": 3}}),
        json!({"triggers": [{"event": "go"}], "pace": {"atMost": 1, "per": "1h"}}),
        json!({"triggers": [{"event": "go"}], "key": "event.cart"}),
    ]);
    (steps, exits, entry, prop::bool::weighted(0.2)).prop_map(|(mut steps, exit, entry, holdout)| {
        steps.push(json!({"name": "end", "exit": {"outcome": "Completed"}}));
        let mut spec = json!({"entry": entry, "steps": steps, "goals": [{"name": "bought", "side": "Customer", "event": "order", "within": "2d"}]});
        if let Some(exit) = exit {
            spec["exits"] = json!([exit]);
        }
        if holdout {
            spec["holdout"] = json!({"percent": "50%"});
        }
        spec
    })
}

fn purposes() -> impl Strategy<Value = Value> {
    let service = prop::sample::select(vec!["Contract", "LegitimateInterest", "Consent"]);
    (prop::option::of(1..3u32), service).prop_map(|(days, service)| {
        let attributes = json!(["email", "phone", "points", "open"]);
        let mut marketing = json!({"name": "marketing", "basis": "Consent", "attributes": attributes});
        if let Some(days) = days {
            marketing["expires"] = format!("{days}d").into();
        }
        let service = json!({"name": "service", "basis": service, "attributes": attributes});
        json!([marketing, service])
    })
}

/// `drops`: it only ever says yes or no, whatever was sent before.
fn policy_of(drops: bool) -> impl Strategy<Value = Value> {
    let then = move || prop::sample::select(if drops { vec!["Drop"] } else { vec!["Drop", "Delay"] });
    let of = || prop::sample::select(vec![json!(["marketing"]), json!(["marketing", "service"])]);
    let hours = (of(), 0..24u32, 1..12u32, then()).prop_map(|(purposes, from, length, then)| {
        let to = (from + length) % 24;
        json!({"purposes": purposes, "hours": {"from": format!("{from:02}:00"), "to": format!("{to:02}:00"), "zone": "UTC"}, "then": then})
    });
    let holds = (of(), then()).prop_map(|(purposes, then)| json!({"purposes": purposes, "while": QUIET, "then": then}));
    let quiet = prop::collection::vec(prop_oneof![2 => hours, 1 => holds], 0..3);
    let cap = (of(), 0..3u32, 1..4u32)
        .prop_map(|(purposes, most, days)| json!({"purposes": purposes, "atMost": most, "per": format!("{days}d")}));
    let caps = prop::collection::vec(cap, 0..if drops { 1 } else { 3 });
    (purposes(), quiet, caps)
        .prop_map(|(purposes, quiet, caps)| json!({"purposes": purposes, "quiet": quiet, "caps": caps}))
}

fn happening() -> impl Strategy<Value = Happening> {
    let fate = prop_oneof![
        4 => Just(Fate::Known(Outcome::Sent)),
        1 => Just(Fate::Known(Outcome::Failed("Refused".into()))),
        1 => Just(Fate::Retry { due: 0, reason: "Busy".into() }),
        1 => Just(Fate::Returned),
    ];
    let customer = || 0..3u8;
    prop_oneof![
        8 => (prop::sample::select(EVENTS.to_vec()), 0..4i64, customer()).prop_map(|(name, items, customer)| Happening::Event { name, items, customer }),
        2 => (prop::bool::weighted(0.7), customer()).prop_map(|(granted, customer)| Happening::Consent { granted, customer }),
        2 => (0..2i64, customer()).prop_map(|(open, customer)| Happening::Open { open, customer }),
        6 => prop_oneof![1..120i64, 120..4000i64].prop_map(Happening::Pass),
        4 => fate.prop_map(Happening::Answer),
    ]
}

fn case(free: bool, drops: bool) -> impl Strategy<Value = Case> {
    let happenings = prop::collection::vec(happening(), 1..40);
    (journey(free), policy_of(drops), policy_of(drops), happenings).prop_map(|(spec, one, other, happenings)| Case {
        spec,
        policies: [one, other],
        happenings,
    })
}

fn manifests(spec: &Value, policies: &[Value]) -> Manifests {
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "journey.dev/v1alpha1", "kind": kind, "metadata": {"name": name, "namespace": NS}, "spec": spec});
    let mut all = vec![object("Journey", JOURNEY, spec.clone())];
    let schema = json!({"type": "object", "required": ["userId", "items", "cart"], "properties":
        {"userId": {"type": "string"}, "items": {"type": "integer"}, "cart": {"type": "string"}}});
    for name in EVENTS {
        let inbound = json!({"event": name, "customer": "event.userId", "schema": schema});
        all.push(object(
            "Touchpoint",
            name,
            json!({"channel": "Web", "inbound": inbound}),
        ));
    }
    for (name, purpose, channel) in MESSAGES {
        let outbound = json!({"adapter": "out", "purpose": purpose, "to": "${customer.email}", "content": {"subject": "Hello", "text": "You."}, "timeToLive": "20h"});
        all.push(object(
            "Touchpoint",
            name,
            json!({"channel": channel, "outbound": outbound}),
        ));
    }
    let smtp = json!({"smtp": {"host": "smtp.example", "from": "Shop <hello@shop.example>"}});
    all.push(object("ChannelAdapter", "out", smtp));
    let http = json!({"http": {"auth": {"secretRef": {"name": "web", "key": "key"}}, "publicUrl": "https://events.shop.example"}});
    all.push(object("ChannelAdapter", "web", http));
    let attributes = json!({"email": {"type": "string", "personal": true}, "phone": {"type": "string", "personal": true},
        "points": {"type": "integer", "default": 0}, "open": {"type": "integer", "default": 0}});
    all.push(object("CustomerProfile", "shop", json!({"attributes": attributes})));
    for (n, policy) in policies.iter().enumerate() {
        all.push(object("PrivacyPolicy", &format!("policy{n}"), policy.clone()));
    }
    let mut manifests = Manifests {
        namespace: NS.into(),
        ..Manifests::default()
    };
    for object in all {
        manifests.read(&object.to_string(), "law").unwrap();
    }
    manifests
}

// ── the world it happens in ──

struct World {
    store: Memory,
    clock: Arc<ManualClock>,
    keys: Keys,
    hold: Hold,
    programs: Programs,
    /// Each policy by itself.
    alone: Vec<EffectivePolicy>,
    claims: Vec<Claim>,
    in_flight: BTreeSet<MessageKey>,
    events: u32,
    sent: BTreeSet<MessageKey>,
    /// What the store was told to keep, followed commit by commit.
    enrollments: BTreeMap<(CustomerKey, i64), Enrollment>,
    outbox: BTreeMap<MessageKey, OutboxRow>,
}

impl World {
    async fn new(spec: &Value, policies: &[Value]) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let store = Memory::new(clock.clone());
        let manifests = manifests(spec, policies);
        let compiled = compile::journey(&manifests, JOURNEY).unwrap_or_else(|found| {
            let said: Vec<String> = found.iter().map(ToString::to_string).collect();
            panic!("every journey that is drawn is valid: {said:#?}\n{spec:#}\n{policies:?}")
        });
        let settings = serde_json::to_value(compile::settings(&manifests)).unwrap();
        store.put_settings(NS, &settings).await.unwrap();
        let revision = compile::revision(&manifests, JOURNEY);
        let row = JourneyRow {
            journey: JOURNEY.into(),
            revision: revision.clone(),
            suspended: false,
            listens: compiled.program.listens.clone(),
            body: serde_json::to_value(compile::pinned(&manifests, JOURNEY)).unwrap(),
        };
        store.put_journey(NS, &row).await.unwrap();
        let program = Arc::new(Program {
            revision: revision.clone(),
            ..compiled.program
        });
        let alone = policies.iter().map(|policy| {
            let spec = serde_json::from_value(policy.clone()).unwrap();
            policy::merge(&[&spec])
        });
        let keys = Keys::new(&[7; 32], &[9; 32]);
        let mut world = Self {
            store,
            clock,
            keys,
            hold: Hold {
                namespace: NS.into(),
                journey: JOURNEY.into(),
                owner: Uuid::from_u128(1),
                shards: vec![],
                members: BTreeSet::new(),
                late: false,
            },
            programs: Programs {
                current: Some(program.clone()),
                revisions: BTreeMap::from([(revision, program)]),
            },
            alone: alone.collect(),
            claims: vec![],
            in_flight: BTreeSet::new(),
            events: 0,
            sent: BTreeSet::new(),
            enrollments: BTreeMap::new(),
            outbox: BTreeMap::new(),
        };
        for customer in 0..3 {
            let email = format!("u{customer}@example.com");
            world
                .import(customer, &json!({"email": email}), Some(customer != 2))
                .await;
        }
        world
    }

    fn key(&self, customer: u8) -> CustomerKey {
        self.keys.customer(NS, "userId", &format!("u{customer}"))
    }

    async fn import(&mut self, customer: u8, attributes: &Value, granted: Option<bool>) {
        self.events += 1;
        let at = self.clock.now();
        let consents = granted.map(|granted| ("marketing".to_owned(), Consent::said(granted, at)));
        let imported = Imported {
            key: self.key(customer),
            anonymous: false,
            id: format!("u{customer}").into(),
            attributes: Personal::new(attributes.as_object().unwrap().clone()),
            consents: consents.into_iter().collect(),
            evidence: BTreeMap::new(),
        };
        let file = self.events.to_string();
        self.store.import(NS, &[imported], &file, 1).await.unwrap();
    }

    /// What happens, and all rounds that follow.
    async fn happen(&mut self, happening: &Happening) {
        match happening {
            Happening::Event { name, items, customer } => {
                self.events += 1;
                let id = format!("event-{}", self.events);
                let user = format!("u{customer}");
                let data = json!({"userId": user, "items": items, "cart": format!("c{}", items % 2)});
                let arrival = Arrival {
                    key: self.keys.event(NS, "test", &id),
                    id: id.into(),
                    name: (*name).into(),
                    customer: self.key(*customer),
                    customer_id: Some(user.into()),
                    anonymous: false,
                    known_as: vec![],
                    time: self.clock.now(),
                    data: Personal::new(data.as_object().unwrap().clone()),
                    said: vec![],
                    unreadable: Default::default(),
                    about: None,
                    listeners: vec![JOURNEY.into()],
                    suppresses: None,
                };
                self.store.accept(NS, &[arrival], &|_, _| vec![]).await.unwrap();
            }
            Happening::Consent { granted, customer } => self.import(*customer, &json!({}), Some(*granted)).await,
            Happening::Open { open, customer } => self.import(*customer, &json!({"open": open}), None).await,
            Happening::Pass(minutes) => self.clock.advance(minutes * MINUTE),
            Happening::Answer(fate) => {
                if !self.claims.is_empty() {
                    let fate = match fate {
                        Fate::Retry { reason, .. } => Fate::Retry {
                            due: self.clock.now() + MINUTE,
                            reason: reason.clone(),
                        },
                        fate => fate.clone(),
                    };
                    self.answer(fate).await;
                }
            }
        }
        self.settle().await;
    }

    async fn answer(&mut self, fate: Fate) {
        let claim = self.claims.remove(0);
        let outcome = Handed {
            key: claim.key,
            customer: claim.customer,
            fate,
        };
        self.round(vec![outcome]).await;
    }

    async fn settle(&mut self) {
        for _ in 0..200 {
            if self.round(vec![]).await == RoundResult::Idle {
                return;
            }
        }
        panic!("the rounds come to no end");
    }

    async fn round(&mut self, outcomes: Vec<Handed>) -> RoundResult {
        let hold = self.store.join(NS, JOURNEY, self.hold.owner, Duration::from_secs(5));
        self.hold = hold.await.unwrap();
        let request = RoundRequest {
            limit: 100,
            outcomes: outcomes.clone(),
            in_flight: self.in_flight.clone(),
            admissions: programs::admissions(&self.programs),
            looks: programs::looks(&self.programs),
            sweeps: programs::sweeps(&self.programs, true),
            news: programs::news(&self.programs, true),
            addresses: journey::runner::looked_for(&self.programs, &self.keys),
            ..RoundRequest::default()
        };
        let adapter = Adapter {
            needs_address: true,
            retries_unknown: false,
            room: 100,
        };
        let turn = || Turn {
            programs: &self.programs,
            keys: &self.keys,
            hold: &self.hold,
            adapters: Adapters {
                open: BTreeMap::from([("out".to_owned(), adapter)]),
            },
            in_flight: &self.in_flight,
            suppressed: BTreeMap::new(),
            render: false,
            trace: false,
            nets: false,
        };
        let mut did = None;
        let result = self
            .store
            .round(&self.hold, &request, &mut |round| {
                let again = turn().take(round.clone());
                let done = turn().take(round.clone());
                assert_same(&done, &again);
                let commit = done.commit.clone();
                did = Some((round, done));
                commit
            })
            .await
            .unwrap();
        outcomes.iter().for_each(|handed| {
            self.in_flight.remove(&handed.key);
        });
        if let Some((round, done)) = did {
            for customer in &round.customers {
                self.judge(customer, &done, round.now);
            }
            self.follow(done);
        }
        self.check();
        result
    }

    /// Each policy alone would have let go what the two together did.
    fn judge(&self, before: &CustomerTurn, done: &Done, now: Micros) {
        let mut contacts = before.contacts.clone();
        let key = before.customer.key;
        // What came back does not count, nor does a message count against itself.
        let gone = done.commit.contacts_gone.iter().map(|(_, message)| *message);
        let again = done.claims.iter().map(|claim| claim.key);
        let uncounted: BTreeSet<MessageKey> = gone.chain(again).collect();
        contacts.retain(|(message, _)| !uncounted.contains(message));
        let open = before.customer.attributes.expose().get("open").and_then(Value::as_i64);
        let holding: BTreeSet<String> = open
            .filter(|open| *open > 0)
            .map(|_| QUIET.to_owned())
            .into_iter()
            .collect();
        for claim in done.claims.iter().filter(|claim| claim.customer == key) {
            let row = done
                .commit
                .outbox
                .iter()
                .find(|row| row.key == claim.key)
                .expect("a claim is a row");
            let (_, purpose, channel) = MESSAGES.iter().find(|(name, ..)| *name == row.touchpoint).unwrap();
            let held_out = done
                .commit
                .enrollments
                .iter()
                .map(|row| (row.customer, &row.enrollment));
            let held_out = held_out.chain(before.enrollments.iter().map(|each| (key, each)));
            let held_out = held_out
                .into_iter()
                .find(|(customer, each)| *customer == key && each.ordinal == row.enrollment);
            let counted: Vec<&Contact> = contacts.iter().map(|(_, contact)| contact).collect();
            let facts = Facts {
                consents: &before.customer.consents,
                contacts: &counted,
                zone: None,
                holding: &holding,
                suspended: false,
                held_out: held_out.expect("a message has its enrollment").1.held_out,
                has_address: true,
                address: None,
                suppressed: None,
                age: None,
            };
            let message = policy::Message {
                touchpoint: &row.touchpoint,
                purpose,
                channel,
                expires_at: Some(row.requested_at + 20 * HOUR),
            };
            for alone in &self.alone {
                assert_eq!(policy::decide(alone, &facts, &message, now), Verdict::Send, "{row:?}");
            }
            let contact = Contact {
                purpose: (*purpose).into(),
                channel: (*channel).into(),
                at: now,
            };
            contacts.push((row.key, contact));
        }
    }

    /// What was written and handed over.
    fn follow(&mut self, done: Done) {
        for row in done.commit.enrollments {
            self.enrollments
                .insert((row.customer, row.enrollment.ordinal), row.enrollment);
        }
        for gone in done.commit.enrollments_gone {
            self.enrollments.remove(&gone);
        }
        for (_, gone) in done.commit.outbox_gone {
            self.outbox.remove(&gone);
        }
        self.outbox
            .extend(done.commit.outbox.into_iter().map(|row| (row.key, row)));
        for claim in done.claims {
            self.sent.insert(claim.key);
            self.in_flight.insert(claim.key);
            self.claims.push(claim);
        }
    }

    /// Whoever has not ended waits for something that is recorded.
    fn check(&self) {
        let program = self.programs.current.as_ref().unwrap();
        for ((customer, ordinal), enrollment) in &self.enrollments {
            let recorded = match &enrollment.standing {
                Standing::Ended { .. } => true,
                // The event that asks to enter is kept with it, and its place in the line is its number.
                Standing::Paced { .. } => program.pace.is_some(),
                Standing::Waiting { step, until, .. } => {
                    let step = program.step(step).expect("a step of the program");
                    let signals = matches!(&step.action, StepAction::Wait { until, .. } if !until.is_empty());
                    until.is_some() || signals
                }
                Standing::Sending { step, occurrence, .. } => self.outbox.values().any(|row| {
                    let its = row.customer == *customer && row.enrollment == *ordinal;
                    let on_its_way = match row.state {
                        OutboxState::Held { .. } => true,
                        OutboxState::Claimed { .. } => self.in_flight.contains(&row.key),
                    };
                    its && row.step == *step && row.occurrence == *occurrence && on_its_way
                }),
            };
            assert!(recorded, "{enrollment:?} waits for nothing");
        }
        for row in self.outbox.values() {
            let its = self.enrollments.get(&(row.customer, row.enrollment));
            assert!(its.is_some(), "{row:?} is nobody's message");
        }
    }

    /// All that is on its way comes to an end as if time went on and every message were sent.
    async fn run_out(&mut self) {
        for _ in 0..24 {
            while !self.claims.is_empty() {
                self.answer(Fate::Known(Outcome::Sent)).await;
                self.settle().await;
            }
            self.clock.advance(13 * HOUR);
            self.settle().await;
        }
        for enrollment in self.enrollments.values() {
            let goes_on = match &enrollment.standing {
                Standing::Ended { .. } => true,
                Standing::Waiting { until, .. } => until.is_none_or(|until| until > self.clock.now()),
                // Time to live is less than a day, and its end is looked at once in half a day.
                Standing::Sending { since, .. } => *since > self.clock.now() - 48 * HOUR,
                Standing::Paced { .. } => false,
            };
            assert!(goes_on, "{enrollment:?} is stuck");
        }
    }
}

fn assert_same(one: &Done, other: &Done) {
    let written = |done: &Done| {
        let commit = &done.commit;
        (
            (
                commit.enrollments.clone(),
                commit.outbox.clone(),
                commit.messages.clone(),
            ),
            (
                commit.attributes.clone(),
                commit.sightings.clone(),
                commit.contacts.clone(),
            ),
            (commit.consumed.clone(), commit.ended.clone(), commit.counts.clone()),
            done.claims.iter().map(|claim| claim.key).collect::<Vec<_>>(),
        )
    };
    assert_eq!(written(one), written(other));
}

fn run<T>(what: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(what)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whoever_is_in_a_journey_ends_or_waits_for_something_and_nothing_goes_out_that_a_policy_forbids(case in case(true, false)) {
        run(async {
            let mut world = World::new(&case.spec, &case.policies).await;
            for happening in &case.happenings {
                world.happen(happening).await;
            }
            world.run_out().await;
        });
    }

    #[test]
    fn with_a_further_policy_nothing_goes_out_that_did_not_without_it(case in case(false, true)) {
        let sent = |policies: &[Value]| run(async {
            let mut world = World::new(&case.spec, policies).await;
            for happening in &case.happenings {
                if !matches!(happening, Happening::Answer(_)) {
                    world.happen(happening).await;
                }
                while !world.claims.is_empty() {
                    world.answer(Fate::Known(Outcome::Sent)).await;
                    world.settle().await;
                }
            }
            world.sent
        });
        let (lax, strict) = (sent(&case.policies[..1]), sent(&case.policies));
        prop_assert!(strict.is_subset(&lax), "{:?}", strict.difference(&lax).collect::<Vec<_>>());
    }
}
