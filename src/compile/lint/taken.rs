//! Ways that nobody can go, and ways that everybody goes.

use super::Subject;
use crate::{
    api::signal::Signal,
    compile::{Code, report::Report, touchpoint::attributes_read},
    expression::Program,
};

pub fn lint(report: &mut Report, of: &Subject<'_>) {
    branches(report, of);
    for (n, trigger) in of.spec.entry.triggers.iter().enumerate() {
        let path = format!("spec.entry.triggers[{n}]");
        impossible(
            report,
            of,
            &path,
            trigger.when.is_some(),
            "nobody can enter by this trigger",
        );
    }
    for n in 0..of.spec.goals.len() {
        impossible(
            report,
            of,
            &format!("spec.goals[{n}]"),
            true,
            "nobody can reach this goal",
        );
    }
    let mut above: Vec<Noticed<'_>> = vec![];
    for (n, exit) in of.spec.exits.iter().enumerate() {
        signal(report, of, format!("spec.exits[{n}]"), &exit.signal, &mut above);
    }
    for (n, step) in of.spec.steps.iter().enumerate() {
        // Exits are looked at first, wherever the customer stands.
        let mut above = above.clone();
        for (m, until) in step.until().enumerate() {
            let path = format!("spec.steps[{n}].wait.until[{m}]");
            signal(report, of, path, &until.signal, &mut above);
        }
    }
}

/// Cases that never hold, that only those above take, and that leave nothing for those below.
fn branches(report: &mut Report, of: &Subject<'_>) {
    for (n, step) in of.spec.steps.iter().enumerate() {
        let Some(branch) = &step.branch else { continue };
        let mut above: Vec<&Program> = vec![];
        for m in 0..branch.cases.len() {
            let path = format!("spec.steps[{n}].branch.cases[{m}]");
            if impossible(report, of, &path, true, "nobody can take this case") {
                continue;
            }
            let Some(when) = of.conditions.get(&format!("{path}.when")) else {
                continue;
            };
            if when.implies_one_of(above.iter().copied()) {
                shadowed(report, &path, "a case above takes all whom this one would take");
                continue;
            }
            if certain(of, when) {
                let help = "make it otherwise, or correct the condition".to_owned();
                let message = "everybody takes this case: what stands below it, and otherwise, is never taken";
                report.warning(Code::AlwaysTaken, format!("{path}.when"), message, help);
                break;
            }
            above.push(when);
        }
    }
}

/// Whether it holds for everybody. Of derived attributes it is not known whether they have a value.
fn certain(of: &Subject<'_>, when: &Program) -> bool {
    let derived = |name: &String| of.world.profile.attributes.get(name).is_some_and(|of| of.is.is_some());
    !attributes_read(when, of.layout).iter().any(derived) && when.always_holds()
}

/// A signal that is looked at before another.
#[derive(Debug, Clone)]
struct Noticed<'a> {
    /// None: a condition alone.
    event: Option<&'a str>,
    /// None: its first event is enough.
    when: Option<&'a Program>,
}

fn signal<'a>(report: &mut Report, of: &Subject<'a>, path: String, signal: &'a Signal, above: &mut Vec<Noticed<'a>>) {
    if impossible(report, of, &path, signal.when.is_some(), "it is never noticed") {
        return;
    }
    let when = of.conditions.get(&format!("{path}.when"));
    if signal.when.is_some() && when.is_none() {
        return;
    }
    let event = signal.event.as_ref().map(|event| event.as_str());
    let same = above.iter().filter(|one| one.event == event);
    let covered = same.clone().any(|one| one.when.is_none())
        || when.is_some_and(|when| when.implies_one_of(same.filter_map(|one| one.when)));
    if covered {
        shadowed(report, &path, "an exit or a signal above takes every such event first");
    } else if event.is_none() && when.is_some_and(|when| certain(of, when)) {
        let help = "correct the condition, or leave the signal out".to_owned();
        let message = "this holds for everybody at once: whoever comes here leaves by it";
        report.warning(Code::NoticedAtOnce, format!("{path}.when"), message, help);
    } else if signal.times.unwrap_or(1) <= 1 {
        above.push(Noticed { event, when });
    }
}

/// Whether the condition at this path can never hold; told where it is so.
fn impossible(report: &mut Report, of: &Subject<'_>, path: &str, has_condition: bool, what: &str) -> bool {
    let path = format!("{path}.when");
    let never = has_condition && of.conditions.get(&path).is_some_and(Program::never_holds);
    if never {
        let help = "its parts contradict each other: correct it, or take it out".to_owned();
        let message = format!("this condition can never hold: {what}");
        report.warning(Code::NeverHolds, path, message, help);
    }
    never
}

fn shadowed(report: &mut Report, path: &str, why: &str) {
    let help = "move it above, make its condition another, or take it out".to_owned();
    report.warning(Code::Shadowed, path, format!("it is never taken: {why}"), help);
}
