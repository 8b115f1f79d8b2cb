//! A message as an email (RFC 5322), with the headers of one-click unsubscribe (RFC 8058, RFC 2369).

use super::{Message, Reply};
use lettre::{
    Address, Message as Email,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};
use url::Host;

/// Why a message cannot be a mail; without personal data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("the adapter's from is not an address")]
    From,
    #[error("NoAddress")]
    NoAddress,
    #[error("BadAddress")]
    BadAddress,
    #[error("BadMail")]
    BadMail,
}

impl Unfit {
    /// A bad sender is the operator's to mend; the rest is about this message.
    pub fn reply(self) -> Reply {
        match self {
            Self::From => Reply::TryLater {
                reason: self.to_string(),
                after: None,
            },
            Self::NoAddress | Self::BadAddress | Self::BadMail => Reply::Refused(self.to_string()),
        }
    }
}

/// Who sends: `Shop <hello@shop.example>`.
pub fn sender(from: &str) -> Result<Mailbox, Unfit> {
    mailbox(from).ok_or(Unfit::From)
}

/// Builds the mail.
pub fn build(message: &Message, from: &str) -> Result<Email, Unfit> {
    let from = sender(from)?;
    let to = message.to.as_ref().ok_or(Unfit::NoAddress)?;
    let to = mailbox(to.expose()).ok_or(Unfit::BadAddress)?;
    let domain = from.email.domain().to_owned();
    let mut builder = Email::builder()
        .from(from)
        .to(to)
        .message_id(Some(format!("<{}@{domain}>", message.key)))
        .subject(one_line(&message.text("subject").unwrap_or_default()));
    if let Some(page) = &message.unsubscribe {
        builder = builder
            .raw_header(HeaderValue::new(
                name("List-Unsubscribe"),
                format!("<{}>", page.expose()),
            ))
            .raw_header(HeaderValue::new(
                name("List-Unsubscribe-Post"),
                "List-Unsubscribe=One-Click".into(),
            ));
    }
    let email = match (message.text("text"), message.text("html")) {
        (Some(text), Some(html)) => builder.multipart(MultiPart::alternative_plain_html(text, html)),
        (None, Some(html)) => builder.singlepart(SinglePart::html(html)),
        (text, None) => builder.singlepart(SinglePart::plain(text.unwrap_or_default())),
    };
    email.map_err(|_| Unfit::BadMail)
}

/// An address, with or without a name. A domain that is not ASCII is written as DNS has it (RFC 5891): every server takes that.
fn mailbox(text: &str) -> Option<Mailbox> {
    let Mailbox { name, email } = text.trim().parse().ok()?;
    if email.domain().is_ascii() {
        return Some(Mailbox { name, email });
    }
    let Host::Domain(domain) = Host::parse(email.domain()).ok()? else {
        return None;
    };
    let email = Address::new(email.user(), domain).ok()?;
    Some(Mailbox { name, email })
}

fn name(ascii: &'static str) -> HeaderName {
    HeaderName::new_from_ascii_str(ascii)
}

/// A header is one line: whatever breaks it becomes a space.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;

    #[test]
    fn a_mail_of_a_consent_purpose_carries_the_one_click_headers() {
        let mail = build(&message(), "Shop <hello@shop.example>").unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        assert!(
            text.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"),
            "{text}"
        );
        // A reader unfolds a header's continuation lines before it takes the address.
        let unfolded = text.replace("\r\n ", " ");
        assert!(
            unfolded.contains("List-Unsubscribe: <http://127.0.0.1:8080/u/token>"),
            "{text}"
        );
        assert!(text.contains("multipart/alternative"));
    }

    #[test]
    fn a_subject_cannot_bring_a_header_of_its_own() {
        let mut message = message();
        message
            .content
            .insert("subject".into(), "Hello\r\nBcc: eve@example.com".to_owned().into());
        let text = String::from_utf8(build(&message, "hello@shop.example").unwrap().formatted()).unwrap();
        assert!(!text.contains("\r\nBcc:"), "{text}");
    }

    #[test]
    fn the_address_of_the_page_stays_whole_in_its_header() {
        let mut message = message();
        let page = format!("https://events.shop.example/u/{}", "aZ09-_".repeat(30));
        message.unsubscribe = Some(page.clone().into());
        let text = String::from_utf8(build(&message, "hello@shop.example").unwrap().formatted()).unwrap();
        assert!(text.contains(&format!("<{page}>\r\n")), "{text}");
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_being_named() {
        let too_much = [
            "ada at example",
            "",
            "ada@",
            "ada@example.com, bob@example.com",
            "ada@example.com>\r\nRCPT TO:<bob@example.com",
            "ada@example.com\r\nBcc: bob@example.com",
            "\"a\r\nb\"@example.com",
            "Ada\r\nBcc: bob@example.com <ada@example.com>",
        ];
        for to in too_much {
            let mut message = message();
            message.to = Some(to.to_owned().into());
            match build(&message, "hello@shop.example") {
                Err(unfit) => assert_eq!(unfit, Unfit::BadAddress, "{to:?}"),
                Ok(mail) => {
                    // A name is only shown; it must not become a line of its own, nor a second recipient.
                    let text = String::from_utf8(mail.formatted()).unwrap();
                    assert!(!text.contains("\r\nBcc:") && mail.envelope().to().len() == 1, "{text}");
                }
            }
        }
    }

    #[test]
    fn a_domain_with_umlauts_is_written_as_dns_has_it() {
        let mut message = message();
        message.to = Some("ada@m\u{fc}ller.example".to_owned().into());
        let mail = build(&message, "hello@shop.example").unwrap();
        assert_eq!(mail.envelope().to()[0].to_string(), "ada@xn--mller-kva.example");
    }
}
