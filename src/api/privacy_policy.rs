//! PrivacyPolicy: what may be sent to whom, why, when and how often.

use super::{
    residency::Residency,
    retention::{Reporting, Retention},
    status::PolicyStatus,
    text::{Clock, Expr, Name, Span, Word, Zone},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

#[skip_serializing_none]
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "journey.dev",
    version = "v1alpha1",
    kind = "PrivacyPolicy",
    plural = "privacypolicies",
    namespaced,
    status = "PolicyStatus",
    shortname = "pp",
    category = "journey-all",
    derive = "PartialEq",
    cel,
    doc = "What may be sent to whom, why, when and how often. Of several policies the strictest of each rule wins.",
    printcolumn(name = "Journeys", type_ = "integer", json_path = ".status.journeys"),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Programmed")].status"#
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        priority = "1"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.quiet) || self.quiet.all(q, !has(q.purposes) || q.purposes.all(p, self.purposes.exists(x, x.name == p)))")
    .message("every quiet[].purposes must be named in purposes").field_path(".quiet"))]
#[x_kube(validation = Rule::new("!has(self.caps) || self.caps.all(q, !has(q.purposes) || q.purposes.all(p, self.purposes.exists(x, x.name == p)))")
    .message("every caps[].purposes must be named in purposes").field_path(".caps"))]
pub struct PrivacyPolicySpec {
    /// Journeys it holds for, by label; left out or {}: all of the namespace. A journey no policy selects sends nothing.
    pub journey_selector: Option<LabelSelector>,
    /// What data may be used for, and on which ground.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    #[x_kube(validation = Rule::new("self.all(a, self.exists_one(b, b.name == a.name))").message("the names of the purposes must differ"))]
    pub purposes: Vec<Purpose>,
    /// When nothing is sent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub quiet: Vec<Quiet>,
    /// How many messages a customer gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub caps: Vec<Cap>,
    /// How long data is kept at most; left out: as long as the operator's flags say.
    pub retention: Option<Retention>,
    /// Where data may be processed; left out: anywhere.
    pub residency: Option<Residency>,
    /// From how many customers on figures are told; left out: all are.
    pub reporting: Option<Reporting>,
}

/// What data may be used for, and on which ground.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.basis == 'Consent' || !has(self.expires)").message("expires belongs to basis: Consent").field_path(".expires"))]
pub struct Purpose {
    /// What touchpoints and consent call it; unique in the policy.
    pub name: Name,
    /// The lawful basis of GDPR article 6(1), points a to f.
    pub basis: Basis,
    /// How long consent holds; left out: until it is withdrawn.
    pub expires: Option<Span>,
    /// Attributes that touchpoints and journeys of this purpose may read; left out: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub attributes: Vec<Word>,
}

/// The lawful bases of GDPR article 6(1), points a to f in this order.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    Consent,
    Contract,
    LegalObligation,
    VitalInterests,
    PublicTask,
    LegitimateInterest,
}

/// A time in which nothing is sent.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.hours) != has(self.__while__)").message("quiet has exactly one of hours, while"))]
pub struct Quiet {
    /// Purposes it holds for; left out: all.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub purposes: Option<Vec<Name>>,
    /// A window of local time.
    pub hours: Option<Hours>,
    /// CEL over customer and now: it is quiet as long as it holds. Over a missing value it does not.
    #[serde(rename = "while")]
    pub while_: Option<Expr>,
    /// Delay: asked again at the window's end, and on the customer's next event; while a condition holds, also every quarter of an hour.
    /// Drop: skipped.
    pub then: QuietThen,
}

/// A window of local time.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.from != self.to").message("from and to must differ").field_path(".to"))]
pub struct Hours {
    /// Start of the quiet, HH:MM.
    pub from: Clock,
    /// End of the quiet, HH:MM, itself outside; before `from`: on the next day.
    pub to: Clock,
    /// Whose clock: `Customer`, UTC or an IANA zone such as Europe/Vienna.
    #[serde(default = "customer_zone")]
    pub zone: Zone,
}

fn customer_zone() -> Zone {
    Zone("Customer".into())
}

/// What becomes of a message in quiet hours.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QuietThen {
    Delay,
    Drop,
}

/// How many messages a customer gets in a period.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Cap {
    /// Purposes that count together; left out: all.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub purposes: Option<Vec<Name>>,
    /// Channels that count together; left out: all.
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub channels: Option<Vec<Word>>,
    /// Messages at most in one period.
    #[schemars(range(min = 0))]
    pub at_most: i32,
    /// The period, which slides.
    pub per: Span,
}
