//! A namespace on a real PostgreSQL, with its gateway and runners as processes of the real binary.

use super::{
    postgres::{self, Server},
    process::{Process, free_port},
};
use journey::{
    compile::{self, Manifests},
    keys::{Keys, encode, random_key},
    personal::Personal,
    policy::Consent,
    runner::programs,
    store::{Imported, Store, postgres::Postgres},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Once,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const NAMESPACE: &str = "shop";
pub const JOURNEY: &str = "cart";
pub const WRITE_KEY: &str = "shop-write-key";

/// What is unlike the usual about a world.
#[derive(Default)]
pub struct Plan<'a> {
    /// `spec:` of the way out.
    pub adapter: &'a str,
    /// Files of the folder of secrets.
    pub secrets: &'a [(&'a str, &'a str)],
    pub customers: usize,
    /// Of the journey; left out (0): two.
    pub runners: usize,
    /// Instead of those of the one journey, and the journeys that they are of: each further one has one runner.
    pub manifests: Option<(&'a str, &'a [&'a str])>,
    /// What stands before the command of each gateway and runner.
    pub before: &'a [String],
    /// Each process is a user of its own in the database, called by the name of its log.
    pub own_users: bool,
}

/// Each customer enters once, waits a moment, and is reminded. `ADAPTER` is the way out.
const MANIFESTS: &str = r#"
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: cart}
spec:
  entry: {triggers: [{event: cart-updated}], reentry: {max: 1}}
  steps:
  - {name: patience, wait: {for: 1s}}
  - {name: remind, send: {touchpoint: reminder, otherwise: missed}}
  - {name: done, exit: {outcome: Completed}}
  - {name: missed, exit: {outcome: Failed}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: cart-updated}
spec:
  channel: Web
  inbound:
    event: cart.updated
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}}}
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: reminder}
spec:
  channel: Email
  outbound:
    adapter: out
    purpose: marketing
    to: ${customer.email}
    content: {subject: Your cart, text: "It waits."}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: out}
ADAPTER
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: web}
spec: {http: {auth: {secretRef: {name: web-write-key}}, publicUrl: "https://events.shop.example"}}
---
apiVersion: journey.dev/v1alpha1
kind: CustomerProfile
metadata: {name: shop}
spec:
  attributes:
    email: {type: string, personal: true}
---
apiVersion: journey.dev/v1alpha1
kind: PrivacyPolicy
metadata: {name: shop}
spec:
  purposes: [{name: marketing, basis: Consent, attributes: [email]}]
"#;

pub struct World {
    pub store: Postgres,
    pub http: reqwest::Client,
    pub gateway: Process,
    pub runners: Vec<Process>,
    /// Where events go.
    pub url: String,
    /// Status addresses of the gateway and of each runner.
    pub status: Vec<String>,
    pub customers: usize,
    pub keys: Keys,
    database: String,
    users: Option<tokio_postgres::Client>,
    before: Vec<String>,
    /// Keys, secrets and logs; it goes with the processes that use it.
    folder: TempDir,
}

impl World {
    /// Everything there and running: programs, customers (each tenth never consented), a gateway, two runners that share the shards.
    pub async fn open(server: &Server, adapter: &str, secrets: &[(&str, &str)], customers: usize) -> Self {
        Self::with(
            server,
            Plan {
                adapter,
                secrets,
                customers,
                ..Plan::default()
            },
        )
        .await
    }

    pub async fn with(server: &Server, plan: Plan<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["seal", "mac"] {
            write(folder.path(), &format!("keys/{name}"), &encode(&random_key()));
        }
        write(folder.path(), "secrets/web-write-key/key", WRITE_KEY);
        for (file, value) in plan.secrets {
            write(folder.path(), &format!("secrets/{file}"), value);
        }
        let keys = Keys::read(&folder.path().join("keys")).unwrap();
        let database = server.url(&server.database().await);
        let store = Postgres::connect(&database, None, 3, keys.clone()).unwrap();
        store.migrate().await.unwrap();
        let usual = manifests(plan.adapter);
        let (manifests, journeys) = plan.manifests.unwrap_or((&usual, &[JOURNEY]));
        put(&store, manifests, journeys).await;
        let users = if plan.own_users {
            Some(postgres::connect(&database).await)
        } else {
            None
        };
        let mut world = Self {
            store,
            http: client(),
            // Replaced at once: what a gateway needs is asked of a world.
            gateway: Process::start(["true"], folder.path().join("true.log")),
            runners: vec![],
            url: String::new(),
            status: vec![],
            customers: plan.customers,
            database,
            users,
            before: plan.before.to_vec(),
            keys,
            folder,
        };
        (world.gateway, world.url) = world.another_gateway("gateway").await;
        let runners = if plan.runners == 0 { 2 } else { plan.runners };
        for _ in 0..runners {
            world.another_runner(journeys[0]).await;
        }
        for journey in &journeys[1..] {
            world.another_runner(journey).await;
        }
        world.import().await;
        world.shared_by(runners).await;
        world.ready(0).await;
        world
    }

    /// Starts one more runner; its status address is the last.
    pub async fn another_runner(&mut self, journey: &str) {
        let log = format!("runner_{}", self.runners.len());
        let runner = self.role(&["runner", "--journey", journey], &log).await;
        self.runners.push(runner);
    }

    /// With the address where it takes events.
    pub async fn another_gateway(&mut self, log: &str) -> (Process, String) {
        let listen = format!("127.0.0.1:{}", free_port());
        let gateway = self.role(&["gateway", "--listen", &listen], log).await;
        (gateway, format!("http://{listen}"))
    }

    async fn role(&mut self, arguments: &[&str], name: &str) -> Process {
        let mut database = self.database.clone();
        if let Some(users) = &self.users {
            let make = format!(
                "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN CREATE ROLE {name} SUPERUSER LOGIN; END IF; END $$"
            );
            users.batch_execute(&make).await.unwrap();
            database = database.replace("postgres://postgres@", &format!("postgres://{name}@"));
        }
        let status = format!("127.0.0.1:{}", free_port());
        self.status.push(format!("http://{status}"));
        let mut command = self.before.clone();
        command.push(env!("CARGO_BIN_EXE_journey").to_owned());
        command.extend(arguments.iter().map(ToString::to_string));
        command.extend(["--namespace".to_owned(), NAMESPACE.to_owned()]);
        command.extend(["--database".to_owned(), database]);
        command.extend(["--status-address".to_owned(), status]);
        let folder = self.folder.path();
        for name in ["keys", "secrets"] {
            command.extend([format!("--{name}"), folder.join(name).display().to_string()]);
        }
        Process::start(command, folder.join(format!("{name}.log")))
    }

    /// Customers who never consented.
    pub fn silent(&self) -> BTreeSet<String> {
        (0..self.customers).filter(|n| !consented(*n)).map(customer).collect()
    }

    /// Customers who consented.
    pub fn willing(&self) -> BTreeSet<String> {
        (0..self.customers).filter(|n| consented(*n)).map(customer).collect()
    }

    async fn import(&self) {
        let row = |n: usize| {
            let consent = Consent::said(true, 1_772_445_600_000_000);
            let email = json!({"email": format!("{}@example.com", customer(n))});
            Imported {
                key: self.keys.customer(NAMESPACE, "userId", &customer(n)),
                anonymous: false,
                id: customer(n).into(),
                attributes: Personal::new(email.as_object().unwrap().clone()),
                consents: consented(n)
                    .then(|| ("marketing".to_owned(), consent))
                    .into_iter()
                    .collect(),
                evidence: BTreeMap::new(),
            }
        };
        let rows: Vec<Imported> = (0..self.customers).map(row).collect();
        for (n, part) in rows.chunks(500).enumerate() {
            self.store.import(NAMESPACE, part, "customers", n as u64).await.unwrap();
        }
    }

    /// Until the two runners have half of the shards each.
    pub async fn shared(&self) {
        self.shared_by(2).await;
    }

    /// Until `runners` have an equal part of the shards each.
    pub async fn shared_by(&self, runners: usize) {
        let fair = |owners: &[i64]| {
            let least = 64 / i64::try_from(runners).unwrap();
            owners.len() == runners && owners.iter().sum::<i64>() == 64 && owners.iter().all(|n| *n >= least)
        };
        self.owned(&format!("{runners} runners share the shards"), fair).await;
    }

    /// How long it takes until one runner has all shards.
    pub async fn taken_over(&self) -> Duration {
        let since = Instant::now();
        self.owned("one runner has all shards", |owners| owners == [64]).await;
        since.elapsed()
    }

    async fn owned(&self, what: &str, so: impl Fn(&[i64]) -> bool) {
        let client = self.look().await;
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let rows = client
                .query(
                    "SELECT count(*) FROM journey.lease WHERE owner IS NOT NULL AND journey = (SELECT min(journey) FROM journey.lease) GROUP BY owner",
                    &[],
                )
                .await
                .unwrap();
            let owners: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            if so(&owners) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: not within 20 s, but {owners:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub fn url_of_database(&self) -> &str {
        &self.database
    }

    /// A connection for looking into tables.
    pub async fn look(&self) -> tokio_postgres::Client {
        postgres::connect(&self.database).await
    }

    /// What /readyz of the gateway (0) or a runner (1, 2) says; None: nobody answers.
    pub async fn readyz(&self, role: usize) -> Option<(u16, String)> {
        let response = self
            .http
            .get(format!("{}/readyz", self.status[role]))
            .send()
            .await
            .ok()?;
        Some((response.status().as_u16(), response.text().await.ok()?))
    }

    pub async fn ready(&self, role: usize) {
        self.readyz_says(role, 200, "ok").await;
    }

    pub async fn readyz_says(&self, role: usize, status: u16, word: &str) {
        let mut said = None;
        for _ in 0..750 {
            said = self.readyz(role).await;
            if said
                .as_ref()
                .is_some_and(|(code, text)| *code == status && text.contains(word))
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("/readyz of {role} does not say {status} {word}, but {said:?}");
    }
}

/// Of the usual journey, with this `spec:` of its way out.
pub fn manifests(adapter: &str) -> String {
    MANIFESTS.replace("ADAPTER", adapter)
}

/// As the operator puts it.
async fn put(store: &Postgres, text: &str, journeys: &[&str]) {
    let mut manifests = Manifests {
        namespace: NAMESPACE.into(),
        ..Manifests::default()
    };
    manifests.read(text, "crash.yaml").unwrap();
    let settings = serde_json::to_value(compile::settings(&manifests)).unwrap();
    store.put_settings(NAMESPACE, &settings).await.unwrap();
    for journey in journeys {
        let compiled = compile::journey(&manifests, journey).unwrap();
        let row = programs::row(&manifests, &compiled.program).unwrap();
        store.put_journey(NAMESPACE, &row).await.unwrap();
    }
}

pub fn customer(n: usize) -> String {
    format!("customer-{n:05}")
}

fn consented(n: usize) -> bool {
    !n.is_multiple_of(10)
}

fn write(folder: &Path, file: &str, value: &str) {
    let path = folder.join(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, value).unwrap();
}

fn client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _installed = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}
