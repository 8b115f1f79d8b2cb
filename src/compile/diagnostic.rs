//! What is wrong, where, why, and what to do: the same for `journey check`, conditions and dev.

use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub object: Object,
    /// Where in the object: `spec.steps[2].send.touchpoint`.
    pub path: String,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    Error,
    Warning,
}

/// Which resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Object {
    /// Journey, Touchpoint, ChannelAdapter, PrivacyPolicy, CustomerProfile.
    pub kind: String,
    pub name: String,
}

/// What kind of mistake; decides the condition: `Reference` and `Missing...` go to ResolvedRefs, policy ones to PolicyCompliant, the rest to Accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Code {
    /// The CRD's own rules are broken (offline check).
    Shape,
    /// Something that is named is not there.
    Reference,
    Expression,
    Template,
    /// A JSON Schema that is none.
    Schema,
    /// A value that does not fit its type.
    Value,
    /// A step that nobody can reach, a loop without a wait, and the like.
    Flow,
    /// No policy names the purpose, or the purpose does not allow the attribute.
    Policy,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}: {}: {}",
            self.object.kind, self.object.name, self.path, self.message
        )?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
