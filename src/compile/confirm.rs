//! Double opt-in: the touchpoint that a purpose is confirmed by, and the link in it.

use super::{
    Code, Manifests,
    report::{Report, instead},
    world::World,
};
use crate::api::PrivacyPolicySpec;
use std::collections::{BTreeMap, BTreeSet};

/// Purposes to which consent is to be confirmed, by whatever policy, and the touchpoints whose link does it.
pub fn confirms(manifests: &Manifests) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for purpose in manifests.policies.values().flat_map(|policy| &policy.purposes) {
        if let Some(confirm) = &purpose.confirm {
            let by = all.entry(purpose.name.to_string()).or_default();
            by.insert(confirm.touchpoint.to_string());
        }
    }
    all
}

/// Whether a policy confirms a purpose by this touchpoint.
fn is_named(world: &World<'_>, touchpoint: &str) -> bool {
    confirms(world.manifests).values().any(|by| by.contains(touchpoint))
}

/// Holds a message to what policies say of it: it has a link that confirms where, and only where, one names it.
pub fn content(report: &mut Report, world: &World<'_>, touchpoint: &str, confirms: bool) {
    if confirms && !is_named(world, touchpoint) {
        report.error(
            Code::ConfirmsNothing,
            "spec.outbound.content",
            "confirm_link() confirms nothing: no PrivacyPolicy names this touchpoint in purposes[].confirm",
            format!("add confirm: {{touchpoint: {touchpoint}}} to the purpose that it confirms, or leave the link out"),
        );
    }
}

/// Holds a policy to the touchpoints that it names.
pub fn check(report: &mut Report, world: &World<'_>, spec: &PrivacyPolicySpec) {
    for (n, purpose) in spec.purposes.iter().enumerate() {
        let Some(confirm) = &purpose.confirm else { continue };
        let path = format!("spec.purposes[{n}].confirm.touchpoint");
        let name = confirm.touchpoint.as_str();
        let touchpoints = &world.manifests.touchpoints;
        let Some(outbound) = touchpoints.get(name).and_then(|spec| spec.outbound.as_ref()) else {
            let known = touchpoints.iter().filter(|(_, spec)| spec.outbound.is_some());
            let help = instead(name, known.map(|(name, _)| name.as_str()), "make it");
            report.error(
                Code::ConfirmUnknown,
                path,
                format!("there is no outbound touchpoint '{name}'"),
                help,
            );
            continue;
        };
        let texts = outbound.content.values();
        let translated = outbound
            .translations
            .iter()
            .flatten()
            .flat_map(|(_, fields)| fields.values());
        if !texts
            .chain(translated)
            .any(|text| text.as_str().contains("confirm_link"))
        {
            report.error(
                Code::ConfirmWithoutLink,
                path,
                format!("nobody can confirm: touchpoint '{name}' has no confirm_link()"),
                "write {{ confirm_link() }} in its content".to_owned(),
            );
        }
        if !is_sent(world, name) {
            report.warning(
                Code::ConfirmNeverSent,
                format!("spec.purposes[{n}].confirm.touchpoint"),
                format!("no journey sends touchpoint '{name}': consent to '{}' stays pending", purpose.name),
                format!(
                    "add a journey with the trigger {{event: consent/pending, when: event.purpose == '{}'}} that sends it",
                    purpose.name
                ),
            );
        }
    }
}

/// Whether a step of any journey sends the touchpoint.
fn is_sent(world: &World<'_>, touchpoint: &str) -> bool {
    let steps = world
        .manifests
        .journeys
        .values()
        .flat_map(|journey| &journey.spec.steps);
    steps.filter_map(|step| step.send.as_ref()).any(|send| {
        let one = send.touchpoint.iter().map(|name| name.as_str());
        let several = send
            .one_of
            .iter()
            .flatten()
            .map(|candidate| candidate.touchpoint.as_str());
        one.chain(several).any(|name| name == touchpoint)
    })
}
