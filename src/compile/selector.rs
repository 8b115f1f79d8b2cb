//! Which journeys a policy holds for.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeMap;

/// As Kubernetes matches labels; no selector, or an empty one: every journey. An operator there is none of matches nothing.
pub fn selects(selector: Option<&LabelSelector>, labels: &BTreeMap<String, String>) -> bool {
    let Some(LabelSelector {
        match_labels,
        match_expressions,
    }) = selector
    else {
        return true;
    };
    let equal = match_labels
        .iter()
        .flatten()
        .all(|(name, value)| labels.get(name) == Some(value));
    let holds = match_expressions.iter().flatten().all(|rule| {
        let value = labels.get(&rule.key);
        let among = || value.is_some_and(|value| rule.values.iter().flatten().any(|one| one == value));
        match rule.operator.as_str() {
            "In" => among(),
            "NotIn" => !among(),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => false,
        }
    });
    equal && holds
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_policy_selects_journeys_by_their_labels() {
        let labels = BTreeMap::from([("team".to_owned(), "growth".to_owned())]);
        for (selector, holds) in [
            (json!({}), true),
            (json!({"matchLabels": {"team": "growth"}}), true),
            (json!({"matchLabels": {"team": "service"}}), false),
            (json!({"matchLabels": {"team": "growth", "stage": "x"}}), false),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "In", "values": ["growth", "x"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["growth"]}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "stage", "operator": "NotIn", "values": ["x"]}]}),
                true,
            ),
            (
                json!({"matchExpressions": [{"key": "stage", "operator": "Exists"}]}),
                false,
            ),
            (
                json!({"matchExpressions": [{"key": "stage", "operator": "DoesNotExist"}]}),
                true,
            ),
        ] {
            let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
            assert_eq!(selects(Some(&parsed), &labels), holds, "{selector}");
        }
        assert!(selects(None, &labels));
    }
}
