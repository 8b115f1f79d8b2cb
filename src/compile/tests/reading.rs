//! YAML as kubectl reads it.

use super::*;

fn errors(text: &str) -> Vec<String> {
    let mut manifests = Manifests::default();
    manifests
        .read(text, "f.yaml")
        .err()
        .into_iter()
        .flatten()
        .map(|error| error.to_string())
        .collect()
}

fn touchpoint(spec: &str) -> String {
    format!("apiVersion: journey.dev/v1alpha1\nkind: Touchpoint\nmetadata: {{name: t}}\nspec:\n{spec}")
}

#[test]
fn objects_of_others_and_empty_documents_are_passed_over() {
    let text = format!(
        "# a comment\n---\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData: {{a: yes}}\n--- \n{SHOP}"
    );
    assert_eq!(read(&text), read(SHOP));
    assert_eq!(read("").journeys.len(), 0);
}

#[test]
fn what_kubectl_would_refuse_or_read_otherwise_is_refused_in_words() {
    let inbound = "  channel: Web\n  inbound:\n    event: e\n    customer: event.userId\n";
    for (text, expected) in [
        ("a: b\n".to_owned(), "f.yaml:1: apiVersion and kind are missing: this is no Kubernetes object"),
        ("apiVersion: journey.dev/v1\nkind: Journey\n".into(), "f.yaml:1: apiVersion journey.dev/v1 is not known; write journey.dev/v1alpha1"),
        ("apiVersion: journey.dev/v1alpha1\nkind: Journy\nmetadata: {name: a}\nspec: {}\n".into(), "f.yaml:2: there is no kind Journy; did you mean Journey?"),
        ("apiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {}\n".into(), "f.yaml:3: this Journey has no metadata.name"),
        (touchpoint(&format!("{inbound}    schema: {{type: object, properties: {{a: {{type: string, enum: [a, no]}}}}}}\n")),
            "f.yaml:9: spec.inbound.schema.properties.a.enum[1]: kubectl reads an unquoted no as false; quote it"),
        (touchpoint(&format!("{inbound}    attributes: {{on: 1}}\n")), "f.yaml:9: kubectl reads the key on as true; quote it, or choose another name"),
        (touchpoint(&format!("{inbound}    attributes:\n      n: 1\n")), "f.yaml:10: kubectl reads the key n as false; quote it, or choose another name"),
        ("apiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {name: j}\nspec:\n  entry:\n    triggers:\n    - event: e\n      when: !customer.vip\n  steps: [{name: a, exit: {outcome: Completed}}]\n".into(),
            "f.yaml:8: YAML takes !customer.vip for a tag and loses it: put the expression in quotes"),
        (touchpoint("  channel: Email\n  outbound: {adapter: a, purpose: p, survey: {questions: [{name: why, kind: Text, ask: Why?}]}}\n"),
            "f.yaml:6: kubectl does not read Why? within braces or brackets: quote it"),
        (touchpoint(&format!("{inbound}    attributes: {{mood: 10_000.5}}\n")), "f.yaml:9: kubectl reads an unquoted 10_000.5 as a number; quote it"),
        (touchpoint("  chanel: Web\n  inbound: {event: e, customer: event.userId}\n"), "f.yaml:5: Touchpoint t: spec.chan"),
        (touchpoint("  channel: Web\n  inbound: {event: e, customer: event.userId}\n  channel: Web\n"), "f.yaml:7: "),
        (touchpoint("  channel: [Web\n"), "f.yaml:"),
        (touchpoint("  channel: Email\n  outbound: {adapter: a, purpose: p, content: {a: b}, timeToLive: 12}\n"), "f.yaml:6: Touchpoint t: spec.outbound.timeToLive: "),
        (touchpoint("  channel: Email\n  outbound:\n    adapter: Mail\n    purpose: p\n    content: {a: b}\n"), "f.yaml:7: Touchpoint t: spec.outbound.adapter: "),
        (format!("{}---\n{}", touchpoint(inbound), touchpoint(inbound)), "f.yaml:12: Touchpoint t is given twice"),
    ] {
        let errors = errors(&text);
        assert!(errors.iter().any(|error| error.starts_with(expected)), "{text}\n{errors:#?}");
    }
}

#[test]
fn words_that_are_quoted_or_mean_a_boolean_are_taken() {
    let inbound = "  channel: Web\n  inbound:\n    event: \"on\"\n    customer: event.userId\n    schema: {type: object, properties: {a: {type: boolean, default: true}, b: {enum: ['yes', \"no\"]}}}\n";
    assert_eq!(errors(&touchpoint(inbound)), [] as [&str; 0]);
    let survey = "  channel: Email\n  outbound:\n    adapter: a\n    purpose: p\n    survey:\n      questions: # which?\n      - {name: why, kind: Text, ask: \"Why?\"}\n      - name: what\n        kind: Text\n        ask: What now, {friend}?\n    timeToLive: 12h # {why?}\n";
    assert_eq!(errors(&touchpoint(survey)), [] as [&str; 0]);
}

#[test]
fn a_bomb_of_aliases_does_not_go_off() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        text += &format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", "));
    }
    assert_eq!(errors(&text).len(), 1);
}
