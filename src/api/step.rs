//! The five things a step can do: wait, send, branch, set, exit.

use super::{
    opaque::{Scalars, scalars},
    signal::Signal,
    text::{Expr, Name, Span},
};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// One thing that happens to a customer: a name and exactly one action.
// Optional fields and a rule instead of an enum: serde silently takes the first of two actions, and the message of the
// API server's oneOf cannot be read.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("[has(self.wait), has(self.send), has(self.branch), has(self.set), has(self.exit)].exists_one(x, x)")
    .message("a step has exactly one of wait, send, branch, set, exit"))]
#[x_kube(validation = Rule::new("!has(self.next) || !(has(self.exit) || has(self.branch))")
    .message("next has no meaning on exit or branch").field_path(".next"))]
pub struct Step {
    /// What other steps, expressions (steps.NAME), metrics and reports call this step; unique in the journey.
    pub name: Name,
    /// Go on later: after a duration, or when a signal ends the wait.
    pub wait: Option<Wait>,
    /// Say something through an outbound touchpoint; left when the outcome is known: Sent, Skipped or Failed.
    pub send: Option<Send>,
    /// Choose the way by conditions, the first that holds.
    pub branch: Option<Branch>,
    /// Change attributes of the customer, atomically: name to value, `${CEL}` inside.
    #[serde(default)]
    #[schemars(schema_with = "scalars")]
    pub set: Option<Scalars>,
    /// End the journey for this customer.
    pub exit: Option<Exit>,
    /// The step that follows; left out: the step below; after the last: Completed.
    pub next: Option<Name>,
}

/// Time that passes, or something that must happen first.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.__for__) || has(self.until)").message("wait needs for or until"))]
pub struct Wait {
    /// How long: 90s, 15m, 36h, 14d, 1d12h. Survives restarts. Left out: until a signal comes, for ever if none does.
    #[serde(rename = "for")]
    pub for_: Option<Span>,
    /// Signals since arrival; the first of them ends the wait, of two at once the upper. One may lead back to this step,
    /// which starts anew.
    #[schemars(length(min = 1, max = 10))]
    pub until: Option<Vec<Until>>,
}

/// A signal that ends a wait, and where it leads.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Until {
    /// What is noticed.
    #[serde(flatten)]
    pub signal: Signal,
    /// The step this signal leads to.
    pub next: Name,
}

/// A message to the customer.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Send {
    /// The outbound Touchpoint to send.
    pub touchpoint: Name,
    /// What this step gives to the content, read there as with.NAME; literals with `${CEL}` inside.
    #[serde(default)]
    #[schemars(schema_with = "scalars")]
    pub with: Option<Scalars>,
    /// The step that follows when the message was Skipped or Failed; left out: as if it was sent.
    pub otherwise: Option<Name>,
}

/// A fork in the way.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Branch {
    /// Conditions in order; the first that holds leads on.
    #[schemars(length(min = 1, max = 10))]
    pub cases: Vec<Case>,
    /// The step for everyone else.
    pub otherwise: Name,
}

/// One way out of a branch.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Case {
    /// CEL over entry, steps, customer and now; over a missing value it is false.
    pub when: Expr,
    /// The step this case leads to.
    pub next: Name,
}

/// The end of the journey for one customer.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Exit {
    /// How the journey ended for this customer.
    pub outcome: Outcome,
}

/// How a journey ended for a customer.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    Completed,
    Converted,
    Disqualified,
    Failed,
}
