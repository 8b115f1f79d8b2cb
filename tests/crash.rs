//! Crashes and outages with real processes and a real PostgreSQL: a gateway and two runners of one journey are killed at random in the
//! middle of traffic, the database goes away and comes back, and then the books must balance. Further stories are in crash/: kills of everything,
//! outages of the database, shards on the move, stepped clocks, lanes, and what comes in its order.
//!
//! Each story has a database and processes of its own and prints a line of what happened (`--nocapture`); CRASH_SEED repeats its chances.

#[path = "crash/books.rs"]
mod books;
#[path = "crash/chance.rs"]
mod chance;
#[path = "crash/clocks.rs"]
mod clocks;
#[path = "crash/kills.rs"]
mod kills;
#[path = "crash/lanes.rs"]
mod lanes;
#[path = "crash/lateness.rs"]
mod lateness;
#[path = "support/mail_server.rs"]
mod mail_server;
#[path = "crash/moves.rs"]
mod moves;
#[path = "crash/order.rs"]
mod order;
#[path = "crash/outages.rs"]
mod outages;
#[path = "support/postgres.rs"]
mod postgres;
#[path = "support/process.rs"]
mod process;
#[path = "crash/traffic.rs"]
mod traffic;
#[path = "support/webhook_sink.rs"]
mod webhook_sink;
#[path = "crash/withdrawal.rs"]
mod withdrawal;
#[path = "crash/world.rs"]
mod world;

use books::Books;
use chance::Chance;
use mail_server::MailServer;
use postgres::{DURABLE, Oddities, Server};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use traffic::{Met, Traffic};
use webhook_sink::{Manners, WebhookSink};
use world::World;

/// A lease of 5 s, the heartbeat that finds it over, and a busy machine.
const TAKEOVER: Duration = Duration::from_secs(9);

/// Deduplicates, so what may have been taken is sent again.
fn webhook(sink: &WebhookSink) -> String {
    format!(
        "spec:\n  webhook: {{url: \"{}\"}}\n  unknownOutcome: Retry\n  timeout: 3s\n  limits: {{concurrency: 8}}\n  \
         retry: {{attempts: 50, initial: 1s, max: 2s}}",
        sink.url
    )
}

/// What reached the webhook: every customer who consented one message, by its idempotency key, and nobody else any.
fn each_once(world: &World, sink: &WebhookSink, books: &Books) {
    let messages = sink.messages();
    let customers: BTreeSet<String> = messages.values().map(|(customer, _)| customer.clone()).collect();
    assert_eq!(customers, world.willing(), "everyone who consented, and nobody else");
    assert_eq!(messages.len(), customers.len(), "one idempotency key a customer");
    assert_eq!(books.sent, i64::try_from(messages.len()).unwrap());
    assert_eq!(books.failed, 0);
}

/// What happened, in a row: disturbances, what senders met, what the books say, what reached the far end and how often it was handed over.
fn tell(story: &str, kills: usize, met: Met, books: &Books, reached: usize, handed: usize, takeover: Option<Duration>) {
    let takeover = takeover.map_or("-".into(), |took| format!("{:.1} s", took.as_secs_f64()));
    let row = [
        ("kills", kills.to_string()),
        ("refused", met.refused.to_string()),
        ("broken", met.broken.to_string()),
        ("duplicate", met.duplicate.to_string()),
        ("accepted", books.accepted.to_string()),
        ("entered", books.entered.to_string()),
        ("sent", books.sent.to_string()),
        ("skipped", books.skipped.to_string()),
        ("unknown", books.unknown.to_string()),
        ("reached", reached.to_string()),
        ("handed", handed.to_string()),
        ("takeover", takeover),
    ];
    let line = |cells: Vec<&str>| cells.iter().map(|cell| format!("{cell:>10}")).collect::<String>();
    let heads = line(row.iter().map(|(name, _)| *name).collect());
    let cells = line(row.iter().map(|(_, cell)| cell.as_str()).collect());
    println!("{:<20}{heads}\n{story:<20}{cells}", "");
}

fn handed(sink: &WebhookSink) -> usize {
    sink.messages().values().map(|(_, times)| times).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_is_killed_loses_no_event_that_it_accepted() {
    let mut chance = Chance::new();
    let sink = WebhookSink::open(chance.seed, Manners::default()).await;
    let mut world = World::open(Server::shared(), &webhook(&sink), &[], 1_000).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(8));
    let events = traffic.events;
    let kills = 6;
    for _ in 0..kills {
        chance.sleep(500..1_300).await;
        world.gateway.kill();
        world.gateway.start_again();
    }
    let met = traffic.end().await;
    assert!(met.broken > 0, "no request met the killed gateway: {met:?}");
    let books = Books::close(&world, events).await;
    each_once(&world, &sink, &books);
    tell(
        "gateway killed",
        kills,
        met,
        &books,
        sink.messages().len(),
        handed(&sink),
        None,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_killed_loses_no_message_and_none_counts_twice_at_the_webhook() {
    let mut chance = Chance::new();
    let manners = Manners {
        answers_within: 5..150,
        breaks_after: 3,
        refuses: 3,
    };
    let sink = WebhookSink::open(chance.seed, manners).await;
    let mut world = World::open(Server::shared(), &webhook(&sink), &[], 1_000).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(10));
    let events = traffic.events;
    let mut kills = 0;
    chance.sleep(1_500..2_000).await;
    for _ in 0..4 {
        chance.sleep(300..1_000).await;
        let runner = usize::try_from(chance.of(0..2)).unwrap();
        world.runners[runner].kill();
        world.runners[runner].start_again();
        kills += 1;
    }
    world.shared().await;
    world.runners[0].kill();
    kills += 1;
    let takeover = world.taken_over().await;
    assert!(
        takeover < TAKEOVER,
        "the other runner took over after {takeover:?} only"
    );
    world.runners[0].start_again();
    let met = traffic.end().await;
    let books = Books::close(&world, events).await;
    each_once(&world, &sink, &books);
    tell(
        "runner killed, http",
        kills,
        met,
        &books,
        sink.messages().len(),
        handed(&sink),
        Some(takeover),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_killed_or_frozen_mails_nobody_twice() {
    let mut chance = Chance::new();
    let mail = tempfile::tempdir().unwrap();
    let server = MailServer::start(mail.path(), "shop", "letmein").await;
    let adapter = format!(
        "spec:\n  smtp: {{host: 127.0.0.1, port: {}, from: \"Shop <hello@shop.example>\", credentials: {{secretRef: {{name: mail}}}}, \
         ca: {{secretRef: {{name: mail-ca}}}}}}\n  unknownOutcome: Drop\n  limits: {{perSecond: 40, burst: 1}}",
        server.port
    );
    let secrets = [
        ("mail/username", "shop"),
        ("mail/password", "letmein"),
        ("mail-ca/ca.crt", &server.ca()),
    ];
    let mut world = World::open(Server::shared(), &adapter, &secrets, 1_000).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(6));
    let events = traffic.events;
    let mut kills = 0;
    chance.sleep(1_500..2_000).await;
    for _ in 0..4 {
        chance.sleep(300..1_000).await;
        let runner = usize::try_from(chance.of(0..2)).unwrap();
        world.runners[runner].kill();
        world.runners[runner].start_again();
        kills += 1;
    }
    world.shared().await;
    // Frozen, it does not know that the other one has taken over when it goes on.
    world.runners[0].signal("STOP");
    let takeover = world.taken_over().await;
    assert!(
        takeover < TAKEOVER,
        "the other runner took over after {takeover:?} only"
    );
    world.runners[0].signal("CONT");
    let met = traffic.end().await;
    let books = Books::close(&world, events).await;

    let mails = server.mails();
    let ids: BTreeSet<&str> = mails.iter().map(|mail| mail.message_id.as_str()).collect();
    let readers: BTreeSet<String> = mails
        .iter()
        .map(|mail| mail.to.trim_end_matches("@example.com").to_owned())
        .collect();
    assert_eq!(ids.len(), mails.len(), "no mail came twice");
    assert_eq!(readers.len(), mails.len(), "nobody got two mails");
    assert!(readers.is_subset(&world.willing()), "nobody got one without consent");
    let reached = i64::try_from(mails.len()).unwrap();
    assert!(books.sent <= reached, "{reached} {books:?}");
    assert!(reached <= books.sent + books.unknown, "{reached} {books:?}");
    tell(
        "runner killed, smtp",
        kills,
        met,
        &books,
        mails.len(),
        mails.len(),
        Some(takeover),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_database_is_away_events_are_refused_and_then_everything_goes_on() {
    let mut chance = Chance::new();
    let database = Server::start();
    let manners = Manners {
        answers_within: 20..200,
        ..Manners::default()
    };
    let sink = WebhookSink::open(chance.seed, manners).await;
    let mut world = World::open(&database, &webhook(&sink), &[], 1_000).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(6));
    let events = traffic.events;
    chance.sleep(2_000..2_500).await;
    database.stop();
    let away = Instant::now();
    world.readyz_says(0, 503, "store").await;
    for runner in [1, 2] {
        world.readyz_says(runner, 503, "store").await;
    }
    // A gateway that is started meanwhile refuses alike: it knows no key yet, but that is not the sender's mistake.
    world.gateway.kill();
    world.gateway.start_again();
    while away.elapsed() < Duration::from_secs(7) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    database.start_again();
    let back = Instant::now();
    for role in 0..3 {
        world.ready(role).await;
    }
    let ready = back.elapsed();
    let met = traffic.end().await;
    assert!(met.refused > 0, "nothing was refused: {met:?}");
    let books = Books::close(&world, events).await;
    each_once(&world, &sink, &books);
    tell(
        "database away",
        1,
        met,
        &books,
        sink.messages().len(),
        handed(&sink),
        Some(ready),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_is_told_to_end_finishes_what_it_has_begun_and_leaves_its_shards_at_once() {
    let mut chance = Chance::new();
    let manners = Manners {
        answers_within: 300..900,
        ..Manners::default()
    };
    let sink = WebhookSink::open(chance.seed, manners).await;
    let mut world = World::open(Server::shared(), &webhook(&sink), &[], 300).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(2));
    let events = traffic.events;
    let mut takeover = Duration::ZERO;
    let ends = 2;
    for runner in 0..ends {
        chance.sleep(2_000..2_500).await;
        assert!(sink.under_way() > 8, "both runners have messages under way");
        let told = Instant::now();
        world.runners[runner].signal("TERM");
        let status = world.runners[runner].ended(Duration::from_secs(6)).await;
        assert!(
            status.is_some_and(|status| status.success()),
            "{status:?} after {:?}",
            told.elapsed()
        );
        let took = world.taken_over().await;
        assert!(
            took < Duration::from_secs(3),
            "the shards were not left: it took {took:?}"
        );
        takeover = takeover.max(took);
        world.runners[runner].start_again();
        world.shared().await;
    }
    let met = traffic.end().await;
    let books = Books::close(&world, events).await;
    each_once(&world, &sink, &books);
    assert_eq!(
        handed(&sink),
        sink.messages().len(),
        "what became of each message was written: none was handed over twice"
    );
    tell(
        "runner told to end",
        ends,
        met,
        &books,
        sink.messages().len(),
        handed(&sink),
        Some(takeover),
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_ends_while_the_database_is_away_writes_what_it_knows_when_it_is_back() {
    let mut chance = Chance::new();
    let database = Server::start();
    let manners = Manners {
        answers_within: 300..900,
        ..Manners::default()
    };
    let sink = WebhookSink::open(chance.seed, manners).await;
    let mut world = World::open(&database, &webhook(&sink), &[], 200).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(1));
    let events = traffic.events;
    chance.sleep(2_000..2_500).await;
    assert!(sink.under_way() > 8, "both runners have messages under way");
    database.stop();
    world.runners[0].signal("TERM");
    // Shorter than a lease: nobody has a reason to take anything over.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(
        world.runners[0].ended(Duration::ZERO).await,
        None,
        "it knows something that is not written"
    );
    database.start_again();
    let status = world.runners[0].ended(Duration::from_secs(8)).await;
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let takeover = world.taken_over().await;
    let met = traffic.end().await;
    let books = Books::close(&world, events).await;
    each_once(&world, &sink, &books);
    assert_eq!(handed(&sink), sink.messages().len(), "none was handed over twice");
    tell(
        "told to end, no db",
        1,
        met,
        &books,
        sink.messages().len(),
        handed(&sink),
        Some(takeover),
    );
}
