//! What customers do with a journey by their own hand: by the page behind a link, and by an app.

use super::*;
use journey::{
    link::Chosen,
    store::{Customer, choice_of},
};

fn chosen(shop: &Shop, keys: &Keys, joins: bool) -> String {
    let chosen = Chosen {
        message: MESSAGE,
        customer: shop.keys.customer(NAMESPACE, "userId", "ada"),
        journey: "tips".into(),
        joins,
    };
    link::choice(keys, &shop.url, NAMESPACE, &chosen)
}

/// What has arrived for the journey: its event's name, and whether the customer has left.
fn heard(arrived: &[(journey::engine::state::Event, Customer)]) -> Vec<(&str, bool)> {
    arrived
        .iter()
        .map(|(event, customer)| (event.name.as_str(), customer.has_left("tips")))
        .collect()
}

async fn page(shop: &Shop, request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    let (status, html) = (response.status().as_u16(), response.text().await.unwrap());
    assert!(!html.contains("<script") && !html.contains("ada"), "{html}");
    let _ = shop;
    (status, html)
}

#[tokio::test]
async fn opening_a_page_changes_nothing_and_its_button_leaves_or_joins() {
    let shop = with_message().await;
    let (leave, join) = (chosen(&shop, &shop.keys, false), chosen(&shop, &shop.keys, true));
    let (status, html) = page(&shop, shop.http.get(&leave)).await;
    assert_eq!(status, 200);
    assert!(
        html.contains("<strong>A tip &amp; a joke</strong>") && html.contains("<html lang=\"en\">"),
        "{html}"
    );
    assert!(html.contains("name=\"choice\" value=\"leave\""), "{html}");
    let german = page(&shop, shop.http.get(format!("{join}?lang=de-AT"))).await.1;
    assert!(
        german.contains("<html lang=\"de\">") && german.contains("Mitmachen"),
        "{german}"
    );
    let asked_for = shop
        .http
        .get(&join)
        .header("accept-language", "de-DE,de;q=0.9,en;q=0.8");
    assert!(page(&shop, asked_for).await.1.contains("Mitmachen"));
    // A POST that does not mean it, or means the other, shows the page again.
    for body in ["", "choice=join"] {
        assert!(page(&shop, shop.http.post(&leave).body(body)).await.1.contains("<form"));
    }
    assert!(shop.arrived("tips").await.is_empty());

    let (status, html) = page(&shop, shop.http.post(&leave).body("choice=leave")).await;
    assert!(status == 200 && html.contains("You have left"), "{html}");
    assert_eq!(heard(&shop.arrived("tips").await), [("choice/left", true)]);
    let (_, html) = page(&shop, shop.http.post(&join).body("choice=join")).await;
    assert!(html.contains("You have joined"), "{html}");
    assert_eq!(heard(&shop.arrived("tips").await), [("choice/joined", false)]);
    // It is of one journey: no other hears of it, and no consent to a purpose is changed.
    assert!(shop.arrived("readers").await.is_empty());
    let others = shop.arrived("welcome").await;
    assert!(others.iter().all(|(event, _)| event.name == "consent/granted"));
}

#[tokio::test]
async fn a_choice_that_we_did_not_sign_is_none() {
    let shop = with_message().await;
    let link = chosen(&shop, &Keys::ephemeral(), false);
    for link in [link, format!("{}/c/x", shop.url)] {
        assert_eq!(page(&shop, shop.http.get(&link)).await.0, 404);
        assert_eq!(page(&shop, shop.http.post(&link).body("choice=leave")).await.0, 404);
    }
    assert!(shop.arrived("tips").await.is_empty());
}

#[tokio::test]
async fn who_was_offered_to_leave_may_leave_a_journey_that_is_gone_and_joining_needs_one_that_is_open() {
    let shop = with_message().await;
    let mut settings = shop
        .store
        .programs(NAMESPACE, -1)
        .await
        .unwrap()
        .unwrap()
        .settings
        .unwrap();
    settings.as_object_mut().unwrap().remove("choices");
    shop.store.put_settings(NAMESPACE, &settings).await.unwrap();
    shop.store.remove_journey(NAMESPACE, "tips").await.unwrap();
    let mut closed = (0, String::new());
    for _ in 0..200 {
        closed = page(&shop, shop.http.get(chosen(&shop, &shop.keys, true))).await;
        if closed.0 == 410 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(closed.0 == 410 && closed.1.contains("not open any more"), "{closed:?}");
    let join = shop.http.post(chosen(&shop, &shop.keys, true)).body("choice=join");
    assert_eq!(page(&shop, join).await.0, 410);
    let leave = shop.http.post(chosen(&shop, &shop.keys, false)).body("choice=leave");
    assert_eq!(page(&shop, leave).await.0, 200);
    // Made again under its name it finds those out who left.
    put(shop.store.as_ref()).await;
    shop.event("web-write-key", viewed("9", json!({"userId": "ada"}))).await;
    let (_, customer) = &shop.arrived("readers").await[0];
    assert!(customer.has_left("tips"));
}

#[tokio::test]
async fn an_app_chooses_with_a_key_that_is_its_own() {
    let shop = with_message().await;
    let call = |journey: &str, choice: &str, user: &str| json!({"journey": journey, "choice": choice, "customer": {"userId": user}});
    let post = |key: &'static str, body: Value| {
        let shop = &shop;
        async move {
            let (status, answer) = shop.post("/v1/choices", key, "application/json", &body).await;
            (status, answer["error"]["code"].as_str().unwrap_or_default().to_owned())
        }
    };
    for (key, body, status, code) in [
        ("nonsense", call("tips", "leave", "ada"), 401, "UnknownKey"),
        ("web-write-key", call("tips", "leave", "ada"), 403, "PublicKey"),
        ("core-write-key", call("tipps", "leave", "ada"), 404, "NotOffered"),
        ("core-write-key", call("readers", "leave", "ada"), 404, "NotOffered"),
        ("core-write-key", call("tips", "pause", "ada"), 400, "Malformed"),
        ("core-write-key", call("tips", "leave", " "), 400, "Malformed"),
        (
            "core-write-key",
            json!({"journey": "tips", "choice": "leave", "customer": {"userId": "a", "email": "b"}}),
            400,
            "Malformed",
        ),
        ("core-write-key", json!([]), 400, "Malformed"),
    ] {
        assert_eq!(post(key, body.clone()).await, (status, code.to_owned()), "{body}");
    }
    assert!(shop.arrived("tips").await.is_empty());
    assert_eq!(
        post("core-write-key", call("tips", "leave", "ada")).await,
        (200, String::new())
    );
    // Who is not known yet may say no as well.
    assert_eq!(
        post("core-write-key", call("tips", "leave", "bob")).await,
        (200, String::new())
    );
    assert_eq!(
        heard(&shop.arrived("tips").await),
        [("choice/left", true), ("choice/left", true)]
    );
    assert_eq!(
        post("core-write-key", call("tips", "join", "bob")).await,
        (200, String::new())
    );
    assert_eq!(heard(&shop.arrived("tips").await), [("choice/joined", false)]);
    let metrics = shop.metrics();
    assert!(metrics.contains("PublicKey") && !metrics.contains("bob"), "{metrics}");
}

#[tokio::test]
async fn no_event_and_no_import_brings_back_who_has_left() {
    let shop = with_message().await;
    let leave = shop.http.post(chosen(&shop, &shop.keys, false)).body("choice=leave");
    page(&shop, leave).await;
    assert_eq!(heard(&shop.arrived("tips").await), [("choice/left", true)]);
    let old = Imported {
        key: shop.keys.customer(NAMESPACE, "userId", "ada"),
        anonymous: false,
        id: "ada".to_owned().into(),
        attributes: Default::default(),
        // Written before they left: an earlier word does not hold.
        consents: [(choice_of("tips"), Consent::said(true, now() - DAY))].into(),
        evidence: BTreeMap::new(),
    };
    shop.store.import(NAMESPACE, &[old], "file", 1).await.unwrap();
    shop.event(
        "web-write-key",
        viewed("7", json!({"userId": "ada", "newsletter": true})),
    )
    .await;
    assert!(shop.arrived("readers").await[0].1.has_left("tips"));
}
