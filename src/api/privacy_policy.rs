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
    /// Years that a customer must have lived to be sent anything for a purpose of basis Consent, LegitimateInterest or PublicTask, by the
    /// CustomerProfile's age; whose age is not known is sent nothing. Left out: age is not asked. (GDPR article 8: 13 to 16, by country.)
    #[schemars(range(min = 1, max = 120))]
    pub minimum_age: Option<i32>,
    /// What the preference centre offers.
    pub preferences: Option<Preferences>,
    /// How long data is kept at most; left out: as long as the operator's flags say.
    pub retention: Option<Retention>,
    /// Where data may be processed; left out: anywhere.
    pub residency: Option<Residency>,
    /// From how many customers on figures are told; left out: all are.
    pub reporting: Option<Reporting>,
}

/// What the preference centre offers besides yes and no.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct Preferences {
    /// For how long a customer may pause a purpose; left out: not at all.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub pause: Option<Vec<Span>>,
}

/// What data may be used for, and on which ground.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("self.basis == 'Consent' || !has(self.expires)").message("expires belongs to basis: Consent").field_path(".expires"))]
#[x_kube(validation = Rule::new("self.basis == 'Consent' || !has(self.confirm)").message("confirm belongs to basis: Consent").field_path(".confirm"))]
#[x_kube(validation = Rule::new("!has(self.signals) || self.basis in ['Consent', 'LegitimateInterest', 'PublicTask']")
    .message("signals belong to basis: Consent, LegitimateInterest or PublicTask: to the others nobody can say no").field_path(".signals"))]
pub struct Purpose {
    /// What touchpoints and consent call it; unique in the policy.
    pub name: Name,
    /// The lawful basis of GDPR article 6(1), points a to f.
    pub basis: Basis,
    /// How long consent holds; left out: until it is withdrawn.
    pub expires: Option<Span>,
    /// Double opt-in: a yes is pending, which is a no, until a link in a message is followed. Left out: a yes is enough.
    pub confirm: Option<Confirm>,
    /// Attributes that touchpoints and journeys of this purpose may read; left out: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub attributes: Vec<Word>,
    /// What it hears of signals that others send: consent platforms, IAB strings, Global Privacy Control. A no of any is a no; a yes
    /// is one of what is named here, and of every policy that names the purpose. Left out: it hears none.
    pub signals: Option<Signals>,
}

/// What a purpose hears of signals that others send.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.categories) || has(self.tcf) || has(self.gpp) || (has(self.gpc) && self.gpc)").message("signals has one of categories, tcf, gpp, gpc: true"))]
pub struct Signals {
    /// Categories of the consent platform, as Segment's context.consent and RudderStack's context.consentManagement name them: all
    /// allowed is a yes, one denied a no.
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub categories: Option<Vec<String>>,
    /// What a TC string of IAB Europe's TCF must have: all of it is a yes, else it is a no.
    pub tcf: Option<Tcf>,
    /// Opt-outs of a GPP string of the IAB, each of which is a no. Not to have opted out says nothing.
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub gpp: Option<Vec<OptOut>>,
    /// true: Global Privacy Control (the header Sec-GPC of browsers, and what GPP strings say of it) is a no. Its absence says nothing.
    pub gpc: Option<bool>,
}

/// What a TC string must have.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tcf {
    /// Purposes of the TCF, 1 to 11, that the user must consent to. Where the basis is not Consent, a legitimate interest that the user has not objected
    /// to will do.
    #[schemars(length(min = 1, max = 11), inner(range(min = 1, max = 11)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub purposes: Vec<i32>,
    /// Special features of the TCF that the user must opt in to: 1 precise location, 2 scanning the device.
    #[schemars(length(min = 1, max = 2), inner(range(min = 1, max = 2)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub special_features: Option<Vec<i32>>,
    /// Your id on the Global Vendor List, to which the purposes must apply, and which must have been disclosed. Left out: vendors are not
    /// looked at.
    #[schemars(range(min = 1, max = 65535))]
    pub vendor: Option<i32>,
}

/// What residents of the United States may opt out of.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptOut {
    Sale,
    Sharing,
    TargetedAdvertising,
}

/// By whose link a yes is confirmed.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Confirm {
    /// The outbound Touchpoint whose content calls confirm_link(). A journey sends it, entered by the event consent/pending; it alone goes out
    /// while consent is pending.
    pub touchpoint: Name,
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
#[x_kube(validation = Rule::new("has(self.per) != has(self.perDay)").message("a cap has exactly one of per, perDay"))]
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
    pub per: Option<Span>,
    /// The calendar day of this zone: `Customer`, UTC or an IANA zone such as Europe/Vienna. Of a customer whose zone is not known contacts of
    /// the last 25 hours count.
    pub per_day: Option<Zone>,
}
