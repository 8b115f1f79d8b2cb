//! `journey quarantine`, `journey outbox` and `journey store` as people call them: the program itself over a real PostgreSQL.

#[path = "store/bench.rs"]
#[allow(dead_code)]
mod bench;
#[path = "support/postgres.rs"]
mod postgres;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bench::*;
use journey::{
    clock::HOUR,
    engine::Outcome,
    keys::Keys,
    kpi::Counts,
    store::{Aside, AsideReason, MessageRow, OutboxState, Quarantined, Round, RoundCommit, Store, postgres::Postgres},
};
use postgres::Server;
use serde_json::{Value, json};
use std::{path::PathBuf, process::Command};

struct Shop {
    store: Postgres,
    url: String,
    keys: PathBuf,
}

impl Drop for Shop {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.keys).unwrap();
    }
}

impl Shop {
    /// Person 1: message 1 failed, message 2 waits, message 4 may have gone out. One event of the gateway's and one of a round's are put aside.
    async fn new() -> Self {
        let server = Server::shared();
        let url = server.url(&server.database().await);
        let keys = std::env::temp_dir().join(format!("journey-outbox-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&keys).unwrap();
        for (name, byte) in [("seal", 1_u8), ("mac", 2)] {
            std::fs::write(keys.join(name), STANDARD.encode([byte; 32])).unwrap();
        }
        let store = Postgres::connect(&url, None, 4, Keys::read(&keys).unwrap()).unwrap();
        store.migrate().await.unwrap();
        store.put_settings(SHOP, &json!({"namespace": SHOP})).await.unwrap();
        store.put_journey(SHOP, &revision(WELCOME, "r1")).await.unwrap();
        let shop = Self { store, url, keys };
        let event = arrival(1, person(1), shop.store.now().await.unwrap());
        shop.store.accept(SHOP, &[event], &|_, _| vec![]).await.unwrap();
        let hold = shop.store.join(SHOP, WELCOME, owner(1), TTL).await.unwrap();
        let mut work = |round: Round| {
            let held = |why: &str, due| OutboxState::Held { due, why: why.into() };
            let failed = |number, reason: &str| MessageRow {
                key: message_key(number),
                journey: WELCOME.into(),
                customer: person(1),
                enrollment: 1,
                step: "remind".into(),
                occurrence: 1,
                touchpoint: "reminder".into(),
                purpose: "news".into(),
                channel: "Email".into(),
                at: round.now,
                address: None,
                outcome: Some(Outcome::Failed(reason.into())),
            };
            let mut counts = Counts::default();
            counts.add("failed:reminder:GaveUp".into(), round.now, 1);
            counts.add("event:ignored:Panicked".into(), round.now, 1);
            let (sequence, event) = round.customers[0].inbox[0].clone();
            let aside = Aside::Event {
                customer: person(1),
                event,
            };
            RoundCommit {
                consumed: vec![sequence],
                outbox: vec![outbox(2, person(1), held("QuietHours", round.now + HOUR))],
                messages: vec![failed(1, "GaveUp"), failed(4, "OutcomeUnknown")],
                failed: vec![outbox(1, person(1), held("x", 0)), outbox(4, person(1), held("x", 0))],
                quarantined: vec![aside.of_journey(WELCOME, AsideReason::Panicked, "at walk.rs:1".into(), round.now)],
                counts,
                ..RoundCommit::default()
            }
        };
        shop.store.round(&hold, &request(), &mut work).await.unwrap();
        let aside = Quarantined {
            reason: "NoTouchpoint".into(),
            detail: "no inbound Touchpoint has this event".into(),
            source: "web".into(),
            at: 1,
            event: json!({"id": "secret-event"}).into(),
        };
        shop.store.quarantine(SHOP, &[aside]).await.unwrap();
        shop
    }

    /// What the command writes, and whether it ended well.
    fn journey(&self, arguments: &[&str]) -> (String, bool) {
        let done = Command::new(env!("CARGO_BIN_EXE_journey"))
            .args(arguments)
            .args(["--namespace", SHOP, "--database", &self.url, "--keys"])
            .arg(&self.keys)
            .output()
            .unwrap();
        let said = String::from_utf8(done.stdout).unwrap() + &String::from_utf8(done.stderr).unwrap();
        (said, done.status.success())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let (said, good) = self.journey(&[arguments, &["--output", "json"]].concat());
        assert!(good, "{said}");
        serde_json::from_str(&said).unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_listed_tried_again_and_dropped() {
    let shop = Shop::new().await;
    let of = ["--journey", WELCOME];
    let (said, good) = shop.journey(&[&["outbox", "list"], &of[..]].concat());
    assert!(good && said.contains("QuietHours") && said.contains("GaveUp"), "{said}");
    assert!(said.starts_with("KEY "), "{said}");
    let listed = shop.json(&[&["outbox", "list", "--state", "failed"], &of[..]].concat());
    let reasons: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["GaveUp", "OutcomeUnknown"]);

    let (one, two, four) = (
        message_key(1).to_string(),
        message_key(2).to_string(),
        message_key(4).to_string(),
    );
    let (said, good) = shop.journey(&[&["outbox", "show", &two], &of[..]].concat());
    assert!(good && !said.contains("Ada"), "{said}");
    let (said, _) = shop.journey(&[&["outbox", "show", &two, "--personal"], &of[..]].concat());
    assert!(said.contains("Ada"), "{said}");
    let (said, good) = shop.journey(&[&["outbox", "show", "nothing"], &of[..]].concat());
    assert!(!good && said.contains("32 hexadecimal digits"), "{said}");

    let (said, good) = shop.journey(&[&["outbox", "retry", "--all"], &of[..]].concat());
    assert!(
        !good && said.contains("1 to be tried again, 1 not") && said.contains("--may-send-twice"),
        "{said}"
    );
    let (said, good) = shop.journey(&[&["outbox", "retry", &four, "--may-send-twice"], &of[..]].concat());
    assert!(good && said.contains("1 to be tried again, 0 not"), "{said}");
    let (said, good) = shop.journey(&[&["outbox", "retry", &one], &of[..]].concat());
    assert!(!good && said.contains("no message"), "{said}");
    let counts = shop.store.counts(SHOP, WELCOME).await.unwrap();
    assert_eq!(counts.total("failed:reminder:GaveUp"), 0, "taken back");

    let (said, good) = shop.journey(&[&["outbox", "drop", "--all", "--reason", "QuietHours"], &of[..]].concat());
    assert!(good && said.contains("1 dropped, 0 not"), "{said}");
    let listed = shop.json(&[&["outbox", "list"], &of[..]].concat());
    let reasons: Vec<&str> = listed
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["reason"].as_str().unwrap())
        .collect();
    assert_eq!(reasons, ["Retried", "Dropped", "Retried"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_put_aside_is_listed_given_back_and_dropped() {
    let shop = Shop::new().await;
    let listed = shop.json(&["quarantine", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert!(!listed.to_string().contains("secret-event"));
    let of_rounds = shop.json(&["quarantine", "list", "--source", "journey/welcome"]);
    assert_eq!(of_rounds[0]["reason"], "Panicked");
    let id = of_rounds[0]["id"].to_string();
    let (said, good) = shop.journey(&["quarantine", "replay", &id]);
    assert!(good && said.contains("1 given to their journey again"), "{said}");
    assert_eq!(shop.store.backlog(SHOP, WELCOME).await.unwrap().inbox, 1);
    assert_eq!(
        shop.store
            .counts(SHOP, WELCOME)
            .await
            .unwrap()
            .total("event:ignored:Panicked"),
        0
    );
    let (said, good) = shop.journey(&["quarantine", "drop", "--all", "--reason", "NoTouchpoint"]);
    assert!(good && said.contains("1 dropped"), "{said}");
    let (said, _) = shop.journey(&["quarantine", "list"]);
    assert!(said.starts_with("Nothing"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_settings_of_the_database_are_checked_as_the_role_sees_them() {
    // A server of its own: roles belong to the whole server. Tests run without fsync and full_page_writes.
    let server = Server::start();
    let database = server.database().await;
    let admin = postgres::connect(&server.url(&database)).await;
    admin
        .batch_execute("CREATE ROLE hasty LOGIN; ALTER ROLE hasty SET synchronous_commit = off")
        .await
        .unwrap();
    let check = |role: &str, more: &[&str]| {
        let done = Command::new(env!("CARGO_BIN_EXE_journey"))
            .args(["store", "check", "--database", &server.url_of(role, &database)])
            .args(more)
            .output()
            .unwrap();
        assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    let said = check("hasty", &[]);
    let unsafe_ones: Vec<&str> = said
        .lines()
        .filter(|line| line.starts_with("unsafe"))
        .map(|line| line.split_whitespace().nth(1).unwrap())
        .collect();
    assert_eq!(
        unsafe_ones,
        ["fsync", "full_page_writes", "synchronous_commit"],
        "{said}"
    );
    assert!(
        said.contains("min_wal_size") && said.contains("idle_in_transaction_session_timeout"),
        "{said}"
    );
    let said: Value = serde_json::from_str(&check("postgres", &["--output", "json"])).unwrap();
    let named = |setting: &str| said.as_array().unwrap().iter().any(|row| row["setting"] == setting);
    assert!(named("fsync") && !named("synchronous_commit"), "{said}");
}
