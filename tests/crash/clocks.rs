//! Clocks that are stepped by an hour, forward and back: the database's, by which everything is timed, and those of gateway and runners.
//! libfaketime stands between the processes and the system's clock; what is monotonic stays so.

use super::{
    Chance, Manners, Oddities, Server, Traffic, WebhookSink, World, books::Books, each_once, handed,
    lateness::Lateness, tell, webhook, world::Plan,
};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A clock that the test steps.
struct Clock {
    folder: TempDir,
}

impl Clock {
    fn new() -> Self {
        let clock = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        // PostgreSQL's user reads it too.
        std::fs::set_permissions(clock.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        clock.step_to(0);
        clock
    }

    /// So many seconds away from the true time; at once for everybody, since the file is replaced as a whole.
    fn step_to(&self, seconds: i64) -> Instant {
        let (new, file) = (self.folder.path().join("new"), self.file());
        std::fs::write(&new, format!("{seconds:+}\n")).unwrap();
        std::fs::rename(new, file).unwrap();
        Instant::now()
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    fn environment(&self) -> Vec<(String, String)> {
        let file = self.file().display().to_string();
        [
            ("FAKETIME_TIMESTAMP_FILE", file.as_str()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("FAKETIME_DISABLE_SHM", "1"),
            ("NO_FAKE_STAT", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// What starts a process under this clock.
    fn before(&self) -> Vec<String> {
        let variables = self
            .environment()
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"));
        let preload = format!("LD_PRELOAD={}", library().display());
        std::iter::once("env".to_owned())
            .chain([preload])
            .chain(variables)
            .collect()
    }
}

/// Installs the package when it is not there and this is root.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    let installed = || {
        let folders = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let found = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
        found.into_iter().find(|library| library.exists())
    };
    LIBRARY.get_or_init(|| {
        if installed().is_none() {
            let install = "export DEBIAN_FRONTEND=noninteractive; \
                apt-get install -y --no-install-recommends faketime || { apt-get update && apt-get install -y --no-install-recommends faketime; }";
            let _ = Command::new("sh").args(["-c", install]).stdout(Stdio::null()).status();
        }
        installed().expect("libfaketime is not there: install the package faketime")
    })
}

const HOUR: i64 = 3_600;

/// Says when the clock went forward: a wait that such a step falls into is shortened by it.
async fn steps(clock: &Clock, chance: &mut Chance, to: &[i64]) -> Vec<Instant> {
    let (mut forward, mut at) = (Vec::new(), 0);
    for seconds in to {
        chance.sleep(2_500..3_500).await;
        let stepped = clock.step_to(*seconds);
        if *seconds > at {
            forward.push(stepped);
        }
        at = *seconds;
    }
    forward
}

async fn sink(chance: &Chance) -> WebhookSink {
    let manners = Manners {
        answers_within: 5..100,
        ..Manners::default()
    };
    WebhookSink::open(chance.seed, manners).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_the_databases_clock_makes_nothing_early_beyond_the_step_and_nothing_twice() {
    let mut chance = Chance::new();
    let (clock, sink) = (Clock::new(), sink(&chance).await);
    let database = Server::with(&Oddities {
        preload: Some((library(), clock.environment())),
        ..Oddities::default()
    });
    let mut world = World::open(&database, &webhook(&sink), &[], 1_000).await;
    let client = world.look().await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(18));
    let (events, first_sent) = (traffic.events, traffic.first_sent.clone());
    let mut forward = steps(&clock, &mut chance, &[HOUR]).await;
    let ahead = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";
    let ahead = client.query_one(ahead, &[]).await.unwrap().get::<_, i64>(0) - journey::clock::now();
    assert!(
        ahead > (HOUR - 60) * 1_000_000,
        "the database's clock was not stepped: {ahead} µs"
    );
    forward.extend(steps(&clock, &mut chance, &[0]).await);
    // Who dies now leaves a registration and leases that last for an hour by the clock that is right again.
    world.runners[0].kill();
    let takeover = world.taken_over().await;
    world.runners[0].start_again();
    world.shared().await;
    forward.extend(steps(&clock, &mut chance, &[-HOUR, 0]).await);
    let met = traffic.end().await;
    // What began to wait in the hour that was too early is due when that hour comes.
    chance.sleep(2_500..3_500).await;
    forward.push(clock.step_to(HOUR));
    let books = Books::close(&world, events).await;
    each_once(&world, &sink, &books);
    tell(
        "database's clock",
        5,
        met,
        &books,
        sink.messages().len(),
        handed(&sink),
        Some(takeover),
    );
    let within = |step: &Instant, sent: Instant, arrived: Instant| *step >= sent && *step <= arrived;
    let whole = Lateness::of(&sink, &first_sent, |sent, arrived| {
        !forward.iter().any(|step| within(step, sent, arrived))
    });
    println!("database's clock: beside the steps forward {whole}");
    assert!(whole.count() > 0);
    assert_eq!(whole.early, 0, "a wait was cut short without a step forward");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_of_the_clocks_of_gateway_and_runners_changes_nothing() {
    let mut chance = Chance::new();
    let (clock, sink) = (Clock::new(), sink(&chance).await);
    let (adapter, before) = (webhook(&sink), clock.before());
    let plan = Plan {
        adapter: &adapter,
        customers: 800,
        before: &before,
        ..Plan::default()
    };
    let world = World::with(Server::shared(), plan).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(14));
    let (events, first_sent) = (traffic.events, traffic.first_sent.clone());
    steps(&clock, &mut chance, &[HOUR, 0, -HOUR, 0]).await;
    let met = traffic.end().await;
    let books = Books::close(&world, events).await;
    each_once(&world, &sink, &books);
    assert_eq!(handed(&sink), sink.messages().len(), "none was handed over twice");
    tell(
        "processes' clocks",
        4,
        met,
        &books,
        sink.messages().len(),
        handed(&sink),
        None,
    );
    let late = Lateness::of(&sink, &first_sent, |_, _| true);
    println!("processes' clocks: {late}");
    assert_eq!(late.early, 0, "waits run on the database's clock");
    // An event without a time of its own has the gateway's.
    let behind = "SELECT count(*) FROM journey.event WHERE at < accepted_at - 3000000000";
    let behind: i64 = world.look().await.query_one(behind, &[]).await.unwrap().get(0);
    assert!(behind > 0, "the gateway's clock was not stepped");
}
