//! What site and app ask of the slots.

use super::*;
use journey::store::Placed;
use std::collections::BTreeMap;

const CARD: MessageKey = MessageKey([3; 16]);
const WEB: &str = "web-write-key";
const CORE: &str = "core-write-key";

fn card(shop: &Shop, kind: &str, id: &str, until: Option<i64>) -> (MessageRow, Placed) {
    let customer = shop.keys.customer(NAMESPACE, kind, id);
    let row = MessageRow {
        key: CARD,
        journey: "readers".into(),
        customer,
        enrollment: 1,
        step: "show".into(),
        occurrence: 1,
        touchpoint: "hero".into(),
        purpose: "marketing".into(),
        channel: "Web".into(),
        at: now(),
        address: None,
        outcome: Some(journey::engine::Outcome::Sent),
    };
    let placed = Placed {
        key: CARD,
        customer,
        enrollment: 1,
        revision: "r".into(),
        step: "show".into(),
        occurrence: 1,
        touchpoint: "hero".into(),
        purpose: "marketing".into(),
        channel: "Web".into(),
        adapter: "site".into(),
        slot: Some("home".into()),
        priority: 50,
        at: now(),
        pending: false,
        until,
        due_at: i64::MAX,
        to: None,
        with: Default::default(),
        content: BTreeMap::from([("title".to_owned(), "Welcome back".to_owned().into())]),
    };
    (row, placed)
}

/// A shop in which Ada, who agreed to marketing, has a card in the slot home.
async fn with_card(until: Option<i64>) -> Shop {
    let shop = Shop::open().await;
    shop.event(WEB, viewed("1", json!({"userId": "ada", "newsletter": true})))
        .await;
    let (row, placed) = card(&shop, "userId", "ada", until);
    shop.place("readers", vec![row], vec![placed]).await;
    shop
}

async fn asked(shop: &Shop, key: &str, body: Value) -> (u16, Value) {
    shop.post("/v1/slots/home", key, "application/json", &body).await
}

#[tokio::test]
async fn a_site_shows_what_is_in_its_slot_and_tells_what_became_of_it() {
    let shop = with_card(None).await;
    let _entered = shop.arrived("readers").await;
    let ada = json!({"customer": {"userId": "ada"}});
    let (status, shown) = asked(&shop, CORE, ada.clone()).await;
    assert_eq!((status, &shown["message"]["touchpoint"]), (200, &json!("hero")));
    assert_eq!(shown["message"]["content"], json!({"title": "Welcome back"}));
    let token = shown["message"]["token"].as_str().unwrap().to_owned();
    let nobody = json!({"customer": {"userId": "bob"}});
    assert_eq!(asked(&shop, CORE, nobody).await, (200, json!({"message": null})));
    let other = shop.post("/v1/slots/till", CORE, "application/json", &ada).await;
    assert_eq!(other, (200, json!({"message": null})));

    let tell = |what: &'static str| {
        let (shop, path) = (&shop, format!("/v1/placed/{token}/{what}"));
        async move { shop.post(&path, WEB, "application/json", &json!({})).await.0 }
    };
    // Once, however often the page is loaded.
    assert_eq!([tell("shown").await, tell("shown").await], [200, 200]);
    let heard = shop.arrived("readers").await;
    let told: Vec<&str> = heard.iter().map(|(event, _)| event.name.as_str()).collect();
    assert_eq!(told, ["hero/shown"]);
    let about = heard[0].0.about.as_ref().unwrap();
    assert_eq!((about.enrollment, about.step.as_str()), (1, "show"));
    assert_eq!(tell("dismissed").await, 200);
    assert_eq!(shop.arrived("readers").await[0].0.name, "hero/dismissed");
    assert_eq!(asked(&shop, CORE, ada).await.1, json!({"message": null}), "not again");
    assert_eq!(tell("eaten").await, 400);
    let forged = shop
        .post("/v1/placed/AAAA/shown", WEB, "application/json", &json!({}))
        .await;
    assert_eq!(forged.0, 400);
}

#[tokio::test]
async fn a_withdrawal_takes_the_card_out_at_once() {
    let shop = with_card(None).await;
    let ada = json!({"customer": {"userId": "ada"}});
    assert_ne!(asked(&shop, CORE, ada.clone()).await.1["message"], Value::Null);
    // No runner is there that could have taken it out.
    shop.event(WEB, viewed("2", json!({"userId": "ada", "newsletter": false})))
        .await;
    assert_eq!(asked(&shop, CORE, ada).await.1, json!({"message": null}));
}

#[tokio::test]
async fn a_card_whose_time_is_over_is_not_shown_however_late_it_is_taken_out() {
    let shop = with_card(Some(now() - 1)).await;
    let ada = json!({"customer": {"userId": "ada"}});
    assert_eq!(asked(&shop, CORE, ada).await.1, json!({"message": null}));
}

#[tokio::test]
async fn with_a_public_key_one_asks_for_an_anonymous_id_or_by_a_pass() {
    let shop = with_card(None).await;
    let ada = json!({"customer": {"userId": "ada"}});
    assert_eq!(asked(&shop, WEB, ada.clone()).await.0, 403, "everybody has that key");
    assert_eq!(asked(&shop, "none", ada.clone()).await.0, 401);
    let passes = |key: &'static str, body: Value| {
        let shop = &shop;
        async move { shop.post("/v1/passes", key, "application/json", &body).await }
    };
    assert_eq!(passes(WEB, ada.clone()).await.0, 403);
    let (status, made) = passes(CORE, ada).await;
    assert_eq!((status, &made["seconds"]), (200, &json!(3600)));
    let (status, shown) = asked(&shop, WEB, json!({"pass": made["pass"]})).await;
    assert_eq!((status, &shown["message"]["touchpoint"]), (200, &json!("hero")));
    assert_eq!(asked(&shop, WEB, json!({"pass": "x"})).await.0, 400);
    let both = json!({"pass": made["pass"], "customer": {"anonymousId": "a"}});
    for wrong in [both, json!({}), json!([]), json!({"customer": {"anonymousId": ""}})] {
        assert_eq!(asked(&shop, WEB, wrong).await.0, 400);
    }
    // Who browsed before signing in is asked for by the browser's own id.
    let browsed = json!({"specversion": "1.0", "id": "b", "source": "t", "type": "browsed", "data": {"anonymousId": "browser-1"}});
    shop.event(WEB, browsed).await;
    let signed_up = json!({"specversion": "1.0", "id": "s", "source": "t", "type": "signed.up",
        "data": {"userId": "ada", "anonymousId": "browser-1"}});
    shop.event(CORE, signed_up).await;
    let by_browser = asked(&shop, WEB, json!({"customer": {"anonymousId": "browser-1"}})).await;
    assert_eq!(by_browser.1["message"]["touchpoint"], "hero");
}
