//! What a database does to those who use it: restarts, a full disk, no connection left, foreign locks and foreign snapshots.

use super::{
    Chance, Manners, Oddities, Server, Traffic, WebhookSink, World, books::Books, each_once, handed,
    lateness::Lateness, postgres, tell, webhook,
};
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};
use tokio_postgres::{Client, NoTls};

async fn sink(chance: &Chance) -> WebhookSink {
    let manners = Manners {
        answers_within: 5..100,
        ..Manners::default()
    };
    WebhookSink::open(chance.seed, manners).await
}

/// Until as many requests were refused.
async fn refused(traffic: &Traffic, many: usize) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while traffic.refused.load(Ordering::Relaxed) < many {
        assert!(Instant::now() < deadline, "nothing was refused");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn settle(story: &str, disturbances: usize, world: &World, traffic: Traffic, sink: &WebhookSink) {
    let events = traffic.events;
    let met = traffic.end().await;
    let books = Books::close(world, events).await;
    each_once(world, sink, &books);
    tell(
        story,
        disturbances,
        met,
        &books,
        sink.messages().len(),
        handed(sink),
        None,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_the_database_under_traffic_loses_nothing() {
    let mut chance = Chance::new();
    let (database, sink) = (Server::start(), sink(&chance).await);
    let world = World::open(&database, &webhook(&sink), &[], 600).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(8));
    let restarts = 3;
    for _ in 0..restarts {
        chance.sleep(1_000..2_000).await;
        tokio::task::block_in_place(|| {
            database.shut();
            database.start_again();
        });
    }
    settle("database restarted", restarts, &world, traffic, &sink).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_disk_is_full_events_are_refused_and_then_everything_goes_on() {
    let mut chance = Chance::new();
    let sink = sink(&chance).await;
    let database = Server::with(&Oddities {
        megabytes: Some(160),
        settings: &[
            "max_wal_size=48MB",
            "min_wal_size=32MB",
            "fsync=on",
            "full_page_writes=on",
        ],
        ..Oddities::default()
    });
    let world = World::open(&database, &webhook(&sink), &[], 1_500).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(12));
    chance.sleep(1_500..2_500).await;
    tokio::task::block_in_place(|| database.fill());
    refused(&traffic, 40).await;
    // Longer than a lease.
    tokio::time::sleep(Duration::from_secs(6)).await;
    tokio::task::block_in_place(|| {
        database.free();
        // Without room for its log a server ends by itself.
        database.start_again();
    });
    settle("disk full", 1, &world, traffic, &sink).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_others_have_all_connections_events_are_refused_and_then_everything_goes_on() {
    let mut chance = Chance::new();
    let sink = sink(&chance).await;
    let database = Server::with(&Oddities {
        settings: &["max_connections=30", "superuser_reserved_connections=0"],
        ..Oddities::default()
    });
    let world = World::open(&database, &webhook(&sink), &[], 800).await;
    let url = world.url_of_database().to_owned();
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(8));
    chance.sleep(1_500..2_000).await;
    let mut greedy: Vec<Client> = Vec::new();
    let since = Instant::now();
    while since.elapsed() < Duration::from_secs(8) {
        while let Ok((client, connection)) = tokio_postgres::connect(&url, NoTls).await {
            tokio::spawn(connection);
            greedy.push(client);
        }
        if let Some(client) = greedy.first() {
            let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'journey'";
            client.execute(end, &[]).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    refused(&traffic, 1).await;
    drop(greedy);
    settle("no connection left", 1, &world, traffic, &sink).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_somebody_locks_the_tables_statements_give_up_and_then_everything_goes_on() {
    let mut chance = Chance::new();
    let sink = sink(&chance).await;
    let world = World::open(Server::shared(), &webhook(&sink), &[], 800).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(8));
    chance.sleep(1_500..2_000).await;
    let stranger = postgres::connect(world.url_of_database()).await;
    let lock = "BEGIN; LOCK TABLE journey.event IN ACCESS EXCLUSIVE MODE; LOCK TABLE journey.enrollment IN ACCESS EXCLUSIVE MODE";
    stranger.batch_execute(lock).await.unwrap();
    tokio::time::sleep(Duration::from_secs(15)).await;
    stranger.batch_execute("ROLLBACK").await.unwrap();
    assert!(
        traffic.refused.load(Ordering::Relaxed) > 0,
        "nobody gave up waiting for the lock"
    );
    settle("tables locked", 1, &world, traffic, &sink).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_snapshot_that_is_held_keeps_nobody_from_their_messages() {
    // A minute in a soak.
    let held = Duration::from_secs(if std::env::var_os("CRASH_KILLS").is_some() {
        60
    } else {
        20
    });
    let before = Duration::from_secs(8);
    let mut chance = Chance::new();
    let (database, sink) = (Server::start(), sink(&chance).await);
    let lasting = before + held;
    let customers = usize::try_from(lasting.as_secs()).unwrap() * 60;
    let world = World::open(&database, &webhook(&sink), &[], customers).await;
    let traffic = Traffic::start(&world, &mut chance, lasting);
    let began = Instant::now();
    tokio::time::sleep(before).await;
    let reader = postgres::connect(world.url_of_database()).await;
    let look = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM journey.inbox";
    reader.batch_execute(look).await.unwrap();
    let begun = Instant::now();
    tokio::time::sleep(held).await;
    let ended = Instant::now();
    let dead = "SELECT (SELECT n_tup_del FROM pg_stat_user_tables WHERE relname = 'inbox')";
    let dead: i64 = reader.query_one(dead, &[]).await.unwrap().get(0);
    reader.batch_execute("COMMIT").await.unwrap();
    let first_sent = traffic.first_sent.clone();
    settle("foreign snapshot", 1, &world, traffic, &sink).await;
    let phases = [
        ("before", began, begun),
        ("its first half", begun, begun + held / 2),
        ("its second half", begun + held / 2, ended),
    ];
    for (phase, from, to) in phases {
        let late = Lateness::between(&sink, &first_sent, from, to);
        let rate = late.count() as f64 / to.duration_since(from).as_secs_f64();
        println!("foreign snapshot, {phase}: {rate:.0} messages/s; {late}");
        assert!(late.count() > 0, "a stall in {phase}");
        assert_eq!(late.early, 0);
    }
    println!("foreign snapshot: {dead} rows of the inbox were done and could not be cleared away");
}
