//! `journey bench` with real processes and a real PostgreSQL: short, for its figures say nothing here; its books must balance.

#[path = "support/postgres.rs"]
mod postgres;

use postgres::Server;
use serde_json::Value;
use std::process::Command;

#[tokio::test]
async fn it_carries_whole_journeys_and_its_books_balance() {
    let server = Server::start();
    let database = server.url(&server.database().await);
    let ran = Command::new(env!("CARGO_BIN_EXE_journey"))
        .args(["bench", "--seconds", "2", "--in-flight", "200", "--format", "json"])
        .args(["--database", &database])
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let books = &found["books"];
    assert_eq!(books["balance"], true, "{books}");
    assert!(books["completed"].as_u64().unwrap() > 0);
    for one in found["events"].as_array().unwrap() {
        assert!(one["acceptedPerSecond"].as_f64().unwrap() > 0.0, "{one}");
    }
    let phases = found["journeys"].as_array().unwrap();
    assert_eq!(phases.len(), 4);
    for phase in &phases[1..] {
        let latency = &phase["latencyMilliseconds"];
        assert!(
            latency["p50"].as_f64().unwrap() <= latency["p99"].as_f64().unwrap(),
            "{phase}"
        );
    }
    let rows = postgres::connect(&database).await;
    let left = rows
        .query_one("SELECT count(*) FROM journey.customer", &[])
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0, "it takes out what it measured with");
}

#[test]
fn a_database_that_is_away_is_told() {
    let ran = Command::new(env!("CARGO_BIN_EXE_journey"))
        .args([
            "bench",
            "--database",
            "postgres://nobody@127.0.0.1:1/none?sslmode=disable",
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the store: ") && said.contains("127.0.0.1") || said.contains("connect"),
        "{said}"
    );
}
