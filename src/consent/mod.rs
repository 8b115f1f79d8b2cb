//! What others say of a customer's consent, in their own formats: consent platforms by Segment's and RudderStack's contexts, the IAB's TC and GPP
//! strings, Global Privacy Control, and the words by which people answer text messages. Pure: text and JSON in, words about purposes out.
//!
//! Nothing that comes in is trusted: whatever it is, reading it ends in bounded time and memory, without a panic. What a word does to a
//! customer is the gateway's to decide (`gateway::hear`).

mod bits;
pub mod cmp;
pub mod gpp;
pub mod keyword;
mod rule;
pub mod tcf;
#[cfg(test)]
mod tests;

pub use gpp::{Gpp, OptOut};
pub use keyword::Keyword;
pub use rule::{Heard, Rule, Rules, TcfRule, says};
pub use tcf::Tcf;

use crate::{clock::Micros, personal::Personal};
use serde_json::Value;

/// Characters of a string that is read. A TC string of the longest vendor lists has some 25,000.
pub const LONGEST: usize = 64 * 1024;

/// Signals that came with an event, as they were sent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Signals {
    /// What a consent platform says of its categories: Segment's `context.consent` or RudderStack's `context.consentManagement`.
    pub categories: Option<Personal<Value>>,
    /// A TC string.
    pub tcf: Option<Personal<String>>,
    /// A GPP string.
    pub gpp: Option<Personal<String>>,
    /// Whether Global Privacy Control is on.
    pub gpc: bool,
}

/// What a signal says of a purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub purpose: String,
    /// The channel that it is said of; None: all.
    pub channel: Option<String>,
    pub word: Word,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A consent platform has a yes. When it was given, where the platform says so.
    Granted { since: Option<Micros> },
    /// A consent platform has a no; its yes may take it back.
    Denied,
    /// The customer wants it no more, or opted out.
    Withdrawn,
    /// The customer takes a no back.
    Again,
}

/// Signals that could not be read, by kind: the names are labels of a metric.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unreadable {
    pub categories: u64,
    pub tcf: u64,
    pub gpp: u64,
}

impl Unreadable {
    pub fn plus(self, other: Self) -> Self {
        Self {
            categories: self.categories + other.categories,
            tcf: self.tcf + other.tcf,
            gpp: self.gpp + other.gpp,
        }
    }

    /// Each kind by its name.
    pub fn kinds(self) -> [(&'static str, u64); 3] {
        let Self { categories, tcf, gpp } = self;
        [("categories", categories), ("tcf", tcf), ("gpp", gpp)]
    }
}

/// Why a signal cannot be read, without what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("it is longer than {LONGEST} characters")]
    Long,
    #[error("it ends before what it must have")]
    Short,
    #[error("it has a character that base64url has not")]
    Alphabet,
    #[error("it is of version {0}, which is not read")]
    Version(u64),
    #[error("its header is not that of a GPP string")]
    Header,
    #[error("it names other sections than it has")]
    Sections,
    #[error("it has the same segment twice")]
    Twice,
    #[error("a number in it is out of its range")]
    Range,
    #[error("it is no object of categories, each true or false")]
    Categories,
}
