//! GPP strings of the IAB Tech Lab's Global Privacy Platform, version 1:
//! <https://github.com/InteractiveAdvertisingBureau/Global-Privacy-Platform/blob/main/Core/Consent%20String%20Specification.md>. A header names the
//! sections that follow. Read are tcfeuv2 (2), uspv1 (6), usnat (7), those of the states (8 to 27), and their GPC sub-sections; what other
//! sections say is passed over.
//!
//! Of a section of the United States the opt-outs are read and no more: they stand behind the notices, and before what differs from version to
//! version.

use super::{LONGEST, Malformed, Tcf, bits::Bits, tcf};
use std::collections::BTreeSet;

/// The type of a header, and the version of the platform.
const HEADER: u64 = 3;
const VERSION: u64 = 1;
const TCF_EU: u64 = 2;
const US_PRIVACY: u64 = 6;
/// The type of a sub-section that tells of Global Privacy Control.
const GPC: u64 = 1;
const OPTED_OUT: u64 = 1;

/// What residents of the United States may opt out of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OptOut {
    Sale,
    Sharing,
    TargetedAdvertising,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Gpp {
    /// What any of the sections says.
    pub opt_outs: BTreeSet<OptOut>,
    /// Whether any of them says that Global Privacy Control was on.
    pub gpc: bool,
    pub tcf: Option<Tcf>,
}

/// Where a section has its opt-outs.
struct Layout {
    /// Versions of the section that are so.
    versions: &'static [u64],
    /// Fields of two bits between the version and the first opt-out.
    before: u32,
    opt_outs: &'static [OptOut],
}

const SALE_SHARING: &[OptOut] = &[OptOut::Sale, OptOut::Sharing];
const SALE_ADVERTISING: &[OptOut] = &[OptOut::Sale, OptOut::TargetedAdvertising];

/// None: the section is not read.
fn layout(section: u64) -> Option<Layout> {
    let (versions, before, opt_outs): (&[u64], u32, &[OptOut]) = match section {
        // usnat
        7 => (
            &[1, 2],
            6,
            &[OptOut::Sale, OptOut::Sharing, OptOut::TargetedAdvertising],
        ),
        // usca
        8 => (&[1], 3, SALE_SHARING),
        // usva, usco
        9 | 10 => (&[1], 3, SALE_ADVERTISING),
        // usut
        11 => (&[1], 4, SALE_ADVERTISING),
        // usct, usfl, usmt, usor, ustx, usde
        12..=17 => (&[1], 3, SALE_ADVERTISING),
        // usia
        18 => (&[1], 4, SALE_ADVERTISING),
        // usne, usnh, usnj, ustn, usmn
        19..=23 => (&[1], 3, SALE_ADVERTISING),
        // usmd, usin, usky, usri: what the agreement between the parties is stands before the notices.
        24..=27 => (&[1], 5, SALE_ADVERTISING),
        _ => return None,
    };
    Some(Layout {
        versions,
        before,
        opt_outs,
    })
}

/// Reads a GPP string.
pub fn decode(text: &str) -> Result<Gpp, Malformed> {
    if text.len() > LONGEST {
        return Err(Malformed::Long);
    }
    let mut parts = text.split('~');
    let header = parts.next().unwrap_or_default();
    let parts: Vec<&str> = parts.collect();
    let mut gpp = Gpp::default();
    for (section, part) in sections(header, parts.len())?.into_iter().zip(parts) {
        if section == TCF_EU {
            gpp.tcf = Some(tcf::decode(part)?);
        } else if section == US_PRIVACY {
            us_privacy(part, &mut gpp)?;
        } else if let Some(layout) = layout(section) {
            us_section(section, &layout, part, &mut gpp)?;
        }
    }
    Ok(gpp)
}

/// The ids of the sections that follow, in their order.
fn sections(header: &str, many: usize) -> Result<Vec<u64>, Malformed> {
    let mut bits = Bits::of(header);
    if bits.number(6)? != HEADER {
        return Err(Malformed::Header);
    }
    let version = bits.number(6)?;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let (mut ids, mut last) = (vec![], 0);
    for _ in 0..bits.number(12)? {
        let is_range = bits.flag()?;
        let from = last + bits.fibonacci()?;
        last = if is_range { from + bits.fibonacci()? } else { from };
        // Every id has a part: there are no more of them.
        if usize::try_from(last - from).is_ok_and(|more| ids.len() + more >= many) {
            return Err(Malformed::Sections);
        }
        ids.extend(from..=last);
    }
    (ids.len() == many).then_some(ids).ok_or(Malformed::Sections)
}

/// The US Privacy String: a version, then notice, opt-out of sale and the agreement's coverage, each Y, N or - (not applicable).
fn us_privacy(part: &str, gpp: &mut Gpp) -> Result<(), Malformed> {
    let [version, told @ ..] = part.as_bytes() else {
        return Err(Malformed::Short);
    };
    if *version != b'1' {
        return Err(Malformed::Version(u64::from(version.saturating_sub(b'0'))));
    }
    let is_word = |byte: &u8| matches!(byte.to_ascii_uppercase(), b'Y' | b'N' | b'-');
    match told {
        [_, sale, _] if told.iter().all(is_word) => {
            if sale.eq_ignore_ascii_case(&b'Y') {
                gpp.opt_outs.insert(OptOut::Sale);
            }
            Ok(())
        }
        _ => Err(Malformed::Range),
    }
}

fn us_section(section: u64, layout: &Layout, part: &str, gpp: &mut Gpp) -> Result<(), Malformed> {
    let mut segments = part.split('.');
    let mut bits = Bits::of(segments.next().unwrap_or_default());
    let version = bits.number(6)?;
    // The specifications of 24 to 27 have a header before the core, which begins with the section's id; the reference encoder writes none.
    let has_header = section >= 24 && version == section;
    if has_header {
        bits = Bits::of(segments.next().ok_or(Malformed::Short)?);
        bits.skip(6)?;
    } else if !layout.versions.contains(&version) {
        return Err(Malformed::Version(version));
    }
    bits.skip(2 * layout.before)?;
    for opt_out in layout.opt_outs {
        match bits.number(2)? {
            OPTED_OUT => drop(gpp.opt_outs.insert(*opt_out)),
            0 | 2 => {}
            _ => return Err(Malformed::Range),
        }
    }
    // Behind a header only Maryland has this sub-section; those of the others tell of sensitive data.
    if has_header && section != 24 {
        return Ok(());
    }
    for segment in segments {
        let mut bits = Bits::of(segment);
        if bits.number(2)? == GPC {
            gpp.gpc |= bits.flag()?;
        }
    }
    Ok(())
}
