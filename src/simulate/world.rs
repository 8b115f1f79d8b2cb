//! One namespace in virtual time. See the room.

use crate::{
    api::channel_adapter::ChannelAdapterSpec,
    channel::Reply,
    clock::{Clock as _, ManualClock, Micros},
    compile::{self, Diagnostic, Manifests, Severity},
    engine::{Programs, state::Properties},
    gateway::{self, Incoming, Learning, Offer, View},
    keys::{CustomerKey, KEY_LEN, Keys, MessageKey},
    kpi::{Count, Counts},
    link::{Confirm, Leave},
    runner::{
        self, programs,
        turn::{Adapter, Adapters, Claim, Turn},
    },
    store::{
        Customer, Handed, Hold, Imported, Lease, MessageRow, NamespacePrograms, OutboxState, Placed, Receipt, Room,
        Round, RoundRequest, RoundResult, Scope, Store as _, StoredJourney, memory::Memory,
    },
};
use futures::FutureExt as _;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use uuid::Uuid;

/// Rounds at one instant, for each customer that is there: more is a journey that does not come to rest.
const ROUNDS: u32 = 100_000;
/// Customers of one round.
const ROUND: u32 = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum SimulateError {
    #[error("the manifests do not compile")]
    Manifests(Vec<Diagnostic>),
    #[error("a program cannot be read back: {0}")]
    Program(String),
    #[error("journey {0} does not come to rest: after {ROUNDS} rounds at one instant there is still something to do")]
    Restless(String),
}

/// How a world is made.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub start: Micros,
    /// Whether templates are rendered: only then is there content to look at, and a template can fail.
    pub render: bool,
    /// Whether [`World::happenings`] tells what happens.
    pub trace: bool,
    /// Whether counts are kept by the hour in the store; else they are summed in [`World::sums`].
    pub counts: bool,
}

/// Who plays the providers.
pub trait Provider {
    /// What the provider says of a message that is handed over now, and how long that takes.
    fn answer(&mut self, message: &Handing<'_>) -> Answer;
}

/// A message at the moment it is handed over.
#[derive(Debug)]
pub struct Handing<'a> {
    pub journey: &'a str,
    pub row: &'a MessageRow,
    pub claim: &'a Claim,
    pub now: Micros,
}

#[derive(Debug, Clone)]
pub struct Answer {
    pub reply: Reply,
    pub after: Micros,
}

impl Answer {
    pub fn sent() -> Self {
        Self {
            reply: Reply::Sent,
            after: 0,
        }
    }
}

/// What became of an event that was brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    Accepted,
    Duplicate,
    Quarantined {
        reason: String,
        detail: String,
    },
    /// It tells of a message or a customer that is not there.
    Unknown,
}

/// One thing that happened, in the order of things.
#[derive(Debug, Clone)]
pub struct Happening {
    pub at: Micros,
    pub journey: String,
    pub customer: CustomerKey,
    pub enrollment: Option<i64>,
    pub what: What,
}

#[derive(Debug, Clone)]
pub enum What {
    /// Something was counted; of an event with its name.
    Counted { count: Count, event: Option<String> },
    /// A message was handed to its provider, who said this.
    Handed {
        row: Box<MessageRow>,
        claim: Box<Claim>,
        reply: Reply,
    },
    /// A message waits: asked again then.
    Held {
        touchpoint: String,
        step: String,
        why: String,
        until: Micros,
    },
}

/// A runner without a process.
struct Crew {
    journey: String,
    programs: Programs,
    adapters: Adapters,
    limits: BTreeMap<String, runner::Limits>,
    longest_cap: Micros,
    hold: Hold,
    /// All that is held; `hold` may be a part of it.
    held: Vec<Lease>,
    in_flight: BTreeSet<MessageKey>,
    outcomes: Vec<Handed>,
    /// Whether everybody is still to be looked at once.
    sweeping: bool,
}

pub struct World {
    settings: Settings,
    namespace: String,
    clock: Arc<ManualClock>,
    store: Memory,
    keys: Keys,
    view: View,
    crews: Vec<Crew>,
    /// Answers that are still to come, with the index of their crew.
    answers: BTreeMap<(Micros, u64), (usize, Handed)>,
    asked: u64,
    happenings: Vec<Happening>,
    sums: BTreeMap<String, Counts>,
}

/// The same keys in every simulation, so that arms and pseudonyms are the same: nothing here is secret.
pub fn keys() -> Keys {
    Keys::new(&[7; KEY_LEN], &[11; KEY_LEN])
}

impl World {
    /// A namespace with these manifests and no customers. Every journey and touchpoint must compile.
    pub fn new(manifests: &Manifests, settings: Settings) -> Result<Self, SimulateError> {
        let clock = Arc::new(ManualClock::at(settings.start));
        let mut world = Self {
            settings,
            namespace: manifests.namespace.clone(),
            store: Memory::new(clock.clone()),
            clock,
            keys: keys(),
            view: View::default(),
            crews: Vec::new(),
            answers: BTreeMap::new(),
            asked: 0,
            happenings: Vec::new(),
            sums: BTreeMap::new(),
        };
        world.apply(manifests)?;
        Ok(world)
    }

    /// The manifests from now on, as `kubectl apply` would bring them: customers under way keep their revision, everything else holds at once.
    pub fn apply(&mut self, manifests: &Manifests) -> Result<(), SimulateError> {
        let errors = errors(manifests);
        if !errors.is_empty() {
            return Err(SimulateError::Manifests(errors));
        }
        self.put(manifests).map_err(SimulateError::Program)?;
        let stored = at_once(self.store.programs(&self.namespace, -1))
            .map_err(|error| SimulateError::Program(error.to_string()))?
            .unwrap_or_default();
        self.view = View::of_programs(&stored).map_err(|error| SimulateError::Program(error.to_string()))?;
        self.strike()?;
        self.crew(&stored)
    }

    fn put(&self, manifests: &Manifests) -> Result<(), String> {
        let settings = serde_json::to_value(compile::settings(manifests)).map_err(|error| error.to_string())?;
        at_once(self.store.put_settings(&self.namespace, &settings)).map_err(|error| error.to_string())?;
        for journey in manifests.journeys.keys() {
            let Ok(compiled) = compile::journey(manifests, journey) else {
                continue;
            };
            let row = programs::row(manifests, &compiled.program).map_err(|error| error.to_string())?;
            at_once(self.store.put_journey(&self.namespace, &row)).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Brings what has come by the clock.
    fn strike(&self) -> Result<(), SimulateError> {
        at_once(gateway::strike(&self.store, &self.keys, &self.namespace, &self.view))
            .map(drop)
            .map_err(|error| SimulateError::Program(error.to_string()))
    }

    /// One runner a journey, which holds every shard for ever.
    fn crew(&mut self, stored: &NamespacePrograms) -> Result<(), SimulateError> {
        let names: BTreeSet<&String> = stored
            .journeys
            .iter()
            .map(|StoredJourney { row, .. }| &row.journey)
            .collect();
        for name in names {
            let loaded =
                programs::compile_all(stored, name).map_err(|error| SimulateError::Program(error.to_string()))?;
            let specs: BTreeMap<&String, &ChannelAdapterSpec> = loaded
                .programs
                .revisions
                .values()
                .flat_map(|program| &program.adapters)
                .collect();
            let adapters = Adapters {
                open: specs
                    .iter()
                    .map(|(name, spec)| ((*name).clone(), adapter(spec)))
                    .collect(),
            };
            let limits = specs
                .iter()
                .map(|(name, spec)| ((*name).clone(), runner::Limits::of(spec, spec.webhook.is_some())))
                .collect();
            let longest_cap = loaded.programs.longest_cap();
            match self.crews.iter_mut().find(|crew| crew.journey == *name) {
                Some(crew) => {
                    crew.sweeping = programs::looks(&loaded.programs);
                    crew.programs = loaded.programs;
                    (crew.adapters, crew.limits, crew.longest_cap) = (adapters, limits, longest_cap);
                }
                None => {
                    let hold = at_once(
                        self.store
                            .join(&self.namespace, name, Uuid::from_u128(1), Duration::MAX),
                    )
                    .map_err(|error| SimulateError::Program(error.to_string()))?;
                    self.crews.push(Crew {
                        journey: name.clone(),
                        sweeping: programs::looks(&loaded.programs),
                        programs: loaded.programs,
                        adapters,
                        limits,
                        longest_cap,
                        held: hold.shards.clone(),
                        hold,
                        in_flight: BTreeSet::new(),
                        outcomes: Vec::new(),
                    });
                }
            }
        }
        Ok(())
    }

    pub fn now(&self) -> Micros {
        self.clock.now()
    }

    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    pub fn store(&self) -> &Memory {
        &self.store
    }

    /// What the gateway runs by.
    pub fn view(&self) -> &View {
        &self.view
    }

    pub fn programs(&self, journey: &str) -> Option<&Programs> {
        self.crews
            .iter()
            .find(|crew| crew.journey == journey)
            .map(|crew| &crew.programs)
    }

    pub fn key(&self, identifier: &str, value: &str) -> CustomerKey {
        self.keys.customer(&self.namespace, identifier, value)
    }

    pub fn import(&self, customers: &[Imported]) {
        self.store.import_at_once(&self.namespace, customers);
    }

    pub fn journeys(&self) -> Vec<String> {
        self.crews.iter().map(|crew| crew.journey.clone()).collect()
    }

    /// Sets the clock; it never goes back but in [`World::reset`].
    pub fn set(&self, now: Micros) {
        self.clock.set(now.max(self.clock.now()));
    }

    /// Nobody was ever here, and it is `start`.
    pub fn reset(&mut self, start: Micros) {
        self.store.forget_customers(&self.namespace);
        self.clock.set(start);
        // The store in memory cannot fail.
        let _struck = self.strike();
        self.answers.clear();
        self.asked = 0;
        self.happenings.clear();
        self.sums.clear();
        for crew in &mut self.crews {
            crew.in_flight.clear();
            crew.outcomes.clear();
            crew.hold.shards.clone_from(&crew.held);
        }
    }

    /// Only the shards of these customers are looked at, until the next reset: what one customer needs.
    pub fn hold_only(&mut self, customers: &[CustomerKey]) {
        for crew in &mut self.crews {
            let held = crew
                .held
                .iter()
                .filter(|lease| customers.iter().any(|key| key.shard() == lease.shard));
            crew.hold.shards = held.copied().collect();
        }
    }

    /// Counts since this was asked last, by journey, where the store keeps none.
    pub fn sums(&mut self) -> BTreeMap<String, Counts> {
        std::mem::take(&mut self.sums)
    }

    /// What happened since this was asked last.
    pub fn happenings(&mut self) -> Vec<Happening> {
        std::mem::take(&mut self.happenings)
    }

    /// The customer that a name is of by now.
    pub fn whose(&self, name: CustomerKey) -> CustomerKey {
        self.store.whose(&self.namespace, name)
    }

    /// An event by an adapter, judged, learned from and accepted as the gateway does it.
    pub fn bring(&mut self, adapter: &str, event: Incoming) -> Came {
        let now = self.now();
        let event = Ok(event);
        // The store in memory cannot fail.
        let named = at_once(gateway::of_receipts(
            &self.store,
            &self.namespace,
            std::slice::from_ref(&event),
        ));
        match gateway::offer(&self.view, &self.keys, adapter, event, &named.unwrap_or_default(), now) {
            Offer::Arrival(arrival) => {
                let learning = Learning::new(&self.view, &self.keys, now);
                let receipts = self
                    .store
                    .accept_at_once(&self.namespace, &[*arrival], &|arrival, customer| {
                        learning.learn(arrival, customer)
                    });
                came(receipts.first())
            }
            Offer::News(news) => came(
                self.store
                    .announce_at_once(&self.namespace, std::slice::from_ref(&news))
                    .first(),
            ),
            Offer::Aside(reason, row) => {
                let came = Came::Quarantined {
                    reason: reason.name().to_owned(),
                    detail: row.detail.clone(),
                };
                // The store in memory cannot fail.
                let _kept = at_once(self.store.quarantine(&self.namespace, std::slice::from_ref(&row)));
                came
            }
        }
    }

    /// What became of a message: TOUCHPOINT/clicked and the like, as the gateway makes it.
    pub fn tell_of(&mut self, message: &MessageRow, what: &str, id: &str, data: Properties) -> Came {
        let arrival = gateway::of_message(&self.view, &self.keys, message, what, id, data, self.now());
        let receipts = self.store.accept_at_once(&self.namespace, &[arrival], &|_, _| vec![]);
        came(receipts.first())
    }

    /// What a slot shows to a customer now.
    pub fn in_slot(&self, customer: CustomerKey, slot: &str) -> Option<Placed> {
        let found = self.store.slot_at_once(&self.namespace, customer, slot)?;
        gateway::highest(&self.view, found, self.now())
    }

    /// Whether a message is what its slot shows now; None: it is in none.
    pub fn is_in_sight(&self, message: &MessageRow) -> Option<bool> {
        let slots = self.store.slots(&self.namespace, message.customer);
        let shows = |slot: &String| {
            self.in_slot(message.customer, slot)
                .is_some_and(|shown| shown.key == message.key)
        };
        let is_card = self.programs(&message.journey)?.revisions.values().any(|program| {
            let outbound = program.outbound.get(&message.touchpoint);
            outbound.is_some_and(|of| of.stay.as_ref().is_some_and(|stay| stay.slot.is_some()))
        });
        is_card.then(|| slots.iter().any(shows))
    }

    /// The customer does not want to see a message any more.
    pub fn dismiss(&self, message: &MessageRow) {
        self.store.dismiss_at_once(&self.namespace, message.key);
    }

    /// A customer withdraws consent by the link in a message.
    pub fn withdraw(&mut self, customer: CustomerKey, purpose: &str) -> Came {
        let leave = Leave {
            message: MessageKey([0; 16]),
            customer,
            purpose: purpose.to_owned(),
        };
        let arrival = gateway::withdrawal(&self.view, &self.keys, &leave, self.now());
        let learn = |arrival: &crate::store::Arrival, customer: &mut Customer| {
            gateway::learn_withdrawal(purpose, arrival, customer);
            vec![]
        };
        let receipts = self.store.accept_at_once(&self.namespace, &[arrival], &learn);
        came(receipts.first())
    }

    /// A customer follows the link in a message that asks for confirmation; None: it has none.
    pub fn confirm(&mut self, message: &MessageRow) -> Option<Came> {
        let mut confirms = self.view.intake.confirms.values();
        confirms.find(|by| by.contains(&message.touchpoint))?;
        let confirm = Confirm {
            customer: message.customer,
            address: message.address?,
            made: message.at,
            touchpoint: message.touchpoint.clone(),
        };
        let arrival = gateway::confirmation(&self.keys, &self.namespace, &confirm, self.now());
        let (view, keys) = (&self.view, &self.keys);
        let learn = |arrival: &crate::store::Arrival, customer: &mut Customer| {
            gateway::learn_confirmation(view, keys, &confirm, arrival, customer).1
        };
        let receipts = self.store.accept_at_once(&self.namespace, &[arrival], &learn);
        Some(came(receipts.first()))
    }

    /// A customer joins or leaves a journey by their own hand.
    pub fn choose(&mut self, customer: CustomerKey, journey: &str, joins: bool, id: &str) -> Came {
        let key = self.keys.event(&self.namespace, "choice", id);
        let arrival = gateway::chosen_by(journey, joins, customer, key, id.to_owned(), self.now());
        let learn = |arrival: &crate::store::Arrival, customer: &mut Customer| {
            gateway::learn_choice(journey, joins, arrival, customer);
            vec![]
        };
        let receipts = self.store.accept_at_once(&self.namespace, &[arrival], &learn);
        came(receipts.first())
    }

    /// Lets everything happen that is due up to `until`, and stands there.
    pub fn advance(&mut self, until: Micros, provider: &mut dyn Provider) -> Result<(), SimulateError> {
        loop {
            self.settle(provider)?;
            match self.next_due() {
                Some(next) if next <= until => self.clock.set(next),
                Some(_) | None => {
                    if self.now() >= until {
                        return Ok(());
                    }
                    self.clock.set(until);
                }
            }
        }
    }

    /// The next instant at which time alone makes something happen.
    pub fn next_due(&self) -> Option<Micros> {
        let answer = self.answers.keys().next().map(|(at, _)| *at);
        let due = self.store.next_due(&self.namespace);
        match (answer, due) {
            (Some(answer), Some(due)) => Some(answer.min(due)),
            (answer, due) => answer.or(due),
        }
    }

    /// Does everything that is to be done as of now.
    pub fn settle(&mut self, provider: &mut dyn Provider) -> Result<(), SimulateError> {
        for _ in 0..ROUNDS {
            self.hear_answers();
            if self.store.strikes(&self.namespace) {
                self.strike()?;
            }
            let asked = self.crews.iter().any(|crew| !crew.outcomes.is_empty() || crew.sweeping);
            if !asked && !self.store.has_work(&self.namespace) {
                return Ok(());
            }
            let mut moved = false;
            for crew in 0..self.crews.len() {
                moved |= self.round(crew, provider);
            }
            if !moved {
                // What is due stays as it is: the journey is suspended, or its revision is gone.
                return Ok(());
            }
        }
        let journey = self.crews.first().map(|crew| crew.journey.clone()).unwrap_or_default();
        Err(SimulateError::Restless(journey))
    }

    fn hear_answers(&mut self) {
        let now = self.now();
        while let Some(first) = self.answers.first_entry().filter(|first| first.key().0 <= now) {
            let (crew, handed) = first.remove();
            self.crews[crew].outcomes.push(handed);
        }
    }

    /// One round of one journey; whether it did anything.
    fn round(&mut self, index: usize, provider: &mut dyn Provider) -> bool {
        let now = self.now();
        let crew = &mut self.crews[index];
        let outcomes = std::mem::take(&mut crew.outcomes);
        let heard: Vec<MessageKey> = outcomes.iter().map(|handed| handed.key).collect();
        let request = RoundRequest {
            limit: ROUND,
            room: Room::default(),
            contacts_within: crew.longest_cap,
            addresses: runner::looked_for(&crew.programs, &self.keys),
            outcomes,
            in_flight: crew.in_flight.clone(),
            stuck: BTreeSet::new(),
            admissions: programs::admissions(&crew.programs),
            looks: programs::looks(&crew.programs),
            sweeps: programs::sweeps(&crew.programs, true),
            news: programs::news(&crew.programs, true),
            current: None,
            revisions: BTreeSet::new(),
            scope: Scope::All,
            events_from: i64::MIN,
            claims_within: Micros::MAX,
        };
        let mut turn = Turn {
            programs: &crew.programs,
            keys: &self.keys,
            hold: &crew.hold,
            adapters: std::mem::take(&mut crew.adapters),
            in_flight: &crew.in_flight,
            suppressed: BTreeMap::new(),
            render: self.settings.render,
            trace: self.settings.trace,
            nets: false,
        };
        let mut handing: Vec<(MessageRow, Claim)> = Vec::new();
        let (mut shown, mut ending): (Vec<(MessageRow, Claim)>, Vec<Claim>) = (Vec::new(), Vec::new());
        let mut happenings = Vec::new();
        let mut counts = Counts::default();
        let result = self.store.round_at_once(&crew.hold, &request, &mut |round: Round| {
            let mut done = turn.take(round);
            for traced in done.trace {
                happenings.push(Happening {
                    at: now,
                    journey: crew.journey.clone(),
                    customer: traced.customer,
                    enrollment: traced.enrollment,
                    what: What::Counted {
                        count: traced.count,
                        event: traced.event,
                    },
                });
            }
            if self.settings.trace {
                for row in &done.commit.outbox {
                    if let OutboxState::Held { due, why } = &row.state {
                        happenings.push(Happening {
                            at: now,
                            journey: crew.journey.clone(),
                            customer: row.customer,
                            enrollment: Some(row.enrollment),
                            what: What::Held {
                                touchpoint: row.touchpoint.clone(),
                                step: row.step.clone(),
                                why: why.clone(),
                                until: *due,
                            },
                        });
                    }
                }
            }
            for claim in done.claims {
                let row = done.commit.messages.iter().find(|row| row.key == claim.key);
                match row {
                    Some(row) => handing.push((row.clone(), claim)),
                    None => ending.push(claim),
                }
            }
            for claim in done.shown {
                let row = done.commit.messages.iter().find(|row| row.key == claim.key);
                shown.extend(row.map(|row| (row.clone(), claim)));
            }
            if !self.settings.counts {
                counts = std::mem::take(&mut done.commit.counts);
            }
            done.commit
        });
        crew.adapters = turn.adapters;
        for key in heard {
            crew.in_flight.remove(&key);
        }
        // A round that found nothing to do found nobody whom the sweep had still to come to.
        crew.sweeping &= result != RoundResult::Idle;
        self.happenings.append(&mut happenings);
        if !counts.0.is_empty() {
            let sums = self.sums.entry(crew.journey.clone()).or_default();
            for ((name, _), n) in counts.0 {
                *sums.0.entry((name, 0)).or_default() += n;
            }
        }
        for (row, claim) in shown {
            self.see(index, row, claim, provider);
        }
        // The telling of an end is about a message of before.
        for claim in ending {
            let message = claim
                .message
                .ends
                .and_then(|key| self.store.message_row(&self.namespace, key));
            handing.extend(message.map(|row| (row, claim)));
        }
        for (row, claim) in handing {
            self.ask(index, row, claim, provider);
        }
        matches!(result, RoundResult::Committed { .. })
    }

    /// A message has gone into its slot: nobody answers, and the customer may react to it.
    fn see(&mut self, index: usize, row: MessageRow, claim: Claim, provider: &mut dyn Provider) {
        let now = self.now();
        let journey = &self.crews[index].journey;
        let handing = Handing {
            journey,
            row: &row,
            claim: &claim,
            now,
        };
        let _nobody_hands_it_over = provider.answer(&handing);
        self.happenings.push(Happening {
            at: now,
            journey: journey.clone(),
            customer: row.customer,
            enrollment: Some(row.enrollment),
            what: What::Handed {
                row: Box::new(row),
                claim: Box::new(claim),
                reply: Reply::Sent,
            },
        });
    }

    fn ask(&mut self, index: usize, row: MessageRow, claim: Claim, provider: &mut dyn Provider) {
        let now = self.now();
        let crew = &mut self.crews[index];
        let handing = Handing {
            journey: &crew.journey,
            row: &row,
            claim: &claim,
            now,
        };
        let Answer { reply, after } = provider.answer(&handing);
        // A provider that is to be tried again is tried again in the middle of the pause: there is no chance here.
        let fate = match crew.limits.get(&claim.adapter) {
            Some(limits) => runner::fate(reply.clone(), &claim, limits, after, 0.5),
            None => crate::store::Fate::Returned,
        };
        let handed = Handed {
            key: claim.key,
            customer: claim.customer,
            fate,
        };
        crew.in_flight.insert(claim.key);
        if after <= 0 {
            crew.outcomes.push(handed);
        } else {
            self.asked += 1;
            self.answers
                .insert((now.saturating_add(after), self.asked), (index, handed));
        }
        // What came of telling an end is counted when it is heard: it is no message.
        if self.settings.trace && claim.message.ends.is_none() {
            self.happenings.push(Happening {
                at: now,
                journey: crew.journey.clone(),
                customer: row.customer,
                enrollment: Some(row.enrollment),
                what: What::Handed {
                    row: Box::new(row),
                    claim: Box::new(claim),
                    reply,
                },
            });
        }
    }
}

/// What an adapter is while nothing of it is slow, busy or away.
fn adapter(spec: &ChannelAdapterSpec) -> Adapter {
    Adapter {
        needs_address: spec.smtp.is_some(),
        retries_unknown: runner::retries_unknown(spec, spec.webhook.is_some()),
        room: usize::MAX,
    }
}

/// Errors of the namespace: journeys, and touchpoints that no journey names.
fn errors(manifests: &Manifests) -> Vec<Diagnostic> {
    let mut all = compile::intake(manifests).1;
    for journey in manifests.journeys.keys() {
        if let Err(found) = compile::journey(manifests, journey) {
            all.extend(found.into_iter().filter(|one| !all.contains(one)).collect::<Vec<_>>());
        }
    }
    all.retain(|one| one.severity == Severity::Error);
    all
}

fn came(receipt: Option<&Receipt>) -> Came {
    match receipt {
        Some(Receipt::Accepted) => Came::Accepted,
        Some(Receipt::Duplicate) => Came::Duplicate,
        Some(Receipt::UnknownCustomer) | None => Came::Unknown,
    }
}

/// The store in memory never waits.
fn at_once<T>(future: impl Future<Output = crate::store::Result<T>>) -> crate::store::Result<T> {
    future.now_or_never().unwrap_or_else(|| {
        Err(crate::store::StoreError::Unavailable(
            "the store in memory waited".into(),
        ))
    })
}
