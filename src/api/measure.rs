//! What should come of a journey and how it is measured: goals, and KPIs over them.

use super::{
    signal::Signal,
    text::{Expr, Name, Quantity, Span},
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A signal that is wanted, counted once per enrollment.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Goal {
    /// What KPIs and reports call it; unique among goals.
    pub name: Name,
    /// Who gains by it.
    pub side: Side,
    /// What is noticed.
    #[serde(flatten)]
    pub signal: Signal,
    /// How long from the entry on it counts, also after the exit.
    pub within: Span,
    /// CEL over event, entry, steps and customer that gives a number, summed by the measures Sum and Mean; left out: 1.
    pub value: Option<Expr>,
}

/// Who gains when a goal is reached.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    Business,
    Customer,
}

/// A measure of the journey; with a target it is an objective.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(r"!has(self.target) || self.goal.measure != 'Rate' || [has(self.target.atLeast) ? self.target.atLeast : '0%', has(self.target.atMost) ? self.target.atMost : '0%'].all(t, t.matches('^(100(\\.0{1,4})?|[0-9]{1,2}(\\.[0-9]{1,4})?)%$'))")
    .message("the target of a Rate is a percentage from 0% to 100%, such as \"8%\"").field_path(".target"))]
#[x_kube(validation = Rule::new(r"!has(self.target) || !(self.goal.measure in ['Sum', 'Mean']) || [has(self.target.atLeast) ? self.target.atLeast : '0', has(self.target.atMost) ? self.target.atMost : '0'].all(t, t.matches('^-?[0-9]{1,12}(\\.[0-9]{1,6})?$'))")
    .message("the target of a Sum or a Mean is a decimal, such as \"30\" or \"-0.5\"").field_path(".target"))]
#[x_kube(validation = Rule::new("!has(self.target) || !(self.goal.measure in ['P50Duration', 'P95Duration']) || [has(self.target.atLeast) ? self.target.atLeast : '1s', has(self.target.atMost) ? self.target.atMost : '1s'].all(t, t.matches('^[0-9].*[dhms]$'))")
    .message("the target of a duration is a duration, such as 48h").field_path(".target"))]
pub struct Kpi {
    /// What targets and reports call it; unique among kpis.
    pub name: Name,
    /// How often, how much or how soon a goal is reached.
    pub goal: GoalMeasure,
    /// How far back it looks.
    pub window: Span,
    /// Observations needed before it is Met or Missed; left out: as many as the interval needs.
    #[schemars(range(min = 1))]
    pub minimum_sample: Option<i32>,
    /// What makes it an objective; left out: it is only reported.
    pub target: Option<Target>,
}

/// A goal and what of it is measured.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct GoalMeasure {
    /// Name of the goal.
    pub name: Name,
    /// Rate: the share of enrollments that reach it. Sum, Mean: of its value. P50Duration, P95Duration: the time from the
    /// entry by which half, or 95 %, of those who reach it have done so.
    pub measure: GoalMeasureKind,
}

/// What of a goal is measured.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoalMeasureKind {
    Rate,
    Sum,
    Mean,
    P50Duration,
    P95Duration,
}

/// The bound that a KPI has to keep.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.atLeast) != has(self.atMost)").message("a target has exactly one of atLeast, atMost"))]
pub struct Target {
    /// Met at or above this, as the measure has it: a percentage ("8%"), a decimal ("30") or a duration (24h).
    pub at_least: Option<Quantity>,
    /// Met at or below this.
    pub at_most: Option<Quantity>,
}
