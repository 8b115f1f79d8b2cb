//! What the gateway runs by: inbound touchpoints, who may bring what, and who listens.

use crate::{
    engine::program::Profile,
    expression::{self, Layout},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

#[derive(Debug, Default)]
pub struct Intake {
    pub namespace: String,
    /// By the event's name as it comes in (CloudEvents type, name of a track call).
    pub inbound: BTreeMap<String, Arc<Inbound>>,
    /// HTTP adapters by name.
    pub sources: BTreeMap<String, Source>,
    pub profile: Arc<Profile>,
    /// Purposes that any policy names: an import or an event may speak of no other.
    pub purposes: BTreeSet<String>,
}

/// An inbound touchpoint, compiled.
#[derive(Debug)]
pub struct Inbound {
    /// The touchpoint's name: what signals call the event.
    pub touchpoint: String,
    pub event: String,
    /// Adapters that may bring it; None: any authenticated one.
    pub from: Option<BTreeSet<String>>,
    pub layout: Layout,
    /// CEL over event that gives the identifier's value.
    pub customer: expression::Program,
    /// Kind of the identifier: userId, anonymousId, or the last name of the path that `customer` reads.
    pub identifier: String,
    /// None: any object.
    pub schema: Option<jsonschema::Validator>,
    /// Attribute to what the event teaches; sees the profile before the event. Values fit the attribute's type.
    pub attributes: Vec<(String, expression::Program)>,
    pub consent: Vec<ConsentRule>,
}

#[derive(Debug)]
pub struct ConsentRule {
    pub purpose: String,
    /// CEL that gives a boolean; missing: says nothing.
    pub granted: expression::Program,
    pub notice: Option<String>,
}

/// An HTTP adapter.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub adapter: String,
    /// File of the write key below the secrets folder: `SECRETNAME/KEY`.
    pub key_file: String,
    pub public_url: Option<String>,
    pub origins: Vec<String>,
    /// The key is known to everyone: may join anonymous ids only, and brings only events whose `from` names it or is left out.
    pub public: bool,
}
