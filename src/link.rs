//! Signed addresses in messages: tracked links and the unsubscribe page. The runner makes them, the gateway reads them back.
//!
//! A token is what the link is about and a MAC over that, the kind of link and the namespace: nobody can make the gateway redirect to an
//! address that no message held (no open redirect, CWE-601), nor turn one kind of link or one namespace's link into another's. A tracked
//! link is about a message and its target; the click on it is news for the message's journey only. An unsubscribe link is about a customer
//! and a purpose, and has both in it: it works for good, also when the message and its journey have long been deleted. A token tells nobody
//! who the customer is: it has the pseudonym, never the identifier. Knows no store, no HTTP.

use crate::{
    clock::Micros,
    keys::{AddressKey, CustomerKey, Keys, MessageKey},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use url::{Url, form_urlencoded};

/// Bytes of a message key, of a customer key, and of a MAC.
const PART: usize = 16;
/// Bytes of a token, more than any purpose's name needs: longer ones are not looked into.
const TOKEN_LIMIT: usize = 512;
/// Bytes of a target that a link carries: mail programs and proxies cut longer addresses.
const TARGET_LIMIT: usize = 2048;

/// The address that counts a click on `message` and then leads to `to`: `{public_url}/l/TOKEN?to=TARGET`. A target that is not an http or
/// https address (mailto:, tel:), or longer than 2,048 bytes, cannot be tracked and comes back as it is.
pub fn tracked(keys: &Keys, public_url: &str, namespace: &str, message: MessageKey, to: &str) -> String {
    if !is_web_address(to) {
        return to.to_owned();
    }
    let encoded: String = form_urlencoded::byte_serialize(to.as_bytes()).collect();
    let token = tracked_token(keys, namespace, message, to);
    format!("{}/l/{token}?to={encoded}", public_url.trim_end_matches('/'))
}

fn tracked_token(keys: &Keys, namespace: &str, message: MessageKey, to: &str) -> String {
    let mac = keys.sign(&tracked_claim(namespace, message, to));
    URL_SAFE_NO_PAD.encode([message.0, mac].concat())
}

/// Whose consent to what an unsubscribe link withdraws, and the message that it stood in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    pub message: MessageKey,
    pub customer: CustomerKey,
    pub purpose: String,
}

/// The address of the page on which a customer withdraws a consent: `{public_url}/u/TOKEN`. A POST to it is the one-click unsubscription
/// of RFC 8058.
pub fn unsubscribe(keys: &Keys, public_url: &str, namespace: &str, leave: &Leave) -> String {
    let says = [&leave.message.0, &leave.customer.0, leave.purpose.as_bytes()].concat();
    page(keys, public_url, 'u', says, &leave_claim(namespace, leave))
}

/// The address of a page whose token says this, and is signed for this claim.
fn page(keys: &Keys, public_url: &str, kind: char, mut says: Vec<u8>, claim: &[u8]) -> String {
    says.extend(keys.sign(claim));
    let token = URL_SAFE_NO_PAD.encode(says);
    format!("{}/{kind}/{token}", public_url.trim_end_matches('/'))
}

/// A survey that a message asked for answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub message: MessageKey,
    pub touchpoint: String,
}

/// The address of the page on which a customer answers a survey: `{public_url}/s/TOKEN`.
pub fn survey(keys: &Keys, public_url: &str, namespace: &str, asked: &Asked) -> String {
    let says = [&asked.message.0, asked.touchpoint.as_bytes()].concat();
    page(keys, public_url, 's', says, &survey_claim(namespace, asked))
}

/// What a link asks; None: forged, or of another namespace or kind.
pub fn read_survey(keys: &Keys, namespace: &str, token: &str) -> Option<Asked> {
    let bytes = decode(token)?;
    let (message, rest) = bytes.split_first_chunk::<PART>()?;
    let (touchpoint, mac) = rest.split_last_chunk::<PART>()?;
    let asked = Asked {
        message: MessageKey(*message),
        touchpoint: std::str::from_utf8(touchpoint).ok()?.to_owned(),
    };
    keys.signed(&survey_claim(namespace, &asked), mac).then_some(asked)
}

/// A journey that a customer may leave or join, and the message that the link stood in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    pub message: MessageKey,
    pub customer: CustomerKey,
    pub journey: String,
    /// Joins it; else leaves it.
    pub joins: bool,
}

/// The address of the page on which a customer leaves or joins a journey: `{public_url}/c/TOKEN`.
pub fn choice(keys: &Keys, public_url: &str, namespace: &str, chosen: &Chosen) -> String {
    let Chosen {
        message,
        customer,
        journey,
        joins,
    } = chosen;
    let says = [
        &message.0,
        &customer.0,
        [u8::from(*joins)].as_slice(),
        journey.as_bytes(),
    ]
    .concat();
    page(keys, public_url, 'c', says, &choice_claim(namespace, chosen))
}

/// What a link lets its customer choose; None: forged, or of another namespace or kind.
pub fn read_choice(keys: &Keys, namespace: &str, token: &str) -> Option<Chosen> {
    let bytes = decode(token)?;
    let (message, rest) = bytes.split_first_chunk::<PART>()?;
    let (customer, rest) = rest.split_first_chunk::<PART>()?;
    let (joins, rest) = rest.split_first()?;
    let (journey, mac) = rest.split_last_chunk::<PART>()?;
    let chosen = Chosen {
        message: MessageKey(*message),
        customer: CustomerKey(*customer),
        journey: std::str::from_utf8(journey).ok()?.to_owned(),
        joins: *joins == 1,
    };
    keys.signed(&choice_claim(namespace, &chosen), mac).then_some(chosen)
}

/// A consent to be confirmed: by the link in a message of this touchpoint to this address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirm {
    pub customer: CustomerKey,
    pub address: AddressKey,
    /// When the link was made: what is said later it does not confirm.
    pub made: Micros,
    pub touchpoint: String,
}

/// The address of the page on which a customer confirms a consent (double opt-in): `{public_url}/k/TOKEN`.
pub fn confirm(keys: &Keys, public_url: &str, namespace: &str, confirm: &Confirm) -> String {
    let made = confirm.made.to_be_bytes();
    let says = [
        confirm.customer.0.as_slice(),
        &confirm.address.0,
        &made,
        confirm.touchpoint.as_bytes(),
    ];
    page(keys, public_url, 'k', says.concat(), &confirm_claim(namespace, confirm))
}

/// What a link confirms; None: forged, or of another namespace or kind.
pub fn read_confirm(keys: &Keys, namespace: &str, token: &str) -> Option<Confirm> {
    let bytes = decode(token)?;
    let (customer, rest) = bytes.split_first_chunk::<PART>()?;
    let (address, rest) = rest.split_first_chunk::<PART>()?;
    let (made, rest) = rest.split_first_chunk::<8>()?;
    let (touchpoint, mac) = rest.split_last_chunk::<PART>()?;
    let confirm = Confirm {
        customer: CustomerKey(*customer),
        address: AddressKey(*address),
        made: Micros::from_be_bytes(*made),
        touchpoint: std::str::from_utf8(touchpoint).ok()?.to_owned(),
    };
    keys.signed(&confirm_claim(namespace, &confirm), mac).then_some(confirm)
}

/// The address of a customer's preference centre: `{public_url}/p/TOKEN`. Like an unsubscribe link it works for good.
pub fn preferences(keys: &Keys, public_url: &str, namespace: &str, customer: CustomerKey) -> String {
    let claim = preferences_claim(namespace, customer);
    page(keys, public_url, 'p', customer.0.to_vec(), &claim)
}

/// Whose preference centre it is; None: forged, or of another namespace or kind.
pub fn read_preferences(keys: &Keys, namespace: &str, token: &str) -> Option<CustomerKey> {
    let bytes: [u8; 2 * PART] = decode(token)?.try_into().ok()?;
    let (customer, mac) = bytes.split_first_chunk::<PART>()?;
    let customer = CustomerKey(*customer);
    keys.signed(&preferences_claim(namespace, customer), mac)
        .then_some(customer)
}

/// The message that a tracked link stood in; None: forged, of another namespace or kind, or not a web address.
pub fn read_tracked(keys: &Keys, namespace: &str, token: &str, to: &str) -> Option<MessageKey> {
    is_web_address(to).then_some(())?;
    let bytes: [u8; 2 * PART] = decode(token)?.try_into().ok()?;
    let (message, mac) = bytes.split_first_chunk::<PART>()?;
    let message = MessageKey(*message);
    keys.signed(&tracked_claim(namespace, message, to), mac)
        .then_some(message)
}

/// What an unsubscribe link withdraws; None: forged, or of another namespace or kind.
pub fn read_unsubscribe(keys: &Keys, namespace: &str, token: &str) -> Option<Leave> {
    let bytes = decode(token)?;
    let (message, rest) = bytes.split_first_chunk::<PART>()?;
    let (customer, rest) = rest.split_first_chunk::<PART>()?;
    let (purpose, mac) = rest.split_last_chunk::<PART>()?;
    let leave = Leave {
        message: MessageKey(*message),
        customer: CustomerKey(*customer),
        purpose: std::str::from_utf8(purpose).ok()?.to_owned(),
    };
    keys.signed(&leave_claim(namespace, &leave), mac).then_some(leave)
}

/// The same page in the customer's language.
pub fn in_language(page: &str, locale: Option<&str>) -> String {
    match locale.map(|locale| form_urlencoded::byte_serialize(locale.as_bytes()).collect::<String>()) {
        Some(locale) => format!("{page}?lang={locale}"),
        None => page.to_owned(),
    }
}

/// Lets whoever shows it tell what became of one message in a slot.
pub fn placed(keys: &Keys, namespace: &str, message: MessageKey) -> String {
    let mac = keys.sign(&placed_claim(namespace, message));
    URL_SAFE_NO_PAD.encode([message.0, mac].concat())
}

/// The message that [`placed`] was made for.
pub fn read_placed(keys: &Keys, namespace: &str, token: &str) -> Option<MessageKey> {
    let bytes: [u8; 2 * PART] = decode(token)?.try_into().ok()?;
    let (message, mac) = bytes.split_first_chunk::<PART>()?;
    let message = MessageKey(*message);
    keys.signed(&placed_claim(namespace, message), mac).then_some(message)
}

/// Lets a browser with a public key ask for one customer's slots until `until` (microseconds): made for a server that knows whom it serves.
pub fn pass(keys: &Keys, namespace: &str, customer: CustomerKey, until: Micros) -> String {
    let mac = keys.sign(&pass_claim(namespace, customer, until));
    URL_SAFE_NO_PAD.encode([&customer.0[..], &until.to_be_bytes(), &mac].concat())
}

/// Whose slots a pass is for; None: forged, of another namespace, or over by `now`.
pub fn read_pass(keys: &Keys, namespace: &str, token: &str, now: Micros) -> Option<CustomerKey> {
    let bytes = decode(token)?;
    let (customer, rest) = bytes.split_first_chunk::<PART>()?;
    let (until, mac) = rest.split_first_chunk::<8>()?;
    let (customer, until) = (CustomerKey(*customer), Micros::from_be_bytes(*until));
    (keys.signed(&pass_claim(namespace, customer, until), mac) && now < until).then_some(customer)
}

fn placed_claim(namespace: &str, message: MessageKey) -> Vec<u8> {
    claim(&[b"journey.dev/link/placed", namespace.as_bytes(), &message.0])
}

fn pass_claim(namespace: &str, customer: CustomerKey, until: Micros) -> Vec<u8> {
    claim(&[
        b"journey.dev/link/pass",
        namespace.as_bytes(),
        &customer.0,
        &until.to_be_bytes(),
    ])
}

fn decode(token: &str) -> Option<Vec<u8>> {
    (token.len() <= TOKEN_LIMIT).then(|| URL_SAFE_NO_PAD.decode(token).ok())?
}

fn tracked_claim(namespace: &str, message: MessageKey, to: &str) -> Vec<u8> {
    claim(&[
        b"journey.dev/link/tracked",
        namespace.as_bytes(),
        &message.0,
        to.as_bytes(),
    ])
}

fn leave_claim(namespace: &str, leave: &Leave) -> Vec<u8> {
    let Leave {
        message,
        customer,
        purpose,
    } = leave;
    claim(&[
        b"journey.dev/link/unsubscribe",
        namespace.as_bytes(),
        &message.0,
        &customer.0,
        purpose.as_bytes(),
    ])
}

fn confirm_claim(namespace: &str, confirm: &Confirm) -> Vec<u8> {
    claim(&[
        b"journey.dev/link/confirm",
        namespace.as_bytes(),
        &confirm.customer.0,
        &confirm.address.0,
        &confirm.made.to_be_bytes(),
        confirm.touchpoint.as_bytes(),
    ])
}

fn preferences_claim(namespace: &str, customer: CustomerKey) -> Vec<u8> {
    claim(&[b"journey.dev/link/preferences", namespace.as_bytes(), &customer.0])
}

fn survey_claim(namespace: &str, asked: &Asked) -> Vec<u8> {
    let Asked { message, touchpoint } = asked;
    claim(&[
        b"journey.dev/link/survey",
        namespace.as_bytes(),
        &message.0,
        touchpoint.as_bytes(),
    ])
}

fn choice_claim(namespace: &str, chosen: &Chosen) -> Vec<u8> {
    let Chosen {
        message,
        customer,
        journey,
        joins,
    } = chosen;
    claim(&[
        b"journey.dev/link/choice",
        namespace.as_bytes(),
        &message.0,
        &customer.0,
        if *joins { b"join" } else { b"leave" },
        journey.as_bytes(),
    ])
}

/// What the MAC says, each part with its length so that no two claims read the same. The first part is the kind of link.
fn claim(parts: &[&[u8]]) -> Vec<u8> {
    let mut said = Vec::new();
    for part in parts {
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

    fn leave() -> Leave {
        Leave {
            message: MESSAGE,
            customer: CustomerKey([9; 16]),
            purpose: "marketing".into(),
        }
    }

    fn chosen(joins: bool) -> Chosen {
        Chosen {
            message: MESSAGE,
            customer: CustomerKey([9; 16]),
            journey: "weekly-tips".into(),
            joins,
        }
    }

    #[test]
    fn a_choice_is_about_one_customer_journey_and_way_and_cannot_be_turned_into_another() {
        let keys = Keys::ephemeral();
        for joins in [true, false] {
            let link = choice(&keys, "https://events.shop.example/", "shop", &chosen(joins));
            assert!(link.starts_with("https://events.shop.example/c/"));
            let (token, _) = parts(&link);
            assert_eq!(read_choice(&keys, "shop", &token), Some(chosen(joins)));
            assert_eq!(read_choice(&keys, "other", &token), None);
            assert_eq!(read_choice(&Keys::ephemeral(), "shop", &token), None);
            assert_eq!(read_unsubscribe(&keys, "shop", &token), None);
            let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
            for at in 0..bytes.len() {
                let mut altered = bytes.clone();
                altered[at] ^= 1;
                assert_eq!(read_choice(&keys, "shop", &URL_SAFE_NO_PAD.encode(altered)), None);
            }
        }
        let (unsubscribe, _) = parts(&unsubscribe(&keys, "https://e.example", "shop", &leave()));
        assert_eq!(read_choice(&keys, "shop", &unsubscribe), None);
    }

    #[test]
    fn a_confirmation_is_of_one_customer_address_and_time_and_no_other_link_is_one() {
        let keys = Keys::ephemeral();
        let (url, customer) = ("https://events.shop.example", CustomerKey([9; 16]));
        let asked = Confirm {
            customer,
            address: AddressKey([4; 16]),
            made: 1_700_000_000_000_000,
            touchpoint: "please-confirm".into(),
        };
        let (token, _) = parts(&confirm(&keys, url, "shop", &asked));
        assert_eq!(read_confirm(&keys, "shop", &token), Some(asked));
        assert_eq!(read_confirm(&keys, "other", &token), None);
        assert_eq!(read_confirm(&Keys::ephemeral(), "shop", &token), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(read_confirm(&keys, "shop", &URL_SAFE_NO_PAD.encode(altered)), None);
        }
        let (centre, _) = parts(&preferences(&keys, url, "shop", customer));
        assert_eq!(read_preferences(&keys, "shop", &centre), Some(customer));
        assert_eq!(read_preferences(&keys, "other", &centre), None);
        let others = [
            placed(&keys, "shop", MESSAGE),
            parts(&choice(&keys, url, "shop", &chosen(true))).0,
            parts(&unsubscribe(&keys, url, "shop", &leave())).0,
            token,
        ];
        for other in &others {
            assert_eq!(read_preferences(&keys, "shop", other), None);
        }
        for other in &others[..3] {
            assert_eq!(read_confirm(&keys, "shop", other), None);
        }
        assert_eq!(read_confirm(&keys, "shop", &centre), None);
    }

    #[test]
    fn a_survey_is_of_one_message_and_touchpoint() {
        let keys = Keys::ephemeral();
        let asked = Asked {
            message: MESSAGE,
            touchpoint: "how-was-it".into(),
        };
        let (token, _) = parts(&survey(&keys, "https://events.shop.example/", "shop", &asked));
        assert_eq!(read_survey(&keys, "shop", &token), Some(asked));
        assert_eq!(read_survey(&keys, "other", &token), None);
        assert_eq!(read_survey(&Keys::ephemeral(), "shop", &token), None);
        assert_eq!(read_choice(&keys, "shop", &token), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(read_survey(&keys, "shop", &URL_SAFE_NO_PAD.encode(altered)), None);
        }
        // Neither is a tracked link without a target, which has the same parts.
        let tracked = tracked_token(&keys, "shop", MESSAGE, "https://shop.example/");
        assert_eq!(read_survey(&keys, "shop", &tracked), None);
    }

    fn parts(link: &str) -> (String, Option<String>) {
        let url = Url::parse(link).unwrap();
        let token = url.path_segments().unwrap().next_back().unwrap().to_owned();
        (
            token,
            url.query_pairs()
                .find(|(name, _)| name == "to")
                .map(|(_, to)| to.into_owned()),
        )
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
    fn an_unsubscribe_link_says_whose_consent_to_what_it_withdraws() {
        let keys = Keys::ephemeral();
        for purpose in ["", "m", "marketing", &"p".repeat(63)] {
            let leave = Leave {
                purpose: purpose.into(),
                ..leave()
            };
            let link = unsubscribe(&keys, "https://events.shop.example/", "shop", &leave);
            assert!(link.starts_with("https://events.shop.example/u/"));
            assert_eq!(read_unsubscribe(&keys, "shop", &parts(&link).0), Some(leave));
        }
    }

    #[test]
    fn forged_and_altered_tokens_are_refused() {
        let keys = Keys::ephemeral();
        let (token, _) = parts(&unsubscribe(&keys, "https://e.example", "shop", &leave()));
        assert_eq!(read_unsubscribe(&keys, "shop", &token), Some(leave()));
        assert_eq!(read_unsubscribe(&Keys::ephemeral(), "shop", &token), None);
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 1;
            assert_eq!(read_unsubscribe(&keys, "shop", &URL_SAFE_NO_PAD.encode(altered)), None);
            let shorter = URL_SAFE_NO_PAD.encode(&bytes[at + 1..]);
            assert_eq!(read_unsubscribe(&keys, "shop", &shorter), None);
        }
        for token in ["", "x", "%00", &token[1..], &format!("{token}AA"), &"A".repeat(100_000)] {
            assert_eq!(read_unsubscribe(&keys, "shop", token), None);
        }
    }

    #[test]
    fn a_token_of_another_namespace_or_kind_is_refused() {
        let keys = Keys::ephemeral();
        let (click, _) = parts(&tracked(&keys, "https://e.example", "shop", MESSAGE, TARGET));
        let (leave, _) = parts(&unsubscribe(&keys, "https://e.example", "shop", &leave()));
        assert_eq!(read_tracked(&keys, "other", &click, TARGET), None);
        assert_eq!(read_unsubscribe(&keys, "other", &leave), None);
        assert_eq!(read_unsubscribe(&keys, "shop", &click), None);
        assert_eq!(read_tracked(&keys, "shop", &leave, TARGET), None);
    }

    #[test]
    fn a_pass_is_one_customers_for_a_time_and_no_other_token_is_one() {
        let keys = Keys::ephemeral();
        let customer = CustomerKey([9; 16]);
        let token = pass(&keys, "shop", customer, 100);
        assert_eq!(read_pass(&keys, "shop", &token, 99), Some(customer));
        assert_eq!(read_pass(&keys, "shop", &token, 100), None, "it is over");
        assert_eq!(read_pass(&keys, "other", &token, 1), None);
        assert_eq!(read_pass(&Keys::ephemeral(), "shop", &token, 1), None);
        let message = placed(&keys, "shop", MESSAGE);
        assert_eq!(read_placed(&keys, "shop", &message), Some(MESSAGE));
        assert_eq!(read_placed(&keys, "other", &message), None);
        assert_eq!(read_tracked(&keys, "shop", &message, TARGET), None);
        for altered in ["", "x", &token[1..], &message] {
            assert_eq!(read_pass(&keys, "shop", altered, 1), None);
        }
    }

    #[test]
    fn only_web_addresses_are_tracked() {
        let keys = Keys::ephemeral();
        for to in [
            "mailto:help@shop.example",
            "javascript:alert(1)",
            "tel:+491234",
            "/relative",
            "data:text/html,x",
        ] {
            assert_eq!(tracked(&keys, "https://e.example", "shop", MESSAGE, to), to);
            let token = tracked_token(&keys, "shop", MESSAGE, to);
            assert_eq!(read_tracked(&keys, "shop", &token, to), None);
        }
    }
}
