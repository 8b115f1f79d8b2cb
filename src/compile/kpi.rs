//! KPIs of a manifest, parsed for measuring.

use super::{Code, report::Report, value::percent};
use crate::{
    api::{
        journey::JourneySpec,
        measure::{GoalMeasureKind, Kpi, Target as TargetSpec},
    },
    kpi::{KpiSpec, Target},
};

/// The KPIs of a journey. One that is not well-formed is left out: compiling the journey says why.
pub fn kpis(spec: &JourneySpec) -> Vec<KpiSpec> {
    spec.kpis.iter().filter_map(one).collect()
}

fn one(kpi: &Kpi) -> Option<KpiSpec> {
    match kpi.goal.measure {
        GoalMeasureKind::Rate => Some(KpiSpec {
            name: kpi.name.to_string(),
            goal: kpi.goal.name.to_string(),
            window: Some(kpi.window.micros()).filter(|window| *window > 0)?,
            minimum_sample: kpi.minimum_sample.and_then(|n| u32::try_from(n).ok()),
            target: match &kpi.target {
                Some(target) => Some(parsed(target)?),
                None => None,
            },
        }),
    }
}

/// None: not exactly one percentage.
fn parsed(target: &TargetSpec) -> Option<Target> {
    match (&target.at_least, &target.at_most) {
        (Some(text), None) => percent(text.as_str()).map(Target::AtLeast),
        (None, Some(text)) => percent(text.as_str()).map(Target::AtMost),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

pub fn check(report: &mut Report, path: &str, kpi: &Kpi) {
    if let Some(target) = &kpi.target
        && parsed(target).is_none()
    {
        let help = "write atLeast: \"8%\" or atMost: \"2%\"".to_owned();
        report.error(
            Code::Value,
            format!("{path}.target"),
            "a target is one percentage from 0% to 100%",
            help,
        );
    }
}
