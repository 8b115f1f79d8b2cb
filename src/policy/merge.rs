//! Several policies, one answer: of each rule the strictest.

use super::{Basis, Bounds, Cap, EffectivePolicy, Period, Purpose, Quiet, QuietThen, QuietWhile, QuietZone};
use crate::{
    api::{
        privacy_policy::{self, PrivacyPolicySpec},
        text::{Name, Span},
    },
    expression::time,
};
use std::cmp::Reverse;

/// Of each rule the strictest: commutative, associative, idempotent. No policy at all allows nothing.
///
/// - A purpose is allowed only when EVERY policy names it: the list of purposes is itself a rule, and its strictest form is what all agree on.
///   So a policy for the whole namespace is a bound that no later policy can widen, and adding a policy never sends more. Policies that share
///   the purposes out between journeys do it by `journeySelector`, not by each naming other purposes for the same journey.
/// - Its basis is the strictest named: Consent, then what can be objected to (LegitimateInterest, PublicTask), then the others. Its consent
///   expires by the shortest time, and is to be confirmed when one says so; only attributes that all allow may be read.
/// - Quiet and caps add up. Of minimum ages the highest holds.
/// - What bounds the data: the shortest retention, the regions that all name, the greatest group.
pub fn merge(policies: &[&PrivacyPolicySpec]) -> EffectivePolicy {
    policies
        .iter()
        .map(|policy| alone(policy))
        .reduce(both)
        .unwrap_or_default()
}

fn both(a: EffectivePolicy, mut b: EffectivePolicy) -> EffectivePolicy {
    let purposes = a.purposes.into_iter().filter_map(|(name, one)| {
        let other = b.purposes.remove(&name)?;
        Some((name, stricter(one, other)))
    });
    let purposes = purposes.collect();
    EffectivePolicy {
        purposes,
        quiet: quiet(a.quiet.into_iter().chain(b.quiet)),
        quiet_while: sorted(a.quiet_while.into_iter().chain(b.quiet_while)),
        caps: caps(a.caps.into_iter().chain(b.caps)),
        minimum_age: a.minimum_age.max(b.minimum_age),
        bounds: a.bounds.with(b.bounds),
    }
}

fn stricter(a: Purpose, b: Purpose) -> Purpose {
    Purpose {
        basis: std::cmp::min_by_key(a.basis, b.basis, |basis| strictness(*basis)),
        expires: [a.expires, b.expires].into_iter().flatten().min(),
        // Asked for by one it is asked for; any of the links that are offered confirms.
        confirm: a.confirm.union(&b.confirm).cloned().collect(),
        attributes: a.attributes.intersection(&b.attributes).cloned().collect(),
    }
}

/// The smaller, the stricter.
fn strictness(basis: Basis) -> u8 {
    match basis {
        Basis::Consent => 0,
        Basis::LegitimateInterest => 1,
        Basis::PublicTask => 2,
        Basis::Contract => 3,
        Basis::VitalInterests => 4,
        Basis::LegalObligation => 5,
    }
}

fn alone(policy: &PrivacyPolicySpec) -> EffectivePolicy {
    let PrivacyPolicySpec {
        journey_selector: _,
        purposes,
        quiet: windows,
        caps: limits,
        minimum_age,
        // What the preference centre offers: it sends nothing.
        preferences: _,
        // Read by `Bounds::of`.
        retention: _,
        residency: _,
        reporting: _,
    } = policy;
    let mut all: Vec<(String, Purpose)> = Vec::new();
    for purpose in purposes {
        let privacy_policy::Purpose {
            name,
            basis,
            expires,
            confirm,
            attributes,
            // Heard where consent comes in; what it became is what policies ask.
            signals: _,
        } = purpose;
        let this = Purpose {
            basis: basis_of(*basis),
            expires: expires.as_ref().map(Span::micros),
            confirm: confirm.iter().map(|confirm| confirm.touchpoint.to_string()).collect(),
            attributes: attributes
                .iter()
                .map(|attribute| attribute.as_str().to_owned())
                .collect(),
        };
        // The CRD refuses a purpose named twice; if it comes all the same the stricter holds.
        match all.iter_mut().find(|(known, _)| known == name.as_str()) {
            Some((_, known)) => *known = stricter(known.clone(), this),
            None => all.push((name.as_str().to_owned(), this)),
        }
    }
    EffectivePolicy {
        purposes: all.into_iter().collect(),
        quiet: quiet(windows.iter().filter_map(window)),
        quiet_while: sorted(windows.iter().filter_map(quiet_while)),
        caps: caps(limits.iter().map(cap)),
        minimum_age: minimum_age.map(|age| u32::try_from(age).unwrap_or(u32::MAX)),
        bounds: Bounds::of(policy),
    }
}

fn basis_of(basis: privacy_policy::Basis) -> Basis {
    match basis {
        privacy_policy::Basis::Consent => Basis::Consent,
        privacy_policy::Basis::Contract => Basis::Contract,
        privacy_policy::Basis::LegalObligation => Basis::LegalObligation,
        privacy_policy::Basis::VitalInterests => Basis::VitalInterests,
        privacy_policy::Basis::PublicTask => Basis::PublicTask,
        privacy_policy::Basis::LegitimateInterest => Basis::LegitimateInterest,
    }
}

/// None: it is quiet while a condition holds.
fn window(quiet: &privacy_policy::Quiet) -> Option<Quiet> {
    let privacy_policy::Quiet {
        purposes,
        hours,
        while_: _,
        then,
    } = quiet;
    let privacy_policy::Hours { from, to, zone } = hours.as_ref()?;
    Some(Quiet {
        purposes: names(purposes),
        from: minutes(from.as_str()),
        to: minutes(to.as_str()),
        zone: zone_of(zone.as_str()),
        then: then_of(*then),
    })
}

/// None: it is quiet by the clock.
fn quiet_while(quiet: &privacy_policy::Quiet) -> Option<QuietWhile> {
    let privacy_policy::Quiet {
        purposes,
        hours: _,
        while_,
        then,
    } = quiet;
    Some(QuietWhile {
        condition: while_.as_ref()?.to_string(),
        purposes: names(purposes),
        then: then_of(*then),
    })
}

fn then_of(then: privacy_policy::QuietThen) -> QuietThen {
    match then {
        privacy_policy::QuietThen::Delay => QuietThen::Delay,
        privacy_policy::QuietThen::Drop => QuietThen::Drop,
    }
}

/// None: all purposes.
fn names(purposes: &Option<Vec<Name>>) -> Option<Vec<String>> {
    let names = purposes.as_ref()?;
    Some(sorted(names.iter().map(ToString::to_string)))
}

fn cap(cap: &privacy_policy::Cap) -> Cap {
    let privacy_policy::Cap {
        purposes,
        channels,
        at_most,
        per,
        per_day,
    } = cap;
    let per = match (per, per_day) {
        (Some(per), None) => Period::Sliding(per.micros()),
        (None, Some(zone)) => Period::Day(zone_of(zone.as_str())),
        // The CRD refuses both and neither; if they come all the same nothing ever leaves the period.
        (Some(_), Some(_)) | (None, None) => Period::Sliding(i64::MAX),
    };
    Cap {
        purposes: names(purposes),
        channels: channels
            .as_ref()
            .map(|names| sorted(names.iter().map(ToString::to_string))),
        at_most: u32::try_from(*at_most).unwrap_or(0),
        per,
    }
}

/// `HH:MM`, whose shape the CRD has checked; what is none is midnight.
fn minutes(clock: &str) -> u16 {
    time::time_of_day(clock).map_or(0, time::TimeOfDay::minutes)
}

/// A zone the bundled tz database does not know (`compile` refuses it) counts as not known at all: the strictest reading.
fn zone_of(name: &str) -> QuietZone {
    match name {
        "Customer" => QuietZone::Customer,
        name => time::zone(name).map_or(QuietZone::Customer, QuietZone::Fixed),
    }
}

/// In one order, each once.
fn sorted<T: Ord>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut all: Vec<T> = all.collect();
    all.sort();
    all.dedup();
    all
}

/// In one order, each once, so that equal sets of rules are equal.
fn quiet(windows: impl Iterator<Item = Quiet>) -> Vec<Quiet> {
    let mut all: Vec<Quiet> = windows.collect();
    all.sort_by_cached_key(|window| {
        let zone = name_of(&window.zone);
        let drops = matches!(window.then, QuietThen::Drop);
        (window.from, window.to, zone, Reverse(drops), window.purposes.clone())
    });
    all.dedup();
    all
}

/// None: the customer's.
fn name_of(zone: &QuietZone) -> Option<String> {
    match zone {
        QuietZone::Customer => None,
        QuietZone::Fixed(zone) => Some(zone.iana_name().unwrap_or_default().to_owned()),
    }
}

fn caps(limits: impl Iterator<Item = Cap>) -> Vec<Cap> {
    let mut all: Vec<Cap> = limits.collect();
    all.sort_by_cached_key(|cap| {
        let per = match &cap.per {
            Period::Sliding(length) => (*length, None),
            Period::Day(zone) => (0, Some(name_of(zone))),
        };
        (per, cap.at_most, cap.purposes.clone(), cap.channels.clone())
    });
    all.dedup();
    all
}
