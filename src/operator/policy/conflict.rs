//! Where policies take from each other. Of several the strictest holds, so nobody gets more by it; but what one of them says is not what happens,
//! and whoever wrote it should know. Pure.

use crate::{
    api::PrivacyPolicySpec,
    compile::{self, Manifests},
    operator::{
        condition::{Truth, Verdict},
        reason::{Reason, Subject},
    },
};
use std::collections::BTreeSet;

/// Conflicts that one message lists; the others are counted.
const LISTED: usize = 5;

/// What is said of the policy `name` beside the others that select one of its journeys.
pub fn verdict(manifests: &Manifests, name: &str) -> Verdict {
    let found = conflicts(manifests, name);
    let Some((first, _)) = found.first() else {
        return Verdict::new(
            Subject::Conflicted,
            Truth::False,
            Reason::NoConflict,
            "no other policy takes from what it says",
        );
    };
    let mut lines: Vec<&str> = found.iter().take(LISTED).map(|(_, line)| line.as_str()).collect();
    let more = format!("and {} more", found.len().saturating_sub(LISTED));
    if found.len() > LISTED {
        lines.push(&more);
    }
    Verdict::new(Subject::Conflicted, Truth::True, first.reason(), lines.join("\n"))
}

/// By weight: the first gives the reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Conflict {
    Regions,
    Basis,
    Purpose,
}

impl Conflict {
    fn reason(self) -> Reason {
        match self {
            Self::Regions => Reason::NoCommonRegion,
            Self::Basis => Reason::BasesDiffer,
            Self::Purpose => Reason::PurposeCancelled,
        }
    }
}

/// Each once, whichever journeys show it.
fn conflicts(manifests: &Manifests, name: &str) -> BTreeSet<(Conflict, String)> {
    let mut found = BTreeSet::new();
    let Some(policy) = manifests.policies.get(name) else {
        return found;
    };
    let mut beside = BTreeSet::new();
    for journey in manifests.journeys.values() {
        let those: Vec<&str> = compile::selecting(manifests, journey).map(|(name, _)| name).collect();
        if those.contains(&name) {
            beside.extend(those.into_iter().filter(|other| *other != name));
        }
    }
    for other in beside {
        if let Some(spec) = manifests.policies.get(other) {
            purposes(&mut found, policy, other, spec);
        }
    }
    // Not only of those that select the same journeys: the gateway is for all.
    if policy.residency.is_some() && compile::gateway_regions(manifests).is_some_and(|regions| regions.is_empty()) {
        let naming = manifests
            .policies
            .iter()
            .filter(|(_, policy)| policy.residency.is_some());
        let names: Vec<&str> = naming.map(|(name, _)| name.as_str()).collect();
        let line = format!(
            "residency.regions: {} name no region together: nothing is sent",
            names.join(", ")
        );
        found.insert((Conflict::Regions, line));
    }
    found
}

fn purposes(
    found: &mut BTreeSet<(Conflict, String)>,
    policy: &PrivacyPolicySpec,
    other: &str,
    spec: &PrivacyPolicySpec,
) {
    for purpose in &policy.purposes {
        match spec.purposes.iter().find(|theirs| theirs.name == purpose.name) {
            None => {
                let line = format!(
                    "purposes: '{}' is cancelled for journeys that {other} selects too, which does not name it",
                    purpose.name
                );
                found.insert((Conflict::Purpose, line));
            }
            Some(theirs) if theirs.basis != purpose.basis => {
                let line = format!(
                    "purposes: the basis of '{}' is {:?} here and {:?} in {other}; for journeys of both the stricter holds",
                    purpose.name, purpose.basis, theirs.basis
                );
                found.insert((Conflict::Basis, line));
            }
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifests(policies: &str) -> Manifests {
        let journey = |name: &str, team: &str| {
            format!(
                "apiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {{name: {name}, labels: {{team: {team}}}}}\n\
                 spec: {{entry: {{triggers: [{{event: seen}}]}}, steps: [{{name: wait, wait: {{for: 1d}}}}]}}\n---\n"
            )
        };
        let mut manifests = Manifests::default();
        let text = format!("{}{}{policies}", journey("cart", "shop"), journey("desk", "service"));
        manifests.read(&text, "test.yaml").unwrap();
        manifests
    }

    fn policy(name: &str, team: &str, rest: &str) -> String {
        format!(
            "apiVersion: journey.dev/v1alpha1\nkind: PrivacyPolicy\nmetadata: {{name: {name}}}\n\
             spec: {{journeySelector: {{matchLabels: {{team: {team}}}}}, {rest}}}\n---\n"
        )
    }

    fn said(policies: &[String]) -> (Truth, Reason, String) {
        let Verdict {
            truth, reason, message, ..
        } = verdict(&manifests(&policies.concat()), "shop");
        (truth, reason, message)
    }

    #[test]
    fn policies_that_agree_or_select_other_journeys_are_no_conflict() {
        let marketing = "purposes: [{name: marketing, basis: Consent}]";
        let alone = said(&[policy("shop", "shop", marketing)]);
        assert_eq!((alone.0, alone.1), (Truth::False, Reason::NoConflict));
        assert_eq!(
            said(&[policy("shop", "shop", marketing), policy("same", "shop", marketing)]).0,
            Truth::False
        );
        let service = "purposes: [{name: service, basis: Contract}]";
        assert_eq!(
            said(&[policy("shop", "shop", marketing), policy("desk", "service", service)]).0,
            Truth::False
        );
    }

    #[test]
    fn a_purpose_that_another_does_not_name_is_cancelled_and_another_basis_is_told() {
        let (truth, reason, message) = said(&[
            policy(
                "shop",
                "shop",
                "purposes: [{name: marketing, basis: Consent}, {name: service, basis: Contract}]",
            ),
            policy("strict", "shop", "purposes: [{name: service, basis: Consent}]"),
        ]);
        assert_eq!((truth, reason), (Truth::True, Reason::BasesDiffer));
        assert_eq!(
            message,
            "purposes: the basis of 'service' is Contract here and Consent in strict; for journeys of both the stricter holds\n\
             purposes: 'marketing' is cancelled for journeys that strict selects too, which does not name it"
        );
    }

    #[test]
    fn regions_must_meet_in_the_whole_namespace() {
        let of = |region: &str| format!("purposes: [{{name: a, basis: Contract}}], residency: {{regions: [{region}]}}");
        let (truth, reason, message) = said(&[
            policy("shop", "shop", &of("eu-1")),
            policy("desk", "service", &of("us-1")),
        ]);
        assert_eq!((truth, reason), (Truth::True, Reason::NoCommonRegion));
        assert_eq!(
            message,
            "residency.regions: desk, shop name no region together: nothing is sent"
        );
        assert_eq!(
            said(&[
                policy("shop", "shop", &of("eu-1")),
                policy("desk", "service", &of("eu-1"))
            ])
            .0,
            Truth::False
        );
    }
}
