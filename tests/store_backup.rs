//! docs/install.md's backup and restore, with the commands it names: what comes back is what was there, and opens only with its keys.

#[path = "support/postgres.rs"]
mod postgres;

use journey::{
    keys::Keys,
    personal::Personal,
    policy::Consent,
    store::{Arrival, Customer, Imported, Store, postgres::Postgres},
};
use postgres::Server;
use serde_json::json;
use std::{collections::BTreeMap, path::PathBuf, process::Command};

const NS: &str = "shop";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_store_goes_on_where_the_dump_was_taken_and_needs_its_keys() {
    let server = Server::shared();
    let keys = Keys::ephemeral();
    let from = server.url(&server.database().await);
    let store = Postgres::connect(&from, None, 2, keys.clone()).unwrap();
    store.migrate().await.unwrap();
    store.put_settings(NS, &json!({"settings": true})).await.unwrap();
    let ada = Imported {
        key: keys.customer(NS, "userId", "ada"),
        anonymous: false,
        id: Personal::new("ada".into()),
        attributes: Personal::new(json!({"email": "ada@example.com"}).as_object().unwrap().clone()),
        consents: BTreeMap::from([("news".to_owned(), Consent::said(false, 1))]),
        evidence: BTreeMap::new(),
    };
    store.import(NS, &[ada], "file", 1).await.unwrap();

    let dump = tempfile::NamedTempFile::new().unwrap();
    let file = dump.path().to_str().unwrap();
    run("pg_dump", &["--format=custom", &format!("--file={file}"), &from]);
    let to = server.url(&server.database().await);
    // A first restore into an empty database, and a second over what is there.
    for _ in 0..2 {
        run("psql", &[&to, "-c", "DROP SCHEMA IF EXISTS journey CASCADE"]);
        run("pg_restore", &["--no-owner", &format!("--dbname={to}"), file]);
    }

    let restored = Postgres::connect(&to, None, 2, keys.clone()).unwrap();
    restored.migrate().await.unwrap();
    let programs = restored.programs(NS, -1).await.unwrap().unwrap();
    assert_eq!(programs.settings, Some(json!({"settings": true})));
    let seen = std::sync::Mutex::new(None);
    accept(&restored, &keys, &|customer| {
        *seen.lock().unwrap() = Some(customer.clone())
    })
    .await
    .unwrap();
    let ada = seen.into_inner().unwrap().unwrap();
    assert_eq!(ada.attributes.expose()["email"], "ada@example.com");
    assert_eq!(ada.consents.get("news").copied(), Consent::said(false, 1).over(None));

    let stranger = Postgres::connect(&to, None, 2, Keys::ephemeral()).unwrap();
    let refused = accept(&stranger, &keys, &|_| {}).await.unwrap_err().to_string();
    assert!(
        refused.contains("cannot be read") && !refused.contains("ada"),
        "{refused}"
    );
}

async fn accept(store: &Postgres, keys: &Keys, see: &(dyn Fn(&Customer) + Send + Sync)) -> journey::store::Result<()> {
    let id = uuid::Uuid::new_v4().to_string();
    let arrival = Arrival {
        key: keys.event(NS, "test", &id),
        id: id.into(),
        name: "seen".into(),
        customer: keys.customer(NS, "userId", "ada"),
        customer_id: Some(Personal::new("ada".into())),
        anonymous: false,
        known_as: vec![],
        time: 2,
        data: Personal::default(),
        said: vec![],
        unreadable: Default::default(),
        about: None,
        listeners: vec![],
        suppresses: None,
    };
    store
        .accept(NS, &[arrival], &|_, customer: &mut Customer| {
            see(customer);
            vec![]
        })
        .await
        .map(drop)
}

/// Beside the server's own programs, where Debian keeps them.
fn run(program: &str, arguments: &[&str]) {
    let mut homes: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|home| home.path())
        .collect();
    homes.sort();
    let found = homes
        .iter()
        .rev()
        .map(|home| home.join("bin").join(program))
        .find(|path| path.exists());
    let output = Command::new(found.unwrap_or_else(|| program.into()))
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
