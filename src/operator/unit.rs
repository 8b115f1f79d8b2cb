//! What the operator settles: one object of a kind, or what a namespace's objects share.

use crate::{
    api::{
        ChannelAdapter, CustomerProfile, Journey, PrivacyPolicy, Touchpoint,
        status::{JourneyStatus, PolicyStatus, Status},
    },
    compile::Object,
};
use k8s_openapi::{NamespaceResourceScope, apimachinery::pkg::apis::meta::v1::Condition};
use kube::Resource;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt;

/// A key of the work queue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unit {
    pub namespace: String,
    pub what: What,
}

/// Namespaces go before objects, so that what objects share is there when they are settled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum What {
    /// The settings in the store, the Secret journey-store, the gateway.
    Namespace,
    Object(Kind, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    CustomerProfile,
    PrivacyPolicy,
    ChannelAdapter,
    Touchpoint,
    Journey,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::CustomerProfile => "CustomerProfile",
            Self::PrivacyPolicy => "PrivacyPolicy",
            Self::ChannelAdapter => "ChannelAdapter",
            Self::Touchpoint => "Touchpoint",
            Self::Journey => "Journey",
        }
    }
}

impl Unit {
    pub fn namespace(namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            what: What::Namespace,
        }
    }

    pub fn object(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            what: What::Object(kind, name.to_owned()),
        }
    }

    /// A bounded word for metrics.
    pub fn label(&self) -> &'static str {
        match &self.what {
            What::Namespace => "Namespace",
            What::Object(kind, _) => kind.name(),
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Namespace => write!(f, "namespace {}", self.namespace),
            What::Object(kind, name) => write!(f, "{} {}/{name}", kind.name(), self.namespace),
        }
    }
}

/// One of our five kinds, as far as they are alike.
pub trait Declared:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + fmt::Debug
    + Serialize
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    const KIND: Kind;

    /// What was last written, as JSON; None: never.
    fn written(&self) -> Option<serde_json::Value>;
    /// The conditions that were last written.
    fn conditions(&self) -> &[Condition];
    /// How the compiler names it.
    fn named(name: &str) -> Object {
        Object {
            kind: Self::KIND.name().to_owned(),
            name: name.to_owned(),
        }
    }
}

macro_rules! declared {
    ($($kind:ident: $status:ty),*) => {$(
        impl Declared for $kind {
            const KIND: Kind = Kind::$kind;

            fn written(&self) -> Option<serde_json::Value> {
                let status: &$status = self.status.as_ref()?;
                serde_json::to_value(status).ok()
            }

            fn conditions(&self) -> &[Condition] {
                self.status.as_ref().map_or(&[], |status| &status.conditions)
            }
        }
    )*};
}

declared!(Journey: JourneyStatus, Touchpoint: Status, ChannelAdapter: Status, PrivacyPolicy: PolicyStatus, CustomerProfile: Status);
