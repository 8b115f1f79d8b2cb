//! The objects of one namespace, as the compiler takes them and the store keeps them.

use super::{Code, Object};
use crate::api;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Manifests {
    pub namespace: String,
    #[serde(default)]
    pub journeys: BTreeMap<String, JourneyManifest>,
    #[serde(default)]
    pub touchpoints: BTreeMap<String, api::touchpoint::TouchpointSpec>,
    #[serde(default)]
    pub adapters: BTreeMap<String, api::channel_adapter::ChannelAdapterSpec>,
    #[serde(default)]
    pub policies: BTreeMap<String, api::privacy_policy::PrivacyPolicySpec>,
    /// One a namespace; with several none holds, and a diagnostic says so.
    #[serde(default)]
    pub profiles: BTreeMap<String, api::customer_profile::CustomerProfileSpec>,
    /// Texts that messages include.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config_maps: super::ConfigMaps,
    /// Journeys of the namespace that are not among `journeys`, and whose ends these listen for: pinned with a revision, so that it goes on to
    /// compile by itself.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub chained: BTreeSet<String>,
    /// What customers may do with journeys that are not among `journeys` themselves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub choices: BTreeMap<String, api::journey::Choice>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JourneyManifest {
    /// Of the object: policies select by them.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    pub spec: api::journey::JourneySpec,
}

/// A text that is not what kubectl would take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// File name, or `-`.
    pub origin: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters, at least 1.
    pub length: usize,
    pub code: Code,
    /// None: it has no kind or no name.
    pub object: Option<Object>,
    /// Where in the object; empty: the whole of it.
    pub path: String,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl std::error::Error for ParseError {}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.origin, self.line)?;
        if let Some(Object { kind, name }) = &self.object {
            write!(f, "{kind} {name}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        self.help.iter().try_for_each(|help| write!(f, "; {help}"))
    }
}

impl Manifests {
    /// These manifests with those of `pinned` in the place of the same names: a revision on the settings as they are now.
    #[must_use]
    pub fn with(mut self, pinned: Manifests) -> Self {
        self.journeys.extend(pinned.journeys);
        self.touchpoints.extend(pinned.touchpoints);
        self.adapters.extend(pinned.adapters);
        self.policies.extend(pinned.policies);
        self.profiles.extend(pinned.profiles);
        self.config_maps.extend(pinned.config_maps);
        self.chained.extend(pinned.chained);
        self.choices.extend(pinned.choices);
        self
    }

    /// Adds the documents of a YAML text, read as kubectl reads it (YAML 1.1 traps refused with a hint). Of other groups ConfigMaps are
    /// read, whose texts messages include; the rest (Secrets, Kustomizations) is passed over. A name given twice is an error. All namespaces are taken for one.
    pub fn read(&mut self, text: &str, origin: &str) -> Result<(), Vec<ParseError>> {
        super::read::read(self, text, origin)
    }
}
