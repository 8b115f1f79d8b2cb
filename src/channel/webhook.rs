//! An HTTP request for each message: a CloudEvent (or the adapter's own body), an Idempotency-Key, and a signature after Standard Webhooks.

use super::{Channel, Message, Reply, SecretError, Secrets};
use crate::{
    api::channel_adapter::{BEARER_KEY, Method, SIGNATURE_KEY, Webhook as Spec},
    clock,
    template::{self, Template},
};
use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Client, RequestBuilder, StatusCode, header::RETRY_AFTER};
use ring::hmac;
use serde_json::json;
use std::time::Duration;

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
        let method = match self.spec.method {
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Patch => reqwest::Method::PATCH,
        };
        let mut request = self
            .client
            .request(method, &self.spec.url.0)
            .header("idempotency-key", message.key.to_string());
        let own = self.spec.headers.iter().flatten();
        if !own.clone().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header("content-type", kind);
        }
        for (name, value) in own {
            request = request.header(name, &value.0);
        }
        if let Some(auth) = &self.spec.auth {
            if let Some(token) = &auth.bearer {
                request = request.bearer_auth(
                    self.secrets
                        .text(token, BEARER_KEY)
                        .map_err(|error| unreadable(&error))?,
                );
            }
            if let Some(login) = &auth.basic {
                let (user, password) = self.secrets.login(login).map_err(|error| unreadable(&error))?;
                request = request.basic_auth(user, Some(password));
            }
        }
        if let Some(key) = &self.spec.signature {
            let key = self
                .secrets
                .text(key, SIGNATURE_KEY)
                .map_err(|error| unreadable(&error))?;
            request = sign(
                request,
                &key,
                &message.key.to_string(),
                clock::now() / clock::SECOND,
                &body,
            )?;
        }
        Ok(request.body(body))
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
            unsubscribe: message.unsubscribe.as_ref().map(|page| page.expose().as_str()),
        };
        body.render(&values).map_err(|_| Reply::Refused("BodyFailed".into()))
    }
}

fn unreadable(error: &SecretError) -> Reply {
    Reply::TryLater {
        reason: error.to_string(),
        after: None,
    }
}

fn cloud_event(message: &Message) -> String {
    json!({
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
        }
    })
    .to_string()
}

/// Standard Webhooks 1.0: `v1,` and the HMAC-SHA-256 of `id.timestamp.body`, keyed by what follows `whsec_` in base64 (or by the secret as it is).
fn sign(request: RequestBuilder, secret: &str, id: &str, seconds: i64, body: &str) -> Result<RequestBuilder, Reply> {
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| Reply::TryLater {
            reason: "the signing key after whsec_ is not base64".into(),
            after: None,
        })?,
        None => secret.as_bytes().to_vec(),
    };
    Ok(request
        .header("webhook-id", id)
        .header("webhook-timestamp", seconds.to_string())
        .header("webhook-signature", signature(&key, id, seconds, body)))
}

fn signature(key: &[u8], id: &str, seconds: i64, body: &str) -> String {
    let tag = hmac::sign(
        &hmac::Key::new(hmac::HMAC_SHA256, key),
        format!("{id}.{seconds}.{body}").as_bytes(),
    );
    format!("v1,{}", STANDARD.encode(tag))
}

#[async_trait]
impl Channel for Webhook {
    async fn hand_over(&self, message: &Message) -> Reply {
        let request = match self.request(message) {
            Ok(request) => request,
            Err(reply) => return reply,
        };
        match request.send().await {
            Ok(response) => judge(
                response.status(),
                response
                    .headers()
                    .get(RETRY_AFTER)
                    .and_then(|after| after.to_str().ok()),
            ),
            Err(error) if error.is_connect() => Reply::TryLater {
                reason: "connection failed".into(),
                after: None,
            },
            Err(error) if error.is_builder() => Reply::Refused("BadRequest".into()),
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

/// 2xx: taken. 408, 425, 429, 503: not now (RFC 9110, RFC 8470, RFC 6585). Other 5xx: something went wrong over there, perhaps after taking it.
fn judge(status: StatusCode, retry_after: Option<&str>) -> Reply {
    // Only the form in seconds: dates are rare, and without one our own back-off serves.
    let after = retry_after
        .and_then(|seconds| seconds.trim().parse().ok())
        .map(Duration::from_secs);
    match status.as_u16() {
        200..=299 => Reply::Sent,
        408 | 425 | 429 | 503 => Reply::TryLater {
            reason: format!("http {}", status.as_u16()),
            after,
        },
        500..=599 => Reply::Unknown(format!("http {}", status.as_u16())),
        _ => Reply::Refused(format!("Http{}", status.as_u16())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let of = |code, after| judge(StatusCode::from_u16(code).unwrap(), after);
        assert_eq!(of(202, None), Reply::Sent);
        assert_eq!(
            of(429, Some("7")),
            Reply::TryLater {
                reason: "http 429".into(),
                after: Some(Duration::from_secs(7))
            }
        );
        assert_eq!(of(500, None), Reply::Unknown("http 500".into()));
        assert_eq!(of(302, None), Reply::Refused("Http302".into()));
        assert_eq!(of(404, None), Reply::Refused("Http404".into()));
    }

    #[test]
    fn the_signature_is_that_of_the_standard_webhooks_example() {
        // The example of the Standard Webhooks specification's libraries.
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            signature(
                &key,
                "msg_p5jXN8AQM9LWM0D4loKWxJek",
                1_614_265_330,
                r#"{"test": 2432232314}"#
            ),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }
}
