//! A message as an email (RFC 5322), with the headers of one-click unsubscribe (RFC 8058, RFC 2369).

use super::Message;
use lettre::{
    Message as Email,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

/// Builds the mail, or says why it cannot be one; the reason has no personal data.
pub fn build(message: &Message, from: &str) -> Result<Email, String> {
    let from: Mailbox = from
        .parse()
        .map_err(|_| "the adapter's `from` is not an address".to_owned())?;
    let to = message.to.as_ref().ok_or("NoAddress")?;
    let to: Mailbox = to.expose().trim().parse().map_err(|_| "BadAddress".to_owned())?;
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
    email.map_err(|_| "BadMail".to_owned())
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
    fn an_address_that_is_none_is_refused_without_being_named() {
        let mut message = message();
        message.to = Some("ada at example".to_owned().into());
        assert_eq!(build(&message, "hello@shop.example").unwrap_err(), "BadAddress");
    }
}
