//! What consent platforms say of their categories, in the contexts of calls: Segment's `context.consent`
//! (<https://segment.com/docs/privacy/consent-management/consent-in-segment-connections/>) and RudderStack's `context.consentManagement`
//! (<https://www.rudderstack.com/docs/data-governance/consent-management/passing-consent/>).

use super::Malformed;
use serde_json::Value;
use std::collections::BTreeMap;

/// Categories of one context, and bytes of a category's name.
const MOST: usize = 512;
const LONGEST: usize = 512;

/// By category whether it is allowed. A category that is named as allowed and as denied is denied; an object that says nothing of categories
/// gives none.
pub fn categories(told: &Value) -> Result<BTreeMap<String, bool>, Malformed> {
    let told = told.as_object().ok_or(Malformed::Categories)?;
    let mut all = BTreeMap::new();
    let mut hear = |category: &str, allowed: bool| {
        if category.len() > LONGEST || all.len() >= MOST {
            return Err(Malformed::Long);
        }
        let known = all.entry(category.to_owned()).or_insert(allowed);
        *known &= allowed;
        Ok(())
    };
    match present(told.get("categoryPreferences")) {
        None => {}
        Some(Value::Object(preferences)) => {
            for (category, allowed) in preferences {
                hear(category, allowed.as_bool().ok_or(Malformed::Categories)?)?;
            }
        }
        Some(_) => return Err(Malformed::Categories),
    }
    for (member, allowed) in [("allowedConsentIds", true), ("deniedConsentIds", false)] {
        match present(told.get(member)) {
            None => {}
            Some(Value::Array(ids)) => {
                for id in ids {
                    hear(id.as_str().ok_or(Malformed::Categories)?, allowed)?;
                }
            }
            Some(_) => return Err(Malformed::Categories),
        }
    }
    Ok(all)
}

/// Null is missing.
fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(told: Value) -> Result<Vec<(String, bool)>, Malformed> {
        categories(&told).map(|all| all.into_iter().collect())
    }

    /// The object of Segment's documentation, "Consent object".
    #[test]
    fn segments_preferences_are_read() {
        let told = json!({"categoryPreferences": {"Advertising": true, "Analytics": false, "Functional": true, "DataSharing": false}});
        let all = categories(&told).unwrap();
        let allowed: Vec<_> = all
            .iter()
            .filter(|(_, allowed)| **allowed)
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!((allowed, all.len()), (vec!["Advertising", "Functional"], 4));
    }

    /// The object of RudderStack's documentation, "Add the consent object to event payloads".
    #[test]
    fn rudderstacks_ids_are_read_and_a_no_beats_a_yes() {
        let told = json!({"allowedConsentIds": ["C0001", "C0002"], "deniedConsentIds": ["C0003", "C0002"], "provider": "oneTrust",
            "resolutionStrategy": "and"});
        let expected = [("C0001", true), ("C0002", false), ("C0003", false)];
        assert_eq!(
            read(told).unwrap(),
            expected.map(|(id, allowed)| (id.to_owned(), allowed))
        );
    }

    #[test]
    fn what_says_nothing_gives_none_and_what_is_malformed_is_told() {
        for empty in [
            json!({}),
            json!({"categoryPreferences": {}}),
            json!({"categoryPreferences": null}),
            json!({"provider": "ketch"}),
        ] {
            assert_eq!(read(empty), Ok(vec![]));
        }
        for bad in [
            json!(true),
            json!({"categoryPreferences": ["Advertising"]}),
            json!({"categoryPreferences": {"Advertising": "yes"}}),
            json!({"deniedConsentIds": "C0001"}),
            json!({"allowedConsentIds": [7]}),
        ] {
            assert_eq!(read(bad.clone()), Err(Malformed::Categories), "{bad}");
        }
        let many: serde_json::Map<String, Value> = (0..1_000).map(|n| (n.to_string(), json!(true))).collect();
        assert_eq!(read(json!({"categoryPreferences": many})), Err(Malformed::Long));
    }
}
