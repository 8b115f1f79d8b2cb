//! What a journey notices: triggers with their keys, exits, goals.

use super::{Compiler, steps::ending};
use crate::{
    api::signal::Signal as SignalSpec,
    compile::{
        Code, chain,
        touchpoint::scope,
        value::{cel, span},
        world::{World, field},
    },
    engine::program::{ExitRule, Goal, Signal},
    expression::{self, Field, OnMissing, Place, Type},
};
use std::collections::{BTreeMap, BTreeSet};

impl Compiler<'_> {
    pub(super) fn triggers(&mut self) -> Vec<Signal> {
        let mut triggers = vec![];
        for (n, signal) in self.spec.entry.triggers.iter().enumerate() {
            let path = format!("spec.entry.triggers[{n}]");
            if let Some(event) = &signal.event
                && World::message_of(event.as_str()).is_some()
                && self.world.event(event.as_str()).is_some()
            {
                let message = format!("'{event}' reaches only customers that are in the journey already");
                self.report.error(
                    Code::TriggerFromInside,
                    format!("{path}.event"),
                    message,
                    "let an inbound touchpoint open the journey".to_owned(),
                );
            }
            let customer = self.world.customer.clone();
            if signal.times.is_some() {
                self.report.error(
                    Code::TimesOnTrigger,
                    format!("{path}.times"),
                    "times has no meaning on a trigger: nothing has begun from which it could count",
                    "let the touchpoint count in an attribute, and ask for it in when".to_owned(),
                );
            }
            triggers.extend(self.signal(&path, signal, &[&customer]));
        }
        if self.spec.entry.triggers.is_empty() && self.spec.choice.as_ref().is_none_or(|choice| !choice.join) {
            self.report.error(
                Code::NobodyEnters,
                "spec.entry.triggers",
                "nobody can enter",
                "name an event that opens the journey, or let customers join: choice.join".to_owned(),
            );
        }
        triggers
    }

    /// Journeys that open each other without a wait would go round for ever; the runner ends that after ten.
    pub(super) fn no_round(&mut self, name: &str) {
        let manifests = self.world.manifests;
        let Some(round) = chain::round(manifests, name) else {
            return;
        };
        let before = round.iter().rev().nth(1).copied().unwrap_or_default();
        let opens = |trigger: &SignalSpec| chain::end_of(trigger) == Some(before);
        let n = self.spec.entry.triggers.iter().position(opens).unwrap_or(0);
        let message = format!(
            "journeys open each other without a wait: {}; after ten in a row nobody enters any more",
            round.join(", then ")
        );
        self.report.warning(
            Code::ChainedRound,
            format!("spec.entry.triggers[{n}].event"),
            message,
            "put a wait into one of them".to_owned(),
        );
    }

    /// The key of every event that has one: of the triggers' for certain, of others where the path is in their schema.
    pub(super) fn keys(&mut self) -> BTreeMap<String, expression::Program> {
        let mut keys = BTreeMap::new();
        let Some(key) = &self.spec.entry.key else { return keys };
        let triggers: BTreeSet<&str> = self
            .spec
            .entry
            .triggers
            .iter()
            .filter_map(|trigger| Some(trigger.event.as_ref()?.as_str()))
            .collect();
        for name in self.listens.clone() {
            let Some(fields) = self.world.event(&name) else {
                continue;
            };
            let scope = scope(&[&field("event", Type::object(fields), false)]);
            let place = Place {
                scope: &scope,
                wants: None,
                missing: OnMissing::Missing,
            };
            let mut layout = self.layout.clone();
            match expression::compile(key.as_str(), &place, &mut layout) {
                Ok(program) if matches!(program.ty(), Type::Text(_) | Type::Int | Type::Bool) => {
                    self.layout = layout;
                    keys.insert(name, program);
                }
                Ok(program) if triggers.contains(name.as_str()) => {
                    let message = format!(
                        "a key is a text or a whole number, this is {:#} of '{name}'",
                        program.ty()
                    );
                    self.report
                        .error(Code::KeyType, "spec.entry.key", message, "write string(...)".to_owned());
                }
                Err(mistakes) if triggers.contains(name.as_str()) => {
                    self.report.expression("spec.entry.key", key.as_str(), mistakes)
                }
                Ok(_) | Err(_) => {}
            }
        }
        keys
    }

    pub(super) fn exits(&mut self) -> Vec<ExitRule> {
        let (customer, entry, steps) = (
            self.world.customer.clone(),
            self.entry.clone(),
            self.flow.steps_field(self.world, None),
        );
        let mut exits = vec![];
        for (n, exit) in self.spec.exits.iter().enumerate() {
            let path = format!("spec.exits[{n}]");
            if let Some(signal) = self.signal(&path, &exit.signal, &[&customer, &entry, &steps]) {
                self.own_message(&path, signal.event.as_deref());
                exits.push(ExitRule {
                    name: exit.name.to_string(),
                    signal,
                    outcome: ending(exit.outcome),
                });
            }
        }
        exits
    }

    pub(super) fn goals(&mut self) -> Vec<Goal> {
        let (customer, entry, steps) = (
            self.world.customer.clone(),
            self.entry.clone(),
            self.flow.steps_field(self.world, None),
        );
        let mut goals = vec![];
        for (n, goal) in self.spec.goals.iter().enumerate() {
            let path = format!("spec.goals[{n}]");
            let signal = self.signal(&path, &goal.signal, &[&customer, &entry, &steps]);
            let value = match &goal.value {
                Some(source) => {
                    // A condition has no event, and an event that is none has been reported.
                    let event = goal.signal.event.as_ref().map(|event| self.world.event(event.as_str()));
                    let event = event.map(|fields| fields.map(|fields| field("event", Type::object(fields), false)));
                    let path = format!("{path}.value");
                    match &event {
                        Some(None) => None,
                        Some(Some(event)) => self.number(&path, source.as_str(), &[&customer, &entry, &steps, event]),
                        None => self.number(&path, source.as_str(), &[&customer, &entry, &steps]),
                    }
                }
                None => None,
            };
            let within = span(&mut self.report, &format!("{path}.within"), &goal.within);
            if let (Some(signal), Some(within)) = (signal, within) {
                self.own_message(&path, signal.event.as_deref());
                goals.push(Goal {
                    name: goal.name.to_string(),
                    signal,
                    within,
                    value,
                });
            }
        }
        goals
    }

    fn number(&mut self, path: &str, source: &str, roots: &[&Field]) -> Option<expression::Program> {
        let scope = scope(roots);
        let place = Place {
            scope: &scope,
            wants: Some(Type::Number),
            missing: OnMissing::Refuse,
        };
        let program = cel(&mut self.report, path, source, &place, &mut self.layout)?;
        self.note(path, &program);
        Some(program)
    }

    /// None: it cannot be made, and the report says why.
    pub(super) fn signal(&mut self, path: &str, signal: &SignalSpec, roots: &[&Field]) -> Option<Signal> {
        let Some(event) = &signal.event else {
            return self.lone(path, signal, roots);
        };
        let name = event.as_str();
        let Some(fields) = self.world.event(name) else {
            let (message, help) = self.world.no_event(name);
            self.report
                .error(Code::UnknownEvent, format!("{path}.event"), message, help);
            return None;
        };
        self.listens.insert(name.into());
        let event = field("event", Type::object(fields), false);
        let mut with_event = roots.to_vec();
        with_event.push(&event);
        let when = match &signal.when {
            Some(when) => Some(self.condition(&format!("{path}.when"), when.as_str(), &with_event)?),
            None => None,
        };
        Some(Signal {
            event: Some(name.into()),
            when,
            times: self.times(path, signal)?,
        })
    }

    fn times(&mut self, path: &str, signal: &SignalSpec) -> Option<u32> {
        let times = u32::try_from(signal.times.unwrap_or(1)).unwrap_or(0);
        if times == 0 {
            let help = "leave it out, or write how many events it takes".to_owned();
            self.report
                .error(Code::TimesZero, format!("{path}.times"), "times is 1 or more", help);
        }
        (times > 0).then_some(times)
    }

    /// What becomes of a message reaches only the enrollment that sent it.
    pub(super) fn own_message(&mut self, path: &str, event: Option<&str>) {
        if let Some(event) = event
            && let Some(touchpoint) = World::message_of(event)
            && !self.sends().any(|(_, sent)| sent == touchpoint)
        {
            let message = format!("'{event}' never comes: no step of this journey sends '{touchpoint}'");
            self.report.warning(
                Code::MessageNeverSent,
                format!("{path}.event"),
                message,
                "send it, or listen to what this journey sends".to_owned(),
            );
        }
    }
}
