//! A recorded file of events instead of a made-up population: JSON lines, each a CloudEvent with its `time`, and as an extension the
//! `adapter` that brought it.

use super::{
    behaviour::Draw,
    chance::Chance,
    tally::{Tally, Ways},
};
use crate::{
    channel::Reply,
    clock::Micros,
    compile::{Intake, Manifests},
    engine::Outcome,
    expression::time::show_instant,
    gateway::Incoming,
    simulate::{Answer, Came, Handing, NAMESPACE, Provider, Settings, SimulateError, World},
    store::memory::Memory,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// An event of a file.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub at: Micros,
    /// None: the first that may bring it.
    pub adapter: Option<String>,
    pub event: Incoming,
}

/// A message as both `journey simulate` and `journey dev` write it down: the same customers, the same instants.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Sent {
    pub at: String,
    pub customer: String,
    pub journey: String,
    pub touchpoint: String,
    pub step: String,
    pub outcome: String,
}

/// Reads a file of events, in the order of their times. Errors have the number of their line.
pub fn read_events(text: &str) -> Result<Vec<Recorded>, Vec<(usize, String)>> {
    let (mut events, mut errors) = (Vec::new(), Vec::new());
    for (n, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        match read_event(line) {
            Ok(event) => events.push(event),
            Err(error) => errors.push((n + 1, error)),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    events.sort_by_key(|event| event.at);
    Ok(events)
}

fn read_event(line: &str) -> Result<Recorded, String> {
    let event: Map<String, Value> =
        serde_json::from_str(line).map_err(|error| format!("no JSON object: column {}", error.column()))?;
    let adapter = match event.get("adapter") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name.clone()),
        Some(_) => return Err("adapter must be the name of a ChannelAdapter".into()),
    };
    let event = Incoming::read(&event)?;
    let at = event
        .time
        .ok_or("the attribute time is missing: when does it come in?")?;
    Ok(Recorded { at, adapter, event })
}

/// The adapter that brings an event of this name: the first that may.
pub fn adapter(intake: &Intake, event: &str) -> Option<String> {
    let inbound = intake.inbound.get(event);
    let named = inbound.and_then(|inbound| inbound.from.as_ref()?.first().cloned());
    named.or_else(|| intake.sources.keys().next().cloned())
}

/// A world for a file of events: customers may be imported before it begins.
pub fn world(manifests: &Manifests, start: Micros) -> Result<World, SimulateError> {
    let manifests = Manifests {
        namespace: NAMESPACE.into(),
        ..manifests.clone()
    };
    let settings = Settings {
        start,
        render: true,
        trace: true,
        counts: true,
    };
    World::new(&manifests, settings)
}

/// Lets the events come in at their times, and time pass until `end`. Every provider takes everything, and answers as `responses` say where
/// a journey wants to know. Gives what came of it.
pub fn replay(
    world: &mut World,
    events: &[Recorded],
    end: Micros,
    responses: &BTreeMap<String, Draw>,
    progress: &dyn Fn(u64),
) -> Result<Tally, SimulateError> {
    let mut willing = Willing { responses, taken: 0 };
    let mut tally = Tally::default();
    let mut ways = Ways::default();
    let mut customers = BTreeSet::new();
    for event in events.iter().filter(|event| event.at < end) {
        world.advance(event.at, &mut willing)?;
        let adapter = event
            .adapter
            .clone()
            .or_else(|| adapter(&world.view().intake, &event.event.name));
        let came = world.bring(&adapter.unwrap_or_default(), event.event.clone());
        debug_assert!(came != Came::Unknown);
        world.settle(&mut willing)?;
        note(world, &mut tally, &mut ways, &mut customers);
        progress(1);
    }
    world.advance(end, &mut willing)?;
    note(world, &mut tally, &mut ways, &mut customers);
    let journeys = world.journeys();
    let customers: BTreeSet<_> = customers.into_iter().map(|key| world.whose(key)).collect();
    for whose in &customers {
        tally.end(world, *whose, &journeys, &ways);
    }
    tally.customers = customers.len() as u64;
    for journey in journeys {
        let counts = world.store().counts_now(world.namespace(), &journey);
        let sums = &mut tally.journeys.entry(journey).or_default().counts;
        counts
            .0
            .into_iter()
            .for_each(|((name, _), n)| *sums.entry(name).or_default() += n);
    }
    let intake: BTreeMap<(String, i64), i64> = world.store().intake_counts_now(world.namespace()).0;
    intake
        .into_iter()
        .for_each(|((name, _), n)| *tally.intake.entry(name).or_default() += n);
    Ok(tally)
}

fn note(world: &mut World, tally: &mut Tally, ways: &mut Ways, customers: &mut BTreeSet<crate::keys::CustomerKey>) {
    let happenings = world.happenings();
    customers.extend(happenings.iter().map(|one| one.customer));
    tally.take(&happenings, ways);
}

/// Takes every message at once.
struct Willing<'r> {
    responses: &'r BTreeMap<String, Draw>,
    taken: u64,
}

impl Provider for Willing<'_> {
    fn answer(&mut self, message: &Handing<'_>) -> Answer {
        self.taken += 1;
        let Some(response) = self.responses.get(&message.row.touchpoint) else {
            return Answer::sent();
        };
        let response = response.value(&mut Chance::of(0, self.taken), self.taken, 0, message.now);
        Answer {
            reply: Reply::Answered(response.into()),
            after: 0,
        }
    }
}

/// All messages of a namespace, in the order of time.
pub fn messages(store: &Memory, namespace: &str) -> Vec<Sent> {
    let rows = store.messages(namespace);
    let mut all: Vec<Sent> = rows
        .into_iter()
        .map(|row| Sent {
            at: show_instant(row.at).unwrap_or_default(),
            customer: store
                .customer(namespace, row.customer)
                .map_or_else(|| row.customer.to_string(), |customer| customer.id.expose().clone()),
            journey: row.journey,
            touchpoint: row.touchpoint,
            step: row.step,
            outcome: match row.outcome {
                None => "under way".into(),
                Some(Outcome::Skipped(reason)) => format!("Skipped: {reason}"),
                Some(Outcome::Failed(reason)) => format!("Failed: {reason}"),
                Some(_) => "Sent".into(),
            },
        })
        .collect();
    all.sort();
    all
}
