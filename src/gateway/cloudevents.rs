//! CloudEvents 1.0 over HTTP: the binary, structured and batched content modes of
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>.

use super::{
    incoming::{Broken, Incoming, Offered, is_json},
    refusal::Refusal,
    signals,
};
use axum::http::{HeaderMap, header::CONTENT_TYPE};
use serde_json::Value;
use std::borrow::Cow;

/// What a request brought.
#[derive(Debug, PartialEq)]
pub struct Brought {
    pub events: Vec<Offered>,
    /// Whether the answer tells of each event by itself.
    pub batch: bool,
}

/// Reads a request in whichever mode its headers say. A single event that is malformed refuses the request; within a batch it is kept
/// apart, and the others go on.
pub fn read(headers: &HeaderMap, body: &[u8]) -> Result<Brought, Refusal> {
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/cloudevents-batch+json" => batch(body),
        "application/cloudevents+json" => match json(body)? {
            Value::Object(event) => one(Incoming::read(&event)),
            _ => Err(Refusal::Malformed("a structured CloudEvent is a JSON object".into())),
        },
        other if other.starts_with("application/cloudevents") => Err(Refusal::Unsupported(
            "CloudEvents are read in JSON: application/cloudevents+json or application/cloudevents-batch+json".into(),
        )),
        _ if headers.contains_key("ce-specversion") => binary(headers, content_type, body),
        _ => Err(Refusal::Unsupported(
            "send a CloudEvent: Content-Type application/cloudevents+json, application/cloudevents-batch+json, or ce- headers with a JSON body"
                .into(),
        )),
    }
}

fn one(read: Result<Incoming, String>) -> Result<Brought, Refusal> {
    let event = read.map_err(Refusal::Malformed)?;
    Ok(Brought {
        events: vec![Ok(event)],
        batch: false,
    })
}

fn batch(body: &[u8]) -> Result<Brought, Refusal> {
    let Value::Array(events) = json(body)? else {
        return Err(Refusal::Malformed("a batch of CloudEvents is a JSON array".into()));
    };
    let read = |event: Value| match &event {
        Value::Object(object) => Incoming::read(object).map_err(|detail| Broken {
            detail,
            event: event.into(),
        }),
        _ => Err(Broken {
            detail: "an event is a JSON object".into(),
            event: event.into(),
        }),
    };
    Ok(Brought {
        events: events.into_iter().map(read).collect(),
        batch: true,
    })
}

fn binary(headers: &HeaderMap, content_type: &str, body: &[u8]) -> Result<Brought, Refusal> {
    let data = match body {
        [] => serde_json::Map::new(),
        _ if !is_json(content_type) => {
            return Err(Refusal::Unsupported(
                "the data of an event is JSON: send Content-Type application/json".into(),
            ));
        }
        body => match json(body)? {
            Value::Object(data) => data,
            _ => return Err(Refusal::Malformed("the data of an event is a JSON object".into())),
        },
    };
    let names = ["specversion", "id", "source", "type", "time"];
    let mut attributes = Vec::with_capacity(names.len());
    for name in names {
        let value =
            match headers.get(format!("ce-{name}")) {
                None => None,
                Some(value) => {
                    Some(value.to_str().ok().and_then(decode).ok_or_else(|| {
                        Refusal::Malformed(format!("the header ce-{name} is not percent-encoded UTF-8"))
                    })?)
                }
            };
        attributes.push((name, value));
    }
    let attribute = |name: &str| {
        Ok(attributes
            .iter()
            .find(|(known, _)| *known == name)
            .and_then(|(_, value)| value.as_deref()))
    };
    // An extension that is not percent-encoded UTF-8 is a signal that cannot be read.
    let extension = |name: &str| {
        let value = headers.get(format!("ce-{name}"))?;
        let text = value.to_str().ok().and_then(decode);
        Some(signals::of_header(text.map(Cow::into_owned)))
    };
    one(Incoming::of_attributes(
        &attribute,
        data,
        signals::of_extensions(extension),
    ))
}

/// Section 3.1.3.2 of the binding: a double-quoted string is unquoted, then %XX is decoded as UTF-8.
fn decode(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim();
    let unquoted = match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => Cow::Owned(unescape(inner)),
        None => Cow::Borrowed(value),
    };
    if !unquoted.contains('%') {
        return Some(unquoted);
    }
    let bytes = unquoted.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let hex = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
        match hex
            .filter(|_| *byte == b'%')
            .and_then(|two| u8::from_str_radix(two, 16).ok())
        {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn unescape(quoted: &str) -> String {
    let mut out = String::with_capacity(quoted.len());
    let mut escaped = false;
    for character in quoted.chars() {
        if character == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(character);
            escaped = false;
        }
    }
    out
}

/// JSON, or where it stops being JSON; the parser's word has a position and no value.
pub fn json(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| {
        Refusal::Malformed(format!(
            "the body is not JSON: line {}, column {}",
            error.line(),
            error.column()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn the_binary_mode_reads_attributes_from_headers_and_data_from_the_body() {
        let headers = headers(&[
            ("content-type", "application/json; charset=utf-8"),
            ("ce-specversion", "1.0"),
            ("ce-id", "\"a%20\\\"b\\\"\""),
            ("ce-source", "/shop/%E2%82%AC"),
            ("ce-type", "order.placed"),
            ("ce-time", "2026-11-24T10:00:00Z"),
        ]);
        let brought = read(&headers, br#"{"userId":"u1"}"#).unwrap();
        let event = brought.events[0].as_ref().unwrap();
        assert_eq!(
            (event.id.expose().as_str(), event.source.expose().as_str()),
            ("a \"b\"", "/shop/€")
        );
        assert_eq!((event.name.as_str(), brought.batch), ("order.placed", false));
        assert_eq!(event.data.expose()["userId"], "u1");
    }

    #[test]
    fn a_malformed_event_in_a_batch_does_not_stop_the_others() {
        let good = json!({"specversion": "1.0", "id": "1", "source": "s", "type": "t"});
        let body = json!([good, {"specversion": "1.0"}, 7]).to_string();
        let brought = read(
            &headers(&[("content-type", "application/cloudevents-batch+json")]),
            body.as_bytes(),
        )
        .unwrap();
        assert!(brought.batch);
        assert_eq!(
            brought.events.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false, false]
        );
    }

    #[test]
    fn other_formats_are_refused_with_a_hint() {
        for content_type in ["application/cloudevents+avro", "text/plain", ""] {
            let refusal = read(&headers(&[("content-type", content_type)]), b"{}").unwrap_err();
            assert!(
                matches!(&refusal, Refusal::Unsupported(hint) if hint.contains("json")),
                "{refusal}"
            );
        }
        let xml = headers(&[("content-type", "text/xml"), ("ce-specversion", "1.0")]);
        assert!(matches!(read(&xml, b"<a/>"), Err(Refusal::Unsupported(_))));
    }

    #[test]
    fn unreadable_json_is_told_by_its_place_without_its_text() {
        let refusal = json(b"{\"email\": ada@example.com}").unwrap_err();
        assert_eq!(
            refusal,
            Refusal::Malformed("the body is not JSON: line 1, column 11".into())
        );
    }
}
