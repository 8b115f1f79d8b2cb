//! Signed addresses in messages: tracked links and the unsubscribe page. The runner makes them, the gateway reads them back.
//!
//! A token is the message's key and a MAC over the kind of link, the namespace, the message and, for a tracked link, the target: nobody
//! can make the gateway redirect to an address that no message held (no open redirect, CWE-601), nor turn one kind of link or one
//! namespace's link into another's. A token tells nobody who the customer is. Knows no store, no HTTP.

use crate::keys::{Keys, MessageKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::{Url, form_urlencoded};

/// Bytes of a message key, and of the MAC after it.
const PART: usize = 16;
/// Bytes of a target that a link carries: mail programs and proxies cut longer addresses.
const TARGET_LIMIT: usize = 2048;

/// What a link does; its word is part of what the MAC says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tracked,
    Unsubscribe,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Tracked => "journey.dev/link/tracked",
            Self::Unsubscribe => "journey.dev/link/unsubscribe",
        }
    }
}

/// The address that counts a click on `message` and then leads to `to`: `{public_url}/l/TOKEN?to=TARGET`. A target that is not an http or
/// https address (mailto:, tel:), or longer than 2,048 bytes, cannot be tracked and comes back as it is.
pub fn tracked(keys: &Keys, public_url: &str, namespace: &str, message: MessageKey, to: &str) -> String {
    if !is_web_address(to) {
        return to.to_owned();
    }
    let encoded: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
    let token = token(keys, Kind::Tracked, namespace, message, to);
    format!("{}/l/{token}?to={encoded}", public_url.trim_end_matches('/'))
}

/// The address of the page on which a customer withdraws the consent that `message` was sent by: `{public_url}/u/TOKEN`. A POST to it is
/// the one-click unsubscription of RFC 8058.
pub fn unsubscribe(keys: &Keys, public_url: &str, namespace: &str, message: MessageKey) -> String {
    let token = token(keys, Kind::Unsubscribe, namespace, message, "");
    format!("{}/u/{token}", public_url.trim_end_matches('/'))
}

/// The message that a tracked link stood in; None: forged, of another namespace or kind, or not a web address.
pub fn read_tracked(keys: &Keys, namespace: &str, token: &str, to: &str) -> Option<MessageKey> {
    is_web_address(to).then_some(())?;
    read(keys, Kind::Tracked, namespace, token, to)
}

/// The message that an unsubscribe link stood in; None: forged, or of another namespace or kind.
pub fn read_unsubscribe(keys: &Keys, namespace: &str, token: &str) -> Option<MessageKey> {
    read(keys, Kind::Unsubscribe, namespace, token, "")
}

fn token(keys: &Keys, kind: Kind, namespace: &str, message: MessageKey, to: &str) -> String {
    let mac = keys.sign(&claim(kind, namespace, message, to));
    URL_SAFE_NO_PAD.encode([message.0, mac].concat())
}

fn read(keys: &Keys, kind: Kind, namespace: &str, token: &str, to: &str) -> Option<MessageKey> {
    let bytes: [u8; 2 * PART] = URL_SAFE_NO_PAD.decode(token).ok()?.try_into().ok()?;
    let (message, mac) = bytes.split_first_chunk::<PART>()?;
    let message = MessageKey(*message);
    keys.signed(&claim(kind, namespace, message, to), mac).then_some(message)
}

/// What the MAC says, each part with its length so that no two claims read the same.
fn claim(kind: Kind, namespace: &str, message: MessageKey, to: &str) -> Vec<u8> {
    let mut said = Vec::new();
    for part in [kind.word().as_bytes(), namespace.as_bytes(), &message.0, to.as_bytes()] {
        said.extend_from_slice(&(part.len() as u64).to_be_bytes());
        said.extend_from_slice(part);
    }
    said
}

fn is_web_address(to: &str) -> bool {
    to.len() <= TARGET_LIMIT
        && Url::parse(to).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: MessageKey = MessageKey([7; 16]);
    const TARGET: &str = "https://shop.example/cart?a=1&b=ü#top";

    fn parts(link: &str) -> (String, Option<String>) {
        let url = Url::parse(link).unwrap();
        let token = url.path_segments().unwrap().next_back().unwrap().to_owned();
        (token, url.query_pairs().find(|(name, _)| name == "to").map(|(_, to)| to.into_owned()))
    }

    #[test]
    fn a_tracked_link_leads_back_to_its_message_and_target() {
        let keys = Keys::ephemeral();
        let link = tracked(&keys, "https://events.shop.example/", "shop", MESSAGE, TARGET);
        assert!(link.starts_with("https://events.shop.example/l/"));
        let (token, to) = parts(&link);
        assert_eq!(to.as_deref(), Some(TARGET));
        assert_eq!(read_tracked(&keys, "shop", &token, TARGET), Some(MESSAGE));
    }

    #[test]
    fn another_target_is_refused_so_that_there_is_no_open_redirect() {
        let keys = Keys::ephemeral();
        let (token, _) = parts(&tracked(&keys, "https://e.example", "shop", MESSAGE, TARGET));
        assert_eq!(read_tracked(&keys, "shop", &token, "https://evil.example/"), None);
        assert_eq!(read_tracked(&keys, "shop", &token, ""), None);
    }

    #[test]
    fn forged_and_altered_tokens_are_refused() {
        let keys = Keys::ephemeral();
        let (token, _) = parts(&unsubscribe(&keys, "https://e.example", "shop", MESSAGE));
        assert_eq!(read_unsubscribe(&keys, "shop", &token), Some(MESSAGE));
        assert_eq!(read_unsubscribe(&Keys::ephemeral(), "shop", &token), None);
        for at in 0..2 * PART {
            let mut bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            bytes[at] ^= 1;
            assert_eq!(read_unsubscribe(&keys, "shop", &URL_SAFE_NO_PAD.encode(bytes)), None);
        }
        for token in ["", "x", "%00", &token[1..], &format!("{token}AA"), &"A".repeat(100_000)] {
            assert_eq!(read_unsubscribe(&keys, "shop", token), None);
        }
    }

    #[test]
    fn a_token_of_another_namespace_or_kind_is_refused() {
        let keys = Keys::ephemeral();
        let (click, _) = parts(&tracked(&keys, "https://e.example", "shop", MESSAGE, TARGET));
        let (leave, _) = parts(&unsubscribe(&keys, "https://e.example", "shop", MESSAGE));
        assert_eq!(read_tracked(&keys, "other", &click, TARGET), None);
        assert_eq!(read_unsubscribe(&keys, "other", &leave), None);
        assert_eq!(read_unsubscribe(&keys, "shop", &click), None);
        assert_eq!(read_tracked(&keys, "shop", &leave, TARGET), None);
    }

    #[test]
    fn only_web_addresses_are_tracked() {
        let keys = Keys::ephemeral();
        for to in ["mailto:help@shop.example", "javascript:alert(1)", "tel:+491234", "/relative", "data:text/html,x"] {
            assert_eq!(tracked(&keys, "https://e.example", "shop", MESSAGE, to), to);
            let token = token(&keys, Kind::Tracked, "shop", MESSAGE, to);
            assert_eq!(read_tracked(&keys, "shop", &token, to), None);
        }
    }
}
