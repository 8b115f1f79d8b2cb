//! Columns with personal data: JSON, sealed, and bound to table and primary key, so that a column moved to another row does not open.

use crate::{
    engine::state::{Properties, blank},
    keys::{CustomerKey, Keys},
    personal::Personal,
    store::{Customer, Result, StoreError, Unreadable, UnreadableRow},
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

/// Table and key of a row.
pub(super) struct Place<'a> {
    pub(super) table: &'static str,
    pub(super) key: &'a [&'a [u8]],
}

impl Place<'_> {
    fn context(&self) -> Vec<u8> {
        let mut context = self.table.as_bytes().to_vec();
        for part in self.key {
            context.extend_from_slice(&(part.len() as u64).to_be_bytes());
            context.extend_from_slice(part);
        }
        context
    }
}

pub(super) fn seal<T: Serialize>(keys: &Keys, place: &Place<'_>, value: &T) -> Result<Vec<u8>> {
    let plain = serde_json::to_vec(value).map_err(|_| odd(place))?;
    Ok(keys.seal(&place.context(), &plain))
}

pub(super) fn open<T: DeserializeOwned>(keys: &Keys, place: &Place<'_>, sealed: &[u8]) -> Result<T> {
    let plain = keys
        .open(&place.context(), sealed)
        .map_err(|error| unreadable(place, format!("{}: {error}", place.table)))?;
    serde_json::from_slice(&plain).map_err(|_| odd(place))
}

/// Whether it was sealed with these keys.
pub(super) fn decrypts(keys: &Keys, place: &Place<'_>, sealed: &[u8]) -> bool {
    keys.open(&place.context(), sealed).is_ok()
}

/// Without the parser's words: they may quote the value.
fn odd(place: &Place<'_>) -> StoreError {
    let what = format!(
        "a sealed column of table {} is not what this version writes",
        place.table
    );
    unreadable(place, what)
}

fn unreadable(place: &Place<'_>, what: String) -> StoreError {
    StoreError::Unreadable(Unreadable {
        what,
        row: Some(UnreadableRow {
            table: place.table,
            key: place.key.iter().map(|part| part.to_vec()).collect(),
        }),
    })
}

/// What the column of a customer says.
#[derive(Serialize, Deserialize)]
pub(super) struct SealedCustomer {
    pub(super) id: Personal<String>,
    #[serde(default, skip_serializing_if = "blank")]
    pub(super) anonymous: bool,
    #[serde(default, skip_serializing_if = "blank")]
    pub(super) attributes: Personal<Properties>,
}

impl SealedCustomer {
    /// Without consents, which have rows of their own.
    pub(super) fn customer(self, key: CustomerKey) -> Customer {
        Customer {
            key,
            id: self.id,
            anonymous: self.anonymous,
            attributes: self.attributes,
            consents: BTreeMap::new(),
        }
    }
}

pub(super) fn customer<'a>(key: &'a [&'a [u8]; 2]) -> Place<'a> {
    Place { table: "customer", key }
}

pub(super) fn customer_key(bytes: &[u8]) -> Result<CustomerKey> {
    sixteen(bytes).map(CustomerKey)
}

pub(super) fn sixteen(bytes: &[u8]) -> Result<[u8; 16]> {
    bytes
        .try_into()
        .map_err(|_| StoreError::Unreadable("a key has not 16 bytes".into()))
}

/// PostgreSQL keeps no NUL in text; what others wrote may hold one.
pub(super) fn text(said: &str) -> String {
    said.replace('\0', "\u{fffd}")
}
