//! Where steps lead, what is known at each of them, and ways that lead nowhere.

use super::{
    Code,
    report::Report,
    world::{World, common, field, values},
};
use crate::{
    api::step::{Send, Step, Wait},
    expression::{Field, Type},
};
use std::collections::BTreeSet;

/// A way from one step to another.
#[derive(Debug)]
pub struct Edge<'a> {
    /// The number of steps: the end of the list.
    pub to: usize,
    /// The event that led here.
    pub event: Option<&'a str>,
    /// Whether who comes this way was sent the message.
    pub sent: bool,
}

#[derive(Debug)]
pub struct Flow<'a> {
    steps: &'a [Step],
    graph: Vec<Vec<Edge<'a>>>,
}

impl<'a> Flow<'a> {
    pub fn of(steps: &'a [Step]) -> Self {
        let graph = steps
            .iter()
            .enumerate()
            .map(|(at, step)| edges(steps, at, step))
            .collect();
        Self { steps, graph }
    }

    /// The ways on from a step.
    pub fn edges(&self, at: usize) -> &[Edge<'a>] {
        &self.graph[at]
    }

    /// Whether one can come from `from` to `to` without passing `never`.
    pub fn reaches(&self, from: usize, to: usize, never: usize) -> bool {
        let (mut seen, mut open) = (vec![false; self.graph.len()], vec![from]);
        while let Some(at) = open.pop() {
            if at == to {
                return true;
            }
            if at != never && at < self.graph.len() && !std::mem::replace(&mut seen[at], true) {
                open.extend(self.graph[at].iter().map(|edge| edge.to));
            }
        }
        false
    }

    /// `steps` at step `here`, where something may name it; nothing of it elsewhere, as it takes looking at every way.
    pub fn steps_at(&self, world: &World<'_>, here: usize) -> Field {
        let written = serde_json::to_string(&self.steps[here]).unwrap_or_default();
        if written.contains("steps") {
            self.steps_field(world, Some(here))
        } else {
            field("steps", Type::object(vec![]), false)
        }
    }

    /// `steps` as seen from step `here`; None: from anywhere, as exits see it. What is not set on every way to `here` may be missing.
    pub fn steps_field(&self, world: &World<'_>, here: Option<usize>) -> Field {
        let one = |(n, step): (usize, &Step)| {
            let passed_by = here
                .is_none_or(|here| self.reaches(0, here, n) && (here != n || n == 0 || self.reaches(0, n, usize::MAX)));
            let mut fields = vec![field("count", Type::Int, false), field("at", Type::Instant, passed_by)];
            if let Some(send) = &step.send {
                fields.push(field("outcome", values(["Sent", "Skipped", "Failed"]), passed_by));
                fields.push(field("reason", Type::TEXT, true));
                let touchpoints = values(send.touchpoints().map(|touchpoint| touchpoint.as_str()));
                fields.push(field("touchpoint", touchpoints, passed_by));
                fields.extend(self.response(world, n, send, here, passed_by));
            }
            if let Some(split) = &step.split {
                let arms = values(split.arms.iter().map(|arm| arm.name.as_str()));
                fields.push(field("arm", arms, passed_by));
            }
            if step.wait.is_some() {
                let mut ways_on: Vec<&Edge<'_>> = self.graph[n]
                    .iter()
                    .filter(|edge| here.is_none_or(|here| self.reaches(edge.to, here, n)))
                    .collect();
                if ways_on.is_empty() {
                    // Nobody comes here from there: the fields are known all the same, and missing.
                    ways_on = self.graph[n].iter().collect();
                }
                let mut event = world.union("event", &ways_on.iter().map(|edge| edge.event).collect::<Vec<_>>());
                event.may_be_missing |= passed_by;
                fields.push(event);
            }
            field(step.name.as_str(), Type::object(fields), false)
        };
        field(
            "steps",
            Type::object(self.steps.iter().enumerate().map(one).collect()),
            false,
        )
    }

    /// What a provider answered: there where every way to `here` is one of messages that were sent, by touchpoints that keep the answer.
    fn response(
        &self,
        world: &World<'_>,
        n: usize,
        send: &Send,
        here: Option<usize>,
        passed_by: bool,
    ) -> Option<Field> {
        let kept: Vec<Option<Vec<Field>>> = send
            .touchpoints()
            .map(|touchpoint| world.response(touchpoint.as_str()))
            .collect();
        kept.iter().any(Option::is_some).then_some(())?;
        let mut response = common("response", &kept);
        let mut ways_on = self.graph[n]
            .iter()
            .filter(|edge| here.is_none_or(|here| self.reaches(edge.to, here, n)));
        response.may_be_missing |= passed_by || !ways_on.all(|edge| edge.sent);
        Some(response)
    }

    /// Steps that nobody reaches, and loops that would spin.
    pub fn lint(&self, report: &mut Report) {
        for (at, step) in self.steps.iter().enumerate() {
            if !self.reaches(0, at, usize::MAX) {
                let message = format!("nobody can reach step '{}'", step.name);
                report.warning(
                    Code::Unreachable,
                    format!("spec.steps[{at}]"),
                    message,
                    "lead a next to it, or remove it".to_owned(),
                );
            }
            if let Some(wait) = &step.wait
                && !ends_by_time(wait)
            {
                let message = format!("step '{}' waits for ever when no signal comes", step.name);
                report.warning(
                    Code::WaitsForEver,
                    format!("spec.steps[{at}].wait"),
                    message,
                    "add `for` or `at`, or make sure that an exit ends it".to_owned(),
                );
            }
        }
        if let Some(at) = (0..self.steps.len()).find(|at| self.is_passed_for_ever(*at)) {
            let message = format!(
                "step '{}' waits for a condition that leads back to it: as long as it holds, customers would go round for ever",
                self.steps[at].name
            );
            let help =
                "lead on to another step, change in the loop what the condition reads, or name an event".to_owned();
            report.error(Code::PassedForEver, format!("spec.steps[{at}]"), message, help);
        }
        if let Some(at) = (0..self.steps.len()).find(|at| self.spins(*at)) {
            let message = format!(
                "step '{}' leads back to itself without a wait: customers would go round for ever",
                self.steps[at].name
            );
            report.error(
                Code::EndlessLoop,
                format!("spec.steps[{at}]"),
                message,
                "put a wait into the loop".to_owned(),
            );
        }
    }

    /// Whether a way leads from this wait back to it on which every wait is left by a condition that holds on arrival, and nothing changes
    /// what it reads: no set, and no count of a step.
    fn is_passed_for_ever(&self, start: usize) -> bool {
        let at_once = |at: usize| -> Vec<usize> {
            let step = &self.steps[at];
            let conditions = step.until().zip(&self.graph[at]).filter(|(until, _)| {
                let when = until.signal.when.as_ref().map(|when| when.as_str());
                until.signal.event.is_none() && when.is_some_and(|when| !when.contains("steps"))
            });
            match (&step.wait, &step.set) {
                (Some(_), _) => conditions.map(|(_, edge)| edge.to).collect(),
                (None, Some(_)) => vec![],
                (None, None) => self.graph[at].iter().map(|edge| edge.to).collect(),
            }
        };
        if self.steps[start].wait.is_none() {
            return false;
        }
        let (mut seen, mut open) = (BTreeSet::new(), at_once(start));
        while let Some(at) = open.pop() {
            if at == start {
                return true;
            }
            if at < self.steps.len() && seen.insert(at) {
                open.extend(at_once(at));
            }
        }
        false
    }

    /// Whether one can come to an end without a wait.
    pub fn passes(&self) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![0]);
        while let Some(at) = open.pop() {
            let Some(step) = self.steps.get(at) else { return true };
            if step.exit.is_some() {
                return true;
            }
            if step.wait.is_none() && seen.insert(at) {
                open.extend(self.graph[at].iter().map(|edge| edge.to));
            }
        }
        false
    }

    /// Whether a way leads from this step back to it on which nobody waits and nothing counts.
    fn spins(&self, start: usize) -> bool {
        let (mut seen, mut open) = (BTreeSet::new(), vec![start]);
        while let Some(at) = open.pop() {
            if at >= self.steps.len()
                || self.steps[at].wait.is_some()
                || super::lint::counts(self, self.steps, at)
                || !seen.insert(at)
            {
                continue;
            }
            if self.graph[at].iter().any(|edge| edge.to == start) {
                return true;
            }
            open.extend(self.graph[at].iter().map(|edge| edge.to));
        }
        false
    }
}

fn ends_by_time(wait: &Wait) -> bool {
    wait.for_.is_some() || wait.at.is_some()
}

fn edges<'a>(steps: &'a [Step], at: usize, step: &'a Step) -> Vec<Edge<'a>> {
    // A name that is none ends the list here; it is reported where it stands.
    let index = |name: &crate::api::text::Name| steps.iter().position(|step| step.name == *name).unwrap_or(steps.len());
    let plain = |to| Edge {
        to,
        event: None,
        sent: false,
    };
    let next = step.next.as_ref().map_or(at + 1, index);
    if step.exit.is_some() {
        return vec![];
    }
    if let Some(split) = &step.split {
        return split.arms.iter().map(|arm| plain(index(&arm.next))).collect();
    }
    if let Some(branch) = &step.branch {
        return branch
            .cases
            .iter()
            .map(|case| plain(index(&case.next)))
            .chain([plain(index(&branch.otherwise))])
            .collect();
    }
    if let Some(wait) = &step.wait {
        let signals = wait.until.iter().flatten().map(|until| Edge {
            to: index(&until.next),
            event: until.signal.event.as_ref().map(|event| event.as_str()),
            sent: false,
        });
        return signals.chain(ends_by_time(wait).then(|| plain(next))).collect();
    }
    let otherwise = step.send.as_ref().and_then(|send| send.otherwise.as_ref());
    let next = Edge {
        sent: otherwise.is_some(),
        ..plain(next)
    };
    let otherwise = otherwise.map(|name| plain(index(name)));
    [next].into_iter().chain(otherwise).collect()
}
