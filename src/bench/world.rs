//! A namespace of its own in the database, with its gateway and its runner as processes.

use super::{BenchError, Order, usage};
use crate::{
    compile::{self, Manifests},
    engine::state::Ending,
    keys::{Keys, encode, random_key},
    kpi::{Count, Counts},
    runner::programs,
    store::{Store, postgres::Postgres},
};
use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use uuid::Uuid;

pub const WRITE_KEY: &str = "bench-write-key";
const JOURNEY: &str = "bench";
const MANIFESTS: &str = include_str!("bench.yaml");
/// How long a process may take to start.
const START: Duration = Duration::from_secs(30);

pub struct World {
    pub http: reqwest::Client,
    pub gateway: Role,
    pub runner: Role,
    /// Where events go.
    pub url: String,
    namespace: String,
    store: Postgres,
    /// Keys, secrets and logs; it goes last.
    folder: TempDir,
}

/// A process; it ends with this.
pub struct Role(Child);

impl Role {
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    pub fn resident(&self) -> u64 {
        usage::resident(self.id())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _ended_already = self.0.wait();
    }
}

impl World {
    pub async fn open(order: &Order, sink: &str) -> Result<Self, BenchError> {
        let io = |what| move |error| BenchError::Io(what, error);
        let folder = tempfile::tempdir().map_err(io("a folder for keys"))?;
        for name in ["keys/seal", "keys/mac"] {
            write(folder.path(), name, &encode(&random_key())).map_err(io("keys"))?;
        }
        write(folder.path(), "secrets/bench-write-key/key", WRITE_KEY).map_err(io("secrets"))?;
        let keys = Keys::read(&folder.path().join("keys")).map_err(|error| BenchError::Manifests(error.to_string()))?;
        let store = Postgres::connect(&order.database, None, 3, keys)?;
        store.migrate().await?;
        let namespace = format!("bench-{}", &Uuid::new_v4().simple().to_string()[..8]);
        put(&store, &namespace, order, sink).await?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(60))
            .build();
        let http = http.map_err(|error| BenchError::Gateway(error.to_string()))?;
        let ports = free_ports(3).map_err(io("free ports"))?;
        let address = |n: usize| format!("127.0.0.1:{}", ports[n]);
        let start = |name: &'static str, own: &[&str], status: usize| {
            role(&folder, &order.database, &namespace, own, &address(status), name).map_err(io(name))
        };
        let gateway = start("gateway", &["gateway", "--listen", &address(0)], 1)?;
        let runner = start("runner", &["runner", "--journey", JOURNEY], 2)?;
        let world = Self {
            url: format!("http://{}/v1/events", address(0)),
            http,
            gateway,
            runner,
            namespace,
            store,
            folder,
        };
        for (name, status) in [("gateway", 1), ("runner", 2)] {
            world.ready(name, &address(status)).await?;
        }
        Ok(world)
    }

    async fn ready(&self, name: &'static str, address: &str) -> Result<(), BenchError> {
        let began = Instant::now();
        loop {
            let asked = self.http.get(format!("http://{address}/readyz")).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if began.elapsed() > START {
                let log = fs::read_to_string(log(self.folder.path(), name)).unwrap_or_default();
                let from = log.lines().count().saturating_sub(20);
                let end: Vec<&str> = log.lines().skip(from).collect();
                return Err(BenchError::NotReady(name, end.join("\n")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Enrollments that are Completed, as soon as there are as many as `wanted`, or after `patience`.
    pub async fn completed(&self, wanted: u64, patience: Duration) -> Result<u64, BenchError> {
        let (name, began) = (Count::Ended(Ending::Completed).name(), Instant::now());
        loop {
            let Counts(counts) = self.store.counts(&self.namespace, JOURNEY).await?;
            let n: i64 = counts
                .iter()
                .filter(|((count, _), _)| *count == name)
                .map(|(_, n)| n)
                .sum();
            let n = u64::try_from(n).unwrap_or_default();
            if n >= wanted || began.elapsed() > patience {
                return Ok(n);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Ends the processes, and takes the namespace out of the database.
    pub async fn close(self) -> Result<(), BenchError> {
        let Self {
            gateway,
            runner,
            namespace,
            store,
            ..
        } = self;
        drop((gateway, runner));
        Ok(store.remove_namespace(&namespace).await?)
    }
}

async fn put(store: &Postgres, namespace: &str, order: &Order, sink: &str) -> Result<(), BenchError> {
    let unread = |error: String| BenchError::Manifests(error);
    let mut manifests = Manifests {
        namespace: namespace.to_owned(),
        ..Manifests::default()
    };
    let text = MANIFESTS
        .replace("SINK", sink)
        .replace("CONCURRENCY", &order.concurrency.to_string());
    manifests
        .read(&text, "bench.yaml")
        .map_err(|errors| unread(errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let compiled = compile::journey(&manifests, JOURNEY)
        .map_err(|found| unread(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let unwritten = |error: serde_json::Error| unread(error.to_string());
    let row = programs::row(&manifests, &compiled.program).map_err(unwritten)?;
    let settings = serde_json::to_value(compile::settings(&manifests)).map_err(unwritten)?;
    store.put_settings(namespace, &settings).await?;
    store.put_journey(namespace, &row).await?;
    Ok(())
}

fn role(
    folder: &TempDir,
    database: &str,
    namespace: &str,
    own: &[&str],
    status: &str,
    name: &str,
) -> std::io::Result<Role> {
    let output = File::create(log(folder.path(), name))?;
    let child = Command::new(std::env::current_exe()?)
        .args(own)
        .args(["--namespace", namespace, "--status-address", status])
        .args([Path::new("--keys"), &folder.path().join("keys")])
        .args([Path::new("--secrets"), &folder.path().join("secrets")])
        .env("JOURNEY_DATABASE_URL", database)
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()?;
    Ok(Role(child))
}

fn log(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.log"))
}

fn write(folder: &Path, file: &str, value: &str) -> std::io::Result<()> {
    let path = folder.join(file);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, value)
}

/// All bound at once, so that they differ.
fn free_ports(n: usize) -> std::io::Result<Vec<u16>> {
    let bound = (0..n).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let bound: Vec<TcpListener> = bound.collect::<std::io::Result<_>>()?;
    bound.iter().map(|socket| Ok(socket.local_addr()?.port())).collect()
}
