//! What is said of a definition. Pure.

use super::dereference::Facts;
use crate::{
    compile,
    operator::{
        condition::{self, Judged, Truth, Verdict, judge as sort, whole},
        reason::{Reason, Subject},
        unit::{Declared, Kind},
    },
};

pub fn judge<K: Declared>(facts: &Facts) -> Vec<Verdict> {
    if facts.snapshot.later_profiles.contains(&facts.name) && K::KIND == Kind::CustomerProfile {
        return later_profile(facts);
    }
    let Judged {
        accepted,
        resolved,
        compliant,
    } = sort(&compile::object(&facts.snapshot.manifests, &K::named(&facts.name)));
    let resolved = condition::lacking(resolved, &facts.secrets.missing);
    let mut parts = vec![accepted, resolved];
    match K::KIND {
        // Only what is said has a purpose that policies speak of.
        Kind::Touchpoint | Kind::Journey => parts.push(compliant),
        Kind::CustomerProfile | Kind::PrivacyPolicy | Kind::ChannelAdapter => {}
    }
    let gateway = facts.gateway_ready.map(|ready| {
        let truth = if ready { Truth::True } else { Truth::False };
        Verdict::new(
            Subject::Ready,
            truth,
            Reason::GatewayStarting,
            "the gateway's first pod is not ready yet",
        )
    });
    let ready = whole(
        &parts.iter().chain(&gateway).collect::<Vec<_>>(),
        Reason::Ready,
        "in use",
    );
    parts.extend(ready);
    parts
}

fn later_profile(facts: &Facts) -> Vec<Verdict> {
    let holds = facts
        .snapshot
        .manifests
        .profiles
        .keys()
        .next()
        .map_or("the older one", String::as_str);
    let message = format!(
        "a namespace has one CustomerProfile, and {holds} is older: move what is needed there and delete this one"
    );
    let accepted = Verdict::new(Subject::Accepted, Truth::False, Reason::DuplicateProfile, message);
    let mut verdicts = whole(&[&accepted], Reason::Ready, "");
    verdicts.insert(0, accepted);
    verdicts
}
