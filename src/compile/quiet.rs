//! The quiet of a policy: hours in zones that exist, and conditions over the customer.

use super::{Code, Diagnostic, report::Report, touchpoint::scope, value::cel, world::World};
use crate::{
    api::{
        PrivacyPolicySpec,
        privacy_policy::{Hours, Quiet},
    },
    expression::{self, Layout, OnMissing, Place, Type, time},
};
use std::collections::BTreeMap;

/// What is wrong with one policy's quiet.
pub fn check(report: &mut Report, world: &World<'_>, spec: &PrivacyPolicySpec) {
    let mut layout = Layout::default();
    for (n, quiet) in spec.quiet.iter().enumerate() {
        let path = format!("spec.quiet[{n}]");
        match (&quiet.hours, &quiet.while_) {
            (Some(hours), None) => check_hours(report, world, &format!("{path}.hours"), hours),
            (None, Some(_)) => drop(condition(report, world, n, quiet, &mut layout)),
            (Some(_), Some(_)) | (None, None) => {
                report.error(
                    Code::QuietNotOneThing,
                    path,
                    "quiet has exactly one of hours, while",
                    None,
                );
            }
        }
    }
}

/// The conditions of the policies that select a journey, by their text: what the runner asks before it asks the policy. What is wrong with
/// them is `found`; a journey whose policies cannot be asked sends nothing.
pub fn conditions(
    world: &World<'_>,
    policies: &[(&str, &PrivacyPolicySpec)],
    layout: &mut Layout,
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<String, expression::Program> {
    let mut all = BTreeMap::new();
    for (name, spec) in policies {
        let mut report = Report::new("PrivacyPolicy", name);
        for (n, quiet) in spec.quiet.iter().enumerate() {
            if let Some((source, program)) = condition(&mut report, world, n, quiet, layout) {
                all.insert(source, program);
            }
        }
        found.append(&mut report.found);
    }
    all
}

/// It may read any attribute: the policy's own expressions serve the customer, not a purpose.
fn condition(
    report: &mut Report,
    world: &World<'_>,
    n: usize,
    quiet: &Quiet,
    layout: &mut Layout,
) -> Option<(String, expression::Program)> {
    let source = quiet.while_.as_ref()?.as_str();
    let scope = scope(&[&world.customer]);
    let place = Place {
        scope: &scope,
        wants: Some(Type::Bool),
        missing: OnMissing::False,
    };
    let program = cel(report, &format!("spec.quiet[{n}].while"), source, &place, layout)?;
    Some((source.to_owned(), program))
}

fn check_hours(report: &mut Report, world: &World<'_>, path: &str, hours: &Hours) {
    let zone = hours.zone.as_str();
    if zone == "Customer" && world.zone_may_be_missing {
        let zone_rule = world.profile.zone.is_some();
        let message = if zone_rule {
            "the CustomerProfile's zone may be missing, and of a customer without one it is quiet at all hours: the message is skipped"
        } else {
            "the CustomerProfile gives no zone, and of a customer without one it is quiet at all hours: the message is skipped"
        };
        let help = if zone_rule {
            "give the attribute that it reads a default, or name a zone here"
        } else {
            "add zone to the CustomerProfile, or name a zone here"
        };
        report.warning(Code::QuietWithoutZone, format!("{path}.zone"), message, help.to_owned());
    } else if zone != "Customer" && time::zone(zone).is_none() {
        report.error(
            Code::UnknownZone,
            format!("{path}.zone"),
            format!("there is no time zone '{zone}'"),
            "name an IANA zone such as Europe/Vienna".to_owned(),
        );
    }
    for (field, clock) in [("from", &hours.from), ("to", &hours.to)] {
        if time::time_of_day(clock.as_str()).is_none() {
            report.error(
                Code::NotATimeOfDay,
                format!("{path}.{field}"),
                format!("'{clock}' is no time of day"),
                "write it like \"21:00\"".to_owned(),
            );
        }
    }
}
