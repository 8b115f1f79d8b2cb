//! Larger than one machine: counts come from a standby and from the primary while there is none; every key and every statement is led by the
//! namespace, so that tables can be distributed by it; and two databases hold two worlds that do not mix.

#[path = "support/postgres.rs"]
mod postgres;

use journey::{
    clock::{Clock as _, SystemClock},
    keys::Keys,
    personal::Personal,
    store::{Arrival, Store, postgres::Postgres},
};
use postgres::{Server, connect};
use regex::Regex;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const SHOP: &str = "shop";

/// Accepts one event of a customer who is new.
async fn accept(store: &Postgres, keys: &Keys, number: u8) {
    let id = format!("customer-{number}");
    let mut arrival = Arrival::of_known(
        [number; 16],
        format!("event-{number}"),
        "seen".into(),
        keys.customer(SHOP, "userId", &id),
        SystemClock.now(),
    );
    arrival.customer_id = Some(Personal::new(id));
    store.accept(SHOP, &[arrival], &|_, _| Vec::new()).await.unwrap();
}

async fn accepted(store: &Postgres) -> i64 {
    store.intake_counts(SHOP).await.unwrap().total("accepted")
}

/// Until the store counts so many.
async fn counts(store: &Postgres, wanted: i64) {
    let began = Instant::now();
    while accepted(store).await != wanted {
        assert!(began.elapsed() < Duration::from_secs(60), "{wanted} were never counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn counts_are_the_standby_s_and_the_primary_s_while_it_is_away() {
    let primary = Server::start();
    let database = primary.database().await;
    let keys = Keys::ephemeral();
    let open = || Postgres::connect(&primary.url(&database), None, 2, keys.clone()).unwrap();
    let writer = open();
    writer.migrate().await.unwrap();
    let standby = primary.standby();
    let reader = open().with_standby(&standby.url(&database), None, 2).unwrap();
    accept(&writer, &keys, 1).await;
    counts(&reader, 1).await;

    let on_standby = connect(&standby.url("postgres")).await;
    on_standby.batch_execute("SELECT pg_wal_replay_pause()").await.unwrap();
    let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
    while !on_standby.query_one(paused, &[]).await.unwrap().get::<_, bool>(0) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    accept(&writer, &keys, 2).await;
    assert_eq!(accepted(&writer).await, 2);
    assert_eq!(accepted(&reader).await, 1, "it reads what has reached the standby");

    standby.stop();
    assert_eq!(
        accepted(&reader).await,
        2,
        "the primary is asked while the standby is away"
    );
    accept(&reader, &keys, 3).await;
    assert_eq!(accepted(&writer).await, 3, "and writes are the primary's always");

    standby.start_again();
    counts(&open().with_standby(&standby.url(&database), None, 2).unwrap(), 3).await;
}

#[tokio::test]
async fn every_key_is_led_by_the_namespace() {
    let server = Server::shared();
    let database = server.url(&server.database().await);
    let store = Postgres::connect(&database, None, 1, Keys::ephemeral()).unwrap();
    store.migrate().await.unwrap();
    let catalog = connect(&database).await;
    let tables = "SELECT c.relname::text FROM pg_class c WHERE c.relnamespace = 'journey'::regnamespace AND c.relkind IN ('r', 'p') \
                  AND NOT c.relispartition AND c.relname <> 'migration' ORDER BY 1";
    let tables: BTreeSet<String> = names(&catalog.query(tables, &[]).await.unwrap());
    assert!(tables.len() >= 20, "{tables:?}");
    // Of unique indexes, primary keys among them: the table, and the first column.
    let keys = "SELECT c.relname::text, a.attname::text, i.indisprimary FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid \
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] \
                WHERE c.relnamespace = 'journey'::regnamespace AND i.indisunique AND c.relname <> 'migration'";
    let keys = catalog.query(keys, &[]).await.unwrap();
    for row in &keys {
        let (table, first): (String, String) = (row.get(0), row.get(1));
        assert_eq!(
            first, "namespace",
            "a unique key of {table} cannot be kept by one machine alone"
        );
    }
    let primary = keys.iter().filter(|row| row.get(2));
    let keyed: BTreeSet<String> = primary.map(|row| row.get(0)).collect();
    let without: Vec<&String> = tables.difference(&keyed).collect();
    assert!(without.is_empty(), "without a primary key: {without:?}");
    // What would have to reach across machines.
    let across = "SELECT conname::text FROM pg_constraint WHERE connamespace = 'journey'::regnamespace AND contype IN ('f', 'x') \
                  UNION ALL SELECT tgname::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid \
                  WHERE c.relnamespace = 'journey'::regnamespace AND NOT t.tgisinternal";
    assert_eq!(names(&catalog.query(across, &[]).await.unwrap()), BTreeSet::new());
}

fn names(rows: &[tokio_postgres::Row]) -> BTreeSet<String> {
    rows.iter().map(|row| row.get(0)).collect()
}

/// Files whose statements concern a whole database and run in each: the schema, what is old in any namespace, what is checked of the server, and
/// what measurements ask.
const OF_THE_DATABASE: [&str; 4] = ["migration.rs", "retention.rs", "settings.rs", "measure.rs"];

#[test]
fn every_statement_names_the_namespace_of_each_table_that_it_touches() {
    let (grammar, mut seen, mut breaches) = (Grammar::of_migrations(), 0, Vec::new());
    for file in fs::read_dir("src/store/postgres").unwrap() {
        let path = file.unwrap().path();
        if OF_THE_DATABASE.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        for statement in statements(&fs::read_to_string(&path).unwrap()) {
            let (touched, named) = grammar.read(&statement);
            seen += usize::from(touched > 0);
            if named < touched {
                breaches.push(format!("{}: {statement}", path.display()));
            }
        }
    }
    assert!(seen > 80, "only {seen} statements were found: are they somewhere else?");
    assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
}

#[test]
fn a_statement_across_namespaces_would_be_seen() {
    let of_tables = |statement| Grammar::of_migrations().read(statement);
    assert_eq!(of_tables("SELECT FROM event WHERE key = $1"), (1, 0));
    let joined = "SELECT FROM program p JOIN journey j ON j.journey = p.journey WHERE p.namespace = $1";
    assert_eq!(of_tables(joined), (2, 1));
    let joined = "SELECT FROM program p JOIN journey j USING (namespace, journey) WHERE p.namespace = $1";
    assert_eq!(of_tables(joined), (2, 2));
    let source = "// DELETE FROM event\nlet x = \"DELETE FROM event \\\n    WHERE namespace = $1\";";
    assert_eq!(statements(source), ["DELETE FROM event WHERE namespace = $1"]);
}

/// The string literals of a source, on one line each, without those in comments.
fn statements(source: &str) -> Vec<String> {
    let comment = Regex::new(r"(?m)^\s*//.*$").unwrap();
    let literal = Regex::new(r#"(?s)"((?:[^"\\]|\\.)*)""#).unwrap();
    let broken = Regex::new(r"\\\n\s*").unwrap();
    let source = comment.replace_all(source, "");
    let literals = literal.captures_iter(&source);
    literals
        .map(|found| broken.replace_all(&found[1], "").into_owned())
        .collect()
}

/// How a statement is read.
struct Grammar {
    touched: Regex,
    named: Regex,
}

impl Grammar {
    /// Of the tables that the migrations make.
    fn of_migrations() -> Self {
        let made = Regex::new(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)").unwrap();
        let mut tables = Vec::new();
        for file in fs::read_dir("src/store/migrations").unwrap() {
            let sql = fs::read_to_string(file.unwrap().path()).unwrap();
            tables.extend(made.captures_iter(&sql).map(|found| found[1].to_owned()));
        }
        let tables = tables.join("|");
        let touched = format!(r"\b(?:FROM|JOIN|INTO|UPDATE|USING)\s+(?:(?:{tables})\b|\{{table\}})");
        // A row that is put back as it was brings its namespace. What is deleted or changed by its place was found in this namespace by the same
        // transaction, under its customer's lock; with its namespace beside the place the planner were free to look for all of the namespace.
        Self {
            touched: Regex::new(&touched).unwrap(),
            named: Regex::new(
                r"namespace = |ctid = |USING \(namespace|INTO \S+(?: AS \w+)? \(namespace|jsonb_populate_record\(NULL::",
            )
            .unwrap(),
        }
    }

    /// How many tables a statement touches, and how often it says of which namespace.
    fn read(&self, statement: &str) -> (usize, usize) {
        (
            self.touched.find_iter(statement).count(),
            self.named.find_iter(statement).count(),
        )
    }
}

/// A data plane of its own under load, until it is done.
fn world(database: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_journey"))
        .args([
            "bench",
            "--phases",
            "journeys",
            "--seconds",
            "10",
            "--in-flight",
            "200",
            "--format",
            "json",
        ])
        .args(["--database", database])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Namespaces that a database has customers of.
async fn namespaces(database: &str) -> BTreeSet<String> {
    let catalog = connect(database).await;
    let there = "SELECT to_regclass('journey.customer') IS NOT NULL";
    if !catalog.query_one(there, &[]).await.unwrap().get::<_, bool>(0) {
        return BTreeSet::new();
    }
    names(
        &catalog
            .query("SELECT DISTINCT namespace FROM journey.customer", &[])
            .await
            .unwrap(),
    )
}

#[tokio::test]
async fn journeys_on_two_servers_are_two_worlds() {
    let servers = [Server::start(), Server::start()];
    let mut databases = Vec::new();
    for server in &servers {
        databases.push(server.url(&server.database().await));
    }
    let worlds: Vec<Child> = databases.iter().map(|database| world(database)).collect();
    let began = Instant::now();
    let found = loop {
        let found = [namespaces(&databases[0]).await, namespaces(&databases[1]).await];
        if found.iter().all(|names| !names.is_empty()) {
            break found;
        }
        assert!(
            began.elapsed() < Duration::from_secs(120),
            "no customers came: {found:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((found[0].len(), found[1].len()), (1, 1), "{found:?}");
    assert!(found[0].is_disjoint(&found[1]), "{found:?}");
    for world in worlds {
        let ran = world.wait_with_output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        let found: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(found["books"]["balance"], true, "{}", found["books"]);
        assert!(found["books"]["completed"].as_u64().unwrap() > 0, "{}", found["books"]);
    }
}
