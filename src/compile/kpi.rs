//! KPIs of a manifest, parsed for measuring.

use super::{Code, report::Report, value::percent};
use crate::{
    api::{
        journey::JourneySpec,
        measure::{GoalMeasureKind, Kpi, Target as TargetSpec},
        text::{Quantity, Span},
    },
    clock::SECOND,
    kpi::{KpiSpec, Statistic, Target},
};

/// The KPIs of a journey. One that is not well-formed is left out: compiling the journey says why.
pub fn kpis(spec: &JourneySpec) -> Vec<KpiSpec> {
    spec.kpis.iter().filter_map(|kpi| one(spec, kpi)).collect()
}

fn one(spec: &JourneySpec, kpi: &Kpi) -> Option<KpiSpec> {
    let statistic = statistic(kpi);
    let goal = spec.goals.iter().find(|goal| goal.name == kpi.goal.name)?;
    Some(KpiSpec {
        name: kpi.name.to_string(),
        goal: kpi.goal.name.to_string(),
        statistic,
        valued: goal.value.is_some(),
        window: Some(kpi.window.micros()).filter(|window| *window > 0)?,
        minimum_sample: kpi.minimum_sample.and_then(|n| u32::try_from(n).ok()),
        target: match &kpi.target {
            Some(target) => Some(parsed(statistic, target)?),
            None => None,
        },
    })
}

fn statistic(kpi: &Kpi) -> Statistic {
    match kpi.goal.measure {
        GoalMeasureKind::Rate => Statistic::Rate,
        GoalMeasureKind::Sum => Statistic::Sum,
        GoalMeasureKind::Mean => Statistic::Mean,
        GoalMeasureKind::P50Duration => Statistic::P50Duration,
        GoalMeasureKind::P95Duration => Statistic::P95Duration,
    }
}

/// None: not exactly one quantity of the statistic.
fn parsed(statistic: Statistic, target: &TargetSpec) -> Option<Target> {
    match (&target.at_least, &target.at_most) {
        (Some(text), None) => quantity(statistic, text).map(Target::AtLeast),
        (None, Some(text)) => quantity(statistic, text).map(Target::AtMost),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

/// In the unit of the statistic.
fn quantity(statistic: Statistic, text: &Quantity) -> Option<f64> {
    let text = text.as_str();
    match statistic {
        Statistic::Rate => percent(text),
        Statistic::Sum | Statistic::Mean => text.parse().ok().filter(|number: &f64| number.is_finite()),
        Statistic::P50Duration | Statistic::P95Duration => {
            let length = Span::from(text).micros();
            (length > 0).then_some(length as f64 / SECOND as f64)
        }
    }
}

pub fn check(report: &mut Report, path: &str, kpi: &Kpi) {
    let statistic = statistic(kpi);
    let Some(target) = &kpi.target else { return };
    if parsed(statistic, target).is_some() {
        return;
    }
    let (message, help) = match statistic {
        Statistic::Rate => (
            "a target is one percentage from 0% to 100%",
            "write atLeast: \"8%\" or atMost: \"2%\"",
        ),
        Statistic::Sum | Statistic::Mean => (
            "the target of a Sum or a Mean is one decimal",
            "write atLeast: \"30\" or atMost: \"-0.5\"",
        ),
        Statistic::P50Duration | Statistic::P95Duration => (
            "the target of a duration is one duration",
            "write atMost: 48h or atLeast: 1d12h",
        ),
    };
    report.error(Code::KpiTarget, format!("{path}.target"), message, help.to_owned());
}
