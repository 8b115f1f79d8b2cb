//! TC strings of the IAB Europe Transparency and Consent Framework, version 2 of the format, which TCF 2.0 to 2.3 share:
//! <https://github.com/InteractiveAdvertisingBureau/GDPR-Transparency-and-Consent-Framework/blob/master/TCFv2/IAB%20Tech%20Lab%20-%20Consent%20string%20and%20vendor%20list%20formats%20v2.md>.
//! Read are the core and the disclosed vendors; other segments are passed over.

use super::{LONGEST, Malformed, bits::Bits};
use crate::clock::Micros;

/// The only version of the format; 1 was that of TCF 1, of which no string is valid since 2020.
const VERSION: u64 = 2;
/// The type of the segment with the vendors that were disclosed.
const DISCLOSED: u64 = 1;
/// The policy of TCF 2.2. From it on nobody may claim a legitimate interest in purposes 3 to 6, and strings of older ones give no consent.
const TCF_2_2: u8 = 4;
/// The policy of TCF 2.3, whose strings must say which vendors were disclosed.
const TCF_2_3: u8 = 5;
const DECISECOND: Micros = 100_000;

/// What a user told a consent platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcf {
    pub created: Micros,
    /// Since TCF 2.2 to the day: its first instant in UTC.
    pub last_updated: Micros,
    pub policy_version: u8,
    /// Bit n for id n, as of all that follow.
    special_features: u64,
    consents: u64,
    legitimate_interests: u64,
    vendor_consents: Vendors,
    vendor_legitimate_interests: Vendors,
    restrictions: Vec<Restriction>,
    disclosed: Option<Vendors>,
}

/// Ranges of vendor ids, both ends inside.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Vendors(Vec<(u16, u16)>);

impl Vendors {
    fn has(&self, vendor: u16) -> bool {
        self.0.iter().any(|(from, to)| (*from..=*to).contains(&vendor))
    }
}

/// What a publisher allows some vendors for a purpose: 0 nothing, 1 consent only, 2 legitimate interest only.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Restriction {
    purpose: u64,
    kind: u64,
    vendors: Vendors,
}

const NOTHING: u64 = 0;
const CONSENT_ONLY: u64 = 1;
const LEGITIMATE_INTEREST_ONLY: u64 = 2;

impl Tcf {
    /// Whether strings of its policy can still give consent.
    pub fn is_current(&self) -> bool {
        self.policy_version >= TCF_2_2
    }

    /// Whether the user consents to the purpose (1 to 24), and where a vendor is named to its using the consent.
    pub fn has_consent(&self, purpose: u8, vendor: Option<u16>) -> bool {
        let vendor_has = |vendor| {
            self.vendor_consents.has(vendor)
                && self.was_disclosed(vendor)
                && !self.is_restricted(purpose, vendor, LEGITIMATE_INTEREST_ONLY)
        };
        is_set(self.consents, purpose) && vendor.is_none_or(vendor_has)
    }

    /// Whether the user was told of a legitimate interest in the purpose and has not objected.
    pub fn has_legitimate_interest(&self, purpose: u8, vendor: Option<u16>) -> bool {
        let claimable = purpose != 1 && !(self.policy_version >= TCF_2_2 && (3..=6).contains(&purpose));
        let vendor_has = |vendor| {
            self.vendor_legitimate_interests.has(vendor)
                && self.was_disclosed(vendor)
                && !self.is_restricted(purpose, vendor, CONSENT_ONLY)
        };
        claimable && is_set(self.legitimate_interests, purpose) && vendor.is_none_or(vendor_has)
    }

    /// Whether the user opted in to the special feature (1 to 12).
    pub fn has_special_feature(&self, feature: u8) -> bool {
        is_set(self.special_features, feature)
    }

    fn was_disclosed(&self, vendor: u16) -> bool {
        match &self.disclosed {
            Some(disclosed) => disclosed.has(vendor),
            None => self.policy_version < TCF_2_3,
        }
    }

    fn is_restricted(&self, purpose: u8, vendor: u16, other: u64) -> bool {
        self.restrictions.iter().any(|restriction| {
            restriction.purpose == u64::from(purpose)
                && (restriction.kind == NOTHING || restriction.kind == other)
                && restriction.vendors.has(vendor)
        })
    }
}

fn is_set(flags: u64, id: u8) -> bool {
    id < 64 && flags >> id & 1 == 1
}

/// Reads a TC string.
pub fn decode(text: &str) -> Result<Tcf, Malformed> {
    if text.len() > LONGEST {
        return Err(Malformed::Long);
    }
    let mut segments = text.split('.');
    let mut tcf = core(segments.next().unwrap_or_default())?;
    for segment in segments {
        let mut bits = Bits::of(segment);
        if bits.number(3)? == DISCLOSED {
            let disclosed = vendors(&mut bits)?;
            if tcf.disclosed.replace(disclosed).is_some() {
                return Err(Malformed::Twice);
            }
        }
    }
    Ok(tcf)
}

fn core(segment: &str) -> Result<Tcf, Malformed> {
    let mut bits = Bits::of(segment);
    let version = bits.number(6)?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let (created, last_updated) = (instant(&mut bits)?, instant(&mut bits)?);
    // CmpId, CmpVersion, ConsentScreen, ConsentLanguage, VendorListVersion.
    bits.skip(12 + 12 + 6 + 12 + 12)?;
    let policy_version = bits.number(6)? as u8;
    // IsServiceSpecific, UseNonStandardTexts.
    bits.skip(2)?;
    let special_features = bits.flags(12)?;
    let (consents, legitimate_interests) = (bits.flags(24)?, bits.flags(24)?);
    // PurposeOneTreatment, PublisherCC.
    bits.skip(1 + 12)?;
    let (vendor_consents, vendor_legitimate_interests) = (vendors(&mut bits)?, vendors(&mut bits)?);
    let many = bits.number(12)?;
    let mut restrictions = vec![];
    for _ in 0..many {
        restrictions.push(Restriction {
            purpose: bits.number(6)?,
            kind: bits.number(2)?,
            vendors: ranges(&mut bits)?,
        });
    }
    Ok(Tcf {
        created,
        last_updated,
        policy_version,
        special_features,
        consents,
        legitimate_interests,
        vendor_consents,
        vendor_legitimate_interests,
        restrictions,
        disclosed: None,
    })
}

/// Tenths of seconds since 1970, in 36 bits: until the year 2187.
fn instant(bits: &mut Bits<'_>) -> Result<Micros, Malformed> {
    let deciseconds = i64::try_from(bits.number(36)?).map_err(|_| Malformed::Range)?;
    Ok(deciseconds * DECISECOND)
}

/// A section of vendors: a flag for each, or ranges.
fn vendors(bits: &mut Bits<'_>) -> Result<Vendors, Malformed> {
    let last = bits.id()?;
    if bits.flag()? {
        return ranges(bits);
    }
    let mut all: Vec<(u16, u16)> = vec![];
    for vendor in 1..=last {
        if !bits.flag()? {
            continue;
        }
        match all.last_mut() {
            Some((_, to)) if *to + 1 == vendor => *to = vendor,
            _ => all.push((vendor, vendor)),
        }
    }
    Ok(Vendors(all))
}

fn ranges(bits: &mut Bits<'_>) -> Result<Vendors, Malformed> {
    let many = bits.number(12)?;
    let mut all = vec![];
    for _ in 0..many {
        let is_range = bits.flag()?;
        let from = bits.id()?;
        let to = if is_range { bits.id()? } else { from };
        if from == 0 || to < from {
            return Err(Malformed::Range);
        }
        all.push((from, to));
    }
    Ok(Vendors(all))
}
