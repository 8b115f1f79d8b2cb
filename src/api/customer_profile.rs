//! CustomerProfile, one a namespace: what may be known of a customer, its types, and what follows from it.

use super::{
    opaque::Scalar,
    status::Status,
    text::{Expr, Line},
};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::collections::BTreeMap;

#[skip_serializing_none]
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "journey.dev",
    version = "v1alpha1",
    kind = "CustomerProfile",
    plural = "customerprofiles",
    namespaced,
    status = "Status",
    shortname = "cprof",
    category = "journey-all",
    derive = "PartialEq",
    cel,
    doc = "What may be known of a customer in this namespace, its types, and what follows from it. One a namespace.",
    printcolumn(name = "Zone", type_ = "string", json_path = ".spec.zone", priority = "1"),
    printcolumn(name = "Locale", type_ = "string", json_path = ".spec.locale", priority = "1"),
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
pub struct CustomerProfileSpec {
    /// CEL that gives the customer's IANA zone; left out or unknown: quiet hours use every zone it could be.
    pub zone: Option<Expr>,
    /// CEL that gives the customer's language as a tag of BCP 47, such as de or de-AT; left out or unknown: no translation.
    pub locale: Option<Expr>,
    /// CEL over customer and now that gives the customer's age in whole years, for the policy's minimumAge; left out or unknown: too young.
    pub age: Option<Expr>,
    /// The only attributes there are, by name; any other name does not compile.
    #[schemars(extend("minProperties" = 1, "maxProperties" = 256))]
    #[x_kube(validation = Rule::new("self.all(name, name.matches('^[A-Za-z][A-Za-z0-9_]{0,62}$') && !(name in ['id', 'true', 'false', 'null', 'in']))")
        .message("an attribute's name is a letter, then letters, digits and _, 63 at most; id is the customer's own, and YAML makes false of an unquoted n or no, true of y, yes or on"))]
    pub attributes: BTreeMap<String, Attribute>,
}

/// One thing that may be known of a customer.
#[skip_serializing_none]
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
// That `is` and `default` exclude each other is the compiler's to say: a default may be of any type, and the API server hides such fields from CEL.
#[x_kube(validation = Rule::new("!has(self.values) || self.type == 'string'").message("values belong to type: string").field_path(".values"))]
pub struct Attribute {
    /// Type of the value; a timestamp is written as RFC 3339.
    #[serde(rename = "type")]
    pub type_: AttributeType,
    /// true: a list of that type.
    pub list: Option<bool>,
    /// true: it identifies a person; sealed in the store, never in logs, status or metrics.
    pub personal: Option<bool>,
    /// The only values it may have.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub values: Option<Vec<Line>>,
    /// What it is while nothing is known; left out: missing.
    pub default: Option<Scalar>,
    /// CEL over customer and now: the attribute is derived, and nothing can assign it. A boolean with `is` is a named audience;
    /// over a missing value it is false.
    pub is: Option<Expr>,
}

/// The type of an attribute's value.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "lowercase")]
pub enum AttributeType {
    String,
    Integer,
    Number,
    Boolean,
    Timestamp,
}
