//! Loops that send again and again.

use super::{Subject, counted, touchpoints};
use crate::{
    api::step::Step,
    compile::{Code, flow::Flow, report::Report},
    engine::program::Outbound,
};

/// A loop of sends has an end, or a pace: a cap, a count, or a wait that lasts its time.
pub fn lint(report: &mut Report, of: &Subject<'_>) {
    for (at, step) in of.spec.steps.iter().enumerate() {
        let Some(send) = &step.send else { continue };
        let uncapped = |outbound: &&Outbound| {
            let mut caps = of.policy.caps.iter();
            !caps.any(|cap| counted(cap, &outbound.purpose, &outbound.channel))
        };
        let Some(outbound) = touchpoints(send)
            .filter_map(|name| of.outbound.get(name))
            .find(uncapped)
        else {
            continue;
        };
        let name = &outbound.touchpoint;
        if let Some(wait) = comes_back(of, at) {
            let waiting = &of.spec.steps[wait].name;
            let message = format!(
                "step '{}' sends '{name}' again for every event that ends '{waiting}': nothing bounds how often",
                step.name
            );
            let help = format!(
                "cap the purpose '{}' in the PrivacyPolicy, count with steps.{}.count in a branch, or put a wait with `for` into the loop",
                outbound.purpose, step.name
            );
            report.warning(Code::UnboundedSends, format!("spec.steps[{at}].send"), message, help);
        }
    }
}

/// A wait on a way from `start` back to it that no count and no lasting wait is on. A way without any wait is an endless loop, which is
/// told elsewhere.
fn comes_back(of: &Subject<'_>, start: usize) -> Option<usize> {
    let steps = &of.spec.steps;
    // By step: whether a wait was passed on the way there.
    let mut seen = vec![[false; 2]; steps.len()];
    let mut open = vec![(start, None::<usize>)];
    while let Some((at, waited)) = open.pop() {
        let Some(step) = steps.get(at) else { continue };
        if std::mem::replace(&mut seen[at][usize::from(waited.is_some())], true) {
            continue;
        }
        if counts(of.flow, steps, at) {
            continue;
        }
        let waited = waited.or(step.wait.is_some().then_some(at));
        for edge in of.flow.edges(at) {
            // The time that is over is the pace.
            let lasts = step.wait.is_some() && edge.event.is_none();
            if lasts {
                continue;
            }
            if edge.to == start && waited.is_some() {
                return waited;
            }
            open.push((edge.to, waited));
        }
    }
    None
}

/// Whether step `at` is a branch that asks how often something on its loop was: of a step's count, or of an attribute that a step sets.
pub fn counts(flow: &Flow<'_>, steps: &[Step], at: usize) -> bool {
    let Some(branch) = &steps[at].branch else { return false };
    let on_the_loop = |other: usize| flow.reaches(at, other, usize::MAX) && flow.reaches(other, at, usize::MAX);
    let asked = |when: &str, step: &Step| {
        (when.contains("steps") && when.contains(step.name.as_str()) && when.contains(".count"))
            || step
                .set
                .iter()
                .flatten()
                .any(|(attribute, _)| when.contains(&format!("customer.{attribute}")))
    };
    branch.cases.iter().any(|case| {
        let mut all = steps.iter().enumerate();
        all.any(|(other, step)| asked(case.when.as_str(), step) && on_the_loop(other))
    })
}
