//! The verdict on one message. Every doubt is a no.

use super::{
    Basis, Cap, Confirmed, Consent, ConsentState, EffectivePolicy, Facts, HoldReason, Message, Period, Purpose,
    QuietThen, QuietZone, SkipReason, Suppression, Verdict,
    consent::{known_of, paused_until},
    quiet::{Silence, silence},
};
use crate::{
    address::AddressKey,
    clock::{DAY, MINUTE, Micros},
};
use jiff::{Timestamp, tz::TimeZone};
use std::collections::BTreeMap;

/// How soon a message that a condition holds back is asked about again, when no event of the customer comes before.
pub const RECHECK: Micros = 15 * MINUTE;

/// Whether `message` may be sent to the customer of `facts` at `now` (microseconds). The first of these rules that objects gives the verdict:
///
/// 1. suspended: hold, and ask again within a minute. Nothing moves while a journey is suspended, not even by a skip.
/// 2. the purpose is not in the policy: skip NoPolicy; the regions of the policy are not kept to: skip Residency.
/// 3. minimum age, where the customer's word decides ([`Basis::is_asked_for`]): younger or unknown is skip MinimumAge.
/// 4. consent, by the basis, to the purpose and by the channel: none or a no is skip NoConsent, one that is to be confirmed skip Unconfirmed, one
///    that is too old skip ConsentExpired, a pause skip Paused. The touchpoint that asks for the confirmation passes while it is pending.
/// 5. held out, and the basis is Consent or LegitimateInterest: skip Holdout.
/// 6. no address: skip NoAddress; a suppressed one: skip Suppressed.
/// 7. time to live is over: skip Expired.
/// 8. quiet hours: skip QuietHours by a window that drops, and by one whose end cannot be told; else hold until the last of the windows that
///    are on now ends, or skip Expired when time to live is over by then.
/// 9. a condition of `quiet` that holds: skip QuietWhile by one that drops; else hold, and ask again within [`RECHECK`].
/// 10. caps: skip Capped.
///
/// Caps come last because they slide: a message held over night is counted against the contacts of the morning.
pub fn decide(policy: &EffectivePolicy, facts: &Facts<'_>, message: &Message<'_>, now: Micros) -> Verdict {
    if facts.suspended {
        return Verdict::Hold {
            until: now.saturating_add(MINUTE),
            why: HoldReason::Suspended,
        };
    }
    let Some(purpose) = policy.purposes.get(message.purpose) else {
        return Verdict::Skip(SkipReason::NoPolicy);
    };
    if !policy.bounds.residency.holds() {
        return Verdict::Skip(SkipReason::Residency);
    }
    if let Err(no) = agreed(policy, purpose, facts, message, now) {
        return Verdict::Skip(no);
    }
    if facts.held_out && may_be_held_out(purpose.basis) {
        return Verdict::Skip(SkipReason::Holdout);
    }
    if !facts.has_address {
        return Verdict::Skip(SkipReason::NoAddress);
    }
    if facts.suppressed.is_some_and(|why| suppresses(why, purpose.basis)) {
        return Verdict::Skip(SkipReason::Suppressed);
    }
    if is_over(message, now) {
        return Verdict::Skip(SkipReason::Expired);
    }
    if let Some(verdict) = quiet(policy, facts, message, now) {
        return verdict;
    }
    if policy.caps.iter().any(|cap| is_full(cap, facts, message, now)) {
        return Verdict::Skip(SkipReason::Capped);
    }
    Verdict::Send
}

/// What the customer's word and age allow.
fn agreed(
    policy: &EffectivePolicy,
    purpose: &Purpose,
    facts: &Facts<'_>,
    message: &Message<'_>,
    now: Micros,
) -> Result<(), SkipReason> {
    if !purpose.basis.is_asked_for() {
        return Ok(());
    }
    let old_enough = |least| facts.age.is_some_and(|age| age >= least);
    if !policy.minimum_age.is_none_or(old_enough) {
        return Err(SkipReason::MinimumAge);
    }
    let known = known_of(facts.consents, message.purpose, message.channel);
    let asks_for_it = purpose.confirm.contains(message.touchpoint);
    if asks_for_it && known.is_some_and(|known| known.state == ConsentState::Pending) {
        return Ok(());
    }
    consent(purpose, known.as_ref(), now)?;
    if !purpose.confirm.is_empty() && !known.is_some_and(|known| is_confirmed(known.confirmed, facts.address)) {
        return Err(SkipReason::Unconfirmed);
    }
    match paused_until(facts.consents, message.purpose, now) {
        Some(_) => Err(SkipReason::Paused),
        None => Ok(()),
    }
}

/// Whether it was confirmed for this address. One of another kind was never asked about: who confirmed by mail may be called.
fn is_confirmed(confirmed: Confirmed, address: Option<AddressKey>) -> bool {
    match confirmed {
        Confirmed::Not => false,
        Confirmed::Elsewhere => true,
        Confirmed::For(one) => address.is_none_or(|address| address == one || !address.is_of_kind_of(one)),
    }
}

fn suppresses(why: Suppression, basis: Basis) -> bool {
    match why {
        Suppression::Undeliverable => true,
        Suppression::Objected => basis.is_asked_for(),
    }
}

/// What is sent under a contract or a duty is owed to everyone; only what the sender wants to say can be tested by not saying it.
fn may_be_held_out(basis: Basis) -> bool {
    match basis {
        Basis::Consent | Basis::LegitimateInterest => true,
        Basis::Contract | Basis::LegalObligation | Basis::VitalInterests | Basis::PublicTask => false,
    }
}

/// Whether a message of `purpose` that was sent before may stay where it is (in its slot, in an audience), and until when it may for certain
/// as things are; None: until they change.
///
/// # Errors
/// The purpose is not in the policy, its regions are not kept to, or consent has ended.
pub fn may_stay(
    policy: &EffectivePolicy,
    consents: &BTreeMap<String, Consent>,
    purpose: &str,
    channel: &str,
    now: Micros,
) -> Result<Option<Micros>, SkipReason> {
    let known = policy.purposes.get(purpose).ok_or(SkipReason::NoPolicy)?;
    if !policy.bounds.residency.holds() {
        return Err(SkipReason::Residency);
    }
    let until = consent(known, known_of(consents, purpose, channel).as_ref(), now)?;
    match paused_until(consents, purpose, now) {
        Some(_) if known.basis.is_asked_for() => Err(SkipReason::Paused),
        Some(_) | None => Ok(until),
    }
}

/// Consent must have been given (GDPR art. 6(1)(a), 7). Processing on the grounds of art. 6(1)(e) and (f) needs none, but the customer may
/// object (art. 21): a recorded no is a no. The other grounds do not ask. Gives when consent is too old.
fn consent(purpose: &Purpose, known: Option<&Consent>, now: Micros) -> Result<Option<Micros>, SkipReason> {
    match (purpose.basis, known) {
        (Basis::Consent, Some(consent)) if consent.is_granted() => {
            let over = purpose.expires.map(|holds| consent.at.saturating_add(holds));
            match over {
                Some(over) if now >= over => Err(SkipReason::ConsentExpired),
                Some(_) | None => Ok(over),
            }
        }
        (Basis::Consent, Some(consent)) if consent.state == ConsentState::Pending => Err(SkipReason::Unconfirmed),
        (Basis::Consent, Some(_) | None) => Err(SkipReason::NoConsent),
        (Basis::LegitimateInterest | Basis::PublicTask, Some(consent)) if !consent.is_granted() => {
            Err(SkipReason::NoConsent)
        }
        (Basis::LegitimateInterest | Basis::PublicTask, Some(_) | None)
        | (Basis::Contract | Basis::LegalObligation | Basis::VitalInterests, _) => Ok(None),
    }
}

/// None: it is not quiet. What drops is looked at before what delays: a message that is dropped in the end need not wait for it.
fn quiet(policy: &EffectivePolicy, facts: &Facts<'_>, message: &Message<'_>, now: Micros) -> Option<Verdict> {
    let mut held_until = None;
    let windows = policy.quiet.iter();
    for window in windows.filter(|window| names(&window.purposes, message.purpose)) {
        match (silence(window, facts.zone, now), window.then) {
            (Silence::None, QuietThen::Delay | QuietThen::Drop) => {}
            (Silence::Until(_) | Silence::Endless, QuietThen::Drop) | (Silence::Endless, QuietThen::Delay) => {
                return Some(Verdict::Skip(SkipReason::QuietHours));
            }
            (Silence::Until(end), QuietThen::Delay) => held_until = held_until.max(Some(end)),
        }
    }
    let mut delayed = false;
    let conditions = policy.quiet_while.iter();
    for quiet in conditions.filter(|quiet| names(&quiet.purposes, message.purpose)) {
        match (facts.holding.contains(&quiet.condition), quiet.then) {
            (false, QuietThen::Delay | QuietThen::Drop) => {}
            (true, QuietThen::Drop) => return Some(Verdict::Skip(SkipReason::QuietWhile)),
            (true, QuietThen::Delay) => delayed = true,
        }
    }
    if let Some(until) = held_until {
        if is_over(message, until) {
            return Some(Verdict::Skip(SkipReason::Expired));
        }
        return Some(Verdict::Hold {
            until,
            why: HoldReason::QuietHours,
        });
    }
    // Nobody knows when a condition ends; but after its time to live the message is over for certain.
    let again = now.saturating_add(RECHECK);
    let over = message.expires_at.map_or(again, |end| end.saturating_add(1));
    delayed.then(|| Verdict::Hold {
        until: again.min(over),
        why: HoldReason::QuietWhile,
    })
}

/// Whether the contacts of one period use the cap up. A contact of exactly one sliding period ago is outside.
fn is_full(cap: &Cap, facts: &Facts<'_>, message: &Message<'_>, now: Micros) -> bool {
    if !(names(&cap.purposes, message.purpose) && names(&cap.channels, message.channel)) {
        return false;
    }
    let since = match &cap.per {
        Period::Sliding(length) => now.saturating_sub(*length),
        Period::Day(QuietZone::Fixed(zone)) => before_midnight(zone, now),
        // Of a customer without a zone nobody can say which day it is; two contacts of one day, wherever, are less than a day apart, or 25 hours on
        // the day on which clocks are set back.
        Period::Day(QuietZone::Customer) => facts
            .zone
            .map_or(now.saturating_sub(cap.per.longest()), |zone| before_midnight(zone, now)),
    };
    let counted = |contact: &&&super::Contact| {
        contact.at > since && names(&cap.purposes, &contact.purpose) && names(&cap.channels, &contact.channel)
    };
    facts.contacts.iter().filter(counted).take(cap.at_most as usize).count() == cap.at_most as usize
}

/// The last instant before the day began.
fn before_midnight(zone: &TimeZone, now: Micros) -> Micros {
    let begun = Timestamp::from_microsecond(now)
        .and_then(|now| now.to_zoned(zone.clone()).start_of_day())
        .map(|start| start.timestamp().as_microsecond());
    begun.map_or(now.saturating_sub(DAY), |start| start.saturating_sub(1))
}

/// Left out means all.
fn names(list: &Option<Vec<String>>, name: &str) -> bool {
    list.as_ref().is_none_or(|list| list.iter().any(|each| each == name))
}

fn is_over(message: &Message<'_>, at: Micros) -> bool {
    message.expires_at.is_some_and(|end| at > end)
}
