//! An HTTP request for each message: a CloudEvent (or the adapter's own body), an Idempotency-Key, and a signature after Standard Webhooks.

use super::{Channel, Message, Reply, SecretError, Secrets};
use crate::{
    api::channel_adapter::{BEARER_KEY, EndMethod, Method, SIGNATURE_KEY, Webhook as Spec},
    clock,
    personal::Personal,
    template::{self, Template},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{
    Client, RequestBuilder, Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use ring::hmac;
use serde::de::IgnoredAny;
use serde_json::json;
use std::time::{Duration, UNIX_EPOCH};

/// Bytes of an answer's body that are read.
const BODY: usize = 64 * 1024;
/// The longest pause that a Retry-After is taken at its word for.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

pub struct Webhook {
    spec: Spec,
    secrets: Secrets,
    client: Client,
    body: Option<Template>,
}

impl Webhook {
    pub fn new(spec: Spec, secrets: Secrets, client: Client, body: Option<Template>) -> Self {
        Self {
            spec,
            secrets,
            client,
            body,
        }
    }

    fn request(&self, message: &Message) -> Result<RequestBuilder, Reply> {
        let (kind, body) = match &self.body {
            Some(body) => ("application/json", self.render(body, message)?),
            None => ("application/cloudevents+json; charset=utf-8", cloud_event(message)),
        };
        let end = self.spec.end.as_ref().filter(|_| message.ends.is_some());
        let method = match end {
            Some(end) => match end.method {
                EndMethod::Post => reqwest::Method::POST,
                EndMethod::Put => reqwest::Method::PUT,
                EndMethod::Patch => reqwest::Method::PATCH,
                EndMethod::Delete => reqwest::Method::DELETE,
            },
            None => match self.spec.method {
                Method::Post => reqwest::Method::POST,
                Method::Put => reqwest::Method::PUT,
                Method::Patch => reqwest::Method::PATCH,
            },
        };
        let url = end.and_then(|end| end.url.as_ref()).unwrap_or(&self.spec.url);
        let mut headers = self.own_headers()?;
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static(kind));
        let key = message.key.to_string();
        headers.insert("idempotency-key", line(&key)?);
        if let Some(key_of_signature) = &self.spec.signature {
            let secret = self.secrets.text(key_of_signature, SIGNATURE_KEY);
            let secret = secret.map_err(|error| later(&error.to_string()))?;
            let seconds = clock::now() / clock::SECOND;
            headers.insert("webhook-id", line(&key)?);
            headers.insert("webhook-timestamp", line(&seconds.to_string())?);
            headers.insert("webhook-signature", line(&signature(&secret, &key, seconds, &body)?)?);
        }
        let request = self.client.request(method, &url.0).headers(headers).body(body);
        self.authorized(request)
    }

    /// Those of the adapter. Ours stand before them, whatever they say.
    fn own_headers(&self) -> Result<HeaderMap, Reply> {
        let mut headers = HeaderMap::new();
        for (name, value) in self.spec.headers.iter().flatten() {
            let name = HeaderName::try_from(name).map_err(|_| later("a header of the adapter has no fit name"))?;
            headers.insert(name, line(&value.0)?);
        }
        Ok(headers)
    }

    fn authorized(&self, mut request: RequestBuilder) -> Result<RequestBuilder, Reply> {
        let unreadable = |error: SecretError| later(&error.to_string());
        let Some(auth) = &self.spec.auth else {
            return Ok(request);
        };
        if let Some(token) = &auth.bearer {
            let token = self.secrets.text(token, BEARER_KEY).map_err(unreadable)?;
            request = request.bearer_auth(token);
        }
        if let Some(login) = &auth.basic {
            let (user, password) = self.secrets.login(login).map_err(unreadable)?;
            request = request.basic_auth(user, Some(password));
        }
        Ok(request)
    }

    fn render(&self, body: &Template, message: &Message) -> Result<String, Reply> {
        let content = message.properties();
        let values = template::Values {
            customer: &Default::default(),
            customer_id: message.customer_id.expose(),
            to: message.to.as_ref().map(|to| to.expose().as_str()),
            with: message.with.expose(),
            content: Some(&content),
            link: &|address| address.to_owned(),
            preferences: None,
            confirm: None,
            leave: None,
            join: &|_| String::new(),
            unsubscribe: message.unsubscribe.as_ref().map(|page| page.expose().as_str()),
        };
        let text = body.render(&values).map_err(|_| Reply::Refused("BodyFailed".into()))?;
        // Where the adapter does not say what its body is, it is JSON: a value that breaks out of its quotes must not go out.
        if self.says_its_type() || serde_json::from_str::<IgnoredAny>(&text).is_ok() {
            Ok(text)
        } else {
            Err(Reply::Refused("BodyNotJson".into()))
        }
    }

    fn says_its_type(&self) -> bool {
        let mut own = self.spec.headers.iter().flatten();
        own.any(|(name, _)| name.eq_ignore_ascii_case("content-type"))
    }
}

fn later(reason: &str) -> Reply {
    Reply::TryLater {
        reason: reason.to_owned(),
        after: None,
    }
}

fn line(value: &str) -> Result<HeaderValue, Reply> {
    HeaderValue::from_str(value).map_err(|_| later("a header of the adapter has a value that is none"))
}

fn cloud_event(message: &Message) -> String {
    let mut event = json!({
        "specversion": "1.0",
        "id": message.key.to_string(),
        "source": format!("/namespaces/{}/journeys/{}", message.namespace, message.journey),
        "type": "dev.journey.message",
        "datacontenttype": "application/json",
        "data": {
            "touchpoint": message.touchpoint,
            "purpose": message.purpose,
            "customer": message.customer_id.expose(),
            "to": message.to.as_ref().map(|to| to.expose()),
            "content": message.properties(),
            "with": message.with.expose(),
            "unsubscribe": message.unsubscribe.as_ref().map(|page| page.expose()),
        }
    });
    if let Some(ended) = message.ends {
        event["type"] = "dev.journey.message.ended".into();
        event["data"]["message"] = ended.to_string().into();
    }
    event.to_string()
}

/// Standard Webhooks 1.0: `v1,` and the HMAC-SHA-256 of `id.timestamp.body`, keyed by what follows `whsec_` in base64 (or by the secret as it is).
fn signature(secret: &str, id: &str, seconds: i64, body: &str) -> Result<String, Reply> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| later("the signing key after whsec_ is not base64"))?,
        None => secret.as_bytes().to_vec(),
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let tag = hmac::sign(&key, format!("{id}.{seconds}.{body}").as_bytes());
    Ok(format!("v1,{}", STANDARD.encode(tag)))
}

#[async_trait]
impl Channel for Webhook {
    async fn hand_over(&self, message: &Message) -> Reply {
        if message.ends.is_some() && self.spec.end.is_none() {
            return Reply::Refused("NoEnd".into());
        }
        let request = match self.request(message) {
            Ok(request) => request,
            Err(reply) => return reply,
        };
        match request.send().await {
            Ok(response) => {
                let after = response.headers().get(RETRY_AFTER);
                let after = after.and_then(|after| pause(after.to_str().ok()?, clock::now()));
                match judge(response.status(), after) {
                    // What is not there any more has ended.
                    Reply::Refused(_) if message.ends.is_some() && matches!(response.status().as_u16(), 404 | 410) => {
                        read_past(response).await;
                        Reply::Sent
                    }
                    Reply::Sent if message.wants_answer => read_answer(response).await,
                    reply => {
                        read_past(response).await;
                        reply
                    }
                }
            }
            Err(error) if error.is_connect() => later(&format!("cannot connect: {}", cause(&error))),
            // The adapter's address, or a token that is no header: the operator's to mend.
            Err(error) if error.is_builder() => later("the adapter makes no request that can be sent"),
            Err(error) => Reply::Unknown(
                if error.is_timeout() {
                    "timeout"
                } else {
                    "the connection broke"
                }
                .into(),
            ),
        }
    }

    fn deduplicates(&self) -> bool {
        true
    }

    fn needs_address(&self) -> bool {
        false
    }
}

/// The innermost word on a connection that did not come about: of TLS, of names, of the network; never of the message.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Reads the body of an answer, so that the connection serves the next message; a long one is not worth it.
async fn read_past(mut response: Response) {
    let mut read = 0;
    while read < BODY
        && let Ok(Some(chunk)) = response.chunk().await
    {
        read += chunk.len();
    }
}

/// The answer as JSON. One that is none, or too long, is null; one that breaks off may be had by asking again under the same key.
async fn read_answer(mut response: Response) -> Reply {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= BODY => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Reply::Answered(Personal::default()),
            Ok(None) => return Reply::Answered(Personal::new(serde_json::from_slice(&body).unwrap_or_default())),
            Err(_) => return Reply::Unknown("the answer broke off".into()),
        }
    }
}

/// 2xx: taken. 408, 425, 429, 503: not now (RFC 9110, RFC 8470, RFC 6585). 401, 407: the login is the operator's to mend, not a property of
/// this message. 409: the same message is under way over there (draft-ietf-httpapi-idempotency-key-header, 2.6). Other 5xx: something went
/// wrong over there, perhaps after taking it.
fn judge(status: StatusCode, after: Option<Duration>) -> Reply {
    match status.as_u16() {
        200..=299 => Reply::Sent,
        401 | 407 | 408 | 409 | 425 | 429 | 503 => Reply::TryLater {
            reason: format!("http {}", status.as_u16()),
            after,
        },
        500..=599 => Reply::Unknown(format!("http {}", status.as_u16())),
        _ => Reply::Refused(format!("Http{}", status.as_u16())),
    }
}

/// What a Retry-After asks for: seconds, or a date (RFC 9110, 10.2.3). None: it is neither, or over.
fn pause(retry_after: &str, now: clock::Micros) -> Option<Duration> {
    let asked = retry_after.trim();
    let pause = match asked.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let now = UNIX_EPOCH + Duration::from_micros(u64::try_from(now).ok()?);
            httpdate::parse_http_date(asked).ok()?.duration_since(now).ok()?
        }
    };
    Some(pause.min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let of = |code, after| judge(StatusCode::from_u16(code).unwrap(), after);
        assert_eq!(of(202, None), Reply::Sent);
        assert_eq!(
            of(429, Some(Duration::from_secs(7))),
            Reply::TryLater {
                reason: "http 429".into(),
                after: Some(Duration::from_secs(7))
            }
        );
        for not_now in [401, 407, 408, 409, 425, 503] {
            assert!(
                matches!(of(not_now, None), Reply::TryLater { after: None, .. }),
                "{not_now}"
            );
        }
        assert_eq!(of(500, None), Reply::Unknown("http 500".into()));
        assert_eq!(of(302, None), Reply::Refused("Http302".into()));
        assert_eq!(of(404, None), Reply::Refused("Http404".into()));
    }

    #[test]
    fn a_retry_after_is_seconds_or_a_date_and_a_day_at_most() {
        // 1994-11-06T08:49:37Z
        let now = 784_111_777 * clock::SECOND;
        for (asked, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("99999999999", Some(24 * 60 * 60)),
            ("Sun, 06 Nov 1994 08:51:37 GMT", Some(120)),
            ("Sunday, 06-Nov-94 08:51:37 GMT", Some(120)),
            ("Sun Nov  6 08:51:37 1994", Some(120)),
            ("Sat, 06 Nov 1999 08:51:37 GMT", Some(24 * 60 * 60)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", None),
            ("soon", None),
            ("-3", None),
        ] {
            assert_eq!(pause(asked, now), seconds.map(Duration::from_secs), "{asked}");
        }
    }

    #[test]
    fn the_signature_is_that_of_the_standard_webhooks_example() {
        // The example of the Standard Webhooks specification's libraries.
        assert_eq!(
            signature(
                "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#
            )
            .unwrap(),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
