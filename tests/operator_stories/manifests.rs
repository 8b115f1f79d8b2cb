//! The smallest namespace that runs: a profile, a policy, an adapter, one touchpoint in, one out, a journey.

use serde_json::{Value, json};

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "journey.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

pub fn profile(name: &str) -> Value {
    object(
        "CustomerProfile",
        name,
        json!({"attributes": {"email": {"type": "string", "personal": true}, "orders": {"type": "integer", "default": 0}}}),
    )
}

pub fn policy() -> Value {
    object(
        "PrivacyPolicy",
        "shop",
        json!({"purposes": [{"name": "service", "basis": "Contract", "attributes": ["email", "orders"]}]}),
    )
}

/// The same with further rules.
pub fn policy_with(rules: Value) -> Value {
    let mut policy = policy();
    let rules = rules.as_object().cloned().unwrap_or_default();
    if let Some(spec) = policy["spec"].as_object_mut() {
        spec.extend(rules);
    }
    policy
}

pub fn log() -> Value {
    object("ChannelAdapter", "log", json!({"log": {}}))
}

pub fn mail() -> Value {
    let smtp = json!({"host": "smtp.example", "from": "Shop <hello@shop.example>", "credentials": {"secretRef": {"name": "mail-login"}}});
    object("ChannelAdapter", "mail", json!({"smtp": smtp}))
}

pub fn web() -> Value {
    object(
        "ChannelAdapter",
        "web",
        json!({"http": {"auth": {"secretRef": {"name": "web-key", "key": "key"}}, "publicUrl": "https://events.shop.example"}}),
    )
}

pub fn signed_up() -> Value {
    let schema = json!({"type": "object", "required": ["userId"], "properties": {"userId": {"type": "string"}}});
    object(
        "Touchpoint",
        "signed-up",
        json!({"channel": "Web", "inbound": {"event": "signed.up", "customer": "event.userId", "schema": schema}}),
    )
}

/// Says `text` by `adapter`; with a subject, for mail.
pub fn hello(adapter: &str, text: &str) -> Value {
    let content = json!({"subject": "Hello", "text": text});
    object(
        "Touchpoint",
        "hello",
        json!({"channel": "Email", "outbound": {"adapter": adapter, "purpose": "service", "to": "${customer.email}", "content": content}}),
    )
}

/// Sends `hello` to whoever signs up, `when`.
pub fn welcome(when: &str) -> Value {
    let spec = json!({
        "entry": {"triggers": [{"event": "signed-up", "when": when}]},
        "steps": [{"name": "say-hello", "send": {"touchpoint": "hello"}}, {"name": "rest", "wait": {"for": "1h"}}],
    });
    object("Journey", "welcome", spec)
}

/// All that is needed, by the log.
pub fn everything() -> Vec<Value> {
    vec![
        profile("shop"),
        policy(),
        log(),
        signed_up(),
        hello("log", "Hello, you"),
        welcome("customer.orders == 0"),
    ]
}

/// The same without the objects of that kind and name.
pub fn everything_but(name: &str) -> Vec<Value> {
    everything()
        .into_iter()
        .filter(|manifest| manifest["metadata"]["name"] != name)
        .collect()
}
