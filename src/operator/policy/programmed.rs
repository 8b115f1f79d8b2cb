//! Whether everybody runs by a policy: what they say is compared with what is declared. Pure.

use super::dereference::{Facts, Seen};
use crate::{
    compile,
    operator::{
        condition::{Truth, Verdict},
        reason::{Reason, Subject},
    },
};

/// Journeys that one message names.
const NAMED: usize = 5;

pub fn verdict(facts: &Facts) -> Verdict {
    let say = |truth, reason, message: String| Verdict::new(Subject::Programmed, truth, reason, message);
    let seen = match &facts.seen {
        Ok(seen) => seen,
        Err(why) => {
            let message = format!("{why}; it is asked again, and what runs goes on by what it knows");
            return say(Truth::Unknown, Reason::StoreUnavailable, message);
        }
    };
    if facts.governed.is_empty() {
        return say(
            Truth::True,
            Reason::NoJourneys,
            "it selects no journey: nobody has to run by it".into(),
        );
    }
    if !gateways(facts, seen) {
        let message = "a gateway of the namespace does not run by the present policies yet";
        return say(Truth::False, Reason::NotAcknowledged, message.into());
    }
    let behind: Vec<&str> = facts
        .governed
        .iter()
        .filter(|(journey, hash)| !runners(facts, seen, journey, hash))
        .map(|(journey, _)| journey.as_str())
        .collect();
    if behind.is_empty() {
        let message = "every runner and gateway of its journeys runs by the present policies";
        return say(Truth::True, Reason::Programmed, message.into());
    }
    let more = if behind.len() > NAMED { ", and others" } else { "" };
    let named = behind[..behind.len().min(NAMED)].join(", ");
    let message = format!("runners do not run by the present policies yet: {named}{more}");
    say(Truth::False, Reason::NotAcknowledged, message)
}

/// Every gateway that is registered answers by the policies of now, and every one that is ready is registered.
fn gateways(facts: &Facts, seen: &Seen) -> bool {
    let all = compile::policies_hash(&facts.snapshot.manifests);
    let said = &seen.running.gateways;
    (said.is_empty() || seen.stored.all == all)
        && said.iter().all(|said| said.as_deref() == Some(all.as_str()))
        && said.len() >= facts.ready_gateways
}

/// The same of a journey's runners. One that never was in the store is run by nobody.
fn runners(facts: &Facts, seen: &Seen, journey: &str, hash: &str) -> bool {
    let Some(stored) = seen.stored.journeys.get(journey) else {
        return true;
    };
    let said = seen.running.runners.get(journey).map_or(&[][..], Vec::as_slice);
    let ready = facts.ready_runners.get(journey).copied().unwrap_or(0);
    stored == hash && said.iter().all(|said| said.as_deref() == Some(hash)) && said.len() >= ready
}

#[cfg(test)]
mod tests {
    use super::{super::dereference::Hashes, *};
    use crate::{operator::cache::Snapshot, store::Running};
    use std::{collections::BTreeMap, sync::Arc};

    fn facts(stored: &[(&str, &str)], runners: &[(&str, &[Option<&str>])], gateways: &[Option<&str>]) -> Facts {
        let text = |text: &str| text.to_owned();
        let told = |all: &[Option<&str>]| all.iter().map(|one| one.map(text)).collect::<Vec<_>>();
        let snapshot = Snapshot::default();
        let all = compile::policies_hash(&snapshot.manifests);
        let seen = Seen {
            stored: Arc::new(Hashes {
                all: all.clone(),
                journeys: stored
                    .iter()
                    .map(|(journey, hash)| (text(journey), text(hash)))
                    .collect(),
                ..Hashes::default()
            }),
            running: Running {
                runners: runners
                    .iter()
                    .map(|(journey, all)| (text(journey), told(all)))
                    .collect(),
                gateways: told(gateways)
                    .into_iter()
                    .map(|one| one.map(|one| if one == "now" { all.clone() } else { one }))
                    .collect(),
            },
            ran: None,
        };
        Facts {
            name: "shop".into(),
            snapshot: Arc::new(snapshot),
            governed: BTreeMap::from([("cart".to_owned(), "new".to_owned())]),
            seen: Ok(seen),
            ready_runners: BTreeMap::new(),
            ready_gateways: 0,
        }
    }

    fn said(facts: &Facts) -> (Truth, Reason) {
        let verdict = verdict(facts);
        (verdict.truth, verdict.reason)
    }

    const YES: (Truth, Reason) = (Truth::True, Reason::Programmed);
    const NO: (Truth, Reason) = (Truth::False, Reason::NotAcknowledged);

    #[test]
    fn every_runner_must_say_that_it_runs_by_it() {
        let stored = [("cart", "new")];
        assert_eq!(
            said(&facts(&stored, &[("cart", &[Some("new"), Some("new")])], &[])),
            YES
        );
        assert_eq!(said(&facts(&stored, &[("cart", &[Some("new"), Some("old")])], &[])), NO);
        assert_eq!(
            said(&facts(&stored, &[("cart", &[Some("new"), None])], &[])),
            NO,
            "one of the version before"
        );
        assert_eq!(
            said(&facts(&[("cart", "old")], &[("cart", &[Some("old")])], &[])),
            NO,
            "not in the store yet"
        );
        assert_eq!(
            said(&facts(&stored, &[("desk", &[Some("old")])], &[])),
            YES,
            "not governed"
        );
        assert_eq!(said(&facts(&stored, &[], &[])), YES, "nobody runs");
        assert_eq!(said(&facts(&[], &[], &[])), YES, "nothing ever ran");
    }

    #[test]
    fn one_that_is_ready_and_has_not_said_anything_counts() {
        let mut one = facts(&[("cart", "new")], &[("cart", &[Some("new")])], &[Some("now")]);
        one.ready_runners.insert("cart".into(), 2);
        assert_eq!(said(&one), NO);
        one.ready_runners.insert("cart".into(), 1);
        assert_eq!(said(&one), YES);
        one.ready_gateways = 2;
        assert_eq!(said(&one), NO);
        assert_eq!(said(&facts(&[("cart", "new")], &[], &[Some("now"), Some("old")])), NO);
    }

    #[test]
    fn a_store_that_is_away_is_no_answer_and_no_journey_needs_none() {
        let mut one = facts(&[], &[], &[]);
        one.governed.clear();
        assert_eq!(said(&one), (Truth::True, Reason::NoJourneys));
        one.seen = Err("away".into());
        assert_eq!(said(&one), (Truth::Unknown, Reason::StoreUnavailable));
    }
}
