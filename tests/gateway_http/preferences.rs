//! The preference centre, and the unsubscribe page in the customer's language.

use super::*;
use journey::{
    keys::CustomerKey,
    policy::{ConsentState, consent::paused_until},
};

fn ada(shop: &Shop) -> CustomerKey {
    shop.keys.customer(NAMESPACE, "userId", "ada")
}

fn centre(shop: &Shop) -> String {
    link::preferences(&shop.keys, &shop.url, NAMESPACE, ada(shop))
}

async fn get(shop: &Shop, link: &str) -> (u16, String) {
    let page = shop.http.get(link).send().await.unwrap();
    (page.status().as_u16(), page.text().await.unwrap())
}

async fn save(shop: &Shop, fields: &[(&str, &str)]) -> (u16, String) {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let body = form.extend_pairs(fields).finish();
    let request = shop.http.post(centre(shop)).body(body);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let page = request.send().await.unwrap();
    (page.status().as_u16(), page.text().await.unwrap())
}

async fn state(shop: &Shop, subject: &str) -> Option<ConsentState> {
    let consents = shop.store.consents(NAMESPACE, ada(shop)).await.unwrap();
    consents.unwrap().get(subject).map(|consent| consent.state)
}

#[tokio::test]
async fn the_page_shows_what_holds_and_changes_nothing() {
    let shop = with_message().await;
    let response = shop.http.get(centre(&shop)).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && !policy.contains("script-src"),
        "{policy}"
    );
    assert_eq!(response.headers()["cache-control"], "no-store");
    let page = response.text().await.unwrap();
    assert!(
        page.contains("<html lang=\"en\">") && page.contains("noindex"),
        "{page}"
    );
    let checked = |name: &str, value: &str| page.contains(&format!("name=\"{name}\" value=\"{value}\" checked"));
    assert!(checked("says:marketing", "yes"), "{page}");
    assert!(checked("says:club", "no") && checked("pause:marketing", ""), "{page}");
    assert!(!page.contains("says:service"), "a contract is not refused");
    assert!(page.contains("7 days") && page.contains("12 hours"), "{page}");
    // Every control has its words: a label around it, in a group that is named.
    let (controls, labels) = (
        page.matches("type=\"radio\"").count(),
        page.matches("<label><input type=\"radio\"").count(),
    );
    assert!(controls > 8 && controls == labels, "{page}");
    assert_eq!(page.matches("<fieldset").count(), page.matches("<legend>").count());
    assert_eq!(state(&shop, "marketing").await, Some(ConsentState::Granted));
    assert_eq!(state(&shop, "club").await, None);
}

#[tokio::test]
async fn what_was_changed_is_kept_and_told_and_what_was_not_is_left() {
    let shop = with_message().await;
    let fields = [
        ("says:marketing", "no"),
        ("was:says:marketing", "yes"),
        ("says:club", "yes"),
        ("was:says:club", "no"),
        ("says:advertising", "no"),
        ("was:says:advertising", "no"),
    ];
    let (status, page) = save(&shop, &fields).await;
    assert_eq!(status, 200);
    assert!(
        page.contains("role=\"status\"") && page.contains("name=\"says:marketing\" value=\"no\" checked"),
        "{page}"
    );
    assert_eq!(state(&shop, "marketing").await, Some(ConsentState::Withdrawn));
    assert_eq!(
        state(&shop, "club").await,
        Some(ConsentState::Pending),
        "it is to be confirmed"
    );
    assert!(page.contains("asks you to confirm"), "{page}");
    assert_eq!(state(&shop, "advertising").await, None, "nothing was said of it");
    let arrived = shop.arrived("readers").await;
    let told = arrived.iter().filter(|(event, _)| event.name == "consent/withdrawn");
    let told: Vec<_> = told.map(|(event, _)| event.data.expose()["purpose"].clone()).collect();
    assert_eq!(told, [json!("marketing")]);
}

#[tokio::test]
async fn a_page_that_was_open_for_long_undoes_nothing() {
    let shop = with_message().await;
    // Shown while marketing was granted; meanwhile it was withdrawn by a link.
    shop.http
        .post(leave(&shop, &shop.keys))
        .body(ONE_CLICK)
        .send()
        .await
        .unwrap();
    let stale = [
        ("says:marketing", "yes"),
        ("was:says:marketing", "yes"),
        ("says:club", "no"),
        ("was:says:club", "no"),
    ];
    assert_eq!(save(&shop, &stale).await.0, 200);
    assert_eq!(state(&shop, "marketing").await, Some(ConsentState::Withdrawn));
    let again = [("says:marketing", "yes"), ("was:says:marketing", "no")];
    save(&shop, &again).await;
    assert_eq!(
        state(&shop, "marketing").await,
        Some(ConsentState::Granted),
        "this is what they say now"
    );
}

#[tokio::test]
async fn a_purpose_is_paused_and_goes_on_and_everything_ends_by_one_button() {
    let shop = with_message().await;
    save(&shop, &[("pause:marketing", "7d"), ("was:pause:marketing", "")]).await;
    let until = async || {
        let consents = shop.store.consents(NAMESPACE, ada(&shop)).await.unwrap().unwrap();
        paused_until(&consents, "marketing", now())
    };
    let length = until().await.unwrap() - now();
    assert!((7 * DAY - 60 * SECOND..=7 * DAY).contains(&length), "{length}");
    assert!(get(&shop, &centre(&shop)).await.1.contains("Paused until "));
    save(&shop, &[("pause:marketing", "8d"), ("was:pause:marketing", "on")]).await;
    assert!(until().await.is_some(), "what is not offered is not taken");
    save(&shop, &[("pause:marketing", ""), ("was:pause:marketing", "on")]).await;
    assert_eq!(until().await, None);

    save(&shop, &[("none", "yes")]).await;
    for purpose in ["marketing", "club", "advertising"] {
        let state = state(&shop, purpose).await;
        assert!(
            matches!(state, Some(ConsentState::Withdrawn | ConsentState::Denied)),
            "{purpose} {state:?}"
        );
    }
    assert_eq!(state(&shop, "service").await, None);
}

#[tokio::test]
async fn a_forged_link_and_one_of_another_kind_or_namespace_show_nothing() {
    let shop = with_message().await;
    for link in [
        link::preferences(&Keys::ephemeral(), &shop.url, NAMESPACE, ada(&shop)),
        link::preferences(&shop.keys, &shop.url, "other", ada(&shop)),
        leave(&shop, &shop.keys).replace("/u/", "/p/"),
        format!("{}/p/x", shop.url),
    ] {
        assert_eq!(get(&shop, &link).await.0, 404);
        let posted = shop.http.post(&link).body("none=yes").send().await.unwrap();
        assert_eq!(posted.status().as_u16(), 404);
    }
    assert_eq!(state(&shop, "marketing").await, Some(ConsentState::Granted));
    // Of somebody nobody knows.
    let nobody = Shop::open().await;
    assert_eq!(get(&nobody, &centre(&nobody)).await.0, 404);
}

#[tokio::test]
async fn the_unsubscribe_page_speaks_the_customers_language_and_leads_to_the_gentler_way() {
    let shop = with_message().await;
    let link = format!("{}?lang=de", leave(&shop, &shop.keys));
    let (status, page) = get(&shop, &link).await;
    assert_eq!(status, 200);
    assert!(
        page.contains("<html lang=\"de\">") && page.contains("Abmelden?"),
        "{page}"
    );
    let gentler = page
        .split("href=\"../p/")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap();
    let (status, centre) = get(&shop, &format!("{}/p/{gentler}", shop.url)).await;
    assert_eq!(status, 200);
    assert!(centre.contains("Was Sie hören möchten"), "{centre}");
}
