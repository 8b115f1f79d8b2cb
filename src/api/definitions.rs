//! The five CustomResourceDefinitions as they are installed. Made of the types of this room; `journey crds` prints them,
//! crds/ and the chart carry them.

use super::{ChannelAdapter, CustomerProfile, Journey, PrivacyPolicy, Touchpoint};
use kube::CustomResourceExt;
use serde_json::{Value, json};

/// The five CRDs as they are installed, by plural name.
pub fn crds() -> Vec<(&'static str, Value)> {
    vec![
        ("journeys", finished::<Journey>()),
        ("touchpoints", finished::<Touchpoint>()),
        ("channeladapters", finished::<ChannelAdapter>()),
        ("customerprofiles", finished::<CustomerProfile>()),
        ("privacypolicies", finished::<PrivacyPolicy>()),
    ]
}

/// The files that carry the CRDs: name and YAML, one for each kind.
pub fn crd_files() -> Vec<(String, String)> {
    let text = |crd: &Value| serde_saphyr::to_string(crd).expect("JSON is YAML");
    let file = |(plural, crd)| (format!("{plural}.yaml"), format!("{GENERATED}{}", text(&crd)));
    crds().into_iter().map(file).collect()
}

const GENERATED: &str = "# Made by `journey crds` from src/api; change it there.\n";

fn finished<K: CustomResourceExt>() -> Value {
    let mut crd = serde_json::to_value(K::crd()).expect("a CRD has string keys only, so it is JSON");
    tidy(&mut crd["spec"]["versions"]);
    // kstatus takes an object without status for Current: say "not seen yet" until the operator speaks, as Flux does.
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["default"] =
        json!({"observedGeneration": -1});
    crd
}

/// kube keeps `null` in the enum of an Option (`nullable` says it already, and null would show in every message) and the
/// line ends of doc comments, which `kubectl explain` would wrap once more.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::Array(values)) = fields.get_mut("enum") {
                values.retain(|value| !value.is_null())
            }
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace('\n', " ");
            }
            fields.values_mut().for_each(tidy)
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `on(path, schema)` for every field below `schema`.
    fn each_field(schema: &Value, path: &str, on: &mut impl FnMut(&str, &Value)) {
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{name}");
            on(&path, field);
            each_field(field, &path, on);
        }
        for below in ["items", "additionalProperties"] {
            if schema[below].is_object() {
                each_field(&schema[below], &format!("{path}[]"), on);
            }
        }
    }

    #[test]
    fn kubectl_explain_has_a_word_on_every_field() {
        let mut silent = vec![];
        let mut fields = 0;
        for (plural, crd) in crds() {
            let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            for part in ["spec", "status"] {
                each_field(
                    &schema["properties"][part],
                    &format!("{plural}.{part}"),
                    &mut |path, field| {
                        fields += 1;
                        if field["description"].as_str().is_none_or(|d| d.len() < 8) {
                            silent.push(path.to_owned());
                        }
                    },
                );
            }
        }
        assert!(silent.is_empty(), "fields without a doc comment: {silent:#?}");
        assert!(fields > 150, "only {fields} fields were looked at");
    }

    #[test]
    fn every_crd_stays_far_below_what_a_client_may_apply() {
        for (plural, crd) in crds() {
            let size = crd.to_string().len();
            assert!(
                size < 100_000,
                "{plural}: {size} bytes; a client-side apply fails above 262144"
            );
        }
    }

    #[test]
    fn an_object_that_was_never_looked_at_says_so() {
        for (plural, crd) in crds() {
            let status = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
            assert_eq!(status["default"], json!({"observedGeneration": -1}), "{plural}");
        }
    }
}
