//! What is wrong with one object of a kind other than Journey, by itself and among the others.

use super::{
    Code, Diagnostic, Manifests, Object, adapter, intake,
    journey::{self, given},
    report::Report,
    touchpoint::{self, Surroundings},
    value::span,
    world::World,
};
use crate::{
    api::{PrivacyPolicySpec, TouchpointSpec, privacy_policy::Cap},
    expression::{Layout, time},
    policy::Purpose,
};
use std::collections::BTreeSet;

/// The diagnostics of one object. An object that is not there has none. A Journey's are those of [`super::journey()`], without what is
/// wrong with the touchpoints it sends.
pub fn object(manifests: &Manifests, object: &Object) -> Vec<Diagnostic> {
    let world = World::of(manifests);
    if object.kind != "Journey" {
        return definition(&world, object);
    }
    if !manifests.journeys.contains_key(&object.name) {
        return vec![];
    }
    let found = match journey::compile_in(&world, &object.name) {
        Ok(compiled) => compiled.warnings,
        Err(found) => found,
    };
    found.into_iter().filter(|one| one.object == *object).collect()
}

/// The same of an object of another kind.
pub fn definition(world: &World<'_>, object: &Object) -> Vec<Diagnostic> {
    let manifests = world.manifests;
    let mut report = Report::new(&object.kind, &object.name);
    match object.kind.as_str() {
        "Touchpoint" => {
            if let Some(spec) = manifests.touchpoints.get(&object.name) {
                check_touchpoint(&mut report, world, &object.name, spec);
            }
        }
        "ChannelAdapter" => {
            if let Some(spec) = manifests.adapters.get(&object.name) {
                adapter::check(&mut report, manifests, &object.name, spec);
            }
        }
        "PrivacyPolicy" => {
            if let Some(spec) = manifests.policies.get(&object.name) {
                policy(&mut report, world, spec);
            }
        }
        "CustomerProfile" => {
            return world
                .found
                .iter()
                .filter(|one| one.object == *object)
                .cloned()
                .collect();
        }
        _ => {}
    }
    report.found
}

fn check_touchpoint(report: &mut Report, world: &World<'_>, name: &str, spec: &TouchpointSpec) {
    let manifests = world.manifests;
    match (&spec.inbound, &spec.outbound) {
        (Some(inbound), None) => {
            intake::came(report, manifests, world, name, inbound);
        }
        (None, Some(outbound)) => {
            let purpose = anybodys_purpose(manifests, outbound.purpose.as_str());
            if purpose.is_none() {
                let help = super::report::instead(
                    outbound.purpose.as_str(),
                    touchpoint::purposes(world),
                    "name it in the purposes of a PrivacyPolicy",
                );
                report.error(
                    Code::UnknownPurpose,
                    "spec.outbound.purpose",
                    format!("no PrivacyPolicy has a purpose '{}'", outbound.purpose),
                    help,
                );
            }
            let (mut with, mut leaves) = (None::<BTreeSet<String>>, true);
            for journey in manifests.journeys.values() {
                let Some(one) = given(&journey.spec, name) else {
                    continue;
                };
                with = Some(with.map_or(one.clone(), |all| all.intersection(&one).cloned().collect()));
                leaves &= journey.spec.choice.as_ref().is_some_and(|choice| choice.leave);
            }
            let around = Surroundings {
                with,
                purpose: purpose.as_ref(),
                leaves,
            };
            touchpoint::outbound(
                report,
                world,
                name,
                spec.channel.as_str(),
                outbound,
                &around,
                &mut Layout::default(),
            );
        }
        (Some(_), Some(_)) | (None, None) => report.error(
            Code::NoDirection,
            "spec",
            "a touchpoint has exactly one of inbound, outbound",
            None,
        ),
    }
}

/// A purpose as all policies of the namespace have it together.
fn anybodys_purpose(manifests: &Manifests, name: &str) -> Option<Purpose> {
    let naming = manifests
        .policies
        .values()
        .filter(|policy| policy.purposes.iter().any(|purpose| purpose.name.as_str() == name));
    crate::policy::merge(&naming.collect::<Vec<_>>()).purposes.remove(name)
}

fn policy(report: &mut Report, world: &World<'_>, spec: &PrivacyPolicySpec) {
    for (n, purpose) in spec.purposes.iter().enumerate() {
        let path = format!("spec.purposes[{n}]");
        if let Some(expires) = &purpose.expires {
            span(report, &format!("{path}.expires"), expires);
        }
        for (n, attribute) in purpose.attributes.iter().enumerate() {
            if !world.profile.attributes.contains_key(attribute.as_str()) {
                let help = super::report::instead(
                    attribute.as_str(),
                    world.attribute_names(),
                    "add it to the CustomerProfile, or take it out",
                );
                let message = format!("the CustomerProfile has no attribute '{attribute}'");
                report.error(
                    Code::UnknownAttributeAllowed,
                    format!("{path}.attributes[{n}]"),
                    message,
                    help,
                );
            }
        }
    }
    let purposes: BTreeSet<&str> = spec.purposes.iter().map(|purpose| purpose.name.as_str()).collect();
    let mut known = |path: String, named: &Option<Vec<crate::api::text::Name>>| {
        for (n, name) in named
            .iter()
            .flatten()
            .enumerate()
            .filter(|(_, name)| !purposes.contains(name.as_str()))
        {
            let help = super::report::instead(name.as_str(), purposes.iter().copied(), "name it in purposes");
            report.error(
                Code::UnknownPurposeInPolicy,
                format!("{path}.purposes[{n}]"),
                format!("this policy has no purpose '{name}'"),
                help,
            );
        }
    };
    spec.quiet
        .iter()
        .enumerate()
        .for_each(|(n, quiet)| known(format!("spec.quiet[{n}]"), &quiet.purposes));
    spec.caps
        .iter()
        .enumerate()
        .for_each(|(n, cap)| known(format!("spec.caps[{n}]"), &cap.purposes));
    super::quiet::check(report, world, spec);
    super::retention::check(report, world.manifests, spec);
    for (n, cap) in spec.caps.iter().enumerate() {
        period(report, n, cap);
    }
    super::confirm::check(report, world, spec);
    for (n, pause) in spec
        .preferences
        .iter()
        .flat_map(|of| of.pause.iter().flatten())
        .enumerate()
    {
        span(report, &format!("spec.preferences.pause[{n}]"), pause);
    }
    if spec.minimum_age.is_some() && world.profile.age.is_none() {
        report.warning(
            Code::AgeUnknown,
            "spec.minimumAge",
            "the CustomerProfile gives no age, and who has none counts as too young: nothing is sent for any purpose of basis Consent, LegitimateInterest or PublicTask",
            "add age to the CustomerProfile".to_owned(),
        );
    }
}

fn period(report: &mut Report, n: usize, cap: &Cap) {
    match (&cap.per, &cap.per_day) {
        (Some(per), None) => drop(span(report, &format!("spec.caps[{n}].per"), per)),
        (None, Some(zone)) if zone.as_str() == "Customer" => {}
        (None, Some(zone)) if time::zone(zone.as_str()).is_some() => {}
        (None, Some(zone)) => report.error(
            Code::UnknownZone,
            format!("spec.caps[{n}].perDay"),
            format!("there is no time zone '{}'", zone.as_str()),
            "name an IANA zone such as Europe/Vienna, or Customer".to_owned(),
        ),
        (Some(_), Some(_)) | (None, None) => report.error(
            Code::CapNotOnePeriod,
            format!("spec.caps[{n}]"),
            "a cap has exactly one of per, perDay",
            None,
        ),
    }
}
