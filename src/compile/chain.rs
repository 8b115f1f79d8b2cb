//! Journeys that begin where others end.

use super::{Manifests, flow::Flow};
use crate::api::{journey::JourneySpec, signal::Signal, step::Step};
use std::collections::BTreeSet;

/// Every signal of a journey: of its triggers, waits, exits and goals.
pub fn signals(spec: &JourneySpec) -> impl Iterator<Item = &Signal> {
    let waits = spec.steps.iter().flat_map(Step::until);
    spec.entry
        .triggers
        .iter()
        .chain(waits.map(|until| &until.signal))
        .chain(spec.exits.iter().map(|exit| &exit.signal))
        .chain(spec.goals.iter().map(|goal| &goal.signal))
}

/// The journey whose end a signal waits for.
pub fn end_of(signal: &Signal) -> Option<&str> {
    signal.event.as_ref().and_then(|event| ends(event.as_str()))
}

/// The journey whose end this event is.
pub fn ends(event: &str) -> Option<&str> {
    event.strip_prefix("journey/")
}

/// Journeys whose ends this one listens for.
pub fn chained(spec: &JourneySpec) -> impl Iterator<Item = &str> {
    signals(spec).filter_map(end_of)
}

/// The journeys that the end of `journey` opens, and they each other, until it is opened once more, where nobody waits on the way; None: there
/// is no such round. They begin and end with `journey`.
pub fn round<'m>(manifests: &'m Manifests, journey: &'m str) -> Option<Vec<&'m str>> {
    let passes = |name: &str| {
        let manifest = manifests.journeys.get(name);
        manifest.is_some_and(|manifest| Flow::of(&manifest.spec.steps).passes())
    };
    let opens = |from: &'m str| {
        manifests.journeys.iter().filter_map(move |(name, manifest)| {
            let mut triggers = manifest.spec.entry.triggers.iter();
            let opened = triggers.any(|trigger| end_of(trigger) == Some(from));
            (opened && passes(name)).then_some(name.as_str())
        })
    };
    let own = &manifests.journeys.get(journey)?.spec.entry.triggers;
    if !own.iter().any(|trigger| end_of(trigger).is_some()) || !passes(journey) {
        return None;
    }
    let (mut seen, mut open) = (BTreeSet::new(), vec![vec![journey]]);
    while let Some(way) = open.pop() {
        for next in opens(way.last().copied().unwrap_or(journey)) {
            let longer: Vec<&str> = way.iter().copied().chain([next]).collect();
            if next == journey {
                return Some(longer);
            }
            if seen.insert(next) {
                open.push(longer);
            }
        }
    }
    None
}
