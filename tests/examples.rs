//! The journeys under examples/shop and examples/bank, lived: by a population, and event by event in the simulator and in `journey dev`.
//! What `journey check` says of them stands in tests/check.rs, their scenarios in tests/scenarios.rs.

#[path = "support/command.rs"]
mod command;

use axum::{Json, Router, routing::post};
use command::{journey, said};
use serde_json::{Value, json};
use std::{fs, path::Path};
use tokio::net::TcpListener;

/// Of each journey, how many entered.
fn entered(arguments: &[&str]) -> Vec<(String, i64)> {
    let figures: Value = serde_json::from_str(&said(&journey(arguments))).unwrap();
    let journeys = figures["journeys"].as_object().unwrap();
    journeys
        .iter()
        .map(|(name, of)| (name.clone(), of["counts"]["entered"].as_i64().unwrap_or_default()))
        .collect()
}

#[test]
fn a_population_walks_every_journey() {
    let shop = "examples/shop";
    let behaviour = "examples/shop/shop.behaviour.yaml";
    let mut all = entered(&[
        "simulate",
        shop,
        "--behaviour",
        behaviour,
        "--customers",
        "60",
        "--days",
        "120",
        "--format",
        "json",
    ]);
    all.extend(entered(&[
        "simulate",
        "examples/bank",
        "--customers",
        "60",
        "--days",
        "90",
        "--format",
        "json",
    ]));
    let nobody: Vec<&str> = all
        .iter()
        .filter(|(_, entered)| *entered == 0)
        .map(|(name, _)| name.as_str())
        .collect();
    // Only a customer's own hand opens the tips, and a population presses no links to join.
    assert_eq!(nobody, ["weekly-tips"], "{all:?}");
    assert_eq!(all.len(), 18, "{all:?}");
}

/// Copies the manifests, with every webhook going to `url`.
fn with_webhooks_at(url: &str, from: &Path, to: &Path) {
    let address = regex::Regex::new(r#"url: "?https?://[^",}\s]+"?"#).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let text = address.replace_all(&text, format!("url: \"{url}\""));
            fs::write(to.join(path.file_name().unwrap()), text.as_bytes()).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_events_are_lived_alike_by_the_simulator_and_by_dev_with_real_webhooks() {
    // The far end of all webhooks answers what every `response` of the shop asks for.
    let answer =
        || async { Json(json!({"ticket": "T-1", "code": "FIVE-1", "paid": true, "reason": "late deliveries"})) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/take", listener.local_addr().unwrap());
    let router = Router::new().route("/take", post(answer));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::create_dir(folder.path().join("shop")).unwrap();
    with_webhooks_at(&url, Path::new("examples/shop"), &folder.path().join("shop"));
    let secret = |name: &str, key: &str| {
        format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{{key}: x}}\n---\n")
    };
    let secrets = [("push", "token"), ("texts", "token"), ("desk", "signing-key")];
    let secrets: String = secrets.map(|(name, key)| secret(name, key)).concat();
    fs::write(folder.path().join("shop/secrets.yaml"), secrets).unwrap();
    let answers = "messages:\n  service-desk: {response: {ticket: T-1}}\n  issue-coupon: {response: {code: FIVE-1}}\n  \
                   charge: {response: {paid: true}}\n  churn-reason: {response: {reason: late deliveries}}\n";
    fs::write(folder.path().join("answers.yaml"), answers).unwrap();

    let events = "examples/shop/recorded.jsonl";
    let (shop, simulated, lived) = (path("shop"), path("simulated.jsonl"), path("lived.jsonl"));
    let (behaviour, mail) = (path("answers.yaml"), path("mail"));
    let run = tokio::task::spawn_blocking(move || {
        said(&journey(&[
            "simulate",
            &shop,
            "--events",
            events,
            "--behaviour",
            &behaviour,
            "--days",
            "60",
            "--messages",
            &simulated,
        ]));
        said(&journey(&[
            "dev",
            &shop,
            "--listen",
            "127.0.0.1:0",
            "--mail-to",
            &mail,
            "--clock",
            "virtual",
            "--events",
            events,
            "--days",
            "60",
            "--messages",
            &lived,
        ]));
        (
            fs::read_to_string(simulated).unwrap(),
            fs::read_to_string(lived).unwrap(),
        )
    });
    let (simulated, lived) = run.await.unwrap();
    serving.abort();
    assert_eq!(simulated, lived);
    for journey in [
        "onboarding",
        "abandoned-cart",
        "trial-to-paid",
        "churn-save",
        "after-delivery",
        "five-visits-challenge",
        "streak",
        "ticket",
        "renewal",
        "store-visit",
    ] {
        let sent = format!("\"journey\":\"{journey}\"");
        let of_it = simulated
            .lines()
            .filter(|line| line.contains(&sent) && line.contains("\"Sent\""));
        assert!(of_it.count() > 0, "{journey} sent nothing:\n{simulated}");
    }
}
