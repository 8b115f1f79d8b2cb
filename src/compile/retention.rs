//! How long the policies of a namespace let data be kept, and whether what still needs it is kept long enough.

use super::{Code, Manifests, report::Report};
use crate::{
    api::{PrivacyPolicySpec, privacy_policy::Cap, text::Span},
    clock::{DAY, Micros},
    policy::{Retention, merge},
};

/// The longest span that is taken: a hundred years.
const LONGEST: Micros = 36_500 * DAY;
/// How long senders repeat an event at least: message brokers and webhooks do so for days.
const REPEATED: Micros = 7 * DAY;

/// What all policies of a namespace say together of how long its data is kept: it is shared by journeys, so all count, whichever they select.
/// What caps count is kept as long as any cap of the namespace looks back, whatever the policies say: else a cap would let more through.
pub fn retention(manifests: &Manifests) -> Retention {
    let all: Vec<&PrivacyPolicySpec> = manifests.policies.values().collect();
    let mut kept = merge(&all).bounds.retention;
    let needed = all.iter().filter_map(|policy| longest_cap(policy)).max();
    kept.contacts = kept.contacts.map(|kept| kept.max(needed.unwrap_or(0)));
    kept
}

fn longest_cap(policy: &PrivacyPolicySpec) -> Option<Micros> {
    let looks_back = |cap: &Cap| {
        let sliding = cap.per.as_ref().map(Span::micros);
        // A calendar day may have 25 hours; contacts are kept by whole days.
        sliding.max(cap.per_day.as_ref().map(|_| 2 * DAY))
    };
    policy.caps.iter().filter_map(looks_back).max()
}

/// What is wrong with the retention of one policy.
pub fn check(report: &mut Report, manifests: &Manifests, spec: &PrivacyPolicySpec) {
    let Some(retention) = &spec.retention else { return };
    let crate::api::retention::Retention {
        events,
        enrollments,
        messages,
        contacts,
    } = retention;
    let spans = [
        ("events", events),
        ("enrollments", enrollments),
        ("messages", messages),
        ("contacts", contacts),
    ];
    for (name, span) in spans {
        let Some(span) = span else { continue };
        let length = span.micros();
        if length % DAY != 0 || !(DAY..=LONGEST).contains(&length) {
            report.error(
                Code::RetentionNotDays,
                format!("spec.retention.{name}"),
                format!("'{span}' is not a number of whole days from 1d to 36500d"),
                "write it like 90d: what is old is looked for by the day".to_owned(),
            );
        }
    }
    if let Some(events) = events
        .as_ref()
        .filter(|events| (DAY..REPEATED).contains(&events.micros()))
    {
        report.warning(
            Code::RepetitionsForgotten,
            "spec.retention.events",
            format!("an event that is sent again after {events} is taken for a new one"),
            "keep events for 7d or longer, or see to it that no sender repeats one later".to_owned(),
        );
    }
    if let Some(contacts) = contacts {
        caps(report, manifests, spec, contacts);
    }
}

fn caps(report: &mut Report, manifests: &Manifests, spec: &PrivacyPolicySpec, contacts: &Span) {
    let longer = |policy: &PrivacyPolicySpec| longest_cap(policy).is_some_and(|cap| cap > contacts.micros());
    if longer(spec) {
        report.error(
            Code::ContactsForgotten,
            "spec.retention.contacts",
            format!("a cap of this policy looks back for longer than {contacts}"),
            "keep contacts for as long as the longest cap's per".to_owned(),
        );
        return;
    }
    if let Some((name, _)) = manifests.policies.iter().find(|(_, policy)| longer(policy)) {
        report.warning(
            Code::ContactsKeptForCaps,
            "spec.retention.contacts",
            format!(
                "a cap of PrivacyPolicy '{name}' looks back for longer than {contacts}, so contacts are kept for it"
            ),
            "shorten that cap's per, or keep contacts for as long".to_owned(),
        );
    }
}
