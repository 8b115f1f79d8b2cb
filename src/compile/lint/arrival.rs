//! Events that are listened to and cannot come.

use super::{Subject, touchpoints};
use crate::{
    api::signal::Signal,
    compile::{Code, report::Report},
};

pub fn lint(report: &mut Report, of: &Subject<'_>) {
    let spec = of.spec;
    let mut told = false;
    for (n, signal) in spec.entry.triggers.iter().enumerate() {
        brought(report, of, &format!("spec.entry.triggers[{n}]"), signal, &mut told);
    }
    for (n, step) in spec.steps.iter().enumerate() {
        for (m, until) in step.until().enumerate() {
            let path = format!("spec.steps[{n}].wait.until[{m}]");
            brought(report, of, &path, &until.signal, &mut told);
            clicked(report, of, &path, &until.signal);
            stays(report, of, &path, &until.signal);
            sent_before(report, of, &path, n, &until.signal);
        }
    }
    for (n, exit) in spec.exits.iter().enumerate() {
        let path = format!("spec.exits[{n}]");
        brought(report, of, &path, &exit.signal, &mut told);
        clicked(report, of, &path, &exit.signal);
        stays(report, of, &path, &exit.signal);
    }
    for (n, goal) in spec.goals.iter().enumerate() {
        let path = format!("spec.goals[{n}]");
        brought(report, of, &path, &goal.signal, &mut told);
        clicked(report, of, &path, &goal.signal);
        stays(report, of, &path, &goal.signal);
    }
}

/// An inbound touchpoint needs an adapter that takes events in. Without one no event comes, so it is told at the first of them.
fn brought(report: &mut Report, of: &Subject<'_>, path: &str, signal: &Signal, told: &mut bool) {
    let Some(name) = signal.event.as_ref().map(|event| event.as_str()) else {
        return;
    };
    let Some(inbound) = of.world.inbound(name) else { return };
    let mut adapters = of.world.manifests.adapters.values();
    // A schedule needs no adapter, and adapters that `from` names are told of where it names them.
    let brings = inbound.schedule.is_some() || inbound.from.is_some() || adapters.any(|adapter| adapter.http.is_some());
    if !brings && !*told {
        *told = true;
        let message = format!("'{name}' never comes: no ChannelAdapter of this namespace takes events in");
        let help = "make a ChannelAdapter with http".to_owned();
        report.warning(Code::NothingBringsIt, format!("{path}.event"), message, help);
    }
}

/// A click is of a tracked link.
fn clicked(report: &mut Report, of: &Subject<'_>, path: &str, signal: &Signal) {
    if let Some((touchpoint, "clicked")) = signal
        .event
        .as_ref()
        .map(|event| event.as_str())
        .and_then(|event| event.split_once('/'))
        && let Some(outbound) = of.outbound.get(touchpoint)
        && !outbound
            .content
            .values()
            .chain(outbound.translations.values().flat_map(|fields| fields.values()))
            .any(|template| template.links())
    {
        let message = format!("'{touchpoint}/clicked' never comes: its content has no tracked link");
        let help = format!("write {{{{ link('https://...') }}}} in the content of '{touchpoint}'");
        report.warning(Code::NoLinkToClick, format!("{path}.event"), message, help);
    }
}

/// Cards are shown and dismissed, and what stays ends.
fn stays(report: &mut Report, of: &Subject<'_>, path: &str, signal: &Signal) {
    let event = signal.event.as_ref().map(|event| event.as_str());
    let Some((touchpoint, became)) = event.and_then(|event| event.split_once('/')) else {
        return;
    };
    let Some(outbound) = of.outbound.get(touchpoint) else {
        return;
    };
    let slot = outbound.stay.as_ref().is_some_and(|stay| stay.slot.is_some());
    match became {
        "shown" | "dismissed" if !slot => {
            let message = format!("'{touchpoint}/{became}' never comes: '{touchpoint}' is in no slot");
            let help = format!("give '{touchpoint}' a slot of an adapter with inApp");
            report.warning(Code::NeverInSlot, format!("{path}.event"), message, help);
        }
        "ended" if outbound.stay.is_none() => {
            let message = format!("'{touchpoint}/ended' never comes: '{touchpoint}' does not stay");
            let help = format!("give '{touchpoint}' lasts, in a slot or with a webhook");
            report.warning(Code::NeverStays, format!("{path}.event"), message, help);
        }
        _ => {}
    }
}

/// What becomes of a message is noticed by who waits after it was sent.
fn sent_before(report: &mut Report, of: &Subject<'_>, path: &str, wait: usize, signal: &Signal) {
    let Some(event) = signal.event.as_ref().map(|event| event.as_str()) else {
        return;
    };
    let Some((touchpoint, _)) = event.split_once('/') else {
        return;
    };
    let mut senders = of.spec.steps.iter().enumerate().filter(|(_, step)| {
        step.send
            .as_ref()
            .is_some_and(|send| touchpoints(send).any(|name| name == touchpoint))
    });
    if senders.clone().next().is_some() && !senders.any(|(at, _)| of.flow.reaches(at, wait, usize::MAX)) {
        let message =
            format!("'{event}' never comes here: no way leads from a step that sends '{touchpoint}' to this wait");
        let help = "wait for it after it is sent".to_owned();
        report.warning(Code::WaitsBeforeSending, format!("{path}.event"), message, help);
    }
}
