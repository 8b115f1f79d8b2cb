//! Every right that the operator uses, and no other: the chart's roles are these lists, and a test keeps them so.

use k8s_openapi::api::rbac::v1::PolicyRule;

/// What is done in each namespace with journeys.
pub fn watched() -> Vec<PolicyRule> {
    let kinds = [
        "journeys",
        "touchpoints",
        "channeladapters",
        "privacypolicies",
        "customerprofiles",
    ];
    let statuses = kinds.map(|kind| format!("{kind}/status"));
    let made = ["list", "watch", "create", "patch", "delete"];
    vec![
        rule("journey.dev", &kinds, &[], &["list", "watch"]),
        // Finalizers.
        rule("journey.dev", &["journeys"], &[], &["patch"]),
        rule("journey.dev", &statuses.each_ref().map(String::as_str), &[], &["patch"]),
        // Where owner references are checked: a runner blocks the deletion of its journey.
        rule(
            "journey.dev",
            &["journeys/finalizers", "channeladapters/finalizers"],
            &[],
            &["update"],
        ),
        rule("apps", &["deployments"], &[], &made),
        rule("", &["services"], &[], &made),
        // Texts that messages include: watched by their metadata, and those that touchpoints name are read.
        rule("", &["configmaps"], &[], &["list", "watch", "get"]),
        rule("policy", &["poddisruptionbudgets"], &[], &made),
        // Whether a Secret is there, by its name: never listed, never watched. Only journey-store is changed.
        rule("", &["secrets"], &[], &["get", "create"]),
        rule("", &["secrets"], &[super::pod::STORE_SECRET], &["patch", "delete"]),
        rule("events.k8s.io", &["events"], &[], &["create", "patch"]),
    ]
}

/// What is done in the operator's own namespace besides: the Lease, and the master keys, which are made once.
pub fn own(master_keys: &str) -> Vec<PolicyRule> {
    vec![
        rule("coordination.k8s.io", &["leases"], &[], &["create"]),
        rule("coordination.k8s.io", &["leases"], &[super::LEASE], &["get", "update"]),
        rule("", &["secrets"], &[], &["create"]),
        rule("", &["secrets"], &[master_keys], &["get"]),
    ]
}

fn rule(group: &str, resources: &[&str], names: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    PolicyRule {
        api_groups: Some(vec![group.to_owned()]),
        resources: Some(owned(resources)),
        resource_names: (!names.is_empty()).then(|| owned(names)),
        verbs: owned(verbs),
        non_resource_urls: None,
    }
}

/// The rules as the chart takes them in: YAML, one rule a line (JSON is YAML).
pub fn print(rules: &[PolicyRule]) -> String {
    let line = |rule: &PolicyRule| format!("- {}\n", serde_json::to_string(rule).unwrap_or_default());
    rules.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/journey-operator/files");

    /// `JOURNEY_UPDATE=1 cargo test` writes the files anew.
    #[test]
    fn the_chart_grants_exactly_what_the_operator_uses() {
        // The chart puts the name of the Secret in.
        for (file, rules) in [("rbac.yaml", watched()), ("rbac-own.yaml", own("MASTER-KEYS"))] {
            let (path, text) = (format!("{CHART}/{file}"), print(&rules));
            if std::env::var_os("JOURNEY_UPDATE").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            assert_eq!(
                std::fs::read_to_string(&path).unwrap_or_default(),
                text,
                "JOURNEY_UPDATE=1 cargo test writes {file} anew"
            );
        }
    }

    #[test]
    fn no_right_is_a_wildcard_and_secrets_are_never_listed() {
        for rule in watched().iter().chain(&own("journey-keys")) {
            let words = rule
                .verbs
                .iter()
                .chain(rule.resources.iter().flatten())
                .chain(rule.api_groups.iter().flatten());
            assert!(words.into_iter().all(|word| word != "*"), "{rule:?}");
            let secrets = rule.resources.iter().flatten().any(|resource| resource == "secrets");
            assert!(
                !secrets || !rule.verbs.iter().any(|verb| verb == "list" || verb == "watch"),
                "{rule:?}"
            );
        }
    }
}
