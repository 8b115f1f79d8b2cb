//! `journey dev DIR`: gateway, runners and compiler in one process over YAML files and the in-memory store. No cluster, no database.

mod virtual_time;

use super::{
    import,
    simulate::{read_events, write_messages},
    table::table,
};
use crate::{
    api::channel_adapter::{ChannelAdapterSpec, HTTP_KEY},
    channel::{self, Channel, Folder, OpenError, Reads, Secrets, Smtp},
    clock::{Clock, DAY, ManualClock, Micros, SystemClock},
    compile::{self, Diagnostic, Manifests},
    gateway,
    keys::Keys,
    runner,
    simulate::{self, population},
    status_server::Flag,
    store::{Store, memory::Memory},
};
use anyhow::{Context, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use notify::{RecursiveMode, Watcher};
use prometheus_client::registry::Registry;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

const NAMESPACE: &str = simulate::NAMESPACE;
/// Editors write a file in several steps: changes within this are one.
const SETTLE: Duration = Duration::from_millis(200);
const REPORT: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder (or file) with the YAML of a namespace; Secrets in it are read too
    folder: PathBuf,
    /// Where events come in and links lead
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Folder that mail is written to, one .eml a message
    #[arg(long, value_name = "DIR", default_value = "mail", conflicts_with = "smtp")]
    mail_to: PathBuf,
    /// Send mail to this SMTP server instead, without TLS and login: a mail catcher on this machine
    #[arg(long, value_name = "HOST:PORT")]
    smtp: Option<String>,
    /// Customers to begin with (CSV or JSON lines): without consent nobody is mailed
    #[arg(long, value_name = "FILE")]
    customers: Option<PathBuf>,
    /// Whose time it is: the machine's, or virtual, which stands until a line on standard input moves it: a duration, an instant, or next
    #[arg(long, value_enum, default_value_t = WhichClock::Machine)]
    clock: WhichClock,
    /// Where virtual time begins; left out: at the first of --events, or now
    #[arg(long, value_name = "INSTANT")]
    start: Option<String>,
    /// In virtual time: post these events (JSON lines of CloudEvents, with `adapter` as an extension) at their instants, and end
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Days that pass from the first event on
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3660))]
    days: u32,
    /// Write the messages of --events here, as JSON lines
    #[arg(long, value_name = "FILE", requires = "events")]
    messages: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum WhichClock {
    Machine,
    Virtual,
}

pub async fn run(args: Args, shutdown: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen at {}; give another --listen", args.listen))?;
    let address = listener.local_addr()?;
    if args.smtp.is_none() {
        std::fs::create_dir_all(&args.mail_to)
            .with_context(|| format!("cannot make the mail folder {}", args.mail_to.display()))?;
    }
    if args.clock == WhichClock::Machine && (args.events.is_some() || args.start.is_some()) {
        bail!("--events and --start are for virtual time: add --clock virtual");
    }
    let events = args.events.as_deref().map(read_events).transpose()?;
    let hand = match args.clock {
        WhichClock::Machine => None,
        WhichClock::Virtual => Some(Arc::new(ManualClock::at(start(&args, events.as_deref())?))),
    };
    let clock: Arc<dyn Clock> = match &hand {
        Some(hand) => hand.clone(),
        None => Arc::new(SystemClock),
    };
    let mut dev = Dev {
        store: Arc::new(Memory::with_lease_clock(clock.clone(), Arc::new(SystemClock))),
        // In virtual time everything is the same each time, arms of splits too.
        keys: if hand.is_some() {
            simulate::keys()
        } else {
            Keys::ephemeral()
        },
        clock,
        hand,
        secrets: tempfile::tempdir().context("cannot make a folder for secrets")?,
        running: BTreeMap::new(),
        known: BTreeSet::new(),
        tasks: JoinSet::new(),
        address,
        shutdown: shutdown.clone(),
        args,
    };
    // Before the files are read: what changes afterwards is not missed.
    let (_watcher, changes) =
        changes(&dev.args.folder).with_context(|| format!("cannot watch {}", dev.args.folder.display()))?;
    let manifests = dev.reload().await?;
    if manifests.journeys.is_empty() {
        bail!("{}: no Journey in it", dev.args.folder.display());
    }
    dev.say_hello(&manifests);
    dev.start_gateway(listener);
    if let Some(file) = dev.args.customers.clone() {
        import::file(&*dev.store, &dev.keys, NAMESPACE, &file).await?;
    }
    if let (Some(events), Some(hand)) = (events, dev.hand()) {
        return dev.replay(&hand, &events, &manifests).await;
    }
    dev.watch(changes, shutdown).await
}

/// Tells of changes in the folder for as long as the watcher is kept.
fn changes(folder: &Path) -> notify::Result<(notify::RecommendedWatcher, mpsc::Receiver<()>)> {
    let (changed, changes) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access()) {
            // A change that is waiting to be seen stands for this one too.
            let _seen_soon = changed.try_send(());
        }
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    Ok((watcher, changes))
}

struct Dev {
    args: Args,
    store: Arc<Memory>,
    clock: Arc<dyn Clock>,
    /// Where time is virtual: who moves it.
    hand: Option<Arc<ManualClock>>,
    keys: Keys,
    secrets: tempfile::TempDir,
    /// Journeys with a runner, and what stops it.
    running: BTreeMap<String, CancellationToken>,
    /// Journeys that the store knows.
    known: BTreeSet<String>,
    tasks: JoinSet<anyhow::Result<()>>,
    address: SocketAddr,
    shutdown: CancellationToken,
}

impl Dev {
    /// Reads the folder anew. What is wrong is told, and what compiled before goes on as it was.
    async fn reload(&mut self) -> anyhow::Result<Manifests> {
        let files = super::check::yaml_files(std::slice::from_ref(&self.args.folder))?;
        let mut manifests = Manifests {
            namespace: NAMESPACE.into(),
            ..Manifests::default()
        };
        let mut sound = true;
        for file in &files {
            let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
            if let Err(errors) = manifests.read(&text, &file.display().to_string()) {
                errors.iter().for_each(|error| eprintln!("error: {error}"));
                sound = false;
            }
            self.keep_secrets(&text)?;
        }
        if !sound {
            bail!("the folder cannot be read");
        }
        // Links lead here, whatever the files say.
        for adapter in manifests.adapters.values_mut() {
            if let Some(http) = &mut adapter.http {
                http.public_url = Some(crate::api::text::Url(format!("http://{}", self.address)));
            }
        }
        self.default_keys(&manifests)?;
        let (_, diagnostics) = compile::intake(&manifests);
        tell(&diagnostics);
        let settings = serde_json::to_value(compile::settings(&manifests))?;
        self.store.put_settings(NAMESPACE, &settings).await?;
        let mut gone = std::mem::take(&mut self.known);
        for journey in manifests.journeys.keys() {
            gone.remove(journey);
            self.known.insert(journey.clone());
            match compile::journey(&manifests, journey) {
                Ok(compiled) => {
                    tell(&compiled.warnings);
                    let row = runner::programs::row(&manifests, &compiled.program)?;
                    self.store.put_journey(NAMESPACE, &row).await?;
                    self.start_runner(journey);
                }
                Err(diagnostics) => tell(&diagnostics),
            }
        }
        // Schedules begin before time passes, also where time is virtual and does not wait for the gateway.
        if let Some(stored) = self.store.programs(NAMESPACE, -1).await? {
            let view = gateway::View::of_programs(&stored)?;
            gateway::strike(&*self.store, &self.keys, NAMESPACE, &view).await?;
        }
        for journey in gone {
            self.store.stop_journey(NAMESPACE, &journey).await?;
            if let Some(runner) = self.running.remove(&journey) {
                runner.cancel();
            }
            self.store.remove_journey(NAMESPACE, &journey).await?;
            println!("journey {journey} is gone");
        }
        Ok(manifests)
    }

    fn start_runner(&mut self, journey: &str) {
        if self.running.contains_key(journey) {
            return;
        }
        let stop = self.shutdown.child_token();
        self.running.insert(journey.to_owned(), stop.clone());
        let (folder, smtp) = (self.args.mail_to.clone(), self.args.smtp.clone());
        let secrets = Secrets::new(self.secrets.path());
        let options = runner::Options {
            namespace: NAMESPACE.into(),
            journey: journey.to_owned(),
            keys: self.keys.clone(),
            owner: Uuid::new_v4(),
            jitter: Arc::new(runner::jitter),
            divide: runner::DIVIDE,
            at_work: Box::new(|| {}),
            metrics: runner::Metrics::register(&mut Registry::default()),
            ready: Flag::lowered("rounds"),
            open: Box::new(move |spec, reads| open(spec, &secrets, reads, &folder, smtp.as_deref())),
            regions: None,
            compiler: runner::programs::compile_all,
        };
        let store = self.store.clone();
        self.tasks
            .spawn(async move { Ok(runner::run(options, store, stop).await?) });
    }

    fn start_gateway(&mut self, listener: TcpListener) {
        let options = gateway::Options {
            clock: self.clock.clone(),
            namespace: NAMESPACE.into(),
            listener,
            secrets: self.secrets.path().to_owned(),
            limits: gateway::Limits::default(),
            metrics: gateway::Metrics::register(&mut Registry::default()),
            programs: Flag::lowered("programs"),
            reachable: Flag::lowered("store"),
        };
        let (store, keys, shutdown) = (self.store.clone(), self.keys.clone(), self.shutdown.clone());
        self.tasks
            .spawn(async move { Ok(gateway::serve(options, store, keys, shutdown).await?) });
    }

    fn hand(&self) -> Option<virtual_time::Hand> {
        self.hand.clone().map(|clock| virtual_time::Hand {
            clock,
            store: self.store.clone(),
            namespace: NAMESPACE,
            address: self.address,
        })
    }

    /// Posts recorded events at their instants, writes down the messages, and ends.
    async fn replay(
        mut self,
        hand: &virtual_time::Hand,
        events: &[population::Recorded],
        manifests: &Manifests,
    ) -> anyhow::Result<()> {
        let end = events.first().map_or(0, |first| first.at) + Micros::from(self.args.days) * DAY;
        let secrets = self.secrets.path().to_owned();
        tokio::select! {
            replayed = hand.replay(events, end, manifests, &secrets) => replayed?,
            Some(ended) = self.tasks.join_next() => ended??,
        }
        if let Some(file) = &self.args.messages {
            write_messages(file, &population::messages(&self.store, NAMESPACE))?;
        }
        println!("{}", self.report().await?);
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Until told to stop: reloads when a file changes, reports when a number changes.
    async fn watch(mut self, mut changes: mpsc::Receiver<()>, shutdown: CancellationToken) -> anyhow::Result<()> {
        let mut shown = String::new();
        let mut report = tokio::time::interval(REPORT);
        let hand = self.hand();
        let mut orders = hand.as_ref().map(|_| virtual_time::lines());
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                Some(()) = changes.recv() => {
                    tokio::time::sleep(SETTLE).await;
                    while changes.try_recv().is_ok() {}
                    match self.reload().await {
                        Ok(manifests) => println!("reloaded: {} journeys", manifests.journeys.len()),
                        Err(error) => eprintln!("error: {error:#}; what ran before runs on"),
                    }
                }
                Some(order) = told(&mut orders) => {
                    if let Some(hand) = &hand {
                        match hand.obey(&order).await {
                            Ok(answer) => println!("{answer}"),
                            Err(error) => eprintln!("error: {error:#}"),
                        }
                    }
                }
                _ = report.tick() => {
                    let now = self.report().await?;
                    if now != shown {
                        println!("{now}\n");
                        shown = now;
                    }
                }
                Some(ended) = self.tasks.join_next() => ended??,
            }
        }
        while let Some(ended) = self.tasks.join_next().await {
            ended??;
        }
        println!("{}", self.report().await?);
        Ok(())
    }

    async fn report(&self) -> anyhow::Result<String> {
        let mut rows = Vec::new();
        for journey in &self.known {
            let counts = self.store.counts(NAMESPACE, journey).await?;
            let backlog = self.store.backlog(NAMESPACE, journey).await?;
            rows.push(vec![
                journey.clone(),
                counts.total("entered").to_string(),
                backlog.active.to_string(),
                counts.total_of("ended:").to_string(),
                counts.total_of("sent:").to_string(),
                reasons(&counts, "skipped:"),
                reasons(&counts, "failed:"),
            ]);
        }
        let intake = self.store.intake_counts(NAMESPACE).await?;
        let events = format!(
            "events: {} accepted, {} duplicate, quarantined {}",
            intake.total("accepted"),
            intake.total("duplicate"),
            reasons(&intake, "quarantined:")
        );
        Ok(format!(
            "{}\n{events}",
            table(
                &["JOURNEY", "ENTERED", "ACTIVE", "ENDED", "SENT", "SKIPPED", "FAILED"],
                &rows
            )
        ))
    }

    fn say_hello(&self, manifests: &Manifests) {
        println!(
            "events:  POST http://{}/v1/events (CloudEvents), /v1/track, /v1/batch (Segment)",
            self.address
        );
        for (name, adapter) in &manifests.adapters {
            if let Some(http) = &adapter.http {
                let key = http.auth.secret_ref.file(HTTP_KEY);
                let key = std::fs::read_to_string(self.secrets.path().join(key)).unwrap_or_default();
                println!("key of adapter {name}: {key}");
            }
        }
        match &self.args.smtp {
            Some(server) => println!("mail:    to {server}, in the clear"),
            None => println!("mail:    in {}", self.args.mail_to.display()),
        }
        println!("files:   {} (reloaded when they change)\n", self.args.folder.display());
    }

    /// Secrets among the files, as the cluster would mount them.
    fn keep_secrets(&self, text: &str) -> anyhow::Result<()> {
        for (name, keys) in secret_documents(text) {
            for (key, value) in keys {
                write_secret(self.secrets.path(), &format!("{name}/{key}"), &value)?;
            }
        }
        Ok(())
    }

    /// Write keys that no file brings: `dev-` and the adapter's name.
    fn default_keys(&self, manifests: &Manifests) -> anyhow::Result<()> {
        for (name, adapter) in &manifests.adapters {
            let Some(http) = &adapter.http else { continue };
            let file = http.auth.secret_ref.file(HTTP_KEY);
            if !self.secrets.path().join(&file).exists() {
                write_secret(self.secrets.path(), &file, &format!("dev-{name}"))?;
            }
        }
        Ok(())
    }
}

/// The next line that moves the time; never, where it is the machine's.
async fn told(orders: &mut Option<mpsc::Receiver<String>>) -> Option<String> {
    match orders {
        Some(orders) => orders.recv().await,
        None => std::future::pending().await,
    }
}

/// Where virtual time begins.
fn start(args: &Args, events: Option<&[population::Recorded]>) -> anyhow::Result<Micros> {
    match (&args.start, events.and_then(<[_]>::first)) {
        (Some(text), _) => crate::expression::time::instant(text)
            .with_context(|| format!("--start {text}: write an instant such as 2026-03-02T10:00:00Z")),
        (None, Some(first)) => Ok(first.at),
        (None, None) => Ok(SystemClock.now()),
    }
}

/// Name, key and value of the Secrets in a text; other documents, and what is not text, are passed over.
fn secret_documents(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let documents: Vec<serde_json::Value> = serde_saphyr::from_multiple(text).unwrap_or_default();
    let secrets = documents.iter().filter(|document| document["kind"] == "Secret");
    let of = |secret: &serde_json::Value| {
        let name = secret["metadata"]["name"].as_str()?.to_owned();
        let mut keys = BTreeMap::new();
        for (key, value) in secret["stringData"].as_object().into_iter().flatten() {
            keys.insert(key.clone(), value.as_str()?.to_owned());
        }
        for (key, value) in secret["data"].as_object().into_iter().flatten() {
            let bytes = STANDARD.decode(value.as_str()?).ok()?;
            keys.insert(key.clone(), String::from_utf8(bytes).ok()?);
        }
        Some((name, keys))
    };
    secrets.filter_map(of).collect()
}

fn write_secret(folder: &Path, file: &str, value: &str) -> anyhow::Result<()> {
    let path = folder.join(file);
    std::fs::create_dir_all(path.parent().unwrap_or(folder))?;
    std::fs::write(path, value).with_context(|| format!("cannot keep Secret {file}"))
}

/// Mail goes where the command line says; webhooks and logs are the adapters' own.
fn open(
    spec: &ChannelAdapterSpec,
    secrets: &Secrets,
    reads: Reads,
    folder: &Path,
    server: Option<&str>,
) -> Result<Arc<dyn Channel>, OpenError> {
    let Some(smtp) = &spec.smtp else {
        return channel::open(spec, secrets, reads);
    };
    match server
        .and_then(|server| server.rsplit_once(':'))
        .and_then(|(host, port)| Some((host, port.parse().ok()?)))
    {
        Some((host, port)) => Ok(Arc::new(Smtp::in_the_clear(smtp.clone(), host, port))),
        None => Ok(Arc::new(Folder::new(folder, smtp.from.0.clone()))),
    }
}

fn reasons(counts: &crate::kpi::Counts, prefix: &str) -> String {
    let mut by: BTreeMap<&str, i64> = BTreeMap::new();
    for ((name, _), n) in &counts.0 {
        if let Some(rest) = name.strip_prefix(prefix) {
            *by.entry(rest.rsplit(':').next().unwrap_or(rest)).or_default() += n;
        }
    }
    if by.is_empty() {
        return "0".into();
    }
    by.iter()
        .map(|(reason, n)| format!("{reason} {n}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn tell(diagnostics: &[Diagnostic]) {
    for diagnostic in diagnostics {
        eprintln!("{}: {diagnostic}", diagnostic.severity.name());
    }
}
