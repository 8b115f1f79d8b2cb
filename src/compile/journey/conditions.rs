//! Signals without an event: what they read, so that the store wakes the journey when it changes, and what they are called.

use super::Compiler;
use crate::{
    api::signal::Signal as SignalSpec,
    compile::{Code, profile},
    engine::program::Signal,
    expression::{self, Field},
};
use ring::digest;
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a hash that tell conditions apart.
const NAME_BYTES: usize = 8;

impl Compiler<'_> {
    /// A signal that is `when` alone.
    pub(super) fn lone(&mut self, path: &str, spec: &SignalSpec, roots: &[&Field]) -> Option<Signal> {
        let Some(when) = &spec.when else {
            let help = "name what happens, or say when it holds".to_owned();
            self.report
                .error(Code::SignalOfNothing, path, "a signal needs event, when, or both", help);
            return None;
        };
        if spec.times.is_some() {
            let help = "name the event, or leave times out".to_owned();
            let path = format!("{path}.times");
            self.report.error(
                Code::TimesWithoutEvent,
                path,
                "times counts events: it needs event",
                help,
            );
            return None;
        }
        let when = self.condition(&format!("{path}.when"), when.as_str(), roots)?;
        let inputs = self.inputs(&when);
        self.listens.extend(
            inputs
                .iter()
                .filter(|name| {
                    self.world
                        .profile
                        .attributes
                        .get(*name)
                        .is_some_and(|of| of.is.is_none())
                })
                .map(|name| format!("customer.{name}")),
        );
        Some(Signal {
            event: None,
            when: Some(when),
            times: 1,
        })
    }

    /// Attributes that a condition reads, those that derived ones and the zone stand on among them.
    fn inputs(&self, when: &expression::Program) -> BTreeSet<String> {
        let read = super::attributes_read(when, &self.layout);
        profile::inputs(&self.world.profile, read, when.reads_zone())
    }

    /// Names of the triggers' conditions, and of the first look at every customer that they ask for. A journey that has them hears of
    /// every customer who is new.
    pub(super) fn conditions(&mut self, triggers: &[Signal]) -> (BTreeMap<usize, String>, Option<String>) {
        let mut names = BTreeMap::new();
        let mut stands_on = BTreeSet::new();
        for (n, trigger) in self.spec.entry.triggers.iter().enumerate() {
            if let (None, Some(when)) = (&trigger.event, &trigger.when) {
                names.insert(n, hash([when.as_str()].into_iter()));
                if self.spec.entry.key.is_some() {
                    self.report.error(
                        Code::ConditionWithKey,
                        format!("spec.entry.triggers[{n}].when"),
                        "a condition has no event, and so no value for entry.key: nobody would enter",
                        "leave the key out, or name an event".to_owned(),
                    );
                }
            }
        }
        if names.is_empty() {
            return (names, None);
        }
        self.listens.insert("customer.id".into());
        for when in triggers.iter().filter_map(Signal::condition) {
            stands_on.extend(self.inputs(when));
        }
        let declared = self.world.manifests.profiles.values().next();
        let attributes = stands_on.iter().filter_map(|name| {
            let of = declared?.attributes.get(name)?;
            Some(serde_json::to_string(&(name, of)).unwrap_or_default())
        });
        let zone = declared.and_then(|declared| declared.zone.as_ref());
        let all: Vec<String> = names
            .values()
            .cloned()
            .chain(attributes)
            .chain(zone.map(ToString::to_string))
            .collect();
        (names, Some(hash(all.iter().map(String::as_str))))
    }
}

fn hash<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part.as_bytes());
    }
    let hash = context.finish();
    hash.as_ref()[..NAME_BYTES]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
