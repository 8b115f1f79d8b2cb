//! What producers of events, customers and operators may rely on at the gateway's door.

#[path = "gateway_http/choice.rs"]
mod choice;
#[path = "gateway_http/confirm.rs"]
mod confirm;
mod gateway_support;
#[path = "gateway_http/preferences.rs"]
mod preferences;
#[path = "gateway_http/signals.rs"]
mod signals;
#[path = "gateway_http/slots.rs"]
mod slots;
#[path = "gateway_http/survey.rs"]
mod survey;

use gateway_support::{NAMESPACE, Shop, answer, eventually, put};
use journey::{
    clock::{DAY, SECOND, now},
    gateway::{Limits, Replayed, View, replay},
    keys::{AddressKey, Keys, MessageKey},
    kpi::{IntakeCount, NotJoined},
    link::{self, Leave},
    policy::Consent,
    store::{Imported, MessageRow, Quarantined, memory::Memory},
};
use reqwest::header::{LOCATION, RETRY_AFTER};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::Write, sync::Arc};

fn viewed(id: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/site", "type": "page.viewed", "data": data})
}

async fn count(shop: &Shop, count: IntakeCount) -> i64 {
    shop.store.intake_counts(NAMESPACE).await.unwrap().total(&count.name())
}

fn quarantined(reason: &str) -> IntakeCount {
    IntakeCount::Quarantined { reason: reason.into() }
}

#[tokio::test]
async fn an_accepted_event_reaches_the_journeys_that_listen_with_what_it_taught() {
    let shop = Shop::open().await;
    let (status, answer) = shop
        .event("web-write-key", viewed("1", json!({"userId": "ada", "page": "/"})))
        .await;
    assert_eq!((status, &answer["accepted"]), (202, &json!(1)));
    shop.event("web-write-key", viewed("2", json!({"userId": "ada", "tier": "gold"})))
        .await;

    let arrived = shop.arrived("readers").await;
    assert_eq!(arrived.len(), 2);
    let (first, customer) = &arrived[0];
    assert_eq!(
        (first.name.as_str(), &first.data.expose()["page"]),
        ("page-viewed", &json!("/"))
    );
    assert_eq!(
        (
            &first.profile.expose()["visits"],
            &arrived[1].0.profile.expose()["visits"]
        ),
        (&json!(1), &json!(2))
    );
    assert_eq!(customer.attributes.expose()["tier"], "gold");
    assert_eq!(customer.id.expose(), "ada");
    assert!(shop.arrived("welcome").await.is_empty());
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_attribute_is_left_and_counted() {
    let shop = Shop::open().await;
    let (status, _) = shop
        .event(
            "web-write-key",
            viewed("1", json!({"userId": "ada", "tier": "platinum"})),
        )
        .await;
    assert_eq!(status, 202);
    let (_, customer) = &shop.arrived("readers").await[0];
    assert_eq!(
        (
            customer.attributes.expose().get("tier"),
            &customer.attributes.expose()["visits"]
        ),
        (None, &json!(1))
    );
    assert!(
        shop.metrics().contains("journey_attributes_left_unchanged_total 1\n"),
        "{}",
        shop.metrics()
    );
}

#[tokio::test]
async fn an_event_that_is_sent_again_counts_once_within_its_source() {
    let shop = Shop::open().await;
    for _ in 0..3 {
        assert_eq!(
            shop.event("web-write-key", viewed("1", json!({"userId": "ada"})))
                .await
                .0,
            202
        );
    }
    let mut other = viewed("1", json!({"userId": "ada"}));
    other["source"] = json!("/app");
    let (_, answer) = shop.event("web-write-key", other).await;
    assert_eq!(answer["results"][0]["result"], "accepted");
    let (_, answer) = shop
        .event("core-write-key", viewed("1", json!({"userId": "ada"})))
        .await;
    assert_eq!(answer["results"][0]["result"], "accepted");
    assert_eq!(
        (
            count(&shop, IntakeCount::Accepted).await,
            count(&shop, IntakeCount::Duplicate).await
        ),
        (3, 2)
    );
    assert_eq!(shop.arrived("readers").await.len(), 3);
}

#[tokio::test]
async fn cloud_events_come_in_all_three_modes() {
    let shop = Shop::open().await;
    let binary = shop
        .http
        .post(format!("{}/v1/events", shop.url))
        .bearer_auth("core-write-key")
        .header("content-type", "application/json")
        .header("ce-specversion", "1.0")
        .header("ce-id", "b1")
        .header("ce-source", "/orders")
        .header("ce-type", "order.placed")
        .body(r#"{"userId":"ada","total":12.5}"#);
    assert_eq!(answer(binary).await.0, 202);
    let batch = json!([
        viewed("1", json!({"userId": "ada"})),
        viewed("1", json!({"userId": "ada"})),
        viewed("2", json!({"userId": "ada", "page": "a path that is far too long"})),
        {"specversion": "1.0"},
        viewed("3", json!({"userId": "bob"})),
    ]);
    let (status, answer) = shop
        .post(
            "/v1/events",
            "core-write-key",
            "application/cloudevents-batch+json",
            &batch,
        )
        .await;
    let results: Vec<_> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["result"].as_str().unwrap())
        .collect();
    assert_eq!(
        results,
        ["accepted", "duplicate", "quarantined", "quarantined", "accepted"]
    );
    assert_eq!(
        (
            status,
            &answer["accepted"],
            &answer["duplicate"],
            &answer["quarantined"]
        ),
        (202, &json!(2), &json!(1), &json!(2))
    );
    assert_eq!(shop.arrived("readers").await.len(), 3);
}

#[tokio::test]
async fn news_is_accepted_once_comes_to_everybody_and_is_not_brought_by_a_key_that_everyone_knows() {
    let shop = Shop::open().await;
    let fair = |id: &str, data: Value| json!({"specversion": "1.0", "id": id, "source": "/fairs", "type": "fair.opened", "data": data});
    let batch = json!([
        viewed("1", json!({"userId": "ada"})),
        fair("f1", json!({"country": "AT"})),
        viewed("2", json!({"userId": "bob"})),
        fair("f1", json!({"country": "AT"})),
        fair("f2", json!({"country": 7})),
    ]);
    let (status, answer) = shop
        .post(
            "/v1/events",
            "core-write-key",
            "application/cloudevents-batch+json",
            &batch,
        )
        .await;
    let results = answer["results"].as_array().unwrap();
    let results: Vec<_> = results.iter().map(|one| one["result"].as_str().unwrap()).collect();
    assert_eq!(
        (status, results.as_slice()),
        (
            202,
            ["accepted", "accepted", "accepted", "duplicate", "quarantined"].as_slice()
        )
    );
    assert_eq!(count(&shop, IntakeCount::Accepted).await, 3);
    let (_, answer) = shop.event("web-write-key", fair("f3", json!({}))).await;
    assert_eq!(answer["results"][0]["reason"], "NotFrom");

    let hold = shop
        .store
        .join(
            NAMESPACE,
            "readers",
            uuid::Uuid::new_v4(),
            std::time::Duration::from_secs(60),
        )
        .await
        .unwrap();
    let request = journey::store::RoundRequest {
        limit: 100,
        news: 100,
        ..Default::default()
    };
    let mut heard = vec![];
    for _ in 0..70 {
        let mut hear = |round: journey::store::Round| {
            for turn in round.customers {
                heard.extend(turn.news.map(|(_, event)| {
                    (
                        turn.customer.id.expose().clone(),
                        event.data.expose()["country"].clone(),
                    )
                }));
            }
            journey::store::RoundCommit::default()
        };
        shop.store.round(&hold, &request, &mut hear).await.unwrap();
    }
    heard.sort_by_key(|(customer, _)| customer.clone());
    assert_eq!(
        heard,
        [("ada".to_owned(), json!("AT")), ("bob".to_owned(), json!("AT"))]
    );
}

#[tokio::test]
async fn what_cannot_be_taken_is_put_aside_with_its_reason_and_the_books_balance() {
    let shop = Shop::open().await;
    let order =
        json!({"specversion": "1.0", "id": "o1", "source": "/site", "type": "order.placed", "data": {"userId": "eve"}});
    for (event, reason) in [
        (
            json!({"specversion": "1.0", "id": "1", "source": "/site", "type": "unheard.of"}),
            "NoTouchpoint",
        ),
        (order, "NotFrom"),
        (viewed("2", json!({"userId": 7})), "SchemaViolation"),
        (viewed("3", json!({"userId": " "})), "NoCustomer"),
    ] {
        let (status, answer) = shop.event("web-write-key", event).await;
        assert_eq!((status, &answer["results"][0]["reason"]), (202, &json!(reason)));
        assert_eq!(count(&shop, quarantined(reason)).await, 1);
    }
    let metrics = shop.metrics();
    assert!(
        metrics.contains(r#"journey_events_received_total{source="web",result="quarantined",reason="NotFrom"} 1"#),
        "{metrics}"
    );
    assert_eq!(count(&shop, IntakeCount::Accepted).await, 0);
    let rows = shop.store.quarantined(NAMESPACE, 0, 10).await.unwrap();
    assert_eq!(rows.len(), 4);
    assert_eq!(
        (rows[0].1.source.as_str(), &rows[2].1.event.expose()["data"]["userId"]),
        ("web", &json!(7))
    );
}

#[tokio::test]
async fn a_visitor_who_says_who_they_are_is_one_customer_from_then_on() {
    let shop = Shop::open().await;
    let event = |id: &str, kind: &str, data: Value| json!({"specversion": "1.0", "id": id, "source": "/site", "type": kind, "data": data});
    let send = |event: Value| shop.event("web-write-key", event);
    send(event("1", "browsed", json!({"anonymousId": "a1"}))).await;
    send(event("2", "signed.up", json!({"userId": "ada", "anonymousId": "a1"}))).await;
    send(event("3", "browsed", json!({"anonymousId": "a1"}))).await;
    let arrived = shop.arrived("readers").await;
    let names: Vec<_> = arrived.iter().map(|(event, _)| event.name.as_str()).collect();
    assert_eq!(names, ["browsed", "signed-up", "browsed"]);
    assert!(arrived.iter().all(|(_, customer)| customer.id.expose() == "ada"));
    assert_eq!(
        arrived[2].0.profile.expose()["visits"],
        2,
        "what the visitor did is hers"
    );
    assert_eq!(count(&shop, IntakeCount::Joined).await, 1);

    // Somebody else on the same device is somebody else.
    send(event("4", "signed.up", json!({"userId": "bob", "anonymousId": "a1"}))).await;
    assert_eq!(shop.arrived("readers").await[0].1.id.expose(), "bob");
    assert_eq!(count(&shop, IntakeCount::NotJoined(NotJoined::TwoCustomers)).await, 1);
}

#[tokio::test]
async fn a_public_key_joins_anonymous_ids_only() {
    let shop = Shop::open().await;
    let event = json!({"specversion": "1.0", "id": "1", "source": "/site", "type": "signed.up",
        "data": {"userId": "eve", "formerId": "lovelace"}});
    let (status, answer) = shop.event("web-write-key", event.clone()).await;
    assert_eq!((status, &answer["results"][0]["reason"]), (202, &json!("MayNotJoin")));
    assert!(!answer.to_string().contains("lovelace"), "{answer}");
    assert_eq!(count(&shop, IntakeCount::Joined).await, 0);
    shop.event("core-write-key", event).await;
    assert_eq!(
        count(&shop, IntakeCount::Joined).await,
        1,
        "a source with a secret key may"
    );
}

#[tokio::test]
async fn no_answer_and_no_reason_repeats_what_was_sent() {
    let shop = Shop::open().await;
    let secret = "ada@example.com";
    let schema = viewed(
        "1",
        json!({"userId": "u", "page": format!("{secret}-{secret}"), secret: 1}),
    );
    let mut texts = vec![shop.event("web-write-key", schema).await.1.to_string()];
    texts.push(
        shop.event("web-write-key", viewed("2", json!({"userId": {"x": secret}})))
            .await
            .1
            .to_string(),
    );
    for (content_type, body) in [
        ("application/cloudevents+json", format!("{{\"id\": {secret}")),
        ("application/cloudevents+json", format!("\"{secret}\"")),
        (
            "application/cloudevents+json",
            format!("{{\"specversion\":\"1.0\",\"id\":\"i\",\"source\":\"s\",\"type\":\"t\",\"time\":\"{secret}\"}}"),
        ),
    ] {
        let request = shop
            .http
            .post(format!("{}/v1/events", shop.url))
            .bearer_auth("web-write-key")
            .header("content-type", content_type);
        let (status, answer) = answer(request.body(body)).await;
        assert_eq!(status, 400);
        texts.push(answer.to_string());
    }
    texts.push(
        shop.post("/v1/track", secret, "application/json", &json!({"event": secret}))
            .await
            .1
            .to_string(),
    );
    for (_, row) in shop.store.quarantined(NAMESPACE, 0, 10).await.unwrap() {
        texts.push(format!("{row:?}"));
    }
    assert_eq!(texts.len(), 8);
    for text in texts {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(!shop.metrics().contains(secret));
}

#[tokio::test]
async fn a_write_key_opens_only_its_own_source() {
    let shop = Shop::open().await;
    let event = viewed("1", json!({"userId": "ada"}));
    for key in ["", "nobody", "web-write-key ", "core-write-key\n"] {
        let request = shop
            .http
            .post(format!("{}/v1/events", shop.url))
            .header("content-type", "application/cloudevents+json");
        let request = if key.is_empty() {
            request
        } else {
            request.basic_auth(key, None::<&str>)
        };
        let (status, answer) = answer(request.body(event.to_string())).await;
        assert_eq!(status, 401, "{key}");
        assert!(answer["error"]["message"].as_str().unwrap().contains("write key"));
    }
    assert_eq!(shop.event("core-write-key", event).await.0, 202);
}

#[tokio::test]
async fn a_rotated_key_is_taken_up_without_a_restart() {
    let shop = Shop::open().await;
    std::fs::write(shop.secrets.path().join("web-key/key"), "rotated").unwrap();
    for _ in 0..100 {
        if shop.event("rotated", viewed("1", json!({"userId": "ada"}))).await.0 == 202 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(
        shop.event("rotated", viewed("2", json!({"userId": "ada"}))).await.0,
        202
    );
    assert_eq!(
        shop.event("web-write-key", viewed("3", json!({"userId": "ada"})))
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn segment_calls_are_events_whatever_way_the_key_comes() {
    let shop = Shop::open().await;
    let track = json!({"type": "track", "event": "page.viewed", "userId": "ada", "messageId": "m1", "properties": {"page": "/"}});
    let (status, said) = shop
        .post("/v1/track", "web-write-key", "application/json", &track)
        .await;
    assert_eq!((status, said), (200, json!({"success": true})));
    let identify = json!({"userId": "ada", "messageId": "m2", "traits": {"email": "ada@example.com"}, "writeKey": "web-write-key"});
    let by_body = shop
        .http
        .post(format!("{}/v1/i", shop.url))
        .header("content-type", "text/plain")
        .body(identify.to_string());
    assert_eq!(answer(by_body).await, (200, json!({"success": true})));
    let batch = json!({"batch": [track, {"type": "page", "userId": "ada", "messageId": "m3"}, {"type": "fax"}], "sentAt": "2026-11-24T10:00:00Z"});
    let mut gzip = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    gzip.write_all(batch.to_string().as_bytes()).unwrap();
    let packed = shop
        .http
        .post(format!("{}/v1/batch", shop.url))
        .basic_auth("web-write-key", Some(""))
        .header("content-encoding", "gzip");
    assert_eq!(
        answer(packed.body(gzip.finish().unwrap())).await,
        (200, json!({"success": true}))
    );

    assert_eq!(
        (
            count(&shop, IntakeCount::Accepted).await,
            count(&shop, IntakeCount::Duplicate).await
        ),
        (2, 1)
    );
    assert_eq!(
        (
            count(&shop, quarantined("NoTouchpoint")).await,
            count(&shop, quarantined("Malformed")).await
        ),
        (1, 1)
    );
    let (_, customer) = &shop.arrived("readers").await[0];
    assert_eq!(customer.attributes.expose()["email"], "ada@example.com");
    assert_eq!(
        shop.post("/v1/fax", "web-write-key", "application/json", &json!({}))
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn what_a_full_journey_listens_for_is_refused_until_it_has_caught_up() {
    let store = Arc::new(Memory::new(Arc::new(journey::clock::SystemClock)));
    let limits = Limits {
        inbox: 1,
        look: std::time::Duration::from_millis(10),
        ..Limits::default()
    };
    let shop = Shop::with(store, Keys::ephemeral(), limits).await;
    // Nobody takes them out of the inbox of `readers`.
    let mut refused = None;
    for n in 0..500 {
        let request = shop
            .http
            .post(format!("{}/v1/events", shop.url))
            .bearer_auth("web-write-key");
        let request = request.header("content-type", "application/cloudevents+json");
        let event = viewed(&n.to_string(), json!({"userId": "ada"})).to_string();
        let response = request.body(event).send().await.unwrap();
        if response.status().as_u16() == 503 {
            refused = Some((n, response));
            break;
        }
        assert_eq!(response.status().as_u16(), 202);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let (n, response) = refused.expect("it is full at some time");
    assert!(n >= 2, "two may come in at least");
    assert_eq!(response.headers()["retry-after"], "10");
    let said: Value = response.json().await.unwrap();
    assert_eq!(said["error"]["code"], "Full");
    assert!(said["error"]["message"].as_str().unwrap().contains("readers"), "{said}");
    assert!(shop.metrics().contains("journey_gateway_full_journeys 1"));
    // What it does not listen for is taken as ever.
    let other = json!({"specversion": "1.0", "id": "o", "source": "/s", "type": "identify", "data": {"userId": "ada"}});
    assert_eq!(shop.event("core-write-key", other).await.0, 202);
    assert_eq!(
        shop.arrived("readers").await.len(),
        n,
        "nothing of a refused request was taken"
    );
    let mut status = 503;
    for _ in 0..500 {
        status = shop
            .event("web-write-key", viewed("again", json!({"userId": "ada"})))
            .await
            .0;
        if status == 202 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(status, 202, "it has room again");
}

#[tokio::test]
async fn what_is_too_much_is_refused_with_a_word_when_to_come_again() {
    let store = Arc::new(Memory::new(Arc::new(journey::clock::SystemClock)));
    let limits = Limits {
        body: 2000,
        batch: 10,
        ..Limits::default()
    };
    let shop = Shop::with(store, Keys::ephemeral(), limits).await;
    let large = viewed("1", json!({"userId": "a".repeat(3000)}));
    assert_eq!(shop.event("web-write-key", large).await.0, 413);
    let many: Vec<Value> = (0..11).map(|n| json!({"id": n})).collect();
    let (status, said) = shop
        .post(
            "/v1/events",
            "web-write-key",
            "application/cloudevents-batch+json",
            &json!(many),
        )
        .await;
    assert_eq!((status, &said["error"]["code"]), (413, &json!("TooLarge")));

    let mut refused = None;
    for n in 0..3 {
        let request = shop
            .http
            .post(format!("{}/v1/events", shop.url))
            .bearer_auth("slow-write-key");
        let request = request.header("content-type", "application/cloudevents+json");
        let response = request
            .body(viewed(&n.to_string(), json!({"userId": "ada"})).to_string())
            .send()
            .await
            .unwrap();
        if response.status() == 429 {
            refused = Some(
                response.headers()[RETRY_AFTER]
                    .to_str()
                    .unwrap()
                    .parse::<u64>()
                    .unwrap(),
            );
        }
    }
    assert!(matches!(refused, Some(1..=3)), "{refused:?}");
    assert_eq!(
        shop.event("web-write-key", viewed("9", json!({"userId": "ada"})))
            .await
            .0,
        202,
        "other sources go on"
    );
}

#[tokio::test]
async fn many_requests_at_once_are_each_answered_for_their_own_events() {
    let shop = Arc::new(Shop::open().await);
    let sending = (0..200).map(|n| {
        let shop = Arc::clone(&shop);
        tokio::spawn(async move {
            let id = (n % 150).to_string();
            let data = if n % 10 == 9 {
                json!({"userId": 1})
            } else {
                json!({"userId": format!("u{}", n % 7)})
            };
            let (status, answer) = shop.event("core-write-key", viewed(&id, data)).await;
            assert_eq!((status, answer["results"].as_array().unwrap().len()), (202, 1));
            answer["results"][0]["result"].as_str().unwrap().to_owned()
        })
    });
    let mut results: BTreeMap<String, i64> = BTreeMap::new();
    for sent in sending.collect::<Vec<_>>() {
        *results.entry(sent.await.unwrap()).or_default() += 1;
    }
    assert_eq!(
        results,
        BTreeMap::from([
            ("accepted".into(), 135),
            ("duplicate".into(), 45),
            ("quarantined".into(), 20)
        ])
    );
    assert_eq!(shop.arrived("readers").await.len(), 135);
}

#[tokio::test]
async fn browsers_may_call_from_the_sites_that_an_adapter_names() {
    let shop = Shop::open().await;
    let preflight = |origin: &'static str| {
        let request = shop
            .http
            .request(reqwest::Method::OPTIONS, format!("{}/v1/t", shop.url))
            .header("origin", origin);
        request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type")
            .send()
    };
    let allowed = preflight("https://shop.example").await.unwrap();
    assert_eq!(
        (
            allowed.status().as_u16(),
            &allowed.headers()["access-control-allow-origin"]
        ),
        (204, &"https://shop.example".parse().unwrap())
    );
    assert_eq!(
        allowed.headers()["access-control-allow-headers"],
        "authorization,content-type"
    );
    let refused = preflight("https://evil.example").await.unwrap();
    assert_eq!(
        (
            refused.status().as_u16(),
            refused.headers().get("access-control-allow-origin")
        ),
        (403, None)
    );

    for (origin, expected) in [
        ("https://shop.example", Some("https://shop.example")),
        ("https://evil.example", None),
    ] {
        let request = shop
            .http
            .post(format!("{}/v1/t", shop.url))
            .header("origin", origin)
            .bearer_auth("web-write-key");
        let response = request
            .json(&json!({"event": "page.viewed", "userId": "ada"}))
            .send()
            .await
            .unwrap();
        assert_eq!(
            response
                .headers()
                .get("access-control-allow-origin")
                .map(|value| value.to_str().unwrap()),
            expected
        );
        assert_eq!(response.headers()["vary"], "Origin");
    }
}

#[tokio::test]
async fn consent_follows_the_customers_latest_word_and_journeys_hear_of_changes_only() {
    let shop = Shop::open().await;
    for (id, newsletter) in [
        ("1", json!(true)),
        ("2", json!(true)),
        ("3", Value::Null),
        ("4", json!(false)),
        ("5", json!(true)),
    ] {
        let data = if newsletter.is_null() {
            json!({"userId": "ada"})
        } else {
            json!({"userId": "ada", "newsletter": newsletter})
        };
        assert_eq!(shop.event("web-write-key", viewed(id, data)).await.0, 202);
    }
    // An old word that comes late changes nothing.
    let mut late = viewed("6", json!({"userId": "ada", "newsletter": false}));
    late["time"] = json!("2026-01-01T00:00:00Z");
    shop.event("web-write-key", late).await;
    assert_eq!(
        shop.event(
            "web-write-key",
            viewed("7", json!({"userId": "bob", "newsletter": false}))
        )
        .await
        .0,
        202
    );

    // Committed with the events that brought them: there is nothing to wait for.
    let heard = shop.arrived("welcome").await;
    assert_eq!(heard.len(), 2);
    assert!(
        heard
            .iter()
            .all(|(event, _)| event.name == "consent/granted" && event.data.expose()["purpose"] == "marketing")
    );
    let consent = heard[1].1.consents["marketing"];
    assert!(consent.is_granted());
    let readers: Vec<_> = shop
        .arrived("readers")
        .await
        .into_iter()
        .filter(|(event, _)| event.name.starts_with("consent/"))
        .collect();
    assert_eq!(
        readers.iter().map(|(event, _)| event.name.as_str()).collect::<Vec<_>>(),
        ["consent/withdrawn"]
    );
    assert_eq!(
        (
            count(&shop, IntakeCount::Accepted).await,
            count(&shop, IntakeCount::Followed).await
        ),
        (7, 3)
    );
    assert!(shop.metrics().contains("journey_events_followed_total 3"));
}

#[tokio::test]
async fn a_consent_in_an_event_that_was_put_aside_is_heard_when_it_is_replayed() {
    let shop = Shop::open().await;
    let row = Quarantined {
        reason: "SchemaViolation".into(),
        detail: String::new(),
        source: "web".into(),
        at: now(),
        event: viewed("1", json!({"userId": "ada", "newsletter": true})).into(),
    };
    shop.store.quarantine(NAMESPACE, &[row]).await.unwrap();
    let [(id, _)] = shop.store.quarantined(NAMESPACE, 0, 10).await.unwrap()[..] else {
        panic!("one row was put aside")
    };
    let programs = shop.store.programs(NAMESPACE, -1).await.unwrap().unwrap();
    let view = View::of_programs(&programs).unwrap();
    let replayed = replay(shop.store.as_ref(), &shop.keys, NAMESPACE, &view, id).await;
    assert_eq!(replayed.unwrap(), Replayed::Accepted);
    let heard = shop.arrived("welcome").await;
    assert_eq!(heard[0].0.name, "consent/granted");
    assert!(heard[0].1.consents["marketing"].is_granted());
}

/// RFC 8058, section 3.2.
const ONE_CLICK: &str = "List-Unsubscribe=One-Click";
const MESSAGE: MessageKey = MessageKey([9; 16]);

/// A shop whose customer ada has consented and was sent the newsletter.
async fn with_message() -> Shop {
    with_message_to(None).await
}

/// To this address.
async fn with_message_to(address: Option<AddressKey>) -> Shop {
    let shop = Shop::open().await;
    shop.event(
        "web-write-key",
        viewed("1", json!({"userId": "ada", "newsletter": true})),
    )
    .await;
    let message = MessageRow {
        key: MESSAGE,
        journey: "readers".into(),
        customer: shop.keys.customer(NAMESPACE, "userId", "ada"),
        enrollment: 1,
        step: "mail".into(),
        occurrence: 1,
        touchpoint: "newsletter".into(),
        purpose: "marketing".into(),
        channel: "Email".into(),
        at: now(),
        address,
        outcome: None,
    };
    let arrived = shop.round("readers", vec![message]).await;
    assert!(arrived[0].1.consents["marketing"].is_granted());
    shop
}

/// The unsubscribe link of that message.
fn leave(shop: &Shop, keys: &Keys) -> String {
    let leave = Leave {
        message: MESSAGE,
        customer: shop.keys.customer(NAMESPACE, "userId", "ada"),
        purpose: "marketing".into(),
    };
    link::unsubscribe(keys, &shop.url, NAMESPACE, &leave)
}

#[tokio::test]
async fn a_tracked_link_leads_on_and_its_click_reaches_the_enrollment_that_sent_it() {
    let shop = with_message().await;
    let target = "https://shop.example/news?a=1&b=2";
    let link = link::tracked(&shop.keys, &shop.url, NAMESPACE, MESSAGE, target);
    let head = shop.http.head(&link).send().await.unwrap();
    assert_eq!(
        (head.status().as_u16(), head.headers()[LOCATION].to_str().unwrap()),
        (302, target)
    );
    let prefetch = shop
        .http
        .get(&link)
        .header("sec-purpose", "prefetch;prerender")
        .send()
        .await
        .unwrap();
    assert_eq!(prefetch.status().as_u16(), 302);
    assert!(shop.arrived("readers").await.is_empty(), "nobody has clicked yet");

    let click = shop.http.get(&link).send().await.unwrap();
    assert_eq!(
        (click.status().as_u16(), click.headers()[LOCATION].to_str().unwrap()),
        (302, target)
    );
    assert_eq!(click.headers()["cache-control"], "no-store");
    let arrived = shop.arrived("readers").await;
    let about = arrived[0].0.about.as_ref().unwrap();
    assert_eq!(
        (arrived[0].0.name.as_str(), about.step.as_str(), about.enrollment),
        ("newsletter/clicked", "mail", 1)
    );
    assert_eq!(arrived[0].0.data.expose()["url"], target);
}

#[tokio::test]
async fn impatience_is_counted_as_the_store_counts_it() {
    let shop = with_message().await;
    let link = link::tracked(&shop.keys, &shop.url, NAMESPACE, MESSAGE, "https://shop.example/");
    // Of three clicks two at least are within one minute.
    for _ in 0..3 {
        assert_eq!(shop.http.get(&link).send().await.unwrap().status().as_u16(), 302);
    }
    let arrived = shop.arrived("readers").await.len();
    assert!((1..=2).contains(&arrived), "{arrived}");
    let counted = |result: &str, n: usize| {
        let line = format!(r#"journey_events_received_total{{source="link",result="{result}",reason=""}} {n}"#);
        assert!(shop.metrics().contains(&line), "{line}\n{}", shop.metrics());
    };
    counted("accepted", arrived);
    counted("duplicate", 3 - arrived);
}

#[tokio::test]
async fn a_link_that_we_did_not_sign_leads_nowhere() {
    let shop = with_message().await;
    let link = link::tracked(&shop.keys, &shop.url, NAMESPACE, MESSAGE, "https://shop.example/");
    let elsewhere = link.replace("shop.example", "evil.example");
    let of_others = link::tracked(&shop.keys, &shop.url, "other", MESSAGE, "https://shop.example/");
    for forged in [
        elsewhere,
        of_others,
        format!("{}/l/x?to=https://evil.example", shop.url),
        format!("{}/l/x", shop.url),
    ] {
        let response = shop.http.get(&forged).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers().get(LOCATION)),
            (404, None),
            "{forged}"
        );
        assert!(response.text().await.unwrap().contains("This link does not work"));
    }
}

#[tokio::test]
async fn opening_the_unsubscribe_page_changes_nothing_and_one_post_withdraws() {
    let shop = with_message().await;
    let link = leave(&shop, &shop.keys);
    let page = shop.http.get(&link).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    let html = page.text().await.unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe") && !html.contains("<script"));
    assert!(
        html.contains("<form method=\"post\">") && html.contains("marketing") && html.contains("<html lang=\"en\">")
    );
    // A POST that does not mean it (RFC 8058, 3.2) shows the page again.
    assert!(
        shop.http
            .post(&link)
            .body("")
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .contains("<form")
    );
    assert!(shop.arrived("readers").await.is_empty());

    let one_click = shop.http.post(&link).body(ONE_CLICK).send().await.unwrap();
    assert_eq!(one_click.status().as_u16(), 200);
    assert!(one_click.text().await.unwrap().contains("You are unsubscribed"));
    let arrived = shop.arrived("readers").await;
    assert_eq!(
        (arrived[0].0.name.as_str(), &arrived[0].0.data.expose()["purpose"]),
        ("consent/withdrawn", &json!("marketing"))
    );
    assert!(!arrived[0].1.consents["marketing"].is_granted());
}

#[tokio::test]
async fn an_unsubscribe_link_works_when_its_journey_and_its_message_are_gone() {
    let shop = with_message().await;
    let link = leave(&shop, &shop.keys);
    shop.store.remove_journey(NAMESPACE, "readers").await.unwrap();
    assert_eq!(shop.store.message(NAMESPACE, MESSAGE).await.unwrap(), None);

    let page = shop.http.get(&link).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.text().await.unwrap().contains("<strong>marketing</strong>"));
    let posted = shop.http.post(&link).body(ONE_CLICK).send().await.unwrap();
    assert_eq!(posted.status().as_u16(), 200);

    put(shop.store.as_ref()).await;
    let (status, _) = shop.event("web-write-key", viewed("2", json!({"userId": "ada"}))).await;
    assert_eq!(status, 202);
    let (_, customer) = &shop.arrived("readers").await[0];
    assert!(!customer.consents["marketing"].is_granted());
}

#[tokio::test]
async fn an_unsubscribe_link_of_a_customer_who_is_gone_is_answered_and_brings_nobody_back() {
    let shop = Shop::open().await;
    for _ in 0..2 {
        let posted = shop.http.post(leave(&shop, &shop.keys)).body(ONE_CLICK);
        assert_eq!(posted.send().await.unwrap().status().as_u16(), 200);
    }
    assert!(shop.arrived("readers").await.is_empty());
    assert_eq!(count(&shop, IntakeCount::Accepted).await, 0);
}

#[tokio::test]
async fn a_withdrawal_holds_against_a_consent_by_a_clock_that_is_ahead() {
    let shop = with_message().await;
    let key = shop.keys.customer(NAMESPACE, "userId", "ada");
    let ahead = Imported {
        key,
        anonymous: false,
        id: "ada".to_owned().into(),
        attributes: serde_json::Map::new().into(),
        consents: BTreeMap::from([("marketing".into(), Consent::said(true, now() + DAY))]),
        evidence: BTreeMap::new(),
    };
    shop.store.import(NAMESPACE, &[ahead], "file", 1).await.unwrap();
    let link = leave(&shop, &shop.keys);
    let body = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    let request = shop
        .http
        .post(&link)
        .header("content-type", "multipart/form-data; boundary=x")
        .body(body);
    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
    let (_, customer) = &shop.arrived("readers").await[0];
    assert!(
        !customer.consents["marketing"].is_granted() && customer.consents["marketing"].at > now() + DAY - 60 * SECOND
    );
}

#[tokio::test]
async fn a_forged_unsubscribe_link_withdraws_nothing() {
    let shop = with_message().await;
    let forged = leave(&shop, &Keys::ephemeral());
    let click = link::tracked(&shop.keys, &shop.url, NAMESPACE, MESSAGE, "https://shop.example/").replace("/l/", "/u/");
    for link in [forged, click] {
        assert_eq!(shop.http.get(&link).send().await.unwrap().status().as_u16(), 404);
        let posted = shop.http.post(&link).body(ONE_CLICK).send().await.unwrap();
        assert_eq!(posted.status().as_u16(), 404);
    }
    assert!(shop.arrived("readers").await.is_empty());
}

#[tokio::test]
async fn at_shutdown_what_is_under_way_is_finished() {
    let mut shop = Shop::open().await;
    let sending: Vec<_> = (0..50)
        .map(|n| {
            let request = shop
                .http
                .post(format!("{}/v1/events", shop.url))
                .bearer_auth("core-write-key");
            let request = request.header("content-type", "application/cloudevents+json");
            tokio::spawn(
                request
                    .body(viewed(&n.to_string(), json!({"userId": "ada"})).to_string())
                    .send(),
            )
        })
        .collect();
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    shop.stop().await;
    let mut accepted = 0;
    for sent in sending {
        // Those that came too late were not taken, and know it.
        if sent.await.unwrap().is_ok_and(|response| response.status() == 202) {
            accepted += 1;
        }
    }
    assert_eq!(shop.arrived("readers").await.len(), accepted);
}

#[tokio::test]
async fn durations_are_measured_by_route_and_no_token_is_a_label() {
    let shop = with_message().await;
    shop.http.get(leave(&shop, &shop.keys)).send().await.unwrap();
    eventually(|| shop.metrics().contains(r#"route="/u/{token}",status="200""#)).await;
    assert!(
        shop.metrics()
            .contains(r#"journey_gateway_request_duration_seconds_count{route="/v1/events",status="202"} 1"#)
    );
    assert!(shop.metrics().contains("journey_program_version "));
}

fn receipt(id: &str, data: Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/provider", "type": "dev.journey.receipt", "data": data})
}

#[tokio::test]
async fn a_receipt_reaches_the_enrollment_that_sent_the_message_once() {
    let shop = with_message().await;
    let key = MESSAGE.to_string();
    let bounced = receipt(
        "b-1",
        json!({"message": key, "event": "bounced", "kind": "Hard", "reason": "no such mailbox", "to": "ada@example.com"}),
    );
    let (status, taken) = shop.event("core-write-key", bounced.clone()).await;
    assert_eq!((status, &taken["accepted"]), (202, &json!(1)), "{taken}");
    let (_, again) = shop.event("core-write-key", bounced).await;
    assert_eq!(again["duplicate"], 1, "{again}");
    // Nobody listens for it: it is accepted all the same.
    let (_, delivered) = shop
        .event(
            "core-write-key",
            receipt("d-1", json!({"message": key, "event": "delivered"})),
        )
        .await;
    assert_eq!(delivered["accepted"], 1, "{delivered}");
    let arrived = shop.arrived("readers").await;
    assert_eq!(arrived.len(), 1);
    let event = &arrived[0].0;
    let about = event.about.as_ref().unwrap();
    assert_eq!(
        (event.name.as_str(), about.step.as_str(), about.enrollment),
        ("newsletter/bounced", "mail", 1)
    );
    assert_eq!(
        Value::Object(event.data.expose().clone()),
        json!({"reason": "no such mailbox", "kind": "Hard"}),
        "nothing else is kept"
    );
}

#[tokio::test]
async fn a_receipt_that_cannot_be_believed_is_put_aside_with_the_reason() {
    let shop = with_message().await;
    let key = MESSAGE.to_string();
    for (write_key, data, reason) in [
        ("web-write-key", json!({"message": key, "event": "bounced"}), "NotFrom"),
        (
            "core-write-key",
            json!({"message": "0".repeat(32), "event": "bounced"}),
            "UnknownMessage",
        ),
        (
            "core-write-key",
            json!({"message": "+".repeat(32), "event": "bounced"}),
            "SchemaViolation",
        ),
        ("core-write-key", json!({"event": "bounced"}), "SchemaViolation"),
        (
            "core-write-key",
            json!({"message": key, "event": "sent"}),
            "SchemaViolation",
        ),
        (
            "core-write-key",
            json!({"message": key, "event": "bounced", "kind": "Harder"}),
            "SchemaViolation",
        ),
    ] {
        let (status, taken) = shop.event(write_key, receipt("x", data.clone())).await;
        assert_eq!(
            (status, taken["results"][0]["reason"].as_str()),
            (202, Some(reason)),
            "{data}: {taken}"
        );
        assert!(!taken.to_string().contains(&key), "no value is repeated");
    }
    assert!(shop.arrived("readers").await.is_empty());
}
