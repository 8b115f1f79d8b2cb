//! Consent signals that others send: what came in, and the consent that is kept then.

use super::gateway_support::{NAMESPACE, Shop, answer};
use super::{MESSAGE, receipt, viewed, with_message};
use journey::{
    clock::{DAY, HOUR, Micros, SECOND, now},
    link::{self, Leave},
    policy::{Consent, consent::known_of},
};
use serde_json::{Value, json};

/// TC strings of policy 5 with disclosed vendors: vendor 755 consents, purposes 1, 3, 4 and 7 as of 2025-03-01, and purpose 1 alone as of
/// 2025-03-02.
const CONSENTS: &str = "CQNlwwAQNlwwAAfABBENCWFoALIAAAKAAACYF5wAgABALzAvOACAvMAA.IF5wAgABALz";
const REFUSES: &str = "CQNpDsAQNpDsAAfABBENCWFoAIAAAAKAAACYF5wAgABALzAvOACAvMAA.IF5wAgABALz";
/// 2025-03-01T00:00:00Z.
const FIRST_OF_MARCH: Micros = 1_740_787_200 * SECOND;
/// Section 8 (California) of the tests of iabgpp-es: opted out of sale and sharing; not applicable; the latter with Global Privacy Control on.
const OPTED_OUT: &str = "DBABBg~BVWSSSVY.QA";
const NOT_OPTED_OUT: &str = "DBABBg~BAAAAABA.QA";
const GPC_ON: &str = "DBABBg~BAAAAABA.YA";

fn stamp(at: Micros) -> String {
    jiff::Timestamp::from_microsecond(at).unwrap().to_string()
}

fn track(id: &str, at: Micros, context: Value) -> Value {
    json!({"event": "page.viewed", "userId": "ada", "messageId": id, "timestamp": stamp(at), "properties": {}, "context": context})
}

fn categories(advertising: bool, sharing: bool) -> Value {
    json!({"consent": {"categoryPreferences": {"Advertising": advertising, "DataSharing": sharing}}})
}

impl Shop {
    async fn tracks(&self, call: Value) {
        let (status, answer) = self.post("/v1/track", "web-write-key", "application/json", &call).await;
        assert_eq!((status, answer), (200, json!({"success": true})));
    }

    /// Sends a page view with extension attributes.
    async fn views(&self, id: &str, at: Micros, extensions: Value) {
        let mut event = viewed(id, json!({"userId": "ada"}));
        event["time"] = stamp(at).into();
        for (name, value) in extensions.as_object().unwrap() {
            event[name] = value.clone();
        }
        let (status, answer) = self.event("web-write-key", event).await;
        assert_eq!(
            (status, &answer["results"][0]["result"]),
            (202, &json!("accepted")),
            "{answer}"
        );
    }

    /// What is kept of ada's consent to a purpose.
    async fn kept(&self, purpose: &str) -> Option<Consent> {
        let id = format!("look-{}", uuid::Uuid::new_v4());
        let mut event = viewed(&id, json!({"userId": "ada"}));
        event["time"] = stamp(0).into();
        assert_eq!(self.event("core-write-key", event).await.0, 202);
        let arrived = self.arrived("readers").await;
        let consents = arrived.last().unwrap().1.consents.clone();
        consents.get(purpose).copied()
    }

    /// Whether ada agrees to marketing by a channel.
    async fn agreed(&self, channel: &str) -> bool {
        let id = format!("look-{}", uuid::Uuid::new_v4());
        let mut event = viewed(&id, json!({"userId": "ada"}));
        event["time"] = stamp(0).into();
        assert_eq!(self.event("core-write-key", event).await.0, 202);
        let arrived = self.arrived("readers").await;
        is_agreed(&arrived.last().unwrap().1.consents, channel)
    }

    async fn advertising(&self) -> Option<bool> {
        self.kept("advertising").await.map(|consent| consent.is_granted())
    }

    /// The names of the events of consent that journeys have heard.
    async fn told(&self) -> Vec<(String, Value)> {
        let mut told = vec![];
        for journey in ["welcome", "readers"] {
            for (event, _) in self.arrived(journey).await {
                if event.name.starts_with("consent/") {
                    told.push((event.name, event.data.expose()["purpose"].clone()));
                }
            }
        }
        told
    }
}

#[tokio::test]
async fn segments_categories_grant_when_all_are_allowed_and_refuse_when_one_is_denied() {
    let shop = Shop::open().await;
    let at = now() - HOUR;
    shop.tracks(track(
        "1",
        at,
        json!({"consent": {"categoryPreferences": {"Advertising": true}}}),
    ))
    .await;
    assert_eq!(shop.kept("advertising").await, None, "one of two says nothing");
    shop.tracks(track("2", at + SECOND, categories(true, true))).await;
    shop.tracks(track("3", at + 2 * SECOND, categories(true, true))).await;
    let granted = Consent::said(true, at + SECOND);
    assert_eq!(shop.kept("advertising").await, Some(granted), "as of the first yes");
    assert_eq!(
        shop.kept("marketing").await,
        None,
        "a purpose without signals hears none"
    );
    shop.tracks(track("4", at + 3 * SECOND, categories(true, false))).await;
    assert_eq!(
        shop.kept("advertising").await,
        Some(Consent::said(false, at + 3 * SECOND))
    );
    shop.tracks(track("5", at + 4 * SECOND, categories(true, true))).await;
    assert_eq!(
        shop.advertising().await,
        Some(true),
        "what the platform took back it may give again"
    );
}

#[tokio::test]
async fn journeys_are_told_of_changes_and_of_nothing_else() {
    let shop = Shop::open().await;
    let at = now() - HOUR;
    for (id, allowed) in [("1", true), ("2", true), ("3", false), ("4", false)] {
        let at = at + id.parse::<i64>().unwrap() * SECOND;
        shop.tracks(track(id, at, categories(allowed, true))).await;
    }
    let advertising = || json!("advertising");
    assert_eq!(
        shop.told().await,
        [
            ("consent/granted".to_owned(), advertising()),
            ("consent/withdrawn".to_owned(), advertising())
        ]
    );
}

#[tokio::test]
async fn rudderstacks_context_is_heard_in_any_call_of_a_batch() {
    let shop = Shop::open().await;
    let at = now() - HOUR;
    let with = |at: Micros, allowed: &[&str], denied: &[&str]| {
        let context = json!({"consentManagement": {"allowedConsentIds": allowed, "deniedConsentIds": denied, "provider": "oneTrust"}});
        let mut call = track(&at.to_string(), at, context);
        call["type"] = json!("track");
        call
    };
    let mut identify = with(at + SECOND, &["DataSharing"], &["Advertising"]);
    identify["type"] = json!("identify");
    let batch = json!({"batch": [with(at, &["Advertising", "DataSharing"], &[]), identify]});
    let (status, _) = shop
        .post("/v1/batch", "web-write-key", "application/json", &batch)
        .await;
    assert_eq!(status, 200);
    assert_eq!(shop.kept("advertising").await, Some(Consent::said(false, at + SECOND)));
}

#[tokio::test]
async fn a_tc_string_is_heard_wherever_it_comes_and_says_since_when() {
    for (n, way) in ["structured", "binary", "context", "gpp"].into_iter().enumerate() {
        let shop = Shop::open().await;
        let at = now() - HOUR + n as i64;
        match way {
            "structured" => shop.views("1", at, json!({"tcstring": CONSENTS})).await,
            "binary" => {
                let request = shop
                    .http
                    .post(format!("{}/v1/events", shop.url))
                    .bearer_auth("web-write-key");
                let attributes = [
                    ("ce-specversion", "1.0"),
                    ("ce-id", "1"),
                    ("ce-source", "/site"),
                    ("ce-type", "page.viewed"),
                ];
                let request = attributes
                    .iter()
                    .fold(request, |request, (name, value)| request.header(*name, *value));
                let request = request
                    .header("ce-tcstring", CONSENTS)
                    .header("content-type", "application/json");
                assert_eq!(answer(request.body(r#"{"userId":"ada"}"#)).await.0, 202);
            }
            "context" => shop.tracks(track("1", at, json!({"tcf": CONSENTS}))).await,
            _ => {
                shop.views("1", at, json!({"gppstring": format!("DBABM~{CONSENTS}")}))
                    .await
            }
        }
        let granted = Consent::said(true, FIRST_OF_MARCH);
        assert_eq!(shop.kept("advertising").await, Some(granted), "{way}");
        let late = now() - SECOND;
        shop.tracks(track("2", late, json!({"tcf": REFUSES}))).await;
        assert_eq!(
            shop.kept("advertising").await,
            Some(Consent::said(false, late)),
            "{way}"
        );
        shop.tracks(track("3", late + 1, json!({"tcf": CONSENTS}))).await;
        assert_eq!(
            shop.advertising().await,
            Some(false),
            "another device's older choice is no new one"
        );
    }
}

#[tokio::test]
async fn gpp_opt_outs_and_global_privacy_control_refuse_and_never_grant() {
    for (extensions, refuses) in [
        (json!({"gppstring": OPTED_OUT}), true),
        (json!({"gppstring": NOT_OPTED_OUT}), false),
        (json!({"gppstring": GPC_ON}), true),
        (json!({"gpc": true}), true),
        (json!({"gpc": "1"}), true),
        (json!({"gpc": "0"}), false),
    ] {
        let shop = Shop::open().await;
        let at = now() - HOUR;
        shop.views("1", at, extensions.clone()).await;
        assert_eq!(shop.advertising().await, refuses.then_some(false), "{extensions}");
        shop.tracks(track("2", at + SECOND, categories(true, true))).await;
        assert_eq!(
            shop.advertising().await,
            Some(!refuses),
            "a platform takes back no opt-out: {extensions}"
        );
        shop.views("3", at + 2 * SECOND, extensions.clone()).await;
        assert_eq!(shop.advertising().await, Some(!refuses), "{extensions}");
    }
}

#[tokio::test]
async fn the_header_of_a_browser_speaks_for_each_event_of_its_request() {
    let shop = Shop::open().await;
    let at = now() - HOUR;
    let send = |key: &'static str, gpc: &'static str, body: Value| {
        let request = shop
            .http
            .post(format!("{}/v1/batch", shop.url))
            .bearer_auth(key)
            .header("sec-gpc", gpc);
        answer(
            request
                .header("content-type", "application/json")
                .body(body.to_string()),
        )
    };
    let one = |id: &str, at, user: &str| {
        let mut call = track(id, at, categories(true, true));
        (call["type"], call["userId"]) = (json!("track"), json!(user));
        call
    };
    assert_eq!(
        send("core-write-key", "1", json!({"batch": [one("1", at, "ada")]}))
            .await
            .0,
        200
    );
    assert_eq!(shop.advertising().await, Some(true), "a server is no browser");
    assert_eq!(
        send("web-write-key", "0", json!({"batch": [one("2", at + 1, "ada")]}))
            .await
            .0,
        200
    );
    assert_eq!(shop.advertising().await, Some(true));
    let both = json!({"batch": [one("3", at + 2, "ada"), one("4", at + 3, "bob"), {"type": "fax"}]});
    assert_eq!(send("web-write-key", "1", both).await.0, 200);
    let arrived = shop.arrived("readers").await;
    let mut refused: Vec<_> = arrived
        .iter()
        .filter(|(event, _)| event.name == "page-viewed")
        .map(|(_, customer)| {
            (
                customer.id.expose().as_str(),
                customer.consents["advertising"].is_granted(),
            )
        })
        .collect();
    refused.sort_unstable();
    assert_eq!(
        refused,
        [("ada", false), ("bob", false)],
        "whatever the platform says beside it"
    );
    assert!(
        arrived
            .iter()
            .all(|(_, customer)| !customer.consents.contains_key("marketing"))
    );
}

#[tokio::test]
async fn a_no_outlives_whatever_platforms_say_again_and_what_comes_late() {
    let shop = Shop::open().await;
    let at = now() - HOUR;
    shop.tracks(track("1", at, categories(true, true))).await;
    assert_eq!(shop.advertising().await, Some(true));
    let leave = Leave {
        message: MESSAGE,
        customer: shop.keys.customer(NAMESPACE, "userId", "ada"),
        purpose: "advertising".into(),
    };
    let link = link::unsubscribe(&shop.keys, &shop.url, NAMESPACE, &leave);
    assert_eq!(
        answer(shop.http.post(link).body("List-Unsubscribe=One-Click")).await.0,
        200
    );
    assert_eq!(shop.advertising().await, Some(false));
    // The next page says again what the platform was once told; a queue on a phone delivers what it has kept; a clock is ahead.
    shop.tracks(track("2", now(), categories(true, true))).await;
    shop.tracks(track("3", at + SECOND, categories(true, true))).await;
    shop.tracks(track("4", now() + 30 * DAY, categories(true, true))).await;
    shop.views("5", now(), json!({"tcstring": CONSENTS})).await;
    shop.tracks(track("1", at, categories(true, true))).await;
    assert_eq!(shop.advertising().await, Some(false));
    // Not even after the platform has heard of a no, and of a yes again.
    shop.tracks(track("6", now(), categories(false, false))).await;
    shop.tracks(track("7", now(), categories(true, true))).await;
    assert_eq!(shop.advertising().await, Some(false));
}

#[tokio::test]
async fn what_cannot_be_read_is_accepted_counted_by_its_kind_and_told_nowhere() {
    let shop = Shop::open().await;
    let secret = "QWRhIExvdmVsYWNl!";
    shop.views(
        "1",
        now(),
        json!({"tcstring": secret, "gppstring": secret, "consentcategories": secret}),
    )
    .await;
    shop.views("2", now(), json!({"tcstring": 7, "gppstring": {"a": 1}}))
        .await;
    shop.tracks(track(
        "3",
        now(),
        json!({"consent": "granted", "tcf": "BOEFEAyOEFEAyAHABDENAI4AAAB9vABAASA"}),
    ))
    .await;
    shop.tracks(track("4", now(), json!({"consent": null, "tcf": "", "gpp": null})))
        .await;
    assert_eq!(shop.kept("advertising").await, None);
    let metrics = shop.metrics();
    for counted in [
        r#"journey_signals_unreadable_total{kind="categories"} 2"#,
        r#"journey_signals_unreadable_total{kind="tcf"} 3"#,
        r#"journey_signals_unreadable_total{kind="gpp"} 2"#,
    ] {
        assert!(metrics.contains(counted), "{metrics}");
    }
    assert!(!metrics.contains(secret));
    // Sent again it is a duplicate, and counts no more.
    let (_, answer) = shop
        .event("web-write-key", {
            let mut event = viewed("2", json!({"userId": "ada"}));
            (event["time"], event["tcstring"]) = (stamp(now()).into(), json!(7));
            event
        })
        .await;
    assert_eq!(answer["results"][0]["result"], "duplicate");
    assert!(
        shop.metrics()
            .contains(r#"journey_signals_unreadable_total{kind="tcf"} 3"#)
    );
}

fn is_agreed(consents: &std::collections::BTreeMap<String, Consent>, channel: &str) -> bool {
    known_of(consents, "marketing", channel).is_some_and(|known| known.is_granted())
}

fn sms(id: &str, at: Micros, body: &str) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/sms", "type": "sms.received", "time": stamp(at),
        "data": {"userId": "ada", "body": body, "keyword": "Start"}})
}

#[tokio::test]
async fn stop_withdraws_start_takes_it_back_and_help_is_told() {
    let shop = Shop::open().await;
    let at = now() - HOUR;
    let mut signs_up = viewed("1", json!({"userId": "ada", "newsletter": true}));
    signs_up["time"] = stamp(at).into();
    shop.event("web-write-key", signs_up).await;
    for (n, body) in ["thanks, don't stop", "HELP", "Stop!", "start"].into_iter().enumerate() {
        let (status, answer) = shop
            .event("core-write-key", sms(body, at + (n as i64 + 1) * SECOND, body))
            .await;
        assert_eq!((status, &answer["accepted"]), (202, &json!(1)), "{answer}");
        let arrived = shop.arrived("readers").await;
        let (event, customer) = arrived.iter().find(|(event, _)| event.name == "sms-received").unwrap();
        let stopped = body == "Stop!";
        assert_eq!(is_agreed(&customer.consents, "Sms"), !stopped, "{body}");
        assert!(
            !customer.consents.contains_key("service"),
            "a contract is not refused by a word"
        );
        let keyword = [None, Some("Help"), Some("Stop"), Some("Start")][n].map(Value::from);
        assert_eq!(event.data.expose().get("keyword"), keyword.as_ref(), "{body}");
        let withdrawn = arrived.iter().filter(|(event, _)| event.name == "consent/withdrawn");
        assert_eq!(withdrawn.count(), usize::from(stopped), "{body}");
    }
    // A key that everyone knows may say no, and takes none back.
    for (n, body) in ["STOP", "START"].into_iter().enumerate() {
        let event = sms(&format!("public-{n}"), at + (n as i64 + 9) * SECOND, body);
        assert_eq!(shop.event("web-write-key", event).await.0, 202);
        assert!(!shop.agreed("Sms").await, "{body}");
    }
    shop.event("core-write-key", sms("again", at + 20 * SECOND, "START"))
        .await;
    // A word that comes late does not undo a later one.
    shop.event("core-write-key", sms("late", at + 2 * SECOND, "STOP")).await;
    assert!(shop.agreed("Sms").await);
    assert!(shop.agreed("Email").await, "nobody has said no to mail");
}

#[tokio::test]
async fn a_complaint_withdraws_from_the_messages_purpose_and_so_does_a_reply_that_is_a_word() {
    for (event, text, withdraws) in [
        ("complained", "", true),
        ("replied", "STOP", true),
        ("replied", "stop by any time", false),
        ("bounced", "", false),
    ] {
        let shop = with_message().await;
        assert!(shop.agreed("Email").await);
        let told = receipt(
            "c-1",
            json!({"message": MESSAGE.to_string(), "event": event, "text": text}),
        );
        let (status, answer) = shop.event("core-write-key", told.clone()).await;
        assert_eq!((status, &answer["results"][0]["result"]), (202, &json!("accepted")));
        assert_eq!(shop.agreed("Email").await, !withdraws, "{event} {text}");
        assert!(shop.agreed("Sms").await, "it was about mail");
        assert_eq!(
            shop.event("core-write-key", told).await.1["results"][0]["result"],
            "duplicate"
        );
        // A yes to the purpose elsewhere is none to the channel, also where the complaint of last month comes after it.
        let mut again = viewed("again", json!({"userId": "ada", "newsletter": true}));
        again["time"] = stamp(now()).into();
        shop.event("web-write-key", again).await;
        let mut late = receipt(
            "c-2",
            json!({"message": MESSAGE.to_string(), "event": event, "text": text}),
        );
        late["time"] = stamp(now() - 30 * DAY).into();
        shop.event("core-write-key", late).await;
        assert_eq!(shop.agreed("Email").await, !withdraws, "{event} {text}");
    }
}
