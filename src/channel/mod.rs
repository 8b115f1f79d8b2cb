//! The ways out: one file per channel behind one trait. Only the runner's dispatcher, holding a claim, calls [`Channel::hand_over`]
//! (and `send-test`, outside every count). Knows no store, no policy, no Kubernetes: secrets are files in a folder.

mod folder;
mod log;
mod mail;
mod open;
mod secrets;
mod smtp;
mod trust;
mod webhook;

pub use folder::Folder;
pub use open::{OpenError, Reads, open};
pub use secrets::{SecretError, Secrets};
pub use smtp::Smtp;
pub use trust::TrustError;

use crate::{engine::state::Properties, keys::MessageKey, personal::Personal};
use async_trait::async_trait;
use std::{collections::BTreeMap, time::Duration};

/// A message as it leaves, rendered.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The idempotency key: the same in every try.
    pub key: MessageKey,
    pub namespace: String,
    pub journey: String,
    pub touchpoint: String,
    pub purpose: String,
    /// The customer's own id, which webhooks carry.
    pub customer_id: Personal<String>,
    /// The address, where the channel needs one.
    pub to: Option<Personal<String>>,
    /// What the step gave to the content.
    pub with: Personal<Properties>,
    /// Rendered content by field.
    pub content: BTreeMap<String, Personal<String>>,
    /// Whether what the provider answers is asked for.
    pub wants_answer: bool,
    /// The address of the signed one-click unsubscribe page, for purposes whose basis is Consent (RFC 8058).
    pub unsubscribe: Option<Personal<String>>,
    /// It tells that this message, which stayed, does so no longer; everything else is as it was said. None: it is a message itself.
    pub ends: Option<MessageKey>,
}

impl Message {
    /// A field of the content as text.
    pub fn text(&self, field: &str) -> Option<String> {
        self.content.get(field).map(|text| text.expose().clone())
    }

    /// The content as JSON, for bodies.
    pub fn properties(&self) -> Properties {
        self.content
            .iter()
            .map(|(field, text)| (field.clone(), text.expose().as_str().into()))
            .collect()
    }
}

/// What the provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Sent,
    /// Sent, and this is the provider's answer, where the message wants it; null: it was none, or none that can be read.
    Answered(Personal<serde_json::Value>),
    /// Definitely not accepted, and never will be (bad address, 4xx/5xx for good); the reason has no personal data.
    Refused(String),
    /// Definitely not accepted now: connection refused, 4yz greeting, 429, 503; `after` is the provider's Retry-After.
    TryLater {
        reason: String,
        after: Option<Duration>,
    },
    /// It may or may not have been accepted: the connection broke after the body, a time-out while waiting for the answer.
    Unknown(String),
}

#[async_trait]
pub trait Channel: Send + Sync {
    /// Hands one message over, once. Bounded by the adapter's timeout; never panics, never retries by itself.
    async fn hand_over(&self, message: &Message) -> Reply;
    /// Whether a provider deduplicates by the key, so that an unknown outcome may be tried again: default of unknownOutcome.
    fn deduplicates(&self) -> bool;
    /// Whether a message without an address can be handed over.
    fn needs_address(&self) -> bool;
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A message with everything.
    pub(crate) fn message() -> Message {
        let text = |text: &str| Personal::new(text.to_owned());
        Message {
            key: MessageKey([7; 16]),
            namespace: "shop".into(),
            journey: "abandoned-cart".into(),
            touchpoint: "cart-reminder".into(),
            purpose: "marketing".into(),
            customer_id: "u1".to_owned().into(),
            to: Some("ada@example.com".to_owned().into()),
            with: Personal::default(),
            content: [
                ("subject", text("Your cart")),
                ("text", text("It waits.")),
                ("html", text("<p>It waits.</p>")),
            ]
            .into_iter()
            .map(|(field, value)| (field.to_owned(), value))
            .collect(),
            wants_answer: false,
            ends: None,
            unsubscribe: Some("http://127.0.0.1:8080/u/token".to_owned().into()),
        }
    }
}
