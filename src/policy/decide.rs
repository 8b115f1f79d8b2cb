//! The verdict on one message. Every doubt is a no.

use super::{
    Basis, Cap, Consent, EffectivePolicy, Facts, HoldReason, Message, Purpose, QuietThen, SkipReason, Verdict,
    quiet::{Silence, silence},
};
use crate::clock::{MINUTE, Micros};
use std::collections::BTreeMap;

/// How soon a message that a condition holds back is asked about again, when no event of the customer comes before.
pub const RECHECK: Micros = 15 * MINUTE;

/// Whether `message` may be sent to the customer of `facts` at `now` (microseconds). The first of these rules that objects gives the verdict:
///
/// 1. suspended: hold, and ask again within a minute. Nothing moves while a journey is suspended, not even by a skip.
/// 2. the purpose is not in the policy: skip NoPolicy; the regions of the policy are not kept to: skip Residency.
/// 3. consent, by the basis: none or a no is skip NoConsent, one that is too old skip ConsentExpired.
/// 4. held out, and the basis is Consent or LegitimateInterest: skip Holdout.
/// 5. no address: skip NoAddress.
/// 6. time to live is over: skip Expired.
/// 7. quiet hours: skip QuietHours by a window that drops, and by one whose end cannot be told; else hold until the last of the windows that
///    are on now ends, or skip Expired when time to live is over by then.
/// 8. a condition of `quiet` that holds: skip QuietWhile by one that drops; else hold, and ask again within [`RECHECK`].
/// 9. caps: skip Capped.
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
    if let Err(no) = consent(purpose, facts.consents.get(message.purpose), now) {
        return Verdict::Skip(no);
    }
    if facts.held_out && may_be_held_out(purpose.basis) {
        return Verdict::Skip(SkipReason::Holdout);
    }
    if !facts.has_address {
        return Verdict::Skip(SkipReason::NoAddress);
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
    now: Micros,
) -> Result<Option<Micros>, SkipReason> {
    let known = policy.purposes.get(purpose).ok_or(SkipReason::NoPolicy)?;
    if !policy.bounds.residency.holds() {
        return Err(SkipReason::Residency);
    }
    consent(known, consents.get(purpose), now)
}

/// Consent must have been given (GDPR art. 6(1)(a), 7). Processing on the grounds of art. 6(1)(e) and (f) needs none, but the customer may
/// object (art. 21): a recorded no is a no. The other grounds do not ask. Gives when consent is too old.
fn consent(purpose: &Purpose, known: Option<&Consent>, now: Micros) -> Result<Option<Micros>, SkipReason> {
    match (purpose.basis, known) {
        (Basis::Consent, Some(consent)) if consent.granted => {
            let over = purpose.expires.map(|holds| consent.at.saturating_add(holds));
            match over {
                Some(over) if now >= over => Err(SkipReason::ConsentExpired),
                Some(_) | None => Ok(over),
            }
        }
        (Basis::Consent, Some(_) | None) => Err(SkipReason::NoConsent),
        (Basis::LegitimateInterest | Basis::PublicTask, Some(consent)) if !consent.granted => {
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

/// Whether the contacts within one period before `now` use the cap up. A contact of exactly one period ago is outside.
fn is_full(cap: &Cap, facts: &Facts<'_>, message: &Message<'_>, now: Micros) -> bool {
    if !(names(&cap.purposes, message.purpose) && names(&cap.channels, message.channel)) {
        return false;
    }
    let since = now.saturating_sub(cap.per);
    let counted = |contact: &&&super::Contact| {
        contact.at > since && names(&cap.purposes, &contact.purpose) && names(&cap.channels, &contact.channel)
    };
    facts.contacts.iter().filter(counted).take(cap.at_most as usize).count() == cap.at_most as usize
}

/// Left out means all.
fn names(list: &Option<Vec<String>>, name: &str) -> bool {
    list.as_ref().is_none_or(|list| list.iter().any(|each| each == name))
}

fn is_over(message: &Message<'_>, at: Micros) -> bool {
    message.expires_at.is_some_and(|end| at > end)
}
