//! What changed about a customer's consent, and the events that tell journeys of it: `consent/granted`, `pending`, `paused` and `withdrawn`, each committed
//! with what it follows from. Pure.

use super::view::View;
use crate::{
    engine::state::Properties,
    keys::Keys,
    policy::{
        ConsentState,
        consent::{self, Subject},
    },
    store::{Arrival, Customer},
};
use std::collections::BTreeMap;

/// How consents stood before something was said of them: several rules and signals may speak of one, and what comes of all of them is told once.
#[derive(Default)]
pub struct Changes(BTreeMap<String, Option<ConsentState>>);

/// A change of consent.
pub struct Change {
    subject: String,
    state: ConsentState,
}

impl Changes {
    /// To be called before anything is said of the subject.
    pub fn watch(&mut self, customer: &Customer, subject: &str) {
        self.0
            .entry(subject.to_owned())
            .or_insert_with(|| state(customer, subject));
    }

    /// What is another than before. A no is news after a yes, or after one that was to be confirmed.
    pub fn made(self, customer: &Customer) -> Vec<Change> {
        let changed = self.0.into_iter().filter_map(|(subject, before)| {
            let after = state(customer, &subject)?;
            let is_pause = matches!(consent::subject(&subject), Subject::Pause(_));
            let is_news = before != Some(after) && (is_pause || !(is_no(before) && is_no(Some(after))));
            is_news.then_some(Change { subject, state: after })
        });
        changed.collect()
    }
}

/// As it holds: by one channel the purpose as a whole speaks, too.
fn state(customer: &Customer, subject: &str) -> Option<ConsentState> {
    let known = match consent::subject(subject) {
        Subject::ByChannel { purpose, channel } => consent::known_of(&customer.consents, purpose, channel),
        Subject::Purpose(_) | Subject::Journey(_) | Subject::Pause(_) | Subject::Platform(_) => {
            customer.consents.get(subject).copied()
        }
    };
    known.map(|known| known.state)
}

fn is_no(state: Option<ConsentState>) -> bool {
    matches!(state, None | Some(ConsentState::Denied | ConsentState::Withdrawn))
}

impl Change {
    /// The event that tells journeys; None: nobody listens for it, or it is none that is told.
    pub fn event(&self, view: &View, keys: &Keys, of: &Arrival) -> Option<Arrival> {
        let (purpose, channel, is_pause) = match consent::subject(&self.subject) {
            Subject::Purpose(purpose) => (purpose, None, false),
            Subject::ByChannel { purpose, channel } => (purpose, Some(channel), false),
            Subject::Pause(purpose) => (purpose, None, true),
            Subject::Journey(_) | Subject::Platform(_) => return None,
        };
        let name = match (is_pause, self.state) {
            (true, ConsentState::Granted | ConsentState::Pending) => return None,
            (true, ConsentState::Withdrawn | ConsentState::Denied) => "consent/paused",
            (false, ConsentState::Granted) => "consent/granted",
            (false, ConsentState::Pending) => "consent/pending",
            (false, ConsentState::Withdrawn | ConsentState::Denied) => "consent/withdrawn",
        };
        let listeners = view.listening(name);
        if listeners.is_empty() {
            return None;
        }
        let key: String = of.key.iter().map(|byte| format!("{byte:02x}")).collect();
        let id = format!("{key}/{}", self.subject);
        let event = keys.event(&view.intake.namespace, "consent", &id);
        let mut data = Properties::from_iter([("purpose".to_owned(), purpose.into())]);
        data.extend(channel.map(|channel| ("channel".to_owned(), channel.into())));
        Some(Arrival {
            data: data.into(),
            listeners,
            ..Arrival::of_known(event, id, name.to_owned(), of.customer, of.time)
        })
    }
}
