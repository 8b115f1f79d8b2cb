//! `journey bench` with real processes and a real PostgreSQL: short, for its figures say nothing here; its books must balance.

#[path = "support/postgres.rs"]
mod postgres;

use postgres::Server;
use serde_json::Value;
use std::process::Command;

/// A short run with these arguments: what it found, and the database it was in.
async fn run(arguments: &[&str]) -> (Value, String, Server) {
    let server = Server::start();
    let database = server.url(&server.database().await);
    let ran = Command::new(env!("CARGO_BIN_EXE_journey"))
        .args(["bench", "--in-flight", "200", "--format", "json"])
        .args(["--database", &database])
        .args(arguments)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!(found["books"]["balance"], true, "{}", found["books"]);
    (found, database, server)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn it_carries_whole_journeys_and_its_books_balance() {
    let (found, database, _server) = run(&["--seconds", "2"]).await;
    assert!(found["books"]["completed"].as_u64().unwrap() > 0);
    let events = found["events"].as_array().unwrap();
    assert_eq!(events.len(), 6);
    for one in events {
        assert!(number(&one["acceptedPerSecond"]) > 0.0, "{one}");
        assert!(number(&one["processorMicroseconds"]["postgres"]) > 0.0, "{one}");
    }
    let again: Vec<&Value> = events
        .iter()
        .filter(|one| !one["returningCustomers"].is_null())
        .collect();
    assert_eq!(again.len(), 2);
    let phases = found["journeys"].as_array().unwrap();
    assert_eq!(phases.len(), 4);
    for phase in &phases[1..] {
        let latency = &phase["latencyMilliseconds"];
        assert!(number(&latency["p50"]) <= number(&latency["p99"]), "{phase}");
    }
    let tables = found["tables"].as_array().unwrap();
    let rows_of = |name: &str| {
        let table = tables.iter().find(|size| size["table"] == name);
        table.unwrap_or_else(|| panic!("no {name} in {tables:?}"))["rows"].as_u64()
    };
    assert_eq!(rows_of("enrollment"), found["books"]["completed"].as_u64());
    for absent in ["takeover", "timers", "policy", "churn", "idle"] {
        assert!(found[absent].is_null(), "{absent} was not asked for");
    }
    let rows = postgres::connect(&database).await;
    let left = rows
        .query_one("SELECT count(*) FROM journey.customer", &[])
        .await
        .unwrap();
    assert_eq!(left.get::<_, i64>(0), 0, "it takes out what it measured with");
}

#[tokio::test]
async fn customers_who_wait_go_on_when_their_time_has_come() {
    let (found, _, _server) = run(&[
        "--seconds",
        "2",
        "--phases",
        "timers",
        "--timers",
        "6000",
        "--due",
        "50",
    ])
    .await;
    let timers = &found["timers"];
    assert_eq!((&timers["parked"], &timers["drained"]), (&6000.into(), &1200.into()));
    assert_eq!(timers["early"], 0, "{timers}");
    assert!(number(&timers["latenessMilliseconds"]["p50"]) > 0.0, "{timers}");
    assert!(number(&timers["drainedPerSecond"]) > 0.0, "{timers}");
    assert!(number(&timers["customersOutOfOrder"]) < 1200.0, "{timers}");
    let books = &found["books"];
    // 50 a second for 2 s, each with a message; and of 1,200 every hundredth.
    assert_eq!(
        (&books["due"], &books["told"], &books["accepted"]),
        (&1300.into(), &112.into(), &0.into())
    );
}

#[tokio::test]
async fn customers_of_a_killed_runner_get_their_messages() {
    let (found, _, _server) = run(&["--seconds", "2", "--phases", "takeover", "--kills", "2", "--rate", "40"]).await;
    let takeover = &found["takeover"];
    assert_eq!(takeover["longestWaitSeconds"].as_array().unwrap().len(), 2);
    assert_eq!(takeover["shards"], 32);
    // A lease lasts for 5 s after its last heartbeat: who is killed right after one keeps customers waiting for as long as that.
    assert!(number(&takeover["mostSeconds"]) > 1.0, "{takeover}");
}

#[tokio::test]
async fn a_policy_of_every_rule_keeps_nobody_from_the_message() {
    let (found, _, _server) = run(&["--seconds", "2", "--phases", "policy"]).await;
    let policy = &found["policy"];
    assert_eq!(policy["turns"].as_array().unwrap().len(), 4);
    assert!(number(&policy["everyRuleToOnePurpose"]) > 0.0, "{policy}");
}

#[tokio::test]
async fn idle_runners_and_long_runs_are_measured() {
    let (found, _, _server) = run(&[
        "--seconds",
        "2",
        "--phases",
        "churn,idle",
        "--churn",
        "6s",
        "--idle-journeys",
        "3",
    ])
    .await;
    let churn = &found["churn"];
    assert_eq!(churn["slices"].as_array().unwrap().len(), 3);
    assert!(number(&churn["lastToFirst"]) > 0.0, "{churn}");
    assert!(churn["tablesAfter"].as_array().unwrap().len() > churn["tablesBefore"].as_array().unwrap().len());
    let idle = &found["idle"];
    assert_eq!(idle["runners"], 3);
    let (resident, own) = (number(&idle["runnerResidentBytes"]), number(&idle["runnerOwnBytes"]));
    assert!(own > 1e5 && own < resident, "{idle}");
    assert!(number(&idle["transactionsPerSecond"]) > 0.0, "{idle}");
    assert!(idle["statementsPerSecond"].is_null(), "this server does not count them");
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
