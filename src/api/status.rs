//! What the operator says of an object. Conditions at once; numbers rounded, and at most once a minute.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// Status of Touchpoint, ChannelAdapter and CustomerProfile.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The generation these conditions speak of; -1: not seen yet.
    pub observed_generation: Option<i64>,
    /// Accepted (it compiles), ResolvedRefs (what it names exists), Ready (in use); Reconciling and Stalled while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Status of a PrivacyPolicy.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// The generation these conditions speak of; -1: not seen yet.
    pub observed_generation: Option<i64>,
    /// Accepted (its shape and meaning), ResolvedRefs, Conflicted (True: what it says together with other policies is not what either says alone),
    /// Programmed (every runner and gateway runs by it), Ready; Reconciling and Stalled while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// How many journeys it governs.
    #[serde(default)]
    pub journeys: i64,
    /// Hash of what all policies together say of the journeys that it governs: another one, another policy in effect. Absent without journeys.
    pub hash: Option<String>,
    /// Of the namespace's retention, where this policy has one: that it ran.
    pub retention: Option<RetentionStatus>,
}

/// That retention ran.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    /// When it last ran through, to the hour.
    pub last_run: Option<Time>,
    /// Rows that it has removed in this namespace so far, events of dropped days not among them; to two significant digits.
    #[serde(default)]
    pub removed: i64,
}

/// Status of a Journey.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct JourneyStatus {
    /// The generation these conditions speak of; -1: not seen yet.
    pub observed_generation: Option<i64>,
    /// Accepted ResolvedRefs PolicyCompliant Programmed RunnerAvailable Ready ObjectivesMet; Reconciling
    /// and Stalled while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Which revision of the journey is walked now.
    pub revision: Option<RevisionStatus>,
    /// The pods that move customers through this journey; read by /scale.
    pub runner: Option<RunnerStatus>,
    /// Customers so far, to two significant digits.
    pub population: Option<Population>,
    /// Each KPI of the spec as measured over its window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub kpis: Vec<KpiStatus>,
}

/// A revision is the hash of steps, entry, exits and the touchpoints used, and of nothing else.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct RevisionStatus {
    /// Hash of the revision that customers walk.
    pub stable: Option<String>,
}

#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RunnerStatus {
    /// Pods that exist.
    #[serde(default)]
    pub replicas: i32,
    /// Pods that are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Label selector of the pods, as text; what an autoscaler asks for.
    pub selector: Option<String>,
    /// Events and due timers that wait for this journey, to two significant digits.
    pub backlog: Option<i64>,
}

/// Enrollments since the journey was made. With reporting.minimumGroup in a policy a count of fewer customers is left out, and greater ones are
/// rounded down to its multiples.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Population {
    /// Enrollments ever begun.
    pub entered: Option<i64>,
    /// Enrollments on their way now.
    pub active: Option<i64>,
    /// Customers who wait at the door for their turn by entry.pace.
    pub paced: Option<i64>,
    /// Ended as Completed.
    pub completed: Option<i64>,
    /// Ended as Converted.
    pub converted: Option<i64>,
    /// Ended as Disqualified.
    pub disqualified: Option<i64>,
    /// Ended as OptedOut: the customer left by their own hand.
    pub opted_out: Option<i64>,
    /// Ended as Merged: two customers became one, and the other's enrollment was the older.
    pub merged: Option<i64>,
    /// Ended as Failed.
    pub failed: Option<i64>,
}

#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct KpiStatus {
    /// Name of the KPI in the spec.
    pub name: String,
    /// The measured value, in the unit of its target; absent while there is no sample.
    pub value: Option<String>,
    /// Lower end of the 95% interval.
    pub low: Option<String>,
    /// Upper end of the 95% interval.
    pub high: Option<String>,
    /// How many observations the value rests on, to two significant digits.
    #[serde(default)]
    pub sample: i64,
    /// The target as text, such as `>= 8%`.
    pub target: Option<String>,
    /// Met or Missed once the interval allows to say so; Unknown before, and without a target.
    pub state: KpiState,
    /// Why nothing is told of it.
    pub reason: Option<KpiReason>,
    /// What the messages are worth by this KPI, where the journey has a holdout and there are customers on both sides.
    pub lift: Option<Lift>,
}

/// The KPI of those who got the messages less the KPI of those held out.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Lift {
    /// The difference in percentage points: `1.1%` means that 1.1 more of a hundred reach the goal.
    pub value: String,
    /// Lower end of the 95% interval; above zero: the messages help.
    pub low: String,
    /// Upper end of the 95% interval; below zero: they do harm.
    pub high: String,
    /// Enrollments that were held out within the window, to two significant digits.
    #[serde(default)]
    pub held_out: i64,
}

#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum KpiState {
    Met,
    Missed,
    Unknown,
}

/// Why nothing is told of a KPI.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum KpiReason {
    /// Fewer customers were observed than reporting.minimumGroup of the policies asks for.
    BelowMinimumGroup,
}
