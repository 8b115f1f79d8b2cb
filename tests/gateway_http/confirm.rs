//! Double opt-in by the link in a message, and addresses that providers speak against.

use super::*;
use journey::{
    keys::{AddressKey, CustomerKey},
    link::Confirm,
    policy::{Confirmed, Consent, ConsentState, Suppression},
};

const ADDRESS: AddressKey = AddressKey([5; 16]);
const YES: &str = "confirm=yes";

fn ada(shop: &Shop) -> CustomerKey {
    shop.keys.customer(NAMESPACE, "userId", "ada")
}

/// The link in the message that asked ada to confirm.
fn confirm_link(shop: &Shop, keys: &Keys, namespace: &str) -> String {
    let confirm = Confirm {
        customer: ada(shop),
        address: ADDRESS,
        made: now(),
        touchpoint: "please-confirm".into(),
    };
    link::confirm(keys, &shop.url, namespace, &confirm)
}

async fn joins(shop: &Shop, id: &str, club: bool) {
    let event = json!({
        "specversion": "1.0", "type": "club.joined", "source": "test", "id": id, "data": {"userId": "ada", "club": club},
    });
    assert_eq!(shop.event("core-write-key", event).await.0, 202);
}

/// What is known of ada's consent to the club: an event of hers lets a round read it.
async fn club(shop: &Shop, id: &str) -> Consent {
    let (status, _) = shop.event("web-write-key", viewed(id, json!({"userId": "ada"}))).await;
    assert_eq!(status, 202);
    let arrived = shop.arrived("readers").await;
    arrived.last().unwrap().1.consents["club"]
}

async fn post(shop: &Shop, link: &str) -> (u16, String) {
    let posted = shop.http.post(link).body(YES).send().await.unwrap();
    (posted.status().as_u16(), posted.text().await.unwrap())
}

#[tokio::test]
async fn a_yes_is_pending_until_the_button_behind_its_link_is_pressed() {
    let shop = Shop::open().await;
    joins(&shop, "1", true).await;
    assert_eq!(club(&shop, "a").await.state, ConsentState::Pending);

    let link = confirm_link(&shop, &shop.keys, NAMESPACE);
    // Mail programs and scanners follow links.
    let page = shop.http.get(&link).send().await.unwrap();
    assert_eq!(page.status().as_u16(), 200);
    assert!(page.text().await.unwrap().contains("<strong>club</strong>"));
    let other_words = shop.http.post(&link).body("confirm=no").send().await.unwrap();
    assert_eq!(other_words.status().as_u16(), 200);
    assert_eq!(club(&shop, "b").await.state, ConsentState::Pending);

    let (status, page) = post(&shop, &link).await;
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("you are subscribed"), "{page}");
    let known = club(&shop, "c").await;
    assert_eq!(
        (known.state, known.confirmed),
        (ConsentState::Granted, Confirmed::For(ADDRESS))
    );

    // Pressed twice, and in German.
    let (status, page) = post(&shop, &format!("{link}?lang=de")).await;
    assert_eq!(status, 200);
    assert!(
        page.contains("gilt weiterhin") && page.contains("lang=\"de\""),
        "{page}"
    );
    assert_eq!(club(&shop, "d").await, known);
}

#[tokio::test]
async fn a_link_confirms_nothing_once_its_yes_was_taken_back() {
    let shop = Shop::open().await;
    joins(&shop, "1", true).await;
    let link = confirm_link(&shop, &shop.keys, NAMESPACE);
    joins(&shop, "2", false).await;
    let (status, page) = post(&shop, &link).await;
    assert_eq!(status, 410, "{page}");
    assert_eq!(club(&shop, "a").await.state, ConsentState::Withdrawn);
    // Nor what was asked for anew since, nor that of somebody nobody knows.
    joins(&shop, "3", true).await;
    assert_eq!(post(&shop, &link).await.0, 410);
    assert_eq!(club(&shop, "b").await.state, ConsentState::Pending);
    let nobody = Shop::open().await;
    let link = confirm_link(&nobody, &nobody.keys, NAMESPACE);
    assert_eq!(post(&nobody, &link).await.0, 410);
}

#[tokio::test]
async fn a_forged_link_and_one_of_another_namespace_or_kind_confirm_nothing() {
    let shop = Shop::open().await;
    joins(&shop, "1", true).await;
    let links = [
        confirm_link(&shop, &Keys::ephemeral(), NAMESPACE),
        confirm_link(&shop, &shop.keys, "other"),
        leave(&shop, &shop.keys).replace("/u/", "/k/"),
        format!("{}/k/x", shop.url),
    ];
    for link in links {
        assert_eq!(shop.http.get(&link).send().await.unwrap().status().as_u16(), 404);
        assert_eq!(post(&shop, &link).await.0, 404);
    }
    assert_eq!(club(&shop, "a").await.state, ConsentState::Pending);
}

#[tokio::test]
async fn a_hard_bounce_and_a_complaint_suppress_the_address_that_the_message_went_to() {
    let shop = with_message_to(Some(ADDRESS)).await;
    let receipt = |id: &str, data: Value| json!({"specversion": "1.0", "type": "dev.journey.receipt", "source": "provider", "id": id, "data": data});
    let of = |event: &str, kind: Option<&str>| {
        let mut data = json!({"message": MESSAGE.to_string(), "event": event});
        if let Some(kind) = kind {
            data["kind"] = kind.into();
        }
        data
    };
    for (id, event, kind, expected) in [
        ("1", "delivered", None, None),
        ("2", "bounced", Some("Soft"), None),
        ("3", "bounced", None, None),
        ("4", "complained", None, Some(Suppression::Objected)),
        ("5", "bounced", Some("Hard"), Some(Suppression::Undeliverable)),
    ] {
        let (status, _) = shop.event("core-write-key", receipt(id, of(event, kind))).await;
        assert_eq!(status, 202);
        let rows = shop.store.suppressed(NAMESPACE, None, 10).await.unwrap();
        let known = rows.iter().find(|row| row.address == ADDRESS).map(|row| row.why);
        assert_eq!(known, expected, "after {event} {kind:?}");
        assert!(rows.iter().all(|row| row.source.starts_with("core: newsletter/")));
    }
}
