//! A real PostgreSQL goes away in the middle of traffic: what is refused is told to come again, what was accepted is there, links still work.

mod gateway_support;
#[path = "support/postgres.rs"]
mod postgres;

use gateway_support::{NAMESPACE, Shop};
use journey::{
    gateway::Limits,
    keys::{Keys, MessageKey},
    kpi::IntakeCount,
    link::{self, Leave},
    store::postgres::Postgres,
};
use reqwest::header::{LOCATION, RETRY_AFTER};
use serde_json::json;
use std::{sync::Arc, time::Duration};

async fn send(shop: &Shop, n: usize) -> Result<(u16, Option<String>), reqwest::Error> {
    let event = json!({"specversion": "1.0", "id": n.to_string(), "source": "/site", "type": "page.viewed", "data": {"userId": "ada"}});
    let request = shop
        .http
        .post(format!("{}/v1/events", shop.url))
        .bearer_auth("web-write-key");
    let response = request
        .header("content-type", "application/cloudevents+json")
        .body(event.to_string())
        .send()
        .await?;
    let after = response
        .headers()
        .get(RETRY_AFTER)
        .map(|value| value.to_str().unwrap().to_owned());
    Ok((response.status().as_u16(), after))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_events_are_refused_and_none_is_lost_or_counted_twice() {
    let server = postgres::Server::start();
    let (keys, database) = (Keys::ephemeral(), server.database().await);
    let store = Postgres::connect(&server.url(&database), None, 4, keys.clone()).unwrap();
    store.migrate().await.unwrap();
    let shop = Shop::with(Arc::new(store), keys, Limits::default()).await;

    let mut waiting: Vec<usize> = (0..60).collect();
    for n in waiting.drain(..20).collect::<Vec<_>>() {
        assert_eq!(send(&shop, n).await.unwrap().0, 202);
    }
    server.stop();
    let mut refused = vec![];
    for n in waiting.drain(..20).collect::<Vec<_>>() {
        let (status, after) = send(&shop, n).await.unwrap();
        assert_eq!((status, after.as_deref()), (503, Some("1")));
        refused.push(n);
    }
    let target = "https://shop.example/news";
    let link = link::tracked(&shop.keys, &shop.url, NAMESPACE, MessageKey([1; 16]), target);
    let click = shop.http.get(&link).send().await.unwrap();
    assert_eq!(
        (click.status().as_u16(), click.headers()[LOCATION].to_str().unwrap()),
        (302, target)
    );
    let leave = link::unsubscribe(
        &shop.keys,
        &shop.url,
        NAMESPACE,
        &Leave {
            message: MessageKey([1; 16]),
            customer: shop.keys.customer(NAMESPACE, "userId", "ada"),
            purpose: "marketing".into(),
        },
    );
    let page = shop
        .http
        .post(&leave)
        .body("List-Unsubscribe=One-Click")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (page.status().as_u16(), page.headers()[RETRY_AFTER].to_str().unwrap()),
        (503, "1")
    );

    server.start_again();
    // As an SDK does: what was refused is sent again, and some of what was accepted too.
    for n in refused.into_iter().chain(waiting).chain(0..5) {
        let mut status = 0;
        for _ in 0..50 {
            status = send(&shop, n).await.unwrap().0;
            if status == 202 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(status, 202);
    }
    let counts = shop.store.intake_counts(NAMESPACE).await.unwrap();
    assert_eq!(counts.total(&IntakeCount::Accepted.name()), 60);
    let arrived = shop.arrived("readers").await;
    assert_eq!(arrived.len(), 60);
    assert_eq!(arrived[0].1.attributes.expose()["visits"], 60);
}
