//! Messages that stay: what a slot shows, what a webhook keeps until it is told to end it.

use super::Customer;
use crate::{
    clock::Micros,
    engine::state::Properties,
    keys::{CustomerKey, MessageKey},
    personal::Personal,
    policy::Consent,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A message that stays until its time is over, its enrollment has ended, or consent has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    pub key: MessageKey,
    pub customer: CustomerKey,
    pub enrollment: i64,
    pub revision: String,
    pub step: String,
    pub occurrence: u32,
    pub touchpoint: String,
    pub purpose: String,
    /// The touchpoint's; empty where it was placed before this was kept.
    #[serde(default)]
    pub channel: String,
    /// The adapter that carries it.
    pub adapter: String,
    /// Where the gateway shows it; None: a webhook keeps it.
    pub slot: Option<String>,
    /// 0 to 100, as of when it was decided.
    pub priority: u8,
    /// When it was decided.
    pub at: Micros,
    /// It is with its channel, and not known to stay.
    pub pending: bool,
    /// None: until its enrollment ends.
    pub until: Option<Micros>,
    /// When it is to be looked at again. The store brings it forward where consent changes.
    pub due_at: Micros,
    /// Where it went, as the end must name it.
    pub to: Option<Personal<String>>,
    pub with: Personal<Properties>,
    pub content: BTreeMap<String, Personal<String>>,
}

/// The telling of an end: what the channel gets when a message stays no longer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// The message that ends.
    pub message: MessageKey,
    pub purpose: String,
    pub adapter: String,
    pub to: Option<Personal<String>>,
    pub content: BTreeMap<String, Personal<String>>,
}

/// What a slot holds for a customer, as of one instant, and what their consent is.
#[derive(Debug, Clone, PartialEq)]
pub struct InSlot {
    pub consents: BTreeMap<String, Consent>,
    /// With the journey; without those that the customer dismissed.
    pub placed: Vec<(String, Placed)>,
}

/// Whether what a known customer agreed to has changed: then what stays is looked at again.
pub fn consents_changed(before: Option<&Customer>, after: &Customer) -> bool {
    before.is_some_and(|before| before.consents != after.consents)
}
