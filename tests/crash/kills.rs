//! Gateway, runners and PostgreSQL killed with -9 in any order under traffic, ten of each; CRASH_KILLS=200 for as many of each.

use super::{
    Chance, DURABLE, Manners, Oddities, Server, Traffic, WebhookSink, World, books::Books, each_once, handed, tell,
    webhook, world::Plan,
};
use std::time::{Duration, Instant};

/// Of each kind.
fn kills() -> usize {
    std::env::var("CRASH_KILLS").map_or(10, |kills| kills.parse().expect("CRASH_KILLS is a number"))
}

/// Messages that a runner may have under way: with its adapter's concurrency of 8, and as many that wait for a place.
const IN_FLIGHT: i64 = 16;

#[derive(Debug, Clone, Copy)]
enum Kill {
    Gateway,
    Runner,
    Database,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_everything_lose_nothing_and_a_webhook_that_deduplicates_gets_each_message_once() {
    let mut chance = Chance::new();
    let manners = Manners {
        answers_within: 5..150,
        breaks_after: 3,
        refuses: 3,
    };
    let sink = WebhookSink::open(chance.seed, manners).await;
    let (world, books) = storm("all killed", &webhook(&sink), &mut chance, &sink).await;
    each_once(&world, &sink, &books);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_everything_hand_nothing_over_twice_where_nobody_deduplicates() {
    let mut chance = Chance::new();
    let manners = Manners {
        answers_within: 5..150,
        ..Manners::default()
    };
    let sink = WebhookSink::open(chance.seed, manners).await;
    let adapter = webhook(&sink).replace("unknownOutcome: Retry", "unknownOutcome: Drop");
    let (world, books) = storm("all killed, Drop", &adapter, &mut chance, &sink).await;
    let messages = sink.messages();
    assert_eq!(handed(&sink), messages.len(), "nothing was handed over twice");
    let willing = world.willing();
    assert!(
        messages.values().all(|(customer, _)| willing.contains(customer)),
        "nobody got one without consent"
    );
    let reached = i64::try_from(messages.len()).unwrap();
    assert!(
        books.sent <= reached && reached <= books.sent + books.unknown,
        "{reached} {books:?}"
    );
    // A runner is killed, or both lose their leases while the database is away.
    let most = i64::try_from(kills()).unwrap() * 3 * IN_FLIGHT;
    assert!(books.unknown <= most, "more than was under way: {books:?}");
}

async fn storm(story: &str, adapter: &str, chance: &mut Chance, sink: &WebhookSink) -> (World, Books) {
    let each = kills();
    let database = Server::with(&Oddities {
        settings: &DURABLE,
        ..Oddities::default()
    });
    let plan = Plan {
        adapter,
        customers: each * 3 * 20,
        ..Plan::default()
    };
    let mut world = World::with(&database, plan).await;
    let mut order = [Kill::Gateway, Kill::Runner, Kill::Database].repeat(each);
    chance.shuffle(&mut order);
    // A kill takes about a second.
    let lasting = Duration::from_secs(u64::try_from(order.len()).unwrap());
    let traffic = Traffic::start(&world, chance, lasting);
    let (events, began) = (traffic.events, Instant::now());
    for (n, kill) in order.iter().enumerate() {
        chance.sleep(200..900).await;
        match kill {
            Kill::Gateway => {
                world.gateway.kill();
                chance.sleep(0..200).await;
                world.gateway.start_again();
            }
            Kill::Runner => {
                let runner = usize::try_from(chance.of(0..2)).unwrap();
                world.runners[runner].kill();
                chance.sleep(0..500).await;
                world.runners[runner].start_again();
            }
            Kill::Database => {
                tokio::task::block_in_place(|| database.crash());
                chance.sleep(0..500).await;
                tokio::task::block_in_place(|| database.start_again());
            }
        }
        if order.len() > 100 && n % 30 == 29 {
            let reached = sink.messages().len();
            println!(
                "{story}: {} kills in {:.0?}, {reached} customers reached",
                n + 1,
                began.elapsed()
            );
        }
    }
    let met = traffic.end().await;
    assert!(met.refused + met.broken > 0, "no request met a kill: {met:?}");
    let books = Books::close(&world, events).await;
    tell(
        story,
        order.len(),
        met,
        &books,
        sink.messages().len(),
        handed(sink),
        None,
    );
    (world, books)
}
