//! What should come of a journey and how it is measured: goals, and KPIs over them.

use super::{
    signal::Signal,
    text::{Name, Percent, Span},
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A signal that is wanted, counted once per enrollment.
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
pub struct Kpi {
    /// What targets and reports call it; unique among kpis.
    pub name: Name,
    /// How often a goal is reached.
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
    /// Rate: the share of enrollments that reach it.
    pub measure: GoalMeasureKind,
}

/// What of a goal is measured.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GoalMeasureKind {
    Rate,
}

/// The bound that a KPI has to keep.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.atLeast) != has(self.atMost)").message("a target has exactly one of atLeast, atMost"))]
pub struct Target {
    /// Met at or above this percentage, written as text ("8%").
    pub at_least: Option<Percent>,
    /// Met at or below this percentage, written as text ("2%").
    pub at_most: Option<Percent>,
}
