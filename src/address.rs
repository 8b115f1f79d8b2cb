//! Addresses of customers as they are compared: what reaches the same mailbox or telephone is the same address, however it is written. Pure.
//!
//! A mailbox is compared without case, without what stands behind a plus sign (sub-addressing, RFC 5233), and with its domain as the DNS has it
//! (IDNA, RFC 5891). That is wider than RFC 5321 asks, under which the part before the @ is its host's to read: a no that is kept for one address
//! more is better than one that is evaded by a capital letter. A telephone number is compared by its digits (ITU-T E.164).

use serde::{Deserialize, Serialize};
use std::fmt;
use url::Host;

/// Digits of a telephone number, without which a text is none (E.164 has at most 15).
const DIGITS: std::ops::RangeInclusive<usize> = 6..=15;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whatever else a channel takes: a token, a handle.
    Other = 0,
    Mailbox = 1,
    Telephone = 2,
}

/// What an address is known by where it is not to be kept: a keyed hash of its normalised form. Its kind stands in the lowest bits of the first
/// byte, so that an address is compared with those of its kind only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddressKey(pub [u8; 16]);

impl AddressKey {
    const KIND: u8 = 0b11;

    /// Of a hash.
    pub fn of_kind(mut hash: [u8; 16], kind: Kind) -> Self {
        hash[0] = hash[0] & !Self::KIND | kind as u8;
        Self(hash)
    }

    /// Whether both are mailboxes, telephone numbers, or something else.
    pub fn is_of_kind_of(self, other: Self) -> bool {
        self.0[0] & Self::KIND == other.0[0] & Self::KIND
    }
}

impl fmt::Debug for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Display for AddressKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What kind of address it is, and how it is compared.
pub fn normalised(address: &str) -> (Kind, String) {
    let bare = bare(address);
    if let Some(mailbox) = mailbox(bare) {
        return (Kind::Mailbox, mailbox);
    }
    match telephone(bare) {
        Some(number) => (Kind::Telephone, number),
        None => (Kind::Other, bare.to_owned()),
    }
}

/// Without a display name (`Ada <ada@shop.example>`) and without a scheme.
fn bare(address: &str) -> &str {
    let address = address.trim();
    let inner = address
        .strip_suffix('>')
        .and_then(|open| Some(open.rsplit_once('<')?.1))
        .unwrap_or(address)
        .trim();
    let scheme = |scheme: &str| {
        let (head, rest) = inner.split_at_checked(scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(rest)
    };
    scheme("mailto:").or_else(|| scheme("tel:")).unwrap_or(inner)
}

fn mailbox(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    let domain = domain.trim_end_matches('.');
    if local.is_empty() || domain.is_empty() {
        return None;
    }
    let domain = match Host::parse(domain) {
        Ok(Host::Domain(domain)) => domain,
        Ok(host) => host.to_string(),
        Err(_) => domain.to_lowercase(),
    };
    let local = local.to_lowercase();
    // A plus sign in front is part of the name.
    let name = match local.split_once('+') {
        Some((name, _)) if !name.is_empty() => name,
        Some(_) | None => local.as_str(),
    };
    Some(format!("{name}@{domain}"))
}

fn telephone(address: &str) -> Option<String> {
    let plain: String = address
        .chars()
        .filter(|c| !(c.is_whitespace() || "-./()".contains(*c)))
        .collect();
    let (international, digits) = match plain.strip_prefix('+').or_else(|| plain.strip_prefix("00")) {
        Some(digits) => (true, digits),
        None => (false, plain.as_str()),
    };
    let is_number = DIGITS.contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| format!("{}{digits}", if international { "+" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mailbox_is_one_however_it_is_written() {
        let plain = (Kind::Mailbox, "ada@shop.example".to_owned());
        for written in [
            "ada@shop.example",
            " Ada@Shop.Example ",
            "ADA+news@shop.example",
            "ada+a+b@SHOP.example.",
            "Ada Lovelace <ada@shop.example>",
            "mailto:Ada@shop.example",
            "MAILTO:ada+x@shop.example",
        ] {
            assert_eq!(normalised(written), plain, "{written}");
        }
        let umlaut = (Kind::Mailbox, "ada@xn--mller-kva.example".to_owned());
        for written in ["ada@müller.example", "ada@MÜLLER.example", "ada@xn--mller-kva.example"] {
            assert_eq!(normalised(written), umlaut, "{written}");
        }
        assert_eq!(normalised("+x@shop.example"), (Kind::Mailbox, "+x@shop.example".into()));
        assert_eq!(normalised("ada@[127.0.0.1]").0, Kind::Mailbox);
        assert_ne!(normalised("a.da@shop.example"), plain);
        assert_ne!(normalised("ada@other.example"), plain);
    }

    #[test]
    fn a_telephone_number_is_its_digits() {
        let number = (Kind::Telephone, "+43123456789".to_owned());
        for written in [
            "+43 1 234 567 89",
            "+43-1-234-56789",
            "0043 (1) 23456789",
            "tel:+43123456789",
        ] {
            assert_eq!(normalised(written), number, "{written}");
        }
        assert_eq!(normalised("12345"), (Kind::Other, "12345".into()));
        assert_eq!(
            normalised("https://hook.example/x"),
            (Kind::Other, "https://hook.example/x".into())
        );
        assert_eq!(
            normalised("Token-Case-Matters"),
            (Kind::Other, "Token-Case-Matters".into())
        );
    }

    proptest! {
        #[test]
        fn whatever_is_written_has_one_form_that_stays(address in "\\PC{0,40}") {
            let (kind, form) = normalised(&address);
            if kind != Kind::Other {
                prop_assert_eq!(normalised(&form), (kind, form.clone()));
            }
        }

        #[test]
        fn neither_case_nor_a_tag_makes_another_mailbox(name in "[a-z][a-z0-9.]{0,10}", tag in "[a-z0-9+]{0,5}", domain in "[a-z]{1,8}\\.example") {
            let plain = normalised(&format!("{name}@{domain}"));
            prop_assert_eq!(&normalised(&format!("{}+{tag}@{}", name.to_uppercase(), domain.to_uppercase())), &plain);
        }
    }
}
