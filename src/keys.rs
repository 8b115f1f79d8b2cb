//! The two secrets of a namespace and what is made with them: sealed columns, pseudonyms of customers, signed links.
//!
//! `seal` encrypts columns with personal data (AES-256-GCM, RFC 5116) and derives pseudonyms; `mac` signs links. Knows no store and no
//! Kubernetes: the operator derives a namespace's keys from its master keys and mounts them as files.

pub use crate::address::AddressKey;
use crate::address::{self, Kind};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hmac,
    rand::{SecureRandom, SystemRandom},
};
use serde::{Deserialize, Serialize};
use std::{fmt, path::Path};

/// Bytes of a secret key.
pub const KEY_LEN: usize = 32;
/// First byte of a sealed column: how it was sealed, so that a later way can stand beside it.
const SEALED_V1: u8 = 1;

/// The kind of identifier of which nobody knows whose it is: a browser's or a device's own.
pub const ANONYMOUS: &str = "anonymousId";

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(
        "key file {path} cannot be read ({why}); mount the Secret journey-store or give --keys DIR with the files seal and mac"
    )]
    Unreadable { path: String, why: std::io::ErrorKind },
    #[error("key {name}: must be {KEY_LEN} bytes in base64; make one with: head -c {KEY_LEN} /dev/urandom | base64")]
    Malformed { name: &'static str },
    #[error("a sealed column does not open: it was sealed with another key, or it was altered")]
    DoesNotOpen,
}

/// Who a customer is in the store and in logs: a keyed hash of namespace, kind and value of the identifier. Not personal data by itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CustomerKey(pub [u8; 16]);

impl CustomerKey {
    /// Shards that the customers of a journey are divided into; a runner leases shards.
    pub const SHARDS: u8 = 64;

    /// The shard of this customer, 0 to 63; the same in every journey.
    pub fn shard(&self) -> u8 {
        self.0[0] % Self::SHARDS
    }
}

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// What a channel deduplicates by: SHA-256 of (namespace, journey, customer, enrollment, step, occurrence), 16 bytes of it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageKey(pub [u8; 16]);

impl MessageKey {
    pub fn of(
        namespace: &str,
        journey: &str,
        customer: CustomerKey,
        enrollment: i64,
        step: &str,
        occurrence: u32,
    ) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        for part in [
            namespace.as_bytes(),
            journey.as_bytes(),
            &customer.0,
            &enrollment.to_be_bytes(),
            step.as_bytes(),
        ] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update(&occurrence.to_be_bytes());
        Self(first_16(hash.finish().as_ref()))
    }
}

impl MessageKey {
    /// The key by which the end of this message is told.
    pub fn of_end(self) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.0);
        hash.update(b"end");
        Self(first_16(hash.finish().as_ref()))
    }

    /// As it is written: 32 hexadecimal digits.
    pub fn read(text: &str) -> Option<Self> {
        let digits = text.len() == 32 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(text, 16).ok().filter(|_| digits)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Debug for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Display for MessageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

/// The keys of one namespace.
#[derive(Clone)]
pub struct Keys {
    seal: LessSafeKey,
    pseudonym: hmac::Key,
    mac: hmac::Key,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(•••)")
    }
}

impl Keys {
    pub fn new(seal: &[u8; KEY_LEN], mac: &[u8; KEY_LEN]) -> Self {
        let unbound = UnboundKey::new(&AES_256_GCM, seal).expect("AES-256-GCM takes exactly 32 bytes");
        let pseudonym = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, seal), b"journey.dev/pseudonym");
        Self {
            seal: LessSafeKey::new(unbound),
            pseudonym: hmac::Key::new(hmac::HMAC_SHA256, pseudonym.as_ref()),
            mac: hmac::Key::new(hmac::HMAC_SHA256, mac),
        }
    }

    /// Reads the files `seal` and `mac` of a folder, each 32 bytes in base64.
    pub fn read(folder: &Path) -> Result<Self, KeyError> {
        let key = |name: &'static str| {
            let path = folder.join(name);
            let text = std::fs::read_to_string(&path).map_err(|error| KeyError::Unreadable {
                path: path.display().to_string(),
                why: error.kind(),
            })?;
            decode(&text).ok_or(KeyError::Malformed { name })
        };
        Ok(Self::new(&key("seal")?, &key("mac")?))
    }

    /// Fresh random keys, for `journey dev` and tests: what they sealed is lost with the process.
    pub fn ephemeral() -> Self {
        Self::new(&random_key(), &random_key())
    }

    /// Encrypts a column; `context` (table and key of the row) is bound to it, so that a column moved to another row does not open.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = random();
        let mut out = Vec::with_capacity(1 + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        let mut body = plain.to_vec();
        self.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut body)
            .expect("a column is far below the 64 GiB that AES-GCM takes");
        out.push(SEALED_V1);
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&body);
        out
    }

    /// Decrypts what [`Keys::seal`] made with the same context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (head, body) = sealed.split_at_checked(1 + NONCE_LEN).ok_or(KeyError::DoesNotOpen)?;
        if head[0] != SEALED_V1 {
            return Err(KeyError::DoesNotOpen);
        }
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| KeyError::DoesNotOpen)?;
        let mut body = body.to_vec();
        let plain = self
            .seal
            .open_in_place(nonce, Aad::from(context), &mut body)
            .map_err(|_| KeyError::DoesNotOpen)?
            .len();
        body.truncate(plain);
        Ok(body)
    }

    /// The pseudonym of a customer: `kind` is userId, anonymousId or another that a touchpoint names.
    pub fn customer(&self, namespace: &str, kind: &str, value: &str) -> CustomerKey {
        CustomerKey(first_16(self.pseudonym_of(&[namespace, kind, value]).as_ref()))
    }

    /// A keyed hash of an event's id within its source: what duplicates are found by.
    pub fn event(&self, namespace: &str, source: &str, id: &str) -> [u8; 16] {
        first_16(self.pseudonym_of(&["event", namespace, source, id]).as_ref())
    }

    /// What an address is known by in the namespace, however it is written.
    pub fn address(&self, namespace: &str, address: &str) -> AddressKey {
        let (kind, form) = address::normalised(address);
        let tag = match kind {
            Kind::Mailbox => "mailbox",
            Kind::Telephone => "telephone",
            Kind::Other => "other",
        };
        let key = first_16(self.pseudonym_of(&["address", namespace, tag, &form]).as_ref());
        AddressKey::of_kind(key, kind)
    }

    fn pseudonym_of(&self, parts: &[&str]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.pseudonym);
        for part in parts {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        context.sign()
    }

    /// Signs what a link says, 16 bytes of HMAC-SHA-256.
    pub fn sign(&self, what: &[u8]) -> [u8; 16] {
        first_16(hmac::sign(&self.mac, what).as_ref())
    }

    /// Whether `signature` was made by [`Keys::sign`]; takes the same time whatever differs.
    #[must_use]
    pub fn signed(&self, what: &[u8], signature: &[u8]) -> bool {
        let made = self.sign(what);
        signature.len() == made.len() && made.iter().zip(signature).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// A namespace's key, derived from the operator's master key: losing a namespace loses no key.
pub fn derive(master: &[u8; KEY_LEN], namespace: &str) -> [u8; KEY_LEN] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, master), namespace.as_bytes());
    let mut key = [0; KEY_LEN];
    key.copy_from_slice(tag.as_ref());
    key
}

pub fn random_key() -> [u8; KEY_LEN] {
    random()
}

pub fn encode(key: &[u8; KEY_LEN]) -> String {
    STANDARD.encode(key)
}

pub fn decode(text: &str) -> Option<[u8; KEY_LEN]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the system has random numbers");
    bytes
}

fn first_16(bytes: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&bytes[..16]);
    out
}

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_column_opens_only_in_its_own_row_and_unaltered() {
        let keys = Keys::ephemeral();
        let mut sealed = keys.seal(b"customer/1", b"ada@example.com");
        assert_eq!(keys.open(b"customer/1", &sealed).unwrap(), b"ada@example.com");
        assert!(keys.open(b"customer/2", &sealed).is_err());
        assert!(Keys::ephemeral().open(b"customer/1", &sealed).is_err());
        *sealed.last_mut().unwrap() ^= 1;
        assert!(keys.open(b"customer/1", &sealed).is_err());
    }

    #[test]
    fn a_forged_signature_is_refused() {
        let keys = Keys::ephemeral();
        let signature = keys.sign(b"unsubscribe");
        assert!(keys.signed(b"unsubscribe", &signature));
        assert!(!keys.signed(b"subscribe", &signature));
        assert!(!keys.signed(b"unsubscribe", &signature[..15]));
    }

    #[test]
    fn an_address_is_known_by_one_key_in_its_namespace_however_it_is_written() {
        let keys = Keys::ephemeral();
        let ada = keys.address("shop", "ada@shop.example");
        assert_eq!(keys.address("shop", "Ada+news@SHOP.example"), ada);
        assert_ne!(keys.address("other", "ada@shop.example"), ada);
        assert_ne!(Keys::ephemeral().address("shop", "ada@shop.example"), ada);
        assert!(ada.is_of_kind_of(keys.address("shop", "bob@shop.example")));
        assert!(!ada.is_of_kind_of(keys.address("shop", "+43123456789")));
        assert!(!ada.is_of_kind_of(keys.address("shop", "token")));
    }

    #[test]
    fn the_parts_of_an_identifier_do_not_run_into_each_other() {
        let keys = Keys::ephemeral();
        assert_ne!(
            keys.customer("shop", "userId", "1"),
            keys.customer("sho", "puserId", "1")
        );
        assert_eq!(
            keys.customer("shop", "userId", "1"),
            keys.customer("shop", "userId", "1")
        );
    }
}
