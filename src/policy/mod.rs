//! May this be sent, now, to this person? Pure: facts in, a verdict out; the same facts give the same verdict.
//!
//! Knows no store, no channel, no clock. The runner asks in the transaction that claims the message, and again before every retry.

mod bound;
pub mod consent;
mod decide;
mod merge;
mod quiet;
#[cfg(test)]
mod tests;

pub use bound::{Bounds, Residency, Retention};
pub use consent::{Confirmed, Consent, ConsentState};
pub use decide::{decide, may_stay};
pub use merge::merge;

use crate::{address::AddressKey, clock::Micros};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What all policies that select a journey say together: of each rule the strictest.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EffectivePolicy {
    /// Purposes by name; a purpose that is not here is not allowed.
    pub purposes: BTreeMap<String, Purpose>,
    pub quiet: Vec<Quiet>,
    pub quiet_while: Vec<QuietWhile>,
    pub caps: Vec<Cap>,
    /// Who is younger, or of unknown age, gets nothing that [`Basis::is_asked_for`]. None: age is not asked.
    pub minimum_age: Option<u32>,
    /// How long data is kept, where it is processed, and from how many customers on it is told.
    pub bounds: Bounds,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Purpose {
    pub basis: Basis,
    /// How long consent holds after it was given; None: until withdrawn.
    pub expires: Option<Micros>,
    /// Touchpoints by whose link consent is confirmed; with any of them it must be (double opt-in).
    pub confirm: BTreeSet<String>,
    /// Attributes that messages and journeys of this purpose may read.
    pub attributes: BTreeSet<String>,
}

/// The lawful bases of GDPR article 6(1), points (a) to (f).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Basis {
    Consent,
    Contract,
    LegalObligation,
    VitalInterests,
    PublicTask,
    LegitimateInterest,
}

impl Basis {
    /// Whether the customer's word decides: consent must be given, and against the grounds of points (e) and (f) they may object (art. 21). The
    /// other grounds do not ask: what is sent under a contract or a duty is owed.
    pub fn is_asked_for(self) -> bool {
        match self {
            Self::Consent | Self::LegitimateInterest | Self::PublicTask => true,
            Self::Contract | Self::LegalObligation | Self::VitalInterests => false,
        }
    }
}

/// A window of local time in which nothing is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Quiet {
    /// None: all purposes.
    pub purposes: Option<Vec<String>>,
    /// Minutes after midnight, 0 to 1439; `to` below `from` is on the next day. The start is inside, the end is not.
    pub from: u16,
    pub to: u16,
    pub zone: QuietZone,
    pub then: QuietThen,
}

#[derive(Debug, Clone, PartialEq)]
pub enum QuietZone {
    /// The customer's; unknown: quiet whenever it is quiet in any zone there could be, which for a window of a quarter of an hour or more
    /// is always: then the message is skipped.
    Customer,
    Fixed(jiff::tz::TimeZone),
}

/// Nothing is sent as long as a condition holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuietWhile {
    /// The text of the CEL: what [`Facts::holding`] names.
    pub condition: String,
    /// None: all purposes.
    pub purposes: Option<Vec<String>>,
    pub then: QuietThen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuietThen {
    Delay,
    Drop,
}

/// At most so many messages in a period, counted together over purposes and channels named.
#[derive(Debug, Clone, PartialEq)]
pub struct Cap {
    pub purposes: Option<Vec<String>>,
    pub channels: Option<Vec<String>>,
    pub at_most: u32,
    pub per: Period,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Period {
    /// That ends now.
    Sliding(Micros),
    /// The calendar day of this zone.
    Day(QuietZone),
}

impl Period {
    /// How far back it can reach: a day has 25 hours when clocks are set back by one.
    pub fn longest(&self) -> Micros {
        match self {
            Self::Sliding(length) => *length,
            Self::Day(_) => 25 * crate::clock::HOUR,
        }
    }
}

/// Why an address gets nothing, whoever's it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Suppression {
    /// It does not exist, or takes nothing: no purpose sends to it.
    Undeliverable,
    /// Its owner complained, objected or was erased: nothing that [`Basis::is_asked_for`] goes to it.
    Objected,
}

impl Suppression {
    pub fn name(self) -> &'static str {
        match self {
            Self::Undeliverable => "Undeliverable",
            Self::Objected => "Objected",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Undeliverable, Self::Objected]
            .into_iter()
            .find(|each| each.name() == name)
    }
}

/// A message that went, or may have gone, to the customer: what caps count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub purpose: String,
    pub channel: String,
    pub at: Micros,
}

/// What is known of the customer in the transaction that decides.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Consent by subject ([`consent::subject`]); absent: unknown, which is a no.
    pub consents: &'a BTreeMap<String, Consent>,
    /// Of other messages than the one in question.
    pub contacts: &'a [&'a Contact],
    /// None: unknown.
    pub zone: Option<&'a jiff::tz::TimeZone>,
    /// Conditions of [`QuietWhile`] that hold for the customer now.
    pub holding: &'a BTreeSet<String>,
    pub suspended: bool,
    /// Whether this enrollment is one of those that show what the messages are worth by not getting them.
    pub held_out: bool,
    pub has_address: bool,
    /// Where the message would go; None: the channel knows the customer by itself, or there is no address.
    pub address: Option<AddressKey>,
    /// Of that address.
    pub suppressed: Option<Suppression>,
    /// In whole years; None: unknown.
    pub age: Option<u32>,
}

/// The message in question.
#[derive(Debug)]
pub struct Message<'a> {
    pub touchpoint: &'a str,
    pub purpose: &'a str,
    pub channel: &'a str,
    /// After this instant it is not worth sending.
    pub expires_at: Option<Micros>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Send,
    /// Ask again then.
    Hold {
        until: Micros,
        why: HoldReason,
    },
    Skip(SkipReason),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HoldReason {
    QuietHours,
    /// A condition of the policy's `quiet` holds; asked again within a quarter of an hour.
    QuietWhile,
    /// The journey is suspended; asked again when it is resumed, within a minute.
    Suspended,
}

impl HoldReason {
    /// Whether the customer's next event may end it.
    pub fn is_quiet(name: &str) -> bool {
        [Self::QuietHours, Self::QuietWhile]
            .iter()
            .any(|quiet| quiet.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::QuietHours => "QuietHours",
            Self::QuietWhile => "QuietWhile",
            Self::Suspended => "Suspended",
        }
    }
}

/// Why a message is not sent; the name is what counters, conditions and documentation call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SkipReason {
    /// No policy selects the journey, or one that does leaves the purpose out.
    NoPolicy,
    /// Somebody who would process the message is not known to be in the regions of the policies, or those have none in common.
    Residency,
    /// The basis is Consent, and there is none, or it is withdrawn; or the customer objected to LegitimateInterest or PublicTask.
    NoConsent,
    /// Consent is pending, or was confirmed for another address: the purpose asks for a double opt-in.
    Unconfirmed,
    /// Consent was given longer ago than the purpose lets it hold.
    ConsentExpired,
    /// The customer has paused the purpose.
    Paused,
    /// The customer is younger than the policy's minimumAge, or of unknown age.
    MinimumAge,
    /// The address is on the suppression list.
    Suppressed,
    /// The customer is held out, and the basis is Consent or LegitimateInterest.
    Holdout,
    NoAddress,
    QuietHours,
    /// A condition of the policy's `quiet` holds, and it drops.
    QuietWhile,
    Capped,
    /// timeToLive is over.
    Expired,
    /// Of a send's candidates none has a `when` that holds.
    NoCandidate,
    /// The journey is gone, or an exit took the customer out first.
    Withdrawn,
    /// It was dropped by hand while it waited.
    Dropped,
}

impl SkipReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::NoPolicy => "NoPolicy",
            Self::Residency => "Residency",
            Self::NoConsent => "NoConsent",
            Self::Unconfirmed => "Unconfirmed",
            Self::ConsentExpired => "ConsentExpired",
            Self::Paused => "Paused",
            Self::MinimumAge => "MinimumAge",
            Self::Suppressed => "Suppressed",
            Self::Holdout => "Holdout",
            Self::NoAddress => "NoAddress",
            Self::QuietHours => "QuietHours",
            Self::QuietWhile => "QuietWhile",
            Self::Capped => "Capped",
            Self::Expired => "Expired",
            Self::NoCandidate => "NoCandidate",
            Self::Withdrawn => "Withdrawn",
            Self::Dropped => "Dropped",
        }
    }
}
