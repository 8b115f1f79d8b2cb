//! A withdrawal holds within a second: whatever the message is doing meanwhile (it waits for its lane, is claimed, or pauses before another try), no
//! provider is called later than a second after the page said that the customer is unsubscribed.

use super::{
    Chance, Manners, Server, Traffic, WebhookSink, World,
    world::{JOURNEY, NAMESPACE, Plan, manifests},
};
use journey::{
    keys::MessageKey,
    kpi::Counts,
    link::{self, Leave},
    store::Store,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};
use tokio::task::JoinSet;

/// What the documentation promises.
const PROMISED: Duration = Duration::from_secs(1);
/// Over this time customers withdraw, each at a moment of their own; messages go out over a longer one.
const WITHDRAWING: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_provider_is_called_later_than_a_second_after_a_withdrawal_was_acknowledged() {
    let mut chance = Chance::new();
    let manners = Manners {
        answers_within: 5..400,
        refuses: 30,
        ..Manners::default()
    };
    let sink = WebhookSink::open(chance.seed, manners.clone()).await;
    // Slower than they come: most wait for the rate, some with a claim; and each third call is refused for now.
    let adapter = format!(
        "spec:\n  webhook: {{url: \"{}\"}}\n  timeout: 3s\n  limits: {{perSecond: 40, concurrency: 8}}\n  \
         retry: {{attempts: 50, initial: 1s, max: 2s}}",
        sink.url
    );
    let text = manifests(&adapter);
    let plan = Plan {
        manifests: Some((&text, &[JOURNEY])),
        customers: 600,
        ..Plan::default()
    };
    let world = World::with(Server::shared(), plan).await;
    let traffic = Traffic::start(&world, &mut chance, Duration::from_secs(3));
    let events = traffic.events;
    let mut withdrawals = JoinSet::new();
    for name in world.willing() {
        let after = WITHDRAWING.mul_f64(chance.of(0..1_000) as f64 / 1_000.0);
        let customer = world.keys.customer(NAMESPACE, "userId", &name);
        let leave = Leave {
            message: MessageKey(customer.0),
            customer,
            purpose: "marketing".into(),
        };
        let page = link::unsubscribe(&world.keys, &world.url, NAMESPACE, &leave);
        let http = world.http.clone();
        withdrawals.spawn(async move {
            tokio::time::sleep(after).await;
            let request = http.post(page).body("List-Unsubscribe=One-Click");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status().as_u16(), 200);
            (name, Instant::now())
        });
    }
    let acknowledged: BTreeMap<String, Instant> = withdrawals.join_all().await.into_iter().collect();
    traffic.end().await;
    sink.behave(Manners { refuses: 0, ..manners });
    let counts = at_rest(&world, events).await;

    let (mut before, mut after) = (0, vec![]);
    for (called, customer) in sink.calls() {
        match called.checked_duration_since(acknowledged[&customer]) {
            Some(late) => after.push((late, customer)),
            None => before += 1,
        }
    }
    after.sort();
    let latest = after.last().map(|(late, _)| *late).unwrap_or_default();
    println!(
        "{before} calls before the withdrawal, {} after it, the last {} ms after",
        after.len(),
        latest.as_millis()
    );
    let late: Vec<_> = after.iter().filter(|(late, _)| *late > PROMISED).collect();
    assert!(late.is_empty(), "called after the withdrawal held: {late:?}");
    let (sent, skipped) = (
        counts.total("sent:reminder"),
        counts.total("skipped:reminder:NoConsent"),
    );
    assert_eq!(counts.total("requested:reminder"), sent + skipped, "{counts:#?}");
    assert_eq!(sent, i64::try_from(sink.messages().len()).unwrap());
    let unwilling = i64::try_from(world.silent().len()).unwrap();
    assert!(
        sent > 50 && skipped > unwilling + 50,
        "both must have happened: {counts:#?}"
    );
}

/// What was counted once nothing is on its way any more.
async fn at_rest(world: &World, events: usize) -> Counts {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let backlog = world.store.backlog(NAMESPACE, JOURNEY).await.unwrap();
        let counts = world.store.counts(NAMESPACE, JOURNEY).await.unwrap();
        let all = counts.total_of("event:") >= i64::try_from(events).unwrap();
        if all && backlog.inbox + backlog.outbox + backlog.active == 0 {
            return counts;
        }
        assert!(Instant::now() < deadline, "not at rest: {backlog:?} {counts:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
