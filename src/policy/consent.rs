//! What is known of a customer's consent, and what a new word makes of it.
//!
//! A consent is to a subject: a purpose as a whole (`marketing`), a purpose by one channel (`marketing@Email`), a journey by the customer's own
//! hand (`journey/NAME`), or a pause of a purpose (`pause/marketing`). It is kept, too, whether a
//! no is a consent platform's (`platform/marketing`). None but the first can be the name of a purpose.

use crate::{address::AddressKey, clock::Micros};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a customer's consent to one subject. Unknown is the absence of it; expired is what a policy makes of its age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    pub state: ConsentState,
    /// When it was said, by the event's own time.
    pub at: Micros,
    /// Whether, and for what address, it was confirmed (double opt-in).
    pub confirmed: Confirmed,
    /// A no that is over then; None: until something else is said.
    pub until: Option<Micros>,
}

/// In the order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ConsentState {
    /// A no after a yes.
    Withdrawn,
    /// A no where nothing else was known.
    Denied,
    /// A yes that is still to be confirmed: a no meanwhile.
    Pending,
    Granted,
}

impl ConsentState {
    /// Of two that were said at the same instant the smaller holds: a no is a no, whatever was before it.
    fn strictness(self) -> u8 {
        match self {
            Self::Withdrawn | Self::Denied => 0,
            Self::Pending => 1,
            Self::Granted => 2,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Withdrawn => "Withdrawn",
            Self::Denied => "Denied",
            Self::Pending => "Pending",
            Self::Granted => "Granted",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        [Self::Withdrawn, Self::Denied, Self::Pending, Self::Granted]
            .into_iter()
            .find(|state| state.name() == name)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confirmed {
    Not,
    /// Elsewhere, by the word of an import: for whatever address.
    Elsewhere,
    /// By the link in a message to this address, and for this one.
    For(AddressKey),
}

impl Consent {
    /// A yes or a no, confirmed by nothing.
    pub fn said(granted: bool, at: Micros) -> Self {
        Self {
            state: if granted {
                ConsentState::Granted
            } else {
                ConsentState::Withdrawn
            },
            at,
            confirmed: Confirmed::Not,
            until: None,
        }
    }

    pub fn is_granted(&self) -> bool {
        self.state == ConsentState::Granted
    }

    pub fn is_confirmed_for(&self, address: AddressKey) -> bool {
        self.is_granted() && self.confirmed == Confirmed::For(address)
    }

    /// A signal: where the purpose asks for confirmation a yes is pending until its link is followed.
    pub fn heard(granted: bool, at: Micros, asks_confirmation: bool) -> Self {
        let said = Self::said(granted, at);
        match granted && asks_confirmation {
            true => Self {
                state: ConsentState::Pending,
                ..said
            },
            false => said,
        }
    }

    /// What holds once this is said of what was `known`; None: nothing changes. The later word holds, and of two of the same instant the
    /// stricter. A yes that is to be confirmed leaves pending what is pending, so that the link that is under way goes on working, and granted
    /// what was confirmed.
    #[must_use]
    pub fn over(self, known: Option<&Self>) -> Option<Self> {
        use ConsentState::{Denied, Granted, Pending, Withdrawn};
        let Some(known) = known else {
            let state = if self.state == Withdrawn { Denied } else { self.state };
            return Some(Self { state, ..self });
        };
        let later = self.at > known.at || (self.at == known.at && self.state.strictness() < known.state.strictness());
        match (self.state, known.state) {
            _ if !later => None,
            (Pending, Pending) => None,
            (Pending, Granted) if known.confirmed != Confirmed::Not => Some(Self { at: self.at, ..*known }),
            (Withdrawn | Denied, Denied) => Some(Self { state: Denied, ..self }),
            (Withdrawn | Denied, Withdrawn | Pending | Granted) => Some(Self {
                state: Withdrawn,
                ..self
            }),
            (Pending | Granted, _) => Some(self),
        }
    }

    /// What holds once its link, made at `made` for a message to `address`, is followed. None: there is nothing that this link confirms, because
    /// it was confirmed before, withdrawn since, or asked for anew after the link was made.
    pub fn confirmed(known: Option<&Self>, made: Micros, address: AddressKey, now: Micros) -> Option<Self> {
        let known = known.filter(|known| known.state == ConsentState::Pending && known.at <= made)?;
        Some(Self {
            state: ConsentState::Granted,
            at: now.max(known.at.saturating_add(1)),
            confirmed: Confirmed::For(address),
            until: None,
        })
    }

    /// Of two customers who become one: the stricter, as of the later of both, so that no signal that was heard before brings a yes back.
    pub fn of_both(own: &Self, theirs: &Self) -> Self {
        let until = match (own.is_granted(), theirs.is_granted()) {
            // No no ends before the other does.
            (false, false) => own.until.zip(theirs.until).map(|(own, theirs)| own.max(theirs)),
            (false, true) => own.until,
            (true, false) => theirs.until,
            (true, true) => None,
        };
        Self {
            state: own.state.min(theirs.state),
            at: own.at.max(theirs.at),
            confirmed: own.confirmed,
            until,
        }
    }
}

/// The subject of a purpose by one channel.
pub fn by_channel(purpose: &str, channel: &str) -> String {
    format!("{purpose}@{channel}")
}

/// The subject of a pause of a purpose.
pub fn pause_of(purpose: &str) -> String {
    format!("{PAUSE}{purpose}")
}

/// Under which subject it is kept whether the no to a purpose is that of a consent platform, which the platform may take back.
pub fn platform_of(purpose: &str) -> String {
    format!("{PLATFORM}{purpose}")
}

const PAUSE: &str = "pause/";
const PLATFORM: &str = "platform/";

/// What a subject is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    Purpose(&'a str),
    ByChannel {
        purpose: &'a str,
        channel: &'a str,
    },
    Journey(&'a str),
    Pause(&'a str),
    /// Whether the no to a purpose is a consent platform's, which it may take back.
    Platform(&'a str),
}

/// Reads a subject.
pub fn subject(text: &str) -> Subject<'_> {
    if let Some(journey) = text.strip_prefix("journey/") {
        return Subject::Journey(journey);
    }
    if let Some(purpose) = text.strip_prefix(PAUSE) {
        return Subject::Pause(purpose);
    }
    if let Some(purpose) = text.strip_prefix(PLATFORM) {
        return Subject::Platform(purpose);
    }
    match text.split_once('@') {
        Some((purpose, channel)) => Subject::ByChannel { purpose, channel },
        None => Subject::Purpose(text),
    }
}

/// What a customer has said of a purpose by one channel. A no to the channel holds until the channel itself is agreed to again, whatever is said
/// of the purpose as a whole (who answers STOP to a text message has not asked for the next by ticking a box elsewhere); a yes to the channel
/// holds until a no to the whole is as late.
pub fn known_of(consents: &BTreeMap<String, Consent>, purpose: &str, channel: &str) -> Option<Consent> {
    let whole = consents.get(purpose).copied();
    let named = |(subject, consent): (&String, &Consent)| {
        let of = subject.strip_prefix(purpose)?.strip_prefix('@')?;
        (of == channel).then_some(*consent)
    };
    let mut of_channels = consents.range::<str, _>((std::ops::Bound::Excluded(purpose), std::ops::Bound::Unbounded));
    let own = of_channels
        .by_ref()
        .take_while(|(subject, _)| subject.starts_with(purpose))
        .find_map(named);
    match (whole, own) {
        (whole, None) => whole,
        (_, Some(own)) if !own.is_granted() => Some(own),
        (Some(whole), Some(own)) if !whole.is_granted() && whole.at >= own.at => Some(whole),
        (Some(whole), Some(own)) if whole.is_granted() && whole.at > own.at => Some(whole),
        (_, Some(own)) => Some(own),
    }
}

/// Until when the customer has paused the purpose; None: they have not.
pub fn paused_until(consents: &BTreeMap<String, Consent>, purpose: &str, now: Micros) -> Option<Micros> {
    let mut pauses = consents.range::<str, _>((std::ops::Bound::Included(PAUSE), std::ops::Bound::Unbounded));
    let paused = pauses
        .by_ref()
        .take_while(|(subject, _)| subject.starts_with(PAUSE))
        .find(|(subject, _)| subject.strip_prefix(PAUSE) == Some(purpose));
    let (_, pause) = paused.filter(|(_, pause)| !pause.is_granted())?;
    // A pause without an end is none that was ever said: it lasts.
    let until = pause.until.unwrap_or(Micros::MAX);
    (until > now).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADDRESS: AddressKey = AddressKey([5; 16]);

    fn said(granted: bool, at: Micros) -> Consent {
        Consent::said(granted, at)
    }

    fn of(subjects: &[(&str, Consent)]) -> BTreeMap<String, Consent> {
        subjects
            .iter()
            .map(|(subject, consent)| ((*subject).to_owned(), *consent))
            .collect()
    }

    fn heard(granted: bool, at: Micros, known: Option<Consent>) -> Option<Consent> {
        Consent::heard(granted, at, true).over(known.as_ref())
    }

    #[test]
    fn a_yes_that_asks_for_confirmation_is_pending_until_its_link_is_followed() {
        let pending = heard(true, 10, None).unwrap();
        assert_eq!(
            (pending.state, pending.confirmed),
            (ConsentState::Pending, Confirmed::Not)
        );
        assert_eq!(heard(true, 20, Some(pending)), None, "the first link still works");
        let granted = Consent::confirmed(Some(&pending), 15, ADDRESS, 30).unwrap();
        assert_eq!((granted.state, granted.at), (ConsentState::Granted, 30));
        assert_eq!(granted.confirmed, Confirmed::For(ADDRESS));
        assert_eq!(heard(true, 40, Some(granted)), Some(Consent { at: 40, ..granted }));
    }

    #[test]
    fn a_link_confirms_once_and_nothing_that_was_said_after_it_was_made() {
        let pending = heard(true, 10, None).unwrap();
        let granted = Consent::confirmed(Some(&pending), 15, ADDRESS, 30);
        assert_eq!(Consent::confirmed(granted.as_ref(), 15, ADDRESS, 31), None);
        let withdrawn = heard(false, 40, granted);
        assert_eq!(Consent::confirmed(withdrawn.as_ref(), 15, ADDRESS, 41), None);
        let anew = heard(true, 50, withdrawn).unwrap();
        assert_eq!(anew.state, ConsentState::Pending);
        assert_eq!(Consent::confirmed(Some(&anew), 15, ADDRESS, 51), None);
        assert_eq!(Consent::confirmed(None, 15, ADDRESS, 51), None);
    }

    #[test]
    fn what_was_granted_before_confirmation_was_asked_for_is_pending_when_it_is_said_again() {
        assert_eq!(
            heard(true, 20, Some(said(true, 10))).unwrap().state,
            ConsentState::Pending
        );
    }

    #[test]
    fn a_no_is_denied_where_nothing_was_known_and_withdrawn_after_a_yes() {
        let denied = said(false, 1).over(None).unwrap();
        assert_eq!(denied.state, ConsentState::Denied);
        assert_eq!(said(false, 2).over(Some(&denied)).unwrap().state, ConsentState::Denied);
        assert_eq!(
            said(false, 2).over(Some(&said(true, 1))).unwrap().state,
            ConsentState::Withdrawn
        );
    }

    #[test]
    fn the_later_word_holds_and_of_two_at_once_the_no() {
        let (yes, no) = (said(true, 10), said(false, 10));
        assert_eq!(said(true, 9).over(Some(&no)), None);
        assert_eq!(yes.over(Some(&no)), None);
        assert!(!no.over(Some(&yes)).unwrap().is_granted());
        assert_eq!(no.over(Some(&no)), None, "said twice");
        assert!(said(true, 11).over(Some(&no)).unwrap().is_granted());
    }

    #[test]
    fn a_no_to_a_channel_outlives_a_yes_to_the_whole() {
        let stop = of(&[("marketing", said(true, 30)), ("marketing@Sms", said(false, 20))]);
        assert!(!known_of(&stop, "marketing", "Sms").unwrap().is_granted());
        assert!(known_of(&stop, "marketing", "Email").unwrap().is_granted());
        let only = of(&[("marketing@Email", said(true, 20))]);
        assert!(known_of(&only, "marketing", "Email").unwrap().is_granted());
        assert_eq!(known_of(&only, "marketing", "Sms"), None);
        let all = of(&[("marketing", said(false, 30)), ("marketing@Email", said(true, 20))]);
        assert!(!known_of(&all, "marketing", "Email").unwrap().is_granted());
        let back = of(&[("marketing", said(false, 30)), ("marketing@Email", said(true, 31))]);
        assert!(known_of(&back, "marketing", "Email").unwrap().is_granted());
    }

    #[test]
    fn names_that_begin_alike_are_others() {
        let consents = of(&[
            ("news", said(true, 1)),
            ("news-weekly", said(false, 2)),
            ("news-weekly@Email", said(false, 2)),
            ("news@Email", said(false, 3)),
            ("newsletter@Email", said(true, 9)),
        ]);
        assert!(!known_of(&consents, "news", "Email").unwrap().is_granted());
        assert!(known_of(&consents, "news", "Sms").unwrap().is_granted());
    }

    #[test]
    fn a_pause_is_of_one_purpose_and_ends() {
        let pause = Consent {
            until: Some(100),
            ..said(false, 1)
        };
        let consents = of(&[(&pause_of("marketing"), pause), ("marketing", said(true, 1))]);
        assert_eq!(paused_until(&consents, "marketing", 99), Some(100));
        assert_eq!(paused_until(&consents, "marketing", 100), None);
        assert_eq!(paused_until(&consents, "service", 1), None);
        let resumed = of(&[(&pause_of("marketing"), said(true, 2))]);
        assert_eq!(paused_until(&resumed, "marketing", 3), None);
    }

    #[test]
    fn a_subject_is_read_back() {
        assert_eq!(subject("marketing"), Subject::Purpose("marketing"));
        let (purpose, channel) = ("marketing", "Sms");
        assert_eq!(
            subject(&by_channel(purpose, channel)),
            Subject::ByChannel { purpose, channel }
        );
        assert_eq!(subject(&pause_of("marketing")), Subject::Pause("marketing"));
        assert_eq!(subject("journey/welcome"), Subject::Journey("welcome"));
        assert_eq!(subject(&platform_of("marketing")), Subject::Platform("marketing"));
    }

    fn any_consent() -> impl Strategy<Value = Consent> {
        let states = vec![
            ConsentState::Withdrawn,
            ConsentState::Denied,
            ConsentState::Pending,
            ConsentState::Granted,
        ];
        (prop::sample::select(states), 0..50i64, prop::option::of(0..99i64)).prop_map(|(state, at, until)| Consent {
            state,
            at,
            confirmed: Confirmed::Not,
            until: until.filter(|_| state != ConsentState::Granted),
        })
    }

    proptest! {
        #[test]
        fn of_two_customers_no_no_is_lost_and_nothing_heard_before_brings_a_yes_back(a in any_consent(), b in any_consent(), older in 0..50i64) {
            let both = Consent::of_both(&a, &b);
            prop_assert_eq!(both.is_granted(), a.is_granted() && b.is_granted());
            prop_assert_eq!(Consent::of_both(&b, &a), both);
            if !both.is_granted() && older <= both.at {
                prop_assert_eq!(said(true, older).over(Some(&both)), None);
            }
        }

        #[test]
        fn no_signal_makes_a_yes_without_a_link_where_one_is_asked_for(known in prop::option::of(any_consent()), granted: bool, at in 0..99i64) {
            let after = heard(granted, at, known);
            prop_assert!(!after.is_some_and(|after| after.is_granted()) || known.is_some_and(|known| known.is_granted()));
        }
    }
}
