//! What is seen only when the journeys of a namespace are looked at together.

use super::touchpoints;
use crate::{
    api::journey::{JourneySpec, Stage},
    compile::{Code, Diagnostic, report::Report, touchpoint::scope, world::World, world::field},
    expression::{self, Layout, OnMissing, Place, Type},
};
use std::collections::{BTreeMap, BTreeSet};

/// Pairs of entries that are compared for one event; what is beyond is not judged.
const PAIRS: usize = 20_000;

pub fn namespace(world: &World<'_>) -> Vec<Diagnostic> {
    let mut found = ends_at_purchase(world);
    found.extend(overlaps(world));
    found
}

/// Journeys for those who may buy, and none for those who did.
fn ends_at_purchase(world: &World<'_>) -> Vec<Diagnostic> {
    let staged: Vec<(&str, Stage)> = world
        .manifests
        .journeys
        .iter()
        .filter_map(|(name, journey)| Some((name.as_str(), journey.spec.stage?)))
        .collect();
    let last = staged.iter().map(|(_, stage)| *stage).max();
    let Some((name, _)) = staged.iter().find(|(_, stage)| Some(*stage) == last) else {
        return vec![];
    };
    // One journey alone is no map.
    if staged.len() < 2 || last != Some(Stage::Purchase) {
        return vec![];
    }
    let mut report = Report::new("Journey", name);
    let message = format!(
        "the map of this namespace's {} journeys ends at Purchase: who bought is left alone",
        staged.len()
    );
    let help = "make a journey of stage Onboarding, Retention or Advocacy".to_owned();
    report.warning(Code::MapEndsAtPurchase, "spec.stage", message, help);
    report.found
}

/// One entrance of a journey.
struct Entrance<'m> {
    journey: &'m str,
    path: String,
    when: Option<expression::Program>,
}

/// Journeys that the same event opens for the same customers, and that send for the same purpose of basis Consent.
fn overlaps(world: &World<'_>) -> Vec<Diagnostic> {
    let mut by_event: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let consented: BTreeMap<&str, BTreeSet<&str>> = world
        .manifests
        .journeys
        .iter()
        .map(|(name, journey)| (name.as_str(), purposes(world, &journey.spec)))
        .filter(|(_, purposes)| !purposes.is_empty())
        .collect();
    for name in consented.keys() {
        for trigger in &world.manifests.journeys[*name].spec.entry.triggers {
            // Conditions alone become true at different moments.
            if let Some(event) = trigger.event.as_ref().map(|event| event.as_str()) {
                by_event.entry(event).or_default().push(name);
            }
        }
    }
    let mut told: BTreeMap<&str, (String, Vec<&str>)> = BTreeMap::new();
    for (event, journeys) in by_event.iter().filter(|(_, journeys)| journeys.len() > 1) {
        let entrances = entrances(world, event, journeys);
        let pairs = entrances
            .iter()
            .enumerate()
            .flat_map(|(n, one)| entrances[..n].iter().map(move |other| (one, other)));
        for (one, other) in pairs.take(PAIRS) {
            let apart = match (&one.when, &other.when) {
                (Some(a), Some(b)) => a.excludes(b),
                (Some(_), None) | (None, Some(_)) | (None, None) => false,
            };
            let shared = !consented[one.journey].is_disjoint(&consented[other.journey]);
            // Of different priorities it is said who goes first; so it is by different expressions, as far as can be told.
            let priority = |journey: &str| &world.manifests.journeys[journey].spec.priority;
            let equal = priority(one.journey) == priority(other.journey);
            if one.journey != other.journey && shared && !apart && equal {
                let (_, others) = told.entry(one.journey).or_insert_with(|| (one.path.clone(), vec![]));
                if !others.contains(&other.journey) {
                    others.push(other.journey);
                }
            }
        }
    }
    let said = told.into_iter().flat_map(|(journey, (path, others))| {
        let mut report = Report::new("Journey", journey);
        let named: Vec<String> = others.iter().take(3).map(|other| format!("'{other}'")).collect();
        let more = others.len().saturating_sub(3);
        let more = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let message = format!(
            "who enters here enters {}{more} too, and they send for the same purpose with the same priority: one customer may get both",
            named.join(", ")
        );
        let help = "let their conditions exclude each other, give them different priorities, or cap the purpose in the PrivacyPolicy".to_owned();
        report.note(Code::EntriesOverlap, path, message, help);
        report.found
    });
    said.collect()
}

/// Entrances by this event. Their conditions are of one layout; an entrance whose condition does not compile is told elsewhere.
fn entrances<'m>(world: &World<'m>, event: &str, journeys: &[&'m str]) -> Vec<Entrance<'m>> {
    let Some(fields) = world.event(event) else {
        return vec![];
    };
    let scope = scope(&[&world.customer, &field("event", Type::object(fields), false)]);
    let place = Place {
        scope: &scope,
        wants: Some(Type::Bool),
        missing: OnMissing::False,
    };
    let mut layout = Layout::default();
    let mut all = vec![];
    let mut seen = BTreeSet::new();
    for journey in journeys.iter().filter(|journey| seen.insert(**journey)) {
        let triggers = world.manifests.journeys[*journey]
            .spec
            .entry
            .triggers
            .iter()
            .enumerate();
        for (n, trigger) in
            triggers.filter(|(_, trigger)| trigger.event.as_ref().map(|event| event.as_str()) == Some(event))
        {
            let when = match &trigger.when {
                Some(when) => match expression::compile(when.as_str(), &place, &mut layout) {
                    Ok(when) => Some(when),
                    Err(_) => continue,
                },
                None => None,
            };
            all.push(Entrance {
                journey,
                path: format!("spec.entry.triggers[{n}]"),
                when,
            });
        }
    }
    all
}

/// Purposes of basis Consent that a journey sends for.
fn purposes<'m>(world: &World<'m>, spec: &'m JourneySpec) -> BTreeSet<&'m str> {
    let of_consent = |purpose: &str| {
        let mut all = world.manifests.policies.values().flat_map(|policy| &policy.purposes);
        all.any(|one| one.name.as_str() == purpose && one.basis == crate::api::privacy_policy::Basis::Consent)
    };
    spec.steps
        .iter()
        .filter_map(|step| step.send.as_ref())
        .flat_map(touchpoints)
        .filter_map(|name| world.outbound(name))
        .map(|outbound| outbound.purpose.as_str())
        .filter(|purpose| of_consent(purpose))
        .collect()
}
