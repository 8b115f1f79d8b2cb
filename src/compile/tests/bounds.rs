//! Residency, retention and what policies say of figures.

use super::{mistakes::said_of, *};
use crate::{
    api::ChannelAdapterSpec,
    policy::{Residency as Bound, SkipReason, Verdict},
};

const CAPS: &str = "- {purposes: [marketing], atMost: 3, per: 7d}\n";

/// The shop with these rules in its policy, and these processors.
fn shop(rules: &str, processors: &[(&str, &str)]) -> Manifests {
    let mut manifests = changed(CAPS, &format!("{CAPS}  {rules}\n"));
    for (adapter, regions) in processors {
        let processor = serde_json::json!({"name": "Processor", "regions": regions.split(' ').collect::<Vec<_>>()});
        let spec: &mut ChannelAdapterSpec = manifests.adapters.get_mut(*adapter).unwrap();
        spec.processor = Some(serde_json::from_value(processor).unwrap());
    }
    manifests
}

fn warnings(manifests: &Manifests) -> Vec<(Code, String, String)> {
    let compiled = journey(manifests, "abandoned-cart").unwrap();
    let told = compiled.warnings.into_iter();
    told.map(|one| (one.code, one.path, one.message)).collect()
}

fn bound(manifests: &Manifests) -> Bound {
    program(manifests).policy.bounds.residency
}

const EU: &str = "residency: {regions: [eu-central-1, eu-west-1]}";

#[test]
fn a_journey_whose_processors_are_in_its_regions_sends() {
    let kept = shop(EU, &[("mail", "eu-central-1"), ("desk", "eu-west-1 eu-central-1")]);
    assert_eq!(warnings(&kept), []);
    assert!(bound(&kept).holds());
    assert_eq!(residency(&kept, "abandoned-cart").unwrap().breaches, []);
    assert!(bound(&read(SHOP)).holds(), "no policy names regions");
}

#[test]
fn a_processor_that_is_unknown_or_elsewhere_keeps_everything_from_being_sent() {
    let broken = shop(EU, &[("desk", "eu-west-1 us-east-1")]);
    let path = |at: usize| format!("spec.steps[{at}].send.touchpoint");
    assert_eq!(
        warnings(&broken),
        [
            (
                Code::ProcessorElsewhere,
                path(5),
                "nothing is sent: the processor of adapter 'desk' also works in us-east-1".to_owned()
            ),
            (
                Code::ProcessorUnknown,
                path(2),
                "nothing is sent: adapter 'mail' does not say who processes what it hands over, and where".to_owned()
            ),
        ]
    );
    let program = program(&broken);
    assert!(program.policy.bounds.residency.broken);
    let facts = crate::policy::Facts {
        consents: &Default::default(),
        contacts: &[],
        zone: None,
        holding: &Default::default(),
        suspended: false,
        held_out: false,
        has_address: true,
        address: None,
        suppressed: None,
        age: None,
    };
    let message = crate::policy::Message {
        touchpoint: "mail",
        purpose: "service",
        channel: "Email",
        expires_at: None,
    };
    let verdict = crate::policy::decide(&program.policy, &facts, &message, 0);
    assert_eq!(
        verdict,
        Verdict::Skip(SkipReason::Residency),
        "also by the adapter that is sound"
    );
}

#[test]
fn what_the_gateway_shows_and_what_is_only_logged_needs_no_processor() {
    let mut kept = shop(EU, &[("desk", "eu-west-1")]);
    let mail = kept.adapters.get_mut("mail").unwrap();
    *mail = serde_json::from_value(serde_json::json!({"log": {}})).unwrap();
    assert_eq!(residency(&kept, "abandoned-cart").unwrap().breaches, []);
}

#[test]
fn policies_of_a_namespace_need_a_region_in_common_whatever_they_select() {
    let mut apart = shop(EU, &[("mail", "eu-central-1"), ("desk", "eu-central-1")]);
    let mut other = apart.policies["shop"].clone();
    other.journey_selector = serde_json::from_value(serde_json::json!({"matchLabels": {"team": "nobody"}})).unwrap();
    other.residency = serde_json::from_value(serde_json::json!({"regions": ["us-east-1"]})).unwrap();
    apart.policies.insert("states".into(), other);
    assert_eq!(gateway_regions(&apart), Some(BTreeSet::new()));
    let told = warnings(&apart);
    assert_eq!(
        (told[0].0, told[0].2.as_str()),
        (
            Code::NoCommonRegion,
            "nothing is sent: the policies shop, states have no region in common"
        )
    );
    assert!(!bound(&apart).holds());
}

#[test]
fn a_gateway_marks_what_is_shown_by_the_revision_that_is_pinned() {
    let broken = shop(EU, &[]);
    let shown = policy(&settings(&broken), &pinned(&broken, "abandoned-cart"), "abandoned-cart").unwrap();
    assert_eq!(shown, program(&broken).policy);
    assert!(!shown.bounds.residency.holds());
    assert_eq!(policy_hash(&shown), policy_hash(&program(&broken).policy));
    assert_ne!(policy_hash(&shown), policy_hash(&program(&read(SHOP)).policy));
    assert_ne!(policies_hash(&broken), policies_hash(&read(SHOP)));
    assert_eq!(policies_hash(&broken), policies_hash(&settings(&broken)));
}

#[test]
fn one_hash_stands_for_journeys_that_are_alike() {
    assert_eq!(joint_hash([]), None);
    assert_eq!(joint_hash([("a", "x"), ("b", "x")]).as_deref(), Some("x"));
    let apart = joint_hash([("a", "x"), ("b", "y")]).unwrap();
    assert_ne!(Some(apart), joint_hash([("a", "y"), ("b", "x")]));
}

#[test]
fn data_is_kept_for_whole_days_and_contacts_as_long_as_caps_look_back() {
    for (rules, expected) in [
        (
            "{events: 180h}",
            "Value Error spec.retention.events: '180h' is not a number of whole days from 1d to 36500d; write it like 90d: what is old is looked for by the day",
        ),
        (
            "{messages: 99999d}",
            "Value Error spec.retention.messages: '99999d' is not a number of whole days from 1d to 36500d; write it like 90d: what is old is looked for by the day",
        ),
        (
            "{contacts: 6d}",
            "Value Error spec.retention.contacts: a cap of this policy looks back for longer than 6d; keep contacts for as long as the longest cap's per",
        ),
        (
            "{events: 2d}",
            "Value Warning spec.retention.events: an event that is sent again after 2d is taken for a new one; keep events for 7d or longer, or see to it that no sender repeats one later",
        ),
    ] {
        let manifests = shop(&format!("retention: {rules}"), &[]);
        assert_eq!(said_of("PrivacyPolicy", "shop", &manifests), [expected]);
    }
    let sound = shop(
        "retention: {events: 7d, contacts: 168h, messages: 1d, enrollments: 1d}",
        &[],
    );
    assert_eq!(said_of("PrivacyPolicy", "shop", &sound), [] as [&str; 0]);
}

#[test]
fn retention_is_the_namespaces_and_never_shorter_than_a_cap_of_any_policy() {
    let mut manifests = shop("retention: {contacts: 7d, messages: 30d}", &[]);
    let mut other = manifests.policies["shop"].clone();
    other.journey_selector = serde_json::from_value(serde_json::json!({"matchLabels": {"team": "nobody"}})).unwrap();
    other.retention = serde_json::from_value(serde_json::json!({"events": "10d", "messages": "60d"})).unwrap();
    other.caps[0].per = Some("30d".into());
    manifests.policies.insert("other".into(), other);
    let kept = retention(&manifests);
    assert_eq!(
        (kept.events, kept.messages, kept.contacts),
        (Some(10 * DAY), Some(30 * DAY), Some(30 * DAY))
    );
    assert_eq!(kept.enrollments, None);
    assert_eq!(
        said_of("PrivacyPolicy", "shop", &manifests),
        [
            "Value Warning spec.retention.contacts: a cap of PrivacyPolicy 'other' looks back for longer than 7d, so contacts are kept for it; \
          shorten that cap's per, or keep contacts for as long"
        ]
    );
}
