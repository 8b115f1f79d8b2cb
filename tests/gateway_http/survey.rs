//! The page on which a customer answers a survey.

use super::*;
use journey::link::Asked;

const SURVEY: MessageKey = MessageKey([8; 16]);

/// A shop whose customer ada was asked how it was.
async fn asked() -> (Shop, String) {
    let shop = Shop::open().await;
    shop.event("web-write-key", viewed("1", json!({"userId": "ada"}))).await;
    let message = MessageRow {
        key: SURVEY,
        journey: "readers".into(),
        customer: shop.keys.customer(NAMESPACE, "userId", "ada"),
        enrollment: 1,
        step: "ask".into(),
        occurrence: 1,
        touchpoint: "how-was-it".into(),
        purpose: "service".into(),
        channel: "Email".into(),
        // Asked three days ago: answers are told apart by their message, not by the day.
        at: now() - 3 * DAY,
        address: None,
        outcome: None,
    };
    shop.round("readers", vec![message]).await;
    let asked = Asked {
        message: SURVEY,
        touchpoint: "how-was-it".into(),
    };
    let link = link::survey(&shop.keys, &shop.url, NAMESPACE, &asked);
    (shop, link)
}

async fn page(request: reqwest::RequestBuilder) -> (u16, String) {
    let response = request.send().await.unwrap();
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("form-action 'self'") && !policy.contains("unsafe")
    );
    assert_eq!(
        (
            &response.headers()["cache-control"],
            &response.headers()["referrer-policy"]
        ),
        (&"no-store".parse().unwrap(), &"no-referrer".parse().unwrap())
    );
    let (status, html) = (response.status().as_u16(), response.text().await.unwrap());
    assert!(!html.contains("<script") && !html.contains("style=\""), "{html}");
    (status, html)
}

fn filled(fields: &[(&str, &str)]) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(fields).finish()
}

#[tokio::test]
async fn opening_the_page_records_nothing_and_every_question_has_its_label() {
    let (shop, link) = asked().await;
    let (status, html) = page(shop.http.get(format!("{link}?lang=de-AT&q=score&a=4"))).await;
    assert_eq!(status, 200);
    for part in [
        "<html lang=\"de\">",
        "<legend>Wie zufrieden sind Sie?</legend>",
        "value=\"4\" checked",
        "aria-describedby=\"q-score-ends\"",
        "5 = sehr zufrieden",
        "<label for=\"q-why\">Why?</label>",
        "maxlength=\"2000\"",
        "value=\"Search &amp; &lt;more&gt;\"",
        "<form method=\"post\">",
        "Antwort senden",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert_eq!(html.matches(" checked").count(), 1);
    assert_eq!(html.matches("type=\"radio\" name=\"score\"").count(), 5);
    // An answer that was not offered is not filled in, nor anything that is no question.
    let (_, html) = page(shop.http.get(format!("{link}?q=score&a=\"><b>x"))).await;
    assert!(
        !html.contains("<b>x") && !html.contains(" checked") && html.contains("How happy are you?"),
        "{html}"
    );
    assert!(shop.arrived("readers").await.is_empty());
}

#[tokio::test]
async fn the_first_answer_counts_whenever_the_next_one_comes() {
    let (shop, link) = asked().await;
    let answer = shop
        .http
        .post(&link)
        .body(filled(&[("score", "4"), ("why", "Fast & good"), ("other", "x")]));
    let (status, html) = page(answer).await;
    assert!(
        status == 200 && html.contains("Thank you") && html.contains("role=\"status\""),
        "{html}"
    );
    let arrived = shop.arrived("readers").await;
    let (event, _) = &arrived[0];
    let about = event.about.as_ref().unwrap();
    assert_eq!(
        (event.name.as_str(), about.step.as_str(), about.enrollment),
        ("how-was-it/answered", "ask", 1)
    );
    assert_eq!(
        Value::Object(event.data.expose().clone()),
        json!({"score": 4, "why": "Fast & good"})
    );
    assert!(now() - event.time < DAY, "it is answered now, whenever it was asked");
    let (status, html) = page(shop.http.post(&link).body(filled(&[("score", "1")]))).await;
    assert!(status == 200 && html.contains("first answer counts"), "{html}");
    assert!(shop.arrived("readers").await.is_empty());
}

#[tokio::test]
async fn what_is_no_answer_is_told_at_its_place_and_what_was_written_stays() {
    let (shop, link) = asked().await;
    let (status, html) = page(shop.http.post(&link).body("")).await;
    assert!(
        status == 422 && html.contains("role=\"alert\"") && html.contains("at least one question"),
        "{html}"
    );
    let long = format!("{}<b>", "x".repeat(2000));
    let (status, html) = page(shop.http.post(&link).body(filled(&[("score", "9"), ("why", &long)]))).await;
    assert_eq!(status, 422);
    for part in [
        "href=\"#q-score\"",
        "id=\"q-score-fault\"",
        "href=\"#q-why\"",
        "aria-invalid=\"true\"",
        "xxx&lt;b&gt;",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(shop.arrived("readers").await.is_empty());
}

#[tokio::test]
async fn a_survey_that_is_forged_gone_or_of_nobody_takes_no_answer() {
    let (shop, link) = asked().await;
    let asked = Asked {
        message: SURVEY,
        touchpoint: "how-was-it".into(),
    };
    let forged = link::survey(&Keys::ephemeral(), &shop.url, NAMESPACE, &asked);
    assert_eq!(page(shop.http.get(&forged)).await.0, 404);
    assert_eq!(page(shop.http.post(&forged).body("score=4")).await.0, 404);
    for asked in [
        Asked {
            message: SURVEY,
            touchpoint: "newsletter".into(),
        },
        Asked {
            message: MessageKey([3; 16]),
            touchpoint: "how-was-it".into(),
        },
    ] {
        let link = link::survey(&shop.keys, &shop.url, NAMESPACE, &asked);
        assert_eq!(page(shop.http.post(&link).body("score=4")).await.0, 410);
    }
    shop.store.remove_journey(NAMESPACE, "readers").await.unwrap();
    assert_eq!(page(shop.http.post(&link).body("score=4")).await.0, 410);
}
