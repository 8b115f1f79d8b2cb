//! Who is slow or loud has only himself to wait for: a dead provider, a flood of one customer, a flood of one journey.

use super::{
    Chance, Manners, Server, Traffic, WebhookSink, World,
    books::Books,
    each_once, handed,
    lateness::Lateness,
    tell, webhook,
    world::{JOURNEY, NAMESPACE, Plan, WRITE_KEY, customer, manifests},
};
use journey::store::Store;
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;

/// Generous: a lease and then some. What it is in truth is printed.
const AT_ITS_PACE: Duration = Duration::from_secs(10);

const SEND: &str = "  - {name: remind, send: {touchpoint: reminder, otherwise: missed}}\n";
/// Half of the customers are sent by another adapter.
const EITHER: &str =
    "  - {name: part, split: {arms: [{name: quick, weight: 50, next: remind}, {name: slow, weight: 50, next: ring}]}}
  - {name: remind, send: {touchpoint: reminder, otherwise: missed}, next: done}
  - {name: ring, send: {touchpoint: bell, otherwise: missed}}\n";
const BELL: &str = r"
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: bell}
spec:
  channel: Email
  outbound: {adapter: slow, purpose: marketing, to: '${customer.email}', content: {subject: Ring, text: Ring}}
---
apiVersion: journey.dev/v1alpha1
kind: ChannelAdapter
metadata: {name: slow}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_hangs_slows_only_its_own_lane() {
    let mut chance = Chance::new();
    let manners = Manners {
        answers_within: 5..50,
        ..Manners::default()
    };
    let (quick, slow) = (
        WebhookSink::open(chance.seed, manners.clone()).await,
        WebhookSink::open(chance.seed, manners.clone()).await,
    );
    // Longer than the adapter's timeout: each try hangs until that is over.
    slow.behave(Manners {
        answers_within: 60_000..60_001,
        ..manners.clone()
    });
    let text = manifests(&webhook(&quick)).replace(SEND, EITHER) + BELL + &webhook(&slow);
    let plan = Plan {
        manifests: Some((&text, &[JOURNEY])),
        customers: 2_000,
        runners: 1,
        ..Plan::default()
    };
    let world = World::with(Server::shared(), plan).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(12));
    let (events, first_sent) = (traffic.events, traffic.first_sent.clone());
    let met = traffic.end().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let counts = world.store.counts(NAMESPACE, JOURNEY).await.unwrap();
        let of = |touchpoint: &str, what: &str| counts.total_of(&format!("{what}:{touchpoint}"));
        let asked = of("reminder", "requested") + of("bell", "requested");
        let over = of("reminder", "sent") + of("reminder", "skipped");
        if asked == i64::try_from(world.customers).unwrap() && over == of("reminder", "requested") {
            assert_eq!(of("bell", "sent"), 0, "the slow lane is still stuck");
            break;
        }
        assert!(
            Instant::now() < deadline,
            "the quick lane waits for the slow one: {counts:#?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let late = Lateness::of(&quick, &first_sent, |_, _| true);
    println!("beside a provider that hangs: {late}");
    assert_eq!(late.early, 0);
    assert!(late.longest() < AT_ITS_PACE, "the quick lane was slowed: {late}");

    slow.behave(manners);
    let books = Books::close(&world, events).await;
    let (quick_ones, slow_ones) = (quick.messages(), slow.messages());
    let reached: BTreeSet<String> = quick_ones
        .values()
        .chain(slow_ones.values())
        .map(|(customer, _)| customer.clone())
        .collect();
    assert_eq!(reached, world.willing());
    assert_eq!(
        quick_ones.len() + slow_ones.len(),
        reached.len(),
        "one message a customer"
    );
    assert_eq!(handed(&quick), quick_ones.len());
    tell(
        "one provider hangs",
        1,
        met,
        &books,
        reached.len(),
        handed(&quick) + handed(&slow),
        None,
    );
}

/// Customers whose messages wait for a provider that is dead, and those of the one beside it.
const WAITING: usize = 5_000;
const BESIDE: usize = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_for_a_dead_provider_keeps_no_other_message_waiting() {
    let chance = Chance::new();
    let manners = Manners {
        answers_within: 0..5,
        ..Manners::default()
    };
    let away = Manners {
        refuses: 100,
        ..manners.clone()
    };
    let dead = Manners {
        answers_within: 60_000..60_001,
        ..manners.clone()
    };
    let (quick, slow) = (
        WebhookSink::open(chance.seed, away).await,
        WebhookSink::open(chance.seed, dead).await,
    );
    let beside: Vec<String> = (WAITING..WAITING + BESIDE)
        .map(|n| format!("'{}'", customer(n)))
        .collect();
    let by_name = format!(
        "  - {{name: part, branch: {{cases: [{{when: \"entry.userId in [{}]\", next: remind}}], otherwise: ring}}}}\n{}",
        beside.join(", "),
        EITHER.split_once('\n').unwrap().1
    );
    let text = manifests(&webhook(&quick)).replace(SEND, &by_name) + BELL + &webhook(&slow);
    let plan = Plan {
        manifests: Some((&text, &[JOURNEY])),
        customers: WAITING + BESIDE,
        runners: 1,
        ..Plan::default()
    };
    let world = World::with(Server::shared(), plan).await;
    let requested = async |touchpoint: &str, many: usize| {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let counts = world.store.counts(NAMESPACE, JOURNEY).await.unwrap();
            if counts.total_of(&format!("requested:{touchpoint}")) == i64::try_from(many).unwrap() {
                return;
            }
            assert!(Instant::now() < deadline, "{counts:#?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let backlog = async || world.store.backlog(NAMESPACE, JOURNEY).await.unwrap().outbox;
    let mut events = Flood::start(&world, WAITING, |n| {
        ("cart.updated", format!("waiting-{n}"), customer(n))
    })
    .end()
    .await;
    requested("bell", WAITING).await;
    events += Flood::start(&world, BESIDE, |n| {
        ("cart.updated", format!("beside-{n}"), customer(WAITING + n))
    })
    .end()
    .await;
    requested("reminder", BESIDE).await;
    // By now each of them was refused and is held, behind all that waits for the dead one.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let waiting = backlog().await;
    quick.behave(manners.clone());
    let begun = Instant::now();
    let willing = |from: usize, to: usize| {
        let names: BTreeSet<String> = (from..to).map(customer).collect();
        names.intersection(&world.willing()).count()
    };
    while quick.arrivals().len() < willing(WAITING, WAITING + BESIDE) {
        assert!(begun.elapsed() < AT_ITS_PACE, "{} of them came", quick.arrivals().len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let took = begun.elapsed();
    println!(
        "beside {waiting} messages that wait for a dead provider, all others came within {took:.1?} of its pause of up to two seconds"
    );
    let dead_ones = i64::try_from(willing(0, WAITING)).unwrap();
    assert!(
        backlog().await >= dead_ones,
        "they still wait, each, whatever the other lane does"
    );
    slow.behave(manners);
    let books = Books::close(&world, events).await;
    let reached = quick.messages().len() + slow.messages().len();
    assert_eq!(reached, world.willing().len(), "one message a customer");
    assert_eq!(books.failed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_customer_does_not_starve_the_others() {
    let (chance, sink) = far_end().await;
    let adapter = webhook(&sink);
    let plan = Plan {
        adapter: &adapter,
        customers: 500,
        runners: 1,
        ..Plan::default()
    };
    let world = World::with(Server::shared(), plan).await;
    // One who consented, and is among those who are looked at.
    let flood = Flood::start(&world, 6_000, |n| ("cart.updated", format!("flood-{n}"), customer(1)));
    beside(flood, "flood of a customer", world, chance, sink, true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_one_journey_does_not_starve_the_others() {
    let (chance, sink) = far_end().await;
    let noise = r"
---
apiVersion: journey.dev/v1alpha1
kind: Journey
metadata: {name: noise}
spec:
  entry: {triggers: [{event: noise-made}]}
  steps: [{name: done, exit: {outcome: Completed}}]
---
apiVersion: journey.dev/v1alpha1
kind: Touchpoint
metadata: {name: noise-made}
spec:
  channel: Web
  inbound:
    event: noise.made
    customer: event.userId
    schema: {type: object, required: [userId], properties: {userId: {type: string}}}
";
    let text = manifests(&webhook(&sink)) + noise;
    let plan = Plan {
        manifests: Some((&text, &[JOURNEY, "noise"])),
        customers: 500,
        runners: 1,
        ..Plan::default()
    };
    let world = World::with(Server::shared(), plan).await;
    let flood = Flood::start(&world, 6_000, |n| {
        ("noise.made", format!("noise-{n}"), customer(n % 400))
    });
    beside(flood, "flood of a journey", world, chance, sink, false).await;
}

async fn far_end() -> (Chance, WebhookSink) {
    let chance = Chance::new();
    let manners = Manners {
        answers_within: 5..50,
        ..Manners::default()
    };
    let sink = WebhookSink::open(chance.seed, manners).await;
    (chance, sink)
}

/// Usual traffic beside a flood, which the journey hears or not.
async fn beside(flood: Flood, story: &str, world: World, mut chance: Chance, sink: WebhookSink, heard: bool) {
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(10));
    let (events, first_sent) = (traffic.events, traffic.first_sent.clone());
    // The flood's own customer may have begun with it.
    let own = customer(1);
    let met = traffic.end().await;
    let many = flood.end().await;
    let books = if heard {
        Books::close(&world, events + many).await
    } else {
        Books::close_beside(&world, events, many).await
    };
    each_once(&world, &sink, &books);
    tell(story, 1, met, &books, sink.messages().len(), handed(&sink), None);
    first_sent.lock().unwrap().remove(&own);
    let late = Lateness::of(&sink, &first_sent, |_, _| true);
    println!("{story}, {many} events: {late}");
    assert_eq!(late.early, 0);
    assert!(late.longest() < AT_ITS_PACE, "the others were starved: {late}");
}

/// Events as fast as they are taken, a hundred a request, four requests at a time.
struct Flood(Vec<JoinHandle<usize>>);

impl Flood {
    fn start(world: &World, many: usize, event: fn(usize) -> (&'static str, String, String)) -> Self {
        let senders = 4;
        let send = |sender: usize| {
            let (http, url) = (world.http.clone(), world.url.clone());
            tokio::spawn(async move {
                let mine: Vec<usize> = (0..many).filter(|n| n % senders == sender).collect();
                for batch in mine.chunks(100) {
                    let one = |n: &usize| {
                        let (kind, id, who) = event(*n);
                        json!({"specversion": "1.0", "id": id, "source": "/flood", "type": kind, "data": {"userId": who}})
                    };
                    let body: Value = batch.iter().map(one).collect();
                    loop {
                        let request = http.post(format!("{url}/v1/events")).bearer_auth(WRITE_KEY);
                        let request = request.header("content-type", "application/cloudevents-batch+json");
                        let status = request.body(body.to_string()).send().await.unwrap().status().as_u16();
                        match status {
                            202 => break,
                            429 | 503 => tokio::time::sleep(Duration::from_millis(200)).await,
                            _ => panic!("{status}"),
                        }
                    }
                }
                mine.len()
            })
        };
        Self((0..senders).map(send).collect())
    }

    async fn end(self) -> usize {
        let mut all = 0;
        for sender in self.0 {
            all += sender.await.unwrap();
        }
        all
    }
}
