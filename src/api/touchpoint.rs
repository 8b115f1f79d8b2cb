//! Touchpoint: something a customer does (inbound), or something we say (outbound).

use super::{
    opaque::{Scalars, object, objects, scalars},
    status::Status,
    text::{Cron, Expr, Line, Literal, Name, QuestionName, Span, Template, Word, Zone},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::collections::BTreeMap;

#[skip_serializing_none]
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "journey.dev", version = "v1alpha1", kind = "Touchpoint", plural = "touchpoints", namespaced,
    status = "Status", shortname = "tp", category = "journey-all", derive = "PartialEq", cel,
    doc = "One moment of contact: something a customer does, or something we say.",
    printcolumn(name = "Channel", type_ = "string", json_path = ".spec.channel"),
    printcolumn(name = "Event", type_ = "string", json_path = ".spec.inbound.event"),
    printcolumn(name = "Adapter", type_ = "string", json_path = ".spec.outbound.adapter"),
    printcolumn(name = "Purpose", type_ = "string", json_path = ".spec.outbound.purpose"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("a touchpoint's name is a DNS label of at most 63 characters: journeys say name or name/clicked"),
    validation = Rule::new("!(self.metadata.name in ['journey', 'consent'])")
        .message("journey and consent are taken: signals say consent/granted"),
)]
#[x_kube(validation = Rule::new("has(self.inbound) != has(self.outbound)").message("a touchpoint has exactly one of inbound, outbound"))]
#[x_kube(validation = Rule::new("has(self.inbound) == has(oldSelf.inbound)").message("a touchpoint keeps its direction: make a new one"))]
pub struct TouchpointSpec {
    /// Where it takes place, any word the owner uses: Web Mobile Email Sms Push InApp Chat Voice Social Ad Store Service
    /// Device. Caps count by it.
    pub channel: Word,
    /// Something a customer does, or that happens in the world.
    pub inbound: Option<Inbound>,
    /// Something we say.
    pub outbound: Option<Outbound>,
}

/// Something a customer does, or that happens in the world.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.event) != has(self.schedule)").message("inbound has exactly one of event, schedule"))]
#[x_kube(validation = Rule::new("!has(self.schedule) || !(has(self.from) || has(self.customer) || has(self.schema))")
    .message("a schedule comes from no adapter, concerns no one customer and has no data: leave out from, customer, schema"))]
#[x_kube(validation = Rule::new("has(self.schedule) || !has(self.timeZone)").message("timeZone belongs to schedule").field_path(".timeZone"))]
#[x_kube(validation = Rule::new("!has(self.timeZone) || self.timeZone != 'Customer'").message("a schedule comes at one instant for everybody: name an IANA zone").field_path(".timeZone"))]
#[x_kube(validation = Rule::new("has(self.customer) || !(has(self.attributes) || has(self.consent) || has(self.reply) || has(self.alsoKnownAs))").message("attributes, consent, reply and alsoKnownAs need customer"))]
pub struct Inbound {
    /// The CloudEvents type, or the name of a track call.
    #[schemars(length(min = 1, max = 256))]
    pub event: Option<String>,
    /// When it happens by itself, as news: five cron fields (minute hour day month weekday), or @hourly @daily @weekly @monthly
    /// @yearly.
    pub schedule: Option<Cron>,
    /// The schedule's zone; left out: UTC.
    pub time_zone: Option<Zone>,
    /// ChannelAdapters that may bring it; left out: any authenticated one.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub from: Option<Vec<Name>>,
    /// CEL over event: whose it is. Left out: news, it concerns every customer for whom the listener's `when` holds.
    pub customer: Option<Expr>,
    /// CEL over event: other identifiers of the same customer, each a path such as event.anonymousId; who was two is one customer from
    /// now on.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub also_known_as: Option<Vec<Expr>>,
    /// JSON Schema of the data; an event that breaks it goes to quarantine with the reason. Left out: no data can be read.
    #[serde(default)]
    #[schemars(schema_with = "object")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub schema: Option<serde_json::Value>,
    /// What it teaches: attribute to value, `${CEL}` inside; sees the profile as it was before the event.
    #[serde(default)]
    #[schemars(schema_with = "scalars")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub attributes: Option<Scalars>,
    /// Consent that comes with it.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub consent: Option<Vec<Consent>>,
    /// It is an answer to our messages on this channel, by SMS for instance: STOP, START and HELP in it are understood, and
    /// event.keyword says which it was.
    pub reply: Option<Reply>,
    /// Examples of the data, checked against the schema.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "objects")]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub samples: Vec<serde_json::Value>,
}

/// Consent that comes with an event.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Consent {
    /// Purpose of the PrivacyPolicy.
    pub purpose: Name,
    /// The channel that it is about, as touchpoints name it: a no to it holds until the channel itself is agreed to again. Left out: the purpose
    /// as a whole.
    pub channel: Option<Word>,
    /// CEL over event that gives a boolean: true grants (where the purpose has confirm: pending), false withdraws, missing changes nothing.
    pub granted: Expr,
    /// Which wording the customer saw; kept as evidence.
    pub notice: Option<Line>,
}

/// An answer to our messages. STOP and its like (STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, REVOKE, OPTOUT, STOPP, ABMELDEN) withdraws on the
/// touchpoint's channel, START and UNSTOP take that back; HELP, INFO and HILFE change nothing.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Reply {
    /// CEL over event: what the customer wrote. A word counts when the text is it alone, whatever its case, spaces and punctuation.
    pub text: Expr,
    /// Purposes of the PrivacyPolicies that it speaks of; left out: all whose basis is Consent, LegitimateInterest or PublicTask.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub purposes: Option<Vec<Name>>,
}

/// Something we say.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.content) && has(self.survey))").message("outbound has content or survey, not both"))]
#[x_kube(validation = Rule::new("has(self.survey) == has(oldSelf.survey)").message("a message does not become a survey: make a new touchpoint"))]
#[x_kube(validation = Rule::new("!has(self.translations) || has(self.content) || has(self.survey)").message("translations need content or survey").field_path(".translations"))]
#[x_kube(validation = Rule::new("!has(self.includes) || has(self.content)").message("includes need content").field_path(".includes"))]
#[x_kube(validation = Rule::new("!has(self.slot) || !(has(self.to) || has(self.survey) || has(self.response))")
    .message("a slot shows content, to a customer the gateway knows: leave out to, survey, response").field_path(".slot"))]
pub struct Outbound {
    /// The ChannelAdapter that carries it.
    pub adapter: Name,
    /// The purpose of the PrivacyPolicy it is sent for; decides consent, quiet hours and caps.
    pub purpose: Name,
    /// The address, a literal with `${CEL}` inside; missing: skipped NoAddress. Left out where the channel knows the
    /// customer itself.
    pub to: Option<Literal>,
    /// What it says, field by field, each a Jinja template over customer and with: subject, text and html of a mail, or
    /// what the adapter's body reads as content.NAME. Left out, without a survey, where the adapter is a webhook: it gets `with`
    /// as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 32))]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[A-Za-z][A-Za-z0-9_]{0,62}$'))").message("a field of content is named by a letter, then letters, digits and _"))]
    pub content: BTreeMap<String, Template>,
    /// Questions instead of content: the message leads to a page of the gateway, and NAME/answered has a field for each.
    pub survey: Option<Survey>,
    /// ConfigMaps of the namespace whose keys `{% include 'KEY' %}` finds, the first that has it.
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b == a))").message("the names of includes must differ"))]
    pub includes: Option<Vec<Name>>,
    /// By language tag (de, de-AT) the fields of content, or the questions of the survey, that differ in it. A customer gets, one by one,
    /// the closest that there is: de-AT, then de, then content.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 64))]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(tag, tag.matches('^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'))").message("a translation is named by its language tag, such as de or de-AT (put no in quotes, or YAML makes false of it)"))]
    pub translations: Option<BTreeMap<String, BTreeMap<String, Template>>>,
    /// How long after it was asked for it may still be sent; left out: as long as the enrollment lasts.
    pub time_to_live: Option<Span>,
    /// The place on site or app that shows it, of an adapter with inApp: of several messages the one of the highest priority, of
    /// equals the older.
    pub slot: Option<Name>,
    /// How long it stays in its slot, or with an adapter that has an `end`: so long, or until the journey ends, or consent; then
    /// NAME/ended. Left out: until one of the others.
    pub lasts: Option<Span>,
    /// JSON Schema of a webhook's answer. Only the fields it names are kept (16 KiB), for steps.NAME.response; an answer
    /// that does not fit it is Failed: ResponseInvalid.
    #[serde(default)]
    #[schemars(schema_with = "object")]
    #[x_kube(merge_strategy = MapMerge::Atomic)]
    pub response: Option<serde_json::Value>,
}

/// Questions to the customer, answered on a page.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!self.questions.exists(q, oldSelf.questions.exists(o, o.name == q.name && o.kind != q.kind))")
    .message("a question keeps its kind: scores of different kinds cannot be compared").field_path(".questions"))]
pub struct Survey {
    /// What is asked, in this order; the first is the subject of the mail.
    #[schemars(length(min = 1, max = 10))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("the names of the questions must differ"))]
    pub questions: Vec<Question>,
}

/// One question.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("(self.kind == 'Choice') == has(self.options)").message("options belong to kind: Choice, and it needs them").field_path(".options"))]
pub struct Question {
    /// The field of NAME/answered that has the answer; missing where the customer left it out.
    pub name: QuestionName,
    /// NPS: 0 to 10. CSAT: 1 to 5. CES: 1 to 7. Choice: one of the options. Text: free, at most 2,000 characters.
    pub kind: QuestionKind,
    /// What the customer reads, as plain text.
    pub ask: Line,
    /// The answers of a Choice.
    #[schemars(length(min = 2, max = 20))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub options: Option<Vec<Line>>,
}

/// What a question is answered by.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuestionKind {
    NPS,
    CSAT,
    CES,
    Choice,
    Text,
}
