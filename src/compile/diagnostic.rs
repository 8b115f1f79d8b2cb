//! What is wrong, where, why, and what to do: the same for `journey check`, conditions and dev.

use super::Code;
use serde::Serialize;
use std::{fmt, ops::Range};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub object: Object,
    /// Where in the object: `spec.steps[2].send.touchpoint`.
    pub path: String,
    /// Which bytes of the text at `path`; None: all of it, or it is no text.
    #[serde(skip)]
    pub part: Option<Range<usize>>,
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Severity {
    /// It is not put to work.
    Error,
    /// It works, and most likely not as it is meant.
    Warning,
    /// Worth a thought.
    Note,
}

/// Which resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Object {
    /// Journey, Touchpoint, ChannelAdapter, PrivacyPolicy, CustomerProfile.
    pub kind: String,
    pub name: String,
}

impl Severity {
    /// As compilers write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}: {}: {}",
            self.code, self.object.kind, self.object.name, self.path, self.message
        )?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}
