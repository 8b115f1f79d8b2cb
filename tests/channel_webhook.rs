//! Webhooks over real connections: what a receiver gets and can verify, and what each of its answers means for the message.

mod channel_support;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use channel_support::{
    Mounted, Pki, hand_over,
    http::{Peer, Say},
    later, message, open, try_open, unknown,
};
use journey::{
    channel::{Channel, Reply},
    personal::Personal,
};
use ring::hmac;
use serde_json::{Value, json};
use std::{
    net::TcpListener,
    sync::Arc,
    time::{Duration, Instant},
};

fn adapter(peer: &Peer, more: Value) -> Value {
    let mut webhook = json!({"url": format!("http://{}/hooks/journey?tenant=7", peer.address)});
    for (name, value) in more.as_object().unwrap() {
        webhook[name] = value.clone();
    }
    json!({"webhook": webhook, "timeout": "1s"})
}

async fn scripted(script: Vec<Say>) -> (Peer, Arc<dyn Channel>) {
    let peer = Peer::start(None, script).await;
    let channel = open(adapter(&peer, json!({})), &Mounted::new(&[]));
    (peer, channel)
}

#[tokio::test]
async fn a_receiver_gets_a_cloud_event_under_the_messages_idempotency_key() {
    let (peer, channel) = scripted(vec![Say::Head("202 Accepted")]).await;
    let message = message(7);
    assert_eq!(hand_over(&*channel, &message).await, Reply::Sent);
    let [request] = &peer.requests()[..] else {
        panic!("one request")
    };
    assert_eq!(request.line, "POST /hooks/journey?tenant=7 HTTP/1.1");
    assert_eq!(
        request.header("content-type"),
        "application/cloudevents+json; charset=utf-8"
    );
    assert_eq!(request.header("idempotency-key"), "07".repeat(16));
    assert!(request.header("user-agent").starts_with("journey-operator/"));
    assert!(!request.headers.contains_key("authorization") && !request.headers.contains_key("webhook-signature"));
    assert_eq!(
        serde_json::from_str::<Value>(&request.body).unwrap(),
        json!({
            "specversion": "1.0",
            "id": "07".repeat(16),
            "source": "/namespaces/shop/journeys/abandoned-cart",
            "type": "dev.journey.message",
            "datacontenttype": "application/json",
            "data": {
                "touchpoint": "cart-reminder",
                "purpose": "marketing",
                "customer": "u1",
                "to": "ada@example.com",
                "content": {"subject": "Your cart", "text": "It waits.", "html": "<p>It waits.</p>"},
                "with": {"cart": "c 9"},
                "unsubscribe": message.unsubscribe.unwrap().expose(),
            }
        })
    );
}

/// As a receiver verifies it by <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.
fn verify(key: &[u8], request: &channel_support::http::Request) {
    let signed = format!(
        "{}.{}.{}",
        request.header("webhook-id"),
        request.header("webhook-timestamp"),
        request.body
    );
    let signature = request.header("webhook-signature").strip_prefix("v1,").unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::verify(&key, signed.as_bytes(), &STANDARD.decode(signature).unwrap()).unwrap();
    let now = journey::clock::now() / journey::clock::SECOND;
    let at: i64 = request.header("webhook-timestamp").parse().unwrap();
    assert!((now - at).abs() < 60);
}

#[tokio::test]
async fn a_receiver_can_verify_the_signature_and_a_rotated_key_signs_the_next_request() {
    let peer = Peer::start(None, vec![]).await;
    let first = STANDARD.encode(b"a key of some length");
    let mounted = Mounted::new(&[("hook/signing-key", format!("whsec_{first}\n").as_bytes())]);
    let signed = json!({"signature": {"secretRef": {"name": "hook"}}});
    let channel = open(adapter(&peer, signed), &mounted);
    assert_eq!(hand_over(&*channel, &message(1)).await, Reply::Sent);
    mounted.put("hook/signing-key", b"as it is");
    assert_eq!(hand_over(&*channel, &message(2)).await, Reply::Sent);
    mounted.put("hook/signing-key", b"whsec_%%%");
    assert_eq!(
        later(hand_over(&*channel, &message(3)).await),
        "the signing key after whsec_ is not base64"
    );
    let requests = peer.requests();
    assert_eq!(requests.len(), 2, "nothing goes out unsigned");
    verify(b"a key of some length", &requests[0]);
    verify(b"as it is", &requests[1]);
    assert_eq!(requests[1].header("webhook-id"), requests[1].header("idempotency-key"));
}

#[tokio::test]
async fn tokens_and_logins_come_from_secrets_and_rotated_ones_are_used_at_once() {
    let peer = Peer::start(None, vec![]).await;
    let mounted = Mounted::new(&[
        ("desk/token", b"first\n"),
        ("login/username", b"shop"),
        ("login/password", b"a:b"),
    ]);
    let bearer = json!({"auth": {"bearer": {"secretRef": {"name": "desk"}}}});
    let bearer = open(adapter(&peer, bearer), &mounted);
    hand_over(&*bearer, &message(1)).await;
    mounted.put("desk/token", b"second");
    hand_over(&*bearer, &message(2)).await;
    let basic = json!({"auth": {"basic": {"secretRef": {"name": "login"}}}});
    hand_over(&*open(adapter(&peer, basic), &mounted), &message(3)).await;
    let sent: Vec<String> = peer
        .requests()
        .iter()
        .map(|request| request.header("authorization").to_owned())
        .collect();
    let basic = format!("Basic {}", STANDARD.encode("shop:a:b"));
    assert_eq!(sent, ["Bearer first", "Bearer second", &basic]);

    for bad in [&b""[..], b"a\r\nX-Evil: 1", b"\xff"] {
        mounted.put("desk/token", bad);
        let reason = later(hand_over(&*bearer, &message(4)).await);
        assert!(reason.starts_with("desk/token of the mounted Secrets"), "{reason}");
    }
    assert_eq!(peer.requests().len(), 3);
}

#[tokio::test]
async fn the_adapters_own_body_and_headers_are_sent_and_never_in_the_place_of_ours() {
    let peer = Peer::start(None, vec![]).await;
    let own = json!({
        "method": "PUT",
        "headers": {"X-Team": "crm", "Idempotency-Key": "mine", "Webhook-Id": "mine"},
        "signature": {"secretRef": {"name": "hook"}},
        "body": "{\"who\": {{ customer.id | tojson }}, \"to\": {{ to | tojson }}, \"text\": {{ content.text | tojson }}, \"cart\": {{ with.cart | tojson }}}",
    });
    let mounted = Mounted::new(&[("hook/signing-key", b"key")]);
    let channel = open(adapter(&peer, own), &mounted);
    let mut quoted = message(1);
    quoted
        .content
        .insert("text".into(), Personal::new("a \"quote\"\nand a line".into()));
    assert_eq!(hand_over(&*channel, &quoted).await, Reply::Sent);
    let request = &peer.requests()[0];
    assert!(request.line.starts_with("PUT /hooks/journey"));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("x-team"), "crm");
    assert_eq!(request.header("idempotency-key"), "01".repeat(16));
    assert_eq!(request.header("webhook-id"), "01".repeat(16));
    verify(b"key", request);
    assert_eq!(
        serde_json::from_str::<Value>(&request.body).unwrap(),
        json!({"who": "u1", "to": "ada@example.com", "text": "a \"quote\"\nand a line", "cart": "c 9"})
    );
}

#[tokio::test]
async fn a_value_that_breaks_out_of_a_json_body_is_not_sent() {
    let peer = Peer::start(None, vec![]).await;
    let careless = json!({"body": "{\"text\": \"{{ content.text }}\"}"});
    let channel = open(adapter(&peer, careless), &Mounted::new(&[]));
    let mut quoted = message(1);
    quoted
        .content
        .insert("text".into(), Personal::new("a \"quote\"".into()));
    assert_eq!(
        hand_over(&*channel, &quoted).await,
        Reply::Refused("BodyNotJson".into())
    );
    assert_eq!(hand_over(&*channel, &message(2)).await, Reply::Sent);

    let plain = json!({"body": "{{ content.text }}", "headers": {"Content-Type": "text/plain"}});
    let channel = open(adapter(&peer, plain), &Mounted::new(&[]));
    assert_eq!(hand_over(&*channel, &message(3)).await, Reply::Sent);
    assert_eq!(peer.requests().last().unwrap().body, "It waits.");
    assert_eq!(peer.requests().last().unwrap().header("content-type"), "text/plain");
}

#[tokio::test]
async fn an_answer_says_whether_the_message_is_over() {
    let again = |reason: &str, after: Option<u64>| Reply::TryLater {
        reason: reason.into(),
        after: after.map(Duration::from_secs),
    };
    for (head, expected) in [
        ("200 OK", Reply::Sent),
        ("204 No Content", Reply::Sent),
        ("429 Too Many Requests\r\nretry-after: 7", again("http 429", Some(7))),
        (
            "429 Too Many Requests\r\nretry-after: Wed, 21 Oct 2026 07:28:00 GMT",
            again("http 429", None),
        ),
        (
            "503 Service Unavailable\r\nretry-after: 120",
            again("http 503", Some(120)),
        ),
        ("401 Unauthorized", again("http 401", None)),
        ("400 Bad Request", Reply::Refused("Http400".into())),
        ("410 Gone", Reply::Refused("Http410".into())),
        ("500 Oops", Reply::Unknown("http 500".into())),
        ("502 Bad Gateway", Reply::Unknown("http 502".into())),
    ] {
        let (peer, channel) = scripted(vec![Say::Head(head)]).await;
        assert_eq!(hand_over(&*channel, &message(1)).await, expected, "{head}");
        assert_eq!(peer.requests().len(), 1, "{head}: a channel tries once");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_with_a_customers_message() {
    let other = Peer::start(None, vec![]).await;
    for status in [
        "301 Moved",
        "302 Found",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        let head = format!("{status}\r\nlocation: http://{}/elsewhere", other.address);
        let (peer, channel) = scripted(vec![Say::Head(Box::leak(head.into_boxed_str()))]).await;
        let refused = format!("Http{}", &status[..3]);
        assert_eq!(hand_over(&*channel, &message(1)).await, Reply::Refused(refused));
        assert_eq!(peer.requests().len(), 1);
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn once_a_request_was_read_silence_and_a_cut_leave_its_fate_unknown() {
    let begun = Instant::now();
    let (peer, channel) = scripted(vec![Say::Silence]).await;
    assert_eq!(unknown(hand_over(&*channel, &message(1)).await), "timeout");
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(peer.requests().len(), 1);

    let (peer, channel) = scripted(vec![Say::Cut]).await;
    assert_eq!(unknown(hand_over(&*channel, &message(1)).await), "the connection broke");
    assert_eq!(
        peer.requests().len(),
        1,
        "whoever calls decides whether it is sent again"
    );
}

#[tokio::test]
async fn a_receiver_that_is_not_there_has_got_nothing() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for url in [format!("http://{gone}/"), "http://hooks.invalid/".to_owned()] {
        let channel = open(json!({"webhook": {"url": url}, "timeout": "2s"}), &Mounted::new(&[]));
        let reason = later(hand_over(&*channel, &message(1)).await);
        assert!(reason.starts_with("cannot connect: "), "{reason}");
    }
}

#[tokio::test]
async fn requests_share_connections_and_one_closed_meanwhile_costs_no_message() {
    let script = vec![Say::Head("200 OK"), Say::Head("200 OK\r\nconnection: close")];
    let (peer, channel) = scripted(script).await;
    for number in 1..=4 {
        assert_eq!(hand_over(&*channel, &message(number)).await, Reply::Sent);
    }
    assert_eq!((peer.requests().len(), peer.connections()), (4, 2));
}

#[tokio::test]
async fn over_https_only_a_receiver_that_a_known_authority_vouches_for_gets_anything() {
    let (pki, of_others) = (Pki::shared(), Pki::new());
    let mounted = Mounted::new(&[
        ("ca/ca.crt", &pki.ca()),
        ("ca/other", &of_others.ca()),
        ("ca/none", b"no PEM"),
    ]);
    let right = Peer::start(Some(pki.server("right")), vec![]).await;
    let wrong = Peer::start(Some(pki.server("wrong")), vec![]).await;
    let spec = |peer: &Peer, ca: Value| {
        let url = format!("https://localhost:{}/", peer.address.port());
        json!({"webhook": {"url": url, "ca": {"secretRef": ca}}, "timeout": "2s"})
    };
    let known = open(spec(&right, json!({"name": "ca"})), &mounted);
    assert_eq!(hand_over(&*known, &message(1)).await, Reply::Sent);

    let mut public_only = spec(&right, json!({"name": "ca"}));
    public_only["webhook"].as_object_mut().unwrap().remove("ca");
    let other = spec(&right, json!({"name": "ca", "key": "other"}));
    let another_name = spec(&wrong, json!({"name": "ca"}));
    for spec in [public_only, other, another_name] {
        let reason = later(hand_over(&*open(spec, &mounted), &message(2)).await);
        assert!(reason.contains("invalid peer certificate"), "{reason}");
    }
    assert_eq!((right.requests().len(), wrong.requests().len()), (1, 0));

    for (key, says) in [
        ("none", "holds no certificate in PEM"),
        ("missing", "ca/missing of the mounted Secrets"),
    ] {
        let error = try_open(spec(&right, json!({"name": "ca", "key": key})), &mounted)
            .err()
            .unwrap();
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn an_answer_is_read_where_it_is_wanted_and_one_that_breaks_off_is_unknown() {
    let long = format!("{{\"ticket\": \"{}\"}}", "x".repeat(70_000));
    let script = vec![
        Say::Body(r#"{"ticket": "T1"}"#.into()),
        Say::Body("<html>".into()),
        Say::Body(long),
        Say::Head("204 No Content"),
        Say::Half,
        Say::Head("422 Unprocessable Content"),
    ];
    let (peer, channel) = scripted(script).await;
    let message = journey::channel::Message {
        wants_answer: true,
        ..message(7)
    };
    let answered = |answer: Value| Reply::Answered(Personal::new(answer));
    assert_eq!(hand_over(&*channel, &message).await, answered(json!({"ticket": "T1"})));
    for unreadable in ["no JSON", "too long", "nothing"] {
        assert_eq!(
            hand_over(&*channel, &message).await,
            answered(Value::Null),
            "{unreadable}"
        );
    }
    assert_eq!(
        hand_over(&*channel, &message).await,
        Reply::Unknown("the answer broke off".into())
    );
    assert_eq!(hand_over(&*channel, &message).await, Reply::Refused("Http422".into()));
    assert_eq!(peer.requests().len(), 6);
}

#[tokio::test]
async fn the_end_of_a_message_is_told_by_its_own_method_and_key_as_the_message_went_out() {
    let gone = vec![
        Say::Head("204 No Content"),
        Say::Head("404 Not Found"),
        Say::Head("410 Gone"),
        Say::Head("400 Bad Request"),
    ];
    let peer = Peer::start(None, gone).await;
    let url = format!("http://{}/members/ended", peer.address);
    let channel = open(
        adapter(&peer, json!({"end": {"method": "DELETE", "url": url}})),
        &Mounted::new(&[]),
    );
    let ends = journey::channel::Message {
        ends: Some(message(7).key),
        ..message(8)
    };
    for over in ["taken", "there is none", "there is none any more"] {
        assert_eq!(hand_over(&*channel, &ends).await, Reply::Sent, "{over}");
    }
    assert_eq!(hand_over(&*channel, &ends).await, Reply::Refused("Http400".into()));
    let request = &peer.requests()[0];
    assert_eq!(request.line, "DELETE /members/ended HTTP/1.1");
    assert_eq!(request.header("idempotency-key"), "08".repeat(16));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(
        (
            &body["type"],
            &body["data"]["message"],
            &body["data"]["content"]["text"]
        ),
        (
            &json!("dev.journey.message.ended"),
            &json!("07".repeat(16)),
            &json!("It waits.")
        )
    );
    // An adapter that lost its end meanwhile calls nobody.
    let (peer, channel) = scripted(vec![]).await;
    assert_eq!(hand_over(&*channel, &ends).await, Reply::Refused("NoEnd".into()));
    assert!(peer.requests().is_empty());
}
