//! What policies hear of signals, and what answers mean.

use super::*;
use crate::consent::{OptOut, Rule, TcfRule};

const POLICIES: &str = "
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: ads}
spec:
  purposes:
  - {name: advertising, basis: Consent, signals: {categories: [Ads], tcf: {purposes: [1, 3], specialFeatures: [2], vendor: 755}, gpp: [Sale], gpc: true}}
  - {name: research, basis: LegitimateInterest, signals: {tcf: {purposes: [9]}}}
  - {name: delivery, basis: Contract}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: bound}
spec:
  purposes: [{name: advertising, basis: Consent}]
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: sms-received}
spec:
  channel: Sms
  inbound:
    event: sms.received
    customer: event.userId
    schema: {type: object, properties: {userId: {type: string}, body: {type: string}, keyword: {type: integer}}}
    reply: {text: event.body}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: one-line}
spec:
  channel: WhatsApp
  inbound: {event: one.line, customer: event.userId, schema: {type: object, properties: {text: {type: string}}}, reply: {text: event.text, purposes: [advertising]}}
";

#[test]
fn the_gateway_hears_what_each_policy_that_names_a_purpose_says() {
    let (intake, found) = intake(&read(POLICIES));
    assert_eq!(found, []);
    let advertising = Rule {
        categories: vec!["Ads".into()],
        tcf: Some(TcfRule {
            purposes: vec![1, 3],
            special_features: vec![2],
            vendor: Some(755),
            objection: false,
        }),
        opt_outs: [OptOut::Sale].into(),
        gpc: true,
    };
    assert_eq!(intake.signals["advertising"], [Some(advertising), None]);
    let research = intake.signals["research"][0].as_ref().unwrap();
    assert!(research.tcf.as_ref().unwrap().objection, "its basis is not Consent");
    assert!(!intake.signals.contains_key("delivery"));
    assert_eq!(intake.refusable, ["advertising", "research"].map(str::to_owned).into());
}

#[test]
fn an_answer_speaks_of_its_channel_and_of_what_can_be_refused() {
    let (intake, _) = intake(&read(POLICIES));
    let reply = intake.inbound["sms.received"].reply.as_ref().unwrap();
    assert_eq!((reply.channel.as_str(), &reply.purposes), ("Sms", &intake.refusable));
    let reply = intake.inbound["one.line"].reply.as_ref().unwrap();
    assert_eq!(reply.purposes, ["advertising".to_owned()].into());
}

#[test]
fn where_stop_is_understood_a_message_needs_no_link() {
    let told = |channel: &str, purposes: &str| {
        let text = format!(
            "{POLICIES}---\napiVersion: journey.dev/v1alpha1\nkind: ChannelAdapter\nmetadata: {{name: gate}}\nspec: {{webhook: {{url: \"https://sms.example\"}}}}\n\
             ---\napiVersion: journey.dev/v1alpha1\nkind: Touchpoint\nmetadata: {{name: offer}}\nspec:\n  channel: {channel}\n  \
             outbound: {{adapter: gate, purpose: {purposes}, content: {{text: New. STOP ends it}}}}"
        );
        super::mistakes::said_of("Touchpoint", "offer", &read(&text))
    };
    assert_eq!(told("Sms", "advertising"), [""; 0]);
    assert_eq!(told("WhatsApp", "advertising"), [""; 0]);
    assert!(told("Push", "advertising")[0].contains("tells no way to withdraw it"));
}

#[test]
fn journeys_read_which_word_it_was() {
    let journey = |when: &str| {
        let text = format!(
            "{POLICIES}---\napiVersion: journey.dev/v1alpha1\nkind: Journey\nmetadata: {{name: helped}}\nspec:\n  \
             entry: {{triggers: [{{event: sms-received, when: \"{when}\"}}]}}\n  steps: [{{name: done, exit: {{outcome: Completed}}}}]"
        );
        super::journey(&read(&text), "helped")
            .map(|_| ())
            .map_err(|found| found[0].message.clone())
    };
    assert_eq!(
        journey("event.keyword == 'Help'"),
        Ok(()),
        "whatever the schema has by that name"
    );
    assert!(journey("event.keyword == 'Halp'").unwrap_err().contains("Halp"));
}
