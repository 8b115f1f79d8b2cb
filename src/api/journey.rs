//! Journey: who enters, what happens to them, when it ends, and how we know that it works.

use super::{
    measure::{Goal, Kpi},
    signal::Signal,
    status::JourneyStatus,
    step::{Outcome, Step},
    text::{Expr, Line, Name, Percent, Priority, Span, Word},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

// `[self.map(t, t.name)].all(names, ...)` is CEL's let: with `exists` in its place a journey of 100 steps and 10 cases
// exceeds the API server's budget at run time. The same trick lets a message name the culprit, but only in rules on the
// list itself: on the spec it exceeds the estimate.
#[skip_serializing_none]
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "journey.dev", version = "v1alpha1", kind = "Journey", plural = "journeys", namespaced,
    status = "JourneyStatus", shortname = "jn", category = "journey-all", derive = "PartialEq", cel,
    doc = "A customer journey: who enters, what happens to them, when it ends, and how we know that it works.",
    scale(spec_replicas_path = ".spec.runner.replicas", status_replicas_path = ".status.runner.replicas",
          label_selector_path = ".status.runner.selector"),
    printcolumn(name = "Stage", type_ = "string", json_path = ".spec.stage"),
    printcolumn(name = "Owners", type_ = "string", json_path = ".spec.owners"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Objectives", type_ = "string", json_path = r#".status.conditions[?(@.type=="ObjectivesMet")].status"#),
    printcolumn(name = "KPI", type_ = "string", json_path = ".status.kpis[0].value"),
    printcolumn(name = "Entered", type_ = "integer", json_path = ".status.population.entered"),
    printcolumn(name = "Active", type_ = "integer", json_path = ".status.population.active"),
    printcolumn(name = "Converted", type_ = "integer", json_path = ".status.population.converted"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.revision.stable", priority = "1"),
    printcolumn(name = "Runners", type_ = "integer", json_path = ".status.runner.readyReplicas", priority = "1"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 52 && !self.metadata.name.contains('.')")
        .message("a journey's name is a DNS label of at most 52 characters: the runner's name is made of it"),
)]
#[x_kube(validation = Rule::new("(has(self.entry) && has(self.entry.triggers)) || (has(self.choice) && self.choice.join)")
    .message("nobody can enter: give entry.triggers, or choice.join: true"))]
#[x_kube(validation = Rule::new("!has(self.kpis) || [has(self.goals) ? self.goals.map(g, g.name) : []].all(names, self.kpis.all(k, k.goal.name in names))")
    .message("every kpis[].goal.name must name a goal").field_path(".kpis"))]
pub struct JourneySpec {
    /// What the journey is for, in a sentence that its owners would sign.
    pub description: Option<Line>,
    /// Where in the customer's life it belongs.
    pub stage: Option<Stage>,
    /// Teams that answer for it; shown by kubectl, carried into alerts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub owners: Vec<Word>,
    /// Whose message a slot shows when several have one in it: 0 to 100, or `${CEL}` over customer for each of them; the higher goes
    /// first, of equals the older message.
    #[serde(default = "fifty")]
    pub priority: Priority,
    /// true: entries are ignored, nothing is sent, timers wait; exits and goals still count.
    #[serde(default)]
    pub suspend: bool,
    /// How customers come in; left out: only by their own hand (choice.join).
    #[serde(default, skip_serializing_if = "Entry::is_empty")]
    pub entry: Entry,
    /// Customers who walk the journey and are measured, but get none of its messages whose purpose rests on Consent or
    /// LegitimateInterest; left out: nobody is held out.
    pub holdout: Option<Holdout>,
    /// What customers may do with this journey by their own hand: by a link in a message, its page, or an app; left out: nothing.
    pub choice: Option<Choice>,
    /// What happens, in order; `next` left out is the step below, after the last comes Completed.
    #[schemars(length(min = 1, max = 200))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = Rule::new("[self.map(t, t.name)].all(names, names.all(n, names.indexOf(n) == names.lastIndexOf(n)))")
        .message(Message::Expression("'the names of the steps must differ: ' + [self.map(t, t.name)].map(names, names.filter(n, names.indexOf(n) != names.lastIndexOf(n)))[0][0]".into())))]
    #[x_kube(validation = Rule::new("[self.map(t, t.name)].all(names, self.all(s, !has(s.next) || s.next in names))")
        .message(Message::Expression("[self.map(t, t.name)].map(names, self.filter(s, !(!has(s.next) || s.next in names)))[0].map(s, 'step ' + s.name + ': next must name a step, and ' + s.next + ' is none')[0]".into())))]
    #[x_kube(validation = Rule::new("[self.map(t, t.name)].all(names, self.all(s, !has(s.split) || s.split.arms.all(a, a.next in names)))")
        .message(Message::Expression("[self.map(t, t.name)].map(names, self.filter(s, !(!has(s.split) || s.split.arms.all(a, a.next in names))))[0].map(s, 'step ' + s.name + ': split.arms[].next must name a step')[0]".into())))]
    #[x_kube(validation = Rule::new("[self.map(t, t.name)].all(names, self.all(s, !has(s.branch) || (s.branch.otherwise in names && s.branch.cases.all(c, c.next in names))))")
        .message(Message::Expression("[self.map(t, t.name)].map(names, self.filter(s, !(!has(s.branch) || (s.branch.otherwise in names && s.branch.cases.all(c, c.next in names)))))[0].map(s, 'step ' + s.name + ': branch.cases[].next and branch.otherwise must name a step')[0]".into())))]
    #[x_kube(validation = Rule::new("[self.map(t, t.name)].all(names, self.all(s, !has(s.wait) || !has(s.wait.until) || s.wait.until.all(u, u.next in names)))")
        .message(Message::Expression("[self.map(t, t.name)].map(names, self.filter(s, !(!has(s.wait) || !has(s.wait.until) || s.wait.until.all(u, u.next in names))))[0].map(s, 'step ' + s.name + ': wait.until[].next must name a step')[0]".into())))]
    #[x_kube(validation = Rule::new("[self.map(t, t.name)].all(names, self.all(s, !has(s.send) || !has(s.send.otherwise) || s.send.otherwise in names))")
        .message(Message::Expression("[self.map(t, t.name)].map(names, self.filter(s, !(!has(s.send) || !has(s.send.otherwise) || s.send.otherwise in names)))[0].map(s, 'step ' + s.name + ': send.otherwise must name a step, and ' + s.send.otherwise + ' is none')[0]".into())))]
    pub steps: Vec<Step>,
    /// Signals that end the journey wherever the customer stands, looked at before triggers, waits and sends.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("the names of the exits must differ"))]
    pub exits: Vec<ExitRule>,
    /// What should come of it, for the business and for the customer; a journey without a goal for the customer is warned
    /// about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("the names of the goals must differ"))]
    pub goals: Vec<Goal>,
    /// What is measured; with a target it is an objective and enters the condition ObjectivesMet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("the names of the kpis must differ"))]
    pub kpis: Vec<Kpi>,
    /// The pods that move customers through this journey.
    pub runner: Option<Runner>,
}

fn fifty() -> Priority {
    Priority::Fixed(50)
}

/// Where in the customer's life a journey belongs.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    Awareness,
    Consideration,
    Purchase,
    Onboarding,
    Retention,
    Advocacy,
}

/// How customers come in.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Entry {
    /// Signals that let a customer in, each an entrance of its own; left out: only choice.join does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(validation = Rule::new("self.all(t, !has(t.times))")
        .message("times has no meaning on a trigger: nothing has begun from which it could count"))]
    pub triggers: Vec<Signal>,
    /// CEL over event: one enrollment per (customer, key), such as a cart or a subscription; left out: one per customer.
    pub key: Option<Expr>,
    /// Whether one may come again; left out: always.
    pub reentry: Option<Reentry>,
    /// How many may enter in a period; left out: whoever asks.
    pub pace: Option<Pace>,
}

impl Entry {
    /// Whether nothing of it is written.
    pub fn is_empty(&self) -> bool {
        let Self {
            triggers,
            key,
            reentry,
            pace,
        } = self;
        triggers.is_empty() && key.is_none() && reentry.is_none() && pace.is_none()
    }
}

/// What customers may do by their own hand.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Choice {
    /// What customers read on the page behind the link.
    pub title: Line,
    /// They may enter, without an event that a trigger takes.
    #[serde(default)]
    pub join: bool,
    /// They may leave: their outcome is OptedOut, what has not gone out is withdrawn, and they do not enter again until they join.
    #[serde(default)]
    pub leave: bool,
}

/// Whether a customer may come again.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Reentry {
    /// Time that must pass after the last exit; left out: none.
    pub cooldown: Option<Span>,
    /// Entries at most; one counts until two years (730d) after its exit. Left out: no limit.
    #[schemars(range(min = 1))]
    pub max: Option<i32>,
}

/// Customers who are held out, to see what the messages are worth.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Holdout {
    /// Share of customers held out, such as "10%"; the same ones as long as it stays, and more of them when it grows.
    pub percent: Percent,
    /// Journeys of this group hold out the same customers; left out: this journey's own.
    pub group: Option<Name>,
}

/// How fast customers are let in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// Entries at most in any stretch of time as long as the period; more wait their turn, in the order in which their events were
    /// accepted, and none is lost.
    #[schemars(range(min = 1))]
    pub at_most: i32,
    /// The period.
    pub per: Span,
}

/// A signal that ends the journey.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ExitRule {
    /// What reports call this way out; unique among exits.
    pub name: Name,
    /// What is noticed.
    #[serde(flatten)]
    pub signal: Signal,
    /// How the journey ended for this customer.
    pub outcome: Outcome,
}

/// The pods that move customers through this journey.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Runner {
    /// How many; kubectl scale writes it. Left out: the operator decides; it never writes this field.
    #[schemars(range(min = 0, max = 64))]
    pub replicas: Option<i32>,
}
