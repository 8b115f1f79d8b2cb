//! `journey send-test` as it runs in a runner's pod: the pod's environment is all it is told, the adapter and its Secret are the real ones.

#[path = "support/postgres.rs"]
mod postgres;

use axum::{
    Router,
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::post,
};
use journey::{
    compile::{self, Manifests},
    keys::{self, Keys},
    store::{JourneyRow, Store, postgres::Postgres},
};
use serde_json::json;
use std::{
    path::Path,
    process::{Command, Output},
};
use tokio::{net::TcpListener, sync::mpsc};

const NAMESPACE: &str = "shop";
const MANIFESTS: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec: {attributes: {firstName: {type: string, default: there}}}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: shop}
spec: {purposes: [{name: service, basis: Contract, attributes: [firstName]}]}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: desk}
spec: {webhook: {url: "http://SINK/tickets", auth: {bearer: {secretRef: {name: desk, key: token}}}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: order-placed}
spec: {channel: Web, inbound: {event: order.placed, customer: event.userId, schema: {type: object, properties: {userId: {type: string}}}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: thanks}
spec: {channel: Service, outbound: {adapter: desk, purpose: service, content: {text: "Thank you, {{ customer.firstName }}"}}}
---
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: orders}
spec:
  entry: {triggers: [{event: order-placed}]}
  steps: [{name: thank, send: {touchpoint: thanks}}]
---
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: silent}
spec:
  entry: {triggers: [{event: order-placed}]}
  steps: [{name: done, exit: {outcome: Completed}}]
"#;

/// The command with the environment that the operator gives to the runner of `journey`.
fn send_test(journey: &str, database: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_journey"))
        .args(["send-test", "thanks", "--to", "ada@example.com"])
        .env_clear()
        .envs([
            ("JOURNEY_NAMESPACE", NAMESPACE),
            ("JOURNEY_NAME", journey),
            ("JOURNEY_DATABASE_URL", database),
            ("JOURNEY_LOG_FORMAT", "json"),
        ])
        .env("JOURNEY_KEYS", folder.join("store"))
        .env("JOURNEY_SECRETS", folder.join("secrets"))
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runners_pod_knows_all_that_a_test_message_needs_but_the_address() {
    let (told, mut hears) = mpsc::channel(4);
    let tickets = move |headers: HeaderMap, body: String| async move {
        told.send((headers[AUTHORIZATION].to_str().unwrap().to_owned(), body))
            .await
            .unwrap();
        StatusCode::ACCEPTED
    };
    let sink = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = sink.local_addr().unwrap().to_string();
    tokio::spawn(async { axum::serve(sink, Router::new().route("/tickets", post(tickets))).await });

    let folder = tempfile::tempdir().unwrap();
    for (file, text) in [
        ("store/seal", keys::encode(&[1; 32])),
        ("store/mac", keys::encode(&[2; 32])),
        ("secrets/desk/token", "open-sesame\n".to_owned()),
    ] {
        let file = folder.path().join(file);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let server = postgres::Server::start();
    let database = server.url(&server.database().await);
    let store = Postgres::connect(&database, None, 2, Keys::new(&[1; 32], &[2; 32])).unwrap();
    store.migrate().await.unwrap();
    let mut manifests = Manifests {
        namespace: NAMESPACE.into(),
        ..Manifests::default()
    };
    manifests
        .read(&MANIFESTS.replace("SINK", &address), "shop.yaml")
        .unwrap();
    store
        .put_settings(NAMESPACE, &json!(compile::settings(&manifests)))
        .await
        .unwrap();
    for journey in ["orders", "silent"] {
        let row = JourneyRow {
            journey: journey.into(),
            revision: compile::revision(&manifests, journey),
            suspended: false,
            listens: ["order-placed".to_owned()].into(),
            body: json!(compile::pinned(&manifests, journey)),
        };
        store.put_journey(NAMESPACE, &row).await.unwrap();
    }

    let sent = send_test("orders", &database, folder.path());
    assert!(sent.status.success(), "{sent:?}");
    assert!(
        String::from_utf8_lossy(&sent.stdout).starts_with("sent by adapter desk, as message "),
        "{sent:?}"
    );
    let (authorization, body) = hears.recv().await.unwrap();
    assert_eq!(authorization, "Bearer open-sesame");
    assert!(body.contains("Thank you, there"), "{body}");

    let elsewhere = send_test("silent", &database, folder.path());
    assert_eq!(elsewhere.status.code(), Some(1));
    let said = String::from_utf8_lossy(&elsewhere.stderr);
    assert!(
        said.contains("journey silent does not send touchpoint thanks, but orders does: kubectl -n shop exec deploy/orders-runner -- journey send-test thanks --to ..."),
        "{said}"
    );
    assert!(hears.try_recv().is_err(), "nothing goes out in another journey's name");
}
