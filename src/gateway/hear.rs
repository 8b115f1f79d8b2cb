//! What the words of others do to a customer's consent. Consent platforms say again with each page what they once were told, so a yes of theirs is
//! no new choice: it is heard where nobody has said anything, and takes back no other no than their own. A no is heard whenever it is said.
//!
//! Which no is a platform's own is kept beside the consent, under a subject that no purpose can be called.

use crate::{
    clock::{DAY, Micros},
    consent::{Said, Word},
    policy::Consent,
    store::{Customer, platform_of},
};

/// Under which subject the consent is kept that something is said of.
pub fn subject(said: &Said) -> String {
    // The consent of a purpose is one for all channels: a no on one of them is a no.
    said.purpose.clone()
}

/// Applies what was said at an instant.
pub fn hear(customer: &mut Customer, said: &Said, at: Micros) {
    let subject = subject(said);
    match said.word {
        Word::Withdrawn => {
            customer.hear_consent(&subject, no(at));
            if subject == said.purpose {
                disown(customer, &said.purpose, at);
            }
        }
        Word::Denied => deny(customer, &subject, &said.purpose, at),
        Word::Granted { since } => grant(customer, &subject, &said.purpose, since, at),
        Word::Again => {
            if customer.consents.get(&subject).is_some_and(|known| !known.granted) {
                customer.hear_consent(&subject, yes(at));
            }
        }
    }
}

/// A platform's no. It becomes the platform's own unless somebody else has said no before.
fn deny(customer: &mut Customer, subject: &str, purpose: &str, at: Micros) {
    let known = customer.consents.get(subject).copied();
    let is_own = known.is_none_or(|known| known.granted || is_platforms(customer, purpose, known));
    if customer.hear_consent(subject, no(at)) && is_own {
        customer.hear_consent(&platform_of(purpose), no(at));
    }
}

/// A platform's yes. Where it says since when, that is when the consent began, so that repeating it does not keep it from expiring; a day is
/// as precise as TC strings are.
fn grant(customer: &mut Customer, subject: &str, purpose: &str, since: Option<Micros>, at: Micros) {
    let began = since.map_or(at, |since| since.min(at));
    match customer.consents.get(subject).copied() {
        None => {
            customer.hear_consent(subject, yes(began));
        }
        Some(known) if known.granted => {
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
    platform.is_some_and(|platform| !platform.granted && platform.at == known.at)
}

/// The no in force is not the platform's any more, also where it was said before the platform's or at the same instant.
fn disown(customer: &mut Customer, purpose: &str, at: Micros) {
    let subject = platform_of(purpose);
    if let Some(known) = customer.consents.get(&subject).filter(|known| !known.granted) {
        let later = known.at.max(at).saturating_add(1);
        customer.hear_consent(&subject, yes(later));
    }
}

fn no(at: Micros) -> Consent {
    Consent { granted: false, at }
}

fn yes(at: Micros) -> Consent {
    Consent { granted: true, at }
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
            hear(&mut customer, &said, *at);
        }
        customer
            .consents
            .get(MARKETING)
            .map(|consent| (consent.granted, consent.at))
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
        assert_eq!(told(&[(Word::Withdrawn, 5), (Word::Again, 9)]), Some((true, 9)));
        assert_eq!(told(&[(Word::Withdrawn, 9), (Word::Again, 5)]), Some((false, 9)));
        assert_eq!(told(&[(GRANTED, 5), (Word::Again, 9)]), Some((true, 5)));
    }
}
