//! A journey: its scopes, its steps, what it sends, and what the policies let it read.

use super::{
    Code, Compiled, Diagnostic, Manifests, Severity, adapter,
    flow::Flow,
    kpi::kpis,
    report::{Report, instead},
    selector, touchpoint,
    touchpoint::{Surroundings, attributes_read, readable_name, scope},
    value::{cel, is_rewritten_key, scalar, span},
    world::{World, field, yaml_keys},
};
use crate::{
    api::{
        PrivacyPolicySpec,
        journey::JourneySpec,
        measure::Side,
        signal::Signal,
        step::{Outcome, Step as StepSpec},
        text::Name,
    },
    engine::{
        Program,
        program::{ExitRule, Goal, Outbound, Reentry, Step, StepAction, Trigger, Until},
        state::Ending,
    },
    expression::{self, Field, Layout, OnMissing, Place, Type},
    policy::{self, EffectivePolicy},
};
use std::collections::{BTreeMap, BTreeSet};

/// Compiles one journey.
pub fn compile(manifests: &Manifests, name: &str) -> Result<Compiled, Vec<Diagnostic>> {
    let mut report = Report::new("Journey", name);
    let Some(manifest) = manifests.journeys.get(name) else {
        let help = instead(name, manifests.journeys.keys().map(String::as_str), "make it");
        report.error(
            Code::Reference,
            "metadata.name",
            format!("there is no journey '{name}'"),
            help,
        );
        return Err(report.found);
    };
    let world = World::of(manifests);
    let selecting: Vec<(&str, &PrivacyPolicySpec)> = manifests
        .policies
        .iter()
        .filter(|(_, policy)| selector::selects(policy.journey_selector.as_ref(), &manifest.labels))
        .map(|(name, policy)| (name.as_str(), policy))
        .collect();
    let mut compiler = Compiler::new(&world, &manifest.spec, report, selecting);
    let program = compiler.program(name);
    let mut found = compiler.report.found;
    found.append(&mut compiler.elsewhere);
    match program {
        Some(program) if found.iter().all(|one| one.severity == Severity::Warning) => Ok(Compiled {
            program,
            warnings: found,
        }),
        _ => Err(found),
    }
}

struct Compiler<'m> {
    world: &'m World<'m>,
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
    /// The policies that select the journey, by name, and what they say together.
    selecting: Vec<(&'m str, &'m PrivacyPolicySpec)>,
    policy: EffectivePolicy,
}

impl<'m> Compiler<'m> {
    fn new(
        world: &'m World<'m>,
        spec: &'m JourneySpec,
        report: Report,
        selecting: Vec<(&'m str, &'m PrivacyPolicySpec)>,
    ) -> Self {
        let triggers: Vec<Option<&str>> = spec
            .entry
            .triggers
            .iter()
            .map(|trigger| Some(trigger.event.as_str()))
            .collect();
        Self {
            world,
            spec,
            flow: Flow::of(&spec.steps),
            report,
            elsewhere: vec![],
            layout: Layout::default(),
            listens: BTreeSet::new(),
            reads: BTreeMap::new(),
            entry: Field {
                may_be_missing: false,
                ..world.union("entry", &triggers)
            },
            policy: policy::merge(&selecting.iter().map(|(_, policy)| *policy).collect::<Vec<_>>()),
            selecting,
        }
    }

    fn program(&mut self, name: &str) -> Option<Program> {
        let manifests = self.world.manifests;
        let triggers = self.triggers();
        let reentry = self.reentry();
        let steps = self.steps();
        let exits = self.exits();
        let goals = self.goals();
        let keys = self.keys();
        let outbound = self.outbound();
        self.allowed();
        self.lint();
        let adapters = outbound
            .values()
            .filter_map(|of| manifests.adapters.get_key_value(&of.adapter));
        Some(Program {
            namespace: manifests.namespace.clone(),
            journey: name.into(),
            revision: super::revision(manifests, name),
            triggers,
            keys,
            keyed: self.spec.entry.key.is_some(),
            reentry,
            steps: steps?,
            exits,
            goals,
            adapters: adapters.map(|(name, spec)| (name.clone(), spec.clone())).collect(),
            public_url: adapter::public_url(manifests),
            kpis: kpis(self.spec),
            outbound,
            layout: std::mem::take(&mut self.layout),
            policy: std::mem::take(&mut self.policy),
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
        Some(program)
    }

    /// Remembers what the journey itself reads of the customer.
    fn note(&mut self, path: &str, program: &expression::Program) {
        for attribute in attributes_read(program, &self.layout) {
            self.reads.entry(attribute).or_insert_with(|| path.to_owned());
        }
    }

    /// A signal's event, as the field that expressions see, and its condition.
    fn signal(
        &mut self,
        path: &str,
        signal: &Signal,
        roots: &[&Field],
    ) -> Option<(String, Option<expression::Program>)> {
        let name = signal.event.as_str();
        let Some(fields) = self.world.event(name) else {
            let (message, help) = self.world.no_event(name);
            self.report
                .error(Code::Reference, format!("{path}.event"), message, help);
            return None;
        };
        self.listens.insert(name.into());
        let event = field("event", Type::object(fields), false);
        let mut with_event = roots.to_vec();
        with_event.push(&event);
        match &signal.when {
            Some(when) => Some((
                name.into(),
                Some(self.condition(&format!("{path}.when"), when.as_str(), &with_event)?),
            )),
            None => Some((name.into(), None)),
        }
    }

    /// What becomes of a message reaches only the enrollment that sent it.
    fn own_message(&mut self, path: &str, event: &str) {
        if let Some((touchpoint, _)) = event.split_once('/')
            && touchpoint != "consent"
            && !self.sends().any(|(_, sent)| sent == touchpoint)
        {
            let message = format!("'{event}' never comes: no step of this journey sends '{touchpoint}'");
            self.report.warning(
                Code::Flow,
                format!("{path}.event"),
                message,
                "send it, or listen to what this journey sends".to_owned(),
            );
        }
    }

    /// Steps that send, with the touchpoint.
    fn sends(&self) -> impl Iterator<Item = (usize, &'m str)> + use<'m> {
        let sends = self.spec.steps.iter().enumerate();
        sends.filter_map(|(at, step)| step.send.as_ref().map(|send| (at, send.touchpoint.as_str())))
    }

    fn triggers(&mut self) -> Vec<Trigger> {
        let mut triggers = vec![];
        for (n, signal) in self.spec.entry.triggers.iter().enumerate() {
            let path = format!("spec.entry.triggers[{n}]");
            if let Some((touchpoint, _)) = signal.event.as_str().split_once('/')
                && touchpoint != "consent"
                && self.world.event(signal.event.as_str()).is_some()
            {
                let message = format!(
                    "'{}' reaches only customers that are in the journey already",
                    signal.event
                );
                self.report.error(
                    Code::Flow,
                    format!("{path}.event"),
                    message,
                    "let an inbound touchpoint open the journey".to_owned(),
                );
            }
            let customer = self.world.customer.clone();
            triggers.extend(
                self.signal(&path, signal, &[&customer])
                    .map(|(event, when)| Trigger { event, when }),
            );
        }
        if self.spec.entry.triggers.is_empty() {
            self.report.error(
                Code::Value,
                "spec.entry.triggers",
                "nobody can enter",
                "name an event that opens the journey".to_owned(),
            );
        }
        triggers
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

    /// The key of every event that has one: of the triggers' for certain, of others where the path is in their schema.
    fn keys(&mut self) -> BTreeMap<String, expression::Program> {
        let mut keys = BTreeMap::new();
        let Some(key) = &self.spec.entry.key else { return keys };
        let triggers: BTreeSet<&str> = self
            .spec
            .entry
            .triggers
            .iter()
            .map(|trigger| trigger.event.as_str())
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
                    self.report.error(
                        Code::Expression,
                        "spec.entry.key",
                        message,
                        "write string(...)".to_owned(),
                    );
                }
                Err(mistakes) if triggers.contains(name.as_str()) => {
                    self.report.expression("spec.entry.key", key.as_str(), mistakes)
                }
                Ok(_) | Err(_) => {}
            }
        }
        keys
    }

    /// None: a step cannot be made, and the report says why.
    fn steps(&mut self) -> Option<Vec<Step>> {
        let mut names = BTreeSet::new();
        for (n, step) in self.spec.steps.iter().enumerate() {
            if !names.insert(step.name.as_str()) {
                let message = format!("there are two steps '{}'", step.name);
                self.report.error(
                    Code::Value,
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
        let action = match (&spec.wait, &spec.send, &spec.branch, &spec.set, &spec.exit) {
            (Some(wait), None, None, None, None) => {
                let path = format!("{path}.wait");
                let for_ = match &wait.for_ {
                    Some(text) => Some(span(&mut self.report, &format!("{path}.for"), text)?),
                    None => None,
                };
                let mut until = vec![];
                for (n, of) in wait.until.iter().flatten().enumerate() {
                    let path = format!("{path}.until[{n}]");
                    let signal = self.signal(&path, &of.signal, &roots);
                    let next = self.index(&format!("{path}.next"), &of.next);
                    if let (Some((event, when)), Some(next)) = (signal, next) {
                        self.own_message(&path, &event);
                        until.push(Until { event, when, next });
                    }
                }
                if wait.for_.is_none() && wait.until.is_none() {
                    self.report.error(Code::Value, path, "a wait needs for or until", None);
                }
                StepAction::Wait { for_, until }
            }
            (None, Some(send), None, None, None) => {
                let path = format!("{path}.send");
                if self.world.outbound(send.touchpoint.as_str()).is_none() {
                    let (message, help) = self.world.not_outbound(send.touchpoint.as_str());
                    self.report
                        .error(Code::Reference, format!("{path}.touchpoint"), message, help);
                }
                let otherwise = match &send.otherwise {
                    Some(name) => Some(self.index(&format!("{path}.otherwise"), name)?),
                    None => None,
                };
                StepAction::Send {
                    touchpoint: send.touchpoint.to_string(),
                    with: self.with(&path, send.with.iter().flatten(), &roots),
                    otherwise,
                }
            }
            (None, None, Some(branch), None, None) => {
                let path = format!("{path}.branch");
                let mut cases = vec![];
                for (n, case) in branch.cases.iter().enumerate() {
                    let path = format!("{path}.cases[{n}]");
                    let when = self.condition(&format!("{path}.when"), case.when.as_str(), &roots);
                    cases.extend(when.zip(self.index(&format!("{path}.next"), &case.next)));
                }
                StepAction::Branch {
                    cases,
                    otherwise: self.index(&format!("{path}.otherwise"), &branch.otherwise)?,
                }
            }
            (None, None, None, Some(set), None) => {
                let scope = scope(&roots);
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
            (None, None, None, None, Some(exit)) => StepAction::Exit(ending(exit.outcome)),
            _ => {
                let message = format!("step '{}' must do exactly one thing", spec.name);
                self.report.error(
                    Code::Value,
                    path,
                    message,
                    "give it one of wait, send, branch, set, exit".to_owned(),
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

    fn with<'a>(
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
                    Code::Value,
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
                    .error(Code::Value, path, message, "choose another name".to_owned());
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

    fn index(&mut self, path: &str, name: &Name) -> Option<usize> {
        let found = self.spec.steps.iter().position(|step| step.name == *name);
        if found.is_none() {
            let help = instead(
                name.as_str(),
                self.spec.steps.iter().map(|step| step.name.as_str()),
                "name a step of this journey",
            );
            self.report
                .error(Code::Reference, path, format!("there is no step '{name}'"), help);
        }
        found
    }

    fn exits(&mut self) -> Vec<ExitRule> {
        let (customer, entry, steps) = (
            self.world.customer.clone(),
            self.entry.clone(),
            self.flow.steps_field(self.world, None),
        );
        let mut exits = vec![];
        for (n, exit) in self.spec.exits.iter().enumerate() {
            let path = format!("spec.exits[{n}]");
            if let Some((event, when)) = self.signal(&path, &exit.signal, &[&customer, &entry, &steps]) {
                self.own_message(&path, &event);
                exits.push(ExitRule {
                    event,
                    when,
                    outcome: ending(exit.outcome),
                });
            }
        }
        exits
    }

    fn goals(&mut self) -> Vec<Goal> {
        let (customer, entry, steps) = (
            self.world.customer.clone(),
            self.entry.clone(),
            self.flow.steps_field(self.world, None),
        );
        let mut goals = vec![];
        for (n, goal) in self.spec.goals.iter().enumerate() {
            let path = format!("spec.goals[{n}]");
            let signal = self.signal(&path, &goal.signal, &[&customer, &entry, &steps]);
            let within = span(&mut self.report, &format!("{path}.within"), &goal.within);
            if let (Some((event, when)), Some(within)) = (signal, within) {
                self.own_message(&path, &event);
                goals.push(Goal {
                    name: goal.name.to_string(),
                    event,
                    when,
                    within,
                });
            }
        }
        goals
    }

    /// What the steps send, each touchpoint once.
    fn outbound(&mut self) -> BTreeMap<String, Outbound> {
        let mut all = BTreeMap::new();
        let sent: BTreeSet<&str> = self.sends().map(|(_, touchpoint)| touchpoint).collect();
        for name in sent {
            let Some((spec, touchpoint)) = self
                .world
                .outbound(name)
                .zip(self.world.manifests.touchpoints.get(name))
            else {
                continue;
            };
            let purpose = self.policy.purposes.get(spec.purpose.as_str()).cloned();
            if purpose.is_none() {
                self.no_purpose(name, spec.purpose.as_str());
            }
            let around = Surroundings {
                with: given(self.spec, name),
                purpose: purpose.as_ref(),
            };
            let mut report = Report::new("Touchpoint", name);
            let compiled = touchpoint::outbound(
                &mut report,
                self.world,
                name,
                touchpoint.channel.as_str(),
                spec,
                &around,
                &mut self.layout,
            );
            self.elsewhere.append(&mut report.found);
            all.extend(compiled.map(|outbound| (name.to_owned(), outbound)));
        }
        all
    }

    fn no_purpose(&mut self, touchpoint: &str, purpose: &str) {
        let names = |policy: &PrivacyPolicySpec| policy.purposes.iter().any(|one| one.name.as_str() == purpose);
        let (naming, silent): (Vec<_>, Vec<_>) = self.selecting.iter().partition(|(_, policy)| names(policy));
        let list = |policies: &[(&str, &PrivacyPolicySpec)]| {
            let all: Vec<String> = policies.iter().map(|(name, _)| format!("'{name}'")).collect();
            all.join(", ")
        };
        let (message, help) = if self.selecting.is_empty() {
            (
                "no PrivacyPolicy selects this journey: it may send nothing".to_owned(),
                "make a PrivacyPolicy whose journeySelector matches its labels".to_owned(),
            )
        } else if naming.is_empty() {
            let known = silent
                .iter()
                .flat_map(|(_, policy)| &policy.purposes)
                .map(|one| one.name.as_str());
            let known: BTreeSet<&str> = known.collect();
            (
                format!("'{touchpoint}' is sent for purpose '{purpose}', which no PrivacyPolicy of this journey names"),
                instead(purpose, known, "add the purpose to the PrivacyPolicy"),
            )
        } else {
            (
                format!(
                    "'{touchpoint}' is sent for purpose '{purpose}', which PrivacyPolicy {} names and {} does not: \
                     where several select a journey, only what all of them name is allowed",
                    list(&naming),
                    list(&silent)
                ),
                format!(
                    "add the purpose to {} too, or let only one journeySelector match its labels",
                    list(&silent)
                ),
            )
        };
        let at = self
            .sends()
            .find(|(_, sent)| *sent == touchpoint)
            .map_or(0, |(at, _)| at);
        self.report
            .error(Code::Policy, format!("spec.steps[{at}].send.touchpoint"), message, help);
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
                Code::Policy,
                path,
                message,
                format!("add {attribute} to the attributes of one of them in the PrivacyPolicy"),
            );
        }
    }

    fn lint(&mut self) {
        self.flow.lint(&mut self.report);
        if !self.spec.goals.is_empty() && self.spec.goals.iter().all(|goal| goal.side != Side::Customer) {
            let help = "add a goal with side: Customer: what do they gain?".to_owned();
            self.report
                .warning(Code::Flow, "spec.goals", "no goal is the customer's", help);
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
                    Code::Reference,
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

/// What every step of a journey that sends this touchpoint gives in `with`; None: none sends it.
pub fn given(spec: &JourneySpec, touchpoint: &str) -> Option<BTreeSet<String>> {
    let sends = spec
        .steps
        .iter()
        .filter_map(|step| step.send.as_ref())
        .filter(|send| send.touchpoint.as_str() == touchpoint);
    let each = sends.map(|send| {
        send.with
            .iter()
            .flatten()
            .map(|(name, _)| name.clone())
            .collect::<BTreeSet<_>>()
    });
    each.reduce(|all, one| all.intersection(&one).cloned().collect())
}

fn ending(outcome: Outcome) -> Ending {
    match outcome {
        Outcome::Completed => Ending::Completed,
        Outcome::Converted => Ending::Converted,
        Outcome::Disqualified => Ending::Disqualified,
        Outcome::Failed => Ending::Failed,
    }
}
