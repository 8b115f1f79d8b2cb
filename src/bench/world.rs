//! A namespace of its own in the database, with its gateway and its runners as processes.

use super::{
    BenchError, Order,
    usage::{self, Processes, Usage},
};
use crate::{
    clock::{Clock as _, MINUTE, Micros, SystemClock},
    compile::{self, Manifests},
    engine::{Program, state::Ending},
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
/// The journey that events lead through.
pub const JOURNEY: &str = "bench";
/// The one whose customers wait for a time.
pub const TIMERS: &str = "timers";
const MANIFESTS: &str = include_str!("bench.yaml");
const PLAIN: &str = include_str!("plain.yaml");
const FULL: &str = include_str!("full.yaml");
/// Hours from now until the quiet hours of [`Rules::Full`] begin and end.
const QUIET: (i64, i64) = (10, 12);
/// A journey to which nothing comes.
const IDLE: &str = include_str!("idle.yaml");
/// How long a process may take to start, alone or with many others.
const START: Duration = Duration::from_secs(30);
const START_MANY: Duration = Duration::from_secs(300);

/// What the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// One purpose that everybody may be told of.
    Plain,
    /// Every rule there is, none of which keeps a message.
    Full,
}

pub struct World {
    pub gateway: Role,
    /// Of the journey that events lead through.
    pub runners: Vec<Role>,
    /// Where events go: HOST:PORT.
    pub address: String,
    pub namespace: String,
    pub store: Postgres,
    pub keys: Keys,
    /// Of the journey whose customers wait.
    pub waiting: Program,
    postmaster: Option<u32>,
    http: reqwest::Client,
    database: String,
    manifests: Manifests,
    /// Processes so far, for the names of their logs.
    started: usize,
    /// Keys, secrets and logs; it goes last.
    folder: TempDir,
}

/// A process; it is killed when this goes.
pub struct Role {
    child: Child,
    name: String,
    status: String,
}

impl Role {
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn resident(&self) -> u64 {
        usage::resident(self.id())
    }

    pub fn own(&self) -> u64 {
        usage::own(self.id())
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
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
        let store = Postgres::connect(&order.database, None, 3, keys.clone())?;
        store.migrate().await?;
        let namespace = format!("bench-{}", &Uuid::new_v4().simple().to_string()[..8]);
        let manifests = manifests(&namespace, order, sink, Rules::Plain)?;
        declare(&store, &manifests).await?;
        let waiting = put(&store, &manifests, TIMERS).await?;
        let postmaster = usage::postmaster(store.work().await?.session);
        let http = reqwest::Client::builder()
            .no_proxy()
            .timeout(Duration::from_secs(5))
            .build();
        let ports = free_ports(2).map_err(io("free ports"))?;
        let address = format!("127.0.0.1:{}", ports[0]);
        let own = ["gateway", "--listen", &address];
        let gateway = role(&folder, &order.database, &namespace, &own, ports[1], "gateway".into())?;
        let mut world = Self {
            gateway,
            runners: Vec::new(),
            address,
            store,
            keys,
            waiting,
            postmaster,
            http: http.map_err(|error| BenchError::Gateway(error.to_string()))?,
            database: order.database.clone(),
            manifests,
            namespace,
            started: 0,
            folder,
        };
        world.ready(&world.gateway, START).await?;
        world.runners = world.start(&[JOURNEY.to_owned()]).await?;
        Ok(world)
    }

    /// A runner for each of `journeys`; all of them are ready.
    pub async fn start(&mut self, journeys: &[String]) -> Result<Vec<Role>, BenchError> {
        let ports = free_ports(journeys.len()).map_err(|error| BenchError::Io("free ports", error))?;
        let mut roles = Vec::new();
        for (journey, port) in journeys.iter().zip(ports) {
            self.started += 1;
            let name = format!("runner-{}", self.started);
            let own = ["runner", "--journey", journey];
            roles.push(role(&self.folder, &self.database, &self.namespace, &own, port, name)?);
        }
        let patience = if roles.len() > 2 { START_MANY } else { START };
        for role in &roles {
            self.ready(role, patience).await?;
        }
        Ok(roles)
    }

    /// The policy says this from now on.
    pub async fn rule(&self, order: &Order, sink: &str, rules: Rules) -> Result<(), BenchError> {
        let manifests = manifests(&self.namespace, order, sink, rules)?;
        declare(&self.store, &manifests).await
    }

    /// Journeys to which nothing comes, by name.
    pub async fn put_idle(&self, n: usize) -> Result<Vec<String>, BenchError> {
        let names: Vec<String> = (0..n).map(|n| format!("idle-{n}")).collect();
        for name in &names {
            let mut manifests = self.manifests.clone();
            read(&mut manifests, &IDLE.replace("NAME", name), "idle.yaml")?;
            put(&self.store, &manifests, name).await?;
        }
        Ok(names)
    }

    /// What the gateway, these runners and PostgreSQL take from now on.
    pub fn usage<'r>(&self, runners: impl IntoIterator<Item = &'r Role>) -> Usage {
        Usage::of(Processes {
            gateway: self.gateway.id(),
            runners: runners.into_iter().map(Role::id).collect(),
            postmaster: self.postmaster,
        })
    }

    async fn ready(&self, role: &Role, patience: Duration) -> Result<(), BenchError> {
        let began = Instant::now();
        loop {
            let asked = self.http.get(format!("http://{}/readyz", role.status)).send().await;
            if asked.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if began.elapsed() > patience {
                let log = fs::read_to_string(log(self.folder.path(), &role.name)).unwrap_or_default();
                let from = log.lines().count().saturating_sub(20);
                let end: Vec<&str> = log.lines().skip(from).collect();
                return Err(BenchError::NotReady(role.name.clone(), patience, end.join("\n")));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Enrollments of a journey that are Completed.
    pub async fn completed(&self, journey: &str) -> Result<u64, BenchError> {
        let name = Count::Ended(Ending::Completed).name();
        let Counts(counts) = self.store.counts(&self.namespace, journey).await?;
        let n: i64 = counts
            .iter()
            .filter(|((count, _), _)| *count == name)
            .map(|(_, n)| n)
            .sum();
        Ok(u64::try_from(n).unwrap_or_default())
    }

    /// Ends the processes, and takes the namespace out of the database.
    pub async fn close(self) -> Result<(), BenchError> {
        let Self {
            gateway,
            runners,
            namespace,
            store,
            ..
        } = self;
        drop((gateway, runners));
        Ok(store.remove_namespace(&namespace).await?)
    }
}

fn manifests(namespace: &str, order: &Order, sink: &str, rules: Rules) -> Result<Manifests, BenchError> {
    let mut manifests = Manifests {
        namespace: namespace.to_owned(),
        ..Manifests::default()
    };
    let text = MANIFESTS
        .replace("SINK", sink)
        .replace("CONCURRENCY", &order.concurrency.to_string());
    read(&mut manifests, &text, "bench.yaml")?;
    match rules {
        Rules::Plain => read(&mut manifests, PLAIN, "plain.yaml")?,
        Rules::Full => read(&mut manifests, &later(FULL, SystemClock.now()), "full.yaml")?,
    }
    Ok(manifests)
}

/// The text with quiet hours that are not now: FROM+9 is their beginning by a clock that is nine hours ahead of UTC.
fn later(text: &str, now: Micros) -> String {
    let mut text = text.to_owned();
    for ahead in [0, 9, -7] {
        for (word, hours) in [("FROM", QUIET.0), ("TO", QUIET.1)] {
            let minutes = (now / MINUTE + (hours + ahead) * 60).rem_euclid(24 * 60);
            let clock = format!("{:02}:{:02}", minutes / 60, minutes % 60);
            text = text.replace(&format!("{word}{ahead:+}"), &clock);
        }
    }
    text
}

fn read(manifests: &mut Manifests, text: &str, file: &str) -> Result<(), BenchError> {
    let read = manifests.read(text, file);
    read.map(drop).map_err(|errors| unread(&errors))
}

/// The namespace's settings, and the journey that events lead through.
async fn declare(store: &Postgres, manifests: &Manifests) -> Result<(), BenchError> {
    let settings = serde_json::to_value(compile::settings(manifests)).map_err(unwritten)?;
    store.put_settings(&manifests.namespace, &settings).await?;
    put(store, manifests, JOURNEY).await.map(drop)
}

async fn put(store: &Postgres, manifests: &Manifests, journey: &str) -> Result<Program, BenchError> {
    let compiled = compile::journey(manifests, journey).map_err(|found| unread(&found))?;
    let row = programs::row(manifests, &compiled.program).map_err(unwritten)?;
    store.put_journey(&manifests.namespace, &row).await?;
    Ok(compiled.program)
}

fn unread(said: &[impl ToString]) -> BenchError {
    BenchError::Manifests(said.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
}

fn unwritten(error: serde_json::Error) -> BenchError {
    BenchError::Manifests(error.to_string())
}

fn role(
    folder: &TempDir,
    database: &str,
    namespace: &str,
    own: &[&str],
    status: u16,
    name: String,
) -> Result<Role, BenchError> {
    let status = format!("127.0.0.1:{status}");
    let spawned = || {
        let output = File::create(log(folder.path(), &name))?;
        Command::new(std::env::current_exe()?)
            .args(own)
            .args(["--namespace", namespace, "--status-address", &status])
            .args([Path::new("--keys"), &folder.path().join("keys")])
            .args([Path::new("--secrets"), &folder.path().join("secrets")])
            .env("JOURNEY_DATABASE_URL", database)
            .env("RUST_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
    };
    let child = spawned().map_err(|error| BenchError::Io("a process", error))?;
    Ok(Role { child, name, status })
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
