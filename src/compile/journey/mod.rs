//! A journey: its scopes, its steps, what it sends, and what the policies let it read.

mod conditions;
mod pace;
mod priority;
mod sends;
mod signals;
mod split;
mod steps;
mod waits;

pub use sends::given;

use super::{
    Code, Compiled, Diagnostic, Manifests, Severity, adapter,
    flow::Flow,
    kpi::kpis,
    lint, quiet,
    report::{Report, instead},
    residency,
    touchpoint::{attributes_read, scope},
    value::{cel, percent, span},
    world::World,
};
use crate::{
    api::{PrivacyPolicySpec, journey::JourneySpec, measure::Side},
    engine::{
        Program,
        program::{Holdout, Outbound, Reentry},
    },
    expression::{self, Field, Layout, OnMissing, Place, Type},
    policy::{self, EffectivePolicy},
};
use std::collections::{BTreeMap, BTreeSet};

/// Compiles one journey.
pub fn compile(manifests: &Manifests, name: &str) -> Result<Compiled, Vec<Diagnostic>> {
    compile_in(&World::of(manifests), name)
}

/// One of several journeys of the same namespace.
pub fn compile_in(world: &World<'_>, name: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let manifests = world.manifests;
    let mut report = Report::new("Journey", name);
    let Some(manifest) = manifests.journeys.get(name) else {
        let help = instead(name, manifests.journeys.keys().map(String::as_str), "make it");
        report.error(
            Code::UnknownJourney,
            "metadata.name",
            format!("there is no journey '{name}'"),
            help,
        );
        return Err(report.found);
    };
    let selecting: Vec<(&str, &PrivacyPolicySpec)> = super::selecting(manifests, manifest).collect();
    let mut compiler = Compiler::new(world, name, &manifest.spec, report, selecting);
    let program = compiler.program();
    let mut found = compiler.report.found;
    found.append(&mut compiler.elsewhere);
    match program {
        Some(program) if found.iter().all(|one| one.severity != Severity::Error) => Ok(Compiled {
            program,
            warnings: found,
        }),
        _ => Err(found),
    }
}

struct Compiler<'m> {
    world: &'m World<'m>,
    name: &'m str,
    spec: &'m JourneySpec,
    flow: Flow<'m>,
    report: Report,
    /// What is wrong with the touchpoints it sends.
    elsewhere: Vec<Diagnostic>,
    layout: Layout,
    listens: BTreeSet<String>,
    /// Attributes that the journey's own expressions read, with the first place that does.
    reads: BTreeMap<String, String>,
    entry: Field,
    /// Conditions by their path.
    conditions: BTreeMap<String, expression::Program>,
    /// The policies that select the journey, by name, and what they say together.
    selecting: Vec<(&'m str, &'m PrivacyPolicySpec)>,
    policy: EffectivePolicy,
}

impl<'m> Compiler<'m> {
    fn new(
        world: &'m World<'m>,
        name: &'m str,
        spec: &'m JourneySpec,
        report: Report,
        selecting: Vec<(&'m str, &'m PrivacyPolicySpec)>,
    ) -> Self {
        let mut triggers: Vec<Option<&str>> = spec
            .entry
            .triggers
            .iter()
            .map(|trigger| trigger.event.as_ref().map(|event| event.as_str()))
            .collect();
        // Who joins brings no event: all of the entry may be missing.
        let joinable = spec.choice.as_ref().is_some_and(|choice| choice.join);
        triggers.extend(joinable.then_some(None));
        Self {
            world,
            name,
            spec,
            flow: Flow::of(&spec.steps),
            report,
            elsewhere: vec![],
            layout: Layout::default(),
            listens: BTreeSet::new(),
            reads: BTreeMap::new(),
            entry: Field {
                may_be_missing: triggers.iter().any(Option::is_none),
                ..world.union("entry", &triggers)
            },
            conditions: BTreeMap::new(),
            policy: policy::merge(&selecting.iter().map(|(_, policy)| *policy).collect::<Vec<_>>()),
            selecting,
        }
    }

    fn program(&mut self) -> Option<Program> {
        let name = self.name;
        let manifests = self.world.manifests;
        let triggers = self.triggers();
        self.no_round(name);
        let (condition_names, first_sight) = self.conditions(&triggers);
        let reentry = self.reentry();
        let holdout = self.holdout();
        let priority = self.priority();
        let pace = self.pace();
        let steps = self.steps();
        let exits = self.exits();
        let goals = self.goals();
        let keys = self.keys();
        let outbound = self.outbound();
        if let Some(manifest) = manifests.journeys.get(name) {
            residency::mark(manifests, manifests, manifest, &mut self.policy);
        }
        let quiet_while = quiet::conditions(self.world, &self.selecting, &mut self.layout, &mut self.elsewhere);
        self.allowed();
        self.lint(&outbound);
        let adapters = outbound
            .values()
            .filter_map(|of| manifests.adapters.get_key_value(&of.adapter));
        Some(Program {
            namespace: manifests.namespace.clone(),
            journey: name.into(),
            revision: super::revision(manifests, name),
            triggers,
            condition_names,
            first_sight,
            keys,
            keyed: self.spec.entry.key.is_some(),
            reentry,
            holdout,
            priority: priority?,
            joinable: self.spec.choice.as_ref().is_some_and(|choice| choice.join),
            pace,
            steps: steps?,
            exits,
            goals,
            adapters: adapters.map(|(name, spec)| (name.clone(), spec.clone())).collect(),
            public_url: adapter::public_url(manifests),
            kpis: kpis(self.spec),
            outbound,
            layout: std::mem::take(&mut self.layout),
            policy: std::mem::take(&mut self.policy),
            quiet_while,
            profile: self.world.profile.clone(),
            suspended: self.spec.suspend,
            listens: std::mem::take(&mut self.listens),
        })
    }

    /// A condition of the journey; over what is missing it is false.
    fn condition(&mut self, path: &str, source: &str, roots: &[&Field]) -> Option<expression::Program> {
        let scope = scope(roots);
        let place = Place {
            scope: &scope,
            wants: Some(Type::Bool),
            missing: OnMissing::False,
        };
        let program = cel(&mut self.report, path, source, &place, &mut self.layout)?;
        self.note(path, &program);
        self.conditions.insert(path.to_owned(), program.clone());
        Some(program)
    }

    /// Remembers what the journey itself reads of the customer.
    fn note(&mut self, path: &str, program: &expression::Program) {
        for attribute in attributes_read(program, &self.layout) {
            self.reads.entry(attribute).or_insert_with(|| path.to_owned());
        }
    }

    /// The touchpoints that steps send, with the path where each stands.
    fn sends(&self) -> impl Iterator<Item = (String, &'m str)> + use<'m> {
        let steps = self.spec.steps.iter().enumerate();
        steps
            .filter_map(|(at, step)| step.send.as_ref().map(|send| (at, send)))
            .flat_map(|(at, send)| {
                let path = format!("spec.steps[{at}].send");
                let one = send
                    .touchpoint
                    .iter()
                    .map(|touchpoint| (format!("{path}.touchpoint"), touchpoint.as_str()));
                let several = send
                    .one_of
                    .iter()
                    .flatten()
                    .enumerate()
                    .map(|(n, candidate)| (format!("{path}.oneOf[{n}].touchpoint"), candidate.touchpoint.as_str()));
                one.chain(several).collect::<Vec<_>>()
            })
    }

    fn reentry(&mut self) -> Reentry {
        let Some(of) = &self.spec.entry.reentry else {
            return Reentry::default();
        };
        Reentry {
            cooldown: of
                .cooldown
                .as_ref()
                .and_then(|text| span(&mut self.report, "spec.entry.reentry.cooldown", text)),
            max: of.max.map(|max| u32::try_from(max).unwrap_or(0)),
        }
    }

    /// Who is held out. The salts of groups and journeys differ from each other and from those of splits.
    fn holdout(&mut self) -> Option<Holdout> {
        let spec = self.spec.holdout.as_ref()?;
        let Some(share) = percent(spec.percent.as_str()) else {
            let message = format!("'{}' is no percentage", spec.percent);
            let help = "write it like \"10%\" or \"0.5%\", from 0% to 100%".to_owned();
            self.report
                .error(Code::HoldoutPercent, "spec.holdout.percent", message, help);
            return None;
        };
        let namespace = &self.world.manifests.namespace;
        Some(Holdout {
            salt: match &spec.group {
                Some(group) => format!("holdout:{namespace}/group:{group}"),
                None => format!("holdout:{namespace}/journey:{}", self.name),
            },
            share: (share * 1e6).round() as u32,
        })
    }

    /// The journey's own expressions may read what its purposes allow together; one that sends nothing, what any purpose of its
    /// policies allows.
    fn allowed(&mut self) {
        let purposes: BTreeSet<&str> = self
            .sends()
            .filter_map(|(_, name)| self.world.outbound(name))
            .map(|outbound| outbound.purpose.as_str())
            .collect();
        // A purpose that is not in the policies is told already, and what it would allow is not known.
        if !purposes
            .iter()
            .all(|purpose| self.policy.purposes.contains_key(*purpose))
        {
            return;
        }
        let allowing = self
            .policy
            .purposes
            .iter()
            .filter(|(name, _)| purposes.is_empty() || purposes.contains(name.as_str()));
        let allowed: BTreeSet<&String> = allowing.flat_map(|(_, purpose)| &purpose.attributes).collect();
        let denied: Vec<(String, String)> = self
            .reads
            .iter()
            .filter(|(attribute, _)| !allowed.contains(attribute))
            .map(|(a, b)| (a.clone(), b.clone()))
            .collect();
        for (attribute, path) in denied {
            let message = if purposes.is_empty() {
                format!("no purpose of this journey's policies allows customer.{attribute}")
            } else {
                format!(
                    "no purpose of this journey ({}) allows customer.{attribute}",
                    purposes.iter().copied().collect::<Vec<_>>().join(", ")
                )
            };
            self.report.error(
                Code::AttributeNotAllowedInJourney,
                path,
                message,
                format!("add {attribute} to the attributes of one of them in the PrivacyPolicy"),
            );
        }
    }

    fn choice(&mut self) {
        let Some(choice) = &self.spec.choice else { return };
        if choice.join && self.spec.entry.key.is_some() {
            let message = "who joins brings no event to take entry.key from";
            let help = "leave out entry.key, or join: false".to_owned();
            self.report.error(Code::JoinWithKey, "spec.choice.join", message, help);
        }
        if (choice.join || choice.leave) && adapter::public_url(self.world.manifests).is_none() {
            let message =
                "customers reach the page of a choice only by an app: no http adapter of the namespace has a publicUrl";
            let help = "add publicUrl to a ChannelAdapter with http".to_owned();
            self.report
                .warning(Code::ChoiceWithoutPage, "spec.choice", message, help);
        }
    }

    fn lint(&mut self, outbound: &BTreeMap<String, Outbound>) {
        self.flow.lint(&mut self.report);
        self.choice();
        let sends = self.sends();
        residency::lint(&mut self.report, self.world.manifests, self.name, sends);
        let subject = lint::Subject {
            spec: self.spec,
            world: self.world,
            flow: &self.flow,
            policy: &self.policy,
            conditions: &self.conditions,
            layout: &self.layout,
            outbound,
        };
        lint::journey(&mut self.report, &mut self.elsewhere, &subject);
        if !self.spec.goals.is_empty() && self.spec.goals.iter().all(|goal| goal.side != Side::Customer) {
            let help = "add a goal with side: Customer: what do they gain?".to_owned();
            self.report
                .warning(Code::NoCustomerGoal, "spec.goals", "no goal is the customer's", help);
        }
        for (n, kpi) in self.spec.kpis.iter().enumerate() {
            let path = format!("spec.kpis[{n}]");
            if self.spec.goals.iter().all(|goal| goal.name != kpi.goal.name) {
                let help = instead(
                    kpi.goal.name.as_str(),
                    self.spec.goals.iter().map(|goal| goal.name.as_str()),
                    "name a goal of this journey",
                );
                self.report.error(
                    Code::UnknownGoal,
                    format!("{path}.goal.name"),
                    format!("there is no goal '{}'", kpi.goal.name),
                    help,
                );
            }
            span(&mut self.report, &format!("{path}.window"), &kpi.window);
            super::kpi::check(&mut self.report, &path, kpi);
        }
    }
}
