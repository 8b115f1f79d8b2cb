//! What may be written in a scenario. The JSON Schema for editors is made from these types.

use super::flexible::{Many, Named};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A test of journeys, told as a story: what is given, what happens, and what is expected.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scenario {
    /// What happens, in one sentence: the scenario's name.
    pub scenario: String,
    /// More about it.
    #[serde(default)]
    pub description: Option<String>,
    /// Words to choose scenarios by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Files or folders of manifests, relative to this file. Documents in the same file that are manifests belong to every scenario of it.
    #[serde(default)]
    pub manifests: Many<String>,
    /// The journey that expectations speak of; may be left out where there is one only.
    #[serde(default)]
    pub journey: Option<String>,
    /// When it begins: an instant such as 2026-03-02T10:00:00Z, or 2026-03-02T10:00[Europe/Vienna]. Left out: Monday, 2026-03-02T10:00:00Z.
    #[serde(default)]
    pub start: Option<String>,
    #[serde(default)]
    pub given: Given,
    /// What happens and what is expected, in the order of time.
    #[serde(default)]
    pub timeline: Vec<Moment>,
}

/// How things stand at the start.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Given {
    /// Customers who are known already, by their identifier.
    #[serde(default)]
    pub customers: BTreeMap<String, GivenCustomer>,
    /// What providers answer, by touchpoint; of a list one a message, and the last for all that follow. Left out: sent.
    #[serde(default)]
    pub answers: BTreeMap<String, Many<Answer>>,
}

/// A customer who is known already.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GivenCustomer {
    /// Kind of the identifier. Left out: userId.
    #[serde(default)]
    pub identifier: Option<String>,
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// By purpose: granted, confirmed (by a double opt-in), pending, withdrawn, or with its age, such as `granted 400d ago`. Without an age: a day ago.
    #[serde(default)]
    pub consent: BTreeMap<String, String>,
}

/// What a provider says of a message.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    Sent,
    /// Sent, and this is the body of the provider's answer, of which `outbound.response` says what is kept.
    Answered(Map<String, Value>),
    /// Refused for good, with the reason that is counted.
    Failed(String),
    /// Not accepted now: tried again by the adapter's `retry`.
    TryLater(String),
    /// It may or may not have been accepted.
    Unknown(String),
    /// It never answers while the scenario lasts.
    Silent,
}

/// A point of time, what happens then, and what is expected afterwards.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Moment {
    /// When: a duration since the start (2h), or an instant. Without `at` and `after` it is the moment before.
    #[serde(default)]
    pub at: Option<String>,
    /// When: so long after the moment before.
    #[serde(default)]
    pub after: Option<String>,
    /// An event that comes in, by the name that producers give it (cart.updated); or what becomes of a message (cart-reminder/clicked: of the
    /// customer's last message of that touchpoint; please-confirm/confirmed: its link is followed); or consent/withdrawn, by the link in a message; or choice/join or choice/leave, by the
    /// customer's own hand.
    #[serde(default)]
    pub event: Option<String>,
    /// Whose event it is: stands for the identifier in its data.
    #[serde(default)]
    pub customer: Option<String>,
    /// The adapter that brings it. Left out: the first that may.
    #[serde(default)]
    pub from: Option<String>,
    /// The properties of the event.
    #[serde(default)]
    pub data: Map<String, Value>,
    /// What others say of the customer's consent, and comes with the event.
    #[serde(default)]
    pub signals: Option<Signalled>,
    /// The producer's id; the same id again is a duplicate. Left out: a new one.
    #[serde(default)]
    pub id: Option<String>,
    /// When it happened by its own word: an instant, or so long ago (20m ago). Left out: now.
    #[serde(default)]
    pub time: Option<String>,
    /// The purpose, of consent/withdrawn.
    #[serde(default)]
    pub purpose: Option<String>,
    /// What becomes of the event: accepted, duplicate, unknown, or a reason of the quarantine such as SchemaViolation. Left out: accepted.
    #[serde(default)]
    pub becomes: Option<String>,
    /// What providers answer from now on.
    #[serde(default)]
    pub answers: BTreeMap<String, Many<Answer>>,
    /// Files of manifests that are applied now, over those that are there.
    #[serde(default)]
    pub apply: Many<String>,
    /// What is expected then, after everything that is due at this instant has been done.
    #[serde(default)]
    pub expect: Option<Expect>,
}

/// What others say of the customer's consent, as CloudEvents have it in extension attributes.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Signalled {
    /// By category whether the consent platform has it allowed.
    #[serde(default)]
    pub consentcategories: BTreeMap<String, bool>,
    /// A TC string.
    #[serde(default)]
    pub tcstring: Option<String>,
    /// A GPP string.
    #[serde(default)]
    pub gppstring: Option<String>,
    /// Whether Global Privacy Control is on.
    #[serde(default)]
    pub gpc: bool,
}

/// What is expected at a point of time. What is left out is not looked at.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expect {
    /// All messages that providers took since messages were expected last, and no others. Those of one instant in any order.
    #[serde(default)]
    pub messages: Option<Vec<Named<Message>>>,
    /// All messages skipped since skips were expected last, and no others.
    #[serde(default)]
    pub skipped: Option<Vec<Named<Ended>>>,
    /// All messages that failed since failures were expected last, and no others.
    #[serde(default)]
    pub failed: Option<Vec<Named<Ended>>>,
    /// All messages that stay no longer, in a slot or with an adapter, since ends were expected last, and no others: for the reason Lasted,
    /// JourneyEnded or ConsentEnded.
    #[serde(default)]
    pub ended: Option<Vec<Named<Ended>>>,
    /// What slots show, by the customer's identifier and the name of the slot; null: nothing.
    #[serde(default)]
    pub slots: BTreeMap<String, BTreeMap<String, Option<Named<Card>>>>,
    /// All messages that wait at this point: for the end of quiet hours, or to be tried again.
    #[serde(default)]
    pub held: Option<Vec<Named<Held>>>,
    /// How customers stand, by their identifier. A list where a customer has several enrollments.
    #[serde(default)]
    pub customers: BTreeMap<String, Many<Customer>>,
    /// Counts of the journey since the start, by the names that metrics and status use: entered, ended:Completed, ignored:AlreadyIn, step:patience.
    #[serde(default)]
    pub counts: BTreeMap<String, i64>,
    /// Counts of the gateway: accepted, duplicate, followed, quarantined:SchemaViolation.
    #[serde(default)]
    pub intake: BTreeMap<String, i64>,
    /// Measures of the journey's KPIs as of now.
    #[serde(default)]
    pub kpis: BTreeMap<String, Kpi>,
    /// Of which journey counts and kpis are. Left out: the scenario's.
    #[serde(default)]
    pub journey: Option<String>,
}

/// A message that a provider took. A name alone is its touchpoint.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
    pub touchpoint: String,
    #[serde(default)]
    pub customer: Option<String>,
    /// The address.
    #[serde(default)]
    pub to: Option<String>,
    #[serde(default)]
    pub journey: Option<String>,
    #[serde(default)]
    pub step: Option<String>,
    #[serde(default)]
    pub purpose: Option<String>,
    /// When it was handed over: a duration since the start, or an instant.
    #[serde(default)]
    pub at: Option<String>,
    /// Texts that its content has, in any field.
    #[serde(default)]
    pub says: Many<String>,
    /// Texts that its content has not, in any field.
    #[serde(default)]
    pub never: Many<String>,
    /// Texts that fields of its content have.
    #[serde(default)]
    pub content: BTreeMap<String, Many<String>>,
    /// What the step gave it.
    #[serde(default)]
    pub with: Map<String, Value>,
}

/// What a slot shows. A name alone is its touchpoint.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Card {
    pub touchpoint: String,
    /// Texts that its content has, in any field.
    #[serde(default)]
    pub says: Many<String>,
    /// Until when it stays: a duration since the start, or an instant.
    #[serde(default)]
    pub until: Option<String>,
}

/// A message that was skipped, failed or ended. A name alone is its touchpoint.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ended {
    pub touchpoint: String,
    #[serde(default)]
    pub customer: Option<String>,
    #[serde(default)]
    pub step: Option<String>,
    #[serde(default)]
    pub reason: Option<String>,
}

/// A message that waits. A name alone is its touchpoint.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Held {
    pub touchpoint: String,
    #[serde(default)]
    pub customer: Option<String>,
    #[serde(default)]
    pub step: Option<String>,
    #[serde(default)]
    pub why: Option<String>,
    /// When it asks again: a duration since the start, or an instant.
    #[serde(default)]
    pub until: Option<String>,
}

/// How a customer stands in a journey.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Customer {
    #[serde(default)]
    pub journey: Option<String>,
    /// Of which enrollment: the value of the entry's key. Left out: the latest.
    #[serde(default)]
    pub key: Option<String>,
    /// The step at which the customer stands.
    #[serde(default)]
    pub stands: Option<String>,
    /// How the journey ended: Completed, Converted, Disqualified, Failed; `none` while it goes on.
    #[serde(default)]
    pub outcome: Option<String>,
    /// How often the customer has entered, over all keys.
    #[serde(default)]
    pub entered: Option<usize>,
    /// All steps of the enrollment, in the order of arrival.
    #[serde(default)]
    pub passed: Option<Vec<String>>,
    /// Steps at which the enrollment never arrived.
    #[serde(default)]
    pub never: Vec<String>,
    /// The goals that it reached, and no others.
    #[serde(default)]
    pub goals: Option<Vec<String>>,
    /// Attributes of the customer, as journeys see them; null is missing.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// By purpose: granted, pending, withdrawn, or unknown.
    #[serde(default)]
    pub consent: BTreeMap<String, String>,
}

/// A measure of a KPI.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kpi {
    /// As status writes it, such as 50%.
    #[serde(default)]
    pub value: Option<String>,
    #[serde(default)]
    pub sample: Option<i64>,
    /// Met, Missed or Unknown.
    #[serde(default)]
    pub state: Option<String>,
}

impl From<String> for Message {
    fn from(touchpoint: String) -> Self {
        Self {
            touchpoint,
            ..Self::default()
        }
    }
}

impl From<String> for Card {
    fn from(touchpoint: String) -> Self {
        Self {
            touchpoint,
            ..Self::default()
        }
    }
}

impl From<String> for Ended {
    fn from(touchpoint: String) -> Self {
        Self {
            touchpoint,
            ..Self::default()
        }
    }
}

impl From<String> for Held {
    fn from(touchpoint: String) -> Self {
        Self {
            touchpoint,
            ..Self::default()
        }
    }
}

/// The JSON Schema of a scenario, for editors.
pub fn schema() -> Value {
    let schema = schemars::generate::SchemaSettings::draft07()
        .into_generator()
        .into_root_schema_for::<Scenario>();
    schema.to_value()
}
