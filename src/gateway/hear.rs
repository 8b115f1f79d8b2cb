//! What the words of others do to a customer's consent. Consent platforms say again with each page what they once were told, so a yes of theirs is
//! no new choice: it is heard where nobody has said anything, and takes back no other no than their own. A no is heard whenever it is said.
//!
//! Which no is a platform's own is kept beside the consent, under a subject that no purpose can be called.

use crate::{
    clock::{DAY, Micros},
    consent::{Said, Word},
    policy::{
        Confirmed, Consent, ConsentState,
        consent::{by_channel, platform_of},
    },
    store::Customer,
};

/// Under which subject the consent is kept that something is said of.
pub fn subject(said: &Said) -> String {
    match &said.channel {
        Some(channel) => by_channel(&said.purpose, channel),
        None => said.purpose.clone(),
    }
}

/// Applies what was said at an instant; a yes to a purpose that asks for confirmation is pending.
pub fn hear(customer: &mut Customer, said: &Said, at: Micros, asks_confirmation: bool) {
    let subject = subject(said);
    match said.word {
        Word::Withdrawn => {
            customer.hear_consent(&subject, no(at));
            if subject == said.purpose {
                disown(customer, &said.purpose, at);
            }
        }
        Word::Denied => deny(customer, &subject, &said.purpose, at),
        Word::Granted { since } => {
            let yes = |at| Consent::heard(true, at, asks_confirmation);
            grant(customer, &subject, &said.purpose, since, at, yes);
        }
        Word::Again => again(customer, &subject, &said.purpose, at),
    }
}

/// START after STOP: what was agreed to before is agreed to again, on that channel; who had never agreed has not by this word.
fn again(customer: &mut Customer, subject: &str, purpose: &str, at: Micros) {
    let Some(known) = customer
        .consents
        .get(subject)
        .copied()
        .filter(|known| !known.is_granted())
    else {
        return;
    };
    let whole = customer.consents.get(purpose).copied().filter(Consent::is_granted);
    if known.state == ConsentState::Withdrawn || whole.is_some() {
        let confirmed = whole.map_or(Confirmed::Not, |whole| whole.confirmed);
        let said = Consent {
            confirmed,
            ..Consent::said(true, at)
        };
        customer.hear_consent(subject, said);
    }
}

/// A platform's no. It becomes the platform's own unless somebody else has said no before.
fn deny(customer: &mut Customer, subject: &str, purpose: &str, at: Micros) {
    let known = customer.consents.get(subject).copied();
    let is_own = known.is_none_or(|known| known.is_granted() || is_platforms(customer, purpose, known));
    if customer.hear_consent(subject, no(at)) && is_own {
        customer.hear_consent(&platform_of(purpose), no(at));
    }
}

/// A platform's yes. Where it says since when, that is when the consent began, so that repeating it does not keep it from expiring; a day is
/// as precise as TC strings are.
fn grant(
    customer: &mut Customer,
    subject: &str,
    purpose: &str,
    since: Option<Micros>,
    at: Micros,
    yes: impl Fn(Micros) -> Consent,
) {
    let began = since.map_or(at, |since| since.min(at));
    match customer.consents.get(subject).copied() {
        None => {
            customer.hear_consent(subject, yes(began));
        }
        Some(known) if known.is_granted() => {
            if since.is_some() {
                customer.hear_consent(subject, yes(began));
            }
        }
        Some(known) => {
            let is_newer = since.is_none_or(|since| since.saturating_add(DAY) > known.at);
            if is_newer && is_platforms(customer, purpose, known) {
                customer.hear_consent(subject, yes(at));
            }
        }
    }
}

/// Whether a no is one that a platform said, and nobody else since.
fn is_platforms(customer: &Customer, purpose: &str, known: Consent) -> bool {
    let platform = customer.consents.get(&platform_of(purpose));
    platform.is_some_and(|platform| !platform.is_granted() && platform.at == known.at)
}

/// The no in force is not the platform's any more, also where it was said before the platform's or at the same instant.
fn disown(customer: &mut Customer, purpose: &str, at: Micros) {
    let subject = platform_of(purpose);
    if let Some(known) = customer.consents.get(&subject).filter(|known| !known.is_granted()) {
        let later = known.at.max(at).saturating_add(1);
        customer.hear_consent(&subject, Consent::said(true, later));
    }
}

fn no(at: Micros) -> Consent {
    Consent::said(false, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{keys::Keys, personal::Personal};
    use std::collections::BTreeMap;

    const MARKETING: &str = "marketing";

    fn customer() -> Customer {
        Customer {
            key: Keys::ephemeral().customer("shop", "userId", "u1"),
            id: "u1".to_owned().into(),
            anonymous: false,
            attributes: Personal::default(),
            consents: BTreeMap::new(),
        }
    }

    const GRANTED: Word = Word::Granted { since: None };

    /// Tells the words one after another, and gives the consent that there is then.
    fn told(words: &[(Word, Micros)]) -> Option<(bool, Micros)> {
        let mut customer = customer();
        for (word, at) in words {
            let said = Said {
                purpose: MARKETING.into(),
                channel: None,
                word: *word,
            };
            hear(&mut customer, &said, *at, false);
        }
        customer
            .consents
            .get(MARKETING)
            .map(|consent| (consent.is_granted(), consent.at))
    }

    #[test]
    fn a_platforms_yes_is_heard_once_and_its_no_always() {
        assert_eq!(told(&[(GRANTED, 5)]), Some((true, 5)));
        assert_eq!(
            told(&[(GRANTED, 5), (GRANTED, 9)]),
            Some((true, 5)),
            "a yes that is repeated does not begin again"
        );
        assert_eq!(told(&[(GRANTED, 5), (Word::Denied, 9)]), Some((false, 9)));
        assert_eq!(
            told(&[(Word::Denied, 5), (GRANTED, 9)]),
            Some((true, 9)),
            "it may take its own no back"
        );
        assert_eq!(
            told(&[(Word::Denied, 5), (Word::Denied, 7), (GRANTED, 9)]),
            Some((true, 9))
        );
        assert_eq!(
            told(&[(Word::Denied, 9), (GRANTED, 5)]),
            Some((false, 9)),
            "a late yes is late"
        );
        assert_eq!(
            told(&[(Word::Denied, 9), (GRANTED, 9)]),
            Some((false, 9)),
            "of two at once the no holds"
        );
    }

    #[test]
    fn a_platforms_yes_takes_back_nobody_elses_no() {
        for story in [
            &[(Word::Withdrawn, 5), (GRANTED, 9)][..],
            &[(Word::Withdrawn, 5), (Word::Denied, 7), (GRANTED, 9)],
            &[(Word::Denied, 5), (Word::Withdrawn, 7), (GRANTED, 9)],
            &[(Word::Denied, 5), (Word::Withdrawn, 5), (GRANTED, 9)],
            &[(Word::Denied, 5), (Word::Withdrawn, 3), (GRANTED, 9)],
            &[(GRANTED, 3), (Word::Withdrawn, 5), (GRANTED, 9)],
        ] {
            assert_eq!(told(story).map(|(granted, _)| granted), Some(false), "{story:?}");
        }
    }

    #[test]
    fn a_string_tells_since_when() {
        let since = |since| Word::Granted { since: Some(since) };
        assert_eq!(told(&[(since(3 * DAY), 5 * DAY)]), Some((true, 3 * DAY)));
        assert_eq!(
            told(&[(since(3 * DAY), 5 * DAY), (since(4 * DAY), 6 * DAY)]),
            Some((true, 4 * DAY)),
            "a new choice"
        );
        assert_eq!(
            told(&[(since(9 * DAY), 5 * DAY)]),
            Some((true, 5 * DAY)),
            "not from the future"
        );
        let changed = [(Word::Denied, 3 * DAY + 5), (since(3 * DAY), 3 * DAY + 9)];
        assert_eq!(told(&changed), Some((true, 3 * DAY + 9)), "changed on the same day");
        let other_device = [(Word::Denied, 5 * DAY), (since(3 * DAY), 6 * DAY)];
        assert_eq!(told(&other_device), Some((false, 5 * DAY)), "older than the no");
    }

    #[test]
    fn start_takes_a_no_back_and_is_no_yes_by_itself() {
        assert_eq!(told(&[(Word::Again, 5)]), None);
        assert_eq!(
            told(&[(Word::Withdrawn, 5), (Word::Again, 9)]),
            Some((false, 5)),
            "nothing had been agreed to"
        );
        let back = [(GRANTED, 3), (Word::Withdrawn, 5), (Word::Again, 9)];
        assert_eq!(told(&back), Some((true, 9)));
        assert_eq!(told(&[(Word::Withdrawn, 9), (Word::Again, 5)]), Some((false, 9)));
        assert_eq!(told(&[(GRANTED, 5), (Word::Again, 9)]), Some((true, 5)));
    }
}
