//! The ways out: one file per channel behind one trait. Only the runner's dispatcher, holding a claim, calls [`Channel::hand_over`]
//! (and `send-test`, outside every count). Knows no store, no policy, no Kubernetes: secrets are files in a folder.

use crate::{keys::MessageKey, personal::Personal};
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
    /// Rendered content by field.
    pub content: BTreeMap<String, Personal<Rendered>>,
    /// The address of the signed one-click unsubscribe page, for purposes whose basis is Consent (RFC 8058).
    pub unsubscribe: Option<Personal<String>>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Rendered {
    Text(String),
    Number(i64),
}

/// What the provider said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Sent,
    /// Definitely not accepted, and never will be (bad address, 4xx/5xx for good); the reason has no personal data.
    Refused(String),
    /// Definitely not accepted now: connection refused, 4yz greeting, 429, 503; `after` is the provider's Retry-After.
    TryLater { reason: String, after: Option<Duration> },
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
