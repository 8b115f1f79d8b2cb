//! What a journey is made of: its revision, and what is kept with it.

use super::{
    ConfigMaps, JourneyManifest, Manifests, block,
    chain::{chained, signals},
};
use crate::api::journey::Choice;
use ring::digest;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Characters of a revision: no vowels, so that no word comes out, and none that look alike. As Kubernetes names its own.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const LENGTH: usize = 5;

/// Touchpoints that a journey sends or listens to, as far as they exist.
fn touchpoints<'m>(manifests: &'m Manifests, journey: &'m JourneyManifest) -> BTreeSet<&'m str> {
    let spec = &journey.spec;
    let sends = spec
        .steps
        .iter()
        .filter_map(|step| step.send.as_ref())
        .flat_map(|send| send.touchpoints())
        .map(|touchpoint| touchpoint.as_str());
    let names = signals(spec)
        .filter_map(|signal| signal.event.as_ref()?.as_str().split('/').next())
        .chain(sends);
    names.filter(|name| manifests.touchpoints.contains_key(*name)).collect()
}

/// The revision of a journey: a hash of steps, entry, exits and the touchpoints used, and of nothing else; five characters without vowels.
/// Empty where there is no such journey.
///
/// The texts that a touchpoint includes are a part of what it says, so they are hashed and pinned as if they stood in it: what customers on
/// their way are told must fit what their steps give in `with`. Of a ConfigMap only the entries that can be reached count.
pub fn revision(manifests: &Manifests, journey: &str) -> String {
    let Some(manifest) = manifests.journeys.get(journey) else {
        return String::new();
    };
    let used: Vec<Value> = touchpoints(manifests, manifest)
        .into_iter()
        .map(|name| {
            let spec = manifests.touchpoints.get(name);
            let mut texts = included(manifests, name);
            texts.retain(|_, entries| !entries.is_empty());
            // Without includes it is hashed as it always was.
            match texts.is_empty() {
                true => json!([name, sorted(json!(spec))]),
                false => json!([name, sorted(json!(spec)), texts]),
            }
        })
        .collect();
    let of = sorted(json!({
        "steps": manifest.spec.steps, "entry": manifest.spec.entry, "exits": manifest.spec.exits, "touchpoints": used,
    }));
    let hash = digest::digest(&digest::SHA256, of.to_string().as_bytes());
    hash.as_ref()
        .iter()
        .take(LENGTH)
        .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
        .collect()
}

/// What the messages of a touchpoint include.
fn included(manifests: &Manifests, touchpoint: &str) -> ConfigMaps {
    let outbound = manifests
        .touchpoints
        .get(touchpoint)
        .and_then(|spec| spec.outbound.as_ref());
    outbound.map(|spec| block::used(manifests, spec)).unwrap_or_default()
}

/// The same for objects whose fields were written in another order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => scalar,
    }
}

/// What is pinned with a revision: the journey and the touchpoints it uses (sends and listens to). Other kinds hold as of now.
pub fn pinned(manifests: &Manifests, journey: &str) -> Manifests {
    let mut pinned = Manifests {
        namespace: manifests.namespace.clone(),
        ..Manifests::default()
    };
    if let Some(manifest) = manifests.journeys.get(journey) {
        pinned.journeys.insert(journey.into(), manifest.clone());
        pinned.chained = chained(&manifest.spec).map(str::to_owned).collect();
        for name in touchpoints(manifests, manifest) {
            pinned.touchpoints.extend(
                manifests
                    .touchpoints
                    .get(name)
                    .map(|spec| (name.to_owned(), spec.clone())),
            );
            pinned.choices.extend(offered(manifests, name));
            for (map, entries) in included(manifests, name) {
                pinned.config_maps.entry(map).or_default().extend(entries);
            }
        }
    }
    pinned
}

/// Journeys that a touchpoint may offer to join: their choices are pinned, so that a revision compiles whatever becomes of them; the page
/// behind the link asks for them as they are. Names that its texts mention are enough: one too many does no harm.
fn offered(manifests: &Manifests, touchpoint: &str) -> BTreeMap<String, Choice> {
    let Some(outbound) = manifests
        .touchpoints
        .get(touchpoint)
        .and_then(|spec| spec.outbound.as_ref())
    else {
        return BTreeMap::new();
    };
    let translated = outbound
        .translations
        .iter()
        .flatten()
        .flat_map(|(_, fields)| fields.values());
    let included = included(manifests, touchpoint);
    let own = outbound
        .content
        .values()
        .chain(translated)
        .map(|template| template.as_str());
    let texts: Vec<&str> = own
        .chain(included.values().flat_map(BTreeMap::values).map(String::as_str))
        .filter(|text| text.contains("join_link"))
        .collect();
    if texts.is_empty() {
        return BTreeMap::new();
    }
    let named = |(name, _): &(String, Choice)| texts.iter().any(|text| text.contains(name.as_str()));
    choices(manifests).into_iter().filter(named).collect()
}

/// What customers may do with each journey.
pub fn choices(manifests: &Manifests) -> BTreeMap<String, Choice> {
    let mut all = manifests.choices.clone();
    for (name, manifest) in &manifests.journeys {
        match &manifest.spec.choice {
            Some(choice) => drop(all.insert(name.clone(), choice.clone())),
            None => drop(all.remove(name)),
        }
    }
    all
}

/// What runners and gateway share: everything but the journeys, of which they know what customers may do with them; of the ConfigMaps those
/// that touchpoints include from.
pub fn settings(manifests: &Manifests) -> Manifests {
    let named: BTreeSet<&str> = block::named(manifests).collect();
    let mut settings = Manifests {
        journeys: Default::default(),
        choices: choices(manifests),
        ..manifests.clone()
    };
    settings.config_maps.retain(|name, _| named.contains(name.as_str()));
    settings
}
