//! Texts that messages include: entries of ConfigMaps, found by their keys in the order in which a touchpoint names the ConfigMaps.

use super::Manifests;
use crate::{
    api::touchpoint::Outbound,
    template::include::{Reached, reach},
};
use std::{collections::BTreeMap, sync::Arc};

/// ConfigMaps by name, each with its entries.
pub type ConfigMaps = BTreeMap<String, BTreeMap<String, String>>;

/// What a template of this touchpoint reaches.
pub fn reached(manifests: &Manifests, spec: &Outbound, source: &str) -> Reached {
    reach(source, |key| {
        let (_, text) = place(manifests, spec, key)?;
        Some(Arc::from(text))
    })
}

/// The first ConfigMap that has the key.
fn place<'m>(manifests: &'m Manifests, spec: &'m Outbound, key: &str) -> Option<(&'m str, &'m str)> {
    spec.includes.iter().flatten().find_map(|name| {
        let text = manifests.config_maps.get(name.as_str())?.get(key)?;
        Some((name.as_str(), text.as_str()))
    })
}

/// The entries that the messages of a touchpoint can reach, and no others: what is pinned and hashed with a revision. A ConfigMap that is
/// named is here also when none of its entries is read.
pub fn used(manifests: &Manifests, spec: &Outbound) -> ConfigMaps {
    let mut used = ConfigMaps::new();
    for name in spec.includes.iter().flatten().map(|name| name.as_str()) {
        if manifests.config_maps.contains_key(name) {
            used.entry(name.to_owned()).or_default();
        }
    }
    if used.is_empty() {
        return used;
    }
    let translated = spec
        .translations
        .iter()
        .flatten()
        .flat_map(|(_, fields)| fields.values());
    for source in spec.content.values().chain(translated) {
        for key in reached(manifests, spec, source.as_str()).texts.into_keys() {
            if let Some((name, text)) = place(manifests, spec, &key) {
                used.entry(name.to_owned()).or_default().insert(key, text.to_owned());
            }
        }
    }
    used
}

/// Names of the ConfigMaps that any touchpoint includes from: no other is looked at.
pub fn named(manifests: &Manifests) -> impl Iterator<Item = &str> {
    let outbound = manifests.touchpoints.values().filter_map(|spec| spec.outbound.as_ref());
    outbound
        .flat_map(|spec| spec.includes.iter().flatten())
        .map(|name| name.as_str())
}
