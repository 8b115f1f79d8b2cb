//! The steps: each kind's fields become an action, names become indices.

use super::Compiler;
use crate::{
    api::{
        opaque::Scalars,
        step::{Branch, Outcome, Step as StepSpec},
        text::Name,
    },
    compile::{
        Code,
        report::instead,
        touchpoint::{self, readable_name, scope},
        value::{is_rewritten_key, scalar},
        world::yaml_keys,
    },
    engine::{
        program::{Step, StepAction},
        state::Ending,
    },
    expression::{self, Field, OnMissing, Place},
};
use std::collections::BTreeSet;

impl<'m> Compiler<'m> {
    /// None: a step cannot be made, and the report says why.
    pub(super) fn steps(&mut self) -> Option<Vec<Step>> {
        let mut names = BTreeSet::new();
        for (n, step) in self.spec.steps.iter().enumerate() {
            if !names.insert(step.name.as_str()) {
                let message = format!("there are two steps '{}'", step.name);
                self.report.error(
                    Code::SameStepName,
                    format!("spec.steps[{n}].name"),
                    message,
                    "give each step its own name".to_owned(),
                );
            }
        }
        let steps: Vec<Option<Step>> = (0..self.spec.steps.len()).map(|n| self.step(n)).collect();
        steps.into_iter().collect()
    }

    fn step(&mut self, n: usize) -> Option<Step> {
        let spec: &'m StepSpec = &self.spec.steps[n];
        let path = format!("spec.steps[{n}]");
        let (customer, entry, steps) = (
            self.world.customer.clone(),
            self.entry.clone(),
            self.flow.steps_at(self.world, n),
        );
        let roots = [&customer, &entry, &steps];
        let below = (n + 1 < self.spec.steps.len()).then_some(n + 1);
        let next = match &spec.next {
            Some(name) => self.index(&format!("{path}.next"), name).map(Some),
            None => Some(below),
        };
        let action = match (&spec.wait, &spec.send, &spec.split, &spec.branch, &spec.set, &spec.exit) {
            (Some(wait), None, None, None, None, None) => self.wait(&path, wait, &roots)?,
            (None, Some(send), None, None, None, None) => self.send(&path, send, &roots)?,
            (None, None, Some(split), None, None, None) => self.split(n, split)?,
            (None, None, None, Some(branch), None, None) => self.branch(&path, branch, &roots)?,
            (None, None, None, None, Some(set), None) => self.set(&path, set, &roots),
            (None, None, None, None, None, Some(exit)) => StepAction::Exit(ending(exit.outcome)),
            _ => {
                let message = format!("step '{}' must do exactly one thing", spec.name);
                self.report.error(
                    Code::NotOneThing,
                    path,
                    message,
                    "give it one of wait, send, split, branch, set, exit".to_owned(),
                );
                return None;
            }
        };
        Some(Step {
            name: spec.name.to_string(),
            action,
            next: next?,
        })
    }

    fn branch(&mut self, path: &str, branch: &Branch, roots: &[&Field]) -> Option<StepAction> {
        let path = format!("{path}.branch");
        let mut cases = vec![];
        for (n, case) in branch.cases.iter().enumerate() {
            let path = format!("{path}.cases[{n}]");
            let when = self.condition(&format!("{path}.when"), case.when.as_str(), roots);
            cases.extend(when.zip(self.index(&format!("{path}.next"), &case.next)));
        }
        Some(StepAction::Branch {
            cases,
            otherwise: self.index(&format!("{path}.otherwise"), &branch.otherwise)?,
        })
    }

    fn set(&mut self, path: &str, set: &Scalars, roots: &[&Field]) -> StepAction {
        let scope = scope(roots);
        let mut all = vec![];
        for (attribute, value) in set {
            let path = format!("{path}.set.{attribute}");
            let program = touchpoint::assignment(
                &mut self.report,
                &path,
                self.world,
                attribute,
                value,
                &scope,
                &mut self.layout,
            );
            if let Some(program) = program {
                self.note(&path, &program);
                all.push((attribute.clone(), program));
            }
        }
        StepAction::Set(all)
    }

    pub(super) fn with<'a>(
        &mut self,
        path: &str,
        all: impl Iterator<Item = (&'a String, &'a crate::api::opaque::Scalar)>,
        roots: &[&Field],
    ) -> Vec<(String, expression::Program)> {
        let scope = scope(roots);
        let mut with = vec![];
        for (name, value) in all {
            let path = format!("{path}.with.{name}");
            if is_rewritten_key(name) {
                self.report.error(
                    Code::KeyWasRewritten,
                    path,
                    format!("content cannot read with.{name}"),
                    yaml_keys(),
                );
                continue;
            }
            if !readable_name(name) {
                let message =
                    format!("content cannot read with.{name}: a name is a letter, then letters, digits and _");
                self.report
                    .error(Code::WithName, path, message, "choose another name".to_owned());
                continue;
            }
            let place = Place {
                scope: &scope,
                wants: None,
                missing: OnMissing::Refuse,
            };
            if let Some(program) = scalar(&mut self.report, &path, value, &place, &mut self.layout) {
                self.note(&path, &program);
                with.push((name.clone(), program));
            }
        }
        with
    }

    pub(super) fn index(&mut self, path: &str, name: &Name) -> Option<usize> {
        let found = self.spec.steps.iter().position(|step| step.name == *name);
        if found.is_none() {
            let help = instead(
                name.as_str(),
                self.spec.steps.iter().map(|step| step.name.as_str()),
                "name a step of this journey",
            );
            self.report
                .error(Code::UnknownStep, path, format!("there is no step '{name}'"), help);
        }
        found
    }
}

pub(super) fn ending(outcome: Outcome) -> Ending {
    match outcome {
        Outcome::Completed => Ending::Completed,
        Outcome::Converted => Ending::Converted,
        Outcome::Disqualified => Ending::Disqualified,
        Outcome::Failed => Ending::Failed,
    }
}
