//! The six things a step can do: wait, send, split, branch, set, exit.

use super::{
    opaque::{Scalars, scalars},
    signal::Signal,
    text::{Clock, Expr, Name, Span, Zone},
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
#[x_kube(validation = Rule::new("[has(self.wait), has(self.send), has(self.split), has(self.branch), has(self.set), has(self.exit)].exists_one(x, x)")
    .message("a step has exactly one of wait, send, split, branch, set, exit"))]
#[x_kube(validation = Rule::new("!has(self.next) || !(has(self.exit) || has(self.split) || has(self.branch))")
    .message("next has no meaning on exit, split or branch").field_path(".next"))]
pub struct Step {
    /// What other steps, expressions (steps.NAME), metrics and reports call this step; unique in the journey.
    pub name: Name,
    /// Go on later: after a duration, at an instant, or when a signal ends the wait.
    pub wait: Option<Wait>,
    /// Say something through an outbound touchpoint; left when the outcome is known: Sent, Skipped or Failed.
    pub send: Option<Send>,
    /// Divide customers at random, and always the same customer the same way.
    pub split: Option<Split>,
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
#[x_kube(validation = Rule::new("has(self.__for__) || has(self.at) || has(self.until)").message("wait needs for, at or until"))]
#[x_kube(validation = Rule::new("!(has(self.__for__) && has(self.at))").message("wait has for or at, not both"))]
#[x_kube(validation = Rule::new("!has(self.during) || has(self.__for__) || has(self.at)").message("during needs for or at").field_path(".during"))]
pub struct Wait {
    /// How long: 90s, 15m, 36h, 14d, 1d12h. Survives restarts. Left out: until a signal comes, for ever if none does.
    #[serde(rename = "for")]
    pub for_: Option<Span>,
    /// Until which instant: CEL that gives a timestamp, asked on arrival; one in the past does not wait.
    pub at: Option<Expr>,
    /// Only time inside these windows counts, and the wait ends inside one.
    pub during: Option<During>,
    /// Signals since arrival; the first of them ends the wait, of two at once the upper. One may lead back to this step,
    /// which starts anew.
    #[schemars(length(min = 1, max = 10))]
    pub until: Option<Vec<Until>>,
}

/// Windows of local time.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("has(self.days) || has(self.from)").message("during needs days, or from and to"))]
#[x_kube(validation = Rule::new("has(self.from) == has(self.to)").message("from and to come together"))]
#[x_kube(validation = Rule::new("!has(self.from) || !has(self.to) || self.from != self.to").message("from and to must differ").field_path(".to"))]
pub struct During {
    /// Days of the week on which a window opens; left out: every day.
    #[schemars(length(min = 1, max = 7))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub days: Option<Vec<Day>>,
    /// When it opens, HH:MM; left out with `to`: the whole day.
    pub from: Option<Clock>,
    /// When it closes, HH:MM, itself outside; before `from`: on the next day.
    pub to: Option<Clock>,
    /// Whose clock: `Customer`, UTC or an IANA zone such as Europe/Vienna.
    #[serde(default = "customer_zone")]
    pub zone: Zone,
}

fn customer_zone() -> Zone {
    Zone("Customer".into())
}

/// A day of the week.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
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
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.touchpoint) != has(self.oneOf)").message("send has exactly one of touchpoint, oneOf"))]
pub struct Send {
    /// The outbound Touchpoint to send.
    pub touchpoint: Option<Name>,
    /// Candidates: of those whose `when` holds the highest `score` first (else in this order), the first that the whole
    /// policy lets through now; when there is none, the first that is only held, and what is held chooses anew when it is
    /// asked again.
    #[schemars(length(min = 1, max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub one_of: Option<Vec<Candidate>>,
    /// What this step gives to the content, read there as with.NAME; literals with `${CEL}` inside.
    #[serde(default)]
    #[schemars(schema_with = "scalars")]
    pub with: Option<Scalars>,
    /// The step that follows when the message was Skipped or Failed; left out: as if it was sent.
    pub otherwise: Option<Name>,
}

impl Step {
    /// Signals that end its wait, if it is one.
    pub fn until(&self) -> impl Iterator<Item = &Until> {
        self.wait.iter().flat_map(|wait| wait.until.iter().flatten())
    }
}

impl Send {
    /// What it may send.
    pub fn touchpoints(&self) -> impl Iterator<Item = &Name> {
        let candidates = self.one_of.iter().flatten().map(|candidate| &candidate.touchpoint);
        self.touchpoint.iter().chain(candidates)
    }
}

/// A message that a send may choose.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Candidate {
    /// The outbound Touchpoint to send.
    pub touchpoint: Name,
    /// CEL over entry, steps, customer and now: whether it is a candidate at all; left out: always.
    pub when: Option<Expr>,
    /// CEL that gives a number: the highest goes first; left out: 0.
    pub score: Option<Expr>,
}

/// Ways that customers are divided over.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.arms.map(a, a.weight).sum() == 100").message("the weights of the arms must add up to 100").field_path(".arms"))]
pub struct Split {
    /// The ways, with their shares. Who takes which depends on (namespace/journey/step, customer) alone, and is kept: only
    /// who stood in an arm that is gone draws anew, at the next arrival.
    #[schemars(length(min = 2, max = 10))]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("the names of the arms must differ"))]
    pub arms: Vec<Arm>,
}

/// One way of a split.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Arm {
    /// What reports, metrics and steps.NAME.arm call it; unique in the split.
    pub name: Name,
    /// Percentage of the customers, 0 to 100; all arms together 100.
    #[schemars(range(min = 0, max = 100))]
    pub weight: i32,
    /// The step this arm leads to.
    pub next: Name,
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
